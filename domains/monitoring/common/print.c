// SPDX-License-Identifier: Apache-2.0
// Printing rows. See print.h.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// Length of the UTF-8 character at s, 0 when there is none (RFC 3629).
static size_t utf8_len(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char from, to, first, last;
        size_t len;
    } forms[] = { { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 } };

    if (s[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (s[0] < forms[i].from || s[0] > forms[i].to)
            continue;
        if (left < forms[i].len || s[1] < forms[i].first || s[1] > forms[i].last)
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

char *wf_mon_json_string(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    char *out = len < SIZE_MAX / 8 ? malloc(len * 6 + 3) : NULL;
    size_t at = 0;

    if (!out)
        return NULL;
    out[at++] = '"';
    for (size_t i = 0; i < len;) {
        size_t n = utf8_len(s + i, len - i);
        if (n == 0) {
            memcpy(out + at, "\\ufffd", 6);
            at += 6;
            n = 1;
        } else if (s[i] == '"' || s[i] == '\\') {
            out[at++] = '\\';
            out[at++] = (char)s[i];
        } else if (s[i] < 0x20 || s[i] == 0x7f) {
            at += (size_t)snprintf(out + at, 7, "\\u%04x", s[i]);
        } else {
            memcpy(out + at, s + i, n);
            at += n;
        }
        i += n;
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
    for (size_t i = 0; out && i < c->len; i++) {
        unsigned char b = (unsigned char)c->ptr[i];
        out[i] = b < 0x20 || b == 0x7f ? '?' : (char)b;
    }
    if (out)
        out[c->len] = '\0';
    return out;
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
