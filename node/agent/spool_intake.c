// SPDX-License-Identifier: Apache-2.0
// What sources and publishers of this host say: checked against the schema, gathered for the product's linger, or, when a publisher has
// gathered already, a batch of its own under the publisher's mark.
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"
#include "proto/schema/record.h"

static enum weft_err check_one(
    const struct wf_agent_product *p, const struct wf_record_view *v, struct wf_diag *why)
{
    if (v->op != WF_OP_PUT && p->collect->product.kind != WF_PRODUCT_INVENTORY) {
        wf_diag_set(why, 0, 0, "only an inventory has deletes and snapshots");
        return WEFT_E_RECORD;
    }
    return v->op == WF_OP_PUT || v->op == WF_OP_DELETE ? wf_record_check(p->message, v->data, why)
                                                       : WEFT_OK;
}

static enum weft_err check_records(
    const struct wf_agent_product *p, const struct wf_origin_records *r, struct wf_diag *diag)
{
    struct wf_bytes in = r->raw;
    uint32_t found = 0;
    enum weft_err err = WEFT_OK;

    for (; in.len && !err && found <= WF_MAX_BATCH_RECORDS; found++) {
        struct wf_record_view v;
        struct wf_diag why = { 0 };
        err = wf_records_next(&in, r->base_us, &v);
        if (!err)
            err = check_one(p, &v, &why);
        if (err)
            wf_diag_set(
                diag, 0, 0, "record %u: %s", found, why.text[0] ? why.text : weft_err_text(err));
    }
    if (!err && found != r->count) {
        wf_diag_set(diag, 0, 0, "%u records announced, %u found", r->count, found);
        err = WEFT_E_RECORD;
    }
    return err;
}

static enum weft_err may_take(struct wf_node *n, struct wf_agent_product *p,
    const struct wf_origin_records *r, struct wf_diag *diag)
{
    if (!p || !p->message) {
        wf_diag_set(diag, 0, 0, "this agent has no manifest of such a product");
        return WEFT_E_NOT_FOUND;
    }
    if (!n->has_certificate) {
        wf_diag_set(diag, 0, 0, "this agent has no valid certificate to sign with");
        return WEFT_E_NEED_JOIN;
    }
    if (n->uplink->closed)
        return WEFT_E_CLOSED;
    if (!r->count || !(r->raw.len || r->lost))
        return WEFT_E_MISSING_FIELD;
    if (r->lost && (r->raw.len || !r->publisher || r->count > WF_MAX_LOSS_RECORDS ||
                       r->publisher_seq > UINT64_MAX - 1 - r->count))
        return WEFT_E_RANGE;
    if (r->raw.len > (r->publisher ? WF_SPOOL_RAW_MAX : WF_MAX_BATCH_RAW))
        return WEFT_E_TOO_BIG;
    if (n->uplink->full && r->publisher)
        return n->uplink->full; // a publisher keeps its records and tries again
    if (r->publisher && (wf_spool_is_full(n) || wf_spool_is_held(p)))
        return WEFT_E_FULL;
    return p->failing || p->pending >= WF_SPOOL_PENDING ? WEFT_E_BUSY : WEFT_OK;
}

static enum weft_err gather(
    struct wf_agent_product *p, const struct wf_origin_records *r, struct wf_spool_waiter *waiter)
{
    struct wf_bytes in = r->raw;
    size_t target = wf_product_batch(p->collect->product.batch_bytes, 1);
    enum weft_err err = WEFT_OK;

    while (in.len && !err) {
        struct wf_record_view v;
        err = wf_records_next(&in, r->base_us, &v);
        if (!err && p->open.raw.len && p->open.raw.len + v.data.len > target)
            wf_spool_flush(p);
        if (!err)
            err = wf_records_put(&p->open, v.op, v.time_us, v.data);
    }
    if (waiter) {
        waiter->next = p->waiters;
        p->waiters = waiter;
    }
    return err;
}

