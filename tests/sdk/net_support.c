// SPDX-License-Identifier: Apache-2.0
#include "tests/sdk/net_support.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sdk/net/sub.h"
#include "tests/support/support.h"

#define WAIT_MS 60000

int64_t mono_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void nap(int ms)
{
    struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

    nanosleep(&ts, NULL);
}

bool eventually(bool (*cond)(void *arg), void *arg, int64_t timeout_ms)
{
    int64_t end_ms = mono_ms() + timeout_ms;

    while (!cond(arg)) {
        if (mono_ms() > end_ms)
            return false;
        nap(5);
    }
    return true;
}

void inbox_init(struct inbox *in)
{
    pthread_condattr_t a;

    memset(in, 0, sizeof *in);
    pthread_mutex_init(&in->mu, NULL);
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&in->cv, &a);
    pthread_condattr_destroy(&a);
}

static void release(struct wf_net_event *ev)
{
    if (ev->request)
        wf_net_drop(ev->request, false);
    wf_net_msg_free(ev->msg);
}

void inbox_fini(struct inbox *in)
{
    while (in->count > 0) {
        struct wf_net_event ev = inbox_take(in);
        release(&ev);
    }
    pthread_cond_destroy(&in->cv);
    pthread_mutex_destroy(&in->mu);
}

bool inbox_post(void *inbox, const struct wf_net_event *ev)
{
    struct inbox *in = inbox;
    bool ok = true;

    pthread_mutex_lock(&in->mu);
    if (ev->what == WF_NET_FRAME && in->drop) {
        in->dropped++;
        ok = false;
    } else if ((ev->what == WF_NET_REQUEST || ev->what == WF_NET_FRAME) && in->refuse) {
        ok = false;
    } else if (in->count == INBOX_MAX) {
        ok = false;
    } else {
        in->events[(in->head + in->count++) % INBOX_MAX] = *ev;
        pthread_cond_signal(&in->cv);
    }
    pthread_mutex_unlock(&in->mu);
    return ok;
}

struct wf_net_event inbox_take(struct inbox *in)
{
    int64_t end_ms = mono_ms() + WAIT_MS;
    struct timespec ts = { (time_t)(end_ms / 1000), (long)(end_ms % 1000) * 1000000 };

    pthread_mutex_lock(&in->mu);
    while (in->count == 0)
        if (pthread_cond_timedwait(&in->cv, &in->mu, &ts) == ETIMEDOUT)
            ck_abort_msg("no event within %d ms", WAIT_MS);
    struct wf_net_event ev = in->events[in->head];
    in->head = (in->head + 1) % INBOX_MAX;
    in->count--;
    pthread_mutex_unlock(&in->mu);
    return ev;
}

struct wf_net_event inbox_take_kind(struct inbox *in, enum wf_net_what what)
{
    for (;;) {
        struct wf_net_event ev = inbox_take(in);
        if (ev.what == what)
            return ev;
        release(&ev);
    }
}

bool inbox_is_empty(struct inbox *in)
{
    pthread_mutex_lock(&in->mu);
    bool empty = in->count == 0;
    pthread_mutex_unlock(&in->mu);
    return empty;
}

struct hearer {
    struct wf_loop *loop;
    struct wf_net_sub *sub;
    pthread_t thread;
};

static void *turn(void *arg)
{
    wf_loop_run(arg);
    return NULL;
}

struct hearer *hearer_start(struct inbox *in, const char *where)
{
    struct hearer *h = calloc(1, sizeof *h);
    struct wf_net_sub_conf conf = { .post = inbox_post, .arg = in, .where = where };

    ck_assert_ptr_nonnull(h);
    ck_assert_int_eq(wf_loop_new(NULL, &h->loop), WEFT_OK);
    conf.loop = h->loop;
    ck_assert_int_eq(wf_net_sub_new(&conf, &h->sub), WEFT_OK);
    ck_assert_int_eq(pthread_create(&h->thread, NULL, turn, h->loop), 0);
    return h;
}

