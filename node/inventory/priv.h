// SPDX-License-Identifier: Apache-2.0
// The inside of node/inventory: folds, and queries under way.
#ifndef WF_NODE_INVENTORY_PRIV_H
#define WF_NODE_INVENTORY_PRIV_H

#include "node/inventory/fold.h"
#include "node/inventory/room.h"
#include "node/pool.h"
#include "node/stream/room.h"

#define WF_INVENTORY_ORIGINS 64u // certificates whose subject is remembered

struct inventory {
    struct wf_hash product_id;
    struct wf_fold *fold; // NULL only once it failed
    const struct wf_schema_message *message;
    unsigned generation; // of the log that is folded
    char *path;
    uint64_t nameless; // entries whose origin's certificate is not here: their rows are missing
    bool replaying, failed, dirty;
    int64_t retry_ms; // of a failed one: tried again then
    struct inventory *next;
};

// A query under way: the worker has all but `call` and the links, which are the loop's.
struct query {
    struct wf_job job; // first
    struct wf_node *node;
    struct wf_call *call; // NULL once the caller is gone
    struct query *next, *prev;
    struct wf_fold_query q;
    atomic_bool cancelled;
    struct wf_fold_result result;
    struct wf_diag diag;
    enum weft_err err;
    struct wf_arena arena; // of the query's copies
    struct wf_hash product_id;
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
    struct query *running; // and waiting
    size_t running_count;
    uint64_t queries, refused;
};

struct inventory *wf_inventory_find(struct wf_node *n, const struct wf_hash *product_id);
// The same; a product applied since the last tick gets its fold now. NULL: no inventory, or it can't be opened (said in the log).
struct inventory *wf_inventory_of(struct wf_node *n, struct wf_home_product *p);
// Every query under way ends soon: the node stops.
void wf_queries_cancel(struct wf_inventory_room *r);

#endif
