// SPDX-License-Identifier: Apache-2.0
// What the two files of the disk in memory share. Included by memdisk*.c only.
#ifndef WF_TESTS_MEMDISK_INT_H
#define WF_TESTS_MEMDISK_INT_H

#include <pthread.h>

#include "tests/support/memdisk.h"

#define SECTOR    512u
#define NAME_LEN  256u
#define FILES_MAX 512u
#define INODES    4096u

// Of a sector; dropped: a failed sync forgot it, reads still see it.
enum state { CLEAN, DIRTY, DROPPED };

struct content {
    uint8_t *ptr;
    size_t len, cap;
};
struct inode {
    char name[NAME_LEN], disk_name[NAME_LEN]; // now, and after a power loss; empty = none
    struct inode *replaced_by;                // whose rename took our name
    struct content now, disk;
    uint8_t *states;
    size_t states_cap;
    bool is_dir, locked;
    unsigned opens;
};

struct wf_memdisk {
    pthread_mutex_t lock;
    struct inode *inodes[INODES];
    size_t inode_count;
    struct inode *files[FILES_MAX]; // open files
    bool holds_lock[FILES_MAX];
    bool crashed;
    long crash_in; // operations until the crash; 0 = none planned
    long calls[WF_MEM_OPS], fail_from[WF_MEM_OPS], fail_times[WF_MEM_OPS];
    enum weft_err fail_err[WF_MEM_OPS];
    uint64_t capacity, used;
    unsigned permille;
    _Atomic int64_t clock_us;
};

bool memdisk_resize(struct content *c, size_t len);
// Room for content up to len in both images, so that syncing needs no memory.
bool memdisk_prepare(struct inode *i, size_t len);
// Frees inodes without a name, now and on the disk.
void memdisk_sweep(struct wf_memdisk *d);

#endif
