// SPDX-License-Identifier: Apache-2.0
// The inside of the stream room: what its files share. Not for other rooms (room.h is). Loop thread only, but for the box
// of acknowledgements, where the log's thread hands something over.
// Invariant: durable <= ahead everywhere; what readers see (frames, ranges, heartbeats, taps) is durable.
#ifndef WF_NODE_STREAM_PRIV_H
#define WF_NODE_STREAM_PRIV_H

#include <pthread.h>

#include "node/conf.h"
#include "node/log/log.h"
#include "node/log/meta.h"
#include "node/pool.h"
#include "node/signals/room.h"
#include "node/stream/given.h"
#include "node/stream/parked.h"
#include "node/stream/room.h"
#include "node/stream/turns.h"
#include "proto/schema/schema.h"
#include "proto/stream/chain.h"
#include "proto/stream/frame.h"
#include "proto/stream/heartbeat.h"
#include "proto/trust/move.h"
#include "sdk/loop/loop.h"
#include "sdk/net/net.h"

#define WF_SERVED_MAX  (900u * WF_KIB) // of one reply: a larger entry could never be repaired
#define WF_BATCH_WHOLE (512u * WF_KIB) // a publisher's batch up to here stays one
#define WF_BATCH_PART                                                                              \
    (256u * WF_KIB)           // and what is larger, or has records left out, is cut into these
#define WF_BATCH_LOAD     64u // batches not acknowledged yet: that is load, and then
#define WF_BATCH_GROWTH   4u  // batches gather so many times their product's size
#define WF_PENDING_MAX    (64u * WF_MIB) // bytes handed to the log and not acknowledged
#define WF_PUBLISHERS_MAX 1024u          // marks of one product; the oldest goes
#define WF_FORGOTTEN_MAX                                                                           \
    1024u // loss batches for what a publisher says it had acknowledged before a restore
#define WF_OLD_LOGS_MAX     256u
#define WF_ENDED_MAX        2048u // ends of earlier incarnations, of one product; the oldest goes
#define WF_LEASES_MAX       4096u // of this node
#define WF_LEASES_PER_KEY   256u
#define WF_LEASE_KEYS       1024u           // of kept entries, with one lease
#define WF_SEALED_SERVED    (256u * WF_KIB) // of one reply to a mirror: sealed on the loop thread
#define WF_LEASE_LABEL_LEN  140u
#define WF_LEASE_BUCKETS    1024u
#define WF_PULLS_MAX        2048u
#define WF_AHEAD_BATCHES    128u // live before the fastest reader
#define WF_AHEAD_BYTES      (16u * WF_MIB)
#define WF_EPOCH_OVERLAP_MS 30000
#define WF_EPOCHS_KEPT_MAX  8192u // keys of one product for entries it still has; the oldest goes
#define WF_EPOCH_BOX_LEN    (WF_XNONCE_LEN + WF_KEY_LEN + WF_TAG_LEN)
#define WF_BEAT_MS          1000
#define WF_BEAT_MAX_MS      30000
#define WF_TAPS_MAX         8u
#define WF_ADVERT_LIFE_MS   3600000
#define WF_TOMBSTONE_MS     (7ll * 86400000) // a removed product is told to be so
#define WF_CHECKPOINT_MS    60000
#define WF_CHECKPOINT_BYTES                                                                        \
    (256u * WF_MIB) // or so much, or so many batches: a start reads no more than that again
#define WF_CHECKPOINT_COUNT 16384u
#define WF_NONE             UINT64_MAX

// ---- state -----------------------------------------------------------------------------------------------------------

// One origin's chain at this home.
struct wf_origin {
    struct wf_sign_pub key;
    struct wf_chain durable,
        ahead;           // acknowledged by the log; with what it has not acknowledged yet
    struct wf_hash cert; // that its last batch cited
    int64_t last_ms;     // append time of its last batch
    uint64_t snapshot,
        opened; // offsets of the last complete snapshot and of one that has begun, or WF_NONE
    bool seen;  // since this start
};

// Where an earlier incarnation of an origin ended.
struct wf_ended {
    struct wf_sign_pub key;
    struct wf_incarnation incarnation;
    uint64_t next_seq;
    int64_t last_ms; // append time of its last batch
    struct wf_hash cert;
};
struct wf_missing { // [from_seq, chain.next_seq) was acknowledged, and the log has it no more
    struct wf_ended chain;
    uint64_t from_seq;
};

