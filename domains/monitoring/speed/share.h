// SPDX-License-Identifier: Apache-2.0
// What of a bounded table one domain takes, and what its rules that the monitor took do. Records are what other domains write: labels without end, or values that raise alerts without end,
// must not leave the rest of the mesh without an eye on it. So a quarter of each table is always left for the others; rules that
// came with a domain's products have an eighth between them. Owns two entries a domain that was ever met; the mesh's charter bounds them. Thread rule: one owner.
#ifndef WF_MONITORING_SHARE_H
#define WF_MONITORING_SHARE_H

#include <stdbool.h>
#include <stddef.h>

struct wf_share {
    struct wf_share *next;
    size_t count, bytes;
    bool taken; // by rules that came with its products
    size_t domain_len;
    char domain[];
};

// The share of the domain of DOMAIN/NAME, made when it is new. NULL without memory.
struct wf_share *wf_share_of(struct wf_share **all, const char *product, bool taken);
// Whether who has `used` of it may take more of `limit`.
bool wf_share_has_room(const struct wf_share *s, size_t used, size_t limit);
void wf_shares_fini(struct wf_share **all);

#endif
