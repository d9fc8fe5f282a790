// SPDX-License-Identifier: Apache-2.0
// The speed layer's cores: windows, baselines, and the engine that holds them for each series.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/engine.h"
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
        wf_window_value(&w, rows[i].fn, &v);
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
    wf_window_value(&w, WF_WINDOW_COUNT, &v);
    ck_assert_double_eq(v.number, 6); // both ends, as Prometheus 2 counts
    wf_window_value(&w, WF_WINDOW_MIN, &v);
    ck_assert_double_eq(v.number, 15);
    const struct wf_point again = { .ms = 20 * 60000, .value = 100 };
    ck_assert(wf_window_push(&w, 300000, &again, true));
    wf_window_value(&w, WF_WINDOW_MAX, &v);
    ck_assert_double_eq(v.number, 100); // of one time the last holds
    wf_window_advance(&w, 300000, 24 * 60000);
    wf_window_value(&w, WF_WINDOW_COUNT, &v);
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

// ---- the engine ------------------------------------------------------------------------------------------------------------

struct seen {
    unsigned count, gone;
    enum wf_truth truth;
    double value;
    char labels[256], detail[200];
    uint64_t offset;
};

static void on_observed(void *arg, const struct wf_observed *o)
{
    struct seen *s = arg;

    s->count++;
    s->gone += o->gone;
    s->truth = o->truth;
    s->value = o->value;
    s->offset = o->offset;
    wf_labels_print(o->labels, s->labels, sizeof s->labels);
    snprintf(s->detail, sizeof s->detail, "%s", o->detail);
}

// Fields: disk (key, label), value.
static const struct wf_shape_field disk_fields[] = { { "disk", true, true },
    { "value", false, false } };

struct disk {
    const char *name;
    double value;
};

static void disk_value(const void *arg, size_t field, struct wf_expr_value *ret)
{
    const struct disk *d = arg;

    *ret =
        field == 0
            ? (struct wf_expr_value){ .kind = WF_KIND_TEXT, .ptr = d->name, .len = strlen(d->name) }
            : (struct wf_expr_value){ .kind = WF_KIND_NUMBER, .number = d->value };
}

static struct wf_shape disks(void)
{
    return (struct wf_shape){ .product = "servers/disks",
        .domain = "servers",
        .freshness_ms = 60000,
        .fields = disk_fields,
        .field_count = 2,
        .seen = true };
}

struct rig {
    struct wf_engine *e;
    struct wf_rules *rules;
    struct wf_shape shape;
    struct seen seen;
    uint64_t offset;
};

static struct wf_rules *rules_of(const char *text)
{
    struct weft_conf *c = NULL;

    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "r.yaml", &c, NULL), WEFT_OK);
    struct wf_rules *rules = wf_rules_read(c);
    ck_assert_str_eq(weft_conf_errors(c), "");
    weft_conf_free(c);
    return rules;
}

static void rig_init(struct rig *g, const char *rules, const struct wf_engine_limits *limits)
{
    memset(g, 0, sizeof *g);
    g->shape = disks();
    g->e = wf_engine_new(limits, on_observed, &g->seen);
    g->rules = rules_of(rules);
    ck_assert_ptr_nonnull(g->e);
    wf_engine_rules(g->e, g->rules, 0);
}

static void rig_fini(struct rig *g)
{
    wf_engine_free(g->e);
    wf_rules_free(g->rules);
}

static void say(struct rig *g, const char *disk, int64_t at_s, double value)
{
    const struct disk d = { disk, value };
    const struct wf_row row = { .shape = &g->shape,
        .time_ms = MONDAY_MS + at_s * 1000,
        .append_ms = MONDAY_MS + at_s * 1000,
        .offset = g->offset++,
        .origin = "web-1",
        .arg = &d,
        .get = disk_value };

    ck_assert_int_eq(wf_engine_row(g->e, &row), WEFT_OK);
}

static void tick(struct rig *g, int64_t at_s)
{
    ck_assert_int_eq(wf_engine_tick(g->e, MONDAY_MS + at_s * 1000), WEFT_OK);
}

