// SPDX-License-Identifier: Apache-2.0
// How full the mounted file systems are. Every one is looked at by a child process with a deadline, as no call of the
// kernel's has one: a file system that does not answer (its server, daemon or disk is gone) costs its own row, and
// nothing else waits for it. Invariant: whom a child still waits for is not asked again before that child has ended.
#ifndef WF_COMMON_VOLUMES_H
#define WF_COMMON_VOLUMES_H

#include <sys/statvfs.h>
#include <sys/types.h>

#include "domains/common/bounds.h"
#include "domains/common/mounts.h"

// Looks at one mount point, in the child; false where another mount hides it, it cannot be reached, or it holds no
// blocks (the rule by which df tells file systems from kernel tables).
typedef bool (*wf_look_fn)(const char *root, const struct wf_mount *m, struct statvfs *ret);
bool wf_volume_look(const char *root, const struct wf_mount *m, struct statvfs *ret);

// Zeroed means: the real look, WF_HOST_LOOK_MS, SIGKILL. Lives from sample to sample.
struct wf_prober {
    wf_look_fn look;
    int limit_ms,
        end_signal; // what ends a child that waits; in the kernel even SIGKILL may take its time
    struct wf_stuck {
        pid_t pid;
        uint64_t mount;
    } stuck[WF_HOST_MAX_STUCK];
    size_t stuck_count;
};

struct wf_volume {
    const struct wf_mount *mount;
    bool wanted;          // in: to be looked at
    bool found, is_stuck; // out: what wf_look_fn said; that it said nothing
    struct statvfs fs;    // where found
};

// TIMEOUT when WF_HOST_MAX_STUCK children wait for nothing already, IO, NOMEM.
WEFT_MUST_USE enum weft_err wf_volumes_look(
    struct wf_prober *p, const char *root, struct wf_volume *volumes, size_t count);

// Drops (count goes down, order stays) what was not found and all mounts of a file system but one: df(1)'s choice, of
// btrfs's subvolumes the shortest mount point; overlays whose upper directory lies on a file system that is there.
void wf_volumes_keep(const struct wf_mounts *mounts, struct wf_volume *volumes, size_t *count);

// A row of weft.common.v1.FilesystemUsage.
WEFT_MUST_USE enum weft_err wf_volume_put(struct wf_out *out, const struct wf_volume *v);

#endif
