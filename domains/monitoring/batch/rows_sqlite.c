// SPDX-License-Identifier: Apache-2.0
// What arrives: rows, batches with their proofs, origins, losses and cursors.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/store_sqlite.h"
#include "domains/monitoring/common/cell_sqlite.h"

// ---- what arrives ------------------------------------------------------------------------------------------------------

static enum weft_err keep_chain(struct wf_mon_store *s, const struct weft_event *e, int64_t *ret)
{
    int64_t sum = wf_mon_chain_sum(e->chain, e->chain_len);
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_CHAIN_GET, &st);

    *ret = 0;
    if (err || e->chain_len == 0)
        return err;
    sqlite3_bind_int64(st, 1, sum);
    wf_mon_bind_blob(st, 2, e->chain, e->chain_len);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    err = wf_mon_sqlite_err(s, rc, "chain");
    if (err || *ret)
        return err;
    err = wf_mon_sqlite_get(s, WF_MON_SQL_CHAIN_ADD, &st);
    if (err)
        return err;
    sqlite3_bind_int64(st, 1, sum);
    wf_mon_bind_blob(st, 2, e->chain, e->chain_len);
    err = wf_mon_sqlite_run(s, st, "chain");
    *ret = sqlite3_last_insert_rowid(wf_mon_sqlite(s)->db);
    return err;
}

// What of an event goes where.
struct arrival {
    const struct weft_event *e;
    const struct weft_product *p;
    int64_t received_us, batch;
    size_t from, count; // records of the event
};

static enum weft_err keep_batch(
    struct wf_mon_store *s, const struct wf_mon_table *t, struct arrival *a)
{
    const struct weft_event *e = a->e;
    int64_t chain = 0;
    sqlite3_stmt *st;
    enum weft_err err = keep_chain(s, e, &chain);

    if (!err)
        err = wf_mon_sqlite_get(s, WF_MON_SQL_BATCH_ADD, &st);
    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    wf_mon_bind_text(st, 2, e->batch ? e->batch : "");
    wf_mon_bind_text(st, 3, e->origin ? e->origin : "");
    sqlite3_bind_int64(st, 4, (sqlite3_int64)e->records[a->from].offset);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)e->records[a->from].seq);
    sqlite3_bind_int64(st, 6, (sqlite3_int64)a->count);
    sqlite3_bind_int64(st, 7, e->append_ms);
    wf_mon_bind_text(st, 8, wf_mon_way_name(e->way));
    sqlite3_bind_int(st, 9, e->late);
    sqlite3_bind_int64(st, 10, t->plan->schema_id);
    sqlite3_bind_int64(st, 11, chain);
    wf_mon_bind_blob(st, 12, e->header, e->header_len);
    wf_mon_bind_blob(st, 13, e->payload, e->payload_len);
    sqlite3_bind_int64(st, 14, wf_mon_last_us(e, a->from, a->count));
    err = wf_mon_sqlite_run(s, st, "batch");
    a->batch = sqlite3_last_insert_rowid(wf_mon_sqlite(s)->db);
    return err;
}

static enum weft_err keep_row(struct wf_mon_store *s, struct wf_mon_table *t,
    const struct arrival *a, const struct weft_record *r)
{
    const struct wf_mon_shape *shape = &t->plan->shape;
    sqlite3_stmt *st = t->plan->insert;
    struct wf_mon_cell cell;

    if (wf_mon_record_values(a->p, r, shape->is_key, shape->values, shape->field_count))
        return wf_mon_store_nomem(s);
    sqlite3_bind_int64(st, 1, r->time_us);
    sqlite3_bind_int64(st, 2, a->received_us);
    wf_mon_bind_text(st, 3, t->domain);
    wf_mon_bind_text(st, 4, a->e->origin ? a->e->origin : "");
    sqlite3_bind_int64(st, 5, (sqlite3_int64)r->offset);
    sqlite3_bind_int64(st, 6, a->batch);
    wf_mon_bind_text(st, 7, wf_mon_op_name(r->op));
    for (size_t i = 0; i < shape->field_count; i++) {
        wf_mon_value_cell(&shape->values[i], &cell);
        if (wf_mon_cell_lend(st, WF_MON_FIXED + 1 + (int)i, &cell) != SQLITE_OK)
            return wf_mon_store_nomem(s);
    }
    if (r->time_us > t->last_time_us)
        t->last_time_us = r->time_us;
    return wf_mon_sqlite_run(s, st, "row");
}

static enum weft_err keep_origin(
    struct wf_mon_store *s, const struct wf_mon_table *t, const struct arrival *a)
{
    const struct weft_event *e = a->e;
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_ORIGIN_SET, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    wf_mon_bind_text(st, 2, e->origin ? e->origin : "");
    sqlite3_bind_int64(st, 3, (sqlite3_int64)a->count);
    sqlite3_bind_int64(st, 4, e->records[a->from + a->count - 1].time_us);
    sqlite3_bind_int64(st, 5, e->append_ms);
    return wf_mon_sqlite_run(s, st, "origin");
}

