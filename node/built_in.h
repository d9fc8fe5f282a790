// SPDX-License-Identifier: Apache-2.0
// Who may read a product that weftd makes by itself: the domains that weftd.yaml names for it, by asking, a day at a time. Nobody else does, not
// even the monitor. Owns nothing. Loop thread only.
#ifndef WF_NODE_BUILT_IN_H
#define WF_NODE_BUILT_IN_H

#include "proto/trust/product_doc.h"

struct wf_built_in_readers {
    const char *const *domains;
    size_t domain_count; // those beyond WF_MAX_ACCESS_RULES are left out
    const char **verbs;
    size_t verb_count;
};
// rules are the product's from here on; they borrow what `readers` points to.
void wf_built_in_allow(struct wf_product *p, struct wf_access_rule rules[WF_MAX_ACCESS_RULES],
    const struct wf_built_in_readers *readers);

#endif
