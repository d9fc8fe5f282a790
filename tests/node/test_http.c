// SPDX-License-Identifier: Apache-2.0
// The HTTP door against who is slow, many, or long-winded: it goes on answering everybody else. The rooms are played: one that has metrics.
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/http.h"
#include "node/metrics.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"

#define WAIT_MS 20000
#define MANY    1000
#define SLOW    64 // more than the door has room for

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;

static void some_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    (void)n;
    wf_metric(m, WF_METRIC_AGENTS_SPOOL_BYTES, 1234.0);
}

static const struct wf_room played = { .name = "played", .metrics = some_metrics };
const struct wf_room *const wf_rooms_node[] = { &played, NULL };
const struct wf_room *const wf_rooms_agent[] = { NULL };

static void setup(void)
{
    struct wf_diag diag = { 0 };
    enum weft_err err = WEFT_E_IN_USE;

    node = (struct wf_node){ .core = &core, .conf = &conf, .has_certificate = true };
    conf = (struct wf_conf){ 0 };
    snprintf(conf.http.host, sizeof conf.http.host, "127.0.0.1");
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    ck_assert_int_eq(wf_http_room.open(&node, &diag), WEFT_OK);
    for (uint16_t i = 0; i < 200 && err == WEFT_E_IN_USE; i++) {
        conf.http.port = (uint16_t)(20000 + (getpid() * 7 + i * 101) % 12000);
        err = wf_http_room.start(&node, &diag);
    }
    ck_assert_msg(err == WEFT_OK, "%s", diag.text);
}

static void teardown(void)
{
    wf_http_room.close(&node);
    wf_loop_free(node.loop);
}

// ---- a client --------------------------------------------------------------------------------------------------------

static int dial(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(conf.http.port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(inet_pton(AF_INET, "127.0.0.1", &to.sin_addr), 1);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

// What comes until the other end closes; false: it did not within the time.
static bool hear_all(int fd, char *out, size_t len)
{
    size_t have = 0;

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, WAIT_MS) != 1)
            return false;
        ssize_t n = recv(fd, out + have, len - 1 - have, 0);
        if (n <= 0) {
            out[have] = '\0';
            return true; // closed, or reset
        }
        have += (size_t)n;
    }
}

static void ask(const char *request, char *out, size_t len)
{
    int fd = dial();

    ck_assert(say(fd, request));
    ck_assert_msg(hear_all(fd, out, len), "no answer to %.40s", request);
    close(fd);
}

static void answers_others(const char *while_what)
{
    char out[4096];

    ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out);
    ck_assert_msg(strncmp(out, "HTTP/1.1 200", 12) == 0, "%s: %.60s", while_what, out);
}

static bool is_closed(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char byte;

    return poll(&p, 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0 &&
           errno != EAGAIN;
}

// ---- tests -----------------------------------------------------------------------------------------------------------

START_TEST(there_are_three_pages_and_one_method)
{
    static const struct {
        const char *request, *status, *text;
    } rows[] = {
        { "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200", "ok" },
        { "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200", "ok" },
        { "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200",
            "weft_agents_spool_bytes 1234\n" },
        { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", "/metrics" },
        { "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405", "GET" },
    };
    char out[8192];

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        ask(rows[i].request, out, sizeof out);
        ck_assert_msg(strncmp(out, rows[i].status, 12) == 0, "%s: %.60s", rows[i].request, out);
        ck_assert_msg(strstr(out, rows[i].text) != NULL, "%s: %s", rows[i].request, out);
    }
}
END_TEST

START_TEST(a_loop_that_stands_still_is_not_healthy)
{
    char out[4096];

    wf_test_clock_skip(6000);
    ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out);
    ck_assert_msg(strncmp(out, "HTTP/1.1 503", 12) == 0, "%.60s", out);
    wf_http_room.tick(&node);
    answers_others("it turns again");
}
END_TEST

