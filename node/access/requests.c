// SPDX-License-Identifier: Apache-2.0
// Requests for access, as they come over the mesh. Any node of the domain takes them; the issuer's node decides, the others hand them
// on with the asker's chain, so that nobody needs to take their word for who asked.
#include "node/access/requests.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/access/priv.h"
#include "node/conf.h"
#include "node/gossip/room.h"
#include "node/signer/signer.h"
#include "node/source/room.h"
#include "proto/schema/json_out.h"

#define DENIAL_MS 86400000 // a denial answers the same request so long

// ---- answers ---------------------------------------------------------------------------------------------------------

static void answer(
    struct wf_call *c, const struct wf_grant *row, const char *state, const char *reason)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__AccessReply a = WEFT__V1__ACCESS_REPLY__INIT;

    a.state = wf_pb_str(state);
    a.reason = wf_pb_str(reason);
    if (row->has_request)
        a.request_id = wf_pb_bin(WF_BYTES(row->request_id));
    if (strcmp(state, "granted") == 0)
        a.token = wf_pb_bin(row->token);
    reply.kind_case = WEFT__V1__REPLY__KIND_ACCESS;
    reply.access = &a;
    wf_call_reply(c, &reply);
}

static void answer_row(struct wf_call *c, const struct wf_grant *row)
{
    int64_t now = wf_node_now_unix_ms(c->node);

    if (row->state == WF_GRANT_GRANTED && row->expires_ms > now)
        answer(c, row, "granted", row->reason);
    else if (row->state == WF_GRANT_GRANTED)
        answer(c, row, "denied", "the grant has expired; ask again");
    else if (row->state == WF_GRANT_PENDING)
        answer(c, row, "pending", "the owner has not decided yet");
    else
        answer(c, row, "denied",
            row->state == WF_GRANT_REVOKED ? "the owner revoked it" : row->reason);
}

// ---- notify ----------------------------------------------------------------------------------------------------------

static void on_notified(struct wf_node *n, void *arg, enum weft_err err, int status,
    struct wf_bytes output, const char *error_text)
{
    char code[16];

    (void)arg;
    (void)output;
    snprintf(code, sizeof code, "%d", status);
    if (err || status)
        wf_say(n, WF_LOG_WARN, "access", "access.notify failed", "why",
            err ? weft_err_text(err) : error_text, "status", code, NULL);
}

static void notify(struct wf_node *n, const struct wf_grant *row)
{
    struct wf_buf json = { 0 };
    struct wf_json_out o;
    char id[2 * WF_REQUEST_ID_LEN + 1];

    if (n->conf->notify.count == 0 || !n->source)
        return;
    wf_hex_put(WF_BYTES(row->request_id), id);
    wf_json_out_init(&o, &json, WF_MAX_CALL, 0);
    wf_json_out_object(&o);
    wf_json_out_member(&o, "schema", WF_STR("weft.access-request/v1"));
    wf_json_out_member(&o, "request", wf_bytes_str(id));
    wf_json_out_member(&o, "who", wf_bytes_str(row->label));
    wf_json_out_member(&o, "products", wf_bytes_str(row->products));
    wf_json_out_member(&o, "verbs", wf_bytes_str(row->verbs));
    wf_json_out_member(&o, "purpose", wf_bytes_str(row->purpose));
    wf_json_out_member_int(&o, "duration_ms", row->duration_ms);
    wf_json_out_end(&o);
    enum weft_err err = wf_json_out_done(&o);
    struct wf_run_spec spec = { .run = n->conf->notify.items,
        .run_count = n->conf->notify.count,
        .input = wf_buf_view(&json),
        .deadline_ms = wf_node_now_ms(n) + 10000 };
    if (!err)
        err = wf_source_run_once(n, &spec, on_notified, NULL);
    if (err)
        wf_say(n, WF_LOG_WARN, "access", "access.notify could not be run", "why",
            weft_err_text(err), NULL);
    wf_buf_fini(&json);
}

// ---- deciding --------------------------------------------------------------------------------------------------------

