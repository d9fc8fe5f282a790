// SPDX-License-Identifier: Apache-2.0
// Each cause for which a product is not seen, in the words of the issue; late hosts; and a monitor that does not run.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/batch/status.h"
#include "domains/monitoring/common/watch.h"
#include "tests/domains/monitor_rig.h"

static const struct {
    struct wf_mon_feed feed;
    int64_t for_ms;
    const char *cause, *why;
} causes[] = {
    { { .state = WEFT_STREAM_LIVE }, 0, "", "seen" },
    { { .state = WEFT_STREAM_PULL }, 99999, "", "seen by pull" },
    { { .state = WEFT_STREAM_CONNECTING }, 500, "", "just begun" },
    { { .state = WEFT_STREAM_CONNECTING }, 10000, "node unreachable: still connecting",
        "never came to an end" },
    { { .state = WEFT_STREAM_CONNECTING, .gone = true }, 10000, "node unreachable",
        "and the catalog knows" },
    { { .state = WEFT_STREAM_UNREACHABLE }, 0, "node unreachable", "no answer" },
    { { .state = WEFT_STREAM_SILENT }, 0, "host silent: no record of any host",
        "the node answers and has nothing" },
    { { .state = WEFT_STREAM_SILENT, .late = { .hosts = 3, .late = 1, .silent = "web-1" } }, 0,
        "host silent: web-1", "older than the promise, and who is late is known" },
    { { .state = WEFT_STREAM_SILENT, .late = { .hosts = 3, .late = 1, .cut = "web-2" } }, 0,
        "agent cannot reach node: web-2", "older than the promise: its agent is cut off" },
    { { .state = WEFT_STREAM_SILENT, .late = { .hosts = 3 } }, 0, "",
        "older than the promise, no host late by three of them yet" },
    { { .state = WEFT_STREAM_STOPPED }, 0, "stopped by owner", "stopped" },
    { { .state = WEFT_STREAM_REFUSED, .problem = { .err = WEFT_E_CAVEAT, .caveat = "region" } }, 0,
        "refused: region", "a caveat" },
    { { .state = WEFT_STREAM_REFUSED, .foreign = true }, 0, "",
        "nobody granted it and nobody asked for it" },
    { { .state = WEFT_STREAM_UNREACHABLE, .foreign = true }, 0, "", "and its owner is away now" },
    { { .state = WEFT_STREAM_REFUSED,
          .problem = { .err = WEFT_E_NO_CAPABILITY },
          .foreign = true,
          .named = true },
        0, "refused: nothing grants it", "asked for by name" },
    { { .state = WEFT_STREAM_REFUSED,
          .problem = { .err = WEFT_E_NO_CAPABILITY },
          .foreign = true,
          .granted = true },
        0, "refused: nothing grants it any more", "it was read before" },
    { { .state = WEFT_STREAM_REFUSED, .problem = { .err = WEFT_E_PENDING } }, 0,
        "refused: the request for it waits for its owner", "somebody asked and waits" },
    { { .state = WEFT_STREAM_REFUSED,
          .problem = { .err = WEFT_E_VERB,
              .caveat = "verbs",
              .asked = "subscribe",
              .granted = "query" } },
        0, "refused: the token does not permit to subscribe (asked: subscribe; granted: query)",
        "a narrow one" },
    { { .state = WEFT_STREAM_REFUSED,
          .problem = { .err = WEFT_E_WRONG_DOMAIN, .caveat = "domain" } },
        0, "refused: the token is of another domain", "the wrong audience" },
    { { .state = WEFT_STREAM_REFUSED, .problem = { .err = WEFT_E_HOLDER, .caveat = "holder" } }, 0,
        "refused: the token is another identity's", "a copied one" },
    { { .state = WEFT_STREAM_REFUSED, .problem = { .err = WEFT_E_REVOKED, .caveat = "holder" } }, 0,
        "refused: its owner revoked this identity", "not the token alone" },
    { { .state = WEFT_STREAM_REFUSED, .problem = { .err = WEFT_E_EXPIRED, .caveat = "expires" } },
        0, "refused: the token ended", "too old" },
    { { .state = WEFT_STREAM_SILENT, .lag = 1200, .old_ms = 180000, .late = { .hosts = 3 } }, 0,
        "behind by 1200 records: what was read last is 3 min old",
        "silent only since it is not read yet" },
    { { .state = WEFT_STREAM_SILENT, .lag = 1 }, 0, "behind by 1 record", "of unknown age" },
    { { .state = WEFT_STREAM_PULL, .lag = 9, .old_ms = 31000, .freshness_ms = 10000 }, 0,
        "behind by 9 records: what was read last is 31 s old", "three times the promise" },
    { { .state = WEFT_STREAM_LIVE, .lag = 9, .old_ms = 29000, .freshness_ms = 10000 }, 0, "",
        "some are always on their way" },
    { { .state = WEFT_STREAM_LIVE, .lag = 9, .old_ms = 61000 }, 0,
        "behind by 9 records: what was read last is 61 s old", "a minute without a promise" },
    { { .state = WEFT_STREAM_LIVE, .late = { .hosts = 3, .late = 1, .silent = "web-1" } }, 0,
        "host silent: web-1", "its agent is up or unknown" },
    { { .state = WEFT_STREAM_LIVE, .late = { .hosts = 3, .late = 1, .cut = "web-1" } }, 0,
        "agent cannot reach node: web-1", "its agent is gone" },
    { { .state = WEFT_STREAM_LIVE,
          .late = { .hosts = 3, .late = 2, .cut = "web-1", .silent = "web-2" } },
        0, "agent cannot reach node: web-1; host silent: web-2", "both" },
    { { .state = WEFT_STREAM_STOPPED, .late = { .hosts = 3, .late = 1, .silent = "web-1" } }, 0,
        "stopped by owner", "hosts are not judged when nothing can come" },
    { { .state = WEFT_STREAM_LIVE, .closed = "database: full" }, 0, "not stored: database: full",
        "the monitor's own trouble" },
};

