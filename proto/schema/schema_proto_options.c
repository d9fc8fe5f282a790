// SPDX-License-Identifier: Apache-2.0
// Options as text. Those of descriptor.proto are found by reflection over the generated types; custom ones are unknown fields
// there, described by extensions of the set, and message values among them are read as records of its schema.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "proto/base/limits.h"
#include "proto/schema/number.h"
#include "proto/schema/record.h"
#include "proto/schema/record_wire.h"
#include "proto/schema/schema_proto_print.h"

typedef Google__Protobuf__FieldDescriptorProto field_pb;
typedef Google__Protobuf__DescriptorProto message_pb;

// What comes before and after an option, as a statement or in a list.
struct style {
    struct wf_proto_printer *p;
    struct wf_option_list *list; // NULL: statements
};

static void begin(struct style *s)
{
    if (s->list) {
        wf_option_next(s->list);
        return;
    }
    wf_print_indent(s->p);
    wf_print_text(s->p, "option ");
}

static void end(struct style *s)
{
    if (!s->list)
        wf_print_text(s->p, ";\n");
}

void wf_option_next(struct wf_option_list *l)
{
    wf_print_text(l->p, l->open ? ", " : " [");
    l->open = true;
}

void wf_option_end(struct wf_option_list *l)
{
    if (l->open)
        wf_print_text(l->p, "]");
}

static void print_real(struct wf_proto_printer *p, double v, bool single)
{
    char text[WF_NUMBER_TEXT];

    if (isnan(v))
        wf_print_text(p, "nan");
    else if (isinf(v))
        wf_print_text(p, "%sinf", v < 0 ? "-" : "");
    else
        wf_print_bytes(p,
            wf_bytes(text, single ? wf_number_float((float)v, text) : wf_number_double(v, text)));
}

static void print_enum(struct wf_proto_printer *p, const struct wf_schema_enum *e, int32_t number)
{
    const struct wf_schema_enum_value *v = wf_schema_enum_by_number(e, number);

    if (v)
        wf_print_text(p, "%s", v->name);
    else
        wf_print_fail(p, WEFT_E_RANGE); // protoc reads enum options by name only
}

static void print_scalar(
    struct wf_proto_printer *p, const struct wf_schema_enum *e, const struct wf_value *v)
{
    switch (v->kind) {
    case WF_VALUE_BOOL:
        wf_print_text(p, v->b ? "true" : "false");
        break;
    case WF_VALUE_INT:
        wf_print_text(p, "%" PRId64, v->i);
        break;
    case WF_VALUE_UINT:
        wf_print_text(p, "%" PRIu64, v->u);
        break;
    case WF_VALUE_FLOAT:
        print_real(p, (double)v->f, true);
        break;
    case WF_VALUE_DOUBLE:
        print_real(p, v->d, false);
        break;
    case WF_VALUE_ENUM:
        print_enum(p, e, v->number);
        break;
    default:
        wf_print_quoted(p, v->bytes);
        break;
    }
}

// ---- a message in protobuf's text format, on one line

static enum weft_err text_event(void *ctx, const struct wf_record_event *e, bool *skip)
{
    struct wf_proto_printer *p = ctx;
    const char *name = e->field ? e->field->name : "";

    (void)skip;
    if (e->what != WF_RECORD_VALUE && e->what != WF_RECORD_MESSAGE &&
        e->what != WF_RECORD_MESSAGE_END)
        return p->err;
    bool ends = e->what == WF_RECORD_MESSAGE_END;
    if (!ends && e->key) {
        wf_print_text(p, "%s { key: ", name);
        print_scalar(p, NULL, e->key);
        wf_print_text(p, " ");
        name = "value";
    }
    if (e->what == WF_RECORD_MESSAGE) {
        wf_print_text(p, "%s%s{ ", name, name[0] ? " " : "");
    } else if (ends) {
        wf_print_text(p, e->field ? "} " : "}");
    } else {
        wf_print_text(p, "%s: ", name);
        print_scalar(p, e->type->enumeration, &e->value);
        wf_print_text(p, " ");
    }
    if (e->key && (ends || e->what == WF_RECORD_VALUE))
        wf_print_text(p, "} ");
    return p->err;
}

static void print_message(struct wf_proto_printer *p, const char *type_name, struct wf_bytes value)
{
    const struct wf_schema_message *m =
        wf_schema_find_message(p->proto->schema, wf_bytes_str(type_name + 1));

    if (!m)
        wf_print_fail(p, WEFT_E_TYPE);
    else
        wf_print_fail(p, wf_record_read(m, value, NULL, text_event, p, NULL, NULL));
}

// ---- custom options

struct extension {
    const field_pb *field;
    char name[WF_MAX_SCHEMA_PATH + 2]; // full, without a leading dot
};

static bool matches(const field_pb *f, const char *extendee, uint32_t number)
{
    return (uint32_t)f->number == number && f->extendee && f->extendee[0] == '.' &&
           strcmp(f->extendee + 1, extendee) == 0;
}

static bool find_in(field_pb *const *extensions, size_t count, const char *scope,
    const char *extendee, uint32_t number, struct extension *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (!matches(extensions[i], extendee, number))
            continue;
        ret->field = extensions[i];
        snprintf(
            ret->name, sizeof ret->name, "%s%s%s", scope, scope[0] ? "." : "", extensions[i]->name);
        return true;
    }
    return false;
}

