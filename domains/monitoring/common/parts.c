// SPDX-License-Identifier: Apache-2.0
// See parts.h.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/common/parts.h"
#include "domains/monitoring/common/slate.h"

static const char *const states[] = { "running", "waiting", "ended", "failed" };

const char *wf_mon_part_state_name(enum wf_mon_part_state state)
{
    return states[state];
}

static bool name_file(const char *db, char out[4200])
{
    return (size_t)snprintf(out, 4200, "%s-run", db) < 4200;
}

enum weft_err wf_mon_parts_create(const char *db, int *ret_fd)
{
    char name[4200];

    return name_file(db, name) ? wf_mon_slate_create(name, ret_fd) : WEFT_E_TOO_BIG;
}

bool wf_mon_parts_is_first(const char *db)
{
    char name[4200];

    return name_file(db, name) && access(name, F_OK) != 0 && access(db, F_OK) != 0;
}

void wf_mon_parts_remove(const char *db)
{
    char name[4200];

    if (name_file(db, name))
        unlink(name);
}

enum weft_err wf_mon_parts_write(int fd, const struct wf_mon_part *parts, size_t count)
{
    char text[WF_MON_SLATE] = "";
    size_t at = 0;

    for (size_t i = 0; i < count && i < WF_MON_PARTS; i++) {
        const struct wf_mon_part *p = &parts[i];
        // At most 121 bytes a line.
        at += (size_t)snprintf(text + at, sizeof text - at,
            "%s %s %" PRId64 " %" PRId64 " %" PRId64 " %u %d\n", p->name, states[p->state], p->pid,
            p->since_ms, p->again_ms, p->restarts, p->status);
    }
    return wf_mon_slate_write(fd, text);
}

static bool read_line(const char *line, struct wf_mon_part *p)
{
    char state[16];

    *p = (struct wf_mon_part){ 0 };
    // A file of our own; a line that does not parse is left out. NOLINTNEXTLINE(cert-err34-c)
    if (sscanf(line, "%15s %15s %" SCNd64 " %" SCNd64 " %" SCNd64 " %u %d", p->name, state, &p->pid,
            &p->since_ms, &p->again_ms, &p->restarts, &p->status) != 7)
        return false;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (strcmp(state, states[i]) != 0)
            continue;
        p->state = (enum wf_mon_part_state)i;
        return true;
    }
    return false;
}

size_t wf_mon_parts_read(const char *db, struct wf_mon_part ret[WF_MON_PARTS])
{
    char name[4200], text[WF_MON_SLATE + 1];
    size_t count = 0;
    bool alive = false;

    if (!name_file(db, name) || wf_mon_slate_read(name, text, &alive) || !alive)
        return 0;
    for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line && count < WF_MON_PARTS;
         line = strtok_r(NULL, "\n", &rest))
        count += read_line(line, &ret[count]);
    return count;
}
