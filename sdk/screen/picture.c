// SPDX-License-Identifier: Apache-2.0
// Lines cut to a screen. See screen.h.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/screen.h>

#include "proto/base/bytes.h"

#define SHARE_MIN  3u // lines of a section, however small the screen
#define LINE_BYTES 600u

_Static_assert(WF_SCREEN_SHOWN == WF_TEXT_SHOWN, "one mark");

size_t wf_screen_next(const char *text, size_t len, uint32_t *ret_code)
{
    return wf_text_next(wf_bytes(text, len), ret_code);
}

char *wf_screen_clean(const char *text, size_t len, char *out)
{
    size_t at = 0;

    for (size_t i = 0, n; i < len; i += n) {
        uint32_t code = 0;
        n = wf_screen_next(text + i, len - i, &code);
        bool shown = code == WF_SCREEN_SHOWN;
        memmove(out + at, shown ? text + i : "?", shown ? n : 1);
        at += shown ? n : 1;
    }
    out[at] = '\0';
    return out;
}

// Bytes of `text` that fit into `columns`.
static size_t clean(char *text, unsigned columns)
{
    size_t at = 0;
    unsigned seen = 0;

    wf_text_clean(text, "");
    for (; text[at]; at++) {
        unsigned char c = (unsigned char)text[at];
        bool inside = (c & 0xc0) == 0x80; // of a character that began before
        if (!inside && columns && seen == columns)
            break;
        seen += !inside;
    }
    return at;
}

static bool grow(struct wf_picture *p, size_t more)
{
    size_t cap = p->cap ? p->cap : 4096;

    while (cap < p->len + more)
        cap *= 2;
    char *text = cap > p->cap ? realloc(p->text, cap) : p->text;
    if (!text) {
        p->err = WEFT_E_NOMEM;
        return false;
    }
    p->text = text;
    p->cap = cap;
    return true;
}

void wf_picture_line(struct wf_picture *p, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;

    if (p->err || (p->rows && p->lines >= p->rows))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = clean(text, p->columns);
    while (len && text[len - 1] == ' ')
        len--;
    if (!grow(p, len + 2))
        return;
    memcpy(p->text + p->len, text, len);
    p->len += len;
    p->text[p->len++] = '\n';
    p->text[p->len] = '\0';
    p->lines++;
}

size_t wf_picture_room(const struct wf_picture *p, size_t rows, unsigned sections_left)
{
    if (!p->rows)
        return rows;
    unsigned left = p->rows > p->lines ? p->rows - p->lines : 0;
    unsigned share = left / (sections_left ? sections_left : 1);
    share = share > 2 + SHARE_MIN ? share - 2 : SHARE_MIN; // a title and an empty line
    return rows <= share ? rows : share - 1;
}

void wf_picture_rest(struct wf_picture *p, uint64_t all, size_t shown)
{
    if (all > shown)
        wf_picture_line(p, "  … and %llu more", (unsigned long long)(all - shown));
}

void wf_picture_fini(struct wf_picture *p)
{
    free(p->text);
    *p = (struct wf_picture){ 0 };
}

static const char *scaled(double v, double step, const char *units, char out[WF_PICTURE_NUMBER])
{
    size_t u = 0;

    while (v >= step && units[u + 1]) {
        v /= step;
        u++;
    }
    if (units[u] == ' ')
        snprintf(out, WF_PICTURE_NUMBER, v < 10 && v != (double)(long)v ? "%.1f" : "%.0f", v);
    else
        snprintf(out, WF_PICTURE_NUMBER, v < 100 ? "%.1f%c" : "%.0f%c", v, units[u]);
    return out;
}

const char *wf_picture_count(double v, char out[WF_PICTURE_NUMBER])
{
    return scaled(v, 1000, " kMGT", out);
}

const char *wf_picture_bytes(double v, char out[WF_PICTURE_NUMBER])
{
    return scaled(v, 1024, " KMGT", out);
}
