// SPDX-License-Identifier: Apache-2.0
// Rules when records never come: what was lost is neither fine nor over.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/domains/sql_rig.h"

#define FULL                                                                                       \
    "rules: {r: {sql: 'SELECT _origin, max(used) AS value, _offset FROM servers_disks WHERE "      \
    "used > 0.9 GROUP BY _origin', over: servers/disks for 5m, by: _origin, every: 10s}}"

static void lose(struct rig *g, struct wf_shape *of, const char *origin, int64_t at_s)
{
    const struct wf_loss loss = { .origin = origin, .count = 7, .now_ms = MONDAY_MS + at_s * 1000 };

    ck_assert_int_eq(wf_engine_lose(g->e, of, &loss), WEFT_OK);
}

// Nobody knows what they said: a rule that sees nothing does not say that all is fine, and what fired goes on.
START_TEST(lost_records_make_unknown_what_could_rest_on_them)
{
    struct rig g;

    rig_begin(&g, FULL, NULL);
    say(&g, "web-1", "sda", 0, 0.95);
    say(&g, "web-2", "sda", 0, 0.95);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 2);
    lose(&g, &g.disks, "web-1", 200);
    for (int64_t s = 240; s <= 420; s += 60) {
        say(&g, "web-1", "sda", s, 0.5);
        say(&g, "web-2", "sda", s, 0.5);
    }
    tick(&g, 420);
    saw(&g, 3, WF_FALSE); // of web-2 all is there
    ck_assert_str_eq(g.seen.all[2].labels, "{_origin=\"web-2\"}");
    is_state(&g, "r", WF_SQL_UNKNOWN,
        "7 records of servers/disks from web-1 are lost: what rests on them is unknown for 120s "
        "more");
    for (int64_t s = 480; s <= 540; s += 60)
        say(&g, "web-1", "sda", s, 0.5);
    say(&g, "web-2", "sda", 540, 0.5);
    tick(&g, 540); // the record behind them is out of the window: so are they
    saw(&g, 4, WF_FALSE);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

START_TEST(of_lost_records_that_nobody_knows_whose_they_were_any_may_be_the_origin)
{
    struct rig g;

    rig_begin(&g, FULL, NULL);
    g.disks.events = true; // of occurrences none is none, but not of lost ones
    say(&g, "web-1", "sda", 0, 0.95);
    tick(&g, 0);
    lose(&g, &g.disks, NULL, 100);
    tick(&g, 330); // nothing came since: they may be of now
    ck_assert_uint_eq(g.seen.count, 1);
    is_state(&g, "r", WF_SQL_UNKNOWN, "7 records of servers/disks are lost");
    say(&g, "web-9", "sda", 331, 0.5);
    tick(&g, 620);
    ck_assert_uint_eq(g.seen.count, 1);
    tick(&g, 640);
    saw(&g, 2, WF_FALSE);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

START_TEST(rows_of_an_inventory_that_were_lost_are_unknown_until_its_next_whole_snapshot)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT host, owner FROM servers_owners', over: servers/owners, by: "
        "host}}",
        NULL);
    own(&g, "web-1", "shop");
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, false), WEFT_OK);
    lose(&g, &g.owners, NULL, 10); // perhaps web-1's row: the end of that snapshot proves nothing
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, true), WEFT_OK);
    tick(&g, 30);
    saw(&g, 2, WF_TRUE);
    is_state(&g, "r", WF_SQL_UNKNOWN,
        "7 records of servers/owners from cmdb are lost: what rests on them is unknown until its "
        "next whole snapshot");
    own(&g, "web-1", NULL);
    tick(&g, 60);
    ck_assert_uint_eq(g.seen.count, 2); // gone, but another row of it may have been lost
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, false), WEFT_OK);
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, true), WEFT_OK);
    tick(&g, 90);
    saw(&g, 3, WF_FALSE);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

// ---- conditions ----------------------------------------------------------------------------------------------------------------

