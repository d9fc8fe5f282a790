// SPDX-License-Identifier: Apache-2.0
#include "registry/db_sqlite.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

enum weft_err wf_db_code(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return WEFT_OK;
    case SQLITE_NOMEM:
        return WEFT_E_NOMEM;
    case SQLITE_FULL:
        return WEFT_E_NOSPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return WEFT_E_DAMAGED;
    case SQLITE_CONSTRAINT:
        return WEFT_E_EXISTS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return WEFT_E_IN_USE;
    default:
        return WEFT_E_IO;
    }
}

enum weft_err wf_db_prepare(struct sqlite3 *db, const char *sql, struct sqlite3_stmt **ret)
{
    return wf_db_code(sqlite3_prepare_v2(db, sql, -1, ret, NULL));
}

enum weft_err wf_db_run(struct sqlite3_stmt *st)
{
    enum weft_err err = wf_db_code(sqlite3_step(st));

    sqlite3_finalize(st);
    return err;
}

static enum weft_err check_version(sqlite3 *db, const char *path, int want, struct wf_diag *diag)
{
    sqlite3_stmt *st = NULL;
    int version = -1;
    enum weft_err err = wf_db_prepare(db, "PRAGMA user_version", &st);

    int rc = err ? SQLITE_DONE : sqlite3_step(st);
    if (rc == SQLITE_ROW)
        version = sqlite3_column_int(st, 0);
    else if (!err)
        err = wf_db_code(rc);
    sqlite3_finalize(st);
    if (err)
        return err;
    if (version == 0 || version == want) // 0: a fresh file
        return WEFT_OK;
    wf_diag_set(diag, 0, 0,
        "%s: its format is %d, this weft's is %d: another version of weft wrote it; start that "
        "version here, or restore a backup that this one made",
        path, version, want);
    return WEFT_E_VERSION;
}

// A page that is damaged shows at the first row that lies on it, or as an answer that lacks one: better at the start.
static enum weft_err check_pages(sqlite3 *db, const char *path, struct wf_diag *diag)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_db_prepare(db, "PRAGMA quick_check(1)", &st);
    int rc = err ? SQLITE_DONE : sqlite3_step(st);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;

    if (!err && rc != SQLITE_ROW)
        err = wf_db_code(rc);
    else if (!err && !text)
        err = WEFT_E_NOMEM;
    if (!err && strcmp(text, "ok") != 0) {
        wf_diag_set(diag, 0, 0, "%s: %s", path, text);
        err = WEFT_E_DAMAGED;
    } else if (err) {
        wf_diag_set(diag, 0, 0, "%s: %s", path, sqlite3_errmsg(db));
    }
    sqlite3_finalize(st);
    return err;
}

enum weft_err wf_db_open(
    const char *path, const char *ddl, int version, struct sqlite3 **ret, struct wf_diag *diag)
{
    sqlite3 *db = NULL;
    mode_t before = umask(077);
    enum weft_err err = wf_db_code(sqlite3_open_v2(
        path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, NULL));

    umask(before);
    if (!err)
        err = check_version(db, path, version, diag);
    if (!err)
        err = wf_db_code(sqlite3_exec(db, ddl, NULL, NULL, NULL));
    if (err && err != WEFT_E_VERSION)
        wf_diag_set(diag, 0, 0, "%s: %s", path, db ? sqlite3_errmsg(db) : weft_err_text(err));
    if (!err)
        err = check_pages(db, path, diag);
    if (err) {
        sqlite3_close(db);
        return err;
    }
    *ret = db;
    return WEFT_OK;
}
