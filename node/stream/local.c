// SPDX-License-Identifier: Apache-2.0
// PUBLISH on the local socket: a publisher opens (no records: mark, descriptor, schema), then hands over records under its own numbering;
// the answer comes when they are durable. Records below its mark came before a crash: dropped and acknowledged.
#include <stdlib.h>

#include "node/early.h"
#include "node/publish.h"
#include "node/stream/priv.h"

// A parked request; the call may go before the log answers.
struct publish {
    struct wf_call *call; // NULL: its caller went away
    struct wf_home_product *product;
    uint8_t publisher[WF_PUBLISHER_LEN];
};

static void answer_open(struct wf_node *n, struct wf_call *c, struct wf_home_product *p)
{
    const Weft__V1__PublishRequest *q = c->request->publish;
    Weft__V1__ProductDescriptor d;
    struct wf_publisher *u = NULL;
    enum weft_err err = wf_product_put(&p->collect->product, &n->mesh_id, false, c->arena, &d);

    if (!err)
        err = wf_publisher_need(p, q->publisher.data, wf_node_now_unix_ms(n), &u);
    if (err) {
        wf_call_refuse(c, err, "%s: %s", q->product, weft_err_text(err));
        return;
    }
    u->strict = true;
    // What is on its way may still fail: only durable records are behind the mark.
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

    if (c) {
        c->on_gone = NULL;
        if (err)
            wf_call_refuse(c, err, "the records were not kept: %s", weft_err_text(err));
        else
            wf_publish_reply_mark(c, wf_stream_publisher_mark(n, w->product, w->publisher));
    }
    free(w);
}

static void take(struct wf_node *n, struct wf_call *c, struct wf_home_product *p)
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
    *w = (struct publish){ .call = c, .product = p };
    memcpy(w->publisher, q->publisher.data, WF_PUBLISHER_LEN);
    memcpy(publisher, w->publisher, WF_PUBLISHER_LEN);
    c->on_gone = on_gone;
    c->gone_arg = w;
    // done may run before this returns, and then call and w are gone: nothing is touched on success.
    enum weft_err err = wf_stream_originate(n, p, &r, on_done, w, &diag);
    if (!err) {
        wf_early_next(n, publisher);
        return;
    }
    c->on_gone = NULL;
    free(w);
    if (err != WEFT_E_ORDER || !wf_early_hold(n, c, wf_publish_handle))
        wf_call_refuse(c, err, "%s: %s", q->product, diag.text[0] ? diag.text : weft_err_text(err));
}

void wf_publish_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PublishRequest *q = c->request->publish;
    struct wf_home_product *p = wf_stream_find(n, q->product, 0);

    if (!wf_publish_allowed(n, c, q->product))
        return; // answered
    if (wf_stream_is_built_in(q->product)) {
        wf_call_refuse(c, WEFT_E_POLICY, "%s is built in: only weftd itself writes it", q->product);
    } else if (!p) {
        wf_call_refuse(c, WEFT_E_NOT_FOUND,
            "this node has no product %s; see: weft products, weft product apply", q->product);
    } else if (!wf_home_has_stream(p)) {
        wf_call_refuse(
            c, WEFT_E_UNSUPPORTED, "%s is an api: it is served, not published", q->product);
    } else if (q->publisher.len != WF_PUBLISHER_LEN) {
        wf_call_refuse(c, WEFT_E_MISSING_FIELD, "a publisher's id has %u bytes", WF_PUBLISHER_LEN);
    } else if (q->records.len == 0 && !q->lost) {
        answer_open(n, c, p);
    } else {
        take(n, c, p);
    }
}
