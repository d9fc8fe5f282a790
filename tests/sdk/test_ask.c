// SPDX-License-Identifier: Apache-2.0
// Capabilities, queries and calls against a fake node.
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/fakemesh.h"

static struct wf_fakemesh m;
static struct weft_client *c;
static struct weft_problem problem;
static struct weft_rows *rows;
static struct weft_result result;

static void setup(void)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };

    unsetenv("WEFT_DIR");
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    rows = NULL;
    result = (struct weft_result){ 0 };
    ck_assert_int_eq(weft_connect(&o, &c, &problem), WEFT_OK);
}

static void teardown(void)
{
    weft_rows_free(rows);
    weft_result_fini(&result);
    weft_close(c);
    wf_fakemesh_fini(&m);
}

static enum weft_err query(const char *product)
{
    weft_rows_free(rows);
    rows = NULL;
    return weft_query(c, product, "SELECT * FROM hosts", NULL, &rows, &problem);
}

// A request that begins in the very turn of the loop in which the clock jumps is over at once, and the link backs off: ask again.
static enum weft_err query_after_skip(int64_t ms)
{
    wf_test_clock_skip(ms);
    enum weft_err err = query("servers/hosts");
    for (int i = 0; i < 1000 && err == WEFT_E_TIMEOUT; i++) {
        usleep(10000);
        err = query("servers/hosts");
    }
    return err;
}

static enum weft_err call(const char *target, const char *json)
{
    weft_result_fini(&result);
    return weft_call(c, target, json, NULL, &result, &problem);
}

static size_t token_files(void)
{
    char path[400];
    size_t count = 0;

    snprintf(path, sizeof path, "%s/tokens", m.dir);
    DIR *d = opendir(path);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        count += strstr(e->d_name, ".cap") != NULL;
    if (d)
        closedir(d);
    return count;
}

// ---- capabilities --------------------------------------------------------------------------------------------------------

START_TEST(a_token_is_asked_for_once_and_kept)
{
    ck_assert_msg(query("servers/hosts") == WEFT_OK, "%s", problem.text);
    ck_assert_uint_eq(token_files(), 1);
    ck_assert_int_eq(query("servers/hosts"), WEFT_OK);
    ck_assert_int_eq(atomic_load(&m.access_asked), 1);
    ck_assert_msg(atomic_load(&m.policy_only), "looking for a token bothers nobody");
}
END_TEST

START_TEST(an_expired_token_is_asked_for_again)
{
    ck_assert_int_eq(query("servers/hosts"), WEFT_OK);
    ck_assert_msg(query_after_skip(WF_TEST_DAY + WF_TEST_HOUR) == WEFT_OK, "%s", problem.text);
    ck_assert_int_eq(atomic_load(&m.access_asked), 2);
}
END_TEST

static const struct {
    const char *state, *reason;
    enum weft_err want;
    const char *text;
} answers[] = {
    { "pending", "", WEFT_E_PENDING, "pending" },
    { "denied", "not for tourists", WEFT_E_DENIED, "not for tourists" },
    { "whatever", "", WEFT_E_NO_CAPABILITY, "no capability" },
};

START_TEST(no_token_is_an_error_with_a_hint)
{
    m.access_state = answers[_i].state;
    m.access_reason = answers[_i].reason;
    ck_assert_int_eq(query("servers/hosts"), answers[_i].want);
    ck_assert_int_eq(problem.err, answers[_i].want);
    ck_assert_msg(strstr(problem.text, answers[_i].text) != NULL, "%s", problem.text);
    ck_assert_ptr_nonnull(strstr(problem.hint, "weft access request servers/hosts --verb query"));
    ck_assert_uint_eq(token_files(), 0);
    ck_assert_int_eq(atomic_load(&m.query_asked), 0);
}
END_TEST

START_TEST(a_token_for_another_holder_is_not_kept)
{
    struct wf_sign_pub mine = m.keys.sign_pub;

    m.keys.sign_pub = m.mesh.d[0].node_pub;
    ck_assert_int_eq(query("servers/hosts"), WEFT_E_HOLDER);
    m.keys.sign_pub = mine;
    ck_assert_uint_eq(token_files(), 0);
}
END_TEST

START_TEST(a_reply_of_another_kind_is_never_looked_into)
{
    atomic_store(&m.wrong_kind, 1);
    ck_assert_int_eq(query("servers/hosts"), WEFT_E_PROTOCOL);
    ck_assert_msg(query("servers/hosts") == WEFT_OK, "%s", problem.text);
}
END_TEST

// ---- queries -------------------------------------------------------------------------------------------------------------

