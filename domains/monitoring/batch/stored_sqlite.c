// SPDX-License-Identifier: Apache-2.0
// Reading the database. See stored.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/batch/store_sqlite.h"
#include "domains/monitoring/batch/stored_ops.h"
#include "domains/monitoring/common/cell_sqlite.h"

#define BUSY_MS 2000 // a reader meets a lock only while run starts or ends

enum { BATCH_ALL, BATCH_PRODUCT, BATCH_ROW, BATCH_KINDS };

struct lite {
    struct wf_mon_db base;
    sqlite3 *db;
    sqlite3_stmt *query, *batch[BATCH_KINDS], *schema, *column;
};

static struct lite *lite(struct wf_mon_db *db)
{
    return (struct lite *)db;
}

static enum weft_err fail(struct wf_mon_db *db, int rc)
{
    enum weft_err err = wf_mon_sqlite_code(rc);

    if (err)
        snprintf(db->problem, sizeof db->problem, "database: %s",
            lite(db)->db ? sqlite3_errmsg(lite(db)->db) : sqlite3_errstr(rc));
    return err;
}

// ---- opening -----------------------------------------------------------------------------------------------------------

static enum weft_err check_version(struct wf_mon_db *db)
{
    static const char *const asks[] = { "PRAGMA application_id", "PRAGMA user_version" };
    static const int wants[] = { WF_MON_APPLICATION, WF_MON_VERSION };

