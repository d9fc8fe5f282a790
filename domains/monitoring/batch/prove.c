// SPDX-License-Identifier: Apache-2.0
// The comparison behind weft-monitor verify. A cell's proven value is derived by the code that stored it (table.c), from the
// record in the signed bytes.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/verify.h"

#define FIXED 7 // _time _received _domain _origin _offset _batch _op, behind the leading _offset

struct pair {
    char product[WF_MON_PRODUCT], table[WF_MON_NAME];
};

struct prove {
    struct wf_mon_db *db;
    const struct wf_mon_verify *what;
    struct wf_mon_proof *sum;
    struct wf_mon_batch b; // the batch looked at
    // Its schema, kept while batches have the same.
    int64_t schema_id;
    struct weft_product *product;
    char *hash, *keys;
    char domain[WF_MON_PRODUCT];
    struct pair *tables; // of all products
    size_t table_count;
    // The answer to "which product is this id of", kept while batches ask the same.
    struct {
        char product[WF_MON_PRODUCT], id[80], text[WF_MON_PRODUCT + 80];
    } named;
    // Where each column of the row comes from: a field of the schema, or FIELD_NONE. Made anew for each batch.
    int *field_of;
    size_t columns;
};
#define FIELD_NONE  (-1)
#define FIELD_FIXED (-2)

static void differ(struct prove *v, const uint64_t *offset, const char *column, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

static void differ(
    struct prove *v, const uint64_t *offset, const char *column, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!offset && v->what->table) // of the batch; it is one row that is asked about
        offset = &v->what->offset;
    struct wf_mon_difference d = { .product = v->b.product,
        .table = v->b.table,
        .batch = v->b.batch,
        .has_offset = offset != NULL,
        .offset = offset ? *offset : 0,
        .column = column,
        .text = text };
    v->sum->differences++;
    if (v->what->fn)
        v->what->fn(v->what->arg, &d);
}

// ---- the schema --------------------------------------------------------------------------------------------------------

static void schema_fini(struct prove *v)
{
    weft_product_free(v->product);
    free(v->hash);
    free(v->keys);
    v->product = NULL;
    v->hash = v->keys = NULL;
    v->schema_id = 0;
}

// *ret = false: it can't be used, and that was said.
static enum weft_err load_schema(struct prove *v, bool *ret)
{
    struct wf_mon_schema s;
    struct weft_problem problem = { 0 };

    *ret = v->schema_id == v->b.schema && v->product;
    if (*ret)
        return WEFT_OK;
    schema_fini(v);
    enum weft_err err = wf_mon_db_schema(v->db, v->b.schema, &s);
    if (err == WEFT_E_NOT_FOUND) {
        differ(v, NULL, "", "its schema %" PRId64 " is not kept", v->b.schema);
        return WEFT_OK;
    }
    if (err)
        return err;
    err = weft_product_from_descriptor(s.set, s.set_len, s.message, &v->product, &problem);
    if (err == WEFT_E_NOMEM)
        return err;
    if (err) {
        differ(v, NULL, "", "its schema: %s", problem.text);
        return WEFT_OK;
    }
    v->schema_id = v->b.schema;
    v->hash = strdup(s.hash);
    v->keys = strdup(s.keys);
    *ret = v->hash && v->keys;
    return *ret ? WEFT_OK : WEFT_E_NOMEM;
}

// Batches name their schema by its hash; the bytes kept must have it.
static bool schema_is(struct prove *v, const struct weft_verified *proven)
{
    const char *bytes = weft_product_info(v->product)->schema;

    if (strcmp(v->hash, proven->schema) == 0 &&
        (!bytes || !bytes[0] || strcmp(bytes, proven->schema) == 0))
        return true;
    differ(v, NULL, "", "its schema is not the kept one: kept %s, proven %s",
        bytes && bytes[0] ? bytes : v->hash, proven->schema);
    return false;
}

// ---- the batch ---------------------------------------------------------------------------------------------------------

static bool check_word(struct prove *v, const char *what, const char *stored, const char *proven)
{
    if (strcmp(stored, proven) == 0)
        return true;
    differ(v, NULL, what, "stored '%.100s', proven '%.100s'", stored, proven);
    return false;
}

