// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memdisk_int.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/fault.h"
#include "tests/support/support.h"

struct wf_memdisk *wf_memdisk_new(void)
{
    struct wf_memdisk *d = calloc(1, sizeof *d);

    if (!d)
        abort();
    pthread_mutex_init(&d->lock, NULL);
    d->capacity = UINT64_MAX;
    d->permille = 900;
    return d;
}

static void forget(struct wf_memdisk *d, struct inode *i)
{
    for (size_t k = 0; k < d->inode_count; k++)
        if (d->inodes[k]->replaced_by == i)
            d->inodes[k]->replaced_by = NULL;
    free(i->now.ptr);
    free(i->disk.ptr);
    free(i->states);
    free(i);
}

void wf_memdisk_free(struct wf_memdisk *d)
{
    while (d->inode_count)
        forget(d, d->inodes[--d->inode_count]);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

// Every operation begins here: counts it and says whether it is to fail. The disk's own memory does not.
static enum weft_err enter(struct wf_memdisk *d, enum wf_memdisk_op op)
{
    pthread_mutex_lock(&d->lock);
    bool hit = wf_fault_hits_disk(op);
    wf_fault_spare(true);
    long call = ++d->calls[op];
    if (d->crash_in > 0 && --d->crash_in == 0)
        d->crashed = true;
    if (d->crashed || hit)
        return WEFT_E_IO;
    if (d->fail_times[op] > 0 && call >= d->fail_from[op] &&
        call < d->fail_from[op] + d->fail_times[op])
        return d->fail_err[op];
    return WEFT_OK;
}

static enum weft_err leave(struct wf_memdisk *d, enum weft_err err)
{
    wf_fault_spare(false);
    pthread_mutex_unlock(&d->lock);
    return err;
}

static struct inode *find(struct wf_memdisk *d, const char *path)
{
    for (size_t i = 0; i < d->inode_count; i++)
        if (strcmp(d->inodes[i]->name, path) == 0)
            return d->inodes[i];
    return NULL;
}

void memdisk_sweep(struct wf_memdisk *d)
{
    for (size_t k = 0; k < d->inode_count;) {
        struct inode *i = d->inodes[k];
        if (i->name[0] || i->disk_name[0] || i->opens) {
            k++;
            continue;
        }
        d->inodes[k] = d->inodes[--d->inode_count];
        forget(d, i);
    }
}

static struct inode *make(struct wf_memdisk *d, const char *path)
{
    if (d->inode_count == INODES)
        memdisk_sweep(d);
    struct inode *i = d->inode_count < INODES ? calloc(1, sizeof *i) : NULL;

    if (i) {
        snprintf(i->name, NAME_LEN, "%s", path);
        d->inodes[d->inode_count++] = i;
    }
    return i;
}

static struct inode *find_or_make(struct wf_memdisk *d, const char *path)
{
    struct inode *i = find(d, path);

    return i ? i : make(d, path);
}

bool memdisk_resize(struct content *c, size_t len)
{
    if (len > c->cap) {
        size_t cap = c->cap ? c->cap : SECTOR;
        while (cap < len)
            cap *= 2;
        uint8_t *p = realloc(c->ptr, cap);
        if (!p)
            return false;
        c->ptr = p;
        c->cap = cap;
    }
    if (len > c->len)
        memset(c->ptr + c->len, 0, len - c->len);
    c->len = len;
    return true;
}

bool memdisk_prepare(struct inode *i, size_t len)
{
    size_t sectors = len / SECTOR + 1, disk_len = i->disk.len;

    if (sectors > i->states_cap) {
        uint8_t *p = realloc(i->states, sectors * 2);
        if (!p)
            return false;
        memset(p + i->states_cap, CLEAN, sectors * 2 - i->states_cap);
        i->states = p;
        i->states_cap = sectors * 2;
    }
    if (len > i->disk.cap && !memdisk_resize(&i->disk, len))
        return false;
    i->disk.len = disk_len;
    return true;
}

static enum weft_err set_len(struct wf_memdisk *d, struct inode *i, size_t len)
{
    size_t before = i->now.len;

    if (len > before && d->used + (len - before) > d->capacity)
        return WEFT_E_NOSPACE;
    if (!memdisk_prepare(i, len) || !memdisk_resize(&i->now, len))
        return WEFT_E_NOMEM;
    d->used += len - before;
    return WEFT_OK;
}

static int new_file(struct wf_memdisk *d, struct inode *i)
{
    for (int f = 0; f < (int)FILES_MAX; f++)
        if (!d->files[f]) {
            d->files[f] = i;
            i->opens++;
            return f;
        }
    abort();
}

static enum weft_err mem_open(void *ctx, const char *path, enum wf_vfs_mode mode, int *ret_file)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_OPEN);

    if (err)
        return leave(d, err);
    struct inode *i = find(d, path);
    if (i && mode == WF_VFS_CREATE)
        return leave(d, WEFT_E_EXISTS);
    if (!i && (mode == WF_VFS_READ || mode == WF_VFS_WRITE))
        return leave(d, WEFT_E_NOT_FOUND);
    i = i ? i : make(d, path);
    if (!i)
        return leave(d, WEFT_E_NOMEM);
    if (mode == WF_VFS_REPLACE)
        err = set_len(d, i, 0);
    if (!err)
        *ret_file = new_file(d, i);
    return leave(d, err);
}