START_TEST(rows_come_with_their_types)
{
    const struct weft_coverage *coverage = NULL;
    const char *reason = NULL;
    struct weft_value v;

    ck_assert_msg(query("servers/hosts") == WEFT_OK, "%s", problem.text);
    ck_assert_uint_eq(weft_rows_count(rows), 2);
    ck_assert_uint_eq(weft_rows_columns(rows), 5);
    ck_assert_str_eq(weft_rows_name(rows, 0), "station");
    ck_assert_ptr_null(weft_rows_name(rows, 5));
    weft_rows_value(rows, 1, 0, &v);
    ck_assert(v.type == WEFT_T_TEXT && v.bytes.len == 2);
    ck_assert_str_eq(v.bytes.ptr, "s1");
    weft_rows_value(rows, 1, 1, &v);
    ck_assert(v.type == WEFT_T_DOUBLE && v.real == 0.5);
    weft_rows_value(rows, 1, 2, &v);
    ck_assert(v.type == WEFT_T_INT && v.integer == -1);
    weft_rows_value(rows, 1, 3, &v);
    ck_assert(v.type == WEFT_T_BYTES && v.bytes.len == 2 && v.bytes.ptr[1] == 1);
    weft_rows_value(rows, 1, 4, &v);
    ck_assert_int_eq(v.type, 0);
    weft_rows_value(rows, 2, 0, &v); // beyond the end
    ck_assert_int_eq(v.type, 0);
    ck_assert_uint_eq(weft_rows_coverage(rows, &coverage), 1);
    ck_assert_str_eq(coverage[0].origin, "web-1");
    ck_assert_uint_eq(weft_rows_offset(rows), 99);
    ck_assert_int_eq(weft_rows_as_of_ms(rows), WF_TEST_NOW);
    ck_assert(!weft_rows_partial(rows, &reason));
}
END_TEST

START_TEST(pages_are_one_answer)
{
    m.query_pages = 50;
    ck_assert_int_eq(query("servers/hosts"), WEFT_OK);
    ck_assert_uint_eq(weft_rows_count(rows), 100);
    ck_assert_int_eq(atomic_load(&m.query_asked), 50);
    for (size_t i = 0; i < 100; i++) {
        struct weft_value v;
        weft_rows_value(rows, i, 2, &v);
        ck_assert_int_eq(v.integer, -(int64_t)i);
    }
}
END_TEST

// The fake's pages have two rows each: what the option names is where the answer ends, not the length of a page.
static const struct {
    const char *why;
    unsigned pages, max, count, asked;
    enum weft_err want;
    const char *partial, *reason;
} cuts[] = {
    { "within a page, others follow", 50, 3, 3, 2, WEFT_E_PARTIAL, NULL,
        "cut at 3 rows as it was asked, more are there" },
    { "at the end of a page, others follow", 50, 4, 4, 2, WEFT_E_PARTIAL, NULL,
        "cut at 4 rows as it was asked, more are there" },
    { "all that there is", 2, 4, 4, 2, WEFT_OK, NULL, "" },
    { "more than there is", 2, 5, 4, 2, WEFT_OK, NULL, "" },
    { "within the last page", 1, 1, 1, 1, WEFT_E_PARTIAL, NULL,
        "cut at 1 rows as it was asked, more are there" },
    { "and a host is away", 50, 2, 2, 1, WEFT_E_PARTIAL, "web-2 is late",
        "web-2 is late; cut at 2 rows as it was asked, more are there" },
};
START_TEST(the_most_rows_that_were_asked_for_end_the_answer)
{
    const struct weft_query_options o = { .max_rows = cuts[_i].max };
    const char *reason = NULL;

    m.query_pages = (uint8_t)cuts[_i].pages;
    m.partial = cuts[_i].partial;
    ck_assert_msg(
        weft_query(c, "servers/hosts", "SELECT * FROM hosts", &o, &rows, &problem) == cuts[_i].want,
        "%s: %s", cuts[_i].why, problem.text);
    ck_assert_msg(weft_rows_count(rows) == cuts[_i].count, "%s", cuts[_i].why);
    ck_assert_int_eq(atomic_load(&m.query_asked), (int)cuts[_i].asked);
    ck_assert(weft_rows_partial(rows, &reason) == (cuts[_i].want == WEFT_E_PARTIAL));
    ck_assert_str_eq(reason, cuts[_i].reason);
}
END_TEST

START_TEST(an_answer_that_lacks_its_last_page_is_none)
{
    m.query_pages = 5;
    m.query_refusal = "gone in between";
    m.query_refused_from = 4;
    ck_assert_int_eq(query("servers/hosts"), WEFT_E_COLUMN);
    ck_assert_ptr_null(rows);
    ck_assert_int_eq(atomic_load(&m.query_asked), 5);
}
END_TEST

