// SPDX-License-Identifier: Apache-2.0
#include "sdk/json_scalar.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "proto/schema/number.h"

// Doubles hold every integer up to here; beyond, a number with a fraction or exponent may not be the one that was meant.
#define EXACT 9007199254740992.0

static enum weft_err expected(
    char *reason, enum weft_err err, const char *what, const struct wf_json *got)
{
    char brief[WF_JSON_BRIEF];

    snprintf(reason, WF_DIAG_TEXT, "expected %s, got %s", what, wf_json_brief(got, brief));
    return err;
}

static enum weft_err too_large(
    char *reason, const struct wf_schema_field *f, const struct wf_json *j)
{
    char brief[WF_JSON_BRIEF];

    snprintf(reason, WF_DIAG_TEXT, "%s is out of range for %s", wf_json_brief(j, brief),
        wf_schema_type_name(f));
    return WEFT_E_RANGE;
}

static bool is_narrow(enum wf_field_type type)
{
    return type == WF_TYPE_INT32 || type == WF_TYPE_SINT32 || type == WF_TYPE_SFIXED32 ||
           type == WF_TYPE_UINT32 || type == WF_TYPE_FIXED32;
}

static bool fits(const struct wf_schema_field *f, const struct wf_value *v)
{
    if (!is_narrow(f->type))
        return true;
    return v->kind == WF_VALUE_INT ? v->i >= INT32_MIN && v->i <= INT32_MAX : v->u <= UINT32_MAX;
}

// A whole number as text, by the sign of the type.
static enum weft_err parse_whole(struct wf_bytes text, struct wf_value *v)
{
    enum weft_err err =
        v->kind == WF_VALUE_INT ? wf_number_int(text, &v->i) : wf_number_uint(text, &v->u);

    // "-1" for an unsigned type is a number, only not one of its range.
    if (err == WEFT_E_SYNTAX && v->kind == WF_VALUE_UINT && text.len > 1 && text.ptr[0] == '-') {
        uint64_t ignored = 0;
        err = wf_number_uint(wf_bytes(text.ptr + 1, text.len - 1), &ignored);
        err = err == WEFT_E_SYNTAX ? err : WEFT_E_RANGE;
    }
    return err;
}

static enum weft_err whole(
    const struct wf_schema_field *f, const struct wf_json *j, struct wf_value *v, char *reason)
{
    enum weft_err err = WEFT_E_TYPE;
    double real = wf_json_real(j);
    int64_t i = wf_json_int(j);

    if (wf_json_type(j) == WF_JSON_STRING) {
        err = parse_whole(wf_json_string(j), v);
    } else if (wf_json_type(j) == WF_JSON_REAL && floor(real) == real) {
        err = fabs(real) <= EXACT ? WEFT_OK : WEFT_E_RANGE;
        i = err ? 0 : (int64_t)real;
    } else if (wf_json_type(j) == WF_JSON_INT) {
        err = WEFT_OK;
    }
    if (!err && wf_json_type(j) != WF_JSON_STRING) {
        v->i = i; // the same bits for both signs
        err = v->kind == WF_VALUE_UINT && i < 0 ? WEFT_E_RANGE : WEFT_OK;
    }
    if (!err && !fits(f, v))
        err = WEFT_E_RANGE;
    if (err == WEFT_E_RANGE && wf_json_type(j) == WF_JSON_REAL && !is_narrow(f->type))
        return expected(reason, err, "an integer (as a string beyond 2^53)", j);
    if (err == WEFT_E_RANGE)
        return too_large(reason, f, j);
    return err ? expected(reason, err, "an integer", j) : WEFT_OK;
}

static enum weft_err parse_real(struct wf_bytes text, double *ret)
{
    if (wf_bytes_is(text, "NaN"))
        *ret = NAN;
    else if (wf_bytes_is(text, "Infinity"))
        *ret = HUGE_VAL;
    else if (wf_bytes_is(text, "-Infinity"))
        *ret = -HUGE_VAL;
    else
        return wf_number_parse(text, ret);
    return WEFT_OK;
}

static enum weft_err real(
    const struct wf_schema_field *f, const struct wf_json *j, struct wf_value *v, char *reason)
{
    double d = wf_json_real(j);
    enum weft_err err = WEFT_E_TYPE;

    if (wf_json_type(j) == WF_JSON_STRING)
        err = parse_real(wf_json_string(j), &d);
    else if (wf_json_type(j) == WF_JSON_INT || wf_json_type(j) == WF_JSON_REAL)
        err = WEFT_OK;
    if (err == WEFT_E_RANGE ||
        (!err && v->kind == WF_VALUE_FLOAT && isfinite(d) && fabs(d) > (double)FLT_MAX))
        return too_large(reason, f, j);
    if (err)
        return expected(reason, err, "a number", j);
    if (v->kind == WF_VALUE_FLOAT)
        v->f = (float)d;
    else
        v->d = d;
    return WEFT_OK;
}

