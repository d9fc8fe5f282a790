// SPDX-License-Identifier: Apache-2.0
// The clock is set back by an hour while alerts are told: nobody waits for the hour.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/alert/notify.h"

#define HOUR_MS 3600000
#define NOON_MS 1767571200000

struct rig {
    struct weft_conf *conf;
    struct wf_notify_conf *notify;
    struct wf_notify *n;
    struct wf_alerts *alerts;
    int64_t now_ms;
};

static void rig_init(struct rig *g, const char *target)
{
    char yaml[256];

    memset(g, 0, sizeof *g);
    snprintf(yaml, sizeof yaml,
        "notify: {wait: 1s, interval: 10s, repeat: 0, alive: 1m, to: [%s]}\n", target);
    ck_assert_int_eq(weft_conf_parse(yaml, strlen(yaml), "n.yaml", &g->conf, NULL), WEFT_OK);
    g->notify = wf_notify_read(g->conf);
    ck_assert_str_eq(weft_conf_errors(g->conf), "");
    g->n = wf_notify_new(g->notify, "servers/watch");
    g->alerts = wf_alerts_new(NULL, NULL);
    ck_assert(g->n && g->alerts);
    g->now_ms = NOON_MS;
}

static void rig_fini(struct rig *g)
{
    wf_notify_free(g->n);
    wf_notify_conf_free(g->notify);
    wf_alerts_free(g->alerts);
    weft_conf_free(g->conf);
}

static void fire(struct rig *g, const char *id)
{
    static struct wf_alert a;

    memset(&a, 0, sizeof a);
    snprintf(a.id, sizeof a.id, "%s", id);
    snprintf(a.rule, sizeof a.rule, "full");
    snprintf(a.product, sizeof a.product, "servers/disks");
    a.state = WF_ALERT_FIRING;
    a.fired_ms = a.since_ms = g->now_ms;
    a.told = a.kept_told = WF_ALERT_PENDING;
    wf_labels_init(&a.series);
    ck_assert(wf_labels_set(&a.series, "disk", id, strlen(id)));
    a.labels = a.series;
    ck_assert_int_eq(wf_alerts_put(g->alerts, &a), WEFT_OK);
}

static struct wf_notify_stats turn(struct rig *g, int64_t later_ms)
{
    struct wf_notify_stats stats;

    g->now_ms += later_ms;
    for (int i = 0; i < 20; i++) { // what is under way ends meanwhile
        wf_notify_wake(g->n);
        wf_notify_turn(g->n, g->alerts, NULL, 0, g->now_ms);
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    wf_notify_stats(g->n, &stats);
    return stats;
}

START_TEST(a_group_that_was_told_in_the_hour_to_come_is_told_of_its_news_all_the_same)
{
    struct rig g;

    rig_init(&g, "stdout");
    fire(&g, "00aa");
    turn(&g, 0);
    uint64_t before = turn(&g, 1000).messages; // a sign of life, and the alert
    ck_assert_uint_eq(before, 2);
    fire(&g, "00ab");
    turn(&g, 1000);
    turn(&g, -HOUR_MS);
    // Nine seconds of its interval are left, whatever the clock says.
    ck_assert_uint_eq(
        turn(&g, 8000).messages, before + 1); // the sign of life that came with the step
    ck_assert_uint_eq(turn(&g, 2000).messages, before + 2);
    ck_assert_uint_eq(turn(&g, 1000).messages, before + 2);
    rig_fini(&g);
}
END_TEST

START_TEST(news_that_gather_while_the_clock_steps_are_told)
{
    struct rig g;

    rig_init(&g, "stdout");
    turn(&g, 0);
    fire(&g, "00aa");
    turn(&g, 500);
    uint64_t before = turn(&g, -HOUR_MS).messages;
    ck_assert_uint_eq(turn(&g, 2000).messages, before + 1);
    rig_fini(&g);
}
END_TEST

START_TEST(a_target_that_failed_is_tried_again_at_its_time)
{
    struct rig g;

    rig_init(&g, "{command: [/bin/false]}");
    turn(&g, 0); // the sign of life
    uint64_t failed = turn(&g, 0).failed;
    ck_assert_uint_ge(failed, 1);
    failed = turn(&g, -HOUR_MS).failed;
    ck_assert_uint_gt(turn(&g, 61000).failed, failed);
    rig_fini(&g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify_clock");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_group_that_was_told_in_the_hour_to_come_is_told_of_its_news_all_the_same);
    tcase_add_test(t, news_that_gather_while_the_clock_steps_are_told);
    tcase_add_test(t, a_target_that_failed_is_tried_again_at_its_time);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
