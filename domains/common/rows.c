// SPDX-License-Identifier: Apache-2.0
#include "domains/common/rows.h"

#include <stdlib.h>

// What stands between the braces: of the key fields alone, of the whole row.
static struct wf_text key_text(const char *base, const struct wf_row *r)
{
    return (struct wf_text){ base + r->start + 1, r->key_end - r->start - 1 };
}

static struct wf_text key_of(const struct wf_out *o, size_t i)
{
    return key_text(o->ptr, &o->rows[i]);
}

static struct wf_text row_of(const struct wf_out *o, size_t i)
{
    const struct wf_row *r = &o->rows[i];

    return (struct wf_text){ o->ptr + r->start + 1, r->end - r->start - 2 };
}

static int compare(struct wf_text a, struct wf_text b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int by_key(const void *left, const void *right, void *text)
{
    const struct wf_row *a = left, *b = right;
    int order = compare(key_text(text, a), key_text(text, b));

    // Rows of one key stay in the order written, whatever the sort does.
    return order ? order : (a->start > b->start) - (a->start < b->start);
}

void wf_rows_sort(struct wf_out *rows)
{
    size_t kept = 0;

    if (rows->row_count < 2)
        return;
    qsort_r(rows->rows, rows->row_count, sizeof *rows->rows, by_key, rows->ptr);
    for (size_t i = 0; i < rows->row_count; i++) {
        if (kept > 0 && wf_text_eq(key_of(rows, i), key_of(rows, kept - 1)))
            kept--;
        rows->rows[kept++] = rows->rows[i];
    }
    rows->row_count = kept;
}

// {"@op":OP,"@time":T,FIELDS}
static void line(struct wf_out *lines, const char *op, const char *time_text, struct wf_text fields)
{
    static const char at_op[] = "\"@op\":\"", at_time[] = "\"@time\":\"";

    wf_out_raw(lines, "{", 1);
    if (op) {
        wf_out_raw(lines, at_op, sizeof at_op - 1);
        wf_out_raw(lines, op, strlen(op));
        wf_out_raw(lines, "\",", 2);
    }
    wf_out_raw(lines, at_time, sizeof at_time - 1);
    wf_out_raw(lines, time_text, strlen(time_text));
    wf_out_raw(lines, "\",", fields.len > 0 ? 2 : 1);
    wf_out_raw(lines, fields.ptr, fields.len);
    wf_out_raw(lines, "}\n", 2);
}

static void put_rows(const struct wf_out *now, const char *time_text, struct wf_out *lines)
{
    for (size_t i = 0; i < now->row_count; i++)
        line(lines, NULL, time_text, row_of(now, i));
}

enum weft_err wf_rows_sample(const struct wf_out *now, int64_t unix_ms, struct wf_out *lines)
{
    char time_text[WF_OUT_TIME_LEN];

    wf_out_time_text(unix_ms, time_text);
    put_rows(now, time_text, lines);
    return lines->err;
}

enum weft_err wf_rows_snapshot(const struct wf_out *now, int64_t unix_ms, struct wf_out *lines)
{
    char time_text[WF_OUT_TIME_LEN];

    wf_out_time_text(unix_ms, time_text);
    line(lines, "snapshot-begin", time_text, (struct wf_text){ NULL, 0 });
    put_rows(now, time_text, lines);
    line(lines, "snapshot-end", time_text, (struct wf_text){ NULL, 0 });
    return lines->err;
}

enum weft_err wf_rows_changes(
    const struct wf_out *before, const struct wf_out *now, int64_t unix_ms, struct wf_out *lines)
{
    char time_text[WF_OUT_TIME_LEN];
    size_t b = 0, n = 0;

    wf_out_time_text(unix_ms, time_text);
    while (b < before->row_count || n < now->row_count) {
        int order = b == before->row_count ? 1
                    : n == now->row_count  ? -1
                                           : compare(key_of(before, b), key_of(now, n));
        if (order < 0) {
            line(lines, "delete", time_text, key_of(before, b));
        } else if (order > 0 || !wf_text_eq(row_of(before, b), row_of(now, n))) {
            line(lines, NULL, time_text, row_of(now, n));
        }
        b += order <= 0;
        n += order >= 0;
    }
    return lines->err;
}
