// SPDX-License-Identifier: Apache-2.0
// filesystems: space and inodes of every local file system, as `df -l` counts them, one row a file system. Mounts of
// other machines and of FUSE daemons, and what lies behind them, are left out, as one that does not answer would hold up
// all the others; they are in the inventory `mounts`.
#include <stdlib.h>

#include "domains/common/volumes.h"

static size_t choose(const struct wf_mounts *mounts, struct wf_volume *volumes)
{
    size_t count = 0;

    for (size_t i = 0; i < mounts->count; i++) {
        const struct wf_mount *m = &mounts->list[i];
        if (!wf_mount_is_pseudo(m) && !wf_mount_is_remote(m) &&
            !wf_mount_is_behind_remote(mounts, m))
            volumes[count++] = (struct wf_volume){ .mount = m, .wanted = true };
    }
    return count;
}

// What does not answer is told, and told to be well again, without stopping the rest.
static void tell_stuck(struct wf_collect *c, const struct wf_volume *volumes, size_t count)
{
    size_t stuck = 0;
    const char *first = "";

    for (size_t i = 0; i < count; i++) {
        if (!volumes[i].is_stuck)
            continue;
        first = stuck == 0 ? volumes[i].mount->point : first;
        stuck++;
    }
    if (stuck == 1)
        wf_problem(c, WEFT_OK, "%.200s does not answer and is left out", first);
    else if (stuck > 1)
        wf_problem(
            c, WEFT_OK, "%.200s and %zu more do not answer and are left out", first, stuck - 1);
}

static enum weft_err put_rows(
    struct wf_collect *c, const struct wf_mounts *mounts, struct wf_volume *volumes)
{
    size_t count = choose(mounts, volumes);
    enum weft_err err = wf_volumes_look(c->state, c->root, volumes, count);

    if (err == WEFT_E_TIMEOUT)
        return wf_problem(c, err, "too many file systems do not answer");
    if (err)
        return wf_problem(c, err, "file systems can't be looked at by a child process");
    tell_stuck(c, volumes, count);
    wf_volumes_keep(mounts, volumes, &count);
    for (size_t i = 0; i < count && !err; i++)
        err = wf_volume_put(c->out, &volumes[i]);
    return err;
}

enum weft_err wf_collect_filesystems(struct wf_collect *c)
{
    struct wf_mounts mounts;
    struct wf_volume *volumes = NULL;
    enum weft_err err = wf_mounts_read(c, &mounts);

    if (err)
        return err;
    if (!c->state)
        c->state = calloc(1, sizeof(struct wf_prober));
    volumes = calloc(mounts.count + 1, sizeof *volumes);
    if (c->state && volumes)
        err = put_rows(c, &mounts, volumes);
    else
        err = wf_problem(c, WEFT_E_NOMEM, "out of memory");
    free(volumes);
    wf_mounts_fini(&mounts);
    return err;
}
