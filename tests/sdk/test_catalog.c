// SPDX-License-Identifier: Apache-2.0
// The pages in which a node tells a client what its registry holds: all of them, or no catalog.
#include <check.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/fakemesh.h"

static struct wf_fakemesh m;
static struct weft_client *c;
static struct weft_problem problem;

static void setup(void)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 120000 };

    unsetenv("WEFT_DIR");
    unsetenv("WEFT_SOCKET");
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, WF_TEST_HOUR, 12 * WF_TEST_HOUR, 1);
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
}

static void teardown(void)
{
    weft_close(c);
    wf_fakemesh_fini(&m);
}

START_TEST(digests_come_in_pages)
{
    struct weft_catalog *cat = NULL;

    atomic_store(&m.digests_a_page, 1);
    ck_assert_msg(!weft_discover(c, NULL, NULL, &cat, &problem), "%s", problem.text);
    ck_assert_uint_eq(weft_catalog_count(cat), 3);
    weft_catalog_free(cat);
}
END_TEST

START_TEST(empty_pages_that_promise_more_are_no_catalog)
{
    struct weft_catalog *cat = NULL;

    atomic_store(&m.digests_empty, 200);
    ck_assert_int_eq(weft_discover(c, NULL, NULL, &cat, &problem), WEFT_E_PROTOCOL);
    ck_assert_ptr_null(cat);
    ck_assert_msg(atomic_load(&m.digests_empty) == 199, "it was asked once");
}
END_TEST

START_TEST(digests_without_their_last_page_are_no_catalog)
{
    struct weft_catalog *cat = NULL;

    atomic_store(&m.digests_a_page, 1);
    atomic_store(&m.digests_refused, 2);
    ck_assert_int_eq(weft_discover(c, NULL, NULL, &cat, &problem), WEFT_E_BUSY);
    ck_assert_ptr_null(cat);
}
END_TEST

static const struct {
    int page;
    enum weft_err want;
} endless[] = { { WF_MAX_DIGESTS, WEFT_E_TOO_BIG }, { WF_MAX_DIGESTS + 1, WEFT_E_PROTOCOL } };

START_TEST(pages_without_end_of_what_is_of_no_interest_are_no_catalog)
{
    struct weft_catalog *cat = NULL;

    atomic_store(&m.digests_endless, endless[_i].page);
    ck_assert_int_eq(weft_discover(c, NULL, NULL, &cat, &problem), endless[_i].want);
    ck_assert_ptr_null(cat);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.catalog");
    TCase *t = tcase_create("pages");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, digests_come_in_pages);
    tcase_add_test(t, empty_pages_that_promise_more_are_no_catalog);
    tcase_add_test(t, digests_without_their_last_page_are_no_catalog);
    tcase_add_loop_test(
        t, pages_without_end_of_what_is_of_no_interest_are_no_catalog, 0, WF_COUNT(endless));
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
