// SPDX-License-Identifier: Apache-2.0
// Letting go of old rows in PostgreSQL: whole days as partitions, what is left (the partition for the rest, or an engine without
// partitions) as rows. A partition that a reader holds is emptied instead, as rows: nobody waits for it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/batch/store_pq.h"

static enum weft_err drop_one(struct wf_mon_pq *q, const char *partition)
{
    char quoted[2 * WF_MON_NAME + 3], sql[2 * WF_MON_NAME + 80];

    snprintf(sql, sizeof sql, "DROP TABLE %s", wf_mon_pq_quote(partition, quoted));
    enum weft_err err = wf_mon_pq_do(&q->link, "SET lock_timeout = '500ms'");
    if (!err)
        err = wf_mon_pq_do(&q->link, sql);
    PQclear(PQexec(q->link.conn, "SET lock_timeout = '" WF_MON_PQ_LOCK "'"));
    return err == WEFT_E_BUSY ? WEFT_OK : err;
}

// "_pYYYYMMDD_TABLE": names in order of days, those of other tables apart.
static enum weft_err drop_days(struct wf_mon_pq *q, const struct wf_mon_table *t, int64_t before_us)
{
    struct wf_mon_pq_args a = { 0 };
    char end[16], table[2 * WF_MON_NAME + 3];
    time_t seconds = (time_t)(before_us / 1000000);
    struct tm tm;
    PGresult *r = NULL;

    gmtime_r(&seconds, &tm);
    strftime(end, sizeof end, "_p%Y%m%d", &tm);
    wf_mon_pq_quote(t->name, table);
    wf_mon_pq_text(&a, table);
    wf_mon_pq_text(&a, end);
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE "
        "i.inhparent = $1::regclass AND substr(c.relname, 1, 2) = '_p' AND substr(c.relname, 1, "
        "10) < $2 ORDER BY 1",
        &a, false, &r);
    for (int i = 0; !err && i < PQntuples(r); i++)
        err = drop_one(q, PQgetvalue(r, i, 0));
    PQclear(r);
    return err;
}

static enum weft_err run_delete(
    struct wf_mon_pq *q, const char *sql, const struct wf_mon_pq_args *a, long *ret_count)
{
    PGresult *r = NULL;
    enum weft_err err = wf_mon_pq_ask(&q->link, sql, a, false, &r);

    if (err)
        return err;
    *ret_count = strtol(PQcmdTuples(r), NULL, 10);
    PQclear(r);
    return WEFT_OK;
}

static enum weft_err delete_rest(
    struct wf_mon_pq *q, const struct wf_mon_table *t, int64_t before_us, bool *ret_more)
{
    struct wf_mon_pq_args rows = { 0 }, batches = { 0 };
    char table[2 * WF_MON_NAME + 3], sql[4 * WF_MON_NAME + 200];
    long row_count = 0, batch_count = 0;

    wf_mon_pq_quote(t->name, table);
    snprintf(sql, sizeof sql,
        "DELETE FROM %s WHERE _time < $1::bigint AND (_batch, _offset) IN (SELECT _batch, _offset "
        "FROM %s WHERE _time < "
        "$1::bigint LIMIT %d)",
        table, table, WF_MON_TRIM_ROWS);
    wf_mon_pq_int(&rows, before_us);
    wf_mon_pq_text(&batches, t->product);
    wf_mon_pq_int(&batches, before_us);
    wf_mon_pq_int(&batches, WF_MON_TRIM_BATCHES);
    enum weft_err err = run_delete(q, sql, &rows, &row_count);
    // A batch goes after its last row.
    if (!err && row_count < WF_MON_TRIM_ROWS)
        err = run_delete(q,
            "DELETE FROM _batch WHERE id IN (SELECT id FROM _batch WHERE product = $1 AND "
            "last_time_us < $2 LIMIT $3)",
            &batches, &batch_count);
    *ret_more = row_count >= WF_MON_TRIM_ROWS || batch_count >= WF_MON_TRIM_BATCHES;
    return err;
}

enum weft_err wf_mon_pq_trim(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_us, bool *ret_more)
{
    struct wf_mon_pq *q = wf_mon_pq(s);
    struct wf_mon_pq_args a = { 0 };
    int64_t day_us = before_us - before_us % WF_MON_DAY_US;

    if (!t->plan->copy || !t->plan->held) // it has no table yet, or another process looks after it
        return WEFT_OK;
    wf_mon_pq_text(&a, t->product);
    wf_mon_pq_int(&a, day_us);
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "UPDATE _table SET kept_from_us = greatest(coalesce(kept_from_us, $2::bigint), $2::bigint) "
        "WHERE product = $1",
        &a, false, NULL);
    if (!err && q->partitions)
        err = drop_days(q, t, day_us);
    return err ? err : delete_rest(q, t, day_us, ret_more);
}
