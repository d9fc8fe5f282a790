// SPDX-License-Identifier: Apache-2.0
// Verified entries, in the machine's order, into events: the chain of their hashes, marks against doubles, holes in the numbers of an origin,
// cursor rows, counts.
#include <stdio.h>
#include <stdlib.h>

#include "sdk/subscribe_int.h"

static void add_logs_row(struct weft_subscription *s, struct wf_sub_item *i)
{
    wf_cursor_logs_row(&s->cursor, &i->rows[i->row_count++]);
}

// An event of [from, to) that never comes. Without memory only the count tells it.
static struct wf_sub_item *new_loss(uint64_t from, uint64_t to, enum weft_err code)
{
    struct wf_sub_item *i = calloc(1, sizeof *i);

    if (i) {
        i->kind = WEFT_EV_LOSS;
        i->size = sizeof *i;
        i->loss_from = from;
        i->loss_to = to;
        i->code = code;
    }
    return i;
}

void wf_sub_lose(struct weft_subscription *s, const struct wf_repair_action *a)
{
    struct wf_sub_item *i = new_loss(a->from, a->to, a->code);

    wf_sub_count(s, &s->stats.lost_records, a->to - a->from);
    s->head_known = false;
    if (!wf_incarnation_is_none(&a->log_id))
        wf_cursor_advance(&s->cursor, &a->log_id, a->to);
    wf_cursor_lose(&s->cursor, a->to - a->from);
    s->sure_log = a->log_id;
    s->sure_next = a->to;
    if (!i)
        return;
    add_logs_row(s, i);
    wf_sub_push(s, i);
}

// Numbers of an origin that never come. Rows: its mark behind them, and whose of what was told by offset is known now; of the logs, where
// reading is: the entry that showed it is still to come.
static void push_numbers(struct weft_subscription *s, const struct wf_lost *l, bool told)
{
    struct wf_sub_item *i =
        l->from_seq < l->to_seq ? new_loss(l->from_seq, l->to_seq, WEFT_E_LOST) : NULL;

    if (!i)
        return;
    i->by_origin = true;
    i->told = told;
    memcpy(i->subject, l->subject, sizeof i->subject);
    wf_incarnation_print(&l->incarnation, i->incarnation);
    add_logs_row(s, i);
    const struct wf_mark *mark = wf_cursor_find(&s->cursor, &l->origin);
    if (mark)
        wf_cursor_mark_row(&s->cursor, mark, &i->rows[i->row_count++]);
    wf_sub_push(s, i);
}

static void push_gap(
    struct weft_subscription *s, const struct wf_lost *of, const struct wf_gap *gap)
{
    struct wf_lost l = *of;

    l.from_seq = gap->from;
    l.to_seq = gap->told;
    push_numbers(s, &l, true);
    l.from_seq = gap->told;
    l.to_seq = gap->to;
    wf_sub_count(s, &s->stats.lost_records, gap->to - gap->told);
    push_numbers(s, &l, false);
}

// A chain has no holes, so numbers that an origin used and that no entry brought were lost at the home: with a log put back from a copy, say.
static void tell_hole(struct weft_subscription *s, const struct wf_sub_item *next)
{
    struct wf_lost of = { .origin = next->header.signer, .incarnation = next->header.incarnation };
    struct wf_gap gap;

    if (!wf_cursor_hole(&s->cursor, &next->header, &gap))
        return;
    snprintf(of.subject, sizeof of.subject, "%s", next->origin->cert.subject.s);
    push_gap(s, &of, &gap);
}

// What the home itself says it had and has no more.
static void tell_lost(struct weft_subscription *s, const struct wf_entry *reset)
{
    struct wf_bytes in = reset->lost;
    struct wf_lost l;
    struct wf_gap gap;

    while (wf_lost_next(&in, &l))
        if (wf_cursor_lost(&s->cursor, &l, &gap))
            push_gap(s, &l, &gap);
}

// Does the entry continue the chain of hashes? Moves the head. False: not what the home appended here, or before.
static bool follows(struct weft_subscription *s, const struct wf_sub_item *i, bool live)
{
    const struct wf_entry *e = &i->entry;
    bool adjoins = s->head_known && wf_incarnation_eq(&s->head.log_id, &e->log_id) &&
                   s->head.next_offset == e->offset;
    bool right = !adjoins || wf_entry_follows(&s->head, e) == WEFT_OK;

    if (!right) {
        wf_sub_count(s, &s->stats.verify_failures, 1);
        if (live || s->head_live)
            return false;
        // Both came from the home itself: it contradicts itself, and going back would not help.
        struct weft_problem p;
        wf_problem_set(&p, WEFT_E_ORDER,
            "%s: the entry at offset %llu does not follow the one before; its home rewrote its log",
            s->name, (unsigned long long)e->offset);
        wf_sub_state(s, s->state, &p);
    }
    wf_entry_hash(e, &s->product_id, e->is_reset ? NULL : &i->header.id, &s->head.hash);
    s->head.log_id = e->log_id;
    s->head.next_offset = e->offset + (e->is_reset ? 0 : i->header.count);
    s->head_known = true;
    s->head_live = live;
    if (!live) {
        s->sure_log = s->head.log_id;
        s->sure_next = s->head.next_offset;
    }
    return true;
}

