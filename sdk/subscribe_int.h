// SPDX-License-Identifier: Apache-2.0
// What the files of a subscription share (sdk/subscribe*.c). A subscription has two sides with a queue between them: the loop thread keeps
// the lease, opens frames, verifies entries and brings them into order (sdk/repair.h); the application takes events with weft_next.
// Invariant: an item in the queue was verified and is the next in order; all but the queue belongs to the loop thread.
// Thread rule: everything under `mutex` from both sides; the rest on the loop thread, but for what weft_next says of itself.
#ifndef WF_SDK_SUBSCRIBE_INT_H
#define WF_SDK_SUBSCRIBE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/stream/cursor.h"
#include "proto/stream/entry.h"
#include "proto/stream/frame.h"
#include "sdk/client_int.h"
#include "sdk/net/sub.h"
#include "sdk/repair.h"

#define WF_SUB_QUEUE     (16u * WF_MIB) // default of queue_bytes
#define WF_SUB_UNKNOWN   WF_MIB         // bytes of frames kept while their key is asked for
#define WF_SUB_UNKNOWNS  512u           // and how many
#define WF_SUB_UNITS     64u            // frames and replies that wait for documents
#define WF_SUB_ORIGINS   16384u         // certificates seen
#define WF_SUB_BUCKETS   256u
#define WF_SUB_SCHEMAS   64u
#define WF_SUB_KEYS      4u
#define WF_SUB_SPARES    4u
#define WF_SUB_SPARE     (512u * WF_KIB) // bytes of a buffer that is kept
#define WF_SUB_PULL_MS   3000  // how long a pull waits while the stream may come any moment
#define WF_SUB_SILENT_MS 20000 // and while it is known to be silent
#define WF_SUB_CATCH_MS  1000  // catching up for longer than this is told
#define WF_SUB_RETRY_MAX 30000 // after a refusal of the local node's
#define WF_SUB_REFUSED_MAX                                                                         \
    300000 // after one of an owner's, which costs it a decision and people a look; while nothing has changed
#define WF_SUB_AGAIN_MAX                                                                           \
    8000 // while nobody answers: a node that comes back has its readers within 12 s
#define WF_SUB_ORIGINS_MAX 1024u // of a filter
#define WF_SUB_GIVEN_MAX                                                                           \
    (16u * (WF_MAX_CURSOR_MARKS + 1)) // rows of a cursor, perhaps of several products
#define WF_SUB_FAILURES 3u            // requests in a row that met no node: look for the owner anew

struct wf_sub_origin { // one certificate, judged once; lives as long as the subscription
    struct wf_sub_origin *next;
    struct wf_hash id;
    enum weft_err refused; // its chain does not hold
    struct wf_cert cert;
    struct wf_buf chain;
};

struct wf_sub_schema {
    struct wf_hash hash;
    struct weft_product *product;
};

struct wf_sub_need { // a document on its way
    struct wf_sub_need *next;
    struct weft_subscription *s;
    struct wf_hash hash;
    bool is_chain;
    bool asked; // else it goes with the next request
};

struct wf_sub_item { // an event on its way to the application
    struct wf_sub_item *next;
    enum weft_event_kind kind;
    size_t size; // memory it stands for
    // RECORDS
    struct wf_buf bytes; // the packed entry; entry's views point into it
    struct wf_entry entry;
    struct wf_batch_header header;
    struct wf_buf raw;       // the records when they were compressed
    struct wf_bytes records; // them: in raw, or in the entry's bytes
    const struct wf_sub_origin *origin;
    struct weft_product *product; // a reference
    uint32_t skip;                // records at the front that came before
    enum weft_way way;
    bool by_mirror; // its place is not the home's word yet
    char batch[96];
    // LOSS
    uint64_t loss_from, loss_to;
    enum weft_err code;
    bool by_origin, told;
    char subject[WF_MAX_NAME + 1];         // whose it is, when by_origin
    char incarnation[WF_INCARNATION_TEXT]; // of loss_from and loss_to when by_origin
    // STATE
    enum weft_stream_state state;
    struct weft_problem problem;
    struct wf_cursor_row rows[2];
    struct weft_cursor_row row_views[2];
    size_t row_count;
};

