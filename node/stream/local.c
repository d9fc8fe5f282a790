// SPDX-License-Identifier: Apache-2.0
// PUBLISH on the local socket: a publisher opens (no records: mark, descriptor, schema), then hands over records under its own numbering;
// the answer comes when they are durable. Records below its mark came before a crash: dropped and acknowledged.
#include "node/gossip/room.h"
#include "node/publish.h"
#include "node/stream/priv.h"

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

static enum weft_err originate(struct wf_node *n, const struct wf_publish_to *to,
    const Weft__V1__PublishRequest *q, const struct wf_origin_records *r, wf_stream_done_fn done,
    void *arg, struct wf_diag *diag)
{
    (void)q;
    return wf_stream_originate(n, to->home, r, done, arg, diag);
}

static uint64_t mark_of(struct wf_node *n, const struct wf_publish_to *to, const uint8_t *publisher)
{
    return wf_stream_publisher_mark(n, to->home, publisher);
}

void wf_publish_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__PublishRequest *q = c->request->publish;
    struct wf_home_product *p = wf_stream_find(n, q->product, 0);

    if (!wf_publish_allowed(n, c, q->product))
        return; // answered
    if (wf_stream_is_built_in(q->product)) {
        wf_call_refuse(c, WEFT_E_POLICY, "%s is built in: only weftd itself writes it", q->product);
    } else if (!p && wf_gossip_not_home(n, c, n->identity.cert.domain.s, q->product)) {
        return; // answered with the node that is
    } else if (!p) {
        wf_call_refuse(c, WEFT_E_NOT_FOUND,
            "this node has no product %s; see: weft products, weft product apply", q->product);
    } else if (!wf_home_has_stream(p)) {
        wf_call_refuse(c, WEFT_E_TYPE, "%s is an api: it is served, not published", q->product);
    } else if (q->publisher.len != WF_PUBLISHER_LEN) {
        wf_call_refuse(c, WEFT_E_MISSING_FIELD, "a publisher's id has %u bytes", WF_PUBLISHER_LEN);
    } else if (q->records.len == 0 && !q->lost) {
        answer_open(n, c, p);
    } else {
        wf_publish_take(n, c,
            &(struct wf_publish_to){
                .home = p, .originate = originate, .mark = mark_of, .again = wf_publish_handle });
    }
}
