// SPDX-License-Identifier: Apache-2.0
// The append-only log of everything: product logs, spools, audit. A log is one directory of segment files shared by the
// products of one retention class; a worker is the one thread that writes and syncs for all logs. Owns files and index;
// knows nothing of what a body means. Invariant: an item is acknowledged and readable only when its durability is met,
// and what a reader gets is what was appended, or a gap that says so.
// Thread rule: everything may be called from any thread, except open and close of one log, which its owner orders.
#ifndef WF_NODE_LOG_LOG_H
#define WF_NODE_LOG_LOG_H

#include "node/log/vfs.h"
#include "proto/base/crypto.h"

#define WF_LOG_KIND_MAX 0xefu                      // kinds 0..this are the owner's
#define WF_LOG_BODY_MAX (5u * 1024u * 1024u - 40u) // head and body of one item together
#define WF_LOG_PRODUCTS 65536u                     // products of one log
#define WF_LOG_NO_PIN   UINT64_MAX

struct wf_log_worker;
struct wf_log;

enum wf_log_durability {
    WF_LOG_DISK,    // acknowledged after the fdatasync that covers it
    WF_LOG_PROCESS, // after the write: survives the process, not the power; synced within a second
};

enum wf_log_note_kind {
    WF_LOG_NOTE_TORN,      // at open: an unfinished tail of len bytes at `at` was cut
    WF_LOG_NOTE_DAMAGED,   // at open: len bytes at `at` are damaged; readers get a gap
    WF_LOG_NOTE_TRUNCATED, // at open: a segment is len bytes shorter than it was when closed
    WF_LOG_NOTE_INDEX,     // at open: a missing, stale or damaged index file was rebuilt
    WF_LOG_NOTE_STORE,     // at open: the store's own identity file was damaged and rewritten
    WF_LOG_NOTE_WRITE,     // a write failed (err); the segment ends at `at` and a fresh one follows
    WF_LOG_NOTE_SYNC,      // a sync failed (err); likewise
    WF_LOG_NOTE_DROPPED,   // retention dropped first..end of a product that was not released
    WF_LOG_NOTE_STOPPED, // the disk is nearly full or read-only, or no file can be opened (err): appends are refused
    WF_LOG_NOTE_RESUMED, // that is over
    WF_LOG_NOTE_COUNT
};
struct wf_log_note {
    enum wf_log_note_kind kind;
    enum weft_err err;
    uint64_t segment, at, len;
    struct wf_hash product; // DROPPED
    uint64_t first, end;
};
// On the thread that opens, later on the worker's. Must not call the log.
typedef void (*wf_log_note_fn)(void *arg, const struct wf_log_note *note);
// One line for people.
void wf_log_note_text(const struct wf_log_note *note, char *out, size_t len);

struct wf_log_ack {
    uint64_t token;
    enum weft_err err; // OK: first..first+count of the product are in the log
    uint64_t first;
    uint32_t count;
};
// One call for all items that finish together, in order of append within a product. On the worker's thread or the host's (below), with no lock
// held: it may append. Meant to post to a mailbox and return.
typedef void (*wf_log_done_fn)(void *arg, const struct wf_log_ack *acks, size_t count);

struct wf_log_conf {
    const char *dir;         // created when absent (its parent must exist)
    const char *class_name;  // [a-z][a-z0-9-]*; part of the store's identity
    struct wf_hash store_id; // whose store this is; another's is refused
    const struct wf_secret
        *storage_key;    // 32 bytes, borrowed until close; NULL: nothing can be sealed
    wf_log_done_fn done; // required
    // May be NULL: tells of items that are written and wait for the sync. No promise: done may still report a failure.
    wf_log_done_fn written;
    void *done_arg;      // of both
    wf_log_note_fn note; // may be NULL
    void *note_arg;
    struct wf_diag *
        diag; // may be NULL: what an open that is refused names, with what to do; unset: the code says all
    uint64_t segment_bytes; // 0 = 64 MiB; a segment is closed before it grows past this
    uint64_t queue_bytes;   // 0 = 64 MiB; appended but not yet written
    int64_t retain_ms;      // 0 = for ever; older segments go at wf_log_retain
    uint64_t retain_bytes;  // 0 = no limit; the oldest segments go first
    bool
        keep_unreleased; // a spool that refuses (FULL) at retain_bytes instead of dropping the oldest
    bool
        forget_empty; // products with nothing left are forgotten at the next segment (one key per chain)
    unsigned
        stop_free_permille; // refuse appends below this share of free disk; 0 = 50 (5 %), 1000 = never
};

