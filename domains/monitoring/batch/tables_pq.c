// SPDX-License-Identifier: Apache-2.0
// Products in a PostgreSQL database: their names, counts, tables, columns, partitions. Each change of a shape is a transaction of its own, as
// the one with records is opened at the server only when it is committed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/batch/store_pq.h"
#include "domains/monitoring/common/watch.h"

#define MAX_CHOICES 1000u // for a name that is taken
#define OLD_DAYS    400   // older rows, and those of the future, go to the partition for the rest
#define NEW_DAYS    2
#define MAX_DAYS    1000u // partitions known of one table

void wf_mon_pq_plan_fini(struct wf_mon_plan *p)
{
    wf_mon_shape_fini(&p->shape);
    free(p->types);
    free(p->copy);
    free(p->days);
    for (size_t i = 0; i < p->mark_count; i++) {
        free(p->marks[i].key);
        free(p->marks[i].value);
    }
    free(p->marks);
    struct wf_mon_plan kept = { .held = p->held, .free_turns = p->free_turns };
    memcpy(kept.told, p->told, sizeof kept.told);
    *p = kept;
}

// ---- the product's entry -----------------------------------------------------------------------------------------------

static enum weft_err read_name(struct wf_mon_pq *q, struct wf_mon_table *t)
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    wf_mon_pq_text(&a, t->product);
    enum weft_err err =
        wf_mon_pq_ask(&q->link, "SELECT tbl FROM _table WHERE product = $1", &a, false, &r);
    if (err)
        return err;
    snprintf(t->name, sizeof t->name, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return WEFT_OK;
}

// A name that leaves PostgreSQL room for its own around it.
static void shorten(char name[WF_MON_NAME])
{
    name[WF_MON_PQ_NAME] = '\0';
}

static enum weft_err choose_name(struct wf_mon_pq *q, struct wf_mon_table *t)
{
    char base[WF_MON_NAME], name[WF_MON_NAME];
    enum weft_err err = read_name(q, t);

    wf_mon_table_name(t->product, base);
    shorten(base);
    for (unsigned n = 1; !err && !t->name[0] && n <= MAX_CHOICES; n++) {
        struct wf_mon_pq_args a = { 0 };
        wf_mon_numbered(base, n, name);
        wf_mon_pq_text(&a, t->product);
        wf_mon_pq_text(&a, name);
        err = wf_mon_pq_ask(&q->link,
            "INSERT INTO _table(product, tbl) VALUES($1, $2) ON CONFLICT DO NOTHING", &a, false,
            NULL);
        if (!err)
            err = read_name(q, t); // ours, or that of another process
    }
    return err;
}

static enum weft_err read_counts(struct wf_mon_pq *q, struct wf_mon_table *t)
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    wf_mon_pq_text(&a, t->product);
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "INSERT INTO _status(product) VALUES($1) ON CONFLICT DO NOTHING", &a, false, NULL);
    if (!err)
        err = wf_mon_pq_ask(&q->link,
            "SELECT records, batches, live, repaired, pulled, history, lost, last_time_us, "
            "last_append_ms, last_received_ms, since_ms, why, cause, past FROM _status WHERE "
            "product = $1",
            &a, false, &r);
    if (err)
        return err;
    if (PQntuples(r)) {
        uint64_t *const counts[] = { &t->records, &t->batches, &t->live, &t->repaired, &t->pulled,
            &t->history, &t->lost };
        for (int i = 0; i < 7; i++)
            t->plan->told[i] = *counts[i] = (uint64_t)wf_mon_pq_number(r, 0, i);
        t->last_time_us = wf_mon_pq_number(r, 0, 7);
        t->last_append_ms = wf_mon_pq_number(r, 0, 8);
        t->last_received_ms = wf_mon_pq_number(r, 0, 9);
        t->said.since_ms = wf_mon_pq_number(r, 0, 10);
        snprintf(t->said.why, sizeof t->said.why, "%s", PQgetvalue(r, 0, 11));
        snprintf(t->said.cause, sizeof t->said.cause, "%s", PQgetvalue(r, 0, 12));
        snprintf(t->said.past, sizeof t->said.past, "%s", PQgetvalue(r, 0, 13));
    }
    PQclear(r);
    return WEFT_OK;
}

