// SPDX-License-Identifier: Apache-2.0
// The spawner process: what it starts, what it reports, what it ends with it.
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/source/spawner.h"
#include "tests/support/support.h"

#define PATIENCE_MS 60000

static struct wf_keys keys; // of the node that forks it
static int spawner;
static pid_t spawner_pid;

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    ck_assert_int_eq(wf_keys_new('N', &keys), WEFT_OK);
    ck_assert_int_eq(wf_spawner_fork(&keys, &spawner, &spawner_pid), WEFT_OK);
}

static void teardown(void)
{
    close(spawner);
    ck_assert_int_eq(waitpid(spawner_pid, NULL, 0), spawner_pid);
    wf_keys_fini(&keys);
}

// Its output goes to *ret_out.
static void start(uint32_t id, const char *script, int *ret_out)
{
    struct wf_spawn_head head = { .kind = WF_SPAWN_START, .id = id, .value = 3, .env_count = 2 };
    struct wf_buf strings = { 0 };
    const char *parts[] = { "sh", "-c", script, "PATH=/usr/bin:/bin", "WEFT_PRODUCT=servers/cpu" };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), out[2];

    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    for (size_t i = 0; i < WF_COUNT(parts); i++)
        ck_assert_int_eq(
            wf_buf_append(&strings, wf_bytes(parts[i], strlen(parts[i]) + 1)), WEFT_OK);
    const int fds[3] = { null, out[1], null };
    ck_assert_int_eq(wf_spawner_start(spawner, &head, wf_buf_view(&strings), fds), WEFT_OK);
    close(null);
    close(out[1]);
    wf_buf_fini(&strings);
    *ret_out = out[0];
}

static struct wf_spawn_head next_report(void)
{
    struct wf_spawn_head head = { 0 };
    struct pollfd p = { .fd = spawner, .events = POLLIN };

    ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
    ck_assert_int_eq(wf_spawner_report(spawner, &head), WEFT_OK);
    return head;
}

static size_t read_all(int fd, char *out, size_t len)
{
    size_t at = 0;

    for (ssize_t n = read(fd, out, len - 1); n > 0; n = read(fd, out + at, len - 1 - at))
        at += (size_t)n;
    out[at] = '\0';
    close(fd);
    return at;
}

static const struct end {
    const char *why, *script;
    int status;
} ends[] = {
    { "it ended as asked", "exit 0", 0 },
    { "usage", "exit 64", 64 },
    { "a signal of its own", "kill -KILL $$", 128 + SIGKILL },
};

START_TEST(the_end_of_a_program_is_reported_with_its_status)
{
    int out = -1;
    char text[8];

    start(7, ends[_i].script, &out);
    struct wf_spawn_head head = next_report();
    ck_assert_uint_eq(head.kind, WF_SPAWN_ENDED);
    ck_assert_uint_eq(head.id, 7);
    ck_assert_msg(head.value == ends[_i].status, "%s: %d", ends[_i].why, head.value);
    read_all(out, text, sizeof text);
}
END_TEST

START_TEST(a_program_gets_what_it_was_given_and_nothing_else)
{
    int out = -1;
    char text[512];

    start(1, "echo \"$WEFT_PRODUCT\"; echo \"${HOME-none}\"; pwd; ls /proc/self/fd | wc -l", &out);
    read_all(out, text, sizeof text);
    // Descriptors: the three, and the one ls reads the directory with.
    ck_assert_str_eq(text, "servers/cpu\nnone\n/\n4\n");
    ck_assert_int_eq(next_report().value, 0);
}
END_TEST

START_TEST(what_cannot_be_started_is_reported)
{
    struct wf_spawn_head head = { .kind = WF_SPAWN_START, .id = 3, .value = 1 };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int fds[3] = { null, null, null };

    ck_assert_int_eq(
        wf_spawner_start(spawner, &head, WF_BYTES("/nonexistent/program"), fds), WEFT_OK);
    ck_assert_int_eq(next_report().value, 127);
    // Fewer strings than announced.
    head.value = 5;
    head.id = 4;
    ck_assert_int_eq(wf_spawner_start(spawner, &head, WF_BYTES("true"), fds), WEFT_OK);
    struct wf_spawn_head report = next_report();
    ck_assert_uint_eq(report.id, 4);
    ck_assert_int_eq(report.value, 127);
    close(null);
}
END_TEST

