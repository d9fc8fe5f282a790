// SPDX-License-Identifier: Apache-2.0
// The commands of weft-monitor. Each returns the program's exit status and says on standard error what went wrong.
#ifndef WF_MONITORING_MONITOR_H
#define WF_MONITORING_MONITOR_H

#include "domains/monitoring/print.h"

#define WF_MON_PATTERNS 64u

struct wf_mon_options {
    const char *dir, *socket; // NULL: libweft's own choice
    char db[4096];
    const char *patterns[WF_MON_PATTERNS]; // fnmatch(3) over "domain/name"; none: all
    size_t pattern_count;
    unsigned seconds; // 0 = until a signal
    bool once;
    unsigned discover_ms;
    enum wf_mon_format format;
    const char *row; // verify: "TABLE:OFFSET"
    uint64_t most;   // verify: differences named
    const char *sql;
};

int wf_mon_run(const struct wf_mon_options *o);
int wf_mon_status(const struct wf_mon_options *o);
int wf_mon_sql(const struct wf_mon_options *o);
int wf_mon_verify(const struct wf_mon_options *o);

// "weft-monitor: TEXT" and a hint, on standard error; the exit status of err.
int wf_mon_fail(enum weft_err err, const char *text, const char *hint);
bool wf_mon_wants(const struct wf_mon_options *o, const char *product);

#endif
