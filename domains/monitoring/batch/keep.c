// SPDX-License-Identifier: Apache-2.0
// weft-monitor store: the batch layer's loop. Events are taken only while a transaction is open, so that a locked or full database stops
// the taking, and libweft's own bounds stop the sending: nothing is skipped.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "domains/monitoring/batch/line.h"
#include "domains/monitoring/batch/ordered.h"
#include "domains/monitoring/common/watch.h"

#define COMMIT_MS      200                 // most that a transaction stays open while more arrives
#define COMMIT_RECORDS 20000               // or that it gathers
#define COMMIT_BYTES   (16u * 1024 * 1024) // or holds in memory
#define TAKE           64u                 // events of one feed a turn
#define STATUS_MS      1000
#define LATE_MS        3000  // between two looks for late hosts
#define PARK_MS        60000 // after a change that the database refuses for good
#define TRIM_MS        60000 // between two looks for rows that are too old
#define TRIM_SLICE_MS  200   // and of each second
#define STUCK_MS       1000  // after one that may pass
#define REFILL_MS      10    // between two turns of a backfill

// Beside each feed.
struct kept {
    struct wf_mon_table *table;
    bool shaped; // the table has the columns of the schema of its subscription
    int64_t late_due_ms;
    struct wf_mon_line told;       // what the database has
    char schema[WF_MON_SCHEMA_ID]; // that was told of last
};

struct keep {
    struct wf_mon_watch watch;
    struct wf_mon_sink sink;
    struct wf_mon_store *store;
    int64_t began_ms, status_due, stuck_until; // monotonic
    size_t records;                            // in the open transaction
    int64_t trim_due;                          // monotonic
    size_t trim_at;                            // the feed that is looked at next
    bool trim_any;                             // one of those before it has a table
    struct wf_mon_ordered ordered;             // a backfill that somebody asked for
    size_t claimed;                            // feeds that were claimed, or tried
    struct {
        uint64_t records, commits, failed, commit_us;
    } total;
};

static struct kept *kept_of(const struct wf_mon_feed *f)
{
    return f->own;
}

// ---- the sink ----------------------------------------------------------------------------------------------------------

static enum weft_err on_cursor(
    void *arg, const char *product, struct weft_cursor_row **ret, size_t *ret_count)
{
    struct keep *k = arg;

    return wf_mon_store_cursor(k->store, product, ret, ret_count);
}

static const char *on_problem(void *arg)
{
    const struct keep *k = arg;

    return wf_mon_store_problem(k->store);
}

static enum weft_err on_event(void *arg, struct wf_mon_feed *f, const struct weft_product *p,
    const struct weft_event *e, int64_t now_unix_us)
{
    struct keep *k = arg;
    struct kept *own = kept_of(f);
    enum weft_err err = wf_mon_store_table(k->store, f->product, &own->table);

    if (err)
        return err;
    return p ? wf_mon_store_records(k->store, own->table, p, e, now_unix_us)
             : wf_mon_store_loss(k->store, own->table, e, now_unix_us / 1000);
}

static bool on_wants(void *arg, const char *product)
{
    struct keep *k = arg;

    return wf_mon_store_holds(k->store, product);
}

// ---- transactions ------------------------------------------------------------------------------------------------------

// Everything since begin is forgotten: those who gave are asked again from where the database stands.
static void abandon(struct keep *k, enum weft_err err, struct wf_mon_feed *culprit, int64_t now_ms)
{
    bool retry = wf_mon_store_may_retry(err);
    char why[320];

    snprintf(why, sizeof why, "%s",
        err == WEFT_E_SCHEMA ? "records came without a schema" : wf_mon_store_problem(k->store));
    wf_mon_watch_trouble(&k->watch, why);
    k->total.failed++;
    wf_mon_store_rollback(k->store);
    wf_mon_ordered_again(&k->ordered, k->watch.client, err, why);
    for (size_t i = 0; i < k->watch.count; i++) {
        struct wf_mon_feed *f = k->watch.feeds[i];
        kept_of(f)->told.product[0] = '\0';
        kept_of(f)->shaped = false;
        if (f == culprit && !retry)
            wf_mon_feed_close(f, why, now_ms, PARK_MS);
        else if (f->touched)
            wf_mon_feed_close(f, why, now_ms, retry ? STUCK_MS : 0);
    }
    if (retry)
        k->stuck_until = now_ms + STUCK_MS;
    k->records = 0;
}

