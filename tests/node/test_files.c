// SPDX-License-Identifier: Apache-2.0
// File descriptors: counted also when there is none left, told while they are nearly used up, and shared out between connections and the rest.
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/core.h"
#include "sdk/loop/loop.h"
#include "tests/support/support.h"

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct rlimit before;

static void setup(void)
{
    core = (struct wf_core){ 0 };
    conf = (struct wf_conf){ .log.level = WF_LOG_ERROR + 1 };
    node = (struct wf_node){ .core = &core, .conf = &conf };
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
}

static void teardown(void)
{
    setrlimit(RLIMIT_NOFILE, &before);
    wf_files_close(&node);
    wf_alarm(&node, "descriptors", NULL);
    wf_loop_free(node.loop);
}

static const char *told(void)
{
    return core.alarms ? core.alarms->text : NULL;
}

static void limit_to(rlim_t n)
{
    struct rlimit few = { n, before.rlim_max };

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
}

START_TEST(used_up_descriptors_are_told_until_some_are_free)
{
    int taken[100], count = 0;

    wf_files_check(&node);
    ck_assert_ptr_null(told());
    ck_assert_uint_gt(core.files.open, 2);
    unsigned idle = core.files.open;
    limit_to(100);
    wf_files_check(&node);
    ck_assert_ptr_null(told());
    ck_assert_uint_eq(core.files.max, 100);
    for (int fd = open("/dev/null", O_RDONLY); fd >= 0; fd = open("/dev/null", O_RDONLY))
        taken[count++] = fd;
    ck_assert_int_gt(count, 50);
    wf_files_check(&node); // with none left to look with
    ck_assert_ptr_nonnull(told());
    ck_assert_uint_eq(core.files.open, idle + (unsigned)count);
    ck_assert_ptr_nonnull(strstr(told(), "of 100 file descriptors are in use"));
    ck_assert_ptr_nonnull(strstr(told(), "LimitNOFILE="));
    for (int i = 0; i < 7; i++)
        close(taken[--count]);
    wf_files_check(&node);
    ck_assert_ptr_nonnull(told()); // not at the edge: it would come and go
    while (count)
        close(taken[--count]);
    wf_files_check(&node);
    ck_assert_ptr_null(told());
}
END_TEST

START_TEST(the_limit_is_raised_and_a_child_has_the_old_one)
{
    struct rlimit now;

    if (before.rlim_max < 256)
        exit(WF_TEST_SKIP);
    limit_to(128);
    wf_files_raise();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
    ck_assert_uint_eq(now.rlim_cur, now.rlim_max < 65536 ? now.rlim_max : 65536);
    wf_files_restore();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
    ck_assert_uint_eq(now.rlim_cur, 128);
}
END_TEST

START_TEST(connections_leave_the_log_its_share)
{
    static const struct {
        rlim_t limit;
        unsigned most;
    } rows[] = { { 64, 32 }, { 512, 256 }, { 1024, 768 } };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        limit_to(rows[i].limit);
        ck_assert_uint_eq(wf_files_for_connections(4096), rows[i].most);
    }
    ck_assert_uint_eq(wf_files_for_connections(10), 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.files");
    TCase *tc = tcase_create("descriptors");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, used_up_descriptors_are_told_until_some_are_free);
    tcase_add_test(tc, the_limit_is_raised_and_a_child_has_the_old_one);
    tcase_add_test(tc, connections_leave_the_log_its_share);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
