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
    char text[200];

    if (!n->log)
        return;
    wf_log_stats(n->log, &stats);
    if (!stats.stopped || statvfs(n->conf->data, &fs) != 0 || fs.f_blocks == 0) {
        wf_alarm(n, "disk", NULL);
        return;
    }
    snprintf(text, sizeof text,
        "the disk of %.100s is nearly full: records are refused until %u %% of it is free again",
        n->conf->data, n->conf->min_free_percent);
    wf_alarm(n, "disk", text);
}
