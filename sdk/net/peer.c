// SPDX-License-Identifier: Apache-2.0
// REQ: one socket a peer, one connection for life, closed whole. A request is a slot: a context that sends, waits for the
// send's result, then receives. NNG 1.5 crashes when a send is cancelled after its receive expired (nanomsg/nng issue 1702),
// so nothing is cancelled and no receive has a timeout: past its deadline a request ends for the caller and its slot waits
// on as an orphan; with too many of them, or a peer mute all that time, the socket is closed and takes all with it.
#include "sdk/net/net_int.h"

#include <nng/protocol/reqrep0/req.h>
#include <stdlib.h>

#define CONNECT_MS   5000
#define PROBE_MS     4 // first look at how dialling goes; doubles up to PROBE_MAX_MS
#define PROBE_MAX_MS 256
#define REDIAL_MS    3600000 // never: one connection for life
#define QUIET_MS     50      // without pipe events before the close
#define PATIENCE_MS  2000    // for a connection that was shut down to end
#define POLL_MS      5
#define MAX_ORPHANS  8u

enum slot_state { FREE, SENDING, WAITING };

struct waiter {
    bool done, sent;
    enum weft_err err;
    struct wf_net_msg *msg;
};

struct slot {
    struct wf_net_peer *peer;
    nng_ctx ctx;
    nng_aio *aio;
    enum slot_state state;
    bool orphan; // ended for the caller, not for NNG
    bool sent;
    uint64_t tag;
    int64_t begun_ms, due_ms;
    struct waiter *waiter; // a blocking call, or NULL
};

enum peer_state { DIALLING, UP, DEAD };

struct wf_net_peer {
    struct wf_net *net;
    nng_socket sock;
    nng_dialer dialer;
    pthread_mutex_t mu;
    pthread_cond_t cv;
    wf_net_post_fn post;
    void *arg;
    enum peer_state state;
    enum weft_err why; // DEAD
    bool freed;        // by its owner: post no more
    bool settling;     // freed while it dialled
    bool gone;         // its pipe ended
    unsigned refs;     // the owner and the closing
    uint32_t pipe;     // 0 = not connected yet; stays when the pipe is gone
    int64_t connect_by_ms, probe_ms, heard_ms, event_ms;
    int64_t close_by_ms; // the closer's: 0 = its first half is not done
    struct slot **slots;
    unsigned count, cap, orphans;
    struct net_tick tick;
    struct net_close close;
};

static void on_aio(void *arg);

// ---- requests; all with the mutex held ----

static void post(struct wf_net_peer *p, const struct wf_net_event *ev)
{
    if (!p->freed && p->post && p->post(p->arg, ev))
        return;
    wf_net_msg_free(ev->msg);
}

// Ends the request for the caller; the slot itself goes on.
static void answer(struct slot *s, enum weft_err err, struct wf_net_msg *msg)
{
    struct wf_net_event ev = { .what = WF_NET_REPLY,
        .pipe = s->peer->pipe,
        .sent = s->sent,
        .err = err,
        .tag = s->tag,
        .msg = msg };

    if (!s->waiter) {
        post(s->peer, &ev);
        return;
    }
    *s->waiter = (struct waiter){ true, s->sent, err, msg };
    s->waiter = NULL;
    pthread_cond_broadcast(&s->peer->cv);
}

static void end_slot(struct slot *s, enum weft_err err, struct wf_net_msg *msg)
{
    if (s->orphan) {
        wf_net_msg_free(msg);
        s->peer->orphans--;
    } else {
        answer(s, err, msg);
    }
    s->orphan = false;
    s->state = FREE;
}

static void orphan_slot(struct slot *s, enum weft_err err)
{
    if (s->state == FREE || s->orphan)
        return;
    s->sent =
        s->peer->pipe != 0; // from now on NNG may send it at any moment until the socket is closed
    answer(s, err, NULL);
    s->orphan = true;
    s->peer->orphans++;
}

static struct slot *open_slot(struct wf_net_peer *p)
{
    struct slot *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->peer = p;
    if (nng_ctx_open(&s->ctx, p->sock) != 0) {
        free(s);
        return NULL;
    }
    if (nng_aio_alloc(&s->aio, on_aio, s) != 0) {
        nng_ctx_close(s->ctx);
        free(s);
        return NULL;
    }
    p->slots[p->count++] = s;
    return s;
}

static enum weft_err find_slot(struct wf_net_peer *p, struct slot **ret)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (p->slots[i]->state == FREE) {
            *ret = p->slots[i];
            return WEFT_OK;
        }
    }
    if (p->count == p->cap)
        return WEFT_E_BUSY;
    struct slot *s = open_slot(p);
    if (!s)
        return WEFT_E_NOMEM;
    *ret = s;
    return WEFT_OK;
}

