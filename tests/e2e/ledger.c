// SPDX-License-Identifier: Apache-2.0
// ledger SOCKET PRODUCT WRITER FILE: publishes {"id": WRITER, "value": 1, 2, 3 ...} through libweft and appends to FILE, a line each time,
// the last number that was acknowledged. What a test says about lost records rests on this file, which no weftd ever sees. Ends with
// status 0 at SIGTERM, after a last acknowledgement. Built on the public headers alone.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#define TURN_RECORDS 10
#define TURN_NS      5000000 // a pace that leaves a slow reader room
#define FLUSH_MS     60000

static volatile sig_atomic_t ending;

static void on_term(int number)
{
    (void)number;
    ending = 1;
}

static int failed(const struct weft_problem *p, unsigned long at)
{
    fprintf(stderr, "ledger: after %lu: %s\n", at, p->text);
    return 1;
}

static int turn(struct weft_publisher *p, const char *writer, unsigned long *at, int file)
{
    struct weft_problem problem = { 0 };
    char text[128];

    for (int i = 0; i < TURN_RECORDS; i++) {
        snprintf(text, sizeof text, "{\"id\":\"%s\",\"value\":%lu}", writer, *at + 1);
        if (weft_publish_json(p, text, 0, &problem))
            return failed(&problem, *at);
        ++*at;
    }
    if (weft_publisher_flush(p, FLUSH_MS, &problem))
        return failed(&problem, *at);
    int len = snprintf(text, sizeof text, "%lu\n", *at);
    return write(file, text, (size_t)len) == len ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct timespec pace = { .tv_nsec = TURN_NS };
    struct sigaction term = { .sa_handler = on_term };
    struct weft_client *c = NULL;
    struct weft_publisher *p = NULL;
    struct weft_problem problem = { 0 };
    unsigned long at = 0;

    if (argc != 5) {
        fputs("usage: ledger SOCKET PRODUCT WRITER FILE\n", stderr);
        return 64;
    }
    struct weft_options options = { .socket = argv[1], .flags = WEFT_LOCAL_ONLY };
    int file = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    sigaction(SIGTERM, &term, NULL);
    int status = file < 0;
    if (!status && (weft_connect(&options, &c, &problem) ||
                       weft_publisher_open(c, argv[2], NULL, &p, &problem)))
        status = failed(&problem, 0);
    while (!status && !ending) {
        status = turn(p, argv[3], &at, file);
        nanosleep(&pace, NULL);
    }
    if (weft_publisher_close(p, FLUSH_MS, &problem) && !status)
        status = failed(&problem, at);
    weft_close(c);
    if (file >= 0)
        close(file);
    return status;
}
