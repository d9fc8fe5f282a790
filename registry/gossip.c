// SPDX-License-Identifier: Apache-2.0
// Push-pull anti-entropy (memberlist's push/pull, reduced to digests): every round one peer is shown our roots and answers with digests
// of what differs; what is missing is fetched by hash from it. What was learned is told at once to a few others, so that news spreads
// in rounds of latency, not of the interval.
#include "registry/gossip.h"

#include <stdlib.h>

#define MAX_PEERS     1024u
#define NEWS_MAX      256u // digests held back for the next turn; more are left to the rounds
#define SYNC_PATIENCE 8u   // rounds a domain may differ before it is backed off

struct peer {
    uint32_t id;
    char domain[WF_MAX_NAME + 1];
    bool busy; // a SYNC or GET is under way
};

struct diverging {
    struct wf_name domain;
    unsigned rounds, skip;
    uint64_t counted; // the last answer that counted: many refusals in one are one round
};

struct wf_gossip {
    struct wf_catalog *catalog;
    uint64_t random;
    struct peer *peers;
    size_t peer_count, peer_cap;
    int64_t next_round_ms;
    struct wf_digest news[NEWS_MAX];
    uint32_t news_from[NEWS_MAX]; // the peer that told us; it is not told again
    size_t news_count;
    struct diverging diverging[WF_MAX_MEMBERS];
    size_t diverging_count;
    uint64_t answers;
};

struct step {
    struct wf_gossip *g;
    int64_t now_unix_ms;
    const struct wf_charter *charter;
    wf_gossip_act_fn act;
    void *arg;
};

static uint64_t next_random(
    struct wf_gossip *g) // splitmix64 (Steele, Lea, Flood 2014): choice of peers only
{
    uint64_t z = g->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

enum weft_err wf_gossip_new(struct wf_catalog *catalog, uint64_t seed, struct wf_gossip **ret)
{
    struct wf_gossip *g = calloc(1, sizeof *g);

    if (!g)
        return WEFT_E_NOMEM;
    g->catalog = catalog;
    g->random = seed;
    *ret = g;
    return WEFT_OK;
}

void wf_gossip_free(struct wf_gossip *g)
{
    if (!g)
        return;
    free(g->peers);
    free(g);
}

static struct peer *find_peer(struct wf_gossip *g, uint32_t id)
{
    for (size_t i = 0; i < g->peer_count; i++)
        if (g->peers[i].id == id)
            return &g->peers[i];
    return NULL;
}

enum weft_err wf_gossip_peer_add(struct wf_gossip *g, uint32_t peer, const char *domain)
{
    if (find_peer(g, peer))
        return WEFT_OK;
    if (g->peer_count == MAX_PEERS)
        return WEFT_E_FULL;
    if (g->peer_count == g->peer_cap) {
        size_t cap = g->peer_cap ? g->peer_cap * 2 : 16;
        struct peer *v = realloc(g->peers, cap * sizeof *v);
        if (!v)
            return WEFT_E_NOMEM;
        g->peers = v;
        g->peer_cap = cap;
    }
    struct peer *p = &g->peers[g->peer_count++];
    *p = (struct peer){ .id = peer };
    size_t n = strlen(domain) < WF_MAX_NAME ? strlen(domain) : WF_MAX_NAME;
    memcpy(p->domain, domain, n);
    g->next_round_ms = 0; // a new peer is asked at the next tick
    return WEFT_OK;
}

void wf_gossip_peer_remove(struct wf_gossip *g, uint32_t peer)
{
    struct peer *p = find_peer(g, peer);

    if (p)
        *p = g->peers[--g->peer_count];
}

void wf_digest_of(const struct wf_known *k, struct wf_digest *ret)
{
    *ret = (struct wf_digest){ k->kind, k->domain, k->name, k->term, k->sequence, k->id,
        k->expires_ms };
}

static void add_news(struct wf_gossip *g, const struct wf_digest *d, uint32_t from)
{
    if (g->news_count == NEWS_MAX)
        return; // the next rounds carry it
    g->news[g->news_count] = *d;
    g->news_from[g->news_count++] = from;
}

// ---- what a peer has and we lack ------------------------------------------------------------------------------------

static bool is_wanted(const struct wf_gossip *g, const struct wf_digest *d)
{
    if (d->kind < WF_ENTRY_NODE || d->kind > WF_ENTRY_PROOF || d->kind == WF_ENTRY_CHARTER)
        return false;
    const struct wf_known *k = wf_catalog_find(g->catalog, d->kind, d->domain.s, d->name.s);
    if (!k)
        return true;
    if (k->term != d->term)
        return d->term > k->term;
    if (k->sequence != d->sequence)
        return d->sequence > k->sequence;
    return !wf_hash_eq(&k->id, &d->id); // same order, other document: the proof is in fetching it
}

// A product is worth fetching once its home is known or comes with it.
static bool has_home(const struct wf_gossip *g, const struct wf_gossip_event *e, size_t at)
{
    const struct wf_digest *d = &e->digests[at];

    if (d->kind != WF_ENTRY_PRODUCT)
        return true;
    const struct wf_known *home =
        wf_catalog_find(g->catalog, WF_ENTRY_HOME, d->domain.s, d->name.s);
    if (home && home->term >= d->term)
        return true;
    for (size_t i = 0; i < e->digest_count; i++)
        if (e->digests[i].kind == WF_ENTRY_HOME && wf_name_eq(&e->digests[i].name, &d->name) &&
            wf_name_eq(&e->digests[i].domain, &d->domain))
            return true;
    return false;
}

static bool backed_off(const struct wf_gossip *g, const struct wf_name *domain)
{
    for (size_t i = 0; i < g->diverging_count; i++)
        if (wf_name_eq(&g->diverging[i].domain, domain))
            return g->diverging[i].skip > 0;
    return false;
}

static void on_digests(struct step *s, const struct wf_gossip_event *e)
{
    struct wf_digest want[WF_MAX_GET];
    size_t count = 0;
    struct peer *p = find_peer(s->g, e->peer);

    for (size_t i = 0; i < e->digest_count && count < WF_MAX_GET; i++)
        if (is_wanted(s->g, &e->digests[i]) && has_home(s->g, e, i) &&
            (e->is_news || !backed_off(s->g, &e->digests[i].domain)))
            want[count++] = e->digests[i];
    if (p && !e->is_news)
        p->busy = count > 0 || e->more;
    if (count == 0)
        return;
    struct wf_gossip_action get = {
        .kind = WF_GOSSIP_GET, .peer = e->peer, .digests = want, .count = count
    };
    s->act(s->arg, &get);
}

// ---- documents ------------------------------------------------------------------------------------------------------

static void note_domain(
    struct step *s, const struct wf_name *domain, uint32_t peer, enum weft_err err)
{
    struct wf_gossip *g = s->g;
    size_t i = 0;

