// SPDX-License-Identifier: Apache-2.0
// PUBLISH on an agent's local socket, as on a node: a publisher opens (mark, descriptor, schema), then hands over records under its own
// numbering; the answer comes when the spool has them.
#include <stdlib.h>

#include "node/agent/uplink.h"
#include "node/early.h"
#include "node/publish.h"

struct publish {
    struct wf_call *call; // NULL: its caller went away
    struct wf_hash product_id;
    uint8_t publisher[WF_PUBLISHER_LEN];
};

static void answer_open(struct wf_node *n, struct wf_call *c, struct wf_agent_product *p)
{
    Weft__V1__ProductDescriptor d;
    struct wf_spool_publisher *u = NULL;
    enum weft_err err = wf_product_put(&p->collect->product, &n->mesh_id, false, c->arena, &d);

    if (!err)
        err = wf_spool_publisher_need(
            n, &p->collect->product.id, c->request->publish->publisher.data, &u);
    if (err) {
        wf_call_refuse(c, err, "%s: %s", c->request->publish->product, weft_err_text(err));
        return;
    }
    wf_publish_reply_open(c, u->durable, &d, wf_buf_view(&p->schema_set));
}

static void on_gone(struct wf_call *c, void *arg)
{
    struct publish *w = arg;

    (void)c;
    w->call = NULL;
}

static void on_done(struct wf_node *n, void *arg, enum weft_err err)
{
    struct publish *w = arg;
    struct wf_call *c = w->call;
    const struct wf_spool_publisher *u = wf_spool_publisher(n, &w->product_id, w->publisher);

    if (c) {
        c->on_gone = NULL;
        if (err)
            wf_call_refuse(c, err, "the records were not kept: %s", weft_err_text(err));
        else
            wf_publish_reply_mark(c, u ? u->durable : 0);
    }
    free(w);
}

static void take(struct wf_node *n, struct wf_call *c, struct wf_agent_product *p)
{
    const Weft__V1__PublishRequest *q = c->request->publish;
    struct wf_diag diag = { 0 };
    uint8_t publisher[WF_PUBLISHER_LEN];
    struct publish *w = calloc(1, sizeof *w);
    struct wf_origin_records r = { .raw = wf_pb_view(q->records),
        .base_us = q->base_us,
        .count = q->count,
        .publisher = q->publisher.data,
        .publisher_seq = q->seq,
        .lost = q->lost };

    if (!w) {
        wf_call_refuse(c, WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
        return;
    }
    *w = (struct publish){ .call = c, .product_id = p->collect->product.id };
    memcpy(w->publisher, q->publisher.data, WF_PUBLISHER_LEN);
    memcpy(publisher, w->publisher, WF_PUBLISHER_LEN);
    c->on_gone = on_gone;
    c->gone_arg = w;
    // done may run before this returns; on success call and w are no longer ours.
    enum weft_err err = wf_uplink_originate(n, q->product, &r, on_done, w, &diag);
    if (!err) {
        wf_early_next(n, publisher);
        return;
    }
    c->on_gone = NULL;
    free(w);
    if (err != WEFT_E_ORDER || !wf_early_hold(n, c, wf_uplink_publish_handle))
        wf_call_refuse(c, err, "%s: %s", q->product, diag.text[0] ? diag.text : weft_err_text(err));
}

void wf_uplink_publish_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PublishRequest *q = c->request->publish;
    struct wf_agent_product *p = wf_uplink_find(n, q->product);

    if (!wf_publish_allowed(n, c, q->product))
        return; // answered
    if (!p || !p->message)
        wf_call_refuse(c, WEFT_E_NOT_FOUND,
            "this agent has no manifest of a product %s; its node decides which hosts do",
            q->product);
    else if (q->publisher.len != WF_PUBLISHER_LEN)
        wf_call_refuse(c, WEFT_E_MISSING_FIELD, "a publisher's id has %u bytes", WF_PUBLISHER_LEN);
    else if (q->records.len == 0 && !q->lost)
        answer_open(n, c, p);
    else
        take(n, c, p);
}
