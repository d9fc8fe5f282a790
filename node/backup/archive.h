// SPDX-License-Identifier: Apache-2.0
// A backup as a file: written beside its name, read back whole, then renamed; read front to back. Paths and bytes only: what a node's files
// are is gather.c's and restore.c's. One thread.
#ifndef WF_NODE_BACKUP_ARCHIVE_H
#define WF_NODE_BACKUP_ARCHIVE_H

#include "node/backup/format.h"
#include "node/log/vfs.h"

struct wf_backup_writer;

// Begins PATH.part. EXISTS when PATH is taken: no backup is overwritten. An empty passphrase: not sealed. What the disk says.
WF_MUST_USE enum weft_err wf_backup_create(const struct wf_vfs *vfs, const char *path,
    struct wf_bytes passphrase, const struct wf_backup_about *about, struct wf_backup_writer **ret);
// A file begins; exactly f->size bytes have to follow, in any pieces.
WF_MUST_USE enum weft_err wf_backup_add(struct wf_backup_writer *w, const struct wf_backup_file *f);
WF_MUST_USE enum weft_err wf_backup_write(struct wf_backup_writer *w, struct wf_bytes piece);

struct wf_backup_totals {
    uint32_t files;
    uint64_t bytes, stored; // of the files; of the backup
    struct wf_hash hash;    // of the whole backup: what to compare a copy with
};
// Ends the backup, makes it durable, reads it back as a restore would, and gives it its name. Frees the writer in any case; after an error
// nothing is left of it.
WF_MUST_USE enum weft_err wf_backup_commit(
    struct wf_backup_writer *w, struct wf_backup_totals *ret);
void wf_backup_abandon(struct wf_backup_writer *w); // NULL is permitted

struct wf_backup_reader {
    const struct wf_vfs *vfs;
    const char *path;
    struct wf_bytes passphrase; // borrowed; not looked at when key is there
    const struct wf_backup_sink *sink;
    struct wf_secret key;           // filled in by the first reading; the caller ends it
    struct wf_backup_totals totals; // filled in
};
// Reads all of it. Whatever is wrong with the bytes has been told to nobody before: TRUNCATED, AEAD (PASSPHRASE for the first chunk of one that is
// sealed), those of format.h, the sink's own.
WF_MUST_USE enum weft_err wf_backup_read(struct wf_backup_reader *r);
// The header alone: does it ask for a passphrase?
WF_MUST_USE enum weft_err wf_backup_peek(
    const struct wf_vfs *vfs, const char *path, struct wf_backup_head *ret);

#endif
