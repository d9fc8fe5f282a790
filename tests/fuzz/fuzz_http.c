// SPDX-License-Identifier: Apache-2.0
// What anybody on the host may send to the HTTP door: libmicrohttpd and what node/http.c makes of it. The first byte says where the rest is cut in
// two, the second what happens between the halves. At most one answer, and the connection ends; the door goes on answering others. libmicrohttpd
// runs without its thread and without a listener here: it is given one end of a socket pair and a bounded number of turns, and its time-out, which
// goes by a clock of its own, is left out. So an input does the same whatever else the machine does, and no call waits, which the alarms that
// libFuzzer watches inputs by would break off. (To a Content-Length that is none libmicrohttpd 0.9.75 sends the head of its refusal twice.)
#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/http.h"
#include "node/metrics.h"
#include "sdk/loop/loop.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
void *__wrap_dlopen(const char *name, int flags);
void *__real_dlopen(const char *name, int flags);

#define ANSWER_MAX  8192u
#define READ_LEAST  256u // bytes that a turn takes at the least, when there are so many
#define TURNS       16u  // beyond those for reading
#define LIFE_MS     10000
#define OTHERS_EACH 64 // inputs

// What the second byte chooses.
enum between { NOTHING, SOME_TIME, ITS_LIFE, STALL, BETWEEN_COUNT };

static struct wf_core core;
static struct wf_conf conf = { .http = { .host = "127.0.0.1", .port = 9 } };
static struct wf_node node = { .core = &core, .conf = &conf, .has_certificate = true };
static struct MHD_Daemon *door;
static int64_t now_ms = 1000000;

static void some_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    (void)n;
    wf_metric(m, WF_METRIC_AGENTS_SPOOL_BYTES, 1234.0);
}

static const struct wf_room played = { .name = "played", .metrics = some_metrics };
const struct wf_room *const wf_rooms_node[] = { &played, NULL };
const struct wf_room *const wf_rooms_agent[] = { NULL };

static void must(bool right)
{
    if (!right)
        abort();
}

// ---- the door without thread, listener and clock ---------------------------------------------------------------------

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    if (id != CLOCK_REALTIME && id != CLOCK_BOOTTIME)
        return __real_clock_gettime(id, ts);
    ts->tv_sec = (time_t)(now_ms / 1000);
    ts->tv_nsec = (long)(now_ms % 1000) * 1000000;
    return 0;
}

// The program itself, in which the door finds MHD_start_daemon() below, and the rest in the library that it is linked with.
void *__wrap_dlopen(const char *name, int flags)
{
    (void)name;
    return __real_dlopen(NULL, flags);
}

static struct MHD_Daemon *start(unsigned flags, MHD_AccessHandlerCallback answer, void *arg, ...)
{
    va_list ap;

    va_start(ap, arg);
    struct MHD_Daemon *d = MHD_start_daemon_va(flags, 0, NULL, NULL, answer, arg, ap);
    va_end(ap);
    return d;
}

// libmicrohttpd's signature; in its stead, with the options that the door gives, each of which must be known here.
// NOLINTNEXTLINE(readability-function-size)
__attribute__((visibility("default"))) struct MHD_Daemon *MHD_start_daemon(unsigned flags,
    uint16_t port, MHD_AcceptPolicyCallback apc, void *apc_cls, MHD_AccessHandlerCallback answer,
    void *arg, ...)
{
    unsigned connections = 0;
    size_t memory = 0;
    MHD_NotifyConnectionCallback notify = NULL;
    void *notify_arg = NULL;
    va_list ap;

    (void)port, (void)apc, (void)apc_cls;
    va_start(ap, arg);
    for (int option = va_arg(ap, int); option != MHD_OPTION_END; option = va_arg(ap, int)) {
        if (option == MHD_OPTION_SOCK_ADDR)
            (void)va_arg(ap, const struct sockaddr *);
        else if (option == MHD_OPTION_CONNECTION_TIMEOUT)
            (void)va_arg(ap, unsigned);
        else if (option == MHD_OPTION_CONNECTION_LIMIT)
            connections = va_arg(ap, unsigned);
        else if (option == MHD_OPTION_CONNECTION_MEMORY_LIMIT)
            memory = va_arg(ap, size_t);
        else {
            must(option == MHD_OPTION_NOTIFY_CONNECTION);
            notify = va_arg(ap, MHD_NotifyConnectionCallback);
            notify_arg = va_arg(ap, void *);
        }
    }
    va_end(ap);
    must(connections && memory && notify);
    flags &= ~(unsigned)(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC);
    door = start(flags | MHD_USE_NO_LISTEN_SOCKET, answer, arg, MHD_OPTION_CONNECTION_LIMIT,
        connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory, MHD_OPTION_NOTIFY_CONNECTION,
        notify, notify_arg, MHD_OPTION_END);
    return door;
}