struct asker {
    struct wf_caller who; // for the trail
    const struct wf_identity *identity;
    struct wf_identity handed_on;
};

static void trail(struct wf_node *n, const struct asker *a, const struct wf_grant *row,
    const char *what, enum weft_err err)
{
    char on[256];

    snprintf(on, sizeof on, "%.120s: %.120s", row->products, row->verbs);
    wf_access_audit(n, &a->who, what, on, err, row->has_token ? &row->token_id : NULL);
}

static enum weft_err keep_pending(struct wf_node *n, struct wf_grant *row)
{
    size_t all = 0, own = 0;
    enum weft_err err = wf_grants_pending(n->access->grants, NULL, &all);

    if (!err)
        err = wf_grants_pending(n->access->grants, &row->holder, &own);
    if (!err && (all >= WF_ACCESS_PENDING || own >= WF_ACCESS_PENDING_HOLDER))
        err = WEFT_E_FULL;
    if (err)
        return err;
    wf_random(row->request_id, sizeof row->request_id);
    row->has_request = true;
    row->state = WF_GRANT_PENDING;
    row->how = "request";
    row->made_ms = wf_node_now_unix_ms(n);
    err = wf_grants_put(n->access->grants, row);
    if (!err)
        notify(n, row);
    return err;
}

// A program that just wants to read or call: it gets what a rule gives, or the reason, and nobody is bothered.
static void refuse_without_rule(
    struct wf_node *n, struct wf_call *c, const struct wf_grant *row, const char *why)
{
    Weft__V1__Refusal r = WEFT__V1__REFUSAL__INIT;
    const char *domain = n->identity.cert.domain.s;
    char text[512], hint[300], asked[200];

    snprintf(asked, sizeof asked, "%.90s: %.90s", row->products, row->verbs);
    snprintf(hint, sizeof hint, "weft access request %s/%.90s --verb %.90s --purpose TEXT --wait",
        domain, row->products, row->verbs);
    snprintf(text, sizeof text, "%s: %.200s; ask: %.200s", weft_err_text(WEFT_E_NO_CAPABILITY), why,
        hint);
    r.code = WEFT_E_NO_CAPABILITY;
    r.text = text;
    r.asked = asked;
    r.hint = hint;
    wf_call_refuse_with(c, &r);
}

// Who looks for a token gives no purpose; what was decided for one counts.
static struct wf_grant question_of(const struct wf_call *c, const struct wf_grant *row)
{
    struct wf_grant like = *row;

    if (c->request->access->policy_only)
        like.purpose = NULL;
    return like;
}

// The newest row like the question in this state; *ret_any: there is one. What can't be read is not what isn't there.
static enum weft_err find_like(struct wf_node *n, struct wf_call *c, const struct wf_grant *row,
    enum wf_grant_state state, struct wf_grant *ret, bool *ret_any)
{
    struct wf_grant like = question_of(c, row);
    enum weft_err err = wf_grants_like(n->access->grants, &like, state, c->arena, ret);

    *ret_any = !err;
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

// What was decided before answers the same question again: a token that lives,
static enum weft_err known_grant(
    struct wf_node *n, struct wf_call *c, const struct wf_grant *row, bool *ret_answered)
{
    struct wf_grant old;
    int64_t now = wf_node_now_unix_ms(n);
    enum weft_err err = find_like(n, c, row, WF_GRANT_GRANTED, &old, ret_answered);

    if (err || !*ret_answered)
        return err;
    bool by_policy = strcmp(old.how, "policy") == 0;
    *ret_answered = old.expires_ms > now &&
                    (!by_policy || old.expires_ms - now > (old.expires_ms - old.issued_ms) / 2);
    if (*ret_answered)
        answer(c, &old, "granted", "");
    return WEFT_OK;
}

// a request that waits, a recent denial.
static enum weft_err known_wait(
    struct wf_node *n, struct wf_call *c, const struct wf_grant *row, bool *ret_answered)
{
    struct wf_grant old;
    bool waits = false;
    enum weft_err err = find_like(n, c, row, WF_GRANT_PENDING, &old, &waits);

