// SPDX-License-Identifier: Apache-2.0
// When a mirror asks its home again: a failure with a growing pause, a refusal seldom, since each costs the owner a decision and people a line to look
// at. What could change its mind, a token imported here or another advert of the product, is looked at meanwhile. Loop thread only.
#include "node/core.h"
#include "node/gossip/room.h"
#include "node/mirror/priv.h"
#include "sdk/identity.h"

static struct wf_hash advert_of(const struct wf_mirror *m)
{
    struct wf_node *n = m->room->node;
    const struct wf_known *k = n->has_certificate ? wf_catalog_find(wf_gossip_catalog(n),
                                                        WF_ENTRY_PRODUCT, m->domain.s, m->product.s)
                                                  : NULL;

    return k ? k->id : (struct wf_hash){ { 0 } };
}

void wf_mirror_try_later(struct wf_mirror *m)
{
    bool refused = m->state == WF_MIRROR_REFUSED;
    int64_t most = refused ? WF_MIRROR_REFUSED_MAX_MS : WF_MIRROR_RETRY_MAX_MS;
    uint16_t spread = 0;

    m->retry_ms = m->retry_ms ? 2 * m->retry_ms : WF_MIRROR_RETRY_MS;
    if (m->retry_ms > most)
        m->retry_ms = most;
    if (refused) // many mirrors may have been refused at once
        wf_random(&spread, sizeof spread);
    m->refused_advert = advert_of(m);
    wf_mirror_soon(m, m->retry_ms + spread * m->retry_ms / (2 * UINT16_MAX));
}

void wf_mirror_look(struct wf_mirror *m)
{
    if (m->state != WF_MIRROR_REFUSED || m->ask || m->check)
        return;
    uint64_t stamp = wf_identity_tokens_stamp(m->room->node->core->dir);
    struct wf_hash advert = advert_of(m);
    if (stamp == m->tokens_seen && wf_hash_eq(&advert, &m->refused_advert))
        return;
    m->tokens_seen = stamp;
    m->refused_advert = advert;
    wf_mirror_soon(m, 0);
}
