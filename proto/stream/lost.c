// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/lost.h"

#include "proto/stream/wire.h"

enum { F_LOST = 4 };                                                   // of LogReset
enum { F_ORIGIN = 1, F_INCARNATION, F_FROM_SEQ, F_TO_SEQ, F_SUBJECT }; // LostRange

#define ITEM_MAX (2u + WF_KEY_LEN + WF_WIRE_INCARNATION + 2u * WF_WIRE_VARINT + 2u + WF_MAX_NAME)
_Static_assert(WF_LOST_ITEM_MAX >= 3u + ITEM_MAX, "an item with tag and length");

static int compare(const struct wf_lost *a, const struct wf_lost *b)
{
    int by = memcmp(a->origin.b, b->origin.b, WF_KEY_LEN);

    return by ? by : wf_incarnation_cmp(&a->incarnation, &b->incarnation);
}

static enum weft_err check(const struct wf_lost *l, const struct wf_lost *last)
{
    if (wf_incarnation_is_none(&l->incarnation))
        return WEFT_E_MISSING_FIELD;
    if (!wf_name_is_valid(wf_bytes_str(l->subject)))
        return WEFT_E_SYNTAX;
    if (l->from_seq >= l->to_seq)
        return WEFT_E_RANGE;
    return last && compare(last, l) >= 0 ? WEFT_E_ORDER : WEFT_OK;
}

enum weft_err wf_lost_put(
    struct wf_buf *out, const struct wf_lost *item, const struct wf_lost *last)
{
    uint8_t content[ITEM_MAX];
    enum weft_err err = check(item, last);

    if (!err)
        err = wf_buf_reserve(out, WF_LOST_ITEM_MAX);
    if (err)
        return err;
    uint8_t *p = wf_wire_put_bytes(content, WF_TAG_BYTES(F_ORIGIN), WF_BYTES(item->origin.b));
    p = wf_wire_put_incarnation(p, WF_TAG_BYTES(F_INCARNATION), &item->incarnation);
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_FROM_SEQ), item->from_seq);
    p = wf_wire_put_varint(p, WF_TAG_VARINT(F_TO_SEQ), item->to_seq);
    p = wf_wire_put_bytes(p, WF_TAG_BYTES(F_SUBJECT), wf_bytes_str(item->subject));
    p = wf_wire_put_bytes(
        out->ptr + out->len, WF_TAG_BYTES(F_LOST), wf_bytes(content, (size_t)(p - content)));
    out->len = (size_t)(p - out->ptr);
    return WEFT_OK;
}

static enum weft_err take(struct wf_bytes *in, struct wf_lost *ret)
{
    struct wf_bytes body = { 0 }, origin = { 0 }, subject = { 0 };
    struct wf_lost l = { .from_seq = 0 };
    enum weft_err err = wf_wire_bytes(in, WF_TAG_BYTES(F_LOST), ITEM_MAX, &body);

    if (!err && !body.len) // no further one, and still not the end
        return wf_wire_end(*in, F_LOST);
    if (!err)
        err = wf_wire_bytes(&body, WF_TAG_BYTES(F_ORIGIN), ITEM_MAX, &origin);
    if (!err)
        err = wf_wire_incarnation(&body, WF_TAG_BYTES(F_INCARNATION), &l.incarnation);
    if (!err)
        err = wf_wire_varint(&body, WF_TAG_VARINT(F_FROM_SEQ), &l.from_seq);
    if (!err)
        err = wf_wire_varint(&body, WF_TAG_VARINT(F_TO_SEQ), &l.to_seq);
    if (!err)
        err = wf_wire_bytes(&body, WF_TAG_BYTES(F_SUBJECT), WF_MAX_NAME, &subject);
    if (!err)
        err = wf_wire_end(body, F_SUBJECT);
    if (err)
        return err;
    if (origin.len != WF_KEY_LEN)
        return origin.len ? WEFT_E_SYNTAX : WEFT_E_MISSING_FIELD;
    if (!wf_name_is_valid(subject))
        return WEFT_E_SYNTAX;
    memcpy(l.origin.b, origin.ptr, WF_KEY_LEN);
    memcpy(l.subject, subject.ptr, subject.len);
    *ret = l;
    return WEFT_OK;
}

enum weft_err wf_lost_check(struct wf_bytes packed)
{
    struct wf_lost item, last;
    enum weft_err err = WEFT_OK;

    for (size_t n = 0; packed.len && !err; n++) {
        if (n == WF_MAX_RESET_LOST)
            return WEFT_E_TOO_BIG;
        err = take(&packed, &item);
        if (!err)
            err = check(&item, n ? &last : NULL);
        last = item;
    }
    return err;
}

bool wf_lost_next(struct wf_bytes *packed, struct wf_lost *ret)
{
    return packed->len && take(packed, ret) == WEFT_OK;
}
