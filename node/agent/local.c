// SPDX-License-Identifier: Apache-2.0
// PUBLISH on an agent's local socket, as on a node: a publisher opens (mark, descriptor, schema), then hands over records under its own
// numbering; the answer comes when the spool has them.
#include "node/agent/uplink.h"
#include "node/publish.h"

static void answer_open(struct wf_node *n, struct wf_call *c, struct wf_agent_product *p)
{
    Weft__V1__ProductDescriptor d;
    struct wf_spool_publisher *u = NULL;
    struct wf_bytes schema;
    enum weft_err err = wf_product_put(&p->collect->product, &n->mesh_id, false, c->arena, &d);

    if (!err) // not kept in memory: publishers come seldom
        err = wf_documents_get(n, &p->collect->product.schema_hash, c->arena, &schema);
    if (!err)
        err = wf_spool_publisher_need(n, &p->collect->product.id,
            c->request->publish->publisher.data, wf_node_now_unix_ms(n), &u);
    if (err) {
        wf_call_refuse(c, err, "%s: %s", c->request->publish->product, weft_err_text(err));
        return;
    }
    wf_publish_reply_open(c, u->durable, &d, schema);
}

static enum weft_err originate(struct wf_node *n, const struct wf_publish_to *to,
    const Weft__V1__PublishRequest *q, const struct wf_origin_records *r, wf_stream_done_fn done,
    void *arg, struct wf_diag *diag)
{
    (void)to;
    return wf_uplink_originate(n, q->product, r, done, arg, diag);
}

// By the product's id: its manifest may go while records are on their way to the disk.
static uint64_t mark_of(struct wf_node *n, const struct wf_publish_to *to, const uint8_t *publisher)
{
    const struct wf_spool_publisher *u = wf_spool_publisher(n, &to->product_id, publisher);

    return u ? u->durable : 0;
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
        wf_publish_take(n, c,
            &(struct wf_publish_to){ .product_id = p->collect->product.id,
                .originate = originate,
                .mark = mark_of,
                .again = wf_uplink_publish_handle });
}
