// SPDX-License-Identifier: Apache-2.0
// Anti-entropy over the control plane: (state, now, event) -> actions. Digests travel, bodies are fetched by hash from whoever
// announced them. Owns the peer list and what is being fetched; the catalog is borrowed. Randomness is handed in as a seed.
#ifndef WF_REGISTRY_GOSSIP_H
#define WF_REGISTRY_GOSSIP_H

#include "registry/catalog.h"

#define WF_GOSSIP_INTERVAL_MS 2000 // between rounds; +-25 % jitter
#define WF_GOSSIP_FANOUT      3    // peers told of news at once
#define WF_GOSSIP_BACKOFF_MAX 64   // rounds a domain that never converges is left out

struct wf_digest {
    enum wf_entry_kind kind;
    struct wf_name domain, name;
    uint64_t term, sequence;
    struct wf_hash id;
    int64_t expires_ms;
};

struct wf_gossip;
WF_MUST_USE enum weft_err wf_gossip_new(
    struct wf_catalog *catalog, uint64_t seed, struct wf_gossip **ret);
void wf_gossip_free(struct wf_gossip *g);

// Peers are named by the caller with a small number that it maps to a link.
WF_MUST_USE enum weft_err wf_gossip_peer_add(
    struct wf_gossip *g, uint32_t peer, const char *domain);
void wf_gossip_peer_remove(struct wf_gossip *g, uint32_t peer);

enum wf_gossip_event_kind {
    WF_GOSSIP_TICK,      // at least once a second
    WF_GOSSIP_DIGESTS,   // a peer's reply to SYNC, or news that it sent by itself
    WF_GOSSIP_DOCUMENTS, // its reply to GET
    WF_GOSSIP_FAILED,    // a request to the peer failed
    WF_GOSSIP_OWN,       // this node published a document of its own (already learned)
};
struct wf_gossip_event {
    enum wf_gossip_event_kind kind;
    uint32_t peer;
    const struct wf_digest *digests; // DIGESTS, OWN; DOCUMENTS: what GET asked for
    size_t digest_count;
    bool is_news;
    bool more; // DIGESTS: a further page follows unless a GET came of this one
    const struct wf_bytes *documents; // DOCUMENTS: one for each digest asked, empty = not had
};

enum wf_gossip_action_kind {
    WF_GOSSIP_SYNC, // send digest {root, roots} to peer
    WF_GOSSIP_GET,  // send get {ids of digests} to peer; keep the digests for the DOCUMENTS event
    WF_GOSSIP_NEWS, // send digest {news} to peer
    WF_GOSSIP_LEARNED,  // a document was learned: {kind, id}
    WF_GOSSIP_REFUSED,  // a peer's document was refused: {about, err}
    WF_GOSSIP_DIVERGES, // this domain does not converge with the peer: back off and say so
};
struct wf_gossip_action {
    enum wf_gossip_action_kind kind;
    uint32_t peer;
    const struct wf_digest *digests; // GET, NEWS
    size_t count;
    struct wf_digest about; // LEARNED, REFUSED, DIVERGES (domain)
    enum weft_err err;
    bool proof; // LEARNED as proof of equivocation
};
typedef void (*wf_gossip_act_fn)(void *arg, const struct wf_gossip_action *a);

// One step. Actions are given to `act` during the call and their pointers die with it.
void wf_gossip_step(struct wf_gossip *g, int64_t now_ms, int64_t now_unix_ms,
    const struct wf_charter *charter, const struct wf_gossip_event *e, wf_gossip_act_fn act,
    void *arg);

// The answering side: digests of the domains whose roots differ from the peer's, from `skip` on; returns how many were put into out.
size_t wf_gossip_answer(struct wf_catalog *c, const struct wf_domain_root *theirs,
    size_t their_count, bool all, size_t skip, struct wf_digest *out, size_t cap, bool *ret_more);
void wf_digest_of(const struct wf_known *k, struct wf_digest *ret);

#endif
