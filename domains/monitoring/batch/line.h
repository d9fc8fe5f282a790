// SPDX-License-Identifier: Apache-2.0
// What status shows of one product, from what its feed knows now and what was told of it before. Pure: the clock is an argument.
#ifndef WF_MONITORING_LINE_H
#define WF_MONITORING_LINE_H

#include "domains/monitoring/batch/store.h"

struct wf_mon_now {
    int64_t mono_ms, unix_ms;
};
// What was told before: by this process (`told`), or where that told nothing yet by the one that had the product before it.
struct wf_mon_said wf_mon_line_said(const struct wf_mon_table *t, const struct wf_mon_line *told);
// Counts and last times are the store's and stay 0. `schema`: that of the line before, "" at first; that of now is written to it.
void wf_mon_line_fill(const struct wf_mon_feed *f, const struct wf_mon_said *said,
    char schema[WF_MON_SCHEMA_ID], struct wf_mon_now now, struct wf_mon_line *ret);

#endif
