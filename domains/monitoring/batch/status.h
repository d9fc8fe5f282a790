// SPDX-License-Identifier: Apache-2.0
// What is seen, as members of a JSON object, each with a comma behind it. status and top have them in common. Pure.
#ifndef WF_MONITORING_STATUS_H
#define WF_MONITORING_STATUS_H

#include <stdio.h>

#include "domains/monitoring/batch/sight.h"

void wf_mon_put_text(FILE *f, const char *name, const char *text); // "": null
void wf_mon_put_processes(FILE *f, const struct wf_mon_sight *s);
void wf_mon_put_domains(FILE *f, const struct wf_mon_sight *s);
void wf_mon_put_findings(FILE *f, const struct wf_mon_sight *s);

#endif
