// SPDX-License-Identifier: Apache-2.0
// Local handlers on an agent's host: an application's weft_serve polls the agent's socket, is handed the calls that come down the uplink,
// and answers. A call waits for a handler until shortly before its deadline; then the node is told that nobody took it.
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"

#define TELL_MS 500 // before the deadline, so that "not delivered" comes before "unknown"

static void drop(struct wf_host_task *t)
{
    struct wf_uplink_room *u = t->node->uplink;
    struct wf_host_task **at = &u->tasks;

    while (*at && *at != t)
        at = &(*at)->next;
    if (*at) {
        *at = t->next;
        u->task_count--;
    }
    wf_timer_cancel(t->node->loop, &t->timer);
    wf_buf_fini(&t->request);
    free(t);
}

static void tell(struct wf_host_task *t, enum weft_err err, const char *text)
{
    struct wf_answer a = { .peer = t->peer, .task_id = t->id, .code = err, .error = text };
    enum weft_err sent = wf_uplink_answer(t->node, &a);

    if (sent)
        wf_say(t->node, WF_LOG_WARN, "uplink", "a call's answer could not be kept", "why",
            weft_err_text(sent), NULL);
}

// Handed over: the node says by itself that the outcome is unknown.
static void on_time(struct wf_timer *timer)
{
    struct wf_host_task *t = (struct wf_host_task *)(void *)timer;

    if (!t->handed)
        tell(t, WEFT_E_NO_PROVIDER, "no handler on the host took the call in time");
    drop(t);
}

static void hand_over(struct wf_host_task *t, struct wf_call *c)
{
    Weft__V1__Task m = WEFT__V1__TASK__INIT;
    struct wf_node *n = t->node;

    m.id = wf_pb_bin(WF_BYTES(t->id));
    m.product = t->product.s;
    m.method = t->method;
    m.caller = t->caller;
    m.request = wf_pb_bin(wf_buf_view(&t->request));
    m.deadline_ms = t->deadline_ms - wf_node_now_ms(n);
    t->handed = true;
    if (wf_timer_set(n->loop, &t->timer, t->deadline_ms))
        return; // it was set before, so there is room
    wf_polls_reply(c, &m);
}

enum weft_err wf_host_task_begin(struct wf_node *n, const Weft__V1__Task *task)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_host_task *t = u->task_count < WF_UPLINK_TASKS ? calloc(1, sizeof *t) : NULL,
                        **end = &u->tasks;
    int64_t left = wf_uplink_task_left(task);

    if (!t) {
        u->tasks_full += u->task_count >= WF_UPLINK_TASKS;
        return u->task_count < WF_UPLINK_TASKS ? WEFT_E_NOMEM : WEFT_E_FULL;
    }
    t->node = n;
    t->peer = u->peer;
    t->timer.fire = on_time;
    t->deadline_ms = wf_node_now_ms(n) + left;
    memcpy(t->id, task->id.data, sizeof t->id);
    snprintf(t->method, sizeof t->method, "%s", task->method);
    snprintf(t->caller, sizeof t->caller, "%.*s", (int)sizeof t->caller - 1, task->caller);
    enum weft_err err = wf_name_from(wf_bytes_str(task->product), &t->product);
    if (!err)
        err = wf_buf_append(&t->request, wf_pb_view(task->request));
    if (!err)
        err = wf_timer_set(
            n->loop, &t->timer, t->deadline_ms - (left > 2 * TELL_MS ? TELL_MS : left / 2));
    if (err) {
        wf_buf_fini(&t->request);
        free(t);
        return err;
    }
    while (*end)
        end = &(*end)->next;
    *end = t;
    u->task_count++;
    struct wf_call *c = wf_polls_take(&u->polls, t->product.s);
    if (c)
        hand_over(t, c);
    return WEFT_OK;
}

void wf_host_tasks_end(struct wf_node *n)
{
    wf_polls_end(&n->uplink->polls);
    while (n->uplink->tasks)
        drop(n->uplink->tasks);
}

// ---- requests --------------------------------------------------------------------------------------------------------

void wf_uplink_poll_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PollRequest *q = c->request->poll;
    struct wf_host_task *t = n->uplink->tasks;

    if (q->n_serves == 0) {
        wf_call_refuse(c, WEFT_E_MISSING_FIELD, "poll: the products that are served are missing");
        return;
    }
    if (!wf_polls_permit(n, c))
        return;
    if (q->describe) {
        wf_polls_describe(n, c, wf_uplink_descriptor(n, q->serves[0]));
        return;
    }
    while (t && (t->handed || !wf_polls_serves(c, t->product.s)))
        t = t->next;
    if (t)
        hand_over(t, c);
    else
        wf_polls_park(n, &n->uplink->polls, c);
}

// The node judges the result by its schema; where no more answers can be kept it is BUSY, and libweft tries again.
void wf_uplink_answer_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__AnswerRequest *q = c->request->answer;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__AnswerReply m = WEFT__V1__ANSWER_REPLY__INIT;
    struct wf_host_task *t = n->uplink->tasks;
    enum weft_err err = q->code == WEFT_E_SYNTAX ? WEFT_E_SYNTAX
                        : q->code || q->error[0] ? WEFT_E_PROVIDER
                                                 : WEFT_OK;

    while (t && !(t->handed && wf_bytes_eq(WF_BYTES(t->id), wf_pb_view(q->task_id))))
        t = t->next;
    if (!t) {
        wf_call_refuse(c, WEFT_E_UNKNOWN_CALL, "no such task waits for an answer");
        return;
    }
    struct wf_answer a = { t->peer, t->id, err, wf_pb_view(q->result), q->error };
    enum weft_err sent = wf_uplink_answer(n, &a);
    if (sent) {
        wf_call_refuse(c, WEFT_E_BUSY, "the answer cannot be kept now: %s", weft_err_text(sent));
        return;
    }
    drop(t);
    reply.kind_case = WEFT__V1__REPLY__KIND_ANSWER;
    reply.answer = &m;
    wf_call_reply(c, &reply);
}
