// SPDX-License-Identifier: Apache-2.0
// Registry documents. A document is judged at the time it was signed (its sequence), never by the clock of who reads it, so that
// every node decides alike and keeps its decision; the clock only refuses the future.
#include "proto/trust/product_doc.h"

// ---- what all three have

// sequence is the signing time; a term never runs ahead of it, so a stolen key can't use up the terms either (ATTACKS M4).
static enum weft_err check_order(const struct wf_entry_doc *d, int64_t now_unix_ms)
{
    if (d->sequence == 0 || d->sequence > WF_MAX_TIME_MS || d->term > d->sequence)
        return WEFT_E_RANGE;
    if ((int64_t)d->sequence > now_unix_ms + WF_CLOCK_TOLERANCE_MS)
        return WEFT_E_FUTURE;
    int64_t life = d->expires_ms - (int64_t)d->sequence;
    return life <= 0 || life > WF_MAX_ENTRY_LIFE_MS ? WEFT_E_RANGE : WEFT_OK;
}

struct reading {
    const struct wf_charter *charter;
    const struct wf_opened *opened;
    struct wf_arena *arena;
    int64_t now_unix_ms;
};

static enum weft_err take_common(const struct reading *r, ProtobufCBinaryData mesh_id,
    ProtobufCBinaryData signer, int64_t expires_ms, struct wf_entry_doc *d)
{
    enum weft_err err = wf_doc_signer(signer, r->opened);

    d->id = r->opened->id;
    d->signer = r->opened->signer;
    if (!err)
        err = wf_take_hash(mesh_id, &d->mesh_id);
    if (!err && !wf_hash_eq(&d->mesh_id, &r->charter->mesh_id))
        err = WEFT_E_WRONG_MESH;
    if (!err)
        err = wf_take_time(expires_ms, &d->expires_ms);
    return err ? err : check_order(d, r->now_unix_ms);
}

// The chain inside leads to a root of the charter and is that of the signer: a node of this domain that may sign such documents.
static enum weft_err take_identity(const struct reading *r, ProtobufCBinaryData chain,
    enum wf_usage usage, const struct wf_entry_doc *d, struct wf_identity *ret)
{
    enum weft_err err =
        wf_chain_verify(wf_pb_view(chain), r->charter, (int64_t)d->sequence, WF_CHAIN_STRICT, ret);

    if (err)
        return err;
    if (memcmp(ret->cert.sign_key.b, d->signer.b, WF_KEY_LEN) != 0)
        return WEFT_E_CHAIN;
    if (ret->cert.kind != WF_ID_NODE)
        return WEFT_E_KIND;
    if (!(ret->cert.usages & usage))
        return WEFT_E_PURPOSE;
    return wf_name_eq(&ret->cert.domain, &d->domain) ? WEFT_OK : WEFT_E_WRONG_DOMAIN;
}

// ---- node adverts

static enum weft_err take_addresses(const Weft__V1__NodeAdvert *m, struct wf_entry_doc *d)
{
    if (m->n_addresses == 0 && !m->leaving)
        return WEFT_E_MISSING_FIELD;
    if (m->n_addresses > WF_MAX_ADDRESSES)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < m->n_addresses; i++) {
        enum weft_err err = wf_address_check(wf_bytes_str(m->addresses[i]));
        if (err)
            return err;
    }
    d->node.addresses = (const char **)(uintptr_t)m->addresses;
    d->node.address_count = m->n_addresses;
    return WEFT_OK;
}

// "domain/product", each greater than the one before: one order, and none twice.
static enum weft_err take_mirrors(const Weft__V1__NodeAdvert *m, struct wf_entry_doc *d)
{
    struct wf_name name;

    if (m->n_mirrors > WF_MAX_MIRRORS)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < m->n_mirrors; i++) {
        struct wf_bytes text = wf_bytes_str(m->mirrors[i]), domain = text;
        const uint8_t *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
        if (!slash)
            return WEFT_E_SYNTAX;
        domain.len = (size_t)(slash - text.ptr);
        struct wf_bytes product = wf_bytes(slash + 1, text.len - domain.len - 1);
        if (wf_name_from(domain, &name) || wf_name_from(product, &name))
            return WEFT_E_NAME;
        if (i && strcmp(m->mirrors[i - 1], m->mirrors[i]) >= 0)
            return WEFT_E_ORDER;
    }
    d->node.mirrors = (const char **)(uintptr_t)m->mirrors;
    d->node.mirror_count = m->n_mirrors;
    return WEFT_OK;
}

