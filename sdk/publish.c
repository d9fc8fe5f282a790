// SPDX-License-Identifier: Apache-2.0
// The application's half of a publisher: opening, records into the current batch, waiting for room and for acknowledgement.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sdk/json.h"
#include "sdk/product_int.h"
#include "sdk/publish_int.h"

// ---- opening ---------------------------------------------------------------------------------------------------------------

struct open_op {
    struct weft_publisher *p;
    struct wf_client_wait *wait;
    bool has_domain;
    struct wf_name domain; // asked for: must be the node's
};

static enum weft_err take_open(
    struct open_op *o, const Weft__V1__PublishReply *r, struct weft_problem *problem)
{
    struct weft_publisher *p = o->p;
    struct wf_product d;

    if (!r->product || wf_descriptor_borrow(r->product, &d)) {
        wf_problem_set(problem, WEFT_E_PROTOCOL, "%s: the node did not describe it", p->name.s);
        return WEFT_E_PROTOCOL;
    }
    if (o->has_domain && strcmp(o->domain.s, d.domain) != 0) {
        wf_problem_set(problem, WEFT_E_WRONG_DOMAIN, "%s/%s: the local node belongs to %s",
            o->domain.s, p->name.s, d.domain);
        return WEFT_E_WRONG_DOMAIN;
    }
    enum weft_err err = wf_product_object(&d, NULL, wf_pb_view(r->schema), &p->product, problem);
    if (err)
        return err;
    p->is_inventory = d.kind == WF_PRODUCT_INVENTORY;
    p->drops = d.drops;
    p->target_bytes = wf_product_batch(d.batch_bytes, 1);
    p->grown_bytes = wf_product_batch(d.batch_bytes, WF_PUB_GROWTH);
    if (p->linger_us == 0)
        p->linger_us = d.linger_us ? d.linger_us : WF_PUB_LINGER_US;
    if (p->linger_us > WF_MAX_LINGER_US)
        p->linger_us = WF_MAX_LINGER_US;
    p->mark = p->next_seq = p->current_seq = p->acked = r->mark;
    return WEFT_OK;
}

static void on_open(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct open_op *o = arg;
    struct weft_problem problem;

    if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_PUBLISH)
        err = WEFT_E_PROTOCOL;
    if (err)
        wf_problem_from_reply(&problem, err, reply, o->p->name.s);
    else
        err = take_open(o, reply->publish, &problem);
    wf_client_done(o->wait, err, err ? &problem : NULL);
}

static void ask_open(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct open_op *o = arg;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PublishRequest publish = WEFT__V1__PUBLISH_REQUEST__INIT;
    struct wf_link *local = wf_client_local(c);
    uint8_t key[16];

    o->wait = w;
    if (!local) {
        struct weft_problem problem;
        wf_problem_set(&problem, WEFT_E_UNREACHABLE,
            "%s: publishing needs the local weftd; no socket was found (WEFT_SOCKET, --socket)",
            o->p->name.s);
        wf_client_done(w, WEFT_E_UNREACHABLE, &problem);
        return;
    }
    publish.product = o->p->name.s;
    publish.publisher = wf_pb_bin(WF_BYTES(o->p->id));
    q.kind_case = WEFT__V1__REQUEST__KIND_PUBLISH;
    q.publish = &publish;
    wf_client_key(&q, key);
    wf_client_send(c, local, &q, 0, on_open, o);
}

// "cpu", or "servers/cpu" when the local node is of servers.
static enum weft_err name_of(const char *product, struct open_op *o, struct weft_problem *problem)
{
    struct wf_target t;

    if (product && strchr(product, '/')) {
        enum weft_err err = wf_target_parse(product, false, &t, problem);
        if (err)
            return err;
        o->p->name = t.product;
        o->domain = t.domain;
        o->has_domain = true;
        return WEFT_OK;
    }
    enum weft_err err = wf_name_from(wf_bytes_str(product), &o->p->name);
    if (err)
        wf_problem_set(problem, err, "\"%.80s\" is no product name", product ? product : "");
    return err;
}

static struct weft_publisher *make(struct weft_client *c, const struct weft_publish_options *o)
{
    struct weft_publisher *p = calloc(1, sizeof *p);
    pthread_condattr_t attr;