static const struct holed {
    const char *condition;
    double values[6];
    enum wf_truth want;
    const char *why;
} holed[] = {
    { "count(used, 10m) > 5", { 1, 1, 1, 1, 1, 1 }, WF_TRUE, "six came, whatever was lost" },
    { "count(used, 10m) > 6", { 1, 1, 1, 1, 1, 1 }, WF_UNKNOWN, "there may have been more" },
    { "count(used, 10m) < 9", { 1, 1, 1, 1, 1, 1 }, WF_UNKNOWN, "absence is not seen" },
    { "count(used, 10m) < 6", { 1, 1, 1, 1, 1, 1 }, WF_FALSE, "six are not less than six" },
    { "count(used, 10m) == 6", { 1, 1, 1, 1, 1, 1 }, WF_UNKNOWN, "six or more" },
    { "count(used, 10m) == 5", { 1, 1, 1, 1, 1, 1 }, WF_FALSE, "six or more are not five" },
    { "count(used, 10m) != 5", { 1, 1, 1, 1, 1, 1 }, WF_TRUE, "and other than five" },
    { "10 - count(used, 10m) < 5", { 1, 1, 1, 1, 1, 1 }, WF_TRUE, "at most four" },
    { "10 - count(used, 10m) > 3", { 1, 1, 1, 1, 1, 1 }, WF_UNKNOWN, "at most four" },
    { "0 - 2 * count(used, 10m) < -11", { 1, 1, 1, 1, 1, 1 }, WF_TRUE, "turned round" },
    { "-count(used, 10m) / 2 > -9", { 1, 1, 1, 1, 1, 1 }, WF_UNKNOWN, "turned round" },
    { "abs(count(used, 10m)) >= 6", { 1, 1, 1, 1, 1, 1 }, WF_TRUE, "its size is as much" },
    { "abs(5 - count(used, 10m)) >= 1", { 1, 1, 1, 1, 1, 1 }, WF_TRUE, "below 0 as well" },
    { "abs(9 - count(used, 10m)) < 9", { 1, 1, 1, 1, 1, 1 }, WF_UNKNOWN, "around 0 nothing" },
    { "count(used, 10m) * 0 == 0", { 1, 1, 1, 1, 1, 1 }, WF_TRUE, "nothing times anything" },
    { "sum(used, 10m) / count(used, 10m) > 0", { 1, 1, 1, 1, 1, 1 }, WF_UNKNOWN,
        "both may be more" },
    { "sum(used, 10m) > 9", { 2, 2, 2, 2, 1, 1 }, WF_TRUE, "none below 0: at least ten" },
    { "sum(used, 10m) < 11", { 2, 2, 2, 2, 1, 1 }, WF_UNKNOWN, "or more" },
    { "sum(used, 10m) > 3", { 2, 2, 2, 2, -1, -1 }, WF_UNKNOWN, "some may have been below 0" },
    { "sum(used > 1, 10m) >= 4", { 2, 2, 2, 2, 1, 1 }, WF_TRUE, "as often at least" },
    { "max(used, 10m) > 8", { 1, 9, 1, 1, 1, 1 }, WF_TRUE, "one was" },
    { "max(used, 10m) > 9", { 1, 9, 1, 1, 1, 1 }, WF_UNKNOWN, "a lost one may have been" },
    { "min(used, 10m) < 2", { 1, 9, 9, 9, 9, 9 }, WF_TRUE, "one was" },
    { "min(used, 10m) > 2", { 9, 9, 9, 9, 9, 9 }, WF_UNKNOWN, "a lost one may not be" },
    { "avg(used, 10m) > 5", { 9, 9, 9, 9, 9, 9 }, WF_UNKNOWN, "a mean of all but some" },
    { "avg(used, 10m) < 5", { 1, 1, 1, 1, 1, 1 }, WF_UNKNOWN, "nor is it fine" },
    { "avg(used, 1m) > 5", { 1, 1, 1, 1, 9, 9 }, WF_TRUE, "the hole is out of the window" },
    { "avg(used, 1m) > 5", { 9, 9, 9, 9, 1, 1 }, WF_FALSE, "both ways" },
    { "rate(used, 10m) > 0.9", { 0, 60, 120, 180, 300, 360 }, WF_TRUE, "it went on counting" },
    { "rate(used, 10m) < 1.1", { 0, 60, 120, 180, 300, 360 }, WF_TRUE, "and no faster" },
    { "rate(used, 10m) > 0.5", { 0, 60, 120, 180, 50, 110 }, WF_TRUE, "it began anew" },
    { "rate(used, 10m) < 5", { 0, 60, 120, 180, 50, 110 }, WF_UNKNOWN,
        "how far it had come then nobody saw" },
    { "rate(used, 2m) < 1.1", { 0, 60, 120, 180, 300, 360 }, WF_TRUE,
        "between the records that are there" },
    { "increase(used, 10m) < 361", { 0, 60, 120, 180, 300, 360 }, WF_TRUE, "seen whole" },
    { "increase(used, 2m) < 100", { 0, 60, 120, 180, 300, 360 }, WF_UNKNOWN,
        "not since the beginning" },
    { "increase(used, 2m) > 50", { 0, 60, 120, 180, 300, 360 }, WF_TRUE, "at least that" },
    { "change(used, 10m) > 300", { 0, 60, 120, 180, 300, 360 }, WF_TRUE, "first and last" },
    { "change(used, 2m) > 50", { 0, 60, 120, 180, 300, 360 }, WF_UNKNOWN, "what was first?" },
    { "slope(used, 10m) > 0.9", { 0, 60, 120, 180, 300, 360 }, WF_TRUE, "a line through five" },
    { "changes(used, 10m) >= 1", { 1, 1, 1, 1, 2, 2 }, WF_TRUE, "once, at least" },
    { "changes(used, 10m) == 0", { 1, 1, 1, 1, 1, 1 }, WF_UNKNOWN, "there and back" },
    { "resets(used, 10m) == 0", { 1, 2, 3, 4, 5, 6 }, WF_UNKNOWN, "it may have" },
    { "used > 5", { 1, 1, 1, 1, 1, 9 }, WF_TRUE, "a record says what it says" },
    { "used > 5", { 9, 9, 9, 9, 9, 1 }, WF_FALSE, "and ends what was" },
    { "avg(used, 10m) > 5 or used > 5", { 1, 1, 1, 1, 1, 9 }, WF_TRUE, "the other decides" },
};

