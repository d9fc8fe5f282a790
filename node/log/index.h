// SPDX-License-Identifier: Apache-2.0
// Where the items of each product lie: product -> parts (one a segment) -> runs (neighbouring items within 64 KiB). Only
// a cache of the segments, rebuilt by scan; a sidecar file saves the scan of closed segments. Does no I/O.
// Invariant: runs of a part and parts of a product ascend in offset and never overlap.
// Thread rule: none of its own; the log's lock guards it, and only one thread changes it.
#ifndef WF_NODE_LOG_INDEX_H
#define WF_NODE_LOG_INDEX_H

#include "node/log/segment.h"

#define WF_RUN_SPAN (64u * 1024u) // file bytes within which the items of one run begin

struct wf_run {
    uint64_t first, end; // offsets
    int64_t time_ms;     // highest append time up to here in the part
    uint32_t at, at_end; // file positions
    uint32_t items;
    bool empty_tail; // ends with an item of no offsets, at `end`
};

struct wf_part {
    struct wf_segment *segment;
    struct wf_product *product;
    struct wf_part *next; // in the segment
    uint64_t first, end;  // end may be below the last run's: a later segment has these offsets anew
    int64_t time_ms;
    uint32_t items, run_count, run_cap, reserved;
    struct wf_run *runs;
};

struct wf_product {
    struct wf_hash id;
    uint64_t head; // one past the newest acknowledged offset
    uint64_t tail; // the same, counting what is being written now
    uint64_t floor, pin;
    bool fresh;       // nothing was ever appended: any first offset will do
    bool floor_dirty; // the floor moved and no mark is written yet
    bool waits_disk;  // an item of the group waits for the sync, so later ones do too
    uint32_t pending; // items being written; tail is meant then
    uint32_t part_count, part_cap;
    struct wf_part **parts;
};

struct wf_segment {
    struct wf_seg_head head;
    bool readable;   // false: both headers damaged
    uint64_t end;    // bytes that count
    int64_t time_ms; // newest append time
    uint64_t items;
    struct wf_part *parts;
    int file;         // -1 = not open
    unsigned readers; // that use file now
    bool dropped;     // unlinked; freed by its last reader
};

struct wf_index {
    struct wf_product **slots; // open addressing, a power of two
    size_t slot_count, product_count;
};

void wf_index_fini(struct wf_index *x);
struct wf_product *wf_index_find(const struct wf_index *x, const struct wf_hash *id);
// Finds or adds. NOMEM; TOO_BIG at WF_LOG_PRODUCTS.
WF_MUST_USE enum weft_err wf_index_add(
    struct wf_index *x, const struct wf_hash *id, struct wf_product **ret);
// Iterates: NULL starts, NULL ends.
struct wf_product *wf_index_next(const struct wf_index *x, size_t *slot);

// The product's part in the segment, which must be the newest; made when absent. Room for so many more runs than were
// reserved and not used by wf_part_add, so that adding can't fail. NOMEM.
WF_MUST_USE enum weft_err wf_part_reserve(
    struct wf_product *p, struct wf_segment *s, uint32_t runs, struct wf_part **ret);
// Records an item at file position at; the head moves to its end. Room was reserved.
void wf_part_add(struct wf_part *part, const struct wf_seg_item *item, uint64_t at);
// Frees a part and takes it out of its product. The segment's list is the caller's.
void wf_part_free(struct wf_part *part);

// Offsets from `to` on are no longer what older parts hold: a retry follows in a later segment.
void wf_product_rewind(struct wf_product *p, uint64_t to);

// The first run at or after (part, run) that can hold offset `from` or a later one; false when there is none. Start with
// *part = *run = 0; afterwards they name the run found.
bool wf_product_seek(const struct wf_product *p, uint64_t from, uint32_t *part, uint32_t *run);

// ---- sidecar -----------------------------------------------------------------------------------------------------------

// Appends the sidecar of a closed segment.
WF_MUST_USE enum weft_err wf_index_save(const struct wf_segment *s, struct wf_buf *out);
struct wf_sidecar {
    uint64_t end, items;
    int64_t time_ms;
    struct wf_bytes parts;
};
// Hash, salt and shape. DAMAGED; ORDER when it belongs to another segment.
WF_MUST_USE enum weft_err wf_sidecar_take(
    struct wf_bytes in, const struct wf_segment *s, struct wf_sidecar *ret);
// Adds its parts to the index. NOMEM.
WF_MUST_USE enum weft_err wf_sidecar_load(
    const struct wf_sidecar *side, struct wf_index *x, struct wf_segment *s);
// Only the heads: products that had offsets up to an end which the segment no longer holds.
WF_MUST_USE enum weft_err wf_sidecar_heads(const struct wf_sidecar *side, struct wf_index *x);

#endif