struct wf_publisher {
    uint8_t id[WF_PUBLISHER_LEN];
    uint64_t durable, ahead; // next sequence wanted
    uint64_t
        had; // and this one was, before the log lost its end: what it lost up to there is said by the log's reset
    int64_t used_ms;
    bool strict; // it asked for its mark: from there on nothing may be left out
    bool unsure; // put back from a backup: it may have said more since, which nobody can ask for
};

struct wf_old_log {
    struct wf_incarnation id;
    uint64_t end; // where it ended for good
};

struct wf_waiter {
    wf_stream_done_fn done;
    void *arg;
    struct wf_waiter *next;
};

// An entry between append and acknowledgement.
struct wf_pending {
    struct wf_pending *next;       // of the product, in order
    struct wf_pending *next_acked; // in the box
    struct wf_home_product *product;
    struct wf_buf packed;          // the Entry
    struct wf_entry entry;         // views into packed
    struct wf_hash hash;           // of the entry
    struct wf_batch_header header; // not of a reset
    struct wf_buf raw;             // Records payload of an inventory; else empty
    struct wf_waiter *waiters;
    enum weft_err err;
    bool acked;
    int64_t handed_us; // to the log, as wf_loop_exact_us
};

struct wf_epoch {
    uint64_t number; // 0 = none
    struct wf_secret key;
    struct wf_hash commitment;
    int64_t from_ms, from_unix_ms;
};

// The key of an epoch under which kept entries were appended, sealed under the storage key.
struct wf_kept_epoch {
    uint64_t number;
    uint64_t first, end; // offsets of its entries; end WF_NONE: in force
    uint8_t box[WF_EPOCH_BOX_LEN];
};

// What was sent live and no reader has confirmed yet.
struct wf_sent {
    uint64_t end;
    size_t bytes;
};

struct wf_lease {
    uint8_t id[WF_LEASE_ID_LEN];
    struct wf_home_product *product;
    struct wf_sign_pub holder;
    bool local;
    uint32_t uid;
    enum wf_verb verb;
    int64_t expires_unix_ms;
    struct wf_buf token; // exact bytes, to judge again; empty for a local one
    struct wf_hash token_id;
    bool gated;
    struct wf_net_addr addr;        // of a subscriber; gated: admitted at the gate
    char label[WF_LEASE_LABEL_LEN]; // who holds it, for people
    uint64_t position;              // next offset wanted of the current log
    bool positioned;
    int64_t heard_ms;    // when it told that
    uint32_t pipe;       // of its holder's last request
    int64_t orphaned_ms; // monotonic: when that connection ended; 0 = it stands
    struct wf_lease *next, *next_in_bucket;
};

struct wf_home_product {
    struct wf_stream_room *room;
    struct wf_home_product *next;
    struct wf_collect *collect; // in force; its product is the descriptor
    struct wf_schema *schema;
    struct wf_buf schema_set; // exact bytes
    const struct wf_schema_message *message;
    struct wf_earlier *earlier;         // compiled on demand
    struct wf_retired *retired, *spare; // the spare one is for the next
    int64_t removed_ms;                 // unix: its tombstone is told for a while
    uint64_t term;                      // of the home document; 0 = none yet
    int64_t advert_due_ms;
    bool home_asked;        // of the issuer's node, and not answered yet
    enum weft_err home_err; // its last answer
    struct wf_hash told;    // id of the manifest that the issuer's node was given

    // where it lives (moving.c)
    bool incoming;       // being taken over: nobody sees it yet
    bool frozen;         // handed over by an order of the issuer: nothing is appended any more
    bool away;           // another node is home
    uint64_t away_term;  // the highest term under which one was
    int64_t lost_ms;     // unix: taken over from a home that was lost; 0: never
    unsigned generation; // counts logs begun anew in this start

    // the log
    struct wf_hash log_key;       // its name in the node's log: the product id, until it moves
    struct wf_incarnation begins; // the next log id, unless none: then it is the room's
    struct wf_incarnation log_id; // this start's; none until the reset is acknowledged
    struct wf_incarnation own;    // incarnation of our own chain
    uint64_t head, tail;          // durable; with what is pending
    struct wf_hash head_hash, tail_hash;
    struct wf_incarnation last_log; // before this start: of the last entry
    int64_t last_append_ms;         // of a batch: a start is no news of the product
    struct wf_pending *pending, **pending_end;
    size_t pending_count;
    struct wf_pending *ready, **ready_end; // acknowledged, not yet told

