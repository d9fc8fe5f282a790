// SPDX-License-Identifier: Apache-2.0
#include "node/source/spawner.h"
#include "node/files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 1024u

// ---- our side --------------------------------------------------------------------------------------------------------

enum weft_err wf_spawner_start(
    int fd, const struct wf_spawn_head *head, struct wf_bytes strings, const int fds[3])
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(3 * sizeof(int))];
    } control = { 0 };
    struct iovec iov[2] = { { (void *)(uintptr_t)head, sizeof *head },
        { (void *)(uintptr_t)strings.ptr, strings.len } };
    struct msghdr m = { .msg_iov = iov,
        .msg_iovlen = 2,
        .msg_control = control.room,
        .msg_controllen = sizeof control.room };

    if (strings.len > WF_SPAWN_MAX - sizeof *head)
        return WEFT_E_TOO_BIG;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(c), fds, 3 * sizeof(int));
    ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN ? WEFT_E_BUSY : errno == ENOBUFS ? WEFT_E_NOMEM : WEFT_E_CLOSED;
    return WEFT_OK;
}

enum weft_err wf_spawner_signal(int fd, uint32_t id, int signal)
{
    struct wf_spawn_head head = { .kind = WF_SPAWN_SIGNAL, .id = id, .value = signal };

    return send(fd, &head, sizeof head, MSG_NOSIGNAL) == (ssize_t)sizeof head ? WEFT_OK
                                                                              : WEFT_E_CLOSED;
}

enum weft_err wf_spawner_report(int fd, struct wf_spawn_head *ret)
{
    struct wf_spawn_head head;
    ssize_t n = recv(fd, &head, sizeof head, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return WEFT_E_NOT_FOUND;
    if (n != (ssize_t)sizeof head)
        return WEFT_E_CLOSED;
    *ret = head;
    return WEFT_OK;
}

// ---- the process -----------------------------------------------------------------------------------------------------

struct child {
    pid_t pid; // 0 = free
    uint32_t id;
};

struct spawner {
    int fd, signals;
    struct child children[CHILDREN];
};

static void report(const struct spawner *s, uint32_t id, int status)
{
    struct wf_spawn_head head = { .kind = WF_SPAWN_ENDED, .id = id, .value = status };

    if (send(s->fd, &head, sizeof head, MSG_NOSIGNAL) < 0)
        _exit(1); // nobody is there to hear
}

static bool split_strings(char *at, const char *end, size_t count, char **out)
{
    for (size_t i = 0; i < count; i++) {
        char *stop = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;
        if (!stop)
            return false;
        out[i] = at;
        at = stop + 1;
        out[i + 1] = NULL;
    }
    return true;
}

static char *after_strings(char *at, size_t count)
{
    while (count-- > 0)
        at += strlen(at) + 1;
    return at;
}

// In the new child: never returns.
static void become(const struct wf_spawn_head *head, char **argv, char **env, const int fds[3])
{
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setsid();
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (head->uid && (setgroups(0, NULL) != 0 || setgid(head->gid) != 0 || setuid(head->uid) != 0))
        _exit(127);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(127);
    if (chdir("/") != 0)
        _exit(127);
    execvpe(argv[0], argv, env);
    dprintf(2, "%s: cannot be started: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static void start(
    struct spawner *s, struct wf_spawn_head *head, char *strings, const char *end, const int fds[3])
{
    char *argv[WF_SPAWN_ARGS + 1] = { NULL }, *env[WF_SPAWN_ARGS + 1] = { NULL };
    size_t slot = 0;
    bool good = head->value > 0 && head->value <= (int)WF_SPAWN_ARGS &&
                head->env_count <= WF_SPAWN_ARGS &&
                split_strings(strings, end, (size_t)head->value, argv);

    good = good &&
           split_strings(after_strings(strings, (size_t)head->value), end, head->env_count, env);
    while (slot < CHILDREN && s->children[slot].pid)
        slot++;
    if (!good || slot == CHILDREN) {
        report(s, head->id, 127);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(head, argv, env, fds);
    if (pid < 0)
        report(s, head->id, 127);
    else
        s->children[slot] = (struct child){ pid, head->id };
}

// Its whole session; one that was started this moment has none yet.
static void signal_child(pid_t pid, int number)
{
    if (kill(-pid, number) != 0 && errno == ESRCH)
        kill(pid, number);
}

static void on_message(struct spawner *s)
{
    static char buffer[WF_SPAWN_MAX];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(3 * sizeof(int))];
    } control;
    struct iovec iov = { buffer, sizeof buffer };
    struct msghdr m = { .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = sizeof control.room };
    struct wf_spawn_head head;
    int fds[3] = { -1, -1, -1 };
    ssize_t n = recvmsg(s->fd, &m, MSG_CMSG_CLOEXEC);

    if (n < 0 && errno == EINTR)
        return;
    if (n < (ssize_t)sizeof head)
        _exit(0); // weftd is gone; the children get SIGTERM by PDEATHSIG
    memcpy(&head, buffer, sizeof head);
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fds))
        memcpy(fds, CMSG_DATA(c), sizeof fds);
    if (head.kind == WF_SPAWN_START && fds[0] >= 0)
        start(s, &head, buffer + sizeof head, buffer + n, fds);
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    for (size_t i = 0; i < CHILDREN && head.kind == WF_SPAWN_SIGNAL; i++)
        if (s->children[i].pid && s->children[i].id == head.id)
            signal_child(s->children[i].pid, head.value);
}

static void on_child(struct spawner *s)
{
    struct signalfd_siginfo info;
    int status = 0;

    if (read(s->signals, &info, sizeof info) < 0 && errno != EAGAIN && errno != EINTR)
        _exit(1);
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG))
        for (size_t i = 0; i < CHILDREN; i++)
            if (s->children[i].pid == pid) {
                report(s, s->children[i].id,
                    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
                s->children[i].pid = 0;
            }
}

static void serve(int fd) __attribute__((noreturn));
static void serve(int fd)
{
    static struct spawner s;
    sigset_t set;

    s.fd = fd;
    prctl(PR_SET_NAME, "weftd-spawner");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 3; i < 1024; i++)
        if (i != fd)
            close(i);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(
        &set, SIGTERM); // the service manager's goes to weftd, which ends its sources in order
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigdelset(&set, SIGTERM);
    sigdelset(&set, SIGINT);
    sigdelset(&set, SIGHUP);
    s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    for (;;) {
        struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
            { .fd = s.signals, .events = POLLIN } };
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            _exit(1);
        if (p[1].revents)
            on_child(&s);
        if (p[0].revents)
            on_message(&s);
    }
}

enum weft_err wf_spawner_fork(struct wf_keys *forget, int *ret_fd, pid_t *ret_pid)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return WEFT_E_IO;
    pid_t pid = fork();
    if (pid == 0) {
        if (forget)
            wf_keys_fini(forget);
        close(pair[0]);
        wf_files_restore();
        serve(pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return WEFT_E_IO;
    }
    *ret_fd = pair[0];
    *ret_pid = pid;
    return WEFT_OK;
}
