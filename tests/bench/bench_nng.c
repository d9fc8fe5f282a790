// SPDX-License-Identifier: Apache-2.0
// Raw NNG PUB/SUB over TCP: the transport's floor with one record a message. No encryption, signature, log or flow control; a publisher that
// is faster than its readers loses records, so it is paced from outside. where = URL.
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/supplemental/util/platform.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define BUFFERS  8192
#define FIRST_MS 20000
#define IDLE_MS  1000

static void must(int rv)
{
    if (rv)
        bench_fail("nng", nng_strerror(rv));
}

static void send_one(void *arg, const uint8_t *ptr, size_t len)
{
    must(nng_send(*(nng_socket *)arg, (void *)(uintptr_t)ptr, len, 0));
}

// Subscribers dial; a run begins when `extra` of them are connected.
static void on_pipe(nng_pipe p, nng_pipe_ev ev, void *arg)
{
    (void)p;
    (void)ev;
    __atomic_add_fetch((int *)arg, 1, __ATOMIC_RELAXED);
}

static void publish(struct bench *b)
{
    nng_socket s;
    int pipes = 0, wanted = b->extra ? (int)strtol(b->extra, NULL, 10) : 1;

    must(nng_pub0_open(&s));
    must(nng_socket_set_int(s, NNG_OPT_SENDBUF, BUFFERS));
    must(nng_pipe_notify(s, NNG_PIPE_EV_ADD_POST, on_pipe, &pipes));
    must(nng_listen(s, b->where, NULL, 0));
    for (int i = 0; i < 1000 && __atomic_load_n(&pipes, __ATOMIC_RELAXED) < wanted; i++)
        nng_msleep(10);
    nng_msleep(50); // a SUB that has connected still tells nothing: its topic is its own
    bench_publish(b, send_one, &s);
    bench_published(b);
    nng_msleep(500); // closing throws away what is queued
    _exit(0);        // nng_close of 1.5.2 may never return
}

static void subscribe(struct bench *b)
{
    nng_socket s;
    bool done = false;

    must(nng_sub0_open(&s));
    must(nng_socket_set_int(s, NNG_OPT_RECVBUF, BUFFERS));
    must(nng_socket_set(s, NNG_OPT_SUB_SUBSCRIBE, "", 0));
    must(nng_socket_set_ms(s, NNG_OPT_RECONNMINT, 10));
    must(nng_socket_set_ms(s, NNG_OPT_RECONNMAXT, 50));
    must(nng_dial(s, b->where, NULL, NNG_FLAG_NONBLOCK));
    must(nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, FIRST_MS));
    bench_ready(b);
    while (!done) {
        nng_msg *m = NULL;
        if (nng_recvmsg(s, &m, 0) != 0)
            break;
        if (b->seen == 0)
            must(nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, IDLE_MS));
        done = bench_take(b, nng_msg_body(m), nng_msg_len(m));
        nng_msg_free(m);
    }
    bench_taken(b);
    _exit(0);
}

int main(int argc, char **argv)
{
    struct bench b;

    bench_args(&b, argc, argv);
    if (strcmp(b.role, "pub") == 0)
        publish(&b);
    else
        subscribe(&b);
    return 0;
}
