// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/speed/labels.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void wf_labels_init(struct wf_labels *l)
{
    l->count = l->len = 0;
}

uint64_t wf_sum(uint64_t seed, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    uint64_t h = seed ? seed : 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

bool wf_labels_next(
    const struct wf_labels *l, size_t *at, const char **ret_name, const char **ret_value)
{
    if (*at >= l->len)
        return false;
    *ret_name = l->text + *at;
    *ret_value = *ret_name + strlen(*ret_name) + 1;
    *at = (size_t)(*ret_value - l->text) + strlen(*ret_value) + 1;
    return true;
}

const char *wf_labels_get(const struct wf_labels *l, const char *name)
{
    const char *n, *v;

    for (size_t at = 0; wf_labels_next(l, &at, &n, &v);)
        if (strcmp(n, name) == 0)
            return v;
    return NULL;
}

// Where a label of this name is, or has to go; *ret_old: bytes of the one that is there.
static size_t place_of(const struct wf_labels *l, const char *name, size_t *ret_old)
{
    const char *n, *v;
    size_t at = 0, begin = 0;

    for (*ret_old = 0; wf_labels_next(l, &at, &n, &v); begin = at) {
        int order = strcmp(n, name);
        if (order == 0)
            *ret_old = at - begin;
        if (order >= 0)
            return begin;
    }
    return begin;
}

bool wf_labels_set(struct wf_labels *l, const char *name, const char *value, size_t len)
{
    char cut[WF_LABEL_VALUE];
    size_t old, at = place_of(l, name, &old), name_len = strlen(name) + 1;

    if (len >= WF_LABEL_VALUE) {
        len = (size_t)snprintf(cut, sizeof cut, "%.200s~%016" PRIx64, value, wf_sum(0, value, len));
        value = cut;
    }
    for (size_t i = 0; i < len; i++)
        if (!value[i])
            len = i; // packed by NULs
    size_t more = name_len + len + 1;
    if (!name[0] || l->len - old + more > WF_LABELS_TEXT)
        return false;
    memmove(l->text + at + more, l->text + at + old, l->len - at - old);
    memcpy(l->text + at, name, name_len);
    if (len)
        memcpy(l->text + at + name_len, value, len);
    l->text[at + more - 1] = '\0';
    l->len += more - old;
    l->count += old == 0;
    return true;
}

bool wf_labels_eq(const struct wf_labels *a, const struct wf_labels *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

bool wf_labels_unpack(const void *bytes, size_t len, struct wf_labels *ret)
{
    struct wf_labels out;
    const char *p = bytes, *end = p + len;

    wf_labels_init(&out);
    while (p < end) {
        const char *value = memchr(p, 0, (size_t)(end - p));
        const char *stop = value ? memchr(value + 1, 0, (size_t)(end - value - 1)) : NULL;
        if (!stop || !wf_labels_set(&out, p, value + 1, (size_t)(stop - value - 1)))
            return false;
        p = stop + 1;
    }
    if (out.len != len || (len && memcmp(out.text, bytes, len) != 0))
        return false;
    *ret = out;
    return true;
}

void wf_labels_print(const struct wf_labels *l, char *out, size_t size)
{
    const char *n, *v;
    size_t len = 0;

#define PUT(c)                                                                                     \
    do {                                                                                           \
        if (len + 1 < size)                                                                        \
            out[len++] = (c);                                                                      \
    } while (0)
    PUT('{');
    for (size_t at = 0; wf_labels_next(l, &at, &n, &v);) {
        if (n != l->text) {
            PUT(',');
            PUT(' ');
        }
        for (; *n; n++)
            PUT(*n);
        PUT('=');
        PUT('"');
        for (; *v; v++) {
            if (*v == '"' || *v == '\\')
                PUT('\\');
            PUT(*v);
        }
        PUT('"');
    }
    PUT('}');
#undef PUT
    if (size)
        out[len] = '\0';
}
