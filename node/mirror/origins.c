// SPDX-License-Identifier: Apache-2.0
// Certificates and schemas that mirrored batches cite: fetched by hash from the home, judged once, and kept among the node's documents,
// so that readers who come while the home is away find them here.
#include <stdlib.h>

#include "node/documents.h"
#include "node/mirror/priv.h"

static struct wf_mirror_origin *find(const struct wf_mirror *m, const struct wf_hash *id)
{
    struct wf_mirror_origin *o = m->origins[id->b[0] % WF_MIRROR_BUCKETS];

    while (o && !wf_hash_eq(&o->id, id))
        o = o->next;
    return o;
}

static bool has_schema(const struct wf_mirror *m, const struct wf_hash *hash)
{
    for (size_t i = 0; i < m->schema_count; i++)
        if (wf_hash_eq(&m->schemas[i], hash))
            return true;
    return false;
}

// As a reader judges it: was the chain right in its time?
static enum weft_err judge_chain(
    const struct wf_mirror *m, struct wf_bytes chain, const struct wf_cert *cert)
{
    struct wf_identity who;
    enum weft_err err = wf_chain_verify(
        chain, m->room->node->charter, cert->not_before_ms, WF_CHAIN_ALLOW_EXPIRED, &who);

    if (!err && strcmp(who.cert.domain.s, m->domain.s) != 0)
        err = WEFT_E_WRONG_DOMAIN;
    if (!err && !wf_cert_may_publish(&who.cert, m->product.s))
        err = WEFT_E_PRODUCT;
    return err;
}

static enum weft_err add_origin(
    struct wf_mirror *m, struct wf_bytes chain, const struct wf_cert *cert)
{
    if (m->origin_count >= WF_MIRROR_ORIGINS || find(m, &cert->id))
        return WEFT_OK;
    enum weft_err refused = judge_chain(m, chain, cert);
    struct wf_mirror_origin *o = refused == WEFT_E_NOMEM ? NULL : calloc(1, sizeof *o);
    if (!o)
        return WEFT_E_NOMEM;
    o->id = cert->id;
    o->key = cert->sign_key;
    o->not_before_ms = cert->not_before_ms;
    o->not_after_ms = cert->not_after_ms;
    o->refused = refused;
    o->next = m->origins[o->id.b[0] % WF_MIRROR_BUCKETS];
    m->origins[o->id.b[0] % WF_MIRROR_BUCKETS] = o;
    m->origin_count++;
    return WEFT_OK;
}

enum weft_err wf_mirror_take_document(struct wf_mirror *m, struct wf_bytes content)
{
    struct wf_document d;
    enum weft_err err = wf_documents_take(m->room->node, content, &d);

    if (err) // said there
        return err == WEFT_E_TOO_BIG ? WEFT_OK : err;
    if (d.is_chain)
        return add_origin(m, content, &d.cert);
    if (m->schema_count < WF_MIRROR_SCHEMAS && !has_schema(m, &d.id))
        m->schemas[m->schema_count++] = d.id;
    return WEFT_OK;
}

static size_t add_missing(struct wf_hash *out, size_t count, size_t cap, const struct wf_hash *hash)
{
    for (size_t i = 0; i < count; i++)
        if (wf_hash_eq(&out[i], hash))
            return count;
    if (count < cap)
        out[count++] = *hash;
    return count;
}

size_t wf_mirror_missing(
    const struct wf_mirror *m, const struct wf_mirror_check *k, struct wf_hash *out, size_t cap)
{
    size_t count = 0;

    for (size_t i = 0; i < k->count; i++) {
        const struct wf_mirror_entry *e = &k->entries[i];
        if (e->is_reset)
            continue;
        if (!find(m, &e->certificate))
            count = add_missing(out, count, cap, &e->certificate);
        if (!has_schema(m, &e->schema) && m->schema_count < WF_MIRROR_SCHEMAS)
            count = add_missing(out, count, cap, &e->schema);
    }
    return count;
}

enum weft_err wf_mirror_judge(const struct wf_mirror *m, const struct wf_mirror_entry *e)
{
    const struct wf_mirror_origin *o = e->is_reset ? NULL : find(m, &e->certificate);

    if (e->is_reset)
        return WEFT_OK;
    if (!o)
        return WEFT_E_NOT_FOUND;
    if (o->refused)
        return o->refused;
    if (memcmp(o->key.b, e->signer.b, WF_KEY_LEN) != 0)
        return WEFT_E_CHAIN;
    if (e->append_ms < o->not_before_ms - WF_CLOCK_TOLERANCE_MS)
        return WEFT_E_NOT_YET;
    return e->append_ms >= o->not_after_ms + WF_RENEW_GRACE_MS ? WEFT_E_EXPIRED : WEFT_OK;
}

void wf_mirror_origins_fini(struct wf_mirror *m)
{
    for (size_t b = 0; b < WF_MIRROR_BUCKETS; b++)
        while (m->origins[b]) {
            struct wf_mirror_origin *next = m->origins[b]->next;
            free(m->origins[b]);
            m->origins[b] = next;
        }
    m->origin_count = 0;
}
