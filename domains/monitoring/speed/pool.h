// SPDX-License-Identifier: Apache-2.0
// Memory that is released at once: the texts and structs of a set of rules. Owns its blocks. Thread rule: one owner.
#ifndef WF_MONITORING_POOL_H
#define WF_MONITORING_POOL_H

#include <stddef.h>

struct wf_pool_block;
struct wf_pool {
    struct wf_pool_block *blocks;
};

// Zeroed, aligned for any type. NULL without memory.
void *wf_pool_get(struct wf_pool *p, size_t size);
char *wf_pool_text(struct wf_pool *p, const char *s, size_t len);
void wf_pool_fini(struct wf_pool *p);

#endif
