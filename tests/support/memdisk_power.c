// SPDX-License-Identifier: Apache-2.0
// What a power loss leaves of the disk in memory.
#include <stdlib.h>

#include "tests/support/memdisk_int.h"
#include "tests/support/support.h"

// What the disk has of one file: each sector not synced is old, new, or new up to some byte.
static void lose(struct inode *i, uint64_t *seed)
{
    size_t len = i->disk.len;

    if (i->now.len > len) // how much of the growth the file system had recorded
        len += (size_t)(wf_test_rand(seed) % (i->now.len - len + 1));
    else if (i->now.len < len && wf_test_rand(seed) % 2)
        len = i->now.len;
    size_t before = i->disk.len;
    if (!memdisk_prepare(i, len) || !memdisk_resize(&i->disk, len))
        abort();
    if (len > before)
        memset(i->disk.ptr + before, 0, len - before);
    for (size_t s = 0; s * SECTOR < len; s++) {
        size_t at = s * SECTOR, n = len - at < SECTOR ? len - at : SECTOR;
        if (i->states[s] != DIRTY || at >= i->now.len)
            continue;
        if (n > i->now.len - at)
            n = i->now.len - at;
        uint64_t fate = wf_test_rand(seed) % 3; // old, torn, new
        if (fate > 0)
            memcpy(i->disk.ptr + at, i->now.ptr + at,
                fate == 1 ? (size_t)(wf_test_rand(seed) % n) : n);
    }
    if (!memdisk_resize(&i->now, len))
        abort();
    if (len)
        memcpy(i->now.ptr, i->disk.ptr, len);
    memset(i->states, CLEAN, i->states_cap);
}

// Names changed since the directory was synced are the old or the new one; a replaced file comes back when its replacement is not there.
static void lose_name(struct inode *i, uint64_t *seed)
{
    if (!i->replaced_by && strcmp(i->name, i->disk_name) != 0 && wf_test_rand(seed) % 2)
        memcpy(i->name, i->disk_name, NAME_LEN);
}

static void restore_replaced(struct inode *i)
{
    if (i->replaced_by && strcmp(i->replaced_by->name, i->disk_name) != 0)
        memcpy(i->name, i->disk_name, NAME_LEN);
    i->replaced_by = NULL;
}

void wf_memdisk_restart(struct wf_memdisk *d, bool power, uint64_t *seed)
{
    for (size_t k = 0; k < d->inode_count && power; k++)
        lose_name(d->inodes[k], seed);
    for (size_t k = 0; k < d->inode_count && power; k++)
        restore_replaced(d->inodes[k]);
    d->used = 0;
    for (size_t k = 0; k < d->inode_count; k++) {
        struct inode *i = d->inodes[k];
        if (i->opens > 0)
            abort(); // everything is closed by now
        if (power && !i->is_dir)
            lose(i, seed);
        if (power)
            memcpy(i->disk_name, i->name, NAME_LEN);
        if (i->name[0] || i->disk_name[0])
            d->used += i->now.len;
    }
    memdisk_sweep(d);
    memset(d->fail_times, 0, sizeof d->fail_times);
    d->crashed = false;
    d->crash_in = 0;
}
