// SPDX-License-Identifier: Apache-2.0
// What a directory holds: a node's or an agent's data, or a store alone (a copy). Whatever is missing or damaged of the rest leaves
// names or chains out and never stops a look at the log: that is wanted most when things are broken.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "node/inspect/inspect.h"
#include "proto/trust/product.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

#define NAMES_MAX 4096u

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool exists(const char *dir, const char *name)
{
    char *path = NULL;
    bool yes = !wf_disk_join(dir, name, &path) && access(path, F_OK) == 0;

    free(path);
    return yes;
}

// ---- names -----------------------------------------------------------------------------------------------------------

static enum weft_err add_name(struct wf_inspect *x, const struct wf_hash *id,
    const struct wf_hash *key, const struct wf_product *p)
{
    if (x->name_count == NAMES_MAX)
        return WEFT_E_TOO_BIG;
    struct wf_inspect_name *more = realloc(x->names, (x->name_count + 1) * sizeof *more);
    if (!more)
        return WEFT_E_NOMEM;
    x->names = more;
    struct wf_inspect_name *n = &x->names[x->name_count++];
    n->id = *id;
    n->key = *key;
    snprintf(n->text, sizeof n->text, "%s/%s@%u", p->domain, p->name, (unsigned)p->major);
    n->message = NULL;
    return p->message ? wf_bytes_strdup(wf_bytes_str(p->message), &n->message) : WEFT_OK;
}

// Beside the manifest of a product that moved to this node: the name of its log.
static void take_key(const char *manifest, const struct wf_hash *id, struct wf_hash *ret)
{
    struct wf_buf raw = { 0 };
    char *path = NULL, *dir = strdup(manifest), *slash = dir ? strrchr(dir, '/') : NULL;

    *ret = *id;
    if (slash)
        *slash = '\0';
    if (slash && !wf_disk_join(dir, "log", &path) &&
        !wf_file_read(path, WF_HASH_LEN, WF_FILE_ANY, &raw, NULL) && raw.len == WF_HASH_LEN)
        memcpy(ret->b, raw.ptr, WF_HASH_LEN);
    wf_buf_fini(&raw);
    free(path);
    free(dir);
}

static void take_manifest(struct wf_inspect *x, const char *dir, const char *name)
{
    char *path = NULL;
    struct wf_buf raw = { 0 };
    struct wf_collect *c = NULL;
    enum weft_err err = wf_disk_join(dir, name, &path);

    if (!err)
        err = wf_file_read(path, WF_MAX_ENVELOPE, WF_FILE_ANY, &raw, NULL);
    if (!err)
        err = wf_collect_open(wf_buf_view(&raw), &c);
    struct wf_hash key = { 0 };
    if (!err)
        take_key(path, &c->product.id, &key);
    if (!err)
        err = add_name(x, &c->product.id, &key, &c->product);
    (void)err; // its product is shown by id
    wf_collect_free(c);
    wf_buf_fini(&raw);
    free(path);
}

// A node keeps products/NAME/manifest, an agent manifests/HASH.
static void take_manifests(struct wf_inspect *x, const char *folder, const char *file)
{
    char *dir = NULL, name[WF_INSPECT_NAME + 300];
    DIR *d = wf_disk_join(x->data, folder, &dir) ? NULL : opendir(dir);

    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s%s", e->d_name, file);
        take_manifest(x, dir, name);
    }
    if (d)
        closedir(d);
    free(dir);
}

const struct wf_hash *wf_inspect_of_key(const struct wf_inspect *x, const struct wf_hash *key)
{
    for (size_t i = 0; i < x->name_count; i++)
        if (wf_hash_eq(&x->names[i].key, key))
            return &x->names[i].id;
    return key;
}

const struct wf_hash *wf_inspect_key_of(const struct wf_inspect *x, const struct wf_hash *id)
{
    for (size_t i = 0; i < x->name_count; i++)
        if (wf_hash_eq(&x->names[i].id, id))
            return &x->names[i].key;
    return id;
}

const char *wf_inspect_product(const struct wf_inspect *x, const struct wf_hash *id)
{
    static char hex[2 * WF_HASH_LEN + 1];

    for (size_t i = 0; i < x->name_count; i++)
        if (wf_hash_eq(&x->names[i].id, id))
            return x->names[i].text;
    wf_hex_put(wf_hash_view(id), hex);
    return hex;
}

const char *wf_inspect_message(const struct wf_inspect *x, const struct wf_hash *id)
{
    for (size_t i = 0; i < x->name_count; i++)
        if (wf_hash_eq(&x->names[i].id, id))
            return x->names[i].message;
    return NULL;
}

