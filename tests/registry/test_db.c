// SPDX-License-Identifier: Apache-2.0
// What all databases share: private files of one format, left alone when they are of another.
#include "registry/db_sqlite.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/support/support.h"

static char path[512];
static struct wf_diag diag;

static void setup(void)
{
    snprintf(path, sizeof path, "%s/a.db", wf_test_tmpdir());
    (void)remove(path);
    diag = (struct wf_diag){ 0 };
}

static enum weft_err open_as(int version, const char *ddl)
{
    sqlite3 *db = NULL;
    enum weft_err err = wf_db_open(path, ddl, version, &db, &diag);

    sqlite3_close(db);
    return err;
}

static const char one[] = "CREATE TABLE IF NOT EXISTS a(b); PRAGMA user_version=1;";

START_TEST(a_fresh_file_is_private_and_opens_again)
{
    struct stat st;

    ck_assert_int_eq(open_as(1, one), WEFT_OK);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(open_as(1, one), WEFT_OK);
}
END_TEST

START_TEST(a_file_of_another_format_is_left_as_it_is)
{
    ck_assert_int_eq(open_as(1, one), WEFT_OK);
    struct wf_buf before = wf_test_file(path);
    ck_assert_int_eq(open_as(2, "DROP TABLE a; PRAGMA user_version=2;"), WEFT_E_VERSION);
    ck_assert_ptr_nonnull(strstr(diag.text, path));
    struct wf_buf after = wf_test_file(path);
    ck_assert(wf_bytes_eq(wf_buf_view(&before), wf_buf_view(&after)));
    wf_buf_fini(&before);
    wf_buf_fini(&after);
}
END_TEST

START_TEST(what_is_no_database_is_damaged)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 100; i++)
        fputs("this is a letter to nobody\n", f);
    fclose(f);
    ck_assert_int_eq(open_as(1, one), WEFT_E_DAMAGED);
}
END_TEST

START_TEST(a_damaged_page_is_found_when_the_file_is_opened)
{
    static const char rows[] =
        "CREATE TABLE IF NOT EXISTS a(b); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 "
        "FROM n WHERE i<200) INSERT INTO a SELECT zeroblob(100) FROM n; PRAGMA user_version=1;";

    ck_assert_int_eq(open_as(1, rows), WEFT_OK);
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 4L * 4096, SEEK_SET), 0); // rows of the middle
    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(fputc(0xa5, f), 0xa5);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(open_as(1, one), WEFT_E_DAMAGED);
    ck_assert_msg(strstr(diag.text, path) == diag.text, "%s", diag.text);
}
END_TEST

static const struct code {
    int rc;
    enum weft_err want;
} codes[] = {
    { SQLITE_OK, WEFT_OK },
    { SQLITE_ROW, WEFT_OK },
    { SQLITE_DONE, WEFT_OK },
    { SQLITE_NOMEM, WEFT_E_NOMEM },
    { SQLITE_FULL, WEFT_E_NOSPACE },
    { SQLITE_NOTADB, WEFT_E_DAMAGED },
    { SQLITE_CONSTRAINT_UNIQUE, WEFT_E_EXISTS },
    { SQLITE_BUSY_SNAPSHOT, WEFT_E_IN_USE },
    { SQLITE_LOCKED, WEFT_E_IN_USE },
    { SQLITE_IOERR_FSYNC, WEFT_E_IO },
};

START_TEST(each_result_has_its_code)
{
    ck_assert_int_eq(wf_db_code(codes[_i].rc), codes[_i].want);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("registry.db");
    TCase *c = tcase_create("db");

    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_test(c, a_fresh_file_is_private_and_opens_again);
    tcase_add_test(c, a_file_of_another_format_is_left_as_it_is);
    tcase_add_test(c, what_is_no_database_is_damaged);
    tcase_add_test(c, a_damaged_page_is_found_when_the_file_is_opened);
    tcase_add_loop_test(c, each_result_has_its_code, 0, (int)WF_COUNT(codes));
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
