// SPDX-License-Identifier: Apache-2.0
// PUB: one socket a product, all of a process on one thread. Sending never waits for a reader. The thread that calls sends what is small and has
// few to go to: that costs less than waking the other. A socket lives until that thread has closed it.
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sdk/net/gate.h"
#include "sdk/net/pub_int.h"
#include "sdk/net/resolve.h"

#define BACKLOG      128
#define LINGER_MS    200 // for what is queued when a socket closes
#define SWEEP_MS     500
#define QUEUE_BYTES  (16u * WF_MIB) // of a connection
#define WAIT_BYTES   (64u * WF_MIB) // of frames that wait for the thread
#define INLINE_BYTES (16u * WF_KIB) // of a frame that its sender sends itself
#define INLINE_PIPES 4u             // to so many connections

// ---- the thread --------------------------------------------------------------------------------------------------------

static void *run(void *arg)
{
    wf_loop_run(arg);
    return NULL;
}

static enum weft_err pubs_new(struct net_pubs **ret)
{
    struct net_pubs *a = calloc(1, sizeof *a);

    if (!a)
        return WEFT_E_NOMEM;
    net_lock_init(&a->mu, &a->closed);
    enum weft_err err = wf_loop_new(&(struct wf_loop_conf){ .mail_bytes = WAIT_BYTES }, &a->loop);
    if (!err)
        err = net_thread(&a->thread, run, a->loop);
    if (err) {
        wf_loop_free(a->loop);
        net_lock_fini(&a->mu, &a->closed);
        free(a);
        return err;
    }
    *ret = a;
    return WEFT_OK;
}

void net_pubs_free(struct net_pubs *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->mu);
    while (a->open)
        pthread_cond_wait(&a->closed, &a->mu);
    pthread_mutex_unlock(&a->mu);
    wf_loop_stop(a->loop);
    pthread_join(a->thread, NULL);
    wf_loop_free(a->loop);
    while (a->spare_count)
        wf_buf_fini(&a->spares[--a->spare_count]);
    net_lock_fini(&a->mu, &a->closed);
    free(a);
}

static enum weft_err pubs_of(struct wf_net *net, struct net_pubs **ret)
{
    pthread_mutex_lock(&net->mu);
    enum weft_err err = net->pubs ? WEFT_OK : pubs_new(&net->pubs);
    *ret = net->pubs;
    pthread_mutex_unlock(&net->mu);
    return err;
}

void wf_net_get_sending(struct wf_net *net, struct wf_net_sending *ret)
{
    *ret = (struct wf_net_sending){ .max_bytes = WAIT_BYTES };
    pthread_mutex_lock(&net->mu);
    if (net->pubs) {
        ret->items = atomic_load(&net->pubs->items);
        ret->bytes = atomic_load(&net->pubs->bytes);
        ret->dropped = atomic_load(&net->pubs->dropped);
    }
    pthread_mutex_unlock(&net->mu);
}

// ---- looking after connections -----------------------------------------------------------------------------------------

static void destroy(struct wf_net_pub *p)
{
    struct net_pubs *a = p->all;

    wf_timer_cancel(a->loop, &p->timer);
    while (p->conns)
        net_pub_end(p->conns);
    net_pipes_fini(&p->pipes);
    net_lock_fini(&p->mu, NULL);
    wf_net_gate_free(p->conf.gate);
    free(p);
    pthread_mutex_lock(&a->mu);
    a->open--;
    pthread_cond_broadcast(&a->closed);
    pthread_mutex_unlock(&a->mu);
}

// Those that did not greet in time, and those of hosts that the gate no longer admits.
static void sweep(struct wf_net_pub *p)
{
    int64_t now = wf_loop_now_ms(p->all->loop);
    uint64_t version = p->conf.gate ? net_gate_version(p->conf.gate) : 0;
    bool shut = version != p->gate_version;

    p->gate_version = version;
    for (struct net_pub_conn *c = p->conns, *next; c; c = next) {
        next = c->next;
        bool late = !c->greeted && now - c->born_ms >= p->conf.first_ms;
        if (late || (shut && !net_gate_open_for(p->conf.gate, &c->addr)))
            net_pub_end(c);
    }
}

static void on_time(struct wf_timer *t)
{
    struct wf_net_pub *p =
        (struct wf_net_pub *)(void *)((char *)t - offsetof(struct wf_net_pub, timer));

    if (p->closing) {
        destroy(p);
        return;
    }
    pthread_mutex_lock(&p->mu);
    sweep(p);
    pthread_mutex_unlock(&p->mu);
    if (p->deaf)
        p->deaf = wf_loop_rewatch(p->all->loop, &p->listener, EPOLLIN) != WEFT_OK;
    net_pub_tick(p);
}

void net_pub_tick(struct wf_net_pub *p)
{
    struct wf_loop *loop = p->all->loop;

    if ((!p->conns && !p->deaf) || p->timer.index)
        return;
    if (wf_timer_set(loop, &p->timer, wf_loop_now_ms(loop) + SWEEP_MS))
        return; // short of memory: the next connection tries again
}

