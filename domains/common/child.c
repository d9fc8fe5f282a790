// SPDX-License-Identifier: Apache-2.0
#include "domains/common/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_MS 1000 // until a child that was killed is gone
#define STEP_MS 5

int64_t wf_monotonic_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

// Our own blocked signals must not be inherited: a child that ignores SIGTERM would outlive us.
static int prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, int output)
{
    sigset_t none, defaults;
    int rc = 0;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    rc = rc ? rc : posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_adddup2(files, output, STDOUT_FILENO);
    rc = rc ? rc : posix_spawnattr_setsigmask(attributes, &none);
    rc = rc ? rc : posix_spawnattr_setsigdefault(attributes, &defaults);
    return rc ? rc
              : posix_spawnattr_setflags(
                    attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static enum weft_err start(const char *const *argv, int output, pid_t *ret_pid)
{
    static char locale[] = "LC_ALL=C", home[] = "HOME=/";
    char *const environment[] = { locale, home, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;

    if (posix_spawn_file_actions_init(&files) != 0)
        return WEFT_E_NOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return WEFT_E_NOMEM;
    }
    int rc = prepare(&files, &attributes, output);
    if (rc == 0)
        rc = posix_spawn(ret_pid, argv[0], &files, &attributes, (char *const *)argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (rc == 0)
        return WEFT_OK;
    return rc == ENOENT ? WEFT_E_NOT_FOUND : rc == EACCES ? WEFT_E_PERMISSION : WEFT_E_IO;
}

static enum weft_err grow(struct wf_file *f, size_t *cap, size_t max)
{
    if (f->len < *cap)
        return WEFT_OK;
    size_t more = *cap ? *cap * 2 : 65536;
    more = more > max + 1 ? max + 1 : more;
    if (more <= *cap)
        return WEFT_E_TOO_BIG;
    char *p = realloc(f->ptr, more);
    if (!p)
        return WEFT_E_NOMEM;
    f->ptr = p;
    *cap = more;
    return WEFT_OK;
}

static enum weft_err drain(int fd, size_t max, int64_t deadline_ms, struct wf_file *f)
{
    size_t cap = 0;

    for (;;) {
        enum weft_err err = grow(f, &cap, max);
        if (err)
            return err;
        int64_t left = deadline_ms - wf_monotonic_ms();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready == 0)
            return WEFT_E_TIMEOUT;
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t n = ready < 0 ? -1 : read(fd, f->ptr + f->len, cap - f->len);
        if (n == 0)
            return f->len > max ? WEFT_E_TOO_BIG : WEFT_OK;
        if (n > 0)
            f->len += (size_t)n;
        else if (errno != EINTR)
            return WEFT_E_IO;
    }
}

bool wf_child_gone(pid_t pid, int wait_ms)
{
    int64_t deadline_ms = wf_monotonic_ms() + wait_ms;

    for (;;) {
        pid_t got = waitpid(pid, NULL, WNOHANG);
        if (got == pid || (got < 0 && errno == ECHILD))
            return true;
        if (wf_monotonic_ms() >= deadline_ms)
            return false;
        poll(NULL, 0, STEP_MS);
    }
}

// A program may close its output and live on, so waiting for its end has the same deadline.
static bool ended_well(pid_t pid, int64_t deadline_ms)
{
    int status = 0;

    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid)
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if ((got < 0 && errno != EINTR) || wf_monotonic_ms() >= deadline_ms)
            break;
        poll(NULL, 0, STEP_MS);
    }
    kill(pid, SIGKILL);
    // One that waits in the kernel (a database on a file server that is gone) may not end for hours: it is left to itself.
    (void)wf_child_gone(pid, KILL_MS);
    return false;
}

enum weft_err wf_child_read(const char *const *argv, size_t max, int limit_ms, struct wf_file *ret)
{
    int64_t deadline_ms = wf_monotonic_ms() + limit_ms;
    struct wf_file f = { NULL, 0 };
    int ends[2];
    pid_t pid = -1;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return WEFT_E_IO;
    enum weft_err err = start(argv, ends[1], &pid);
    close(ends[1]);
    if (!err) {
        err = drain(ends[0], max, deadline_ms, &f);
        // After a failed drain there is nothing to wait for: kill at once.
        if (!ended_well(pid, err ? 0 : deadline_ms) && !err)
            err = WEFT_E_PROVIDER;
    }
    close(ends[0]);
    if (err) {
        wf_file_fini(&f);
        return err;
    }
    *ret = f;
    return WEFT_OK;
}
