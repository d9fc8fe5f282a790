// SPDX-License-Identifier: Apache-2.0
// A backfill that the storing process does for a command beside it: a WAL of SQLite may have one writer that checkpoints, so the command
// asks in a small file, DB-backfill, and reads in another one, DB-backfill-said, how far it is. An order ends when it is done or when who gave
// it is gone. Owns the refill. Invariant: the refill's records and those of the feeds are in the same transactions, each looked up before it
// is added. Thread rule: the storing loop; the functions of the command are the command's.
#ifndef WF_MONITORING_ORDERED_H
#define WF_MONITORING_ORDERED_H

#include "domains/monitoring/batch/refill.h"

#define WF_MON_ORDER_ID 40u

// ---- the command's ---------------------------------------------------------------------------------------------------------

struct wf_mon_order {
    char id[WF_MON_ORDER_ID]; // of this order and no other
    char product[WF_MON_PRODUCT];
    struct wf_mon_place place;
};
struct wf_mon_progress {
    char id[WF_MON_ORDER_ID];
    bool over;         // done, or given up with `err`
    enum weft_err err; // with `problem`
    unsigned share;    // 0 to 1000
    uint64_t seen, added, lost;
    char problem[400];
};
// Gives the order; it stands as long as the descriptor is open. IN_USE: another one stands.
WEFT_MUST_USE enum weft_err wf_mon_order_create(
    const char *db, const struct wf_mon_order *order, int *ret_fd);
// NOT_FOUND: nothing was said about this order yet; CLOSED: who said it is gone.
WEFT_MUST_USE enum weft_err wf_mon_order_progress(
    const char *db, const char *id, struct wf_mon_progress *ret);

// ---- the storing process's ---------------------------------------------------------------------------------------------------

struct wf_mon_ordered {
    const char *db;
    int fd; // of what is said; -1: not yet
    bool active;
    struct wf_mon_order order;
    struct wf_mon_refill refill;
    struct wf_mon_progress said;
    uint64_t added; // in transactions that were committed
    int64_t began_ms, told_ms;
    unsigned tries;
};
// About every second: whether there is something to do, or no more.
void wf_mon_ordered_look(struct wf_mon_ordered *d, struct weft_client *c, int64_t now_ms);
// Into the open transaction. An error is the store's: roll back, then wf_mon_ordered_again.
WEFT_MUST_USE enum weft_err wf_mon_ordered_take(
    struct wf_mon_ordered *d, struct wf_mon_store *s, unsigned max, int64_t now_ms);
void wf_mon_ordered_committed(struct wf_mon_ordered *d);
// After a rollback: read again from its beginning, as what was committed is found and left out; `err` that no try helps ends it.
void wf_mon_ordered_again(
    struct wf_mon_ordered *d, struct weft_client *c, enum weft_err err, const char *problem);
void wf_mon_ordered_fini(struct wf_mon_ordered *d);

#endif
