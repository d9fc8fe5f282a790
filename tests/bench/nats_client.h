// SPDX-License-Identifier: Apache-2.0
// What bench_nats and bench_jetstream share of NATS' own C client: dialling (extra = certificate authority, or empty without TLS) and taking
// messages on the client's thread.
#ifndef WF_BENCH_NATS_CLIENT_H
#define WF_BENCH_NATS_CLIENT_H

#include <nats/nats.h>

#include "tests/bench/bench.h"

#define BENCH_NATS_FLUSH_MS 60000

// Ends the process unless all is well.
void bench_nats_must(natsStatus s);
natsConnection *bench_nats_dial(const struct bench *b);
// natsMsgHandler; `arg` is the struct bench.
void bench_nats_take(natsConnection *c, natsSubscription *s, natsMsg *m, void *arg);
// Takes what comes until the run's end, then gives back both.
void bench_nats_take_all(struct bench *b, natsConnection *c, natsSubscription *s);

#endif
