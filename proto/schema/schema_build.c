// SPDX-License-Identifier: Apache-2.0
// Count, then fill: nothing is allocated before its number is known and within limits. Recursion over nested types is bounded
// by the depth at which wf_pb_unpack refuses a descriptor set (WF_MAX_PB_TREE_DEPTH).
#include "proto/schema/schema_build.h"

#include <stdlib.h>

#include "proto/base/limits.h"

typedef Google__Protobuf__FileDescriptorProto file_pb;
typedef Google__Protobuf__DescriptorProto message_pb;
typedef Google__Protobuf__EnumDescriptorProto enum_pb;
typedef Google__Protobuf__FieldDescriptorProto field_pb;
typedef Google__Protobuf__ServiceDescriptorProto service_pb;

static void count_enums(struct wf_schema_build *b, enum_pb *const *enums, size_t count)
{
    b->s->enum_count += count;
    for (size_t i = 0; i < count; i++)
        b->value_count += enums[i]->n_value;
}

static void count_messages(struct wf_schema_build *b, message_pb *const *messages, size_t count)
{
    b->s->message_count += count;
    for (size_t i = 0; i < count; i++) {
        b->field_count += messages[i]->n_field;
        b->oneof_count += messages[i]->n_oneof_decl;
        count_enums(b, messages[i]->enum_type, messages[i]->n_enum_type);
        count_messages(b, messages[i]->nested_type, messages[i]->n_nested_type);
    }
}

static enum weft_err count_all(struct wf_schema_build *b)
{
    for (size_t i = 0; i < b->set->n_file; i++) {
        const file_pb *f = b->set->file[i];
        count_messages(b, f->message_type, f->n_message_type);
        count_enums(b, f->enum_type, f->n_enum_type);
        b->s->service_count += f->n_service;
        for (size_t k = 0; k < f->n_service; k++)
            b->method_count += f->service[k]->n_method;
    }
    const struct {
        const char *what;
        size_t count, max;
    } limits[] = {
        { "files", b->set->n_file, WF_MAX_SCHEMA_FILES },
        { "messages", b->s->message_count, WF_MAX_SCHEMA_MESSAGES },
        { "fields", b->field_count, WF_MAX_SCHEMA_FIELDS },
        { "oneofs", b->oneof_count, WF_MAX_SCHEMA_FIELDS },
        { "enums", b->s->enum_count, WF_MAX_SCHEMA_ENUMS },
        { "enum values", b->value_count, WF_MAX_SCHEMA_ENUMS },
        { "services", b->s->service_count, WF_MAX_SCHEMA_METHODS },
        { "methods", b->method_count, WF_MAX_SCHEMA_METHODS },
    };
    for (size_t i = 0; i < WF_COUNT(limits); i++)
        if (limits[i].count > limits[i].max)
            return wf_build_fail(b, WEFT_E_TOO_BIG, "descriptor set", NULL, "%zu %s, at most %zu",
                limits[i].count, limits[i].what, limits[i].max);
    return WEFT_OK;
}

static enum weft_err allocate(struct wf_schema_build *b)
{
    struct wf_schema *s = b->s;

    b->files = wf_arena_calloc(b->scratch, b->set->n_file, sizeof *b->files);
    b->messages = wf_arena_calloc(b->scratch, s->message_count, sizeof *b->messages);
    if (!b->files || !b->messages)
        return wf_arena_err(b->scratch);
    s->messages = wf_arena_calloc(b->arena, s->message_count, sizeof *s->messages);
    s->enums = wf_arena_calloc(b->arena, s->enum_count, sizeof *s->enums);
    s->services = wf_arena_calloc(b->arena, s->service_count, sizeof *s->services);
    b->fields = wf_arena_calloc(b->arena, b->field_count, sizeof *b->fields);
    b->oneofs = wf_arena_calloc(b->arena, b->oneof_count, sizeof *b->oneofs);
    b->values = wf_arena_calloc(b->arena, b->value_count, sizeof *b->values);
    b->methods = wf_arena_calloc(b->arena, b->method_count, sizeof *b->methods);
    if (!s->messages || !s->enums || !s->services || !b->fields || !b->oneofs || !b->values ||
        !b->methods)
        return wf_arena_err(b->arena);
    return WEFT_OK;
}

static bool is_identifier(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return len > 0 && len <= WF_MAX_SCHEMA_NAME;
}

