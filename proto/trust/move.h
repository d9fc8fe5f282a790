// SPDX-License-Identifier: Apache-2.0
// The order that moves a product from one node of its domain to another, "weft/move/v1", signed by the domain's issuer. The new home shows it
// to the old one; no registry holds it, so it makes nobody home: that is a home document under the order's term. Values own nothing.
#ifndef WF_TRUST_MOVE_H
#define WF_TRUST_MOVE_H

#include "proto/trust/charter.h"

struct wf_move {
    struct wf_hash id, mesh_id;
    struct wf_name domain, product, from, to; // nodes of the domain
    uint64_t term;                            // that the new home will have
    uint64_t sequence;                        // signing time in ms
    int64_t expires_ms;
    bool lost; // the old home: nothing is asked of it
    struct wf_sign_pub signer;
    struct wf_cert issuer; // as the order carries it
};

// Signature, canonical form, names (NAME, MISSING_FIELD), from and to two nodes (RANGE), 0 < term <= sequence (MISSING_FIELD, RANGE), the
// issuer's certificate is the signer's (CHAIN) and of this domain (WRONG_DOMAIN). Nothing here says that a root stands behind it.
WF_MUST_USE enum weft_err wf_move_open(struct wf_bytes raw, struct wf_move *ret);
// By whom? WRONG_MESH, FUTURE (more than 60 s ahead), EXPIRED, those of wf_issuer_verify.
WF_MUST_USE enum weft_err wf_move_verify(
    const struct wf_move *m, const struct wf_charter *charter, int64_t now_unix_ms);
// Appends the envelope; id and signer of the fields are not read. issuer_cert: the envelope of its certificate.
WF_MUST_USE enum weft_err wf_move_sign(const struct wf_move *fields, struct wf_bytes issuer_cert,
    const struct wf_secret *issuer, struct wf_buf *out);

#endif
