// SPDX-License-Identifier: Apache-2.0
#include "node/stream/parked.h"

#include <stdlib.h>

#include "node/node.h"

// *at leaves the set.
static struct wf_parked *take(struct wf_parked **at)
{
    struct wf_parked *w = *at;

    *at = w->next;
    w->set->count--;
    return w;
}

static void on_gone(struct wf_call *c, void *arg)
{
    struct wf_parked *gone = arg;
    struct wf_parked **at = &gone->set->first;

    (void)c;
    while (*at != gone)
        at = &(*at)->next;
    free(take(at));
}

bool wf_park(struct wf_parked_set *set, const struct wf_parked *what)
{
    struct wf_parked *w = set->count < set->max ? malloc(sizeof *w) : NULL;
    int64_t wait_ms = what->call->request->pull->wait_ms;

    if (!w) {
        set->full++;
        return false;
    }
    *w = *what;
    w->set = set;
    w->due_ms = wf_node_now_ms(set->node) + (wait_ms < WF_LONG_POLL_MS ? wait_ms : WF_LONG_POLL_MS);
    if (w->due_ms > w->call->deadline_ms)
        w->due_ms = w->call->deadline_ms;
    if (wf_call_park(w->call, on_gone, w)) {
        free(w);
        return false;
    }
    w->next = set->first;
    set->first = w;
    set->count++;
    return true;
}

// Taken out first, answered then: an answer may lead to a new pull.
static void answer_those(struct wf_parked_set *set, const void *product, int64_t due_ms)
{
    struct wf_parked *ready = NULL, **at = &set->first;

    while (*at) {
        struct wf_parked *w = *at;
        if ((product && w->product == product) || w->due_ms <= due_ms || !set->has_lease(w)) {
            (void)take(at);
            w->call->on_gone = NULL;
            w->next = ready;
            ready = w;
        } else {
            at = &w->next;
        }
    }
    while (ready) {
        struct wf_parked *next = ready->next;
        set->answer(ready);
        free(ready);
        ready = next;
    }
}

void wf_parked_wake(struct wf_parked_set *set, const void *product)
{
    if (set->first)
        answer_those(set, product, INT64_MIN);
}

void wf_parked_tick(struct wf_parked_set *set)
{
    if (set->first)
        answer_those(set, NULL, wf_node_now_ms(set->node));
}

void wf_parked_end(struct wf_parked_set *set, const void *product)
{
    if (set->first)
        answer_those(set, product, product ? INT64_MIN : INT64_MAX);
}
