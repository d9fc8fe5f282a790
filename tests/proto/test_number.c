// SPDX-License-Identifier: Apache-2.0
#include "proto/schema/number.h"

#include <check.h>
#include <float.h>
#include <locale.h>
#include <math.h>

#include "tests/support/support.h"

static const struct double_row {
    double v;
    const char *text;
} doubles[] = {
    { 0.0, "0.0" },
    { -0.0, "-0.0" },
    { 1.0, "1.0" },
    { -42.0, "-42.0" },
    { 0.1, "0.1" },
    { 0.3, "0.3" },
    { 0.1 + 0.2, "0.30000000000000004" },
    { 1e15, "1000000000000000.0" },
    { 9999999999999998.0, "9999999999999998.0" },
    { 1e16, "1e+16" },
    { 123456789012345680.0, "1.2345678901234568e+17" },
    { 0.0001, "0.0001" },
    { 0.00012345, "0.00012345" },
    { 0.00001, "1e-05" },
    { 1.5e-7, "1.5e-07" },
    { 1e100, "1e+100" },
    { 5e-324, "5e-324" },
    { 2.2250738585072014e-308, "2.2250738585072014e-308" },
    { DBL_MAX, "1.7976931348623157e+308" },
    { 6.653062250012736e-111, "6.653062250012736e-111" }, // 2^-366: the nearest 16 digits miss
    { 9007199254740993.0, "9007199254740992.0" },
};

START_TEST(a_double_prints_as_its_shortest_decimal)
{
    char text[WF_NUMBER_TEXT];
    double back = 0;

    ck_assert_uint_eq(wf_number_double(doubles[_i].v, text), strlen(doubles[_i].text));
    ck_assert_str_eq(text, doubles[_i].text);
    ck_assert_int_eq(wf_number_parse(wf_bytes_str(text), &back), WEFT_OK);
    ck_assert_msg(back == doubles[_i].v && signbit(back) == signbit(doubles[_i].v), "%s", text);
}
END_TEST

static const struct float_row {
    float v;
    const char *text;
} floats[] = {
    { 0.1f, "0.1" },
    { 1.0f, "1.0" },
    { -0.0f, "-0.0" },
    { 16777216.0f, "16777216.0" },
    { FLT_MAX, "3.4028235e+38" },
    { 1.401298464324817e-45f, "1.4013e-45" }, // six digits at least, as python3-protobuf
    { 0.3333333433f, "0.33333334" },
    { 1e10f, "10000000000.0" },
};

START_TEST(a_float_prints_with_as_few_digits_as_it_takes)
{
    char text[WF_NUMBER_TEXT];

    wf_number_float(floats[_i].v, text);
    ck_assert_str_eq(text, floats[_i].text);
}
END_TEST

START_TEST(every_double_reads_back_to_itself)
{
    uint64_t seed = 20260102;

    for (int i = 0; i < 20000; i++) {
        uint64_t bits = wf_test_rand(&seed);
        double v, back = 0;
        char text[WF_NUMBER_TEXT];
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v))
            continue;
        size_t len = wf_number_double(v, text);
        ck_assert_uint_lt(len, WF_NUMBER_TEXT);
        ck_assert_int_eq(wf_number_parse(wf_bytes(text, len), &back), WEFT_OK);
        ck_assert_msg(
            v == back && signbit(v) == signbit(back), "%016llx %s", (unsigned long long)bits, text);
    }
}
END_TEST

// The program that links libweft may have set a locale whose decimal point is a comma.
START_TEST(numbers_do_not_depend_on_the_locale)
{
    static const char *const commas[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
        "nl_NL.UTF-8" };
    char text[WF_NUMBER_TEXT];
    double v = 0;
    bool set = false;

    for (size_t i = 0; i < WF_COUNT(commas) && !set; i++)
        set = setlocale(LC_ALL, commas[i]) != NULL;
    wf_number_double(1234.5e-30, text);
    ck_assert_str_eq(text, "1.2345e-27");
    ck_assert_int_eq(wf_number_parse(WF_STR("0.25"), &v), WEFT_OK);
    ck_assert_double_eq(v, 0.25);
    ck_assert_int_eq(wf_number_parse(WF_STR("0,25"), &v), WEFT_E_SYNTAX);
    setlocale(LC_ALL, "C");
}
END_TEST

