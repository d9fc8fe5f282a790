// SPDX-License-Identifier: Apache-2.0
// How manifests come to an agent: a set is fetched whole (manifests by id, then schemas by hash), each judged before it counts: this mesh, this
// domain, signed by the node it came from, whose certificate leads to the charter. What counts is kept and put in force by manifests.c.
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"

struct wf_manifest_round {
    struct wf_hash root, *ids; // wanted
    struct wf_sign_pub signer; // whose set it is
    size_t id_count;
    struct wf_collect **fetched; // one an id; NULL: in force already, or not here
    bool *bad;                   // refused: not asked for again in this round
    bool again;                  // something of this host failed
    unsigned asked;              // documents of the request under way: guards against no progress
};

// ---- a round ---------------------------------------------------------------------------------------------------------

static void round_free(struct wf_manifest_round *r)
{
    if (!r)
        return;
    for (size_t i = 0; r->fetched && i < r->id_count; i++)
        wf_collect_free(r->fetched[i]);
    free(r->fetched);
    free(r->ids);
    free(r->bad);
    free(r);
}

void wf_manifests_fetch_close(struct wf_node *n)
{
    round_free(n->uplink->round);
    n->uplink->round = NULL;
}

static void round_end(struct wf_node *n, enum weft_err err)
{
    struct wf_uplink_room *u = n->uplink;

    round_free(u->round);
    u->round = NULL;
    if (!err)
        wf_uplink_wake(n);
    else if (u->link) // else it was left, not lost
        wf_uplink_failed(n, err, NULL);
}

// Who the node in session is, by the charter: KEY when it is not the one that was dialled.
static enum weft_err node_in_session(struct wf_node *n, struct wf_identity *ret)
{
    const struct wf_link_state *s = n->uplink->link ? wf_link_state(n->uplink->link) : NULL;

    if (!s)
        return WEFT_E_CLOSED;
    enum weft_err err =
        wf_chain_verify(s->peer_chain, n->charter, wf_node_now_unix_ms(n), WF_CHAIN_STRICT, ret);
    return err || memcmp(ret->cert.dh_key.b, n->uplink->peer.b, WF_KEY_LEN) == 0 ? err : WEFT_E_KEY;
}

enum weft_err wf_manifests_signer(struct wf_node *n, struct wf_sign_pub *ret)
{
    struct wf_identity id;
    enum weft_err err = node_in_session(n, &id);

    if (err)
        return WEFT_E_NOT_FOUND;
    *ret = id.cert.sign_key;
    return WEFT_OK;
}

// It must be one of our domain, and the manifest's signer.
static enum weft_err check_signer(struct wf_node *n, const struct wf_collect *c)
{
    struct wf_identity id;
    enum weft_err err = node_in_session(n, &id);

    if (err)
        return err;
    if (id.cert.kind != WF_ID_NODE || !(id.cert.usages & WF_USE_MANIFEST))
        return WEFT_E_PURPOSE;
    if (!wf_name_eq(&id.cert.domain, &n->identity.cert.domain))
        return WEFT_E_WRONG_DOMAIN;
    return memcmp(id.cert.sign_key.b, c->signer.b, WF_KEY_LEN) == 0 ? WEFT_OK : WEFT_E_UNKNOWN_KEY;
}

// What moved away from that node stays in force until the node where it is now has said what shall run.
static bool is_of_its_set(
    const struct wf_node *n, const struct wf_agent_product *p, const struct wf_sign_pub *signer)
{
    return wf_manifests_is_signed_by(p, signer) && !wf_whereabouts_moved(n, p);
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct wf_hash));
}

// As the node makes it: over the ids in order.
void wf_manifests_root(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_hash ids[WF_UPLINK_PRODUCTS];
    struct wf_identity id;
    size_t count = 0;

    if (u->root_known || node_in_session(n, &id))
        return;
    for (struct wf_agent_product *p = u->products; p && count < WF_COUNT(ids); p = p->next)
        if (is_of_its_set(n, p, &id.cert.sign_key))
            ids[count++] = p->collect->id;
    qsort(ids, count, sizeof *ids, by_hash);
    wf_blake2b(wf_bytes(ids, count * sizeof *ids), &u->root);
    u->root_known = true;
}

