// SPDX-License-Identifier: Apache-2.0
// Rules that are SQL: what their rows make of alerts, and what happens when something of it is missing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/domains/sql_rig.h"

// ---- rules and records -----------------------------------------------------------------------------------------------------

#define OWNED                                                                                      \
    "rules: {r: {sql: 'SELECT d._origin AS host, disk, owner, used AS value, d._origin, "          \
    "d._offset "                                                                                   \
    "FROM servers_disks d JOIN servers_owners o ON o.host = d._origin WHERE used > 0.9 AND "       \
    "d._time = (SELECT max(_time) FROM servers_disks WHERE _origin = d._origin)', over: "          \
    "'servers/disks for 5m, servers/owners', by: [host, disk]}}"

START_TEST(each_row_is_a_series_with_labels_value_columns_and_evidence)
{
    struct rig g;

    rig_begin(&g, OWNED, NULL);
    own(&g, "web-1", "shop");
    say(&g, "web-1", "sda", 0, 0.5);
    say(&g, "web-2", "sda", 0, 0.95);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 0);
    say(&g, "web-1", "sda", 60, 0.95);
    tick(&g, 29);
    ck_assert_uint_eq(g.seen.count, 0); // not due
    tick(&g, 60);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_int_eq(g.seen.all[0].truth, WF_TRUE);
    ck_assert_str_eq(g.seen.all[0].labels, "{disk=\"sda\", host=\"web-1\"}");
    ck_assert(g.seen.all[0].has_value && g.seen.all[0].record);
    ck_assert_double_eq(g.seen.all[0].value, 0.95);
    ck_assert_str_eq(g.seen.all[0].product, "servers/disks");
    ck_assert_str_eq(g.seen.all[0].origin, "web-1");
    ck_assert_uint_eq(g.seen.all[0].offset, 3);
    ck_assert_str_eq(g.seen.all[0].owner, "shop");
    say(&g, "web-1", "sda", 90, 0.5);
    tick(&g, 90);
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert_int_eq(g.seen.all[1].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[1].labels, g.seen.all[0].labels);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

START_TEST(a_row_without_a_record_rests_on_the_window)
{
    struct rig g;

    rig_begin(&g,
        "rules: {all: {sql: 'SELECT avg(used) AS value FROM servers_disks HAVING value > 0.9', "
        "over: "
        "servers/disks for 5m}, each: {sql: 'SELECT _origin, avg(used) FROM servers_disks GROUP BY "
        "_origin HAVING avg(used) > 0.9', over: servers/disks for 5m, by: _origin}}",
        NULL);
    say(&g, "web-1", "sda", 0, 0.95);
    say(&g, "web-2", "sda", 1, 0.95);
    say(&g, "web-1", "sda", 2, 0.95);
    tick(&g, 3);
    ck_assert_uint_eq(g.seen.count, 3);
    ck_assert_str_eq(g.seen.all[0].labels, "{}");
    ck_assert_str_eq(g.seen.all[0].detail, "over servers/disks 0..2 of web-1, 1..1 of web-2");
    ck_assert(g.seen.all[0].record);
    ck_assert_uint_eq(g.seen.all[0].offset, 2); // the newest
    ck_assert_str_eq(g.seen.all[0].origin, "web-1");
    ck_assert_str_eq(g.seen.all[2].labels, "{_origin=\"web-2\"}");
    ck_assert_str_eq(g.seen.all[2].detail, "over servers/disks 1..1 of web-2");
    ck_assert_uint_eq(g.seen.all[2].offset, 1);
    ck_assert(!g.seen.all[2].has_value);
    rig_end(&g);
}
END_TEST

// What proves nothing ends nothing.
START_TEST(what_is_missing_is_unknown)
{
    struct rig g;

    rig_begin(&g, OWNED, NULL);
    own(&g, "web-1", "shop");
    own(&g, "web-2", "shop");
    say(&g, "web-1", "sda", 0, 0.95);
    say(&g, "web-2", "sda", 0, 0.95);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 2);
    g.owners.seen = false;
    g.owners.cause = "node unreachable";
    tick(&g, 30);
    is_state(&g, "r", WF_SQL_UNKNOWN, "servers/owners is not seen: node unreachable");
    ck_assert_uint_eq(g.seen.count, 2);
    g.owners.seen = true;
    for (int64_t s = 60; s <= 360; s += 60)
        say(&g, "web-2", "sda", s, 0.5); // web-1 says nothing any more
    tick(&g, 360);
    ck_assert_uint_eq(g.seen.count, 3);
    ck_assert_int_eq(g.seen.all[2].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[2].labels, "{disk=\"sda\", host=\"web-2\"}");
    is_state(&g, "r", WF_SQL_UNKNOWN, "nothing of web-1 in servers/disks for too long");
    say(&g, "web-1", "sda", 370, 0.5);
    tick(&g, 390);
    ck_assert_uint_eq(g.seen.count, 4);
    ck_assert_int_eq(g.seen.all[3].truth, WF_FALSE);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

