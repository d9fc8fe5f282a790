// SPDX-License-Identifier: Apache-2.0
// A message as the judge of ordinary records sees it (record_plain.c): one small line for each field and form, found by the tag byte, since the
// fields of wf_schema_message lie far apart. Made by schema_plain.c as the last stage of a compile; included by proto/schema only.
// Invariant: a message that has a table has no required fields, and no line of it leads to what only the reader can judge.
#ifndef WF_SCHEMA_RECORD_PLAIN_H
#define WF_SCHEMA_RECORD_PLAIN_H

#include "proto/schema/record_wire.h"

enum wf_plain_kind {
    WF_PLAIN_NOT, // the reader decides
    WF_PLAIN_VARINT,
    WF_PLAIN_64BIT,
    WF_PLAIN_32BIT,
    WF_PLAIN_STRING,
    WF_PLAIN_BYTES,
    WF_PLAIN_MESSAGE,
    WF_PLAIN_PACKED_VARINT,
    WF_PLAIN_PACKED_64BIT,
    WF_PLAIN_PACKED_32BIT,
};

struct wf_plain_line {
    const struct wf_schema_message *message; // MESSAGE
    uint32_t floor;                          // the line of the next field has a higher number
    uint8_t kind;                            // enum wf_plain_kind
    uint8_t wire;                            // enum wf_wire_type
    bool member;                             // of a oneof
};

// Field i has the lines 2 * i + 1, by itself, and 2 * i + 2, as a packed list. Line 0 is that of nothing.
struct wf_plain {
    uint8_t by_tag[128]; // tags of one byte: the fields below number 16
    const struct wf_plain_line *lines;
};

#endif
