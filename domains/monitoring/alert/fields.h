// SPDX-License-Identifier: Apache-2.0
// A product of the mesh as the engine knows it: its shape, and its records as rows. Owns the shape's texts. Thread rule: one owner.
#ifndef WF_MONITORING_FIELDS_H
#define WF_MONITORING_FIELDS_H

#include "domains/monitoring/common/feed.h"
#include "domains/monitoring/speed/engine.h"

struct wf_fields {
    struct wf_shape shape;
    struct wf_pool pool;
    char schema[96];
    bool made;
};

// Makes the shape, or makes it anew when the schema is another one. p NULL: no schema is known yet. NOMEM.
WEFT_MUST_USE enum weft_err wf_fields_use(struct wf_fields *f, struct wf_engine *e,
    const struct wf_mon_feed *feed, const struct weft_product *p);
// What a product looks like is known before its first record: an inventory may have none.
WEFT_MUST_USE enum weft_err wf_fields_learn(
    struct wf_fields *f, struct wf_engine *e, const struct wf_mon_feed *feed);
void wf_fields_fini(struct wf_fields *f, struct wf_engine *e);

// Every record of an event in turn. next and append_ms: those before were judged in an earlier run.
WEFT_MUST_USE enum weft_err wf_fields_rows(struct wf_fields *f, struct wf_engine *e,
    const struct weft_product *p, const struct weft_event *event, uint64_t next, int64_t append_ms);

#endif
