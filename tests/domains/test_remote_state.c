// SPDX-License-Identifier: Apache-2.0
// What is told of remote write: how it stands, since when, and in which numbers; and that nothing is sent, or counted, which its ledger did
// not take first.
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/common/post.h"
#include "domains/monitoring/remote/ledger.h"
#include "domains/monitoring/remote/state.h"
#include "tests/domains/monitor_rig.h"
#include "tests/support/support.h"

#define T0  1700000000000
#define NOW 5000000000000 // when status looks; unix ms

// ---- a receiver ------------------------------------------------------------------------------------------------------

static long answers; // what it says to each request
static size_t requests;

struct wf_post {
    int unused;
};

struct wf_post *wf_post_new(void)
{
    static struct wf_post the_one;

    return &the_one;
}

void wf_post_free(struct wf_post *p)
{
    (void)p;
}

bool wf_post_is_url(const char *url)
{
    return strncmp(url, "http", 4) == 0;
}

bool wf_post_is_private(const char *url)
{
    return strncmp(url, "https", 5) == 0;
}

bool wf_post_start(struct wf_post *p, const struct wf_post_request *r, char *ret_why, size_t size)
{
    (void)p, (void)r, (void)ret_why, (void)size;
    requests++;
    return true;
}

int wf_post_poll(struct wf_post *p, struct wf_post_answer *ret)
{
    (void)p;
    *ret = (struct wf_post_answer){ .status = answers };
    snprintf(ret->why, sizeof ret->why, "HTTP %ld", answers);
    return answers == 204 ? 1 : -1;
}

int wf_post_wait(struct wf_post *p, struct pollfd *fds, size_t count, int ms)
{
    (void)p;
    return poll(fds, count, ms < 5 ? ms : 5);
}

static struct fake_product *meter;

static int write_once(const char *path)
{
    struct wf_mon_options o = rig_options(path);

    o.remote = "http://localhost/";
    o.from = "earliest";
    snprintf(o.remote_state, sizeof o.remote_state, "%s", path);
    requests = 0;
    return wf_mon_cmd_write(&o);
}

static void add(const char *host, unsigned i)
{
    struct wf_buf m = { 0 };

    fake_text(&m, 1, host);
    fake_double(&m, 6, i);
    fake_record(meter, WEFT_PUT, &m, (T0 + (int64_t)i) * 1000);
    fake_batch(meter, "web-0", T0);
    wf_buf_fini(&m);
}

static void setup(void)
{
    fake_reset();
    meter = fake_product("servers/meter", WEFT_METRIC, "meter", "weft.test.Meter");
    answers = 204;
}

// ---- the writer ------------------------------------------------------------------------------------------------------

// A table that takes no row of the writer's, and how it should be.
static const struct {
    const char *table, *columns;
} untaken[] = {
    { "_outbox", "samples BLOB" },
    { "_series_last", "last_ms INTEGER, stale INTEGER" },
};

static void make_table(const char *path, int of, const char *check)
{
    char sql[300];

    snprintf(sql, sizeof sql,
        "UPDATE _remote SET url = ''; DROP TABLE %s; CREATE TABLE %s(id INTEGER PRIMARY KEY "
        "CHECK(%s), %s)",
        untaken[of].table, untaken[of].table, check, untaken[of].columns);
    rig_change(path, sql);
}

// A cursor behind samples that were never kept would lose them; samples sent before they are kept would come twice.
START_TEST(what_its_ledger_does_not_take_is_neither_sent_nor_counted)
{
    const char *path = rig_path();
    struct wf_ledger *l = NULL;
    struct weft_problem problem = { 0 };

    ck_assert_int_eq(wf_ledger_open(path, &l, &problem), WEFT_OK);
    wf_ledger_close(l);
    make_table(path, _i, "id < 0");
    for (unsigned i = 0; i < 10; i++)
        add(i % 2 ? "a" : "b", i);
    (void)write_once(path); // it tries for its time
    ck_assert_uint_eq(requests, 0);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _cursor"), 0);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _series"), 0);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _outbox"), 0);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 0);
    make_table(path, _i, "id >= 0");
    ck_assert_int_eq(write_once(path), 0);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 10);
    ck_assert_int_eq(rig_number(path, "SELECT records FROM _status"), 10);
}
END_TEST

START_TEST(a_receiver_that_refuses_everything_has_taken_nothing)
{
    const char *path = rig_path();

    answers = 400;
    add("a", 1);
    add("b", 2);
    ck_assert_int_eq(write_once(path), 0);
    ck_assert_int_eq(rig_number(path, "SELECT lost FROM _remote"), 2);
    ck_assert_int_eq(rig_number(path, "SELECT coalesce(ok_ms, 0) FROM _remote"), 0);
    ck_assert_str_eq(rig_ask(path, "SELECT problem FROM _remote"), "HTTP 400");
    ck_assert_int_eq(rig_number(path, "SELECT coalesce(waits_ms, 0) FROM _remote"), 0);
    answers = 204;
    add("a", 3);
    ck_assert_int_eq(write_once(path), 0);
    ck_assert_int_gt(rig_number(path, "SELECT ok_ms FROM _remote"), 0);
    ck_assert_str_eq(rig_ask(path, "SELECT problem FROM _remote"), "");
}
END_TEST

