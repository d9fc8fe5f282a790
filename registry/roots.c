// SPDX-License-Identifier: Apache-2.0
// Roots: what two nodes compare to see whether they know the same.
#include <stdlib.h>

#include "registry/catalog_priv.h"

static void hash_entry(struct wf_hasher *h, const struct wf_known *k)
{
    uint8_t fixed[4 + 8 + 8];

    wf_store_be32(fixed, (uint32_t)k->kind);
    wf_store_be64(fixed + 4, k->term);
    wf_store_be64(fixed + 12, k->sequence);
    wf_hasher_add(h, WF_BYTES(fixed));
    wf_hasher_add(h, wf_bytes(k->name.s, strlen(k->name.s) + 1));
    wf_hasher_add(h, wf_hash_view(&k->id));
}

static struct wf_domain_root *next_root(struct wf_catalog *c)
{
    if (c->root_count == c->root_cap) {
        size_t cap = c->root_cap ? c->root_cap * 2 : 16;
        struct wf_domain_root *v = realloc(c->roots, cap * sizeof *v);
        if (!v)
            return NULL;
        c->roots = v;
        c->root_cap = cap;
    }
    return &c->roots[c->root_count];
}

// Without memory the roots stay stale (dirty): a peer then sees a difference and asks again, which is harmless.
static void refresh_roots(struct wf_catalog *c)
{
    struct wf_hasher all, one;

    if (!c->dirty)
        return;
    c->root_count = 0;
    wf_hasher_init(&all, wf_bytes(NULL, 0), WF_HASH_LEN);
    for (size_t i = 0; i < c->by_key.count;) {
        struct wf_domain_root *r = next_root(c);
        if (!r)
            return;
        *r = (struct wf_domain_root){ .domain = c->by_key.v[i]->known.domain };
        wf_hasher_init(&one, wf_bytes(NULL, 0), WF_HASH_LEN);
        for (; i < c->by_key.count && wf_name_eq(&c->by_key.v[i]->known.domain, &r->domain); i++) {
            if (c->by_key.v[i]->known.poisoned)
                continue;
            hash_entry(&one, &c->by_key.v[i]->known);
            r->count++;
        }
        wf_hasher_done(&one, r->root.b, WF_HASH_LEN);
        if (r->count == 0)
            continue; // nothing of this domain is served
        wf_hasher_add(&all, wf_bytes(r->domain.s, strlen(r->domain.s) + 1));
        wf_hasher_add(&all, wf_hash_view(&r->root));
        c->root_count++;
    }
    wf_hasher_done(&all, c->root.b, WF_HASH_LEN);
    c->dirty = false;
}

void wf_catalog_root(struct wf_catalog *c, struct wf_hash *ret)
{
    refresh_roots(c);
    *ret = c->root;
}

size_t wf_catalog_domain_roots(struct wf_catalog *c, struct wf_domain_root *out, size_t cap)
{
    refresh_roots(c);
    for (size_t i = 0; i < c->root_count && i < cap; i++)
        out[i] = c->roots[i];
    return c->root_count;
}
