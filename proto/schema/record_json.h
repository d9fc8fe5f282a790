// SPDX-License-Identifier: Apache-2.0
// A record as protobuf's JSON (protobuf.dev/programming-guides/json), token for token what python3-protobuf prints: 64-bit
// integers as strings, lowerCamelCase names, enum names, base64, RFC 3339, well-known types in their own form. Map entries
// come in ascending order of keys, fields by number.
#ifndef WF_SCHEMA_RECORD_JSON_H
#define WF_SCHEMA_RECORD_JSON_H

#include "proto/schema/json_out.h"
#include "proto/schema/record.h"

struct wf_record_json_options {
    bool
        always_print_fields; // also fields without presence that are zero, and empty lists and maps
    bool proto_names;        // used_bytes instead of usedBytes
    unsigned indent;         // spaces a level; 0 is compact (wf_record_json only)
    const struct wf_record_budget *budget; // NULL: that of a record
};

// Writes the record as the next value of o; options may be NULL. Refusals: those of wf_record_check, and what sticks to o.
// An error also sticks to o.
WF_MUST_USE enum weft_err wf_record_json_out(const struct wf_schema_message *m,
    struct wf_bytes record, const struct wf_record_json_options *options, struct wf_json_out *o,
    struct wf_diag *diag);

// Appends the record as one JSON value of at most WF_MAX_JSON bytes (TOO_BIG) to out, which an error leaves as it was.
WF_MUST_USE enum weft_err wf_record_json(const struct wf_schema_message *m, struct wf_bytes record,
    const struct wf_record_json_options *options, struct wf_buf *out, struct wf_diag *diag);

// The same for one field of the record's top level: what its key would be followed by, or null when it is absent. For columns
// that hold lists, maps and messages; m is no well-known type.
WF_MUST_USE enum weft_err wf_record_field_json(const struct wf_schema_message *m,
    const struct wf_schema_field *field, struct wf_bytes record, struct wf_buf *out,
    struct wf_diag *diag);

#endif
