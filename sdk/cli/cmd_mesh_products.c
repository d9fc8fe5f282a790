// SPDX-License-Identifier: Apache-2.0
// weft products, query: what the mesh offers, asked through libweft like any application would.
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/schema/json_out.h"
#include "proto/trust/product.h"
#include "sdk/cli/client.h"
#include "sdk/cli/product.h"

// ---- products --------------------------------------------------------------------------------------------------------

static enum weft_err catalog_rows(const struct wf_cli *cli, const struct weft_catalog *cat)
{
    static const char *const columns[] = { "product", "kind", "version", "class", "owner", "heard",
        "state", "mirrors", "title" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.products/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < weft_catalog_count(cat) && !err; i++) {
        const struct weft_product_info *p = weft_catalog_at(cat, i);
        wf_table_textf(t, "%s/%s", p->domain, p->name);
        wf_table_text(t, wf_product_kind_name((enum wf_product_kind)p->kind));
        wf_table_text(t, p->version);
        wf_table_text(t, p->classification);
        wf_table_text(t, p->owner);
        wf_table_age(t, p->heard_ms >= 0 ? p->heard_ms : p->age_ms);
        wf_table_text(t, p->gone ? "owner silent" : "up");
        wf_table_number(t, (int64_t)p->mirrors);
        wf_table_text(t, p->title);
    }
    return err ? err : wf_table_done(t);
}

int wf_cmd_products(struct wf_cli *cli, int argc, char **argv)
{
    const char *domain = NULL;
    const struct wf_opt opts[] = { { "domain", 0, .value = &domain } };
    struct weft_client *c = NULL;
    struct weft_catalog *cat = NULL;
    struct weft_problem p = { 0 };
    char *text = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 1, &text, &count);

    if (status >= 0)
        return status;
    status = wf_cli_connect(cli, &c);
    if (!status && weft_discover(c, domain, count ? text : NULL, &cat, &p))
        status = wf_cli_problem(&p);
    if (!status) {
        enum weft_err err = catalog_rows(cli, cat);
        status = err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
        if (!cli->quiet)
            fprintf(stderr, "%zu products\n", weft_catalog_count(cat));
    }
    weft_catalog_free(cat);
    weft_close(c);
    return status;
}

// ---- query -----------------------------------------------------------------------------------------------------------

static void value_cell(struct wf_table *t, const struct weft_value *v)
{
    switch (v->type) {
    case WEFT_T_BOOL:
        wf_table_bool(t, v->flag);
        return;
    case WEFT_T_INT:
    case WEFT_T_TIME:
    case WEFT_T_ENUM:
        wf_table_number(t, v->integer);
        return;
    case WEFT_T_UINT:
        wf_table_uint(t, v->natural);
        return;
    case WEFT_T_DOUBLE:
        wf_table_real(t, v->real);
        return;
    case WEFT_T_TEXT:
    case WEFT_T_JSON:
        wf_table_text(t, v->bytes.ptr); // of rows: ended by a zero
        return;
    case WEFT_T_BYTES:
        wf_table_bytes(t, wf_bytes(v->bytes.ptr, v->bytes.len));
        return;
    default:
        wf_table_text(t, NULL);
    }
}

// What the answer rests on, for programs that read its JSON.
static enum weft_err also(struct wf_table *t, const struct weft_rows *r)
{
    const struct weft_coverage *c = NULL;
    const char *reason = NULL;
    struct wf_buf text = { 0 };
    struct wf_json_out o;
    char time[WF_CLI_TIME];
    size_t n = weft_rows_coverage(r, &c);
    bool partial = weft_rows_partial(r, &reason);

