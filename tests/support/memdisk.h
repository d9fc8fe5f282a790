// SPDX-License-Identifier: Apache-2.0
// A disk in memory behind struct wf_vfs that can lose power, fail on demand and run full. What was not synced is, after a
// power loss, there, not there or torn, at random; a name is durable only after its directory was synced; a failed sync
// drops what it should have written although reads still see it. Test code; the vfs is thread-safe behind one lock, the
// functions here are for when no thread is at work.
#ifndef WF_TESTS_MEMDISK_H
#define WF_TESTS_MEMDISK_H

#include "node/log/vfs.h"

enum wf_memdisk_op {
    WF_MEM_OPEN,
    WF_MEM_WRITE,
    WF_MEM_SYNC,
    WF_MEM_READ,
    WF_MEM_SIZE,
    WF_MEM_TRUNCATE,
    WF_MEM_RENAME,
    WF_MEM_UNLINK,
    WF_MEM_MKDIR,
    WF_MEM_LIST,
    WF_MEM_SYNC_DIR,
    WF_MEM_SPACE,
    WF_MEM_LOCK,
    WF_MEM_OPS
};

struct wf_memdisk;
struct wf_memdisk *wf_memdisk_new(void);
void wf_memdisk_free(struct wf_memdisk *d);
struct wf_vfs wf_memdisk_vfs(struct wf_memdisk *d);

// The nth call from now (1 = the next) and the times - 1 after it fail with err; a failing write may leave part of its
// bytes. times 0 clears the plan.
void wf_memdisk_fail(
    struct wf_memdisk *d, enum wf_memdisk_op op, long nth, long times, enum weft_err err);
// Calls of an operation since the disk was made.
long wf_memdisk_calls(struct wf_memdisk *d, enum wf_memdisk_op op);
// Bytes that all files may have together (more is NOSPACE; default UINT64_MAX), and the thousandths free that `space`
// answers (default 900). Meanwhile a second passes.
void wf_memdisk_room(struct wf_memdisk *d, uint64_t capacity, unsigned free_permille);

// The disk's clock goes on by so much; else by a microsecond each time it is asked.
void wf_memdisk_skip(struct wf_memdisk *d, int64_t us);

// With the after-th operation from now (0 = now) everything fails (IO) and changes nothing more: the moment of the crash.
// Then close what is open.
void wf_memdisk_crash(struct wf_memdisk *d, long after);
// Works again, with what the disk held: after a power loss, or (power false) after the end of the process only.
void wf_memdisk_restart(struct wf_memdisk *d, bool power, uint64_t *seed);

// The content of a file, to be changed in place; NULL when there is none. Of all files: the i-th name with its suffix.
uint8_t *wf_memdisk_file(struct wf_memdisk *d, const char *path, size_t *ret_len);
const char *wf_memdisk_name(struct wf_memdisk *d, size_t i, const char *suffix);
void wf_memdisk_cut(struct wf_memdisk *d, const char *path, size_t len);
// Creates or replaces a file with these bytes, durable.
void wf_memdisk_put(struct wf_memdisk *d, const char *path, struct wf_bytes content);

#endif
