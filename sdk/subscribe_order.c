// SPDX-License-Identifier: Apache-2.0
// The repair machine's actions, and what is told of the connection's condition. A frame's order is only as good as the key that many hold;
// what the home says within its session, or signs, is sure. When the two differ, reading goes back to the last sure place and marks keep
// what was delivered from coming twice. What is delivered and lost: subscribe_deliver.c.
#include <stdio.h>
#include <stdlib.h>

#include "sdk/subscribe_int.h"

#define OWED_MS 100 // between looks whether there is memory again

void wf_sub_repair_free(void *arg, void *item)
{
    (void)arg;
    wf_sub_item_free(item);
}

// Monotonic time by which the next heartbeat is due; the home's clock is compared with itself only.
int64_t wf_sub_next_beat(const struct weft_subscription *s, const struct wf_heartbeat *h)
{
    int64_t ahead = h->next_by_ms - h->time_ms;

    if (ahead > WF_MAX_HEARTBEAT_MS)
        ahead = WF_MAX_HEARTBEAT_MS;
    return wf_sub_now(s) + (ahead > 0 ? ahead : 0);
}

// ---- where reading begins ------------------------------------------------------------------------------------------------

static bool load_cursor(struct weft_subscription *s)
{
    bool any = false;

    for (size_t i = 0; i < s->options.cursor_count; i++) {
        const struct weft_cursor_row *r = &s->given[i];
        // Rows of another product or major version say nothing of this one.
        if (wf_cursor_load_row(&s->cursor, wf_bytes(r->key, r->key_len),
                wf_bytes(r->value, r->value_len)) == WEFT_OK)
            any = true;
    }
    return any;
}

// The logs that were read before the one to begin with.
static void tell_older(struct weft_subscription *s)
{
    struct wf_repair_place places[WF_MAX_CURSOR_LOGS];
    size_t count = s->cursor.log_count ? s->cursor.log_count - 1 : 0;

    for (size_t i = 0; i < count; i++)
        places[i] =
            (struct wf_repair_place){ s->cursor.logs[i].log_id, s->cursor.logs[i].end_offset };
    wf_repair_older(s->repair, places, count);
}

void wf_sub_start(struct weft_subscription *s, const struct wf_heartbeat *beat)
{
    struct wf_incarnation log_id = { 0 };
    uint64_t next = beat->floor_offset;

    wf_cursor_init(&s->cursor, &s->product_id);
    s->has_cursor = s->started = s->history_open = true;
    s->history_end = beat->head_offset;
    s->pulling_since_ms = wf_sub_now(s);
    switch (s->options.from) {
    case WEFT_FROM_CURSOR:
        if (load_cursor(s)) {
            struct wf_incarnation log = { 0 };
            uint64_t at = 0;
            wf_cursor_position(&s->cursor, &log, &at);
            if (!wf_incarnation_is_none(&log)) {
                log_id = log;
                next = at;
            }
        }
        break;
    case WEFT_FROM_EARLIEST:
        break;
    case WEFT_FROM_LATEST:
        log_id = beat->log_id;
        next = beat->head_offset;
        break;
    case WEFT_FROM_OFFSET:
        next = s->options.offset;
        break;
    case WEFT_FROM_TIME:
        next = 0; // the first pull names the time
        break;
    }
    s->sure_log = log_id;
    s->sure_next = next;
    tell_older(s);
    wf_repair_start(s->repair, &log_id, next);
}

// ---- actions ---------------------------------------------------------------------------------------------------------------

static void keep_ask(struct weft_subscription *s, const struct wf_repair_action *a)
{
    if (s->ask_count == WF_COUNT(s->asks))
        return; // the machine never has more under way
    s->asks[s->ask_count++] = (struct wf_sub_ask){ .is_pull = a->kind == WF_REP_PULL,
        .wait = a->wait &&
                (!a->silent || s->met_since_silent), // tell soon whether the home answers at all
        .silent = a->silent,
        .log_id = a->log_id,
        .from = a->from,
        .to = a->to,
        .request = a->request };
}

