// SPDX-License-Identifier: Apache-2.0
// Whom this node knows and how it reaches them. Seeds are tried for ever; nodes of the catalog as long as their adverts live.
#include <stdio.h>
#include <stdlib.h>

#include "node/call.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/priv.h"
#include "sdk/conf/values.h"

struct wf_gossip_peer *wf_gossip_peer_by_id(struct wf_gossip_room *g, uint32_t id)
{
    for (size_t i = 0; i < g->peer_count; i++)
        if (g->peers[i]->id == id)
            return g->peers[i];
    return NULL;
}

struct wf_gossip_peer *wf_gossip_peer_by_key(struct wf_gossip_room *g, const struct wf_dh_pub *key)
{
    for (size_t i = 0; i < g->peer_count; i++)
        if (memcmp(g->peers[i]->key.b, key->b, WF_KEY_LEN) == 0)
            return g->peers[i];
    return NULL;
}

// ---- the table -------------------------------------------------------------------------------------------------------

// A fixed random order of pairs: each node's lowest scores are its partners, and every node is some others' partner.
static uint64_t score_of(const struct wf_node *n, const struct wf_dh_pub *key)
{
    uint8_t both[2 * WF_KEY_LEN];
    struct wf_hash h;

    memcpy(both, n->keys.dh_pub.b, WF_KEY_LEN);
    memcpy(both + WF_KEY_LEN, key->b, WF_KEY_LEN);
    wf_blake2b(WF_BYTES(both), &h);
    return wf_load_be64(h.b);
}

// The peer of this key. Without `fresh` only one that is there already.
static struct wf_gossip_peer *upsert(struct wf_node *n, const struct wf_dh_pub *key, bool fresh)
{
    struct wf_gossip_room *g = n->gossip;
    struct wf_gossip_peer *p = wf_gossip_peer_by_key(g, key);

    if (p || !fresh || memcmp(key->b, n->keys.dh_pub.b, WF_KEY_LEN) == 0 ||
        g->peer_count == WF_GOSSIP_PEERS)
        return p;
    p = calloc(1, sizeof *p);
    if (!p)
        return NULL; // the next refresh tries again
    p->id = ++g->last_id;
    p->key = *key;
    p->score = score_of(n, key);
    p->heard_ms = -1;
    g->peers[g->peer_count++] = p;
    return p;
}

static void add_seed(
    struct wf_node *n, const char *address, const struct wf_dh_pub *key, bool fresh)
{
    struct wf_gossip_peer *p = upsert(n, key, fresh);

    if (!p)
        return;
    p->is_seed = true;
    snprintf(p->seed_address, sizeof p->seed_address, "%s", address);
}

// The configuration's, those that `weft mesh join --seed` or a ticket left, and the members': of each its first, then of each its second.
static void add_seeds(struct wf_node *n, bool fresh)
{
    const struct wf_charter *c = n->charter;
    char text[WF_ADDRESS_TEXT];

    for (size_t i = 0; i < n->conf->seeds.count; i++)
        add_seed(n, wf_address_text(&n->conf->seeds.items[i].address, text),
            &n->conf->seeds.items[i].key, fresh);
    // Those of the ticket that this node joined with.
    for (size_t i = 0; n->core->dir && i < n->core->dir->seed_count; i++)
        add_seed(n, n->core->dir->seeds[i].address, &n->core->dir->seeds[i].dh_key, fresh);
    for (size_t k = 0; c && k < WF_MAX_SEEDS; k++)
        for (size_t i = 0; i < c->member_count; i++)
            if (k < c->members[i].seed_count)
                add_seed(n, c->members[i].seeds[k].address, &c->members[i].seeds[k].dh_key, fresh);
}

// How many nodes of one domain have places, so that all domains together keep to WF_GOSSIP_KNOWN: whoever has fewer loses none, and those that have
// more are cut alike.
static size_t share_of_a_domain(struct wf_catalog *c)
{
    size_t counts[WF_MAX_MEMBERS], domains = 0, taken = 0, share = 0, grew = 1;
    const struct wf_name *last = NULL;

    for (const struct wf_known *k = wf_catalog_next(c, NULL); k; k = wf_catalog_next(c, k)) {
        if (k->kind != WF_ENTRY_NODE || k->removed)
            continue;
        if (!last || !wf_name_eq(last, &k->domain)) { // entries come by domain
            if (domains == WF_MAX_MEMBERS)
                break;
            counts[domains++] = 0;
            last = &k->domain;
        }
        counts[domains - 1]++;
    }
    while (grew && taken < WF_GOSSIP_KNOWN) {
        grew = 0;
        for (size_t i = 0; i < domains; i++)
            grew += counts[i] > share;
        if (taken + grew > WF_GOSSIP_KNOWN)
            break;
        taken += grew;
        share++;
    }
    return share;
}

