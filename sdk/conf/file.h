// SPDX-License-Identifier: Apache-2.0
// Reads a small file that a person or an administrator wrote, after looking at who could have written or read it. Owns
// nothing. Never follows a name to anything but a regular file, never reads more than it was told to expect.
#ifndef WF_CONF_FILE_H
#define WF_CONF_FILE_H

#include "proto/base/limits.h"
#include "sdk/conf/diags.h"

enum wf_file_trust {
    WF_FILE_ANY,    // whoever wrote it
    WF_FILE_OWNED,  // owned by us or root, nobody else may write: it decides what we run
    WF_FILE_SECRET, // and nobody else may read: keys, tickets, passphrases
};

// The whole file, at most max bytes. Errors, each with a text in diag (line 0) that names the file: NOT_FOUND, PERMISSION (the system's, or owner
// and mode), TOO_BIG, TYPE (not a regular file), IO, NOMEM.
WF_MUST_USE enum weft_err wf_file_read(const char *path, size_t max, enum wf_file_trust trust,
    struct wf_buf *ret, struct wf_diag *diag);
// The same for those who put the file's name in front of the text themselves.
WF_MUST_USE enum weft_err wf_file_read_unnamed(const char *path, size_t max,
    enum wf_file_trust trust, struct wf_buf *ret, struct wf_diag *diag);
// A YAML file (at most WF_MAX_YAML bytes) with what goes wrong in diags, and its folder, absolute, without links.
WF_MUST_USE enum weft_err wf_file_read_yaml(const char *path, enum wf_file_trust trust,
    struct wf_diags *diags, struct wf_buf *ret, char ret_dir[WF_MAX_PATH]);

#endif
