// SPDX-License-Identifier: Apache-2.0
// Records that this node originates: checked against the schema, gathered, compressed, signed, appended. A publisher has lingered
// already (libweft), so its records leave at once and under its own mark; everything else gathers for the product's linger.
#include <stdio.h>
#include <stdlib.h>

#include "node/stream/priv.h"
#include "proto/schema/record.h"
#include "sdk/json.h"

#define ZSTD_FROM (32u * WF_KIB) // raw bytes of a batch

// ---- checks ----------------------------------------------------------------------------------------------------------

static enum weft_err check_op(
    enum wf_product_kind kind, const struct wf_record_view *v, struct wf_diag *diag)
{
    if (v->op == WF_OP_PUT || kind == WF_PRODUCT_INVENTORY)
        return WEFT_OK;
    wf_diag_set(diag, 0, 0, "only an inventory has deletes and snapshots");
    return WEFT_E_RECORD;
}

static enum weft_err check_record(enum wf_product_kind kind, const struct wf_schema_message *m,
    const struct wf_record_view *v, struct wf_diag *why)
{
    enum weft_err err = check_op(kind, v, why);

    if (!err && (v->op == WF_OP_PUT || v->op == WF_OP_DELETE))
        err = wf_record_check(m, v->data, why);
    return err;
}

enum weft_err wf_intake_check(enum wf_product_kind kind, const struct wf_schema_message *m,
    struct wf_records *records, struct wf_diag *diag)
{
    struct wf_bytes in = wf_buf_view(&records->raw);
    int64_t min_us = INT64_MAX, max_us = INT64_MIN;
    uint32_t found = 0;
    enum weft_err err = WEFT_OK;

    for (; in.len && !err && found <= WF_MAX_BATCH_RECORDS; found++) {
        struct wf_record_view v;
        struct wf_diag why; // large: not zeroed for every record
        why.text[0] = '\0';
        err = wf_records_next(&in, records->base_us, &v);
        if (!err)
            err = check_record(kind, m, &v, &why);
        if (err) {
            wf_diag_set(
                diag, 0, 0, "record %u: %s", found, why.text[0] ? why.text : weft_err_text(err));
            return err;
        }
        min_us = v.time_us < min_us ? v.time_us : min_us;
        max_us = v.time_us > max_us ? v.time_us : max_us;
    }
    if (found != records->count) {
        wf_diag_set(diag, 0, 0, "%u records announced, %u found", records->count, found);
        return WEFT_E_RECORD;
    }
    records->min_us = min_us;
    records->max_us = max_us;
    return WEFT_OK;
}

static enum weft_err may_take(
    const struct wf_home_product *p, const struct wf_origin_records *r, struct wf_diag *diag)
{
    struct wf_node *n = p->room->node;

    if (p->removed) {
        wf_diag_set(diag, 0, 0, "the product was removed");
        return WEFT_E_STOPPED;
    }
    if (wf_home_moves(p)) {
        wf_diag_set(diag, 0, 0, "the product is on its way to another node; ask again");
        return WEFT_E_BUSY;
    }
    if (!wf_home_has_stream(p)) {
        wf_diag_set(diag, 0, 0, "an api has no records; see: weft call");
        return WEFT_E_UNSUPPORTED;
    }
    if (!n->has_certificate) {
        wf_diag_set(diag, 0, 0, "this node has no valid certificate to sign with");
        return WEFT_E_NEED_JOIN;
    }
    // The trail of what is done while it stops is kept to the end.
    if (p->room->closed || (n->draining && !wf_stream_is_built_in(p->collect->product.name)))
        return WEFT_E_CLOSED;
    if (p->failing || wf_incarnation_is_none(&p->log_id))
        return WEFT_E_BUSY;
    if (p->room->pending_bytes + r->raw.len > WF_PENDING_MAX) {
        p->room->pending_full++;
        return WEFT_E_FULL;
    }
    if (r->raw.len > WF_MAX_BATCH_RAW)
        return WEFT_E_TOO_BIG;
    if (r->lost && (r->raw.len || !r->publisher || r->count > WF_MAX_LOSS_RECORDS))
        return WEFT_E_RANGE;
    return r->count && (r->raw.len || r->lost) ? WEFT_OK : WEFT_E_MISSING_FIELD;
}

