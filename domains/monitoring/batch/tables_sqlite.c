// SPDX-License-Identifier: Apache-2.0
// Products in the database: their names, counts, tables and columns.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/store_sqlite.h"

#define MAX_CHOICES 1000u // for a name that is taken

void wf_mon_sqlite_plan_fini(struct wf_mon_plan *p)
{
    wf_mon_shape_fini(&p->shape);
    sqlite3_finalize(p->insert);
    *p = (struct wf_mon_plan){ 0 };
}

// ---- the product's entry -----------------------------------------------------------------------------------------------

static enum weft_err read_name(struct wf_mon_store *s, struct wf_mon_table *t)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_TABLE_GET, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    int rc = sqlite3_step(st);
    snprintf(t->name, sizeof t->name, "%s", rc == SQLITE_ROW ? wf_mon_column_text(st, 0) : "");
    sqlite3_reset(st);
    return wf_mon_sqlite_err(s, rc, "table");
}

// The first free choice; the UNIQUE of _table decides.
static enum weft_err choose_name(struct wf_mon_store *s, struct wf_mon_table *t)
{
    char base[WF_MON_NAME], name[WF_MON_NAME];
    sqlite3_stmt *st;
    enum weft_err err = read_name(s, t);

    wf_mon_table_name(t->product, base);
    for (unsigned n = 1; !err && !t->name[0] && n <= MAX_CHOICES; n++) {
        err = wf_mon_sqlite_get(s, WF_MON_SQL_TABLE_ADD, &st);
        if (err)
            break;
        wf_mon_numbered(base, n, name);
        wf_mon_bind_text(st, 1, t->product);
        wf_mon_bind_text(st, 2, name);
        err = wf_mon_sqlite_run(s, st, "table");
        if (!err && sqlite3_changes(wf_mon_sqlite(s)->db) == 1)
            snprintf(t->name, sizeof t->name, "%s", name);
    }
    return err;
}

static enum weft_err read_counts(struct wf_mon_store *s, struct wf_mon_table *t)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_STATUS_ADD, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    err = wf_mon_sqlite_run(s, st, "status");
    if (!err)
        err = wf_mon_sqlite_get(s, WF_MON_SQL_COUNTS_GET, &st);
    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        uint64_t *const counts[] = { &t->records, &t->batches, &t->live, &t->repaired, &t->pulled,
            &t->history, &t->lost };
        for (int i = 0; i < 7; i++)
            *counts[i] = (uint64_t)sqlite3_column_int64(st, i);
        t->last_time_us = sqlite3_column_int64(st, 7);
        t->last_append_ms = sqlite3_column_int64(st, 8);
        t->last_received_ms = sqlite3_column_int64(st, 9);
        t->said.since_ms = sqlite3_column_int64(st, 10);
        snprintf(t->said.why, sizeof t->said.why, "%s", wf_mon_column_text(st, 11));
        snprintf(t->said.cause, sizeof t->said.cause, "%s", wf_mon_column_text(st, 12));
        snprintf(t->said.past, sizeof t->said.past, "%s", wf_mon_column_text(st, 13));
    }
    sqlite3_reset(st);
    return wf_mon_sqlite_err(s, rc, "status");
}

enum weft_err wf_mon_sqlite_load(struct wf_mon_store *s, struct wf_mon_table *t)
{
    enum weft_err err = choose_name(s, t);

    return err ? err : read_counts(s, t);
}

enum weft_err wf_mon_sqlite_flush(struct wf_mon_store *s)
{
    for (struct wf_mon_table *t = s->tables; t; t = t->next) {
        sqlite3_stmt *st;
        if (!t->dirty)
            continue;
        enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_COUNTS_SET, &st);
        if (err)
            return err;
        wf_mon_bind_text(st, 1, t->product);
        const uint64_t counts[] = { t->records, t->batches, t->live, t->repaired, t->pulled,
            t->history, t->lost };
        for (int i = 0; i < 7; i++)
            sqlite3_bind_int64(st, 2 + i, (sqlite3_int64)counts[i]);
        sqlite3_bind_int64(st, 9, t->last_time_us);
        sqlite3_bind_int64(st, 10, t->last_append_ms);
        sqlite3_bind_int64(st, 11, t->last_received_ms);
        err = wf_mon_sqlite_run(s, st, "status");
        if (err)
            return err;
        t->dirty = false;
    }
    return WEFT_OK;
}