static void add_known(struct wf_node *n, bool fresh)
{
    struct wf_catalog *c = n->gossip->catalog;
    size_t share = share_of_a_domain(c), used = 0;
    const struct wf_name *last = NULL;

    for (const struct wf_known *k = wf_catalog_next(c, NULL); k; k = wf_catalog_next(c, k)) {
        if (k->kind != WF_ENTRY_NODE || k->removed)
            continue;
        if (!last || !wf_name_eq(last, &k->domain))
            used = 0;
        last = &k->domain;
        if (used == share)
            continue;
        used++;
        struct wf_gossip_peer *p = upsert(n, &k->doc->node.dh_key, fresh);
        if (!p)
            continue;
        p->is_known = true;
        p->domain = k->domain;
        p->subject = k->name;
    }
}

static void remove_peer(struct wf_node *n, size_t i)
{
    struct wf_gossip_room *g = n->gossip;
    struct wf_gossip_peer *p = g->peers[i];

    if (p->is_active)
        wf_gossip_peer_remove(g->machine, p->id);
    g->peers[i] = g->peers[--g->peer_count];
    wf_link_free(p->link); // its requests end now; they find no peer of this id
    free(p);
}

// Among its own domain's first, so that who makes many keys, or keys of low scores, takes places from that domain alone.
static bool goes_before(const struct wf_gossip_peer *a, const struct wf_gossip_peer *b)
{
    return a->place != b->place ? a->place < b->place : a->score < b->score;
}

static size_t place_of(const struct wf_gossip_room *g, const struct wf_gossip_peer *p)
{
    size_t place = 0;

    for (size_t i = 0; i < g->peer_count; i++)
        if (!g->peers[i]->is_seed && g->peers[i]->score < p->score &&
            wf_name_eq(&g->peers[i]->domain, &p->domain))
            place++;
    return place;
}

static size_t rank_of(const struct wf_gossip_room *g, const struct wf_gossip_peer *p)
{
    size_t rank = 0;

    for (size_t i = 0; i < g->peer_count; i++)
        if (!g->peers[i]->is_seed && goes_before(g->peers[i], p))
            rank++;
    return rank;
}

static void choose_active(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;
    bool few = g->peer_count <= WF_GOSSIP_ACTIVE;

    for (size_t i = 0; i < g->peer_count && !few; i++)
        g->peers[i]->place = place_of(g, g->peers[i]);
    for (size_t i = 0; i < g->peer_count; i++) {
        struct wf_gossip_peer *p = g->peers[i];
        bool wanted = few || p->is_seed || rank_of(g, p) < WF_GOSSIP_ACTIVE;
        if (wanted && !p->is_active)
            p->is_active = !wf_gossip_peer_add(g->machine, p->id, p->domain.s);
        if (!wanted && p->is_active) {
            wf_gossip_peer_remove(g->machine, p->id);
            p->is_active = false;
        }
    }
}

void wf_gossip_peers_refresh(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;

    g->peers_changed = false;
    for (size_t i = 0; i < g->peer_count; i++)
        g->peers[i]->is_seed = g->peers[i]->is_known = false;
    add_seeds(n, false);
    add_known(n, false);
    for (size_t i = g->peer_count; i-- > 0;)
        if (!g->peers[i]->is_seed && !g->peers[i]->is_known)
            remove_peer(n, i);
    add_seeds(n, true); // with the places of those that went
    add_known(n, true);
    choose_active(n);
}

static int64_t heard_of(const struct wf_gossip_peer *p)
{
    int64_t at = p->heard_ms;

    if (p->link && wf_link_state(p->link)->heard_ms > at)
        at = wf_link_state(p->link)->heard_ms;
    return at;
}

// ---- links -----------------------------------------------------------------------------------------------------------

// The next of: what configuration or charter say, what its advert says.
static bool choose_address(struct wf_node *n, struct wf_gossip_peer *p)
{
    const struct wf_known *k =
        p->is_known ? wf_catalog_find(n->gossip->catalog, WF_ENTRY_NODE, p->domain.s, p->subject.s)
                    : NULL;
    size_t seeds = p->seed_address[0] ? 1 : 0;
    size_t adverts = k && !k->removed ? k->doc->node.address_count : 0;

    if (seeds + adverts == 0)
        return false;
    size_t at = p->next_address % (seeds + adverts);
    snprintf(p->address, sizeof p->address, "%s",
        at < seeds ? p->seed_address : k->doc->node.addresses[at - seeds]);
    return true;
}

