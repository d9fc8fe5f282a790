// SPDX-License-Identifier: Apache-2.0
// Writes JSON (RFC 8259) into a buffer, compact or indented, with a byte cap: commas, escapes and closers are its business. The
// first error sticks and turns every later call into nothing, so callers check once, at wf_json_out_done. Text outside ASCII
// is written as UTF-8. Invariant: what done accepts is one complete JSON value. Thread rule: one owner.
#ifndef WF_SCHEMA_JSON_OUT_H
#define WF_SCHEMA_JSON_OUT_H

#include "proto/base/bytes.h"

#define WF_JSON_OUT_DEPTH 256u // objects and arrays within one another

struct wf_json_out {
    struct wf_buf *buf;
    size_t start, max; // where this value begins, and the most it may take
    unsigned indent;   // spaces a level; 0 is compact
    unsigned depth;
    bool filled; // the innermost object or array has a member
    bool keyed;  // a key waits for its value
    bool complete;
    enum weft_err err;
    uint8_t arrays[WF_JSON_OUT_DEPTH / 8]; // a bit a level: an array, else an object
};

// Appends to buf, which the caller owns; TOO_BIG beyond max bytes.
void wf_json_out_init(struct wf_json_out *o, struct wf_buf *buf, size_t max, unsigned indent);

void wf_json_out_object(struct wf_json_out *o);
void wf_json_out_array(struct wf_json_out *o);
void wf_json_out_end(struct wf_json_out *o); // closes the innermost of both
void wf_json_out_key(struct wf_json_out *o, struct wf_bytes key);

void wf_json_out_string(struct wf_json_out *o, struct wf_bytes text); // BAD_UTF8 sticks
void wf_json_out_int(struct wf_json_out *o, int64_t v);
void wf_json_out_uint(struct wf_json_out *o, uint64_t v);
// Shortest form (number.h); what is not finite is the string "NaN", "Infinity" or "-Infinity", as protobuf's JSON has it.
void wf_json_out_double(struct wf_json_out *o, double v);
void wf_json_out_float(struct wf_json_out *o, float v);
void wf_json_out_bool(struct wf_json_out *o, bool v);
void wf_json_out_null(struct wf_json_out *o);
void wf_json_out_base64(struct wf_json_out *o, struct wf_bytes data); // RFC 4648, section 4, padded
// A complete JSON value made elsewhere, taken as it is.
void wf_json_out_raw(struct wf_json_out *o, struct wf_bytes json);

// Key and value in one.
void wf_json_out_member(struct wf_json_out *o, const char *key, struct wf_bytes text);
void wf_json_out_member_int(struct wf_json_out *o, const char *key, int64_t v);
void wf_json_out_member_bool(struct wf_json_out *o, const char *key, bool v);

// Makes err stick unless another does.
void wf_json_out_fail(struct wf_json_out *o, enum weft_err err);
// The first error (STATE when the value is not complete); buf is then cut back to where it was.
WF_MUST_USE enum weft_err wf_json_out_done(struct wf_json_out *o);

#endif