START_TEST(a_series_is_told_when_it_is_wrong_and_once_when_it_is_right_again)
{
    struct rig g;

    rig_init(&g, "rules: {r: {servers/disks: value > 5}}", NULL);
    say(&g, "a", 0, 1);
    ck_assert_uint_eq(g.seen.count, 0);
    say(&g, "a", 60, 7);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_int_eq(g.seen.truth, WF_TRUE);
    ck_assert_double_eq(g.seen.value, 7);
    ck_assert_uint_eq(g.seen.offset, 1);
    ck_assert_str_eq(g.seen.labels, "{disk=\"a\", origin=\"web-1\"}");
    say(&g, "b", 60, 1);
    ck_assert_uint_eq(g.seen.count, 1);
    say(&g, "a", 120, 2);
    say(&g, "a", 180, 2);
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert_int_eq(g.seen.truth, WF_FALSE);
    rig_fini(&g);
}
END_TEST

START_TEST(a_record_older_than_the_last_changes_nothing_and_is_counted)
{
    struct rig g;
    struct wf_engine_stats stats;

    rig_init(&g, "rules: {r: {servers/disks: value > 5}}", NULL);
    say(&g, "a", 60, 1);
    say(&g, "a", 0, 9);
    wf_engine_stats(g.e, &stats);
    ck_assert_uint_eq(g.seen.count, 0);
    ck_assert_uint_eq(stats.out_of_order, 1);
    rig_fini(&g);
}
END_TEST

START_TEST(what_found_no_room_is_counted_and_named)
{
    static const struct wf_engine_limits limits = { .series = 2 };
    struct rig g;
    struct wf_engine_stats stats;

    rig_init(&g, "rules: {r: {servers/disks: value > 5}}", &limits);
    say(&g, "a", 0, 1);
    say(&g, "b", 0, 1);
    say(&g, "c", 0, 9);
    say(&g, "a", 60, 9);
    wf_engine_stats(g.e, &stats);
    ck_assert_uint_eq(stats.series, 2);
    ck_assert_uint_eq(stats.refused, 1);
    ck_assert_str_eq(stats.refused_rule, "r");
    ck_assert_uint_eq(g.seen.count, 1); // the others go on
    rig_fini(&g);
}
END_TEST

START_TEST(memory_is_given_back_and_bounded)
{
    static const struct wf_engine_limits limits = { .bytes = 200000 };
    struct rig g;
    struct wf_engine_stats stats;
    char name[16];

    rig_init(&g, "rules: {r: {servers/disks: 'avg(value, 1h) > 5'}}", &limits);
    for (int k = 0; k < 1000; k++) {
        snprintf(name, sizeof name, "d%d", k);
        for (int at = 0; at < 5; at++)
            say(&g, name, at, 1);
    }
    wf_engine_stats(g.e, &stats);
    ck_assert_uint_lt(stats.bytes, 201000);
    ck_assert_uint_gt(stats.series, 100);
    ck_assert_uint_gt(stats.refused, 0);
    tick(&g, 3 * 3600); // nothing was heard for longer than any window
    wf_engine_stats(g.e, &stats);
    ck_assert_uint_eq(stats.series, 0);
    ck_assert_uint_eq(stats.bytes, 0);
    rig_fini(&g);
}
END_TEST

START_TEST(new_rules_keep_what_they_share_with_the_old)
{
    struct rig g;
    struct wf_rules *old;

    rig_init(&g, "rules: {r: {servers/disks: value > 5}, s: {servers/disks: value > 6}}", NULL);
    say(&g, "a", 0, 9);
    ck_assert_uint_eq(g.seen.count, 2);
    old = g.rules;
    g.rules = rules_of(
        "rules: {r: {servers/disks: value > 5, severity: info}, s: {servers/disks: value > 8}}");
    wf_engine_rules(g.e, g.rules, MONDAY_MS);
    wf_rules_free(old);
    ck_assert_uint_eq(g.seen.gone, 1); // s is another one now
    g.seen.count = 0;
    say(&g, "a", 60, 1);
    ck_assert_uint_eq(g.seen.count, 1); // r knew that it was wrong
    ck_assert_int_eq(g.seen.truth, WF_FALSE);
    rig_fini(&g);
}
END_TEST

