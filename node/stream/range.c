// SPDX-License-Identifier: Apache-2.0
// Entries by request: a range (repair of a gap) or a pull (a reader that is behind, or cannot hear the stream). Read from the log in slices
// of one reply: what is small, as for a reader that follows, on the loop thread; the rest on a worker. What is missing is told as a loss
// with its exact range and reason, never left out.
#include <stdio.h>
#include <stdlib.h>

#include "node/pool.h"
#include "node/stream/priv.h"
#include "node/stream/slice.h"

#define INLINE_BYTES (16u * WF_KIB) // read at once: handing over would cost as much
#define AHEAD_BYTES                                                                                \
    (128u *                                                                                        \
        WF_KIB) // of log before a reader that catches up: nothing is read here, and once more there

// Nothing that reading looks at is the room's but what never changes, so that a worker may fill it.
struct part {
    struct wf_slice slice;
    struct wf_home_product *p;
    bool sealed; // for a mirror
};

static enum weft_err log_of_reset(struct wf_bytes body, struct wf_incarnation *ret)
{
    struct wf_entry e;
    enum weft_err err = wf_entry_parse(body, &e);

    if (!err)
        *ret = e.log_id;
    return err;
}

static void part_of(struct part *s, const struct wf_lease *l, struct wf_arena *arena)
{
    struct wf_home_product *p = l->product;

    *s = (struct part){ .p = p, .sealed = l->verb == WF_VERB_MIRROR };
    s->slice = (struct wf_slice){ .log = p->room->node->log,
        .product = p->log_key,
        .head = p->head,
        .log_of_reset = log_of_reset,
        .scratch = &p->room->scratch,
        .arena = arena };
}

// ---- where to begin --------------------------------------------------------------------------------------------------

static enum weft_err place(struct part *s, const Weft__V1__RangeRequest *q)
{
    struct wf_stream_room *r = s->p->room;
    uint64_t floor = wf_home_floor(s->p);
    enum weft_err err = WEFT_OK;

    s->slice.from = q->from;
    switch (q->start) {
    case WEFT__V1__RANGE_REQUEST__START__START_OFFSET:
        break;
    case WEFT__V1__RANGE_REQUEST__START__START_EARLIEST:
        s->slice.from = floor;
        break;
    case WEFT__V1__RANGE_REQUEST__START__START_LATEST:
        s->slice.from = s->p->head;
        s->slice.after = s->p->log_id;
        break;
    case WEFT__V1__RANGE_REQUEST__START__START_TIME:
        err =
            wf_log_find_time(r->node->log, &s->p->log_key, q->time_ms, &r->scratch, &s->slice.from);
        if (!err && s->slice.from > s->p->head)
            s->slice.from = s->p->head;
        break;
    default:
        err = WEFT_E_RANGE;
        break;
    }
    return err;
}

// A position in an older log that lies beyond its end: the reader saw what was lost and goes back to where the next log began.
static enum weft_err place_in_log(struct part *s, const Weft__V1__Incarnation *log)
{
    struct wf_incarnation id = { log ? log->counter : 0, log ? log->random : 0 };
    const struct wf_old_log *old = NULL;

    if (wf_incarnation_is_none(&id))
        return s->slice.from > s->p->head ? WEFT_E_RANGE : WEFT_OK;
    s->slice.after = id;
    if (wf_incarnation_eq(&id, &s->p->log_id))
        return s->slice.from > s->p->head ? WEFT_E_RANGE : WEFT_OK;
    old = wf_logs_find(s->p, &id);
    if (!old)
        return WEFT_E_LOG_ID;
    if (s->slice.from > old->end)
        s->slice.from = old->end;
    return WEFT_OK;
}

static void limit(struct part *s, const Weft__V1__RangeRequest *q)
{
    s->slice.to = q->to;
    s->slice.max_bytes = s->sealed ? WF_SEALED_SERVED : WF_SERVED_MAX;
    if (q->max_bytes && q->max_bytes < s->slice.max_bytes)
        s->slice.max_bytes = q->max_bytes;
}

static enum weft_err part_begin(struct part *s, const Weft__V1__RangeRequest *q)
{
    enum weft_err err = place(s, q);

    if (!err)
        err = place_in_log(s, q->log_id);
    limit(s, q);
    return err;
}

// ---- answers ---------------------------------------------------------------------------------------------------------

