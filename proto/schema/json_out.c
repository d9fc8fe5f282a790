// SPDX-License-Identifier: Apache-2.0
#include "proto/schema/json_out.h"

#include <math.h>
#include <stdio.h>

#include "proto/schema/number.h"

void wf_json_out_init(struct wf_json_out *o, struct wf_buf *buf, size_t max, unsigned indent)
{
    *o = (struct wf_json_out){ .buf = buf, .start = buf->len, .max = max, .indent = indent };
}

void wf_json_out_fail(struct wf_json_out *o, enum weft_err err)
{
    if (!o->err)
        o->err = err;
}

static void put(struct wf_json_out *o, const void *p, size_t len)
{
    if (o->err)
        return;
    if (len > o->max - (o->buf->len - o->start))
        wf_json_out_fail(o, WEFT_E_TOO_BIG);
    else
        wf_json_out_fail(o, wf_buf_append(o->buf, wf_bytes(p, len)));
}

static void put_str(struct wf_json_out *o, const char *s)
{
    put(o, s, strlen(s));
}

static void new_line(struct wf_json_out *o)
{
    if (o->indent == 0)
        return;
    put(o, "\n", 1);
    for (unsigned i = 0; i < o->depth * o->indent && !o->err; i++)
        put(o, " ", 1);
}

static bool in_array(const struct wf_json_out *o)
{
    unsigned level = o->depth - 1;

    return o->arrays[level / 8] >> level % 8 & 1;
}

// What stands before any value: nothing at the top and after a key, a comma and a line between elements.
static void before_value(struct wf_json_out *o)
{
    if (o->keyed) {
        o->keyed = false;
        return;
    }
    if (o->complete || (o->depth && !in_array(o))) {
        wf_json_out_fail(o, WEFT_E_STATE);
        return;
    }
    if (o->depth == 0)
        return;
    if (o->filled)
        put(o, ",", 1);
    new_line(o);
}

static void after_value(struct wf_json_out *o)
{
    o->filled = true;
    o->complete = o->depth == 0;
}

static void open_value(struct wf_json_out *o, bool array)
{
    before_value(o);
    if (o->depth == WF_JSON_OUT_DEPTH)
        wf_json_out_fail(o, WEFT_E_TOO_DEEP);
    if (o->err)
        return;
    uint8_t bit = (uint8_t)(1u << o->depth % 8);
    if (array)
        o->arrays[o->depth / 8] |= bit;
    else
        o->arrays[o->depth / 8] &= (uint8_t)~bit;
    o->depth++;
    o->filled = false;
    put(o, array ? "[" : "{", 1);
}

void wf_json_out_object(struct wf_json_out *o)
{
    open_value(o, false);
}

void wf_json_out_array(struct wf_json_out *o)
{
    open_value(o, true);
}

void wf_json_out_end(struct wf_json_out *o)
{
    if (o->depth == 0 || o->keyed)
        wf_json_out_fail(o, WEFT_E_STATE);
    if (o->err)
        return;
    bool array = in_array(o), filled = o->filled;
    o->depth--;
    if (filled)
        new_line(o);
    put(o, array ? "]" : "}", 1);
    after_value(o);
}

