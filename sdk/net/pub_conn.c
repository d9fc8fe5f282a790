// SPDX-License-Identifier: Apache-2.0
// A PUB socket's connections: admitted by address when they come, heard once (a SUB has nothing to say but its greeting), then sent to. A frame
// goes into the kernel at once where nothing waits before it.
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sdk/net/gate.h"
#include "sdk/net/pub_int.h"
#include "sdk/net/sp.h"

#define ACCEPTS 16 // a turn

void net_frame_unref(struct net_frame *f)
{
    if (--f->refs > 0)
        return;
    net_pub_spare(f->pub->all, &f->bytes);
    free(f);
}

static size_t frame_len(const struct net_frame *f)
{
    return NET_PUB_HEAD + f->bytes.len;
}

// ---- the queue ---------------------------------------------------------------------------------------------------------

static void take_off(struct net_pub_conn *c, struct net_pub_out **at)
{
    struct net_pub_out *o = *at;
    size_t len = frame_len(o->frame);

    *at = o->next;
    if (!o->next)
        c->last = at;
    c->queued -= len;
    c->pub->stats.queued -= len;
    net_frame_unref(o->frame);
    free(o);
}

// The loop's thread finds it ended.
static void give_up(const struct net_pub_conn *c)
{
    (void)shutdown(c->watch.fd, SHUT_RDWR);
}

static void watch_room(struct net_pub_conn *c, bool waits)
{
    uint32_t events = (uint32_t)EPOLLIN | (waits ? (uint32_t)EPOLLOUT : 0);

    if (waits == c->waits)
        return;
    c->waits = waits;
    if (wf_loop_rewatch(c->pub->all->loop, &c->watch, events))
        give_up(c);
}

