// SPDX-License-Identifier: Apache-2.0
// Life of the room: the store, the catalog, this node's own advert, and what other rooms ask.
#include "node/gossip/room.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/address.h"
#include "node/call.h"
#include "node/conf.h"
#include "node/gossip/priv.h"
#include "node/metrics.h"
#include "node/queues.h"
#include "sdk/conf/values.h"
#include "sdk/disk.h"

struct wf_catalog *wf_gossip_catalog(struct wf_node *n)
{
    return n->gossip ? n->gossip->catalog : NULL;
}

const struct wf_revocations *wf_gossip_revocations(const struct wf_node *n, const char *domain)
{
    const struct wf_known *k =
        n->gossip ? wf_catalog_find(n->gossip->catalog, WF_ENTRY_REVOCATIONS, domain, "") : NULL;

    return k ? k->revocations : NULL;
}

size_t wf_gossip_peer_count(const struct wf_node *n)
{
    return n->gossip ? n->gossip->peer_count : 0;
}

// The key of a document just learned, by its id: the catalog read it, so nobody reads it twice.
static const struct wf_known *newest(
    struct wf_catalog *c, enum wf_entry_kind kind, struct wf_bytes raw)
{
    for (const struct wf_known *k = wf_catalog_next(c, NULL); k; k = wf_catalog_next(c, k))
        if (k->kind == kind && wf_bytes_eq(k->raw, raw))
            return k;
    return NULL;
}

static void tell(struct wf_node *n, const struct wf_digest *d)
{
    struct wf_gossip_event e = { .kind = WF_GOSSIP_OWN, .digests = d, .digest_count = 1 };

    wf_gossip_event(n, &e);
    wf_gossip_learned(n, d, false);
}

enum weft_err wf_gossip_advertise(struct wf_node *n, enum wf_entry_kind kind, struct wf_bytes raw)
{
    struct wf_gossip_room *g = n->gossip;
    enum wf_learned learned = WF_LEARNED_SAME;
    struct wf_digest d;

    if (!n->charter)
        return WEFT_E_STATE;
    enum weft_err err = g->held ? wf_buf_reserve(&g->untold, sizeof d) : WEFT_OK;
    if (err)
        return err;
    err = wf_catalog_learn(g->catalog, kind, raw, n->charter, wf_node_now_unix_ms(n), &learned);
    if (err || learned == WF_LEARNED_SAME)
        return err;
    if (learned == WF_LEARNED_PROOF) {
        wf_alarm(n, "equivocation-own",
            "this node signed two documents of one order (a restored backup, or two nodes with one "
            "key?)");
        return WEFT_E_EQUIVOCATION;
    }
    const struct wf_known *k = newest(g->catalog, kind, raw);
    if (!k)
        return WEFT_E_QUOTA; // it was the one to go
    wf_digest_of(k, &d);
    if (g->held)
        return wf_buf_append(&g->untold, wf_bytes(&d, sizeof d));
    tell(n, &d);
    return WEFT_OK;
}

void wf_gossip_hold(struct wf_node *n)
{
    wf_catalog_hold(n->gossip->catalog);
    n->gossip->held = true;
}

enum weft_err wf_gossip_release(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;
    enum weft_err err = wf_catalog_release(g->catalog);
    struct wf_digest d;

    g->held = false;
    for (size_t at = 0; at < g->untold.len && !err; at += sizeof d) {
        memcpy(&d, g->untold.ptr + at, sizeof d);
        tell(n, &d);
    }
    g->untold.len = 0;
    return err;
}

// ---- the own advert --------------------------------------------------------------------------------------------------

static enum weft_err sign_advert(struct wf_node *n, struct wf_buf *out)
{
    struct wf_gossip_room *g = n->gossip;
    struct wf_address at;
    char text[WF_ADDRESS_TEXT];

