// SPDX-License-Identifier: Apache-2.0
// Lines of threads and processes beside the loop, and why a start was refused: in the form that log: asks for.
#include "node/say.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/start.h"
#include "tests/support/support.h"

static char path[512];
static int before;

static void setup(void)
{
    snprintf(path, sizeof path, "%s/said", wf_test_tmpdir());
    before = dup(STDERR_FILENO);
    ck_assert_int_ge(before, 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    close(fd);
}

// What was said; standard error is the terminal's again.
static struct wf_buf said(void)
{
    ck_assert_int_ge(dup2(before, STDERR_FILENO), 0);
    close(before);
    struct wf_buf text = wf_test_file(path);
    ck_assert_int_eq(wf_buf_append_byte(&text, 0), WEFT_OK);
    return text;
}

static void expect(const char *want)
{
    struct wf_buf text = said();

    ck_assert_str_eq((const char *)text.ptr, want);
    wf_buf_fini(&text);
}

static void *on_a_thread(void *arg)
{
    wf_say_line(WF_LOG_WARN, "log", arg, NULL);
    return NULL;
}

static void say_on_a_thread(const char *text)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, on_a_thread, (void *)(uintptr_t)text), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(a_thread_says_it_as_the_configuration_asks)
{
    wf_say_form(WF_LOG_JSON, WF_LOG_INFO);
    say_on_a_thread("a \"torn\" tail\n");
    wf_say_form(WF_LOG_LOGFMT, WF_LOG_INFO);
    say_on_a_thread("a \"torn\" tail\n");
    expect("{\"level\":\"warn\",\"room\":\"log\",\"msg\":\"a \\\"torn\\\" tail\\u000a\"}\n"
           "level=\"warn\" room=\"log\" msg=\"a \\\"torn\\\" tail\\x0a\"\n");
}
END_TEST

START_TEST(a_process_that_was_forked_says_it_so_too)
{
    wf_say_form(WF_LOG_JSON, WF_LOG_INFO);
    pid_t pid = fork();
    if (pid == 0) {
        wf_say_line(WF_LOG_WARN, "signer", "not locked", "at", "start", NULL);
        _exit(0);
    }
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    expect("{\"level\":\"warn\",\"room\":\"signer\",\"msg\":\"not locked\",\"at\":\"start\"}\n");
}
END_TEST

START_TEST(what_is_below_the_level_is_not_said)
{
    wf_say_form(WF_LOG_LOGFMT, WF_LOG_ERROR);
    say_on_a_thread("a warning");
    wf_say_line(WF_LOG_ERROR, "log", "an error", NULL);
    expect("level=\"error\" room=\"log\" msg=\"an error\"\n");
}
END_TEST

START_TEST(a_refusal_to_start_is_an_object_where_json_is_asked_for)
{
    struct wf_diag diag = { 0 };

    wf_diag_set(&diag, 0, 0, "data/calls.db: a page is wrong");
    wf_say_form(WF_LOG_JSON, WF_LOG_INFO);
    wf_start_explain(WEFT_E_DAMAGED, "provider", &diag);
    wf_start_explain(WEFT_E_NAME, NULL, &diag);
    struct wf_buf text = said();
    ck_assert_ptr_nonnull(strstr((const char *)text.ptr,
        "{\"level\":\"error\",\"room\":\"provider\",\"msg\":\"data/calls.db: a page is wrong: "
        "damaged\",\"todo\":\"look for that disk's errors (dmesg), then put the node back from its "
        "backup (weft node restore)\"}\n"));
    ck_assert_ptr_nonnull(strstr((const char *)text.ptr, "\"room\":\"start\""));
    wf_buf_fini(&text);
}
END_TEST

START_TEST(a_refusal_to_start_is_words_for_people)
{
    struct wf_diag diag = { 0 };

    wf_diag_set(&diag, 0, 0, "data/calls.db: a page is wrong");
    wf_say_form(WF_LOG_LOGFMT, WF_LOG_INFO);
    wf_start_explain(WEFT_E_DAMAGED, "provider", &diag);
    expect("weftd: provider: data/calls.db: a page is wrong: damaged\n"
           "  look for that disk's errors (dmesg), then put the node back from its backup (weft "
           "node restore)\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.say");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_thread_says_it_as_the_configuration_asks);
    tcase_add_test(t, a_process_that_was_forked_says_it_so_too);
    tcase_add_test(t, what_is_below_the_level_is_not_said);
    tcase_add_test(t, a_refusal_to_start_is_an_object_where_json_is_asked_for);
    tcase_add_test(t, a_refusal_to_start_is_words_for_people);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