    struct wf_origin *origins; // sorted by key
    size_t origin_count, origin_cap;
    struct wf_publisher *publishers;
    size_t publisher_count;
    struct wf_ended *ended; // oldest first
    size_t ended_count, ended_cap;
    struct wf_missing *missing; // to be said by the next log, in order; NULL = nothing
    size_t missing_count;
    struct wf_old_log *logs; // oldest first
    size_t log_count;
    int64_t checkpoint_ms;
    uint64_t checkpoint_bytes, checkpoint_batches; // `count` at the last one

    // a batch in the making, of records without a publisher
    struct wf_records open;
    struct wf_waiter *open_waiters;
    struct wf_timer linger;

    // the stream
    struct wf_epoch epoch, next_epoch;
    uint64_t last_epoch;        // highest number used
    struct wf_kept_epoch *kept; // in order
    size_t kept_count, kept_cap;
    bool kept_dirty;
    struct wf_frame_sealer sealer;
    struct wf_net_pub *pub;
    uint64_t lease_count, live_count; // all; on the stream
    uint64_t mirror_count;            // of mirrors: an epoch is in force for them, too
    struct wf_sent sent[WF_AHEAD_BATCHES];
    size_t sent_first, sent_count, sent_bytes;
    int64_t beat_due_ms, beat_every_ms, beat_last_ms;
    struct wf_buf beat; // the signed heartbeat of `beat_made_ms`
    int64_t beat_made_ms;

    uint16_t port; // of pub
    bool removed;
    bool beginning; // the reset is on its way
    bool failing;   // an append failed: nothing new until all before it are settled
    bool damaged;   // recovery met damage: chains may have lost their end
    bool dirty;     // since the last checkpoint
    bool beat_stale;
    bool unread; // a part of its log could not be read when somebody last asked

    struct {
        uint64_t records, batches, bytes, refused, dropped, frames, frame_bytes, paused, pulls,
            served;
    } count;
    struct wf_latency took, age; // of batches: from here to the disk; of their oldest records then
    struct {
        uint64_t readers, lag_min, lag_max;    // of its leases
        uint64_t connections, waiting, unsent; // of its stream
    } seen;                                    // when somebody last looked
};

// An order of the issuer that is being carried out here: by the old home (from is this node) or by the new one.
struct wf_takeover;
struct wf_moving {
    struct wf_moving *next;
    struct wf_stream_room *room;
    struct wf_move order;
    struct wf_buf raw;
    struct wf_takeover *taking; // of the new home
};

struct wf_tap {
    wf_stream_tap_fn fn;
    void *arg;
};

struct wf_stream_room {
    struct wf_node *node;
    struct wf_vfs vfs;
    struct wf_secret storage_key;
    struct wf_log_worker *worker;
    struct wf_standin *standin; // turns the loop while its thread writes the log
    char *meta_dir, *product_dir, *moves_dir;
    struct wf_moving *moves;
    struct wf_timer moving;       // the registry has a new home, or a step is due
    struct wf_incarnation log_id; // of this start
    uint64_t last_counter;        // highest incarnation counter used
    struct wf_box *box;
    struct wf_net_gate *gate;
    struct wf_home_product *products;
    struct wf_homes *homes; // home.c
    struct wf_lease *leases, *lease_buckets[WF_LEASE_BUCKETS];
    size_t lease_count;
    struct wf_parked_set pulls;
    struct wf_replay *replays;
    struct wf_turns turns; // of pushed sets that are not settled
    size_t taking_count;   // of them: a worker has them
    struct wf_tap taps[WF_TAPS_MAX];
    size_t tap_count;
    size_t pending_bytes;
    uint64_t pending_full;     // since the start: refused for want of room
    struct wf_hash chain_kept; // certificate whose chain is among the documents
    struct wf_timer beat;
    struct wf_buf scratch, packed; // of reading; of building
    struct wf_buf stored;          // a batch of ours in the making
    struct wf_compressor compressor;
    int64_t retain_due_ms;
    unsigned clock_back_steps; // of the node, as seen last
    bool closed, append_failed;
    bool said_last;         // draining: the last heartbeats are out
    bool adopted, adopting; // what a machine before this one had under the name
    int64_t adopt_at_ms, adopt_pause_ms;
};

