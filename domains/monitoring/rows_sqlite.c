// SPDX-License-Identifier: Apache-2.0
// Products in the database: their tables and columns, and the rows, batches and cursors of what arrives.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/store_sqlite.h"

#define MAX_CHOICES 1000u // for a name that is taken

static enum weft_err nomem(struct wf_mon_store *s)
{
    snprintf(s->problem, sizeof s->problem, "%s", weft_err_text(WEFT_E_NOMEM));
    return WEFT_E_NOMEM;
}

static void plan_fini(struct wf_mon_plan *p)
{
    free(p->hash);
    free(p->message);
    free(p->keys);
    free(p->is_key);
    sqlite3_finalize(p->insert);
    *p = (struct wf_mon_plan){ 0 };
}

void wf_mon_rows_forget(struct wf_mon_store *s)
{
    for (struct wf_mon_table *t = s->tables; t; t = t->next) {
        plan_fini(&t->plan);
        t->loaded = t->dirty = false;
    }
}

void wf_mon_rows_fini(struct wf_mon_store *s)
{
    wf_mon_rows_forget(s);
    while (s->tables) {
        struct wf_mon_table *t = s->tables;
        s->tables = t->next;
        free(t);
    }
}

const char *wf_mon_table_of(const struct wf_mon_table *t)
{
    return t->name;
}

// ---- the product's entry -----------------------------------------------------------------------------------------------

static enum weft_err read_name(struct wf_mon_store *s, struct wf_mon_table *t)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_TABLE_GET, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    int rc = sqlite3_step(st);
    snprintf(t->name, sizeof t->name, "%s", rc == SQLITE_ROW ? wf_mon_column_text(st, 0) : "");
    sqlite3_reset(st);
    return wf_mon_sqlite_err(s, rc, "table");
}

// The first free choice; the UNIQUE of _table decides.
static enum weft_err choose_name(struct wf_mon_store *s, struct wf_mon_table *t)
{
    char base[WF_MON_NAME], name[WF_MON_NAME];
    sqlite3_stmt *st;
    enum weft_err err = read_name(s, t);

    wf_mon_table_name(t->product, base);
    for (unsigned n = 1; !err && !t->name[0] && n <= MAX_CHOICES; n++) {
        err = wf_mon_sqlite_get(s, WF_MON_SQL_TABLE_ADD, &st);
        if (err)
            break;
        wf_mon_numbered(base, n, name);
        wf_mon_bind_text(st, 1, t->product);
        wf_mon_bind_text(st, 2, name);
        err = wf_mon_sqlite_run(s, st, "table");
        if (!err && sqlite3_changes(s->db) == 1)
            snprintf(t->name, sizeof t->name, "%s", name);
    }
    return err;
}

static enum weft_err read_counts(struct wf_mon_store *s, struct wf_mon_table *t)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_STATUS_ADD, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    err = wf_mon_sqlite_run(s, st, "status");
    if (!err)
        err = wf_mon_sqlite_get(s, WF_MON_SQL_COUNTS_GET, &st);
    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        t->records = (uint64_t)sqlite3_column_int64(st, 0);
        t->batches = (uint64_t)sqlite3_column_int64(st, 1);
        t->live = (uint64_t)sqlite3_column_int64(st, 2);
        t->pulled = (uint64_t)sqlite3_column_int64(st, 3);
        t->lost = (uint64_t)sqlite3_column_int64(st, 4);
        t->last_time_us = sqlite3_column_int64(st, 5);
        t->last_append_ms = sqlite3_column_int64(st, 6);
        t->last_received_ms = sqlite3_column_int64(st, 7);
    }
    sqlite3_reset(st);
    return wf_mon_sqlite_err(s, rc, "status");
}

static enum weft_err load(struct wf_mon_store *s, struct wf_mon_table *t)
{
    if (t->loaded)
        return WEFT_OK;
    enum weft_err err = choose_name(s, t);
    if (!err)
        err = read_counts(s, t);
    t->loaded = !err;
    return err;
}

enum weft_err wf_mon_store_table(
    struct wf_mon_store *s, const char *product, struct wf_mon_table **ret)
{
    struct wf_mon_table *t = s->tables;

