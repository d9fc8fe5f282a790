// SPDX-License-Identifier: Apache-2.0
#include "node/agent/places.h"

#define KEYS_LEN (WF_PLACES_BEFORE * WF_KEY_LEN)
#define ROW_HEAD (1u + KEYS_LEN + 4u)

void wf_places_fini(struct wf_places *p)
{
    for (size_t i = 0; i < p->node_count; i++)
        wf_entry_doc_free(p->nodes[i].doc);
    for (size_t i = 0; i < p->home_count; i++)
        wf_entry_doc_free(p->homes[i]);
    *p = (struct wf_places){ .node_count = 0 };
}

// ---- taking ----------------------------------------------------------------------------------------------------------

// Takes doc on success.
static enum weft_err take_node(
    struct wf_places *p, struct wf_entry_doc *doc, const uint8_t before[KEYS_LEN])
{
    size_t i = 0;

    while (i < p->node_count && strcmp(p->nodes[i].doc->name.s, doc->name.s) != 0)
        i++;
    if (i == p->node_count) {
        if (i == WF_PLACES_NODES)
            return WEFT_E_FULL;
        p->nodes[p->node_count] = (struct wf_place_node){ .doc = doc };
        memcpy(p->nodes[p->node_count++].before, before, KEYS_LEN);
        return WEFT_OK;
    }
    struct wf_place_node *at = &p->nodes[i];
    uint64_t had = at->doc->node.identity.cert.serial, has = doc->node.identity.cert.serial;
    if (has < had || (has == had && doc->sequence <= at->doc->sequence))
        return WEFT_E_STALE;
    if (memcmp(at->doc->node.dh_key.b, doc->node.dh_key.b, WF_KEY_LEN) != 0) {
        memmove(at->before + 1, at->before, KEYS_LEN - WF_KEY_LEN);
        at->before[0] = at->doc->node.dh_key;
    }
    wf_entry_doc_free(at->doc);
    at->doc = doc;
    return WEFT_OK;
}

static enum weft_err take_home(struct wf_places *p, struct wf_entry_doc *doc)
{
    size_t i = 0;

    while (i < p->home_count && strcmp(p->homes[i]->name.s, doc->name.s) != 0)
        i++;
    if (i == p->home_count) {
        if (i == WF_PLACES_HOMES)
            return WEFT_E_FULL;
        p->homes[p->home_count++] = doc;
        return WEFT_OK;
    }
    if (doc->term <= p->homes[i]->term)
        return WEFT_E_STALE;
    wf_entry_doc_free(p->homes[i]);
    p->homes[i] = doc;
    return WEFT_OK;
}

static enum weft_err take(struct wf_places *p, enum wf_entry_kind kind, struct wf_bytes raw,
    const char *domain, const struct wf_charter *charter, int64_t now_unix_ms,
    const uint8_t before[KEYS_LEN])
{
    struct wf_entry_doc *doc = NULL;
    enum weft_err err = kind == WF_ENTRY_NODE || kind == WF_ENTRY_HOME
                            ? wf_entry_doc_open(raw, kind, charter, now_unix_ms, &doc)
                            : WEFT_E_TYPE;

    if (!err && strcmp(doc->domain.s, domain) != 0)
        err = WEFT_E_WRONG_DOMAIN;
    if (!err && doc->removed)
        err = WEFT_E_STALE; // it says goodbye: what is known of it may serve again
    if (!err)
        err = kind == WF_ENTRY_NODE ? take_node(p, doc, before) : take_home(p, doc);
    if (err)
        wf_entry_doc_free(doc);
    return err;
}

enum weft_err wf_places_take(struct wf_places *p, enum wf_entry_kind kind, struct wf_bytes raw,
    const char *domain, const struct wf_charter *charter, int64_t now_unix_ms)
{
    static const uint8_t nobody[KEYS_LEN];

    return take(p, kind, raw, domain, charter, now_unix_ms, nobody);
}

// ---- looking up ------------------------------------------------------------------------------------------------------

const struct wf_place_node *wf_places_by_key(const struct wf_places *p, const struct wf_dh_pub *key)
{
    for (size_t i = 0; i < p->node_count; i++) {
        const struct wf_place_node *at = &p->nodes[i];
        if (memcmp(at->doc->node.dh_key.b, key->b, WF_KEY_LEN) == 0)
            return at;
        for (size_t k = 0; k < WF_PLACES_BEFORE; k++)
            if (memcmp(at->before[k].b, key->b, WF_KEY_LEN) == 0)
                return at;
    }
    return NULL;
}

const struct wf_place_node *wf_places_by_name(const struct wf_places *p, const char *name)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (strcmp(p->nodes[i].doc->name.s, name) == 0)
            return &p->nodes[i];
    return NULL;
}

const struct wf_entry_doc *wf_places_home(const struct wf_places *p, const char *product)
{
    for (size_t i = 0; i < p->home_count; i++)
        if (strcmp(p->homes[i]->name.s, product) == 0)
            return p->homes[i];
    return NULL;
}

// ---- kept ------------------------------------------------------------------------------------------------------------

static enum weft_err pack_row(enum wf_entry_kind kind,
    const struct wf_dh_pub before[WF_PLACES_BEFORE], const struct wf_entry_doc *doc,
    struct wf_buf *out)
{
    uint8_t head[ROW_HEAD] = { (uint8_t)kind };

    if (before)
        memcpy(head + 1, before, KEYS_LEN);
    wf_store_be32(head + 1 + KEYS_LEN, (uint32_t)doc->raw.len);
    enum weft_err err = wf_buf_append(out, WF_BYTES(head));
    return err ? err : wf_buf_append(out, wf_buf_view(&doc->raw));
}

enum weft_err wf_places_pack(const struct wf_places *p, struct wf_buf *out)
{
    enum weft_err err = wf_buf_append(out, wf_hash_view(&p->root));

    for (size_t i = 0; i < p->node_count && !err; i++)
        err = pack_row(WF_ENTRY_NODE, p->nodes[i].before, p->nodes[i].doc, out);
    for (size_t i = 0; i < p->home_count && !err; i++)
        err = pack_row(WF_ENTRY_HOME, NULL, p->homes[i], out);
    return err;
}

enum weft_err wf_places_unpack(struct wf_places *p, struct wf_bytes in, const char *domain,
    const struct wf_charter *charter, int64_t now_unix_ms)
{
    if (in.len < WF_HASH_LEN)
        return WEFT_E_DAMAGED;
    memcpy(p->root.b, in.ptr, WF_HASH_LEN);
    in = wf_bytes(in.ptr + WF_HASH_LEN, in.len - WF_HASH_LEN);
    while (in.len) {
        if (in.len < ROW_HEAD || in.len - ROW_HEAD < wf_load_be32(in.ptr + 1 + KEYS_LEN))
            return WEFT_E_DAMAGED;
        size_t len = wf_load_be32(in.ptr + 1 + KEYS_LEN);
        enum weft_err err = take(p, (enum wf_entry_kind)in.ptr[0], wf_bytes(in.ptr + ROW_HEAD, len),
            domain, charter, now_unix_ms, in.ptr + 1);
        if (err == WEFT_E_NOMEM)
            return err;
        if (err) // told anew at the next poll
            p->root = (struct wf_hash){ 0 };
        in = wf_bytes(in.ptr + ROW_HEAD + len, in.len - ROW_HEAD - len);
    }
    return WEFT_OK;
}
