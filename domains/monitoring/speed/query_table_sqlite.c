// SPDX-License-Identifier: Apache-2.0
// The tables of the database in memory: columns, records that come and go. See query.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "domains/monitoring/speed/query_sqlite.h"

enum fixed { TIME = 1, RECEIVED, DOMAIN_, ORIGIN, OFFSET, OP, KEY }; // places in an insert

void wf_query_base(unsigned number, char ret[WF_QUERY_BASE])
{
    snprintf(ret, WF_QUERY_BASE, "_weft_%u", number);
}

static enum weft_err exec_base(struct wf_query *q, const struct wf_query_table *t, const char *sql)
{
    char base[WF_QUERY_BASE];

    wf_query_base(t->number, base);
    return wf_query_exec(q, sqlite3_mprintf(sql, base, base, base));
}

enum weft_err wf_query_table_new(
    struct wf_query *q, const char *product, bool current, struct wf_query_table **ret)
{
    struct wf_query_table *t = calloc(1, sizeof *t);

    if (!t)
        return WEFT_E_NOMEM;
    t->number = ++q->numbers;
    t->current = current;
    snprintf(t->product, sizeof t->product, "%s", product);
    enum weft_err err = exec_base(q, t,
        current ? "CREATE TABLE main.%s(_key BLOB PRIMARY KEY, _offset INTEGER, _time INTEGER, "
                  "_received INTEGER, _domain TEXT, _origin TEXT, _op TEXT)"
                : "CREATE TABLE main.%s(_offset INTEGER PRIMARY KEY, _time INTEGER, _received "
                  "INTEGER, _domain TEXT, _origin TEXT, _op TEXT);"
                  "CREATE INDEX main._time%s ON %s(_time)");
    if (err) {
        free(t);
        return err;
    }
    t->next = q->tables;
    q->tables = t;
    *ret = t;
    return WEFT_OK;
}

static void forget_fields(struct wf_query_table *t)
{
    sqlite3_finalize(t->insert);
    t->insert = NULL;
    free(t->column_of);
    free(t->is_key);
    t->column_of = NULL;
    t->is_key = NULL;
    t->field_count = 0;
}

void wf_query_table_free(struct wf_query *q, struct wf_query_table *t)
{
    struct wf_query_table **at = &q->tables;

    if (!t)
        return;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    forget_fields(t);
    enum weft_err err = exec_base(q, t, "DROP TABLE main.%s");
    (void)err; // its pages are lost to other tables, and nothing else
    free(t->columns);
    free(t);
}

// ---- columns ------------------------------------------------------------------------------------------------------------------

static bool has_column(const struct wf_query_table *t, const char *name)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (strcasecmp(t->columns[i].name, name) == 0)
            return true;
    return false;
}

// A field has a column for each type it ever had, as in the batch layer.
static enum weft_err column_of(
    struct wf_query *q, struct wf_query_table *t, const struct wf_query_field *f, size_t *ret)
{
    const char *type = f->type ? f->type : "";
    char base[WF_MON_NAME], table[WF_QUERY_BASE];

    for (size_t i = 0; i < t->column_count; i++) {
        if (strcmp(t->columns[i].field, f->name) == 0 && strcmp(t->columns[i].type, type) == 0) {
            *ret = i;
            return WEFT_OK;
        }
    }
    if (t->column_count == WF_QUERY_FIELDS)
        return WEFT_E_TOO_BIG;
    struct wf_query_column *more = realloc(t->columns, (t->column_count + 1) * sizeof *t->columns);
    if (!more)
        return WEFT_E_NOMEM;
    t->columns = more;
    struct wf_query_column *c = &more[t->column_count];
    wf_mon_column_name(f->name, base);
    snprintf(c->field, sizeof c->field, "%s", f->name);
    c->type = type;
    unsigned n = 1;
    do
        wf_mon_numbered(base, n, c->name);
    while (has_column(t, c->name) && n++ < WF_QUERY_FIELDS);
    wf_query_base(t->number, table);
    enum weft_err err = wf_query_exec(
        q, sqlite3_mprintf("ALTER TABLE main.%s ADD COLUMN \"%w\" %s", table, c->name, type));
    if (!err)
        *ret = t->column_count++;
    return err;
}

