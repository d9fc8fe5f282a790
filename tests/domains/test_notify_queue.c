// SPDX-License-Identifier: Apache-2.0
// A target that takes nothing for a while, or ever: what it has to hear waits, each alert once, and is how things are when it takes it.
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/alert/notify.h"
#include "tests/support/support.h"

#define NOON_MS 1767571200000

struct rig {
    struct weft_conf *conf;
    struct wf_notify_conf *notify;
    struct wf_notify *n;
    struct wf_alerts *alerts;
    int64_t now_ms;
    char out[300];
    int screen; // what standard output was
};

static struct wf_notify_conf *conf_of(const char *text, struct weft_conf **ret)
{
    ck_assert_int_eq(weft_conf_parse(text, strlen(text), "n.yaml", ret, NULL), WEFT_OK);
    struct wf_notify_conf *n = wf_notify_read(*ret);
    ck_assert_str_eq(weft_conf_errors(*ret), "");
    return n;
}

static void rig_init(struct rig *g, const char *text)
{
    memset(g, 0, sizeof *g);
    fflush(stdout);
    g->screen = dup(STDOUT_FILENO);
    snprintf(g->out, sizeof g->out, "%s/out", wf_test_tmpdir());
    g->notify = conf_of(text, &g->conf);
    g->n = wf_notify_new(g->notify, "servers/watch");
    g->alerts = wf_alerts_new(NULL, NULL);
    ck_assert(g->screen >= 0 && g->n && g->alerts);
    g->now_ms = NOON_MS;
}

static void rig_fini(struct rig *g)
{
    ck_assert_int_ge(dup2(g->screen, STDOUT_FILENO), 0);
    close(g->screen);
    wf_notify_free(g->n);
    wf_notify_conf_free(g->notify);
    wf_alerts_free(g->alerts);
    weft_conf_free(g->conf);
}

// Nobody reads: a pipe that is full.
static void hang(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], "x", 1) == 1)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_ge(dup2(ends[1], STDOUT_FILENO), 0);
    close(ends[1]); // the other end stays: without it writing fails
}

