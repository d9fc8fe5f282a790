// SPDX-License-Identifier: Apache-2.0
// Alerts of an earlier run: what they rest on is judged again, ends when it is over, and is forgotten when nobody says any more.
#include <stdlib.h>
#include <string.h>

#include "tests/domains/sql_rig.h"

#define DAY_S 86400

// An alert that the book had: of the rule r, labels as in "disk=sda", heard of last at that second.
static void was_true(struct rig *g, const char *name, const char *value, int64_t last_s, bool fired)
{
    struct wf_labels labels;

    wf_labels_init(&labels);
    ck_assert(wf_labels_set(&labels, name, value, strlen(value)));
    if (strcmp(name, "blind") == 0)
        ck_assert(wf_labels_set(&labels, "product", "servers/disks", 13));
    const struct wf_engine_kept kept = { .rule = "r",
        .labels = &labels,
        .product = "servers/disks",
        .origin = "web-1",
        .since_ms = MONDAY_MS - 600000,
        .last_ms = MONDAY_MS + last_s * 1000,
        .fired = fired };
    ck_assert_int_eq(wf_engine_was_true(g->e, &kept), WEFT_OK);
}

// As a process starts: rules, then the book, then products.
static void begin(struct rig *g, const char *rules, const char *name, const char *value)
{
    rig_begin(g, "rules: {}", NULL);
    wf_engine_forget(g->e, &g->disks);
    rig_rules(g, rules, 0);
    was_true(g, name, value, -60, true);
}

static void arrive(struct rig *g)
{
    ck_assert_int_eq(wf_engine_reshape(g->e, &g->disks), WEFT_OK);
}

static void is_over(const struct rig *g, size_t count)
{
    ck_assert_uint_eq(g->seen.count, count);
    ck_assert_int_eq(g->seen.all[count - 1].truth, WF_FALSE);
}

#define FULL "rules: {r: {servers/disks: used > 0.9 by disk}}"

START_TEST(what_is_no_more_true_when_it_is_heard_again_ends)
{
    struct rig g;

    begin(&g, FULL, "disk", "sda");
    arrive(&g);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 0); // nothing was heard: it goes on
    say(&g, "web-1", "sda", 10, 0.5);
    is_over(&g, 1);
    say(&g, "web-1", "sda", 20, 0.5);
    ck_assert_uint_eq(g.seen.count, 1);
    rig_end(&g);
}
END_TEST

// The end of it was judged, but the book did not have it yet.
START_TEST(what_ended_in_records_that_are_read_again_ends)
{
    struct rig g;

    begin(&g, FULL, "disk", "sda");
    arrive(&g);
    g.warm = true;
    say(&g, "web-1", "sda", -30, 0.5);
    g.disks.seen = false;
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 0); // there may be more to be read
    g.disks.seen = true;
    tick(&g, 1);
    is_over(&g, 1);
    tick(&g, 2);
    ck_assert_uint_eq(g.seen.count, 1);
    rig_end(&g);
}
END_TEST

START_TEST(occurrences_that_come_no_more_end)
{
    struct rig g;

    begin(&g, "rules: {r: {servers/disks: 'sum(used, 5m) > 3 by disk'}}", "disk", "sda");
    g.disks.events = true;
    arrive(&g);
    tick(&g, 0);
    is_over(&g, 1); // what would be in the window was read again: there is none
    rig_end(&g);
}
END_TEST

START_TEST(what_waited_goes_on_waiting)
{
    struct rig g;

    rig_begin(&g, "rules: {r: {servers/disks: used > 0.9 for 15m by disk}}", NULL);
    was_true(&g, "disk", "sda", 0, false); // for ten minutes
    arrive(&g);
    say(&g, "web-1", "sda", 60, 0.95);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_int_eq(g.seen.all[0].truth, WF_TRUE);
    tick(&g, 299);
    ck_assert_uint_eq(g.seen.count, 1);
    g.disks.freshness_ms = 600000;
    tick(&g, 300); // fifteen, of which the process saw four
    ck_assert_uint_eq(g.seen.count, 2);
    rig_end(&g);
}
END_TEST

