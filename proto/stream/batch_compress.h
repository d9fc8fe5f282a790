// SPDX-License-Identifier: Apache-2.0
// Stored bytes from raw ones and back: the only door to lz4 and zstd. Lengths are known and checked before memory is taken,
// so a bomb is refused by arithmetic. Appends to the caller's buffers.
// Thread rule: functions of their arguments; a compressor or decompressor belongs to one thread at a time.
#ifndef WF_STREAM_BATCH_COMPRESS_H
#define WF_STREAM_BATCH_COMPRESS_H

#include "proto/stream/stream.h"
#include "proto/trust/product.h"

enum wf_compression { WF_COMPRESS_NONE = 0, WF_COMPRESS_LZ4, WF_COMPRESS_ZSTD };

// What a product asks of its origins; `otherwise` where it leaves them the choice.
enum wf_compression wf_compression_of(enum wf_packing wanted, enum wf_compression otherwise);
// Compresses raw (<= WF_MAX_BATCH_RAW) and appends it to out. With NONE it copies; and it copies when the result would not
// be smaller, or smaller than WF_MAX_RATIO permits. ret_used says which. TOO_BIG, COMPRESSION (unknown kind), NOMEM.
WF_MUST_USE enum weft_err wf_compress(enum wf_compression how, struct wf_bytes raw,
    struct wf_buf *out, enum wf_compression *ret_used);
// The same with zstd's memory kept from call to call (about 600 KiB once it was needed), and its speed for the caller to choose. Begins zeroed.
struct wf_compressor {
    void *zstd;
    bool fast; // of zstd: a third less time than level 1 and about a tenth more bytes
};
WF_MUST_USE enum weft_err wf_compress_with(struct wf_compressor *c, enum wf_compression how,
    struct wf_bytes raw, struct wf_buf *out, enum wf_compression *ret_used);
void wf_compressor_fini(struct wf_compressor *c);
// May lengths and kind stand together? TOO_BIG: over WF_MAX_BATCH_RAW or WF_MAX_BATCH_STORED. COMPRESSION: an unknown kind,
// a ratio over WF_MAX_RATIO, NONE with different lengths, compressed bytes that are more than raw.
WF_MUST_USE enum weft_err wf_compression_check(uint64_t how, uint64_t stored_len, uint64_t raw_len);
// Checks as above, then appends exactly raw_len bytes to out. COMPRESSION when stored is anything but one LZ4 block or one
// zstd frame (content size stated, no dictionary) of exactly that content.
WF_MUST_USE enum weft_err wf_decompress(
    enum wf_compression how, struct wf_bytes stored, size_t raw_len, struct wf_buf *out);
// The same with zstd's memory kept from call to call (about 100 KiB once it was needed). Begins zeroed.
struct wf_decompressor {
    void *zstd;
};
WF_MUST_USE enum weft_err wf_decompress_with(struct wf_decompressor *d, enum wf_compression how,
    struct wf_bytes stored, size_t raw_len, struct wf_buf *out);
void wf_decompressor_fini(struct wf_decompressor *d);

#endif
