// SPDX-License-Identifier: Apache-2.0
// See ledger.h.
#include "domains/monitoring/remote/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/store_sqlite.h"

// Times: _ms unix milliseconds. `samples`: 32 bytes each, in the order of the machine: series, time, bits, offset.
static const char tables_sql[] =
    "CREATE TABLE IF NOT EXISTS _series(id INTEGER PRIMARY KEY, product TEXT, labels BLOB);"
    "CREATE TABLE IF NOT EXISTS _series_last(id INTEGER PRIMARY KEY, last_ms INTEGER, stale "
    "INTEGER);"
    "CREATE TABLE IF NOT EXISTS _outbox(id INTEGER PRIMARY KEY CHECK(id = 1), samples BLOB);"
    "CREATE TABLE IF NOT EXISTS _drop(id INTEGER PRIMARY KEY, product TEXT, \"from\" INTEGER, "
    "\"to\" INTEGER, samples INTEGER, reason TEXT, at_ms INTEGER);"
    "CREATE INDEX IF NOT EXISTS _drop_what ON _drop(product, reason, at_ms);"
    "CREATE TABLE IF NOT EXISTS _remote(id INTEGER PRIMARY KEY CHECK(id = 1), url TEXT, problem "
    "TEXT, ok_ms INTEGER, waits_ms INTEGER, series INTEGER, sent INTEGER NOT NULL DEFAULT 0, "
    "already INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0);"
    "INSERT OR IGNORE INTO _remote(id) VALUES(1);";

enum {
    SERIES_ADD,
    LAST_SET,
    SERIES_DROP,
    LAST_DROP,
    OUTBOX_SET,
    OUTBOX_CLEAR,
    DROP_GROW,
    DROP_ADD,
    DROP_TRIM,
    SUM_SET,
    COUNT
};

static const char *const sql[COUNT] = {
    [SERIES_ADD] = "INSERT OR REPLACE INTO _series VALUES(?, ?, ?)",
    [LAST_SET] = "INSERT OR REPLACE INTO _series_last VALUES(?, ?, ?)",
    [SERIES_DROP] = "DELETE FROM _series WHERE id = ?",
    [LAST_DROP] = "DELETE FROM _series_last WHERE id = ?",
    [OUTBOX_SET] = "INSERT OR REPLACE INTO _outbox VALUES(1, ?)",
    [OUTBOX_CLEAR] = "DELETE FROM _outbox",
    // What is refused again and again is one row a minute.
    [DROP_GROW] =
        "UPDATE _drop SET \"from\" = min(\"from\", ?2), \"to\" = max(\"to\", ?3), samples = "
        "samples "
        "+ ?4, at_ms = ?6 WHERE id = (SELECT id FROM _drop WHERE product = ?1 AND reason = ?5 AND "
        "at_ms > ?6 - 60000 ORDER BY at_ms DESC LIMIT 1) AND at_ms / 60000 = ?6 / 60000",
    [DROP_TRIM] = "DELETE FROM _drop WHERE id <= (SELECT max(id) FROM _drop) - 100000",
    [DROP_ADD] = "INSERT INTO _drop(product, \"from\", \"to\", samples, reason, at_ms) "
                 "VALUES(?, ?, ?, ?, ?, ?)",
    [SUM_SET] = "UPDATE _remote SET url = ?1, problem = ?2, ok_ms = max(coalesce(ok_ms, 0), ?3), "
                "waits_ms = ?4, series = ?5, sent = sent + ?6, already = already + ?7, lost = lost "
                "+ ?8",
};

struct wf_ledger {
    struct wf_mon_store *store;
    sqlite3_stmt *st[COUNT];
};

struct packed {
    int64_t series, time_ms;
    uint64_t bits, offset;
};

struct wf_mon_store *wf_ledger_store(struct wf_ledger *l)
{
    return l->store;
}

enum weft_err wf_ledger_open(const char *path, struct wf_ledger **ret, struct weft_problem *problem)
{
    struct wf_ledger *l = calloc(1, sizeof *l);
    enum weft_err err = l ? wf_mon_sqlite_open(path, &l->store, problem) : WEFT_E_NOMEM;

