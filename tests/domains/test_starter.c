// SPDX-License-Identifier: Apache-2.0
// The rules to begin with: each fits the schemas of the products that weft brings, and each is tied to at least one of them.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/conf.h>

#include "domains/monitoring/alert/self.h"
#include "domains/monitoring/speed/engine_int.h"
#include "domains/monitoring/speed/file.h"
#include "domains/monitoring/speed/rules_sql.h"
#include "tests/support/support.h"

// Of the build directory: what is installed, and what of the built-in products the tests compile.
static const struct {
    const char *product, *set, *message;
    bool events;
} products[] = {
    { "servers/filesystems", "share/weft/products/servers/filesystems.desc",
        "weft.common.v1.FilesystemUsage", false },
    { "servers/memory", "share/weft/products/servers/memory.desc", "weft.common.v1.Memory", false },
    { "servers/load", "share/weft/products/servers/load.desc", "weft.common.v1.Load", false },
    { "network/interfaces", "share/weft/products/network/interfaces.desc",
        "weft.common.v1.InterfaceCounters", false },
    { "servers/agents", "tests/monitor/agent_record.set", "weft.v1.AgentRecord", false },
    { "servers/access", "tests/monitor/access_event.set", "weft.v1.AccessEvent", true },
    { "servers/signals-node-1", "tests/monitor/signal_record.set", "weft.v1.SignalRecord", false },
};
#define PRODUCTS (sizeof products / sizeof *products)

static void on_observed(void *arg, const struct wf_observed *o)
{
    (void)arg, (void)o;
}

static size_t fill_shape(size_t i, struct wf_shape_field *fields, struct weft_product **ret)
{
    char path[512];
    struct weft_problem problem = { 0 };

    snprintf(path, sizeof path, "%s/%s", getenv("WEFT_BUILD_DIR"), products[i].set);
    struct wf_buf set = wf_test_file(path);
    enum weft_err err =
        weft_product_from_descriptor(set.ptr, set.len, products[i].message, ret, &problem);
    ck_assert_msg(!err, "%s: %s", path, problem.text);
    wf_buf_fini(&set);
    size_t count = weft_product_field_count(*ret);
    for (size_t k = 0; k < count; k++) {
        const struct weft_field *f = weft_product_field(*ret, k);
        fields[k] = (struct wf_shape_field){ .name = f->name, .label = f->role == WEFT_ROLE_LABEL };
    }
    return count;
}

static struct wf_rules_file starter(void)
{
    char path[512];
    struct wf_rules_file file;

    snprintf(
        path, sizeof path, "%s/domains/monitoring/rules/starter.yaml", getenv("WEFT_SOURCE_DIR"));
    ck_assert_int_eq(wf_rules_file_open(path, 0, &file), 0);
    ck_assert_uint_ge(file.rules->count, 20);
    return file;
}

START_TEST(every_rule_fits_the_products_that_it_names)
{
    struct wf_rules_file file = starter();
    struct wf_engine *e = wf_engine_new(NULL, on_observed, NULL);
    struct wf_self self = wf_self_new();
    struct wf_shape shapes[PRODUCTS + WF_SELF_SHAPES];
    static struct wf_shape_field fields[PRODUCTS][64];
    struct weft_product *p[PRODUCTS] = { NULL };
    unsigned tied[WF_RULES_MOST] = { 0 };

    ck_assert_ptr_nonnull(e);
    memcpy(&shapes[PRODUCTS], self.all, sizeof self.all);
    wf_engine_rules(e, file.rules, 0);
    for (size_t i = 0; i < PRODUCTS + WF_SELF_SHAPES; i++) {
        struct wf_engine_stats stats;
        if (i < PRODUCTS)
            shapes[i] = (struct wf_shape){ .product = products[i].product,
                .domain = "servers",
                .events = products[i].events,
                .fields = fields[i],
                .field_count = fill_shape(i, fields[i], &p[i]) };
        ck_assert_int_eq(wf_engine_reshape(e, &shapes[i]), WEFT_OK);
        wf_engine_stats(e, &stats);
        ck_assert_str_eq(stats.problem, "");
        for (size_t k = 0; k < shapes[i].bound->count; k++)
            for (size_t r = 0; r < file.rules->count; r++)
                tied[r] += shapes[i].bound->rules[k].rule == file.rules->rules[r];
    }
    for (size_t r = 0; r < file.rules->count; r++)
        ck_assert_msg(tied[r] == !file.rules->rules[r]->sql, "%s looks at %u products",
            file.rules->rules[r]->name, tied[r]);
    wf_engine_free(e);
    for (size_t i = 0; i < PRODUCTS; i++)
        weft_product_free(p[i]);
    wf_rules_file_close(&file);
}
END_TEST

