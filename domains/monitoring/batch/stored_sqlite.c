// SPDX-License-Identifier: Apache-2.0
// Reading the database. See stored.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/batch/store_sqlite.h"
#include "domains/monitoring/batch/stored.h"

#define BUSY_MS     2000 // a reader meets a lock only while run starts or ends
#define SQL_MAX     (64 * 1024)
#define BUDGET_STEP 100000

enum { BATCH_ALL, BATCH_PRODUCT, BATCH_ROW, BATCH_KINDS };

struct wf_mon_db {
    sqlite3 *db;
    sqlite3_stmt *query, *batch[BATCH_KINDS], *schema, *column;
    char problem[400];
};

static enum weft_err fail(struct wf_mon_db *db, int rc)
{
    enum weft_err err = wf_mon_sqlite_code(rc);

    if (err)
        snprintf(db->problem, sizeof db->problem, "database: %s",
            db->db ? sqlite3_errmsg(db->db) : sqlite3_errstr(rc));
    return err;
}

const char *wf_mon_db_problem(const struct wf_mon_db *db)
{
    return db->problem;
}

// ---- opening -----------------------------------------------------------------------------------------------------------

static enum weft_err check_version(struct wf_mon_db *db)
{
    static const char *const asks[] = { "PRAGMA application_id", "PRAGMA user_version" };
    static const int wants[] = { WF_MON_APPLICATION, WF_MON_VERSION };

    for (size_t i = 0; i < 2; i++) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(db->db, asks[i], -1, &st, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(st);
        bool good = rc == SQLITE_ROW && sqlite3_column_int(st, 0) == wants[i];
        enum weft_err err = fail(db, rc);
        sqlite3_finalize(st);
        if (err)
            return err;
        if (!good) {
            snprintf(db->problem, sizeof db->problem,
                "not a database of this weft-monitor: is it the right --db?");
            return WEFT_E_VERSION;
        }
    }
    return WEFT_OK;
}

static enum weft_err set_up(struct wf_mon_db *db, const char *path)
{
    if (access(path, F_OK) != 0) {
        bool none = errno == ENOENT || errno == ENOTDIR;
        snprintf(db->problem, sizeof db->problem, "%.200s: %s", path,
            none ? "no database here; weft-monitor run makes it" : strerror(errno));
        return none ? WEFT_E_NOT_FOUND : WEFT_E_PERMISSION;
    }
    enum weft_err err =
        fail(db, sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL));
    if (err)
        return err;
    sqlite3_busy_timeout(db->db, BUSY_MS);
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_limit(db->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db->db, SQLITE_LIMIT_SQL_LENGTH, SQL_MAX);
    err = fail(db, sqlite3_exec(db->db, "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF", NULL,
                       NULL, NULL));
    return err ? err : check_version(db);
}

enum weft_err wf_mon_db_open(const char *path, struct wf_mon_db **ret, struct weft_problem *problem)
{
    struct wf_mon_db *db = calloc(1, sizeof *db);

    if (!db)
        return WEFT_E_NOMEM;
    enum weft_err err = set_up(db, path);
    if (err) {
        if (problem) {
            *problem = (struct weft_problem){ .err = err };
            snprintf(problem->text, sizeof problem->text, "%s", db->problem);
        }
        wf_mon_db_close(db);
        return err;
    }
    *ret = db;
    return WEFT_OK;
}

void wf_mon_db_close(struct wf_mon_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < BATCH_KINDS; i++)
        sqlite3_finalize(db->batch[i]);
    sqlite3_finalize(db->query);
    sqlite3_finalize(db->schema);
    sqlite3_finalize(db->column);
    sqlite3_close(db->db);
    free(db);
}

// ---- status ------------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_db_beat(struct wf_mon_db *db, struct wf_mon_beat *ret)
{
    sqlite3_stmt *st = NULL;
    struct wf_mon_beat b = { 0 };
    int rc = sqlite3_prepare_v2(db->db,
        "SELECT pid, started_ms, updated_ms, subject, state, problem FROM _monitor", -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        b.pid = sqlite3_column_int64(st, 0);
        b.started_ms = sqlite3_column_int64(st, 1);
        b.updated_ms = sqlite3_column_int64(st, 2);
        snprintf(b.subject, sizeof b.subject, "%s", wf_mon_column_text(st, 3));
        snprintf(b.state, sizeof b.state, "%s", wf_mon_column_text(st, 4));
        snprintf(b.problem, sizeof b.problem, "%s", wf_mon_column_text(st, 5));
    }
    enum weft_err err = fail(db, rc);
    sqlite3_finalize(st);
    if (!err)
        *ret = b;
    return err;
}

