// SPDX-License-Identifier: Apache-2.0
// Entries of a home's log, sealed frames, heartbeats, positions, cursors. Pure functions of bytes and keys.
#ifndef WF_STREAM_ENTRY_H
#define WF_STREAM_ENTRY_H

#include "proto/stream/batch.h"

struct wf_entry {
    struct wf_incarnation log_id;
    uint64_t offset; // of its first record
    int64_t append_ms;
    uint64_t epoch;
    struct wf_hash previous;         // zero for the first of a log
    struct wf_bytes header, payload; // views; header empty for a reset
    bool late;
    bool is_reset;
    struct wf_incarnation previous_log; // of a reset
    uint64_t end_offset;
    struct wf_hash head_hash;
};

// The hash that links entries: BLAKE2b-256 over "weft/entry/v1" || product id || log id || be64 offset || be64 append ms || be64 epoch ||
// previous || (batch id, or the reset's fields) || late. Computed from the header's id, so a mirror can check it without the payload.
void wf_entry_hash(const struct wf_entry *e, const struct wf_hash *product_id,
    const struct wf_hash *batch_id, struct wf_hash *ret);
WF_MUST_USE enum weft_err wf_entry_pack(const struct wf_entry *e, struct wf_buf *out);
// Views into `in`. Strict field order, no unknown fields, limits.
WF_MUST_USE enum weft_err wf_entry_parse(struct wf_bytes in, struct wf_entry *ret);

// ---- epoch keys and frames -----------------------------------------------------------------------------------------

#define WF_FRAME_VERSION 1u
#define WF_FRAME_TAG_LEN 8u
#define WF_FRAME_HEAD    (1u + WF_FRAME_TAG_LEN + WF_XNONCE_LEN)
#define WF_FRAME_BOOT    16u // random bytes of the nonce, fresh at every start

// BLAKE2b-256 keyed with the epoch key over "weft/epoch-commitment/v1" || product id || be64 epoch.
void wf_epoch_commitment(const struct wf_secret *key, const struct wf_hash *product_id,
    uint64_t epoch, struct wf_hash *ret);
// First 8 bytes of BLAKE2b keyed with the epoch key over "weft/frame-tag/v1" || product id.
void wf_frame_tag(
    const struct wf_secret *key, const struct wf_hash *product_id, uint8_t out[WF_FRAME_TAG_LEN]);

struct
    wf_frame_sealer { // one per product and epoch; the counter never repeats under one boot value
    uint8_t boot[WF_FRAME_BOOT];
    uint64_t counter;
};
// entries: packed Entry messages, 1..WF_MAX_FRAME_ENTRIES, or none; heartbeat: envelope or empty; not both empty. Pads with zeros to a
// multiple of `bucket` (1 = none). Appends the frame to out.
WF_MUST_USE enum weft_err wf_frame_seal(struct wf_frame_sealer *s, const struct wf_secret *key,
    const uint8_t tag[WF_FRAME_TAG_LEN], const struct wf_bytes *entries, size_t entry_count,
    struct wf_bytes heartbeat, size_t bucket, struct wf_buf *out);
// The tag of a frame, before any key: SYNTAX when too short, VERSION for another version.
WF_MUST_USE enum weft_err wf_frame_peek(struct wf_bytes frame, uint8_t ret_tag[WF_FRAME_TAG_LEN]);
// Opens into out (plaintext appended; views point into it). AEAD when the key is not the one.
struct wf_frame {
    size_t entry_count;
    struct wf_bytes entries[WF_MAX_FRAME_ENTRIES];
    struct wf_bytes heartbeat;
};
WF_MUST_USE enum weft_err wf_frame_open(
    struct wf_bytes frame, const struct wf_secret *key, struct wf_buf *out, struct wf_frame *ret);

// ---- heartbeats ----------------------------------------------------------------------------------------------------

struct wf_heartbeat {
    struct wf_hash id;
    struct wf_hash product_id, head_hash, commitment;
    uint64_t term, head_offset, floor_offset, epoch, next_epoch;
    struct wf_incarnation log_id;
    int64_t time_ms, next_by_ms;
    struct wf_sign_pub signer;
    bool stopped;
};
WF_MUST_USE enum weft_err wf_heartbeat_sign(
    const struct wf_heartbeat *fields, const struct wf_secret *home, struct wf_buf *out);
// Verifies under the key it names; whether that is the home's key is the caller's question.
WF_MUST_USE enum weft_err wf_heartbeat_open(struct wf_bytes envelope, struct wf_heartbeat *ret);

// ---- cursor --------------------------------------------------------------------------------------------------------

struct wf_mark {
    struct wf_sign_pub origin;
    struct wf_incarnation incarnation;
    uint64_t next_seq;
};
struct wf_cursor {
    struct wf_hash product_id;
    size_t log_count;
    struct {
        struct wf_incarnation log_id;
        uint64_t end_offset;
    } logs[WF_MAX_CURSOR_LOGS]; // newest last
    size_t mark_count, mark_cap;
    struct wf_mark *marks; // sorted by origin; owned
};
void wf_cursor_init(struct wf_cursor *c, const struct wf_hash *product_id);
void wf_cursor_fini(struct wf_cursor *c);
// The next offset wanted, 0 and none at the very start.
void wf_cursor_position(
    const struct wf_cursor *c, struct wf_incarnation *ret_log, uint64_t *ret_offset);
// After an entry of this log was delivered up to end_offset. A new log id is added, the oldest of more than 8 dropped.
void wf_cursor_advance(
    struct wf_cursor *c, const struct wf_incarnation *log_id, uint64_t end_offset);
// How many records at the front of this batch were already delivered (0..count)? An older incarnation than the mark's: all.
uint32_t wf_cursor_skip(const struct wf_cursor *c, const struct wf_batch_header *h);
// Moves the origin's mark past this batch. TOO_BIG beyond WF_MAX_CURSOR_MARKS, NOMEM.
WF_MUST_USE enum weft_err wf_cursor_mark(struct wf_cursor *c, const struct wf_batch_header *h);
WF_MUST_USE enum weft_err wf_cursor_pack(const struct wf_cursor *c, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_cursor_parse(struct wf_bytes in, struct wf_cursor *ret);

#endif
