// SPDX-License-Identifier: Apache-2.0
// query DOMAIN/INVENTORY SQL: a question to an inventory; rows with tabs between the columns, what they rest on behind them.
//
// The owner answers with the columns and rows that it granted us, and says of every host behind the answer how fresh its rows are. An
// answer that lacks hosts is still printed; the exit status 2 says that it is partial.
#include <inttypes.h>
#include <stdio.h>
#include <weft/weft.h>

static int fail(const struct weft_problem *p)
{
    fprintf(stderr, "query: %s\n", p->text);
    if (p->caveat[0])
        fprintf(stderr, "  asked: %s; granted: %s\n", p->asked, p->granted);
    if (p->hint[0])
        fprintf(stderr, "  %s\n", p->hint);
    return weft_err_exit(p->err);
}

static void print_value(const struct weft_value *v)
{
    switch (v->type) {
    case WEFT_T_BOOL:
        printf(v->flag ? "true" : "false");
        break;
    case WEFT_T_UINT:
        printf("%" PRIu64, v->natural);
        break;
    case WEFT_T_INT:
    case WEFT_T_ENUM:
    case WEFT_T_TIME:
        printf("%" PRId64, v->integer);
        break;
    case WEFT_T_DOUBLE:
        printf("%.17g", v->real);
        break;
    case WEFT_T_TEXT:
    case WEFT_T_JSON:
        printf("%.*s", (int)v->bytes.len, v->bytes.ptr);
        break;
    case WEFT_T_BYTES:
        for (size_t i = 0; i < v->bytes.len; i++)
            printf("%02x", (unsigned char)v->bytes.ptr[i]);
        break;
    }
}

static void print_rows(const struct weft_rows *rows)
{
    size_t columns = weft_rows_columns(rows);
    struct weft_value value;

    for (size_t c = 0; c < columns; c++)
        printf("%s%c", weft_rows_name(rows, c), c + 1 < columns ? '\t' : '\n');
    for (size_t r = 0; r < weft_rows_count(rows); r++)
        for (size_t c = 0; c < columns; c++) {
            weft_rows_value(rows, r, c, &value);
            print_value(&value); // nothing for NULL
            putchar(c + 1 < columns ? '\t' : '\n');
        }
}

static void print_coverage(const struct weft_rows *rows)
{
    const struct weft_coverage *hosts;
    const char *reason;
    size_t count = weft_rows_coverage(rows, &hosts);

    for (size_t i = 0; i < count; i++)
        fprintf(
            stderr, "%s: %s, %" PRIu64 " rows\n", hosts[i].origin, hosts[i].state, hosts[i].rows);
    if (weft_rows_partial(rows, &reason))
        fprintf(stderr, "partial: %s\n", reason);
}

int main(int argc, char **argv)
{
    struct weft_client *client;
    struct weft_rows *rows;
    struct weft_problem problem;

    if (argc != 3) {
        fprintf(stderr, "usage: query DOMAIN/INVENTORY SQL\n");
        return weft_err_exit(WEFT_E_USAGE);
    }
    if (weft_connect(NULL, &client, &problem))
        return fail(&problem);
    enum weft_err err = weft_query(client, argv[1], argv[2], NULL, &rows, &problem);
    if (!err || err == WEFT_E_PARTIAL) {
        print_rows(rows);
        print_coverage(rows);
        weft_rows_free(rows);
    }
    weft_close(client);
    return err && err != WEFT_E_PARTIAL ? fail(&problem) : weft_err_exit(err);
}