    *ret_answered = waits;
    if (!err && !waits)
        err = find_like(n, c, row, WF_GRANT_DENIED, &old, ret_answered);
    if (err || !*ret_answered)
        return err;
    *ret_answered = waits || wf_node_now_unix_ms(n) - old.made_ms < DENIAL_MS;
    if (waits && c->request->access->policy_only)
        refuse_without_rule(n, c, row, "a request of yours waits for the owner");
    else if (*ret_answered)
        answer_row(c, &old);
    return WEFT_OK;
}

// A rule goes before a request that waits only when nothing but rules was asked for.
static enum weft_err known_answer(
    struct wf_node *n, struct wf_call *c, const struct wf_grant *row, bool *ret_answered)
{
    enum weft_err err = known_grant(n, c, row, ret_answered);

    return err || *ret_answered || c->request->access->policy_only
               ? err
               : known_wait(n, c, row, ret_answered);
}

static enum weft_err grant_by_rule(struct wf_node *n, struct wf_call *c, const struct asker *a,
    struct wf_grant *row, int64_t life_ms)
{
    struct wf_diag diag = { 0 };
    bool answered = false;
    enum weft_err err = known_answer(n, c, row, &answered); // with the columns of the rule

    if (err || answered)
        return err;
    row->how = "policy";
    err = wf_access_grant(n, row, life_ms, &diag);
    if (err) {
        wf_call_refuse(c, err, "access: %s", diag.text[0] ? diag.text : weft_err_text(err));
        return WEFT_OK;
    }
    n->access->count.by_policy++;
    trail(n, a, row, "grant by policy", WEFT_OK);
    answer(c, row, "granted", "");
    return WEFT_OK;
}

// No rule gives it, and `why` says so: a person is asked, unless the asker wants none to be.
static enum weft_err ask_a_person(struct wf_node *n, struct wf_call *c, const struct asker *a,
    struct wf_grant *row, const char *why)
{
    char text[256];
    bool answered = false;
    enum weft_err err = WEFT_OK;

