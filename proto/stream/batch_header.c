// SPDX-License-Identifier: Apache-2.0
// Headers: struct to signed bytes and back. One set of rules judges both directions, so we never sign what we would refuse.
#include "proto/stream/batch.h"
#include "proto/stream/signed.h"
#include "proto/trust/doc.h"

// ---- the rules -------------------------------------------------------------------------------------------------------

static bool time_is_sane(int64_t us)
{
    return us >= WF_MIN_TIME_US && us <= WF_MAX_TIME_US;
}

static enum weft_err check_identity(const struct wf_batch_header *h)
{
    if (wf_hash_is_zero(&h->product_id) || wf_hash_is_zero(&h->schema_hash) ||
        wf_hash_is_zero(&h->certificate) || wf_incarnation_is_none(&h->incarnation))
        return WEFT_E_MISSING_FIELD;
    return WEFT_OK;
}

static enum weft_err check_place(const struct wf_batch_header *h)
{
    bool may_start = h->kind == WF_BATCH_RESET; // only a reset names the header of an earlier chain

    if (h->count == 0)
        return WEFT_E_MISSING_FIELD;
    if (h->count > UINT64_MAX - h->first_seq)
        return WEFT_E_RANGE;
    if (h->kind == WF_BATCH_RESET && (h->first_seq != 0 || h->count != 1))
        return WEFT_E_ORDER;
    if ((h->first_seq == 0) != wf_hash_is_zero(&h->previous) && !may_start)
        return WEFT_E_ORDER;
    if (!time_is_sane(h->base_us) || !time_is_sane(h->min_us) || !time_is_sane(h->max_us) ||
        h->min_us > h->max_us)
        return WEFT_E_RANGE;
    return WEFT_OK;
}

static enum weft_err check_data(const struct wf_batch_header *h)
{
    if (h->count > WF_MAX_BATCH_RECORDS)
        return WEFT_E_TOO_BIG;
    if (h->stored_len == 0 || h->raw_len == 0 || wf_hash_is_zero(&h->payload_hash))
        return WEFT_E_MISSING_FIELD;
    enum weft_err err = wf_compression_check(h->compression, h->stored_len, h->raw_len);
    if (err)
        return err;
    // The shortest record takes two bytes, so no count may promise more.
    if (h->count > h->raw_len / 2)
        return WEFT_E_RANGE;
    return h->loss_reason[0] ? WEFT_E_UNKNOWN_FIELD : WEFT_OK;
}

static enum weft_err check_without_payload(const struct wf_batch_header *h)
{
    if (h->count > WF_MAX_LOSS_RECORDS)
        return WEFT_E_TOO_BIG;
    if (h->stored_len || h->raw_len || h->compression || !wf_hash_is_zero(&h->payload_hash) ||
        h->input_count || !wf_hash_is_zero(&h->recipe))
        return WEFT_E_UNKNOWN_FIELD;
    if (h->kind == WF_BATCH_RESET)
        return h->loss_reason[0] ? WEFT_E_UNKNOWN_FIELD : WEFT_OK;
    return h->loss_reason[0] ? WEFT_OK : WEFT_E_MISSING_FIELD;
}

static enum weft_err check_inputs(const struct wf_batch_header *h)
{
    if (h->input_count > WF_MAX_INPUTS)
        return WEFT_E_TOO_BIG;
    if ((h->input_count == 0) != wf_hash_is_zero(&h->recipe))
        return WEFT_E_MISSING_FIELD;
    for (size_t i = 0; i < h->input_count; i++) {
        const struct wf_input *in = &h->inputs[i];
        if (wf_hash_is_zero(&in->product_id) || wf_hash_is_zero(&in->entry_hash) ||
            wf_incarnation_is_none(&in->log_id))
            return WEFT_E_MISSING_FIELD;
        if (in->from > in->to)
            return WEFT_E_RANGE;
    }
    return WEFT_OK;
}

static bool has_publisher(const struct wf_batch_header *h)
{
    static const uint8_t none[WF_PUBLISHER_LEN];

    return memcmp(h->publisher, none, WF_PUBLISHER_LEN) != 0;
}

// People read it on terminals: one line of UTF-8.
static enum weft_err check_reason(const struct wf_batch_header *h)
{
    struct wf_bytes text = wf_bytes(h->loss_reason, strnlen(h->loss_reason, sizeof h->loss_reason));

    if (text.len > WF_MAX_LOSS_REASON)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return WEFT_E_SYNTAX;
    return wf_utf8_is_valid(text) ? WEFT_OK : WEFT_E_BAD_UTF8;
}

static enum weft_err check_header(const struct wf_batch_header *h)
{
    enum weft_err err = check_identity(h);

