// SPDX-License-Identifier: Apache-2.0
// Lines of passwd and group, odd ones first of all: what the C library takes for an account is in the rows, with its numbers, and nothing else is.
#include <check.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "domains/common/accounts.h"
#include "domains/common/bounds.h"
#include "tests/support/support.h"

static json_t *row(const struct wf_out *out, size_t i)
{
    json_t *v = json_loadb(out->ptr + out->rows[i].start, out->rows[i].end - out->rows[i].start,
        JSON_REJECT_DUPLICATES, NULL);

    ck_assert_ptr_nonnull(v);
    return v;
}

static struct wf_out accounts_of(const char *passwd, const char *group)
{
    struct wf_out out = { 0 };

    ck_assert_int_eq(wf_accounts_put(&out, wf_text(passwd), wf_text(group)), WEFT_OK);
    return out;
}

static const char *text(const json_t *row, const char *field)
{
    return json_string_value(json_object_get(row, field));
}

static const struct account_row {
    const char *why, *line;
    const char *want; // NAME UID GID HOME SHELL with '|' between; NULL: no account
} accounts[] = {
    { "as it should be", "a:x:1000:100:A,1,2:/home/a:/bin/sh", "a|1000|100|/home/a|/bin/sh" },
    { "no shell", "a:x:1:2:g:/h:", "a|1|2|/h|" },
    { "fields missing behind the group", "a:x:0:0", "a|0|0||" },
    { "the group is missing", "a:x:0", NULL },
    { "a field too many belongs to the shell", "a:x:1:2:g:/h:/bin/sh:x", "a|1|2|/h|/bin/sh:x" },
    { "blanks before the name", " \t a:x:1:2::/:", "a|1|2|/|" },
    { "no name, and yet root", ":x:0:0::/:", "|0|0|/|" },
    { "a comment", "# a:x:0:0::/:", NULL },
    { "a comment behind blanks", "  #a:x:0:0::/:", NULL },
    { "an empty line", "", NULL },
    { "blanks alone", "  ", NULL },
    { "everybody of NIS", "+::::::", NULL },
    { "everybody of NIS, in short", "+", NULL },
    { "one of NIS, with numbers", "+nis:x:0:0:::", NULL },
    { "one of NIS shut out", "-nis::::::", NULL },
    { "a sign", "a:x:+0:-0::/:", "a|0|0|/|" },
    { "blanks before a number", "a:x: 7:\t8::/:", "a|7|8|/|" },
    { "a blank behind a number", "a:x:7 :8::/:", NULL },
    { "two signs", "a:x:+-7:8::/:", NULL },
    { "hexadecimal", "a:x:0x7:8::/:", NULL },
    { "no number", "a:x::8::/:", NULL },
    { "the largest of 32 bits", "a:x:4294967295:4294967295::/:", "a|4294967295|4294967295|/|" },
    { "one more than 32 bits", "a:x:4294967296:0::/:", NULL },
    { "root once more, had it wrapped", "a:x:18446744073709551616:0::/:", NULL },
    { "less than none", "a:x:-1:0::/:", NULL },
    { "a minus that wraps to one", "a:x:-18446744073709551615:0::/:", "a|1|0|/|" },
    { "a carriage return stays where it is", "a:x:1:2:g:/h:/bin/sh\r", "a|1|2|/h|/bin/sh\r" },
};

static void expect_row(const struct account_row *r, const struct wf_out *out)
{
    char got[200];

    ck_assert_msg(out->row_count == (r->want != NULL), "%s: %zu rows", r->why, out->row_count);
    if (!r->want)
        return;
    json_t *v = row(out, 0);
    snprintf(got, sizeof got, "%s|%lld|%lld|%s|%s", text(v, "name"),
        (long long)json_integer_value(json_object_get(v, "uid")),
        (long long)json_integer_value(json_object_get(v, "gid")), text(v, "home"),
        text(v, "shell"));
    ck_assert_msg(strcmp(got, r->want) == 0, "%s: %s", r->why, got);
    json_decref(v);
}