// A package: identifiers between dots.
static bool is_package(const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");
        if (!is_identifier(name, len))
            return false;
        name += len;
        if (name[0] == '.' && name[1] == '\0')
            return false;
        name += *name == '.';
    }
    return true;
}

// A relative path that can be written below a folder: no empty, "." or ".." part, and nothing a terminal would interpret.
static bool is_file_name(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > WF_MAX_SCHEMA_PATH || name[len - 1] == '/')
        return false;
    while (*name) {
        size_t part = strcspn(name, "/");
        if (part == 0 || (part <= 2 && strspn(name, ".") >= part))
            return false;
        for (size_t i = 0; i < part; i++)
            if (name[i] <= ' ' || name[i] > '~' || strchr("\\\"'`$*?<>|&;:", name[i]))
                return false;
        name += part;
        name += *name == '/';
    }
    return true;
}

// Checks one identifier and joins it to its scope: "pkg.Outer" and "Inner" give "pkg.Outer.Inner".
static enum weft_err take_name(struct wf_schema_build *b, const struct wf_build_file *file,
    const char *scope, const char *name, const char **ret_name, const char **ret_full)
{
    size_t scope_len = strlen(scope), len = name ? strlen(name) : 0;

    if (!name || !is_identifier(name, len))
        return wf_build_fail(b, WEFT_E_NAME, file->pb->name, *scope ? scope : NULL,
            "\"%.40s\" is no identifier of 1 to %u letters, digits and underscores",
            name ? name : "", WF_MAX_SCHEMA_NAME);
    if (scope_len + 1 + len > WF_MAX_SCHEMA_PATH)
        return wf_build_fail(b, WEFT_E_TOO_BIG, file->pb->name, name,
            "full name longer than %u characters", WF_MAX_SCHEMA_PATH);
    char *full = wf_arena_alloc(b->arena, scope_len + 1 + len + 1);
    if (!full)
        return wf_arena_err(b->arena);
    size_t at = 0;
    if (scope_len) {
        memcpy(full, scope, scope_len);
        full[scope_len] = '.';
        at = scope_len + 1;
    }
    memcpy(full + at, name, len + 1);
    *ret_full = full;
    *ret_name = full + at;
    return WEFT_OK;
}

static enum weft_err fill_enum(struct wf_schema_build *b, const struct wf_build_file *file,
    const char *scope, const enum_pb *pb)
{
    struct wf_schema_enum *e = &b->s->enums[b->enum_used++];
    enum weft_err err = take_name(b, file, scope, pb->name, &e->name, &e->full_name);

    if (err)
        return err;
    if (pb->n_value == 0)
        return wf_build_fail(
            b, WEFT_E_SCHEMA, file->pb->name, e->full_name, "an enum needs at least one value");
    struct wf_schema_enum_value *values = &b->values[b->value_used];
    b->value_used += pb->n_value;
    for (size_t i = 0; i < pb->n_value; i++) {
        const char *full = NULL;
        err = take_name(b, file, e->full_name, pb->value[i]->name, &values[i].name, &full);
        if (err)
            return err;
        values[i].number = pb->value[i]->number;
        values[i].comment = "";
    }
    if (file->proto3 && values[0].number != 0)
        return wf_build_fail(b, WEFT_E_SCHEMA, file->pb->name, e->full_name,
            "the first value of a proto3 enum must be 0");
    e->comment = "";
    e->values = values;
    e->value_count = pb->n_value;
    e->null_value = strcmp(e->full_name, "google.protobuf.NullValue") == 0;
    return WEFT_OK;
}

static enum weft_err fill_enums(struct wf_schema_build *b, const struct wf_build_file *file,
    const char *scope, enum_pb *const *enums, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum weft_err err = fill_enum(b, file, scope, enums[i]);
        if (err)
            return err;
    }
    return WEFT_OK;
}

// The JSON name: as given by protoc, else derived as the specification says (drop each underscore, raise what follows).
static enum weft_err fill_json_name(struct wf_schema_build *b, const struct wf_build_file *file,
    const char *full, const field_pb *pb, struct wf_schema_field *f)
{
    if (pb->json_name) {
        struct wf_bytes name = wf_bytes_str(pb->json_name);
        bool ok = name.len > 0 && name.len <= WF_MAX_SCHEMA_NAME;
        for (size_t i = 0; i < name.len; i++)
            ok = ok && name.ptr[i] >= ' ' && name.ptr[i] != 0x7f;
        if (!ok)
            return wf_build_fail(b, WEFT_E_NAME, file->pb->name, full, "bad json_name");
        return wf_arena_str(b->arena, name, &f->json_name);
    }
    char *json = wf_arena_alloc(b->arena, strlen(f->name) + 1);
    if (!json)
        return wf_arena_err(b->arena);
    f->json_name = json;
    bool raise = false;
    for (const char *p = f->name; *p; p++) {
        if (*p != '_')
            *json++ = raise && *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
        raise = *p == '_';
    }
    *json = '\0';
    return WEFT_OK;
}

