// SPDX-License-Identifier: Apache-2.0
// A stranger's SQL. What holds it: a connection of its own that can only read; the fold's file under a schema name that is random for
// each query, so that nothing but the view can name its tables; in the view only the granted columns and rows, fenced off so that no
// expression of the stranger's ever sees a row that is not granted; an authorizer that permits SELECT, the view and a list of functions;
// a clock; caps on memory, rows and bytes. (SQLite: "Defense Against The Dark Arts", sqlite.org/security.html.)
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "node/inventory/fold.h"

#define STEPS_A_LOOK 100 // virtual machine steps between two looks at clock and memory
#define MEMORY_MAX   (INT64_C(256) * 1024 * 1024) // of SQLite in this process, while a query runs

#define SHADOW       "changes" // a function that is not permitted: all there is in a shadow

enum halt { HALT_NONE, HALT_TIME, HALT_MEMORY, HALT_CANCELLED };

struct guard {
    char view[WF_MAX_NAME + 1], alias[WF_MAX_NAME + 1];
    char schema[40]; // the fold's, random
    bool armed;      // set-up is over: from here on it is the stranger's
    char denied[160];
    int64_t until_ms;
    const atomic_bool *cancelled;
    enum halt halt;
};

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static enum weft_err code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return WEFT_OK;
    case SQLITE_NOMEM:
        return WEFT_E_NOMEM;
    case SQLITE_CANTOPEN:
        return WEFT_E_NOT_FOUND;
    case SQLITE_INTERRUPT:
        return WEFT_E_BUDGET;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return WEFT_E_DAMAGED;
    case SQLITE_AUTH:
    case SQLITE_ERROR:
        return WEFT_E_SQL;
    case SQLITE_TOOBIG:
        return WEFT_E_TOO_BIG;
    default:
        return WEFT_E_IO;
    }
}

// ---- the authorizer --------------------------------------------------------------------------------------------------

static bool is_safe_function(const char *name)
{
    static const char *const safe[] = { "abs", "avg", "char", "coalesce", "concat", "concat_ws",
        "count", "date", "datetime", "format", "glob", "group_concat", "hex", "ifnull", "iif",
        "instr", "json", "json_array", "json_array_length", "json_extract", "json_object",
        "json_type", "json_valid", "julianday", "->", "->>", "length", "like", "lower", "ltrim",
        "max", "min", "nullif", "printf", "quote", "replace", "round", "rtrim", "sign", "strftime",
        "substr", "substring", "sum", "time", "total", "trim", "typeof", "unicode", "unixepoch",
        "upper", "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag",
        "lead", "first_value", "last_value", "nth_value", "string_agg" };

    for (size_t i = 0; i < WF_COUNT(safe); i++)
        if (strcasecmp(name, safe[i]) == 0)
            return true;
    return false;
}

static int deny(struct guard *g, const char *what, const char *name)
{
    snprintf(g->denied, sizeof g->denied, "%s %s is not permitted here", what, name ? name : "");
    return SQLITE_DENY;
}

static bool is_view(const struct guard *g, const char *name)
{
    return strcasecmp(name, g->view) == 0 || strcasecmp(name, g->alias) == 0;
}

// The database of a column that is read: none for a subquery or a CTE; the secret one only from within the view, since nobody else
// can name it. (The context that SQLite gives besides is no proof: a CTE may have the view's name.)
static bool may_read(const struct guard *g, const char *table, const char *database)
{
    if (!database)
        return true;
    if (strcmp(database, "temp") == 0)
        return is_view(g, table);
    return strcmp(database, g->schema) == 0 && strcmp(table, "row") == 0;
}

static int authorize(
    void *arg, int action, const char *a, const char *b, const char *database, const char *within)
{
    struct guard *g = arg;

    if (!g->armed)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        if (is_safe_function(b))
            return SQLITE_OK;
        return within && strcmp(b, SHADOW) == 0 ? deny(g, "the table", within)
                                                : deny(g, "the function", b);
    case SQLITE_READ:
        return may_read(g, a, database) ? SQLITE_OK : deny(g, "the table", a);
    default:
        return deny(g, "this statement", "(only one SELECT)");
    }
}

