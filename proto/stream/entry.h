// SPDX-License-Identifier: Apache-2.0
// Entries: what a product's home appends to its log. A batch with its place (log id, offset, append time, epoch) and the
// hash of the entry before; or the reset that every log begins with. Content is proven by the origin's signature, order by
// these hashes under the home's signed heartbeat. Thread rule: functions of their arguments.
#ifndef WF_STREAM_ENTRY_H
#define WF_STREAM_ENTRY_H

#include "proto/stream/batch.h"
#include "proto/stream/lost.h"

struct wf_entry {
    struct wf_incarnation log_id;
    uint64_t offset; // of its first record
    int64_t append_ms;
    uint64_t epoch;                  // under whose key it first went out; 0 = there was none
    struct wf_hash previous;         // zero exactly for the reset that begins a log
    struct wf_bytes header, payload; // views; both empty for a reset, payload for a loss
    bool late; // the origin's clock was off by more than the tolerance when it was appended
    bool is_reset;
    struct wf_incarnation previous_log; // of a reset; none for a product's very first log
    uint64_t end_offset;                // where the previous log ended; the reset's own offset
    struct wf_hash head_hash; // of the previous log's last entry; zero exactly when there is none
    struct wf_bytes
        lost; // of a reset: what its home knows to have had and has no more (wf_lost_next), or empty
};

// The hash that links entries: BLAKE2b-256 over "weft/entry/v1" || product id || log id || be64 offset || be64 append ms ||
// be64 epoch || previous || kind || (batch id, or the reset's fields with what was lost) || late; to the byte in docs/protocol/stream.md.
// batch_id is the opened header's id and may be NULL for a reset; so a mirror can check it without the payload.
void wf_entry_hash(const struct wf_entry *e, const struct wf_hash *product_id,
    const struct wf_hash *batch_id, struct wf_hash *ret);
// Appends the encoding. Refuses what wf_entry_parse would refuse, by the same codes.
WF_MUST_USE enum weft_err wf_entry_pack(const struct wf_entry *e, struct wf_buf *out);
// Views into `in`. Strict field order, no unknown fields, limits: TOO_BIG, TRUNCATED, SYNTAX, NOT_CANONICAL, UNKNOWN_FIELD,
// MISSING_FIELD, RANGE, ORDER (a reset that is not at its own end offset, a previous hash where none belongs, losses not in order).
WF_MUST_USE enum weft_err wf_entry_parse(struct wf_bytes in, struct wf_entry *ret);

// Where a log stands: the place and hash of its last entry.
struct wf_log_head {
    struct wf_incarnation log_id;
    uint64_t next_offset; // one past the last record
    struct wf_hash hash;
};
// Does the entry follow the head? In the same log: previous is the head's hash, and the offset its next. Of another log: a
// reset that names this head. ORDER otherwise.
WF_MUST_USE enum weft_err wf_entry_follows(
    const struct wf_log_head *head, const struct wf_entry *e);

#endif