static bool begin(struct keep *k, int64_t now_ms)
{
    if (wf_mon_store_is_open(k->store))
        return true;
    if (now_ms < k->stuck_until)
        return false;
    enum weft_err err = wf_mon_store_begin(k->store);
    if (err) {
        wf_mon_watch_trouble(&k->watch, wf_mon_store_problem(k->store));
        k->total.failed++;
        k->stuck_until = now_ms + STUCK_MS;
        return false;
    }
    k->began_ms = now_ms;
    k->records = 0;
    return true;
}

static int64_t mono_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void commit(struct keep *k, int64_t now_ms)
{
    if (!wf_mon_store_is_open(k->store))
        return;
    int64_t began_us = mono_us();
    enum weft_err err = wf_mon_store_commit(k->store);
    if (err) {
        abandon(k, err, NULL, now_ms);
        return;
    }
    wf_mon_watch_trouble(&k->watch, "");
    k->total.commits++;
    k->total.commit_us += (uint64_t)(mono_us() - began_us);
    k->total.records += k->records;
    wf_mon_ordered_committed(&k->ordered);
    for (size_t i = 0; i < k->watch.count; i++)
        k->watch.feeds[i]->touched = false;
    k->records = 0;
}

static bool is_full(const struct keep *k, int64_t now_ms)
{
    return wf_mon_store_is_open(k->store) &&
           (now_ms - k->began_ms >= COMMIT_MS || k->records >= COMMIT_RECORDS ||
               wf_mon_store_bytes(k->store) >= COMMIT_BYTES);
}

// ---- feeds -------------------------------------------------------------------------------------------------------------

static void take(struct keep *k, int64_t now_ms)
{
    for (size_t i = 0; i < k->watch.count; i++) {
        struct wf_mon_feed *f = k->watch.feeds[i];
        size_t records = 0;
        if (!wf_mon_watch_has(&k->watch, i))
            continue;
        if (!begin(k, now_ms))
            return;
        enum weft_err err = wf_mon_feed_take(f, TAKE, now_ms, &records);
        if (err) {
            abandon(k, err, f, now_ms);
            return;
        }
        k->records += records;
        if (is_full(k, now_ms))
            commit(k, now_ms);
    }
}

static void refill(struct keep *k, int64_t now_ms)
{
    if (!k->ordered.active || !begin(k, now_ms))
        return;
    enum weft_err err = wf_mon_ordered_take(&k->ordered, k->store, TAKE, now_ms);
    if (err)
        abandon(k, err, NULL, now_ms);
    else if (is_full(k, now_ms) || k->ordered.refill.done)
        commit(k, now_ms);
}

// The table is made as soon as the schema is known, so that SQL finds it before its first record.
static void shape(struct keep *k, int64_t now_ms)
{
    for (size_t i = 0; i < k->watch.count; i++) {
        struct wf_mon_feed *f = k->watch.feeds[i];
        struct kept *own = kept_of(f);
        const struct weft_product *p = f->sub ? weft_subscription_product(f->sub) : NULL;
        if (!f->sub)
            own->shaped = false;
        if (!p || own->shaped)
            continue;
        if (!begin(k, now_ms))
            return;
        enum weft_err err = wf_mon_store_table(k->store, f->product, &own->table);
        if (!err)
            err = wf_mon_store_shape(k->store, own->table, p);
        if (err) {
            abandon(k, err, f, now_ms);
            return;
        }
        own->shaped = true;
    }
}

// ---- status ------------------------------------------------------------------------------------------------------------

static enum weft_err look_late(struct keep *k, struct wf_mon_feed *f, int64_t now_ms)
{
    struct weft_stats stats = { 0 };
    struct kept *own = kept_of(f);

    if (now_ms < own->late_due_ms || !own->table)
        return WEFT_OK;
    own->late_due_ms = now_ms + LATE_MS;
    if (f->sub)
        weft_subscription_stats(f->sub, &stats);
    int64_t before = wf_mon_feed_late_before(f, &stats, wf_mon_unix_ms());
    return wf_mon_store_late(k->store, own->table, before, &f->late);
}