// ---- the shape of a table ----------------------------------------------------------------------------------------------

static enum weft_err exec_str(struct wf_mon_store *s, sqlite3_str *text, const char *doing)
{
    char *sql = sqlite3_str_finish(text);

    if (!sql)
        return wf_mon_store_nomem(s);
    enum weft_err err = wf_mon_sqlite_exec(s, sql, doing);
    sqlite3_free(sql);
    return err;
}

static enum weft_err make_table(struct wf_mon_store *s, const struct wf_mon_table *t)
{
    sqlite3_str *text = sqlite3_str_new(wf_mon_sqlite(s)->db);

    sqlite3_str_appendf(text,
        "CREATE TABLE IF NOT EXISTS \"%w\"(_time INTEGER, _received INTEGER, _domain TEXT, _origin "
        "TEXT, _offset INTEGER, _batch INTEGER, _op TEXT);"
        "CREATE UNIQUE INDEX IF NOT EXISTS \"_row_%w\" ON \"%w\"(_batch, _offset);"
        "CREATE INDEX IF NOT EXISTS \"_time_%w\" ON \"%w\"(_time)",
        t->name, t->name, t->name, t->name, t->name);
    return exec_str(s, text, "make table");
}

static enum weft_err find_column(struct wf_mon_store *s, const struct wf_mon_table *t,
    const struct weft_field *f, char ret[WF_MON_NAME])
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_COLUMN_GET, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->name);
    wf_mon_bind_text(st, 2, f->name);
    wf_mon_bind_text(st, 3, wf_mon_type_name(f->type));
    int rc = sqlite3_step(st);
    snprintf(ret, WF_MON_NAME, "%s", rc == SQLITE_ROW ? wf_mon_column_text(st, 0) : "");
    sqlite3_reset(st);
    return wf_mon_sqlite_err(s, rc, "column");
}

static enum weft_err claim_column(struct wf_mon_store *s, const struct wf_mon_table *t,
    const struct weft_field *f, const char *name, bool *ret_done)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_COLUMN_ADD, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->name);
    wf_mon_bind_text(st, 2, name);
    wf_mon_bind_text(st, 3, f->name);
    sqlite3_bind_int64(st, 4, f->number);
    wf_mon_bind_text(st, 5, wf_mon_type_name(f->type));
    wf_mon_bind_text(st, 6, f->unit ? f->unit : "");
    wf_mon_bind_text(st, 7, wf_mon_role_name(f->role));
    sqlite3_bind_int(st, 8, f->key);
    wf_mon_bind_text(st, 9, f->description ? f->description : "");
    err = wf_mon_sqlite_run(s, st, "column");
    *ret_done = !err && sqlite3_changes(wf_mon_sqlite(s)->db) == 1;
    return err;
}

// A field has a column for each type it ever had: what was stored keeps its type.
static enum weft_err ensure_column(struct wf_mon_store *s, const struct wf_mon_table *t,
    const struct weft_field *f, char ret[WF_MON_NAME])
{
    char base[WF_MON_NAME];
    bool done = false;
    enum weft_err err = find_column(s, t, f, ret);

    if (err || ret[0])
        return err;
    wf_mon_column_name(f->name, base);
    for (unsigned n = 1; !err && !done && n <= MAX_CHOICES; n++) {
        wf_mon_numbered(base, n, ret);
        err = claim_column(s, t, f, ret, &done);
    }
    if (err)
        return err;
    sqlite3_str *text = sqlite3_str_new(wf_mon_sqlite(s)->db);
    sqlite3_str_appendf(
        text, "ALTER TABLE \"%w\" ADD COLUMN \"%w\" %s", t->name, ret, wf_mon_sql_type(f->type));
    return exec_str(s, text, "add column");
}

