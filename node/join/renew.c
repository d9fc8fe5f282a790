// SPDX-License-Identifier: Apache-2.0
// RENEW: a new certificate for the same keys. The issuer's node signs; the domain's other nodes hand requests on to it with the asker's chain,
// and ask it for themselves.
#include <stdlib.h>

#include "node/access/room.h"
#include "node/core.h"
#include "node/gossip/room.h"
#include "node/join/priv.h"
#include "node/restored.h"
#include "node/signer/signer.h"

#define RETRY_MS 60000

// ---- others' ---------------------------------------------------------------------------------------------------------

// Whose certificate: the session's, or, from a node of this domain that hands on, that of the chain it shows.
static enum weft_err take_asker(struct wf_node *n, const struct wf_call *c, struct wf_cert *ret)
{
    struct wf_bytes chain = wf_pb_view(c->request->renew->for_chain);
    const struct wf_cert *from = &c->caller->identity.cert;
    struct wf_identity id = c->caller->identity;
    enum weft_err err = WEFT_OK;

    if (wf_restored_waits(n))
        return WEFT_E_BUSY;
    if (chain.len) {
        if (from->kind != WF_ID_NODE || c->caller->identity.expired)
            return WEFT_E_KIND;
        err =
            wf_chain_verify(chain, n->charter, wf_node_now_unix_ms(n), WF_CHAIN_ALLOW_EXPIRED, &id);
    }
    if (!err && !wf_name_eq(&id.cert.domain, &n->identity.cert.domain))
        err = WEFT_E_WRONG_DOMAIN;
    if (!err && id.cert.kind == WF_ID_ISSUER)
        err = WEFT_E_KIND;
    if (!err)
        wf_join_meet(n, &id.cert);
    // Again: another machine may have its place.
    if (!err && wf_access_origin_revoked(n, &id.cert.sign_key, wf_node_now_unix_ms(n)))
        err = WEFT_E_REVOKED;
    if (!err)
        *ret = id.cert;
    return err;
}

static void answer(struct wf_call *c, struct wf_bytes chain)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__RenewReply r = WEFT__V1__RENEW_REPLY__INIT;

    r.chain = wf_pb_bin(chain);
    reply.kind_case = WEFT__V1__REPLY__KIND_RENEW;
    reply.renew = &r;
    wf_call_reply(c, &reply);
}

static void on_handed(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_call *c = arg;

    if (!err && reply->kind_case == WEFT__V1__REPLY__KIND_RENEW) {
        answer(c, wf_pb_view(reply->renew->chain));
    } else if (reply && reply->refusal) {
        Weft__V1__Refusal r = *reply->refusal;
        wf_call_refuse_with(c, &r);
    } else {
        wf_call_refuse(c, err ? err : WEFT_E_PROTOCOL,
            "renew: the node with the domain's issuer does not answer; ask again later");
    }
}

static void hand_on(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Request *q = wf_arena_alloc(c->arena, sizeof *q);
    Weft__V1__RenewRequest *m = wf_arena_alloc(c->arena, sizeof *m);
    struct wf_bytes chain = { 0 };
    enum weft_err err = q && m ? wf_arena_dup(c->arena, wf_call_chain(c), &chain) : WEFT_E_NOMEM;

    if (!err) {
        weft__v1__renew_request__init(m);
        m->for_chain = wf_pb_bin(chain);
        weft__v1__request__init(q);
        q->kind_case = WEFT__V1__REQUEST__KIND_RENEW;
        q->idempotency = c->request->idempotency;
        q->renew = m;
        err = wf_gossip_ask_issuer(n, q, on_handed, c);
    }
    if (err)
        wf_call_refuse(c, err, "renew: %s", weft_err_text(err));
}

void wf_renew_handle(struct wf_node *n, struct wf_call *c)
{
    struct wf_cert cert;
    struct wf_bytes chain = { 0 };

    if (!wf_signer_here(n) && c->request->renew->for_chain.len == 0) {
        hand_on(n, c);
        return;
    }
    enum weft_err err = wf_signer_here(n) ? take_asker(n, c, &cert) : WEFT_E_NOT_OWNER;
    if (!err)
        err = wf_join_issue(n, &cert, c->arena, &chain);
    if (err)
        wf_call_refuse(c, err, "renew: %s", weft_err_text(err));
    else
        answer(c, chain);
}

// ---- this node's own -------------------------------------------------------------------------------------------------

static void renewed(struct wf_node *n, enum weft_err err, struct wf_bytes chain)
{
    struct wf_diag diag = { 0 };

    if (!err)
        err = wf_node_set_chain(n, chain, &diag);
    wf_alarm(n, "renewal", err ? "this node's own certificate could not be renewed" : NULL);
    wf_say(n, err ? WF_LOG_WARN : WF_LOG_INFO, "join",
        err ? "own certificate not renewed" : "own certificate renewed", "why", weft_err_text(err),
        NULL);
}

struct own_ask {
    struct wf_node *node;
    Weft__V1__Request request;
    Weft__V1__RenewRequest renew;
    uint8_t key[16];
};

static void on_own(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct own_ask *a = arg;
    struct wf_join_room_state *s = a->node->join;

    if (s) {
        s->renewing = false;
        if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_RENEW)
            err = WEFT_E_PROTOCOL;
        renewed(a->node, err, err ? wf_bytes(NULL, 0) : wf_pb_view(reply->renew->chain));
    }
    free(a);
}

static void ask_for_own(struct wf_node *n)
{
    struct own_ask *a = calloc(1, sizeof *a);

    if (!a)
        return; // the next try
    a->node = n;
    wf_random(a->key, sizeof a->key);
    weft__v1__renew_request__init(&a->renew);
    weft__v1__request__init(&a->request);
    a->request.idempotency = wf_pb_bin(WF_BYTES(a->key));
    a->request.kind_case = WEFT__V1__REQUEST__KIND_RENEW;
    a->request.renew = &a->renew;
    n->join->renewing = true;
    if (wf_gossip_ask_issuer(n, &a->request, on_own, a)) {
        n->join->renewing = false;
        free(a);
    }
}

static void issue_own(struct wf_node *n)
{
    struct wf_cert cert = n->identity.cert;
    struct wf_bytes chain = { 0 };
    struct wf_arena arena;

    wf_arena_init(&arena, 65536);
    enum weft_err err = wf_join_issue(n, &cert, &arena, &chain);
    renewed(n, err, chain);
    wf_arena_fini(&arena);
}

void wf_join_renew_tick(struct wf_node *n)
{
    struct wf_join_room_state *s = n->join;
    const struct wf_cert *own = &n->identity.cert;
    int64_t now = wf_node_now_ms(n);

    if (!n->has_certificate || s->renewing || now < s->renew_at_ms || !n->gossip ||
        wf_node_now_unix_ms(n) < own->not_before_ms + (own->not_after_ms - own->not_before_ms) / 3)
        return;
    s->renew_at_ms = now + RETRY_MS;
    if (wf_signer_here(n))
        issue_own(n);
    else
        ask_for_own(n);
}
