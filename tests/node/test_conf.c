// SPDX-License-Identifier: Apache-2.0
// weftd.yaml: defaults, every key, and what is said about each mistake (golden files).
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/node.h"
#include "tests/support/golden.h"

static void read_conf(struct wf_bytes text, const char *name, struct wf_buf *out)
{
    struct wf_diags diags;
    struct wf_conf *c = NULL;

    wf_diags_init(&diags, name);
    enum weft_err err = wf_conf_parse(text, "/etc/weft", &diags, &c);
    ck_assert_int_eq(err, wf_diags_err(&diags));
    ck_assert((c != NULL) == (err == WEFT_OK));
    ck_assert_int_eq(wf_diags_print(&diags, out), WEFT_OK);
    wf_conf_free(c);
    wf_diags_fini(&diags);
}

START_TEST(what_is_said_about_each_file_is_as_written_down)
{
    ck_assert_uint_ge(wf_golden_check("conf", read_conf), 22);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_read_without_harm)
{
    ck_assert_uint_ge(wf_golden_truncate("conf", read_conf), 22);
}
END_TEST

static struct wf_conf *parse(const char *text)
{
    struct wf_diags diags;
    struct wf_conf *c = NULL;

    wf_diags_init(&diags, "weftd.yaml");
    enum weft_err err = wf_conf_parse(wf_bytes_str(text), "/etc/weft", &diags, &c);
    ck_assert_msg(!err, "%s", diags.count ? diags.items[0].text : "no text");
    wf_diags_fini(&diags);
    return c;
}

static struct wf_conf *parse_golden(const char *name)
{
    char path[WF_GOLDEN_PATH];

    wf_golden_path("conf", name, path);
    struct wf_buf text = wf_test_file(path);
    ck_assert_int_eq(wf_buf_append_byte(&text, 0), WEFT_OK);
    struct wf_conf *c = parse((const char *)text.ptr);
    wf_buf_fini(&text);
    return c;
}

START_TEST(an_empty_file_gives_a_node_with_the_defaults)
{
    struct wf_conf *c = parse("");

    ck_assert_int_eq(c->role, WF_ROLE_NODE);
    ck_assert_ptr_null(c->domain);
    ck_assert_ptr_null(c->name);
    ck_assert_str_eq(c->data, "/etc/weft/data");
    ck_assert_str_eq(c->socket, "/etc/weft/run/weftd.sock");
    ck_assert_str_eq(c->products, "/etc/weft/products.d");
    ck_assert_ptr_null(c->ticket);
    ck_assert_str_eq(c->listen.host, "0.0.0.0");
    ck_assert_uint_eq(c->listen.port, 7400);
    ck_assert_str_eq(c->advertise.host, "");
    ck_assert_str_eq(c->http.host, "127.0.0.1");
    ck_assert_uint_eq(c->http.port, 7500);
    ck_assert_uint_eq(c->streams.first, 17400);
    ck_assert_uint_eq(c->streams.last, 17999);
    ck_assert(c->streams.gate);
    ck_assert(!c->issuer);
    ck_assert_int_eq(c->log.format, WF_LOG_LOGFMT);
    ck_assert_int_eq(c->log.level, WF_LOG_INFO);
    ck_assert_uint_eq(c->retention.count, 1);
    ck_assert_uint_eq(wf_conf_class_of(c, "default")->age_ms, 7ull * 86400000);
    ck_assert_uint_eq(wf_conf_class_of(c, "default")->bytes, 1ull << 30);
    ck_assert_uint_eq(c->epoch_ms, 600000);
    ck_assert_uint_eq(c->lease_ms, 600000);
    ck_assert_uint_eq(c->linger_ms, 1);
    ck_assert_uint_eq(c->drain_ms, 10000);
    ck_assert_uint_eq(c->min_free_percent, 5);
    ck_assert(c->sources.enabled);
    ck_assert_uint_eq(c->workers, 0);
    wf_conf_free(c);
}
END_TEST

