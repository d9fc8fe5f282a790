// SPDX-License-Identifier: Apache-2.0
// The questions that rules ask: what they may do, and how much of it. See query.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "domains/monitoring/speed/query_sqlite.h"

#define STEPS        250             // between two looks at how many there were
#define TIMED_STEPS  25              // and at how long they took
#define EPOCH_JULIAN 210866760000000 // ms from the beginning of the Julian day to 1970
#define COUNT(a)     (sizeof(a) / sizeof *(a))

// ---- the system that SQLite sees ----------------------------------------------------------------------------------------------

static int no_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret)
{
    (void)vfs, (void)name, (void)flags, (void)ret;
    file->pMethods = NULL;
    return SQLITE_CANTOPEN;
}

static int no_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs, (void)name, (void)sync;
    return SQLITE_IOERR_DELETE;
}

static int no_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)vfs, (void)name, (void)flags;
    *ret = 0;
    return SQLITE_OK;
}

static int clock_ms(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    *ret = ((const struct wf_query_system *)(const void *)vfs)->now_ms + EPOCH_JULIAN;
    return SQLITE_OK;
}

static int clock_days(sqlite3_vfs *vfs, double *ret)
{
    sqlite3_int64 ms = 0;

    clock_ms(vfs, &ms);
    *ret = (double)ms / 86400000;
    return SQLITE_OK;
}

// Known to others of this process only while the database is opened.
static int open_db(struct wf_query *q)
{
    static const char name[] = "weft-rules";
    const sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    sqlite3_vfs *own = &q->system.vfs;

    if (!real || real->iVersion < 2)
        return SQLITE_ERROR;
    *own = *real;
    own->iVersion = 2; // system calls are not for replacing here
    own->pNext = NULL;
    own->zName = name;
    own->xOpen = no_open;
    own->xDelete = no_delete;
    own->xAccess = no_access;
    own->xDlOpen = NULL;
    own->xCurrentTime = clock_days;
    own->xCurrentTimeInt64 = clock_ms;
    int rc = sqlite3_vfs_register(own, 0);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(":memory:", &q->db,
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX,
            name);
    sqlite3_vfs_unregister(own);
    return rc;
}

// ---- what a question may do ---------------------------------------------------------------------------------------------------

static int deny(struct wf_query *q, const char *what, const char *name)
{
    if (!q->denied[0])
        snprintf(
            q->denied, sizeof q->denied, "%s%s%.100s", what, name ? " " : "", name ? name : "");
    return SQLITE_DENY;
}

// What is computed from its arguments alone, or from the time that the caller set.
static bool is_safe_function(const char *name)
{
    static const char *const safe[] = { "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2",
        "atanh", "avg", "ceil", "ceiling", "char", "coalesce", "concat", "concat_ws", "cos", "cosh",
        "count", "cume_dist", "current_date", "current_time", "current_timestamp", "date",
        "datetime", "degrees", "dense_rank", "exp", "first_value", "floor", "format", "glob",
        "group_concat", "hex", "if", "ifnull", "iif", "instr", "json", "json_array",
        "json_array_length", "json_extract", "json_group_array", "json_group_object", "json_object",
        "json_quote", "json_type", "json_valid", "->", "->>", "julianday", "lag", "last_value",
        "lead", "length", "like", "likelihood", "likely", "ln", "log", "log10", "log2", "lower",
        "ltrim", "max", "min", "mod", "nth_value", "ntile", "nullif", "octet_length",
        "percent_rank", "pi", "pow", "power", "printf", "quote", "radians", "rank", "replace",
        "round", "row_number", "rtrim", "sign", "sin", "sinh", "sqrt", "strftime", "string_agg",
        "substr", "substring", "sum", "tan", "tanh", "time", "timediff", "total", "trim", "trunc",
        "typeof", "unicode", "unixepoch", "unlikely", "upper" };

    for (size_t i = 0; i < COUNT(safe); i++)
        if (strcasecmp(name, safe[i]) == 0)
            return true;
    return false;
}

// A table of the question, by whatever name. Its own parts (WITH) have names, too, and are asked for without a column.
static bool may_read(const struct wf_query *q, const char *table, const char *column)
{
    static const char *const closed[] = { "sqlite_", "pragma_", "dbstat" };
    char base[WF_QUERY_BASE];

    if (strcasecmp(table, "json_each") == 0 || strcasecmp(table, "json_tree") == 0)
        return true;
    for (size_t i = 0; i < q->use_count; i++) {
        wf_query_base(q->numbers_used[i], base);
        if (strcasecmp(table, q->names[i]) == 0 || strcmp(table, base) == 0)
            return true;
    }
    for (const struct wf_query_table *t = q->tables; t; t = t->next) {
        wf_query_base(t->number, base);
        if (strcasecmp(table, base) == 0)
            return false;
    }
    for (size_t i = 0; i < COUNT(closed); i++)
        if (strncasecmp(table, closed[i], strlen(closed[i])) == 0)
            return false;
    return !column || !column[0];
}

