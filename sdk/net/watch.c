// SPDX-License-Identifier: Apache-2.0
// The watcher: dials every listener that accepted nothing since the last look, speaks NNG's greeting and expects the
// connection to come out of the listener as a pipe. One hostile connection can stop an NNG 1.5 listener for good
// (nanomsg/nng issue 1518) while kernel and transport still accept and greet, so nothing less proves life. Failing twice in
// a row, the listener is closed and opened anew on its socket; pipes of other listeners are not touched.
// The same connection tells whether NNG still ends pipes: what hangup.c avoids would show here.
#include "sdk/net/net_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ACCEPT_MS 1000
#define TRIES     2
#define PROBE_MS  30000 // a busy listener is dialled this often all the same
#define END_MS    5000
#define QUIET_MS  20

struct target {
    struct sockaddr_storage sa;
    socklen_t len;
};

// The address to dial for what we listen on: the wildcard is reached by loopback.
static void target_of(const nng_sockaddr *bound, struct target *ret)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&ret->sa;
    struct sockaddr_in *in4 = (struct sockaddr_in *)&ret->sa;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->sa;

    memset(ret, 0, sizeof *ret);
    switch (bound->s_family) {
    case NNG_AF_IPC:
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, bound->s_ipc.sa_path,
            strnlen(bound->s_ipc.sa_path, sizeof un->sun_path - 1));
        ret->len = sizeof *un;
        break;
    case NNG_AF_INET:
        in4->sin_family = AF_INET;
        in4->sin_port = bound->s_in.sa_port;
        in4->sin_addr.s_addr = bound->s_in.sa_addr;
        if (in4->sin_addr.s_addr == htonl(INADDR_ANY))
            in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ret->len = sizeof *in4;
        break;
    default:
        in6->sin6_family = AF_INET6;
        in6->sin6_port = bound->s_in6.sa_port;
        memcpy(&in6->sin6_addr, bound->s_in6.sa_addr, sizeof in6->sin6_addr);
        if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
            in6->sin6_addr = in6addr_loopback;
        in6->sin6_scope_id = bound->s_in6.sa_scope;
        ret->len = sizeof *in6;
        break;
    }
}

// Connects without waiting and greets (SP TCP mapping: 0 'S' 'P' 0, protocol as u16, two reserved zeroes). The greeting may
// go out before the connection stands: on loopback it stands at once or not at all. Returns a descriptor or -1.
static int dial(const nng_sockaddr *bound, uint16_t proto)
{
    const uint8_t greeting[8] = { 0, 'S', 'P', 0, (uint8_t)(proto >> 8), (uint8_t)proto, 0, 0 };
    struct target to;

    target_of(bound, &to);
    int fd = socket(to.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)connect(fd, (struct sockaddr *)&to.sa, to.len);
    (void)send(fd, greeting, sizeof greeting, MSG_NOSIGNAL);
    return fd;
}

// What arrived is read so that closing says FIN, not RST.
static void hang_up(int fd)
{
    uint8_t sink[64];

    while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        ;
    close(fd);
}

// Waits until *count is no longer what it was, with the mutex given up. False when it stays so.
static bool wait_change(struct wf_net *net, const struct net_listener *l, const uint64_t *count,
    uint64_t was, int64_t timeout_ms)
{
    int64_t end_ms = net_now_ms() + timeout_ms;
    struct timespec ts = { (time_t)(end_ms / 1000), (long)(end_ms % 1000) * 1000000 };

    while (*count == was && !net->stop && !l->leaving && net_now_ms() < end_ms)
        pthread_cond_timedwait(&net->cv, &net->mu, &ts);
    return *count != was || net->stop || l->leaving;
}

static void report_stuck(struct wf_net *net, const struct net_listener *l)
{
    if (net->stats.stuck)
        return;
    net->stats.stuck = true;
    pthread_mutex_unlock(&net->mu);
    net_notice(net, WF_NET_STUCK, l->where.url);
    pthread_mutex_lock(&net->mu);
}

// With the mutex held, given up meanwhile. True when nobody gets in, we neither.
static bool is_deaf(struct wf_net *net, struct net_listener *l)
{
    uint64_t accepted = l->accepted, removed = net->removed;

    for (int i = 0; i < TRIES; i++) {
        net->stats.watch_dials++;
        pthread_mutex_unlock(&net->mu);
        int fd = dial(&l->bound, l->peer_proto);
        pthread_mutex_lock(&net->mu);
        if (fd < 0)
            return false; // out of descriptors: says nothing about the listener
        bool alive = wait_change(net, l, &l->accepted, accepted, ACCEPT_MS);
        net->stats.watch_failures += !alive;
        pthread_mutex_unlock(&net->mu);
        hang_up(fd);
        pthread_mutex_lock(&net->mu);
        if (!alive)
            continue;
        if (!wait_change(net, l, &net->removed, removed, END_MS))
            report_stuck(net, l);
        return false;
    }
    return true;
}

// With the mutex held, given up meanwhile.
static void revive(struct wf_net *net, struct net_listener *l)
{
    nng_listener fresh = NNG_LISTENER_INITIALIZER;
    nng_sockaddr bound;

    pthread_mutex_unlock(&net->mu);
    if (!l->dead) {
        (void)nng_listener_set_size(
            l->nng, NNG_OPT_RECVMAXSZ, 1); // pipes in use end by themselves: hangup.c
        nanosleep(&(struct timespec){ .tv_nsec = QUIET_MS * 1000000 }, NULL);
        nng_listener_close(l->nng);
    }
    enum weft_err err = net_listener_open(l, &fresh, &bound);
    net_notice(net, err ? WF_NET_LISTENER_LOST : WF_NET_LISTENER_REVIVED, l->where.url);
    pthread_mutex_lock(&net->mu);
    l->dead = err != WEFT_OK;
    if (err)
        return;
    l->nng = fresh;
    l->bound = bound;
    net->stats.revived++;
}

static void check(struct wf_net *net, struct net_listener *l)
{
    bool quiet = l->accepted == l->accepted_seen;

    if (l->dead || quiet || net_now_ms() - l->probed_ms >= PROBE_MS) {
        l->probed_ms = net_now_ms();
        l->busy = true;
        if (l->dead || is_deaf(net, l))
            revive(net, l);
        l->busy = false;
        pthread_cond_broadcast(&net->cv);
    }
    l->accepted_seen = l->accepted;
}

static void *watch_main(void *arg)
{
    struct wf_net *net = arg;

    pthread_mutex_lock(&net->mu);
    while (!net->stop) {
        int64_t due_ms = net_now_ms() + net->conf.watch_ms;
        struct timespec ts = { (time_t)(due_ms / 1000), (long)(due_ms % 1000) * 1000000 };
        while (!net->stop && net_now_ms() < due_ms)
            pthread_cond_timedwait(&net->cv, &net->mu, &ts);
        // A busy listener stays in the list, so its `next` is good after the check, before the mutex is given up again.
        for (struct net_listener *l = net->listeners; l && !net->stop; l = l->next)
            check(net, l);
    }
    pthread_mutex_unlock(&net->mu);
    return NULL;
}

enum weft_err net_watch_start(struct wf_net *net)
{
    if (net->watching)
        return WEFT_OK;
    enum weft_err err = net_thread(&net->watcher, watch_main, net);
    if (!err)
        net->watching = true;
    return err;
}
