// SPDX-License-Identifier: Apache-2.0
// The database on PostgreSQL, or an engine that speaks its protocol: its tables, its transactions. Nothing here needs an extension or a
// superuser. Where the engine has no declarative partitions, a product's table is one table.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "domains/monitoring/batch/store_pq.h"

#define SET_UP_TRIES                                                                               \
    3 // two processes that make the same tables at once: one of them meets what the other made

// The tables of SQLite (store_sqlite.c) with this server's types. Times: _us unix microseconds, _ms unix milliseconds.
static const char tables_sql[] =
    "CREATE TABLE IF NOT EXISTS _format(id INTEGER PRIMARY KEY, version INTEGER, partitions "
    "BOOLEAN);"
    "CREATE SEQUENCE IF NOT EXISTS _id INCREMENT BY 1000;"
    "CREATE TABLE IF NOT EXISTS _monitor(process TEXT PRIMARY KEY, owner TEXT, pid BIGINT, subject "
    "TEXT, state TEXT, problem TEXT, started_ms BIGINT, updated_ms BIGINT);"
    "CREATE TABLE IF NOT EXISTS _lease(product TEXT PRIMARY KEY, owner TEXT, process TEXT, "
    "until_ms BIGINT NOT NULL DEFAULT 0, asked TEXT);"
    "CREATE TABLE IF NOT EXISTS _table(product TEXT PRIMARY KEY, tbl TEXT NOT NULL UNIQUE, "
    "kept_from_us BIGINT);"
    "CREATE TABLE IF NOT EXISTS _columns(tbl TEXT, col TEXT, field TEXT, number BIGINT, type TEXT, "
    "unit TEXT, role TEXT, is_key BIGINT, description TEXT, PRIMARY KEY(tbl, col), UNIQUE(tbl, "
    "field, type));"
    "CREATE TABLE IF NOT EXISTS _schema(id BIGINT PRIMARY KEY, hash TEXT, message TEXT, keys TEXT, "
    "descriptor BYTEA);"
    "CREATE TABLE IF NOT EXISTS _chain(id BIGINT PRIMARY KEY, sum BIGINT, bytes BYTEA);"
    "CREATE INDEX IF NOT EXISTS _chain_sum ON _chain(sum);"
    "CREATE TABLE IF NOT EXISTS _batch(id BIGINT PRIMARY KEY, product TEXT NOT NULL, batch TEXT "
    "NOT NULL, origin TEXT, \"offset\" BIGINT, first_seq BIGINT, count BIGINT, append_ms BIGINT, "
    "way TEXT, skewed BIGINT, schema BIGINT, chain BIGINT, header BYTEA, payload BYTEA, "
    "last_time_us BIGINT, UNIQUE(batch, first_seq, product));"
    "CREATE INDEX IF NOT EXISTS _batch_time ON _batch(product, last_time_us);"
    "CREATE TABLE IF NOT EXISTS _origin(product TEXT, origin TEXT, records BIGINT, last_time_us "
    "BIGINT, last_append_ms BIGINT, PRIMARY KEY(product, origin));"
    "CREATE TABLE IF NOT EXISTS _cursor(product TEXT, key BYTEA, value BYTEA, PRIMARY KEY(product, "
    "key));"
    "CREATE TABLE IF NOT EXISTS _loss(id BIGINT PRIMARY KEY, product TEXT, \"from\" BIGINT, \"to\" "
    "BIGINT, code TEXT, at_ms BIGINT, by_origin TEXT, incarnation TEXT, "
    "told SMALLINT NOT NULL DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS _status(product TEXT PRIMARY KEY, kind TEXT, state TEXT, cause "
    "TEXT, problem TEXT, freshness_ms BIGINT, records BIGINT NOT NULL DEFAULT 0, batches BIGINT "
    "NOT NULL DEFAULT 0, live BIGINT NOT NULL DEFAULT 0, repaired BIGINT NOT NULL DEFAULT 0, "
    "pulled BIGINT NOT NULL DEFAULT 0, history BIGINT NOT NULL DEFAULT 0, lost BIGINT NOT NULL "
    "DEFAULT 0, last_time_us BIGINT, last_append_ms BIGINT, last_received_ms BIGINT, head BIGINT, "
    "next BIGINT, lag BIGINT, gaps BIGINT, verify_failures BIGINT, duplicates BIGINT, "
    "token_expires_ms BIGINT, lease_expires_ms BIGINT, hosts BIGINT, hosts_late BIGINT, late TEXT, "
    "why TEXT, past TEXT, since_ms BIGINT, updated_ms BIGINT)";