START_TEST(every_key_of_a_node_reaches_the_struct)
{
    struct wf_conf *c = parse_golden("001-good-node.yaml");

    ck_assert_str_eq(c->domain, "servers");
    ck_assert_str_eq(c->name, "n1");
    ck_assert_str_eq(c->data, "/var/lib/weft");
    ck_assert_str_eq(c->socket, "/run/weft/weftd.sock");
    ck_assert_str_eq(c->products, "/etc/weft/products.d");
    ck_assert_str_eq(c->ticket, "/etc/weft/ticket");
    ck_assert_str_eq(c->advertise.host, "n1.servers.example.org");
    ck_assert_uint_eq(c->mirror.count, 2);
    ck_assert_str_eq(c->mirror.items[0].product, "network/flows");
    ck_assert_uint_eq(c->mirror.items[0].age_ms, 86400000);
    ck_assert_uint_eq(c->mirror.items[0].bytes, 64ull << 20);
    ck_assert_uint_eq(c->mirror.items[1].bytes, 1ull << 30);
    ck_assert_uint_eq(c->streams.last, 7450);
    ck_assert(!c->streams.gate);
    ck_assert_uint_eq(c->seeds.count, 2);
    ck_assert_str_eq(c->seeds.items[1].address.host, "2001:db8::1");
    ck_assert_uint_eq(c->seeds.items[0].key.b[31], 7);
    ck_assert_uint_eq(c->seeds.items[1].key.b[31], 31);
    ck_assert(c->issuer);
    ck_assert_int_eq(c->log.format, WF_LOG_JSON);
    ck_assert_int_eq(c->log.level, WF_LOG_DEBUG);
    ck_assert_uint_eq(c->local.count, 2);
    ck_assert_uint_eq(c->local.items[0].may, WF_MAY_ADMIN);
    ck_assert_uint_eq(c->local.items[1].may, WF_MAY_READ | WF_MAY_PUBLISH);
    ck_assert_uint_eq(c->local.items[1].uid, 1000);
    ck_assert_str_eq(c->local.items[1].products.items[1], "disk-*");
    ck_assert_uint_eq(c->retention.count, 2);
    ck_assert_uint_eq(wf_conf_class_of(c, "default")->age_ms, 14ull * 86400000);
    ck_assert_uint_eq(wf_conf_class_of(c, "default")->bytes, 1ull << 30);
    ck_assert_uint_eq(wf_conf_class_of(c, "short")->bytes, 64u << 20);
    ck_assert_ptr_null(wf_conf_class_of(c, "long"));
    ck_assert_uint_eq(c->epoch_ms, 300000);
    ck_assert_uint_eq(c->lease_ms, 1200000);
    ck_assert_uint_eq(c->linger_ms, 2);
    ck_assert_uint_eq(c->drain_ms, 30000);
    ck_assert_uint_eq(c->min_free_percent, 10);
    ck_assert_uint_eq(c->agents_for.count, 2);
    ck_assert_str_eq(c->agents_for.items[1], "security");
    ck_assert_uint_eq(c->signals_for.count, 1);
    ck_assert_str_eq(c->signals_for.items[0], "monitoring");
    ck_assert_uint_eq(c->notify.count, 3);
    ck_assert_str_eq(c->notify.items[0], "/usr/local/bin/page");
    ck_assert_str_eq(c->sources.user, "nobody");
    ck_assert_uint_eq(c->workers, 4);
    wf_conf_free(c);
}
END_TEST

START_TEST(an_agent_listens_on_nothing_and_lingers_longer)
{
    struct wf_conf *c = parse_golden("002-good-agent.yaml");

    ck_assert_int_eq(c->role, WF_ROLE_AGENT);
    ck_assert_str_eq(c->listen.host, "");
    ck_assert_str_eq(c->http.host, "");
    ck_assert_uint_eq(c->uplinks.count, 1);
    ck_assert_uint_eq(c->spool.age_ms, 86400000);
    ck_assert_uint_eq(c->spool.bytes, 64u << 20);
    ck_assert_uint_eq(c->linger_ms, 1000);
    wf_conf_free(c);
}
END_TEST

START_TEST(without_local_only_root_and_the_daemons_user_may_do_anything)
{
    struct wf_conf *c = parse("");

    ck_assert_uint_ne(wf_conf_local_of(c, 0, 999)->may & WF_MAY_ADMIN, 0);
    ck_assert_uint_ne(wf_conf_local_of(c, 999, 999)->may & WF_MAY_ADMIN, 0);
    ck_assert_ptr_null(wf_conf_local_of(c, 1000, 999));
    wf_conf_free(c);
}
END_TEST

START_TEST(with_local_only_the_named_may_do_what_is_named)
{
    struct wf_conf *c = parse("local: {1000: {may: [publish, query]}}\n");

    ck_assert_uint_eq(wf_conf_local_of(c, 1000, 999)->may, WF_MAY_PUBLISH | WF_MAY_QUERY);
    ck_assert_ptr_null(wf_conf_local_of(c, 0, 999));
    ck_assert_ptr_null(wf_conf_local_of(c, 999, 999));
    wf_conf_free(c);
}
END_TEST

static const struct restart_row {
    const char *wanted, *want;
} restart_rows[] = {
    { "", NULL },
    { "log: {level: debug}", NULL },
    { "retention: {default: {age: 1d}}", NULL },
    { "streams: {gate: off}", NULL },
    { "epoch: 1m", NULL },
    { "role: agent", "role" },
    { "domain: other", "domain" },
    { "name: other", "name" },
    { "data: /other", "data" },
    { "socket: /other", "socket" },
    { "listen: 127.0.0.1:7400", "listen" },
    { "http: off", "http" },
    { "streams: {ports: any}", "streams.ports" },
    { "issuer: on", "issuer" },
    { "sources: {enabled: off}", "sources" },
    { "workers: 2", "workers" },
};

