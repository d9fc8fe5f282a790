// SPDX-License-Identifier: Apache-2.0
// A log under test: on a memory disk without a thread, or on a real directory with one. Bodies follow from product and
// offset, so a reader can tell a right one; acknowledgements and notes are kept. Test code; fails through ck_assert.
#ifndef WF_TESTS_LOGRIG_H
#define WF_TESTS_LOGRIG_H

#include <pthread.h>

#include "node/log/log.h"
#include "tests/support/memdisk.h"

#define RIG_TOKENS   20000u
#define RIG_UNKNOWN  ((enum weft_err) - 1) // not acknowledged yet
#define RIG_GAPS_MAX 64u
#define RIG_SEEN     4096u

struct rig {
    struct wf_memdisk *disk; // NULL on a real directory
    struct wf_vfs vfs;
    struct wf_log_worker *worker;
    struct wf_log *log;
    struct wf_log_conf conf;
    struct wf_secret key;
    int64_t now_ms;
    pthread_mutex_t lock; // the callbacks run on the worker's thread
    uint64_t token, acked, failed, note_count;
    enum weft_err *acks; // by token
    uint64_t notes[WF_LOG_NOTE_COUNT];
    struct wf_log_note last_notes[WF_LOG_NOTE_COUNT];
};

// What a read found.
#define RIG_UNREAD 2 // so often what can't be read is asked for
struct rig_read {
    uint64_t items, offsets, next;
    size_t gap_count;
    struct {
        uint64_t first, end;
        enum weft_err why;
    } gaps[RIG_GAPS_MAX];
    uint64_t gap_offsets;
    unsigned unread;     // calls that ended with IO
    bool seen[RIG_SEEN]; // delivered, by offset
};

// Fresh rig, log not open. dir NULL: a memory disk, no thread, store directory "/log".
void rig_init(struct rig *r, const char *dir);
void rig_fini(struct rig *r);
enum weft_err rig_open(struct rig *r);
void rig_close(struct rig *r);
// Crash of the memory disk with power loss or of the process only; the log is gone afterwards.
void rig_crash(struct rig *r, bool power, uint64_t *seed);

struct wf_hash rig_product(unsigned n);
// The body of the item of product n at an offset: a length between 0 and 3 * mean / 2 or so, and its bytes.
size_t rig_body(unsigned n, uint64_t first, size_t mean, uint8_t *out, size_t cap);

struct rig_item {
    unsigned product;
    uint64_t first;
    uint32_t count;
    size_t mean; // body length, roughly; 0 = 100
    bool sealed, jump;
    enum wf_log_durability durability;
};
// Appends and returns the token, or stops the test when it is refused at once.
uint64_t rig_append(struct rig *r, const struct rig_item *i);
enum weft_err rig_try(struct rig *r, const struct rig_item *i, uint64_t *ret_token);
// Appends n items of one offset each from the head on and waits for them; all must succeed.
void rig_fill(struct rig *r, unsigned product, unsigned n, size_t mean);
// Lets everything queued happen.
void rig_run(struct rig *r);
enum weft_err rig_ack(struct rig *r, uint64_t token);
uint64_t rig_head(struct rig *r, unsigned product);
uint64_t rig_floor(struct rig *r, unsigned product);

// Reads everything from an offset in pages and checks that views are contiguous and bodies right.
void rig_read(struct rig *r, unsigned product, uint64_t from, size_t page, struct rig_read *ret);

#endif
