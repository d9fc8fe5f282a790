// SPDX-License-Identifier: Apache-2.0
// A batch on its way: which of its samples the next request has, and what an answer means. Owns the batch. Invariant: each sample is
// acknowledged, known to be there already, or named as a drop; requests go one after the other, so that times of a series rise.
// No I/O, no clock. Thread rule: one owner.
#ifndef WF_MONITORING_REMOTE_FLIGHT_H
#define WF_MONITORING_REMOTE_FLIGHT_H

#include "domains/monitoring/common/post.h"
#include "domains/monitoring/remote/series.h"

#define WF_REMOTE_FIRST_MS  500    // before a request is sent again; doubled
#define WF_REMOTE_MOST_MS   30000  // up to this
#define WF_REMOTE_OBEYED_MS 300000 // what a receiver may ask for
#define WF_REMOTE_SPLITS                                                                           \
    256u                   // of one batch between series: then what was refused is dropped as it is
#define WF_REMOTE_CUTS 32u // and within series

struct wf_remote_flight {
    struct wf_remote_batch batch; // ordered; count 0: nothing is on its way
    struct wf_remote_part {
        size_t from, to;
        bool maybe; // a request with these samples ended without an answer: they may be there
    } parts[96];    // the last one is next
    size_t part_count;
    unsigned tries, splits, cuts;
    int64_t again_ms;             // monotonic: not sent before
    uint64_t sent, already, lost; // samples, of this flight
    uint64_t unnamed;             // of those lost: without memory for their names
};

enum wf_remote_state { WF_REMOTE_GOES_ON, WF_REMOTE_WAITS, WF_REMOTE_LANDED, WF_REMOTE_HELD };

// Takes what the batch holds; `maybe`: an earlier process may have sent it. False without memory.
bool wf_remote_flight_start(struct wf_remote_flight *f, struct wf_remote_batch *batch, bool maybe);
// The samples of the next request, within the bounds of one.
void wf_remote_flight_next(
    struct wf_remote_flight *f, const struct wf_remote_sample **ret, size_t *ret_count);
// GOES_ON: another request; WAITS: the same one, at again_ms; LANDED: all of it is done; HELD: the receiver knows neither us nor its
// address, which no sample is to blame for: nothing changed. `dice`: any number, so that many senders do not come back at once.
enum wf_remote_state wf_remote_flight_answer(
    struct wf_remote_flight *f, const struct wf_post_answer *a, int64_t now_ms, uint64_t dice);
void wf_remote_flight_end(struct wf_remote_flight *f); // for the next one
void wf_remote_flight_fini(struct wf_remote_flight *f);

#endif
