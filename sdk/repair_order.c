// SPDX-License-Identifier: Apache-2.0
// The order of entries: what is delivered, what waits behind a hole, what is lost, and how one log follows another.
#include "sdk/repair_int.h"

// ---- delivering ------------------------------------------------------------------------------------------------------

void wf_repair_report_loss(
    struct wf_repair_step_now *s, uint64_t from, uint64_t to, enum weft_err code)
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
    if (r->head < r->next)
        r->head = r->next;
    s->act(s->arg, &a);
}

// The next one in order; its end lies beyond what was delivered.
static void deliver(struct wf_repair_step_now *s, struct wf_repair_entry *e)
{
    struct wf_repair *r = s->r;

    if (e->lost) {
        wf_repair_report_loss(s, e->offset, e->end, e->lost);
        return;
    }
    struct wf_repair_action a = {
        .kind = WF_REP_DELIVER, .entry = *e, .log_id = e->log_id, .from = r->next
    };
    r->next = e->end;
    if (r->head < r->next)
        r->head = r->next;
    if (r->rumour <= r->next)
        r->rumour_at_ms = INT64_MAX;
    s->act(s->arg, &a);
    r->bytes_since_position += e->bytes;
    if (++r->since_position >= WF_POSITION_ENTRIES || r->bytes_since_position >= WF_POSITION_BYTES)
        r->position_at_ms = s->now;
    else if (r->position_at_ms == INT64_MAX)
        r->position_at_ms = s->now + WF_POSITION_MS;
}

void wf_repair_deliver_held(struct wf_repair_step_now *s)
{
    struct wf_repair *r = s->r;
    size_t n = 0;

    while (n < r->held_count && r->held[n].offset <= r->next) {
        struct wf_repair_entry e = r->held[n++];
        r->held_bytes -= e.bytes;
        if (e.end <= r->next)
            wf_repair_drop_item(r, &e);
        else
            deliver(s, &e);
    }
    if (n == 0)
        return;
    memmove(r->held, r->held + n, (r->held_count - n) * sizeof *r->held);
    r->held_count -= n;
}

static void hold(struct wf_repair_step_now *s, struct wf_repair_entry *e)
{
    struct wf_repair *r = s->r;
    size_t i = wf_repair_held_at(r, e->offset);
    bool overlaps = i < r->held_count && r->held[i].offset < e->end;

    if (overlaps || r->held_count == WF_REPAIR_HELD ||
        r->held_bytes + e->bytes > r->conf.held_bytes) {
        wf_repair_drop_item(r, e);
        if (!overlaps) {
            wf_repair_drop_held(r);
            wf_repair_fall_back(s);
        }
        return;
    }
    memmove(r->held + i + 1, r->held + i, (r->held_count - i) * sizeof *r->held);
    r->held[i] = *e;
    r->held_count++;
    r->held_bytes += e->bytes;
}

// ---- logs ------------------------------------------------------------------------------------------------------------

void wf_repair_leave_log(struct wf_repair *r, const struct wf_repair_place *place)
{
    const size_t size = sizeof r->older[0];
    size_t i = 0;

    while (i < r->older_count && !wf_incarnation_eq(&r->older[i].log_id, &place->log_id))
        i++;
    if (i == r->older_count && r->older_count == WF_COUNT(r->older))
        i = 0;
    if (i < r->older_count)
        memmove(&r->older[i], &r->older[i + 1], (--r->older_count - i) * size);
    r->older[r->older_count++] = *place;
}

static void take_log(
    struct wf_repair_step_now *s, const struct wf_incarnation *log_id, uint64_t next)
{
    struct wf_repair *r = s->r;

    wf_repair_drop_held(r);
    r->log_id = *log_id;
    r->next = next;
    r->other_log = false;
    wf_repair_forget_head(r, next);
    struct wf_repair_action a = { .kind = WF_REP_LOG, .log_id = *log_id, .from = next };
    s->act(s->arg, &a);
}

void wf_repair_enter_log(
    struct wf_repair_step_now *s, const struct wf_incarnation *log_id, uint64_t next)
{
    struct wf_repair *r = s->r;

    if (!wf_incarnation_is_none(&r->log_id)) {
        struct wf_repair_place left = { r->log_id, r->next };
        wf_repair_leave_log(r, &left);
    }
    take_log(s, log_id, next);
}

