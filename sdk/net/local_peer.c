// SPDX-License-Identifier: Apache-2.0
// The client of a local socket. A request's id names its slot and how often that was used, so that an answer which comes after its deadline finds nobody.
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sdk/net/local.h"
#include "sdk/net/net_int.h"
#include "sdk/net/sp.h"

#define CONNECT_MS 5000
#define AGAIN_MS   5            // the server has not accepted those before
#define SEND_BYTES (512 * 1024) // a full batch leaves in one call, where the system grants so much
#define SLOT_BITS  7u

struct slot {
    bool taken, overdue; // overdue: ended for the caller, no answer yet
    uint32_t id;
    uint64_t tag;
    int64_t begun_ms, due_ms;
    int64_t read_us; // the reply may lie unread until then; 0: it is read as it comes
};

struct wf_local_peer {
    struct wf_watch watch; // first
    struct wf_local_peer_conf conf;
    struct sockaddr_un at;
    struct net_sp stream;
    bool connected, dead;
    enum weft_err why;
    uint32_t events;
    int64_t connect_by_ms, heard_ms;
    struct wf_timer
        timer; // the next deadline, the next try to connect, or the end that is to be told
    struct wf_timer reading;   // the first patience that ends
    unsigned patient, waiting; // slots with patience, and without
    uint32_t uses;
    struct slot slots[];
};

static int64_t now_ms(const struct wf_local_peer *p)
{
    return wf_loop_now_ms(p->conf.loop);
}

static void post(struct wf_local_peer *p, const struct wf_net_event *ev)
{
    if (!p->conf.post(p->conf.arg, ev))
        wf_net_msg_free(ev->msg);
}

static void end_slot(
    struct wf_local_peer *p, struct slot *s, enum weft_err err, struct wf_net_msg *msg)
{
    struct wf_net_event ev = {
        .what = WF_NET_REPLY, .sent = true, .err = err, .tag = s->tag, .msg = msg
    };
    bool told = s->overdue;

    if (s->read_us)
        p->patient--;
    else
        p->waiting--;
    *s = (struct slot){ 0 };
    if (told)
        wf_net_msg_free(msg);
    else
        post(p, &ev);
}

static void disconnect(struct wf_local_peer *p)
{
    if (p->connected)
        wf_loop_unwatch(p->conf.loop, &p->watch);
    p->connected = false;
    net_sp_fini(&p->stream);
}

// Every request ends with err, then DOWN.
static void die(struct wf_local_peer *p, enum weft_err err)
{
    struct wf_net_event ev = { .what = WF_NET_DOWN, .err = err };

    p->dead = true;
    p->why = err;
    wf_timer_cancel(p->conf.loop, &p->timer);
    wf_timer_cancel(p->conf.loop, &p->reading);
    disconnect(p);
    for (unsigned i = 0; i < p->conf.in_flight; i++)
        if (p->slots[i].taken)
            end_slot(p, &p->slots[i], err, NULL);
    post(p, &ev);
}

// The end is told from the timer, because whoever sends does not expect it before the call returns.
static void die_soon(struct wf_local_peer *p, enum weft_err err)
{
    if (p->why)
        return;
    p->why = err;
    disconnect(p);
    if (wf_timer_set(p->conf.loop, &p->timer, now_ms(p)))
        die(p, err);
}

// The end of a connection is told without being asked for.
static void watch_again(struct wf_local_peer *p)
{
    bool reads = p->waiting > 0 || (p->patient == 0 && (p->events & EPOLLIN));
    uint32_t events =
        (reads ? (uint32_t)EPOLLIN : 0) | (net_sp_waits(&p->stream) ? (uint32_t)EPOLLOUT : 0);

    if (!p->connected || events == p->events)
        return;
    p->events = events;
    if (wf_loop_rewatch(p->conf.loop, &p->watch, events))
        die_soon(p, WEFT_E_IO);
}

// ---- answers ---------------------------------------------------------------------------------------------------------------

static bool on_message(void *arg, uint32_t id, struct wf_net_msg *msg)
{
    struct wf_local_peer *p = arg;
    unsigned at = id & ((1u << SLOT_BITS) - 1);

    p->heard_ms = now_ms(p);
    if (at >= p->conf.in_flight || !p->slots[at].taken || p->slots[at].id != id) {
        wf_net_msg_free(msg);
        return false;
    }
    end_slot(p, &p->slots[at], WEFT_OK, msg);
    return true;
}

