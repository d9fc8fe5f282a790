// SPDX-License-Identifier: Apache-2.0
// The capability to show: one at hand, else one asked for. What the owner's policy grants is there at once and kept for later.
#include <stdio.h>
#include <stdlib.h>

#include "proto/schema/known.h"
#include "sdk/client_int.h"

struct token_op {
    struct weft_client *c;
    struct wf_target target;
    enum wf_verb verb;
    wf_client_token_fn done;
    void *arg;
    bool renews;
    struct wf_link *owner;     // who is asked
    struct weft_problem first; // why replay is refused, while subscribe is asked for in its place
};

static void end_op(struct token_op *o, enum weft_err err, const struct weft_problem *problem,
    const struct wf_token *token)
{
    wf_client_token_fn done = o->done;
    void *arg = o->arg;

    free(o);
    done(arg, err, problem, token);
}

static void verb_text(const struct token_op *o, char out[160])
{
    if (o->verb == WF_VERB_CALL)
        snprintf(out, 160, "call:%s", o->target.method);
    else
        snprintf(out, 160, "%s", wf_verb_name(o->verb));
}

static void fail_op(struct token_op *o, enum weft_err err, const char *reason)
{
    struct weft_problem p;
    char verb[160];

    verb_text(o, verb);
    wf_problem_set(&p, err, "%s%s/%s %s: %s", weft_err_exit(err) == 77 ? "refused: " : "",
        o->target.domain.s, o->target.product.s, verb,
        reason && reason[0] ? reason : weft_err_text(err));
    snprintf(p.hint, sizeof p.hint, "weft access request %s/%s --verb %.60s --purpose TEXT --wait",
        o->target.domain.s, o->target.product.s, verb);
    end_op(o, err, &p, NULL);
}

// `subscribe` includes the history that the product keeps (ADR 21).
static enum weft_err find_token(const struct token_op *o, int64_t now, struct wf_token **ret)
{
    const struct wf_target *t = &o->target;
    enum weft_err err = wf_identity_find_token(
        o->c->identity, t->domain.s, t->product.s, o->verb, t->method, now, ret);

    if (err != WEFT_E_NO_CAPABILITY || o->verb != WF_VERB_REPLAY)
        return err;
    return wf_identity_find_token(
        o->c->identity, t->domain.s, t->product.s, WF_VERB_SUBSCRIBE, t->method, now, ret);
}

static enum weft_err at_hand(const struct token_op *o, struct wf_token **ret)
{
    const struct wf_identity_dir *d = o->c->identity;
    int64_t now = wf_loop_now_unix_ms(o->c->loop);
    struct wf_token *t = NULL;
    enum weft_err err = find_token(o, now, &t);

    if (err)
        return err;
    if (wf_token_verify(t, d->charter, now)) { // of an issuer that is no more
        wf_token_free(t);
        return WEFT_E_NO_CAPABILITY;
    }
    *ret = t;
    return WEFT_OK;
}

static void use_granted(struct token_op *o, struct wf_bytes raw)
{
    struct wf_token *t = NULL;
    struct wf_diag diag = { 0 };
    int64_t now = wf_loop_now_unix_ms(o->c->loop);
    enum weft_err err = wf_identity_import_token(o->c->identity, raw, now, NULL, &diag);

    if (!err)
        err = wf_token_open(raw, &t, &diag);
    if (err) {
        fail_op(o, err, diag.text);
        return;
    }
    end_op(o, WEFT_OK, NULL, t);
    wf_token_free(t);
}

// One for the product that does not grant this: the owner's decision on it names the caveat, the block, and what to do.
static bool show_what_there_is(struct token_op *o)
{
    int64_t now = wf_loop_now_unix_ms(o->c->loop);
    struct wf_token *t = NULL;

    if (wf_identity_find_any_token(
            o->c->identity, o->target.domain.s, o->target.product.s, now, &t))
        return false;
    end_op(o, WEFT_OK, NULL, t);
    wf_token_free(t);
    return true;
}

// Who had a token is told that it ended: the owner has seen none, and can't say so.
static void tell_of_ended(const struct token_op *o, struct weft_problem *p)
{
    const struct wf_target *t = &o->target;
    const struct wf_identity_dir *d = o->c->identity;
    int64_t now = wf_loop_now_unix_ms(o->c->loop);
    int64_t ended =
        wf_identity_token_ended_ms(d, t->domain.s, t->product.s, o->verb, t->method, now);
    char time[WF_MOMENT_TEXT];
    char *ask = strstr(p->text, "; ask: "); // what the hint says, too

    if (!ended && o->verb == WF_VERB_REPLAY)
        ended = wf_identity_token_ended_ms(
            d, t->domain.s, t->product.s, WF_VERB_SUBSCRIBE, t->method, now);
    if (!ended)
        return;
    wf_timestamp_print((struct wf_moment){ ended / 1000, 0 }, time);
    size_t len = ask && p->hint[0] ? (size_t)(ask - p->text) : strlen(p->text);
    snprintf(p->text + len, sizeof p->text - len, "; the token held for it expired at %s", time);
}