// What the home signed as its head was there, and nobody has it any more: but for what we read, it is lost. Reading goes on in the newest of
// the older logs that the home knows, for it shares that one's past with us; knowing none, from its floor, with marks against doubles.
void wf_repair_unknown_log(struct wf_repair_step_now *s)
{
    static const struct wf_incarnation none;
    struct wf_repair *r = s->r;

    wf_repair_deliver_held(s);
    wf_repair_report_loss(s, r->next, r->told, WEFT_E_LOST);
    if (r->older_count) {
        struct wf_repair_place to = r->older[--r->older_count];
        take_log(s, &to.log_id, to.next);
    } else {
        wf_repair_drop_held(r);
        wf_repair_forget_head(r, 0);
        r->log_id = none;
        r->next = r->floor;
    }
    r->retry_at_ms = 0; // at once: each log is asked about only once
}

// A reset begins a log where the previous one ended for good. If we had read beyond that, those offsets are used again: the home lost
// what it had not yet acknowledged, and origins send it anew; marks keep doubles from the application. What it had signed as its head, and we
// had not read, is gone with the log: a disk that lied, or a log put back from a copy.
static void on_reset(struct wf_repair_step_now *s, struct wf_repair_entry *e)
{
    struct wf_repair *r = s->r;
    bool begins = wf_incarnation_is_none(&r->log_id);

    // By offset alone: resets before the place where reading begins are none of ours.
    if (begins && e->end_offset < r->next) {
        wf_repair_drop_item(r, e);
        return;
    }
    wf_repair_deliver_held(s);
    if (!begins)
        wf_repair_report_loss(
            s, r->next, r->told > e->end_offset ? r->told : e->end_offset, WEFT_E_LOST);
    wf_repair_enter_log(s, &e->log_id, e->end_offset);
    struct wf_repair_action a = {
        .kind = WF_REP_DELIVER, .entry = *e, .log_id = e->log_id, .from = e->end_offset
    };
    s->act(s->arg, &a);
}

// ---- events ----------------------------------------------------------------------------------------------------------

void wf_repair_meet_other_log(struct wf_repair_step_now *s)
{
    struct wf_repair *r = s->r;

    if (wf_incarnation_is_none(&r->log_id))
        return;
    r->other_log = true;
    wf_repair_fall_back(s);
}

void wf_repair_take_frame_entry(struct wf_repair_step_now *s, struct wf_repair_entry *e)
{
    struct wf_repair *r = s->r;

    if (!wf_repair_same_log(r, &e->log_id) || e->is_reset) {
        // Another log: only a pull, in the home's order, can tell how it follows ours.
        wf_repair_drop_item(r, e);
        wf_repair_meet_other_log(s);
        return;
    }
    if (e->end > r->head)
        r->head = e->end;
    if (e->end <= r->next) {
        wf_repair_drop_item(r, e);
        return;
    }
    e->way = WEFT_WAY_LIVE;
    if (r->mode == WF_REP_LIVE && e->offset <= r->next) {
        deliver(s, e);
        wf_repair_deliver_held(s);
        return;
    }
    hold(s, e);
}

// Is the entry of the log we read? A pull by offset alone learns the log from its first entry.
static bool enter_with(struct wf_repair_step_now *s, const struct wf_repair_entry *e, bool is_pull)
{
    struct wf_repair *r = s->r;

    if (e->lost || wf_repair_same_log(r, &e->log_id))
        return true;
    if (!is_pull || !wf_incarnation_is_none(&r->log_id)) {
        wf_repair_meet_other_log(s);
        return false;
    }
    wf_repair_enter_log(s, &e->log_id, r->next > e->offset ? r->next : e->offset);
    return true;
}

void wf_repair_take_asked_entry(
    struct wf_repair_step_now *s, struct wf_repair_entry *e, bool is_pull)
{
    struct wf_repair *r = s->r;

    e->way = is_pull ? WEFT_WAY_PULL : WEFT_WAY_RANGE;
    if (e->is_reset) {
        if (is_pull && !wf_repair_same_log(r, &e->log_id))
            on_reset(s, e);
        else
            wf_repair_drop_item(r, e);
        return;
    }
    if (!enter_with(s, e, is_pull) || e->end <= r->next) {
        wf_repair_drop_item(r, e);
        return;
    }
    if (e->offset > r->next && !is_pull) {
        hold(s, e);
        return;
    }
    // A pull's reply is in order, but for what is held, which whoever unpacked it may have left out: what is skipped without a loss is a hole
    // that the home did not explain.
    if (e->offset > r->next)
        wf_repair_deliver_held(s);
    if (e->offset > r->next)
        wf_repair_report_loss(s, r->next, e->offset, WEFT_E_GAP);
    if (e->end <= r->next) {
        wf_repair_drop_item(r, e);
        return;
    }
    deliver(s, e);
    wf_repair_deliver_held(s);
}
