// SPDX-License-Identifier: Apache-2.0
// Names become pointers, fields get their order and indexes. After this stage a message's fields no longer pair up with its
// descriptor's.
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/schema/schema_build.h"

static int cmp_name(const void *a, const void *b)
{
    return strcmp(
        ((const struct wf_schema_name *)a)->name, ((const struct wf_schema_name *)b)->name);
}

const char *wf_build_sort_names(struct wf_schema_name *names, size_t count)
{
    if (count)
        qsort(names, count, sizeof *names, cmp_name);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1].name, names[i].name) == 0)
            return names[i].name;
    return NULL;
}

// Messages, enums and services share one space of names.
static enum weft_err check_symbols(struct wf_schema_build *b)
{
    const struct wf_schema *s = b->s;
    size_t count = s->message_count + s->enum_count + s->service_count, n = 0;
    struct wf_schema_name *all = wf_arena_calloc(b->scratch, count, sizeof *all);

    if (!all)
        return wf_arena_err(b->scratch);
    for (size_t i = 0; i < s->message_count; i++)
        all[n++].name = s->messages[i].full_name;
    for (size_t i = 0; i < s->enum_count; i++)
        all[n++].name = s->enums[i].full_name;
    for (size_t i = 0; i < s->service_count; i++)
        all[n++].name = s->services[i].full_name;
    const char *twice = wf_build_sort_names(all, n);
    if (twice)
        return wf_build_fail(b, WEFT_E_EXISTS, "descriptor set", twice, "defined twice");
    return WEFT_OK;
}

static enum weft_err index_symbols(struct wf_schema_build *b)
{
    struct wf_schema *s = b->s;
    struct wf_schema_name *messages, *enums, *services;

    messages = wf_arena_calloc(b->arena, s->message_count, sizeof *messages);
    enums = wf_arena_calloc(b->arena, s->enum_count, sizeof *enums);
    services = wf_arena_calloc(b->arena, s->service_count, sizeof *services);
    if (!messages || !enums || !services)
        return wf_arena_err(b->arena);
    for (size_t i = 0; i < s->message_count; i++)
        messages[i] = (struct wf_schema_name){ s->messages[i].full_name, &s->messages[i] };
    for (size_t i = 0; i < s->enum_count; i++)
        enums[i] = (struct wf_schema_name){ s->enums[i].full_name, &s->enums[i] };
    for (size_t i = 0; i < s->service_count; i++)
        services[i] = (struct wf_schema_name){ s->services[i].full_name, &s->services[i] };
    wf_build_sort_names(messages, s->message_count);
    wf_build_sort_names(enums, s->enum_count);
    wf_build_sort_names(services, s->service_count);
    s->messages_by_name = messages;
    s->enums_by_name = enums;
    s->services_by_name = services;
    return check_symbols(b);
}

// protoc writes every type name in full, with a leading dot; anything else is not looked for.
static struct wf_bytes full_name(const char *type_name)
{
    if (!type_name || type_name[0] != '.')
        return (struct wf_bytes){ 0 };
    return wf_bytes_str(type_name + 1);
}

static enum weft_err link_field(struct wf_schema_build *b, const struct wf_build_message *m,
    const Google__Protobuf__FieldDescriptorProto *pb, struct wf_schema_field *f)
{
    const char *file = m->file->pb->name;
    struct wf_bytes name = full_name(pb->type_name);

    if (f->type == WF_TYPE_MESSAGE)
        f->message = wf_schema_find_message(b->s, name);
    if (f->type == WF_TYPE_ENUM)
        f->enumeration = wf_schema_find_enum(b->s, name);
    bool named = f->type == WF_TYPE_MESSAGE || f->type == WF_TYPE_ENUM;
    if (named && !f->message && !f->enumeration)
        return wf_build_fail(b, WEFT_E_TYPE, file, f->name, "no such %s: \"%.128s\"",
            f->type == WF_TYPE_ENUM ? "enum" : "message", pb->type_name ? pb->type_name : "");
    if (!named && pb->type_name)
        return wf_build_fail(
            b, WEFT_E_SCHEMA, file, f->name, "a scalar field can't name a message or enum");
    if (f->message && strcmp(f->message->full_name, "google.protobuf.Any") == 0)
        return wf_build_fail(b, WEFT_E_SCHEMA, file, f->name,
            "google.protobuf.Any is not supported: a record is described by its own schema alone");
    f->map = f->message && f->message->map_entry;
    if (f->map && !f->repeated)
        return wf_build_fail(b, WEFT_E_SCHEMA, file, f->name, "a map entry must be repeated");
    enum weft_err err = wf_build_options(b, file, pb, f);
    if (err)
        return err;
    return wf_build_default(b, file, pb, f);
}

static enum weft_err link_methods(struct wf_schema_build *b, const struct wf_build_file *file)
{
    for (size_t i = 0; i < file->pb->n_service; i++) {
        const Google__Protobuf__ServiceDescriptorProto *pb = file->pb->service[i];
        const struct wf_schema_service *s = &b->s->services[file->first_service + i];
        struct wf_schema_method *methods = &b->methods[s->methods - b->methods];
        struct wf_schema_name *names = wf_arena_calloc(b->scratch, pb->n_method, sizeof *names);
        if (!names)
            return wf_arena_err(b->scratch);
        for (size_t k = 0; k < pb->n_method; k++) {
            struct wf_schema_method *m = &methods[k];
            m->input = wf_schema_find_message(b->s, full_name(pb->method[k]->input_type));
            m->output = wf_schema_find_message(b->s, full_name(pb->method[k]->output_type));
            if (!m->input || !m->output)
                return wf_build_fail(b, WEFT_E_TYPE, file->pb->name, m->name,
                    "the input or output message of the method is not in the set");
            names[k].name = m->name;
        }
        const char *twice = wf_build_sort_names(names, pb->n_method);
        if (twice)
            return wf_build_fail(b, WEFT_E_EXISTS, file->pb->name, twice, "method defined twice");
    }
    return WEFT_OK;
}

