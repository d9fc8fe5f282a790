// SPDX-License-Identifier: Apache-2.0
// Rows for people and programs: the same cells as a table, a JSON array, JSON lines or CSV.
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/schema/json_out.h"
#include "proto/schema/known.h"
#include "sdk/cli/cli.h"

struct cell {
    char *text; // NULL = absent
    bool is_number, is_bool;
};

struct wf_table {
    enum wf_cli_format format;
    const char *schema;
    const char *const *columns;
    size_t column_count;
    struct cell *cells;
    size_t count, cap;
    struct wf_buf members; // behind the rows, of -o json
    bool lost;
};

enum weft_err wf_table_new(const struct wf_cli *cli, const char *schema, const char *const *columns,
    size_t count, struct wf_table **ret)
{
    struct wf_table *t = calloc(1, sizeof *t);

    if (!t)
        return WEFT_E_NOMEM;
    *t = (struct wf_table){
        .format = cli->format, .schema = schema, .columns = columns, .column_count = count
    };
    *ret = t;
    return WEFT_OK;
}

static void add(struct wf_table *t, const char *text, bool is_number, bool is_bool)
{
    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        struct cell *v = realloc(t->cells, cap * sizeof *v);
        if (!v) {
            t->lost = true;
            return;
        }
        t->cells = v;
        t->cap = cap;
    }
    char *copy = text ? strdup(text) : NULL;
    t->lost = t->lost || (text && !copy);
    if (copy && t->format == WF_OUT_TABLE)
        wf_text_clean(copy, ""); // bytes from a peer never move the cursor or change colours
    t->cells[t->count++] = (struct cell){ copy, is_number, is_bool };
}

void wf_table_text(struct wf_table *t, const char *text)
{
    add(t, text, false, false);
}

void wf_table_textf(struct wf_table *t, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    add(t, text, false, false);
}

void wf_table_number(struct wf_table *t, int64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)v);
    add(t, text, true, false);
}

void wf_table_uint(struct wf_table *t, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    add(t, text, true, false);
}