static void read_line(sqlite3_stmt *st, struct wf_mon_line *l)
{
    char *const words[] = { l->product, l->kind, l->state, l->cause, l->problem, l->late };
    const size_t rooms[] = { sizeof l->product, sizeof l->kind, sizeof l->state, sizeof l->cause,
        sizeof l->problem, sizeof l->late };
    uint64_t *const counts[] = { &l->records, &l->batches, &l->live, &l->repaired, &l->pulled,
        &l->history, &l->lost, &l->head, &l->next, &l->lag, &l->gaps, &l->verify_failures,
        &l->duplicates, &l->hosts, &l->hosts_late };
    int64_t *const times[] = { &l->freshness_ms, &l->last_time_us, &l->last_append_ms,
        &l->last_received_ms, &l->token_expires_ms, &l->lease_expires_ms };
    int at = 0;

    memset(l, 0, sizeof *l);
    for (size_t i = 0; i < 6; i++, at++)
        snprintf(words[i], rooms[i], "%s", wf_mon_column_text(st, at));
    for (size_t i = 0; i < 15; i++, at++)
        *counts[i] = (uint64_t)sqlite3_column_int64(st, at);
    for (size_t i = 0; i < 6; i++, at++)
        *times[i] = sqlite3_column_int64(st, at);
}

enum weft_err wf_mon_db_lines(struct wf_mon_db *db, struct wf_mon_line **ret, size_t *ret_count)
{
    struct wf_mon_line *lines = NULL;
    size_t count = 0, cap = 0;
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->db,
        "SELECT product, kind, state, cause, problem, late, records, batches, live, "
        "repaired, pulled, history, lost, "
        "head, next, lag, gaps, verify_failures, duplicates, hosts, hosts_late, freshness_ms, "
        "last_time_us, last_append_ms, last_received_ms, token_expires_ms, lease_expires_ms FROM "
        "_status ORDER BY product",
        -1, &st, NULL);
    enum weft_err err = fail(db, rc);

    for (rc = err ? rc : sqlite3_step(st); !err && rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        if (count == cap) {
            cap = cap ? cap * 2 : 16;
            struct wf_mon_line *more = realloc(lines, cap * sizeof *lines);
            if (!more) {
                err = WEFT_E_NOMEM;
                break;
            }
            lines = more;
        }
        read_line(st, &lines[count++]);
    }
    if (!err)
        err = fail(db, rc);
    sqlite3_finalize(st);
    if (err) {
        free(lines);
        return err;
    }
    *ret = lines;
    *ret_count = count;
    return WEFT_OK;
}

// ---- any SELECT --------------------------------------------------------------------------------------------------------