// Whatever is written fails at once.
static void refuse_all(void)
{
    int fd = open("/dev/full", O_WRONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(dup2(fd, STDOUT_FILENO), 0);
    close(fd);
}

static void take(const struct rig *g)
{
    int fd = open(g->out, O_CREAT | O_WRONLY | O_APPEND, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(dup2(fd, STDOUT_FILENO), 0);
    close(fd);
}

static struct wf_notify_stats turn(struct rig *g, int64_t later_ms)
{
    struct wf_notify_stats stats;

    g->now_ms += later_ms;
    wf_notify_wake(g->n);
    wf_notify_turn(g->n, g->alerts, NULL, 0, g->now_ms);
    wf_notify_stats(g->n, &stats);
    return stats;
}

static struct wf_alert *fire(struct rig *g, unsigned id, const char *rule)
{
    static struct wf_alert a;
    char label[16];

    memset(&a, 0, sizeof a);
    snprintf(a.id, sizeof a.id, "%08x", id);
    snprintf(a.rule, sizeof a.rule, "%s", rule);
    snprintf(a.product, sizeof a.product, "servers/disks");
    a.state = WF_ALERT_FIRING;
    a.fired_ms = a.since_ms = g->now_ms;
    a.told = a.kept_told = WF_ALERT_PENDING;
    wf_labels_init(&a.series);
    snprintf(label, sizeof label, "d%u", id);
    ck_assert(wf_labels_set(&a.series, "disk", label, strlen(label)));
    a.labels = a.series;
    ck_assert_int_eq(wf_alerts_put(g->alerts, &a), WEFT_OK);
    return wf_alerts_find(g->alerts, a.id);
}

static void become(struct rig *g, struct wf_alert *a, enum wf_alert_state state)
{
    a->state = state;
    if (state == WF_ALERT_FIRING)
        a->fired_ms = g->now_ms;
    else
        a->resolved_ms = g->now_ms;
}

// What was told of an alert, in order: a letter of each state, as in "fr".
static void heard(const struct rig *g, unsigned id, char *out, size_t size)
{
    struct wf_buf text = wf_test_file(g->out);
    char key[32];
    size_t n = 0;

    snprintf(key, sizeof key, "\"id\":\"%08x\"", id);
    if (text.len)
        text.ptr[text.len - 1] = '\0'; // its last line feed
    for (const char *at = text.len ? (const char *)text.ptr : ""; (at = strstr(at, key)) != NULL;
         at++) {
        const char *state = strstr(at, "\"state\":\"");
        ck_assert(state && n + 1 < size);
        out[n++] = state[9];
    }
    out[n] = '\0';
    wf_buf_fini(&text);
}

static void has_heard(const struct rig *g, unsigned id, const char *want)
{
    char got[32];

    heard(g, id, got, sizeof got);
    ck_assert_msg(strcmp(got, want) == 0, "%08x: %s, not %s", id, got, want);
}

#define GROUPS 1250u // more than messages ever waited for one target

START_TEST(a_target_that_hangs_hears_of_each_alert_once_and_how_it_is_now)
{
    static struct wf_alert *alerts[2 * GROUPS];
    struct wf_notify_stats stats = { .waiting = 0 };
    char rule[16];
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, alive: 1s, to: [stdout]}\n");
    hang();
    for (unsigned i = 0; i < 2 * GROUPS; i++) {
        snprintf(rule, sizeof rule, "rule-%u", i / 2);
        alerts[i] = fire(&g, i, rule);
    }
    turn(&g, 0);
    for (unsigned i = 0; i < 2 * GROUPS; i++)
        become(&g, alerts[i], WF_ALERT_RESOLVED);
    turn(&g, 2000);
    for (unsigned i = 1; i < 2 * GROUPS; i += 2)
        become(&g, alerts[i], WF_ALERT_FIRING);
    for (unsigned i = 0; i < 30; i++)
        stats = turn(&g, 2000);
    ck_assert_uint_eq(stats.queues.given_up, 0);
    // Two signs of life at most: one that is under way, and one that waits.
    ck_assert_uint_ge(stats.most_waiting, 2 * GROUPS + 1);
    ck_assert_uint_le(stats.most_waiting, 2 * GROUPS + 2);
    take(&g);
    for (unsigned i = 0; i < 10 && !wf_notify_is_idle(g.n); i++)
        turn(&g, 100);
    ck_assert(wf_notify_is_idle(g.n));
    unsigned once = 0;
    for (unsigned i = 0; i < 2 * GROUPS; i += 97) { // both of a group, and all over
        char got[32];
        heard(&g, i, got, sizeof got);
        ck_assert_msg(strlen(got) >= 1 && got[strlen(got) - 1] == (i % 2 ? 'f' : 'r'), "%s", got);
        once += strlen(got) == 1;
    }
    ck_assert_uint_ge(once, 24); // of 26; what was under way was told as it was
    for (unsigned i = 0; i < 2 * GROUPS; i++)
        ck_assert_int_eq(alerts[i]->kept_told, (int)alerts[i]->state);
    rig_fini(&g);
}
END_TEST

START_TEST(what_is_under_way_is_followed_by_how_it_ended)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    hang();
    struct wf_alert *a = fire(&g, 1, "full");
    turn(&g, 0);
    become(&g, a, WF_ALERT_RESOLVED);
    turn(&g, 2000);
    ck_assert_int_eq(a->kept_told, WF_ALERT_PENDING); // after a restart all of it is told
    take(&g);
    turn(&g, 100);
    has_heard(&g, 1, "fr");
    ck_assert_int_eq(a->kept_told, WF_ALERT_RESOLVED);
    rig_fini(&g);
}
END_TEST