// "cpu", "servers/cpu", "servers/cpu@1", or the beginning of an id.
bool wf_inspect_wants(const struct wf_inspect *x, const struct wf_hash *id)
{
    if (!x->product)
        return true;
    const char *text = wf_inspect_product(x, id), *name = strchr(text, '/');
    size_t len = strlen(x->product);

    if (!name)
        return len >= 8 && strncmp(text, x->product, len) == 0;
    const char *from = strchr(x->product, '/') ? text : name + 1;
    return strncmp(from, x->product, len) == 0 && (from[len] == '\0' || from[len] == '@');
}

// ---- origins ---------------------------------------------------------------------------------------------------------

static enum weft_err judge_chain(
    struct wf_inspect *x, struct wf_bytes chain, int64_t at_ms, struct wf_inspect_origin *ret)
{
    struct wf_bytes certs[WF_MAX_CHAIN];
    struct wf_identity who;
    struct wf_cert cert;
    size_t count = 0;
    enum weft_err err = wf_chain_split(chain, certs, &count);

    if (!err)
        err = wf_cert_open(certs[0], &cert);
    if (err)
        return err;
    if (!wf_hash_eq(&cert.id, &ret->certificate))
        return WEFT_E_HASH;
    snprintf(ret->text, sizeof ret->text, "%s/%s", cert.domain.s, cert.subject.s);
    ret->key = cert.sign_key;
    ret->not_before_ms = cert.not_before_ms;
    ret->usages = cert.usages;
    if (!x->identity || !x->identity->charter)
        return WEFT_OK;             // verify says that chains were not looked at
    if (at_ms < cert.not_before_ms) // an event that happened before
        at_ms = cert.not_before_ms;
    return wf_chain_verify(chain, x->identity->charter, at_ms, WF_CHAIN_ALLOW_EXPIRED, &who);
}

static enum weft_err find_chain(
    struct wf_inspect *x, const struct wf_hash *certificate, struct wf_buf *out)
{
    char hex[2 * WF_HASH_LEN + 1], name[sizeof hex + 16], *path = NULL;

    if (x->identity && x->identity->has_chain &&
        wf_hash_eq(&x->identity->identity.cert.id, certificate))
        return wf_buf_append(out, wf_buf_view(&x->identity->chain));
    if (!x->data)
        return WEFT_E_NOT_FOUND;
    wf_hex_put(wf_hash_view(certificate), hex);
    snprintf(name, sizeof name, "documents/%s", hex);
    enum weft_err err = wf_disk_join(x->data, name, &path);
    if (!err)
        err = wf_file_read(path, WF_MAX_ENVELOPE, WF_FILE_ANY, out, NULL);
    free(path);
    return err;
}

const struct wf_inspect_origin *wf_inspect_origin(
    struct wf_inspect *x, const struct wf_hash *certificate, int64_t at_ms)
{
    static struct wf_inspect_origin spare; // beyond the limit, or without memory
    struct wf_inspect_origin *o = &spare;
    struct wf_buf chain = { 0 };

    for (size_t i = 0; i < x->origin_count; i++)
        if (wf_hash_eq(&x->origins[i].certificate, certificate))
            return &x->origins[i];
    if (!x->origins)
        x->origins = calloc(WF_INSPECT_ORIGINS, sizeof *x->origins);
    if (x->origins && x->origin_count < WF_INSPECT_ORIGINS)
        o = &x->origins[x->origin_count++];
    *o = (struct wf_inspect_origin){ .certificate = *certificate };
    o->err = find_chain(x, certificate, &chain);
    if (!o->err)
        o->err = judge_chain(x, wf_buf_view(&chain), at_ms, o);
    wf_buf_fini(&chain);
    return o;
}

// ---- the directory ---------------------------------------------------------------------------------------------------

static enum weft_err add_store(struct wf_inspect *x, const char *dir, const char *name)
{
    char *path = NULL;

    if (x->store_count == WF_INSPECT_STORES)
        return WEFT_E_TOO_BIG;
    enum weft_err err =
        name ? wf_disk_join(dir, name, &path) : wf_bytes_strdup(wf_bytes_str(dir), &path);
    if (err)
        return err;
    x->stores[x->store_count++] = path;
    return WEFT_OK;
}

