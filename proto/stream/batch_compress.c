// SPDX-License-Identifier: Apache-2.0
// Speeds from measurements of host records: lz4 at acceleration 8 halves them in 60 us a 64 KiB batch, zstd level 1 does
// 3.5 in 277 us. lz4 is for live streams, zstd for logs kept long.
#include "proto/stream/batch_compress.h"

#include <lz4.h>
#include <zstd.h>
#include <zstd_errors.h>

#define LZ4_ACCELERATION 8
#define ZSTD_LEVEL       1
// Fast: records repeat whole runs of each other, so only matches of seven bytes and more are looked for, in a table that a core's nearest cache
// holds. Of host records it makes 4 % less than level -2 would, in 4 % less time; of text without such runs up to a tenth more.
#define ZSTD_FAST_LEVEL (-1)
#define ZSTD_FAST_MATCH 7
#define ZSTD_FAST_HASH  12 // log2 of its entries

_Static_assert(WF_MAX_BATCH_RAW < LZ4_MAX_INPUT_SIZE, "a payload fits one LZ4 block");

enum wf_compression wf_compression_of(enum wf_packing wanted, enum wf_compression otherwise)
{
    switch (wanted) {
    case WF_PACKING_NONE:
        return WF_COMPRESS_NONE;
    case WF_PACKING_LZ4:
        return WF_COMPRESS_LZ4;
    case WF_PACKING_ZSTD:
        return WF_COMPRESS_ZSTD;
    case WF_PACKING_ANY:
        break;
    }
    return otherwise;
}

// Bytes written at out's end, or 0 when the result is not smaller than raw.
static enum weft_err lz4_into(struct wf_bytes raw, struct wf_buf *out, size_t *ret_len)
{
    int n = LZ4_compress_fast((const char *)raw.ptr, (char *)out->ptr + out->len, (int)raw.len,
        (int)raw.len - 1, LZ4_ACCELERATION);

    *ret_len = n > 0 ? (size_t)n : 0;
    return WEFT_OK;
}

static bool set_zstd(ZSTD_CCtx *c, bool fast)
{
    const struct {
        ZSTD_cParameter what;
        int value;
    } all[] = { { ZSTD_c_compressionLevel, fast ? ZSTD_FAST_LEVEL : ZSTD_LEVEL },
        { ZSTD_c_minMatch, fast ? ZSTD_FAST_MATCH : 0 },
        { ZSTD_c_hashLog, fast ? ZSTD_FAST_HASH : 0 } }; // 0: the level's

    if (ZSTD_isError(ZSTD_CCtx_reset(c, ZSTD_reset_session_only)))
        return false;
    for (size_t i = 0; i < WF_COUNT(all); i++)
        if (ZSTD_isError(ZSTD_CCtx_setParameter(c, all[i].what, all[i].value)))
            return false;
    return true;
}

static enum weft_err zstd_into(
    struct wf_compressor *c, struct wf_bytes raw, struct wf_buf *out, size_t *ret_len)
{
    if (!c->zstd)
        c->zstd = ZSTD_createCCtx();
    if (!c->zstd || !set_zstd(c->zstd, c->fast))
        return WEFT_E_NOMEM;
    size_t n = ZSTD_compress2(c->zstd, out->ptr + out->len, raw.len - 1, raw.ptr, raw.len);

    if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
        return WEFT_E_NOMEM;
    *ret_len = ZSTD_isError(n) ? 0 : n;
    return WEFT_OK;
}

enum weft_err wf_compress_with(struct wf_compressor *c, enum wf_compression how,
    struct wf_bytes raw, struct wf_buf *out, enum wf_compression *ret_used)
{
    size_t len = 0;

    if (raw.len > WF_MAX_BATCH_RAW)
        return WEFT_E_TOO_BIG;
    if ((unsigned)how > WF_COMPRESS_ZSTD)
        return WEFT_E_COMPRESSION;
    enum weft_err err = wf_buf_reserve(out, raw.len);
    if (err)
        return err;
    if (how == WF_COMPRESS_LZ4 && raw.len > 1)
        err = lz4_into(raw, out, &len);
    if (how == WF_COMPRESS_ZSTD && raw.len > 1)
        err = zstd_into(c, raw, out, &len);
    if (err)
        return err;
    if (len == 0 || raw.len > len * WF_MAX_RATIO) {
        *ret_used = WF_COMPRESS_NONE;
        return wf_buf_append(out, raw);
    }
    out->len += len;
    *ret_used = how;
    return WEFT_OK;
}

void wf_compressor_fini(struct wf_compressor *c)
{
    ZSTD_freeCCtx(c->zstd);
    c->zstd = NULL;
}

enum weft_err wf_compress(
    enum wf_compression how, struct wf_bytes raw, struct wf_buf *out, enum wf_compression *ret_used)
{
    struct wf_compressor once = { 0 };
    enum weft_err err = wf_compress_with(&once, how, raw, out, ret_used);

