// SPDX-License-Identifier: Apache-2.0
// Every allocation of an apply, an intake and a push fails once: what is refused leaves nothing behind, and then it succeeds.
#include <check.h>

#include "tests/support/streamrig.h"

#define MOST 4000 // allocations of one call, by far

static struct streamrig rig;

static void setup(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    streamrig_open(&rig);
}

static void teardown(void)
{
    streamrig_fini(&rig);
}

START_TEST(a_manifest_is_applied_whole_or_not_at_all)
{
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_buf set = streamrig_schema("sample");
    long n = 1;

    for (; n < MOST; n++) {
        struct wf_buf changes = { 0 };
        struct wf_diag diag = { 0 };
        wf_test_fail_alloc(n);
        enum weft_err err =
            wf_stream_apply(&rig.node, &c, wf_buf_view(&set), false, &changes, &diag);
        wf_test_fail_alloc(-1);
        wf_buf_fini(&changes);
        if (!err)
            break;
        ck_assert_msg(err == WEFT_E_NOMEM, "allocation %ld: %s", n, weft_err_name(err));
        ck_assert_ptr_null(wf_stream_find(&rig.node, "rows", 0));
    }
    ck_assert_int_gt(n, 10);
    ck_assert_int_lt(n, MOST);
    struct wf_home_product *p = wf_stream_find(&rig.node, "rows", 0);
    ck_assert_ptr_nonnull(p);
    STREAMRIG_UNTIL(&rig, (wf_stream_room.tick(&rig.node), !wf_incarnation_is_none(&p->log_id)));
    wf_buf_fini(&set);
}
END_TEST

START_TEST(a_publish_that_fails_can_be_repeated)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    static const uint8_t publisher[16] = { 4 };
    struct wf_records rows = streamrig_rows(0, 5);
    struct wf_origin_records o = {
        .raw = wf_buf_view(&rows.raw), .base_us = rows.base_us, .count = 5, .publisher = publisher
    };
    long n = 1;

    for (; n < MOST; n++) {
        struct wf_diag diag = { 0 };
        wf_test_fail_alloc(n);
        enum weft_err err = wf_stream_originate(&rig.node, p, &o, streamrig_on_done, &rig, &diag);
        wf_test_fail_alloc(-1);
        if (!err)
            break;
        ck_assert_msg(err == WEFT_E_NOMEM, "allocation %ld: %s", n, weft_err_name(err));
        ck_assert_uint_eq(p->tail, 0);
    }
    ck_assert_int_gt(n, 3);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_uint_eq(wf_home_head(p), 5);
    ck_assert_uint_eq(wf_stream_publisher_mark(&rig.node, p, publisher), 5);
    wf_records_fini(&rows);
}
END_TEST

START_TEST(a_push_that_fails_can_be_repeated)
{
    struct wf_home_product *p = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    struct streamrig_origin agent = streamrig_agent(&rig, "web-1");
    struct wf_buf batch = streamrig_batch(&rig, &agent, p, 0, 5);
    long n = 1;

    for (; n < MOST; n++) {
        struct wf_diag diag = { 0 };
        wf_test_fail_alloc(n);
        enum weft_err err = wf_stream_accept(
            &rig.node, p, &agent.identity, wf_buf_view(&batch), streamrig_on_done, &rig, &diag);
        wf_test_fail_alloc(-1);
        if (!err)
            break;
        ck_assert_msg(err == WEFT_E_NOMEM, "allocation %ld: %s", n, weft_err_name(err));
        ck_assert_uint_eq(p->tail, 0);
    }
    ck_assert_int_gt(n, 3);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_uint_eq(wf_home_head(p), 5);
    wf_buf_fini(&batch);
    streamrig_agent_fini(&agent);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.stream_oom");
    TCase *t = tcase_create("oom");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_manifest_is_applied_whole_or_not_at_all);
    tcase_add_test(t, a_publish_that_fails_can_be_repeated);
    tcase_add_test(t, a_push_that_fails_can_be_repeated);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
