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

bool wf_catalog_over_quota(const struct wf_catalog *c, const struct wf_entry *newcomer,
    const struct wf_entry *replaces, struct wf_entry **ret_victim)
{
    size_t count = 1, bytes = newcomer->known.raw.len, at = first_of(c, newcomer);
    const struct wf_hash *highest = &newcomer->place;

    // There is one list a domain, and nothing of the domain is decided without it.
    if (newcomer->known.kind == WF_ENTRY_REVOCATIONS)
        return false;

    for (size_t i = at; is_of_domain(c, i, newcomer); i++)
        if (takes_room(c->by_key.v[i], replaces)) {
            count++;
            bytes += c->by_key.v[i]->known.raw.len;
        }
    if (count <= c->quota.entries && bytes <= c->quota.bytes)
        return false;
    *ret_victim = NULL; // the newcomer itself
    for (size_t i = at; is_of_domain(c, i, newcomer); i++) {
        struct wf_entry *e = c->by_key.v[i];
        if (takes_room(e, replaces) && wf_hash_cmp(&e->place, highest) > 0) {
            highest = &e->place;
            *ret_victim = e;
        }
    }
    return true;
}
