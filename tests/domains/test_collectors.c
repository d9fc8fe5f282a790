// SPDX-License-Identifier: Apache-2.0
// Collectors over trees of files: each tests/vectors/host/CASE is a host, CASE/expect/COLLECTOR the rows it must give
// (as JSON lines), or "error NAME TEXT". Written anew with WEFT_WRITE_EXPECTED=1, then to be read before committing.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "domains/common/collectors.h"
#include "domains/common/rows.h"
#include "tests/support/support.h"

#define NOW_UNIX_MS 1767225600000

static const char *const cases[] = { "debian12", "old-kernel", "odd", "empty", "absent" };
// filesystems asks the mounted file systems themselves and has tests of its own below.
static const char *const names[] = { "cpu", "memory", "load", "disks", "hosts", "mounts",
    "packages", "users" };

static const struct wf_collector *collector(const char *name)
{
    for (size_t i = 0; i < wf_collector_count; i++)
        if (strcmp(wf_collectors[i].name, name) == 0)
            return &wf_collectors[i];
    ck_abort_msg("no collector %s", name);
    return NULL;
}

static void forget(const struct wf_collector *k, struct wf_collect *c)
{
    if (k->forget)
        k->forget(c->state);
    else
        free(c->state);
    c->state = NULL;
}

// "error SYNTAX /proc/stat: ..." without the place of the tree.
static void put_error(struct wf_buf *text, enum weft_err err, const char *root, const char *problem)
{
    const char *at = strstr(problem, root);
    size_t before = at ? (size_t)(at - problem) : strlen(problem);

    ck_assert_int_eq(wf_buf_printf(text, "error %s %.*s%s\n", weft_err_name(err), (int)before,
                         problem, at ? at + strlen(root) : ""),
        WEFT_OK);
}

static struct wf_buf rows_of(const struct wf_collector *k, const char *root)
{
    struct wf_out out = { 0 };
    struct wf_buf text = { 0 };
    struct wf_collect c = { .root = root, .now_unix_ms = NOW_UNIX_MS, .out = &out };

    enum weft_err err = k->collect(&c);
    forget(k, &c);
    if (k->kind == WF_COLLECT_INVENTORY)
        wf_rows_sort(&out);
    if (err)
        put_error(&text, err, root, c.problem);
    for (size_t i = 0; !err && i < out.row_count; i++)
        ck_assert_int_eq(wf_buf_printf(&text, "%.*s\n", (int)(out.rows[i].end - out.rows[i].start),
                             out.ptr + out.rows[i].start),
            WEFT_OK);
    wf_out_fini(&out);
    return text;
}

START_TEST(a_tree_of_files_gives_the_expected_rows)
{
    const char *name = names[(size_t)_i % WF_COUNT(names)];
    char root[512], expect[600];

    snprintf(root, sizeof root, "%s/tests/vectors/host/%s", getenv("WEFT_SOURCE_DIR"),
        cases[(size_t)_i / WF_COUNT(names)]);
    snprintf(expect, sizeof expect, "%s/expect/%s", root, name);
    struct wf_buf got = rows_of(collector(name), root);
    if (getenv("WEFT_WRITE_EXPECTED")) {
        FILE *f = fopen(expect, "w");
        ck_assert_ptr_nonnull(f);
        fprintf(f, "%.*s", (int)got.len, got.ptr ? (const char *)got.ptr : "");
        fclose(f);
    }
    struct wf_buf want = wf_test_file(expect);
    ck_assert_msg(wf_bytes_eq(wf_buf_view(&got), wf_buf_view(&want)), "%s\ngot:\n%.*s\nwant:\n%.*s",
        expect, (int)got.len, (const char *)got.ptr, (int)want.len, (const char *)want.ptr);
    wf_buf_fini(&got);
    wf_buf_fini(&want);
}
END_TEST

// ---- a tree made on the spot -----------------------------------------------------------------------------------------

