// SPDX-License-Identifier: Apache-2.0
// Local handlers: an application's weft_serve polls over the local socket, is handed a call, and answers it.
#include <stdio.h>
#include <stdlib.h>

#include "node/provider/priv.h"

// ---- local handlers --------------------------------------------------------------------------------------------------

static void poll_end(struct wf_node *n, struct poll *p)
{
    struct poll **at = &n->provider->polls;

    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    wf_timer_cancel(n->loop, &p->timer);
    free(p);
}

static void reply_poll(struct wf_call *c, Weft__V1__Task *task)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__PollReply m = WEFT__V1__POLL_REPLY__INIT;

    m.tasks = &task;
    m.n_tasks = task ? 1 : 0;
    reply.kind_case = WEFT__V1__REPLY__KIND_POLL;
    reply.poll = &m;
    c->on_gone = NULL;
    wf_call_reply(c, &reply);
}

static void hand_over(struct active *a, struct wf_call *c)
{
    Weft__V1__Task t = WEFT__V1__TASK__INIT;

    t.id = wf_pb_bin(WF_BYTES(a->task));
    t.product = a->product_name;
    t.method = wf_pb_str(a->method->name);
    t.request = wf_pb_bin(wf_buf_view(&a->request));
    t.deadline_ms = a->deadline_ms - wf_node_now_ms(a->node);
    t.caller = a->caller;
    a->handed_over = true;
    snprintf(a->record.provider, sizeof a->record.provider, "%s/%s",
        a->node->identity.cert.domain.s, a->node->identity.cert.subject.s);
    reply_poll(c, &t);
}

static bool serves(const struct wf_call *c, const char *product)
{
    const Weft__V1__PollRequest *q = c->request->poll;

    for (size_t i = 0; i < q->n_serves; i++)
        if (strcmp(q->serves[i], product) == 0)
            return true;
    return false;
}

static void poll_gone(struct wf_call *c, void *arg)
{
    poll_end(c->node, arg);
}

static void poll_waited(struct wf_timer *t)
{
    struct poll *p = (struct poll *)(void *)((char *)t - offsetof(struct poll, timer));
    struct wf_call *c = p->call;

    poll_end(c->node, p);
    reply_poll(c, NULL);
}

bool wf_provider_poll(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PollRequest *q = c->request->poll;
    uint32_t wait = q->wait_ms && q->wait_ms < WF_LONG_POLL_MS ? q->wait_ms : WF_LONG_POLL_MS;

    if (!c->caller->local || q->n_serves == 0)
        return false;
    for (struct active *a = n->provider->first; a; a = a->next)
        if (!a->handed_over && a->timer.index && serves(c, a->product_name)) {
            hand_over(a, c);
            return true;
        }
    struct poll *p = calloc(1, sizeof *p);
    if (!p) {
        wf_call_refuse(c, WEFT_E_NOMEM, "poll: out of memory");
        return true;
    }
    *p = (struct poll){ .call = c, .timer = { .fire = poll_waited }, .next = n->provider->polls };
    n->provider->polls = p;
    c->on_gone = poll_gone;
    c->gone_arg = p;
    if (wf_timer_set(n->loop, &p->timer, wf_node_now_ms(n) + wait))
        poll_waited(&p->timer);
    return true;
}

bool wf_active_start_handler(struct active *a)
{
    for (struct poll *p = a->node->provider->polls; p; p = p->next)
        if (serves(p->call, a->product_name)) {
            struct wf_call *c = p->call;
            poll_end(a->node, p);
            hand_over(a, c);
            return true;
        }
    return false;
}

bool wf_provider_answer(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__AnswerRequest *q = c->request->answer;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__AnswerReply m = WEFT__V1__ANSWER_REPLY__INIT;
    struct active *a = n->provider->first;

    while (a && !(a->handed_over && wf_bytes_eq(WF_BYTES(a->task), wf_pb_view(q->task_id))))
        a = a->next;
    if (!a)
        return false;
    if (q->error[0] || q->code)
        wf_active_finish(a, WF_CALL_DONE,
            q->code == WEFT_E_SYNTAX ? WEFT_E_SYNTAX : WEFT_E_PROVIDER, wf_bytes(NULL, 0),
            q->error);
    else
        wf_active_result(a, wf_pb_view(q->result));
    reply.kind_case = WEFT__V1__REPLY__KIND_ANSWER;
    reply.answer = &m;
    wf_call_reply(c, &reply);
    return true;
}

void wf_provider_polls_end(struct wf_node *n)
{
    while (n->provider->polls)
        poll_waited(&n->provider->polls->timer);
}
