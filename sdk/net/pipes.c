// SPDX-License-Identifier: Apache-2.0
// The set of admitted pipes. NNG reports the end of a pipe that was refused in ADD_PRE like that of any other, so caps are
// kept by a set of ids; a counter would drift below zero and the cap would leak.
#include "sdk/net/net_int.h"

#include <stdlib.h>

static uint32_t id_slot(const struct net_pipes *t, uint32_t id)
{
    return id & t->mask; // NNG numbers pipes one after the other
}

// FNV-1a; the table's size is not known to peers and chains are bounded by the cap.
static uint32_t prefix_slot(const struct net_pipes *t, const struct wf_net_prefix *p)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < sizeof p->b; i++)
        h = (h ^ p->b[i]) * 16777619u;
    return (h ^ h >> 15) & t->mask;
}

enum weft_err net_pipes_init(struct net_pipes *t, unsigned max, unsigned per_prefix)
{
    uint32_t size = 16;

    while (size < max)
        size *= 2;
    struct net_pipe **ids = calloc(size, sizeof(struct net_pipe *));
    struct net_pipe **prefixes = calloc(size, sizeof(struct net_pipe *));
    if (!ids || !prefixes) {
        free(ids);
        free(prefixes);
        return WEFT_E_NOMEM;
    }
    *t = (struct net_pipes){ ids, prefixes, size - 1, 0, max, per_prefix };
    return WEFT_OK;
}

void net_pipes_fini(struct net_pipes *t)
{
    for (uint32_t i = 0; t->ids && i <= t->mask; i++) {
        struct net_pipe *p = t->ids[i];
        while (p) {
            struct net_pipe *next = p->by_id;
            free(p);
            p = next;
        }
    }
    free(t->ids);
    free(t->prefixes);
    *t = (struct net_pipes){ 0 };
}

static unsigned count_prefix(const struct net_pipes *t, const struct wf_net_prefix *prefix)
{
    unsigned n = 0;

    for (struct net_pipe *p = t->prefixes[prefix_slot(t, prefix)]; p; p = p->by_prefix)
        n += wf_net_prefix_eq(&p->prefix, prefix);
    return n;
}

struct net_pipe *net_pipes_admit(
    struct net_pipes *t, uint32_t id, const struct wf_net_addr *addr, int64_t now_ms)
{
    struct wf_net_prefix prefix = wf_net_addr_prefix(addr);

    if (t->count >= t->max)
        return NULL;
    if (addr->family != WF_NET_LOCAL && count_prefix(t, &prefix) >= t->per_prefix)
        return NULL;
    struct net_pipe *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    struct net_pipe **id_head = &t->ids[id_slot(t, id)];
    struct net_pipe **prefix_head = &t->prefixes[prefix_slot(t, &prefix)];
    p->id = id;
    p->addr = *addr;
    p->prefix = prefix;
    p->born_ms = p->last_ms = now_ms;
    p->by_id = *id_head;
    *id_head = p;
    p->by_prefix = *prefix_head;
    *prefix_head = p;
    t->count++;
    return p;
}

struct net_pipe *net_pipes_find(const struct net_pipes *t, uint32_t id)
{
    struct net_pipe *p = t->ids[id_slot(t, id)];

    while (p && p->id != id)
        p = p->by_id;
    return p;
}

bool net_pipes_remove(struct net_pipes *t, uint32_t id)
{
    struct net_pipe **link = &t->ids[id_slot(t, id)];

    while (*link && (*link)->id != id)
        link = &(*link)->by_id;
    struct net_pipe *p = *link;
    if (!p)
        return false;
    *link = p->by_id;
    link = &t->prefixes[prefix_slot(t, &p->prefix)];
    while (*link != p)
        link = &(*link)->by_prefix;
    *link = p->by_prefix;
    free(p);
    t->count--;
    return true;
}

struct net_pipe *net_pipes_next(const struct net_pipes *t, const struct net_pipe *after)
{
    if (after && after->by_id)
        return after->by_id;
    for (uint32_t i = after ? id_slot(t, after->id) + 1 : 0; i <= t->mask; i++)
        if (t->ids[i])
            return t->ids[i];
    return NULL;
}
