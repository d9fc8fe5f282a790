// SPDX-License-Identifier: Apache-2.0
// Reading a PostgreSQL database. Every session is read-only; what it may read is its role's. See stored.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/store_pq.h"
#include "domains/monitoring/batch/stored_ops.h"

// Types by their numbers, which are the same in every database (pg_type.dat) and engine.
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700
};

struct reader {
    struct wf_mon_db base;
    struct wf_mon_pq_link link;
    PGresult *rows; // of run(): all; of query(): the row at hand
    int at;         // the row in `rows`
    bool streams;   // of query(): more rows come one by one
    bool first;     // and the first one was not asked for yet
    PGresult *batch, *schema;
    unsigned char *blob; // of the cell given last
    char *text;          // of as_stored
};

static struct reader *reader(struct wf_mon_db *db)
{
    return (struct reader *)db;
}

// ---- opening -----------------------------------------------------------------------------------------------------------

static enum weft_err check_format(struct reader *r)
{
    PGresult *found = NULL;
    enum weft_err err =
        wf_mon_pq_ask(&r->link, "SELECT version FROM _format WHERE id = 1", NULL, false, &found);

    if (err == WEFT_E_INTERNAL) {
        snprintf(r->base.problem, sizeof r->base.problem,
            "no tables of weft-monitor here; weft-monitor store makes them");
        return WEFT_E_NOT_FOUND;
    }
    if (err)
        return err;
    bool good = PQntuples(found) == 1 && wf_mon_pq_number(found, 0, 0) == WF_MON_PQ_VERSION;
    PQclear(found);
    if (good)
        return WEFT_OK;
    snprintf(r->base.problem, sizeof r->base.problem,
        "not a database of this weft-monitor: is it the right --database?");
    return WEFT_E_VERSION;
}

static void forget_rows(struct reader *r)
{
    if (r->streams) {
        // The rest of a SELECT that nobody wants: the connection goes with it.
        PGcancel *cancel = PQgetCancel(r->link.conn);
        char why[64];
        if (cancel)
            PQcancel(cancel, why, sizeof why);
        PQfreeCancel(cancel);
        for (PGresult *more = PQgetResult(r->link.conn); more; more = PQgetResult(r->link.conn))
            PQclear(more);
        r->streams = false;
    }
    PQclear(r->rows);
    r->rows = NULL;
    r->at = -1;
}

static void finish(struct wf_mon_db *db)
{
    struct reader *r = reader(db);

    forget_rows(r);
    PQclear(r->batch);
    PQclear(r->schema);
    PQfreemem(r->blob);
    free(r->text);
    wf_mon_pq_close(&r->link);
    free(r);
}

// ---- rows --------------------------------------------------------------------------------------------------------------

static enum weft_err run(struct wf_mon_db *db, const char *sql)
{
    struct reader *r = reader(db);

    forget_rows(r);
    return wf_mon_pq_ask(&r->link, sql, NULL, false, &r->rows);
}

static enum weft_err refuse(struct reader *r, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    enum weft_err err = wf_mon_pq_err(&r->link, result, "select");

    if (err == WEFT_E_INTERNAL || (state && strcmp(state, "25006") == 0)) {
        bool writes = state && strcmp(state, "25006") == 0;
        bool several = text && strstr(text, "multiple commands");
        snprintf(r->base.problem, sizeof r->base.problem, "%.300s",
            writes    ? "only SELECT is possible here"
            : several ? "one statement at a time"
                      : (text ? text : "it does not parse"));
        return WEFT_E_SQL;
    }
    return err;
}

// The next result of a SELECT that comes row by row. NOT_FOUND: that was all.
static enum weft_err next(struct reader *r)
{
    PQclear(r->rows);
    r->rows = PQgetResult(r->link.conn);
    switch (PQresultStatus(r->rows)) {
    case PGRES_SINGLE_TUPLE:
        r->at = 0;
        return WEFT_OK;
    case PGRES_TUPLES_OK: // after the last row; or there was none
        r->at = -1;
        return WEFT_E_NOT_FOUND;
    case PGRES_FATAL_ERROR:
        return refuse(r, r->rows);
    case PGRES_EMPTY_QUERY:
        snprintf(r->base.problem, sizeof r->base.problem, "the statement is empty");
        return WEFT_E_SQL;
    default:
        snprintf(r->base.problem, sizeof r->base.problem, "only SELECT is possible here");
        return WEFT_E_SQL;
    }
}

static enum weft_err query(struct wf_mon_db *db, const char *sql)
{
    struct reader *r = reader(db);

    forget_rows(r);
    // With parameters, though there are none, the server takes one statement only.
    if (PQsendQueryParams(r->link.conn, sql, 0, NULL, NULL, NULL, NULL, 0) != 1)
        return wf_mon_pq_err(&r->link, NULL, "select");
    PQsetSingleRowMode(r->link.conn);
    r->streams = true;
    enum weft_err err = next(r);
    r->first = err == WEFT_OK;
    if (err == WEFT_E_NOT_FOUND)
        return WEFT_OK; // its columns are known
    if (err)
        forget_rows(r);
    return err;
}