struct wf_sub_unit { // entries that came together
    struct wf_sub_unit *next;
    bool is_frame, by_mirror;
    uint32_t request;
    struct wf_sub_item **items; // a NULL was not wanted
    size_t item_count;
    struct wf_repair_loss *losses;
    size_t loss_count;
    uint64_t next_offset;
    bool has_beat, failed;
    struct wf_heartbeat beat;
};

struct wf_sub_key {
    uint64_t epoch;
    struct wf_secret key;
    uint8_t tag[WF_FRAME_TAG_LEN];
};

struct wf_sub_ask { // what a step of the machine wants asked
    bool is_pull, wait, silent;
    struct wf_incarnation log_id;
    uint64_t from, to;
    uint32_t request;
};

struct wf_sub_unknown { // a frame whose key is not here yet
    struct wf_sub_unknown *next;
    struct wf_net_msg *msg;
};

struct weft_subscription {
    struct weft_client *c;
    atomic_uint refs;
    bool closed;
    struct wf_target target;
    char name[2 * WF_MAX_NAME + 2];
    struct weft_subscribe_options options; // its cursor is `given`
    struct weft_cursor_row *given;
    char **wanted; // origins of the filter; options.origins is NULL

    // ---- lease
    struct wf_timer lease_timer;
    struct wf_link *link;
    bool acquiring, leased, started, asked_token, net_down, stopped;
    bool asked_renewal; // of the lease in hand, which its node may not know any more
    bool stopping;      // the home said so, and nothing else since
    unsigned failures;  // of requests in a row
    int64_t retry_ms;
    bool refused; // by the owner, who is not asked before again_ms unless something has changed:
    int64_t again_ms; // monotonic
    uint64_t tokens_seen;
    struct wf_hash refused_advert; // of the product; zero = none was known
    int64_t news_at_ms;            // monotonic: the catalog is looked at again
    int64_t lease_until_ms;        // monotonic
    struct wf_hash product_id;
    struct wf_sign_pub owner_key;    // of the advert: who signs heartbeats
    struct wf_sign_pub former_owner; // whose last words may come after its product has moved
    uint8_t lease_id[16];            // while holds_lease: the last one granted, in force or not
    bool holds_lease;
    struct wf_sub_key keys[WF_SUB_KEYS];
    size_t next_key;
    struct wf_buf token;
    int64_t token_until_unix_ms; // 0 = none was shown
    char token_note[160]; // its end is near and no later one was granted: told while all is well
    int64_t unknown_after_ms; // no renewal for an unknown tag before

    // ---- stream
    struct wf_net_sub *sub;
    char endpoint[WF_MAX_ADDR + 16];
    struct wf_sub_unknown *unknown;
    size_t unknown_bytes, unknown_count;
    struct wf_buf plain;

    // ---- order
    struct wf_timer timer;
    struct wf_repair *repair;
    enum wf_repair_mode mode;
    bool silent, met_since_silent;
    int64_t
        owed_ms; // monotonic: an event waited for memory, and is shown to the handler then; 0: none
    int64_t freshness_ms; // promised by the advert; 0 = nothing is
    int64_t news_ms;      // monotonic: of the last record, at first of the first lease
    int64_t missing_ms;   // monotonic: since then no advert of the product is known; 0: one is
    int64_t pulling_since_ms;
    int64_t
        unread_since_ms; // since then the home refuses to hand over what is asked for; 0: it does not
    enum weft_err unread_err;
    char unread_why[120];
    struct wf_sub_ask asks[WF_REPAIR_RANGES + 1];
    size_t ask_count;
    bool want_position, position_asked, time_done, rewind;
    struct wf_log_head head; // of what was delivered last
    bool head_known, head_live;
    struct wf_incarnation sure_log; // the last place that the home itself confirmed
    uint64_t sure_next;
    struct wf_cursor cursor;
    bool has_cursor;
    bool history_open;    // the stream was not heard yet: what is pulled is history
    uint64_t history_end; // and later all before this

    bool from_mirror; // what is stepped now came from one