static int by_dir(const void *a, const void *b)
{
    char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static enum weft_err find_stores(struct wf_inspect *x)
{
    char *logs = NULL;
    enum weft_err err = wf_disk_join(x->data, "log", &logs);
    const char *name = NULL;
    DIR *d = err ? NULL : opendir(logs);

    if (d)
        err = wf_disk_next(d, &name);
    while (d && name && !err) {
        err = add_store(x, logs, name);
        if (!err)
            err = wf_disk_next(d, &name);
    }
    if (d)
        closedir(d);
    free(logs);
    qsort(x->stores, x->store_count, sizeof x->stores[0], by_dir);
    if (!err && exists(x->data, "spool"))
        err = add_store(x, x->data, "spool");
    return err;
}

static bool is_store(const char *dir)
{
    bool yes = exists(dir, "store.meta");
    DIR *d = yes ? NULL : opendir(dir);

    for (const struct dirent *e = d ? readdir(d) : NULL; e && !yes; e = readdir(d)) {
        size_t len = strlen(e->d_name);
        yes = len == 20 && strcmp(e->d_name + 16, ".seg") == 0;
    }
    if (d)
        closedir(d);
    return yes;
}

// weftd.yaml tells where the data lies and how long it is kept; a broken one is passed over.
static enum weft_err find_data(struct wf_inspect *x)
{
    char *path = NULL;
    struct wf_diags diags;
    enum weft_err err = wf_disk_join(x->dir, "weftd.yaml", &path);

    wf_diags_init(&diags, path ? path : "");
    if (!err && wf_conf_load(path, &diags, &x->conf))
        x->conf = NULL;
    wf_diags_fini(&diags);
    free(path);
    if (err)
        return err;
    if (x->conf)
        return wf_bytes_strdup(wf_bytes_str(x->conf->data), &x->data);
    return exists(x->dir, "data") ? wf_disk_join(x->dir, "data", &x->data)
                                  : wf_bytes_strdup(wf_bytes_str(x->dir), &x->data);
}

static enum weft_err load_key(struct wf_inspect *x)
{
    char *path = NULL;
    struct wf_buf file = { 0 };
    enum weft_err err = wf_disk_join(x->data, "identity/storage.key", &path);

    if (!err)
        err = wf_file_read(path, WF_KEY_LEN, WF_FILE_SECRET, &file, NULL);
    if (!err && file.len == WF_KEY_LEN)
        err = wf_secret_copy(wf_buf_view(&file), &x->key);
    wf_wipe(file.ptr, file.len);
    wf_buf_fini(&file);
    free(path);
    return err == WEFT_E_NOMEM ? err : WEFT_OK; // without it, what is sealed stays sealed
}

static enum weft_err open_data(struct wf_inspect *x)
{
    struct wf_diag diag = { 0 };
    enum weft_err err = find_data(x);

    if (!err)
        err = find_stores(x);
    if (!err)
        err = load_key(x);
    if (err)
        return err;
    take_manifests(x, "products", "/manifest");
    take_manifests(x, "manifests", "");
    if (wf_identity_load(x->data, now_ms(), &x->identity, &diag)) {
        x->identity = NULL;
        fprintf(stderr, "weft: certificates are not checked: %s\n",
            diag.text[0] ? diag.text : "no identity here");
    }
    return WEFT_OK;
}

int wf_inspect_open(struct wf_inspect *x)
{
    enum weft_err err = wf_crypto_init();

    if (!err && is_store(x->dir))
        err = add_store(x, x->dir, NULL);
    else if (!err)
        err = open_data(x);
    if (err) {
        fprintf(stderr, "weft: %s: %s\n", x->dir, weft_err_text(err));
        return weft_err_exit(err);
    }
    if (x->store_count > 0)
        return 0;
    fprintf(stderr,
        "weft: %s holds no log: expected a node's or agent's directory, its data, or a store%s%s\n",
        x->dir, errno == EACCES ? ": " : "", errno == EACCES ? strerror(errno) : "");
    return weft_err_exit(WEFT_E_NOT_FOUND);
}

int wf_inspect_store(struct wf_inspect *x, size_t i)
{
    const char *dir = x->stores[i];

    x->store_at = i;
    wf_log_look_close(x->look);
    x->look = NULL;
    struct wf_diag diag = { 0 };
    const struct wf_log_look_conf conf = {
        .dir = dir, .key = x->key.ptr ? &x->key : NULL, .now_ms = now_ms(), .diag = &diag
    };
    enum weft_err err = wf_log_look_open(&wf_vfs_posix, &conf, &x->look);
    if (err && diag.text[0]) {
        fprintf(stderr, "weft: %s\n", diag.text);
        return weft_err_exit(err);
    }
    if (err) {
        fprintf(stderr, "weft: %s: %s\n", dir,
            err == WEFT_E_DAMAGED ? "no segment has an intact header, and store.meta is damaged too"
                                  : weft_err_text(err));
        return weft_err_exit(err);
    }
    x->is_spool = strcmp(wf_log_look_class(x->look), "spool") == 0;
    return 0;
}

void wf_inspect_fini(struct wf_inspect *x)
{
    wf_log_look_close(x->look);
    for (size_t i = 0; i < x->store_count; i++)
        free(x->stores[i]);
    if (x->identity)
        wf_identity_free(x->identity);
    wf_conf_free(x->conf);
    wf_secret_fini(&x->key);
    wf_inspect_schemas_fini(x);
    for (size_t i = 0; i < x->name_count; i++)
        free(x->names[i].message);
    free(x->names);
    free(x->origins);
    free(x->data);
    wf_buf_fini(&x->line);
    wf_buf_fini(&x->scratch);
    wf_buf_fini(&x->raw);
    wf_buf_fini(&x->json);
}
