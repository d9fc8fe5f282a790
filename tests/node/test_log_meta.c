// SPDX-License-Identifier: Apache-2.0
// Small named values: whole or not at all, bound to their names, old or new after a crash at any moment.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/log/meta.h"
#include "tests/support/memdisk.h"
#include "tests/support/support.h"

static struct wf_memdisk *disk;
static struct wf_vfs vfs;

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    disk = wf_memdisk_new();
    vfs = wf_memdisk_vfs(disk);
    ck_assert_int_eq(vfs.mkdir(vfs.ctx, "/d"), WEFT_OK);
}

static void teardown(void)
{
    wf_memdisk_free(disk);
}

static void expect(const char *name, const char *want)
{
    struct wf_buf b = { 0 };

    ck_assert_int_eq(wf_meta_get(&vfs, "/d", name, &b), WEFT_OK);
    ck_assert(wf_bytes_is(wf_buf_view(&b), want));
    wf_buf_fini(&b);
}

START_TEST(a_value_is_kept_replaced_and_appended_to_the_callers_buffer)
{
    struct wf_buf b = { 0 };

    ck_assert_int_eq(wf_meta_get(&vfs, "/d", "mark", &b), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_meta_put(&vfs, "/d", "mark", WF_STR("one")), WEFT_OK);
    expect("mark", "one");
    ck_assert_int_eq(wf_meta_put(&vfs, "/d", "mark", WF_STR("")), WEFT_OK);
    expect("mark", "");
    ck_assert_int_eq(wf_meta_put(&vfs, "/d", "mark", WF_STR("a longer value")), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_str(&b, "before, "), WEFT_OK);
    ck_assert_int_eq(wf_meta_get(&vfs, "/d", "mark", &b), WEFT_OK);
    ck_assert(wf_bytes_is(wf_buf_view(&b), "before, a longer value"));
    wf_buf_fini(&b);
}
END_TEST

START_TEST(a_value_that_was_removed_is_gone)
{
    struct wf_buf b = { 0 };

    ck_assert_int_eq(wf_meta_put(&vfs, "/d", "mark", WF_STR("one")), WEFT_OK);
    ck_assert_int_eq(wf_meta_remove(&vfs, "/d", "mark"), WEFT_OK);
    ck_assert_int_eq(wf_meta_get(&vfs, "/d", "mark", &b), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_meta_remove(&vfs, "/d", "mark"), WEFT_OK); // there was none
    ck_assert_int_eq(wf_meta_remove(&vfs, "/d", "no name"), WEFT_E_SYNTAX);
}
END_TEST

START_TEST(a_value_is_kept_on_the_real_file_system)
{
    const char *dir = wf_test_tmpdir();

    vfs = wf_vfs_posix;
    for (int i = 0; i < 3; i++) {
        struct wf_buf b = { 0 };
        ck_assert_int_eq(
            wf_meta_put(&vfs, dir, "incarnation", WF_STR("0123456789abcdef")), WEFT_OK);
        ck_assert_int_eq(wf_meta_get(&vfs, dir, "incarnation", &b), WEFT_OK);
        ck_assert(wf_bytes_is(wf_buf_view(&b), "0123456789abcdef"));
        wf_buf_fini(&b);
    }
    ck_assert_int_eq(wf_meta_put(&vfs, "/nowhere/at/all", "x", WF_STR("1")), WEFT_E_NOT_FOUND);
}
END_TEST

static const struct {
    const char *name;
    enum weft_err want;
} names[] = {
    { "a", WEFT_OK },
    { "origin-3f", WEFT_OK },
    { "", WEFT_E_SYNTAX },
    { "../passwd", WEFT_E_SYNTAX },
    { "a/b", WEFT_E_SYNTAX },
    { "Upper", WEFT_E_SYNTAX },
    { "a.meta", WEFT_E_SYNTAX },
    { "0123456789012345678901234567890123456789012345678901234567890123", WEFT_E_SYNTAX },
};