static void mem_close(void *ctx, int file)
{
    struct wf_memdisk *d = ctx;

    pthread_mutex_lock(&d->lock);
    struct inode *i = d->files[file];
    if (!i)
        abort(); // closed twice
    if (d->holds_lock[file])
        i->locked = false;
    d->holds_lock[file] = false;
    d->files[file] = NULL;
    if (--i->opens == 0 && !i->name[0])
        d->used -= i->now.len;
    pthread_mutex_unlock(&d->lock);
}

static enum weft_err store(
    struct wf_memdisk *d, struct inode *i, uint64_t at, const uint8_t *p, size_t len)
{
    if (at + len > i->now.len) {
        enum weft_err err = set_len(d, i, (size_t)at + len);
        if (err)
            return err;
    }
    if (len == 0)
        return WEFT_OK;
    memcpy(i->now.ptr + at, p, len);
    for (size_t s = (size_t)at / SECTOR; s <= (at + len - 1) / SECTOR; s++)
        i->states[s] = DIRTY;
    return WEFT_OK;
}

static enum weft_err mem_write(
    void *ctx, int file, uint64_t at, const struct iovec *parts, size_t count)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_WRITE);
    struct inode *i = d->files[file];

    if (err && !d->crashed && count > 0)
        (void)store(d, i, at, parts[0].iov_base, parts[0].iov_len / 2);
    for (size_t k = 0; k < count && !err; k++) {
        err = store(d, i, at, parts[k].iov_base, parts[k].iov_len);
        at += parts[k].iov_len;
    }
    return leave(d, err);
}

static enum weft_err mem_sync(void *ctx, int file)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_SYNC);
    struct inode *i = d->files[file];

    if (d->crashed)
        return leave(d, err);
    if (!err && i->now.len > i->disk.len) // what failed to be written before is a hole
        memset(i->disk.ptr + i->disk.len, 0, i->now.len - i->disk.len);
    if (!err)
        i->disk.len = i->now.len;
    for (size_t s = 0; s * SECTOR < i->now.len; s++) {
        size_t at = s * SECTOR, n = i->now.len - at < SECTOR ? i->now.len - at : SECTOR;
        if (!err && i->states[s] == DIRTY)
            memcpy(i->disk.ptr + at, i->now.ptr + at, n);
        if (i->states[s] == DIRTY)
            i->states[s] = err ? DROPPED : CLEAN;
    }
    return leave(d, err);
}

static enum weft_err mem_read(
    void *ctx, int file, uint64_t at, void *out, size_t len, size_t *ret_len)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_READ);
    const struct inode *i = d->files[file];

    if (err)
        return leave(d, err);
    size_t n = at >= i->now.len ? 0 : i->now.len - (size_t)at;
    if (n > len)
        n = len;
    if (n)
        memcpy(out, i->now.ptr + at, n);
    *ret_len = n;
    return leave(d, WEFT_OK);
}

static enum weft_err mem_size(void *ctx, int file, uint64_t *ret_size)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_SIZE);

    if (!err)
        *ret_size = d->files[file]->now.len;
    return leave(d, err);
}

static enum weft_err mem_truncate(void *ctx, int file, uint64_t size)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_TRUNCATE);

    if (!err)
        err = set_len(d, d->files[file], (size_t)size);
    return leave(d, err);
}

static enum weft_err mem_rename(void *ctx, const char *from, const char *to)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_RENAME);
    struct inode *i = find(d, from), *old = find(d, to);

    if (!err && !i)
        err = WEFT_E_NOT_FOUND;
    if (err)
        return leave(d, err);
    if (old) {
        d->used -= old->opens == 0 ? old->now.len : 0;
        old->name[0] = '\0';
        old->replaced_by = i;
    }
    snprintf(i->name, NAME_LEN, "%s", to);
    return leave(d, WEFT_OK);
}

static enum weft_err mem_unlink(void *ctx, const char *path)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_UNLINK);
    struct inode *i = find(d, path);

    if (!err && !i)
        err = WEFT_E_NOT_FOUND;
    if (!err)
        i->name[0] = '\0';
    if (!err && i->opens == 0)
        d->used -= i->now.len;
    return leave(d, err);
}

static enum weft_err mem_mkdir(void *ctx, const char *path)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_MKDIR);

    if (!err && find(d, path))
        err = WEFT_E_EXISTS;
    if (err)
        return leave(d, err);
    struct inode *i = make(d, path);
    if (!i)
        return leave(d, WEFT_E_NOMEM);
    i->is_dir = true;
    memcpy(i->disk_name, i->name, NAME_LEN);
    return leave(d, WEFT_OK);
}