static int look(void *arg)
{
    struct guard *g = arg;

    if (g->cancelled && atomic_load_explicit(g->cancelled, memory_order_relaxed))
        g->halt = HALT_CANCELLED;
    else if (now_ms() > g->until_ms)
        g->halt = HALT_TIME;
    else if (sqlite3_memory_used() > MEMORY_MAX)
        g->halt = HALT_MEMORY;
    return g->halt != HALT_NONE;
}

// ---- the view --------------------------------------------------------------------------------------------------------

static enum weft_err add_quoted(struct wf_buf *sql, const char *text, char quote)
{
    enum weft_err err = wf_buf_append_byte(sql, (uint8_t)quote);

    for (; *text && !err; text++) {
        err = wf_buf_append_byte(sql, (uint8_t)*text);
        if (!err && *text == quote)
            err = wf_buf_append_byte(sql, (uint8_t)quote);
    }
    return err ? err : wf_buf_append_byte(sql, (uint8_t)quote);
}

static bool is_granted(const struct wf_fold_query *q, const char *column)
{
    for (size_t i = 0; i < q->column_count; i++)
        if (strcmp(q->columns[i], column) == 0)
            return true;
    return !q->limited;
}

// The granted columns of the table, in its order.
static enum weft_err add_columns(
    sqlite3 *db, const struct guard *g, const struct wf_fold_query *q, struct wf_buf *sql)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = code_of(sqlite3_prepare_v2(db,
        "SELECT name FROM pragma_table_info('row', ?1) WHERE substr(name,1,1) <> '_'", -1, &st,
        NULL));
    int rc = SQLITE_DONE;

    if (!err) {
        sqlite3_bind_text(st, 1, g->schema, -1, SQLITE_STATIC);
        rc = sqlite3_step(st);
    }
    for (; rc == SQLITE_ROW && !err; rc = sqlite3_step(st)) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        if (!name || !is_granted(q, name))
            continue;
        err = add_quoted(sql, name, '"');
        if (!err)
            err = wf_buf_append_str(sql, ", ");
    }
    sqlite3_finalize(st);
    return err ? err : code_of(rc);
}

static enum weft_err add_literal(const struct wf_row_term *t, struct wf_buf *sql)
{
    if (t->literal == WF_LIT_TEXT)
        return add_quoted(sql, t->text, '\'');
    // Numbers were checked to be decimal when the token was opened.
    return wf_buf_append_str(sql, t->literal == WF_LIT_FLAG ? (t->flag ? "1" : "0") : t->text);
}

// SQLite orders values of different types by type, so that 5 < 'a' for every number: a term holds only for values of its literal's.
static enum weft_err add_terms(const struct wf_fold_query *q, struct wf_buf *sql)
{
    static const char *const operators[] = { "", " = ", " <> ", " < ", " <= ", " > ", " >= " };
    static const char *const types[] = { [WF_LIT_TEXT] = " IN ('text')",
        [WF_LIT_NUMBER] = " IN ('integer', 'real')",
        [WF_LIT_FLAG] = " IN ('integer')" };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < q->row_count && !err; i++) {
        const struct wf_row_term *t = &q->rows[i];
        err = wf_buf_append_str(sql, i ? " AND typeof(" : " WHERE typeof(");
        if (!err)
            err = add_quoted(sql, t->column, '"');
        if (!err)
            err = wf_buf_printf(sql, ")%s AND ", types[t->literal]);
        if (!err)
            err = add_quoted(sql, t->column, '"');
        if (!err)
            err = wf_buf_append_str(sql, operators[t->comparison]);
        if (!err)
            err = add_literal(t, sql);
    }
    return err;
}

static enum weft_err run_sql(sqlite3 *db, struct wf_buf *sql)
{
    enum weft_err err = wf_buf_end(sql);

    return err ? err : code_of(sqlite3_exec(db, (const char *)sql->ptr, NULL, NULL, NULL));
}

