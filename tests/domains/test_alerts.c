// SPDX-License-Identifier: Apache-2.0
// The states of an alert, what it carries, and who is told to be quiet about it.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/alert.h"

struct told {
    char steps[64]; // P, F, R, D in order
    struct wf_alert last;
};

static void on_alert(void *arg, struct wf_alert *a, enum wf_alert_step step)
{
    struct told *t = arg;
    size_t len = strlen(t->steps);

    if (len + 1 < sizeof t->steps)
        t->steps[len] = " PFRD"[step];
    t->last = *a;
}

struct rig {
    struct wf_alerts *set;
    struct wf_rule rule;
    struct told told;
    bool anew;
};

static void rig_init(struct rig *g, int64_t for_ms)
{
    memset(g, 0, sizeof *g);
    g->rule = (struct wf_rule){ .name = "disk-full",
        .product = "servers/disks",
        .condition = "",
        .severity = WF_CRITICAL,
        .summary = "{{disk}} of {{host}}: {{value|percent}}",
        .description = "{{detail}}",
        .runbook = "https://example.org/{{rule}}",
        .labels = { { "team", "storage-{{disk}}" } },
        .label_count = 1 };
    g->rule.when.for_ms = for_ms;
    g->set = wf_alerts_new(on_alert, &g->told);
    ck_assert_ptr_nonnull(g->set);
}

static bool no_field(void *arg, const char *name, struct wf_expr_value *ret)
{
    (void)arg, (void)name, (void)ret;
    return false;
}

static enum weft_err observe_of(struct rig *g, const char *product, const char *disk,
    enum wf_truth truth, int64_t s, double value)
{
    struct wf_labels labels;

    wf_labels_init(&labels);
    ck_assert(wf_labels_set(&labels, "disk", disk, strlen(disk)));
    const struct wf_observed o = { .rule = &g->rule,
        .labels = &labels,
        .truth = truth,
        .anew = g->anew,
        .record = true,
        .has_value = true,
        .value = value,
        .time_ms = s * 1000,
        .product = product,
        .origin = "web-1",
        .offset = (uint64_t)s,
        .detail = "",
        .get = no_field };
    return wf_alerts_observe(g->set, &o);
}

static enum weft_err observe_as(
    struct rig *g, const char *disk, enum wf_truth truth, int64_t s, double value)
{
    return observe_of(g, "servers/disks", disk, truth, s, value);
}

static void observe(struct rig *g, enum wf_truth truth, int64_t s, double value)
{
    ck_assert_int_eq(observe_as(g, "sda", truth, s, value), WEFT_OK);
}

START_TEST(an_alert_waits_fires_and_is_resolved)
{
    struct rig g;
    const struct wf_alert *a = &g.told.last;

    rig_init(&g, 120000);
    observe(&g, WF_TRUE, 60, 0.91);
    ck_assert_str_eq(g.told.steps, "P");
    observe(&g, WF_TRUE, 120, 0.92);
    ck_assert_str_eq(g.told.steps, "P");
    observe(&g, WF_TRUE, 180, 0.93);
    ck_assert_str_eq(g.told.steps, "PF");
    ck_assert_int_eq(a->since_ms, 60000);
    ck_assert_int_eq(a->fired_ms, 180000);
    ck_assert_str_eq(a->summary, "sda of web-1: 93 %");
    ck_assert_str_eq(a->runbook, "https://example.org/disk-full");
    ck_assert_str_eq(wf_labels_get(&a->labels, "team"), "storage-sda");
    ck_assert_ptr_null(wf_labels_get(&a->series, "team"));
    ck_assert_uint_eq(a->began.offset, 60);
    ck_assert_uint_eq(a->fired.offset, 180);
    ck_assert_str_eq(a->fired.origin, "web-1");
    observe(&g, WF_TRUE, 240, 0.94);
    observe(&g, WF_UNKNOWN, 250, 0);
    ck_assert_str_eq(g.told.steps, "PF");
    observe(&g, WF_FALSE, 300, 0.5);
    observe(&g, WF_FALSE, 360, 0.5);
    ck_assert_str_eq(g.told.steps, "PFR");
    ck_assert_int_eq(a->resolved_ms, 300000);
    ck_assert_uint_eq(a->last.offset, 300); // the record that resolved it
    ck_assert_uint_eq(a->fired.offset, 180);
    observe(&g, WF_TRUE, 420, 0.95);
    ck_assert_str_eq(g.told.steps, "PFRP");
    ck_assert_int_eq(wf_alerts_first(g.set)->since_ms, 420000);
    observe(&g, WF_FALSE, 480, 0.5); // it did not come to it: what fired before is over, as it was
    ck_assert_str_eq(g.told.steps, "PFRPR");
    ck_assert_int_eq(wf_alerts_first(g.set)->fired_ms, 180000);
    ck_assert_int_eq(wf_alerts_first(g.set)->resolved_ms, 300000);
    ck_assert_uint_eq(wf_alerts_first(g.set)->fired.offset, 180);
    observe(&g, WF_TRUE, 540, 0.95);
    observe(&g, WF_TRUE, 660, 0.95);
    ck_assert_str_eq(g.told.steps, "PFRPRPF");
    ck_assert_int_eq(wf_alerts_first(g.set)->fired_ms, 660000);
    ck_assert_int_eq(wf_alerts_first(g.set)->resolved_ms, 0);
    wf_alerts_free(g.set);
}
END_TEST