// A message has place for a hundred names: who was not named is not told to be over, and who was, is.
START_TEST(of_a_group_without_end_everybody_who_was_named_is_told_to_be_over)
{
    static struct wf_alert *alerts[250];
    struct rig g;
    char got[32];

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    take(&g);
    for (unsigned i = 0; i < 250; i++)
        alerts[i] = fire(&g, i, "full");
    turn(&g, 0);
    turn(&g, 2000); // nothing is new: those without a name were counted
    struct wf_buf text = wf_test_file(g.out);
    ck_assert_ptr_nonnull(memmem(text.ptr, text.len, "\"more\":150,", 11));
    ck_assert_ptr_eq(memchr(text.ptr, '\n', text.len), text.ptr + text.len - 1); // one message
    wf_buf_fini(&text);
    for (unsigned i = 0; i < 250; i += 2)
        become(&g, alerts[i], WF_ALERT_RESOLVED);
    turn(&g, 2000); // half of those are over, and others take their place
    for (unsigned i = 1; i < 250; i += 2)
        become(&g, alerts[i], WF_ALERT_RESOLVED);
    for (unsigned i = 0; i < 5; i++)
        turn(&g, 2000);
    unsigned named = 0, unnamed = 0;
    for (unsigned i = 0; i < 250; i++) {
        heard(&g, i, got, sizeof got);
        size_t len = strlen(got);
        ck_assert_msg(len == 0 || (len >= 2 && got[0] == 'f' && got[len - 1] == 'r'), "%s", got);
        named += len > 0;
        unnamed += len == 0;
    }
    ck_assert_uint_ge(named, 100);
    ck_assert_uint_ge(unnamed, 1);
    rig_fini(&g);
}
END_TEST

// While a group waits for its interval its alert ended and may begin again: that it ended is told all the same.
START_TEST(the_end_of_an_alert_that_begins_again_is_told)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 10s, repeat: 0, to: [stdout]}\n");
    take(&g);
    struct wf_alert *a = fire(&g, 1, "full");
    turn(&g, 0);
    become(&g, a, WF_ALERT_RESOLVED);
    turn(&g, 1000);
    a->state = WF_ALERT_PENDING;
    turn(&g, 1000);
    has_heard(&g, 1, "f"); // the interval
    turn(&g, 10000);
    has_heard(&g, 1, "fr");
    turn(&g, 10000);
    has_heard(&g, 1, "fr");
    become(&g, a, WF_ALERT_FIRING);
    turn(&g, 10000);
    has_heard(&g, 1, "frf");
    rig_fini(&g);
}
END_TEST

START_TEST(an_alert_that_ends_and_begins_again_within_the_interval_is_told_once_more)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 10s, repeat: 0, to: [stdout]}\n");
    take(&g);
    struct wf_alert *a = fire(&g, 1, "full");
    turn(&g, 0);
    turn(&g, 1000);
    become(&g, a, WF_ALERT_FIRING); // its end found nobody who looked
    turn(&g, 1000);
    has_heard(&g, 1, "f");
    turn(&g, 10000);
    has_heard(&g, 1, "ff");
    turn(&g, 10000);
    has_heard(&g, 1, "ff");
    rig_fini(&g);
}
END_TEST

#define MINUTE 60000

