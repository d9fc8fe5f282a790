// SPDX-License-Identifier: Apache-2.0
// MQTT with quality of service 1 through libmosquitto with its own network thread: a mosquitto_publish a record, 20 unacknowledged ones at most,
// the library's default (100 and 1,000 were slower); at the end every PUBACK is waited for. where = port on 127.0.0.1, product = topic,
// extra = certificate authority.
#include <mosquitto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

#define WINDOW      20
#define QOS         1
#define KEEPALIVE_S 60

struct client {
    struct bench *b;
    struct mosquitto *m;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    uint64_t sent, acknowledged; // of the publisher
};

static void must(int rv)
{
    if (rv != MOSQ_ERR_SUCCESS)
        bench_fail("mosquitto", mosquitto_strerror(rv));
}

static void on_acknowledged(struct mosquitto *m, void *arg, int mid)
{
    struct client *c = arg;

    (void)m;
    (void)mid;
    pthread_mutex_lock(&c->mutex);
    c->acknowledged++;
    pthread_cond_signal(&c->cond);
    pthread_mutex_unlock(&c->mutex);
}

static void on_disconnected(struct mosquitto *m, void *arg, int why)
{
    (void)m;
    (void)arg;
    if (why) // 0: asked for
        bench_fail("mosquitto disconnected", mosquitto_strerror(why));
}

static void on_subscribed(struct mosquitto *m, void *arg, int mid, int count, const int *granted)
{
    struct client *c = arg;

    (void)m;
    (void)mid;
    if (count != 1 || granted[0] != QOS)
        bench_fail("mosquitto", "subscription not granted");
    bench_ready(c->b);
}

static void on_message(struct mosquitto *m, void *arg, const struct mosquitto_message *message)
{
    struct client *c = arg;

    (void)m;
    bench_take(c->b, message->payload, (size_t)message->payloadlen);
}

static void dial(struct client *c)
{
    c->m = mosquitto_new(NULL, true, c);
    if (!c->m)
        bench_fail("mosquitto", "memory");
    must(mosquitto_tls_set(c->m, c->b->extra, NULL, NULL, NULL, NULL));
    must(mosquitto_int_option(c->m, MOSQ_OPT_TCP_NODELAY, 1));
    must(mosquitto_max_inflight_messages_set(c->m, WINDOW));
    mosquitto_publish_callback_set(c->m, on_acknowledged);
    mosquitto_disconnect_callback_set(c->m, on_disconnected);
    mosquitto_subscribe_callback_set(c->m, on_subscribed);
    mosquitto_message_callback_set(c->m, on_message);
    must(mosquitto_connect(c->m, "127.0.0.1", (int)strtol(c->b->where, NULL, 10), KEEPALIVE_S));
    must(mosquitto_loop_start(c->m));
}

static void close_client(struct client *c)
{
    mosquitto_disconnect(c->m);
    mosquitto_loop_stop(c->m, false);
    mosquitto_destroy(c->m);
}

static void wait_for_room(struct client *c, uint64_t most)
{
    pthread_mutex_lock(&c->mutex);
    while (c->sent - c->acknowledged > most)
        pthread_cond_wait(&c->cond, &c->mutex);
    pthread_mutex_unlock(&c->mutex);
}

static void send_one(void *arg, const uint8_t *ptr, size_t len)
{
    struct client *c = arg;

    wait_for_room(c, WINDOW - 1);
    c->sent++; // this thread's alone
    must(mosquitto_publish(c->m, NULL, c->b->product, (int)len, ptr, QOS, false));
}

static void publish(struct client *c)
{
    dial(c);
    bench_publish(c->b, send_one, c);
    wait_for_room(c, 0);
    bench_published(c->b);
    close_client(c);
}

static void subscribe(struct client *c)
{
    dial(c);
    must(mosquitto_subscribe(c->m, NULL, c->b->product, QOS));
    bench_wait(c->b);
    bench_taken(c->b);
    close_client(c);
}

int main(int argc, char **argv)
{
    struct bench b;
    struct client c = {
        .b = &b, .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER
    };

    bench_args(&b, argc, argv);
    must(mosquitto_lib_init());
    if (strcmp(b.role, "pub") == 0)
        publish(&c);
    else
        subscribe(&c);
    mosquitto_lib_cleanup();
    bench_fini(&b);
    return 0;
}
