// SPDX-License-Identifier: Apache-2.0
#include "node/space.h"

#include <stdio.h>
#include <sys/statvfs.h>

#include "node/conf.h"
#include "node/log/log.h"

void wf_space_check(struct wf_node *n)
{
    struct wf_log_stats stats = { 0 };
    struct statvfs fs;
    char text[256];

    if (!n->log)
        return;
    wf_log_stats(n->log, &stats);
    bool asked = statvfs(n->conf->data, &fs) == 0 && fs.f_blocks > 0;
    if (stats.stopped == WEFT_E_READ_ONLY || (asked && (fs.f_flag & ST_RDONLY))) {
        snprintf(text, sizeof text,
            "the disk of %.100s can only be read: records are refused until it can be written "
            "again; look for its errors (dmesg), then mount -o remount,rw",
            n->conf->data);
        wf_alarm(n, "disk", text);
    } else if (asked && stats.stopped == WEFT_E_NOSPACE) {
        snprintf(text, sizeof text,
            "the disk of %.100s is nearly full: records are refused until %u %% of it is free "
            "again",
            n->conf->data, n->conf->min_free_percent);
        wf_alarm(n, "disk", text);
    } else {
        wf_alarm(n, "disk", NULL);
    }
}
