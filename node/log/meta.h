// SPDX-License-Identifier: Apache-2.0
// Small named values beside a store (incarnation counters, marks, identities), each replaced as a whole: after a crash
// either the old or the new bytes are there, never a mixture. A file's content is bound to its name by a hash.
// Thread rule: one writer per name; no state.
#ifndef WF_NODE_LOG_META_H
#define WF_NODE_LOG_META_H

#include "node/log/vfs.h"

#define WF_MAX_META      (1u << 20) // bytes of one value
#define WF_MAX_META_NAME 63u        // [a-z][a-z0-9-]*

// Appends the value to ret. NOT_FOUND; DAMAGED when the bytes fail their hash (the file is left for inspection);
// SYNTAX for a bad name; IO, PERMISSION, NOMEM.
WF_MUST_USE enum weft_err wf_meta_get(
    const struct wf_vfs *vfs, const char *dir, const char *name, struct wf_buf *ret);

// Durable when it returns OK: temporary file, fdatasync, rename, fsync of the directory. After an error the old value
// stands, or, when only the last step failed, the new one may. SYNTAX, TOO_BIG, NOSPACE, IO, PERMISSION, NOMEM.
WF_MUST_USE enum weft_err wf_meta_put(
    const struct wf_vfs *vfs, const char *dir, const char *name, struct wf_bytes value);

// Values that are replaced beside one another: all are written, then each is synced, then each has its name, and one sync of the
// directory is for all names. Each stays old or new for itself; what one promises does not wait for another's success.
#define WF_META_GROUP 64u // of them at a time: so many files are open
// Once for each value that was added: durable when err is OK, else as wf_meta_put says.
typedef void (*wf_meta_done_fn)(void *arg, void *tag, enum weft_err err);
struct wf_meta_group {
    const struct wf_vfs *vfs;
    const char *dir; // both borrowed
    wf_meta_done_fn done;
    void *arg;
    size_t count;
    struct wf_meta_staged {
        char name[WF_MAX_META_NAME + 1];
        int file; // -1: closed
        enum weft_err err;
        void *tag;
    } staged[WF_META_GROUP];
};
void wf_meta_group_init(struct wf_meta_group *g, const struct wf_vfs *vfs, const char *dir,
    wf_meta_done_fn done, void *arg);
// Nothing of the value is needed afterwards. A name comes once in a group. `done` may be called from here: for this value, or for those before it.
void wf_meta_add(struct wf_meta_group *g, const char *name, struct wf_bytes value, void *tag);
// Ends the group: it may be used anew.
void wf_meta_commit(struct wf_meta_group *g);

// The value is gone, now or, when it returns an error or the power goes, perhaps later. OK when there was none. SYNTAX, IO, PERMISSION.
WF_MUST_USE enum weft_err wf_meta_remove(
    const struct wf_vfs *vfs, const char *dir, const char *name);

#endif
