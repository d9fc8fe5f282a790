// SPDX-License-Identifier: Apache-2.0
// Two modes. PULLING: one request at a time walks the home's log; live frames that arrive meanwhile are held back. LIVE: frames are
// delivered as they come; a hole is asked for by range while later frames wait. Pulling ends when the reply reaches what is held (or
// the head), so the seam is the same comparison of offsets that orders everything else. A reader that cannot keep what it holds, hears
// nothing although a heartbeat is due, or meets another log, pulls: the home alone knows how logs follow each other.
#include "sdk/repair.h"

#include <stdlib.h>

struct pending {
    uint32_t id; // 0 = free
    uint64_t from, to;
    bool is_pull;
};

struct wf_repair {
    struct wf_repair_conf conf;
    enum wf_repair_mode mode;
    struct wf_incarnation log_id;
    uint64_t next;
    bool up;                      // a lease is there
    struct wf_repair_entry *held; // sorted by offset, no overlap, all of log_id
    size_t held_count, held_bytes;
    struct pending pending[WF_REPAIR_RANGES];
    uint32_t last_id;
    uint64_t head;                 // highest known of log_id
    int64_t heard_ms, due_beat_ms; // the stream: last heard, next due
    int64_t retry_ms, retry_at_ms;
    int64_t position_at_ms; // when the next position is owed; INT64_MAX = none
    unsigned since_position;
    bool silent;
};

struct step {
    struct wf_repair *r;
    int64_t now;
    wf_repair_act_fn act;
    void *arg;
};

static void emit(struct step *s, const struct wf_repair_action *a)
{
    s->act(s->arg, a);
}

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
    *ret = r;
    return WEFT_OK;
}

static void drop_item(struct wf_repair *r, struct wf_repair_entry *e)
{
    r->conf.free_item(r->conf.arg, e->item);
}

static void drop_held(struct wf_repair *r)
{
    for (size_t i = 0; i < r->held_count; i++)
        drop_item(r, &r->held[i]);
    r->held_count = 0;
    r->held_bytes = 0;
}

void wf_repair_free(struct wf_repair *r)
{
    if (!r)
        return;
    drop_held(r);
    free(r->held);
    free(r);
}

void wf_repair_start(struct wf_repair *r, const struct wf_incarnation *log_id, uint64_t next)
{
    drop_held(r);
    r->log_id = *log_id;
    r->next = next;
    r->mode = WF_REP_PULLING;
}

void wf_repair_position(
    const struct wf_repair *r, struct wf_incarnation *ret_log, uint64_t *ret_next)
{
    *ret_log = r->log_id;
    *ret_next = r->next;
}

static bool same_log(const struct wf_repair *r, const struct wf_incarnation *log_id)
{
    return wf_incarnation_eq(&r->log_id, log_id);
}

// The first held entry that does not lie wholly before offset.
static size_t held_at(const struct wf_repair *r, uint64_t offset)
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
    if (!same_log(r, log_id))
        return true;
    if (end <= r->next)
        return false;
    size_t i = held_at(r, offset);
    return i == r->held_count || r->held[i].offset > offset;
}

// ---- asking ----------------------------------------------------------------------------------------------------------

static struct pending *free_slot(struct wf_repair *r)
{
    for (size_t i = 0; i < WF_REPAIR_RANGES; i++)
        if (r->pending[i].id == 0)
            return &r->pending[i];
    return NULL;
}

static struct pending *find_pending(struct wf_repair *r, uint32_t id)
{
    for (size_t i = 0; i < WF_REPAIR_RANGES && id; i++)
        if (r->pending[i].id == id)
            return &r->pending[i];
    return NULL;
}

static bool any_pull(const struct wf_repair *r)
{
    for (size_t i = 0; i < WF_REPAIR_RANGES; i++)
        if (r->pending[i].id && r->pending[i].is_pull)
            return true;
    return false;
}

static bool is_asked(const struct wf_repair *r, uint64_t from)
{
    for (size_t i = 0; i < WF_REPAIR_RANGES; i++)
        if (r->pending[i].id && !r->pending[i].is_pull && r->pending[i].from <= from &&
            from < r->pending[i].to)
            return true;
    return false;
}

