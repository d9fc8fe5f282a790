// SPDX-License-Identifier: Apache-2.0
// What the alert process knows of itself as a product that rules may look at: monitor/products, a row for each product that it reads. It is
// not published and has no evidence but the process's own word. Owns its shape. Thread rule: one owner.
#ifndef WF_MONITORING_SELF_H
#define WF_MONITORING_SELF_H

#include "domains/monitoring/common/feed.h"
#include "domains/monitoring/speed/engine.h"

#define WF_SELF_PRODUCT "monitor/products"

// The shape that rows have; for who ties rules to it.
struct wf_shape wf_self_shape(void);
// The row of one feed, now.
WEFT_MUST_USE enum weft_err wf_self_row(struct wf_shape *shape, struct wf_engine *e,
    const struct wf_mon_feed *f, const char *cause, int64_t unix_ms);

#endif
