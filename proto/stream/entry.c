// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/entry.h"

#include "proto/stream/wire.h"

enum {
    F_LOG_ID = 1,
    F_OFFSET,
    F_APPEND_MS,
    F_EPOCH,
    F_PREVIOUS,
    F_HEADER,
    F_PAYLOAD,
    F_RESET,
    F_LATE,
};
enum { F_PREVIOUS_LOG = 1, F_END_OFFSET, F_HEAD_HASH }; // LogReset; what follows is lost.c's

// All of an entry but header and payload: the reset's content, two incarnations, two hashes, four numbers, heads.
#define RESET_MAX      (WF_WIRE_INCARNATION + WF_WIRE_VARINT + WF_WIRE_HASH)
#define LOST_MAX       (WF_MAX_RESET_LOST * WF_LOST_ITEM_MAX)
#define ENTRY_HEAD_MAX 256u
_Static_assert(ENTRY_HEAD_MAX >= WF_WIRE_INCARNATION + 3 * WF_WIRE_VARINT + WF_WIRE_HASH +
                                     3 * WF_WIRE_HEAD + RESET_MAX + 2,
    "room for all fields");
_Static_assert(ENTRY_HEAD_MAX + WF_MAX_BATCH_HEADER + WF_MAX_BATCH_STORED <= WF_MAX_ENTRY,
    "the largest entry is within its limit");
_Static_assert(ENTRY_HEAD_MAX + LOST_MAX <= WF_MAX_RESET && WF_MAX_RESET <= WF_MAX_ENTRY,
    "and so is the largest reset");

enum { HASHED_BATCH = 1, HASHED_RESET = 2 };

void wf_entry_hash(const struct wf_entry *e, const struct wf_hash *product_id,
    const struct wf_hash *batch_id, struct wf_hash *ret)
{
    struct wf_hasher h;
    uint8_t kind = e->is_reset ? HASHED_RESET : HASHED_BATCH, late = e->late;

    wf_hasher_init(&h, wf_bytes(NULL, 0), WF_HASH_LEN);
    wf_hasher_add(&h, WF_STR("weft/entry/v1"));
    wf_hasher_add(&h, wf_hash_view(product_id));
    wf_wire_hash_incarnation(&h, &e->log_id);
    wf_wire_hash_be64(&h, e->offset);
    wf_wire_hash_be64(&h, (uint64_t)e->append_ms);
    wf_wire_hash_be64(&h, e->epoch);
    wf_hasher_add(&h, wf_hash_view(&e->previous));
    wf_hasher_add(&h, wf_bytes(&kind, 1));
    if (e->is_reset) {
        wf_wire_hash_incarnation(&h, &e->previous_log);
        wf_wire_hash_be64(&h, e->end_offset);
        wf_hasher_add(&h, wf_hash_view(&e->head_hash));
        wf_hasher_add(&h, e->lost);
    } else {
        wf_hasher_add(&h, wf_hash_view(batch_id));
    }
    wf_hasher_add(&h, wf_bytes(&late, 1));
    wf_hasher_done(&h, ret->b, WF_HASH_LEN);
}

static enum weft_err check_reset(const struct wf_entry *e)
{
    if (e->header.len || e->payload.len || e->late)
        return WEFT_E_UNKNOWN_FIELD; // a reset has no batch and no origin's clock
    if (!wf_hash_is_zero(&e->previous) || e->offset != e->end_offset)
        return WEFT_E_ORDER;
    if (wf_incarnation_is_none(&e->previous_log) != wf_hash_is_zero(&e->head_hash))
        return WEFT_E_MISSING_FIELD;
    return wf_incarnation_eq(&e->previous_log, &e->log_id) ? WEFT_E_ORDER : wf_lost_check(e->lost);
}

static enum weft_err check_entry(const struct wf_entry *e)
{
    if (e->header.len > WF_MAX_BATCH_HEADER || e->payload.len > WF_MAX_BATCH_STORED)
        return WEFT_E_TOO_BIG;
    if (wf_incarnation_is_none(&e->log_id))
        return WEFT_E_MISSING_FIELD;
    if (e->append_ms < 0 || e->append_ms > WF_MAX_TIME_MS)
        return WEFT_E_RANGE;
    if (e->is_reset)
        return check_reset(e);
    if (e->lost.len)
        return WEFT_E_UNKNOWN_FIELD;
    if (!e->header.len || wf_hash_is_zero(&e->previous))
        return WEFT_E_MISSING_FIELD;
    return WEFT_OK;
}

static uint8_t *put_reset(uint8_t *p, const struct wf_entry *e)
{
    uint8_t content[RESET_MAX];
    uint8_t *end = wf_wire_put_incarnation(content, WF_TAG_BYTES(F_PREVIOUS_LOG), &e->previous_log);

    end = wf_wire_put_varint(end, WF_TAG_VARINT(F_END_OFFSET), e->end_offset);
    end = wf_wire_put_hash(end, WF_TAG_BYTES(F_HEAD_HASH), &e->head_hash);
    size_t len = (size_t)(end - content);
    p = wf_wire_put_head(p, WF_TAG_BYTES(F_RESET), len + e->lost.len); // there even when empty
    memcpy(p, content, len);
    if (e->lost.len)
        memcpy(p + len, e->lost.ptr, e->lost.len);
    return p + len + e->lost.len;
}

