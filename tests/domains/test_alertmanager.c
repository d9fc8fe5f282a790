// SPDX-License-Identifier: Apache-2.0
// An Alertmanager as a target, in its place a receiver that refuses, redirects, hangs, is away and comes back. That a real one takes what it is sent,
// e2e.monitor_alerts shows.
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/alert/notify.h"
#include "tests/domains/fake_http.h"

#define MIDNIGHT_MS 1767571200000 // 2026-01-05T00:00:00Z
#define PATIENCE_S  60

static int64_t seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static struct fake_http *http;
static struct weft_conf *conf;
static struct wf_notify_conf *notify;
static struct wf_notify *n;
static struct wf_alerts *alerts;
static struct wf_notify_stats stats;
static int64_t now_ms, due_ms;

static void setup(void)
{
    char text[200];

    http = fake_http_new();
    snprintf(text, sizeof text, "notify: {to: [{alertmanager: 'http://127.0.0.1:%u/am/'}]}",
        fake_http_port(http));
    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "n.yaml", &conf, NULL), WEFT_OK);
    notify = wf_notify_read(conf);
    ck_assert_str_eq(weft_conf_errors(conf), "");
    n = wf_notify_new(notify, "monitoring/watch");
    alerts = wf_alerts_new(NULL, NULL);
    ck_assert(n && alerts);
    now_ms = MIDNIGHT_MS;
}

static void teardown(void)
{
    wf_notify_free(n);
    wf_notify_conf_free(notify);
    wf_alerts_free(alerts);
    weft_conf_free(conf);
    if (http)
        fake_http_free(http);
    http = NULL;
}

static struct wf_alert *fire(unsigned id)
{
    static struct wf_alert a;
    char label[16];

    memset(&a, 0, sizeof a);
    snprintf(a.id, sizeof a.id, "%08x", id);
    snprintf(a.rule, sizeof a.rule, "disk-full");
    snprintf(a.product, sizeof a.product, "servers/disks");
    a.state = WF_ALERT_FIRING;
    a.fired_ms = a.since_ms = now_ms;
    a.told = a.kept_told = WF_ALERT_PENDING;
    wf_labels_init(&a.series);
    snprintf(label, sizeof label, "d%u", id);
    ck_assert(wf_labels_set(&a.series, "disk", label, strlen(label)));
    a.labels = a.series;
    ck_assert_int_eq(wf_alerts_put(alerts, &a), WEFT_OK);
    return wf_alerts_find(alerts, a.id);
}

static void turn(int64_t later_ms)
{
    now_ms += later_ms;
    wf_notify_wake(n);
    due_ms = wf_notify_turn(n, alerts, NULL, 0, now_ms);
    wf_notify_stats(n, &stats);
    if (http)
        fake_http_turn(http);
}

// Something is under way: the next turn is due sooner than any pause ends.
static bool is_busy(void)
{
    return !wf_notify_is_idle(n) && due_ms - now_ms < 100;
}

// The clock of alerts stands; that of the line goes on until so many attempts failed, or, as many having failed, all is sent or waits for its turn.
static void settle(int64_t later_ms, uint64_t failed)
{
    const int64_t end = seconds() + PATIENCE_S;

    turn(later_ms);
    while (stats.queues.failed < failed || is_busy()) {
        ck_assert_msg(seconds() < end, "%zu requests, %llu failed, %llu wait: %s",
            http ? fake_http_count(http) : 0, (unsigned long long)stats.queues.failed,
            (unsigned long long)stats.waiting, stats.queues.problem);
        poll(NULL, 0, 1);
        turn(0);
    }
}