static enum weft_err take_node(
    const Weft__V1__NodeAdvert *m, const struct reading *r, struct wf_entry_doc *d)
{
    d->sequence = m->sequence;
    d->removed = m->leaving;
    d->node.version = m->version;
    d->node.protocol = m->protocol;
    d->node.charter_version = m->charter_version;
    enum weft_err err = take_common(r, m->mesh_id, m->signer, m->expires_ms, d);
    if (!err)
        err = wf_take_name(m->domain, &d->domain);
    if (!err)
        err = wf_take_name(m->subject, &d->name);
    if (!err)
        err = wf_take_dh_key(m->dh_key, &d->node.dh_key);
    if (!err)
        err = wf_take_text(m->version, WF_MAX_NAME, false);
    if (!err)
        err = take_addresses(m, d);
    if (!err)
        err = take_mirrors(m, d);
    if (!err)
        err = take_identity(r, m->chain, WF_USE_NODE, d, &d->node.identity);
    if (err)
        return err;
    if (!wf_name_eq(&d->node.identity.cert.subject, &d->name))
        return WEFT_E_NOT_OWNER;
    if (memcmp(d->node.identity.cert.dh_key.b, d->node.dh_key.b, WF_KEY_LEN) != 0)
        return WEFT_E_KEY;
    return m->protocol < r->charter->min_protocol ? WEFT_E_VERSION : WEFT_OK;
}

// ---- product adverts

static bool is_listed(const char *name, char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return count == 0; // a charter that lists none leaves it open
}

// What the charter says about every product.
static enum weft_err check_policy(const struct wf_product *p, const struct wf_charter *c)
{
    if (!is_listed(
            wf_classification_name(p->classification), c->classifications, c->classification_count))
        return WEFT_E_POLICY;
    for (size_t i = 0; i < p->region_count; i++)
        if (!is_listed(p->regions[i], c->regions, c->region_count))
            return WEFT_E_POLICY;
    return WEFT_OK;
}

static enum weft_err take_product(
    const Weft__V1__ProductAdvert *m, const struct reading *r, struct wf_entry_doc *d)
{
    struct wf_product *p = &d->product.product;

    d->term = m->term;
    d->sequence = m->sequence;
    d->removed = m->removed;
    if (d->term == 0)
        return WEFT_E_MISSING_FIELD;
    enum weft_err err = take_common(r, m->mesh_id, m->signer, m->expires_ms, d);
    if (!err)
        err = wf_product_take(m->product, &d->mesh_id, d->removed, r->arena, p);
    if (!err)
        err = wf_take_name(p->domain, &d->domain);
    if (!err)
        err = wf_take_name(p->name, &d->name);
    if (!err)
        err = wf_take_name(m->node, &d->product.node);
    if (!err)
        err = take_identity(r, m->chain, WF_USE_PRODUCT, d, &d->product.identity);
    if (err)
        return err;
    if (!wf_name_eq(&d->product.identity.cert.subject, &d->product.node))
        return WEFT_E_NOT_OWNER;
    if (!wf_cert_may_publish(&d->product.identity.cert, d->name.s))
        return WEFT_E_PRODUCT;
    return d->removed ? WEFT_OK : check_policy(p, r->charter);
}

// ---- homes

static enum weft_err take_home(
    const Weft__V1__Home *m, const struct reading *r, struct wf_entry_doc *d)
{
    struct wf_cert *issuer = &d->home.issuer;

    d->term = m->term;
    d->sequence = m->sequence;
    if (d->term == 0)
        return WEFT_E_MISSING_FIELD;
    enum weft_err err = take_common(r, m->mesh_id, m->signer, m->expires_ms, d);
    if (!err)
        err = wf_take_name(m->domain, &d->domain);
    if (!err)
        err = wf_take_name(m->product, &d->name);
    if (!err)
        err = wf_take_name(m->node, &d->home.node);
    if (!err && m->issuer.len == 0)
        err = WEFT_E_MISSING_FIELD;
    if (!err)
        err = wf_cert_open(wf_pb_view(m->issuer), issuer);
    if (!err)
        err = wf_issuer_verify(issuer, r->charter, WF_USE_HOME, (int64_t)d->sequence);
    if (err)
        return err;
    if (memcmp(issuer->sign_key.b, d->signer.b, WF_KEY_LEN) != 0)
        return WEFT_E_CHAIN;
    return wf_name_eq(&issuer->domain, &d->domain) ? WEFT_OK : WEFT_E_WRONG_DOMAIN;
}

// ---- opening

static enum weft_err open_message(
    struct wf_bytes raw, struct reading *r, struct wf_opened *opened, struct wf_entry_doc *d)
{
    union {
        Weft__V1__NodeAdvert *node;
        Weft__V1__ProductAdvert *product;
        Weft__V1__Home *home;
    } m = { NULL };
    enum weft_err err;

    r->opened = opened;
    switch (d->kind) {
    case WF_ENTRY_NODE:
        err = wf_doc_open(
            raw, WF_DOC_NODE, &weft__v1__node_advert__descriptor, r->arena, opened, &m.node);
        return err ? err : take_node(m.node, r, d);
    case WF_ENTRY_PRODUCT:
        err = wf_doc_open(raw, WF_DOC_PRODUCT, &weft__v1__product_advert__descriptor, r->arena,
            opened, &m.product);
        return err ? err : take_product(m.product, r, d);
    case WF_ENTRY_HOME:
        err = wf_doc_open(raw, WF_DOC_HOME, &weft__v1__home__descriptor, r->arena, opened, &m.home);
        return err ? err : take_home(m.home, r, d);
    default:
        return WEFT_E_TYPE; // opened by functions of their own
    }
}