START_TEST(an_aggregate_needs_all_who_were_there)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT count(DISTINCT _origin) AS value FROM servers_disks WHERE used > "
        "0.9 HAVING "
        "value > 1', over: servers/disks for 10m}}",
        NULL);
    say(&g, "web-3", "sda", -900, 0.95); // was gone before: nobody waits for it
    say(&g, "web-1", "sda", 0, 0.95);
    say(&g, "web-2", "sda", 0, 0.95);
    tick(&g, 0);
    for (int64_t s = 60; s <= 720; s += 60)
        say(&g, "web-2", "sda", s, 0.95);
    tick(&g, 720);
    ck_assert_uint_eq(g.seen.count, 1);
    is_state(&g, "r", WF_SQL_UNKNOWN, "nothing of web-1");
    say(&g, "web-1", "sda", 730, 0.5);
    say(&g, "web-2", "sda", 730, 0.95);
    tick(&g, 750);
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert_int_eq(g.seen.all[1].truth, WF_FALSE);
    rig_end(&g);
}
END_TEST

START_TEST(of_occurrences_none_is_none)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT count(*) AS value FROM servers_disks HAVING value > 1', over: "
        "servers/disks for 10m}}",
        NULL);
    g.disks.events = true;
    say(&g, "web-1", "sda", 0, 0.95);
    say(&g, "web-2", "sda", 0, 0.95);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 1);
    tick(&g, 750);
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert_int_eq(g.seen.all[1].truth, WF_FALSE);
    rig_end(&g);
}
END_TEST

// A row that was there without them does not need them.
START_TEST(who_is_gone_for_long_holds_no_other)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT host FROM servers_owners WHERE NOT EXISTS (SELECT 1 FROM "
        "servers_disks WHERE "
        "_origin = host)', over: 'servers/owners, servers/disks for 5m', by: host}}",
        NULL);
    own(&g, "web-1", "shop");
    own(&g, "web-2", "shop");
    say(&g, "web-1", "sda", 0, 0);
    say(&g, "web-2", "sda", 0, 0);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 0);
    tick(&g, 330);
    ck_assert_uint_eq(g.seen.count, 2);
    say(&g, "web-2", "sda", 350, 0);
    tick(&g, 360);
    ck_assert_uint_eq(g.seen.count, 4);
    ck_assert_str_eq(g.seen.all[3].labels, "{host=\"web-2\"}");
    ck_assert_int_eq(g.seen.all[3].truth, WF_FALSE);
    own(&g, "web-1", NULL);
    tick(&g, 390);
    ck_assert_uint_eq(g.seen.count, 5);
    ck_assert_int_eq(g.seen.all[4].truth, WF_FALSE);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

// Silent for three times the promise: its records are still there, and prove nothing.
START_TEST(a_silent_host_is_missed_before_its_window_is_empty)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT _origin, count(*) AS value FROM servers_disks GROUP BY _origin "
        "HAVING value > "
        "2', over: servers/disks for 10m, by: _origin}}",
        NULL);
    for (int64_t s = 0; s <= 120; s += 60)
        say(&g, "web-1", "sda", s, 0.95);
    tick(&g, 120);
    ck_assert_uint_eq(g.seen.count, 1);
    tick(&g, 600 + 30); // two of three are left
    ck_assert_uint_eq(g.seen.count, 1);
    is_state(&g, "r", WF_SQL_UNKNOWN, "nothing of web-1");
    rig_end(&g);
}
END_TEST