// ---- sealing ---------------------------------------------------------------------------------------------------------

// The chain that batches of this node cite is among the documents before the first of them can be read.
static enum weft_err keep_own_chain(struct wf_stream_room *r)
{
    struct wf_node *n = r->node;
    const struct wf_hash *id = &n->identity.cert.id;

    if (wf_hash_eq(&r->chain_kept, id))
        return WEFT_OK;
    enum weft_err err = wf_documents_put(n, wf_buf_view(&n->chain), id);
    if (!err)
        r->chain_kept = *id;
    return err;
}

static enum weft_err place_in_chain(struct wf_home_product *p, struct wf_batch_header *h)
{
    const struct wf_origin *o = wf_origin_find(p, &p->room->node->keys.sign_pub);
    enum weft_err err = WEFT_OK;

    if (wf_incarnation_is_none(&p->own))
        err = wf_stream_incarnation(p->room, &p->own);
    h->incarnation = p->own;
    if (o && wf_incarnation_eq(&o->ahead.incarnation, &p->own)) {
        h->first_seq = o->ahead.next_seq;
        h->previous = o->ahead.last;
    }
    return err;
}

// Measured with host records (docs/internals/performance.md): zstd pays for itself in what is hashed, sealed, written and sent once a batch
// is large; below that its set-up costs more than it saves. A product that asks for zstd wants few bytes, one that asks for nothing little work.
static enum weft_err compress(struct wf_stream_room *r, const struct wf_product *d,
    struct wf_bytes raw, struct wf_bytes *ret_stored, enum wf_compression *ret_used)
{
    enum wf_compression how =
        wf_compression_of(d->packing, raw.len >= ZSTD_FROM ? WF_COMPRESS_ZSTD : WF_COMPRESS_LZ4);

    if (how == WF_COMPRESS_NONE) { // stored from where it lies
        *ret_stored = raw;
        *ret_used = how;
        return WEFT_OK;
    }
    r->stored.len = 0;
    r->compressor.fast = d->packing == WF_PACKING_ANY;
    enum weft_err err = wf_compress_with(&r->compressor, how, raw, &r->stored, ret_used);
    if (!err)
        *ret_stored = wf_buf_view(&r->stored);
    return err;
}

// Signs what was gathered and appends it; the records are empty afterwards, also on failure. waiters are taken on success.
static enum weft_err seal(struct wf_home_product *p, struct wf_records *records,
    const uint8_t *publisher, uint64_t publisher_last, struct wf_waiter **waiters)
{
    struct wf_node *n = p->room->node;
    const struct wf_product *d = &p->collect->product;
    struct wf_buf envelope = { 0 };
    struct wf_batch_header h = { .product_id = d->id,
        .schema_hash = d->schema_hash,
        .certificate = n->identity.cert.id,
        .count = records->count,
        .raw_len = (uint32_t)records->raw.len,
        .base_us = records->base_us,
        .min_us = records->min_us,
        .max_us = records->max_us,
        .kind = WF_BATCH_DATA };
    struct wf_to_append a = { .header = &h, .raw = &records->raw, .waiters = *waiters };
    enum weft_err err = keep_own_chain(p->room);

    if (publisher) {
        memcpy(h.publisher, publisher, WF_PUBLISHER_LEN);
        h.publisher_seq = publisher_last;
    }
    if (!err)
        err = place_in_chain(p, &h);
    if (!err)
        err = compress(p->room, d, wf_buf_view(&records->raw), &a.stored, &h.compression);
    if (!err)
        err = wf_batch_seal(&h, a.stored, &n->keys.sign, &envelope);
    if (!err) {
        a.envelope = wf_buf_view(&envelope);
        err = wf_append_batch(p, &a);
        *waiters = a.waiters;
    }
    wf_records_reset(records);
    wf_buf_fini(&envelope);
    return err;
}

