// SPDX-License-Identifier: Apache-2.0
// Rules that need the whole table: maps, well-known types that are what their name says, roles that fit their field.
#include "proto/base/limits.h"
#include "proto/schema/schema_build.h"

// The shape of each well-known type: fields 1..n by type, upper case for a list or map. A set may carry its own
// google.protobuf.Timestamp; readers rely on its fields, so another shape is refused rather than misread.
static const struct known_row {
    const char *name;
    enum wf_known_type known;
    uint8_t count;
    uint8_t types[6];
    bool repeated;
} known_rows[] = {
    { "Timestamp", WF_KNOWN_TIMESTAMP, 2, { WF_TYPE_INT64, WF_TYPE_INT32 }, false },
    { "Duration", WF_KNOWN_DURATION, 2, { WF_TYPE_INT64, WF_TYPE_INT32 }, false },
    { "FieldMask", WF_KNOWN_FIELD_MASK, 1, { WF_TYPE_STRING }, true },
    { "Struct", WF_KNOWN_STRUCT, 1, { WF_TYPE_MESSAGE }, true },
    { "ListValue", WF_KNOWN_LIST_VALUE, 1, { WF_TYPE_MESSAGE }, true },
    { "Value", WF_KNOWN_VALUE, 6,
        { WF_TYPE_ENUM, WF_TYPE_DOUBLE, WF_TYPE_STRING, WF_TYPE_BOOL, WF_TYPE_MESSAGE,
            WF_TYPE_MESSAGE },
        false },
    { "DoubleValue", WF_KNOWN_WRAPPER, 1, { WF_TYPE_DOUBLE }, false },
    { "FloatValue", WF_KNOWN_WRAPPER, 1, { WF_TYPE_FLOAT }, false },
    { "Int64Value", WF_KNOWN_WRAPPER, 1, { WF_TYPE_INT64 }, false },
    { "UInt64Value", WF_KNOWN_WRAPPER, 1, { WF_TYPE_UINT64 }, false },
    { "Int32Value", WF_KNOWN_WRAPPER, 1, { WF_TYPE_INT32 }, false },
    { "UInt32Value", WF_KNOWN_WRAPPER, 1, { WF_TYPE_UINT32 }, false },
    { "BoolValue", WF_KNOWN_WRAPPER, 1, { WF_TYPE_BOOL }, false },
    { "StringValue", WF_KNOWN_WRAPPER, 1, { WF_TYPE_STRING }, false },
    { "BytesValue", WF_KNOWN_WRAPPER, 1, { WF_TYPE_BYTES }, false },
};

static const struct known_row *find_known(const char *full_name)
{
    static const char package[] = "google.protobuf.";

    if (strncmp(full_name, package, sizeof package - 1) != 0)
        return NULL;
    for (size_t i = 0; i < WF_COUNT(known_rows); i++)
        if (strcmp(full_name + sizeof package - 1, known_rows[i].name) == 0)
            return &known_rows[i];
    return NULL;
}

static bool has_shape(const struct wf_schema_message *m, const struct known_row *row)
{
    if (m->field_count != row->count || m->dense != row->count || m->required_count)
        return false;
    for (uint32_t i = 0; i < row->count; i++)
        if (m->fields[i].type != row->types[i] || m->fields[i].repeated != row->repeated)
            return false;
    return true;
}

static bool is_message(const struct wf_schema_field *f, const char *full_name)
{
    return f->message && strcmp(f->message->full_name, full_name) == 0;
}

// Struct, Value and ListValue refer to one another and to nothing else.
static bool has_links(const struct wf_schema_message *m, enum wf_known_type known)
{
    const struct wf_schema_field *f = m->fields;

    if (known == WF_KNOWN_LIST_VALUE)
        return is_message(&f[0], "google.protobuf.Value");
    if (known == WF_KNOWN_STRUCT)
        return f[0].map && f[0].message->fields[0].type == WF_TYPE_STRING &&
               is_message(&f[0].message->fields[1], "google.protobuf.Value");
    if (known == WF_KNOWN_VALUE)
        return f[0].enumeration->null_value && m->oneof_count == 1 && f[0].oneof && f[5].oneof &&
               f[0].oneof->field_count == 6 && is_message(&f[4], "google.protobuf.Struct") &&
               is_message(&f[5], "google.protobuf.ListValue");
    return true;
}