// Sends of a frame what the socket takes from `sent` on; how much, or -1 when the connection is broken.
static ssize_t send_some(const struct net_pub_conn *c, const struct net_frame *f, size_t sent)
{
    struct wf_bytes body = wf_buf_view(&f->bytes);
    size_t of_head = sent < NET_PUB_HEAD ? sent : NET_PUB_HEAD, of_body = sent - of_head;
    struct iovec parts[2] = {
        { (void *)(uintptr_t)(f->head + of_head), NET_PUB_HEAD - of_head },
        { (void *)(uintptr_t)(body.ptr + of_body), body.len - of_body },
    };
    struct msghdr h = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t n = sendmsg(c->watch.fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    return n;
}

static void drop_frame(struct net_pub_conn *c)
{
    c->dropped++;
    c->pub->stats.dropped++;
}

// Makes room, the oldest first; the one that is being sent stays, and so does the newest.
static void bound(struct net_pub_conn *c)
{
    while (c->queued > c->pub->conf.queue_bytes) {
        struct net_pub_out **oldest = c->sent ? &c->first->next : &c->first;
        if (!*oldest || !(*oldest)->next)
            return;
        take_off(c, oldest);
        drop_frame(c);
    }
}

static void wait_for_room(struct net_pub_conn *c, struct net_frame *f, size_t sent)
{
    struct net_pub_out *o = malloc(sizeof *o);

    if (!o) {
        drop_frame(c);
        if (sent)
            give_up(c); // half a frame can't be left out
        return;
    }
    *o = (struct net_pub_out){ .frame = f };
    f->refs++;
    if (!c->first)
        c->sent = sent;
    *c->last = o;
    c->last = &o->next;
    c->queued += frame_len(f);
    c->pub->stats.queued += frame_len(f);
    bound(c);
    watch_room(c, true);
}

static void put(struct net_pub_conn *c, struct net_frame *f)
{
    ssize_t n = c->first ? 0 : send_some(c, f, 0);

    if (n < 0)
        give_up(c);
    else if ((size_t)n < frame_len(f))
        wait_for_room(c, f, (size_t)n);
}

void net_pub_put(struct wf_net_pub *p, struct net_frame *f)
{
    for (struct net_pub_conn *c = p->conns; c; c = c->next)
        if (c->greeted)
            put(c, f);
    p->stats.messages++;
    p->stats.bytes += f->bytes.len;
}

// False: the connection is broken.
static bool flush(struct net_pub_conn *c)
{
    while (c->first) {
        ssize_t n = send_some(c, c->first->frame, c->sent);
        if (n < 0)
            return false;
        c->sent += (size_t)n;
        if (c->sent < frame_len(c->first->frame))
            break;
        c->sent = 0;
        take_off(c, &c->first);
    }
    watch_room(c, c->first != NULL);
    return true;
}

// ---- life --------------------------------------------------------------------------------------------------------------

void net_pub_end(struct net_pub_conn *c)
{
    struct wf_net_pub *p = c->pub;

    wf_loop_unwatch(p->all->loop, &c->watch);
    close(c->watch.fd);
    while (c->first)
        take_off(c, &c->first);
    p->stats.pipes -= c->greeted;
    (void)net_pipes_remove(&p->pipes, c->id);
    if (c->prev)
        c->prev->next = c->next;
    else
        p->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    free(c);
}

// A SUB greets and says nothing more. False: it ends.
static bool hear(struct net_pub_conn *c)
{
    static const uint8_t greeting[8] = { 0, 'S', 'P', 0, 0, 0x21, 0, 0 };
    uint8_t some[16];
    ssize_t n = recv(c->watch.fd, some, sizeof some, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (n == 0 || (size_t)n > sizeof greeting - c->heard)
        return false;
    memcpy(c->greeting + c->heard, some, (size_t)n);
    c->heard += (size_t)n;
    if (c->heard < sizeof greeting)
        return true;
    c->greeted = memcmp(c->greeting, greeting, sizeof greeting) == 0;
    c->pub->stats.pipes += c->greeted;
    return c->greeted;
}

static void on_ready(struct wf_watch *w, uint32_t events)
{
    struct net_pub_conn *c = (struct net_pub_conn *)(void *)w;
    struct wf_net_pub *p = c->pub;

    pthread_mutex_lock(&p->mu);
    bool stands = !(events & EPOLLOUT) || flush(c);
    if (stands && (events & ~(uint32_t)EPOLLOUT))
        stands = hear(c);
    if (!stands)
        net_pub_end(c);
    pthread_mutex_unlock(&p->mu);
}

static bool is_open_for(struct wf_net_pub *p, const struct wf_net_addr *addr)
{
    bool gated = p->conf.gate && !net_gate_open_for(p->conf.gate, addr);

    p->stats.gated += gated;
    return !gated;
}

static bool greet(int fd)
{
    static const uint8_t greeting[8] = { 0, 'S', 'P', 0, 0, 0x20, 0, 0 };

    return send(fd, greeting, sizeof greeting, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof greeting;
}

// With the mutex held. False: fd is still the caller's.
static bool admit(struct wf_net_pub *p, int fd, const struct wf_net_addr *addr)
{
    struct net_pub_conn *c = is_open_for(p, addr) ? calloc(1, sizeof *c) : NULL;

    if (!c)
        return false;
    *c = (struct net_pub_conn){ .watch = { .ready = on_ready, .fd = fd },
        .pub = p,
        .id = (uint32_t)atomic_fetch_add(&p->all->last_id, 1) + 1,
        .addr = *addr,
        .born_ms = wf_loop_now_ms(p->all->loop),
        .next = p->conns };
    c->last = &c->first;
    if (!net_pipes_admit(&p->pipes, c->id, addr, c->born_ms)) {
        free(c);
        return false;
    }
    if (!greet(fd) || wf_loop_watch(p->all->loop, &c->watch, EPOLLIN)) {
        (void)net_pipes_remove(&p->pipes, c->id);
        free(c);
        return false;
    }
    if (p->conns)
        p->conns->prev = c;
    p->conns = c;
    return true;
}

static void take_in(struct wf_net_pub *p, int fd, const struct sockaddr_storage *from)
{
    struct wf_net_addr addr;

    net_sp_options(fd);
    pthread_mutex_lock(&p->mu);
    bool in = net_addr_from(from, &addr) && admit(p, fd, &addr);
    p->stats.admitted += in;
    p->stats.refused += !in;
    pthread_mutex_unlock(&p->mu);
    if (!in)
        close(fd);
}

void net_pub_accept(struct wf_watch *w, uint32_t events)
{
    struct wf_net_pub *p =
        (struct wf_net_pub *)(void *)((char *)w - offsetof(struct wf_net_pub, listener));

    (void)events;
    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        int fd = accept4(w->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_in(p, fd, &from);
            continue;
        }
        // It would stay readable: the sweep listens again, when something may have been closed.
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            p->deaf = !wf_loop_rewatch(p->all->loop, w, 0);
        break;
    }
    net_pub_tick(p);
}
