// SPDX-License-Identifier: Apache-2.0
// The file system of the host behind struct wf_vfs. Every call restarts after a signal; no file is followed through a
// symbolic link in its last component; files are private to the user.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "node/log/vfs.h"

#define PARTS_MAX 64 // parts handed to one pwritev; far below IOV_MAX

static enum weft_err from_errno(int e)
{
    switch (e) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return WEFT_E_NOSPACE;
    case EACCES:
    case EPERM:
    case ELOOP:
        return WEFT_E_PERMISSION;
    case EROFS:
        return WEFT_E_READ_ONLY;
    case EMFILE:
    case ENFILE:
        return WEFT_E_NO_FILES;
    case ENOENT:
    case ENOTDIR:
        return WEFT_E_NOT_FOUND;
    case EEXIST:
        return WEFT_E_EXISTS;
    case EWOULDBLOCK:
        return WEFT_E_IN_USE;
    case ENOMEM:
        return WEFT_E_NOMEM;
    default:
        return WEFT_E_IO;
    }
}

static enum weft_err posix_open(void *ctx, const char *path, enum wf_vfs_mode mode, int *ret_file)
{
    static const int flags[] = {
        [WF_VFS_READ] = O_RDONLY,
        [WF_VFS_WRITE] = O_RDWR,
        [WF_VFS_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [WF_VFS_REPLACE] = O_RDWR | O_CREAT | O_TRUNC,
    };
    int fd;

    (void)ctx;
    do
        fd = open(path, flags[mode] | O_CLOEXEC | O_NOFOLLOW, 0600);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return from_errno(errno);
    *ret_file = fd;
    return WEFT_OK;
}

static void posix_close(void *ctx, int file)
{
    (void)ctx;
    close(file);
}

// Copies at most PARTS_MAX parts from position (*part, *skip) on; what a short write left is offered again.
static int gather(
    const struct iovec *parts, size_t count, size_t part, size_t skip, struct iovec *out)
{
    int n = 0;

    for (; part < count && n < PARTS_MAX; part++, skip = 0) {
        if (parts[part].iov_len == skip)
            continue;
        out[n].iov_base = (uint8_t *)parts[part].iov_base + skip;
        out[n++].iov_len = parts[part].iov_len - skip;
    }
    return n;
}

static enum weft_err posix_write(
    void *ctx, int file, uint64_t at, const struct iovec *parts, size_t count)
{
    struct iovec some[PARTS_MAX];
    size_t part = 0, skip = 0;

    (void)ctx;
    for (;;) {
        int n = gather(parts, count, part, skip, some);
        if (n == 0)
            return WEFT_OK;
        ssize_t done = pwritev(file, some, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return from_errno(errno);
        if (done == 0)
            return WEFT_E_IO;
        at += (uint64_t)done;
        skip += (size_t)done;
        for (; part < count && skip >= parts[part].iov_len; part++)
            skip -= parts[part].iov_len;
    }
}

static enum weft_err posix_sync(void *ctx, int file)
{
    (void)ctx;
    // A retry after a failed fdatasync would report success for pages that were dropped: never again on this file.
    return fdatasync(file) == 0 ? WEFT_OK : from_errno(errno);
}

static enum weft_err posix_read(
    void *ctx, int file, uint64_t at, void *out, size_t len, size_t *ret_len)
{
    size_t got = 0;

    (void)ctx;
    while (got < len) {
        ssize_t n = pread(file, (uint8_t *)out + got, len - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return from_errno(errno);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *ret_len = got;
    return WEFT_OK;
}

static enum weft_err posix_size(void *ctx, int file, uint64_t *ret_size)
{
    struct stat st;

    (void)ctx;
    if (fstat(file, &st) != 0)
        return from_errno(errno);
    *ret_size = (uint64_t)st.st_size;
    return WEFT_OK;
}

static enum weft_err posix_truncate(void *ctx, int file, uint64_t size)
{
    (void)ctx;
    return ftruncate(file, (off_t)size) == 0 ? WEFT_OK : from_errno(errno);
}

static enum weft_err posix_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to) == 0 ? WEFT_OK : from_errno(errno);
}

static enum weft_err posix_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) == 0 ? WEFT_OK : from_errno(errno);
}

static enum weft_err posix_mkdir(void *ctx, const char *path)
{
    (void)ctx;
    return mkdir(path, 0700) == 0 ? WEFT_OK : from_errno(errno);
}

static enum weft_err posix_list(void *ctx, const char *dir, wf_vfs_name_fn fn, void *arg)
{
    enum weft_err err = WEFT_OK;
    DIR *d = opendir(dir);

    (void)ctx;
    if (!d)
        return from_errno(errno);
    while (!err) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e) {
            err = errno ? from_errno(errno) : WEFT_OK;
            break;
        }
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            err = fn(arg, e->d_name);
    }
    closedir(d);
    return err;
}

static enum weft_err posix_sync_dir(void *ctx, const char *dir)
{
    enum weft_err err = WEFT_OK;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)ctx;
    if (fd < 0)
        return from_errno(errno);
    if (fsync(fd) != 0)
        err = from_errno(errno);
    close(fd);
    return err;
}

static enum weft_err posix_space(
    void *ctx, const char *dir, uint64_t *ret_free, uint64_t *ret_total)
{
    struct statvfs st;

    (void)ctx;
    if (statvfs(dir, &st) != 0)
        return from_errno(errno);
    if (st.f_flag & ST_RDONLY)
        return WEFT_E_READ_ONLY;
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize; // what an ordinary user may still take
    *ret_total = (uint64_t)st.f_blocks * st.f_frsize;
    return WEFT_OK;
}

static enum weft_err posix_lock(void *ctx, const char *path, int *ret_file)
{
    enum weft_err err;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    (void)ctx;
    if (fd < 0)
        return from_errno(errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err = from_errno(errno);
        close(fd);
        return err;
    }
    *ret_file = fd;
    return WEFT_OK;
}

static void posix_uncache(void *ctx, int file, uint64_t from, uint64_t to)
{
    (void)ctx;
    (void)posix_fadvise(file, (off_t)from, to ? (off_t)(to - from) : 0, POSIX_FADV_DONTNEED);
}

static int64_t posix_mono_us(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

const struct wf_vfs wf_vfs_posix = {
    .open = posix_open,
    .close = posix_close,
    .write = posix_write,
    .sync = posix_sync,
    .read = posix_read,
    .size = posix_size,
    .truncate = posix_truncate,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .list = posix_list,
    .sync_dir = posix_sync_dir,
    .space = posix_space,
    .lock = posix_lock,
    .uncache = posix_uncache,
    .mono_us = posix_mono_us,
};
