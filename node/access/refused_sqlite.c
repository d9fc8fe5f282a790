// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/access/refused.h"
#include "registry/db_sqlite.h"

struct wf_refused_db {
    sqlite3 *db;
    sqlite3_stmt *clear, *put;
};

enum weft_err wf_refused_db_open(const char *path, struct wf_refused_db **ret, struct wf_diag *diag)
{
    // What a crash takes of it is still in the trail.
    static const char ddl[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA trusted_schema=OFF;"
        "CREATE TABLE IF NOT EXISTS refused(domain TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT "
        "NULL, sender TEXT NOT NULL, audit_id TEXT NOT NULL, code INTEGER NOT NULL, count INTEGER "
        "NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL);"
        "CREATE INDEX IF NOT EXISTS refused_domain ON refused(domain);"
        "PRAGMA user_version=1;";
    struct wf_refused_db *db = calloc(1, sizeof *db);

    if (!db)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_db_open(path, ddl, 1, &db->db, diag);
    if (!err)
        err = wf_db_prepare(db->db, "DELETE FROM refused WHERE domain=?1", &db->clear);
    if (!err)
        err = wf_db_prepare(
            db->db, "INSERT INTO refused VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)", &db->put);
    if (err) {
        wf_refused_db_close(db);
        return err;
    }
    *ret = db;
    return WEFT_OK;
}

void wf_refused_db_close(struct wf_refused_db *db)
{
    if (!db)
        return;
    sqlite3_finalize(db->clear);
    sqlite3_finalize(db->put);
    sqlite3_close(db->db);
    free(db);
}

static void take_text(sqlite3_stmt *st, int column, char *out, size_t cap)
{
    const unsigned char *text = sqlite3_column_text(st, column);

    snprintf(out, cap, "%s", text ? (const char *)text : "");
}

enum weft_err wf_refused_db_load(struct wf_refused_db *db, wf_refused_fn fn, void *arg)
{
    sqlite3_stmt *st = NULL;
    int rc;
    enum weft_err err = wf_db_prepare(db->db,
        "SELECT who,what,sender,audit_id,code,count,first_ms,last_ms FROM refused ORDER BY last_ms",
        &st);

    if (err)
        return err;
    for (rc = sqlite3_step(st); rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        struct wf_refused_row row = { .code = (uint32_t)sqlite3_column_int64(st, 4),
            .count = (uint64_t)sqlite3_column_int64(st, 5),
            .first_ms = sqlite3_column_int64(st, 6),
            .last_ms = sqlite3_column_int64(st, 7) };
        take_text(st, 0, row.who, sizeof row.who);
        take_text(st, 1, row.what, sizeof row.what);
        take_text(st, 2, row.from, sizeof row.from);
        take_text(st, 3, row.audit_id, sizeof row.audit_id);
        fn(arg, &row);
    }
    sqlite3_finalize(st);
    return wf_db_code(rc);
}

static enum weft_err put_row(
    struct wf_refused_db *db, const char *domain, const struct wf_refused_row *row)
{
    const char *texts[] = { domain, row->who, row->what, row->from, row->audit_id };
    const int64_t numbers[] = { row->code, (int64_t)row->count, row->first_ms, row->last_ms };

    for (int i = 0; i < (int)WF_COUNT(texts); i++)
        sqlite3_bind_text(db->put, 1 + i, texts[i], -1, SQLITE_STATIC);
    for (int i = 0; i < (int)WF_COUNT(numbers); i++)
        sqlite3_bind_int64(db->put, 6 + i, numbers[i]);
    enum weft_err err = wf_db_code(sqlite3_step(db->put));
    sqlite3_reset(db->put);
    return err;
}

enum weft_err wf_refused_db_put(struct wf_refused_db *db, const char *domain,
    const struct wf_refused_row *rows, size_t count, const struct wf_refused_row *rest)
{
    enum weft_err err = wf_db_code(sqlite3_exec(db->db, "BEGIN", NULL, NULL, NULL));

    if (err)
        return err;
    sqlite3_bind_text(db->clear, 1, domain, -1, SQLITE_STATIC);
    err = wf_db_code(sqlite3_step(db->clear));
    sqlite3_reset(db->clear);
    for (size_t i = 0; i < count && !err; i++)
        err = put_row(db, domain, &rows[i]);
    if (!err && rest)
        err = put_row(db, domain, rest);
    if (!err)
        err = wf_db_code(sqlite3_exec(db->db, "COMMIT", NULL, NULL, NULL));
    if (err)
        sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}