    wf_compressor_fini(&once);
    return err;
}

enum weft_err wf_compression_check(uint64_t how, uint64_t stored_len, uint64_t raw_len)
{
    if (raw_len > WF_MAX_BATCH_RAW || stored_len > WF_MAX_BATCH_STORED)
        return WEFT_E_TOO_BIG;
    if (how > WF_COMPRESS_ZSTD)
        return WEFT_E_COMPRESSION;
    bool fits = how == WF_COMPRESS_NONE
                    ? stored_len == raw_len
                    : stored_len <= raw_len && raw_len <= stored_len * WF_MAX_RATIO;
    return fits ? WEFT_OK : WEFT_E_COMPRESSION;
}

// Moves past the rest of a length that its four bits could not hold.
static const uint8_t *skip_length(const uint8_t *p, const uint8_t *end, size_t *len)
{
    uint8_t more = 255;

    while (*len >= 15 && more == 255 && p < end) {
        more = *p++;
        *len += more;
    }
    return p;
}

// A match at offset 0 copies bytes that were never written. The format forbids it, the library takes it, and what comes out
// is up to its version; a signed batch has one meaning. Source: lz4_Block_format.md. Costs as much as decompressing.
static bool has_offset_zero(struct wf_bytes block)
{
    const uint8_t *p = block.ptr, *end = p + block.len;

    while (p < end) {
        uint8_t token = *p++;
        size_t literals = token >> 4, match = token & 15;
        p = skip_length(p, end, &literals);
        if ((size_t)(end - p) < literals + 2)
            return false; // the last sequence has no match
        p += literals;
        if (p[0] == 0 && p[1] == 0)
            return true;
        p = skip_length(p + 2, end, &match);
    }
    return false;
}

static enum weft_err lz4_from(struct wf_bytes stored, size_t raw_len, uint8_t *out)
{
    if (has_offset_zero(stored))
        return WEFT_E_COMPRESSION;
    int n =
        LZ4_decompress_safe((const char *)stored.ptr, (char *)out, (int)stored.len, (int)raw_len);
    return n >= 0 && (size_t)n == raw_len ? WEFT_OK : WEFT_E_COMPRESSION;
}

// ZSTD_decompress would also take several frames, skippable ones, and frames that don't say their size.
static bool is_one_frame(struct wf_bytes stored, size_t raw_len)
{
    return stored.len >= 4 && wf_load_le32(stored.ptr) == ZSTD_MAGICNUMBER &&
           ZSTD_getFrameContentSize(stored.ptr, stored.len) == raw_len &&
           ZSTD_getDictID_fromFrame(stored.ptr, stored.len) == 0 &&
           ZSTD_findFrameCompressedSize(stored.ptr, stored.len) == stored.len;
}

static enum weft_err zstd_from(
    struct wf_decompressor *d, struct wf_bytes stored, size_t raw_len, uint8_t *out)
{
    if (!is_one_frame(stored, raw_len))
        return WEFT_E_COMPRESSION;
    if (!d->zstd)
        d->zstd = ZSTD_createDCtx();
    if (!d->zstd)
        return WEFT_E_NOMEM;
    size_t n = ZSTD_decompressDCtx(d->zstd, out, raw_len, stored.ptr, stored.len);
    if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
        return WEFT_E_NOMEM;
    return n == raw_len ? WEFT_OK : WEFT_E_COMPRESSION;
}

enum weft_err wf_decompress_with(struct wf_decompressor *d, enum wf_compression how,
    struct wf_bytes stored, size_t raw_len, struct wf_buf *out)
{
    enum weft_err err = wf_compression_check(how, stored.len, raw_len);

    if (err)
        return err;
    if (raw_len == 0)
        return WEFT_OK;
    err = wf_buf_reserve(out, raw_len);
    if (err)
        return err;
    if (how == WF_COMPRESS_NONE)
        memcpy(out->ptr + out->len, stored.ptr, raw_len);
    else if (how == WF_COMPRESS_LZ4)
        err = lz4_from(stored, raw_len, out->ptr + out->len);
    else
        err = zstd_from(d, stored, raw_len, out->ptr + out->len);
    if (err)
        return err;
    out->len += raw_len;
    return WEFT_OK;
}

void wf_decompressor_fini(struct wf_decompressor *d)
{
    ZSTD_freeDCtx(d->zstd);
    d->zstd = NULL;
}

enum weft_err wf_decompress(
    enum wf_compression how, struct wf_bytes stored, size_t raw_len, struct wf_buf *out)
{
    struct wf_decompressor once = { 0 };
    enum weft_err err = wf_decompress_with(&once, how, stored, raw_len, out);

    wf_decompressor_fini(&once);
    return err;
}
