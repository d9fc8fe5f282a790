// SPDX-License-Identifier: Apache-2.0
#include "sdk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum weft_err code_of(int e)
{
    switch (e) {
    case EEXIST:
        return WEFT_E_EXISTS;
    case ENOENT:
    case ENOTDIR:
        return WEFT_E_NOT_FOUND;
    case EACCES:
    case EPERM:
        return WEFT_E_PERMISSION;
    case EROFS:
        return WEFT_E_READ_ONLY;
    case EMFILE:
    case ENFILE:
        return WEFT_E_NO_FILES;
    case ENOSPC:
    case EDQUOT:
        return WEFT_E_NOSPACE;
    case ENOMEM:
        return WEFT_E_NOMEM;
    default:
        return WEFT_E_IO;
    }
}

static enum weft_err fail(struct wf_diag *diag, const char *path, const char *what)
{
    int e = errno;

    wf_diag_set(diag, 0, 0, "%s: cannot %s: %s", path, what, strerror(e));
    return code_of(e);
}

enum weft_err wf_disk_join(const char *dir, const char *name, char **ret)
{
    struct wf_buf b = { 0 };
    enum weft_err err = wf_buf_printf(&b, "%s/%s", dir, name);

    if (err) {
        wf_buf_fini(&b);
        return err;
    }
    *ret = (char *)b.ptr; // printf keeps a NUL behind the text
    return WEFT_OK;
}

static bool write_all(int fd, struct wf_bytes content)
{
    for (size_t at = 0; at < content.len;) {
        ssize_t n = write(fd, content.ptr + at, content.len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += (size_t)n;
    }
    return fsync(fd) == 0;
}

static enum weft_err sync_parent(const char *path, struct wf_diag *diag)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;

    if (n >= sizeof dir)
        return WEFT_E_TOO_BIG;
    memcpy(dir, slash ? path : ".", slash ? n : 1);
    dir[slash ? n : 1] = '\0';
    int fd = open(dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(diag, path, "open the directory of");
    enum weft_err err = fsync(fd) == 0 ? WEFT_OK : fail(diag, path, "sync the directory of");
    close(fd);
    return err;
}

static enum weft_err write_new(const char *path, struct wf_bytes content, struct wf_diag *diag)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return fail(diag, path, "create");
    enum weft_err err = write_all(fd, content) ? WEFT_OK : fail(diag, path, "write");
    if (close(fd) != 0 && !err)
        err = fail(diag, path, "close");
    if (err)
        unlink(path);
    return err;
}

enum weft_err wf_disk_create(const char *path, struct wf_bytes content, struct wf_diag *diag)
{
    enum weft_err err = write_new(path, content, diag);

    return err ? err : sync_parent(path, diag);
}

// A name for one plain file that only we may read and write. Anything else would be the file that comes: its owner or those who may write to it
// could change it later, and behind another name of it lies something that is not to be written to.
static bool is_ours_alone(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1 &&
           (st->st_mode & 0077) == 0;
}

// The file beside it, empty and ours alone until it is closed: programs of one user may replace the same file at once. One that another renamed
// while we waited is not the one beside any more. What a crash left is taken over; a file that is not ours alone loses its name, under the
// lock, so that of several who see it one removes it and the others find it gone.
static enum weft_err open_beside(const char *temp, int *ret_fd, struct wf_diag *diag)
{
    struct stat ours, there;

    for (;;) {
        // Non-blocking, so that a FIFO in the place of the file can't hold us.
        int fd = open(temp, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
            return fail(diag, temp, "create");
        bool locked = flock(fd, LOCK_EX) == 0 && fstat(fd, &ours) == 0;
        bool renamed = locked && (lstat(temp, &there) != 0 || ours.st_ino != there.st_ino ||
                                     ours.st_dev != there.st_dev);
        bool plain = locked && S_ISREG(ours.st_mode), alone = locked && is_ours_alone(&ours);
        if (alone && !renamed && ftruncate(fd, 0) == 0) {
            *ret_fd = fd;
            return WEFT_OK;
        }
        enum weft_err err = WEFT_OK;
        if (locked && !plain)
            errno = EEXIST;
        if (!locked || !plain || (alone && !renamed))
            err = fail(diag, temp, plain ? "empty" : "create");
        else if (!renamed && unlink(temp) != 0)
            err = fail(diag, temp, "take the place of");
        close(fd);
        if (err)
            return err;
    }
}

enum weft_err wf_disk_replace(const char *path, struct wf_bytes content, struct wf_diag *diag)
{
    char temp[PATH_MAX];
    int n = snprintf(temp, sizeof temp, "%s.new", path), fd = -1;

    if (n < 0 || (size_t)n >= sizeof temp)
        return WEFT_E_TOO_BIG;
    enum weft_err err = open_beside(temp, &fd, diag);
    if (err)
        return err;
    if (!write_all(fd, content))
        err = fail(diag, temp, "write");
    else if (rename(temp, path) != 0)
        err = fail(diag, path, "replace");
    if (err)
        unlink(temp); // still locked: nobody else's
    if (close(fd) != 0 && !err)
        err = fail(diag, path, "close");
    return err ? err : sync_parent(path, diag);
}

static enum weft_err make_one(const char *path, struct wf_diag *diag)
{
    struct stat st;

    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? WEFT_OK : fail(diag, path, "use");
    return fail(diag, path, "create the directory");
}

enum weft_err wf_disk_mkdir(const char *path, struct wf_diag *diag)
{
    char part[PATH_MAX];
    struct stat st;
    size_t len = strlen(path);
    enum weft_err err = WEFT_OK;

    if (len == 0 || len >= sizeof part)
        return WEFT_E_TOO_BIG;
    memcpy(part, path, len + 1);
    for (size_t i = 1; i < len && !err; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        err = make_one(part, diag);
        part[i] = '/';
    }
    if (!err)
        err = make_one(part, diag);
    if (err)
        return err;
    if (stat(path, &st) != 0)
        return fail(diag, path, "look at");
    if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        wf_diag_set(diag, 0, 0, "%s: others may write to this directory; chmod go-w it", path);
        return WEFT_E_PERMISSION;
    }
    return WEFT_OK;
}

enum weft_err wf_disk_remove(const char *path, struct wf_diag *diag)
{
    if (unlink(path) != 0)
        return errno == ENOENT ? WEFT_OK : fail(diag, path, "remove");
    return sync_parent(path, diag); // else it may be back after a power loss
}

enum weft_err wf_disk_next(DIR *d, const char **ret)
{
    const struct dirent *e;

    do {
        errno = 0; // alone tells an end from a failure
        e = readdir(d);
    } while (e && e->d_name[0] == '.');
    if (!e && errno)
        return code_of(errno);
    *ret = e ? e->d_name : NULL;
    return WEFT_OK;
}
