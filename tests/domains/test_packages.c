// SPDX-License-Identifier: Apache-2.0
// What rpm prints as rows, and running a program for what it prints. dpkg's file is in the trees of test_collectors.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domains/common/child.h"
#include "domains/common/collector.h"
#include "domains/common/packages.h"
#include "domains/common/rows.h"
#include "tests/support/support.h"

static const struct rpm_row {
    const char *why, *in, *want; // want: "" for no row
} rpms[] = {
    { "a plain package", "bash\t5.2.26-3.fc40\tx86_64\t8540160\tbash-5.2.26-3.fc40.src.rpm\n",
        "{\"manager\":\"rpm\",\"name\":\"bash\",\"architecture\":\"x86_64\",\"version\":\"5.2.26-3."
        "fc40\",\"state\":\"installed\","
        "\"source\":\"bash\",\"sourceVersion\":\"5.2.26-3.fc40\",\"installedSize\":\"8540160\"}" },
    { "an epoch, and a source of another name with dashes",
        "perl-libs\t4:5.38.2-506.fc40\tx86_64\t10\tperl-base-x-5.38.2-506.fc40.src.rpm\n",
        "{\"manager\":\"rpm\",\"name\":\"perl-libs\",\"architecture\":\"x86_64\",\"version\":\"4:5."
        "38.2-506.fc40\",\"state\":\"installed\","
        "\"source\":\"perl-base-x\",\"sourceVersion\":\"5.38.2-506.fc40\",\"installedSize\":"
        "\"10\"}" },
    { "no source and no size", "local\t1-1\tnoarch\t(none)\t(none)\n",
        "{\"manager\":\"rpm\",\"name\":\"local\",\"architecture\":\"noarch\",\"version\":\"1-1\","
        "\"state\":\"installed\","
        "\"source\":\"local\",\"sourceVersion\":\"1-1\"}" },
    { "a source without version and release", "a\t1-1\tnoarch\t0\tfoo.src.rpm\n",
        "{\"manager\":\"rpm\",\"name\":\"a\",\"architecture\":\"noarch\",\"version\":\"1-1\","
        "\"state\":\"installed\","
        "\"source\":\"a\",\"sourceVersion\":\"1-1\",\"installedSize\":\"0\"}" },
    { "a signing key is no package", "gpg-pubkey\ta15b79cc-63d04c2c\t(none)\t0\t(none)\n", "" },
    { "too few columns", "bash\t5\tx86_64\t1\n", "" },
    { "no name", "\t5\tx86_64\t1\tx-1-1.src.rpm\n", "" },
    { "an empty line", "\n", "" },
    { "nothing", "", "" },
};

START_TEST(a_line_of_rpm_becomes_a_row)
{
    const struct rpm_row *r = &rpms[_i];
    struct wf_out out = { 0 };

    ck_assert_int_eq(wf_packages_rpm(&out, wf_text(r->in)), WEFT_OK);
    ck_assert_msg(out.row_count == (r->want[0] ? 1u : 0u), "%s: %zu rows", r->why, out.row_count);
    if (out.row_count)
        ck_assert_msg(out.len == strlen(r->want) && memcmp(out.ptr, r->want, out.len) == 0,
            "%s: %.*s", r->why, (int)out.len, out.ptr);
    wf_out_fini(&out);
}
END_TEST