// What was said of one firing, by people or by a message without room for its name, says nothing of the next.
START_TEST(each_firing_is_one_of_its_own)
{
    struct rig g;

    rig_init(&g, 0);
    observe(&g, WF_TRUE, 60, 0.91);
    struct wf_alert *a = wf_alerts_first(g.set);
    ck_assert_uint_eq(a->episode, 1);
    a->counted = true;
    snprintf(a->acked_by, sizeof a->acked_by, "ann");
    snprintf(a->ack_note, sizeof a->ack_note, "known");
    a->acked_ms = 61000;
    a->ack_until_ms = INT64_MAX;
    observe(&g, WF_TRUE, 120, 0.92);
    ck_assert(a->counted && wf_alert_is_acked(a, 120000));
    observe(&g, WF_FALSE, 180, 0.5);
    ck_assert_str_eq(a->acked_by, "");
    ck_assert_str_eq(a->ack_note, "");
    observe(&g, WF_TRUE, 240, 0.93);
    ck_assert_str_eq(g.told.steps, "FRF");
    ck_assert_ptr_eq(wf_alerts_first(g.set), a);
    ck_assert_uint_eq(a->episode, 2);
    ck_assert(!a->counted && !wf_alert_is_acked(a, 240000));
    ck_assert_int_eq(a->resolved_ms, 0);
    wf_alerts_free(g.set);
}
END_TEST

START_TEST(what_passes_before_it_is_due_is_dropped)
{
    struct rig g;

    rig_init(&g, 120000);
    observe(&g, WF_TRUE, 60, 1);
    observe(&g, WF_FALSE, 120, 0);
    observe(&g, WF_TRUE, 180, 1);
    observe(&g, WF_TRUE, 299, 1); // 119 s since it began again
    ck_assert_str_eq(g.told.steps, "PDP");
    observe(&g, WF_FALSE, 300, 0);
    ck_assert_ptr_null(wf_alerts_first(g.set));
    wf_alerts_free(g.set);
}
END_TEST

START_TEST(what_is_true_anew_has_to_hold_anew)
{
    struct rig g;

    rig_init(&g, 120000);
    observe(&g, WF_TRUE, 60, 1);
    g.anew = true;
    observe(&g, WF_TRUE, 600, 1); // nobody knows what it was in between
    ck_assert_str_eq(g.told.steps, "PP");
    g.anew = false;
    observe(&g, WF_TRUE, 719, 1);
    ck_assert_str_eq(g.told.steps, "PP");
    observe(&g, WF_TRUE, 720, 1);
    ck_assert_str_eq(g.told.steps, "PPF");
    g.anew = true;
    observe(&g, WF_TRUE, 9000, 1); // what fires goes on
    ck_assert_str_eq(g.told.steps, "PPF");
    wf_alerts_free(g.set);
}
END_TEST

