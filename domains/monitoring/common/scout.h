// SPDX-License-Identifier: Apache-2.0
// Looks at the catalog every few seconds in a thread of its own, as an answer may take as long as a deadline and records must not wait for
// it. Owns the thread and the list. Thread rule: start, take and stop belong to one thread; the client is shared with the scout's.
#ifndef WF_MONITORING_SCOUT_H
#define WF_MONITORING_SCOUT_H

#include "domains/monitoring/common/table.h"

#define WF_MON_MAX_PRODUCTS 4096u
#define WF_MON_SCHEMA_ID    80u // a schema's hash, printed, with its NUL

struct wf_mon_found {
    char product[WF_MON_PRODUCT];
    enum weft_product_kind kind;
    int64_t freshness_ms;
    bool gone;
    char schema[WF_MON_SCHEMA_ID]; // that its owner promises now
};

struct wf_mon_scout;
WEFT_MUST_USE enum weft_err wf_mon_scout_start(
    struct weft_client *c, unsigned every_ms, struct wf_mon_scout **ret);
// Waits for a look under way (a deadline at most). NULL is permitted.
void wf_mon_scout_stop(struct wf_mon_scout *s);
// Readable when there is news.
int wf_mon_scout_fd(const struct wf_mon_scout *s);
// The newest list (malloc'd, now the caller's) or, after a look that failed, err with a problem. TIMEOUT: nothing new.
WEFT_MUST_USE enum weft_err wf_mon_scout_take(struct wf_mon_scout *s, struct wf_mon_found **ret,
    size_t *ret_count, struct weft_problem *problem);

#endif
