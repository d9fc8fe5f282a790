// SPDX-License-Identifier: Apache-2.0
// How newcomers get a certificate, and members a new one: tickets, join, renew; charters handed in by hand. Owns data/tickets.db.
// Loop thread only.
#ifndef WF_NODE_JOIN_ROOM_H
#define WF_NODE_JOIN_ROOM_H

#include "node/control.h"

extern const struct wf_room wf_join_room;

void wf_join_handle(struct wf_node *n, struct wf_call *c);
void wf_renew_handle(struct wf_node *n, struct wf_call *c);
void wf_ticket_handle(struct wf_node *n, struct wf_call *c);
void wf_charter_handle(struct wf_node *n, struct wf_call *c);

#endif