START_TEST(what_a_rule_lacks_is_said)
{
    struct rig g;
    struct wf_engine_stats stats;

    rig_begin(&g,
        "rules: {gone: {sql: SELECT 1 FROM servers_nothing, over: servers/nothing for 5m}, late: "
        "{sql: SELECT 1 "
        "FROM servers_owners, over: servers/owners}, wrong: {sql: SELECT 1 FROM servers_disks, "
        "over: "
        "servers/disks}}",
        NULL);
    g.owners.field_count = 0;
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.owners), WEFT_OK);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 0);
    is_state(&g, "gone", WF_SQL_WAITS,
        "servers/nothing is not read: nobody granted it, or there is none");
    is_state(&g, "late", WF_SQL_WAITS, "the schema of servers/owners is not known yet");
    is_state(&g, "wrong", WF_SQL_BROKEN, "servers/disks is no inventory: say how long");
    // The worst of all is what status says.
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem,
        "rule wrong: broken: servers/disks is no inventory: say how long, as in "
        "servers/disks for 10m");
    g.owners.field_count = 2;
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.owners), WEFT_OK);
    own(&g, "web-1", "shop");
    tick(&g, 30);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_str_eq(g.seen.all[0].rule, "late");
    rig_rules(&g,
        "rules: {gone: {sql: SELECT 1 FROM servers_nothing, over: servers/nothing for 5m}}", 31);
    tick(&g, 60);
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem, ""); // it may come
    tick(&g, 720);
    wf_engine_stats(g.e, &stats);
    ck_assert_str_eq(stats.problem,
        "rule gone: waits: servers/nothing is not read: nobody granted it, or there is none");
    rig_end(&g);
}
END_TEST

START_TEST(a_broken_rule_stops_no_other)
{
    static const struct wf_engine_limits limits = { .sql.steps = 100000 };
    struct rig g;

    rig_begin(&g,
        "rules: {ends: {sql: 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT "
        "sum(i) FROM n', over: servers/disks for 5m}, column: {sql: SELECT size FROM "
        "servers_disks, over: "
        "servers/disks for 5m}, many: {sql: 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + "
        "1 FROM n "
        "WHERE i < 1001) SELECT i FROM n', over: servers/disks for 5m, by: i}, long: {sql: 'WITH "
        "RECURSIVE n(i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, printf(''%2000d'', i) AS "
        "a, "
        "printf(''%2000d'', i) AS b, printf(''%2000d'', i) AS c FROM n', over: servers/disks for "
        "5m, by: i}, value: "
        "{sql: SELECT "
        "disk FROM "
        "servers_disks, over: servers/disks for 5m}}",
        &limits);
    say(&g, "web-1", "sda", 0, 1);
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 1); // of 1,001 rows not one was said
    ck_assert_str_eq(g.seen.all[0].rule, "value");
    is_state(&g, "ends", WF_SQL_BROKEN, "stopped: it takes more than 100000 steps");
    is_state(&g, "column", WF_SQL_BROKEN, "no such column: size");
    is_state(&g, "long", WF_SQL_BROKEN, "4 MiB of texts");
    is_state(&g, "many", WF_SQL_BROKEN, "the answer has more than 1000 rows or 4 MiB of texts");
    rig_end(&g);
}
END_TEST

START_TEST(a_column_that_comes_mends_a_rule)
{
    static const struct wf_shape_field more[] = { { "disk", false, true, "TEXT" },
        { "used", false, false, "REAL" }, { "size", false, false, "REAL" } };
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT max(size) FROM servers_disks', over: servers/disks for 5m, "
        "every: 1s}}",
        NULL);
    say(&g, "web-1", "sda", 0, 1);
    for (int64_t at = 0; at < 4; at++)
        tick(&g, at); // fails at 0, 1 and 3: it is asked again after 1, 2, 4 times its every
    is_state(&g, "r", WF_SQL_BROKEN, "no such column: size");
    g.disks.fields = more;
    g.disks.field_count = 3;
    ck_assert_int_eq(wf_engine_reshape(g.e, &g.disks), WEFT_OK);
    tick(&g, 6);
    ck_assert_uint_eq(g.seen.count, 0);
    tick(&g, 7);
    ck_assert_uint_eq(g.seen.count, 1);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
}
END_TEST

START_TEST(rows_of_the_same_labels_are_one_series_and_that_is_said)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT disk, used AS value FROM servers_disks ORDER BY used DESC', "
        "over: servers/disks "
        "for 5m, by: disk}}",
        NULL);
    say(&g, "web-1", "sda", 0, 1);
    say(&g, "web-1", "sda", 1, 2);
    tick(&g, 2);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_double_eq(g.seen.all[0].value, 2); // the first of them
    is_state(&g, "r", WF_SQL_OK, "1 rows have the labels of another one");
    rig_end(&g);
}
END_TEST

