// SPDX-License-Identifier: Apache-2.0
// The length of a submessage or packed list is known at its end: it is then inserted before the bytes. That moves them once a
// level, at most WF_MAX_RECORD_DEPTH times, and needs no second buffer.
#include "proto/schema/record_write.h"

#include "proto/schema/record_wire.h"

void wf_record_write_init(
    struct wf_record_writer *w, const struct wf_schema_message *m, size_t max, struct wf_buf *out)
{
    w->out = out;
    w->start = out->len;
    w->max = max;
    w->elements = 0;
    w->depth = w->messages = 1;
    w->levels[0] = (struct wf_record_write_level){
        .message = m, .start = out->len, .required_left = m->required_count
    };
}

static struct wf_record_write_level *level(struct wf_record_writer *w)
{
    return &w->levels[w->depth - 1];
}

static enum weft_err put(struct wf_record_writer *w, const void *p, size_t len)
{
    if (len > w->max - (w->out->len - w->start))
        return WEFT_E_TOO_BIG;
    return wf_buf_append(w->out, wf_bytes(p, len));
}

static enum weft_err put_varint(struct wf_record_writer *w, uint64_t v)
{
    uint8_t bytes[WF_VARINT_MAX];

    return put(w, bytes, wf_varint_put(bytes, v));
}

static enum weft_err put_tag(
    struct wf_record_writer *w, const struct wf_schema_field *f, enum wf_wire_type wire)
{
    return put_varint(w, (uint64_t)f->number << 3 | (uint64_t)wire);
}

static enum weft_err spend(struct wf_record_writer *w)
{
    if (w->elements == WF_MAX_RECORD_ELEMENTS)
        return WEFT_E_BUDGET;
    w->elements++;
    return WEFT_OK;
}

// Puts the length of all that follows `at` before it.
static enum weft_err insert_length(struct wf_record_writer *w, size_t at)
{
    uint8_t bytes[WF_VARINT_MAX];
    size_t len = w->out->len - at, n = wf_varint_put(bytes, len);
    enum weft_err err = put(w, bytes, n); // makes room

    if (err)
        return err;
    memmove(w->out->ptr + at + n, w->out->ptr + at, len);
    memcpy(w->out->ptr + at, bytes, n);
    return WEFT_OK;
}

static enum weft_err close_packed(struct wf_record_writer *w)
{
    struct wf_record_write_level *l = level(w);
    size_t at = l->packed;

    if (at == 0)
        return WEFT_OK;
    l->packed = 0;
    return insert_length(w, at);
}

// Comes before every field: order, and the end of a packed list that another field follows.
static enum weft_err enter(struct wf_record_writer *w, const struct wf_schema_field *f)
{
    struct wf_record_write_level *l = level(w);

    if (w->depth == 0 || f->number < l->last || (f->number == l->last && !f->repeated))
        return WEFT_E_STATE;
    if (f->number != l->last) {
        enum weft_err err = close_packed(w);
        if (err)
            return err;
        l->required_left -= f->required;
    }
    l->last = f->number;
    return WEFT_OK;
}

static enum weft_err check_value(const struct wf_schema_field *f, const struct wf_value *v)
{
    bool narrow = f->type == WF_TYPE_INT32 || f->type == WF_TYPE_SINT32 ||
                  f->type == WF_TYPE_SFIXED32 || f->type == WF_TYPE_UINT32 ||
                  f->type == WF_TYPE_FIXED32;

    if (v->kind != wf_schema_value_kind(f->type) || v->kind == WF_VALUE_MESSAGE)
        return WEFT_E_TYPE;
    if (narrow && v->kind == WF_VALUE_INT && (v->i < INT32_MIN || v->i > INT32_MAX))
        return WEFT_E_RANGE;
    if (narrow && v->kind == WF_VALUE_UINT && v->u > UINT32_MAX)
        return WEFT_E_RANGE;
    if (f->closed && !wf_schema_enum_by_number(f->enumeration, v->number))
        return WEFT_E_RANGE;
    if (v->kind == WF_VALUE_STRING && !wf_utf8_is_valid(v->bytes))
        return WEFT_E_BAD_UTF8;
    return WEFT_OK;
}

