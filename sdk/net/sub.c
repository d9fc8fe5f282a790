// SPDX-License-Identifier: Apache-2.0
// One timer is the next try while nothing is connected, and the end of one that is under way; it is never cancelled before the end, so that
// setting it needs no memory. Reconnecting needs no more care: frames are sealed and numbered, nothing depends on the connection being the same.
#include "sdk/net/sub.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "proto/base/crypto.h"
#include "sdk/net/net_int.h"
#include "sdk/net/resolve.h"
#include "sdk/net/sp.h"

#define REDIAL_MS     100
#define REDIAL_MAX_MS 5000
#define TRY_MS        10000 // to connect and to greet
#define NEVER_MS      (INT64_MAX / 2)

struct wf_net_sub {
    struct wf_watch watch; // first
    struct wf_net_sub_conf conf;
    struct net_where where;
    struct net_resolve *resolve; // under way
    struct net_resolved found;
    size_t next; // of found, to be tried
    struct net_sp stream;
    bool open;      // a descriptor is watched
    bool connected; // and its connection stands
    bool up;        // told
    bool inside;    // post is called: whoever frees us there leaves the rest to us
    bool freed;
    uint32_t pipe; // counts connections
    int64_t redial_ms;
    struct wf_timer timer;
    struct net_sp_spares spares; // one at most
    struct wf_net_sub_stats stats;
};

static bool post(struct wf_net_sub *s, const struct wf_net_event *ev)
{
    s->inside = true;
    bool taken = s->conf.post(s->conf.arg, ev);
    s->inside = false;
    return taken;
}

static void hang_up(struct wf_net_sub *s)
{
    if (!s->open)
        return;
    wf_loop_unwatch(s->conf.loop, &s->watch);
    net_sp_fini(&s->stream);
    s->open = s->connected = s->up = false;
}

static void destroy(struct wf_net_sub *s)
{
    wf_timer_cancel(s->conf.loop, &s->timer);
    net_resolve_free(s->resolve);
    hang_up(s);
    net_sp_spares_fini(&s->spares);
    free(s);
}

static void set_timer(struct wf_net_sub *s, int64_t in_ms)
{
    enum weft_err err = wf_timer_set(s->conf.loop, &s->timer, wf_loop_now_ms(s->conf.loop) + in_ms);
    (void)err; // it is set, or has just fired: its place is there
}

// Readers of a node that comes back do not all come at once.
static void try_later(struct wf_net_sub *s)
{
    uint16_t random = 0;

    wf_random(&random, sizeof random);
    set_timer(s, s->redial_ms / 2 + random % (s->redial_ms / 2 + 1));
    s->redial_ms = s->redial_ms * 2 > REDIAL_MAX_MS ? REDIAL_MAX_MS : s->redial_ms * 2;
}

// The connection, or the try, is over.
static void lose(struct wf_net_sub *s)
{
    struct wf_net_event down = { .what = WF_NET_DOWN, .pipe = s->pipe, .err = WEFT_E_CLOSED };
    bool told = s->up;

    hang_up(s);
    try_later(s);
    if (told)
        (void)post(s, &down);
}

// ---- reading -----------------------------------------------------------------------------------------------------------

static bool tell_up(struct wf_net_sub *s)
{
    struct wf_net_event up = { .what = WF_NET_UP, .pipe = s->pipe };

    if (s->up)
        return !s->freed;
    s->up = true;
    s->redial_ms = REDIAL_MS;
    set_timer(s, NEVER_MS);
    (void)post(s, &up);
    return !s->freed;
}

static bool on_message(void *arg, uint32_t id, struct wf_net_msg *msg)
{
    struct wf_net_sub *s = arg;
    struct wf_net_event frame = { .what = WF_NET_FRAME, .pipe = s->pipe, .msg = msg };

    (void)id;
    bool taken = tell_up(s) && post(s, &frame);
    s->stats.frames += taken;
    s->stats.no_room += !taken;
    if (!taken)
        wf_net_msg_free(msg);
    return !s->freed;
}