static enum weft_err step(struct wf_mon_db *db)
{
    struct reader *r = reader(db);

    if (!r->streams)
        return ++r->at < PQntuples(r->rows) ? WEFT_OK : WEFT_E_NOT_FOUND;
    if (r->first) {
        r->first = false;
        return WEFT_OK;
    }
    return r->at < 0 ? WEFT_E_NOT_FOUND : next(r);
}

static size_t columns(const struct wf_mon_db *db)
{
    return (size_t)PQnfields(((const struct reader *)db)->rows);
}

static const char *column(const struct wf_mon_db *db, size_t at)
{
    const char *name = PQfname(((const struct reader *)db)->rows, (int)at);

    return name ? name : "";
}

// ---- cells -------------------------------------------------------------------------------------------------------------

static void set_text(struct wf_mon_cell *c, const char *text, size_t len)
{
    c->class = WF_MON_TEXT;
    c->ptr = text;
    c->len = len;
}

// As table.c has it: a whole number, 20 digits beyond 2^63-1, else a real.
static void set_numeric(struct wf_mon_cell *c, const char *text, size_t len)
{
    if (text[strspn(text, "-0123456789")] != '\0') {
        c->class = WF_MON_REAL;
        c->real = strtod(text, NULL);
    } else if (len < 19 || (len == 19 && strcmp(text, "9223372036854775807") <= 0)) {
        c->class = WF_MON_INTEGER;
        c->integer = strtoll(text, NULL, 10);
    } else if (len <= 20 && text[0] != '-') {
        c->class = WF_MON_BLOB;
        memcpy(c->digits, "00000000000000000000", 20 - len);
        memcpy(c->digits + 20 - len, text, len);
        c->ptr = c->digits;
        c->len = 20;
    } else {
        set_text(c, text, len);
    }
}

static void set_real(struct wf_mon_cell *c, const char *text)
{
    double v = strtod(text, NULL);

    if (isnan(v)) {
        set_text(c, "NaN", 3);
        return;
    }
    c->class = WF_MON_REAL;
    c->real = v;
}

static void set_blob(struct reader *r, struct wf_mon_cell *c, const char *text)
{
    PQfreemem(r->blob);
    c->class = WF_MON_BLOB;
    r->blob = PQunescapeBytea((const unsigned char *)text, &c->len);
    c->ptr = r->blob ? (const char *)r->blob : "";
    c->len = r->blob ? c->len : 0;
}

static void cell(struct wf_mon_db *db, size_t at, struct wf_mon_cell *ret)
{
    struct reader *r = reader(db);

    *ret = (struct wf_mon_cell){ 0 };
    if (r->at < 0 || PQgetisnull(r->rows, r->at, (int)at))
        return;
    const char *text = PQgetvalue(r->rows, r->at, (int)at);
    size_t len = (size_t)PQgetlength(r->rows, r->at, (int)at);
    switch (PQftype(r->rows, (int)at)) {
    case OID_BOOL:
        *ret = wf_mon_integer(text[0] == 't');
        break;
    case OID_INT8:
    case OID_INT2:
    case OID_INT4:
    case OID_OID:
        *ret = wf_mon_integer(strtoll(text, NULL, 10));
        break;
    case OID_FLOAT4:
    case OID_FLOAT8:
        set_real(ret, text);
        break;
    case OID_NUMERIC:
        set_numeric(ret, text, len);
        break;
    case OID_BYTEA:
        set_blob(r, ret, text);
        break;
    default:
        set_text(ret, text, len);
    }
}

static enum weft_err as_stored(struct wf_mon_db *db, struct wf_mon_cell *c)
{
    struct reader *r = reader(db);
    struct wf_mon_copy copy = { 0 };

    if (c->class != WF_MON_TEXT || !c->len || !memchr(c->ptr, 0, c->len))
        return WEFT_OK;
    wf_mon_copy_text(&copy, c->ptr, c->len); // by the code that stored it
    free(r->text);
    r->text = copy.ptr;
    if (copy.failed)
        return WEFT_E_NOMEM;
    set_text(c, copy.ptr + 4, copy.len - 4);
    return WEFT_OK;
}

// ---- proofs ------------------------------------------------------------------------------------------------------------

#define BATCH_SQL                                                                                  \
    "SELECT b.id, b.schema, b.\"offset\", b.first_seq, b.count, b.product, b.batch, b.origin, "    \
    "t.tbl, b.header, b.payload, c.bytes, coalesce(t.kept_from_us, -9223372036854775807) FROM "    \
    "_batch b LEFT JOIN _table t ON t.product = "                                                  \
    "b.product LEFT JOIN _chain c ON c.id = b.chain WHERE b.id > $1 "

