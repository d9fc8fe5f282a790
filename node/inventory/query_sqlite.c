// SPDX-License-Identifier: Apache-2.0
// A stranger's SQL. What holds it: a read-only connection of its own, a temporary view that has only the granted columns and rows, an
// authorizer that permits SELECT, that view and a list of functions, a clock, and caps on rows and bytes. (SQLite: "Defense Against The
// Dark Arts", sqlite.org/security.html.)
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "node/inventory/fold.h"

#define STEPS_A_LOOK 1000 // virtual machine steps between two looks at the clock

struct guard {
    char view[WF_MAX_NAME + 1], alias[WF_MAX_NAME + 1];
    bool armed; // set-up is over: from here on it is the stranger's
    char denied[160];
    int64_t until_ms;
    bool over_time;
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

static int authorize(
    void *arg, int action, const char *a, const char *b, const char *database, const char *within)
{
    struct guard *g = arg;

    (void)database;
    if (!g->armed)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return is_safe_function(b) ? SQLITE_OK : deny(g, "the function", b);
    case SQLITE_READ:
        // A column of the view, of a subquery or a CTE (no schema table behind it), or of the table but from within the view.
        if (strcasecmp(a, g->view) == 0 || strcasecmp(a, g->alias) == 0)
            return SQLITE_OK;
        if (within && (strcasecmp(within, g->view) == 0 || strcasecmp(within, g->alias) == 0))
            return SQLITE_OK;
        if (strcasecmp(a, "row") != 0 && strcasecmp(a, "origin") != 0 &&
            strcasecmp(a, "fold") != 0 && strncasecmp(a, "sqlite_", 7) != 0 && !database)
            return SQLITE_OK;
        return deny(g, "the table", a);
    default:
        return deny(g, "this statement", "(only one SELECT)");
    }
}

static int look_at_clock(void *arg)
{
    struct guard *g = arg;

    g->over_time = now_ms() > g->until_ms;
    return g->over_time;
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
static enum weft_err add_columns(sqlite3 *db, const struct wf_fold_query *q, struct wf_buf *sql)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = code_of(sqlite3_prepare_v2(db,
        "SELECT name FROM pragma_table_info('row') WHERE substr(name,1,1) <> '_'", -1, &st, NULL));
    int rc = err ? SQLITE_DONE : sqlite3_step(st);

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

static enum weft_err add_terms(const struct wf_fold_query *q, struct wf_buf *sql)
{
    static const char *const operators[] = { "", " = ", " <> ", " < ", " <= ", " > ", " >= " };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < q->row_count && !err; i++) {
        const struct wf_row_term *t = &q->rows[i];
        err = wf_buf_append_str(sql, i ? " AND " : " WHERE ");
        if (!err)
            err = add_quoted(sql, t->column, '"');
        if (!err)
            err = wf_buf_append_str(sql, operators[t->comparison]);
        if (err)
            break;
        if (t->literal == WF_LIT_TEXT)
            err = add_quoted(sql, t->text, '\'');
        else // numbers were checked to be decimal when the token was opened
            err =
                wf_buf_append_str(sql, t->literal == WF_LIT_FLAG ? (t->flag ? "1" : "0") : t->text);
    }
    return err;
}

static enum weft_err make_view(sqlite3 *db, const struct wf_fold_query *q, const char *name)
{
    struct wf_buf sql = { 0 };
    enum weft_err err = wf_buf_append_str(&sql, "CREATE TEMP VIEW ");

    if (!err)
        err = add_quoted(&sql, name, '"');
    if (!err)
        err = wf_buf_append_str(&sql, " AS SELECT ");
    if (!err)
        err = add_columns(db, q, &sql);
    if (!err)
        err = add_quoted(&sql, q->domain, '\'');
    if (!err)
        err = wf_buf_printf(&sql,
            " AS _domain, _origin, _time, (%lld - _time / 1000) / 1000 AS _age_s FROM main.row",
            (long long)q->now_unix_ms);
    if (!err)
        err = add_terms(q, &sql);
    if (!err)
        err = wf_buf_end(&sql);
    if (!err)
        err = code_of(sqlite3_exec(db, (const char *)sql.ptr, NULL, NULL, NULL));
    wf_buf_fini(&sql);
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

static enum weft_err ask(sqlite3 *db, struct guard *g, const struct wf_fold_query *q,
    struct wf_fold_result *r, struct wf_diag *diag)
{
    sqlite3_stmt *st = NULL;
    const char *tail = NULL;
    enum weft_err err = code_of(sqlite3_prepare_v2(db, q->sql, -1, &st, &tail));

