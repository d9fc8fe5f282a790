// SPDX-License-Identifier: Apache-2.0
// Remote write: what each answer of a receiver means, what is kept over a restart, and the process as a whole. The receiver is written here: see
// wf_post_*.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/common/watch.h"
#include "domains/monitoring/remote/flight.h"
#include "domains/monitoring/remote/ledger.h"
#include "domains/monitoring/remote/state.h"
#include "tests/domains/monitor_rig.h"
#include "tests/domains/remote_rig.h"
#include "tests/support/support.h"

// ---- a flight --------------------------------------------------------------------------------------------------------------

static const struct wf_post_answer taken = { .status = 204 };

static struct wf_remote_flight flight_of(unsigned hosts, unsigned each, bool maybe)
{
    struct wf_remote_flight f = { 0 };
    char host[16];

    remote_begin();
    for (unsigned k = 0; k < each; k++) {
        for (unsigned h = 0; h < hosts; h++) {
            snprintf(host, sizeof host, "h%02u", h);
            size_at(host, k, k + 1);
        }
        take(T0, 1);
    }
    ck_assert(wf_remote_flight_start(&f, &batch, maybe));
    return f;
}

static enum wf_remote_state answer(
    struct wf_remote_flight *f, long status, long retry_after_s, const char *why)
{
    struct wf_post_answer a = { .status = status, .retry_after_s = retry_after_s };
    const struct wf_remote_sample *samples;
    size_t count;

    snprintf(a.why, sizeof a.why, "%s", why);
    wf_remote_flight_next(f, &samples, &count);
    return wf_remote_flight_answer(f, &a, 1000, 0);
}

