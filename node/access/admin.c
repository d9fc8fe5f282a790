// SPDX-License-Identifier: Apache-2.0
// The owner's side on the local socket: what is granted, what waits and what was refused; grant, deny, revoke.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/priv.h"
#include "node/access/requests.h"
#include "node/signer/signer.h"

#define HAND_LIFE_MS (7ll * 86400000)
#define LIST_MAX     1000u

struct listing {
    struct wf_node *node;
    struct wf_arena *arena;
    int64_t now;
    Weft__V1__GrantInfo **list;
    size_t count;
};

static char *text_in(struct wf_arena *a, const char *s)
{
    const char *copy = NULL;

    return !s || wf_arena_str(a, wf_bytes_str(s), &copy) ? wf_pb_str("") : wf_pb_str(copy);
}

static ProtobufCBinaryData bytes_in(struct wf_arena *a, struct wf_bytes b)
{
    struct wf_bytes copy = { 0 };

    return wf_pb_bin(wf_arena_dup(a, b, &copy) ? wf_bytes(NULL, 0) : copy);
}

static char **words_in(struct wf_arena *a, const char *text, size_t *ret_count)
{
    char **v = wf_arena_calloc(a, strlen(text) / 2 + 1, sizeof *v);

    for (const char *at = text; v && *at;) {
        size_t len = strcspn(at, " ");
        const char *word = NULL;
        if (!wf_arena_str(a, wf_bytes(at, len), &word))
            v[(*ret_count)++] = wf_pb_str(word);
        at += len + (at[len] == ' ');
    }
    return v;
}

static Weft__V1__GrantInfo *info_of(
    struct wf_node *n, struct wf_arena *a, const struct wf_grant *row, int64_t now)
{
    Weft__V1__GrantInfo *i = wf_arena_alloc(a, sizeof *i);
    bool expired = row->state == WF_GRANT_GRANTED && row->expires_ms <= now;

    if (!i)
        return NULL;
    weft__v1__grant_info__init(i);
    if (row->has_token)
        i->token_id = bytes_in(a, wf_hash_view(&row->token_id));
    if (row->has_request)
        i->request_id = bytes_in(a, WF_BYTES(row->request_id));
    i->holder = text_in(a, row->label);
    i->holder_key = bytes_in(a, WF_BYTES(row->holder.b));
    i->products = words_in(a, row->products, &i->n_products);
    i->verbs = words_in(a, row->verbs, &i->n_verbs);
    i->issued_ms = row->issued_ms ? row->issued_ms : row->made_ms;
    i->expires_ms = row->expires_ms;
    i->state = wf_pb_str(expired ? "expired" : wf_grant_state_name(row->state));
    i->how = text_in(a, row->how);
    i->purpose = text_in(a, row->purpose);
    i->over_percent = wf_access_over(n, row);
    return i;
}

static enum weft_err list_row(void *arg, const struct wf_grant *row)
{
    struct listing *l = arg;

    if (l->count == LIST_MAX)
        return WEFT_E_PARTIAL;
    Weft__V1__GrantInfo *i = info_of(l->node, l->arena, row, l->now);
    if (!i)
        return WEFT_E_PARTIAL;
    l->list[l->count++] = i;
    return WEFT_OK;
}

static void reply_with(struct wf_call *c, Weft__V1__GrantReply *r)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;

    reply.kind_case = WEFT__V1__REPLY__KIND_GRANT;
    reply.grant = r;
    wf_call_reply(c, &reply);
}

static void list(struct wf_node *n, struct wf_call *c, enum wf_grant_state state)
{
    struct listing l = { .node = n, .arena = c->arena, .now = wf_node_now_unix_ms(n) };
    Weft__V1__GrantReply r = WEFT__V1__GRANT_REPLY__INIT;

    l.list = wf_arena_calloc(c->arena, LIST_MAX, sizeof *l.list);
    enum weft_err err =
        l.list ? wf_grants_each(n->access->grants, state, list_row, &l) : wf_arena_err(c->arena);
    if (err && err != WEFT_E_PARTIAL) {
        wf_call_refuse(c, err, "grants: %s", weft_err_text(err));
        return;
    }
    r.grants = l.list;
    r.n_grants = l.count;
    reply_with(c, &r);
}

static Weft__V1__RefusedAttempt *attempt_of(struct wf_arena *a, const struct wf_refused_row *row)
{
    Weft__V1__RefusedAttempt *m = wf_arena_alloc(a, sizeof *m);

    if (!m)
        return NULL;
    weft__v1__refused_attempt__init(m);
    m->who = text_in(a, row->who);
    m->what = text_in(a, row->what);
    m->code = row->code;
    m->count = row->count;
    m->first_ms = row->first_ms;
    m->last_ms = row->last_ms;
    m->from = text_in(a, row->from);
    m->audit_id = text_in(a, row->audit_id);
    return m;
}