static void on_ready(struct wf_watch *w, uint32_t events)
{
    struct wf_local_peer *p = (struct wf_local_peer *)(void *)w;
    enum weft_err err = WEFT_OK;

    if (events & EPOLLOUT)
        err = net_sp_flush(&p->stream);
    if (!err && (events & ~(uint32_t)EPOLLOUT))
        err = net_sp_read(&p->stream, on_message, p);
    if (err)
        die(p, err == WEFT_E_CANCELLED ? WEFT_E_PROTOCOL : err);
    else
        watch_again(p);
}

// ---- patience --------------------------------------------------------------------------------------------------------------

static void lose_patience(struct wf_local_peer *p, struct slot *s)
{
    s->read_us = 0;
    p->patient--;
    p->waiting++;
}

static void be_patient(struct wf_local_peer *p, struct slot *s, uint32_t us)
{
    s->read_us = wf_loop_now_us(p->conf.loop) + us;
    p->patient++;
    if (p->reading.index && p->reading.due_us <= s->read_us)
        return;
    if (wf_timer_set_us(p->conf.loop, &p->reading, s->read_us))
        lose_patience(p, s);
}

// Reads what came. What did not come in its time is waited for.
static void on_reading(struct wf_timer *t)
{
    struct wf_local_peer *p =
        (struct wf_local_peer *)(void *)((char *)t - offsetof(struct wf_local_peer, reading));
    int64_t now = wf_loop_now_us(p->conf.loop), next = INT64_MAX;

    enum weft_err err = p->connected ? net_sp_read(&p->stream, on_message, p) : WEFT_OK;
    if (err) {
        die(p, err == WEFT_E_CANCELLED ? WEFT_E_PROTOCOL : err);
        return;
    }
    for (unsigned i = 0; i < p->conf.in_flight && p->patient; i++) {
        struct slot *s = &p->slots[i];
        if (s->read_us && s->read_us <= now)
            lose_patience(p, s);
        else if (s->read_us && s->read_us < next)
            next = s->read_us;
    }
    if (p->patient && wf_timer_set_us(p->conf.loop, &p->reading, next))
        wf_local_peer_hurry(p);
    else
        watch_again(p);
}

void wf_local_peer_hurry(struct wf_local_peer *p)
{
    for (unsigned i = 0; i < p->conf.in_flight && p->patient; i++)
        if (p->slots[i].read_us)
            lose_patience(p, &p->slots[i]);
    wf_timer_cancel(p->conf.loop, &p->reading);
    watch_again(p);
}

// ---- time ------------------------------------------------------------------------------------------------------------------

static void look_at(struct wf_local_peer *p, int64_t due_ms)
{
    if (p->timer.index && p->timer.due_us <= due_ms * 1000)
        return;
    if (wf_timer_set(p->conf.loop, &p->timer, due_ms))
        die_soon(p, WEFT_E_NOMEM);
}

static void try_connect(struct wf_local_peer *p)
{
    int fd = p->stream.fd;

    if (connect(fd, (const struct sockaddr *)&p->at, sizeof p->at) != 0) {
        if (errno == EAGAIN && now_ms(p) < p->connect_by_ms)
            look_at(p, now_ms(p) + AGAIN_MS);
        else
            die_soon(p, WEFT_E_UNREACHABLE);
        return;
    }
    p->watch = (struct wf_watch){ .ready = on_ready, .fd = fd };
    p->events = EPOLLIN;
    enum weft_err err = wf_loop_watch(p->conf.loop, &p->watch, p->events);
    p->connected = !err;
    if (!err)
        err = net_sp_flush(&p->stream);
    if (err)
        die_soon(p, err);
    else
        watch_again(p);
}

// A server that was mute all the time since the request began is given up.
static bool expire(struct wf_local_peer *p, struct slot *s)
{
    struct wf_net_event ev = { .what = WF_NET_REPLY,
        .sent = p->connected,
        .err = p->connected ? WEFT_E_TIMEOUT : WEFT_E_UNREACHABLE,
        .tag = s->tag };

    s->overdue = true;
    s->due_ms = INT64_MAX;
    post(p, &ev);
    return p->heard_ms < s->begun_ms;
}

