// SPDX-License-Identifier: Apache-2.0
// Files, messages, enums and services as text, in the order that gives protoc the same lists again.
#include "proto/schema/schema_proto.h"

#include "proto/base/limits.h"
#include "proto/schema/schema_proto_print.h"

typedef Google__Protobuf__FileDescriptorProto file_pb;
typedef Google__Protobuf__DescriptorProto message_pb;
typedef Google__Protobuf__EnumDescriptorProto enum_pb;
typedef Google__Protobuf__FieldDescriptorProto field_pb;
typedef Google__Protobuf__ServiceDescriptorProto service_pb;
typedef Google__Protobuf__MethodDescriptorProto method_pb;

// Field numbers of descriptor.proto that make up a location's path.
enum {
    IN_FILE_MESSAGE = 4,
    IN_FILE_ENUM = 5,
    IN_FILE_SERVICE = 6,
    IN_FILE_EXTENSION = 7,
    IN_MESSAGE_FIELD = 2,
    IN_MESSAGE_NESTED = 3,
    IN_MESSAGE_ENUM = 4,
    IN_MESSAGE_EXTENSION = 6,
    IN_MESSAGE_ONEOF = 8,
    IN_ENUM_VALUE = 2,
    IN_SERVICE_METHOD = 2,
};

enum weft_err wf_schema_proto_open(
    struct wf_bytes descriptor_set, struct wf_schema_proto **ret_proto, struct wf_diag *diag)
{
    struct wf_arena arena;
    struct wf_schema *schema = NULL;
    struct wf_schema_proto *p = NULL;
    Google__Protobuf__FileDescriptorSet *set = NULL;
    enum weft_err err = wf_schema_compile(descriptor_set, &schema, diag);

    if (err)
        return err;
    wf_arena_init(&arena, wf_pb_budget(descriptor_set.len) + sizeof *p);
    err = wf_pb_unpack(&google__protobuf__file_descriptor_set__descriptor, descriptor_set,
        WF_PB_LENIENT, &arena, &set);
    if (err)
        goto out;
    p = wf_arena_calloc(&arena, 1, sizeof *p);
    if (!p) {
        err = wf_arena_err(&arena);
        goto out;
    }
    *p = (struct wf_schema_proto){ .arena = arena, .schema = schema, .set = set };
    arena = (struct wf_arena){ 0 };
    schema = NULL;
    *ret_proto = p;
out:
    wf_arena_fini(&arena);
    wf_schema_free(schema);
    return err;
}

void wf_schema_proto_close(struct wf_schema_proto *p)
{
    if (!p)
        return;
    struct wf_arena arena = p->arena;
    wf_schema_free(p->schema);
    wf_arena_fini(&arena);
}

size_t wf_schema_proto_count(const struct wf_schema_proto *p)
{
    return p->set->n_file;
}

const char *wf_schema_proto_name(const struct wf_schema_proto *p, size_t i)
{
    return i < p->set->n_file ? p->set->file[i]->name : NULL;
}

bool wf_schema_proto_is_standard(const struct wf_schema_proto *p, size_t i)
{
    const char *name = wf_schema_proto_name(p, i);

    return name && (strncmp(name, "google/protobuf/", strlen("google/protobuf/")) == 0 ||
                       strcmp(name, "weft/v1/options.proto") == 0);
}

// Scopes are "pkg.Outer.Inner": entering one gives back the outer, for leaving.
static const char *enter_scope(
    struct wf_proto_printer *p, const char *name, char scope[WF_MAX_SCHEMA_PATH + 1])
{
    const char *outer = p->scope;
    size_t len = strlen(outer), more = strlen(name);

    if (len + 1 + more > WF_MAX_SCHEMA_PATH) {
        wf_print_fail(p, WEFT_E_TOO_BIG);
        return outer;
    }
    memcpy(scope, outer, len);
    if (len)
        scope[len++] = '.';
    memcpy(scope + len, name, more + 1);
    p->scope = scope;
    return outer;
}

