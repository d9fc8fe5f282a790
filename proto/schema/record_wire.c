// SPDX-License-Identifier: Apache-2.0
#include "proto/schema/record_wire.h"

#include <math.h>

enum weft_err wf_wire_take_raw(struct wf_bytes *in, enum wf_wire_type wire, uint64_t *ret)
{
    size_t len = wire == WF_WIRE_64BIT ? 8 : 4;

    if (wire == WF_WIRE_VARINT)
        return wf_varint_take(in, ret);
    if (in->len < len)
        return WEFT_E_TRUNCATED;
    *ret = len == 8 ? wf_load_le64(in->ptr) : wf_load_le32(in->ptr);
    *in = wf_bytes(in->ptr + len, in->len - len);
    return WEFT_OK;
}

enum weft_err wf_wire_take(struct wf_bytes *in, struct wf_wire_field *ret)
{
    struct wf_bytes rest = *in;
    struct wf_wire_field w = { 0 };
    uint64_t tag = 0;
    enum weft_err err = wf_varint_take(&rest, &tag);

    if (err)
        return err;
    if (tag >> 3 == 0 || tag > UINT32_MAX)
        return WEFT_E_SYNTAX;
    w.number = (uint32_t)(tag >> 3);
    w.wire = (enum wf_wire_type)(tag & 7);
    switch (tag & 7) {
    case WF_WIRE_VARINT:
    case WF_WIRE_64BIT:
    case WF_WIRE_32BIT:
        err = wf_wire_take_raw(&rest, w.wire, &w.raw);
        break;
    case WF_WIRE_DELIMITED:
        err = wf_varint_take(&rest, &w.raw);
        if (!err && w.raw > rest.len)
            err = WEFT_E_TRUNCATED;
        if (err)
            return err;
        w.bytes = wf_bytes(rest.ptr, (size_t)w.raw);
        rest = wf_bytes(rest.ptr + w.bytes.len, rest.len - w.bytes.len);
        break;
    default:
        return WEFT_E_SYNTAX;
    }
    if (err)
        return err;
    *in = rest;
    *ret = w;
    return WEFT_OK;
}

enum wf_wire_type wf_wire_type_of(enum wf_field_type type)
{
    switch (type) {
    case WF_TYPE_DOUBLE:
    case WF_TYPE_FIXED64:
    case WF_TYPE_SFIXED64:
        return WF_WIRE_64BIT;
    case WF_TYPE_FLOAT:
    case WF_TYPE_FIXED32:
    case WF_TYPE_SFIXED32:
        return WF_WIRE_32BIT;
    case WF_TYPE_STRING:
    case WF_TYPE_BYTES:
    case WF_TYPE_MESSAGE:
        return WF_WIRE_DELIMITED;
    default:
        return WF_WIRE_VARINT;
    }
}

bool wf_wire_fits(const struct wf_schema_field *f, enum wf_wire_type wire)
{
    return wire == wf_wire_type_of(f->type) || (f->repeated && wire == WF_WIRE_DELIMITED);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

struct wf_value wf_wire_scalar(enum wf_field_type type, uint64_t raw)
{
    struct wf_value v = { .kind = wf_schema_value_kind(type) };
    uint32_t low = (uint32_t)raw;

    switch (type) {
    case WF_TYPE_DOUBLE:
        memcpy(&v.d, &raw, sizeof v.d);
        break;
    case WF_TYPE_FLOAT:
        memcpy(&v.f, &low, sizeof v.f);
        break;
    case WF_TYPE_INT64:
    case WF_TYPE_SFIXED64:
        v.i = (int64_t)raw;
        break;
    case WF_TYPE_INT32:
    case WF_TYPE_SFIXED32:
        v.i = (int32_t)low;
        break;
    case WF_TYPE_SINT64:
        v.i = unzigzag(raw);
        break;
    case WF_TYPE_SINT32:
        v.i = (int32_t)unzigzag(low);
        break;
    case WF_TYPE_UINT32:
    case WF_TYPE_FIXED32:
        v.u = low;
        break;
    case WF_TYPE_BOOL:
        v.b = raw != 0;
        break;
    case WF_TYPE_ENUM:
        v.number = (int32_t)low;
        break;
    default:
        v.u = raw;
        break;
    }
    return v;
}

uint64_t wf_wire_raw(enum wf_field_type type, const struct wf_value *v)
{
    uint64_t raw = 0;
    uint32_t low = 0;

    switch (type) {
    case WF_TYPE_DOUBLE:
        memcpy(&raw, &v->d, sizeof raw);
        return raw;
    case WF_TYPE_FLOAT:
        memcpy(&low, &v->f, sizeof low);
        return low;
    case WF_TYPE_SFIXED32:
        return (uint32_t)v->i;
    case WF_TYPE_INT32:
    case WF_TYPE_INT64:
    case WF_TYPE_SFIXED64:
        return (uint64_t)v->i;
    case WF_TYPE_SINT32:
    case WF_TYPE_SINT64:
        return zigzag(v->i);
    case WF_TYPE_BOOL:
        return v->b;
    case WF_TYPE_ENUM:
        return (uint64_t)(int64_t)v->number;
    default:
        return v->u;
    }
}

struct wf_value wf_wire_value(enum wf_field_type type, const struct wf_wire_field *w)
{
    if (w->wire != WF_WIRE_DELIMITED)
        return wf_wire_scalar(type, w->raw);
    return (struct wf_value){ .kind = wf_schema_value_kind(type), .bytes = w->bytes };
}

bool wf_value_is_zero(const struct wf_value *v)
{
    switch (v->kind) {
    case WF_VALUE_BOOL:
        return !v->b;
    case WF_VALUE_INT:
        return v->i == 0;
    case WF_VALUE_UINT:
        return v->u == 0;
    case WF_VALUE_FLOAT:
        return v->f == 0 && !signbit(v->f);
    case WF_VALUE_DOUBLE:
        return v->d == 0 && !signbit(v->d);
    case WF_VALUE_ENUM:
        return v->number == 0;
    case WF_VALUE_STRING:
    case WF_VALUE_BYTES:
        return v->bytes.len == 0;
    default:
        return false;
    }
}
