// SPDX-License-Identifier: Apache-2.0
// REP: many contexts on one socket. A context is armed (waits for a request), in work (handed out), held (a parked long
// poll) or sending its reply; for each one taken another is armed, so the node never goes deaf. Requests are the contexts
// themselves: taking one costs no allocation.
#include "sdk/net/net_int.h"

#include <nng/protocol/reqrep0/rep.h>
#include <stdlib.h>

#define PROTO_REQ 0x30u // what clients of a REP socket call themselves
#define LINGER_MS 100   // replies under way leave before the socket closes
#define QUIET_MS  20
#define SWEEP_MS  500

enum state { IDLE, ARMED, WORKING, HELD, SENDING };

struct request {
    struct wf_net_request pub; // first
    struct wf_net_rep *rep;
    nng_ctx ctx;
    nng_aio *aio;
    enum state state;
    size_t len;       // WORKING and HELD: of the request as it came
    int64_t since_ms; // SENDING
    struct request *next_idle;
};

struct wf_net_rep {
    struct wf_net *net;
    nng_socket sock;
    pthread_mutex_t mu;
    struct wf_net_rep_conf conf;
    struct wf_buf busy;
    bool shut;
    bool leaving;  // the closer's: its first half is done
    unsigned refs; // the closing, and each request handed out
    struct net_pipes pipes;
    struct request **all;
    unsigned count, cap;
    struct request *idle;
    unsigned armed, working, held; // working: WORKING and SENDING
    size_t bytes, held_bytes;      // of requests handed out, parked
    unsigned reserve;              // so many contexts left are scarce
    int64_t last_reply_ms;
    struct wf_net_rep_stats stats;
    struct net_tick tick;
    struct net_close close;
};

static void on_aio(void *arg);
static enum weft_err hold(struct wf_net_request *pub);
static void finish(struct wf_net_request *pub, struct wf_net_msg *m, bool close);

static const struct net_request_ops ops = { .hold = hold, .finish = finish };

// ---- contexts; all with the mutex held ----

static struct request *open_context(struct wf_net_rep *r)
{
    if (r->count == r->cap)
        return NULL;
    struct request *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->pub.ops = &ops;
    q->rep = r;
    if (nng_ctx_open(&q->ctx, r->sock) != 0) {
        free(q);
        return NULL;
    }
    if (nng_aio_alloc(&q->aio, on_aio, q) != 0) {
        nng_ctx_close(q->ctx);
        free(q);
        return NULL;
    }
    r->all[r->count++] = q;
    return q;
}

static void arm(struct wf_net_rep *r)
{
    while (!r->shut && r->armed < r->conf.armed && r->armed + r->working < r->conf.contexts) {
        struct request *q = r->idle;
        if (q)
            r->idle = q->next_idle;
        else
            q = open_context(r);
        if (!q)
            return; // short of memory: the sweep tries again
        q->state = ARMED;
        r->armed++;
        nng_ctx_recv(q->ctx, q->aio);
    }
}

static void retire(struct request *q)
{
    struct wf_net_rep *r = q->rep;

    q->state = IDLE;
    q->next_idle = r->idle;
    r->idle = q;
}

static void pipe_done(struct wf_net_rep *r, uint32_t pipe)
{
    struct net_pipe *p = net_pipes_find(&r->pipes, pipe);

    if (!p)
        return;
    p->busy--;
    p->last_ms = net_now_ms();
}

static void end_pipe(struct wf_net_rep *r, uint32_t pipe)
{
    struct net_pipe *p = net_pipes_find(&r->pipes, pipe);

    if (!p || p->condemned)
        return;
    p->condemned = true;
    net_pipe_end(r->net, pipe);
}

static void send_reply(struct request *q, nng_msg *reply)
{
    struct wf_net_rep *r = q->rep;

    q->state = SENDING;
    q->since_ms = r->last_reply_ms = net_now_ms();
    net_aio_give(q->aio, reply);
    nng_ctx_send(q->ctx, q->aio);
}

// ---- requests ----

