// SPDX-License-Identifier: Apache-2.0
// HOME: which node of the domain a product lives on. Only the issuer's node says so; the domain's other nodes ask it for theirs. The first
// that asks gets the product; from then on it is that node's until its home document has run out or a document of a higher term is there.
#include "node/access/room.h"
#include "node/gossip/room.h"
#include "node/join/room.h"
#include "node/restored.h"
#include "node/signer/signer.h"

enum weft_err wf_join_sign_home(
    struct wf_node *n, const char *product, const char *node, uint64_t *ret_term)
{
    const char *domain = n->identity.cert.domain.s;
    const struct wf_known *known =
        wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_HOME, domain, product);
    uint64_t now = (uint64_t)wf_node_now_unix_ms(n);
    struct wf_buf raw = { 0 };
    struct wf_home_fields f = { .mesh_id = n->mesh_id,
        .domain = domain,
        .product = product,
        .node = node,
        .term = known ? known->term : 1,
        // Sequences rise, also after the clock stepped back.
        .sequence = known && known->sequence >= now ? known->sequence + 1 : now,
        .expires_ms = (int64_t)now + WF_HOME_LIFE_MS };

    if (known && (!known->doc || strcmp(known->doc->home.node.s, node) != 0))
        return WEFT_E_NOT_HOME;
    enum weft_err err = wf_signer_cert(n, &f.issuer_cert);
    if (!err)
        err = wf_signer_home(n, &f, &raw);
    if (!err)
        err = wf_gossip_advertise(n, WF_ENTRY_HOME, wf_buf_view(&raw));
    if (!err)
        *ret_term = f.term;
    wf_buf_fini(&raw);
    return err;
}

// ---- another node asks -----------------------------------------------------------------------------------------------

static enum weft_err may_ask(struct wf_node *n, const struct wf_call *c)
{
    const struct wf_cert *cert = &c->caller->identity.cert;
    const char *product = c->request->home->product;

    if (!wf_signer_here(n))
        return WEFT_E_NOT_OWNER;
    if (wf_restored_waits(n))
        return WEFT_E_BUSY;
    if (cert->kind != WF_ID_NODE)
        return WEFT_E_KIND;
    if (!wf_name_is_valid(wf_bytes_str(product)))
        return WEFT_E_NAME;
    if (!wf_cert_may_publish(cert, product))
        return WEFT_E_PRODUCT;
    return wf_access_origin_revoked(n, &cert->sign_key, wf_node_now_unix_ms(n)) ? WEFT_E_REVOKED
                                                                                : WEFT_OK;
}

static void refuse(struct wf_node *n, struct wf_call *c, enum weft_err err)
{
    const char *product = c->request->home->product, *domain = n->identity.cert.domain.s;
    struct wf_catalog *catalog = wf_gossip_catalog(n);
    const struct wf_known *node = NULL;

    if (err == WEFT_E_NOT_HOME && !wf_catalog_home_node(catalog, domain, product, &node))
        wf_gossip_refuse_home(c, node, product);
    else
        wf_call_refuse(c, err, "home: %s", weft_err_text(err));
}

void wf_home_handle(struct wf_node *n, struct wf_call *c)
{
    const char *product = c->request->home->product;
    const char *node = c->caller->identity.cert.subject.s;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__HomeReply r = WEFT__V1__HOME_REPLY__INIT;
    struct wf_bytes raw = { 0 };
    enum weft_err err = may_ask(n, c);

    if (!err)
        err = wf_join_sign_home(n, product, node, &r.term);
    if (!err) {
        const struct wf_known *k = wf_catalog_find(
            wf_gossip_catalog(n), WF_ENTRY_HOME, n->identity.cert.domain.s, product);
        err = k ? wf_arena_dup(c->arena, k->raw, &raw) : WEFT_E_QUOTA;
    }
    if (err) {
        refuse(n, c, err);
        return;
    }
    (void)wf_access_audit(n, c->caller, "home", product, WEFT_OK, NULL);
    r.home = wf_pb_bin(raw);
    reply.kind_case = WEFT__V1__REPLY__KIND_HOME;
    reply.home = &r;
    wf_call_reply(c, &reply);
}
