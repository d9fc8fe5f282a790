// SPDX-License-Identifier: Apache-2.0
// The mount table from texts, which of its file systems are looked at, what happens when one does not answer, and which become rows.
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "domains/common/volumes.h"
#include "tests/support/support.h"

static struct wf_mounts mounts_of(const char *text)
{
    struct wf_mounts mounts;
    size_t len = strlen(text);
    // As wf_file_read gives it: a byte behind the end is there to be written to.
    struct wf_file file = { malloc(len + 1), len };

    ck_assert_ptr_nonnull(file.ptr);
    memcpy(file.ptr, text, len);
    ck_assert_int_eq(wf_mounts_parse(&file, &mounts), WEFT_OK);
    return mounts;
}

// ---- the table ---------------------------------------------------------------------------------------------------------

static const struct escape_row {
    const char *why, *field, *want; // NULL: the line is passed over
} escapes[] = {
    { "a blank, a tab, a newline, a backslash, a hash", "/a\\040b\\011c\\012d\\134e\\043",
        "/a b\tc\nd\\e#" },
    { "an escaped backslash makes no escape", "/\\134040", "/\\040" },
    { "an escape at the end", "/a\\040", "/a " },
    { "three digits are missing", "/a\\04", "/a\\04" },
    { "no octal digit", "/a\\048", "/a\\048" },
    { "more than a byte", "/a\\440", "/a\\440" },
    { "bytes that are no UTF-8 stay for the writer of rows", "/a\xff\xfe", "/a\xff\xfe" },
    { "the way to it is unknown here (chroot)", "relative", NULL },
};

START_TEST(a_mount_point_is_as_it_was_before_the_kernel_escaped_it)
{
    const struct escape_row *r = &escapes[_i];
    char text[200];

    snprintf(text, sizeof text, "2 1 8:1 / %s rw - ext4 /dev/a rw", r->field);
    struct wf_mounts m = mounts_of(text);
    ck_assert_msg(m.count == (r->want != NULL), "%s", r->why);
    if (r->want)
        ck_assert_msg(strcmp(m.list[0].point, r->want) == 0, "%s: %s", r->why, m.list[0].point);
    wf_mounts_fini(&m);
}
END_TEST

START_TEST(a_line_is_read_with_parent_device_and_upper_directory)
{
    struct wf_mounts m =
        mounts_of("36 35 254:65537 /sub /point rw shared:1 master:2 - ext3 /dev/x rw\n"
                  "37 35 0:40 / /o rw - overlay overlay "
                  "rw,lowerdir=/l,upperdir=/up\\040per,workdir=/w\n"
                  "38 35 0:41 / /p rw - overlay overlay ro,lowerdir=/l\n"
                  "39 35 0:42 / /q rw - tmpfs upper rw,upperdir=/no\n"
                  "40 35 0 / /r rw - tmpfs t rw\n"
                  "41 x 0:1 / /s rw - tmpfs t rw\n"
                  "42 35 0:4294967296 / /t rw - tmpfs t rw\n"
                  "43 35 0:43 / /u rw - overlay overlay upperdir=/end");

    ck_assert_uint_eq(m.count, 5);
    ck_assert_uint_eq(m.list[0].id, 36);
    ck_assert_uint_eq(m.list[0].parent, 35);
    ck_assert(m.list[0].device == ((uint64_t)254 << 32 | 65537));
    ck_assert_str_eq(m.list[0].root, "/sub");
    ck_assert_str_eq(m.list[1].upper, "/up per");
    ck_assert_str_eq(m.list[2].upper, "");
    ck_assert_str_eq(m.list[3].upper, "");
    ck_assert_str_eq(m.list[4].upper, "/end");
    wf_mounts_fini(&m);
}
END_TEST

static const struct stack_row {
    const char *why, *text, *want; // source of the one mount at /m
} stacks[] = {
    { "one over the other", "2 1 0:2 / /m rw - tmpfs low rw\n3 2 0:3 / /m rw - tmpfs top rw\n",
        "top" },
    { "put beneath later (Linux 6.5)",
        "2 1 0:2 / /m rw - tmpfs low rw\n3 4 0:3 / /m rw - tmpfs top rw\n"
        "4 2 0:4 / /m rw - tmpfs beneath rw\n",
        "top" },
    { "in no order", "9 8 0:3 / /m rw - tmpfs top rw\n8 1 0:2 / /m rw - tmpfs low rw\n", "top" },
    { "under a mount over the directory above, and anew in that",
        "2 1 0:2 / /m rw - tmpfs hidden rw\n3 1 0:3 / /x rw - tmpfs x rw\n"
        "4 3 0:4 / /m rw - tmpfs anew rw\n",
        "anew" },
    { "parents in a circle, which no kernel writes",
        "2 3 0:2 / /m rw - tmpfs a rw\n3 2 0:3 / /m rw - tmpfs b rw\n", "b" },
};

