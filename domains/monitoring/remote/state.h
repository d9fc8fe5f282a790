// SPDX-License-Identifier: Apache-2.0
// What status says of remote write, from its ledger. Thread rule: one thread.
#ifndef WF_MONITORING_REMOTE_STATE_H
#define WF_MONITORING_REMOTE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wf_remote_sum {
    bool there;          // there is a ledger
    bool written;        // its process is alive, and the receiver takes what it sends
    int64_t since_ms;    // unix: since when not, 0: not known
    char problem[400];   // and why
    int64_t drop_ms;     // unix: of the newest drop, 0: none
    char drop[400];      // which one
    size_t unsent_count; // products of which nothing is sent, as no field is a value
    char unsent[300];    // which ones
    int64_t unsent_ms;   // unix: since when, 0: nothing
    char text[2048];     // a line for people, and one for each of the last drops
    char json[8192];     // an object, "null" where there is no ledger
};
void wf_remote_look(const char *path, int64_t now_ms, struct wf_remote_sum *ret);

#endif