static int cmp_field_number(const void *a, const void *b)
{
    uint32_t x = ((const struct wf_schema_field *)a)->number;
    uint32_t y = ((const struct wf_schema_field *)b)->number;

    return x < y ? -1 : x > y;
}

static enum weft_err index_names(
    struct wf_schema_build *b, const char *file, struct wf_schema_message *m, bool json)
{
    struct wf_schema_name *names = wf_arena_calloc(b->arena, m->field_count, sizeof *names);

    if (!names)
        return wf_arena_err(b->arena);
    for (uint32_t i = 0; i < m->field_count; i++) {
        const struct wf_schema_field *f = &m->fields[i];
        names[i] = (struct wf_schema_name){ json ? f->json_name : f->name, f };
    }
    const char *twice = wf_build_sort_names(names, m->field_count);
    if (twice)
        return wf_build_fail(b, WEFT_E_EXISTS, file, m->full_name, "two fields have the %s \"%s\"",
            json ? "JSON name" : "name", twice);
    if (json)
        m->by_json_name = names;
    else
        m->by_name = names;
    return WEFT_OK;
}

// Members of a oneof share the index of the first of them; the scratch table finds it by oneof.
static enum weft_err group_fields(
    struct wf_schema_build *b, const struct wf_build_message *m, uint32_t count)
{
    uint32_t *first = wf_arena_alloc(b->scratch, m->pb->n_oneof_decl * sizeof *first);

    if (!first)
        return wf_arena_err(b->scratch);
    for (uint32_t i = count; i-- > 0;)
        if (m->fields[i].oneof)
            first[m->fields[i].oneof - m->oneofs] = i;
    for (uint32_t i = 0; i < count; i++)
        m->fields[i].group = m->fields[i].oneof ? first[m->fields[i].oneof - m->oneofs] : i;
    return WEFT_OK;
}

static enum weft_err index_fields(
    struct wf_schema_build *b, struct wf_build_message *from, struct wf_schema_message *m)
{
    const char *file = from->file->pb->name;

    if (m->field_count)
        qsort(from->fields, m->field_count, sizeof *from->fields, cmp_field_number);
    for (uint32_t i = 0; i < m->field_count; i++) {
        if (i && m->fields[i].number == m->fields[i - 1].number)
            return wf_build_fail(b, WEFT_E_EXISTS, file, m->full_name,
                "fields \"%s\" and \"%s\" have the same number %u", m->fields[i - 1].name,
                m->fields[i].name, m->fields[i].number);
        m->required_count += m->fields[i].required;
        if (m->fields[i].number == i + 1 && m->dense == i)
            m->dense = i + 1;
    }
    enum weft_err err = index_names(b, file, m, false);
    if (err)
        return err;
    err = index_names(b, file, m, true);
    if (err)
        return err;
    return group_fields(b, from, m->field_count);
}

// qsort is not stable: equal numbers keep the order of their places, which is that of declaration.
static int cmp_value_number(const void *a, const void *b)
{
    const struct wf_schema_enum_value *x = *(const struct wf_schema_enum_value *const *)a;
    const struct wf_schema_enum_value *y = *(const struct wf_schema_enum_value *const *)b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x < y ? -1 : x > y;
}

static enum weft_err index_enum(struct wf_schema_build *b, struct wf_schema_enum *e)
{
    const struct wf_schema_enum_value **by_number =
        wf_arena_calloc(b->arena, e->value_count, sizeof *by_number);
    struct wf_schema_name *by_name = wf_arena_calloc(b->arena, e->value_count, sizeof *by_name);

    if (!by_number || !by_name)
        return wf_arena_err(b->arena);
    for (size_t i = 0; i < e->value_count; i++) {
        by_number[i] = &e->values[i];
        by_name[i] = (struct wf_schema_name){ e->values[i].name, &e->values[i] };
    }
    qsort(by_number, e->value_count, sizeof *by_number, cmp_value_number);
    const char *twice = wf_build_sort_names(by_name, e->value_count);
    if (twice)
        return wf_build_fail(
            b, WEFT_E_EXISTS, "descriptor set", e->full_name, "two values are named \"%s\"", twice);
    e->by_number = by_number;
    e->by_name = by_name;
    return WEFT_OK;
}

static enum weft_err link_messages(struct wf_schema_build *b)
{
    for (size_t i = 0; i < b->s->message_count; i++) {
        struct wf_build_message *m = &b->messages[i];
        for (size_t k = 0; k < m->pb->n_field; k++) {
            enum weft_err err = link_field(b, m, m->pb->field[k], &m->fields[k]);
            if (err)
                return err;
        }
    }
    for (size_t i = 0; i < b->s->message_count; i++) {
        enum weft_err err = index_fields(b, &b->messages[i], &b->s->messages[i]);
        if (err)
            return err;
    }
    return WEFT_OK;
}

enum weft_err wf_build_link(struct wf_schema_build *b)
{
    enum weft_err err = index_symbols(b);

    for (size_t i = 0; i < b->s->enum_count && !err; i++)
        err = index_enum(b, &b->s->enums[i]);
    if (err)
        return err;
    err = link_messages(b);
    if (err)
        return err;
    for (size_t i = 0; i < b->set->n_file; i++) {
        err = link_methods(b, &b->files[i]);
        if (err)
            return err;
    }
    return WEFT_OK;
}
