// SPDX-License-Identifier: Apache-2.0
// Registry documents of the sample mesh, to vary by order, content and time. Each buffer is the caller's. Any failure aborts.
#ifndef WF_TESTS_REGISTRY_H
#define WF_TESTS_REGISTRY_H

#include "registry/catalog.h"
#include "tests/support/trust_product.h"

#define WF_TEST_SEQ ((uint64_t)WF_TEST_NOW)

struct wf_test_entry {
    int domain;          // WF_TEST_NETWORK, ...
    const char *name;    // of the product
    const char *variant; // any text: other text, other document of the same order
    uint64_t term, sequence;
    int64_t life_ms; // from the sequence on
    bool removed;
    const char *node; // of a home or product: "node-1" when NULL
};
struct wf_buf wf_test_node_advert(const struct wf_test_mesh *m, const struct wf_test_entry *e);
struct wf_buf wf_test_home(const struct wf_test_mesh *m, const struct wf_test_entry *e);
struct wf_buf wf_test_product_advert(const struct wf_test_mesh *m, const struct wf_test_entry *e);
// A revocation list with `term` as its version; the variant revokes a token of that label.
struct wf_buf wf_test_list(const struct wf_test_mesh *m, const struct wf_test_entry *e);

#endif