static void answer(struct wf_call *c, struct part *s)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__RangeReply out = WEFT__V1__RANGE_REPLY__INIT;
    struct wf_bytes beat;
    enum weft_err err =
        s->sealed ? wf_mirrored_seal(s->p, s->slice.arena, s->slice.entries, s->slice.entry_count)
                  : WEFT_OK;

    if (err) {
        wf_call_refuse(c, err, "%s", weft_err_text(err));
        return;
    }
    wf_slice_reply(&s->slice, &out);
    if (!wf_beat_signed(s->p, &beat))
        out.heartbeat = wf_pb_bin(beat);
    s->p->count.pulls++;
    s->p->count.served += s->slice.entry_count;
    reply.kind_case = WEFT__V1__REPLY__KIND_RANGE;
    reply.range = &out;
    wf_call_reply(c, &reply);
}

void wf_read_failed(struct wf_home_product *p, enum weft_err err)
{
    char alarm[16 + WF_MAX_NAME], text[200];

    if (err ? err != WEFT_E_IO : !p->unread)
        return;
    p->unread = err != WEFT_OK;
    snprintf(alarm, sizeof alarm, "read-%s", p->collect->product.name);
    snprintf(text, sizeof text,
        "%s: a part of its log can't be read now (input/output error); readers wait for it, "
        "nothing is told as lost",
        p->collect->product.name);
    wf_alarm(p->room->node, alarm, p->unread ? text : NULL);
}

static void refuse(struct wf_call *c, enum weft_err err)
{
    wf_call_refuse(c, err, "%s",
        err == WEFT_E_LOG_ID  ? "the position names a log this node never had; begin anew by offset"
        : err == WEFT_E_RANGE ? "the position lies beyond the head"
        : err == WEFT_E_IO    ? "this part of the log can't be read now; it is not lost: try again"
                              : weft_err_text(err));
}

// ---- on a worker -----------------------------------------------------------------------------------------------------

struct reading {
    struct wf_job job; // first
    struct wf_stream_room *room;
    struct wf_call *call; // NULL: its caller went away
    uint8_t lease_id[WF_LEASE_ID_LEN];
    struct part s;
    enum weft_err err;
    struct wf_arena arena;
    struct wf_buf scratch;
};

static void work(struct wf_job *job)
{
    struct reading *r = (struct reading *)(void *)job;

    r->err = wf_slice_read(&r->s.slice);
}

// The lease may have ended meanwhile: then nothing is told.
static void answer_reading(struct reading *r, enum weft_err cancelled)
{
    struct wf_call *c = r->call;

    c->on_gone = NULL;
    if (!cancelled)
        wf_read_failed(r->s.p, r->err);
    if (cancelled)
        wf_call_refuse(c, WEFT_E_CLOSED, "the node is stopping");
    else if (!wf_lease_find(r->room, WF_BYTES(r->lease_id)))
        wf_call_refuse(c, WEFT_E_LEASE, "the lease has ended; ask for a new one");
    else if (r->err)
        refuse(c, r->err);
    else
        answer(c, &r->s);
}

static void done(struct wf_job *job, enum weft_err err)
{
    struct reading *r = (struct reading *)(void *)job;

    if (r->call)
        answer_reading(r, err);
    wf_arena_fini(&r->arena);
    wf_buf_fini(&r->scratch);
    free(r);
}

static void reader_gone(struct wf_call *c, void *arg)
{
    struct reading *r = arg;

    (void)c;
    r->call = NULL;
}

// The whole of what `s` began is read on a worker, and the call answered then. False: not now.
static bool hand_over(
    struct wf_stream_room *room, struct wf_call *c, const struct part *s, struct wf_bytes lease_id)
{
    struct reading *r = calloc(1, sizeof *r);

    if (!r)
        return false;
    *r = (struct reading){ .room = room, .call = c };
    r->job = (struct wf_job){
        .work = work, .done = done, .class = WF_MAIL_CONTROL, .bytes = s->slice.max_bytes
    };
    memcpy(r->lease_id, lease_id.ptr, WF_LEASE_ID_LEN);
    wf_arena_init(&r->arena, WF_SERVED_MAX + 2u * WF_MIB);
    r->s = *s;
    r->s.slice.arena = &r->arena;
    r->s.slice.scratch = &r->scratch;
    if (wf_pool_submit(room->node->pool, &r->job)) {
        free(r);
        return false;
    }
    if (wf_call_park(c, reader_gone, r)) { // it keeps its place among those at work
        c->on_gone = reader_gone;
        c->gone_arg = r;
    }
    return true;
}

