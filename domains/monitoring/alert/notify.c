// SPDX-License-Identifier: Apache-2.0
// Groups of alerts, when they are told, and the queues of the targets. See notify.h.
#include "domains/monitoring/alert/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/message.h"

#define AGAIN_MS 1000 // what could not be made is made anew
#define LOOK_MS  500

struct wf_notify {
    const struct wf_notify_conf *conf;
    char monitor[160];
    struct wf_queue queues[WF_NOTIFY_TARGETS];
    struct wf_groups groups;
    struct wf_notify_stats stats;
    bool woken;
    bool kept;                 // what alerts keep of it changed
    uint64_t telling, arrived; // tellings begun; all before `arrived` have ended
    int64_t looked_ms, resend_ms, alive_ms;
    int64_t now_ms; // of the last turn
};

struct wf_notify *wf_notify_new(const struct wf_notify_conf *conf, const char *monitor)
{
    struct wf_notify *n = calloc(1, sizeof *n);

    if (!n)
        return NULL;
    snprintf(n->monitor, sizeof n->monitor, "%s", monitor);
    wf_notify_use(n, conf);
    return n;
}

static bool same_target(const struct wf_target_conf *a, const struct wf_target_conf *b)
{
    size_t i = 0;

    while (a->words[i] && b->words[i] && strcmp(a->words[i], b->words[i]) == 0)
        i++;
    return a->kind == b->kind && !a->words[i] && !b->words[i];
}

// Takes the queue of a target that is there still; else its is empty.
static struct wf_queue take_queue(struct wf_notify *n, const struct wf_target_conf *conf)
{
    struct wf_queue out = { .target = { .conf = NULL } };

    for (size_t i = 0; i < WF_NOTIFY_TARGETS && !out.target.conf; i++) {
        struct wf_queue *q = &n->queues[i];
        if (!q->target.conf || !same_target(q->target.conf, conf))
            continue;
        out = *q;
        memset(q, 0, sizeof *q);
    }
    // One that comes while others are told hears of what fires already.
    out.fresh = !out.target.conf && n->conf;
    out.target.conf = conf;
    return out;
}

void wf_notify_use(struct wf_notify *n, const struct wf_notify_conf *conf)
{
    struct wf_queue now[WF_NOTIFY_TARGETS] = { 0 };

    for (size_t i = 0; i < conf->target_count; i++)
        now[i] = take_queue(n, &conf->targets[i]);
    for (size_t i = 0; i < WF_NOTIFY_TARGETS; i++) {
        n->stats.queues.given_up += n->queues[i].count;
        wf_queue_empty(&n->queues[i]);
    }
    memcpy(n->queues, now, sizeof now);
    n->conf = conf;
}

void wf_notify_free(struct wf_notify *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < WF_NOTIFY_TARGETS; i++)
        wf_queue_empty(&n->queues[i]);
    wf_groups_fini(&n->groups);
    free(n);
}

// ---- groups ------------------------------------------------------------------------------------------------------------------

static void look(struct wf_notify *n, struct wf_alerts *alerts, const struct wf_group_view *v)
{
    bool news = false;

    // Without memory now, what found no group is looked for again.
    n->woken = !wf_groups_look(&n->groups, &n->conf->group, alerts, v, &news);
    n->looked_ms = v->now_ms;
    if (news)
        n->resend_ms = 0;
}

// What is over, what is new, what goes on.
static int rank_of(const struct wf_alert *a)
{
    return a->state != WF_ALERT_FIRING ? 0 : a->told != WF_ALERT_FIRING ? 1 : 2;
}

// The first of a group that one message names. Returns how many.
static size_t choose(const struct wf_group *g, struct wf_alert *ret[WF_QUEUE_MOST])
{
    size_t count = 0;

    for (int rank = 0; rank < 3; rank++)
        for (struct wf_alert *a = g->members; a && count < WF_QUEUE_MOST; a = a->in_group)
            if (rank_of(a) == rank)
                ret[count++] = a;
    return count;
}