static void enter_log(struct weft_subscription *s, const struct wf_repair_action *a)
{
    s->head_known = s->head_known && wf_incarnation_eq(&s->head.log_id, &a->log_id);
    pthread_mutex_lock(&s->mutex);
    s->stats.head_offset = a->from; // of another log: what was told of the last one says nothing
    pthread_mutex_unlock(&s->mutex);
    if (s->rewind)
        return;
    wf_cursor_advance(&s->cursor, &a->log_id, a->from);
    if (s->from_mirror)
        return;
    s->sure_log = a->log_id; // only the home's own word leads here
    s->sure_next = a->from;
}

static void act(void *arg, const struct wf_repair_action *a)
{
    struct weft_subscription *s = arg;

    switch (a->kind) {
    case WF_REP_DELIVER:
        wf_sub_deliver(s, a);
        break;
    case WF_REP_LOSS:
        if (!s->rewind)
            wf_sub_lose(s, a);
        break;
    case WF_REP_RANGE:
    case WF_REP_PULL:
        keep_ask(s, a);
        break;
    case WF_REP_POSITION:
        s->want_position = true;
        break;
    case WF_REP_MODE:
        if (a->mode == WF_REP_PULLING && s->mode != WF_REP_PULLING)
            s->pulling_since_ms = wf_sub_now(s);
        if (a->silent && !s->silent)
            s->met_since_silent = false;
        s->mode = a->mode;
        s->silent = a->silent;
        break;
    case WF_REP_LOG:
        enter_log(s, a);
        break;
    }
}

// ---- what is told ------------------------------------------------------------------------------------------------------------

static int64_t stale_at(const struct weft_subscription *s)
{
    return s->freshness_ms && s->leased && !s->net_down ? s->news_ms + s->freshness_ms : INT64_MAX;
}

// The home answers, and what it has is old: its hosts are silent, or their line to it is.
static bool is_stale(const struct weft_subscription *s)
{
    return wf_sub_now(s) >= stale_at(s);
}

static void tell_state(struct weft_subscription *s)
{
    struct weft_problem p;
    int64_t now = wf_sub_now(s);

    if (wf_sub_mirror_active(s)) {
        wf_sub_mirror_tell(s);
        return;
    }
    if (!s->leased || s->net_down)
        return; // told where it happened
    if (s->stopped) {
        wf_problem_set(&p, WEFT_E_STOPPED, "%s was stopped by its owner", s->name);
        wf_sub_state(s, WEFT_STREAM_STOPPED, &p);
    } else if (s->stopping) {
        wf_problem_set(
            &p, WEFT_E_CLOSED, "%s: its node is stopping; it goes on when it is back", s->name);
        wf_sub_state(s, WEFT_STREAM_UNREACHABLE, &p);
    } else if (s->unread_since_ms && now - s->unread_since_ms >= WF_SUB_CATCH_MS) {
        wf_problem_set(&p, s->unread_err, "%s: its node can't hand over what follows: %s", s->name,
            s->unread_why);
        wf_sub_state(s, WEFT_STREAM_PULL, &p);
    } else if (is_stale(s)) {
        wf_problem_set(&p, WEFT_OK, "%s: nothing new for longer than the %lld s that it promises",
            s->name, (long long)(s->freshness_ms / 1000));
        wf_sub_state(s, WEFT_STREAM_SILENT, &p);
    } else if (s->mode == WF_REP_LIVE) {
        if (s->token_note[0])
            wf_problem_set(&p, WEFT_OK, "%s", s->token_note);
        wf_sub_state(s, WEFT_STREAM_LIVE, s->token_note[0] ? &p : NULL);
    } else if (s->silent && !s->met_since_silent) {
        return; // perhaps it is the node, not its stream
    } else if (s->silent && !s->endpoint[0]) {
        wf_problem_set(&p, WEFT_OK,
            s->options.history ? "%s: history, by pull"
                               : "%s: the token grants replay, not the stream",
            s->name);
        wf_sub_state(s, WEFT_STREAM_PULL, &p);
    } else if (s->silent) {
        wf_problem_set(&p, WEFT_E_UNREACHABLE, "stream port %s unreachable", s->endpoint);
        wf_sub_state(s, WEFT_STREAM_PULL, &p);
    } else if (now - s->pulling_since_ms >= WF_SUB_CATCH_MS || s->state == WEFT_STREAM_SILENT) {
        // Records after a silence came: what was told of it is over, however soon the head is reached.
        wf_problem_set(&p, WEFT_OK, "%s: catching up", s->name);
        wf_sub_state(s, WEFT_STREAM_PULL, &p);
    }
}