static enum weft_err make_insert(struct wf_query *q, struct wf_query_table *t)
{
    char base[WF_QUERY_BASE];
    sqlite3_str *text = sqlite3_str_new(q->db);

    wf_query_base(t->number, base);
    sqlite3_str_appendf(text,
        "INSERT INTO main.%s(_time, _received, _domain, _origin, _offset, _op%s", base,
        t->current ? ", _key" : "");
    for (size_t i = 0; i < t->field_count; i++)
        sqlite3_str_appendf(text, ", \"%w\"", t->columns[t->column_of[i]].name);
    sqlite3_str_appendf(text, ") VALUES(?, ?, ?, ?, ?, ?%s", t->current ? ", ?" : "");
    for (size_t i = 0; i < t->field_count; i++)
        sqlite3_str_appendall(text, ", ?");
    sqlite3_str_appendall(text, ")");
    char *sql = sqlite3_str_finish(text);
    if (!sql)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_query_err(
        q, sqlite3_prepare_v3(q->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &t->insert, NULL));
    sqlite3_free(sql);
    return err;
}

enum weft_err wf_query_table_fields(
    struct wf_query *q, struct wf_query_table *t, const struct wf_query_field *fields, size_t count)
{
    forget_fields(t);
    if (count > WF_QUERY_FIELDS)
        return WEFT_E_TOO_BIG;
    t->column_of = calloc(count + 1, sizeof *t->column_of);
    t->is_key = calloc(count + 1, sizeof *t->is_key);
    enum weft_err err = t->column_of && t->is_key ? WEFT_OK : WEFT_E_NOMEM;
    for (size_t i = 0; i < count && !err; i++) {
        err = column_of(q, t, &fields[i], &t->column_of[i]);
        t->is_key[i] = fields[i].key;
    }
    if (!err) {
        t->field_count = count;
        err = make_insert(q, t);
    }
    if (err)
        forget_fields(t);
    return err;
}

// ---- records ------------------------------------------------------------------------------------------------------------------

// Origin and key fields, each with class and length: equal bytes are the same row. NULL without memory.
static char *key_of(struct wf_query *q, const struct wf_query_table *t,
    const struct wf_query_row *row, int *ret_len, enum weft_err *ret_err)
{
    sqlite3_str *text = sqlite3_str_new(q->db);

    sqlite3_str_append(text, row->origin, (int)strlen(row->origin) + 1);
    *ret_err = WEFT_OK;
    for (size_t i = 0; i < t->field_count && !*ret_err; i++) {
        struct wf_mon_cell c;
        if (!t->is_key[i])
            continue;
        *ret_err = row->cell(row->arg, i, &c);
        if (*ret_err)
            break;
        sqlite3_str_appendf(text, "%d:%lld:%.17g:%lld:", (int)c.class, (long long)c.integer, c.real,
            (long long)c.len);
        if (c.len && c.len <= WF_QUERY_LENGTH)
            sqlite3_str_append(text, c.ptr, (int)c.len);
    }
    *ret_len = sqlite3_str_length(text);
    char *key = sqlite3_str_finish(text);
    if (!key && !*ret_err)
        *ret_err = WEFT_E_FULL; // longer than a value may be
    if (*ret_err) {
        sqlite3_free(key);
        return NULL;
    }
    return key;
}

static enum weft_err bind_row(
    struct wf_query_table *t, const struct wf_query_row *row, const char *key, int key_len)
{
    sqlite3_stmt *st = t->insert;
    int next = t->current ? KEY : OP;
    // What SQLite has no memory for would be NULL in the row.
    bool bound = !sqlite3_bind_int64(st, TIME, row->time_us) &&
                 !sqlite3_bind_int64(st, RECEIVED, row->received_us) &&
                 !sqlite3_bind_text(st, DOMAIN_, row->domain, -1, SQLITE_TRANSIENT) &&
                 !sqlite3_bind_text(st, ORIGIN, row->origin, -1, SQLITE_TRANSIENT) &&
                 !sqlite3_bind_int64(st, OFFSET, (sqlite3_int64)row->offset) &&
                 !sqlite3_bind_text(st, OP, row->deleted ? "delete" : "put", -1, SQLITE_STATIC) &&
                 (!t->current || !sqlite3_bind_blob(st, KEY, key, key_len, SQLITE_TRANSIENT));

