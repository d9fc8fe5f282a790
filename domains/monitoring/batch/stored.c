// SPDX-License-Identifier: Apache-2.0
// Reading the database, before its back-ends: questions that both understand. See stored.h.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/stored_ops.h"

#define ROW_SQL 1024u // of our own statements: names are at most 2 * WF_MON_NAME with their quotes

enum weft_err wf_mon_db_open(
    const char *where, struct wf_mon_db **ret, struct weft_problem *problem)
{
    return wf_mon_store_is_pq(where) ? wf_mon_pq_db_open(where, ret, problem)
                                     : wf_mon_sqlite_db_open(where, ret, problem);
}

void wf_mon_db_close(struct wf_mon_db *db)
{
    if (db)
        db->ops->close(db);
}

const char *wf_mon_db_problem(const struct wf_mon_db *db)
{
    return db->problem;
}

// ---- status ------------------------------------------------------------------------------------------------------------

static void take_text(struct wf_mon_db *db, size_t column, char *out, size_t size)
{
    struct wf_mon_cell cell;

    db->ops->cell(db, column, &cell);
    if (cell.class == WF_MON_TEXT)
        snprintf(out, size, "%.*s", (int)cell.len, cell.ptr);
    else
        out[0] = '\0';
}

static int64_t take_number(struct wf_mon_db *db, size_t column)
{
    struct wf_mon_cell cell;

    db->ops->cell(db, column, &cell);
    return cell.class == WF_MON_INTEGER ? cell.integer : 0;
}

// Of a clock that we read: what lies before 1970 is damaged.
static int64_t take_clock(struct wf_mon_db *db, size_t column)
{
    int64_t ms = take_number(db, column);

    return ms > 0 ? ms : 0;
}

enum weft_err wf_mon_db_beat(struct wf_mon_db *db, struct wf_mon_beat *ret)
{
    struct wf_mon_beat b = { 0 };
    enum weft_err err = db->ops->run(db,
        "SELECT pid, started_ms, updated_ms, subject, state, problem FROM _monitor ORDER BY "
        "updated_ms DESC LIMIT 1");

    if (!err)
        err = db->ops->step(db);
    if (err == WEFT_E_NOT_FOUND) { // it never ran
        *ret = b;
        return WEFT_OK;
    }
    if (err)
        return err;
    b.pid = take_number(db, 0);
    b.started_ms = take_clock(db, 1);
    b.updated_ms = take_clock(db, 2);
    take_text(db, 3, b.subject, sizeof b.subject);
    take_text(db, 4, b.state, sizeof b.state);
    take_text(db, 5, b.problem, sizeof b.problem);
    *ret = b;
    return WEFT_OK;
}

static void read_line(struct wf_mon_db *db, struct wf_mon_line *l)
{
    char *const words[] = { l->product, l->kind, l->state, l->cause, l->problem, l->late, l->why,
        l->past };
    const size_t rooms[] = { sizeof l->product, sizeof l->kind, sizeof l->state, sizeof l->cause,
        sizeof l->problem, sizeof l->late, sizeof l->why, sizeof l->past };
    uint64_t *const counts[] = { &l->records, &l->batches, &l->live, &l->repaired, &l->pulled,
        &l->history, &l->lost, &l->head, &l->next, &l->lag, &l->gaps, &l->verify_failures,
        &l->duplicates, &l->hosts, &l->hosts_late };
    int64_t *const times[] = { &l->freshness_ms, &l->last_time_us, &l->last_append_ms,
        &l->last_received_ms, &l->token_expires_ms, &l->lease_expires_ms, &l->since_ms };
    size_t at = 0;

    memset(l, 0, sizeof *l);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++, at++)
        take_text(db, at, words[i], rooms[i]);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++, at++)
        *counts[i] = (uint64_t)take_number(db, at);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++, at++)
        *times[i] = take_number(db, at);
    if (take_number(db, at) && strcmp(l->state, WF_MON_NOT_GRANTED) != 0) {
        snprintf(l->cause, sizeof l->cause, "no process stores it");
        snprintf(l->why, sizeof l->why, "%s", wf_mon_why_name(WF_MON_NO_PROCESS));
        l->since_ms = l->last_received_ms;
    }
}

static enum weft_err start_lines(struct wf_mon_db *db)
{
    char sql[ROW_SQL];

    snprintf(sql, sizeof sql,
        "SELECT s.product, kind, state, cause, problem, late, why, past, records, batches, live, "
        "repaired, "
        "pulled, history, lost, head, next, lag, gaps, verify_failures, duplicates, hosts, "
        "hosts_late, freshness_ms, last_time_us, last_append_ms, last_received_ms, "
        "token_expires_ms, lease_expires_ms, since_ms, CASE WHEN %s THEN 1 ELSE 0 END FROM _status "
        "s ORDER "
        "BY "
        "s.product",
        db->ops->no_holder);
    return db->ops->run(db, sql);
}

enum weft_err wf_mon_db_lines(struct wf_mon_db *db, struct wf_mon_line **ret, size_t *ret_count)
{
    struct wf_mon_line *lines = NULL;
    size_t count = 0, cap = 0;
    enum weft_err err = start_lines(db);

