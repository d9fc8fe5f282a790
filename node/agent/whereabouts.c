// SPDX-License-Identifier: Apache-2.0
// Where an agent's nodes are: its configuration says which ones, their domain says where each of them is by now, and what moved to another. Kept in
// meta `places`. While none of them answers, other nodes of the domain are asked for nothing but that. Loop thread only.
#include <stdio.h>

#include "node/agent/uplink.h"
#include "node/core.h"

#define META       "places"
#define SILENT_MS  5000 // of all uplinks, before another node is asked
#define ASK_MIN_MS 5000 // between two such questions, doubling to:
#define ASK_MAX_MS 60000
#define LOST_MS    20000 // of silence: people are told what an agent can't find out by itself

// ---- kept ------------------------------------------------------------------------------------------------------------

void wf_whereabouts_load(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_buf kept = { 0 };

    // What can't be read or believed is told anew.
    if (n->charter && !wf_meta_get(&u->vfs, u->meta_dir, META, &kept) &&
        wf_places_unpack(&u->places, wf_buf_view(&kept), n->identity.cert.domain.s, n->charter,
            wf_node_now_unix_ms(n)))
        u->places.root = (struct wf_hash){ 0 };
    wf_buf_fini(&kept);
}

static void keep(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_buf b = { 0 };
    enum weft_err err = wf_places_pack(&u->places, &b);

    if (!err)
        err = wf_meta_put(&u->vfs, u->meta_dir, META, wf_buf_view(&b));
    wf_buf_fini(&b);
    if (err)
        wf_say(n, WF_LOG_WARN, "uplink", "what is known of the domain's nodes was not kept", "why",
            weft_err_text(err), NULL);
}

static unsigned take_all(
    struct wf_node *n, enum wf_entry_kind kind, const ProtobufCBinaryData *list, size_t count)
{
    unsigned news = 0;

    for (size_t i = 0; i < count; i++) {
        enum weft_err err = wf_places_take(&n->uplink->places, kind, wf_pb_view(list[i]),
            n->identity.cert.domain.s, n->charter, wf_node_now_unix_ms(n));
        news += !err;
        if (err && err != WEFT_E_STALE)
            wf_say(n, WF_LOG_WARN, "uplink", "what a node said of another was passed over", "why",
                weft_err_text(err), NULL);
    }
    return news;
}

bool wf_whereabouts_take(struct wf_node *n, const Weft__V1__PollReply *reply)
{
    struct wf_places *p = &n->uplink->places;

    if (!reply->places.len || !n->charter || wf_hash_from(wf_pb_view(reply->places), &p->root))
        return false;
    unsigned news = take_all(n, WF_ENTRY_NODE, reply->nodes, reply->n_nodes);
    news += take_all(n, WF_ENTRY_HOME, reply->homes, reply->n_homes);
    keep(n);
    return news > 0;
}

// ---- uplinks ---------------------------------------------------------------------------------------------------------

static size_t base_count(const struct wf_node *n)
{
    return n->conf->uplinks.count ? n->conf->uplinks.count : n->core->dir->seed_count;
}

static void base_at(
    const struct wf_node *n, size_t i, char address[WF_MAX_ADDR + 8], struct wf_dh_pub *key)
{
    if (n->conf->uplinks.count) {
        const struct wf_conf_peer *p = &n->conf->uplinks.items[i];
        bool is_v6 = strchr(p->address.host, ':') != NULL;
        snprintf(address, WF_MAX_ADDR + 8, is_v6 ? "[%s]:%u" : "%s:%u", p->address.host,
            p->address.port);
        *key = p->key;
    } else {
        snprintf(address, WF_MAX_ADDR + 8, "%s", n->core->dir->seeds[i].address);
        *key = n->core->dir->seeds[i].dh_key;
    }
}

static void place_at(
    const struct wf_place_node *at, char address[WF_MAX_ADDR + 8], struct wf_dh_pub *key)
{
    snprintf(address, WF_MAX_ADDR + 8, "%s", at->doc->node.addresses[0]);
    *key = at->doc->node.dh_key;
}

static bool same_node(
    const struct wf_place_node *a, const struct wf_dh_pub *key, const struct wf_places *places)
{
    return wf_places_by_key(places, key) == a;
}

static bool is_base(const struct wf_node *n, const struct wf_place_node *at)
{
    char address[WF_MAX_ADDR + 8];
    struct wf_dh_pub key;

    for (size_t i = 0; i < base_count(n); i++) {
        base_at(n, i, address, &key);
        if (same_node(at, &key, &n->uplink->places))
            return true;
    }
    return false;
}

// The home of a product, where its manifest here is of another node; NULL.
static const struct wf_place_node *new_home_of(
    const struct wf_node *n, const struct wf_agent_product *p)
{
    const struct wf_places *places = &n->uplink->places;
    const struct wf_entry_doc *home =
        p->removed ? NULL : wf_places_home(places, p->collect->product.name);
    const struct wf_place_node *at = home ? wf_places_by_name(places, home->home.node.s) : NULL;

    return at && !wf_manifests_is_signed_by(p, &at->doc->signer) ? at : NULL;
}

static bool is_home_here(const struct wf_node *n, const struct wf_place_node *at)
{
    for (const struct wf_agent_product *p = n->uplink->products; p; p = p->next) {
        const struct wf_entry_doc *home =
            p->removed ? NULL : wf_places_home(&n->uplink->places, p->collect->product.name);
        if (home && strcmp(home->home.node.s, at->doc->name.s) == 0)
            return true;
    }
    return false;
}