START_TEST(every_state_has_its_cause)
{
    char cause[320];

    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        wf_mon_feed_cause(&causes[i].feed, causes[i].for_ms, cause, sizeof cause);
        ck_assert_msg(strcmp(cause, causes[i].cause) == 0, "%s: \"%s\"", causes[i].why, cause);
    }
}
END_TEST

// What one process does not watch is a finding, and one that is narrowed is content.
START_TEST(products_beyond_what_a_process_watches_are_named)
{
    const char *path = rig_path();
    struct wf_mon_options o = rig_options(path);
    const struct wf_mon_sink sink = { .own_size = 1 };
    struct wf_mon_watch w;
    struct weft_problem problem = { 0 };

    fake_reset();
    fake_product("servers/a", WEFT_METRIC, "load1", "weft.test.Load");
    fake_product("servers/b", WEFT_METRIC, "load1", "weft.test.Load");
    fake_product("servers/c", WEFT_METRIC, "load1", "weft.test.Load");
    for (int narrow = 0; narrow < 2; narrow++) {
        o.patterns[0] = "servers/[ab]";
        o.pattern_count = narrow ? 1 : 0;
        ck_assert_int_eq(wf_mon_watch_init(&w, &o, &sink), WEFT_OK);
        w.most = 2;
        ck_assert_int_eq(wf_mon_watch_start(&w, &problem), WEFT_OK);
        for (int i = 0; i < 200 && !w.looked; i++) {
            wf_mon_watch_wait(&w, wf_mon_now_ms() + 100, true);
            wf_mon_watch_catalog(&w);
        }
        ck_assert_uint_eq(w.count, 2);
        ck_assert_str_eq(wf_mon_watch_wrong(&w),
            narrow ? ""
                   : "1 products are not watched: one process watches 2 (the first beyond: "
                     "servers/c)");
        wf_mon_watch_fini(&w);
    }
}
END_TEST

START_TEST(hosts_are_judged_only_from_the_head_of_the_stream)
{
    struct wf_mon_feed f = { .state = WEFT_STREAM_LIVE, .freshness_ms = 1000 };
    struct weft_stats at_head = { .head_offset = 5, .next_offset = 5 };
    struct weft_stats behind = { .head_offset = 6, .next_offset = 5 };

    ck_assert_int_eq(wf_mon_feed_late_before(&f, &at_head, 10000), 7000);
    ck_assert_int_eq(wf_mon_feed_late_before(&f, &behind, 10000), 0);
    f.state = WEFT_STREAM_UNREACHABLE;
    ck_assert_int_eq(wf_mon_feed_late_before(&f, &at_head, 10000), 0);
    f.state = WEFT_STREAM_PULL;
    f.freshness_ms = 0;
    ck_assert_int_eq(wf_mon_feed_late_before(&f, &at_head, 10000), 0);
}
END_TEST

