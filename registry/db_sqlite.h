// SPDX-License-Identifier: Apache-2.0
// What all databases share, the registry's store and the node's: a private file of a known format, and SQLite's results in our words.
// Owns nothing. One thread a connection.
#ifndef WF_REGISTRY_DB_SQLITE_H
#define WF_REGISTRY_DB_SQLITE_H

#include "proto/base/bytes.h"

struct sqlite3;
struct sqlite3_stmt;

// OK for SQLITE_OK, ROW and DONE; EXISTS for a constraint; IN_USE while another process has the file.
enum weft_err wf_db_code(int rc);
// Opens or makes the file (0600) and runs the ddl, which ends with PRAGMA user_version. VERSION: a file of another format than `version`;
// nothing was changed in it. DAMAGED: no database, or one with a page that is not what SQLite wrote; all of it is read to know. The reason is in diag.
WF_MUST_USE enum weft_err wf_db_open(
    const char *path, const char *ddl, int version, struct sqlite3 **ret, struct wf_diag *diag);
WF_MUST_USE enum weft_err wf_db_prepare(
    struct sqlite3 *db, const char *sql, struct sqlite3_stmt **ret);
// Runs a statement that gives no rows to its end, and ends it.
WF_MUST_USE enum weft_err wf_db_run(struct sqlite3_stmt *st);

#endif
