// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/alert/queue.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/message.h"

#define FIRST_MS 1000 // before a message is tried again; doubled each time
#define MOST_MS  60000
#define POLL_MS  20 // while something is being sent

struct item {
    char id[WF_ALERT_ID];
    bool ends;      // it is over: who heard of it firing has to hear that
    bool under_way; // in what is being sent
    uint64_t telling;
    int64_t made_ms;
};

struct waiting {
    char key[WF_GROUP_KEY]; // first
    struct waiting *next;
    bool is_text;
    char *text; // finished, or what is being sent
    struct item *items;
    size_t count, room, more;
    int64_t made_ms, again_ms, wait_ms; // made_ms: of a text
};

static int by_key(const void *a, const void *b) // a key, or what waits, which begins with it
{
    return strcmp(a, b);
}

static size_t weight(const struct waiting *w)
{
    return w->is_text ? 1 : w->count;
}

// Takes out what *at points to.
static void drop(struct wf_queue *q, struct waiting **at)
{
    struct waiting *w = *at;

    *at = w->next;
    if (q->last == w) {
        q->last = q->first;
        while (q->last && q->last->next)
            q->last = q->last->next;
    }
    if (!w->is_text)
        tdelete(w, &q->groups, by_key);
    q->count -= weight(w);
    q->changed = true;
    free(w->items);
    free(w->text);
    free(w);
}

void wf_queue_empty(struct wf_queue *q)
{
    wf_target_stop(&q->target);
    q->busy = false;
    while (q->first)
        drop(q, &q->first);
}

static struct waiting *append(struct wf_queue *q, const char *key, bool is_text)
{
    struct waiting *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    snprintf(w->key, sizeof w->key, "%s", key);
    w->is_text = is_text;
    w->wait_ms = FIRST_MS;
    if (!is_text && !tsearch(w, &q->groups, by_key)) {
        free(w);
        return NULL;
    }
    *(q->last ? &q->last->next : &q->first) = w;
    q->last = w;
    return w;
}

// ---- what is given up ------------------------------------------------------------------------------------------------------------

static const char *name_of(const struct wf_queue *q)
{
    const struct wf_target_conf *conf = q->target.conf;

    return conf && conf->kind != WF_TARGET_STDOUT ? conf->words[0] : "standard output";
}

static void give_up(struct wf_queue *q, const struct waiting *w, const struct item *i,
    struct wf_queue_stats *stats, const char *why)
{
    stats->given_up++;
    snprintf(stats->lost, sizeof stats->lost, "%.80s was not told %s%.16s%s%.120s: %.60s",
        name_of(q),
        i && i->ends ? "of the end of alert "
        : i          ? "of alert "
                     : "",
        i ? i->id : "", i ? " of " : "", w->key[0] ? w->key : "alerts", why);
}

static void drop_item(struct wf_queue *q, struct waiting *w, size_t i)
{
    memmove(&w->items[i], &w->items[i + 1], (w->count - i - 1) * sizeof w->items[0]);
    w->count--;
    q->count--;
    q->changed = true;
}

// The oldest that only begins, or there being none the oldest.
static void make_room(struct wf_queue *q, struct wf_queue_stats *stats)
{
    for (int any = 0; any < 2; any++) {
        for (struct waiting *w = q->first; w; w = w->next) {
            for (size_t i = 0; i < w->count; i++) {
                if (w->items[i].under_way || (w->items[i].ends && !any))
                    continue;
                give_up(q, w, &w->items[i], stats, "too many wait");
                drop_item(q, w, i);
                return;
            }
        }
    }
}

static void drop_stale_items(
    struct wf_queue *q, struct waiting *w, struct wf_queue_stats *stats, int64_t now_ms)
{
    for (size_t i = w->count; i-- > 0;) {
        const struct item *it = &w->items[i];
        if (now_ms - it->made_ms <= (it->ends ? WF_QUEUE_ENDED_MS : WF_QUEUE_AGE_MS))
            continue;
        give_up(q, w, it, stats,
            it->ends ? "it took nothing for a day" : "it took nothing for an hour");
        drop_item(q, w, i);
    }
}

