// SPDX-License-Identifier: Apache-2.0
#include "node/log_metrics.h"

#include "node/log/log.h"

struct histogram {
    enum wf_metric which;
    const uint32_t *bounds;
    size_t count;            // of bounds
    const uint64_t *classes; // one more than bounds
    double unit;             // of a bound
    double sum;
};

static void put_histogram(const struct histogram *h, struct wf_metrics *m)
{
    uint64_t below = 0;

    wf_metric_head(m, h->which);
    for (size_t i = 0; i < h->count; i++) {
        below += h->classes[i];
        wf_metric_bucket(m, h->which, h->bounds[i] * h->unit, below);
    }
    below += h->classes[h->count];
    wf_metric_sum(m, h->which, h->sum, below);
}

void wf_log_metrics(struct wf_log *log, struct wf_metrics *m)
{
    struct wf_log_stats s;

    if (!log)
        return;
    wf_log_stats(log, &s);
    const struct histogram sync = { WF_METRIC_LOG_SYNC, wf_log_sync_bounds_us, WF_LOG_SYNC_BOUNDS,
        s.sync_classes, 1e-6, (double)s.sync_us / 1e6 };
    const struct histogram group = { WF_METRIC_LOG_SYNCED, wf_log_group_bounds, WF_LOG_GROUP_BOUNDS,
        s.group_classes, 1, (double)s.group_items };
    wf_metric(m, WF_METRIC_LOG_BYTES, (double)s.bytes);
    wf_metric(m, WF_METRIC_LOG_SEGMENTS, (double)s.segments);
    wf_metric(m, WF_METRIC_LOG_ITEMS, (double)s.items);
    wf_metric(m, WF_METRIC_LOG_APPENDED, (double)s.appended_bytes);
    wf_metric(m, WF_METRIC_LOG_APPENDED_ITEMS, (double)s.appended_items);
    wf_metric(m, WF_METRIC_LOG_FAILED, (double)s.failed_items);
    wf_metric(m, WF_METRIC_LOG_DAMAGED, (double)s.damaged_reads);
    wf_metric(m, WF_METRIC_LOG_STOPPED, s.stopped != WEFT_OK);
    put_histogram(&sync, m);
    put_histogram(&group, m);
}
