// SPDX-License-Identifier: Apache-2.0
// The raw payload of a data batch: one weft.v1.Records message, written and read by hand, because it is the hot path.
// Owns no memory but a builder's buffer; views point into the caller's bytes. One record costs no allocation.
// Invariant: a payload is the canonical encoding of its records. Thread rule: a builder belongs to one thread at a time.
#ifndef WF_STREAM_RECORDS_H
#define WF_STREAM_RECORDS_H

#include "proto/stream/stream.h"

// Appends one record to a raw payload (raw holds nothing else). time_us is absolute, base_us the batch's.
// TOO_BIG: data over WF_MAX_RECORD, or the payload over WF_MAX_BATCH_RAW. RANGE: an unknown op, or a time that RFC 3339
// can't say. RECORD: a snapshot marker with data.
WF_MUST_USE enum weft_err wf_records_add(struct wf_buf *raw, enum wf_record_op op, int64_t time_us,
    int64_t base_us, struct wf_bytes data);

struct wf_record_view {
    enum wf_record_op op;
    int64_t time_us; // absolute
    struct wf_bytes data;
};
// Takes the next record off *in (a view of the raw payload); when *in is empty the payload ended. *in moves on success
// only. TRUNCATED, SYNTAX, UNKNOWN_FIELD, NOT_CANONICAL, TOO_BIG, RANGE, RECORD as above.
WF_MUST_USE enum weft_err wf_records_next(
    struct wf_bytes *in, int64_t base_us, struct wf_record_view *ret);
// Walks all: exact count, earliest and latest time as found (base_us for both when there are none). TOO_BIG over
// WF_MAX_BATCH_RAW or WF_MAX_BATCH_RECORDS.
WF_MUST_USE enum weft_err wf_records_check(struct wf_bytes raw, int64_t base_us,
    uint32_t *ret_count, int64_t *ret_min_us, int64_t *ret_max_us);

// A payload in the making, with what its header will say about it. All zero is empty and valid. The first record's time
// becomes the base.
struct wf_records {
    struct wf_buf raw;
    int64_t base_us, min_us, max_us;
    uint32_t count;
};
// As wf_records_add; also TOO_BIG over WF_MAX_BATCH_RECORDS. Unchanged on error.
WF_MUST_USE enum weft_err wf_records_put(
    struct wf_records *r, enum wf_record_op op, int64_t time_us, struct wf_bytes data);
// Empty again, with its buffer kept.
void wf_records_reset(struct wf_records *r);
void wf_records_fini(struct wf_records *r);

#endif