static int authorize(
    void *arg, int action, const char *a, const char *b, const char *database, const char *within)
{
    struct wf_query *q = arg;

    (void)database, (void)within;
    if (!q->guarded)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return is_safe_function(b) ? SQLITE_OK : deny(q, "the function", b);
    case SQLITE_READ:
        return may_read(q, a, b) ? SQLITE_OK : deny(q, "the table", a);
    default:
        return deny(q, "anything but one SELECT", NULL);
    }
}

static int64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool is_too_slow(const struct wf_query *q)
{
    return q->limits.cpu_ms && cpu_us() - q->began_us > q->limits.cpu_ms * 1000;
}

static int count_steps(void *arg)
{
    struct wf_query *q = arg;

    q->steps += q->limits.cpu_ms ? TIMED_STEPS : STEPS;
    return q->guarded && (q->steps > q->limits.steps || is_too_slow(q));
}

// ---- the database ---------------------------------------------------------------------------------------------------------------

enum weft_err wf_query_err(struct wf_query *q, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return WEFT_OK;
    case SQLITE_NOMEM:
        snprintf(q->problem, sizeof q->problem, "%s", weft_err_text(WEFT_E_NOMEM));
        return WEFT_E_NOMEM;
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
    case SQLITE_INTERRUPT:
        snprintf(q->problem, sizeof q->problem, "%s", sqlite3_errmsg(q->db));
        return WEFT_E_FULL;
    default:
        snprintf(q->problem, sizeof q->problem, "%s", sqlite3_errmsg(q->db));
        return WEFT_E_SQL;
    }
}

enum weft_err wf_query_exec(struct wf_query *q, char *sql)
{
    enum weft_err err =
        sql ? wf_query_err(q, sqlite3_exec(q->db, sql, NULL, NULL, NULL)) : WEFT_E_NOMEM;

    sqlite3_free(sql);
    return err;
}

