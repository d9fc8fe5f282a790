// SPDX-License-Identifier: Apache-2.0
// weft-monitor run: one loop over the subscriptions' descriptors. Events are taken only while a transaction is open, so that a locked or
// full database stops the taking, and libweft's own bounds stop the sending: nothing is skipped.
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "domains/monitoring/feed.h"
#include "domains/monitoring/monitor.h"

#define COMMIT_MS      200   // most that a transaction stays open while more arrives
#define COMMIT_RECORDS 20000 // or that it gathers
#define TAKE           64u   // events of one feed a turn
#define STATUS_MS      1000
#define LATE_MS        3000  // between two looks for late hosts
#define PARK_MS        60000 // after a change that the database refuses for good
#define STUCK_MS       1000  // after one that may pass

struct run {
    const struct wf_mon_options *o;
    struct wf_mon_store *store;
    struct weft_client *client;
    struct wf_mon_scout *scout;
    struct wf_mon_feed **feeds;
    size_t count;
    struct pollfd *polls; // 0: signals, 1: scout, then one a feed
    int signal_fd;
    bool stop, looked;                                             // looked: a catalog was seen
    int64_t started_ms, began_ms, status_due, stuck_until, end_ms; // monotonic but started_ms
    size_t records;                                                // in the open transaction
    char subject[160], problem[320];
};

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void note(struct run *r, const char *what)
{
    if (strcmp(r->problem, what) == 0)
        return;
    snprintf(r->problem, sizeof r->problem, "%s", what);
    if (what[0])
        fprintf(stderr, "weft-monitor: %s\n", what);
}

// ---- transactions ------------------------------------------------------------------------------------------------------

// Everything since begin is forgotten: those who gave are asked again from where the database stands.
static void abandon(struct run *r, enum weft_err err, struct wf_mon_feed *culprit, int64_t now_ms)
{
    bool retry = wf_mon_store_may_retry(err);
    char why[320];

    snprintf(why, sizeof why, "%s",
        err == WEFT_E_SCHEMA ? "records came without a schema" : wf_mon_store_problem(r->store));
    note(r, why);
    wf_mon_store_rollback(r->store);
    for (size_t i = 0; i < r->count; i++) {
        struct wf_mon_feed *f = r->feeds[i];
        f->told.product[0] = '\0';
        if (f == culprit && !retry)
            wf_mon_feed_close(f, why, now_ms, PARK_MS);
        else if (f->touched)
            wf_mon_feed_close(f, why, now_ms, retry ? STUCK_MS : 0);
    }
    if (retry)
        r->stuck_until = now_ms + STUCK_MS;
    r->records = 0;
}

static bool begin(struct run *r, int64_t now_ms)
{
    if (wf_mon_store_is_open(r->store))
        return true;
    if (now_ms < r->stuck_until)
        return false;
    enum weft_err err = wf_mon_store_begin(r->store);
    if (err) {
        note(r, wf_mon_store_problem(r->store));
        r->stuck_until = now_ms + STUCK_MS;
        return false;
    }
    r->began_ms = now_ms;
    r->records = 0;
    return true;
}

static void commit(struct run *r, int64_t now_ms)
{
    if (!wf_mon_store_is_open(r->store))
        return;
    enum weft_err err = wf_mon_store_commit(r->store);
    if (err) {
        abandon(r, err, NULL, now_ms);
        return;
    }
    for (size_t i = 0; i < r->count; i++)
        r->feeds[i]->touched = false;
    r->records = 0;
}

// ---- the catalog -------------------------------------------------------------------------------------------------------

static struct wf_mon_feed *find_feed(const struct run *r, const char *product)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->feeds[i]->product, product) == 0)
            return r->feeds[i];
    return NULL;
}

static struct wf_mon_feed *add_feed(struct run *r, const char *product)
{
    if (r->count >= WF_MON_MAX_PRODUCTS)
        return NULL;
    struct wf_mon_feed **feeds = realloc(r->feeds, (r->count + 1) * sizeof *feeds);
    if (feeds)
        r->feeds = feeds;
    struct pollfd *polls = feeds ? realloc(r->polls, (r->count + 3) * sizeof *polls) : NULL;
    if (polls)
        r->polls = polls;
    struct wf_mon_feed *f = polls ? calloc(1, sizeof *f) : NULL;
    if (!f)
        return NULL;
    snprintf(f->product, sizeof f->product, "%s", product);
    r->feeds[r->count++] = f;
    return f;
}

