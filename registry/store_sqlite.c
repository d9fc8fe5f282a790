// SPDX-License-Identifier: Apache-2.0
// The registry's file. One connection writes and checkpoints; no second process opens it. The documents verify themselves, so
// damage that SQLite does not notice still never becomes an answer.
#include <sqlite3.h>
#include <stdlib.h>

#include "registry/db_sqlite.h"
#include "registry/store.h"

#define SCHEMA_VERSION 1

struct sqlite_store {
    struct wf_store base;
    sqlite3 *db;
    sqlite3_stmt *put, *remove, *keys, *get;
};

// Runs a prepared statement to its end and resets it.
static enum weft_err finish(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return wf_db_code(rc);
}

static void bind_key(
    sqlite3_stmt *st, enum wf_entry_kind kind, const char *domain, const char *name)
{
    sqlite3_bind_int(st, 1, (int)kind);
    sqlite3_bind_text(st, 2, domain, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 3, name, -1, SQLITE_STATIC);
}

static enum weft_err sq_put(struct wf_store *s, const struct wf_store_row *row)
{
    struct sqlite_store *q = (struct sqlite_store *)s;

    bind_key(q->put, row->kind, row->domain.s, row->name.s);
    sqlite3_bind_blob(q->put, 4, row->id.b, WF_HASH_LEN, SQLITE_STATIC);
    sqlite3_bind_int64(q->put, 5, row->expires_ms);
    sqlite3_bind_blob64(q->put, 6, row->raw.ptr, row->raw.len, SQLITE_STATIC);
    return finish(q->put);
}

static enum weft_err sq_remove(
    struct wf_store *s, enum wf_entry_kind kind, const char *domain, const char *name)
{
    struct sqlite_store *q = (struct sqlite_store *)s;

    bind_key(q->remove, kind, domain, name);
    return finish(q->remove);
}

static enum weft_err visit_row(
    struct sqlite_store *q, int64_t rowid, wf_store_visit_fn visit, void *arg)
{
    struct wf_store_row row = { 0 };
    struct wf_buf raw = { 0 };
    enum weft_err err = WEFT_E_DAMAGED;

    sqlite3_bind_int64(q->get, 1, rowid);
    int rc = sqlite3_step(q->get);
    if (rc != SQLITE_ROW) {
        sqlite3_reset(q->get);
        return rc == SQLITE_DONE ? WEFT_OK : wf_db_code(rc);
    }
    const char *domain = (const char *)sqlite3_column_text(q->get, 1),
               *name = (const char *)sqlite3_column_text(q->get, 2);
    row.kind = (enum wf_entry_kind)sqlite3_column_int(q->get, 0);
    row.expires_ms = sqlite3_column_int64(q->get, 4);
    const void *blob = sqlite3_column_blob(q->get, 5);
    struct wf_bytes view = wf_bytes(blob, (size_t)sqlite3_column_bytes(q->get, 5));
    bool named = domain && name && !wf_name_from(wf_bytes_str(domain), &row.domain) &&
                 (!name[0] || !wf_name_from(wf_bytes_str(name), &row.name));
    if (named &&
        !wf_hash_from(
            wf_bytes(sqlite3_column_blob(q->get, 3), (size_t)sqlite3_column_bytes(q->get, 3)),
            &row.id) &&
        view.len <= WF_MAX_ENVELOPE)
        err = wf_bytes_dup(view, &raw);
    sqlite3_reset(q->get);
    row.raw = wf_buf_view(&raw);
    if (!err)
        err = visit(arg, &row);
    wf_buf_fini(&raw);
    return err == WEFT_E_DAMAGED ? WEFT_OK
                                 : err; // a row that can't be read is a document that is not there
}

// The keys first: visiting may write to the table that is being read.
static enum weft_err sq_load(struct wf_store *s, wf_store_visit_fn visit, void *arg)
{
    struct sqlite_store *q = (struct sqlite_store *)s;
    struct wf_buf ids = { 0 };
    enum weft_err err = WEFT_OK;
    int rc = sqlite3_step(q->keys);

