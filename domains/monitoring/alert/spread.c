// SPDX-License-Identifier: Apache-2.0
// See spread.h.
#include "domains/monitoring/alert/spread.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "domains/monitoring/alert/sender.h"

#define SNAPSHOT_MS                                                                                \
    86400000 // so that the log behind it may go, and a reader that comes late has less to read
#define HAND_OVER 64u

struct pending {
    enum weft_op op;
    int64_t time_ms;
    char *json;
};

struct wf_spread {
    char monitor[160];
    struct weft_client *client;
    struct wf_sender *sender; // NULL: nothing is published, or not yet under this key
    struct wf_book_publisher
        as;                  // as the book has it, but for what is under way; product "": nobody
    struct pending *pending; // not in the book
    size_t count, room;
    uint64_t first, handed;  // in the book from; next for the sender
    uint64_t dropping;       // first, once what is under way is committed
    bool renew;              // begins anew: what the book has to publish goes
    bool changed, snapshots; // as is not as the book has it; a snapshot of all is due
    char problem[400];
};

struct wf_spread *wf_spread_new(const char *monitor)
{
    struct wf_spread *s = calloc(1, sizeof *s);

    if (s)
        snprintf(s->monitor, sizeof s->monitor, "%s", monitor);
    return s;
}

static void clear(struct wf_spread *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->pending[i].json);
    s->count = 0;
}

void wf_spread_free(struct wf_spread *s)
{
    if (!s)
        return;
    wf_sender_stop(s->sender);
    clear(s);
    free(s->pending);
    free(s);
}

// ---- beginning -------------------------------------------------------------------------------------------------------------

static enum weft_err start_sender(struct wf_spread *s)
{
    const uint64_t numbers[] = { s->first, s->as.next };

    s->handed = s->first;
    return wf_sender_start(s->client, s->as.product, s->as.key, numbers, &s->sender);
}

// As somebody new: all that is so is told in a snapshot, whatever the node had or has.
static enum weft_err begin_anew(struct wf_spread *s, const char *product)
{
    struct wf_book_publisher as = { .lost = s->as.lost };

    if (getrandom(as.key, sizeof as.key, 0) != (ssize_t)sizeof as.key)
        return WEFT_E_IO;
    snprintf(as.product, sizeof as.product, "%s", product);
    wf_sender_stop(s->sender);
    s->sender = NULL;
    clear(s);
    s->as = as;
    s->first = s->handed = 0;
    s->renew = s->changed = s->snapshots = true;
    return WEFT_OK;
}

static enum weft_err first_number(void *arg, const struct wf_book_change *c)
{
    struct wf_spread *s = arg;

    s->first = c->n;
    free(c->json);
    return WEFT_OK;
}

enum weft_err wf_spread_use(
    struct wf_spread *s, struct wf_book *b, struct weft_client *c, const char *product)
{
    struct wf_book_publisher as = { .next = 0 };

    s->client = c;
    if (strcmp(s->as.product, product) == 0)
        return WEFT_OK;
    if (!product[0]) {
        wf_sender_stop(s->sender);
        s->sender = NULL;
        clear(s);
        s->as.product[0] = '\0';
        return WEFT_OK;
    }
    enum weft_err err = wf_book_publisher(b, &as);
    if (err == WEFT_E_NOT_FOUND || (!err && strcmp(as.product, product) != 0))
        return begin_anew(s, product);
    if (err)
        return err;
    s->as = as;
    s->first = as.next;
    err = wf_book_changes(b, 0, 1, first_number, s);
    return err ? err : start_sender(s);
}

// ---- what is worth telling ---------------------------------------------------------------------------------------------------

// What can't be kept is told by the next snapshot, and that a history has a hole by the count.
static void lose(struct wf_spread *s, uint64_t changes)
{
    s->as.lost += changes;
    s->changed = s->snapshots = true;
    fprintf(stderr, "weft-monitor: changes of alerts that are in no history of %s: %" PRIu64 "\n",
        s->as.product, changes);
}

static bool push(struct wf_spread *s, enum weft_op op, char *json, int64_t now_ms)
{
    bool wants = op == WEFT_PUT || op == WEFT_DELETE;

    if (s->count == WF_SPREAD_PENDING) {
        uint64_t changes = s->count;
        clear(s);
        lose(s, changes);
    }
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        struct pending *more = realloc(s->pending, room * sizeof *more);
        if (more) {
            s->pending = more;
            s->room = room;
        }
    }
    if (s->count == s->room || (wants && !json)) {
        free(json);
        lose(s, 1);
        return false;
    }
    s->pending[s->count++] = (struct pending){ .op = op, .time_ms = now_ms, .json = json };
    return true;
}

static bool is_told(const struct wf_alert *a)
{
    return a->state == WF_ALERT_FIRING || a->state == WF_ALERT_RESOLVED;
}

static bool tell(
    struct wf_spread *s, struct wf_alert *a, const struct wf_silence *silence, int64_t now_ms)
{
    if (!push(s, WEFT_PUT, wf_alert_record(s->monitor, a, silence, now_ms), now_ms))
        return false;
    a->published = wf_alert_sum(a, silence, now_ms);
    a->changed = true;
    return true;
}

bool wf_spread_note(
    struct wf_spread *s, struct wf_alert *a, const struct wf_silence *silence, int64_t now_ms)
{
    // What nobody was told of need not be told to be over.
    if (!s->as.product[0] || !is_told(a) || (a->state == WF_ALERT_RESOLVED && !a->published) ||
        a->published == wf_alert_sum(a, silence, now_ms))
        return false;
    return tell(s, a, silence, now_ms);
}

