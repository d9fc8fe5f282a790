// SPDX-License-Identifier: Apache-2.0
#include "node/publish.h"

#include <unistd.h>

#include "node/conf.h"
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

void wf_publish_reply_mark(struct wf_call *c, uint64_t mark)
{
    Weft__V1__PublishReply r = WEFT__V1__PUBLISH_REPLY__INIT;

    reply_with(c, &r, mark);
}

void wf_publish_reply_open(
    struct wf_call *c, uint64_t mark, Weft__V1__ProductDescriptor *product, struct wf_bytes schema)
{
    Weft__V1__PublishReply r = WEFT__V1__PUBLISH_REPLY__INIT;

    r.product = product;
    r.schema = wf_pb_bin(schema);
    reply_with(c, &r, mark);
}