    while (!err) {
        err = db->ops->step(db);
        if (err)
            break;
        if (count == cap) {
            cap = cap ? cap * 2 : 16;
            struct wf_mon_line *more = realloc(lines, cap * sizeof *lines);
            if (!more) {
                err = WEFT_E_NOMEM;
                break;
            }
            lines = more;
        }
        read_line(db, &lines[count++]);
    }
    if (err != WEFT_E_NOT_FOUND) {
        free(lines);
        return err;
    }
    *ret = lines;
    *ret_count = count;
    return WEFT_OK;
}

enum weft_err wf_mon_db_losses(struct wf_mon_db *db, wf_mon_loss_fn fn, void *arg)
{
    enum weft_err err = db->ops->run(db,
        "SELECT product, code, by_origin, \"from\", \"to\", at_ms FROM _loss WHERE told = 0 ORDER "
        "BY at_ms DESC, id DESC LIMIT 500");

    while (!err) {
        struct wf_mon_lost l = { 0 };
        err = db->ops->step(db);
        if (err)
            break;
        take_text(db, 0, l.product, sizeof l.product);
        take_text(db, 1, l.code, sizeof l.code);
        take_text(db, 2, l.origin, sizeof l.origin);
        l.from = (uint64_t)take_number(db, 3);
        l.to = (uint64_t)take_number(db, 4);
        l.at_ms = take_number(db, 5);
        fn(arg, &l);
    }
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

// ---- any SELECT --------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_db_query(struct wf_mon_db *db, const char *sql)
{
    if (strlen(sql) > WF_MON_SQL_MAX) {
        snprintf(db->problem, sizeof db->problem, "the statement is too long");
        return WEFT_E_SQL;
    }
    return db->ops->query(db, sql);
}

size_t wf_mon_db_columns(const struct wf_mon_db *db)
{
    return db->ops->columns(db);
}

const char *wf_mon_db_column(const struct wf_mon_db *db, size_t column)
{
    return db->ops->column(db, column);
}

enum weft_err wf_mon_db_step(struct wf_mon_db *db)
{
    return db->ops->step(db);
}

void wf_mon_db_cell(struct wf_mon_db *db, size_t column, struct wf_mon_cell *ret)
{
    db->ops->cell(db, column, ret);
}

// ---- proofs ------------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_db_batch(struct wf_mon_db *db, const struct wf_mon_batches *which,
    int64_t after, struct wf_mon_batch *ret)
{
    return db->ops->batch(db, which, after, ret);
}

enum weft_err wf_mon_db_schema(struct wf_mon_db *db, int64_t id, struct wf_mon_schema *ret)
{
    return db->ops->schema(db, id, ret);
}

enum weft_err wf_mon_db_column_of(struct wf_mon_db *db, const char *table, const char *field,
    enum weft_type type, char ret[WF_MON_NAME])
{
    return db->ops->column_of(db, table, field, type, ret);
}

enum weft_err wf_mon_db_as_stored(struct wf_mon_db *db, struct wf_mon_cell *cell)
{
    return db->ops->as_stored ? db->ops->as_stored(db, cell) : WEFT_OK;
}

// A name or a text of the database itself, which is in doubt here: quoted, its quotes doubled.
static const char *quote(const char *text, char mark, char out[2 * WF_MON_NAME + 3])
{
    size_t at = 0;

    out[at++] = mark;
    for (; *text && at < 2 * (size_t)WF_MON_NAME; text++) {
        if (*text == mark)
            out[at++] = mark;
        out[at++] = *text;
    }
    out[at++] = mark;
    out[at] = '\0';
    return out;
}

enum weft_err wf_mon_db_rows(struct wf_mon_db *db, const char *table, int64_t batch)
{
    char sql[ROW_SQL], name[2 * WF_MON_NAME + 3];

    snprintf(sql, sizeof sql,
        "SELECT _offset AS \"_offset\", t.* FROM %s t WHERE _batch = %lld ORDER BY t._offset",
        quote(table, '"', name), (long long)batch);
    return db->ops->run(db, sql);
}

enum weft_err wf_mon_db_tables(struct wf_mon_db *db)
{
    return db->ops->run(db, "SELECT product, tbl FROM _table ORDER BY product");
}

enum weft_err wf_mon_db_orphans(
    struct wf_mon_db *db, const char *product, const char *table, const uint64_t *offset)
{
    char sql[ROW_SQL], name[2 * WF_MON_NAME + 3], text[2 * WF_MON_NAME + 3];
    char one[48] = "", of_it[160] = "";

    if (offset) { // that each row is of its batch's own, whoever asks about all sees row by row
        snprintf(one, sizeof one, "_offset = %" PRId64 " AND ", (int64_t)*offset);
        snprintf(of_it, sizeof of_it,
            " AND b.\"offset\" <= t._offset AND t._offset < b.\"offset\" + b.count");
    }
    snprintf(sql, sizeof sql,
        "SELECT _offset, _batch FROM %s t WHERE %sNOT EXISTS (SELECT 1 FROM _batch b WHERE b.id = "
        "t._batch AND b.product = %s%s) ORDER BY _batch, _offset",
        quote(table, '"', name), one, quote(product, '\'', text), of_it);
    return db->ops->run(db, sql);
}
