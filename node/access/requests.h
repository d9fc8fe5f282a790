// SPDX-License-Identifier: Apache-2.0
// Requests in their checked form, policy, and the minting of tokens. Inside the access room; loop thread only.
#ifndef WF_NODE_ACCESS_REQUESTS_H
#define WF_NODE_ACCESS_REQUESTS_H

#include "node/access/grants.h"
#include "node/control.h"

// Lists as they are kept: sorted, each item once and valid, a blank between. Fills products, verbs, columns, purpose, duration_ms. What a
// request may name: 1..WF_MAX_PATTERNS products, 1..WF_MAX_CAVEAT_ITEMS verbs. Refuses NAME, VERB, SYNTAX, TOO_BIG, MISSING_FIELD.
WF_MUST_USE enum weft_err wf_access_read_request(const Weft__V1__AccessRequest *m,
    struct wf_arena *arena, struct wf_grant *row, struct wf_diag *diag);
struct wf_access_lists {
    char *const *products, *const *verbs, *const *columns, *const *regions;
    size_t product_count, verb_count, column_count, region_count;
    bool patterns; // products may be patterns
    bool partial;  // none of a kind is fine: the request said it
};
WF_MUST_USE enum weft_err wf_access_read_lists(const struct wf_access_lists *in,
    struct wf_arena *arena, struct wf_grant *row, struct wf_diag *diag);

// Do the products' own rules give this to this identity? Fills row.columns and how long. NO_CAPABILITY (diag says why): a person decides.
// NOT_FOUND: no such product.
WF_MUST_USE enum weft_err wf_access_policy(struct wf_node *n, const struct wf_identity *who,
    struct wf_grant *row, struct wf_arena *arena, int64_t *ret_life_ms, struct wf_diag *diag);

#endif
