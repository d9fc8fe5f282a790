// SPDX-License-Identifier: Apache-2.0
#include "node/log_metrics.h"

#include "node/log/log.h"

struct histogram {
    const char *name;
    const uint32_t *bounds;
    size_t count;            // of bounds
    const uint64_t *classes; // one more than bounds
    double unit;             // of a bound
    double sum;
};

static enum weft_err put_histogram(const struct histogram *h, struct wf_buf *out)
{
    uint64_t below = 0;
    enum weft_err err = wf_buf_printf(out, "# TYPE %s histogram\n", h->name);

    for (size_t i = 0; i < h->count && !err; i++) {
        below += h->classes[i];
        err = wf_buf_printf(out, "%s_bucket{le=\"%g\"} %llu\n", h->name, h->bounds[i] * h->unit,
            (unsigned long long)below);
    }
    below += h->classes[h->count];
    return err ? err
               : wf_buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n",
                     h->name, (unsigned long long)below, h->name, h->sum, h->name,
                     (unsigned long long)below);
}

enum weft_err wf_log_metrics(struct wf_log *log, struct wf_buf *out)
{
    struct wf_log_stats s;

    if (!log)
        return WEFT_OK;
    wf_log_stats(log, &s);
    const struct histogram sync = { "weft_log_sync_seconds", wf_log_sync_bounds_us,
        WF_LOG_SYNC_BOUNDS, s.sync_classes, 1e-6, (double)s.sync_us / 1e6 };
    const struct histogram group = { "weft_log_synced_items", wf_log_group_bounds,
        WF_LOG_GROUP_BOUNDS, s.group_classes, 1, (double)s.group_items };
    enum weft_err err = wf_buf_printf(out,
        "# TYPE weft_log_bytes gauge\nweft_log_bytes %llu\n"
        "# TYPE weft_log_appended_bytes_total counter\nweft_log_appended_bytes_total %llu\n"
        "# TYPE weft_log_appended_items_total counter\nweft_log_appended_items_total %llu\n"
        "# TYPE weft_log_failed_items_total counter\nweft_log_failed_items_total %llu\n"
        "# TYPE weft_log_damaged_reads_total counter\nweft_log_damaged_reads_total %llu\n",
        (unsigned long long)s.bytes, (unsigned long long)s.appended_bytes,
        (unsigned long long)s.appended_items, (unsigned long long)s.failed_items,
        (unsigned long long)s.damaged_reads);

    if (!err)
        err = put_histogram(&sync, out);
    return err ? err : put_histogram(&group, out);
}
