// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "registry/catalog_priv.h"

// Homes come before the products that need them, so that whoever fetches in this order can admit in it.
static int rank(enum wf_entry_kind kind)
{
    return kind == WF_ENTRY_HOME      ? WF_ENTRY_PRODUCT
           : kind == WF_ENTRY_PRODUCT ? WF_ENTRY_HOME
                                      : (int)kind;
}

int wf_entry_key_order(const struct wf_entry *a, const struct wf_entry *b)
{
    int c = strcmp(a->known.domain.s, b->known.domain.s);

    if (c == 0)
        c = rank(a->known.kind) - rank(b->known.kind);
    return c ? c : strcmp(a->known.name.s, b->known.name.s);
}

int wf_entry_id_order(const struct wf_entry *a, const struct wf_entry *b)
{
    return wf_hash_cmp(&a->known.id, &b->known.id);
}

size_t wf_entry_set_lower(const struct wf_entry_set *s, const struct wf_entry *like)
{
    size_t lo = 0, hi = s->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->order(s->v[mid], like) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct wf_entry *wf_entry_set_find(const struct wf_entry_set *s, const struct wf_entry *like)
{
    size_t i = wf_entry_set_lower(s, like);

    return i < s->count && s->order(s->v[i], like) == 0 ? s->v[i] : NULL;
}

enum weft_err wf_entry_set_reserve(struct wf_entry_set *s)
{
    if (s->count < s->cap)
        return WEFT_OK;
    size_t cap = s->cap ? s->cap * 2 : 64;
    struct wf_entry **v = realloc(s->v, cap * sizeof(struct wf_entry *));
    if (!v)
        return WEFT_E_NOMEM;
    s->v = v;
    s->cap = cap;
    return WEFT_OK;
}

void wf_entry_set_add(struct wf_entry_set *s, struct wf_entry *e) // after wf_entry_set_reserve
{
    size_t i = wf_entry_set_lower(s, e);

    memmove(s->v + i + 1, s->v + i, (s->count - i) * sizeof(struct wf_entry *));
    s->v[i] = e;
    s->count++;
}

void wf_entry_set_remove(struct wf_entry_set *s, const struct wf_entry *e)
{
    size_t i = wf_entry_set_lower(s, e);

    if (i >= s->count || s->v[i] != e)
        return;
    memmove(s->v + i, s->v + i + 1, (s->count - i - 1) * sizeof(struct wf_entry *));
    s->count--;
}