// The nth request says of the alert that it ends then.
static void says_end(size_t i, const char *disk, int64_t ends_ms)
{
    const char *body = fake_http_at(http, i)->body;
    char key[64], want[64];
    time_t s = (time_t)(ends_ms / 1000);
    struct tm tm;

    snprintf(key, sizeof key, "\"disk\":\"%s\"", disk);
    const char *at = strstr(body, key);
    ck_assert_msg(at != NULL, "%s is not in %s", disk, body);
    at = strstr(at, "\"endsAt\":\"");
    ck_assert_ptr_nonnull(at);
    strftime(want, sizeof want, "\"endsAt\":\"%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));
    ck_assert_msg(strncmp(at, want, strlen(want)) == 0, "%s, not %.40s", want, at);
}

START_TEST(what_fires_is_sent_each_minute_and_its_end_for_a_quarter_of_an_hour)
{
    struct wf_alert *a = fire(1);

    settle(0, 0);
    ck_assert_uint_eq(fake_http_count(http), 1);
    const struct fake_request *r = fake_http_at(http, 0);
    ck_assert_msg(strncmp(r->head, "POST /am/api/v2/alerts HTTP/1.1\r\n", 33) == 0, "%s", r->head);
    ck_assert_ptr_nonnull(strcasestr(r->head, "\r\nContent-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strcasestr(r->head, "\r\nUser-Agent: weft-monitor/"));
    ck_assert_ptr_null(strcasestr(r->head, "\r\nExpect:"));
    ck_assert_ptr_nonnull(strstr(r->body, "\"alertname\":\"disk-full\""));
    ck_assert_ptr_nonnull(strstr(r->body, "\"product\":\"servers/disks\""));
    ck_assert_ptr_nonnull(strstr(r->body, "\"startsAt\":\"2026-01-05T00:00:00"));
    says_end(0, "d1", MIDNIGHT_MS + 180000); // should all that follows be lost
    settle(59000, 0);
    ck_assert_uint_eq(fake_http_count(http), 1);
    settle(1000, 0);
    ck_assert_uint_eq(fake_http_count(http), 2);
    says_end(1, "d1", MIDNIGHT_MS + 240000);
    now_ms += 30000;
    a->state = WF_ALERT_RESOLVED;
    a->resolved_ms = now_ms;
    settle(0, 0); // at once, not at the next minute
    ck_assert_uint_eq(fake_http_count(http), 3);
    says_end(2, "d1", MIDNIGHT_MS + 90000);
    for (int minute = 0; minute < 30; minute++)
        settle(60000, 0);
    ck_assert_uint_eq(fake_http_count(http), 17); // 14 times within 15 minutes
    says_end(16, "d1", MIDNIGHT_MS + 90000);
    ck_assert_uint_eq(stats.queues.failed, 0);
}
END_TEST

static const struct refusal {
    int status;
    const char *header, *body, *want;
} refusals[] = {
    { 400, NULL, "start time must be before end time", "HTTP 400: start time must be before" },
    { 401, "WWW-Authenticate: Basic realm=x", "", "HTTP 401" },
    { 404, NULL, "no such path", "HTTP 404: no such path" },
    { 429, "Retry-After: 1", "", "HTTP 429" }, { 500, NULL, "a\nb\tc", "HTTP 500: " },
    { 302, "Location: /elsewhere", "", "HTTP 302" },
    { 307, "Location: /elsewhere", "", "HTTP 307" }, { -1, NULL, "", "" }, // libcurl's own words
};

START_TEST(who_refuses_is_named_and_asked_again_with_ever_longer_pauses)
{
    const struct refusal *r = &refusals[_i];

    fire(1);
    fake_http_answers(http, r->status, r->header, r->body);
    for (uint64_t i = 1, wait_ms = 0; i <= 3; i++, wait_ms = i == 2 ? 1000 : 2000) {
        if (wait_ms)
            settle(wait_ms - 200, i - 1); // not before
        ck_assert_uint_eq(fake_http_count(http), i - 1);
        settle(wait_ms ? 200 : 0, i);
        ck_assert_uint_eq(stats.queues.failed, i);
        ck_assert_uint_eq(fake_http_count(http), i);
        ck_assert_msg(strstr(stats.queues.problem, "/am/api/v2/alerts: ") != NULL &&
                          strstr(stats.queues.problem, r->want) != NULL,
            "%s", stats.queues.problem);
        ck_assert_ptr_null(strpbrk(stats.queues.problem, "\n\t"));
    }
    fake_http_answers(http, 200, NULL, "");
    settle(4000, 3);
    ck_assert(wf_notify_is_idle(n));
    ck_assert_uint_eq(fake_http_count(http), 4);
    for (size_t i = 0; i < 4; i++) { // the same, and never where a redirect led
        ck_assert_str_eq(fake_http_at(http, i)->body, fake_http_at(http, 0)->body);
        ck_assert_ptr_null(strstr(fake_http_at(http, i)->head, "elsewhere"));
    }
}
END_TEST

START_TEST(one_that_hangs_is_given_up_and_asked_again)
{
    fire(1);
    fake_http_answers(http, 0, NULL, NULL);
    settle(0, 1); // a line has ten seconds
    ck_assert_uint_eq(fake_http_count(http), 1);
    ck_assert_msg(strstr(stats.queues.problem, "timed out") != NULL, "%s", stats.queues.problem);
    fake_http_answers(http, 200, NULL, "");
    settle(1000, 1);
    ck_assert(wf_notify_is_idle(n));
    ck_assert_uint_eq(fake_http_count(http), 2);
}
END_TEST

START_TEST(one_that_comes_back_hears_how_things_are_and_nothing_old)
{
    struct wf_alert *a = fire(1);

    fake_http_answers(http, 503, NULL, "not ready");
    settle(0, 1);
    for (uint64_t minute = 2; minute < 12; minute++) {
        settle(60000, minute);
        ck_assert_uint_le(stats.waiting, 1);
    }
    size_t before = fake_http_count(http);
    fire(2);
    a->state = WF_ALERT_RESOLVED;
    a->resolved_ms = now_ms;
    fake_http_answers(http, 200, NULL, "");
    settle(60000, 11);
    ck_assert(wf_notify_is_idle(n));
    ck_assert_uint_eq(fake_http_count(http), before + 1);
    says_end(before, "d1", a->resolved_ms);
    says_end(before, "d2", now_ms + 180000);
}
END_TEST

START_TEST(many_alerts_are_several_requests)
{
    enum { MANY = 250 };
    size_t found = 0;

    for (unsigned i = 0; i < MANY; i++)
        fire(i);
    settle(0, 0);
    ck_assert_uint_eq(fake_http_count(http), 3);
    for (unsigned i = 0; i < MANY; i++) {
        char key[32];
        snprintf(key, sizeof key, "\"disk\":\"d%u\"", i);
        for (size_t k = 0; k < 3; k++)
            found += strstr(fake_http_at(http, k)->body, key) != NULL;
    }
    ck_assert_uint_eq(found, MANY);
}
END_TEST

START_TEST(where_nobody_listens_is_a_failure_too)
{
    fake_http_free(http);
    http = NULL;
    fire(1);
    settle(0, 1);
    ck_assert_msg(strstr(stats.queues.problem, "onnect") != NULL, "%s", stats.queues.problem);
    ck_assert_uint_eq(stats.waiting, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alertmanager");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 100);
    tcase_add_test(t, what_fires_is_sent_each_minute_and_its_end_for_a_quarter_of_an_hour);
    tcase_add_loop_test(t, who_refuses_is_named_and_asked_again_with_ever_longer_pauses, 0,
        sizeof refusals / sizeof *refusals);
    tcase_add_test(t, one_that_hangs_is_given_up_and_asked_again);
    tcase_add_test(t, one_that_comes_back_hears_how_things_are_and_nothing_old);
    tcase_add_test(t, many_alerts_are_several_requests);
    tcase_add_test(t, where_nobody_listens_is_a_failure_too);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
