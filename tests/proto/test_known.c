// SPDX-License-Identifier: Apache-2.0
#include "proto/schema/known.h"

#include <check.h>
#include <stdlib.h>

#include "tests/support/support.h"

static const struct moment_row {
    const char *text;
    struct wf_moment t;
} stamps[] = {
    { "1970-01-01T00:00:00Z", { 0, 0 } },
    { "1969-12-31T23:59:59.500Z", { -1, 500000000 } },
    { "2026-01-02T03:04:05.678Z", { 1767323045, 678000000 } },
    { "2026-01-02T03:04:05.000678Z", { 1767323045, 678000 } },
    { "2026-01-02T03:04:05.000000678Z", { 1767323045, 678 } },
    { "2024-02-29T00:00:00Z", { 1709164800, 0 } },
    { "2000-02-29T23:59:59Z", { 951868799, 0 } },
    { "1900-03-01T00:00:00Z", { -2203891200, 0 } },
    { "0001-01-01T00:00:00Z", { WF_TIMESTAMP_MIN_S, 0 } },
    { "9999-12-31T23:59:59.999999999Z", { WF_TIMESTAMP_MAX_S, 999999999 } },
}, durations[] = {
    { "0s", { 0, 0 } },
    { "1s", { 1, 0 } },
    { "1.500s", { 1, 500000000 } },
    { "-1.500s", { -1, -500000000 } },
    { "-0.000001s", { 0, -1000 } },
    { "3.000000001s", { 3, 1 } },
    { "315576000000s", { WF_DURATION_MAX_S, 0 } },
    { "-315576000000s", { -WF_DURATION_MAX_S, 0 } },
};

START_TEST(timestamps_print_and_read_back)
{
    char text[WF_MOMENT_TEXT];
    struct wf_moment t = { 0 };

    wf_timestamp_print(stamps[_i].t, text);
    ck_assert_str_eq(text, stamps[_i].text);
    ck_assert_int_eq(wf_timestamp_parse(wf_bytes_str(text), &t), WEFT_OK);
    ck_assert(t.seconds == stamps[_i].t.seconds && t.nanos == stamps[_i].t.nanos);
}
END_TEST

START_TEST(durations_print_and_read_back)
{
    char text[WF_MOMENT_TEXT];
    struct wf_moment t = { 0 };

    wf_known_duration_print(durations[_i].t, text);
    ck_assert_str_eq(text, durations[_i].text);
    ck_assert_int_eq(wf_known_duration_parse(wf_bytes_str(text), &t), WEFT_OK);
    ck_assert(t.seconds == durations[_i].t.seconds && t.nanos == durations[_i].t.nanos);
}
END_TEST

// Steps of 29 days meet every day of every month in all kinds of years.
START_TEST(days_over_ten_thousand_years_have_their_dates)
{
    int last = 0;

    for (int64_t day = -719162; day <= 2932896; day += 29) { // 0001-01-01 to 9999-12-31
        struct wf_moment t = { day * 86400, 0 }, back = { 0 };
        char text[WF_MOMENT_TEXT];
        wf_timestamp_print(t, text);
        ck_assert(wf_timestamp_parse(wf_bytes_str(text), &back) == WEFT_OK);
        ck_assert_msg(back.seconds == t.seconds, "%s", text);
        last = (int)strtol(text, NULL, 10);
    }
    ck_assert_int_eq(last, 9999);
}
END_TEST

static const struct refusal {
    const char *why, *text;
    enum weft_err want;
} stamp_refusals[] = {
    { "empty", "", WEFT_E_SYNTAX },
    { "no zone", "2026-01-02T03:04:05", WEFT_E_SYNTAX },
    { "lower case t", "2026-01-02t03:04:05Z", WEFT_E_SYNTAX },
    { "lower case z", "2026-01-02T03:04:05z", WEFT_E_SYNTAX },
    { "a space", "2026-01-02 03:04:05Z", WEFT_E_SYNTAX },
    { "month 13", "2026-13-02T03:04:05Z", WEFT_E_SYNTAX },
    { "day 0", "2026-01-00T03:04:05Z", WEFT_E_SYNTAX },
    { "30 February", "2024-02-30T03:04:05Z", WEFT_E_SYNTAX },
    { "29 February of a common year", "2025-02-29T03:04:05Z", WEFT_E_SYNTAX },
    { "29 February of 1900", "1900-02-29T03:04:05Z", WEFT_E_SYNTAX },
    { "hour 24", "2026-01-02T24:00:00Z", WEFT_E_SYNTAX },
    { "minute 60", "2026-01-02T03:60:05Z", WEFT_E_SYNTAX },
    { "a leap second", "2016-12-31T23:59:60Z", WEFT_E_SYNTAX },
    { "ten digits of fraction", "2026-01-02T03:04:05.0123456789Z", WEFT_E_SYNTAX },
    { "a point without digits", "2026-01-02T03:04:05.Z", WEFT_E_SYNTAX },
    { "an offset without colon", "2026-01-02T03:04:05+0100", WEFT_E_SYNTAX },
    { "an offset of a day", "2026-01-02T03:04:05+24:00", WEFT_E_SYNTAX },
    { "more after the zone", "2026-01-02T03:04:05Z ", WEFT_E_SYNTAX },
    { "year 0", "0000-01-01T00:00:00Z", WEFT_E_RANGE },
    { "before year 1 by its offset", "0001-01-01T00:00:00+00:01", WEFT_E_RANGE },
    { "after year 9999 by its offset", "9999-12-31T23:59:59-00:01", WEFT_E_RANGE },
}, duration_refusals[] = {
    { "empty", "", WEFT_E_SYNTAX },
    { "no unit", "1", WEFT_E_SYNTAX },
    { "another unit", "1m", WEFT_E_SYNTAX },
    { "no digits", "s", WEFT_E_SYNTAX },
    { "only a fraction", ".5s", WEFT_E_SYNTAX },
    { "a point without digits", "1.s", WEFT_E_SYNTAX },
    { "ten digits of fraction", "1.0123456789s", WEFT_E_SYNTAX },
    { "two signs", "--1s", WEFT_E_SYNTAX },
    { "plus", "+1s", WEFT_E_SYNTAX },
    { "an exponent", "1e3s", WEFT_E_SYNTAX },
    { "a second too many", "315576000001s", WEFT_E_RANGE },
    { "the same backwards", "-315576000001s", WEFT_E_RANGE },
    { "digits without end", "99999999999999999999s", WEFT_E_SYNTAX },
};

