// SPDX-License-Identifier: Apache-2.0
// Files opened for reading are the disk's own; those that would be made are one sink, which takes everything and holds nothing.
#include "node/log/vfs_view.h"

#define SINK 0x40000000 // a file number that no disk hands out

static const struct wf_vfs *under(void *ctx)
{
    return ((struct wf_vfs_view *)ctx)->under;
}

static enum weft_err view_open(void *ctx, const char *path, enum wf_vfs_mode mode, int *ret_file)
{
    const struct wf_vfs *u = under(ctx);

    if (mode == WF_VFS_READ || mode == WF_VFS_WRITE)
        return u->open(u->ctx, path, WF_VFS_READ, ret_file);
    *ret_file = SINK;
    return WEFT_OK;
}

static void view_close(void *ctx, int file)
{
    if (file != SINK)
        under(ctx)->close(under(ctx)->ctx, file);
}

static enum weft_err view_write(
    void *ctx, int file, uint64_t at, const struct iovec *parts, size_t count)
{
    (void)ctx, (void)file, (void)at, (void)parts, (void)count;
    return WEFT_OK;
}

static enum weft_err view_sync(void *ctx, int file)
{
    (void)ctx, (void)file;
    return WEFT_OK;
}

static enum weft_err view_read(
    void *ctx, int file, uint64_t at, void *out, size_t len, size_t *ret_len)
{
    if (file != SINK)
        return under(ctx)->read(under(ctx)->ctx, file, at, out, len, ret_len);
    *ret_len = 0;
    return WEFT_OK;
}

static enum weft_err view_size(void *ctx, int file, uint64_t *ret_size)
{
    if (file != SINK)
        return under(ctx)->size(under(ctx)->ctx, file, ret_size);
    *ret_size = 0;
    return WEFT_OK;
}

static enum weft_err view_truncate(void *ctx, int file, uint64_t size)
{
    (void)ctx, (void)file, (void)size;
    return WEFT_OK;
}

static enum weft_err view_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx, (void)from, (void)to;
    return WEFT_OK;
}

static enum weft_err view_unlink(void *ctx, const char *path)
{
    (void)ctx, (void)path;
    return WEFT_OK;
}

static enum weft_err any_name(void *arg, const char *name)
{
    (void)arg, (void)name;
    return WEFT_OK;
}

static enum weft_err view_mkdir(void *ctx, const char *path)
{
    const struct wf_vfs *u = under(ctx);
    enum weft_err err = u->list(u->ctx, path, any_name, NULL);

    return err ? err : WEFT_E_EXISTS;
}

static enum weft_err view_list(void *ctx, const char *dir, wf_vfs_name_fn fn, void *arg)
{
    return under(ctx)->list(under(ctx)->ctx, dir, fn, arg);
}

static enum weft_err view_sync_dir(void *ctx, const char *dir)
{
    (void)ctx, (void)dir;
    return WEFT_OK;
}

static enum weft_err view_space(void *ctx, const char *dir, uint64_t *ret_free, uint64_t *ret_total)
{
    return under(ctx)->space(under(ctx)->ctx, dir, ret_free, ret_total);
}

static enum weft_err view_lock(void *ctx, const char *path, int *ret_file)
{
    struct wf_vfs_view *v = ctx;
    const struct wf_vfs *u = v->under;
    int probe = -1;

    *ret_file = SINK;
    enum weft_err err = u->open(u->ctx, path, WF_VFS_READ, &probe);
    if (err == WEFT_E_NOT_FOUND)
        return WEFT_OK;
    if (!err) {
        u->close(u->ctx, probe);
        err = u->lock(u->ctx, path, ret_file);
    }
    if (err == WEFT_E_IN_USE || err == WEFT_E_PERMISSION || err == WEFT_E_READ_ONLY) {
        v->in_use = true;
        *ret_file = SINK;
        err = WEFT_OK;
    }
    return err;
}

static int64_t view_mono_us(void *ctx)
{
    return under(ctx)->mono_us(under(ctx)->ctx);
}

struct wf_vfs wf_vfs_view(struct wf_vfs_view *v)
{
    v->in_use = false;
    return (struct wf_vfs){
        .ctx = v,
        .open = view_open,
        .close = view_close,
        .write = view_write,
        .sync = view_sync,
        .read = view_read,
        .size = view_size,
        .truncate = view_truncate,
        .rename = view_rename,
        .unlink = view_unlink,
        .mkdir = view_mkdir,
        .list = view_list,
        .sync_dir = view_sync_dir,
        .space = view_space,
        .lock = view_lock,
        .mono_us = view_mono_us,
    };
}
