// SPDX-License-Identifier: Apache-2.0
// Whether the spool takes anything: what the last append said, the alarm about it, and when that is over. Loop thread only.
#include "node/agent/uplink.h"
#include "node/conf.h"
#include "node/log/log.h"

void wf_spool_note_full(struct wf_node *n, enum weft_err err)
{
    struct wf_uplink_room *u = n->uplink;

    bool passes = err == WEFT_E_FULL || err == WEFT_E_NOSPACE || err == WEFT_E_READ_ONLY ||
                  err == WEFT_E_NO_FILES;

    u->full = passes ? err : WEFT_OK;
    if (!u->full && !u->told)
        return;
    u->told = u->full;
    wf_alarm(n, "spool",
        u->full == WEFT_E_FULL
            ? "the spool is full: records of sources are dropped and counted until its node takes "
              "what waits"
        : u->full == WEFT_E_READ_ONLY
            ? "the disk can only be read: records of sources are dropped and counted until it can "
              "be "
              "written again; look for its errors (dmesg), then mount -o remount,rw"
        : u->full == WEFT_E_NO_FILES ? "no file descriptor is left: records of sources are dropped "
                                       "and counted until one is; "
                                       "raise LimitNOFILE= of the service"
        : u->full ? "no room on the disk: records of sources are dropped and counted until there is"
                  : NULL);
}

bool wf_spool_is_full(struct wf_node *n)
{
    struct wf_log_stats stats = { 0 };
    uint64_t limit = n->conf->spool.bytes;

    if (n->uplink->told != WEFT_E_FULL || !n->log)
        return false;
    wf_log_stats(n->log, &stats);
    return stats.bytes + stats.queue_bytes > limit - limit / 16;
}

// Nothing may be appended for hours: the alarm ends with what it is about, and not with the next record. Full it is until half of it is free:
// what was refused last may have been long.
void wf_spool_see_room(struct wf_node *n)
{
    struct wf_log_stats stats = { 0 };
    enum weft_err told = n->uplink->told;

    if (!told || !n->log)
        return;
    wf_log_stats(n->log, &stats);
    if (told == WEFT_E_FULL ? stats.bytes + stats.queue_bytes <= n->conf->spool.bytes / 2
                            : stats.stopped == WEFT_OK && !n->uplink->unwritten)
        wf_spool_note_full(n, WEFT_OK);
}