    while (i < g->diverging_count && !wf_name_eq(&g->diverging[i].domain, domain))
        i++;
    if (!err) {
        if (i < g->diverging_count)
            g->diverging[i] = g->diverging[--g->diverging_count];
        return;
    }
    if (i == g->diverging_count) {
        if (i == WF_MAX_MEMBERS)
            return;
        g->diverging[g->diverging_count++] = (struct diverging){ .domain = *domain };
    }
    struct diverging *d = &g->diverging[i];
    if (d->counted == g->answers)
        return;
    d->counted = g->answers;
    if (++d->rounds < SYNC_PATIENCE)
        return;
    unsigned shift = d->rounds - SYNC_PATIENCE < 6 ? d->rounds - SYNC_PATIENCE : 6;
    d->skip = 1u << shift;
    struct wf_gossip_action a = {
        .kind = WF_GOSSIP_DIVERGES, .peer = peer, .about = { .domain = *domain }, .err = err
    };
    s->act(s->arg, &a);
}

// Refusals that only mean that our knowledge moved on meanwhile.
static bool is_harmless(enum weft_err err)
{
    return err == WEFT_E_STALE || err == WEFT_E_EXPIRED || err == WEFT_E_EQUIVOCATION ||
           err == WEFT_E_NO_HOME;
}

static enum weft_err learn_checked(
    struct step *s, const struct wf_digest *d, struct wf_bytes raw, enum wf_learned *ret)
{
    enum weft_err err =
        wf_catalog_learn(s->g->catalog, d->kind, raw, s->charter, s->now_unix_ms, ret);

    // What came must be what was announced: a peer can't pass one thing off as another.
    if (!err && *ret == WF_LEARNED_NEW && !wf_catalog_by_id(s->g->catalog, &d->id))
        err = WEFT_E_HASH;
    return err;
}

static void learn_one(
    struct step *s, const struct wf_gossip_event *e, size_t i, int pass, bool *done)
{
    struct wf_gossip_action a = { .peer = e->peer, .about = e->digests[i] };
    enum wf_learned learned = WF_LEARNED_SAME;

    if (done[i] || e->documents[i].len == 0)
        return;
    enum weft_err err = learn_checked(s, &e->digests[i], e->documents[i], &learned);
    if (err == WEFT_E_NO_HOME && pass == 0)
        return; // its home may be among the others
    done[i] = true;
    if (err) {
        a.kind = WF_GOSSIP_REFUSED;
        a.err = err;
        s->act(s->arg, &a);
        if (!is_harmless(err))
            note_domain(s, &a.about.domain, e->peer, err);
        return;
    }
    if (learned == WF_LEARNED_SAME)
        return;
    add_news(s->g, &a.about, e->peer);
    s->g->next_round_ms = 0; // where this came from there may be more
    note_domain(s, &a.about.domain, e->peer, WEFT_OK);
    a.kind = WF_GOSSIP_LEARNED;
    a.proof = learned == WF_LEARNED_PROOF;
    s->act(s->arg, &a);
}

static void on_documents(struct step *s, const struct wf_gossip_event *e)
{
    bool done[WF_MAX_GET] = { false };
    struct peer *p = find_peer(s->g, e->peer);
    size_t count = e->digest_count < WF_MAX_GET ? e->digest_count : WF_MAX_GET;
    struct wf_gossip_action a = { .kind = WF_GOSSIP_REFUSED, .peer = e->peer };

    s->g->answers++;
    wf_catalog_hold(s->g->catalog); // one sync for all
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++)
            learn_one(s, e, i, pass, done);
    a.err = wf_catalog_release(s->g->catalog);
    if (a.err)
        s->act(s->arg, &a);
    if (p)
        p->busy = false;
}