static void on_catalog(struct run *r)
{
    struct wf_mon_found *found = NULL;
    struct weft_problem problem = { 0 };
    size_t count = 0;
    enum weft_err err = wf_mon_scout_take(r->scout, &found, &count, &problem);

    if (err == WEFT_E_TIMEOUT)
        return;
    if (err) {
        char text[320];
        snprintf(text, sizeof text, "catalog: %.300s",
            problem.text[0] ? problem.text : weft_err_text(err));
        note(r, text);
        return;
    }
    note(r, "");
    r->looked = true;
    for (size_t i = 0; i < count; i++) {
        if (!wf_mon_wants(r->o, found[i].product))
            continue;
        struct wf_mon_feed *f = find_feed(r, found[i].product);
        if (!f)
            f = add_feed(r, found[i].product);
        if (!f)
            break; // without memory now; the next look tries again
        f->kind = found[i].kind;
        f->freshness_ms = found[i].freshness_ms;
        f->gone = found[i].gone;
        f->named = r->o->pattern_count > 0;
    }
    free(found);
}

// ---- feeds -------------------------------------------------------------------------------------------------------------

static void open_feeds(struct run *r, int64_t now_ms)
{
    for (size_t i = 0; i < r->count; i++) {
        struct wf_mon_feed *f = r->feeds[i];
        // Never while the transaction holds events of it: the stored cursor is not yet the right one.
        if (!f->sub && !f->touched && now_ms >= f->again_ms && now_ms >= r->stuck_until)
            wf_mon_feed_open(f, r->client, r->store, now_ms);
    }
}

