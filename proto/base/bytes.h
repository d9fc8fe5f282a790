// SPDX-License-Identifier: Apache-2.0
// Views, growing buffers, hashes and fixed-width loads. A view (wf_bytes) never owns memory and is passed by value; a
// buffer (wf_buf) owns its memory and is released with wf_buf_fini. Thread rule: plain values, no hidden state.
#ifndef WF_BASE_BYTES_H
#define WF_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/err.h"

#define WF_MUST_USE WEFT_MUST_USE

struct wf_bytes {
    const uint8_t *ptr;
    size_t len;
};

struct wf_buf {
    uint8_t *ptr;
    size_t len, cap;
};

#define WF_HASH_LEN 32u
struct wf_hash {
    uint8_t b[WF_HASH_LEN];
};

#define WF_BYTES(array) ((struct wf_bytes){ (const uint8_t *)(array), sizeof(array) })
#define WF_STR(literal) ((struct wf_bytes){ (const uint8_t *)(literal), sizeof(literal) - 1 })
#define WF_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline struct wf_bytes wf_bytes(const void *ptr, size_t len)
{
    return (struct wf_bytes){ (const uint8_t *)ptr, len };
}

static inline struct wf_bytes wf_bytes_str(const char *s)
{
    return (struct wf_bytes){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

static inline struct wf_bytes wf_buf_view(const struct wf_buf *b)
{
    return (struct wf_bytes){ b->ptr, b->len };
}

static inline struct wf_bytes wf_hash_view(const struct wf_hash *h)
{
    return (struct wf_bytes){ h->b, WF_HASH_LEN };
}

static inline bool wf_bytes_eq(struct wf_bytes a, struct wf_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool wf_bytes_is(struct wf_bytes a, const char *s)
{
    return wf_bytes_eq(a, wf_bytes_str(s));
}

// Order by bytes, then by length: <0, 0, >0.
int wf_bytes_cmp(struct wf_bytes a, struct wf_bytes b);
bool wf_bytes_has_prefix(struct wf_bytes b, struct wf_bytes prefix);

static inline bool wf_hash_eq(const struct wf_hash *a, const struct wf_hash *b)
{
    return memcmp(a->b, b->b, WF_HASH_LEN) == 0;
}

static inline int wf_hash_cmp(const struct wf_hash *a, const struct wf_hash *b)
{
    return memcmp(a->b, b->b, WF_HASH_LEN);
}

bool wf_hash_is_zero(const struct wf_hash *h);
// Copies exactly 32 bytes; WEFT_E_SYNTAX for any other length.
WF_MUST_USE enum weft_err wf_hash_from(struct wf_bytes b, struct wf_hash *ret);

// Heap copies. wf_bytes_dup of an empty view gives an empty buffer. wf_bytes_strdup ends the copy with NUL and refuses
// (WEFT_E_SYNTAX) a view with an embedded NUL; release with free().
WF_MUST_USE enum weft_err wf_bytes_dup(struct wf_bytes b, struct wf_buf *ret);
WF_MUST_USE enum weft_err wf_bytes_strdup(struct wf_bytes b, char **ret);

// Growing buffers. A zeroed wf_buf is empty and valid. Growth doubles; failure leaves the buffer as it was.
WF_MUST_USE enum weft_err wf_buf_reserve(struct wf_buf *b, size_t more);
WF_MUST_USE enum weft_err wf_buf_append(struct wf_buf *b, struct wf_bytes more);
WF_MUST_USE enum weft_err wf_buf_append_str(struct wf_buf *b, const char *s);
WF_MUST_USE enum weft_err wf_buf_append_byte(struct wf_buf *b, uint8_t byte);
// printf into the buffer; no NUL is counted in len, but one always follows the text.
__attribute__((format(printf, 2, 3))) WF_MUST_USE enum weft_err wf_buf_printf(
    struct wf_buf *b, const char *format, ...);
// Puts a NUL behind the content, not counted in len: for handing text to C libraries.
WF_MUST_USE enum weft_err wf_buf_end(struct wf_buf *b);
void wf_buf_fini(struct wf_buf *b);

// Big-endian fixed-width integers.
static inline uint32_t wf_load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t wf_load_be64(const uint8_t *p)
{
    return (uint64_t)wf_load_be32(p) << 32 | wf_load_be32(p + 4);
}

static inline void wf_store_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline void wf_store_be64(uint8_t *p, uint64_t v)
{
    wf_store_be32(p, (uint32_t)(v >> 32));
    wf_store_be32(p + 4, (uint32_t)v);
}

static inline uint64_t wf_load_le64(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56; // one load where the machine allows it
}

static inline void wf_store_le64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t wf_load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void wf_store_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

// Base-128 varints as protobuf has them. Encode returns the length (1-10); decode refuses a value over ten bytes or
// beyond 64 bits (SYNTAX) and an end within (TRUNCATED), and advances *in past the value.
#define WF_VARINT_MAX 10u
static inline size_t wf_varint_len(uint64_t v)
{
    size_t n = 1;

    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}
size_t wf_varint_put(uint8_t out[WF_VARINT_MAX], uint64_t v);
WF_MUST_USE enum weft_err wf_varint_take(struct wf_bytes *in, uint64_t *ret);

// Lower-case hex. wf_hex_put needs 2 * len + 1 bytes at out and ends it with NUL.
void wf_hex_put(struct wf_bytes in, char *out);
WF_MUST_USE enum weft_err wf_hex_take(struct wf_bytes text, struct wf_buf *ret);

// [a-z][a-z0-9-]{0,62}, not ending in '-': domains, subjects, products.
bool wf_name_is_valid(struct wf_bytes name);
// Most text is. The last bytes are looked at together with some before them, so that short labels cost as little as long ones.
static inline bool wf_bytes_is_ascii(struct wf_bytes text)
{
    const uint64_t high = 0x8080808080808080u;
    const uint8_t *p = text.ptr, *end = NULL;
    uint64_t eight = 0;
    uint32_t first = 0, last = 0;

    if (text.len == 0) // an empty text may have no address to add to
        return true;
    end = p + text.len;
    if (text.len >= sizeof eight) {
        for (; end - p > (ptrdiff_t)sizeof eight; p += sizeof eight) {
            memcpy(&eight, p, sizeof eight);
            if (eight & high)
                return false;
        }
        memcpy(&eight, end - sizeof eight, sizeof eight);
        return !(eight & high);
    }
    if (text.len >= sizeof first) {
        memcpy(&first, p, sizeof first);
        memcpy(&last, end - sizeof last, sizeof last);
        return !((first | last) & (uint32_t)high);
    }
    for (; p < end; p++)
        last |= *p;
    return !(last & 0x80);
}

bool wf_utf8_is_valid_whole(struct wf_bytes text);
// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
static inline bool wf_utf8_is_valid(struct wf_bytes text)
{
    return wf_bytes_is_ascii(text) || wf_utf8_is_valid_whole(text);
}
// The length of the character at the start of `text`, which is not empty. *ret_code: WF_TEXT_SHOWN, or the code point of what a terminal obeys
// or a reader can't see: a control character (C0 with line ends, DEL, C1), a mark that turns the direction of writing (CVE-2021-42574), and
// U+FFFD for a byte that is no UTF-8.
#define WF_TEXT_SHOWN UINT32_MAX
size_t wf_text_next(struct wf_bytes text, uint32_t *ret_code);
// Each of them becomes one '?', but those ASCII ones that are in `keep`. In place, so it may get shorter.
void wf_text_clean(char *text, const char *keep);
// A decimal u16 port 1..65535.
WF_MUST_USE enum weft_err wf_port_parse(struct wf_bytes text, uint16_t *ret_port);

// What a parser says about an error: where and what. Lines and columns count from 1; 0 means unknown.
#define WF_DIAG_TEXT 320u
struct wf_diag {
    unsigned line, column;
    char text[WF_DIAG_TEXT];
};
// Cleaned, line ends apart: texts may quote a stranger.
__attribute__((format(printf, 4, 5))) void wf_diag_set(
    struct wf_diag *diag, unsigned line, unsigned column, const char *format, ...);

#endif
