// SPDX-License-Identifier: Apache-2.0
#include "proto/base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"

int wf_bytes_cmp(struct wf_bytes a, struct wf_bytes b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;

    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool wf_bytes_has_prefix(struct wf_bytes b, struct wf_bytes prefix)
{
    return b.len >= prefix.len && (prefix.len == 0 || memcmp(b.ptr, prefix.ptr, prefix.len) == 0);
}

bool wf_hash_is_zero(const struct wf_hash *h)
{
    uint8_t any = 0;

    for (size_t i = 0; i < WF_HASH_LEN; i++)
        any |= h->b[i];
    return any == 0;
}

enum weft_err wf_hash_from(struct wf_bytes b, struct wf_hash *ret)
{
    if (b.len != WF_HASH_LEN)
        return WEFT_E_SYNTAX;
    memcpy(ret->b, b.ptr, WF_HASH_LEN);
    return WEFT_OK;
}

enum weft_err wf_bytes_dup(struct wf_bytes b, struct wf_buf *ret)
{
    uint8_t *p = b.len ? malloc(b.len) : NULL; // what is copied to be kept does not grow

    if (b.len && !p)
        return WEFT_E_NOMEM;
    if (p)
        memcpy(p, b.ptr, b.len);
    *ret = (struct wf_buf){ .ptr = p, .len = b.len, .cap = b.len };
    return WEFT_OK;
}

enum weft_err wf_bytes_strdup(struct wf_bytes b, char **ret)
{
    if (b.len && memchr(b.ptr, 0, b.len))
        return WEFT_E_SYNTAX;
    char *s = malloc(b.len + 1);
    if (!s)
        return WEFT_E_NOMEM;
    if (b.len)
        memcpy(s, b.ptr, b.len);
    s[b.len] = '\0';
    *ret = s;
    return WEFT_OK;
}

enum weft_err wf_buf_reserve(struct wf_buf *b, size_t more)
{
    if (more <= b->cap - b->len)
        return WEFT_OK;
    if (more > SIZE_MAX / 2 - b->len)
        return WEFT_E_NOMEM;
    size_t cap = b->cap ? b->cap : 64;
    while (cap - b->len < more)
        cap *= 2;
    uint8_t *p = realloc(b->ptr, cap);
    if (!p)
        return WEFT_E_NOMEM;
    b->ptr = p;
    b->cap = cap;
    return WEFT_OK;
}

enum weft_err wf_buf_append(struct wf_buf *b, struct wf_bytes more)
{
    enum weft_err err = wf_buf_reserve(b, more.len);

    if (err)
        return err;
    if (more.len)
        memcpy(b->ptr + b->len, more.ptr, more.len);
    b->len += more.len;
    return WEFT_OK;
}

enum weft_err wf_buf_append_str(struct wf_buf *b, const char *s)
{
    return wf_buf_append(b, wf_bytes_str(s));
}

enum weft_err wf_buf_append_byte(struct wf_buf *b, uint8_t byte)
{
    return wf_buf_append(b, wf_bytes(&byte, 1));
}

enum weft_err wf_buf_printf(struct wf_buf *b, const char *format, ...)
{
    va_list args, again;
    enum weft_err err = WEFT_E_INTERNAL;

    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0)
        goto out;
    err = wf_buf_reserve(b, (size_t)n + 1);
    if (err)
        goto out;
    vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, format, again);
    b->len += (size_t)n;
out:
    va_end(again);
    va_end(args);
    return err;
}

enum weft_err wf_buf_end(struct wf_buf *b)
{
    enum weft_err err = wf_buf_reserve(b, 1);

    if (!err)
        b->ptr[b->len] = '\0';
    return err;
}

void wf_buf_fini(struct wf_buf *b)
{
    free(b->ptr);
    *b = (struct wf_buf){ 0 };
}

size_t wf_varint_put(uint8_t out[WF_VARINT_MAX], uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

enum weft_err wf_varint_take(struct wf_bytes *in, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t i = 0; i < WF_VARINT_MAX; i++) {
        if (i == in->len)
            return WEFT_E_TRUNCATED;
        uint8_t byte = in->ptr[i];
        if (i == WF_VARINT_MAX - 1 && byte > 1)
            return WEFT_E_SYNTAX;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *in = wf_bytes(in->ptr + i + 1, in->len - i - 1);
            *ret = v;
            return WEFT_OK;
        }
    }
    return WEFT_E_SYNTAX;
}