static const char *field_fault(
    const struct wf_build_file *file, const message_pb *parent, const field_pb *pb)
{
    if (pb->number < 1 || pb->number > 536870911)
        return "field numbers are 1 to 536870911";
    if (pb->number >= 19000 && pb->number <= 19999)
        return "field numbers 19000 to 19999 are reserved";
    if (pb->has_type && pb->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP)
        return "groups are not supported; use a message";
    if (!pb->has_type || (int)pb->type < WF_TYPE_DOUBLE || (int)pb->type > WF_TYPE_SINT64)
        return "unknown field type";
    if (!pb->has_label || (int)pb->label < 1 || (int)pb->label > 3)
        return "unknown field label";
    if (pb->extendee)
        return "a field of a message can't name an extendee";
    if (pb->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED &&
        file->proto3)
        return "proto3 has no required fields";
    if (pb->has_oneof_index &&
        (pb->oneof_index < 0 || (size_t)pb->oneof_index >= parent->n_oneof_decl))
        return "the oneof index is out of range";
    if (pb->has_oneof_index &&
        pb->label != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_OPTIONAL)
        return "a oneof's member must be singular";
    if (pb->proto3_optional && !(file->proto3 && pb->has_oneof_index))
        return "proto3_optional needs a oneof of its own in a proto3 file";
    return NULL;
}

static bool is_packable(enum wf_field_type type)
{
    return type != WF_TYPE_STRING && type != WF_TYPE_BYTES && type != WF_TYPE_MESSAGE;
}

// A synthetic oneof holds its one optional field and nothing else; a real one holds at least one.
static enum weft_err join_oneof(struct wf_schema_build *b, const struct wf_build_message *m,
    const field_pb *pb, struct wf_schema_field *f)
{
    struct wf_schema_oneof *o = &m->oneofs[pb->oneof_index];

    if (o->synthetic || (pb->proto3_optional && o->field_count))
        return wf_build_fail(b, WEFT_E_SCHEMA, m->file->pb->name, f->name,
            "oneof \"%s\" belongs to an optional field", o->name);
    o->synthetic = pb->proto3_optional;
    o->field_count++;
    if (!o->synthetic)
        f->oneof = o;
    return WEFT_OK;
}

static enum weft_err fill_field(struct wf_schema_build *b, const struct wf_build_message *m,
    const char *scope, const field_pb *pb, struct wf_schema_field *f)
{
    const struct wf_build_file *file = m->file;
    const char *full = NULL;
    enum weft_err err = take_name(b, file, scope, pb->name, &f->name, &full);

    if (err)
        return err;
    const char *fault = field_fault(file, m->pb, pb);
    if (fault)
        return wf_build_fail(b, WEFT_E_SCHEMA, file->pb->name, full, "%s", fault);
    f->number = (uint32_t)pb->number;
    f->type = (enum wf_field_type)pb->type;
    f->repeated = pb->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    f->required = pb->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED;
    f->presence =
        !f->repeated && (!file->proto3 || f->type == WF_TYPE_MESSAGE || pb->has_oneof_index);
    f->packed = f->repeated && is_packable(f->type) &&
                (pb->options && pb->options->has_packed ? pb->options->packed : file->proto3);
    f->deprecated = pb->options && pb->options->deprecated;
    f->closed = f->type == WF_TYPE_ENUM && !file->proto3;
    f->unit = f->description = "";
    if (pb->has_oneof_index) {
        err = join_oneof(b, m, pb, f);
        if (err)
            return err;
    }
    return fill_json_name(b, file, full, pb, f);
}

static enum weft_err fill_fields(
    struct wf_schema_build *b, struct wf_build_message *m, struct wf_schema_message *out)
{
    const message_pb *pb = m->pb;
    const char *ignored = NULL;
    enum weft_err err = WEFT_OK;

