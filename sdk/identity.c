// SPDX-License-Identifier: Apache-2.0
// Loading, joining and charters of an identity directory. Tokens are in identity_tokens.c.
#include "sdk/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/print.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

#define KEY_FILE   "identity/node.key"
#define CHAIN_FILE "identity/chain"
#define MESH_FILE  "identity/mesh"
#define SEEDS_FILE "seeds"

static enum weft_err read_in(const char *dir, const char *name, size_t max,
    enum wf_file_trust trust, struct wf_buf *ret, struct wf_diag *diag)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(dir, name, &path);

    if (!err)
        err = wf_file_read(path, max, trust, ret, diag);
    if (err == WEFT_E_NOT_FOUND && diag)
        diag->text[0] = '\0'; // what may be absent is no news
    free(path);
    return err;
}

static enum weft_err replace_in(
    const char *dir, const char *name, struct wf_bytes content, struct wf_diag *diag)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(dir, name, &path);

    if (!err)
        err = wf_disk_replace(path, content, diag);
    free(path);
    return err;
}

static enum weft_err mkdir_in(const char *dir, const char *name, struct wf_diag *diag)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(dir, name, &path);

    if (!err)
        err = wf_disk_mkdir(path, diag);
    free(path);
    return err;
}

// ---- loading ---------------------------------------------------------------------------------------------------------

static enum weft_err load_keys(struct wf_identity_dir *d, struct wf_diag *diag)
{
    struct wf_buf file = { 0 };
    enum weft_err err = read_in(d->dir, KEY_FILE, 4096, WF_FILE_SECRET, &file, diag);

    if (err == WEFT_E_NOT_FOUND) {
        wf_diag_set(diag, 0, 0, "%s holds no identity; see: weft join TICKET", d->dir);
        return WEFT_E_IDENTITY;
    }
    if (!err) {
        err = wf_keys_unpack(wf_buf_view(&file), wf_bytes(NULL, 0), &d->keys);
        if (err)
            wf_diag_set(diag, 0, 0, "%s/" KEY_FILE ": %s", d->dir, weft_err_text(err));
    }
    wf_wipe(file.ptr, file.len);
    wf_buf_fini(&file);
    return err;
}

static enum weft_err load_mesh(struct wf_identity_dir *d, struct wf_diag *diag)
{
    struct wf_buf text = { 0 }, id = { 0 };
    enum weft_err err = read_in(d->dir, MESH_FILE, 256, WF_FILE_OWNED, &text, diag);

    if (err == WEFT_E_NOT_FOUND)
        return WEFT_OK;
    if (!err)
        err = wf_print_parse(WF_PREFIX_MESH, wf_buf_view(&text), &id);
    if (!err)
        err = wf_hash_from(wf_buf_view(&id), &d->mesh_id);
    if (!err)
        d->has_mesh = true;
    else
        wf_diag_set(diag, 0, 0, "%s/" MESH_FILE ": %s", d->dir, weft_err_text(err));
    wf_buf_fini(&text);
    wf_buf_fini(&id);
    return err;
}

static void charter_name(uint64_t version, const char *suffix, char out[48])
{
    snprintf(out, 48, "charter/%06llu%s", (unsigned long long)version, suffix);
}

enum weft_err wf_identity_charter(
    const struct wf_identity_dir *d, uint64_t version, struct wf_buf *out)
{
    char name[48];

    charter_name(version, "", name);
    return read_in(d->dir, name, WF_MAX_ENVELOPE, WF_FILE_OWNED, out, NULL);
}

// Opens the successor of `current` (NULL: the genesis) and replaces *current by it.
static enum weft_err step_charter(
    const struct wf_identity_dir *d, struct wf_bytes raw, struct wf_charter **current)
{
    struct wf_charter *next = NULL;
    enum weft_err err = *current ? wf_charter_open_next(raw, *current, &next)
                                 : wf_charter_open_genesis(raw, &d->mesh_id, &next);

    if (err)
        return err;
    wf_charter_free(*current);
    *current = next;
    return WEFT_OK;
}

