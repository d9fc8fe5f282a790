// SPDX-License-Identifier: Apache-2.0
// The event loop: the order of timers, what a timer that sets itself again may not do, letters by class and in bounds, descriptors
// that go away during a turn.
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/support.h"

static struct wf_loop *loop;

static void set_up(void)
{
    ck_assert_int_eq(wf_loop_new(NULL, &loop), WEFT_OK);
    wf_loop_turn(loop, 0);
}

static void tear_down(void)
{
    wf_loop_free(loop);
}

// ---- timers ------------------------------------------------------------------------------------------------------------

struct tick {
    struct wf_timer t; // first
    unsigned fired, order;
    bool again; // sets itself once more when it fires
    int64_t offset_ms;
    struct tick *sets; // and this one
};
static unsigned order;

static void fire(struct wf_timer *t)
{
    struct tick *k = (struct tick *)(void *)t;

    k->fired++;
    k->order = ++order;
    if (k->again)
        ck_assert_int_eq(wf_timer_set(loop, t, wf_loop_now_ms(loop) + k->offset_ms), WEFT_OK);
    if (k->sets)
        ck_assert_int_eq(wf_timer_set(loop, &k->sets->t, wf_loop_now_ms(loop)), WEFT_OK);
}

static void set(struct tick *k, int64_t in_ms)
{
    k->t.fire = fire;
    ck_assert_int_eq(wf_timer_set(loop, &k->t, wf_loop_now_ms(loop) + in_ms), WEFT_OK);
}

START_TEST(timers_fire_in_the_order_of_their_times)
{
    enum { N = 200 };
    struct tick *k = calloc(N, sizeof *k);
    uint64_t seed = 7;
    int64_t last_due = 0;

    order = 0;
    for (int i = 0; i < N; i++)
        set(&k[i], (int64_t)(wf_test_rand(&seed) % 40));
    for (int i = 0; i < N; i += 3) // move a third, cancel some
        set(&k[i], (int64_t)(wf_test_rand(&seed) % 40));
    for (int i = 0; i < N; i += 7)
        wf_timer_cancel(loop, &k[i].t);
    unsigned want = N - (N + 6) / 7;
    while (order < want)
        wf_loop_turn(loop, 100);
    for (unsigned at = 1; at <= want; at++)
        for (int i = 0; i < N; i++)
            if (k[i].order == at) {
                ck_assert_int_ge(k[i].t.due_us, last_due);
                last_due = k[i].t.due_us;
            }
    for (int i = 0; i < N; i++)
        ck_assert_uint_eq(k[i].fired, i % 7 != 0);
    free(k);
}
END_TEST

// A linger is shorter than the milliseconds that everything else counts in.
START_TEST(timers_within_a_millisecond_keep_their_order)
{
    static const int in_us[] = { 700, 300, 900, 500 };
    static const unsigned place[] = { 3, 1, 4, 2 };
    struct tick k[WF_COUNT(in_us)] = { 0 };
    int64_t begun_us = wf_loop_now_us(loop);

    order = 0;
    for (size_t i = 0; i < WF_COUNT(in_us); i++) {
        k[i].t.fire = fire;
        ck_assert_int_eq(wf_timer_set_us(loop, &k[i].t, begun_us + in_us[i]), WEFT_OK);
    }
    while (order < WF_COUNT(in_us)) {
        wf_loop_turn(loop, 1000);
        for (size_t i = 0; i < WF_COUNT(in_us); i++)
            ck_assert(!k[i].fired || wf_loop_now_us(loop) >= begun_us + in_us[i]);
    }
    for (size_t i = 0; i < WF_COUNT(in_us); i++)
        ck_assert_uint_eq(k[i].order, place[i]);
}
END_TEST

