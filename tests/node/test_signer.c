// SPDX-License-Identifier: Apache-2.0
// The signer as a process: that it signs what its node asks for, can do nothing else, and what becomes of a node whose signer dies.
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/core.h"
#include "sdk/disk.h"
#include "sdk/loop/loop.h"
#include "tests/node/signer_rig.h"

static struct wf_node node;
static struct wf_identity_dir dir_of_node; // without keys: the child wipes its copy of them
static struct wf_core core = { .dir = &dir_of_node };
static struct wf_conf conf;

static void write_file(const char *dir, const char *name, struct wf_bytes content)
{
    char path[600];
    struct wf_diag diag = { 0 };

    snprintf(path, sizeof path, "%s/identity", dir);
    ck_assert_int_eq(wf_disk_mkdir(path, &diag), WEFT_OK);
    snprintf(path, sizeof path, "%s/identity/%s", dir, name);
    ck_assert_msg(wf_disk_create(path, content, &diag) == WEFT_OK, "%s", diag.text);
}

static void node_open(void)
{
    struct wf_diag diag = { 0 };

    ck_assert_msg(wf_signer_room.open(&node, &diag) == WEFT_OK, "%s", diag.text);
    if (wf_signer_room.start)
        ck_assert_int_eq(wf_signer_room.start(&node, &diag), WEFT_OK);
}

static void node_up(void)
{
    const char *dir = wf_test_tmpdir();
    struct wf_keys keys = { .sign = servers->issuer, .sign_pub = servers->issuer_pub };
    struct wf_buf file = { 0 };

    node = (struct wf_node){ .core = &core, .conf = &conf };
    conf = (struct wf_conf){ .data = dir, .issuer = true, .log.level = WF_LOG_ERROR + 1 };
    ck_assert_int_eq(wf_keys_pack(&keys, wf_bytes(NULL, 0), &file), WEFT_OK);
    write_file(dir, "issuer.key", wf_buf_view(&file));
    write_file(dir, "issuer.cert", child.cert);
    wf_buf_fini(&file);
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    wf_loop_turn(node.loop, 0);
    node_open();
}

static void node_down(void)
{
    wf_signer_room.close(&node);
    while (core.alarms) {
        struct wf_alarm *a = core.alarms;
        core.alarms = a->next;
        free(a);
    }
    wf_loop_free(node.loop);
}

static enum weft_err issue(void)
{
    struct wf_cert c = wf_test_cert("servers", WF_ID_AGENT, "web-1");

    wf_buf_fini(&out);
    return wf_signer_issue(&node, &c, &out);
}

// The only child of a process; 0 when there is none.
static pid_t child_of(pid_t parent)
{
    char path[64];
    long pid = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    if (fscanf(f, "%ld", &pid) != 1)
        pid = 0;
    fclose(f);
    return (pid_t)pid;
}

static pid_t find_signer(void)
{
    return child_of(child_of(getpid()));
}

START_TEST(the_process_signs_what_the_node_asks_for)
{
    struct wf_test_holders who;
    struct wf_test_block b;
    struct wf_revocations r = {
        .mesh_id = mesh.charter->mesh_id, .version = 1, .issued_ms = WF_TEST_NOW
    };
    struct wf_home_fields h = { .mesh_id = mesh.charter->mesh_id,
        .domain = "servers",
        .product = "hosts",
        .node = "node-1",
        .term = 1,
        .sequence = WF_TEST_NOW,
        .expires_ms = WF_TEST_NOW + WF_TEST_DAY };
    struct wf_token *t = NULL;

    node_up();
    ck_assert(wf_signer_here(&node));
    ck_assert_int_eq(issue(), WEFT_OK);
    wf_buf_fini(&out);
    ck_assert_int_eq(wf_signer_home(&node, &h, &out), WEFT_OK);
    h.domain = "network";
    ck_assert_int_eq(wf_signer_home(&node, &h, &out), WEFT_E_WRONG_DOMAIN);
    wf_buf_fini(&out);
    ck_assert_int_eq(wf_name_from(WF_STR("servers"), &r.domain), WEFT_OK);
    ck_assert_int_eq(wf_signer_revocations(&node, &r, &out), WEFT_OK);
    wf_test_holders_init(&who);
    wf_test_block_init(&b, &mesh.charter->mesh_id, "servers", &who.alice_pub);
    wf_buf_fini(&out);
    ck_assert_int_eq(wf_signer_grant(&node, &b.fields, &out), WEFT_OK);
    ck_assert_int_eq(wf_token_open(wf_buf_view(&out), &t, NULL), WEFT_OK);
    ck_assert_int_eq(
        wf_token_verify(t, mesh.charter, WF_TEST_NOW), WEFT_OK); // not the throw-away issuer's
    ck_assert_int_eq(issue(), WEFT_OK);                          // a refusal was no end
    wf_token_free(t);
    wf_test_holders_fini(&who);
    node_down();
}
END_TEST