static void take(struct run *r, int64_t now_ms)
{
    for (size_t i = 0; i < r->count; i++) {
        struct wf_mon_feed *f = r->feeds[i];
        size_t records = 0;
        if (!f->sub || !(r->polls[2 + i].revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        if (!begin(r, now_ms))
            return;
        enum weft_err err = wf_mon_feed_take(f, r->store, TAKE, now_ms, &records);
        if (err) {
            abandon(r, err, f, now_ms);
            return;
        }
        r->records += records;
    }
}

static void shape(struct run *r, int64_t now_ms)
{
    for (size_t i = 0; i < r->count; i++) {
        if (!wf_mon_feed_wants_shape(r->feeds[i]))
            continue;
        if (!begin(r, now_ms))
            return;
        enum weft_err err = wf_mon_feed_shape(r->feeds[i], r->store);
        if (err) {
            abandon(r, err, r->feeds[i], now_ms);
            return;
        }
    }
}

// ---- status ------------------------------------------------------------------------------------------------------------

static enum weft_err look_late(struct run *r, struct wf_mon_feed *f, int64_t now_ms)
{
    struct weft_stats stats = { 0 };

    if (now_ms < f->late_due_ms || !f->table)
        return WEFT_OK;
    f->late_due_ms = now_ms + LATE_MS;
    if (f->sub)
        weft_subscription_stats(f->sub, &stats);
    int64_t before = wf_mon_feed_late_before(f, &stats, clock_ms(CLOCK_REALTIME));
    return wf_mon_store_late(r->store, f->table, before, &f->late);
}

static enum weft_err tell_feed(struct run *r, struct wf_mon_feed *f, int64_t now_ms)
{
    struct wf_mon_line line;
    enum weft_err err = wf_mon_store_table(r->store, f->product, &f->table);

    if (!err)
        err = look_late(r, f, now_ms);
    if (err)
        return err;
    f->granted = f->granted || wf_mon_table_records(f->table) > 0;
    wf_mon_feed_line(f, now_ms, &line);
    // Both were filled from zero; a difference in padding alone would only write a line too many. NOLINTNEXTLINE
    if (memcmp(&line, &f->told, sizeof line) == 0)
        return WEFT_OK;
    err = wf_mon_store_status(r->store, &line, clock_ms(CLOCK_REALTIME));
    if (!err)
        f->told = line;
    return err;
}

static void tell(struct run *r, const char *state, int64_t now_ms)
{
    if (!begin(r, now_ms))
        return;
    enum weft_err err = wf_mon_store_beat(
        r->store, r->subject, state, r->problem, r->started_ms, clock_ms(CLOCK_REALTIME));
    for (size_t i = 0; i < r->count && !err; i++)
        err = tell_feed(r, r->feeds[i], now_ms);
    if (err)
        abandon(r, err, NULL, now_ms);
    else
        commit(r, now_ms);
}

// ---- the loop ----------------------------------------------------------------------------------------------------------

static int wait_ms(const struct run *r, int64_t now_ms)
{
    int64_t due = r->status_due;

    if (wf_mon_store_is_open(r->store) && r->began_ms + COMMIT_MS < due)
        due = r->began_ms + COMMIT_MS;
    if (r->end_ms && r->end_ms < due)
        due = r->end_ms;
    return due <= now_ms ? 0 : (int)(due - now_ms);
}

static void wait_events(struct run *r, int64_t now_ms)
{
    bool stuck = !wf_mon_store_is_open(r->store) && now_ms < r->stuck_until;

    r->polls[0] = (struct pollfd){ .fd = r->signal_fd, .events = POLLIN };
    r->polls[1] = (struct pollfd){ .fd = wf_mon_scout_fd(r->scout), .events = POLLIN };
    for (size_t i = 0; i < r->count; i++) {
        int fd = r->feeds[i]->sub && !stuck ? weft_subscription_fd(r->feeds[i]->sub) : -1;
        r->polls[2 + i] = (struct pollfd){ .fd = fd, .events = POLLIN };
    }
    if (poll(r->polls, 2 + r->count, wait_ms(r, now_ms)) < 0)
        for (size_t i = 0; i < 2 + r->count; i++)
            r->polls[i].revents = 0;
    if (r->polls[0].revents)
        r->stop = true;
}

static bool is_done(const struct run *r, int64_t now_ms)
{
    if (r->end_ms && now_ms >= r->end_ms)
        return true;
    if (!r->o->once || !r->looked)
        return false;
    for (size_t i = 0; i < r->count; i++)
        if (!wf_mon_feed_is_settled(r->feeds[i], now_ms))
            return false;
    return true;
}

static void turn(struct run *r)
{
    int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

    open_feeds(r, now_ms);
    wait_events(r, now_ms);
    now_ms = clock_ms(CLOCK_MONOTONIC);
    // Feeds that the catalog adds have no place among the descriptors polled: they come last.
    take(r, now_ms);
    shape(r, now_ms);
    if (r->polls[1].revents)
        on_catalog(r);
    if (wf_mon_store_is_open(r->store) &&
        (now_ms - r->began_ms >= COMMIT_MS || r->records >= COMMIT_RECORDS))
        commit(r, now_ms);
    if (now_ms >= r->status_due) {
        r->status_due = now_ms + STATUS_MS;
        tell(r, "running", now_ms);
    }
    r->stop = r->stop || is_done(r, now_ms);
}

static enum weft_err set_up(struct run *r, struct weft_problem *problem)
{
    const struct weft_options options = { .dir = r->o->dir, .socket = r->o->socket };
    struct weft_whoami who = { 0 };
    sigset_t signals;

    // Blocked before the first thread starts, so that all inherit it and the descriptor alone hears them.
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    r->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    r->polls = calloc(3, sizeof *r->polls);
    if (r->signal_fd < 0 || !r->polls)
        return WEFT_E_NOMEM;
    enum weft_err err = wf_mon_store_open(r->o->db, &r->store, problem);
    if (!err)
        err = weft_connect(&options, &r->client, problem);
    if (!err && !weft_whoami(r->client, &who, NULL))
        snprintf(r->subject, sizeof r->subject, "%s/%s", who.domain, who.subject);
    if (!err)
        err = wf_mon_scout_start(r->client, r->o->discover_ms, &r->scout);
    return err;
}

static void tear_down(struct run *r)
{
    wf_mon_store_close(r->store);
    for (size_t i = 0; i < r->count; i++) {
        wf_mon_feed_fini(r->feeds[i]);
        free(r->feeds[i]);
    }
    wf_mon_scout_stop(r->scout);
    weft_close(r->client);
    if (r->signal_fd >= 0)
        close(r->signal_fd);
    free(r->feeds);
    free(r->polls);
}

int wf_mon_run(const struct wf_mon_options *o)
{
    struct run r = { .o = o, .signal_fd = -1, .started_ms = clock_ms(CLOCK_REALTIME) };
    struct weft_problem problem = { 0 };
    enum weft_err err = set_up(&r, &problem);
    int status = 0;

    if (err) {
        status =
            wf_mon_fail(err, problem.text[0] ? problem.text : weft_err_text(err), problem.hint);
    } else {
        fprintf(stderr, "weft-monitor: %s stores into %s\n", r.subject[0] ? r.subject : "monitor",
            o->db);
        if (o->seconds)
            r.end_ms = clock_ms(CLOCK_MONOTONIC) + (int64_t)o->seconds * 1000;
        while (!r.stop)
            turn(&r);
        // The data first: closing the network may take a deadline.
        r.stuck_until = 0;
        tell(&r, "stopped", clock_ms(CLOCK_MONOTONIC));
    }
    tear_down(&r);
    return status;
}
