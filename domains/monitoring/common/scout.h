// SPDX-License-Identifier: Apache-2.0
// Looks at the catalog every few seconds in a thread of its own, as an answer may take as long as a deadline and records must not wait for
// it. Owns the thread and the list. Thread rule: start, take and stop belong to one thread; the client is shared with the scout's.
#ifndef WF_MONITORING_SCOUT_H
#define WF_MONITORING_SCOUT_H

#include "domains/monitoring/common/table.h"

#define WF_MON_MAX_PRODUCTS 4096u  // that one process watches
#define WF_MON_MAX_FOUND    16384u // of a catalog
#define WF_MON_SCHEMA_ID    80u    // a schema's hash, printed, with its NUL
#define WF_MON_SCOUT_TAKES  64u    // patterns

struct wf_mon_found {
    char product[WF_MON_PRODUCT];
    enum weft_product_kind kind;
    int64_t freshness_ms;
    bool gone;
    char schema[WF_MON_SCHEMA_ID]; // that its owner promises now
    char version[64], owner[100];
    char rules[96];    // hash of the rules that come with it, printed; "": none
    char *text;        // of the rules, where they were wanted and are others than before; NULL: not
    char problem[200]; // why they could not be fetched; ""
};
void wf_mon_found_free(struct wf_mon_found *found, size_t count);

struct wf_mon_scout;
WEFT_MUST_USE enum weft_err wf_mon_scout_start(
    struct weft_client *c, unsigned every_ms, struct wf_mon_scout **ret);
// Waits for a look under way (a deadline at most). NULL is permitted.
void wf_mon_scout_stop(struct wf_mon_scout *s);
// Rules that come with products of these patterns are fetched from now on: once, and again when they change.
void wf_mon_scout_wants(struct wf_mon_scout *s, const char *const *patterns, size_t count);
// One that ended: should it come back, it is new.
void wf_mon_scout_forget(struct wf_mon_scout *s, const char *product);
// Readable when there is news.
int wf_mon_scout_fd(const struct wf_mon_scout *s);
// The newest list (now the caller's, for wf_mon_found_free) or, after a look that failed, err with a problem. TIMEOUT: nothing new.
// beyond: so many products more are in the catalog.
struct wf_mon_finds {
    struct wf_mon_found *found;
    size_t count, beyond;
};
WEFT_MUST_USE enum weft_err wf_mon_scout_take(
    struct wf_mon_scout *s, struct wf_mon_finds *ret, struct weft_problem *problem);

#endif