START_TEST(what_waited_too_long_takes_nothing_else_with_it)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    refuse_all();
    struct wf_alert *first = fire(&g, 1, "a");
    turn(&g, 0);
    fire(&g, 3, "b");
    turn(&g, 2000);
    turn(&g, MINUTE);
    fire(&g, 9, "c");
    turn(&g, 2000);
    first->acked_ms = g.now_ms; // nobody tells of it again
    first->ack_until_ms = INT64_MAX;
    fire(&g, 2, "a");
    fire(&g, 4, "b");
    ck_assert_uint_eq(turn(&g, 58LL * MINUTE).queues.given_up, 0);
    ck_assert_int_eq(first->kept_told, WF_ALERT_PENDING);
    struct wf_notify_stats stats = turn(&g, MINUTE);
    ck_assert_uint_eq(stats.queues.given_up, 1);
    ck_assert_str_eq(stats.queues.lost,
        "standard output was not told of alert 00000001 of rule=a: it took nothing for an hour");
    ck_assert_int_eq(first->kept_told, WF_ALERT_FIRING); // a restart does not make it news
    ck_assert_uint_eq(turn(&g, 2LL * MINUTE).queues.given_up, 2);
    fire(&g, 5, "d");
    take(&g);
    for (unsigned i = 0; i < 10 && !wf_notify_is_idle(g.n); i++)
        turn(&g, MINUTE);
    ck_assert(wf_notify_is_idle(g.n));
    for (unsigned id = 2; id <= 5; id++)
        has_heard(&g, id, "f");
    has_heard(&g, 1, "");
    has_heard(&g, 9, "");
    rig_fini(&g);
}
END_TEST

START_TEST(a_group_keeps_its_interval_after_nothing_of_it_fires_and_its_wait_after_the_interval)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 5s, interval: 20s, repeat: 0, to: [stdout]}\n");
    take(&g);
    struct wf_alert *a = fire(&g, 1, "full");
    turn(&g, 0);
    turn(&g, 5000);
    has_heard(&g, 1, "f");
    become(&g, a, WF_ALERT_RESOLVED);
    turn(&g, 1000);
    turn(&g, 19000);
    has_heard(&g, 1, "fr");
    turn(&g, 1000); // nothing of it fires
    become(&g, a, WF_ALERT_FIRING);
    turn(&g, 1000);
    turn(&g, 17000);
    has_heard(&g, 1, "fr");
    turn(&g, 1000);
    has_heard(&g, 1, "frf");
    fire(&g, 2, "full");
    turn(&g, 60000);
    turn(&g, 4000);
    has_heard(&g, 2, "");
    turn(&g, 1000);
    has_heard(&g, 2, "f");
    rig_fini(&g);
}
END_TEST

START_TEST(what_an_earlier_run_told_is_told_again_when_it_is_due_and_not_at_once)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 1h, to: [stdout]}\n");
    take(&g);
    struct wf_alert *a = fire(&g, 1, "full");
    a->fired_ms = g.now_ms - 20LL * MINUTE;
    a->told = a->kept_told = WF_ALERT_FIRING;
    a->told_ms = a->kept_told_ms = g.now_ms - 10LL * MINUTE;
    turn(&g, 0);
    turn(&g, 49LL * MINUTE);
    has_heard(&g, 1, "");
    turn(&g, MINUTE);
    has_heard(&g, 1, "f");
    turn(&g, 59LL * MINUTE);
    has_heard(&g, 1, "f");
    rig_fini(&g);
}
END_TEST

START_TEST(a_text_is_tried_for_an_hour_and_its_loss_is_named_once)
{
    struct wf_notify_stats stats;
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    refuse_all();
    ck_assert(wf_notify_test(g.n, g.now_ms));
    turn(&g, 0);
    stats = turn(&g, 59LL * MINUTE);
    ck_assert_uint_eq(stats.queues.given_up, 0);
    ck_assert_uint_eq(stats.waiting, 1);
    for (unsigned i = 0; i < 3; i++)
        stats = turn(&g, 2LL * MINUTE);
    ck_assert_uint_eq(stats.queues.given_up, 1);
    ck_assert_str_eq(
        stats.queues.lost, "standard output was not told test: it took nothing for an hour");
    ck_assert_uint_eq(stats.waiting, 0);
    rig_fini(&g);
}
END_TEST