START_TEST(silence_goes_on_over_new_rules)
{
    struct rig g;
    struct wf_rules *old;

    rig_init(&g, "rules: {quiet: {servers/disks: silent}}", NULL);
    say(&g, "a", 0, 9);
    old = g.rules;
    g.rules = rules_of("rules: {quiet: {servers/disks: silent, severity: info}}");
    wf_engine_rules(g.e, g.rules, MONDAY_MS);
    wf_rules_free(old);
    tick(&g, 180);
    ck_assert_uint_eq(g.seen.count, 0);
    tick(&g, 181);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_str_eq(g.seen.detail, "no record for 3 min");
    rig_fini(&g);
}
END_TEST

START_TEST(an_origin_of_an_earlier_run_is_missed_too)
{
    struct rig g;

    rig_init(&g, "rules: {quiet: {servers/disks: silent}}", NULL);
    ck_assert_int_eq(wf_engine_heard(g.e, &g.shape, "web-7", MONDAY_MS), WEFT_OK);
    tick(&g, 181);
    ck_assert_str_eq(g.seen.labels, "{origin=\"web-7\"}");
    rig_fini(&g);
}
END_TEST

START_TEST(silence_is_not_judged_where_nothing_is_seen)
{
    struct rig g;

    rig_init(&g, "rules: {quiet: {servers/disks: silent}}", NULL);
    say(&g, "a", 0, 9);
    g.shape.seen = false;
    g.shape.unseen_ms = MONDAY_MS + 100000;
    g.shape.cause = "node unreachable";
    tick(&g, 200);
    ck_assert_uint_eq(g.seen.count, 0);
    tick(&g, 281);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_str_eq(g.seen.labels, "{blind=\"yes\", product=\"servers/disks\"}");
    ck_assert_str_eq(g.seen.detail, "node unreachable for 3 min");
    g.shape.seen = true;
    say(&g, "a", 282, 9);
    tick(&g, 283);
    ck_assert_int_eq(g.seen.truth, WF_FALSE);
    rig_fini(&g);
}
END_TEST

START_TEST(a_condition_that_holds_is_told_without_a_further_record)
{
    struct rig g;

    rig_init(&g, "rules: {r: {servers/disks: value > 5 for 90s}}", NULL);
    say(&g, "a", 0, 9);
    tick(&g, 60);
    ck_assert_uint_eq(g.seen.count, 1);
    tick(&g, 90);
    ck_assert_uint_eq(g.seen.count, 2);
    tick(&g, 120);
    ck_assert_uint_eq(g.seen.count, 2);
    say(&g, "b", 120,
        9); // and then nothing more of it than is promised: it holds no longer by itself
    tick(&g, 120 + 181);
    ck_assert_uint_eq(g.seen.count, 3);
    rig_fini(&g);
}
END_TEST

START_TEST(a_row_that_is_deleted_takes_its_alert_with_it)
{
    struct rig g;
    const struct disk d = { "a", 0 };

    rig_init(&g,
        "rules: {r: {servers/disks: value > 5}, by-value: {servers/disks: value > 5 by value}}",
        NULL);
    say(&g, "a", 0, 9);
    const struct wf_row row = { .shape = &g.shape,
        .deleted = true,
        .time_ms = MONDAY_MS + 1000,
        .append_ms = MONDAY_MS + 1000,
        .offset = 7,
        .origin = "web-1",
        .arg = &d,
        .get = disk_value };
    ck_assert_int_eq(wf_engine_row(g.e, &row), WEFT_OK);
    ck_assert_uint_eq(g.seen.gone, 1); // who counts by what is not its key cannot know
    ck_assert_uint_eq(g.seen.offset, 7);
    rig_fini(&g);
}
END_TEST

