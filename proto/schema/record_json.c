// SPDX-License-Identifier: Apache-2.0
// A visitor that turns events into JSON. Per level it knows the well-known type it is in: Struct, ListValue and Value open
// and close their brackets with the message and keep silent about the fields inside.
#include "proto/schema/record_json.h"

#include <math.h>
#include <stdio.h>

#include "proto/base/limits.h"
#include "proto/schema/known.h"
#include "proto/schema/record_wire.h"

struct level {
    const struct wf_schema_message *message;
    uint32_t next; // first field not yet spoken of, for always_print_fields
    bool printed;  // a Value has had its value
};

struct printer {
    struct wf_json_out *o;
    struct wf_record_json_options options;
    const struct wf_schema_field *only; // wf_record_field_json: nothing but this field
    struct level levels[WF_MAX_RECORD_DEPTH + 1];
};

static const char *name_of(const struct printer *p, const struct wf_schema_field *f)
{
    return p->options.proto_names ? f->name : f->json_name;
}

static void print_enum(struct printer *p, const struct wf_schema_enum *type, int32_t number)
{
    const struct wf_schema_enum_value *v = wf_schema_enum_by_number(type, number);

    if (type->null_value)
        wf_json_out_null(p->o);
    else if (v)
        wf_json_out_string(p->o, wf_bytes_str(v->name));
    else
        wf_json_out_int(p->o, number);
}

// 64-bit integers are strings, because JavaScript's numbers are doubles.
static void print_long(struct printer *p, const struct wf_value *v)
{
    char text[24];
    int n = v->kind == WF_VALUE_INT ? snprintf(text, sizeof text, "%lld", (long long)v->i)
                                    : snprintf(text, sizeof text, "%llu", (unsigned long long)v->u);

    wf_json_out_string(p->o, wf_bytes(text, (size_t)n));
}

static bool is_long(enum wf_field_type type)
{
    return type == WF_TYPE_INT64 || type == WF_TYPE_UINT64 || type == WF_TYPE_SINT64 ||
           type == WF_TYPE_FIXED64 || type == WF_TYPE_SFIXED64;
}

static void print_scalar(
    struct printer *p, const struct wf_schema_field *type, const struct wf_value *v)
{
    switch (v->kind) {
    case WF_VALUE_BOOL:
        wf_json_out_bool(p->o, v->b);
        break;
    case WF_VALUE_INT:
    case WF_VALUE_UINT:
        if (is_long(type->type))
            print_long(p, v);
        else if (v->kind == WF_VALUE_INT)
            wf_json_out_int(p->o, v->i);
        else
            wf_json_out_uint(p->o, v->u);
        break;
    case WF_VALUE_FLOAT:
        wf_json_out_float(p->o, v->f);
        break;
    case WF_VALUE_DOUBLE:
        wf_json_out_double(p->o, v->d);
        break;
    case WF_VALUE_ENUM:
        print_enum(p, type->enumeration, v->number);
        break;
    case WF_VALUE_STRING:
        wf_json_out_string(p->o, v->bytes);
        break;
    case WF_VALUE_BYTES:
        wf_json_out_base64(p->o, v->bytes);
        break;
    default:
        wf_json_out_fail(p->o, WEFT_E_INTERNAL);
        break;
    }
}

static void print_map_key(struct printer *p, const struct wf_value *key)
{
    char text[24];
    int n = 0;

    if (key->kind == WF_VALUE_STRING) {
        wf_json_out_key(p->o, key->bytes);
        return;
    }
    if (key->kind == WF_VALUE_INT)
        n = snprintf(text, sizeof text, "%lld", (long long)key->i);
    else if (key->kind == WF_VALUE_UINT)
        n = snprintf(text, sizeof text, "%llu", (unsigned long long)key->u);
    else
        n = snprintf(text, sizeof text, "%s", key->b ? "true" : "false");
    wf_json_out_key(p->o, wf_bytes(text, (size_t)n));
}

static void print_default(struct printer *p, const struct wf_schema_field *f)
{
    wf_json_out_key(p->o, wf_bytes_str(name_of(p, f)));
    if (!f->repeated) {
        print_scalar(p, f, &f->default_value);
        return;
    }
    if (f->map)
        wf_json_out_object(p->o);
    else
        wf_json_out_array(p->o);
    wf_json_out_end(p->o);
}