// Of a result in the binary format.
static int64_t number(const PGresult *r, int column)
{
    const unsigned char *p = (const unsigned char *)PQgetvalue(r, 0, column);
    uint64_t v = 0;

    for (int i = 0; !PQgetisnull(r, 0, column) && i < PQgetlength(r, 0, column) && i < 8; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

static const void *bytes(const PGresult *r, int column, size_t *ret_len)
{
    *ret_len = (size_t)PQgetlength(r, 0, column);
    return PQgetvalue(r, 0, column);
}

static enum weft_err batch(struct wf_mon_db *db, const struct wf_mon_batches *which, int64_t after,
    struct wf_mon_batch *ret)
{
    struct reader *r = reader(db);
    struct wf_mon_pq_args a = { 0 };
    const char *sql = BATCH_SQL "ORDER BY b.id LIMIT 1";

    wf_mon_pq_int(&a, after);
    if (which->table) {
        sql = BATCH_SQL "AND t.tbl = $2 AND b.\"offset\" <= $3 AND $3 < b.\"offset\" + b.count "
                        "ORDER BY b.id LIMIT 1";
        wf_mon_pq_text(&a, which->table);
        wf_mon_pq_int(&a, (int64_t)which->offset);
    } else if (which->product) {
        sql = BATCH_SQL "AND b.product = $2 ORDER BY b.id LIMIT 1";
        wf_mon_pq_text(&a, which->product);
    }
    PQclear(r->batch);
    r->batch = NULL;
    enum weft_err err = wf_mon_pq_ask(&r->link, sql, &a, true, &r->batch);
    if (err)
        return err;
    if (!PQntuples(r->batch))
        return WEFT_E_NOT_FOUND;
    *ret = (struct wf_mon_batch){ .id = number(r->batch, 0),
        .schema = number(r->batch, 1),
        .offset = (uint64_t)number(r->batch, 2),
        .first_seq = (uint64_t)number(r->batch, 3),
        .count = (uint64_t)number(r->batch, 4),
        .product = PQgetvalue(r->batch, 0, 5),
        .batch = PQgetvalue(r->batch, 0, 6),
        .origin = PQgetvalue(r->batch, 0, 7),
        .table = PQgetvalue(r->batch, 0, 8) };
    ret->header = bytes(r->batch, 9, &ret->header_len);
    ret->payload = bytes(r->batch, 10, &ret->payload_len);
    ret->chain = bytes(r->batch, 11, &ret->chain_len);
    ret->kept_from_us = number(r->batch, 12);
    return WEFT_OK;
}

static enum weft_err schema(struct wf_mon_db *db, int64_t id, struct wf_mon_schema *ret)
{
    struct reader *r = reader(db);
    struct wf_mon_pq_args a = { 0 };

    wf_mon_pq_int(&a, id);
    PQclear(r->schema);
    r->schema = NULL;
    enum weft_err err = wf_mon_pq_ask(&r->link,
        "SELECT hash, message, keys, descriptor FROM _schema WHERE id = $1", &a, true, &r->schema);
    if (err)
        return err;
    if (!PQntuples(r->schema))
        return WEFT_E_NOT_FOUND;
    *ret = (struct wf_mon_schema){ .hash = PQgetvalue(r->schema, 0, 0),
        .message = PQgetvalue(r->schema, 0, 1),
        .keys = PQgetvalue(r->schema, 0, 2) };
    ret->set = bytes(r->schema, 3, &ret->set_len);
    return WEFT_OK;
}

static enum weft_err column_of(struct wf_mon_db *db, const char *table, const char *field,
    enum weft_type type, char ret[WF_MON_NAME])
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *found = NULL;

    wf_mon_pq_text(&a, table);
    wf_mon_pq_text(&a, field);
    wf_mon_pq_text(&a, wf_mon_type_name(type));
    enum weft_err err = wf_mon_pq_ask(&reader(db)->link,
        "SELECT col FROM _columns WHERE tbl = $1 AND field = $2 AND type = $3", &a, false, &found);
    if (err)
        return err;
    bool any = PQntuples(found) > 0;
    if (any)
        snprintf(ret, WF_MON_NAME, "%s", PQgetvalue(found, 0, 0));
    PQclear(found);
    return any ? WEFT_OK : WEFT_E_NOT_FOUND;
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
    .as_stored = as_stored,
    .no_holder =
        "NOT EXISTS (SELECT 1 FROM _lease l WHERE l.product = s.product AND l.owner IS NOT "
        "NULL AND l.until_ms > extract(epoch from clock_timestamp()) * 1000)" };

enum weft_err wf_mon_pq_db_open(
    const char *conninfo, struct wf_mon_db **ret, struct weft_problem *problem)
{
    struct reader *r = calloc(1, sizeof *r);

    if (!r)
        return WEFT_E_NOMEM;
    r->base.ops = &ops;
    r->at = -1;
    r->link.problem = r->base.problem;
    r->link.problem_size = sizeof r->base.problem;
    enum weft_err err = wf_mon_pq_open(&r->link, conninfo);
    if (!err)
        err = wf_mon_pq_do(
            &r->link, "SET statement_timeout = 0; SET default_transaction_read_only = on");
    if (!err)
        err = check_format(r);
    if (err) {
        if (problem) {
            *problem = (struct weft_problem){ .err = err };
            snprintf(problem->text, sizeof problem->text, "%s", r->base.problem);
        }
        finish(&r->base);
        return err;
    }
    *ret = &r->base;
    return WEFT_OK;
}
