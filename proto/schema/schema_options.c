// SPDX-License-Identifier: Apache-2.0
// What hangs on a field besides its type: proto2 defaults, and weft's own options. The generated FieldOptions does not know the
// latter, so they are read from its unknown fields by the numbers of proto/weft/v1/options.proto.
#include <math.h>

#include "proto/base/limits.h"
#include "proto/schema/number.h"
#include "proto/schema/schema_build.h"

enum {
    OPTION_ROLE = 50101,
    OPTION_UNIT = 50102,
    OPTION_PRIVACY = 50103,
    OPTION_CARDINALITY = 50104,
    OPTION_DESCRIPTION = 50105,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// One escape of protoc's CEscape after the backslash; the bytes read, 0 when malformed.
static size_t unescape_one(const char *in, uint8_t *out)
{
    static const char letters[] = "nrtabfv\"'\\?", values[] = "\n\r\t\a\b\f\v\"'\\?";
    const char *at = *in ? strchr(letters, *in) : NULL;
    unsigned v = 0;
    size_t n = 0;

    if (at) {
        *out = (uint8_t)values[at - letters];
        return 1;
    }
    if (*in == 'x' || *in == 'X') {
        for (n = 1; n < 3 && hex_value(in[n]) >= 0; n++)
            v = v * 16 + (unsigned)hex_value(in[n]);
        *out = (uint8_t)v;
        return n > 1 ? n : 0;
    }
    for (; n < 3 && in[n] >= '0' && in[n] <= '7'; n++)
        v = v * 8 + (unsigned)(in[n] - '0');
    *out = (uint8_t)v;
    return v <= 255 ? n : 0;
}

static enum weft_err default_bytes(struct wf_arena *arena, const char *text, struct wf_bytes *ret)
{
    uint8_t *out = wf_arena_alloc(arena, strlen(text));
    size_t n = 0;

    if (!out)
        return wf_arena_err(arena);
    while (*text) {
        if (*text != '\\') {
            out[n++] = (uint8_t)*text++;
            continue;
        }
        size_t used = unescape_one(text + 1, &out[n++]);
        if (used == 0)
            return WEFT_E_SYNTAX;
        text += 1 + used;
    }
    *ret = wf_bytes(out, n);
    return WEFT_OK;
}

static enum weft_err default_real(const char *text, double *ret)
{
    if (strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0) {
        *ret = text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
        return WEFT_OK;
    }
    if (strcmp(text, "nan") == 0) {
        *ret = NAN;
        return WEFT_OK;
    }
    return wf_number_parse(wf_bytes_str(text), ret);
}

static enum weft_err parse_default(struct wf_schema_build *b, const struct wf_schema_field *f,
    const char *text, struct wf_value *v)
{
    const struct wf_schema_enum_value *e = NULL;
    double real = 0;
    enum weft_err err = WEFT_OK;

    switch (v->kind) {
    case WF_VALUE_BOOL:
        v->b = strcmp(text, "true") == 0;
        return v->b || strcmp(text, "false") == 0 ? WEFT_OK : WEFT_E_SYNTAX;
    case WF_VALUE_INT:
        return wf_number_int(wf_bytes_str(text), &v->i);
    case WF_VALUE_UINT:
        return wf_number_uint(wf_bytes_str(text), &v->u);
    case WF_VALUE_FLOAT:
        err = default_real(text, &real);
        v->f = (float)real;
        return err;
    case WF_VALUE_DOUBLE:
        return default_real(text, &v->d);
    case WF_VALUE_ENUM:
        e = wf_schema_enum_by_name(f->enumeration, wf_bytes_str(text));
        v->number = e ? e->number : 0;
        return e ? WEFT_OK : WEFT_E_SYNTAX;
    case WF_VALUE_STRING:
        return wf_arena_dup(b->arena, wf_bytes_str(text), &v->bytes);
    case WF_VALUE_BYTES:
        return default_bytes(b->arena, text, &v->bytes);
    default:
        return WEFT_E_SYNTAX;
    }
}

enum weft_err wf_build_default(struct wf_schema_build *b, const char *file,
    const Google__Protobuf__FieldDescriptorProto *pb, struct wf_schema_field *f)
{
    if (f->repeated || f->type == WF_TYPE_MESSAGE) {
        if (pb->default_value)
            return wf_build_fail(
                b, WEFT_E_SCHEMA, file, f->name, "only a singular scalar has a default");
        return WEFT_OK;
    }
    struct wf_value v = { .kind = wf_schema_value_kind(f->type) };
    if (f->type == WF_TYPE_ENUM)
        v.number = f->enumeration->values[0].number;
    if (pb->default_value) {
        enum weft_err err = parse_default(b, f, pb->default_value, &v);
        if (err == WEFT_E_SYNTAX || err == WEFT_E_RANGE)
            return wf_build_fail(b, WEFT_E_SCHEMA, file, f->name, "the default \"%.64s\" is no %s",
                pb->default_value, wf_schema_type_name(f));
        if (err)
            return err;
    }
    f->default_value = v;
    return WEFT_OK;
}

static enum weft_err text_option(
    struct wf_schema_build *b, struct wf_bytes data, size_t max, const char **ret)
{
    uint64_t len = 0;
    enum weft_err err = wf_varint_take(&data, &len);

