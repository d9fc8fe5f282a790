// SPDX-License-Identifier: Apache-2.0
// Every allocation of opening a store on disk, of loading a catalog from it and of learning a document fails once: NOMEM each time, nothing
// learned or lost, on disk neither, and then it succeeds.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/registry.h"

#define MOST 4000 // allocations of one call, by far

static struct wf_test_mesh mesh;
static struct wf_store *store;
static struct wf_catalog *catalog;
static char path[512];

static const struct wf_test_entry cpu = {
    .domain = WF_TEST_SERVERS, .name = "cpu", .term = 1, .sequence = WF_TEST_SEQ
};

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_test_mesh_init(&mesh);
    snprintf(path, sizeof path, "%s/registry.db", wf_test_tmpdir());
}

static void close_all(void)
{
    wf_catalog_free(catalog);
    wf_store_free(store);
    catalog = NULL;
    store = NULL;
}

static void teardown(void)
{
    close_all();
    wf_test_mesh_fini(&mesh);
}

static enum weft_err open_store(void)
{
    struct wf_diag diag = { 0 };

    return wf_store_sqlite_open(path, &store, &diag);
}

static size_t dropped;
static enum weft_err open_catalog(void)
{
    return wf_catalog_new(
        store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, &dropped, &catalog);
}

static struct wf_bytes taught;
static enum weft_err learn_product(void)
{
    enum wf_learned l;

    return wf_catalog_learn(catalog, WF_ENTRY_PRODUCT, taught, mesh.charter, WF_TEST_NOW, &l);
}

// Until the call succeeds. Before that the catalog, where there is one, stays what it was.
static void fail_each(enum weft_err (*call)(void))
{
    struct wf_hash before = { 0 }, after = { 0 };
    long n = 1;

    if (catalog)
        wf_catalog_root(catalog, &before);
    for (; n < MOST; n++) {
        wf_test_fail_alloc(n);
        enum weft_err err = call();
        wf_test_fail_alloc(-1);
        if (!err)
            break;
        ck_assert_msg(err == WEFT_E_NOMEM, "allocation %ld: %s", n, weft_err_name(err));
        if (catalog)
            wf_catalog_root(catalog, &after);
        ck_assert(wf_hash_eq(&before, &after));
    }
    ck_assert_int_gt(n, 1);
    ck_assert_int_lt(n, MOST);
    ck_assert_uint_eq(dropped, 0); // what could not be judged is not what does not verify
}

START_TEST(a_catalog_on_disk_loses_nothing_when_memory_is_out)
{
    struct wf_buf home = wf_test_home(&mesh, &cpu), product = wf_test_product_advert(&mesh, &cpu);
    struct wf_hash root, again;
    enum wf_learned learned;

    fail_each(open_store);
    fail_each(open_catalog);
    ck_assert_int_eq(wf_catalog_learn(catalog, WF_ENTRY_HOME, wf_buf_view(&home), mesh.charter,
                         WF_TEST_NOW, &learned),
        WEFT_OK);
    taught = wf_buf_view(&product);
    fail_each(learn_product);
    wf_catalog_root(catalog, &root);
    close_all();
    fail_each(open_store);
    fail_each(open_catalog); // now there are rows to load
    wf_catalog_root(catalog, &again);
    ck_assert(wf_hash_eq(&root, &again));
    ck_assert_uint_eq(wf_catalog_count(catalog), 2);
    wf_buf_fini(&home);
    wf_buf_fini(&product);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("catalog_oom");
    TCase *t = tcase_create("disk");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_catalog_on_disk_loses_nothing_when_memory_is_out);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
