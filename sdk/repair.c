// SPDX-License-Identifier: Apache-2.0
// Two modes. PULLING: one request after the other walks the home's log (what follows a reply is asked for while that is verified); live
// frames that arrive meanwhile are held back. LIVE: frames are delivered as they come; a hole is asked for by range while later frames wait. Pulling ends when the reply reaches what is held (or
// the head), so the seam is the same comparison of offsets that orders everything else. A reader that cannot keep what it holds, hears
// nothing although a heartbeat is due, or meets another log, pulls: the home alone knows how logs follow each other.
#include "sdk/repair_int.h"

#include <stdlib.h>

#define RETRY_MAX_MS 8000
#define EMPTY_MS                                                                                   \
    500 // an empty answer that came sooner than this did not wait: don't ask again at once

enum weft_err wf_repair_new(const struct wf_repair_conf *conf, struct wf_repair **ret)
{
    struct wf_repair *r = calloc(1, sizeof *r);

    if (!r)
        return WEFT_E_NOMEM;
    r->held = calloc(WF_REPAIR_HELD, sizeof *r->held);
    if (!r->held) {
        free(r);
        return WEFT_E_NOMEM;
    }
    r->conf = *conf;
    r->retry_ms = WF_REPAIR_RETRY_MS;
    r->position_at_ms = INT64_MAX;
    r->rumour_at_ms = INT64_MAX;
    *ret = r;
    return WEFT_OK;
}

void wf_repair_drop_item(struct wf_repair *r, struct wf_repair_entry *e)
{
    if (e->item)
        r->conf.free_item(r->conf.arg, e->item);
    e->item = NULL;
}

void wf_repair_drop_held(struct wf_repair *r)
{
    for (size_t i = 0; i < r->held_count; i++)
        wf_repair_drop_item(r, &r->held[i]);
    r->held_count = 0;
    r->held_bytes = 0;
}

void wf_repair_free(struct wf_repair *r)
{
    if (!r)
        return;
    wf_repair_drop_held(r);
    free(r->held);
    free(r);
}

void wf_repair_forget_head(struct wf_repair *r, uint64_t head)
{
    r->head = head;
    r->told = 0;
    r->claimed = 0;
    r->rumour = 0;
    r->rumour_at_ms = INT64_MAX;
}

void wf_repair_start(struct wf_repair *r, const struct wf_incarnation *log_id, uint64_t next)
{
    wf_repair_drop_held(r);
    memset(r->pending, 0, sizeof r->pending);
    if (!wf_incarnation_eq(&r->log_id, log_id))
        wf_repair_forget_head(r, 0);
    r->log_id = *log_id;
    r->next = next;
    r->mode = WF_REP_PULLING;
    r->retry_at_ms = 0;
}

void wf_repair_older(struct wf_repair *r, const struct wf_repair_place *places, size_t count)
{
    r->older_count = 0;
    for (size_t i = 0; i < count; i++)
        wf_repair_leave_log(r, &places[i]);
}

void wf_repair_pause(struct wf_repair *r, bool paused)
{
    r->paused = paused;
}

void wf_repair_position(
    const struct wf_repair *r, struct wf_incarnation *ret_log, uint64_t *ret_next)
{
    *ret_log = r->log_id;
    *ret_next = r->next;
}

