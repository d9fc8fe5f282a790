// SPDX-License-Identifier: Apache-2.0
// See copy.h.
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/copy.h"

#define FIELD_MAX ((size_t)1 << 30) // PostgreSQL's own bound

void wf_mon_copy_fini(struct wf_mon_copy *c)
{
    free(c->ptr);
    *c = (struct wf_mon_copy){ 0 };
}

static char *room(struct wf_mon_copy *c, size_t more)
{
    if (more > FIELD_MAX)
        c->failed = true;
    if (c->failed)
        return NULL;
    if (c->cap - c->len < more) {
        size_t cap = c->cap ? c->cap : 4096;
        while (cap - c->len < more)
            cap *= 2;
        char *bigger = realloc(c->ptr, cap);
        if (!bigger) {
            c->failed = true;
            return NULL;
        }
        c->ptr = bigger;
        c->cap = cap;
    }
    c->len += more;
    return c->ptr + c->len - more;
}

static void put(char *at, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (char)(v >> 8 * (bytes - 1 - i));
}

void wf_mon_copy_row(struct wf_mon_copy *c, unsigned fields)
{
    char *at = room(c, 2);

    if (at)
        put(at, fields, 2);
}

void wf_mon_copy_null(struct wf_mon_copy *c)
{
    char *at = room(c, 4);

    if (at)
        put(at, UINT32_MAX, 4);
}

static void fixed(struct wf_mon_copy *c, uint64_t v, unsigned bytes)
{
    char *at = room(c, 4 + bytes);

    if (!at)
        return;
    put(at, bytes, 4);
    put(at + 4, v, bytes);
}

void wf_mon_copy_int(struct wf_mon_copy *c, int64_t v)
{
    fixed(c, (uint64_t)v, 8);
}

void wf_mon_copy_bool(struct wf_mon_copy *c, bool v)
{
    fixed(c, v, 1);
}

void wf_mon_copy_real(struct wf_mon_copy *c, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    fixed(c, bits, 8);
}

// Digits to the base 10000, the most significant first: count, weight of the first, sign, scale, digits; two bytes each.
void wf_mon_copy_uint(struct wf_mon_copy *c, uint64_t v)
{
    uint16_t digits[5];
    unsigned count = 0, weight = 0;

    for (uint64_t rest = v; rest; rest /= 10000)
        digits[count++] = (uint16_t)(rest % 10000);
    if (count)
        weight = count - 1;
    char *at = room(c, 4 + 8 + (size_t)count * 2);
    if (!at)
        return;
    put(at, 8 + count * 2, 4);
    put(at + 4, count, 2);
    put(at + 6, weight, 2);
    put(at + 8, 0, 4);
    for (unsigned i = 0; i < count; i++)
        put(at + 12 + (size_t)i * 2, digits[count - 1 - i], 2);
}

void wf_mon_copy_blob(struct wf_mon_copy *c, const void *ptr, size_t len)
{
    char *at = room(c, len > FIELD_MAX ? len : 4 + len);

    if (!at)
        return;
    put(at, len, 4);
    if (len)
        memcpy(at + 4, ptr, len);
}

void wf_mon_copy_text(struct wf_mon_copy *c, const char *ptr, size_t len)
{
    size_t zeros = 0;

    for (const char *at = ptr; len && (at = memchr(at, 0, len - (size_t)(at - ptr))); at++)
        zeros++;
    if (!zeros) {
        wf_mon_copy_blob(c, ptr, len);
        return;
    }
    char *at = room(c, 4 + len + 2 * zeros);
    if (!at)
        return;
    put(at, len + 2 * zeros, 4);
    at += 4;
    for (size_t i = 0; i < len; i++) {
        if (ptr[i]) {
            *at++ = ptr[i];
        } else {
            memcpy(at, "\xef\xbf\xbd", 3);
            at += 3;
        }
    }
}
