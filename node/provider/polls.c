// SPDX-License-Identifier: Apache-2.0
#include "node/provider/polls.h"

#include <stdlib.h>
#include <unistd.h>

#include "node/conf.h"
#include "proto/trust/product_doc.h"
#include "sdk/loop/loop.h"

struct wf_poll {
    struct wf_timer timer; // first
    struct wf_node *node;
    struct wf_polls *all;
    struct wf_call *call;
    struct wf_poll *next;
};

bool wf_polls_permit(struct wf_node *n, struct wf_call *c)
{
    const struct wf_conf_local *may = wf_conf_local_of(n->conf, c->caller->uid, (uint32_t)getuid());
    const Weft__V1__PollRequest *q = c->request->poll;

    for (size_t i = 0; i < q->n_serves; i++)
        if (!wf_conf_local_product(may, q->serves[i])) {
            wf_call_refuse(c, WEFT_E_PERMISSION,
                "%s may not serve %.80s; weftd.yaml's local: decides", c->caller->label,
                q->serves[i]);
            return false;
        }
    return true;
}

bool wf_polls_serves(const struct wf_call *c, const char *product)
{
    const Weft__V1__PollRequest *q = c->request->poll;

    for (size_t i = 0; i < q->n_serves; i++)
        if (strcmp(q->serves[i], product) == 0)
            return true;
    return false;
}

void wf_polls_reply(struct wf_call *c, Weft__V1__Task *task)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__PollReply m = WEFT__V1__POLL_REPLY__INIT;

    m.tasks = &task;
    m.n_tasks = task ? 1 : 0;
    reply.kind_case = WEFT__V1__REPLY__KIND_POLL;
    reply.poll = &m;
    wf_call_reply(c, &reply);
}

// ---- parked ----------------------------------------------------------------------------------------------------------

// Takes the poll away; its call is the caller's from here on.
static struct wf_call *unpark(struct wf_poll *p)
{
    struct wf_poll **at = &p->all->first;
    struct wf_call *c = p->call;

    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    wf_timer_cancel(p->node->loop, &p->timer);
    c->on_gone = NULL;
    free(p);
    return c;
}

static void on_gone(struct wf_call *c, void *arg)
{
    (void)c;
    (void)unpark(arg);
}

static void on_waited(struct wf_timer *t)
{
    wf_polls_reply(unpark((struct wf_poll *)(void *)t), NULL);
}

void wf_polls_park(struct wf_node *n, struct wf_polls *all, struct wf_call *c)
{
    uint32_t wait = c->request->poll->wait_ms;
    struct wf_poll *p = n->draining ? NULL : calloc(1, sizeof *p), **end = &all->first;

    wait = wait && wait < WF_LONG_POLL_MS ? wait : WF_LONG_POLL_MS;
    if (!p) {
        wf_call_refuse(c, n->draining ? WEFT_E_CLOSED : WEFT_E_NOMEM, "poll: %s",
            weft_err_text(n->draining ? WEFT_E_CLOSED : WEFT_E_NOMEM));
        return;
    }
    *p = (struct wf_poll){ .timer = { .fire = on_waited }, .node = n, .all = all, .call = c };
    while (*end)
        end = &(*end)->next;
    *end = p;
    if (wf_call_park(c, on_gone, p)) { // it keeps its place among those at work
        c->on_gone = on_gone;
        c->gone_arg = p;
    }
    if (wf_timer_set(n->loop, &p->timer, wf_node_now_ms(n) + wait))
        on_waited(&p->timer);
}

bool wf_polls_wait(const struct wf_polls *all, const char *product)
{
    for (const struct wf_poll *p = all->first; p; p = p->next)
        if (wf_polls_serves(p->call, product))
            return true;
    return false;
}

struct wf_call *wf_polls_take(struct wf_polls *all, const char *product)
{
    for (struct wf_poll *p = all->first; p; p = p->next)
        if (wf_polls_serves(p->call, product))
            return unpark(p);
    return NULL;
}

void wf_polls_end(struct wf_polls *all)
{
    while (all->first)
        on_waited(&all->first->timer);
}

// ---- what would be served --------------------------------------------------------------------------------------------

void wf_polls_describe(struct wf_node *n, struct wf_call *c, const struct wf_product *p)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__PollReply m = WEFT__V1__POLL_REPLY__INIT;
    Weft__V1__ProductDescriptor d;
    struct wf_bytes schema = { 0 };
    const char *name = c->request->poll->serves[0];

    if (!p) {
        wf_call_refuse(c, WEFT_E_NOT_FOUND,
            n->is_agent
                ? "this agent has no manifest of a product %.80s; its node decides which hosts do"
                : "this node has no product %.80s; see: weft products, weft product apply",
            name);
        return;
    }
    if (p->kind != WF_PRODUCT_API) {
        wf_call_refuse(c, WEFT_E_UNSUPPORTED, "%.80s is no api: it is published, not served", name);
        return;
    }
    enum weft_err err = wf_product_put(p, &n->mesh_id, false, c->arena, &d);
    if (!err)
        err = wf_documents_get(n, &p->schema_hash, c->arena, &schema);
    if (err) {
        wf_call_refuse(c, err, "%.80s: %s", name, weft_err_text(err));
        return;
    }
    m.product = &d;
    m.schema = wf_pb_bin(schema);
    reply.kind_case = WEFT__V1__REPLY__KIND_POLL;
    reply.poll = &m;
    wf_call_reply(c, &reply);
}