    if (!p)
        return NULL;
    atomic_init(&p->refs, 1);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->cond, &attr);
    pthread_condattr_destroy(&attr);
    p->c = c;
    p->last = &p->first;
    p->retry_ms = WF_PUB_RETRY_MS;
    p->linger_us = o ? o->linger_us : 0;
    p->queue_bytes = o && o->queue_bytes ? o->queue_bytes : WF_PUB_QUEUE;
    p->block_ms = o && o->block_ms ? o->block_ms : WF_PUB_BLOCK_MS;
    if (o && o->id)
        memcpy(p->id, o->id, sizeof p->id);
    else // of this process alone
        wf_random(p->id + WF_PUBLISHER_BRIEF, sizeof p->id - WF_PUBLISHER_BRIEF);
    p->mail = (struct wf_mail){
        .open = wf_pub_mail, .drop = wf_pub_drop, .class = WF_MAIL_CONTROL, .must = true
    };
    p->linger.fire = wf_pub_linger;
    p->retry.fire = wf_pub_retry;
    return p;
}

enum weft_err weft_publisher_open(struct weft_client *c, const char *product,
    const struct weft_publish_options *options, struct weft_publisher **ret,
    struct weft_problem *problem)
{
    if (options && options->id && wf_publisher_is_brief(options->id)) {
        wf_problem_set(problem, WEFT_E_RANGE,
            "a publisher's id must not begin with four zero bytes: such are of one process, and "
            "forgotten first");
        return WEFT_E_RANGE;
    }
    struct open_op o = { .p = make(c, options) };
    enum weft_err err = o.p ? WEFT_OK : WEFT_E_NOMEM;

    if (err) {
        wf_problem_set(problem, err, "%s", weft_err_text(err));
        return err;
    }
    err = name_of(product, &o, problem);
    if (!err)
        err = wf_client_run(c, ask_open, &o, problem);
    if (err) {
        wf_pub_unref(o.p);
        return err;
    }
    *ret = o.p;
    return WEFT_OK;
}

uint64_t weft_publisher_mark(const struct weft_publisher *p)
{
    return p->mark;
}

uint64_t weft_publisher_dropped(const struct weft_publisher *p)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&p->mutex;

    pthread_mutex_lock(mutex);
    uint64_t dropped = p->dropped;
    pthread_mutex_unlock(mutex);
    return dropped;
}

const struct weft_product *weft_publisher_product(const struct weft_publisher *p)
{
    return p->product;
}

// ---- records ---------------------------------------------------------------------------------------------------------------

static void deadline_in(unsigned ms, struct timespec *ret)
{
    clock_gettime(CLOCK_MONOTONIC, ret);
    ret->tv_sec += ms / 1000;
    ret->tv_nsec += (long)(ms % 1000) * 1000000;
    if (ret->tv_nsec >= 1000000000) {
        ret->tv_sec++;
        ret->tv_nsec -= 1000000000;
    }
}

static int64_t wall_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static enum weft_err check(const struct weft_publisher *p, enum weft_op op, struct wf_bytes data,
    struct weft_problem *problem)
{
    struct wf_diag diag; // large: not zeroed for every record
    enum weft_err err = WEFT_OK;

    diag.text[0] = '\0';
    if ((unsigned)op > WEFT_SNAPSHOT_END || (op != WEFT_PUT && !p->is_inventory)) {
        wf_problem_set(
            problem, WEFT_E_RECORD, "%s: only an inventory has deletes and snapshots", p->name.s);
        return WEFT_E_RECORD;
    }
    if (op == WEFT_SNAPSHOT_BEGIN || op == WEFT_SNAPSHOT_END) {
        if (data.len == 0)
            return WEFT_OK;
        wf_problem_set(problem, WEFT_E_RECORD, "%s: a snapshot mark has no data", p->name.s);
        return WEFT_E_RECORD;
    }
    err = data.len > WF_MAX_RECORD ? WEFT_E_TOO_BIG
                                   : wf_record_check(wf_product_message(p->product), data, &diag);
    if (err)
        wf_problem_set(problem, err == WEFT_E_NOMEM ? err : WEFT_E_RECORD, "%s: %s", p->name.s,
            diag.text[0] ? diag.text : weft_err_text(err));
    return !err || err == WEFT_E_NOMEM ? err : WEFT_E_RECORD;
}

