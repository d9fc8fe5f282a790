// SPDX-License-Identifier: Apache-2.0
// Which process holds which socket, from the links in /proc/PID/fd. Owns its table. Invariant: ordered by inode, and of
// several holders (forked workers) the lowest process id stands for all. A process we may not look into is passed over.
#ifndef WF_COMMON_OWNERS_H
#define WF_COMMON_OWNERS_H

#include "domains/common/text.h"

struct wf_owner {
    uint64_t inode;
    uint32_t pid;
    char command[16]; // the kernel's short name of the process, with NUL
};

struct wf_owners {
    struct wf_owner *list;
    size_t count, cap;
};

// Looks at no more than WF_HOST_MAX_FDS open files; NOMEM.
WEFT_MUST_USE enum weft_err wf_owners_read(struct wf_owners *ret);
void wf_owners_fini(struct wf_owners *o);
// NULL where the holder is not known.
const struct wf_owner *wf_owners_find(const struct wf_owners *o, uint64_t inode);

#endif
