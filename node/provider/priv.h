// SPDX-License-Identifier: Apache-2.0
// The inside of node/provider: calls under way, who waits for them, local handlers that wait for calls. Loop thread only.
#ifndef WF_NODE_PROVIDER_PRIV_H
#define WF_NODE_PROVIDER_PRIV_H

#include "node/provider/calls.h"
#include "node/provider/polls.h"
#include "node/provider/room.h"
#include "node/signals/room.h"
#include "node/stream/room.h"
#include "proto/schema/schema.h"
#include "sdk/loop/loop.h"

struct active { // a call under way
    struct wf_node *node;
    struct wf_call_record record;
    struct wf_home_product *product;
    const struct wf_schema_method *method;
    struct wf_buf request; // message bytes
    char caller[140], product_name[WF_MAX_NAME + 1];
    uint8_t task[16];
    bool taken;        // by whoever acts: from here on it may have been done
    bool with_handler; // a local one, whose answer names the task
    bool waits;        // for a local handler to come
    int64_t deadline_ms;
    int64_t begun_us; // as wf_loop_exact_us
    struct wf_timer timer;
    struct waiter *waiters;
    struct active *next;
};

struct waiter {           // a caller parked until the end, or until it has waited long enough
    struct wf_call *call; // NULL once gone
    struct active *active;
    struct wf_timer timer;
    struct waiter *next;
};

struct wf_api_traffic {
    struct wf_api_traffic *next;
    char name[2 * WF_MAX_NAME + 2]; // PRODUCT/METHOD
    struct wf_traffic traffic;
};

struct wf_provider_room {
    struct wf_calls *calls;
    struct active *first;
    size_t active_count;
    struct wf_polls polls;
    int64_t prune_at_ms;
    uint64_t count, failed;
    struct wf_api_traffic *methods;
    size_t method_count;
};

// Ends a call: kept, then told to everybody who waits. a is gone afterwards.
void wf_active_finish(struct active *a, enum wf_call_state state, enum weft_err err,
    struct wf_bytes result, const char *error);
// The same with a result that must fit the method's output.
void wf_active_result(struct active *a, struct wf_bytes result);
// What whoever runs the call is told of it; points into a.
Weft__V1__Task wf_active_task(struct active *a);
// Hands the call to a local handler that polls for it. False: none does.
bool wf_active_start_handler(struct active *a);

// ---- traffic.c
void wf_api_measure(struct wf_provider_room *r, const struct active *a); // a has ended
void wf_api_signals(struct wf_node *n, struct wf_signals *out);
void wf_api_traffic_free(struct wf_provider_room *r);

#endif
