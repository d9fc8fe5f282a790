// SPDX-License-Identifier: Apache-2.0
// The built-in metric product DOMAIN/signals-NODE: latency, traffic, errors and saturation of everything this node serves, told to whom
// weftd.yaml's `access: signals:` names. Owns the product's rows in the making; the counts are the rooms' own. Loop thread only.
// Invariant: nobody may read it, so nothing is told: without a domain in `signals:` there is no product.
#ifndef WF_NODE_SIGNALS_ROOM_H
#define WF_NODE_SIGNALS_ROOM_H

#include "node/node.h"
#include "node/signals/latency.h"

#define WF_SIGNALS_EVERY_MS 10000
#define WF_SIGNALS_PREFIX   "signals-"

extern const struct wf_room wf_signals_room;

// One row: as proto/weft/v1/signal_record.proto has it.
struct wf_signal {
    const char *kind; // a literal
    const char *name;
    uint64_t traffic, errors, bytes; // since the start
    struct wf_latency *took, *age; // since the last telling, and emptied by it; NULL = not measured
    double saturation;             // negative = it has no bound
    bool is_stream;                // readers, lag_records and freshness_ms hold
    uint64_t readers, lag_records;
    int64_t silent_ms;    // negative = unknown
    int64_t freshness_ms; // 0 = nothing was promised
    int64_t expires_ms;   // 0 = it does not end
};

// A room adds its rows (struct wf_room); one with no traffic and no errors that is neither queue nor resource is left out.
void wf_signals_add(struct wf_signals *s, const struct wf_signal *one);

// How one kind of work does: a room has one for each, and says of it what a row says.
struct wf_traffic {
    uint64_t count, errors;
    struct wf_latency took;
};

#endif
