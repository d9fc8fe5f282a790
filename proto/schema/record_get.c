// SPDX-License-Identifier: Apache-2.0
// Single fields of a record without visiting the rest: the last occurrence wins, level by level, and another member of a oneof
// clears what was found. That is what merging would give, without building the merge.
#include "proto/base/limits.h"
#include "proto/schema/known.h"
#include "proto/schema/record.h"
#include "proto/schema/record_wire.h"

enum weft_err wf_record_path_compile(const struct wf_schema_message *m, struct wf_bytes path,
    struct wf_record_path *ret_path, struct wf_diag *diag)
{
    struct wf_record_path out = { .message = m };

    for (;;) {
        const uint8_t *dot = path.len ? memchr(path.ptr, '.', path.len) : NULL;
        struct wf_bytes name = wf_bytes(path.ptr, dot ? (size_t)(dot - path.ptr) : path.len);
        const struct wf_schema_field *f = wf_schema_field_by_name(m, name);
        if (!f) {
            wf_diag_set(diag, 0, 0, "%s has no field \"%.*s\"", m->full_name,
                (int)(name.len < 64 ? name.len : 64), name.len ? (const char *)name.ptr : "");
            return WEFT_E_NOT_FOUND;
        }
        if (f->repeated) {
            wf_diag_set(diag, 0, 0, "%s.%s is a list or map", m->full_name, f->name);
            return WEFT_E_TYPE;
        }
        if (out.count == WF_COUNT(out.fields))
            return WEFT_E_TOO_DEEP;
        out.fields[out.count++] = f;
        if (!dot)
            break;
        if (f->type != WF_TYPE_MESSAGE) {
            wf_diag_set(diag, 0, 0, "%s.%s is no message", m->full_name, f->name);
            return WEFT_E_TYPE;
        }
        m = f->message;
        path = wf_bytes(dot + 1, path.len - name.len - 1);
    }
    *ret_path = out;
    return WEFT_OK;
}

struct search {
    const struct wf_record_path *path;
    struct wf_record_slot found;
    size_t elements;
};

// The next field of the record as the schema knows it, NULL when it does not. `hint`: which one it probably is, NULL for none.
static enum weft_err take_field(const struct wf_schema_message *m,
    const struct wf_schema_field *hint, struct wf_bytes *in, struct wf_wire_field *w,
    const struct wf_schema_field **ret)
{
    enum weft_err err = wf_wire_take(in, w);

    if (err)
        return err;
    const struct wf_schema_field *f =
        hint && w->number == hint->number ? hint : wf_schema_field_by_number(m, w->number);
    if (f && !wf_wire_fits(f, w->wire))
        return WEFT_E_TYPE;
    if (f && f->closed && w->wire == WF_WIRE_VARINT &&
        !wf_schema_enum_by_number(f->enumeration, (int32_t)(uint32_t)w->raw))
        f = NULL; // an unknown field
    *ret = f;
    return WEFT_OK;
}

// level is bounded by the path's length.
static enum weft_err scan(
    struct search *s, unsigned level, const struct wf_schema_message *m, struct wf_bytes in)
{
    const struct wf_schema_field *want = s->path->fields[level];
    bool last = level + 1 == s->path->count;

    while (in.len) {
        struct wf_wire_field w;
        const struct wf_schema_field *f = NULL;
        if (s->elements-- == 0)
            return WEFT_E_BUDGET;
        enum weft_err err = take_field(m, want, &in, &w, &f);
        if (err)
            return err;
        if (f && f != want && f->oneof && f->oneof == want->oneof)
            s->found.pieces = 0;
        if (f != want)
            continue;
        if (last) {
            s->found.value = wf_wire_value(f->type, &w);
            s->found.pieces++;
        } else {
            err = scan(s, level + 1, f->message, w.bytes);
        }
        if (err)
            return err;
    }
    return WEFT_OK;
}

enum weft_err wf_record_slot_get(const struct wf_schema_field *f, const struct wf_record_slot *slot,
    struct wf_value *ret_value, bool *ret_present)
{
    const struct wf_value *v = &slot->value;

    if (slot->pieces && v->kind == WF_VALUE_STRING && !wf_utf8_is_valid(v->bytes))
        return WEFT_E_BAD_UTF8;
    if (slot->pieces > 1 && f->type == WF_TYPE_MESSAGE)
        return WEFT_E_UNSUPPORTED;
    if (ret_present)
        *ret_present = slot->pieces && (f->presence || !wf_value_is_zero(v));
    *ret_value = slot->pieces ? *v : f->default_value;
    return WEFT_OK;
}

enum weft_err wf_record_slot(
    const struct wf_record_path *path, struct wf_bytes record, struct wf_record_slot *ret)
{
    struct search s = { .path = path, .elements = WF_MAX_RECORD_ELEMENTS };
    enum weft_err err = scan(&s, 0, path->message, record);

    if (!err)
        *ret = s.found;
    return err;
}

