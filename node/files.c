// SPDX-License-Identifier: Apache-2.0
// The directory /proc/self/fd is opened once and read again each time: when it matters most there is no descriptor to open it with.
#include "node/files.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>

#include "node/core.h"
#include "node/log/log.h"

#define WANTED     65536u // connections of all listeners, segments, databases, and room
#define RESERVE    256u   // of them no connection's
#define TELL_AT    95u    // percent
#define CLEAR_AT   90u
#define TEXT_LIMIT 256u

static rlim_t soft_at_start;

void wf_files_raise(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    soft_at_start = files.rlim_cur;
    if (files.rlim_cur >= WANTED)
        return;
    files.rlim_cur = files.rlim_max < WANTED ? files.rlim_max : WANTED;
    setrlimit(RLIMIT_NOFILE, &files);
}

void wf_files_restore(void)
{
    struct rlimit files;

    if (!soft_at_start || getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = soft_at_start < files.rlim_max ? soft_at_start : files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static unsigned limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > UINT32_MAX / 2)
        return UINT32_MAX / 2;
    return (unsigned)files.rlim_cur;
}

unsigned wf_files_for_connections(unsigned wanted)
{
    unsigned all = limit(), most = all > 2 * RESERVE ? all - RESERVE : all / 2;

    return wanted < most ? wanted : most;
}

static unsigned count_open(struct wf_core *core)
{
    DIR *d = core->files_dir ? core->files_dir : opendir("/proc/self/fd");
    unsigned count = 0;

    core->files_dir = d;
    if (!d)
        return 0; // no /proc here: nothing is known
    rewinddir(d);
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        count += e->d_name[0] != '.';
    return count;
}

void wf_files_check(struct wf_node *n)
{
    struct wf_files *f = &n->core->files;
    struct wf_log_stats stats = { 0 };
    char text[TEXT_LIMIT];

    f->open = count_open(n->core);
    f->max = limit();
    if (n->log)
        wf_log_stats(n->log, &stats);
    bool log_waits = stats.stopped == WEFT_E_NO_FILES;
    uint64_t percent = 100ull * f->open / (f->max ? f->max : 1);
    if (percent < TELL_AT && !log_waits) {
        if (percent < CLEAR_AT)
            wf_alarm(n, "descriptors", NULL);
        return;
    }
    snprintf(text, sizeof text,
        "%u of %u file descriptors are in use: %s; raise LimitNOFILE= of the service (prlimit "
        "--nofile "
        "works on a running one), and see who holds them: ss -tnp",
        f->open, f->max,
        log_waits ? "records are refused and connections wait"
                  : "new connections may have to wait");
    wf_alarm(n, "descriptors", text);
}

void wf_files_close(struct wf_node *n)
{
    if (n->core->files_dir)
        closedir(n->core->files_dir);
    n->core->files_dir = NULL;
}
