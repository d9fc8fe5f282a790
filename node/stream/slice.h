// SPDX-License-Identifier: Apache-2.0
// A part of a product's log as one reply to a reader: entries as they are stored, losses with their exact ranges, where to go on. Owns nothing:
// what it makes lies in the caller's arena. What is missing is told as a loss with its reason, never left out.
// Thread rule: whoever has the slice; it looks at the log alone, so a worker may read it.
#ifndef WF_NODE_STREAM_SLICE_H
#define WF_NODE_STREAM_SLICE_H

#include "node/log/log.h"
#include "proto/base/arena.h"
#include "proto/base/pb_v1.h"
#include "proto/stream/stream.h"

#define WF_SLICE_ENTRIES 4096u
#define WF_SLICE_LOSSES  256u

struct wf_slice {
    struct wf_log *log;
    struct wf_hash product;      // the log's name for it
    uint64_t head;               // nothing beyond it, though the log may have more
    uint64_t from, to;           // to: 0 = as far as there is
    size_t max_bytes;            // one entry with records may be larger
    struct wf_incarnation after; // resets up to this log are known to the reader
    // The log that a stored reset begins.
    enum weft_err (*log_of_reset)(struct wf_bytes body, struct wf_incarnation *ret);
    struct wf_buf *scratch;
    struct wf_arena *arena;
    // ---- filled by wf_slice_read
    uint64_t next;
    bool done; // `to` or the head was met
    size_t entry_count, loss_count;
    ProtobufCBinaryData *entries;
    Weft__V1__Loss **losses;
    // ---- of the reading itself
    bool has_records; // an entry with some is in: it gets further
    size_t bytes;
    enum weft_err err;
};

// That it is full is no error: `next` says where to go on. NOMEM, and what wf_log_read says.
WF_MUST_USE enum weft_err wf_slice_read(struct wf_slice *s);
// Entries, losses and next; ret borrows them.
void wf_slice_reply(const struct wf_slice *s, Weft__V1__RangeReply *ret);

#endif
