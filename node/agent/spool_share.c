// SPDX-License-Identifier: Apache-2.0
// Whose records a spool takes when it is nearly full: a product that says much must not use up the room of those that say little. Sizes are
// those of waiting batches, kept with their chains. Loop thread only.
#include <stdio.h>

#include "node/agent/uplink.h"

static uint64_t held_bytes(const struct wf_agent_product *p)
{
    uint64_t bytes = 0;

    for (const struct wf_spool_chain *c = p->node->uplink->chains; c; c = c->next)
        if (wf_hash_eq(&c->product_id, &p->collect->product.id))
            bytes += c->bytes;
    return bytes;
}

static void note_held(struct wf_agent_product *p, bool held)
{
    struct wf_uplink_room *u = p->node->uplink;
    char text[200];

    if (p->held == held)
        return;
    p->held = held;
    u->held += held ? 1 : -1u;
    snprintf(text, sizeof text,
        "%.64s has its share of a spool that is nearly full: its records are dropped and counted, "
        "those of other products kept",
        p->collect->product.name);
    if (held || !u->held)
        wf_alarm(p->node, "spool-share", held ? text : NULL);
}

bool wf_spool_is_held(struct wf_agent_product *p)
{
    struct wf_node *n = p->node;
    struct wf_log_stats stats = { 0 };
    uint64_t limit = n->conf->spool.bytes, products = 0;
    uint64_t free_again = p->held ? limit / 16 : 0;

    if (!n->log)
        return false;
    for (const struct wf_agent_product *each = n->uplink->products; each; each = each->next)
        products += !each->removed;
    wf_log_stats(n->log, &stats);
    uint64_t part = products ? limit / products : limit;
    note_held(p, !p->removed && products > 1 &&
                     stats.bytes + stats.queue_bytes > limit - limit / 4 - free_again &&
                     held_bytes(p) >= part - (p->held ? part / 8 : 0));
    return p->held;
}