    m->fields = &b->fields[b->field_used];
    m->oneofs = &b->oneofs[b->oneof_used];
    b->field_used += pb->n_field;
    b->oneof_used += pb->n_oneof_decl;
    out->fields = m->fields;
    out->field_count = (uint32_t)pb->n_field;
    for (size_t i = 0; i < pb->n_oneof_decl; i++) {
        err = take_name(
            b, m->file, out->full_name, pb->oneof_decl[i]->name, &m->oneofs[i].name, &ignored);
        if (err)
            return err;
    }
    for (size_t i = 0; i < pb->n_field; i++) {
        err = fill_field(b, m, out->full_name, pb->field[i], &m->fields[i]);
        if (err)
            return err;
    }
    for (size_t i = 0; i < pb->n_oneof_decl; i++) {
        if (m->oneofs[i].field_count == 0)
            return wf_build_fail(b, WEFT_E_SCHEMA, m->file->pb->name, out->full_name,
                "oneof \"%s\" has no member", m->oneofs[i].name);
        out->oneof_count += !m->oneofs[i].synthetic;
    }
    return WEFT_OK;
}

// Options of descriptors are the one place where protobuf's extensions are of use to us.
static bool is_options_type(const char *full_name)
{
    const char *name = strrchr(full_name, '.');
    size_t len = strlen(full_name);

    return name && (size_t)(name - full_name) == strlen("google.protobuf") &&
           strncmp(full_name, "google.protobuf", strlen("google.protobuf")) == 0 &&
           len > strlen("Options") && strcmp(full_name + len - strlen("Options"), "Options") == 0;
}

static bool is_extension(const field_pb *x)
{
    bool named = x->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE ||
                 x->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM;

    return x->name && is_identifier(x->name, strlen(x->name)) && x->has_type &&
           (int)x->type >= WF_TYPE_DOUBLE && (int)x->type <= WF_TYPE_SINT64 &&
           x->type != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP && x->number > 0 &&
           named == (x->type_name && x->type_name[0] == '.');
}

static enum weft_err check_extensions(struct wf_schema_build *b, const struct wf_build_file *file,
    field_pb *const *extensions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *extendee = extensions[i]->extendee;
        const char *name = extensions[i]->name ? extensions[i]->name : "";
        if (!extendee || extendee[0] != '.' || !is_options_type(extendee + 1))
            return wf_build_fail(b, WEFT_E_SCHEMA, file->pb->name, NULL,
                "extension \"%.64s\": only google.protobuf.*Options can be extended", name);
        if (!is_extension(extensions[i]))
            return wf_build_fail(
                b, WEFT_E_SCHEMA, file->pb->name, NULL, "extension \"%.64s\" is malformed", name);
    }
    return WEFT_OK;
}

static enum weft_err fill_messages(struct wf_schema_build *b, const struct wf_build_file *file,
    const char *scope, message_pb *const *messages, size_t count);

static enum weft_err fill_message(struct wf_schema_build *b, struct wf_build_message *m,
    struct wf_schema_message *out, const char *scope)
{
    const message_pb *pb = m->pb;
    enum weft_err err = take_name(b, m->file, scope, pb->name, &out->name, &out->full_name);

    if (err)
        return err;
    out->comment = "";
    out->map_entry = pb->options && pb->options->map_entry;
    if (pb->options && pb->options->message_set_wire_format)
        return wf_build_fail(
            b, WEFT_E_SCHEMA, m->file->pb->name, out->full_name, "message sets are not supported");
    if (pb->n_extension_range && !is_options_type(out->full_name))
        return wf_build_fail(b, WEFT_E_SCHEMA, m->file->pb->name, out->full_name,
            "extension ranges are not supported");
    err = check_extensions(b, m->file, pb->extension, pb->n_extension);
    if (err)
        return err;
    err = fill_fields(b, m, out);
    if (err)
        return err;
    m->first_enum = (uint32_t)b->enum_used;
    err = fill_enums(b, m->file, out->full_name, pb->enum_type, pb->n_enum_type);
    if (err)
        return err;
    m->first_message = (uint32_t)b->message_used;
    return fill_messages(b, m->file, out->full_name, pb->nested_type, pb->n_nested_type);
}

// Siblings stand side by side: the nth of them is found by adding n.
static enum weft_err fill_messages(struct wf_schema_build *b, const struct wf_build_file *file,
    const char *scope, message_pb *const *messages, size_t count)
{
    size_t first = b->message_used;

    b->message_used += count;
    for (size_t i = 0; i < count; i++) {
        struct wf_build_message *m = &b->messages[first + i];
        m->pb = messages[i];
        m->file = file;
        enum weft_err err = fill_message(b, m, &b->s->messages[first + i], scope);
        if (err)
            return err;
    }
    return WEFT_OK;
}

