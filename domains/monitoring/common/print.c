// SPDX-License-Identifier: Apache-2.0
// Printing rows. See print.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/screen.h>

#include "domains/monitoring/common/print.h"

struct wf_mon_print {
    enum wf_mon_format format;
    const char *schema;
    const char *const *columns;
    size_t count, at; // columns; cell of the row
    char **held;      // table: cells before the layout is known
    size_t held_count, held_cap;
    bool *right; // columns of numbers
    size_t *width;
    bool laid_out, any, lost;
};

void wf_mon_ago(int64_t ms, char out[24])
{
    long long s = (long long)(ms / 1000);

    if (ms < 0)
        snprintf(out, 24, "-");
    else if (s < 120)
        snprintf(out, 24, "%lld s", s);
    else if (s < 7200)
        snprintf(out, 24, "%lld min", s / 60);
    else if (s < 172800)
        snprintf(out, 24, "%lld h", s / 3600);
    else
        snprintf(out, 24, "%lld d", s / 86400);
}

// ---- JSON --------------------------------------------------------------------------------------------------------------

char *wf_mon_json_string(const char *text, size_t len)
{
    char *out = len < SIZE_MAX / 8 ? malloc(len * 6 + 3) : NULL;
    size_t at = 0;

    if (!out)
        return NULL;
    out[at++] = '"';
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t code = 0;
        n = wf_screen_next(text + i, len - i, &code);
        if (code != WF_SCREEN_SHOWN) {
            at += (size_t)snprintf(out + at, 7, "\\u%04x", (unsigned)code);
            continue;
        }
        if (text[i] == '"' || text[i] == '\\')
            out[at++] = '\\';
        memcpy(out + at, text + i, n);
        at += n;
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}

static void json_text(struct wf_mon_print *p, const char *s, size_t len)
{
    char *text = wf_mon_json_string(s, len);

    p->lost = p->lost || !text;
    fputs(text ? text : "null", stdout);
    free(text);
}

static void json_cell(struct wf_mon_print *p, const struct wf_mon_cell *c)
{
    switch (c->class) {
    case WF_MON_NULL:
        fputs("null", stdout);
        break;
    case WF_MON_INTEGER:
        printf("%lld", (long long)c->integer);
        break;
    case WF_MON_REAL:
        if (isfinite(c->real))
            printf("%.17g", c->real);
        else
            fputs(c->real > 0 ? "\"Infinity\"" : "\"-Infinity\"", stdout);
        break;
    case WF_MON_TEXT:
        json_text(p, c->ptr, c->len);
        break;
    case WF_MON_BLOB:
        putchar('"');
        for (size_t i = 0; i < c->len; i++)
            printf("%02x", (unsigned)(unsigned char)c->ptr[i]);
        putchar('"');
        break;
    }
}

static void json_add(struct wf_mon_print *p, const struct wf_mon_cell *c)
{
    if (p->at == 0) {
        if (p->any && p->format == WF_MON_AS_JSON)
            putchar(',');
        putchar('{');
        if (p->format == WF_MON_AS_JSONL)
            printf("\"schema\":\"%s\"%s", p->schema, p->count ? "," : "");
    }
    json_text(p, p->columns[p->at], strlen(p->columns[p->at]));
    putchar(':');
    json_cell(p, c);
    fputs(p->at + 1 < p->count ? "," : p->format == WF_MON_AS_JSONL ? "}\n" : "}", stdout);
}

// ---- a table -----------------------------------------------------------------------------------------------------------

static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void put_padded(const struct wf_mon_print *p, const char *s, size_t column)
{
    size_t have = width_of(s), gap = p->width[column] > have ? p->width[column] - have : 0;
    bool last = column + 1 == p->count;

    printf("%*s%s", p->right[column] ? (int)gap : 0, "", s);
    if (!last)
        printf("%*s  ", p->right[column] ? 0 : (int)gap, "");
    else
        putchar('\n');
}