    if (!bound)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < t->field_count; i++) {
        struct wf_mon_cell c;
        enum weft_err err = row->cell(row->arg, i, &c);
        if (err)
            return err;
        if (wf_mon_cell_bind(st, ++next, &c) != SQLITE_OK)
            return WEFT_E_NOMEM;
    }
    return WEFT_OK;
}

// Runs text of ours with at most one number and one blob; *ret_changes: rows that went.
static enum weft_err remove_rows(
    struct wf_query *q, char *sql, struct wf_query_table *t, const struct wf_mon_cell values[2])
{
    sqlite3_stmt *st = NULL;

    if (!sql)
        return WEFT_E_NOMEM;
    int rc = sqlite3_prepare_v2(q->db, sql, -1, &st, NULL);
    sqlite3_free(sql);
    for (int i = 0; i < 2 && rc == SQLITE_OK && i < sqlite3_bind_parameter_count(st); i++)
        rc = wf_mon_cell_bind(st, i + 1, &values[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_DONE)
        t->rows -= (size_t)sqlite3_changes(q->db);
    enum weft_err err = wf_query_err(q, rc);
    sqlite3_finalize(st);
    return err;
}

static char *delete_sql(const struct wf_query_table *t, const char *where)
{
    char base[WF_QUERY_BASE];

    wf_query_base(t->number, base);
    return sqlite3_mprintf("DELETE FROM main.%s WHERE %s", base, where);
}

static enum weft_err remove_key(
    struct wf_query *q, struct wf_query_table *t, int64_t offset, const char *key, int key_len)
{
    const struct wf_mon_cell values[2] = {
        { .class = t->current ? WF_MON_BLOB : WF_MON_INTEGER,
            .integer = offset,
            .ptr = key,
            .len = (size_t)key_len },
    };

