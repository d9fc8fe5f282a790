// SPDX-License-Identifier: Apache-2.0
// What others ask of the registry: digests and documents. A peer that asks too often waits for its turn; it is never refused for that.
#include <stdlib.h>

#include "node/core.h"
#include "node/gossip/priv.h"
#include "node/stream/room.h"
#include "proto/session/bucket.h"
#include "proto/session/session.h"

#define RATE_PER_S 50u
#define RATE_BURST 200u
#define RATE_SLOTS                                                                                 \
    1024u // a power of two; direct-mapped by key: a collision shares nothing but the slot
#define REPLY_BYTES (WF_SESSION_MAX_PLAIN - 64u * WF_KIB)
#define PAGE        512u // digests of one answer

struct wf_gossip_rate {
    struct wf_bucket bucket;
    struct wf_sign_pub key;
};

// ---- digests ---------------------------------------------------------------------------------------------------------

static size_t take_roots(const Weft__V1__DigestRequest *m, struct wf_domain_root *out)
{
    size_t count = 0;

    for (size_t i = 0; i < m->n_roots && count < WF_MAX_MEMBERS; i++)
        if (!wf_name_from(wf_bytes_str(m->roots[i]->domain), &out[count].domain) &&
            !wf_hash_from(wf_pb_view(m->roots[i]->root), &out[count].root))
            count++;
    return count;
}

static size_t take_continuation(ProtobufCBinaryData c)
{
    return c.len == 4 ? wf_load_be32(c.data) : 0;
}

// Which node stands behind an entry: who would be asked whether it is still true.
static const char *author_of(const struct wf_known *k)
{
    switch (k->kind) {
    case WF_ENTRY_NODE:
        return k->name.s;
    case WF_ENTRY_PRODUCT:
        return k->doc->product.node.s;
    case WF_ENTRY_HOME:
        return k->doc->home.node.s;
    default:
        return NULL;
    }
}

// Of a home that this node does not ask itself, its adverts tell: two in a row that did not come, and half as long for their way.
static bool is_overdue(const struct wf_known *k, int64_t heard_ms, int64_t age_ms)
{
    return k && k->kind == WF_ENTRY_PRODUCT && !k->removed && heard_ms < 0 &&
           age_ms > WF_ADVERT_EVERY_MS * 5 / 2;
}

static void put_seen(struct wf_node *n, const struct wf_digest *d, Weft__V1__SeenDigest *ret,
    Weft__V1__Digest *digest)
{
    const struct wf_known *k = wf_catalog_by_id(n->gossip->catalog, &d->id);
    const char *author = k ? author_of(k) : NULL;
    int64_t now = wf_node_now_unix_ms(n);
    bool gone = false;

    weft__v1__seen_digest__init(ret);
    wf_gossip_put_digest(d, digest);
    ret->digest = digest;
    ret->heard_ms = author ? wf_gossip_heard_ms(n, d->domain.s, author, &gone) : -1;
    // Sequences of adverts and homes are times of signing.
    if (k && k->doc && d->sequence <= (uint64_t)now)
        ret->age_ms = now - (int64_t)d->sequence;
    else if (k && k->revocations)
        ret->age_ms = now - k->revocations->issued_ms;
    if (ret->age_ms < 0)
        ret->age_ms = 0;
    ret->gone = gone || is_overdue(k, ret->heard_ms, ret->age_ms);
}

static enum weft_err put_page(
    struct wf_call *c, const struct wf_digest *page, size_t count, Weft__V1__DigestReply *reply)
{
    Weft__V1__SeenDigest *seen = wf_arena_calloc(c->arena, count, sizeof *seen);
    Weft__V1__SeenDigest **list = wf_arena_calloc(c->arena, count, sizeof *list);
    Weft__V1__Digest *digests = wf_arena_calloc(c->arena, count, sizeof *digests);

    if (!seen || !list || !digests)
        return wf_arena_err(c->arena);
    for (size_t i = 0; i < count; i++) {
        put_seen(c->node, &page[i], &seen[i], &digests[i]);
        list[i] = &seen[i];
    }
    reply->digests = list;
    reply->n_digests = count;
    return WEFT_OK;
}