// The peer ends: every request with err, the socket behind us. Idempotent.
static void die(struct wf_net_peer *p, enum weft_err err)
{
    struct wf_net_event ev = { .what = WF_NET_DOWN, .pipe = p->pipe, .err = err };

    if (p->state == DEAD)
        return;
    p->settling = p->state == DIALLING && err == WEFT_E_CANCELLED;
    p->state = DEAD;
    p->why = err;
    for (unsigned i = 0; i < p->count; i++)
        orphan_slot(p->slots[i], err);
    post(p, &ev);
    p->close.begin_ms = net_now_ms();
    net_close_later(p->net, &p->close);
    pthread_cond_broadcast(&p->cv);
}

static enum weft_err begin(
    struct wf_net_peer *p, struct wf_net_msg *msg, int64_t timeout_ms, struct slot **ret)
{
    struct slot *s = NULL;
    enum weft_err err = p->state == DEAD ? p->why : find_slot(p, &s);

    if (!s) {
        wf_net_msg_free(msg);
        return err;
    }
    s->state = SENDING;
    s->sent = false;
    s->begun_ms = net_now_ms();
    s->due_ms = s->begun_ms + timeout_ms;
    net_aio_give(s->aio, net_msg_out(msg));
    nng_ctx_send(s->ctx, s->aio);
    net_tick_at(p->net, &p->tick, s->due_ms);
    *ret = s;
    return WEFT_OK;
}

static void on_send_result(struct slot *s)
{
    int rv = nng_aio_result(s->aio);

    if (rv != 0) {
        nng_msg_free(nng_aio_get_msg(s->aio));
        nng_aio_set_msg(s->aio, NULL);
        end_slot(s, net_err(rv), NULL);
        return;
    }
    s->sent = true;
    s->state = WAITING;
    nng_ctx_recv(s->ctx, s->aio); // also when dead: NNG answers with the reason
}

static void on_receive_result(struct slot *s)
{
    int rv = nng_aio_result(s->aio);

    if (rv != 0) {
        end_slot(s, net_err(rv), NULL);
        return;
    }
    nng_msg *m = nng_aio_get_msg(s->aio);
    nng_aio_set_msg(s->aio, NULL);
    s->peer->heard_ms = net_now_ms();
    end_slot(s, WEFT_OK, net_msg_in(m));
}

static void on_aio(void *arg)
{
    struct slot *s = arg;
    struct wf_net_peer *p = s->peer;

    pthread_mutex_lock(&p->mu);
    if (s->state == SENDING)
        on_send_result(s);
    else
        on_receive_result(s);
    pthread_mutex_unlock(&p->mu);
}

// ---- deadlines ----

static void expire(struct wf_net_peer *p, struct slot *s)
{
    enum weft_err err = p->state == DIALLING ? WEFT_E_UNREACHABLE : WEFT_E_TIMEOUT;

    orphan_slot(s, err);
    if (p->orphans > MAX_ORPHANS || p->heard_ms < s->begun_ms)
        die(p, err);
}

static uint64_t stat_of(nng_stat *scope, const char *name)
{
    for (nng_stat *st = nng_stat_child(scope); st; st = nng_stat_next(st))
        if (strcmp(nng_stat_name(st), name) == 0)
            return nng_stat_value(st);
    return 0;
}

// nng_stat_find_dialer of 1.5 finds the first dialer, not this one.
static nng_stat *find_dialer(nng_stat *all, nng_dialer dialer)
{
    uint64_t id = (uint64_t)nng_dialer_id(dialer);
    nng_stat *st = nng_stat_child(all);

    while (st && (strcmp(nng_stat_name(st), "dialer") != 0 || stat_of(st, "id") != id))
        st = nng_stat_next(st);
    return st;
}

// NNG fails to dial in silence; only its statistics tell. The blocking dial would, but hangs for ever when the socket is
// closed just before it begins (v1.5.2 dialer.c: the connect's aio is stopped by then, nothing wakes the caller).
enum weft_err net_dial_failure(nng_dialer dialer)
{
    static const struct {
        const char *name;
        enum weft_err err;
    } signs[] = {
        { "refused", WEFT_E_UNREACHABLE },
        { "other", WEFT_E_UNREACHABLE },
        { "timeout", WEFT_E_UNREACHABLE },
        { "disconnect", WEFT_E_UNREACHABLE },
        { "proto", WEFT_E_PROTOCOL },
    };
    nng_stat *all = NULL;
    enum weft_err err = WEFT_OK;

