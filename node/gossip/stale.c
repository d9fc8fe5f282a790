// SPDX-License-Identifier: Apache-2.0
// Old news look like news to who sees nothing else: a peer that withholds what is newer freezes this node at a state that verifies. Every
// living domain signs something every few minutes, so what was signed last tells, domain by domain, how old the view of it is.
#include <stdio.h>

#include "node/core.h"
#include "node/gossip/priv.h"

int64_t wf_gossip_newest_ms(struct wf_catalog *c, const char *domain)
{
    int64_t newest = 0;

    for (const struct wf_known *k = wf_catalog_next(c, NULL); k; k = wf_catalog_next(c, k))
        if (strcmp(k->domain.s, domain) == 0 && (int64_t)k->sequence > newest)
            newest = (int64_t)k->sequence; // a sequence is the time of signing
    return newest;
}

static void judge(struct wf_node *n, const char *domain, int64_t now)
{
    char name[WF_MAX_NAME + 8], text[256];
    int64_t newest = wf_gossip_newest_ms(n->gossip->catalog, domain);

    snprintf(name, sizeof name, "stale-%s", domain);
    if (now - newest < WF_GOSSIP_STALE_MS) {
        wf_alarm(n, name, NULL);
        return;
    }
    if (newest == 0)
        snprintf(text, sizeof text,
            "nothing that domain %s signed is known here: it is down, or its news are withheld",
            domain);
    else
        snprintf(text, sizeof text,
            "the newest that domain %s signed is more than %lld min old: it is down, or its news "
            "are withheld",
            domain, (long long)(WF_GOSSIP_STALE_MS / 60000));
    wf_alarm(n, name, text);
}

// A mesh has others, and this node no way to any of them: nothing will come unless they dial.
static void judge_alone(struct wf_node *n, int64_t now)
{
    struct wf_gossip_room *g = n->gossip;
    char text[256];

    if (g->alone_due_ms == 0)
        g->alone_due_ms = now + WF_GOSSIP_ALONE_MS;
    if (now < g->alone_due_ms)
        return;
    snprintf(text, sizeof text,
        "no other node is known here, of %zu domains: name one under seeds: in weftd.yaml (weft "
        "key "
        "show tells its key), or let one of them name this node",
        n->charter->member_count);
    wf_alarm(n, "alone", g->peer_count == 0 && n->charter->member_count > 1 ? text : NULL);
}

void wf_gossip_stale_tick(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;
    int64_t now = wf_node_now_ms(n);

    if (!n->charter || !n->has_certificate)
        return;
    judge_alone(n, now);
    if (now < g->stale_due_ms)
        return;
    // A node that just started has not asked anybody yet.
    bool first = g->stale_due_ms == 0;
    g->stale_due_ms = now + (first ? WF_GOSSIP_STALE_MS : WF_GOSSIP_STALE_EVERY_MS);
    if (first)
        return;
    for (size_t i = 0; i < n->charter->member_count; i++)
        if (strcmp(n->charter->members[i].name.s, n->identity.cert.domain.s) != 0)
            judge(n, n->charter->members[i].name.s, wf_node_now_unix_ms(n));
}
