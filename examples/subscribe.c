// SPDX-License-Identifier: Apache-2.0
// subscribe DOMAIN/PRODUCT FILE.db: the records of a product into an SQLite table, each exactly once, until Ctrl-C.
//
// The cursor says how far we read. It is stored in the transaction that stores the records (archive.c), so after any crash both are
// there or neither is, and the next run goes on where the last one ended: nothing is missed and nothing comes twice.
#include <signal.h>
#include <stdio.h>

#include "archive.h"

static struct weft_subscription *reading; // for the signal handler

static void on_signal(int number)
{
    (void)number;
    weft_wake(reading); // made for this. NOLINT(bugprone-signal-handler,cert-sig30-c)
}

static int fail(const struct weft_problem *p)
{
    fprintf(stderr, "subscribe: %s\n", p->text);
    if (p->hint[0])
        fprintf(stderr, "  %s\n", p->hint);
    return weft_err_exit(p->err);
}

static int fail_archive(const struct archive *a)
{
    fprintf(stderr, "subscribe: the archive: %s\n", archive_error(a));
    return weft_err_exit(WEFT_E_IO);
}

static void say(const struct weft_event *e)
{
    if (e->kind == WEFT_EV_RECORDS)
        printf("%zu records of %s stored\n", e->record_count, e->origin);
    else
        fprintf(stderr, "subscribe: %llu records are gone for good: %s\n",
            (unsigned long long)(e->loss_to - e->loss_from), weft_err_text(e->loss_code));
}

// Until a signal, a refusal or a failure of the archive: the exit status.
static int follow(struct archive *a)
{
    const struct weft_event *e;
    struct weft_problem problem;

    for (;;) {
        enum weft_err err = weft_next(reading, -1, &e, &problem);
        if (err)
            return err == WEFT_E_CANCELLED ? 0 : fail(&problem);
        if (e->kind == WEFT_EV_STATE && e->state == WEFT_STREAM_REFUSED)
            return fail(&e->problem);
        if (e->kind == WEFT_EV_STATE)
            continue; // connections come and go; libweft goes on by itself
        if (!archive_store(a, weft_subscription_product(reading), e))
            return fail_archive(a);
        say(e);
    }
}

int main(int argc, char **argv)
{
    struct archive archive;
    struct weft_client *client;
    struct weft_problem problem;
    int status;

    if (argc != 3) {
        fprintf(stderr, "usage: subscribe DOMAIN/PRODUCT FILE.db\n");
        return weft_err_exit(WEFT_E_USAGE);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (weft_connect(NULL, &client, &problem))
        return fail(&problem);

    if (!archive_open(&archive, argv[2])) {
        status = fail_archive(&archive);
        goto out;
    }
    struct weft_subscribe_options options = {
        .from = WEFT_FROM_CURSOR, // without a stored one: from the earliest record
        .cursor = archive.cursor,
        .cursor_count = archive.cursor_count,
    };
    if (weft_subscribe(client, argv[1], &options, &reading, &problem)) {
        status = fail(&problem);
        goto out;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    status = follow(&archive);
    signal(SIGINT, SIG_IGN); // we end already, and what the handler uses goes
    signal(SIGTERM, SIG_IGN);
    weft_unsubscribe(reading);
out:
    archive_close(&archive);
    weft_close(client);
    return status;
}