    for (; rc == SQLITE_ROW && !err; rc = sqlite3_step(q->keys)) {
        int64_t id = sqlite3_column_int64(q->keys, 0);
        err = wf_buf_append(&ids, wf_bytes(&id, sizeof id));
    }
    sqlite3_reset(q->keys);
    if (!err && rc != SQLITE_DONE)
        err = wf_db_code(rc);
    for (size_t at = 0; at < ids.len && !err; at += sizeof(int64_t)) {
        int64_t id;
        memcpy(&id, ids.ptr + at, sizeof id);
        err = visit_row(q, id, visit, arg);
    }
    wf_buf_fini(&ids);
    return err;
}

static enum weft_err sq_begin(struct wf_store *s)
{
    struct sqlite_store *q = (struct sqlite_store *)s;

    return wf_db_code(sqlite3_exec(q->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
}

// An error that SQLite took the transaction back for (a full disk) fails here, too.
static enum weft_err sq_commit(struct wf_store *s)
{
    struct sqlite_store *q = (struct sqlite_store *)s;
    enum weft_err err = wf_db_code(sqlite3_exec(q->db, "COMMIT", NULL, NULL, NULL));

    if (err && !sqlite3_get_autocommit(q->db))
        (void)sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

static void sq_free(struct wf_store *s)
{
    struct sqlite_store *q = (struct sqlite_store *)s;

    sqlite3_finalize(q->put);
    sqlite3_finalize(q->remove);
    sqlite3_finalize(q->keys);
    sqlite3_finalize(q->get);
    sqlite3_close(q->db);
    free(q);
}

static const struct wf_store_ops sqlite_ops = { sq_load, sq_put, sq_remove, sq_begin, sq_commit,
    sq_free };

static enum weft_err prepare_all(struct sqlite_store *q)
{
    static const struct {
        const char *sql;
        size_t at;
    } statements[] = {
        { "INSERT INTO entry(kind,domain,name,id,expires_ms,raw) VALUES(?1,?2,?3,?4,?5,?6) ON "
          "CONFLICT(kind,domain,name)"
          " DO UPDATE SET id=excluded.id, expires_ms=excluded.expires_ms, raw=excluded.raw",
            offsetof(struct sqlite_store, put) },
        { "DELETE FROM entry WHERE kind=?1 AND domain=?2 AND name=?3",
            offsetof(struct sqlite_store, remove) },
        { "SELECT rowid FROM entry", offsetof(struct sqlite_store, keys) },
        { "SELECT kind,domain,name,id,expires_ms,raw FROM entry WHERE rowid=?1",
            offsetof(struct sqlite_store, get) },
    };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < WF_COUNT(statements) && !err; i++)
        err = wf_db_prepare(
            q->db, statements[i].sql, (sqlite3_stmt **)(void *)((char *)q + statements[i].at));
    return err;
}

enum weft_err wf_store_sqlite_open(const char *path, struct wf_store **ret, struct wf_diag *diag)
{
    static const char ddl[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF;"
        "CREATE TABLE IF NOT EXISTS entry(kind INTEGER NOT NULL, domain TEXT NOT NULL, name TEXT "
        "NOT NULL,"
        " id BLOB NOT NULL, expires_ms INTEGER NOT NULL, raw BLOB NOT NULL, UNIQUE(kind, domain, "
        "name));"
        "PRAGMA user_version=1;";
    struct sqlite_store *q = calloc(1, sizeof *q);

    if (!q)
        return WEFT_E_NOMEM;
    q->base.ops = &sqlite_ops;
    enum weft_err err = wf_db_open(path, ddl, SCHEMA_VERSION, &q->db, diag);
    if (err) {
        sq_free(&q->base);
        return err;
    }
    err = prepare_all(q);
    if (err) {
        wf_diag_set(diag, 0, 0, "%s: %s", path, sqlite3_errmsg(q->db));
        sq_free(&q->base);
        return err;
    }
    *ret = &q->base;
    return WEFT_OK;
}
