// SPDX-License-Identifier: Apache-2.0
// A schema as .proto text for people: the files of the descriptor set without those that come with protobuf and weft. Options of
// fields are printed with their meaning, other options are left out. Names and structure come from the descriptors, sentences and
// meanings from the compiled schema.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/pb_descriptor.h"
#include "sdk/product_int.h"

#define TEXT_MAX (2u * WF_MIB)

typedef Google__Protobuf__FileDescriptorProto file_pb;
typedef Google__Protobuf__DescriptorProto message_pb;
typedef Google__Protobuf__FieldDescriptorProto field_pb;
typedef Google__Protobuf__EnumDescriptorProto enum_pb;
typedef Google__Protobuf__ServiceDescriptorProto service_pb;

struct printer {
    const struct wf_schema *schema;
    struct wf_buf out;
    enum weft_err err;
    unsigned depth;
    bool proto3;
};

// ---- text --------------------------------------------------------------------------------------------------------------

__attribute__((format(printf, 2, 3))) static void put(struct printer *p, const char *format, ...)
{
    char piece[2048]; // the longest is a comment line
    va_list args;

    if (p->err)
        return;
    va_start(args, format);
    vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    p->err = p->out.len > TEXT_MAX ? WEFT_E_TOO_BIG : wf_buf_append_str(&p->out, piece);
}

static void indent(struct printer *p)
{
    put(p, "%*s", (int)(2 * p->depth), "");
}

static void comment(struct printer *p, const char *text)
{
    while (text && text[0]) {
        size_t len = strcspn(text, "\n");
        indent(p);
        put(p, "// %.*s\n", (int)(len > WF_MAX_TEXT ? WF_MAX_TEXT : len),
            text[0] == ' ' ? text + 1 : text);
        text += len;
        text += text[0] == '\n';
    }
}

static void quoted(struct printer *p, const char *text)
{
    put(p, "\"");
    for (; text[0]; text++)
        put(p,
            text[0] == '"' || text[0] == '\\' ? "\\%c"
            : text[0] == '\n'                 ? "\\n"
                                              : "%c",
            text[0]);
    put(p, "\"");
}

static enum weft_err join(const char *scope, const char *name, struct wf_buf *ret)
{
    return wf_buf_printf(ret, "%s%s%s", scope, scope[0] ? "." : "", name);
}

// "TIMESTAMP" from "timestamp", as the values of weft.v1's enums are named.
static void put_upper(struct printer *p, const char *prefix, const char *name)
{
    put(p, "%s", prefix);
    for (; name[0]; name++)
        put(p, "%c", name[0] >= 'a' && name[0] <= 'z' ? name[0] - 32 : name[0]);
}

// ---- fields ------------------------------------------------------------------------------------------------------------

struct options { // "[" before the first, ", " before others
    struct printer *p;
    bool any;
};

static void option(struct options *o, const char *name)
{
    put(o->p, "%s%s = ", o->any ? ", " : " [", name);
    o->any = true;
}

static void field_options(struct printer *p, const field_pb *d, const struct wf_schema_field *f)
{
    struct options o = { p, false };

    if (d->default_value) {
        bool text = f->type == WF_TYPE_STRING || f->type == WF_TYPE_BYTES;
        option(&o, "default");
        if (text)
            quoted(p, d->default_value);
        else
            put(p, "%s", d->default_value);
    }
    if (f->deprecated) {
        option(&o, "deprecated");
        put(p, "true");
    }
    if (f->role) {
        option(&o, "(weft.v1.role)");
        put_upper(p, "ROLE_", wf_role_name(f->role));
    }
    if (f->unit[0]) {
        option(&o, "(weft.v1.unit)");
        quoted(p, f->unit);
    }
    if (f->privacy) {
        option(&o, "(weft.v1.privacy)");
        put_upper(p, "PRIVACY_", wf_privacy_name(f->privacy));
    }
    if (f->cardinality) {
        option(&o, "(weft.v1.cardinality)");
        put(p, "%u", f->cardinality);
    }
    put(p, o.any ? "];\n" : ";\n");
}