enum weft_err wf_mon_pq_load(struct wf_mon_store *s, struct wf_mon_table *t)
{
    struct wf_mon_pq *q = wf_mon_pq(s);
    enum weft_err err = wf_mon_pq_connect(&q->link);

    if (!err)
        err = choose_name(q, t);
    return err ? err : read_counts(q, t);
}

// ---- the table ---------------------------------------------------------------------------------------------------------

static const struct {
    const char *name, *comment;
} fixed[] = {
    { "_time", "time of the record, unix microseconds" },
    { "_received", "when the monitor stored it, unix microseconds" },
    { "_domain", "whose certificate signed it" },
    { "_origin", "the host that signed it" },
    { "_offset", "place in the log of the product" },
    { "_batch", "_batch.id: the signed bytes it is proven by" },
    { "_op", "put, delete, snapshot-begin, snapshot-end" },
};

static enum weft_err run_string(struct wf_mon_pq *q, struct wf_mon_pq_string *text)
{
    enum weft_err err = text->failed ? wf_mon_store_nomem(&q->base) : WEFT_OK;

    if (!err)
        err = wf_mon_pq_do(&q->link, text->ptr);
    free(text->ptr);
    *text = (struct wf_mon_pq_string){ 0 };
    return err;
}

// 'TEXT', as the connection quotes it.
static void add_literal(struct wf_mon_pq *q, struct wf_mon_pq_string *text, const char *value)
{
    char *quoted = PQescapeLiteral(q->link.conn, value, strlen(value));

    if (quoted)
        wf_mon_pq_add(text, "%s", quoted);
    else
        text->failed = true;
    PQfreemem(quoted);
}

// One statement, alone: see make_tables in store_pq.c.
static enum weft_err comment(
    struct wf_mon_pq *q, const char *what, const char *name, const char *text)
{
    struct wf_mon_pq_string sql = { 0 };

    wf_mon_pq_add(&sql, "COMMENT ON %s %s IS ", what, name);
    add_literal(q, &sql, text);
    return run_string(q, &sql);
}

static enum weft_err make_indexes(
    struct wf_mon_pq *q, const struct wf_mon_table *t, const char *name)
{
    struct wf_mon_pq_string text = { 0 };
    char index[WF_MON_NAME + 8], quoted[2 * WF_MON_NAME + 3];

    // _time is in it for those who divide the table by it: partitions, hypertables.
    snprintf(index, sizeof index, "_row_%s", t->name);
    wf_mon_pq_add(&text, "CREATE UNIQUE INDEX IF NOT EXISTS %s ON %s(_batch, _offset, _time)",
        wf_mon_pq_quote(index, quoted), name);
    enum weft_err err = run_string(q, &text);
    if (err)
        return err;
    snprintf(index, sizeof index, "_time_%s", t->name);
    wf_mon_pq_add(
        &text, "CREATE INDEX IF NOT EXISTS %s ON %s(_time)", wf_mon_pq_quote(index, quoted), name);
    return run_string(q, &text);
}

static enum weft_err make_table(
    struct wf_mon_pq *q, const struct wf_mon_table *t, const struct weft_product *p)
{
    const struct weft_product_info *info = weft_product_info(p);
    struct wf_mon_pq_string text = { 0 };
    char name[2 * WF_MON_NAME + 3], rest[WF_MON_NAME + 8], quoted[2 * WF_MON_NAME + 3];

    wf_mon_pq_quote(t->name, name);
    wf_mon_pq_add(&text,
        "CREATE TABLE IF NOT EXISTS %s(_time BIGINT, _received BIGINT, _domain TEXT, _origin TEXT, "
        "_offset BIGINT, _batch BIGINT, _op TEXT)%s",
        name, q->partitions ? " PARTITION BY RANGE (_time)" : "");
    enum weft_err err = run_string(q, &text);
    if (!err && q->partitions) {
        snprintf(rest, sizeof rest, "_rest_%s", t->name);
        wf_mon_pq_add(&text, "CREATE TABLE IF NOT EXISTS %s PARTITION OF %s DEFAULT",
            wf_mon_pq_quote(rest, quoted), name);
        err = run_string(q, &text);
    }
    if (!err)
        err = make_indexes(q, t, name);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed && !err; i++) {
        char column[2 * WF_MON_NAME + 32];
        snprintf(column, sizeof column, "%s.%s", name, fixed[i].name);
        err = comment(q, "COLUMN", column, fixed[i].comment);
    }
    return err ? err
               : comment(q, "TABLE", name,
                     info->description && info->description[0] ? info->description : t->product);
}

