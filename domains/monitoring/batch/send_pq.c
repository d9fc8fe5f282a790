// SPDX-License-Identifier: Apache-2.0
// The end of a transaction: leases are locked, what the database has already is found, and the rest goes by COPY.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/store_pq.h"

// ---- leases ------------------------------------------------------------------------------------------------------------

// Rows of another process's products are never stored: its cursor says where they go on, not ours.
static enum weft_err lock_one(struct wf_mon_pq *q, const struct wf_mon_table *t)
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    wf_mon_pq_text(&a, t->product);
    enum weft_err err = WEFT_OK;
    if (q->guest) // there has to be a row to lock
        err = wf_mon_pq_ask(&q->link,
            "INSERT INTO _lease(product) VALUES($1) ON CONFLICT DO NOTHING", &a, false, NULL);
    if (err)
        return err;
    err = wf_mon_pq_ask(
        &q->link, "SELECT owner FROM _lease WHERE product = $1 FOR UPDATE", &a, false, &r);
    if (err)
        return err;
    bool mine = q->guest || (PQntuples(r) == 1 && strcmp(PQgetvalue(r, 0, 0), q->owner) == 0);
    PQclear(r);
    if (mine)
        return WEFT_OK;
    snprintf(q->base.problem, sizeof q->base.problem, "%s: another process stores it", t->product);
    return WEFT_E_BUSY;
}

static int by_product(const void *a, const void *b)
{
    const struct wf_mon_table *const *x = a, *const *y = b;

    return strcmp((*x)->product, (*y)->product);
}

// In one order, so that no two processes wait for each other.
enum weft_err wf_mon_pq_lock(struct wf_mon_pq *q)
{
    size_t count = 0;
    enum weft_err err = WEFT_OK;

    for (struct wf_mon_table *t = q->base.tables; t; t = t->next)
        count += t->plan->touched;
    struct wf_mon_table **tables = calloc(count + 1, sizeof *tables);
    if (!tables)
        return wf_mon_store_nomem(&q->base);
    count = 0;
    for (struct wf_mon_table *t = q->base.tables; t; t = t->next)
        if (t->plan->touched)
            tables[count++] = t;
    qsort(tables, count, sizeof *tables, by_product);
    for (size_t i = 0; i < count && !err; i++)
        err = lock_one(q, tables[i]);
    free(tables);
    return err;
}

// ---- what is there already ---------------------------------------------------------------------------------------------

static void leave_out(struct wf_mon_pq_part *part)
{
    struct wf_mon_table *t = part->table;
    uint64_t *const ways[] = { &t->live, &t->repaired, &t->pulled, &t->history };

    part->known = true;
    t->records -= part->count;
    t->batches--;
    if ((size_t)part->way < sizeof ways / sizeof *ways)
        *ways[part->way] -= part->count;
}

// One part that the database has: the same is left out; one that shares records with it is asked for again, with a look before.
static enum weft_err meet(struct wf_mon_pq *q, const PGresult *r, int row)
{
    uint64_t first = (uint64_t)wf_mon_pq_number(r, row, 2);
    uint64_t count = (uint64_t)wf_mon_pq_number(r, row, 3);

    for (size_t i = 0; i < q->part_count; i++) {
        struct wf_mon_pq_part *p = &q->parts[i];
        if (p->known || strcmp(p->table->product, PQgetvalue(r, row, 0)) != 0 ||
            strcmp(q->names.ptr + p->name, PQgetvalue(r, row, 1)) != 0)
            continue;
        if (p->first_seq == first && p->count == count) {
            leave_out(p);
        } else if (p->first_seq < first + count && first < p->first_seq + p->count) {
            q->careful = true;
            snprintf(q->base.problem, sizeof q->base.problem,
                "%s: a part of a batch is there already", p->table->product);
            return WEFT_E_BUSY;
        }
    }
    return WEFT_OK;
}

enum weft_err wf_mon_pq_find_known(struct wf_mon_pq *q)
{
    struct wf_mon_pq_string ids = { 0 };
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    if (!q->part_count)
        return WEFT_OK;
    // Printed ids have no character that an array quotes.
    for (size_t i = 0; i < q->part_count; i++)
        wf_mon_pq_add(&ids, "%s\"%s\"", i ? "," : "{", q->names.ptr + q->parts[i].name);
    wf_mon_pq_add(&ids, "}");
    if (ids.failed) {
        free(ids.ptr);
        return wf_mon_store_nomem(&q->base);
    }
    wf_mon_pq_text(&a, ids.ptr);
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "SELECT product, batch, first_seq, count FROM _batch WHERE batch = ANY($1::text[])", &a,
        false, &r);
    free(ids.ptr);
    for (int i = 0; !err && i < PQntuples(r); i++)
        err = meet(q, r, i);
    PQclear(r);
    return err;
}

// ---- COPY --------------------------------------------------------------------------------------------------------------

static enum weft_err copy_begin(struct wf_mon_pq *q, const char *sql)
{
    PGresult *r = PQexec(q->link.conn, sql);
    enum weft_err err = WEFT_OK;

