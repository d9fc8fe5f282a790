// SPDX-License-Identifier: Apache-2.0
// The values of a series that are not older than a span, and what functions make of them. Owns its points. Bounded: WF_WINDOW_POINTS; what
// does not fit makes the window shorter, and is counted. Invariant: times rise, and the last minus the first is at most the span.
// Thread rule: one owner; no clock.
#ifndef WF_MONITORING_WINDOW_H
#define WF_MONITORING_WINDOW_H

#include "domains/monitoring/speed/expr.h"

#define WF_WINDOW_POINTS 4096u

struct wf_point {
    int64_t ms;
    double value;
};

struct wf_window {
    struct wf_point *points; // a ring
    unsigned first, count, room;
    uint64_t cut; // points that left before their time
};

// Adds a point that is later than the last, or replaces one of the same time. Where it may not grow the oldest point leaves. False when there is
// no room at all: then nothing changed.
bool wf_window_push(
    struct wf_window *w, int64_t span_ms, const struct wf_point *point, bool may_grow);
// Drops what is older than span at `now`.
void wf_window_advance(struct wf_window *w, int64_t span_ms, int64_t now_ms);
// Where points are missing that were lost.
enum wf_window_hole {
    WF_HOLE_NONE = 0,
    WF_HOLE_BETWEEN, // two points that are there
    WF_HOLE_AT_END   // before the first or behind the last
};
// NONE where there are too few points. count, sum, increase, changes and resets of nothing are 0. With a hole what is known of it: see its side.
void wf_window_value(const struct wf_window *w, enum wf_window_fn fn, enum wf_window_hole hole,
    struct wf_expr_value *ret);
size_t wf_window_bytes(const struct wf_window *w);
void wf_window_fini(struct wf_window *w);

#endif
