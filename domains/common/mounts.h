// SPDX-License-Identifier: Apache-2.0
// The mount table, from /proc/self/mountinfo (proc(5); Documentation/filesystems/proc.rst, 3.5), with its octal escapes
// undone. Owns the file's text; the strings of a wf_mount point into it. Invariant: no two mounts of a table have one
// mount point: of a stack the topmost is there, which hides the others.
// Parsing is pure; nothing here touches a mounted file system.
#ifndef WF_COMMON_MOUNTS_H
#define WF_COMMON_MOUNTS_H

#include "domains/common/collector.h"

struct wf_mount {
    uint64_t id;     // as statx(2) reports it
    uint64_t parent; // the mount it lies on
    uint64_t
        device; // st_dev of the file system, major << 32 | minor: one for all its mounts, also btrfs's subvolumes
    const char *root;  // the directory of the file system that is mounted here
    const char *point; // where
    const char *options, *fstype, *source;
    const char
        *upper;   // of an overlay: the directory that takes what is written; "" where there is none
    size_t order; // of the line, from 0
};

struct wf_mounts {
    struct wf_mount *list; // in the order of the table
    size_t count;
    struct wf_file file;
};

// Takes *file over in every case. Malformed lines are left out; TOO_BIG beyond WF_HOST_MAX_MOUNTS.
WEFT_MUST_USE enum weft_err wf_mounts_parse(struct wf_file *file, struct wf_mounts *ret);
WEFT_MUST_USE enum weft_err wf_mounts_read(struct wf_collect *c, struct wf_mounts *ret);
void wf_mounts_fini(struct wf_mounts *m);

// The kernel's own tables (proc, cgroup, ...), which hold no data of anybody.
bool wf_mount_is_pseudo(const struct wf_mount *m);
// Behind another machine or another process: asking it for its size may block for ever.
bool wf_mount_is_remote(const struct wf_mount *m);
bool wf_mount_is_read_only(const struct wf_mount *m);
// The way to its mount point leads over such a mount: looking there is asking the other machine, too.
bool wf_mount_is_behind_remote(const struct wf_mounts *mounts, const struct wf_mount *m);
// The mount that `path` lies on, by the table alone; NULL where none is.
const struct wf_mount *wf_mounts_find(const struct wf_mounts *mounts, const char *path);

#endif