// ---- columns -----------------------------------------------------------------------------------------------------------

static const char *type_of(enum weft_type type)
{
    switch (type) {
    case WEFT_T_BOOL:
        return "BOOLEAN";
    case WEFT_T_INT:
    case WEFT_T_TIME:
        return "BIGINT";
    case WEFT_T_UINT:
        return "NUMERIC(20)"; // all of 2^64
    case WEFT_T_DOUBLE:
        return "DOUBLE PRECISION";
    case WEFT_T_BYTES:
        return "BYTEA";
    case WEFT_T_TEXT:
    case WEFT_T_ENUM:
    case WEFT_T_JSON:
        break;
    }
    return "TEXT";
}

static void column_base(const char *field, char ret[WF_MON_NAME])
{
    // Columns that each table has already.
    static const char *const taken[] = { "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid",
        "oid" };
    char name[WF_MON_NAME];

    wf_mon_column_name(field, name);
    shorten(name);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(name, taken[i]) == 0) {
            snprintf(ret, WF_MON_NAME, "f%s", taken[i]);
            return;
        }
    snprintf(ret, WF_MON_NAME, "%s", name);
}

static enum weft_err find_column(struct wf_mon_pq *q, const struct wf_mon_table *t,
    const struct weft_field *f, char ret[WF_MON_NAME])
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    wf_mon_pq_text(&a, t->name);
    wf_mon_pq_text(&a, f->name);
    wf_mon_pq_text(&a, wf_mon_type_name(f->type));
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "SELECT col FROM _columns WHERE tbl = $1 AND field = $2 AND type = $3", &a, false, &r);
    if (err)
        return err;
    snprintf(ret, WF_MON_NAME, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return WEFT_OK;
}

static enum weft_err claim_column(
    struct wf_mon_pq *q, const struct wf_mon_table *t, const struct weft_field *f, const char *name)
{
    struct wf_mon_pq_args a = { 0 };

    wf_mon_pq_text(&a, t->name);
    wf_mon_pq_text(&a, name);
    wf_mon_pq_text(&a, f->name);
    wf_mon_pq_int(&a, f->number);
    wf_mon_pq_text(&a, wf_mon_type_name(f->type));
    wf_mon_pq_text(&a, f->unit ? f->unit : "");
    wf_mon_pq_text(&a, wf_mon_role_name(f->role));
    wf_mon_pq_int(&a, f->key);
    wf_mon_pq_text(&a, f->description ? f->description : "");
    return wf_mon_pq_ask(&q->link,
        "INSERT INTO _columns(tbl, col, field, number, type, unit, role, is_key, description) "
        "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        &a, false, NULL);
}

static enum weft_err has_column(
    struct wf_mon_pq *q, const struct wf_mon_table *t, const char *column, bool *ret)
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;

    wf_mon_pq_text(&a, t->name);
    wf_mon_pq_text(&a, column);
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema() AND "
        "table_name = $1 AND column_name = $2",
        &a, false, &r);
    if (err)
        return err;
    *ret = PQntuples(r) > 0;
    PQclear(r);
    return WEFT_OK;
}

static enum weft_err add_column(struct wf_mon_pq *q, const struct wf_mon_table *t,
    const struct weft_field *f, const char *column)
{
    struct wf_mon_pq_string text = { 0 };
    char table[2 * WF_MON_NAME + 3], name[2 * WF_MON_NAME + 3], both[4 * WF_MON_NAME + 8];
    bool unit = f->unit && f->unit[0], words = f->description && f->description[0];

    wf_mon_pq_quote(t->name, table);
    wf_mon_pq_quote(column, name);
    wf_mon_pq_add(
        &text, "ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s", table, name, type_of(f->type));
    enum weft_err err = run_string(q, &text);
    if (err)
        return err;
    snprintf(both, sizeof both, "%s.%s", table, name);
    wf_mon_pq_add(&text, "%s%s%s%s%s", words ? f->description : "", words && unit ? " " : "",
        unit ? "[" : "", unit ? f->unit : "", unit ? "]" : "");
    err = text.failed ? wf_mon_store_nomem(&q->base) : comment(q, "COLUMN", both, text.ptr);
    free(text.ptr);
    return err;
}