// With a row filter the granted rows are materialised first: otherwise SQLite may merge the view into the query and evaluate the
// stranger's conditions on rows that are not granted, whose errors and run time tell of them.
static enum weft_err make_view(
    sqlite3 *db, const struct guard *g, const struct wf_fold_query *q, const char *name)
{
    struct wf_buf sql = { 0 };
    enum weft_err err = wf_buf_append_str(&sql, "CREATE TEMP VIEW ");

    if (!err)
        err = add_quoted(&sql, name, '"');
    if (!err)
        err = wf_buf_append_str(
            &sql, q->row_count ? " AS WITH granted AS MATERIALIZED (SELECT " : " AS SELECT ");
    if (!err)
        err = add_columns(db, g, q, &sql);
    if (!err)
        err = add_quoted(&sql, q->domain, '\'');
    if (!err)
        err = wf_buf_printf(&sql,
            " AS _domain, _origin, _time, (%lld - _time / 1000) / 1000 AS _age_s FROM \"%s\".row",
            (long long)q->now_unix_ms, g->schema);
    if (!err)
        err = add_terms(q, &sql);
    if (!err && q->row_count)
        err = wf_buf_append_str(&sql, ") SELECT * FROM granted");
    if (!err)
        err = run_sql(db, &sql);
    wf_buf_fini(&sql);
    return err;
}

// A name without a schema would be looked up in all of them. Temporary ones come first: here, ones that refuse.
static enum weft_err shadow_tables(sqlite3 *db, const struct guard *g)
{
    static const char *const tables[] = { "row", "origin", "fold" };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < WF_COUNT(tables) && !err; i++) {
        struct wf_buf sql = { 0 };
        if (is_view(g, tables[i]))
            continue;
        err = wf_buf_printf(&sql, "CREATE TEMP VIEW \"%s\" AS SELECT " SHADOW "()", tables[i]);
        if (!err)
            err = run_sql(db, &sql);
        wf_buf_fini(&sql);
    }
    return err;
}

// ---- answering -------------------------------------------------------------------------------------------------------

static enum weft_err take_cell(
    sqlite3_stmt *st, int i, struct wf_arena *arena, struct wf_fold_value *v, size_t *bytes)
{
    const void *p = NULL;
    int type = sqlite3_column_type(st, i);

    *v = (struct wf_fold_value){ .type = WF_CELL_NULL };
    *bytes += 16;
    if (type == SQLITE_INTEGER) {
        v->type = WF_CELL_INT;
        v->integer = sqlite3_column_int64(st, i);
    } else if (type == SQLITE_FLOAT) {
        v->type = WF_CELL_REAL;
        v->real = sqlite3_column_double(st, i);
    } else if (type != SQLITE_NULL) {
        v->type = type == SQLITE_TEXT ? WF_CELL_TEXT : WF_CELL_BLOB;
        p = type == SQLITE_TEXT ? (const void *)sqlite3_column_text(st, i)
                                : sqlite3_column_blob(st, i);
        size_t len = (size_t)sqlite3_column_bytes(st, i);
        *bytes += len;
        return wf_arena_dup(arena, wf_bytes(p, len), &v->bytes);
    }
    return WEFT_OK;
}

static enum weft_err grow(struct wf_fold_result *r, size_t *cap)
{
    if (r->row_count < *cap)
        return WEFT_OK;
    size_t more = *cap ? *cap * 2 : 64;
    struct wf_fold_value *v = wf_arena_alloc(&r->arena, more * r->column_count * sizeof *v);
    if (!v)
        return wf_arena_err(&r->arena);
    if (r->row_count)
        memcpy(v, r->cells, r->row_count * r->column_count * sizeof *v);
    r->cells = v;
    *cap = more;
    return WEFT_OK;
}

static enum weft_err take_rows(
    sqlite3_stmt *st, const struct wf_fold_query *q, struct wf_fold_result *r)
{
    size_t cap = 0, bytes = 0, seen = 0;
    int rc = sqlite3_step(st);
    enum weft_err err = WEFT_OK;

    for (; rc == SQLITE_ROW && !err; rc = sqlite3_step(st)) {
        if (seen++ < q->skip)
            continue;
        if (r->row_count == q->max_rows || bytes >= q->max_bytes) {
            r->more = true;
            return WEFT_OK;
        }
        err = grow(r, &cap);
        for (size_t i = 0; i < r->column_count && !err; i++)
            err = take_cell(
                st, (int)i, &r->arena, &r->cells[r->row_count * r->column_count + i], &bytes);
        if (!err)
            r->row_count++;
    }
    return err ? err : code_of(rc);
}

