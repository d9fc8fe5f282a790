// SPDX-License-Identifier: Apache-2.0
// The issuer key's own process. It holds data/identity/issuer.key, can only sign, and signs only documents of its own domain that name a
// known kind; it has no network and no files open. A request is the document already signed by the node's key: the process opens it
// as any receiver would and issues it again under the issuer's key, so no second encoder exists. Forked before NNG starts.
// Loop thread only; each call waits for the child (well under a millisecond), at most a second.
#ifndef WF_NODE_SIGNER_SIGNER_H
#define WF_NODE_SIGNER_SIGNER_H

#include "node/control.h"

extern const struct wf_room wf_signer_room; // opens only with issuer: true

// The issuer is on this node, whether or not its process runs just now.
bool wf_signer_here(const struct wf_node *n);
// The issuer's certificate envelope (kept as a file too). STATE when this node is no issuer.
WF_MUST_USE enum weft_err wf_signer_cert(const struct wf_node *n, struct wf_bytes *ret);
// Each fills the signer's fields and appends the finished document. UNREACHABLE while the process is gone: an
// alarm is raised, and its keeper starts a new one.
WF_MUST_USE enum weft_err wf_signer_issue(
    struct wf_node *n, const struct wf_cert *fields, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_signer_grant(
    struct wf_node *n, const struct wf_block *fields, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_signer_home(
    struct wf_node *n, const struct wf_home_fields *fields, struct wf_buf *out);
struct wf_move;
WF_MUST_USE enum weft_err wf_signer_move(
    struct wf_node *n, const struct wf_move *fields, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_signer_revocations(
    struct wf_node *n, const struct wf_revocations *fields, struct wf_buf *out);

#endif
