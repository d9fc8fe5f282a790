// SPDX-License-Identifier: Apache-2.0
// File: magic "WEFTMET1", be32 length, BLAKE2b-256 over (be32 length of name, name, value), value. The name is hashed so
// that a file moved over another is refused (docs/protocol/log.md).
#include "node/log/meta.h"

#include <stdio.h>

#include "proto/base/crypto.h"
#include "proto/base/limits.h"

#define MAGIC        "WEFTMET1"
#define HEAD_LEN     (8u + 4u + WF_HASH_LEN)
#define PATH_MAX_LEN 4096u

_Static_assert(WF_MAX_NAME <= WF_MAX_META_NAME, "a name that is valid has its room");

static void value_hash(const char *name, struct wf_bytes value, struct wf_hash *ret)
{
    struct wf_hasher h;
    uint8_t len[4];

    wf_store_be32(len, (uint32_t)strlen(name));
    wf_hasher_init(&h, wf_bytes(NULL, 0), WF_HASH_LEN);
    wf_hasher_add(&h, WF_BYTES(len));
    wf_hasher_add(&h, wf_bytes_str(name));
    wf_hasher_add(&h, value);
    wf_hasher_done(&h, ret->b, WF_HASH_LEN);
}

static enum weft_err join(
    char out[PATH_MAX_LEN], const char *dir, const char *name, const char *suffix)
{
    if (!wf_name_is_valid(wf_bytes_str(name)))
        return WEFT_E_SYNTAX;
    int n = snprintf(out, PATH_MAX_LEN, "%s/%s%s", dir, name, suffix);
    return n > 0 && n < (int)PATH_MAX_LEN ? WEFT_OK : WEFT_E_TOO_BIG;
}

static enum weft_err read_value(
    const struct wf_vfs *vfs, int file, const char *name, struct wf_buf *ret)
{
    uint8_t head[HEAD_LEN];
    struct wf_hash want;
    size_t got = 0;
    enum weft_err err = vfs->read(vfs->ctx, file, 0, head, sizeof head, &got);

    if (err)
        return err;
    if (got < sizeof head || memcmp(head, MAGIC, 8) != 0 || wf_load_be32(head + 8) > WF_MAX_META)
        return WEFT_E_DAMAGED;
    size_t len = wf_load_be32(head + 8);
    err = wf_buf_reserve(ret, len + 1); // one more, to see a longer file
    if (err)
        return err;
    err = vfs->read(vfs->ctx, file, sizeof head, ret->ptr + ret->len, len + 1, &got);
    if (err)
        return err;
    value_hash(name, wf_bytes(ret->ptr + ret->len, len < got ? len : got), &want);
    if (got != len || memcmp(want.b, head + 12, WF_HASH_LEN) != 0)
        return WEFT_E_DAMAGED;
    ret->len += len;
    return WEFT_OK;
}

enum weft_err wf_meta_get(
    const struct wf_vfs *vfs, const char *dir, const char *name, struct wf_buf *ret)
{
    char path[PATH_MAX_LEN];
    int file = -1;
    enum weft_err err = join(path, dir, name, ".meta");

    if (err)
        return err;
    err = vfs->open(vfs->ctx, path, WF_VFS_READ, &file);
    if (err)
        return err;
    err = read_value(vfs, file, name, ret);
    if (err == WEFT_E_IO) // once more: who does without the value forgets what it held
        err = read_value(vfs, file, name, ret);
    vfs->close(vfs->ctx, file);
    return err;
}

// ---- writing ---------------------------------------------------------------------------------------------------------

static enum weft_err write_value(
    const struct wf_vfs *vfs, int file, const char *name, struct wf_bytes value)
{
    uint8_t head[HEAD_LEN];
    struct wf_hash hash;

    memcpy(head, MAGIC, 8);
    wf_store_be32(head + 8, (uint32_t)value.len);
    value_hash(name, value, &hash);
    memcpy(head + 12, hash.b, WF_HASH_LEN);
    struct iovec parts[2] = { { head, sizeof head },
        { (uint8_t *)(uintptr_t)value.ptr, value.len } };
    return vfs->write(vfs->ctx, file, 0, parts, 2);
}

// What was there before stands alone again.
static void drop(const struct wf_meta_group *g, struct wf_meta_staged *m)
{
    char temp[PATH_MAX_LEN];

    if (m->file >= 0)
        g->vfs->close(g->vfs->ctx, m->file);
    m->file = -1;
    if (!join(temp, g->dir, m->name, ".tmp"))
        (void)g->vfs->unlink(g->vfs->ctx, temp);
}