static enum weft_err put_roots(struct wf_call *c, Weft__V1__DigestReply *reply)
{
    struct wf_domain_root *roots = wf_arena_calloc(c->arena, WF_MAX_MEMBERS, sizeof *roots);
    Weft__V1__DomainRoot *items = wf_arena_calloc(c->arena, WF_MAX_MEMBERS, sizeof *items);
    Weft__V1__DomainRoot **list = wf_arena_calloc(c->arena, WF_MAX_MEMBERS, sizeof *list);
    struct wf_hash *root = wf_arena_alloc(c->arena, sizeof *root);

    if (!roots || !items || !list || !root)
        return wf_arena_err(c->arena);
    size_t count = wf_catalog_domain_roots(c->node->gossip->catalog, roots, WF_MAX_MEMBERS);
    if (count > WF_MAX_MEMBERS)
        count = WF_MAX_MEMBERS;
    for (size_t i = 0; i < count; i++) {
        weft__v1__domain_root__init(&items[i]);
        items[i].domain = roots[i].domain.s;
        items[i].root = wf_pb_bin(wf_hash_view(&roots[i].root));
        items[i].count = (uint32_t)roots[i].count;
        list[i] = &items[i];
    }
    wf_catalog_root(c->node->gossip->catalog, root);
    reply->root = wf_pb_bin(wf_hash_view(root));
    reply->roots = list;
    reply->n_roots = count;
    return WEFT_OK;
}

static void serve_digest(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__DigestRequest *m = c->request->digest;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__DigestReply r = WEFT__V1__DIGEST_REPLY__INIT;
    struct wf_domain_root *theirs = wf_arena_calloc(c->arena, WF_MAX_MEMBERS, sizeof *theirs);
    struct wf_digest *page = wf_arena_calloc(c->arena, PAGE, sizeof *page);
    uint8_t continuation[4];
    size_t skip = take_continuation(m->continuation), count = 0;
    bool more = false;
    enum weft_err err = theirs && page ? WEFT_OK : wf_arena_err(c->arena);

    if (!err && m->n_news == 0) {
        count = wf_gossip_answer(
            n->gossip->catalog, theirs, take_roots(m, theirs), m->all, skip, page, PAGE, &more);
        err = put_page(c, page, count, &r);
    }
    if (!err)
        err = put_roots(c, &r);
    if (err) {
        wf_call_refuse(c, err, "digest: %s", weft_err_text(err));
        return;
    }
    r.charter_version = n->charter ? n->charter->version : 0;
    r.as_of_ms = wf_node_now_unix_ms(n);
    if (more) {
        wf_store_be32(continuation, (uint32_t)(skip + count));
        reply.continuation = wf_pb_bin(WF_BYTES(continuation));
    }
    reply.kind_case = WEFT__V1__REPLY__KIND_DIGEST;
    reply.digest = &r;
    wf_call_reply(c, &reply);
}

// The asker's advert makes it a peer at once: a newcomer that knows only us must not wait to be found.
static void learn_asker(struct wf_node *n, const struct wf_call *c)
{
    struct wf_bytes raw = wf_pb_view(c->request->digest->advert);
    const struct wf_identity *id = &c->caller->identity;
    enum wf_learned learned = WF_LEARNED_SAME;
    struct wf_digest d;

    if (raw.len == 0 || !n->charter || id->cert.kind != WF_ID_NODE)
        return;
    const struct wf_known *k =
        wf_catalog_find(n->gossip->catalog, WF_ENTRY_NODE, id->cert.domain.s, id->cert.subject.s);
    if (k && wf_bytes_eq(k->raw, raw))
        return;
    enum weft_err err = wf_catalog_learn(
        n->gossip->catalog, WF_ENTRY_NODE, raw, n->charter, wf_node_now_unix_ms(n), &learned);
    k = err ? NULL
            : wf_catalog_find(
                  n->gossip->catalog, WF_ENTRY_NODE, id->cert.domain.s, id->cert.subject.s);
    if (!k || learned != WF_LEARNED_NEW)
        return; // stale is usual: rounds cross each other
    wf_digest_of(k, &d);
    struct wf_gossip_event e = { .kind = WF_GOSSIP_OWN, .digests = &d, .digest_count = 1 };
    wf_gossip_event(n, &e); // told on like news of our own
    wf_gossip_learned(n, &d, false);
    wf_gossip_peers_refresh(n);
}

