// SPDX-License-Identifier: Apache-2.0
// What the programs of the comparison share: the recorded payload, pacing, stamps, latencies, and the line each prints at its end. A program
// is one system's publisher and subscriber; it brings open, send and receive, everything measured is measured here, the same way for all.
// Processor time is of the whole process from the first record on; stamps are of CLOCK_MONOTONIC, one clock for all processes of a machine.
#ifndef WF_BENCH_H
#define WF_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A record begins with its number and the time it was sent, both fixed64: they are written over a recorded one. A record shorter than
// BENCH_HEAD has no time in it.
#define BENCH_NUMBER_AT 1u
#define BENCH_SENT_AT   10u
#define BENCH_HEAD      18u

struct bench {
    const char *role;    // "pub", "sub" or "pace"
    const char *where;   // address, directory or what else the system's functions want
    const char *product; // subject or product
    const char *extra;   // certificate authority; linger in microseconds; subscribers to wait for
    const char *payload; // recorded records, one after the other
    const char *ready;   // file a subscriber makes when it listens
    const char *out;     // the result, one JSON object
    uint64_t count;      // records to send or to wait for
    uint64_t rate;       // a second; 0 = as fast as the call takes them
    uint64_t pack;       // records the application puts into one message; 1 = each by itself
    uint64_t streams;    // record n belongs to stream n % streams; each keeps its order
    uint64_t products;   // record n goes to product n % products
    uint64_t
        publishers; // of this run together; this one sends the records n with n % publishers == index
    uint64_t index;
    size_t record_len;

    uint8_t *records; // loaded
    size_t record_count;
    uint8_t *message; // `pack` stamped records
    uint64_t *next;   // subscriber: the number that comes next in each stream
    uint64_t seen, lost, wrong;
    bool done;     // the last record of the run came; atomic
    uint64_t sent; // by this publisher
    uint64_t sum;  // of the fields walked, so that walking can't be left out
    int64_t first_ns, last_ns;
    double cpu_at; // when measuring began
    uint32_t *latency_ns;
    size_t latency_count;
};

// Ends the process: a measurement is whole or there is none.
_Noreturn void bench_fail(const char *what, const char *why);
void bench_args(struct bench *b, int argc, char **argv);
void bench_fini(struct bench *b);
int64_t bench_now_ns(void);

// Sends one message of `pack` records; returns when the call took it.
typedef void (*bench_send_fn)(void *arg, const uint8_t *ptr, size_t len);
// Sends its share of `count` records, at `rate`. Without a function the loop alone is measured: what pacing and stamping cost.
void bench_publish(struct bench *b, bench_send_fn send, void *arg);
// The time and processor time up to here are the publisher's.
void bench_published(struct bench *b);

void bench_ready(const struct bench *b);
// One message of records arrived. True when the last one of the run is there; what comes later is ignored.
bool bench_take(struct bench *b, const uint8_t *ptr, size_t len);
// The same where one call of the system gave several messages: `now` is when it returned.
bool bench_take_at(struct bench *b, int64_t now, const uint8_t *ptr, size_t len);
// For clients that bring records on a thread of their own: until the last one came, or none did for ten seconds after the first.
void bench_wait(struct bench *b);
// Nothing may come any more: what is missing is lost.
void bench_taken(struct bench *b);

#endif