START_TEST(a_running_node_says_what_it_cannot_take_over)
{
    const struct restart_row *row = &restart_rows[_i];
    struct wf_conf *running = parse(""), *wanted = parse(row->wanted);
    const char *got = wf_conf_needs_restart(running, wanted);

    if (row->want)
        ck_assert_str_eq(got, row->want);
    else
        ck_assert_ptr_null(got);
    wf_conf_free(running);
    wf_conf_free(wanted);
}
END_TEST

static const struct load_row {
    const char *why, *text;
    mode_t mode;
    enum weft_err want;
    const char *said;
} load_rows[] = {
    { "a good file", "sources: {user: root}\n", 0644, WEFT_OK, NULL },
    { "writable by others", "role: node\n", 0666, WEFT_E_PERMISSION, "mode 0666" },
    { "an unknown local user", "local:\n  no-such-user-here: {may: read}\n", 0644, WEFT_E_NOT_FOUND,
        "weftd.yaml:2:3: this system knows no user \"no-such-user-here\"" },
    { "an unknown user for sources", "sources: {user: no-such-user-here}\n", 0644, WEFT_E_NOT_FOUND,
        "weftd.yaml:1:17: this system" },
    { "one user by name and number", "local: {root: {may: read}, 0: {may: admin}}\n", 0644,
        WEFT_E_DUPLICATE, "the same user as \"root\"" },
    { "broken", "role: [\n", 0644, WEFT_E_SYNTAX, "weftd.yaml:2:1: did not find" },
};

START_TEST(a_file_is_loaded_whole_or_not_at_all)
{
    const struct load_row *row = &load_rows[_i];
    struct wf_conf *c = NULL;
    struct wf_diags diags;
    struct wf_buf said = { 0 };
    char path[320], dir[300];

    snprintf(dir, sizeof dir, "%s", wf_test_tmpdir());
    snprintf(path, sizeof path, "%s/weftd.yaml", dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(row->text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, row->mode), 0);
    wf_diags_init(&diags, "weftd.yaml");
    enum weft_err err = wf_conf_load(path, &diags, &c);
    ck_assert_int_eq(wf_diags_print(&diags, &said), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&said, 0), WEFT_OK);
    ck_assert_msg(err == row->want, "%s: %d %s", row->why, err, (const char *)said.ptr);
    if (row->said)
        ck_assert_msg(strstr((const char *)said.ptr, row->said), "%s", (const char *)said.ptr);
    ck_assert((c != NULL) == (err == WEFT_OK));
    if (c) {
        // Relative paths begin at the file, not at the working directory.
        ck_assert(strncmp(c->data, dir, strlen(dir)) == 0);
    }
    wf_conf_free(c);
    wf_buf_fini(&said);
    wf_diags_fini(&diags);
}
END_TEST

START_TEST(an_absent_file_is_an_error_with_its_cause)
{
    struct wf_conf *c = NULL;
    struct wf_diags diags;

    wf_diags_init(&diags, "f");
    ck_assert_int_eq(wf_conf_load("/nonexistent/weftd.yaml", &diags, &c), WEFT_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(diags.items[0].text, "No such file"));
    wf_diags_fini(&diags);
}
END_TEST

START_TEST(every_failing_allocation_is_an_error_and_leaks_nothing)
{
    struct wf_bytes text = WF_STR("role: node\nretention: {short: {age: 1h}}\n"
                                  "local: {root: {may: [read]}}\n");

    for (long nth = 1; nth < 100; nth++) {
        struct wf_diags diags;
        struct wf_conf *c = NULL;

        wf_diags_init(&diags, "f");
        wf_test_fail_alloc(nth);
        enum weft_err err = wf_conf_parse(text, "/etc/weft", &diags, &c);
        bool failed = wf_test_alloc_count() >= nth;
        wf_test_fail_alloc(-1);
        ck_assert_int_eq(err, failed ? WEFT_E_NOMEM : WEFT_OK);
        ck_assert((c != NULL) == !failed);
        wf_conf_free(c);
        wf_diags_fini(&diags);
        if (!failed)
            return;
    }
    ck_abort_msg("never succeeded");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conf");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_said_about_each_file_is_as_written_down);
    tcase_add_test(t, a_file_cut_anywhere_is_read_without_harm);
    tcase_add_test(t, an_empty_file_gives_a_node_with_the_defaults);
    tcase_add_test(t, every_key_of_a_node_reaches_the_struct);
    tcase_add_test(t, an_agent_listens_on_nothing_and_lingers_longer);
    tcase_add_test(t, without_local_only_root_and_the_daemons_user_may_do_anything);
    tcase_add_test(t, with_local_only_the_named_may_do_what_is_named);
    tcase_add_loop_test(t, a_running_node_says_what_it_cannot_take_over, 0, WF_COUNT(restart_rows));
    tcase_add_loop_test(t, a_file_is_loaded_whole_or_not_at_all, 0, WF_COUNT(load_rows));
    tcase_add_test(t, an_absent_file_is_an_error_with_its_cause);
    tcase_add_test(t, every_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
