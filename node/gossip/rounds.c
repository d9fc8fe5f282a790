// SPDX-License-Identifier: Apache-2.0
// The step machine's actions as requests, replies as its events. Invariant: every SYNC and GET ends in one DIGESTS, DOCUMENTS or FAILED.
// Steps nest at most once (a request that fails at once), and never change the table of peers: that waits for the next turn.
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/gossip/priv.h"
#include "node/mirror/room.h"
#include "node/restored.h"
#include "node/stream/room.h"

struct exchange {
    struct wf_node *node;
    uint32_t peer;
    bool got;   // a GET came of the page just read
    bool newer; // something of our domain is newer there
    struct wf_buf continuation;
    size_t digest_count;
    struct wf_digest digests[]; // GET: what was asked
};

static void act(void *arg, const struct wf_gossip_action *a);

void wf_gossip_event(struct wf_node *n, const struct wf_gossip_event *e)
{
    struct wf_gossip_room *g = n->gossip;

    if (!g->closing && n->charter)
        wf_gossip_step(
            g->machine, wf_node_now_ms(n), wf_node_now_unix_ms(n), n->charter, e, act, n);
}

static void failed(struct wf_node *n, uint32_t peer)
{
    struct wf_gossip_event e = { .kind = WF_GOSSIP_FAILED, .peer = peer };

    wf_gossip_event(n, &e);
}

void wf_gossip_soon(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;

    if (!g->closing && !g->soon.index && wf_timer_set(n->loop, &g->soon, wf_node_now_ms(n) + 20))
        g->soon.index = 0; // the next tick comes anyway
}

static struct exchange *exchange_new(struct wf_node *n, uint32_t peer, size_t digests)
{
    struct exchange *x = calloc(1, sizeof *x + digests * sizeof(struct wf_digest));

    if (x) {
        x->node = n;
        x->peer = peer;
        n->gossip->exchanges++;
    }
    return x;
}

static void exchange_free(struct exchange *x)
{
    if (!x)
        return;
    x->node->gossip->exchanges--;
    wf_buf_fini(&x->continuation);
    free(x);
}

// Takes x; a request that can't be sent fails like one that is not answered.
static void send(struct exchange *x, const Weft__V1__Request *q, wf_link_fn done)
{
    struct wf_gossip_peer *p = wf_gossip_peer_by_id(x->node->gossip, x->peer);
    struct wf_link *link = NULL;
    enum weft_err err = p ? wf_gossip_peer_link(x->node, p, &link) : WEFT_E_NOT_FOUND;

    if (!err)
        err = wf_link_request(link, q, 0, done, x);
    if (err)
        done(x, err, NULL);
}

// The peer that answered, or NULL after its failure was told. Charter versions come with every answer.
static struct wf_gossip_peer *answered(struct exchange *x, enum weft_err err, bool has_answer)
{
    struct wf_gossip_room *g = x->node->gossip;
    struct wf_gossip_peer *p = g->closing ? NULL : wf_gossip_peer_by_id(g, x->peer);

    if (p)
        wf_gossip_peer_result(x->node, p, err);
    if (!p || err || !has_answer) {
        failed(x->node, x->peer);
        return NULL;
    }
    return p;
}

// ---- SYNC ------------------------------------------------------------------------------------------------------------

static void send_sync(struct exchange *x);

static void take_page(struct exchange *x, const Weft__V1__DigestReply *m, bool more)
{
    struct wf_digest *page = calloc(WF_MAX_DIGESTS, sizeof *page);
    struct wf_gossip_event e = {
        .kind = WF_GOSSIP_DIGESTS, .peer = x->peer, .digests = page, .more = more
    };

    for (size_t i = 0; page && i < m->n_digests && e.digest_count < WF_MAX_DIGESTS; i++)
        if (m->digests[i]->digest &&
            !wf_gossip_take_digest(m->digests[i]->digest, &page[e.digest_count]))
            e.digest_count++;
    wf_gossip_event(x->node, &e);
    free(page);
}

// Whether the page has a revocation list of our domain, or a home, that we do not know yet.
static bool has_newer(struct wf_node *n, const Weft__V1__DigestReply *m)
{
    for (size_t i = 0; i < m->n_digests; i++) {
        struct wf_digest d;
        const struct wf_known *k = NULL;
        if (!m->digests[i]->digest || wf_gossip_take_digest(m->digests[i]->digest, &d) ||
            !wf_name_eq(&d.domain, &n->identity.cert.domain) ||
            (d.kind != WF_ENTRY_REVOCATIONS && d.kind != WF_ENTRY_HOME))
            continue;
        k = wf_catalog_find(n->gossip->catalog, d.kind, d.domain.s, d.name.s);
        if (!k || k->term < d.term || (k->term == d.term && k->sequence < d.sequence))
            return true;
    }
    return false;
}