static void on_time(struct wf_timer *t)
{
    struct wf_local_peer *p =
        (struct wf_local_peer *)(void *)((char *)t - offsetof(struct wf_local_peer, timer));
    int64_t next_ms = INT64_MAX;
    bool mute = false;

    for (unsigned i = 0; i < p->conf.in_flight && !p->why; i++) {
        struct slot *s = &p->slots[i];
        if (s->taken && s->due_ms <= now_ms(p))
            mute = expire(p, s) || mute;
        if (s->taken && s->due_ms < next_ms)
            next_ms = s->due_ms;
    }
    if (p->why || mute) {
        die(p, p->why ? p->why : WEFT_E_TIMEOUT);
        return;
    }
    if (next_ms != INT64_MAX)
        look_at(p, next_ms);
    if (!p->connected)
        try_connect(p);
}

// ---- life ------------------------------------------------------------------------------------------------------------------

enum weft_err wf_local_peer_new(const struct wf_local_peer_conf *conf, struct wf_local_peer **ret)
{
    unsigned slots = conf->in_flight ? conf->in_flight : WF_MAX_IN_FLIGHT + 8;
    size_t recv_max = conf->recv_max ? conf->recv_max : WF_MAX_CONTROL;
    struct sockaddr_un at;
    enum weft_err err = net_local_address(conf->where, &at);

    if (err)
        return err;
    if (slots > 1u << SLOT_BITS)
        return WEFT_E_RANGE;
    struct wf_local_peer *p = calloc(1, sizeof *p + slots * sizeof(struct slot));
    if (!p)
        return WEFT_E_NOMEM;
    p->conf = *conf;
    p->conf.in_flight = slots;
    p->at = at;
    p->timer.fire = on_time;
    p->reading.fire = on_reading;
    p->connect_by_ms = now_ms(p) + (conf->connect_ms > 0 ? conf->connect_ms : CONNECT_MS);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ SEND_BYTES }, sizeof(int));
    err = fd < 0 ? WEFT_E_IO : net_sp_init(&p->stream, fd, &net_sp_requester, recv_max);
    // One that can't be reached is told by the timer: if there is no memory for it, here.
    if (!err)
        err = wf_timer_set(conf->loop, &p->timer, now_ms(p) + CONNECT_MS);
    if (err) {
        if (fd >= 0)
            close(fd);
        free(p);
        return err;
    }
    try_connect(p);
    *ret = p;
    return WEFT_OK;
}

enum weft_err wf_local_peer_send(
    struct wf_local_peer *p, uint64_t tag, struct wf_net_msg *msg, int64_t timeout_ms)
{
    return wf_local_peer_send_how(p, tag, msg, &(struct wf_local_how){ .timeout_ms = timeout_ms });
}

enum weft_err wf_local_peer_send_how(
    struct wf_local_peer *p, uint64_t tag, struct wf_net_msg *msg, const struct wf_local_how *how)
{
    const struct wf_net_lent *lent = how->lent;
    unsigned at = 0;
    enum weft_err err = p->why;

    while (at < p->conf.in_flight && p->slots[at].taken)
        at++;
    if (!err && at == p->conf.in_flight)
        err = WEFT_E_BUSY;
    if (err) {
        if (lent)
            lent->back(lent->arg);
        wf_net_msg_free(msg);
        return err;
    }
    struct slot *s = &p->slots[at];
    *s = (struct slot){ .taken = true,
        .id = NET_SP_REQUEST | (++p->uses << SLOT_BITS & 0x7fffffffu) | at,
        .tag = tag,
        .begun_ms = now_ms(p),
        .due_ms = now_ms(p) + how->timeout_ms };
    look_at(p, s->due_ms);
    if (how->patience_us && !p->why)
        be_patient(p, s, how->patience_us);
    else
        p->waiting++;
    // A failure is that of the connection, told to every request on it.
    err = net_sp_send_lent(&p->stream, s->id, msg, lent);
    if (err)
        die_soon(p, err);
    else
        watch_again(p);
    return WEFT_OK;
}

void wf_local_peer_free(struct wf_local_peer *p)
{
    if (!p)
        return;
    if (!p->dead) {
        p->why = WEFT_E_CANCELLED;
        die(p, WEFT_E_CANCELLED);
    }
    free(p);
}