// Two products with one schema differ in the id alone that the header names. Told with the name that it has here, if it has one.
static bool check_product(struct prove *v, const struct weft_verified *proven)
{
    const char *id = proven->product_id, *own = v->b.product;

    if (strcmp(v->named.product, own) != 0 || strcmp(v->named.id, id) != 0) {
        bool is = weft_verified_is_of(proven, own);
        const char *other = NULL;
        for (size_t i = 0; i < v->table_count && !is && !other; i++)
            if (weft_verified_is_of(proven, v->tables[i].product))
                other = v->tables[i].product;
        snprintf(v->named.product, sizeof v->named.product, "%s", own);
        snprintf(v->named.id, sizeof v->named.id, "%s", id);
        snprintf(v->named.text, sizeof v->named.text, "%s", is ? "" : other ? other : id);
    }
    return !v->named.text[0] || check_word(v, "_batch.product", own, v->named.text);
}

// *ret_skip = records of the batch before the first one stored.
static bool check_batch(struct prove *v, const struct weft_verified *proven, size_t *ret_skip)
{
    bool good = check_word(v, "_batch.batch", v->b.batch, proven->batch);

    good = check_word(v, "_batch.origin", v->b.origin, proven->origin) && good;
    good = check_word(v, "_batch.product (domain)", v->domain, proven->domain) &&
           check_product(v, proven) && good;
    uint64_t skip = v->b.first_seq - proven->first_seq;
    if (v->b.first_seq < proven->first_seq || skip > proven->record_count ||
        v->b.count > proven->record_count - skip) {
        differ(v, NULL, "_batch.first_seq",
            "stored %" PRIu64 " records from seq %" PRIu64 ", proven %zu from %" PRIu64, v->b.count,
            v->b.first_seq, proven->record_count, proven->first_seq);
        return false;
    }
    *ret_skip = (size_t)skip;
    return good;
}

// ---- its rows ----------------------------------------------------------------------------------------------------------

