// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/speed/share.h"

#include <stdlib.h>
#include <string.h>

struct wf_share *wf_share_of(struct wf_share **all, const char *product, bool taken)
{
    size_t len = strcspn(product, "/");

    for (struct wf_share *s = *all; s; s = s->next)
        if (s->taken == taken && s->domain_len == len && memcmp(s->domain, product, len) == 0)
            return s;
    struct wf_share *s = calloc(1, sizeof *s + len + 1);
    if (!s)
        return NULL;
    memcpy(s->domain, product, len);
    s->domain_len = len;
    s->taken = taken;
    s->next = *all;
    *all = s;
    return s;
}

bool wf_share_has_room(const struct wf_share *s, size_t used, size_t limit)
{
    return used < (s->taken ? limit / 8 : limit - limit / 4);
}

void wf_shares_fini(struct wf_share **all)
{
    while (*all) {
        struct wf_share *s = *all;
        *all = s->next;
        free(s);
    }
}