enum weft_err wf_entry_pack(const struct wf_entry *e, struct wf_buf *out)
{
    enum weft_err err = check_entry(e);

    if (err)
        return err;
    err = wf_buf_reserve(out, ENTRY_HEAD_MAX + e->lost.len + e->header.len + e->payload.len);
    if (err)
        return err;
    uint8_t *p = out->ptr + out->len;
    p = wf_wire_put_incarnation(p, WF_TAG_BYTES(F_LOG_ID), &e->log_id);
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_OFFSET), e->offset);
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_APPEND_MS), (uint64_t)e->append_ms);
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_EPOCH), e->epoch);
    p = wf_wire_put_hash(p, WF_TAG_BYTES(F_PREVIOUS), &e->previous);
    p = wf_wire_put_bytes(p, WF_TAG_BYTES(F_HEADER), e->header);
    p = wf_wire_put_bytes(p, WF_TAG_BYTES(F_PAYLOAD), e->payload);
    if (e->is_reset)
        p = put_reset(p, e);
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_LATE), e->late);
    out->len = (size_t)(p - out->ptr);
    return WEFT_OK;
}

static enum weft_err take_reset(struct wf_bytes *in, struct wf_entry *e)
{
    struct wf_bytes body = { 0 };
    enum weft_err err =
        wf_wire_message(in, WF_TAG_BYTES(F_RESET), RESET_MAX + LOST_MAX, &e->is_reset, &body);

    if (!err)
        err = wf_wire_incarnation(&body, WF_TAG_BYTES(F_PREVIOUS_LOG), &e->previous_log);
    if (!err)
        err = wf_wire_varint(&body, WF_TAG_VARINT(F_END_OFFSET), &e->end_offset);
    if (!err)
        err = wf_wire_hash(&body, WF_TAG_BYTES(F_HEAD_HASH), &e->head_hash);
    e->lost = body; // check_reset looks into it
    return err;
}

static enum weft_err take_place(struct wf_bytes *in, struct wf_entry *e)
{
    uint64_t append_ms = 0;
    enum weft_err err = wf_wire_incarnation(in, WF_TAG_BYTES(F_LOG_ID), &e->log_id);

    if (!err)
        err = wf_wire_varint(in, WF_TAG_VARINT(F_OFFSET), &e->offset);
    if (!err)
        err = wf_wire_varint(in, WF_TAG_VARINT(F_APPEND_MS), &append_ms);
    if (!err)
        err = wf_wire_varint(in, WF_TAG_VARINT(F_EPOCH), &e->epoch);
    if (!err)
        err = wf_wire_hash(in, WF_TAG_BYTES(F_PREVIOUS), &e->previous);
    if (!err && append_ms > (uint64_t)WF_MAX_TIME_MS)
        err = WEFT_E_RANGE;
    e->append_ms = (int64_t)append_ms;
    return err;
}

enum weft_err wf_entry_parse(struct wf_bytes in, struct wf_entry *ret)
{
    struct wf_entry e = { 0 };
    uint64_t late = 0;

    if (in.len > WF_MAX_ENTRY)
        return WEFT_E_TOO_BIG;
    enum weft_err err = take_place(&in, &e);
    if (!err)
        err = wf_wire_bytes(&in, WF_TAG_BYTES(F_HEADER), WF_MAX_BATCH_HEADER, &e.header);
    if (!err)
        err = wf_wire_bytes(&in, WF_TAG_BYTES(F_PAYLOAD), WF_MAX_BATCH_STORED, &e.payload);
    if (!err)
        err = take_reset(&in, &e);
    if (!err)
        err = wf_wire_varint(&in, WF_TAG_VARINT(F_LATE), &late);
    if (!err)
        err = wf_wire_end(in, F_LATE);
    if (!err && late > 1)
        err = WEFT_E_NOT_CANONICAL;
    if (err)
        return err;
    e.late = late;
    err = check_entry(&e);
    if (err)
        return err;
    *ret = e;
    return WEFT_OK;
}

enum weft_err wf_entry_follows(const struct wf_log_head *head, const struct wf_entry *e)
{
    bool same_log = wf_incarnation_eq(&head->log_id, &e->log_id);
    bool follows = e->offset == head->next_offset;

    if (same_log)
        follows = follows && !e->is_reset && wf_hash_eq(&e->previous, &head->hash);
    else
        follows = follows && e->is_reset && wf_incarnation_eq(&e->previous_log, &head->log_id) &&
                  wf_hash_eq(&e->head_hash, &head->hash);
    return follows ? WEFT_OK : WEFT_E_ORDER;
}
