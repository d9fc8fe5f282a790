// SPDX-License-Identifier: Apache-2.0
// What a home leaves out without a word: the machine tells it as a gap with its exact range. What lies beyond the home's word is forgotten.
// All else: test_repair_sim.c.
#include <check.h>

#include "proto/stream/heartbeat.h"
#include "sdk/repair.h"

static const struct wf_incarnation log_id = { 7, 7 };
static struct wf_repair *r;
static struct wf_repair_action pull, range, loss;
static unsigned losses, delivered;
static enum wf_repair_mode mode;

static void drop(void *arg, void *item)
{
    (void)arg, (void)item;
}

static void act(void *arg, const struct wf_repair_action *a)
{
    (void)arg;
    if (a->kind == WF_REP_PULL)
        pull = *a;
    if (a->kind == WF_REP_RANGE)
        range = *a;
    if (a->kind == WF_REP_MODE)
        mode = a->mode;
    delivered += a->kind == WF_REP_DELIVER;
    if (a->kind != WF_REP_LOSS)
        return;
    loss = *a;
    losses++;
}

// A reader that is at offset 10 of the log and asks for what follows.
static void setup(void)
{
    const struct wf_repair_conf conf = { .held_bytes = WF_MIB, .free_item = drop };
    struct wf_heartbeat beat = { .log_id = log_id, .head_offset = 30 };
    struct wf_repair_event lease = { .kind = WF_REP_LEASE, .heartbeat = &beat };

    losses = delivered = 0;
    ck_assert_int_eq(wf_repair_new(&conf, &r), WEFT_OK);
    wf_repair_start(r, &log_id, 10);
    wf_repair_step(r, 0, &lease, act, NULL);
    ck_assert(pull.request != 0 && pull.from == 10);
}

static void teardown(void)
{
    wf_repair_free(r);
}

static void answer(struct wf_repair_entry *entries, size_t count, uint64_t next)
{
    struct wf_repair_event e = { .kind = WF_REP_ENTRIES,
        .entries = entries,
        .entry_count = count,
        .request = pull.request,
        .next = next };

    wf_repair_step(r, 1, &e, act, NULL);
}

static void answer_range_with_nothing(int64_t now, uint64_t head)
{
    struct wf_heartbeat beat = { .log_id = log_id, .head_offset = head };
    struct wf_repair_event e = {
        .kind = WF_REP_ENTRIES, .request = range.request, .next = range.from, .heartbeat = &beat
    };

    wf_repair_step(r, now, &e, act, NULL);
}

START_TEST(what_lies_before_an_entry_and_was_not_explained_is_a_gap)
{
    struct wf_repair_entry e = { .log_id = log_id, .offset = 15, .end = 20 };

    answer(&e, 1, 20);
    ck_assert_uint_eq(delivered, 1);
    ck_assert(losses == 1 && loss.from == 10 && loss.to == 15 && loss.code == WEFT_E_GAP);
}
END_TEST

START_TEST(what_lies_behind_the_last_entry_and_was_not_explained_is_a_gap)
{
    struct wf_repair_entry e = { .log_id = log_id, .offset = 10, .end = 20 };

    answer(&e, 1, 25);
    ck_assert_uint_eq(delivered, 1);
    ck_assert(losses == 1 && loss.from == 20 && loss.to == 25 && loss.code == WEFT_E_GAP);
}
END_TEST

START_TEST(an_answer_without_holes_loses_nothing)
{
    struct wf_repair_entry both[] = { { .log_id = log_id, .offset = 10, .end = 20 },
        { .log_id = log_id, .offset = 20, .end = 30 } };

    answer(both, 2, 30);
    ck_assert(delivered == 2 && losses == 0);
}
END_TEST

static void beat_at(int64_t now, uint64_t head)
{
    struct wf_heartbeat beat = { .log_id = log_id, .head_offset = head };
    struct wf_repair_event e = {
        .kind = WF_REP_HEARTBEAT, .heartbeat = &beat, .by_stream = true, .next_beat_ms = now + 1000
    };

    wf_repair_step(r, now, &e, act, NULL);
}

static void frame_at(int64_t now, uint64_t offset)
{
    struct wf_repair_entry entry = { .log_id = log_id, .offset = offset, .end = offset + 5 };
    struct wf_repair_event e = { .kind = WF_REP_FRAME, .entries = &entry, .entry_count = 1 };

    wf_repair_step(r, now, &e, act, NULL);
}

// Live at offset 30, and then a frame of a place far beyond.
static void live_and_claimed(void)
{
    struct wf_repair_entry e = { .log_id = log_id, .offset = 10, .end = 30 };

    answer(&e, 1, 30);
    beat_at(10, 30);
    ck_assert_int_eq(mode, WF_REP_LIVE);
    frame_at(20, 1000000);
    ck_assert(range.from == 30 && range.to == 1000000);
}

