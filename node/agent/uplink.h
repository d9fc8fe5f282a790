// SPDX-License-Identifier: Apache-2.0
// The inside of the uplink room (an agent's weftd): identity, link to the node, manifests, spool. Loop thread only; the spool's thread only
// posts acknowledgements. Invariant: a batch is signed and in the spool before it is first sent, and sent again bit for bit.
#ifndef WF_NODE_AGENT_UPLINK_H
#define WF_NODE_AGENT_UPLINK_H

#include "node/agent/places.h"
#include "node/agent/room.h"
#include "node/conf.h"
#include "node/log/log.h"
#include "node/log/meta.h"
#include "node/provider/polls.h"
#include "node/stream/room.h"
#include "proto/schema/schema.h"
#include "sdk/join.h"
#include "sdk/link.h"
#include "sdk/loop/loop.h"

#define WF_UPLINK_RETRY_MIN_MS 1000
#define WF_UPLINK_RETRY_MAX_MS 60000
#define WF_UPLINK_TURN_MS      15000  // with a node that is not home of all that waits
#define WF_UPLINK_TURN_MAX_MS  300000 // after turns in vain
#define WF_UPLINK_BACK_MS      60000  // between two looks whether an uplink of before answers again
#define WF_UPLINK_FAILURES     2u     // in a row: the next uplink is tried
#define WF_UPLINK_PUSHES       4u     // requests in flight
#define WF_UPLINK_PUSH_BYTES   (512u * WF_KIB) // of one request, and a product's part of a round
#define WF_UPLINK_TASKS        256u            // that wait for local handlers or are with them
#define WF_UPLINK_ANSWER_BYTES (16u * WF_MIB)  // of answers that their nodes do not have yet
#define WF_UPLINK_PRODUCTS     1024u
#define WF_UPLINK_PUBLISHERS   1024u
#define WF_UPLINK_SIGNERS                                                                          \
    64u // nodes of the domain; of more, the one that is silent longest is forgotten
#define WF_MANIFEST_LIFE_MS                                                                        \
    (30ll * 86400000)                    // of what a silent node signed, while another one is heard
#define WF_SPOOL_RAW_MAX (512u * WF_KIB) // of one batch: it must fit one push
#define WF_SPOOL_PENDING 256u // batches of one product that the spool has not acknowledged

struct wf_spool_waiter {
    wf_spool_done_fn done;
    void *arg;
    struct wf_spool_waiter *next;
};

// One chain in the spool: what one start of this weftd said of one product.
struct wf_spool_chain {
    struct wf_spool_chain *next; // by product, then by incarnation
    struct wf_hash key, product_id;
    struct wf_incarnation incarnation;
    uint64_t head, released; // durable here; kept by the node
    int64_t waits_since_ms;  // unix: something of it has waited since then; 0: nothing does
    uint64_t
        bytes; // that wait in the spool, about: what is released goes by its part of the records
    uint64_t spent; // pushed in this round of turns; the product's next chain takes it over
    bool in_flight;
    unsigned put_off; // how often in a row, up to where the pause grows no more
    int64_t not_before_ms;
};

// A product this agent has a manifest of. Kept to the end of the process, so that what is pending finds it; `removed` when no manifest
// selects this host any more.
struct wf_agent_product {
    struct wf_agent_product *next;
    struct wf_node *node;
    struct wf_collect *collect;
    struct wf_schema *schema;
    const struct wf_schema_message *message; // NULL for an api
    bool removed, listed;

    // its own chain
    struct wf_incarnation incarnation;
    uint64_t next_seq, durable_seq;
    struct wf_hash last, durable_last; // header ids
    size_t pending;                    // batches on their way to the disk
    bool failing;                      // one of them failed: none follows until all are settled
    bool held;                         // has its share of a spool that is nearly full
    uint64_t lost;                     // records to be told of in a loss batch
    char lost_why[WF_MAX_LOSS_REASON + 1];

    struct wf_records open; // a batch in the making
    struct wf_spool_waiter *waiters;
    struct wf_timer linger;
};