    if (!err)
        err = wf_mon_sqlite_exec(l->store, tables_sql, "make tables");
    for (size_t i = 0; i < COUNT && !err; i++)
        err = wf_mon_sqlite_err(l->store,
            sqlite3_prepare_v3(wf_mon_sqlite(l->store)->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                &l->st[i], NULL),
            "prepare");
    if (!err) {
        *ret = l;
        return WEFT_OK;
    }
    if (l && l->store) {
        *problem = (struct weft_problem){ .err = err };
        snprintf(problem->text, sizeof problem->text, "%s", wf_mon_store_problem(l->store));
    }
    wf_ledger_close(l);
    return err;
}

void wf_ledger_close(struct wf_ledger *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < COUNT; i++)
        sqlite3_finalize(l->st[i]);
    wf_mon_store_close(l->store);
    free(l);
}

// ---- at the start --------------------------------------------------------------------------------------------------------

enum weft_err wf_ledger_series(struct wf_ledger *l, wf_ledger_series_fn fn, void *arg)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(wf_mon_sqlite(l->store)->db,
        "SELECT s.id, s.product, s.labels, t.last_ms, t.stale FROM _series s JOIN _series_last t "
        "ON t.id = s.id ORDER BY s.id",
        -1, &st, NULL);
    enum weft_err err = WEFT_OK;

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(st);
        if (rc != SQLITE_ROW)
            break;
        err = fn(arg, wf_mon_column_text(st, 1), sqlite3_column_int64(st, 0),
            sqlite3_column_blob(st, 2), (size_t)sqlite3_column_bytes(st, 2),
            sqlite3_column_int64(st, 3), sqlite3_column_int(st, 4));
        if (err)
            break;
    }
    if (!err)
        err = wf_mon_sqlite_err(l->store, rc, "series");
    sqlite3_finalize(st);
    return err;
}

enum weft_err wf_ledger_outbox(struct wf_ledger *l, wf_ledger_sample_fn fn, void *arg)
{
    sqlite3_stmt *st = NULL;
    struct packed one;
    int rc = sqlite3_prepare_v2(
        wf_mon_sqlite(l->store)->db, "SELECT samples FROM _outbox", -1, &st, NULL);
    enum weft_err err = WEFT_OK;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        const uint8_t *bytes = sqlite3_column_blob(st, 0);
        size_t len = (size_t)sqlite3_column_bytes(st, 0);
        for (size_t at = 0; at + sizeof one <= len && !err; at += sizeof one) {
            memcpy(&one, bytes + at, sizeof one);
            err = fn(arg, one.series, one.time_ms, one.bits, one.offset);
        }
    }
    if (!err)
        err = wf_mon_sqlite_err(l->store, rc, "outbox");
    sqlite3_finalize(st);
    return err;
}

// ---- a batch ---------------------------------------------------------------------------------------------------------------

static enum weft_err put_outbox(struct wf_ledger *l, const struct wf_remote_batch *b)
{
    struct packed *all = malloc((b->count + 1) * sizeof *all);

    if (!all)
        return wf_mon_store_nomem(l->store);
    for (size_t i = 0; i < b->count; i++)
        all[i] = (struct packed){ b->samples[i].series->id, b->samples[i].time_ms,
            b->samples[i].bits, b->samples[i].offset };
    sqlite3_bind_blob64(l->st[OUTBOX_SET], 1, all, b->count * sizeof *all, SQLITE_STATIC);
    enum weft_err err = wf_mon_sqlite_run(l->store, l->st[OUTBOX_SET], "outbox");
    sqlite3_clear_bindings(l->st[OUTBOX_SET]);
    free(all);
    return err;
}

static enum weft_err put_series(struct wf_ledger *l, const struct wf_remote_series *s)
{
    enum weft_err err = WEFT_OK;

    if (!s->kept) {
        sqlite3_bind_int64(l->st[SERIES_ADD], 1, s->id);
        wf_mon_bind_text(l->st[SERIES_ADD], 2, s->product->name);
        wf_mon_bind_blob(l->st[SERIES_ADD], 3, s->labels, s->len);
        err = wf_mon_sqlite_run(l->store, l->st[SERIES_ADD], "series");
    }
    if (err)
        return err;
    sqlite3_bind_int64(l->st[LAST_SET], 1, s->id);
    sqlite3_bind_int64(l->st[LAST_SET], 2, s->last_ms);
    sqlite3_bind_int(l->st[LAST_SET], 3, s->stale);
    return wf_mon_sqlite_run(l->store, l->st[LAST_SET], "series");
}

