// SPDX-License-Identifier: Apache-2.0
// Row filters as text: what reads, what does not and where it says so, and that printing is the reverse.
#include <check.h>

#include "proto/base/limits.h"
#include "proto/trust/capability.h"
#include "tests/support/trust.h"

static const struct {
    const char *text, *printed; // printed NULL: the same
    size_t count;
} good[] = {
    { "host == 'web-1'", NULL, 1 },
    { "host == 'web-1' and used > 0.9", NULL, 2 },
    { "  a=='x'AND b!=1 and\tc<=-2.5e3  ", "a == 'x' and b != 1 and c <= -2.5e3", 3 },
    { "os.name == 'it''s'", NULL, 1 },
    { "up == true and down != false", NULL, 2 },
    { "text == ''", NULL, 1 },
    { "_age_s < 60", NULL, 1 },
    { "android >= 1", NULL, 1 },
    { "name == 'caf\xc3\xa9 and bar'", NULL, 1 },
};

START_TEST(filter_reads_and_prints_back)
{
    struct wf_arena arena;
    struct wf_row_term *terms = NULL;
    struct wf_buf out = { 0 };
    struct wf_diag diag = { 0 };
    size_t count = 0;

    wf_arena_init(&arena, 1u << 20);
    ck_assert_msg(
        wf_row_filter_parse(wf_bytes_str(good[_i].text), &arena, &terms, &count, &diag) == WEFT_OK,
        "%s: %s", good[_i].text, diag.text);
    ck_assert_uint_eq(count, good[_i].count);
    ck_assert_int_eq(wf_row_filter_print(terms, count, &out), WEFT_OK);
    const char *want = good[_i].printed ? good[_i].printed : good[_i].text;
    ck_assert_msg(wf_bytes_is(wf_buf_view(&out), want), "%.*s", (int)out.len, (char *)out.ptr);
    wf_buf_fini(&out);
    wf_arena_fini(&arena);
}
END_TEST

static const struct {
    const char *why, *text;
    unsigned column;
} bad[] = {
    { "nothing", "", 1 },
    { "no column", "== 1", 1 },
    { "a column that begins with a digit", "1a == 1", 1 },
    { "no comparison", "a 1", 3 },
    { "one equals sign", "a = 1", 3 },
    { "no literal", "a ==", 5 },
    { "a word for a literal", "a == b", 6 },
    { "an open text", "a == 'x", 6 },
    { "a double quote", "a == \"x\"", 6 },
    { "a number with a leading zero", "a == 01", 6 },
    { "or", "a == 1 or b == 2", 8 },
    { "no term after and", "a == 1 and", 11 },
    { "and twice", "a == 1 and and b == 2", 12 },
    { "something after it", "a == 1 ;", 8 },
    { "SQL", "a == 1; DROP TABLE hosts", 7 },
    { "a comparison of flags by size", "a < true", 5 },
    { "a text that is not UTF-8", "a == '\xff'", 6 },
};

START_TEST(bad_filter_says_where)
{
    struct wf_arena arena;
    struct wf_row_term *terms = NULL;
    struct wf_diag diag = { 0 };
    size_t count = 0;

    wf_arena_init(&arena, 1u << 20);
    enum weft_err err =
        wf_row_filter_parse(wf_bytes_str(bad[_i].text), &arena, &terms, &count, &diag);
    ck_assert_msg(err == WEFT_E_SYNTAX, "%s: %s", bad[_i].why, weft_err_name(err));
    ck_assert_msg(diag.column == bad[_i].column, "%s: %s", bad[_i].why, diag.text);
    ck_assert_ptr_null(terms);
    wf_arena_fini(&arena);
}
END_TEST

START_TEST(long_filters_are_refused)
{
    struct wf_arena arena;
    struct wf_row_term *terms = NULL;
    struct wf_buf text = { 0 };
    size_t count = 0;

    wf_arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < WF_MAX_CAVEAT_ITEMS; i++)
        ck_assert_int_eq(wf_buf_append_str(&text, i ? " and a == 1" : "a == 1"), WEFT_OK);
    ck_assert_int_eq(
        wf_row_filter_parse(wf_buf_view(&text), &arena, &terms, &count, NULL), WEFT_OK);
    ck_assert_uint_eq(count, WF_MAX_CAVEAT_ITEMS);
    ck_assert_int_eq(wf_buf_append_str(&text, " and a == 1"), WEFT_OK);
    ck_assert_int_eq(
        wf_row_filter_parse(wf_buf_view(&text), &arena, &terms, &count, NULL), WEFT_E_TOO_BIG);
    static char big[WF_MAX_TOKEN + 1];
    ck_assert_int_eq(
        wf_row_filter_parse(WF_BYTES(big), &arena, &terms, &count, NULL), WEFT_E_TOO_BIG);
    wf_buf_fini(&text);
    wf_arena_fini(&arena);
}
END_TEST

static enum weft_err parse_and_print(struct wf_bytes text, void *context)
{
    struct wf_arena arena;
    struct wf_row_term *terms = NULL;
    struct wf_buf out = { 0 };
    size_t count = 0;

    (void)context;
    wf_arena_init(&arena, 1u << 20);
    enum weft_err err = wf_row_filter_parse(text, &arena, &terms, &count, NULL);
    if (!err)
        err = wf_row_filter_print(terms, count, &out);
    wf_buf_fini(&out);
    wf_arena_fini(&arena);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(WF_STR("a == 'x' and b == 1 and c == true"), parse_and_print, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("row_filter");
    TCase *t = tcase_create("row_filter");

    tcase_add_loop_test(t, filter_reads_and_prints_back, 0, (int)WF_COUNT(good));
    tcase_add_loop_test(t, bad_filter_says_where, 0, (int)WF_COUNT(bad));
    tcase_add_test(t, long_filters_are_refused);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