static enum weft_err tell_feed(struct keep *k, struct wf_mon_feed *f, int64_t now_ms)
{
    struct wf_mon_line line;
    struct kept *own = kept_of(f);
    enum weft_err err = wf_mon_store_table(k->store, f->product, &own->table);

    wf_mon_feed_glance(f, wf_mon_unix_ms());
    if (!err)
        err = look_late(k, f, now_ms);
    if (err)
        return err;
    f->granted = f->granted || wf_mon_table_records(own->table) > 0;
    const struct wf_mon_said said = wf_mon_line_said(own->table, &own->told);
    wf_mon_line_fill(f, &said, own->schema, (struct wf_mon_now){ now_ms, wf_mon_unix_ms() }, &line);
    // Both were filled from zero; a difference in padding alone would only write a line too many. NOLINTNEXTLINE
    if (memcmp(&line, &own->told, sizeof line) == 0)
        return WEFT_OK;
    err = wf_mon_store_status(k->store, &line, wf_mon_unix_ms());
    if (!err)
        own->told = line;
    return err;
}

// What needs no database: it may be the database that is wrong.
static void tell_beside(struct keep *k)
{
    struct wf_mon_watch *w = &k->watch;
    bool open = wf_mon_store_is_open(k->store);
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = { { "records_total", k->total.records }, { "commits_total", k->total.commits },
        { "commit_us_total", k->total.commit_us }, { "failed_total", k->total.failed },
        { "waiting", open ? k->records : 0 },
        { "waiting_bytes", open ? wf_mon_store_bytes(k->store) : 0 }, { "products", w->count } };

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        wf_mon_pulse_count(&w->pulse, counts[i].name, counts[i].value);
    wf_mon_watch_tell(w, "store", wf_mon_watch_wrong(w));
}

static void tell(struct keep *k, const char *state, int64_t now_ms)
{
    struct wf_mon_watch *w = &k->watch;

    tell_beside(k);
    if (!begin(k, now_ms))
        return;
    struct wf_mon_beat beat = {
        .pid = getpid(), .started_ms = w->started_ms, .updated_ms = wf_mon_unix_ms()
    };
    snprintf(beat.subject, sizeof beat.subject, "%s", w->subject);
    snprintf(beat.state, sizeof beat.state, "%s", state);
    snprintf(beat.problem, sizeof beat.problem, "%s", wf_mon_watch_wrong(w));
    enum weft_err err = wf_mon_store_beat(k->store, &beat);
    for (size_t i = 0; i < w->count && !err; i++)
        if (wf_mon_store_holds(k->store, w->feeds[i]->product))
            err = tell_feed(k, w->feeds[i], now_ms);
    if (err)
        abandon(k, err, NULL, now_ms);
    else
        commit(k, now_ms);
}

// Which products are this process's. What became another's is not read on.
static void claim(struct keep *k, int64_t now_ms)
{
    struct wf_mon_watch *w = &k->watch;
    const char **products = calloc(w->count + 1, sizeof *products);

    if (!products)
        return; // the next turn tries again
    for (size_t i = 0; i < w->count; i++)
        products[i] = w->feeds[i]->product;
    enum weft_err err = wf_mon_store_claim(k->store, products, w->count);
    free(products);
    if (err) {
        wf_mon_watch_trouble(w, wf_mon_store_problem(k->store));
        return;
    }
    k->claimed = w->count;
    for (size_t i = 0; i < w->count; i++)
        if (w->feeds[i]->sub && !wf_mon_store_holds(k->store, w->feeds[i]->product))
            wf_mon_feed_close(w->feeds[i], WF_MON_ELSEWHERE, now_ms, 0);
}

static enum weft_err trim_feed(struct keep *k, struct wf_mon_feed *f, bool *ret_more)
{
    const struct kept *own = kept_of(f);
    int64_t keep_us = wf_mon_keep_us(k->watch.o, f->product, f->kind == WEFT_INVENTORY);

    *ret_more = false;
    if (!keep_us || !own->table || !own->shaped)
        return WEFT_OK;
    return wf_mon_store_trim(k->store, own->table, wf_mon_unix_ms() * 1000 - keep_us, ret_more);
}