START_TEST(a_signal_reaches_the_whole_group)
{
    int out = -1;
    char text[64];

    start(9, "sleep 60 & echo ready; wait", &out);
    ck_assert_int_eq(read(out, text, 6), 6);
    ck_assert_int_eq(wf_spawner_signal(spawner, 9, SIGTERM), WEFT_OK);
    ck_assert_int_eq(next_report().value, 128 + SIGTERM);
    // The sleeping child held the pipe: it is gone when the pipe ends.
    ck_assert_uint_eq(read_all(out, text, sizeof text), 0);
}
END_TEST

START_TEST(programs_end_with_the_spawner)
{
    int out = -1;
    char text[64];

    start(2, "echo ready; exec sleep 60", &out);
    ck_assert_int_eq(read(out, text, 6), 6);
    close(spawner);
    ck_assert_uint_eq(read_all(out, text, sizeof text), 0);
    waitpid(spawner_pid, NULL, 0);
    setup(); // for the teardown
}
END_TEST

START_TEST(no_report_is_not_an_error_and_too_much_is_refused)
{
    struct wf_spawn_head head = { 0 };
    struct wf_buf big = { 0 };
    const int fds[3] = { 0, 1, 2 };

    ck_assert_int_eq(wf_spawner_report(spawner, &head), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_buf_reserve(&big, WF_SPAWN_MAX), WEFT_OK);
    memset(big.ptr, 'a', WF_SPAWN_MAX);
    ck_assert_int_eq(
        wf_spawner_start(spawner, &head, wf_bytes(big.ptr, WF_SPAWN_MAX), fds), WEFT_E_TOO_BIG);
    wf_buf_fini(&big);
}
END_TEST

// ---- secrets ---------------------------------------------------------------------------------------------------------

// Whether the memory of a process holds these bytes; -1 when nobody may look.
static int memory_has(pid_t pid, struct wf_bytes what)
{
    char path[64], line[512];
    uint8_t *page = NULL;
    int found = 0;

    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int mem = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    if (mem < 0 || !maps)
        return -1;
    while (fgets(line, sizeof line, maps)) {
        unsigned long long from = 0, to = 0;
        char mode[8] = "";
        if (sscanf(line, "%llx-%llx %7s", &from, &to, mode) != 3 || mode[0] != 'r' ||
            to - from > 64u * 1024 * 1024)
            continue;
        page = realloc(page, to - from);
        ck_assert_ptr_nonnull(page);
        ssize_t n = pread(mem, page, to - from, (off_t)from);
        found |= n > 0 && memmem(page, (size_t)n, what.ptr, what.len) != NULL;
    }
    free(page);
    fclose(maps);
    close(mem);
    return found;
}

START_TEST(the_spawner_has_no_key_of_the_node)
{
    int out = -1;
    char text[8];

    ck_assert_int_eq(memory_has(getpid(), wf_secret_view(&keys.dh)), 1); // the search finds it
    start(1, "echo up", &out); // the spawner serves: what it does first is done
    ck_assert_uint_eq(read_all(out, text, sizeof text), 3);
    ck_assert_uint_eq(next_report().value, 0);
    ck_assert_int_eq(memory_has(spawner_pid, wf_secret_view(&keys.sign)), 0);
    ck_assert_int_eq(memory_has(spawner_pid, wf_secret_view(&keys.dh)), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.spawner");
    TCase *t = tcase_create("spawner");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(
        t, the_end_of_a_program_is_reported_with_its_status, 0, (int)WF_COUNT(ends));
    tcase_add_test(t, a_program_gets_what_it_was_given_and_nothing_else);
    tcase_add_test(t, what_cannot_be_started_is_reported);
    tcase_add_test(t, a_signal_reaches_the_whole_group);
    tcase_add_test(t, programs_end_with_the_spawner);
    tcase_add_test(t, the_spawner_has_no_key_of_the_node);
    tcase_add_test(t, no_report_is_not_an_error_and_too_much_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