struct wf_log_item {
    struct wf_hash product;
    uint64_t first;  // the product's head, unless it is new or jump is set
    uint32_t count;  // offsets consumed; 0 for an entry that has none, such as a reset
    int64_t time_ms; // append time
    uint8_t kind;
    bool sealed; // encrypt at rest
    bool jump;   // first may lie beyond the head: offsets between were never used
    enum wf_log_durability durability;
    struct wf_bytes head, body; // stored one after the other; copied by append,
    bool
        lent; // unless the body is lent: then it stays as it is until done. One that is sealed is copied all the same
};

// What a reader sees: an item (status OK) or a gap of offsets first..end.
struct wf_log_view {
    enum weft_err
        status; // OK; DAMAGED; RETENTION; LOST (never used: a jump); KEY, AEAD (sealed, not readable); IO
    uint64_t first, end;
    int64_t time_ms;
    uint8_t kind;
    bool sealed;
    struct wf_bytes body; // valid during the call
};
// Return false to stop after this view.
typedef bool (*wf_log_visit_fn)(void *arg, const struct wf_log_view *view);

struct wf_log_range {
    uint64_t floor, head; // oldest kept, one past the newest
    int64_t last_ms;      // append time of the newest item kept; 0 = none
    uint64_t pin;
};
// How long syncs took and how many items each covered: one class for each bound, and one for what is above them all.
#define WF_LOG_SYNC_BOUNDS  13u
#define WF_LOG_GROUP_BOUNDS 9u
extern const uint32_t wf_log_sync_bounds_us[WF_LOG_SYNC_BOUNDS];
extern const uint32_t wf_log_group_bounds[WF_LOG_GROUP_BOUNDS];

struct wf_log_stats {
    uint64_t segments, bytes, items; // now in the log
    uint64_t queue_items, queue_bytes, queue_max;
    uint64_t appended_items, appended_bytes, failed_items; // since open
    uint64_t refused_items;                                // FULL, since open
    uint64_t sync_us;                                      // of all syncs
    uint64_t sync_classes[WF_LOG_SYNC_BOUNDS + 1], group_classes[WF_LOG_GROUP_BOUNDS + 1];
    uint64_t group_items, group_max; // of all groups that were synced; of the largest
    uint64_t syncs, worst_sync_us, damaged_reads, dropped_segments;
    enum weft_err
        stopped; // why appends are refused: NOSPACE, READ_ONLY, NO_FILES; OK = they are not
};

// ---- worker ----------------------------------------------------------------------------------------------------------

// With thread false nothing runs by itself: call wf_log_worker_turn (tests, tools). vfs is copied. NOMEM.
WF_MUST_USE enum weft_err wf_log_worker_new(
    const struct wf_vfs *vfs, bool thread, struct wf_log_worker **ret);
// All logs must be closed. NULL is permitted.
void wf_log_worker_free(struct wf_log_worker *w);
// A host is a thread that appends often and has little else to do, such as a loop's: what it appends does not wake the worker's thread, and
// it calls serve soon after, always on that thread. With here, a little work on a disk that is quick is done at once, between leave and back;
// else the worker's thread is woken. Without a thread (tests) nothing is done. unhost: it will not call any more.
struct wf_log_host {
    void (*leave)(void *arg), (*back)(void *arg);
    void *arg;
};
void wf_log_worker_serve(struct wf_log_worker *w, const struct wf_log_host *h, bool here);
void wf_log_worker_unhost(struct wf_log_worker *w);
// One pass over all logs without a thread; true when anything was written or dropped.
bool wf_log_worker_turn(struct wf_log_worker *w);

// ---- log -------------------------------------------------------------------------------------------------------------

