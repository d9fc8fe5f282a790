// SPDX-License-Identifier: Apache-2.0
// Messages over hours: the clock is set back while alerts are told, and nobody waits for the hour; a target is away, and hears what is over.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

// A command that a message went to has not ended yet, or nobody has asked how it did.
static bool is_under_way(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static struct wf_notify_stats turn(struct rig *g, int64_t later_ms)
{
    struct wf_notify_stats stats;

    g->now_ms += later_ms;
    for (int i = 0; i < 4 || (is_under_way() && i < 4000); i++) {
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
    uint64_t failed = turn(&g, 0).queues.failed;
    ck_assert_uint_ge(failed, 1);
    failed = turn(&g, -HOUR_MS).queues.failed;
    ck_assert_uint_gt(turn(&g, 61000).queues.failed, failed);
    rig_fini(&g);
}
END_TEST

// After two hours nobody needs to hear that something began to fire, but who heard of it has to hear that it is over.
START_TEST(a_target_that_was_away_for_hours_hears_what_is_over)
{
    char path[64] = "/tmp/weft-notify-XXXXXX", target[200];
    int fd = mkstemp(path);
    struct rig g;

    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(remove(path), 0); // while it is away
    snprintf(target, sizeof target, "{command: [sh, -c, 'test -e %s && cat >>%s']}", path, path);
    rig_init(&g, target);
    fire(&g, "00aa");
    wf_alerts_first(g.alerts)->told = WF_ALERT_FIRING; // in time
    wf_alerts_first(g.alerts)->told_ms = g.now_ms;
    turn(&g, 0);
    wf_alerts_first(g.alerts)->state = WF_ALERT_RESOLVED;
    turn(&g, 20000);
    turn(&g, 1000);
    fire(&g, "00bb");
    turn(&g, 20000);
    for (int i = 0; i < 3; i++)
        turn(&g, HOUR_MS);
    FILE *f = fopen(path, "w");
    ck_assert(f && fclose(f) == 0);
    turn(&g, 61000);
    char text[8192] = "";
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    size_t len = fread(text, 1, sizeof text - 1, f);
    ck_assert(len > 0 && fclose(f) == 0);
    ck_assert_ptr_nonnull(strstr(text, "00aa"));
    ck_assert_ptr_nonnull(strstr(text, "\"state\":\"resolved\""));
    ck_assert_ptr_null(strstr(text, "00bb")); // that it began to fire is hours old
    ck_assert_int_eq(remove(path), 0);
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
    tcase_add_test(t, a_target_that_was_away_for_hours_hears_what_is_over);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