    if (!err)
        err = check_place(h);
    if (!err && (unsigned)h->kind > WF_BATCH_RESET)
        err = WEFT_E_TYPE;
    if (!err)
        err = h->kind == WF_BATCH_DATA ? check_data(h) : check_without_payload(h);
    if (!err)
        err = check_inputs(h);
    if (!err)
        err = check_reason(h);
    if (!err && h->publisher_seq && !has_publisher(h))
        err = WEFT_E_MISSING_FIELD;
    return err;
}

// ---- struct to message -------------------------------------------------------------------------------------------------

// The message and all that it points to besides the header itself.
struct header_pb {
    Weft__V1__BatchHeader message;
    Weft__V1__Incarnation incarnation, log_ids[WF_MAX_INPUTS];
    Weft__V1__Input inputs[WF_MAX_INPUTS], *input_list[WF_MAX_INPUTS];
    Weft__V1__Publisher publisher;
};

static void fill_inputs(struct header_pb *to, const struct wf_batch_header *h)
{
    for (size_t i = 0; i < h->input_count; i++) {
        Weft__V1__Input *in = &to->inputs[i];
        weft__v1__input__init(in);
        wf_signed_incarnation(&h->inputs[i].log_id, &to->log_ids[i]);
        in->product_id = wf_signed_hash(&h->inputs[i].product_id);
        in->log_id = &to->log_ids[i];
        in->from = h->inputs[i].from;
        in->to = h->inputs[i].to;
        in->entry_hash = wf_signed_hash(&h->inputs[i].entry_hash);
        to->input_list[i] = in;
    }
    to->message.n_inputs = h->input_count;
    to->message.inputs = h->input_count ? to->input_list : NULL;
}

static void fill_message(struct header_pb *to, const struct wf_batch_header *h)
{
    Weft__V1__BatchHeader *m = &to->message;

    weft__v1__batch_header__init(m);
    m->product_id = wf_signed_hash(&h->product_id);
    m->schema_hash = wf_signed_hash(&h->schema_hash);
    m->certificate = wf_signed_hash(&h->certificate);
    wf_signed_incarnation(&h->incarnation, &to->incarnation);
    m->incarnation = &to->incarnation;
    m->first_seq = h->first_seq;
    m->count = h->count;
    m->base_us = h->base_us;
    m->min_us = h->min_us;
    m->max_us = h->max_us;
    m->previous = wf_signed_hash(&h->previous);
    m->stored_len = h->stored_len;
    m->raw_len = h->raw_len;
    m->payload_hash = wf_signed_hash(&h->payload_hash);
    m->compression = (Weft__V1__Compression)h->compression;
    m->kind = (Weft__V1__BatchKind)h->kind;
    fill_inputs(to, h);
    m->recipe = wf_signed_hash(&h->recipe);
    m->signer = wf_pb_bin(WF_BYTES(h->signer.b));
    m->loss_reason = wf_pb_str(h->loss_reason);
    if (has_publisher(h)) {
        weft__v1__publisher__init(&to->publisher);
        to->publisher.id = wf_pb_bin(WF_BYTES(h->publisher));
        to->publisher.seq = h->publisher_seq;
        m->publisher = &to->publisher;
    }
}

// What follows from the stored bytes and the key is never taken from the caller.
static void complete(
    struct wf_batch_header *h, struct wf_bytes stored, const struct wf_secret *origin)
{
    wf_sign_public(origin, &h->signer);
    h->stored_len = (uint32_t)stored.len;
    h->payload_hash = (struct wf_hash){ { 0 } };
    if (h->kind == WF_BATCH_DATA)
        wf_blake2b(stored, &h->payload_hash);
    if (h->compression == WF_COMPRESS_NONE)
        h->raw_len = (uint32_t)stored.len;
}

enum weft_err wf_batch_seal(struct wf_batch_header *fields, struct wf_bytes stored,
    const struct wf_secret *origin, struct wf_buf *out)
{
    struct wf_batch_header h = *fields;
    struct header_pb pb;
    struct wf_buf body = { 0 };
    size_t start = out->len;

    if (stored.len > WF_MAX_BATCH_STORED)
        return WEFT_E_TOO_BIG;
    complete(&h, stored, origin);
    enum weft_err err = check_header(&h);
    if (err)
        goto out;
    fill_message(&pb, &h);
    err = wf_pb_pack(&pb.message, &body);
    if (err)
        goto out;
    err = wf_envelope_seal(WF_DOC_BATCH, wf_buf_view(&body), origin, out);
    if (err)
        goto out;
    if (out->len - start > WF_MAX_BATCH_HEADER) {
        out->len = start;
        err = WEFT_E_TOO_BIG;
        goto out;
    }
    wf_pae_hash(wf_doc_type(WF_DOC_BATCH), wf_buf_view(&body), &h.id);
    *fields = h;
out:
    wf_buf_fini(&body);
    return err;
}