static enum weft_err stage(
    const struct wf_meta_group *g, struct wf_meta_staged *m, struct wf_bytes value)
{
    char temp[PATH_MAX_LEN];

    if (value.len > WF_MAX_META)
        return WEFT_E_TOO_BIG;
    enum weft_err err = join(temp, g->dir, m->name, ".tmp");
    if (err)
        return err;
    err = g->vfs->open(g->vfs->ctx, temp, WF_VFS_REPLACE, &m->file);
    if (err)
        return err;
    err = write_value(g->vfs, m->file, m->name, value);
    if (err)
        drop(g, m);
    return err;
}

static enum weft_err sync_staged(const struct wf_meta_group *g, struct wf_meta_staged *m)
{
    enum weft_err err = g->vfs->sync(g->vfs->ctx, m->file);

    if (err) {
        drop(g, m);
        return err;
    }
    g->vfs->close(g->vfs->ctx, m->file);
    m->file = -1;
    return WEFT_OK;
}

static enum weft_err rename_staged(const struct wf_meta_group *g, struct wf_meta_staged *m)
{
    char path[PATH_MAX_LEN], temp[PATH_MAX_LEN];
    enum weft_err err = join(path, g->dir, m->name, ".meta");

    if (!err)
        err = join(temp, g->dir, m->name, ".tmp");
    if (!err)
        err = g->vfs->rename(g->vfs->ctx, temp, path);
    if (err)
        drop(g, m);
    return err;
}

void wf_meta_group_init(struct wf_meta_group *g, const struct wf_vfs *vfs, const char *dir,
    wf_meta_done_fn done, void *arg)
{
    g->vfs = vfs;
    g->dir = dir;
    g->done = done;
    g->arg = arg;
    g->count = 0;
}

void wf_meta_add(struct wf_meta_group *g, const char *name, struct wf_bytes value, void *tag)
{
    struct wf_meta_staged m = { .file = -1, .tag = tag };

    if (!wf_name_is_valid(wf_bytes_str(name))) {
        g->done(g->arg, tag, WEFT_E_SYNTAX);
        return;
    }
    snprintf(m.name, sizeof m.name, "%s", name);
    if (g->count == WF_META_GROUP)
        wf_meta_commit(g);
    enum weft_err err = stage(g, &m, value);
    if (err == WEFT_E_NO_FILES && g->count) { // those of the group are given back first
        wf_meta_commit(g);
        err = stage(g, &m, value);
    }
    if (err)
        g->done(g->arg, tag, err);
    else
        g->staged[g->count++] = m;
}

// Each step for all before the next step of any: what one sync makes the disk write, those after it find done.
void wf_meta_commit(struct wf_meta_group *g)
{
    bool renamed = false;

    for (size_t i = 0; i < g->count; i++)
        g->staged[i].err = sync_staged(g, &g->staged[i]);
    for (size_t i = 0; i < g->count; i++) {
        struct wf_meta_staged *m = &g->staged[i];
        if (!m->err)
            m->err = rename_staged(g, m);
        renamed = renamed || !m->err;
    }
    enum weft_err err = renamed ? g->vfs->sync_dir(g->vfs->ctx, g->dir) : WEFT_OK;
    for (size_t i = 0; i < g->count; i++)
        g->done(g->arg, g->staged[i].tag, g->staged[i].err ? g->staged[i].err : err);
    g->count = 0;
}

static void done_one(void *arg, void *tag, enum weft_err err)
{
    (void)tag;
    *(enum weft_err *)arg = err;
}

enum weft_err wf_meta_put(
    const struct wf_vfs *vfs, const char *dir, const char *name, struct wf_bytes value)
{
    struct wf_meta_group g;
    enum weft_err err = WEFT_OK;

    wf_meta_group_init(&g, vfs, dir, done_one, &err);
    wf_meta_add(&g, name, value, NULL);
    wf_meta_commit(&g);
    return err;
}

enum weft_err wf_meta_remove(const struct wf_vfs *vfs, const char *dir, const char *name)
{
    char path[PATH_MAX_LEN];
    enum weft_err err = join(path, dir, name, ".meta");

    if (!err)
        err = vfs->unlink(vfs->ctx, path);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}
