// SPDX-License-Identifier: Apache-2.0
// The inside of node/source: its state, and single runs of provider programs.
#ifndef WF_NODE_SOURCE_RUN_H
#define WF_NODE_SOURCE_RUN_H

#include <sys/types.h>

#include "node/source/room.h"
#include "sdk/loop/loop.h"

struct source;
struct run;
struct wf_source_room {
    struct wf_node *node;
    int fd; // to the spawner
    pid_t pid;
    uint32_t last_id;
    struct wf_watch reports;
    struct source *first;
    struct run *runs;
    char *data;
};

// spawn.c: the directory WEFT_STATE, of the user that programs run as. PERMISSION when that user can't reach it.
WF_MUST_USE enum weft_err wf_source_state_open(struct wf_node *n, struct wf_diag *diag);
// Strings one after the other with their NULs.
WF_MUST_USE enum weft_err wf_source_pack(const char *const *list, size_t count, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_source_spawn(struct wf_node *n, struct wf_bytes args, size_t arg_count,
    const char *product, const char *const *more_env, const int fds[3], uint32_t *ret_id);
void wf_run_ended(struct wf_node *n, uint32_t id, int status);
void wf_runs_close(struct wf_node *n);

#endif
