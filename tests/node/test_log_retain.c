// SPDX-License-Identifier: Apache-2.0
// What the log lets go: retention by age and bytes, pins, release and forgetting in spools.
#include <check.h>

#include "tests/support/logrig.h"
#include "tests/support/support.h"

static struct rig rig;

static void setup(void)
{
    rig_init(&rig, NULL);
}

static void teardown(void)
{
    rig_fini(&rig);
}

static void open_ok(void)
{
    ck_assert_int_eq(rig_open(&rig), WEFT_OK);
}

static void reopen(void)
{
    rig_close(&rig);
    open_ok();
}

// Everything between the floor and the head is there.
static void expect_whole(unsigned product, uint64_t offsets)
{
    struct rig_read got;

    rig_read(&rig, product, rig_floor(&rig, product), 4096, &got);
    ck_assert_uint_eq(got.gap_count, 0);
    ck_assert_uint_eq(got.offsets, offsets);
    ck_assert_uint_eq(got.next, rig_head(&rig, product));
}

START_TEST(old_segments_go_by_age_and_the_floor_follows)
{
    rig.conf.segment_bytes = 16384;
    rig.conf.retain_ms = 1000;
    open_ok();
    rig_fill(&rig, 1, 200, 300);
    rig.now_ms += 500;
    rig_fill(&rig, 1, 100, 300);
    int64_t mid = rig.now_ms - 300;
    wf_log_retain(rig.log, mid + 1000);
    rig_run(&rig);
    uint64_t floor = rig_floor(&rig, 1);
    ck_assert_uint_gt(floor, 100);
    ck_assert_uint_le(floor, 201);
    ck_assert_uint_gt(rig.notes[WF_LOG_NOTE_DROPPED], 0);
    expect_whole(1, 300 - floor);
    struct rig_read got;
    rig_read(&rig, 1, 0, 4096, &got);
    ck_assert_uint_eq(got.gap_count, 1);
    ck_assert_int_eq(got.gaps[0].why, WEFT_E_RETENTION);
    ck_assert_uint_eq(got.gaps[0].end, floor);
    reopen();
    ck_assert_uint_eq(rig_floor(&rig, 1), floor);
    ck_assert_uint_eq(rig_head(&rig, 1), 300);

    // All of it, in time: the head is still known after that, also by the next process.
    wf_log_retain(rig.log, rig.now_ms + 5000);
    rig_run(&rig);
    ck_assert_uint_eq(rig_floor(&rig, 1), 300);
    ck_assert_uint_eq(rig_head(&rig, 1), 300);
    reopen();
    ck_assert_uint_eq(rig_floor(&rig, 1), 300);
    ck_assert_uint_eq(rig_head(&rig, 1), 300);
    rig_fill(&rig, 1, 1, 100);
    expect_whole(1, 1);
    struct wf_log_stats st;
    wf_log_stats(rig.log, &st);
    ck_assert_uint_eq(st.segments, 1);
}
END_TEST

START_TEST(the_log_stays_within_its_bytes)
{
    rig.conf.segment_bytes = 16384;
    rig.conf.retain_bytes = 100000;
    open_ok();
    for (int i = 0; i < 20; i++) {
        struct wf_log_stats st;
        rig_fill(&rig, 1, 50, 300);
        wf_log_retain(rig.log, rig.now_ms);
        rig_run(&rig);
        wf_log_stats(rig.log, &st);
        ck_assert_uint_le(st.bytes, 100000);
    }
    ck_assert_uint_gt(rig_floor(&rig, 1), 500);
    expect_whole(1, 1000 - rig_floor(&rig, 1));
}
END_TEST

START_TEST(retention_honours_pins)
{
    struct wf_hash snapshot = rig_product(1);

    rig.conf.segment_bytes = 16384;
    rig.conf.retain_bytes = 60000;
    open_ok();
    rig_fill(&rig, 1, 10, 300); // an origin's latest snapshot
    rig_fill(&rig, 2, 200, 300);
    ck_assert_int_eq(wf_log_pin(rig.log, &snapshot, 4), WEFT_OK);
    wf_log_retain(rig.log, rig.now_ms);
    rig_run(&rig);
    expect_whole(1, 10);
    ck_assert_uint_gt(rig_floor(&rig, 2), 20);
    expect_whole(2, 200 - rig_floor(&rig, 2)); // the rest of the pinned segment is not served
    uint64_t floor = rig_floor(&rig, 2);
    reopen();
    ck_assert_uint_eq(rig_floor(&rig, 2), floor);
    expect_whole(2, 200 - floor);
    expect_whole(1, 10);

    ck_assert_int_eq(wf_log_pin(rig.log, &snapshot, WF_LOG_NO_PIN), WEFT_OK);
    rig_fill(&rig, 2, 50, 300);
    wf_log_retain(rig.log, rig.now_ms);
    rig_run(&rig);
    ck_assert_uint_eq(rig_floor(&rig, 1), 10);
    snapshot = rig_product(9);
    ck_assert_int_eq(wf_log_pin(rig.log, &snapshot, 0), WEFT_E_NOT_FOUND);
}
END_TEST

