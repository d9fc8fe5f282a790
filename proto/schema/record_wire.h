// SPDX-License-Identifier: Apache-2.0
// The encoding of one field and one value (protobuf.dev/programming-guides/encoding), bounded by the view it is read from.
// Shared by the readers of proto/schema; no schema rules here beyond a field's type.
#ifndef WF_SCHEMA_RECORD_WIRE_H
#define WF_SCHEMA_RECORD_WIRE_H

#include "proto/schema/schema.h"

enum wf_wire_type {
    WF_WIRE_VARINT = 0,
    WF_WIRE_64BIT = 1,
    WF_WIRE_DELIMITED = 2,
    WF_WIRE_32BIT = 5,
};

struct wf_wire_field {
    uint32_t number;
    enum wf_wire_type wire;
    uint64_t raw;          // VARINT, 64BIT, 32BIT
    struct wf_bytes bytes; // DELIMITED
};

// Takes one field from the front of *in. SYNTAX for number 0, a number beyond 29 bits, a group or an unknown wire type;
// TRUNCATED when it ends early.
WF_MUST_USE enum weft_err wf_wire_take(struct wf_bytes *in, struct wf_wire_field *ret);
// Takes one value of the wire type (not DELIMITED), as in packed lists.
WF_MUST_USE enum weft_err wf_wire_take_raw(
    struct wf_bytes *in, enum wf_wire_type wire, uint64_t *ret);

enum wf_wire_type wf_wire_type_of(enum wf_field_type type);
// Whether a field of the schema may stand with this wire type: its own, or DELIMITED for a packed list.
bool wf_wire_fits(const struct wf_schema_field *f, enum wf_wire_type wire);

// A scalar from its raw bits: zigzag undone, 32-bit types cut to 32 bits, as every protobuf reader does.
struct wf_value wf_wire_scalar(enum wf_field_type type, uint64_t raw);
// The bits to write for a scalar; the inverse of wf_wire_scalar.
uint64_t wf_wire_raw(enum wf_field_type type, const struct wf_value *v);
// The value of a field as taken; strings and bytes are views. wf_wire_fits holds and the field is not packed.
struct wf_value wf_wire_value(enum wf_field_type type, const struct wf_wire_field *w);
// Zero, false, empty: what an implicit field can't be told from absent. -0.0 is not zero.
bool wf_value_is_zero(const struct wf_value *v);

#endif
