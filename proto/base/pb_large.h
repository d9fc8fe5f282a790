// SPDX-License-Identifier: Apache-2.0
// Messages whose one large content is not copied: unpacked, it is a view of where it came from; packed, it is left out for the sender to put in.
// Owns nothing. Thread rule: functions of their arguments.
#ifndef WF_BASE_PB_LARGE_H
#define WF_BASE_PB_LARGE_H

#include "proto/base/pb.h"

// As wf_pb_unpack by the STRICT rule, but a large content stays where it lies: that of the one bytes field of the one message in `in`, or of `in` itself,
// from WF_PB_LARGE on. It is a view of in, which lives as long as the message is used; everything else is a copy.
#define WF_PB_LARGE 4096u
WF_MUST_USE enum weft_err wf_pb_unpack_view(const ProtobufCMessageDescriptor *type,
    struct wf_bytes in, struct wf_arena *arena, void *ret_message);

// Checks and packs as wf_pb_pack, all of the message but `lent`, the content of one of its bytes fields, which belongs before byte *ret_at of what is
// appended. INTERNAL also when it is not there.
WF_MUST_USE enum weft_err wf_pb_pack_around(
    const void *message, struct wf_bytes lent, struct wf_buf *out, size_t *ret_at);

#endif
