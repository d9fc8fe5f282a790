// SPDX-License-Identifier: Apache-2.0
// Products of other nodes that this one holds without being able to read them, and hands on to readers who may. Owns their stores and
// the leases of those readers; loop thread only.
#ifndef WF_NODE_MIRROR_ROOM_H
#define WF_NODE_MIRROR_ROOM_H

#include "node/control.h"

extern const struct wf_room wf_mirror_room;

// Request handlers (node/handlers.c): what is asked of this node as a mirror is answered here, everything else by the stream room.
void wf_mirror_lease_handle(struct wf_node *n, struct wf_call *c);
void wf_mirror_range_handle(struct wf_node *n, struct wf_call *c);
void wf_mirror_pull_handle(struct wf_node *n, struct wf_call *c);
void wf_mirror_handover_handle(struct wf_node *n, struct wf_call *c);

// The registry has a newer revocation list of that domain: readers and mirrors whose token it ends are refused from now on.
void wf_mirror_list_changed(struct wf_node *n, const char *domain);

void wf_mirror_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply);

#endif
