// SPDX-License-Identifier: Apache-2.0
// weft: one weft_publish a record; batches of verified records come to a handler. Public headers only. where = socket (pub) or identity
// directory (sub), product, extra = linger in microseconds (pub), "earliest" to read what is kept, too (sub). Several products are called product-0, product-1, ...: one publisher and
// one subscription each, all of one client.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/bench/bench.h"

#define FLUSH_MS     60000u
#define NAME_MAX_LEN 128

static void must(enum weft_err err, const struct weft_problem *problem)
{
    if (err)
        bench_fail("weft", problem->text);
}

static const char *name_of(const struct bench *b, uint64_t product, char name[NAME_MAX_LEN])
{
    if (b->products == 1)
        return b->product;
    snprintf(name, NAME_MAX_LEN, "%s-%llu", b->product, (unsigned long long)product);
    return name;
}

struct writer {
    struct weft_publisher **of; // by product
    uint64_t products, at;
};

static void send_one(void *arg, const uint8_t *ptr, size_t len)
{
    struct writer *w = arg;
    struct weft_problem problem;

    must(weft_publish(w->of[w->at], WEFT_PUT, ptr, len, 0, &problem), &problem);
    w->at = w->at + 1 == w->products ? 0 : w->at + 1;
}

static void *array(uint64_t count, size_t size)
{
    void *p = calloc(count, size);

    if (!p)
        bench_fail("memory", NULL);
    return p;
}

static void publish(struct bench *b)
{
    struct weft_options o = { .socket = b->where, .flags = WEFT_LOCAL_ONLY };
    struct weft_publish_options how = { .linger_us = (unsigned)strtoul(b->extra, NULL, 10) };
    struct weft_client *c = NULL;
    struct writer w = { .of = array(b->products, sizeof(void *)), .products = b->products };
    struct weft_problem problem;
    char name[NAME_MAX_LEN];

    must(weft_connect(&o, &c, &problem), &problem);
    for (uint64_t i = 0; i < b->products; i++)
        must(weft_publisher_open(c, name_of(b, i, name), &how, &w.of[i], &problem), &problem);
    bench_publish(b, send_one, &w);
    for (uint64_t i = 0; i < b->products; i++)
        must(weft_publisher_flush(w.of[i], FLUSH_MS, &problem), &problem);
    bench_published(b);
    for (uint64_t i = 0; i < b->products; i++)
        must(weft_publisher_close(w.of[i], FLUSH_MS, &problem), &problem);
    weft_close(c);
    free(w.of);
}

struct reader {
    struct bench *b;
    struct weft_subscription **of; // by product
    uint64_t live;                 // products that deliver
};

static void take_event(void *arg, struct weft_subscription *s, const struct weft_event *e)
{
    struct reader *r = arg;

    (void)s;
    if (e->kind == WEFT_EV_STATE && e->state == WEFT_STREAM_LIVE && r->b->seen == 0) {
        r->live++;
        if (r->live == r->b->products)
            bench_ready(r->b);
    }
    if (e->kind == WEFT_EV_STATE && e->state == WEFT_STREAM_REFUSED)
        bench_fail("refused", e->problem.text);
    if (e->kind == WEFT_EV_RECORDS) {
        int64_t now = bench_now_ns(); // they come all at once
        for (size_t i = 0; i < e->record_count; i++)
            bench_take_at(r->b, now, e->records[i].data, e->records[i].len);
    }
}

static void close_all(struct reader *r)
{
    unsigned long long pulled = 0, records = 0;
    struct weft_stats stats;

    for (uint64_t i = 0; i < r->b->products; i++) {
        weft_subscription_stats(r->of[i], &stats);
        pulled += stats.pulled_records;
        records += stats.records;
        weft_unsubscribe(r->of[i]);
    }
    if (pulled)
        fprintf(stderr, "bench: %llu of %llu records came by pull\n", pulled, records);
    free(r->of);
}

static void subscribe(struct bench *b)
{
    struct weft_options o = { .dir = b->where, .flags = WEFT_REMOTE_ONLY };
    struct reader r = { .b = b, .of = array(b->products, sizeof(void *)) };
    bool all = b->extra && strcmp(b->extra, "earliest") == 0;
    struct weft_subscribe_options how = {
        .from = all ? WEFT_FROM_EARLIEST : WEFT_FROM_LATEST, .on_event = take_event, .arg = &r
    };
    struct weft_client *c = NULL;
    struct weft_problem problem;
    char name[NAME_MAX_LEN];

    must(weft_connect(&o, &c, &problem), &problem);
    for (uint64_t i = 0; i < b->products; i++)
        must(weft_subscribe(c, name_of(b, i, name), &how, &r.of[i], &problem), &problem);
    bench_wait(b);
    bench_taken(b);
    close_all(&r);
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
