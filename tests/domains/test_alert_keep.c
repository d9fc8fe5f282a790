// SPDX-License-Identifier: Apache-2.0
// What alerts keep over a restart, and how they are told: the book's file, groups, targets that fail, and who is not to be told.
#include <check.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "domains/monitoring/alert/book.h"
#include "domains/monitoring/speed/file.h"
#include "tests/support/support.h"

static const char *new_path(const char *name)
{
    static char path[512];
    static unsigned n;

    snprintf(path, sizeof path, "%s/%u-%s", wf_test_tmpdir(), n++, name);
    return path;
}

static struct wf_alert alert_of(const char *id, const char *rule, enum wf_alert_state state)
{
    struct wf_alert a = {
        .severity = WF_CRITICAL, .state = state, .has_value = true, .value = 0.5
    };

    snprintf(a.id, sizeof a.id, "%s", id);
    snprintf(a.rule, sizeof a.rule, "%s", rule);
    snprintf(a.product, sizeof a.product, "servers/disks");
    snprintf(a.summary, sizeof a.summary, "it's \"full\"");
    wf_labels_init(&a.series);
    ck_assert(wf_labels_set(&a.series, "disk", "sda", 3));
    a.labels = a.series;
    ck_assert(wf_labels_set(&a.labels, "team", "storage", 7));
    a.since_ms = 1000;
    a.fired_ms = 2000;
    a.episode = 3;
    snprintf(a.fired.product, sizeof a.fired.product, "servers/disks");
    snprintf(a.fired.origin, sizeof a.fired.origin, "web-1");
    a.fired.offset = UINT64_MAX;
    a.told = a.kept_told = WF_ALERT_FIRING;
    a.told_ms = a.kept_told_ms = 2500;
    return a;
}

// ---- the book --------------------------------------------------------------------------------------------------------------

static struct wf_book *open_book(const char *path, enum wf_book_mode mode)
{
    struct wf_book *b = NULL;
    struct weft_problem p = { 0 };
    enum weft_err err = wf_book_open(path, mode, &b, &p);

    ck_assert_msg(err == WEFT_OK, "%s", p.text);
    return b;
}

static void must(struct wf_book *b, enum weft_err err)
{
    ck_assert_msg(err == WEFT_OK, "%s: %s", weft_err_text(err), wf_book_problem(b));
}

struct seen {
    struct wf_alert last;
    unsigned count;
};

static enum weft_err on_alert(void *arg, const struct wf_alert *a)
{
    struct seen *s = arg;

    s->last = *a;
    s->count++;
    return WEFT_OK;
}

static struct seen look(struct wf_book *b)
{
    struct seen s = { .count = 0 };

    must(b, wf_book_alerts(b, on_alert, &s));
    return s;
}

START_TEST(an_alert_comes_back_as_it_was)
{
    char path[512];
    struct wf_alert a = alert_of("00aa", "disk-full", WF_ALERT_FIRING);

    snprintf(path, sizeof path, "%s", new_path("alerts.db"));
    struct wf_book *b = open_book(path, WF_BOOK_KEEP);
    must(b, wf_book_put(b, &a));
    wf_book_close(b);
    b = open_book(path, WF_BOOK_LOOK);
    struct seen s = look(b);
    ck_assert_uint_eq(s.count, 1);
    ck_assert_str_eq(s.last.summary, a.summary);
    ck_assert(wf_labels_eq(&s.last.labels, &a.labels) && wf_labels_eq(&s.last.series, &a.series));
    ck_assert_uint_eq(s.last.fired.offset, UINT64_MAX);
    ck_assert_str_eq(s.last.fired.origin, "web-1");
    ck_assert_str_eq(s.last.began.product, "");
    ck_assert_int_eq(s.last.told, WF_ALERT_FIRING);
    ck_assert_uint_eq(s.last.episode, 3);
    ck_assert(s.last.has_value && s.last.value == 0.5);
    ck_assert_int_ne(wf_book_put(b, &a), WEFT_OK); // who looks changes nothing
    wf_book_close(b);
}
END_TEST