// A field has a column for each type it ever had: what was stored keeps its type. Its entry comes first, the column after it: an entry without
// a column is one whose process was killed in between.
static enum weft_err ensure_column(struct wf_mon_pq *q, const struct wf_mon_table *t,
    const struct weft_field *f, char ret[WF_MON_NAME])
{
    char base[WF_MON_NAME];
    bool there = false;
    enum weft_err err = find_column(q, t, f, ret);

    column_base(f->name, base);
    for (unsigned n = 1; !err && !ret[0] && n <= MAX_CHOICES; n++) {
        char name[WF_MON_NAME];
        wf_mon_numbered(base, n, name);
        err = claim_column(q, t, f, name);
        if (!err)
            err = find_column(q, t, f, ret); // ours, or that of another process
    }
    if (!err)
        err = has_column(q, t, ret, &there);
    return err || there ? err : add_column(q, t, f, ret);
}

static enum weft_err make_copy(
    struct wf_mon_pq *q, struct wf_mon_table *t, const struct weft_product *p, char **ret)
{
    size_t count = weft_product_field_count(p);
    char column[WF_MON_NAME], quoted[2 * WF_MON_NAME + 3];
    struct wf_mon_pq_string text = { 0 };
    enum weft_err err = WEFT_OK;

    wf_mon_pq_add(&text, "COPY %s(_time, _received, _domain, _origin, _offset, _batch, _op",
        wf_mon_pq_quote(t->name, quoted));
    for (size_t i = 0; i < count && !err; i++) {
        err = ensure_column(q, t, weft_product_field(p, i), column);
        wf_mon_pq_add(&text, ", %s", wf_mon_pq_quote(column, quoted));
    }
    wf_mon_pq_add(&text, ") FROM STDIN (FORMAT binary)");
    if (!err && text.failed)
        err = wf_mon_store_nomem(&q->base);
    if (err)
        free(text.ptr);
    else
        *ret = text.ptr;
    return err;
}

// ---- schemas -----------------------------------------------------------------------------------------------------------

static enum weft_err keep_schema(
    struct wf_mon_pq *q, struct wf_mon_plan *plan, const struct weft_product *p)
{
    struct wf_mon_pq_args a = { 0 };
    PGresult *r = NULL;
    const void *set;
    size_t len;

    weft_product_descriptor(p, &set, &len);
    wf_mon_pq_text(&a, plan->shape.hash);
    wf_mon_pq_text(&a, plan->shape.message);
    wf_mon_pq_text(&a, plan->shape.keys);
    wf_mon_pq_blob(&a, set, len);
    enum weft_err err = wf_mon_pq_ask(&q->link,
        "SELECT id FROM _schema WHERE hash = $1 AND message = $2 AND keys = $3 AND descriptor = $4",
        &a, false, &r);
    if (err)
        return err;
    plan->schema_id = PQntuples(r) ? wf_mon_pq_number(r, 0, 0) : 0;
    PQclear(r);
    if (plan->schema_id)
        return WEFT_OK;
    err = wf_mon_pq_id(q, &plan->schema_id);
    if (err)
        return err;
    wf_mon_pq_int(&a, plan->schema_id);
    return wf_mon_pq_ask(&q->link,
        "INSERT INTO _schema(hash, message, keys, descriptor, id) VALUES($1, $2, $3, $4, $5)", &a,
        false, NULL);
}

static enum weft_err plan_fill(
    struct wf_mon_store *s, struct wf_mon_plan *plan, const struct weft_product *p, char *keys)
{
    size_t count = weft_product_field_count(p);
    enum weft_err err = wf_mon_shape_take(s, &plan->shape, p, keys);

