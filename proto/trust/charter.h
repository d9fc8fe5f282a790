// SPDX-License-Identifier: Apache-2.0
// The charter: which domains exist. A sequence of documents, each accepted only after its predecessor. Owns its memory;
// immutable after opening, so it may be read from any thread.
#ifndef WF_TRUST_CHARTER_H
#define WF_TRUST_CHARTER_H

#include "proto/trust/ident.h"

struct wf_member {
    struct wf_name name;
    struct wf_sign_pub root_key;
    size_t seed_count;
    struct wf_seed *seeds;
};

struct wf_charter {
    struct wf_hash id;      // of this version
    struct wf_hash mesh_id; // id of version 1
    struct wf_hash previous;
    char mesh[WF_MAX_NAME + 1];
    uint64_t version;
    uint32_t quorum, min_protocol;
    int64_t created_ms, expires_ms;
    size_t member_count, region_count, classification_count;
    struct wf_member *members; // sorted by name
    char **regions, **classifications;
    struct wf_buf raw; // the exact envelope
    struct wf_arena arena;
};

// Structure and rules that need no predecessor: k > n/2 (QUORUM), members sorted (ORDER) with a key each (KEY), limits, canonical.
// No signature is judged: see the two functions below. Used to show a proposal.
WF_MUST_USE enum weft_err wf_charter_read(struct wf_bytes raw, struct wf_charter **ret);
void wf_charter_free(struct wf_charter *c);

// Version 1, signed by every member's root key and nobody else; mesh id must equal `expect` unless that is NULL. QUORUM, WRONG_MESH,
// CHARTER_ORDER, UNKNOWN_KEY (a signer who is no member), SIGNATURE.
WF_MUST_USE enum weft_err wf_charter_open_genesis(
    struct wf_bytes raw, const struct wf_hash *expect, struct wf_charter **ret);
// The successor of `current`: version + 1, previous == current's id, same mesh id, quorum of current's members AND quorum of its own
// members have signed (a key counts once), and nobody else. CHARTER_ORDER, QUORUM, WRONG_MESH, UNKNOWN_KEY, SIGNATURE. One that arrives
// beside a successor already accepted is CHARTER_ORDER here; ask wf_charter_is_fork with the predecessor.
WF_MUST_USE enum weft_err wf_charter_open_next(
    struct wf_bytes raw, const struct wf_charter *current, struct wf_charter **ret);
// Are these two different valid successors of `before`? (proof of a fork; false also when memory runs out)
bool wf_charter_is_fork(const struct wf_charter *before, struct wf_bytes a, struct wf_bytes b);

// Building. fields: mesh, version, members (sorted here), quorum, policy, times; mesh_id and previous for version > 1. The body is unsigned;
// wf_charter_sign makes the first signature or adds one (any key: old members sign too). Both give a new buffer and refuse what
// wf_charter_read refuses.
WF_MUST_USE enum weft_err wf_charter_body(const struct wf_charter *fields, struct wf_buf *ret_body);
WF_MUST_USE enum weft_err wf_charter_sign(struct wf_bytes body_or_envelope, bool is_envelope,
    const struct wf_secret *root, struct wf_buf *ret_envelope);
// How many members of `c` have a valid signature on the charter envelope `raw`, which may be c's or a proposal to succeed it; and which
// (one flag a member, may be NULL). 0 when it can't be read.
size_t wf_charter_signed_count(
    const struct wf_charter *c, struct wf_bytes raw, bool *ret_signed_by_member);

const struct wf_member *wf_charter_member(const struct wf_charter *c, const char *name);
const struct wf_member *wf_charter_member_by_root(
    const struct wf_charter *c, const struct wf_sign_pub *root);
static inline bool wf_charter_is_expired(const struct wf_charter *c, int64_t now_unix_ms)
{
    return now_unix_ms >= c->expires_ms;
}

#endif