static void on_sync(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct exchange *x = arg;
    bool more = !err && reply->continuation.len > 0 && reply->continuation.len <= 64;
    struct wf_gossip_peer *p =
        answered(x, err, !err && reply->kind_case == WEFT__V1__REPLY__KIND_DIGEST);

    x->continuation.len = 0;
    if (!p) {
        exchange_free(x);
        return;
    }
    wf_gossip_charter_seen(x->node, p, reply->digest->charter_version);
    if (more && wf_buf_append(&x->continuation, wf_pb_view(reply->continuation)))
        more = false;
    x->node->gossip->count.rounds++;
    x->newer = x->newer || has_newer(x->node, reply->digest);
    x->node->gossip->page = x; // act marks it when it fetches
    take_page(x, reply->digest, more);
    x->node->gossip->page = NULL;
    if (more && !x->got) {
        send_sync(x);
        return;
    }
    if (!x->got && !x->newer && x->node->charter &&
        reply->digest->charter_version <= x->node->charter->version)
        wf_restored_agrees(x->node, &p->key);
    exchange_free(x);
}

static void send_sync(struct exchange *x)
{
    struct wf_node *n = x->node;
    struct wf_domain_root roots[WF_MAX_MEMBERS];
    Weft__V1__DomainRoot items[WF_MAX_MEMBERS], *list[WF_MAX_MEMBERS];
    Weft__V1__DigestRequest m = WEFT__V1__DIGEST_REQUEST__INIT;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    struct wf_hash root;
    size_t count = wf_catalog_domain_roots(n->gossip->catalog, roots, WF_MAX_MEMBERS);

    wf_catalog_root(n->gossip->catalog, &root);
    for (size_t i = 0; i < count && i < WF_MAX_MEMBERS; i++) {
        weft__v1__domain_root__init(&items[i]);
        items[i].domain = roots[i].domain.s;
        items[i].root = wf_pb_bin(wf_hash_view(&roots[i].root));
        items[i].count = (uint32_t)roots[i].count;
        list[i] = &items[i];
    }
    m.roots = list;
    m.n_roots = count < WF_MAX_MEMBERS ? count : WF_MAX_MEMBERS;
    m.root = wf_pb_bin(wf_hash_view(&root));
    m.charter_version = n->charter ? n->charter->version : 0;
    m.continuation = wf_pb_bin(wf_buf_view(&x->continuation));
    m.advert = wf_pb_bin(wf_buf_view(&n->gossip->advert));
    q.kind_case = WEFT__V1__REQUEST__KIND_DIGEST;
    q.digest = &m;
    send(x, &q, on_sync);
}

// ---- GET -------------------------------------------------------------------------------------------------------------

static struct wf_bytes find_document(const Weft__V1__GetReply *m, const struct wf_hash *id)
{
    for (size_t i = 0; i < m->n_documents; i++)
        if (wf_bytes_eq(wf_pb_view(m->documents[i]->hash), wf_hash_view(id)))
            return wf_pb_view(m->documents[i]->content);
    return wf_bytes(NULL, 0);
}

static void on_get(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct exchange *x = arg;
    struct wf_bytes documents[WF_MAX_GET];

    if (answered(x, err, !err && reply->kind_case == WEFT__V1__REPLY__KIND_GET)) {
        for (size_t i = 0; i < x->digest_count; i++)
            documents[i] = find_document(reply->get, &x->digests[i].id);
        struct wf_gossip_event e = { .kind = WF_GOSSIP_DOCUMENTS,
            .peer = x->peer,
            .digests = x->digests,
            .digest_count = x->digest_count,
            .documents = documents };
        wf_gossip_event(x->node, &e);
    }
    exchange_free(x);
}

static void send_get(struct wf_node *n, const struct wf_gossip_action *a)
{
    ProtobufCBinaryData hashes[WF_MAX_GET];
    Weft__V1__GetRequest m = WEFT__V1__GET_REQUEST__INIT;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    struct exchange *x = exchange_new(n, a->peer, a->count);

    if (!x) {
        failed(n, a->peer);
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        x->digests[i] = a->digests[i];
        hashes[i] = wf_pb_bin(wf_hash_view(&x->digests[i].id));
    }
    x->digest_count = a->count;
    m.hashes = hashes;
    m.n_hashes = a->count;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &m;
    send(x, &q, on_get);
}

