// SPDX-License-Identifier: Apache-2.0
// Redis streams through hiredis: an XADD a record, 1,000 unanswered ones at most, sent at once when paced and as the client's buffer fills
// when not; at the end every answer is waited for. Subscribers XREAD up to 1,000 entries at a time. where = port on 127.0.0.1, product = key.
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

#define WINDOW  1000
#define AT_ONCE "1000"
#define WAIT_MS "10000"

static redisContext *dial(const struct bench *b)
{
    redisContext *c = redisConnect("127.0.0.1", (int)strtol(b->where, NULL, 10));

    if (!c || c->err)
        bench_fail("redis", c ? c->errstr : "memory");
    return c;
}

// The answer to the oldest command without one; the caller's to free.
static redisReply *answer(redisContext *c)
{
    void *reply = NULL;

    if (redisGetReply(c, &reply) != REDIS_OK)
        bench_fail("redis", c->errstr);
    return reply;
}

struct writer {
    const struct bench *b;
    redisContext *c;
    size_t unanswered;
};

static void answers(struct writer *w, size_t leave)
{
    for (; w->unanswered > leave; w->unanswered--) {
        redisReply *r = answer(w->c);
        if (r->type == REDIS_REPLY_ERROR)
            bench_fail("redis", r->str);
        freeReplyObject(r);
    }
}

static void send_one(void *arg, const uint8_t *ptr, size_t len)
{
    struct writer *w = arg;
    const char *words[] = { "XADD", w->b->product, "*", "r", (const char *)ptr };
    const size_t lens[] = { 4, strlen(w->b->product), 1, 1, len };
    int written = 0;

    if (redisAppendCommandArgv(w->c, 5, words, lens) != REDIS_OK)
        bench_fail("redis", w->c->errstr);
    w->unanswered++;
    while (w->b->rate && !written) {
        if (redisBufferWrite(w->c, &written) != REDIS_OK)
            bench_fail("redis", w->c->errstr);
    }
    if (w->unanswered == WINDOW)
        answers(w, WINDOW / 2);
}

static void publish(struct bench *b)
{
    struct writer w = { .b = b, .c = dial(b) };

    freeReplyObject(redisCommand(w.c, "XTRIM %s MAXLEN 0", b->product)); // what earlier runs left
    bench_publish(b, send_one, &w);
    answers(&w, 0);
    bench_published(b);
    redisFree(w.c);
}

// The id after which this run's entries come: trimming keeps it. 0-0 without a stream.
static void last_id(const struct bench *b, redisContext *c, char id[64])
{
    redisReply *r = redisCommand(c, "XINFO STREAM %s", b->product);

    if (!r)
        bench_fail("redis", c->errstr);
    snprintf(id, 64, "0-0");
    for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2)
        if (strcmp(r->element[i]->str, "last-generated-id") == 0)
            snprintf(id, 64, "%s", r->element[i + 1]->str);
    freeReplyObject(r);
}

// [[key, [[id, [field, value]], ...]]]
static bool take_entries(struct bench *b, const redisReply *r, char id[64])
{
    const redisReply *entries = r->element[0]->element[1];
    bool done = false;

    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *value = entries->element[i]->element[1]->element[1];
        done = bench_take(b, (const uint8_t *)value->str, (size_t)value->len);
    }
    if (entries->elements)
        snprintf(id, 64, "%s", entries->element[entries->elements - 1]->element[0]->str);
    return done;
}

static void subscribe(struct bench *b)
{
    redisContext *c = dial(b);
    char id[64];
    bool done = false, idle = false;

    last_id(b, c, id);
    bench_ready(b);
    while (!done && !idle) {
        redisReply *r = redisCommand(
            c, "XREAD COUNT " AT_ONCE " BLOCK " WAIT_MS " STREAMS %s %s", b->product, id);
        if (!r || r->type == REDIS_REPLY_ERROR)
            bench_fail("redis", r ? r->str : c->errstr);
        if (r->type == REDIS_REPLY_ARRAY)
            done = take_entries(b, r, id);
        else
            idle = b->seen > 0;
        freeReplyObject(r);
    }
    bench_taken(b);
    redisFree(c);
}

int main(int argc, char **argv)
{
    struct bench b;

    bench_args(&b, argc, argv);
    if (strcmp(b.role, "pub") == 0)
        publish(&b);
    else
        subscribe(&b);
    bench_fini(&b);
    return 0;
}
