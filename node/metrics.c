// SPDX-License-Identifier: Apache-2.0
#include "node/metrics.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *type, *help;
} families[WF_METRIC_COUNT] = {
#define X(id, name, type, labels, help) { name, type, help },
    WF_METRIC_TABLE(X)
#undef X
};

static void put(struct wf_metrics *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct wf_metrics *m, const char *format, ...)
{
    char line[600];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    m->err = m->err ? m->err : wf_buf_append_str(m->out, line);
}

// Whole numbers to 2^53 as they are; the rest to the microsecond.
static void put_value(struct wf_metrics *m, double value)
{
    put(m, value == floor(value) ? " %.0f\n" : " %.6f\n", value);
}

void wf_metric_head(struct wf_metrics *m, enum wf_metric which)
{
    put(m, "# HELP %s %s\n# TYPE %s %s\n", families[which].name, families[which].help,
        families[which].name, families[which].type);
}

void wf_metric(struct wf_metrics *m, enum wf_metric which, double value)
{
    wf_metric_head(m, which);
    put(m, "%s", families[which].name);
    put_value(m, value);
}

void wf_metric_of(struct wf_metrics *m, enum wf_metric which, double value, const char *labels, ...)
{
    char text[400];
    va_list args;

    va_start(args, labels);
    vsnprintf(text, sizeof text, labels, args);
    va_end(args);
    put(m, "%s{%s}", families[which].name, text);
    put_value(m, value);
}

void wf_metric_bucket(struct wf_metrics *m, enum wf_metric which, double bound, uint64_t below)
{
    put(m, "%s_bucket{le=\"%g\"} %llu\n", families[which].name, bound, (unsigned long long)below);
}

void wf_metric_sum(struct wf_metrics *m, enum wf_metric which, double sum, uint64_t count)
{
    const char *name = families[which].name;

    put(m, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n", name,
        (unsigned long long)count, name, sum, name, (unsigned long long)count);
}
