// SPDX-License-Identifier: Apache-2.0
#include "domains/common/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domains/common/child.h"

// ---- the look ----------------------------------------------------------------------------------------------------------

// One descriptor, so that all is said of one thing. O_PATH neither opens a device nor mounts what autofs(5) would
// (Documentation/filesystems/autofs.rst), and nothing here makes a network file system ask its server for attributes.
bool wf_volume_look(const char *root, const struct wf_mount *m, struct statvfs *ret)
{
    const unsigned wanted = STATX_BASIC_STATS | STATX_MNT_ID;
    char path[WF_HOST_MAX_PATH];
    struct statx sx;
    struct statvfs fs;

    int n = snprintf(path, sizeof path, "%s%s", root, m->point);
    if (n < 0 || (size_t)n >= sizeof path)
        return false;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool found = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, wanted, &sx) == 0;
    // Linux before 5.8 has no mount ids to tell what another mount hides.
    if (found && root[0] == '\0' && (sx.stx_mask & STATX_MNT_ID))
        found = sx.stx_mnt_id == m->id;
    found = found && fstatvfs(fd, &fs) == 0 && fs.f_blocks > 0;
    close(fd);
    if (found)
        *ret = fs;
    return found;
}

// ---- the child ---------------------------------------------------------------------------------------------------------

struct answer {
    size_t index;
    bool found;
    struct statvfs fs;
};

// A child that cannot be ended holds nothing of its parent's open: a reader of standard output would wait for it.
static void keep_only(int fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < 3; i++)
        if (i != fd)
            close(i);
    if (fd > 3)
        close_range(3, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0u, 0);
}

static _Noreturn void be_child(
    int fd, wf_look_fn look, const char *root, const struct wf_volume *volumes, size_t count)
{
    keep_only(fd);
    for (size_t i = 0; i < count; i++) {
        struct answer a;
        if (!volumes[i].wanted || volumes[i].is_stuck)
            continue;
        memset(&a, 0, sizeof a); // its padding goes through the pipe, too
        a.index = i;
        a.found = look(root, volumes[i].mount, &a.fs);
        if (write(fd, &a, sizeof a) != (ssize_t)sizeof a)
            break;
    }
    _exit(0);
}

#define END_MS 500 // at most, until a child that was killed is gone

static int limit_of(const struct wf_prober *p)
{
    return p->limit_ms ? p->limit_ms : WF_HOST_LOOK_MS;
}

// The next answer within the limit; false when the child has ended or does not answer.
static bool receive(int fd, int limit_ms, struct answer *ret)
{
    int64_t deadline_ms = wf_monotonic_ms() + limit_ms;

    for (;;) {
        int64_t left = deadline_ms - wf_monotonic_ms();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int ready = poll(&p, 1, left > 0 ? (int)left : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        // An answer is shorter than PIPE_BUF and so comes whole (pipe(7)).
        ssize_t n = read(fd, ret, sizeof *ret);
        if (n < 0 && errno == EINTR)
            continue;
        return n == (ssize_t)sizeof *ret;
    }
}

// Takes the child's answers until it ends or falls silent; *ret_next: the first volume it said nothing of.
static void listen_to(
    const struct wf_prober *p, int fd, struct wf_volume *volumes, size_t count, size_t *ret_next)
{
    size_t next = 0;

    for (;;) {
        struct answer a;
        while (next < count && (!volumes[next].wanted || volumes[next].is_stuck))
            next++;
        if (next == count || !receive(fd, limit_of(p), &a) || a.index != next)
            break;
        volumes[next].found = a.found;
        volumes[next].fs = a.fs;
        volumes[next].wanted = false;
        next++;
    }
    *ret_next = next;
}

// Ends the child: at once, or it is remembered with the mount it waits for.
static void end_child(struct wf_prober *p, pid_t pid, const struct wf_mount *waits_for)
{
    kill(pid, p->end_signal ? p->end_signal : SIGKILL);
    if (wf_child_gone(pid, limit_of(p) < END_MS ? limit_of(p) : END_MS))
        return;
    p->stuck[p->stuck_count++] =
        (struct wf_stuck){ .pid = pid, .mount = waits_for ? waits_for->id : 0 };
}

static enum weft_err ask_once(struct wf_prober *p, const char *root, struct wf_volume *volumes,
    size_t count, size_t *ret_next)
{
    wf_look_fn look = p->look ? p->look : wf_volume_look;
    int ends[2];

    if (p->stuck_count == WF_HOST_MAX_STUCK)
        return WEFT_E_TIMEOUT;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return WEFT_E_IO;
    pid_t pid = fork();
    if (pid == 0)
        be_child(ends[1], look, root, volumes, count);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return errno == ENOMEM ? WEFT_E_NOMEM : WEFT_E_IO;
    }
    listen_to(p, ends[0], volumes, count, ret_next);
    close(ends[0]);
    end_child(p, pid, *ret_next < count ? volumes[*ret_next].mount : NULL);
    return WEFT_OK;
}

static void forget_ended(struct wf_prober *p)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->stuck_count; i++)
        if (!wf_child_gone(p->stuck[i].pid, 0))
            p->stuck[kept++] = p->stuck[i];
    p->stuck_count = kept;
}

