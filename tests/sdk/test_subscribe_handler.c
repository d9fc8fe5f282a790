// SPDX-License-Identifier: Apache-2.0
// Events that are handed to a function on the client's thread, in place of weft_next.
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <weft/weft.h>

#include "sdk/subscribe_int.h"
#include "tests/support/fakehome.h"

static struct wf_fakemesh m;
static struct wf_fakehome h;
static struct weft_client *c;
static struct weft_subscription *s;
static struct weft_problem problem;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    uint64_t got, calls, stop_at; // stop_at: ends itself with so many records; 0: never
    uint64_t next_seq[WF_HOME_ORIGINS];
    bool ended;
} seen;

// So many times there is no memory to show an event.
static atomic_int short_of_memory;

enum weft_err __real_wf_sub_reserve(struct weft_subscription *of, const struct wf_sub_item *i);
enum weft_err __wrap_wf_sub_reserve(struct weft_subscription *of, const struct wf_sub_item *i);
enum weft_err __wrap_wf_sub_reserve(struct weft_subscription *of, const struct wf_sub_item *i)
{
    if (i->kind == WEFT_EV_RECORDS && atomic_load(&short_of_memory) > 0) {
        atomic_fetch_sub(&short_of_memory, 1);
        return WEFT_E_NOMEM;
    }
    return __real_wf_sub_reserve(of, i);
}

static void see_record(struct weft_subscription *of, const struct weft_record *r)
{
    char station[32], wanted[32];
    struct weft_value v;

    ck_assert_int_eq(weft_record_value(weft_subscription_product(of), r, 0, &v), WEFT_OK);
    snprintf(station, sizeof station, "%.*s", (int)v.bytes.len, (const char *)v.bytes.ptr);
    unsigned long origin = strtoul(station, NULL, 10);
    ck_assert_uint_lt(origin, WF_HOME_ORIGINS);
    snprintf(wanted, sizeof wanted, "%lu-%llu", origin, (unsigned long long)seen.next_seq[origin]);
    ck_assert_str_eq(station, wanted);
    seen.next_seq[origin]++;
    seen.got++;
}

static void see(void *arg, struct weft_subscription *of, const struct weft_event *e)
{
    pthread_mutex_lock(&seen.mutex);
    ck_assert_ptr_eq(arg, &seen);
    ck_assert(!seen.ended);
    seen.calls++;
    for (size_t i = 0; i < e->record_count; i++)
        see_record(of, &e->records[i]);
    if (seen.stop_at && seen.got >= seen.stop_at) {
        seen.ended = true;
        weft_unsubscribe(of);
    }
    pthread_cond_signal(&seen.cond);
    pthread_mutex_unlock(&seen.mutex);
}

static void setup(void)
{
    struct weft_options o = { .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };
    pthread_condattr_t attr;

    unsetenv("WEFT_DIR");
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    wf_fakehome_init(&h, &m);
    memset(&seen, 0, sizeof seen);
    pthread_mutex_init(&seen.mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&seen.cond, &attr);
    pthread_condattr_destroy(&attr);
    s = NULL;
    o.dir = m.dir;
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
}

static void teardown(void)
{
    weft_unsubscribe(s);
    weft_close(c);
    wf_fakehome_fini(&h);
    wf_fakemesh_fini(&m);
    pthread_cond_destroy(&seen.cond);
    pthread_mutex_destroy(&seen.mutex);
}

static void subscribe(void)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST, .on_event = see, .arg = &seen };

    ck_assert_msg(
        weft_subscribe(c, "servers/readings", &o, &s, &problem) == WEFT_OK, "%s", problem.text);
}

static void append(uint32_t batches, uint32_t records)
{
    for (uint32_t i = 0; i < batches; i++)
        wf_fakehome_append(&h, i % 2, records);
}

static void wait_until_got(uint64_t count)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&seen.mutex);
    while (seen.got < count && rc == 0)
        rc = pthread_cond_timedwait(&seen.cond, &seen.mutex, &until);
    ck_assert_uint_eq(seen.got, count);
    pthread_mutex_unlock(&seen.mutex);
}

static uint64_t calls(void)
{
    pthread_mutex_lock(&seen.mutex);
    uint64_t n = seen.calls;
    pthread_mutex_unlock(&seen.mutex);
    return n;
}

START_TEST(a_handler_is_given_everything_in_order)
{
    const struct weft_event *e = NULL;

    append(10, 5);
    subscribe();
    wait_until_got(50);
    append(10, 5);
    wait_until_got(100);
    ck_assert_int_eq(weft_next(s, 0, &e, &problem), WEFT_E_STATE);
    weft_wake(s); // there is nobody to wake, and nothing is held up by it
    append(10, 5);
    wait_until_got(150);
    weft_unsubscribe(s);
    s = NULL;
    uint64_t before = calls();
    append(10, 5);
    struct weft_whoami who; // a turn of the thread that would call it
    ck_assert_int_eq(weft_whoami(c, &who, &problem), WEFT_OK);
    ck_assert_uint_eq(calls(), before);
}
END_TEST

// The whole history comes in one reply: more events than a turn hands over.
START_TEST(a_burst_is_handed_over_in_turns)
{
    append(400, 1);
    subscribe();
    wait_until_got(400);
}
END_TEST

// Nothing further comes that would move it: what waits is tried again by time, and nothing of it counts as lost.
START_TEST(an_event_without_memory_waits_for_it)
{
    struct weft_stats stats;

    atomic_store(&short_of_memory, 3);
    append(4, 5);
    subscribe();
    wait_until_got(20);
    ck_assert_int_eq(atomic_load(&short_of_memory), 0);
    weft_subscription_stats(s, &stats);
    ck_assert_uint_eq(stats.lost_records, 0);
    ck_assert_uint_eq(stats.verify_failures, 0);
}
END_TEST

START_TEST(a_handler_may_end_its_own_subscription)
{
    struct weft_whoami who;

    seen.stop_at = 20;
    append(10, 5);
    subscribe();
    s = NULL; // ended by the handler
    wait_until_got(20);
    append(4, 5);
    ck_assert_int_eq(weft_whoami(c, &who, &problem), WEFT_OK);
    wait_until_got(20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe_handler");
    TCase *t = tcase_create("handler");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_handler_is_given_everything_in_order);
    tcase_add_test(t, a_burst_is_handed_over_in_turns);
    tcase_add_test(t, an_event_without_memory_waits_for_it);
    tcase_add_test(t, a_handler_may_end_its_own_subscription);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
