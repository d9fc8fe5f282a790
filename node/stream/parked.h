// SPDX-License-Identifier: Apache-2.0
// Pulls that wait: each until something of its product comes, its time is up, its lease has ended or its caller is gone. Owns the list; who
// answers a pull, and with what, is its owner's (the home in range.c, a mirror in node/mirror/serve.c). Loop thread only.
// Invariant: where a pull goes on was decided when it came; a start by name or time is not looked up again after the wait.
#ifndef WF_NODE_STREAM_PARKED_H
#define WF_NODE_STREAM_PARKED_H

#include "node/control.h"
#include "proto/stream/stream.h"

#define WF_LEASE_ID_LEN 16u // random; a home's and a mirror's

// Where reading goes on: resets up to the log `after` are known to the reader.
struct wf_place {
    uint64_t from;
    struct wf_incarnation after;
};

struct wf_parked {
    struct wf_call *call;
    const void *product; // the owner's
    uint8_t lease_id[WF_LEASE_ID_LEN];
    struct wf_place place;
    // ---- filled by wf_park
    struct wf_parked_set *set;
    struct wf_parked *next;
    int64_t due_ms; // monotonic
};

struct wf_parked_set {
    struct wf_node *node;
    bool (*has_lease)(const struct wf_parked *w);
    // Answers the call, whose pull is no longer in the set: with nothing, too, and with LEASE where the lease has ended.
    void (*answer)(const struct wf_parked *w);
    size_t max;
    size_t count;
    uint64_t full; // since the start: answered at once for want of room
    struct wf_parked *first;
};

// The call of `w` waits for as long as its request says, at most WF_LONG_POLL_MS and its own deadline. False: it has to be answered now.
WF_MUST_USE bool wf_park(struct wf_parked_set *set, const struct wf_parked *w);
// Answers those of that product.
void wf_parked_wake(struct wf_parked_set *set, const void *product);
// Answers those whose time is up or whose lease has ended.
void wf_parked_tick(struct wf_parked_set *set);
// Answers all, as far as they are of that product; NULL: of any.
void wf_parked_end(struct wf_parked_set *set, const void *product);

#endif
