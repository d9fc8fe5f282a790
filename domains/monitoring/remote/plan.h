// SPDX-License-Identifier: Apache-2.0
// What each field of a product is to a receiver of series, and a record read by that. Owns its copies of names. Invariant: labels stand in
// order of their names. Thread rule: one owner.
#ifndef WF_MONITORING_REMOTE_PLAN_H
#define WF_MONITORING_REMOTE_PLAN_H

#include "domains/monitoring/remote/series.h"

struct wf_remote_plan {
    char *schema;
    size_t field_count;
    struct wf_remote_label {
        char name[WF_REMOTE_NAME];
        int field; // or one of the others
        size_t from, len;
    } * labels; // from, len: of the record at hand, in `text`
    size_t label_count;
    struct wf_remote_value {
        char name[WF_REMOTE_NAME];
        size_t field;
    } * values;
    size_t value_count;
    int time_field; // -1: the record's time
    char left_out[160];
    struct wf_remote_bytes text, encoded;
};
#define WF_REMOTE_IS_NAME    (-1)
#define WF_REMOTE_IS_DOMAIN  (-2)
#define WF_REMOTE_IS_PRODUCT (-3)
#define WF_REMOTE_IS_ORIGIN  (-4)

// `product`: "domain/name". NULL without memory.
struct wf_remote_plan *wf_remote_plan_new(const char *product, const struct weft_product *p);
void wf_remote_plan_free(struct wf_remote_plan *plan);
bool wf_remote_plan_is(const struct wf_remote_plan *plan, const struct weft_product *p);
// Reads the labels of a record. NOMEM.
WEFT_MUST_USE enum weft_err wf_remote_plan_read(struct wf_remote_plan *plan, const char *product,
    const char *origin, const struct weft_product *p, const struct weft_record *r);
// The labels of one value of the record that was read, into plan->encoded. NOMEM.
WEFT_MUST_USE enum weft_err wf_remote_plan_labels(struct wf_remote_plan *plan, size_t value);
// Its number as the bits of a double; false: the record has none. NOMEM.
WEFT_MUST_USE enum weft_err wf_remote_plan_bits(const struct wf_remote_plan *plan, size_t value,
    const struct weft_product *p, const struct weft_record *r, bool *ret_there, uint64_t *ret_bits);
// When it was, in unix milliseconds. NOMEM.
WEFT_MUST_USE enum weft_err wf_remote_plan_time(const struct wf_remote_plan *plan,
    const struct weft_product *p, const struct weft_record *r, int64_t *ret_ms);

#endif