// Speaks of the fields that were passed over on the way to `end`.
static void print_absent(struct printer *p, struct level *l, uint32_t end)
{
    for (; p->options.always_print_fields && l->next < end; l->next++)
        if (!l->message->fields[l->next].presence)
            print_default(p, &l->message->fields[l->next]);
    l->next = end;
}

static bool is_silent(enum wf_known_type known)
{
    return known == WF_KNOWN_STRUCT || known == WF_KNOWN_LIST_VALUE || known == WF_KNOWN_VALUE;
}

// The key of a value, unless it is the record, a list's element, or inside a type that has no keys of its own.
static void print_key(struct printer *p, const struct wf_record_event *e)
{
    bool element = e->what != WF_RECORD_LIST && e->what != WF_RECORD_MAP;

    if (e->depth == 0)
        return;
    struct level *l = &p->levels[e->depth - 1];
    l->printed = true;
    if (e->key) {
        print_map_key(p, e->key);
        return;
    }
    if (is_silent(l->message->known) || (e->field->repeated && element))
        return;
    if (p->only && e->depth == 1)
        return;
    print_absent(p, l, (uint32_t)(e->field - l->message->fields));
    l->next++;
    wf_json_out_key(p->o, wf_bytes_str(name_of(p, e->field)));
}

static enum weft_err print_moment(struct printer *p, const struct wf_record_event *e)
{
    char text[WF_MOMENT_TEXT];
    struct wf_moment t = { 0 };
    bool stamp = e->message->known == WF_KNOWN_TIMESTAMP;
    enum weft_err err = wf_moment_read(e->value.bytes, &t);

    if (err)
        return err;
    if (stamp ? !wf_timestamp_is_valid(t) : !wf_known_duration_is_valid(t))
        return wf_record_refuse(
            e, WEFT_E_RANGE, "%s out of range", stamp ? "Timestamp" : "Duration");
    size_t len = stamp ? wf_timestamp_print(t, text) : wf_known_duration_print(t, text);
    wf_json_out_string(p->o, wf_bytes(text, len));
    return WEFT_OK;
}

static enum weft_err append_mask_path(struct wf_bytes path, struct wf_buf *out)
{
    enum weft_err err = out->len ? wf_buf_append_byte(out, ',') : WEFT_OK;

    return err ? err : wf_mask_path_to_json(path, out);
}

static enum weft_err print_mask(struct printer *p, const struct wf_record_event *e)
{
    struct wf_bytes in = e->value.bytes;
    struct wf_buf text = { 0 };
    enum weft_err err = WEFT_OK;

    while (in.len && !err) {
        struct wf_wire_field w;
        err = wf_wire_take(&in, &w);
        if (err || w.number != 1)
            continue;
        err = w.wire == WF_WIRE_DELIMITED ? append_mask_path(w.bytes, &text) : WEFT_E_TYPE;
    }
    if (err == WEFT_E_RANGE)
        wf_record_refuse(e, err, "a path of the FieldMask has no JSON form");
    if (!err)
        wf_json_out_string(p->o, wf_buf_view(&text));
    wf_buf_fini(&text);
    return err;
}

static enum weft_err print_wrapper(struct printer *p, const struct wf_record_event *e)
{
    const struct wf_schema_field *f = &e->message->fields[0];
    struct wf_record_path path = { .message = e->message, .fields = { f }, .count = 1 };
    struct wf_value v;
    enum weft_err err = wf_record_get(&path, e->value.bytes, &v, NULL);

    if (err)
        return err;
    print_scalar(p, f, &v);
    return WEFT_OK;
}

static enum weft_err begin_message(struct printer *p, const struct wf_record_event *e, bool *skip)
{
    p->levels[e->depth] = (struct level){ .message = e->message };
    print_key(p, e);
    switch (e->message->known) {
    case WF_KNOWN_TIMESTAMP:
    case WF_KNOWN_DURATION:
        *skip = true;
        return print_moment(p, e);
    case WF_KNOWN_FIELD_MASK:
        *skip = true;
        return print_mask(p, e);
    case WF_KNOWN_WRAPPER:
        *skip = true;
        return print_wrapper(p, e);
    case WF_KNOWN_LIST_VALUE:
        wf_json_out_array(p->o);
        return WEFT_OK;
    case WF_KNOWN_VALUE:
        return WEFT_OK;
    default:
        wf_json_out_object(p->o);
        return WEFT_OK;
    }
}