    if (nng_stats_get(&all) != 0)
        return WEFT_OK; // built without them: the connect deadline decides
    nng_stat *mine = find_dialer(all, dialer);
    for (size_t i = 0; i < WF_COUNT(signs) && mine && !err; i++)
        if (stat_of(mine, signs[i].name) > 0)
            err = signs[i].err;
    nng_stats_free(all);
    return err;
}

static int64_t watch_dialling(struct wf_net_peer *p, int64_t now_ms)
{
    enum weft_err err = net_dial_failure(p->dialer);

    if (!err && p->connect_by_ms <= now_ms)
        err = WEFT_E_UNREACHABLE;
    if (err) {
        die(p, err);
        return NET_NEVER;
    }
    int64_t next_ms = now_ms + p->probe_ms;
    if (p->probe_ms < PROBE_MAX_MS)
        p->probe_ms *= 2;
    return next_ms < p->connect_by_ms ? next_ms : p->connect_by_ms;
}

static int64_t on_tick(void *arg, int64_t now_ms)
{
    struct wf_net_peer *p = arg;
    int64_t next_ms = NET_NEVER;

    pthread_mutex_lock(&p->mu);
    if (p->state == DIALLING)
        next_ms = watch_dialling(p, now_ms);
    for (unsigned i = 0; i < p->count && p->state != DEAD; i++) {
        struct slot *s = p->slots[i];
        if (s->state == FREE || s->orphan)
            continue;
        if (s->due_ms <= now_ms)
            expire(p, s);
        else if (s->due_ms < next_ms)
            next_ms = s->due_ms;
    }
    pthread_mutex_unlock(&p->mu);
    return next_ms;
}

// ---- the connection ----

// Told before NNG uses the pipe, so that UP comes before what arrives on it.
static void come_up(struct wf_net_peer *p, uint32_t pipe)
{
    struct wf_net_event ev = { .what = WF_NET_UP, .pipe = pipe };

    p->pipe = pipe;
    p->state = UP;
    post(p, &ev);
    pthread_cond_broadcast(&p->cv);
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    struct wf_net_peer *p = arg;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);
    bool refuse = false;

    pthread_mutex_lock(&p->mu);
    p->event_ms = net_now_ms();
    if (ev == NNG_PIPE_EV_ADD_PRE) {
        refuse = p->state != DIALLING; // NNG dialled again: not with this session
        if (!refuse)
            come_up(p, id);
    } else if (ev == NNG_PIPE_EV_REM_POST && p->pipe == id) {
        p->gone = true;
        die(p, WEFT_E_CLOSED);
    }
    pthread_mutex_unlock(&p->mu);
    if (refuse)
        nng_pipe_close(pipe);
}

// ---- life ----

static void unref(struct wf_net_peer *p)
{
    pthread_mutex_lock(&p->mu);
    bool last = --p->refs == 0;
    pthread_mutex_unlock(&p->mu);
    if (!last)
        return;
    for (unsigned i = 0; i < p->count; i++)
        free(p->slots[i]);
    free((void *)p->slots);
    net_lock_fini(&p->mu, &p->cv);
    free(p);
}

// Its pipe ended (or its dial), and NNG has stopped dialling anew, which half the time it does at once whatever it was told
// (v1.5.2 socket.c: a signed remainder): a connection that comes to stand during the close is leaked. In the end, any way.
static bool may_close(struct wf_net_peer *p)
{
    pthread_mutex_lock(&p->mu);
    int64_t now_ms = net_now_ms();
    bool ended = p->pipe != 0 ? p->gone : p->event_ms != 0;
    bool quiet = now_ms - p->event_ms >= QUIET_MS || now_ms >= p->close_by_ms + PATIENCE_MS;
    bool late = now_ms >= p->close_by_ms;
    pthread_mutex_unlock(&p->mu);
    return (ended || late) && quiet;
}

static int64_t fall_silent(struct wf_net_peer *p)
{
    net_tick_remove(p->net, &p->tick);
    (void)nng_dialer_set_size(p->dialer, NNG_OPT_RECVMAXSZ, 1);
    bool ends = p->pipe != 0 && net_pipe_shut_down((nng_pipe){ p->pipe });
    int64_t wait_ms = ends ? PATIENCE_MS : p->settling ? NET_SETTLE_MS : QUIET_MS;
    p->close_by_ms = net_now_ms() + wait_ms;
    return 1;
}

// On a closer thread; the peer is dead, so nothing begins any more. First nothing more may arrive (hangup.c says why), then
// closing the socket ends every aio without a cancel.
static int64_t do_close(void *arg)
{
    struct wf_net_peer *p = arg;

    if (p->close_by_ms == 0)
        return fall_silent(p);
    if (!may_close(p))
        return POLL_MS;
    nng_close(p->sock);
    for (unsigned i = 0; i < p->count; i++)
        nng_aio_free(p->slots[i]->aio);
    unref(p);
    return 0;
}