// Nobody has room for it: our canned answer, or the end of the connection.
static void refuse_busy(struct request *q)
{
    struct wf_net_rep *r = q->rep;
    struct wf_net_msg *m = NULL;

    r->stats.no_room++;
    r->bytes -= q->len;
    wf_net_msg_free(q->pub.msg);
    q->pub.msg = NULL;
    if (r->busy.len > 0 && wf_net_msg_from(wf_buf_view(&r->busy), &m) == WEFT_OK) {
        send_reply(q, net_msg_out(m));
        return;
    }
    end_pipe(r, q->pub.pipe);
    pipe_done(r, q->pub.pipe);
    r->working--;
    retire(q);
}

static void hand_over(struct request *q, struct net_pipe *p)
{
    struct wf_net_rep *r = q->rep;
    struct wf_net_event ev = { .what = WF_NET_REQUEST, .pipe = p->id, .request = &q->pub };

    q->state = WORKING;
    q->pub.addr = p->addr;
    r->working++;
    q->len = wf_net_msg_len(q->pub.msg);
    r->bytes += q->len;
    r->refs++;
    r->stats.requests++;
    p->busy++;
    q->pub.first = !p->spoke;
    p->spoke = true;
    p->last_ms = net_now_ms();
    ev.scarce = r->working + r->reserve > r->conf.contexts || r->bytes > r->conf.bytes;
    r->stats.scarce += ev.scarce;
    if (r->conf.post(r->conf.arg, &ev))
        return;
    r->refs--;
    refuse_busy(q);
}

static void on_request(struct request *q)
{
    struct wf_net_rep *r = q->rep;
    int rv = nng_aio_result(q->aio);

    r->armed--;
    if (rv != 0) {
        retire(q);
        return;
    }
    nng_msg *m = nng_aio_get_msg(q->aio);
    q->pub.msg = net_msg_in(m);
    nng_aio_set_msg(q->aio, NULL);
    q->pub.pipe = nng_msg_get_pipe(m).id;
    struct net_pipe *p = net_pipes_find(&r->pipes, q->pub.pipe);
    bool greedy = p && p->busy >= r->conf.per_pipe;
    if (!r->shut && p && !p->condemned && !greedy) {
        hand_over(q, p);
        return;
    }
    wf_net_msg_free(q->pub.msg);
    q->pub.msg = NULL;
    if (greedy)
        end_pipe(r, q->pub.pipe);
    retire(q);
}

static void on_sent(struct request *q)
{
    struct wf_net_rep *r = q->rep;

    if (nng_aio_result(q->aio) != 0) {
        nng_msg_free(nng_aio_get_msg(q->aio));
        nng_aio_set_msg(q->aio, NULL);
    }
    pipe_done(r, q->pub.pipe);
    r->working--;
    retire(q);
}

static void on_aio(void *arg)
{
    struct request *q = arg;
    struct wf_net_rep *r = q->rep;

    pthread_mutex_lock(&r->mu);
    if (q->state == SENDING)
        on_sent(q);
    else
        on_request(q);
    arm(r);
    pthread_mutex_unlock(&r->mu);
}

// ---- pipes ----

static void admit(struct wf_net_rep *r, nng_pipe p)
{
    struct wf_net_addr addr;
    bool known = net_pipe_addr(p, &addr);

    net_listener_accepted(r->net, p);
    pthread_mutex_lock(&r->mu);
    bool ok = known && !r->shut &&
              net_pipes_admit(&r->pipes, (uint32_t)nng_pipe_id(p), &addr, net_now_ms());
    r->stats.admitted += ok;
    r->stats.refused += !ok;
    pthread_mutex_unlock(&r->mu);
    if (!ok)
        nng_pipe_close(p);
}

static void gone(struct wf_net_rep *r, nng_pipe p)
{
    struct wf_net_event ev = { .what = WF_NET_DOWN, .pipe = (uint32_t)nng_pipe_id(p) };

    net_listener_removed(r->net);
    pthread_mutex_lock(&r->mu);
    if (net_pipes_remove(&r->pipes, ev.pipe) && !r->shut)
        (void)r->conf.post(r->conf.arg, &ev);
    pthread_mutex_unlock(&r->mu);
}

static void on_pipe(nng_pipe p, nng_pipe_ev ev, void *arg)
{
    if (ev == NNG_PIPE_EV_ADD_PRE)
        admit(arg, p);
    else if (ev == NNG_PIPE_EV_REM_POST)
        gone(arg, p);
}