static enum weft_err take_names(sqlite3_stmt *st, struct wf_fold_result *r)
{
    r->column_count = (size_t)sqlite3_column_count(st);
    r->columns = wf_arena_calloc(&r->arena, r->column_count, sizeof *r->columns);
    enum weft_err err = r->columns ? WEFT_OK : wf_arena_err(&r->arena);
    for (size_t i = 0; i < r->column_count && !err; i++)
        err =
            wf_arena_str(&r->arena, wf_bytes_str(sqlite3_column_name(st, (int)i)), &r->columns[i]);
    return err;
}

// Why it ended, in words for who asked.
static const char *why_not(const struct guard *g, sqlite3 *db)
{
    switch (g->halt) {
    case HALT_TIME:
        return "the query takes too long";
    case HALT_MEMORY:
        return "the queries need too much memory";
    case HALT_CANCELLED:
        return "nobody waits for the answer any more";
    case HALT_NONE:
        break;
    }
    return g->denied[0] ? g->denied : sqlite3_errmsg(db);
}

static bool is_one_select(sqlite3_stmt *st, const char *tail)
{
    while (*tail == ' ' || *tail == ';' || *tail == '\n' || *tail == '\t' || *tail == '\r')
        tail++;
    return st && !*tail && sqlite3_stmt_readonly(st) && !sqlite3_stmt_isexplain(st) &&
           sqlite3_column_count(st) > 0;
}

static enum weft_err ask(sqlite3 *db, struct guard *g, const struct wf_fold_query *q,
    struct wf_fold_result *r, struct wf_diag *diag)
{
    sqlite3_stmt *st = NULL;
    const char *tail = "";
    enum weft_err err = code_of(sqlite3_prepare_v2(db, q->sql, -1, &st, &tail));

    if (!err && !is_one_select(st, tail)) {
        snprintf(g->denied, sizeof g->denied, "exactly one SELECT is permitted");
        err = WEFT_E_SQL;
    }
    if (!err)
        err = take_names(st, r);
    if (!err)
        err = take_rows(st, q, r);
    if (err)
        wf_diag_set(diag, 0, 0, "%s", why_not(g, db));
    if (err == WEFT_E_SQL && strstr(sqlite3_errmsg(db), "no such column") && q->limited)
        err = WEFT_E_COLUMN;
    sqlite3_finalize(st);
    return err;
}

static enum weft_err add_origin(sqlite3_stmt *st, struct wf_fold_result *r, size_t *cap)
{
    if (r->origin_count == *cap) {
        size_t more = *cap ? *cap * 2 : 16;
        struct wf_fold_origin *v = wf_arena_alloc(&r->arena, more * sizeof *v);
        if (!v)
            return wf_arena_err(&r->arena);
        if (r->origin_count)
            memcpy(v, r->origins, r->origin_count * sizeof *v);
        r->origins = v;
        *cap = more;
    }
    struct wf_fold_origin *o = &r->origins[r->origin_count++];
    o->last_ms = sqlite3_column_int64(st, 1);
    o->snapshot_ms = sqlite3_column_int64(st, 2);
    o->rows = (uint64_t)sqlite3_column_int64(st, 3);
    return wf_arena_str(
        &r->arena, wf_bytes_str((const char *)sqlite3_column_text(st, 0)), &o->origin);
}

static enum weft_err prepare_in(
    sqlite3 *db, const struct guard *g, const char *format, sqlite3_stmt **ret)
{
    char sql[256];
    const char *s = g->schema;

    if (snprintf(sql, sizeof sql, format, s, s) >= (int)sizeof sql)
        return WEFT_E_TOO_BIG;
    return code_of(sqlite3_prepare_v2(db, sql, -1, ret, NULL));
}

static enum weft_err take_coverage(sqlite3 *db, const struct guard *g, struct wf_fold_result *r)
{
    sqlite3_stmt *st = NULL;
    size_t cap = 0;
    enum weft_err err = prepare_in(db, g,
        "SELECT o.name,o.last_ms,o.snapshot_ms,(SELECT count(*) FROM %s.row r WHERE "
        "r._origin=o.name) FROM %s.origin o ORDER BY o.name",
        &st);
    int rc = err ? SQLITE_DONE : sqlite3_step(st);

    for (; rc == SQLITE_ROW && !err; rc = sqlite3_step(st))
        err = add_origin(st, r, &cap);
    sqlite3_finalize(st);
    return err ? err : code_of(rc);
}

