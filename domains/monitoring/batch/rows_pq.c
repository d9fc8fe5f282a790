// SPDX-License-Identifier: Apache-2.0
// What arrives, on its way into PostgreSQL: gathered as rows for COPY, and sent when the transaction is committed. What the database has
// already is asked for then, of all batches at once, and left out.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/store_pq.h"

#define BATCH_COLUMNS 15
#define MAX_CHAINS    4096u // known by heart

// ---- the open transaction ----------------------------------------------------------------------------------------------

static void forget_plan(struct wf_mon_plan *p)
{
    for (size_t i = 0; i < p->mark_count; i++) {
        free(p->marks[i].key);
        free(p->marks[i].value);
    }
    free(p->marks);
    p->marks = NULL;
    p->mark_count = p->chunk = 0;
    p->touched = false;
}

void wf_mon_pq_forget(struct wf_mon_pq *q)
{
    for (struct wf_mon_table *t = q->base.tables; t; t = t->next)
        forget_plan(t->plan);
    for (size_t i = 0; i < q->chunk_count; i++) {
        free(q->chunks[i].copy);
        wf_mon_copy_fini(&q->chunks[i].rows);
    }
    q->chunk_count = q->part_count = 0;
    q->batches.len = q->names.len = q->statements.len = q->bytes = 0;
    q->batches.failed = q->names.failed = q->statements.failed = false;
}

static enum weft_err open_chunk(struct wf_mon_pq *q, struct wf_mon_table *t)
{
    if (t->plan->chunk)
        return WEFT_OK;
    struct wf_mon_pq_chunk *chunks = realloc(q->chunks, (q->chunk_count + 1) * sizeof *chunks);
    if (chunks)
        q->chunks = chunks;
    char *copy = chunks ? strdup(t->plan->copy) : NULL;
    if (!copy)
        return wf_mon_store_nomem(&q->base);
    q->chunks[q->chunk_count++] = (struct wf_mon_pq_chunk){ .copy = copy };
    t->plan->chunk = q->chunk_count;
    return WEFT_OK;
}

static struct wf_mon_pq_part *add_part(struct wf_mon_pq *q)
{
    if (q->part_count == q->part_room) {
        size_t count = q->part_room ? q->part_room * 2 : 64;
        struct wf_mon_pq_part *parts = realloc(q->parts, count * sizeof *parts);
        if (!parts)
            return NULL;
        q->parts = parts;
        q->part_room = count;
    }
    return &q->parts[q->part_count];
}

// ---- chains ------------------------------------------------------------------------------------------------------------

static enum weft_err remember_chain(struct wf_mon_pq *q, const struct weft_event *e, int64_t id)
{
    if (q->chain_count >= MAX_CHAINS)
        return WEFT_OK;
    struct wf_mon_pq_chain *chains = realloc(q->chains, (q->chain_count + 1) * sizeof *chains);
    if (chains)
        q->chains = chains;
    void *bytes = chains ? malloc(e->chain_len) : NULL;
    if (!bytes)
        return wf_mon_store_nomem(&q->base);
    memcpy(bytes, e->chain, e->chain_len);
    q->chains[q->chain_count++] =
        (struct wf_mon_pq_chain){ .id = id, .bytes = bytes, .len = e->chain_len };
    return WEFT_OK;
}

static enum weft_err store_chain(struct wf_mon_pq *q, const struct weft_event *e, int64_t *ret)
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    wf_mon_pq_int(&a, wf_mon_chain_sum(e->chain, e->chain_len));
    wf_mon_pq_blob(&a, e->chain, e->chain_len);
    enum weft_err err = wf_mon_pq_ask(
        &q->link, "SELECT id FROM _chain WHERE sum = $1 AND bytes = $2", &a, false, &r);
    if (err)
        return err;
    *ret = PQntuples(r) ? wf_mon_pq_number(r, 0, 0) : 0;
    PQclear(r);
    if (*ret)
        return WEFT_OK;
    err = wf_mon_pq_id(q, ret);
    if (err)
        return err;
    wf_mon_pq_int(&a, *ret);
    return wf_mon_pq_ask(
        &q->link, "INSERT INTO _chain(sum, bytes, id) VALUES($1, $2, $3)", &a, false, NULL);
}

