// SPDX-License-Identifier: Apache-2.0
// Texts with values in them. See rules.h.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "domains/monitoring/speed/rules.h"

struct slot {
    char name[WF_EXPR_NAME], filter[16];
    size_t len; // of the whole with its brackets
};

static const char *const filters[] = { "", "percent", "bytes", "duration" };
#define FILTERS (sizeof filters / sizeof *filters)

static bool is_filter(const char *name)
{
    for (size_t i = 0; i < FILTERS; i++)
        if (strcmp(name, filters[i]) == 0)
            return true;
    return false;
}

// Reads "{{ name | filter }}" at its beginning.
static bool read_slot(const char *t, struct slot *ret, const char **ret_why)
{
    const char *end = strstr(t, "}}");

    *ret_why = "{{ has no }}";
    if (!end)
        return false;
    ret->len = (size_t)(end + 2 - t);
    ret->filter[0] = '\0';
    char inside[96];
    snprintf(inside, sizeof inside, "%.*s", (int)(end - t - 2), t + 2);
    int n = sscanf(inside, " %63[A-Za-z0-9_] | %15[a-z] ", ret->name, ret->filter);
    *ret_why = "want {{NAME}} or {{NAME|FILTER}}";
    if (n < 1)
        return false;
    *ret_why = "the filters are percent, bytes and duration";
    return is_filter(ret->filter);
}

bool wf_template_check(const char *t, size_t *ret_at, const char **ret_text)
{
    struct slot s;

    for (const char *p = strstr(t, "{{"); p; p = strstr(p, "{{")) {
        if (!read_slot(p, &s, ret_text)) {
            *ret_at = (size_t)(p - t);
            return false;
        }
        p += s.len;
    }
    return true;
}

static void fill_duration(double s, char *out, size_t size)
{
    if (s < 120)
        snprintf(out, size, "%.3g s", s);
    else if (s < 2 * 3600)
        snprintf(out, size, "%.0f min", s / 60);
    else if (s < 2 * 86400.0)
        snprintf(out, size, "%.1f h", s / 3600);
    else
        snprintf(out, size, "%.1f d", s / 86400);
}

static void fill_bytes(double v, char *out, size_t size)
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    size_t i = 0;

    for (; fabs(v) >= 1024 && i + 1 < sizeof names / sizeof *names; i++)
        v /= 1024;
    snprintf(out, size, "%.4g %s", v, names[i]);
}

static void fill(const struct wf_expr_value *v, const char *filter, char *out, size_t size)
{
    if (v->kind == WF_KIND_TEXT)
        snprintf(out, size, "%.*s", (int)(v->len < 512 ? v->len : 512), v->ptr);
    else if (v->kind == WF_KIND_NONE)
        snprintf(out, size, "?");
    else if (strcmp(filter, "percent") == 0)
        snprintf(out, size, "%.3g %%", v->number * 100);
    else if (strcmp(filter, "bytes") == 0)
        fill_bytes(v->number, out, size);
    else if (strcmp(filter, "duration") == 0)
        fill_duration(v->number, out, size);
    else
        snprintf(out, size, "%.6g", v->number);
}

void wf_template_fill(const char *t, wf_template_fn get, void *arg, char *out, size_t size)
{
    size_t len = 0;

    while (*t && len + 1 < size) {
        struct slot s;
        struct wf_expr_value v;
        const char *why;
        if (strncmp(t, "{{", 2) != 0 || !read_slot(t, &s, &why) || !get(arg, s.name, &v)) {
            out[len++] = *t++;
            continue;
        }
        fill(&v, s.filter, out + len, size - len);
        len += strlen(out + len);
        t += s.len;
    }
    if (size)
        out[len] = '\0';
}
