// SPDX-License-Identifier: Apache-2.0
// The registry on the wire: peers, rounds, digests, documents, the charter walk. Owns the catalog and one link a peer. Loop thread only.
#ifndef WF_NODE_GOSSIP_ROOM_H
#define WF_NODE_GOSSIP_ROOM_H

#include "node/control.h"
#include "registry/catalog.h"

extern const struct wf_room wf_gossip_room;

struct wf_catalog *wf_gossip_catalog(struct wf_node *n);

// A document of this node or its domain (NODE, PRODUCT, HOME, REVOCATIONS): learned here, then told to peers at once.
WF_MUST_USE enum weft_err wf_gossip_advertise(
    struct wf_node *n, enum wf_entry_kind kind, struct wf_bytes raw);
// What is advertised between the two counts here at once, is kept in one commit at the release, and is told to peers behind it: to nobody when it
// could not be kept, which is what the release returns. Within one call of the loop.
void wf_gossip_hold(struct wf_node *n);
WF_MUST_USE enum weft_err wf_gossip_release(struct wf_node *n);

// What this node mirrors, for its advert from the next tick on: "domain/product", ascending, borrowed until the next call.
void wf_gossip_set_mirrors(struct wf_node *n, const char *const *names, size_t count);

// The newest revocation list of any domain, NULL when none is known.
const struct wf_revocations *wf_gossip_revocations(const struct wf_node *n, const char *domain);

// How long ago this node heard from that node itself, in ms; -1 = never directly. gone: it was asked and does not answer.
int64_t wf_gossip_heard_ms(
    const struct wf_node *n, const char *domain, const char *subject, bool *ret_gone);

// How many other nodes are known, by seed or advert.
size_t wf_gossip_peer_count(const struct wf_node *n);

// A link to another node of the mesh by its advert (made when needed, kept). NOT_FOUND when no advert is known. Use it at once and do
// not keep it: a link that fails is replaced.
struct wf_link;
WF_MUST_USE enum weft_err wf_gossip_link(
    struct wf_node *n, const char *domain, const char *subject, struct wf_link **ret);

// Asks the node of this domain that has the issuer: the domain's other nodes one after the other, in order of names, until one answers with
// anything but NOT_OWNER. done is called once, perhaps at once: UNREACHABLE when none of them decides, CLOSED when this node stops. The request
// and what it points to stay until then.
typedef void (*wf_gossip_issuer_fn)(void *arg, enum weft_err err, const Weft__V1__Reply *reply);
WF_MUST_USE enum weft_err wf_gossip_ask_issuer(
    struct wf_node *n, const Weft__V1__Request *request, wf_gossip_issuer_fn done, void *arg);

// Answers NOT_HOME with that node's advert.
void wf_gossip_refuse_home(struct wf_call *c, const struct wf_known *home, const char *product);
// True: another node is home of the product, and the call was answered so.
bool wf_gossip_not_home(
    struct wf_node *n, struct wf_call *c, const char *domain, const char *product);

void wf_gossip_handle_digest(struct wf_node *n, struct wf_call *c);
void wf_gossip_handle_get(struct wf_node *n, struct wf_call *c);
void wf_gossip_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply);

#endif
