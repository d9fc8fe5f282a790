// SPDX-License-Identifier: Apache-2.0
// Large answers, sealed on a worker: a page of a megabyte would hold up the loop for as long as a hundred small answers take. The nonce is
// taken here and now; the session may go meanwhile, and then the answer is not sent. Owns an answer between packing and sending.
#include <stdlib.h>

#include "node/call.h"
#include "node/pool.h"

#define SEAL_HERE (64u * WF_KIB) // less is sealed on the loop: handing over would cost as much

struct sealing {
    struct wf_job job; // first
    struct call *call;
    struct wf_session_reply reply;
    struct wf_buf plain, message;
    enum weft_err err;
};

static void work(struct wf_job *job)
{
    struct sealing *s = (struct sealing *)(void *)job;

    s->err = wf_session_reply_seal(&s->reply, wf_buf_view(&s->plain), &s->message);
}

static void sealing_free(struct sealing *s)
{
    wf_session_reply_fini(&s->reply);
    wf_wipe(s->plain.ptr, s->plain.len);
    wf_buf_fini(&s->plain);
    wf_buf_fini(&s->message);
    free(s);
}

static void done(struct wf_job *job, enum weft_err cancelled)
{
    struct sealing *s = (struct sealing *)(void *)job;
    const struct wf_control *ctl = s->call->pub.node->control;

    if (cancelled) // the node is stopping; what was answered still goes out
        work(job);
    if (!s->err && !wf_sessions_find(ctl->sessions, s->call->session))
        s->err = WEFT_E_SESSION;
    wf_call_send(s->call, wf_buf_view(&s->message), s->err);
    sealing_free(s);
}

bool wf_call_seal_apart(struct call *c, struct wf_buf *plain)
{
    struct wf_node *n = c->pub.node;
    struct wf_live_session *live = NULL;
    struct sealing *s = NULL;

    if (plain->len < SEAL_HERE || !c->session || !n->pool)
        return false;
    live = wf_sessions_find(n->control->sessions, c->session);
    s = live ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return false;
    s->call = c;
    s->job = (struct wf_job){
        .work = work, .done = done, .class = WF_MAIL_CONTROL, .bytes = 2 * plain->len
    };
    if (wf_session_reply_begin(&live->s, c->nonce, wf_node_now_ms(n), &s->reply)) {
        free(s);
        return false;
    }
    s->plain = *plain;
    if (wf_pool_submit(n->pool, &s->job)) {
        s->plain = (struct wf_buf){ 0 }; // the caller's again; the nonce is burned
        sealing_free(s);
        return false;
    }
    *plain = (struct wf_buf){ 0 };
    c->pub.on_gone = NULL; // the handler is done with it; nobody else ends it now
    return true;
}