// ---- set-up ------------------------------------------------------------------------------------------------------------

// A site that has TimescaleDB makes its tables hypertables, which a table with partitions cannot become.
static bool has_hypertables(struct wf_mon_pq *q)
{
    PGresult *r = NULL;

    if (wf_mon_pq_ask(
            &q->link, "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'", NULL, false, &r))
        return false;
    bool has = PQntuples(r) > 0;
    PQclear(r);
    return has;
}

// Whether the engine has declarative partitions is asked by making one. It is dropped and not rolled back: YugabyteDB rolls back no table.
static bool has_partitions(struct wf_mon_pq *q)
{
    if (PQparameterStatus(q->link.conn, "crdb_version") || has_hypertables(q))
        return false; // CockroachDB takes the words for another kind of them
    enum weft_err err = wf_mon_pq_do(
        &q->link, "CREATE TABLE IF NOT EXISTS _probe(v BIGINT) PARTITION BY RANGE (v)");
    if (!err)
        err = wf_mon_pq_do(
            &q->link, "CREATE TABLE IF NOT EXISTS _probe_rest PARTITION OF _probe DEFAULT");
    PQclear(PQexec(q->link.conn, "DROP TABLE IF EXISTS _probe"));
    return !err;
}

// *ret = 0: the database has no format yet.
static enum weft_err read_format(struct wf_mon_pq *q, int64_t *ret)
{
    PGresult *r = NULL;
    enum weft_err err = wf_mon_pq_ask(
        &q->link, "SELECT version, partitions FROM _format WHERE id = 1", NULL, false, &r);

    if (err)
        return err;
    *ret = PQntuples(r) ? wf_mon_pq_number(r, 0, 0) : 0;
    q->partitions = PQntuples(r) && strcmp(PQgetvalue(r, 0, 1), "t") == 0;
    PQclear(r);
    return WEFT_OK;
}

static enum weft_err make_format(struct wf_mon_pq *q)
{
    struct wf_mon_pq_args a = { 0 };

    // Payloads are compressed where that helped: the server need not try it again, a tenth of its time. An engine that has no such words
    // has no such habit either.
    PQclear(PQexec(q->link.conn, "ALTER TABLE _batch ALTER COLUMN payload SET STORAGE EXTERNAL"));

    wf_mon_pq_int(&a, WF_MON_PQ_VERSION);
    wf_mon_pq_text(&a, has_partitions(q) ? "t" : "f");
    return wf_mon_pq_ask(&q->link,
        "INSERT INTO _format(id, version, partitions) VALUES(1, $1, $2) ON CONFLICT DO NOTHING", &a,
        false, NULL);
}

// Each by itself: CockroachDB and YugabyteDB have no transaction of several that change the schema. What a killed process left undone the next
// one does.
static enum weft_err make_tables(struct wf_mon_pq *q)
{
    char one[1600];
    enum weft_err err = WEFT_OK;

    for (const char *at = tables_sql; *at && !err;) {
        size_t len = strcspn(at, ";");
        snprintf(one, sizeof one, "%.*s", (int)len, at);
        err = wf_mon_pq_do(&q->link, one);
        at += len + (at[len] == ';');
    }
    return err;
}

static enum weft_err set_up(struct wf_mon_pq *q)
{
    int64_t version = 0;
    enum weft_err err = WEFT_E_BUSY;

    for (int i = 0; i < SET_UP_TRIES && err; i++) {
        if (PQstatus(q->link.conn) != CONNECTION_OK)
            return WEFT_E_IO;
        err = make_tables(q);
    }
    if (!err)
        err = read_format(q, &version);
    if (!err && !version) {
        err = make_format(q);
        if (!err)
            err = read_format(q, &version);
    }
    if (!err && version != WF_MON_PQ_VERSION) {
        snprintf(q->base.problem, sizeof q->base.problem,
            "database: format %lld, want %d: use another database or schema", (long long)version,
            WF_MON_PQ_VERSION);
        err = WEFT_E_VERSION;
    }
    return err;
}

// Names the boot and the namespace in which process ids mean what they mean here; "" when they are not to be known.
static void name_machine(char out[20])
{
    char text[160] = "", space[64] = "";
    uint64_t h = 14695981039346656037u;
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    out[0] = '\0';
    if (!f)
        return;
    bool known = fgets(text, 64, f) && readlink("/proc/self/ns/pid", space, sizeof space - 1) > 0;
    fclose(f);
    if (!known)
        return;
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s", space);
    for (const char *p = text; *p; p++)
        h = (h ^ (uint8_t)*p) * 1099511628211u;
    snprintf(out, 20, "%016llx-", (unsigned long long)h);
}

