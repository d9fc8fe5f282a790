// SPDX-License-Identifier: Apache-2.0
// filesystems: space and inodes of every local file system, as `df -l` counts them, one row a file system. Mounts of
// other machines and of FUSE daemons are left out, as one that does not answer would hold up all the others; they are
// in the inventory `mounts`.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "domains/common/bounds.h"
#include "domains/common/mounts.h"

struct volume {
    const struct wf_mount *mount;
    uint64_t device; // major and minor number as stat(2) has them
    struct statvfs fs;
};

// Looks the mount point up. False where another mount hides it, it cannot be reached, or it holds no blocks (the rule
// by which df tells file systems from kernel tables).
static bool look_up(const char *root, const struct wf_mount *m, struct volume *ret)
{
    char path[WF_HOST_MAX_PATH];
    struct statx sx;
    struct volume v = { .mount = m };

    int n = snprintf(path, sizeof path, "%s%s", root, m->point);
    if (n < 0 || (size_t)n >= sizeof path)
        return false;
    if (statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID, &sx) != 0)
        return false;
    if (root[0] == '\0' && (sx.stx_mask & STATX_MNT_ID) && sx.stx_mnt_id != m->id)
        return false;
    v.device = (uint64_t)sx.stx_dev_major << 32 | sx.stx_dev_minor;
    if (statvfs(path, &v.fs) != 0 || v.fs.f_blocks == 0)
        return false;
    *ret = v;
    return true;
}

// Which of two mounts of one file system stands for it: one named after a device before one with a made-up name, then
// the one nearer to the root of the tree unless it shows a smaller part of the file system (bind mounts). df's choice.
static bool is_better(const struct wf_mount *a, const struct wf_mount *b)
{
    if (strchr(a->device, '/') && !strchr(b->device, '/'))
        return true;
    return strlen(a->point) < strlen(b->point) && strlen(a->root) <= strlen(b->root);
}

static size_t gather(struct wf_collect *c, const struct wf_mounts *mounts, struct volume *volumes)
{
    size_t count = 0;

    for (size_t i = 0; i < mounts->count; i++) {
        const struct wf_mount *m = &mounts->list[i];
        struct volume v;
        size_t at = 0;
        if (wf_mount_is_pseudo(m) || wf_mount_is_remote(m) || !look_up(c->root, m, &v))
            continue;
        while (at < count && volumes[at].device != v.device)
            at++;
        if (at == count)
            volumes[count++] = v;
        else if (is_better(m, volumes[at].mount))
            volumes[at] = v;
    }
    return count;
}

// Saturates: a broken driver may report sizes that do not multiply.
static uint64_t bytes(const struct statvfs *fs, uint64_t blocks)
{
    uint64_t size = fs->f_frsize ? fs->f_frsize : fs->f_bsize;

    return size && blocks > UINT64_MAX / size ? UINT64_MAX : blocks * size;
}

static enum weft_err put_row(struct wf_out *out, const struct volume *v)
{
    const struct statvfs *fs = &v->fs;
    uint64_t used = fs->f_blocks > fs->f_bfree ? fs->f_blocks - fs->f_bfree : 0;

    wf_out_open_row(out);
    wf_out_str(out, "mountpoint", wf_text(v->mount->point));
    wf_out_str(out, "device", wf_text(v->mount->device));
    wf_out_str(out, "fstype", wf_text(v->mount->fstype));
    wf_out_bool(out, "readOnly", (fs->f_flag & ST_RDONLY) != 0);
    wf_out_u64(out, "size", bytes(fs, fs->f_blocks));
    wf_out_u64(out, "used", bytes(fs, used));
    wf_out_u64(out, "available", bytes(fs, fs->f_bavail));
    // What only root may fill is neither used nor available to anybody else: the share is of what remains.
    if ((double)used + (double)fs->f_bavail > 0)
        wf_out_double(out, "usedRatio", (double)used / ((double)used + (double)fs->f_bavail));
    if (fs->f_files > 0) {
        wf_out_u64(out, "inodes", fs->f_files);
        wf_out_u64(out, "inodesUsed", fs->f_files > fs->f_ffree ? fs->f_files - fs->f_ffree : 0);
        wf_out_u64(out, "inodesFree", fs->f_ffree);
    }
    return wf_out_close_row(out);
}

enum weft_err wf_collect_filesystems(struct wf_collect *c)
{
    struct wf_mounts mounts;
    struct volume *volumes = NULL;
    enum weft_err err = wf_mounts_read(c, &mounts);

    if (err)
        return err;
    if (mounts.count > 0) {
        volumes = calloc(mounts.count, sizeof *volumes);
        if (!volumes) {
            err = wf_problem(c, WEFT_E_NOMEM, "out of memory");
            goto out;
        }
    }
    size_t count = gather(c, &mounts, volumes);
    for (size_t i = 0; i < count && !err; i++)
        err = put_row(c->out, &volumes[i]);
out:
    free(volumes);
    wf_mounts_fini(&mounts);
    return err;
}
