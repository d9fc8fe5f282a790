// SPDX-License-Identifier: Apache-2.0
// What the alert process knows of itself as products that rules may look at: monitor/products, a row for each product that it reads, and
// monitor/rules, a row for each rule that is SQL. They are not published and have no evidence but the process's own word. Owns their shapes.
// Thread rule: one owner.
#ifndef WF_MONITORING_SELF_H
#define WF_MONITORING_SELF_H

#include "domains/monitoring/common/feed.h"
#include "domains/monitoring/speed/engine.h"

#define WF_SELF_PRODUCT "monitor/products"
#define WF_SELF_RULES   "monitor/rules"

struct wf_self {
    struct wf_shape products, rules;
    uint64_t offset; // of the next row
};

// The shapes that rows have; for who ties rules to them.
struct wf_self wf_self_new(void);
// The row of one feed, now.
WEFT_MUST_USE enum weft_err wf_self_row(struct wf_self *self, struct wf_engine *e,
    const struct wf_mon_feed *f, const char *cause, int64_t unix_ms);
// The rows of all rules that are SQL.
WEFT_MUST_USE enum weft_err wf_self_rules(
    struct wf_self *self, struct wf_engine *e, int64_t unix_ms);

#endif
