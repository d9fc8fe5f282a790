// SPDX-License-Identifier: Apache-2.0
// From a grant to its token: the texts of the row become the caveats of block 0, the signer signs it, the row keeps it.
#include <stdio.h>

#include "node/access/priv.h"
#include "node/restored.h"
#include "node/signer/signer.h"

struct block_room {
    struct wf_block b;
    struct wf_pattern products[WF_MAX_PATTERNS], methods[WF_MAX_CAVEAT_ITEMS];
    const char *columns[WF_MAX_CAVEAT_ITEMS], *regions[WF_MAX_CAVEAT_ITEMS];
};

static enum weft_err take_products(const char *text, struct block_room *r)
{
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, " ");
        if (r->b.product_count == WF_MAX_PATTERNS)
            return WEFT_E_TOO_BIG;
        enum weft_err err = wf_pattern_from(wf_bytes(at, len), &r->products[r->b.product_count++]);
        if (err)
            return err;
        at += len + (at[len] == ' ');
    }
    r->b.products = r->products;
    return WEFT_OK;
}

static enum weft_err take_verbs(const char *text, struct block_room *r)
{
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, " ");
        struct wf_pattern method;
        enum wf_verb verb;
        enum weft_err err = wf_verb_parse(wf_bytes(at, len), &verb, &method);
        if (!err && verb == WF_VERB_CALL && r->b.method_count == WF_MAX_CAVEAT_ITEMS)
            err = WEFT_E_TOO_BIG;
        if (err)
            return err;
        r->b.verbs |= (uint32_t)verb;
        if (verb == WF_VERB_CALL)
            r->methods[r->b.method_count++] = method;
        at += len + (at[len] == ' ');
    }
    r->b.methods = r->methods;
    return WEFT_OK;
}

static enum weft_err take_columns(const char *text, struct wf_arena *arena, struct block_room *r)
{
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, " ");
        if (r->b.column_count == WF_MAX_CAVEAT_ITEMS)
            return WEFT_E_TOO_BIG;
        enum weft_err err =
            wf_arena_str(arena, wf_bytes(at, len), &r->columns[r->b.column_count++]);
        if (err)
            return err;
        at += len + (at[len] == ' ');
    }
    r->b.columns = r->columns;
    r->b.limits_columns = r->b.column_count > 0;
    return WEFT_OK;
}

static enum weft_err take_regions(const char *text, struct wf_arena *arena, struct block_room *r)
{
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, " ");
        if (r->b.region_count == WF_MAX_CAVEAT_ITEMS)
            return WEFT_E_TOO_BIG;
        enum weft_err err =
            wf_arena_str(arena, wf_bytes(at, len), &r->regions[r->b.region_count++]);
        if (err)
            return err;
        at += len + (at[len] == ' ');
    }
    r->b.regions = r->regions;
    return WEFT_OK;
}

static enum weft_err fill(struct wf_node *n, const struct wf_grant *row, struct wf_arena *arena,
    struct block_room *r, struct wf_diag *diag)
{
    enum weft_err err = take_products(row->products, r);

    if (!err)
        err = take_verbs(row->verbs, r);
    if (!err)
        err = take_columns(row->columns ? row->columns : "", arena, r);
    if (!err)
        err = take_regions(row->regions ? row->regions : "", arena, r);
    if (!err && row->rows && row->rows[0])
        err =
            wf_row_filter_parse(wf_bytes_str(row->rows), arena, &r->b.rows, &r->b.row_count, diag);
    r->b.mesh_id = n->mesh_id;
    r->b.domain = n->identity.cert.domain;
    r->b.holder = row->holder;
    r->b.issued_ms = r->b.not_before_ms = row->issued_ms;
    r->b.expires_ms = row->expires_ms;
    r->b.purpose = "";
    r->b.rate_per_minute = row->rate_per_minute;
    wf_random(r->b.nonce, sizeof r->b.nonce);
    return err;
}

static enum weft_err mint(
    struct wf_node *n, struct wf_grant *row, struct wf_buf *raw, struct wf_diag *diag)
{
    struct wf_token *t = NULL;
    struct block_room *r = NULL;
    struct wf_arena arena;

    wf_arena_init(&arena, 256u * WF_KIB);
    r = wf_arena_calloc(&arena, 1, sizeof *r);
    enum weft_err err = r ? fill(n, row, &arena, r, diag) : WEFT_E_NOMEM;
    if (!err)
        err = wf_signer_grant(n, &r->b, raw);
    if (!err)
        err = wf_token_open(wf_buf_view(raw), &t, diag);
    if (!err) {
        row->token_id = *wf_token_id(t);
        row->has_token = true;
    }
    wf_token_free(t);
    wf_arena_fini(&arena);
    return err;
}

enum weft_err wf_access_grant(
    struct wf_node *n, struct wf_grant *row, int64_t life_ms, struct wf_diag *diag)
{
    struct wf_access_room *a = n->access;
    struct wf_grant wanted = *row;
    int64_t now = wf_node_now_unix_ms(n);

    if (!wf_signer_here(n)) {
        wf_diag_set(diag, 0, 0,
            "this node does not decide for its domain; the one with `issuer: true` does");
        return WEFT_E_NOT_OWNER;
    }
    if (!n->charter || wf_charter_is_expired(n->charter, now)) {
        wf_diag_set(diag, 0, 0, "no charter is in force: no new grants");
        return n->charter ? WEFT_E_CHARTER_EXPIRED : WEFT_E_STATE;
    }
    if (wf_restored_waits(n)) {
        wf_diag_set(
            diag, 0, 0, "it asks other nodes first what was revoked since; see: weft node status");
        return WEFT_E_BUSY;
    }
    wanted.issued_ms = now;
    wanted.expires_ms = now + (life_ms < WF_MAX_TOKEN_LIFE_MS ? life_ms : WF_MAX_TOKEN_LIFE_MS);
    if (!wanted.made_ms)
        wanted.made_ms = now;
    wanted.state = WF_GRANT_GRANTED;
    a->minted.len = 0;
    enum weft_err err = mint(n, &wanted, &a->minted, diag);
    wanted.token = wf_buf_view(&a->minted);
    // Kept before it is handed out: nothing goes round that can't be listed and revoked.
    if (!err)
        err = wf_grants_put(a->grants, &wanted);
    if (!err)
        *row = wanted;
    return err;
}
