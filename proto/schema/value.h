// SPDX-License-Identifier: Apache-2.0
// One protobuf value outside of any message: what readers hand out and writers take. Bytes are views into the record (or into
// the schema for defaults); nothing here owns memory.
#ifndef WF_SCHEMA_VALUE_H
#define WF_SCHEMA_VALUE_H

#include "proto/base/bytes.h"

enum wf_value_kind {
    WF_VALUE_NONE,
    WF_VALUE_BOOL,    // .b
    WF_VALUE_INT,     // .i: every signed integer type
    WF_VALUE_UINT,    // .u: every unsigned integer type
    WF_VALUE_FLOAT,   // .f
    WF_VALUE_DOUBLE,  // .d
    WF_VALUE_ENUM,    // .number
    WF_VALUE_STRING,  // .bytes, valid UTF-8
    WF_VALUE_BYTES,   // .bytes
    WF_VALUE_MESSAGE, // .bytes: the encoded message
};

struct wf_value {
    enum wf_value_kind kind;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        float f;
        double d;
        int32_t number;
        struct wf_bytes bytes;
    };
};

#endif
