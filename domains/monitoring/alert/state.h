// SPDX-License-Identifier: Apache-2.0
// What status says of the speed layer, from its book. Thread rule: one thread.
#ifndef WF_MONITORING_ALERT_STATE_H
#define WF_MONITORING_ALERT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wf_alert_sum {
    bool there;  // there is a book
    bool judged; // its process is alive
    uint64_t firing, pending, rules, series, records;
    int64_t updated_ms; // unix; 0: never
    char problem[320];  // of its own
    char text[640];     // one line for people
    char json[2560];    // an object, "null" where there is no book
};
void wf_alert_look(const char *path, int64_t now_ms, struct wf_alert_sum *ret);

#endif