START_TEST(pages_without_rows_that_promise_more_end_the_question)
{
    m.query_pages = 200;
    m.query_empty_from = 3;
    ck_assert_int_eq(query("servers/hosts"), WEFT_E_PROTOCOL);
    ck_assert_ptr_null(rows);
    ck_assert_int_eq(atomic_load(&m.query_asked), 4);
}
END_TEST

START_TEST(no_rows_are_an_answer)
{
    m.query_pages = 0;
    ck_assert_int_eq(query("servers/hosts"), WEFT_OK);
    ck_assert_uint_eq(weft_rows_count(rows), 0);
    ck_assert_uint_eq(weft_rows_columns(rows), 5);
}
END_TEST

START_TEST(a_partial_answer_has_its_rows_and_its_reason)
{
    const char *reason = NULL;

    m.partial = "web-2 is late";
    ck_assert_int_eq(query("servers/hosts"), WEFT_E_PARTIAL);
    ck_assert_uint_eq(weft_rows_count(rows), 2);
    ck_assert(weft_rows_partial(rows, &reason));
    ck_assert_str_eq(reason, "web-2 is late");
    ck_assert_ptr_nonnull(strstr(problem.text, "web-2 is late"));
}
END_TEST

START_TEST(a_refusal_comes_whole)
{
    m.query_refusal = "column version is not granted";
    ck_assert_int_eq(query("servers/hosts"), WEFT_E_COLUMN);
    ck_assert_ptr_null(rows);
    ck_assert_ptr_nonnull(strstr(problem.text, "column version is not granted"));
    ck_assert_str_eq(problem.caveat, "columns");
    ck_assert_str_eq(problem.audit_id, "a-17");
    ck_assert_str_eq(problem.hint, "weft access request servers/hosts");
}
END_TEST

START_TEST(a_refusal_steers_no_terminal)
{
    m.query_refusal = "gone\033]0;mine\007\302\2332J \342\200\256";
    ck_assert_int_eq(query("servers/hosts"), WEFT_E_COLUMN);
    ck_assert_msg(strstr(problem.text, "gone?]0;mine??2J ?") != NULL, "%s", problem.text);
}
END_TEST

START_TEST(a_product_that_moved_is_followed_once)
{
    atomic_store(&m.not_home, 1);
    ck_assert_msg(query("servers/hosts") == WEFT_OK, "%s", problem.text);
    atomic_store(&m.not_home, 2);
    ck_assert_int_eq(query("servers/hosts"), WEFT_E_NOT_HOME);
}
END_TEST

