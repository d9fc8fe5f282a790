// SPDX-License-Identifier: Apache-2.0
// The inside of the mirror room: what its files share. Loop thread only, but for the log's thread, which fills a box (store.c), and a
// worker, which checks what a home sent (check.c).
// Invariant: what is in a mirror's log was verified as far as it can be without a key, and follows what was there before.
#ifndef WF_NODE_MIRROR_PRIV_H
#define WF_NODE_MIRROR_PRIV_H

#include <stdatomic.h>

#include "node/log/log.h"
#include "node/mirror/room.h"
#include "node/pool.h"
#include "node/stream/given.h"
#include "node/stream/parked.h"
#include "proto/stream/heartbeat.h"
#include "proto/stream/sealed.h"
#include "sdk/link.h"
#include "sdk/loop/loop.h"

#define WF_MIRROR_BYTES        (256u * WF_KIB) // asked of a home, and told a reader, in one reply
#define WF_MIRROR_WAIT_MS      20000           // of a pull at the home
#define WF_MIRROR_RETRY_MS     500             // doubling to:
#define WF_MIRROR_RETRY_MAX_MS 8000
#define WF_MIRROR_REFUSED_MAX_MS                                                                   \
    300000 // after a refusal, while nothing has changed that could change it
#define WF_MIRROR_ORIGINS   16384u // certificates seen
#define WF_MIRROR_BUCKETS   256u
#define WF_MIRROR_SCHEMAS   64u
#define WF_MIRROR_LEASES    4096u // of readers, in all
#define WF_MIRROR_PER_KEY   64u
#define WF_MIRROR_PULLS     1024u // parked
#define WF_MIRROR_RETAIN_MS 30000
#define WF_MIRROR_SAVE_MS   10000 // the heartbeat is kept this often

struct wf_mirror_origin { // one certificate, judged once
    struct wf_mirror_origin *next;
    struct wf_hash id;
    enum weft_err refused;
    struct wf_sign_pub key;
    int64_t not_before_ms, not_after_ms;
};

// An entry that a home sent, as the worker saw it.
struct wf_mirror_entry {
    struct wf_bytes sealed; // in the check's memory
    uint64_t offset, end;
    int64_t append_ms;
    bool is_reset;
    struct wf_hash certificate, schema;
    struct wf_sign_pub signer;
    struct wf_log_head after; // where the log stands with it
};

// One reply of a home on its way into the store.
struct wf_mirror_check {
    struct wf_job job;   // first
    struct wf_mirror *m; // NULL: the mirror ended
    bool working;        // on a worker
    struct wf_hash product_id;
    struct wf_given given; // its head begins at that of the store
    struct wf_mirror_entry *entries;
    size_t count, next; // next: the first that was neither handed to the log nor left out
    enum weft_err err;
};

struct wf_mirror_ask { // a request on its way; outlives the room
    struct wf_mirror *m;
};

struct wf_mirror_box {   // acknowledgements of the log; outlives the mirror while its letter waits
    struct wf_mail mail; // first
    pthread_mutex_t lock;
    struct wf_mirror *m; // NULL: gone
    bool posted;
    uint64_t acked;
    enum weft_err err; // the first failure
    struct wf_loop *loop;
};

enum wf_mirror_state {
    WF_MIRROR_WAITING, // the registry knows no such product or no home of it
    WF_MIRROR_REFUSED, // by its owner: nothing is served
    WF_MIRROR_AWAY,    // the home does not answer; what is here is served
    WF_MIRROR_FOLLOWING
};

struct wf_mirror {
    struct wf_mirror_room *room;
    struct wf_mirror *next;
    struct wf_name domain, product;
    char name[2 * WF_MAX_NAME + 2], alarm[2 * WF_MAX_NAME + 16];
    uint64_t age_ms, max_bytes;

    // ---- what the registry says
    bool known;
    struct wf_hash product_id;
    struct wf_sign_pub home_key;
    struct wf_name home; // node of the domain

    // ---- store
    char *dir;
    struct wf_log *log;
    struct wf_hash stored_id; // product of what is in the store; zero = nothing
    uint64_t generation;      // counts fresh beginnings; with the product id it names the log
    struct wf_hash log_key;
    struct wf_log_head head; // of the last entry; log id none = there is none
    bool linked;
    struct wf_mirror_box *box;
    uint64_t appended,
        woken;          // entries handed to the log since open; of those, acknowledged and told
    struct wf_buf beat; // the home's newest word, exact bytes
    struct wf_heartbeat said; // the same, opened
    bool has_beat, beat_dirty;
    int64_t heard_ms, saved_ms; // monotonic

    // ---- following the home
    enum wf_mirror_state state;
    char why[200];
    enum weft_err refused; // by the owner: then nothing is served
    struct wf_timer timer;
    struct wf_mirror_ask *ask;
    struct wf_mirror_check *check; // at work, or waiting for documents or for the log
    struct wf_buf token;
    int64_t token_expires_ms; // unix
    bool asked_token;
    uint8_t lease_id[WF_LEASE_ID_LEN];
    bool leased;
    int64_t lease_until_ms; // monotonic: renewed from here on
    int64_t retry_ms;
    uint64_t tokens_seen;          // when it was asked last
    struct wf_hash refused_advert; // of the product, then
    bool via; // another mirror is followed, because the home does not answer; via.c
    struct wf_name via_domain, via_node;
    int64_t via_until_ms; // then the home is tried
    unsigned home_misses; // in a row
    struct wf_mirror_origin *origins[WF_MIRROR_BUCKETS];
    size_t origin_count;
    struct wf_hash schemas[WF_MIRROR_SCHEMAS];
    size_t schema_count;

