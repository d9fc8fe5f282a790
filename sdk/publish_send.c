// SPDX-License-Identifier: Apache-2.0
// The loop thread's half of a publisher: linger, sending, acknowledgement, sending again. A batch that may have arrived is sent again as it
// was: the node drops what lies below the publisher's mark, so nothing is doubled.
#include <stdlib.h>

#include "sdk/publish_int.h"

struct send_op {
    struct weft_publisher *p;
    uint64_t seq;
    size_t bytes;
    bool first; // in line when it was sent
};

static void destroy(struct weft_publisher *p)
{
    while (p->first) {
        struct wf_pub_batch *next = p->first->next;
        wf_buf_fini(&p->first->raw);
        free(p->first);
        p->first = next;
    }
    while (p->spare_count)
        wf_buf_fini(&p->spares[--p->spare_count]);
    wf_records_fini(&p->current);
    if (p->product)
        weft_product_free(p->product);
    pthread_cond_destroy(&p->cond);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

void wf_pub_ref(struct weft_publisher *p)
{
    atomic_fetch_add(&p->refs, 1);
}

void wf_pub_unref(struct weft_publisher *p)
{
    if (atomic_fetch_sub(&p->refs, 1) == 1)
        destroy(p);
}

enum weft_err wf_pub_seal(struct weft_publisher *p)
{
    struct wf_pub_batch *b;

    if (p->current.count == 0)
        return WEFT_OK;
    b = calloc(1, sizeof *b);
    if (!b)
        return WEFT_E_NOMEM;
    b->raw = p->current.raw;
    b->base_us = p->current.base_us;
    b->count = p->current.count;
    b->seq = p->current_seq;
    p->current = (struct wf_records){ 0 };
    p->current_seq = p->next_seq;
    p->batch_bytes += b->raw.len;
    p->unsent++;
    p->lingered = false;
    *p->last = b;
    p->last = &b->next;
    return WEFT_OK;
}

// ---- acknowledgement -------------------------------------------------------------------------------------------------------

static struct wf_pub_batch *find(const struct weft_publisher *p, uint64_t seq)
{
    struct wf_pub_batch *b = p->first;

    while (b && b->seq != seq)
        b = b->next;
    return b;
}

static void keep_spare(struct weft_publisher *p, struct wf_buf *b)
{
    if (p->spare_count == WF_PUB_SPARES || b->cap > WF_PUB_ROOM) {
        wf_buf_fini(b);
        return;
    }
    b->len = 0;
    p->spares[p->spare_count++] = *b;
}

static void release(struct weft_publisher *p)
{
    while (p->first && p->first->acked) {
        struct wf_pub_batch *b = p->first;
        p->first = b->next;
        if (!p->first)
            p->last = &p->first;
        p->acked = b->seq + b->count;
        p->batch_bytes -= b->raw.len;
        b->released = true;
        if (b->lent) // acknowledged by a connection before this one
            continue;
        if (!b->lost)
            keep_spare(p, &b->raw);
        free(b);
    }
    pthread_cond_broadcast(&p->cond);
}

static bool may_pass(enum weft_err err)
{
    switch (err) {
    case WEFT_E_TIMEOUT:
    case WEFT_E_CLOSED:
    case WEFT_E_UNREACHABLE:
    case WEFT_E_BUSY:
    case WEFT_E_FULL:
    case WEFT_E_NOSPACE:
    case WEFT_E_READ_ONLY:
    case WEFT_E_NO_FILES:
    case WEFT_E_IO:
    case WEFT_E_NOMEM:
    case WEFT_E_CANCELLED:
    case WEFT_E_ORDER: // one before it failed: both go again
    case WEFT_E_NEED_JOIN:
        return true;
    default:
        return false;
    }
}

static void fail_for_good(struct weft_publisher *p, enum weft_err err, const Weft__V1__Reply *reply)
{
    wf_problem_from_reply(&p->problem, err, reply, p->name.s);
    p->err = err;
    pthread_cond_broadcast(&p->cond);
}

static void set_retry(struct weft_publisher *p)
{
    int64_t at = wf_loop_now_ms(wf_client_loop(p->c)) + p->retry_ms;

    if (p->waits_to_retry || p->closed)
        return;
    p->waits_to_retry = wf_timer_set(wf_client_loop(p->c), &p->retry, at) == WEFT_OK;
    p->retry_ms = p->retry_ms * 2 > WF_PUB_RETRY_MAX ? WF_PUB_RETRY_MAX : p->retry_ms * 2;
}

static void pump(struct weft_publisher *p);
static void look(struct weft_publisher *p, bool lingered);

static void on_reply(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct send_op *o = arg;
    struct weft_publisher *p = o->p;
    bool again = false;

    p->in_flight--;
    p->in_flight_bytes -= o->bytes;
    if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_PUBLISH)
        err = WEFT_E_PROTOCOL;
    pthread_mutex_lock(&p->mutex);
    struct wf_pub_batch *b = find(p, o->seq);
    if (b && !err) {
        b->acked = true;
        p->settled = true;
        p->retry_ms = WF_PUB_RETRY_MS;
        p->held_by = WEFT_OK;
        release(p);
    } else if (b) {
        b->sent = false;
        p->unsent++;
        p->settled = false;
        // First in line and still not what the node expects next: it no longer has what it acknowledged, and we don't either. One that
        // was sent behind others may have overtaken them, or its answer theirs.
        bool lost_mark = err == WEFT_E_ORDER && o->first;
        again = may_pass(err) && !lost_mark;
        if (!again)
            fail_for_good(p, err, reply);
        else if (err != WEFT_E_ORDER)
            p->held_by = err; // behind a batch that failed ORDER tells nothing new
    }
    pthread_mutex_unlock(&p->mutex);
    if (again)
        set_retry(p);
    free(o);
    if (!p->closed) {
        pump(p);
        look(p, false); // what lingered behind it may go now
    }
    wf_pub_unref(p);
}

