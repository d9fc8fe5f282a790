// SPDX-License-Identifier: Apache-2.0
// File: magic "WEFTMET1", be32 length, BLAKE2b-256 over (be32 length of name, name, value), value. The name is hashed so
// that a file moved over another is refused (docs/protocol/log.md).
#include "node/log/meta.h"

#include <stdio.h>

#include "proto/base/crypto.h"

#define MAGIC        "WEFTMET1"
#define HEAD_LEN     (8u + 4u + WF_HASH_LEN)
#define PATH_MAX_LEN 4096u

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

enum weft_err wf_meta_put(
    const struct wf_vfs *vfs, const char *dir, const char *name, struct wf_bytes value)
{
    char path[PATH_MAX_LEN], temp[PATH_MAX_LEN];
    uint8_t head[HEAD_LEN];
    struct wf_hash hash;
    int file = -1;

    if (value.len > WF_MAX_META)
        return WEFT_E_TOO_BIG;
    enum weft_err err = join(path, dir, name, ".meta");
    if (err)
        return err;
    err = join(temp, dir, name, ".tmp");
    if (err)
        return err;
    memcpy(head, MAGIC, 8);
    wf_store_be32(head + 8, (uint32_t)value.len);
    value_hash(name, value, &hash);
    memcpy(head + 12, hash.b, WF_HASH_LEN);

    err = vfs->open(vfs->ctx, temp, WF_VFS_REPLACE, &file);
    if (err)
        return err;
    struct iovec parts[2] = { { head, sizeof head },
        { (uint8_t *)(uintptr_t)value.ptr, value.len } };
    err = vfs->write(vfs->ctx, file, 0, parts, 2);
    if (!err)
        err = vfs->sync(vfs->ctx, file);
    vfs->close(vfs->ctx, file);
    if (!err)
        err = vfs->rename(vfs->ctx, temp, path);
    if (err) {
        (void)vfs->unlink(vfs->ctx, temp);
        return err;
    }
    return vfs->sync_dir(vfs->ctx, dir);
}

enum weft_err wf_meta_remove(const struct wf_vfs *vfs, const char *dir, const char *name)
{
    char path[PATH_MAX_LEN];
    enum weft_err err = join(path, dir, name, ".meta");

    if (!err)
        err = vfs->unlink(vfs->ctx, path);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}
