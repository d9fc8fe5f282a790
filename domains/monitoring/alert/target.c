// SPDX-License-Identifier: Apache-2.0
// Where messages go: standard output in pieces that a pipe takes without waiting, commands that read one message from their standard
// input, and addresses that take a POST. See notify.h.
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domains/monitoring/alert/target.h"

#define COMMAND_MS 30000 // a command may take that long

extern char **environ;

static enum wf_sent failed(struct wf_target *t, const char *what, const char *why)
{
    snprintf(t->problem, sizeof t->problem, "%.80s: %.100s", what, why);
    t->text = NULL;
    return WF_SENT_FAILED;
}

static enum wf_sent write_some(struct wf_target *t)
{
    struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

    while (t->at < t->len && poll(&out, 1, 0) == 1) {
        size_t piece = t->len - t->at < PIPE_BUF ? t->len - t->at : PIPE_BUF;
        ssize_t n = write(STDOUT_FILENO, t->text + t->at, piece);
        if (n < 0 && errno != EINTR)
            return failed(t, "standard output", strerror(errno));
        t->at += n > 0 ? (size_t)n : 0;
    }
    if (t->at < t->len)
        return WF_SENT_NOT_YET;
    t->text = NULL;
    return WF_SENT;
}

// A file without a name: the command reads it at its own pace, and nobody has to feed it.
static int file_of(const char *text, size_t len)
{
    int fd = memfd_create("weft-alerts", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    if (write(fd, text, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return -1;
}

// Signals are as a program expects them: the monitor blocks its own.
static int attributes(posix_spawnattr_t *a)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(a, &none);
    posix_spawnattr_setsigdefault(a, &all);
    return posix_spawnattr_setflags(
        a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static enum wf_sent start_command(struct wf_target *t, int64_t now_ms)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    pid_t pid = 0;
    int fd = file_of(t->text, t->len);

    if (fd < 0)
        return failed(t, t->conf->words[0], strerror(errno));
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int rc = attributes(&attr);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO);
    // What it says belongs to standard error: standard output may be a target of its own.
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    if (!rc)
        rc = posix_spawnp(&pid, t->conf->words[0], &files, &attr,
            (char *const *)(uintptr_t)t->conf->words, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    close(fd);
    if (rc)
        return failed(t, t->conf->words[0], strerror(rc));
    t->pid = pid;
    t->began_ms = now_ms;
    return WF_SENT_NOT_YET;
}

static enum wf_sent poll_command(struct wf_target *t, int64_t now_ms)
{
    int status = 0;
    pid_t got = waitpid(t->pid, &status, WNOHANG);
    char why[40];

    if (got == 0 && now_ms - t->began_ms < COMMAND_MS)
        return WF_SENT_NOT_YET;
    if (got == 0) {
        wf_target_stop(t);
        return failed(t, t->conf->words[0], "took longer than 30 s");
    }
    t->pid = 0;
    if (got < 0)
        return failed(t, t->conf->words[0], strerror(errno));
    t->text = NULL;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return WF_SENT;
    if (WIFEXITED(status))
        snprintf(why, sizeof why, "exit status %d", WEXITSTATUS(status));
    else
        snprintf(why, sizeof why, "ended by signal %d", WTERMSIG(status));
    return failed(t, t->conf->words[0], why);
}

static enum wf_sent post_result(struct wf_target *t, int result, const char *why)
{
    if (result == 0)
        return WF_SENT_NOT_YET;
    t->text = NULL;
    return result > 0 ? WF_SENT : failed(t, t->conf->words[0], why);
}

static enum wf_sent start_post(struct wf_target *t)
{
    const struct wf_post_request request = {
        .url = t->conf->words[0], .body = t->text, .len = t->len
    };
    char why[WF_POST_WHY] = "out of memory";

    if (!t->post)
        t->post = wf_post_new();
    bool ok = t->post && wf_post_start(t->post, &request, why, sizeof why);
    return post_result(t, ok ? 0 : -1, why);
}

static enum wf_sent poll_post(struct wf_target *t)
{
    struct wf_post_answer answer = { 0 };
    int result = wf_post_poll(t->post, &answer);

    return post_result(t, result, answer.why);
}

enum wf_sent wf_target_send(struct wf_target *t, const char *text, size_t len, int64_t now_ms)
{
    t->text = text;
    t->len = len;
    t->at = 0;
    switch (t->conf->kind) {
    case WF_TARGET_STDOUT:
        return write_some(t);
    case WF_TARGET_COMMAND:
        return start_command(t, now_ms);
    default:
        return start_post(t);
    }
}

enum wf_sent wf_target_poll(struct wf_target *t, int64_t now_ms)
{
    switch (t->conf->kind) {
    case WF_TARGET_STDOUT:
        return write_some(t);
    case WF_TARGET_COMMAND:
        return poll_command(t, now_ms);
    default:
        return poll_post(t);
    }
}

void wf_target_stop(struct wf_target *t)
{
    if (t->pid) {
        kill(-t->pid, SIGKILL); // with what it started
        while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    wf_post_free(t->post);
    t->post = NULL;
    t->pid = 0;
    t->text = NULL;
}
