// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/heartbeat.h"

#include "proto/stream/signed.h"
#include "proto/trust/doc.h"

static enum weft_err check_heartbeat(const struct wf_heartbeat *h)
{
    if (wf_hash_is_zero(&h->product_id) || wf_hash_is_zero(&h->head_hash) ||
        wf_incarnation_is_none(&h->log_id) || h->term == 0)
        return WEFT_E_MISSING_FIELD;
    if ((h->epoch == 0) != wf_hash_is_zero(&h->commitment))
        return WEFT_E_MISSING_FIELD;
    if (h->floor_offset > h->head_offset || (h->next_epoch && h->next_epoch <= h->epoch))
        return WEFT_E_RANGE;
    if (h->time_ms <= 0 || h->time_ms > WF_MAX_TIME_MS || h->next_by_ms < h->time_ms ||
        h->next_by_ms - h->time_ms > WF_MAX_HEARTBEAT_MS)
        return WEFT_E_RANGE;
    return WEFT_OK;
}

enum weft_err wf_heartbeat_sign(
    const struct wf_heartbeat *fields, const struct wf_secret *home, struct wf_buf *out)
{
    Weft__V1__Heartbeat m = WEFT__V1__HEARTBEAT__INIT;
    Weft__V1__Incarnation log_id = WEFT__V1__INCARNATION__INIT;
    struct wf_sign_pub signer;
    struct wf_buf body = { 0 };
    enum weft_err err = check_heartbeat(fields);

    if (err)
        return err;
    wf_sign_public(home, &signer);
    wf_signed_incarnation(&fields->log_id, &log_id);
    m.product_id = wf_signed_hash(&fields->product_id);
    m.term = fields->term;
    m.log_id = &log_id;
    m.head_offset = fields->head_offset;
    m.head_hash = wf_signed_hash(&fields->head_hash);
    m.floor_offset = fields->floor_offset;
    m.epoch = fields->epoch;
    m.commitment = wf_signed_hash(&fields->commitment);
    m.time_ms = fields->time_ms;
    m.next_by_ms = fields->next_by_ms;
    m.next_epoch = fields->next_epoch;
    m.signer = wf_pb_bin(WF_BYTES(signer.b));
    m.stopped = fields->stopped;
    m.stopping = fields->stopping;
    err = wf_pb_pack(&m, &body);
    if (!err)
        err = wf_envelope_seal(WF_DOC_HEARTBEAT, wf_buf_view(&body), home, out);
    wf_buf_fini(&body);
    return err;
}

static enum weft_err take_message(const Weft__V1__Heartbeat *m, struct wf_heartbeat *h)
{
    enum weft_err err = wf_signed_take_hash(m->product_id, &h->product_id);

    if (!err)
        err = wf_signed_take_hash(m->head_hash, &h->head_hash);
    if (!err)
        err = wf_signed_take_hash(m->commitment, &h->commitment);
    if (err)
        return err;
    h->log_id = wf_signed_take_incarnation(m->log_id);
    h->term = m->term;
    h->head_offset = m->head_offset;
    h->floor_offset = m->floor_offset;
    h->epoch = m->epoch;
    h->next_epoch = m->next_epoch;
    h->time_ms = m->time_ms;
    h->next_by_ms = m->next_by_ms;
    h->stopped = m->stopped;
    h->stopping = m->stopping;
    return WEFT_OK;
}

enum weft_err wf_heartbeat_open(struct wf_bytes envelope, struct wf_heartbeat *ret)
{
    struct wf_heartbeat h = { 0 };
    struct wf_opened opened;
    struct wf_arena arena;
    Weft__V1__Heartbeat *m = NULL;

    if (envelope.len > WF_MAX_HEARTBEAT)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, wf_doc_budget(envelope.len));
    enum weft_err err = wf_doc_open(
        envelope, WF_DOC_HEARTBEAT, &weft__v1__heartbeat__descriptor, &arena, &opened, &m);
    if (!err)
        err = wf_doc_signer(m->signer, &opened);
    if (!err)
        err = take_message(m, &h);
    if (!err)
        err = check_heartbeat(&h);
    if (err)
        goto out;
    h.id = opened.id;
    h.signer = opened.signer;
    *ret = h;
out:
    wf_arena_fini(&arena);
    return err;
}
