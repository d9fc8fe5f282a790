// SPDX-License-Identifier: Apache-2.0
// Records of a product that never come: of which origin, and until when a window has to count with them. Owns what it keeps of each origin that lost
// some. Bounded: beyond WF_HOLE_ORIGINS what is lost counts as nobody knows whose. Where the lost ones were in time is known once the next
// record is there, which the owner's node took after them; until then they may be of now. Thread rule: one owner; no clock.
#ifndef WF_MONITORING_HOLE_H
#define WF_MONITORING_HOLE_H

#include <weft/weft.h>

#define WF_HOLE_ORIGINS 4096u // of one product, that lost records

struct wf_loss {
    const char *origin; // NULL: nobody knows of which
    uint64_t count;
    int64_t now_ms;
};

struct wf_hole {
    bool open;      // nothing came behind it yet
    int64_t ms;     // the end of the newest, by the owner's node; 0: there was none
    uint64_t count; // of records, as long as a window may hold them
};

// One more loss; those that no window of that span holds any more are over.
void wf_hole_open(struct wf_hole *h, const struct wf_loss *loss, int64_t span_ms);
// A record came behind it, which the owner's node took then.
void wf_hole_close(struct wf_hole *h, int64_t append_ms);
// Whether a window from then on would hold records of it.
bool wf_hole_is_within(const struct wf_hole *h, int64_t from_ms);

struct wf_holes; // of one product
// What was lost of one origin, or of all.
struct wf_hole_view {
    struct wf_hole hole;
    uint64_t number; // grows with each loss
};

// Counts a loss; *at is made when it is the first. NOMEM.
WEFT_MUST_USE enum weft_err wf_holes_lose(
    struct wf_holes **at, const struct wf_loss *loss, int64_t span_ms);
// A record of this origin came. Of NULL holes none is nothing lost.
void wf_holes_heard(struct wf_holes *h, const char *origin, int64_t append_ms);
// origin NULL: of any.
void wf_holes_view(const struct wf_holes *h, const char *origin, struct wf_hole_view *ret);
// What no window of that span holds any more goes; so does what nothing came behind, once its loss was told so long ago.
void wf_holes_tick(struct wf_holes *h, int64_t now_ms, int64_t span_ms);
void wf_holes_free(struct wf_holes *h);

#endif
