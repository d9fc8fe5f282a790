// SPDX-License-Identifier: Apache-2.0
// NATS core through its own C client: natsConnection_Publish a message, its default flusher; the subscriber's callback. where = URL, product =
// subject, extra = certificate authority, or empty without TLS.
#include <string.h>

#include "tests/bench/nats_client.h"

struct writer {
    natsConnection *c;
    const char *subject;
};

static void send_one(void *arg, const uint8_t *ptr, size_t len)
{
    struct writer *w = arg;

    bench_nats_must(natsConnection_Publish(w->c, w->subject, ptr, (int)len));
}

static void publish(struct bench *b)
{
    struct writer w = { .c = bench_nats_dial(b), .subject = b->product };

    bench_publish(b, send_one, &w);
    bench_nats_must(natsConnection_FlushTimeout(w.c, BENCH_NATS_FLUSH_MS));
    bench_published(b);
    natsConnection_Destroy(w.c);
}

static void subscribe(struct bench *b)
{
    natsConnection *c = bench_nats_dial(b);
    natsSubscription *s = NULL;

    bench_nats_must(natsConnection_Subscribe(&s, c, b->product, bench_nats_take, b));
    bench_nats_take_all(b, c, s);
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
