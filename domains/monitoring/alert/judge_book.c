// SPDX-License-Identifier: Apache-2.0
// What outlives weft-monitor alert: written behind what it judges, in one transaction, whenever something is due. See judge.h.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/alert/judge.h"

#define WRITE_MS   200   // alerts that changed
#define PLACE_MS   2000  // how far products were judged, and that this process is alive
#define HEARD_MS   10000 // when origins were heard
#define BASE_MS    300000
#define PROBLEM_MS 60000 // what failed is told so long
#define STALL_MS   5000  // between two attempts of a book that takes nothing

static enum weft_err write_alerts(struct judge *j)
{
    enum weft_err err = WEFT_OK;

    if (j->sweep)
        err = wf_book_drop_pending(j->book);
    for (struct wf_alert *a = wf_alerts_first(j->alerts); a && !err; a = a->next)
        if (a->changed || (j->sweep && a->state == WF_ALERT_PENDING))
            err = wf_book_put(j->book, a);
    return err;
}

// All that is wrong, in one line: one trouble must not hide another.
static void add_problem(char *out, size_t size, const char *text)
{
    size_t len = strlen(out);

    if (text[0] && !strstr(out, text))
        snprintf(out + len, size - len, "%s%s", len ? "; " : "", text);
}

static void fullest(void *arg, const char *domain, const struct wf_query_usage *usage)
{
    struct wf_book_beat *b = arg;

    (void)domain;
    if (!b->sql_most || (double)usage->bytes / (double)usage->most_bytes >
                            (double)b->sql_bytes / (double)b->sql_most) {
        b->sql_bytes = usage->bytes;
        b->sql_most = usage->most_bytes;
    }
}

static void fill_beat(const struct judge *j, int64_t unix_ms, struct wf_book_beat *ret)
{
    struct wf_engine_stats stats;
    struct wf_notify_stats sent;

    wf_engine_stats(j->engine, &stats);
    wf_notify_stats(j->notify, &sent);
    *ret = (struct wf_book_beat){ .pid = getpid(),
        .started_ms = j->watch.started_ms,
        .updated_ms = unix_ms,
        .rules = j->rules->count,
        .series = stats.series,
        .bytes = stats.bytes,
        .records = stats.rows,
        .refused = stats.refused + wf_alerts_refused(j->alerts) + sent.queues.given_up,
        .late = stats.out_of_order };
    wf_engine_each_usage(j->engine, fullest, ret);
    snprintf(ret->state, sizeof ret->state, "%s", j->watch.stop ? "stopped" : "running");
    char text[sizeof ret->problem] = "";
    if (stats.refused)
        snprintf(text, sizeof text,
            "no room for series of rule %s and %s: %llu records were not judged",
            stats.refused_rule, stats.refused_product, (unsigned long long)stats.refused);
    add_problem(ret->problem, sizeof ret->problem, text);
    text[0] = '\0';
    if (sent.queues.problem[0] && sent.waiting)
        snprintf(text, sizeof text, "not told: %s%s%s", sent.queues.problem,
            sent.queues.lost[0] ? "; " : "", sent.queues.lost);
    const char *const all[] = { text, j->mistakes, j->problem, wf_spread_problem(j->spread),
        wf_taken_problem(j->taken), stats.problem, wf_mon_watch_wrong(&j->watch) };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        add_problem(ret->problem, sizeof ret->problem, all[i]);
}

// What failed once and not again since is over.
static void forget_problem(struct judge *j, int64_t unix_ms)
{
    if (j->problem[0] && strcmp(j->problem, j->old_problem) != 0)
        j->problem_ms = unix_ms;
    snprintf(j->old_problem, sizeof j->old_problem, "%s", j->problem);
    if (unix_ms - j->problem_ms > PROBLEM_MS || unix_ms < j->problem_ms)
        j->problem[0] = j->old_problem[0] = '\0';
}