START_TEST(a_place_that_the_homes_word_does_not_reach_is_forgotten)
{
    struct wf_incarnation log;
    uint64_t next;

    live_and_claimed();
    beat_at(20 + WF_REPAIR_CLAIM_MS - 1, 30); // it may have been on its way since before
    ck_assert(!wf_repair_wants(r, &log_id, 1000000, 1000005));
    frame_at(20 + WF_REPAIR_CLAIM_MS - 1, 30);
    answer_range_with_nothing(20 + WF_REPAIR_CLAIM_MS, 35);
    ck_assert_int_eq(mode, WF_REP_LIVE);
    ck_assert(wf_repair_wants(r, &log_id, 1000000, 1000005));
    memset(&range, 0, sizeof range);
    frame_at(3500, 40); // the next hole is the real one
    ck_assert(range.from == 35 && range.to == 40);
    frame_at(3501, 35);
    wf_repair_position(r, &log, &next);
    ck_assert_uint_eq(next, 45);
    ck_assert(mode == WF_REP_LIVE && losses == 0 && delivered == 4);
}
END_TEST

START_TEST(a_place_that_the_homes_word_reaches_is_kept)
{
    live_and_claimed();
    beat_at(1000, 1000005);
    beat_at(20 + WF_REPAIR_CLAIM_MS, 1000005);
    ck_assert(!wf_repair_wants(r, &log_id, 1000000, 1000005));
    // What came later has its own time.
    frame_at(20 + WF_REPAIR_CLAIM_MS, 1000010);
    beat_at(21 + WF_REPAIR_CLAIM_MS, 1000005);
    ck_assert(!wf_repair_wants(r, &log_id, 1000010, 1000015));
}
END_TEST

static void arrive(uint32_t request, uint64_t next)
{
    struct wf_repair_event e = { .kind = WF_REP_ARRIVED, .request = request, .next = next };

    wf_repair_step(r, 1, &e, act, NULL);
}

START_TEST(the_home_reads_on_while_a_reply_is_verified)
{
    struct wf_repair_entry first = { .log_id = log_id, .offset = 10, .end = 20 };
    struct wf_repair_entry second = { .log_id = log_id, .offset = 20, .end = 30 };
    struct wf_repair_action asked = pull;

    arrive(asked.request, 20);
    ck_assert(pull.request != asked.request && pull.from == 20 && !pull.wait);
    struct wf_repair_action ahead = pull;
    arrive(asked.request, 20);
    arrive(ahead.request, 25);
    ck_assert_msg(pull.request == ahead.request, "one at most");
    pull = asked;
    answer(&first, 1, 20);
    ck_assert_msg(pull.request == asked.request, "it was asked for already");
    pull = ahead;
    arrive(ahead.request, 30);
    ck_assert_msg(pull.request == ahead.request, "nothing lies beyond the head");
    answer(&second, 1, 30);
    ck_assert(delivered == 2 && losses == 0);
}
END_TEST

START_TEST(what_was_read_ahead_says_nothing_before_its_turn)
{
    struct wf_repair_entry first = { .log_id = log_id, .offset = 10, .end = 20 };
    struct wf_repair_entry second = { .log_id = log_id, .offset = 20, .end = 30 };
    struct wf_repair_action asked = pull;

    arrive(asked.request, 20);
    if (_i == 0) {
        answer(&second, 1, 30);
    } else { // as if the home had been put back from a copy
        struct wf_repair_event e = {
            .kind = WF_REP_FAILED, .request = pull.request, .err = WEFT_E_LOG_ID
        };
        wf_repair_step(r, 1, &e, act, NULL);
    }
    ck_assert(delivered == 0 && losses == 0);
    pull = asked;
    answer(&first, 1, 20);
    ck_assert(pull.request != asked.request && pull.from == 20);
    answer(&second, 1, 30);
    ck_assert(delivered == 2 && losses == 0);
}
END_TEST

START_TEST(nothing_is_read_ahead_without_room)
{
    uint32_t request = pull.request;

    wf_repair_pause(r, true);
    arrive(request, 20);
    ck_assert_uint_eq(pull.request, request);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("repair");
    TCase *t = tcase_create("gaps");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_lies_before_an_entry_and_was_not_explained_is_a_gap);
    tcase_add_test(t, what_lies_behind_the_last_entry_and_was_not_explained_is_a_gap);
    tcase_add_test(t, an_answer_without_holes_loses_nothing);
    tcase_add_test(t, a_place_that_the_homes_word_does_not_reach_is_forgotten);
    tcase_add_test(t, a_place_that_the_homes_word_reaches_is_kept);
    tcase_add_test(t, the_home_reads_on_while_a_reply_is_verified);
    tcase_add_loop_test(t, what_was_read_ahead_says_nothing_before_its_turn, 0, 2);
    tcase_add_test(t, nothing_is_read_ahead_without_room);
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_ENV);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed ? 1 : 0;
}
