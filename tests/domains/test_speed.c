// SPDX-License-Identifier: Apache-2.0
// The speed layer's engine: what a record, a rule and time do to series.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/engine.h"

#define MONDAY_MS 1767571200000

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

static void say_of(
    struct rig *g, struct wf_shape *shape, const char *disk, int64_t at_s, double value)
{
    const struct disk d = { disk, value };
    const struct wf_row row = { .shape = shape,
        .time_ms = MONDAY_MS + at_s * 1000,
        .append_ms = MONDAY_MS + at_s * 1000,
        .offset = g->offset++,
        .origin = "web-1",
        .arg = &d,
        .get = disk_value };

    ck_assert_int_eq(wf_engine_row(g->e, &row), WEFT_OK);
}

static void say(struct rig *g, const char *disk, int64_t at_s, double value)
{
    say_of(g, &g->shape, disk, at_s, value);
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

START_TEST(a_domain_of_labels_without_end_leaves_room_for_others)
{
    static const struct wf_engine_limits limits = { .series = 100 };
    struct rig g;
    struct wf_shape others = disks();
    struct wf_engine_stats stats;
    char name[16];

    others.product = "network/disks";
    others.domain = "network";
    rig_init(&g, "rules: {r: {'*/disks': value > 5}}", &limits);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "d%u", i);
        say_of(&g, &others, name, 0, 1);
    }
    wf_engine_stats(g.e, &stats);
    ck_assert_uint_eq(stats.series, 75);
    ck_assert_uint_eq(stats.refused, 425);
    ck_assert_str_eq(stats.refused_product, "network/disks");
    for (unsigned i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "d%u", i);
        say(&g, name, 0, 9);
    }
    wf_engine_stats(g.e, &stats);
    ck_assert_uint_eq(stats.refused, 425);
    ck_assert_uint_eq(g.seen.count, 25);
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

// An alert counts by what it is told: every second until it fires, and then not again.
START_TEST(what_time_alone_judges_is_told_until_it_held_long_enough)
{
    static const char *const rules[] = {
        "rules: {r: {servers/disks: 'value > 5 and now > 0 for 30s'}}",
        "rules: {r: {servers/disks: 'silent > 60s for 30s'}}",
    };
    static const int64_t begin[] = { 0, 61 };
    struct rig g;

    for (size_t i = 0; i < 2; i++) {
        rig_init(&g, rules[i], NULL);
        say(&g, "a", 0, 9);
        tick(&g, begin[i] + 1);
        unsigned first = g.seen.count;
        ck_assert_uint_ge(first, 1);
        tick(&g, begin[i] + 10);
        ck_assert_uint_eq(g.seen.count, first + 1);
        tick(&g, begin[i] + 30);
        ck_assert_uint_eq(g.seen.count, first + 2);
        ck_assert_int_eq(g.seen.truth, WF_TRUE);
        tick(&g, begin[i] + 31);
        tick(&g, begin[i] + 40);
        ck_assert_uint_eq(g.seen.count, first + 2);
        rig_fini(&g);
    }
}
END_TEST

// A mistyped name would else be a rule that never fires, and nobody knew.
START_TEST(a_rule_whose_product_is_not_there_is_told_after_a_while)
{
    struct rig g;
    struct wf_engine_stats stats;

    rig_init(&g,
        "rules: {r: {servers/disks: value > 5}, typo: {servers/disk: value > 5}, all: {'*/disc': "
        "value > 5}}",
        NULL);
    say(&g, "a", 0, 1);
    tick(&g, 0);
    tick(&g, 599);
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem, "");
    tick(&g, 600);
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem, "rule typo: waits: servers/disk is not read: nobody granted "
                                    "it, there is none, or it never had a record");
    wf_engine_rules(g.e, g.rules, MONDAY_MS + 601000); // who changed the file has time again
    tick(&g, 601);
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem, "");
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

    tcase_add_test(t, a_series_is_told_when_it_is_wrong_and_once_when_it_is_right_again);
    tcase_add_test(t, a_record_older_than_the_last_changes_nothing_and_is_counted);
    tcase_add_test(t, what_found_no_room_is_counted_and_named);
    tcase_add_test(t, a_domain_of_labels_without_end_leaves_room_for_others);
    tcase_add_test(t, memory_is_given_back_and_bounded);
    tcase_add_test(t, new_rules_keep_what_they_share_with_the_old);
    tcase_add_test(t, silence_goes_on_over_new_rules);
    tcase_add_test(t, an_origin_of_an_earlier_run_is_missed_too);
    tcase_add_test(t, silence_is_not_judged_where_nothing_is_seen);
    tcase_add_test(t, a_condition_that_holds_is_told_without_a_further_record);
    tcase_add_test(t, a_row_that_is_deleted_takes_its_alert_with_it);
    tcase_add_test(t, what_was_judged_before_a_restart_fills_windows_and_is_not_told_again);
    tcase_add_test(t, a_rule_about_a_field_that_is_not_there_is_a_problem_not_a_silence);
    tcase_add_test(t, what_time_alone_judges_is_told_until_it_held_long_enough);
    tcase_add_test(t, a_rule_whose_product_is_not_there_is_told_after_a_while);
    tcase_add_test(t, the_time_of_a_record_is_its_own_unless_its_clock_is_off);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
