// SPDX-License-Identifier: Apache-2.0
// EXPLAIN: every check of a decision in its order, with its verdict. The decision itself is wf_token_decide's; this tells where it ended.
#include <stdarg.h>
#include <stdio.h>

#include "node/access/priv.h"
#include "node/access/requests.h"
#include "node/gossip/room.h"

#define STEPS_MAX 32u

struct telling {
    struct wf_arena *arena;
    char **steps;
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void step(struct telling *t, const char *format, ...)
{
    char text[512];
    const char *copy = NULL;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (t->count < STEPS_MAX && !wf_arena_str(t->arena, wf_bytes_str(text), &copy))
        t->steps[t->count++] = wf_pb_str(copy);
}

static void tell_product(struct wf_node *n, struct telling *t, const char *product)
{
    const struct wf_known *k =
        wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_PRODUCT, n->identity.cert.domain.s, product);

    if (!k || k->removed)
        step(t, "product: no %s is advertised in %s", product, n->identity.cert.domain.s);
    else
        step(t, "product: ok, %s %s, home %s", product, k->doc->product.product.version,
            k->doc->product.node.s);
}

static void tell_list(struct wf_node *n, struct telling *t)
{
    const struct wf_revocations *r = wf_access_revocations(n);

    if (!r)
        step(t, "revocation list: none is known; nothing is decided without one");
    else
        step(t, "revocation list: version %llu, %lld s old, %zu tokens, %zu holders, %zu origins",
            (unsigned long long)r->version,
            (long long)((wf_node_now_unix_ms(n) - r->issued_ms) / 1000), r->token_count,
            r->holder_count, r->origin_count);
}

// The caveats of a block in the order of the decision, up to the one that refused.
static void tell_block(struct telling *t, size_t i, const struct wf_decision *d)
{
    static const char *const order[] = { "times", "products", "verbs", "rows and columns",
        "regions", "purpose" };
    static const char *const caveats[][2] = { { "expires", "not-before" }, { "products", "" },
        { "verbs", "" }, { "columns", "rows" }, { "regions", "" }, { "purpose", "" } };
    bool decided_here = d->err && i == d->block;

    for (size_t k = 0; k < WF_COUNT(order); k++) {
        if (decided_here && (strcmp(d->caveat, caveats[k][0]) == 0 ||
                                (caveats[k][1][0] && strcmp(d->caveat, caveats[k][1]) == 0))) {
            step(t, "block %zu %s: REFUSED (%s): asked %s, granted %s", i, order[k],
                weft_err_text(d->err), d->asked, d->granted);
            return;
        }
        step(t, "block %zu %s: ok", i, order[k]);
    }
}

static bool tell_decision(struct wf_node *n, struct telling *t, const struct wf_token *token,
    const struct wf_access *asked)
{
    struct wf_decision d;
    enum weft_err err =
        wf_token_decide(token, asked, wf_access_revocations(n), wf_node_now_unix_ms(n), &d);
    static const char *const first[] = { "mesh", "domain", "holder", "revocations", "issuer",
        "token" };

    tell_list(n, t);
    for (size_t k = 0; err && k < WF_COUNT(first); k++)
        if (strcmp(d.caveat, first[k]) == 0) {
            step(t, "%s: REFUSED (%s), block %zu", first[k], weft_err_text(err), d.block);
            return false;
        }
    step(t, "mesh, domain, holder, revocations: ok");
    for (size_t i = 0; i < token->block_count && (!err || i <= d.block); i++)
        tell_block(t, i, &d);
    if (!err && wf_token_rate(token))
        step(t, "rate: at most %u requests a minute", wf_token_rate(token));
    return !err;
}

static bool tell_token(
    struct wf_node *n, struct wf_call *c, struct telling *t, const struct wf_access *asked)
{
    const Weft__V1__ExplainRequest *m = c->request->explain;
    struct wf_token *token = NULL;
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_token_open(wf_pb_view(m->token), &token, &diag);
    bool granted = false;

    if (!err)
        err =
            n->charter ? wf_token_verify(token, n->charter, wf_node_now_unix_ms(n)) : WEFT_E_STATE;
    if (err)
        step(t, "token: REFUSED (%s) %s", weft_err_text(err), diag.text);
    else {
        step(t, "token: ok, %zu block(s), issuer leads to the charter", token->block_count);
        granted = tell_decision(n, t, token, asked);
    }
    wf_token_free(token);
    return granted;
}

static void tell_policy(struct wf_node *n, struct wf_call *c, struct telling *t)
{
    const Weft__V1__ExplainRequest *m = c->request->explain;
    Weft__V1__AccessRequest q = WEFT__V1__ACCESS_REQUEST__INIT;
    char *products[] = { m->product }, *verbs[] = { m->verb };
    struct wf_grant row = { 0 };
    struct wf_diag diag = { 0 };
    int64_t life = 0;

    q.products = products;
    q.n_products = 1;
    q.verbs = verbs;
    q.n_verbs = 1;
    step(t, "token: none was shown");
    enum weft_err err = wf_access_read_request(&q, c->arena, &row, &diag);
    row.holder = c->caller->identity.cert.sign_key;
    if (!err)
        err = wf_access_policy(n, &c->caller->identity, &row, c->arena, &life, &diag);
    if (err)
        step(t, "policy: REFUSED (%s) %s", weft_err_text(err), diag.text);
    else
        step(t, "policy: a rule gives it for %lld s; ask: weft access request %s/%s --verb %s",
            (long long)(life / 1000), n->identity.cert.domain.s, m->product, m->verb);
}

void wf_access_explain_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__ExplainRequest *m = c->request->explain;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__ExplainReply r = WEFT__V1__EXPLAIN_REPLY__INIT;
    struct telling t = { .arena = c->arena };
    struct wf_pattern method;
    struct wf_access asked = { .mesh_id = &n->mesh_id,
        .domain = m->domain,
        .product = m->product,
        .who = c->caller->identity.cert.sign_key,
        .region = wf_access_region(n) };

    t.steps = wf_arena_calloc(c->arena, STEPS_MAX, sizeof *t.steps);
    enum weft_err err = t.steps ? WEFT_OK : wf_arena_err(c->arena);
    if (!err && strcmp(m->domain, n->identity.cert.domain.s) != 0)
        err = WEFT_E_WRONG_DOMAIN;
    if (!err)
        err = wf_verb_parse(wf_bytes_str(m->verb), &asked.verb, &method);
    if (err) {
        wf_call_refuse(c, err, "explain: %s", weft_err_text(err));
        return;
    }
    asked.method = asked.verb == WF_VERB_CALL ? method.s : NULL;
    step(&t, "caller: %s", c->caller->label);
    tell_product(n, &t, m->product);
    if (m->token.len)
        r.granted = tell_token(n, c, &t, &asked);
    else
        tell_policy(n, c, &t);
    r.steps = t.steps;
    r.n_steps = t.count;
    reply.kind_case = WEFT__V1__REPLY__KIND_EXPLAIN;
    reply.explain = &r;
    wf_call_reply(c, &reply);
}
