// SPDX-License-Identifier: Apache-2.0
#include "registry/proof.h"

#include <stdio.h>

#include "proto/base/pb_v1.h"

enum weft_err wf_proof_make(enum wf_entry_kind kind, struct wf_bytes a, const struct wf_hash *a_id,
    struct wf_bytes b, const struct wf_hash *b_id, struct wf_buf *out)
{
    bool a_first = wf_hash_cmp(a_id, b_id) < 0;
    Weft__V1__EquivocationProof m = WEFT__V1__EQUIVOCATION_PROOF__INIT;

    m.kind = (Weft__V1__EntryKind)kind;
    m.first = wf_pb_bin(a_first ? a : b);
    m.second = wf_pb_bin(a_first ? b : a);
    return wf_pb_pack(&m, out);
}

// One of the two documents, opened as its kind.
struct half {
    struct wf_entry_doc *doc;
    struct wf_revocations *list;
    struct wf_known known;
};

static enum weft_err open_half(struct wf_bytes raw, enum wf_entry_kind kind,
    const struct wf_charter *charter, int64_t now_unix_ms, struct half *h)
{
    enum weft_err err = WEFT_OK;

    if (kind != WF_ENTRY_REVOCATIONS) {
        err = wf_entry_doc_open(raw, kind, charter, now_unix_ms, &h->doc);
        if (err)
            return err;
        h->known = (struct wf_known){ .kind = kind,
            .domain = h->doc->domain,
            .name = h->doc->name,
            .term = h->doc->term,
            .sequence = h->doc->sequence,
            .expires_ms = h->doc->expires_ms,
            .id = h->doc->id };
        wf_proof_author(h->doc, &h->known.author);
        return WEFT_OK;
    }
    err = wf_revocations_open(raw, &h->list);
    if (!err)
        err = wf_revocations_verify(h->list, charter, now_unix_ms);
    if (!err)
        h->known = (struct wf_known){ .kind = kind,
            .domain = h->list->domain,
            .sequence = h->list->version,
            .expires_ms = h->list->issued_ms + WF_MAX_ENTRY_LIFE_MS,
            .id = h->list->id };
    return err;
}

static void half_fini(struct half *h)
{
    wf_entry_doc_free(h->doc);
    wf_revocations_free(h->list);
}

static enum weft_err check_pair(const struct wf_known *a, const struct wf_known *b)
{
    if (!wf_name_eq(&a->domain, &b->domain) || !wf_name_eq(&a->name, &b->name) ||
        memcmp(a->author.b, b->author.b, WF_KEY_LEN) != 0)
        return WEFT_E_TYPE;
    if (a->term != b->term || a->sequence != b->sequence)
        return WEFT_E_ORDER;
    return wf_hash_cmp(&a->id, &b->id) < 0 ? WEFT_OK : WEFT_E_NOT_CANONICAL;
}

static bool is_proven_kind(Weft__V1__EntryKind kind)
{
    return (kind >= WEFT__V1__ENTRY_KIND__ENTRY_KIND_NODE &&
               kind <= WEFT__V1__ENTRY_KIND__ENTRY_KIND_HOME) ||
           kind == WEFT__V1__ENTRY_KIND__ENTRY_KIND_REVOCATIONS;
}

enum weft_err wf_proof_check(struct wf_bytes raw, const struct wf_charter *charter,
    int64_t now_unix_ms, struct wf_known *ret_about, struct wf_name *ret_node)
{
    static const struct wf_name nowhere;
    struct wf_arena arena;
    Weft__V1__EquivocationProof *m = NULL;
    struct half a = { 0 }, b = { 0 };

    if (raw.len > WF_MAX_ENVELOPE)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, wf_pb_budget(raw.len));
    enum weft_err err =
        wf_pb_unpack(&weft__v1__equivocation_proof__descriptor, raw, WF_PB_CANONICAL, &arena, &m);
    if (!err && !is_proven_kind(m->kind))
        err = WEFT_E_TYPE;
    if (!err)
        err =
            open_half(wf_pb_view(m->first), (enum wf_entry_kind)m->kind, charter, now_unix_ms, &a);
    if (!err)
        err =
            open_half(wf_pb_view(m->second), (enum wf_entry_kind)m->kind, charter, now_unix_ms, &b);
    if (!err)
        err = check_pair(&a.known, &b.known);
    if (!err) {
        *ret_about = a.known;
        *ret_node = a.known.kind == WF_ENTRY_PRODUCT ? a.doc->product.node : nowhere;
        if (b.known.expires_ms > a.known.expires_ms)
            ret_about->expires_ms = b.known.expires_ms;
    }
    half_fini(&a);
    half_fini(&b);
    wf_arena_fini(&arena);
    return err;
}

void wf_proof_key(const struct wf_known *about, struct wf_known *ret)
{
    char text[160], hex[2 * WF_HASH_LEN + 1];
    struct wf_hash h;
    struct wf_name d = about->domain;

    wf_hex_put(WF_BYTES(about->author.b), hex);
    int n = snprintf(text, sizeof text, "%d/%s/%s", (int)about->kind, about->name.s, hex);
    wf_blake2b(wf_bytes(text, (size_t)n), &h);
    wf_hex_put(wf_bytes(h.b, 16), hex);
    ret->kind = WF_ENTRY_PROOF;
    ret->domain = d;
    ret->name.s[0] = 'e';
    memcpy(ret->name.s + 1, hex, 33);
}

void wf_proof_author(const struct wf_entry_doc *doc, struct wf_sign_pub *ret)
{
    static const struct wf_sign_pub nobody;

    *ret = doc->kind == WF_ENTRY_NODE || doc->kind == WF_ENTRY_PRODUCT ? doc->signer : nobody;
}