void wf_intake_flush(struct wf_home_product *p)
{
    struct wf_waiter *w = p->open_waiters;

    wf_timer_cancel(p->room->node->loop, &p->linger);
    if (!p->open.count)
        return;
    p->open_waiters = NULL;
    enum weft_err err = seal(p, &p->open, NULL, 0, &w);
    if (err) {
        p->count.refused++;
        wf_waiters_tell(p->room->node, w, err);
    }
}

static void on_linger(struct wf_timer *t)
{
    wf_intake_flush(
        (struct wf_home_product *)(void *)((char *)t - offsetof(struct wf_home_product, linger)));
}

static int64_t linger_ms(const struct wf_home_product *p)
{
    uint32_t us = p->collect->product.linger_us;

    return us ? (us + 999) / 1000 : (int64_t)p->room->node->conf->linger_ms;
}

static size_t target_of(const struct wf_home_product *p)
{
    return wf_product_batch(
        p->collect->product.batch_bytes, p->pending_count >= WF_BATCH_LOAD ? WF_BATCH_GROWTH : 1);
}

// ---- gathering -------------------------------------------------------------------------------------------------------

// Without a publisher: into the product's open batch. One call's records may span batches; the last one carries the waiter.
static enum weft_err gather(
    struct wf_home_product *p, const struct wf_origin_records *r, struct wf_waiter *waiter)
{
    struct wf_node *n = p->room->node;
    struct wf_bytes in = r->raw;
    enum weft_err err = WEFT_OK;

    while (in.len && !err) {
        struct wf_record_view v;
        err = wf_records_next(&in, r->base_us, &v);
        if (!err && p->open.raw.len && p->open.raw.len + v.data.len > target_of(p))
            wf_intake_flush(p);
        if (!err)
            err = wf_records_put(&p->open, v.op, v.time_us, v.data);
    }
    if (err)
        return err; // what was put stays in the batch; its records were accepted as far as they went
    if (waiter) {
        waiter->next = p->open_waiters;
        p->open_waiters = waiter;
    }
    int64_t linger = linger_ms(p);
    if (p->open.raw.len >= target_of(p) || linger == 0) {
        wf_intake_flush(p);
    } else if (!p->linger.index) {
        p->linger.fire = on_linger;
        if (wf_timer_set(n->loop, &p->linger, wf_node_now_ms(n) + linger))
            wf_intake_flush(p);
    }
    return WEFT_OK;
}

// The publisher's batch as it is: its bytes are compressed from where they lie.
static enum weft_err pass_whole(struct wf_home_product *p, const struct wf_origin_records *r,
    struct wf_records *all, struct wf_publisher *u, struct wf_waiter **waiter)
{
    uint64_t next = r->publisher_seq + all->count;
    enum weft_err err = seal(p, all, r->publisher, next - 1, waiter);

    if (!err)
        u->ahead = next;
    return err;
}

// With a publisher: its own batches, at once, from the record `skip` on.
static enum weft_err pass_on(struct wf_home_product *p, const struct wf_origin_records *r,
    uint32_t skip, struct wf_publisher *u, struct wf_waiter **waiter)
{
    struct wf_records out = { 0 };
    struct wf_bytes in = r->raw;
    struct wf_waiter *none = NULL;
    uint64_t seq = r->publisher_seq;
    enum weft_err err = WEFT_OK;

    while (in.len && !err) {
        struct wf_record_view v;
        err = wf_records_next(&in, r->base_us, &v);
        if (err || seq++ < r->publisher_seq + skip)
            continue;
        if (out.raw.len && out.raw.len + v.data.len > WF_BATCH_PART) {
            err = seal(p, &out, r->publisher, seq - 2, &none);
            if (!err)
                u->ahead = seq - 1;
        }
        if (!err)
            err = wf_records_put(&out, v.op, v.time_us, v.data);
    }
    if (!err)
        err = seal(p, &out, r->publisher, seq - 1, waiter);
    if (!err)
        u->ahead = seq;
    wf_records_fini(&out);
    return err;
}

