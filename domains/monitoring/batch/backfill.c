// SPDX-License-Identifier: Apache-2.0
// weft-monitor backfill: reads a product again from its owner's log and stores what is missing, beside the storing of what is new.
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/batch/ordered.h"
#include "domains/monitoring/common/watch.h"

#define TAKE      64u
#define COMMIT_MS 500
#define SHOW_MS   200   // a bar on a terminal
#define SAY_MS    10000 // a line for a log
#define ANSWER_MS 15000 // for the storing process to take an order
#define TRIES     8     // of a transaction that the database sent back
#define BAR       30

struct backfill {
    const struct wf_mon_options *o;
    struct wf_mon_place place;
    struct wf_mon_store *store;
    struct weft_client *client;
    struct wf_mon_refill refill;
    uint64_t before; // records of the product in the database
    int64_t began_ms, shown_ms, committed_ms;
    unsigned tries;
    bool terminal;
};

// ---- progress ----------------------------------------------------------------------------------------------------------

static uint64_t added(const struct backfill *b)
{
    uint64_t now = b->refill.table ? wf_mon_table_records(b->refill.table) : b->before;

    return now > b->before ? now - b->before : 0;
}

static void show(struct backfill *b, const struct wf_mon_progress *p, int64_t now_ms, bool last)
{
    unsigned share = p->share;
    char bar[BAR + 1];

    if (!last && now_ms - b->shown_ms < (b->terminal ? SHOW_MS : SAY_MS))
        return;
    b->shown_ms = now_ms;
    for (unsigned i = 0; i < BAR; i++)
        bar[i] = i * 1000 < share * BAR ? '#' : '.';
    bar[BAR] = '\0';
    fprintf(stderr, "%s%s [%s] %u.%u %%, %" PRIu64 " read, %" PRIu64 " added",
        b->terminal ? "\r" : "", b->o->args[0], bar, share / 10, share % 10, p->seen, p->added);
    if (share && !last) {
        int64_t left_s = (now_ms - b->began_ms) * (1000 - share) / share / 1000;
        fprintf(stderr, ", %" PRId64 " s left", left_s);
    }
    fputs(b->terminal && !last ? "\033[K" : b->terminal ? "\033[K\n" : "\n", stderr);
}

static void show_refill(struct backfill *b, int64_t now_ms, bool last)
{
    const struct wf_mon_progress p = {
        .share = wf_mon_refill_share(&b->refill), .seen = b->refill.seen, .added = added(b)
    };

    show(b, &p, now_ms, last);
}

// ---- the loop ----------------------------------------------------------------------------------------------------------

// Everything since begin is read again, from the beginning: what was committed is found and left out.
static enum weft_err again(struct backfill *b, enum weft_err err, struct weft_problem *problem)
{
    wf_mon_store_rollback(b->store);
    if (!wf_mon_store_may_retry(err) || ++b->tries > TRIES) {
        snprintf(problem->text, sizeof problem->text, "%s", wf_mon_store_problem(b->store));
        return err;
    }
    if (poll(NULL, 0, 1000) < 0)
        return WEFT_E_CANCELLED;
    struct wf_mon_table *table = b->refill.table;
    wf_mon_refill_close(&b->refill);
    err = wf_mon_refill_open(&b->refill, b->client, b->o->args[0], &b->place, problem);
    b->refill.table = table;
    return err;
}

static enum weft_err commit(struct backfill *b, int64_t now_ms, struct weft_problem *problem)
{
    enum weft_err err = wf_mon_store_commit(b->store);

    b->committed_ms = now_ms;
    if (err)
        return again(b, err, problem);
    b->tries = 0;
    return WEFT_OK;
}

static enum weft_err turn(struct backfill *b, struct weft_problem *problem)
{
    struct pollfd in = { .fd = weft_subscription_fd(b->refill.sub), .events = POLLIN };
    int64_t now_ms = wf_mon_now_ms();
    enum weft_err err = WEFT_OK;

    if (poll(&in, 1, 100) < 0)
        return WEFT_E_CANCELLED;
    if (!wf_mon_store_is_open(b->store))
        err = wf_mon_store_begin(b->store);
    if (err)
        return again(b, err, problem);
    err = wf_mon_refill_take(&b->refill, b->store, TAKE, problem);
    if (err && problem->err)
        return err;
    if (err)
        return again(b, err, problem);
    if (b->refill.done || now_ms - b->committed_ms >= COMMIT_MS ||
        wf_mon_store_bytes(b->store) > (8u << 20))
        err = commit(b, now_ms, problem);
    show_refill(b, now_ms, false);
    return err ? err : wf_mon_refill_judge(&b->refill, now_ms - b->began_ms, problem);
}

