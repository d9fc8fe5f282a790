// SPDX-License-Identifier: Apache-2.0
// Types that records, batches, entries, frames, heartbeats and cursors share. Values only.
#ifndef WF_STREAM_STREAM_H
#define WF_STREAM_STREAM_H

#include "proto/base/crypto.h"
#include "proto/base/limits.h"

// One run of an origin, or of a home's log: ordered by counter, then by random. All zero = none.
struct wf_incarnation {
    uint64_t counter, random;
};
static inline bool wf_incarnation_eq(const struct wf_incarnation *a, const struct wf_incarnation *b)
{
    return a->counter == b->counter && a->random == b->random;
}
static inline bool wf_incarnation_is_none(const struct wf_incarnation *a)
{
    return a->counter == 0 && a->random == 0;
}
// counter = max(last + 1, now in unix ms, highest the peer knows + 1); random is handed in.
struct wf_incarnation wf_incarnation_next(
    uint64_t last, int64_t now_unix_ms, uint64_t peer_highest, uint64_t random);
// May this clock accept it? The bound keeps a stolen key from using up the counters: what is too far ahead is refused
// (FUTURE), and what was accepted is overtaken by peer_highest + 1 as time goes on.
bool wf_incarnation_is_plausible(const struct wf_incarnation *i, int64_t now_unix_ms);
// Order by counter, then by random: <0, 0, >0.
int wf_incarnation_cmp(const struct wf_incarnation *a, const struct wf_incarnation *b);
// 32 lower-case hex digits and NUL.
#define WF_INCARNATION_TEXT 33u
void wf_incarnation_print(const struct wf_incarnation *i, char out[WF_INCARNATION_TEXT]);
WF_MUST_USE enum weft_err wf_incarnation_parse(struct wf_bytes text, struct wf_incarnation *ret);

enum wf_record_op { WF_OP_PUT = 0, WF_OP_DELETE, WF_OP_SNAPSHOT_BEGIN, WF_OP_SNAPSHOT_END };

#endif