// Records of a publisher that nobody has: they take their place in the chain as a loss, with the mark that goes with it.
static enum weft_err seal_loss(struct wf_home_product *p, struct wf_publisher *u, uint64_t end,
    const char *reason, struct wf_waiter **waiter)
{
    struct wf_node *n = p->room->node;
    const struct wf_product *d = &p->collect->product;
    int64_t now_us = wf_node_now_unix_ms(n) * 1000;
    struct wf_buf envelope = { 0 }, none = { 0 };
    struct wf_batch_header h = { .product_id = d->id,
        .schema_hash = d->schema_hash,
        .certificate = n->identity.cert.id,
        .count = (uint32_t)(end - u->ahead),
        .base_us = now_us,
        .min_us = now_us,
        .max_us = now_us,
        .kind = WF_BATCH_LOSS,
        .publisher_seq = end - 1 };
    struct wf_to_append a = { .header = &h, .raw = &none, .waiters = *waiter };
    enum weft_err err = keep_own_chain(p->room);

    memcpy(h.publisher, u->id, WF_PUBLISHER_LEN);
    snprintf(h.loss_reason, sizeof h.loss_reason, "%s", reason);
    if (!err)
        err = place_in_chain(p, &h);
    if (!err)
        err = wf_batch_seal(&h, wf_bytes(NULL, 0), &n->keys.sign, &envelope);
    if (!err) {
        a.envelope = wf_buf_view(&envelope);
        err = wf_append_batch(p, &a);
        *waiter = a.waiters;
    }
    if (!err)
        u->ahead = end;
    wf_buf_fini(&envelope);
    return err;
}

static enum weft_err seal_dropped(struct wf_home_product *p, const struct wf_origin_records *r,
    struct wf_publisher *u, struct wf_waiter **waiter)
{
    uint64_t end = r->publisher_seq + r->count, count = end - u->ahead;
    enum weft_err err = seal_loss(p, u, end, "dropped: the publisher's queue was full", waiter);

    if (!err)
        p->count.dropped += count;
    return err;
}

// What was acknowledged to it and went with the log's end, beyond what the log's reset says: only the publisher can tell how much that is, so its
// word is bounded. RANGE: nobody says that many between two marks.
static enum weft_err seal_forgotten(
    struct wf_home_product *p, struct wf_publisher *u, uint64_t to, struct wf_diag *diag)
{
    const uint64_t most = (uint64_t)WF_FORGOTTEN_MAX * WF_MAX_LOSS_RECORDS;
    struct wf_waiter *none = NULL;
    enum weft_err err = WEFT_OK;
    uint64_t from = u->had < to ? u->had : to;

    if (from < u->ahead)
        from = u->ahead;
    if (to - from > most) {
        wf_diag_set(diag, 0, 0, "records %llu to %llu are missing before these, more than %llu",
            (unsigned long long)from, (unsigned long long)to, (unsigned long long)most);
        return WEFT_E_RANGE;
    }
    u->ahead = from;
    while (u->ahead < to && !err) {
        uint64_t left = to - u->ahead;
        uint64_t count = left < WF_MAX_LOSS_RECORDS ? left : WF_MAX_LOSS_RECORDS;
        err = seal_loss(
            p, u, u->ahead + count, "acknowledged, and lost with the end of a log", &none);
    }
    return err;
}

// The publisher's numbers go on where they should. ORDER otherwise.
static enum weft_err place_publisher(struct wf_home_product *p, const struct wf_origin_records *r,
    struct wf_publisher **ret, struct wf_diag *diag)
{
    struct wf_publisher *u = NULL;
    enum weft_err err = wf_publisher_need(p, r->publisher, wf_node_now_unix_ms(p->room->node), &u);

    if (err)
        return err;
    if (r->publisher_seq > UINT64_MAX - 1 - r->count)
        return WEFT_E_RANGE;
    if (!u->ahead && !u->strict && !u->unsure)
        u->ahead = u->durable = r->publisher_seq; // it numbers from here on
    else if (u->unsure && r->publisher_seq > u->ahead)
        err = seal_forgotten(p, u, r->publisher_seq, diag);
    if (err)
        return err;
    u->strict = true;
    u->unsure = false;
    if (r->publisher_seq > u->ahead) {
        wf_diag_set(diag, 0, 0, "records %llu to %llu are missing before these",
            (unsigned long long)u->ahead, (unsigned long long)r->publisher_seq);
        return WEFT_E_ORDER;
    }
    *ret = u;
    return WEFT_OK;
}