// ---- NEWS ------------------------------------------------------------------------------------------------------------

static void on_news(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct exchange *x = arg;
    struct wf_gossip_room *g = x->node->gossip;
    struct wf_gossip_peer *p = g->closing ? NULL : wf_gossip_peer_by_id(g, x->peer);

    if (p)
        wf_gossip_peer_result(x->node, p, err);
    if (p && !err && reply->kind_case == WEFT__V1__REPLY__KIND_DIGEST)
        wf_gossip_charter_seen(x->node, p, reply->digest->charter_version);
    exchange_free(x);
}

static void send_news(struct wf_node *n, const struct wf_gossip_action *a)
{
    Weft__V1__Digest *items = calloc(a->count, sizeof *items);
    Weft__V1__Digest **list = calloc(a->count, sizeof *list);
    Weft__V1__DigestRequest m = WEFT__V1__DIGEST_REQUEST__INIT;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    struct exchange *x = items && list ? exchange_new(n, a->peer, 0) : NULL;

    if (x) { // news that get lost come with a round
        for (size_t i = 0; i < a->count; i++) {
            wf_gossip_put_digest(&a->digests[i], &items[i]);
            list[i] = &items[i];
        }
        m.news = list;
        m.n_news = a->count;
        m.charter_version = n->charter ? n->charter->version : 0;
        m.advert = wf_pb_bin(wf_buf_view(&n->gossip->advert));
        q.kind_case = WEFT__V1__REQUEST__KIND_DIGEST;
        q.digest = &m;
        send(x, &q, on_news);
    }
    free(items);
    free(list);
}

// ---- actions ---------------------------------------------------------------------------------------------------------

static void about(const struct wf_digest *d, char *out, size_t len)
{
    static const char *const kinds[] = { "?", "node", "product", "home", "charter", "revocations",
        "proof" };

    snprintf(out, len, "%s %s/%s", d->kind <= WF_ENTRY_PROOF ? kinds[d->kind] : "?", d->domain.s,
        d->name.s);
}

void wf_gossip_learned(struct wf_node *n, const struct wf_digest *d, bool is_proof)
{
    char text[192], name[64 + 16];

    n->gossip->count.learned++;
    n->gossip->peers_changed |= d->kind == WF_ENTRY_NODE;
    if (is_proof) {
        about(d, text, sizeof text);
        snprintf(name, sizeof name, "equivocation-%s", d->domain.s);
        wf_say(n, WF_LOG_ERROR, "gossip",
            "two different documents of one order: neither is served, both are kept as proof",
            "what", text, NULL);
        wf_alarm(n, name, text);
    } else if (d->kind == WF_ENTRY_REVOCATIONS) {
        wf_access_list_changed(n, d->domain.s);
        wf_mirror_list_changed(n, d->domain.s);
    } else if (d->kind == WF_ENTRY_HOME) {
        wf_stream_homes_changed(n);
    }
    wf_gossip_soon(n);
}

static void on_refused(struct wf_node *n, const struct wf_gossip_action *a)
{
    const struct wf_gossip_peer *p = wf_gossip_peer_by_id(n->gossip, a->peer);
    char text[192];

    n->gossip->count.refused++;
    about(&a->about, text, sizeof text);
    wf_say(n, WF_LOG_WARN, "gossip",
        a->kind == WF_GOSSIP_DIVERGES ? "this domain does not converge with the peer: backed off"
                                      : "a document was refused",
        "what", text, "why", weft_err_text(a->err), "from", p ? p->address : "?", NULL);
}

static void act(void *arg, const struct wf_gossip_action *a)
{
    struct wf_node *n = arg;
    struct exchange *x = NULL;

    switch (a->kind) {
    case WF_GOSSIP_SYNC:
        x = exchange_new(n, a->peer, 0);
        if (x)
            send_sync(x);
        else
            failed(n, a->peer);
        break;
    case WF_GOSSIP_GET:
        if (n->gossip->page && n->gossip->page->peer == a->peer)
            n->gossip->page->got = true;
        send_get(n, a);
        break;
    case WF_GOSSIP_NEWS:
        send_news(n, a);
        break;
    case WF_GOSSIP_LEARNED:
        wf_gossip_learned(n, &a->about, a->proof);
        break;
    case WF_GOSSIP_REFUSED:
    case WF_GOSSIP_DIVERGES:
        on_refused(n, a);
        break;
    }
}
