// SPDX-License-Identifier: Apache-2.0
// Rules that are SQL and the batch layer: the same tables for both, and what `rules check` learns of a database.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/fields.h"
#include "domains/monitoring/alert/shipped.h"
#include "domains/monitoring/speed/schemas.h"
#include "tests/domains/monitor_rig.h"
#include "tests/domains/sql_rig.h"

static void on_everything(void *arg, const struct wf_observed *o)
{
    struct wf_expr_value v = { .kind = WF_KIND_NONE };

    if (o->get && o->get(o->get_arg, "everything", &v))
        snprintf(arg, 4096, "%.*s", (int)v.len, v.ptr);
}

// The same SQL over the same records: `weft-monitor sql` and a rule see the same values of the same types.
START_TEST(a_question_tried_on_the_batch_layer_is_a_rule)
{
    static const char sql[] =
        "SELECT group_concat(_time || _origin || _offset || _op || _domain || quote(host) || "
        "quote(load) || "
        "quote(tasks) || quote(mood) || quote(raw) || quote(up) || quote(delta) || quote(at) || "
        "quote(tags) || "
        "quote(maybe) || quote(f_time) || quote(\"group\")) AS everything FROM servers_load";
    char rules[900], seen[4096] = "", errors[300], path[512];
    struct fake_product *p;
    struct wf_mon_store *s = NULL;
    struct weft_problem problem;
    const struct wf_mon_feed feed = { .product = "servers/load", .kind = WEFT_METRIC };
    struct wf_fields f = { .made = false };
    struct wf_buf m = { 0 };

    fake_reset();
    p = fake_product("servers/load", WEFT_METRIC, "load1", "weft.test.Load");
    fake_fill(p, 1, 2);
    fake_text(&m, 1, "web-0");
    fake_varint(&m, 3, (1ULL << 53) + 1); // no double has it
    fake_varint(&m, 4, 1);
    fake_bytes(&m, 5, "\0x", 2);
    fake_varint(&m, 6, 1);
    fake_varint(&m, 7, 3); // -2
    fake_bytes(&m, 8, "\x08\x05", 2);
    fake_text(&m, 9, "a");
    fake_varint(&m, 10, 0);
    fake_text(&m, 11, "its own");
    fake_record(p, WEFT_PUT, &m, 1700000000000777);
    fake_batch(p, "web-0", 1700000000001);
    wf_buf_fini(&m);
    snprintf(path, sizeof path, "%s", rig_path());
    ck_assert_int_eq(wf_mon_store_open(path, &s, &problem), WEFT_OK);
    rig_store(s, p, 0, 2, true);
    wf_mon_store_close(s);

    snprintf(rules, sizeof rules, "rules: {r: {sql: '%s', over: servers/load for 7d}}", sql);
    struct wf_rules *r = rules_of(rules, errors, sizeof errors);
    ck_assert_str_eq(errors, "");
    struct wf_engine *e = wf_engine_new(NULL, on_everything, seen);
    struct weft_product *schema = fake_described(p);
    wf_engine_rules(e, r, 0);
    for (size_t i = 0; i < 2; i++) {
        const struct weft_event *event = fake_event(p, i);
        ck_assert_int_eq(wf_fields_use(&f, e, &feed, schema), WEFT_OK);
        ck_assert_int_eq(wf_fields_rows(&f, e, schema, event, 0, 0), WEFT_OK);
        f.shape.seen = true;
        ck_assert_int_eq(wf_engine_tick(e, event->append_ms + 1000 + (int64_t)i * 60000), WEFT_OK);
    }
    ck_assert(strlen(seen) > 100);
    ck_assert_str_eq(seen, rig_ask(path, sql));
    wf_fields_fini(&f, e);
    wf_engine_free(e);
    wf_rules_free(r);
    weft_product_free(schema);
}
END_TEST