START_TEST(a_window_that_was_cut_is_said_with_the_alert)
{
    static const struct wf_engine_limits limits = { .sql.rows = 20 };
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT _origin, max(_offset) AS _offset, count(*) AS value FROM "
        "servers_disks GROUP BY "
        "_origin', over: servers/disks for 5m, by: _origin}}",
        &limits);
    for (int64_t s = 0; s < 60; s++)
        say(&g, "web-1", "sda", s, 1);
    tick(&g, 60);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert(strstr(g.seen.all[0].detail, "servers/disks reaches back") != NULL);
    is_state(&g, "r", WF_SQL_CUT, "s instead of 300: there is no room for more");
    for (int64_t s = 60; s < 600; s += 60)
        say(&g, "web-1", "sda", s, 1);
    tick(&g, 600);
    is_state(&g, "r", WF_SQL_OK, ""); // what was cut is older than the span now
    rig_end(&g);
}
END_TEST

// ---- inventories -----------------------------------------------------------------------------------------------------------

START_TEST(an_inventory_is_its_rows_of_now)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT host, owner FROM servers_owners', over: servers/owners, by: "
        "[host, owner], every: "
        "1s}}",
        NULL);
    own(&g, "a", "x");
    own(&g, "b", "x");
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 2);
    own(&g, "a", "y"); // another row of the same key
    tick(&g, 1);
    ck_assert_uint_eq(g.seen.count, 5);
    own(&g, "b", NULL);
    tick(&g, 2);
    ck_assert_uint_eq(g.seen.count, 7);
    ck_assert_int_eq(g.seen.all[6].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[6].labels, "{host=\"b\", owner=\"x\"}");
    // A snapshot says all rows again: those that it does not say are gone, when it is whole.
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, false), WEFT_OK);
    own(&g, "c", "z");
    tick(&g, 3);
    ck_assert_uint_eq(g.seen.count, 9);
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "other", g.offset++, true), WEFT_OK);
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, true), WEFT_OK);
    tick(&g, 4);
    ck_assert_uint_eq(g.seen.count, 11);
    ck_assert_int_eq(g.seen.all[10].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[10].labels, "{host=\"a\", owner=\"y\"}");
    rig_end(&g);
}
END_TEST

// ---- restart, reload -------------------------------------------------------------------------------------------------------

START_TEST(an_alert_of_an_earlier_run_ends_when_its_row_is_gone)
{
    struct rig g;
    struct wf_labels labels;

    wf_labels_init(&labels);
    ck_assert(
        wf_labels_set(&labels, "host", "web-1", 5) && wf_labels_set(&labels, "disk", "sda", 3));
    rig_begin(&g, OWNED, NULL);
    struct wf_engine_kept kept = {
        .rule = "r", .labels = &labels, .product = "servers/disks", .origin = "web-1"
    };
    ck_assert_int_eq(wf_engine_was_true(g.e, &kept), WEFT_OK);
    kept.rule = "other";
    ck_assert_int_eq(wf_engine_was_true(g.e, &kept), WEFT_OK);
    own(&g, "web-1", "shop");
    tick(&g, 0);
    ck_assert_uint_eq(g.seen.count, 0); // not a word of web-1 yet
    is_state(&g, "r", WF_SQL_UNKNOWN, "nothing of web-1");
    say(&g, "web-1", "sda", 20, 0.5);
    tick(&g, 30);
    ck_assert_uint_eq(g.seen.count, 1);
    ck_assert_int_eq(g.seen.all[0].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[0].labels, "{disk=\"sda\", host=\"web-1\"}");
    rig_end(&g);
}
END_TEST