static bool waits_for(const struct wf_prober *p, const struct wf_mount *m)
{
    for (size_t i = 0; i < p->stuck_count; i++)
        if (p->stuck[i].mount == m->id)
            return true;
    return false;
}

enum weft_err wf_volumes_look(
    struct wf_prober *p, const char *root, struct wf_volume *volumes, size_t count)
{
    size_t next = 0;

    forget_ended(p);
    for (size_t i = 0; i < count; i++) {
        volumes[i].found = false;
        volumes[i].is_stuck = volumes[i].wanted && waits_for(p, volumes[i].mount);
    }
    for (;;) {
        while (next < count && (!volumes[next].wanted || volumes[next].is_stuck))
            next++;
        if (next == count)
            return WEFT_OK;
        enum weft_err err = ask_once(p, root, volumes, count, &next);
        if (err)
            return err;
        if (next < count)
            volumes[next].is_stuck = true;
    }
}

// ---- which of them are rows --------------------------------------------------------------------------------------------

// Which of two mounts of one file system stands for it: one named after a device before one with a made-up name, then
// the one nearer to the root of the tree unless it shows a smaller part of the file system (bind mounts). df's choice;
// df takes btrfs's subvolumes for file systems of their own, which all have the same space.
static bool is_better(const struct wf_mount *a, const struct wf_mount *b)
{
    if (strchr(a->source, '/') && !strchr(b->source, '/'))
        return true;
    if (strlen(a->point) >= strlen(b->point))
        return false;
    return strcmp(a->fstype, "btrfs") == 0 || strlen(a->root) <= strlen(b->root);
}

static size_t keep_one_of_each(struct wf_volume *volumes, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        if (!volumes[i].found)
            continue;
        while (at < kept && volumes[at].mount->device != volumes[i].mount->device)
            at++;
        if (at == kept)
            volumes[kept++] = volumes[i];
        else if (is_better(volumes[i].mount, volumes[at].mount))
            volumes[at] = volumes[i];
    }
    return kept;
}

// An overlay has the space of the file system that its upper directory is on. The name may be one of another mount
// namespace (a container's root): then the figures differ, or it names the overlay itself.
static bool is_told_already(const struct wf_mounts *mounts, const struct wf_volume *volumes,
    size_t count, const struct wf_volume *v)
{
    const struct wf_mount *lies_on =
        v->mount->upper[0] == '/' ? wf_mounts_find(mounts, v->mount->upper) : NULL;

    if (!lies_on || lies_on->device == v->mount->device)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct wf_volume *under = &volumes[i];
        if (under->mount->device == lies_on->device)
            return under->fs.f_blocks == v->fs.f_blocks && under->fs.f_frsize == v->fs.f_frsize &&
                   under->fs.f_files == v->fs.f_files;
    }
    return false;
}

void wf_volumes_keep(const struct wf_mounts *mounts, struct wf_volume *volumes, size_t *count)
{
    size_t all = keep_one_of_each(volumes, *count), kept = 0;

    // What is told is looked for among all, as an overlay may lie on an overlay; marks come before moves.
    for (size_t i = 0; i < all; i++)
        volumes[i].wanted = !is_told_already(mounts, volumes, all, &volumes[i]);
    for (size_t i = 0; i < all; i++)
        if (volumes[i].wanted)
            volumes[kept++] = volumes[i];
    *count = kept;
}

// ---- the row -----------------------------------------------------------------------------------------------------------

// Saturates: a broken driver may report sizes that do not multiply.
static uint64_t bytes(const struct statvfs *fs, uint64_t blocks)
{
    uint64_t size = fs->f_frsize ? fs->f_frsize : fs->f_bsize;

    return size && blocks > UINT64_MAX / size ? UINT64_MAX : blocks * size;
}

enum weft_err wf_volume_put(struct wf_out *out, const struct wf_volume *v)
{
    const struct statvfs *fs = &v->fs;
    uint64_t used = fs->f_blocks > fs->f_bfree ? fs->f_blocks - fs->f_bfree : 0;
    // Where more is used than ordinary users may have, some file systems say how much more, as a negative number.
    uint64_t available = fs->f_bavail > fs->f_blocks ? 0 : fs->f_bavail;

    wf_out_open_row(out);
    wf_out_str(out, "mountpoint", wf_text(v->mount->point));
    wf_out_str(out, "device", wf_text(v->mount->source));
    wf_out_str(out, "fstype", wf_text(v->mount->fstype));
    wf_out_bool(out, "readOnly", (fs->f_flag & ST_RDONLY) != 0);
    wf_out_u64(out, "size", bytes(fs, fs->f_blocks));
    wf_out_u64(out, "used", bytes(fs, used));
    wf_out_u64(out, "available", bytes(fs, available));
    // What only root may fill is neither used nor available to anybody else: the share is of what remains.
    if ((double)used + (double)available > 0)
        wf_out_double(out, "usedRatio", (double)used / ((double)used + (double)available));
    if (fs->f_files > 0) {
        uint64_t free_inodes = fs->f_ffree > fs->f_files ? 0 : fs->f_ffree;
        wf_out_u64(out, "inodes", fs->f_files);
        wf_out_u64(out, "inodesUsed", fs->f_files - free_inodes);
        wf_out_u64(out, "inodesFree", free_inodes);
    }
    return wf_out_close_row(out);
}