START_TEST(what_is_no_time_is_refused)
{
    struct wf_moment t = { 7, 7 };
    const struct refusal *r = &stamp_refusals[_i];

    ck_assert_msg(wf_timestamp_parse(wf_bytes_str(r->text), &t) == r->want, "%s", r->why);
    ck_assert_msg(t.seconds == 7, "%s", r->why);
}
END_TEST

START_TEST(what_is_no_duration_is_refused)
{
    struct wf_moment t = { 7, 7 };
    const struct refusal *r = &duration_refusals[_i];

    ck_assert_msg(wf_known_duration_parse(wf_bytes_str(r->text), &t) == r->want, "%s", r->why);
    ck_assert_msg(t.seconds == 7, "%s", r->why);
}
END_TEST

START_TEST(offsets_are_taken_into_account)
{
    struct wf_moment a = { 0 }, b = { 0 }, c = { 0 };

    ck_assert(wf_timestamp_parse(WF_STR("2026-01-02T03:04:05Z"), &a) == WEFT_OK);
    ck_assert(wf_timestamp_parse(WF_STR("2026-01-02T05:34:05+02:30"), &b) == WEFT_OK);
    ck_assert(wf_timestamp_parse(WF_STR("2026-01-01T20:04:05.1-07:00"), &c) == WEFT_OK);
    ck_assert_int_eq(a.seconds, b.seconds);
    ck_assert_int_eq(a.seconds, c.seconds);
    ck_assert_int_eq(c.nanos, 100000000);
}
END_TEST

START_TEST(moments_are_valid_within_their_ranges)
{
    ck_assert(!wf_timestamp_is_valid((struct wf_moment){ WF_TIMESTAMP_MAX_S + 1, 0 }));
    ck_assert(!wf_timestamp_is_valid((struct wf_moment){ WF_TIMESTAMP_MIN_S - 1, 0 }));
    ck_assert(!wf_timestamp_is_valid((struct wf_moment){ 0, -1 }));
    ck_assert(!wf_timestamp_is_valid((struct wf_moment){ 0, 1000000000 }));
    ck_assert(!wf_known_duration_is_valid((struct wf_moment){ 1, -1 }));
    ck_assert(!wf_known_duration_is_valid((struct wf_moment){ -1, 1 }));
    ck_assert(!wf_known_duration_is_valid((struct wf_moment){ INT64_MIN, 0 }));
    ck_assert(wf_known_duration_is_valid((struct wf_moment){ 0, -999999999 }));
}
END_TEST

static const struct mask_row {
    const char *snake, *camel; // NULL: refused
} masks[] = {
    { "a", "a" },
    { "foo_bar.baz_q", "fooBar.bazQ" },
    { "a_b_c", "aBC" },
    { "fooBar", NULL },
    { "foo__bar", NULL },
    { "foo_", NULL },
    { "foo_1", NULL },
    { "a,b", NULL },
    { "", NULL },
};

START_TEST(mask_paths_change_case_only_where_it_can_be_undone)
{
    const struct mask_row *row = &masks[_i];
    struct wf_buf out = { 0 }, back = { 0 };

    enum weft_err err = wf_mask_path_to_json(wf_bytes_str(row->snake), &out);
    ck_assert_int_eq(err, row->camel ? WEFT_OK : WEFT_E_RANGE);
    if (row->camel) {
        ck_assert(wf_bytes_is(wf_buf_view(&out), row->camel));
        ck_assert(wf_mask_path_from_json(wf_buf_view(&out), &back) == WEFT_OK);
        ck_assert(wf_bytes_is(wf_buf_view(&back), row->snake));
    } else {
        ck_assert_uint_eq(out.len, 0);
    }
    ck_assert_int_eq(wf_mask_path_from_json(WF_STR("foo_bar"), &back), WEFT_E_RANGE);
    wf_buf_fini(&out);
    wf_buf_fini(&back);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("known");
    TCase *t = tcase_create("known");

    tcase_add_loop_test(t, timestamps_print_and_read_back, 0, (int)WF_COUNT(stamps));
    tcase_add_loop_test(t, durations_print_and_read_back, 0, (int)WF_COUNT(durations));
    tcase_add_test(t, days_over_ten_thousand_years_have_their_dates);
    tcase_add_loop_test(t, what_is_no_time_is_refused, 0, (int)WF_COUNT(stamp_refusals));
    tcase_add_loop_test(t, what_is_no_duration_is_refused, 0, (int)WF_COUNT(duration_refusals));
    tcase_add_test(t, offsets_are_taken_into_account);
    tcase_add_test(t, moments_are_valid_within_their_ranges);
    tcase_add_loop_test(
        t, mask_paths_change_case_only_where_it_can_be_undone, 0, (int)WF_COUNT(masks));
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
