// SPDX-License-Identifier: Apache-2.0
// The speed layer's windows and baselines.
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/baseline.h"
#include "domains/monitoring/speed/window.h"

#define MONDAY_MS 1767571200000

// ---- windows ---------------------------------------------------------------------------------------------------------------

START_TEST(functions_of_a_window)
{
    static const struct {
        double values[6];
        unsigned count;
        enum wf_window_fn fn;
        double want; // NAN: unknown
        const char *why;
    } rows[] = {
        { { 0 }, 0, WF_WINDOW_COUNT, 0, "nothing was counted" },
        { { 0 }, 0, WF_WINDOW_SUM, 0, "nothing makes nothing" },
        { { 0 }, 0, WF_WINDOW_AVG, NAN, "nothing has no mean" },
        { { 5 }, 1, WF_WINDOW_RATE, NAN, "one point has no rate" },
        { { 5 }, 1, WF_WINDOW_CHANGE, NAN, "and no change" },
        { { 5 }, 1, WF_WINDOW_INCREASE, 0, "and grew by nothing" },
        { { 5, 6 }, 2, WF_WINDOW_SLOPE, NAN, "two points make a line too easily" },
        { { 0, 60, 120 }, 3, WF_WINDOW_RATE, 1, "60 in each minute" },
        { { 100, 160, 20, 80 }, 4, WF_WINDOW_INCREASE, 140,
            "60, then 20 since it began again, 60" },
        { { 100, 160, 20, 80 }, 4, WF_WINDOW_RESETS, 1, "it began again once" },
        { { 1, 2, 2, 1 }, 4, WF_WINDOW_CHANGES, 2, "up and down" },
        { { 10, 7, 4 }, 3, WF_WINDOW_CHANGE, -6, "last less first" },
        { { 10, 7, 4 }, 3, WF_WINDOW_SLOPE, -0.05, "3 less a minute" },
        { { 3, 1, 5 }, 3, WF_WINDOW_MIN, 1, "least" },
        { { 3, 1, 5 }, 3, WF_WINDOW_MAX, 5, "most" },
        { { 3, 1, 5 }, 3, WF_WINDOW_AVG, 3, "mean" },
        { { 3, 1, 5 }, 3, WF_WINDOW_SUM, 9, "sum" },
        { { 3, 1, 5 }, 3, WF_WINDOW_COUNT, 3, "points" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_window w = { NULL };
        struct wf_expr_value v;
        for (unsigned k = 0; k < rows[i].count; k++) {
            const struct wf_point p = { .ms = MONDAY_MS + k * 60000, .value = rows[i].values[k] };
            ck_assert(wf_window_push(&w, 600000, &p, true));
        }
        wf_window_value(&w, rows[i].fn, WF_HOLE_NONE, &v);
        if (isnan(rows[i].want))
            ck_assert_msg(v.kind == WF_KIND_NONE, "%s: %g", rows[i].why, v.number);
        else
            ck_assert_msg(v.kind == WF_KIND_NUMBER && fabs(v.number - rows[i].want) < 1e-9,
                "%s: %g", rows[i].why, v.number);
        wf_window_fini(&w);
    }
}
END_TEST

START_TEST(a_window_holds_its_span_and_no_more)
{
    struct wf_window w = { NULL };
    struct wf_expr_value v;

    for (int64_t k = 0; k <= 20; k++) {
        const struct wf_point p = { .ms = k * 60000, .value = (double)k };
        ck_assert(wf_window_push(&w, 300000, &p, true));
    }
    wf_window_value(&w, WF_WINDOW_COUNT, WF_HOLE_NONE, &v);
    ck_assert_double_eq(v.number, 6); // both ends, as Prometheus 2 counts
    wf_window_value(&w, WF_WINDOW_MIN, WF_HOLE_NONE, &v);
    ck_assert_double_eq(v.number, 15);
    const struct wf_point again = { .ms = 20 * 60000, .value = 100 };
    ck_assert(wf_window_push(&w, 300000, &again, true));
    wf_window_value(&w, WF_WINDOW_MAX, WF_HOLE_NONE, &v);
    ck_assert_double_eq(v.number, 100); // of one time the last holds
    wf_window_advance(&w, 300000, 24 * 60000);
    wf_window_value(&w, WF_WINDOW_COUNT, WF_HOLE_NONE, &v);
    ck_assert_double_eq(v.number, 2);
    wf_window_fini(&w);
}
END_TEST

START_TEST(a_full_window_is_shorter_and_says_so)
{
    struct wf_window w = { NULL };

    for (int64_t k = 0; k < WF_WINDOW_POINTS + 10; k++) {
        const struct wf_point p = { .ms = k, .value = (double)k };
        ck_assert(wf_window_push(&w, 1000000, &p, true));
    }
    ck_assert_uint_eq(w.count, WF_WINDOW_POINTS);
    ck_assert_uint_eq(w.cut, 10);
    wf_window_fini(&w);
    const struct wf_point p = { .ms = 1 };
    ck_assert(
        !wf_window_push(&w, 1000, &p, false)); // where nothing may grow there is no first point
    ck_assert_uint_eq(w.count, 0);
}
END_TEST

// ---- baselines -------------------------------------------------------------------------------------------------------------

// A day of 24 levels, every five minutes, for `days`; weekends are another matter.
static void learn_days(struct wf_baseline *b, unsigned days)
{
    for (unsigned slot = 0; slot < days * 288; slot++) {
        unsigned day = slot / 288, hour = slot / 12 % 24;
        double level = day % 7 >= 5 ? 1 : 10 + hour, jitter = (double)(slot % 5) / 10;
        ck_assert(wf_baseline_learn(b, MONDAY_MS + (int64_t)slot * 300000, level + jitter));
    }
}

START_TEST(what_is_usual_depends_on_the_hour_of_the_week)
{
    struct wf_baseline b = { .slot = 0 };
    struct wf_base_view v;
    char text[200];
    int64_t tuesday_14 = MONDAY_MS + (21 * 24 + 24 + 14) * 3600000LL;

    learn_days(&b, 21);
    wf_baseline_view(&b, tuesday_14, 24.2, &v);
    ck_assert_int_eq(v.of, WF_BASE_WEEK);
    ck_assert_uint_eq(v.samples, WF_BASE_SAMPLES);
    ck_assert_double_lt(v.deviation, 1);
    wf_baseline_view(&b, tuesday_14, 30, &v);
    ck_assert_double_gt(v.deviation, 8);
    wf_base_explain(&v, 30, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "30 where 24.2 is usual"));
    ck_assert_ptr_nonnull(strstr(text, "24 samples of Tuesday 14h UTC"));
    wf_baseline_view(&b, tuesday_14 + 4 * 86400000LL, 24.2, &v); // Saturday
    ck_assert_double_gt(v.deviation, 8);
    ck_assert_uint_le(b.bytes, WF_BASE_HOURS * sizeof(struct wf_base_hour));
    wf_baseline_fini(&b);
}
END_TEST

