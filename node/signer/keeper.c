// SPDX-License-Identifier: Apache-2.0
// One byte each way: weftd asks, the keeper answers with a pipe beside the byte, or without one when it could start no signer.
#include "node/signer/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/say.h"

union fd_space {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int64_t wf_signer_backoff_ms(unsigned deaths)
{
    if (deaths < 2)
        return 0;
    return deaths < 8 ? 1000LL << (deaths - 2) : WF_SIGNER_BACKOFF_MS;
}

// ---- the process -----------------------------------------------------------------------------------------------------

// The service manager's signals go to weftd, which ends both by closing; a terminal's must not cost the signer either.
static void confine(int fd)
{
    struct rlimit none = { 0, 0 }, files = { 8, 8 };
    sigset_t set;

    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "weftd-keeper");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    for (int i = 3; i < 1024; i++)
        if (i != fd)
            close(i);
    setrlimit(RLIMIT_NOFILE, &files);
    setrlimit(RLIMIT_FSIZE, &none);
    setrlimit(RLIMIT_CORE, &none);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_SETMASK, &set, NULL);
}

static void end_signer(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGKILL);
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *pid = 0;
}

// -1: none could be started.
static int start_signer(const struct wf_signer_child *c, int keeper, pid_t *pid)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    *pid = fork();
    if (*pid == 0) {
        close(pair[0]);
        close(keeper);
        wf_signer_child_main(c, pair[1]);
    }
    close(pair[1]);
    if (*pid < 0) {
        close(pair[0]);
        return -1;
    }
    return pair[0];
}

static bool answer(int fd, int pipe)
{
    union fd_space space = { 0 };
    char byte = pipe >= 0 ? 'y' : 'n';
    struct iovec body = { &byte, 1 };
    struct msghdr m = { .msg_iov = &body, .msg_iovlen = 1 };

    if (pipe >= 0) {
        m.msg_control = space.bytes;
        m.msg_controllen = sizeof space.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof pipe);
        memcpy(CMSG_DATA(c), &pipe, sizeof pipe);
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL) == 1;
}

void wf_signer_keeper_main(struct wf_signer_child *c, int fd)
{
    pid_t signer = 0;

    // Before it is confined: a log that is a file takes nothing from it afterwards.
    if (!wf_secret_lock(&c->keys.sign))
        wf_say_line(WF_LOG_WARN, "signer",
            "the issuer's key is not in locked memory; raise RLIMIT_MEMLOCK", NULL);
    confine(fd);
    for (;;) {
        char byte;
        ssize_t n = read(fd, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        end_signer(&signer);
        if (n != 1)
            _exit(0);
        int pipe = start_signer(c, fd, &signer);
        bool told = answer(fd, pipe);
        if (pipe >= 0)
            close(pipe);
        if (!told) {
            end_signer(&signer);
            _exit(1);
        }
    }
}

// ---- weftd's side ----------------------------------------------------------------------------------------------------

enum weft_err wf_signer_keeper_ask(int fd)
{
    return send(fd, "n", 1, MSG_NOSIGNAL) == 1 ? WEFT_OK : WEFT_E_CLOSED;
}

enum weft_err wf_signer_keeper_take(int fd, int wait_ms, int *ret_pipe)
{
    union fd_space space = { 0 };
    char byte = 0;
    struct iovec body = { &byte, 1 };
    struct msghdr m = { .msg_iov = &body,
        .msg_iovlen = 1,
        .msg_control = space.bytes,
        .msg_controllen = sizeof space.bytes };
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int ready = 0;

    do
        ready = poll(&p, 1, wait_ms);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        return WEFT_E_TIMEOUT;
    if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) != 1)
        return WEFT_E_CLOSED;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof *ret_pipe))
        return WEFT_E_IO;
    memcpy(ret_pipe, CMSG_DATA(c), sizeof *ret_pipe);
    return WEFT_OK;
}
