// SPDX-License-Identifier: Apache-2.0
// Entries into the log and back: place and hash at append, everything else after the log's acknowledgement. The log's thread puts
// acknowledged entries into a box and posts it once; the loop empties it. When one append fails, those behind it fail too; then the
// product falls back to what is durable and our own chain starts anew, so that no two headers ever claim one place.
#include <stdio.h>
#include <stdlib.h>

#include "node/storage.h"
#include "node/stream/priv.h"

struct wf_box {
    struct wf_mail mail; // first
    pthread_mutex_t lock;
    struct wf_pending *acked, **end;
    bool posted, orphan; // orphan: the room is gone, the letter still waits
    struct wf_stream_room *room;
};

// ---- waiters ---------------------------------------------------------------------------------------------------------

enum weft_err wf_waiter_new(wf_stream_done_fn done, void *arg, struct wf_waiter **ret)
{
    struct wf_waiter *w = NULL;

    if (done) {
        w = calloc(1, sizeof *w);
        if (!w)
            return WEFT_E_NOMEM;
        *w = (struct wf_waiter){ .done = done, .arg = arg };
    }
    *ret = w;
    return WEFT_OK;
}

void wf_waiters_tell(struct wf_node *n, struct wf_waiter *w, enum weft_err err)
{
    while (w) {
        struct wf_waiter *next = w->next;
        w->done(n, w->arg, err);
        free(w);
        w = next;
    }
}

enum weft_err wf_append_wait(struct wf_home_product *p, wf_stream_done_fn done, void *arg)
{
    struct wf_pending *last = p->pending;
    struct wf_waiter *w = NULL;

    while (last && last->next)
        last = last->next;
    if (!last) {
        if (done)
            done(p->room->node, arg, WEFT_OK);
        return WEFT_OK;
    }
    enum weft_err err = wf_waiter_new(done, arg, &w);
    if (!err && w) {
        w->next = last->waiters;
        last->waiters = w;
    }
    return err;
}

// ---- append ----------------------------------------------------------------------------------------------------------

// jump: what lies before the entry was never here.
static enum weft_err hand_over(struct wf_pending *e, uint32_t count, bool jump)
{
    struct wf_home_product *p = e->product;
    struct wf_stream_room *r = p->room;
    const struct wf_product *d = &p->collect->product;
    struct wf_log_item item = { .product = p->log_key,
        .first = e->entry.offset,
        .count = count,
        .jump = jump,
        .time_ms = e->entry.append_ms,
        .sealed = wf_storage_seals(d),
        .lent = true, // an entry lives until it was acknowledged
        .durability = d->durability == WF_DURABILITY_PROCESS ? WF_LOG_PROCESS : WF_LOG_DISK,
        .body = wf_buf_view(&e->packed) };
    enum weft_err err = wf_entry_pack(&e->entry, &e->packed);

    if (!err)
        err = wf_entry_parse(
            wf_buf_view(&e->packed), &e->entry); // views into our own copy from here on
    item.body = wf_buf_view(&e->packed);
    if (!err && r->pending_bytes + e->packed.len > WF_PENDING_MAX) {
        r->pending_full++;
        err = WEFT_E_FULL;
    }
    // The loop thread alone links entries, and the letter about this one can only be opened after we return to it.
    if (!err)
        err = wf_log_append(r->node->log, &item, (uint64_t)(uintptr_t)e);
    if (err)
        return err;
    wf_entry_hash(&e->entry, &d->id, e->entry.is_reset ? NULL : &e->header.id, &e->hash);
    e->handed_us = wf_loop_exact_us();
    r->pending_bytes += e->packed.len;
    *p->pending_end = e;
    p->pending_end = &e->next;
    p->pending_count++;
    p->tail = e->entry.offset + count;
    p->tail_hash = e->hash;
    return WEFT_OK;
}

static void pending_free(struct wf_pending *e)
{
    wf_buf_fini(&e->packed);
    wf_buf_fini(&e->raw);
    free(e);
}

enum weft_err wf_append_batch(struct wf_home_product *p, struct wf_to_append *a)
{
    struct wf_node *n = p->room->node;
    struct wf_origin *o = NULL;
    struct wf_pending *e = NULL;