static void hear(struct wf_node *n, const struct wf_call *c)
{
    const Weft__V1__DigestRequest *m = c->request->digest;

    if (c->caller->local || c->caller->identity.cert.kind != WF_ID_NODE)
        return;
    learn_asker(n, c);
    struct wf_gossip_peer *p = wf_gossip_peer_by_key(n->gossip, &c->caller->identity.cert.dh_key);
    if (!p)
        return;
    p->heard_ms = wf_node_now_ms(n);
    wf_gossip_charter_seen(n, p, m->charter_version);
    if (m->n_news == 0)
        return;
    struct wf_digest *news = wf_arena_calloc(c->arena, WF_MAX_DIGESTS, sizeof *news);
    struct wf_gossip_event e = {
        .kind = WF_GOSSIP_DIGESTS, .peer = p->id, .digests = news, .is_news = true
    };
    for (size_t i = 0; news && i < m->n_news && e.digest_count < WF_MAX_DIGESTS; i++)
        if (!wf_gossip_take_digest(m->news[i], &news[e.digest_count]))
            e.digest_count++;
    wf_gossip_event(n, &e);
}

// ---- documents -------------------------------------------------------------------------------------------------------

// Manifests name programs and hosts of a domain: only its own agents and nodes get them.
static bool is_manifest(struct wf_bytes content)
{
    struct wf_arena arena;
    struct wf_sealed sealed;

    wf_arena_init(&arena, content.len + 16u * WF_KIB);
    bool is = !wf_envelope_read(content, WF_DOC_MANIFEST, &arena, &sealed);
    wf_arena_fini(&arena);
    return is;
}

static bool is_own(const struct wf_node *n, const struct wf_caller *who)
{
    return who->local || wf_name_eq(&who->identity.cert.domain, &n->identity.cert.domain);
}

static bool find_content(
    struct wf_node *n, struct wf_call *c, const struct wf_hash *hash, struct wf_bytes *ret)
{
    const struct wf_known *k = wf_catalog_by_id(n->gossip->catalog, hash);

    if (k) {
        *ret = k->raw;
        return true;
    }
    if (n->charter && wf_hash_eq(hash, &n->charter->id)) {
        *ret = wf_buf_view(&n->charter->raw);
        return true;
    }
    return !wf_documents_get(n, hash, c->arena, ret) &&
           (is_own(n, c->caller) || !is_manifest(*ret));
}

static enum weft_err put_documents(struct wf_call *c, Weft__V1__GetReply *r)
{
    const Weft__V1__GetRequest *m = c->request->get;
    size_t asked = m->n_hashes < WF_MAX_GET ? m->n_hashes : WF_MAX_GET, bytes = 0;
    Weft__V1__Document *items = wf_arena_calloc(c->arena, asked, sizeof *items);

    r->documents = wf_arena_calloc(c->arena, asked, sizeof(Weft__V1__Document *));
    if (!items || !r->documents)
        return wf_arena_err(c->arena);
    for (size_t i = 0; i < asked; i++) {
        struct wf_hash hash;
        struct wf_bytes content;
        if (wf_hash_from(wf_pb_view(m->hashes[i]), &hash) ||
            !find_content(c->node, c, &hash, &content))
            continue;
        if (bytes + content.len > REPLY_BYTES)
            break; // the rest is asked for again
        bytes += content.len + 48;
        weft__v1__document__init(&items[i]);
        items[i].hash = m->hashes[i];
        items[i].content = wf_pb_bin(content);
        r->documents[r->n_documents++] = &items[i];
    }
    return WEFT_OK;
}

static enum weft_err put_charters(struct wf_call *c, Weft__V1__GetReply *r)
{
    struct wf_node *n = c->node;
    uint64_t from = c->request->get->charters_from, last = n->charter ? n->charter->version : 0;
    size_t bytes = 0;

    if (from == 0 || from > last)
        return WEFT_OK;
    size_t count =
        last - from + 1 < WF_MAX_CHARTER_RUN ? (size_t)(last - from + 1) : WF_MAX_CHARTER_RUN;
    r->charters = wf_arena_calloc(c->arena, count, sizeof *r->charters);
    if (!r->charters)
        return wf_arena_err(c->arena);
    for (size_t i = 0; i < count; i++) {
        struct wf_buf raw = { 0 };
        struct wf_bytes copy = { 0 };
        enum weft_err err = wf_identity_charter(n->core->dir, from + i, &raw);
        bool fits = !err && bytes + raw.len <= REPLY_BYTES;
        if (fits)
            err = wf_arena_dup(c->arena, wf_buf_view(&raw), &copy);
        bytes += raw.len;
        wf_buf_fini(&raw);
        if (err || !fits)
            return r->n_charters ? WEFT_OK
                                 : err; // what there is, in order; the rest is asked for again
        r->charters[r->n_charters++] = wf_pb_bin(copy);
    }
    return WEFT_OK;
}