static void open_block(struct wf_proto_printer *p, const char *word, const char *name)
{
    wf_print_comment(p);
    wf_print_indent(p);
    wf_print_text(p, "%s %s {\n", word, name);
    p->indent++;
}

static void close_block(struct wf_proto_printer *p)
{
    p->indent--;
    wf_print_indent(p);
    wf_print_text(p, "}\n");
}

// ---- enums

static void print_reserved_names(struct wf_proto_printer *p, char *const *names, size_t count)
{
    if (count == 0)
        return;
    wf_print_indent(p);
    wf_print_text(p, "reserved ");
    for (size_t i = 0; i < count; i++) {
        if (i)
            wf_print_text(p, ", ");
        wf_print_quoted(p, wf_bytes_str(names[i]));
    }
    wf_print_text(p, ";\n");
}

// Both ends inclusive.
static void print_range(
    struct wf_proto_printer *p, bool first, int32_t from, int32_t to, int32_t max)
{
    if (first) {
        wf_print_indent(p);
        wf_print_text(p, "reserved ");
    } else {
        wf_print_text(p, ", ");
    }
    if (to == from)
        wf_print_text(p, "%d", from);
    else if (to == max)
        wf_print_text(p, "%d to max", from);
    else
        wf_print_text(p, "%d to %d", from, to);
}

static void print_enum(struct wf_proto_printer *p, const enum_pb *e)
{
    open_block(p, "enum", e->name);
    wf_print_option_lines(p, e->options ? &e->options->base : NULL, "google.protobuf.EnumOptions");
    for (size_t i = 0; i < e->n_value; i++) {
        const Google__Protobuf__EnumValueDescriptorProto *v = e->value[i];
        struct wf_option_list list = { .p = p };
        wf_print_path_push(p, IN_ENUM_VALUE, i);
        wf_print_comment(p);
        wf_print_path_pop(p);
        wf_print_indent(p);
        wf_print_text(p, "%s = %d", v->name, v->number);
        wf_print_option_list(
            &list, v->options ? &v->options->base : NULL, "google.protobuf.EnumValueOptions");
        wf_option_end(&list);
        wf_print_text(p, ";\n");
    }
    for (size_t i = 0; i < e->n_reserved_range; i++)
        print_range(p, i == 0, e->reserved_range[i]->start, e->reserved_range[i]->end, INT32_MAX);
    if (e->n_reserved_range)
        wf_print_text(p, ";\n");
    print_reserved_names(p, e->reserved_name, e->n_reserved_name);
    close_block(p);
}

// ---- fields

static const char *scalar_name(const field_pb *f)
{
    struct wf_schema_field named = { .type = (enum wf_field_type)f->type };

    return wf_schema_type_name(&named);
}

static void print_type(struct wf_proto_printer *p, const field_pb *f)
{
    if (f->type_name)
        wf_print_type_name(p, f->type_name);
    else
        wf_print_text(p, "%s", scalar_name(f));
}

static const char *label_of(const struct wf_proto_printer *p, const field_pb *f, bool in_oneof)
{
    if (f->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
        return "repeated ";
    if (f->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED)
        return "required ";
    return f->proto3_optional || (!p->proto3 && !in_oneof) ? "optional " : "";
}

// What protoc derives when no json_name is given.
static bool is_derived_json_name(const field_pb *f)
{
    const char *json = f->json_name;
    bool raise = false;

    if (!json)
        return true;
    for (const char *n = f->name; *n; n++) {
        char want = raise && *n >= 'a' && *n <= 'z' ? (char)(*n - 'a' + 'A') : *n;
        raise = *n == '_';
        if (!raise && *json++ != want)
            return false;
    }
    return *json == '\0';
}

// Numbers, booleans and enum values are words; a bytes default is escaped as protoc does it, all but a stray quote.
static void print_default(struct wf_proto_printer *p, const field_pb *f)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
    const char *text = f->default_value;

    if (f->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING) {
        wf_print_quoted(p, wf_bytes_str(text));
    } else if (f->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES) {
        wf_print_text(p, "\"");
        for (; *text; text++) {
            bool escaped = *text == '\\' && text[1];
            wf_print_text(p, "%s%c", *text == '"' ? "\\" : "", *text);
            if (escaped)
                wf_print_text(p, "%c", *++text);
        }
        wf_print_text(p, "\"");
    } else if (text[strspn(text, word)] == '\0') {
        wf_print_bytes(p, wf_bytes_str(text));
    } else {
        wf_print_fail(p, WEFT_E_SYNTAX);
    }
}

