// SPDX-License-Identifier: Apache-2.0
// Numbers as text and back, independent of the locale. Doubles print as Python's repr does (the shortest digits that read back
// to the same value, with a fraction or exponent), because protobuf's JSON is compared against that printer.
#ifndef WF_SCHEMA_NUMBER_H
#define WF_SCHEMA_NUMBER_H

#include "proto/base/bytes.h"

#define WF_NUMBER_TEXT 32u

// Ends the text with NUL and returns its length. v must be finite. "1.0", "1e+16", "1.5e-07", "-0.0".
size_t wf_number_double(double v, char out[WF_NUMBER_TEXT]);
// The decimal of at least six digits that reads back to the same float, printed as above (0.1f is "0.1").
size_t wf_number_float(float v, char out[WF_NUMBER_TEXT]);

// JSON's grammar of numbers (RFC 8259, section 6). SYNTAX, or RANGE when it overflows a double.
WF_MUST_USE enum weft_err wf_number_parse(struct wf_bytes text, double *ret);
// Decimal integers, '-' permitted for the signed one, no '+', no fraction. SYNTAX or RANGE.
WF_MUST_USE enum weft_err wf_number_int(struct wf_bytes text, int64_t *ret);
WF_MUST_USE enum weft_err wf_number_uint(struct wf_bytes text, uint64_t *ret);

#endif
