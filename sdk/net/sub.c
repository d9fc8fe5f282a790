// SPDX-License-Identifier: Apache-2.0
// SUB: one receive at a time, without timeout, never cancelled: NNG 1.5 crashes in that race after hours (nanomsg/nng issues
// 1523, 1682). The receive is woken by closing the socket. Reconnecting is left to NNG: frames are sealed and numbered, so
// nothing here depends on the connection being the same.
#include "sdk/net/net_int.h"

#include <nng/protocol/pubsub0/sub.h>
#include <stdlib.h>

#define REDIAL_MS       100
#define REDIAL_MAX_MS   5000
#define REDIAL_NEVER_MS 3600000
#define QUIET_MS        50   // a pipe that can't be shut down
#define PATIENCE_MS     2000 // one that was
#define POLL_MS         5

struct wf_net_sub {
    struct wf_net *net;
    nng_socket sock;
    nng_dialer dialer;
    nng_aio *aio;
    pthread_mutex_t mu;
    wf_net_post_fn post;
    void *arg;
    bool shut;
    int64_t close_by_ms; // the closer's: 0 = its first half is not done
    uint32_t pipe;       // 0 = none
    int64_t event_ms;    // of a pipe
    unsigned events, events_before;
    bool settling; // freed while it dialled, perhaps: events_before were the events then
    struct wf_net_sub_stats stats;
    struct net_close close;
};

static void on_aio(void *arg)
{
    struct wf_net_sub *s = arg;
    struct wf_net_event ev = { .what = WF_NET_FRAME };

    if (nng_aio_result(s->aio) != 0)
        return; // closed
    ev.msg = net_msg_in(nng_aio_get_msg(s->aio));
    ev.pipe = nng_msg_get_pipe(net_msg_out(ev.msg)).id;
    nng_aio_set_msg(s->aio, NULL);
    pthread_mutex_lock(&s->mu);
    bool shut = s->shut;
    bool taken = !shut && s->post(s->arg, &ev);
    s->stats.frames += taken;
    s->stats.no_room += !taken && !shut;
    pthread_mutex_unlock(&s->mu);
    if (!taken)
        wf_net_msg_free(ev.msg);
    if (!shut)
        nng_recv_aio(s->sock, s->aio);
}

// UP is told before NNG uses the pipe, so that it comes before the first frame.
static void on_pipe(nng_pipe pipe, nng_pipe_ev nng_ev, void *arg)
{
    struct wf_net_sub *s = arg;
    struct wf_net_event ev = { .what = WF_NET_UP, .pipe = (uint32_t)nng_pipe_id(pipe) };
    bool added = nng_ev == NNG_PIPE_EV_ADD_PRE;

    pthread_mutex_lock(&s->mu);
    s->event_ms = net_now_ms();
    s->events++;
    bool refuse = added && s->shut;
    bool tell = added ? !refuse : s->pipe == ev.pipe;
    if (tell)
        s->pipe = added ? ev.pipe : 0;
    if (!added) {
        ev.what = WF_NET_DOWN;
        ev.err = WEFT_E_CLOSED;
    }
    if (tell && !s->shut)
        (void)s->post(s->arg, &ev);
    pthread_mutex_unlock(&s->mu);
    if (refuse)
        nng_pipe_close(pipe);
}

static void destroy(struct wf_net_sub *s)
{
    nng_aio_free(s->aio);
    net_lock_fini(&s->mu, NULL);
    free(s);
}

static uint32_t pipe_of(struct wf_net_sub *s)
{
    pthread_mutex_lock(&s->mu);
    uint32_t pipe = s->pipe;
    pthread_mutex_unlock(&s->mu);
    return pipe;
}

// No pipe, what was dialled came (and was refused), and NNG has stopped dialling anew (see peer.c). In the end, any way.
static bool may_close(struct wf_net_sub *s)
{
    pthread_mutex_lock(&s->mu);
    int64_t now_ms = net_now_ms();
    bool ended = s->pipe == 0 && (!s->settling || s->events != s->events_before);
    bool quiet = now_ms - s->event_ms >= QUIET_MS || now_ms >= s->close_by_ms + PATIENCE_MS;
    bool late = now_ms >= s->close_by_ms;
    pthread_mutex_unlock(&s->mu);
    return (ended || late) && quiet;
}