static void serve_get(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__GetReply r = WEFT__V1__GET_REPLY__INIT;
    enum weft_err err = c->request->get->charters_from ? put_charters(c, &r) : put_documents(c, &r);

    (void)n;
    if (err) {
        wf_call_refuse(c, err, "get: %s", weft_err_text(err));
        return;
    }
    reply.kind_case = WEFT__V1__REPLY__KIND_GET;
    reply.get = &r;
    wf_call_reply(c, &reply);
}

// ---- whose turn it is ------------------------------------------------------------------------------------------------

static void serve(struct wf_node *n, struct wf_call *c)
{
    if (c->request->kind_case == WEFT__V1__REQUEST__KIND_DIGEST)
        serve_digest(n, c);
    else
        serve_get(n, c);
}

static bool may_now(struct wf_node *n, const struct wf_caller *who)
{
    const struct wf_sign_pub *key = &who->identity.cert.sign_key;
    int64_t now = wf_node_now_ms(n);

    if (who->local)
        return true;
    struct wf_gossip_rate *r = &n->gossip->rates[wf_load_be32(key->b) & (RATE_SLOTS - 1)];
    if (memcmp(r->key.b, key->b, WF_KEY_LEN) != 0) {
        r->key = *key;
        wf_bucket_init(&r->bucket, RATE_PER_S, RATE_BURST, now);
    }
    return wf_bucket_take(&r->bucket, now);
}

static void serve_delayed(struct wf_timer *t)
{
    struct wf_gossip_room *g =
        (struct wf_gossip_room *)(void *)((char *)t - offsetof(struct wf_gossip_room, served));
    size_t left = 0, count = g->delayed_count;
    struct wf_node *n = count ? g->delayed[0].call->node : NULL;

    for (size_t i = 0; i < count; i++) {
        struct wf_gossip_delayed d = g->delayed[i];
        if (may_now(n, d.call->caller))
            serve(n, d.call);
        else
            g->delayed[left++] = d;
    }
    g->delayed_count = left;
    if (left && wf_timer_set(n->loop, t, wf_node_now_ms(n) + 1000 / RATE_PER_S))
        wf_say(n, WF_LOG_WARN, "gossip", "out of memory: delayed requests wait for the tick", NULL);
}

static void take(struct wf_node *n, struct wf_call *c)
{
    struct wf_gossip_room *g = n->gossip;
    Weft__V1__Refusal refusal = WEFT__V1__REFUSAL__INIT;

    if (may_now(n, c->caller)) {
        serve(n, c);
    } else if (g->delayed_count < WF_GOSSIP_DELAYED) {
        g->count.delayed++;
        g->delayed[g->delayed_count++] = (struct wf_gossip_delayed){ c };
        if (!g->served.index &&
            wf_timer_set(n->loop, &g->served, wf_node_now_ms(n) + 1000 / RATE_PER_S))
            g->served.index = 0;
    } else {
        g->count.busy++;
        refusal.code = WEFT_E_BUSY;
        refusal.text = wf_pb_str("too many requests wait already");
        refusal.retry_ms = 1000;
        wf_call_refuse_with(c, &refusal);
    }
}

void wf_gossip_handle_digest(struct wf_node *n, struct wf_call *c)
{
    if (!c->caller->local)
        hear(n, c);
    take(n, c);
}

void wf_gossip_handle_get(struct wf_node *n, struct wf_call *c)
{
    take(n, c);
}

enum weft_err wf_gossip_serve_open(struct wf_node *n)
{
    n->gossip->rates = calloc(RATE_SLOTS, sizeof *n->gossip->rates);
    n->gossip->served.fire = serve_delayed;
    return n->gossip->rates ? WEFT_OK : WEFT_E_NOMEM;
}

void wf_gossip_serve_tick(struct wf_node *n)
{
    if (n->gossip->delayed_count && !n->gossip->served.index)
        serve_delayed(&n->gossip->served);
}

void wf_gossip_serve_close(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;

    wf_timer_cancel(n->loop, &g->served);
    while (g->delayed_count)
        wf_call_refuse(g->delayed[--g->delayed_count].call, WEFT_E_CLOSED, "the node is stopping");
    free(g->rates);
    g->rates = NULL;
}