// Two characters or six: the escapes that RFC 8259 asks for, and of what terminals act on.
static size_t escape(uint32_t c, char out[8])
{
    static const char letters[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *at = c && c < 0x80 ? strchr(letters, (int)c) : NULL;

    if (!at)
        return (size_t)snprintf(out, 8, "\\u%04x", c);
    out[0] = '\\';
    out[1] = names[at - letters];
    return 2;
}

static void put_string(struct wf_json_out *o, struct wf_bytes text)
{
    size_t plain = 0; // start of what needs no escape

    if (!wf_utf8_is_valid(text))
        wf_json_out_fail(o, WEFT_E_BAD_UTF8);
    put(o, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        uint32_t code = c;
        size_t len = 1;
        char out[8];
        if (c < 0x7f && c >= ' ' && c != '"' && c != '\\')
            continue;
        if (c >= 0x7f)
            len = wf_text_next(wf_bytes(text.ptr + i, text.len - i), &code);
        if (code != WF_TEXT_SHOWN) {
            put(o, text.ptr + plain, i - plain);
            put(o, out, escape(code, out));
            plain = i + len;
        }
        i += len - 1;
    }
    if (text.len > plain)
        put(o, text.ptr + plain, text.len - plain);
    put(o, "\"", 1);
}

void wf_json_out_key(struct wf_json_out *o, struct wf_bytes key)
{
    if (o->depth == 0 || in_array(o) || o->keyed)
        wf_json_out_fail(o, WEFT_E_STATE);
    if (o->err)
        return;
    if (o->filled)
        put(o, ",", 1);
    new_line(o);
    put_string(o, key);
    put_str(o, o->indent ? ": " : ":");
    o->keyed = true;
}

void wf_json_out_string(struct wf_json_out *o, struct wf_bytes text)
{
    before_value(o);
    put_string(o, text);
    after_value(o);
}

void wf_json_out_raw(struct wf_json_out *o, struct wf_bytes json)
{
    before_value(o);
    put(o, json.ptr, json.len);
    after_value(o);
}

void wf_json_out_int(struct wf_json_out *o, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)v);

    wf_json_out_raw(o, wf_bytes(text, (size_t)n));
}

void wf_json_out_uint(struct wf_json_out *o, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)v);

    wf_json_out_raw(o, wf_bytes(text, (size_t)n));
}

static bool put_not_finite(struct wf_json_out *o, double v)
{
    if (isfinite(v))
        return false;
    if (isnan(v))
        wf_json_out_string(o, WF_STR("NaN"));
    else
        wf_json_out_string(o, v > 0 ? WF_STR("Infinity") : WF_STR("-Infinity"));
    return true;
}

void wf_json_out_double(struct wf_json_out *o, double v)
{
    char text[WF_NUMBER_TEXT];

    if (!put_not_finite(o, v))
        wf_json_out_raw(o, wf_bytes(text, wf_number_double(v, text)));
}

void wf_json_out_float(struct wf_json_out *o, float v)
{
    char text[WF_NUMBER_TEXT];

    if (!put_not_finite(o, (double)v))
        wf_json_out_raw(o, wf_bytes(text, wf_number_float(v, text)));
}

void wf_json_out_bool(struct wf_json_out *o, bool v)
{
    wf_json_out_raw(o, v ? WF_STR("true") : WF_STR("false"));
}

void wf_json_out_null(struct wf_json_out *o)
{
    wf_json_out_raw(o, WF_STR("null"));
}

void wf_json_out_base64(struct wf_json_out *o, struct wf_bytes data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    before_value(o);
    put(o, "\"", 1);
    for (size_t i = 0; i < data.len && !o->err; i += 3) {
        size_t n = data.len - i < 3 ? data.len - i : 3;
        uint32_t v = (uint32_t)data.ptr[i] << 16 | (n > 1 ? (uint32_t)data.ptr[i + 1] << 8 : 0) |
                     (n > 2 ? data.ptr[i + 2] : 0);
        char out[4] = { digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=',
            n > 2 ? digits[v & 63] : '=' };
        put(o, out, sizeof out);
    }
    put(o, "\"", 1);
    after_value(o);
}

void wf_json_out_member(struct wf_json_out *o, const char *key, struct wf_bytes text)
{
    wf_json_out_key(o, wf_bytes_str(key));
    wf_json_out_string(o, text);
}

void wf_json_out_member_int(struct wf_json_out *o, const char *key, int64_t v)
{
    wf_json_out_key(o, wf_bytes_str(key));
    wf_json_out_int(o, v);
}

void wf_json_out_member_bool(struct wf_json_out *o, const char *key, bool v)
{
    wf_json_out_key(o, wf_bytes_str(key));
    wf_json_out_bool(o, v);
}

enum weft_err wf_json_out_done(struct wf_json_out *o)
{
    if (!o->err && !o->complete)
        o->err = WEFT_E_STATE;
    if (o->err)
        o->buf->len = o->start;
    return o->err;
}