static bool columns_of(
    void *arg, const char *product, const struct wf_query_field **ret, size_t *ret_count)
{
    static struct wf_query_field fields[64];
    struct weft_product **p = arg;
    size_t i = 0;

    while (i < PRODUCTS && strcmp(products[i].product, product) != 0)
        i++;
    struct wf_self self = wf_self_new();
    struct wf_shape_field shape[64];
    ck_assert_msg(i < PRODUCTS || strcmp(product, WF_SELF_RULES) == 0, "no product %s", product);
    *ret_count = i < PRODUCTS ? fill_shape(i, shape, &p[i]) : self.rules.field_count;
    if (i == PRODUCTS)
        memcpy(shape, self.rules.fields, *ret_count * sizeof *shape);
    for (size_t k = 0; k < *ret_count; k++)
        fields[k] = (struct wf_query_field){ .name = shape[k].name };
    *ret = fields;
    return true;
}

START_TEST(every_question_fits_the_products_that_it_names)
{
    struct wf_rules_file file = starter();
    unsigned count = 0;

    for (size_t r = 0; r < file.rules->count; r++) {
        struct weft_product *p[PRODUCTS] = { NULL };
        const struct wf_sql_columns columns = { .arg = (void *)p, .get = columns_of };
        char why[300];
        int at;
        if (!file.rules->rules[r]->sql)
            continue;
        ck_assert_msg(wf_sql_compiles(file.rules->rules[r], &columns, &at, why, sizeof why),
            "%s: %s", file.rules->rules[r]->name, why);
        count++;
        for (size_t i = 0; i < PRODUCTS; i++)
            weft_product_free(p[i]);
    }
    ck_assert_uint_ge(count, 3);
    wf_rules_file_close(&file);
}
END_TEST

// A summary with a name that is neither a label nor a field shows its braces to people.
START_TEST(every_summary_can_be_filled)
{
    struct wf_rules_file file = starter();

    for (size_t r = 0; r < file.rules->count; r++) {
        const struct wf_rule *rule = file.rules->rules[r];
        ck_assert_msg(rule->summary[0], "%s has no summary", rule->name);
        for (const char *at = strstr(rule->summary, "{{"); at; at = strstr(at + 2, "{{")) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 2, "|}"), at + 2);
            bool known = strcmp(name, "value") == 0 || strcmp(name, "detail") == 0 ||
                         strcmp(name, "host") == 0 || strcmp(name, "origin") == 0;
            for (unsigned i = 0; i < rule->when.by_count; i++)
                known = known || strcmp(name, rule->when.by[i]) == 0;
            known = known || (rule->sql && strstr(rule->sql->text, name)); // a column
            for (unsigned i = 0; i < rule->when.expr.field_count; i++)
                known = known || strcmp(name, rule->when.expr.fields[i]) == 0;
            ck_assert_msg(known, "%s: {{%s}} is nothing", rule->name, name);
        }
    }
    wf_rules_file_close(&file);
}
END_TEST

// ---- incidents -------------------------------------------------------------------------------------------------------------

// Of one test: how often the rule is expected, and how many inputs its product has.
static void count_in(const struct weft_conf_node *test, const struct wf_rule *rule,
    unsigned *ret_fires, unsigned *ret_inputs)
{
    const struct weft_conf_node *fires = weft_conf_get(test, "fires"),
                                *products_of = weft_conf_get(test, "products"),
                                *inputs = weft_conf_get(test, "input");

    *ret_fires = *ret_inputs = 0;
    for (const struct weft_conf_node *n = fires->child; n; n = n->next)
        *ret_fires += strcmp(weft_conf_get(n, "rule")->text, rule->name) == 0;
    for (const struct weft_conf_node *n = inputs->child; n; n = n->next) {
        const struct weft_conf_node *product = weft_conf_get(n, "product");
        const char *name = product ? product->text : products_of->child->key;
        *ret_inputs += wf_rule_reads(rule, name);
    }
}