void wf_table_real(struct wf_table *t, double v)
{
    char text[32];
    bool finite = isfinite(v);

    snprintf(text, sizeof text, "%.15g", v);
    if (finite && strtod(text, NULL) != v) // seventeen digits tell every double apart
        snprintf(text, sizeof text, "%.17g", v);
    add(t, finite ? text : isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity", finite, false);
}

void wf_table_bool(struct wf_table *t, bool v)
{
    add(t, v ? "true" : "false", false, true);
}

void wf_table_bytes(struct wf_table *t, struct wf_bytes v)
{
    struct wf_json_out o;
    struct wf_buf text = { 0 };

    wf_json_out_init(&o, &text, v.len / 3 * 4 + 16, 0);
    wf_json_out_base64(&o, v);
    if (wf_json_out_done(&o)) {
        t->lost = true;
    } else {
        text.ptr[text.len - 1] = '\0'; // without its quotes
        add(t, (const char *)text.ptr + 1, false, false);
    }
    wf_buf_fini(&text);
}

void wf_table_when(struct wf_table *t, int64_t unix_ms)
{
    char text[WF_MOMENT_TEXT > 48 ? WF_MOMENT_TEXT : 48];

    if (t->format == WF_OUT_TABLE)
        wf_cli_when(unix_ms, text);
    else
        wf_timestamp_print(
            (struct wf_moment){ unix_ms / 1000, (int32_t)(unix_ms % 1000) * 1000000 }, text);
    add(t, unix_ms > 0 ? text : NULL, false, false);
}

void wf_table_age(struct wf_table *t, int64_t age_ms)
{
    char text[48];

    if (t->format != WF_OUT_TABLE) {
        wf_table_when(t, age_ms < 0 ? 0 : wf_cli_now_ms() - age_ms);
        return;
    }
    wf_cli_ago(age_ms, text);
    add(t, text, false, false);
}

void wf_table_since(struct wf_table *t, int64_t unix_ms)
{
    if (t->format == WF_OUT_TABLE)
        wf_table_age(t, unix_ms ? wf_cli_now_ms() - unix_ms : -1);
    else
        wf_table_when(t, unix_ms);
}

void wf_table_members(struct wf_table *t, struct wf_bytes members)
{
    t->members.len = 0;
    t->lost = t->lost || wf_buf_append(&t->members, members);
}

enum weft_err wf_cli_json_string(struct wf_buf *out, const char *s)
{
    enum weft_err err = wf_buf_append_byte(out, '"');

    for (struct wf_bytes in = wf_bytes_str(s); in.len && !err;) {
        uint32_t code = 0;
        size_t len = wf_text_next(in, &code);
        if (code != WF_TEXT_SHOWN)
            err = wf_buf_printf(out, "\\u%04x", code);
        else if (*in.ptr == '"' || *in.ptr == '\\')
            err = wf_buf_printf(out, "\\%c", *in.ptr);
        else
            err = wf_buf_append(out, wf_bytes(in.ptr, len));
        in = wf_bytes(in.ptr + len, in.len - len);
    }
    return err ? err : wf_buf_append_byte(out, '"');
}

static enum weft_err json_row(const struct wf_table *t, size_t row, struct wf_buf *out)
{
    enum weft_err err = wf_buf_append_byte(out, '{');

    if (!err && t->format == WF_OUT_JSONL)
        err = wf_buf_printf(out, "\"schema\":\"%s\",", t->schema);
    for (size_t i = 0; i < t->column_count && !err; i++) {
        const struct cell *c = &t->cells[row * t->column_count + i];
        if (i)
            err = wf_buf_append_byte(out, ',');
        if (!err)
            err = wf_cli_json_string(out, t->columns[i]);
        if (!err)
            err = wf_buf_append_byte(out, ':');
        if (err)
            break;
        if (!c->text)
            err = wf_buf_append_str(out, "null");
        else
            err = c->is_number || c->is_bool ? wf_buf_append_str(out, c->text)
                                             : wf_cli_json_string(out, c->text);
    }
    return err ? err : wf_buf_append_byte(out, '}');
}

static enum weft_err print_json(const struct wf_table *t, struct wf_buf *out)
{
    size_t rows = t->count / t->column_count;
    bool lines = t->format == WF_OUT_JSONL;
    enum weft_err err =
        lines ? WEFT_OK : wf_buf_printf(out, "{\"schema\":\"%s\",\"rows\":[", t->schema);

    for (size_t r = 0; r < rows && !err; r++) {
        if (r && !lines)
            err = wf_buf_append_byte(out, ',');
        if (!err)
            err = json_row(t, r, out);
        if (!err && lines)
            err = wf_buf_append_byte(out, '\n');
    }
    if (err || lines)
        return err;
    err = wf_buf_append_byte(out, ']');
    if (!err && t->members.len)
        err = wf_buf_append_byte(out, ',');
    if (!err)
        err = wf_buf_append(out, wf_buf_view(&t->members));
    return err ? err : wf_buf_append_str(out, "}\n");
}

// ---- CSV -------------------------------------------------------------------------------------------------------------

// A terminal gets no control characters of a peer; a file gets what there is.
static enum weft_err put_csv(struct wf_buf *out, const char *s, bool last, bool screen)
{
    bool quoted = s && (!*s || s[strcspn(s, ",\"\r\n")]);
    enum weft_err err = quoted ? wf_buf_append_byte(out, '"') : WEFT_OK;

    for (; s && *s && !err; s++) {
        if (*s == '"')
            err = wf_buf_append_byte(out, '"');
        bool control = ((unsigned char)*s < 0x20 && *s != '\n') || *s == 0x7f;
        if (!err)
            err = wf_buf_append_byte(out, control && screen ? '?' : (uint8_t)*s);
    }
    if (!err && quoted)
        err = wf_buf_append_byte(out, '"');
    return err ? err : wf_buf_append_byte(out, last ? '\n' : ',');
}

static enum weft_err print_csv(const struct wf_table *t, struct wf_buf *out)
{
    enum weft_err err = WEFT_OK;
    bool screen = isatty(STDOUT_FILENO);

    for (size_t i = 0; i < t->column_count && !err; i++)
        err = put_csv(out, t->columns[i], i + 1 == t->column_count, screen);
    for (size_t i = 0; i < t->count && !err; i++)
        err = put_csv(out, t->cells[i].text, i % t->column_count + 1 == t->column_count, screen);
    return err;
}

// ---- tables ----------------------------------------------------------------------------------------------------------

// Columns on a terminal: characters, not bytes.
static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static enum weft_err pad(struct wf_buf *out, size_t n)
{
    enum weft_err err = WEFT_OK;

    while (n-- > 0 && !err)
        err = wf_buf_append_byte(out, ' ');
    return err;
}

static enum weft_err print_line(
    const struct wf_table *t, const size_t *width, const struct cell *cells, struct wf_buf *out)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < t->column_count && !err; i++) {
        const char *s = cells[i].text ? cells[i].text : "-";
        size_t gap = width[i] - width_of(s);
        bool last = i + 1 == t->column_count;
        if (cells[i].is_number)
            err = pad(out, gap);
        if (!err)
            err = wf_buf_append_str(out, s);
        if (!err && !cells[i].is_number && !last)
            err = pad(out, gap);
        if (!err && !last)
            err = wf_buf_append_str(out, "  ");
    }
    return err ? err : wf_buf_append_byte(out, '\n');
}

