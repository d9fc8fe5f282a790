// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/wire.h"

enum weft_err wf_wire_number_slow(struct wf_bytes *in, uint64_t *ret)
{
    size_t before = in->len;
    uint64_t v = 0;
    enum weft_err err = wf_varint_take(in, &v);

    if (err)
        return err;
    if (before - in->len != wf_varint_len(v))
        return WEFT_E_NOT_CANONICAL;
    *ret = v;
    return WEFT_OK;
}

enum weft_err wf_wire_fixed64(struct wf_bytes *in, uint8_t tag, uint64_t *ret)
{
    *ret = 0;
    if (!wf_wire_at(*in, tag))
        return WEFT_OK;
    if (in->len < 9)
        return WEFT_E_TRUNCATED;
    *ret = wf_load_le64(in->ptr + 1);
    wf_wire_skip(in, 9);
    return *ret ? WEFT_OK : WEFT_E_NOT_CANONICAL;
}

enum weft_err wf_wire_hash(struct wf_bytes *in, uint8_t tag, struct wf_hash *ret)
{
    struct wf_bytes b = { 0 };
    enum weft_err err = wf_wire_bytes(in, tag, WF_MAX_ENTRY, &b);

    *ret = (struct wf_hash){ { 0 } };
    if (err || !b.len)
        return err;
    err = wf_hash_from(b, ret);
    if (err)
        return err;
    return wf_hash_is_zero(ret) ? WEFT_E_NOT_CANONICAL : WEFT_OK;
}

enum weft_err wf_wire_incarnation(struct wf_bytes *in, uint8_t tag, struct wf_incarnation *ret)
{
    struct wf_bytes b = { 0 };
    enum weft_err err = wf_wire_bytes(in, tag, WF_MAX_ENTRY, &b);

    *ret = (struct wf_incarnation){ 0 };
    if (err)
        return err;
    err = wf_wire_fixed64(&b, WF_TAG_FIXED64(1), &ret->counter);
    if (!err)
        err = wf_wire_fixed64(&b, WF_TAG_FIXED64(2), &ret->random);
    return err ? err : wf_wire_end(b, 2);
}

enum weft_err wf_wire_end(struct wf_bytes in, unsigned last)
{
    uint64_t tag = 0;

    if (!in.len)
        return WEFT_OK;
    struct wf_bytes rest = in;
    enum weft_err err = wf_wire_number(&rest, &tag);
    if (err)
        return err;
    bool groups_or_none = (tag & 7) > 5 || (tag & 7) == 3 || (tag & 7) == 4;
    if (tag >> 3 == 0 || groups_or_none)
        return WEFT_E_SYNTAX;
    if (tag >> 3 > last)
        return WEFT_E_UNKNOWN_FIELD;
    return WEFT_E_NOT_CANONICAL;
}

uint8_t *wf_wire_put_fixed64(uint8_t *p, uint8_t tag, uint64_t v)
{
    if (!v)
        return p;
    *p++ = tag;
    wf_store_le64(p, v);
    return p + 8;
}

uint8_t *wf_wire_put_hash(uint8_t *p, uint8_t tag, const struct wf_hash *h)
{
    return wf_hash_is_zero(h) ? p : wf_wire_put_bytes(p, tag, wf_hash_view(h));
}

uint8_t *wf_wire_put_incarnation(uint8_t *p, uint8_t tag, const struct wf_incarnation *i)
{
    if (wf_incarnation_is_none(i))
        return p;
    p = wf_wire_put_head(p, tag, (i->counter ? 9u : 0u) + (i->random ? 9u : 0u));
    p = wf_wire_put_fixed64(p, WF_TAG_FIXED64(1), i->counter);
    return wf_wire_put_fixed64(p, WF_TAG_FIXED64(2), i->random);
}

void wf_wire_hash_be64(struct wf_hasher *h, uint64_t v)
{
    uint8_t b[8];

    wf_store_be64(b, v);
    wf_hasher_add(h, WF_BYTES(b));
}

void wf_wire_hash_incarnation(struct wf_hasher *h, const struct wf_incarnation *i)
{
    wf_wire_hash_be64(h, i->counter);
    wf_wire_hash_be64(h, i->random);
}