static void print_field_options(struct wf_proto_printer *p, const field_pb *f, bool extension)
{
    struct wf_option_list list = { .p = p };

    if (f->default_value) {
        wf_option_next(&list);
        wf_print_text(p, "default = ");
        print_default(p, f);
    }
    if (!extension && !is_derived_json_name(f)) {
        wf_option_next(&list);
        wf_print_text(p, "json_name = ");
        wf_print_quoted(p, wf_bytes_str(f->json_name));
    }
    wf_print_option_list(
        &list, f->options ? &f->options->base : NULL, "google.protobuf.FieldOptions");
    wf_option_end(&list);
}

// The entry type of a map field, or NULL.
static const message_pb *map_entry(const message_pb *m, const field_pb *f)
{
    const char *name = f->type_name ? strrchr(f->type_name, '.') : NULL;

    if (!name || f->label != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
        return NULL;
    for (size_t i = 0; m && i < m->n_nested_type; i++) {
        const message_pb *n = m->nested_type[i];
        if (n->options && n->options->map_entry && strcmp(n->name, name + 1) == 0)
            return n;
    }
    return NULL;
}

static void print_field(
    struct wf_proto_printer *p, const message_pb *m, const field_pb *f, bool in_oneof)
{
    const message_pb *entry = map_entry(m, f);

    wf_print_comment(p);
    wf_print_indent(p);
    if (entry) {
        wf_print_text(p, "map<");
        print_type(p, entry->field[0]);
        wf_print_text(p, ", ");
        print_type(p, entry->field[1]);
        wf_print_text(p, ">");
    } else {
        wf_print_text(p, "%s", label_of(p, f, in_oneof));
        print_type(p, f);
    }
    wf_print_text(p, " %s = %d", f->name, f->number);
    print_field_options(p, f, m == NULL);
    wf_print_text(p, ";\n");
}

static bool is_member(const field_pb *f, int32_t oneof)
{
    return f->has_oneof_index && !f->proto3_optional && f->oneof_index == oneof;
}

static void print_oneof(struct wf_proto_printer *p, const message_pb *m, int32_t index)
{
    const Google__Protobuf__OneofDescriptorProto *o = m->oneof_decl[index];

    wf_print_path_push(p, IN_MESSAGE_ONEOF, (size_t)index);
    open_block(p, "oneof", o->name);
    wf_print_path_pop(p);
    wf_print_option_lines(p, o->options ? &o->options->base : NULL, "google.protobuf.OneofOptions");
    for (size_t i = 0; i < m->n_field; i++) {
        if (!is_member(m->field[i], index))
            continue;
        wf_print_path_push(p, IN_MESSAGE_FIELD, i);
        print_field(p, m, m->field[i], true);
        wf_print_path_pop(p);
    }
    close_block(p);
}

// A oneof stands where its first member stands, with all of them.
static void print_field_at(struct wf_proto_printer *p, const message_pb *m, size_t at)
{
    const field_pb *f = m->field[at];

    if (f->has_oneof_index && !f->proto3_optional) {
        for (size_t i = 0; i < at; i++)
            if (is_member(m->field[i], f->oneof_index))
                return;
        print_oneof(p, m, f->oneof_index);
        return;
    }
    wf_print_path_push(p, IN_MESSAGE_FIELD, at);
    print_field(p, m, f, false);
    wf_print_path_pop(p);
}

// Extensions of one type stand in one block as long as they follow one another.
static void print_extensions(
    struct wf_proto_printer *p, field_pb *const *extensions, size_t count, int32_t kind)
{
    for (size_t i = 0, end = 0; i < count; i = end) {
        wf_print_indent(p);
        wf_print_text(p, "extend ");
        wf_print_type_name(p, extensions[i]->extendee);
        wf_print_text(p, " {\n");
        p->indent++;
        for (end = i;
             end < count && strcmp(extensions[end]->extendee, extensions[i]->extendee) == 0;
             end++) {
            wf_print_path_push(p, kind, end);
            print_field(p, NULL, extensions[end], false);
            wf_print_path_pop(p);
        }
        close_block(p);
    }
}

// ---- messages

static void print_message(struct wf_proto_printer *p, const message_pb *m);

static bool is_entry(const message_pb *m)
{
    return m->options && m->options->map_entry;
}

static size_t print_fields_until(
    struct wf_proto_printer *p, const message_pb *m, size_t next, const message_pb *entry)
{
    while (next < m->n_field) {
        const message_pb *at = map_entry(m, m->field[next]);
        print_field_at(p, m, next++);
        if (entry && at == entry)
            break;
    }
    return next;
}

static bool has_entry_after(const message_pb *m, size_t at)
{
    for (size_t i = at + 1; i < m->n_nested_type; i++)
        if (is_entry(m->nested_type[i]))
            return true;
    return false;
}

// protoc lists nested messages and the entry types of maps together, in the order of the text: so nested messages come first,
// unless map fields stood before them.
static void print_body(struct wf_proto_printer *p, const message_pb *m)
{
    size_t next = 0;

    for (size_t i = 0; i < m->n_nested_type; i++) {
        const message_pb *n = m->nested_type[i];
        if (is_entry(n)) {
            next = print_fields_until(p, m, next, n);
            continue;
        }
        if (next > 0 && !has_entry_after(m, i))
            next = print_fields_until(p, m, next, NULL);
        wf_print_path_push(p, IN_MESSAGE_NESTED, i);
        print_message(p, n);
        wf_print_path_pop(p);
    }
    print_fields_until(p, m, next, NULL);
}

static void print_message(struct wf_proto_printer *p, const message_pb *m)
{
    char scope[WF_MAX_SCHEMA_PATH + 1];

    open_block(p, "message", m->name);
    const char *outer = enter_scope(p, m->name, scope);
    wf_print_option_lines(
        p, m->options ? &m->options->base : NULL, "google.protobuf.MessageOptions");
    for (size_t i = 0; i < m->n_extension_range; i++) {
        wf_print_indent(p);
        wf_print_text(p, "extensions %d to %d;\n", m->extension_range[i]->start,
            m->extension_range[i]->end - 1);
    }
    for (size_t i = 0; i < m->n_reserved_range; i++)
        print_range(
            p, i == 0, m->reserved_range[i]->start, m->reserved_range[i]->end - 1, 536870911);
    if (m->n_reserved_range)
        wf_print_text(p, ";\n");
    print_reserved_names(p, m->reserved_name, m->n_reserved_name);
    for (size_t i = 0; i < m->n_enum_type; i++) {
        wf_print_path_push(p, IN_MESSAGE_ENUM, i);
        print_enum(p, m->enum_type[i]);
        wf_print_path_pop(p);
    }
    print_extensions(p, m->extension, m->n_extension, IN_MESSAGE_EXTENSION);
    print_body(p, m);
    p->scope = outer;
    close_block(p);
}

// ---- services and files

static void print_method(struct wf_proto_printer *p, const method_pb *m)
{
    wf_print_comment(p);
    wf_print_indent(p);
    wf_print_text(p, "rpc %s(%s", m->name, m->client_streaming ? "stream " : "");
    wf_print_type_name(p, m->input_type);
    wf_print_text(p, ") returns (%s", m->server_streaming ? "stream " : "");
    wf_print_type_name(p, m->output_type);
    if (!m->options) {
        wf_print_text(p, ");\n");
        return;
    }
    wf_print_text(p, ") {\n");
    p->indent++;
    wf_print_option_lines(p, &m->options->base, "google.protobuf.MethodOptions");
    close_block(p);
}

static void print_service(struct wf_proto_printer *p, const service_pb *s)
{
    open_block(p, "service", s->name);
    wf_print_option_lines(
        p, s->options ? &s->options->base : NULL, "google.protobuf.ServiceOptions");
    for (size_t i = 0; i < s->n_method; i++) {
        wf_print_path_push(p, IN_SERVICE_METHOD, i);
        print_method(p, s->method[i]);
        wf_print_path_pop(p);
    }
    close_block(p);
}

static bool lists(const int32_t *indexes, size_t count, size_t at)
{
    for (size_t i = 0; i < count; i++)
        if (indexes[i] >= 0 && (size_t)indexes[i] == at)
            return true;
    return false;
}

static void print_head(struct wf_proto_printer *p, const file_pb *f)
{
    wf_print_text(p, "syntax = \"%s\";\n", p->proto3 ? "proto3" : "proto2");
    if (p->scope[0])
        wf_print_text(p, "\npackage %s;\n", p->scope);
    for (size_t i = 0; i < f->n_dependency; i++) {
        const char *how = lists(f->public_dependency, f->n_public_dependency, i) ? "public "
                          : lists(f->weak_dependency, f->n_weak_dependency, i)   ? "weak "
                                                                                 : "";
        wf_print_text(p, "%simport %s\"%s\";\n", i ? "" : "\n", how, f->dependency[i]);
    }
    if (f->options)
        wf_print_text(p, "\n");
    wf_print_option_lines(p, f->options ? &f->options->base : NULL, "google.protobuf.FileOptions");
}

static void print_file(struct wf_proto_printer *p, const file_pb *f)
{
    print_head(p, f);
    for (size_t i = 0; i < f->n_enum_type; i++) {
        wf_print_text(p, "\n");
        wf_print_path_push(p, IN_FILE_ENUM, i);
        print_enum(p, f->enum_type[i]);
        wf_print_path_pop(p);
    }
    for (size_t i = 0; i < f->n_message_type; i++) {
        wf_print_text(p, "\n");
        wf_print_path_push(p, IN_FILE_MESSAGE, i);
        print_message(p, f->message_type[i]);
        wf_print_path_pop(p);
    }
    if (f->n_extension)
        wf_print_text(p, "\n");
    print_extensions(p, f->extension, f->n_extension, IN_FILE_EXTENSION);
    for (size_t i = 0; i < f->n_service; i++) {
        wf_print_text(p, "\n");
        wf_print_path_push(p, IN_FILE_SERVICE, i);
        print_service(p, f->service[i]);
        wf_print_path_pop(p);
    }
}

enum weft_err wf_schema_proto_print(const struct wf_schema_proto *p, size_t i, struct wf_buf *out)
{
    struct wf_proto_printer printer = { .proto = p, .out = out, .start = out->len };
    struct wf_arena arena;

    if (i >= p->set->n_file)
        return WEFT_E_NOT_FOUND;
    const file_pb *f = p->set->file[i];
    printer.file = f;
    printer.scope = f->package ? f->package : "";
    printer.proto3 = f->syntax && strcmp(f->syntax, "proto3") == 0;
    wf_arena_init(&arena, WF_MAX_UNPACK);
    wf_print_fail(&printer, wf_print_sort_locations(&printer, &arena));
    if (!printer.err)
        print_file(&printer, f);
    wf_arena_fini(&arena);
    if (printer.err)
        out->len = printer.start;
    return printer.err;
}

enum weft_err wf_schema_proto_print_all(const struct wf_schema_proto *p, struct wf_buf *out)
{
    size_t own = 0, printed = 0, start = out->len;
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < p->set->n_file; i++)
        own += !wf_schema_proto_is_standard(p, i);
    for (size_t i = 0; i < p->set->n_file && !err; i++) {
        if (wf_schema_proto_is_standard(p, i))
            continue;
        if (own > 1)
            err = wf_buf_printf(out, "%s// file: %s\n", printed ? "\n" : "", p->set->file[i]->name);
        if (!err)
            err = wf_schema_proto_print(p, i, out);
        printed++;
    }
    if (err)
        out->len = start;
    return err;
}
