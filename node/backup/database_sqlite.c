// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>

#include "node/backup/backup.h"
#include "registry/db_sqlite.h"

#define WAIT_MS 10000 // for a checkpoint of the database's owner

static enum weft_err open_existing(const char *path, int flags, sqlite3 **ret, struct wf_diag *diag)
{
    sqlite3 *db = NULL;
    enum weft_err err = wf_db_code(sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_EXRESCODE, NULL));

    if (!err)
        err = wf_db_code(sqlite3_busy_timeout(db, WAIT_MS));
    if (err) {
        wf_diag_set(diag, 0, 0, "%s: %s", path, db ? sqlite3_errmsg(db) : weft_err_text(err));
        sqlite3_close(db);
        return err;
    }
    *ret = db;
    return WEFT_OK;
}

enum weft_err wf_backup_database(const char *path, struct wf_buf *ret, struct wf_diag *diag)
{
    sqlite3 *db = NULL;
    sqlite3_int64 size = 0;
    unsigned char *bytes = NULL;
    enum weft_err err = open_existing(path, SQLITE_OPEN_READWRITE, &db, diag);

    if (err)
        return err;
    // One read transaction around it: what the owner commits meanwhile is of the next backup.
    err =
        wf_db_code(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL));
    if (!err) {
        bytes = sqlite3_serialize(db, "main", &size, 0);
        err = bytes ? wf_bytes_dup(wf_bytes(bytes, (size_t)size), ret) : WEFT_E_NOMEM;
    }
    if (err)
        wf_diag_set(diag, 0, 0, "%s: %s", path, sqlite3_errmsg(db));
    if (bytes)
        wf_wipe(bytes, (size_t)size);
    sqlite3_free(bytes);
    sqlite3_close(db);
    return err;
}

enum weft_err wf_backup_forget_tickets(const char *path, struct wf_diag *diag)
{
    sqlite3 *db = NULL;
    enum weft_err err = open_existing(path, SQLITE_OPEN_READWRITE, &db, diag);

    if (err)
        return err;
    err = wf_db_code(sqlite3_exec(db, "DELETE FROM ticket", NULL, NULL, NULL));
    if (err)
        wf_diag_set(diag, 0, 0, "%s: %s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
    return err;
}