START_TEST(a_reload_keeps_what_is_the_same)
{
    struct rig g;

    rig_begin(&g, OWNED, NULL);
    ck_assert(wf_engine_lacks(g.e, "servers/disks") && wf_engine_lacks(g.e, "servers/owners"));
    ck_assert(!wf_engine_lacks(g.e, "servers/disks"));
    own(&g, "web-1", "shop");
    say(&g, "web-1", "sda", 0, 0.95);
    tick(&g, 0);
    rig_rules(&g, OWNED, 10);
    ck_assert(!wf_engine_lacks(g.e, "servers/disks"));
    tick(&g, 30);
    ck_assert_uint_eq(g.seen.count, 2); // the window is there
    rig_rules(
        &g, "rules: {r: {sql: 'SELECT 1 FROM servers_disks', over: 'servers/disks for 9m'}}", 40);
    ck_assert_uint_eq(g.seen.count, 3);
    ck_assert(g.seen.all[2].gone);
    ck_assert_str_eq(g.seen.all[2].detail, "its rule was removed or changed");
    ck_assert(wf_engine_lacks(g.e, "servers/disks")); // a longer window begins in the past
    ck_assert(!wf_engine_lacks(g.e, "servers/owners"));
    ck_assert_int_eq(wf_engine_span(g.e, "servers/disks"), 540000);
    say(&g, "web-1", "sda", 0, 0.95);
    tick(&g, 60);
    ck_assert_uint_eq(g.seen.count, 4);
    rig_rules(&g, "rules: {}", 70);
    ck_assert_uint_eq(g.seen.count, 5);
    ck_assert(g.seen.all[4].gone);
    ck_assert(!wf_engine_wants(g.e, "servers/disks"));
    rig_end(&g);
}
END_TEST

START_TEST(a_rule_that_comes_later_finds_the_products_that_are_there)
{
    struct rig g;

    rig_begin(&g, "rules: {}", NULL);
    own(&g, "web-1", "shop");
    rig_rules(&g, "rules: {r: {servers/disks: used > 5}}", 0);
    rig_rules(&g, OWNED, 0);
    ck_assert(wf_engine_lacks(g.e, "servers/owners"));
    own(&g, "web-1", "shop"); // read again
    say(&g, "web-1", "sda", 0, 0.95);
    tick(&g, 0);
    is_state(&g, "r", WF_SQL_OK, "");
    ck_assert_uint_eq(g.seen.count, 1);
    rig_end(&g);
}
END_TEST

// A host that was given up is not waited for.
START_TEST(who_is_silent_for_longer_than_forget_holds_nothing)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT count(*) AS value FROM servers_disks HAVING value > 1', over: "
        "servers/disks for "
        "5m, forget: 1h}}",
        NULL);
    say(&g, "web-1", "sda", 0, 1);
    say(&g, "web-2", "sda", 0, 1);
    tick(&g, 0);
    tick(&g, 3570);
    ck_assert_uint_eq(g.seen.count, 1);
    is_state(&g, "r", WF_SQL_UNKNOWN, "nothing of web-");
    tick(&g, 3660);
    tick(&g, 3690);
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert_int_eq(g.seen.all[1].truth, WF_FALSE);
    rig_end(&g);
}
END_TEST

// A read that begins again brings records a second time.
START_TEST(a_record_that_comes_twice_is_one)
{
    struct rig g;

    rig_begin(&g,
        "rules: {r: {sql: 'SELECT count(*) AS value FROM servers_disks', over: servers/disks for "
        "5m, every: 1s}}",
        NULL);
    say(&g, "web-1", "sda", 0, 1);
    g.offset = 0;
    say(&g, "web-1", "sda", 0, 1);
    tick(&g, 0);
    ck_assert_double_eq(g.seen.all[0].value, 1);
    rig_end(&g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.rules_sql");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_row_is_a_series_with_labels_value_columns_and_evidence);
    tcase_add_test(t, a_row_without_a_record_rests_on_the_window);
    tcase_add_test(t, what_is_missing_is_unknown);
    tcase_add_test(t, an_aggregate_needs_all_who_were_there);
    tcase_add_test(t, of_occurrences_none_is_none);
    tcase_add_test(t, who_is_gone_for_long_holds_no_other);
    tcase_add_test(t, a_silent_host_is_missed_before_its_window_is_empty);
    tcase_add_test(t, what_a_rule_lacks_is_said);
    tcase_add_test(t, a_broken_rule_stops_no_other);
    tcase_add_test(t, a_column_that_comes_mends_a_rule);
    tcase_add_test(t, rows_of_the_same_labels_are_one_series_and_that_is_said);
    tcase_add_test(t, a_window_that_was_cut_is_said_with_the_alert);
    tcase_add_test(t, an_inventory_is_its_rows_of_now);
    tcase_add_test(t, an_alert_of_an_earlier_run_ends_when_its_row_is_gone);
    tcase_add_test(t, a_reload_keeps_what_is_the_same);
    tcase_add_test(t, a_rule_that_comes_later_finds_the_products_that_are_there);
    tcase_add_test(t, who_is_silent_for_longer_than_forget_holds_nothing);
    tcase_add_test(t, a_record_that_comes_twice_is_one);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
