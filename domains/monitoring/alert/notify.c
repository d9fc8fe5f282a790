// SPDX-License-Identifier: Apache-2.0
// Groups of alerts, when they are told, and the queues of the targets. See notify.h.
#include "domains/monitoring/alert/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_MS 1000 // before a message is tried again; doubled each time
#define MOST_MS  60000
#define LOOK_MS  500
#define POLL_MS  20 // while something is being sent

struct message {
    struct message *next;
    char *text;
    size_t len;
    uint64_t telling; // the one it belongs to; 0: nobody's
    int64_t made_ms, again_ms, wait_ms;
    bool ends; // something is over: who heard of it firing has to hear that
};

struct telling {
    uint64_t number;
    bool ends;
};
static const struct telling nobodys; // a sign of life, a test, what is sent again anyway

struct queue {
    struct wf_target target;
    struct message *first, *last;
    size_t count;
    bool busy; // with the first
};

struct wf_notify {
    const struct wf_notify_conf *conf;
    char monitor[160];
    struct queue queues[WF_NOTIFY_TARGETS];
    struct wf_groups groups;
    struct wf_notify_stats stats;
    bool woken;
    bool kept;                 // what alerts keep of it changed
    uint64_t telling, arrived; // tellings begun; all before `arrived` have ended
    int64_t looked_ms, resend_ms, alive_ms;
    int64_t now_ms; // of the last turn
};

static void drop_first(struct queue *q)
{
    struct message *m = q->first;

    q->first = m->next;
    if (!q->first)
        q->last = NULL;
    q->count--;
    free(m->text);
    free(m);
}

// The oldest but the one that is under way.
static void give_up_oldest(struct queue *q)
{
    struct message *m = q->first->next;

    if (!q->busy) {
        drop_first(q);
        return;
    }
    q->first->next = m->next; // there is one: the queue is full
    if (!m->next)
        q->last = q->first;
    q->count--;
    free(m->text);
    free(m);
}

static void empty(struct queue *q)
{
    wf_target_stop(&q->target);
    q->busy = false;
    while (q->first)
        drop_first(q);
}

struct wf_notify *wf_notify_new(const struct wf_notify_conf *conf, const char *monitor)
{
    struct wf_notify *n = calloc(1, sizeof *n);

    if (!n)
        return NULL;
    snprintf(n->monitor, sizeof n->monitor, "%s", monitor);
    wf_notify_use(n, conf);
    return n;
}

// What waits for a target that is still there goes on; the order of targets is what tells them apart.
void wf_notify_use(struct wf_notify *n, const struct wf_notify_conf *conf)
{
    for (size_t i = 0; i < WF_NOTIFY_TARGETS; i++) {
        struct queue *q = &n->queues[i];
        bool same = n->conf && i < conf->target_count && i < n->conf->target_count &&
                    conf->targets[i].kind == n->conf->targets[i].kind;
        if (!same) {
            n->stats.given_up += q->count;
            empty(q);
        }
        q->target.conf = i < conf->target_count ? &conf->targets[i] : NULL;
    }
    n->conf = conf;
}

void wf_notify_free(struct wf_notify *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < WF_NOTIFY_TARGETS; i++)
        empty(&n->queues[i]);
    wf_groups_fini(&n->groups);
    free(n);
}

// ---- queues ------------------------------------------------------------------------------------------------------------------

static bool push(struct wf_notify *n, struct queue *q, const char *text, const struct telling *as,
    int64_t now_ms)
{
    struct message *m = calloc(1, sizeof *m);

    if (m)
        m->text = strdup(text);
    if (!m || !m->text) {
        free(m);
        return false;
    }
    m->len = strlen(text);
    m->telling = as->number;
    m->ends = as->ends;
    m->made_ms = now_ms;
    m->wait_ms = FIRST_MS;
    if (q->count == WF_NOTIFY_QUEUE) {
        give_up_oldest(q);
        n->stats.given_up++;
    }
    if (q->last)
        q->last->next = m;
    else
        q->first = m;
    q->last = m;
    q->count++;
    n->stats.messages++;
    return true;
}

static bool push_all(
    struct wf_notify *n, const char *text, const struct telling *as, int64_t now_ms)
{
    bool ok = true;

    for (size_t i = 0; i < n->conf->target_count; i++)
        if (n->conf->targets[i].kind != WF_TARGET_ALERTMANAGER)
            ok = push(n, &n->queues[i], text, as, now_ms) && ok;
    return ok;
}

static bool is_stale(const struct message *m, int64_t now_ms)
{
    return now_ms - m->made_ms > (m->ends ? WF_NOTIFY_OVER_MS : WF_NOTIFY_AGE_MS);
}

// Behind one that waits for long nothing is tried: what nobody needs to hear any more goes.
static void drop_stale(struct wf_notify *n, struct queue *q, int64_t now_ms)
{
    struct message **at = &q->first;

    q->last = NULL;
    while (*at) {
        struct message *m = *at;
        if (!is_stale(m, now_ms)) {
            q->last = m;
            at = &m->next;
            continue;
        }
        *at = m->next;
        n->stats.given_up++;
        q->count--;
        free(m->text);
        free(m);
    }
}

static void on_result(struct wf_notify *n, struct queue *q, enum wf_sent sent, int64_t now_ms)
{
    struct message *m = q->first;

    q->busy = sent == WF_SENT_NOT_YET;
    if (sent == WF_SENT) {
        drop_first(q);
        return;
    }
    if (sent == WF_SENT_NOT_YET)
        return;
    n->stats.failed++;
    snprintf(n->stats.problem, sizeof n->stats.problem, "%s", q->target.problem);
    m->again_ms = now_ms + m->wait_ms;
    m->wait_ms = m->wait_ms * 2 < MOST_MS ? m->wait_ms * 2 : MOST_MS;
    drop_stale(n, q, now_ms);
}

