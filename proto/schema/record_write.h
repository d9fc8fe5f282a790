// SPDX-License-Identifier: Apache-2.0
// Encodes a message by its schema from a sequence of calls: the same calls give the same bytes. Fields come in ascending order of
// numbers, values of one list one after the other; lists are packed as the schema says, implicit zeros are left out as proto3
// writers do. Knows no text format (JSON: sdk/json.h). Invariant: what finish accepts passes wf_record_read. Thread rule: one owner.
#ifndef WF_SCHEMA_RECORD_WRITE_H
#define WF_SCHEMA_RECORD_WRITE_H

#include "proto/base/limits.h"
#include "proto/schema/schema.h"

struct wf_record_write_level {
    const struct wf_schema_message *message;
    size_t start;  // of its encoding in the buffer
    uint32_t last; // number of the field written last
    uint32_t required_left;
    size_t packed; // where the open packed list begins; 0 is none
};

struct wf_record_writer {
    struct wf_buf *out;
    size_t start, max, elements;
    unsigned depth;    // open levels
    unsigned messages; // of them, map entries not counted: readers don't either
    struct wf_record_write_level levels[2 * WF_MAX_RECORD_DEPTH];
};

// The encoding is appended to out, which the caller owns, and takes at most max bytes.
void wf_record_write_init(
    struct wf_record_writer *w, const struct wf_schema_message *m, size_t max, struct wf_buf *out);

// A scalar field of the message being written, or the next element of its list. TYPE when the value's kind is not the
// field's, RANGE beyond 32 bits or for an unknown number of a closed enum, BAD_UTF8, TOO_BIG, BUDGET (elements), STATE for
// a field out of order or given twice, NOMEM.
WF_MUST_USE enum weft_err wf_record_write_value(
    struct wf_record_writer *w, const struct wf_schema_field *f, const struct wf_value *v);
// Begins a message field, the next message of a list, or the next entry of a map (then key and value are its fields[0] and
// fields[1], both written even when zero). TOO_DEEP and as above.
WF_MUST_USE enum weft_err wf_record_write_begin(
    struct wf_record_writer *w, const struct wf_schema_field *f);
// Ends what begin began. MISSING_FIELD when a proto2 required field was not written.
WF_MUST_USE enum weft_err wf_record_write_end(struct wf_record_writer *w);
// Ends the record.
WF_MUST_USE enum weft_err wf_record_write_finish(struct wf_record_writer *w);
// After any error: takes back what was appended.
void wf_record_write_cancel(struct wf_record_writer *w);

#endif
