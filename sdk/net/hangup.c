// SPDX-License-Identifier: Apache-2.0
// Ends a pipe in two steps. NNG 1.5 must not close a pipe at the moment when bytes arrive on it: the transport's read result
// is then under way to its callback, which asks for the rest of the message, and that request is swallowed because the pipe's
// aios are stopped already; the one thread that destroys pipes waits for it for ever (v1.5.2 tcp.c tcptran_pipe_recv_cb,
// aio.c nni_aio_begin; fixed by aac4dc36 in 1.9.0). From then on no pipe of the process ends or reconnects. So the connection
// is shut down, by its descriptor, and what had arrived is thrown away: NNG reads its end and ends the pipe itself, in order.
// Only a pipe that is still there much later, when nothing can be under way any more, is closed.
#include "sdk/net/net_int.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define FD_GAP      1024 // so many free descriptors in a row end the search

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
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof sa;

    if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0 || !same_address(&sa, remote))
        return false;
    len = sizeof sa;
    return getsockname(fd, (struct sockaddr *)&sa, &len) == 0 && same_address(&sa, local);
}

// A duplicate, verified after it was made: the number may be another connection's by now, the duplicate can't.
static int dup_connection(int fd, const nng_sockaddr *local, const nng_sockaddr *remote)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy >= 0 && !is_connection(copy, local, remote)) {
        close(copy);
        copy = -1;
    }
    return copy;
}

// MSG_TRUNC on TCP discards in the kernel. NNG may read on in the middle of a message meanwhile; its pipe is condemned, so
// nobody listens to what it makes of that.
static void shut_down(int fd)
{
    shutdown(fd, SHUT_RDWR);
    while (recv(fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT) > 0)
        ;
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
        shut_down(copy);
        close(copy);
        return true;
    }
    return false;
}

static void append(struct net_endings *q, struct net_ending *e)
{
    e->next = NULL;
    if (q->last)
        q->last->next = e;
    else
        q->first = e;
    q->last = e;
}

static struct net_ending *take(struct net_endings *q)
{
    struct net_ending *e = q->first;

    q->first = e->next;
    if (!q->first)
        q->last = NULL;
    return e;
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
    append(&net->endings, e);
    pthread_cond_broadcast(&net->cv);
    pthread_mutex_unlock(&net->mu);
}

static void end_one(struct wf_net *net, struct net_ending *e, bool first)
{
    pthread_mutex_unlock(&net->mu);
    bool wait = first && net_pipe_shut_down((nng_pipe){ e->pipe });
    if (!wait)
        nng_pipe_close((nng_pipe){ e->pipe }); // mostly gone by now
    pthread_mutex_lock(&net->mu);
    if (wait) {
        e->due_ms = net_now_ms() + PATIENCE_MS;
        append(&net->ended, e);
    } else {
        free(e);
    }
}

int64_t net_run_endings(struct wf_net *net, int64_t now_ms)
{
    if (net->endings.first) {
        end_one(net, take(&net->endings), true);
        return now_ms;
    }
    if (net->ended.first && net->ended.first->due_ms <= now_ms) {
        end_one(net, take(&net->ended), false);
        return now_ms;
    }
    return net->ended.first ? net->ended.first->due_ms : NET_NEVER;
}

void net_forget_endings(struct wf_net *net)
{
    while (net->endings.first)
        free(take(&net->endings));
    while (net->ended.first)
        free(take(&net->ended));
}
