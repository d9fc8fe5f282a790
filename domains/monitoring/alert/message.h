// SPDX-License-Identifier: Apache-2.0
// Members of a JSON object, each with a comma behind it, and the end of a text made in memory. An alert is told as JSON to people and programs, and
// as proto3 JSON to the schema of DOMAIN/alerts, which has 64-bit numbers in quotes and leaves out what is none. Owns nothing. Thread rule: pure
// functions.
#ifndef WF_MONITORING_MESSAGE_H
#define WF_MONITORING_MESSAGE_H

#include <stdio.h>

#include "domains/monitoring/alert/alert.h"

void wf_json_text(FILE *f, const char *name, const char *text);
void wf_json_time(FILE *f, const char *name, int64_t ms); // RFC 3339; null for none
void wf_json_labels(FILE *f, const struct wf_labels *l);
// What an alert says of itself, from its rule to its evidence, without a comma behind it.
void wf_json_alert(FILE *f, const struct wf_alert *a, bool proto3);
// Closes what open_memstream made and gives its text (malloc'd); NULL without memory.
char *wf_json_done(FILE *f, char **text);

// Without alerts the status is that of `group`: "test", "alive".
// {"schema":"weft.alerts/v1","status":…,"group":…,"alerts":[…]} in one line, malloc'd; NULL without memory.
char *wf_message(const char *monitor, const char *group, struct wf_alert *const *alerts,
    size_t count, size_t more, int64_t now_ms);
// For Alertmanager's POST /api/v2/alerts: those that fire end at ends_ms unless they are told again.
char *wf_message_alertmanager(struct wf_alert *const *alerts, size_t count, int64_t ends_ms);

#endif
