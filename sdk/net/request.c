// SPDX-License-Identifier: Apache-2.0
// A request as those see it who answer it, whether NNG brought it (rep.c) or the local socket (local.c).
#include "sdk/net/net_int.h"

struct wf_net_msg *wf_net_request_msg(struct wf_net_request *q)
{
    return q->msg;
}

struct wf_bytes wf_net_request_bytes(const struct wf_net_request *q)
{
    return wf_net_msg_view(q->msg);
}

uint32_t wf_net_request_pipe(const struct wf_net_request *q)
{
    return q->pipe;
}

const struct wf_net_addr *wf_net_request_addr(const struct wf_net_request *q)
{
    return &q->addr;
}

bool wf_net_request_first(const struct wf_net_request *q)
{
    return q->first;
}

enum weft_err wf_net_hold(struct wf_net_request *q)
{
    return q->ops->hold(q);
}

void wf_net_reply(struct wf_net_request *q, struct wf_net_msg *reply)
{
    q->ops->finish(q, reply, false);
}

void wf_net_drop(struct wf_net_request *q, bool close_pipe)
{
    q->ops->finish(q, NULL, close_pipe);
}
