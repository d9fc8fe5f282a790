// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memroom.h"

#include "node/log/log.h"

static struct wf_vfs at; // the disk in use

static enum weft_err room_open(void *ctx, const char *path, enum wf_vfs_mode mode, int *ret_file)
{
    (void)ctx;
    return at.open(at.ctx, path, mode, ret_file);
}

static void room_close(void *ctx, int file)
{
    (void)ctx;
    at.close(at.ctx, file);
}

static enum weft_err room_write(
    void *ctx, int file, uint64_t pos, const struct iovec *parts, size_t count)
{
    (void)ctx;
    return at.write(at.ctx, file, pos, parts, count);
}

static enum weft_err room_sync(void *ctx, int file)
{
    (void)ctx;
    return at.sync(at.ctx, file);
}

static enum weft_err room_read(
    void *ctx, int file, uint64_t pos, void *out, size_t len, size_t *ret_len)
{
    (void)ctx;
    return at.read(at.ctx, file, pos, out, len, ret_len);
}

static enum weft_err room_size(void *ctx, int file, uint64_t *ret_size)
{
    (void)ctx;
    return at.size(at.ctx, file, ret_size);
}

static enum weft_err room_truncate(void *ctx, int file, uint64_t size)
{
    (void)ctx;
    return at.truncate(at.ctx, file, size);
}

static enum weft_err room_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return at.rename(at.ctx, from, to);
}

static enum weft_err room_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return at.unlink(at.ctx, path);
}

static enum weft_err room_mkdir(void *ctx, const char *path)
{
    (void)ctx;
    return at.mkdir(at.ctx, path);
}

static enum weft_err room_list(void *ctx, const char *dir, wf_vfs_name_fn fn, void *arg)
{
    (void)ctx;
    return at.list(at.ctx, dir, fn, arg);
}

static enum weft_err room_sync_dir(void *ctx, const char *dir)
{
    (void)ctx;
    return at.sync_dir(at.ctx, dir);
}

static enum weft_err room_space(void *ctx, const char *dir, uint64_t *ret_free, uint64_t *ret_total)
{
    (void)ctx;
    return at.space(at.ctx, dir, ret_free, ret_total);
}

static enum weft_err room_lock(void *ctx, const char *path, int *ret_file)
{
    (void)ctx;
    return at.lock(at.ctx, path, ret_file);
}

static int64_t room_mono_us(void *ctx)
{
    (void)ctx;
    return at.mono_us(at.ctx);
}

void wf_memroom_use(struct wf_memdisk *d)
{
    at = wf_memdisk_vfs(d);
}

enum weft_err __real_wf_log_worker_new(
    const struct wf_vfs *vfs, bool thread, struct wf_log_worker **ret);
enum weft_err __wrap_wf_log_worker_new(
    const struct wf_vfs *vfs, bool thread, struct wf_log_worker **ret);

enum weft_err __wrap_wf_log_worker_new(
    const struct wf_vfs *vfs, bool thread, struct wf_log_worker **ret)
{
    (void)thread;
    return __real_wf_log_worker_new(vfs, false, ret);
}

// In the place of node/log/vfs_posix.c.
const struct wf_vfs wf_vfs_posix = { .open = room_open,
    .close = room_close,
    .write = room_write,
    .sync = room_sync,
    .read = room_read,
    .size = room_size,
    .truncate = room_truncate,
    .rename = room_rename,
    .unlink = room_unlink,
    .mkdir = room_mkdir,
    .list = room_list,
    .sync_dir = room_sync_dir,
    .space = room_space,
    .lock = room_lock,
    .mono_us = room_mono_us };