// ---- rounds ---------------------------------------------------------------------------------------------------------

static struct peer *choose_peer(struct wf_gossip *g)
{
    size_t start = g->peer_count ? next_random(g) % g->peer_count : 0;

    for (size_t i = 0; i < g->peer_count; i++) {
        struct peer *p = &g->peers[(start + i) % g->peer_count];
        if (!p->busy)
            return p;
    }
    return NULL;
}

static void tell_news(struct step *s)
{
    struct wf_gossip *g = s->g;
    size_t start = g->peer_count ? next_random(g) % g->peer_count : 0;
    struct wf_digest batch[NEWS_MAX];

    for (size_t i = 0; i < g->peer_count && i < WF_GOSSIP_FANOUT; i++) {
        const struct peer *p = &g->peers[(start + i) % g->peer_count];
        size_t count = 0;
        for (size_t k = 0; k < g->news_count; k++)
            if (g->news_from[k] != p->id)
                batch[count++] = g->news[k];
        struct wf_gossip_action a = {
            .kind = WF_GOSSIP_NEWS, .peer = p->id, .digests = batch, .count = count
        };
        if (count)
            s->act(s->arg, &a);
    }
    g->news_count = 0;
}

static void on_tick(struct step *s, int64_t now_ms)
{
    struct wf_gossip *g = s->g;

    if (g->news_count)
        tell_news(s);
    if (now_ms < g->next_round_ms)
        return;
    g->next_round_ms = now_ms + WF_GOSSIP_INTERVAL_MS * 3 / 4 +
                       (int64_t)(next_random(g) % (WF_GOSSIP_INTERVAL_MS / 2));
    for (size_t i = 0; i < g->diverging_count; i++)
        if (g->diverging[i].skip)
            g->diverging[i].skip--;
    struct peer *p = choose_peer(g);
    if (!p)
        return;
    p->busy = true;
    struct wf_gossip_action a = { .kind = WF_GOSSIP_SYNC, .peer = p->id };
    s->act(s->arg, &a);
}

void wf_gossip_step(struct wf_gossip *g, int64_t now_ms, int64_t now_unix_ms,
    const struct wf_charter *charter, const struct wf_gossip_event *e, wf_gossip_act_fn act,
    void *arg)
{
    struct step s = { g, now_unix_ms, charter, act, arg };
    struct peer *p = find_peer(g, e->peer);

    switch (e->kind) {
    case WF_GOSSIP_TICK:
        on_tick(&s, now_ms);
        break;
    case WF_GOSSIP_DIGESTS:
        on_digests(&s, e);
        break;
    case WF_GOSSIP_DOCUMENTS:
        on_documents(&s, e);
        break;
    case WF_GOSSIP_FAILED:
        if (p)
            p->busy = false;
        break;
    case WF_GOSSIP_OWN:
        for (size_t i = 0; i < e->digest_count; i++)
            add_news(g, &e->digests[i], UINT32_MAX);
        break;
    }
}

// ---- answering ------------------------------------------------------------------------------------------------------

static bool differs(const struct wf_name *domain, const struct wf_domain_root *theirs, size_t count,
    struct wf_domain_root *mine, size_t my_count)
{
    const struct wf_domain_root *a = NULL, *b = NULL;

    for (size_t i = 0; i < my_count && !a; i++)
        if (wf_name_eq(&mine[i].domain, domain))
            a = &mine[i];
    for (size_t i = 0; i < count && !b; i++)
        if (wf_name_eq(&theirs[i].domain, domain))
            b = &theirs[i];
    return !a || !b || !wf_hash_eq(&a->root, &b->root);
}

// A request's parts and where its answer goes. NOLINTNEXTLINE(readability-function-size)
size_t wf_gossip_answer(struct wf_catalog *c, const struct wf_domain_root *theirs,
    size_t their_count, bool all, size_t skip, struct wf_digest *out, size_t cap, bool *ret_more)
{
    struct wf_domain_root mine[WF_MAX_MEMBERS];
    size_t my_count = wf_catalog_domain_roots(c, mine, WF_MAX_MEMBERS), seen = 0, n = 0;
    struct wf_name last = { "" };
    bool use = false;

    *ret_more = false;
    if (my_count > WF_MAX_MEMBERS)
        my_count = WF_MAX_MEMBERS;
    for (const struct wf_known *k = wf_catalog_next(c, NULL); k; k = wf_catalog_next(c, k)) {
        if (!wf_name_eq(&last, &k->domain)) {
            last = k->domain;
            use = all || differs(&last, theirs, their_count, mine, my_count);
        }
        if (!use || seen++ < skip)
            continue;
        if (n == cap) {
            *ret_more = true;
            break;
        }
        wf_digest_of(k, &out[n++]);
    }
    return n;
}
