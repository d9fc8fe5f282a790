// SPDX-License-Identifier: Apache-2.0
// What look.c and look_check.c share, and nobody else sees.
#ifndef WF_NODE_LOG_LOOK_PRIV_H
#define WF_NODE_LOG_LOOK_PRIV_H

#include "node/log/log_priv.h"
#include "node/log/look.h"
#include "node/log/vfs_view.h"

struct wf_log_look {
    struct wf_vfs disk;
    struct wf_vfs_view view;
    struct wf_log_worker *worker;
    struct wf_log *log;
    struct wf_hash store_id;
    char class_name[WF_LOOK_CLASS];
    const struct wf_secret *key;
    struct wf_buf notes; // struct wf_log_note each, of the open
    bool lost_note;
};

#endif