static enum weft_err name_process(struct wf_mon_pq *q)
{
    uint8_t random[8];
    char host[96] = "", text[2 * sizeof random + 1];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return WEFT_E_IO;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "host");
    name_machine(q->machine);
    snprintf(q->owner, sizeof q->owner, "%s%ld-%s", q->machine[0] ? q->machine : "-",
        (long)getpid(), text);
    snprintf(q->process, sizeof q->process, "%s:%ld:%.4s", host, (long)getpid(), text);
    return WEFT_OK;
}

enum weft_err wf_mon_pq_id(struct wf_mon_pq *q, int64_t *ret)
{
    PGresult *r = NULL;

    if (q->next_id == q->end_id) {
        enum weft_err err = wf_mon_pq_ask(&q->link, "SELECT nextval('_id')", NULL, false, &r);
        if (err)
            return err;
        q->next_id = wf_mon_pq_number(r, 0, 0);
        q->end_id = q->next_id + 1000;
        PQclear(r);
    }
    *ret = q->next_id++;
    return WEFT_OK;
}

// ---- transactions ------------------------------------------------------------------------------------------------------

static enum weft_err begin(struct wf_mon_store *s)
{
    return wf_mon_pq_connect(&wf_mon_pq(s)->link);
}

static void counts_of(const struct wf_mon_table *t, uint64_t ret[7])
{
    const uint64_t counts[7] = { t->records, t->batches, t->live, t->repaired, t->pulled,
        t->history, t->lost };

    memcpy(ret, counts, sizeof counts);
}

// By how much they grew: a backfill beside the holder adds to the same ones.
static enum weft_err flush_counts(struct wf_mon_pq *q)
{
    for (struct wf_mon_table *t = q->base.tables; t; t = t->next) {
        struct wf_mon_pq_args a = { 0 };
        uint64_t counts[7];
        if (!t->dirty)
            continue;
        counts_of(t, counts);
        wf_mon_pq_text(&a, t->product);
        for (size_t i = 0; i < 7; i++)
            wf_mon_pq_int(&a, (int64_t)(counts[i] - t->plan->told[i]));
        wf_mon_pq_int(&a, t->last_time_us);
        wf_mon_pq_int(&a, t->last_append_ms);
        wf_mon_pq_int(&a, t->last_received_ms);
        enum weft_err err = wf_mon_pq_ask(&q->link,
            "UPDATE _status SET records = records + $2, batches = batches + $3, live = live + $4, "
            "repaired = repaired + $5, pulled = pulled + $6, history = history + $7, lost = lost + "
            "$8, last_time_us = greatest(last_time_us, $9), last_append_ms = "
            "greatest(last_append_ms, $10), last_received_ms = greatest(last_received_ms, $11) "
            "WHERE product = $1",
            &a, false, NULL);
        if (err)
            return err;
    }
    return WEFT_OK;
}

static enum weft_err flush_marks(struct wf_mon_pq *q, struct wf_mon_table *t)
{
    for (size_t i = 0; i < t->plan->mark_count; i++) {
        const struct wf_mon_pq_mark *m = &t->plan->marks[i];
        struct wf_mon_pq_args a = { 0 };
        wf_mon_pq_text(&a, t->product);
        wf_mon_pq_blob(&a, m->key_len ? m->key : "", m->key_len);
        wf_mon_pq_blob(&a, m->value, m->value_len);
        enum weft_err err = wf_mon_pq_ask(&q->link,
            "INSERT INTO _cursor(product, key, value) VALUES($1, coalesce($2::bytea, ''), $3) ON "
            "CONFLICT (product, key) DO UPDATE SET value = excluded.value",
            &a, false, NULL);
        if (err)
            return err;
    }
    return WEFT_OK;
}

static enum weft_err send_all(struct wf_mon_pq *q)
{
    enum weft_err err = wf_mon_pq_do(&q->link, "BEGIN");

