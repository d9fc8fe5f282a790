// SPDX-License-Identifier: Apache-2.0
// Where a node answers, for others and for people. Pure over configuration and the port that the listener got. Loop thread only.
#ifndef WF_NODE_ADDRESS_H
#define WF_NODE_ADDRESS_H

#include "node/node.h"
#include "sdk/conf/values.h"

// Where others are told that this node answers: `advertise`, else `listen`; the port that the system chose stands in for 0.
void wf_node_told_address(const struct wf_node *n, struct wf_address *ret);
// What an operator is shown: where the node listens; for "every address", the one that is told.
void wf_node_shown_address(const struct wf_node *n, struct wf_address *ret);

#endif