    if (err)
        return err;
    if (len != data.len)
        return WEFT_E_SYNTAX;
    if (len > max)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < data.len; i++)
        if (data.ptr[i] < ' ' || data.ptr[i] == 0x7f)
            return WEFT_E_SYNTAX;
    if (!wf_utf8_is_valid(data))
        return WEFT_E_BAD_UTF8;
    return wf_arena_str(b->arena, data, ret);
}

// data is what protobuf-c keeps of an unknown field: everything after the tag, the length of a string included.
static enum weft_err take_option(
    struct wf_schema_build *b, const ProtobufCMessageUnknownField *u, struct wf_schema_field *f)
{
    struct wf_bytes data = wf_bytes(u->data, u->len);
    bool text = u->tag == OPTION_UNIT || u->tag == OPTION_DESCRIPTION;
    uint64_t v = 0;

    if (u->tag < OPTION_ROLE || u->tag > OPTION_DESCRIPTION)
        return WEFT_OK;
    if (u->wire_type != (text ? PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED : PROTOBUF_C_WIRE_TYPE_VARINT))
        return WEFT_E_TYPE;
    if (text)
        return u->tag == OPTION_UNIT ? text_option(b, data, WF_MAX_NAME, &f->unit)
                                     : text_option(b, data, WF_MAX_TEXT, &f->description);
    enum weft_err err = wf_varint_take(&data, &v);
    if (err)
        return err;
    if (u->tag == OPTION_ROLE)
        f->role = v <= WF_ROLE_TEXT ? (enum wf_role)v : WF_ROLE_UNSPECIFIED;
    if (u->tag == OPTION_PRIVACY)
        f->privacy = v <= WF_PRIVACY_PERSONAL ? (enum wf_privacy)v : WF_PRIVACY_PERSONAL;
    if (u->tag == OPTION_CARDINALITY)
        f->cardinality = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    return WEFT_OK;
}

enum weft_err wf_build_options(struct wf_schema_build *b, const char *file,
    const Google__Protobuf__FieldDescriptorProto *pb, struct wf_schema_field *f)
{
    for (size_t i = 0; pb->options && i < pb->options->base.n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *u = &pb->options->base.unknown_fields[i];
        enum weft_err err = take_option(b, u, f);
        if (err == WEFT_E_NOMEM || err == WEFT_E_BUDGET)
            return err;
        if (err)
            return wf_build_fail(b, WEFT_E_SCHEMA, file, f->name, "weft.v1 option %u: %s", u->tag,
                weft_err_text(err));
    }
    return WEFT_OK;
}
