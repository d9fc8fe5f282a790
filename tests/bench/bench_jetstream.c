// SPDX-License-Identifier: Apache-2.0
// NATS JetStream, stream in files: js_PublishAsync a record with 4,000 unacknowledged ones at most, the client's default; at the end every
// acknowledgement is waited for. The subscriber is an ordered consumer: no acknowledgement a record, the cheapest that loses nothing.
// where = URL, product = subject, extra = certificate authority.
#include <string.h>

#include "tests/bench/nats_client.h"

#define STREAM  "BENCH"
#define PENDING 4000

static void refused(jsCtx *js, jsPubAckErr *e, void *arg)
{
    (void)js;
    (void)arg;
    bench_fail("jetstream", e->ErrText ? e->ErrText : natsStatus_GetText(e->Err));
}

static jsCtx *open_stream(const struct bench *b, natsConnection *c)
{
    jsOptions o;
    jsStreamConfig cfg;
    jsCtx *js = NULL;
    jsErrCode code = 0;

    bench_nats_must(jsOptions_Init(&o));
    o.PublishAsync.MaxPending = PENDING;
    o.PublishAsync.StallWait = BENCH_NATS_FLUSH_MS;
    o.PublishAsync.ErrHandler = refused;
    bench_nats_must(natsConnection_JetStream(&js, c, &o));
    bench_nats_must(jsStreamConfig_Init(&cfg));
    cfg.Name = STREAM;
    cfg.Subjects = (const char *[]){ b->product };
    cfg.SubjectsLen = 1;
    cfg.Storage = js_FileStorage;
    bench_nats_must(js_AddStream(NULL, js, &cfg, NULL, &code)); // the same again is no error
    return js;
}

struct writer {
    jsCtx *js;
    const char *subject;
};

static void send_one(void *arg, const uint8_t *ptr, size_t len)
{
    struct writer *w = arg;

    bench_nats_must(js_PublishAsync(w->js, w->subject, ptr, (int)len, NULL));
}

static void publish(struct bench *b)
{
    natsConnection *c = bench_nats_dial(b);
    struct writer w = { .js = open_stream(b, c), .subject = b->product };
    jsPubOptions all;
    jsErrCode code = 0;

    bench_nats_must(jsPubOptions_Init(&all));
    all.MaxWait = BENCH_NATS_FLUSH_MS;
    bench_nats_must(js_PurgeStream(w.js, STREAM, NULL, &code)); // what earlier runs left
    bench_publish(b, send_one, &w);
    bench_nats_must(js_PublishAsyncComplete(w.js, &all));
    bench_published(b);
    jsCtx_Destroy(w.js);
    natsConnection_Destroy(c);
}

static void subscribe(struct bench *b)
{
    natsConnection *c = bench_nats_dial(b);
    jsCtx *js = open_stream(b, c);
    natsSubscription *s = NULL;
    jsSubOptions how;
    jsErrCode code = 0;

    bench_nats_must(jsSubOptions_Init(&how));
    how.Stream = STREAM;
    how.Ordered = true;
    how.Config.DeliverPolicy = js_DeliverNew;
    bench_nats_must(js_Subscribe(&s, js, b->product, bench_nats_take, b, NULL, &how, &code));
    bench_nats_take_all(b, c, s);
    jsCtx_Destroy(js);
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
