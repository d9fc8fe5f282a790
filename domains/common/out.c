// SPDX-License-Identifier: Apache-2.0
#include "domains/common/out.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "domains/common/bounds.h"

void wf_out_fini(struct wf_out *o)
{
    free(o->ptr);
    free(o->rows);
    *o = (struct wf_out){ 0 };
}

void wf_out_reset(struct wf_out *o)
{
    o->len = 0;
    o->row_count = 0;
    o->err = WEFT_OK;
}

void wf_out_fit(struct wf_out *o)
{
    char *text = o->len ? realloc(o->ptr, o->len) : NULL;
    struct wf_row *rows = o->row_count ? realloc(o->rows, o->row_count * sizeof *rows) : NULL;

    // Where it could not be made smaller it stays as it is.
    if (text) {
        o->ptr = text;
        o->cap = o->len;
    }
    if (rows) {
        o->rows = rows;
        o->row_cap = o->row_count;
    }
}

static void reserve(struct wf_out *o, size_t more)
{
    if (o->err || o->cap - o->len >= more)
        return;
    if (more > WF_HOST_MAX_OUT - o->len) {
        o->err = WEFT_E_TOO_BIG;
        return;
    }
    size_t cap = o->cap ? o->cap : 4096;
    while (cap - o->len < more)
        cap *= 2;
    char *p = realloc(o->ptr, cap);
    if (!p) {
        o->err = WEFT_E_NOMEM;
        return;
    }
    o->ptr = p;
    o->cap = cap;
}

void wf_out_raw(struct wf_out *o, const char *text, size_t len)
{
    reserve(o, len);
    if (o->err || len == 0)
        return;
    memcpy(o->ptr + o->len, text, len);
    o->len += len;
}

static void put(struct wf_out *o, const char *text)
{
    wf_out_raw(o, text, strlen(text));
}

// A comma unless the value is the first of its object or list.
static void separate(struct wf_out *o)
{
    if (!o->err && o->len > 0 && o->ptr[o->len - 1] != '{' && o->ptr[o->len - 1] != '[')
        put(o, ",");
}

static void name_of(struct wf_out *o, const char *name)
{
    separate(o);
    put(o, "\"");
    put(o, name);
    put(o, "\":");
}

void wf_out_open_row(struct wf_out *o)
{
    o->row = (struct wf_row){ .start = o->len, .key_end = o->len + 1 };
    put(o, "{");
}

void wf_out_key_done(struct wf_out *o)
{
    o->row.key_end = o->len;
}

enum weft_err wf_out_close_row(struct wf_out *o)
{
    put(o, "}");
    if (!o->err && o->len - o->row.start > WF_HOST_MAX_ROW)
        o->err = WEFT_E_TOO_BIG;
    if (!o->err && o->row_count == o->row_cap) {
        size_t cap = o->row_cap ? o->row_cap * 2 : 64;
        struct wf_row *rows = NULL;
        if (o->row_count < WF_HOST_MAX_ROWS)
            rows = realloc(o->rows, cap * sizeof *rows);
        if (rows) {
            o->rows = rows;
            o->row_cap = cap;
        } else {
            o->err = o->row_count < WF_HOST_MAX_ROWS ? WEFT_E_NOMEM : WEFT_E_TOO_BIG;
        }
    }
    if (o->err)
        return o->err;
    o->row.end = o->len;
    o->rows[o->row_count++] = o->row;
    return WEFT_OK;
}

// Length of the well-formed UTF-8 character (RFC 3629 section 4) that t begins with, or 0.
static size_t utf8_len(struct wf_text t)
{
    const uint8_t *p = (const uint8_t *)t.ptr;
    uint8_t low = 0x80, high = 0xbf;
    size_t n = 0;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        n = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4;
    if (n == 0 || t.len < n)
        return 0;
    // The second byte rules out overlong forms, surrogates and what lies above U+10FFFF.
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return n;
}

static void put_char(struct wf_out *o, struct wf_text c)
{
    char escape[8];

    if (c.ptr[0] == '"' || c.ptr[0] == '\\') {
        put(o, "\\");
        wf_out_raw(o, c.ptr, 1);
    } else if ((unsigned char)c.ptr[0] < 0x20) {
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(unsigned char)c.ptr[0]);
        put(o, escape);
    } else {
        wf_out_raw(o, c.ptr, c.len);
    }
}

static void put_string(struct wf_out *o, struct wf_text value)
{
    size_t i = 0;

    put(o, "\"");
    while (i < value.len) {
        size_t n = utf8_len((struct wf_text){ value.ptr + i, value.len - i });
        if (i + (n ? n : 1) > WF_HOST_MAX_VALUE)
            break;
        if (n)
            put_char(o, (struct wf_text){ value.ptr + i, n });
        else
            put(o, "\xef\xbf\xbd");
        i += n ? n : 1;
    }
    put(o, "\"");
}

void wf_out_str(struct wf_out *o, const char *name, struct wf_text value)
{
    name_of(o, name);
    put_string(o, value);
}

void wf_out_u32(struct wf_out *o, const char *name, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof text, "%" PRIu32, value);
    name_of(o, name);
    put(o, text);
}

void wf_out_u64(struct wf_out *o, const char *name, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "\"%" PRIu64 "\"", value);
    name_of(o, name);
    put(o, text);
}

void wf_out_double(struct wf_out *o, const char *name, double value)
{
    char text[40];

    name_of(o, name);
    if (isnan(value)) {
        put(o, "\"NaN\"");
        return;
    }
    if (isinf(value)) {
        put(o, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
        return;
    }
    // 17 significant digits always read back; mostly 15 or 16 do and look like what was meant.
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    put(o, text);
}

void wf_out_bool(struct wf_out *o, const char *name, bool value)
{
    name_of(o, name);
    put(o, value ? "true" : "false");
}

void wf_out_time_text(int64_t unix_ms, char out[WF_OUT_TIME_LEN])
{
    const int64_t first = -62135596800000, last = 253402300799999; // protobuf's Timestamp range
    struct tm tm;

    unix_ms = unix_ms < first ? first : unix_ms > last ? last : unix_ms;
    int64_t ms = unix_ms % 1000;
    ms += ms < 0 ? 1000 : 0;
    time_t seconds = (time_t)((unix_ms - ms) / 1000);
    gmtime_r(&seconds, &tm);
    snprintf(out, WF_OUT_TIME_LEN, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    size_t len = strlen(out);
    snprintf(out + len, WF_OUT_TIME_LEN - len, ms ? ".%03dZ" : "Z", (int)ms);
}

void wf_out_time(struct wf_out *o, const char *name, int64_t unix_ms)
{
    char text[WF_OUT_TIME_LEN];

    wf_out_time_text(unix_ms, text);
    wf_out_str(o, name, wf_text(text));
}

void wf_out_open_list(struct wf_out *o, const char *name)
{
    name_of(o, name);
    put(o, "[");
}

void wf_out_item(struct wf_out *o, struct wf_text value)
{
    separate(o);
    put_string(o, value);
}

void wf_out_open_item(struct wf_out *o)
{
    separate(o);
    put(o, "{");
}

void wf_out_close_list(struct wf_out *o)
{
    put(o, "]");
}

void wf_out_open_object(struct wf_out *o, const char *name)
{
    name_of(o, name);
    put(o, "{");
}

void wf_out_close_object(struct wf_out *o)
{
    put(o, "}");
}
