// SPDX-License-Identifier: Apache-2.0
// The descriptor of a product as part of an advert, a manifest, or an answer of the control plane. What is taken points into the
// message, which lives as long as the arena.
#ifndef WF_TRUST_PRODUCT_DOC_H
#define WF_TRUST_PRODUCT_DOC_H

#include "proto/trust/doc.h"
#include "proto/trust/product.h"

// Checks every field; docs/protocol/registry-documents.md has the rules. removed: only domain, name and kind count.
WF_MUST_USE enum weft_err wf_product_take(const Weft__V1__ProductDescriptor *m,
    const struct wf_hash *mesh_id, bool removed, struct wf_arena *arena, struct wf_product *ret);
// The reverse; the message borrows from p and the arena. The product id is computed, not copied.
WF_MUST_USE enum weft_err wf_product_put(const struct wf_product *p, const struct wf_hash *mesh_id,
    bool removed, struct wf_arena *arena, Weft__V1__ProductDescriptor *ret);

// A list of strings: at most WF_MAX_CAVEAT_ITEMS (TOO_BIG), each of them 1..max long (MISSING_FIELD, TOO_BIG).
WF_MUST_USE enum weft_err wf_take_strings(
    char *const *in, size_t count, size_t max, const char ***ret, size_t *ret_count);

#endif