// Walks from version 1 to `last` (0: as far as there are files). Every version is verified again: the files are not trusted.
static enum weft_err walk_charters(
    const struct wf_identity_dir *d, uint64_t last, struct wf_charter **ret)
{
    struct wf_charter *c = NULL;
    enum weft_err err = WEFT_OK;

    for (uint64_t v = 1; !err && (last == 0 || v <= last); v++) {
        struct wf_buf raw = { 0 };
        err = wf_identity_charter(d, v, &raw);
        if (!err)
            err = step_charter(d, wf_buf_view(&raw), &c);
        wf_buf_fini(&raw);
    }
    if (err == WEFT_E_NOT_FOUND && last == 0)
        err = WEFT_OK;
    if (err) {
        wf_charter_free(c);
        return err;
    }
    *ret = c;
    return WEFT_OK;
}

enum weft_err wf_identity_charter_at(
    const struct wf_identity_dir *d, uint64_t version, struct wf_charter **ret)
{
    return version == 0 ? WEFT_E_RANGE : walk_charters(d, version, ret);
}

static enum weft_err load_chain(
    struct wf_identity_dir *d, int64_t now_unix_ms, struct wf_diag *diag)
{
    enum weft_err err = read_in(
        d->dir, CHAIN_FILE, WF_MAX_CERT * WF_MAX_CHAIN + 64, WF_FILE_OWNED, &d->chain, diag);

    if (err == WEFT_E_NOT_FOUND)
        return WEFT_OK;
    if (err || !d->charter) {
        d->has_chain = !err;
        return err;
    }
    err = wf_chain_verify(
        wf_buf_view(&d->chain), d->charter, now_unix_ms, WF_CHAIN_ALLOW_EXPIRED, &d->identity);
    // A domain that is proposed but not yet a member loads: its charter may be on the way.
    if (err == WEFT_E_CHAIN || err == WEFT_E_WRONG_DOMAIN) {
        d->has_chain = true;
        return WEFT_OK;
    }
    if (err) {
        wf_diag_set(diag, 0, 0, "%s/" CHAIN_FILE ": %s", d->dir, weft_err_text(err));
        return err;
    }
    if (memcmp(d->identity.cert.sign_key.b, d->keys.sign_pub.b, WF_KEY_LEN) != 0) {
        wf_diag_set(diag, 0, 0, "%s: the certificate is for another key than " KEY_FILE, d->dir);
        return WEFT_E_STATE_DIR;
    }
    d->has_chain = true;
    return WEFT_OK;
}

// One "host:port weftdh1..." a line; '#' begins a comment.
static enum weft_err parse_seed_line(struct wf_identity_dir *d, struct wf_bytes line)
{
    const uint8_t *space = line.len ? memchr(line.ptr, ' ', line.len) : NULL;
    struct wf_buf key = { 0 };
    enum weft_err err = WEFT_E_SYNTAX;

    if (line.len == 0 || line.ptr[0] == '#')
        return WEFT_OK;
    if (!space || d->seed_count == WF_MAX_SEEDS)
        return space ? WEFT_E_TOO_BIG : WEFT_E_SYNTAX;
    struct wf_seed *s = &d->seeds[d->seed_count];
    struct wf_bytes address = wf_bytes(line.ptr, (size_t)(space - line.ptr));
    if (address.len < sizeof s->address)
        err = wf_address_check(address);
    if (!err)
        err = wf_print_parse(WF_PREFIX_DH, wf_bytes(space + 1, line.len - address.len - 1), &key);
    if (!err && key.len != WF_KEY_LEN)
        err = WEFT_E_KEY;
    if (!err) {
        memcpy(s->address, address.ptr, address.len);
        s->address[address.len] = '\0';
        memcpy(s->dh_key.b, key.ptr, WF_KEY_LEN);
        d->seed_count++;
    }
    wf_buf_fini(&key);
    return err;
}

static enum weft_err load_seeds(struct wf_identity_dir *d, struct wf_diag *diag)
{
    struct wf_buf text = { 0 };
    enum weft_err err = read_in(d->dir, SEEDS_FILE, 65536, WF_FILE_OWNED, &text, diag);
    unsigned number = 1;

