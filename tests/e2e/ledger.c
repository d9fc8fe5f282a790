// SPDX-License-Identifier: Apache-2.0
// ledger SOCKET PRODUCT WRITER FILE [PACE_MS]: publishes {"id": WRITER, "value": 1, 2, 3 ...} through libweft and appends to FILE, a line
// each time, the last number that was acknowledged. What a test says about lost records rests on this file, which no weftd ever sees.
// Killed and started again it goes on where its weftd says it stood: WRITER is the publisher's id, too. Ends with status 0 at SIGTERM,
// after a last acknowledgement; waits for a weftd that is not there yet. Built on the public headers alone.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#define TURN_RECORDS 10
#define PACE_MS      5 // leaves a slow reader room
#define FLUSH_MS     60000
#define OPEN_TRIES   6000 // a minute

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

static int open_publisher(
    struct weft_client *c, const char *product, const char *writer, struct weft_publisher **ret)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    uint8_t id[16] = { 0 };
    const struct weft_publish_options options = { .id = id };
    struct weft_problem problem = { 0 };

    memcpy(id, writer, strnlen(writer, sizeof id));
    for (int i = 0; i < OPEN_TRIES && !ending; i++) {
        enum weft_err err = weft_publisher_open(c, product, &options, ret, &problem);
        if (!err)
            return 0;
        if (err != WEFT_E_UNREACHABLE && err != WEFT_E_CLOSED && err != WEFT_E_TIMEOUT)
            break;
        nanosleep(&pause, NULL);
    }
    return failed(&problem, 0);
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
    struct timespec pace = { .tv_nsec = PACE_MS * 1000000L };
    struct sigaction term = { .sa_handler = on_term };
    struct weft_client *c = NULL;
    struct weft_publisher *p = NULL;
    struct weft_problem problem = { 0 };
    unsigned long at = 0;

    if (argc != 5 && argc != 6) {
        fputs("usage: ledger SOCKET PRODUCT WRITER FILE [PACE_MS]\n", stderr);
        return 64;
    }
    if (argc == 6)
        pace.tv_nsec = strtol(argv[5], NULL, 10) % 1000 * 1000000;
    struct weft_options options = { .socket = argv[1], .flags = WEFT_LOCAL_ONLY };
    int file = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    sigaction(SIGTERM, &term, NULL);
    int status = file < 0;
    if (!status && weft_connect(&options, &c, &problem))
        status = failed(&problem, 0);
    if (!status)
        status = open_publisher(c, argv[2], argv[3], &p);
    if (!status)
        at = weft_publisher_mark(p);
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