static const struct dpkg_row {
    const char *why, *status;
    const char *want; // NAME ARCHITECTURE STATE, ", " between; of the rows in key order
} dpkgs[] = {
    { "removed, its configuration kept", "deinstall ok config-files", "a amd64 config-files" },
    { "configuring it failed", "install ok half-configured", "a amd64 half-configured" },
    { "unpacking it failed", "install reinstreq half-installed", "a amd64 half-installed" },
    { "unpacked, not configured yet", "install ok unpacked", "a amd64 unpacked" },
    { "waits for another's triggers", "install ok triggers-awaited", "a amd64 triggers-awaited" },
    { "its own triggers wait", "install ok triggers-pending", "a amd64 triggers-pending" },
    { "held", "hold ok installed", "a amd64 installed" },
    { "wanted and never there", "install ok not-installed", "" },
    { "purged", "purge ok not-installed", "" },
    { "no state at all", "", "" },
    { "a word too few", "ok installed", "" },
    { "a word too many", "install ok installed today", "" },
    { "a state of a newer dpkg", "install ok dreaming", "a amd64 dreaming" },
    { "blanks between", "install  ok\tinstalled", "a amd64 installed" },
    { "one name in two architectures",
        "install ok installed\n\nPackage: a\nArchitecture: i386\nStatus: install ok unpacked",
        "a amd64 installed, a i386 unpacked" },
    { "bytes that are no UTF-8",
        "install ok installed\n\nPackage: \xff\nStatus: install ok installed",
        "a amd64 installed, \xef\xbf\xbd  installed" },
    { "a damaged stanza costs its own row",
        "install\n\nPackage: b\nArchitecture: all\nStatus: install ok installed",
        "b all installed" },
    { "fields in another order, and a carriage return",
        "install ok installed\r\n\nStatus: install ok installed\nArchitecture: all\nPackage: z",
        "a amd64 installed, z all installed" },
};

START_TEST(a_stanza_of_dpkg_is_a_row_in_every_state_that_left_something)
{
    const struct dpkg_row *r = &dpkgs[_i];
    char text[300], got[300] = "";
    struct wf_out out = { 0 };
    size_t len = 0;

    snprintf(text, sizeof text, "Package: a\nArchitecture: amd64\nStatus: %s\n", r->status);
    ck_assert_int_eq(wf_packages_dpkg(&out, wf_text(text)), WEFT_OK);
    wf_rows_sort(&out);
    for (size_t i = 0; i < out.row_count; i++) {
        json_t *v = json_loadb(out.ptr + out.rows[i].start, out.rows[i].end - out.rows[i].start,
            JSON_REJECT_DUPLICATES, NULL);
        ck_assert_ptr_nonnull(v);
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%s %s %s", i ? ", " : "",
            json_string_value(json_object_get(v, "name")),
            json_string_value(json_object_get(v, "architecture")),
            json_string_value(json_object_get(v, "state")));
        json_decref(v);
    }
    ck_assert_msg(strcmp(got, r->want) == 0, "%s: %s", r->why, got);
    wf_out_fini(&out);
}
END_TEST

// A host of Debian on which rpm was once: /usr/bin/rpm is gone, its database is not.
START_TEST(a_database_that_rpm_left_behind_does_not_hide_dpkgs_packages)
{
    static const char *const files[][2] = {
        { "/var/lib/dpkg/status", "Package: a\nStatus: install ok installed\n" },
        { "/var/lib/rpm/rpmdb.sqlite", "" },
    };
    const char *root = wf_test_tmpdir();
    struct wf_out out = { 0 };
    struct wf_collect c = { .root = root, .out = &out };
    char path[600];

    if (access("/usr/bin/rpm", X_OK) == 0)
        return; // here its database is asked
    for (size_t i = 0; i < WF_COUNT(files); i++) {
        snprintf(path, sizeof path, "%s%s", root, files[i][0]);
        for (char *p = path + strlen(root) + 1; *p; p++) {
            if (*p != '/')
                continue;
            *p = '\0';
            (void)mkdir(path, 0700); // may exist
            *p = '/';
        }
        FILE *f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(files[i][1], f);
        ck_assert_int_eq(fclose(f), 0);
    }
    ck_assert_msg(wf_collect_packages(&c) == WEFT_OK, "%s", c.problem);
    ck_assert_uint_eq(out.row_count, 1);
    ck_assert_str_eq(c.problem, "");
    wf_out_reset(&out);
    snprintf(path, sizeof path, "%s%s", root, files[0][0]);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_msg(
        wf_collect_packages(&c) == WEFT_E_NOT_FOUND, "without dpkg the packages are unknown");
    wf_out_fini(&out);
}
END_TEST