// The first held entry that does not lie wholly before offset.
size_t wf_repair_held_at(const struct wf_repair *r, uint64_t offset)
{
    size_t lo = 0, hi = r->held_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->held[mid].end <= offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool wf_repair_wants(
    const struct wf_repair *r, const struct wf_incarnation *log_id, uint64_t offset, uint64_t end)
{
    if (!wf_repair_same_log(r, log_id))
        return true;
    if (end <= r->next)
        return false;
    size_t i = wf_repair_held_at(r, offset);
    return i == r->held_count || r->held[i].offset >= end;
}

// ---- asking ----------------------------------------------------------------------------------------------------------

static struct wf_repair_pending *free_slot(struct wf_repair *r)
{
    for (size_t i = 0; i < WF_REPAIR_RANGES; i++)
        if (r->pending[i].id == 0)
            return &r->pending[i];
    return NULL;
}

static struct wf_repair_pending *find_pending(struct wf_repair *r, uint32_t id)
{
    for (size_t i = 0; i < WF_REPAIR_RANGES && id; i++)
        if (r->pending[i].id == id)
            return &r->pending[i];
    return NULL;
}

static unsigned pulls(const struct wf_repair *r)
{
    unsigned count = 0;

    for (size_t i = 0; i < WF_REPAIR_RANGES; i++)
        count += r->pending[i].id && r->pending[i].is_pull;
    return count;
}

static bool is_asked(const struct wf_repair *r, uint64_t from)
{
    for (size_t i = 0; i < WF_REPAIR_RANGES; i++)
        if (r->pending[i].id && !r->pending[i].is_pull && r->pending[i].from <= from &&
            from < r->pending[i].to)
            return true;
    return false;
}

static void ask(struct wf_repair_step_now *s, bool is_pull, uint64_t from, uint64_t to)
{
    struct wf_repair *r = s->r;
    struct wf_repair_pending *p = free_slot(r);

    if (!p)
        return;
    if (++r->last_id == 0)
        r->last_id = 1;
    *p = (struct wf_repair_pending){ r->last_id, from, to, r->log_id, is_pull, s->now };
    struct wf_repair_action a = { .kind = is_pull ? WF_REP_PULL : WF_REP_RANGE,
        .log_id = r->log_id,
        .from = from,
        .to = to,
        .request = p->id };
    // At the head a pull may wait for news; behind it, it must not.
    a.wait = is_pull && r->next >= r->head;
    a.silent = r->silent;
    s->act(s->arg, &a);
}

// The first hole that nobody was asked about: before a held entry, or up to the head that a heartbeat named.
static bool find_hole(const struct wf_repair *r, uint64_t *ret_from, uint64_t *ret_to)
{
    uint64_t at = r->next;

    for (size_t i = 0; i < r->held_count; i++) {
        if (r->held[i].offset > at && !is_asked(r, at)) {
            *ret_from = at;
            *ret_to = r->held[i].offset;
            return true;
        }
        at = r->held[i].end > at ? r->held[i].end : at;
    }
    *ret_from = at;
    *ret_to = r->head;
    return at < r->head && !is_asked(r, at);
}

static void ask_what_is_missing(struct wf_repair_step_now *s)
{
    struct wf_repair *r = s->r;
    uint64_t from, to;

    if (!r->up || r->paused || s->now < r->retry_at_ms)
        return;
    r->retry_at_ms = 0;
    if (r->mode == WF_REP_PULLING) {
        if (pulls(r) == 0)
            ask(s, true, r->next, 0);
        return;
    }
    while (free_slot(r) && find_hole(r, &from, &to))
        ask(s, false, from, to);
}

static void put_off(struct wf_repair_step_now *s)
{
    struct wf_repair *r = s->r;

    r->retry_at_ms = s->now + r->retry_ms;
    r->retry_ms = r->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : r->retry_ms * 2;
}

static void set_mode(struct wf_repair_step_now *s, enum wf_repair_mode mode, bool silent)
{
    struct wf_repair *r = s->r;

    if (r->mode == mode && r->silent == silent)
        return;
    r->mode = mode;
    r->silent = silent;
    if (mode == WF_REP_PULLING && r->rumour > r->head)
        r->head = r->rumour;
    struct wf_repair_action a = { .kind = WF_REP_MODE, .mode = mode, .silent = silent };
    s->act(s->arg, &a);
}

// Not live for another reason than silence.
void wf_repair_fall_back(struct wf_repair_step_now *s)
{
    set_mode(s, WF_REP_PULLING, s->r->silent);
}

static void heard_stream(struct wf_repair_step_now *s)
{
    struct wf_repair *r = s->r;

    r->heard = true;
    r->heard_ms = s->now;
    if (r->silent)
        set_mode(s, r->mode, false);
}

static void on_head(struct wf_repair_step_now *s, uint64_t head, bool by_stream)
{
    struct wf_repair *r = s->r;

    if (head <= r->head)
        return;
    if (by_stream || r->mode == WF_REP_PULLING) {
        r->head = head;
    } else if (head > r->rumour) {
        r->rumour = head;
        if (r->rumour_at_ms == INT64_MAX)
            r->rumour_at_ms = s->now + WF_REPAIR_RUMOUR_MS;
    }
}

// What lies beyond the home's word is forgotten with the head that it made us believe in; frames to come, or a pull, bring what is genuine.
static void disown_claim(struct wf_repair *r)
{
    size_t first = wf_repair_held_at(r, r->told), n = first;

    while (n < r->held_count && r->held[n].end <= r->claimed) {
        r->held_bytes -= r->held[n].bytes;
        wf_repair_drop_item(r, &r->held[n++]);
    }
    memmove(r->held + first, r->held + n, (r->held_count - n) * sizeof *r->held);
    r->held_count -= n - first;
    r->head = r->next > r->told ? r->next : r->told;
    if (r->held_count && r->held[r->held_count - 1].end > r->head)
        r->head = r->held[r->held_count - 1].end;
    r->claimed = 0;
}

static void watch_claim(struct wf_repair_step_now *s)
{
    struct wf_repair *r = s->r;

    if (r->claimed > r->told)
        return;
    r->claimed = r->head > r->told ? r->head : 0;
    r->claimed_ms = s->now;
}

static void on_heartbeat(struct wf_repair_step_now *s, const struct wf_repair_event *e)
{
    struct wf_repair *r = s->r;
    const struct wf_heartbeat *h = e->heartbeat;

    if (e->by_stream) {
        heard_stream(s);
        r->due_beat_ms = e->next_beat_ms;
    }
    if (!h)
        return;
    r->floor = h->floor_offset;
    if (wf_incarnation_is_none(&r->log_id) && r->next == h->head_offset)
        wf_repair_enter_log(s, &h->log_id, h->head_offset); // nothing lies before us that we lack
    if (!wf_repair_same_log(r, &h->log_id)) {
        wf_repair_meet_other_log(s);
        return;
    }
    if (e->kind == WF_REP_ENTRIES)
        r->other_log = false;
    if (h->head_offset > r->told)
        r->told = h->head_offset;
    if (r->claimed > r->told && s->now - r->claimed_ms >= WF_REPAIR_CLAIM_MS)
        disown_claim(r);
    on_head(s, h->head_offset, e->by_stream);
}

// Live again when the frames held back join what was delivered, or when the pull reached the head and the stream is heard.
static void try_rejoin(struct wf_repair_step_now *s)
{
    struct wf_repair *r = s->r;

    if (r->mode != WF_REP_PULLING || r->paused || r->other_log ||
        wf_incarnation_is_none(&r->log_id))
        return;
    bool heard =
        r->heard && (s->now - r->heard_ms < WF_REPAIR_SILENCE_MS || s->now < r->due_beat_ms);
    bool joined = r->held_count > 0 && r->held[0].offset <= r->next;
    if (heard && (joined || (r->held_count == 0 && r->next >= r->head))) {
        set_mode(s, WF_REP_LIVE, false);
        wf_repair_deliver_held(s);
    }
}

static void take_loss(struct wf_repair_step_now *s, const struct wf_repair_pending *p,
    const struct wf_repair_loss *loss)
{
    struct wf_repair_entry e = {
        .log_id = p->log_id, .offset = loss->from, .end = loss->to, .lost = loss->code
    };

    if (!e.lost)
        e.lost = WEFT_E_LOST;
    if (!p->is_pull) { // a range speaks of what was asked alone
        e.offset = e.offset < p->from ? p->from : e.offset;
        e.end = e.end > p->to ? p->to : e.end;
    }
    if (e.offset < e.end)
        wf_repair_take_asked_entry(s, &e, p->is_pull);
}

static void take_reply(
    struct wf_repair_step_now *s, struct wf_repair_event *e, const struct wf_repair_pending *p)
{
    struct wf_repair *r = s->r;
    size_t loss = 0;
    bool stale = !p->is_pull && !wf_repair_same_log(r, &p->log_id);

    for (size_t i = 0; i < e->entry_count; i++) {
        // Losses lie between entries, in order.
        while (!stale && loss < e->loss_count && e->losses[loss].from < e->entries[i].offset)
            take_loss(s, p, &e->losses[loss++]);
        if (stale)
            wf_repair_drop_item(r, &e->entries[i]);
        else
            wf_repair_take_asked_entry(s, &e->entries[i], p->is_pull);
    }
    while (!stale && loss < e->loss_count)
        take_loss(s, p, &e->losses[loss++]);
    wf_repair_deliver_held(s); // what is held was left out of the reply by who unpacked it
    if (!p->is_pull || e->next <= r->next)
        return;
    if (wf_incarnation_is_none(&r->log_id))
        r->next = e->next; // where a start by time begins
    else
        wf_repair_report_loss(s, r->next, e->next, WEFT_E_GAP);
}

// An answer that moved nothing must not be asked for again at once.
static void after_empty(struct wf_repair_step_now *s, const struct wf_repair_pending *p)
{
    struct wf_repair *r = s->r;

    if (!p->is_pull) {
        if (wf_repair_same_log(r, &p->log_id) && r->next < p->to && r->next < r->head) {
            wf_repair_fall_back(s);
            put_off(s);
        }
    } else if (r->next < r->head || s->now - p->asked_ms < EMPTY_MS) {
        put_off(s);
    }
}

// What follows is asked for while the reply is verified, so that the home reads meanwhile. It is of use only where that reply led.
static void read_ahead(struct wf_repair_step_now *s, const struct wf_repair_event *e)
{
    struct wf_repair *r = s->r;
    const struct wf_repair_pending *p = find_pending(r, e->request);

    if (p && p->is_pull && pulls(r) == 1 && r->mode == WF_REP_PULLING && r->up && !r->paused &&
        !wf_incarnation_is_none(&r->log_id) && wf_repair_same_log(r, &p->log_id) &&
        e->next > r->next && e->next < r->head)
        ask(s, true, e->next, 0);
}

// What was read ahead, and the reply before it led elsewhere, failed, or is not verified yet.
static bool is_ahead(const struct wf_repair *r, const struct wf_repair_pending *p)
{
    return p->is_pull && p->from > r->next;
}

static void drop_entries(struct wf_repair *r, struct wf_repair_event *e)
{
    for (size_t i = 0; i < e->entry_count; i++)
        wf_repair_drop_item(r, &e->entries[i]);
}

static void on_entries(struct wf_repair_step_now *s, struct wf_repair_event *e)
{
    struct wf_repair *r = s->r;
    struct wf_repair_pending *p = find_pending(r, e->request);

    if (!p) {
        drop_entries(r, e);
        on_heartbeat(s, e);
        try_rejoin(s);
        return;
    }
    struct wf_repair_pending asked = *p;
    // A pull that waited for news while the stream was found alive: its news come as frames, too, in a moment.
    if ((asked.is_pull && r->mode == WF_REP_LIVE) || is_ahead(r, &asked)) {
        p->id = 0;
        drop_entries(r, e);
        on_heartbeat(s, e);
        return;
    }
    struct wf_incarnation log_id = r->log_id;
    uint64_t next = r->next;
    size_t held = r->held_count;
    p->id = 0;
    take_reply(s, e, &asked);
    bool moved = next != r->next || !wf_repair_same_log(r, &log_id) ||
                 (!asked.is_pull && held < r->held_count);
    on_heartbeat(s, e);
    if (moved)
        r->retry_ms = WF_REPAIR_RETRY_MS;
    try_rejoin(s);
    if (!moved)
        after_empty(s, &asked);
}

static void on_failed(struct wf_repair_step_now *s, const struct wf_repair_event *e)
{
    struct wf_repair *r = s->r;
    struct wf_repair_pending *p = find_pending(r, e->request);

    if (!p)
        return;
    bool ahead = is_ahead(r, p);
    p->id = 0;
    if (ahead)
        return; // what is asked for next in its place finds out for itself
    put_off(s);
    if (e->err == WEFT_E_LOG_ID && p->is_pull && wf_repair_same_log(r, &p->log_id))
        wf_repair_unknown_log(s);
    // A range that fails for good (another log, dropped meanwhile) is answered by a pull with its losses.
    if (e->err == WEFT_E_LOG_ID || e->err == WEFT_E_RETENTION || e->err == WEFT_E_RANGE)
        wf_repair_fall_back(s);
}

static void on_tick(struct wf_repair_step_now *s)
{
    struct wf_repair *r = s->r;
    bool due = s->now >= r->due_beat_ms && s->now - r->heard_ms >= WF_REPAIR_SILENCE_MS;

    if (r->up && due && !r->silent) {
        r->heard = false;
        set_mode(s, WF_REP_PULLING, true);
    }
    if (s->now >= r->rumour_at_ms) {
        if (r->rumour > r->head)
            r->head = r->rumour;
        r->rumour_at_ms = INT64_MAX;
    }
    try_rejoin(s);
}

static void say_position(struct wf_repair_step_now *s)
{
    struct wf_repair *r = s->r;

    if (s->now < r->position_at_ms || !r->up)
        return;
    if (r->mode == WF_REP_PULLING) { // the next pull says it
        r->position_at_ms = INT64_MAX;
        return;
    }
    struct wf_repair_action a = { .kind = WF_REP_POSITION, .log_id = r->log_id, .from = r->next };
    r->position_at_ms = INT64_MAX;
    r->since_position = 0;
    r->bytes_since_position = 0;
    s->act(s->arg, &a);
}

static void on_lease(struct wf_repair_step_now *s, const struct wf_repair_event *e)
{
    struct wf_repair *r = s->r;

    if (!r->up) {
        r->up = true;
        r->heard = false;
        r->heard_ms = s->now; // the stream gets its time to speak
        r->due_beat_ms = s->now;
        r->retry_at_ms = 0;
    }
    on_heartbeat(s, e);
}

void wf_repair_step(
    struct wf_repair *r, int64_t now_ms, struct wf_repair_event *e, wf_repair_act_fn act, void *arg)
{
    struct wf_repair_step_now s = { r, now_ms, act, arg };

    switch (e->kind) {
    case WF_REP_LEASE:
        on_lease(&s, e);
        break;
    case WF_REP_FRAME:
        heard_stream(&s);
        for (size_t i = 0; i < e->entry_count; i++)
            wf_repair_take_frame_entry(&s, &e->entries[i]);
        try_rejoin(&s);
        break;
    case WF_REP_HEARTBEAT:
        on_heartbeat(&s, e);
        try_rejoin(&s);
        break;
    case WF_REP_ENTRIES:
        on_entries(&s, e);
        break;
    case WF_REP_ARRIVED:
        read_ahead(&s, e);
        return;
    case WF_REP_FAILED:
        on_failed(&s, e);
        break;
    case WF_REP_BEHIND:
        heard_stream(&s);
        wf_repair_fall_back(&s);
        break;
    case WF_REP_LINK_DOWN:
        r->up = false;
        memset(r->pending, 0, sizeof r->pending);
        break;
    case WF_REP_TICK:
        on_tick(&s);
        break;
    }
    watch_claim(&s);
    ask_what_is_missing(&s);
    say_position(&s);
}

int64_t wf_repair_due_ms(const struct wf_repair *r)
{
    int64_t due = r->position_at_ms < r->rumour_at_ms ? r->position_at_ms : r->rumour_at_ms;
    int64_t silence = r->heard_ms + WF_REPAIR_SILENCE_MS > r->due_beat_ms
                          ? r->heard_ms + WF_REPAIR_SILENCE_MS
                          : r->due_beat_ms;

    if (!r->up)
        return INT64_MAX;
    if (!r->silent && silence < due)
        due = silence;
    // While paused the step that ends the pause asks.
    return r->retry_at_ms && r->retry_at_ms < due && !r->paused ? r->retry_at_ms : due;
}