static void write_file(const char *root, const char *path, const char *text)
{
    char full[700];

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        (void)mkdir(full, 0700); // may exist
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    ck_assert_msg(f != NULL, "%s", full);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

static json_t *row(const struct wf_out *out, size_t i)
{
    json_t *v = json_loadb(out->ptr + out->rows[i].start, out->rows[i].end - out->rows[i].start,
        JSON_REJECT_DUPLICATES, NULL);

    ck_assert_ptr_nonnull(v);
    return v;
}

static const struct ratio_row {
    const char *why, *before, *now;
    double want; // negative: none
} ratios[] = {
    { "a quarter of the time went to work", "100 0 0 1000 0 0 0 0", "120 0 5 1075 0 0 0 0", 0.25 },
    { "waiting for a disk is not work", "0 0 0 0 0 0 0 0", "50 0 0 25 25 0 0 0", 0.5 },
    { "stolen time is not idle", "0 0 0 0 0 0 0 0", "0 0 0 50 0 0 0 50", 0.5 },
    { "guest time is part of user time", "0 0 0 0 0 0 0 0 0 0", "50 0 0 50 0 0 0 0 50 0", 0.5 },
    { "no time passed", "100 0 0 1000 0 0 0 0", "100 0 0 1000 0 0 0 0", -1 },
    { "an iowait that steps back counts as none", "0 0 0 100 100 0 0 0", "50 0 0 150 40 0 0 0",
        0.5 },
    { "all counters step back: the processor was taken out", "500 5 5 500 5 5 5 5",
        "1 1 1 1 1 1 1 1", -1 },
    { "a kernel with four counters", "0 0 0 0", "1 1 1 1", 0.75 },
    { "a kernel with columns nobody knows yet", "0 0 0 0 0 0 0 0 0 0 0 0",
        "1 0 0 1 0 0 0 0 0 0 90 90", 0.5 },
    { "columns come (another kernel was booted into)", "0 0 0 0", "1 0 0 1 2 0 0 0", 0.25 },
    { "one counter wraps", "18446744073709551615 0 0 100", "5 10 0 110", 0.5 },
    { "a machine that was asleep all the time", "5 5 5 5", "5 5 5 18446744073709551615", 0 },
};

START_TEST(busy_ratio_is_of_the_time_between_two_samples)
{
    const struct ratio_row *r = &ratios[_i];
    const struct wf_collector *k = collector("cpu");
    const char *root = wf_test_tmpdir();
    struct wf_out out = { 0 };
    struct wf_collect c = { .root = root, .now_unix_ms = NOW_UNIX_MS, .out = &out };
    char line[200];

    snprintf(line, sizeof line, "cpu %s\n", r->before);
    write_file(root, "/proc/stat", line);
    ck_assert_int_eq(k->collect(&c), WEFT_OK);
    json_t *first = row(&out, 0);
    ck_assert_msg(
        !json_object_get(first, "busyRatio"), "a first sample has nothing to compare with");
    wf_out_reset(&out);
    snprintf(line, sizeof line, "cpu %s\n", r->now);
    write_file(root, "/proc/stat", line);
    ck_assert_int_eq(k->collect(&c), WEFT_OK);
    json_t *second = row(&out, 0);
    const json_t *ratio = json_object_get(second, "busyRatio");
    ck_assert_msg((ratio != NULL) == (r->want >= 0), "%s", r->why);
    if (ratio)
        ck_assert_msg(
            json_number_value(ratio) == r->want, "%s: %f", r->why, json_number_value(ratio));
    json_decref(first);
    json_decref(second);
    forget(k, &c);
    wf_out_fini(&out);
}
END_TEST

// Whatever two lines say, wrapped, reset or invented: a share of time is one.
START_TEST(a_busy_ratio_is_never_absurd)
{
    const struct wf_collector *k = collector("cpu");
    const char *root = wf_test_tmpdir();
    struct wf_out out = { 0 };
    struct wf_collect c = { .root = root, .now_unix_ms = NOW_UNIX_MS, .out = &out };
    uint64_t seed = 11;

    for (int i = 0; i < 500; i++) {
        char line[300] = "cpu";
        for (uint64_t n = 4 + wf_test_rand(&seed) % 8; n > 0; n--) {
            uint64_t v = wf_test_rand(&seed) >> (wf_test_rand(&seed) % 64);
            size_t len = strlen(line);
            snprintf(line + len, sizeof line - len, " %llu", (unsigned long long)v);
        }
        write_file(root, "/proc/stat", line);
        wf_out_reset(&out);
        ck_assert_int_eq(k->collect(&c), WEFT_OK);
        json_t *v = row(&out, 0);
        const json_t *ratio = json_object_get(v, "busyRatio");
        ck_assert_msg(
            !ratio || (json_number_value(ratio) >= 0 && json_number_value(ratio) <= 1), "%s", line);
        json_decref(v);
    }
    forget(k, &c);
    wf_out_fini(&out);
}
END_TEST

// ---- a disk between two files, and words of os-release -------------------------------------------------------------------

#define ELEVEN "1 2 3 4 5 6 7 8 9 10 11"

static const struct disk_row {
    const char *why, *line, *size; // size: of /sys/block/sdx/size, NULL for none
    size_t fields;                 // in the row; 0: no row
} disks[] = {
    { "as old as can be", "8 0 sdx " ELEVEN, "8", 13 },
    { "with discards (Linux 4.18)", "8 0 sdx " ELEVEN " 12 13 14 15", "8", 17 },
    { "with flushes (Linux 5.5)", "8 0 sdx " ELEVEN " 12 13 14 15 16 17", "8", 19 },
    { "with columns nobody knows yet", "8 0 sdx " ELEVEN " 12 13 14 15 16 17 18 19", "8", 19 },
    { "pulled out after the first file was read", "8 0 sdx " ELEVEN, NULL, 0 },
    { "an empty card reader", "8 0 sdx " ELEVEN, "0", 0 },
    { "a size that is none", "8 0 sdx " ELEVEN, "-8", 0 },
    { "a size that does not multiply", "8 0 sdx " ELEVEN, "18446744073709551615", 0 },
    { "too few columns", "8 0 sdx 1 2 3 4", "8", 0 },
    { "a negative counter", "8 0 sdx 1 2 3 4 5 6 7 8 -1 10 11", "8", 0 },
    { "a name that leads out of /sys/block", "8 0 ../sdx " ELEVEN, "8", 0 },
};

START_TEST(a_disk_is_a_row_while_both_files_have_it)
{
    const struct disk_row *r = &disks[_i];
    const char *root = wf_test_tmpdir();
    struct wf_out out = { 0 };
    struct wf_collect c = { .root = root, .now_unix_ms = NOW_UNIX_MS, .out = &out };

    write_file(root, "/proc/diskstats", r->line);
    if (r->size)
        write_file(root, "/sys/block/sdx/size", r->size);
    ck_assert_int_eq(collector("disks")->collect(&c), WEFT_OK);
    ck_assert_msg(out.row_count == (r->fields > 0), "%s", r->why);
    if (r->fields) {
        json_t *v = row(&out, 0);
        ck_assert_msg(json_object_size(v) == r->fields, "%s: %zu", r->why, json_object_size(v));
        json_decref(v);
    }
    wf_out_fini(&out);
}
END_TEST

static const struct host_row {
    const char *why, *release, *cpuinfo, *field, *want; // want NULL: not there
} hosts[] = {
    { "escapes in double quotes", "PRETTY_NAME=\"A \\\"B\\\" \\$5 \\\\ \\`x\\` \\n\"\n", "",
        "osName", "\"A \\\"B\\\" $5 \\\\ `x` \\\\n\"" },
    { "none in single quotes", "PRETTY_NAME='A \\$B'\n", "", "osName", "\"A \\\\$B\"" },
    { "a backslash before the closing quote", "PRETTY_NAME=\"A\\\"\n", "", "osName", "\"A\\\\\"" },
    { "the last of two stands, as in a shell", "ID=a\nID=b\n", "", "os", "\"b\"" },
    { "an empty value", "ID=\"\"\n", "", "os", NULL },
    { "bytes that are no UTF-8", "ID=\xff\n", "", "os", "\"\xef\xbf\xbd\"" },
    { "processors of x86", "", "processor\t: 0\nmodel name\t: M\nprocessor\t: 1\n", "cpus", "2" },
    { "processors of s390", "",
        "# processors    : 2\nprocessor 0: version = FF\nprocessor 1: version = FF\n", "cpus",
        "2" },
    { "a word that begins alike", "", "processors: 2\nprocessor type: x\n", "cpus", NULL },
};

START_TEST(a_host_is_told_by_what_its_files_mean)
{
    const struct host_row *r = &hosts[_i];
    const char *root = wf_test_tmpdir();
    struct wf_out out = { 0 };
    struct wf_collect c = { .root = root, .now_unix_ms = NOW_UNIX_MS, .out = &out };

    write_file(root, "/proc/sys/kernel/hostname", "h\n");
    write_file(root, "/etc/os-release", r->release);
    write_file(root, "/proc/cpuinfo", r->cpuinfo);
    ck_assert_int_eq(collector("hosts")->collect(&c), WEFT_OK);
    json_t *v = row(&out, 0);
    char *got = json_dumps(json_object_get(v, r->field), JSON_ENCODE_ANY);
    ck_assert_msg((got != NULL) == (r->want != NULL) && (!got || strcmp(got, r->want) == 0),
        "%s: %s", r->why, got ? got : "nothing");
    free(got);
    json_decref(v);
    wf_out_fini(&out);
}
END_TEST

START_TEST(processors_that_come_and_go_are_compared_by_number)
{
    const struct wf_collector *k = collector("cpu");
    const char *root = wf_test_tmpdir();
    struct wf_out out = { 0 };
    struct wf_collect c = { .root = root, .now_unix_ms = NOW_UNIX_MS, .out = &out };

    write_file(
        root, "/proc/stat", "cpu 30 0 0 30\ncpu0 10 0 0 10\ncpu1 10 0 0 10\ncpu2 10 0 0 10\n");
    ck_assert_int_eq(k->collect(&c), WEFT_OK);
    wf_out_reset(&out);
    write_file(root, "/proc/stat", "cpu 40 0 0 40\ncpu2 13 0 0 11\ncpu3 9 0 0 9\n");
    ck_assert_int_eq(k->collect(&c), WEFT_OK);
    ck_assert_uint_eq(out.row_count, 3);
    json_t *two = row(&out, 1), *three = row(&out, 2);
    ck_assert_str_eq(json_string_value(json_object_get(two, "cpu")), "2");
    ck_assert(json_number_value(json_object_get(two, "busyRatio")) == 0.75);
    ck_assert_ptr_null(json_object_get(three, "busyRatio"));
    json_decref(two);
    json_decref(three);
    forget(k, &c);
    wf_out_fini(&out);
}
END_TEST

static const char mount_table[] = "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                  "2 1 8:1 /inner /inner rw - ext4 /dev/sda1 rw\n"
                                  "3 1 0:5 / /gone rw - ext4 /dev/sdb1 rw\n"
                                  "4 1 0:6 / /remote rw - nfs server:/x rw\n"
                                  "5 1 0:7 / /fuse rw - fuse.daemon daemon rw\n"
                                  "6 1 0:8 / /proc rw - proc proc rw\n";

START_TEST(a_file_system_is_counted_once_and_as_statvfs_counts_it)
{
    const char *root = wf_test_tmpdir();
    char path[700];
    struct statvfs fs;
    struct wf_out out = { 0 };
    struct wf_collect c = { .root = root, .now_unix_ms = NOW_UNIX_MS, .out = &out };

    write_file(root, "/inner/file", "");
    write_file(root, "/remote/file", "");
    write_file(root, "/fuse/file", "");
    write_file(root, "/proc/self/mountinfo", mount_table);
    ck_assert_int_eq(collector("filesystems")->collect(&c), WEFT_OK);
    snprintf(path, sizeof path, "%s/", root);
    ck_assert_int_eq(statvfs(path, &fs), 0);
    ck_assert_msg(out.row_count == 1, "%zu rows: %.*s", out.row_count, (int)out.len, out.ptr);
    json_t *v = row(&out, 0);
    ck_assert_str_eq(json_string_value(json_object_get(v, "mountpoint")), "/");
    ck_assert_uint_eq(strtoull(json_string_value(json_object_get(v, "size")), NULL, 10),
        fs.f_blocks * fs.f_frsize);
    json_decref(v);
    forget(collector("filesystems"), &c);
    wf_out_fini(&out);
}
END_TEST

START_TEST(the_running_host_gives_rows_for_every_collector)
{
    const struct wf_collector *k = &wf_collectors[_i];
    struct wf_out out = { 0 };
    struct wf_collect c = { .root = "", .now_unix_ms = NOW_UNIX_MS, .out = &out };

    enum weft_err err = k->collect(&c);
    // A machine without a package manager or netlink exists; all others must answer.
    ck_assert_msg(!err || err == WEFT_E_UNSUPPORTED, "%s: %s", k->name, c.problem);
    for (size_t i = 0; i < out.row_count; i++)
        json_decref(row(&out, i));
    forget(k, &c);
    wf_out_fini(&out);
}
END_TEST

START_TEST(a_failing_allocation_is_an_error_and_leaks_nothing)
{
    const struct wf_collector *k = collector(names[_i]);
    char root[512];
    bool failed = true;

    snprintf(root, sizeof root, "%s/tests/vectors/host/debian12", getenv("WEFT_SOURCE_DIR"));
    for (long n = 1; failed; n++) {
        struct wf_out out = { 0 };
        struct wf_collect c = { .root = root, .now_unix_ms = NOW_UNIX_MS, .out = &out };
        ck_assert_int_lt(n, 200);
        wf_test_fail_alloc(n);
        enum weft_err err = k->collect(&c);
        failed = wf_test_alloc_count() >= n;
        wf_test_fail_alloc(-1);
        ck_assert_msg(err == (failed ? WEFT_E_NOMEM : WEFT_OK), "%s: allocation %ld: %s %s",
            k->name, n, weft_err_name(err), c.problem);
        forget(k, &c);
        wf_out_fini(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collectors");
    TCase *tc = tcase_create("trees");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_loop_test(
        tc, a_tree_of_files_gives_the_expected_rows, 0, (int)(WF_COUNT(cases) * WF_COUNT(names)));
    tcase_add_loop_test(
        tc, busy_ratio_is_of_the_time_between_two_samples, 0, (int)WF_COUNT(ratios));
    tcase_add_test(tc, a_busy_ratio_is_never_absurd);
    tcase_add_loop_test(tc, a_disk_is_a_row_while_both_files_have_it, 0, (int)WF_COUNT(disks));
    tcase_add_loop_test(tc, a_host_is_told_by_what_its_files_mean, 0, (int)WF_COUNT(hosts));
    tcase_add_test(tc, processors_that_come_and_go_are_compared_by_number);
    tcase_add_test(tc, a_file_system_is_counted_once_and_as_statvfs_counts_it);
    tcase_add_loop_test(
        tc, the_running_host_gives_rows_for_every_collector, 0, (int)wf_collector_count);
    tcase_add_loop_test(
        tc, a_failing_allocation_is_an_error_and_leaks_nothing, 0, (int)WF_COUNT(names));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