static void list_refused(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__GrantReply r = WEFT__V1__GRANT_REPLY__INIT;
    const struct wf_refused_row **rows = wf_arena_calloc(c->arena, LIST_MAX, sizeof *rows);

    r.refused = wf_arena_calloc(c->arena, LIST_MAX, sizeof *r.refused);
    size_t count = rows && r.refused ? wf_refused_recent(n->access->refused, rows, LIST_MAX) : 0;
    while (r.n_refused < count) {
        Weft__V1__RefusedAttempt *m = attempt_of(c->arena, rows[r.n_refused]);
        if (!m)
            break; // the most recent ones are there
        r.refused[r.n_refused++] = m;
    }
    reply_with(c, &r);
}

// ---- grant and deny --------------------------------------------------------------------------------------------------

static enum weft_err find_pending(
    struct wf_node *n, struct wf_call *c, struct wf_grant *row, struct wf_diag *diag)
{
    enum weft_err err = wf_grants_by_request(
        n->access->grants, wf_pb_view(c->request->grant->request_id), c->arena, row);

    if (err) {
        wf_diag_set(diag, 0, 0, "no such request; weft access list --pending shows what waits");
        return err;
    }
    if (row->state == WF_GRANT_PENDING || row->state == WF_GRANT_DENIED)
        return WEFT_OK;
    wf_diag_set(diag, 0, 0, "the request is %s already", wf_grant_state_name(row->state));
    return WEFT_E_STATE;
}

static struct wf_access_lists lists_of(const Weft__V1__GrantRequest *m)
{
    return (struct wf_access_lists){ .products = m->products,
        .verbs = m->verbs,
        .columns = m->columns,
        .regions = m->regions,
        .product_count = m->n_products,
        .verb_count = m->n_verbs,
        .column_count = m->n_columns,
        .region_count = m->n_regions,
        .patterns = true };
}

// A grant without a request: everything is said here.
static enum weft_err by_hand(struct wf_call *c, struct wf_grant *row, struct wf_diag *diag)
{
    const Weft__V1__GrantRequest *m = c->request->grant;
    struct wf_access_lists in = lists_of(m);
    enum weft_err err = wf_access_read_lists(&in, c->arena, row, diag);

    if (!err && m->holder.len != WF_KEY_LEN) {
        wf_diag_set(diag, 0, 0, "name the holder's key, as `weft key show` prints it there");
        err = WEFT_E_KEY;
    }
    if (err)
        return err;
    memcpy(row->holder.b, m->holder.data, WF_KEY_LEN);
    row->how = "hand";
    row->purpose = m->purpose;
    return WEFT_OK;
}

// What the person says beside the request takes the place of what was asked, but for the holder.
static enum weft_err overrule(struct wf_call *c, struct wf_grant *row, struct wf_diag *diag)
{
    const Weft__V1__GrantRequest *m = c->request->grant;
    struct wf_access_lists in = lists_of(m);
    struct wf_grant said = { 0 };

    in.partial = true;
    enum weft_err err = wf_access_read_lists(&in, c->arena, &said, diag);
    if (err)
        return err;
    if (m->n_products)
        row->products = said.products;
    if (m->n_verbs)
        row->verbs = said.verbs;
    if (m->n_columns)
        row->columns = said.columns;
    row->regions = said.regions; // a request names none
    return WEFT_OK;
}

static void trail(struct wf_node *n, struct wf_call *c, const char *what,
    const struct wf_grant *row, enum weft_err err)
{
    char on[320];

    snprintf(on, sizeof on, "%.100s: %.80s to %.100s", row->products ? row->products : "*",
        row->verbs ? row->verbs : "*", row->label && row->label[0] ? row->label : "a key");
    wf_access_audit(n, c->caller, what, on, err, row->has_token ? &row->token_id : NULL);
}

static void grant(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__GrantRequest *m = c->request->grant;
    Weft__V1__GrantReply r = WEFT__V1__GRANT_REPLY__INIT;
    struct wf_grant row = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = WEFT_OK;

    if (m->request_id.len) {
        err = find_pending(n, c, &row, &diag);
        if (!err)
            err = overrule(c, &row, &diag);
    } else {
        err = by_hand(c, &row, &diag);
    }
    if (!err && (m->duration_ms < 0 || m->duration_ms > WF_MAX_TOKEN_LIFE_MS)) {
        wf_diag_set(&diag, 0, 0, "a token lives at most 366 days");
        err = WEFT_E_RANGE;
    }
    if (m->rows[0])
        row.rows = m->rows;
    if (m->rate_per_minute)
        row.rate_per_minute = m->rate_per_minute;
    row.reason = m->reason;
    int64_t life = m->duration_ms    ? m->duration_ms
                   : row.duration_ms ? row.duration_ms
                                     : HAND_LIFE_MS;
    if (!err)
        err = wf_access_grant(n, &row, life, &diag);
    if (err) {
        wf_call_refuse(c, err, "grant: %s", diag.text[0] ? diag.text : weft_err_text(err));
        return;
    }
    trail(n, c, "grant", &row, WEFT_OK);
    Weft__V1__GrantInfo *info = info_of(n, c->arena, &row, row.issued_ms);
    r.grants = &info;
    r.n_grants = info ? 1 : 0;
    r.token = wf_pb_bin(row.token);
    reply_with(c, &r);
}

