// SPDX-License-Identifier: Apache-2.0
#include "sdk/conf/diags.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define QUOTE_MAX 40u

void wf_diags_init(struct wf_diags *d, const char *file)
{
    *d = (struct wf_diags){ .file = file };
}

void wf_diags_fini(struct wf_diags *d)
{
    free(d->items);
    *d = (struct wf_diags){ .file = d->file };
}

static struct wf_diag *grow(struct wf_diags *d)
{
    if (d->count == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 8;
        struct wf_diag *items = realloc(d->items, cap * sizeof *items);
        if (!items)
            return NULL;
        d->items = items;
        d->cap = cap;
    }
    return &d->items[d->count++];
}

void wf_diags_add(
    struct wf_diags *d, enum weft_err err, unsigned line, unsigned column, const char *format, ...)
{
    va_list args;

    if (!d->first)
        d->first = err;
    if (d->count >= WF_MAX_DIAGS) {
        d->dropped++;
        return;
    }
    struct wf_diag *diag = grow(d);
    if (!diag) {
        d->out_of_memory = true;
        return;
    }
    diag->line = line;
    diag->column = column;
    va_start(args, format);
    vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
}

enum weft_err wf_diags_err(const struct wf_diags *d)
{
    return d->out_of_memory ? WEFT_E_NOMEM : d->first;
}

static bool before(const struct wf_diag *a, const struct wf_diag *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

// Insertion sort: stable, and there are at most WF_MAX_DIAGS.
static void sort(struct wf_diags *d)
{
    for (size_t i = 1; i < d->count; i++) {
        struct wf_diag moved = d->items[i];
        size_t at = i;
        for (; at > 0 && before(&moved, &d->items[at - 1]); at--)
            d->items[at] = d->items[at - 1];
        d->items[at] = moved;
    }
}

enum weft_err wf_diags_print(struct wf_diags *d, struct wf_buf *out)
{
    enum weft_err err = WEFT_OK;

    sort(d);
    for (size_t i = 0; !err && i < d->count; i++) {
        const struct wf_diag *g = &d->items[i];
        if (g->line)
            err = wf_buf_printf(out, "%s:%u:%u: %s\n", d->file, g->line, g->column, g->text);
        else
            err = wf_buf_printf(out, "%s: %s\n", d->file, g->text);
    }
    if (!err && d->dropped)
        err = wf_buf_printf(out, "%s: and %zu more\n", d->file, d->dropped);
    return err;
}

const char *wf_quote(struct wf_bytes word, struct wf_quoted *ret)
{
    static const char hex[] = "0123456789abcdef";
    char *p = ret->s;

    *p++ = '"';
    for (size_t i = 0; i < word.len && i < QUOTE_MAX; i++) {
        uint8_t c = word.ptr[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            *p++ = (char)c;
            continue;
        }
        *p++ = '\\';
        *p++ = 'x';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
    }
    if (word.len > QUOTE_MAX) {
        memcpy(p, "...", 3);
        p += 3;
    }
    *p++ = '"';
    *p = '\0';
    return ret->s;
}
