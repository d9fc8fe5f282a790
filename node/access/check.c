// SPDX-License-Identifier: Apache-2.0
// The decision on one call, and the refusal that tells a verified member why and what to do.
#include <stdio.h>
#include <unistd.h>

#include "node/access/priv.h"
#include "node/conf.h"
#include "node/restored.h"

void wf_access_asked_text(const struct wf_access *asked, char *out, size_t len)
{
    bool call = asked->verb == WF_VERB_CALL;

    snprintf(out, len, "%s/%s %s%s%s", asked->domain, asked->product, wf_verb_name(asked->verb),
        call ? ":" : "", call && asked->method ? asked->method : "");
}

// ---- local callers ---------------------------------------------------------------------------------------------------

static unsigned local_bit(enum wf_verb verb)
{
    switch (verb) {
    case WF_VERB_SUBSCRIBE:
    case WF_VERB_REPLAY:
        return WF_MAY_SUBSCRIBE;
    case WF_VERB_QUERY:
        return WF_MAY_QUERY;
    case WF_VERB_CALL:
        return WF_MAY_CALL;
    default:
        return WF_MAY_ADMIN;
    }
}

static bool local_product(const struct wf_conf_local *may, const char *product)
{
    struct wf_pattern p;

    for (size_t i = 0; i < may->products.count; i++)
        if (!wf_pattern_from(wf_bytes_str(may->products.items[i]), &p) &&
            wf_pattern_match(&p, product))
            return true;
    return may->products.count == 0;
}

static bool check_local(struct wf_node *n, struct wf_call *c, const struct wf_access *asked)
{
    const struct wf_conf_local *may = wf_conf_local_of(n->conf, c->caller->uid, (uint32_t)getuid());
    char text[200];

    if (may && (may->may & local_bit(asked->verb)) && local_product(may, asked->product))
        return true;
    wf_access_asked_text(asked, text, sizeof text);
    wf_call_refuse(c, WEFT_E_PERMISSION, "%s may not '%s' here; weftd.yaml's local: decides",
        c->caller->label, text);
    return false;
}

// ---- refusals --------------------------------------------------------------------------------------------------------

static void refuse(struct wf_node *n, struct wf_call *c, const struct wf_access *asked,
    const struct wf_token *t, const struct wf_decision *d, const char *why)
{
    Weft__V1__Refusal r = WEFT__V1__REFUSAL__INIT;
    char what[200], text[1024], hint[400], chain[9] = "";
    const struct wf_hash *id = t ? &t->blocks[d->block < t->block_count ? d->block : 0].id : NULL;

    wf_access_asked_text(asked, what, sizeof what);
    snprintf(hint, sizeof hint, "weft access request %s/%s --verb %s", asked->domain,
        asked->product, strrchr(what, ' ') + 1);
    if (id)
        wf_hex_put(wf_bytes(id->b, 4), chain);
    if (t && d->caveat[0] && !d->asked[0] && !d->granted[0])
        snprintf(text, sizeof text, "%s: %s: caveat '%s', chain %s block %zu; ask: %s", what,
            weft_err_text(d->err), d->caveat, chain, d->block, hint);
    else if (t && d->caveat[0])
        snprintf(text, sizeof text,
            "%s: %s: caveat '%s' (asked: %s; granted: %s), chain %s block %zu; ask: %s", what,
            weft_err_text(d->err), d->caveat, d->asked, d->granted, chain, d->block, hint);
    else
        snprintf(text, sizeof text, "%s: %s; ask: %s", what, why, hint);
    r.code = d->err;
    r.text = text;
    r.caveat = wf_pb_str(d->caveat);
    r.asked = wf_pb_str(d->asked);
    r.granted = wf_pb_str(d->granted);
    r.block = (uint32_t)d->block;
    if (id)
        r.token_id = wf_pb_bin(wf_hash_view(id));
    r.hint = hint;
    if (d->err == WEFT_E_RATE)
        r.retry_ms = 1000;
    r.audit_id = wf_pb_str(wf_access_audit(n, c->caller, "decide", what, d->err, id));
    n->access->count.refused++;
    wf_call_refuse_with(c, &r);
}

// ---- rate ------------------------------------------------------------------------------------------------------------

// A bucket of a minute's worth, refilled continuously. One token is counted once for all its sessions.
static bool within_rate(struct wf_node *n, const struct wf_token *t)
{
    uint32_t rate = wf_token_rate(t);
    const struct wf_hash *id = &wf_token_last(t)->id;
    struct wf_access_rate *r = &n->access->rates[wf_load_be32(id->b) % WF_ACCESS_RATES];
    int64_t now = wf_node_now_ms(n);

    if (rate == 0)
        return true;
    if (!wf_hash_eq(&r->token, id) || r->per_minute != rate)
        *r = (struct wf_access_rate){ *id, rate, rate, now };
    if (now > r->filled_ms) {
        r->level += (double)(now - r->filled_ms) * rate / 60000.0;
        if (r->level > rate)
            r->level = rate;
        r->filled_ms = now;
    }
    if (r->level < 1)
        return false;
    r->level -= 1;
    return true;
}

// ---- the decision ----------------------------------------------------------------------------------------------------

bool wf_access_check(struct wf_node *n, struct wf_call *c, struct wf_access *asked,
    ProtobufCBinaryData token, ProtobufCBinaryData token_id, struct wf_granted *ret)
{
    const struct wf_token *t = NULL;
    struct wf_decision d = { .err = WEFT_OK };
    struct wf_diag diag = { 0 };

    if (c->caller->local) {
        if (!check_local(n, c, asked))
            return false;
        *ret = (struct wf_granted){ .expires_ms = INT64_MAX };
        return true;
    }
    asked->mesh_id = &n->mesh_id;
    asked->who = c->caller->identity.cert.sign_key;
    asked->region = wf_access_region(n);
    d.err = wf_call_token(c, token, token_id, &t, &diag);
    if (d.err) {
        const char *why = d.err == WEFT_E_NO_CAPABILITY ? "no capability was shown"
                          : diag.text[0]                ? diag.text
                                                        : weft_err_text(d.err);
        refuse(n, c, asked, NULL, &d, why);
        return false;
    }
    // A node put back from a backup may hold a list that others know to be old.
    wf_token_decide(t, asked, wf_restored_waits(n) ? NULL : wf_access_revocations(n),
        wf_node_now_unix_ms(n), &d);
    if (!d.err && !within_rate(n, t)) {
        d.err = WEFT_E_RATE;
        snprintf(d.caveat, sizeof d.caveat, "rate");
        snprintf(d.granted, sizeof d.granted, "%u a minute", wf_token_rate(t));
    }
    if (d.err) {
        refuse(n, c, asked, t, &d, weft_err_text(d.err));
        return false;
    }
    n->access->count.granted++;
    *ret = (struct wf_granted){
        .token = t, .token_id = wf_token_last(t)->id, .expires_ms = wf_token_expires_ms(t)
    };
    return true;
}