    struct {
        uint64_t entries, bytes, refused, anew, served, denied;
    } count;
};

struct wf_mirror_lease { // of a reader
    uint8_t id[WF_LEASE_ID_LEN];
    struct wf_mirror *m;
    struct wf_sign_pub holder;
    struct wf_buf token;
    int64_t expires_unix_ms;
    struct wf_mirror_lease *next;
};

struct wf_mirror_room {
    struct wf_node *node;
    struct wf_vfs vfs;
    struct wf_log_worker *worker;
    struct wf_mirror *mirrors;
    size_t mirror_count;
    const char **told; // names in the node's advert
    size_t told_count;
    struct wf_mirror_lease *leases;
    size_t lease_count;
    struct wf_parked_set pulls;
    int64_t retain_due_ms;
    struct wf_buf scratch;
};

// ---- store.c
WF_MUST_USE enum weft_err wf_mirror_store_open(struct wf_mirror *m, struct wf_diag *diag);
void wf_mirror_store_close(struct wf_mirror *m);
// What state.meta says, into a mirror that is not open yet; nothing of it when it is none of ours. NOMEM, and a disk that can't be read.
WF_MUST_USE enum weft_err wf_mirror_load(struct wf_mirror *m);
// The store is of this product now; what it held of another is dropped.
WF_MUST_USE enum weft_err wf_mirror_store_is_of(struct wf_mirror *m, const struct wf_hash *id);
// Forgets everything and begins again from the home's oldest entry.
WF_MUST_USE enum weft_err wf_mirror_begin_anew(struct wf_mirror *m, const char *why);
// Entries of a check into the log from k->next on, as many as may go together; those that are not believed are left out.
WF_MUST_USE enum weft_err wf_mirror_append(struct wf_mirror *m, struct wf_mirror_check *k);
// Where the log ends, from its last entry.
WF_MUST_USE enum weft_err wf_mirror_recall(struct wf_mirror *m);
void wf_mirror_save(struct wf_mirror *m); // generation and heartbeat
uint64_t wf_mirror_floor(const struct wf_mirror *m);
uint64_t wf_mirror_bytes(const struct wf_mirror *m);

// ---- check.c: pure
void wf_mirror_check_run(struct wf_mirror_check *k);
// From a reply; what it holds is copied. NOMEM, TOO_BIG.
WF_MUST_USE enum weft_err wf_mirror_check_new(
    const struct wf_mirror *m, const Weft__V1__RangeReply *r, struct wf_mirror_check **ret);
void wf_mirror_check_free(struct wf_mirror_check *k);

// ---- origins.c: who said it
// How many documents the check's entries cite and nobody here has, at most cap of them into out.
size_t wf_mirror_missing(
    const struct wf_mirror *m, const struct wf_mirror_check *k, struct wf_hash *out, size_t cap);
// What can't be believed is left out, which is OK; an error is this node's own (NOMEM, IO, NOSPACE ...), and nobody may be judged without it.
WF_MUST_USE enum weft_err wf_mirror_take_document(struct wf_mirror *m, struct wf_bytes content);
// May the entry's certificate have signed it?
WF_MUST_USE enum weft_err wf_mirror_judge(
    const struct wf_mirror *m, const struct wf_mirror_entry *e);
void wf_mirror_origins_fini(struct wf_mirror *m);

// ---- follow.c
void wf_mirror_timer(struct wf_timer *t);
void wf_mirror_soon(struct wf_mirror *m, int64_t wait_ms);
void wf_mirror_stored(struct wf_mirror *m, enum weft_err err); // the log has acknowledged all
void wf_mirror_follow_end(struct wf_mirror *m);
// Is the token at hand still good under the owner's newest list?
void wf_mirror_recheck(struct wf_mirror *m);

// ---- again.c
void wf_mirror_try_later(struct wf_mirror *m);
// Once a second: one that was refused asks at once when something has changed.
void wf_mirror_look(struct wf_mirror *m);

// ---- word.c
// The home's word, newer than what was known: OK. SIGNATURE, PRODUCT, STALE, or ORDER when it contradicts what it gave.
WF_MUST_USE enum weft_err wf_mirror_take_beat(struct wf_mirror *m, struct wf_bytes envelope);

// ---- via.c: another mirror in the home's place
// After this failure of the home: is another mirror followed from here on?
bool wf_mirror_via_begin(struct wf_mirror *m, enum weft_err err);
bool wf_mirror_via_over(const struct wf_mirror *m);
void wf_mirror_via_end(struct wf_mirror *m);

// ---- serve.c
void wf_mirror_serve_init(struct wf_mirror_room *r);
void wf_mirror_wake(struct wf_mirror *m); // more is here, or the home said something
void wf_mirror_serve_tick(struct wf_mirror_room *r);
void wf_mirror_serve_end(struct wf_mirror_room *r);
void wf_mirror_serve_end_of(struct wf_mirror *m); // its leases and pulls

// ---- room.c
void wf_mirror_told_changed(struct wf_mirror_room *r);

#endif
