// SPDX-License-Identifier: Apache-2.0
// A disk to look at: reads go to the one below, whatever would change it succeeds and does nothing. A log opened on it goes through
// the same recovery as on the real disk, and shows what that would cut and rebuild. Owns nothing but the lock it may get.
// Invariant: the disk below is never written to, and no file is made on it. Thread rule: one thread.
#ifndef WF_NODE_LOG_VFS_VIEW_H
#define WF_NODE_LOG_VFS_VIEW_H

#include "node/log/vfs.h"

struct wf_vfs_view {
    const struct wf_vfs *under; // outlives the view
    bool
        in_use; // another process has the store's lock (or this user may not ask): it may go on writing
};

// *v is the context of what is returned. A lock that is free is held until its file is closed; one that is there and taken is told by
// in_use; a directory without a lock file (a copy) needs none.
struct wf_vfs wf_vfs_view(struct wf_vfs_view *v);

#endif