static enum weft_err print_table(const struct wf_table *t, struct wf_buf *out)
{
    size_t *width = calloc(t->column_count, sizeof *width);
    struct cell *head = calloc(t->column_count, sizeof *head);
    enum weft_err err = width && head ? WEFT_OK : WEFT_E_NOMEM;

    for (size_t i = 0; i < t->column_count && !err; i++) {
        head[i].text = (char *)(uintptr_t)t->columns[i];
        width[i] = width_of(t->columns[i]);
    }
    for (size_t i = 0; i < t->count && !err; i++) {
        size_t w = t->cells[i].text ? width_of(t->cells[i].text) : 1;
        if (w > width[i % t->column_count])
            width[i % t->column_count] = w;
    }
    if (!err)
        err = print_line(t, width, head, out);
    for (size_t i = 0; i + t->column_count <= t->count && !err; i += t->column_count)
        err = print_line(t, width, &t->cells[i], out);
    free(width);
    free(head);
    return err;
}

enum weft_err wf_table_done(struct wf_table *t)
{
    struct wf_buf out = { 0 };
    enum weft_err err = t->lost                     ? WEFT_E_NOMEM
                        : t->format == WF_OUT_TABLE ? print_table(t, &out)
                        : t->format == WF_OUT_CSV   ? print_csv(t, &out)
                                                    : print_json(t, &out);

    if (!err && out.len && fwrite(out.ptr, 1, out.len, stdout) != out.len)
        err = WEFT_E_IO;
    if (!err && fflush(stdout) != 0)
        err = WEFT_E_IO;
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i].text);
    free(t->cells);
    wf_buf_fini(&t->members);
    free(t);
    wf_buf_fini(&out);
    return err;
}

// ---- what was done ---------------------------------------------------------------------------------------------------

int wf_cli_object(const char *schema, const struct wf_fact *facts, size_t count)
{
    struct wf_buf out = { 0 };
    enum weft_err err = wf_buf_printf(&out, "{\"schema\":\"%s\"", schema);

    for (size_t i = 0; i < count && !err; i++) {
        const struct wf_fact *f = &facts[i];
        err = wf_buf_printf(&out, ",\"%s\":", f->name);
        if (!err && (f->plain || !f->text))
            err = wf_buf_append_str(&out, f->text ? f->text : "null");
        else if (!err)
            err = wf_cli_json_string(&out, f->text);
    }
    if (!err)
        err = wf_buf_append_str(&out, "}\n");
    if (!err && fwrite(out.ptr, 1, out.len, stdout) != out.len)
        err = WEFT_E_IO;
    wf_buf_fini(&out);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}