static void refuse_manifest(
    struct wf_node *n, struct wf_manifest_round *r, size_t i, enum weft_err err)
{
    char text[WF_MAX_ADDR + 160];

    r->bad[i] = true;
    // What this host lacks for now is no reason to go on without the product: what is in force stays, and the round comes again.
    r->again = r->again || err == WEFT_E_NOMEM || err == WEFT_E_IO || err == WEFT_E_NOSPACE ||
               err == WEFT_E_READ_ONLY || err == WEFT_E_NO_FILES;
    snprintf(text, sizeof text, "a manifest of %s is not obeyed: %s", n->uplink->address,
        weft_err_text(err));
    wf_alarm(n, "manifest", text);
}

static void take_manifest(
    struct wf_node *n, struct wf_manifest_round *r, size_t i, struct wf_bytes raw)
{
    struct wf_collect *c = NULL;
    enum weft_err err = wf_collect_open(raw, &c);

    if (!err && !wf_hash_eq(&c->id, &r->ids[i]))
        err = WEFT_E_HASH;
    if (!err)
        err = check_signer(n, c);
    if (!err && !wf_manifests_is_ours(n, c))
        err = WEFT_E_WRONG_DOMAIN;
    if (!err && !wf_cert_may_publish(&n->identity.cert, c->product.name) &&
        c->product.kind != WF_PRODUCT_API)
        err = WEFT_E_PRODUCT;
    if (err) {
        wf_collect_free(c);
        refuse_manifest(n, r, i, err);
        return;
    }
    r->fetched[i] = c;
}

static void take_documents(struct wf_node *n, const Weft__V1__GetReply *g)
{
    struct wf_manifest_round *r = n->uplink->round;

    for (size_t k = 0; k < g->n_documents; k++) {
        struct wf_bytes hash = wf_pb_view(g->documents[k]->hash);
        struct wf_bytes content = wf_pb_view(g->documents[k]->content);
        struct wf_hash digest;
        for (size_t i = 0; i < r->id_count; i++) {
            if (!r->fetched[i] && !r->bad[i] && wf_bytes_eq(hash, wf_hash_view(&r->ids[i])))
                take_manifest(n, r, i, content);
            // A schema is what its hash says, whoever sends it.
            if (r->fetched[i] &&
                wf_bytes_eq(hash, wf_hash_view(&r->fetched[i]->product.schema_hash))) {
                wf_blake2b(content, &digest);
                enum weft_err err = wf_bytes_eq(hash, wf_hash_view(&digest))
                                        ? wf_documents_put(n, content, &digest)
                                        : WEFT_OK;
                if (err)
                    refuse_manifest(n, r, i, err);
            }
        }
    }
}

static bool has_document(struct wf_node *n, const struct wf_hash *hash)
{
    struct wf_arena arena;
    struct wf_bytes content;

    wf_arena_init(&arena, WF_MAX_ENVELOPE + 64);
    bool yes = wf_documents_get(n, hash, &arena, &content) == WEFT_OK;
    wf_arena_fini(&arena);
    return yes;
}

// What is still wanted, manifests before schemas.
static size_t missing(struct wf_node *n, struct wf_manifest_round *r, ProtobufCBinaryData *out)
{
    size_t count = 0;

    for (size_t i = 0; i < r->id_count && count < WF_MAX_GET; i++)
        if (!r->bad[i] && !r->fetched[i] && !wf_manifests_find_id(n, &r->ids[i]))
            out[count++] = wf_pb_bin(wf_hash_view(&r->ids[i]));
    if (count)
        return count;
    for (size_t i = 0; i < r->id_count && count < WF_MAX_GET; i++)
        if (r->fetched[i] && !r->bad[i] && !has_document(n, &r->fetched[i]->product.schema_hash))
            out[count++] = wf_pb_bin(wf_hash_view(&r->fetched[i]->product.schema_hash));
    return count;
}

static bool wanted(const struct wf_manifest_round *r, const struct wf_hash *id)
{
    for (size_t i = 0; i < r->id_count; i++)
        if (wf_hash_eq(&r->ids[i], id))
            return true;
    return false;
}