static void end_message(struct printer *p, const struct wf_record_event *e)
{
    struct level *l = &p->levels[e->depth];

    if (e->message->known == WF_KNOWN_VALUE) {
        if (!l->printed)
            wf_json_out_null(p->o);
        return;
    }
    if (!is_silent(e->message->known))
        print_absent(p, l, e->message->field_count);
    wf_json_out_end(p->o);
}

static enum weft_err print_value(struct printer *p, const struct wf_record_event *e)
{
    if (p->levels[e->depth - 1].message->known == WF_KNOWN_VALUE &&
        e->value.kind == WF_VALUE_DOUBLE && !isfinite(e->value.d))
        return wf_record_refuse(e, WEFT_E_RANGE, "a Value has no NaN and no infinity");
    print_key(p, e);
    print_scalar(p, e->type, &e->value);
    return WEFT_OK;
}

// Lists and maps, but for the one inside a Struct or ListValue, whose brackets the message has made.
static void print_bound(struct printer *p, const struct wf_record_event *e)
{
    if (is_silent(p->levels[e->depth - 1].message->known))
        return;
    if (e->what == WF_RECORD_LIST_END || e->what == WF_RECORD_MAP_END) {
        wf_json_out_end(p->o);
        return;
    }
    print_key(p, e);
    if (e->what == WF_RECORD_MAP)
        wf_json_out_object(p->o);
    else
        wf_json_out_array(p->o);
}

static enum weft_err print_event(void *ctx, const struct wf_record_event *e, bool *skip)
{
    struct printer *p = ctx;
    enum weft_err err = WEFT_OK;

    switch (e->what) {
    case WF_RECORD_MESSAGE:
        err = begin_message(p, e, skip);
        break;
    case WF_RECORD_MESSAGE_END:
        end_message(p, e);
        break;
    case WF_RECORD_VALUE:
        err = print_value(p, e);
        break;
    default:
        print_bound(p, e);
        break;
    }
    return err ? err : p->o->err;
}

enum weft_err wf_record_json_out(const struct wf_schema_message *m, struct wf_bytes record,
    const struct wf_record_json_options *options, struct wf_json_out *o, struct wf_diag *diag)
{
    struct printer p; // levels are set as they are entered

    p.o = o;
    p.options = options ? *options : (struct wf_record_json_options){ 0 };
    p.only = NULL;
    enum weft_err err = wf_record_read(m, record, p.options.budget, print_event, &p, NULL, diag);
    wf_json_out_fail(o, err);
    return err;
}

enum weft_err wf_record_json(const struct wf_schema_message *m, struct wf_bytes record,
    const struct wf_record_json_options *options, struct wf_buf *out, struct wf_diag *diag)
{
    struct wf_json_out o;

    wf_json_out_init(&o, out, WF_MAX_JSON, options ? options->indent : 0);
    enum weft_err err = wf_record_json_out(m, record, options, &o, diag);
    enum weft_err done = wf_json_out_done(&o);
    return err ? err : done;
}

// Everything at the top level but the one field is passed over; a skipped message takes its content with it.
static enum weft_err print_only(void *ctx, const struct wf_record_event *e, bool *skip)
{
    struct printer *p = ctx;

    if (e->depth == 0) {
        p->levels[0] = (struct level){ .message = e->message };
        return WEFT_OK;
    }
    if (e->depth == 1 && e->field != p->only) {
        *skip = true;
        return WEFT_OK;
    }
    return print_event(ctx, e, skip);
}

enum weft_err wf_record_field_json(const struct wf_schema_message *m,
    const struct wf_schema_field *field, struct wf_bytes record, struct wf_buf *out,
    struct wf_diag *diag)
{
    struct wf_json_out o;
    struct printer p;

    wf_json_out_init(&o, out, WF_MAX_JSON, 0);
    p.o = &o;
    p.options = (struct wf_record_json_options){ 0 };
    p.only = field;
    enum weft_err err = wf_record_read(m, record, NULL, print_only, &p, NULL, diag);
    wf_json_out_fail(&o, err);
    if (!err && !o.complete)
        wf_json_out_null(&o);
    enum weft_err done = wf_json_out_done(&o);
    return err ? err : done;
}