START_TEST(names_are_checked_before_they_become_paths)
{
    struct wf_buf b = { 0 };

    ck_assert_int_eq(wf_meta_put(&vfs, "/d", names[_i].name, WF_STR("x")), names[_i].want);
    ck_assert_int_eq(wf_meta_get(&vfs, "/d", names[_i].name, &b), names[_i].want);
    wf_buf_fini(&b);
}
END_TEST

START_TEST(a_value_over_the_limit_is_refused)
{
    static uint8_t big[WF_MAX_META + 1];

    ck_assert_int_eq(wf_meta_put(&vfs, "/d", "big", WF_BYTES(big)), WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_meta_put(&vfs, "/d", "big", wf_bytes(big, WF_MAX_META)), WEFT_OK);
}
END_TEST

START_TEST(every_flipped_bit_every_truncation_and_every_moved_file_is_damage)
{
    struct wf_buf b = { 0 }, good = { 0 };
    size_t len = 0;

    ck_assert_int_eq(wf_meta_put(&vfs, "/d", "mark", WF_STR("some value")), WEFT_OK);
    const uint8_t *p = wf_memdisk_file(disk, "/d/mark.meta", &len);
    ck_assert_int_eq(wf_bytes_dup(wf_bytes(p, len), &good), WEFT_OK);
    for (size_t bit = 0; bit < len * 8; bit++) {
        wf_memdisk_put(disk, "/d/mark.meta", wf_buf_view(&good));
        wf_memdisk_file(disk, "/d/mark.meta", &len)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(wf_meta_get(&vfs, "/d", "mark", &b), WEFT_E_DAMAGED);
    }
    for (size_t n = 0; n < len; n++) {
        wf_memdisk_put(disk, "/d/mark.meta", wf_bytes(good.ptr, n));
        ck_assert_int_eq(wf_meta_get(&vfs, "/d", "mark", &b), WEFT_E_DAMAGED);
    }
    wf_memdisk_put(disk, "/d/other.meta", wf_buf_view(&good));
    ck_assert_int_eq(wf_meta_get(&vfs, "/d", "other", &b), WEFT_E_DAMAGED);
    ck_assert_int_eq(wf_buf_append_byte(&good, 0), WEFT_OK);
    wf_memdisk_put(disk, "/d/mark.meta", wf_buf_view(&good));
    ck_assert_int_eq(wf_meta_get(&vfs, "/d", "mark", &b), WEFT_E_DAMAGED);
    ck_assert_uint_eq(b.len, 0);
    wf_buf_fini(&b);
    wf_buf_fini(&good);
}
END_TEST

START_TEST(after_a_power_loss_at_any_moment_the_old_or_the_new_value_is_there)
{
    unsigned old_seen = 0, new_seen = 0;

    for (uint64_t n = 1; n <= 200; n++) {
        uint64_t seed = n;
        struct wf_buf b = { 0 };
        ck_assert_int_eq(wf_meta_put(&vfs, "/d", "mark", WF_STR("the old value")), WEFT_OK);
        wf_memdisk_crash(disk, (long)(n % 7));
        enum weft_err err = wf_meta_put(&vfs, "/d", "mark", WF_STR("the new value, longer"));
        wf_memdisk_crash(disk, 0);
        wf_memdisk_restart(disk, true, &seed);
        ck_assert_int_eq(wf_meta_get(&vfs, "/d", "mark", &b), WEFT_OK);
        bool is_new = wf_bytes_is(wf_buf_view(&b), "the new value, longer");
        ck_assert(is_new || wf_bytes_is(wf_buf_view(&b), "the old value"));
        ck_assert(is_new || err); // what was reported as done is done
        new_seen += is_new;
        old_seen += !is_new;
        wf_buf_fini(&b);
    }
    ck_assert_uint_gt(old_seen, 20);
    ck_assert_uint_gt(new_seen, 20);
}
END_TEST

static const enum wf_memdisk_op put_ops[] = { WF_MEM_OPEN, WF_MEM_WRITE, WF_MEM_SYNC, WF_MEM_RENAME,
    WF_MEM_SYNC_DIR };

