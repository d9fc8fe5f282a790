// SPDX-License-Identifier: Apache-2.0
// Marks of one product: how far each origin's chain and each publisher's numbering is, which logs there were, which snapshots are
// whole. Changed by durable entries (recovery reads the same function), so a mark never promises more than the log holds.
#include <stdlib.h>

#include "node/publish.h"
#include "node/stream/priv.h"
#include "proto/base/sorted.h"

#define SNAPSHOT_AGE_MS                                                                            \
    (30ll * 86400000) // an origin silent for longer does not hold the log back any more
#define FORGET_AGE_MS (7ll * 86400000) // and has no place of its own when another one needs it

// ---- origins ---------------------------------------------------------------------------------------------------------

static int by_key(const void *origin, const void *key)
{
    const struct wf_origin *o = origin;
    const struct wf_sign_pub *k = key;

    return memcmp(o->key.b, k->b, WF_KEY_LEN);
}

static struct wf_sorted origins(const struct wf_home_product *p)
{
    return (struct wf_sorted){ p->origins, p->origin_count, sizeof *p->origins, by_key };
}

struct wf_origin *wf_origin_find(const struct wf_home_product *p, const struct wf_sign_pub *key)
{
    const struct wf_sorted s = origins(p);

    return (struct wf_origin *)(uintptr_t)wf_sorted_find(&s, key);
}

static enum weft_err note_end(struct wf_home_product *p, const struct wf_origin *o)
{
    struct wf_ended ended = { o->key, o->durable.incarnation, o->durable.next_seq, o->last_ms,
        o->cert };

    return wf_incarnation_is_none(&o->durable.incarnation) ? WEFT_OK : wf_ended_add(p, &ended);
}

static bool is_settled(const struct wf_origin *o)
{
    return wf_incarnation_eq(&o->ahead.incarnation, &o->durable.incarnation) &&
           o->ahead.next_seq == o->durable.next_seq;
}

// A full table forgets the origin that is silent longest, once that is longer than any spool keeps a batch, or, of an inventory, than its
// latest snapshot is kept. Where its chain ended stays known for as long as any ended chain. False: all of them live.
static bool make_room(struct wf_home_product *p)
{
    int64_t least =
        p->collect->product.kind == WF_PRODUCT_INVENTORY ? SNAPSHOT_AGE_MS : FORGET_AGE_MS;
    int64_t before = wf_node_now_unix_ms(p->room->node) - least;
    struct wf_origin *oldest = NULL;

    for (size_t i = 0; i < p->origin_count; i++) {
        struct wf_origin *o = &p->origins[i];
        if (o->last_ms < before && is_settled(o) && (!oldest || o->last_ms < oldest->last_ms))
            oldest = o;
    }
    if (!oldest || note_end(p, oldest))
        return false;
    size_t at = (size_t)(oldest - p->origins);
    p->origin_count--;
    memmove(oldest, oldest + 1, (p->origin_count - at) * sizeof *oldest);
    p->dirty = true;
    return true;
}

enum weft_err wf_origin_need(
    struct wf_home_product *p, const struct wf_sign_pub *key, struct wf_origin **ret)
{
    struct wf_sorted s = origins(p);
    bool found = false;
    size_t at = wf_sorted_place(&s, key, &found);

    if (!found) {
        if (p->origin_count >= WF_MAX_CURSOR_MARKS && !make_room(p))
            return WEFT_E_FULL;
        s = origins(p);
        at = wf_sorted_place(&s, key, &found);
        if (p->origin_count == p->origin_cap) {
            size_t cap = p->origin_cap ? 2 * p->origin_cap : 8;
            struct wf_origin *more = realloc(p->origins, cap * sizeof *more);
            if (!more)
                return WEFT_E_NOMEM;
            p->origins = more;
            p->origin_cap = cap;
        }
        memmove(p->origins + at + 1, p->origins + at, (p->origin_count - at) * sizeof *p->origins);
        p->origins[at] = (struct wf_origin){ .key = *key, .snapshot = WF_NONE, .opened = WF_NONE };
        p->origin_count++;
    }
    *ret = &p->origins[at];
    return WEFT_OK;
}

uint64_t wf_stream_origin_mark(struct wf_node *n, struct wf_home_product *p,
    const struct wf_sign_pub *origin, const struct wf_incarnation *incarnation)
{
    const struct wf_origin *o = wf_origin_find(p, origin);

    (void)n;
    return o && wf_incarnation_eq(&o->durable.incarnation, incarnation) ? o->durable.next_seq : 0;
}

// ---- publishers ------------------------------------------------------------------------------------------------------

struct wf_publisher *wf_publisher_find(
    const struct wf_home_product *p, const uint8_t id[WF_PUBLISHER_LEN])
{
    for (size_t i = 0; i < p->publisher_count; i++)
        if (memcmp(p->publishers[i].id, id, WF_PUBLISHER_LEN) == 0)
            return &p->publishers[i];
    return NULL;
}