// What `rules check` finds with a database and without one.
START_TEST(a_check_knows_the_columns_of_the_database)
{
    static const char text[] =
        "rules:\n"
        "  good: {sql: 'SELECT host, load FROM servers_load', over: servers/load for 5m}\n"
        "  bad:\n"
        "    sql: |\n"
        "      SELECT host,\n"
        "        temperature FROM servers_load\n"
        "    over: servers/load for 5m\n"
        "  other: {sql: SELECT anything FROM servers_cpu, over: servers/cpu for 5m}\n";
    char path[512], name[600];
    struct wf_mon_store *s = NULL;
    struct weft_problem problem = { 0 };
    struct wf_rules_file file;

    fake_reset();
    struct fake_product *p = fake_product("servers/load", WEFT_METRIC, "load1", "weft.test.Load");
    fake_fill(p, 1, 1);
    snprintf(path, sizeof path, "%s", rig_path());
    snprintf(name, sizeof name, "%s.yaml", path);
    FILE *f = fopen(name, "w");
    ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
    const struct wf_mon_options o = rig_options(path);
    for (int with = 0; with < 2; with++) {
        ck_assert_int_eq(wf_rules_file_open(name, 0, &file), 0);
        ck_assert_int_eq(wf_schemas_check(&file, "r", &o, &problem), WEFT_OK);
        const char *errors = weft_conf_errors(file.conf);
        if (with)
            ck_assert_msg(strstr(errors, ":6:9: no such column: temperature\n"), "%s", errors);
        else
            ck_assert_str_eq(errors, "");
        ck_assert(!strstr(errors, "load") && !strstr(errors, "anything"));
        wf_rules_file_close(&file);
        if (with)
            break;
        ck_assert_int_eq(wf_mon_store_open(path, &s, &problem), WEFT_OK);
        rig_store(s, p, 0, 1, true);
        wf_mon_store_close(s);
    }
}
END_TEST

// An owner's rules, conditions and SQL, against the schema that it ships with them.
START_TEST(rules_of_a_product_are_held_against_its_schema)
{
    static const struct {
        const char *rule, *why;
        bool good;
    } rows[] = { { "{when: load > 1}", "a field", true }, { "{when: lod > 1}", "no field", false },
        { "{sql: SELECT load FROM load WHERE up, over: load for 5m}", "columns", true },
        { "{sql: SELECT lod FROM load, over: load for 5m}", "no column", false },
        { "{sql: SELECT o.owner FROM load JOIN owners o USING (host), over: [load for 5m, owners]}",
            "of another product they are taken to be there", true } };
    char manifest[512], rules[560], path[512];

    snprintf(path, sizeof path, "%s", rig_path());
    snprintf(manifest, sizeof manifest, "%s.yaml", path);
    snprintf(rules, sizeof rules, "%s.rules", path);
    FILE *f = fopen(manifest, "w");
    ck_assert(f &&
              fprintf(f,
                  "name: load\nrules: %s\nschema: {descriptor: "
                  "%s/tests/monitor/load1.set, message: weft.test.Load}\n",
                  rules, getenv("WEFT_BUILD_DIR")) > 0 &&
              fclose(f) == 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_shipped_file file;
        f = fopen(rules, "w");
        ck_assert(f && fprintf(f, "rules:\n  a: %s\n", rows[i].rule) > 0 && fclose(f) == 0);
        int status = wf_shipped_open(manifest, NULL, &file);
        ck_assert_msg((status == 0) == rows[i].good, "%s: %d", rows[i].why, status);
        ck_assert_msg(file.fitted && file.rules, "%s: not looked at", rows[i].why);
        wf_shipped_close(&file);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.rules_schema");
    TCase *t = tcase_create("all");

    tcase_add_test(t, a_question_tried_on_the_batch_layer_is_a_rule);
    tcase_add_test(t, a_check_knows_the_columns_of_the_database);
    tcase_add_test(t, rules_of_a_product_are_held_against_its_schema);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