struct wf_spool_publisher {
    uint8_t id[WF_PUBLISHER_LEN];
    struct wf_hash product_id;
    uint64_t ahead, durable; // next sequence wanted
    int64_t used_ms;         // Unix: it outlives restarts
};

// A call of this host that a local handler is to answer, or has been handed.
struct wf_host_task {
    struct wf_timer timer; // first
    struct wf_node *node;
    struct wf_dh_pub peer; // who gave it
    uint8_t id[WF_AGENT_TASK_ID_LEN];
    struct wf_name product;
    char method[WF_MAX_SCHEMA_NAME + 1], caller[2 * WF_MAX_NAME + 2];
    struct wf_buf request;
    int64_t deadline_ms;
    bool handed;
    struct wf_host_task *next; // the one that waits longest first
};

// The answer to a task.
struct wf_answer {
    struct wf_dh_pub peer; // the node that gave it
    const uint8_t *task_id;
    enum weft_err code;
    struct wf_bytes result;
    const char *error; // NULL or "": what the code says
};

// A node whose manifests are in force here, and when the agent was last in session with it.
struct wf_manifest_signer {
    struct wf_sign_pub key;
    int64_t seen_unix_ms, kept_unix_ms; // kept: as the disk has it
};

struct wf_manifest_round;
struct wf_spool_box;
struct wf_agent_answer;
struct wf_uplink_room {
    struct wf_node *node;
    char *meta_dir, *manifest_dir;
    struct wf_vfs vfs;

    // the link
    struct wf_join *join;
    struct wf_ticket ticket;
    bool has_ticket;
    struct wf_link *link;
    struct wf_dh_pub peer;
    struct wf_hash chain_shown; // certificate id the link knows
    size_t at;                  // which uplink
    unsigned failures;
    int64_t retry_at_ms, retry_ms;
    bool polling, marks_asked, marks_known, renewing, getting;
    int64_t renew_at_ms;
    char address[WF_MAX_ADDR + 8];
    char last_error[360];
    bool stranded; // the node is not home of something that waits: another uplink has its turn
    bool turned;   // and this one was dialled for that
    bool touring;  // turns brought us here, not a failure
    int64_t turn_at_ms, turn_ms;
    struct wf_link *probe; // to an uplink that stands before the one in use
    size_t probed;         // which
    int64_t probe_at_ms;

    // whereabouts.c
    struct wf_places places;
    struct wf_link *asked; // a node that is no uplink: where are ours?
    size_t asked_at;
    struct wf_name went_to; // for a product that moved there, and not again before:
    int64_t go_at_ms;
    int64_t ask_at_ms, ask_ms, silent_since_ms; // monotonic; silent: 0 = an uplink answers
    int64_t heard_ms; // monotonic: when any of them answered last; 0: none since the start

    // manifests
    struct wf_hash root;     // of the set of the node in session, as it gave it
    bool root_known;         // since the link is up
    int64_t manifests_at_ms; // a round that failed here comes again then; 0: none did
    struct wf_agent_product *products;
    struct wf_manifest_round *round; // being fetched
    struct wf_manifest_signer signers[WF_UPLINK_SIGNERS];
    size_t signer_count;

    // the spool
    struct wf_secret storage_key;
    struct wf_log_worker *worker;
    struct wf_spool_box *box; // acknowledgements of the spool's thread
    uint64_t last_counter;
    struct wf_spool_chain *chains;
    unsigned pushes;
    struct wf_hash pushed_last; // product that was served last: the others first
    unsigned held;              // products that are held back for their share
    uint64_t lost_records;
    enum weft_err full; // FULL or NOSPACE: what the last append said
    enum weft_err told; // by an alarm: the same, until an append passes
    bool unwritten;     // the last acknowledgement was NOSPACE, whatever the append had said
    struct wf_spool_publisher *publishers;
    size_t publisher_count;

    // local handlers, and what waits for them
    struct wf_polls polls;
    struct wf_host_task *tasks;
    size_t task_count;
    struct wf_agent_answer *answers; // not yet taken by their nodes
    size_t answer_count, answer_bytes;
    uint64_t tasks_full, answers_full; // since the start: refused for want of room
    bool publishers_dirty;
    bool closed;
};

