// SPDX-License-Identifier: Apache-2.0
// Proofs of equivocation: two documents of one author, key and order. Anyone can check one. Pure.
#ifndef WF_REGISTRY_PROOF_H
#define WF_REGISTRY_PROOF_H

#include "registry/catalog.h"

// Encodes the two documents, lower id first, into out.
WF_MUST_USE enum weft_err wf_proof_make(enum wf_entry_kind kind, struct wf_bytes a,
    const struct wf_hash *a_id, struct wf_bytes b, const struct wf_hash *b_id, struct wf_buf *out);
// Both open under the charter, same key, author and order, different ids, lower id first. Fills kind, domain, name, author, term, sequence
// and expires_ms (the later one) of what they are about.
// *ret_node: of a product, the node that the author says is its home; else empty.
WF_MUST_USE enum weft_err wf_proof_check(struct wf_bytes raw, const struct wf_charter *charter,
    int64_t now_unix_ms, struct wf_known *ret_about, struct wf_name *ret_node);
// The catalog key of a proof about (kind, domain, name, author) of `about`: what one author did bars nobody else.
void wf_proof_key(const struct wf_known *about, struct wf_known *ret);
// Who answers for a document: the key that signed an advert, or nobody of its own where any issuer of the domain speaks for it.
void wf_proof_author(const struct wf_entry_doc *doc, struct wf_sign_pub *ret);

#endif