    if (err == WEFT_E_NOT_FOUND)
        return WEFT_OK;
    for (size_t at = 0; !err && at < text.len; number++) {
        const uint8_t *nl = memchr(text.ptr + at, '\n', text.len - at);
        size_t len = nl ? (size_t)(nl - text.ptr) - at : text.len - at;
        err = parse_seed_line(d, wf_bytes(text.ptr + at, len));
        if (err)
            wf_diag_set(diag, number, 1, "%s/" SEEDS_FILE ":%u: not \"host:port weftdh1...\": %s",
                d->dir, number, weft_err_text(err));
        at += len + 1;
    }
    wf_buf_fini(&text);
    return err;
}

enum weft_err wf_identity_load(
    const char *dir, int64_t now_unix_ms, struct wf_identity_dir **ret, struct wf_diag *diag)
{
    struct wf_identity_dir *d = calloc(1, sizeof *d);
    enum weft_err err = d ? wf_bytes_strdup(wf_bytes_str(dir), &d->dir) : WEFT_E_NOMEM;

    if (!err)
        err = load_keys(d, diag);
    if (!err)
        err = load_mesh(d, diag);
    if (!err && d->has_mesh) {
        err = walk_charters(d, 0, &d->charter);
        if (err)
            wf_diag_set(diag, 0, 0, "%s/charter: %s", dir, weft_err_text(err));
    }
    if (!err)
        err = load_chain(d, now_unix_ms, diag);
    if (!err)
        err = load_seeds(d, diag);
    if (err) {
        wf_identity_free(d);
        return err;
    }
    *ret = d;
    return WEFT_OK;
}

void wf_identity_free(struct wf_identity_dir *d)
{
    if (!d)
        return;
    wf_keys_fini(&d->keys);
    wf_charter_free(d->charter);
    wf_buf_fini(&d->chain);
    free(d->dir);
    free(d);
}

// ---- making and changing -------------------------------------------------------------------------------------------

enum weft_err wf_identity_create(const char *dir, const struct wf_keys *keys, struct wf_diag *diag)
{
    struct wf_buf file = { 0 };
    char *path = NULL;
    enum weft_err err = wf_disk_mkdir(dir, diag);

    if (!err)
        err = mkdir_in(dir, "identity", diag);
    if (!err)
        err = mkdir_in(dir, "charter", diag);
    if (!err)
        err = wf_keys_pack(keys, wf_bytes(NULL, 0), &file);
    if (!err)
        err = wf_disk_join(dir, KEY_FILE, &path);
    if (!err)
        err = wf_disk_create(path, wf_buf_view(&file), diag);
    wf_wipe(file.ptr, file.len);
    wf_buf_fini(&file);
    free(path);
    return err;
}

enum weft_err wf_identity_set_chain(
    struct wf_identity_dir *d, struct wf_bytes chain, int64_t now_unix_ms, struct wf_diag *diag)
{
    struct wf_identity id;
    struct wf_buf copy = { 0 };
    enum weft_err err = d->charter
                            ? wf_chain_verify(chain, d->charter, now_unix_ms, WF_CHAIN_STRICT, &id)
                            : WEFT_OK;

    if (!err && d->charter && memcmp(id.cert.sign_key.b, d->keys.sign_pub.b, WF_KEY_LEN) != 0)
        err = WEFT_E_KEY;
    if (!err)
        err = wf_bytes_dup(chain, &copy);
    if (!err)
        err = replace_in(d->dir, CHAIN_FILE, chain, diag);
    if (err) {
        wf_buf_fini(&copy);
        return err;
    }
    wf_buf_fini(&d->chain);
    d->chain = copy;
    d->has_chain = true;
    if (d->charter)
        d->identity = id;
    return WEFT_OK;
}

enum weft_err wf_identity_set_mesh(
    struct wf_identity_dir *d, const struct wf_hash *mesh_id, struct wf_diag *diag)
{
    struct wf_buf text = { 0 };
    enum weft_err err = WEFT_OK;

    if (d->has_mesh)
        return wf_hash_eq(&d->mesh_id, mesh_id) ? WEFT_OK : WEFT_E_WRONG_MESH;
    err = wf_print(WF_PREFIX_MESH, wf_hash_view(mesh_id), &text);
    if (!err)
        err = wf_buf_append_byte(&text, '\n');
    if (!err)
        err = replace_in(d->dir, MESH_FILE, wf_buf_view(&text), diag);
    wf_buf_fini(&text);
    if (!err) {
        d->mesh_id = *mesh_id;
        d->has_mesh = true;
    }
    return err;
}

