// SPDX-License-Identifier: Apache-2.0
// Single runs of provider programs, over a real spawner: what comes back, and that nobody waits for a program that does not stop.
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/source/room.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/support.h"

#define WAIT_MS 20000

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct wf_identity_dir dir;

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t until_ = wf_node_now_ms(&node) + WAIT_MS;                                          \
        while (!(condition)) {                                                                     \
            wf_loop_turn(node.loop, 10);                                                           \
            ck_assert_msg(wf_node_now_ms(&node) < until_, "waited for %s", #condition);            \
        }                                                                                          \
    } while (0)

static void setup(void)
{
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    ck_assert_int_eq(wf_keys_new('N', &dir.keys), WEFT_OK);
    core = (struct wf_core){ .dir = &dir };
    conf = (struct wf_conf){ .data = wf_test_tmpdir(), .log.level = WF_LOG_ERROR + 1 };
    node = (struct wf_node){ .core = &core, .conf = &conf };
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
}

static void open_room(void)
{
    struct wf_diag diag = { 0 };

    ck_assert_msg(wf_source_room.open(&node, &diag) == WEFT_OK, "%s", diag.text);
    ck_assert_int_eq(wf_source_room.start(&node, &diag), WEFT_OK);
}

static void teardown(void)
{
    wf_source_room.close(&node);
    wf_loop_free(node.loop);
    wf_keys_fini(&dir.keys);
}

struct answer {
    unsigned times;
    enum weft_err err;
    int status;
    char output[256], error[256];
};

static void on_answer(struct wf_node *n, void *arg, enum weft_err err, int status,
    struct wf_bytes output, const char *error_text)
{
    struct answer *a = arg;

    (void)n;
    a->times++;
    a->err = err;
    a->status = status;
    snprintf(a->output, sizeof a->output, "%.*s", (int)output.len, (const char *)output.ptr);
    snprintf(a->error, sizeof a->error, "%s", error_text);
}

static void run(const char *script, int64_t for_ms, struct answer *a)
{
    const char *const args[] = { "sh", "-c", script };
    struct wf_run_spec spec = { .run = args,
        .run_count = 3,
        .input = WF_STR("the request"),
        .deadline_ms = wf_node_now_ms(&node) + for_ms };

    signal(SIGPIPE, SIG_IGN); // as weftd does: a program need not read what it is given
    ck_assert_int_eq(wf_source_run_once(&node, &spec, on_answer, a), WEFT_OK);
}

static const struct outcome {
    const char *why, *script;
    int status;
    const char *output, *error;
} outcomes[] = {
    { "its input comes back", "cat", 0, "the request", "" },
    { "a status and a reason", "echo because >&2; exit 65", 65, "", "because" },
    { "a signal", "kill -KILL $$", 128 + SIGKILL, "", "" },
};

START_TEST(output_status_and_reason_come_back)
{
    const struct outcome *o = &outcomes[_i];
    struct answer a = { 0 };

    open_room();
    run(o->script, WAIT_MS, &a);
    UNTIL(a.times);
    ck_assert_msg(a.err == WEFT_OK, "%s: %s", o->why, weft_err_name(a.err));
    ck_assert_msg(a.status == o->status, "%s: %d", o->why, a.status);
    ck_assert_str_eq(a.output, o->output);
    ck_assert_str_eq(a.error, o->error);
}
END_TEST

// One that SIGTERM does not end lives until SIGKILL. Its deadline comes when it has said who it is, however long that took.
START_TEST(a_late_program_is_answered_for_while_it_still_runs)
{
    struct answer a = { 0 };
    char script[512], name[300];

    open_room();
    snprintf(name, sizeof name, "%s/pid", conf.data);
    snprintf(script, sizeof script,
        "trap '' TERM; echo $$ >%s.new; mv %s.new %s; while :; do sleep 0.1; done", name, name,
        name);
    run(script, WAIT_MS, &a);
    UNTIL(access(name, F_OK) == 0);
    struct wf_buf text = wf_test_file(name);
    pid_t pid = (pid_t)strtol((const char *)text.ptr, NULL, 10);
    ck_assert_int_gt(pid, 1);
    wf_buf_fini(&text);
    ck_assert_uint_eq(a.times, 0);
    wf_test_clock_skip(WAIT_MS);
    wf_loop_turn(node.loop, 0);
    UNTIL(a.times);
    ck_assert_int_eq(a.err, WEFT_E_TIMEOUT);
    ck_assert_msg(kill(pid, 0) == 0, "the answer waited for the program's end");
    UNTIL(kill(pid, 0) != 0); // and it is ended all the same
    ck_assert_uint_eq(a.times, 1);
    unlink(name);
}
END_TEST

START_TEST(what_was_forgotten_is_not_told)
{
    struct answer gone = { 0 }, after = { 0 };

    open_room();
    run("while :; do sleep 0.1; done", WAIT_MS, &gone);
    wf_source_forget(&node, &gone);
    run("true", WAIT_MS, &after);
    UNTIL(after.times);
    ck_assert_uint_eq(gone.times, 0);
}
END_TEST

// A daemon that runs as root, and programs that don't: only root can try.
static void other_user(const char *data)
{
    conf.data = data;
    conf.sources.user = "nobody";
    conf.sources.uid = conf.sources.gid = 65534;
}

START_TEST(another_user_has_its_state)
{
    struct answer a = { 0 };

    if (getuid() != 0)
        return;
    other_user(wf_test_tmpdir());
    open_room();
    run("id -u && echo kept >\"$WEFT_STATE/note\" && cat \"$WEFT_STATE/note\"", WAIT_MS, &a);
    UNTIL(a.times);
    ck_assert_msg(a.status == 0, "%s", a.error);
    ck_assert_str_eq(a.output, "65534\nkept\n");
}
END_TEST

START_TEST(another_user_that_can_not_reach_its_state_is_told_where)
{
    struct wf_diag diag = { 0 };
    char closed[300], data[320];

    if (getuid() != 0)
        return;
    snprintf(closed, sizeof closed, "%s/closed", wf_test_tmpdir());
    snprintf(data, sizeof data, "%s/data", closed);
    ck_assert_int_eq(mkdir(closed, 0700), 0);
    ck_assert_int_eq(mkdir(data, 0700), 0);
    other_user(data);
    ck_assert_int_eq(wf_source_room.open(&node, &diag), WEFT_E_PERMISSION);
    ck_assert_ptr_nonnull(strstr(diag.text, closed));
    ck_assert_ptr_nonnull(strstr(diag.text, "chmod o+x"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.run");
    TCase *c = tcase_create("run");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, output_status_and_reason_come_back, 0, (int)WF_COUNT(outcomes));
    tcase_add_test(c, a_late_program_is_answered_for_while_it_still_runs);
    tcase_add_test(c, what_was_forgotten_is_not_told);
    tcase_add_test(c, another_user_has_its_state);
    tcase_add_test(c, another_user_that_can_not_reach_its_state_is_told_where);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