static int fixed_column(const char *name)
{
    static const char *const names[FIXED] = { "_time", "_received", "_domain", "_origin", "_offset",
        "_batch", "_op" };

    for (int i = 0; i < FIXED; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

static int find_name(struct prove *v, const char *name)
{
    for (size_t i = 1; i < v->columns; i++)
        if (strcmp(wf_mon_db_column(v->db, i), name) == 0)
            return (int)i;
    return -1;
}

// Which field each column of the running query holds. A field without its column is a difference in all rows, said once.
static enum weft_err map_columns(struct prove *v)
{
    char column[WF_MON_NAME];

    v->columns = wf_mon_db_columns(v->db);
    free(v->field_of);
    v->field_of = calloc(v->columns + 1, sizeof *v->field_of);
    if (!v->field_of)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < v->columns; i++)
        v->field_of[i] =
            i == 0 || fixed_column(wf_mon_db_column(v->db, i)) >= 0 ? FIELD_FIXED : FIELD_NONE;
    for (size_t f = 0; f < weft_product_field_count(v->product); f++) {
        const struct weft_field *field = weft_product_field(v->product, f);
        enum weft_err err =
            wf_mon_db_column_of(v->db, v->b.table, field->name, field->type, column);
        if (err && err != WEFT_E_NOT_FOUND)
            return err;
        int at = err ? -1 : find_name(v, column);
        if (at < 0)
            differ(v, NULL, field->name, "the table has no column for this field");
        else
            v->field_of[at] = (int)f;
    }
    return WEFT_OK;
}

static enum weft_err check_cell(
    struct prove *v, uint64_t offset, size_t column, struct wf_mon_cell *proven)
{
    struct wf_mon_cell stored;
    char a[160], b[160];
    enum weft_err err = wf_mon_db_as_stored(v->db, proven);

    if (err)
        return err;
    wf_mon_db_cell(v->db, column, &stored);
    if (wf_mon_cell_eq(&stored, proven))
        return WEFT_OK;
    wf_mon_cell_print(&stored, a, sizeof a);
    wf_mon_cell_print(proven, b, sizeof b);
    differ(v, &offset, wf_mon_db_column(v->db, column), "stored %s, proven %s", a, b);
    return WEFT_OK;
}

static enum weft_err check_fixed(struct prove *v, uint64_t offset, size_t column,
    const struct weft_verified *proven, const struct weft_record *r)
{
    struct wf_mon_cell want = { 0 };

    switch (fixed_column(wf_mon_db_column(v->db, column))) {
    case 0:
        want = wf_mon_integer(r->time_us);
        break;
    case 2:
        want = wf_mon_text(proven->domain);
        break;
    case 3:
        want = wf_mon_text(proven->origin);
        break;
    case 6:
        want = wf_mon_text(wf_mon_op_name(r->op));
        break;
    default: // _received is this reader's own word; _offset and _batch found the row
        return WEFT_OK;
    }
    return check_cell(v, offset, column, &want);
}

static enum weft_err check_row(struct prove *v, uint64_t offset, const struct weft_verified *proven,
    const struct weft_record *r)
{
    struct wf_mon_cell want;

    v->sum->rows++;
    for (size_t i = 1; i < v->columns; i++) {
        enum weft_err err = WEFT_OK;
        int f = v->field_of[i];
        want = (struct wf_mon_cell){ 0 };
        if (f == FIELD_FIXED) {
            err = check_fixed(v, offset, i, proven, r);
            if (err)
                return err;
            continue;
        }
        if (f >= 0)
            err = wf_mon_record_cell(v->product, r, (size_t)f,
                wf_mon_keys_have(v->keys, weft_product_field(v->product, (size_t)f)->name), &want);
        if (!err)
            err = check_cell(v, offset, i, &want);
        if (err)
            return err;
    }
    return WEFT_OK;
}

static bool is_wanted(const struct prove *v, uint64_t offset)
{
    return !v->what->table || v->what->offset == offset;
}

static void miss_row(struct prove *v, uint64_t offset, const struct weft_record *r)
{
    if (!is_wanted(v, offset))
        return;
    if (r->time_us < v->b.kept_from_us && v->what->table)
        differ(v, &offset, "", "the row is older than what is kept, and was let go");
    else if (r->time_us < v->b.kept_from_us)
        v->sum->let_go++;
    else
        differ(v, &offset, "", "the row is missing");
}

// Rows in order of offsets against records in order: what is missing and what is too much falls out of the walk.
static enum weft_err check_rows(struct prove *v, const struct weft_verified *proven, size_t skip)
{
    enum weft_err err = wf_mon_db_rows(v->db, v->b.table, v->b.id);
    uint64_t next = v->b.offset, end = v->b.offset + v->b.count;
    struct wf_mon_cell at;

    if (!err)
        err = map_columns(v);
    if (!err)
        err = wf_mon_db_step(v->db);
    while (!err || err == WEFT_E_NOT_FOUND) {
        bool more = !err;
        uint64_t offset = end;
        if (more) {
            wf_mon_db_cell(v->db, 0, &at);
            offset = at.class == WF_MON_INTEGER ? (uint64_t)at.integer : end;
        }
        for (; next < end && next < offset; next++)
            miss_row(v, next, &proven->records[skip + (next - v->b.offset)]);
        if (!more)
            return WEFT_OK;
        if (offset != next || next == end) {
            if (is_wanted(v, offset))
                differ(v, &offset, "", "a row that no record stands behind");
        } else {
            err = is_wanted(v, next)
                      ? check_row(v, next, proven, &proven->records[skip + (next - v->b.offset)])
                      : WEFT_OK;
            if (err)
                return err;
            next++;
        }
        err = wf_mon_db_step(v->db);
    }
    return err;
}

static enum weft_err prove_batch(struct prove *v)
{
    struct weft_verified proven = { 0 };
    struct weft_problem problem = { 0 };
    size_t skip = 0;
    bool usable = false;

    v->sum->batches++;
    snprintf(v->domain, sizeof v->domain, "%.*s", (int)strcspn(v->b.product, "/"), v->b.product);
    if (v->b.header_len == 0 || v->b.chain_len == 0) {
        differ(v, NULL, "", "its %s is not kept", v->b.header_len ? "chain" : "header");
        return WEFT_OK;
    }
    enum weft_err err = weft_verify(v->what->client, NULL, v->b.header, v->b.header_len,
        v->b.payload, v->b.payload_len, v->b.chain, v->b.chain_len, &proven, &problem);
    if (err == WEFT_E_NOMEM)
        return err;
    if (err) {
        differ(v, NULL, "", "not proven: %s", problem.text[0] ? problem.text : weft_err_text(err));
        return WEFT_OK;
    }
    if (proven.revoked) {
        v->sum->revoked++;
        differ(v, NULL, "", "not proven: the origin's certificate: revoked as of the batch's time");
        weft_verified_free(&proven);
        return WEFT_OK;
    }
    snprintf(v->sum->batch, sizeof v->sum->batch, "%s", proven.batch);
    snprintf(v->sum->origin, sizeof v->sum->origin, "%s", proven.origin);
    snprintf(v->sum->domain, sizeof v->sum->domain, "%s", proven.domain);
    v->sum->first_seq = proven.first_seq;
    v->sum->last_seq = proven.first_seq + proven.record_count - (proven.record_count > 0);
    v->sum->records += proven.record_count;
    err = load_schema(v, &usable);
    if (!err && usable && schema_is(v, &proven) && check_batch(v, &proven, &skip)) {
        v->sum->left_out += proven.record_count - v->b.count;
        if (v->b.table[0])
            err = check_rows(v, &proven, skip);
        else
            differ(v, NULL, "", "its product has no table");
    }
    weft_verified_free(&proven);
    return err;
}

// ---- rows without a batch ----------------------------------------------------------------------------------------------

// The tables first, as the database answers one query at a time.
static enum weft_err list_tables(struct prove *v)
{
    struct wf_mon_cell product, table;
    enum weft_err err = wf_mon_db_tables(v->db);

    while (!err) {
        err = wf_mon_db_step(v->db);
        if (err)
            break;
        struct pair *more = realloc(v->tables, (v->table_count + 1) * sizeof *more);
        if (!more)
            return WEFT_E_NOMEM;
        v->tables = more;
        wf_mon_db_cell(v->db, 0, &product);
        wf_mon_db_cell(v->db, 1, &table);
        more += v->table_count++;
        snprintf(more->product, sizeof more->product, "%.*s", (int)product.len,
            product.ptr ? product.ptr : "");
        snprintf(
            more->table, sizeof more->table, "%.*s", (int)table.len, table.ptr ? table.ptr : "");
    }
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

static enum weft_err find_orphans(struct prove *v, const struct pair *t)
{
    struct wf_mon_cell offset, batch;
    char name[64];
    enum weft_err err =
        wf_mon_db_orphans(v->db, t->product, t->table, v->what->table ? &v->what->offset : NULL);

    if (err) // no table yet: the product was seen, its schema was not
        return err == WEFT_E_INTERNAL ? WEFT_OK : err;
    v->b = (struct wf_mon_batch){ .product = t->product, .table = t->table, .batch = "" };
    for (;;) {
        err = wf_mon_db_step(v->db);
        if (err)
            return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
        wf_mon_db_cell(v->db, 0, &offset);
        wf_mon_db_cell(v->db, 1, &batch);
        wf_mon_cell_print(&batch, name, sizeof name);
        uint64_t at = (uint64_t)offset.integer;
        if (!is_wanted(v, at))
            continue;
        v->sum->rows++;
        differ(v, &at, "_batch", "a row without a batch: %s is not one of %s%s", name, t->product,
            v->what->table ? " that holds it" : "");
    }
}

static bool covers(const struct wf_mon_verify *what, const struct pair *t)
{
    return (!what->product || strcmp(what->product, t->product) == 0) &&
           (!what->table || strcmp(what->table, t->table) == 0);
}

enum weft_err wf_mon_prove(
    struct wf_mon_db *db, const struct wf_mon_verify *what, struct wf_mon_proof *ret)
{
    struct wf_mon_proof sum = { 0 };
    struct prove v = { .db = db, .what = what, .sum = &sum };
    const struct wf_mon_batches which = {
        .product = what->product, .table = what->table, .offset = what->offset
    };
    enum weft_err err = list_tables(&v);

    if (!err)
        err = wf_mon_db_batch(db, &which, 0, &v.b);
    while (!err) {
        int64_t id = v.b.id;
        err = prove_batch(&v);
        if (!err)
            err = wf_mon_db_batch(db, &which, id, &v.b);
    }
    if (err == WEFT_E_NOT_FOUND)
        err = WEFT_OK;
    for (size_t i = 0; i < v.table_count && !err; i++)
        if (covers(what, &v.tables[i]))
            err = find_orphans(&v, &v.tables[i]);
    free(v.tables);
    free(v.field_of);
    schema_fini(&v);
    if (!err)
        *ret = sum;
    return err;
}