// Until the target is busy, fails or has nothing more. Returns when to look again.
static int64_t work(struct wf_notify *n, struct queue *q, int64_t now_ms)
{
    if (q->busy)
        on_result(n, q, wf_target_poll(&q->target, now_ms), now_ms);
    while (!q->busy && q->first && q->first->again_ms <= now_ms)
        on_result(n, q, wf_target_send(&q->target, q->first->text, q->first->len, now_ms), now_ms);
    if (q->busy)
        return now_ms + POLL_MS;
    return q->first ? q->first->again_ms : INT64_MAX;
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

static void tell(struct wf_notify *n, struct wf_group *g, const struct wf_group_view *v)
{
    struct wf_alert *told[WF_NOTIFY_MOST];
    struct telling as = { .number = n->telling + 1 };
    size_t count = 0, more = 0;

    for (struct wf_alert *a = g->members; a; a = a->in_group) {
        as.ends = as.ends || a->state == WF_ALERT_RESOLVED;
        if (count < WF_NOTIFY_MOST)
            told[count++] = a;
        else
            more++;
    }
    char *text = count ? wf_message(n->monitor, g->key, told, count, more, v->now_ms) : NULL;
    g->changed_ms = 0;
    if (!count)
        return;
    n->telling++;
    if (!text || !push_all(n, text, &as, v->now_ms)) {
        g->changed_ms = v->now_ms; // without memory now
        free(text);
        return;
    }
    free(text);
    g->sent_ms = v->now_ms;
    g->firing = false;
    for (struct wf_alert *a = g->members; a; a = a->in_group) {
        a->told = (int)a->state;
        a->told_ms = v->now_ms > a->fired_ms ? v->now_ms : a->fired_ms;
        a->telling = n->telling;
        g->firing = g->firing || a->state == WF_ALERT_FIRING;
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

    for (size_t i = 0; i < WF_NOTIFY_TARGETS; i++)
        for (const struct message *m = n->queues[i].first; m; m = m->next)
            if (m->telling && m->telling < arrived)
                arrived = m->telling;
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

// What waits there is older than what comes now, and says nothing more.
static void make_way(struct queue *q)
{
    struct message **rest = q->busy ? &q->first->next : &q->first;

    while (*rest) {
        struct message *m = *rest;
        *rest = m->next;
        free(m->text);
        free(m);
        q->count--;
    }
    q->last = q->first;
}

static void resend(
    struct wf_notify *n, struct queue *q, struct wf_alerts *alerts, const struct wf_group_view *v)
{
    struct wf_alert *some[WF_NOTIFY_MOST];
    size_t count = 0;
    // Three times the interval: one message that is lost resolves nothing.
    int64_t ends_ms = v->now_ms + 3LL * WF_NOTIFY_RESEND_MS;

    make_way(q);
    for (struct wf_alert *a = wf_alerts_first(alerts); a || count; a = a ? a->next : NULL) {
        if (a && is_for_alertmanager(a, v))
            some[count++] = a;
        if (a && count < WF_NOTIFY_MOST)
            continue;
        char *text = count ? wf_message_alertmanager(some, count, ends_ms) : NULL;
        if (count && (!text || !push(n, q, text, &nobodys, v->now_ms)))
            n->resend_ms = v->now_ms + FIRST_MS; // without memory now
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
    bool ok = text && alert && push_all(n, text, &nobodys, now_ms);

    for (size_t i = 0; ok && i < n->conf->target_count; i++)
        if (n->conf->targets[i].kind == WF_TARGET_ALERTMANAGER)
            ok = push(n, &n->queues[i], alert, &nobodys, now_ms);
    free(text);
    free(alert);
    return ok;
}

bool wf_notify_test(struct wf_notify *n, int64_t now_ms)
{
    n->resend_ms = now_ms + WF_NOTIFY_RESEND_MS; // what it would say of alerts waits
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
    n->alive_ms = now_ms + (said ? every : FIRST_MS);
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
    for (size_t i = 0; i < WF_NOTIFY_TARGETS; i++) {
        n->queues[i].target.began_ms = earlier(n->queues[i].target.began_ms, by_ms);
        for (struct message *m = n->queues[i].first; m; m = m->next) {
            m->made_ms = earlier(m->made_ms, by_ms);
            m->again_ms = earlier(m->again_ms, by_ms);
        }
    }
}

int64_t wf_notify_turn(struct wf_notify *n, struct wf_alerts *alerts,
    const struct wf_silence *silences, size_t silence_count, int64_t now_ms)
{
    const struct wf_group_view v = {
        .silences = silences, .count = silence_count, .now_ms = now_ms
    };
    int64_t due = now_ms + LOOK_MS;

    if (now_ms < n->now_ms)
        step_back(n, n->now_ms - now_ms);
    n->now_ms = now_ms;
    if (n->woken || now_ms - n->looked_ms >= LOOK_MS || now_ms < n->looked_ms)
        look(n, alerts, &v);
    int64_t next_group = tell_due(n, alerts, &v);
    due = next_group < due ? next_group : due;
    tell_alertmanagers(n, alerts, &v);
    say_alive(n, now_ms);
    for (size_t i = 0; i < n->conf->target_count; i++) {
        int64_t next = work(n, &n->queues[i], now_ms);
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
    ret->waiting = 0;
    for (size_t i = 0; i < n->conf->target_count; i++)
        ret->waiting += n->queues[i].count;
}