static int64_t sweep(void *arg, int64_t now_ms)
{
    struct wf_net_rep *r = arg;

    pthread_mutex_lock(&r->mu);
    for (struct net_pipe *p = NULL; (p = net_pipes_next(&r->pipes, p)) != NULL;) {
        int64_t limit_ms = p->spoke ? r->conf.idle_ms : r->conf.first_ms;
        if (p->busy > 0 || now_ms - p->last_ms < limit_ms)
            continue;
        r->stats.closed_idle += !p->condemned;
        end_pipe(r, p->id);
    }
    for (unsigned i = 0; i < r->count; i++) {
        struct request *q = r->all[i];
        if (q->state != SENDING || now_ms - q->since_ms < r->conf.send_ms)
            continue;
        q->since_ms = now_ms; // once
        r->stats.closed_stuck++;
        end_pipe(r, q->pub.pipe);
    }
    arm(r);
    pthread_mutex_unlock(&r->mu);
    return now_ms + SWEEP_MS;
}

// ---- life ----

static void unref(struct wf_net_rep *r)
{
    pthread_mutex_lock(&r->mu);
    bool last = --r->refs == 0;
    pthread_mutex_unlock(&r->mu);
    if (!last)
        return;
    for (unsigned i = 0; i < r->count; i++)
        free(r->all[i]);
    free((void *)r->all);
    net_pipes_fini(&r->pipes);
    wf_buf_fini(&r->busy);
    net_lock_fini(&r->mu, NULL);
    free(r);
}

// On a closer thread. Aios are stopped first, then the socket closes, then they are freed: in this order NNG 1.5 does not hang.
static int64_t do_close(void *arg)
{
    struct wf_net_rep *r = arg;

    if (!r->leaving) {
        r->leaving = true;
        net_tick_remove(r->net, &r->tick);
        net_unlisten(r->net, r->sock);
        return QUIET_MS;
    }
    for (unsigned i = 0; i < r->count; i++) // shut: nothing is opened or armed any more
        nng_aio_stop(r->all[i]->aio);
    nng_close(r->sock);
    for (unsigned i = 0; i < r->count; i++)
        nng_aio_free(r->all[i]->aio);
    unref(r);
    return 0;
}

void wf_net_rep_free(struct wf_net_rep *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->mu);
    r->shut = true;
    r->close.begin_ms = r->last_reply_ms + LINGER_MS;
    pthread_mutex_unlock(&r->mu);
    net_close_later(r->net, &r->close);
}

