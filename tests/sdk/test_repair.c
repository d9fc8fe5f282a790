// SPDX-License-Identifier: Apache-2.0
// What a home leaves out without a word: the machine tells it as a gap with its exact range. All else: test_repair_sim.c.
#include <check.h>

#include "proto/stream/heartbeat.h"
#include "sdk/repair.h"

static const struct wf_incarnation log_id = { 7, 7 };
static struct wf_repair *r;
static struct wf_repair_action pull, loss;
static unsigned losses, delivered;

static void drop(void *arg, void *item)
{
    (void)arg, (void)item;
}

static void act(void *arg, const struct wf_repair_action *a)
{
    (void)arg;
    if (a->kind == WF_REP_PULL)
        pull = *a;
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

int main(void)
{
    Suite *s = suite_create("repair");
    TCase *t = tcase_create("gaps");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_lies_before_an_entry_and_was_not_explained_is_a_gap);
    tcase_add_test(t, what_lies_behind_the_last_entry_and_was_not_explained_is_a_gap);
    tcase_add_test(t, an_answer_without_holes_loses_nothing);
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_ENV);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed ? 1 : 0;
}