START_TEST(of_mounts_on_one_point_the_topmost_is_kept)
{
    const struct stack_row *r = &stacks[_i];
    struct wf_mounts m = mounts_of(r->text);
    const struct wf_mount *at = wf_mounts_find(&m, "/m");

    ck_assert_msg(
        at != NULL && strcmp(at->source, r->want) == 0, "%s: %s", r->why, at ? at->source : "none");
    for (size_t i = 0; i < m.count; i++)
        ck_assert_msg(&m.list[i] == at || strcmp(m.list[i].point, "/m") != 0, "%s", r->why);
    wf_mounts_fini(&m);
}
END_TEST

static const struct remote_row {
    const char *why, *line;
    bool remote;
} remotes[] = {
    { "a disk", "2 1 8:1 / /m rw - ext4 /dev/sda1 rw", false },
    { "NFS", "2 1 0:9 / /m rw - nfs4 server:/export rw", true },
    { "CIFS", "2 1 0:9 / /m rw - cifs //server/share rw", true },
    { "a named FUSE daemon", "2 1 0:9 / /m rw - fuse.sshfs a@b rw", true },
    { "a FUSE daemon without a name", "2 1 0:9 / /m rw - fuse daemon rw", true },
    { "a disk that a FUSE daemon reads", "2 1 8:17 / /m rw - fuseblk /dev/sdb1 rw", false },
    { "an automatic mount that was not needed yet", "2 1 0:9 / /m rw - autofs systemd-1 rw",
        false },
};

START_TEST(what_another_machine_or_a_daemon_serves_is_known_by_the_table)
{
    const struct remote_row *r = &remotes[_i];
    struct wf_mounts m = mounts_of(r->line);

    ck_assert_uint_eq(m.count, 1);
    ck_assert_msg(wf_mount_is_remote(&m.list[0]) == r->remote, "%s", r->why);
    wf_mounts_fini(&m);
}
END_TEST

START_TEST(a_local_file_system_behind_a_remote_one_is_told_apart)
{
    struct wf_mounts m = mounts_of("1 0 0:1 / / rw - nfs4 server:/root rw\n"
                                   "2 1 0:2 / /net rw - nfs4 server:/x rw\n"
                                   "3 2 8:1 / /net/disk rw - ext4 /dev/sda1 rw\n"
                                   "4 1 8:2 / /network rw - ext4 /dev/sdb1 rw\n"
                                   "5 1 8:3 / /local rw - ext4 /dev/sdc1 rw\n");
    static const bool want[] = { false, false, true, false, false };

    ck_assert_uint_eq(m.count, WF_COUNT(want));
    for (size_t i = 0; i < m.count; i++)
        ck_assert_msg(wf_mount_is_behind_remote(&m, &m.list[i]) == want[i], "%s", m.list[i].point);
    wf_mounts_fini(&m);
}
END_TEST

// ---- looking -----------------------------------------------------------------------------------------------------------

static _Atomic unsigned *looks; // shared with the children

static bool look_here(const char *root, const struct wf_mount *m, struct statvfs *ret)
{
    (void)root;
    (*looks)++;
    while (strncmp(m->point, "/dead", 5) == 0)
        pause();
    if (strncmp(m->point, "/crash", 6) == 0)
        _exit(3);
    ret->f_blocks = m->id;
    return strcmp(m->point, "/hidden") != 0;
}

