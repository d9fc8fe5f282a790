// SPDX-License-Identifier: Apache-2.0
// Lines, words, numbers and bounded files.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domains/common/bounds.h"
#include "domains/common/text.h"
#include "tests/support/support.h"

static const struct u64_row {
    const char *why, *in;
    enum weft_err want;
    uint64_t value;
} u64s[] = {
    { "zero", "0", WEFT_OK, 0 },
    { "leading zeros", "0007", WEFT_OK, 7 },
    { "the largest", "18446744073709551615", WEFT_OK, UINT64_MAX },
    { "one more than the largest", "18446744073709551616", WEFT_E_RANGE, 0 },
    { "a digit more", "184467440737095516150", WEFT_E_RANGE, 0 },
    { "empty", "", WEFT_E_SYNTAX, 0 },
    { "a sign", "+1", WEFT_E_SYNTAX, 0 },
    { "negative", "-1", WEFT_E_SYNTAX, 0 },
    { "a blank", "1 ", WEFT_E_SYNTAX, 0 },
    { "hexadecimal", "0x10", WEFT_E_SYNTAX, 0 },
};

START_TEST(a_number_is_digits_and_never_wraps)
{
    const struct u64_row *r = &u64s[_i];
    uint64_t v = 42;

    ck_assert_msg(wf_text_u64(wf_text(r->in), &v) == r->want, "%s", r->why);
    ck_assert_msg(v == (r->want ? 42 : r->value), "%s", r->why);
}
END_TEST

START_TEST(a_u32_ends_at_32_bits)
{
    uint32_t v = 42;

    ck_assert_int_eq(wf_text_u32(wf_text("4294967295"), &v), WEFT_OK);
    ck_assert_uint_eq(v, UINT32_MAX);
    ck_assert_int_eq(wf_text_u32(wf_text("4294967296"), &v), WEFT_E_RANGE);
    ck_assert_int_eq(wf_text_u32(wf_text("x"), &v), WEFT_E_SYNTAX);
}
END_TEST

static const struct decimal_row {
    const char *in;
    enum weft_err want;
    double value;
} decimals[] = {
    { "0", WEFT_OK, 0 },
    { "12.02", WEFT_OK, 12.02 },
    { "350735.47", WEFT_OK, 350735.47 },
    { "", WEFT_E_SYNTAX, 0 },
    { ".5", WEFT_E_SYNTAX, 0 },
    { "5.", WEFT_E_SYNTAX, 0 },
    { "1.2.3", WEFT_E_SYNTAX, 0 },
    { "-1", WEFT_E_SYNTAX, 0 },
    { "1e5", WEFT_E_SYNTAX, 0 },
    { "nan", WEFT_E_SYNTAX, 0 },
    { "11111111111111111111111111111111111111111", WEFT_E_SYNTAX, 0 },
};

START_TEST(a_decimal_is_digits_with_one_point_inside)
{
    double v = -1;

    ck_assert_msg(
        wf_text_decimal(wf_text(decimals[_i].in), &v) == decimals[_i].want, "%s", decimals[_i].in);
    ck_assert_msg(v == (decimals[_i].want ? -1 : decimals[_i].value), "%s", decimals[_i].in);
}
END_TEST

static void assert_pieces(const char *in, char how, const char *const *want)
{
    struct wf_text rest = wf_text(in), piece;
    size_t i = 0;

    while (how == 'w'   ? wf_text_word(&rest, &piece)
           : how == 'l' ? wf_text_line(&rest, &piece)
                        : wf_text_field(&rest, how, &piece)) {
        ck_assert_msg(
            want[i] != NULL, "\"%s\": one too many: \"%.*s\"", in, (int)piece.len, piece.ptr);
        ck_assert_msg(wf_text_is(piece, want[i]), "\"%s\": \"%.*s\", want \"%s\"", in,
            (int)piece.len, piece.ptr, want[i]);
        i++;
    }
    ck_assert_msg(want[i] == NULL, "\"%s\": \"%s\" is missing", in, want[i]);
}