// Lets go of what is too old: a little each second, so that storing goes on between.
static void trim(struct keep *k, int64_t now_ms)
{
    struct wf_mon_watch *w = &k->watch;
    enum weft_err err = WEFT_OK;

    if (!w->o->keep_count || now_ms < k->trim_due || wf_mon_store_is_open(k->store))
        return;
    while (!err && k->trim_at < w->count && wf_mon_now_ms() - now_ms < TRIM_SLICE_MS) {
        bool more = false;
        k->trim_any = k->trim_any || kept_of(w->feeds[k->trim_at])->shaped;
        err = trim_feed(k, w->feeds[k->trim_at], &more);
        k->trim_at += !more;
    }
    if (err)
        wf_mon_watch_trouble(w, wf_mon_store_problem(k->store));
    if (k->trim_at >= w->count) {
        k->trim_at = 0;
        k->trim_due = now_ms + (k->trim_any ? TRIM_MS : STATUS_MS);
        k->trim_any = false;
    }
}

// ---- the loop ----------------------------------------------------------------------------------------------------------

static bool is_ready(struct keep *k, int64_t now_ms)
{
    enum weft_err err = wf_mon_store_ready(k->store);

    if (!err)
        return true;
    wf_mon_watch_trouble(&k->watch, wf_mon_store_problem(k->store));
    k->stuck_until = now_ms + STUCK_MS;
    return false;
}

static void turn(struct keep *k)
{
    int64_t now_ms = wf_mon_now_ms();
    bool open = wf_mon_store_is_open(k->store), stuck = now_ms < k->stuck_until;
    int64_t due = k->status_due;

    if (!stuck && is_ready(k, now_ms))
        wf_mon_watch_open(&k->watch, now_ms);
    if (open && k->began_ms + COMMIT_MS < due)
        due = k->began_ms + COMMIT_MS;
    if (k->ordered.active && !stuck && now_ms + REFILL_MS < due)
        due = now_ms + REFILL_MS;
    wf_mon_watch_wait(&k->watch, due, !open && stuck);
    now_ms = wf_mon_now_ms();
    take(k, now_ms);
    refill(k, now_ms);
    shape(k, now_ms);
    wf_mon_watch_catalog(&k->watch);
    if (is_full(k, now_ms))
        commit(k, now_ms);
    if (now_ms >= k->status_due) {
        k->status_due = now_ms + STATUS_MS;
        tell(k, "running", now_ms);
        claim(k, now_ms);
        trim(k, now_ms);
        wf_mon_ordered_look(&k->ordered, k->watch.client, now_ms);
    } else if (k->watch.count != k->claimed && now_ms >= k->stuck_until) {
        claim(k, now_ms); // new products do not wait for their turn
    }
}

int wf_mon_cmd_store(const struct wf_mon_options *o)
{
    struct keep k = { .ordered = { .db = o->db, .fd = -1 },
        .sink = { .proofs = true,
            .own_size = sizeof(struct kept),
            .cursor = on_cursor,
            .problem = on_problem,
            .event = on_event,
            .wants = on_wants } };
    struct weft_problem problem = { 0 };
    int status = 0;

    k.sink.arg = &k;
    enum weft_err err = wf_mon_watch_init(&k.watch, o, &k.sink);
    if (!err)
        err = wf_mon_watch_may_make(&k.watch, o->database ? NULL : o->db, &problem);
    if (!err)
        err = wf_mon_store_open(wf_mon_where(o), &k.store, &problem);
    if (!err)
        err = wf_mon_watch_start(&k.watch, &problem);
    if (err) {
        status =
            wf_mon_fail(err, problem.text[0] ? problem.text : weft_err_text(err), problem.hint);
    } else {
        fprintf(stderr, "weft-monitor: %s stores into %s\n",
            k.watch.subject[0] ? k.watch.subject : "monitor", wf_mon_where(o));
        while (!k.watch.stop && !wf_mon_watch_is_done(&k.watch, wf_mon_now_ms()))
            turn(&k);
        // The data first: closing the network may take a deadline.
        k.stuck_until = 0;
        k.watch.stop = true;
        tell(&k, "stopped", wf_mon_now_ms());
    }
    wf_mon_ordered_fini(&k.ordered);
    wf_mon_store_close(k.store);
    wf_mon_watch_fini(&k.watch);
    return status;
}
