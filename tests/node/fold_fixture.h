// SPDX-License-Identifier: Apache-2.0
// A fold of weft.asset.Asset on a real disk, fed entry by entry; shared by the tests of folds and of queries.
#ifndef WF_TESTS_FOLD_FIXTURE_H
#define WF_TESTS_FOLD_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/inventory/fold.h"
#include "sdk/json.h"
#include "tests/support/support.h"

#define NOW_MS INT64_C(1790000000000)

static struct wf_schema *schema;
static struct wf_product product;
static struct wf_fold *fold;
static char path[512];
static struct wf_incarnation log_id = { 7, 77 };
static uint64_t next_offset;
static struct wf_records records;

static const struct wf_schema_message *asset(void)
{
    return wf_schema_find_message(schema, WF_STR("weft.asset.Asset"));
}

static void fold_open(void)
{
    struct wf_fold_conf conf = { path, &product, asset() };
    struct wf_diag diag = { 0 };

    ck_assert_msg(wf_fold_open(&conf, &fold, &diag) == WEFT_OK, "%s", diag.text);
}

static void fixture_up(const char *file)
{
    static const char *keys[] = { "name", "serial" };
    char set_path[512];
    const char *root = getenv("WEFT_BUILD_DIR");
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    snprintf(set_path, sizeof set_path, "%s/tests/schema/asset.set", root ? root : "build/dev");
    struct wf_buf set = wf_test_file(set_path);
    ck_assert_msg(wf_schema_compile(wf_buf_view(&set), &schema, &diag) == WEFT_OK, "%s", diag.text);
    product = (struct wf_product){ .domain = "servers",
        .name = "assets",
        .kind = WF_PRODUCT_INVENTORY,
        .keys = keys,
        .key_count = 2 };
    wf_blake2b(wf_buf_view(&set), &product.schema_hash);
    wf_buf_fini(&set);
    snprintf(path, sizeof path, "%s/%s", wf_test_tmpdir(), file);
    log_id = (struct wf_incarnation){ 7, 77 };
    next_offset = 0;
    fold_open();
}

static void fixture_down(void)
{
    wf_fold_close(fold);
    fold = NULL;
    wf_records_fini(&records);
    wf_schema_free(schema);
    schema = NULL;
}

static void add(enum wf_record_op op, const char *json)
{
    struct wf_buf record = { 0 };
    struct wf_diag diag = { 0 };

    if (json)
        ck_assert_msg(wf_json_to_record(asset(), wf_bytes_str(json), &record, &diag) == WEFT_OK,
            "%s: %s", json, diag.text);
    ck_assert_int_eq(
        wf_records_put(&records, op, NOW_MS * 1000 - 5000000, wf_buf_view(&record)), WEFT_OK);
    wf_buf_fini(&record);
}

// What was added, as an entry of this origin; not committed.
static enum weft_err entry_at(const char *origin, uint64_t offset)
{
    struct wf_fold_entry e = { log_id, offset, NOW_MS, origin, wf_buf_view(&records.raw),
        records.base_us };
    enum weft_err err = wf_fold_apply(fold, &e);

    next_offset = offset + records.count;
    wf_records_reset(&records);
    return err;
}

static void entry(const char *origin)
{
    ck_assert_int_eq(entry_at(origin, next_offset), WEFT_OK);
}

static void commit(void)
{
    ck_assert_int_eq(wf_fold_commit(fold), WEFT_OK);
}

static struct wf_fold_query query_of(const char *sql)
{
    return (struct wf_fold_query){ .path = path,
        .domain = "servers",
        .product = product.name,
        .sql = sql,
        .max_rows = 1000,
        .max_bytes = 100000,
        .budget_ms = 20000,
        .now_unix_ms = NOW_MS };
}

// All cells, columns by ',' and rows by ';'. Aborts unless the query holds.
static const char *answer(const struct wf_fold_query *q)
{
    static char out[8192];
    struct wf_fold_result r = { 0 };
    struct wf_diag diag = { 0 };
    size_t at = 0;

    ck_assert_msg(wf_fold_run(q, &r, &diag) == WEFT_OK, "%s: %s", q->sql, diag.text);
    for (size_t i = 0; i < r.row_count * r.column_count; i++) {
        const struct wf_fold_value *v = &r.cells[i];
        const char *between = i == 0 ? "" : i % r.column_count ? "," : ";";
        at += (size_t)snprintf(out + at, sizeof out - at, "%s", between);
        if (v->type == WF_CELL_INT)
            at += (size_t)snprintf(out + at, sizeof out - at, "%lld", (long long)v->integer);
        else if (v->type == WF_CELL_REAL)
            at += (size_t)snprintf(out + at, sizeof out - at, "%g", v->real);
        else if (v->type == WF_CELL_NULL)
            at += (size_t)snprintf(out + at, sizeof out - at, "null");
        else
            at += (size_t)snprintf(
                out + at, sizeof out - at, "%.*s", (int)v->bytes.len, (const char *)v->bytes.ptr);
        ck_assert_uint_lt(at, sizeof out);
    }
    out[at] = '\0';
    wf_fold_result_fini(&r);
    return out;
}

static inline const char *ask(const char *sql)
{
    struct wf_fold_query q = query_of(sql);

    return answer(&q);
}

#endif
