// SPDX-License-Identifier: Apache-2.0
// Rules that are SQL: (state, time, record) -> which rows the answer has. Owns the windows of the products that such rules look at, when each
// rule is asked next, and for which labels it was true. A part of the engine. A rule that cannot be judged changes nothing and says why; others
// go on. Invariant: a rule is asked at whole multiples of its `every`, at most so much a tick, whatever the machine: a test file's time
// gives what the mesh's gives. Thread rule: one owner; no clock.
#ifndef WF_MONITORING_SQL_H
#define WF_MONITORING_SQL_H

#include "domains/monitoring/speed/engine.h"
#include "domains/monitoring/speed/hole.h"
#include "domains/monitoring/speed/query.h"

#define WF_SQL_ROWS     1000u    // of one answer
#define WF_SQL_COLUMNS  64u      // of one answer
#define WF_SQL_TEXT     4194304u // of one answer's texts
#define WF_SQL_ORIGINS  100000u  // of one window
#define WF_SQL_WAITS_MS 600000   // until a rule that waits is told
#define WF_SQL_SERIES   20000u   // for which one rule is true: no more alerts are there

// Of rules that came with the products of one domain, which have a database of their own.
#define WF_SQL_GUESTS        16u // domains
#define WF_SQL_GUEST_BYTES   (16u * 1024 * 1024)
#define WF_SQL_GUEST_RECORDS 50000u // of one table
#define WF_SQL_GUEST_STEPS   1000000u
#define WF_SQL_GUEST_CPU_MS  250
#define WF_SQL_GUEST_MEMORY  (8u * 1024 * 1024)
#define WF_SQL_GUEST_LENGTH  16384u
#define WF_SQL_GUEST_ROWS    100u
#define WF_SQL_GUEST_SERIES  1000u
#define WF_SQL_GUEST_TICK    2000000u // steps of all domains together
#define WF_SQL_GUEST_REST    20 // times of what it took a domain's next question waits at least

// What one set of rules may take.
struct wf_sql_bounds {
    struct wf_query_limits query;
    size_t rows, series; // of an answer; for which one rule is true
    int rest;            // 0: no question waits for one before
};

struct wf_sql;
// domain: of rules that came with its products; "": the monitor's own. NULL without memory.
struct wf_sql *wf_sql_new(
    const char *domain, const struct wf_sql_bounds *bounds, wf_observe_fn fn, void *arg);
void wf_sql_free(struct wf_sql *s);
// From now on those of these rules that are its own. Those that are the same go on; the others' series are told to be gone.
WEFT_MUST_USE enum weft_err wf_sql_rules(
    struct wf_sql *s, const struct wf_rules *rules, int64_t now_ms);
// A record, an inventory's mark, a shape that is new or another one, a shape that goes.
WEFT_MUST_USE enum weft_err wf_sql_row(struct wf_sql *s, const struct wf_row *row);
WEFT_MUST_USE enum weft_err wf_sql_mark(
    struct wf_sql *s, struct wf_shape *shape, const char *origin, uint64_t offset, bool end);
WEFT_MUST_USE enum weft_err wf_sql_reshape(struct wf_sql *s, struct wf_shape *shape);
void wf_sql_forget(struct wf_sql *s, const struct wf_shape *shape);
// Records that never come.
void wf_sql_lose(struct wf_sql *s, const struct wf_shape *shape, const struct wf_loss *loss);
// Windows move on, and what is due is asked, until *steps are used up.
WEFT_MUST_USE enum weft_err wf_sql_tick(struct wf_sql *s, int64_t now_ms, uint64_t *steps);
// Whether a rule is one of this set.
bool wf_sql_owns(const struct wf_sql *s, const struct wf_rule *rule);
// An alert of an earlier run: for its labels the rule was true.
WEFT_MUST_USE enum weft_err wf_sql_was_true(struct wf_sql *s, const char *rule,
    const struct wf_labels *labels, const char *product, const char *origin);
// Whether windows of the product have to be read again, as rules that came later look at it.
bool wf_sql_lacks(const struct wf_sql *s, const char *product);
// What its windows take; records that found no room are with those that were pushed out.
void wf_sql_usage(const struct wf_sql *s, struct wf_query_usage *ret);
void wf_sql_each(const struct wf_sql *s, wf_engine_sql_fn fn, void *arg);
const char *wf_sql_problem(const struct wf_sql *s); // for status; "" when there is none

#endif
