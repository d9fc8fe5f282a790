// SPDX-License-Identifier: Apache-2.0
// publish PRODUCT [COUNT]: this machine's load average into a product of the local node, once a second.
//
// The product is one that `weft product new PRODUCT --kind metric` makes: a text `id` and a number `value`. A record is acknowledged
// when the node has it on disk; until then libweft keeps it and sends it again, so a restart of the node loses nothing.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

static int fail(const struct weft_problem *p)
{
    fprintf(stderr, "publish: %s\n", p->text);
    if (p->hint[0])
        fprintf(stderr, "  %s\n", p->hint);
    return weft_err_exit(p->err);
}

// Waits up to a second for Ctrl-C or a kind kill; true when one came.
static bool is_asked_to_end(const sigset_t *signals)
{
    const struct timespec second = { .tv_sec = 1 };

    return sigtimedwait(signals, NULL, &second) > 0;
}

static enum weft_err publish_load(
    struct weft_publisher *publisher, const char *host, struct weft_problem *problem)
{
    double load[1] = { 0 };
    char json[320];

    if (getloadavg(load, 1) != 1)
        return WEFT_OK; // no measurement, no record
    snprintf(json, sizeof json, "{\"id\":\"%s\",\"value\":%.2f}", host, load[0]);
    return weft_publish_json(publisher, json, 0, problem); // 0: its time is now
}

int main(int argc, char **argv)
{
    struct weft_client *client;
    struct weft_publisher *publisher;
    struct weft_problem problem;
    sigset_t signals;
    char host[256] = "";
    long left = argc == 3 ? strtol(argv[2], NULL, 10) : -1; // -1: until a signal

    if (argc < 2 || argc > 3 || left == 0) {
        fprintf(stderr, "usage: publish PRODUCT [COUNT]\n");
        return weft_err_exit(WEFT_E_USAGE);
    }
    gethostname(host, sizeof host - 1);

    // Signals are blocked before libweft starts its thread, which inherits that; this thread takes them.
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    if (weft_connect(NULL, &client, &problem))
        return fail(&problem);
    if (weft_publisher_open(client, argv[1], NULL, &publisher, &problem)) {
        weft_close(client);
        return fail(&problem);
    }
    enum weft_err err = publish_load(publisher, host, &problem);
    while (!err && --left != 0 && !is_asked_to_end(&signals))
        err = publish_load(publisher, host, &problem);

    // Closing waits until all is acknowledged. An earlier error is the one to tell.
    enum weft_err late = weft_publisher_close(publisher, 5000, err ? NULL : &problem);
    weft_close(client);
    return err || late ? fail(&problem) : 0;
}