static enum weft_err linger(struct wf_agent_product *p)
{
    uint32_t us = p->collect->product.linger_us;
    size_t target = wf_product_batch(p->collect->product.batch_bytes, 1);
    int64_t ms = us ? (us + 999) / 1000 : (int64_t)p->node->conf->linger_ms;

    if (p->open.raw.len >= target || ms == 0 || p->node->draining)
        wf_spool_flush(p);
    else if (!p->linger.index)
        return wf_timer_set(p->node->loop, &p->linger, wf_node_now_ms(p->node) + ms);
    return WEFT_OK;
}

// What it dropped takes its place in the chain as a loss.
static enum weft_err take_dropped(struct wf_agent_product *p, const struct wf_origin_records *r,
    struct wf_spool_publisher *u, struct wf_spool_waiter *waiter)
{
    uint64_t from = r->publisher_seq > u->ahead ? r->publisher_seq : u->ahead; // it begins here
    uint64_t end = r->publisher_seq + r->count;

    wf_spool_flush(p);
    if (end <= from) {
        if (end > u->durable)
            return WEFT_E_BUSY;
        wf_spool_tell(p->node, waiter, WEFT_OK);
        return WEFT_OK;
    }
    enum weft_err err = wf_spool_seal_dropped(p, (uint32_t)(end - from), r->publisher, end, waiter);
    if (!err)
        u->ahead = end;
    return err;
}

// A publisher has gathered already and counts by itself: its records are a batch of their own, and those below its mark are dropped.
static enum weft_err take_published(struct wf_agent_product *p, const struct wf_origin_records *r,
    struct wf_spool_waiter *waiter, struct wf_diag *diag)
{
    struct wf_node *n = p->node;
    struct wf_spool_publisher *u = NULL;
    struct wf_records records = { 0 };
    struct wf_bytes in = r->raw;
    uint64_t seq = r->publisher_seq;
    enum weft_err err = wf_spool_publisher_need(
        n, &p->collect->product.id, r->publisher, wf_node_now_unix_ms(n), &u);

    if (!err && seq > u->ahead && u->ahead > 0) {
        wf_diag_set(
            diag, 0, 0, "records %llu and on are wanted first", (unsigned long long)u->ahead);
        err = WEFT_E_ORDER;
    }
    if (!err && r->lost)
        return take_dropped(p, r, u, waiter);
    for (; in.len && !err; seq++) {
        struct wf_record_view v;
        err = wf_records_next(&in, r->base_us, &v);
        if (!err && seq >= u->ahead)
            err = wf_records_put(&records, v.op, v.time_us, v.data);
    }
    wf_spool_flush(p);
    if (!err && records.count == 0 && seq > u->durable) {
        wf_diag_set(diag, 0, 0, "these records are on their way to the disk");
        err = WEFT_E_BUSY; // came before, but nothing promises yet that they stay
    } else if (!err && records.count == 0) {
        wf_spool_tell(n, waiter, WEFT_OK); // all came before
    } else if (!err) {
        err = wf_spool_seal(p, &records, r->publisher, seq, waiter);
        if (!err)
            u->ahead = seq;
    }
    wf_records_fini(&records);
    return err;
}

enum weft_err wf_uplink_originate(struct wf_node *n, const char *product,
    const struct wf_origin_records *r, wf_spool_done_fn done, void *arg, struct wf_diag *diag)
{
    struct wf_agent_product *p = wf_uplink_find(n, product);
    struct wf_spool_waiter *waiter = NULL;
    enum weft_err err = may_take(n, p, r, diag);

    if (!err && !r->lost)
        err = check_records(p, r, diag);
    if (err)
        return err;
    if (done) {
        waiter = calloc(1, sizeof *waiter);
        if (!waiter)
            return WEFT_E_NOMEM;
        *waiter = (struct wf_spool_waiter){ .done = done, .arg = arg };
    }
    if (r->publisher) {
        err = take_published(p, r, waiter, diag);
        if (err)
            free(waiter);
        return err;
    }
    err = gather(p, r, waiter);
    return err ? err : linger(p);
}