START_TEST(a_monitor_that_does_not_run_is_a_finding)
{
    static const struct {
        struct wf_mon_beat beat;
        int64_t now_ms;
        const char *says;
    } rows[] = {
        { { .updated_ms = 0 }, 5000, "monitor never ran" },
        { { .updated_ms = 1000, .state = "running" }, 5000, "" },
        { { .updated_ms = 5000, .state = "running" }, 1000, "" }, // a clock that went back
        { { .updated_ms = 1000, .state = "running" }, 46000, "monitor silent for 45 s" },
        { { .updated_ms = 1000, .state = "stopped" }, 4000, "monitor stopped 3 s ago" },
    };
    struct wf_mon_line fine = { .cause = "" }, blind = { .cause = "stopped by owner" };
    char text[64];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wf_mon_status_silence(&rows[i].beat, rows[i].now_ms, text, sizeof text);
        ck_assert_str_eq(text, rows[i].says);
    }
    ck_assert_str_eq(wf_mon_status_cause(&fine, ""), "");
    ck_assert_str_eq(wf_mon_status_cause(&fine, "monitor never ran"), "monitor never ran");
    ck_assert_str_eq(wf_mon_status_cause(&blind, ""), "stopped by owner");
}
END_TEST

static void add_record(
    struct fake_product *p, const char *host, unsigned field, const char *text, int64_t append_ms)
{
    struct wf_buf m = { 0 };

    fake_text(&m, 1, host);
    if (text)
        fake_text(&m, field, text);
    fake_record(p, WEFT_PUT, &m, append_ms * 1000);
    fake_batch(p, host, append_ms);
    wf_buf_fini(&m);
}

START_TEST(late_hosts_are_split_by_what_their_agents_table_says)
{
    const char *path = rig_path();
    struct wf_mon_store *s = NULL;
    struct wf_mon_table *t = NULL;
    struct wf_mon_late late;
    struct fake_product *p = rig_load();

    static const char *const hosts[] = { "web-0", "web-1", "web-2", "web-3" };
    for (size_t i = 0; i < 4; i++)
        add_record(p, hosts[i], 0, NULL, i == 0 ? 9000 : 1000);
    ck_assert_int_eq(wf_mon_store_open(path, &s, NULL), WEFT_OK);
    rig_store(s, p, 0, 4, true);
    ck_assert_int_eq(wf_mon_store_table(s, "servers/load", &t), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_late(s, t, 5000, &late), WEFT_OK);
    ck_assert_uint_eq(late.hosts, 4);
    ck_assert_uint_eq(late.late, 3);
    ck_assert_str_eq(late.cut, "");
    ck_assert_str_eq(late.silent, "web-1, web-2, web-3");

    struct fake_product *a =
        fake_product("servers/agents", WEFT_INVENTORY, "agents", "weft.test.Agent");
    add_record(a, "web-1", 2, "up", 1);
    add_record(a, "web-1", 2, "gone", 2);
    add_record(a, "web-2", 2, "up", 3);
    add_record(a, "web-3", 2, "AGENT_STATE_REVOKED", 4);
    rig_store(s, a, 0, 4, true);
    ck_assert_int_eq(wf_mon_store_late(s, t, 5000, &late), WEFT_OK);
    ck_assert_str_eq(late.cut, "web-1");
    ck_assert_str_eq(late.silent, "web-2");
    ck_assert_uint_eq(late.late, 2);
    ck_assert_int_eq(wf_mon_store_late(s, t, 500, &late), WEFT_OK);
    ck_assert_uint_eq(late.late, 0);
    wf_mon_store_close(s);
}
END_TEST

START_TEST(run_tells_what_its_streams_say)
{
    static const struct {
        enum weft_stream_state state;
        enum weft_err err;
        const char *name, *caveat, *word, *cause;
    } rows[] = {
        { WEFT_STREAM_REFUSED, WEFT_E_VERB, "servers/refused", "verb", "refused", "refused: verb" },
        { WEFT_STREAM_REFUSED, WEFT_E_NO_CAPABILITY, "servers/foreign", "", "not-granted", "" },
        { WEFT_STREAM_STOPPED, WEFT_E_STOPPED, "servers/stopped", "", "stopped",
            "stopped by owner" },
        { WEFT_STREAM_PULL, WEFT_OK, "servers/pulled", "", "pull", "" },
    };
    const char *path = rig_path();
    char sql[120];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fake_state(fake_product(rows[i].name, WEFT_METRIC, "load1", "weft.test.Load"),
            rows[i].state, rows[i].err, rows[i].caveat);
    rig_run(path);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(sql, sizeof sql, "SELECT state || '|' || cause FROM _status WHERE product = '%s'",
            rows[i].name);
        char want[64];
        snprintf(want, sizeof want, "%s|%s", rows[i].word, rows[i].cause);
        ck_assert_str_eq(rig_ask(path, sql), want);
    }
    ck_assert_str_eq(rig_ask(path, "SELECT subject FROM _monitor"), "monitoring/watch");
}
END_TEST