START_TEST(a_failing_call_is_reported)
{
    struct wf_buf b = { 0 };

    ck_assert_int_eq(wf_meta_put(&vfs, "/d", "mark", WF_STR("old")), WEFT_OK);
    wf_memdisk_fail(disk, put_ops[_i], 1, 1, WEFT_E_NOSPACE);
    ck_assert_int_eq(wf_meta_put(&vfs, "/d", "mark", WF_STR("new")), WEFT_E_NOSPACE);
    expect("mark", put_ops[_i] == WF_MEM_SYNC_DIR ? "new" : "old");
    ck_assert_ptr_null(wf_memdisk_name(disk, 0, ".tmp"));
    wf_memdisk_fail(disk, WF_MEM_READ, 1, 1, WEFT_E_IO); // once: it is read again
    ck_assert_int_eq(wf_meta_get(&vfs, "/d", "mark", &b), WEFT_OK);
    wf_memdisk_fail(disk, WF_MEM_READ, 1, 2, WEFT_E_IO);
    ck_assert_int_eq(wf_meta_get(&vfs, "/d", "mark", &b), WEFT_E_IO);
    wf_buf_fini(&b);
}
END_TEST

// ---- groups ------------------------------------------------------------------------------------------------------------

#define MANY 150u

struct outcome {
    bool told;
    enum weft_err err;
};
static struct outcome outcomes[MANY];

static void on_done(void *arg, void *tag, enum weft_err err)
{
    struct outcome *o = tag;

    (void)arg;
    ck_assert(!o->told); // once
    *o = (struct outcome){ true, err };
}

static void name_of(unsigned i, char out[16])
{
    snprintf(out, 16, "mark-%u", i);
}

static void put_group(unsigned count, const char *value)
{
    struct wf_meta_group g;
    char name[16];

    memset(outcomes, 0, sizeof outcomes);
    wf_meta_group_init(&g, &vfs, "/d", on_done, NULL);
    for (unsigned i = 0; i < count; i++) {
        name_of(i, name);
        wf_meta_add(&g, name, wf_bytes_str(value), &outcomes[i]);
    }
    wf_meta_commit(&g);
    for (unsigned i = 0; i < count; i++)
        ck_assert(outcomes[i].told);
}

static struct wf_vfs inner;
static unsigned first_syncs_writes; // how many values were written when the first was synced

static enum weft_err watching_sync(void *ctx, int file)
{
    if (!first_syncs_writes)
        first_syncs_writes = (unsigned)wf_memdisk_calls(disk, WF_MEM_WRITE);
    return inner.sync(ctx, file);
}

static const unsigned group_sizes[] = { 1, 2, 64, 65, MANY };

START_TEST(a_group_is_written_first_then_synced_and_its_directory_is_synced_once)
{
    unsigned count = group_sizes[_i], groups = (count + 63) / 64;
    char name[16];

    inner = vfs;
    vfs.sync = watching_sync;
    first_syncs_writes = 0;
    put_group(count, "a value");
    ck_assert_int_eq(wf_memdisk_calls(disk, WF_MEM_SYNC), count);
    ck_assert_int_eq(wf_memdisk_calls(disk, WF_MEM_SYNC_DIR), groups);
    ck_assert_uint_eq(first_syncs_writes, count < 64 ? count : 64);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(outcomes[i].err, WEFT_OK);
        name_of(i, name);
        expect(name, "a value");
    }
}
END_TEST

