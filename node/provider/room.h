// SPDX-License-Identifier: Apache-2.0
// API products: calls, who serves them, and what became of each. A call's key, state and result are kept 24 h on disk, so that a repeated call
// never acts twice and its outcome can be asked for. Owns data/calls.db. Loop thread only.
#ifndef WF_NODE_PROVIDER_ROOM_H
#define WF_NODE_PROVIDER_ROOM_H

#include "node/control.h"

extern const struct wf_room wf_provider_room;

void wf_call_handle(struct wf_node *n, struct wf_call *c);
void wf_call_status_handle(struct wf_node *n, struct wf_call *c);

// Local handlers (libweft's weft_serve): a poll of the local socket that names products it serves is parked here until a call comes; true when it
// was taken. An answer from the local socket: true when the task was one of ours.
bool wf_provider_poll(struct wf_node *n, struct wf_call *c);
bool wf_provider_answer(struct wf_node *n, struct wf_call *c);

#endif
