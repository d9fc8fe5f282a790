// SPDX-License-Identifier: Apache-2.0
// Snapshots and changes: whatever the rows, a reader that follows the lines ends with the rows of the last sample.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "domains/common/rows.h"
#include "tests/support/support.h"

#define NOW_UNIX_MS 1767225600000
#define AT          "\"@time\":\"2026-01-01T00:00:00Z\""

static void add(struct wf_out *o, const char *key, unsigned value)
{
    wf_out_open_row(o);
    wf_out_str(o, "k", wf_text(key));
    wf_out_key_done(o);
    wf_out_u32(o, "v", value);
    ck_assert_int_eq(wf_out_close_row(o), WEFT_OK);
}

static void assert_lines(struct wf_out *lines, const char *want)
{
    ck_assert_msg(lines->len == strlen(want) && memcmp(lines->ptr, want, lines->len) == 0,
        "got:\n%.*swant:\n%s", (int)lines->len, lines->ptr, want);
}

START_TEST(a_sample_is_its_rows_in_the_order_written)
{
    struct wf_out now = { 0 }, lines = { 0 };

    add(&now, "b", 2);
    add(&now, "a", 1);
    wf_out_open_row(&now);
    ck_assert_int_eq(wf_out_close_row(&now), WEFT_OK);
    ck_assert_int_eq(wf_rows_sample(&now, NOW_UNIX_MS, &lines), WEFT_OK);
    assert_lines(&lines, "{" AT ",\"k\":\"b\",\"v\":2}\n{" AT ",\"k\":\"a\",\"v\":1}\n{" AT "}\n");
    wf_out_fini(&now);
    wf_out_fini(&lines);
}
END_TEST

START_TEST(a_snapshot_stands_between_two_marks)
{
    struct wf_out now = { 0 }, lines = { 0 };

    add(&now, "b", 2);
    add(&now, "a", 1);
    wf_rows_sort(&now);
    ck_assert_int_eq(wf_rows_snapshot(&now, NOW_UNIX_MS, &lines), WEFT_OK);
    assert_lines(&lines, "{\"@op\":\"snapshot-begin\"," AT "}\n{" AT ",\"k\":\"a\",\"v\":1}\n{" AT
                         ",\"k\":\"b\",\"v\":2}\n{\"@op\":\"snapshot-end\"," AT "}\n");
    wf_out_fini(&now);
    wf_out_fini(&lines);
}
END_TEST

START_TEST(of_rows_with_one_key_the_last_is_kept)
{
    struct wf_out now = { 0 }, lines = { 0 };

    add(&now, "a", 1);
    add(&now, "b", 5);
    add(&now, "a", 2);
    add(&now, "a", 3);
    wf_rows_sort(&now);
    ck_assert_int_eq(wf_rows_sample(&now, NOW_UNIX_MS, &lines), WEFT_OK);
    assert_lines(&lines, "{" AT ",\"k\":\"a\",\"v\":3}\n{" AT ",\"k\":\"b\",\"v\":5}\n");
    wf_out_fini(&now);
    wf_out_fini(&lines);
}
END_TEST

START_TEST(changes_name_what_went_what_came_and_what_differs)
{
    struct wf_out before = { 0 }, now = { 0 }, lines = { 0 };

    add(&before, "a", 1);
    add(&before, "b", 2);
    add(&before, "c", 3);
    add(&now, "aa", 1);
    add(&now, "b", 2);
    add(&now, "c", 4);
    add(&now, "d", 5);
    wf_rows_sort(&before);
    wf_rows_sort(&now);
    ck_assert_int_eq(wf_rows_changes(&before, &now, NOW_UNIX_MS, &lines), WEFT_OK);
    assert_lines(&lines,
        "{\"@op\":\"delete\"," AT ",\"k\":\"a\"}\n{" AT ",\"k\":\"aa\",\"v\":1}\n{" AT
        ",\"k\":\"c\",\"v\":4}\n{" AT ",\"k\":\"d\",\"v\":5}\n");
    wf_out_reset(&lines);
    ck_assert_int_eq(wf_rows_changes(&now, &now, NOW_UNIX_MS, &lines), WEFT_OK);
    assert_lines(&lines, "");
    wf_out_fini(&before);
    wf_out_fini(&now);
    wf_out_fini(&lines);
}
END_TEST

// The reader: an object from key to value.
static void follow(json_t *held, const struct wf_out *lines)
{
    struct wf_text rest = { lines->ptr, lines->len }, line;

    while (wf_text_line(&rest, &line)) {
        json_t *v = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
        ck_assert_ptr_nonnull(v);
        const char *op = json_string_value(json_object_get(v, "@op")),
                   *key = json_string_value(json_object_get(v, "k"));
        ck_assert_ptr_nonnull(key);
        if (op) {
            ck_assert_str_eq(op, "delete");
            ck_assert_msg(json_object_del(held, key) == 0, "deleted what was not there");
        } else {
            json_object_set(held, key, json_object_get(v, "v"));
        }
        json_decref(v);
    }
}

START_TEST(a_reader_that_follows_changes_holds_the_last_sample)
{
    uint64_t seed = 11;
    struct wf_out samples[2] = { { 0 }, { 0 } }, lines = { 0 };
    json_t *held = json_object();

    for (int step = 0; step < 300; step++) {
        struct wf_out *now = &samples[step % 2], *before = &samples[1 - step % 2];
        json_t *want = json_object();
        wf_out_reset(now);
        for (uint64_t n = wf_test_rand(&seed) % 20; n > 0; n--) {
            char key[8];
            unsigned value = (unsigned)(wf_test_rand(&seed) % 3);
            snprintf(key, sizeof key, "k%u", (unsigned)(wf_test_rand(&seed) % 12));
            add(now, key, value);
            json_object_set_new(want, key, json_integer((json_int_t)value));
        }
        wf_rows_sort(now);
        wf_out_reset(&lines);
        ck_assert_int_eq(wf_rows_changes(before, now, NOW_UNIX_MS, &lines), WEFT_OK);
        follow(held, &lines);
        ck_assert_msg(json_equal(held, want), "step %d", step);
        json_decref(want);
    }
    json_decref(held);
    wf_out_fini(&samples[0]);
    wf_out_fini(&samples[1]);
    wf_out_fini(&lines);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rows");
    TCase *tc = tcase_create("lines");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, a_sample_is_its_rows_in_the_order_written);
    tcase_add_test(tc, a_snapshot_stands_between_two_marks);
    tcase_add_test(tc, of_rows_with_one_key_the_last_is_kept);
    tcase_add_test(tc, changes_name_what_went_what_came_and_what_differs);
    tcase_add_test(tc, a_reader_that_follows_changes_holds_the_last_sample);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
