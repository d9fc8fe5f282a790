// SPDX-License-Identifier: Apache-2.0
// PUBLISH on the local socket, as far as it is alike on a node (node/stream/local.c) and on an agent (node/agent/local.c): who may, records on
// their way, and the two answers. Owns the requests that wait for the disk; a caller may go before. Loop thread only.
#ifndef WF_NODE_PUBLISH_H
#define WF_NODE_PUBLISH_H

#include "node/control.h"
#include "node/stream/room.h"
#include "proto/stream/batch.h"
#include "proto/trust/product_doc.h"

// False: `local:` keeps this user from the product, and the call is refused (PERMISSION).
WF_MUST_USE bool wf_publish_allowed(struct wf_node *n, struct wf_call *c, const char *product);
// Of two publishers, whose mark is forgotten first when there are too many: one that nobody will ask for again, or the longest unused.
static inline bool wf_publish_goes_first(
    const uint8_t *a, int64_t a_used_ms, const uint8_t *b, int64_t b_used_ms)
{
    bool a_brief = wf_publisher_is_brief(a), b_brief = wf_publisher_is_brief(b);

    return a_brief != b_brief ? a_brief : a_used_ms < b_used_ms;
}
// Where records go.
struct wf_publish_to {
    struct wf_home_product *home; // NULL on an agent
    struct wf_hash product_id;
    // As wf_stream_originate and wf_uplink_originate: done may run before it returns, and is not called on an error.
    enum weft_err (*originate)(struct wf_node *n, const struct wf_publish_to *to,
        const Weft__V1__PublishRequest *q, const struct wf_origin_records *r,
        wf_stream_done_fn done, void *arg, struct wf_diag *diag);
    uint64_t (*mark)(struct wf_node *n, const struct wf_publish_to *to,
        const uint8_t *publisher); // durable below
    wf_handler_fn again;           // for a request that overtook an earlier one
};
// The records of the request, whose publisher's id has its length; answered when they are durable, or with why not.
void wf_publish_take(struct wf_node *n, struct wf_call *c, const struct wf_publish_to *to);
// Answers a publisher that opens: everything below the mark is durable; the product and its schema (a descriptor set).
void wf_publish_reply_open(
    struct wf_call *c, uint64_t mark, Weft__V1__ProductDescriptor *product, struct wf_bytes schema);

#endif
