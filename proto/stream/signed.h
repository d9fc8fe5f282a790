// SPDX-License-Identifier: Apache-2.0
// Fields that headers and heartbeats share, to and from their messages. How such a document is opened is proto/trust/doc.h's.
// Internal to proto/stream. Thread rule: functions of their arguments.
#ifndef WF_STREAM_SIGNED_H
#define WF_STREAM_SIGNED_H

#include "proto/base/pb_v1.h"
#include "proto/stream/stream.h"

// A hash field: absent is all zero in memory, and 32 zero bytes on the wire would be a second way to say so.
// SYNTAX for another length, NOT_CANONICAL.
WF_MUST_USE enum weft_err wf_signed_take_hash(ProtobufCBinaryData from, struct wf_hash *to);
ProtobufCBinaryData wf_signed_hash(const struct wf_hash *h);
struct wf_incarnation wf_signed_take_incarnation(const Weft__V1__Incarnation *from); // NULL = none
void wf_signed_incarnation(const struct wf_incarnation *from, Weft__V1__Incarnation *to);

#endif