static bool is_full(const struct weft_publisher *p, size_t len)
{
    size_t held = p->batch_bytes + p->current.raw.len;

    return held > 0 && held + len > p->queue_bytes;
}

static enum weft_err say_full(const struct weft_publisher *p, struct weft_problem *problem)
{
    wf_problem_set(problem, WEFT_E_FULL,
        "%s: the node has not acknowledged %llu records; the queue is full%s%s", p->name.s,
        (unsigned long long)(p->next_seq - p->acked), p->held_by ? ": " : "",
        p->held_by ? weft_err_text(p->held_by) : "");
    return WEFT_E_FULL;
}

// With the mutex held: waits until there is room for one more record.
static enum weft_err wait_for_room(
    struct weft_publisher *p, size_t len, struct weft_problem *problem)
{
    struct timespec until = { 0 };
    bool timed = false, pushed = false;

    while (!p->err && is_full(p, len)) {
        if (timed)
            return say_full(p, problem);
        if (!until.tv_sec)
            deadline_in(p->block_ms, &until);
        if (!p->first && !pushed) { // only what lingers stands in the way
            p->flushing = pushed = true;
            pthread_mutex_unlock(&p->mutex);
            wf_pub_kick(p);
            pthread_mutex_lock(&p->mutex);
            continue;
        }
        timed = pthread_cond_timedwait(&p->cond, &p->mutex, &until) == ETIMEDOUT;
    }
    if (pushed)
        p->flushing = false;
    if (p->err && problem)
        *problem = p->problem;
    return p->err;
}

// A buffer that an acknowledged batch left, or a new one, with room for the largest batch.
static enum weft_err begin_batch(struct weft_publisher *p)
{
    if (p->current.raw.cap)
        return WEFT_OK;
    if (p->spare_count) {
        p->current.raw = p->spares[--p->spare_count];
        return WEFT_OK;
    }
    size_t room = p->queue_bytes < WF_PUB_ROOM ? p->queue_bytes : WF_PUB_ROOM;
    return wf_buf_reserve(&p->current.raw, room);
}

// Batches leave at the product's size; while others still wait for their turn, growing costs no time and saves signatures and hand-overs.
static enum weft_err put(struct weft_publisher *p, enum weft_op op, struct wf_bytes data,
    int64_t time_us, bool *ret_kick)
{
    size_t target = p->unsent ? p->grown_bytes : p->target_bytes;
    bool big = p->current.count && p->current.raw.len + data.len + WF_PUB_HEAD > target;
    enum weft_err err = big ? wf_pub_seal(p) : WEFT_OK;

    if (!err)
        err = begin_batch(p);
    if (!err)
        err = wf_records_put(&p->current, (enum wf_record_op)op, time_us, data);
    if (err)
        return err;
    p->next_seq++;
    bool first = p->current.count == 1;
    if (p->current.raw.len >= target)
        err = wf_pub_seal(p); // without memory it goes with the linger
    *ret_kick = big || (first && !p->ticking) || p->current.count == 0;
    return WEFT_OK;
}

// Counts the record into the loss at the end of the line. One that is under way, or was, keeps its count; the node knows what it has of it.
static enum weft_err drop(struct weft_publisher *p, bool *ret_kick)
{
    enum weft_err err = wf_pub_seal(p);
    struct wf_pub_batch *tail =
        p->first
            ? (struct wf_pub_batch *)(void *)((char *)p->last - offsetof(struct wf_pub_batch, next))
            : NULL;

    if (err)
        return err;
    if (!tail || !tail->lost || tail->sent || tail->acked || tail->count == WF_MAX_LOSS_RECORDS) {
        tail = calloc(1, sizeof *tail);
        if (!tail)
            return WEFT_E_NOMEM;
        tail->lost = true;
        tail->seq = p->next_seq;
        p->unsent++;
        *p->last = tail;
        p->last = &tail->next;
        *ret_kick = true;
    }
    tail->count++;
    p->dropped++;
    p->current_seq = ++p->next_seq;
    return WEFT_OK;
}