START_TEST(a_baseline_warms_up_in_steps_and_says_by_what_it_judged)
{
    struct wf_baseline b = { .slot = 0 };
    struct wf_base_view v;
    char text[200];

    wf_baseline_view(&b, MONDAY_MS, 5, &v);
    ck_assert_int_eq(v.of, WF_BASE_NOTHING);
    wf_base_explain(&v, 5, text, sizeof text);
    ck_assert_str_eq(text, "5, and 0 samples are too few to say what is usual");
    for (unsigned slot = 0; slot <= 8; slot++) // eight means are done
        ck_assert(wf_baseline_learn(&b, MONDAY_MS + slot * 300000, 3));
    wf_baseline_view(&b, MONDAY_MS, 3, &v);
    ck_assert_int_eq(v.of, WF_BASE_WEEK);
    wf_baseline_view(&b, MONDAY_MS + 86400000, 3, &v);
    ck_assert_int_eq(v.of, WF_BASE_DAY);
    wf_baseline_view(&b, MONDAY_MS + 3 * 3600000, 3, &v);
    ck_assert_int_eq(v.of, WF_BASE_ALL);
    ck_assert_double_eq(v.expected, 3);
    ck_assert_double_eq_tol(v.spread, 0.03, 1e-9); // it never moved: a hundredth
    wf_baseline_fini(&b);
}
END_TEST

