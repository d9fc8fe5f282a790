// SPDX-License-Identifier: Apache-2.0
// A publisher has one letter to its loop. It lies in the mailbox at most once, whatever looks at the publisher meanwhile. And which answers it
// lets lie until its next tick.
#include <check.h>
#include <stdlib.h>

#include "sdk/loop/loop.h"
#include "sdk/publish_int.h"

static struct weft_client c;
static struct weft_publisher *p;

static size_t letters(void)
{
    struct wf_loop_stats stats;

    wf_loop_get_stats(c.loop, &stats);
    return stats.mail_count;
}

static void setup(void)
{
    ck_assert_int_eq(wf_loop_new(NULL, &c.loop), WEFT_OK);
    p = calloc(1, sizeof *p);
    ck_assert_ptr_nonnull(p);
    atomic_init(&p->refs, 1);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->cond, NULL);
    p->c = &c;
    p->last = &p->first;
    p->linger_us = 1000;
    p->target_bytes = WF_PRODUCT_BATCH;
    p->mail = (struct wf_mail){
        .open = wf_pub_mail, .drop = wf_pub_drop, .class = WF_MAIL_CONTROL, .must = true
    };
}

static void teardown(void)
{
    wf_loop_free(c.loop);
    wf_pub_unref(p);
}

START_TEST(looking_when_the_linger_ends_does_not_free_the_letter)
{
    wf_pub_kick(p);
    ck_assert_uint_eq(letters(), 1);
    wf_pub_linger(&p->linger);
    wf_pub_kick(p);
    ck_assert_uint_eq(letters(), 1);
    ck_assert_uint_eq(atomic_load(&p->refs), 2);
}
END_TEST

START_TEST(once_opened_it_may_be_posted_again)
{
    wf_pub_kick(p);
    wf_loop_turn(c.loop, 0);
    ck_assert_uint_eq(letters(), 0);
    ck_assert_uint_eq(atomic_load(&p->refs), 1);
    wf_pub_kick(p);
    ck_assert_uint_eq(letters(), 1);
}
END_TEST

// ---- patience --------------------------------------------------------------------------------------------------------------

void __wrap_wf_link_hurry(struct wf_link *l);
static unsigned hurried;

void __wrap_wf_link_hurry(struct wf_link *l)
{
    ck_assert_ptr_eq(l, c.local);
    hurried++;
}

static const struct {
    const char *why;
    bool stopped, flushing, unsettled;
    uint32_t linger_us;
    unsigned unsent;
    size_t len, held;
    bool patient;
} rows[] = {
    { "a stream of small batches: a tick reads the answer", .patient = true },
    { "the longest linger whose tick comes soon enough", .linger_us = 5000, .patient = true },
    { "its tick would come late", .linger_us = 5001 },
    { "no tick comes", .stopped = true },
    { "somebody waits for the answer", .flushing = true },
    { "the batches behind it wait for the answer", .unsettled = true },
    { "others wait for their turn", .unsent = 1 },
    { "a full batch is of somebody who sends as fast as it goes", .len = WF_PRODUCT_BATCH },
    { "a quarter of the queue is free of worry", .held = 1024, .patient = true },
    { "soon somebody waits for room", .held = 1025 },
};

START_TEST(an_answer_lies_until_the_tick_when_nobody_waits_for_it)
{
    struct wf_pub_batch b = { .raw.len = rows[_i].len };

    p->ticking = !rows[_i].stopped;
    p->flushing = rows[_i].flushing;
    p->settled = !rows[_i].unsettled;
    p->linger_us = rows[_i].linger_us ? rows[_i].linger_us : 1000;
    p->unsent = rows[_i].unsent;
    p->queue_bytes = 4096;
    p->batch_bytes = rows[_i].held;
    ck_assert_msg(wf_pub_is_patient(p, &b) == rows[_i].patient, "%s", rows[_i].why);
}
END_TEST

static const struct {
    const char *why;
    uint32_t linger_us;
    int64_t due_us; // of the next tick, from now; 0: none
    uint32_t patience_us;
} waits[] = {
    { "one tick for the answers to four batches", 1000, 1000, 4000 },
    { "the next tick comes soon", 1000, 300, 3300 },
    { "no more of them, however short", 10, 10, 40 },
    { "two, and not longer than the longest wait", 2000, 2000, 4000 },
    { "the next one", 3000, 3000, 3000 },
    { "the next one, at the longest linger", 5000, 5000, 5000 },
    { "no tick comes", 1000, 0, 0 },
};

START_TEST(answers_lie_until_the_tick_that_reads_those_of_four_batches)
{
    wf_loop_turn(c.loop, 0);
    p->linger_us = waits[_i].linger_us;
    p->linger.fire = wf_pub_linger;
    if (waits[_i].due_us)
        ck_assert_int_eq(
            wf_timer_set_us(c.loop, &p->linger, wf_loop_now_us(c.loop) + waits[_i].due_us),
            WEFT_OK);
    ck_assert_msg(wf_pub_patience_us(p) == waits[_i].patience_us, "%s", waits[_i].why);
    wf_timer_cancel(c.loop, &p->linger);
}
END_TEST

START_TEST(who_flushes_waits_for_no_tick)
{
    int link;

    c.local = (struct wf_link *)(void *)&link;
    hurried = 0;
    wf_pub_kick(p);
    wf_loop_turn(c.loop, 0);
    ck_assert_uint_eq(hurried, 0);
    p->flushing = true;
    wf_pub_kick(p);
    wf_loop_turn(c.loop, 0);
    ck_assert_uint_eq(hurried, 1);
    c.local = NULL;
}
END_TEST

// ---- ticks -----------------------------------------------------------------------------------------------------------------

static const struct {
    const char *why;
    int64_t late_us, next_us; // next: from now
} ticks[] = {
    { "in time", 0, 1000 },
    { "a little late: the next one is not", 300, 700 },
    { "half a linger late: the records since have lingered less", 500, 1000 },
    { "later than the next one", 1200, 1000 },
};

START_TEST(ticks_follow_each_other_by_the_linger)
{
    p->waits_to_retry = true; // nothing is sent
    ck_assert_int_eq(wf_records_put(&p->current, WF_OP_PUT, 1, wf_bytes("r", 1)), WEFT_OK);
    wf_loop_turn(c.loop, 0);
    int64_t now = wf_loop_now_us(c.loop);
    p->linger.due_us = now - ticks[_i].late_us;
    wf_pub_linger(&p->linger);
    ck_assert_uint_eq(p->current.count, 0);
    ck_assert_uint_ne(p->linger.index, 0);
    ck_assert_msg(p->linger.due_us == now + ticks[_i].next_us, "%s", ticks[_i].why);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.publish_letter");
    TCase *t = tcase_create("letter");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, looking_when_the_linger_ends_does_not_free_the_letter);
    tcase_add_test(t, once_opened_it_may_be_posted_again);
    tcase_add_loop_test(
        t, an_answer_lies_until_the_tick_when_nobody_waits_for_it, 0, WF_COUNT(rows));
    tcase_add_loop_test(
        t, answers_lie_until_the_tick_that_reads_those_of_four_batches, 0, WF_COUNT(waits));
    tcase_add_test(t, who_flushes_waits_for_no_tick);
    tcase_add_loop_test(t, ticks_follow_each_other_by_the_linger, 0, WF_COUNT(ticks));
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