static const struct parse_row {
    const char *text;
    enum weft_err want;
} parses[] = {
    { "0", WEFT_OK },
    { "-0", WEFT_OK },
    { "12.5e+3", WEFT_OK },
    { "1E5", WEFT_OK },
    { "", WEFT_E_SYNTAX },
    { "-", WEFT_E_SYNTAX },
    { "01", WEFT_E_SYNTAX },
    { "+1", WEFT_E_SYNTAX },
    { ".5", WEFT_E_SYNTAX },
    { "1.", WEFT_E_SYNTAX },
    { "1e", WEFT_E_SYNTAX },
    { "1e+", WEFT_E_SYNTAX },
    { " 1", WEFT_E_SYNTAX },
    { "1 ", WEFT_E_SYNTAX },
    { "0x10", WEFT_E_SYNTAX },
    { "nan", WEFT_E_SYNTAX },
    { "inf", WEFT_E_SYNTAX },
    { "1_000", WEFT_E_SYNTAX },
    { "1e999", WEFT_E_RANGE },
    { "-1e999", WEFT_E_RANGE },
};

START_TEST(numbers_are_read_by_the_grammar_of_json)
{
    double v = 0;

    ck_assert_msg(wf_number_parse(wf_bytes_str(parses[_i].text), &v) == parses[_i].want, "%s",
        parses[_i].text);
}
END_TEST

START_TEST(integers_are_read_to_their_last_bit)
{
    int64_t i = 0;
    uint64_t u = 0;

    ck_assert_int_eq(wf_number_int(WF_STR("-9223372036854775808"), &i), WEFT_OK);
    ck_assert(i == INT64_MIN);
    ck_assert_int_eq(wf_number_int(WF_STR("9223372036854775807"), &i), WEFT_OK);
    ck_assert(i == INT64_MAX);
    ck_assert_int_eq(wf_number_uint(WF_STR("18446744073709551615"), &u), WEFT_OK);
    ck_assert(u == UINT64_MAX);
    ck_assert_int_eq(wf_number_int(WF_STR("9223372036854775808"), &i), WEFT_E_RANGE);
    ck_assert_int_eq(wf_number_int(WF_STR("-9223372036854775809"), &i), WEFT_E_RANGE);
    ck_assert_int_eq(wf_number_uint(WF_STR("18446744073709551616"), &u), WEFT_E_RANGE);
    ck_assert_int_eq(wf_number_uint(WF_STR("-1"), &u), WEFT_E_SYNTAX);
    ck_assert_int_eq(wf_number_int(WF_STR("--1"), &i), WEFT_E_SYNTAX);
    ck_assert_int_eq(wf_number_int(WF_STR("-"), &i), WEFT_E_SYNTAX);
    ck_assert_int_eq(wf_number_int(WF_STR("1.0"), &i), WEFT_E_SYNTAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("number");
    TCase *t = tcase_create("number");

    tcase_add_loop_test(t, a_double_prints_as_its_shortest_decimal, 0, (int)WF_COUNT(doubles));
    tcase_add_loop_test(t, a_float_prints_with_as_few_digits_as_it_takes, 0, (int)WF_COUNT(floats));
    tcase_add_test(t, every_double_reads_back_to_itself);
    tcase_add_test(t, numbers_do_not_depend_on_the_locale);
    tcase_add_loop_test(t, numbers_are_read_by_the_grammar_of_json, 0, (int)WF_COUNT(parses));
    tcase_add_test(t, integers_are_read_to_their_last_bit);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
