// SPDX-License-Identifier: Apache-2.0
// kill -9 on a real file system: a child appends with its own thread and reports each acknowledgement over a pipe; the
// parent kills it at a random moment, opens the store and looks for everything that was reported.
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/logrig.h"
#include "tests/support/support.h"

#define KILLS    20
#define PRODUCTS 3u

static int report_to = -1;
static wf_log_done_fn keep_acks;

struct report {
    uint32_t product, count;
    uint64_t first;
};

// The token tells the product. A report is one atomic write, made after the acknowledgement.
static void on_done(void *arg, const struct wf_log_ack *acks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct report r = { (uint32_t)(acks[i].token % PRODUCTS), acks[i].count, acks[i].first };
        if (acks[i].err || write(report_to, &r, sizeof r) != (ssize_t)sizeof r)
            _exit(3);
    }
    keep_acks(arg, acks, count);
}

static _Noreturn void child(const char *dir)
{
    struct rig r;
    uint64_t next[PRODUCTS];

    rig_init(&r, dir);
    keep_acks = r.conf.done;
    r.conf.done = on_done;
    r.conf.segment_bytes = 65536;
    if (rig_open(&r))
        _exit(4);
    for (unsigned p = 0; p < PRODUCTS; p++)
        next[p] = rig_head(&r, p);
    for (unsigned n = 0; n < RIG_TOKENS; n++) {
        unsigned p = n % PRODUCTS;
        uint64_t token;
        if (rig_try(&r,
                &(struct rig_item){ .product = p,
                    .first = next[p],
                    .count = 1,
                    .mean = 400,
                    .durability = p == 2 ? WF_LOG_PROCESS : WF_LOG_DISK },
                &token))
            _exit(5);
        next[p]++;
        if (n % 40 == 39)
            wf_log_flush(r.log);
    }
    _exit(6); // the parent kills long before
}

// Reads reports until `enough`, kills, and reads what is still in the pipe. Heads become what was reported.
static uint64_t kill_after(const char *dir, uint64_t enough, uint64_t acked[PRODUCTS])
{
    int fds[2];
    struct report r;
    uint64_t reports = 0;
    int status = 0;

    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        close(fds[0]);
        report_to = fds[1];
        child(dir);
    }
    close(fds[1]);
    for (;;) {
        ssize_t n = read(fds[0], &r, sizeof r);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)sizeof r)
            break;
        reports++;
        if (acked[r.product] < r.first + r.count)
            acked[r.product] = r.first + r.count;
        if (reports == enough)
            kill(pid, SIGKILL);
    }
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(
        WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", (unsigned)status);
    return reports;
}

START_TEST(nothing_reported_is_missing_after_kill_9)
{
    const char *base = wf_test_tmpdir();
    char dir[300];
    uint64_t acked[PRODUCTS] = { 0 }, seed = 77, reports = 0;

    snprintf(dir, sizeof dir, "%s/log", base);
    for (int i = 0; i < KILLS; i++) {
        struct rig r;
        reports += kill_after(dir, 1 + wf_test_rand(&seed) % 300, acked);
        rig_init(&r, dir);
        ck_assert_int_eq(rig_open(&r), WEFT_OK);
        for (unsigned p = 0; p < PRODUCTS; p++) {
            static struct rig_read got;
            rig_read(&r, p, 0, 1 << 20, &got);
            ck_assert_uint_ge(got.next, acked[p]);
            ck_assert_uint_eq(got.gap_count, 0);
            ck_assert_uint_eq(got.offsets, got.next);
            acked[p] = got.next; // also what was written and not yet reported stays
        }
        rig_fini(&r);
    }
    printf("kill -9: %d times, %llu acknowledgements reported, 0 missing\n", KILLS,
        (unsigned long long)reports);
}
END_TEST

START_TEST(another_process_is_kept_out)
{
    const char *base = wf_test_tmpdir();
    char dir[300];
    struct rig r;
    int status = 0;

    snprintf(dir, sizeof dir, "%s/log", base);
    pid_t pid = -1;
    int ready[2], done[2];
    char c = 0;
    ck_assert(pipe(ready) == 0 && pipe(done) == 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) { // holds the store until told
        close(done[1]);
        rig_init(&r, dir);
        if (rig_open(&r) || write(ready[1], "x", 1) != 1 || read(done[0], &c, 1) < 0)
            _exit(1);
        rig_fini(&r);
        _exit(0);
    }
    close(done[0]);
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    rig_init(&r, dir);
    ck_assert_int_eq(rig_open(&r), WEFT_E_IN_USE);
    close(done[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(rig_open(&r), WEFT_OK);
    rig_fini(&r);
    close(ready[0]);
    close(ready[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_crash");
    TCase *t = tcase_create("log_crash");

    tcase_set_timeout(t, 240);
    tcase_add_test(t, nothing_reported_is_missing_after_kill_9);
    tcase_add_test(t, another_process_is_kept_out);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
