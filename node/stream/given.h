// SPDX-License-Identifier: Apache-2.0
// Entries that a home gave in one reply, kept apart from the message, and whether each continues what is here: by number and hash, or behind a
// range that the home names as lost. Used by who takes a product over and by mirrors, whose entries are sealed. Owns copies.
// Invariant: nothing is passed over that the home did not name. Thread rule: whoever has it; a worker may.
#ifndef WF_NODE_STREAM_GIVEN_H
#define WF_NODE_STREAM_GIVEN_H

#include "proto/base/pb_v1.h"
#include "proto/stream/entry.h"

struct wf_given_loss {
    uint64_t from, to;
};
struct wf_given {
    uint8_t *bytes;
    struct wf_bytes *entries; // within bytes
    size_t count;
    struct wf_given_loss *losses; // by offset
    size_t loss_count, loss_at;
    struct wf_log_head head; // of what is here; moves with each entry
    bool linked;             // head.hash is known: the next entry must continue it
};

// head and linked: where what is here ends. NOMEM.
WF_MUST_USE enum weft_err wf_given_take(const Weft__V1__RangeReply *r,
    const struct wf_log_head *head, bool linked, struct wf_given *ret);
void wf_given_fini(struct wf_given *g);
// The next entry, in order; h: its opened header, NULL for a reset. RANGE: its end is no offset. ORDER: it continues neither what is here nor a loss.
WF_MUST_USE enum weft_err wf_given_next(struct wf_given *g, const struct wf_hash *product_id,
    const struct wf_entry *e, const struct wf_batch_header *h);
// After the last: losses behind it.
void wf_given_end(struct wf_given *g);

#endif