static void count_places(struct weft_subscription *s)
{
    struct wf_incarnation log_id;
    uint64_t next;

    wf_repair_position(s->repair, &log_id, &next);
    pthread_mutex_lock(&s->mutex);
    s->stats.next_offset = next;
    if (s->stats.head_offset < next)
        s->stats.head_offset = next;
    pthread_mutex_unlock(&s->mutex);
}

static void arm(struct weft_subscription *s)
{
    int64_t due = wf_repair_due_ms(s->repair), told = s->pulling_since_ms + WF_SUB_CATCH_MS;

    if (s->leased && s->mode == WF_REP_PULLING && !s->silent && told < due && told > wf_sub_now(s))
        due = told;
    if (stale_at(s) < due && stale_at(s) > wf_sub_now(s))
        due = stale_at(s);
    if (s->owed_ms && s->owed_ms < due)
        due = s->owed_ms;
    if (due == INT64_MAX) {
        wf_timer_cancel(wf_client_loop(s->c), &s->timer);
        return;
    }
    // No memory: the next frame or reply moves things on.
    enum weft_err err = wf_timer_set(wf_client_loop(s->c), &s->timer, due);
    (void)err;
}

static void go_back(struct weft_subscription *s)
{
    struct wf_repair_event tick = { .kind = WF_REP_TICK };

    s->rewind = s->head_known = false;
    s->ask_count = 0;
    s->mode = WF_REP_PULLING;
    s->pulling_since_ms = wf_sub_now(s);
    wf_repair_start(s->repair, &s->sure_log, s->sure_next);
    wf_repair_step(s->repair, wf_sub_now(s), &tick, act, s);
}

void wf_sub_step(struct weft_subscription *s, struct wf_repair_event *e)
{
    if (!s->started || s->closed) {
        for (size_t i = 0; i < e->entry_count; i++)
            wf_sub_item_free(e->entries[i].item);
        return;
    }
    wf_sub_end_history(s, e);
    wf_repair_pause(s->repair, wf_sub_is_full(s));
    wf_repair_step(s->repair, wf_sub_now(s), e, act, s);
    if (s->rewind)
        go_back(s);
    count_places(s);
    tell_state(s);
    wf_sub_ask_all(s);
    arm(s);
}

void wf_sub_timer(struct wf_timer *t)
{
    struct weft_subscription *s =
        (struct weft_subscription *)(void *)((char *)t - offsetof(struct weft_subscription, timer));
    struct wf_repair_event tick = { .kind = WF_REP_TICK };

    if (s->owed_ms && s->owed_ms <= wf_sub_now(s)) {
        s->owed_ms = 0;
        wf_sub_hand(s);
    }
    wf_sub_step(s, &tick);
}

void wf_sub_hand_later(struct weft_subscription *s)
{
    s->owed_ms = wf_sub_now(s) + OWED_MS;
    arm(s);
}

// The application made room. The reference that came with the letter goes.
void wf_sub_room(struct wf_mail *m)
{
    struct weft_subscription *s =
        (struct weft_subscription *)(void *)((char *)m - offsetof(struct weft_subscription, room));
    struct wf_repair_event tick = { .kind = WF_REP_TICK };

    pthread_mutex_lock(&s->mutex);
    s->room_posted = false;
    s->full = s->queued >= s->options.queue_bytes;
    pthread_mutex_unlock(&s->mutex);
    if (!s->closed)
        wf_sub_step(s, &tick);
    wf_sub_unref(s);
}

void wf_sub_room_dropped(struct wf_mail *m)
{
    wf_sub_unref(
        (struct weft_subscription *)(void *)((char *)m - offsetof(struct weft_subscription, room)));
}

// ---- units -----------------------------------------------------------------------------------------------------------------

