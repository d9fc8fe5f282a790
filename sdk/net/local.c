// SPDX-License-Identifier: Apache-2.0
// The server of a local socket. A connection is read when the loop says so and answered from wherever the answer is made, at once. A request keeps
// its connection's memory, and that the server's, so that it may be answered after both are gone.
#include "sdk/net/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sdk/net/net_int.h"
#include "sdk/net/sp.h"

#define BACKLOG  128
#define ACCEPTS  16 // a turn
#define SWEEP_MS 500
#define FIRST_ID 0x80000000u // NNG's ids of pipes lie below
#define SPARES                                                                                     \
    4 // descriptors kept for when none is left: whoever is to find out why has to be let in

struct conn {
    struct wf_watch watch; // first
    struct wf_local *server;
    struct net_sp stream;
    uint32_t id, uid;
    uint32_t events; // that are watched
    unsigned busy;   // requests in work or parked
    unsigned refs;   // the server's, and of each of them
    bool spoke;
    bool doomed; // ends as soon as nobody works on it
    bool inside; // its requests are being handed over
    int64_t last_ms, stuck_ms;
    struct conn *next, *prev;
};

struct request {
    struct wf_net_request pub; // first
    struct conn *conn;
    uint32_t id;
    bool held;
    size_t len; // as it came
};

struct wf_local {
    struct wf_local_conf conf;
    struct wf_watch listener;
    bool listening, deaf; // deaf: no descriptor was left for a connection
    bool freed;
    bool paused; // connections that wait for one of the requests in work to be answered
    unsigned refs;
    char path[WF_MAX_ADDR];
    struct conn *conns;
    uint32_t last_id;
    int spares[SPARES]; // -1: used
    int null;           // what a spare is a copy of
    struct wf_timer sweep;
    struct wf_local_stats stats;
    struct net_sp_spares messages;
};

static void unref(struct wf_local *s)
{
    if (--s->refs > 0)
        return;
    net_sp_spares_fini(&s->messages);
    free(s);
}

static int64_t now_ms(const struct wf_local *s)
{
    return wf_loop_now_ms(s->conf.loop);
}

// ---- connections -----------------------------------------------------------------------------------------------------------

static void conn_unref(struct conn *c)
{
    struct wf_local *s = c->server;

    if (--c->refs > 0)
        return;
    free(c);
    unref(s);
}

// A spare that was spent on a connection comes back with its end, without being free in between: others wait for one, too.
static void take_back(struct wf_local *s, int *fd)
{
    int i = 0;

    while (i < SPARES && s->spares[i] >= 0)
        i++;
    if (s->freed || s->null < 0 || i == SPARES || dup3(s->null, *fd, O_CLOEXEC) < 0)
        return;
    s->spares[i] = *fd;
    *fd = -1;
}

static bool is_gone(const struct conn *c)
{
    return c->stream.fd < 0;
}

static void conn_end(struct conn *c)
{
    struct wf_local *s = c->server;
    struct wf_net_event ev = { .what = WF_NET_DOWN, .pipe = c->id };

    if (is_gone(c))
        return;
    if (c->inside) {
        c->doomed = true;
        return;
    }
    wf_loop_unwatch(s->conf.loop, &c->watch);
    take_back(s, &c->stream.fd);
    net_sp_fini(&c->stream);
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->stats.pipes--;
    if (!s->freed)
        (void)s->conf.post(s->conf.arg, &ev);
    conn_unref(c);
}

static bool is_full(const struct wf_local *s)
{
    return s->stats.working >= s->conf.working || s->stats.bytes >= s->conf.bytes;
}

// What the connection waits for: requests, unless too many are in work; room for replies, if some wait.
static void watch_again(struct conn *c)
{
    struct wf_local *s = c->server;
    bool full = is_full(s);
    uint32_t events =
        (full ? 0 : (uint32_t)EPOLLIN) | (net_sp_waits(&c->stream) ? (uint32_t)EPOLLOUT : 0);

    s->paused = s->paused || full;
    if (events == c->events || c->inside)
        return;
    c->events = events;
    if (wf_loop_rewatch(s->conf.loop, &c->watch, events))
        conn_end(c);
}

static void go_on(struct wf_local *s)
{
    if (!s->paused || s->freed || is_full(s))
        return;
    s->paused = false;
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        watch_again(c);
    }
}