// Work in slices sets its timer to now each time; each turn does one slice, and everything else goes on.
START_TEST(one_that_sets_itself_to_now_waits_for_the_next_turn)
{
    static const struct {
        const char *why;
        int64_t offset_ms;
    } rows[] = { { "to now", 0 },
        { "to a time long past: it would stand before all others", -60000 } };
    struct tick many[50] = { 0 }, slice = { .again = true, .offset_ms = rows[_i].offset_ms };
    struct tick other = { .again = true };

    for (size_t i = 0; i < WF_COUNT(many); i++)
        set(&many[i], 60000); // a full heap must not mean more slices a turn
    set(&slice, 0);
    set(&other, 0);
    for (unsigned turn = 1; turn <= 20; turn++) {
        wf_loop_turn(loop, 0);
        ck_assert_msg(
            slice.fired == turn, "%s: %u slices in %u turns", rows[_i].why, slice.fired, turn);
    }
    ck_assert_msg(other.fired >= 10, "%s: the other fired %u times", rows[_i].why, other.fired);
    wf_timer_cancel(loop, &slice.t);
    wf_timer_cancel(loop, &other.t);
    for (size_t i = 0; i < WF_COUNT(many); i++)
        wf_timer_cancel(loop, &many[i].t);
}
END_TEST

// Two that set each other would otherwise never let the turn end.
START_TEST(timers_that_set_each_other_end_the_turn)
{
    struct tick a = { 0 }, b = { .sets = &a };

    a.sets = &b;
    b.t.fire = fire;
    set(&a, 0);
    for (int turn = 0; turn < 10; turn++)
        wf_loop_turn(loop, 0);
    ck_assert_uint_eq(a.fired + b.fired, 10);
    wf_timer_cancel(loop, &a.t);
    wf_timer_cancel(loop, &b.t);
}
END_TEST

START_TEST(a_timer_set_in_a_letter_fires_in_the_same_turn)
{
    struct tick k = { 0 };

    set(&k, 0);
    wf_loop_turn(loop, 0);
    ck_assert_uint_eq(k.fired, 1);
    wf_loop_turn(loop, 0);
    ck_assert_uint_eq(k.fired, 1);
}
END_TEST

// ---- letters -----------------------------------------------------------------------------------------------------------

struct letter {
    struct wf_mail m; // first
    unsigned opened, dropped, order;
};

static void open_letter(struct wf_mail *m)
{
    struct letter *l = (struct letter *)(void *)m;

    l->opened++;
    l->order = ++order;
}

static void drop_letter(struct wf_mail *m)
{
    ((struct letter *)(void *)m)->dropped++;
}

static struct letter letter(enum wf_mail_class class, size_t bytes, bool must)
{
    return (struct letter){ .m = {
                                .open = open_letter,
                                .drop = drop_letter,
                                .class = class,
                                .bytes = bytes,
                                .must = must,
                            } };
}

START_TEST(letters_come_by_class_then_in_order)
{
    struct letter l[6] = { letter(WF_MAIL_REPAIR, 0, false), letter(WF_MAIL_CONTROL, 0, false),
        letter(WF_MAIL_LIVE, 0, false), letter(WF_MAIL_REPAIR, 0, false),
        letter(WF_MAIL_CONTROL, 0, false), letter(WF_MAIL_LIVE, 0, false) };
    static const unsigned want[6] = { 5, 3, 1, 6, 4, 2 };

    order = 0;
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(wf_loop_post(loop, &l[i].m), WEFT_OK);
    wf_loop_turn(loop, 0);
    for (int i = 0; i < 6; i++)
        ck_assert_uint_eq(l[i].order, want[i]);
}
END_TEST

START_TEST(a_full_mailbox_refuses_all_but_what_must_come)
{
    struct wf_loop_conf small = { .mail_count = 2, .mail_bytes = 1000 };
    struct letter a = letter(WF_MAIL_LIVE, 600, false), b = letter(WF_MAIL_LIVE, 600, false),
                  must = letter(WF_MAIL_LIVE, 600, true), tiny = letter(WF_MAIL_LIVE, 1, false);
    struct wf_loop_stats s;

    wf_loop_free(loop);
    ck_assert_int_eq(wf_loop_new(&small, &loop), WEFT_OK);
    ck_assert_int_eq(wf_loop_post(loop, &a.m), WEFT_OK);
    ck_assert_int_eq(wf_loop_post(loop, &b.m), WEFT_E_FULL); // bytes
    ck_assert_int_eq(wf_loop_post(loop, &must.m), WEFT_OK);
    ck_assert_int_eq(wf_loop_post(loop, &tiny.m), WEFT_E_FULL); // count
    wf_loop_get_stats(loop, &s);
    ck_assert_uint_eq(s.mail_refused, 2);
    ck_assert_uint_eq(s.mail_count, 2);
    wf_loop_turn(loop, 0);
    ck_assert_uint_eq(a.opened + must.opened, 2);
    ck_assert_uint_eq(b.opened + b.dropped + tiny.opened + tiny.dropped, 0);
}
END_TEST