START_TEST(without_a_duration_it_fires_at_once)
{
    struct rig g;

    rig_init(&g, 0);
    observe(&g, WF_TRUE, 60, 1);
    ck_assert_str_eq(g.told.steps, "F");
    wf_alerts_free(g.set);
}
END_TEST

START_TEST(one_alert_a_rule_and_series)
{
    struct rig g;
    char id[WF_ALERT_ID];

    rig_init(&g, 0);
    observe(&g, WF_TRUE, 60, 1);
    memcpy(id, g.told.last.id, sizeof id);
    ck_assert_int_eq(observe_as(&g, "sdb", WF_TRUE, 60, 1), WEFT_OK);
    ck_assert_str_ne(g.told.last.id, id);
    ck_assert_uint_eq(wf_alerts_count(g.set, WF_ALERT_FIRING), 2);
    g.rule.name = "other";
    observe(&g, WF_TRUE, 60, 1);
    ck_assert_uint_eq(wf_alerts_count(g.set, WF_ALERT_FIRING), 3);
    ck_assert_str_eq(wf_alerts_find(g.set, id)->rule, "disk-full");
    wf_alerts_free(g.set);
    rig_init(&g, 0);
    observe(&g, WF_TRUE, 999, 5);
    ck_assert_str_eq(g.told.last.id, id); // another run gives it the same name
    wf_alerts_free(g.set);
}
END_TEST

START_TEST(an_alert_goes_on_after_a_restart)
{
    struct rig g, again;

    rig_init(&g, 120000);
    observe(&g, WF_TRUE, 60, 1);
    rig_init(&again, 120000);
    ck_assert_int_eq(wf_alerts_put(again.set, wf_alerts_first(g.set)), WEFT_OK);
    ck_assert_int_eq(wf_alerts_put(again.set, wf_alerts_first(g.set)), WEFT_E_EXISTS);
    observe(&again, WF_TRUE, 180, 1);
    ck_assert_str_eq(again.told.steps, "F");
    ck_assert_int_eq(again.told.last.since_ms, 60000);
    wf_alerts_free(g.set);
    wf_alerts_free(again.set);
}
END_TEST

START_TEST(a_domain_that_raises_alerts_without_end_leaves_room_for_others)
{
    struct rig g;
    char disk[16];

    rig_init(&g, 0);
    for (unsigned i = 0; i < WF_ALERTS_MOST - WF_ALERTS_MOST / 4; i++) {
        snprintf(disk, sizeof disk, "d%u", i);
        ck_assert_int_eq(observe_as(&g, disk, WF_TRUE, 60, 1), WEFT_OK);
    }
    ck_assert_int_eq(observe_as(&g, "one-more", WF_TRUE, 60, 1), WEFT_E_FULL);
    ck_assert_int_eq(observe_of(&g, "servers/fans", "f", WF_TRUE, 60, 1), WEFT_E_FULL);
    for (unsigned i = 0; i < WF_ALERTS_MOST / 4; i++) {
        snprintf(disk, sizeof disk, "p%u", i);
        ck_assert_int_eq(observe_of(&g, "network/ports", disk, WF_TRUE, 60, 1), WEFT_OK);
    }
    ck_assert_int_eq(observe_of(&g, "network/ports", "one-more", WF_TRUE, 60, 1), WEFT_E_FULL);
    ck_assert_uint_eq(wf_alerts_refused(g.set), 3);
    ck_assert_int_eq(observe_as(&g, "d7", WF_FALSE, 120, 1), WEFT_OK);
    wf_alerts_expire(g.set, 120000 + WF_ALERT_KEPT_MS + 1, NULL, NULL);
    ck_assert_int_eq(observe_as(&g, "one-more", WF_TRUE, 180, 1), WEFT_OK);
    wf_alerts_free(g.set);
}
END_TEST

