// SPDX-License-Identifier: Apache-2.0
// What anybody on the host may send to the HTTP door, over a real socket to libmicrohttpd and what node/http.c makes of it. The first byte says
// where the rest is cut in two. At most one answer, a whole one, and the connection ends; the door goes on answering others. (To a Content-Length
// that is none libmicrohttpd 0.9.75 sends the head of its refusal twice.)
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/http.h"
#include "node/metrics.h"
#include "sdk/loop/loop.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WAIT_MS     8000 // by far longer than an answer takes, and less than the connection's life
#define ANSWER_MAX  4096u
#define OTHERS_EACH 64 // inputs

static struct wf_core core;
static struct wf_conf conf = { .http = { .host = "127.0.0.1" } };
static struct wf_node node = { .core = &core, .conf = &conf, .has_certificate = true };
static struct sockaddr_in door = { .sin_family = AF_INET };

static void some_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    (void)n;
    wf_metric(m, WF_METRIC_SPOOL_BYTES, 1234.0);
}

static const struct wf_room played = { .name = "played", .metrics = some_metrics };
const struct wf_room *const wf_rooms_node[] = { &played, NULL };
const struct wf_room *const wf_rooms_agent[] = { NULL };

static void must(bool right)
{
    if (!right)
        abort();
}

// The port that the system chose: that of the only socket here that listens.
static void find_door(void)
{
    socklen_t len = sizeof door;

    for (int fd = 3; fd < 1024; fd++) {
        int listens = 0;
        socklen_t size = sizeof listens;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens) {
            must(getsockname(fd, (struct sockaddr *)&door, &len) == 0);
            return;
        }
    }
    abort();
}

static void open_door(void)
{
    struct wf_diag diag = { 0 };

    must(!wf_loop_new(NULL, &node.loop));
    must(!wf_http_room.open(&node, &diag));
    must(!wf_http_room.start(&node, &diag));
    find_door();
}

static void say(int fd, struct wf_bytes text)
{
    while (text.len) {
        ssize_t n = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
        if (n <= 0)
            return; // it has heard enough
        text = wf_bytes(text.ptr + n, text.len - (size_t)n);
    }
}

// All that comes until the connection ends, as text. False: it was reset, since it had not taken all that was said, and an answer may be cut.
static bool ask(struct wf_bytes first, struct wf_bytes rest, char out[ANSWER_MAX + 1])
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t have = 0;
    ssize_t n = 0;
    // Each from an address of its own: from one all ports would be used up within seconds.
    static uint32_t asked;
    const int late = 1;
    struct sockaddr_in from = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + asked++ % 0xffff00) };

    must(fd >= 0 && setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late) == 0);
    must(bind(fd, (const struct sockaddr *)&from, sizeof from) == 0);
    must(connect(fd, (const struct sockaddr *)&door, sizeof door) == 0);
    say(fd, first);
    say(fd, rest);
    (void)shutdown(fd, SHUT_WR);
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        must(poll(&p, 1, WAIT_MS) == 1); // else it holds the connection
        n = recv(fd, out + have, ANSWER_MAX - have, 0);
        if (n <= 0)
            break;
        have += (size_t)n;
        must(have < ANSWER_MAX);
    }
    out[have] = '\0';
    close(fd);
    return n == 0;
}

// Nothing, or one answer of a status that a door like this has.
static void check_answer(const char *answer)
{
    char version = 0;
    int status = 0;

    if (!answer[0])
        return;
    must(sscanf(answer, "HTTP/1.%c %d ", &version, &status) == 2);
    must(version == '0' || version == '1');
    must(status == 200 || (status >= 400 && status < 600));
    must(strstr(answer, "\r\n\r\n") != NULL);
    must(status >= 400 || !strstr(answer + 1, "HTTP/1.")); // one request a connection
    must(status == 200 || !strstr(answer, "weft_spool_bytes"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char health[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    static unsigned inputs;
    char answer[ANSWER_MAX + 1];

    if (size < 2 || size > 16u * WF_KIB)
        return 0;
    if (!node.loop)
        open_door();
    struct wf_bytes text = wf_bytes(data + 1, size - 1);
    size_t cut = text.len * data[0] / 256;
    if (ask(wf_bytes(text.ptr, cut), wf_bytes(text.ptr + cut, text.len - cut), answer))
        check_answer(answer);
    if (inputs++ % OTHERS_EACH == 0) {
        wf_http_room.tick(&node); // its loop turns
        must(ask(wf_bytes_str(health), wf_bytes(NULL, 0), answer));
        must(strncmp(answer, "HTTP/1.1 200", 12) == 0);
    }
    return 0;
}