static void ask(struct step *s, bool is_pull, uint64_t from, uint64_t to)
{
    struct wf_repair *r = s->r;
    struct pending *p = free_slot(r);

    if (!p)
        return;
    if (++r->last_id == 0)
        r->last_id = 1;
    *p = (struct pending){ r->last_id, from, to, is_pull };
    struct wf_repair_action a = { .kind = is_pull ? WF_REP_PULL : WF_REP_RANGE,
        .log_id = r->log_id,
        .from = from,
        .to = to,
        .request = p->id };
    // At the head a pull may wait for news; behind it, it must not.
    a.wait = is_pull && r->next >= r->head;
    emit(s, &a);
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

static void ask_what_is_missing(struct step *s)
{
    struct wf_repair *r = s->r;
    uint64_t from, to;

    if (!r->up || s->now < r->retry_at_ms)
        return;
    if (r->mode == WF_REP_PULLING) {
        if (!any_pull(r))
            ask(s, true, r->next, 0);
        return;
    }
    while (free_slot(r) && find_hole(r, &from, &to))
        ask(s, false, from, to);
}

static void set_mode(struct step *s, enum wf_repair_mode mode, bool silent)
{
    struct wf_repair *r = s->r;

    if (r->mode == mode && r->silent == silent)
        return;
    r->mode = mode;
    r->silent = silent;
    struct wf_repair_action a = { .kind = WF_REP_MODE, .mode = mode, .silent = silent };
    emit(s, &a);
}

// ---- delivering ------------------------------------------------------------------------------------------------------

static void deliver(struct step *s, struct wf_repair_entry *e, bool live)
{
    struct wf_repair *r = s->r;
    struct wf_repair_action a = {
        .kind = WF_REP_DELIVER, .entry = *e, .live = live, .log_id = e->log_id
    };

    r->next = e->end;
    if (r->head < r->next)
        r->head = r->next;
    emit(s, &a);
    if (++r->since_position >= WF_POSITION_ENTRIES)
        r->position_at_ms = s->now;
    else if (r->position_at_ms == INT64_MAX)
        r->position_at_ms = s->now + WF_POSITION_MS;
}

static void deliver_held(struct step *s)
{
    struct wf_repair *r = s->r;
    size_t n = 0;

    while (n < r->held_count && r->held[n].offset <= r->next) {
        struct wf_repair_entry e = r->held[n++];
        r->held_bytes -= e.bytes;
        if (e.end <= r->next)
            drop_item(r, &e);
        else
            deliver(s, &e, true);
    }
    memmove(r->held, r->held + n, (r->held_count - n) * sizeof *r->held);
    r->held_count -= n;
}

static void hold(struct step *s, struct wf_repair_entry *e)
{
    struct wf_repair *r = s->r;
    size_t i = held_at(r, e->offset);
    bool overlaps = i < r->held_count && r->held[i].offset < e->end;

    if (overlaps || r->held_count == WF_REPAIR_HELD ||
        r->held_bytes + e->bytes > r->conf.held_bytes) {
        drop_item(r, e);
        if (!overlaps) {
            drop_held(r);
            set_mode(s, WF_REP_PULLING, false);
        }
        return;
    }
    memmove(r->held + i + 1, r->held + i, (r->held_count - i) * sizeof *r->held);
    r->held[i] = *e;
    r->held_count++;
    r->held_bytes += e->bytes;
}

static void report_loss(struct step *s, uint64_t from, uint64_t to, enum weft_err code)
{
    struct wf_repair *r = s->r;

    if (from < r->next)
        from = r->next;
    if (from >= to)
        return;
    struct wf_repair_action a = {
        .kind = WF_REP_LOSS, .log_id = r->log_id, .from = from, .to = to, .code = code
    };
    r->next = to;
    emit(s, &a);
}

// ---- logs ------------------------------------------------------------------------------------------------------------

static void enter_log(struct step *s, const struct wf_incarnation *log_id, uint64_t next)
{
    struct wf_repair *r = s->r;

    drop_held(r);
    r->log_id = *log_id;
    r->next = next;
    r->head = next;
    struct wf_repair_action a = { .kind = WF_REP_LOG, .log_id = *log_id, .from = next };
    emit(s, &a);
}

// A reset begins a log where the previous one ended for good. If we had read beyond that, those offsets are used again: the home lost
// what it had not yet acknowledged, and origins send it anew; marks keep doubles from the application.
static void on_reset(struct step *s, struct wf_repair_entry *e)
{
    struct wf_repair *r = s->r;

    if (same_log(r, &e->previous_log) && r->next < e->end_offset)
        report_loss(s, r->next, e->end_offset, WEFT_E_LOST);
    enter_log(s, &e->log_id, e->end_offset);
    struct wf_repair_action a = { .kind = WF_REP_DELIVER, .entry = *e, .log_id = e->log_id };
    emit(s, &a);
}

// ---- events ----------------------------------------------------------------------------------------------------------

static void take_frame_entry(struct step *s, struct wf_repair_entry *e)
{
    struct wf_repair *r = s->r;

    if (!same_log(r, &e->log_id) || e->is_reset) {
        // Another log: only a pull, in the home's order, can tell how it follows ours.
        drop_item(r, e);
        if (!wf_incarnation_is_none(&r->log_id))
            set_mode(s, WF_REP_PULLING, false);
        return;
    }
    if (e->end > r->head)
        r->head = e->end;
    if (e->end <= r->next) {
        drop_item(r, e);
        return;
    }
    if (r->mode == WF_REP_LIVE && e->offset <= r->next) {
        deliver(s, e, true);
        deliver_held(s);
        return;
    }
    hold(s, e);
}

static void take_asked_entry(struct step *s, struct wf_repair_entry *e, bool is_pull)
{
    struct wf_repair *r = s->r;

    if (e->is_reset) {
        if (is_pull && !same_log(r, &e->log_id))
            on_reset(s, e);
        else
            drop_item(r, e);
        return;
    }
    if (!same_log(r, &e->log_id)) {
        if (!is_pull || !wf_incarnation_is_none(&r->log_id)) {
            drop_item(r, e);
            set_mode(s, WF_REP_PULLING, false);
            return;
        }
        // The first entry ever: the log we begin in.
        enter_log(s, &e->log_id, r->next > e->offset ? r->next : e->offset);
    }
    if (e->end <= r->next) {
        drop_item(r, e);
    } else if (e->offset <= r->next) {
        deliver(s, e, false);
        deliver_held(s);
    } else if (is_pull) {
        // A pull's reply is in order: what is skipped without a loss is a hole that the home did not explain.
        report_loss(s, r->next, e->offset, WEFT_E_GAP);
        deliver(s, e, false);
        deliver_held(s);
    } else {
        hold(s, e);
    }
}

static void on_heartbeat(struct step *s, const struct wf_repair_event *e)
{
    struct wf_repair *r = s->r;
    const struct wf_heartbeat *h = e->heartbeat;

    if (e->by_stream) {
        r->heard_ms = s->now;
        r->due_beat_ms = e->next_beat_ms;
    }
    if (!h)
        return;
    if (same_log(r, &h->log_id)) {
        if (h->head_offset > r->head)
            r->head = h->head_offset;
    } else if (!wf_incarnation_is_none(&r->log_id)) {
        set_mode(s, WF_REP_PULLING, false);
    }
}

// Live again when the frames held back join what was delivered, or when the pull reached the head and the stream is heard.
static void try_rejoin(struct step *s)
{
    struct wf_repair *r = s->r;

    if (r->mode != WF_REP_PULLING || wf_incarnation_is_none(&r->log_id))
        return;
    bool heard = s->now - r->heard_ms < WF_REPAIR_SILENCE_MS || s->now < r->due_beat_ms;
    bool joined = r->held_count > 0 && r->held[0].offset <= r->next;
    if (heard && (joined || (r->held_count == 0 && r->next >= r->head))) {
        set_mode(s, WF_REP_LIVE, false);
        deliver_held(s);
    }
}

static void on_entries(struct step *s, struct wf_repair_event *e)
{
    struct wf_repair *r = s->r;
    struct pending *p = find_pending(r, e->request);
    bool is_pull = p && p->is_pull;
    size_t loss = 0;

    for (size_t i = 0; i < e->entry_count; i++) {
        // Losses lie between entries, in order.
        while (p && loss < e->loss_count && e->losses[loss].from <= r->next &&
               e->losses[loss].from < e->entries[i].offset) {
            report_loss(s, e->losses[loss].from, e->losses[loss].to, e->losses[loss].code);
            loss++;
        }
        if (p)
            take_asked_entry(s, &e->entries[i], is_pull);
        else
            drop_item(r, &e->entries[i]);
    }
    for (; p && loss < e->loss_count; loss++)
        if (e->losses[loss].from <= r->next)
            report_loss(s, e->losses[loss].from, e->losses[loss].to, e->losses[loss].code);
    if (p)
        p->id = 0;
    deliver_held(s);
    r->retry_ms = WF_REPAIR_RETRY_MS;
    on_heartbeat(s, e);
    try_rejoin(s);
}

static void on_failed(struct step *s, const struct wf_repair_event *e)
{
    struct wf_repair *r = s->r;
    struct pending *p = find_pending(r, e->request);

    if (!p)
        return;
    p->id = 0;
    r->retry_at_ms = s->now + r->retry_ms;
    r->retry_ms = r->retry_ms * 2 > 8000 ? 8000 : r->retry_ms * 2;
    // A range that fails for good (another log, dropped meanwhile) is answered by a pull with its losses.
    if (e->err == WEFT_E_LOG_ID || e->err == WEFT_E_RETENTION || e->err == WEFT_E_RANGE)
        set_mode(s, WF_REP_PULLING, false);
}

static void on_tick(struct step *s)
{
    struct wf_repair *r = s->r;

    bool due = s->now >= r->due_beat_ms && s->now - r->heard_ms >= WF_REPAIR_SILENCE_MS;
    if (r->up && due && (r->mode == WF_REP_LIVE || !r->silent))
        set_mode(s, WF_REP_PULLING, true);
    try_rejoin(s);
    if (s->now >= r->position_at_ms && r->up) {
        struct wf_repair_action a = {
            .kind = WF_REP_POSITION, .log_id = r->log_id, .from = r->next
        };
        emit(s, &a);
        r->position_at_ms = INT64_MAX;
        r->since_position = 0;
    }
}

void wf_repair_step(
    struct wf_repair *r, int64_t now_ms, struct wf_repair_event *e, wf_repair_act_fn act, void *arg)
{
    struct step s = { r, now_ms, act, arg };

    switch (e->kind) {
    case WF_REP_LEASE:
        if (!r->up) {
            r->up = true;
            r->heard_ms = now_ms; // the stream gets its time to speak
            r->due_beat_ms = now_ms;
        }
        r->retry_at_ms = now_ms;
        on_heartbeat(&s, e);
        break;
    case WF_REP_FRAME:
        r->heard_ms = now_ms;
        for (size_t i = 0; i < e->entry_count; i++)
            take_frame_entry(&s, &e->entries[i]);
        try_rejoin(&s);
        break;
    case WF_REP_HEARTBEAT:
        on_heartbeat(&s, e);
        try_rejoin(&s);
        break;
    case WF_REP_ENTRIES:
        on_entries(&s, e);
        break;
    case WF_REP_FAILED:
        on_failed(&s, e);
        break;
    case WF_REP_LINK_DOWN:
        r->up = false;
        memset(r->pending, 0, sizeof r->pending);
        break;
    case WF_REP_TICK:
        on_tick(&s);
        break;
    }
    ask_what_is_missing(&s);
}

int64_t wf_repair_due_ms(const struct wf_repair *r)
{
    int64_t due = r->position_at_ms;
    int64_t silence = r->heard_ms + WF_REPAIR_SILENCE_MS > r->due_beat_ms
                          ? r->heard_ms + WF_REPAIR_SILENCE_MS
                          : r->due_beat_ms;

    if (!r->up)
        return INT64_MAX;
    if (silence < due && !(r->mode == WF_REP_PULLING && r->silent))
        due = silence;
    return r->retry_at_ms && r->retry_at_ms < due && !any_pull(r) ? r->retry_at_ms : due;
}
