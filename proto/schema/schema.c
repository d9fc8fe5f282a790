// SPDX-License-Identifier: Apache-2.0
#include "proto/schema/schema.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/base/limits.h"
#include "proto/schema/schema_build.h"

enum weft_err wf_build_fail(struct wf_schema_build *b, enum weft_err err, const char *file,
    const char *element, const char *format, ...)
{
    char reason[WF_DIAG_TEXT];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    if (element)
        wf_diag_set(b->diag, 0, 0, "%s: %s: %s", file, element, reason);
    else
        wf_diag_set(b->diag, 0, 0, "%s: %s", file, reason);
    return err;
}

static enum weft_err decode(struct wf_schema_build *b, struct wf_bytes in)
{
    Google__Protobuf__FileDescriptorSet *set = NULL;

    if (in.len > WF_MAX_DOCUMENT)
        return wf_build_fail(b, WEFT_E_TOO_BIG, "descriptor set", NULL, "%zu bytes, at most %u",
            in.len, WF_MAX_DOCUMENT);
    enum weft_err err = wf_pb_unpack(
        &google__protobuf__file_descriptor_set__descriptor, in, WF_PB_LENIENT, b->scratch, &set);
    if (err)
        return wf_build_fail(
            b, err, "descriptor set", NULL, "not a FileDescriptorSet: %s", weft_err_text(err));
    wf_build_prune(set);
    b->set = set;
    return WEFT_OK;
}

static enum weft_err build(struct wf_schema_build *b)
{
    enum weft_err err = wf_build_fill(b);

    if (err)
        return err;
    err = wf_build_comments(b);
    if (err)
        return err;
    err = wf_build_link(b);
    if (err)
        return err;
    err = wf_build_check(b);
    return err ? err : wf_build_plain(b);
}

// The schema lives in its own arena: once built, the arena moves into it.
enum weft_err wf_schema_compile(
    struct wf_bytes descriptor_set, struct wf_schema **ret_schema, struct wf_diag *diag)
{
    struct wf_arena arena, scratch;
    struct wf_schema_build b = { .arena = &arena, .scratch = &scratch, .diag = diag };
    enum weft_err err = WEFT_E_NOMEM;

    wf_arena_init(&arena, WF_MAX_SCHEMA_TABLE);
    wf_arena_init(&scratch, wf_pb_budget(descriptor_set.len) + WF_MAX_SCHEMA_TABLE);
    b.s = wf_arena_calloc(&arena, 1, sizeof *b.s);
    if (!b.s)
        goto out;
    err = decode(&b, descriptor_set);
    if (err)
        goto out;
    err = build(&b);
    if (err)
        goto out;
    b.s->arena = arena;
    arena = (struct wf_arena){ 0 };
    *ret_schema = b.s;
out:
    wf_arena_fini(&scratch);
    wf_arena_fini(&arena);
    return err;
}

void wf_schema_free(struct wf_schema *schema)
{
    if (!schema)
        return;
    struct wf_arena arena = schema->arena;
    wf_arena_fini(&arena);
}

