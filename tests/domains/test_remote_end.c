// SPDX-License-Identifier: Apache-2.0
// When remote write ends a series: only of what was read up to now, by a process that ran meanwhile. The clock of the writer's thread is moved
// by the events that it takes and by a receiver that takes its time. That one is written here: see wf_post_*.
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/common/post.h"
#include "tests/domains/monitor_rig.h"
#include "tests/support/support.h"

#define T0         1700000000000
#define PROMISED   1000    // ms
#define LONG_MS    3600000 // the writer's whole life is shorter
#define ENDS_AFTER 3000    // ms

// ---- time ------------------------------------------------------------------------------------------------------------

// That of the writer's thread stands but for what it waited and what was skipped, however slow the machine is. The one that reads the catalog
// has a clock of its own.
static _Thread_local int64_t stood_ms, skipped_ms; // stood_ms 0: it runs

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    int64_t now_ms = stood_ms + skipped_ms;

    if (id != CLOCK_MONOTONIC || stood_ms == 0)
        return __real_clock_gettime(id, ts);
    *ts = (struct timespec){ .tv_sec = (time_t)(now_ms / 1000),
        .tv_nsec = (long)(now_ms % 1000) * 1000000 };
    return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
    int ready = __real_poll(fds, count, ms);

    if (ready == 0 && ms > 0)
        skipped_ms += ms;
    return ready;
}

static int64_t passes_ms[600]; // with the nth event

static void passes(size_t n)
{
    skipped_ms += passes_ms[n];
}

// ---- a receiver ------------------------------------------------------------------------------------------------------

static struct {
    unsigned thinks, asked; // so often it has no answer yet; was asked for it
} receiver;

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
    return true;
}

int wf_post_poll(struct wf_post *p, struct wf_post_answer *ret)
{
    (void)p;
    *ret = (struct wf_post_answer){ .status = 204 };
    if (receiver.asked++ >= receiver.thinks)
        return 1;
    skipped_ms += 500;
    return 0;
}

int wf_post_wait(struct wf_post *p, struct pollfd *fds, size_t count, int ms)
{
    (void)p;
    return poll(fds, count, ms < 5 ? ms : 5);
}

// ---- the writer ------------------------------------------------------------------------------------------------------

static struct fake_product *meter;
static const char *ledger;
static unsigned said; // records
static size_t events;

static void setup(void)
{
    fake_reset();
    meter = fake_product("servers/meter", WEFT_METRIC, "meter", "weft.test.Meter");
    fake_info(meter)->freshness_ms = PROMISED;
    memset(passes_ms, 0, sizeof passes_ms);
    memset(&receiver, 0, sizeof receiver);
    fake_handed = passes;
    said = 0;
    events = 0;
    ledger = rig_path();
}

static void teardown(void)
{
    fake_reset();
}

// `count` samples of one series in one event; the clock goes on by `after_ms` with it.
static void say(const char *host, unsigned count, int64_t after_ms)
{
    struct wf_buf m = { 0 };

    for (unsigned i = 0; i < count; i++) {
        fake_text(&m, 1, host);
        fake_double(&m, 6, said);
        fake_record(meter, WEFT_PUT, &m, (T0 + 10 * (int64_t)said++) * 1000);
    }
    fake_batch(meter, "web-0", T0);
    passes_ms[events++] = after_ms;
    wf_buf_fini(&m);
}

static void tell(enum weft_stream_state state, int64_t after_ms)
{
    fake_state(meter, state, WEFT_OK, "");
    passes_ms[events++] = after_ms;
}

static void write_all(bool once)
{
    struct wf_mon_options o = rig_options(ledger);

    o.remote = "http://localhost/";
    o.from = "earliest";
    o.once = once;
    o.seconds = once ? 0 : LONG_MS / 1000;
    snprintf(o.remote_state, sizeof o.remote_state, "%s", ledger);
    skipped_ms = 0;
    stood_ms = LONG_MS;
    int status = wf_mon_cmd_write(&o);
    stood_ms = 0;
    ck_assert_int_eq(status, 0);
}

