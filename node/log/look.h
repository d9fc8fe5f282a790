// SPDX-License-Identifier: Apache-2.0
// A store to look at: opened on a view of its disk by the log's own recovery, so that it can be read like any log, and checked byte
// by byte. Owns the log it opened. Invariant: nothing on the disk changes, whatever is found. Thread rule: one thread.
#ifndef WF_NODE_LOG_LOOK_H
#define WF_NODE_LOG_LOOK_H

#include "node/log/log.h"

#define WF_LOOK_CLASS 64u

enum wf_log_flaw_kind {
    WF_FLAW_TORN, // not damage: len bytes at the end that the next start cuts; none was acknowledged
    WF_FLAW_NO_INDEX, // not damage: a closed segment without its index file; the next start makes it
    WF_FLAW_INDEX,    // the index file is damaged or says what the segment does not hold
    WF_FLAW_STORE,    // the store's identity file is damaged or missing
    WF_FLAW_HEADER,   // a copy of a segment's header, or the zeros between them
    WF_FLAW_SEGMENT, // len bytes at `at` can't be read: both headers are gone, or the disk failed (err)
    WF_FLAW_TRUNCATED, // the file is len bytes shorter than it was
    WF_FLAW_BYTES,     // no item begins here
    WF_FLAW_ITEM,      // an item's header is whole, its body is not
    WF_FLAW_SEALED,    // the body is whole and does not open under the segment's key (err)
    WF_FLAW_ORDER,     // a whole item that does not follow the one before
    WF_FLAW_LOST,      // offsets that no whole item holds; at: the damage that took them
    WF_FLAW_COUNT
};
const char *wf_log_flaw_name(enum wf_log_flaw_kind kind);
static inline bool wf_log_flaw_is_damage(enum wf_log_flaw_kind kind)
{
    return kind > WF_FLAW_NO_INDEX;
}

struct wf_log_flaw {
    enum wf_log_flaw_kind kind;
    enum weft_err err;
    uint64_t segment, at, len; // segment 0: the store as a whole
    bool has_product;
    struct wf_hash product;
    uint64_t first, end; // offsets of the product
};
typedef void (*wf_log_flaw_fn)(void *arg, const struct wf_log_flaw *flaw);

struct wf_log_look;

struct wf_log_look_conf {
    const char *dir;
    const struct wf_secret *key; // may be NULL; borrowed
    int64_t now_ms;
    struct wf_diag *diag; // may be NULL: which file is of which version, when that is the reason
};
// Opens the store in dir as what it says it is. NOT_FOUND: there is none; UNSUPPORTED, STATE_DIR (files of two stores), PERMISSION, IO,
// NOMEM. disk is copied.
WF_MUST_USE enum weft_err wf_log_look_open(
    const struct wf_vfs *disk, const struct wf_log_look_conf *conf, struct wf_log_look **ret);
void wf_log_look_close(struct wf_log_look *l); // NULL is permitted

struct wf_log *wf_log_look_log(struct wf_log_look *l);
// Is a process at work in it? Then its end is not yet the end, and an unfinished tail says nothing.
bool wf_log_look_in_use(const struct wf_log_look *l);
const struct wf_hash *wf_log_look_store(const struct wf_log_look *l);
const char *wf_log_look_class(const struct wf_log_look *l);
uint64_t wf_log_look_oldest(const struct wf_log_look *l); // numbers of segments; 0 = none
uint64_t wf_log_look_newest(const struct wf_log_look *l);

// Where the item with this offset begins, or, when it is damaged, the run of items that had it. False when no segment has it.
bool wf_log_look_find(struct wf_log_look *l, const struct wf_hash *product, uint64_t offset,
    uint64_t *ret_segment, uint64_t *ret_at);

struct wf_log_tally {
    uint64_t segments, items, bytes; // read and found whole; bytes of all files read
    uint64_t damages, others;        // flaws told that are damage, and that are not
};
// Reads every byte that counts: headers, items with their bodies, seals (with the key), index files against what they index, and
// whether the offsets of each product follow each other. What is wrong is told as it is found. NOMEM, nothing else.
WF_MUST_USE enum weft_err wf_log_look_check(
    struct wf_log_look *l, wf_log_flaw_fn fn, void *arg, struct wf_log_tally *ret);

#endif
