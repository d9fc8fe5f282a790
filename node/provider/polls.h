// SPDX-License-Identifier: Apache-2.0
// Local handlers that wait for a call: an application's weft_serve polls over the local socket, is handed a call as the answer, and
// answers with a request of its own. Owns the parked polls, those that wait longest first. Used by a node and by an agent alike.
// Loop thread only.
#ifndef WF_NODE_PROVIDER_POLLS_H
#define WF_NODE_PROVIDER_POLLS_H

#include "node/control.h"
#include "proto/trust/product.h"

struct wf_poll;
struct wf_polls {
    struct wf_poll *first;
};

// May this local caller serve all it names (weftd.yaml's `local:`)? False: refused.
bool wf_polls_permit(struct wf_node *n, struct wf_call *c);
bool wf_polls_serves(const struct wf_call *c, const char *product);
// Parks the call until a handler is wanted or its time is over: then it is answered without a task.
void wf_polls_park(struct wf_node *n, struct wf_polls *p, struct wf_call *c);
bool wf_polls_wait(const struct wf_polls *p, const char *product);
// The poll of a handler of this product, taken out; NULL when none waits.
struct wf_call *wf_polls_take(struct wf_polls *p, const char *product);
// Answers a poll. task NULL: nothing to do.
void wf_polls_reply(struct wf_call *c, Weft__V1__Task *task);
// A first poll asks what it would serve: descriptor and schema, or the refusal when that is no api. descriptor NULL: not here.
void wf_polls_describe(struct wf_node *n, struct wf_call *c, const struct wf_product *descriptor);
void wf_polls_end(struct wf_polls *p);

#endif
