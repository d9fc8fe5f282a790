// SPDX-License-Identifier: Apache-2.0
// The disk as the log sees it: a struct of function pointers, so that tests can lose power, fill up or flip bits.
// Owns nothing. Errors: NOSPACE, READ_ONLY, NO_FILES, PERMISSION, NOT_FOUND, EXISTS, IN_USE, NOMEM, IO; nothing else.
// Thread rule: every function may be called from several threads at once, also on one file.
#ifndef WF_NODE_LOG_VFS_H
#define WF_NODE_LOG_VFS_H

#include <sys/uio.h>

#include "proto/base/bytes.h"

enum wf_vfs_mode {
    WF_VFS_READ,    // must exist
    WF_VFS_WRITE,   // must exist; read and write
    WF_VFS_CREATE,  // must not exist; read and write, mode 0600
    WF_VFS_REPLACE, // created or emptied; read and write, mode 0600
};

// Called for each name in a directory except "." and ".."; an error stops the listing and is returned.
typedef enum weft_err (*wf_vfs_name_fn)(void *arg, const char *name);

struct wf_vfs {
    void *ctx;
    enum weft_err (*open)(void *ctx, const char *path, enum wf_vfs_mode mode, int *ret_file);
    void (*close)(void *ctx, int file);
    // All parts at position `at`, in full, or an error after which any of the bytes may have been written.
    enum weft_err (*write)(
        void *ctx, int file, uint64_t at, const struct iovec *parts, size_t count);
    // Data and length are on the disk when it returns OK. After an error nothing written since the last success is.
    enum weft_err (*sync)(void *ctx, int file);
    // Fewer bytes than asked for only at the end of the file.
    enum weft_err (*read)(void *ctx, int file, uint64_t at, void *out, size_t len, size_t *ret_len);
    enum weft_err (*size)(void *ctx, int file, uint64_t *ret_size);
    enum weft_err (*truncate)(void *ctx, int file, uint64_t size);
    enum weft_err (*rename)(void *ctx, const char *from, const char *to);
    enum weft_err (*unlink)(void *ctx, const char *path);
    enum weft_err (*mkdir)(void *ctx, const char *path); // mode 0700; EXISTS when there is one
    enum weft_err (*list)(void *ctx, const char *dir, wf_vfs_name_fn fn, void *arg);
    enum weft_err (*sync_dir)(void *ctx, const char *dir);
    enum weft_err (*space)(void *ctx, const char *dir, uint64_t *ret_free, uint64_t *ret_total);
    // Creates the file if needed and locks it for this open file until close; IN_USE when another holder has it.
    enum weft_err (*lock)(void *ctx, const char *path, int *ret_file);
    // What is on the disk of this file need not stay in memory, from there up to `to`; 0 = to its end: a hint, nothing changes. May be NULL.
    void (*uncache)(void *ctx, int file, uint64_t from, uint64_t to);
    int64_t (*mono_us)(void *ctx); // a monotonic clock, for statistics and pauses only
};

// The real file system. Needs no state; ctx is NULL.
extern const struct wf_vfs wf_vfs_posix;

#endif
