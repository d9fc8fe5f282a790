// SPDX-License-Identifier: Apache-2.0
// How newcomers get a certificate, and members a new one: tickets, join, renew; charters handed in by hand. Owns data/tickets.db.
// Loop thread only.
#ifndef WF_NODE_JOIN_ROOM_H
#define WF_NODE_JOIN_ROOM_H

#include "node/control.h"

extern const struct wf_room wf_join_room;

#define WF_HOME_LIFE_MS 3600000
// On the issuer's node: signs that this node of the domain is home of the product, again or for the first time, and tells the registry. NOT_HOME
// when another one is; what the signer or the registry refuses.
WF_MUST_USE enum weft_err wf_join_sign_home(
    struct wf_node *n, const char *product, const char *node, uint64_t *ret_term);

// The same for the node that the order at hand names, under the order's term: it has all that the old home had.
WF_MUST_USE enum weft_err wf_join_sign_moved(
    struct wf_node *n, const char *product, const char *node, uint64_t *ret_term);

// On the issuer's node: a certified member of the domain shows itself. A name that nobody is known to have is its from now on; one that was given to
// another machine in its place, when nobody knew its key, is not: it is revoked.
void wf_join_meet(struct wf_node *n, const struct wf_cert *cert);

void wf_join_handle(struct wf_node *n, struct wf_call *c);
void wf_renew_handle(struct wf_node *n, struct wf_call *c);
void wf_home_handle(struct wf_node *n, struct wf_call *c);
void wf_move_handle(struct wf_node *n, struct wf_call *c);
void wf_ticket_handle(struct wf_node *n, struct wf_call *c);
void wf_charter_handle(struct wf_node *n, struct wf_call *c);

#endif
