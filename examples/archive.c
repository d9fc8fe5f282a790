// SPDX-License-Identifier: Apache-2.0
#include "archive.h"

#include <stdlib.h>
#include <string.h>

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS record(position INTEGER, op INTEGER, time_us INTEGER, json TEXT);"
    "CREATE TABLE IF NOT EXISTS cursor(key BLOB PRIMARY KEY, value BLOB)";

static bool prepare(struct archive *a, const char *sql, sqlite3_stmt **ret)
{
    return sqlite3_prepare_v2(a->db, sql, -1, ret, NULL) == SQLITE_OK;
}

// Runs a statement to its end with what is bound to it.
static bool run(sqlite3_stmt *s)
{
    bool done = sqlite3_step(s) == SQLITE_DONE;

    return sqlite3_reset(s) == SQLITE_OK && done;
}

// A column's bytes, which SQLite lends only until its next step.
static void *keep(sqlite3_stmt *s, int column, size_t *ret_len)
{
    const void *lent = sqlite3_column_blob(s, column);
    size_t len = (size_t)sqlite3_column_bytes(s, column);
    void *copy = malloc(len + 1);

    *ret_len = copy ? len : 0;
    return copy && len ? memcpy(copy, lent, len) : copy;
}

static bool load_cursor(struct archive *a)
{
    sqlite3_stmt *all = NULL;
    bool ok = prepare(a, "SELECT key, value, count(*) OVER () FROM cursor", &all);

    while (ok && sqlite3_step(all) == SQLITE_ROW) {
        if (!a->cursor)
            a->cursor = calloc((size_t)sqlite3_column_int64(all, 2), sizeof *a->cursor);
        if (!a->cursor)
            break;
        struct weft_cursor_row *row = &a->cursor[a->cursor_count++];
        row->key = keep(all, 0, &row->key_len);
        row->value = keep(all, 1, &row->value_len);
        ok = row->key && row->value;
    }
    return sqlite3_finalize(all) == SQLITE_OK && ok;
}

bool archive_open(struct archive *a, const char *path)
{
    *a = (struct archive){ 0 };
    return sqlite3_open(path, &a->db) == SQLITE_OK &&
           sqlite3_busy_timeout(a->db, 5000) == SQLITE_OK && // somebody may look at it meanwhile
           sqlite3_exec(a->db, tables, NULL, NULL, NULL) == SQLITE_OK &&
           prepare(a, "INSERT INTO record VALUES (?, ?, ?, ?)", &a->record) &&
           prepare(a, "REPLACE INTO cursor VALUES (?, ?)", &a->place) && load_cursor(a);
}

void archive_close(struct archive *a)
{
    for (size_t i = 0; i < a->cursor_count; i++) {
        free((void *)a->cursor[i].key);
        free((void *)a->cursor[i].value);
    }
    free(a->cursor);
    sqlite3_finalize(a->record);
    sqlite3_finalize(a->place);
    sqlite3_close(a->db);
}

const char *archive_error(const struct archive *a)
{
    return sqlite3_errmsg(a->db);
}

static bool store_record(
    struct archive *a, const struct weft_product *product, const struct weft_record *r)
{
    char *json = NULL;

    // The marks around an inventory's snapshot carry no record.
    if (r->op <= WEFT_DELETE && weft_record_json(product, r, &json))
        return false;
    sqlite3_bind_int64(a->record, 1, (int64_t)r->offset);
    sqlite3_bind_int(a->record, 2, (int)r->op);
    sqlite3_bind_int64(a->record, 3, r->time_us);
    sqlite3_bind_text(a->record, 4, json, -1, free);
    return run(a->record);
}

bool archive_store(
    struct archive *a, const struct weft_product *product, const struct weft_event *event)
{
    bool ok = sqlite3_exec(a->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;

    for (size_t i = 0; ok && i < event->record_count; i++)
        ok = store_record(a, product, &event->records[i]);
    for (size_t i = 0; ok && i < event->cursor_count; i++) {
        const struct weft_cursor_row *row = &event->cursor[i];
        sqlite3_bind_blob(a->place, 1, row->key, (int)row->key_len, SQLITE_STATIC);
        sqlite3_bind_blob(a->place, 2, row->value, (int)row->value_len, SQLITE_STATIC);
        ok = run(a->place);
    }
    return ok && sqlite3_exec(a->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}