enum weft_err wf_gossip_peer_link(struct wf_node *n, struct wf_gossip_peer *p, struct wf_link **ret)
{
    struct wf_link_conf conf = { .loop = n->loop,
        .net = n->control->net,
        .mesh_id = n->mesh_id,
        .keys = &n->keys,
        .chain = wf_buf_view(&n->chain),
        .charter_version = n->charter ? n->charter->version : 0,
        .peer = p->key,
        .version = WEFT_VERSION };

    if (!p->link) {
        if (!choose_address(n, p))
            return WEFT_E_NOT_FOUND;
        conf.address = p->address;
        enum weft_err err = wf_link_new(&conf, &p->link);
        if (err)
            return err;
    }
    *ret = p->link;
    return WEFT_OK;
}

// The domain and name of a seed, from the chain it showed; the advert will say the same.
static void name_seed(struct wf_node *n, struct wf_gossip_peer *p)
{
    struct wf_bytes chain = p->link ? wf_link_state(p->link)->peer_chain : wf_bytes(NULL, 0);
    struct wf_identity id;

    if (p->domain.s[0] || chain.len == 0 || !n->charter ||
        wf_chain_verify(chain, n->charter, wf_node_now_unix_ms(n), WF_CHAIN_STRICT, &id) ||
        memcmp(id.cert.dh_key.b, p->key.b, WF_KEY_LEN) != 0)
        return;
    p->domain = id.cert.domain;
    p->subject = id.cert.subject;
}

// Our own domain's nodes know its list. Who was replaced and comes back must not go on as if nothing were: what it took would reach nobody.
static void hear_of_self(struct wf_node *n, const struct wf_gossip_peer *p, enum weft_err err)
{
    bool revoked = err == WEFT_E_REVOKED;

    if (!n->has_certificate || !wf_name_eq(&p->domain, &n->identity.cert.domain) ||
        (err && !revoked) || revoked == n->outcast)
        return;
    n->outcast = revoked;
    wf_alarm(n, "replaced",
        revoked ? "this node's key is revoked: another machine has its place. It takes and gives "
                  "nothing; "
                  "stop it for good"
                : NULL);
}

void wf_gossip_peer_result(struct wf_node *n, struct wf_gossip_peer *p, enum weft_err err)
{
    const struct wf_link_state *s = p->link ? wf_link_state(p->link) : NULL;
    int64_t now = wf_node_now_ms(n);

    hear_of_self(n, p, err);
    if (s && s->heard_ms > p->heard_ms)
        p->heard_ms = s->heard_ms;
    if (!err || (s && s->up && err != WEFT_E_TIMEOUT && err != WEFT_E_CLOSED)) {
        p->failures = 0;
        p->last_error = WEFT_OK;
        name_seed(n, p);
        return;
    }
    p->failures++;
    p->last_error = err;
    int64_t wait = (int64_t)WF_GOSSIP_PROBE_MS * p->failures;
    if (p->probe_ms <= now) // a round's failure does not put off the next attempt
        p->probe_ms = now + (wait < WF_GOSSIP_PROBE_MAX ? wait : WF_GOSSIP_PROBE_MAX);
    p->next_address++;
}

static void on_probe(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_node *n = ((void **)arg)[0];
    uint32_t id = (uint32_t)(uintptr_t)((void **)arg)[1];

    (void)reply;
    free(arg);
    struct wf_gossip_peer *p = n->gossip->closing ? NULL : wf_gossip_peer_by_id(n->gossip, id);
    if (!p)
        return;
    p->is_asked = false;
    wf_gossip_peer_result(n, p, err);
    if (!err && p->link)
        wf_gossip_charter_seen(n, p, wf_link_state(p->link)->peer_charter_version);
}

// One that did not answer is dialled anew, under its next address; one that was quiet is only asked.
static void probe(struct wf_node *n, struct wf_gossip_peer *p)
{
    void **arg = calloc(2, sizeof *arg);
    struct wf_link *old = p->failures ? p->link : NULL, *link = NULL;

    if (!arg)
        return;
    arg[0] = n;
    arg[1] = (void *)(uintptr_t)p->id;
    p->is_asked = true;
    if (old) {
        p->link = NULL;
        wf_link_free(old);
    }
    enum weft_err err = wf_gossip_peer_link(n, p, &link);
    if (!err)
        err = wf_link_open(link, on_probe, arg);
    if (err) {
        free(arg);
        p->is_asked = false;
        wf_gossip_peer_result(n, p, err);
    }
}

