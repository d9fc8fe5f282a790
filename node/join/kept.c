// SPDX-License-Identifier: Apache-2.0
// The manifests of the domain's other nodes, kept on the issuer's node: data/kept/NODE.PRODUCT, with their schemas among the documents. They come with
// each HOME of their nodes, and go to the machine that takes a node's place and name. A manifest is the node's own word, so it is
// kept only from the session of the key that signed it.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/join/priv.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

#define REPLY_BYTES (600u * WF_KIB) // of one answer; one manifest and its schema always fit
#define REPLY_MAX   64u

static enum weft_err file_of(
    const struct wf_node *n, const char *node, const char *product, char **ret)
{
    char name[2 * WF_MAX_NAME + 8];

    snprintf(name, sizeof name, "kept/%s.%s", node, product); // no name has a dot
    return wf_disk_join(n->conf->data, name, ret);
}

static enum weft_err judge(struct wf_node *n, const struct wf_call *c)
{
    const Weft__V1__HomeRequest *q = c->request->home;
    struct wf_collect *m = NULL;
    struct wf_hash hash;
    enum weft_err err = wf_collect_open(wf_pb_view(q->manifest), &m);

    if (err)
        return err;
    wf_blake2b(wf_pb_view(q->schema), &hash);
    if (memcmp(m->signer.b, c->caller->identity.cert.sign_key.b, WF_KEY_LEN) != 0)
        err = WEFT_E_UNKNOWN_KEY;
    else if (!wf_hash_eq(&m->mesh_id, &n->mesh_id) || m->removed ||
             strcmp(m->product.domain, n->identity.cert.domain.s) != 0 ||
             strcmp(m->product.name, q->product) != 0)
        err = WEFT_E_MANIFEST;
    else if (!wf_hash_eq(&hash, &m->product.schema_hash))
        err = WEFT_E_HASH;
    else
        err = wf_documents_put(n, wf_pb_view(q->schema), &hash);
    wf_collect_free(m);
    return err;
}

static enum weft_err replace(const char *path, struct wf_bytes manifest)
{
    struct wf_buf had = { 0 };
    struct wf_diag diag = { 0 };
    char *slash = NULL, *dir = NULL;
    enum weft_err err = wf_file_read(path, WF_MAX_ENVELOPE, WF_FILE_OWNED, &had, NULL);
    bool same = !err && wf_bytes_eq(wf_buf_view(&had), manifest);

    wf_buf_fini(&had);
    if (same)
        return WEFT_OK; // every ten minutes the same
    err = wf_bytes_strdup(wf_bytes_str(path), &dir);
    slash = err ? NULL : strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    if (!err)
        err = wf_disk_mkdir(dir, &diag);
    free(dir);
    return err ? err : wf_disk_replace(path, manifest, &diag);
}

void wf_join_keep(struct wf_node *n, struct wf_call *c)
{
    const Weft__V1__HomeRequest *q = c->request->home;
    const char *node = c->caller->identity.cert.subject.s;
    struct wf_diag diag = { 0 };
    char *path = NULL;
    enum weft_err err = file_of(n, node, q->product, &path);

    if (!err && q->manifest.len)
        err = judge(n, c);
    if (!err)
        err =
            q->manifest.len ? replace(path, wf_pb_view(q->manifest)) : wf_disk_remove(path, &diag);
    free(path);
    if (err)
        wf_say(n, WF_LOG_WARN, "join", "a node's manifest is not kept", "node", node, "product",
            q->product, "why", weft_err_text(err), NULL);
}

void wf_join_forget(struct wf_node *n, const char *node, const char *product)
{
    struct wf_diag diag = { 0 };
    char *path = NULL;
    enum weft_err err = file_of(n, node, product, &path);

    if (!err)
        err = wf_disk_remove(path, &diag);
    free(path);
    if (err)
        wf_say(n, WF_LOG_WARN, "join", "a manifest of a product that moved stays kept", "node",
            node, "product", product, NULL);
}

// ---- given back ------------------------------------------------------------------------------------------------------

// The next product behind *at that is kept of this node, in the order of names, which a directory does not have; false: there is none.
static bool next_product(const struct wf_node *n, const char *node, struct wf_name *at)
{
    char *dir = NULL;
    size_t len = strlen(node);
    struct wf_name next;
    DIR *d = wf_disk_join(n->conf->data, "kept", &dir) ? NULL : opendir(dir);
    bool found = false;

    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        const char *product = e->d_name + len + 1;
        if (strncmp(e->d_name, node, len) != 0 || e->d_name[len] != '.' ||
            strcmp(product, at->s) <= 0 || !wf_name_is_valid(wf_bytes_str(product)) ||
            (found && strcmp(product, next.s) >= 0))
            continue;
        found = wf_name_from(wf_bytes_str(product), &next) == WEFT_OK;
    }
    if (found)
        *at = next;
    if (d)
        closedir(d);
    free(dir);
    return found;
}

enum weft_err wf_join_kept_of(struct wf_node *n, const char *node, const char *product,
    struct wf_arena *arena, struct wf_bytes *ret_manifest, struct wf_bytes *ret_schema)
{
    struct wf_buf raw = { 0 };
    struct wf_collect *m = NULL;
    char *path = NULL;
    enum weft_err err = file_of(n, node, product, &path);

    if (!err)
        err = wf_file_read(path, WF_MAX_ENVELOPE, WF_FILE_OWNED, &raw, NULL);
    if (!err)
        err = wf_collect_open(wf_buf_view(&raw), &m);
    if (!err)
        err = wf_documents_get(n, &m->product.schema_hash, arena, ret_schema);
    if (!err)
        err = wf_arena_dup(arena, wf_buf_view(&raw), ret_manifest);
    wf_collect_free(m);
    wf_buf_fini(&raw);
    free(path);
    return err;
}

enum weft_err wf_join_kept(struct wf_node *n, struct wf_call *c, Weft__V1__HomeReply *ret)
{
    const char *node = c->caller->identity.cert.subject.s;
    struct wf_name at = { 0 };
    size_t bytes = 0;

    if (strlen(c->request->home->product) > WF_MAX_NAME)
        return WEFT_E_NAME;
    memcpy(at.s, c->request->home->product, strlen(c->request->home->product));
    ret->manifests = wf_arena_calloc(c->arena, REPLY_MAX, sizeof *ret->manifests);
    ret->schemas = wf_arena_calloc(c->arena, REPLY_MAX, sizeof *ret->schemas);
    if (!ret->manifests || !ret->schemas)
        return wf_arena_err(c->arena);
    while (ret->n_manifests < REPLY_MAX && next_product(n, node, &at)) {
        struct wf_bytes manifest, schema;
        if (wf_join_kept_of(n, node, at.s, c->arena, &manifest, &schema))
            continue; // damaged: its owner applies it again
        bytes += manifest.len + schema.len;
        if (ret->n_manifests && bytes > REPLY_BYTES)
            break;
        ret->manifests[ret->n_manifests++] = wf_pb_bin(manifest);
        ret->schemas[ret->n_schemas++] = wf_pb_bin(schema);
    }
    return WEFT_OK;
}
