// SPDX-License-Identifier: Apache-2.0
// One product read again from its owner's log into the store, from a place up to where the log ended when the reading began. What is stored
// already stays as it is: parts of batches are looked up before anything is added, so a refill and the storing of what is new do not
// disturb each other, and each record is there once. Owns a subscription of its own and touches no cursor. Thread rule: one thread.
#ifndef WF_MONITORING_REFILL_H
#define WF_MONITORING_REFILL_H

#include "domains/monitoring/batch/store.h"

struct wf_mon_place {    // where to begin
    enum weft_from from; // EARLIEST, OFFSET, TIME
    uint64_t offset;
    int64_t time_ms; // unix, of append
};
// "earliest", an offset, a time back as in 7d, a day (2026-11-21) or a time (2026-11-21T10:00:00Z), in UTC.
bool wf_mon_place_parse(const char *text, int64_t now_unix_ms, struct wf_mon_place *ret);

struct wf_mon_refill {
    char product[WF_MON_PRODUCT];
    struct weft_subscription *sub;
    struct wf_mon_table *table;
    bool has_begin, has_end, done;
    uint64_t begin, end, next; // offsets
    uint64_t seen, lost;       // records read; records that the owner has no more
    uint64_t added;            // records that were missing
    enum weft_stream_state state;
    struct weft_problem problem; // of the state
};
WEFT_MUST_USE enum weft_err wf_mon_refill_open(struct wf_mon_refill *r, struct weft_client *c,
    const char *product, const struct wf_mon_place *place, struct weft_problem *problem);
void wf_mon_refill_close(struct wf_mon_refill *r);
// Takes what waits, `max` events at most, into the open transaction. An error of the store's: roll back and begin again. What ends the
// subscription is in ret_problem, with its error.
WEFT_MUST_USE enum weft_err wf_mon_refill_take(struct wf_mon_refill *r, struct wf_mon_store *s,
    unsigned max, struct weft_problem *ret_problem);
// Whether it can come to something after `waited_ms`: an owner that refuses, stopped or never answers ends it.
WEFT_MUST_USE enum weft_err wf_mon_refill_judge(
    const struct wf_mon_refill *r, int64_t waited_ms, struct weft_problem *problem);
// 0 to 1000 of what there is to read.
unsigned wf_mon_refill_share(const struct wf_mon_refill *r);

#endif