static void ask(struct token_op *o);

// No rule gives replay: one that gives subscribe gives it, too (ADR 21). Refused both, who asked is told of what it asked for.
static bool ask_for_more(struct token_op *o, const Weft__V1__Reply *reply)
{
    char what[300];

    if (o->verb != WF_VERB_REPLAY)
        return false;
    snprintf(what, sizeof what, "%s/%s replay", o->target.domain.s, o->target.product.s);
    wf_problem_from_reply(&o->first, WEFT_E_NO_CAPABILITY, reply, what);
    o->verb = WF_VERB_SUBSCRIBE;
    ask(o);
    return true;
}

static void on_answer(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct token_op *o = arg;
    const Weft__V1__AccessReply *a = err ? NULL : reply->access;

    if (err == WEFT_E_NO_CAPABILITY && ask_for_more(o, reply))
        return;
    if (err == WEFT_E_NO_CAPABILITY && !o->renews && show_what_there_is(o))
        return;
    if (err == WEFT_E_NO_CAPABILITY && o->first.err) {
        tell_of_ended(o, &o->first);
        struct weft_problem p = o->first;
        end_op(o, err, &p, NULL);
    } else if (err) {
        struct weft_problem p;
        char what[300], verb[160];
        verb_text(o, verb);
        snprintf(what, sizeof what, "%s/%s %s", o->target.domain.s, o->target.product.s, verb);
        wf_problem_from_reply(&p, err, reply, what);
        if (err == WEFT_E_NO_CAPABILITY)
            tell_of_ended(o, &p);
        end_op(o, err, &p, NULL);
    } else if (!a) {
        fail_op(o, WEFT_E_PROTOCOL, NULL);
    } else if (strcmp(a->state, "granted") == 0 && a->token.len) {
        use_granted(o, wf_pb_view(a->token));
    } else if (strcmp(a->state, "pending") == 0) {
        fail_op(o, WEFT_E_PENDING, a->reason);
    } else if (strcmp(a->state, "denied") == 0) {
        fail_op(o, WEFT_E_DENIED, a->reason);
    } else {
        fail_op(o, WEFT_E_NO_CAPABILITY, a->reason);
    }
}

static void ask(struct token_op *o)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__AccessRequest access = WEFT__V1__ACCESS_REQUEST__INIT;
    char verb[160], *verbs[] = { verb }, *products[] = { o->target.product.s };
    uint8_t key[16];

    verb_text(o, verb);
    access.domain = o->target.domain.s;
    access.n_products = 1;
    access.products = products;
    access.n_verbs = 1;
    access.verbs = verbs;
    access.policy_only = 1; // a person is asked by a person: weft access request
    q.kind_case = WEFT__V1__REQUEST__KIND_ACCESS;
    q.access = &access;
    wf_client_key(&q, key);
    wf_client_send(o->c, o->owner, &q, 0, on_answer, o);
}

void wf_client_token(struct weft_client *c, struct wf_link *owner, const struct wf_target *t,
    enum wf_verb verb, bool renew, wf_client_token_fn done, void *arg)
{
    struct wf_token *token = NULL;
    struct weft_problem p;
    struct token_op *o = NULL;

    if (owner == c->local || !c->identity) { // the node decides by uid
        done(arg, WEFT_OK, NULL, NULL);
        return;
    }
    o = calloc(1, sizeof *o);
    if (!o) {
        wf_problem_set(&p, WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
        done(arg, WEFT_E_NOMEM, &p, NULL);
        return;
    }
    *o = (struct token_op){ .c = c,
        .target = *t,
        .verb = verb,
        .done = done,
        .arg = arg,
        .renews = renew,
        .owner = owner };
    enum weft_err err = renew ? WEFT_E_NO_CAPABILITY : at_hand(o, &token);
    if (err == WEFT_E_NO_CAPABILITY) {
        ask(o);
    } else if (err) {
        fail_op(o, err, NULL);
    } else {
        end_op(o, WEFT_OK, NULL, token);
        wf_token_free(token);
    }
}

bool wf_client_has_other_token(
    const struct weft_client *c, const struct wf_target *t, enum wf_verb verb, struct wf_bytes than)
{
    const struct token_op o = {
        .c = (struct weft_client *)(uintptr_t)c, .target = *t, .verb = verb
    };
    struct wf_token *token = NULL;

    if (at_hand(&o, &token))
        return false;
    bool other = !wf_bytes_eq(wf_buf_view(&token->raw), than);
    wf_token_free(token);
    return other;
}
