// SPDX-License-Identifier: Apache-2.0
// Everything bounded that waits in a weftd, in one list: /metrics and `weft top` show the same. A room adds its own queues (struct wf_room);
// names are fixed words, so that they may be labels. Loop thread only.
#ifndef WF_NODE_QUEUES_H
#define WF_NODE_QUEUES_H

#include "node/node.h"

#define WF_QUEUES_MAX 32u

struct wf_queue {
    const char *name; // a literal
    uint64_t items, bytes;
    uint64_t max_items, max_bytes; // 0 = bounded by the other alone
    uint64_t dropped;              // since start: found no room, or made some
};

struct wf_queues {
    struct wf_queue of[WF_QUEUES_MAX];
    size_t count;
};

// Every name once. Beyond WF_QUEUES_MAX, which is ours to raise, it asserts.
void wf_queues_add(struct wf_queues *q, const struct wf_queue *one);
struct wf_log;
void wf_queues_add_log(struct wf_queues *q, struct wf_log *log); // what waits to be written
// The mailbox and those of all rooms (NULL-ended).
void wf_queues_of(
    const struct wf_node *n, const struct wf_room *const *rooms, struct wf_queues *ret);

#endif
