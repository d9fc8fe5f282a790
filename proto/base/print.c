// SPDX-License-Identifier: Apache-2.0
#include "proto/base/print.h"

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

#define BECH32M_CONST 0x2bc830a3u // BIP-350
#define CHECKSUM_LEN  6u

// The five generators of BIP-173, those of each set of top bits summed: every batch that an application is shown has its id printed.
static uint32_t polymod_step(uint32_t c, uint8_t value)
{
    static const uint32_t sums[32] = { 0x00000000, 0x3b6a57b2, 0x26508e6d, 0x1d3ad9df, 0x1ea119fa,
        0x25cb4e48, 0x38f19797, 0x039bc025, 0x3d4233dd, 0x0628646f, 0x1b12bdb0, 0x2078ea02,
        0x23e32a27, 0x18897d95, 0x05b3a44a, 0x3ed9f3f8, 0x2a1462b3, 0x117e3501, 0x0c44ecde,
        0x372ebb6c, 0x34b57b49, 0x0fdf2cfb, 0x12e5f524, 0x298fa296, 0x1756516e, 0x2c3c06dc,
        0x3106df03, 0x0a6c88b1, 0x09f74894, 0x329d1f26, 0x2fa7c6f9, 0x14cd914b };

    return ((c & 0x1ffffff) << 5 ^ value) ^ sums[c >> 25 & 31];
}

static uint32_t polymod_prefix(const char *prefix)
{
    uint32_t c = 1;

    for (const char *p = prefix; *p; p++)
        c = polymod_step(c, (uint8_t)*p >> 5);
    c = polymod_step(c, 0);
    for (const char *p = prefix; *p; p++)
        c = polymod_step(c, (uint8_t)*p & 31);
    return c;
}

enum weft_err wf_print(const char *prefix, struct wf_bytes data, struct wf_buf *out)
{
    uint32_t c = polymod_prefix(prefix), acc = 0;
    unsigned bits = 0;
    enum weft_err err =
        wf_buf_reserve(out, strlen(prefix) + 1 + (data.len * 8 + 4) / 5 + CHECKSUM_LEN + 1);

    if (err)
        return err;
    memcpy(out->ptr + out->len, prefix, strlen(prefix));
    out->len += strlen(prefix);
    out->ptr[out->len++] = '1';
    for (size_t i = 0; i <= data.len; i++) {
        if (i < data.len) {
            acc = (acc << 8 | data.ptr[i]) & 0xfff;
            bits += 8;
        } else if (bits) {
            acc <<= 5 - bits;
            bits = 5;
        }
        for (; bits >= 5; bits -= 5) {
            uint8_t v = acc >> (bits - 5) & 31;
            c = polymod_step(c, v);
            out->ptr[out->len++] = (uint8_t)alphabet[v];
        }
    }
    for (unsigned i = 0; i < CHECKSUM_LEN; i++)
        c = polymod_step(c, 0);
    c ^= BECH32M_CONST;
    for (unsigned i = 0; i < CHECKSUM_LEN; i++)
        out->ptr[out->len++] = (uint8_t)alphabet[c >> 5 * (CHECKSUM_LEN - 1 - i) & 31];
    out->ptr[out->len] = '\0';
    return WEFT_OK;
}

static struct wf_bytes trim(struct wf_bytes t)
{
    while (t.len && strchr(" \t\r\n", t.ptr[0]) && t.ptr[0])
        t = wf_bytes(t.ptr + 1, t.len - 1);
    while (t.len && strchr(" \t\r\n", t.ptr[t.len - 1]) && t.ptr[t.len - 1])
        t.len--;
    return t;
}

// The value of a character in the given case, or -1. Mixed case is refused, as BIP-173 says.
static int char_value(uint8_t ch, bool upper)
{
    if (upper && ch >= 'A' && ch <= 'Z')
        ch = (uint8_t)(ch - 'A' + 'a');
    else if (upper && ch >= 'a' && ch <= 'z')
        return -1;
    const char *p = ch ? strchr(alphabet, ch) : NULL;
    return p ? (int)(p - alphabet) : -1;
}

static bool prefix_matches(const char *prefix, struct wf_bytes text, bool upper)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t ch = text.ptr[i];
        if (upper && ch >= 'A' && ch <= 'Z')
            ch = (uint8_t)(ch - 'A' + 'a');
        if (!prefix[i] || (uint8_t)prefix[i] != ch)
            return false;
    }
    return prefix[text.len] == '\0';
}

static enum weft_err decode_data(struct wf_bytes body, uint32_t c, bool upper, struct wf_buf *out)
{
    uint32_t acc = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < body.len; i++) {
        int v = char_value(body.ptr[i], upper);
        if (v < 0)
            return WEFT_E_SYNTAX;
        c = polymod_step(c, (uint8_t)v);
        if (i >= body.len - CHECKSUM_LEN)
            continue;
        acc = (acc << 5 | (uint32_t)v) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            out->ptr[out->len++] = (uint8_t)(acc >> bits);
        }
    }
    if (c != BECH32M_CONST)
        return WEFT_E_CHECKSUM;
    return bits >= 5 || (acc & ((1u << bits) - 1)) ? WEFT_E_NOT_CANONICAL : WEFT_OK;
}

enum weft_err wf_print_parse(const char *prefix, struct wf_bytes text, struct wf_buf *ret_data)
{
    struct wf_buf out = { 0 };
    struct wf_bytes t = trim(text);
    const uint8_t *sep = t.len ? memchr(t.ptr, '1', t.len) : NULL;

    if (!sep || (size_t)(t.ptr + t.len - sep) < CHECKSUM_LEN + 1)
        return WEFT_E_SYNTAX;
    struct wf_bytes head = wf_bytes(t.ptr, (size_t)(sep - t.ptr));
    struct wf_bytes body = wf_bytes(sep + 1, t.len - head.len - 1);
    bool upper = head.len && head.ptr[0] >= 'A' && head.ptr[0] <= 'Z';
    if (!prefix_matches(prefix, head, upper))
        return wf_bytes_has_prefix(head, WF_STR("weft")) ||
                       wf_bytes_has_prefix(head, WF_STR("WEFT"))
                   ? WEFT_E_PREFIX
                   : WEFT_E_SYNTAX;
    enum weft_err err = wf_buf_reserve(&out, body.len * 5 / 8 + 1);
    if (err)
        return err;
    err = decode_data(body, polymod_prefix(prefix), upper, &out);
    if (err) {
        wf_wipe(out.ptr, out.len);
        wf_buf_fini(&out);
        return err;
    }
    *ret_data = out;
    return WEFT_OK;
}

void wf_fingerprint(struct wf_bytes data, char out[WF_FINGERPRINT_LEN])
{
    struct wf_hash h;
    size_t n = 0;

    wf_blake2b(data, &h);
    uint64_t v = wf_load_be64(h.b);
    for (int i = 0; i < 12; i++) {
        if (i && i % 4 == 0)
            out[n++] = '-';
        out[n++] = alphabet[v >> 59];
        v <<= 5;
    }
    out[n] = '\0';
}
