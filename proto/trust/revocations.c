// SPDX-License-Identifier: Apache-2.0
#include "proto/base/sorted.h"
#include "proto/trust/charter.h"
#include "proto/trust/doc.h"

// ---- reading

static enum weft_err take_tokens(
    const Weft__V1__RevocationList *m, struct wf_arena *arena, struct wf_revocations *r)
{
    r->tokens = wf_arena_calloc(arena, m->n_tokens, sizeof *r->tokens);
    if (!r->tokens)
        return wf_arena_err(arena);
    for (size_t i = 0; i < m->n_tokens; i++) {
        enum weft_err err = wf_take_hash(m->tokens[i]->id, &r->tokens[i].id);
        if (!err)
            err = wf_take_time(m->tokens[i]->expires_ms, &r->tokens[i].expires_ms);
        if (!err && i && wf_hash_cmp(&r->tokens[i - 1].id, &r->tokens[i].id) >= 0)
            err = WEFT_E_ORDER;
        if (err)
            return err;
    }
    r->token_count = m->n_tokens;
    return WEFT_OK;
}

static enum weft_err take_key(
    ProtobufCBinaryData key, int64_t at_ms, struct wf_revoked_key *list, size_t i)
{
    enum weft_err err = wf_take_sign_key(key, &list[i].key);

    if (!err)
        err = wf_take_time(at_ms, &list[i].at_ms);
    if (!err && i && memcmp(list[i - 1].key.b, list[i].key.b, WF_KEY_LEN) >= 0)
        err = WEFT_E_ORDER;
    return err;
}

static enum weft_err take_keys(
    const Weft__V1__RevocationList *m, struct wf_arena *arena, struct wf_revocations *r)
{
    enum weft_err err = WEFT_OK;

    r->holders = wf_arena_calloc(arena, m->n_holders, sizeof *r->holders);
    r->origins = wf_arena_calloc(arena, m->n_origins, sizeof *r->origins);
    if (!r->holders || !r->origins)
        return wf_arena_err(arena);
    for (size_t i = 0; !err && i < m->n_holders; i++)
        err = take_key(m->holders[i]->key, m->holders[i]->before_ms, r->holders, i);
    for (size_t i = 0; !err && i < m->n_origins; i++)
        err = take_key(m->origins[i]->key, m->origins[i]->from_ms, r->origins, i);
    r->holder_count = m->n_holders;
    r->origin_count = m->n_origins;
    return err;
}

static enum weft_err take_issuer(const Weft__V1__RevocationList *m, struct wf_revocations *r)
{
    r->issuer_raw = wf_pb_view(m->issuer);
    if (r->issuer_raw.len == 0)
        return WEFT_E_MISSING_FIELD;
    enum weft_err err = wf_cert_open(r->issuer_raw, &r->issuer);
    if (err)
        return err;
    if (memcmp(r->issuer.sign_key.b, r->signer.b, WF_KEY_LEN) != 0)
        return WEFT_E_CHAIN;
    return wf_name_eq(&r->issuer.domain, &r->domain) ? WEFT_OK : WEFT_E_WRONG_DOMAIN;
}

static enum weft_err take_list(const Weft__V1__RevocationList *m, const struct wf_opened *opened,
    struct wf_arena *arena, struct wf_revocations *r)
{
    enum weft_err err = wf_doc_signer(m->signer, opened);

    r->id = opened->id;
    r->signer = opened->signer;
    if (!err)
        err = wf_take_name(m->domain, &r->domain);
    if (!err)
        err = wf_take_hash(m->mesh_id, &r->mesh_id);
    if (!err)
        err = wf_take_time(m->issued_ms, &r->issued_ms);
    if (err)
        return err;
    r->version = m->version;
    if (r->version == 0 || r->version > (uint64_t)r->issued_ms)
        return WEFT_E_RANGE;
    if (m->n_tokens > WF_MAX_REVOCATIONS || m->n_holders > WF_MAX_REVOCATIONS ||
        m->n_origins > WF_MAX_REVOCATIONS)
        return WEFT_E_TOO_BIG;
    err = take_tokens(m, arena, r);
    if (!err)
        err = take_keys(m, arena, r);
    return err ? err : take_issuer(m, r);
}

enum weft_err wf_revocations_open(struct wf_bytes raw, struct wf_revocations **ret)
{
    struct wf_revocations *r = NULL;
    struct wf_opened opened;
    struct wf_arena arena;
    Weft__V1__RevocationList *m = NULL;

    if (raw.len > WF_MAX_ENVELOPE)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, wf_doc_budget(raw.len));
    enum weft_err err = wf_doc_open(
        raw, WF_DOC_REVOCATIONS, &weft__v1__revocation_list__descriptor, &arena, &opened, &m);
    if (err)
        goto out;
    r = wf_arena_calloc(&arena, 1, sizeof *r);
    err = r ? take_list(m, &opened, &arena, r) : wf_arena_err(&arena);
    if (err)
        goto out;
    r->arena = arena; // from here on the list owns itself
    *ret = r;
    return WEFT_OK;
out:
    wf_arena_fini(&arena);
    return err;
}

void wf_revocations_free(struct wf_revocations *r)
{
    if (!r)
        return;
    struct wf_arena arena = r->arena; // r lies in it
    wf_arena_fini(&arena);
}

enum weft_err wf_revocations_verify(
    const struct wf_revocations *r, const struct wf_charter *charter, int64_t now_unix_ms)
{
    if (!wf_hash_eq(&r->mesh_id, &charter->mesh_id))
        return WEFT_E_WRONG_MESH;
    if (r->issued_ms > now_unix_ms + WF_CLOCK_TOLERANCE_MS)
        return WEFT_E_FUTURE;
    return wf_issuer_verify(&r->issuer, charter, WF_USE_REVOCATIONS, r->issued_ms);
}

