// SPDX-License-Identifier: Apache-2.0
// A node's local handlers: who polls is handed a call that waits, or waits for the next; who was handed one answers it.
#include <stdio.h>
#include <stdlib.h>

#include "node/provider/priv.h"

static void hand_over(struct active *a, struct wf_call *c)
{
    Weft__V1__Task t = wf_active_task(a);

    a->with_handler = a->taken = true;
    wf_polls_reply(c, &t);
}

bool wf_provider_poll(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PollRequest *q = c->request->poll;

    if (!c->caller->local || q->n_serves == 0)
        return false;
    if (!wf_polls_permit(n, c))
        return true;
    if (q->describe) {
        struct wf_home_product *p = wf_stream_find(n, q->serves[0], 0);
        wf_polls_describe(n, c, p ? wf_home_descriptor(p) : NULL);
        return true;
    }
    // The one that waits longest.
    struct active *oldest = NULL;
    for (struct active *a = n->provider->first; a; a = a->next)
        if (a->waits && wf_polls_serves(c, a->product_name))
            oldest = a;
    if (oldest) {
        oldest->waits = false;
        hand_over(oldest, c);
    } else {
        wf_polls_park(n, &n->provider->polls, c);
    }
    return true;
}

bool wf_active_start_handler(struct active *a)
{
    struct wf_call *c = wf_polls_take(&a->node->provider->polls, a->product_name);

    if (c)
        hand_over(a, c);
    return c != NULL;
}

bool wf_provider_answer(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__AnswerRequest *q = c->request->answer;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__AnswerReply m = WEFT__V1__ANSWER_REPLY__INIT;
    struct active *a = n->provider->first;

    while (a && !(a->with_handler && wf_bytes_eq(WF_BYTES(a->task), wf_pb_view(q->task_id))))
        a = a->next;
    if (!a)
        return false;
    if (q->error[0] || q->code)
        wf_active_finish(a, WF_CALL_DONE,
            q->code == WEFT_E_SYNTAX ? WEFT_E_SYNTAX : WEFT_E_PROVIDER, wf_bytes(NULL, 0),
            q->error[0] ? q->error : weft_err_text((enum weft_err)q->code));
    else
        wf_active_result(a, wf_pb_view(q->result));
    reply.kind_case = WEFT__V1__REPLY__KIND_ANSWER;
    reply.answer = &m;
    wf_call_reply(c, &reply);
    return true;
}
