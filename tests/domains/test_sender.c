// SPDX-License-Identifier: Apache-2.0
// The sender and who hands over to it at once: under TSan each of its locks is missed when it is not there.
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/alert/sender.h"
#include "tests/domains/fake_publish.h"

#define RECORDS    2000u
#define PATIENCE_S 60

static int64_t seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static const uint8_t key[16] = "a book's own id";

static void put(struct wf_sender *s, uint64_t n)
{
    const int64_t end = seconds() + PATIENCE_S;
    struct wf_sender_item item = { .n = n, .op = WEFT_PUT, .json = malloc(32) };
    struct wf_sender_state state;

    snprintf(item.json, 32, "{\"n\":%llu}", (unsigned long long)n);
    while (!wf_sender_put(s, &item)) {
        wf_sender_look(s, &state);
        ck_assert_msg(seconds() < end, "no room: %s", state.problem);
        poll(NULL, 0, 1);
    }
}

static void wait_for(struct wf_sender *s, uint64_t acked)
{
    const int64_t end = seconds() + PATIENCE_S;
    struct wf_sender_state state;

    do {
        wf_sender_look(s, &state); // without a pause: who looks and who sends meet
        ck_assert_uint_le(state.room, WF_SENDER_QUEUE);
        ck_assert_msg(seconds() < end, "%llu acknowledged: %s", (unsigned long long)state.acked,
            state.problem);
    } while (state.acked < acked);
    ck_assert(!state.broken);
}

// A node that goes away and comes back in between, and one whose answers are lost.
START_TEST(what_is_handed_over_while_it_sends_is_published_once_and_in_order)
{
    const uint64_t numbers[2] = { 0, 0 };
    struct wf_sender *s = NULL;
    char want[40];

    fake_node_reset();
    ck_assert_int_eq(wf_sender_start(NULL, "alerts", key, numbers, &s), WEFT_OK);
    for (uint64_t n = 0; n < RECORDS; n++) {
        struct wf_sender_state state;
        if (n % 500 == 100)
            fake_node_away(true);
        if (n % 500 == 110)
            fake_node_away(false);
        if (n % 500 == 300)
            fake_node_deaf(true);
        if (n % 500 == 310)
            fake_node_deaf(false);
        put(s, n);
        wf_sender_look(s, &state);
        ck_assert_uint_le(state.acked, n + 1);
        if (n % 100 == 99)
            wait_for(s, n + 1);
    }
    wait_for(s, RECORDS);
    wf_sender_stop(s);
    ck_assert_uint_eq(fake_node_count(), RECORDS);
    for (size_t i = 0; i < RECORDS; i++) {
        snprintf(want, sizeof want, "put {\"n\":%zu}", i);
        ck_assert_str_eq(fake_node_at(i), want);
    }
    fake_node_reset();
}
END_TEST

static void wait_until_it_hangs(size_t calls)
{
    const int64_t end = seconds() + PATIENCE_S;

    while (fake_node_hanging() < calls) {
        ck_assert_int_lt(seconds(), end);
        poll(NULL, 0, 1);
    }
}

START_TEST(a_node_that_hangs_holds_up_nobody_who_hands_over)
{
    const uint64_t numbers[2] = { 0, 0 };
    struct wf_sender *s = NULL;
    struct wf_sender_state state;
    size_t before = fake_node_hanging();

    fake_node_reset();
    for (uint64_t n = 0; n < 2; n++) { // in opening, then in flushing
        fake_node_hangs(true);
        if (!s)
            ck_assert_int_eq(wf_sender_start(NULL, "alerts", key, numbers, &s), WEFT_OK);
        put(s, 2 * n);
        wait_until_it_hangs(before + n + 1);
        put(s, 2 * n + 1);
        wf_sender_look(s, &state);
        ck_assert_uint_eq(state.acked, 2 * n);
        ck_assert_uint_eq(state.room, WF_SENDER_QUEUE - 2);
        fake_node_hangs(false);
        wait_for(s, 2 * n + 2);
    }
    wf_sender_stop(s);
    fake_node_reset();
}
END_TEST

START_TEST(it_ends_at_any_moment_and_keeps_nothing)
{
    const uint64_t numbers[2] = { 0, 0 };

    for (unsigned round = 0; round < 40; round++) {
        struct wf_sender *s = NULL;
        fake_node_reset();
        fake_node_away(round % 2); // it may be waiting for the next attempt
        ck_assert_int_eq(wf_sender_start(NULL, "alerts", key, numbers, &s), WEFT_OK);
        for (uint64_t n = 0; n < round; n++)
            put(s, n);
        if (round % 4 == 0)
            wait_for(s, round);
        wf_sender_stop(s);
        ck_assert_uint_le(fake_node_count(), round);
    }
    fake_node_reset();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sender");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 100);
    tcase_add_test(t, what_is_handed_over_while_it_sends_is_published_once_and_in_order);
    tcase_add_test(t, a_node_that_hangs_holds_up_nobody_who_hands_over);
    tcase_add_test(t, it_ends_at_any_moment_and_keeps_nothing);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
