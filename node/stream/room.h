// SPDX-License-Identifier: Apache-2.0
// The products of this home: intake, log, epochs, frames, heartbeats, leases, range and pull. What other rooms may ask of it.
// Owns every wf_home_product; loop thread only.
#ifndef WF_NODE_STREAM_ROOM_H
#define WF_NODE_STREAM_ROOM_H

#include "node/control.h"
#include "proto/stream/entry.h"

struct wf_schema;
struct wf_schema_message;
struct wf_home_product; // a product this node is home of

extern const struct wf_room wf_stream_room;

#define WF_ADVERT_EVERY_MS 600000 // a product's advert is signed anew while its home lives

// Lookup; NULL when it is not ours. By name: the highest major, or exactly `major` when not 0.
struct wf_home_product *wf_stream_find(struct wf_node *n, const char *name, uint32_t major);
struct wf_home_product *wf_stream_find_id(struct wf_node *n, const struct wf_hash *product_id);
struct wf_home_product *wf_stream_next(
    struct wf_node *n, struct wf_home_product *after); // NULL = first

// What these return is replaced when the product is applied anew; the old lives until the room closes.
const struct wf_product *wf_home_descriptor(const struct wf_home_product *p);
const struct wf_schema_message *wf_home_message(const struct wf_home_product *p); // NULL for an api
const struct wf_schema *wf_home_schema(const struct wf_home_product *p);
// The signed manifest in force; agents get it by its id from the documents.
const struct wf_collect *wf_home_collect(const struct wf_home_product *p);
uint64_t wf_home_head(const struct wf_home_product *p);
uint64_t wf_home_floor(const struct wf_home_product *p);
struct wf_incarnation wf_home_log_id(const struct wf_home_product *p);
// Another number than before: its log was begun anew, with other entries at the offsets that were known.
unsigned wf_home_generation(const struct wf_home_product *p);

// DOMAIN/agents and DOMAIN/access: weftd makes them and alone writes them. What comes from outside (apply, remove, publish, push) is refused, so
// that nobody rewrites or floods the trail.
bool wf_stream_is_built_in(const char *name);
// Applies a manifest: makes, changes or removes a product, persists it, advertises it, tells agents. changes: one line each, for people.
WF_MUST_USE enum weft_err wf_stream_apply(struct wf_node *n, const struct wf_collect *wanted,
    struct wf_bytes schema, bool dry_run, struct wf_buf *ret_changes, struct wf_diag *diag);

// Applies one of the node's own products. The caller says what it is (no domain, owner, version, tags, durability); hosts are this node.
WF_MUST_USE enum weft_err wf_stream_apply_built_in(struct wf_node *n,
    const struct wf_product *wanted, struct wf_bytes schema, struct wf_diag *diag);

// Records that this node originates itself (local publishers, sources, built-in products). They are checked against the schema, batched with
// the product's linger, signed and appended. done (may be NULL) runs on the loop thread after the acknowledgement the product promises,
// exactly once for every OK; when the room closes first, with CLOSED.
typedef void (*wf_stream_done_fn)(struct wf_node *n, void *arg, enum weft_err err);
struct wf_origin_records {
    struct wf_bytes raw; // Records payload
    int64_t base_us;
    uint32_t count;
    const uint8_t *publisher; // 16 bytes or NULL
    uint64_t publisher_seq;   // of the first record
    bool lost;                // by the publisher's word: there are none, but their numbers count
};
WF_MUST_USE enum weft_err wf_stream_originate(struct wf_node *n, struct wf_home_product *p,
    const struct wf_origin_records *r, wf_stream_done_fn done, void *arg, struct wf_diag *diag);
// One record as JSON into a built-in product; drops with an alarm only when the log itself is full.
void wf_stream_tell(struct wf_node *n, const char *product, const char *json);
uint64_t wf_stream_publisher_mark(
    struct wf_node *n, struct wf_home_product *p, const uint8_t publisher[16]);