    return remove_rows(q, delete_sql(t, t->current ? "_key = ?1" : "_offset = ?1"), t, values);
}

static int64_t oldest_but(struct wf_query *q, const struct wf_query_table *t, size_t count)
{
    char base[WF_QUERY_BASE];
    sqlite3_stmt *st = NULL;
    int64_t us = INT64_MIN;

    wf_query_base(t->number, base);
    char *sql = sqlite3_mprintf(
        "SELECT _time FROM main.%s ORDER BY _time LIMIT 1 OFFSET %lld", base, (long long)count);
    if (sql && sqlite3_prepare_v2(q->db, sql, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        us = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_free(sql);
    return us;
}

// The oldest tenth of the records leaves. FULL: there are none that could.
static enum weft_err cut(struct wf_query *q, struct wf_query_table *t)
{
    int64_t us = t && t->rows ? oldest_but(q, t, t->rows / 10) : INT64_MIN;

    if (us == INT64_MIN)
        return WEFT_E_FULL;
    size_t before = t->rows;
    enum weft_err err = wf_query_expire(q, t, us);
    q->pushed += before - t->rows;
    if (!err && us > t->cut_us)
        t->cut_us = us;
    return err;
}

static struct wf_query_table *largest(struct wf_query *q)
{
    struct wf_query_table *out = NULL;

    for (struct wf_query_table *t = q->tables; t; t = t->next)
        if (!t->current && t->rows && (!out || t->rows > out->rows))
            out = t;
    return out;
}

static int insert(struct wf_query_table *t)
{
    int rc = sqlite3_step(t->insert);

    sqlite3_reset(t->insert);
    t->rows += rc == SQLITE_DONE;
    return rc;
}

static enum weft_err put_bound(struct wf_query *q, struct wf_query_table *t,
    const struct wf_query_row *row, const char *key, int key_len)
{
    enum weft_err err = WEFT_OK;
    int rc = SQLITE_FULL;

    if (t->rows < q->limits.rows)
        rc = insert(t);
    if ((rc & 0xff) == SQLITE_CONSTRAINT) {
        err = remove_key(q, t, (int64_t)row->offset, key, key_len);
        rc = err ? rc : insert(t);
    }
    if (rc == SQLITE_FULL) {
        err = cut(q, t->rows >= q->limits.rows ? (t->current ? NULL : t) : largest(q));
        rc = err ? rc : insert(t);
    }
    return err ? err : wf_query_err(q, rc);
}

enum weft_err wf_query_put(
    struct wf_query *q, struct wf_query_table *t, const struct wf_query_row *row)
{
    enum weft_err err = WEFT_OK;
    char *key = NULL;
    int key_len = 0;

    if (!t->insert)
        return WEFT_E_SCHEMA;
    if (t->current)
        key = key_of(q, t, row, &key_len, &err);
    if (!err && t->current && row->deleted)
        err = remove_key(q, t, 0, key, key_len);
    else if (!err)
        err = bind_row(t, row, key, key_len);
    if (!err && !(t->current && row->deleted))
        err = put_bound(q, t, row, key, key_len);
    sqlite3_clear_bindings(t->insert);
    sqlite3_free(key);
    return err;
}

enum weft_err wf_query_sweep(
    struct wf_query *q, struct wf_query_table *t, const char *origin, uint64_t from)
{
    const struct wf_mon_cell values[2] = {
        { .class = WF_MON_TEXT, .ptr = origin, .len = strlen(origin) },
        { .class = WF_MON_INTEGER, .integer = (int64_t)from }
    };

    return remove_rows(q, delete_sql(t, "_origin = ?1 AND _offset < ?2"), t, values);
}

enum weft_err wf_query_expire(struct wf_query *q, struct wf_query_table *t, int64_t until_us)
{
    const struct wf_mon_cell values[2] = { { .class = WF_MON_INTEGER, .integer = until_us } };

    if (!t->rows)
        return WEFT_OK;
    return remove_rows(q, delete_sql(t, "_time <= ?1"), t, values);
}

size_t wf_query_rows(const struct wf_query_table *t)
{
    return t->rows;
}

static size_t pragma(struct wf_query *q, const char *sql)
{
    sqlite3_stmt *st = NULL;
    sqlite3_int64 n = 0;

    if (sqlite3_prepare_v2(q->db, sql, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return (size_t)n;
}

void wf_query_usage(struct wf_query *q, struct wf_query_usage *ret)
{
    size_t pages = pragma(q, "PRAGMA page_count"), unused = pragma(q, "PRAGMA freelist_count");

    *ret = (struct wf_query_usage){ .bytes = (pages - unused) * WF_QUERY_PAGE,
        .most_bytes = q->limits.bytes,
        .most_rows = q->limits.rows,
        .pushed = q->pushed };
    for (const struct wf_query_table *t = q->tables; t; t = t->next)
        if (t->rows > ret->rows)
            ret->rows = t->rows;
}

int64_t wf_query_cut_us(const struct wf_query_table *t)
{
    return t->cut_us;
}

// ---- what a window rests on ------------------------------------------------------------------------------------------------------

#define NAMED 3 // origins

static void say_range(sqlite3_stmt *st, char *out, size_t size)
{
    size_t origins = 0, len = 0;

    while (sqlite3_step(st) == SQLITE_ROW) {
        if (origins++ >= NAMED || len >= size)
            continue;
        len += (size_t)snprintf(out + len, size - len, "%s%lld..%lld of %.63s",
            origins > 1 ? ", " : "", (long long)sqlite3_column_int64(st, 1),
            (long long)sqlite3_column_int64(st, 2), (const char *)sqlite3_column_text(st, 0));
    }
    if (origins > NAMED && len < size)
        snprintf(out + len, size - len, " and %zu more", origins - NAMED);
}

void wf_query_range(struct wf_query *q, const struct wf_query_table *t, const char *origin,
    int64_t after_us, char *out, size_t size)
{
    char base[WF_QUERY_BASE];
    sqlite3_stmt *st = NULL;

    sqlite3_str *text = sqlite3_str_new(q->db);

    out[0] = '\0';
    wf_query_base(t->number, base);
    sqlite3_str_appendf(
        text, "SELECT _origin, min(_offset), max(_offset) FROM main.%s WHERE 1", base);
    if (!t->current)
        sqlite3_str_appendf(text, " AND _time > %lld", (long long)after_us);
    if (origin)
        sqlite3_str_appendf(text, " AND _origin = %Q", origin);
    sqlite3_str_appendall(text, " GROUP BY _origin ORDER BY _origin");
    char *sql = sqlite3_str_finish(text);
    if (sql && sqlite3_prepare_v2(q->db, sql, -1, &st, NULL) == SQLITE_OK)
        say_range(st, out, size);
    sqlite3_finalize(st);
    sqlite3_free(sql);
}
