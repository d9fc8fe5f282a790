// SPDX-License-Identifier: Apache-2.0
#include "node/wall.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/core.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"
#include "sdk/loop/loop.h"

// A floor beyond a plausible life of the file would stop every certificate for good: the year 3000.
#define PLAUSIBLE_MS INT64_C(32503680000000)

void wf_wall_load(struct wf_node *n)
{
    char *path = NULL;
    struct wf_buf text = { 0 };

    n->core->wall_floor_ms = WEFT_BUILD_UNIX_S * INT64_C(1000);
    if (!wf_disk_join(n->conf->data, "wall", &path) &&
        !wf_file_read(path, 64, WF_FILE_OWNED, &text, NULL) && !wf_buf_append_byte(&text, 0)) {
        long long ms = strtoll((const char *)text.ptr, NULL, 10);
        if (ms > n->core->wall_floor_ms && ms < PLAUSIBLE_MS)
            n->core->wall_floor_ms = ms;
    }
    wf_buf_fini(&text);
    free(path);
}

void wf_wall_save(struct wf_node *n)
{
    char *path = NULL, text[32];
    struct wf_diag diag = { 0 };
    int64_t now = wf_node_now_unix_ms(n);
    int len = snprintf(text, sizeof text, "%lld\n", (long long)now);
    enum weft_err err = wf_disk_join(n->conf->data, "wall", &path);

    n->core->wall_floor_ms = now;
    if (!err)
        err = wf_disk_replace(path, wf_bytes(text, (size_t)len), &diag);
    if (err)
        wf_say(
            n, WF_LOG_WARN, "life", "the clock's floor could not be kept", "why", diag.text, NULL);
    free(path);
}

void wf_wall_check(struct wf_node *n)
{
    int64_t behind = wf_node_now_unix_ms(n) - wf_loop_now_unix_ms(n->loop);
    char text[320];

    snprintf(text, sizeof text,
        "the clock is %lld s behind what this node has already seen; expiry is judged by the later "
        "time. If that was wrong, set the clock, stop weftd and remove its file \"wall\"",
        (long long)(behind / 1000));
    wf_alarm(n, "clock-behind", behind > WF_CLOCK_TOLERANCE_MS ? text : NULL);
}
