// SPDX-License-Identifier: Apache-2.0
// One JSON value as one protobuf scalar; shared by sdk/json_record.c and its tests.
#ifndef WF_SDK_JSON_SCALAR_H
#define WF_SDK_JSON_SCALAR_H

#include "sdk/json.h"

// The JSON forms a scalar of the field's type may have, as protobuf's mapping lists them. Strings are views into j; bytes are
// decoded into scratch and live until it is next used. TYPE (another JSON type), SYNTAX or RANGE, with "expected …, got …"
// in reason (WF_DIAG_TEXT bytes).
WF_MUST_USE enum weft_err wf_json_scalar(const struct wf_schema_field *f, const struct wf_json *j,
    struct wf_buf *scratch, struct wf_value *ret, char *reason);
// A map key, which JSON only has as text.
WF_MUST_USE enum weft_err wf_json_map_key(
    const struct wf_schema_field *f, struct wf_bytes key, struct wf_value *ret, char *reason);
// RFC 4648, sections 4 and 5, padded or not. SYNTAX.
WF_MUST_USE enum weft_err wf_json_base64(struct wf_bytes text, struct wf_buf *out);

#endif
