// SPDX-License-Identifier: Apache-2.0
// The judgement of status: whether a product is seen. Pure.
#ifndef WF_MONITORING_STATUS_H
#define WF_MONITORING_STATUS_H

#include "domains/monitoring/batch/stored.h"

#define WF_MON_STALE_MS                                                                            \
    10000 // a monitor tells every second; one that did not for so long is a finding itself

// Why all is blind: nobody tells any more. "" while run does.
void wf_mon_status_silence(const struct wf_mon_beat *beat, int64_t now_ms, char *out, size_t size);
// The cause to be shown of a line: the monitor's silence, or the line's own.
const char *wf_mon_status_cause(const struct wf_mon_line *line, const char *silence);

#endif
