// SPDX-License-Identifier: Apache-2.0
// A product that its owner ended takes its rules along, and they stay gone while the catalog still shows it; when it is made anew they come again.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/judge.h"
#include "tests/domains/fake_weft.h"
#include "tests/support/support.h"

struct rig {
    struct judge j;
    struct wf_mon_feed feed, *feeds[1];
    struct judged own;
    struct fake_product *product;
};

static void on_alert(void *arg, struct wf_alert *a, enum wf_alert_step step)
{
    (void)arg, (void)a, (void)step;
}

static void on_observed(void *arg, const struct wf_observed *o)
{
    (void)arg, (void)o;
}

static void rig_init(struct rig *g)
{
    char path[300];
    struct weft_problem p = { 0 };

    memset(g, 0, sizeof *g);
    fake_reset();
    g->product = fake_product("servers/load", WEFT_METRIC, "load1", "weft.test.Load");
    snprintf(path, sizeof path, "%s/rules.yaml", wf_test_tmpdir());
    FILE *f = fopen(path, "w");
    ck_assert(f && fputs("take: {servers/*: all}\n", f) != EOF && fclose(f) == 0);
    ck_assert_int_eq(wf_rules_file_open(path, 0, &g->j.file), 0);
    snprintf(path, sizeof path, "%s/alerts.db", wf_test_tmpdir());
    ck_assert_int_eq(wf_book_open(path, WF_BOOK_KEEP, &g->j.book, &p), WEFT_OK);
    g->j.engine = wf_engine_new(NULL, on_observed, NULL);
    g->j.alerts = wf_alerts_new(on_alert, NULL);
    g->j.taken = wf_taken_new();
    ck_assert(g->j.engine && g->j.alerts && g->j.taken);
    ck_assert(wf_judge_use_rules(&g->j, g->j.file.rules));
    ck_assert_int_eq(wf_mon_scout_start(NULL, 3600000, &g->j.watch.scout), WEFT_OK);
    snprintf(g->feed.product, sizeof g->feed.product, "servers/load");
    g->feed.sink = &g->j.sink;
    g->feed.own = &g->own;
    g->feeds[0] = &g->feed;
    g->j.watch.feeds = g->feeds;
    g->j.watch.count = 1;
}

static void rig_fini(struct rig *g)
{
    wf_mon_feed_fini(&g->feed);
    wf_mon_scout_stop(g->j.watch.scout);
    wf_engine_free(g->j.engine);
    wf_alerts_free(g->j.alerts);
    wf_rules_free(g->j.rules);
    wf_taken_free(g->j.taken);
    wf_book_close(g->j.book);
    wf_rules_file_close(&g->j.file);
    fake_reset();
}

// A catalog came, with the product or without it. How many rules are in force then.
static size_t hear(struct rig *g, bool there)
{
    char text[] = "rules: {full: {when: load > 1}}\n";
    struct wf_mon_found found = { .product = "servers/load",
        .kind = WEFT_METRIC,
        .version = "1.0.0",
        .owner = "servers",
        .rules = "hash-of-them",
        .text = text };

    wf_judge_found(&g->j, &found, there);
    return g->j.rules->count;
}

// The stream says one thing more; it is read from its beginning.
static void state(struct rig *g, enum weft_stream_state state)
{
    size_t records = 0;

    fake_state(g->product, state, WEFT_OK, "");
    wf_mon_feed_fini(&g->feed);
    wf_mon_feed_open(&g->feed, NULL, 0);
    ck_assert_ptr_nonnull(g->feed.sub);
    ck_assert_int_eq(wf_mon_feed_take(&g->feed, 10, 0, &records), WEFT_OK);
    wf_judge_end_taken(&g->j);
}

START_TEST(rules_of_a_product_that_ended_stay_gone_while_the_catalog_shows_it)
{
    struct rig g;

    rig_init(&g);
    ck_assert_uint_eq(g.j.rules->count, 0);
    ck_assert_uint_eq(hear(&g, true), 1);
    ck_assert_str_eq(g.j.rules->rules[0]->name, "servers/load:full");
    state(&g, WEFT_STREAM_UNREACHABLE); // away is not ended
    ck_assert_uint_eq(g.j.rules->count, 1);
    state(&g, WEFT_STREAM_STOPPED);
    ck_assert_uint_eq(g.j.rules->count, 0);
    ck_assert_uint_eq(hear(&g, true), 0); // the catalog is older than the stream
    ck_assert_uint_eq(hear(&g, true), 0);
    ck_assert_uint_eq(hear(&g, false), 0); // one node heard of it, too
    g.own.absent_ms -= 59000;
    ck_assert_uint_eq(hear(&g, true), 0); // and another one did not
    ck_assert_uint_eq(hear(&g, false), 0);
    ck_assert_uint_eq(hear(&g, false), 0);
    ck_assert_uint_eq(hear(&g, true), 0);
    ck_assert_uint_eq(hear(&g, false), 0);
    g.own.absent_ms -= 60001; // a minute goes by
    ck_assert_uint_eq(hear(&g, false), 0);
    ck_assert_uint_eq(hear(&g, true), 1); // made anew
    rig_fini(&g);
}
END_TEST

// Whom other rules look at is read on: that records flow again is news enough.
START_TEST(rules_of_a_product_whose_records_flow_again_come_again)
{
    struct rig g;

    rig_init(&g);
    ck_assert_uint_eq(hear(&g, true), 1);
    state(&g, WEFT_STREAM_STOPPED);
    ck_assert_uint_eq(hear(&g, true), 0);
    state(&g, WEFT_STREAM_UNREACHABLE);
    ck_assert_uint_eq(hear(&g, true), 0);
    state(&g, WEFT_STREAM_LIVE);
    ck_assert_uint_eq(hear(&g, true), 1);
    rig_fini(&g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge_ended");
    TCase *t = tcase_create("all");

    tcase_add_test(t, rules_of_a_product_that_ended_stay_gone_while_the_catalog_shows_it);
    tcase_add_test(t, rules_of_a_product_whose_records_flow_again_come_again);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