// What needs no book: it may be the book that is wrong.
void wf_judge_tell_beside(struct judge *j, int64_t unix_ms)
{
    struct wf_book_beat beat;
    uint64_t firing = 0, pending = 0;

    for (struct wf_alert *a = wf_alerts_first(j->alerts); a; a = a->next) {
        firing += a->state == WF_ALERT_FIRING;
        pending += a->state == WF_ALERT_PENDING;
    }
    forget_problem(j, unix_ms);
    fill_beat(j, unix_ms, &beat);
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = { { "records_total", beat.records }, { "refused_total", beat.refused },
        { "rules", beat.rules }, { "series", beat.series }, { "firing", firing },
        { "pending", pending }, { "bytes", beat.bytes }, { "sql_bytes", beat.sql_bytes },
        { "sql_most_bytes", beat.sql_most } };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        wf_mon_pulse_count(&j->watch.pulse, counts[i].name, counts[i].value);
    wf_mon_watch_tell(&j->watch, "alert", beat.problem);
}

static enum weft_err write_places(struct judge *j, int64_t unix_ms)
{
    struct wf_book_beat beat;
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < j->watch.count && !err; i++) {
        struct judged *own = judged_of(j->watch.feeds[i]);
        if (own->changed)
            err = wf_book_place_set(j->book, j->watch.feeds[i]->product, &own->place);
    }
    fill_beat(j, unix_ms, &beat);
    return err ? err : wf_book_beat_set(j->book, &beat);
}

struct writing {
    struct judge *j;
    enum weft_err err;
};

static void write_heard(void *arg, const char *product, const char *origin, int64_t append_ms)
{
    struct writing *w = arg;

    if (!w->err)
        w->err = wf_book_heard_set(w->j->book, product, origin, append_ms);
}

static void write_baseline(
    void *arg, uint64_t series, unsigned slot, const struct wf_baseline *base)
{
    struct writing *w = arg;

    if (!w->err)
        w->err = wf_book_baseline_set(w->j->book, series, slot, base);
}

static void written(struct judge *j, int64_t unix_ms, bool places, bool heard, bool base)
{
    wf_spread_written(j->spread);
    for (struct wf_alert *a = wf_alerts_first(j->alerts); a; a = a->next)
        a->changed = false;
    for (size_t i = 0; places && i < j->watch.count; i++)
        judged_of(j->watch.feeds[i])->changed = false;
    j->dirty = j->sweep = false;
    j->write_due = unix_ms + WRITE_MS;
    if (places) {
        j->place_due = unix_ms + PLACE_MS;
        *wf_taken_changed(j->taken) = false;
    }
    if (heard) {
        j->heard_due = unix_ms + HEARD_MS;
        j->heard_since_ms = unix_ms - 2 * HEARD_MS; // what was on its way then comes once more
    }
    if (base)
        j->base_due = unix_ms + BASE_MS;
}

// All that is due in one transaction. A book that takes nothing is tried again: alerts go on without it.
void wf_judge_write(struct judge *j, int64_t unix_ms, bool all)
{
    bool places = all || unix_ms >= j->place_due, heard = all || unix_ms >= j->heard_due;
    bool base = all || unix_ms >= j->base_due;
    struct writing w = { .j = j };

    if (!places && !heard && !(j->dirty && unix_ms >= j->write_due))
        return;
    w.err = wf_book_begin(j->book);
    if (!w.err)
        w.err = wf_spread_write(j->spread, j->book);
    if (!w.err)
        w.err = write_alerts(j);
    if (!w.err && places)
        w.err = write_places(j, unix_ms);
    if (!w.err && places && *wf_taken_changed(j->taken))
        w.err = wf_book_taken_put(j->book, j->taken);
    if (!w.err && heard)
        wf_engine_each_heard(j->engine, j->heard_since_ms, write_heard, &w);
    if (!w.err && base)
        wf_engine_baselines(j->engine, write_baseline, &w);
    if (!w.err)
        w.err = wf_book_commit(j->book);
    if (!w.err) {
        written(j, unix_ms, places, heard, base);
        wf_mon_watch_trouble(&j->watch, "");
        return;
    }
    wf_mon_watch_trouble(&j->watch, wf_book_problem(j->book));
    wf_book_rollback(j->book);
    j->write_due = j->place_due = j->heard_due = unix_ms + STALL_MS;
}