// A chain is stored by itself, before the batch that names it: one too many does no harm.
static enum weft_err keep_chain(struct wf_mon_pq *q, const struct weft_event *e, int64_t *ret)
{
    *ret = 0;
    if (e->chain_len == 0)
        return WEFT_OK;
    for (size_t i = q->chain_count; i > 0; i--) {
        const struct wf_mon_pq_chain *c = &q->chains[i - 1];
        if (c->len == e->chain_len && memcmp(c->bytes, e->chain, e->chain_len) == 0) {
            *ret = c->id;
            return WEFT_OK;
        }
    }
    enum weft_err err = store_chain(q, e, ret);
    return err ? err : remember_chain(q, e, *ret);
}

// ---- rows --------------------------------------------------------------------------------------------------------------

static void copy_string(struct wf_mon_copy *c, const char *s)
{
    wf_mon_copy_text(c, s, strlen(s));
}

// A cell is made by the code that verify compares with (table.c); here it only takes the column's type.
static void copy_cell(struct wf_mon_copy *c, enum weft_type type, const struct wf_mon_cell *cell)
{
    switch (cell->class) {
    case WF_MON_NULL:
        wf_mon_copy_null(c);
        break;
    case WF_MON_INTEGER:
        if (type == WEFT_T_BOOL)
            wf_mon_copy_bool(c, cell->integer != 0);
        else if (type == WEFT_T_UINT)
            wf_mon_copy_uint(c, (uint64_t)cell->integer);
        else
            wf_mon_copy_int(c, cell->integer);
        break;
    case WF_MON_REAL:
        wf_mon_copy_real(c, cell->real);
        break;
    case WF_MON_TEXT:
        if (type == WEFT_T_DOUBLE) // table.c's word for it
            wf_mon_copy_real(c, strtod("nan", NULL));
        else
            wf_mon_copy_text(c, cell->ptr, cell->len);
        break;
    case WF_MON_BLOB:
        if (type == WEFT_T_UINT) // 20 digits
            wf_mon_copy_uint(c, strtoull(cell->digits, NULL, 10));
        else
            wf_mon_copy_blob(c, cell->ptr, cell->len);
        break;
    }
}

struct arrival {
    const struct weft_event *e;
    const struct weft_product *p;
    int64_t received_us, batch, last_us;
    size_t from, count; // records of the event
};

static enum weft_err copy_row(
    struct wf_mon_copy *c, struct wf_mon_table *t, const struct arrival *a, size_t i)
{
    const struct weft_record *r = &a->e->records[i];
    const struct wf_mon_plan *plan = t->plan;
    const struct wf_mon_shape *shape = &plan->shape;
    struct wf_mon_cell cell;

    if (wf_mon_record_values(a->p, r, shape->is_key, shape->values, shape->field_count))
        return WEFT_E_NOMEM;
    wf_mon_copy_row(c, (unsigned)(WF_MON_FIXED + shape->field_count));
    wf_mon_copy_int(c, r->time_us);
    wf_mon_copy_int(c, a->received_us);
    copy_string(c, t->domain);
    copy_string(c, a->e->origin ? a->e->origin : "");
    wf_mon_copy_int(c, (int64_t)r->offset);
    wf_mon_copy_int(c, a->batch);
    copy_string(c, wf_mon_op_name(r->op));
    for (size_t f = 0; f < shape->field_count; f++) {
        wf_mon_value_cell(&shape->values[f], &cell);
        copy_cell(c, plan->types[f], &cell);
    }
    return c->failed ? WEFT_E_NOMEM : WEFT_OK;
}

static void copy_blob(struct wf_mon_copy *c, const void *ptr, size_t len)
{
    if (len)
        wf_mon_copy_blob(c, ptr, len);
    else
        wf_mon_copy_null(c);
}

static void copy_batch(
    struct wf_mon_pq *q, const struct wf_mon_table *t, const struct arrival *a, int64_t chain)
{
    const struct weft_event *e = a->e;
    struct wf_mon_copy *c = &q->batches;

    wf_mon_copy_row(c, BATCH_COLUMNS);
    wf_mon_copy_int(c, a->batch);
    copy_string(c, t->product);
    copy_string(c, e->batch ? e->batch : "");
    copy_string(c, e->origin ? e->origin : "");
    wf_mon_copy_int(c, (int64_t)e->records[a->from].offset);
    wf_mon_copy_int(c, (int64_t)e->records[a->from].seq);
    wf_mon_copy_int(c, (int64_t)a->count);
    wf_mon_copy_int(c, e->append_ms);
    copy_string(c, wf_mon_way_name(e->way));
    wf_mon_copy_int(c, e->late);
    wf_mon_copy_int(c, t->plan->schema_id);
    wf_mon_copy_int(c, chain);
    copy_blob(c, e->header, e->header_len);
    copy_blob(c, e->payload, e->payload_len);
    wf_mon_copy_int(c, a->last_us);
}

