// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>
#include <stdlib.h>

#include "node/agent/agents.h"
#include "registry/db_sqlite.h"

struct wf_agents_db {
    sqlite3 *db;
    sqlite3_stmt *put;
};

enum weft_err wf_agents_db_open(const char *path, struct wf_agents_db **ret, struct wf_diag *diag)
{
    static const char ddl[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA trusted_schema=OFF;"
        "CREATE TABLE IF NOT EXISTS agent(subject TEXT PRIMARY KEY, key BLOB NOT NULL, heard_ms "
        "INTEGER NOT NULL, expires_ms INTEGER NOT NULL, skew_ms INTEGER NOT NULL, started_ms "
        "INTEGER NOT NULL, batch_ms INTEGER NOT NULL, address TEXT NOT NULL, revoked INTEGER NOT "
        "NULL, cloned INTEGER NOT NULL, state BLOB NOT NULL, why TEXT NOT NULL, replaced_ms "
        "INTEGER "
        "NOT NULL, left_records INTEGER NOT NULL);"
        "PRAGMA user_version=2;";
    static const char put[] =
        "INSERT OR REPLACE INTO agent VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)";
    struct wf_agents_db *db = calloc(1, sizeof *db);

    if (!db)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_db_open(path, ddl, 2, &db->db, diag);
    if (!err) {
        err = wf_db_prepare(db->db, put, &db->put);
        if (err)
            wf_diag_set(diag, 0, 0, "%s: %s", path, sqlite3_errmsg(db->db));
    }
    if (err) {
        wf_agents_db_close(db);
        return err;
    }
    *ret = db;
    return WEFT_OK;
}

void wf_agents_db_close(struct wf_agents_db *db)
{
    if (!db)
        return;
    sqlite3_finalize(db->put);
    sqlite3_close(db->db);
    free(db);
}

// ---- reading ---------------------------------------------------------------------------------------------------------

static struct wf_bytes blob(sqlite3_stmt *st, int column)
{
    const void *ptr = sqlite3_column_blob(st, column);

    return wf_bytes(ptr, (size_t)sqlite3_column_bytes(st, column));
}

static enum weft_err take_row(sqlite3_stmt *st, struct wf_agent_row *row)
{
    struct wf_bytes key = blob(st, 1), state = blob(st, 10), address = blob(st, 7),
                    why = blob(st, 11);
    enum weft_err err = wf_name_from(blob(st, 0), &row->subject);

    if (!err && (key.len != WF_KEY_LEN || address.len >= sizeof row->address ||
                    why.len >= sizeof row->why || state.len > WF_AGENT_STATE_MAX))
        err = WEFT_E_DAMAGED;
    if (err)
        return err;
    memcpy(row->key.b, key.ptr, WF_KEY_LEN);
    if (address.len)
        memcpy(row->address, address.ptr, address.len);
    row->heard_unix_ms = sqlite3_column_int64(st, 2);
    row->certificate_expires_ms = sqlite3_column_int64(st, 3);
    row->skew_ms = sqlite3_column_int64(st, 4);
    row->started_ms = sqlite3_column_int64(st, 5);
    row->last_batch_unix_ms = sqlite3_column_int64(st, 6);
    row->revoked = sqlite3_column_int(st, 8) != 0;
    row->cloned = sqlite3_column_int(st, 9) != 0;
    if (why.len)
        memcpy(row->why, why.ptr, why.len);
    row->replaced_unix_ms = sqlite3_column_int64(st, 12);
    row->left_records = (uint64_t)sqlite3_column_int64(st, 13);
    return wf_bytes_dup(state, &row->state);
}

enum weft_err wf_agents_db_load(struct wf_agents_db *db, wf_agents_row_fn fn, void *arg)
{
    sqlite3_stmt *st = NULL;
    int rc = SQLITE_DONE;
    enum weft_err err = wf_db_prepare(db->db, "SELECT * FROM agent ORDER BY subject", &st);

    while (!err) {
        struct wf_agent_row row = { 0 };
        rc = sqlite3_step(st);
        if (rc != SQLITE_ROW)
            break;
        err = take_row(st, &row);
        if (!err)
            err = fn(arg, &row);
        if (err)
            wf_buf_fini(&row.state);
    }
    sqlite3_finalize(st);
    return err ? err : wf_db_code(rc);
}

// ---- writing ---------------------------------------------------------------------------------------------------------

enum weft_err wf_agents_db_begin(struct wf_agents_db *db)
{
    return wf_db_code(sqlite3_exec(db->db, "BEGIN", NULL, NULL, NULL));
}

enum weft_err wf_agents_db_commit(struct wf_agents_db *db)
{
    enum weft_err err = wf_db_code(sqlite3_exec(db->db, "COMMIT", NULL, NULL, NULL));

    if (err)
        sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

enum weft_err wf_agents_db_put(struct wf_agents_db *db, const struct wf_agent_row *row)
{
    sqlite3_stmt *st = db->put;

    sqlite3_bind_text(st, 1, row->subject.s, -1, SQLITE_STATIC);
    sqlite3_bind_blob(st, 2, row->key.b, WF_KEY_LEN, SQLITE_STATIC);
    sqlite3_bind_int64(st, 3, row->heard_unix_ms);
    sqlite3_bind_int64(st, 4, row->certificate_expires_ms);
    sqlite3_bind_int64(st, 5, row->skew_ms);
    sqlite3_bind_int64(st, 6, row->started_ms);
    sqlite3_bind_int64(st, 7, row->last_batch_unix_ms);
    sqlite3_bind_text(st, 8, row->address, -1, SQLITE_STATIC);
    sqlite3_bind_int(st, 9, row->revoked);
    sqlite3_bind_int(st, 10, row->cloned);
    sqlite3_bind_blob(st, 11, row->state.ptr ? row->state.ptr : (const void *)"",
        (int)row->state.len, SQLITE_STATIC);
    sqlite3_bind_text(st, 12, row->why, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 13, row->replaced_unix_ms);
    sqlite3_bind_int64(st, 14, (sqlite3_int64)row->left_records);
    enum weft_err err = wf_db_code(sqlite3_step(st));
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return err;
}
