// SPDX-License-Identifier: Apache-2.0
// What this agent is told to run. A set of manifests is fetched whole (manifests by id, then schemas by hash), each judged before it counts:
// this mesh, this domain, signed by the node it came from, whose certificate leads to the charter. Then it is kept on disk, so that the agent
// works after a restart without its node, and put in force. A node's set replaces what that node signed before and nothing else: while one
// uplink is away, its products go on into the spool.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"
#include "node/core.h"
#include "node/source/room.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

struct wf_manifest_round {
    struct wf_hash root, *ids; // wanted
    struct wf_sign_pub signer; // whose set it is
    size_t id_count;
    struct wf_collect **fetched; // one an id; NULL: in force already, or not here
    bool *bad;                   // refused: not asked for again in this round
    bool again;                  // something of this host failed
    unsigned asked;              // documents of the request under way: guards against no progress
};

// ---- products --------------------------------------------------------------------------------------------------------

static struct wf_agent_product *by_product_id(struct wf_node *n, const struct wf_hash *id)
{
    struct wf_agent_product *p = n->uplink->products;

    while (p && !wf_hash_eq(&p->collect->product.id, id))
        p = p->next;
    return p;
}

static struct wf_agent_product *by_manifest_id(struct wf_node *n, const struct wf_hash *id)
{
    struct wf_agent_product *p = n->uplink->products;

    while (p && !(wf_hash_eq(&p->collect->id, id) && !p->removed))
        p = p->next;
    return p;
}

struct wf_agent_product *wf_uplink_find(struct wf_node *n, const char *product)
{
    struct wf_agent_product *found = NULL;

    for (struct wf_agent_product *p = n->uplink ? n->uplink->products : NULL; p; p = p->next)
        if (!p->removed && strcmp(p->collect->product.name, product) == 0 &&
            (!found || p->collect->product.major > found->collect->product.major))
            found = p;
    return found;
}

const struct wf_schema_message *wf_uplink_message(struct wf_node *n, const char *product)
{
    const struct wf_agent_product *p = wf_uplink_find(n, product);

    return p ? p->message : NULL;
}

const struct wf_product *wf_uplink_descriptor(struct wf_node *n, const char *product)
{
    const struct wf_agent_product *p = wf_uplink_find(n, product);

    return p ? &p->collect->product : NULL;
}

static void product_free(struct wf_agent_product *p)
{
    wf_collect_free(p->collect);
    wf_schema_free(p->schema);
    wf_records_fini(&p->open);
    free(p);
}

static enum weft_err open_schema(struct wf_node *n, const struct wf_product *d,
    struct wf_schema **ret, const struct wf_schema_message **ret_message)
{
    struct wf_arena arena;
    struct wf_bytes set;
    struct wf_schema *schema = NULL;
    struct wf_diag diag = { 0 };
    struct wf_hash hash;

    wf_arena_init(&arena, WF_MAX_ENVELOPE + 64);
    enum weft_err err = wf_documents_get(n, &d->schema_hash, &arena, &set);
    if (!err) {
        wf_blake2b(set, &hash);
        err = wf_hash_eq(&hash, &d->schema_hash) ? WEFT_OK : WEFT_E_DAMAGED;
    }
    if (!err)
        err = wf_schema_compile(set, &schema, &diag);
    if (!err && d->kind != WF_PRODUCT_API) {
        *ret_message = wf_schema_find_message(schema, wf_bytes_str(d->message));
        err = *ret_message ? WEFT_OK : WEFT_E_SCHEMA;
    }
    wf_arena_fini(&arena);
    if (err) {
        wf_schema_free(schema);
        return err;
    }
    *ret = schema;
    return WEFT_OK;
}

static enum weft_err new_product(struct wf_node *n, struct wf_agent_product **ret)
{
    struct wf_agent_product *p = calloc(1, sizeof *p);
    enum weft_err err = p ? WEFT_OK : WEFT_E_NOMEM;

    if (err)
        return err;
    p->node = n;
    p->linger.fire = wf_spool_linger;
    if (n->log) // at start the spool, which opens after the manifests, begins the chains
        err = wf_spool_begin_chain(p);
    if (err) {
        free(p);
        return err;
    }
    p->next = n->uplink->products;
    n->uplink->products = p;
    *ret = p;
    return WEFT_OK;
}

// Takes the manifest. What was gathered under the old one leaves under it.
static enum weft_err put_in_force(struct wf_node *n, struct wf_collect *c)
{
    struct wf_agent_product *p = by_product_id(n, &c->product.id);
    struct wf_schema *schema = NULL;
    const struct wf_schema_message *message = NULL;
    enum weft_err err = open_schema(n, &c->product, &schema, &message);

    if (!err && !p) {
        err = new_product(n, &p);
    } else if (!err) {
        wf_spool_flush(p);
        wf_collect_free(p->collect);
        wf_schema_free(p->schema);
    }
    if (err) {
        wf_schema_free(schema);
        return err;
    }
    p->collect = c;
    p->schema = schema;
    p->message = message;
    p->removed = false;
    return WEFT_OK;
}

void wf_manifests_sources(struct wf_node *n)
{
    for (struct wf_agent_product *p = n->uplink->products; p; p = p->next) {
        const struct wf_collect *c = p->collect;
        struct wf_source_spec spec = { .product = c->product.name,
            .run = c->run,
            .run_count = c->run_count,
            .every_ms = c->every_ms,
            .major = c->product.major };
        if (p->removed && wf_uplink_find(n, c->product.name))
            continue; // another major of it runs
        if (p->removed)
            spec.run_count = 0;
        enum weft_err err = wf_source_set(n, &spec);
        if (err)
            wf_say(n, WF_LOG_WARN, "uplink", "a source could not be set", "product",
                c->product.name, "why", weft_err_text(err), NULL);
    }
}

