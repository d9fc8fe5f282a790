// SPDX-License-Identifier: Apache-2.0
// What became of each call, on disk: over a crash, and for a day.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/provider/calls.h"
#include "tests/support/support.h"

#define HOUR_MS INT64_C(3600000)

static struct wf_call_record record_of(int key, enum wf_call_state state, int64_t started_ms)
{
    struct wf_call_record r = { .state = state, .started_ms = started_ms };

    memset(r.key, key, sizeof r.key);
    memset(r.caller, 7, sizeof r.caller);
    return r;
}

static enum wf_call_state state_of(struct wf_calls *calls, int key)
{
    struct wf_call_record want = record_of(key, 0, 0), r;

    if (wf_calls_get(calls, want.caller, want.key, &r))
        return 0;
    wf_call_record_fini(&r);
    return r.state;
}

// As after kill -9: the file has what was begun, and nobody knows how it ended.
START_TEST(a_crash_leaves_what_ran_unknown_and_what_was_done_done)
{
    char path[300];
    struct wf_calls *calls = NULL;
    struct stat st;

    snprintf(path, sizeof path, "%s/calls-2.db", wf_test_tmpdir());
    ck_assert_int_eq(wf_calls_open(path, &calls, NULL), WEFT_OK);
    struct wf_call_record runs = record_of(1, WF_CALL_RUNNING, 0),
                          ends_well = record_of(2, WF_CALL_RUNNING, 0);
    ck_assert_int_eq(wf_calls_begin(calls, &runs), WEFT_OK);
    ck_assert_int_eq(wf_calls_begin(calls, &runs), WEFT_E_EXISTS);
    ck_assert_int_eq(wf_calls_begin(calls, &ends_well), WEFT_OK);
    ends_well.state = WF_CALL_DONE;
    ck_assert_int_eq(wf_buf_append(&ends_well.result, WF_STR("result")), WEFT_OK);
    ck_assert_int_eq(wf_calls_end(calls, &ends_well), WEFT_OK);
    wf_call_record_fini(&ends_well);
    wf_calls_close(calls);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(wf_calls_open(path, &calls, NULL), WEFT_OK);
    ck_assert_int_eq(state_of(calls, 1), WF_CALL_UNKNOWN);
    ck_assert_int_eq(state_of(calls, 2), WF_CALL_DONE);
    wf_calls_close(calls);
}
END_TEST

START_TEST(outcomes_are_kept_for_a_day)
{
    char path[300];
    struct wf_calls *calls = NULL;
    const int64_t began = INT64_C(1790000000000);

    snprintf(path, sizeof path, "%s/calls-3.db", wf_test_tmpdir());
    ck_assert_int_eq(wf_calls_open(path, &calls, NULL), WEFT_OK);
    struct wf_call_record done = record_of(1, WF_CALL_DONE, began),
                          runs = record_of(2, WF_CALL_RUNNING, began);
    ck_assert_int_eq(wf_calls_begin(calls, &done), WEFT_OK);
    ck_assert_int_eq(wf_calls_begin(calls, &runs), WEFT_OK);
    wf_calls_prune(calls, began + 24 * HOUR_MS);
    ck_assert_int_eq(state_of(calls, 1), WF_CALL_DONE);
    wf_calls_prune(calls, began + 24 * HOUR_MS + 1);
    ck_assert_int_eq(state_of(calls, 1), 0);
    ck_assert_int_eq(state_of(calls, 2), WF_CALL_RUNNING); // what runs is not forgotten
    wf_calls_close(calls);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.calls");
    TCase *tc = tcase_create("calls");

    tcase_add_test(tc, a_crash_leaves_what_ran_unknown_and_what_was_done_done);
    tcase_add_test(tc, outcomes_are_kept_for_a_day);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