    if (c->request->access->policy_only) {
        err = known_wait(n, c, row, &answered);
        if (!err && !answered)
            refuse_without_rule(n, c, row, why);
        return err;
    }
    err = keep_pending(n, row);
    if (err)
        return err;
    trail(n, a, row, "access request", WEFT_OK);
    snprintf(text, sizeof text, "%.200s; a person decides", why);
    answer(c, row, "pending", text);
    return WEFT_OK;
}

static void decide(struct wf_node *n, struct wf_call *c, struct asker *a)
{
    struct wf_grant row = { 0 };
    struct wf_diag diag = { 0 };
    int64_t life_ms = 0;
    bool answered = false;
    enum weft_err err = wf_access_read_request(c->request->access, c->arena, &row, &diag);

    row.holder = a->identity->cert.sign_key;
    row.label = a->who.label;
    if (!err)
        err = known_answer(n, c, &row, &answered);
    if (answered)
        return;
    if (!err)
        err = wf_access_policy(n, a->identity, &row, c->arena, &life_ms, &diag);
    if (!err)
        err = grant_by_rule(n, c, a, &row, life_ms);
    else if (err == WEFT_E_NO_CAPABILITY)
        err = ask_a_person(n, c, a, &row, diag.text);
    if (err)
        wf_call_refuse(c, err, "access: %s", diag.text[0] ? diag.text : weft_err_text(err));
}

static void poll_request(struct wf_node *n, struct wf_call *c, const struct asker *a)
{
    struct wf_grant row;
    enum weft_err err = wf_grants_by_request(
        n->access->grants, wf_pb_view(c->request->access->request_id), c->arena, &row);

    // Another one's request is no more known than one that never was.
    if (!err && memcmp(row.holder.b, a->identity->cert.sign_key.b, WF_KEY_LEN) != 0)
        err = WEFT_E_NOT_FOUND;
    if (err)
        wf_call_refuse(c, err, "access: no such request of yours is known here");
    else
        answer_row(c, &row);
}

// ---- handing on ------------------------------------------------------------------------------------------------------

static void on_handed(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_call *c = arg;
    Weft__V1__Reply copy = WEFT__V1__REPLY__INIT;

    if (!err && reply->kind_case == WEFT__V1__REPLY__KIND_ACCESS) {
        copy.kind_case = reply->kind_case;
        copy.access = reply->access;
        wf_call_reply(c, &copy);
    } else if (reply && reply->refusal) {
        Weft__V1__Refusal r = *reply->refusal;
        wf_call_refuse_with(c, &r);
    } else if (err == WEFT_E_CLOSED) {
        wf_call_refuse(c, err, "the node is stopping");
    } else {
        wf_call_refuse(c, WEFT_E_UNREACHABLE,
            "access: the node that decides for %s does not answer; ask again later",
            c->node->identity.cert.domain.s);
    }
}

static void hand_on(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Request *q = wf_arena_alloc(c->arena, sizeof *q);
    Weft__V1__AccessRequest *m = wf_arena_alloc(c->arena, sizeof *m);
    struct wf_bytes chain = { 0 };
    enum weft_err err = q && m ? wf_arena_dup(c->arena, wf_call_chain(c), &chain) : WEFT_E_NOMEM;

    if (!err) {
        *m = *c->request->access;
        m->for_chain = wf_pb_bin(chain);
        weft__v1__request__init(q);
        q->kind_case = WEFT__V1__REQUEST__KIND_ACCESS;
        q->idempotency = c->request->idempotency;
        q->access = m;
        err = wf_gossip_ask_issuer(n, q, on_handed, c);
    }
    if (err)
        wf_call_refuse(c, err, "access: %s", weft_err_text(err));
}

// ---- the handler -----------------------------------------------------------------------------------------------------

// Whoever hands on must be a node of this domain, and shows the chain of who asked.
static enum weft_err take_asker(struct wf_node *n, struct wf_call *c, struct asker *a)
{
    struct wf_bytes chain = wf_pb_view(c->request->access->for_chain);
    const struct wf_identity *from = &c->caller->identity;

    a->who = *c->caller;
    a->identity = from;
    if (chain.len == 0)
        return WEFT_OK;
    if (from->cert.kind != WF_ID_NODE || !wf_name_eq(&from->cert.domain, &n->identity.cert.domain))
        return WEFT_E_NOT_OWNER;
    enum weft_err err =
        wf_chain_verify(chain, n->charter, wf_node_now_unix_ms(n), WF_CHAIN_STRICT, &a->handed_on);
    if (!err && wf_access_key_revoked(n, a->handed_on.cert.domain.s, &a->handed_on.cert.sign_key,
                    wf_node_now_unix_ms(n)))
        err = WEFT_E_REVOKED;
    if (err)
        return err;
    a->identity = &a->handed_on;
    a->who.identity = a->handed_on;
    snprintf(a->who.label, sizeof a->who.label, "%s/%s", a->handed_on.cert.domain.s,
        a->handed_on.cert.subject.s);
    return WEFT_OK;
}

void wf_access_handle(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__AccessRequest *m = c->request->access;
    struct asker *a = wf_arena_calloc(c->arena, 1, sizeof *a);

    n->access->count.requests++;
    enum weft_err err = a ? take_asker(n, c, a) : WEFT_E_NOMEM;
    if (!err && m->domain[0] && strcmp(m->domain, n->identity.cert.domain.s) != 0)
        err = WEFT_E_WRONG_DOMAIN;
    if (err) {
        wf_call_refuse(c, err, "access: %s", weft_err_text(err));
    } else if (!wf_signer_here(n)) {
        if (m->for_chain.len)
            wf_call_refuse(c, WEFT_E_NOT_OWNER, "access: this node does not decide either");
        else
            hand_on(n, c);
    } else if (m->request_id.len) {
        poll_request(n, c, a);
    } else {
        decide(n, c, a);
    }
}