    wf_node_told_address(n, &at);
    const char *address = wf_address_text(&at, text);
    wf_alarm(n, "advertise",
        wf_address_is_wildcard(&at)
            ? "others are told that it answers on every address, which leads them nowhere; "
              "weftd.yaml: advertise: HOST:PORT says where"
            : NULL);
    int64_t now = wf_node_now_unix_ms(n);
    const struct wf_known *before = wf_catalog_find(
        g->catalog, WF_ENTRY_NODE, n->identity.cert.domain.s, n->identity.cert.subject.s);
    if ((int64_t)g->advert_sequence > now + WF_CLOCK_TOLERANCE_MS)
        g->advert_sequence = 0; // signed while the clock was ahead: nobody took it
    if (before && before->sequence > g->advert_sequence)
        g->advert_sequence = before->sequence;
    g->advert_sequence =
        (uint64_t)now > g->advert_sequence ? (uint64_t)now : g->advert_sequence + 1;
    struct wf_node_fields f = { .mesh_id = n->mesh_id,
        .domain = n->identity.cert.domain.s,
        .subject = n->identity.cert.subject.s,
        .sequence = g->advert_sequence,
        .expires_ms = now + WF_GOSSIP_LIFE_MS,
        .addresses = &address,
        .address_count = 1,
        .mirrors = g->mirrors,
        .mirror_count = g->mirror_count,
        .dh_key = n->keys.dh_pub,
        .chain = wf_buf_view(&n->chain),
        .charter_version = n->charter->version };
    return wf_node_advert_sign(&f, &n->keys.sign, out);
}

void wf_gossip_set_mirrors(struct wf_node *n, const char *const *names, size_t count)
{
    n->gossip->mirrors = names;
    n->gossip->mirror_count = count;
    n->gossip->sign_at_ms = 0; // the next tick says it
}

// Peers verify the chain of whoever calls; readers of batches ask this node for the chain of their origin.
static void announce_chain(struct wf_node *n)
{
    if (wf_hash_eq(&n->gossip->chain_id, &n->identity.cert.id))
        return;
    if (wf_documents_put(n, wf_buf_view(&n->chain), &n->identity.cert.id))
        return; // said there; the next tick tries again
    n->gossip->chain_id = n->identity.cert.id;
    n->gossip->sign_at_ms = 0;
    wf_gossip_peers_drop_links(n);
}

static void renew_advert(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;
    int64_t now = wf_node_now_ms(n);
    struct wf_buf raw = { 0 };

    if (!n->charter || !n->has_certificate || (g->sign_at_ms && now < g->sign_at_ms))
        return;
    enum weft_err err = sign_advert(n, &raw);
    if (!err)
        err = wf_gossip_advertise(n, WF_ENTRY_NODE, wf_buf_view(&raw));
    if (err) {
        wf_say(n, WF_LOG_ERROR, "gossip", "this node's advert was refused", "why",
            weft_err_text(err), NULL);
        wf_buf_fini(&raw);
        g->sign_at_ms = now + 10000;
        return;
    }
    wf_buf_fini(&g->advert);
    g->advert = raw;
    g->sign_at_ms = now + WF_GOSSIP_SIGN_MS;
}

// ---- life ------------------------------------------------------------------------------------------------------------

enum weft_err wf_gossip_load(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_gossip_room *g = n->gossip;
    struct wf_catalog *catalog = NULL;
    struct wf_gossip *machine = NULL;
    struct wf_quota quota = { 0 };
    size_t dropped = 0;
    uint64_t seed;
    char count[24];
    enum weft_err err =
        wf_catalog_new(g->store, quota, n->charter, wf_node_now_unix_ms(n), &dropped, &catalog);

    wf_random(&seed, sizeof seed);
    if (!err)
        err = wf_gossip_new(catalog, seed, &machine);
    if (err) {
        wf_diag_set(diag, 0, 0, "%s/registry.db: %s", n->conf->data, weft_err_text(err));
        wf_catalog_free(catalog);
        return err;
    }
    for (size_t i = 0; i < g->peer_count; i++)
        g->peers[i]->is_active = false;
    wf_gossip_free(g->machine);
    wf_catalog_free(g->catalog);
    g->machine = machine;
    g->catalog = catalog;
    g->has_charter = n->charter != NULL;
    g->charter_version = n->charter ? n->charter->version : 0;
    if (dropped) {
        snprintf(count, sizeof count, "%zu", dropped);
        wf_say(n, WF_LOG_INFO, "gossip", "stored entries that no longer hold were dropped", "count",
            count, NULL);
    }
    return WEFT_OK;
}