// ---- requests --------------------------------------------------------------------------------------------------------------

static enum weft_err hold(struct wf_net_request *pub)
{
    struct request *q = (struct request *)(void *)pub;
    struct wf_local *s = q->conn->server;

    if (q->held)
        return WEFT_OK;
    if (s->stats.held >= s->conf.held || s->stats.held_bytes + q->len > s->conf.held_bytes)
        return WEFT_E_BUSY;
    q->held = true;
    s->stats.held++;
    s->stats.held_bytes += q->len;
    s->stats.working--;
    s->stats.bytes -= q->len;
    go_on(s);
    return WEFT_OK;
}

static void reply(struct conn *c, uint32_t id, struct wf_net_msg *m)
{
    bool waited = net_sp_waits(&c->stream);

    if (net_sp_send(&c->stream, id, m)) {
        conn_end(c);
        return;
    }
    if (!waited)
        c->stuck_ms = c->last_ms;
    watch_again(c);
}

// The request leaves the caller's hands: with a reply, or without.
static void finish(struct wf_net_request *pub, struct wf_net_msg *m, bool close_pipe)
{
    struct request *q = (struct request *)(void *)pub;
    struct conn *c = q->conn;
    struct wf_local *s = c->server;

    net_sp_spare(&s->messages, pub->msg);
    if (q->held) {
        s->stats.held--;
        s->stats.held_bytes -= q->len;
    } else {
        s->stats.working--;
        s->stats.bytes -= q->len;
    }
    c->busy--;
    if (!is_gone(c)) {
        c->last_ms = now_ms(s);
        if (close_pipe)
            conn_end(c);
    }
    if (m && !is_gone(c) && !c->doomed)
        reply(c, q->id, m);
    else
        wf_net_msg_free(m);
    free(q);
    go_on(s);
    conn_unref(c);
}

static const struct net_request_ops ops = { .hold = hold, .finish = finish };

static bool on_message(void *arg, uint32_t id, struct wf_net_msg *msg)
{
    struct conn *c = arg;
    struct wf_local *s = c->server;
    struct request *q = c->busy < s->conf.per_pipe ? calloc(1, sizeof *q) : NULL;

    if (!q) {
        wf_net_msg_free(msg);
        return false;
    }
    *q = (struct request){ .pub = { .ops = &ops,
                               .pipe = c->id,
                               .first = !c->spoke,
                               .addr = { .family = WF_NET_LOCAL, .uid = c->uid },
                               .msg = msg },
        .conn = c,
        .id = id,
        .len = wf_net_msg_len(msg) };
    struct wf_net_event ev = { .what = WF_NET_REQUEST, .pipe = c->id, .request = &q->pub };
    c->spoke = true;
    c->last_ms = now_ms(s);
    c->busy++;
    c->refs++;
    s->stats.working++;
    s->stats.bytes += q->len;
    s->stats.requests++;
    if (!s->conf.post(s->conf.arg, &ev)) {
        finish(&q->pub, NULL, false);
        return false;
    }
    return !c->doomed;
}

// One read; then whatever was handed over may have ended the connection.
static void read_requests(struct conn *c)
{
    c->inside = true;
    enum weft_err err = net_sp_read(&c->stream, on_message, c);
    c->inside = false;
    if (err || c->doomed)
        conn_end(c);
    else
        watch_again(c);
}

static void on_ready(struct wf_watch *w, uint32_t events)
{
    struct conn *c = (struct conn *)(void *)w;

    c->refs++;
    if ((events & EPOLLOUT) && !is_gone(c)) {
        if (net_sp_flush(&c->stream))
            conn_end(c);
        else
            watch_again(c);
    }
    if (!is_gone(c) && (c->events & EPOLLIN) && (events & ~(uint32_t)EPOLLOUT))
        read_requests(c);
    else if (!is_gone(c) && (events & (EPOLLHUP | EPOLLERR)))
        conn_end(c); // paused, and nobody is there for the answers any more
    conn_unref(c);
}

// ---- the listener ----------------------------------------------------------------------------------------------------------

static void start_sweep(struct wf_local *s)
{
    if (!s->sweep.index && wf_timer_set(s->conf.loop, &s->sweep, now_ms(s) + SWEEP_MS))
        return; // short of memory: the next connection tries again
}