START_TEST(a_line_is_an_account_with_its_numbers_or_none)
{
    const struct account_row *r = &accounts[_i];
    struct wf_out out = accounts_of(r->line, "");

    expect_row(r, &out);
    wf_out_fini(&out);
}
END_TEST

START_TEST(the_c_library_judges_the_line_alike)
{
    const struct account_row *r = &accounts[_i];
    char path[600], got[200];

    snprintf(path, sizeof path, "%s/passwd", wf_test_tmpdir());
    FILE *f = fopen(path, "w+");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "%s\n", r->line);
    rewind(f);
    const struct passwd *p = fgetpwent(f);
    // fgetpwent(3) gives out the lines of NIS; getpwnam(3), which logins come from, passes them over.
    if (p && (p->pw_name[0] == '+' || p->pw_name[0] == '-'))
        p = NULL;
    ck_assert_msg((p != NULL) == (r->want != NULL), "%s", r->why);
    if (p) {
        snprintf(got, sizeof got, "%s|%u|%u|%s|%s", p->pw_name, p->pw_uid, p->pw_gid, p->pw_dir,
            p->pw_shell);
        ck_assert_msg(strcmp(got, r->want) == 0, "%s: %s", r->why, got);
    }
    fclose(f);
}
END_TEST

START_TEST(of_two_lines_with_one_name_the_first_is_the_account)
{
    struct wf_out out = accounts_of("b:x:3:3:::\na:x:1:1:first:/:\na:x:0:0:second:/:\n", "");

    ck_assert_uint_eq(out.row_count, 2);
    json_t *v = row(&out, 0);
    ck_assert_str_eq(text(v, "name"), "a");
    ck_assert_str_eq(text(v, "fullName"), "first");
    json_decref(v);
    wf_out_fini(&out);
}
END_TEST

static const struct group_row {
    const char *why, *groups, *want; // of account a, with group 5
} groups[] = {
    { "the primary one first, the others as they stand", "z:x:9:a\ny:x:5:\nx:x:8:b,a\n",
        "[\"y\",\"z\",\"x\"]" },
    { "listed in the primary one, too", "y:x:5:a\n", "[\"y\"]" },
    { "listed twice", "z:x:9:a,b,a\n", "[\"z\"]" },
    { "two names of one number", "y:x:5:\nz:x:5:\n", "[\"y\",\"z\"]" },
    { "no list of members", "y:x:5\n", "[\"y\"]" },
    { "blanks around names, empty names", "z:x:9: a ,,\n", "[\"z\"]" },
    { "a name that begins alike", "z:x:9:aa,A\n", "[]" },
    { "NIS", "+:::\n+z:x:5:a\n-y:x:9:a\n", "[]" },
    { "no number, no name, too large a number", "z:x:q:a\n:x:9:a\ny:x:4294967301:a\n", "[]" },
    { "bytes that are no UTF-8", "z\xff:x:9:a\n", "[\"z\xef\xbf\xbd\"]" },
};

START_TEST(an_account_has_its_own_group_and_those_that_list_it)
{
    const struct group_row *r = &groups[_i];
    struct wf_out out = accounts_of("a:x:1:5::/:\n", r->groups);
    json_t *v = row(&out, 0);
    char *got = json_dumps(json_object_get(v, "groups"), JSON_COMPACT);

    ck_assert_msg(strcmp(got, r->want) == 0, "%s: %s", r->why, got);
    free(got);
    json_decref(v);
    wf_out_fini(&out);
}
END_TEST