START_TEST(only_inventories_answer_queries)
{
    ck_assert_int_eq(query("servers/readings"), WEFT_E_TYPE);
    ck_assert_int_eq(atomic_load(&m.query_asked), 0);
    ck_assert_int_eq(query("servers/nothing"), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(weft_query(c, "servers/hosts", NULL, NULL, &rows, &problem), WEFT_E_USAGE);
}
END_TEST

// ---- calls ---------------------------------------------------------------------------------------------------------------

START_TEST(a_call_is_answered_in_json)
{
    static const uint8_t none[16];

    ck_assert_msg(
        call("servers/stations/Last", "{\"station\":\"a\"}") == WEFT_OK, "%s", problem.text);
    ck_assert_str_eq(result.json, "{\"station\":\"a\"}");
    ck_assert_str_eq(result.state, "done");
    ck_assert_str_eq(result.provider, "servers/node-1");
    ck_assert_str_eq(m.call_method, "Last");
    ck_assert_mem_eq(result.key, m.call_key, 16);
    ck_assert_mem_ne(result.key, none, 16);
}
END_TEST

START_TEST(the_callers_key_is_the_calls_key)
{
    static const uint8_t key[16] = "0123456789abcde";
    struct weft_call_options o = { .key = key };

    ck_assert_int_eq(weft_call(c, "servers/stations/Reset", NULL, &o, &result, &problem), WEFT_OK);
    ck_assert_str_eq(result.json, "{}");
    ck_assert_mem_eq(m.call_key, key, 16);
}
END_TEST

static const struct {
    const char *target, *json;
    enum weft_err want;
    const char *text;
} not_sent[] = {
    { "servers/stations/Last", "{\"station\":7}", WEFT_E_TYPE, "station" },
    { "servers/stations/Last", "{\"planet\":\"x\"}", WEFT_E_UNKNOWN_FIELD, "planet" },
    { "servers/stations/Last", "{", WEFT_E_SYNTAX, "Last" },
    { "servers/stations/Next", "{}", WEFT_E_METHOD, "no such method" },
    { "servers/readings/Last", "{}", WEFT_E_TYPE, "no api" },
    { "servers/stations", "{}", WEFT_E_SYNTAX, "Method" },
};

START_TEST(what_does_not_fit_is_not_sent)
{
    ck_assert_int_eq(call(not_sent[_i].target, not_sent[_i].json), not_sent[_i].want);
    ck_assert_msg(strstr(problem.text, not_sent[_i].text) != NULL, "%s", problem.text);
    ck_assert_int_eq(atomic_load(&m.call_asked), 0);
    ck_assert_ptr_null(result.json);
}
END_TEST

static const struct {
    const char *state, *error;
    int code;
    enum weft_err want;
} outcomes[] = {
    { "done", "disk on fire", 0, WEFT_E_PROVIDER },
    { "done", "disk on fire", WEFT_E_PROVIDER, WEFT_E_PROVIDER },
    { "running", "", 0, WEFT_E_RUNNING },
    { "not-delivered", "", WEFT_E_NO_PROVIDER, WEFT_E_NO_PROVIDER },
    { "not-delivered", "", 0, WEFT_E_NOT_DELIVERED },
    { "unknown", "", 0, WEFT_E_UNKNOWN_CALL },
    { "rubbish", "", 0, WEFT_E_PROTOCOL },
};

START_TEST(each_outcome_has_its_code)
{
    m.call_state = outcomes[_i].state;
    m.call_error = outcomes[_i].error;
    m.call_code = outcomes[_i].code;
    ck_assert_int_eq(call("servers/stations/Last", "{}"), outcomes[_i].want);
    ck_assert_ptr_null(result.json);
    if (outcomes[_i].error[0])
        ck_assert_ptr_nonnull(strstr(problem.text, outcomes[_i].error));
    ck_assert_str_eq(result.state, outcomes[_i].state);
}
END_TEST

START_TEST(a_lost_answer_leaves_the_outcome_unknown)
{
    ck_assert_int_eq(call("servers/stations/Last", "{}"), WEFT_OK);
    atomic_store(&m.knobs->hang_up, true);
    ck_assert_int_eq(call("servers/stations/Last", "{}"), WEFT_E_CLOSED);
    ck_assert_str_eq(result.state, "unknown");
    ck_assert_ptr_nonnull(strstr(problem.hint, "call status"));
}
END_TEST

START_TEST(an_earlier_call_can_be_asked_after)
{
    static const uint8_t key[16] = "0123456789abcde";

    m.call_state = "running";
    ck_assert_int_eq(
        weft_call_status(c, "servers/stations/Last", key, 0, &result, &problem), WEFT_E_RUNNING);
    ck_assert_str_eq(result.state, "running");
    m.call_state = "done";
    ck_assert_int_eq(
        weft_call_status(c, "servers/stations/Last", key, 10, &result, &problem), WEFT_OK);
    ck_assert_str_eq(result.json, "{}");
    ck_assert_int_eq(atomic_load(&m.access_asked), 0);
}
END_TEST

START_TEST(a_call_follows_its_product_once)
{
    atomic_store(&m.not_home, 1);
    ck_assert_int_eq(call("servers/stations/Last", "{}"), WEFT_OK);
    ck_assert_int_eq(atomic_load(&m.call_asked), 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ask");
    TCase *t = tcase_create("ask");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_token_is_asked_for_once_and_kept);
    tcase_add_test(t, an_expired_token_is_asked_for_again);
    tcase_add_loop_test(t, no_token_is_an_error_with_a_hint, 0, WF_COUNT(answers));
    tcase_add_test(t, a_token_for_another_holder_is_not_kept);
    tcase_add_test(t, a_reply_of_another_kind_is_never_looked_into);
    tcase_add_test(t, rows_come_with_their_types);
    tcase_add_test(t, pages_are_one_answer);
    tcase_add_loop_test(t, the_most_rows_that_were_asked_for_end_the_answer, 0, WF_COUNT(cuts));
    tcase_add_test(t, an_answer_that_lacks_its_last_page_is_none);
    tcase_add_test(t, pages_without_rows_that_promise_more_end_the_question);
    tcase_add_test(t, no_rows_are_an_answer);
    tcase_add_test(t, a_partial_answer_has_its_rows_and_its_reason);
    tcase_add_test(t, a_refusal_comes_whole);
    tcase_add_test(t, a_refusal_steers_no_terminal);
    tcase_add_test(t, a_product_that_moved_is_followed_once);
    tcase_add_test(t, only_inventories_answer_queries);
    tcase_add_test(t, a_call_is_answered_in_json);
    tcase_add_test(t, the_callers_key_is_the_calls_key);
    tcase_add_loop_test(t, what_does_not_fit_is_not_sent, 0, WF_COUNT(not_sent));
    tcase_add_loop_test(t, each_outcome_has_its_code, 0, WF_COUNT(outcomes));
    tcase_add_test(t, a_lost_answer_leaves_the_outcome_unknown);
    tcase_add_test(t, an_earlier_call_can_be_asked_after);
    tcase_add_test(t, a_call_follows_its_product_once);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