START_TEST(each_answer_means_one_thing)
{
    static const struct {
        long status;
        bool maybe;
        const char *text, *why;
        enum wf_remote_state state;
        uint64_t sent, already, lost;
    } rows[] = {
        { 200, false, "", "taken", WF_REMOTE_LANDED, 1, 0, 0 },
        { 204, true, "", "taken", WF_REMOTE_LANDED, 1, 0, 0 },
        { 0, false, "", "no answer", WF_REMOTE_WAITS, 0, 0, 0 },
        { 500, false, "", "its own trouble", WF_REMOTE_WAITS, 0, 0, 0 },
        { 503, false, "", "its own trouble", WF_REMOTE_WAITS, 0, 0, 0 },
        { 429, false, "", "asks for patience", WF_REMOTE_WAITS, 0, 0, 0 },
        { 302, false, "", "is not there, and is not followed", WF_REMOTE_HELD, 0, 0, 0 },
        { 401, false, "", "does not know us", WF_REMOTE_HELD, 0, 0, 0 },
        { 403, false, "", "does not let us", WF_REMOTE_HELD, 0, 0, 0 },
        { 404, false, "", "receives nothing at this address", WF_REMOTE_HELD, 0, 0, 0 },
        { 400, false, "bad label", "refused", WF_REMOTE_LANDED, 0, 0, 1 },
        { 400, false, "out of order sample", "refused: it was never sent before", WF_REMOTE_LANDED,
            0, 0, 1 },
        { 400, true, "out of order sample", "sent before: it is there", WF_REMOTE_LANDED, 0, 1, 0 },
        { 400, true, "Duplicate sample for timestamp", "sent before: it is there", WF_REMOTE_LANDED,
            0, 1, 0 },
        { 400, true, "out of bounds", "too old, which being there is no reason for",
            WF_REMOTE_LANDED, 0, 0, 1 },
        { 422, false, "", "refused", WF_REMOTE_LANDED, 0, 0, 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_remote_flight f = flight_of(1, 1, rows[i].maybe);
        enum wf_remote_state state = answer(&f, rows[i].status, 0, rows[i].text);
        ck_assert_msg(state == rows[i].state && f.sent == rows[i].sent &&
                          f.already == rows[i].already && f.lost == rows[i].lost,
            "%ld, %s: state %d, %d sent, %d there, %d lost", rows[i].status, rows[i].why, state,
            (int)f.sent, (int)f.already, (int)f.lost);
        ck_assert_uint_eq(f.batch.drop_count, rows[i].lost);
        wf_remote_flight_fini(&f);
        remote_end();
    }
}
END_TEST

START_TEST(an_answer_about_our_credentials_blames_no_sample)
{
    struct wf_remote_flight f = flight_of(3, 2, false);
    const struct wf_post_answer a = { .status = 400, .why = "no such token ***", .repeats = true };
    const struct wf_remote_sample *samples;
    size_t count;

    wf_remote_flight_next(&f, &samples, &count);
    ck_assert_int_eq(wf_remote_flight_answer(&f, &a, 1000, 0), WF_REMOTE_HELD);
    ck_assert_uint_eq(f.lost, 0);
    ck_assert_uint_eq(f.part_count, 1);
    wf_remote_flight_fini(&f);
    remote_end();
}
END_TEST

START_TEST(only_an_answer_that_may_hide_a_success_makes_samples_perhaps_there)
{
    static const struct {
        long status;
        bool there;
    } rows[] = { { 0, true }, { 500, true }, { 429, false } };

    for (size_t i = 0; i < 3; i++) {
        struct wf_remote_flight f = flight_of(1, 1, false);
        ck_assert_int_eq(answer(&f, rows[i].status, 0, ""), WF_REMOTE_WAITS);
        ck_assert_int_eq(answer(&f, 400, 0, "out of order sample"), WF_REMOTE_LANDED);
        ck_assert_uint_eq(f.already, rows[i].there);
        wf_remote_flight_fini(&f);
        remote_end();
    }
}
END_TEST

START_TEST(waits_grow_to_a_bound_and_receivers_are_obeyed_within_one)
{
    struct wf_remote_flight f = flight_of(1, 1, false);
    int64_t last = 0;

    for (unsigned i = 0; i < 12; i++) {
        ck_assert_int_eq(answer(&f, 503, 0, ""), WF_REMOTE_WAITS);
        ck_assert_int_ge(f.again_ms - 1000, last);
        last = f.again_ms - 1000;
        ck_assert_int_ge(last, WF_REMOTE_FIRST_MS * 3 / 4);
        ck_assert_int_le(last, WF_REMOTE_MOST_MS * 5 / 4);
    }
    ck_assert_int_ge(last, WF_REMOTE_MOST_MS * 3 / 4);
    answer(&f, 429, 60, "");
    ck_assert_int_eq(f.again_ms, 1000 + 60000);
    answer(&f, 429, 86400, "");
    ck_assert_int_eq(f.again_ms, 1000 + WF_REMOTE_OBEYED_MS);
    wf_remote_flight_fini(&f);
    remote_end();
}
END_TEST

START_TEST(a_series_that_is_refused_takes_no_other_with_it)
{
    struct wf_remote_flight f = flight_of(20, 15, false);
    enum wf_remote_state state = WF_REMOTE_GOES_ON;
    const struct wf_remote_sample *samples = NULL;
    size_t count = 0, good = 0, requests = 0;

    while (state == WF_REMOTE_GOES_ON && requests++ < 1000) {
        bool bad = false;
        wf_remote_flight_next(&f, &samples, &count);
        for (size_t i = 0; i < count; i++)
            bad = bad || memmem(samples[i].series->labels, samples[i].series->len, "h07", 3);
        struct wf_post_answer a = { .status = bad ? 400 : 204, .why = "HTTP 400: no h07" };
        state = wf_remote_flight_answer(&f, &a, 1000, 0);
        good += bad ? 0 : count;
    }
    ck_assert_int_eq(state, WF_REMOTE_LANDED);
    ck_assert_uint_eq(good, 19 * 15);
    ck_assert_uint_eq(f.sent, 19 * 15);
    ck_assert_uint_eq(f.lost, 15);
    ck_assert_uint_eq(f.batch.drop_count, 1);
    ck_assert_str_eq(f.batch.drops[0].reason, "HTTP 400: no h07");
    ck_assert_uint_eq(f.batch.drops[0].samples, 15);
    ck_assert_uint_le(requests, 60);
    wf_remote_flight_fini(&f);
    remote_end();
}
END_TEST

START_TEST(a_sample_that_is_refused_takes_no_other_of_its_series_with_it)
{
    struct wf_remote_flight f = flight_of(2, 16, false);
    enum wf_remote_state state = WF_REMOTE_GOES_ON;
    const struct wf_remote_sample *samples = NULL;
    size_t count = 0;
    int64_t last = 0;

    while (state == WF_REMOTE_GOES_ON) {
        bool bad = false;
        wf_remote_flight_next(&f, &samples, &count);
        for (size_t i = 0; i < count; i++)
            bad = bad ||
                  (samples[i].time_ms == T0 + 3 && samples[i].series == f.batch.samples[0].series);
        struct wf_post_answer a = { .status = bad ? 400 : 204, .why = "too old" };
        state = wf_remote_flight_answer(&f, &a, 1000, 0);
        if (!bad && samples[0].series == f.batch.samples[0].series) {
            ck_assert_int_gt(samples[0].time_ms, last); // pieces of a series go in order
            last = samples[count - 1].time_ms;
        }
    }
    ck_assert_uint_eq(f.sent, 31);
    ck_assert_uint_eq(f.lost, 1);
    wf_remote_flight_fini(&f);
    remote_end();
}
END_TEST

START_TEST(a_request_is_bounded)
{
    struct wf_remote_flight f = { 0 };
    const struct wf_remote_sample *samples = NULL;
    size_t count = 0, all = 0, requests = 0;

    remote_begin();
    for (unsigned k = 0; k < 200; k++) {
        for (unsigned i = 0; i < 60; i++)
            size_at("a", i, 60 * k + i + 1);
        take(T0, 1);
    }
    ck_assert(wf_remote_batch_full(&batch));
    ck_assert(wf_remote_flight_start(&f, &batch, false));
    for (enum wf_remote_state s = WF_REMOTE_GOES_ON; s == WF_REMOTE_GOES_ON; requests++) {
        wf_remote_flight_next(&f, &samples, &count);
        ck_assert_uint_le(count, WF_REMOTE_FULL);
        ck_assert_int_eq(samples[0].time_ms, T0 + 1 + (int64_t)all);
        all += count;
        s = wf_remote_flight_answer(&f, &taken, 1, 0);
    }
    ck_assert_uint_eq(all, 12000);
    ck_assert_uint_eq(requests, 3);
    wf_remote_flight_fini(&f);
    remote_end();
}
END_TEST

// ---- a receiver ------------------------------------------------------------------------------------------------------------

static struct {
    const long *answers; // of each request; 0: no answer; then 204
    size_t answer_count, requests, bytes;
    const char *why; // of what it does not take; NULL: its code
} receiver;

struct wf_post {
    int unused;
};
static struct wf_post the_post;

struct wf_post *wf_post_new(void)
{
    return &the_post;
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
    (void)p;
    (void)ret_why;
    (void)size;
    receiver.bytes += r->len;
    return true;
}

int wf_post_poll(struct wf_post *p, struct wf_post_answer *ret)
{
    (void)p;
    *ret = taken;
    if (receiver.requests < receiver.answer_count)
        ret->status = receiver.answers[receiver.requests];
    receiver.requests++;
    snprintf(ret->why, sizeof ret->why, "HTTP %ld%s", ret->status,
        receiver.why && ret->status >= 400 ? receiver.why : "");
    return ret->status == 204 ? 1 : -1;
}

int wf_post_wait(struct wf_post *p, struct pollfd *fds, size_t count, int ms)
{
    (void)p;
    return poll(fds, count, ms < 5 ? ms : 5);
}

static struct wf_mon_options options_of(const char *state)
{
    struct wf_mon_options o = rig_options(state);

    o.remote = "http://localhost/";
    o.from = "earliest";
    snprintf(o.remote_state, sizeof o.remote_state, "%s", state);
    return o;
}

static int write_once(const char *state, const long *answers, size_t count)
{
    struct wf_mon_options o = options_of(state);

    receiver.answers = answers;
    receiver.answer_count = count;
    receiver.requests = receiver.bytes = 0;
    return wf_mon_cmd_write(&o);
}

static void fill(unsigned from, unsigned count)
{
    struct wf_buf m = { 0 };

    for (unsigned i = from; i < from + count; i++) {
        fake_text(&m, 1, i % 2 ? "a" : "b");
        fake_double(&m, 6, i);
        fake_record(meter, WEFT_PUT, &m, (T0 + i) * 1000);
        fake_batch(meter, "web-0", T0);
    }
    wf_buf_fini(&m);
}

START_TEST(what_was_acknowledged_is_not_sent_again)
{
    const char *path = rig_path();

    fake_reset();
    meter = fake_product("servers/meter", WEFT_METRIC, "meter", "weft.test.Meter");
    fake_product("servers/log", WEFT_EVENT, "load1", "weft.test.Load"); // no series of events
    fill(0, 10);
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    ck_assert_uint_ge(receiver.requests, 1);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 10);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _series"), 2);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _outbox"), 0);
    ck_assert_int_eq(
        rig_number(path, "SELECT records FROM _status WHERE product = 'servers/meter'"), 10);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _status"), 1);
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    ck_assert_uint_eq(receiver.requests, 0);
    fill(10, 4);
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 14);
    ck_assert_int_eq(rig_number(path, "SELECT max(last_ms) FROM _series_last"), T0 + 13);
    fake_reset();
}
END_TEST