// Batches that an agent pushed for one product, in chain order. An origin's sets are taken in the order in which they come; what costs
// runs on a worker unless it is little, so settled may be called before wf_stream_take returns, or later: once in any case, on the loop
// thread. The set and what it points to stay the caller's and must last until then. The first refusal ends a set: err and diag say why,
// taken how many were before it; for each of those done is called as with wf_stream_originate.
struct wf_stream_set {
    struct wf_home_product *product;
    const ProtobufCBinaryData *batches;
    size_t count;
    wf_stream_done_fn done;
    void *arg;
    void (*settled)(struct wf_stream_set *s);
    // Filled in:
    size_t taken;
    enum weft_err err;
    struct wf_diag diag;
};
void wf_stream_take(struct wf_node *n, struct wf_stream_set *s, const struct wf_identity *origin);
// One batch, at once: verified chain of the caller, follows the origin's chain, then appended. done as above.
WF_MUST_USE enum weft_err wf_stream_accept(struct wf_node *n, struct wf_home_product *p,
    const struct wf_identity *origin, struct wf_bytes batch, wf_stream_done_fn done, void *arg,
    struct wf_diag *diag);
// The next seq wanted of this origin and incarnation: durable and releasable (equal in v1); 0 when unknown.
uint64_t wf_stream_origin_mark(struct wf_node *n, struct wf_home_product *p,
    const struct wf_sign_pub *origin, const struct wf_incarnation *incarnation);

// Every appended and durable entry, in order, for rooms that fold (inventory) or count (agents). raw is there for inventories only (in a
// replay always).
typedef void (*wf_stream_tap_fn)(struct wf_node *n, void *arg, struct wf_home_product *p,
    const struct wf_entry *e, const struct wf_batch_header *h, struct wf_bytes raw);
WF_MUST_USE enum weft_err wf_stream_tap(struct wf_node *n, wf_stream_tap_fn fn, void *arg);
// Replays entries [from, head) of one product to fn on the loop thread, in slices; done tells when it has caught up with the head (a tap
// sees what follows). Never told when the room closes first.
WF_MUST_USE enum weft_err wf_stream_replay(struct wf_node *n, struct wf_home_product *p,
    uint64_t from, wf_stream_tap_fn fn, void *arg, wf_stream_done_fn done);

// The registry learned a home document.
void wf_stream_homes_changed(struct wf_node *n);
// An order of this domain's issuer that names this node as the product's new home: kept, and carried out from here on. manifest, schema: what was
// kept of a home that is lost; empty else. What wf_move_verify refuses, NOT_OWNER (another node is meant), STALE (a later order is known), PRODUCT
// (the certificate does not cover it).
struct wf_move;
WF_MUST_USE enum weft_err wf_stream_take_over(struct wf_node *n, struct wf_bytes order,
    struct wf_bytes manifest, struct wf_bytes schema, struct wf_diag *diag);
// How far that is; WAITING with a reason where nothing is known of it.
void wf_stream_takeover_state(struct wf_node *n, const struct wf_move *order,
    struct wf_arena *arena, Weft__V1__MoveReply *ret);

// Forced rotation (revocation): a fresh epoch at once, the announced next key discarded; leases whose token is now refused end.
void wf_stream_rotate(struct wf_node *n, const char *product); // NULL = all

// Request handlers (node/handlers.c) and the status section (node/status.c).
void wf_lease_handle(struct wf_node *n, struct wf_call *c);
void wf_stream_pipe_gone(
    struct wf_node *n, uint32_t pipe); // a connection of the control plane ended
void wf_position_handle(struct wf_node *n, struct wf_call *c);
void wf_range_handle(struct wf_node *n, struct wf_call *c);
void wf_pull_handle(struct wf_node *n, struct wf_call *c);
void wf_publish_handle(struct wf_node *n, struct wf_call *c);
void wf_handover_handle(struct wf_node *n, struct wf_call *c);
void wf_apply_handle(struct wf_node *n, struct wf_call *c);
void wf_stream_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply);
void wf_stream_readers(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply);

#endif
