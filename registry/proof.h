// SPDX-License-Identifier: Apache-2.0
// Proofs of equivocation: two documents of one author, key and order. Anyone can check one. Pure.
#ifndef WF_REGISTRY_PROOF_H
#define WF_REGISTRY_PROOF_H

#include "registry/catalog.h"

// Encodes the two documents, lower id first, into out.
WF_MUST_USE enum weft_err wf_proof_make(enum wf_entry_kind kind, struct wf_bytes a,
    const struct wf_hash *a_id, struct wf_bytes b, const struct wf_hash *b_id, struct wf_buf *out);
// Both open under the charter, same key and order, different ids, lower id first. Fills kind, domain, name, term, sequence and
// expires_ms (the later one) of what they are about.
WF_MUST_USE enum weft_err wf_proof_check(struct wf_bytes raw, const struct wf_charter *charter,
    int64_t now_unix_ms, struct wf_known *ret_about);
// The catalog key of a proof about (kind, domain, name).
void wf_proof_key(enum wf_entry_kind kind, const struct wf_name *domain, const struct wf_name *name,
    struct wf_known *ret);

#endif
