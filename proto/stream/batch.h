// SPDX-License-Identifier: Apache-2.0
// Signed batches: a header that names its payload by hash, and the payload. The reader's order is header signature,
// payload hash, decompress, decode; nothing of a payload is looked at before its header verified.
// Whether the signer's certificate stands (chain, charter, revocation) is decided by proto/trust with header.certificate.
// Thread rule: functions of their arguments; an opened header is a value.
#ifndef WF_STREAM_BATCH_H
#define WF_STREAM_BATCH_H

#include "proto/stream/batch_compress.h"
#include "proto/stream/records.h"
#include "proto/trust/envelope.h"

// DATA has a payload. LOSS consumes count seqs whose records are gone for good. RESET takes seq 0 of a new chain and may
// name the last header of the origin's earlier one. The last two carry no payload.
enum wf_batch_kind { WF_BATCH_DATA = 0, WF_BATCH_LOSS, WF_BATCH_RESET };

#define WF_PUBLISHER_LEN 16u
// An id that begins with so many zero bytes is of one process and goes with it: its mark is the first to be forgotten.
#define WF_PUBLISHER_BRIEF 4u

static inline bool wf_publisher_is_brief(const uint8_t id[WF_PUBLISHER_LEN])
{
    static const uint8_t zeros[WF_PUBLISHER_BRIEF];

    return memcmp(id, zeros, sizeof zeros) == 0;
}

struct wf_input {
    struct wf_hash product_id, entry_hash; // entry_hash: at `to`
    struct wf_incarnation log_id;
    uint64_t from, to; // offsets, [from, to)
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
    char loss_reason[WF_MAX_LOSS_REASON + 1];
    uint8_t publisher[WF_PUBLISHER_LEN]; // all zero = none
    uint64_t publisher_seq;              // the highest that the batch contains
};

// Builds and signs. Taken from fields: all but id, signer, stored_len, payload_hash, and raw_len with NONE, which are
// computed. Appends the envelope to out and fills ret_id. Refuses what wf_batch_open_header would refuse, by the same codes.
WF_MUST_USE enum weft_err wf_batch_sign(const struct wf_batch_header *fields,
    struct wf_bytes stored, const struct wf_secret *origin, struct wf_buf *out,
    struct wf_hash *ret_id);
// The same, and what was computed is filled into *fields: id, signer, lengths, payload hash.
WF_MUST_USE enum weft_err wf_batch_seal(struct wf_batch_header *fields, struct wf_bytes stored,
    const struct wf_secret *origin, struct wf_buf *out);
// Signature by the key that the body names, canonical, every field in its limits (docs/protocol/stream.md has them all).
WF_MUST_USE enum weft_err wf_batch_open_header(
    struct wf_bytes envelope, struct wf_batch_header *ret);
// Payload against an opened header: length (TRUNCATED, TRAILING), hash (HASH), then decompression, appended to ret_raw
// (COMPRESSION). A loss or reset appends nothing.
WF_MUST_USE enum weft_err wf_batch_open_payload(
    const struct wf_batch_header *h, struct wf_bytes stored, struct wf_buf *ret_raw);
// The same with a decompressor that is kept, and without a copy: *ret_records is raw's view, or stored itself when it was not compressed.
WF_MUST_USE enum weft_err wf_batch_view_payload(struct wf_decompressor *d,
    const struct wf_batch_header *h, struct wf_bytes stored, struct wf_buf *raw,
    struct wf_bytes *ret_records);
// Do the records bear out the header? RECORD for another count, RANGE for another time range; else as wf_records_check.
WF_MUST_USE enum weft_err wf_batch_check_records(
    const struct wf_batch_header *h, struct wf_bytes raw);
// The same for who has walked all records of a data batch himself and counted.
WF_MUST_USE enum weft_err wf_batch_judge_records(
    const struct wf_batch_header *h, uint32_t count, int64_t min_us, int64_t max_us);

// weft.v1.Batch: {header, payload}. Split gives views; the payload is empty for a loss or reset.
WF_MUST_USE enum weft_err wf_batch_pack(
    struct wf_bytes header, struct wf_bytes payload, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_batch_split(
    struct wf_bytes batch, struct wf_bytes *ret_header, struct wf_bytes *ret_payload);

// One past the last seq that the batch consumes.
static inline uint64_t wf_batch_next_seq(const struct wf_batch_header *h)
{
    return h->first_seq + h->count;
}
// Does `next` follow `last` in one chain? (same product, signer, incarnation; seq without hole; previous == last id). ORDER otherwise.
WF_MUST_USE enum weft_err wf_batch_follows(
    const struct wf_batch_header *last, const struct wf_batch_header *next);

#endif