static enum weft_err make_insert(struct wf_mon_store *s, const struct wf_mon_table *t,
    const struct weft_product *p, sqlite3_stmt **ret)
{
    size_t count = weft_product_field_count(p);
    char column[WF_MON_NAME];
    enum weft_err err = WEFT_OK;
    sqlite3_str *text = sqlite3_str_new(wf_mon_sqlite(s)->db);

    sqlite3_str_appendf(text,
        "INSERT INTO \"%w\"(_time, _received, _domain, _origin, _offset, _batch, _op", t->name);
    for (size_t i = 0; i < count && !err; i++) {
        err = ensure_column(s, t, weft_product_field(p, i), column);
        sqlite3_str_appendf(text, ", \"%w\"", column);
    }
    sqlite3_str_appendall(text, ") VALUES(?, ?, ?, ?, ?, ?, ?");
    for (size_t i = 0; i < count; i++)
        sqlite3_str_appendall(text, ", ?");
    sqlite3_str_appendall(text, ")");
    char *sql = sqlite3_str_finish(text);
    if (!err && !sql)
        err = wf_mon_store_nomem(s);
    if (!err)
        err = wf_mon_sqlite_err(s,
            sqlite3_prepare_v3(wf_mon_sqlite(s)->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL),
            "insert");
    sqlite3_free(sql);
    return err;
}

static enum weft_err bind_schema(struct wf_mon_store *s, enum wf_mon_sql which,
    const struct wf_mon_plan *plan, const struct weft_product *p, sqlite3_stmt **ret)
{
    const void *set;
    size_t len;
    enum weft_err err = wf_mon_sqlite_get(s, which, ret);

    if (err)
        return err;
    weft_product_descriptor(p, &set, &len);
    wf_mon_bind_text(*ret, 1, plan->shape.hash);
    wf_mon_bind_text(*ret, 2, plan->shape.message);
    wf_mon_bind_text(*ret, 3, plan->shape.keys);
    wf_mon_bind_blob(*ret, 4, set, len);
    return WEFT_OK;
}

static enum weft_err keep_schema(
    struct wf_mon_store *s, struct wf_mon_plan *plan, const struct weft_product *p)
{
    sqlite3_stmt *st;
    enum weft_err err = bind_schema(s, WF_MON_SQL_SCHEMA_GET, plan, p, &st);

    if (err)
        return err;
    int rc = sqlite3_step(st);
    plan->schema_id = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_reset(st);
    err = wf_mon_sqlite_err(s, rc, "schema");
    if (err || plan->schema_id)
        return err;
    err = bind_schema(s, WF_MON_SQL_SCHEMA_ADD, plan, p, &st);
    if (!err)
        err = wf_mon_sqlite_run(s, st, "schema");
    if (!err)
        plan->schema_id = sqlite3_last_insert_rowid(wf_mon_sqlite(s)->db);
    return err;
}

enum weft_err wf_mon_sqlite_shape(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_product *p)
{
    if (weft_product_field_count(p) > WF_MON_MAX_FIELD) {
        snprintf(s->problem, sizeof s->problem, "%s: %zu fields; a table has at most %u columns",
            t->product, weft_product_field_count(p), WF_MON_MAX_FIELD);
        return WEFT_E_TOO_BIG;
    }
    char *keys = wf_mon_keys(p);
    if (!keys)
        return wf_mon_store_nomem(s);
    if (t->plan->insert && wf_mon_shape_is(&t->plan->shape, p, keys)) {
        free(keys);
        return WEFT_OK;
    }
    wf_mon_sqlite_plan_fini(t->plan);
    enum weft_err err = wf_mon_shape_take(s, &t->plan->shape, p, keys);
    if (!err)
        err = make_table(s, t);
    if (!err)
        err = keep_schema(s, t->plan, p);
    if (!err)
        err = make_insert(s, t, p, &t->plan->insert);
    if (err)
        wf_mon_sqlite_plan_fini(t->plan);
    return err;
}
