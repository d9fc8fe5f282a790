// SPDX-License-Identifier: Apache-2.0
// A descriptor set as .proto text again: what protoc makes of the text equals the set, source positions aside. Reads the set
// itself, not the compiled schema, because options, reserved ranges and file layout are of no use to anyone else. Thread rule:
// one owner.
#ifndef WF_SCHEMA_SCHEMA_PROTO_H
#define WF_SCHEMA_SCHEMA_PROTO_H

#include "proto/schema/schema.h"

struct wf_schema_proto;

// Compiles the set (same refusals as wf_schema_compile, so names are safe to print and file names to write) and keeps it
// ready for printing.
WF_MUST_USE enum weft_err wf_schema_proto_open(
    struct wf_bytes descriptor_set, struct wf_schema_proto **ret_proto, struct wf_diag *diag);
void wf_schema_proto_close(struct wf_schema_proto *p);

// Files in the set's order, each after those it imports. The name is a relative path without "..", as imports spell it.
size_t wf_schema_proto_count(const struct wf_schema_proto *p);
const char *wf_schema_proto_name(const struct wf_schema_proto *p, size_t i);
// google/protobuf/*.proto and weft/v1/options.proto, which every protoc of a weft user finds installed.
bool wf_schema_proto_is_standard(const struct wf_schema_proto *p, size_t i);

// Appends the text of file i. TOO_BIG beyond 8 MiB, TYPE for a custom option whose type is not in the set, or as
// wf_record_read for a malformed one.
WF_MUST_USE enum weft_err wf_schema_proto_print(
    const struct wf_schema_proto *p, size_t i, struct wf_buf *out);
// Appends all files that are not standard; each but an only one begins with a line "// file: NAME".
WF_MUST_USE enum weft_err wf_schema_proto_print_all(
    const struct wf_schema_proto *p, struct wf_buf *out);

#endif
