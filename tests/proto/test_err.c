// SPDX-License-Identifier: Apache-2.0
// The error table: numbers are unique and in their hundreds, exit statuses are those that DESIGN permits.
#include <check.h>
#include <ctype.h>

#include "tests/support/support.h"

static const struct row {
    int number, exit_status;
    const char *name, *text, *doc;
} rows[] = {
#define ROW(name, number, exit_status, text, doc) { number, exit_status, #name, text, doc },
    WEFT_ERR_TABLE(ROW)
#undef ROW
};

START_TEST(numbers_and_names_and_texts_are_unique)
{
    for (size_t i = 0; i < WF_COUNT(rows); i++)
        for (size_t k = 0; k < i; k++) {
            ck_assert_msg(
                rows[i].number != rows[k].number, "%s and %s", rows[i].name, rows[k].name);
            ck_assert_str_ne(rows[i].name, rows[k].name);
            ck_assert_msg(
                strcmp(rows[i].doc, rows[k].doc) != 0, "%s and %s", rows[i].name, rows[k].name);
        }
}
END_TEST

START_TEST(numbers_ascend_and_fit_the_wire)
{
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        ck_assert_int_gt(rows[i].number, i ? rows[i - 1].number : 0);
        ck_assert_int_le(rows[i].number, 999);
    }
}
END_TEST

START_TEST(a_failure_never_exits_with_success_or_a_status_outside_the_list)
{
    static const int permitted[] = { 1, 2, 64, 65, 69, 70, 75, 77, 78 };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        bool found = false;
        for (size_t k = 0; k < WF_COUNT(permitted); k++)
            found = found || rows[i].exit_status == permitted[k];
        ck_assert_msg(found, "%s exits with %d", rows[i].name, rows[i].exit_status);
    }
}
END_TEST

START_TEST(lookups_give_the_row)
{
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        enum weft_err err = (enum weft_err)rows[i].number;
        ck_assert_str_eq(weft_err_name(err), rows[i].name);
        ck_assert_str_eq(weft_err_text(err), rows[i].text);
        ck_assert_str_eq(weft_err_doc(err), rows[i].doc);
        ck_assert_int_eq(weft_err_exit(err), rows[i].exit_status);
    }
}
END_TEST

START_TEST(texts_are_short_sentences_without_a_full_stop)
{
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        size_t text_len = strlen(rows[i].text), doc_len = strlen(rows[i].doc);
        ck_assert_msg(text_len > 0 && text_len <= 40, "%s: '%s'", rows[i].name, rows[i].text);
        ck_assert_msg(
            doc_len > text_len / 2 && rows[i].doc[doc_len - 1] != '.', "%s", rows[i].name);
        for (const char *p = rows[i].name; *p; p++)
            ck_assert_msg(isupper((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_',
                "%s", rows[i].name);
    }
}
END_TEST

START_TEST(success_and_unknown_numbers_have_an_answer_too)
{
    ck_assert_str_eq(weft_err_name(WEFT_OK), "OK");
    ck_assert_int_eq(weft_err_exit(WEFT_OK), 0);
    ck_assert_str_eq(weft_err_text((enum weft_err)65535), "unknown error");
    ck_assert_str_eq(weft_err_name((enum weft_err)65535), "UNKNOWN");
    ck_assert_int_eq(weft_err_exit((enum weft_err)65535), 70);
    ck_assert_ptr_nonnull(weft_err_doc((enum weft_err)65535));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("err");
    TCase *t = tcase_create("err");

    tcase_add_test(t, numbers_and_names_and_texts_are_unique);
    tcase_add_test(t, numbers_ascend_and_fit_the_wire);
    tcase_add_test(t, a_failure_never_exits_with_success_or_a_status_outside_the_list);
    tcase_add_test(t, lookups_give_the_row);
    tcase_add_test(t, texts_are_short_sentences_without_a_full_stop);
    tcase_add_test(t, success_and_unknown_numbers_have_an_answer_too);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