START_TEST(text_is_taken_apart_as_written)
{
    assert_pieces("a\nb\n", 'l', (const char *[]){ "a", "b", NULL });
    assert_pieces("a\n\nb", 'l', (const char *[]){ "a", "", "b", NULL });
    assert_pieces("\n", 'l', (const char *[]){ "", NULL });
    assert_pieces("", 'l', (const char *[]){ NULL });
    assert_pieces("  a\t b\r", 'w', (const char *[]){ "a", "b", NULL });
    assert_pieces(" \t", 'w', (const char *[]){ NULL });
    assert_pieces("a::b:", ':', (const char *[]){ "a", "", "b", "", NULL });
    assert_pieces("", ':', (const char *[]){ "", NULL });
    struct wf_text nothing = { NULL, 0 }, piece;
    ck_assert(!wf_text_field(&nothing, ':', &piece));
    ck_assert(!wf_text_word(&nothing, &piece));
    ck_assert(!wf_text_line(&nothing, &piece));
}
END_TEST

START_TEST(a_copy_fits_or_is_refused)
{
    char out[4] = "zzz";

    ck_assert_int_eq(wf_text_copy(wf_text("abcd"), out, sizeof out), WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_text_copy((struct wf_text){ "a\0b", 3 }, out, sizeof out), WEFT_E_SYNTAX);
    ck_assert_str_eq(out, "zzz");
    ck_assert_int_eq(wf_text_copy(wf_text("abc"), out, sizeof out), WEFT_OK);
    ck_assert_str_eq(out, "abc");
    ck_assert_int_eq(wf_text_copy((struct wf_text){ NULL, 0 }, out, sizeof out), WEFT_OK);
    ck_assert_str_eq(out, "");
}
END_TEST

static void write_bytes(const char *path, size_t len)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < len; i++)
        fputc('x', f);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(a_file_of_exactly_the_limit_is_read_and_a_longer_one_refused)
{
    char path[600];
    struct wf_file f;
    static const size_t limits[] = { 0, 1, 100, 16383, 16384, 16385, 100000 };

    snprintf(path, sizeof path, "%s/file", wf_test_tmpdir());
    for (size_t i = 0; i < WF_COUNT(limits); i++) {
        write_bytes(path, limits[i]);
        ck_assert_int_eq(wf_file_read("", path, limits[i], &f), WEFT_OK);
        ck_assert_uint_eq(f.len, limits[i]);
        wf_file_fini(&f);
        write_bytes(path, limits[i] + 1);
        ck_assert_int_eq(wf_file_read("", path, limits[i], &f), WEFT_E_TOO_BIG);
    }
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_and_never_waited_for)
{
    char path[600];
    struct wf_file f;

    snprintf(path, sizeof path, "%s/fifo", wf_test_tmpdir());
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(wf_file_read("", path, 100, &f), WEFT_E_TYPE);
    ck_assert_int_eq(wf_file_read("", "/dev/null", 100, &f), WEFT_E_TYPE);
    ck_assert_int_eq(wf_file_read("", wf_test_tmpdir(), 100, &f), WEFT_E_TYPE);
    ck_assert_int_eq(wf_file_read(wf_test_tmpdir(), "/none", 100, &f), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_file_read(wf_test_tmpdir(), "/fifo/none", 100, &f), WEFT_E_NOT_FOUND);
}
END_TEST

START_TEST(a_path_beyond_the_limit_is_refused)
{
    static char path[WF_HOST_MAX_PATH + 1];
    struct wf_file f;

    memset(path, 'p', WF_HOST_MAX_PATH);
    path[0] = '/';
    ck_assert_int_eq(wf_file_read("", path, 100, &f), WEFT_E_TOO_BIG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, a_number_is_digits_and_never_wraps, 0, (int)WF_COUNT(u64s));
    tcase_add_test(tc, a_u32_ends_at_32_bits);
    tcase_add_loop_test(tc, a_decimal_is_digits_with_one_point_inside, 0, (int)WF_COUNT(decimals));
    tcase_add_test(tc, text_is_taken_apart_as_written);
    tcase_add_test(tc, a_copy_fits_or_is_refused);
    tcase_add_test(tc, a_file_of_exactly_the_limit_is_read_and_a_longer_one_refused);
    tcase_add_test(tc, what_is_no_regular_file_is_refused_and_never_waited_for);
    tcase_add_test(tc, a_path_beyond_the_limit_is_refused);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