    while (t && strcmp(t->product, product) != 0)
        t = t->next;
    if (!t) {
        t = calloc(1, sizeof *t);
        if (!t)
            return nomem(s);
        snprintf(t->product, sizeof t->product, "%s", product);
        snprintf(t->domain, sizeof t->domain, "%.*s", (int)strcspn(product, "/"), product);
        t->next = s->tables;
        s->tables = t;
    }
    enum weft_err err = load(s, t);
    if (!err)
        *ret = t;
    return err;
}

enum weft_err wf_mon_rows_flush(struct wf_mon_store *s)
{
    for (struct wf_mon_table *t = s->tables; t; t = t->next) {
        sqlite3_stmt *st;
        if (!t->dirty)
            continue;
        enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_COUNTS_SET, &st);
        if (err)
            return err;
        wf_mon_bind_text(st, 1, t->product);
        const uint64_t counts[] = { t->records, t->batches, t->live, t->pulled, t->lost };
        for (int i = 0; i < 5; i++)
            sqlite3_bind_int64(st, 2 + i, (sqlite3_int64)counts[i]);
        sqlite3_bind_int64(st, 7, t->last_time_us);
        sqlite3_bind_int64(st, 8, t->last_append_ms);
        sqlite3_bind_int64(st, 9, t->last_received_ms);
        err = wf_mon_sqlite_run(s, st, "status");
        if (err)
            return err;
        t->dirty = false;
    }
    return WEFT_OK;
}

// ---- the shape of a table ----------------------------------------------------------------------------------------------

static enum weft_err exec_str(struct wf_mon_store *s, sqlite3_str *text, const char *doing)
{
    char *sql = sqlite3_str_finish(text);

    if (!sql)
        return nomem(s);
    enum weft_err err = wf_mon_sqlite_exec(s, sql, doing);
    sqlite3_free(sql);
    return err;
}

static enum weft_err make_table(struct wf_mon_store *s, const struct wf_mon_table *t)
{
    sqlite3_str *text = sqlite3_str_new(s->db);

    sqlite3_str_appendf(text,
        "CREATE TABLE IF NOT EXISTS \"%w\"(_time INTEGER, _received INTEGER, _domain TEXT, _origin "
        "TEXT, _offset INTEGER, _batch INTEGER, _op TEXT);"
        "CREATE UNIQUE INDEX IF NOT EXISTS \"_row_%w\" ON \"%w\"(_batch, _offset);"
        "CREATE INDEX IF NOT EXISTS \"_time_%w\" ON \"%w\"(_time)",
        t->name, t->name, t->name, t->name, t->name);
    return exec_str(s, text, "make table");
}

static enum weft_err find_column(struct wf_mon_store *s, const struct wf_mon_table *t,
    const struct weft_field *f, char ret[WF_MON_NAME])
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_COLUMN_GET, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->name);
    wf_mon_bind_text(st, 2, f->name);
    wf_mon_bind_text(st, 3, wf_mon_type_name(f->type));
    int rc = sqlite3_step(st);
    snprintf(ret, WF_MON_NAME, "%s", rc == SQLITE_ROW ? wf_mon_column_text(st, 0) : "");
    sqlite3_reset(st);
    return wf_mon_sqlite_err(s, rc, "column");
}

static enum weft_err claim_column(struct wf_mon_store *s, const struct wf_mon_table *t,
    const struct weft_field *f, const char *name, bool *ret_done)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_COLUMN_ADD, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->name);
    wf_mon_bind_text(st, 2, name);
    wf_mon_bind_text(st, 3, f->name);
    sqlite3_bind_int64(st, 4, f->number);
    wf_mon_bind_text(st, 5, wf_mon_type_name(f->type));
    wf_mon_bind_text(st, 6, f->unit ? f->unit : "");
    wf_mon_bind_text(st, 7, wf_mon_role_name(f->role));
    sqlite3_bind_int(st, 8, f->key);
    wf_mon_bind_text(st, 9, f->description ? f->description : "");
    err = wf_mon_sqlite_run(s, st, "column");
    *ret_done = !err && sqlite3_changes(s->db) == 1;
    return err;
}

