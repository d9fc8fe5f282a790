// SPDX-License-Identifier: Apache-2.0
// What the files of the log share, and nobody else sees. Two locks, never held together: the worker's guards queues and
// requests, the log's guards the index, segments' reader counts, floors, pins and statistics. Only who is in a turn (the
// worker's thread, or its host) changes index and segments, so it reads them without the lock. Invariant: no lock is held during I/O or a callback.
#ifndef WF_NODE_LOG_PRIV_H
#define WF_NODE_LOG_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "node/log/index.h"
#include "node/log/log.h"

#define WF_LOG_GROUP    256u // items written and acknowledged together
#define WF_LOG_PATH     4096u
#define WF_LOG_TICK_US  200000 // how often an idle worker looks at what is due
#define WF_LOG_SYNC_US  500000 // process-durable bytes are synced after this
#define WF_LOG_OPEN_MAX 64u    // closed segments kept open for readers

#define WF_LOG_HEADS_ROW                                                                           \
    (WF_HASH_LEN + 16u) // of the table of heads: product, be64 head, be64 floor

struct wf_log_node { // one queued item
    struct wf_log_node *next;
    uint64_t token;
    struct wf_seg_item item;
    enum wf_log_durability durability;
    bool waits_disk;
    enum weft_err err;    // why it failed
    struct wf_part *part; // reserved
    uint64_t at;
    uint32_t plain_len;
    struct wf_bytes lent; // the end of the body, where it is the appender's
    uint8_t bytes[];      // WF_ITEM_HEAD_LEN, then the body with room for its seal
};

struct wf_log_worker {
    struct wf_vfs vfs;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    bool stop;
    struct wf_log *logs;
    bool turning;      // a thread is in a turn: its own or the host's
    bool serving;      // that is the host
    bool ticking;      // the thread waits for a time, not only for work
    bool hosted, owed; // host appends without waking the thread; it did so since it served last
    pthread_t host;
    uint32_t sync_us; // what one takes, of the last few; changed by who is in a turn
};

struct wf_log {
    struct wf_log_worker *worker;
    const struct wf_vfs *vfs;
    struct wf_log *next;
    struct wf_log_conf conf; // dir and class_name point to copies
    char *dir;
    int lock_file;

    // Under the worker's lock.
    struct wf_log_node *queue, **queue_tail;
    uint64_t queue_items, queue_bytes, refused, appended,
        finished; // finished is changed by who is in a turn
    bool closing, closed, busy, gc_due, retain_due, flush_due, room_due;
    uint64_t flush_target; // of `finished`
    int64_t retain_now;
    atomic_int stopped;         // enum weft_err: why appends are refused; 0 = they are not
    atomic_uint_fast64_t bytes; // of all segments

    // Under the log's lock.
    pthread_mutex_t lock;
    struct wf_index index;
    struct wf_segment **segments; // ascending; the last may be the active one
    size_t segment_count, segment_cap;
    unsigned open_files;
    size_t dirty_floors; // products whose floor mark is to be written
    struct wf_log_stats stats;

    // Of who is in a turn (the opener's before).
    struct wf_segment *active; // NULL: the next append opens one
    uint64_t end;              // where the next item goes
    uint64_t ahead;            // up to here the active file is written, with zeros behind `end`
    uint64_t given;            // up to here the active file was given back by the page cache
    uint64_t last_group;       // bytes of the last one that waited for a sync; 0: it did not
    bool ahead_failed;         // zeros could not be written: the segment goes on without
    bool unsynced;
    int64_t unsynced_us;  // since when
    int64_t space_us;     // when free space was looked at
    uint64_t space_bytes; // written since
    struct wf_secret key; // the active segment's data key
    struct iovec parts[2 * WF_LOG_GROUP];
    struct wf_log_ack acks[WF_LOG_GROUP];
    size_t ack_count;
    struct wf_buf scratch;
};

// log_file.c: segments as files.
// UNSUPPORTED, with which versions and what to do in diag (may be NULL): the store is whole, and not for this program.
enum weft_err wf_log_other_version(
    struct wf_diag *diag, const char *file, uint32_t found, uint32_t known);
void wf_log_path(
    const struct wf_log *log, uint64_t number, const char *suffix, char out[WF_LOG_PATH]);
void wf_log_note(const struct wf_log *log, const struct wf_log_note *note);
void wf_log_note_at(struct wf_log *log, enum wf_log_note_kind kind, const struct wf_segment *s,
    uint64_t at, uint64_t len);
WF_MUST_USE enum weft_err wf_log_add_segment(struct wf_log *log, struct wf_segment *s);
// The highest number there is, 0 for none.
uint64_t wf_log_last_number(const struct wf_log *log);
// Opens a fresh active segment; there must be none.
WF_MUST_USE enum weft_err wf_log_roll(struct wf_log *log, int64_t created_ms);
// Closes the active segment: sync, sidecar. After a failed write or sync: cut to what was acknowledged, no sidecar.
void wf_log_seal(struct wf_log *log, bool failed);
// Syncs the active segment. After a failure it is closed as failed: the kernel may have dropped what it could not write.
enum weft_err wf_log_sync(struct wf_log *log);
void wf_log_uncache(struct wf_log *log); // what lies far behind the end
// A sync is to cover so many items.
void wf_log_count_group(struct wf_log *log, size_t items);
// Only a cache: failures are left to the next open.
void wf_log_write_sidecar(struct wf_log *log, const struct wf_segment *s);
// Unlinks it and forgets it; floors move past its offsets. False when the file could not be removed.
bool wf_log_drop_segment(struct wf_log *log, size_t i);
// A file to read the segment through, whose reader count the caller has raised under the lock; and its return.
WF_MUST_USE enum weft_err wf_log_borrow(struct wf_log *log, struct wf_segment *s, int *ret_file);
void wf_log_return(struct wf_log *log, struct wf_segment *s);

// log_worker.c: one turn of every log that has work; true when there was any. Under the worker's lock, by who has the turn.
bool wf_log_turn_all(struct wf_log_worker *w, bool tick);
// log_load.c: fills the index from the open segments and decides whether the last one goes on.
WF_MUST_USE enum weft_err wf_log_load(struct wf_log *log, int64_t now_ms);
// log_open.c
WF_MUST_USE enum weft_err wf_log_recover(struct wf_log *log, int64_t now_ms);
// log_write.c: takes a group off the queue and finishes it, does what is due; true when there was anything.
bool wf_log_turn(struct wf_log *log);
// Writes marks of floors that moved into the active segment, if there is one.
void wf_log_write_floors(struct wf_log *log);
// log_retain.c
void wf_log_do_retain(struct wf_log *log, int64_t now_ms);
void wf_log_do_gc(struct wf_log *log);

#endif
