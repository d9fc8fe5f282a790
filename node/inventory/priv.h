// SPDX-License-Identifier: Apache-2.0
// The inside of node/inventory: folds, and the query thread with its queue.
#ifndef WF_NODE_INVENTORY_PRIV_H
#define WF_NODE_INVENTORY_PRIV_H

#include <pthread.h>

#include "node/inventory/fold.h"
#include "node/inventory/room.h"
#include "sdk/loop/loop.h"

#define WF_INVENTORY_ORIGINS 64u // certificates whose subject is remembered

struct inventory {
    struct wf_hash product_id;
    struct wf_fold *fold;
    char *path;
    bool replaying, failed, dirty;
    struct inventory *next;
};

struct job {
    struct wf_mail mail; // back to the loop
    struct wf_node *node;
    struct wf_call *call; // NULL once the caller is gone
    struct wf_fold_query q;
    struct wf_fold_result result;
    struct wf_diag diag;
    enum weft_err err;
    struct wf_arena arena; // of the query's copies
    struct wf_hash product_id;
    struct job *next;
};

struct origin_name {
    struct wf_hash certificate;
    struct wf_name subject;
};

struct wf_inventory_room {
    struct wf_node *node;
    struct inventory *first;
    struct wf_timer commit;
    struct origin_name origins[WF_INVENTORY_ORIGINS];
    size_t origin_next;
    // The query thread.
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop;
    struct job *queue, **queue_end;
    size_t queued;
    uint64_t queries, refused;
};

struct inventory *wf_inventory_find(struct wf_node *n, const struct wf_hash *product_id);
void *wf_query_thread(void *room);
// Ends what waits in the queue; the thread has ended before.
void wf_queries_close(struct wf_inventory_room *r);

#endif