// ---- on disk ---------------------------------------------------------------------------------------------------------

static enum weft_err manifest_path(const struct wf_node *n, const struct wf_hash *id, char **ret)
{
    char hex[2 * WF_HASH_LEN + 1];

    wf_hex_put(wf_hash_view(id), hex);
    return wf_disk_join(n->uplink->manifest_dir, hex, ret);
}

static enum weft_err keep(struct wf_node *n, const struct wf_collect *c)
{
    struct wf_diag diag = { 0 };
    char *path = NULL;
    enum weft_err err = manifest_path(n, &c->id, &path);

    if (!err)
        err = wf_disk_replace(path, wf_buf_view(&c->raw), &diag);
    free(path);
    return err;
}

static void unkeep(struct wf_node *n, const struct wf_hash *id)
{
    struct wf_diag diag = { 0 };
    char *path = NULL;

    if (!manifest_path(n, id, &path) && wf_disk_remove(path, &diag))
        wf_say(
            n, WF_LOG_WARN, "uplink", "an old manifest stays on the disk", "why", diag.text, NULL);
    free(path);
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct wf_hash));
}

static bool is_ours(const struct wf_node *n, const struct wf_collect *c)
{
    return wf_hash_eq(&c->mesh_id, &n->mesh_id) &&
           strcmp(c->product.domain, n->identity.cert.domain.s) == 0 && !c->removed;
}

static enum weft_err load_one(struct wf_node *n, const char *name)
{
    char *path = NULL;
    struct wf_buf raw = { 0 };
    struct wf_collect *c = NULL;
    enum weft_err err = wf_disk_join(n->uplink->manifest_dir, name, &path);

    if (!err)
        err = wf_file_read(path, WF_MAX_ENVELOPE, WF_FILE_OWNED, &raw, NULL);
    if (!err)
        err = wf_collect_open(wf_buf_view(&raw), &c);
    if (!err)
        err = is_ours(n, c) ? put_in_force(n, c) : WEFT_E_WRONG_DOMAIN;
    if (err)
        wf_collect_free(c);
    wf_buf_fini(&raw);
    free(path);
    return err;
}

enum weft_err wf_manifests_load(struct wf_node *n, struct wf_diag *diag)
{
    DIR *dir = opendir(n->uplink->manifest_dir);

    if (!dir) {
        wf_diag_set(diag, 0, 0, "%s: cannot be read", n->uplink->manifest_dir);
        return WEFT_E_IO;
    }
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (strlen(e->d_name) != (size_t)2 * WF_HASH_LEN)
            continue;
        enum weft_err err = load_one(n, e->d_name);
        // Fetched again from the node: nothing depends on this copy.
        if (err)
            wf_say(n, WF_LOG_WARN, "uplink", "a kept manifest was passed over", "file", e->d_name,
                "why", weft_err_text(err), NULL);
    }
    closedir(dir);
    return WEFT_OK;
}

// ---- fetching --------------------------------------------------------------------------------------------------------

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

void wf_manifests_close(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    round_free(u->round);
    u->round = NULL;
    while (u->products) {
        struct wf_agent_product *p = u->products;
        u->products = p->next;
        product_free(p);
    }
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

void wf_manifests_drop(struct wf_node *n, struct wf_agent_product *p)
{
    wf_spool_flush(p);
    unkeep(n, &p->collect->id);
    p->removed = true;
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

bool wf_manifests_is_signed_by(const struct wf_agent_product *p, const struct wf_sign_pub *signer)
{
    return !p->removed && memcmp(p->collect->signer.b, signer->b, WF_KEY_LEN) == 0;
}

// What moved away from that node stays in force until the node where it is now has said what shall run.
static bool is_of_its_set(
    const struct wf_node *n, const struct wf_agent_product *p, const struct wf_sign_pub *signer)
{
    return wf_manifests_is_signed_by(p, signer) && !wf_whereabouts_moved(n, p);
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
    if (!err && !is_ours(n, c))
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
        if (!r->bad[i] && !r->fetched[i] && !by_manifest_id(n, &r->ids[i]))
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

// Kept, then in force; then what it replaces goes from the disk (another node's, when the product moved).
static enum weft_err take_fetched(struct wf_node *n, struct wf_collect *c)
{
    const struct wf_agent_product *before = by_product_id(n, &c->product.id);
    bool replaces = before && !before->removed && !wf_hash_eq(&before->collect->id, &c->id);
    struct wf_hash old = replaces ? before->collect->id : c->id;
    enum weft_err err = keep(n, c);

    if (!err)
        err = put_in_force(n, c);
    if (!err && replaces)
        unkeep(n, &old);
    else if (err && (replaces || !before))
        unkeep(n, &c->id);
    return err;
}

static void apply_round(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;
    struct wf_manifest_round *r = u->round;
    size_t bad = 0;

    for (size_t i = 0; i < r->id_count; i++) {
        struct wf_collect *c = r->fetched[i];
        enum weft_err err = c && !r->bad[i] ? take_fetched(n, c) : WEFT_OK;
        if (err)
            refuse_manifest(n, r, i, err);
        bad += r->bad[i];
        if (!c || r->bad[i])
            continue;
        r->fetched[i] = NULL; // taken
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