// Extensions may be declared inside of messages; their depth is that of the set, which was bounded when it was unpacked.
static bool find_in_message(const message_pb *m, const char *scope, const char *extendee,
    uint32_t number, struct extension *ret)
{
    char full[WF_MAX_SCHEMA_PATH + 2];

    snprintf(full, sizeof full, "%s%s%s", scope, scope[0] ? "." : "", m->name);
    if (find_in(m->extension, m->n_extension, full, extendee, number, ret))
        return true;
    for (size_t i = 0; i < m->n_nested_type; i++)
        if (find_in_message(m->nested_type[i], full, extendee, number, ret))
            return true;
    return false;
}

static bool find_extension(const struct wf_schema_proto *proto, const char *extendee,
    uint32_t number, struct extension *ret)
{
    for (size_t i = 0; i < proto->set->n_file; i++) {
        const Google__Protobuf__FileDescriptorProto *f = proto->set->file[i];
        const char *scope = f->package ? f->package : "";
        if (find_in(f->extension, f->n_extension, scope, extendee, number, ret))
            return true;
        for (size_t k = 0; k < f->n_message_type; k++)
            if (find_in_message(f->message_type[k], scope, extendee, number, ret))
                return true;
    }
    return false;
}

static void print_custom(struct style *s, const struct extension *x, const struct wf_wire_field *w)
{
    enum wf_field_type type = (enum wf_field_type)x->field->type;
    struct wf_value v = wf_wire_value(type, w);
    const struct wf_schema_enum *e = NULL;

    if (type == WF_TYPE_ENUM) {
        const char *name = x->field->type_name ? x->field->type_name : ".";
        e = wf_schema_find_enum(s->p->proto->schema, wf_bytes_str(name + 1));
        if (!e)
            wf_print_fail(s->p, WEFT_E_TYPE);
    }
    if (s->p->err)
        return;
    begin(s);
    wf_print_text(s->p, "(%s) = ", x->name);
    if (type == WF_TYPE_MESSAGE)
        print_message(s->p, x->field->type_name ? x->field->type_name : ".", w->bytes);
    else
        print_scalar(s->p, e, &v);
    end(s);
}

// A list of custom options may have been written packed; as text each element stands for itself.
static void print_packed(struct style *s, const struct extension *x, const struct wf_wire_field *w)
{
    enum wf_field_type type = (enum wf_field_type)x->field->type;
    struct wf_wire_field one = { .number = w->number, .wire = wf_wire_type_of(type) };
    struct wf_bytes rest = w->bytes;

    while (rest.len && !s->p->err) {
        wf_print_fail(s->p, wf_wire_take_raw(&rest, one.wire, &one.raw));
        if (!s->p->err)
            print_custom(s, x, &one);
    }
}

// protobuf-c keeps an unknown field as its tag and the bytes after it.
static void print_unknown(
    struct style *s, const ProtobufCMessageUnknownField *u, const char *extendee)
{
    struct extension x;
    struct wf_wire_field w = { .number = u->tag, .wire = (enum wf_wire_type)u->wire_type };
    struct wf_bytes rest = wf_bytes(u->data, u->len);

    if (!find_extension(s->p->proto, extendee, u->tag, &x))
        return; // not described by the set, so not printable; protoc would not write such a set
    if (w.wire == WF_WIRE_DELIMITED) {
        wf_print_fail(s->p, wf_varint_take(&rest, &w.raw));
        w.bytes = rest;
    } else {
        wf_print_fail(s->p, wf_wire_take_raw(&rest, w.wire, &w.raw));
    }
    if (s->p->err)
        return;
    enum wf_wire_type want = wf_wire_type_of((enum wf_field_type)x.field->type);
    if (w.wire == want)
        print_custom(s, &x, &w);
    else if (w.wire == WF_WIRE_DELIMITED)
        print_packed(s, &x, &w);
    else
        wf_print_fail(s->p, WEFT_E_TYPE);
}

// ---- options of descriptor.proto

static bool is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;

    if (f->label != PROTOBUF_C_LABEL_OPTIONAL)
        return false;
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)(const void *)(base + f->offset);
        return text && text != f->default_value;
    }
    return *(const protobuf_c_boolean *)(const void *)(base + f->quantifier_offset);
}

static void print_known(
    struct style *s, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *at = (const char *)m + f->offset;

    // A map entry has no text of its own, and nothing else sets this.
    if (!is_set(m, f) || strcmp(f->name, "map_entry") == 0)
        return;
    begin(s);
    wf_print_text(s->p, "%s = ", f->name);
    if (f->type == PROTOBUF_C_TYPE_BOOL) {
        wf_print_text(s->p, *(const protobuf_c_boolean *)(const void *)at ? "true" : "false");
    } else if (f->type == PROTOBUF_C_TYPE_STRING) {
        wf_print_quoted(s->p, wf_bytes_str(*(char *const *)(const void *)at));
    } else if (f->type == PROTOBUF_C_TYPE_ENUM) {
        const ProtobufCEnumValue *v =
            protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)(const void *)at);
        if (v)
            wf_print_text(s->p, "%s", v->name);
        else
            wf_print_fail(s->p, WEFT_E_RANGE);
    }
    end(s);
}

static void print_options(struct style *s, const ProtobufCMessage *options, const char *extendee)
{
    if (!options)
        return;
    for (unsigned i = 0; i < options->descriptor->n_fields; i++)
        print_known(s, options, &options->descriptor->fields[i]);
    for (unsigned i = 0; i < options->n_unknown_fields; i++)
        print_unknown(s, &options->unknown_fields[i], extendee);
}

void wf_print_option_lines(
    struct wf_proto_printer *p, const ProtobufCMessage *options, const char *extendee)
{
    struct style s = { .p = p };

    print_options(&s, options, extendee);
}

void wf_print_option_list(
    struct wf_option_list *l, const ProtobufCMessage *options, const char *extendee)
{
    struct style s = { .p = l->p, .list = l };

    print_options(&s, options, extendee);
}
