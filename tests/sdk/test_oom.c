// SPDX-License-Identifier: Apache-2.0
// Every allocation of connecting, discovering and subscribing fails once. What fails says NOMEM, and the next attempt works: no client, link,
// thread or file is left behind. The node is out of reach here, so that the threads that allocate are all the client's.
#include <check.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/fakemesh.h"

#define MOST 4000 // allocations of one call, by far

static struct wf_fakemesh m;
static struct weft_client *c;

static void setup(void)
{
    unsetenv("WEFT_DIR");
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 0);
    wf_fakenode_stop(m.node);
    m.node = NULL;
    c = NULL;
}

static void teardown(void)
{
    weft_close(c);
    wf_fakemesh_fini(&m);
}

static enum weft_err connect_to_mesh(struct weft_problem *problem)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };

    return weft_connect(&o, &c, problem);
}

static void close_client(void)
{
    weft_close(c);
    c = NULL;
}

static enum weft_err discover(struct weft_problem *problem)
{
    struct weft_catalog *all = NULL;
    enum weft_err err = weft_discover(c, NULL, NULL, &all, problem);

    weft_catalog_free(all);
    return err;
}

static struct weft_subscription *s;
static enum weft_err subscribe(struct weft_problem *problem)
{
    return weft_subscribe(c, "servers/readings", NULL, &s, problem);
}

static void unsubscribe(void)
{
    weft_unsubscribe(s);
    s = NULL;
}

static void nothing(void)
{
}

// Fails the 1st, 2nd, ... allocation until none is left to fail. `want` is how it ends with memory.
static void fail_each(
    enum weft_err (*call)(struct weft_problem *problem), void (*undo)(void), enum weft_err want)
{
    long failed = 0;

    for (long n = 1; n < MOST; n++) {
        struct weft_problem problem = { 0 };
        wf_test_fail_alloc(n);
        enum weft_err err = call(&problem);
        bool none_left = wf_test_alloc_count() < n;
        wf_test_fail_alloc(-1);
        ck_assert_msg(err == want || err == WEFT_E_NOMEM, "allocation %ld: %s (%s)", n,
            weft_err_name(err), problem.text);
        if (err == WEFT_E_NOMEM && want != WEFT_E_NOMEM) {
            ck_assert_int_eq(problem.err, WEFT_E_NOMEM);
            ck_assert_int_ne(problem.text[0], '\0');
            failed++;
        }
        undo();
        if (none_left) {
            ck_assert_int_eq(err, want);
            ck_assert_int_gt(failed, 0);
            return;
        }
    }
    ck_abort_msg("no end of allocations");
}

START_TEST(a_client_connects_or_says_that_memory_is_out)
{
    struct weft_problem problem;

    fail_each(connect_to_mesh, close_client, WEFT_OK);
    ck_assert_msg(connect_to_mesh(&problem) == WEFT_OK, "%s", problem.text);
    ck_assert_int_eq(discover(&problem), WEFT_E_UNREACHABLE);
}
END_TEST

START_TEST(discovery_without_memory_leaves_the_client_usable)
{
    struct weft_problem problem;

    ck_assert_int_eq(connect_to_mesh(&problem), WEFT_OK);
    fail_each(discover, nothing, WEFT_E_UNREACHABLE);
}
END_TEST

START_TEST(a_subscription_begins_or_says_that_memory_is_out)
{
    struct weft_problem problem;
    const struct weft_event *e = NULL;

    ck_assert_int_eq(connect_to_mesh(&problem), WEFT_OK);
    fail_each(subscribe, unsubscribe, WEFT_OK);
    ck_assert_int_eq(subscribe(&problem), WEFT_OK);
    ck_assert_int_eq(weft_next(s, 10000, &e, &problem), WEFT_OK);
    ck_assert_int_eq(e->kind, WEFT_EV_STATE);
    ck_assert_int_eq(e->state, WEFT_STREAM_UNREACHABLE);
    unsubscribe();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oom");
    TCase *t = tcase_create("client");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_client_connects_or_says_that_memory_is_out);
    tcase_add_test(t, discovery_without_memory_leaves_the_client_usable);
    tcase_add_test(t, a_subscription_begins_or_says_that_memory_is_out);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
