// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/nats_client.h"

void bench_nats_must(natsStatus s)
{
    if (s != NATS_OK)
        bench_fail("nats", natsStatus_GetText(s));
}

natsConnection *bench_nats_dial(const struct bench *b)
{
    natsOptions *o = NULL;
    natsConnection *c = NULL;

    bench_nats_must(natsOptions_Create(&o));
    bench_nats_must(natsOptions_SetURL(o, b->where));
    if (b->extra && b->extra[0]) {
        bench_nats_must(natsOptions_SetSecure(o, true));
        bench_nats_must(natsOptions_LoadCATrustedCertificates(o, b->extra));
        bench_nats_must(natsOptions_SetExpectedHostname(o, "localhost"));
    }
    bench_nats_must(natsConnection_Connect(&c, o));
    natsOptions_Destroy(o);
    return c;
}

void bench_nats_take(natsConnection *c, natsSubscription *s, natsMsg *m, void *arg)
{
    (void)c;
    (void)s;
    bench_take(arg, (const uint8_t *)natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m));
    natsMsg_Destroy(m);
}

void bench_nats_take_all(struct bench *b, natsConnection *c, natsSubscription *s)
{
    bench_nats_must(natsSubscription_SetPendingLimits(s, -1, -1)); // the client drops nothing
    bench_nats_must(natsConnection_FlushTimeout(c, BENCH_NATS_FLUSH_MS));
    bench_ready(b);
    bench_wait(b);
    natsSubscription_Unsubscribe(s);
    bench_taken(b);
    natsSubscription_Destroy(s);
    natsConnection_Destroy(c);
}