enum weft_err wf_batch_sign(const struct wf_batch_header *fields, struct wf_bytes stored,
    const struct wf_secret *origin, struct wf_buf *out, struct wf_hash *ret_id)
{
    struct wf_batch_header h = *fields;
    enum weft_err err = wf_batch_seal(&h, stored, origin, out);

    if (!err)
        *ret_id = h.id;
    return err;
}

// ---- message to struct ---------------------------------------------------------------------------------------------------

static enum weft_err take_hashes(const Weft__V1__BatchHeader *m, struct wf_batch_header *h)
{
    const struct {
        const ProtobufCBinaryData *from;
        struct wf_hash *to;
    } fields[] = {
        { &m->product_id, &h->product_id },
        { &m->schema_hash, &h->schema_hash },
        { &m->certificate, &h->certificate },
        { &m->previous, &h->previous },
        { &m->payload_hash, &h->payload_hash },
        { &m->recipe, &h->recipe },
    };

    for (size_t i = 0; i < WF_COUNT(fields); i++) {
        enum weft_err err = wf_signed_take_hash(*fields[i].from, fields[i].to);
        if (err)
            return err;
    }
    return WEFT_OK;
}

static enum weft_err take_inputs(const Weft__V1__BatchHeader *m, struct wf_batch_header *h)
{
    if (m->n_inputs > WF_MAX_INPUTS)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < m->n_inputs; i++) {
        const Weft__V1__Input *from = m->inputs[i];
        struct wf_input *to = &h->inputs[i];
        enum weft_err err = wf_signed_take_hash(from->product_id, &to->product_id);
        if (!err)
            err = wf_signed_take_hash(from->entry_hash, &to->entry_hash);
        if (err)
            return err;
        to->log_id = wf_signed_take_incarnation(from->log_id);
        to->from = from->from;
        to->to = from->to;
    }
    h->input_count = m->n_inputs;
    return WEFT_OK;
}

static enum weft_err take_texts(const Weft__V1__BatchHeader *m, struct wf_batch_header *h)
{
    size_t reason_len = strlen(m->loss_reason); // the unpacker refuses NUL within

    if (reason_len > WF_MAX_LOSS_REASON)
        return WEFT_E_TOO_BIG;
    memcpy(h->loss_reason, m->loss_reason, reason_len);
    if (!m->publisher)
        return WEFT_OK;
    if (m->publisher->id.len != WF_PUBLISHER_LEN)
        return WEFT_E_SYNTAX;
    memcpy(h->publisher, m->publisher->id.data, WF_PUBLISHER_LEN);
    h->publisher_seq = m->publisher->seq;
    return has_publisher(h) ? WEFT_OK : WEFT_E_NOT_CANONICAL;
}

static enum weft_err take_message(const Weft__V1__BatchHeader *m, struct wf_batch_header *h)
{
    h->incarnation = wf_signed_take_incarnation(m->incarnation);
    h->first_seq = m->first_seq;
    h->count = m->count;
    h->base_us = m->base_us;
    h->min_us = m->min_us;
    h->max_us = m->max_us;
    h->stored_len = m->stored_len;
    h->raw_len = m->raw_len;
    // Unknown numbers are refused by check_header.
    h->compression = (enum wf_compression)m->compression;
    h->kind = (enum wf_batch_kind)m->kind;
    enum weft_err err = take_hashes(m, h);
    if (!err)
        err = take_inputs(m, h);
    if (!err)
        err = take_texts(m, h);
    return err;
}

enum weft_err wf_batch_open_header(struct wf_bytes envelope, struct wf_batch_header *ret)
{
    struct wf_batch_header h = { 0 };
    struct wf_opened opened;
    struct wf_arena arena;
    Weft__V1__BatchHeader *m = NULL;

    if (envelope.len > WF_MAX_BATCH_HEADER)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, wf_doc_budget(envelope.len));
    enum weft_err err = wf_doc_open(
        envelope, WF_DOC_BATCH, &weft__v1__batch_header__descriptor, &arena, &opened, &m);
    if (!err)
        err = wf_doc_signer(m->signer, &opened);
    if (!err)
        err = take_message(m, &h);
    if (!err)
        err = check_header(&h);
    if (err)
        goto out;
    h.id = opened.id;
    h.signer = opened.signer;
    *ret = h;
out:
    wf_arena_fini(&arena);
    return err;
}
