// SPDX-License-Identifier: Apache-2.0
// One thread that hands frames to PUB sockets, because a socket works through all its connections for each. A small frame for few connections
// is sent at once when nothing waits: that costs less than waking the thread. Order is kept; a queue that is full drops the frame, as PUB
// itself would. Owns what is queued. wf_sender_* on the loop thread.
#include <stdlib.h>

#include "node/stream/priv.h"

struct job {
    struct wf_net_pub *pub;
    struct wf_net_msg *msg; // NULL: close the socket
    struct job *next;
};

struct wf_sender {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, **end;
    size_t items, bytes;
    uint64_t dropped;
    bool busy; // the thread has a job that it took
    bool stop;
};

#define QUEUE_BYTES  (64u * WF_MIB)
#define INLINE_BYTES (16u * WF_KIB) // of a frame that the loop thread may send itself
#define INLINE_PIPES 4u             // to so many connections

static struct job *take(struct wf_sender *s)
{
    pthread_mutex_lock(&s->lock);
    s->busy = false;
    while (!s->first && !s->stop)
        pthread_cond_wait(&s->wake, &s->lock);
    struct job *j = s->first;
    if (j) {
        s->first = j->next;
        if (!s->first)
            s->end = &s->first;
        if (j->msg) {
            s->items--;
            s->bytes -= wf_net_msg_len(j->msg);
        }
        s->busy = true;
    }
    pthread_mutex_unlock(&s->lock);
    return j;
}

static void send_now(struct wf_net_pub *pub, struct wf_net_msg *msg)
{
    enum weft_err err = wf_net_pub_send(pub, msg);

    (void)err; // counted by the socket
}

static void *run(void *arg)
{
    struct wf_sender *s = arg;

    for (struct job *j = take(s); j; j = take(s)) {
        if (!j->msg)
            wf_net_pub_free(j->pub);
        else // one that can't be sent is a gap, and readers repair it
            send_now(j->pub, j->msg);
        free(j);
    }
    return NULL;
}

enum weft_err wf_sender_new(struct wf_sender **ret)
{
    struct wf_sender *s = calloc(1, sizeof *s);

    if (!s)
        return WEFT_E_NOMEM;
    s->end = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    if (pthread_create(&s->thread, NULL, run, s) != 0) {
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return WEFT_E_NOMEM;
    }
    *ret = s;
    return WEFT_OK;
}

void wf_sender_free(struct wf_sender *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void queue(struct wf_sender *s, struct job *j)
{
    *s->end = j;
    s->end = &j->next;
    pthread_cond_signal(&s->wake);
}

// Only the loop thread queues, so what is idle now stays idle until it does.
static bool is_idle(struct wf_sender *s)
{
    pthread_mutex_lock(&s->lock);
    bool idle = !s->first && !s->busy;
    pthread_mutex_unlock(&s->lock);
    return idle;
}

static bool is_cheap(struct wf_net_pub *pub, size_t len)
{
    struct wf_net_pub_stats stats;

    if (len > INLINE_BYTES)
        return false;
    wf_net_pub_get_stats(pub, &stats);
    return stats.pipes <= INLINE_PIPES;
}

bool wf_sender_send(struct wf_sender *s, struct wf_net_pub *pub, struct wf_net_msg *msg)
{
    if (is_idle(s) && is_cheap(pub, wf_net_msg_len(msg))) {
        send_now(pub, msg);
        return true;
    }
    struct job *j = calloc(1, sizeof *j);
    size_t len = wf_net_msg_len(msg);
    bool taken = false;

    if (j) {
        *j = (struct job){ .pub = pub, .msg = msg };
        pthread_mutex_lock(&s->lock);
        taken = s->bytes + len <= QUEUE_BYTES;
        if (taken) {
            s->items++;
            s->bytes += len;
            queue(s, j);
        }
        pthread_mutex_unlock(&s->lock);
    }
    if (!taken) {
        pthread_mutex_lock(&s->lock);
        s->dropped++;
        pthread_mutex_unlock(&s->lock);
        wf_net_msg_free(msg);
        free(j);
    }
    return taken;
}

void wf_sender_get_stats(struct wf_sender *s, struct wf_sender_stats *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = (struct wf_sender_stats){
        .items = s->items, .bytes = s->bytes, .max_bytes = QUEUE_BYTES, .dropped = s->dropped
    };
    pthread_mutex_unlock(&s->lock);
}

void wf_sender_close(struct wf_sender *s, struct wf_net_pub *pub)
{
    struct job *j = calloc(1, sizeof *j);

    if (!j)
        return; // without memory for the order the socket stays open until the process ends
    *j = (struct job){ .pub = pub };
    pthread_mutex_lock(&s->lock);
    queue(s, j);
    pthread_mutex_unlock(&s->lock);
}