    for (size_t i = 0; i < 2; i++) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(lite(db)->db, asks[i], -1, &st, NULL);
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
    enum weft_err err = fail(
        db, sqlite3_open_v2(path, &lite(db)->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL));
    if (err)
        return err;
    sqlite3_busy_timeout(lite(db)->db, BUSY_MS);
    sqlite3_db_config(lite(db)->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(lite(db)->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(lite(db)->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_limit(lite(db)->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(lite(db)->db, SQLITE_LIMIT_SQL_LENGTH, (int)WF_MON_SQL_MAX);
    err = fail(db, sqlite3_exec(lite(db)->db, "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF",
                       NULL, NULL, NULL));
    return err ? err : check_version(db);
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

static enum weft_err run(struct wf_mon_db *db, const char *sql)
{
    sqlite3_finalize(lite(db)->query);
    lite(db)->query = NULL;
    return fail(db, sqlite3_prepare_v2(lite(db)->db, sql, -1, &lite(db)->query, NULL));
}

static bool is_blank(const char *s)
{
    return s[strspn(s, " \t\r\n;")] == '\0';
}

static enum weft_err query(struct wf_mon_db *db, const char *sql)
{
    const char *rest = "";

    sqlite3_finalize(lite(db)->query);
    lite(db)->query = NULL;
    sqlite3_set_authorizer(lite(db)->db, authorize, NULL);
    int rc = sqlite3_prepare_v2(lite(db)->db, sql, -1, &lite(db)->query, &rest);
    if (rc == SQLITE_AUTH)
        snprintf(db->problem, sizeof db->problem, "only SELECT is possible here");
    else if (rc != SQLITE_OK)
        snprintf(db->problem, sizeof db->problem, "%s", sqlite3_errmsg(lite(db)->db));
    else if (!lite(db)->query)
        snprintf(db->problem, sizeof db->problem, "the statement is empty");
    else if (!is_blank(rest))
        snprintf(db->problem, sizeof db->problem, "one statement at a time");
    else if (!sqlite3_stmt_readonly(lite(db)->query) || sqlite3_column_count(lite(db)->query) == 0)
        snprintf(db->problem, sizeof db->problem, "only SELECT is possible here");
    else
        return WEFT_OK;
    sqlite3_set_authorizer(lite(db)->db, NULL, NULL);
    sqlite3_finalize(lite(db)->query);
    lite(db)->query = NULL;
    return rc == SQLITE_BUSY ? WEFT_E_BUSY : WEFT_E_SQL;
}

static size_t columns(const struct wf_mon_db *db)
{
    return (size_t)sqlite3_column_count(((const struct lite *)db)->query);
}

static const char *column(const struct wf_mon_db *db, size_t at)
{
    const char *name = sqlite3_column_name(((const struct lite *)db)->query, (int)at);

    return name ? name : "";
}

static enum weft_err step(struct wf_mon_db *db)
{
    int rc = sqlite3_step(lite(db)->query);

    if (rc == SQLITE_ROW)
        return WEFT_OK;
    if (rc == SQLITE_DONE)
        return WEFT_E_NOT_FOUND;
    enum weft_err err = fail(db, rc);
    return err == WEFT_E_INTERNAL ? WEFT_E_SQL : err;
}

static void cell(struct wf_mon_db *db, size_t at, struct wf_mon_cell *ret)
{
    wf_mon_cell_read(lite(db)->query, (int)at, ret);
}

// ---- proofs ------------------------------------------------------------------------------------------------------------

#define BATCH_SQL                                                                                  \
    "SELECT b.id, b.schema, b.product, b.batch, b.origin, t.tbl, b.\"offset\", b.first_seq, "      \
    "b.count, b.header, b.payload, c.bytes, coalesce(t.kept_from_us, -9223372036854775807) FROM "  \
    "_batch b LEFT JOIN _table t ON t.product = "                                                  \
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

    if (!lite(db)->batch[kind])
        err =
            fail(db, sqlite3_prepare_v2(lite(db)->db, sql[kind], -1, &lite(db)->batch[kind], NULL));
    if (!err)
        *ret = lite(db)->batch[kind];
    return err;
}

static const void *blob(sqlite3_stmt *st, int at, size_t *ret_len)
{
    const void *p = sqlite3_column_blob(st, at);

    *ret_len = (size_t)sqlite3_column_bytes(st, at);
    return p ? p : "";
}

static enum weft_err batch(struct wf_mon_db *db, const struct wf_mon_batches *which, int64_t after,
    struct wf_mon_batch *ret)
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
    ret->kept_from_us = sqlite3_column_int64(st, 12);
    return WEFT_OK;
}

static enum weft_err schema(struct wf_mon_db *db, int64_t id, struct wf_mon_schema *ret)
{
    int rc = SQLITE_OK;

    if (!lite(db)->schema)
        rc = sqlite3_prepare_v2(lite(db)->db,
            "SELECT hash, message, keys, descriptor FROM _schema WHERE id = ?", -1,
            &lite(db)->schema, NULL);
    if (rc != SQLITE_OK)
        return fail(db, rc);
    sqlite3_reset(lite(db)->schema);
    sqlite3_bind_int64(lite(db)->schema, 1, id);
    rc = sqlite3_step(lite(db)->schema);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : fail(db, rc);
    *ret = (struct wf_mon_schema){ .hash = wf_mon_column_text(lite(db)->schema, 0),
        .message = wf_mon_column_text(lite(db)->schema, 1),
        .keys = wf_mon_column_text(lite(db)->schema, 2) };
    ret->set = blob(lite(db)->schema, 3, &ret->set_len);
    return WEFT_OK;
}

static enum weft_err column_of(struct wf_mon_db *db, const char *table, const char *field,
    enum weft_type type, char ret[WF_MON_NAME])
{
    int rc = SQLITE_OK;

    if (!lite(db)->column)
        rc = sqlite3_prepare_v2(lite(db)->db,
            "SELECT col FROM _columns WHERE tbl = ? AND field = ? AND type = ?", -1,
            &lite(db)->column, NULL);
    if (rc != SQLITE_OK)
        return fail(db, rc);
    sqlite3_reset(lite(db)->column);
    wf_mon_bind_text(lite(db)->column, 1, table);
    wf_mon_bind_text(lite(db)->column, 2, field);
    wf_mon_bind_text(lite(db)->column, 3, wf_mon_type_name(type));
    rc = sqlite3_step(lite(db)->column);
    if (rc == SQLITE_ROW)
        snprintf(ret, WF_MON_NAME, "%s", wf_mon_column_text(lite(db)->column, 0));
    sqlite3_reset(lite(db)->column);
    return rc == SQLITE_DONE ? WEFT_E_NOT_FOUND : fail(db, rc);
}

static void finish(struct wf_mon_db *db)
{
    for (size_t i = 0; i < BATCH_KINDS; i++)
        sqlite3_finalize(lite(db)->batch[i]);
    sqlite3_finalize(lite(db)->query);
    sqlite3_finalize(lite(db)->schema);
    sqlite3_finalize(lite(db)->column);
    sqlite3_close(lite(db)->db);
    free(db);
}

static const struct wf_mon_db_ops ops = { .close = finish,
    .run = run,
    .query = query,
    .columns = columns,
    .column = column,
    .step = step,
    .cell = cell,
    .batch = batch,
    .schema = schema,
    .column_of = column_of,
    .no_holder = "0" };

enum weft_err wf_mon_sqlite_db_open(
    const char *path, struct wf_mon_db **ret, struct weft_problem *problem)
{
    struct lite *l = calloc(1, sizeof *l);

    if (!l)
        return WEFT_E_NOMEM;
    l->base.ops = &ops;
    enum weft_err err = set_up(&l->base, path);
    if (err) {
        if (problem) {
            *problem = (struct weft_problem){ .err = err };
            snprintf(problem->text, sizeof problem->text, "%s", l->base.problem);
        }
        finish(&l->base);
        return err;
    }
    *ret = &l->base;
    return WEFT_OK;
}