// The node in session says that it is home of the product: what it did not take a moment ago it takes now.
static void take_again(struct wf_node *n, const struct wf_hash *product_id)
{
    for (struct wf_spool_chain *c = n->uplink->chains; c; c = c->next)
        if (wf_hash_eq(&c->product_id, product_id))
            c->not_before_ms = 0;
}

static void apply_round(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_manifest_round *r = u->round;
    size_t bad = 0;

    for (size_t i = 0; i < r->id_count; i++) {
        struct wf_collect *c = r->fetched[i];
        enum weft_err err = c && !r->bad[i] ? wf_manifests_take(n, c) : WEFT_OK;
        if (err)
            refuse_manifest(n, r, i, err);
        bad += r->bad[i];
        if (!c || r->bad[i])
            continue;
        r->fetched[i] = NULL; // taken
        take_again(n, &c->product.id);
        wf_say(n, WF_LOG_INFO, "uplink", "a manifest is in force", "product", c->product.name,
            "version", c->product.version, NULL);
    }
    for (struct wf_agent_product *p = u->products; p; p = p->next)
        if (!r->again && is_of_its_set(n, p, &r->signer) && !wanted(r, &p->collect->id))
            wf_manifests_drop(n, p);
    if (!bad)
        wf_alarm(n, "manifest", NULL);
    u->root = r->root;
    u->manifests_at_ms = r->again ? wf_node_now_ms(n) + WF_UPLINK_RETRY_MAX_MS : 0;
    wf_manifests_sources(n);
}

static void ask(struct wf_node *n);

static void on_documents(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_node *n = arg;
    struct wf_uplink_room *u = n->uplink;

    if (u->closed || !u->round)
        return;
    if (!err && reply->kind_case != WEFT__V1__REPLY__KIND_GET)
        err = WEFT_E_PROTOCOL;
    if (err) {
        round_end(n, err);
        return;
    }
    if (reply->get->n_documents == 0) {
        round_end(n, WEFT_E_NOT_FOUND); // the node named what it does not have: later perhaps
        return;
    }
    take_documents(n, reply->get);
    ask(n);
}

static void ask(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    ProtobufCBinaryData hashes[WF_MAX_GET];
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__GetRequest g = WEFT__V1__GET_REQUEST__INIT;
    size_t count = missing(n, u->round, hashes);

    if (count == 0) {
        apply_round(n);
        round_end(n, WEFT_OK);
        return;
    }
    // Each answer must bring something: a bound for a node that always leaves one out.
    if (u->round->asked++ > 2 * WF_UPLINK_PRODUCTS || !u->link) {
        round_end(n, WEFT_E_PROTOCOL);
        return;
    }
    g.hashes = hashes;
    g.n_hashes = count;
    q.kind_case = WEFT__V1__REQUEST__KIND_GET;
    q.get = &g;
    enum weft_err err = wf_link_request(u->link, &q, 0, on_documents, n);
    if (err)
        round_end(n, err);
}

void wf_manifests_fetch(struct wf_node *n, const Weft__V1__PollReply *reply)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_manifest_round *r = NULL;
    enum weft_err err = u->round                                     ? WEFT_E_BUSY
                        : reply->n_manifest_ids > WF_UPLINK_PRODUCTS ? WEFT_E_TOO_BIG
                                                                     : WEFT_OK;

    if (err == WEFT_E_BUSY)
        return;
    if (!err) {
        r = calloc(1, sizeof *r);
        size_t count = reply->n_manifest_ids ? reply->n_manifest_ids : 1;
        if (r) {
            r->ids = calloc(count, sizeof *r->ids);
            r->fetched = calloc(count, sizeof(struct wf_collect *));
            r->bad = calloc(count, sizeof *r->bad);
        }
        err = r && r->ids && r->fetched && r->bad
                  ? wf_hash_from(wf_pb_view(reply->manifests), &r->root)
                  : WEFT_E_NOMEM;
    }
    struct wf_identity node;
    if (!err &&
        !node_in_session(n, &node)) // else every manifest is refused, and nothing taken away
        r->signer = node.cert.sign_key;
    for (size_t i = 0; i < reply->n_manifest_ids && !err; i++, r->id_count = i)
        err = wf_hash_from(wf_pb_view(reply->manifest_ids[i]), &r->ids[i]);
    u->round = r;
    if (err)
        round_end(n, err);
    else
        ask(n);
}