START_TEST(text_cut_at_any_byte_gives_whole_rows)
{
    const char *rpm = rpms[1].in, dpkg[] = "Package: a\nStatus: install ok installed\nSource: s "
                                           "(1)\nInstalled-Size: 5\n\nPackage: b\nStatus: x y z";

    for (size_t n = 0; n <= strlen(rpm); n++) {
        struct wf_out out = { 0 };
        ck_assert_int_eq(wf_packages_rpm(&out, (struct wf_text){ rpm, n }), WEFT_OK);
        ck_assert_uint_le(out.row_count, 1);
        wf_out_fini(&out);
    }
    for (size_t n = 0; n <= strlen(dpkg); n++) {
        struct wf_out out = { 0 };
        ck_assert_int_eq(wf_packages_dpkg(&out, (struct wf_text){ dpkg, n }), WEFT_OK);
        ck_assert_uint_le(out.row_count, 2);
        wf_out_fini(&out);
    }
}
END_TEST

START_TEST(a_program_is_run_for_what_it_prints)
{
    const char *const argv[] = { "/bin/sh", "-c", "printf '%s' \"$HOME$LC_ALL$PATH_LEAKED\"; cat",
        NULL };
    struct wf_file f;

    ck_assert_int_eq(setenv("PATH_LEAKED", "no", 1), 0);
    ck_assert_int_eq(wf_child_read(argv, 100, 10000, &f), WEFT_OK);
    ck_assert_msg(f.len == 2 && memcmp(f.ptr, "/C", 2) == 0, "%.*s", (int)f.len, f.ptr);
    wf_file_fini(&f);
}
END_TEST

static const struct child_row {
    const char *why, *program, *script;
    size_t max;
    int limit_ms;
    enum weft_err want;
} children[] = {
    { "no such program", "/no/such/program", "", 100, 10000, WEFT_E_NOT_FOUND },
    { "ends with a status", "/bin/sh", "echo text; exit 3", 100, 10000, WEFT_E_PROVIDER },
    { "ends by a signal", "/bin/sh", "kill -9 $$", 100, 10000, WEFT_E_PROVIDER },
    { "prints for ever", "/bin/sh", "while :; do echo flood; done", 10000, 10000, WEFT_E_TOO_BIG },
    { "prints one byte too many", "/bin/sh", "printf 12345", 4, 10000, WEFT_E_TOO_BIG },
    { "prints exactly the limit", "/bin/sh", "printf 1234", 4, 10000, WEFT_OK },
    { "prints nothing and does not end", "/bin/sh", "exec sleep 1000", 100, 50, WEFT_E_TIMEOUT },
    { "closes its output and does not end", "/bin/sh", "exec sleep 1000 >&-", 100, 50,
        WEFT_E_PROVIDER },
};

START_TEST(a_program_that_misbehaves_is_ended_and_named)
{
    const struct child_row *r = &children[_i];
    const char *const argv[] = { r->program, "-c", r->script, NULL };
    struct wf_file f = { NULL, 0 };
    enum weft_err err = wf_child_read(argv, r->max, r->limit_ms, &f);

    // A machine that is busy may not have come so far within a short limit.
    for (int ms = 10 * r->limit_ms; err == WEFT_E_TIMEOUT && err != r->want && ms < 60000; ms *= 10)
        err = wf_child_read(argv, r->max, ms, &f);
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    if (r->want == WEFT_OK)
        ck_assert_uint_eq(f.len, r->max);
    else
        ck_assert_ptr_null(f.ptr);
    wf_file_fini(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packages");
    TCase *tc = tcase_create("packages");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, a_line_of_rpm_becomes_a_row, 0, (int)WF_COUNT(rpms));
    tcase_add_loop_test(
        tc, a_stanza_of_dpkg_is_a_row_in_every_state_that_left_something, 0, (int)WF_COUNT(dpkgs));
    tcase_add_test(tc, a_database_that_rpm_left_behind_does_not_hide_dpkgs_packages);
    tcase_add_test(tc, text_cut_at_any_byte_gives_whole_rows);
    tcase_add_test(tc, a_program_is_run_for_what_it_prints);
    tcase_add_loop_test(
        tc, a_program_that_misbehaves_is_ended_and_named, 0, (int)WF_COUNT(children));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