static void label(struct printer *p, const field_pb *d, const struct wf_schema_field *f)
{
    if (f->map || (f->oneof && !f->oneof->synthetic))
        return;
    if (f->repeated)
        put(p, "repeated ");
    else if (f->required)
        put(p, "required ");
    else if (!p->proto3 || d->proto3_optional)
        put(p, "optional ");
}

static void put_field(struct printer *p, const field_pb *d, const struct wf_schema_message *m)
{
    const struct wf_schema_field *f = m ? wf_schema_field_by_number(m, (uint32_t)d->number) : NULL;

    if (!f)
        return;
    comment(p, f->description);
    indent(p);
    label(p, d, f);
    if (f->map)
        put(p, "map<%s, %s>", wf_schema_type_name(&f->message->fields[0]),
            wf_schema_type_name(&f->message->fields[1]));
    else
        put(p, "%s", wf_schema_type_name(f));
    put(p, " %s = %u", f->name, f->number);
    field_options(p, d, f);
}

static bool in_oneof(const field_pb *d, size_t index)
{
    return d->has_oneof_index && !d->proto3_optional && d->oneof_index == (int32_t)index;
}

static bool is_first_of_oneof(const message_pb *d, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (in_oneof(d->field[i], (size_t)d->field[at]->oneof_index))
            return false;
    return true;
}

static void put_oneof(
    struct printer *p, const message_pb *d, size_t index, const struct wf_schema_message *m)
{
    indent(p);
    put(p, "oneof %s {\n", d->oneof_decl[index]->name);
    p->depth++;
    for (size_t i = 0; i < d->n_field; i++)
        if (in_oneof(d->field[i], index))
            put_field(p, d->field[i], m);
    p->depth--;
    indent(p);
    put(p, "}\n");
}

static void put_fields(struct printer *p, const message_pb *d, const struct wf_schema_message *m)
{
    for (size_t i = 0; i < d->n_field; i++) {
        const field_pb *f = d->field[i];
        size_t index = f->has_oneof_index ? (size_t)f->oneof_index : d->n_oneof_decl;
        if (index >= d->n_oneof_decl || !in_oneof(f, index))
            put_field(p, f, m);
        else if (is_first_of_oneof(d, i))
            put_oneof(p, d, index, m);
    }
}

// ---- types -------------------------------------------------------------------------------------------------------------

static void put_enum(struct printer *p, const enum_pb *d, const char *scope)
{
    struct wf_buf name = { 0 };

    if (!p->err)
        p->err = join(scope, d->name, &name);
    const struct wf_schema_enum *e =
        p->err ? NULL : wf_schema_find_enum(p->schema, wf_buf_view(&name));
    if (e) {
        comment(p, e->comment);
        indent(p);
        put(p, "enum %s {\n", e->name);
        p->depth++;
        if (d->options && d->options->allow_alias) {
            indent(p);
            put(p, "option allow_alias = true;\n");
        }
        for (size_t i = 0; i < e->value_count; i++) {
            comment(p, e->values[i].comment);
            indent(p);
            put(p, "%s = %d;\n", e->values[i].name, e->values[i].number);
        }
        p->depth--;
        indent(p);
        put(p, "}\n");
    }
    wf_buf_fini(&name);
}

static void put_reserved(struct printer *p, const message_pb *d)
{
    for (size_t i = 0; i < d->n_reserved_range; i++) { // the end is exclusive
        indent(p);
        put(p, "reserved %d to %d;\n", d->reserved_range[i]->start, d->reserved_range[i]->end - 1);
    }
    for (size_t i = 0; i < d->n_reserved_name; i++) {
        indent(p);
        put(p, "reserved \"%s\";\n", d->reserved_name[i]);
    }
}

