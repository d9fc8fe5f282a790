// SPDX-License-Identifier: Apache-2.0
// What a node tells its agents of the domain in the answers to polls: adverts of its nodes and the homes of its products. Gathered at most once a second for all of them. Loop thread only.
#include <stdlib.h>

#include "node/agent/agents.h"
#include "node/agent/places.h"
#include "node/gossip/room.h"

#define GATHER_MS 1000

static bool is_told(const struct wf_node *n, const struct wf_known *k)
{
    return wf_name_eq(&k->domain, &n->identity.cert.domain) && !k->removed && k->doc &&
           (k->kind == WF_ENTRY_NODE || k->kind == WF_ENTRY_HOME);
}

// What an agent does not have to learn anew when a document is only signed again.
static enum weft_err note(const struct wf_known *k, struct wf_buf *out)
{
    const struct wf_entry_doc *d = k->doc;

    if (k->kind == WF_ENTRY_HOME)
        return wf_buf_printf(
            out, "home %s %s %llu\n", d->name.s, d->home.node.s, (unsigned long long)d->term);
    enum weft_err err = wf_buf_printf(out, "node %s %s\n", d->name.s, d->node.addresses[0]);
    return err ? err : wf_buf_append(out, WF_BYTES(d->node.dh_key.b));
}

static void gather(struct wf_node *n)
{
    struct wf_agents_room *r = n->agents;
    struct wf_catalog *c = n->gossip ? wf_gossip_catalog(n) : NULL;
    struct wf_buf text = { 0 };
    size_t nodes = 0, homes = 0;
    enum weft_err err = WEFT_OK;

    for (const struct wf_known *k = c ? wf_catalog_next(c, NULL) : NULL; k && !err;
         k = wf_catalog_next(c, k)) {
        size_t *count = k->kind == WF_ENTRY_NODE ? &nodes : &homes;
        size_t most = k->kind == WF_ENTRY_NODE ? WF_PLACES_NODES : WF_PLACES_HOMES;
        if (!is_told(n, k) || *count == most)
            continue;
        ++*count;
        err = note(k, &text);
    }
    if (!err && text.len)
        wf_blake2b(wf_buf_view(&text), &r->places);
    r->places_ms = wf_node_now_ms(n) + GATHER_MS;
    wf_buf_fini(&text);
}

bool wf_agents_has_news(struct wf_node *n, struct wf_bytes had)
{
    const struct wf_hash *root = &n->agents->places;

    if (!n->agents->places_ms || wf_node_now_ms(n) >= n->agents->places_ms)
        gather(n);
    return !wf_hash_is_zero(root) && !wf_bytes_eq(had, wf_hash_view(root));
}

enum weft_err wf_agents_put_places(
    struct wf_node *n, struct wf_arena *arena, struct wf_bytes had, Weft__V1__PollReply *r)
{
    struct wf_catalog *c = n->gossip ? wf_gossip_catalog(n) : NULL;

    if (!c || !wf_agents_has_news(n, had))
        return WEFT_OK;
    r->places = wf_pb_bin(wf_hash_view(&n->agents->places));
    r->nodes = wf_arena_calloc(arena, WF_PLACES_NODES, sizeof *r->nodes);
    r->homes = wf_arena_calloc(arena, WF_PLACES_HOMES, sizeof *r->homes);
    if (!r->nodes || !r->homes)
        return wf_arena_err(arena);
    for (const struct wf_known *k = wf_catalog_next(c, NULL); k; k = wf_catalog_next(c, k)) {
        struct wf_bytes copy;
        bool is_node = k->kind == WF_ENTRY_NODE;
        if (!is_told(n, k) ||
            (is_node ? r->n_nodes == WF_PLACES_NODES : r->n_homes == WF_PLACES_HOMES))
            continue;
        enum weft_err err = wf_arena_dup(arena, k->raw, &copy);
        if (err)
            return err;
        if (is_node)
            r->nodes[r->n_nodes++] = wf_pb_bin(copy);
        else
            r->homes[r->n_homes++] = wf_pb_bin(copy);
    }
    return WEFT_OK;
}