static enum weft_err set_up(struct backfill *b, struct weft_problem *problem)
{
    const struct weft_options options = { .dir = b->o->dir, .socket = b->o->socket };
    struct wf_mon_table *table = NULL;
    enum weft_err err = wf_mon_store_open(wf_mon_where(b->o), &b->store, problem);

    if (err)
        return err;
    wf_mon_store_be_guest(b->store);
    err = weft_connect(&options, &b->client, problem);
    if (!err)
        err = wf_mon_store_begin(b->store);
    if (!err)
        err = wf_mon_store_table(b->store, b->o->args[0], &table);
    if (!err)
        err = wf_mon_store_commit(b->store);
    if (err) {
        if (!problem->text[0])
            snprintf(problem->text, sizeof problem->text, "%s", wf_mon_store_problem(b->store));
        return err;
    }
    b->before = wf_mon_table_records(table);
    b->began_ms = b->committed_ms = wf_mon_now_ms();
    return wf_mon_refill_open(&b->refill, b->client, b->o->args[0], &b->place, problem);
}

// ---- by the process that stores ----------------------------------------------------------------------------------------

static enum weft_err wait_for_order(
    struct backfill *b, const struct wf_mon_order *order, struct weft_problem *problem)
{
    struct wf_mon_progress p = { 0 };
    enum weft_err err = WEFT_E_NOT_FOUND;

    while (!p.over) {
        int64_t now_ms = wf_mon_now_ms();
        err = wf_mon_order_progress(b->o->db, order->id, &p);
        if (err == WEFT_E_CLOSED || (err == WEFT_E_NOT_FOUND && now_ms - b->began_ms > ANSWER_MS)) {
            snprintf(problem->text, sizeof problem->text, "%s: %s", b->o->db,
                err == WEFT_E_CLOSED ? "the storing process is gone"
                                     : "the storing process does not take it");
            return err == WEFT_E_CLOSED ? WEFT_E_CLOSED : WEFT_E_BUSY;
        }
        if (!err && !p.err)
            show(b, &p, now_ms, p.over);
        if (!p.over && poll(NULL, 0, 100) < 0)
            return WEFT_E_CANCELLED;
    }
    b->refill.lost = p.lost;
    snprintf(problem->text, sizeof problem->text, "%s", p.problem);
    return p.err;
}

// A file of SQLite that is being stored into has its one writer: that is asked to do it.
static enum weft_err order(struct backfill *b, struct weft_problem *problem)
{
    struct wf_mon_order o = { .place = b->place };
    int fd = -1;

    snprintf(o.id, sizeof o.id, "%d.%lld", (int)getpid(), (long long)wf_mon_unix_ms());
    snprintf(o.product, sizeof o.product, "%s", b->o->args[0]);
    *problem = (struct weft_problem){ 0 };
    b->began_ms = wf_mon_now_ms();
    enum weft_err err = wf_mon_order_create(b->o->db, &o, &fd);
    if (err == WEFT_E_IN_USE)
        snprintf(
            problem->text, sizeof problem->text, "%s: another backfill is under way", b->o->db);
    if (!err)
        err = wait_for_order(b, &o, problem);
    if (fd >= 0)
        close(fd);
    return err;
}

int wf_mon_cmd_backfill(const struct wf_mon_options *o)
{
    struct backfill b = { .o = o, .terminal = isatty(STDERR_FILENO) };
    struct weft_problem problem = { 0 };
    int status = 0;

    if (o->word_count != 1 || !strchr(o->args[0], '/') || strlen(o->args[0]) >= WF_MON_PRODUCT)
        return wf_mon_fail(WEFT_E_USAGE, "backfill wants one product, as in servers/cpu", "");
    if (!wf_mon_place_parse(o->from ? o->from : "earliest", wf_mon_unix_ms(), &b.place))
        return wf_mon_fail(WEFT_E_USAGE,
            "--from wants earliest, an offset, 7d, 2026-11-21 or 2026-11-21T10:00:00Z", "");
    enum weft_err err = set_up(&b, &problem);
    bool ordered = err == WEFT_E_IN_USE && !b.store;
    if (ordered)
        err = order(&b, &problem);
    while (!ordered && !err && !b.refill.done)
        err = turn(&b, &problem);
    if (!err && !ordered)
        show_refill(&b, wf_mon_now_ms(), true);
    if (!err && b.refill.lost)
        fprintf(
            stderr, "%" PRIu64 " records are not kept by their owner any more\n", b.refill.lost);
    if (err)
        status =
            wf_mon_fail(err, problem.text[0] ? problem.text : weft_err_text(err), problem.hint);
    wf_mon_refill_close(&b.refill);
    wf_mon_store_close(b.store);
    weft_close(b.client);
    return status;
}
