// SPDX-License-Identifier: Apache-2.0
// Batches of agents: each is handed to the product it names, in chain order; the answer, with the marks, waits until all that were taken are
// as durable as the product promises. A request without batches asks for the marks.
#include <stdlib.h>

#include "node/agent/agents.h"

struct push_item {
    const Weft__V1__PushItem *item;
    struct wf_home_product *product; // NULL: refused
    struct wf_hash product_id;
    struct wf_incarnation incarnation;
    enum weft_err err;
    struct wf_diag diag;
};

struct push {
    struct wf_node *node;
    struct wf_call *call; // NULL: its caller went away
    struct wf_sign_pub origin;
    struct wf_name subject;
    size_t waiting; // batches not acknowledged, and one for the handler itself
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
    Weft__V1__Refusal *r = i->err ? wf_arena_alloc(arena, sizeof *r) : NULL;
    const char *text = NULL;

    if (!m || !inc || (i->err && !r))
        return wf_arena_err(arena);
    weft__v1__push_mark__init(m);
    weft__v1__incarnation__init(inc);
    inc->counter = i->incarnation.counter;
    inc->random = i->incarnation.random;
    m->product_id = i->item->product_id;
    m->incarnation = inc;
    if (i->product)
        m->durable = wf_stream_origin_mark(p->node, i->product, &p->origin, &i->incarnation);
    m->release = m->durable;
    if (r) {
        weft__v1__refusal__init(r);
        r->code = (uint32_t)i->err;
        enum weft_err err = wf_arena_str(
            arena, wf_bytes_str(i->diag.text[0] ? i->diag.text : weft_err_text(i->err)), &text);
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

static void one_less(struct push *p)
{
    if (--p->waiting > 0)
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
    one_less(p);
}

// ---- taking ----------------------------------------------------------------------------------------------------------

static void open_item(struct push *p, struct push_item *i, const Weft__V1__PushItem *item)
{
    i->item = item;
    if (item->incarnation) {
        i->incarnation.counter = item->incarnation->counter;
        i->incarnation.random = item->incarnation->random;
    }
    i->err = wf_hash_from(wf_pb_view(item->product_id), &i->product_id);
    if (!i->err)
        i->product = wf_stream_find_id(p->node, &i->product_id);
    if (!i->err && !i->product) {
        i->err = WEFT_E_NOT_FOUND;
        wf_diag_set(&i->diag, 0, 0, "this node is not home of the product");
    }
}

// The first refusal ends the item: what follows it can't be in order.
static void take_item(struct push *p, struct push_item *i, const struct wf_identity *origin)
{
    struct wf_agents_room *r = p->node->agents;

    for (size_t k = 0; k < i->item->n_batches && !i->err; k++) {
        p->waiting++;
        i->err = wf_stream_accept(
            p->node, i->product, origin, wf_pb_view(i->item->batches[k]), on_done, p, &i->diag);
        if (i->err) {
            p->waiting--;
            r->counted.refused++;
        } else {
            r->counted.batches++;
        }
    }
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
    p->waiting = 1;
    c->on_gone = on_gone;
    c->gone_arg = p;
    for (size_t i = 0; i < p->count; i++) {
        open_item(p, &p->items[i], q->items[i]);
        take_item(p, &p->items[i], &origin);
    }
    one_less(p);
}