    if (p->failing || wf_home_moves(p) || wf_incarnation_is_none(&p->log_id))
        return WEFT_E_BUSY;
    enum weft_err err = wf_origin_need(p, &a->header->signer, &o);
    if (err)
        return err;
    e = calloc(1, sizeof *e);
    if (!e)
        return WEFT_E_NOMEM;
    e->product = p;
    e->header = *a->header;
    e->entry = (struct wf_entry){ .log_id = p->log_id,
        .offset = p->tail,
        .append_ms = wf_node_now_unix_ms(n),
        .epoch = p->epoch.number,
        .previous = p->tail_hash,
        .header = a->envelope,
        .payload = a->stored,
        .late = a->late };
    err = hand_over(e, a->header->count, false);
    if (err) {
        pending_free(e);
        return err;
    }
    wf_chain_accept(&o->ahead, a->header);
    o->seen = true;
    if (a->raw && wf_home_folds(p)) { // nobody else looks at the records again
        e->raw = *a->raw;
        *a->raw = (struct wf_buf){ 0 };
    }
    e->waiters = a->waiters;
    a->waiters = NULL;
    return WEFT_OK;
}

enum weft_err wf_append_reset(struct wf_home_product *p)
{
    struct wf_node *n = p->room->node;
    struct wf_pending *e = calloc(1, sizeof *e);
    struct wf_buf lost = { 0 };
    // Without the hash of the last entry (it is damaged) nothing can be linked: the log begins like a first one.
    bool linked = !wf_hash_is_zero(&p->head_hash);

    if (!e)
        return WEFT_E_NOMEM;
    e->product = p;
    e->entry = (struct wf_entry){ .log_id = wf_incarnation_is_none(&p->begins) ? p->room->log_id
                                                                               : p->begins,
        .offset = p->tail,
        .append_ms = wf_node_now_unix_ms(n),
        .is_reset = true,
        .end_offset = p->tail };
    if (linked) {
        e->entry.previous_log = p->last_log;
        e->entry.head_hash = p->head_hash;
    }
    enum weft_err err = wf_missing_pack(p, &lost);
    e->entry.lost = wf_buf_view(&lost);
    if (!err)
        err = wf_logs_add(p, &p->last_log, p->tail);
    if (!err)
        err = hand_over(e, 0, false);
    wf_buf_fini(&lost);
    if (err)
        pending_free(e);
    else
        p->beginning = true;
    return err;
}

// Bit for bit: packing an entry that was parsed gives the same bytes, and so the hash that the next one names.
enum weft_err wf_append_copied(struct wf_home_product *p, const struct wf_entry *entry,
    const struct wf_batch_header *header, struct wf_buf *raw)
{
    struct wf_pending *e = calloc(1, sizeof *e);

    if (!e)
        return WEFT_E_NOMEM;
    e->product = p;
    e->entry = *entry;
    if (header)
        e->header = *header;
    enum weft_err err = hand_over(e, header ? header->count : 0, entry->offset > p->tail);
    if (err) {
        pending_free(e);
        return err;
    }
    if (raw) {
        e->raw = *raw;
        *raw = (struct wf_buf){ 0 };
    }
    return WEFT_OK;
}

// ---- acknowledgement -------------------------------------------------------------------------------------------------

void wf_box_on_acks(void *arg, const struct wf_log_ack *acks, size_t count)
{
    struct wf_box *box = arg;
    bool post = false;

    pthread_mutex_lock(&box->lock);
    for (size_t i = 0; i < count; i++) {
        struct wf_pending *e = (struct wf_pending *)(uintptr_t)acks[i].token;
        e->err = acks[i].err;
        e->next_acked = NULL;
        *box->end = e;
        box->end = &e->next_acked;
    }
    post = !box->posted && !box->orphan;
    box->posted = box->posted || post;
    pthread_mutex_unlock(&box->lock);
    if (!post)
        return;
    if (wf_loop_post(box->room->node->loop, &box->mail)) {
        // Only a loop that is being closed refuses a letter that must arrive; the room empties the box itself then.
        pthread_mutex_lock(&box->lock);
        box->posted = false;
        pthread_mutex_unlock(&box->lock);
    }
}