// ---- product.c ---------------------------------------------------------------------------------------------------------

WF_MUST_USE enum weft_err wf_home_new(
    struct wf_stream_room *r, const struct wf_hash *id, struct wf_home_product **ret);
void wf_home_free(struct wf_home_product *p);
// Takes both. What they replace lives until the room closes: room for it was made before, unless the object is fresh.
void wf_home_take(struct wf_home_product *p, struct wf_collect *c, struct wf_schema *schema);
WF_MUST_USE enum weft_err wf_home_make_room(struct wf_home_product *p);
// Keeps a manifest; a removed product is there again.
WF_MUST_USE enum weft_err wf_home_save(
    struct wf_home_product *p, const struct wf_collect *c, struct wf_diag *diag);
// Takes it away from readers and the registry; what is in the log stays.
WF_MUST_USE enum weft_err wf_home_remove(struct wf_home_product *p, struct wf_diag *diag);
// In force, new or changed: its log begins, its advert goes out.
void wf_home_started(struct wf_home_product *p);
// Every product kept on disk; damaged ones raise an alarm and are left out.
WF_MUST_USE enum weft_err wf_home_load_all(struct wf_stream_room *r, struct wf_diag *diag);
// The message of a schema hash that this product has or had; NULL.
const struct wf_schema_message *wf_home_message_of(
    struct wf_home_product *p, const struct wf_hash *schema_hash);
bool wf_home_has_stream(const struct wf_home_product *p);
bool wf_home_folds(const struct wf_home_product *p); // an inventory

// ---- origin.c: marks -----------------------------------------------------------------------------------------------------

struct wf_origin *wf_origin_find(const struct wf_home_product *p, const struct wf_sign_pub *key);
// Finds or adds; of WF_MAX_CURSOR_MARKS one that is silent for long enough makes room. FULL when all live, NOMEM.
WF_MUST_USE enum weft_err wf_origin_need(
    struct wf_home_product *p, const struct wf_sign_pub *key, struct wf_origin **ret);
struct wf_publisher *wf_publisher_find(
    const struct wf_home_product *p, const uint8_t id[WF_PUBLISHER_LEN]);
WF_MUST_USE enum weft_err wf_publisher_need(struct wf_home_product *p,
    const uint8_t id[WF_PUBLISHER_LEN], int64_t now_ms, struct wf_publisher **ret);
// Takes in what an entry says, once it is durable.
WF_MUST_USE enum weft_err wf_marks_entry(struct wf_home_product *p, const struct wf_entry *e,
    const struct wf_batch_header *h, struct wf_bytes raw);
void wf_marks_roll_back(struct wf_home_product *p);
void wf_marks_forget(struct wf_home_product *p); // recover.c: as if nothing was ever appended
WF_MUST_USE enum weft_err wf_logs_add(
    struct wf_home_product *p, const struct wf_incarnation *id, uint64_t end);
const struct wf_old_log *wf_logs_find(
    const struct wf_home_product *p, const struct wf_incarnation *id);
// The lowest offset that retention must keep: the oldest of the origins' latest snapshots; WF_NONE.
uint64_t wf_marks_pin(const struct wf_home_product *p, int64_t now_unix_ms);

// ---- lost.c --------------------------------------------------------------------------------------------------------------

WF_MUST_USE enum weft_err wf_ended_add(struct wf_home_product *p, const struct wf_ended *chain);
// What a checkpoint knew, taken out of the product before its log is read anew.
struct wf_past {
    struct wf_origin *origins;
    struct wf_publisher *publishers;
    struct wf_ended *ended;
    size_t origin_count, publisher_count, ended_count;
};
void wf_past_take(struct wf_home_product *p, struct wf_past *k);
void wf_past_fini(struct wf_past *k);
// After that: what is missing, and which publishers there were.
WF_MUST_USE enum weft_err wf_past_compare(struct wf_home_product *p, const struct wf_past *k);
WF_MUST_USE enum weft_err wf_missing_pack(struct wf_home_product *p, struct wf_buf *out);
void wf_missing_said(struct wf_home_product *p); // the reset that says it is durable

// ---- recover.c -----------------------------------------------------------------------------------------------------------