static const struct large {
    const char *what;
    double odd, even;
} large[] = {
    { "a little beyond a float", 4e38, 4e38 },
    { "whose sum is beyond a double", DBL_MAX, DBL_MAX },
    { "of both signs", -DBL_MAX, DBL_MAX },
    { "the largest floats, of both signs", -FLT_MAX, FLT_MAX },
};

// What a series says is its owner's to choose; that it can't be judged any more is not.
START_TEST(values_beyond_a_float_blind_nothing)
{
    const struct large *l = &large[_i];
    struct wf_baseline b = { .slot = 0 };
    struct wf_base_view v;

    for (unsigned i = 0; i < 20; i++) // two values each five minutes
        ck_assert(wf_baseline_learn(
            &b, MONDAY_MS + i / 2 * WF_BASE_SLOT_MS, i / 2 % 2 ? l->odd : l->even));
    wf_baseline_view(&b, MONDAY_MS, l->even, &v);
    ck_assert_msg(isfinite(v.expected) && isfinite(v.spread) && isfinite(v.deviation), "%s: %g %g",
        l->what, v.expected, v.spread);
    for (unsigned i = 0; i < WF_BASE_SAMPLES; i++) // an hour of the same weekday, two weeks on
        ck_assert(
            wf_baseline_learn(&b, MONDAY_MS + 14 * 86400000LL + i * WF_BASE_SLOT_MS, 10 + i % 3));
    for (unsigned i = 0; i < WF_BASE_SAMPLES; i++)
        ck_assert(
            wf_baseline_learn(&b, MONDAY_MS + 21 * 86400000LL + i * WF_BASE_SLOT_MS, 10 + i % 3));
    wf_baseline_view(&b, MONDAY_MS, 1000, &v);
    ck_assert_msg(v.deviation > 8, "%s: %g of %g", l->what, v.deviation, v.spread);
    wf_baseline_fini(&b);
}
END_TEST

START_TEST(a_baseline_is_the_same_after_a_restart)
{
    struct wf_baseline b = { .slot = 0 }, again;
    struct wf_base_view x, y;
    void *bytes = NULL;
    size_t len = 0;

    learn_days(&b, 3);
    ck_assert(wf_baseline_pack(&b, &bytes, &len));
    ck_assert(wf_baseline_unpack(bytes, len, &again));
    wf_baseline_view(&b, MONDAY_MS + 86400000 * 8LL, 20, &x);
    wf_baseline_view(&again, MONDAY_MS + 86400000 * 8LL, 20, &y);
    ck_assert_double_eq(x.expected, y.expected);
    ck_assert_uint_eq(x.samples, y.samples);
    ck_assert_uint_eq(b.bytes, again.bytes);
    wf_baseline_fini(&again);
    ck_assert(!wf_baseline_unpack(bytes, len - 1, &again));
    ck_assert(!wf_baseline_unpack(bytes, 0, &again));
    ((unsigned char *)bytes)[1] = 200; // no hour of the week
    ck_assert(!wf_baseline_unpack(bytes, len, &again));
    free(bytes);
    wf_baseline_fini(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.windows");
    TCase *t = tcase_create("all");

    tcase_add_test(t, functions_of_a_window);
    tcase_add_test(t, a_window_holds_its_span_and_no_more);
    tcase_add_test(t, a_full_window_is_shorter_and_says_so);
    tcase_add_test(t, what_is_usual_depends_on_the_hour_of_the_week);
    tcase_add_test(t, a_baseline_warms_up_in_steps_and_says_by_what_it_judged);
    tcase_add_loop_test(
        t, values_beyond_a_float_blind_nothing, 0, (int)(sizeof large / sizeof *large));
    tcase_add_test(t, a_baseline_is_the_same_after_a_restart);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
