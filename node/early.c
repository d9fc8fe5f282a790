// SPDX-License-Identifier: Apache-2.0
#include "node/early.h"

#include <stdlib.h>

#include "node/call.h"
#include "proto/stream/batch.h"
#include "sdk/loop/loop.h"

struct wf_early {
    struct wf_early *next;
    struct wf_call *call;
    wf_handler_fn again;
    struct wf_timer timer;
};

// Takes it off the list; the call is no longer ours.
static struct wf_call *let_go(struct wf_node *n, struct wf_early *e)
{
    struct wf_early **at = &n->control->early;
    struct wf_call *c = e->call;

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    n->control->early_count--;
    wf_timer_cancel(n->loop, &e->timer);
    c->on_gone = NULL;
    free(e);
    return c;
}

static void on_gone(struct wf_call *c, void *arg)
{
    (void)let_go(c->node, arg);
}

static void on_time(struct wf_timer *t)
{
    struct wf_early *e = (struct wf_early *)(void *)((char *)t - offsetof(struct wf_early, timer));
    struct wf_call *c = let_go(e->call->node, e);

    wf_call_refuse(c, WEFT_E_ORDER, "%s: the records before %llu did not come",
        c->request->publish->product, (unsigned long long)c->request->publish->seq);
}

bool wf_early_hold(struct wf_node *n, struct wf_call *c, wf_handler_fn again)
{
    struct wf_early *e = n->control->early_count < WF_EARLY_MAX ? calloc(1, sizeof *e) : NULL;

    if (!e) {
        n->control->early_full++;
        return false;
    }
    e->call = c;
    e->again = again;
    e->timer.fire = on_time;
    if (wf_timer_set(n->loop, &e->timer, wf_node_now_ms(n) + WF_EARLY_MS)) {
        free(e);
        return false;
    }
    c->on_gone = on_gone;
    c->gone_arg = e;
    e->next = n->control->early;
    n->control->early = e;
    n->control->early_count++;
    return true;
}

void wf_early_next(struct wf_node *n, const uint8_t publisher[16])
{
    struct wf_early *lowest = NULL;

    for (struct wf_early *e = n->control->early; e; e = e->next) {
        const Weft__V1__PublishRequest *q = e->call->request->publish;
        if (memcmp(q->publisher.data, publisher, WF_PUBLISHER_LEN) == 0 &&
            (!lowest || q->seq < lowest->call->request->publish->seq))
            lowest = e;
    }
    if (!lowest)
        return;
    wf_handler_fn again = lowest->again;
    again(n, let_go(n, lowest));
}