// Behind one that waits for long nothing is tried: what nobody needs to hear any more goes. Nothing is under way.
static void drop_stale(struct wf_queue *q, struct wf_queue_stats *stats, int64_t now_ms)
{
    for (struct waiting **at = &q->first; *at;) {
        struct waiting *w = *at;
        drop_stale_items(q, w, stats, now_ms);
        bool old = w->is_text && now_ms - w->made_ms > WF_QUEUE_AGE_MS;
        if (old)
            give_up(q, w, NULL, stats, "it took nothing for an hour");
        if (old || !weight(w))
            drop(q, at);
        else
            at = &w->next;
    }
}

// ---- what comes --------------------------------------------------------------------------------------------------------------------

static struct item *item_of(struct wf_queue *q, struct waiting *w, const char *id)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->items[i].id, id) == 0)
            return &w->items[i];
    if (w->count == w->room) {
        size_t room = w->room ? w->room * 2 : 4;
        struct item *more = realloc(w->items, room * sizeof *more);
        if (!more)
            return NULL;
        w->items = more;
        w->room = room;
    }
    struct item *it = &w->items[w->count++];
    memset(it, 0, sizeof *it);
    snprintf(it->id, sizeof it->id, "%s", id);
    q->count++;
    return it;
}

bool wf_queue_add(
    struct wf_queue *q, const struct wf_queue_news *news, struct wf_queue_stats *stats)
{
    struct waiting *const *at = tfind(news->group, &q->groups, by_key);
    struct waiting *w = at ? *at : append(q, news->group, false);

    q->changed = true;
    for (size_t i = 0; w && i < news->count; i++) {
        struct item *it = item_of(q, w, news->alerts[i]->id);
        if (!it)
            return false;
        it->ends = news->alerts[i]->state != WF_ALERT_FIRING;
        it->under_way = false; // what is being sent says something older
        it->telling = news->telling;
        it->made_ms = news->now_ms;
    }
    if (w)
        w->more = news->more;
    while (q->count > WF_QUEUE_ALERTS)
        make_room(q, stats);
    return w != NULL;
}

static struct waiting **idle(struct wf_queue *q)
{
    return q->busy ? &q->first->next : &q->first;
}

bool wf_queue_text(struct wf_queue *q, const char *name, const char *text, int64_t now_ms)
{
    char *copy = strdup(text);
    struct waiting *w = copy ? append(q, name, true) : NULL;

    if (!w) {
        free(copy);
        return false;
    }
    w->text = copy;
    w->made_ms = now_ms;
    q->count++;
    for (struct waiting **at = idle(q); *at != w;) {
        if ((*at)->is_text && name[0] && strcmp((*at)->key, name) == 0)
            drop(q, at);
        else
            at = &(*at)->next;
    }
    return true;
}

void wf_queue_drop_texts(struct wf_queue *q)
{
    for (struct waiting **at = idle(q); *at;) {
        if ((*at)->is_text)
            drop(q, at);
        else
            at = &(*at)->next;
    }
}

// ---- what goes ---------------------------------------------------------------------------------------------------------------------

// What is over first. One that is no more says nothing.
static size_t gather(struct wf_queue *q, struct waiting *w, const struct wf_queue_turn *t,
    struct wf_alert *ret[WF_QUEUE_MOST])
{
    size_t count = 0;

    for (size_t i = w->count; i-- > 0;)
        if (!wf_alerts_find(t->alerts, w->items[i].id))
            drop_item(q, w, i);
    for (int firing = 0; firing < 2; firing++) {
        for (size_t i = 0; i < w->count && count < WF_QUEUE_MOST; i++) {
            struct wf_alert *a = wf_alerts_find(t->alerts, w->items[i].id);
            if ((a->state == WF_ALERT_FIRING) != firing)
                continue;
            w->items[i].under_way = true;
            ret[count++] = a;
        }
    }
    return count;
}