static enum weft_err copy_rows(struct wf_mon_pq *q, struct wf_mon_table *t, struct arrival *a)
{
    enum weft_err err = WEFT_OK;

    a->last_us = INT64_MIN;
    for (size_t i = a->from; i < a->from + a->count && !err; i++) {
        int64_t time_us = a->e->records[i].time_us;
        if (time_us > a->last_us)
            a->last_us = time_us;
        err = wf_mon_pq_day(q, t, time_us);
        if (!err && copy_row(&q->chunks[t->plan->chunk - 1].rows, t, a, i))
            err = wf_mon_store_nomem(&q->base);
    }
    if (a->last_us > t->last_time_us)
        t->last_time_us = a->last_us;
    return err;
}

// Records [from, from + count) of the event as a batch, or as a part of one.
static enum weft_err keep_part(struct wf_mon_pq *q, struct wf_mon_table *t, struct arrival *a)
{
    int64_t chain = 0;
    struct wf_mon_pq_part *part = add_part(q);
    enum weft_err err = part ? keep_chain(q, a->e, &chain) : wf_mon_store_nomem(&q->base);

    if (!err)
        err = wf_mon_pq_id(q, &a->batch);
    if (!err)
        err = open_chunk(q, t);
    if (err)
        return err;
    const struct wf_mon_copy *rows = &q->chunks[t->plan->chunk - 1].rows;
    *part = (struct wf_mon_pq_part){ .table = t,
        .chunk = t->plan->chunk,
        .id = a->batch,
        .rows_from = rows->len,
        .batch_from = q->batches.len,
        .name = q->names.len,
        .first_seq = a->e->records[a->from].seq,
        .count = a->count,
        .way = a->e->way };
    err = copy_rows(q, t, a);
    if (err)
        return err;
    copy_batch(q, t, a, chain);
    wf_mon_pq_add(&q->names, "%s%c", a->e->batch ? a->e->batch : "", '\0');
    part->rows_to = q->chunks[t->plan->chunk - 1].rows.len;
    part->batch_to = q->batches.len;
    q->bytes += part->rows_to - part->rows_from + part->batch_to - part->batch_from;
    q->part_count++;
    wf_mon_table_count(t, a->e, a->count, a->received_us);
    return q->batches.failed || q->names.failed ? wf_mon_store_nomem(&q->base) : WEFT_OK;
}

// ---- cursors -----------------------------------------------------------------------------------------------------------

static char *copy_of(const void *ptr, size_t len)
{
    char *out = malloc(len + 1);

    if (out && len)
        memcpy(out, ptr, len);
    return out;
}

static enum weft_err set_mark(
    struct wf_mon_store *s, struct wf_mon_plan *plan, const struct weft_cursor_row *row)
{
    size_t i = 0;

    while (i < plan->mark_count && (plan->marks[i].key_len != row->key_len ||
                                       memcmp(plan->marks[i].key, row->key, row->key_len) != 0))
        i++;
    char *value = copy_of(row->value, row->value_len);
    if (!value)
        return wf_mon_store_nomem(s);
    if (i < plan->mark_count) {
        free(plan->marks[i].value);
        plan->marks[i].value = value;
        plan->marks[i].value_len = row->value_len;
        return WEFT_OK;
    }
    char *key = copy_of(row->key, row->key_len);
    struct wf_mon_pq_mark *more =
        key ? realloc(plan->marks, (plan->mark_count + 1) * sizeof *more) : NULL;
    if (!more) {
        free(key);
        free(value);
        return wf_mon_store_nomem(s);
    }
    plan->marks = more;
    plan->marks[plan->mark_count++] = (struct wf_mon_pq_mark){
        .key = key, .key_len = row->key_len, .value = value, .value_len = row->value_len
    };
    return WEFT_OK;
}

static enum weft_err keep_cursor(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_event *e)
{
    enum weft_err err = WEFT_OK;

    t->plan->touched = true;
    for (size_t i = 0; i < e->cursor_count && !err; i++)
        err = set_mark(s, t->plan, &e->cursor[i]);
    return err;
}

enum weft_err wf_mon_pq_cursor(
    struct wf_mon_store *s, const char *product, struct weft_cursor_row **ret, size_t *ret_count)
{
    struct wf_mon_pq *q = wf_mon_pq(s);
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;
    size_t bytes = 0;

