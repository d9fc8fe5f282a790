// SPDX-License-Identifier: Apache-2.0
// weft-monitor rules check --product and rules taken. Thread rule: one thread.
#ifndef WF_MONITORING_CMD_TAKEN_H
#define WF_MONITORING_CMD_TAKEN_H

#include "domains/monitoring/common/monitor.h"

// A manifest with the rules that it names, against its compiled schema; or a file of such rules alone. The exit status.
int wf_mon_check_shipped(const char *path);
// What is taken of which product; 1 where something is not.
int wf_mon_taken(const struct wf_mon_options *o);
// The text that was taken of a product, to be read or tested; 1 where there is none.
int wf_mon_taken_text(const struct wf_mon_options *o, const char *product);

#endif