// A record a minute at 0, 60, 120, 180; those of 210 to 270 are lost; then 300 and 360, at which the condition is judged.
START_TEST(what_a_condition_says_of_a_window_with_a_hole_is_what_is_known)
{
    static const int64_t times[] = { 0, 60, 120, 180, 300, 360 };
    char rules[400];

    for (size_t i = 0; i < sizeof holed / sizeof *holed; i++) {
        struct rig g;
        snprintf(rules, sizeof rules,
            "rules: {is: {servers/disks: '%s'}, is-not: {servers/disks: 'not (%s)'}}",
            holed[i].condition, holed[i].condition);
        rig_begin(&g, rules, NULL);
        for (size_t k = 0; k < 6; k++) {
            if (k == 4)
                lose(&g, &g.disks, "web-1", 280);
            g.seen.count = 0;
            say(&g, "web-1", "sda", times[k], holed[i].values[k]);
        }
        enum wf_truth got = WF_UNKNOWN;
        for (size_t k = 0; k < g.seen.count; k++)
            if (g.seen.all[k].truth == WF_TRUE)
                got = strcmp(g.seen.all[k].rule, "is") == 0 ? WF_TRUE : WF_FALSE;
        ck_assert_msg(
            got == holed[i].want, "%s: %d: %s", holed[i].condition, (int)got, holed[i].why);
        rig_end(&g);
    }
}
END_TEST