// Recursion is as deep as the descriptor's nesting, which decoding has bounded (WF_MAX_PB_TREE_DEPTH).
static void put_message(struct printer *p, const message_pb *d, const char *scope)
{
    struct wf_buf name = { 0 };

    if (!p->err)
        p->err = join(scope, d->name, &name);
    const struct wf_schema_message *m =
        p->err ? NULL : wf_schema_find_message(p->schema, wf_buf_view(&name));
    if (m && !m->map_entry) {
        comment(p, m->comment);
        indent(p);
        put(p, "message %s {\n", m->name);
        p->depth++;
        put_reserved(p, d);
        for (size_t i = 0; i < d->n_enum_type; i++)
            put_enum(p, d->enum_type[i], (const char *)name.ptr);
        for (size_t i = 0; i < d->n_nested_type; i++)
            put_message(p, d->nested_type[i], (const char *)name.ptr);
        put_fields(p, d, m);
        p->depth--;
        indent(p);
        put(p, "}\n");
    }
    wf_buf_fini(&name);
}

static void put_method(struct printer *p, const struct wf_schema_method *m)
{
    comment(p, m->comment);
    indent(p);
    put(p, "rpc %s(%s%s) returns (%s%s);\n", m->name, m->client_streaming ? "stream " : "",
        m->input->full_name, m->server_streaming ? "stream " : "", m->output->full_name);
}

static void put_service(struct printer *p, const service_pb *d, const char *scope)
{
    struct wf_buf name = { 0 };

    if (!p->err)
        p->err = join(scope, d->name, &name);
    const struct wf_schema_service *s =
        p->err ? NULL : wf_schema_find_service(p->schema, wf_buf_view(&name));
    if (s) {
        comment(p, s->comment);
        put(p, "service %s {\n", s->name);
        p->depth++;
        for (size_t i = 0; i < s->method_count; i++)
            put_method(p, &s->methods[i]);
        p->depth--;
        put(p, "}\n");
    }
    wf_buf_fini(&name);
}

// ---- files -------------------------------------------------------------------------------------------------------------

static bool comes_with_the_tools(const char *file)
{
    return strncmp(file, "google/protobuf/", 16) == 0 || strcmp(file, "weft/v1/options.proto") == 0;
}

static void put_file(struct printer *p, const file_pb *f)
{
    const char *package = f->package ? f->package : "";

    p->proto3 = f->syntax && strcmp(f->syntax, "proto3") == 0;
    put(p, "%s// %s\nsyntax = \"%s\";\n", p->out.len ? "\n" : "", f->name ? f->name : "",
        p->proto3 ? "proto3" : "proto2");
    if (package[0])
        put(p, "package %s;\n", package);
    put(p, f->n_dependency ? "\n" : "");
    for (size_t i = 0; i < f->n_dependency; i++)
        put(p, "import \"%s\";\n", f->dependency[i]);
    for (size_t i = 0; i < f->n_service; i++) {
        put(p, "\n");
        put_service(p, f->service[i], package);
    }
    for (size_t i = 0; i < f->n_message_type; i++) {
        put(p, "\n");
        put_message(p, f->message_type[i], package);
    }
    for (size_t i = 0; i < f->n_enum_type; i++) {
        put(p, "\n");
        put_enum(p, f->enum_type[i], package);
    }
}

enum weft_err weft_product_proto(const struct weft_product *product, char **ret_text)
{
    const Google__Protobuf__FileDescriptorSet *set = NULL;
    struct printer p = { .schema = product->schema };
    struct wf_arena arena;

    wf_arena_init(&arena, wf_pb_budget(product->descriptor.len));
    p.err = wf_pb_unpack(&google__protobuf__file_descriptor_set__descriptor,
        wf_buf_view(&product->descriptor), WF_PB_LENIENT, &arena, (void *)&set);
    for (size_t i = 0; !p.err && i < set->n_file; i++)
        if (!comes_with_the_tools(set->file[i]->name ? set->file[i]->name : ""))
            put_file(&p, set->file[i]);
    if (!p.err)
        p.err = wf_buf_append_byte(&p.out, '\0');
    wf_arena_fini(&arena);
    if (p.err) {
        wf_buf_fini(&p.out);
        return p.err;
    }
    *ret_text = (char *)p.out.ptr;
    return WEFT_OK;
}
