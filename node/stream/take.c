// SPDX-License-Identifier: Apache-2.0
// Sets of batches that agents push. An origin's sets are verified one after the other, in the order in which they came, on a worker; those
// of different origins beside one another. A set goes through in runs of a few batches: verified on the worker, then appended on the loop.
#include <stdlib.h>

#include "node/pool.h"
#include "node/stream/priv.h"

#define RUN_BATCHES 32u
#define RUN_RAW     (8u * WF_MIB) // records of an inventory that a run keeps
#define INLINE_BYTES                                                                               \
    (16u * WF_KIB) // one batch so small is verified at once: handing over would cost as much

struct wf_taking {
    struct wf_job job; // first
    struct wf_turn turn;
    struct wf_node *node;
    struct wf_stream_set *set;
    struct wf_accept_set common;
    size_t at;         // of the set: the run's first
    size_t run_count;  // verified
    bool ask;          // the one after them waits for something that only the loop knows
    enum weft_err err; // of the one after them
    size_t run_max;
    struct wf_accept run[];
};

// ---- on a worker -----------------------------------------------------------------------------------------------------

static void verify(struct wf_taking *t)
{
    size_t raw = 0;

    while (t->run_count < t->run_max && t->at + t->run_count < t->set->count && raw < RUN_RAW) {
        struct wf_accept *a = &t->run[t->run_count];
        a->batch = wf_pb_view(t->set->batches[t->at + t->run_count]);
        t->err = wf_accept_run(&t->common, a, &t->ask);
        if (t->err || t->ask)
            return;
        raw += a->raw.len;
        t->run_count++;
    }
}

static void work(struct wf_job *job)
{
    verify((struct wf_taking *)(void *)job);
}

// ---- on the loop -----------------------------------------------------------------------------------------------------

static void forget(struct wf_accept *a)
{
    wf_buf_fini(&a->raw);
    *a = (struct wf_accept){ 0 };
}

// Appends what was verified; what the next one waits for is looked up, and it becomes the first of the next run.
static enum weft_err append_run(struct wf_taking *t)
{
    struct wf_stream_set *s = t->set;
    enum weft_err err = wf_accept_may(t->node, s->product, &t->common.origin, &s->diag);
    size_t done = t->run_count;

    for (size_t i = 0; i < done && !err; i++) {
        err = wf_accept_end(t->node, s->product, &t->run[i], s->done, s->arg, &s->diag);
        if (!err)
            s->taken++;
    }
    if (!err)
        err = t->err;
    if (!err && t->ask)
        err = wf_accept_look_up(t->node, s->product, &t->common, &t->run[done]);
    for (size_t i = 0; i < done; i++)
        forget(&t->run[i]);
    if (!err && t->ask && done) {
        t->run[0] = t->run[done];
        t->run[done] = (struct wf_accept){ 0 };
    }
    t->at += done;
    t->run_count = 0;
    t->ask = false;
    return err;
}

static void settle(struct wf_taking *t, enum weft_err err)
{
    struct wf_stream_set *s = t->set;

    for (size_t i = 0; i < t->run_max; i++)
        forget(&t->run[i]);
    if (err)
        s->product->count.refused++;
    s->err = err;
    free(t);
    s->settled(s);
}

static enum weft_err begin_run(struct wf_taking *t)
{
    enum weft_err err = wf_accept_may(t->node, t->set->product, &t->common.origin, &t->set->diag);

    if (!err)
        wf_accept_begin(&t->common, t->node, t->set->product);
    return err;
}

static bool is_small(const struct wf_stream_set *s)
{
    return s->count == 1 && s->batches[0].len <= INLINE_BYTES;
}

static enum weft_err verify_here(struct wf_taking *t)
{
    enum weft_err err = begin_run(t);

    while (!err && t->at < t->set->count) {
        verify(t);
        err = append_run(t);
        if (!err)
            err = begin_run(t);
    }
    return err;
}

// ---- the queue -------------------------------------------------------------------------------------------------------