// No stream could have brought what was appended before it was heard, nor what lay there at the first lease.
static enum weft_way way_of(const struct weft_subscription *s, const struct wf_repair_action *a)
{
    bool early = s->history_open || a->entry.offset < s->history_end;

    return a->entry.way == WEFT_WAY_PULL && early ? WEFT_WAY_HISTORY : a->entry.way;
}

void wf_sub_end_history(struct weft_subscription *s, const struct wf_repair_event *e)
{
    uint64_t end = s->history_end;

    if (!s->history_open)
        return;
    if (e->kind == WF_REP_FRAME && e->entry_count)
        end = e->entries[0].offset;
    else if (e->kind == WF_REP_HEARTBEAT && e->by_stream && e->heartbeat)
        end = e->heartbeat->head_offset;
    else if (!s->silent) // a stream that never speaks gets no more time
        return;
    s->history_open = false;
    if (end > s->history_end)
        s->history_end = end;
}

static void count_batch(struct weft_subscription *s, const struct wf_sub_item *i)
{
    uint64_t *const ways[] = { &s->stats.live_records, &s->stats.range_records,
        &s->stats.pulled_records, &s->stats.history_records };
    uint32_t n = i->header.count - i->skip;

    pthread_mutex_lock(&s->mutex);
    s->stats.batches++;
    s->stats.records += n;
    *ways[i->way] += n;
    if (i->by_mirror)
        s->stats.mirrored_records += n;
    if (i->way != WEFT_WAY_LIVE && s->mode == WF_REP_LIVE)
        s->stats.gaps_repaired++;
    s->stats.duplicates += i->skip;
    s->stats.last_append_ms = i->entry.append_ms;
    pthread_mutex_unlock(&s->mutex);
}

// A batch of the origin that says what is lost: an event of its own kind, in its own numbers.
static void push_origin_loss(struct weft_subscription *s, struct wf_sub_item *i)
{
    i->kind = WEFT_EV_LOSS;
    i->by_origin = true;
    i->code = WEFT_E_LOST;
    snprintf(i->subject, sizeof i->subject, "%s", i->origin->cert.subject.s);
    wf_incarnation_print(&i->header.incarnation, i->incarnation);
    i->loss_from = i->header.first_seq + i->skip;
    i->loss_to = wf_batch_next_seq(&i->header);
    wf_sub_count(s, &s->stats.lost_records, i->loss_to - i->loss_from);
    wf_sub_push(s, i);
}

static void push_batch(struct weft_subscription *s, struct wf_sub_item *i)
{
    s->news_ms = wf_sub_now(s);
    const struct wf_mark *mark = wf_cursor_find(&s->cursor, &i->header.signer);

    add_logs_row(s, i);
    if (mark)
        wf_cursor_mark_row(&s->cursor, mark, &i->rows[i->row_count++]);
    i->kind = WEFT_EV_RECORDS;
    if (i->header.kind == WF_BATCH_LOSS) {
        push_origin_loss(s, i);
        return;
    }
    count_batch(s, i);
    wf_sub_push(s, i);
}

void wf_sub_deliver(struct weft_subscription *s, const struct wf_repair_action *a)
{
    struct wf_sub_item *i = a->entry.item;

    if (s->rewind || !follows(s, i, a->entry.way == WEFT_WAY_LIVE || i->by_mirror)) {
        s->rewind = true;
        wf_sub_item_free(i);
        return;
    }
    uint64_t end = i->entry.offset + (i->entry.is_reset ? 0 : i->header.count);
    if (i->entry.is_reset)
        tell_lost(s, &i->entry);
    else
        tell_hole(s, i);
    wf_cursor_advance(&s->cursor, &i->entry.log_id, end);
    if (i->entry.is_reset) {
        wf_sub_item_free(i);
        return;
    }
    uint64_t overlap = a->from > i->entry.offset ? a->from - i->entry.offset : 0;
    i->skip = wf_cursor_skip(&s->cursor, &i->header);
    if (overlap > i->skip)
        i->skip = (uint32_t)overlap;
    enum weft_err err = wf_cursor_mark(&s->cursor, &i->header, i->entry.append_ms);
    if (err) { // more origins than a cursor holds: their doubles can't be told any more
        struct weft_problem p;
        wf_problem_set(&p, err, "%s: no mark for origin %s: %s", s->name, i->origin->cert.subject.s,
            weft_err_text(err));
        wf_sub_state(s, s->state, &p);
    }
    if (i->header.kind == WF_BATCH_RESET || i->skip >= i->header.count) {
        if (i->header.kind == WF_BATCH_DATA)
            wf_sub_count(s, &s->stats.duplicates, i->header.count);
        wf_sub_item_free(i);
        return;
    }
    i->way = way_of(s, a);
    push_batch(s, i);
}