static void admit(struct wf_local *s, int fd)
{
    struct conn *c = s->stats.pipes < s->conf.pipes ? calloc(1, sizeof *c) : NULL;
    struct ucred peer = { 0 };
    socklen_t len = sizeof peer;

    if (!c || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
        net_sp_init(&c->stream, fd, &net_sp_replier, s->conf.recv_max)) {
        close(fd);
        free(c);
        s->stats.refused++;
        return;
    }
    c->watch = (struct wf_watch){ .ready = on_ready, .fd = fd };
    c->events = EPOLLIN;
    if (net_sp_flush(&c->stream) || wf_loop_watch(s->conf.loop, &c->watch, c->events)) {
        net_sp_fini(&c->stream);
        free(c);
        s->stats.refused++;
        return;
    }
    c->server = s;
    c->stream.spares = &s->messages;
    c->refs = 1;
    s->refs++;
    s->last_id = (s->last_id + 1) % (FIRST_ID - 1);
    c->id = FIRST_ID + 1 + s->last_id;
    c->uid = (uint32_t)peer.uid;
    c->last_ms = now_ms(s);
    c->next = s->conns;
    if (s->conns)
        s->conns->prev = c;
    s->conns = c;
    s->stats.pipes++;
    s->stats.admitted++;
    start_sweep(s);
}

static void fill_spares(struct wf_local *s)
{
    for (int i = 0; i < SPARES; i++)
        if (s->spares[i] < 0)
            s->spares[i] = fcntl(s->null, F_DUPFD_CLOEXEC, 0);
}

// Gives a descriptor back to the process, for the connection that waits. False: none is left.
static bool spend_spare(struct wf_local *s)
{
    for (int i = 0; i < SPARES; i++)
        if (s->spares[i] >= 0) {
            close(s->spares[i]);
            s->spares[i] = -1;
            return true;
        }
    return false;
}

// For somebody who waits, as far as is known: what finds nobody is kept.
static bool accept_on_spare(struct wf_local *s)
{
    if (!spend_spare(s))
        return false;
    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        admit(s, fd);
    else
        fill_spares(s);
    start_sweep(s);
    return true;
}

static void on_accept(struct wf_watch *w, uint32_t events)
{
    struct wf_local *s =
        (struct wf_local *)(void *)((char *)w - offsetof(struct wf_local, listener));

    (void)events;
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(s, fd);
            continue;
        }
        if (errno == EMFILE && i == 0 && accept_on_spare(s))
            return; // one a turn: accept4 says so before it looks whether anybody waits
        if (errno == EMFILE && i > 0)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            // It would stay readable: the sweep listens again, when something may have been closed.
            s->deaf = !wf_loop_rewatch(s->conf.loop, w, 0);
            start_sweep(s);
        }
        return;
    }
}

static void sweep_one(struct conn *c, int64_t now)
{
    struct wf_local *s = c->server;
    int64_t limit_ms = c->spoke ? s->conf.idle_ms : s->conf.first_ms;

    if (net_sp_waits(&c->stream)) {
        if (now - c->stuck_ms < s->conf.send_ms)
            return;
        s->stats.closed_stuck++;
    } else if (c->busy || now - c->last_ms < limit_ms) {
        return;
    } else {
        s->stats.closed_idle++;
    }
    conn_end(c);
}

static void on_sweep(struct wf_timer *t)
{
    struct wf_local *s = (struct wf_local *)(void *)((char *)t - offsetof(struct wf_local, sweep));
    int64_t now = now_ms(s);

    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        sweep_one(c, now);
    }
    fill_spares(s);
    if (!s->messages.served)
        net_sp_spares_fini(&s->messages);
    s->messages.served = false;
    if (s->deaf)
        s->deaf = wf_loop_rewatch(s->conf.loop, &s->listener, EPOLLIN) != WEFT_OK;
    if (s->conns || s->deaf || s->messages.count)
        start_sweep(s);
}

static enum weft_err system_error(int error)
{
    switch (error) {
    case EADDRINUSE:
        return WEFT_E_IN_USE;
    case EACCES:
    case EPERM:
    case EROFS:
        return WEFT_E_PERMISSION;
    case ENOENT:
    case ENOTDIR:
        return WEFT_E_NOT_FOUND;
    case ENOMEM:
        return WEFT_E_NOMEM;
    default:
        return WEFT_E_IO;
    }
}

