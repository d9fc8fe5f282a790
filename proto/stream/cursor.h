// SPDX-License-Identifier: Apache-2.0
// Cursors: where a reader stands in one product. The last logs read and how far, and one mark for each origin, so that a
// record is delivered once even when a batch comes again in another log. Owns the marks.
// Invariant: logs are distinct, newest last; marks are sorted by origin, each origin once.
// Thread rule: a cursor belongs to one thread at a time.
#ifndef WF_STREAM_CURSOR_H
#define WF_STREAM_CURSOR_H

#include "proto/stream/batch.h"
#include "proto/stream/lost.h"

struct wf_mark {
    struct wf_sign_pub origin;
    struct wf_incarnation incarnation;
    uint64_t next_seq;
    uint64_t lost; // the cursor's, when the mark was moved last
    uint32_t day;  // since 1970, of its last batch's append; 0 = not known
};
struct wf_cursor {
    struct wf_hash product_id;
    uint64_t lost;  // records told as lost by offset, so of whatever origin
    uint64_t owned; // of them, those whose origin the numbers behind them showed since
    size_t log_count;
    struct wf_log_end {
        struct wf_incarnation log_id;
        uint64_t end_offset;
    } logs[WF_MAX_CURSOR_LOGS]; // newest last
    size_t mark_count;
    struct wf_mark *marks; // sorted by origin; in `store`
    uint32_t day;          // the latest of all marks
    struct wf_buf store;   // private
};
void wf_cursor_init(struct wf_cursor *c, const struct wf_hash *product_id);
void wf_cursor_fini(struct wf_cursor *c);

// The next offset wanted and the log it is of; 0 and none at the very start.
void wf_cursor_position(
    const struct wf_cursor *c, struct wf_incarnation *ret_log, uint64_t *ret_offset);
// After an entry of this log was delivered up to end_offset. Never moves back. A new log id is added, the oldest of more
// than WF_MAX_CURSOR_LOGS dropped.
void wf_cursor_advance(
    struct wf_cursor *c, const struct wf_incarnation *log_id, uint64_t end_offset);

// The origin's mark, or NULL.
const struct wf_mark *wf_cursor_find(const struct wf_cursor *c, const struct wf_sign_pub *origin);
// How many records at the front of this batch were already delivered (0..count)? All of an older incarnation than the
// mark's; the overlap of the same; none of a newer one.
uint32_t wf_cursor_skip(const struct wf_cursor *c, const struct wf_batch_header *h);
// Moves the origin's mark past this batch, which its home appended then, never back. Of WF_MAX_CURSOR_MARKS the one moved longest ago makes
// room when that is a week or more; TOO_BIG when none is that old, NOMEM.
#define WF_MARK_DAYS 7u
WF_MUST_USE enum weft_err wf_cursor_mark(
    struct wf_cursor *c, const struct wf_batch_header *h, int64_t append_ms);
// So many records were told as lost by their offsets; whose they were nobody knows yet.
void wf_cursor_lose(struct wf_cursor *c, uint64_t count);
// Numbers of one chain that never come: [from, told) were told as lost by their offsets, and now it is known whose they were; [told, to)
// were not.
struct wf_gap {
    uint64_t from, told, to;
};
// Are seqs of the batch's chain missing before it? Only of an origin with a mark. Moves the mark up to the batch. What was told as lost by
// offset since that mark moved, and is no other origin's, accounts for as many.
bool wf_cursor_hole(struct wf_cursor *c, const struct wf_batch_header *h, struct wf_gap *ret);
// What a log's reset says that its home lost: is it news to this reader? What it had read, and what is of an incarnation that it is beyond, is
// not. Moves the mark behind it, or makes one while there is room.
bool wf_cursor_lost(struct wf_cursor *c, const struct wf_lost *lost, struct wf_gap *ret);

// ---- as one message, and as rows ---------------------------------------------------------------------------------------

WF_MUST_USE enum weft_err wf_cursor_pack(const struct wf_cursor *c, struct wf_buf *out);
// Strict: TOO_BIG, TRUNCATED, SYNTAX, NOT_CANONICAL, UNKNOWN_FIELD, MISSING_FIELD, ORDER (marks not sorted, a log twice),
// RANGE (more owned than lost), NOMEM. *ret needs no init before and wf_cursor_fini after success.
WF_MUST_USE enum weft_err wf_cursor_parse(struct wf_bytes in, struct wf_cursor *ret);

// A cursor as rows that an application replaces by key in its own transaction: one row for the logs, lost and owned, key 1 || product id,
// and one for each origin, key 2 || product id || origin. A value is a Cursor message with that part alone.
#define WF_CURSOR_KEY_MAX   (1u + WF_HASH_LEN + WF_KEY_LEN)
#define WF_CURSOR_VALUE_MAX 352u
struct wf_cursor_row {
    size_t key_len, value_len;
    uint8_t key[WF_CURSOR_KEY_MAX], value[WF_CURSOR_VALUE_MAX];
};
void wf_cursor_logs_row(const struct wf_cursor *c, struct wf_cursor_row *ret);
void wf_cursor_mark_row(
    const struct wf_cursor *c, const struct wf_mark *mark, struct wf_cursor_row *ret);
// Puts a stored row back, in any order of rows. TYPE for a row of another product, SYNTAX for a key that is none or does
// not fit its value, and the codes of wf_cursor_parse.
WF_MUST_USE enum weft_err wf_cursor_load_row(
    struct wf_cursor *c, struct wf_bytes key, struct wf_bytes value);

#endif
