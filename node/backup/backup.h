// SPDX-License-Identifier: Apache-2.0
// weftd --backup and --restore, which weft node backup and restore ask: what of a node cannot be made again, as one file, and back. Works on a
// node's directory whether or not its weftd runs; nothing in it is changed. Blocking, single-threaded, a process of its own.
#ifndef WF_NODE_BACKUP_BACKUP_H
#define WF_NODE_BACKUP_BACKUP_H

#include "node/backup/archive.h"

// ---- gather.c --------------------------------------------------------------------------------------------------------

struct wf_backup_from {
    const char *dir; // the node's: weftd.yaml, or its data
    bool logs;
    struct wf_bytes passphrase; // empty: not sealed
    const char *file;
};
// Consistent although weftd writes on: what names other files is taken before them, checkpoints before logs, databases within one
// transaction each. IDENTITY, KIND (an agent's), what files and databases say; diag has the path.
WF_MUST_USE enum weft_err wf_backup_take(const struct wf_backup_from *from,
    struct wf_backup_about *ret_about, struct wf_backup_totals *ret, struct wf_diag *diag);

// ---- restore.c -------------------------------------------------------------------------------------------------------

struct wf_backup_to {
    const char *file, *dir;
    struct wf_bytes passphrase;
    bool alone; // nobody is left who could know newer revocations: do not wait for them
};
// Reads all of the backup before the first file is made; the node's key is the last one, so half a restore starts nothing. EXISTS: the
// directory is not empty.
WF_MUST_USE enum weft_err wf_backup_restore(const struct wf_backup_to *to,
    struct wf_backup_about *ret_about, struct wf_backup_totals *ret, struct wf_diag *diag);

// ---- database_sqlite.c -----------------------------------------------------------------------------------------------

// The database as one file's bytes, as of one moment, also while its owner writes. The caller wipes and frees them.
WF_MUST_USE enum weft_err wf_backup_database(
    const char *path, struct wf_buf *ret, struct wf_diag *diag);
// Of a restored node: tickets that were not used at the backup may have been used since, by others. None is good any more.
WF_MUST_USE enum weft_err wf_backup_forget_tickets(const char *path, struct wf_diag *diag);

// ---- main.c ----------------------------------------------------------------------------------------------------------

int wf_backup_main(int argc, char **argv); // "--backup" or "--restore" is argv[0]

#endif