START_TEST(an_alert_of_a_rule_that_is_gone_is_resolved_and_says_why)
{
    struct rig g;
    struct wf_rules none = { .count = 0 };

    rig_init(&g, 0);
    observe(&g, WF_TRUE, 60, 1);
    wf_alerts_keep_rules(g.set, &none, 90000);
    ck_assert_str_eq(g.told.steps, "FR");
    ck_assert_str_eq(g.told.last.detail, "its rule was removed or changed");
    ck_assert_int_eq(g.told.last.resolved_ms, 90000);
    wf_alerts_free(g.set);
}
END_TEST

START_TEST(an_alert_of_another_rule_of_that_name_is_resolved)
{
    struct rig g;
    struct wf_rule other;
    struct wf_rule *list[] = { &g.rule };
    const struct wf_rules same = { .rules = list, .count = 1 };

    rig_init(&g, 0);
    g.rule.id = 1;
    observe(&g, WF_TRUE, 60, 1);
    wf_alerts_keep_rules(g.set, &same, 80000);
    ck_assert_str_eq(g.told.steps, "F");
    other = g.rule;
    other.id = 2; // of another condition
    list[0] = &other;
    wf_alerts_keep_rules(g.set, &same, 90000);
    ck_assert_str_eq(g.told.steps, "FR");
    wf_alerts_free(g.set);
}
END_TEST

START_TEST(a_silence_covers_what_it_names_while_it_lasts)
{
    static const struct {
        const char *match;
        bool covers;
        const char *why;
    } rows[] = {
        { "rule=disk-full", true, "its rule" },
        { "rule=disk-*", true, "a pattern" },
        { "rule=disk", false, "a part of a name is none" },
        { "disk=sd[ab] severity=critical", true, "all words" },
        { "disk=sda severity=info", false, "not all words" },
        { "team=storage-*", true, "a label of the rule" },
        { "severity!=info, product=servers/*", true, "not, and a comma" },
        { "disk!=sda", false, "not" },
        { "host=web-1", false, "a label that it has not" },
        { "host!=web-1", true, "nor is it that" },
        { "disk=\"sda\"", true, "in quotation marks" },
    };
    struct rig g;
    struct wf_silence s = { .begins_ms = 100, .ends_ms = 200 };
    char why[160];

    rig_init(&g, 0);
    observe(&g, WF_TRUE, 60, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct wf_alert *a = wf_alerts_first(g.set);
        ck_assert_msg(wf_matcher_read(rows[i].match, &s.match, why, sizeof why), "%s: %s",
            rows[i].match, why);
        ck_assert_msg((wf_alert_silenced(a, &s, 1, 150) != NULL) == rows[i].covers, "%s: %s",
            rows[i].match, rows[i].why);
        ck_assert_ptr_null(wf_alert_silenced(a, &s, 1, 99));
        ck_assert_ptr_null(wf_alert_silenced(a, &s, 1, 200));
    }
    wf_alerts_free(g.set);
}
END_TEST

START_TEST(a_silence_that_says_nothing_is_refused)
{
    static const char *const texts[] = { "", "  ", "rule", "rule=a b", "=a", "rule!a", "a=\"b",
        "a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1" };
    struct wf_matcher m;
    char why[160];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        why[0] = '\0';
        ck_assert_msg(!wf_matcher_read(texts[i], &m, why, sizeof why), "%s", texts[i]);
        ck_assert_msg(why[0], "%s", texts[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.alerts");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 30);
    tcase_add_test(t, an_alert_waits_fires_and_is_resolved);
    tcase_add_test(t, each_firing_is_one_of_its_own);
    tcase_add_test(t, what_passes_before_it_is_due_is_dropped);
    tcase_add_test(t, what_is_true_anew_has_to_hold_anew);
    tcase_add_test(t, without_a_duration_it_fires_at_once);
    tcase_add_test(t, one_alert_a_rule_and_series);
    tcase_add_test(t, an_alert_goes_on_after_a_restart);
    tcase_add_test(t, a_domain_that_raises_alerts_without_end_leaves_room_for_others);
    tcase_add_test(t, an_alert_of_a_rule_that_is_gone_is_resolved_and_says_why);
    tcase_add_test(t, an_alert_of_another_rule_of_that_name_is_resolved);
    tcase_add_test(t, a_silence_covers_what_it_names_while_it_lasts);
    tcase_add_test(t, a_silence_that_says_nothing_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