bool wf_spread_forget(struct wf_spread *s, const struct wf_alert *a, int64_t now_ms)
{
    return s->as.product[0] && a->published &&
           push(s, WEFT_DELETE, wf_alert_record_key(s->monitor, a->id), now_ms);
}

static const struct wf_silence *silence_of(const struct wf_spread_view *v, const struct wf_alert *a)
{
    return wf_alert_silenced(a, v->silences, v->silence_count, v->now_ms);
}

static bool snapshot(struct wf_spread *s, const struct wf_spread_view *v)
{
    bool ok = push(s, WEFT_SNAPSHOT_BEGIN, NULL, v->now_ms);

    for (struct wf_alert *a = wf_alerts_first(v->alerts); a && ok; a = a->next)
        if (is_told(a))
            ok = tell(s, a, silence_of(v, a), v->now_ms);
    ok = ok && push(s, WEFT_SNAPSHOT_END, NULL, v->now_ms);
    if (!ok)
        return true; // one that is cut off takes nothing away; the next look tries again
    s->snapshots = false;
    s->as.snapshot_ms = v->now_ms;
    s->changed = true;
    return true;
}

bool wf_spread_look(struct wf_spread *s, const struct wf_spread_view *v)
{
    bool any = false;

    if (!s->as.product[0])
        return false;
    if (s->snapshots || v->now_ms - s->as.snapshot_ms > SNAPSHOT_MS)
        return snapshot(s, v);
    for (struct wf_alert *a = wf_alerts_first(v->alerts); a; a = a->next)
        any = wf_spread_note(s, a, silence_of(v, a), v->now_ms) || any;
    return any;
}

// ---- the book --------------------------------------------------------------------------------------------------------------

enum weft_err wf_spread_write(struct wf_spread *s, struct wf_book *b)
{
    struct wf_book_publisher as = s->as;
    struct wf_sender_state state = { .acked = s->first };
    enum weft_err err = WEFT_OK;

    if (!s->as.product[0])
        return WEFT_OK;
    if (s->sender)
        wf_sender_look(s->sender, &state);
    s->dropping = state.acked;
    if (s->renew || s->dropping > s->first)
        err = wf_book_changes_drop(b, s->renew ? UINT64_MAX : s->dropping);
    for (size_t i = 0; i < s->count && !err; i++) {
        const struct wf_book_change c = { .n = as.next++,
            .op = (int)s->pending[i].op,
            .time_ms = s->pending[i].time_ms,
            .json = s->pending[i].json };
        err = wf_book_change_put(b, &c);
    }
    return err || (!s->count && !s->changed) ? err : wf_book_publisher_set(b, &as);
}

void wf_spread_written(struct wf_spread *s)
{
    if (!s->as.product[0])
        return;
    s->as.next += s->count;
    clear(s);
    s->first = s->renew ? 0 : s->dropping;
    s->renew = s->changed = false;
    if (!s->sender && start_sender(s))
        snprintf(s->problem, sizeof s->problem, "alerts are not published: no thread");
}

// ---- the node --------------------------------------------------------------------------------------------------------------

struct hand_over {
    struct wf_spread *s;
    bool full;
};

static enum weft_err hand_one(void *arg, const struct wf_book_change *c)
{
    struct hand_over *h = arg;
    const struct wf_sender_item item = {
        .n = c->n, .op = (enum weft_op)c->op, .time_us = c->time_ms * 1000, .json = c->json
    };

    h->full = h->full || !wf_sender_put(h->s->sender, &item);
    if (h->full)
        free(c->json);
    else
        h->s->handed = c->n + 1;
    return WEFT_OK;
}

bool wf_spread_turn(struct wf_spread *s, struct wf_book *b)
{
    struct wf_sender_state state = { .acked = 0 };
    struct hand_over h = { .s = s };

    if (!s->sender || s->renew)
        return false;
    wf_sender_look(s->sender, &state);
    uint64_t waiting = s->as.next - state.acked;
    s->problem[0] = '\0';
    if (state.problem[0] && waiting)
        snprintf(s->problem, sizeof s->problem, "%" PRIu64 " changes of alerts wait: %s", waiting,
            state.problem);
    if (state.broken || waiting > WF_SPREAD_KEPT) {
        char product[sizeof s->as.product];
        memcpy(product, s->as.product, sizeof product);
        lose(s, waiting);
        return begin_anew(s, product) == WEFT_OK;
    }
    if (s->handed < state.acked)
        s->handed = state.acked;
    enum weft_err err = WEFT_OK;
    if (s->handed < s->as.next && state.room)
        err = wf_book_changes(
            b, s->handed, state.room < HAND_OVER ? state.room : HAND_OVER, hand_one, &h);
    if (err && err != WEFT_E_BUSY) // a book that is busy is asked again
        snprintf(
            s->problem, sizeof s->problem, "alerts are not published: %.300s", wf_book_problem(b));
    return false;
}

const char *wf_spread_problem(struct wf_spread *s)
{
    return s->as.product[0] ? s->problem : "";
}

bool wf_spread_is_idle(struct wf_spread *s)
{
    struct wf_sender_state state = { .acked = 0 };

    if (!s->as.product[0])
        return true;
    if (s->sender)
        wf_sender_look(s->sender, &state);
    return !s->count && !s->renew && !s->snapshots && state.acked >= s->as.next;
}