static enum weft_err put_raw(
    struct wf_record_writer *w, enum wf_field_type type, const struct wf_value *v)
{
    uint64_t raw = wf_wire_raw(type, v);
    uint8_t fixed[8];

    switch (wf_wire_type_of(type)) {
    case WF_WIRE_64BIT:
        wf_store_le64(fixed, raw);
        return put(w, fixed, 8);
    case WF_WIRE_32BIT:
        wf_store_le32(fixed, (uint32_t)raw);
        return put(w, fixed, 4);
    default:
        return put_varint(w, raw);
    }
}

static enum weft_err put_text(
    struct wf_record_writer *w, const struct wf_schema_field *f, struct wf_bytes text)
{
    enum weft_err err = put_tag(w, f, WF_WIRE_DELIMITED);

    if (!err)
        err = put_varint(w, text.len);
    return err ? err : put(w, text.ptr, text.len);
}

// Elements follow one tag; the length comes when the list is closed.
static enum weft_err put_packed(
    struct wf_record_writer *w, const struct wf_schema_field *f, const struct wf_value *v)
{
    struct wf_record_write_level *l = level(w);

    if (l->packed == 0) {
        enum weft_err err = spend(w); // readers count the list, too
        if (!err)
            err = put_tag(w, f, WF_WIRE_DELIMITED);
        if (err)
            return err;
        l->packed = w->out->len;
    }
    return put_raw(w, f->type, v);
}

enum weft_err wf_record_write_value(
    struct wf_record_writer *w, const struct wf_schema_field *f, const struct wf_value *v)
{
    enum weft_err err = check_value(f, v);

    if (!err)
        err = enter(w, f);
    if (!err)
        err = spend(w);
    if (err)
        return err;
    if (!f->presence && !f->repeated && !level(w)->message->map_entry && wf_value_is_zero(v))
        return WEFT_OK;
    if (f->packed)
        return put_packed(w, f, v);
    if (v->kind == WF_VALUE_STRING || v->kind == WF_VALUE_BYTES)
        return put_text(w, f, v->bytes);
    err = put_tag(w, f, wf_wire_type_of(f->type));
    return err ? err : put_raw(w, f->type, v);
}

enum weft_err wf_record_write_begin(struct wf_record_writer *w, const struct wf_schema_field *f)
{
    if (f->type != WF_TYPE_MESSAGE)
        return WEFT_E_TYPE;
    if (!f->map && w->messages == WF_MAX_RECORD_DEPTH)
        return WEFT_E_TOO_DEEP;
    enum weft_err err = enter(w, f);
    if (!err)
        err = spend(w);
    if (!err)
        err = put_tag(w, f, WF_WIRE_DELIMITED);
    if (err)
        return err;
    w->messages += !f->map;
    w->levels[w->depth++] = (struct wf_record_write_level){
        .message = f->message,
        .start = w->out->len,
        .required_left = f->message->required_count,
    };
    return WEFT_OK;
}

static enum weft_err close_level(struct wf_record_writer *w)
{
    enum weft_err err = close_packed(w);

    if (err)
        return err;
    return level(w)->required_left ? WEFT_E_MISSING_FIELD : WEFT_OK;
}

enum weft_err wf_record_write_end(struct wf_record_writer *w)
{
    if (w->depth < 2)
        return WEFT_E_STATE;
    enum weft_err err = close_level(w);
    if (err)
        return err;
    err = insert_length(w, level(w)->start);
    if (err)
        return err;
    w->messages -= !level(w)->message->map_entry;
    w->depth--;
    return WEFT_OK;
}

enum weft_err wf_record_write_finish(struct wf_record_writer *w)
{
    if (w->depth != 1)
        return WEFT_E_STATE;
    enum weft_err err = close_level(w);
    if (err)
        return err;
    w->depth = 0;
    return WEFT_OK;
}

void wf_record_write_cancel(struct wf_record_writer *w)
{
    w->out->len = w->start;
    w->depth = 0;
}