static bool is_map_key(enum wf_field_type type)
{
    return type != WF_TYPE_FLOAT && type != WF_TYPE_DOUBLE && type != WF_TYPE_BYTES &&
           type != WF_TYPE_ENUM && type != WF_TYPE_MESSAGE;
}

static enum weft_err check_map_entry(
    struct wf_schema_build *b, const char *file, const struct wf_schema_message *m)
{
    const struct wf_schema_field *f = m->fields;

    if (m->field_count == 2 && m->dense == 2 && strcmp(f[0].name, "key") == 0 &&
        strcmp(f[1].name, "value") == 0 && is_map_key(f[0].type) && !f[0].repeated &&
        !f[1].repeated && !f[0].oneof && !f[1].oneof && m->required_count == 0)
        return WEFT_OK;
    return wf_build_fail(b, WEFT_E_SCHEMA, file, m->full_name, "malformed map entry");
}

static bool role_fits(const struct wf_schema_field *f)
{
    enum wf_value_kind kind = wf_schema_value_kind(f->type);
    bool whole = kind == WF_VALUE_INT || kind == WF_VALUE_UINT;

    switch (f->role) {
    case WF_ROLE_TIMESTAMP:
        return !f->repeated && (is_message(f, "google.protobuf.Timestamp") || whole);
    case WF_ROLE_GAUGE:
    case WF_ROLE_COUNTER:
        return !f->map && (whole || kind == WF_VALUE_DOUBLE || kind == WF_VALUE_FLOAT ||
                              (f->role == WF_ROLE_GAUGE && kind == WF_VALUE_BOOL));
    case WF_ROLE_LABEL:
        return !f->map &&
               (whole || kind == WF_VALUE_STRING || kind == WF_VALUE_BOOL || kind == WF_VALUE_ENUM);
    default:
        return true;
    }
}

static enum weft_err check_roles(
    struct wf_schema_build *b, const char *file, struct wf_schema_message *m)
{
    for (uint32_t i = 0; i < m->field_count; i++) {
        const struct wf_schema_field *f = &m->fields[i];
        if (!role_fits(f))
            return wf_build_fail(b, WEFT_E_SCHEMA, file, m->full_name,
                "field \"%s\" of type %s can't have role %s", f->name, wf_schema_type_name(f),
                wf_role_name(f->role));
        if (f->role != WF_ROLE_TIMESTAMP)
            continue;
        if (m->time_field)
            return wf_build_fail(b, WEFT_E_SCHEMA, file, m->full_name,
                "both \"%s\" and \"%s\" have role timestamp", m->time_field->name, f->name);
        m->time_field = f;
    }
    return WEFT_OK;
}

enum weft_err wf_build_check(struct wf_schema_build *b)
{
    for (size_t i = 0; i < b->s->message_count; i++) {
        struct wf_schema_message *m = &b->s->messages[i];
        const char *file = b->messages[i].file->pb->name;
        enum weft_err err = m->map_entry ? check_map_entry(b, file, m) : WEFT_OK;
        if (!err)
            err = check_roles(b, file, m);
        if (err)
            return err;
    }
    for (size_t i = 0; i < b->s->message_count; i++) {
        struct wf_schema_message *m = &b->s->messages[i];
        const struct known_row *row = find_known(m->full_name);
        if (!row)
            continue;
        if (!has_shape(m, row) || !has_links(m, row->known))
            return wf_build_fail(b, WEFT_E_SCHEMA, b->messages[i].file->pb->name, m->full_name,
                "not the well-known type of this name");
        m->known = row->known;
    }
    return WEFT_OK;
}
