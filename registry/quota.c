// SPDX-License-Identifier: Apache-2.0
// What a domain may take of a registry, and who goes when it takes more: the same everywhere, whatever came first.
#include <stdio.h>

#include "registry/catalog_priv.h"

void wf_catalog_place(struct wf_entry *e)
{
    const struct wf_known *k = &e->known;
    char text[160];
    int n = snprintf(text, sizeof text, "%d/%s/%s", (int)k->kind, k->domain.s, k->name.s);

    wf_blake2b(wf_bytes(text, (size_t)n), &e->place);
}

static size_t first_of(const struct wf_catalog *c, const struct wf_entry *newcomer)
{
    struct wf_entry low = { .known = { .domain = newcomer->known.domain } };

    return wf_entry_set_lower(&c->by_key, &low);
}

static bool is_of_domain(const struct wf_catalog *c, size_t i, const struct wf_entry *newcomer)
{
    return i < c->by_key.count &&
           wf_name_eq(&c->by_key.v[i]->known.domain, &newcomer->known.domain);
}

static bool takes_room(const struct wf_entry *e, const struct wf_entry *replaces)
{
    return e != replaces && e->known.kind != WF_ENTRY_REVOCATIONS;
}

// What entries take together.
struct room {
    size_t count, bytes;
};

static void add(struct room *r, const struct wf_entry *e)
{
    r->count++;
    r->bytes += e->known.raw.len;
}

static bool fits(const struct wf_catalog *c, const struct room *r)
{
    return r->count <= c->quota.entries && r->bytes <= c->quota.bytes;
}

// A newcomer that does not fit with those before it goes itself, and nobody goes for it: what was offered again and again would else drive out, each
// time, what comes back the next time.
bool wf_catalog_over_quota(const struct wf_catalog *c, const struct wf_entry *newcomer,
    const struct wf_entry *replaces, struct wf_entry **ret_victim)
{
    size_t at = first_of(c, newcomer);
    struct room all = { 0 }, before = { 0 };
    const struct wf_hash *highest = &newcomer->place;

    // There is one list a domain, and nothing of the domain is decided without it.
    if (newcomer->known.kind == WF_ENTRY_REVOCATIONS)
        return false;
    *ret_victim = NULL; // the newcomer itself
    add(&all, newcomer);
    add(&before, newcomer);
    for (size_t i = at; is_of_domain(c, i, newcomer); i++) {
        struct wf_entry *e = c->by_key.v[i];
        if (!takes_room(e, replaces))
            continue;
        add(&all, e);
        if (wf_hash_cmp(&e->place, &newcomer->place) < 0)
            add(&before, e);
        if (wf_hash_cmp(&e->place, highest) > 0) {
            highest = &e->place;
            *ret_victim = e;
        }
    }
    if (fits(c, &all))
        return false;
    if (!fits(c, &before))
        *ret_victim = NULL;
    return true;
}