// A field has a column for each type it ever had: what was stored keeps its type.
static enum weft_err ensure_column(struct wf_mon_store *s, const struct wf_mon_table *t,
    const struct weft_field *f, char ret[WF_MON_NAME])
{
    char base[WF_MON_NAME];
    bool done = false;
    enum weft_err err = find_column(s, t, f, ret);

    if (err || ret[0])
        return err;
    wf_mon_column_name(f->name, base);
    for (unsigned n = 1; !err && !done && n <= MAX_CHOICES; n++) {
        wf_mon_numbered(base, n, ret);
        err = claim_column(s, t, f, ret, &done);
    }
    if (err)
        return err;
    sqlite3_str *text = sqlite3_str_new(s->db);
    sqlite3_str_appendf(
        text, "ALTER TABLE \"%w\" ADD COLUMN \"%w\" %s", t->name, ret, wf_mon_sql_type(f->type));
    return exec_str(s, text, "add column");
}

static enum weft_err make_insert(struct wf_mon_store *s, const struct wf_mon_table *t,
    const struct weft_product *p, sqlite3_stmt **ret)
{
    size_t count = weft_product_field_count(p);
    char column[WF_MON_NAME];
    enum weft_err err = WEFT_OK;
    sqlite3_str *text = sqlite3_str_new(s->db);

    sqlite3_str_appendf(text,
        "INSERT INTO \"%w\"(_time, _received, _domain, _origin, _offset, _batch, _op", t->name);
    for (size_t i = 0; i < count && !err; i++) {
        err = ensure_column(s, t, weft_product_field(p, i), column);
        sqlite3_str_appendf(text, ", \"%w\"", column);
    }
    sqlite3_str_appendall(text, ") VALUES(?, ?, ?, ?, ?, ?, ?");
    for (size_t i = 0; i < count; i++)
        sqlite3_str_appendall(text, ", ?");
    sqlite3_str_appendall(text, ")");
    char *sql = sqlite3_str_finish(text);
    if (!err && !sql)
        err = nomem(s);
    if (!err)
        err = wf_mon_sqlite_err(
            s, sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL), "insert");
    sqlite3_free(sql);
    return err;
}

static enum weft_err bind_schema(struct wf_mon_store *s, enum wf_mon_sql which,
    const struct wf_mon_plan *plan, const struct weft_product *p, sqlite3_stmt **ret)
{
    const void *set;
    size_t len;
    enum weft_err err = wf_mon_sqlite_get(s, which, ret);

    if (err)
        return err;
    weft_product_descriptor(p, &set, &len);
    wf_mon_bind_text(*ret, 1, plan->hash);
    wf_mon_bind_text(*ret, 2, plan->message);
    wf_mon_bind_text(*ret, 3, plan->keys);
    wf_mon_bind_blob(*ret, 4, set, len);
    return WEFT_OK;
}

static enum weft_err keep_schema(
    struct wf_mon_store *s, struct wf_mon_plan *plan, const struct weft_product *p)
{
    sqlite3_stmt *st;
    enum weft_err err = bind_schema(s, WF_MON_SQL_SCHEMA_GET, plan, p, &st);

    if (err)
        return err;
    int rc = sqlite3_step(st);
    plan->schema_id = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_reset(st);
    err = wf_mon_sqlite_err(s, rc, "schema");
    if (err || plan->schema_id)
        return err;
    err = bind_schema(s, WF_MON_SQL_SCHEMA_ADD, plan, p, &st);
    if (!err)
        err = wf_mon_sqlite_run(s, st, "schema");
    if (!err)
        plan->schema_id = sqlite3_last_insert_rowid(s->db);
    return err;
}

static enum weft_err plan_fill(
    struct wf_mon_store *s, struct wf_mon_plan *plan, const struct weft_product *p, char **keys)
{
    const struct weft_product_info *info = weft_product_info(p);
    size_t count = weft_product_field_count(p);

    plan->hash = strdup(info->schema ? info->schema : "");
    plan->message = strdup(info->message ? info->message : "");
    plan->keys = *keys;
    *keys = NULL;
    plan->is_key = calloc(count ? count : 1, sizeof *plan->is_key);
    plan->field_count = count;
    if (!plan->hash || !plan->message || !plan->is_key)
        return nomem(s);
    for (size_t i = 0; i < count; i++)
        plan->is_key[i] = weft_product_field(p, i)->key;
    return WEFT_OK;
}

