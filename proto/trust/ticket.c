// SPDX-License-Identifier: Apache-2.0
// Things that people carry from one machine to another: join tickets, a domain's public part, an identity's two keys. All are
// printed forms over unsigned messages; a ticket is proven by its secret, the others by who handed them over.
#include <stdio.h>

#include "proto/base/print.h"
#include "proto/trust/doc.h"

// A printed form has 8 characters for 5 bytes, a prefix, a checksum, and perhaps white space around it.
#define TEXT_MAX(bytes) ((bytes)*2u + 64u)

// Packs, prints, and leaves no copy of the message behind: it may hold a secret.
static enum weft_err print_message(const void *message, const char *prefix, struct wf_buf *out)
{
    struct wf_buf body = { 0 };
    enum weft_err err = wf_doc_pack(message, &body);

    if (!err && body.len > WF_MAX_TICKET)
        err = WEFT_E_TOO_BIG;
    if (!err)
        err = wf_print(prefix, wf_buf_view(&body), out);
    if (body.ptr)
        wf_wipe(body.ptr, body.len);
    wf_buf_fini(&body);
    return err;
}

static enum weft_err parse_text(const char *prefix, struct wf_bytes text, struct wf_buf *ret_body)
{
    if (text.len > TEXT_MAX(WF_MAX_TICKET))
        return WEFT_E_TOO_BIG;
    return wf_print_parse(prefix, text, ret_body);
}

// ---- tickets

void wf_ticket_fini(struct wf_ticket *t)
{
    wf_secret_fini(&t->secret);
    *t = (struct wf_ticket){ 0 };
}

// What name_prefix may be: how a name can begin, such as "web-". Kept in a wf_name although it need not be one.
static enum weft_err take_name_prefix(const char *in, struct wf_name *ret)
{
    struct wf_pattern pattern;
    char text[WF_MAX_NAME + 2];
    int len = snprintf(text, sizeof text, "%s*", in);

    if (len < 0 || (size_t)len >= sizeof text)
        return WEFT_E_NAME;
    enum weft_err err = wf_pattern_from(wf_bytes(text, (size_t)len), &pattern);
    if (err)
        return err;
    memcpy(ret->s, text, (size_t)len - 1);
    ret->s[len - 1] = '\0';
    return WEFT_OK;
}

static enum weft_err take_names(const Weft__V1__Ticket *m, struct wf_ticket *t)
{
    enum weft_err err = wf_take_name(m->domain, &t->domain);

    if (err)
        return err;
    if (m->name[0] && m->name_prefix[0])
        return WEFT_E_NAME; // one or the other
    if (m->name[0])
        return wf_take_name(m->name, &t->name);
    return take_name_prefix(m->name_prefix, &t->name_prefix);
}

static enum weft_err take_proof(const Weft__V1__Ticket *m, struct wf_ticket *t)
{
    if (m->id.len == 0 || m->secret.len == 0)
        return WEFT_E_MISSING_FIELD;
    if (m->id.len != WF_TICKET_ID_LEN || m->secret.len != WF_TICKET_SECRET_LEN)
        return WEFT_E_SYNTAX;
    memcpy(t->id, m->id.data, WF_TICKET_ID_LEN);
    return wf_secret_copy(wf_pb_view(m->secret), &t->secret);
}

static enum weft_err take_ticket(const Weft__V1__Ticket *m, struct wf_ticket *t)
{
    enum weft_err err = wf_take_hash(m->mesh_id, &t->mesh_id);

    if (!err)
        err = take_names(m, t);
    if (!err && ((int)m->kind < WF_ID_NODE || (int)m->kind > WF_ID_USER))
        err = WEFT_E_KIND; // an issuer does not join by ticket
    if (!err && m->n_seeds == 0)
        err = WEFT_E_MISSING_FIELD;
    if (!err)
        err = wf_take_seeds(m->seeds, m->n_seeds, t->seeds);
    if (!err)
        err = wf_take_time(m->expires_ms, &t->expires_ms);
    if (!err)
        err = take_proof(m, t); // last: nothing to release before it
    t->kind = (enum wf_identity_kind)m->kind;
    t->seed_count = m->n_seeds;
    return err;
}

enum weft_err wf_ticket_print(const struct wf_ticket *t, struct wf_buf *out)
{
    Weft__V1__Ticket m = WEFT__V1__TICKET__INIT;
    struct wf_ticket check = { 0 };
    struct wf_arena arena;

    wf_arena_init(&arena, 64 * WF_KIB);
    m.mesh_id = wf_pb_bin(wf_hash_view(&t->mesh_id));
    m.domain = wf_pb_str(t->domain.s);
    m.kind = (Weft__V1__IdentityKind)t->kind;
    m.name = wf_pb_str(t->name.s);
    m.name_prefix = wf_pb_str(t->name_prefix.s);
    m.n_seeds = t->seed_count;
    m.expires_ms = t->expires_ms;
    m.id = wf_pb_bin(WF_BYTES(t->id));
    m.secret = wf_pb_bin(wf_secret_view(&t->secret));
    enum weft_err err = wf_put_seeds(t->seeds, t->seed_count, &arena, &m.seeds);
    if (!err)
        err = take_ticket(&m, &check);
    if (!err)
        err = print_message(&m, WF_PREFIX_TICKET, out);
    wf_ticket_fini(&check);
    wf_arena_fini(&arena);
    return err;
}

