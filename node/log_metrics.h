// SPDX-License-Identifier: Apache-2.0
// The product log, or an agent's spool, on /metrics: what was appended, and how long its syncs take. Loop thread only.
#ifndef WF_NODE_LOG_METRICS_H
#define WF_NODE_LOG_METRICS_H

#include "node/metrics.h"

struct wf_log;

// log may be NULL: nothing is written.
void wf_log_metrics(struct wf_log *log, struct wf_metrics *m);

#endif