START_TEST(what_waits_when_the_loop_ends_is_dropped_once)
{
    struct letter a = letter(WF_MAIL_CONTROL, 10, false);

    ck_assert_int_eq(wf_loop_post(loop, &a.m), WEFT_OK);
    wf_loop_free(loop);
    loop = NULL;
    ck_assert_uint_eq(a.opened, 0);
    ck_assert_uint_eq(a.dropped, 1);
}
END_TEST

// Timers and descriptors get their turn however many letters wait.
START_TEST(a_flood_of_letters_starves_no_timer)
{
    enum { N = 5000 };
    struct letter *l = calloc(N, sizeof *l);
    struct tick k = { 0 };

    order = 0;
    for (int i = 0; i < N; i++) {
        l[i] = letter(WF_MAIL_CONTROL, 0, false);
        ck_assert_int_eq(wf_loop_post(loop, &l[i].m), WEFT_OK);
    }
    set(&k, 0);
    wf_loop_turn(loop, 0);
    ck_assert_uint_eq(k.fired, 1);
    ck_assert_uint_lt(order, N);
    while (order < N + 1)
        wf_loop_turn(loop, 0);
    free(l);
}
END_TEST

static void open_slowly(struct wf_mail *m)
{
    struct timespec t = { .tv_nsec = 5000000 };

    nanosleep(&t, NULL);
    open_letter(m);
}

// A hundred letters of five milliseconds: a heartbeat that falls due meanwhile does not wait for all of them.
START_TEST(dear_letters_leave_timers_their_turn)
{
    enum { N = 100 };
    struct letter *l = calloc(N, sizeof *l);
    struct tick k = { .again = true };
    unsigned turns = 0;

    order = 0;
    for (int i = 0; i < N; i++) {
        l[i] = letter(WF_MAIL_CONTROL, 0, false);
        l[i].m.open = open_slowly;
        ck_assert_int_eq(wf_loop_post(loop, &l[i].m), WEFT_OK);
    }
    set(&k, 0);
    for (; l[N - 1].opened == 0; turns++)
        wf_loop_turn(loop, 0);
    ck_assert_uint_gt(turns, 10);
    ck_assert_uint_ge(k.fired, turns - 1);
    wf_timer_cancel(loop, &k.t);
    free(l);
}
END_TEST

static void *post_from_elsewhere(void *arg)
{
    struct letter *l = arg;

    for (int i = 0; i < 1000; i++)
        if (wf_loop_post(loop, &l[i].m))
            abort();
    wf_loop_stop(loop);
    return NULL;
}

START_TEST(letters_from_another_thread_wake_the_loop)
{
    struct letter *l = calloc(1000, sizeof *l);
    pthread_t t;

    order = 0;
    for (int i = 0; i < 1000; i++)
        l[i] = letter((enum wf_mail_class)(i % WF_MAIL_CLASSES), 0, false);
    ck_assert_int_eq(pthread_create(&t, NULL, post_from_elsewhere, l), 0);
    wf_loop_run(loop);
    pthread_join(t, NULL);
    while (order < 1000) // stop may come before the last letters were opened
        wf_loop_turn(loop, 0);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(l[i].opened, 1);
    free(l);
}
END_TEST

// Posts from within the loop's own turns wake nobody; the loop must see them all the same, and not sleep over them.
struct own {
    struct wf_timer t; // first
    struct letter *l;
};

static void post_from_timer(struct wf_timer *t)
{
    ck_assert_int_eq(wf_loop_post(loop, &((struct own *)(void *)t)->l->m), WEFT_OK);
}

static struct letter from_letter;

static void post_another(struct wf_mail *m)
{
    open_letter(m);
    ck_assert_int_eq(wf_loop_post(loop, &from_letter.m), WEFT_OK);
}

