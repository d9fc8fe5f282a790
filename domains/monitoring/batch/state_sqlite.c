// SPDX-License-Identifier: Apache-2.0
// What the writer tells those who look: a line a product, its own beat, and which hosts are late.
#include <stdio.h>
#include <string.h>

#include "domains/monitoring/batch/store_sqlite.h"

enum weft_err wf_mon_sqlite_status(
    struct wf_mon_store *s, const struct wf_mon_line *line, int64_t now_ms)
{
    const char *words[WF_MON_LINE_TEXTS];
    int64_t numbers[WF_MON_LINE_NUMBERS];
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_STATUS_SET, &st);

    if (err)
        return err;
    wf_mon_line_columns(line, words, numbers);
    for (int i = 0; i < WF_MON_LINE_TEXTS; i++)
        wf_mon_bind_text(st, 1 + i, words[i]);
    for (int i = 0; i < WF_MON_LINE_NUMBERS; i++)
        sqlite3_bind_int64(st, 1 + WF_MON_LINE_TEXTS + i, numbers[i]);
    wf_mon_bind_text(st, 20, line->late);
    sqlite3_bind_int64(st, 21, now_ms);
    return wf_mon_sqlite_run(s, st, "status");
}

enum weft_err wf_mon_sqlite_beat(struct wf_mon_store *s, const struct wf_mon_beat *beat)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_BEAT_SET, &st);

    if (err)
        return err;
    sqlite3_bind_int64(st, 1, beat->pid);
    wf_mon_bind_text(st, 2, beat->subject);
    wf_mon_bind_text(st, 3, beat->state);
    wf_mon_bind_text(st, 4, beat->problem);
    sqlite3_bind_int64(st, 5, beat->started_ms);
    sqlite3_bind_int64(st, 6, beat->updated_ms);
    return wf_mon_sqlite_run(s, st, "status");
}

// ---- late hosts --------------------------------------------------------------------------------------------------------

// SELECT state of a host in DOMAIN/agents, when that is stored here. *ret = NULL otherwise.
static enum weft_err agent_query(
    struct wf_mon_store *s, const struct wf_mon_table *t, sqlite3_stmt **ret)
{
    char product[WF_MON_PRODUCT + 8];
    sqlite3_stmt *st;
    char *sql = NULL;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_AGENT_TABLE, &st);

    *ret = NULL;
    if (err)
        return err;
    snprintf(product, sizeof product, "%s/agents", t->domain);
    wf_mon_bind_text(st, 1, product);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        sql = sqlite3_mprintf("SELECT \"%w\" FROM \"%w\" WHERE \"%w\" = ?1 AND _op = 'put' ORDER "
                              "BY _batch DESC, _offset DESC LIMIT 1",
            wf_mon_column_text(st, 1), wf_mon_column_text(st, 0), wf_mon_column_text(st, 2));
    sqlite3_reset(st);
    err = wf_mon_sqlite_err(s, rc, "agents");
    if (!err && sql)
        err = wf_mon_sqlite_err(
            s, sqlite3_prepare_v2(wf_mon_sqlite(s)->db, sql, -1, ret, NULL), "agents");
    sqlite3_free(sql);
    return err;
}

static enum wf_mon_agent ask_agent(sqlite3_stmt *agents, const char *host)
{
    enum wf_mon_agent says = WF_MON_AGENT_UNKNOWN;

    if (!agents)
        return says;
    wf_mon_bind_text(agents, 1, host);
    if (sqlite3_step(agents) == SQLITE_ROW)
        says = wf_mon_agent_of(wf_mon_column_text(agents, 0));
    sqlite3_reset(agents);
    return says;
}

static enum weft_err name_late(struct wf_mon_store *s, const struct wf_mon_table *t,
    int64_t before_ms, struct wf_mon_late *ret)
{
    sqlite3_stmt *agents = NULL, *st;
    enum weft_err err = agent_query(s, t, &agents);
    int rc = SQLITE_OK;

    if (!err)
        err = wf_mon_sqlite_get(s, WF_MON_SQL_LATE_NAMES, &st);
    if (err)
        goto out;
    wf_mon_bind_text(st, 1, t->product);
    sqlite3_bind_int64(st, 2, before_ms);
    for (rc = sqlite3_step(st); rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        const char *host = wf_mon_column_text(st, 0);
        wf_mon_late_add(ret, host, ask_agent(agents, host));
    }
    sqlite3_reset(st);
    err = wf_mon_sqlite_err(s, rc, "hosts");
out:
    sqlite3_finalize(agents);
    return err;
}

enum weft_err wf_mon_sqlite_late(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_ms, struct wf_mon_late *ret)
{
    struct wf_mon_late late = { 0 };
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_LATE_COUNT, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    sqlite3_bind_int64(st, 2, before_ms);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        late.hosts = (uint64_t)sqlite3_column_int64(st, 0);
        late.late = (uint64_t)sqlite3_column_int64(st, 1);
        late.newest_ms = sqlite3_column_int64(st, 2);
    }
    sqlite3_reset(st);
    err = wf_mon_sqlite_err(s, rc, "hosts");
    if (!err && late.late)
        err = name_late(s, t, before_ms, &late);
    if (!err)
        *ret = late;
    return err;
}

// ---- letting go --------------------------------------------------------------------------------------------------------

static enum weft_err trim_rows(
    struct wf_mon_store *s, const struct wf_mon_table *t, int64_t before_us, int *ret_count)
{
    char *sql = sqlite3_mprintf("DELETE FROM \"%w\" WHERE rowid IN (SELECT rowid FROM \"%w\" WHERE "
                                "_time < %lld LIMIT %d)",
        t->name, t->name, (long long)before_us, WF_MON_TRIM_ROWS);

    if (!sql)
        return wf_mon_store_nomem(s);
    enum weft_err err = wf_mon_sqlite_exec(s, sql, "trim");
    *ret_count = sqlite3_changes(wf_mon_sqlite(s)->db);
    sqlite3_free(sql);
    return err;
}

static enum weft_err trim_batches(
    struct wf_mon_store *s, const struct wf_mon_table *t, int64_t before_us, int *ret_count)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_BATCH_TRIM, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    sqlite3_bind_int64(st, 2, before_us);
    sqlite3_bind_int(st, 3, WF_MON_TRIM_BATCHES);
    err = wf_mon_sqlite_run(s, st, "trim");
    *ret_count = sqlite3_changes(wf_mon_sqlite(s)->db);
    return err;
}

static enum weft_err trim(
    struct wf_mon_store *s, const struct wf_mon_table *t, int64_t before_us, bool *ret_more)
{
    sqlite3_stmt *st;
    int rows = 0, batches = 0;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_KEPT_FROM, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    sqlite3_bind_int64(st, 2, before_us);
    err = wf_mon_sqlite_run(s, st, "trim");
    if (!err)
        err = trim_rows(s, t, before_us, &rows);
    // A batch goes after its last row.
    if (!err && rows < WF_MON_TRIM_ROWS)
        err = trim_batches(s, t, before_us, &batches);
    *ret_more = rows == WF_MON_TRIM_ROWS || batches == WF_MON_TRIM_BATCHES;
    return err;
}

enum weft_err wf_mon_sqlite_trim(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_us, bool *ret_more)
{
    if (!t->plan->insert) // it has no table yet
        return WEFT_OK;
    enum weft_err err = wf_mon_store_begin(s);
    if (!err)
        err = trim(s, t, before_us, ret_more);
    if (!err)
        err = wf_mon_store_commit(s);
    if (err && s->open)
        wf_mon_store_rollback(s);
    return err;
}