    if (PQresultStatus(r) != PGRES_COPY_IN)
        err = wf_mon_pq_err(&q->link, r, "COPY");
    PQclear(r);
    if (!err && PQputCopyData(q->link.conn, WF_MON_COPY_HEADER, (int)WF_MON_COPY_HEADER_LEN) != 1)
        err = wf_mon_pq_err(&q->link, NULL, "COPY");
    return err;
}

static enum weft_err copy_some(struct wf_mon_pq *q, const char *from, size_t len)
{
    while (len) {
        size_t n = len < (1u << 20) ? len : 1u << 20;
        if (PQputCopyData(q->link.conn, from, (int)n) != 1)
            return wf_mon_pq_err(&q->link, NULL, "COPY");
        from += n;
        len -= n;
    }
    return WEFT_OK;
}

static enum weft_err copy_end(struct wf_mon_pq *q, enum weft_err err)
{
    if (!err)
        err = copy_some(q, WF_MON_COPY_END, WF_MON_COPY_END_LEN);
    if (PQputCopyEnd(q->link.conn, err ? "given up" : NULL) != 1 && !err)
        err = wf_mon_pq_err(&q->link, NULL, "COPY");
    for (PGresult *r = PQgetResult(q->link.conn); r; r = PQgetResult(q->link.conn)) {
        if (!err && PQresultStatus(r) != PGRES_COMMAND_OK)
            err = wf_mon_pq_err(&q->link, r, "COPY");
        PQclear(r);
        if (PQstatus(q->link.conn) != CONNECTION_OK)
            break;
    }
    return err;
}

static bool has_rows(const struct wf_mon_pq *q, size_t chunk)
{
    for (size_t i = 0; i < q->part_count; i++)
        if (q->parts[i].chunk == chunk && !q->parts[i].known)
            return true;
    return false;
}

// Neighbours in the buffer go together.
static enum weft_err send_chunk(struct wf_mon_pq *q, size_t chunk)
{
    const struct wf_mon_pq_chunk *c = &q->chunks[chunk - 1];
    size_t from = 0, to = 0;

    if (!has_rows(q, chunk))
        return WEFT_OK;
    enum weft_err err = copy_begin(q, c->copy);
    if (err)
        return err;
    for (size_t i = 0; i < q->part_count && !err; i++) {
        const struct wf_mon_pq_part *p = &q->parts[i];
        if (p->chunk != chunk || p->known)
            continue;
        if (p->rows_from != to) {
            err = copy_some(q, c->rows.ptr + from, to - from);
            from = p->rows_from;
        }
        to = p->rows_to;
    }
    if (!err)
        err = copy_some(q, c->rows.ptr + from, to - from);
    return copy_end(q, err);
}

static enum weft_err send_batches(struct wf_mon_pq *q)
{
    enum weft_err err = copy_begin(q,
        "COPY _batch(id, product, batch, origin, \"offset\", first_seq, count, append_ms, way, "
        "skewed, schema, chain, header, payload, last_time_us) FROM STDIN (FORMAT binary)");

    if (err)
        return err;
    for (size_t i = 0; i < q->part_count && !err; i++) {
        const struct wf_mon_pq_part *p = &q->parts[i];
        if (!p->known)
            err = copy_some(q, q->batches.ptr + p->batch_from, p->batch_to - p->batch_from);
    }
    return copy_end(q, err);
}

// The hosts of this transaction's batches, by their ids: those between the first and the last of a run are all its own.
static enum weft_err send_origins(struct wf_mon_pq *q)
{
    for (size_t i = 0; i < q->part_count;) {
        struct wf_mon_pq_args a = { 0 };
        size_t from = i;
        for (i++; i < q->part_count && q->parts[i].id == q->parts[i - 1].id + 1;)
            i++;
        wf_mon_pq_int(&a, q->parts[from].id);
        wf_mon_pq_int(&a, q->parts[i - 1].id);
        enum weft_err err = wf_mon_pq_ask(&q->link,
            "INSERT INTO _origin(product, origin, records, last_time_us, last_append_ms) SELECT "
            "product, origin, sum(count)::bigint, max(last_time_us), max(append_ms) FROM _batch "
            "WHERE id BETWEEN $1 AND $2 GROUP BY product, origin ON CONFLICT (product, origin) DO "
            "UPDATE SET records = _origin.records + excluded.records, last_time_us = "
            "greatest(_origin.last_time_us, excluded.last_time_us), last_append_ms = "
            "greatest(_origin.last_append_ms, excluded.last_append_ms)",
            &a, false, NULL);
        if (err)
            return err;
    }
    return WEFT_OK;
}

enum weft_err wf_mon_pq_send(struct wf_mon_pq *q)
{
    bool any = false;
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < q->part_count; i++)
        any = any || !q->parts[i].known;
    if (!any)
        return WEFT_OK;
    for (size_t i = 1; i <= q->chunk_count && !err; i++)
        err = send_chunk(q, i);
    if (!err)
        err = send_batches(q);
    return err ? err : send_origins(q);
}
