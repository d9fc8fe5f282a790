// SPDX-License-Identifier: Apache-2.0
// weft: one weft_publish a record; weft_next hands over batches of verified records. Public headers only. where = socket (pub) or identity
// directory (sub), product, extra = linger in microseconds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/bench/bench.h"

#define FLUSH_MS 60000u
#define IDLE_MS  10000

static void must(enum weft_err err, const struct weft_problem *problem)
{
    if (err)
        bench_fail("weft", problem->text);
}

static void send_one(void *arg, const uint8_t *ptr, size_t len)
{
    struct weft_problem problem;

    must(weft_publish(arg, WEFT_PUT, ptr, len, 0, &problem), &problem);
}

static void publish(struct bench *b)
{
    struct weft_options o = { .socket = b->where, .flags = WEFT_LOCAL_ONLY };
    struct weft_publish_options how = { .linger_us = (unsigned)strtoul(b->extra, NULL, 10) };
    struct weft_client *c = NULL;
    struct weft_publisher *p = NULL;
    struct weft_problem problem;

    must(weft_connect(&o, &c, &problem), &problem);
    must(weft_publisher_open(c, b->product, &how, &p, &problem), &problem);
    bench_publish(b, send_one, p);
    must(weft_publisher_flush(p, FLUSH_MS, &problem), &problem);
    bench_published(b);
    must(weft_publisher_close(p, FLUSH_MS, &problem), &problem);
    weft_close(c);
}

static bool take_records(struct bench *b, const struct weft_event *e)
{
    bool done = false;

    for (size_t i = 0; i < e->record_count; i++)
        done = bench_take(b, e->records[i].data, e->records[i].len) || done;
    return done;
}

static void subscribe(struct bench *b)
{
    struct weft_options o = { .dir = b->where, .flags = WEFT_REMOTE_ONLY };
    struct weft_subscribe_options how = { .from = WEFT_FROM_LATEST };
    struct weft_client *c = NULL;
    struct weft_subscription *s = NULL;
    struct weft_problem problem;
    const struct weft_event *e = NULL;
    struct weft_stats stats;
    bool done = false;

    must(weft_connect(&o, &c, &problem), &problem);
    must(weft_subscribe(c, b->product, &how, &s, &problem), &problem);
    while (!done && weft_next(s, b->seen ? IDLE_MS : 3 * IDLE_MS, &e, &problem) == WEFT_OK) {
        if (e->kind == WEFT_EV_STATE && e->state == WEFT_STREAM_LIVE && b->seen == 0)
            bench_ready(b);
        if (e->kind == WEFT_EV_STATE && e->state == WEFT_STREAM_REFUSED)
            bench_fail("refused", e->problem.text);
        if (e->kind == WEFT_EV_RECORDS)
            done = take_records(b, e);
    }
    bench_taken(b);
    weft_subscription_stats(s, &stats);
    if (stats.pulled_records)
        fprintf(stderr, "bench: %llu of %llu records came by pull\n",
            (unsigned long long)stats.pulled_records, (unsigned long long)stats.records);
    weft_unsubscribe(s);
    weft_close(c);
}

int main(int argc, char **argv)
{
    struct bench b;

    bench_args(&b, argc, argv);
    if (strcmp(b.role, "pub") == 0) {
        publish(&b);
    } else if (strcmp(b.role, "sub") == 0) {
        subscribe(&b);
    } else { // pace: the loop around the calls and nothing else
        bench_publish(&b, NULL, NULL);
        bench_published(&b);
    }
    bench_fini(&b);
    return 0;
}