START_TEST(every_rule_fires_in_an_incident_and_stays_silent_beside_it)
{
    static const char *const files[] = { "starter.yaml", "starter-rest.yaml" };
    struct wf_rules_file file = starter();
    struct weft_conf *tests[2] = { NULL };
    char path[512];

    for (size_t f = 0; f < 2; f++) {
        snprintf(path, sizeof path, "%s/tests/domains/incidents/%s", getenv("WEFT_SOURCE_DIR"),
            files[f]);
        ck_assert_int_eq(weft_conf_open(path, 0, &tests[f], NULL), WEFT_OK);
    }
    for (size_t r = 0; r < file.rules->count; r++) {
        const struct wf_rule *rule = file.rules->rules[r];
        unsigned fired = 0, silent = 0;
        for (size_t f = 0; f < 2; f++) {
            const struct weft_conf_node *all = weft_conf_get(weft_conf_root(tests[f]), "tests");
            for (const struct weft_conf_node *t = all->child; t; t = t->next) {
                unsigned fires, inputs;
                count_in(t, rule, &fires, &inputs);
                fired += fires;
                silent += inputs > fires;
            }
        }
        ck_assert_msg(fired && silent, "%s: fires %u times, is silent in %u incidents", rule->name,
            fired, silent);
    }
    weft_conf_free(tests[0]);
    weft_conf_free(tests[1]);
    wf_rules_file_close(&file);
}
END_TEST

// ---- what the monitor tells of itself ----------------------------------------------------------------------------------------

static void note_true(void *arg, const struct wf_observed *o)
{
    char *out = arg;
    size_t len = strlen(out);

    if (o->truth == WF_TRUE)
        snprintf(out + len, 600 - len, "%s:%s ", o->rule->name, wf_labels_get(o->labels, "name"));
}

START_TEST(what_processes_tell_beside_the_database_is_judged)
{
    struct wf_rules_file file = starter();
    char db[512], said[600] = "";
    struct wf_engine *e = wf_engine_new(NULL, note_true, said);
    struct wf_self self = wf_self_new();
    struct wf_mon_pulse p = { .pid = 5, .updated_ms = 1000000, .state = "running" };
    int fds[4];

    static const char *const names[] = { "well", "dead", "stuck", "quiet" };
    snprintf(db, sizeof db, "%s/m.db", wf_test_tmpdir());
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(wf_mon_pulse_create(db, names[i], &fds[i]), WEFT_OK);
        p.updated_ms = i == 3 ? 900000 : 1000000;
        wf_mon_pulse_wrong(&p, i == 2 ? "database: locked" : "", 600000);
        ck_assert_int_eq(wf_mon_pulse_write(fds[i], &p), WEFT_OK);
    }
    close(fds[1]);
    wf_engine_rules(e, file.rules, 0);
    ck_assert_int_eq(wf_self_tie(&self, e), WEFT_OK);
    ck_assert_int_eq(wf_self_parts(&self, e, db, 1000500), WEFT_OK);
    ck_assert_str_eq(said, "monitor-process-away:dead monitor-process-away:quiet "
                           "monitor-process-in-trouble:stuck ");

    struct wf_alerts *alerts = wf_alerts_new(NULL, NULL);
    struct wf_notify *notify = wf_notify_new(file.notify, "m");
    struct wf_engine_stats before, after;
    wf_engine_stats(e, &before);
    ck_assert_int_eq(wf_self_limits(&self, e, alerts, notify, 1000500), WEFT_OK);
    wf_engine_stats(e, &after);
    ck_assert_uint_eq(after.rows - before.rows, 6); // sql and sql-records besides
    ck_assert_ptr_null(strstr(said, "monitor-nearly-full"));
    wf_self_forget(&self, e);
    wf_notify_free(notify);
    wf_alerts_free(alerts);
    wf_engine_free(e);
    wf_rules_file_close(&file);
    close(fds[0]);
    close(fds[2]);
    close(fds[3]);
}
END_TEST