static void check_beat(struct weft_subscription *s, const struct wf_heartbeat *h)
{
    pthread_mutex_lock(&s->mutex);
    s->stats.last_heard_ms = wf_loop_now_unix_ms(wf_client_loop(s->c));
    if (h->head_offset > s->stats.head_offset)
        s->stats.head_offset = h->head_offset;
    pthread_mutex_unlock(&s->mutex);
    s->stopped = h->stopped;
    s->stopping = h->stopping;
    if (!s->head_known || !wf_incarnation_eq(&h->log_id, &s->head.log_id) ||
        h->head_offset != s->head.next_offset)
        return;
    if (wf_hash_eq(&h->head_hash, &s->head.hash)) {
        s->sure_log = s->head.log_id; // the home signed what we delivered
        s->sure_next = s->head.next_offset;
        s->head_live = false;
    } else if (s->head_live) {
        wf_sub_count(s, &s->stats.verify_failures, 1);
        s->rewind = true;
        wf_sub_mirror_contradicted(s);
    }
}

static size_t take_items(struct wf_sub_unit *u, struct wf_repair_entry *to,
    struct wf_repair_loss *losses, size_t *loss_count)
{
    size_t n = 0;

    for (size_t k = 0; k < u->item_count; k++) {
        struct wf_sub_item *i = u->items[k];
        u->items[k] = NULL;
        if (!i)
            continue;
        uint64_t count = i->entry.is_reset ? 0 : i->header.count;
        if (i->code) { // it can't be believed: never in a frame, and lost when the home itself hands it over
            if (!u->is_frame)
                losses[(*loss_count)++] =
                    (struct wf_repair_loss){ i->entry.offset, i->entry.offset + count, i->code };
            wf_sub_item_free(i);
            continue;
        }
        to[n++] = (struct wf_repair_entry){ .log_id = i->entry.log_id,
            .offset = i->entry.offset,
            .end = i->entry.offset + count,
            .bytes = i->size,
            .is_reset = i->entry.is_reset,
            .previous_log = i->entry.previous_log,
            .end_offset = i->entry.end_offset,
            .item = i };
    }
    return n;
}

static int by_offset(const void *a, const void *b)
{
    const struct wf_repair_loss *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

static void step_beat(struct weft_subscription *s, const struct wf_sub_unit *u)
{
    struct wf_repair_event beat = { .kind = WF_REP_HEARTBEAT,
        .heartbeat = &u->beat,
        .by_stream = u->is_frame,
        .next_beat_ms = wf_sub_next_beat(s, &u->beat) };

    check_beat(s, &u->beat);
    wf_sub_step(s, &beat);
}

void wf_sub_step_unit(struct weft_subscription *s, struct wf_sub_unit *u)
{
    struct wf_repair_entry *entries = calloc(u->item_count + 1, sizeof *entries);
    struct wf_repair_loss *losses = calloc(u->loss_count + u->item_count + 1, sizeof *losses);
    struct wf_repair_event e = { .kind = u->is_frame ? WF_REP_FRAME : WF_REP_ENTRIES,
        .entries = entries,
        .losses = losses,
        .loss_count = u->loss_count,
        .request = u->request,
        .next = u->next_offset };

    if (u->by_mirror && (u->failed || !wf_sub_mirror_believes(s, u))) {
        if (u->failed)
            wf_sub_mirror_missed(s, WEFT_E_NOT_FOUND, "certificates or schemas are not there");
        goto out;
    }
    s->from_mirror = u->by_mirror;
    if (!entries || !losses || (u->failed && !u->is_frame)) {
        struct wf_repair_event failed = {
            .kind = WF_REP_FAILED, .request = u->request, .err = WEFT_E_NOT_FOUND
        };
        if (!u->is_frame)
            wf_sub_step(s, &failed);
    } else if (!u->failed && (u->item_count || !u->is_frame)) {
        for (size_t i = 0; i < u->loss_count; i++)
            losses[i] = u->losses[i];
        e.entry_count = take_items(u, entries, losses, &e.loss_count);
        qsort(losses, e.loss_count, sizeof *losses, by_offset);
        // With a reply comes how far the home is: known before it is asked again.
        e.heartbeat = !u->is_frame && u->has_beat ? &u->beat : NULL;
        wf_sub_step(s, &e);
    }
    if (u->has_beat)
        step_beat(s, u);
    s->from_mirror = false;
out:
    free(entries);
    free(losses);
    wf_sub_unit_free(u);
}
