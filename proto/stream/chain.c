// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/chain.h"

static struct wf_chain_step step(enum wf_chain_verdict verdict)
{
    return (struct wf_chain_step){ .verdict = verdict };
}

static struct wf_chain_step gap(uint64_t from, uint64_t to)
{
    return (struct wf_chain_step){ .verdict = WF_CHAIN_GAP, .gap_from = from, .gap_to = to };
}

static struct wf_chain_step started_anew(const struct wf_batch_header *h)
{
    struct wf_chain_step s = h->first_seq ? gap(0, h->first_seq) : step(WF_CHAIN_FOLLOWS);

    s.new_incarnation = true;
    return s;
}

// A batch is pushed again bit for bit or not at all, so anything that overlaps and is not the same is a fork.
static struct wf_chain_step below(const struct wf_chain *c, const struct wf_batch_header *h)
{
    uint64_t end = wf_batch_next_seq(h);

    if (h->first_seq == c->first_seq && wf_hash_eq(&h->id, &c->last))
        return step(WF_CHAIN_DUPLICATE);
    if (end > c->first_seq)
        return step(WF_CHAIN_FORK);
    if (end == c->first_seq && !wf_hash_eq(&h->id, &c->previous))
        return step(WF_CHAIN_FORK);
    return step(WF_CHAIN_DUPLICATE);
}

struct wf_chain_step wf_chain_check(const struct wf_chain *c, const struct wf_batch_header *h)
{
    int age = wf_incarnation_cmp(&h->incarnation, &c->incarnation);

    if (age < 0)
        return step(WF_CHAIN_OLD);
    if (age > 0)
        return started_anew(h);
    if (h->first_seq < c->next_seq)
        return below(c, h);
    if (h->first_seq > c->next_seq)
        return gap(c->next_seq, h->first_seq);
    return step(wf_hash_eq(&h->previous, &c->last) ? WF_CHAIN_FOLLOWS : WF_CHAIN_FORK);
}

void wf_chain_accept(struct wf_chain *c, const struct wf_batch_header *h)
{
    *c = (struct wf_chain){
        .incarnation = h->incarnation,
        .first_seq = h->first_seq,
        .next_seq = wf_batch_next_seq(h),
        .last = h->id,
        .previous = h->previous,
    };
}