static bool is_far_behind(const struct part *s)
{
    const struct wf_slice *l = &s->slice;

    return l->max_bytes > INLINE_BYTES && !l->to && l->from < l->head &&
           wf_log_has_more(l->log, &l->product, l->from, AHEAD_BYTES);
}

// Answers with what there is from s on, or sees to it that a worker does. False: there is nothing, and nobody was answered.
static bool serve(struct wf_stream_room *r, struct wf_call *c, struct part *s,
    struct wf_bytes lease_id, bool even_nothing)
{
    struct part first = *s;

    if (is_far_behind(s) && hand_over(r, c, s, lease_id))
        return true;
    if (first.slice.max_bytes > INLINE_BYTES)
        first.slice.max_bytes = INLINE_BYTES;
    enum weft_err err = wf_slice_read(&first.slice);
    const struct wf_slice *got = &first.slice;
    if (err || got->entry_count)
        wf_read_failed(s->p, err);
    bool is_part =
        !err && got->max_bytes < s->slice.max_bytes && !got->done && got->next < got->head;
    if (is_part && hand_over(r, c, s, lease_id))
        return true;
    if (!err && !got->entry_count && !got->loss_count && !even_nothing)
        return false;
    if (err)
        refuse(c, err);
    else
        answer(c, &first); // a part of it is an answer, too: `next` says where to go on
    return true;
}

void wf_range_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__RangeRequest *q = c->request->range;
    struct wf_lease *l = wf_lease_of_call(n->stream, c, q->lease_id);
    struct part s;

    if (!l)
        return;
    part_of(&s, l, c->arena);
    enum weft_err err = part_begin(&s, q);
    if (err)
        refuse(c, err);
    else
        (void)serve(n->stream, c, &s, WF_BYTES(l->id), true);
}

// ---- pull ------------------------------------------------------------------------------------------------------------

// What there is from there on. last: it has waited long enough, so even nothing is an answer. False: nothing yet.
static bool try_pull(
    struct wf_call *c, const struct wf_lease *l, const struct wf_place *at, bool last)
{
    struct wf_stream_room *r = l->product->room;
    struct part s;

    part_of(&s, l, c->arena);
    s.slice.from = at->from;
    s.slice.after = at->after;
    limit(&s, c->request->pull->range);
    return serve(r, c, &s, WF_BYTES(l->id), last);
}

void wf_pull_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PullRequest *q = c->request->pull;
    struct part s;
    bool waits = q->wait_ms > 0 && !n->draining;

    if (!q->range) {
        refuse(c, WEFT_E_MISSING_FIELD);
        return;
    }
    struct wf_lease *l = wf_lease_of_call(n->stream, c, q->range->lease_id);
    if (!l)
        return;
    part_of(&s, l, c->arena);
    enum weft_err err = part_begin(&s, q->range);
    if (err) {
        refuse(c, err);
        return;
    }
    if (wf_incarnation_eq(&s.slice.after, &s.p->log_id) && !s.sealed)
        wf_lease_position(l, s.slice.from);
    struct wf_parked w = { .call = c, .product = s.p, .place = { s.slice.from, s.slice.after } };
    memcpy(w.lease_id, l->id, sizeof w.lease_id);
    if (!try_pull(c, l, &w.place, !waits) && !wf_park(&n->stream->pulls, &w))
        (void)try_pull(c, l, &w.place, true);
}

static bool has_lease(const struct wf_parked *w)
{
    return wf_lease_find(w->set->node->stream, WF_BYTES(w->lease_id)) != NULL;
}

static void answer_parked(const struct wf_parked *w)
{
    struct wf_lease *l = wf_lease_find(w->set->node->stream, WF_BYTES(w->lease_id));

    if (l)
        (void)try_pull(w->call, l, &w->place, true);
    else
        wf_call_refuse(w->call, WEFT_E_LEASE, "the lease has ended; ask for a new one");
}

void wf_pulls_init(struct wf_stream_room *r)
{
    r->pulls = (struct wf_parked_set){
        .node = r->node, .has_lease = has_lease, .answer = answer_parked, .max = WF_PULLS_MAX
    };
}
