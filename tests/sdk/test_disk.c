// SPDX-License-Identifier: Apache-2.0
// Files that are replaced as a whole, also by several programs at once: who reads sees one writer's content, and nobody's write fails.
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/disk.h"
#include "tests/support/support.h"

#define WRITERS 6
#define TURNS   40

static char *path, *beside;

static void setup(void)
{
    const char *dir = wf_test_tmpdir();

    ck_assert_int_eq(wf_disk_join(dir, "token", &path), WEFT_OK);
    ck_assert_int_eq(wf_disk_join(dir, "token.new", &beside), WEFT_OK);
}

static void teardown(void)
{
    free(path);
    free(beside);
}

// One letter a writer, and another length each time.
static void *replace(void *arg)
{
    const char *letter = arg;
    uint8_t text[5000];
    struct wf_diag diag = { 0 };

    memset(text, *letter, sizeof text);
    for (size_t i = 0; i < TURNS; i++) {
        size_t len = 1 + (i * 613 + (size_t)*letter) % sizeof text;
        if (wf_disk_replace(path, wf_bytes(text, len), &diag))
            return strdup(diag.text);
    }
    return NULL;
}

static bool is_one_writers(struct wf_bytes content)
{
    for (size_t i = 1; i < content.len; i++)
        if (content.ptr[i] != content.ptr[0])
            return false;
    return content.len > 0;
}

START_TEST(writers_at_once_all_succeed_and_never_mix)
{
    static char letters[] = "abcdef";
    pthread_t threads[WRITERS];

    ck_assert(replace(letters) == NULL);
    for (size_t i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, replace, &letters[i]), 0);
    for (int i = 0; i < 200; i++) {
        struct wf_buf content = wf_test_file(path);
        ck_assert_msg(is_one_writers(wf_buf_view(&content)), "a file of two writers");
        wf_buf_fini(&content);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        void *said = NULL;
        pthread_join(threads[i], &said);
        ck_assert_msg(!said, "%s", (char *)said);
    }
    ck_assert_int_ne(access(beside, F_OK), 0);
}
END_TEST

START_TEST(what_a_crash_left_beside_is_taken_over)
{
    struct wf_diag diag = { 0 };
    FILE *left = fopen(beside, "w");

    ck_assert_ptr_nonnull(left);
    fputs("half of something longer", left);
    fclose(left);
    ck_assert_int_eq(wf_disk_replace(path, WF_STR("whole"), &diag), WEFT_OK);
    struct wf_buf content = wf_test_file(path);
    ck_assert(wf_bytes_eq(wf_buf_view(&content), WF_STR("whole")));
    ck_assert_int_ne(access(beside, F_OK), 0);
    wf_buf_fini(&content);
}
END_TEST

// What stands beside already is not ours alone: nothing of it may be in the file that comes, nor may it be written to.
static const struct beside {
    const char *why;
    mode_t mode;
    bool others, linked;
} besides[] = {
    { "left by a crash", 0600, false, false },
    { "others may write to it", 0666, false, false },
    { "others may read it, and it becomes a key's file", 0644, false, false },
    { "another user's, who may write to it whenever he likes", 0600, true, false },
    { "another name of a file that is something else", 0600, false, true },
};

START_TEST(only_a_file_of_ours_alone_is_taken_over)
{
    const struct beside *b = &besides[_i];
    struct wf_diag diag = { 0 };
    struct stat st;
    char other[300];
    FILE *f = fopen(beside, "w");

    ck_assert_ptr_nonnull(f);
    fputs("something longer", f);
    fclose(f);
    snprintf(other, sizeof other, "%s.other", path);
    ck_assert_int_eq(chmod(beside, b->mode), 0);
    if (b->linked)
        ck_assert_int_eq(link(beside, other), 0);
    if (b->others && chown(beside, 65534, 65534) != 0)
        return; // only root can give files away
    ck_assert_msg(!wf_disk_replace(path, WF_STR("x"), &diag), "%s: %s", b->why, diag.text);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_msg((st.st_mode & 0777) == 0600 && st.st_uid == geteuid() && st.st_nlink == 1 &&
                      st.st_size == 1,
        "%s: mode %o of %u, %u names", b->why, st.st_mode & 0777, (unsigned)st.st_uid,
        (unsigned)st.st_nlink);
    if (b->linked)
        ck_assert_msg(stat(other, &st) == 0 && st.st_size == 16, "%s: written to", b->why);
    ck_assert_int_ne(access(beside, F_OK), 0);
}
END_TEST

START_TEST(what_is_no_file_in_its_place_is_refused_at_once)
{
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(_i ? mkfifo(beside, 0600) : mkdir(beside, 0700), 0);
    int reader = _i == 2 ? open(beside, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    ck_assert_int_ne(wf_disk_replace(path, WF_STR("x"), &diag), WEFT_OK);
    ck_assert_msg(strstr(diag.text, "token.new") != NULL, "%s", diag.text);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(access(beside, F_OK), 0);
    if (reader >= 0)
        close(reader);
}
END_TEST

START_TEST(a_link_in_its_place_is_not_followed)
{
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(symlink("/dev/null", beside), 0);
    ck_assert_int_ne(wf_disk_replace(path, WF_STR("x"), &diag), WEFT_OK);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sdk.disk");
    TCase *t = tcase_create("replace");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, writers_at_once_all_succeed_and_never_mix);
    tcase_add_test(t, what_a_crash_left_beside_is_taken_over);
    tcase_add_loop_test(t, only_a_file_of_ours_alone_is_taken_over, 0, WF_COUNT(besides));
    tcase_add_loop_test(t, what_is_no_file_in_its_place_is_refused_at_once, 0, 3);
    tcase_add_test(t, a_link_in_its_place_is_not_followed);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
