// SPDX-License-Identifier: Apache-2.0
// A document that another node gave, kept under its own name: a chain under the id of its first certificate, which is what batches cite, and
// everything else (a schema) under the hash of its bytes. Owns nothing; the store is wf_documents_put's (node.h). Loop thread only.
#ifndef WF_NODE_DOCUMENTS_H
#define WF_NODE_DOCUMENTS_H

#include "node/node.h"

struct wf_document {
    struct wf_hash id;
    bool is_chain;
    struct wf_cert cert; // the chain's first; nobody judged it yet
};

// As wf_documents_put, whose failure it says there.
WF_MUST_USE enum weft_err wf_documents_take(
    struct wf_node *n, struct wf_bytes content, struct wf_document *ret);

#endif