void wf_hex_put(struct wf_bytes in, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < in.len; i++) {
        out[2 * i] = digits[in.ptr[i] >> 4];
        out[2 * i + 1] = digits[in.ptr[i] & 15];
    }
    out[2 * in.len] = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum weft_err wf_hex_take(struct wf_bytes text, struct wf_buf *ret)
{
    struct wf_buf out = { 0 };

    if (text.len % 2)
        return WEFT_E_SYNTAX;
    enum weft_err err = wf_buf_reserve(&out, text.len / 2 + 1);
    for (size_t i = 0; !err && i < text.len; i += 2) {
        int hi = hex_digit(text.ptr[i]), lo = hex_digit(text.ptr[i + 1]);
        err = hi < 0 || lo < 0 ? WEFT_E_SYNTAX : wf_buf_append_byte(&out, (uint8_t)(hi << 4 | lo));
    }
    if (err) {
        wf_buf_fini(&out);
        return err;
    }
    *ret = out;
    return WEFT_OK;
}

bool wf_name_is_valid(struct wf_bytes name)
{
    if (name.len == 0 || name.len > WF_MAX_NAME)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool letter = c >= 'a' && c <= 'z';
        bool rest = (c >= '0' && c <= '9') || c == '-';
        if (!letter && (i == 0 || !rest))
            return false;
    }
    return name.ptr[name.len - 1] != '-';
}

// The number of continuation bytes after lead byte c and the range of the first of them (RFC 3629, section 4).
static int utf8_follow(uint8_t c, uint8_t *lo, uint8_t *hi)
{
    *lo = 0x80;
    *hi = 0xbf;
    if (c < 0x80)
        return 0;
    if (c >= 0xc2 && c <= 0xdf)
        return 1;
    if (c >= 0xe0 && c <= 0xef) {
        *lo = c == 0xe0 ? 0xa0 : 0x80;
        *hi = c == 0xed ? 0x9f : 0xbf;
        return 2;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        *lo = c == 0xf0 ? 0x90 : 0x80;
        *hi = c == 0xf4 ? 0x8f : 0xbf;
        return 3;
    }
    return -1;
}

// The length of the character at the start of text, which is not empty; 0 when there is none.
static size_t utf8_take(struct wf_bytes text, uint32_t *ret_code)
{
    uint8_t lo, hi, c = text.ptr[0];
    int follow = utf8_follow(c, &lo, &hi);

    if (follow < 0 || (size_t)follow >= text.len)
        return 0;
    uint32_t code = follow ? c & (0x3fu >> follow) : c;
    for (size_t i = 1; i <= (size_t)follow; i++) {
        if (text.ptr[i] < lo || text.ptr[i] > hi)
            return 0;
        code = code << 6 | (text.ptr[i] & 0x3fu);
        lo = 0x80;
        hi = 0xbf;
    }
    *ret_code = code;
    return (size_t)follow + 1;
}

bool wf_utf8_is_valid_whole(struct wf_bytes text)
{
    for (size_t i = 0; i < text.len;) {
        uint64_t eight = 0;
        uint32_t code = 0;
        if (text.len - i >= sizeof eight) {
            memcpy(&eight, text.ptr + i, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                i += sizeof eight;
                continue;
            }
        }
        size_t len = utf8_take(wf_bytes(text.ptr + i, text.len - i), &code);
        if (!len)
            return false;
        i += len;
    }
    return true;
}

size_t wf_text_next(struct wf_bytes text, uint32_t *ret_code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = { { 0, 0x1f }, { 0x7f, 0x9f }, { 0x61c, 0x61c }, { 0x200e, 0x200f },
        { 0x2028, 0x202e }, { 0x2066, 0x2069 }, { 0xfffd, 0xfffd } };
    uint32_t code = 0xfffd;
    size_t len = utf8_take(text, &code);

    *ret_code = WF_TEXT_SHOWN;
    for (size_t i = 0; i < WF_COUNT(ranges); i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            *ret_code = code;
    return len ? len : 1;
}

void wf_text_clean(char *text, const char *keep)
{
    struct wf_bytes in = wf_bytes_str(text);
    char *out = text;

    while (in.len) {
        uint32_t code = 0;
        size_t len = wf_text_next(in, &code);
        if (code == WF_TEXT_SHOWN || (code < 0x80 && strchr(keep, (int)code))) {
            memmove(out, in.ptr, len);
            out += len;
        } else {
            *out++ = '?';
        }
        in = wf_bytes(in.ptr + len, in.len - len);
    }
    *out = '\0';
}

enum weft_err wf_port_parse(struct wf_bytes text, uint16_t *ret_port)
{
    uint32_t v = 0;

    if (text.len == 0 || text.len > 5)
        return WEFT_E_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return WEFT_E_SYNTAX;
        v = v * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    if (v == 0 || v > UINT16_MAX)
        return WEFT_E_RANGE;
    *ret_port = (uint16_t)v;
    return WEFT_OK;
}

void wf_diag_set(struct wf_diag *diag, unsigned line, unsigned column, const char *format, ...)
{
    va_list args;

    if (!diag)
        return;
    diag->line = line;
    diag->column = column;
    va_start(args, format);
    vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
    wf_text_clean(diag->text, "\n\t");
}
