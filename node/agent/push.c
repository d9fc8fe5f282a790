// SPDX-License-Identifier: Apache-2.0
// Batches of agents: each item is handed to the product it names, in chain order; the answer, with the marks, waits until all that were
// taken are as durable as the product promises. A request without batches asks for the marks.
#include <stdlib.h>

#include "node/agent/agents.h"

struct push_item {
    struct wf_stream_set set; // first; its product NULL: refused
    struct push *push;
    const Weft__V1__PushItem *item;
    struct wf_hash product_id;
    struct wf_incarnation incarnation;
};

struct push {
    struct wf_node *node;
    struct wf_call *call; // NULL: its caller went away
    struct wf_sign_pub origin;
    struct wf_name subject;
    size_t
        verifying; // items not settled, and one for the handler itself: the request's bytes are still read
    size_t taken, kept; // batches: appended, and acknowledged or failed since
    struct push_item *items;
    size_t count;
};

static void push_free(struct push *p)
{
    free(p->items);
    free(p);
}

// ---- the answer ------------------------------------------------------------------------------------------------------

static enum weft_err put_mark(struct push *p, const struct push_item *i, Weft__V1__PushMark **ret)
{
    struct wf_arena *arena = p->call->arena;
    Weft__V1__PushMark *m = wf_arena_alloc(arena, sizeof *m);
    Weft__V1__Incarnation *inc = wf_arena_alloc(arena, sizeof *inc);
    Weft__V1__Refusal *r = i->set.err ? wf_arena_alloc(arena, sizeof *r) : NULL;
    const char *text = NULL;

    if (!m || !inc || (i->set.err && !r))
        return wf_arena_err(arena);
    weft__v1__push_mark__init(m);
    weft__v1__incarnation__init(inc);
    inc->counter = i->incarnation.counter;
    inc->random = i->incarnation.random;
    m->product_id = i->item->product_id;
    m->incarnation = inc;
    if (i->set.product)
        m->durable = wf_stream_origin_mark(p->node, i->set.product, &p->origin, &i->incarnation);
    m->release = m->durable;
    if (r) {
        weft__v1__refusal__init(r);
        r->code = (uint32_t)i->set.err;
        enum weft_err err = wf_arena_str(arena,
            wf_bytes_str(i->set.diag.text[0] ? i->set.diag.text : weft_err_text(i->set.err)),
            &text);
        if (err)
            return err;
        r->text = wf_pb_str(text);
        m->refusal = r;
    }
    *ret = m;
    return WEFT_OK;
}

static void answer(struct push *p)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__PushReply r = WEFT__V1__PUSH_REPLY__INIT;
    struct wf_call *c = p->call;
    enum weft_err err = WEFT_OK;

    c->on_gone = NULL;
    r.marks = wf_arena_calloc(c->arena, p->count, sizeof *r.marks);
    if (!r.marks)
        err = wf_arena_err(c->arena);
    for (; r.n_marks < p->count && !err; r.n_marks++)
        err = put_mark(p, &p->items[r.n_marks], &r.marks[r.n_marks]);
    if (err) {
        wf_call_refuse(c, err, "push: %s", weft_err_text(err));
        return;
    }
    reply.kind_case = WEFT__V1__REPLY__KIND_PUSH;
    reply.push = &r;
    wf_call_reply(c, &reply);
}

static void answer_when_kept(struct push *p)
{
    if (p->verifying || p->kept < p->taken)
        return;
    if (p->call)
        answer(p);
    push_free(p);
}

static void on_gone(struct wf_call *c, void *arg)
{
    struct push *p = arg;

    (void)c;
    p->call = NULL;
}

static void on_done(struct wf_node *n, void *arg, enum weft_err err)
{
    struct push *p = arg;
    struct wf_agent *a = wf_agents_find(n, p->subject.s);

    if (a && !err)
        a->row.last_batch_unix_ms = wf_node_now_unix_ms(n);
    // What was not kept shows in the marks: they are read when all is settled.
    p->kept++;
    answer_when_kept(p);
}

// ---- taking ----------------------------------------------------------------------------------------------------------

static void open_item(struct push *p, struct push_item *i, const Weft__V1__PushItem *item)
{
    i->push = p;
    i->item = item;
    if (item->incarnation) {
        i->incarnation.counter = item->incarnation->counter;
        i->incarnation.random = item->incarnation->random;
    }
    i->set.err = wf_hash_from(wf_pb_view(item->product_id), &i->product_id);
    if (!i->set.err)
        i->set.product = wf_stream_find_id(p->node, &i->product_id);
    if (!i->set.err && !i->set.product) {
        i->set.err = WEFT_E_NOT_FOUND;
        wf_diag_set(&i->set.diag, 0, 0, "this node is not home of the product");
    }
}

static void one_settled(struct push *p)
{
    if (--p->verifying)
        return;
    p->call->on_gone = on_gone; // nobody reads the request's bytes any more, so its caller may go
    p->call->gone_arg = p;
    answer_when_kept(p);
}

static void on_settled(struct wf_stream_set *s)
{
    struct push_item *i = (struct push_item *)(void *)s;
    struct wf_agents_room *r = i->push->node->agents;

    r->counted.batches += s->taken;
    r->counted.refused += s->err != WEFT_OK;
    i->push->taken += s->taken;
    one_settled(i->push);
}

static void take_item(struct push *p, struct push_item *i, const struct wf_identity *origin)
{
    i->set.batches = i->item->batches;
    i->set.count = i->item->n_batches;
    i->set.done = on_done;
    i->set.arg = p;
    i->set.settled = on_settled;
    p->verifying++;
    wf_stream_take(p->node, &i->set, origin);
}

void wf_push_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PushRequest *q = c->request->push;
    const struct wf_identity origin = c->caller->identity;
    struct wf_agent *a = wf_agents_caller(n, c);
    struct push *p = a ? calloc(1, sizeof *p) : NULL;

    if (!a)
        return;
    if (p)
        p->items = calloc(q->n_items ? q->n_items : 1, sizeof *p->items);
    if (!p || !p->items) {
        free(p);
        wf_call_refuse(c, WEFT_E_NOMEM, "push: %s", weft_err_text(WEFT_E_NOMEM));
        return;
    }
    p->node = n;
    p->call = c;
    p->origin = origin.cert.sign_key;
    p->subject = origin.cert.subject;
    p->count = q->n_items;
    p->verifying = 1;
    for (size_t i = 0; i < p->count; i++) {
        open_item(p, &p->items[i], q->items[i]);
        if (!p->items[i].set.err)
            take_item(p, &p->items[i], &origin);
    }
    one_settled(p);
}