static enum weft_err put_drop(
    struct wf_ledger *l, int which, const struct wf_remote_drop *d, int64_t at_ms)
{
    sqlite3_stmt *st = l->st[which];

    wf_mon_bind_text(st, 1, d->product);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)d->from);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)d->to);
    sqlite3_bind_int64(st, 4, (sqlite3_int64)d->samples);
    wf_mon_bind_text(st, 5, d->reason);
    sqlite3_bind_int64(st, 6, at_ms);
    return wf_mon_sqlite_run(l->store, st, "drop");
}

enum weft_err wf_ledger_drops(
    struct wf_ledger *l, const struct wf_remote_drop *drops, size_t count, int64_t at_ms)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < count && !err; i++) {
        err = put_drop(l, DROP_GROW, &drops[i], at_ms);
        if (!err && sqlite3_changes(wf_mon_sqlite(l->store)->db) == 0)
            err = put_drop(l, DROP_ADD, &drops[i], at_ms);
    }
    return err || !count ? err : wf_mon_sqlite_run(l->store, l->st[DROP_TRIM], "drop");
}

enum weft_err wf_ledger_send(
    struct wf_ledger *l, const struct wf_remote_batch *batch, int64_t at_ms)
{
    enum weft_err err = put_outbox(l, batch);

    for (size_t i = 0; i < batch->head_count && !err; i++)
        err = put_series(l, batch->heads[i].series);
    return err ? err : wf_ledger_drops(l, batch->drops, batch->drop_count, at_ms);
}

enum weft_err wf_ledger_landed(struct wf_ledger *l)
{
    return wf_mon_sqlite_run(l->store, l->st[OUTBOX_CLEAR], "outbox");
}

enum weft_err wf_ledger_forget(struct wf_ledger *l, int64_t series)
{
    sqlite3_bind_int64(l->st[SERIES_DROP], 1, series);
    enum weft_err err = wf_mon_sqlite_run(l->store, l->st[SERIES_DROP], "series");
    sqlite3_bind_int64(l->st[LAST_DROP], 1, series);
    return err ? err : wf_mon_sqlite_run(l->store, l->st[LAST_DROP], "series");
}

// ---- products and the whole ----------------------------------------------------------------------------------------------

enum weft_err wf_ledger_cursor_set(
    struct wf_ledger *l, const char *product, const struct weft_cursor_row *row)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(l->store, WF_MON_SQL_CURSOR_SET, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, product);
    wf_mon_bind_blob(st, 2, row->key, row->key_len);
    wf_mon_bind_blob(st, 3, row->value, row->value_len);
    return wf_mon_sqlite_run(l->store, st, "cursor");
}

enum weft_err wf_ledger_counts(struct wf_ledger *l, struct wf_remote_product *own)
{
    struct wf_mon_table *t = NULL;
    enum weft_err err = wf_mon_store_table(l->store, own->name, &t);

    if (err || !own->batches)
        return err;
    uint64_t *const ways[] = { &t->live, &t->repaired, &t->pulled, &t->history };
    for (size_t i = 0; i < 4; i++)
        *ways[i] += own->ways[i];
    t->records += own->records;
    t->batches += own->batches;
    if (own->last_time_us > t->last_time_us)
        t->last_time_us = own->last_time_us;
    if (own->last_append_ms > t->last_append_ms)
        t->last_append_ms = own->last_append_ms;
    t->dirty = true;
    return WEFT_OK;
}

enum weft_err wf_ledger_sum_set(struct wf_ledger *l, const struct wf_ledger_sum *sum)
{
    sqlite3_stmt *st = l->st[SUM_SET];

    wf_mon_bind_text(st, 1, sum->url);
    wf_mon_bind_text(st, 2, sum->problem);
    sqlite3_bind_int64(st, 3, sum->ok_ms);
    sqlite3_bind_int64(st, 4, sum->waits_ms);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)sum->series);
    sqlite3_bind_int64(st, 6, (sqlite3_int64)sum->sent);
    sqlite3_bind_int64(st, 7, (sqlite3_int64)sum->already);
    sqlite3_bind_int64(st, 8, (sqlite3_int64)sum->lost);
    return wf_mon_sqlite_run(l->store, st, "remote write");
}
