// SPDX-License-Identifier: Apache-2.0
// The chain of one origin in one product, as whoever receives its batches keeps it: what came last, and what the next
// header is to it. Decides nothing: a home refuses a gap and asks again, a reader that begins in the middle does not.
// Invariant: only wf_chain_accept moves it. Thread rule: a value of one thread.
#ifndef WF_STREAM_CHAIN_H
#define WF_STREAM_CHAIN_H

#include "proto/stream/batch.h"

struct wf_chain {
    struct wf_incarnation incarnation; // none: nothing came yet
    uint64_t first_seq, next_seq;      // of the last batch, and one past it
    struct wf_hash last, previous;     // its id, and the id that it names
};

enum wf_chain_verdict {
    WF_CHAIN_FOLLOWS = 0, // the next batch, or the first of a newer incarnation (seq 0)
    WF_CHAIN_DUPLICATE,   // came before: below what is known, or the last one again
    WF_CHAIN_GAP,         // seqs [gap_from, gap_to) are missing before it
    WF_CHAIN_OLD,         // of an older incarnation: late, or another machine with the same key
    WF_CHAIN_FORK, // two headers for one place, or another predecessor: the origin signed both
};

struct wf_chain_step {
    enum wf_chain_verdict verdict;
    bool new_incarnation;      // FOLLOWS and GAP: the origin started anew
    uint64_t gap_from, gap_to; // of GAP
};

// What an opened header is to this chain. The header is of the chain's product and signer (the caller looked it up by
// them). A DUPLICATE below the last batch is told by its seqs alone; whether it is the same batch only the log knows.
struct wf_chain_step wf_chain_check(const struct wf_chain *c, const struct wf_batch_header *h);
// Makes this header the last one, whatever the verdict was.
void wf_chain_accept(struct wf_chain *c, const struct wf_batch_header *h);

#endif
