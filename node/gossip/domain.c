// SPDX-License-Identifier: Apache-2.0
// What the nodes of one domain are to each other: one has the issuer, each product has one home. Loop thread only.
#include <stdio.h>
#include <stdlib.h>

#include "node/gossip/priv.h"

#define ASK_MS 4000

// ---- the issuer's node -----------------------------------------------------------------------------------------------

struct errand {
    struct wf_node *node;
    const Weft__V1__Request *request;
    wf_gossip_issuer_fn done;
    void *arg;
    struct wf_name tried; // the last node asked, in order of names
};

static void try_next(struct errand *e);

static void finish(struct errand *e, enum weft_err err, const Weft__V1__Reply *reply)
{
    wf_gossip_issuer_fn done = e->done;
    void *arg = e->arg;

    free(e);
    done(arg, err, reply);
}

static void on_answer(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct errand *e = arg;
    bool refused = reply && reply->refusal;

    if (!err || (refused && reply->refusal->code != WEFT_E_NOT_OWNER))
        finish(e, err, reply);
    else if (!e->node->gossip || e->node->gossip->closing || e->node->draining)
        finish(e, WEFT_E_CLOSED, NULL);
    else
        try_next(e);
}

static const struct wf_known *next_node(struct errand *e)
{
    struct wf_node *n = e->node;
    const char *own = n->identity.cert.subject.s;
    struct wf_catalog *cat = wf_gossip_catalog(n);

    for (const struct wf_known *k = wf_catalog_next(cat, NULL); k; k = wf_catalog_next(cat, k))
        if (k->kind == WF_ENTRY_NODE && !k->removed &&
            wf_name_eq(&k->domain, &n->identity.cert.domain) && strcmp(k->name.s, own) != 0 &&
            strcmp(k->name.s, e->tried.s) > 0)
            return k;
    return NULL;
}

static void try_next(struct errand *e)
{
    struct wf_node *n = e->node;
    struct wf_link *link = NULL;

    for (const struct wf_known *k = next_node(e); k; k = next_node(e)) {
        e->tried = k->name;
        if (wf_gossip_link(n, k->domain.s, k->name.s, &link))
            continue;
        if (!wf_link_request(link, e->request, ASK_MS, on_answer, e))
            return; // e may be gone already
    }
    finish(e, WEFT_E_UNREACHABLE, NULL);
}

enum weft_err wf_gossip_ask_issuer(
    struct wf_node *n, const Weft__V1__Request *request, wf_gossip_issuer_fn done, void *arg)
{
    struct errand *e = calloc(1, sizeof *e);

    if (!e)
        return WEFT_E_NOMEM;
    *e = (struct errand){ .node = n, .request = request, .done = done, .arg = arg };
    try_next(e);
    return WEFT_OK;
}

// ---- the home --------------------------------------------------------------------------------------------------------

void wf_gossip_refuse_home(struct wf_call *c, const struct wf_known *home, const char *product)
{
    Weft__V1__Refusal refusal = WEFT__V1__REFUSAL__INIT;
    Weft__V1__NotHome at = WEFT__V1__NOT_HOME__INIT;
    char text[256];

    snprintf(text, sizeof text, "%s/%s lives on node %s", home->domain.s, product, home->name.s);
    refusal.code = WEFT_E_NOT_HOME;
    refusal.text = text;
    at.node = wf_pb_str(home->name.s);
    if (home->doc) {
        at.n_addresses = home->doc->node.address_count;
        at.addresses = (char **)(uintptr_t)home->doc->node.addresses;
        at.dh_key = wf_pb_bin(WF_BYTES(home->doc->node.dh_key.b));
    }
    refusal.not_home = &at;
    wf_call_refuse_with(c, &refusal);
}

bool wf_gossip_not_home(
    struct wf_node *n, struct wf_call *c, const char *domain, const char *product)
{
    const struct wf_known *home = NULL;

    if (!n->gossip || wf_catalog_home_node(wf_gossip_catalog(n), domain, product, &home) ||
        (strcmp(home->domain.s, n->identity.cert.domain.s) == 0 &&
            strcmp(home->name.s, n->identity.cert.subject.s) == 0))
        return false;
    wf_gossip_refuse_home(c, home, product);
    return true;
}
