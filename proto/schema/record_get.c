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
    struct wf_value value;
    unsigned pieces; // how often the field was met since it was last cleared
    size_t elements;
};

// level is bounded by the path's length.
static enum weft_err scan(
    struct search *s, unsigned level, const struct wf_schema_message *m, struct wf_bytes in)
{
    const struct wf_schema_field *want = s->path->fields[level];
    bool last = level + 1 == s->path->count;

    while (in.len) {
        struct wf_wire_field w;
        enum weft_err err = wf_wire_take(&in, &w);
        if (err)
            return err;
        if (s->elements-- == 0)
            return WEFT_E_BUDGET;
        const struct wf_schema_field *f =
            w.number == want->number ? want : wf_schema_field_by_number(m, w.number);
        if (f && !wf_wire_fits(f, w.wire))
            return WEFT_E_TYPE;
        if (f && f->closed && w.wire == WF_WIRE_VARINT &&
            !wf_schema_enum_by_number(f->enumeration, (int32_t)(uint32_t)w.raw))
            continue; // an unknown field
        if (f && f != want && f->oneof && f->oneof == want->oneof)
            s->pieces = 0;
        if (f != want)
            continue;
        if (last) {
            s->value = wf_wire_value(f->type, &w);
            s->pieces++;
        } else {
            err = scan(s, level + 1, f->message, w.bytes);
        }
        if (err)
            return err;
    }
    return WEFT_OK;
}

enum weft_err wf_record_get(const struct wf_record_path *path, struct wf_bytes record,
    struct wf_value *ret_value, bool *ret_present)
{
    struct search s = { .path = path, .elements = WF_MAX_RECORD_ELEMENTS };
    const struct wf_schema_field *f = path->fields[path->count - 1];

    enum weft_err err = scan(&s, 0, path->message, record);
    if (err)
        return err;
    if (s.pieces && s.value.kind == WF_VALUE_STRING && !wf_utf8_is_valid(s.value.bytes))
        return WEFT_E_BAD_UTF8;
    if (s.pieces > 1 && f->type == WF_TYPE_MESSAGE)
        return WEFT_E_UNSUPPORTED;
    if (ret_present)
        *ret_present = s.pieces && (f->presence || !wf_value_is_zero(&s.value));
    *ret_value = s.pieces ? s.value : f->default_value;
    return WEFT_OK;
}

static enum weft_err get_one(
    const struct wf_record_path *base, uint32_t field, struct wf_bytes record, struct wf_value *ret)
{
    struct wf_record_path path = *base;

    path.fields[path.count] = &path.fields[path.count - 1]->message->fields[field];
    path.count++;
    return wf_record_get(&path, record, ret, NULL);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

enum weft_err wf_record_time(
    const struct wf_schema_message *m, struct wf_bytes record, int64_t *ret_unix_ms)
{
    struct wf_record_path path = { .message = m, .fields = { m->time_field }, .count = 1 };
    struct wf_value seconds, nanos, v;
    bool present = false;

    if (!m->time_field)
        return WEFT_E_NOT_FOUND;
    if (m->time_field->type != WF_TYPE_MESSAGE) {
        enum weft_err err = wf_record_get(&path, record, &v, &present);
        if (err)
            return err;
        if (!present || (v.kind == WF_VALUE_UINT && v.u > INT64_MAX))
            return present ? WEFT_E_RANGE : WEFT_E_NOT_FOUND;
        *ret_unix_ms = v.kind == WF_VALUE_UINT ? (int64_t)v.u : v.i;
        return WEFT_OK;
    }
    enum weft_err err = wf_record_get(&path, record, &v, &present);
    if (err && err != WEFT_E_UNSUPPORTED)
        return err;
    if (!err && !present)
        return WEFT_E_NOT_FOUND;
    err = get_one(&path, 0, record, &seconds);
    if (!err)
        err = get_one(&path, 1, record, &nanos);
    if (err)
        return err;
    if (seconds.i < WF_TIMESTAMP_MIN_S || seconds.i > WF_TIMESTAMP_MAX_S)
        return WEFT_E_RANGE;
    *ret_unix_ms = seconds.i * 1000 + floor_div(nanos.i, 1000000);
    return WEFT_OK;
}
