// SPDX-License-Identifier: Apache-2.0
// What PUBLISH on the local socket says alike on a node (node/stream/local.c) and on an agent (node/agent/local.c): who may, and the two
// answers. Owns nothing. Loop thread only.
#ifndef WF_NODE_PUBLISH_H
#define WF_NODE_PUBLISH_H

#include "node/control.h"
#include "proto/trust/product_doc.h"

// False: `local:` keeps this user from the product, and the call is refused (PERMISSION).
WF_MUST_USE bool wf_publish_allowed(struct wf_node *n, struct wf_call *c, const char *product);
// Answers once: everything below the mark is durable.
void wf_publish_reply_mark(struct wf_call *c, uint64_t mark);
// The same to a publisher that opens, which also learns the product and its schema (a descriptor set).
void wf_publish_reply_open(
    struct wf_call *c, uint64_t mark, Weft__V1__ProductDescriptor *product, struct wf_bytes schema);

#endif
