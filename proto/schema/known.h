// SPDX-License-Identifier: Apache-2.0
// Well-known types as text: Timestamp (RFC 3339), Duration ("1.500s") and FieldMask paths ("a.fooBar"), both ways, as protobuf's
// JSON mapping has them. Pure functions of their arguments.
#ifndef WF_SCHEMA_KNOWN_H
#define WF_SCHEMA_KNOWN_H

#include "proto/base/bytes.h"

// A google.protobuf.Timestamp or Duration. Nanos of a Duration have the sign of its seconds.
struct wf_moment {
    int64_t seconds;
    int32_t nanos;
};

#define WF_MOMENT_TEXT     40u

#define WF_TIMESTAMP_MIN_S (-62135596800) // 0001-01-01T00:00:00Z
#define WF_TIMESTAMP_MAX_S 253402300799   // 9999-12-31T23:59:59Z
#define WF_DURATION_MAX_S  315576000000   // about 10,000 years

// Reads the encoding of either message; unknown fields are passed over.
WF_MUST_USE enum weft_err wf_moment_read(struct wf_bytes message, struct wf_moment *ret);

bool wf_timestamp_is_valid(struct wf_moment t);
bool wf_known_duration_is_valid(struct wf_moment d);

// Text with 0, 3, 6 or 9 digits of fraction, as many as it takes, ended with NUL; its length. The moment must be valid.
size_t wf_timestamp_print(struct wf_moment t, char out[WF_MOMENT_TEXT]);
size_t wf_known_duration_print(struct wf_moment d, char out[WF_MOMENT_TEXT]);

// SYNTAX, or RANGE for a valid form beyond the range. Any offset and up to nine digits of fraction are accepted.
WF_MUST_USE enum weft_err wf_timestamp_parse(struct wf_bytes text, struct wf_moment *ret);
WF_MUST_USE enum weft_err wf_known_duration_parse(struct wf_bytes text, struct wf_moment *ret);

// One path of a FieldMask: foo_bar.baz to fooBar.baz and back. RANGE when the other direction would not give it back.
WF_MUST_USE enum weft_err wf_mask_path_to_json(struct wf_bytes path, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_mask_path_from_json(struct wf_bytes path, struct wf_buf *out);

#endif