static void deny(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__GrantReply r = WEFT__V1__GRANT_REPLY__INIT;
    struct wf_grant row = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = find_pending(n, c, &row, &diag);

    row.state = WF_GRANT_DENIED;
    row.reason = c->request->grant->reason;
    row.made_ms = wf_node_now_unix_ms(n);
    if (!err)
        err = wf_grants_put(n->access->grants, &row);
    if (err) {
        wf_call_refuse(c, err, "deny: %s", diag.text[0] ? diag.text : weft_err_text(err));
        return;
    }
    trail(n, c, "deny", &row, WEFT_OK);
    reply_with(c, &r);
}

// ---- revoke ----------------------------------------------------------------------------------------------------------

// A token that this node never kept (a later block, say) is revoked all the same; it may be forgotten when no token can live any more.
static enum weft_err revoke_token(struct wf_node *n, struct wf_call *c, struct wf_grant *row)
{
    struct wf_revoked_token token = { .expires_ms = wf_node_now_unix_ms(n) + WF_MAX_TOKEN_LIFE_MS };
    const struct wf_access_additions add = { .token = &token };
    enum weft_err err = wf_hash_from(wf_pb_view(c->request->grant->token_id), &token.id);

    if (err)
        return err;
    err = wf_grants_by_token(n->access->grants, &token.id, c->arena, row);
    bool kept = !err;
    if (err && err != WEFT_E_NOT_FOUND) // what can't be read may be kept: a rule would give it back
        return err;
    if (kept && row->expires_ms)
        token.expires_ms = row->expires_ms;
    err = wf_access_sign_list(n, &add);
    if (err || !kept)
        return err;
    row->state = WF_GRANT_REVOKED;
    row->reason = c->request->grant->reason;
    wf_control_drop(n, &row->holder);
    return wf_grants_put(n->access->grants, row);
}

static enum weft_err revoke_holder(struct wf_node *n, struct wf_call *c, struct wf_grant *row)
{
    const Weft__V1__GrantRequest *m = c->request->grant;
    // Up to and with this moment: a grant made in the same millisecond is older than the revocation.
    struct wf_revoked_key holder = { .at_ms = wf_node_now_unix_ms(n) + 1 };
    const struct wf_access_additions add = { .holder = &holder };

    if (m->holder.len != WF_KEY_LEN)
        return WEFT_E_KEY;
    memcpy(holder.key.b, m->holder.data, WF_KEY_LEN);
    row->holder = holder.key;
    enum weft_err err = wf_access_sign_list(n, &add);
    return err ? err : wf_grants_revoke_holder(n->access->grants, &holder.key);
}

static void revoke(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__GrantReply r = WEFT__V1__GRANT_REPLY__INIT;
    struct wf_grant row = { 0 };
    enum weft_err err =
        c->request->grant->token_id.len ? revoke_token(n, c, &row) : revoke_holder(n, c, &row);

    if (err) {
        wf_call_refuse(c, err, "revoke: %s",
            err == WEFT_E_NOT_OWNER ? "this node does not decide for its domain; the one with "
                                      "`issuer: true` does"
            : err == WEFT_E_KEY     ? "name a token's id or a holder's key"
                                    : weft_err_text(err));
        return;
    }
    n->access->count.revoked++;
    trail(n, c, "revoke", &row, WEFT_OK);
    reply_with(c, &r);
}

void wf_access_grant_handle(struct wf_node *n, struct wf_call *c)
{
    switch (c->request->grant->action) {
    case WEFT__V1__GRANT_REQUEST__ACTION__ACTION_LIST:
        list(n, c, 0);
        break;
    case WEFT__V1__GRANT_REQUEST__ACTION__ACTION_PENDING:
        list(n, c, WF_GRANT_PENDING);
        break;
    case WEFT__V1__GRANT_REQUEST__ACTION__ACTION_GRANT:
        grant(n, c);
        break;
    case WEFT__V1__GRANT_REQUEST__ACTION__ACTION_DENY:
        deny(n, c);
        break;
    case WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REVOKE:
        revoke(n, c);
        break;
    case WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REFUSED:
        list_refused(n, c);
        break;
    default:
        wf_call_refuse(c, WEFT_E_REQUEST, "grant: unknown action");
    }
}
