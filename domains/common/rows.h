// SPDX-License-Identifier: Apache-2.0
// What a source prints: the rows of a sample as they are, an inventory as a whole snapshot, or only what differs from
// the snapshot before (docs/internals/sources.md). Reads two wf_outs and appends lines to a third; owns nothing.
// Invariant: after any sequence of these lines a reader holds exactly the rows of `now`. Pure.
#ifndef WF_COMMON_ROWS_H
#define WF_COMMON_ROWS_H

#include "domains/common/out.h"

// Orders the rows by key and keeps the last of those with one key.
void wf_rows_sort(struct wf_out *rows);

// Each appends whole lines, every one with "@time". NOMEM or TOO_BIG leave `lines` useless for printing.
WEFT_MUST_USE enum weft_err wf_rows_sample(
    const struct wf_out *now, int64_t unix_ms, struct wf_out *lines);
WEFT_MUST_USE enum weft_err wf_rows_snapshot(
    const struct wf_out *now, int64_t unix_ms, struct wf_out *lines);
// Both sorted: a delete for every key that went, a put for every row that is new or differs.
WEFT_MUST_USE enum weft_err wf_rows_changes(
    const struct wf_out *before, const struct wf_out *now, int64_t unix_ms, struct wf_out *lines);

#endif
