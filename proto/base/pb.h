// SPDX-License-Identifier: Apache-2.0
// The door to protobuf-c: bounded unpack into an arena, canonical check, checked pack. Peer bytes are scanned against the
// descriptor (wire types, depth, unknown fields, UTF-8, element budget) before protobuf-c sees them, because protobuf-c
// has neither a depth nor a memory limit (see docs/internals/base.md). Messages live as long as their arena.
#ifndef WF_BASE_PB_H
#define WF_BASE_PB_H

#include <protobuf-c/protobuf-c.h>

#include "proto/base/arena.h"

enum wf_pb_rule {
    WF_PB_LENIENT,   // unknown fields are skipped by the reader (peers' descriptor sets)
    WF_PB_STRICT,    // unknown fields refuse (requests and replies inside a session)
    WF_PB_CANONICAL, // strict, and pack(unpack(b)) == b (everything that is signed)
};

// Arena budget for a document of this length: WF_MAX_UNPACK_FACTOR times, at least 16 KiB, at most WF_MAX_UNPACK.
size_t wf_pb_budget(size_t document_len);

// Unpacks in with the generated descriptor. The message and all it points to live in the arena; strings and bytes are
// copies. Refusals: SYNTAX, TRUNCATED, TOO_DEEP, UNKNOWN_FIELD, BAD_UTF8, BUDGET, NOT_CANONICAL, NOMEM.
WF_MUST_USE enum weft_err wf_pb_unpack(const ProtobufCMessageDescriptor *type, struct wf_bytes in,
    enum wf_pb_rule rule, struct wf_arena *arena, void *ret_message);

// Checks the message (protobuf_c_message_check) and appends its encoding to out. INTERNAL when it is malformed.
WF_MUST_USE enum weft_err wf_pb_pack(const void *message, struct wf_buf *out);
// The same in two steps, for memory of another kind: how long it is, then exactly so many bytes of a message that was measured.
WF_MUST_USE enum weft_err wf_pb_measure(const void *message, size_t *ret_len);
void wf_pb_write(const void *message, uint8_t *to);
// Packs into the arena.
WF_MUST_USE enum weft_err wf_pb_pack_arena(
    const void *message, struct wf_arena *arena, struct wf_bytes *ret);

static inline struct wf_bytes wf_pb_view(ProtobufCBinaryData d)
{
    return (struct wf_bytes){ d.data, d.len };
}

// For building a message to pack: protobuf-c's types are not const, its packer never writes through them.
static inline ProtobufCBinaryData wf_pb_bin(struct wf_bytes b)
{
    return (ProtobufCBinaryData){ b.len, (uint8_t *)(uintptr_t)b.ptr };
}

static inline char *wf_pb_str(const char *s)
{
    return s ? (char *)(uintptr_t)s : (char *)protobuf_c_empty_string;
}

#endif