void hearer_stop(struct hearer *h)
{
    wf_loop_stop(h->loop);
    pthread_join(h->thread, NULL);
    wf_net_sub_free(h->sub);
    wf_loop_free(h->loop);
    free(h);
}

struct wf_net *net_start(const struct wf_net_conf *conf)
{
    struct wf_net *net = NULL;

    ck_assert_int_eq(wf_net_new(conf, &net), WEFT_OK);
    return net;
}

void net_finish(struct wf_net *net)
{
    struct wf_net_stats st;

    ck_assert_int_eq(wf_net_settle(net, WAIT_MS), WEFT_OK);
    wf_net_get_stats(net, &st);
    ck_assert_uint_eq(st.closes_abandoned, 0);
    wf_net_free(net);
}

struct wf_net_msg *msg_of(const char *text)
{
    struct wf_net_msg *m = NULL;

    ck_assert_int_eq(wf_net_msg_from(wf_bytes_str(text), &m), WEFT_OK);
    return m;
}

static bool echo_post(void *arg, const struct wf_net_event *ev)
{
    return ev->what == WF_NET_REQUEST ? inbox_post(arg, ev) : true;
}

static void *echo_main(void *arg)
{
    struct echo *e = arg;

    for (;;) {
        pthread_mutex_lock(&e->in.mu);
        while (e->in.count == 0 && !e->in.refuse)
            pthread_cond_wait(&e->in.cv, &e->in.mu);
        bool stop = e->in.count == 0;
        pthread_mutex_unlock(&e->in.mu);
        if (stop)
            return NULL;
        struct wf_net_event ev = inbox_take(&e->in);
        struct wf_net_msg *m = NULL;
        if (wf_net_msg_from(wf_net_request_bytes(ev.request), &m) == WEFT_OK)
            wf_net_reply(ev.request, m);
        else
            wf_net_drop(ev.request, false);
    }
}

void echo_start(
    struct echo *e, struct wf_net *net, const struct wf_net_rep_conf *conf, const char *where)
{
    struct wf_net_rep_conf c = conf ? *conf : (struct wf_net_rep_conf){ 0 };

    memset(e, 0, sizeof *e);
    inbox_init(&e->in);
    e->net = net;
    c.post = echo_post;
    c.arg = &e->in;
    ck_assert_int_eq(wf_net_rep_new(net, &c, &e->rep), WEFT_OK);
    ck_assert_int_eq(wf_net_rep_listen(e->rep, where, &e->port), WEFT_OK);
    if (e->port)
        snprintf(e->where, sizeof e->where, "127.0.0.1:%u", (unsigned)e->port);
    else
        snprintf(e->where, sizeof e->where, "%s", where);
    ck_assert_int_eq(pthread_create(&e->thread, NULL, echo_main, e), 0);
}

void echo_stop(struct echo *e)
{
    pthread_mutex_lock(&e->in.mu);
    e->in.refuse = true;
    pthread_cond_signal(&e->in.cv);
    pthread_mutex_unlock(&e->in.mu);
    pthread_join(e->thread, NULL);
    wf_net_rep_free(e->rep);
    ck_assert_int_eq(wf_net_settle(e->net, WAIT_MS), WEFT_OK);
    inbox_fini(&e->in);
}

enum weft_err echo_ask(struct wf_net *net, const char *where, const char *text, int64_t timeout_ms)
{
    struct wf_net_peer_conf conf = { .where = where, .connect_ms = timeout_ms };
    struct wf_net_peer *p = NULL;
    struct wf_net_msg *reply = NULL;

    ck_assert_int_eq(wf_net_peer_new(net, &conf, &p), WEFT_OK);
    enum weft_err err = wf_net_peer_wait(p);
    if (!err)
        err = wf_net_request(p, msg_of(text), timeout_ms, &reply, NULL);
    if (!err)
        ck_assert(wf_bytes_is(wf_net_msg_view(reply), text));
    wf_net_msg_free(reply);
    wf_net_peer_free(p);
    return err;
}