enum weft_err wf_entry_doc_open(struct wf_bytes raw, enum wf_entry_kind kind,
    const struct wf_charter *charter, int64_t now_unix_ms, struct wf_entry_doc **ret)
{
    struct wf_opened opened;
    struct wf_arena arena;
    struct reading r = { .charter = charter, .arena = &arena, .now_unix_ms = now_unix_ms };

    if (raw.len > WF_MAX_ENVELOPE)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, wf_doc_budget(raw.len));
    struct wf_entry_doc *d = wf_arena_calloc(&arena, 1, sizeof *d);
    enum weft_err err = d ? WEFT_OK : wf_arena_err(&arena);
    if (!err) {
        d->kind = kind;
        err = open_message(raw, &r, &opened, d);
    }
    if (!err)
        err = wf_bytes_dup(raw, &d->raw);
    if (err) {
        wf_arena_fini(&arena);
        return err;
    }
    d->arena = arena; // from here on the document owns itself
    *ret = d;
    return WEFT_OK;
}

void wf_entry_doc_free(struct wf_entry_doc *d)
{
    if (!d)
        return;
    struct wf_arena arena = d->arena; // d lies in it
    wf_buf_fini(&d->raw);
    wf_arena_fini(&arena);
}

// ---- building. What is built can be opened again by whoever has the charter; here only its form is checked.

static enum weft_err append_sealed(
    enum wf_doc doc, const void *message, const struct wf_secret *key, struct wf_buf *out)
{
    struct wf_buf envelope = { 0 };
    enum weft_err err = wf_doc_seal(doc, message, key, &envelope);

    if (!err)
        err = wf_buf_append(out, wf_buf_view(&envelope));
    wf_buf_fini(&envelope);
    return err;
}

enum weft_err wf_node_advert_sign(
    const struct wf_node_fields *f, const struct wf_secret *key, struct wf_buf *out)
{
    Weft__V1__NodeAdvert m = WEFT__V1__NODE_ADVERT__INIT;
    struct wf_sign_pub signer;

    wf_sign_public(key, &signer);
    m.mesh_id = wf_pb_bin(wf_hash_view(&f->mesh_id));
    m.domain = wf_pb_str(f->domain);
    m.subject = wf_pb_str(f->subject);
    m.sequence = f->sequence;
    m.expires_ms = f->expires_ms;
    m.n_addresses = f->address_count;
    m.addresses = (char **)(uintptr_t)f->addresses;
    m.n_mirrors = f->mirror_count;
    m.mirrors = (char **)(uintptr_t)f->mirrors;
    m.dh_key = wf_pb_bin(WF_BYTES(f->dh_key.b));
    m.chain = wf_pb_bin(f->chain);
    m.version = wf_pb_str(WEFT_VERSION);
    m.protocol = WF_PROTOCOL_VERSION;
    m.charter_version = f->charter_version;
    m.leaving = f->leaving;
    m.signer = wf_pb_bin(WF_BYTES(signer.b));
    return append_sealed(WF_DOC_NODE, &m, key, out);
}

enum weft_err wf_product_advert_sign(
    const struct wf_product_fields *f, const struct wf_secret *key, struct wf_buf *out)
{
    Weft__V1__ProductAdvert m = WEFT__V1__PRODUCT_ADVERT__INIT;
    Weft__V1__ProductDescriptor product;
    struct wf_product check;
    struct wf_sign_pub signer;
    struct wf_arena arena;

    wf_arena_init(&arena, WF_MAX_UNPACK);
    wf_sign_public(key, &signer);
    m.mesh_id = wf_pb_bin(wf_hash_view(&f->mesh_id));
    m.product = &product;
    m.term = f->term;
    m.sequence = f->sequence;
    m.expires_ms = f->expires_ms;
    m.node = wf_pb_str(f->node);
    m.removed = f->removed;
    m.chain = wf_pb_bin(f->chain);
    m.signer = wf_pb_bin(WF_BYTES(signer.b));
    enum weft_err err = wf_product_put(f->product, &f->mesh_id, f->removed, &arena, &product);
    if (!err)
        err = wf_product_take(&product, &f->mesh_id, f->removed, &arena, &check);
    if (!err)
        err = append_sealed(WF_DOC_PRODUCT, &m, key, out);
    wf_arena_fini(&arena);
    return err;
}

enum weft_err wf_home_sign(
    const struct wf_home_fields *f, const struct wf_secret *issuer, struct wf_buf *out)
{
    Weft__V1__Home m = WEFT__V1__HOME__INIT;
    struct wf_sign_pub signer;

    wf_sign_public(issuer, &signer);
    m.mesh_id = wf_pb_bin(wf_hash_view(&f->mesh_id));
    m.domain = wf_pb_str(f->domain);
    m.product = wf_pb_str(f->product);
    m.node = wf_pb_str(f->node);
    m.term = f->term;
    m.sequence = f->sequence;
    m.expires_ms = f->expires_ms;
    m.signer = wf_pb_bin(WF_BYTES(signer.b));
    m.issuer = wf_pb_bin(f->issuer_cert);
    return append_sealed(WF_DOC_HOME, &m, issuer, out);
}
