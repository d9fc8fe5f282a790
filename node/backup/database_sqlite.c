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

// All pages as of one moment: what the owner commits meanwhile is of the next backup. Not sqlite3_serialize() of the file itself, which gives
// zeros for a page that could not be read and says nothing.
static enum weft_err copy_pages(sqlite3 *from, sqlite3 *to)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");

    if (!b)
        return wf_db_code(sqlite3_extended_errcode(to));
    int step = sqlite3_backup_step(b, -1);
    enum weft_err err = wf_db_code(sqlite3_backup_finish(b));
    return err || step == SQLITE_DONE ? err : wf_db_code(step);
}

enum weft_err wf_backup_database(const char *path, struct wf_buf *ret, struct wf_diag *diag)
{
    sqlite3 *db = NULL, *copy = NULL;
    sqlite3_int64 size = 0;
    unsigned char *bytes = NULL;
    enum weft_err err = open_existing(path, SQLITE_OPEN_READWRITE, &db, diag);

    if (err)
        return err;
    err = open_existing(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &copy, diag);
    if (!err)
        err = copy_pages(db, copy);
    if (!err) {
        bytes = sqlite3_serialize(copy, "main", &size, 0);
        err = bytes ? WEFT_OK : WEFT_E_NOMEM;
    }
    sqlite3_close(copy);
    if (!err)
        err = wf_bytes_dup(wf_bytes(bytes, (size_t)size), ret);
    if (err)
        wf_diag_set(diag, 0, 0, "%s: %s", path, weft_err_text(err));
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
    if (!err) // closing does it as well, and does not tell
        err =
            wf_db_code(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
    if (err)
        wf_diag_set(diag, 0, 0, "%s: %s", path, sqlite3_errmsg(db));
    sqlite3_close(db);
    return err;
}