// ---- writing

static enum weft_err put_tokens(
    const struct wf_revocations *r, struct wf_arena *arena, Weft__V1__RevocationList *m)
{
    Weft__V1__RevokedToken *items = wf_arena_calloc(arena, r->token_count, sizeof *items);

    m->tokens = wf_arena_calloc(arena, r->token_count, sizeof(Weft__V1__RevokedToken *));
    if (!items || !m->tokens)
        return wf_arena_err(arena);
    for (size_t i = 0; i < r->token_count; i++) {
        weft__v1__revoked_token__init(&items[i]);
        items[i].id = wf_pb_bin(wf_hash_view(&r->tokens[i].id));
        items[i].expires_ms = r->tokens[i].expires_ms;
        m->tokens[i] = &items[i];
    }
    m->n_tokens = r->token_count;
    return WEFT_OK;
}

static enum weft_err put_holders(
    const struct wf_revocations *r, struct wf_arena *arena, Weft__V1__RevocationList *m)
{
    Weft__V1__RevokedHolder *items = wf_arena_calloc(arena, r->holder_count, sizeof *items);

    m->holders = wf_arena_calloc(arena, r->holder_count, sizeof(Weft__V1__RevokedHolder *));
    if (!items || !m->holders)
        return wf_arena_err(arena);
    for (size_t i = 0; i < r->holder_count; i++) {
        weft__v1__revoked_holder__init(&items[i]);
        items[i].key = wf_pb_bin(WF_BYTES(r->holders[i].key.b));
        items[i].before_ms = r->holders[i].at_ms;
        m->holders[i] = &items[i];
    }
    m->n_holders = r->holder_count;
    return WEFT_OK;
}

static enum weft_err put_origins(
    const struct wf_revocations *r, struct wf_arena *arena, Weft__V1__RevocationList *m)
{
    Weft__V1__RevokedOrigin *items = wf_arena_calloc(arena, r->origin_count, sizeof *items);

    m->origins = wf_arena_calloc(arena, r->origin_count, sizeof(Weft__V1__RevokedOrigin *));
    if (!items || !m->origins)
        return wf_arena_err(arena);
    for (size_t i = 0; i < r->origin_count; i++) {
        weft__v1__revoked_origin__init(&items[i]);
        items[i].key = wf_pb_bin(WF_BYTES(r->origins[i].key.b));
        items[i].from_ms = r->origins[i].at_ms;
        m->origins[i] = &items[i];
    }
    m->n_origins = r->origin_count;
    return WEFT_OK;
}

static enum weft_err seal_list(const struct wf_revocations *fields, const struct wf_secret *issuer,
    struct wf_arena *arena, struct wf_buf *ret_envelope)
{
    Weft__V1__RevocationList m = WEFT__V1__REVOCATION_LIST__INIT;
    struct wf_sign_pub signer;

    wf_sign_public(issuer, &signer);
    m.domain = wf_pb_str(fields->domain.s);
    m.mesh_id = wf_pb_bin(wf_hash_view(&fields->mesh_id));
    m.version = fields->version;
    m.issued_ms = fields->issued_ms;
    m.signer = wf_pb_bin(WF_BYTES(signer.b));
    m.issuer = wf_pb_bin(fields->issuer_raw);
    enum weft_err err = put_tokens(fields, arena, &m);
    if (!err)
        err = put_holders(fields, arena, &m);
    if (!err)
        err = put_origins(fields, arena, &m);
    return err ? err : wf_doc_seal(WF_DOC_REVOCATIONS, &m, issuer, ret_envelope);
}

enum weft_err wf_revocations_sign(
    const struct wf_revocations *fields, const struct wf_secret *issuer, struct wf_buf *out)
{
    struct wf_buf envelope = { 0 };
    struct wf_revocations *check = NULL;
    struct wf_arena arena;

    wf_arena_init(&arena, WF_MAX_UNPACK);
    enum weft_err err = seal_list(fields, issuer, &arena, &envelope);
    if (!err)
        err = wf_revocations_open(wf_buf_view(&envelope), &check);
    if (!err)
        err = wf_buf_append(out, wf_buf_view(&envelope));
    wf_revocations_free(check);
    wf_arena_fini(&arena);
    wf_buf_fini(&envelope);
    return err;
}

// ---- looking up

static int by_id(const void *token, const void *id)
{
    const struct wf_revoked_token *t = token;

    return wf_hash_cmp(&t->id, id);
}

bool wf_revocations_has_token(const struct wf_revocations *r, const struct wf_hash *id)
{
    const struct wf_sorted s = { r->tokens, r->token_count, sizeof *r->tokens, by_id };

    return wf_sorted_find(&s, id) != NULL;
}

static int by_key(const void *revoked, const void *key)
{
    const struct wf_revoked_key *r = revoked;
    const struct wf_sign_pub *k = key;

    return memcmp(r->key.b, k->b, WF_KEY_LEN);
}

static const struct wf_revoked_key *find_key(
    const struct wf_revoked_key *list, size_t count, const struct wf_sign_pub *key)
{
    const struct wf_sorted s = { list, count, sizeof *list, by_key };

    return wf_sorted_find(&s, key);
}

bool wf_revocations_has_holder(
    const struct wf_revocations *r, const struct wf_sign_pub *key, int64_t issued_ms)
{
    const struct wf_revoked_key *k = find_key(r->holders, r->holder_count, key);

    return k && issued_ms < k->at_ms;
}

bool wf_revocations_has_origin(
    const struct wf_revocations *r, const struct wf_sign_pub *key, int64_t at_ms)
{
    const struct wf_revoked_key *k = find_key(r->origins, r->origin_count, key);

    return k && at_ms >= k->at_ms;
}