    struct wf_sub_mirror *mirror; // subscribe_mirror.c; NULL until one is looked for

    // ---- proof
    struct wf_sub_origin *origins[WF_SUB_BUCKETS];
    size_t origin_count;
    struct wf_sub_schema schemas[WF_SUB_SCHEMAS];
    size_t schema_count;
    struct wf_sub_need *needs;
    struct wf_sub_unit *units, **units_tail;
    size_t unit_count;

    // ---- the queue
    pthread_mutex_t mutex;
    struct wf_sub_item *first, **last;
    size_t queued;
    struct wf_buf spares[WF_SUB_SPARES]; // of records that were shown
    size_t spare_count;
    bool full;        // the loop thread waits for room
    bool room_posted; // and was told of it
    struct wf_mail room;
    struct weft_stats stats;
    struct weft_product *product; // of the newest schema, before the first records
    int fd;
    atomic_bool woken;
    struct wf_mail hand; // to our own loop, for a handler
    atomic_uint
        told; // writes to the descriptor, done or to be done in a moment, that were not taken back
    enum weft_stream_state state; // loop thread
    char state_text[160];

    // ---- the application's thread (weft_next)
    struct wf_sub_item *shown;
    struct weft_event event;
    struct weft_record *records;
    struct wf_buf printed; // the id of the batch shown
    size_t record_room;
    struct wf_arena structs; // weft_record_struct's
};

// subscribe.c
void wf_sub_ref(struct weft_subscription *s);
void wf_sub_unref(struct weft_subscription *s);
void wf_sub_item_free(struct wf_sub_item *i);
void wf_sub_push(struct weft_subscription *s, struct wf_sub_item *i); // takes it
void wf_sub_spare_take(
    struct weft_subscription *s, struct wf_buf *ret);   // empty, with room or without
bool wf_sub_is_full(struct weft_subscription *s);       // then the application will post `room`
bool wf_sub_has_much_room(struct weft_subscription *s); // for two replies, as far as one can tell
void wf_sub_state(struct weft_subscription *s, enum weft_stream_state state,
    const struct weft_problem *problem); // told when it changed
void wf_sub_count(struct weft_subscription *s, uint64_t *counter, uint64_t n);

void wf_sub_hand(struct weft_subscription *s); // to the handler, on the loop's thread

// subscribe_show.c
// Room for an item's records; NOMEM alone: the item is as it was.
WF_MUST_USE enum weft_err wf_sub_reserve(struct weft_subscription *s, const struct wf_sub_item *i);
const struct weft_event *wf_sub_show(
    struct weft_subscription *s, struct wf_sub_item *i); // takes it

// subscribe_again.c
void wf_sub_lease_at(struct weft_subscription *s, int64_t at_ms); // monotonic
void wf_sub_try_later(struct weft_subscription *s);
void wf_sub_lease_timer(struct wf_timer *t);

// subscribe_lease.c
void wf_sub_acquire(struct weft_subscription *s, bool again);
void wf_sub_renew(struct weft_subscription *s);
// The lease is gone: nothing can be asked until the next.
void wf_sub_lease_lost(struct weft_subscription *s, bool again);
enum wf_verb wf_sub_verb(const struct weft_subscription *s); // what a token must grant
void wf_sub_give_back(struct weft_subscription *s);          // nobody reads by it any more
void wf_sub_keys_fini(struct weft_subscription *s);

// subscribe_stream.c
enum weft_err wf_sub_dial(struct weft_subscription *s, const char *endpoint);
void wf_sub_hang_up(struct weft_subscription *s);
void wf_sub_try_unknown(struct weft_subscription *s, bool drop);
// Opens the home's heartbeat for this product. NOT_HOME: another node of its domain signed it, which is no lie and says nothing; all else is
// counted as a failure, but for an empty envelope (SIGNATURE).
enum weft_err wf_sub_heartbeat(
    struct weft_subscription *s, struct wf_bytes envelope, struct wf_heartbeat *ret);