START_TEST(what_was_on_its_way_is_sent_first_and_the_same)
{
    static const long silence[] = { 401 };
    struct wf_remote_sum sum;
    const char *path = rig_path();

    fake_reset();
    meter = fake_product("servers/meter", WEFT_METRIC, "meter", "weft.test.Meter");
    fill(0, 10);
    ck_assert_int_eq(write_once(path, silence, 1), 77); // ends with the batch on its way
    ck_assert_int_eq(rig_number(path, "SELECT length(samples) FROM _outbox"), 320);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 0);
    wf_remote_look(path, wf_mon_unix_ms(), &sum);
    ck_assert(sum.there && !sum.written);
    ck_assert_ptr_nonnull(strstr(sum.text, "HTTP 401"));
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    ck_assert_uint_eq(receiver.requests, 1);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 10);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _outbox"), 0);
    fake_reset();
}
END_TEST

// A killed process does not know whether its batch arrived: a receiver that has it is no reason to call it dropped.
START_TEST(what_was_sent_before_a_kill_and_is_there_is_no_drop)
{
    static const long held[] = { 401 }, refused[] = { 400 };
    const char *path = rig_path();

    fake_reset();
    meter = fake_product("servers/meter", WEFT_METRIC, "meter", "weft.test.Meter");
    fill(0, 10);
    ck_assert_int_eq(write_once(path, held, 1), 77);
    receiver.why = ": out of order sample";
    ck_assert_int_eq(write_once(path, refused, 1), 0);
    receiver.why = NULL;
    ck_assert_int_eq(rig_number(path, "SELECT already FROM _remote"), 10);
    ck_assert_int_eq(rig_number(path, "SELECT lost FROM _remote"), 0);
    ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _drop"), 0);
    fake_reset();
}
END_TEST

