// SPDX-License-Identifier: Apache-2.0
// What keeps a weftd from starting: another one on the same state, and how every such reason is told. Loop thread only, before and after
// the loop runs.
#ifndef WF_NODE_START_H
#define WF_NODE_START_H

#include "proto/base/bytes.h"

// One weftd a state directory, held until the process ends. OK without a directory: nothing to share yet. IN_USE, with the holder's
// process id; what else opening a file may refuse.
WF_MUST_USE enum weft_err wf_start_lock(const char *data, struct wf_diag *diag);
// A node's batches take and give back memory all day: pages that went to the system and come again cost more than what is done in them.
// Keeps up to 32 MiB.
void wf_start_keep_heap(void);
// An agent is a guest on its host: one arena for all of NNG's threads, and what is free goes back.
void wf_start_small_heap(void);
// "weftd: ROOM: TEXT" and, where there is something to do, a second line that says what; one line
// with room, msg and todo where log: asks for JSON. room may be NULL.
void wf_start_explain(enum weft_err err, const char *room, const struct wf_diag *diag);

#endif
