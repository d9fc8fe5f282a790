// SPDX-License-Identifier: Apache-2.0
// Records into signed batches and back. The builder packs without a size pass; the reader verifies in the order header
// signature, payload hash, decompress, decode, and hands out records as views. The only door to lz4 and zstd.
// Thread rule: builders and readers belong to one thread at a time; opened batches are immutable.
#ifndef WF_STREAM_BATCH_H
#define WF_STREAM_BATCH_H

#include "proto/stream/stream.h"
#include "proto/trust/envelope.h"

enum wf_batch_kind { WF_BATCH_DATA = 0, WF_BATCH_LOSS, WF_BATCH_RESET };
enum wf_compression { WF_COMPRESS_NONE = 0, WF_COMPRESS_LZ4, WF_COMPRESS_ZSTD };

// ---- records: the raw payload is one weft.v1.Records message -------------------------------------------------------

// Appends one record to a raw payload. time_us is absolute, base_us the batch's. TOO_BIG over WF_MAX_RECORD or WF_MAX_BATCH_RAW.
WF_MUST_USE enum weft_err wf_records_add(struct wf_buf *raw, enum wf_record_op op, int64_t time_us,
    int64_t base_us, struct wf_bytes data);

struct wf_record_view {
    enum wf_record_op op;
    int64_t time_us; // absolute
    struct wf_bytes data;
};
// Takes the next record off *in (a view of the raw payload). Refuses unknown fields, ops and sizes. When *in is empty the payload ended.
WF_MUST_USE enum weft_err wf_records_next(
    struct wf_bytes *in, int64_t base_us, struct wf_record_view *ret);
// Walks all: exact count, times within [min, max] as found. TOO_BIG over WF_MAX_BATCH_RECORDS.
WF_MUST_USE enum weft_err wf_records_check(struct wf_bytes raw, int64_t base_us,
    uint32_t *ret_count, int64_t *ret_min_us, int64_t *ret_max_us);

// Compresses raw into out (appended). With NONE it copies. Falls back to NONE when it does not shrink, or beyond WF_MAX_RATIO; ret_used says which.
WF_MUST_USE enum weft_err wf_compress(enum wf_compression how, struct wf_bytes raw,
    struct wf_buf *out, enum wf_compression *ret_used);
// raw_len is known and checked first (<= WF_MAX_BATCH_RAW, ratio <= WF_MAX_RATIO); exactly that many bytes are appended. COMPRESSION otherwise.
WF_MUST_USE enum weft_err wf_decompress(
    enum wf_compression how, struct wf_bytes stored, size_t raw_len, struct wf_buf *out);

// ---- headers ---------------------------------------------------------------------------------------------------------

struct wf_input {
    struct wf_hash product_id, entry_hash;
    struct wf_incarnation log_id;
    uint64_t from, to;
};

struct wf_batch_header {
    struct wf_hash id; // of the envelope; names the header in `previous` and in entry hashes
    struct wf_hash product_id, schema_hash, certificate, previous, payload_hash, recipe;
    struct wf_incarnation incarnation;
    uint64_t first_seq;
    uint32_t count, stored_len, raw_len;
    int64_t base_us, min_us, max_us;
    enum wf_compression compression;
    enum wf_batch_kind kind;
    size_t input_count;
    struct wf_input inputs[WF_MAX_INPUTS];
    struct wf_sign_pub signer;
    char loss_reason[64];
    uint8_t publisher[16]; // all zero = none
    uint64_t publisher_seq;
};

// Builds and signs: fields' lengths and payload_hash are computed from `stored`; previous is empty (zero) exactly at first_seq 0.
// Appends the envelope to out and fills ret_id.
WF_MUST_USE enum weft_err wf_batch_sign(const struct wf_batch_header *fields,
    struct wf_bytes stored, const struct wf_secret *origin, struct wf_buf *out,
    struct wf_hash *ret_id);
// Signature by the key that the body names, canonical, every field in its limits, loss batches without payload.
WF_MUST_USE enum weft_err wf_batch_open_header(
    struct wf_bytes envelope, struct wf_batch_header *ret);
// Payload against an opened header: length, hash, then decompression into out (appended). HASH, COMPRESSION.
WF_MUST_USE enum weft_err wf_batch_open_payload(
    const struct wf_batch_header *h, struct wf_bytes stored, struct wf_buf *ret_raw);

// weft.v1.Batch: {header, payload}. Split gives views.
WF_MUST_USE enum weft_err wf_batch_pack(
    struct wf_bytes header, struct wf_bytes payload, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_batch_split(
    struct wf_bytes batch, struct wf_bytes *ret_header, struct wf_bytes *ret_payload);

// Does `next` follow `last` in one chain? (same product, signer, incarnation; seq without hole; previous == last id). ORDER otherwise.
WF_MUST_USE enum weft_err wf_batch_follows(
    const struct wf_batch_header *last, const struct wf_batch_header *next);

#endif
