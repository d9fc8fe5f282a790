// SPDX-License-Identifier: Apache-2.0
// Writing small private files so that a crash leaves the old or the new one, never half of one. Reading them is
// sdk/conf/file.h. Nothing is owned; every function may be called from any thread.
#ifndef WF_SDK_DISK_H
#define WF_SDK_DISK_H

#include <dirent.h>

#include "proto/base/bytes.h"

// A new file, mode 0600, synced with its directory. EXISTS when the name is taken: keys are never overwritten.
WF_MUST_USE enum weft_err wf_disk_create(
    const char *path, struct wf_bytes content, struct wf_diag *diag);
// Replaces or makes the file: temporary name beside it, fsync, rename, fsync of the directory.
WF_MUST_USE enum weft_err wf_disk_replace(
    const char *path, struct wf_bytes content, struct wf_diag *diag);
// The directory and its parents, mode 0700. OK when it exists; PERMISSION when it exists and others may write to it.
WF_MUST_USE enum weft_err wf_disk_mkdir(const char *path, struct wf_diag *diag);
// NOT_FOUND is not an error here.
WF_MUST_USE enum weft_err wf_disk_remove(const char *path, struct wf_diag *diag);
// The next name in a directory, but those that begin with a dot; *ret NULL at the end. IO when it could not be read, which is no end.
WF_MUST_USE enum weft_err wf_disk_next(DIR *d, const char **ret);
// "DIR/NAME" on the heap.
WF_MUST_USE enum weft_err wf_disk_join(const char *dir, const char *name, char **ret);

#endif
