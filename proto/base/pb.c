// SPDX-License-Identifier: Apache-2.0
#include "proto/base/pb.h"

#include <stdlib.h>

#include "proto/base/limits.h"

size_t wf_pb_budget(size_t document_len)
{
    size_t budget = document_len > WF_MAX_UNPACK / WF_MAX_UNPACK_FACTOR
                        ? WF_MAX_UNPACK
                        : document_len * WF_MAX_UNPACK_FACTOR;

    return budget < 16384 ? 16384 : budget;
}

struct scan {
    enum wf_pb_rule rule;
    unsigned max_depth;
    size_t elements; // left
};

static enum weft_err scan_message(
    struct scan *s, const ProtobufCMessageDescriptor *type, struct wf_bytes in, unsigned depth);

static enum weft_err take_fixed(struct wf_bytes *in, size_t len)
{
    if (in->len < len)
        return WEFT_E_TRUNCATED;
    *in = wf_bytes(in->ptr + len, in->len - len);
    return WEFT_OK;
}

static enum weft_err take_delimited(struct wf_bytes *in, struct wf_bytes *ret)
{
    uint64_t len = 0;
    enum weft_err err = wf_varint_take(in, &len);

    if (err)
        return err;
    if (len > in->len)
        return WEFT_E_TRUNCATED;
    *ret = wf_bytes(in->ptr, (size_t)len);
    *in = wf_bytes(in->ptr + len, in->len - (size_t)len);
    return WEFT_OK;
}

// Packed scalars can multiply in memory (one byte becomes eight); each element counts.
static enum weft_err scan_delimited(
    struct scan *s, const ProtobufCFieldDescriptor *f, struct wf_bytes value, unsigned depth)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_message(s, f->descriptor, value, depth + 1);
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return wf_utf8_is_valid(value) && (!value.len || !memchr(value.ptr, 0, value.len))
                   ? WEFT_OK
                   : WEFT_E_BAD_UTF8;
    if (f->type == PROTOBUF_C_TYPE_BYTES)
        return WEFT_OK;
    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return WEFT_E_SYNTAX;
    if (value.len > s->elements)
        return WEFT_E_BUDGET;
    s->elements -= value.len;
    return WEFT_OK;
}

static enum weft_err scan_field(struct scan *s, const ProtobufCFieldDescriptor *f, unsigned wire,
    struct wf_bytes *in, unsigned depth)
{
    uint64_t v = 0;
    struct wf_bytes value = { 0 };
    enum weft_err err = WEFT_OK;

    switch (wire) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return wf_varint_take(in, &v);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return take_fixed(in, 8);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return take_fixed(in, 4);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        err = take_delimited(in, &value);
        if (err || !f)
            return err;
        return scan_delimited(s, f, value, depth);
    default:
        return WEFT_E_SYNTAX; // groups are not part of proto3
    }
}

static enum weft_err scan_message(
    struct scan *s, const ProtobufCMessageDescriptor *type, struct wf_bytes in, unsigned depth)
{
    if (depth > s->max_depth)
        return WEFT_E_TOO_DEEP;
    while (in.len) {
        uint64_t tag = 0;
        enum weft_err err = wf_varint_take(&in, &tag);
        if (err)
            return err;
        if (tag >> 3 == 0 || tag >> 3 > 536870911u)
            return WEFT_E_SYNTAX;
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        if (!f && s->rule != WF_PB_LENIENT)
            return WEFT_E_UNKNOWN_FIELD;
        if (s->elements == 0)
            return WEFT_E_BUDGET;
        s->elements--;
        err = scan_field(s, f, (unsigned)(tag & 7), &in, depth);
        if (err)
            return err;
    }
    return WEFT_OK;
}

// protobuf-c says only that it failed: why is remembered here.
struct memory {
    struct wf_arena *arena;
    bool failed;
};

static void *arena_alloc(void *memory, size_t size)
{
    struct memory *m = memory;
    void *p = wf_arena_alloc(m->arena, size);

    m->failed = m->failed || !p;
    return p;
}

static void arena_free(void *memory, void *p)
{
    (void)memory;
    (void)p;
}

static enum weft_err check_canonical(
    const ProtobufCMessage *m, struct wf_bytes in, struct wf_arena *arena)
{
    struct wf_bytes again = { 0 };

    if (protobuf_c_message_get_packed_size(m) != in.len)
        return WEFT_E_NOT_CANONICAL;
    enum weft_err err = wf_pb_pack_arena(m, arena, &again);
    if (err)
        return err;
    return wf_bytes_eq(in, again) ? WEFT_OK : WEFT_E_NOT_CANONICAL;
}

enum weft_err wf_pb_unpack(const ProtobufCMessageDescriptor *type, struct wf_bytes in,
    enum wf_pb_rule rule, struct wf_arena *arena, void *ret_message)
{
    struct scan s = {
        .rule = rule,
        .max_depth = rule == WF_PB_LENIENT ? WF_MAX_PB_TREE_DEPTH : WF_MAX_PB_DEPTH,
        .elements = WF_MAX_RECORD_ELEMENTS * 4,
    };
    struct memory memory = { .arena = arena };
    ProtobufCAllocator allocator = {
        .alloc = arena_alloc, .free = arena_free, .allocator_data = &memory
    };
    enum weft_err err = scan_message(&s, type, in, 1);

    if (err)
        return err;
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &allocator, in.len, in.ptr);
    if (!m)
        return memory.failed ? wf_arena_err(arena) : WEFT_E_SYNTAX;
    if (rule == WF_PB_CANONICAL) {
        err = check_canonical(m, in, arena);
        if (err)
            return err;
    }
    *(ProtobufCMessage **)ret_message = m;
    return WEFT_OK;
}

enum weft_err wf_pb_measure(const void *message, size_t *ret_len)
{
    if (!protobuf_c_message_check(message))
        return WEFT_E_INTERNAL;
    *ret_len = protobuf_c_message_get_packed_size(message);
    return WEFT_OK;
}

void wf_pb_write(const void *message, uint8_t *to)
{
    (void)protobuf_c_message_pack(message, to);
}

enum weft_err wf_pb_pack(const void *message, struct wf_buf *out)
{
    size_t len = 0;
    enum weft_err err = wf_pb_measure(message, &len);

    if (!err)
        err = wf_buf_reserve(out, len + 1);
    if (err)
        return err;
    wf_pb_write(message, out->ptr + out->len);
    out->len += len;
    return WEFT_OK;
}

enum weft_err wf_pb_pack_arena(const void *message, struct wf_arena *arena, struct wf_bytes *ret)
{
    if (!protobuf_c_message_check(message))
        return WEFT_E_INTERNAL;
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *p = wf_arena_alloc(arena, len);
    if (!p)
        return wf_arena_err(arena);
    *ret = wf_bytes(p, protobuf_c_message_pack(message, p));
    return WEFT_OK;
}
