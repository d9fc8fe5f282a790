// SPDX-License-Identifier: Apache-2.0
#include "proto/base/sorted.h"

static const void *item_at(const struct wf_sorted *s, size_t i)
{
    return (const char *)s->items + i * s->size;
}

size_t wf_sorted_place(const struct wf_sorted *s, const void *key, bool *ret_found)
{
    size_t lo = 0, hi = s->count;

    *ret_found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = s->order(item_at(s, mid), key);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const void *wf_sorted_find(const struct wf_sorted *s, const void *key)
{
    bool found = false;
    size_t at = wf_sorted_place(s, key, &found);

    return found ? item_at(s, at) : NULL;
}