static bool plan_fits(
    const struct wf_mon_plan *plan, const struct weft_product *p, const char *keys)
{
    const struct weft_product_info *info = weft_product_info(p);

    return plan->insert && plan->field_count == weft_product_field_count(p) &&
           strcmp(plan->hash, info->schema ? info->schema : "") == 0 &&
           strcmp(plan->message, info->message ? info->message : "") == 0 &&
           strcmp(plan->keys, keys) == 0;
}

enum weft_err wf_mon_store_shape(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_product *p)
{
    if (weft_product_field_count(p) > WF_MON_MAX_FIELD) {
        snprintf(s->problem, sizeof s->problem, "%s: %zu fields; a table has at most %u columns",
            t->product, weft_product_field_count(p), WF_MON_MAX_FIELD);
        return WEFT_E_TOO_BIG;
    }
    char *keys = wf_mon_keys(p);
    if (!keys)
        return nomem(s);
    enum weft_err err = load(s, t);
    if (err || plan_fits(&t->plan, p, keys)) {
        free(keys);
        return err;
    }
    plan_fini(&t->plan);
    err = plan_fill(s, &t->plan, p, &keys);
    if (!err)
        err = make_table(s, t);
    if (!err)
        err = keep_schema(s, &t->plan, p);
    if (!err)
        err = make_insert(s, t, p, &t->plan.insert);
    if (err)
        plan_fini(&t->plan);
    return err;
}

// ---- what arrives ------------------------------------------------------------------------------------------------------

// FNV-1a, for the index alone: bytes are compared.
static int64_t sum_of(const void *ptr, size_t len)
{
    const uint8_t *p = ptr;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return (int64_t)(h >> 1);
}

static enum weft_err keep_chain(struct wf_mon_store *s, const struct weft_event *e, int64_t *ret)
{
    int64_t sum = sum_of(e->chain, e->chain_len);
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
    *ret = sqlite3_last_insert_rowid(s->db);
    return err;
}

// *ret = 0 when this part of this batch is stored already.
static enum weft_err keep_batch(
    struct wf_mon_store *s, const struct wf_mon_table *t, const struct weft_event *e, int64_t *ret)
{
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
    sqlite3_bind_int64(st, 4, (sqlite3_int64)e->records[0].offset);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)e->records[0].seq);
    sqlite3_bind_int64(st, 6, (sqlite3_int64)e->record_count);
    sqlite3_bind_int64(st, 7, e->append_ms);
    sqlite3_bind_int(st, 8, e->by_pull);
    sqlite3_bind_int(st, 9, e->late);
    sqlite3_bind_int64(st, 10, t->plan.schema_id);
    sqlite3_bind_int64(st, 11, chain);
    wf_mon_bind_blob(st, 12, e->header, e->header_len);
    wf_mon_bind_blob(st, 13, e->payload, e->payload_len);
    err = wf_mon_sqlite_run(s, st, "batch");
    if (!err)
        *ret = sqlite3_changes(s->db) == 1 ? sqlite3_last_insert_rowid(s->db) : 0;
    return err;
}

