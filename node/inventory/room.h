// SPDX-License-Identifier: Apache-2.0
// Inventories: the fold of a product's log into rows, and queries over what a token grants of them. Owns one SQLite file a product (a
// cache of the log: rebuilt when missing or damaged) and the query thread. Handlers on the loop thread.
#ifndef WF_NODE_INVENTORY_ROOM_H
#define WF_NODE_INVENTORY_ROOM_H

#include "node/control.h"

extern const struct wf_room wf_inventory_room;

void wf_query_handle(struct wf_node *n, struct wf_call *c);

#endif