START_TEST(a_spool_frees_what_is_released)
{
    struct wf_hash id = rig_product(1);
    struct wf_log_stats st;

    rig.conf.segment_bytes = 16384;
    rig.conf.retain_bytes = 200000;
    rig.conf.keep_unreleased = true;
    open_ok();
    uint64_t t = 0, n = 0;
    enum weft_err err = WEFT_OK;
    while (!err) {
        err = rig_try(
            &rig, &(struct rig_item){ .product = 1, .first = n, .count = 1, .mean = 300 }, &t);
        n += !err;
        rig_run(&rig);
    }
    ck_assert_int_eq(err, WEFT_E_FULL);
    ck_assert_uint_gt(n, 300);
    wf_log_retain(rig.log, rig.now_ms + 1000000000);
    rig_run(&rig);
    expect_whole(1, n); // nothing goes before it is released

    ck_assert_int_eq(wf_log_release(rig.log, &id, n / 2), WEFT_OK);
    rig_run(&rig);
    expect_whole(1, n - n / 2);
    wf_log_stats(rig.log, &st);
    ck_assert_uint_lt(st.bytes, 140000);
    ck_assert_uint_eq(rig.notes[WF_LOG_NOTE_DROPPED], 0);
    rig_fill(&rig, 1, 10, 300);
    reopen();
    ck_assert_uint_eq(rig_floor(&rig, 1), n / 2);

    ck_assert_int_eq(wf_log_release(rig.log, &id, UINT64_MAX), WEFT_OK);
    rig_run(&rig);
    ck_assert_uint_eq(rig_floor(&rig, 1), n + 10);
    wf_log_stats(rig.log, &st);
    ck_assert_uint_le(st.segments, 1);
    reopen();
    ck_assert_uint_eq(rig_floor(&rig, 1), n + 10);
    ck_assert_uint_eq(rig_head(&rig, 1), n + 10);
}
END_TEST

// How many segments go when so many more items are released with all before them.
static uint64_t dropped_with(unsigned items)
{
    struct wf_hash id = rig_product(1);
    struct wf_log_stats before, after;

    wf_log_stats(rig.log, &before);
    rig_fill(&rig, 1, items, 300);
    ck_assert_int_eq(wf_log_release(rig.log, &id, UINT64_MAX), WEFT_OK);
    rig_run(&rig);
    wf_log_stats(rig.log, &after);
    return after.dropped_segments - before.dropped_segments;
}

START_TEST(a_small_newest_segment_is_not_worth_a_new_file)
{
    rig.conf.segment_bytes = 65536;
    rig.conf.keep_unreleased = true;
    open_ok();
    ck_assert_uint_eq(dropped_with(1), 0);
    ck_assert_uint_eq(dropped_with(80), 1);
    ck_assert_uint_eq(dropped_with(1), 0);
}
END_TEST

static void count_products(
    void *arg, const struct wf_hash *product, const struct wf_log_range *range)
{
    (void)product;
    ck_assert_uint_le(range->floor, range->head);
    ++*(unsigned *)arg;
}

START_TEST(a_spool_forgets_the_chains_of_earlier_runs)
{
    rig.conf.segment_bytes = 16384;
    rig.conf.forget_empty = true;
    open_ok();
    for (unsigned run = 0; run < 200; run++) {
        struct wf_hash id = rig_product(run);
        rig_fill(&rig, run, 3, 1000);
        ck_assert_int_eq(wf_log_release(rig.log, &id, 3), WEFT_OK);
        rig_run(&rig);
    }
    reopen();
    unsigned known = 0;
    wf_log_products(rig.log, count_products, &known);
    ck_assert_uint_lt(known, 12);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_retain");
    TCase *t = tcase_create("log_retain");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, old_segments_go_by_age_and_the_floor_follows);
    tcase_add_test(t, the_log_stays_within_its_bytes);
    tcase_add_test(t, retention_honours_pins);
    tcase_add_test(t, a_spool_frees_what_is_released);
    tcase_add_test(t, a_small_newest_segment_is_not_worth_a_new_file);
    tcase_add_test(t, a_spool_forgets_the_chains_of_earlier_runs);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
