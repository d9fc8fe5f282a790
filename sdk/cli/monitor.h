// SPDX-License-Identifier: Apache-2.0
// Asking the program weft-monitor, where it is installed, what it alone knows: whether the rules that come with a product are rules.
#ifndef WF_CLI_MONITOR_H
#define WF_CLI_MONITOR_H

#include "sdk/cli/cli.h"

// 0, also (with a note) where there is no weft-monitor; else its exit status, every mistake told with its place on standard error.
int wf_monitor_check(const char *manifest);

#endif
