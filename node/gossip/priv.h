// SPDX-License-Identifier: Apache-2.0
// The inside of the gossip room, shared by its files: the table of peers, the step machine and what is on the wire for it.
// A peer is a node's X25519 key: a seed and the advert of the same node are one peer. Loop thread only.
#ifndef WF_NODE_GOSSIP_PRIV_H
#define WF_NODE_GOSSIP_PRIV_H

#include "node/gossip/room.h"
#include "registry/gossip.h"
#include "sdk/link.h"
#include "sdk/loop/loop.h"

#define WF_GOSSIP_KNOWN     1024u // nodes that are peers by their adverts
#define WF_GOSSIP_PEERS     1280u // with them the seeds, whose places nobody else takes
#define WF_GOSSIP_ACTIVE    32u   // of them, beside the seeds, asked in rounds
#define WF_GOSSIP_SIGN_MS   120000
#define WF_GOSSIP_LIFE_MS   600000
#define WF_GOSSIP_QUIET_MS  4000  // a peer not heard so long is asked whether it is there
#define WF_GOSSIP_PROBE_MS  3000  // a peer that did not answer is asked again, less and less often,
#define WF_GOSSIP_PROBE_MAX 15000 // but for ever
#define WF_GOSSIP_DELAYED   512u  // requests that wait for their turn

struct wf_gossip_peer {
    uint32_t id; // of the step machine
    struct wf_dh_pub key;
    struct wf_name domain, subject; // empty until an advert or a hello named them
    bool is_seed, is_known;         // named by configuration or charter; by an advert
    bool is_active;                 // in the step machine
    struct wf_link *link;           // made when first needed
    char seed_address[WF_MAX_ADDR];
    char address[WF_MAX_ADDR]; // that the link dials
    unsigned next_address;     // of {seed, advert's ...}, after failures
    unsigned failures;         // in a row
    uint64_t score;            // among our possible partners, the lowest first
    size_t place;              // by score among those of its domain; of the last choice
    int64_t heard_ms;          // monotonic; -1 = never
    int64_t probe_ms;          // not before
    bool is_asked;             // a probe or a charter walk is under way
    enum weft_err last_error;
};

struct wf_gossip_delayed {
    struct wf_call *call;
};
struct wf_gossip_rate; // serve.c
struct exchange;       // rounds.c

struct wf_gossip_room {
    struct wf_node *node;
    struct wf_store *store;
    struct wf_catalog *catalog;
    struct wf_gossip *machine;
    bool has_charter; // the catalog was loaded under one
    uint64_t charter_version;
    struct wf_gossip_peer *peers[WF_GOSSIP_PEERS];
    size_t peer_count;
    uint32_t last_id;
    bool peers_changed;
    struct wf_buf advert; // own, newest
    bool held;            // wf_gossip_hold
    struct wf_buf untold; // of what is held: struct wf_digest each
    uint64_t advert_sequence;
    const char *const *mirrors; // of the mirror room: told in the advert
    size_t mirror_count;
    int64_t sign_at_ms;
    unsigned clock_back_steps; // of the node, as seen last
    struct wf_hash chain_id;   // of the chain last announced
    int64_t stale_due_ms;      // 0 = not asked yet
    int64_t alone_due_ms;      // the same: since when it is a finding that nobody is known
    struct wf_timer soon;      // news leave a moment after they came, together
    struct wf_timer served;    // the next delayed request
    struct wf_gossip_delayed delayed[WF_GOSSIP_DELAYED];
    size_t delayed_count;
    struct wf_gossip_rate *rates;
    struct exchange *page;    // the page of digests that the machine reads just now
    size_t exchanges;         // requests of the machine under way
    bool is_walking, closing; // a charter walk is under way; the room closes
    struct {
        uint64_t rounds, learned, refused, delayed, busy;
    } count;
};

// ---- room.c
// The catalog from the store under the charter in force, and a fresh machine over it. The old ones stay on an error.
WF_MUST_USE enum weft_err wf_gossip_load(struct wf_node *n, struct wf_diag *diag);

// ---- peers.c
// Seeds of configuration and charter, and the catalog's node adverts, as peers. Cheap when nothing changed.
void wf_gossip_peers_refresh(struct wf_node *n);
struct wf_gossip_peer *wf_gossip_peer_by_id(struct wf_gossip_room *g, uint32_t id);
struct wf_gossip_peer *wf_gossip_peer_by_key(struct wf_gossip_room *g, const struct wf_dh_pub *key);
WF_MUST_USE enum weft_err wf_gossip_peer_link(
    struct wf_node *n, struct wf_gossip_peer *p, struct wf_link **ret);
// The end of a request to the peer: what it tells about the peer. A refusal is an answer, too.
void wf_gossip_peer_result(struct wf_node *n, struct wf_gossip_peer *p, enum weft_err err);
void wf_gossip_peers_probe(struct wf_node *n);
void wf_gossip_peers_drop_links(struct wf_node *n);
void wf_gossip_peers_free(struct wf_node *n);

// ---- rounds.c
void wf_gossip_event(struct wf_node *n, const struct wf_gossip_event *e);
// After wf_catalog_learn took one document: alarms, other rooms, peers.
void wf_gossip_learned(struct wf_node *n, const struct wf_digest *d, bool is_proof);
void wf_gossip_soon(struct wf_node *n);

// ---- charters.c
// A peer's charter version came along: newer ones are fetched from it and taken in order.
void wf_gossip_charter_seen(struct wf_node *n, struct wf_gossip_peer *p, uint64_t version);
void wf_gossip_charter_tick(struct wf_node *n);
void wf_gossip_charter_changed(struct wf_node *n);

// ---- stale.c
#define WF_GOSSIP_STALE_MS       (3 * WF_GOSSIP_SIGN_MS) // silence of a domain that is a finding
#define WF_GOSSIP_STALE_EVERY_MS 60000
// When what is known of a domain was signed at the latest; 0 = nothing is known.
int64_t wf_gossip_newest_ms(struct wf_catalog *c, const char *domain);
#define WF_GOSSIP_ALONE_MS 60000              // for others to name this node as their seed
void wf_gossip_stale_tick(struct wf_node *n); // alarms "stale-DOMAIN", "alone"

// ---- serve.c
WF_MUST_USE enum weft_err wf_gossip_serve_open(struct wf_node *n);
void wf_gossip_serve_tick(struct wf_node *n);
void wf_gossip_serve_close(struct wf_node *n);

// ---- wire.c
void wf_gossip_put_digest(const struct wf_digest *d, Weft__V1__Digest *ret);
// NAME, SYNTAX: a peer's digest that can't be one is left out.
WF_MUST_USE enum weft_err wf_gossip_take_digest(const Weft__V1__Digest *m, struct wf_digest *ret);

#endif
