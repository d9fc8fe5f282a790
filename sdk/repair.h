// SPDX-License-Identifier: Apache-2.0
// How a reader keeps its order: entries from live frames and from repair become one stream without holes or doubles, or a loss
// with its exact range. A pure machine: (state, now, event) -> actions; the caller verifies entries before it hands them in.
// Owns the entries it holds back (through the free function it was given). Not thread-safe.
// Invariant: delivered offsets of one log only grow, and every offset between two deliveries was reported as lost.
#ifndef WF_SDK_REPAIR_H
#define WF_SDK_REPAIR_H

#include "proto/stream/heartbeat.h"
#include "sdk/include/weft/weft.h"

#define WF_REPAIR_SILENCE_MS 3000          // without frame or heartbeat although one is due: pull
#define WF_REPAIR_RANGES     4u            // range requests in flight
#define WF_REPAIR_HELD       4096u         // entries held back
#define WF_REPAIR_RETRY_MS   500           // after a failed range or pull; doubles to 8 s
#define WF_POSITION_ENTRIES  64u           // a live reader says where it is every so many entries
#define WF_POSITION_BYTES    (2u * WF_MIB) // or bytes: both well inside of the home's window
#define WF_POSITION_MS       100           // or after so long

// A head that the stream did not tell: its frames, or a heartbeat that says so, may be on their way.
#define WF_REPAIR_RUMOUR_MS 1500
// A frame's place is nobody's signed word, and every reader has the key to make one. What the home's heartbeats still don't reach after
// this long (a heartbeat lies in a reply for 1 s at most) was never in its log, or is asked for once more.
#define WF_REPAIR_CLAIM_MS 3000

// One verified entry on its way to the application. `item` is the caller's. Or, with `lost`, the word that [offset, end) never comes.
struct wf_repair_entry {
    struct wf_incarnation log_id;
    uint64_t offset, end; // [offset, end); equal for a reset
    size_t bytes;         // memory it holds
    bool is_reset;
    struct wf_incarnation previous_log; // of a reset
    uint64_t end_offset;
    enum weft_err lost; // then item is NULL
    enum weft_way way;  // set here: LIVE, RANGE or PULL
    void *item;
};

struct wf_repair_conf {
    size_t held_bytes; // most held back; more drops the held ones and pulls
    void (*free_item)(void *arg, void *item);
    void *arg;
};

enum wf_repair_event_kind {
    WF_REP_LEASE,     // a lease began or was renewed: head and floor are known
    WF_REP_FRAME,     // entries of one live frame, in order
    WF_REP_HEARTBEAT, // from a frame, a lease or a reply
    WF_REP_ENTRIES,   // the reply to RANGE or PULL: entries in order, losses, next
    WF_REP_ARRIVED, // a reply to PULL is there, its entries are still to be verified: request, next
    WF_REP_FAILED,  // the request failed; err says why
    WF_REP_BEHIND,  // frames were dropped because the application's queue is full
    WF_REP_TICK,
    WF_REP_LINK_DOWN, // no session: nothing can be asked until the next LEASE
};
struct wf_repair_loss {
    uint64_t from, to;
    enum weft_err code;
};
struct wf_repair_event {
    enum wf_repair_event_kind kind;
    struct wf_repair_entry *entries; // taken
    size_t entry_count;
    const struct wf_heartbeat *heartbeat; // LEASE, HEARTBEAT, ENTRIES (may be NULL)
    int64_t next_beat_ms; // monotonic time by which the next heartbeat is due (from HEARTBEAT)
    bool by_stream;       // HEARTBEAT: it came over the stream
    uint32_t request;     // ENTRIES, ARRIVED, FAILED
    const struct wf_repair_loss *losses;
    size_t loss_count;
    uint64_t next; // ENTRIES, ARRIVED
    enum weft_err err;
};

enum wf_repair_action_kind {
    WF_REP_DELIVER, // entry: hand to the application now (the caller owns item from here); its records before `from` came before
    WF_REP_LOSS,    // [from, to) never comes
    WF_REP_RANGE,   // ask for [from, to) of log_id, as `request`
    WF_REP_PULL,    // ask from `from` on, waiting, as `request`
    WF_REP_POSITION, // tell the home where we are
    WF_REP_MODE,     // live or pull changed
    WF_REP_LOG, // from now on offsets belong to log_id: the home's log changed, or ours is unknown there and an older one is tried
};
enum wf_repair_mode { WF_REP_PULLING = 0, WF_REP_LIVE };
struct wf_repair_action {
    enum wf_repair_action_kind kind;
    struct wf_repair_entry entry;
    struct wf_incarnation log_id;
    uint64_t from, to;
    uint32_t request;
    bool wait; // PULL: long
    enum weft_err code;
    enum wf_repair_mode mode;
    bool silent; // MODE pull: the stream is silent (its port may be unreachable)
};
typedef void (*wf_repair_act_fn)(void *arg, const struct wf_repair_action *a);

struct wf_repair;
WF_MUST_USE enum weft_err wf_repair_new(const struct wf_repair_conf *conf, struct wf_repair **ret);
void wf_repair_free(struct wf_repair *r);
// Where reading begins. log_id none: by offset alone (after the first reply the log is known).
// Replies to what was asked before are ignored.
void wf_repair_start(struct wf_repair *r, const struct wf_incarnation *log_id, uint64_t next);
// Logs read before that one, newest last, and how far: where reading goes when the home never had ours. Before the first step.
struct wf_repair_place {
    struct wf_incarnation log_id;
    uint64_t next;
};
void wf_repair_older(struct wf_repair *r, const struct wf_repair_place *places, size_t count);
// While the application's queue is full nothing is asked for. A TICK after false asks.
void wf_repair_pause(struct wf_repair *r, bool paused);
void wf_repair_position(
    const struct wf_repair *r, struct wf_incarnation *ret_log, uint64_t *ret_next);
// Is an entry of this place new to us? (ask before verifying it)
bool wf_repair_wants(
    const struct wf_repair *r, const struct wf_incarnation *log_id, uint64_t offset, uint64_t end);
// One step; actions are given to act during the call, which must not call back. The application's queue being full: the caller pauses,
// drops frames and says BEHIND; the machine pulls what is missing once there is room.
void wf_repair_step(struct wf_repair *r, int64_t now_ms, struct wf_repair_event *e,
    wf_repair_act_fn act, void *arg);
// The next time a TICK is wanted.
int64_t wf_repair_due_ms(const struct wf_repair *r);

#endif