// uplink.c
void wf_uplink_wake(struct wf_node *n); // the tick's work, now
void wf_uplink_anew(struct wf_node *n); // the uplinks may be elsewhere: dialled at once
void wf_uplink_failed(struct wf_node *n, enum weft_err err, const Weft__V1__Reply *reply);
WF_MUST_USE enum weft_err wf_uplink_state(
    struct wf_node *n, struct wf_arena *arena, Weft__V1__AgentState **ret);

// The room's own link or another: to a node of the domain.
WF_MUST_USE enum weft_err wf_uplink_link(
    struct wf_node *n, const char *address, const struct wf_dh_pub *peer, struct wf_link **ret);

// whereabouts.c
void wf_whereabouts_load(struct wf_node *n);
void wf_whereabouts_close(struct wf_node *n);
void wf_whereabouts_tick(struct wf_node *n); // while no uplink answers, other nodes are asked
// Was there news?
bool wf_whereabouts_take(struct wf_node *n, const Weft__V1__PollReply *reply);
// Uplinks: the configured ones (else the ticket's), each where its node is now, then homes of products in force that none of them is.
size_t wf_whereabouts_count(const struct wf_node *n);
void wf_whereabouts_at(
    const struct wf_node *n, size_t i, char address[WF_MAX_ADDR + 8], struct wf_dh_pub *key);
// A product that the node in session signed and that lives elsewhere by its issuer's word: it stays in force.
bool wf_whereabouts_moved(const struct wf_node *n, const struct wf_agent_product *p);
// The uplink that is the home of such a product, and has its turn now: at once when it is told, then after WF_UPLINK_TURN_MS. False: none.
bool wf_whereabouts_next(struct wf_node *n, size_t *ret_at);

// selfjoin.c
void wf_selfjoin_tick(struct wf_node *n);

// manifests.c
struct wf_agent_product *wf_uplink_find(struct wf_node *n, const char *product);
struct wf_agent_product *wf_manifests_find_id(struct wf_node *n, const struct wf_hash *id);
bool wf_manifests_is_ours(const struct wf_node *n, const struct wf_collect *c);
WF_MUST_USE enum weft_err wf_manifests_load(struct wf_node *n, struct wf_diag *diag);
// On the disk, then in force; c is taken on success.
WF_MUST_USE enum weft_err wf_manifests_take(struct wf_node *n, struct wf_collect *c);
void wf_manifests_close(struct wf_node *n);
bool wf_manifests_is_signed_by(const struct wf_agent_product *p, const struct wf_sign_pub *key);
// Out of force; what waits of it in the spool stays.
void wf_manifests_drop(struct wf_node *n, struct wf_agent_product *p);
// Runs, changes or ends the source of each product.
void wf_manifests_sources(struct wf_node *n);

// manifests_fetch.c
// Which set of the node in session is in force, once its chain is known.
void wf_manifests_root(struct wf_node *n);
// The poll's answer named another set: fetches what is missing, then puts it in force.
void wf_manifests_fetch(struct wf_node *n, const Weft__V1__PollReply *reply);
void wf_manifests_fetch_close(struct wf_node *n);
// Whose manifests those of the node in session are: NOT_FOUND without one.
WF_MUST_USE enum weft_err wf_manifests_signer(struct wf_node *n, struct wf_sign_pub *ret);

// retired.c
WF_MUST_USE enum weft_err wf_retired_load(struct wf_node *n);
// The node in session was heard: what nodes signed that were not for WF_MANIFEST_LIFE_MS goes out of force.
void wf_retired_heard(struct wf_node *n);

// spool.c
WF_MUST_USE enum weft_err wf_spool_open(struct wf_node *n, struct wf_diag *diag);
void wf_spool_tick(struct wf_node *n);
void wf_spool_close(struct wf_node *n);
void wf_spool_flush(struct wf_agent_product *p); // signs what lingers
// Signs these records into a batch on its way to the disk. publisher_next 0: no publisher. waiters are taken on success.
WF_MUST_USE enum weft_err wf_spool_seal(struct wf_agent_product *p, struct wf_records *r,
    const uint8_t *publisher, uint64_t publisher_next, struct wf_spool_waiter *waiters);