static bool add_to_all(struct wf_notify *n, const struct wf_queue_news *news)
{
    bool ok = true;

    for (size_t i = 0; i < n->conf->target_count; i++) {
        if (n->conf->targets[i].kind == WF_TARGET_ALERTMANAGER)
            continue;
        ok = wf_queue_add(&n->queues[i], news, &n->stats.queues) && ok;
        n->stats.messages++;
    }
    return ok;
}

// Of what is not named it is said how many there are: when one of them is over that need not be told. What is over and found no place comes with
// the next message.
static void tell(struct wf_notify *n, struct wf_group *g, const struct wf_group_view *v)
{
    struct wf_alert *told[WF_QUEUE_MOST];
    struct wf_queue_news news = { .group = g->key,
        .alerts = told,
        .count = choose(g, told),
        .telling = n->telling + 1,
        .now_ms = v->now_ms };

    for (struct wf_alert *a = g->members; a; a = a->in_group)
        news.more++;
    news.more -= news.count;
    g->changed_ms = 0;
    if (!news.count)
        return;
    n->telling++;
    if (!add_to_all(n, &news)) {
        g->changed_ms = v->now_ms; // without memory now
        return;
    }
    g->sent_ms = v->now_ms;
    g->firing = false;
    for (struct wf_alert *a = g->members; a; a = a->in_group) {
        a->counted = a->state == WF_ALERT_FIRING;
        g->firing = g->firing || a->counted;
    }
    for (size_t i = 0; i < news.count; i++) {
        struct wf_alert *a = told[i];
        a->counted = false;
        a->told = (int)a->state;
        a->told_ms = v->now_ms > a->fired_ms ? v->now_ms : a->fired_ms;
        a->telling = n->telling;
    }
}

// Who came later hears of what others were told that fires.
static void welcome(struct wf_notify *n, struct wf_queue *q, const struct wf_group_view *v)
{
    for (const struct wf_group *g = n->groups.all; g; g = g->next) {
        struct wf_alert *some[WF_QUEUE_MOST];
        struct wf_queue_news news = {
            .group = g->key, .alerts = some, .telling = n->telling, .now_ms = v->now_ms
        };
        for (struct wf_alert *a = g->members; a; a = a->in_group) {
            if (a->state != WF_ALERT_FIRING || a->told != WF_ALERT_FIRING)
                continue;
            if (news.count < WF_QUEUE_MOST)
                some[news.count++] = a;
            else
                news.more++;
        }
        if (news.count && !wf_queue_add(q, &news, &n->stats.queues))
            q->fresh = true; // without memory now
    }
}

static void welcome_all(
    struct wf_notify *n, struct wf_alerts *alerts, const struct wf_group_view *v)
{
    for (size_t i = 0; i < n->conf->target_count; i++) {
        if (!n->queues[i].fresh)
            continue;
        if (n->looked_ms != v->now_ms)
            look(n, alerts, v);
        n->resend_ms = 0; // for an Alertmanager, which is told otherwise
        n->queues[i].fresh = false;
        if (n->conf->targets[i].kind != WF_TARGET_ALERTMANAGER)
            welcome(n, &n->queues[i], v);
    }
}

// Returns when the next is due. Members are as they were when they were looked at: that has to be now.
static int64_t tell_due(
    struct wf_notify *n, struct wf_alerts *alerts, const struct wf_group_view *v)
{
    int64_t next = INT64_MAX;

    for (const struct wf_group *g = n->groups.all; g; g = g->next)
        if (wf_group_due(g, &n->conf->group) < next)
            next = wf_group_due(g, &n->conf->group);
    if (next > v->now_ms)
        return next;
    if (n->looked_ms != v->now_ms)
        look(n, alerts, v);
    next = INT64_MAX;
    for (struct wf_group *g = n->groups.all; g; g = g->next) {
        if (wf_group_due(g, &n->conf->group) <= v->now_ms)
            tell(n, g, v);
        if (wf_group_due(g, &n->conf->group) < next)
            next = wf_group_due(g, &n->conf->group);
    }
    return next;
}