// ---- sending -----------------------------------------------------------------------------------------------------------

void net_pub_spare(struct net_pubs *a, struct wf_buf *b)
{
    pthread_mutex_lock(&a->mu);
    bool kept = b->cap && b->cap <= NET_PUB_SPARE_MAX && a->spare_count < NET_PUB_SPARES;
    if (kept) {
        b->len = 0;
        a->spares[a->spare_count++] = *b;
    }
    pthread_mutex_unlock(&a->mu);
    if (!kept)
        wf_buf_fini(b);
    *b = (struct wf_buf){ 0 };
}

static struct wf_buf take_spare(struct net_pubs *a)
{
    struct wf_buf b = { 0 };

    pthread_mutex_lock(&a->mu);
    if (a->spare_count)
        b = a->spares[--a->spare_count];
    pthread_mutex_unlock(&a->mu);
    return b;
}

static void done(struct net_frame *f)
{
    struct net_pubs *a = f->pub->all;

    atomic_fetch_sub(&a->bytes, f->mail.bytes);
    net_frame_unref(f);
    atomic_fetch_sub(&a->items, 1); // the last: from now on others may send
}

static void open_frame(struct wf_mail *m)
{
    struct net_frame *f = (struct net_frame *)(void *)m;
    struct wf_net_pub *p = f->pub;

    pthread_mutex_lock(&p->mu);
    net_pub_put(p, f);
    done(f);
    pthread_mutex_unlock(&p->mu);
}

static void drop_frame(struct wf_mail *m)
{
    done((struct net_frame *)(void *)m); // never: sockets are closed before their loop
}

static enum weft_err queue(struct wf_net_pub *p, struct net_frame *f)
{
    struct net_pubs *a = p->all;

    f->mail = (struct wf_mail){
        .open = open_frame, .drop = drop_frame, .class = WF_MAIL_LIVE, .bytes = f->bytes.len
    };
    atomic_fetch_add(&a->items, 1);
    atomic_fetch_add(&a->bytes, f->mail.bytes);
    enum weft_err err = wf_loop_post(a->loop, &f->mail);
    if (!err)
        return WEFT_OK;
    atomic_fetch_add(&a->dropped, 1);
    done(f);
    return err;
}

static enum weft_err send_frame(struct wf_net_pub *p, struct net_frame *f)
{
    wf_store_be64(f->head, f->bytes.len);
    // What its caller queued before must have gone.
    if (f->bytes.len > INLINE_BYTES || atomic_load(&p->all->items) > 0)
        return queue(p, f);
    pthread_mutex_lock(&p->mu);
    bool few = p->stats.pipes <= INLINE_PIPES;
    if (few) {
        net_pub_put(p, f);
        net_frame_unref(f);
    }
    pthread_mutex_unlock(&p->mu);
    return few ? WEFT_OK : queue(p, f);
}

enum weft_err wf_net_pub_send(struct wf_net_pub *p, struct wf_buf *frame)
{
    struct net_frame *f = malloc(sizeof *f);

    if (!f) {
        frame->len = 0;
        atomic_fetch_add(&p->all->dropped, 1);
        return WEFT_E_NOMEM;
    }
    *f = (struct net_frame){ .pub = p, .bytes = *frame, .refs = 1 };
    enum weft_err err = send_frame(p, f);
    *frame = take_spare(p->all);
    return err;
}

// ---- listening ---------------------------------------------------------------------------------------------------------

static enum weft_err listen_error(int error)
{
    switch (error) {
    case EADDRINUSE:
        return WEFT_E_IN_USE;
    case EACCES:
    case EPERM:
        return WEFT_E_PERMISSION;
    case EADDRNOTAVAIL:
        return WEFT_E_UNREACHABLE;
    case ENOMEM:
    case ENOBUFS:
        return WEFT_E_NOMEM;
    case EMFILE:
    case ENFILE:
        return WEFT_E_NO_FILES;
    default:
        return WEFT_E_IO;
    }
}

static enum weft_err listen_at(
    const struct sockaddr_storage *at, socklen_t at_len, int *ret_fd, uint16_t *ret_port)
{
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_storage bound = { 0 };
    struct wf_net_addr addr;
    socklen_t len = sizeof bound;

    if (fd < 0)
        return listen_error(errno);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (const struct sockaddr *)at, at_len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
        enum weft_err err = listen_error(errno);
        close(fd);
        return err;
    }
    *ret_fd = fd;
    *ret_port = net_addr_from(&bound, &addr) ? addr.port : 0;
    return WEFT_OK;
}

// A name is one of this machine's, as the node's control address is.
static bool find_address(const struct net_where *w, struct net_resolved *ret)
{
    const struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    char port[8];

    if (net_resolve_numeric(w->host, w->port, ret))
        return true;
    snprintf(port, sizeof port, "%u", (unsigned)w->port);
    if (getaddrinfo(w->host, port, &hints, &found) != 0)
        return false;
    bool fits = found->ai_addrlen <= sizeof ret->at[0];
    if (fits) {
        memcpy(&ret->at[0], found->ai_addr, found->ai_addrlen);
        ret->len[0] = found->ai_addrlen;
        ret->count = 1;
    }
    freeaddrinfo(found);
    return fits;
}

