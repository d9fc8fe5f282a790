// SPDX-License-Identifier: Apache-2.0
// The JSON writer of sources: escapes, UTF-8, numbers, times, limits.
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "domains/common/bounds.h"
#include "domains/common/out.h"
#include "tests/support/support.h"

static void assert_row(struct wf_out *o, const char *want, const char *why)
{
    ck_assert_int_eq(wf_out_close_row(o), WEFT_OK);
    const struct wf_row *r = &o->rows[o->row_count - 1];
    ck_assert_msg(
        r->end - r->start == strlen(want) && memcmp(o->ptr + r->start, want, strlen(want)) == 0,
        "%s: %.*s, want %s", why, (int)(r->end - r->start), o->ptr + r->start, want);
}

static const struct string_row {
    const char *why, *in, *want;
} strings[] = {
    { "empty", "", "" },
    { "quote and backslash", "a\"b\\c", "a\\\"b\\\\c" },
    { "control characters, but not DEL", "\x01\t\n\x1f\x7f", "\\u0001\\u0009\\u000a\\u001f\x7f" },
    { "a slash is left alone", "a/b", "a/b" },
    { "two, three and four bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
        "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
    { "the last code point", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
    { "above the last code point", "\xf4\x90\x80\x80",
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { "overlong slash", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
    { "overlong in three bytes", "\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { "overlong in four bytes", "\xf0\x80\x80\xaf",
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { "a surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { "the code point before the surrogates", "\xed\x9f\xbf", "\xed\x9f\xbf" },
    { "a character cut at the end", "a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd" },
    { "a lone continuation byte", "\x80x", "\xef\xbf\xbdx" },
    { "Latin-1", "caf\xe9!", "caf\xef\xbf\xbd!" },
};

START_TEST(a_string_becomes_valid_json_in_valid_utf8)
{
    const struct string_row *r = &strings[_i];
    struct wf_out o = { 0 };
    char want[200];

    snprintf(want, sizeof want, "{\"s\":\"%s\"}", r->want);
    wf_out_open_row(&o);
    wf_out_str(&o, "s", wf_text(r->in));
    assert_row(&o, want, r->why);
    json_t *v = json_loadb(o.ptr, o.len, 0, NULL);
    ck_assert_msg(v != NULL, "%s: no JSON", r->why);
    json_decref(v);
    wf_out_fini(&o);
}
END_TEST

START_TEST(a_nul_is_escaped)
{
    struct wf_out o = { 0 };

    wf_out_open_row(&o);
    wf_out_str(&o, "s", (struct wf_text){ "a\0b", 3 });
    assert_row(&o, "{\"s\":\"a\\u0000b\"}", "NUL");
    wf_out_fini(&o);
}
END_TEST

START_TEST(a_long_string_is_cut_at_a_character)
{
    static char text[WF_HOST_MAX_VALUE + 10];
    struct wf_out o = { 0 };

    // The two bytes of the last character that would fit lie on both sides of the limit.
    memset(text, 'a', sizeof text);
    memcpy(text + WF_HOST_MAX_VALUE - 1, "\xc3\xa9", 2);
    wf_out_open_row(&o);
    wf_out_str(&o, "s", (struct wf_text){ text, sizeof text });
    ck_assert_int_eq(wf_out_close_row(&o), WEFT_OK);
    ck_assert_uint_eq(o.len, strlen("{\"s\":\"\"}") + WF_HOST_MAX_VALUE - 1);
    wf_out_fini(&o);
}
END_TEST

static const struct number_row {
    double value;
    const char *want;
} numbers[] = {
    { 0.0, "0" },
    { -0.0, "-0" },
    { 0.1, "0.1" },
    { 11.6, "11.6" },
    { 1.0 / 3.0, "0.333333333333333"
                 "3" },
    { 0.1 + 0.2, "0.30000000000000004" },
    { 123456789.25, "123456789.25" },
    { 1e15, "1e+15" },
    { 1e300, "1e+300" },
    { 5e-324, "4.94065645841247e-324" },
    { 1.7976931348623157e308, "1.7976931348623157e+308" },
    { NAN, "\"NaN\"" },
    { INFINITY, "\"Infinity\"" },
    { -INFINITY, "\"-Infinity\"" },
};

START_TEST(a_double_is_the_shortest_text_that_reads_back)
{
    const struct number_row *r = &numbers[_i];
    struct wf_out o = { 0 };
    char want[100];

    snprintf(want, sizeof want, "{\"d\":%s}", r->want);
    wf_out_open_row(&o);
    wf_out_double(&o, "d", r->value);
    assert_row(&o, want, r->want);
    wf_out_fini(&o);
}
END_TEST

START_TEST(random_doubles_read_back_bit_for_bit)
{
    uint64_t seed = 7;

    for (int i = 0; i < 20000; i++) {
        struct wf_out o = { 0 };
        uint64_t bits = wf_test_rand(&seed);
        double v = 0;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v))
            continue;
        wf_out_open_row(&o);
        wf_out_double(&o, "d", v);
        ck_assert_int_eq(wf_out_close_row(&o), WEFT_OK);
        o.ptr[o.len - 1] = '\0';
        double back = strtod(o.ptr + strlen("{\"d\":"), NULL);
        ck_assert_msg(memcmp(&back, &v, sizeof v) == 0, "%s", o.ptr);
        wf_out_fini(&o);
    }
}
END_TEST

START_TEST(integers_of_64_bits_stand_in_quotes_and_smaller_ones_do_not)
{
    struct wf_out o = { 0 };

    wf_out_open_row(&o);
    wf_out_u64(&o, "a", UINT64_MAX);
    wf_out_u32(&o, "b", UINT32_MAX);
    wf_out_bool(&o, "c", true);
    wf_out_bool(&o, "d", false);
    assert_row(
        &o, "{\"a\":\"18446744073709551615\",\"b\":4294967295,\"c\":true,\"d\":false}", "numbers");
    wf_out_fini(&o);
}
END_TEST

static const struct time_row {
    int64_t unix_ms;
    const char *want;
} times[] = {
    { 0, "1970-01-01T00:00:00Z" },
    { 1, "1970-01-01T00:00:00.001Z" },
    { -1, "1969-12-31T23:59:59.999Z" },
    { 951782400000, "2000-02-29T00:00:00Z" },
    { 1795224273233, "2026-11-21T01:24:33.233Z" },
    { INT64_MAX, "9999-12-31T23:59:59.999Z" },
    { INT64_MIN, "0001-01-01T00:00:00Z" },
};

START_TEST(a_time_is_rfc_3339_within_the_years_of_protobuf)
{
    char text[WF_OUT_TIME_LEN];

    wf_out_time_text(times[_i].unix_ms, text);
    ck_assert_str_eq(text, times[_i].want);
}
END_TEST

START_TEST(commas_stand_between_values_at_every_depth)
{
    struct wf_out o = { 0 };

    wf_out_open_row(&o);
    wf_out_open_list(&o, "none");
    wf_out_close_list(&o);
    wf_out_open_list(&o, "two");
    wf_out_item(&o, wf_text("["));
    wf_out_item(&o, wf_text("{"));
    wf_out_close_list(&o);
    wf_out_open_object(&o, "o");
    wf_out_u32(&o, "x", 1);
    wf_out_u32(&o, "y", 2);
    wf_out_close_object(&o);
    wf_out_open_list(&o, "rows");
    wf_out_open_item(&o);
    wf_out_close_object(&o);
    wf_out_open_item(&o);
    wf_out_u32(&o, "z", 3);
    wf_out_close_object(&o);
    wf_out_close_list(&o);
    assert_row(&o,
        "{\"none\":[],\"two\":[\"[\",\"{\"],\"o\":{\"x\":1,\"y\":2},\"rows\":[{},{\"z\":3}]}",
        "nesting");
    wf_out_fini(&o);
}
END_TEST

START_TEST(a_row_beyond_the_limit_is_refused_and_the_error_stays)
{
    struct wf_out o = { 0 };
    char text[WF_HOST_MAX_VALUE];

    memset(text, 'x', sizeof text);
    wf_out_open_row(&o);
    for (unsigned i = 0; i <= WF_HOST_MAX_ROW / WF_HOST_MAX_VALUE; i++)
        wf_out_str(&o, "s", (struct wf_text){ text, sizeof text });
    ck_assert_int_eq(wf_out_close_row(&o), WEFT_E_TOO_BIG);
    ck_assert_uint_eq(o.row_count, 0);
    wf_out_open_row(&o);
    ck_assert_int_eq(wf_out_close_row(&o), WEFT_E_TOO_BIG);
    wf_out_reset(&o);
    wf_out_open_row(&o);
    assert_row(&o, "{}", "after a reset");
    wf_out_fini(&o);
}
END_TEST

START_TEST(rows_that_are_kept_hold_no_more_than_they_need)
{
    struct wf_out o = { 0 };

    wf_out_fit(&o);
    ck_assert_ptr_null(o.ptr);
    for (int round = 0; round < 2; round++) {
        wf_out_open_row(&o);
        wf_out_u32(&o, "n", round ? 77 : 7);
        ck_assert_int_eq(wf_out_close_row(&o), WEFT_OK);
        ck_assert_uint_gt(o.cap, o.len);
        wf_out_fit(&o);
        ck_assert_uint_eq(o.cap, o.len);
        ck_assert_uint_eq(o.row_cap, o.row_count);
    }
    ck_assert_uint_eq(o.row_count, 2);
    ck_assert_mem_eq(o.ptr, "{\"n\":7}{\"n\":77}", o.len);
    wf_out_fini(&o);
}
END_TEST

START_TEST(a_failing_allocation_sticks)
{
    bool failed = true;

    for (long n = 1; failed; n++) {
        struct wf_out o = { 0 };
        enum weft_err err = WEFT_OK;
        wf_test_fail_alloc(n);
        for (int i = 0; i < 300 && !err; i++) {
            wf_out_open_row(&o);
            wf_out_str(
                &o, "name", wf_text("a value of some length, to make the text grow a few times"));
            err = wf_out_close_row(&o);
        }
        failed = wf_test_alloc_count() >= n;
        wf_test_fail_alloc(-1);
        ck_assert_int_eq(err, failed ? WEFT_E_NOMEM : WEFT_OK);
        wf_out_fini(&o);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("out");
    TCase *tc = tcase_create("writer");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, a_string_becomes_valid_json_in_valid_utf8, 0, (int)WF_COUNT(strings));
    tcase_add_test(tc, a_nul_is_escaped);
    tcase_add_test(tc, a_long_string_is_cut_at_a_character);
    tcase_add_loop_test(
        tc, a_double_is_the_shortest_text_that_reads_back, 0, (int)WF_COUNT(numbers));
    tcase_add_test(tc, random_doubles_read_back_bit_for_bit);
    tcase_add_test(tc, integers_of_64_bits_stand_in_quotes_and_smaller_ones_do_not);
    tcase_add_loop_test(
        tc, a_time_is_rfc_3339_within_the_years_of_protobuf, 0, (int)WF_COUNT(times));
    tcase_add_test(tc, commas_stand_between_values_at_every_depth);
    tcase_add_test(tc, a_row_beyond_the_limit_is_refused_and_the_error_stays);
    tcase_add_test(tc, rows_that_are_kept_hold_no_more_than_they_need);
    tcase_add_test(tc, a_failing_allocation_sticks);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