// What every target has, or was given up for, need not be told again after a restart. Until then the book says that nobody was told.
static void keep_told(struct wf_notify *n, struct wf_alerts *alerts)
{
    uint64_t arrived = n->telling + 1;

    for (size_t i = 0; i < n->conf->target_count; i++) {
        uint64_t oldest = wf_queue_oldest(&n->queues[i]);
        if (oldest && oldest < arrived)
            arrived = oldest;
    }
    if (arrived == n->arrived)
        return;
    n->arrived = arrived;
    for (struct wf_alert *a = wf_alerts_first(alerts); a; a = a->next) {
        if (!a->telling || a->telling >= arrived)
            continue;
        a->kept_told = a->told;
        a->kept_told_ms = a->told_ms;
        a->telling = 0;
        a->changed = n->kept = true;
    }
}

// ---- Alertmanager ------------------------------------------------------------------------------------------------------------

// It groups, silences and remembers by itself: it gets all that fires, again and again, and what was resolved for a while.
static bool is_for_alertmanager(const struct wf_alert *a, const struct wf_group_view *v)
{
    if (a->state == WF_ALERT_FIRING)
        return !wf_alert_is_quiet(a, v);
    return a->state == WF_ALERT_RESOLVED && v->now_ms - a->resolved_ms < WF_NOTIFY_ENDED_MS;
}

static bool push(struct wf_notify *n, struct wf_queue *q, const char *name, const char *text)
{
    bool ok = wf_queue_text(q, name, text, n->now_ms);

    n->stats.messages += ok;
    return ok;
}

static void resend(struct wf_notify *n, struct wf_queue *q, struct wf_alerts *alerts,
    const struct wf_group_view *v)
{
    struct wf_alert *some[WF_QUEUE_MOST];
    size_t count = 0;
    // Three times the interval: one message that is lost resolves nothing.
    int64_t ends_ms = v->now_ms + 3LL * WF_NOTIFY_RESEND_MS;

    // What waits there is older than what comes now, and says nothing more.
    wf_queue_drop_texts(q);
    for (struct wf_alert *a = wf_alerts_first(alerts); a || count; a = a ? a->next : NULL) {
        if (a && is_for_alertmanager(a, v))
            some[count++] = a;
        if (a && count < WF_QUEUE_MOST)
            continue;
        char *text = count ? wf_message_alertmanager(some, count, ends_ms) : NULL;
        if (count && (!text || !push(n, q, "", text)))
            n->resend_ms = v->now_ms + AGAIN_MS; // without memory now
        free(text);
        count = 0;
    }
}

static void tell_alertmanagers(
    struct wf_notify *n, struct wf_alerts *alerts, const struct wf_group_view *v)
{
    if (v->now_ms < n->resend_ms && n->resend_ms - v->now_ms <= WF_NOTIFY_RESEND_MS)
        return;
    n->resend_ms = v->now_ms + WF_NOTIFY_RESEND_MS;
    for (size_t i = 0; i < n->conf->target_count; i++)
        if (n->conf->targets[i].kind == WF_TARGET_ALERTMANAGER)
            resend(n, &n->queues[i], alerts, v);
}

// ---- a test, a sign of life ----------------------------------------------------------------------------------------------------

// An Alertmanager is told of an alert that says so and ends by itself.
static char *sign_alert(const char *rule, const char *summary, int64_t now_ms, int64_t ends_ms)
{
    struct wf_alert *a = calloc(1, sizeof *a);
    char *text = NULL;

    if (!a)
        return NULL;
    snprintf(a->rule, sizeof a->rule, "%s", rule);
    snprintf(a->id, sizeof a->id, "sign");
    snprintf(a->summary, sizeof a->summary, "%s", summary);
    a->state = WF_ALERT_FIRING;
    a->fired_ms = now_ms;
    text = wf_message_alertmanager(&a, 1, ends_ms);
    free(a);
    return text;
}

static bool push_sign(struct wf_notify *n, const char *status, char *alert, int64_t now_ms)
{
    char *text = wf_message(n->monitor, status, NULL, 0, 0, now_ms);
    bool ok = text && alert;

    n->now_ms = now_ms;
    for (size_t i = 0; ok && i < n->conf->target_count; i++) {
        bool other = n->conf->targets[i].kind == WF_TARGET_ALERTMANAGER;
        ok = push(n, &n->queues[i], status, other ? alert : text);
    }
    free(text);
    free(alert);
    return ok;
}

