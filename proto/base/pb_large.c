// SPDX-License-Identifier: Apache-2.0
#include "proto/base/pb_large.h"

// ---- unpacking ---------------------------------------------------------------------------------------------------------

// The place of one field's content.
struct place {
    const ProtobufCFieldDescriptor *field; // NULL: there is none
    const uint8_t *len;                    // where its length stands
    struct wf_bytes value;
};

// Takes a value; *ret is its content where it has a length.
static enum weft_err take_value(struct wf_bytes *in, unsigned wire, struct wf_bytes *ret)
{
    bool delimited = wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    uint64_t len = wire == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4, v = 0;
    enum weft_err err = WEFT_OK;

    if (wire == PROTOBUF_C_WIRE_TYPE_VARINT)
        return wf_varint_take(in, &v);
    if (delimited)
        err = wf_varint_take(in, &len);
    if (err)
        return err;
    if (len > in->len)
        return WEFT_E_TRUNCATED;
    if (delimited)
        *ret = wf_bytes(in->ptr, (size_t)len);
    *in = wf_bytes(in->ptr + len, in->len - (size_t)len);
    return WEFT_OK;
}

// The only large singular field of the type in a message. None where there are several, or where fields are not in order: then one might be there
// twice. What is malformed is left for unpacking to refuse.
static struct place find_large(
    const ProtobufCMessageDescriptor *type, struct wf_bytes in, ProtobufCType wanted)
{
    const struct place none = { 0 };
    struct place found = { 0 };
    uint64_t last = 0, tag = 0;

    for (; in.len; last = tag >> 3) {
        struct wf_bytes value = { 0 };
        if (wf_varint_take(&in, &tag) || tag >> 3 <= last)
            return none;
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        const uint8_t *len = in.ptr;
        if (!f || take_value(&in, (unsigned)(tag & 7), &value))
            return none;
        if (value.len < WF_PB_LARGE || f->type != wanted || f->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        if (found.field)
            return none;
        found = (struct place){ f, len, value };
    }
    return found;
}

static uint8_t *put(uint8_t *to, const uint8_t *from, const uint8_t *end)
{
    memcpy(to, from, (size_t)(end - from));
    return to + (end - from);
}

// in without the content of `inner`, which lies in `outer` or, where that is none, in the message itself.
static struct wf_bytes without(struct wf_bytes in, const struct place *outer,
    const struct place *inner, struct wf_arena *arena)
{
    const uint8_t *from = in.ptr, *end = in.ptr + in.len,
                  *behind = inner->value.ptr + inner->value.len;
    uint8_t *to = wf_arena_alloc(arena, in.len - inner->value.len), *p = to;
    // The length of the content shrinks to the one byte of 0, and so much with it that of the outer message.
    size_t gone = (size_t)(behind - inner->len) - 1;

    if (!to)
        return wf_bytes(NULL, 0);
    if (outer->field) {
        p = put(p, from, outer->len);
        p += wf_varint_put(p, outer->value.len - gone);
        from = outer->value.ptr;
    }
    p = put(p, from, inner->len);
    *p++ = 0;
    p = put(p, behind, end);
    return wf_bytes(to, (size_t)(p - to));
}

// Of a oneof only the last member counts; the others' place in memory is that one's.
static bool is_set(const void *message, const ProtobufCFieldDescriptor *f)
{
    uint32_t which = f->id;

    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        memcpy(&which, (const char *)message + f->quantifier_offset, sizeof which);
    return which == f->id;
}

static void *member(void *message, const ProtobufCFieldDescriptor *f)
{
    return (char *)message + f->offset;
}

enum weft_err wf_pb_unpack_view(const ProtobufCMessageDescriptor *type, struct wf_bytes in,
    struct wf_arena *arena, void *ret_message)
{
    struct place outer = find_large(type, in, PROTOBUF_C_TYPE_MESSAGE);
    struct place inner =
        outer.field ? find_large(outer.field->descriptor, outer.value, PROTOBUF_C_TYPE_BYTES)
                    : find_large(type, in, PROTOBUF_C_TYPE_BYTES);
    struct wf_bytes rest = inner.field ? without(in, &outer, &inner, arena) : in;
    void *m = NULL;

    if (inner.field && !rest.ptr)
        return wf_arena_err(arena);
    enum weft_err err = wf_pb_unpack(type, rest, WF_PB_STRICT, arena, &m);
    if (err)
        return err;
    if (inner.field) {
        bool is_there = !outer.field || is_set(m, outer.field);
        void *within = outer.field && is_there ? *(void **)member(m, outer.field) : m;
        if (!is_there || !is_set(within, inner.field))
            return wf_pb_unpack(type, in, WF_PB_STRICT, arena, ret_message);
        *(ProtobufCBinaryData *)member(within, inner.field) = wf_pb_bin(inner.value);
    }
    *(void **)ret_message = m;
    return WEFT_OK;
}

// ---- packing -----------------------------------------------------------------------------------------------------------

// A protobuf-c buffer that leaves out one content.
struct around {
    ProtobufCBuffer base; // first
    struct wf_buf *out;
    struct wf_bytes lent;
    size_t at, times;
    enum weft_err err;
};

static void add_around(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
    struct around *a = (struct around *)(void *)buffer;

    if (data == a->lent.ptr && len == a->lent.len) {
        a->at = a->out->len;
        a->times++;
    } else if (!a->err) {
        a->err = wf_buf_append(a->out, wf_bytes(data, len));
    }
}

enum weft_err wf_pb_pack_around(
    const void *message, struct wf_bytes lent, struct wf_buf *out, size_t *ret_at)
{
    size_t before = out->len;
    struct around a = { .base = { .append = add_around }, .out = out, .lent = lent };

    if (!protobuf_c_message_check(message))
        return WEFT_E_INTERNAL;
    (void)protobuf_c_message_pack_to_buffer(message, &a.base);
    if (!a.err && a.times != 1)
        a.err = WEFT_E_INTERNAL;
    if (a.err) {
        out->len = before;
        return a.err;
    }
    *ret_at = a.at - before;
    return WEFT_OK;
}
