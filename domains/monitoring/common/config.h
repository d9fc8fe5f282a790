// SPDX-License-Identifier: Apache-2.0
// The monitor's own file, weft-monitor.yaml(5): what the command line leaves open. Owns the file's texts as long as the program runs.
// Invariant: an option of the command line is never changed. Thread rule: before any thread.
#ifndef WF_MONITORING_CONFIG_H
#define WF_MONITORING_CONFIG_H

#include "domains/monitoring/common/monitor.h"

// Its keys, ended by NULL: a file of rules may be written into it.
extern const char *const wf_mon_config_keys[];

struct wf_mon_config; // what was read; options point into it
// Reads the file at `path` into what is open in `o`. 0, or an exit status with every mistake told on standard error.
int wf_mon_config_read(
    const char *path, const char *command, struct wf_mon_options *o, struct wf_mon_config **ret);
void wf_mon_config_free(struct wf_mon_config *c); // NULL is permitted

#endif