enum weft_err wf_publisher_need(struct wf_home_product *p, const uint8_t id[WF_PUBLISHER_LEN],
    int64_t now_ms, struct wf_publisher **ret)
{
    struct wf_publisher *u = wf_publisher_find(p, id);

    if (!u && !p->publishers) {
        p->publishers = calloc(WF_PUBLISHERS_MAX, sizeof *p->publishers);
        if (!p->publishers)
            return WEFT_E_NOMEM;
    }
    if (!u) {
        u = &p->publishers[0];
        if (p->publisher_count < WF_PUBLISHERS_MAX)
            u = &p->publishers[p->publisher_count++];
        else
            for (size_t i = 1; i < p->publisher_count; i++)
                if (wf_publish_goes_first(
                        p->publishers[i].id, p->publishers[i].used_ms, u->id, u->used_ms))
                    u = &p->publishers[i];
        *u = (struct wf_publisher){ 0 };
        memcpy(u->id, id, WF_PUBLISHER_LEN);
    }
    u->used_ms = now_ms;
    *ret = u;
    return WEFT_OK;
}

uint64_t wf_stream_publisher_mark(
    struct wf_node *n, struct wf_home_product *p, const uint8_t publisher[16])
{
    const struct wf_publisher *u = wf_publisher_find(p, publisher);

    (void)n;
    return u ? u->durable : 0;
}

// ---- logs ------------------------------------------------------------------------------------------------------------

enum weft_err wf_logs_add(struct wf_home_product *p, const struct wf_incarnation *id, uint64_t end)
{
    if (wf_incarnation_is_none(id) || wf_logs_find(p, id))
        return WEFT_OK;
    if (!p->logs) {
        p->logs = calloc(WF_OLD_LOGS_MAX, sizeof *p->logs);
        if (!p->logs)
            return WEFT_E_NOMEM;
    }
    if (p->log_count == WF_OLD_LOGS_MAX) {
        memmove(p->logs, p->logs + 1, (WF_OLD_LOGS_MAX - 1) * sizeof *p->logs);
        p->log_count--;
    }
    p->logs[p->log_count++] = (struct wf_old_log){ *id, end };
    return WEFT_OK;
}

const struct wf_old_log *wf_logs_find(
    const struct wf_home_product *p, const struct wf_incarnation *id)
{
    for (size_t i = p->log_count; i > 0; i--)
        if (wf_incarnation_eq(&p->logs[i - 1].id, id))
            return &p->logs[i - 1];
    return NULL;
}

// ---- what a durable entry says ---------------------------------------------------------------------------------------

static void note_snapshots(
    struct wf_origin *o, uint64_t offset, int64_t base_us, struct wf_bytes raw)
{
    struct wf_record_view v;

    while (raw.len && !wf_records_next(&raw, base_us, &v)) {
        if (v.op == WF_OP_SNAPSHOT_BEGIN)
            o->opened = offset;
        if (v.op == WF_OP_SNAPSHOT_END && o->opened != WF_NONE) {
            o->snapshot = o->opened;
            o->opened = WF_NONE;
        }
    }
}

static enum weft_err note_publisher(
    struct wf_home_product *p, const struct wf_batch_header *h, int64_t now_ms)
{
    static const uint8_t none[WF_PUBLISHER_LEN];
    struct wf_publisher *u = NULL;

    if (memcmp(h->publisher, none, WF_PUBLISHER_LEN) == 0)
        return WEFT_OK;
    enum weft_err err = wf_publisher_need(p, h->publisher, now_ms, &u);
    if (!err && h->publisher_seq >= u->durable)
        u->durable = h->publisher_seq + 1;
    if (!err && u->ahead < u->durable)
        u->ahead = u->durable;
    return err;
}

enum weft_err wf_marks_entry(struct wf_home_product *p, const struct wf_entry *e,
    const struct wf_batch_header *h, struct wf_bytes raw)
{
    struct wf_origin *o = NULL;

    p->dirty = true;
    if (e->is_reset)
        return wf_logs_add(p, &e->previous_log, e->end_offset);
    p->last_append_ms = e->append_ms;
    enum weft_err err = wf_origin_need(p, &h->signer, &o);
    if (err)
        return err;
    if (!wf_incarnation_eq(&o->durable.incarnation, &h->incarnation)) {
        o->opened = WF_NONE; // a snapshot is whole within one incarnation or not at all
        err = note_end(p, o);
        if (err)
            return err;
    }
    wf_chain_accept(&o->durable, h);
    o->cert = h->certificate;
    o->last_ms = e->append_ms;
    if (p->collect->product.kind == WF_PRODUCT_INVENTORY)
        note_snapshots(o, e->offset, h->base_us, raw);
    // Only our own batches carry publishers of ours.
    return memcmp(h->signer.b, p->room->node->keys.sign_pub.b, WF_KEY_LEN) == 0
               ? note_publisher(p, h, e->append_ms)
               : WEFT_OK;
}

void wf_marks_roll_back(struct wf_home_product *p)
{
    for (size_t i = 0; i < p->origin_count; i++)
        p->origins[i].ahead = p->origins[i].durable;
    for (size_t i = 0; i < p->publisher_count; i++)
        p->publishers[i].ahead = p->publishers[i].durable;
    p->tail = p->head;
    p->tail_hash = p->head_hash;
}

uint64_t wf_marks_pin(const struct wf_home_product *p, int64_t now_unix_ms)
{
    uint64_t pin = WF_NONE;

    for (size_t i = 0; i < p->origin_count; i++) {
        const struct wf_origin *o = &p->origins[i];
        if (o->snapshot < pin && now_unix_ms - o->last_ms < SNAPSHOT_AGE_MS)
            pin = o->snapshot;
    }
    return pin;
}