    wf_json_out_init(&o, &text, WF_MAX_JSON, 0);
    wf_json_out_object(&o);
    wf_json_out_member_bool(&o, "whole", !partial);
    if (partial)
        wf_json_out_member(&o, "reason", wf_bytes_str(reason));
    wf_json_out_member_int(&o, "offset", (int64_t)weft_rows_offset(r));
    wf_cli_time(weft_rows_as_of_ms(r), time);
    wf_json_out_member(&o, "as_of", wf_bytes_str(time));
    wf_json_out_key(&o, WF_STR("origins"));
    wf_json_out_array(&o);
    for (size_t i = 0; i < n; i++) {
        wf_json_out_object(&o);
        wf_json_out_member(&o, "origin", wf_bytes_str(c[i].origin));
        wf_json_out_member(&o, "state", wf_bytes_str(c[i].state));
        wf_cli_time(c[i].last_ms, time);
        wf_json_out_member(&o, "last", wf_bytes_str(time));
        wf_cli_time(c[i].snapshot_ms, time);
        wf_json_out_member(&o, "snapshot", wf_bytes_str(time));
        wf_json_out_member_int(&o, "rows", (int64_t)c[i].rows);
        wf_json_out_end(&o);
    }
    wf_json_out_end(&o);
    wf_json_out_end(&o);
    enum weft_err err = wf_json_out_done(&o);
    if (!err) // without its braces
        wf_table_members(t, wf_bytes(text.ptr + 1, text.len - 2));
    wf_buf_fini(&text);
    return err;
}

static enum weft_err result_rows(const struct wf_cli *cli, const struct weft_rows *r)
{
    size_t columns = weft_rows_columns(r);
    const char **names = calloc(columns ? columns : 1, sizeof *names);
    struct wf_table *t = NULL;
    enum weft_err err = names ? WEFT_OK : WEFT_E_NOMEM;

    for (size_t i = 0; i < columns && !err; i++)
        names[i] = weft_rows_name(r, i);
    if (!err)
        err = wf_table_new(cli, "weft.query/v1", names, columns, &t);
    for (size_t row = 0; row < weft_rows_count(r) && !err; row++)
        for (size_t i = 0; i < columns; i++) {
            struct weft_value v;
            weft_rows_value(r, row, i, &v);
            value_cell(t, &v);
        }
    if (t && !err)
        err = also(t, r);
    if (t) {
        enum weft_err printed = wf_table_done(t);
        err = err ? err : printed;
    }
    free(names);
    return err;
}

// What the answer rests on: said always, because an answer that looks whole and is not is worse than none.
static void print_coverage(const struct weft_rows *r)
{
    const struct weft_coverage *c = NULL;
    const char *reason = NULL;
    size_t n = weft_rows_coverage(r, &c);

    fprintf(stderr, "%zu rows from %zu origins at offset %llu\n", weft_rows_count(r), n,
        (unsigned long long)weft_rows_offset(r));
    for (size_t i = 0; i < n; i++) {
        char last[48], snapshot[48];
        wf_cli_when(c[i].last_ms, last);
        wf_cli_when(c[i].snapshot_ms, snapshot);
        fputs("  ", stderr);
        wf_cli_put(stderr, c[i].origin, "");
        fputc(' ', stderr);
        wf_cli_put(stderr, c[i].state, "");
        fprintf(stderr, " last record %s, whole snapshot %s, %llu rows\n", last, snapshot,
            (unsigned long long)c[i].rows);
    }
    if (weft_rows_partial(r, &reason)) {
        fputs("PARTIAL: ", stderr);
        wf_cli_put(stderr, reason, "");
        fputc('\n', stderr);
    }
}

int wf_cmd_query(struct wf_cli *cli, int argc, char **argv)
{
    const char *max = NULL, *purpose = NULL;
    const struct wf_opt opts[] = { { "max-rows", 0, .value = &max },
        { "purpose", 0, .value = &purpose } };
    struct weft_query_options options = { 0 };
    uint64_t most = 0;
    struct weft_client *c = NULL;
    struct weft_rows *rows = NULL;
    struct weft_problem p = { 0 };
    char *operands[2] = { NULL };
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 2, 2, operands, &count);

    if (status >= 0)
        return status;
    status = wf_cli_take_number("max-rows", max, UINT32_MAX, &most);
    options.max_rows = (unsigned)most;
    options.purpose = purpose;
    if (!status)
        status = wf_cli_connect(cli, &c);
    if (!status) {
        enum weft_err err = weft_query(c, operands[0], operands[1], &options, &rows, &p);
        bool partial = err == WEFT_E_PARTIAL;
        if (err && !partial) {
            status = wf_cli_problem(&p);
        } else {
            err = result_rows(cli, rows);
            if (!cli->quiet)
                print_coverage(rows);
            status = err                           ? wf_cli_fail(err, "%s", weft_err_text(err))
                     : partial && !cli->partial_ok ? weft_err_exit(WEFT_E_PARTIAL)
                                                   : 0;
        }
    }
    weft_rows_free(rows);
    weft_close(c);
    return status;
}