static enum weft_err set_limits(struct wf_query *q)
{
    static const struct {
        int which, most;
    } limits[] = { { SQLITE_LIMIT_LENGTH, WF_QUERY_LENGTH },
        { SQLITE_LIMIT_SQL_LENGTH, 1 << 17 }, // the text of a table of many columns
        { SQLITE_LIMIT_EXPR_DEPTH, 100 }, { SQLITE_LIMIT_COMPOUND_SELECT, 20 },
        { SQLITE_LIMIT_FUNCTION_ARG, 100 }, { SQLITE_LIMIT_ATTACHED, 0 },
        { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256 }, { SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
        { SQLITE_LIMIT_WORKER_THREADS, 0 } };
    static const struct {
        int which, on;
    } switches[] = { { SQLITE_DBCONFIG_DEFENSIVE, 1 }, { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_DQS_DML, 0 }, { SQLITE_DBCONFIG_DQS_DDL, 0 },
        { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 }, { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
        { SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0 } };

    for (size_t i = 0; i < COUNT(limits); i++)
        sqlite3_limit(q->db, limits[i].which, limits[i].most);
    for (size_t i = 0; i < COUNT(switches); i++) {
        int rc = sqlite3_db_config(q->db, switches[i].which, switches[i].on, NULL);
        if (rc != SQLITE_OK)
            return wf_query_err(q, rc);
    }
    sqlite3_set_authorizer(q->db, authorize, q);
    sqlite3_progress_handler(q->db, q->limits.cpu_ms ? TIMED_STEPS : STEPS, count_steps, q);
    // SQLite makes the tables of JSON when they are first named, which a question may not do.
    return wf_query_exec(q, sqlite3_mprintf("PRAGMA temp_store=2; PRAGMA max_page_count=%lld; "
                                            "SELECT 1 FROM json_each('[]'), json_tree('[]')",
                                (long long)(q->limits.bytes / WF_QUERY_PAGE)));
}

struct wf_query *wf_query_new(const struct wf_query_limits *limits)
{
    struct wf_query *q = calloc(1, sizeof *q);

    if (!q)
        return NULL;
    if (limits)
        q->limits = *limits;
    q->limits.bytes = q->limits.bytes ? q->limits.bytes : WF_QUERY_BYTES;
    q->limits.rows = q->limits.rows ? q->limits.rows : WF_QUERY_ROWS;
    q->limits.steps = q->limits.steps ? q->limits.steps : WF_QUERY_STEPS;
    q->limits.memory = q->limits.memory ? q->limits.memory : WF_QUERY_MEMORY;
    q->limits.length = q->limits.length ? q->limits.length : WF_QUERY_LENGTH;
    if (open_db(q) == SQLITE_OK && !set_limits(q))
        return q;
    wf_query_free(q);
    return NULL;
}

void wf_query_free(struct wf_query *q)
{
    if (!q)
        return;
    wf_query_end(q);
    while (q->tables)
        wf_query_table_free(q, q->tables);
    sqlite3_close(q->db);
    free(q);
}

const char *wf_query_problem(const struct wf_query *q)
{
    return q->problem;
}

// ---- a question -----------------------------------------------------------------------------------------------------------------

// Names of a question's tables are the batch layer's; of two that share one the second is numbered.
static void choose_name(struct wf_query *q, size_t use, const char *product)
{
    char base[WF_MON_NAME];

    wf_mon_table_name(product, base);
    for (unsigned n = 1;; n++) {
        size_t same = 0;
        wf_mon_numbered(base, n, q->names[use]);
        while (same < use && strcasecmp(q->names[same], q->names[use]) != 0)
            same++;
        if (same == use)
            return;
    }
}

static enum weft_err make_view(struct wf_query *q, size_t use, const struct wf_query_ask *ask)
{
    const struct wf_query_table *t = ask->uses[use].table;
    sqlite3_str *text = sqlite3_str_new(q->db);
    char base[WF_QUERY_BASE];

    choose_name(q, use, ask->uses[use].name ? ask->uses[use].name : t->product);
    q->numbers_used[use] = t->number;
    wf_query_base(t->number, base);
    sqlite3_str_appendf(text,
        "CREATE TEMP VIEW \"%w\" AS SELECT _time, _received, _domain, _origin, _offset, _op, %Q AS "
        "_product",
        q->names[use], t->product);
    for (size_t i = 0; i < t->column_count; i++)
        sqlite3_str_appendf(text, ", \"%w\"", t->columns[i].name);
    sqlite3_str_appendf(text, " FROM main.%s", base);
    if (!t->current)
        sqlite3_str_appendf(text, " WHERE _time > %lld", (long long)ask->uses[use].after_us);
    enum weft_err err = wf_query_exec(q, sqlite3_str_finish(text));
    q->use_count += !err;
    return err;
}

static enum weft_err refuse(struct wf_query_error *error, int at, const char *text)
{
    error->at = at;
    snprintf(error->text, sizeof error->text, "%s", text);
    return WEFT_E_SQL;
}

static enum weft_err explain(struct wf_query *q, int rc, struct wf_query_error *error)
{
    enum weft_err err = wf_query_err(q, rc);

    error->at = sqlite3_error_offset(q->db);
    if (rc == SQLITE_INTERRUPT && q->steps <= q->limits.steps)
        snprintf(error->text, sizeof error->text,
            "stopped: it takes more than %lld ms of the processor's time",
            (long long)q->limits.cpu_ms);
    else if (rc == SQLITE_INTERRUPT)
        snprintf(error->text, sizeof error->text, "stopped: it takes more than %llu steps",
            (unsigned long long)q->limits.steps);
    else if (err == WEFT_E_NOMEM || err == WEFT_E_FULL)
        snprintf(error->text, sizeof error->text,
            "stopped: it takes more than %zu MiB or a value of "
            "more than %zu KiB",
            q->limits.memory >> 20, q->limits.length >> 10);
    else if (q->denied[0])
        snprintf(error->text, sizeof error->text, "%s is not permitted here", q->denied);
    else
        snprintf(error->text, sizeof error->text, "%s", q->problem);
    return err == WEFT_E_NOMEM ? WEFT_E_FULL : err;
}

// Times of the machine's place are nobody's but the machine's.
static enum weft_err check_text(const char *sql, struct wf_query_error *error)
{
    if (strlen(sql) > WF_QUERY_TEXT)
        return refuse(error, -1, "the SQL is longer than 16384 bytes");
    for (const char *p = sql; *p; p++)
        if (strncasecmp(p, "localtime", 9) == 0 || strncasecmp(p, "'utc'", 5) == 0)
            return refuse(error, (int)(p - sql), "the machine's time zone is not permitted here");
    return WEFT_OK;
}

// Behind the statement only blanks, comments and one semicolon.
static bool is_rest(struct wf_query *q, const char *tail)
{
    sqlite3_stmt *more = NULL;

    for (; *tail; tail++)
        if (!strchr(" \t\r\n;", *tail))
            break;
    if (!*tail)
        return true;
    bool rest = sqlite3_prepare_v2(q->db, tail, -1, &more, NULL) == SQLITE_OK && !more;
    sqlite3_finalize(more);
    return rest;
}

static enum weft_err prepare(
    struct wf_query *q, const struct wf_query_ask *ask, struct wf_query_error *error)
{
    const char *tail = NULL;
    int rc = sqlite3_prepare_v2(q->db, ask->sql, -1, &q->st, &tail);

    if (rc != SQLITE_OK)
        return explain(q, rc, error);
    if (!q->st)
        return refuse(error, 0, "want a SELECT");
    if (!is_rest(q, tail))
        return refuse(error, (int)(tail - ask->sql), "more than one statement");
    if (sqlite3_stmt_isexplain(q->st) || !sqlite3_stmt_readonly(q->st) ||
        sqlite3_column_count(q->st) == 0)
        return refuse(error, 0, "anything but one SELECT is not permitted here");
    for (int i = 1; i <= sqlite3_bind_parameter_count(q->st); i++) {
        const char *name = sqlite3_bind_parameter_name(q->st, i);
        if (!name || strcmp(name, ":now") != 0)
            return refuse(error, -1, "the only parameter is :now");
        sqlite3_bind_int64(q->st, i, ask->now_ms * 1000);
    }
    return WEFT_OK;
}

// Bounds that are a question's alone: our own texts and rows may be longer. The machine's time zone is nobody's, however it is spelled.
static void guard(struct wf_query *q)
{
    q->guarded = true;
    q->began_us = cpu_us();
    sqlite3_limit(q->db, SQLITE_LIMIT_LENGTH, (int)q->limits.length);
    sqlite3_test_control(SQLITE_TESTCTRL_LOCALTIME_FAULT, 1);
    sqlite3_hard_heap_limit64(sqlite3_memory_used() + (sqlite3_int64)q->limits.memory);
}

static void unguard(struct wf_query *q)
{
    sqlite3_hard_heap_limit64(0);
    sqlite3_test_control(SQLITE_TESTCTRL_LOCALTIME_FAULT, 0);
    sqlite3_limit(q->db, SQLITE_LIMIT_LENGTH, WF_QUERY_LENGTH);
    q->took_us = cpu_us() - q->began_us;
    q->guarded = false;
}

enum weft_err wf_query_begin(
    struct wf_query *q, const struct wf_query_ask *ask, struct wf_query_error *error)
{
    *error = (struct wf_query_error){ .at = -1 };
    wf_query_end(q);
    q->system.now_ms = ask->now_ms;
    q->denied[0] = '\0';
    q->steps = 0;
    q->took_us = 0;
    enum weft_err err = check_text(ask->sql, error);
    for (size_t i = 0; i < ask->use_count && !err; i++) {
        err = make_view(q, i, ask);
        if (err)
            (void)refuse(error, -1, q->problem);
    }
    if (!err)
        err = wf_query_exec(q, sqlite3_mprintf("PRAGMA query_only=1"));
    if (err)
        return err;
    guard(q);
    return prepare(q, ask, error);
}

enum weft_err wf_query_step(struct wf_query *q, struct wf_query_error *error)
{
    int rc = sqlite3_step(q->st);

    if (rc == SQLITE_ROW)
        return WEFT_OK;
    return rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : explain(q, rc, error);
}

size_t wf_query_columns(const struct wf_query *q)
{
    return (size_t)sqlite3_column_count(q->st);
}

const char *wf_query_column(const struct wf_query *q, size_t column)
{
    const char *name = sqlite3_column_name(q->st, (int)column);

    return name ? name : "";
}

void wf_query_cell(struct wf_query *q, size_t column, struct wf_mon_cell *ret)
{
    wf_mon_cell_read(q->st, (int)column, ret);
}

void wf_query_end(struct wf_query *q)
{
    sqlite3_finalize(q->st);
    q->st = NULL;
    if (q->guarded)
        unguard(q);
    if (!q->db || !q->use_count)
        return;
    sqlite3_exec(q->db, "PRAGMA query_only=0", NULL, NULL, NULL);
    for (; q->use_count; q->use_count--) {
        char *sql = sqlite3_mprintf("DROP VIEW IF EXISTS temp.\"%w\"", q->names[q->use_count - 1]);
        enum weft_err err = wf_query_exec(q, sql);
        (void)err; // a view that stays is in the way of its own name alone, and is told there
    }
}

uint64_t wf_query_steps(const struct wf_query *q)
{
    return q->steps;
}

int64_t wf_query_cpu_ms(const struct wf_query *q)
{
    return q->took_us / 1000;
}