static void bind_cell(sqlite3_stmt *st, int at, const struct wf_mon_cell *c)
{
    switch (c->class) {
    case WF_MON_NULL:
        sqlite3_bind_null(st, at);
        break;
    case WF_MON_INTEGER:
        sqlite3_bind_int64(st, at, c->integer);
        break;
    case WF_MON_REAL:
        sqlite3_bind_double(st, at, c->real);
        break;
    case WF_MON_TEXT:
        sqlite3_bind_text64(st, at, c->ptr, c->len, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case WF_MON_BLOB:
        sqlite3_bind_blob64(st, at, c->ptr, c->len, SQLITE_TRANSIENT);
        break;
    }
}

struct arrival {
    const struct weft_event *e;
    const struct weft_product *p;
    int64_t received_us, batch;
};

static enum weft_err keep_row(struct wf_mon_store *s, struct wf_mon_table *t,
    const struct arrival *a, const struct weft_record *r)
{
    sqlite3_stmt *st = t->plan.insert;
    struct wf_mon_cell cell;

    sqlite3_bind_int64(st, 1, r->time_us);
    sqlite3_bind_int64(st, 2, a->received_us);
    wf_mon_bind_text(st, 3, t->domain);
    wf_mon_bind_text(st, 4, a->e->origin ? a->e->origin : "");
    sqlite3_bind_int64(st, 5, (sqlite3_int64)r->offset);
    sqlite3_bind_int64(st, 6, a->batch);
    wf_mon_bind_text(st, 7, wf_mon_op_name(r->op));
    for (size_t i = 0; i < t->plan.field_count; i++) {
        enum weft_err err = wf_mon_record_cell(a->p, r, i, t->plan.is_key[i], &cell);
        if (err)
            return nomem(s);
        bind_cell(st, WF_MON_FIXED + 1 + (int)i, &cell);
    }
    if (r->time_us > t->last_time_us)
        t->last_time_us = r->time_us;
    return wf_mon_sqlite_run(s, st, "row");
}

static enum weft_err keep_origin(
    struct wf_mon_store *s, const struct wf_mon_table *t, const struct weft_event *e)
{
    sqlite3_stmt *st;
    enum weft_err err = wf_mon_sqlite_get(s, WF_MON_SQL_ORIGIN_SET, &st);

    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    wf_mon_bind_text(st, 2, e->origin ? e->origin : "");
    sqlite3_bind_int64(st, 3, (sqlite3_int64)e->record_count);
    sqlite3_bind_int64(st, 4, e->records[e->record_count - 1].time_us);
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

static void count_records(struct wf_mon_table *t, const struct weft_event *e, int64_t received_us)
{
    t->records += e->record_count;
    t->batches++;
    *(e->by_pull ? &t->pulled : &t->live) += e->record_count;
    if (e->append_ms > t->last_append_ms)
        t->last_append_ms = e->append_ms;
    t->last_received_ms = received_us / 1000;
    t->dirty = true;
}

enum weft_err wf_mon_store_records(struct wf_mon_store *s, struct wf_mon_table *t,
    const struct weft_product *p, const struct weft_event *e, int64_t received_us)
{
    struct arrival a = { .e = e, .p = p, .received_us = received_us };
    enum weft_err err = wf_mon_store_shape(s, t, p);

    if (!err && e->record_count)
        err = keep_batch(s, t, e, &a.batch);
    if (!err && a.batch) {
        for (size_t i = 0; i < e->record_count && !err; i++)
            err = keep_row(s, t, &a, &e->records[i]);
        if (!err)
            err = keep_origin(s, t, e);
        count_records(t, e, received_us);
    }
    return err ? err : keep_cursor(s, t, e);
}

enum weft_err wf_mon_store_loss(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_event *e, int64_t at_ms)
{
    sqlite3_stmt *st;
    enum weft_err err = load(s, t);

    if (!err)
        err = wf_mon_sqlite_get(s, WF_MON_SQL_LOSS_ADD, &st);
    if (err)
        return err;
    wf_mon_bind_text(st, 1, t->product);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)e->loss_from);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)e->loss_to);
    wf_mon_bind_text(st, 4, weft_err_name(e->loss_code));
    sqlite3_bind_int64(st, 5, at_ms);
    if (e->by_origin)
        wf_mon_bind_text(st, 6, e->origin ? e->origin : "");
    err = wf_mon_sqlite_run(s, st, "loss");
    if (err)
        return err;
    if (e->loss_to > e->loss_from)
        t->lost += e->loss_to - e->loss_from;
    t->dirty = true;
    return keep_cursor(s, t, e);
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

enum weft_err wf_mon_store_cursor(
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
        return nomem(s);
    char *room = (char *)(rows + count);
    while (at < count && sqlite3_step(st) == SQLITE_ROW) {
        rows[at].key = copy_blob(st, 0, &room, &rows[at].key_len);
        rows[at].value = copy_blob(st, 1, &room, &rows[at].value_len);
        at++;
    }
    sqlite3_reset(st);
    *ret = rows;
    *ret_count = at;
    return WEFT_OK;
}
