// SPDX-License-Identifier: Apache-2.0
// The stand-in of a loop: it turns the loop only while the owner is away for long, never beside it, and everything that came meanwhile is
// served once.
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "sdk/loop/standin.h"
#include "tests/support/support.h"

#define NEVER_US (600u * 1000000u)
#define TRIPS    300u
#define LETTERS  2000u

static struct wf_loop *loop;
static struct wf_standin *standin;
static atomic_uint opened, inside;
static atomic_bool together;
static pthread_t opener;
static useconds_t dwell_us; // in a letter: two that turn the loop at once are to meet

struct note {
    struct wf_mail mail; // first
};

static void open_note(struct wf_mail *m)
{
    if (atomic_fetch_add(&inside, 1) != 0)
        atomic_store(&together, true);
    opener = pthread_self();
    if (dwell_us)
        usleep(dwell_us);
    free(m);
    atomic_fetch_sub(&inside, 1);
    atomic_fetch_add(&opened, 1);
}

static void drop_note(struct wf_mail *m)
{
    free(m);
}

static void post(void)
{
    struct note *n = calloc(1, sizeof *n);

    ck_assert_ptr_nonnull(n);
    n->mail = (struct wf_mail){
        .open = open_note, .drop = drop_note, .class = WF_MAIL_CONTROL, .must = true
    };
    ck_assert_int_eq(wf_loop_post(loop, &n->mail), WEFT_OK);
}

static void set_up(uint32_t after_us)
{
    ck_assert_int_eq(wf_loop_new(NULL, &loop), WEFT_OK);
    ck_assert_int_eq(wf_standin_new(loop, after_us, &standin), WEFT_OK);
}

static void tear_down(void)
{
    wf_standin_free(standin);
    wf_loop_free(loop);
}

static void wait_for(unsigned count)
{
    for (unsigned i = 0; i < 20000 && atomic_load(&opened) < count; i++)
        usleep(500);
    ck_assert_uint_eq(atomic_load(&opened), count);
}

START_TEST(a_loop_whose_owner_stays_away_is_turned_by_the_stand_in)
{
    set_up(1000);
    wf_standin_leave(standin);
    post();
    wait_for(1); // the owner turns nothing
    post();
    wait_for(2);
    wf_standin_back(standin);
    ck_assert(!pthread_equal(opener, pthread_self()));
    post();
    wf_loop_turn(loop, 0);
    ck_assert_uint_eq(atomic_load(&opened), 3);
    ck_assert(pthread_equal(opener, pthread_self()));
    tear_down();
}
END_TEST

START_TEST(nobody_turns_the_loop_of_an_owner_who_is_soon_back)
{
    set_up(NEVER_US);
    for (unsigned i = 0; i < TRIPS; i++) {
        wf_standin_leave(standin);
        post();
        wf_standin_back(standin);
    }
    ck_assert_uint_eq(atomic_load(&opened), 0);
    wf_loop_turn(loop, 0);
    wf_loop_turn(loop, 0); // so many letters are two turns' work
    ck_assert_uint_eq(atomic_load(&opened), TRIPS);
    ck_assert(pthread_equal(opener, pthread_self()));
    tear_down();
}
END_TEST

START_TEST(the_clock_of_a_trip_that_is_over_wakes_nobody)
{
    set_up(1000);
    wf_standin_leave(standin);
    wf_standin_back(standin);
    post();
    usleep(
        20000); // twenty times what the stand-in waited for: it must do nothing, which has no end to wait for
    ck_assert_uint_eq(atomic_load(&opened), 0);
    tear_down();
}
END_TEST

static void *post_many(void *arg)
{
    for (unsigned i = 0; i < LETTERS; i++) {
        post();
        if (i % 8 == 0)
            usleep(50);
    }
    return arg;
}

START_TEST(owner_and_stand_in_take_turns_and_every_letter_is_opened_once)
{
    pthread_t poster;

    dwell_us = 30;
    set_up(50); // it runs out while the owner comes back, now and then
    ck_assert_int_eq(pthread_create(&poster, NULL, post_many, NULL), 0);
    for (unsigned i = 0; atomic_load(&opened) < LETTERS && i < 1000000; i++) {
        wf_standin_leave(standin);
        if (i % 3)
            usleep(i % 7 * 20);
        wf_standin_back(standin);
        wf_loop_turn(loop, 0);
    }
    pthread_join(poster, NULL);
    ck_assert_uint_eq(atomic_load(&opened), LETTERS);
    ck_assert(!atomic_load(&together));
    tear_down();
}
END_TEST

static unsigned after_count, idle_count;

static void after(void *arg, bool idle)
{
    (void)arg;
    after_count++;
    idle_count += idle;
    if (after_count == 2)
        wf_loop_stop(loop);
}

static void do_nothing(struct wf_timer *t)
{
    (void)t;
}

START_TEST(the_call_behind_a_turn_says_whether_the_loop_had_waited)
{
    struct wf_timer later = { .fire = do_nothing };

    ck_assert_int_eq(wf_loop_new(NULL, &loop), WEFT_OK);
    wf_loop_after(loop, after, NULL);
    ck_assert_int_eq(wf_timer_set(loop, &later, wf_loop_now_ms(loop) + 100), WEFT_OK);
    post();            // the first turn has this to do at once,
    wf_loop_run(loop); // the second waits for the timer
    ck_assert_uint_eq(after_count, 2);
    ck_assert_uint_eq(idle_count, 1);
    wf_loop_free(loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sdk.standin");
    TCase *tc = tcase_create("standin");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_loop_whose_owner_stays_away_is_turned_by_the_stand_in);
    tcase_add_test(tc, nobody_turns_the_loop_of_an_owner_who_is_soon_back);
    tcase_add_test(tc, the_clock_of_a_trip_that_is_over_wakes_nobody);
    tcase_add_test(tc, owner_and_stand_in_take_turns_and_every_letter_is_opened_once);
    tcase_add_test(tc, the_call_behind_a_turn_says_whether_the_loop_had_waited);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