void wf_gossip_peers_probe(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;
    int64_t now = wf_node_now_ms(n);

    for (size_t i = 0; i < g->peer_count; i++) {
        struct wf_gossip_peer *p = g->peers[i];
        bool quiet = (p->is_seed || p->is_active) && now - heard_of(p) >= WF_GOSSIP_QUIET_MS;
        if ((p->failures || quiet) && !p->is_asked && now >= p->probe_ms)
            probe(n, p);
    }
}

// After a new chain or charter: links made from now on show them.
void wf_gossip_peers_drop_links(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;
    uint64_t version = n->charter ? n->charter->version : 0;

    for (size_t i = 0; i < g->peer_count; i++)
        if (g->peers[i]->link &&
            wf_link_set_chain(g->peers[i]->link, wf_buf_view(&n->chain), version))
            wf_say(n, WF_LOG_WARN, "gossip", "out of memory: a link keeps its old chain", NULL);
}

void wf_gossip_peers_free(struct wf_node *n)
{
    struct wf_gossip_room *g = n->gossip;

    for (size_t i = 0; i < g->peer_count; i++) {
        wf_link_free(g->peers[i]->link);
        free(g->peers[i]);
    }
    g->peer_count = 0;
}

// ---- what others ask -------------------------------------------------------------------------------------------------

static const struct wf_gossip_peer *by_name(
    const struct wf_gossip_room *g, const char *domain, const char *subject)
{
    for (size_t i = 0; i < g->peer_count; i++)
        if (strcmp(g->peers[i]->domain.s, domain) == 0 &&
            strcmp(g->peers[i]->subject.s, subject) == 0)
            return g->peers[i];
    return NULL;
}

int64_t wf_gossip_heard_ms(
    const struct wf_node *n, const char *domain, const char *subject, bool *ret_gone)
{
    *ret_gone = false;
    if (strcmp(domain, n->identity.cert.domain.s) == 0 &&
        strcmp(subject, n->identity.cert.subject.s) == 0)
        return 0;
    const struct wf_gossip_peer *p = by_name(n->gossip, domain, subject);
    if (!p)
        return -1;
    *ret_gone = p->failures >= 2; // one may be a connection that died of age
    int64_t at = heard_of(p);
    return at < 0 ? -1 : wf_node_now_ms(n) - at;
}

enum weft_err wf_gossip_link(
    struct wf_node *n, const char *domain, const char *subject, struct wf_link **ret)
{
    const struct wf_known *k = wf_catalog_find(n->gossip->catalog, WF_ENTRY_NODE, domain, subject);

    if (!k || k->removed)
        return WEFT_E_NOT_FOUND;
    struct wf_gossip_peer *p = wf_gossip_peer_by_key(n->gossip, &k->doc->node.dh_key);
    if (!p) {
        wf_gossip_peers_refresh(n);
        p = wf_gossip_peer_by_key(n->gossip, &k->doc->node.dh_key);
    }
    return p ? wf_gossip_peer_link(n, p, ret) : WEFT_E_NOT_FOUND;
}

static char *text_in(struct wf_arena *a, const char *s)
{
    const char *copy = NULL;

    return wf_arena_str(a, wf_bytes_str(s), &copy) ? wf_pb_str("") : wf_pb_str(copy);
}

void wf_gossip_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply)
{
    struct wf_gossip_room *g = n->gossip;

    if (!g || n->is_agent)
        return;
    Weft__V1__PeerState *items = wf_arena_calloc(arena, g->peer_count, sizeof *items);
    Weft__V1__PeerState **list = wf_arena_calloc(arena, g->peer_count, sizeof *list);
    if (!items || !list)
        return;
    for (size_t i = 0; i < g->peer_count; i++) {
        const struct wf_gossip_peer *p = g->peers[i];
        int64_t at = heard_of(p);
        weft__v1__peer_state__init(&items[i]);
        items[i].domain = text_in(arena, p->domain.s);
        items[i].subject = text_in(arena, p->subject.s);
        items[i].address = text_in(arena, p->address[0] ? p->address : p->seed_address);
        items[i].heard_ms = at < 0 ? -1 : wf_node_now_ms(n) - at;
        items[i].error = wf_pb_str(p->failures ? weft_err_text(p->last_error) : "");
        items[i].static_seed = p->is_seed;
        list[i] = &items[i];
    }
    reply->peers = list;
    reply->n_peers = g->peer_count;
}