// ---- sending ---------------------------------------------------------------------------------------------------------------

// The records of a batch are no longer needed by the socket.
static void on_back(void *arg)
{
    struct wf_pub_batch *b = arg;
    struct weft_publisher *p = b->owner;

    b->lent--;
    if (b->released && !b->lent) {
        wf_buf_fini(&b->raw);
        free(b);
    }
    wf_pub_unref(p);
}

uint32_t wf_pub_patience_us(const struct weft_publisher *p)
{
    int64_t us = p->linger.due_us - wf_loop_now_us(wf_client_loop(p->c));

    if (!p->linger.index || us <= 0)
        return 0;
    uint32_t ticks = WF_PUB_PATIENCE_US / p->linger_us;
    return (uint32_t)us + ((ticks < WF_PUB_TICKS ? ticks : WF_PUB_TICKS) - 1) * p->linger_us;
}

static void send_batch(struct weft_publisher *p, struct wf_pub_batch *b, struct send_op *o)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PublishRequest publish = WEFT__V1__PUBLISH_REQUEST__INIT;

    publish.product = p->name.s;
    publish.publisher = wf_pb_bin(WF_BYTES(p->id));
    publish.seq = b->seq;
    publish.records = wf_pb_bin(wf_buf_view(&b->raw));
    publish.base_us = b->base_us;
    publish.count = b->count;
    publish.lost = b->lost;
    q.kind_case = WEFT__V1__REQUEST__KIND_PUBLISH;
    q.publish = &publish; // its sequence says whether it came before: no idempotency key
    p->in_flight++;
    p->in_flight_bytes += o->bytes;
    wf_pub_ref(p);
    if (b->lost) {
        wf_client_send(p->c, wf_client_local(p->c), &q, 0, on_reply, o);
        return;
    }
    struct wf_link_lent lent = { .bytes = wf_buf_view(&b->raw),
        .back = on_back,
        .arg = b,
        .patience_us = b->patient ? wf_pub_patience_us(p) : 0 };
    b->owner = p;
    b->lent++;
    wf_pub_ref(p);
    wf_client_send_lent(p->c, wf_client_local(p->c), &q, &lent, on_reply, o);
}

// A node that knows nothing of this publisher takes the first batch it sees for the next one, so that one goes alone.
static bool may_go(const struct weft_publisher *p, const struct wf_pub_batch *b)
{
    bool large =
        b->raw.len >= WF_PUB_LARGE && p->in_flight_bytes + b->raw.len <= WF_PUB_IN_FLIGHT_BYTES;

    if (!p->settled)
        return p->in_flight == 0;
    return p->in_flight < (large ? WF_PUB_IN_FLIGHT_LARGE : WF_PUB_IN_FLIGHT);
}

// A batch that is full, or stands in line, is of somebody in a hurry.
bool wf_pub_is_patient(const struct weft_publisher *p, const struct wf_pub_batch *b)
{
    size_t held = p->batch_bytes + p->current.raw.len;

    return p->ticking && !p->flushing && p->settled && p->linger_us <= WF_PUB_PATIENCE_US &&
           p->unsent == 0 && b->raw.len < p->target_bytes && held <= p->queue_bytes / 4;
}