static void become_durable(struct wf_home_product *p, struct wf_pending *e)
{
    struct wf_node *n = p->room->node;

    p->last_log = e->entry.log_id;
    if (e->entry.is_reset && !p->incoming) {
        p->log_id = e->entry.log_id;
        p->beginning = false;
    } else if (!e->entry.is_reset) {
        p->head = e->entry.offset + e->header.count;
        p->count.batches++;
        p->count.records += e->header.count;
        p->count.bytes += e->packed.len;
        if (!p->incoming) { // what is copied says nothing of how fast this node is
            wf_latency_add(&p->took, wf_loop_exact_us() - e->handed_us);
            wf_latency_add(&p->age, wf_node_now_unix_ms(n) * 1000 - e->header.min_us);
        }
    }
    if (p->room->append_failed) {
        wf_alarm(n, "append", NULL);
        p->room->append_failed = false;
    }
    p->head_hash = e->hash;
    p->beat_stale = true;
    if (e->entry.is_reset)
        wf_missing_said(p);
    if (wf_marks_entry(p, &e->entry, e->entry.is_reset ? NULL : &e->header, wf_buf_view(&e->raw)))
        wf_alarm(n, "stream-marks", "out of memory: marks of origins are behind their log");
}

// Everything that was on its way is settled: what failed never happened.
static void settle_failure(struct wf_home_product *p)
{
    struct wf_stream_room *r = p->room;
    char text[160];

    wf_marks_roll_back(p);
    p->failing = p->beginning = false;
    if (wf_stream_incarnation(r, &p->own))
        p->own = (struct wf_incarnation){ 0 }; // taken anew with the next batch
    snprintf(text, sizeof text, "%s: records could not be written; they were not acknowledged",
        p->collect->product.name);
    wf_alarm(r->node, "append", text);
    r->append_failed = true;
}

static void take_ack(struct wf_pending *e)
{
    struct wf_home_product *p = e->product;

    // The log acknowledges a product's items in the order of their appends.
    p->pending = e->next;
    if (!p->pending)
        p->pending_end = &p->pending;
    p->pending_count--;
    p->room->pending_bytes -= e->packed.len;
    e->next = NULL;
    *p->ready_end = e;
    p->ready_end = &e->next;
    if (e->err)
        p->failing = true;
    else
        become_durable(p, e);
}

static void tell(struct wf_home_product *p)
{
    struct wf_node *n = p->room->node;
    struct wf_pending *e = p->ready;

    p->ready = NULL;
    p->ready_end = &p->ready;
    wf_publish_entries(p, e);
    wf_parked_wake(&p->room->pulls, p);
    while (e) {
        struct wf_pending *next = e->next;
        struct wf_waiter *w = e->waiters;
        enum weft_err err = e->err;
        if (!err)
            wf_taps_tell(p, e);
        pending_free(e);
        wf_waiters_tell(n, w, err);
        e = next;
    }
    if (p->failing && !p->pending)
        settle_failure(p);
    if (p->incoming && !p->pending)
        wf_moves_soon(p->room, 0);
}

void wf_box_open(struct wf_box *box)
{
    struct wf_stream_room *r = box->room;

    pthread_mutex_lock(&box->lock);
    struct wf_pending *e = box->acked;
    box->acked = NULL;
    box->end = &box->acked;
    pthread_mutex_unlock(&box->lock);
    while (e) {
        struct wf_pending *next = e->next_acked;
        take_ack(e);
        e = next;
    }
    for (struct wf_home_product *p = r->products; p; p = p->next)
        if (p->ready)
            tell(p);
}

static void box_free(struct wf_box *box)
{
    pthread_mutex_destroy(&box->lock);
    free(box);
}

static void open_letter(struct wf_mail *m)
{
    struct wf_box *box = (struct wf_box *)(void *)m;

    pthread_mutex_lock(&box->lock);
    box->posted = false;
    bool orphan = box->orphan;
    pthread_mutex_unlock(&box->lock);
    if (orphan)
        box_free(box);
    else
        wf_box_open(box);
}

static void drop_letter(struct wf_mail *m)
{
    struct wf_box *box = (struct wf_box *)(void *)m;

    if (box->orphan)
        box_free(box);
    else
        box->posted = false;
}

enum weft_err wf_box_new(struct wf_stream_room *r, struct wf_box **ret)
{
    struct wf_box *box = calloc(1, sizeof *box);

    if (!box)
        return WEFT_E_NOMEM;
    box->mail = (struct wf_mail){
        .open = open_letter, .drop = drop_letter, .class = WF_MAIL_LIVE, .must = true
    }; // its entries are bounded by WF_PENDING_MAX
    pthread_mutex_init(&box->lock, NULL);
    box->end = &box->acked;
    box->room = r;
    *ret = box;
    return WEFT_OK;
}

// After the log was closed: nobody puts anything in any more.
void wf_box_close(struct wf_box *box)
{
    if (!box)
        return;
    wf_box_open(box);
    if (box->posted)
        box->orphan = true; // the letter still lies in the mailbox and frees it
    else
        box_free(box);
}
