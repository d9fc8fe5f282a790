// SPDX-License-Identifier: Apache-2.0
// What the monitor knows of itself as products that rules may look at: monitor/products, a row for each product that the alert process reads;
// monitor/rules, a row for each rule that is SQL; monitor/limits, a row for each of the alert process's bounds; monitor/processes, a row for
// each process of the monitor on this machine. They are not published and have no evidence but the monitor's own word. Owns their shapes.
// Thread rule: one owner.
#ifndef WF_MONITORING_SELF_H
#define WF_MONITORING_SELF_H

#include "domains/monitoring/alert/notify.h"
#include "domains/monitoring/common/feed.h"
#include "domains/monitoring/common/pulse.h"
#include "domains/monitoring/speed/engine.h"

#define WF_SELF_PRODUCT "monitor/products"
#define WF_SELF_RULES   "monitor/rules"
#define WF_SELF_LIMITS  "monitor/limits"
#define WF_SELF_PARTS   "monitor/processes"

struct wf_self {
    union {
        struct {
            struct wf_shape products, rules, limits, parts;
        };
        struct wf_shape all[4];
    };
    uint64_t offset; // of the next row
};
#define WF_SELF_SHAPES 4u

// The shapes that rows have; for who ties rules to them.
struct wf_self wf_self_new(void);
// Ties the engine's rules to all of them; forgets them.
WEFT_MUST_USE enum weft_err wf_self_tie(struct wf_self *self, struct wf_engine *e);
void wf_self_forget(struct wf_self *self, struct wf_engine *e);
// The row of one feed, now.
WEFT_MUST_USE enum weft_err wf_self_row(struct wf_self *self, struct wf_engine *e,
    const struct wf_mon_feed *f, const char *cause, int64_t unix_ms);
// The rows of all rules that are SQL.
WEFT_MUST_USE enum weft_err wf_self_rules(
    struct wf_self *self, struct wf_engine *e, int64_t unix_ms);

// The rows of the alert process's bounds: how much of each is used, and what found no room since it began.
WEFT_MUST_USE enum weft_err wf_self_limits(struct wf_self *self, struct wf_engine *e,
    const struct wf_alerts *alerts, const struct wf_notify *notify, int64_t unix_ms);
// The rows of the processes that tell of themselves beside the database.
WEFT_MUST_USE enum weft_err wf_self_parts(
    struct wf_self *self, struct wf_engine *e, const char *db, int64_t unix_ms);

#endif