static void turn(struct wf_node *n)
{
    struct wf_gossip_event tick = { .kind = WF_GOSSIP_TICK };

    if (n->gossip->peers_changed)
        wf_gossip_peers_refresh(n);
    wf_gossip_event(n, &tick);
}

static void on_soon(struct wf_timer *t)
{
    struct wf_gossip_room *g =
        (struct wf_gossip_room *)(void *)((char *)t - offsetof(struct wf_gossip_room, soon));

    turn(g->node);
}

static enum weft_err gossip_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_gossip_room *g = calloc(1, sizeof *g);
    char *path = NULL;

    if (!g)
        return WEFT_E_NOMEM;
    n->gossip = g;
    g->node = n;
    g->soon.fire = on_soon;
    enum weft_err err = wf_disk_join(n->conf->data, "registry.db", &path);
    if (!err)
        err = wf_store_sqlite_open(path, &g->store, diag);
    free(path);
    if (!err)
        err = wf_gossip_load(n, diag);
    if (!err)
        err = wf_gossip_serve_open(n);
    return err;
}

static enum weft_err gossip_start(struct wf_node *n, struct wf_diag *diag)
{
    (void)diag;
    announce_chain(n);
    renew_advert(n);
    wf_gossip_peers_refresh(n);
    wf_gossip_soon(n);
    return WEFT_OK;
}

static void gossip_tick(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;

    wf_gossip_charter_tick(n);
    wf_gossip_stale_tick(n);
    if (n->has_certificate)
        announce_chain(n);
    // Before signing: what was signed while the clock was ahead is no predecessor.
    if (wf_catalog_expire(g->catalog, wf_node_now_unix_ms(n)))
        g->peers_changed = true;
    if (g->clock_back_steps != n->clock_back_steps)
        g->sign_at_ms = 0;
    g->clock_back_steps = n->clock_back_steps;
    renew_advert(n);
    turn(n);
    wf_gossip_peers_probe(n);
    wf_gossip_serve_tick(n);
}

static void gossip_close(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;

    if (!g)
        return;
    g->closing = true;
    wf_timer_cancel(n->loop, &g->soon);
    wf_gossip_serve_close(n);
    wf_gossip_peers_free(n);
    wf_gossip_free(g->machine);
    wf_catalog_free(g->catalog);
    wf_store_free(g->store);
    wf_buf_fini(&g->advert);
    wf_buf_fini(&g->untold);
    free(g);
    n->gossip = NULL;
}

static void gossip_queues(const struct wf_node *n, struct wf_queues *out)
{
    wf_queues_add(out, &(struct wf_queue){ .name = "gossip",
                           .items = n->gossip->delayed_count,
                           .max_items = WF_GOSSIP_DELAYED,
                           .dropped = n->gossip->count.busy });
}

static void gossip_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    const struct wf_gossip_room *g = n->gossip;
    size_t up = 0;

    for (size_t i = 0; i < g->peer_count; i++)
        up += g->peers[i]->heard_ms >= 0 && g->peers[i]->failures == 0;
    wf_metric(m, WF_METRIC_REGISTRY, (double)wf_catalog_count(g->catalog));
    wf_metric_head(m, WF_METRIC_PEERS);
    wf_metric_of(m, WF_METRIC_PEERS, (double)g->peer_count, "state=\"known\"");
    wf_metric_of(m, WF_METRIC_PEERS, (double)up, "state=\"up\"");
    wf_metric(m, WF_METRIC_GOSSIP_ROUNDS, (double)g->count.rounds);
    wf_metric(m, WF_METRIC_GOSSIP_LEARNED, (double)g->count.learned);
    wf_metric(m, WF_METRIC_GOSSIP_REFUSED, (double)g->count.refused);
    wf_metric(m, WF_METRIC_GOSSIP_DELAYED, (double)g->count.delayed);
}

const struct wf_room wf_gossip_room = {
    .name = "gossip",
    .open = gossip_open,
    .start = gossip_start,
    .tick = gossip_tick,
    .close = gossip_close,
    .metrics = gossip_metrics,
    .queues = gossip_queues,
};