static void share_counter(void)
{
    looks = mmap(NULL, sizeof *looks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(looks != MAP_FAILED);
    *looks = 0;
}

static struct wf_volume *wanted(const struct wf_mounts *m)
{
    struct wf_volume *v = calloc(m->count, sizeof *v);

    ck_assert_ptr_nonnull(v);
    for (size_t i = 0; i < m->count; i++)
        v[i] = (struct wf_volume){ .mount = &m->list[i], .wanted = true };
    return v;
}

static const char with_dead_ones[] = "11 1 0:1 / /a rw - x s rw\n"
                                     "12 1 0:2 / /dead1 rw - x s rw\n"
                                     "13 1 0:3 / /b rw - x s rw\n"
                                     "14 1 0:4 / /hidden rw - x s rw\n"
                                     "15 1 0:5 / /crash rw - x s rw\n"
                                     "16 1 0:6 / /c rw - x s rw\n"
                                     "17 1 0:7 / /dead2 rw - x s rw\n";

START_TEST(what_does_not_answer_costs_its_own_row_and_no_other)
{
    struct wf_mounts m = mounts_of(with_dead_ones);
    struct wf_volume *v = wanted(&m);
    struct wf_prober p = { .look = look_here, .limit_ms = 1000 };
    static const char want[] = "fsf-sfs"; // found, stuck, or neither

    share_counter();
    ck_assert_int_eq(wf_volumes_look(&p, "", v, m.count), WEFT_OK);
    for (size_t i = 0; i < m.count; i++) {
        ck_assert_msg(v[i].found == (want[i] == 'f'), "%s", m.list[i].point);
        ck_assert_msg(v[i].is_stuck == (want[i] == 's'), "%s", m.list[i].point);
        if (v[i].found)
            ck_assert_uint_eq(v[i].fs.f_blocks, m.list[i].id);
    }
    ck_assert_uint_eq(*looks, 7);
    ck_assert_uint_eq(p.stuck_count, 0); // SIGKILL ended them
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    free(v);
    wf_mounts_fini(&m);
}
END_TEST

START_TEST(a_mount_that_a_child_still_waits_for_is_not_asked_again)
{
    struct wf_mounts m = mounts_of("11 1 0:1 / /a rw - x s rw\n12 1 0:2 / /dead rw - x s rw\n");
    // SIGCONT ends nobody: the child is as one that waits in the kernel.
    struct wf_prober p = { .look = look_here, .limit_ms = 1000, .end_signal = SIGCONT };

    share_counter();
    for (unsigned sample = 1; sample <= 3; sample++) {
        struct wf_volume *v = wanted(&m);
        ck_assert_int_eq(wf_volumes_look(&p, "", v, m.count), WEFT_OK);
        ck_assert(v[0].found && !v[0].is_stuck && !v[1].found && v[1].is_stuck);
        ck_assert_uint_eq(p.stuck_count, 1);
        ck_assert_uint_eq(*looks, 1 + sample); // /a each time, /dead once
        free(v);
    }
    siginfo_t ended;
    ck_assert_int_eq(kill(p.stuck[0].pid, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)p.stuck[0].pid, &ended, WEXITED | WNOWAIT), 0);
    p.end_signal = SIGKILL;
    struct wf_volume *v = wanted(&m);
    ck_assert_int_eq(wf_volumes_look(&p, "", v, m.count), WEFT_OK);
    ck_assert_msg(v[1].is_stuck && *looks == 6, "asked again once nobody waits for it any more");
    ck_assert_uint_eq(p.stuck_count, 0);
    free(v);
    wf_mounts_fini(&m);
}
END_TEST