static enum weft_err take_position(sqlite3 *db, const struct guard *g, struct wf_fold_result *r)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = prepare_in(db, g, "SELECT counter,random,end FROM %s.fold", &st);

    if (!err && sqlite3_step(st) == SQLITE_ROW) {
        r->log_id.counter = (uint64_t)sqlite3_column_int64(st, 0);
        r->log_id.random = (uint64_t)sqlite3_column_int64(st, 1);
        r->offset = (uint64_t)sqlite3_column_int64(st, 2);
    }
    sqlite3_finalize(st);
    return err;
}

static void name_all(const struct wf_fold_query *q, struct guard *g)
{
    uint8_t random[16];

    snprintf(g->view, sizeof g->view, "%s", q->product);
    snprintf(g->alias, sizeof g->alias, "%s", q->product);
    for (char *p = g->alias; *p; p++)
        if (*p == '-')
            *p = '_';
    wf_random(random, sizeof random);
    g->schema[0] = 's';
    wf_hex_put(WF_BYTES(random), g->schema + 1);
}

// ---- the connection --------------------------------------------------------------------------------------------------

static void limit(sqlite3 *db)
{
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)WF_MAX_CONTROL);
    sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 100);
    sqlite3_limit(db, SQLITE_LIMIT_COMPOUND_SELECT, 10);
    sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 25000);
    sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    // "version" in quotes is a column or an error, never the text.
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
}

static enum weft_err attach(sqlite3 *db, const struct guard *g, const char *path)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = code_of(sqlite3_prepare_v2(db, "ATTACH ?1 AS ?2", -1, &st, NULL));

    if (err)
        return err;
    sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, g->schema, -1, SQLITE_STATIC);
    err = code_of(sqlite3_step(st));
    sqlite3_finalize(st);
    return err;
}

// One read transaction, so that rows, coverage and position are of one state.
static enum weft_err set_up(
    sqlite3 *db, struct guard *g, const struct wf_fold_query *q, struct wf_fold_result *r)
{
    enum weft_err err = attach(db, g, q->path);

    limit(db);
    if (!err)
        err = code_of(sqlite3_exec(db,
            "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; BEGIN",
            NULL, NULL, NULL));
    if (!err)
        err = make_view(db, g, q, g->view);
    if (!err && strcmp(g->view, g->alias) != 0)
        err = make_view(db, g, q, g->alias);
    if (!err)
        err = shadow_tables(db, g);
    if (!err)
        err = code_of(sqlite3_exec(db, "PRAGMA query_only=ON", NULL, NULL, NULL));
    if (!err)
        err = take_position(db, g, r);
    return err ? err : take_coverage(db, g, r);
}

enum weft_err wf_fold_run(
    const struct wf_fold_query *q, struct wf_fold_result *ret, struct wf_diag *diag)
{
    struct wf_fold_result r = { 0 };
    struct guard g = { .until_ms = now_ms() + q->budget_ms, .cancelled = q->cancelled };
    sqlite3 *db = NULL;

    if (strlen(q->sql) > WF_MAX_SQL) {
        wf_diag_set(diag, 0, 0, "the query is longer than %u bytes", WF_MAX_SQL);
        return WEFT_E_TOO_BIG;
    }
    wf_arena_init(&r.arena, WF_MAX_QUERY_BYTES + (16u << 20));
    name_all(q, &g);
    enum weft_err err = wf_query_weigh(q->sql, &r.arena);
    if (err)
        wf_diag_set(diag, 0, 0, "the query names its own parts too often");
    // Its own database is empty; read-only holds for what is attached, too.
    if (!err)
        err = code_of(
            sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL));
    if (!err) {
        sqlite3_set_authorizer(db, authorize, &g);
        sqlite3_progress_handler(db, STEPS_A_LOOK, look, &g);
        sqlite3_busy_timeout(db, 1000);
        err = set_up(db, &g, q, &r);
        if (err)
            wf_diag_set(diag, 0, 0, "%s", why_not(&g, db));
    }
    if (!err) {
        g.armed = true;
        err = ask(db, &g, q, &r, diag);
    }
    sqlite3_close(db);
    if (err) {
        wf_arena_fini(&r.arena);
        return g.halt == HALT_CANCELLED ? WEFT_E_CANCELLED : err;
    }
    *ret = r;
    return WEFT_OK;
}

void wf_fold_result_fini(struct wf_fold_result *r)
{
    wf_arena_fini(&r->arena);
}
