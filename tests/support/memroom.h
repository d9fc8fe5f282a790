// SPDX-License-Identifier: Apache-2.0
// Rooms on a disk in memory: their logs and meta files lie on a memdisk instead of the real file system, and their log's worker has no thread,
// so that a test turns it and every run is the same. Linked as a source, in the place of vfs_posix.c, with -Wl,--wrap=wf_log_worker_new.
#ifndef WF_TESTS_MEMROOM_H
#define WF_TESTS_MEMROOM_H

#include "tests/support/memdisk.h"

// The disk of all rooms that open from now on.
void wf_memroom_use(struct wf_memdisk *d);

#endif