START_TEST(after_a_power_loss_at_any_moment_each_value_of_a_group_is_the_old_or_the_new_one)
{
    unsigned old_seen = 0, new_seen = 0, mixed = 0;

    for (uint64_t n = 1; n <= 200; n++) {
        uint64_t seed = n;
        unsigned fresh = 0;
        put_group(5, "the old value");
        wf_memdisk_crash(
            disk, (long)(n % 27)); // 5 opens, writes, syncs and renames, one sync of the directory
        put_group(5, "the new value, longer");
        wf_memdisk_crash(disk, 0);
        wf_memdisk_restart(disk, true, &seed);
        for (unsigned i = 0; i < 5; i++) {
            struct wf_buf b = { 0 };
            char name[16];
            name_of(i, name);
            ck_assert_int_eq(wf_meta_get(&vfs, "/d", name, &b), WEFT_OK);
            bool is_new = wf_bytes_is(wf_buf_view(&b), "the new value, longer");
            ck_assert(is_new || wf_bytes_is(wf_buf_view(&b), "the old value"));
            ck_assert(is_new || outcomes[i].err); // what was reported as done is done
            fresh += is_new;
            wf_buf_fini(&b);
        }
        new_seen += fresh == 5;
        old_seen += fresh == 0;
        mixed += fresh > 0 && fresh < 5;
    }
    ck_assert_uint_gt(old_seen, 20);
    ck_assert_uint_gt(new_seen, 5);
    ck_assert_uint_gt(mixed, 5);
}
END_TEST

START_TEST(a_value_that_fails_takes_no_other_of_its_group_with_it)
{
    enum wf_memdisk_op op = put_ops[_i];
    char name[16];

    put_group(5, "old");
    wf_memdisk_fail(disk, op, op == WF_MEM_SYNC_DIR ? 1 : 3, 1, WEFT_E_NOSPACE);
    put_group(5, "new");
    for (unsigned i = 0; i < 5; i++) {
        bool hit = op == WF_MEM_SYNC_DIR || i == 2;
        ck_assert_int_eq(outcomes[i].err, hit ? WEFT_E_NOSPACE : WEFT_OK);
        name_of(i, name);
        expect(name, hit && op != WF_MEM_SYNC_DIR ? "old" : "new");
    }
    ck_assert_ptr_null(wf_memdisk_name(disk, 0, ".tmp"));
}
END_TEST

START_TEST(a_group_that_has_no_more_files_gives_back_those_it_has)
{
    char name[16];

    wf_memdisk_fail(disk, WF_MEM_OPEN, 4, 1, WEFT_E_NO_FILES);
    put_group(7, "a value");
    for (unsigned i = 0; i < 7; i++) {
        ck_assert_int_eq(outcomes[i].err, WEFT_OK);
        name_of(i, name);
        expect(name, "a value");
    }
    ck_assert_int_eq(wf_memdisk_calls(disk, WF_MEM_SYNC_DIR), 2);
    wf_memdisk_fail(disk, WF_MEM_OPEN, 1, 1,
        WEFT_E_NO_FILES); // with none of ours open it is others who have them
    put_group(1, "another");
    ck_assert_int_eq(outcomes[0].err, WEFT_E_NO_FILES);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_meta");
    TCase *t = tcase_create("log_meta");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_value_is_kept_replaced_and_appended_to_the_callers_buffer);
    tcase_add_test(t, a_value_that_was_removed_is_gone);
    tcase_add_test(t, a_value_is_kept_on_the_real_file_system);
    tcase_add_loop_test(t, names_are_checked_before_they_become_paths, 0, WF_COUNT(names));
    tcase_add_test(t, a_value_over_the_limit_is_refused);
    tcase_add_test(t, every_flipped_bit_every_truncation_and_every_moved_file_is_damage);
    tcase_add_test(t, after_a_power_loss_at_any_moment_the_old_or_the_new_value_is_there);
    tcase_add_loop_test(t, a_failing_call_is_reported, 0, WF_COUNT(put_ops));
    tcase_add_loop_test(t, a_group_is_written_first_then_synced_and_its_directory_is_synced_once, 0,
        WF_COUNT(group_sizes));
    tcase_add_test(
        t, after_a_power_loss_at_any_moment_each_value_of_a_group_is_the_old_or_the_new_one);
    tcase_add_loop_test(
        t, a_value_that_fails_takes_no_other_of_its_group_with_it, 0, WF_COUNT(put_ops));
    tcase_add_test(t, a_group_that_has_no_more_files_gives_back_those_it_has);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