// ---- windows of rules that are SQL -------------------------------------------------------------------------------------------------

static void get_long(const void *arg, size_t field, struct wf_expr_value *ret)
{
    static const char text[1000] = { 0 };

    (void)arg, (void)field;
    *ret = (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = text, .len = sizeof text };
}

static void note_nearly_full(void *arg, const struct wf_observed *o)
{
    char *out = arg;
    const char *name = wf_labels_get(o->labels, "name");

    if (o->truth == WF_TRUE && strcmp(o->rule->name, "monitor-nearly-full") == 0)
        snprintf(out + strlen(out), 100 - strlen(out), "%s ", name);
    if (o->truth == WF_TRUE && strcmp(o->rule->name, "monitor-drops") == 0)
        snprintf(out + strlen(out), 100 - strlen(out), "drops:%s ", name);
}

// Tables in memory are a bound like others: that one is near is an alert before anything is pushed out.
START_TEST(windows_of_sql_that_are_nearly_full_are_told)
{
    static const char text[] =
        "rules: {monitor-nearly-full: {monitor/limits: used / most > 90% by name}, monitor-drops: "
        "{monitor/limits: 'increase(refused, 10m) > 0 by name'}, r: {sql: 'SELECT 1 FROM a_b', "
        "over: a/b for 1h}}";
    static const struct wf_engine_limits limits = { .sql = { .bytes = 1024 * 1024 } };
    static const struct wf_shape_field fields[] = { { "t", false, false, "TEXT" } };
    struct wf_shape shape = {
        .product = "a/b", .domain = "a", .fields = fields, .field_count = 1, .seen = true
    };
    struct weft_conf *conf = NULL;
    char said[100] = "";
    struct wf_engine *e = wf_engine_new(&limits, note_nearly_full, said);
    struct wf_self self = wf_self_new();
    struct wf_alerts *alerts = wf_alerts_new(NULL, NULL);

    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "r.yaml", &conf, NULL), WEFT_OK);
    struct wf_rules *rules = wf_rules_read(conf);
    struct wf_notify_conf *told = wf_notify_read(conf);
    struct wf_notify *notify = wf_notify_new(told, "m");
    ck_assert_str_eq(weft_conf_errors(conf), "");
    wf_engine_rules(e, rules, 0);
    ck_assert_int_eq(wf_self_tie(&self, e), WEFT_OK);
    ck_assert_int_eq(wf_engine_reshape(e, &shape), WEFT_OK);
    unsigned near = 0, full = 0;
    for (unsigned k = 1; k < 2000 && !full; k++) {
        const struct wf_row row = { .shape = &shape,
            .time_ms = 1000000 + k,
            .append_ms = 1000000 + k,
            .offset = k,
            .origin = "o",
            .get = get_long };
        ck_assert_int_eq(wf_engine_row(e, &row), WEFT_OK);
        ck_assert_int_eq(wf_self_limits(&self, e, alerts, notify, 1000000 + k), WEFT_OK);
        near = !near && strstr(said, "sql ") ? k : near;
        full = strstr(said, "drops:sql ") ? k : 0;
        said[0] = '\0';
    }
    ck_assert_uint_gt(near, 400); // of a kilobyte each, in one MiB
    ck_assert_uint_gt(full, near + 40);
    wf_self_forget(&self, e);
    wf_engine_forget(e, &shape);
    wf_notify_free(notify);
    wf_notify_conf_free(told);
    wf_alerts_free(alerts);
    wf_engine_free(e);
    wf_rules_free(rules);
    weft_conf_free(conf);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.starter");
    TCase *t = tcase_create("all");

    tcase_add_test(t, every_rule_fits_the_products_that_it_names);
    tcase_add_test(t, every_question_fits_the_products_that_it_names);
    tcase_add_test(t, every_summary_can_be_filled);
    tcase_add_test(t, every_rule_fires_in_an_incident_and_stays_silent_beside_it);
    tcase_add_test(t, what_processes_tell_beside_the_database_is_judged);
    tcase_add_test(t, windows_of_sql_that_are_nearly_full_are_told);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