// Brings head, hash and marks back from checkpoint and log.
WF_MUST_USE enum weft_err wf_home_recover(struct wf_home_product *p, struct wf_diag *diag);
WF_MUST_USE enum weft_err wf_home_checkpoint(struct wf_home_product *p);
void wf_home_checkpoint_all(struct wf_stream_room *r); // of those that changed; says what fails
// A fresh incarnation, durable before it is used.
WF_MUST_USE enum weft_err wf_stream_incarnation(
    struct wf_stream_room *r, struct wf_incarnation *ret);

WF_MUST_USE enum weft_err wf_checkpoint_pack(const struct wf_home_product *p, struct wf_buf *out);
// Marks, place and hash of a checkpoint in place of what was known; DAMAGED leaves some of both.
WF_MUST_USE enum weft_err wf_checkpoint_take(
    struct wf_home_product *p, struct wf_bytes bytes, uint64_t *ret_head);

// ---- append.c ------------------------------------------------------------------------------------------------------------

struct wf_to_append {
    const struct wf_batch_header *header;
    struct wf_bytes envelope, stored;
    struct wf_buf *raw; // taken on success, of an inventory
    bool late;
    struct wf_waiter *waiters; // taken on success
};
WF_MUST_USE enum weft_err wf_append_batch(struct wf_home_product *p, struct wf_to_append *a);
// An entry of the product's old home, at its own place; header NULL: a reset. raw is taken on success, of an inventory.
WF_MUST_USE enum weft_err wf_append_copied(struct wf_home_product *p, const struct wf_entry *entry,
    const struct wf_batch_header *header, struct wf_buf *raw);
// The reset that begins this start's log; again at each tick until it stands.
WF_MUST_USE enum weft_err wf_append_reset(struct wf_home_product *p);
WF_MUST_USE enum weft_err wf_box_new(struct wf_stream_room *r, struct wf_box **ret);
void wf_box_close(struct wf_box *box);
void wf_box_open(struct wf_box *box); // works through what is in it
void wf_box_on_acks(void *arg, const struct wf_log_ack *acks, size_t count); // on the log's thread
WF_MUST_USE enum weft_err wf_waiter_new(wf_stream_done_fn done, void *arg, struct wf_waiter **ret);
void wf_waiters_tell(struct wf_node *n, struct wf_waiter *w, enum weft_err err);
// Waits with the newest entry that is not acknowledged yet; told at once when there is none.
WF_MUST_USE enum weft_err wf_append_wait(
    struct wf_home_product *p, wf_stream_done_fn done, void *arg);

// ---- intake.c, accept.c, take.c --------------------------------------------------------------------------------------------------

void wf_intake_flush(struct wf_home_product *p); // seals what lingers
// Every record fits the message and the product's kind. RECORD with "record 3: used_bytes: reason". Of records, raw, base_us and count are
// looked at; the times are filled in.
WF_MUST_USE enum weft_err wf_intake_check(enum wf_product_kind kind,
    const struct wf_schema_message *m, struct wf_records *records, struct wf_diag *diag);

// What a worker may know of the set that a batch is of. product and message are replaced on apply, but live until the room closes.
struct wf_accept_set {
    struct wf_identity origin;
    const struct wf_product *product;
    const struct wf_schema_message *message;
    int64_t now_unix_ms;
    struct wf_chain ahead; // how far the origin's chain would be
    bool lenient;          // it may begin in its middle
    struct wf_diag *diag;
};
struct wf_accept {
    struct wf_bytes batch, envelope, payload;
    struct wf_batch_header h;
    const struct wf_schema_message *message;
    struct wf_buf raw; // records of an inventory
    bool opened;       // h is verified and this origin's
    bool cert_known, known, in_the_middle;
};
// On the loop, before the first run and between runs. STOPPED, UNSUPPORTED, POLICY, CLOSED, REVOKED.
WF_MUST_USE enum weft_err wf_accept_may(struct wf_node *n, const struct wf_home_product *p,
    const struct wf_identity *origin, struct wf_diag *diag);
void wf_accept_begin(struct wf_accept_set *s, struct wf_node *n, const struct wf_home_product *p);
// On any thread: everything up to the append. *ret_ask: stopped where only the loop knows further (wf_accept_look_up, then once more).
WF_MUST_USE enum weft_err wf_accept_run(
    struct wf_accept_set *s, struct wf_accept *a, bool *ret_ask);