// What fired goes on while it is not known to be over, and is over when the hole is.
START_TEST(an_alert_lasts_as_long_as_a_hole_may_hide_that_it_is_not_over)
{
    struct rig g;

    struct wf_engine_stats stats;

    rig_begin(&g, "rules: {r: {servers/disks: 'avg(used, 5m) > 5'}}", NULL);
    say(&g, "web-1", "sda", 0, 9);
    say(&g, "web-2", "sda", 0, 9);
    saw(&g, 2, WF_TRUE);
    lose(&g, &g.disks, "web-1", 50);
    for (int64_t s = 60; s <= 300; s += 60)
        say(&g, "web-1", "sda", s, 0);
    ck_assert_uint_eq(g.seen.count, 2);
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem,
        "7 records of servers/disks are lost: what rules say of windows that held them is at "
        "least that, or unknown");
    for (int64_t s = 60; s <= 60 * 2; s += 60)
        say(&g, "web-2", "sda", s, 0);
    saw(&g, 3, WF_FALSE); // 4.5 of web-2, all of whose records are there, and then 3
    ck_assert_str_eq(g.seen.all[2].labels, "{disk=\"sda\", origin=\"web-2\"}");
    say(&g, "web-1", "sda", 360, 0); // the record behind the lost ones is as old as the window
    saw(&g, 4, WF_FALSE);
    ck_assert_str_eq(g.seen.all[3].labels, "{disk=\"sda\", origin=\"web-1\"}");
    tick(&g, 361);
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem, "");
    rig_end(&g);
}
END_TEST

START_TEST(series_that_are_not_told_apart_by_origin_miss_what_any_origin_lost)
{
    struct rig g;

    rig_begin(&g,
        "rules: {by-disk: {servers/disks: 'not (avg(used, 5m) > 5) by disk'}, by-origin: "
        "{servers/disks: 'not (avg(used, 5m) > 5)'}}",
        NULL);
    lose(&g, &g.disks, "web-2", 0);
    say(&g, "web-1", "sda", 10, 1);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_str_eq(g.seen.all[0].rule, "by-origin");
    lose(&g, &g.disks, NULL, 20); // perhaps of web-1
    say(&g, "web-1", "sda", 30, 1);
    ck_assert_uint_eq(g.seen.count, 1);
    say(&g, "web-2", "sda", 40, 1); // what it lost was before
    g.seen.count = 0;
    say(&g, "web-1", "sda", 330, 1);
    ck_assert_uint_eq(g.seen.count, 1); // of web-1 the hole ended at 30
    say(&g, "web-1", "sda", 339, 1);
    ck_assert_uint_eq(g.seen.count, 2);
    say(&g, "web-1", "sda", 341, 1); // and of web-2 at 40
    ck_assert_uint_eq(g.seen.count, 4);
    ck_assert_str_eq(g.seen.all[2].rule, "by-disk");
    rig_end(&g);
}
END_TEST

// Of occurrences none is none: but not of lost ones, and not for ever of a host that went.
START_TEST(occurrences_that_were_lost_are_not_none)
{
    struct rig g;

    rig_begin(&g, "rules: {r: {servers/disks: 'sum(used, 2m) >= 3'}}", NULL);
    g.disks.events = true;
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.disks), WEFT_OK);
    say(&g, "web-1", "sda", 0, 3);
    saw(&g, 1, WF_TRUE);
    lose(&g, &g.disks, "web-1", 60);
    tick(&g, 130);
    tick(&g, 180);
    ck_assert_uint_eq(g.seen.count, 1);
    tick(&g, 181); // told two minutes ago: none of them is younger
    saw(&g, 2, WF_FALSE);
    lose(&g, &g.disks, "web-1", 190);
    say(&g, "web-1", "sda", 200, 3);
    saw(&g, 3, WF_TRUE); // three are three, however many there were
    ck_assert_str_eq(
        g.seen.all[2].detail, "records were lost in this time: it is what is known without them");
    rig_end(&g);
}
END_TEST

// A loss is not the end of a duration, but a silence is: nobody knows what was in between.
START_TEST(what_has_to_hold_holds_over_a_hole_and_not_over_a_silence)
{
    struct rig g;

    rig_begin(&g, "rules: {r: {servers/disks: 'used > 5 for 4m'}}", NULL);
    for (int64_t s = 0; s <= 60; s += 60)
        say(&g, "web-1", "sda", s, 9);
    lose(&g, &g.disks, "web-1", 200);
    g.seen.count = 0;
    tick(&g, 240); // the newest were lost: they may have said that it is over
    ck_assert_uint_eq(g.seen.count, 0);
    say(&g, "web-1", "sda", 240, 9);
    saw(&g, 1, WF_TRUE);
    ck_assert(!g.seen.all[0].anew);
    say(&g, "web-2", "sda", 0, 9);
    ck_assert(!g.seen.all[1].anew);
    say(&g, "web-2", "sda", 181, 9); // more than three times the promise
    ck_assert(g.seen.all[2].anew);
    g.seen.count = 0;
    tick(&g, 241);
    ck_assert_uint_eq(g.seen.count, 0); // it does not hold since 0
    say(&g, "web-2", "sda", 361, 9);
    ck_assert(!g.seen.all[0].anew);
    tick(&g, 420);
    ck_assert_uint_eq(g.seen.count, 1);
    tick(&g, 421); // but since 181
    saw(&g, 2, WF_TRUE);
    rig_end(&g);
}
END_TEST