static enum weft_err finish_connect(struct wf_net_sub *s)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (s->connected)
        return WEFT_OK;
    if (getsockopt(s->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
        return WEFT_E_UNREACHABLE;
    s->connected = true;
    enum weft_err err = net_sp_flush(&s->stream);
    if (!err && net_sp_waits(&s->stream)) // eight bytes into an empty socket
        err = WEFT_E_IO;
    return err ? err : wf_loop_rewatch(s->conf.loop, &s->watch, EPOLLIN);
}

static void on_ready(struct wf_watch *w, uint32_t events)
{
    struct wf_net_sub *s = (struct wf_net_sub *)(void *)w;
    enum weft_err err = finish_connect(s);

    if (!err && (events & ~(uint32_t)EPOLLOUT))
        err = net_sp_read(&s->stream, on_message, s);
    if (!err && s->stream.greeted && !s->freed)
        (void)tell_up(s);
    if (!s->freed && err)
        lose(s);
    if (s->freed)
        destroy(s);
}

// ---- dialling ----------------------------------------------------------------------------------------------------------

static enum weft_err connect_to(
    struct wf_net_sub *s, const struct sockaddr_storage *at, socklen_t len)
{
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return WEFT_E_IO;
    net_sp_options(fd);
    s->watch = (struct wf_watch){ .ready = on_ready, .fd = fd };
    enum weft_err err = WEFT_E_UNREACHABLE;
    if (connect(fd, (const struct sockaddr *)at, len) == 0 || errno == EINPROGRESS)
        err = net_sp_init(&s->stream, fd, &net_sp_subscriber, s->conf.recv_max);
    if (err) {
        close(fd);
        return err;
    }
    s->stream.spares = &s->spares;
    err = wf_loop_watch(s->conf.loop, &s->watch, EPOLLIN | EPOLLOUT);
    if (err)
        net_sp_fini(&s->stream);
    s->open = !err;
    return err;
}

static void try_next(struct wf_net_sub *s)
{
    size_t i = s->next++;

    s->pipe++;
    s->stats.dials++;
    if (connect_to(s, &s->found.at[i], s->found.len[i]))
        try_later(s);
    else
        set_timer(s, TRY_MS);
}

static void on_resolved(void *arg, const struct net_resolved *found)
{
    struct wf_net_sub *s = arg;

    s->resolve = NULL;
    s->found = *found;
    s->next = 0;
    if (found->count)
        try_next(s);
    else
        try_later(s);
}

static void dial(struct wf_net_sub *s)
{
    if (s->next == s->found.count) {
        s->next = 0;
        if (!net_resolve_numeric(s->where.host, s->where.port, &s->found)) {
            s->found.count = 0;
            if (net_resolve_new(
                    s->conf.loop, s->where.host, s->where.port, on_resolved, s, &s->resolve))
                try_later(s);
            return;
        }
    }
    try_next(s);
}

static void on_time(struct wf_timer *t)
{
    struct wf_net_sub *s =
        (struct wf_net_sub *)(void *)((char *)t - offsetof(struct wf_net_sub, timer));

    set_timer(s, NEVER_MS);
    if (s->open)
        lose(s); // neither refused nor greeted in time; it was not up, so nobody is told
    else
        dial(s);
}

// ---- life --------------------------------------------------------------------------------------------------------------

enum weft_err wf_net_sub_new(const struct wf_net_sub_conf *conf, struct wf_net_sub **ret)
{
    struct wf_net_sub *s = calloc(1, sizeof *s);
    enum weft_err err = s ? net_where_parse(conf->where, &s->where) : WEFT_E_NOMEM;

    // What a peer names as its stream is never a socket of this machine.
    if (!err && (s->where.local || s->where.port == 0))
        err = WEFT_E_SYNTAX;
    if (err) {
        free(s);
        return err;
    }
    s->conf = *conf;
    s->conf.where = NULL;
    s->conf.recv_max = conf->recv_max ? conf->recv_max : WF_MAX_FRAME;
    s->redial_ms = REDIAL_MS;
    s->timer.fire = on_time;
    err = wf_timer_set(conf->loop, &s->timer, wf_loop_now_ms(conf->loop));
    if (err) {
        free(s);
        return err;
    }
    *ret = s;
    return WEFT_OK;
}

void wf_net_sub_spare(struct wf_net_sub *s, struct wf_net_msg *msg)
{
    if (s && s->spares.count == 0)
        net_sp_spare(&s->spares, msg);
    else
        wf_net_msg_free(msg);
}

void wf_net_sub_get_stats(const struct wf_net_sub *s, struct wf_net_sub_stats *ret)
{
    *ret = s->stats;
}

void wf_net_sub_free(struct wf_net_sub *s)
{
    if (!s)
        return;
    if (s->inside)
        s->freed = true;
    else
        destroy(s);
}
