// SPDX-License-Identifier: Apache-2.0
// What `weft-monitor run` says of the processes that it keeps alive, in a small file beside the database for `status` to read. The writer
// holds a lock on it as long as it lives, so a file without one tells of a run that ended. Thread rule: one thread.
#ifndef WF_MONITORING_PARTS_H
#define WF_MONITORING_PARTS_H

#include "domains/monitoring/common/monitor.h"

#define WF_MON_PARTS 4u

enum wf_mon_part_state {
    WF_MON_PART_RUNNING = 0,
    WF_MON_PART_WAITING,
    WF_MON_PART_ENDED,
    WF_MON_PART_FAILED
};

struct wf_mon_part {
    char name[16]; // "store"
    enum wf_mon_part_state state;
    int64_t pid;      // 0 when it does not run
    int64_t since_ms; // unix, of the state
    int64_t again_ms; // unix; WAITING: when it is started again
    unsigned restarts;
    int status; // of its last end: what it exited with, or 128 + signal
};

// Creates or takes over "DB-run" (0600) and locks it. IN_USE: another run has it; IO, TOO_BIG.
WEFT_MUST_USE enum weft_err wf_mon_parts_create(const char *db, int *ret_fd);
// Nothing lies there yet: neither that file nor the database.
bool wf_mon_parts_is_first(const char *db);
// For who holds it, and nothing came of the run.
void wf_mon_parts_remove(const char *db);
WEFT_MUST_USE enum weft_err wf_mon_parts_write(
    int fd, const struct wf_mon_part *parts, size_t count);
// At most WF_MON_PARTS. 0 parts: no run is alive, or none ever was.
size_t wf_mon_parts_read(const char *db, struct wf_mon_part ret[WF_MON_PARTS]);
const char *wf_mon_part_state_name(enum wf_mon_part_state state); // "running"

#endif