enum weft_err wf_record_get(const struct wf_record_path *path, struct wf_bytes record,
    struct wf_value *ret_value, bool *ret_present)
{
    struct wf_record_slot found;
    enum weft_err err = wf_record_slot(path, record, &found);

    return err ? err
               : wf_record_slot_get(path->fields[path->count - 1], &found, ret_value, ret_present);
}

static void clear_others(const struct wf_schema_message *m, const struct wf_schema_field *f,
    struct wf_record_slot *slots)
{
    for (uint32_t i = 0; i < m->field_count; i++)
        if (m->fields[i].oneof == f->oneof && &m->fields[i] != f)
            slots[i].pieces = 0;
}

enum weft_err wf_record_slots(
    const struct wf_schema_message *m, struct wf_bytes record, struct wf_record_slot *slots)
{
    size_t elements = WF_MAX_RECORD_ELEMENTS;
    uint32_t next = 0; // writers put fields in order

    for (uint32_t i = 0; i < m->field_count; i++)
        slots[i].pieces = 0;
    while (record.len) {
        struct wf_wire_field w;
        const struct wf_schema_field *f = NULL;
        if (elements-- == 0)
            return WEFT_E_BUDGET;
        enum weft_err err =
            take_field(m, next < m->field_count ? &m->fields[next] : NULL, &record, &w, &f);
        if (err)
            return err;
        if (!f)
            continue;
        next = (uint32_t)(f - m->fields) + 1;
        if (f->oneof)
            clear_others(m, f, slots);
        slots[next - 1].pieces++;
        if (!f->repeated)
            slots[next - 1].value = wf_wire_value(f->type, &w);
    }
    return WEFT_OK;
}

// Seconds and nanos by paths of their own: so a Timestamp in several pieces is merged like any message.
enum weft_err wf_record_get_moment(const struct wf_record_path *path, struct wf_bytes record,
    struct wf_moment *ret_moment, bool *ret_present)
{
    const struct wf_schema_message *m = path->fields[path->count - 1]->message;
    struct wf_record_path part = *path;
    struct wf_value whole, seconds, nanos;
    bool present = true;

    if (!m || (m->known != WF_KNOWN_TIMESTAMP && m->known != WF_KNOWN_DURATION))
        return WEFT_E_TYPE;
    if (part.count == WF_COUNT(part.fields))
        return WEFT_E_TOO_DEEP;
    enum weft_err err = wf_record_get(path, record, &whole, &present);
    if (err && err != WEFT_E_UNSUPPORTED)
        return err;
    part.fields[part.count++] = &m->fields[0];
    err = wf_record_get(&part, record, &seconds, NULL);
    if (err)
        return err;
    part.fields[part.count - 1] = &m->fields[1];
    err = wf_record_get(&part, record, &nanos, NULL);
    if (err)
        return err;
    *ret_moment = (struct wf_moment){ seconds.i, (int32_t)nanos.i };
    if (ret_present)
        *ret_present = present;
    return WEFT_OK;
}

// Unix milliseconds to microseconds, within the years that RFC 3339 has.
static enum weft_err from_ms(const struct wf_value *v, int64_t *ret_unix_us)
{
    const int64_t min = WF_TIMESTAMP_MIN_S * 1000, max = WF_TIMESTAMP_MAX_S * 1000 + 999;

    if (v->kind == WF_VALUE_UINT ? v->u > (uint64_t)max : v->i < min || v->i > max)
        return WEFT_E_RANGE;
    *ret_unix_us = (v->kind == WF_VALUE_UINT ? (int64_t)v->u : v->i) * 1000;
    return WEFT_OK;
}

static enum weft_err own_time(
    const struct wf_schema_message *m, struct wf_bytes record, int64_t *ret_unix_us)
{
    struct wf_record_path path; // not zeroed: asked for every record that is published
    struct wf_moment t = { 0 };
    struct wf_value v = { 0 };
    bool present = false;
    enum weft_err err = WEFT_OK;

    path.message = m;
    path.fields[0] = m->time_field;
    path.count = 1;
    if (m->time_field->type == WF_TYPE_MESSAGE)
        err = wf_record_get_moment(&path, record, &t, &present);
    else
        err = wf_record_get(&path, record, &v, &present);
    if (err)
        return err;
    if (!present)
        return WEFT_E_NOT_FOUND;
    if (m->time_field->type != WF_TYPE_MESSAGE)
        return from_ms(&v, ret_unix_us);
    if (!wf_timestamp_is_valid(t))
        return WEFT_E_RANGE;
    *ret_unix_us = t.seconds * 1000000 + t.nanos / 1000;
    return WEFT_OK;
}

enum weft_err wf_record_time(
    const struct wf_schema_message *m, struct wf_bytes record, int64_t *ret_unix_us)
{
    return m->time_field ? own_time(m, record, ret_unix_us) : WEFT_E_NOT_FOUND;
}