// What lies at the address is a socket that nobody listens on.
static bool is_left_behind(const struct sockaddr_un *at)
{
    struct stat st; // a file that is no socket refuses connections too
    bool ours = lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool dead = ours && fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 &&
                errno == ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return dead;
}

static enum weft_err bind_to(int fd, const struct sockaddr_un *at, unsigned mode)
{
    const struct sockaddr *a = (const struct sockaddr *)at;
    int rc = bind(fd, a, sizeof *at);

    if (rc != 0 && errno == EADDRINUSE && is_left_behind(at) && unlink(at->sun_path) == 0)
        rc = bind(fd, a, sizeof *at);
    if (rc != 0)
        return system_error(errno);
    // Nobody can connect before listen, so none does while the mode is still the umask's.
    if (chmod(at->sun_path, mode) == 0 && listen(fd, BACKLOG) == 0)
        return WEFT_OK;
    enum weft_err err = system_error(errno);
    unlink(at->sun_path);
    return err;
}

enum weft_err net_local_address(const char *where, struct sockaddr_un *ret)
{
    struct net_where w;
    enum weft_err err = net_where_parse(where, &w);

    if (err)
        return err;
    if (!w.local)
        return WEFT_E_SYNTAX;
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(ret->sun_path, sizeof ret->sun_path, "%s", w.url + strlen("ipc://"));
    return WEFT_OK;
}

enum weft_err wf_local_listen(struct wf_local *s, const char *where, unsigned mode)
{
    struct sockaddr_un at;
    enum weft_err err = net_local_address(where, &at);

    if (err)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return system_error(errno);
    err = bind_to(fd, &at, mode);
    if (!err) {
        s->listener = (struct wf_watch){ .ready = on_accept, .fd = fd };
        err = wf_loop_watch(s->conf.loop, &s->listener, EPOLLIN);
        if (err)
            unlink(at.sun_path);
    }
    if (err) {
        close(fd);
        return err;
    }
    s->listening = true;
    memcpy(s->path, at.sun_path, sizeof at.sun_path);
    return WEFT_OK;
}

// ---- life ------------------------------------------------------------------------------------------------------------------

static void set_defaults(struct wf_local_conf *c)
{
    if (c->recv_max == 0)
        c->recv_max = WF_MAX_CONTROL;
    c->working = c->working ? c->working : 512;
    c->bytes = c->bytes ? c->bytes : WF_NET_WORK_BYTES;
    c->held = c->held ? c->held : 4096;
    c->held_bytes = c->held_bytes ? c->held_bytes : WF_NET_WORK_BYTES;
    c->per_pipe = c->per_pipe ? c->per_pipe : WF_MAX_IN_FLIGHT + 8;
    c->pipes = c->pipes ? c->pipes : 4096;
    c->first_ms = c->first_ms > 0 ? c->first_ms : 10000;
    c->idle_ms = c->idle_ms > 0 ? c->idle_ms : 600000;
    c->send_ms = c->send_ms > 0 ? c->send_ms : 30000;
}

enum weft_err wf_local_new(const struct wf_local_conf *conf, struct wf_local **ret)
{
    struct wf_local *s = calloc(1, sizeof *s);

    if (!s)
        return WEFT_E_NOMEM;
    s->conf = *conf;
    set_defaults(&s->conf);
    s->refs = 1;
    s->sweep.fire = on_sweep;
    s->null = open("/dev/null", O_RDONLY | O_CLOEXEC); // without it there are no spares
    for (int i = 0; i < SPARES; i++)
        s->spares[i] = -1;
    fill_spares(s);
    *ret = s;
    return WEFT_OK;
}

void wf_local_free(struct wf_local *s)
{
    if (!s)
        return;
    s->freed = true;
    if (s->listening) {
        wf_loop_unwatch(s->conf.loop, &s->listener);
        close(s->listener.fd);
        unlink(s->path);
    }
    wf_timer_cancel(s->conf.loop, &s->sweep);
    while (spend_spare(s))
        ;
    if (s->null >= 0)
        close(s->null);
    while (s->conns)
        conn_end(s->conns);
    unref(s);
}

void wf_local_get_stats(const struct wf_local *s, struct wf_local_stats *ret)
{
    *ret = s->stats;
    ret->max_working = s->conf.working;
    ret->max_held = s->conf.held;
    ret->max_bytes = s->conf.bytes;
    ret->max_held_bytes = s->conf.held_bytes;
}
