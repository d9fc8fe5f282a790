// SPDX-License-Identifier: Apache-2.0
// Payloads and the {header, payload} message. Headers are in batch_header.c.
#include "proto/stream/batch.h"

#include "proto/stream/wire.h"

enum { F_HEADER = 1, F_PAYLOAD = 2 };

static enum weft_err check_stored(const struct wf_batch_header *h, struct wf_bytes stored)
{
    struct wf_hash hash;

    if (stored.len != h->stored_len)
        return stored.len < h->stored_len ? WEFT_E_TRUNCATED : WEFT_E_TRAILING;
    if (h->kind != WF_BATCH_DATA)
        return WEFT_OK;
    wf_blake2b(stored, &hash);
    return wf_hash_eq(&hash, &h->payload_hash) ? WEFT_OK : WEFT_E_HASH;
}

enum weft_err wf_batch_open_payload(
    const struct wf_batch_header *h, struct wf_bytes stored, struct wf_buf *ret_raw)
{
    enum weft_err err = check_stored(h, stored);

    if (err || h->kind != WF_BATCH_DATA)
        return err;
    return wf_decompress(h->compression, stored, h->raw_len, ret_raw);
}

enum weft_err wf_batch_view_payload(struct wf_decompressor *d, const struct wf_batch_header *h,
    struct wf_bytes stored, struct wf_buf *raw, struct wf_bytes *ret_records)
{
    size_t at = raw->len;
    enum weft_err err = check_stored(h, stored);

    if (!err && h->kind == WF_BATCH_DATA && h->compression != WF_COMPRESS_NONE)
        err = wf_decompress_with(d, h->compression, stored, h->raw_len, raw);
    else if (!err && h->kind == WF_BATCH_DATA) // no ratio, but the same limits
        err = wf_compression_check(h->compression, stored.len, h->raw_len);
    if (err)
        return err;
    *ret_records = raw->len > at ? wf_bytes(raw->ptr + at, raw->len - at) : stored;
    return WEFT_OK;
}

enum weft_err wf_batch_judge_records(
    const struct wf_batch_header *h, uint32_t count, int64_t min_us, int64_t max_us)
{
    if (count != h->count)
        return WEFT_E_RECORD;
    return min_us == h->min_us && max_us == h->max_us ? WEFT_OK : WEFT_E_RANGE;
}

enum weft_err wf_batch_check_records(const struct wf_batch_header *h, struct wf_bytes raw)
{
    uint32_t count = 0;
    int64_t min_us = 0, max_us = 0;

    if (h->kind != WF_BATCH_DATA)
        return raw.len ? WEFT_E_RECORD : WEFT_OK;
    enum weft_err err = wf_records_check(raw, h->base_us, &count, &min_us, &max_us);
    return err ? err : wf_batch_judge_records(h, count, min_us, max_us);
}

enum weft_err wf_batch_pack(struct wf_bytes header, struct wf_bytes payload, struct wf_buf *out)
{
    if (!header.len)
        return WEFT_E_MISSING_FIELD;
    if (header.len > WF_MAX_BATCH_HEADER || payload.len > WF_MAX_BATCH_STORED)
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_buf_reserve(out, 2 * WF_WIRE_HEAD + header.len + payload.len);
    if (err)
        return err;
    uint8_t *p = wf_wire_put_bytes(out->ptr + out->len, WF_TAG_BYTES(F_HEADER), header);
    p = wf_wire_put_bytes(p, WF_TAG_BYTES(F_PAYLOAD), payload);
    out->len = (size_t)(p - out->ptr);
    return WEFT_OK;
}

enum weft_err wf_batch_split(
    struct wf_bytes batch, struct wf_bytes *ret_header, struct wf_bytes *ret_payload)
{
    struct wf_bytes header = { 0 }, payload = { 0 };
    enum weft_err err = wf_wire_bytes(&batch, WF_TAG_BYTES(F_HEADER), WF_MAX_BATCH_HEADER, &header);

    if (!err)
        err = wf_wire_bytes(&batch, WF_TAG_BYTES(F_PAYLOAD), WF_MAX_BATCH_STORED, &payload);
    if (!err)
        err = wf_wire_end(batch, F_PAYLOAD);
    if (err)
        return err;
    if (!header.len)
        return WEFT_E_MISSING_FIELD;
    *ret_header = header;
    *ret_payload = payload;
    return WEFT_OK;
}

enum weft_err wf_batch_follows(
    const struct wf_batch_header *last, const struct wf_batch_header *next)
{
    bool same = wf_hash_eq(&last->product_id, &next->product_id) &&
                wf_incarnation_eq(&last->incarnation, &next->incarnation) &&
                memcmp(last->signer.b, next->signer.b, WF_KEY_LEN) == 0;

    if (!same || next->first_seq != wf_batch_next_seq(last))
        return WEFT_E_ORDER;
    return wf_hash_eq(&next->previous, &last->id) ? WEFT_OK : WEFT_E_ORDER;
}