enum weft_err wf_net_pub_listen(struct wf_net_pub *p, const char *where, uint16_t *ret_port)
{
    struct net_resolved at = { 0 };
    struct net_where w;
    uint16_t port = 0;
    int fd = -1;

    assert(!p->listening);
    enum weft_err err = net_where_parse(where, &w);
    if (err || w.local)
        return err ? err : WEFT_E_SYNTAX;
    if (!find_address(&w, &at))
        return WEFT_E_UNREACHABLE;
    err = listen_at(&at.at[0], at.len[0], &fd, &port);
    if (err)
        return err;
    p->listener = (struct wf_watch){ .ready = net_pub_accept, .fd = fd };
    err = wf_loop_watch(p->all->loop, &p->listener, EPOLLIN);
    if (err) {
        close(fd);
        return err;
    }
    p->listening = true;
    if (ret_port)
        *ret_port = port;
    return WEFT_OK;
}

// ---- life --------------------------------------------------------------------------------------------------------------

static void begin_close(struct wf_mail *m)
{
    struct wf_net_pub *p = (struct wf_net_pub *)(void *)m;
    struct wf_loop *loop = p->all->loop;

    if (p->listening) {
        wf_loop_unwatch(loop, &p->listener);
        close(p->listener.fd);
    }
    p->closing = true;
    pthread_mutex_lock(&p->mu);
    bool queued = p->stats.queued > 0;
    pthread_mutex_unlock(&p->mu);
    if (!queued || wf_timer_set(loop, &p->timer, wf_loop_now_ms(loop) + LINGER_MS))
        destroy(p);
}

static void never(struct wf_mail *m)
{
    (void)m; // the loop ends when every socket is closed
}

void wf_net_pub_free(struct wf_net_pub *p)
{
    if (!p)
        return;
    p->mail =
        (struct wf_mail){ .open = begin_close, .drop = never, .class = WF_MAIL_LIVE, .must = true };
    enum weft_err err = wf_loop_post(p->all->loop, &p->mail);
    (void)err; // a letter that must arrive is refused by a closed loop alone
}

enum weft_err wf_net_pub_new(
    struct wf_net *net, const struct wf_net_pub_conf *conf, struct wf_net_pub **ret)
{
    struct wf_net_pub *p = calloc(1, sizeof *p);
    enum weft_err err = p ? pubs_of(net, &p->all) : WEFT_E_NOMEM;

    if (!err)
        err = net_pipes_init(&p->pipes, conf->pipes ? conf->pipes : 4096,
            conf->pipes_per_addr ? conf->pipes_per_addr : 1024);
    if (err) {
        free(p);
        return err;
    }
    net_lock_init(&p->mu, NULL);
    p->conf = *conf;
    p->conf.gate = net_gate_ref(conf->gate); // closing goes on after wf_net_pub_free
    p->conf.queue_bytes = conf->queue_bytes ? conf->queue_bytes : QUEUE_BYTES;
    p->conf.first_ms = conf->first_ms > 0 ? conf->first_ms : 10000;
    p->timer.fire = on_time;
    pthread_mutex_lock(&p->all->mu);
    p->all->open++;
    pthread_mutex_unlock(&p->all->mu);
    *ret = p;
    return WEFT_OK;
}

// ---- figures -----------------------------------------------------------------------------------------------------------

void wf_net_pub_get_stats(struct wf_net_pub *p, struct wf_net_pub_stats *ret)
{
    pthread_mutex_lock(&p->mu);
    *ret = p->stats;
    pthread_mutex_unlock(&p->mu);
}

static void add_conn(struct wf_net_pub_host *h, const struct net_pub_conn *c)
{
    h->addr = c->addr;
    h->pipes += c->greeted;
    h->queued += c->queued;
    h->dropped += c->dropped;
}

size_t wf_net_pub_slow_hosts(struct wf_net_pub *p, struct wf_net_pub_host *ret, size_t max)
{
    size_t count = 0;

    pthread_mutex_lock(&p->mu);
    for (const struct net_pub_conn *c = p->conns; c; c = c->next) {
        size_t i = 0;
        if (!c->dropped)
            continue;
        while (i < count && !wf_net_addr_same_host(&ret[i].addr, &c->addr))
            i++;
        if (i == max)
            continue;
        if (i == count)
            ret[count++] = (struct wf_net_pub_host){ 0 };
        add_conn(&ret[i], c);
    }
    pthread_mutex_unlock(&p->mu);
    return count;
}

struct wf_net_pub_host wf_net_pub_host_of(struct wf_net_pub *p, const struct wf_net_addr *addr)
{
    struct wf_net_pub_host h = { .addr = *addr };

    pthread_mutex_lock(&p->mu);
    for (const struct net_pub_conn *c = p->conns; c; c = c->next)
        if (wf_net_addr_same_host(addr, &c->addr))
            add_conn(&h, c);
    pthread_mutex_unlock(&p->mu);
    return h;
}
