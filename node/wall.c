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
#define PROBATION_MS 3600000 // of a clock that jumped forward, before a floor follows it

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

// What the floor may become: the present, but for a jump that may yet be taken back.
static int64_t floor_now(const struct wf_node *n)
{
    const struct wf_clock *c = &n->core->clock;

    if (!c->until_ms || c->stepped_ms < 0)
        return wf_node_now_unix_ms(n);
    int64_t trusted = c->trusted_ms + (wf_node_now_ms(n) - c->mono_ms);
    return trusted > n->core->wall_floor_ms ? trusted : n->core->wall_floor_ms;
}

void wf_wall_save(struct wf_node *n)
{
    char *path = NULL, text[32];
    struct wf_diag diag = { 0 };
    int64_t now = floor_now(n);
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

// ---- steps -----------------------------------------------------------------------------------------------------------

static void tell_step(struct wf_node *n)
{
    const struct wf_clock *c = &n->core->clock;
    char text[256], span[32];
    long long s = (long long)(c->stepped_ms < 0 ? -c->stepped_ms : c->stepped_ms) / 1000;

    if (!c->until_ms) {
        wf_alarm(n, "clock-step", NULL);
        return;
    }
    snprintf(span, sizeof span, "%lld h %lld min %lld s", s / 3600, s / 60 % 60, s % 60);
    snprintf(text, sizeof text,
        c->stepped_ms > 0
            ? "the clock went forward by %s at once: certificates, tokens and leases end by it; if "
              "it was right before, set it back within an hour (timedatectl, chronyc) and nothing "
              "remembers it"
            : "the clock went back by %s at once; if it was right before, set it again "
              "(timedatectl, chronyc)",
        span);
    wf_alarm(n, "clock-step", text);
}

// The wall clock against the monotonic one since the last look. Small steps are somebody setting it right.
static void look_for_step(struct wf_node *n)
{
    struct wf_clock *c = &n->core->clock;
    int64_t mono = wf_node_now_ms(n), unix_ms = wf_loop_now_unix_ms(n->loop);
    int64_t went = mono - c->mono_ms, by = unix_ms - c->unix_ms - went;
    bool first = c->unix_ms == 0;

    c->trusted_ms = c->until_ms && c->stepped_ms > 0 ? c->trusted_ms + went : unix_ms;
    c->mono_ms = mono;
    c->unix_ms = unix_ms;
    if (first || (by <= WF_CLOCK_TOLERANCE_MS && by >= -WF_CLOCK_TOLERANCE_MS)) {
        if (c->until_ms && mono >= c->until_ms) {
            c->until_ms = 0;
            c->trusted_ms = unix_ms; // it has kept this hour: it is the time
        }
        return;
    }
    int64_t off = unix_ms - c->trusted_ms;
    if (c->until_ms && off <= WF_CLOCK_TOLERANCE_MS && off >= -WF_CLOCK_TOLERANCE_MS) {
        c->until_ms = 0; // back where it would be
    } else if (!c->until_ms || c->stepped_ms < 0) {
        c->stepped_ms = by;
        c->until_ms = mono + PROBATION_MS;
        c->trusted_ms = by > 0 ? unix_ms - by : unix_ms;
    } else { // from one wrong time to another
        c->stepped_ms = off;
        c->until_ms = mono + PROBATION_MS;
    }
    if (by < 0)
        n->clock_back_steps++;
}

void wf_wall_check(struct wf_node *n)
{
    look_for_step(n);
    tell_step(n);
    int64_t behind = wf_node_now_unix_ms(n) - wf_loop_now_unix_ms(n->loop);
    char text[320];

    snprintf(text, sizeof text,
        "the clock is %lld s behind what this node has already seen; expiry is judged by the later "
        "time. If that was wrong, set the clock, stop weftd and remove its file \"wall\"",
        (long long)(behind / 1000));
    wf_alarm(n, "clock-behind", behind > WF_CLOCK_TOLERANCE_MS ? text : NULL);
}