enum weft_err wf_ticket_parse(struct wf_bytes text, struct wf_ticket *ret)
{
    struct wf_ticket t = { 0 };
    struct wf_arena arena;
    struct wf_buf body = { 0 };
    Weft__V1__Ticket *m = NULL;

    wf_arena_init(&arena, wf_doc_budget(WF_MAX_TICKET));
    enum weft_err err = parse_text(WF_PREFIX_TICKET, text, &body);
    // Strict, not canonical: the check would leave a second copy of the secret in the arena, and nothing is signed.
    if (!err)
        err = wf_pb_unpack(
            &weft__v1__ticket__descriptor, wf_buf_view(&body), WF_PB_STRICT, &arena, &m);
    if (!err)
        err = take_ticket(m, &t);
    if (m)
        wf_wipe(m->secret.data, m->secret.len);
    if (body.ptr)
        wf_wipe(body.ptr, body.len);
    wf_buf_fini(&body);
    wf_arena_fini(&arena);
    if (err) {
        wf_ticket_fini(&t);
        return err;
    }
    *ret = t;
    return WEFT_OK;
}

void wf_ticket_proof(struct wf_bytes secret, const uint8_t id[WF_TICKET_ID_LEN],
    struct wf_bytes handshake_hash, const struct wf_sign_pub *sign_key,
    const struct wf_dh_pub *dh_key, uint8_t out[WF_HASH_LEN])
{
    struct wf_hasher h;

    wf_hasher_init(&h, secret, WF_HASH_LEN);
    wf_hasher_add(&h, WF_STR("weft/join/v1"));
    wf_hasher_add(&h, handshake_hash);
    wf_hasher_add(&h, wf_bytes(id, WF_TICKET_ID_LEN));
    wf_hasher_add(&h, WF_BYTES(sign_key->b));
    wf_hasher_add(&h, WF_BYTES(dh_key->b));
    wf_hasher_done(&h, out, WF_HASH_LEN);
}

// ---- a domain's public part

static enum weft_err take_domain(const Weft__V1__DomainPublic *m, struct wf_domain_public *d)
{
    enum weft_err err = wf_take_name(m->name, &d->name);

    if (!err)
        err = wf_take_sign_key(m->root_key, &d->root_key);
    if (!err)
        err = wf_take_seeds(m->seeds, m->n_seeds, d->seeds);
    d->seed_count = m->n_seeds;
    return err;
}

enum weft_err wf_domain_public_print(const struct wf_domain_public *d, struct wf_buf *out)
{
    Weft__V1__DomainPublic m = WEFT__V1__DOMAIN_PUBLIC__INIT;
    struct wf_domain_public check;
    struct wf_arena arena;

    wf_arena_init(&arena, 64 * WF_KIB);
    m.name = wf_pb_str(d->name.s);
    m.root_key = wf_pb_bin(WF_BYTES(d->root_key.b));
    m.n_seeds = d->seed_count;
    enum weft_err err = wf_put_seeds(d->seeds, d->seed_count, &arena, &m.seeds);
    if (!err)
        err = take_domain(&m, &check);
    if (!err)
        err = print_message(&m, WF_PREFIX_DOMAIN, out);
    wf_arena_fini(&arena);
    return err;
}

enum weft_err wf_domain_public_parse(struct wf_bytes text, struct wf_domain_public *ret)
{
    struct wf_domain_public d = { 0 };
    struct wf_arena arena;
    struct wf_buf body = { 0 };
    Weft__V1__DomainPublic *m = NULL;

    wf_arena_init(&arena, wf_doc_budget(WF_MAX_TICKET));
    enum weft_err err = parse_text(WF_PREFIX_DOMAIN, text, &body);
    if (!err)
        err = wf_pb_unpack(
            &weft__v1__domain_public__descriptor, wf_buf_view(&body), WF_PB_CANONICAL, &arena, &m);
    if (!err)
        err = take_domain(m, &d);
    wf_buf_fini(&body);
    wf_arena_fini(&arena);
    if (err)
        return err;
    *ret = d;
    return WEFT_OK;
}

// ---- an identity's two keys

enum weft_err wf_id_print(
    const struct wf_sign_pub *sign, const struct wf_dh_pub *dh, struct wf_buf *out)
{
    uint8_t both[2 * WF_KEY_LEN];

    memcpy(both, sign->b, WF_KEY_LEN);
    memcpy(both + WF_KEY_LEN, dh->b, WF_KEY_LEN);
    return wf_print(WF_PREFIX_ID, WF_BYTES(both), out);
}

enum weft_err wf_id_parse(
    struct wf_bytes text, struct wf_sign_pub *ret_sign, struct wf_dh_pub *ret_dh)
{
    struct wf_buf both = { 0 };
    enum weft_err err = parse_text(WF_PREFIX_ID, text, &both);

    if (err)
        return err;
    if (both.len != 2 * WF_KEY_LEN) {
        wf_buf_fini(&both);
        return WEFT_E_KEY;
    }
    memcpy(ret_sign->b, both.ptr, WF_KEY_LEN);
    memcpy(ret_dh->b, both.ptr + WF_KEY_LEN, WF_KEY_LEN);
    wf_buf_fini(&both);
    return WEFT_OK;
}
