// SPDX-License-Identifier: Apache-2.0
#include "node/publish.h"

#include <stdlib.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/early.h"
#include "node/node.h"

bool wf_publish_allowed(struct wf_node *n, struct wf_call *c, const char *product)
{
    const struct wf_conf_local *may = wf_conf_local_of(n->conf, c->caller->uid, (uint32_t)getuid());

    if (wf_conf_local_product(may, product))
        return true;
    wf_call_refuse(c, WEFT_E_PERMISSION, "%s may not publish %s; weftd.yaml's local: decides",
        c->caller->label, product);
    return false;
}

static void reply_with(struct wf_call *c, Weft__V1__PublishReply *r, uint64_t mark)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;

    r->mark = r->durable_mark = mark;
    r->durable = true;
    reply.kind_case = WEFT__V1__REPLY__KIND_PUBLISH;
    reply.publish = r;
    wf_call_reply(c, &reply);
}

void wf_publish_reply_open(
    struct wf_call *c, uint64_t mark, Weft__V1__ProductDescriptor *product, struct wf_bytes schema)
{
    Weft__V1__PublishReply r = WEFT__V1__PUBLISH_REPLY__INIT;

    r.product = product;
    r.schema = wf_pb_bin(schema);
    reply_with(c, &r, mark);
}

// ---- records ---------------------------------------------------------------------------------------------------------

struct waits {
    struct wf_call *call; // NULL: its caller went away
    struct wf_publish_to to;
    uint8_t publisher[WF_PUBLISHER_LEN];
};

static void on_gone(struct wf_call *c, void *arg)
{
    struct waits *w = arg;

    (void)c;
    w->call = NULL;
}

static void on_done(struct wf_node *n, void *arg, enum weft_err err)
{
    Weft__V1__PublishReply r = WEFT__V1__PUBLISH_REPLY__INIT;
    struct waits *w = arg;
    struct wf_call *c = w->call;

    if (c) {
        c->on_gone = NULL;
        if (err)
            wf_call_refuse(c, err, "the records were not kept: %s", weft_err_text(err));
        else
            reply_with(c, &r, w->to.mark(n, &w->to, w->publisher));
    }
    free(w);
}

void wf_publish_take(struct wf_node *n, struct wf_call *c, const struct wf_publish_to *to)
{
    const Weft__V1__PublishRequest *q = c->request->publish;
    struct wf_diag diag = { 0 };
    uint8_t publisher[WF_PUBLISHER_LEN];
    struct waits *w = calloc(1, sizeof *w);
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
    *w = (struct waits){ .call = c, .to = *to };
    memcpy(w->publisher, q->publisher.data, WF_PUBLISHER_LEN);
    memcpy(publisher, w->publisher, WF_PUBLISHER_LEN);
    c->on_gone = on_gone;
    c->gone_arg = w;
    // done may run before this returns, and then call and w are gone: nothing is touched on success.
    enum weft_err err = to->originate(n, to, q, &r, on_done, w, &diag);
    if (!err) {
        wf_early_next(n, publisher);
        return;
    }
    c->on_gone = NULL;
    free(w);
    if (err != WEFT_E_ORDER || !wf_early_hold(n, c, to->again))
        wf_call_refuse(c, err, "%s: %s", q->product, diag.text[0] ? diag.text : weft_err_text(err));
}