static void lay_out(struct wf_mon_print *p)
{
    if (p->laid_out || !p->width || !p->right)
        return;
    p->laid_out = true;
    for (size_t i = 0; i < p->count; i++)
        p->width[i] = width_of(p->columns[i]);
    for (size_t i = 0; i < p->held_count; i++) {
        size_t w = width_of(p->held[i]);
        if (w > p->width[i % p->count])
            p->width[i % p->count] = w;
    }
    for (size_t i = 0; i < p->count; i++)
        put_padded(p, p->columns[i], i);
    for (size_t i = 0; i < p->held_count; i++) {
        put_padded(p, p->held[i], i % p->count);
        free(p->held[i]);
    }
    p->held_count = 0;
}

static void hold(struct wf_mon_print *p, const char *s)
{
    if (p->held_count == p->held_cap) {
        size_t cap = p->held_cap ? p->held_cap * 2 : 64;
        char **held = realloc(p->held, cap * sizeof *held);
        if (!held) {
            p->lost = true;
            return;
        }
        p->held = held;
        p->held_cap = cap;
    }
    char *copy = strdup(s);
    if (copy)
        p->held[p->held_count++] = copy;
    p->lost = p->lost || !copy;
}

// Values of peers neither move the cursor nor change colours.
static char *plain_text(const struct wf_mon_cell *c)
{
    char small[160];

    if (c->class == WF_MON_NULL)
        return strdup("-");
    if (c->class != WF_MON_TEXT) {
        wf_mon_cell_print(c, small, sizeof small);
        return strdup(small);
    }
    char *out = malloc(c->len + 1);
    return out ? wf_screen_clean(c->ptr, c->len, out) : NULL;
}

static void table_add(struct wf_mon_print *p, const struct wf_mon_cell *c)
{
    char *text = plain_text(c);

    p->lost = p->lost || !text;
    if (p->lost) { // cells would stand in wrong columns
        free(text);
        return;
    }
    if (!p->laid_out && (c->class == WF_MON_INTEGER || c->class == WF_MON_REAL))
        p->right[p->at] = true;
    if (p->laid_out)
        put_padded(p, text, p->at);
    else
        hold(p, text);
    free(text);
    if (p->held_count == WF_MON_LAYOUT_ROWS * p->count)
        lay_out(p);
}

// ---- rows --------------------------------------------------------------------------------------------------------------

struct wf_mon_print *wf_mon_print_new(enum wf_mon_format format, const char *schema,
    const char *head, const char *const *columns, size_t count)
{
    struct wf_mon_print *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    *p = (struct wf_mon_print){
        .format = format, .schema = schema, .columns = columns, .count = count
    };
    p->width = calloc(count + 1, sizeof *p->width);
    p->right = calloc(count + 1, sizeof *p->right);
    p->lost = !p->width || !p->right;
    if (format == WF_MON_AS_JSON)
        printf("{\"schema\":\"%s\",%s\"rows\":[", schema, head ? head : "");
    return p;
}

void wf_mon_print_cell(struct wf_mon_print *p, const struct wf_mon_cell *c)
{
    if (p->format == WF_MON_AS_TABLE)
        table_add(p, c);
    else
        json_add(p, c);
    p->at = (p->at + 1) % p->count;
    p->any = p->any || p->at == 0;
}

void wf_mon_print_text(struct wf_mon_print *p, const char *text)
{
    struct wf_mon_cell c = wf_mon_text(text);

    if (!text[0])
        c.class = WF_MON_NULL;
    wf_mon_print_cell(p, &c);
}

void wf_mon_print_number(struct wf_mon_print *p, int64_t v)
{
    struct wf_mon_cell c = wf_mon_integer(v);

    wf_mon_print_cell(p, &c);
}

enum weft_err wf_mon_print_done(struct wf_mon_print *p)
{
    if (!p)
        return WEFT_E_NOMEM;
    if (p->format == WF_MON_AS_TABLE)
        lay_out(p);
    if (p->format == WF_MON_AS_JSON)
        fputs("]}\n", stdout);
    enum weft_err err = p->lost ? WEFT_E_NOMEM : WEFT_OK;
    if (fflush(stdout) != 0 || ferror(stdout))
        err = WEFT_E_IO;
    for (size_t i = 0; i < p->held_count; i++)
        free(p->held[i]);
    free(p->held);
    free(p->width);
    free(p->right);
    free(p);
    return err;
}