START_TEST(a_word_on_an_alert_is_about_one_firing)
{
    struct wf_alert a = alert_of("00aa", "disk-full", WF_ALERT_FIRING);
    struct wf_book *b = open_book(new_path("alerts.db"), WF_BOOK_KEEP);
    struct wf_book_ack ack = { .id = "00aa", .by = "ann", .at_ms = 5, .until_ms = 9 };

    must(b, wf_book_put(b, &a));
    must(b, wf_book_ack(b, &ack));
    ck_assert_str_eq(look(b).last.acked_by, "ann");
    a.episode++;
    must(b, wf_book_put(b, &a));
    ck_assert_str_eq(look(b).last.acked_by, "");
    memcpy(ack.id, "00ab", 5);
    ck_assert_int_eq(wf_book_ack(b, &ack), WEFT_E_NOT_FOUND);
    must(b, wf_book_drop(b, "00aa"));
    ck_assert_uint_eq(look(b).count, 0);
    wf_book_close(b);
}
END_TEST

START_TEST(silences_end_and_are_heard_of)
{
    char path[512];
    struct wf_silence s = { .begins_ms = 10, .ends_ms = 100, .match = { "rule=a" } }, got[4];
    uint64_t id = 0;
    size_t count = 0;

    snprintf(path, sizeof path, "%s", new_path("alerts.db"));
    struct wf_book *keeper = open_book(path, WF_BOOK_KEEP);
    (void)wf_book_changed(keeper);
    ck_assert(!wf_book_changed(keeper));
    struct wf_book *person = open_book(path, WF_BOOK_WRITE);
    must(person, wf_book_silence(person, &s, &id));
    ck_assert(wf_book_changed(keeper));
    must(keeper, wf_book_silences(keeper, 50, got, 4, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(got[0].match.text, "rule=a");
    must(person, wf_book_unsilence(person, id, 60));
    ck_assert_int_eq(wf_book_unsilence(person, id, 70), WEFT_E_NOT_FOUND);
    must(keeper, wf_book_silences(keeper, 60, got, 4, &count));
    ck_assert_uint_eq(count, 0);
    wf_book_close(person);
    wf_book_close(keeper);
}
END_TEST

static enum weft_err on_heard(void *arg, const char *origin, int64_t append_ms)
{
    char *text = arg;

    snprintf(text + strlen(text), 32, "%s=%lld ", origin, (long long)append_ms);
    return WEFT_OK;
}

START_TEST(places_origins_and_baselines_come_back)
{
    struct wf_book *b = open_book(new_path("alerts.db"), WF_BOOK_KEEP);
    struct wf_book_place place = { .next = 7, .append_ms = 70 }, got = { 0 };
    struct wf_baseline base = { .slot = 0 }, again;
    char heard[128] = "";

    ck_assert_int_eq(wf_book_place(b, "a/b", &got), WEFT_E_NOT_FOUND);
    must(b, wf_book_place_set(b, "a/b", &place));
    must(b, wf_book_place(b, "a/b", &got));
    ck_assert(got.next == 7 && got.append_ms == 70);
    must(b, wf_book_heard_set(b, "a/b", "web-1", 5));
    must(b, wf_book_heard_set(b, "a/b", "web-1", 6));
    must(b, wf_book_heard_set(b, "a/c", "web-2", 7));
    must(b, wf_book_heard(b, "a/b", on_heard, heard));
    ck_assert_str_eq(heard, "web-1=6 ");
    for (int k = 0; k < 20; k++)
        ck_assert(wf_baseline_learn(&base, k * 300000LL, k));
    must(b, wf_book_baseline_set(b, UINT64_MAX - 1, 2, &base));
    ck_assert_int_eq(wf_book_baseline(b, 1, 2, &again), WEFT_E_NOT_FOUND);
    must(b, wf_book_baseline(b, UINT64_MAX - 1, 2, &again));
    ck_assert_uint_eq(again.bytes, base.bytes);
    wf_baseline_fini(&base);
    wf_baseline_fini(&again);
    wf_book_close(b);
}
END_TEST

START_TEST(a_book_that_is_not_ours_is_refused)
{
    char path[512];
    struct wf_book *b = NULL;
    struct weft_problem p = { 0 };
    sqlite3 *db = NULL;

    snprintf(path, sizeof path, "%s", new_path("alerts.db"));
    ck_assert_int_eq(wf_book_open(path, WF_BOOK_LOOK, &b, &p), WEFT_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(p.hint, "weft-monitor alert --rules"));
    struct wf_book *keeper = open_book(path, WF_BOOK_KEEP);
    ck_assert_int_eq(wf_book_open(path, WF_BOOK_KEEP, &b, &p), WEFT_E_IN_USE);
    wf_book_close(keeper);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(wf_book_open(path, WF_BOOK_LOOK, &b, &p), WEFT_E_FILE_MODE);
    snprintf(path, sizeof path, "%s", new_path("other.db"));
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE t(a)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(wf_book_open(path, WF_BOOK_KEEP, &b, &p), WEFT_E_VERSION);
}
END_TEST

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

START_TEST(a_book_that_somebody_holds_gives_up_soon)
{
    char path[512];
    struct wf_alert a = alert_of("00aa", "disk-full", WF_ALERT_FIRING);
    sqlite3 *db = NULL;

    snprintf(path, sizeof path, "%s", new_path("alerts.db"));
    struct wf_book *b = open_book(path, WF_BOOK_KEEP);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    int64_t began = now_ms();
    ck_assert_int_eq(wf_book_begin(b), WEFT_E_BUSY);
    ck_assert_int_lt(now_ms() - began, 4000); // and not the five seconds that a person waits
    wf_book_rollback(b);
    sqlite3_close(db);
    must(b, wf_book_begin(b));
    must(b, wf_book_put(b, &a));
    wf_book_rollback(b);
    ck_assert_uint_eq(look(b).count, 0);
    wf_book_close(b);
}
END_TEST

// ---- telling -----------------------------------------------------------------------------------------------------------------

struct rig {
    struct wf_rules_file file;
    struct weft_conf *conf;
    struct wf_notify_conf *notify;
    struct wf_notify *n;
    struct wf_alerts *alerts;
    char out[512];
    int64_t now_ms;
};

// %s of the text: a file that the command appends to.
static void rig_init(struct rig *g, const char *text)
{
    char yaml[2048];

    memset(g, 0, sizeof *g);
    snprintf(g->out, sizeof g->out, "%s", new_path("told"));
    snprintf(yaml, sizeof yaml, text, g->out);
    ck_assert_int_eq(weft_conf_parse(yaml, strlen(yaml), "n.yaml", &g->conf, NULL), WEFT_OK);
    g->notify = wf_notify_read(g->conf);
    ck_assert_str_eq(weft_conf_errors(g->conf), "");
    g->n = wf_notify_new(g->notify, "servers/watch");
    g->alerts = wf_alerts_new(NULL, NULL);
    ck_assert(g->n && g->alerts);
    g->now_ms = 1000000;
}

static void rig_fini(struct rig *g)
{
    wf_notify_free(g->n);
    wf_notify_conf_free(g->notify);
    wf_alerts_free(g->alerts);
    weft_conf_free(g->conf);
}

static void put(struct rig *g, const char *id, const char *rule)
{
    struct wf_alert a = alert_of(id, rule, WF_ALERT_FIRING);

    ck_assert(wf_labels_set(&a.series, "disk", id, strlen(id)));
    a.told = a.kept_told = WF_ALERT_PENDING;
    a.told_ms = a.kept_told_ms = 0;
    ck_assert_int_eq(wf_alerts_put(g->alerts, &a), WEFT_OK);
}

// Time stands still until what is under way has ended.
static void turn(struct rig *g, int64_t later_ms, const struct wf_silence *s)
{
    struct wf_notify_stats before, stats;
    int64_t end = now_ms() + 20000;

    g->now_ms += later_ms;
    wf_notify_stats(g->n, &before);
    do {
        wf_notify_wake(g->n);
        wf_notify_turn(g->n, g->alerts, s, s ? 1 : 0, g->now_ms);
        wf_notify_stats(g->n, &stats);
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    } while (
        !wf_notify_is_idle(g->n) && stats.queues.failed == before.queues.failed && now_ms() < end);
}

// How many lines have both words.
static unsigned told(const struct rig *g, const char *word, const char *other)
{
    char line[16384];
    unsigned n = 0;
    FILE *f = fopen(g->out, "r");

    while (f && fgets(line, sizeof line, f))
        n += strstr(line, word) && strstr(line, other);
    if (f)
        fclose(f);
    return n;
}

#define APPEND                                                                                     \
    "notify: {wait: 1s, interval: 10s, repeat: 1h, to: [{command: [sh, -c, 'cat >>%s']}]}\n"

START_TEST(a_group_gathers_is_told_once_and_again_after_a_while)
{
    struct rig g;

    rig_init(&g, APPEND);
    put(&g, "00aa", "full");
    put(&g, "00ab", "full");
    put(&g, "00ac", "other");
    turn(&g, 0, NULL);
    ck_assert_uint_eq(told(&g, "status", ""), 0); // it gathers for a second
    turn(&g, 1000, NULL);
    ck_assert_uint_eq(told(&g, "\"status\":\"firing\"", ""), 2); // a message a group
    ck_assert_uint_eq(told(&g, "00aa", "00ab"), 1);
    ck_assert_uint_eq(told(&g, "00ac", "00ab"), 0);
    ck_assert_uint_eq(told(&g, "\"monitor\":\"servers/watch\"", "\"team\":\"storage\""), 2);
    turn(&g, 5000, NULL);
    put(&g, "00ad", "full");
    turn(&g, 2000, NULL);
    ck_assert_uint_eq(told(&g, "status", ""), 2); // a group has an interval
    turn(&g, 3000, NULL);
    ck_assert_uint_eq(told(&g, "status", "00ad"), 1);
    turn(&g, 3600000, NULL);
    ck_assert_uint_eq(told(&g, "status", "00ad"), 2); // what goes on is told again
    wf_alerts_find(g.alerts, "00ac")->state = WF_ALERT_RESOLVED;
    turn(&g, 0, NULL);
    turn(&g, 10000, NULL);
    ck_assert_uint_eq(told(&g, "\"status\":\"resolved\"", "00ac"), 1);
    turn(&g, 7200000, NULL);
    ck_assert_uint_eq(told(&g, "\"status\":\"resolved\"", "00ac"), 1);
    rig_fini(&g);
}
END_TEST

START_TEST(what_is_silenced_or_acknowledged_is_not_told_until_that_ends)
{
    struct rig g;
    struct wf_silence s = { .begins_ms = 0, .ends_ms = 2000000, .match = { "rule=full" } };

    rig_init(&g, APPEND);
    put(&g, "00aa", "full");
    put(&g, "00ab", "other");
    wf_alerts_find(g.alerts, "00ab")->acked_ms = 1;
    wf_alerts_find(g.alerts, "00ab")->ack_until_ms = 1500000;
    turn(&g, 1000, &s);
    turn(&g, 1000, &s);
    ck_assert_uint_eq(told(&g, "status", ""), 0);
    turn(&g, 500000, &s);
    turn(&g, 1000, &s);
    ck_assert_uint_eq(told(&g, "status", "00ab"), 1);
    ck_assert_uint_eq(told(&g, "status", "00aa"), 0);
    wf_alerts_find(g.alerts, "00aa")->state = WF_ALERT_RESOLVED;
    turn(&g, 600000, &s);
    turn(&g, 1000, &s);
    ck_assert_uint_eq(
        told(&g, "status", "00aa"), 0); // who never heard that it fired need not hear that it ended
    rig_fini(&g);
}
END_TEST

// Time goes by `later_ms` and stands still until so many attempts have failed and so many messages wait.
static struct wf_notify_stats turn_until(
    struct rig *g, int64_t later_ms, uint64_t failed, uint64_t waiting)
{
    struct wf_notify_stats stats;
    int64_t end = now_ms() + 20000;

    g->now_ms += later_ms;
    do {
        wf_notify_turn(g->n, g->alerts, NULL, 0, g->now_ms);
        wf_notify_stats(g->n, &stats);
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    } while ((stats.queues.failed < failed || stats.waiting > waiting) && now_ms() < end);
    return stats;
}

START_TEST(a_target_that_fails_is_tried_again_and_holds_up_no_other)
{
    struct rig g;

    rig_init(&g,
        "notify: {wait: 0, to: [{command: [/nowhere/page]}, {command: [sh, -c, 'exit 3']}, "
        "{webhook: 'http://127.0.0.1:1/'}, {command: [sh, -c, 'cat >>%s']}]}\n");
    put(&g, "00aa", "full");
    struct wf_notify_stats stats = turn_until(&g, 0, 3, 3);
    ck_assert_uint_eq(told(&g, "status", "00aa"), 1);
    ck_assert_uint_eq(stats.queues.failed, 3);
    ck_assert_uint_eq(stats.waiting, 3);
    ck_assert_ptr_nonnull(strstr(stats.queues.problem, ": "));
    stats = turn_until(&g, 999, 3, 3);
    ck_assert_uint_eq(stats.queues.failed, 3); // not before a second
    stats = turn_until(&g, 1, 6, 3);
    ck_assert_uint_eq(stats.queues.failed, 6);
    stats = turn_until(&g, 1999, 6, 3);
    ck_assert_uint_eq(stats.queues.failed, 6); // and then not before two
    stats = turn_until(&g, WF_QUEUE_AGE_MS, 9, 0);
    ck_assert_uint_eq(stats.queues.given_up, 3); // after an hour, and counted
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_uint_eq(told(&g, "status", "00aa"), 1);
    rig_fini(&g);
}
END_TEST

// Over a restart nothing is known but the book.
static void keep_and_put_back(struct rig *g, const char *id)
{
    struct wf_book *b = open_book(new_path("alerts.db"), WF_BOOK_KEEP);

    must(b, wf_book_put(b, wf_alerts_find(g->alerts, id)));
    struct seen s = look(b);
    wf_book_close(b);
    wf_alerts_free(g->alerts), wf_notify_free(g->n);
    g->alerts = wf_alerts_new(NULL, NULL);
    g->n = wf_notify_new(g->notify, "servers/watch");
    ck_assert_int_eq(wf_alerts_put(g->alerts, &s.last), WEFT_OK);
}

START_TEST(what_did_not_arrive_everywhere_is_told_again_after_a_restart)
{
    struct rig g;
    char gate[512], text[1024];

    snprintf(gate, sizeof gate, "%s", new_path("gate"));
    snprintf(text, sizeof text,
        "notify: {wait: 0, to: [{command: [sh, -c, 'cat >>%%s']}, {command: [test, -e, %s]}]}\n",
        gate);
    rig_init(&g, text);
    put(&g, "00aa", "full");
    turn_until(&g, 0, 1, 1);
    ck_assert_uint_eq(told(&g, "status", "00aa"), 1); // one has it, the other does not
    keep_and_put_back(&g, "00aa");
    turn_until(&g, 1000, 1, 1);
    ck_assert_uint_eq(told(&g, "status", "00aa"), 2);
    ck_assert_int_eq(close(creat(gate, 0600)), 0);
    turn_until(&g, 1000, 1, 0);
    keep_and_put_back(&g, "00aa");
    turn(&g, 1000, NULL);
    ck_assert_uint_eq(told(&g, "status", "00aa"), 2); // both have it
    rig_fini(&g);
}
END_TEST

START_TEST(a_target_that_hangs_has_a_bounded_queue)
{
    struct wf_notify_stats stats;
    struct rig g;

    rig_init(&g, "notify: {wait: 0, to: [{command: [sh, -c, 'sleep 60; cat >>%s']}]}\n");
    for (unsigned i = 0; i < 50; i++) {
        ck_assert(wf_notify_test(g.n, g.now_ms));
        wf_notify_turn(g.n, g.alerts, NULL, 0, g.now_ms);
    }
    wf_notify_stats(g.n, &stats);
    ck_assert_uint_eq(stats.waiting, 2); // the one under way and the newest
    rig_fini(&g);
}
END_TEST

START_TEST(groups_that_are_over_make_room_for_others)
{
    struct rig g;
    struct weft_conf *none = NULL;
    char rule[16];

    rig_init(&g, "notify: {wait: 0, interval: 1s, to: [{command: [sh, -c, 'cat >>%s']}]}\n");
    ck_assert_int_eq(
        weft_conf_parse("notify: {wait: 0, interval: 1s}\n", 32, "n.yaml", &none, NULL), WEFT_OK);
    struct wf_notify_conf *nobody = wf_notify_read(none);
    wf_notify_use(g.n, nobody);
    for (unsigned i = 0; i < 1100; i++) {
        snprintf(rule, sizeof rule, "rule-%u", i);
        put(&g, "00aa", rule);
        g.now_ms += 2000;
        wf_notify_turn(g.n, g.alerts, NULL, 0, g.now_ms);
        wf_alerts_find(g.alerts, "00aa")->state = WF_ALERT_RESOLVED;
        g.now_ms += 2000;
        wf_notify_turn(g.n, g.alerts, NULL, 0, g.now_ms);
        wf_alerts_expire(g.alerts, g.now_ms + WF_ALERT_KEPT_MS, NULL, NULL);
    }
    wf_notify_use(g.n, g.notify);
    put(&g, "00aa", "full");
    put(&g, "00ab", "other");
    turn(&g, 2000, NULL);
    ck_assert_uint_eq(
        told(&g, "\"status\":\"firing\"", ""), 2); // a message each, not one for all others
    rig_fini(&g);
    wf_notify_conf_free(nobody);
    weft_conf_free(none);
}
END_TEST

START_TEST(a_dead_mans_switch_is_held_whatever_happens)
{
    struct rig g;

    rig_init(&g, "notify: {wait: 0, alive: 1m, to: [{command: [sh, -c, 'cat >>%s']}]}\n");
    turn(&g, 0, NULL);
    ck_assert_uint_eq(told(&g, "\"status\":\"alive\"", "servers/watch"), 1);
    turn(&g, 59999, NULL);
    ck_assert_uint_eq(told(&g, "alive", ""), 1);
    put(&g, "00aa", "full");
    turn(&g, 1, NULL);
    ck_assert_uint_eq(told(&g, "\"status\":\"alive\"", ""), 2);
    ck_assert_uint_eq(told(&g, "00aa", "\"status\":\"firing\""), 1);
    turn(&g, -900000, NULL); // a clock that is set back holds it all the same
    ck_assert_uint_eq(told(&g, "\"status\":\"alive\"", ""), 3);
    rig_fini(&g);
}
END_TEST

START_TEST(what_is_wrong_with_notify_is_said)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "notify: 5", "n.yaml:1:9: want keys and values" },
        { "notify: {wait: soon}", "n.yaml:1:16: want 0 or a duration" },
        { "notify: {to: stdout}", "n.yaml:1:14: want a list" },
        { "notify: {to: [mail]}", "n.yaml:1:15: want stdout, {command:" },
        { "notify: {to: [{command: []}]}", "n.yaml:1:25: want a program" },
        { "notify: {to: [{command: [a], more: 1}]}", "want stdout, {command:" },
        { "notify: {to: [{webhook: ftp://a}]}", "n.yaml:1:25: want an address" },
        { "notify: {to: [{webhook: 'http://me:secret@a'}]}", "no passwords in this file" },
        { "notify: {to: [{alertmanager: [a]}]}", "want an address" },
        { "notify: {to: [{webhok: 'http://a'}]}",
            "unknown key \"webhok\" (did you mean \"webhook\"?)" },
        { "notify: {too: []}", "unknown key \"too\" (did you mean \"to\"?)" },
        { "notify: {group: [a, b, c, d, e, f, g, h, i]}", "want at most 8 labels" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_conf *c = NULL;
        ck_assert_int_eq(
            weft_conf_parse(rows[i].text, strlen(rows[i].text), "n.yaml", &c, NULL), WEFT_OK);
        struct wf_notify_conf *n = wf_notify_read(c);
        ck_assert_msg(
            strstr(weft_conf_errors(c), rows[i].says), "%s: %s", rows[i].text, weft_conf_errors(c));
        wf_notify_conf_free(n);
        weft_conf_free(c);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains.alert_keep");
    TCase *t = tcase_create("all");

    tcase_add_test(t, an_alert_comes_back_as_it_was);
    tcase_add_test(t, a_word_on_an_alert_is_about_one_firing);
    tcase_add_test(t, silences_end_and_are_heard_of);
    tcase_add_test(t, places_origins_and_baselines_come_back);
    tcase_add_test(t, a_book_that_is_not_ours_is_refused);
    tcase_add_test(t, a_book_that_somebody_holds_gives_up_soon);
    tcase_add_test(t, a_group_gathers_is_told_once_and_again_after_a_while);
    tcase_add_test(t, what_is_silenced_or_acknowledged_is_not_told_until_that_ends);
    tcase_add_test(t, what_did_not_arrive_everywhere_is_told_again_after_a_restart);
    tcase_add_test(t, groups_that_are_over_make_room_for_others);
    tcase_add_test(t, a_target_that_hangs_has_a_bounded_queue);
    tcase_add_test(t, a_target_that_fails_is_tried_again_and_holds_up_no_other);
    tcase_add_test(t, a_dead_mans_switch_is_held_whatever_happens);
    tcase_add_test(t, what_is_wrong_with_notify_is_said);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
