// SPDX-License-Identifier: Apache-2.0
// Following another mirror while the home is away. It is believed in nothing that the home did not sign: its word never ends the mirror,
// never begins the store anew, and the home is tried again all the time. What it gives is checked, and served, like what the home gives.
#include <stdio.h>

#include "node/gossip/room.h"
#include "node/mirror/priv.h"

#define HOME_MISSES 2     // in a row, until a mirror is asked
#define VIA_MS      15000 // then the home is tried again

static bool mirrors_it(const struct wf_mirror *m, const struct wf_known *k)
{
    const struct wf_node *n = m->room->node;

    if (k->kind != WF_ENTRY_NODE || k->removed || k->poisoned || !k->doc ||
        memcmp(k->doc->signer.b, n->keys.sign_pub.b, WF_KEY_LEN) == 0)
        return false;
    for (size_t i = 0; i < k->doc->node.mirror_count; i++)
        if (strcmp(k->doc->node.mirrors[i], m->name) == 0)
            return true;
    return false;
}

// The next in the order of the catalog, so that one that has nothing is not asked for ever.
static const struct wf_known *next_mirror(const struct wf_mirror *m)
{
    struct wf_catalog *c = wf_gossip_catalog(m->room->node);
    const struct wf_known *first = NULL;
    bool behind = false;

    for (const struct wf_known *k = wf_catalog_next(c, NULL); k; k = wf_catalog_next(c, k)) {
        if (!mirrors_it(m, k))
            continue;
        if (behind)
            return k;
        if (!first)
            first = k;
        behind = strcmp(k->domain.s, m->via_domain.s) == 0 && strcmp(k->name.s, m->via_node.s) == 0;
    }
    return first;
}

bool wf_mirror_via_begin(struct wf_mirror *m, enum weft_err err)
{
    struct wf_node *n = m->room->node;
    bool silent = err == WEFT_E_TIMEOUT || err == WEFT_E_CLOSED || err == WEFT_E_CANCELLED ||
                  err == WEFT_E_UNREACHABLE || err == WEFT_E_NO_HOME || err == WEFT_E_STOPPED;

    if (!silent) {
        m->home_misses = 0;
        return false;
    }
    if (++m->home_misses < HOME_MISSES || m->refused || !m->token.len ||
        m->token_expires_ms <= wf_node_now_unix_ms(n))
        return false;
    const struct wf_known *k = next_mirror(m);
    if (!k)
        return false;
    m->via_domain = k->domain;
    m->via_node = k->name;
    m->via = true;
    m->via_until_ms = wf_node_now_ms(n) + VIA_MS;
    return true;
}

bool wf_mirror_via_over(const struct wf_mirror *m)
{
    return m->via && wf_node_now_ms(m->room->node) >= m->via_until_ms;
}

void wf_mirror_via_end(struct wf_mirror *m)
{
    m->via = m->leased = false;
    m->home_misses = HOME_MISSES - 1; // one try at the home, then back
}