    if (err)
        return err;
    plan->chunk = 0; // rows of another set of columns go into a chunk of their own
    plan->types = calloc(count + 1, sizeof *plan->types);
    if (!plan->types)
        return wf_mon_store_nomem(s);
    for (size_t i = 0; i < count; i++)
        plan->types[i] = weft_product_field(p, i)->type;
    return WEFT_OK;
}

// What is the schema's goes; what the open transaction holds of the product stays.
static void plan_clear(struct wf_mon_plan *plan)
{
    struct wf_mon_pq_mark *marks = plan->marks;
    size_t count = plan->mark_count;
    int32_t *days = plan->days;
    size_t day_count = plan->day_count;
    bool touched = plan->touched;

    plan->marks = NULL;
    plan->mark_count = 0;
    plan->days = NULL;
    wf_mon_pq_plan_fini(plan);
    plan->marks = marks;
    plan->mark_count = count;
    plan->days = days;
    plan->day_count = day_count;
    plan->touched = touched;
}

enum weft_err wf_mon_pq_shape(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_product *p)
{
    struct wf_mon_pq *q = wf_mon_pq(s);

    if (weft_product_field_count(p) > WF_MON_PQ_MAX_FIELD) {
        snprintf(s->problem, sizeof s->problem, "%s: %zu fields; a table has at most %u columns",
            t->product, weft_product_field_count(p), WF_MON_PQ_MAX_FIELD);
        return WEFT_E_TOO_BIG;
    }
    char *keys = wf_mon_keys(p);
    if (!keys)
        return wf_mon_store_nomem(s);
    if (t->plan->copy && wf_mon_shape_is(&t->plan->shape, p, keys)) {
        free(keys);
        return WEFT_OK;
    }
    plan_clear(t->plan);
    enum weft_err err = plan_fill(s, t->plan, p, keys);
    if (!err)
        err = make_table(q, t, p);
    if (!err)
        err = keep_schema(q, t->plan, p);
    if (!err)
        err = make_copy(q, t, p, &t->plan->copy);
    if (err)
        plan_clear(t->plan);
    return err;
}

// ---- partitions --------------------------------------------------------------------------------------------------------

static int32_t day_of(int64_t time_us)
{
    int64_t day = time_us / WF_MON_DAY_US;

    return (int32_t)(time_us % WF_MON_DAY_US < 0 ? day - 1 : day);
}

static enum weft_err make_day(struct wf_mon_pq *q, const struct wf_mon_table *t, int32_t day)
{
    struct wf_mon_pq_string text = { 0 };
    char table[2 * WF_MON_NAME + 3], name[WF_MON_NAME + 16], quoted[2 * WF_MON_NAME + 3], date[16];
    time_t seconds = (time_t)day * 86400;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y%m%d", &tm);
    snprintf(name, sizeof name, "_p%s_%s", date, t->name);
    wf_mon_pq_add(&text,
        "CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES FROM (%lld) TO (%lld)",
        wf_mon_pq_quote(name, quoted), wf_mon_pq_quote(t->name, table),
        (long long)day * WF_MON_DAY_US, (long long)(day + 1) * WF_MON_DAY_US);
    return run_string(q, &text);
}

enum weft_err wf_mon_pq_day(struct wf_mon_pq *q, struct wf_mon_table *t, int64_t time_us)
{
    int32_t day = day_of(time_us), today = day_of(wf_mon_unix_ms() * 1000);
    struct wf_mon_plan *plan = t->plan;

    if (!q->partitions || day < today - OLD_DAYS || day > today + NEW_DAYS)
        return WEFT_OK;
    for (size_t i = plan->day_count; i > 0; i--) // the newest first
        if (plan->days[i - 1] == day)
            return WEFT_OK;
    if (plan->day_count >= MAX_DAYS)
        return WEFT_OK;
    int32_t *days = realloc(plan->days, (plan->day_count + 1) * sizeof *days);
    if (!days)
        return wf_mon_store_nomem(&q->base);
    plan->days = days;
    enum weft_err err = make_day(q, t, day);
    // Rows of that day that came too early are in the partition for the rest, and so are the others then. A reader may be in the way
    // as well: storing does not wait for it.
    if (err && err != WEFT_E_IO)
        err = WEFT_OK;
    if (!err)
        plan->days[plan->day_count++] = day;
    return err;
}