static enum weft_err keep_cursor(
    struct wf_mon_store *s, const struct wf_mon_table *t, const struct weft_event *e)
{
    for (size_t i = 0; i < e->cursor_count; i++) {
        sqlite3_stmt *st;
        enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_CURSOR_SET, &st);
        if (err)
            return err;
        wf_mon_bind_text(st, 1, t->product);
        wf_mon_bind_blob(st, 2, e->cursor[i].key, e->cursor[i].key_len);
        wf_mon_bind_blob(st, 3, e->cursor[i].value, e->cursor[i].value_len);
        err = wf_mon_sqlite_run(s, st, "cursor");
        if (err)
            return err;
    }
    return WEFT_OK;
}

// The records of the event that no stored part of its batch holds.
static enum weft_err find_uncovered(struct wf_mon_store *s, const struct wf_mon_table *t,
    const struct weft_event *e, struct wf_mon_range ranges[WF_MON_RANGES], size_t *ret_count)
{
    sqlite3_stmt *st;
    size_t count = *ret_count;
    int rc;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_BATCH_PARTS, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, e->batch ? e->batch : "");
    wf_mon_bind_text(st, 2, t->product);
    for (rc = sqlite3_step(st); rc == SQLITE_ROW; rc = sqlite3_step(st))
        count = wf_mon_ranges_cut(ranges, count, e, (uint64_t)sqlite3_column_int64(st, 0),
            (uint64_t)sqlite3_column_int64(st, 1));
    sqlite3_reset(st);
    *ret_count = count;
    return wf_mon_sqlite_err(s, rc, "batch");
}

static enum weft_err keep_part(struct wf_mon_store *s, struct wf_mon_table *t, struct arrival *a)
{
    enum weft_err err = keep_batch(s, t, a);

    for (size_t i = a->from; i < a->from + a->count && !err; i++)
        err = keep_row(s, t, a, &a->e->records[i]);
    if (!err)
        err = keep_origin(s, t, a);
    wf_mon_table_count(t, a->e, a->count, a->received_us);
    return err;
}

enum weft_err wf_mon_sqlite_records(struct wf_mon_store *s, struct wf_mon_table *t,
    const struct weft_product *p, const struct weft_event *e, int64_t received_us)
{
    struct arrival a = { .e = e, .p = p, .received_us = received_us };
    struct wf_mon_range ranges[WF_MON_RANGES] = { { .from = 0, .count = e->record_count } };
    size_t count = e->record_count > 0;
    enum weft_err err = find_uncovered(s, t, e, ranges, &count);

    for (size_t i = 0; i < count && !err; i++) {
        a.from = ranges[i].from;
        a.count = ranges[i].count;
        err = keep_part(s, t, &a);
    }
    return err ? err : keep_cursor(s, t, e);
}

enum weft_err wf_mon_sqlite_loss(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_event *e, int64_t at_ms)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_LOSS_ADD, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)e->loss_from);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)e->loss_to);
    wf_mon_bind_text(st, 4, weft_err_name(e->loss_code));
    sqlite3_bind_int64(st, 5, at_ms);
    if (e->by_origin) {
        wf_mon_bind_text(st, 6, e->origin ? e->origin : "");
        wf_mon_bind_text(st, 7, e->loss_incarnation ? e->loss_incarnation : "");
    }
    sqlite3_bind_int(st, 8, e->loss_told);
    err = wf_mon_sqlite_run(s, st, "loss");
    return err ? err : keep_cursor(s, t, e);
}

// ---- the stored cursor -------------------------------------------------------------------------------------------------

static enum weft_err cursor_size(
    struct wf_mon_store *s, sqlite3_stmt *st, size_t *ret_count, size_t *ret_bytes)
{
    int rc;

    for (rc = sqlite3_step(st); rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        *ret_count += 1;
        *ret_bytes += (size_t)sqlite3_column_bytes(st, 0) + (size_t)sqlite3_column_bytes(st, 1);
    }
    sqlite3_reset(st);
    return wf_mon_sqlite_err(s, rc, "cursor");
}

static const void *copy_blob(sqlite3_stmt *st, int column, char **room, size_t *ret_len)
{
    const void *from = sqlite3_column_blob(st, column);
    char *to = *room;

    *ret_len = (size_t)sqlite3_column_bytes(st, column);
    if (*ret_len && from)
        memcpy(to, from, *ret_len);
    *room += *ret_len;
    return to;
}

enum weft_err wf_mon_sqlite_cursor(
    struct wf_mon_store *s, const char *product, struct weft_cursor_row **ret, size_t *ret_count)
{
    size_t count = 0, bytes = 0, at = 0;
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_CURSOR_GET, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, product);
    err = cursor_size(s, st, &count, &bytes);
    if (err)
        return err;
    // Nobody else writes, so the second pass sees what the first one saw.
    struct weft_cursor_row *rows = calloc(1, count * sizeof *rows + bytes + 1);
    if (!rows)
        return wf_mon_store_nomem(s);
    char *room = (char *)(rows + count);
    int rc = sqlite3_step(st);
    for (; at < count && rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        rows[at].key = copy_blob(st, 0, &room, &rows[at].key_len);
        rows[at].value = copy_blob(st, 1, &room, &rows[at].value_len);
        at++;
    }
    sqlite3_reset(st);
    err = wf_mon_sqlite_err(s, rc, "cursor");
    if (err) { // a part of a cursor is none
        free(rows);
        return err;
    }
    *ret = rows;
    *ret_count = at;
    return WEFT_OK;
}
