// SPDX-License-Identifier: Apache-2.0
// The inside of a node that its rooms do not need: identity directory, alarms, the wall clock's floor, start and stop. Loop thread only.
#ifndef WF_NODE_CORE_H
#define WF_NODE_CORE_H

#include <dirent.h>

#include "node/files.h"
#include "node/node.h"
#include "sdk/identity.h"

struct wf_alarm {
    char name[64], text[400];
    int64_t since_unix_ms;
    struct wf_alarm *next;
};

// What the wall clock did beside the monotonic one; wall.c.
struct wf_clock {
    int64_t mono_ms, unix_ms; // as looked at last; 0 = never
    int64_t trusted_ms;       // where it would be without the step
    int64_t
        until_ms; // monotonic: the step is told, and a floor does not follow it; 0 = there was none
    int64_t stepped_ms; // by so much, forward or back
};

struct wf_core {
    struct wf_identity_dir *dir;
    struct wf_alarm *alarms;
    int64_t wall_floor_ms; // never below the build's time or what was persisted
    const char *conf_path;
    struct wf_files files;
    DIR *files_dir; // of this process's descriptors; files.c
    struct wf_clock clock;
};

// Takes identity, chain and charter from a loaded directory (borrowed from now on, freed at the end). STATE_DIR when the configuration names
// another domain or node.
WF_MUST_USE enum weft_err wf_node_adopt(
    struct wf_node *n, struct wf_identity_dir *d, struct wf_diag *diag);
// A charter from the mesh or from `weft charter commit`: verified, persisted, then in force.
WF_MUST_USE enum weft_err wf_node_add_charter(
    struct wf_node *n, struct wf_bytes raw, struct wf_diag *diag);
// A renewed or first chain.
WF_MUST_USE enum weft_err wf_node_set_chain(
    struct wf_node *n, struct wf_bytes chain, struct wf_diag *diag);

// The node's keys are in locked memory, and so would be the next one.
bool wf_node_keys_locked(const struct wf_node *n);

// The configuration as its file is now, as a whole; the old one stays, and the log says why, when it can't be read or needs a restart.
void wf_node_reload(struct wf_node *n);
// The whole life of a weftd: rooms open, start, run until SIGTERM, drain, close. Returns the process's exit status.
int wf_node_main(struct wf_conf *conf, const char *conf_path);

#endif
