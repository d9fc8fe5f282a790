// SPDX-License-Identifier: Apache-2.0
// See sender.h.
#include "domains/monitoring/alert/sender.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_MS     250
#define RETRY_MAX_MS 2000
#define FLUSH_MS     500

struct wf_sender {
    struct weft_client *client;
    char product[64];
    uint8_t key[16];
    struct weft_publisher *publisher; // the thread's
    pthread_t thread;
    pthread_mutex_t mutex; // of what follows
    pthread_cond_t wake;
    bool stop;
    struct wf_sender_item queue[WF_SENDER_QUEUE]; // a ring
    size_t at, count, sent;                       // sent: of count, published and not acknowledged
    uint64_t next;                                // behind the highest number that was ever drawn
    struct wf_sender_state state;
    int64_t retry_ms;
};

static void say(struct wf_sender *s, enum weft_err err, const struct weft_problem *p)
{
    snprintf(s->state.problem, sizeof s->state.problem, "%.319s",
        p->text[0] ? p->text : weft_err_text(err));
}

// With the mutex held.
static void wait_ms(struct wf_sender *s, int64_t ms)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!s->stop && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&s->wake, &s->mutex, &until);
}

static void back_off(struct wf_sender *s)
{
    wait_ms(s, s->retry_ms);
    s->retry_ms = s->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : s->retry_ms * 2;
}

// ---- what the node has -------------------------------------------------------------------------------------------------------

// With the mutex held: all below n is acknowledged.
static void release(struct wf_sender *s, uint64_t n)
{
    while (s->count && s->queue[s->at].n < n) {
        free(s->queue[s->at].json);
        s->at = (s->at + 1) % WF_SENDER_QUEUE;
        s->count--;
        s->sent -= s->sent > 0;
    }
    s->state.acked = n > s->state.acked ? n : s->state.acked;
}

static void let_go(struct wf_sender *s)
{
    struct weft_publisher *p = s->publisher;

    s->publisher = NULL;
    s->state.connected = false;
    s->sent = 0;
    pthread_mutex_unlock(&s->mutex);
    (void)weft_publisher_close(
        p, 0, NULL); // what is not acknowledged is sent again under its numbers
    pthread_mutex_lock(&s->mutex);
}

// With the mutex held, which is let go meanwhile. What the node has of us says where to go on.
static void connect_node(struct wf_sender *s)
{
    const struct weft_publish_options options = { .id = s->key, .block_ms = FLUSH_MS };
    struct weft_problem problem = { 0 };
    struct weft_publisher *p = NULL;

    pthread_mutex_unlock(&s->mutex);
    enum weft_err err = weft_publisher_open(s->client, s->product, &options, &p, &problem);
    pthread_mutex_lock(&s->mutex);
    if (err) {
        say(s, err, &problem);
        back_off(s);
        return;
    }
    uint64_t mark = weft_publisher_mark(p);
    s->publisher = p;
    s->sent = 0;
    s->state.connected = true;
    // Less than it acknowledged: its log was lost. More than was ever handed over: this is not the book that was published from.
    if (mark < s->state.acked || mark > s->next) {
        s->state.broken = true;
        return;
    }
    release(s, mark);
}

// ---- sending -----------------------------------------------------------------------------------------------------------------

static enum weft_err publish_one(
    struct wf_sender *s, const struct wf_sender_item *item, struct weft_problem *problem)
{
    return weft_publish_json_op(s->publisher, item->op, item->json, item->time_us, problem);
}

// With the mutex held, which is let go for each call: the ring's items up to `count` are the thread's.
static void send_all(struct wf_sender *s)
{
    struct weft_problem problem = { 0 };
    size_t count = s->count, at = (s->at + s->sent) % WF_SENDER_QUEUE, sent = s->sent;
    uint64_t last = s->queue[(s->at + count - 1) % WF_SENDER_QUEUE].n;
    enum weft_err err = WEFT_OK;

    pthread_mutex_unlock(&s->mutex);
    for (; sent < count && !err; sent += !err) {
        err = publish_one(s, &s->queue[at], &problem);
        at = (at + !err) % WF_SENDER_QUEUE;
    }
    if (!err)
        err = weft_publisher_flush(s->publisher, FLUSH_MS, &problem);
    pthread_mutex_lock(&s->mutex);
    s->sent = sent;
    if (!err) {
        release(s, last + 1);
        s->state.problem[0] = '\0';
        s->retry_ms = RETRY_MS;
        return;
    }
    say(s, err, &problem);
    if (err != WEFT_E_TIMEOUT && err != WEFT_E_FULL) {
        let_go(s);
        back_off(s);
    }
}

static void *run(void *arg)
{
    struct wf_sender *s = arg;

    pthread_mutex_lock(&s->mutex);
    while (!s->stop) {
        if (s->state.broken || (s->publisher && !s->count))
            pthread_cond_wait(&s->wake, &s->mutex);
        else if (!s->publisher)
            connect_node(s);
        else
            send_all(s);
    }
    if (s->publisher)
        let_go(s);
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

// ---- the other side ----------------------------------------------------------------------------------------------------------

static void destroy(struct wf_sender *s)
{
    while (s->count) {
        free(s->queue[s->at].json);
        s->at = (s->at + 1) % WF_SENDER_QUEUE;
        s->count--;
    }
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

enum weft_err wf_sender_start(struct weft_client *c, const char *product, const uint8_t key[16],
    const uint64_t numbers[2], struct wf_sender **ret)
{
    struct wf_sender *s = calloc(1, sizeof *s);
    pthread_condattr_t attr;

    if (!s)
        return WEFT_E_NOMEM;
    s->client = c;
    snprintf(s->product, sizeof s->product, "%s", product);
    memcpy(s->key, key, sizeof s->key);
    s->state.acked = numbers[0];
    s->next = numbers[1];
    s->retry_ms = RETRY_MS;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&s->thread, NULL, run, s) != 0) {
        destroy(s);
        return WEFT_E_IO;
    }
    *ret = s;
    return WEFT_OK;
}

bool wf_sender_put(struct wf_sender *s, const struct wf_sender_item *item)
{
    pthread_mutex_lock(&s->mutex);
    bool room = s->count < WF_SENDER_QUEUE;
    if (room) {
        if (item->n < s->state.acked) // the node has it from before a restart
            free(item->json);
        else
            s->queue[(s->at + s->count++) % WF_SENDER_QUEUE] = *item;
        s->next = item->n + 1 > s->next ? item->n + 1 : s->next;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->mutex);
    return room;
}

void wf_sender_look(struct wf_sender *s, struct wf_sender_state *ret)
{
    pthread_mutex_lock(&s->mutex);
    *ret = s->state;
    ret->room = WF_SENDER_QUEUE - s->count;
    pthread_mutex_unlock(&s->mutex);
}

void wf_sender_stop(struct wf_sender *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    destroy(s);
}