// subscribe_proof.c
// A packed entry into the unit: verified as far as no document is missing. OK also when it is not wanted. own (NULL: it is copied) is the memory
// that it lies in, and may be taken.
enum weft_err wf_sub_take_entry(
    struct weft_subscription *s, struct wf_sub_unit *u, struct wf_bytes packed, struct wf_buf *own);
struct wf_sub_unit *wf_sub_unit_new(size_t entries, size_t losses);
void wf_sub_unit_free(struct wf_sub_unit *u);
// Hands the unit to the machine when everything is here, else fetches what lacks. Takes it.
void wf_sub_unit_go(struct weft_subscription *s, struct wf_sub_unit *u);
void wf_sub_proof_fini(struct weft_subscription *s);
void wf_sub_need_product(struct weft_subscription *s, const struct wf_hash *schema);

// subscribe_order.c
void wf_sub_step(struct weft_subscription *s, struct wf_repair_event *e);
void wf_sub_step_unit(struct weft_subscription *s, struct wf_sub_unit *u);
void wf_sub_start(struct weft_subscription *s, const struct wf_heartbeat *beat);
int64_t wf_sub_next_beat(const struct weft_subscription *s, const struct wf_heartbeat *h);
void wf_sub_timer(struct wf_timer *t);
void wf_sub_hand_later(struct weft_subscription *s); // there was no memory to show what is next
void wf_sub_room(struct wf_mail *m);
void wf_sub_room_dropped(struct wf_mail *m);
void wf_sub_repair_free(void *arg, void *item);

// subscribe_deliver.c
void wf_sub_deliver(struct weft_subscription *s, const struct wf_repair_action *a);
void wf_sub_lose(struct weft_subscription *s, const struct wf_repair_action *a);
// The stream was heard, or is known as silent: what is pulled from now on is no history.
void wf_sub_end_history(struct weft_subscription *s, const struct wf_repair_event *e);

// subscribe_mirror.c: while the home is away and its lease lives
// Looks for a mirror; nothing where there is none, or no lease that lives.
void wf_sub_mirror_try(struct weft_subscription *s);
// The home is away and a mirror is known, but no lease lives: the problem says what is waited for. Else it stays as it is.
void wf_sub_mirror_explain(const struct weft_subscription *s, struct weft_problem *p);
bool wf_sub_mirror_active(const struct weft_subscription *s);
void wf_sub_mirror_tell(struct weft_subscription *s);
// The home is back, or refuses: nothing is asked of a mirror any more.
void wf_sub_mirror_end(struct weft_subscription *s);
// Whom to ask now, under which lease. turn: 0 is the home; a reply to another turn is of no use any more.
struct wf_link *wf_sub_source(
    struct weft_subscription *s, struct wf_bytes *ret_lease, unsigned *ret_turn);
bool wf_sub_mirror_is_turn(const struct weft_subscription *s, unsigned turn);
// A mirror's reply into the unit. False: it was left, and nothing of it counts.
bool wf_sub_mirror_take(
    struct weft_subscription *s, const Weft__V1__RangeReply *r, struct wf_sub_unit *u);
// Certificates are judged by now. False: it was left.
bool wf_sub_mirror_believes(struct weft_subscription *s, const struct wf_sub_unit *u);
// A request to it failed; refusal says why, or NULL.
void wf_sub_mirror_missed(struct weft_subscription *s, enum weft_err err, const char *refusal);
// The home's signed word contradicts what it gave.
void wf_sub_mirror_contradicted(struct weft_subscription *s);
// Keys of entries that are still to be read, so that they can be read there: asked for when a mirror is known.
void wf_sub_mirror_want_keys(struct weft_subscription *s, Weft__V1__LeaseRequest *q);
void wf_sub_mirror_take_keys(struct weft_subscription *s, const Weft__V1__LeaseReply *r);
void wf_sub_mirror_fini(struct weft_subscription *s);

// subscribe_ask.c
void wf_sub_ask_all(struct weft_subscription *s);
void wf_sub_met_node(struct weft_subscription *s);
void wf_sub_missed_node(struct weft_subscription *s, enum weft_err err);

static inline int64_t wf_sub_now(const struct weft_subscription *s)
{
    return wf_loop_now_ms(wf_client_loop(s->c));
}

#endif