static enum weft_err enumerated(
    const struct wf_schema_field *f, const struct wf_json *j, struct wf_value *v, char *reason)
{
    const struct wf_schema_enum_value *named = NULL;
    char what[WF_DIAG_TEXT / 2];
    double number = wf_json_real(j);

    if (f->enumeration->null_value && wf_json_type(j) == WF_JSON_NULL)
        return WEFT_OK;
    if (wf_json_type(j) == WF_JSON_STRING)
        named = wf_schema_enum_by_name(f->enumeration, wf_json_string(j));
    if (named) {
        v->number = named->number;
        return WEFT_OK;
    }
    bool numeric = (wf_json_type(j) == WF_JSON_INT || wf_json_type(j) == WF_JSON_REAL) &&
                   floor(number) == number && number >= INT32_MIN && number <= INT32_MAX;
    if (numeric && (!f->closed || wf_schema_enum_by_number(f->enumeration, (int32_t)number))) {
        v->number = (int32_t)number;
        return WEFT_OK;
    }
    snprintf(what, sizeof what, "a value of %s such as \"%s\"", f->enumeration->full_name,
        f->enumeration->values[0].name);
    return expected(reason, WEFT_E_TYPE, what, j);
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

enum weft_err wf_json_base64(struct wf_bytes text, struct wf_buf *out)
{
    size_t len = text.len;
    uint32_t bits = 0;
    unsigned have = 0;

    for (int i = 0; i < 2 && len && text.len % 4 == 0 && text.ptr[len - 1] == '='; i++)
        len--;
    if (len % 4 == 1)
        return WEFT_E_SYNTAX;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text.ptr[i]);
        if (digit < 0)
            return WEFT_E_SYNTAX;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        enum weft_err err = wf_buf_append_byte(out, (uint8_t)(bits >> have));
        if (err)
            return err;
    }
    return WEFT_OK;
}

static enum weft_err blob(
    const struct wf_json *j, struct wf_buf *scratch, struct wf_value *v, char *reason)
{
    if (wf_json_type(j) != WF_JSON_STRING)
        return expected(reason, WEFT_E_TYPE, "base64", j);
    scratch->len = 0;
    enum weft_err err = wf_json_base64(wf_json_string(j), scratch);
    if (err == WEFT_E_SYNTAX)
        return expected(reason, err, "base64", j);
    v->bytes = wf_buf_view(scratch);
    return err;
}

enum weft_err wf_json_scalar(const struct wf_schema_field *f, const struct wf_json *j,
    struct wf_buf *scratch, struct wf_value *ret, char *reason)
{
    struct wf_value v = { .kind = wf_schema_value_kind(f->type) };
    enum weft_err err = WEFT_OK;

    switch (v.kind) {
    case WF_VALUE_BOOL:
        v.b = wf_json_bool(j);
        if (wf_json_type(j) != WF_JSON_BOOL)
            err = expected(reason, WEFT_E_TYPE, "true or false", j);
        break;
    case WF_VALUE_INT:
    case WF_VALUE_UINT:
        err = whole(f, j, &v, reason);
        break;
    case WF_VALUE_FLOAT:
    case WF_VALUE_DOUBLE:
        err = real(f, j, &v, reason);
        break;
    case WF_VALUE_ENUM:
        err = enumerated(f, j, &v, reason);
        break;
    case WF_VALUE_BYTES:
        err = blob(j, scratch, &v, reason);
        break;
    default:
        v.bytes = wf_json_string(j);
        if (wf_json_type(j) != WF_JSON_STRING)
            err = expected(reason, WEFT_E_TYPE, "a string", j);
        break;
    }
    if (!err)
        *ret = v;
    return err;
}

enum weft_err wf_json_map_key(
    const struct wf_schema_field *f, struct wf_bytes key, struct wf_value *ret, char *reason)
{
    struct wf_value v = { .kind = wf_schema_value_kind(f->type) };
    enum weft_err err = WEFT_OK;

    if (v.kind == WF_VALUE_STRING) {
        v.bytes = key;
    } else if (v.kind == WF_VALUE_BOOL) {
        v.b = wf_bytes_is(key, "true");
        err = v.b || wf_bytes_is(key, "false") ? WEFT_OK : WEFT_E_SYNTAX;
    } else {
        err = parse_whole(key, &v);
        if (!err && !fits(f, &v))
            err = WEFT_E_RANGE;
    }
    if (err) {
        snprintf(reason, WF_DIAG_TEXT, "the key is no %s", wf_schema_type_name(f));
        return err;
    }
    *ret = v;
    return WEFT_OK;
}
