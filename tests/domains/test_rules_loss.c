// SPDX-License-Identifier: Apache-2.0
// Rules that are SQL when records never come: what was lost is neither fine nor over.
#include <stdlib.h>

#include "tests/domains/sql_rig.h"

#define FULL                                                                                       \
    "rules: {r: {sql: 'SELECT _origin, max(used) AS value, _offset FROM servers_disks WHERE "      \
    "used > 0.9 GROUP BY _origin', over: servers/disks for 5m, by: _origin, every: 10s}}"

static void lose(struct rig *g, struct wf_shape *of, const char *origin, int64_t at_s)
{
    wf_engine_lose(g->e, of, origin, 7, MONDAY_MS + at_s * 1000);
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
    ck_assert_uint_eq(g.seen.count, 3); // of web-2 all is there
    ck_assert_int_eq(g.seen.all[2].truth, WF_FALSE);
    ck_assert_str_eq(g.seen.all[2].labels, "{_origin=\"web-2\"}");
    is_state(&g, "r", WF_SQL_UNKNOWN,
        "7 records of servers/disks from web-1 are lost: what rests on them is unknown for 120s "
        "more");
    for (int64_t s = 480; s <= 540; s += 60)
        say(&g, "web-1", "sda", s, 0.5);
    say(&g, "web-2", "sda", 540, 0.5);
    tick(&g, 540); // the record behind them is out of the window: so are they
    ck_assert_uint_eq(g.seen.count, 4);
    ck_assert_int_eq(g.seen.all[3].truth, WF_FALSE);
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
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert_int_eq(g.seen.all[1].truth, WF_FALSE);
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
    ck_assert_uint_eq(g.seen.count, 2);
    ck_assert_int_eq(g.seen.all[1].truth, WF_TRUE);
    is_state(&g, "r", WF_SQL_UNKNOWN,
        "7 records of servers/owners from cmdb are lost: what rests on them is unknown until its "
        "next whole snapshot");
    own(&g, "web-1", NULL);
    tick(&g, 60);
    ck_assert_uint_eq(g.seen.count, 2); // gone, but another row of it may have been lost
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, false), WEFT_OK);
    ck_assert_int_eq(wf_engine_mark(g.e, &g.owners, "cmdb", g.offset++, true), WEFT_OK);
    tick(&g, 90);
    ck_assert_uint_eq(g.seen.count, 3);
    ck_assert_int_eq(g.seen.all[2].truth, WF_FALSE);
    is_state(&g, "r", WF_SQL_OK, "");
    rig_end(&g);
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
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