void wf_net_peer_free(struct wf_net_peer *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mu);
    for (unsigned i = 0; i < p->count; i++)
        orphan_slot(p->slots[i], WEFT_E_CANCELLED);
    p->freed = true;
    die(p, WEFT_E_CANCELLED);
    pthread_mutex_unlock(&p->mu);
    unref(p);
}

static enum weft_err open_socket(struct wf_net_peer *p, const struct wf_net_peer_conf *conf)
{
    struct net_where where;
    enum weft_err err = net_where_parse(conf->where, &where);

    if (err)
        return err;
    int rv = nng_req0_open(&p->sock);
    if (rv != 0)
        return net_err(rv);
    err = net_socket_common(p->sock, conf->recv_max ? conf->recv_max : WF_MAX_CONTROL);
    if (!err)
        err = net_socket_one_hop(p->sock);
    if (!err)
        err = net_err(nng_socket_set_ms(p->sock, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE));
    if (!err)
        err = net_pipe_events(p->sock, on_pipe, p);
    if (!err)
        err = net_dialer_new(&p->dialer, p->sock, where.url);
    if (!err)
        err = net_err(nng_dialer_set_ms(p->dialer, NNG_OPT_RECONNMINT, REDIAL_MS));
    if (err)
        nng_close(p->sock);
    return err;
}

// The tick comes first: once it dials, the peer may die, and be closed, at any moment.
static enum weft_err start_dialling(struct wf_net_peer *p)
{
    net_tick_add(p->net, &p->tick);
    enum weft_err err = net_err(nng_dialer_start(p->dialer, NNG_FLAG_NONBLOCK));
    if (err) {
        net_tick_remove(p->net, &p->tick);
        nng_close(p->sock);
    }
    return err;
}

enum weft_err wf_net_peer_new(
    struct wf_net *net, const struct wf_net_peer_conf *conf, struct wf_net_peer **ret)
{
    struct wf_net_peer *p = calloc(1, sizeof *p);
    int64_t now_ms = net_now_ms();
    enum weft_err err = WEFT_E_NOMEM;

    if (!p)
        return err;
    net_lock_init(&p->mu, &p->cv);
    p->net = net;
    p->post = conf->post;
    p->arg = conf->arg;
    p->refs = 2; // the owner's and the closing's
    p->cap = conf->in_flight ? conf->in_flight : WF_MAX_IN_FLIGHT + 8;
    p->slots = calloc(p->cap, sizeof(struct slot *));
    p->connect_by_ms = now_ms + (conf->connect_ms > 0 ? conf->connect_ms : CONNECT_MS);
    p->probe_ms = PROBE_MS;
    p->tick = (struct net_tick){ .fn = on_tick, .arg = p, .due_ms = now_ms + PROBE_MS };
    p->close = (struct net_close){ .fn = do_close, .arg = p, .what = "peer" };
    if (!p->slots)
        goto out;
    err = open_socket(p, conf);
    if (err)
        goto out;
    err = start_dialling(p);
    if (err)
        goto out;
    *ret = p;
    p = NULL;
out:
    if (p) { // nothing to close: the socket is gone or never was
        p->refs = 1;
        unref(p);
    }
    return err;
}

enum weft_err wf_net_peer_wait(struct wf_net_peer *p)
{
    pthread_mutex_lock(&p->mu);
    while (p->state == DIALLING)
        pthread_cond_wait(&p->cv, &p->mu);
    enum weft_err err = p->state == UP ? WEFT_OK : p->why;
    pthread_mutex_unlock(&p->mu);
    return err;
}

enum weft_err wf_net_peer_send(
    struct wf_net_peer *p, uint64_t tag, struct wf_net_msg *msg, int64_t timeout_ms)
{
    struct slot *s;

    pthread_mutex_lock(&p->mu);
    enum weft_err err = begin(p, msg, timeout_ms, &s);
    if (!err) {
        s->tag = tag;
        s->waiter = NULL;
    }
    pthread_mutex_unlock(&p->mu);
    return err;
}

enum weft_err wf_net_request(struct wf_net_peer *p, struct wf_net_msg *msg, int64_t timeout_ms,
    struct wf_net_msg **ret_reply, bool *ret_sent)
{
    struct waiter w = { 0 };
    struct slot *s;

    pthread_mutex_lock(&p->mu);
    enum weft_err err = begin(p, msg, timeout_ms, &s);
    if (!err) {
        s->waiter = &w;
        while (!w.done)
            pthread_cond_wait(&p->cv, &p->mu);
        err = w.err;
    }
    pthread_mutex_unlock(&p->mu);
    if (err && ret_sent)
        *ret_sent = w.sent;
    if (!err)
        *ret_reply = w.msg;
    return err;
}
