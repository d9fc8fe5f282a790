// SPDX-License-Identifier: Apache-2.0
// What headers and heartbeats share: documents of one signer, packed by protobuf-c and accepted in their canonical form
// only. Internal to proto/stream. Thread rule: functions of their arguments.
#ifndef WF_STREAM_SIGNED_H
#define WF_STREAM_SIGNED_H

#include "proto/base/pb_v1.h"
#include "proto/stream/stream.h"
#include "proto/trust/envelope.h"

// Room that opening a document of this length may take from its arena.
size_t wf_signed_budget(size_t envelope_len);
// Structure, signature, canonical body: the message is in the arena. Its signer field is for the caller to compare with
// ret->signer (wf_signed_by).
WF_MUST_USE enum weft_err wf_signed_open(struct wf_bytes envelope, enum wf_doc doc,
    const ProtobufCMessageDescriptor *type, struct wf_arena *arena, struct wf_opened *ret,
    void *ret_message);
// SIGNATURE when the body names another signer than the one whose signature verified.
WF_MUST_USE enum weft_err wf_signed_by(const struct wf_opened *opened, ProtobufCBinaryData named);

// A hash field: absent is all zero in memory, and 32 zero bytes on the wire would be a second way to say so.
// SYNTAX for another length, NOT_CANONICAL.
WF_MUST_USE enum weft_err wf_signed_take_hash(ProtobufCBinaryData from, struct wf_hash *to);
ProtobufCBinaryData wf_signed_hash(const struct wf_hash *h);
struct wf_incarnation wf_signed_take_incarnation(const Weft__V1__Incarnation *from); // NULL = none
void wf_signed_incarnation(const struct wf_incarnation *from, Weft__V1__Incarnation *to);

#endif
