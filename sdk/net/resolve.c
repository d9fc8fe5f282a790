// SPDX-License-Identifier: Apache-2.0
#include "sdk/net/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sdk/net/net_int.h"

struct job { // the loop's and its thread's; whoever leaves last frees it
    atomic_uint refs;
    atomic_bool done;
    int fd; // told when done
    char host[WF_MAX_ADDR + 1];
    char port[8];
    struct net_resolved found;
};

struct net_resolve {
    struct wf_watch watch; // first
    struct wf_loop *loop;
    struct job *job;
    net_resolve_fn fn;
    void *arg;
};

static void job_unref(struct job *j)
{
    if (atomic_fetch_sub(&j->refs, 1) != 1)
        return;
    close(j->fd);
    free(j);
}

// ---- the thread --------------------------------------------------------------------------------------------------------

static void take(struct net_resolved *to, const struct addrinfo *a)
{
    if (to->count == NET_RESOLVED_MAX || a->ai_addrlen > sizeof to->at[0])
        return;
    memcpy(&to->at[to->count], a->ai_addr, a->ai_addrlen);
    to->len[to->count++] = a->ai_addrlen;
}

static void *ask(void *arg)
{
    struct job *j = arg;
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    uint64_t one = 1;

    if (getaddrinfo(j->host, j->port, &hints, &list) == 0) {
        for (const struct addrinfo *a = list; a; a = a->ai_next)
            take(&j->found, a);
        freeaddrinfo(list);
    }
    atomic_store(&j->done, true);
    ssize_t n = write(j->fd, &one, sizeof one);
    (void)n; // a counter of 1 always has room
    job_unref(j);
    return NULL;
}

// ---- the loop ----------------------------------------------------------------------------------------------------------

bool net_resolve_numeric(const char *host, uint16_t port, struct net_resolved *ret)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;

    if (!is_v4 && inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
        return false;
    *ret = (struct net_resolved){ .count = 1 };
    ret->len[0] = is_v4 ? sizeof v4 : sizeof v6;
    memcpy(&ret->at[0], is_v4 ? (const void *)&v4 : (const void *)&v6, ret->len[0]);
    return true;
}

static void on_ready(struct wf_watch *w, uint32_t events)
{
    struct net_resolve *r = (struct net_resolve *)(void *)w;
    struct net_resolved found;
    net_resolve_fn fn = r->fn;
    void *fn_arg = r->arg;

    (void)events;
    if (!atomic_load(&r->job->done))
        return;
    found = r->job->found;
    net_resolve_free(r);
    fn(fn_arg, &found);
}

void net_resolve_free(struct net_resolve *r)
{
    if (!r)
        return;
    wf_loop_unwatch(r->loop, &r->watch);
    job_unref(r->job);
    free(r);
}

static enum weft_err job_new(const char *host, uint16_t port, struct job **ret)
{
    struct job *j = calloc(1, sizeof *j);

    if (!j)
        return WEFT_E_NOMEM;
    j->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (j->fd < 0) {
        free(j);
        return errno == ENOMEM ? WEFT_E_NOMEM : WEFT_E_IO;
    }
    atomic_init(&j->refs, 1);
    atomic_init(&j->done, false);
    snprintf(j->host, sizeof j->host, "%s", host);
    snprintf(j->port, sizeof j->port, "%u", (unsigned)port);
    *ret = j;
    return WEFT_OK;
}

static enum weft_err start(struct job *j)
{
    pthread_t thread;

    atomic_fetch_add(&j->refs, 1); // the thread's
    enum weft_err err = net_thread(&thread, ask, j);
    if (err)
        job_unref(j);
    else
        pthread_detach(thread);
    return err;
}

enum weft_err net_resolve_new(struct wf_loop *loop, const char *host, uint16_t port,
    net_resolve_fn fn, void *arg, struct net_resolve **ret)
{
    struct net_resolve *r = calloc(1, sizeof *r);
    enum weft_err err = r ? job_new(host, port, &r->job) : WEFT_E_NOMEM;

    if (err) {
        free(r);
        return err;
    }
    r->loop = loop;
    r->fn = fn;
    r->arg = arg;
    r->watch = (struct wf_watch){ .ready = on_ready, .fd = r->job->fd };
    err = wf_loop_watch(loop, &r->watch, EPOLLIN);
    if (!err)
        err = start(r->job);
    if (err) {
        net_resolve_free(r);
        return err;
    }
    *ret = r;
    return WEFT_OK;
}
