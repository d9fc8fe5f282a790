// SPDX-License-Identifier: Apache-2.0
// What this agent is told to run, as it is in force and on the disk: a kept manifest counts after a restart without its node. A node's set
// replaces what that node signed before and nothing else: while one uplink is away, its products go on into the spool. How manifests come and
// which of them count: manifests_fetch.c.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"
#include "node/core.h"
#include "node/source/room.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

// ---- products --------------------------------------------------------------------------------------------------------

static struct wf_agent_product *by_product_id(struct wf_node *n, const struct wf_hash *id)
{
    struct wf_agent_product *p = n->uplink->products;

    while (p && !wf_hash_eq(&p->collect->product.id, id))
        p = p->next;
    return p;
}

struct wf_agent_product *wf_manifests_find_id(struct wf_node *n, const struct wf_hash *id)
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

bool wf_manifests_is_ours(const struct wf_node *n, const struct wf_collect *c)
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
        err = wf_manifests_is_ours(n, c) ? put_in_force(n, c) : WEFT_E_WRONG_DOMAIN;
    if (err)
        wf_collect_free(c);
    wf_buf_fini(&raw);
    free(path);
    return err;
}

enum weft_err wf_manifests_load(struct wf_node *n, struct wf_diag *diag)
{
    DIR *dir = opendir(n->uplink->manifest_dir);
    const char *name = NULL;
    enum weft_err err = dir ? wf_disk_next(dir, &name) : WEFT_E_IO;

    while (!err && name) {
        enum weft_err bad = strlen(name) == (size_t)2 * WF_HASH_LEN ? load_one(n, name) : WEFT_OK;
        // Fetched again from the node: nothing depends on this copy.
        if (bad)
            wf_say(n, WF_LOG_WARN, "uplink", "a kept manifest was passed over", "file", name, "why",
                weft_err_text(bad), NULL);
        err = wf_disk_next(dir, &name);
    }
    if (dir)
        closedir(dir);
    if (err)
        wf_diag_set(diag, 0, 0, "%s: cannot be read", n->uplink->manifest_dir);
    return err;
}

// Kept, then in force; then what it replaces goes from the disk (another node's, when the product moved).
enum weft_err wf_manifests_take(struct wf_node *n, struct wf_collect *c)
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

void wf_manifests_drop(struct wf_node *n, struct wf_agent_product *p)
{
    wf_spool_flush(p);
    unkeep(n, &p->collect->id);
    p->removed = true;
}

bool wf_manifests_is_signed_by(const struct wf_agent_product *p, const struct wf_sign_pub *signer)
{
    return !p->removed && memcmp(p->collect->signer.b, signer->b, WF_KEY_LEN) == 0;
}

// ---- the end ---------------------------------------------------------------------------------------------------------

void wf_manifests_close(struct wf_node *n)
{
    struct wf_uplink_room *u = n->uplink;

    while (u->products) {
        struct wf_agent_product *p = u->products;
        u->products = p->next;
        product_free(p);
    }
}