START_TEST(each_batch_on_its_way_counts_its_own_records)
{
    const char *path = rig_path();
    struct wf_buf m = { 0 };

    fake_reset();
    meter = fake_product("servers/meter", WEFT_METRIC, "meter", "weft.test.Meter");
    for (int i = 0; i < 6000; i++) { // more than goes at once
        fake_text(&m, 1, "a");
        fake_double(&m, 6, i);
        fake_record(meter, WEFT_PUT, &m, (T0 + i) * 1000);
        if (i % 60 == 59)
            fake_batch(meter, "web-0", T0);
    }
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    ck_assert_uint_ge(receiver.requests, 2);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 6000);
    ck_assert_int_eq(rig_number(path, "SELECT records FROM _status"), 6000);
    ck_assert_int_eq(rig_number(path, "SELECT batches FROM _status"), 100);
    wf_buf_fini(&m);
    fake_reset();
}
END_TEST

START_TEST(a_loss_and_a_refusal_are_named_where_status_looks)
{
    static const long refusals[] = { 400, 400, 204 };
    struct wf_remote_sum sum;
    const char *path = rig_path();

    fake_reset();
    meter = fake_product("servers/meter", WEFT_METRIC, "meter", "weft.test.Meter");
    fill(0, 2);
    fake_loss(meter, 2, 5);
    ck_assert_int_eq(write_once(path, refusals, 3), 0);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 1);
    ck_assert_int_eq(rig_number(path, "SELECT lost FROM _remote"), 1);
    ck_assert_str_eq(
        rig_ask(
            path, "SELECT product || \"from\" || '-' || \"to\" || samples || reason FROM _drop"),
        "servers/meter0-11HTTP 400");
    ck_assert_str_eq(rig_ask(path, "SELECT \"from\" || '-' || \"to\" FROM _loss"), "2-5");
    ck_assert_int_eq(rig_number(path, "SELECT lost FROM _status"), 3);
    wf_remote_look(path, wf_mon_unix_ms(), &sum);
    ck_assert_ptr_nonnull(strstr(sum.text, "1 samples of servers/meter, records 0 to 0: HTTP 400"));
    ck_assert_ptr_nonnull(strstr(sum.json, "\"dropped\":1"));
    fill(4, 2);
    fill(2, 2); // older: nobody is asked about it, and it is counted all the same
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 3);
    ck_assert_int_eq(rig_number(path, "SELECT lost FROM _remote"), 3);
    ck_assert_int_eq(rig_number(path, "SELECT sum(samples) FROM _drop"), 3);
    json_t *json = json_loads(sum.json, 0, NULL);
    ck_assert_ptr_nonnull(json);
    json_decref(json);
    fake_reset();
}
END_TEST

