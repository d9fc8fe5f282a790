// SPDX-License-Identifier: Apache-2.0
// <weft/conf.h>: places, all mistakes at once, suggestions, whose file it is, and what is no file at all.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weft/conf.h>

#include "tests/support/support.h"

static struct weft_conf *parsed(const char *text)
{
    struct weft_conf *c = NULL;
    struct weft_problem p = { 0 };

    ck_assert_msg(weft_conf_parse(text, strlen(text), "f.yaml", &c, &p) == WEFT_OK, "%s", p.text);
    return c;
}

START_TEST(values_have_their_place_and_stay_text)
{
    struct weft_conf *c = parsed("a: {b: [on, \"1.10\"]}\nc: null\n");
    const struct weft_conf_node *root = weft_conf_root(c), *a = weft_conf_get(root, "a");
    const struct weft_conf_node *b = weft_conf_get(a, "b");

    ck_assert_int_eq(root->kind, WEFT_CONF_MAP);
    ck_assert_uint_eq(root->count, 2);
    ck_assert_int_eq(b->kind, WEFT_CONF_LIST);
    ck_assert_str_eq(b->key, "b");
    ck_assert_uint_eq(b->key_column, 5);
    ck_assert_str_eq(b->child->text, "on");
    ck_assert(b->child->plain);
    ck_assert_str_eq(b->child->next->text, "1.10");
    ck_assert(!b->child->next->plain);
    ck_assert_ptr_null(b->child->next->next);
    ck_assert_str_eq(a->next->text, "null");
    ck_assert_uint_eq(a->next->line, 2);
    ck_assert_uint_eq(a->next->column, 4);
    ck_assert_ptr_null(weft_conf_get(root, "d"));
    ck_assert_ptr_null(weft_conf_get(b, "b"));
    ck_assert_str_eq(weft_conf_errors(c), "");
    weft_conf_free(c);
}
END_TEST

START_TEST(all_mistakes_come_at_once_in_the_order_of_the_file)
{
    static const char *const known[] = { "name", "labels", NULL };
    struct weft_conf *c = parsed("name: a\nlabel: 1\nname: b\nzzzzzz: 2\n");

    weft_conf_error(c, 0, 0, "nothing in %s", "it");
    weft_conf_known(c, weft_conf_root(c), known);
    ck_assert_str_eq(weft_conf_errors(c),
        "f.yaml: nothing in it\n"
        "f.yaml:2:1: unknown key \"label\" (did you mean \"labels\"?)\n"
        "f.yaml:3:1: key \"name\" again (first in line 1)\n"
        "f.yaml:4:1: unknown key \"zzzzzz\"\n");
    weft_conf_free(c);
}
END_TEST

START_TEST(a_broken_text_gives_what_came_before_it_and_an_error)
{
    static const struct {
        const char *text, *error, *why;
    } rows[] = {
        { "a: 1\nb: [2\n", "did not find expected", "the list is not closed" },
        { "a: &x 1\n", "anchors are not supported", "an anchor" },
        { "a: !!int 1\n", "tags are not supported", "a tag" },
        { "word\n", "want keys and values", "a value alone" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_conf *c = parsed(rows[i].text);
        ck_assert_msg(
            strstr(weft_conf_errors(c), rows[i].error), "%s: %s", rows[i].why, weft_conf_errors(c));
        ck_assert_ptr_nonnull(weft_conf_root(c));
        weft_conf_free(c);
    }
    struct weft_conf *empty = parsed("");
    ck_assert_int_eq(weft_conf_root(empty)->kind, WEFT_CONF_MAP);
    ck_assert_str_eq(weft_conf_errors(empty), "");
    weft_conf_free(empty);
}
END_TEST

START_TEST(a_file_that_decides_what_is_run_is_nobody_elses)
{
    char path[512];
    struct weft_conf *c = NULL;
    struct weft_problem p = { 0 };

    snprintf(path, sizeof path, "%s/owned.yaml", wf_test_tmpdir());
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("a: 1\nb\n", f);
    fclose(f);
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_ne(weft_conf_open(path, WEFT_CONF_OWNED, &c, &p), WEFT_OK);
    ck_assert_ptr_nonnull(strstr(p.text, "owned.yaml: "));
    ck_assert_int_eq(weft_conf_open(path, 0, &c, &p), WEFT_OK);
    ck_assert_ptr_nonnull(strstr(weft_conf_errors(c), "owned.yaml:"));
    weft_conf_free(c);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(weft_conf_open(path, WEFT_CONF_OWNED, &c, &p), WEFT_OK);
    weft_conf_free(c);
    ck_assert_int_eq(weft_conf_open("/nowhere/x", 0, &c, &p), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(p.err, WEFT_E_NOT_FOUND);
    ck_assert_int_eq(weft_conf_open("/", 0, &c, &p), WEFT_E_TYPE);
}
END_TEST

START_TEST(more_than_a_file_may_have_is_refused)
{
    size_t len = (1u << 20) + 1;
    char *text = malloc(len);
    struct weft_conf *c = NULL;
    struct weft_problem p = { 0 };

    ck_assert_ptr_nonnull(text);
    memset(text, '#', len);
    ck_assert_int_eq(weft_conf_parse(text, len, "f", &c, &p), WEFT_E_TOO_BIG);
    ck_assert_str_eq(p.text, "f: larger than 1024 KiB");
    ck_assert_int_eq(weft_conf_parse(text, len - 1, "f", &c, &p), WEFT_OK);
    weft_conf_free(c);
    free(text);
}
END_TEST

START_TEST(durations_are_those_of_every_file)
{
    int64_t ms = 0;

    ck_assert_int_eq(weft_conf_duration("1h30m", &ms), WEFT_OK);
    ck_assert_int_eq(ms, 5400000);
    ck_assert_int_eq(weft_conf_duration("30", &ms), WEFT_E_SYNTAX);
    ck_assert_int_eq(weft_conf_duration("999999999w", &ms), WEFT_E_RANGE);
    ck_assert_int_eq(ms, 5400000);
}
END_TEST

START_TEST(no_memory_is_an_error_that_leaks_nothing)
{
    static const char text[] = "a: [1, {b: 2}]\n";
    enum weft_err err = WEFT_E_NOMEM;

    for (long n = 1; err == WEFT_E_NOMEM; n++) {
        struct weft_conf *c = NULL;
        wf_test_fail_alloc(n);
        err = weft_conf_parse(text, sizeof text - 1, "f", &c, NULL);
        wf_test_fail_alloc(-1);
        ck_assert_msg(err == WEFT_OK || (err == WEFT_E_NOMEM && !c), "allocation %ld", n);
        weft_conf_free(c);
        ck_assert_int_lt(n, 10000);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sdk.config");
    TCase *t = tcase_create("all");

    tcase_add_test(t, values_have_their_place_and_stay_text);
    tcase_add_test(t, all_mistakes_come_at_once_in_the_order_of_the_file);
    tcase_add_test(t, a_broken_text_gives_what_came_before_it_and_an_error);
    tcase_add_test(t, a_file_that_decides_what_is_run_is_nobody_elses);
    tcase_add_test(t, more_than_a_file_may_have_is_refused);
    tcase_add_test(t, durations_are_those_of_every_file);
    tcase_add_test(t, no_memory_is_an_error_that_leaks_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