// False: without memory now. An empty one has nothing to say any more.
static bool make(struct wf_queue *q, struct waiting *w, const struct wf_queue_turn *t)
{
    struct wf_alert *some[WF_QUEUE_MOST];

    if (w->is_text)
        return true;
    free(w->text);
    w->text = NULL;
    size_t count = gather(q, w, t, some);
    if (count)
        w->text =
            wf_message(t->monitor, w->key, some, count, w->more + w->count - count, t->now_ms);
    return !count || w->text;
}

static void end_item(struct wf_queue *q, struct waiting *w, bool arrived)
{
    for (size_t i = w->count; i-- > 0;) {
        if (w->items[i].under_way && arrived)
            drop_item(q, w, i);
        else
            w->items[i].under_way = false;
    }
}

static void on_result(struct wf_queue *q, const struct wf_queue_turn *t, enum wf_sent sent)
{
    struct waiting *w = q->first;

    q->busy = sent == WF_SENT_NOT_YET;
    if (q->busy)
        return;
    end_item(q, w, sent == WF_SENT);
    if (sent == WF_SENT && (w->is_text || !w->count)) {
        drop(q, &q->first);
        return;
    }
    if (sent == WF_SENT) { // more than one message holds
        w->wait_ms = FIRST_MS;
        w->again_ms = t->now_ms;
        return;
    }
    t->stats->failed++;
    snprintf(t->stats->problem, sizeof t->stats->problem, "%s", q->target.problem);
    w->again_ms = t->now_ms + w->wait_ms;
    w->wait_ms = w->wait_ms * 2 < MOST_MS ? w->wait_ms * 2 : MOST_MS;
    drop_stale(q, t->stats, t->now_ms);
}

static void send_first(struct wf_queue *q, const struct wf_queue_turn *t)
{
    struct waiting *w = q->first;

    if (!make(q, w, t)) {
        w->again_ms = t->now_ms + FIRST_MS;
        end_item(q, w, false);
    } else if (w->text) {
        on_result(q, t, wf_target_send(&q->target, w->text, strlen(w->text), t->now_ms));
    } else {
        drop(q, &q->first);
    }
}

int64_t wf_queue_work(struct wf_queue *q, const struct wf_queue_turn *t)
{
    if (q->busy)
        on_result(q, t, wf_target_poll(&q->target, t->now_ms));
    while (!q->busy && q->first && q->first->again_ms <= t->now_ms)
        send_first(q, t);
    if (q->busy)
        return t->now_ms + POLL_MS;
    return q->first ? q->first->again_ms : INT64_MAX;
}

uint64_t wf_queue_oldest(struct wf_queue *q)
{
    if (!q->changed)
        return q->oldest;
    q->changed = false;
    q->oldest = 0;
    for (const struct waiting *w = q->first; w; w = w->next)
        for (size_t i = 0; i < w->count; i++)
            if (!q->oldest || w->items[i].telling < q->oldest)
                q->oldest = w->items[i].telling;
    return q->oldest;
}

static int64_t earlier(int64_t ms, int64_t by_ms)
{
    return ms > by_ms ? ms - by_ms : (ms > 0); // 0 means never
}

void wf_queue_step_back(struct wf_queue *q, int64_t by_ms)
{
    q->target.began_ms = earlier(q->target.began_ms, by_ms);
    for (struct waiting *w = q->first; w; w = w->next) {
        w->made_ms = earlier(w->made_ms, by_ms);
        w->again_ms = earlier(w->again_ms, by_ms);
        for (size_t i = 0; i < w->count; i++)
            w->items[i].made_ms = earlier(w->items[i].made_ms, by_ms);
    }
}