// The i-th node that is no configured uplink and the home of a product in force here; NULL.
static const struct wf_place_node *extra(const struct wf_node *n, size_t i)
{
    const struct wf_places *places = &n->uplink->places;

    for (size_t k = 0; k < places->node_count; k++)
        if (!is_base(n, &places->nodes[k]) && is_home_here(n, &places->nodes[k]) && i-- == 0)
            return &places->nodes[k];
    return NULL;
}

size_t wf_whereabouts_count(const struct wf_node *n)
{
    size_t extras = 0;

    while (extra(n, extras))
        extras++;
    return base_count(n) + extras;
}

void wf_whereabouts_at(
    const struct wf_node *n, size_t i, char address[WF_MAX_ADDR + 8], struct wf_dh_pub *key)
{
    size_t base = base_count(n);
    const struct wf_place_node *at = i < base ? NULL : extra(n, i - base);

    if (at) {
        place_at(at, address, key);
        return;
    }
    base_at(n, i < base ? i : 0, address, key);
    at = wf_places_by_key(&n->uplink->places, key);
    // The owner's word counts for where it is, unless another machine has taken its place.
    if (at && memcmp(at->doc->node.dh_key.b, key->b, WF_KEY_LEN) != 0)
        place_at(at, address, key);
}

bool wf_whereabouts_moved(const struct wf_node *n, const struct wf_agent_product *p)
{
    const struct wf_place_node *at = new_home_of(n, p);

    return at && !same_node(at, &n->uplink->peer, &n->uplink->places);
}

bool wf_whereabouts_next(struct wf_node *n, size_t *ret_at)
{
    struct wf_uplink_room *u = n->uplink;
    const struct wf_place_node *at = NULL;
    int64_t now = wf_node_now_ms(n);
    char address[WF_MAX_ADDR + 8];
    struct wf_dh_pub key;

    for (const struct wf_agent_product *p = n->uplink->products; p && !at; p = p->next)
        if (wf_whereabouts_moved(n, p))
            at = new_home_of(n, p);
    if (at && wf_name_eq(&at->doc->name, &u->went_to) && now < u->go_at_ms)
        return false;
    for (size_t i = 0; at && i < wf_whereabouts_count(n); i++) {
        wf_whereabouts_at(n, i, address, &key);
        if (same_node(at, &key, &n->uplink->places)) {
            *ret_at = i;
            u->went_to = at->doc->name;
            u->go_at_ms = now + WF_UPLINK_TURN_MS;
            return true;
        }
    }
    return false;
}

// ---- nobody answers --------------------------------------------------------------------------------------------------

void wf_whereabouts_close(struct wf_node *n)
{
    struct wf_link *l = n->uplink->asked;

    n->uplink->asked = NULL;
    wf_link_free(l);
    wf_places_fini(&n->uplink->places);
}

static void end_asking(struct wf_node *n)
{
    struct wf_link *l = n->uplink->asked;

    n->uplink->asked = NULL;
    wf_link_free(l);
}

static void on_told(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_node *n = arg;

    if (n->uplink->closed || !n->uplink->asked)
        return; // it is being ended
    bool news = !err && reply->kind_case == WEFT__V1__REPLY__KIND_POLL &&
                wf_whereabouts_take(n, reply->poll);
    end_asking(n);
    if (news && n->uplink->silent_since_ms)
        wf_uplink_anew(n);
}

static void ask(struct wf_node *n, const struct wf_place_node *at)
{
    struct wf_uplink_room *u = n->uplink;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__PollRequest p = WEFT__V1__POLL_REQUEST__INIT;
    char address[WF_MAX_ADDR + 8];
    struct wf_dh_pub key;

    place_at(at, address, &key);
    p.places_only = true;
    q.kind_case = WEFT__V1__REQUEST__KIND_POLL;
    q.poll = &p;
    enum weft_err err = wf_uplink_link(n, address, &key, &u->asked);
    if (!err)
        err = wf_link_request(u->asked, &q, 0, on_told, n);
    if (err)
        end_asking(n);
}

// Where a domain's only node was replaced under another address, nobody is left who could say so.
static void tell_lost(struct wf_node *n, int64_t now)
{
    const struct wf_uplink_room *u = n->uplink;
    char text[256]; // all that an alarm holds
    size_t others = 0;

    if (!u->silent_since_ms || now - u->silent_since_ms < LOST_MS || !n->has_certificate)
        return;
    for (size_t i = 0; i < u->places.node_count; i++)
        others += !is_base(n, &u->places.nodes[i]);
    snprintf(text, sizeof text,
        "no node of %s answers%s; what is said here is spooled. If its node has another address or "
        "was made anew: its address and key (weft key show DIR) belong into uplinks: of weftd.yaml",
        n->identity.cert.domain.s,
        others ? ", nor does another say where it is" : ", and no other one is known");
    wf_alarm(n, "no-node", text);
}

void wf_whereabouts_tick(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    int64_t now = wf_node_now_ms(n);

    tell_lost(n, now);
    if (!u->silent_since_ms || now - u->silent_since_ms < SILENT_MS || now < u->ask_at_ms ||
        u->asked || !n->has_certificate || !n->charter || n->draining || !u->places.node_count)
        return;
    for (size_t i = 0; i < u->places.node_count; i++) {
        const struct wf_place_node *at = &u->places.nodes[u->asked_at++ % u->places.node_count];
        if (is_base(n, at))
            continue; // tried anyway
        u->ask_ms = u->ask_ms ? 2 * u->ask_ms : ASK_MIN_MS;
        if (u->ask_ms > ASK_MAX_MS)
            u->ask_ms = ASK_MAX_MS;
        u->ask_at_ms = now + u->ask_ms;
        ask(n, at);
        return;
    }
}
