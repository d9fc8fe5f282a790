// SPDX-License-Identifier: Apache-2.0
// NATS through its own C client: natsConnection_Publish a record, its default flusher; the subscriber's callback. where = URL, product = subject,
// extra = certificate authority, or empty without TLS.
#include <nats/nats.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bench.h"

#define FLUSH_MS 60000
#define IDLE_S   10

struct reader {
    struct bench *b;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    uint64_t messages;
    bool done;
};

static void must(natsStatus s)
{
    if (s != NATS_OK)
        bench_fail("nats", natsStatus_GetText(s));
}

static natsConnection *dial(const struct bench *b)
{
    natsOptions *o = NULL;
    natsConnection *c = NULL;

    must(natsOptions_Create(&o));
    must(natsOptions_SetURL(o, b->where));
    if (b->extra && b->extra[0]) {
        must(natsOptions_SetSecure(o, true));
        must(natsOptions_LoadCATrustedCertificates(o, b->extra));
        must(natsOptions_SetExpectedHostname(o, "localhost"));
    }
    must(natsConnection_Connect(&c, o));
    natsOptions_Destroy(o);
    return c;
}

struct writer {
    natsConnection *c;
    const char *subject;
};

static void send_one(void *arg, const uint8_t *ptr, size_t len)
{
    struct writer *w = arg;

    must(natsConnection_Publish(w->c, w->subject, ptr, (int)len));
}

static void publish(struct bench *b)
{
    struct writer w = { .c = dial(b), .subject = b->product };

    bench_publish(b, send_one, &w);
    must(natsConnection_FlushTimeout(w.c, FLUSH_MS));
    bench_published(b);
    natsConnection_Destroy(w.c);
}

static void on_message(natsConnection *c, natsSubscription *s, natsMsg *m, void *arg)
{
    struct reader *r = arg;

    (void)c;
    (void)s;
    if (!r->done)
        r->done =
            bench_take(r->b, (const uint8_t *)natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m));
    __atomic_add_fetch(&r->messages, 1, __ATOMIC_RELAXED);
    natsMsg_Destroy(m);
    if (!r->done)
        return;
    pthread_mutex_lock(&r->mutex);
    pthread_cond_signal(&r->cond);
    pthread_mutex_unlock(&r->mutex);
}

// Until the last record came, or none did for ten seconds.
static void wait_for_end(struct reader *r)
{
    uint64_t before = 0;
    bool idle = false;

    pthread_mutex_lock(&r->mutex);
    while (!r->done && !idle) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += IDLE_S;
        bool timed = pthread_cond_timedwait(&r->cond, &r->mutex, &until) != 0;
        uint64_t now = __atomic_load_n(&r->messages, __ATOMIC_RELAXED);
        idle = timed && now == before && now > 0;
        before = now;
    }
    pthread_mutex_unlock(&r->mutex);
}

static void subscribe(struct bench *b)
{
    struct reader r = {
        .b = b, .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER
    };
    natsConnection *c = dial(b);
    natsSubscription *s = NULL;

    must(natsConnection_Subscribe(&s, c, b->product, on_message, &r));
    must(natsSubscription_SetPendingLimits(s, -1, -1)); // nothing is dropped in the client
    must(natsConnection_FlushTimeout(c, FLUSH_MS));
    bench_ready(b);
    wait_for_end(&r);
    natsSubscription_Unsubscribe(s);
    bench_taken(b);
    natsSubscription_Destroy(s);
    natsConnection_Destroy(c);
}

int main(int argc, char **argv)
{
    struct bench b;

    bench_args(&b, argc, argv);
    if (strcmp(b.role, "pub") == 0)
        publish(&b);
    else
        subscribe(&b);
    nats_Close();
    bench_fini(&b);
    return 0;
}