    if (!err && !st)
        err = WEFT_E_SQL;
    while (!err && tail && (*tail == ' ' || *tail == ';' || *tail == '\n' || *tail == '\t'))
        tail++;
    if (!err && (*tail || !sqlite3_stmt_readonly(st) || sqlite3_column_count(st) == 0)) {
        snprintf(g->denied, sizeof g->denied, "exactly one SELECT is permitted");
        err = WEFT_E_SQL;
    }
    if (!err)
        err = take_names(st, r);
    if (!err)
        err = take_rows(st, q, r);
    if (err)
        wf_diag_set(diag, 0, 0, "%s",
            g->over_time   ? "the query takes too long"
            : g->denied[0] ? g->denied
                           : sqlite3_errmsg(db));
    if (err == WEFT_E_SQL && strstr(sqlite3_errmsg(db), "no such column") && q->limited)
        err = WEFT_E_COLUMN;
    sqlite3_finalize(st);
    return err;
}

static enum weft_err take_coverage(sqlite3 *db, struct wf_fold_result *r)
{
    sqlite3_stmt *st = NULL;
    size_t cap = 0;
    enum weft_err err = code_of(sqlite3_prepare_v2(db,
        "SELECT o.name,o.last_ms,o.snapshot_ms,(SELECT count(*) FROM main.row r WHERE "
        "r._origin=o.name) FROM main.origin o ORDER BY o.name",
        -1, &st, NULL));
    int rc = err ? SQLITE_DONE : sqlite3_step(st);

    for (; rc == SQLITE_ROW && !err; rc = sqlite3_step(st)) {
        if (r->origin_count == cap) {
            struct wf_fold_origin *v = wf_arena_alloc(&r->arena, (cap ? cap * 2 : 16) * sizeof *v);
            if (v && r->origin_count)
                memcpy(v, r->origins, r->origin_count * sizeof *v);
            err = v ? WEFT_OK : wf_arena_err(&r->arena);
            r->origins = v ? v : r->origins;
            cap = v ? (cap ? cap * 2 : 16) : cap;
        }
        if (err)
            break;
        struct wf_fold_origin *o = &r->origins[r->origin_count++];
        o->last_ms = sqlite3_column_int64(st, 1);
        o->snapshot_ms = sqlite3_column_int64(st, 2);
        o->rows = (uint64_t)sqlite3_column_int64(st, 3);
        err = wf_arena_str(
            &r->arena, wf_bytes_str((const char *)sqlite3_column_text(st, 0)), &o->origin);
    }
    sqlite3_finalize(st);
    return err ? err : code_of(rc);
}

static enum weft_err take_position(sqlite3 *db, struct wf_fold_result *r)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err =
        code_of(sqlite3_prepare_v2(db, "SELECT counter,random,end FROM main.fold", -1, &st, NULL));

    if (!err && sqlite3_step(st) == SQLITE_ROW) {
        r->log_id.counter = (uint64_t)sqlite3_column_int64(st, 0);
        r->log_id.random = (uint64_t)sqlite3_column_int64(st, 1);
        r->offset = (uint64_t)sqlite3_column_int64(st, 2);
    }
    sqlite3_finalize(st);
    return err;
}

static void name_view(const struct wf_fold_query *q, struct guard *g)
{
    snprintf(g->view, sizeof g->view, "%s", q->product);
    snprintf(g->alias, sizeof g->alias, "%s", q->product);
    for (char *p = g->alias; *p; p++)
        if (*p == '-')
            *p = '_';
}

// One read transaction, so that rows, coverage and position are of one state.
static enum weft_err in_transaction(sqlite3 *db, struct guard *g, const struct wf_fold_query *q,
    struct wf_fold_result *r, struct wf_diag *diag)
{
    enum weft_err err = code_of(sqlite3_exec(db,
        "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY; PRAGMA "
        "cell_size_check=ON;",
        NULL, NULL, NULL));

    if (!err)
        err = code_of(sqlite3_exec(db, "PRAGMA query_only=OFF; BEGIN", NULL, NULL,
            NULL)); // the temporary view counts as a write
    if (!err)
        err = make_view(db, q, g->view);
    if (!err && strcmp(g->view, g->alias) != 0)
        err = make_view(db, q, g->alias);
    if (!err)
        err = take_position(db, r);
    if (!err)
        err = take_coverage(db, r);
    if (err) {
        wf_diag_set(diag, 0, 0, "%s", sqlite3_errmsg(db));
        return err;
    }
    g->armed = true;
    return ask(db, g, q, r, diag);
}

enum weft_err wf_fold_run(
    const struct wf_fold_query *q, struct wf_fold_result *ret, struct wf_diag *diag)
{
    struct wf_fold_result r = { 0 };
    struct guard g = { .until_ms = now_ms() + q->budget_ms };
    sqlite3 *db = NULL;

    if (strlen(q->sql) > WF_MAX_SQL)
        return WEFT_E_TOO_BIG;
    enum weft_err err = code_of(sqlite3_open_v2(q->path, &db, SQLITE_OPEN_READONLY, NULL));
    wf_arena_init(&r.arena, WF_MAX_QUERY_BYTES + (16u << 20));
    name_view(q, &g);
    if (!err) {
        sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)WF_MAX_CONTROL);
        sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 100);
        sqlite3_limit(db, SQLITE_LIMIT_COMPOUND_SELECT, 10);
        sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 25000);
        sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256);
        sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
        sqlite3_set_authorizer(db, authorize, &g);
        sqlite3_progress_handler(db, STEPS_A_LOOK, look_at_clock, &g);
        sqlite3_busy_timeout(db, 1000);
        err = in_transaction(db, &g, q, &r, diag);
    }
    sqlite3_close(db);
    if (err) {
        wf_arena_fini(&r.arena);
        return err;
    }
    *ret = r;
    return WEFT_OK;
}

void wf_fold_result_fini(struct wf_fold_result *r)
{
    wf_arena_fini(&r->arena);
}