static void set_default(unsigned *value, unsigned fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void set_default_ms(int64_t *value, int64_t fallback)
{
    if (*value <= 0)
        *value = fallback;
}

static void set_defaults(struct wf_net_rep_conf *c)
{
    if (c->recv_max == 0)
        c->recv_max = WF_MAX_CONTROL;
    set_default(&c->armed, 32);
    set_default(&c->contexts, 512);
    set_default(&c->held, 4096);
    c->bytes = c->bytes ? c->bytes : WF_NET_WORK_BYTES;
    c->held_bytes = c->held_bytes ? c->held_bytes : WF_NET_WORK_BYTES;
    set_default(&c->per_pipe, WF_MAX_IN_FLIGHT + 8);
    set_default(&c->pipes, 4096);
    set_default(&c->pipes_per_addr, 1024);
    set_default_ms(&c->first_ms, 10000);
    set_default_ms(&c->idle_ms, 600000);
    set_default_ms(&c->send_ms, 30000);
}

static enum weft_err open_socket(struct wf_net_rep *r)
{
    int rv = nng_rep0_open(&r->sock);
    if (rv != 0)
        return net_err(rv);
    enum weft_err err = net_socket_common(r->sock, r->conf.recv_max);
    if (!err)
        err = net_socket_one_hop(r->sock);
    if (!err)
        err = net_pipe_events(r->sock, on_pipe, r);
    if (err)
        nng_close(r->sock);
    return err;
}

enum weft_err wf_net_rep_new(
    struct wf_net *net, const struct wf_net_rep_conf *conf, struct wf_net_rep **ret)
{
    struct wf_net_rep *r = calloc(1, sizeof *r);
    enum weft_err err = WEFT_E_NOMEM;

    if (!r)
        return err;
    net_lock_init(&r->mu, NULL);
    r->net = net;
    r->refs = 1;
    r->conf = *conf;
    set_defaults(&r->conf);
    r->cap = r->conf.contexts + r->conf.held;
    r->reserve = r->conf.contexts / 8 < WF_NET_RESERVE ? r->conf.contexts / 8 : WF_NET_RESERVE;
    r->all = calloc(r->cap, sizeof(struct request *));
    r->tick = (struct net_tick){ .fn = sweep, .arg = r, .due_ms = net_now_ms() + SWEEP_MS };
    r->close = (struct net_close){ .fn = do_close, .arg = r, .what = "rep" };
    if (!r->all)
        goto out;
    err = wf_bytes_dup(conf->busy, &r->busy);
    if (err)
        goto out;
    err = net_pipes_init(&r->pipes, r->conf.pipes, r->conf.pipes_per_addr);
    if (err)
        goto out;
    err = open_socket(r);
    if (err)
        goto out;
    net_tick_add(net, &r->tick);
    pthread_mutex_lock(&r->mu);
    arm(r);
    pthread_mutex_unlock(&r->mu);
    *ret = r;
    r = NULL;
out:
    if (r)
        unref(r);
    return err;
}

enum weft_err wf_net_rep_listen(struct wf_net_rep *r, const char *where, uint16_t *ret_port)
{
    return net_listen(r->net, r->sock, PROTO_REQ, where, 0600, ret_port);
}

enum weft_err wf_net_rep_listen_all(struct wf_net_rep *r, const char *where, uint16_t *ret_port)
{
    return net_listen(r->net, r->sock, PROTO_REQ, where, 0666, ret_port);
}

void wf_net_rep_close_pipe(struct wf_net_rep *r, uint32_t pipe)
{
    pthread_mutex_lock(&r->mu);
    end_pipe(r, pipe);
    pthread_mutex_unlock(&r->mu);
}

void wf_net_rep_get_stats(struct wf_net_rep *r, struct wf_net_rep_stats *ret)
{
    pthread_mutex_lock(&r->mu);
    *ret = r->stats;
    ret->pipes = r->pipes.count;
    ret->armed = r->armed;
    ret->working = r->working;
    ret->held = r->held;
    ret->max_working = r->conf.contexts;
    ret->max_held = r->conf.held;
    ret->bytes = r->bytes;
    ret->held_bytes = r->held_bytes;
    ret->max_bytes = r->conf.bytes;
    ret->max_held_bytes = r->conf.held_bytes;
    pthread_mutex_unlock(&r->mu);
}

static enum weft_err hold(struct wf_net_request *pub)
{
    struct request *q = (struct request *)(void *)pub;
    struct wf_net_rep *r = q->rep;
    enum weft_err err = WEFT_OK;

    pthread_mutex_lock(&r->mu);
    if (q->state == WORKING) {
        if (r->held < r->conf.held && r->held_bytes + q->len <= r->conf.held_bytes) {
            q->state = HELD;
            r->held++;
            r->held_bytes += q->len;
            r->working--;
            r->bytes -= q->len;
            arm(r);
        } else {
            err = WEFT_E_BUSY;
        }
    }
    pthread_mutex_unlock(&r->mu);
    return err;
}

// The request leaves the caller's hands: with a reply, or without.
static void finish(struct wf_net_request *pub, struct wf_net_msg *m, bool close)
{
    struct request *q = (struct request *)(void *)pub;
    struct wf_net_rep *r = q->rep;
    nng_msg *reply = net_msg_out(m);

    pthread_mutex_lock(&r->mu);
    wf_net_msg_free(q->pub.msg);
    q->pub.msg = NULL;
    if (q->state == HELD) {
        r->held--;
        r->held_bytes -= q->len;
        r->working++;
    } else {
        r->bytes -= q->len;
    }
    if (close)
        end_pipe(r, q->pub.pipe);
    if (reply && !r->shut) {
        send_reply(q, reply);
        reply = NULL;
    } else {
        pipe_done(r, q->pub.pipe);
        r->working--;
        retire(q);
        arm(r);
    }
    pthread_mutex_unlock(&r->mu);
    if (reply)
        nng_msg_free(reply);
    unref(r);
}