const void *wf_schema_find_name(
    const struct wf_schema_name *names, size_t count, struct wf_bytes name)
{
    size_t lo = 0, hi = count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = wf_bytes_cmp(name, wf_bytes_str(names[mid].name));
        if (c == 0)
            return names[mid].what;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct wf_schema_message *wf_schema_find_message(
    const struct wf_schema *schema, struct wf_bytes full_name)
{
    return wf_schema_find_name(schema->messages_by_name, schema->message_count, full_name);
}

const struct wf_schema_enum *wf_schema_find_enum(
    const struct wf_schema *schema, struct wf_bytes full_name)
{
    return wf_schema_find_name(schema->enums_by_name, schema->enum_count, full_name);
}

const struct wf_schema_service *wf_schema_find_service(
    const struct wf_schema *schema, struct wf_bytes full_name)
{
    return wf_schema_find_name(schema->services_by_name, schema->service_count, full_name);
}

size_t wf_schema_message_count(const struct wf_schema *schema)
{
    return schema->message_count;
}

const struct wf_schema_message *wf_schema_message_at(const struct wf_schema *schema, size_t i)
{
    return i < schema->message_count ? schema->messages_by_name[i].what : NULL;
}

size_t wf_schema_service_count(const struct wf_schema *schema)
{
    return schema->service_count;
}

const struct wf_schema_service *wf_schema_service_at(const struct wf_schema *schema, size_t i)
{
    return i < schema->service_count ? schema->services_by_name[i].what : NULL;
}

// Most messages number their fields 1, 2, 3…: that part needs no search.
const struct wf_schema_field *wf_schema_field_by_number(
    const struct wf_schema_message *m, uint32_t number)
{
    size_t lo = m->dense, hi = m->field_count;

    if (number - 1 < m->dense)
        return &m->fields[number - 1];
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        uint32_t at = m->fields[mid].number;
        if (at == number)
            return &m->fields[mid];
        if (number < at)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct wf_schema_field *wf_schema_field_by_name(
    const struct wf_schema_message *m, struct wf_bytes name)
{
    return wf_schema_find_name(m->by_name, m->field_count, name);
}

const struct wf_schema_field *wf_schema_field_by_json(
    const struct wf_schema_message *m, struct wf_bytes name)
{
    const struct wf_schema_field *f = wf_schema_find_name(m->by_json_name, m->field_count, name);

    return f ? f : wf_schema_field_by_name(m, name);
}

const struct wf_schema_enum_value *wf_schema_enum_by_number(
    const struct wf_schema_enum *e, int32_t number)
{
    size_t lo = 0, hi = e->value_count;

    while (lo < hi) { // the first of equals
        size_t mid = lo + (hi - lo) / 2;
        if (e->by_number[mid]->number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < e->value_count && e->by_number[lo]->number == number ? e->by_number[lo] : NULL;
}

const struct wf_schema_enum_value *wf_schema_enum_by_name(
    const struct wf_schema_enum *e, struct wf_bytes name)
{
    return wf_schema_find_name(e->by_name, e->value_count, name);
}

const struct wf_schema_method *wf_schema_method_by_name(
    const struct wf_schema_service *s, struct wf_bytes name)
{
    for (size_t i = 0; i < s->method_count; i++)
        if (wf_bytes_is(name, s->methods[i].name))
            return &s->methods[i];
    return NULL;
}

enum wf_value_kind wf_schema_value_kind(enum wf_field_type type)
{
    switch (type) {
    case WF_TYPE_INT32:
    case WF_TYPE_INT64:
    case WF_TYPE_SINT32:
    case WF_TYPE_SINT64:
    case WF_TYPE_SFIXED32:
    case WF_TYPE_SFIXED64:
        return WF_VALUE_INT;
    case WF_TYPE_UINT32:
    case WF_TYPE_UINT64:
    case WF_TYPE_FIXED32:
    case WF_TYPE_FIXED64:
        return WF_VALUE_UINT;
    case WF_TYPE_DOUBLE:
        return WF_VALUE_DOUBLE;
    case WF_TYPE_FLOAT:
        return WF_VALUE_FLOAT;
    case WF_TYPE_BOOL:
        return WF_VALUE_BOOL;
    case WF_TYPE_STRING:
        return WF_VALUE_STRING;
    case WF_TYPE_BYTES:
        return WF_VALUE_BYTES;
    case WF_TYPE_ENUM:
        return WF_VALUE_ENUM;
    case WF_TYPE_MESSAGE:
        return WF_VALUE_MESSAGE;
    }
    return WF_VALUE_NONE;
}

const char *wf_schema_type_name(const struct wf_schema_field *f)
{
    static const char *const names[] = {
        [WF_TYPE_DOUBLE] = "double",
        [WF_TYPE_FLOAT] = "float",
        [WF_TYPE_INT64] = "int64",
        [WF_TYPE_UINT64] = "uint64",
        [WF_TYPE_INT32] = "int32",
        [WF_TYPE_FIXED64] = "fixed64",
        [WF_TYPE_FIXED32] = "fixed32",
        [WF_TYPE_BOOL] = "bool",
        [WF_TYPE_STRING] = "string",
        [WF_TYPE_BYTES] = "bytes",
        [WF_TYPE_UINT32] = "uint32",
        [WF_TYPE_SFIXED32] = "sfixed32",
        [WF_TYPE_SFIXED64] = "sfixed64",
        [WF_TYPE_SINT32] = "sint32",
        [WF_TYPE_SINT64] = "sint64",
    };

    if (f->type == WF_TYPE_MESSAGE)
        return f->message->full_name;
    return f->type == WF_TYPE_ENUM ? f->enumeration->full_name : names[f->type];
}

const char *wf_role_name(enum wf_role role)
{
    static const char *const names[] = { "", "label", "gauge", "counter", "histogram", "timestamp",
        "text" };

    return (size_t)role < WF_COUNT(names) ? names[role] : "";
}

const char *wf_privacy_name(enum wf_privacy privacy)
{
    static const char *const names[] = { "", "public", "internal", "confidential", "personal" };

    return (size_t)privacy < WF_COUNT(names) ? names[privacy] : "";
}
