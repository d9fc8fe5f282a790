// SPDX-License-Identifier: Apache-2.0
// `weft node status`: what this node is, what it serves, what is wrong. Loop thread only.
#ifndef WF_NODE_STATUS_H
#define WF_NODE_STATUS_H

#include "node/control.h"

#define WF_STATUS_ROWS 1000u // readers, and agents, of one answer: it has to fit one message

void wf_status_handle(struct wf_node *n, struct wf_call *c);

// Rooms add what they know to the reply (arena-allocated). NULL-ended table in status.c.
typedef void (*wf_status_fn)(
    struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply);

#endif