enum weft_err weft_publish(struct weft_publisher *p, enum weft_op op, const void *data, size_t len,
    int64_t time_us, struct weft_problem *problem)
{
    struct wf_bytes bytes = wf_bytes(data, len);
    int64_t own = 0;
    bool kick = false;
    enum weft_err err = check(p, op, bytes, problem);

    if (err)
        return err;
    if (op == WEFT_PUT && wf_record_time(wf_product_message(p->product), bytes, &own) == WEFT_OK)
        time_us = own;
    else if (time_us == 0)
        time_us = wall_us();
    pthread_mutex_lock(&p->mutex);
    bool drops = p->drops && !p->err && is_full(p, len);
    err = drops ? WEFT_OK : wait_for_room(p, len, problem);
    if (!err) {
        err = drops ? drop(p, &kick) : put(p, op, bytes, time_us, &kick);
        if (err)
            wf_problem_set(problem, err, "%s: %s", p->name.s, weft_err_text(err));
    }
    pthread_mutex_unlock(&p->mutex);
    if (kick)
        wf_pub_kick(p);
    return err;
}

enum weft_err weft_publish_json_op(struct weft_publisher *p, enum weft_op op, const char *json,
    int64_t time_us, struct weft_problem *problem)
{
    struct wf_buf record = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = WEFT_OK;

    if (op == WEFT_PUT || op == WEFT_DELETE)
        err = wf_json_to_record(wf_product_message(p->product), wf_bytes_str(json), &record, &diag);
    if (err)
        wf_problem_set(
            problem, err, "%s: %s", p->name.s, diag.text[0] ? diag.text : weft_err_text(err));
    else
        err = weft_publish(p, op, record.ptr, record.len, time_us, problem);
    wf_buf_fini(&record);
    return err;
}

enum weft_err weft_publish_json(
    struct weft_publisher *p, const char *json, int64_t time_us, struct weft_problem *problem)
{
    return weft_publish_json_op(p, WEFT_PUT, json, time_us, problem);
}

// ---- waiting for the node --------------------------------------------------------------------------------------------------

enum weft_err weft_publisher_flush(
    struct weft_publisher *p, unsigned timeout_ms, struct weft_problem *problem)
{
    struct timespec until;
    enum weft_err err = WEFT_OK;
    bool timed = false;

    deadline_in(timeout_ms, &until);
    pthread_mutex_lock(&p->mutex);
    uint64_t wanted = p->next_seq;
    p->flushing = true;
    pthread_mutex_unlock(&p->mutex);
    wf_pub_kick(p);
    pthread_mutex_lock(&p->mutex);
    while (!p->err && p->acked < wanted && !timed)
        timed = pthread_cond_timedwait(&p->cond, &p->mutex, &until) == ETIMEDOUT;
    p->flushing = false;
    if (p->err) {
        err = p->err;
        if (problem)
            *problem = p->problem;
    } else if (p->acked < wanted) {
        err = WEFT_E_TIMEOUT;
        wf_problem_set(problem, err, "%s: %llu records were not acknowledged in %u ms%s%s",
            p->name.s, (unsigned long long)(wanted - p->acked), timeout_ms, p->held_by ? ": " : "",
            p->held_by ? weft_err_text(p->held_by) : "");
    }
    pthread_mutex_unlock(&p->mutex);
    return err;
}

static void end(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct weft_publisher *p = arg;

    p->closed = true;
    wf_timer_cancel(wf_client_loop(c), &p->linger);
    wf_timer_cancel(wf_client_loop(c), &p->retry);
    wf_client_done(w, WEFT_OK, NULL);
}

enum weft_err weft_publisher_close(
    struct weft_publisher *p, unsigned timeout_ms, struct weft_problem *problem)
{
    if (!p)
        return WEFT_OK;
    enum weft_err err = weft_publisher_flush(p, timeout_ms, problem);
    enum weft_err closed = wf_client_run(p->c, end, p, NULL);
    (void)closed; // a client that is closing has ended everything already
    wf_pub_unref(p);
    return err;
}