START_TEST(requests_that_never_end_keep_nobody_out)
{
    int fds[SLOW];

    for (size_t i = 0; i < SLOW; i++) {
        fds[i] = dial();
        (void)say(fds[i], "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "); // and no end
        answers_others("slow ones");
    }
    unsigned open = 0;
    for (size_t i = 0; i < SLOW; i++)
        open += !is_closed(fds[i]);
    ck_assert_uint_le(open, 40); // of 64, the oldest made room
    ck_assert(is_closed(fds[0]));
    ck_assert(!is_closed(fds[SLOW - 1]));
    for (size_t i = 0; i < SLOW; i++)
        close(fds[i]);
}
END_TEST

START_TEST(a_byte_now_and_then_does_not_prolong_a_connection)
{
    int fd = dial();
    char out[512];

    ck_assert(say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "));
    answers_others("who comes after it"); // so it was accepted
    for (int i = 0; i < 9; i++) {
        wf_test_clock_skip(1000);
        ck_assert(say(fd, "a"));
        wf_http_room.tick(&node);
        ck_assert(!is_closed(fd));
    }
    wf_test_clock_skip(2000);
    wf_http_room.tick(&node);
    ck_assert(hear_all(fd, out, sizeof out)); // it ends
    answers_others("after it");
    close(fd);
}
END_TEST

START_TEST(a_thousand_connections_keep_nobody_out)
{
    static int fds[MANY];
    struct rlimit files;
    unsigned open = 0;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    size_t many = files.rlim_cur > MANY + 200 ? MANY : (size_t)files.rlim_cur - 200;
    for (size_t i = 0; i < many; i++) {
        fds[i] = dial();
        if (i % 50 == 49)
            answers_others("many");
    }
    answers_others("a thousand");
    for (size_t i = 0; i < many; i++)
        open += !is_closed(fds[i]);
    ck_assert_uint_le(open, 64);
    for (size_t i = 0; i < many; i++)
        close(fds[i]);
    answers_others("all gone");
}
END_TEST

static const struct {
    const char *why;
    size_t path, header;
} oversized[] = {
    { "a request line of 64 KiB", 65536, 0 },
    { "a header of 64 KiB", 1, 65536 },
    { "a request line of 1 MiB", 1u << 20, 0 },
};

START_TEST(a_request_that_is_too_long_is_refused_and_ends)
{
    struct wf_buf request = { 0 };
    size_t len = oversized[_i].path + oversized[_i].header;
    char out[8192];
    int fd = dial();

    ck_assert_int_eq(wf_buf_append_str(&request, "GET /"), WEFT_OK);
    ck_assert_int_eq(wf_buf_reserve(&request, len + 200), WEFT_OK);
    memset(request.ptr + request.len, 'a', oversized[_i].path);
    request.len += oversized[_i].path;
    ck_assert_int_eq(wf_buf_append_str(&request, " HTTP/1.1\r\nHost: x\r\nX-Long: "), WEFT_OK);
    memset(request.ptr + request.len, 'b', oversized[_i].header);
    request.len += oversized[_i].header;
    ck_assert_int_eq(wf_buf_append(&request, wf_bytes("\r\n\r\n", 5)), WEFT_OK); // with its NUL
    (void)say(fd, (const char *)request.ptr); // it may be closed half way
    ck_assert_msg(hear_all(fd, out, sizeof out), "%s", oversized[_i].why);
    // Not 404: that would have been read to its end.
    bool refused = strncmp(out, "HTTP/1.1 4", 10) == 0 && strncmp(out, "HTTP/1.1 404", 12) != 0;
    ck_assert_msg(!out[0] || refused, "%s: %.60s", oversized[_i].why, out);
    close(fd);
    answers_others(oversized[_i].why);
    wf_buf_fini(&request);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.http");
    TCase *tc = tcase_create("door");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, there_are_three_pages_and_one_method);
    tcase_add_test(tc, a_loop_that_stands_still_is_not_healthy);
    tcase_add_test(tc, requests_that_never_end_keep_nobody_out);
    tcase_add_test(tc, a_byte_now_and_then_does_not_prolong_a_connection);
    tcase_add_test(tc, a_thousand_connections_keep_nobody_out);
    tcase_add_loop_test(
        tc, a_request_that_is_too_long_is_refused_and_ends, 0, (int)WF_COUNT(oversized));
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