// A batch is only released by on_reply on this thread, so it may be read without the lock.
static struct wf_pub_batch *next_unsent(struct weft_publisher *p)
{
    pthread_mutex_lock(&p->mutex);
    struct wf_pub_batch *b = p->err ? NULL : p->first;
    while (b && (b->sent || b->acked))
        b = b->next;
    if (b && !may_go(p, b))
        b = NULL;
    if (b) {
        b->sent = true;
        p->unsent--;
        b->patient = wf_pub_is_patient(p, b);
    }
    pthread_mutex_unlock(&p->mutex);
    return b;
}

static void unsend(struct weft_publisher *p, struct wf_pub_batch *b)
{
    pthread_mutex_lock(&p->mutex);
    b->sent = false;
    p->unsent++;
    pthread_mutex_unlock(&p->mutex);
    set_retry(p);
}

static void pump(struct weft_publisher *p)
{
    while (!p->waits_to_retry) {
        struct wf_pub_batch *b = next_unsent(p);
        if (!b)
            return;
        struct send_op *o = malloc(sizeof *o);
        if (!o) {
            unsend(p, b);
            return;
        }
        *o = (struct send_op){ p, b->seq, b->raw.len, b == p->first };
        send_batch(p, b, o);
    }
}

static void stop_ticking(struct weft_publisher *p)
{
    pthread_mutex_lock(&p->mutex);
    p->ticking = false;
    pthread_mutex_unlock(&p->mutex);
}

// Ticks follow each other by the linger, however late the loop was for one of them.
static int64_t next_tick(const struct weft_publisher *p, bool ticked)
{
    int64_t now = wf_loop_now_us(wf_client_loop(p->c)), linger = p->linger_us;
    int64_t next = p->linger.due_us + linger;

    return ticked && next > now + linger / 2 ? next : now + linger;
}

// Seals what has lingered, or must leave at once, and keeps the timer going while there are records: a stream of them then costs no letter a
// batch. While others wait to be sent, what has lingered goes on growing: it could not leave any sooner.
static void look(struct weft_publisher *p, bool lingered)
{
    struct wf_loop *loop = wf_client_loop(p->c);

    pthread_mutex_lock(&p->mutex);
    bool had = p->current.count > 0;
    p->lingered = had && (p->lingered || lingered || p->linger_us == 0);
    bool leave = p->flushing || (p->lingered && !p->unsent);
    enum weft_err err = leave ? wf_pub_seal(p) : WEFT_OK;
    bool waits = p->current.count > 0 && (err || !p->lingered);
    bool tick = p->linger_us > 0 && (waits || (lingered && had));
    bool hurry = p->flushing;
    p->ticking = tick || p->linger.index;
    pthread_mutex_unlock(&p->mutex);
    struct wf_link *local = hurry ? wf_client_local(p->c) : NULL;
    if (local)
        wf_link_hurry(local);
    if (tick && !p->linger.index) {
        err = wf_timer_set_us(loop, &p->linger,
            err ? wf_loop_now_us(loop) + WF_PUB_RETRY_MS * 1000 : next_tick(p, lingered));
        if (err)
            stop_ticking(p); // the next record or flush looks again
    }
    pump(p);
}

void wf_pub_mail(struct wf_mail *m)
{
    struct weft_publisher *p =
        (struct weft_publisher *)(void *)((char *)m - offsetof(struct weft_publisher, mail));

    // Only here: while the letter lies in the mailbox, no second one may be posted, whoever looks meanwhile.
    pthread_mutex_lock(&p->mutex);
    p->posted = false;
    pthread_mutex_unlock(&p->mutex);
    if (!p->closed)
        look(p, false);
    wf_pub_unref(p);
}

void wf_pub_drop(struct wf_mail *m)
{
    wf_pub_unref(
        (struct weft_publisher *)(void *)((char *)m - offsetof(struct weft_publisher, mail)));
}

void wf_pub_linger(struct wf_timer *t)
{
    look((struct weft_publisher *)(void *)((char *)t - offsetof(struct weft_publisher, linger)),
        true);
}

void wf_pub_retry(struct wf_timer *t)
{
    struct weft_publisher *p =
        (struct weft_publisher *)(void *)((char *)t - offsetof(struct weft_publisher, retry));

    p->waits_to_retry = false;
    pump(p);
}

void wf_pub_kick(struct weft_publisher *p)
{
    pthread_mutex_lock(&p->mutex);
    bool post = !p->posted;
    p->posted = true;
    pthread_mutex_unlock(&p->mutex);
    if (!post)
        return;
    wf_pub_ref(p);
    if (wf_loop_post(wf_client_loop(p->c), &p->mail)) { // the client is closing
        wf_pub_unref(p);
        pthread_mutex_lock(&p->mutex);
        p->posted = false;
        pthread_mutex_unlock(&p->mutex);
    }
}