WF_MUST_USE enum weft_err wf_accept_look_up(
    struct wf_node *n, struct wf_home_product *p, struct wf_accept_set *s, struct wf_accept *a);
// On the loop: into the log, or to those that wait when it came before.
WF_MUST_USE enum weft_err wf_accept_end(struct wf_node *n, struct wf_home_product *p,
    struct wf_accept *a, wf_stream_done_fn done, void *arg, struct wf_diag *diag);

// ---- epoch.c -------------------------------------------------------------------------------------------------------------

WF_MUST_USE enum weft_err wf_epoch_need(struct wf_home_product *p); // one is in force
void wf_epoch_end(struct wf_home_product *p);
WF_MUST_USE enum weft_err wf_epoch_rotate(struct wf_home_product *p, bool forced);
void wf_epoch_tick(struct wf_home_product *p, int64_t now_ms);

// ---- epochs.c: keys of entries that are kept ---------------------------------------------------------------------------------

// DAMAGED, IO, NOMEM: none is known then.
WF_MUST_USE enum weft_err wf_epochs_load(struct wf_home_product *p);
// Before the first entry under it is appended. IO, NOSPACE, NOMEM: the key is known here until the next start only.
WF_MUST_USE enum weft_err wf_epochs_begin(struct wf_home_product *p, const struct wf_epoch *e);
void wf_epochs_end(struct wf_home_product *p); // nothing more is appended under the last
void wf_epochs_forget(struct wf_stream_room
        *r); // of all products, those whose entries retention dropped; saves what changed
// The key of an entry's epoch. EPOCH: not kept; AEAD: the file was changed.
WF_MUST_USE enum weft_err wf_epochs_open(
    const struct wf_home_product *p, uint64_t number, struct wf_secret *ret);

// Entries from this offset on were sealed under the key in force, whatever epoch they are of: it is kept as long as they are.
void wf_epochs_cover(struct wf_home_product *p, uint64_t offset);
// The i-th key that is kept: AEAD when the file was changed.
WF_MUST_USE enum weft_err wf_epochs_open_at(
    const struct wf_home_product *p, size_t i, uint8_t out[WF_KEY_LEN]);

// ---- mirrored.c: what a home does for mirrors and for those who read from them -----------------------------------------------

// Replaces packed entries by their sealed form, in the arena.
WF_MUST_USE enum weft_err wf_mirrored_seal(
    struct wf_home_product *p, struct wf_arena *arena, ProtobufCBinaryData *entries, size_t count);
// The kept keys that a reader's lease asks for into r; they lie in *ret_keys, which outlives r. None where memory lacks.
void wf_mirrored_keys(struct wf_home_product *p, const struct wf_call *c, Weft__V1__LeaseReply *r,
    struct wf_secret *ret_keys);

// ---- heartbeat.c ---------------------------------------------------------------------------------------------------------

// A signed heartbeat no older than a second, view until the next call.
WF_MUST_USE enum weft_err wf_beat_signed(struct wf_home_product *p, struct wf_bytes *ret);
void wf_beat_soon(struct wf_home_product *p); // data flowed or a lease began
void wf_beat_timer(struct wf_timer *t);
void wf_beat_now(struct wf_home_product *p);

// ---- publish.c -----------------------------------------------------------------------------------------------------------

WF_MUST_USE enum weft_err wf_publish_open(struct wf_home_product *p, struct wf_diag *diag);
void wf_publish_close(struct wf_home_product *p);
void wf_publish_entries(struct wf_home_product *p, struct wf_pending *first);
void wf_publish_beat(struct wf_home_product *p, struct wf_bytes beat);
void wf_publish_position(struct wf_home_product *p, uint64_t offset); // the fastest is here

// ---- lease.c -------------------------------------------------------------------------------------------------------------

struct wf_lease *wf_lease_find(struct wf_stream_room *r, struct wf_bytes id);
// Finds the caller's live lease, or answers the call.
struct wf_lease *wf_lease_of_call(
    struct wf_stream_room *r, struct wf_call *c, ProtobufCBinaryData id);
// Its reader wants `offset` of the current log next, and has what lies before.
void wf_lease_position(struct wf_lease *l, uint64_t offset);
void wf_lease_end(struct wf_stream_room *r, struct wf_lease *l);
void wf_leases_tick(struct wf_stream_room *r);
void wf_leases_recheck(struct wf_stream_room *r, struct wf_home_product *p); // NULL = all
void wf_leases_end_of(struct wf_stream_room *r, struct wf_home_product *p);

