// SPDX-License-Identifier: Apache-2.0
// See pulse.h.
#include "domains/monitoring/common/pulse.h"

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH 4300u
#define SAME 8u // processes of one name

enum weft_err wf_mon_pulse_create(const char *db, const char *name, int *ret_fd)
{
    enum weft_err err = WEFT_E_IN_USE;
    char path[PATH];

    for (unsigned n = 1; n <= SAME && err == WEFT_E_IN_USE; n++) {
        int len = n == 1 ? snprintf(path, sizeof path, "%s-pulse-%s", db, name)
                         : snprintf(path, sizeof path, "%s-pulse-%s-%u", db, name, n);
        if (len < 0 || (size_t)len >= sizeof path)
            return WEFT_E_TOO_BIG;
        err = wf_mon_slate_create(path, ret_fd);
    }
    return err;
}

enum weft_err wf_mon_pulse_write(int fd, const struct wf_mon_pulse *p)
{
    char text[WF_MON_SLATE], wrong[sizeof p->wrong];
    size_t at;

    snprintf(wrong, sizeof wrong, "%s", p->wrong);
    for (char *c = wrong; *c; c++)
        if (*c == '\n')
            *c = ' ';
    at = (size_t)snprintf(text, sizeof text,
        "pid %" PRId64 "\nstarted %" PRId64 "\nupdated %" PRId64 "\nstate %s\nsince %" PRId64
        "\nwrong %s\n",
        p->pid, p->started_ms, p->updated_ms, p->state, p->wrong_ms, wrong);
    for (size_t i = 0; i < p->count_count && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "count %s %" PRIu64 "\n",
            p->counts[i].name, p->counts[i].value);
    return wf_mon_slate_write(fd, text);
}

static void take_count(struct wf_mon_pulse *p, const char *value)
{
    const char *space = strchr(value, ' ');
    char name[WF_MON_COUNTER];

    if (!space || (size_t)(space - value) >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", (int)(space - value), value);
    wf_mon_pulse_count(p, name, strtoull(space + 1, NULL, 10));
}

static void take_line(struct wf_mon_pulse *p, const char *key, const char *value)
{
    const struct {
        const char *key;
        int64_t *to;
    } numbers[] = { { "pid", &p->pid }, { "started", &p->started_ms },
        { "updated", &p->updated_ms }, { "since", &p->wrong_ms } };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0)
            *numbers[i].to = strtoll(value, NULL, 10);
    if (strcmp(key, "state") == 0)
        snprintf(p->state, sizeof p->state, "%s", value);
    else if (strcmp(key, "wrong") == 0)
        snprintf(p->wrong, sizeof p->wrong, "%s", value);
    else if (strcmp(key, "count") == 0)
        take_count(p, value);
}

static bool read_one(const char *path, const char *name, struct wf_mon_pulse *ret)
{
    char text[WF_MON_SLATE + 1], *rest = NULL;

    *ret = (struct wf_mon_pulse){ 0 };
    if (wf_mon_slate_read(path, text, &ret->alive))
        return false;
    snprintf(ret->name, sizeof ret->name, "%s", name);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *space = strchr(line, ' ');
        if (!space)
            continue;
        *space = '\0';
        take_line(ret, line, space + 1);
    }
    return ret->pid > 0; // one that was made this moment says nothing yet
}

size_t wf_mon_pulses_read(const char *db, struct wf_mon_pulse ret[WF_MON_PULSES])
{
    char pattern[2 * PATH];
    size_t at = 0, count = 0, len;
    glob_t found = { 0 };

    for (const char *c = db; *c && at < sizeof pattern - 16; c++) {
        if (strchr("*?[\\", *c))
            pattern[at++] = '\\';
        pattern[at++] = *c;
    }
    len = strlen(db) + strlen("-pulse-");
    snprintf(pattern + at, sizeof pattern - at, "-pulse-*");
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && count < WF_MON_PULSES; i++)
            if (strlen(found.gl_pathv[i]) > len)
                count += read_one(found.gl_pathv[i], found.gl_pathv[i] + len, &ret[count]);
    globfree(&found);
    return count;
}

void wf_mon_pulse_wrong(struct wf_mon_pulse *p, const char *what, int64_t unix_ms)
{
    if (!what[0])
        p->wrong_ms = 0;
    else if (!p->wrong_ms)
        p->wrong_ms = unix_ms;
    snprintf(p->wrong, sizeof p->wrong, "%s", what);
}

void wf_mon_pulse_count(struct wf_mon_pulse *p, const char *name, uint64_t value)
{
    size_t at = 0;

    while (at < p->count_count && strcmp(p->counts[at].name, name) != 0)
        at++;
    if (at == WF_MON_COUNTS)
        return;
    p->count_count += at == p->count_count;
    snprintf(p->counts[at].name, sizeof p->counts[at].name, "%s", name);
    p->counts[at].value = value;
}

uint64_t wf_mon_pulse_get(const struct wf_mon_pulse *p, const char *name)
{
    for (size_t i = 0; i < p->count_count; i++)
        if (strcmp(p->counts[i].name, name) == 0)
            return p->counts[i].value;
    return 0;
}

const char *wf_mon_pulse_state(const struct wf_mon_pulse *p, int64_t unix_ms)
{
    if (!p->alive)
        return strcmp(p->state, "stopped") == 0 ? "stopped" : "died";
    return unix_ms - p->updated_ms > WF_MON_STALE_MS ? "quiet" : "running";
}