// Markers are samples, too.
static long long markers(void)
{
    return rig_number(ledger, "SELECT sent FROM _remote") - said;
}

START_TEST(a_series_whose_records_wait_at_their_owner_goes_on)
{
    fake_slow = true;
    say("b", 1, 500);
    for (unsigned i = 0; i < 20; i++)
        say("a", 1, 500); // as slowly as over a bad line
    say("b", 1, 0);
    write_all(true);
    ck_assert_int_eq(markers(), 0);
}
END_TEST

START_TEST(a_series_that_is_silent_among_others_that_are_read_as_they_come_ends)
{
    fake_slow = true;
    fake_told = 1; // one is always on its way
    say("b", 1, 500);
    for (unsigned i = 0; i < 20; i++)
        say("a", 1, 500);
    say("a", 1, 0);
    write_all(true);
    ck_assert_int_eq(markers(), 1);
    ck_assert_int_eq(rig_number(ledger, "SELECT sum(stale) FROM _series_last"), 1);
}
END_TEST

START_TEST(what_libweft_has_and_was_not_taken_is_no_silence)
{
    fake_told = 0; // its place is that of what it holds itself
    say("b", 1, 500);
    for (unsigned i = 0; i < 100; i++)
        say("a", 1, 100);
    say("b", 1, LONG_MS);
    write_all(false);
    ck_assert_int_eq(markers(), 0);
}
END_TEST

START_TEST(nothing_ends_while_nothing_is_taken)
{
    fake_told = 0;
    receiver.thinks = 60;
    say("b", 1, 0);
    for (unsigned i = 0; i < 200; i++)
        say("a", 60, 0); // more than may be gathered meanwhile
    say("b", 1, LONG_MS);
    write_all(false);
    ck_assert_uint_gt(receiver.asked, receiver.thinks);
    ck_assert_int_eq(markers(), 0);
}
END_TEST

// Stopped by a signal, or by a disk that takes its time: what came meanwhile is yet to be asked for.
START_TEST(a_process_that_stood_still_has_heard_nothing_meanwhile)
{
    fake_slow = true;
    fake_told = 0;
    say("a", 1, 0);
    say("b", 1, 0);
    say("a", 1, 10LL * ENDS_AFTER);
    say("a", 1, 0);
    say("b", 1, LONG_MS);
    write_all(false);
    ck_assert_int_eq(markers(), 0);
}
END_TEST

// The next process knows its series, and not yet what waits for it. An owner that is away for long is another thing: nothing is known of them.
static const struct {
    enum weft_stream_state state;
    unsigned turns;
    long long markers;
} away[] = {
    { WEFT_STREAM_CONNECTING, 6, 0 },
    { WEFT_STREAM_CONNECTING, 12, 1 },
    { WEFT_STREAM_UNREACHABLE, 6, 1 },
};

START_TEST(a_process_that_begins_learns_first_what_waits)
{
    fake_slow = true;
    fake_told = 0;
    say("b", 1, 0);
    write_all(true);
    ck_assert_int_eq(markers(), 0);
    for (unsigned i = 0; i < away[_i].turns; i++)
        tell(away[_i].state, 1500);
    tell(WEFT_STREAM_LIVE, 0);
    say("b", 1, LONG_MS);
    write_all(false);
    ck_assert_int_eq(markers(), away[_i].markers);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("remote_end");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_series_whose_records_wait_at_their_owner_goes_on);
    tcase_add_test(t, a_series_that_is_silent_among_others_that_are_read_as_they_come_ends);
    tcase_add_test(t, what_libweft_has_and_was_not_taken_is_no_silence);
    tcase_add_test(t, nothing_ends_while_nothing_is_taken);
    tcase_add_test(t, a_process_that_stood_still_has_heard_nothing_meanwhile);
    tcase_add_loop_test(
        t, a_process_that_begins_learns_first_what_waits, 0, sizeof away / sizeof *away);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