enum weft_err wf_identity_set_seeds(
    struct wf_identity_dir *d, const struct wf_seed *seeds, size_t count, struct wf_diag *diag)
{
    struct wf_buf text = { 0 };
    enum weft_err err = count <= WF_MAX_SEEDS ? WEFT_OK : WEFT_E_TOO_BIG;

    for (size_t i = 0; i < count && !err; i++) {
        err = wf_buf_printf(&text, "%s ", seeds[i].address);
        if (!err)
            err = wf_print(WF_PREFIX_DH, wf_bytes(seeds[i].dh_key.b, WF_KEY_LEN), &text);
        if (!err)
            err = wf_buf_append_byte(&text, '\n');
    }
    if (!err)
        err = replace_in(d->dir, SEEDS_FILE, wf_buf_view(&text), diag);
    wf_buf_fini(&text);
    if (err)
        return err;
    if (count)
        memmove(d->seeds, seeds, count * sizeof *seeds);
    d->seed_count = count;
    return WEFT_OK;
}

// ---- charters --------------------------------------------------------------------------------------------------------

// A version we have: the same, or the second half of a fork, which is kept as proof.
static enum weft_err known_version(struct wf_identity_dir *d, const struct wf_charter *proposed,
    struct wf_bytes raw, struct wf_diag *diag)
{
    struct wf_buf mine = { 0 };
    struct wf_charter *before = NULL;
    char name[48];
    enum weft_err err = wf_identity_charter(d, proposed->version, &mine);

    if (err)
        return err;
    struct wf_charter *ours = NULL;
    err = wf_charter_read(wf_buf_view(&mine), &ours);
    if (!err && wf_hash_eq(&ours->id, &proposed->id))
        goto out; // more signatures do not make another charter
    if (!err && proposed->version == 1) {
        wf_diag_set(diag, 0, 0, "this is the first charter of another mesh, \"%s\"; here is \"%s\"",
            proposed->mesh, d->charter->mesh);
        err = WEFT_E_WRONG_MESH;
    } else if (!err) {
        err = WEFT_E_CHARTER_ORDER;
    }
    if (proposed->version > 1 && !wf_identity_charter_at(d, proposed->version - 1, &before) &&
        wf_charter_is_fork(before, wf_buf_view(&mine), raw)) {
        charter_name(proposed->version, ".fork", name);
        err = replace_in(d->dir, name, raw, diag);
        if (!err)
            err = WEFT_E_FORK;
    }
out:
    wf_charter_free(ours);
    wf_charter_free(before);
    wf_buf_fini(&mine);
    return err;
}

enum weft_err wf_identity_add_charter(
    struct wf_identity_dir *d, struct wf_bytes raw, struct wf_diag *diag)
{
    struct wf_charter *next = NULL, *proposed = NULL;
    char name[48];

    if (!d->has_mesh)
        return WEFT_E_STATE;
    enum weft_err err = wf_charter_read(raw, &proposed);
    if (err)
        return err;
    if (d->charter && proposed->version <= d->charter->version) {
        err = known_version(d, proposed, raw, diag);
        goto out;
    }
    err = d->charter ? wf_charter_open_next(raw, d->charter, &next)
                     : wf_charter_open_genesis(raw, &d->mesh_id, &next);
    if (!err)
        err = mkdir_in(d->dir, "charter", diag);
    charter_name(proposed->version, "", name);
    if (!err)
        err = replace_in(d->dir, name, raw, diag); // persisted before use
    if (!err) {
        wf_charter_free(d->charter);
        d->charter = next;
        next = NULL;
    }
out:
    wf_charter_free(next);
    wf_charter_free(proposed);
    return err;
}

enum weft_err wf_identity_default_dir(char **ret)
{
    const char *dir = getenv("WEFT_DIR"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (dir && dir[0])
        return wf_bytes_strdup(wf_bytes_str(dir), ret);
    if (xdg && xdg[0])
        return wf_disk_join(xdg, "weft", ret);
    return home && home[0] ? wf_disk_join(home, ".config/weft", ret) : WEFT_E_IDENTITY;
}