// all: the same records after their check, a view. The waiter is taken on success.
static enum weft_err from_publisher(struct wf_home_product *p, const struct wf_origin_records *r,
    struct wf_records *all, struct wf_waiter **waiter, struct wf_diag *diag)
{
    struct wf_publisher *u = NULL;
    enum weft_err err = place_publisher(p, r, &u, diag);

    if (err)
        return err;
    if (r->publisher_seq + r->count <= u->ahead) { // all of it came before
        struct wf_waiter *w = *waiter;
        err = wf_append_wait(p, w ? w->done : NULL, w ? w->arg : NULL);
        if (!err)
            free(w);
        return err;
    }
    if (r->lost)
        return seal_dropped(p, r, u, waiter);
    if (r->publisher_seq == u->ahead && !wf_home_folds(p) && all->raw.len <= WF_BATCH_WHOLE)
        return pass_whole(p, r, all, u, waiter);
    return pass_on(p, r, (uint32_t)(u->ahead - r->publisher_seq), u, waiter);
}

// Known without looking at the records, because it may well come again.
static bool is_early(const struct wf_home_product *p, const struct wf_origin_records *r)
{
    const struct wf_publisher *u = r->publisher ? wf_publisher_find(p, r->publisher) : NULL;

    return u && !u->unsure && (u->strict || u->ahead) && r->publisher_seq > u->ahead;
}

enum weft_err wf_stream_originate(struct wf_node *n, struct wf_home_product *p,
    const struct wf_origin_records *r, wf_stream_done_fn done, void *arg, struct wf_diag *diag)
{
    struct wf_waiter *waiter = NULL;
    struct wf_records all = { // a view: never grown, never freed
        .raw = { .ptr = (uint8_t *)(uintptr_t)r->raw.ptr, .len = r->raw.len },
        .base_us = r->base_us,
        .count = r->count
    };
    enum weft_err err = n->outcast ? WEFT_E_NOT_HOME : may_take(p, r, diag);

    if (!err && is_early(p, r)) {
        wf_diag_set(diag, 0, 0, "the records before %llu are missing",
            (unsigned long long)r->publisher_seq);
        err = WEFT_E_ORDER;
    }
    if (!err && !r->lost)
        err = wf_intake_check(p->collect->product.kind, p->message, &all, diag);
    if (!err)
        err = wf_waiter_new(done, arg, &waiter);
    if (!err)
        err = r->publisher ? from_publisher(p, r, &all, &waiter, diag) : gather(p, r, waiter);
    if (err) {
        free(waiter);
        p->count.refused++;
    }
    return err;
}

// ---- built-in products -----------------------------------------------------------------------------------------------

void wf_stream_tell(struct wf_node *n, const char *product, const char *json)
{
    struct wf_home_product *p = wf_stream_find(n, product, 0);
    struct wf_records one = { 0 };
    struct wf_buf record = { 0 };
    struct wf_diag diag = { 0 };

    if (!p || !p->message)
        return; // not yet made, or taken away by its owner
    enum weft_err err = wf_json_to_record(p->message, wf_bytes_str(json), &record, &diag);
    if (!err)
        err = wf_records_put(&one, WF_OP_PUT, wf_node_now_unix_ms(n) * 1000, wf_buf_view(&record));
    if (!err) {
        struct wf_origin_records r = {
            .raw = wf_buf_view(&one.raw), .base_us = one.base_us, .count = one.count
        };
        err = wf_stream_originate(n, p, &r, NULL, NULL, &diag);
    }
    if (err) {
        char text[512];
        snprintf(text, sizeof text, "%s: a record of this node was dropped: %s %s", product,
            weft_err_text(err), diag.text);
        wf_alarm(n, "tell", text);
    } else {
        wf_alarm(n, "tell", NULL);
    }
    wf_buf_fini(&record);
    wf_records_fini(&one);
}
