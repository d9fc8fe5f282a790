// SPDX-License-Identifier: Apache-2.0
// What each process of the monitor tells of itself every second in a small file beside the database, DB-pulse-NAME: that it lives, what is
// wrong, what it counts. So status and top know of a store that its database keeps waiting. Whoever looks lists the files: a process of a
// new kind is shown without being known here. Thread rule: one thread each.
#ifndef WF_MONITORING_PULSE_H
#define WF_MONITORING_PULSE_H

#include <stddef.h>
#include <stdint.h>

#include "domains/monitoring/common/slate.h"

#define WF_MON_PULSES 16u // files looked at
#define WF_MON_STALE_MS                                                                            \
    10000 // each process tells every second; one that did not for so long is a finding itself
#define WF_MON_COUNTS  12u // numbers of one process
#define WF_MON_COUNTER 24u // a counter's name with its NUL

struct wf_mon_count {
    char name[WF_MON_COUNTER]; // [a-z_]; one that ends in _total only rises while the process lives
    uint64_t value;
};

struct wf_mon_pulse {
    char name[24]; // "store"
    bool alive;    // read only
    int64_t pid, started_ms, updated_ms;
    char state[16];   // "running", "stopped"
    int64_t wrong_ms; // since when something is wrong, without a moment between; 0: nothing is
    char wrong[320];  // and what
    struct wf_mon_count counts[WF_MON_COUNTS];
    size_t count_count;
};

// The file of a process named `name`; where another process of that name writes it (several stores of one PostgreSQL), the next free of
// NAME-2 to NAME-8. IN_USE, IO, TOO_BIG.
WEFT_MUST_USE enum weft_err wf_mon_pulse_create(const char *db, const char *name, int *ret_fd);
WEFT_MUST_USE enum weft_err wf_mon_pulse_write(int fd, const struct wf_mon_pulse *p);
// All beside the database, in order of names; those of processes that ended, too.
size_t wf_mon_pulses_read(const char *db, struct wf_mon_pulse ret[WF_MON_PULSES]);

// Sets what is wrong, "" when nothing is any more. The time is that of the first of its words.
void wf_mon_pulse_wrong(struct wf_mon_pulse *p, const char *what, int64_t unix_ms);
void wf_mon_pulse_count(struct wf_mon_pulse *p, const char *name, uint64_t value);
// "running"; "stopped" in order; "died" without a word; "quiet": it lives and says nothing for WF_MON_STALE_MS.
const char *wf_mon_pulse_state(const struct wf_mon_pulse *p, int64_t unix_ms);
// 0 where there is no such number.
uint64_t wf_mon_pulse_get(const struct wf_mon_pulse *p, const char *name);

#endif