static void open_door(void)
{
    struct wf_diag diag = { 0 };

    must(!wf_loop_new(NULL, &node.loop));
    must(!wf_http_room.open(&node, &diag));
    must(!wf_http_room.start(&node, &diag));
    must(door != NULL);
}

// ---- who asks --------------------------------------------------------------------------------------------------------

static void turn(size_t bytes)
{
    for (size_t i = 0; i < TURNS + bytes / READ_LEAST; i++)
        must(MHD_run(door) == MHD_YES);
}

// All of it is in the socket's buffer before the door turns: it has room for more than an input has.
static void say(int fd, struct wf_bytes text)
{
    if (text.len)
        (void)!send(
            fd, text.ptr, text.len, MSG_NOSIGNAL | MSG_DONTWAIT); // it may have heard enough
    turn(text.len);
}

static void let_pass(enum between what)
{
    if (what == NOTHING)
        return;
    now_ms += what == SOME_TIME ? LIFE_MS / 2 - 1 : LIFE_MS;
    if (what != STALL)
        wf_http_room.tick(&node);
    turn(0);
}

// All that comes until the connection ends, as text.
static void ask(struct wf_bytes first, enum between what, struct wf_bytes rest, char *out)
{
    static const struct sockaddr_in from = { .sin_family = AF_INET };
    int fds[2];
    size_t have = 0;
    ssize_t n = 0;

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    must(MHD_add_connection(door, fds[1], (const struct sockaddr *)&from, sizeof from) == MHD_YES);
    say(fds[0], first);
    let_pass(what);
    say(fds[0], rest);
    (void)shutdown(fds[0], SHUT_WR);
    turn(0);
    while ((n = recv(fds[0], out + have, ANSWER_MAX - have, 0)) > 0) {
        have += (size_t)n;
        must(have < ANSWER_MAX);
    }
    must(n == 0 || errno == ECONNRESET); // else it holds the connection
    out[have] = '\0';
    close(fds[0]);
    turn(0);
    now_ms += 1;
    wf_http_room.tick(&node);
}

// Nothing, or one answer of a status that a door like this has.
static void check_answer(const char *answer)
{
    char *end = NULL;

    if (!answer[0])
        return;
    must(strncmp(answer, "HTTP/1.0 ", 9) == 0 || strncmp(answer, "HTTP/1.1 ", 9) == 0);
    long status = strtol(answer + 9, &end, 10);
    must(*end == ' ');
    must(status == 200 || (status >= 400 && status < 600));
    must(strstr(answer, "\r\n\r\n") != NULL);
    must(status >= 400 || !strstr(answer + 1, "HTTP/1.")); // one request a connection
    must(status == 200 || !strstr(answer, "weft_agents_spool_bytes"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char health[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    static unsigned inputs;
    static char answer[ANSWER_MAX + 1];

    if (size < 3 || size > 16u * WF_KIB)
        return 0;
    if (!node.loop)
        open_door();
    struct wf_bytes text = wf_bytes(data + 2, size - 2);
    size_t cut = text.len * data[0] / 256;
    ask(wf_bytes(text.ptr, cut), data[1] % BETWEEN_COUNT, wf_bytes(text.ptr + cut, text.len - cut),
        answer);
    check_answer(answer);
    if (inputs++ % OTHERS_EACH == 0) {
        ask(wf_bytes_str(health), NOTHING, wf_bytes(NULL, 0), answer);
        must(strncmp(answer, "HTTP/1.1 200", 12) == 0);
    }
    return 0;
}