// ---- what status reads -----------------------------------------------------------------------------------------------

static const struct {
    const char *why, *beat, *waits;
    bool written;
    int64_t since_ms, tried_ms;
} stands[] = {
    { "it writes", "state = 'running', updated_ms = 4999999999000", "NULL", true, 0, 0 },
    { "it is tried for a while", "state = 'running', updated_ms = 4999999999000", "4999999970001",
        true, 4999999970001, 29999 },
    { "it is tried for long", "state = 'running', updated_ms = 4999999999000", "4999999970000",
        false, 4999999970000, 30000 },
    { "it was stopped", "state = 'stopped', updated_ms = 4999999990000", "NULL", false,
        4999999990000, 0 },
    { "it says nothing, and was tried before", "state = 'running', updated_ms = 4999999000000",
        "4999998000000", false, 4999999000000, 2000000 },
};

START_TEST(how_it_stands_is_told_with_since_when)
{
    const char *path = rig_path();
    struct wf_remote_sum sum;
    char sql[200];

    add("a", 1);
    ck_assert_int_eq(write_once(path), 0);
    snprintf(sql, sizeof sql, "UPDATE _monitor SET %s; UPDATE _remote SET waits_ms = %s",
        stands[_i].beat, stands[_i].waits);
    rig_change(path, sql);
    wf_remote_look(path, NOW, &sum);
    ck_assert(sum.there);
    ck_assert_msg(sum.written == stands[_i].written, "%s", stands[_i].why);
    ck_assert_msg(
        sum.since_ms == stands[_i].since_ms, "%s: %lld", stands[_i].why, (long long)sum.since_ms);
    json_t *json = json_loads(sum.json, 0, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "tried_ms")), stands[_i].tried_ms);
    ck_assert(json_is_true(json_object_get(json, "running")) == stands[_i].written);
    json_decref(json);
}
END_TEST

START_TEST(its_numbers_are_those_of_the_ledger)
{
    static const struct {
        const char *name;
        int64_t value;
    } want[] = { { "series", 11 }, { "sent", 12 }, { "already", 13 }, { "dropped", 14 },
        { "lag", 15 }, { "age_ms", 1000 }, { "taken_ms", 4999999995000 }, { "unsent", 2 } };
    const char *path = rig_path();
    struct wf_remote_sum sum;

    fake_product("servers/other", WEFT_METRIC, "meter", "weft.test.Meter");
    add("a", 1);
    ck_assert_int_eq(write_once(path), 0);
    rig_change(path,
        "UPDATE _monitor SET state = 'running', started_ms = 1, updated_ms = 4999999999000;"
        "UPDATE _remote SET series = 11, sent = 12, already = 13, lost = 14, ok_ms = "
        "4999999995000;"
        "UPDATE _status SET why = 'not-sent', lag = 7, since_ms = 4999999990000, updated_ms = 2;"
        "UPDATE _status SET lag = 8, since_ms = 4999999980000 WHERE product = 'servers/other'");
    wf_remote_look(path, NOW, &sum);
    json_t *json = json_loads(sum.json, 0, NULL);
    ck_assert_ptr_nonnull(json);
    for (size_t i = 0; i < WF_COUNT(want); i++)
        ck_assert_msg(json_integer_value(json_object_get(json, want[i].name)) == want[i].value,
            "%s: %lld", want[i].name,
            (long long)json_integer_value(json_object_get(json, want[i].name)));
    json_decref(json);
    ck_assert_ptr_nonnull(strstr(
        sum.text, ": 11 series, 12 samples, lag 15 records, 14 dropped; last taken 5 s ago"));
    ck_assert_str_eq(sum.unsent, "servers/meter, servers/other");
    ck_assert_int_eq(sum.unsent_ms, 4999999980000); // the first of them
    rig_change(path, "UPDATE _status SET since_ms = 4999999970000 WHERE product = 'servers/meter'");
    wf_remote_look(path, NOW, &sum);
    ck_assert_int_eq(sum.unsent_ms, 4999999970000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.remote_state");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, fake_reset);
    tcase_add_loop_test(
        t, what_its_ledger_does_not_take_is_neither_sent_nor_counted, 0, (int)WF_COUNT(untaken));
    tcase_add_test(t, a_receiver_that_refuses_everything_has_taken_nothing);
    tcase_add_loop_test(t, how_it_stands_is_told_with_since_when, 0, (int)WF_COUNT(stands));
    tcase_add_test(t, its_numbers_are_those_of_the_ledger);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