// So many that a publisher dropped: a loss with its mark.
WF_MUST_USE enum weft_err wf_spool_seal_dropped(struct wf_agent_product *p, uint32_t count,
    const uint8_t *publisher, uint64_t publisher_next, struct wf_spool_waiter *waiters);
void wf_spool_tell(struct wf_node *n, struct wf_spool_waiter *w, enum weft_err err); // frees them
void wf_spool_linger(struct wf_timer *t);
// The product's chain can't go on: the next batch begins a new one.
WF_MUST_USE enum weft_err wf_spool_begin_chain(struct wf_agent_product *p);
void wf_spool_lose(struct wf_agent_product *p, uint64_t records, const char *why);
// spool_room.c
// What an append said of the spool, for the alarm; OK ends it.
void wf_spool_note_full(struct wf_node *n, enum weft_err err);
void wf_spool_see_room(struct wf_node *n); // ends it with its cause, where no append does
// Full, and not yet a sixteenth below its limit again: nothing is tried, so that one hole is one loss.
bool wf_spool_is_full(struct wf_node *n);
// The last quarter of the spool is for products that hold less than an equal part of it, so that what says much leaves room for what says
// little. Until a sixteenth of the spool is free again (or an eighth of its part) nothing of the product is tried: one hole, one loss.
bool wf_spool_is_held(struct wf_agent_product *p);
void wf_spool_sizes(struct wf_node *n, uint64_t *ret_bytes, uint64_t *ret_records);

// spool_chains.c
void wf_spool_key(
    const struct wf_hash *product_id, const struct wf_incarnation *inc, struct wf_hash *ret);
WF_MUST_USE enum weft_err wf_spool_chain_need(struct wf_node *n, const struct wf_hash *product_id,
    const struct wf_incarnation *inc, struct wf_spool_chain **ret);
void wf_spool_chain_drop(struct wf_node *n, struct wf_spool_chain *c);
WF_MUST_USE enum weft_err wf_spool_recover(struct wf_node *n, struct wf_diag *diag);
struct wf_spool_publisher *wf_spool_publisher(
    struct wf_node *n, const struct wf_hash *product_id, const uint8_t id[WF_PUBLISHER_LEN]);
WF_MUST_USE enum weft_err wf_spool_publisher_need(struct wf_node *n,
    const struct wf_hash *product_id, const uint8_t id[WF_PUBLISHER_LEN], int64_t now_unix_ms,
    struct wf_spool_publisher **ret);
WF_MUST_USE enum weft_err wf_spool_save_publishers(struct wf_node *n);
// At the start; without marks, or with damaged ones, there are none. NOMEM alone.
WF_MUST_USE enum weft_err wf_spool_load_publishers(struct wf_node *n);

// pushing.c
void wf_pushing(struct wf_node *n); // as many as may be in flight
// spool.age: a chain that waits begins another after an eighth of it, and goes as a whole, told as lost, when its newest batch is too old.
void wf_pushing_age(struct wf_node *n);

// tasks.c
void wf_uplink_tasks(struct wf_node *n, const Weft__V1__PollReply *reply);
// ms from now, 1 to WF_MAX_DEADLINE_MS.
int64_t wf_uplink_task_left(const Weft__V1__Task *task);

// answers.c
// Kept until the node that gave the task has it. FULL, NOMEM.
WF_MUST_USE enum weft_err wf_uplink_answer(struct wf_node *n, const struct wf_answer *what);
void wf_answers_send(struct wf_node *n); // those for the node in session
void wf_answers_close(struct wf_node *n);

// serve.c
// To a local handler: now, or when one comes before the deadline. FULL, NOMEM.
WF_MUST_USE enum weft_err wf_host_task_begin(struct wf_node *n, const Weft__V1__Task *task);
void wf_host_tasks_end(struct wf_node *n);

#endif
