// SPDX-License-Identifier: Apache-2.0
// Where to begin reading: offsets by their time, and the latest ones.
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

START_TEST(an_offset_is_found_by_its_time)
{
    struct wf_hash id = rig_product(1);
    struct wf_buf scratch = { 0 };
    int64_t start = rig.now_ms;
    uint64_t got = 0;

    rig.conf.segment_bytes = 32768;
    open_ok();
    for (unsigned i = 0; i < 300; i++) {
        rig_append(&rig, &(struct rig_item){ .product = 1, .first = i, .count = 1, .mean = 500 });
        rig_append(&rig, &(struct rig_item){ .product = 2, .first = i, .count = 1, .mean = 500 });
        rig.now_ms += 8; // ten a pair
    }
    rig_run(&rig);
    for (int round = 0; round < 2; round++) {
        for (int64_t t = -15; t < 3100; t += 7) {
            uint64_t want = t <= 0 ? 0 : (uint64_t)(t + 9) / 10;
            ck_assert_int_eq(wf_log_find_time(rig.log, &id, start + t, &scratch, &got), WEFT_OK);
            ck_assert_uint_eq(got, want < 300 ? want : 300);
        }
        reopen();
    }
    id = rig_product(7);
    ck_assert_int_eq(wf_log_find_time(rig.log, &id, 0, &scratch, &got), WEFT_E_NOT_FOUND);
    wf_buf_fini(&scratch);
}
END_TEST

START_TEST(a_clock_that_went_back_hides_no_offset)
{
    struct wf_hash id = rig_product(1);
    struct wf_buf scratch = { 0 };
    int64_t start = rig.now_ms;
    uint64_t got = 0;

    open_ok();
    rig_append(&rig, &(struct rig_item){ .product = 1, .first = 0, .count = 1 });
    rig.now_ms = start - 1000;
    rig_append(&rig, &(struct rig_item){ .product = 1, .first = 1, .count = 1 });
    rig_run(&rig);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(wf_log_find_time(rig.log, &id, start, &scratch, &got), WEFT_OK);
        ck_assert_uint_eq(got, 0);
        reopen();
    }
    wf_buf_fini(&scratch);
}
END_TEST

START_TEST(the_latest_items_are_found_without_reading)
{
    struct wf_hash id = rig_product(1);
    uint64_t got = 0;

    rig.conf.segment_bytes = 32768;
    open_ok();
    rig_fill(&rig, 1, 500, 500);
    static const uint32_t counts[] = { 1, 5, 100, 499 };
    for (size_t i = 0; i < WF_COUNT(counts); i++) {
        ck_assert_int_eq(wf_log_tail(rig.log, &id, counts[i], &got), WEFT_OK);
        ck_assert_uint_le(got, 500 - counts[i]);
        ck_assert_uint_ge(got + 140 + counts[i], 500); // a run is 64 KiB
    }
    ck_assert_int_eq(wf_log_tail(rig.log, &id, 501, &got), WEFT_OK);
    ck_assert_uint_eq(got, 0);
    struct wf_log_range range;
    ck_assert_int_eq(wf_log_range(rig.log, &id, &range), WEFT_OK);
    ck_assert_int_eq(range.last_ms, rig.now_ms - 1);
    ck_assert_uint_eq(range.pin, WF_LOG_NO_PIN);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_find");
    TCase *t = tcase_create("log_find");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_offset_is_found_by_its_time);
    tcase_add_test(t, a_clock_that_went_back_hides_no_offset);
    tcase_add_test(t, the_latest_items_are_found_without_reading);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