START_TEST(other_rules_and_other_schemas_know_of_what_was_lost)
{
    struct rig g;

    rig_begin(&g, "rules: {r: {servers/disks: 'count(used, 5m) < 9'}}", NULL);
    say(&g, "web-1", "sda", 0, 1);
    saw(&g, 1, WF_TRUE); // nothing is lost
    lose(&g, &g.disks, "web-1", 50);
    rig_rules(&g, "rules: {s: {servers/disks: 'count(used, 5m) < 9'}}", 55);
    g.seen.count = 0;
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.disks), WEFT_OK);
    say(&g, "web-1", "sda", 60, 1);
    say(&g, "web-1", "sda", 120, 1);
    ck_assert_uint_eq(g.seen.count, 0);
    say(&g, "web-1", "sda", 361, 1);
    saw(&g, 1, WF_TRUE);
    rig_end(&g);
}
END_TEST

START_TEST(of_more_origins_than_are_kept_what_is_lost_may_be_anybodys)
{
    struct wf_holes *h = NULL;
    struct wf_hole_view v;
    char name[24];

    for (unsigned i = 0; i <= WF_HOLE_ORIGINS; i++) {
        snprintf(name, sizeof name, "h%u", i);
        const struct wf_loss loss = { .origin = name, .count = 1, .now_ms = MONDAY_MS };
        wf_holes_view(h, "other", &v);
        ck_assert(!v.hole.open && !v.number);
        ck_assert_int_eq(wf_holes_lose(&h, &loss, 60000), WEFT_OK);
    }
    wf_holes_view(h, "other", &v);
    ck_assert(v.hole.open);
    ck_assert_uint_eq(v.hole.count, 1);
    wf_holes_heard(h, "other", MONDAY_MS + 1);
    wf_holes_view(h, "other", &v);
    ck_assert(!v.hole.open && v.hole.ms == MONDAY_MS + 1);
    wf_holes_view(h, NULL, &v);
    ck_assert(v.hole.open); // those of the others
    wf_holes_tick(h, MONDAY_MS + 60002, 60000);
    wf_holes_view(h, NULL, &v);
    ck_assert(!v.hole.open);
    wf_holes_view(h, "h7", &v);
    ck_assert_uint_eq(v.number, 0); // forgotten
    wf_holes_free(h);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rules_loss");
    TCase *t = tcase_create("all");

    tcase_add_test(t, lost_records_make_unknown_what_could_rest_on_them);
    tcase_add_test(t, of_lost_records_that_nobody_knows_whose_they_were_any_may_be_the_origin);
    tcase_add_test(
        t, rows_of_an_inventory_that_were_lost_are_unknown_until_its_next_whole_snapshot);
    tcase_add_test(t, what_a_condition_says_of_a_window_with_a_hole_is_what_is_known);
    tcase_add_test(t, an_alert_lasts_as_long_as_a_hole_may_hide_that_it_is_not_over);
    tcase_add_test(t, series_that_are_not_told_apart_by_origin_miss_what_any_origin_lost);
    tcase_add_test(t, occurrences_that_were_lost_are_not_none);
    tcase_add_test(t, what_has_to_hold_holds_over_a_hole_and_not_over_a_silence);
    tcase_add_test(t, other_rules_and_other_schemas_know_of_what_was_lost);
    tcase_add_test(t, of_more_origins_than_are_kept_what_is_lost_may_be_anybodys);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