// ---- range.c, tap.c, apply.c, advert.c, local.c, status.c ----------------------------------------------------------------

// The log of the product could not be read, or could again (OK): an alarm for as long as readers are told to come back later.
void wf_read_failed(struct wf_home_product *p, enum weft_err err);
void wf_pulls_init(struct wf_stream_room *r);
void wf_taps_tell(struct wf_home_product *p, const struct wf_pending *e);
void wf_taps_end(struct wf_stream_room *r);
// OK: this node is home of the product, p->term holds. NOT_HOME: another node is. NO_HOME: the issuer is being asked. Else why it
// did not say so.
WF_MUST_USE enum weft_err wf_home_claim(struct wf_home_product *p); // home.c
WF_MUST_USE enum weft_err wf_homes_new(struct wf_stream_room *r, struct wf_homes **ret);
void wf_homes_free(struct wf_homes *h);

// ---- moving.c: where products live, and orders to move them --------------------------------------------------------------------

// Nothing is appended: it is on its way from or to another node, or there.
bool wf_home_moves(const struct wf_home_product *p);
// Readers, publishers and agents find it here.
bool wf_home_is_here(const struct wf_home_product *p);
WF_MUST_USE enum weft_err wf_moves_load(struct wf_stream_room *r, struct wf_diag *diag);
void wf_moves_close(struct wf_stream_room *r);
struct wf_moving *wf_moving_find(struct wf_stream_room *r, const char *product);
// Keeps the order on the disk in place of an older one of the product.
WF_MUST_USE enum weft_err wf_moving_keep(struct wf_stream_room *r, const struct wf_move *order,
    struct wf_bytes raw, struct wf_moving **ret);
void wf_moving_end(struct wf_moving *m); // done, or superseded
// What the registry says of the product's home now.
void wf_home_judge(struct wf_home_product *p);
void wf_moves_tick(struct wf_stream_room *r);
void wf_moves_timer(struct wf_timer *t);
void wf_moves_soon(struct wf_stream_room *r, int64_t wait_ms);
// "DIGITS\n", as files of a product's directory have a number. DAMAGED.
WF_MUST_USE enum weft_err wf_moved_number(struct wf_bytes line, uint64_t *ret);
// Files of a product's directory: away, log, lost. DAMAGED: one is not as it was written; diag names it.
WF_MUST_USE enum weft_err wf_moved_load(
    struct wf_home_product *p, const char *dir, struct wf_diag *diag);
// Writes them. The log's name changes with set_log: what lies under the old one is given up.
WF_MUST_USE enum weft_err wf_moved_set_log(struct wf_home_product *p, const struct wf_hash *key);
WF_MUST_USE enum weft_err wf_moved_set_lost(struct wf_home_product *p, int64_t unix_ms);

// ---- handover.c, takeover.c (more in takeover.h) --------------------------------------------------------------------------------------

// The products of a manifest's name, ready to be filled (apply.c): signed by this node, kept, not in force.
WF_MUST_USE enum weft_err wf_apply_incoming(struct wf_node *n, const struct wf_collect *wanted,
    struct wf_bytes schema, struct wf_diag *diag, struct wf_home_product **ret);
struct wf_takeover *wf_takeover_new(struct wf_moving *m); // NULL: no memory
void wf_takeover_tick(struct wf_moving *m);
void wf_takeover_free(struct wf_takeover *t);
WF_MUST_USE enum weft_err wf_takeover_state(
    const struct wf_takeover *t, struct wf_arena *arena, Weft__V1__MoveReply *ret);
// The registry names this node as home under the order's term (taken.c).
void wf_takeover_named(struct wf_moving *m);

void wf_adopt_load(struct wf_stream_room *r); // adopt.c
void wf_adopt_tick(struct wf_stream_room *r);
void wf_advert_tick(struct wf_home_product *p, int64_t now_ms);
// Around those of many products: one sync for all.
void wf_adverts_hold(struct wf_stream_room *r);
void wf_adverts_release(struct wf_stream_room *r);
void wf_stream_queues(const struct wf_node *n, struct wf_queues *out);
void wf_stream_signals(struct wf_node *n, struct wf_signals *out);
void wf_stream_metrics(const struct wf_node *n, struct wf_metrics *m);

#endif