static bool is_in(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static enum weft_err mem_list(void *ctx, const char *dir, wf_vfs_name_fn fn, void *arg)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = leave(d, enter(d, WF_MEM_LIST));

    for (size_t i = 0; i < d->inode_count && !err; i++)
        if (is_in(d->inodes[i]->name, dir))
            err = fn(arg, d->inodes[i]->name + strlen(dir) + 1);
    return err;
}

static enum weft_err mem_sync_dir(void *ctx, const char *dir)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_SYNC_DIR);

    for (size_t k = 0; k < d->inode_count && !err; k++) {
        struct inode *i = d->inodes[k];
        if (!is_in(i->name, dir) && !is_in(i->disk_name, dir))
            continue;
        memcpy(i->disk_name, i->name, NAME_LEN);
        i->replaced_by = NULL;
    }
    return leave(d, err);
}

static enum weft_err mem_space(void *ctx, const char *dir, uint64_t *ret_free, uint64_t *ret_total)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_SPACE);

    (void)dir;
    if (!err) {
        *ret_total = 1000000000;
        *ret_free = 1000000 * (uint64_t)d->permille;
    }
    return leave(d, err);
}

static enum weft_err mem_lock(void *ctx, const char *path, int *ret_file)
{
    struct wf_memdisk *d = ctx;
    enum weft_err err = enter(d, WF_MEM_LOCK);
    struct inode *i = err ? NULL : find_or_make(d, path);

    if (err || !i || i->locked)
        return leave(d, err ? err : i ? WEFT_E_IN_USE : WEFT_E_NOMEM);
    *ret_file = new_file(d, i);
    i->locked = d->holds_lock[*ret_file] = true;
    return leave(d, WEFT_OK);
}

void wf_memdisk_skip(struct wf_memdisk *d, int64_t us)
{
    d->clock_us += us;
}

static int64_t mem_mono_us(void *ctx)
{
    struct wf_memdisk *d = ctx;

    return ++d->clock_us;
}

struct wf_vfs wf_memdisk_vfs(struct wf_memdisk *d)
{
    return (struct wf_vfs){ .ctx = d,
        .open = mem_open,
        .close = mem_close,
        .write = mem_write,
        .sync = mem_sync,
        .read = mem_read,
        .size = mem_size,
        .truncate = mem_truncate,
        .rename = mem_rename,
        .unlink = mem_unlink,
        .mkdir = mem_mkdir,
        .list = mem_list,
        .sync_dir = mem_sync_dir,
        .space = mem_space,
        .lock = mem_lock,
        .mono_us = mem_mono_us };
}

void wf_memdisk_fail(
    struct wf_memdisk *d, enum wf_memdisk_op op, long nth, long times, enum weft_err err)
{
    d->fail_from[op] = d->calls[op] + nth;
    d->fail_times[op] = times;
    d->fail_err[op] = err;
}

long wf_memdisk_calls(struct wf_memdisk *d, enum wf_memdisk_op op)
{
    return d->calls[op];
}

void wf_memdisk_room(struct wf_memdisk *d, uint64_t capacity, unsigned free_permille)
{
    d->capacity = capacity;
    d->permille = free_permille;
    d->clock_us += 1000000;
}

void wf_memdisk_crash(struct wf_memdisk *d, long after)
{
    d->crash_in = after;
    d->crashed = after == 0;
}

uint8_t *wf_memdisk_file(struct wf_memdisk *d, const char *path, size_t *ret_len)
{
    const struct inode *i = find(d, path);
    *ret_len = i ? i->now.len : 0;
    return i ? i->now.ptr : NULL;
}

const char *wf_memdisk_name(struct wf_memdisk *d, size_t i, const char *suffix)
{
    for (size_t k = 0; k < d->inode_count; k++) {
        const char *name = d->inodes[k]->name;
        size_t n = strlen(name), m = strlen(suffix);
        if (n >= m && strcmp(name + n - m, suffix) == 0 && i-- == 0)
            return name;
    }
    return NULL;
}

void wf_memdisk_cut(struct wf_memdisk *d, const char *path, size_t len)
{
    struct inode *i = find(d, path);

    if (!i || len > i->now.len)
        abort();
    d->used -= i->now.len - len;
    i->now.len = len;
}

void wf_memdisk_put(struct wf_memdisk *d, const char *path, struct wf_bytes content)
{
    struct inode *i = find_or_make(d, path);

    if (!i || set_len(d, i, 0) || store(d, i, 0, content.ptr, content.len))
        abort();
    if (content.len)
        memcpy(i->disk.ptr, content.ptr, content.len);
    i->disk.len = i->now.len;
    memset(i->states, CLEAN, i->states_cap);
    memcpy(i->disk_name, i->name, NAME_LEN);
}