// What its schema calls a value is not known before records come, and stays known over restarts.
START_TEST(a_metric_without_a_value_is_told_as_one_of_which_nothing_is_sent)
{
    struct wf_remote_sum sum;
    struct wf_buf m = { 0 };
    const char *path = rig_path();

    fake_reset();
    meter = fake_product("servers/plain", WEFT_METRIC, "meter", "weft.test.Plain");
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    wf_remote_look(path, wf_mon_unix_ms(), &sum);
    ck_assert_uint_eq(sum.unsent_count, 0);
    fake_text(&m, 1, "a");
    fake_record(meter, WEFT_PUT, &m, T0 * 1000);
    fake_batch(meter, "web-0", T0);
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    ck_assert_uint_eq(receiver.requests, 0);
    wf_remote_look(path, wf_mon_unix_ms(), &sum);
    ck_assert_str_eq(sum.unsent, "servers/plain");
    ck_assert_ptr_nonnull(strstr(sum.json, "\"unsent\":1,"));
    int64_t since_ms = sum.unsent_ms;
    ck_assert_int_gt(since_ms, 0);
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    wf_remote_look(path, wf_mon_unix_ms(), &sum);
    ck_assert_uint_eq(sum.unsent_count, 1);
    ck_assert_int_eq(sum.unsent_ms, since_ms);
    ck_assert_str_eq(rig_ask(path, "SELECT past FROM _status"), "");
    fake_product("servers/bare", WEFT_METRIC, "meter", "weft.test.Plain");
    struct wf_mon_options o = options_of(path); // left out, it is nobody's trouble
    o.patterns[o.pattern_count++] = "servers/b*";
    ck_assert_int_eq(wf_mon_cmd_write(&o), 0);
    wf_remote_look(path, wf_mon_unix_ms(), &sum);
    ck_assert_uint_eq(sum.unsent_count, 0);
    fake_schema(meter, "meter", "weft.test.Meter"); // its owner gave roles
    fill(0, 1);
    ck_assert_int_eq(write_once(path, NULL, 0), 0);
    wf_remote_look(path, wf_mon_unix_ms(), &sum);
    ck_assert_uint_eq(sum.unsent_count, 0);
    ck_assert_int_eq(rig_number(path, "SELECT sent FROM _remote"), 1);
    wf_buf_fini(&m);
    fake_reset();
}
END_TEST

START_TEST(what_a_writer_does_not_see_is_not_seen_since_one_moment)
{
    const char *path = rig_path();
    struct wf_mon_options o = options_of(path);

    fake_reset();
    meter = fake_product("servers/meter", WEFT_METRIC, "meter", "weft.test.Meter");
    fake_state(meter, WEFT_STREAM_UNREACHABLE, WEFT_E_UNREACHABLE, "");
    o.once = false;
    o.seconds = 2;
    ck_assert_int_eq(wf_mon_cmd_write(&o), 0);
    ck_assert_str_eq(rig_ask(path, "SELECT why FROM _status"), "node-unreachable");
    // It was told again at the end, at the latest.
    ck_assert_int_eq(
        rig_number(path, "SELECT since_ms < (SELECT updated_ms FROM _monitor) FROM _status"), 1);
    fake_reset();
}
END_TEST

