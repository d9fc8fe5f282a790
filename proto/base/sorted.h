// SPDX-License-Identifier: Apache-2.0
// Binary search in a sorted array: bsearch(3) that also says where a missing item belongs. Owns nothing. Pure.
#ifndef WF_BASE_SORTED_H
#define WF_BASE_SORTED_H

#include <stdbool.h>
#include <stddef.h>

// Below, at or above 0 as the item lies before the key, is it, or lies behind it.
typedef int (*wf_sorted_fn)(const void *item, const void *key);

// `items` ascends strictly by `order`; NULL when count is 0.
struct wf_sorted {
    const void *items;
    size_t count, size; // of an item, in bytes
    wf_sorted_fn order;
};

// The item's index, or the one at which it would have to be put in.
size_t wf_sorted_place(const struct wf_sorted *s, const void *key, bool *ret_found);
const void *wf_sorted_find(const struct wf_sorted *s, const void *key); // NULL when it is not there

#endif