    if (!err)
        err = wf_mon_pq_lock(q);
    if (!err)
        err = wf_mon_pq_find_known(q);
    if (!err)
        err = wf_mon_pq_send(q);
    if (!err && q->statements.len)
        err = wf_mon_pq_do(&q->link, q->statements.ptr);
    for (struct wf_mon_table *t = q->base.tables; t && !err; t = t->next)
        err = flush_marks(q, t);
    if (!err)
        err = flush_counts(q);
    // Without an answer to COMMIT nobody knows: then the stored cursors say how it ended.
    return err ? err : wf_mon_pq_do(&q->link, "COMMIT");
}

static enum weft_err commit(struct wf_mon_store *s)
{
    struct wf_mon_pq *q = wf_mon_pq(s);

    if (q->batches.failed || q->names.failed || q->statements.failed)
        return wf_mon_store_nomem(s);
    enum weft_err err = send_all(q);
    if (err)
        return err;
    for (struct wf_mon_table *t = s->tables; t; t = t->next) {
        t->dirty = false;
        counts_of(t, t->plan->told);
    }
    wf_mon_pq_forget(q);
    return WEFT_OK;
}

size_t wf_mon_pq_bytes(const struct wf_mon_store *s)
{
    return ((const struct wf_mon_pq *)s)->bytes;
}

static void rollback(struct wf_mon_store *s)
{
    struct wf_mon_pq *q = wf_mon_pq(s);

    wf_mon_pq_forget(q);
    if (PQtransactionStatus(q->link.conn) == PQTRANS_IDLE)
        return;
    // A connection in doubt is made anew: the server rolls back by itself.
    PGresult *r = PQexec(q->link.conn, "ROLLBACK");
    if (PQresultStatus(r) != PGRES_COMMAND_OK ||
        PQtransactionStatus(q->link.conn) != PQTRANS_IDLE) {
        PQfinish(q->link.conn);
        q->link.conn = NULL;
    }
    PQclear(r);
}

// Others need not wait for what this process lets go.
static void release_leases(struct wf_mon_pq *q)
{
    struct wf_mon_pq_args a = { 0 };

    if (PQstatus(q->link.conn) != CONNECTION_OK)
        return;
    wf_mon_pq_text(&a, q->owner);
    if (wf_mon_pq_ask(&q->link, "UPDATE _lease SET owner = NULL, until_ms = 0 WHERE owner = $1", &a,
            false, NULL))
        return; // they run out
}

static void finish(struct wf_mon_store *s)
{
    struct wf_mon_pq *q = wf_mon_pq(s);

    wf_mon_pq_forget(q);
    release_leases(q);
    wf_mon_tables_fini(s);
    for (size_t i = 0; i < q->chain_count; i++)
        free(q->chains[i].bytes);
    free(q->chains);
    free(q->chunks);
    free(q->parts);
    free(q->names.ptr);
    free(q->statements.ptr);
    wf_mon_copy_fini(&q->batches);
    wf_mon_pq_close(&q->link);
    free(q);
}

static void be_guest(struct wf_mon_store *s)
{
    wf_mon_pq(s)->guest = wf_mon_pq(s)->careful = true;
}

static const struct wf_mon_store_ops ops = { .close = finish,
    .ready = begin,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .load = wf_mon_pq_load,
    .shape = wf_mon_pq_shape,
    .records = wf_mon_pq_records,
    .loss = wf_mon_pq_loss,
    .cursor = wf_mon_pq_cursor,
    .status = wf_mon_pq_status,
    .beat = wf_mon_pq_beat,
    .late = wf_mon_pq_late,
    .trim = wf_mon_pq_trim,
    .be_guest = be_guest,
    .claim = wf_mon_pq_claim,
    .holds = wf_mon_pq_holds,
    .bytes = wf_mon_pq_bytes,
    .plan_size = sizeof(struct wf_mon_plan),
    .plan_fini = wf_mon_pq_plan_fini };

enum weft_err wf_mon_pq_store_open(
    const char *conninfo, struct wf_mon_store **ret, struct weft_problem *problem)
{
    struct wf_mon_pq *q = calloc(1, sizeof *q);

    if (!q)
        return WEFT_E_NOMEM;
    q->base.ops = &ops;
    q->link.problem = q->base.problem;
    q->link.problem_size = sizeof q->base.problem;
    enum weft_err err = name_process(q);
    if (!err)
        err = wf_mon_pq_open(&q->link, conninfo);
    if (!err)
        err = set_up(q);
    if (err) {
        if (problem) {
            *problem = (struct weft_problem){ .err = err };
            snprintf(problem->text, sizeof problem->text, "%s", q->base.problem);
        }
        finish(&q->base);
        return err;
    }
    *ret = &q->base;
    return WEFT_OK;
}