// What a statement of a user may do: read.
static int authorize(
    void *arg, int action, const char *a, const char *b, const char *c, const char *d)
{
    (void)arg;
    (void)a;
    (void)c;
    (void)d;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return b && sqlite3_stricmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

static enum weft_err start(struct wf_mon_db *db, char *sql)
{
    sqlite3_finalize(db->query);
    db->query = NULL;
    if (!sql)
        return WEFT_E_NOMEM;
    enum weft_err err = fail(db, sqlite3_prepare_v2(db->db, sql, -1, &db->query, NULL));
    sqlite3_free(sql);
    return err;
}

static bool is_blank(const char *s)
{
    return s[strspn(s, " \t\r\n;")] == '\0';
}

enum weft_err wf_mon_db_query(struct wf_mon_db *db, const char *sql)
{
    const char *rest = "";

    sqlite3_finalize(db->query);
    db->query = NULL;
    sqlite3_set_authorizer(db->db, authorize, NULL);
    int rc = sqlite3_prepare_v2(db->db, sql, -1, &db->query, &rest);
    if (rc == SQLITE_AUTH)
        snprintf(db->problem, sizeof db->problem, "only SELECT is possible here");
    else if (rc != SQLITE_OK)
        snprintf(db->problem, sizeof db->problem, "%s", sqlite3_errmsg(db->db));
    else if (!db->query)
        snprintf(db->problem, sizeof db->problem, "the statement is empty");
    else if (!is_blank(rest))
        snprintf(db->problem, sizeof db->problem, "one statement at a time");
    else if (!sqlite3_stmt_readonly(db->query) || sqlite3_column_count(db->query) == 0)
        snprintf(db->problem, sizeof db->problem, "only SELECT is possible here");
    else
        return WEFT_OK;
    sqlite3_set_authorizer(db->db, NULL, NULL);
    sqlite3_finalize(db->query);
    db->query = NULL;
    return rc == SQLITE_BUSY ? WEFT_E_BUSY : WEFT_E_SQL;
}

size_t wf_mon_db_columns(const struct wf_mon_db *db)
{
    return (size_t)sqlite3_column_count(db->query);
}

const char *wf_mon_db_column(const struct wf_mon_db *db, size_t column)
{
    const char *name = sqlite3_column_name(db->query, (int)column);

    return name ? name : "";
}

enum weft_err wf_mon_db_step(struct wf_mon_db *db)
{
    int rc = sqlite3_step(db->query);

    if (rc == SQLITE_ROW)
        return WEFT_OK;
    if (rc == SQLITE_DONE)
        return WEFT_E_NOT_FOUND;
    enum weft_err err = fail(db, rc);
    return err == WEFT_E_INTERNAL ? WEFT_E_SQL : err;
}

static void read_cell(sqlite3_stmt *st, int at, struct wf_mon_cell *ret)
{
    *ret = (struct wf_mon_cell){ 0 };
    switch (sqlite3_column_type(st, at)) {
    case SQLITE_INTEGER:
        ret->class = WF_MON_INTEGER;
        ret->integer = sqlite3_column_int64(st, at);
        break;
    case SQLITE_FLOAT:
        ret->class = WF_MON_REAL;
        ret->real = sqlite3_column_double(st, at);
        break;
    case SQLITE_TEXT:
        ret->class = WF_MON_TEXT;
        ret->ptr = wf_mon_column_text(st, at);
        ret->len = (size_t)sqlite3_column_bytes(st, at);
        break;
    case SQLITE_BLOB:
        ret->class = WF_MON_BLOB;
        ret->ptr = sqlite3_column_blob(st, at);
        ret->len = (size_t)sqlite3_column_bytes(st, at);
        ret->ptr = ret->ptr ? ret->ptr : "";
        break;
    default:
        break;
    }
}

void wf_mon_db_cell(struct wf_mon_db *db, size_t column, struct wf_mon_cell *ret)
{
    read_cell(db->query, (int)column, ret);
}

// ---- proofs ------------------------------------------------------------------------------------------------------------

#define BATCH_SQL                                                                                  \
    "SELECT b.id, b.schema, b.product, b.batch, b.origin, t.tbl, b.\"offset\", b.first_seq, "      \
    "b.count, b.header, b.payload, c.bytes FROM _batch b LEFT JOIN _table t ON t.product = "       \
    "b.product LEFT JOIN _chain c ON c.id = b.chain WHERE b.id > ?1 "

static enum weft_err batch_statement(
    struct wf_mon_db *db, const struct wf_mon_batches *which, sqlite3_stmt **ret)
{
    static const char *const sql[BATCH_KINDS] = {
        [BATCH_ALL] = BATCH_SQL "ORDER BY b.id LIMIT 1",
        [BATCH_PRODUCT] = BATCH_SQL "AND b.product = ?2 ORDER BY b.id LIMIT 1",
        [BATCH_ROW] = BATCH_SQL "AND t.tbl = ?2 AND b.\"offset\" <= ?3 AND ?3 < b.\"offset\" + "
                                "b.count ORDER BY b.id LIMIT 1",
    };
    int kind = which->table ? BATCH_ROW : which->product ? BATCH_PRODUCT : BATCH_ALL;
    enum weft_err err = WEFT_OK;

    if (!db->batch[kind])
        err = fail(db, sqlite3_prepare_v2(db->db, sql[kind], -1, &db->batch[kind], NULL));
    if (!err)
        *ret = db->batch[kind];
    return err;
}

static const void *blob(sqlite3_stmt *st, int at, size_t *ret_len)
{
    const void *p = sqlite3_column_blob(st, at);

    *ret_len = (size_t)sqlite3_column_bytes(st, at);
    return p ? p : "";
}

enum weft_err wf_mon_db_batch(struct wf_mon_db *db, const struct wf_mon_batches *which,
    int64_t after, struct wf_mon_batch *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = batch_statement(db, which, &st);

    if (err)
        return err;
    sqlite3_reset(st);
    sqlite3_bind_int64(st, 1, after);
    if (which->table || which->product)
        wf_mon_bind_text(st, 2, which->table ? which->table : which->product);
    if (which->table)
        sqlite3_bind_int64(st, 3, (sqlite3_int64)which->offset);
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : fail(db, rc);
    *ret = (struct wf_mon_batch){ .id = sqlite3_column_int64(st, 0),
        .schema = sqlite3_column_int64(st, 1),
        .product = wf_mon_column_text(st, 2),
        .batch = wf_mon_column_text(st, 3),
        .origin = wf_mon_column_text(st, 4),
        .table = wf_mon_column_text(st, 5),
        .offset = (uint64_t)sqlite3_column_int64(st, 6),
        .first_seq = (uint64_t)sqlite3_column_int64(st, 7),
        .count = (uint64_t)sqlite3_column_int64(st, 8) };
    ret->header = blob(st, 9, &ret->header_len);
    ret->payload = blob(st, 10, &ret->payload_len);
    ret->chain = blob(st, 11, &ret->chain_len);
    return WEFT_OK;
}

enum weft_err wf_mon_db_schema(struct wf_mon_db *db, int64_t id, struct wf_mon_schema *ret)
{
    int rc = SQLITE_OK;

    if (!db->schema)
        rc = sqlite3_prepare_v2(db->db,
            "SELECT hash, message, keys, descriptor FROM _schema WHERE id = ?", -1, &db->schema,
            NULL);
    if (rc != SQLITE_OK)
        return fail(db, rc);
    sqlite3_reset(db->schema);
    sqlite3_bind_int64(db->schema, 1, id);
    rc = sqlite3_step(db->schema);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : fail(db, rc);
    *ret = (struct wf_mon_schema){ .hash = wf_mon_column_text(db->schema, 0),
        .message = wf_mon_column_text(db->schema, 1),
        .keys = wf_mon_column_text(db->schema, 2) };
    ret->set = blob(db->schema, 3, &ret->set_len);
    return WEFT_OK;
}

enum weft_err wf_mon_db_column_of(struct wf_mon_db *db, const char *table, const char *field,
    enum weft_type type, char ret[WF_MON_NAME])
{
    int rc = SQLITE_OK;

    if (!db->column)
        rc = sqlite3_prepare_v2(db->db,
            "SELECT col FROM _columns WHERE tbl = ? AND field = ? AND type = ?", -1, &db->column,
            NULL);
    if (rc != SQLITE_OK)
        return fail(db, rc);
    sqlite3_reset(db->column);
    wf_mon_bind_text(db->column, 1, table);
    wf_mon_bind_text(db->column, 2, field);
    wf_mon_bind_text(db->column, 3, wf_mon_type_name(type));
    rc = sqlite3_step(db->column);
    if (rc == SQLITE_ROW)
        snprintf(ret, WF_MON_NAME, "%s", wf_mon_column_text(db->column, 0));
    sqlite3_reset(db->column);
    return rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : fail(db, rc);
}

enum weft_err wf_mon_db_rows(struct wf_mon_db *db, const char *table, int64_t batch)
{
    return start(db,
        sqlite3_mprintf("SELECT _offset AS \"_offset\", * FROM \"%w\" WHERE _batch = %lld ORDER BY "
                        "_offset",
            table, (long long)batch));
}

enum weft_err wf_mon_db_tables(struct wf_mon_db *db)
{
    return start(db, sqlite3_mprintf("SELECT product, tbl FROM _table ORDER BY product"));
}

enum weft_err wf_mon_db_orphans(struct wf_mon_db *db, const char *product, const char *table)
{
    return start(db,
        sqlite3_mprintf("SELECT _offset, _batch FROM \"%w\" WHERE _batch IS NULL OR _batch NOT IN "
                        "(SELECT id FROM _batch WHERE product = %Q) ORDER BY _batch, _offset",
            table, product));
}