START_TEST(groups_beyond_the_limit_are_left_out)
{
    char text[WF_HOST_MAX_GROUPS * 2 * 16] = "";
    size_t len = 0;

    for (unsigned i = 0; i < 2 * WF_HOST_MAX_GROUPS; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "g%u:x:%u:a\n", i, i % 2 ? 5 : i);
    struct wf_out out = accounts_of("a:x:1:5::/:\n", text);
    json_t *v = row(&out, 0);
    ck_assert_uint_eq(json_array_size(json_object_get(v, "groups")), WF_HOST_MAX_GROUPS);
    json_decref(v);
    wf_out_fini(&out);
}
END_TEST

static const struct shell_row {
    const char *shell;
    bool may;
} shells[] = {
    { "/bin/sh", true },
    { "", true }, // /bin/sh, says passwd(5)
    { "/usr/sbin/nologin", false },
    { "/sbin/nologin", false },
    { "/usr/bin/nologin", false },
    { "/bin/false", false },
    { "/usr/bin/sync", false },
    { "/home/a/false", true },
    { "/bin/false ", true },
    { "/bin/../home/a/false", true },
    { "nologin", true },
    { "/bin/falsehood", true },
};

START_TEST(only_known_programs_at_known_places_refuse_a_login)
{
    char line[100];

    snprintf(line, sizeof line, "a:x:1:5::/:%s\n", shells[_i].shell);
    struct wf_out out = accounts_of(line, "");
    json_t *v = row(&out, 0);
    ck_assert_msg(json_is_true(json_object_get(v, "mayLogIn")) == shells[_i].may, "%s", line);
    json_decref(v);
    wf_out_fini(&out);
}
END_TEST

// The text of `count` lines, made by snprintf from `format` with the line's number twice.
static char *many(unsigned count, const char *prefix, const char *middle, const char *end)
{
    size_t cap = (size_t)count * 80 + 1, len = 0;
    char *text = malloc(cap);

    ck_assert_ptr_nonnull(text);
    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, cap - len, "%s%u%s%u%s\n", prefix, i, middle, i, end);
    return text;
}

START_TEST(many_accounts_in_many_groups_take_no_square_of_time)
{
    // 50,000 accounts times 50,000 lines of groups: walked account by account these are hours.
    char *passwd = many(50000, "user", ":x:1:", "::/:"), *group = many(50000, "g", ":x:", ":user7");
    clock_t begin = clock();
    struct wf_out out = accounts_of(passwd, group);

    ck_assert_uint_eq(out.row_count, 50000);
    ck_assert_msg((clock() - begin) / CLOCKS_PER_SEC < 60, "more than a minute of CPU");
    wf_out_fini(&out);
    free(passwd);
    free(group);
}
END_TEST

START_TEST(more_accounts_than_rows_are_refused)
{
    char *passwd = many(WF_HOST_MAX_ROWS + 1, "u", ":x:1:", "");
    struct wf_out out = { 0 };

    ck_assert_int_eq(wf_accounts_put(&out, wf_text(passwd), wf_text("")), WEFT_E_TOO_BIG);
    ck_assert_uint_eq(out.row_count, 0);
    wf_out_fini(&out);
    free(passwd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("accounts");
    TCase *tc = tcase_create("accounts");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(
        tc, a_line_is_an_account_with_its_numbers_or_none, 0, (int)WF_COUNT(accounts));
    tcase_add_loop_test(tc, the_c_library_judges_the_line_alike, 0, (int)WF_COUNT(accounts));
    tcase_add_test(tc, of_two_lines_with_one_name_the_first_is_the_account);
    tcase_add_loop_test(
        tc, an_account_has_its_own_group_and_those_that_list_it, 0, (int)WF_COUNT(groups));
    tcase_add_test(tc, groups_beyond_the_limit_are_left_out);
    tcase_add_loop_test(
        tc, only_known_programs_at_known_places_refuse_a_login, 0, (int)WF_COUNT(shells));
    tcase_add_test(tc, many_accounts_in_many_groups_take_no_square_of_time);
    tcase_add_test(tc, more_accounts_than_rows_are_refused);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