static void limits_are_none(pid_t pid)
{
    char path[64], line[200];
    unsigned found = 0;

    snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f))
        found += strncmp(line, "Max file size             0 ", 28) == 0 ||
                 strncmp(line, "Max processes             0 ", 28) == 0 ||
                 strncmp(line, "Max core file size        0 ", 28) == 0;
    fclose(f);
    ck_assert_uint_eq(found, 3);
}

static void gains_nothing(pid_t pid)
{
    char path[64], line[200];
    bool told = false;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f))
        told = told || strcmp(line, "NoNewPrivs:\t1\n") == 0;
    fclose(f);
    ck_assert(told);
}

// Nothing open but the pipe and stdio, nothing that could be opened, and nobody looks into it.
START_TEST(the_process_can_do_nothing_but_sign)
{
    char path[300], target[200];

    node_up();
    ck_assert_int_eq(issue(), WEFT_OK); // it is set up by now
    pid_t pid = find_signer();
    ck_assert_int_gt(pid, 0);
    limits_are_none(pid);
    gains_nothing(pid);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    if (d) { // not readable to others than root, since it is not dumpable
        unsigned sockets = 0;
        for (struct dirent *e = readdir(d); e; e = readdir(d)) {
            if (e->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, e->d_name);
            ssize_t n = readlink(path, target, sizeof target - 1);
            target[n > 0 ? n : 0] = '\0';
            bool is_socket = strncmp(target, "socket:", 7) == 0;
            sockets += is_socket;
            ck_assert_msg(
                is_socket || strtol(e->d_name, NULL, 10) < 3, "%s -> %s", e->d_name, target);
        }
        closedir(d);
        ck_assert_uint_eq(sockets, 1);
    } else {
        ck_assert_uint_ne(getuid(), 0);
    }
    node_down();
    ck_assert_int_eq(child_of(getpid()), 0); // it went with its node
}
END_TEST

static bool has_alarm(void)
{
    for (const struct wf_alarm *a = core.alarms; a; a = a->next)
        if (strcmp(a->name, "signer") == 0)
            return true;
    return false;
}

static void turn_until_alarm_is(bool there)
{
    for (int i = 0; i < 1000 && has_alarm() != there; i++)
        wf_loop_turn(node.loop, 20);
    ck_assert_int_eq(has_alarm(), there);
}

START_TEST(a_signer_that_dies_is_noticed_at_once_and_another_takes_its_place)
{
    struct wf_bytes cert;

    node_up();
    ck_assert_int_eq(issue(), WEFT_OK);
    ck_assert(!has_alarm());
    pid_t first = find_signer();
    ck_assert_int_eq(kill(first, SIGKILL), 0);
    turn_until_alarm_is(true); // nobody asked for a signature
    ck_assert(wf_signer_here(&node));
    ck_assert_int_eq(issue(), WEFT_E_UNREACHABLE);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_int_eq(wf_signer_cert(&node, &cert), WEFT_OK); // what is public stays
    turn_until_alarm_is(false);
    ck_assert_int_eq(issue(), WEFT_OK);
    ck_assert_int_ne(find_signer(), first);
    ck_assert_int_eq(kill(find_signer(), SIGKILL), 0); // again, now with a wait before the next
    turn_until_alarm_is(true);
    turn_until_alarm_is(false);
    ck_assert_int_eq(issue(), WEFT_OK);
    node_down();
}
END_TEST

START_TEST(a_signer_that_dies_again_and_again_is_started_ever_more_seldom)
{
    static const struct {
        unsigned deaths;
        int64_t want_ms;
    } rows[] = { { 0, 0 }, { 1, 0 }, { 2, 1000 }, { 3, 2000 }, { 7, 32000 }, { 8, 60000 },
        { 9, 60000 }, { UINT_MAX, 60000 } };

    for (size_t i = 0; i < WF_COUNT(rows); i++)
        ck_assert_int_eq(wf_signer_backoff_ms(rows[i].deaths), rows[i].want_ms);
}
END_TEST

START_TEST(without_its_keeper_the_signer_goes_and_the_alarm_says_what_to_do)
{
    node_up();
    ck_assert_int_eq(issue(), WEFT_OK);
    pid_t signer = find_signer();
    ck_assert_int_eq(kill(child_of(getpid()), SIGKILL), 0);
    for (int i = 0; i < 1000 && !(has_alarm() && strstr(core.alarms->text, "restarted")); i++)
        wf_loop_turn(node.loop, 20);
    ck_assert_ptr_nonnull(strstr(core.alarms->text, "restarted"));
    for (int i = 0; i < 1000 && issue() == WEFT_OK; i++)
        wf_loop_turn(node.loop, 20);
    ck_assert_int_eq(issue(), WEFT_E_UNREACHABLE);
    for (int i = 0; i < 1000 && kill(signer, 0) == 0; i++)
        wf_loop_turn(node.loop, 20);
    ck_assert_int_ne(kill(signer, 0), 0);
    wf_signer_room.close(&node);
    ck_assert_int_eq(issue(), WEFT_E_STATE); // no issuer
    node_open();
    ck_assert_int_eq(issue(), WEFT_OK);
    node_down();
}
END_TEST