static struct wf_taking *taking_of(struct wf_turn *turn)
{
    return (struct wf_taking *)(void *)((char *)turn - offsetof(struct wf_taking, turn));
}

static void done(struct wf_job *job, enum weft_err err);

// OK: a worker has it. FULL: later, when a job of ours is done. Else it has to end.
static enum weft_err start(struct wf_taking *t)
{
    enum weft_err err = begin_run(t);

    if (err)
        return err;
    t->job = (struct wf_job){ .work = work, .done = done, .class = WF_MAIL_LIVE };
    for (size_t i = t->at; i < t->set->count && i < t->at + t->run_max; i++)
        t->job.bytes += t->set->batches[i].len;
    err = wf_pool_submit(t->node->pool, &t->job);
    t->node->stream->taking_count += !err;
    return err;
}

// Starts what may be started. Settling calls others, who may come back here.
static void start_all(struct wf_stream_room *r)
{
    struct wf_turn *turn = NULL;

    while ((turn = wf_turns_take(&r->turns))) {
        struct wf_taking *t = taking_of(turn);
        enum weft_err err = start(t);
        if (err == WEFT_E_FULL && r->taking_count) {
            wf_turns_again(&r->turns, turn);
            return; // the one that ends next comes back here
        }
        if (!err)
            continue;
        wf_turns_leave(&r->turns, turn);
        settle(t, err == WEFT_E_FULL ? WEFT_E_BUSY : err);
    }
}

static void done(struct wf_job *job, enum weft_err err)
{
    struct wf_taking *t = (struct wf_taking *)(void *)job;
    struct wf_stream_room *r = t->node->stream;

    r->taking_count--;
    if (err)
        err = WEFT_E_CLOSED;
    else
        err = append_run(t);
    if (err || t->at == t->set->count) {
        wf_turns_leave(&r->turns, &t->turn);
        settle(t, err);
    } else {
        wf_turns_again(&r->turns, &t->turn);
    }
    start_all(r);
}

static enum weft_err taking_new(struct wf_node *n, struct wf_stream_set *s,
    const struct wf_identity *origin, struct wf_taking **ret)
{
    size_t run_max = s->count < RUN_BATCHES ? s->count : RUN_BATCHES;
    struct wf_taking *t = calloc(1, sizeof *t + run_max * sizeof t->run[0]);

    if (!t)
        return WEFT_E_NOMEM;
    t->run_max = run_max;
    t->node = n;
    t->set = s;
    t->common.origin = *origin;
    t->common.diag = &s->diag;
    *ret = t;
    return WEFT_OK;
}

void wf_stream_take(struct wf_node *n, struct wf_stream_set *s, const struct wf_identity *origin)
{
    struct wf_stream_room *r = n->stream;
    struct wf_taking *t = NULL;

    s->taken = 0;
    s->err = s->count ? taking_new(n, s, origin, &t) : WEFT_OK;
    if (!t) {
        s->settled(s);
        return;
    }
    if (is_small(s) && !wf_turns_has(&r->turns, &origin->cert.sign_key)) {
        settle(t, verify_here(t));
        return;
    }
    wf_turns_add(&r->turns, &t->turn, &origin->cert.sign_key);
    start_all(r);
}

static void nothing(struct wf_stream_set *s)
{
    (void)s;
}

enum weft_err wf_stream_accept(struct wf_node *n, struct wf_home_product *p,
    const struct wf_identity *origin, struct wf_bytes batch, wf_stream_done_fn fn, void *arg,
    struct wf_diag *diag)
{
    ProtobufCBinaryData one = wf_pb_bin(batch);
    struct wf_stream_set s = {
        .product = p, .batches = &one, .count = 1, .done = fn, .arg = arg, .settled = nothing
    };
    struct wf_taking *t = NULL;
    enum weft_err err = taking_new(n, &s, origin, &t);

    if (err)
        return err;
    settle(t, verify_here(t));
    if (s.err && diag && s.diag.text[0])
        *diag = s.diag;
    return s.err;
}
