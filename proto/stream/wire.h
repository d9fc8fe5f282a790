// SPDX-License-Identifier: Apache-2.0
// Reading and writing of this room's own messages by hand: canonical protobuf and nothing else. Fields come in ascending
// order, each at most once, never with their default value; varints are the shortest; numbers are below 16, so a tag is
// one byte. That leaves one encoding for each value, and a parser without tables. Internal to proto/stream.
// Thread rule: functions of their arguments.
#ifndef WF_STREAM_WIRE_H
#define WF_STREAM_WIRE_H

#include "proto/stream/stream.h"

#define WF_TAG_VARINT(n)  ((uint8_t)((n) << 3))
#define WF_TAG_FIXED64(n) ((uint8_t)((n) << 3 | 1))
#define WF_TAG_BYTES(n)   ((uint8_t)((n) << 3 | 2))

// ---- reading: each takes the field off *in if it is the next one, else leaves *in alone and gives the default ----------

static inline bool wf_wire_at(struct wf_bytes in, uint8_t tag)
{
    return in.len && in.ptr[0] == tag;
}

static inline void wf_wire_skip(struct wf_bytes *in, size_t len)
{
    *in = wf_bytes(in->ptr + len, in->len - len);
}

enum weft_err wf_wire_number_slow(struct wf_bytes *in, uint64_t *ret);

// A varint in its shortest form: TRUNCATED, SYNTAX, NOT_CANONICAL. Read here are those of up to five bytes, which nearly all are.
WF_MUST_USE static inline enum weft_err wf_wire_number(struct wf_bytes *in, uint64_t *ret)
{
    size_t most = in->len < 5 ? in->len : 5;
    uint64_t v = 0;

    for (size_t i = 0; i < most; i++) {
        uint8_t byte = in->ptr[i];
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte >= 0x80)
            continue;
        if (i && !byte)
            break; // a shorter form was there
        *ret = v;
        wf_wire_skip(in, i + 1);
        return WEFT_OK;
    }
    return wf_wire_number_slow(in, ret);
}

WF_MUST_USE static inline enum weft_err wf_wire_varint(
    struct wf_bytes *in, uint8_t tag, uint64_t *ret)
{
    *ret = 0;
    if (!wf_wire_at(*in, tag))
        return WEFT_OK;
    wf_wire_skip(in, 1);
    enum weft_err err = wf_wire_number(in, ret);
    if (err)
        return err;
    return *ret ? WEFT_OK : WEFT_E_NOT_CANONICAL;
}

// A submessage: present even when empty. TOO_BIG before TRUNCATED, so that a limit speaks first.
WF_MUST_USE static inline enum weft_err wf_wire_message(
    struct wf_bytes *in, uint8_t tag, size_t max, bool *ret_present, struct wf_bytes *ret)
{
    uint64_t len = 0;

    *ret_present = wf_wire_at(*in, tag);
    *ret = wf_bytes(NULL, 0);
    if (!*ret_present)
        return WEFT_OK;
    wf_wire_skip(in, 1);
    enum weft_err err = wf_wire_number(in, &len);
    if (err)
        return err;
    if (len > max)
        return WEFT_E_TOO_BIG;
    if (len > in->len)
        return WEFT_E_TRUNCATED;
    *ret = wf_bytes(in->ptr, (size_t)len);
    wf_wire_skip(in, (size_t)len);
    return WEFT_OK;
}

WF_MUST_USE static inline enum weft_err wf_wire_bytes(
    struct wf_bytes *in, uint8_t tag, size_t max, struct wf_bytes *ret)
{
    bool present = false;
    enum weft_err err = wf_wire_message(in, tag, max, &present, ret);

    if (err)
        return err;
    return present && !ret->len ? WEFT_E_NOT_CANONICAL : WEFT_OK;
}

WF_MUST_USE enum weft_err wf_wire_fixed64(struct wf_bytes *in, uint8_t tag, uint64_t *ret);
// 32 bytes that are not all zero, or absent (all zero in memory). SYNTAX for another length.
WF_MUST_USE enum weft_err wf_wire_hash(struct wf_bytes *in, uint8_t tag, struct wf_hash *ret);
// absent = none
WF_MUST_USE enum weft_err wf_wire_incarnation(
    struct wf_bytes *in, uint8_t tag, struct wf_incarnation *ret);
// Nothing may be left: SYNTAX where no tag can stand, UNKNOWN_FIELD for a number above `last`, NOT_CANONICAL for a known one
// that is repeated, out of order or of another wire type.
WF_MUST_USE enum weft_err wf_wire_end(struct wf_bytes in, unsigned last);

// ---- writing: p points to enough room; defaults are left out; the end is returned --------------------------------------

static inline uint8_t *wf_wire_put_number(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static inline uint8_t *wf_wire_put_head(uint8_t *p, uint8_t tag, size_t len)
{
    *p++ = tag;
    return wf_wire_put_number(p, len);
}

static inline uint8_t *wf_wire_put_varint(uint8_t *p, uint8_t tag, uint64_t v)
{
    if (!v)
        return p;
    *p++ = tag;
    return wf_wire_put_number(p, v);
}

static inline uint8_t *wf_wire_put_bytes(uint8_t *p, uint8_t tag, struct wf_bytes b)
{
    if (!b.len)
        return p;
    p = wf_wire_put_head(p, tag, b.len);
    memcpy(p, b.ptr, b.len);
    return p + b.len;
}

uint8_t *wf_wire_put_fixed64(uint8_t *p, uint8_t tag, uint64_t v);
uint8_t *wf_wire_put_hash(uint8_t *p, uint8_t tag, const struct wf_hash *h);
uint8_t *wf_wire_put_incarnation(uint8_t *p, uint8_t tag, const struct wf_incarnation *i);

// Room for one field: a number, a hash, an incarnation, bytes without their content.
#define WF_WIRE_VARINT      (1u + WF_VARINT_MAX)
#define WF_WIRE_HASH        (2u + WF_HASH_LEN)
#define WF_WIRE_INCARNATION 20u
#define WF_WIRE_HEAD        (1u + WF_VARINT_MAX)

// ---- hashing -------------------------------------------------------------------------------------------------------------

void wf_wire_hash_be64(struct wf_hasher *h, uint64_t v);
void wf_wire_hash_incarnation(struct wf_hasher *h, const struct wf_incarnation *i);

#endif