START_TEST(who_was_silent_goes_on_being_so_until_it_is_heard)
{
    struct rig g;

    rig_begin(&g, "rules: {r: {servers/disks: silent}}", NULL);
    was_true(&g, "origin", "web-1", -600, true);
    arrive(&g);
    ck_assert_int_eq(wf_engine_heard(g.e, &g.disks, "web-1", MONDAY_MS - 600000), WEFT_OK);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_int_eq(g.seen.all[0].truth, WF_TRUE);
    ck_assert_double_eq(g.seen.all[0].value, 600);
    say(&g, "web-1", "sda", 1, 0.5);
    is_over(&g, 2);
    rig_end(&g);
}
END_TEST

START_TEST(who_came_back_while_nobody_listened_is_not_silent)
{
    struct rig g;

    rig_begin(&g, "rules: {r: {servers/disks: silent}}", NULL);
    was_true(&g, "origin", "web-1", -600, true);
    arrive(&g);
    g.warm = true;
    say(&g, "web-1", "sda", -5, 0.5); // heard by an earlier run that could not write it down
    tick(&g, 0);
    is_over(&g, 1);
    rig_end(&g);
}
END_TEST

START_TEST(a_product_that_was_blind_and_is_seen_is_not)
{
    struct rig g;

    begin(&g, "rules: {r: {servers/disks: silent}}", "blind", "yes");
    arrive(&g);
    tick(&g, 0);
    is_over(&g, 1);
    rig_end(&g);
}
END_TEST

// Its host is gone, and so perhaps is its product: nobody will say that it is over.
START_TEST(what_nobody_speaks_of_any_more_is_forgotten)
{
    for (int here = 0; here < 2; here++) {
        struct rig g;
        begin(&g, "rules: {r: {servers/disks: used > 0.9 by disk, forget: 2d}}", "disk", "sda");
        if (here)
            arrive(&g);
        tick(&g, 2 * DAY_S - 61);
        ck_assert_uint_eq(g.seen.count, 0);
        tick(&g, 2 * DAY_S);
        ck_assert_uint_eq(g.seen.count, 1);
        ck_assert(g.seen.all[0].gone);
        ck_assert_str_eq(
            g.seen.all[0].detail, "given up: no record for longer than the rule waits");
        rig_end(&g);
    }
}
END_TEST

START_TEST(without_a_restart_it_is_forgotten_as_well)
{
    struct rig g;

    rig_begin(&g, "rules: {r: {servers/disks: used > 0.9 by disk, forget: 2d}}", NULL);
    say(&g, "web-1", "sda", 0, 0.95);
    tick(&g, 2 * DAY_S);
    ck_assert_uint_eq(g.seen.count, 1);
    tick(&g, 2 * DAY_S + 1);
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert(g.seen.all[1].gone);
    rig_end(&g);
}
END_TEST

START_TEST(an_alert_of_no_rule_is_nothing_to_judge)
{
    struct rig g;

    begin(&g, "rules: {other: {servers/disks: used > 0.9 by disk}}", "disk", "sda");
    arrive(&g);
    say(&g, "web-1", "sda", 0, 0.5);
    tick(&g, 40 * DAY_S);
    ck_assert_uint_eq(g.seen.count, 0);
    rig_end(&g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restart");
    TCase *t = tcase_create("all");

    tcase_add_test(t, what_is_no_more_true_when_it_is_heard_again_ends);
    tcase_add_test(t, what_ended_in_records_that_are_read_again_ends);
    tcase_add_test(t, occurrences_that_come_no_more_end);
    tcase_add_test(t, what_waited_goes_on_waiting);
    tcase_add_test(t, who_was_silent_goes_on_being_so_until_it_is_heard);
    tcase_add_test(t, who_came_back_while_nobody_listened_is_not_silent);
    tcase_add_test(t, a_product_that_was_blind_and_is_seen_is_not);
    tcase_add_test(t, what_nobody_speaks_of_any_more_is_forgotten);
    tcase_add_test(t, without_a_restart_it_is_forgotten_as_well);
    tcase_add_test(t, an_alert_of_no_rule_is_nothing_to_judge);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