START_TEST(a_text_takes_the_place_of_its_own_kind_alone)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, alive: 1m, to: [stdout]}\n");
    refuse_all();
    ck_assert(wf_notify_test(g.n, g.now_ms));
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_le(turn(&g, MINUTE).waiting, 2);
    ck_assert_uint_eq(turn(&g, 0).waiting, 2); // a test, and the newest sign of life
    take(&g);
    for (unsigned i = 0; i < 10 && !wf_notify_is_idle(g.n); i++)
        turn(&g, MINUTE / 2);
    struct wf_buf text = wf_test_file(g.out);
    ck_assert_ptr_nonnull(memmem(text.ptr, text.len, "\"status\":\"test\"", 15));
    ck_assert_ptr_nonnull(memmem(text.ptr, text.len, "\"status\":\"alive\"", 16));
    wf_buf_fini(&text);
    rig_fini(&g);
}
END_TEST

START_TEST(an_alert_that_is_no_more_when_its_message_is_made_says_nothing)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [stdout]}\n");
    refuse_all();
    struct wf_alert *a = fire(&g, 1, "full");
    fire(&g, 2, "full");
    turn(&g, 0);
    become(&g, a, WF_ALERT_RESOLVED);
    wf_alerts_expire(g.alerts, g.now_ms + WF_ALERT_KEPT_MS + 1, NULL, NULL);
    take(&g);
    for (unsigned i = 0; i < 10 && !wf_notify_is_idle(g.n); i++)
        turn(&g, MINUTE);
    ck_assert(wf_notify_is_idle(g.n));
    has_heard(&g, 1, "");
    has_heard(&g, 2, "f");
    rig_fini(&g);
}
END_TEST

// The rules file is read anew while alerts fire: a target that comes hears of them, and what waits goes to whom it was for.
START_TEST(targets_that_change_hear_what_is_theirs)
{
    struct weft_conf *conf = NULL;
    struct wf_notify_stats stats;
    struct rig g;

    rig_init(&g, "notify: {wait: 0, interval: 1s, repeat: 0, to: [{command: ['false', a]}]}\n");
    fire(&g, 1, "full");
    take(&g);
    stats = turn(&g, 0);
    ck_assert_uint_eq(stats.waiting, 1);
    struct wf_notify_conf *other = conf_of("notify: {wait: 0, interval: 1s, repeat: 0, to: "
                                           "[{command: ['false', b]}, stdout, {command: "
                                           "['false', a]}]}\n",
        &conf);
    wf_notify_use(g.n, other);
    stats = turn(&g, 2000);
    ck_assert_uint_eq(stats.queues.given_up, 0);
    ck_assert_uint_eq(stats.waiting, 2); // of a what waited, of b what fires
    has_heard(&g, 1, "f");
    turn(&g, 2000);
    has_heard(&g, 1, "f");
    wf_notify_use(g.n, g.notify);
    wf_notify_stats(g.n, &stats);
    ck_assert_uint_eq(stats.queues.given_up, 1); // b is told no more
    ck_assert_uint_eq(stats.waiting, 1);
    rig_fini(&g);
    wf_notify_conf_free(other);
    weft_conf_free(conf);
}
END_TEST

START_TEST(a_group_of_which_nothing_fires_is_forgotten_after_its_interval)
{
    const struct wf_group_conf conf = {
        .interval_ms = 1000, .labels = { "rule" }, .label_count = 1
    };
    struct wf_group_view v = { .now_ms = NOON_MS };
    struct wf_groups groups = { NULL };
    struct rig g;
    bool news;

    rig_init(&g, "notify: {to: [stdout]}\n");
    g.now_ms = NOON_MS;
    struct wf_alert *a = fire(&g, 1, "full");
    ck_assert(wf_groups_look(&groups, &conf, g.alerts, &v, &news));
    ck_assert(news && groups.count == 1);
    groups.all->changed_ms = 0; // told
    groups.all->sent_ms = NOON_MS;
    a->told = WF_ALERT_FIRING;
    a->told_ms = NOON_MS;
    v.now_ms += 5000;
    ck_assert(wf_groups_look(&groups, &conf, g.alerts, &v, &news));
    ck_assert(!news && groups.count == 1 && groups.all->firing);
    become(&g, a, WF_ALERT_RESOLVED);
    a->told = WF_ALERT_RESOLVED;
    ck_assert(wf_groups_look(&groups, &conf, g.alerts, &v, &news));
    ck_assert_uint_eq(groups.count, 0);
    wf_groups_fini(&groups);
    rig_fini(&g);
}
END_TEST

