// SPDX-License-Identifier: Apache-2.0
// Reads JSON: parsed values behind an opaque type, and records from JSON by their schema. sdk/json.c is the only file that knows
// the parser (jansson). Writing JSON is proto/schema/json_out.h. Invariant: text is at most WF_MAX_JSON bytes, WF_MAX_JSON_DEPTH
// deep and WF_MAX_JSON_NODES values big before anything is built from it. Thread rule: values are read-only once parsed.
#ifndef WF_SDK_JSON_H
#define WF_SDK_JSON_H

#include "proto/base/limits.h"
#include "proto/schema/schema.h"

enum wf_json_type {
    WF_JSON_NULL,
    WF_JSON_BOOL,
    WF_JSON_INT,  // fits an int64
    WF_JSON_REAL, // has a fraction or exponent, or (whole, read as double) exceeds an int64
    WF_JSON_STRING,
    WF_JSON_ARRAY,
    WF_JSON_OBJECT,
};

struct wf_json;

// Parses one JSON value of any type (RFC 8259) with nothing after it; keys of an object must differ. SYNTAX with line, column
// and reason in diag (may be NULL); TOO_BIG, TOO_DEEP, BUDGET (values) beyond the limits; NOMEM.
WF_MUST_USE enum weft_err wf_json_parse(
    struct wf_bytes text, struct wf_json **ret_json, struct wf_diag *diag);
void wf_json_free(struct wf_json *json);

// Everything below accepts NULL and the wrong type, and then gives null, false, 0, an empty view or NULL. What is returned
// lives as long as the whole document.
enum wf_json_type wf_json_type(const struct wf_json *j);
bool wf_json_bool(const struct wf_json *j);
int64_t wf_json_int(const struct wf_json *j);
double wf_json_real(const struct wf_json *j); // of an integer, too
struct wf_bytes wf_json_string(const struct wf_json *j);
size_t wf_json_count(const struct wf_json *j); // elements or members
const struct wf_json *wf_json_at(const struct wf_json *array, size_t i);
const struct wf_json *wf_json_get(const struct wf_json *object, const char *key);

// Members of an object, as written: start from a zeroed iterator, false at the end.
struct wf_json_iter {
    void *at;
    bool started;
};
bool wf_json_next(const struct wf_json *object, struct wf_json_iter *it, struct wf_bytes *ret_key,
    const struct wf_json **ret_value);

// Removes an object's own members whose name begins with '@' (the protocol's, never the message's).
void wf_json_strip_at(struct wf_json *object);

// A short text of a value for messages to people, such as "abc" with its quotes, 12, a list.
#define WF_JSON_BRIEF 64u
const char *wf_json_brief(const struct wf_json *j, char out[WF_JSON_BRIEF]);

// Encodes a value as the message, by protobuf's JSON mapping: lowerCamelCase and original names, integers as numbers or strings,
// enums by name or number, base64 in both alphabets, RFC 3339, well-known types; null is absent. The same text gives the
// same bytes whatever the order of its keys. The encoding, at most max bytes, is appended to out, which an error leaves as it was.
// diag (may be NULL) says "filesystems[2].usedBytes: expected an integer, got "abc"". TYPE (another JSON type), RANGE, SYNTAX (in
// a string's content), UNKNOWN_FIELD (with the nearest name), EXISTS (a field or oneof given twice), MISSING_FIELD, TOO_BIG,
// TOO_DEEP, BUDGET, NOMEM.
WF_MUST_USE enum weft_err wf_json_encode(const struct wf_schema_message *m,
    const struct wf_json *json, size_t max, struct wf_buf *out, struct wf_diag *diag);

// Parse and encode, for a record (WF_MAX_RECORD).
WF_MUST_USE enum weft_err wf_json_to_record(const struct wf_schema_message *m, struct wf_bytes json,
    struct wf_buf *out, struct wf_diag *diag);

#endif