START_TEST(no_more_children_wait_than_the_limit)
{
    char text[1000] = "";
    size_t len = 0;

    for (unsigned i = 0; i < WF_HOST_MAX_STUCK + 2; i++)
        len += (size_t)snprintf(
            text + len, sizeof text - len, "%u 1 0:%u / /dead%u rw - x s rw\n", i + 2, i, i);
    struct wf_mounts m = mounts_of(text);
    struct wf_volume *v = wanted(&m);
    struct wf_prober p = { .look = look_here, .limit_ms = 50, .end_signal = SIGCONT };
    share_counter();
    ck_assert_int_eq(wf_volumes_look(&p, "", v, m.count), WEFT_E_TIMEOUT);
    ck_assert_uint_eq(p.stuck_count, WF_HOST_MAX_STUCK);
    for (size_t i = 0; i < p.stuck_count; i++) {
        ck_assert_int_eq(kill(p.stuck[i].pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(p.stuck[i].pid, NULL, 0), p.stuck[i].pid);
    }
    free(v);
    wf_mounts_fini(&m);
}
END_TEST

START_TEST(a_child_that_waits_holds_no_descriptor_of_its_parent)
{
    struct wf_mounts m = mounts_of("12 1 0:2 / /dead rw - x s rw\n");
    struct wf_volume *v = wanted(&m);
    struct wf_prober p = { .look = look_here, .limit_ms = 50, .end_signal = SIGCONT };
    int ends[2];
    char byte;

    share_counter();
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(wf_volumes_look(&p, "", v, m.count), WEFT_OK);
    ck_assert_uint_eq(p.stuck_count, 1);
    close(ends[1]);
    ck_assert_msg(read(ends[0], &byte, 1) == 0, "a reader of the pipe would wait for the child");
    close(ends[0]);
    ck_assert_int_eq(kill(p.stuck[0].pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(p.stuck[0].pid, NULL, 0), p.stuck[0].pid);
    free(v);
    wf_mounts_fini(&m);
}
END_TEST

// ---- which are rows ----------------------------------------------------------------------------------------------------

#define SPACE(blocks, files)                                                                       \
    {                                                                                              \
        .f_blocks = (blocks), .f_frsize = 4096, .f_files = (files)                                 \
    }

static const struct keep_row {
    const char *why, *text;
    struct statvfs fs[4]; // in the order of the table; no blocks: not found
    const char *want;     // mount points
} keeps[] = {
    { "a bind mount of a folder is the same file system",
        "2 1 8:1 / / rw - ext4 /dev/a rw\n3 2 8:1 /srv /mnt rw - ext4 /dev/a rw\n",
        { SPACE(10, 5), SPACE(10, 5) }, "/" },
    { "a bind mount nearer to the root shows less",
        "2 1 8:1 / /long/way rw - ext4 /dev/a rw\n"
        "3 1 8:1 /srv /s rw - ext4 /dev/a rw\n",
        { SPACE(10, 5), SPACE(10, 5) }, "/long/way" },
    { "a name of a device before one made up",
        "2 1 8:1 / /a rw - ext4 rootfs rw\n"
        "3 1 8:1 / /longer rw - ext4 /dev/root rw\n",
        { SPACE(10, 5), SPACE(10, 5) }, "/longer" },
    { "subvolumes of btrfs share their space",
        "2 1 0:30 /@home /home rw - btrfs /dev/a rw\n"
        "3 1 0:30 /@root-of-it / rw - btrfs /dev/a rw\n"
        "4 1 0:30 /@v /var rw - btrfs /dev/a rw\n",
        { SPACE(10, 0), SPACE(10, 0), SPACE(10, 0) }, "/" },
    { "two file systems of one size are two",
        "2 1 8:1 / /a rw - ext4 /dev/a rw\n"
        "3 1 8:2 / /b rw - ext4 /dev/b rw\n",
        { SPACE(10, 5), SPACE(10, 5) }, "/a /b" },
    { "an overlay on a disk that is told",
        "2 1 8:1 / / rw - ext4 /dev/a rw\n"
        "3 2 0:40 / /c/1 rw - overlay overlay upperdir=/up/1\n"
        "4 2 0:41 / /c/2 rw - overlay overlay upperdir=/up/2\n",
        { SPACE(10, 5), SPACE(10, 5), SPACE(10, 5) }, "/" },
    { "an overlay on a disk that is not found",
        "2 1 8:1 / / rw - ext4 /dev/a rw\n3 2 0:40 / /c rw - overlay o upperdir=/up\n",
        { SPACE(0, 0), SPACE(10, 5) }, "/c" },
    { "a container's root: the name is of another namespace",
        "2 1 0:40 / / rw - overlay overlay upperdir=/var/lib/x/diff\n", { SPACE(10, 5) }, "/" },
    { "a container's root, and by chance a mount of that name in it",
        "2 1 0:40 / / rw - overlay overlay upperdir=/var/lib/x/diff\n"
        "3 2 8:2 / /var/lib rw - ext4 /dev/b rw\n",
        { SPACE(10, 5), SPACE(20, 5) }, "/ /var/lib" },
    { "an overlay without an upper directory has nobody else to tell",
        "2 1 8:1 / / rw - ext4 /dev/a rw\n3 2 0:40 / /c ro - overlay o lowerdir=/l\n",
        { SPACE(10, 5), SPACE(10, 5) }, "/ /c" },
};

START_TEST(space_is_told_once)
{
    const struct keep_row *r = &keeps[_i];
    struct wf_mounts m = mounts_of(r->text);
    struct wf_volume *v = wanted(&m);
    size_t count = m.count;
    char got[200] = "";

    for (size_t i = 0; i < m.count; i++) {
        v[i].fs = r->fs[i];
        v[i].found = r->fs[i].f_blocks > 0;
    }
    wf_volumes_keep(&m, v, &count);
    for (size_t i = 0; i < count; i++) {
        strncat(got, i ? " " : "", sizeof got - strlen(got) - 1);
        strncat(got, v[i].mount->point, sizeof got - strlen(got) - 1);
    }
    ck_assert_msg(strcmp(got, r->want) == 0, "%s: %s", r->why, got);
    free(v);
    wf_mounts_fini(&m);
}
END_TEST

static const struct put_row {
    const char *why;
    struct statvfs fs;
    const char *want; // behind "readOnly"
} shares[] = {
    { "as it should be",
        { .f_frsize = 4096,
            .f_blocks = 100,
            .f_bfree = 40,
            .f_bavail = 20,
            .f_files = 9,
            .f_ffree = 4 },
        "\"size\":\"409600\",\"used\":\"245760\",\"available\":\"81920\",\"usedRatio\":0.75,"
        "\"inodes\":\"9\",\"inodesUsed\":\"5\",\"inodesFree\":\"4\"}" },
    { "no inodes to run out of", { .f_bsize = 512, .f_blocks = 2, .f_bfree = 2, .f_bavail = 2 },
        "\"size\":\"1024\",\"used\":\"0\",\"available\":\"1024\",\"usedRatio\":0}" },
    { "more is used than ordinary users may have: less than nothing is left",
        { .f_frsize = 1, .f_blocks = 100, .f_bfree = 3, .f_bavail = (fsblkcnt_t)-2 },
        "\"size\":\"100\",\"used\":\"97\",\"available\":\"0\",\"usedRatio\":1}" },
    { "more is free than there is",
        { .f_frsize = 1,
            .f_blocks = 10,
            .f_bfree = 12,
            .f_bavail = 12,
            .f_files = 3,
            .f_ffree = 4 },
        "\"size\":\"10\",\"used\":\"0\",\"available\":\"0\",\"inodes\":\"3\",\"inodesUsed\":\"3\","
        "\"inodesFree\":\"0\"}" },
    { "sizes that do not multiply", { .f_frsize = 4096, .f_blocks = UINT64_MAX, .f_bfree = 0 },
        "\"size\":\"18446744073709551615\",\"used\":\"18446744073709551615\",\"available\":\"0\","
        "\"usedRatio\":1}" },
};

START_TEST(figures_are_never_absurd)
{
    const struct put_row *r = &shares[_i];
    const struct wf_mount m = { .point = "/m\xff", .source = "", .fstype = "x" };
    struct wf_volume v = { .mount = &m, .fs = r->fs };
    struct wf_out out = { 0 };
    char want[400];

    snprintf(want, sizeof want,
        "{\"mountpoint\":\"/m\xef\xbf\xbd\",\"device\":\"\",\"fstype\":\"x\",\"readOnly\":false,%s",
        r->want);
    ck_assert_int_eq(wf_volume_put(&out, &v), WEFT_OK);
    ck_assert_msg(out.len == strlen(want) && memcmp(out.ptr, want, out.len) == 0, "%s: %.*s",
        r->why, (int)out.len, out.ptr);
    wf_out_fini(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("volumes");
    TCase *tc = tcase_create("volumes");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(
        tc, a_mount_point_is_as_it_was_before_the_kernel_escaped_it, 0, (int)WF_COUNT(escapes));
    tcase_add_test(tc, a_line_is_read_with_parent_device_and_upper_directory);
    tcase_add_loop_test(tc, of_mounts_on_one_point_the_topmost_is_kept, 0, (int)WF_COUNT(stacks));
    tcase_add_loop_test(tc, what_another_machine_or_a_daemon_serves_is_known_by_the_table, 0,
        (int)WF_COUNT(remotes));
    tcase_add_test(tc, a_local_file_system_behind_a_remote_one_is_told_apart);
    tcase_add_test(tc, what_does_not_answer_costs_its_own_row_and_no_other);
    tcase_add_test(tc, a_mount_that_a_child_still_waits_for_is_not_asked_again);
    tcase_add_test(tc, no_more_children_wait_than_the_limit);
    tcase_add_test(tc, a_child_that_waits_holds_no_descriptor_of_its_parent);
    tcase_add_loop_test(tc, space_is_told_once, 0, (int)WF_COUNT(keeps));
    tcase_add_loop_test(tc, figures_are_never_absurd, 0, (int)WF_COUNT(shares));
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