START_TEST(the_loops_own_letters_are_opened_before_it_sleeps)
{
    struct letter l = letter(WF_MAIL_CONTROL, 0, false);
    struct own own = { .t = { .fire = post_from_timer }, .l = &l };
    struct tick sleeper = { 0 };

    from_letter = letter(WF_MAIL_LIVE, 0, false);
    l.m.open = post_another;
    set(&sleeper, 20000);
    ck_assert_int_eq(wf_timer_set(loop, &own.t, wf_loop_now_ms(loop)), WEFT_OK);
    wf_loop_turn(loop, -1); // the timer fires after the letters of its turn
    ck_assert_uint_eq(l.opened, 0);
    wf_loop_turn(loop, -1);
    ck_assert_uint_eq(l.opened, 1);
    ck_assert_uint_eq(from_letter.opened, 1);
    ck_assert_msg(sleeper.fired == 0, "it slept over its own letter");
    wf_timer_cancel(loop, &sleeper.t);
}
END_TEST

static bool tells(const struct wf_mailbox *b)
{
    struct pollfd p = { .fd = b->fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

START_TEST(a_mailbox_that_was_left_tells_of_letters_when_it_is_met_again)
{
    struct letter l[3] = { letter(WF_MAIL_LIVE, 0, false), letter(WF_MAIL_LIVE, 0, false),
        letter(WF_MAIL_LIVE, 0, false) };
    struct wf_mailbox b;

    ck_assert_int_eq(wf_mailbox_init(&b, 10, 1000), WEFT_OK);
    wf_mailbox_leave(&b);
    ck_assert(!wf_mailbox_meet(&b));
    wf_mailbox_leave(&b);
    ck_assert_int_eq(wf_mailbox_post(&b, &l[0].m), WEFT_OK);
    ck_assert_msg(!tells(&b), "it signalled to nobody");
    ck_assert(wf_mailbox_meet(&b));
    ck_assert_int_eq(wf_mailbox_post(&b, &l[1].m), WEFT_OK);
    ck_assert_msg(tells(&b), "somebody waits again");
    ck_assert_ptr_eq(wf_mailbox_take(&b), &l[0].m);
    ck_assert_ptr_eq(wf_mailbox_take(&b), &l[1].m);
    ck_assert(!tells(&b));
    ck_assert_int_eq(wf_mailbox_post(&b, &l[2].m), WEFT_OK);
    ck_assert(tells(&b));
    wf_mailbox_fini(&b);
    ck_assert_uint_eq(l[2].dropped, 1);
}
END_TEST

START_TEST(letters_to_a_loop_that_was_left_are_opened_before_it_sleeps)
{
    struct letter l = letter(WF_MAIL_CONTROL, 0, false);
    struct tick sleeper = { 0 };

    set(&sleeper, 20000);
    wf_loop_leave(loop);
    ck_assert_int_eq(wf_loop_post(loop, &l.m), WEFT_OK);
    wf_loop_take(loop);
    wf_loop_turn(loop, -1);
    ck_assert_uint_eq(l.opened, 1);
    ck_assert_msg(sleeper.fired == 0, "it slept over a letter");
    wf_timer_cancel(loop, &sleeper.t);
}
END_TEST

// More than a turn opens: the rest is opened by turns that do not sleep either.
START_TEST(a_flood_of_own_letters_is_opened_without_sleep)
{
    enum { N = 600 };
    struct letter *l = calloc(N, sizeof *l);
    struct own *own = calloc(N, sizeof *own);
    struct tick sleeper = { 0 };

    order = 0;
    set(&sleeper, 20000);
    for (int i = 0; i < N; i++) {
        l[i] = letter(WF_MAIL_CONTROL, 0, false);
        own[i] = (struct own){ .t = { .fire = post_from_timer }, .l = &l[i] };
        ck_assert_int_eq(wf_timer_set(loop, &own[i].t, wf_loop_now_ms(loop)), WEFT_OK);
    }
    for (int turn = 0; turn < 10 && order < N; turn++)
        wf_loop_turn(loop, -1);
    ck_assert_uint_eq(order, N);
    ck_assert_uint_eq(sleeper.fired, 0);
    wf_timer_cancel(loop, &sleeper.t);
    free(own);
    free(l);
}
END_TEST

// ---- descriptors -------------------------------------------------------------------------------------------------------

struct eye {
    struct wf_watch w; // first
    unsigned seen;
    struct eye *other;
};

static void look(struct wf_watch *w, uint32_t events)
{
    struct eye *e = (struct eye *)(void *)w;

    ck_assert(events & EPOLLIN);
    e->seen++;
    if (e->other) { // as an owner does that frees both
        wf_loop_unwatch(loop, &e->other->w);
        wf_loop_unwatch(loop, &e->w);
        memset(e->other, 0xee, sizeof *e->other);
    }
}

START_TEST(a_descriptor_taken_away_in_the_same_turn_is_not_served)
{
    struct eye *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    int p[2], q[2];

    ck_assert_int_eq(pipe(p) | pipe(q), 0);
    *a = (struct eye){ .w = { .ready = look, .fd = p[0] }, .other = b };
    *b = (struct eye){ .w = { .ready = look, .fd = q[0] } };
    ck_assert_int_eq(wf_loop_watch(loop, &a->w, EPOLLIN), WEFT_OK);
    ck_assert_int_eq(wf_loop_watch(loop, &b->w, EPOLLIN), WEFT_OK);
    ck_assert_int_eq(write(p[1], "x", 1) + write(q[1], "x", 1), 2);
    wf_loop_turn(
        loop, 0); // b's memory is rubbish by now: a call of it would crash, unless it came first
    wf_loop_turn(loop, 0);
    ck_assert_uint_eq(a->seen, 1);
    for (int i = 0; i < 2; i++) {
        close(p[i]);
        close(q[i]);
    }
    free(a);
    free(b);
}
END_TEST

// ---- clocks ------------------------------------------------------------------------------------------------------------

struct two_looks {
    struct wf_mail m; // first
    int64_t mono[2], wall[2];
};

static void look_twice(struct wf_mail *m)
{
    struct two_looks *l = (struct two_looks *)(void *)m;

    l->mono[0] = wf_loop_now_ms(loop);
    l->wall[0] = wf_loop_now_unix_ms(loop);
    wf_test_clock_skip(5000); // as if the machine had slept in between
    l->mono[1] = wf_loop_now_ms(loop);
    l->wall[1] = wf_loop_now_unix_ms(loop);
}

START_TEST(time_stands_still_within_a_turn_and_goes_on_while_the_machine_sleeps)
{
    struct two_looks l = { .m = { .open = look_twice, .drop = look_twice } };
    struct tick due = { 0 };

    set(&due, 4000);
    ck_assert_int_eq(wf_loop_post(loop, &l.m), WEFT_OK);
    wf_loop_turn(loop, 0);
    ck_assert_int_eq(l.mono[0], l.mono[1]);
    ck_assert_int_eq(l.wall[0], l.wall[1]);
    ck_assert_uint_eq(due.fired, 0);
    wf_loop_turn(loop, 0);
    ck_assert_int_ge(wf_loop_now_ms(loop), l.mono[0] + 5000);
    ck_assert_int_ge(wf_loop_now_unix_ms(loop), l.wall[0] + 5000);
    ck_assert_uint_eq(due.fired, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sdk.loop");
    TCase *tc = tcase_create("loop");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, timers_fire_in_the_order_of_their_times);
    tcase_add_test(tc, timers_within_a_millisecond_keep_their_order);
    tcase_add_loop_test(tc, one_that_sets_itself_to_now_waits_for_the_next_turn, 0, 2);
    tcase_add_test(tc, timers_that_set_each_other_end_the_turn);
    tcase_add_test(tc, a_timer_set_in_a_letter_fires_in_the_same_turn);
    tcase_add_test(tc, letters_come_by_class_then_in_order);
    tcase_add_test(tc, a_full_mailbox_refuses_all_but_what_must_come);
    tcase_add_test(tc, what_waits_when_the_loop_ends_is_dropped_once);
    tcase_add_test(tc, a_flood_of_letters_starves_no_timer);
    tcase_add_test(tc, dear_letters_leave_timers_their_turn);
    tcase_add_test(tc, letters_from_another_thread_wake_the_loop);
    tcase_add_test(tc, the_loops_own_letters_are_opened_before_it_sleeps);
    tcase_add_test(tc, a_flood_of_own_letters_is_opened_without_sleep);
    tcase_add_test(tc, a_mailbox_that_was_left_tells_of_letters_when_it_is_met_again);
    tcase_add_test(tc, letters_to_a_loop_that_was_left_are_opened_before_it_sleeps);
    tcase_add_test(tc, a_descriptor_taken_away_in_the_same_turn_is_not_served);
    tcase_add_test(tc, time_stands_still_within_a_turn_and_goes_on_while_the_machine_sleeps);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
