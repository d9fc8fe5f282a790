// SPDX-License-Identifier: Apache-2.0
// A weftd: everything one node or agent owns, on one loop thread. Rooms hang their state here and reach each other through
// their headers. Nothing here is locked, because nothing here is shared: other threads post to the loop's mailbox.
#ifndef WF_NODE_NODE_H
#define WF_NODE_NODE_H

#include "proto/trust/product.h"

struct wf_loop;
struct wf_conf;
struct wf_pool;
struct wf_log;
struct wf_control;
struct wf_core;
struct wf_restored_room;
struct wf_signals_room;
struct wf_node;
struct wf_queues;
struct wf_metrics;
struct wf_signals;

// A room: one subject of the node. All functions run on the loop thread; NULL where there is nothing to do.
struct wf_room {
    const char *name;
    enum weft_err (*open)(
        struct wf_node *n, struct wf_diag *diag); // files and memory; no traffic yet
    enum weft_err (*start)(struct wf_node *n, struct wf_diag *diag); // listen, dial, schedule
    void (*tick)(struct wf_node *n);                                 // about once a second
    void (*drain)(struct wf_node *n); // SIGTERM: stop accepting, finish what is owed
    bool (*drained)(const struct wf_node *n);
    void (*close)(struct wf_node *n); // called in reverse order, also after a failed open
    void (*metrics)(const struct wf_node *n, struct wf_metrics *m); // node/metrics.h
    void (*queues)(
        const struct wf_node *n, struct wf_queues *out);        // what waits in it (node/queues.h)
    void (*signals)(struct wf_node *n, struct wf_signals *out); // how it does (node/signals/room.h)
};
// In start order; which rooms a role has is in the table (node/rooms.c).
extern const struct wf_room *const wf_rooms_node[], *const wf_rooms_agent[]; // NULL-ended

struct wf_node {
    struct wf_core *core; // node/core.h
    struct wf_conf *conf; // replaced as a whole on SIGHUP
    struct wf_loop *loop;
    struct wf_pool *pool;
    bool is_agent, has_certificate, draining;
    bool outcast; // another node of the domain refuses our key as revoked: it was replaced

    // identity
    struct wf_keys keys;
    struct wf_buf chain;         // packed CertificateChain
    struct wf_identity identity; // verified, when has_certificate
    struct wf_hash mesh_id;
    struct wf_charter *charter; // newest accepted; replaced as a whole

    int64_t started_unix_ms;
    unsigned
        clock_back_steps; // of the wall clock, since the start: what was signed may lie in the future
    struct wf_log *log;   // product log, or the agent's spool

    // rooms' state
    struct wf_control *control;
    struct wf_stream_room *stream;
    struct wf_access_room *access;
    struct wf_agents_room *agents;
    struct wf_uplink_room *uplink; // of an agent
    struct wf_source_room *source;
    struct wf_inventory_room *inventory;
    struct wf_provider_room *provider;
    struct wf_gossip_room *gossip;
    struct wf_mirror_room *mirror; // NULL: nothing is mirrored
    struct wf_join_room_state *join;
    struct wf_signer *signer; // NULL unless issuer
    struct wf_http *http;
    struct wf_restored_room *restored;
    struct wf_signals_room *signals;
};

int64_t wf_node_now_ms(const struct wf_node *n); // monotonic, once a loop turn
int64_t wf_node_now_unix_ms(
    const struct wf_node *n); // wall clock, never below the build's or the last persisted

// logfmt or JSON on stderr, rate limited per (room, message); pairs of key and value end with NULL. Values never hold secrets.
enum wf_log_level { WF_LOG_DEBUG, WF_LOG_INFO, WF_LOG_WARN, WF_LOG_ERROR };
void wf_say(struct wf_node *n, enum wf_log_level level, const char *room, const char *message, ...)
    __attribute__((sentinel));
// A condition an operator must know until it is cleared: shown in status and /metrics. text NULL clears.
void wf_alarm(struct wf_node *n, const char *name, const char *text);

// Documents by hash (schemas, chains, charters, manifests): kept as long as a batch cites them.
WF_MUST_USE enum weft_err wf_documents_put(
    struct wf_node *n, struct wf_bytes content, const struct wf_hash *hash);
// A copy in the arena; NOT_FOUND.
WF_MUST_USE enum weft_err wf_documents_get(
    struct wf_node *n, const struct wf_hash *hash, struct wf_arena *arena, struct wf_bytes *ret);

#endif