// Reads indexes, scans the last segment, cuts a torn tail (note) and syncs what it will serve. now_ms dates what has
// lost its date. IN_USE: another process has it; STATE_DIR: another store's or class's; UNSUPPORTED: a newer format; IO,
// PERMISSION, NOSPACE, NOMEM. Damage never fails an open.
WF_MUST_USE enum weft_err wf_log_open(
    struct wf_log_worker *w, const struct wf_log_conf *conf, int64_t now_ms, struct wf_log **ret);
// Writes and acknowledges all that is queued, syncs, leaves indexes, closes. No reader may be active. NULL is permitted.
void wf_log_close(struct wf_log *log);
// Waits until everything appended before is acknowledged and on the disk. Not from a callback.
void wf_log_flush(struct wf_log *log);

// Takes a copy and returns; done is called once for every append that returned OK, and for no other. At once: FULL (queue,
// or a spool's limit), NOSPACE (disk nearly full), READ_ONLY, NO_FILES, CLOSED, TOO_BIG, RANGE, KEY (sealed without a storage key), NOMEM. Through
// done also: ORDER (first does not follow: an earlier append failed), IO, NOSPACE, NOMEM.
WF_MUST_USE enum weft_err wf_log_append(
    struct wf_log *log, const struct wf_log_item *item, uint64_t token);

// Visits items of a product in order from the one that holds offset `from`, at least one, until max_bytes of bodies; every
// missing range is visited as a gap, so offsets in views are contiguous from `from` on. ret_next is where to go on; at the
// head nothing is visited. NOT_FOUND: no such product; RANGE: beyond the head; NOMEM, NO_FILES, IO: what comes next can't be read now, twice in
// a row, and is no gap: only what is proven to be damaged or gone is one.
struct wf_log_reader {
    struct wf_hash product;
    uint64_t from;
    size_t max_bytes;
    wf_log_visit_fn visit;
    void *arg;
    struct wf_buf *scratch; // the caller's; worth keeping for the next call
    bool
        pass_unread; // IO is a gap like any other: for who must come to the head, and tells nobody of a loss
    // May be NULL: has the visitor room for a body of this length? False ends the read before it, and nothing of it is read from the disk.
    bool (*has_room)(void *arg, size_t body_len);
};
WF_MUST_USE enum weft_err wf_log_read(
    struct wf_log *log, const struct wf_log_reader *reader, uint64_t *ret_next);
// The first offset appended at or after a time (at a clock that steps back: after everything older); the head when none.
WF_MUST_USE enum weft_err wf_log_find_time(struct wf_log *log, const struct wf_hash *product,
    int64_t time_ms, struct wf_buf *scratch, uint64_t *ret_offset);
// An offset with at least `items` items from it to the head, as few more as the index can tell; the floor when fewer.
WF_MUST_USE enum weft_err wf_log_tail(
    struct wf_log *log, const struct wf_hash *product, uint32_t items, uint64_t *ret_offset);
// Has the product more than so many bytes of files from that offset to its head? By the index alone.
bool wf_log_has_more(
    struct wf_log *log, const struct wf_hash *product, uint64_t from, uint64_t bytes);
WF_MUST_USE enum weft_err wf_log_range(
    struct wf_log *log, const struct wf_hash *product, struct wf_log_range *ret);
// All products known, in no order; fn must not call the log.
typedef void (*wf_log_product_fn)(
    void *arg, const struct wf_hash *product, const struct wf_log_range *range);
void wf_log_products(struct wf_log *log, wf_log_product_fn fn, void *arg);

// Retention never drops offsets at or above the pin (an origin's latest snapshot and what follows); WF_LOG_NO_PIN lifts it.
// Pins live in memory: set them again after open, before the first wf_log_retain. NOT_FOUND.
WF_MUST_USE enum weft_err wf_log_pin(
    struct wf_log *log, const struct wf_hash *product, uint64_t offset);
// Offsets below up_to are no longer needed: the floor moves and segments that hold nothing else go. A mark is written with
// the next append. NOT_FOUND; beyond the head counts as the head.
WF_MUST_USE enum weft_err wf_log_release(
    struct wf_log *log, const struct wf_hash *product, uint64_t up_to);
// Asks the worker to drop what is too old or too much.
void wf_log_retain(struct wf_log *log, int64_t now_ms);

void wf_log_stats(struct wf_log *log, struct wf_log_stats *ret);
const char *wf_log_dir(const struct wf_log *log); // as it was opened

#endif
