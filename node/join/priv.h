// SPDX-License-Identifier: Apache-2.0
// The inside of the join room, shared by its files. Loop thread only.
#ifndef WF_NODE_JOIN_PRIV_H
#define WF_NODE_JOIN_PRIV_H

#include "node/join/room.h"
#include "node/join/tickets.h"
#include "sdk/loop/loop.h"

#define WF_HOMES_ASKED 128u // that are answered together

struct wf_join_room_state {
    struct wf_node *node;
    struct wf_tickets *tickets;
    uint64_t last_serial;
    bool renewing;                                 // the issuer's node was asked
    int64_t renew_at_ms, prune_at_ms, names_at_ms; // monotonic
    struct wf_timer homes;                         // answers the calls below, at this turn's end
    struct wf_call *asked[WF_HOMES_ASKED];         // NULL: its caller went away
    size_t asked_count;
};

// join.c: issues the certificate (serial, usages and times are filled here) and packs it with the issuer's into a chain in the arena.
WF_MUST_USE enum weft_err wf_join_issue(
    struct wf_node *n, struct wf_cert *c, struct wf_arena *arena, struct wf_bytes *ret_chain);

// homes.c: the calls that wait for the turn's end.
void wf_join_homes_open(struct wf_node *n);
void wf_join_homes_close(struct wf_node *n);

// homes.c: says anew, under the next term, that this node of the domain is home of all that its name is home of: what the machine before it says
// counts for nothing any more.
void wf_join_rehome(struct wf_node *n, const char *node);

// homes.c: signs the home document of this term and tells the registry. after: the sequence of the one before.
WF_MUST_USE enum weft_err wf_join_sign_at(
    struct wf_node *n, const char *product, const char *node, uint64_t term, uint64_t after);

// kept.c: the manifests of the domain's other nodes. Keeps what came with the request (or forgets the product, when nothing did).
void wf_join_keep(struct wf_node *n, struct wf_call *c);
// Forgets the product of that node.
void wf_join_forget(struct wf_node *n, const char *node, const char *product);
// What is kept of that node's product, in the arena. NOT_FOUND, DAMAGED.
WF_MUST_USE enum weft_err wf_join_kept_of(struct wf_node *n, const char *node, const char *product,
    struct wf_arena *arena, struct wf_bytes *ret_manifest, struct wf_bytes *ret_schema);
// What is kept of the caller's name, after the product of the request, as much as fits an answer.
WF_MUST_USE enum weft_err wf_join_kept(
    struct wf_node *n, struct wf_call *c, Weft__V1__HomeReply *ret);

// names.c
// The newcomer's name is free for it: nobody's, or its holder is revoked (by this ticket, with the newcomer at the door, so that the old machine
// delivers until then). OK also for a name that is another's: wf_tickets_use says so. EXISTS: this node's own.
WF_MUST_USE enum weft_err wf_names_take_over(struct wf_node *n, const struct wf_ticket_row *t,
    const struct wf_name *subject, const struct wf_sign_pub *newcomer, int64_t now);
struct wf_names_said { // for people; each may be empty
    char why[320];     // it is refused
    char note[900];    // what the owner has to know
};
// Fills in whom the ticket replaces: none when this issuer was made anew and nobody showed that name; with now_at_once its key is revoked. NOT_FOUND,
// KIND, POLICY (this node itself), BUSY; those of a revocation.
WF_MUST_USE enum weft_err wf_names_replaced(
    struct wf_node *n, struct wf_ticket_row *row, bool now_at_once, struct wf_names_said *said);
void wf_names_tick(struct wf_node *n); // nodes that show themselves by their adverts

// renew.c: this node's own certificate.
void wf_join_renew_tick(struct wf_node *n);

#endif
