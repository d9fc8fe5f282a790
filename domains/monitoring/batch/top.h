// SPDX-License-Identifier: Apache-2.0
// weft-monitor top as a function of two looks: rates, lag, delays, silent hosts, findings; as a picture or as one line of JSON. Pure: the
// terminal and the looking are cmd_top.c's. Invariant: a rate is told only of what rose between two looks that both saw it.
#ifndef WF_MONITORING_TOP_H
#define WF_MONITORING_TOP_H

#include <stdio.h>

#include <weft/screen.h>

#include "domains/monitoring/batch/sight.h"

struct wf_mon_look {
    int64_t at_ms; // monotonic
    struct wf_mon_sight sight;
};

enum wf_mon_sort {
    WF_MON_BY_NAME = 0,
    WF_MON_BY_RECORDS,
    WF_MON_BY_LAG,
    WF_MON_BY_AGE,
    WF_MON_BY_DELAY,
    WF_MON_SORTS
};
extern const char *const wf_mon_sort_names[WF_MON_SORTS];

// A product between two looks.
struct wf_mon_row {
    const struct wf_mon_line *line;
    double records_s, batches_s; // negative: not known
    int64_t age_ms;              // of its newest record; -1: there is none
    int64_t delay_ms;            // from append to row, of its newest batch; -1: there is none
};
// In the order wanted; now->sight.count of them are written. `before` may be NULL.
void wf_mon_top_rows(const struct wf_mon_look *before, const struct wf_mon_look *now,
    enum wf_mon_sort sort, struct wf_mon_row *out);
// How a number of a process rises, a second; negative: not known, or the process is another one.
double wf_mon_top_rate(const struct wf_mon_look *before, const struct wf_mon_look *now,
    const struct wf_mon_pulse *p, const char *name);

WEFT_MUST_USE enum weft_err wf_mon_top_text(const struct wf_mon_look *before,
    const struct wf_mon_look *now, enum wf_mon_sort sort, struct wf_picture *out);
WEFT_MUST_USE enum weft_err wf_mon_top_json(const struct wf_mon_look *before,
    const struct wf_mon_look *now, enum wf_mon_sort sort, FILE *out);

#endif