    wf_mon_pq_text(&a, product);
    enum weft_err err = wf_mon_pq_connect(&q->link);
    if (!err)
        err = wf_mon_pq_ask(&q->link,
            "SELECT key, value FROM _cursor WHERE product = $1 ORDER BY key", &a, true, &r);
    if (err)
        return err;
    size_t count = (size_t)PQntuples(r);
    for (size_t i = 0; i < count; i++)
        bytes += (size_t)PQgetlength(r, (int)i, 0) + (size_t)PQgetlength(r, (int)i, 1);
    struct weft_cursor_row *rows = calloc(1, count * sizeof *rows + bytes + 1);
    char *room = rows ? (char *)(rows + count) : NULL;
    for (size_t i = 0; rows && i < count; i++) {
        rows[i].key_len = (size_t)PQgetlength(r, (int)i, 0);
        rows[i].value_len = (size_t)PQgetlength(r, (int)i, 1);
        rows[i].key = memcpy(room, PQgetvalue(r, (int)i, 0), rows[i].key_len);
        room += rows[i].key_len;
        rows[i].value = memcpy(room, PQgetvalue(r, (int)i, 1), rows[i].value_len);
        room += rows[i].value_len;
    }
    PQclear(r);
    if (!rows)
        return wf_mon_store_nomem(s);
    *ret = rows;
    *ret_count = count;
    return WEFT_OK;
}

// ---- parts of batches --------------------------------------------------------------------------------------------------

enum weft_err wf_mon_pq_uncovered(struct wf_mon_pq *q, const struct wf_mon_table *t,
    const struct weft_event *e, struct wf_mon_range ranges[WF_MON_RANGES], size_t *ret_count)
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;
    size_t count = *ret_count;

    wf_mon_pq_text(&a, e->batch ? e->batch : "");
    wf_mon_pq_text(&a, t->product);
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "SELECT first_seq, count FROM _batch WHERE batch = $1 AND product = $2", &a, false, &r);
    if (err)
        return err;
    for (int i = 0; i < PQntuples(r); i++)
        count = wf_mon_ranges_cut(ranges, count, e, (uint64_t)wf_mon_pq_number(r, i, 0),
            (uint64_t)wf_mon_pq_number(r, i, 1));
    PQclear(r);
    *ret_count = count;
    return WEFT_OK;
}

// ---- events ------------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_pq_records(struct wf_mon_store *s, struct wf_mon_table *t,
    const struct weft_product *p, const struct weft_event *e, int64_t received_us)
{
    struct wf_mon_pq *q = wf_mon_pq(s);
    struct arrival a = { .e = e, .p = p, .received_us = received_us };
    struct wf_mon_range ranges[WF_MON_RANGES];
    size_t count = 1;
    enum weft_err err = WEFT_OK;

    ranges[0] = (struct wf_mon_range){ .from = 0, .count = e->record_count };
    if (q->careful)
        err = wf_mon_pq_uncovered(q, t, e, ranges, &count);
    for (size_t i = 0; i < count && !err; i++) {
        a.from = ranges[i].from;
        a.count = ranges[i].count;
        if (a.count)
            err = keep_part(q, t, &a);
    }
    return err ? err : keep_cursor(s, t, e);
}

enum weft_err wf_mon_pq_loss(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_event *e, int64_t at_ms)
{
    struct wf_mon_pq *q = wf_mon_pq(s);
    const char *words[] = { t->product, weft_err_name(e->loss_code), e->origin ? e->origin : "",
        e->loss_incarnation ? e->loss_incarnation : "" };
    char *quoted[4] = { 0 };
    int64_t id = 0;
    enum weft_err err = wf_mon_pq_connect(&q->link);

    if (!err)
        err = wf_mon_pq_id(q, &id);
    for (size_t i = 0; i < 4 && !err; i++) {
        quoted[i] = PQescapeLiteral(q->link.conn, words[i], strlen(words[i]));
        err = quoted[i] ? WEFT_OK : wf_mon_store_nomem(s);
    }
    if (!err)
        wf_mon_pq_add(&q->statements,
            "INSERT INTO _loss(id, product, \"from\", \"to\", code, at_ms, by_origin, incarnation, "
            "told) "
            "VALUES(%" PRId64 ", %s, %" PRId64 ", %" PRId64 ", %s, %" PRId64 ", %s, %s, %d);",
            id, quoted[0], (int64_t)e->loss_from, (int64_t)e->loss_to, quoted[1], at_ms,
            e->by_origin ? quoted[2] : "NULL", e->by_origin ? quoted[3] : "NULL", e->loss_told);
    for (size_t i = 0; i < 4; i++)
        PQfreemem(quoted[i]);
    return err ? err : keep_cursor(s, t, e);
}