// First nothing more may arrive (hangup.c says why): no further connection, none of its messages fits, and it is shut down.
static int64_t fall_silent(struct wf_net_sub *s)
{
    uint32_t pipe = pipe_of(s);

    (void)nng_dialer_set_ms(s->dialer, NNG_OPT_RECONNMINT, REDIAL_NEVER_MS);
    (void)nng_dialer_set_size(s->dialer, NNG_OPT_RECVMAXSZ, 1);
    bool ends = pipe && net_pipe_shut_down((nng_pipe){ pipe });
    bool failed = net_dial_failure(s->dialer) != WEFT_OK;
    pthread_mutex_lock(&s->mu);
    s->settling = !pipe && !failed;
    s->events_before = s->events;
    pthread_mutex_unlock(&s->mu);
    int64_t wait_ms = ends ? PATIENCE_MS : s->settling ? NET_SETTLE_MS : QUIET_MS;
    s->close_by_ms = net_now_ms() + wait_ms;
    return POLL_MS;
}

static int64_t do_close(void *arg)
{
    struct wf_net_sub *s = arg;

    if (s->close_by_ms == 0)
        return fall_silent(s);
    if (!may_close(s))
        return POLL_MS;
    nng_close(s->sock);
    destroy(s);
    return 0;
}

void wf_net_sub_free(struct wf_net_sub *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mu);
    s->shut = true;
    pthread_mutex_unlock(&s->mu);
    net_close_later(s->net, &s->close);
}

static enum weft_err set_options(struct wf_net_sub *s, const struct wf_net_sub_conf *conf)
{
    int buf = conf->recv_buf ? (int)conf->recv_buf : 256;
    enum weft_err err = net_socket_common(s->sock, conf->recv_max ? conf->recv_max : WF_MAX_FRAME);

    if (!err)
        err = net_err(nng_socket_set_int(s->sock, NNG_OPT_RECVBUF, buf));
    if (!err)
        err = net_err(nng_socket_set_ms(s->sock, NNG_OPT_RECONNMINT, REDIAL_MS));
    if (!err)
        err = net_err(nng_socket_set_ms(s->sock, NNG_OPT_RECONNMAXT, REDIAL_MAX_MS));
    if (!err) // one socket a product: everything on it is for us
        err = net_err(nng_socket_set(s->sock, NNG_OPT_SUB_SUBSCRIBE, "", 0));
    if (!err)
        err = net_pipe_events(s->sock, on_pipe, s);
    return err;
}

static enum weft_err open_socket(struct wf_net_sub *s, const struct wf_net_sub_conf *conf)
{
    struct net_where where;
    enum weft_err err = net_where_parse(conf->where, &where);

    if (err)
        return err;
    int rv = nng_sub0_open(&s->sock);
    if (rv != 0)
        return net_err(rv);
    err = set_options(s, conf);
    if (!err)
        err = net_err(nng_dial(s->sock, where.url, &s->dialer, NNG_FLAG_NONBLOCK));
    if (err)
        nng_close(s->sock);
    return err;
}

enum weft_err wf_net_sub_new(
    struct wf_net *net, const struct wf_net_sub_conf *conf, struct wf_net_sub **ret)
{
    struct wf_net_sub *s = calloc(1, sizeof *s);
    enum weft_err err = WEFT_OK;

    if (!s)
        return WEFT_E_NOMEM;
    net_lock_init(&s->mu, NULL);
    s->net = net;
    s->post = conf->post;
    s->arg = conf->arg;
    s->close = (struct net_close){ .fn = do_close, .arg = s, .what = "sub" };
    err = net_err(nng_aio_alloc(&s->aio, on_aio, s));
    if (err)
        goto out;
    err = open_socket(s, conf);
    if (err)
        goto out;
    nng_recv_aio(s->sock, s->aio);
    *ret = s;
    s = NULL;
out:
    if (s)
        destroy(s);
    return err;
}

void wf_net_sub_get_stats(struct wf_net_sub *s, struct wf_net_sub_stats *ret)
{
    pthread_mutex_lock(&s->mu);
    *ret = s->stats;
    pthread_mutex_unlock(&s->mu);
}