const char *ipc_where(void)
{
    static char where[300];
    static const char *dir;
    static unsigned n;

    if (!dir)
        dir = wf_test_tmpdir();
    snprintf(where, sizeof where, "ipc:%s/s%u", dir, n++);
    return where;
}

struct wf_net_peer *peer_to(struct wf_net *net, struct inbox *in, const char *where)
{
    struct wf_net_peer_conf conf = { .post = in ? inbox_post : NULL, .arg = in, .where = where };
    struct wf_net_peer *p = NULL;

    ck_assert_int_eq(wf_net_peer_new(net, &conf, &p), WEFT_OK);
    return p;
}

void server_start(struct server *s, struct wf_net *net, struct wf_net_rep_conf conf)
{
    uint16_t port = 0;

    inbox_init(&s->in);
    s->net = net;
    conf.post = inbox_post;
    conf.arg = &s->in;
    ck_assert_int_eq(wf_net_rep_new(net, &conf, &s->rep), WEFT_OK);
    ck_assert_int_eq(wf_net_rep_listen(s->rep, "127.0.0.1:0", &port), WEFT_OK);
    ck_assert_uint_ne(port, 0);
    snprintf(s->where, sizeof s->where, "127.0.0.1:%u", (unsigned)port);
}

void server_stop(struct server *s)
{
    wf_net_rep_free(s->rep);
    ck_assert_int_eq(wf_net_settle(s->net, WAIT_MS), WEFT_OK);
    inbox_fini(&s->in);
}

static int bound(char where[64])
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0); // any port
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(where, 64, "127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    return fd;
}

int raw_listen(char where[64])
{
    int fd = bound(where);

    ck_assert_int_eq(listen(fd, 8), 0);
    return fd;
}

int raw_nobody(char where[64])
{
    return bound(where);
}

int raw_connect(const char *where)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET };
    bool local = strncmp(where, "ipc:", 4) == 0;
    struct sockaddr *sa = local ? (struct sockaddr *)&un : (struct sockaddr *)&in;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (local) {
        snprintf(un.sun_path, sizeof un.sun_path, "%s", where + 4);
    } else {
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in.sin_port = htons((uint16_t)strtoul(strrchr(where, ':') + 1, NULL, 10));
    }
    if (connect(fd, sa, local ? sizeof un : sizeof in) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void raw_greet(int fd, uint16_t proto)
{
    uint8_t hello[8] = { 0, 'S', 'P', 0, (uint8_t)(proto >> 8), (uint8_t)proto, 0, 0 };

    ck_assert_int_eq(send(fd, hello, sizeof hello, MSG_NOSIGNAL), sizeof hello);
}

bool raw_request(int fd, uint32_t id, size_t body_len)
{
    size_t len = 12 + body_len;
    uint8_t *m = calloc(1, len);

    ck_assert_ptr_nonnull(m);
    wf_store_be64(m, 4 + body_len);
    wf_store_be32(m + 8, id | 0x80000000u);
    ssize_t n = send(fd, m, len, MSG_NOSIGNAL);
    free(m);
    return n == (ssize_t)len;
}

bool raw_read(int fd, void *out, size_t len)
{
    struct timeval limit = { .tv_sec = WAIT_MS / 1000 };
    uint8_t *at = out;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    while (len > 0) {
        ssize_t n = recv(fd, at, len, 0);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool raw_closed(int fd)
{
    struct timeval limit = { .tv_sec = WAIT_MS / 1000 };
    uint8_t sink[4096];
    ssize_t n;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    do
        n = recv(fd, sink, sizeof sink, 0);
    while (n > 0);
    return n == 0 || errno == ECONNRESET;
}

void raw_fin_rst(int fd)
{
    struct linger l = { .l_onoff = 1, .l_linger = 0 };

    shutdown(fd, SHUT_WR);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    close(fd);
}

long vm_peak_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmPeak:", 7) == 0)
            kib = strtol(line + 7, NULL, 10);
    fclose(f);
    return kib;
}
