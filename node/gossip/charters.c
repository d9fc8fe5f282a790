// SPDX-License-Identifier: Apache-2.0
// The charter walk: whoever knows a newer charter is asked for all from ours on, each is verified as the successor of the one before,
// persisted, and only then in force. One walk at a time.
#include <stdio.h>
#include <stdlib.h>

#include "node/core.h"
#include "node/gossip/priv.h"

struct walk {
    struct wf_node *node;
    uint32_t peer;
};

void wf_gossip_charter_changed(struct wf_node *n)
{
    struct wf_diag diag = { 0 };
    char version[24];
    size_t gone = 0;

    if (n->gossip->has_charter)
        gone = wf_catalog_recheck(n->gossip->catalog, n->charter, wf_node_now_unix_ms(n));
    else if (wf_gossip_load(n, &diag))
        wf_say(n, WF_LOG_ERROR, "gossip", "the registry could not be read", "why", diag.text, NULL);
    snprintf(version, sizeof version, "%llu", (unsigned long long)n->charter->version);
    wf_say(n, WF_LOG_INFO, "gossip", "charter in force", "version", version, NULL);
    if (gone)
        wf_say(n, WF_LOG_WARN, "gossip", "the charter removed entries of domains that left", NULL);
    n->gossip->charter_version = n->charter->version;
    n->gossip->sign_at_ms = 0; // the own advert names the charter
    wf_gossip_peers_drop_links(n);
    n->gossip->peers_changed = true;
    wf_gossip_soon(n);
}

static void take_charters(struct wf_node *n, const Weft__V1__GetReply *m, const char *from)
{
    struct wf_diag diag = { 0 };
    enum weft_err err = WEFT_OK;
    uint64_t before = n->charter ? n->charter->version : 0;

    for (size_t i = 0; i < m->n_charters && i < WF_MAX_CHARTER_RUN && !err; i++)
        err = wf_node_add_charter(n, wf_pb_view(m->charters[i]), &diag);
    if (err)
        wf_say(n, WF_LOG_ERROR, "gossip", "a peer's charter was refused", "from", from, "why",
            diag.text[0] ? diag.text : weft_err_text(err), NULL);
    if (n->charter && n->charter->version != before)
        wf_gossip_charter_changed(n);
}

static void on_charters(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct walk *w = arg;
    struct wf_node *n = w->node;
    struct wf_gossip_peer *p = n->gossip->closing ? NULL : wf_gossip_peer_by_id(n->gossip, w->peer);

    free(w);
    n->gossip->is_walking = false;
    if (!p)
        return;
    wf_gossip_peer_result(n, p, err);
    if (!err && reply->kind_case == WEFT__V1__REPLY__KIND_GET)
        take_charters(n, reply->get, p->address);
}

void wf_gossip_charter_seen(struct wf_node *n, struct wf_gossip_peer *p, uint64_t version)
{
    Weft__V1__GetRequest m = WEFT__V1__GET_REQUEST__INIT;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    uint64_t own = n->charter ? n->charter->version : 0;
    struct wf_link *link = NULL;

    if (version <= own || n->gossip->is_walking || wf_gossip_peer_link(n, p, &link))
        return;
    struct walk *w = malloc(sizeof *w);
    if (!w)
        return;
    *w = (struct walk){ n, p->id };
    m.charters_from = own + 1;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &m;
    n->gossip->is_walking = true;
    enum weft_err err = wf_link_request(link, &q, 0, on_charters, w);
    if (err) {
        free(w);
        n->gossip->is_walking = false;
    }
}

// Admissions and new grants end with the charter; what runs goes on for a while, so somebody must be told.
void wf_gossip_charter_tick(struct wf_node *n)
{
    int64_t now = wf_node_now_unix_ms(n);

    wf_alarm(n, "no-charter",
        n->charter
            ? NULL
            : "no charter yet: no seed has answered as a node of this mesh; weft peers tells "
              "why, and weft mesh show at a member which mesh id is right");
    if (!n->charter)
        return;
    if (n->charter->version != n->gossip->charter_version)
        wf_gossip_charter_changed(n);
    wf_alarm(n, "charter-expired",
        wf_charter_is_expired(n->charter, now)
            ? "the charter has expired: no admissions, no new grants; propose and sign a new one"
            : NULL);
}