START_TEST(the_command_exits_1_when_something_is_blind)
{
    const char *path = rig_path();
    struct wf_mon_options o = rig_options(path);
    struct fake_product *p = rig_load();
    struct timespec t;
    char sql[120];

    ck_assert_int_eq(wf_mon_cmd_status(&o), 1); // no database yet
    fake_info(p)->freshness_ms = 0;
    fake_fill(p, 4, 2);
    rig_run(path);
    ck_assert_int_eq(wf_mon_cmd_status(&o), 1); // stopped
    clock_gettime(CLOCK_REALTIME, &t);
    snprintf(sql, sizeof sql, "UPDATE _monitor SET state = 'running', updated_ms = %lld",
        (long long)t.tv_sec * 1000);
    rig_change(path, sql);
    for (int format = WF_MON_AS_TABLE; format <= WF_MON_AS_JSONL; format++) {
        o.format = (enum wf_mon_format)format;
        ck_assert_int_eq(wf_mon_cmd_status(&o), 0);
    }
    rig_change(path, "INSERT INTO _status(product, state) VALUES('other/load', 'not-granted')");
    ck_assert_int_eq(wf_mon_cmd_status(&o), 0); // another's, and nobody asked for it
    rig_change(path, "UPDATE _status SET state = 'not-granted'");
    ck_assert_int_eq(wf_mon_cmd_status(&o), 1); // nothing at all is seen
    rig_change(path, "UPDATE _status SET state = 'live'");
    rig_change(path, "UPDATE _status SET cause = 'stopped by owner'");
    ck_assert_int_eq(wf_mon_cmd_status(&o), 1);
}
END_TEST

START_TEST(what_run_tells_is_what_status_reads)
{
    const char *path = rig_path();
    struct wf_mon_store *s = NULL;
    struct wf_mon_db *db = NULL;
    struct wf_mon_line *lines = NULL;
    size_t count = 0;
    struct fake_product *p = rig_load();
    struct wf_mon_line told = { .product = "servers/load",
        .kind = "metric",
        .state = "pull",
        .cause = "c",
        .problem = "p",
        .late = "web-1",
        .freshness_ms = 1,
        .head = 12,
        .next = 11,
        .lag = 13,
        .gaps = 14,
        .verify_failures = 15,
        .duplicates = 16,
        .token_expires_ms = 17,
        .why = "w",
        .past = "was",
        .since_ms = 21,
        .lease_expires_ms = 18,
        .hosts = 19,
        .hosts_late = 20 };

    fake_fill(p, 4, 2); // one batch by each way
    fake_loss(p, 8, 11);
    ck_assert_int_eq(wf_mon_store_open(path, &s, NULL), WEFT_OK);
    rig_store(s, p, 0, 5, true);
    ck_assert_int_eq(wf_mon_store_begin(s), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_status(s, &told, 5), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_commit(s), WEFT_OK);
    wf_mon_store_close(s);
    told.records = 8;
    told.batches = 4;
    told.live = told.repaired = told.pulled = told.history = 2;
    told.lost = 3;
    told.last_time_us = 1700000000003001;
    told.last_append_ms = 1700000000003;
    told.last_received_ms = 1700000000000;
    ck_assert_int_eq(wf_mon_db_open(path, &db, NULL), WEFT_OK);
    ck_assert_int_eq(wf_mon_db_lines(db, &lines, &count), WEFT_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_mem_eq(&lines[0], &told, sizeof told);
    free(lines);
    wf_mon_db_close(db);
}
END_TEST

START_TEST(json_strings_are_valid_whatever_the_bytes)
{
    static const struct {
        const char *in, *out;
        size_t len;
    } rows[] = {
        { "a\"b\\c", "\"a\\\"b\\\\c\"", 5 },
        { "\n\x7f", "\"\\u000a\\u007f\"", 2 },
        { "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"", 6 },
        { "\xff\xc3", "\"\\ufffd\\ufffd\"", 2 },
        { "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"", 3 }, // a surrogate
        { "a\0b", "\"a\\u0000b\"", 3 },
        { "", "\"\"", 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *out = wf_mon_json_string(rows[i].in, rows[i].len);
        ck_assert_str_eq(out, rows[i].out);
        free(out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_status");
    TCase *c = tcase_create("status");

    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_state_has_its_cause);
    tcase_add_test(c, hosts_are_judged_only_from_the_head_of_the_stream);
    tcase_add_test(c, products_beyond_what_a_process_watches_are_named);
    tcase_add_test(c, a_monitor_that_does_not_run_is_a_finding);
    tcase_add_test(c, late_hosts_are_split_by_what_their_agents_table_says);
    tcase_add_test(c, run_tells_what_its_streams_say);
    tcase_add_test(c, the_command_exits_1_when_something_is_blind);
    tcase_add_test(c, what_run_tells_is_what_status_reads);
    tcase_add_test(c, json_strings_are_valid_whatever_the_bytes);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
