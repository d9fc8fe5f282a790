// SPDX-License-Identifier: Apache-2.0
// Listeners: opened with their port known, and opened anew where the watcher (watch.c) finds one deaf.
#include "sdk/net/net_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static void set_port(struct net_where *where, uint16_t port)
{
    char *colon = strrchr(where->url, ':');
    size_t at = (size_t)(colon - where->url);

    snprintf(colon, sizeof where->url - at, ":%u", (unsigned)port);
}

enum weft_err net_listener_open(
    const struct net_listener *l, nng_listener *ret, nng_sockaddr *ret_bound)
{
    nng_listener n = NNG_LISTENER_INITIALIZER;
    nng_sockaddr bound = { 0 };
    int rv = nng_listener_create(&n, l->sock, l->where.url);

    if (rv != 0)
        return net_err(rv);
    if (l->where.local)
        rv = nng_listener_set_int(n, NNG_OPT_IPC_PERMISSIONS, l->mode);
    if (rv == 0)
        rv = nng_listener_start(n, 0);
    if (rv == 0)
        rv = nng_listener_get_addr(n, NNG_OPT_LOCADDR, &bound);
    if (rv != 0) {
        nng_listener_close(n);
        return net_err(rv);
    }
    *ret = n;
    *ret_bound = bound;
    return WEFT_OK;
}

static uint16_t bound_port(const nng_sockaddr *sa)
{
    if (sa->s_family == NNG_AF_INET)
        return ntohs(sa->s_in.sa_port);
    return sa->s_family == NNG_AF_INET6 ? ntohs(sa->s_in6.sa_port) : 0;
}

enum weft_err net_listen(struct wf_net *net, nng_socket sock, uint16_t peer_proto,
    const char *where, int mode, uint16_t *ret_port)
{
    struct net_listener *l = calloc(1, sizeof *l);

    if (!l)
        return WEFT_E_NOMEM;
    l->sock = sock;
    l->peer_proto = peer_proto;
    l->mode = mode;
    enum weft_err err = net_where_parse(where, &l->where);
    if (!err)
        err = net_listener_open(l, &l->nng, &l->bound);
    if (err) {
        free(l);
        return err;
    }
    uint16_t port = bound_port(&l->bound);
    if (!l->where.local)
        set_port(&l->where, port); // opened anew, it keeps its port
    pthread_mutex_lock(&net->mu);
    l->next = net->listeners;
    net->listeners = l;
    // Without the watcher the listener still works; it is tried again with the next one.
    if (net->conf.watch_ms > 0)
        (void)net_watch_start(net);
    pthread_mutex_unlock(&net->mu);
    if (ret_port)
        *ret_port = port;
    return WEFT_OK;
}

void net_unlisten(struct wf_net *net, nng_socket sock)
{
    pthread_mutex_lock(&net->mu);
    struct net_listener **link = &net->listeners;
    while (*link) {
        struct net_listener *l = *link;
        if (l->sock.id != sock.id) {
            link = &l->next;
        } else if (l->busy) {
            l->leaving = true;
            pthread_cond_broadcast(&net->cv);
            pthread_cond_wait(&net->cv, &net->mu);
            link = &net->listeners; // the list may be another now
        } else {
            *link = l->next;
            if (!l->dead)
                (void)nng_listener_set_size(l->nng, NNG_OPT_RECVMAXSZ, 1);
            free(l);
        }
    }
    pthread_mutex_unlock(&net->mu);
}

void net_listener_accepted(struct wf_net *net, nng_pipe p)
{
    nng_listener from = nng_pipe_listener(p);

    pthread_mutex_lock(&net->mu);
    for (struct net_listener *l = net->listeners; l; l = l->next) {
        if (l->nng.id != from.id)
            continue;
        l->accepted++;
        if (l->busy)
            pthread_cond_broadcast(&net->cv);
    }
    pthread_mutex_unlock(&net->mu);
}

void net_listener_removed(struct wf_net *net)
{
    pthread_mutex_lock(&net->mu);
    net->removed++;
    pthread_cond_broadcast(&net->cv);
    pthread_mutex_unlock(&net->mu);
}
