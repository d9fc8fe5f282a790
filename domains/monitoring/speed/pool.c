// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/speed/pool.h"

#include <stdlib.h>
#include <string.h>

struct wf_pool_block {
    struct wf_pool_block *next;
    max_align_t data[];
};

void *wf_pool_get(struct wf_pool *p, size_t size)
{
    struct wf_pool_block *b = calloc(1, sizeof *b + size);

    if (!b)
        return NULL;
    b->next = p->blocks;
    p->blocks = b;
    return b->data;
}

char *wf_pool_text(struct wf_pool *p, const char *s, size_t len)
{
    char *out = wf_pool_get(p, len + 1);

    if (out && len)
        memcpy(out, s, len);
    return out;
}

void wf_pool_fini(struct wf_pool *p)
{
    while (p->blocks) {
        struct wf_pool_block *b = p->blocks;
        p->blocks = b->next;
        free(b);
    }
}
