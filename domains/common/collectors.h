// SPDX-License-Identifier: Apache-2.0
// The table of weft-host's collectors. A new one is a file collect_NAME.c, a line here and a message in a .proto.
#ifndef WF_COMMON_COLLECTORS_H
#define WF_COMMON_COLLECTORS_H

#include "domains/common/collector.h"

extern const struct wf_collector *const wf_collectors;
extern const size_t wf_collector_count;

#endif