bool wf_notify_test(struct wf_notify *n, int64_t now_ms)
{
    n->resend_ms = now_ms + WF_NOTIFY_RESEND_MS; // what it would say of alerts waits
    n->alive_ms = now_ms + n->conf->alive_ms;    // and so does a sign of life
    return push_sign(n, "test",
        sign_alert("weft-monitor-test", "a test of weft-monitor: nothing is wrong", now_ms,
            now_ms + WF_NOTIFY_RESEND_MS),
        now_ms);
}

// A dead man's switch: who stops hearing this knows that nobody would tell of anything else.
static void say_alive(struct wf_notify *n, int64_t now_ms)
{
    int64_t every = n->conf->alive_ms;

    if (!every || (now_ms < n->alive_ms && n->alive_ms - now_ms <= every))
        return;
    bool said = push_sign(n, "alive",
        sign_alert("weft-monitor-alive", "rules are judged; this always fires", now_ms,
            now_ms + 3 * every),
        now_ms);
    n->alive_ms = now_ms + (said ? every : AGAIN_MS);
}

// ---- a turn --------------------------------------------------------------------------------------------------------------------

void wf_notify_wake(struct wf_notify *n)
{
    n->woken = true;
}

static int64_t earlier(int64_t ms, int64_t by_ms)
{
    return ms > by_ms ? ms - by_ms : (ms > 0); // 0 means never
}

// The clock was set back. What was told, and what is due, is as far from now as it was: a group would else wait for the time that it had been.
static void step_back(struct wf_notify *n, int64_t by_ms)
{
    for (struct wf_group *g = n->groups.all; g; g = g->next) {
        g->changed_ms = earlier(g->changed_ms, by_ms);
        g->sent_ms = earlier(g->sent_ms, by_ms);
    }
    for (size_t i = 0; i < WF_NOTIFY_TARGETS; i++)
        wf_queue_step_back(&n->queues[i], by_ms);
}

int64_t wf_notify_turn(struct wf_notify *n, struct wf_alerts *alerts,
    const struct wf_silence *silences, size_t silence_count, int64_t now_ms)
{
    const struct wf_group_view v = {
        .silences = silences, .count = silence_count, .now_ms = now_ms
    };
    const struct wf_queue_turn t = {
        .monitor = n->monitor, .alerts = alerts, .stats = &n->stats.queues, .now_ms = now_ms
    };
    int64_t due = now_ms + LOOK_MS;

    if (now_ms < n->now_ms)
        step_back(n, n->now_ms - now_ms);
    n->now_ms = now_ms;
    if (n->woken || now_ms - n->looked_ms >= LOOK_MS || now_ms < n->looked_ms)
        look(n, alerts, &v);
    welcome_all(n, alerts, &v);
    int64_t next_group = tell_due(n, alerts, &v);
    due = next_group < due ? next_group : due;
    tell_alertmanagers(n, alerts, &v);
    say_alive(n, now_ms);
    for (size_t i = 0; i < n->conf->target_count; i++) {
        int64_t next = wf_queue_work(&n->queues[i], &t);
        due = next < due ? next : due;
    }
    keep_told(n, alerts);
    return due;
}

bool wf_notify_has_kept(struct wf_notify *n)
{
    bool kept = n->kept;

    n->kept = false;
    return kept;
}

bool wf_notify_is_idle(const struct wf_notify *n)
{
    for (size_t i = 0; i < n->conf->target_count; i++)
        if (n->queues[i].first)
            return false;
    return true;
}

void wf_notify_stats(const struct wf_notify *n, struct wf_notify_stats *ret)
{
    *ret = n->stats;
    ret->waiting = ret->most_waiting = 0;
    for (size_t i = 0; i < n->conf->target_count; i++) {
        ret->waiting += n->queues[i].count;
        if (n->queues[i].count > ret->most_waiting)
            ret->most_waiting = n->queues[i].count;
    }
}
