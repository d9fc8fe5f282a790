// SPDX-License-Identifier: Apache-2.0
// A catalog in memory under the charter of three domains, for tests of what it takes and refuses.
#ifndef WF_TESTS_CATALOG_RIG_H
#define WF_TESTS_CATALOG_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry/proof.h"
#include "tests/support/registry.h"

static struct wf_test_mesh mesh;
static struct wf_store *store;
static struct wf_catalog *catalog;

static inline void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_test_mesh_init(&mesh);
    ck_assert_int_eq(wf_store_mem_new(&store), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_new(store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &catalog),
        WEFT_OK);
}

static inline void teardown(void)
{
    wf_catalog_free(catalog);
    wf_store_free(store);
    wf_test_mesh_fini(&mesh);
}

// Learns and releases the document.
static inline enum weft_err learn_into(struct wf_catalog *c, enum wf_entry_kind kind,
    struct wf_buf raw, int64_t now, enum wf_learned *ret)
{
    enum weft_err err = wf_catalog_learn(c, kind, wf_buf_view(&raw), mesh.charter, now, ret);

    wf_buf_fini(&raw);
    return err;
}

static inline enum weft_err learn(enum wf_entry_kind kind, struct wf_buf raw, enum wf_learned *ret)
{
    return learn_into(catalog, kind, raw, WF_TEST_NOW, ret);
}

#define ENTRY(...)                                                                                 \
    (&(struct wf_test_entry){ .domain = WF_TEST_SERVERS, .name = "cpu", __VA_ARGS__ })
#define NODE(...)    wf_test_node_advert(&mesh, ENTRY(__VA_ARGS__))
#define HOME(...)    wf_test_home(&mesh, ENTRY(__VA_ARGS__))
#define PRODUCT(...) wf_test_product_advert(&mesh, ENTRY(__VA_ARGS__))
#define LIST(...)    wf_test_list(&mesh, ENTRY(__VA_ARGS__))

// Of two documents of one order, which are released.
static inline struct wf_buf proof_of(enum wf_entry_kind kind, struct wf_buf a, struct wf_buf b)
{
    struct wf_store *s = NULL;
    struct wf_catalog *c = NULL;
    struct wf_buf raw = { 0 };
    enum wf_learned l;

    ck_assert_int_eq(wf_store_mem_new(&s), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_new(s, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &c), WEFT_OK);
    ck_assert_int_eq(learn_into(c, kind, a, WF_TEST_NOW, &l), WEFT_OK);
    ck_assert_int_eq(learn_into(c, kind, b, WF_TEST_NOW, &l), WEFT_OK);
    ck_assert_int_eq(l, WF_LEARNED_PROOF);
    const struct wf_known *k = wf_catalog_next(c, NULL);
    ck_assert(k && k->kind == WF_ENTRY_PROOF);
    ck_assert_int_eq(wf_bytes_dup(k->raw, &raw), WEFT_OK);
    wf_catalog_free(c);
    wf_store_free(s);
    return raw;
}

#endif
