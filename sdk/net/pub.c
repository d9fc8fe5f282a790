// SPDX-License-Identifier: Apache-2.0
// PUB: one socket a product. Sending never waits: NNG queues send_buf messages for each connection and then drops the oldest
// without a word (v1.5.2 pub0.c).
#include "sdk/net/gate.h"
#include "sdk/net/net_int.h"

#include <assert.h>
#include <nng/protocol/pubsub0/pub.h>
#include <stdlib.h>

#define PROTO_SUB 0x21u // what clients of a PUB socket call themselves
#define LINGER_MS 200   // nng_close throws away what is queued
#define QUIET_MS  20
#define SWEEP_MS  500

struct wf_net_pub {
    struct wf_net *net;
    nng_socket sock;
    nng_aio *aio; // without a callback: PUB completes a send at once
    pthread_mutex_t mu;
    struct wf_net_pub_conf conf;
    bool shut;
    bool leaving; // the closer's: its first half is done
    struct net_pipes pipes;
    uint64_t gate_version;
    int64_t last_send_ms;
    struct wf_net_pub_stats stats;
    struct net_tick tick;
    struct net_close close;
};

static void admit(struct wf_net_pub *p, nng_pipe pipe)
{
    struct wf_net_addr addr;
    bool known = net_pipe_addr(pipe, &addr);

    net_listener_accepted(p->net, pipe);
    pthread_mutex_lock(&p->mu);
    bool gated = known && p->conf.gate && !net_gate_open_for(p->conf.gate, &addr);
    bool ok = known && !gated && !p->shut &&
              net_pipes_admit(&p->pipes, (uint32_t)nng_pipe_id(pipe), &addr, net_now_ms());
    p->stats.admitted += ok;
    p->stats.refused += !ok;
    p->stats.gated += gated;
    pthread_mutex_unlock(&p->mu);
    if (!ok)
        nng_pipe_close(pipe);
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
    struct wf_net_pub *p = arg;

    if (ev == NNG_PIPE_EV_ADD_PRE) {
        admit(p, pipe);
    } else if (ev == NNG_PIPE_EV_REM_POST) {
        net_listener_removed(p->net);
        pthread_mutex_lock(&p->mu);
        (void)net_pipes_remove(&p->pipes, (uint32_t)nng_pipe_id(pipe));
        pthread_mutex_unlock(&p->mu);
    }
}

// Closes the connections of hosts that the gate no longer admits.
static int64_t sweep(void *arg, int64_t now_ms)
{
    struct wf_net_pub *p = arg;
    uint64_t version = net_gate_version(p->conf.gate);

    pthread_mutex_lock(&p->mu);
    if (version != p->gate_version) {
        p->gate_version = version;
        for (struct net_pipe *i = NULL; (i = net_pipes_next(&p->pipes, i)) != NULL;)
            if (!i->condemned && !net_gate_open_for(p->conf.gate, &i->addr)) {
                i->condemned = true;
                net_pipe_end(p->net, i->id);
            }
    }
    pthread_mutex_unlock(&p->mu);
    return now_ms + SWEEP_MS;
}

static void destroy(struct wf_net_pub *p)
{
    nng_aio_free(p->aio);
    net_pipes_fini(&p->pipes);
    net_lock_fini(&p->mu, NULL);
    wf_net_gate_free(p->conf.gate);
    free(p);
}

static int64_t do_close(void *arg)
{
    struct wf_net_pub *p = arg;

    if (!p->leaving) {
        p->leaving = true;
        if (p->conf.gate)
            net_tick_remove(p->net, &p->tick);
        net_unlisten(p->net, p->sock);
        return QUIET_MS;
    }
    nng_close(p->sock);
    destroy(p);
    return 0;
}

void wf_net_pub_free(struct wf_net_pub *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mu);
    p->shut = true;
    p->close.begin_ms = p->pipes.count > 0 ? p->last_send_ms + LINGER_MS : 0;
    pthread_mutex_unlock(&p->mu);
    net_close_later(p->net, &p->close);
}

static enum weft_err open_socket(struct wf_net_pub *p)
{
    int buf = p->conf.send_buf ? (int)p->conf.send_buf : 256;
    int rv = nng_pub0_open(&p->sock);

    if (rv != 0)
        return net_err(rv);
    enum weft_err err = net_socket_common(p->sock, 64); // a reader has nothing to say
    if (!err)
        err = net_err(nng_socket_set_int(p->sock, NNG_OPT_SENDBUF, buf));
    if (!err)
        err = net_pipe_events(p->sock, on_pipe, p);
    if (err)
        nng_close(p->sock);
    return err;
}

enum weft_err wf_net_pub_new(
    struct wf_net *net, const struct wf_net_pub_conf *conf, struct wf_net_pub **ret)
{
    struct wf_net_pub *p = calloc(1, sizeof *p);
    enum weft_err err = WEFT_OK;

    if (!p)
        return WEFT_E_NOMEM;
    net_lock_init(&p->mu, NULL);
    p->net = net;
    p->conf = *conf;
    p->conf.gate = net_gate_ref(conf->gate); // closing goes on after wf_net_pub_free
    p->tick = (struct net_tick){ .fn = sweep, .arg = p, .due_ms = net_now_ms() + SWEEP_MS };
    p->close = (struct net_close){ .fn = do_close, .arg = p, .what = "pub" };
    err = net_pipes_init(&p->pipes, conf->pipes ? conf->pipes : 4096,
        conf->pipes_per_addr ? conf->pipes_per_addr : 1024);
    if (err)
        goto out;
    err = net_err(nng_aio_alloc(&p->aio, NULL, NULL));
    if (err)
        goto out;
    err = open_socket(p);
    if (err)
        goto out;
    if (conf->gate)
        net_tick_add(net, &p->tick);
    *ret = p;
    p = NULL;
out:
    if (p)
        destroy(p);
    return err;
}

enum weft_err wf_net_pub_listen(struct wf_net_pub *p, const char *where, uint16_t *ret_port)
{
    return net_listen(p->net, p->sock, PROTO_SUB, where, 0600, ret_port);
}

enum weft_err wf_net_pub_send(struct wf_net_pub *p, struct wf_net_msg *msg)
{
    size_t len = wf_net_msg_len(msg);

    pthread_mutex_lock(&p->mu);
    assert(!p->shut);
    net_aio_give(p->aio, net_msg_out(msg));
    nng_send_aio(p->sock, p->aio);
    nng_aio_wait(p->aio);
    enum weft_err err = net_err(nng_aio_result(p->aio));
    if (err)
        nng_msg_free(nng_aio_get_msg(p->aio));
    nng_aio_set_msg(p->aio, NULL);
    p->last_send_ms = net_now_ms();
    p->stats.messages += !err;
    p->stats.bytes += err ? 0 : len;
    pthread_mutex_unlock(&p->mu);
    return err;
}

void wf_net_pub_get_stats(struct wf_net_pub *p, struct wf_net_pub_stats *ret)
{
    pthread_mutex_lock(&p->mu);
    *ret = p->stats;
    ret->pipes = p->pipes.count;
    pthread_mutex_unlock(&p->mu);
}