// It stops half way through an answer: a late one must never be taken for the next.
START_TEST(an_answer_that_does_not_come_ends_the_pipe_and_the_signer)
{
    node_up();
    pid_t pid = find_signer();
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(issue(), WEFT_E_UNREACHABLE); // after its five seconds
    ck_assert_int_eq(issue(), WEFT_E_UNREACHABLE);
    ck_assert_uint_eq(out.len, 0);
    ck_assert(has_alarm());
    turn_until_alarm_is(false);
    ck_assert_int_ne(find_signer(), pid);
    ck_assert_int_eq(issue(), WEFT_OK);
    node_down();
}
END_TEST

static const struct {
    const char *why;
    enum weft_err want;
} files[] = {
    { "the key is not the certificate's", WEFT_E_KEY },
    { "there is no key", WEFT_E_NOT_FOUND },
    { "the certificate is none", WEFT_OK /* any */ },
};

START_TEST(a_node_without_a_fitting_issuer_does_not_start)
{
    const char *dir = wf_test_tmpdir();
    struct wf_test_domain *d = &mesh.d[_i == 0 ? WF_TEST_NETWORK : WF_TEST_SERVERS];
    struct wf_keys keys = { .sign = d->issuer, .sign_pub = d->issuer_pub };
    struct wf_buf file = { 0 };
    struct wf_diag diag = { 0 };

    node = (struct wf_node){ .core = &core, .conf = &conf };
    conf = (struct wf_conf){ .data = dir, .issuer = true };
    ck_assert_int_eq(wf_keys_pack(&keys, wf_bytes(NULL, 0), &file), WEFT_OK);
    if (_i != 1)
        write_file(dir, "issuer.key", wf_buf_view(&file));
    write_file(dir, "issuer.cert", _i == 2 ? WF_STR("rubbish") : child.cert);
    enum weft_err err = wf_signer_room.open(&node, &diag);
    ck_assert_msg(_i == 2 ? err != WEFT_OK : err == files[_i].want, "%s: %s", files[_i].why,
        weft_err_name(err));
    ck_assert(diag.text[0]);
    ck_assert_int_eq(child_of(getpid()), 0);
    wf_signer_room.close(&node);
    wf_buf_fini(&file);
}
END_TEST

// As one does that gets no processor for a while.
void __real_wf_signer_keeper_main(struct wf_signer_child *c, int fd) __attribute__((noreturn));
void __wrap_wf_signer_keeper_main(struct wf_signer_child *c, int fd) __attribute__((noreturn));
static bool keeper_is_late;

void __wrap_wf_signer_keeper_main(struct wf_signer_child *c, int fd)
{
    if (keeper_is_late)
        sleep(2);
    __real_wf_signer_keeper_main(c, fd);
}

START_TEST(a_keeper_that_begins_late_is_waited_for)
{
    keeper_is_late = true;
    node_up();
    ck_assert_int_eq(issue(), WEFT_OK);
    node_down();
}
END_TEST

START_TEST(a_frame_longer_than_the_limit_ends_the_process)
{
    int pair[2], status = 0;
    uint8_t head[8];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        wf_signer_child_main(&child, pair[1]);
    }
    close(pair[1]);
    wf_store_be32(head, WF_SIGNER_CERT);
    wf_store_be32(head + 4, WF_SIGNER_MAX + 1);
    ck_assert_int_eq(send(pair[0], head, sizeof head, MSG_NOSIGNAL), (ssize_t)sizeof head);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    close(pair[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.signer");
    TCase *tc = tcase_create("signer");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, the_process_signs_what_the_node_asks_for);
    tcase_add_test(tc, the_process_can_do_nothing_but_sign);
    tcase_add_test(tc, a_signer_that_dies_is_noticed_at_once_and_another_takes_its_place);
    tcase_add_test(tc, a_signer_that_dies_again_and_again_is_started_ever_more_seldom);
    tcase_add_test(tc, without_its_keeper_the_signer_goes_and_the_alarm_says_what_to_do);
    tcase_add_test(tc, an_answer_that_does_not_come_ends_the_pipe_and_the_signer);
    tcase_add_loop_test(
        tc, a_node_without_a_fitting_issuer_does_not_start, 0, (int)WF_COUNT(files));
    tcase_add_test(tc, a_keeper_that_begins_late_is_waited_for);
    tcase_add_test(tc, a_frame_longer_than_the_limit_ends_the_process);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
