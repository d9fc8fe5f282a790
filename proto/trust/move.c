// SPDX-License-Identifier: Apache-2.0
#include "proto/trust/move.h"

#include "proto/trust/doc.h"

static enum weft_err take_places(const Weft__V1__Move *m, struct wf_move *to)
{
    enum weft_err err = wf_take_name(m->domain, &to->domain);

    if (!err)
        err = wf_take_name(m->product, &to->product);
    if (!err)
        err = wf_take_name(m->node, &to->to);
    if (!err)
        err = wf_take_name(m->from, &to->from);
    if (!err && wf_name_eq(&to->from, &to->to))
        err = WEFT_E_RANGE;
    return err;
}

static enum weft_err take_issuer(const Weft__V1__Move *m, struct wf_move *to)
{
    if (m->issuer.len == 0)
        return WEFT_E_MISSING_FIELD;
    enum weft_err err = wf_cert_open(wf_pb_view(m->issuer), &to->issuer);
    if (err)
        return err;
    if (memcmp(to->issuer.sign_key.b, to->signer.b, WF_KEY_LEN) != 0)
        return WEFT_E_CHAIN;
    return wf_name_eq(&to->issuer.domain, &to->domain) ? WEFT_OK : WEFT_E_WRONG_DOMAIN;
}

static enum weft_err take_move(
    const Weft__V1__Move *m, const struct wf_opened *opened, struct wf_move *to)
{
    enum weft_err err = wf_doc_signer(m->signer, opened);

    to->id = opened->id;
    to->signer = opened->signer;
    to->term = m->term;
    to->sequence = m->sequence;
    to->lost = m->lost;
    if (!err)
        err = wf_take_hash(m->mesh_id, &to->mesh_id);
    if (!err)
        err = take_places(m, to);
    if (!err && to->term == 0)
        err = WEFT_E_MISSING_FIELD;
    if (!err && (to->sequence > WF_MAX_TIME_MS || to->term > to->sequence))
        err = WEFT_E_RANGE;
    if (!err)
        err = wf_take_time(m->expires_ms, &to->expires_ms);
    if (!err && to->expires_ms <= (int64_t)to->sequence)
        err = WEFT_E_RANGE;
    return err ? err : take_issuer(m, to);
}

enum weft_err wf_move_open(struct wf_bytes raw, struct wf_move *ret)
{
    struct wf_move move = { .term = 0 };
    Weft__V1__Move *m = NULL;
    struct wf_opened opened;
    struct wf_arena arena;

    if (raw.len > WF_MAX_ENVELOPE)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, wf_doc_budget(raw.len));
    enum weft_err err =
        wf_doc_open(raw, WF_DOC_MOVE, &weft__v1__move__descriptor, &arena, &opened, &m);
    if (!err)
        err = take_move(m, &opened, &move);
    wf_arena_fini(&arena);
    if (!err)
        *ret = move;
    return err;
}

enum weft_err wf_move_verify(
    const struct wf_move *m, const struct wf_charter *charter, int64_t now_unix_ms)
{
    if (!wf_hash_eq(&m->mesh_id, &charter->mesh_id))
        return WEFT_E_WRONG_MESH;
    if ((int64_t)m->sequence > now_unix_ms + WF_CLOCK_TOLERANCE_MS)
        return WEFT_E_FUTURE;
    if (now_unix_ms >= m->expires_ms)
        return WEFT_E_EXPIRED;
    return wf_issuer_verify(&m->issuer, charter, WF_USE_HOME, (int64_t)m->sequence);
}

enum weft_err wf_move_sign(const struct wf_move *fields, struct wf_bytes issuer_cert,
    const struct wf_secret *issuer, struct wf_buf *out)
{
    Weft__V1__Move m = WEFT__V1__MOVE__INIT;
    struct wf_sign_pub signer;
    struct wf_buf envelope = { 0 };
    struct wf_move check;

    wf_sign_public(issuer, &signer);
    m.mesh_id = wf_pb_bin(wf_hash_view(&fields->mesh_id));
    m.domain = wf_pb_str(fields->domain.s);
    m.product = wf_pb_str(fields->product.s);
    m.node = wf_pb_str(fields->to.s);
    m.from = wf_pb_str(fields->from.s);
    m.term = fields->term;
    m.sequence = fields->sequence;
    m.expires_ms = fields->expires_ms;
    m.lost = fields->lost;
    m.signer = wf_pb_bin(WF_BYTES(signer.b));
    m.issuer = wf_pb_bin(issuer_cert);
    enum weft_err err = wf_doc_seal(WF_DOC_MOVE, &m, issuer, &envelope);
    if (!err)
        err = wf_move_open(wf_buf_view(&envelope), &check);
    if (!err)
        err = wf_buf_append(out, wf_buf_view(&envelope));
    wf_buf_fini(&envelope);
    return err;
}
