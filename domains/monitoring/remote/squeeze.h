// SPDX-License-Identifier: Apache-2.0
// Snappy's block format, which remote write asks for. Thread rule: pure function.
#ifndef WF_MONITORING_REMOTE_SQUEEZE_H
#define WF_MONITORING_REMOTE_SQUEEZE_H

#include "domains/monitoring/remote/bytes.h"

// Replaces what `out` holds. False without memory.
bool wf_remote_squeeze(const struct wf_remote_bytes *in, struct wf_remote_bytes *out);

#endif