START_TEST(a_ledger_holds_cursor_series_and_batch_or_nothing)
{
    struct wf_ledger *l = NULL;
    struct weft_problem problem = { 0 };
    const struct weft_cursor_row row = { "at", 2, "x", 1 };
    const char *path = rig_path();

    remote_begin();
    size_at("a", 1, 1);
    take(T0, 1);
    wf_remote_batch_order(&batch);
    for (int commit = 0; commit < 2; commit++) {
        ck_assert_msg(!wf_ledger_open(path, &l, &problem), "%s", problem.text);
        ck_assert_int_eq(wf_mon_store_begin(wf_ledger_store(l)), WEFT_OK);
        ck_assert_int_eq(wf_ledger_cursor_set(l, "servers/meter", &row), WEFT_OK);
        ck_assert_int_eq(wf_ledger_send(l, &batch, 1), WEFT_OK);
        if (commit)
            ck_assert_int_eq(wf_mon_store_commit(wf_ledger_store(l)), WEFT_OK);
        wf_ledger_close(l); // rolls back what is open
        ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _cursor"), commit);
        ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _series"), commit);
        ck_assert_int_eq(rig_number(path, "SELECT count(*) FROM _outbox"), commit);
    }
    remote_end();
}
END_TEST

START_TEST(what_is_dropped_again_and_again_is_one_row_a_minute)
{
    const struct wf_remote_drop first = { "servers/a", "too old", 10, 20, 3 };
    const struct wf_remote_drop again = { "servers/a", "too old", 30, 40, 5 };
    const struct wf_remote_drop other = { "servers/b", "too old", 1, 2, 1 };
    const int64_t minute = 60000;
    struct wf_ledger *l = NULL;
    struct weft_problem problem = { 0 };
    const char *path = rig_path();

    ck_assert_msg(!wf_ledger_open(path, &l, &problem), "%s", problem.text);
    ck_assert_int_eq(wf_ledger_drops(l, &first, 1, 10 * minute), WEFT_OK);
    ck_assert_int_eq(wf_ledger_drops(l, &again, 1, 10 * minute + 5000), WEFT_OK);
    ck_assert_int_eq(wf_ledger_drops(l, &other, 1, 10 * minute + 6000), WEFT_OK);
    ck_assert_int_eq(wf_ledger_drops(l, &again, 1, 11 * minute), WEFT_OK);
    wf_ledger_close(l);
    ck_assert_str_eq(
        rig_ask(path, "SELECT group_concat(product || ' ' || \"from\" || '-' || \"to\" || ' ' || "
                      "samples, ', ') FROM _drop"),
        "servers/a 10-40 8, servers/b 1-2 1, servers/a 30-40 5");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("remote_flight");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_answer_means_one_thing);
    tcase_add_test(t, an_answer_about_our_credentials_blames_no_sample);
    tcase_add_test(t, only_an_answer_that_may_hide_a_success_makes_samples_perhaps_there);
    tcase_add_test(t, waits_grow_to_a_bound_and_receivers_are_obeyed_within_one);
    tcase_add_test(t, a_series_that_is_refused_takes_no_other_with_it);
    tcase_add_test(t, a_sample_that_is_refused_takes_no_other_of_its_series_with_it);
    tcase_add_test(t, a_request_is_bounded);
    tcase_add_test(t, what_was_acknowledged_is_not_sent_again);
    tcase_add_test(t, what_was_on_its_way_is_sent_first_and_the_same);
    tcase_add_test(t, what_was_sent_before_a_kill_and_is_there_is_no_drop);
    tcase_add_test(t, each_batch_on_its_way_counts_its_own_records);
    tcase_add_test(t, a_loss_and_a_refusal_are_named_where_status_looks);
    tcase_add_test(t, a_metric_without_a_value_is_told_as_one_of_which_nothing_is_sent);
    tcase_add_test(t, what_a_writer_does_not_see_is_not_seen_since_one_moment);
    tcase_add_test(t, a_ledger_holds_cursor_series_and_batch_or_nothing);
    tcase_add_test(t, what_is_dropped_again_and_again_is_one_row_a_minute);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
