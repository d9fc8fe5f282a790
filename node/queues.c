// SPDX-License-Identifier: Apache-2.0
#include "node/queues.h"

#include <assert.h>

#include "node/log/log.h"
#include "sdk/loop/loop.h"

void wf_queues_add(struct wf_queues *q, const struct wf_queue *one)
{
    assert(q->count < WF_QUEUES_MAX);
    q->of[q->count++] = *one;
}

void wf_queues_add_log(struct wf_queues *q, struct wf_log *log)
{
    struct wf_log_stats s = { 0 };

    if (log)
        wf_log_stats(log, &s);
    wf_queues_add(q, &(struct wf_queue){ .name = "log",
                         .items = s.queue_items,
                         .bytes = s.queue_bytes,
                         .max_bytes = s.queue_max,
                         .dropped = s.refused_items });
}

void wf_queues_of(
    const struct wf_node *n, const struct wf_room *const *rooms, struct wf_queues *ret)
{
    struct wf_loop_stats s;

    ret->count = 0;
    wf_loop_get_stats(n->loop, &s);
    wf_queues_add(ret, &(struct wf_queue){ .name = "mailbox",
                           .items = s.mail_count,
                           .bytes = s.mail_bytes,
                           .max_items = s.mail_max_count,
                           .max_bytes = s.mail_max_bytes,
                           .dropped = s.mail_refused });
    for (size_t i = 0; rooms[i]; i++)
        if (rooms[i]->queues)
            rooms[i]->queues(n, ret);
}
