// SPDX-License-Identifier: Apache-2.0
// File descriptors of this process: raised to what the system permits at the start, counted once a second, told while they are nearly used
// up. Who needs one then waits: connections are accepted later, the log goes on when it can begin a segment. Loop thread only.
#ifndef WF_NODE_FILES_H
#define WF_NODE_FILES_H

#include "node/node.h"

struct wf_files {
    unsigned open, max; // as counted last; 0 = never
};

// The soft limit becomes the hard one, up to what any table here could use. Before anything is forked.
void wf_files_raise(void);
// A child that runs others' programs has the limit that weftd was started with: programs that use select(2) rely on it.
void wf_files_restore(void);
// How many connections a listener may hold, so that log, databases and local socket keep their share.
unsigned wf_files_for_connections(unsigned wanted);
// Counts, and sets or clears the alarm "descriptors".
void wf_files_check(struct wf_node *n);
void wf_files_close(struct wf_node *n);

#endif