// ---- the queue's own bound -----------------------------------------------------------------------------------------------------

// Where all that waits is the end of something the oldest goes.
START_TEST(what_finds_no_room_is_named_and_is_not_the_end_of_anything)
{
    const bool all_end = _i;
    static const struct wf_target_conf nobody = { .kind = WF_TARGET_COMMAND, .words = { "page" } };
    static struct wf_alert a = { .state = WF_ALERT_RESOLVED };
    struct wf_alert *const one[] = { &a };
    struct wf_queue q = { .target = { .conf = &nobody } };
    struct wf_queue_stats stats = { .given_up = 0 };
    char group[32];

    for (unsigned i = 0; i <= WF_QUEUE_ALERTS; i++) {
        const struct wf_queue_news news = {
            .group = group, .alerts = one, .count = 1, .telling = i + 1, .now_ms = NOON_MS
        };
        snprintf(group, sizeof group, "rule=%u", i / 50);
        snprintf(a.id, sizeof a.id, "%08x", i);
        a.state = i == 0 || all_end ? WF_ALERT_RESOLVED : WF_ALERT_FIRING;
        ck_assert(wf_queue_add(&q, &news, &stats));
        ck_assert(wf_queue_add(&q, &news, &stats)); // twice is once
        ck_assert_uint_eq(stats.given_up, i == WF_QUEUE_ALERTS);
    }
    ck_assert_uint_eq(q.count, WF_QUEUE_ALERTS);
    ck_assert_str_eq(stats.lost,
        all_end ? "page was not told of the end of alert 00000000 of rule=0: too many wait"
                : "page was not told of alert 00000001 of rule=0: too many wait");
    // The end of the first is still to be told.
    ck_assert_uint_eq(wf_queue_oldest(&q), all_end ? 2 : 1);
    wf_queue_empty(&q);
    ck_assert_uint_eq(wf_queue_oldest(&q), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify_queue");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_target_that_hangs_hears_of_each_alert_once_and_how_it_is_now);
    tcase_add_test(t, what_is_under_way_is_followed_by_how_it_ended);
    tcase_add_test(t, of_a_group_without_end_everybody_who_was_named_is_told_to_be_over);
    tcase_add_test(t, the_end_of_an_alert_that_begins_again_is_told);
    tcase_add_test(t, an_alert_that_ends_and_begins_again_within_the_interval_is_told_once_more);
    tcase_add_test(t, what_waited_too_long_takes_nothing_else_with_it);
    tcase_add_test(
        t, a_group_keeps_its_interval_after_nothing_of_it_fires_and_its_wait_after_the_interval);
    tcase_add_test(t, what_an_earlier_run_told_is_told_again_when_it_is_due_and_not_at_once);
    tcase_add_test(t, a_text_is_tried_for_an_hour_and_its_loss_is_named_once);
    tcase_add_test(t, a_text_takes_the_place_of_its_own_kind_alone);
    tcase_add_test(t, an_alert_that_is_no_more_when_its_message_is_made_says_nothing);
    tcase_add_test(t, targets_that_change_hear_what_is_theirs);
    tcase_add_test(t, a_group_of_which_nothing_fires_is_forgotten_after_its_interval);
    tcase_add_loop_test(t, what_finds_no_room_is_named_and_is_not_the_end_of_anything, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