static enum weft_err fill_service(struct wf_schema_build *b, const struct wf_build_file *file,
    const char *scope, const service_pb *pb)
{
    struct wf_schema_service *s = &b->s->services[b->service_used++];
    enum weft_err err = take_name(b, file, scope, pb->name, &s->name, &s->full_name);

    if (err)
        return err;
    struct wf_schema_method *methods = &b->methods[b->method_used];
    b->method_used += pb->n_method;
    for (size_t i = 0; i < pb->n_method; i++) {
        const Google__Protobuf__MethodDescriptorProto *from = pb->method[i];
        const char *full = NULL;
        err = take_name(b, file, s->full_name, from->name, &methods[i].name, &full);
        if (err)
            return err;
        methods[i].comment = "";
        methods[i].client_streaming = from->client_streaming;
        methods[i].server_streaming = from->server_streaming;
        methods[i].idempotent = from->options && from->options->has_idempotency_level &&
                                (int)from->options->idempotency_level > 0;
    }
    s->comment = "";
    s->methods = methods;
    s->method_count = pb->n_method;
    return WEFT_OK;
}

// A file may import only what stands before it in the set, as protoc writes it: no import can be missing or circular.
static enum weft_err check_imports(struct wf_schema_build *b, size_t at)
{
    const file_pb *f = b->set->file[at];

    for (size_t i = 0; i < at; i++)
        if (strcmp(b->set->file[i]->name, f->name) == 0)
            return wf_build_fail(b, WEFT_E_EXISTS, f->name, NULL, "the file is there twice");
    for (size_t i = 0; i < f->n_dependency; i++) {
        bool found = false;
        for (size_t k = 0; k < at && !found; k++)
            found = strcmp(b->set->file[k]->name, f->dependency[i]) == 0;
        if (!found)
            return wf_build_fail(b, WEFT_E_TYPE, f->name, NULL,
                "imports \"%.64s\", which is not in the set before it (protoc --include_imports)",
                f->dependency[i]);
    }
    return WEFT_OK;
}

static enum weft_err start_file(struct wf_schema_build *b, size_t at)
{
    const file_pb *f = b->set->file[at];
    const char *syntax = f->syntax ? f->syntax : "proto2";

    if (!f->name || !is_file_name(f->name))
        return wf_build_fail(b, WEFT_E_NAME, "descriptor set", NULL,
            "file %zu has no name that is a plain relative path", at);
    if (strcmp(syntax, "proto2") != 0 && strcmp(syntax, "proto3") != 0)
        return wf_build_fail(
            b, WEFT_E_SCHEMA, f->name, NULL, "syntax is neither proto2 nor proto3");
    if (f->package && (!is_package(f->package) || strlen(f->package) > WF_MAX_SCHEMA_PATH))
        return wf_build_fail(b, WEFT_E_NAME, f->name, NULL, "bad package name");
    b->files[at] = (struct wf_build_file){ .pb = f, .proto3 = strcmp(syntax, "proto3") == 0 };
    enum weft_err err = check_imports(b, at);
    if (err)
        return err;
    return check_extensions(b, &b->files[at], f->extension, f->n_extension);
}

static enum weft_err fill_file(struct wf_schema_build *b, struct wf_build_file *file)
{
    const file_pb *f = file->pb;
    const char *package = f->package ? f->package : "";

    file->first_enum = (uint32_t)b->enum_used;
    enum weft_err err = fill_enums(b, file, package, f->enum_type, f->n_enum_type);
    if (err)
        return err;
    file->first_message = (uint32_t)b->message_used;
    err = fill_messages(b, file, package, f->message_type, f->n_message_type);
    if (err)
        return err;
    file->first_service = (uint32_t)b->service_used;
    for (size_t i = 0; i < f->n_service; i++) {
        err = fill_service(b, file, package, f->service[i]);
        if (err)
            return err;
    }
    return WEFT_OK;
}

enum weft_err wf_build_fill(struct wf_schema_build *b)
{
    enum weft_err err = count_all(b);

    if (err)
        return err;
    err = allocate(b);
    if (err)
        return err;
    for (size_t i = 0; i < b->set->n_file; i++) {
        err = start_file(b, i);
        if (err)
            return err;
        err = fill_file(b, &b->files[i]);
        if (err)
            return err;
    }
    return WEFT_OK;
}
