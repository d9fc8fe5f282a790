// SPDX-License-Identifier: Apache-2.0
// Ends a pipe in two steps. NNG 1.5 must not close a pipe at the moment when bytes arrive on it: the transport's read result
// is then under way to its callback, which asks for the rest of the message, and that request is swallowed because the pipe's
// aios are stopped already; the one thread that destroys pipes waits for it for ever (v1.5.2 tcp.c tcptran_pipe_recv_cb,
// aio.c nni_aio_begin; fixed by aac4dc36 in 1.9.0). From then on no pipe of the process ends or reconnects. So the connection
// is shut down first, by its descriptor, and the pipe closed when nothing can arrive on it any more.
#include "sdk/net/net_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_MS 100  // after a shutdown, until the pipe is closed
#define FD_GAP   1024 // so many free descriptors in a row end the search

static bool same_address(const struct sockaddr_storage *sa, const nng_sockaddr *want)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

    if (want->s_family == NNG_AF_INET)
        return sa->ss_family == AF_INET && in4->sin_port == want->s_in.sa_port &&
               in4->sin_addr.s_addr == want->s_in.sa_addr;
    return sa->ss_family == AF_INET6 && in6->sin6_port == want->s_in6.sa_port &&
           memcmp(&in6->sin6_addr, want->s_in6.sa_addr, sizeof in6->sin6_addr) == 0;
}

static bool is_connection(int fd, const nng_sockaddr *local, const nng_sockaddr *remote)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0 || !same_address(&sa, remote))
        return false;
    len = sizeof sa;
    return getsockname(fd, (struct sockaddr *)&sa, &len) == 0 && same_address(&sa, local);
}

// A duplicate, verified after it was made: the number may be another connection's by now, the duplicate can't.
static int dup_connection(int fd, const nng_sockaddr *local, const nng_sockaddr *remote)
{
    int copy = dup(fd);

    if (copy >= 0 && !is_connection(copy, local, remote)) {
        close(copy);
        copy = -1;
    }
    return copy;
}

bool net_pipe_shut_down(nng_pipe p)
{
    nng_sockaddr local, remote;

    if (nng_pipe_get_addr(p, NNG_OPT_LOCADDR, &local) != 0 ||
        nng_pipe_get_addr(p, NNG_OPT_REMADDR, &remote) != 0)
        return false;
    if (remote.s_family != NNG_AF_INET && remote.s_family != NNG_AF_INET6)
        return false; // nothing tells one local connection from another
    for (int fd = 0, gap = 0; gap < FD_GAP; fd++) {
        if (!is_connection(fd, &local, &remote)) {
            gap = errno == EBADF ? gap + 1 : 0;
            continue;
        }
        int copy = dup_connection(fd, &local, &remote);
        if (copy < 0)
            return false;
        shutdown(copy, SHUT_RDWR);
        close(copy);
        return true;
    }
    return false;
}

void net_pipe_end(struct wf_net *net, uint32_t pipe)
{
    struct net_ending *e = calloc(1, sizeof *e);

    if (!e) {
        nng_pipe_close((nng_pipe){ pipe });
        return;
    }
    e->pipe = pipe;
    pthread_mutex_lock(&net->mu);
    e->next = net->endings;
    net->endings = e;
    pthread_cond_broadcast(&net->cv);
    pthread_mutex_unlock(&net->mu);
}

// With the mutex held, given up meanwhile. Returns when to call again.
int64_t net_run_endings(struct wf_net *net, int64_t now_ms)
{
    struct net_ending *due = NULL;
    int64_t next_ms = NET_NEVER;

    for (struct net_ending **link = &net->endings; *link && !due;) {
        struct net_ending *e = *link;
        if (e->due_ms <= now_ms) {
            *link = e->next;
            due = e;
        } else {
            next_ms = e->due_ms < next_ms ? e->due_ms : next_ms;
            link = &e->next;
        }
    }
    if (!due)
        return next_ms;
    pthread_mutex_unlock(&net->mu);
    bool again = due->due_ms == 0 && net_pipe_shut_down((nng_pipe){ due->pipe });
    if (!again)
        nng_pipe_close((nng_pipe){ due->pipe });
    pthread_mutex_lock(&net->mu);
    if (again) {
        due->due_ms = now_ms + QUIET_MS;
        due->next = net->endings;
        net->endings = due;
    } else {
        free(due);
    }
    return now_ms;
}