START_TEST(what_was_judged_before_a_restart_fills_windows_and_is_not_told_again)
{
    struct rig g;
    const struct disk d = { "a", 10 };

    rig_init(&g, "rules: {r: {servers/disks: 'sum(value, 10m) > 25'}}", NULL);
    struct wf_row row = {
        .shape = &g.shape, .warm = true, .origin = "web-1", .arg = &d, .get = disk_value
    };
    for (int k = 0; k < 3; k++) {
        row.time_ms = row.append_ms = MONDAY_MS + k * 60000;
        ck_assert_int_eq(wf_engine_row(g.e, &row), WEFT_OK);
    }
    ck_assert_uint_eq(g.seen.count, 0);
    say(&g, "a", 180, 1);
    ck_assert_double_eq(g.seen.value, 31);
    rig_fini(&g);
}
END_TEST

START_TEST(a_rule_about_a_field_that_is_not_there_is_a_problem_not_a_silence)
{
    struct rig g;
    struct wf_engine_stats stats;

    rig_init(&g, "rules: {r: {servers/disks: nothing > 5}, all: {'*/*': nothing > 5}}", NULL);
    say(&g, "a", 0, 9);
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem, "rule r: servers/disks has no field nothing");
    ck_assert(wf_engine_wants(g.e, "servers/disks") && wf_engine_wants(g.e, "any/thing"));
    ck_assert(!wf_engine_wants(g.e, "any"));
    rig_fini(&g);
}
END_TEST

START_TEST(the_time_of_a_record_is_its_own_unless_its_clock_is_off)
{
    static const struct {
        int64_t time, newest, append;
        bool late;
        int64_t want;
        const char *why;
    } rows[] = {
        { 1000, 1000, 5000, false, 1000, "its own" },
        { 1000, 1000, 9000000, false, 1000, "held back for hours: still its own" },
        { 60000, 60000, 5000, false, 60000, "a little ahead" },
        { 100000, 100000, 5000, false, 5000, "far ahead, though nobody said so" },
        { 1000, 31000, 5000000, true, 4970000, "off: half a minute before the newest" },
        { 31000, 31000, 5000000, true, 5000000, "off: the newest" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(
            wf_row_time(rows[i].time, rows[i].newest, rows[i].append, rows[i].late) == rows[i].want,
            "%s", rows[i].why);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.speed");
    TCase *t = tcase_create("all");

    tcase_add_test(t, functions_of_a_window);
    tcase_add_test(t, a_window_holds_its_span_and_no_more);
    tcase_add_test(t, a_full_window_is_shorter_and_says_so);
    tcase_add_test(t, what_is_usual_depends_on_the_hour_of_the_week);
    tcase_add_test(t, a_baseline_warms_up_in_steps_and_says_by_what_it_judged);
    tcase_add_test(t, a_baseline_is_the_same_after_a_restart);
    tcase_add_test(t, a_series_is_told_when_it_is_wrong_and_once_when_it_is_right_again);
    tcase_add_test(t, a_record_older_than_the_last_changes_nothing_and_is_counted);
    tcase_add_test(t, what_found_no_room_is_counted_and_named);
    tcase_add_test(t, memory_is_given_back_and_bounded);
    tcase_add_test(t, new_rules_keep_what_they_share_with_the_old);
    tcase_add_test(t, silence_goes_on_over_new_rules);
    tcase_add_test(t, an_origin_of_an_earlier_run_is_missed_too);
    tcase_add_test(t, silence_is_not_judged_where_nothing_is_seen);
    tcase_add_test(t, a_condition_that_holds_is_told_without_a_further_record);
    tcase_add_test(t, a_row_that_is_deleted_takes_its_alert_with_it);
    tcase_add_test(t, what_was_judged_before_a_restart_fills_windows_and_is_not_told_again);
    tcase_add_test(t, a_rule_about_a_field_that_is_not_there_is_a_problem_not_a_silence);
    tcase_add_test(t, the_time_of_a_record_is_its_own_unless_its_clock_is_off);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
