// SPDX-License-Identifier: Apache-2.0
// weft-monitor alert: the speed layer's loop. Records go from the subscription through the engine to alerts and on to who is told, all in
// memory; what has to outlive the process is written behind that. Nothing here waits for a disk, a database of somebody else's, or a target.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/alert/book.h"
#include "domains/monitoring/alert/fields.h"
#include "domains/monitoring/alert/self.h"
#include "domains/monitoring/common/watch.h"
#include "domains/monitoring/speed/file.h"

#define TAKE     64u // events of one feed a turn
#define TICK_MS  1000
#define WRITE_MS 200   // alerts that changed
#define PLACE_MS 2000  // how far products were judged, and that this process is alive
#define HEARD_MS 10000 // when origins were heard
#define BASE_MS  300000
#define SELF_MS  10000  // what this process knows of itself
#define STALL_MS 5000   // between two attempts of a book that takes nothing
#define FIRST_MS 600000 // of the past that a first start looks at
#define STOP_MS  5000   // for messages under way at the end

struct judged {
    struct wf_fields fields;
    struct wf_book_place before; // judged in an earlier run
    struct wf_book_place place;
    bool changed, asked;
    char cause[200];
};

struct judge {
    struct wf_mon_watch watch;
    struct wf_mon_sink sink;
    struct wf_rules_file file;
    struct wf_book *book;
    struct wf_engine *engine;
    struct wf_alerts *alerts;
    struct wf_notify *notify;
    struct wf_self self; // what rules may ask of this process
    struct wf_silence silences[WF_ALERT_SILENCES];
    size_t silence_count;
    int64_t tick_due, write_due, place_due, heard_due, base_due, notify_due; // unix ms
    int64_t self_due, heard_since_ms;
    bool dirty; // an alert changed and is not written
    bool sweep; // one that waited is no more
    char problem[320];
};

static struct judged *judged_of(const struct wf_mon_feed *f)
{
    return f->own;
}

// ---- what the cores say ----------------------------------------------------------------------------------------------------

static void on_alert(void *arg, struct wf_alert *a, enum wf_alert_step step)
{
    struct judge *j = arg;

    j->dirty = true;
    (void)a;
    j->sweep = j->sweep || step == WF_STEP_DROPPED;
    if ((step == WF_STEP_FIRING || step == WF_STEP_RESOLVED) && j->notify) {
        wf_notify_wake(j->notify);
        j->notify_due = 0;
    }
}

static void on_observed(void *arg, const struct wf_observed *o)
{
    struct judge *j = arg;
    enum weft_err err = wf_alerts_observe(j->alerts, o);

    if (err)
        snprintf(j->problem, sizeof j->problem, "rule %s: an alert of %s was not raised: %s",
            o->rule->name, o->product,
            err == WEFT_E_FULL ? "there are too many" : weft_err_text(err));
}

static bool find_baseline(void *arg, uint64_t series, unsigned slot, struct wf_baseline *ret)
{
    const struct judge *j = arg;

    return wf_book_baseline(j->book, series, slot, ret) == WEFT_OK;
}

// ---- the sink ----------------------------------------------------------------------------------------------------------------

static bool on_wants(void *arg, const char *product)
{
    const struct judge *j = arg;

    return wf_engine_wants(j->engine, product);
}

static enum weft_err on_heard(void *arg, const char *origin, int64_t append_ms)
{
    void *const *both = arg;
    struct judge *j = both[0];

    return wf_engine_heard(j->engine, both[1], origin, append_ms);
}

// Before anything is heard: a product that never answers is blind, and hosts of earlier runs are missed.
static enum weft_err begin(struct judge *j, const struct wf_mon_feed *f, struct judged *own)
{
    void *both[] = { j, &own->fields.shape };
    enum weft_err err = wf_fields_use(&own->fields, j->engine, f, NULL);

    own->asked = true;
    if (!err)
        err = wf_book_heard(j->book, f->product, on_heard, both);
    if (!err)
        err = wf_book_place(j->book, f->product, &own->before);
    own->place = own->before;
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

// From so far back that windows are full again; what was judged fills them only. An inventory's rows are all of its log.
static void on_from(void *arg, const struct wf_mon_feed *f, struct weft_subscribe_options *options)
{
    struct judge *j = arg;
    struct judged *own = judged_of(f);
    int64_t back = wf_engine_span(j->engine, f->product);

    if (!own->asked && begin(j, f, own))
        snprintf(j->problem, sizeof j->problem, "%s: %.200s", f->product, wf_book_problem(j->book));
    (void)wf_engine_lacks(
        j->engine, f->product); // it is read from where every rule's window begins
    options->from = f->kind == WEFT_INVENTORY ? WEFT_FROM_EARLIEST : WEFT_FROM_TIME;
    if (own->place.append_ms)
        options->time_ms = own->place.append_ms - back;
    else
        options->time_ms = wf_mon_unix_ms() - (back > FIRST_MS ? back : FIRST_MS);
}

static enum weft_err on_event(void *arg, struct wf_mon_feed *f, const struct weft_product *p,
    const struct weft_event *e, int64_t now_unix_us)
{
    struct judge *j = arg;
    struct judged *own = judged_of(f);

    (void)now_unix_us;
    if (!p) // a loss: what is gone cannot be judged, and status of the batch layer names it
        return WEFT_OK;
    enum weft_err err = wf_fields_use(&own->fields, j->engine, f, p);
    if (!err)
        err =
            wf_fields_rows(&own->fields, j->engine, p, e, own->before.next, own->before.append_ms);
    if (!err && e->record_count && e->append_ms >= own->place.append_ms) {
        own->place.next = e->records[e->record_count - 1].offset + 1;
        own->place.append_ms = e->append_ms;
        own->changed = true;
    }
    return err;
}

static void take(struct judge *j, int64_t now_ms)
{
    for (size_t i = 0; i < j->watch.count; i++) {
        struct wf_mon_feed *f = j->watch.feeds[i];
        size_t records = 0;
        if (!wf_mon_watch_has(&j->watch, i))
            continue;
        enum weft_err err = wf_mon_feed_take(f, TAKE, now_ms, &records);
        f->touched = false; // nothing is durable here but by the way
        if (err) {
            snprintf(j->problem, sizeof j->problem, "%s: not judged: %s", f->product,
                weft_err_text(err));
            wf_mon_feed_close(f, j->problem, now_ms, TICK_MS);
        }
    }
}

// ---- time --------------------------------------------------------------------------------------------------------------------

static void look_at(struct wf_mon_feed *f, int64_t now_ms, int64_t unix_ms)
{
    struct judged *own = judged_of(f);
    struct weft_stats stats = { 0 };
    bool live = f->state == WEFT_STREAM_LIVE || f->state == WEFT_STREAM_PULL ||
                f->state == WEFT_STREAM_SILENT;

    if (f->sub)
        weft_subscription_stats(f->sub, &stats);
    bool seen = f->sub && live && wf_mon_feed_lag(&stats) == 0;
    wf_mon_feed_cause(f, now_ms - f->state_ms, own->cause, sizeof own->cause);
    if (!own->cause[0])
        snprintf(own->cause, sizeof own->cause, live ? "behind the head" : "connecting");
    own->fields.shape.cause = own->cause;
    if (seen)
        own->fields.shape.unseen_ms = 0;
    else if (!own->fields.shape.unseen_ms)
        own->fields.shape.unseen_ms = unix_ms;
    own->fields.shape.seen = seen;
}

static void forget_alert(void *arg, const char *id)
{
    struct judge *j = arg;

    if (wf_book_drop(j->book, id))
        snprintf(j->problem, sizeof j->problem, "%s", wf_book_problem(j->book));
}

// A product that nobody grants is nobody's finding; one that no rule looks at is not read.
static enum weft_err look_at_self(struct judge *j, int64_t unix_ms)
{
    enum weft_err err = WEFT_OK;

    if (unix_ms < j->self_due)
        return WEFT_OK;
    j->self_due = unix_ms + SELF_MS;
    err = wf_self_rules(&j->self, j->engine, unix_ms);
    if (!err)
        err = wf_self_limits(&j->self, j->engine, j->alerts, j->notify, unix_ms);
    if (!err)
        err = wf_self_parts(&j->self, j->engine, j->watch.o->db, unix_ms);
    for (size_t i = 0; i < j->watch.count && !err; i++) {
        if (!wf_engine_wants(j->engine, WF_SELF_PRODUCT))
            break;
        const struct wf_mon_feed *f = j->watch.feeds[i];
        if (wf_engine_wants(j->engine, f->product) && !wf_mon_feed_is_foreign(f))
            err = wf_self_row(&j->self, j->engine, f, judged_of(f)->cause, unix_ms);
    }
    return err;
}

static void tick(struct judge *j, int64_t now_ms, int64_t unix_ms)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < j->watch.count && !err; i++) {
        look_at(j->watch.feeds[i], now_ms, unix_ms);
        err = wf_fields_learn(&judged_of(j->watch.feeds[i])->fields, j->engine, j->watch.feeds[i]);
    }
    wf_alerts_expire(j->alerts, unix_ms, forget_alert, j);
    if (!err)
        err = look_at_self(j, unix_ms);
    if (!err)
        err = wf_engine_tick(j->engine, unix_ms);
    if (err)
        snprintf(j->problem, sizeof j->problem, "rules: %s", weft_err_text(err));
}

// ---- the book ----------------------------------------------------------------------------------------------------------------

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

static void fill_beat(const struct judge *j, int64_t unix_ms, struct wf_book_beat *ret)
{
    struct wf_engine_stats stats;
    struct wf_notify_stats sent;

    wf_engine_stats(j->engine, &stats);
    wf_notify_stats(j->notify, &sent);
    *ret = (struct wf_book_beat){ .pid = getpid(),
        .started_ms = j->watch.started_ms,
        .updated_ms = unix_ms,
        .rules = j->file.rules->count,
        .series = stats.series,
        .bytes = stats.bytes,
        .records = stats.rows,
        .refused = stats.refused + wf_alerts_refused(j->alerts) + sent.given_up,
        .late = stats.out_of_order };
    snprintf(ret->state, sizeof ret->state, "%s", j->watch.stop ? "stopped" : "running");
    if (stats.refused)
        snprintf(ret->problem, sizeof ret->problem,
            "no room for series of rule %s and %s: %llu records were not judged",
            stats.refused_rule, stats.refused_product, (unsigned long long)stats.refused);
    else if (sent.problem[0] && sent.waiting)
        snprintf(ret->problem, sizeof ret->problem, "not told: %s", sent.problem);
    else
        snprintf(ret->problem, sizeof ret->problem, "%s",
            j->problem[0]      ? j->problem
            : stats.problem[0] ? stats.problem
                               : wf_mon_watch_wrong(&j->watch));
}

// What needs no book: it may be the book that is wrong.
static void tell_beside(struct judge *j, int64_t unix_ms)
{
    struct wf_book_beat beat;
    uint64_t firing = 0, pending = 0;

    for (struct wf_alert *a = wf_alerts_first(j->alerts); a; a = a->next) {
        firing += a->state == WF_ALERT_FIRING;
        pending += a->state == WF_ALERT_PENDING;
    }
    fill_beat(j, unix_ms, &beat);
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = { { "records_total", beat.records }, { "refused_total", beat.refused },
        { "rules", beat.rules }, { "series", beat.series }, { "firing", firing },
        { "pending", pending } };
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
    for (struct wf_alert *a = wf_alerts_first(j->alerts); a; a = a->next)
        a->changed = false;
    for (size_t i = 0; places && i < j->watch.count; i++)
        judged_of(j->watch.feeds[i])->changed = false;
    j->dirty = j->sweep = false;
    j->write_due = unix_ms + WRITE_MS;
    if (places)
        j->place_due = unix_ms + PLACE_MS;
    if (heard) {
        j->heard_due = unix_ms + HEARD_MS;
        j->heard_since_ms = unix_ms - 2 * HEARD_MS; // what was on its way then comes once more
    }
    if (base)
        j->base_due = unix_ms + BASE_MS;
}

// All that is due in one transaction. A book that takes nothing is tried again: alerts go on without it.
static void write_book(struct judge *j, int64_t unix_ms, bool all)
{
    bool places = all || unix_ms >= j->place_due, heard = all || unix_ms >= j->heard_due;
    bool base = all || unix_ms >= j->base_due;
    struct writing w = { .j = j };

    if (!places && !heard && !(j->dirty && unix_ms >= j->write_due))
        return;
    w.err = wf_book_begin(j->book);
    if (!w.err)
        w.err = write_alerts(j);
    if (!w.err && places)
        w.err = write_places(j, unix_ms);
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

// ---- what people say -----------------------------------------------------------------------------------------------------------

static enum weft_err hear_ack(void *arg, const struct wf_alert *a)
{
    struct judge *j = arg;
    struct wf_alert *own = wf_alerts_find(j->alerts, a->id);

    if (!own || own->episode != a->episode)
        return WEFT_OK;
    memcpy(own->acked_by, a->acked_by, sizeof own->acked_by);
    memcpy(own->ack_note, a->ack_note, sizeof own->ack_note);
    own->acked_ms = a->acked_ms;
    own->ack_until_ms = a->ack_until_ms;
    return WEFT_OK;
}

static void hear_people(struct judge *j, int64_t unix_ms)
{
    if (!wf_book_changed(j->book))
        return;
    enum weft_err err = wf_book_alerts(j->book, hear_ack, j);
    if (!err)
        err = wf_book_silences(j->book, unix_ms, j->silences, WF_ALERT_SILENCES, &j->silence_count);
    if (err)
        snprintf(j->problem, sizeof j->problem, "%s", wf_book_problem(j->book));
    wf_notify_wake(j->notify);
}

// ---- rules -------------------------------------------------------------------------------------------------------------------

static void close_unwanted(struct judge *j, int64_t now_ms)
{
    for (size_t i = 0; i < j->watch.count; i++) {
        struct wf_mon_feed *f = j->watch.feeds[i];
        if (f->sub && !wf_engine_wants(j->engine, f->product))
            wf_mon_feed_close(f, "no rule looks at it", now_ms, 0);
    }
}

// A window that a new rule asks for begins in the past, the rows of an inventory with its first record. What was judged is not judged again.
static void read_again(struct judge *j, int64_t now_ms)
{
    for (size_t i = 0; i < j->watch.count; i++) {
        struct wf_mon_feed *f = j->watch.feeds[i];
        struct judged *own = judged_of(f);
        if (!wf_engine_lacks(j->engine, f->product) || !f->sub)
            continue;
        own->before = own->place;
        wf_mon_feed_close(f, "read again for new rules", now_ms, 0);
    }
}

static void reload(struct judge *j, int64_t now_ms)
{
    struct wf_rules_file new = { 0 }, old = j->file;

    j->watch.hup = false;
    if (wf_rules_file_open(j->watch.o->rules, wf_rules_flags(j->watch.o), &new)) {
        wf_rules_file_close(&new);
        snprintf(j->problem, sizeof j->problem, "%.200s has mistakes: the rules before it go on",
            j->watch.o->rules);
        fprintf(stderr, "weft-monitor: %s\n", j->problem);
        return;
    }
    j->file = new;
    j->problem[0] = '\0';
    wf_engine_rules(j->engine, new.rules, wf_mon_unix_ms());
    wf_alerts_keep_rules(j->alerts, new.rules, wf_mon_unix_ms());
    wf_notify_use(j->notify, new.notify);
    wf_rules_file_close(&old);
    close_unwanted(j, now_ms);
    read_again(j, now_ms);
    fprintf(stderr, "weft-monitor: %zu rules\n", new.rules->count);
}

// ---- the loop ----------------------------------------------------------------------------------------------------------------

static void turn(struct judge *j)
{
    int64_t now_ms = wf_mon_now_ms(), unix_ms = wf_mon_unix_ms();
    int64_t due = j->tick_due < j->notify_due ? j->tick_due : j->notify_due;

    wf_mon_watch_open(&j->watch, now_ms);
    if (j->dirty && j->write_due < due)
        due = j->write_due;
    wf_mon_watch_wait(&j->watch, now_ms + (due > unix_ms ? due - unix_ms : 0), false);
    now_ms = wf_mon_now_ms();
    unix_ms = wf_mon_unix_ms();
    if (j->watch.hup)
        reload(j, now_ms);
    take(j, now_ms);
    wf_mon_watch_catalog(&j->watch);
    // A clock that was set back must not stop time here.
    if (unix_ms >= j->tick_due || j->tick_due - unix_ms > 2 * TICK_MS) {
        j->tick_due = unix_ms + TICK_MS;
        tick(j, now_ms, unix_ms);
        hear_people(j, unix_ms);
        tell_beside(j, unix_ms);
    }
    j->notify_due = wf_notify_turn(j->notify, j->alerts, j->silences, j->silence_count, unix_ms);
    write_book(j, unix_ms, false);
}

static enum weft_err restore(void *arg, const struct wf_alert *a)
{
    struct judge *j = arg;
    enum weft_err err = wf_alerts_put(j->alerts, a);

    if (!err && (a->state == WF_ALERT_FIRING || a->state == WF_ALERT_PENDING))
        err = wf_engine_was_true(j->engine, a->rule, &a->series, a->last.product, a->last.origin);
    return err;
}

static enum weft_err set_up(struct judge *j, struct weft_problem *problem)
{
    enum weft_err err = wf_book_open(j->watch.o->alerts, WF_BOOK_KEEP, &j->book, problem);

    if (err)
        return err;
    j->engine = wf_engine_new(NULL, on_observed, j);
    j->alerts = wf_alerts_new(on_alert, j);
    if (!j->engine || !j->alerts)
        return WEFT_E_NOMEM;
    wf_engine_baseline_source(j->engine, find_baseline, j);
    wf_engine_rules(j->engine, j->file.rules, wf_mon_unix_ms());
    err = wf_self_tie(&j->self, j->engine);
    if (err)
        return err;
    err = wf_book_alerts(j->book, restore, j);
    if (err) {
        snprintf(problem->text, sizeof problem->text, "%s", wf_book_problem(j->book));
        return err;
    }
    wf_alerts_keep_rules(j->alerts, j->file.rules, wf_mon_unix_ms());
    err = wf_mon_watch_start(&j->watch, problem);
    if (!err)
        j->notify = wf_notify_new(j->file.notify, j->watch.subject);
    return err ? err : j->notify ? WEFT_OK : WEFT_E_NOMEM;
}

static void run(struct judge *j)
{
    fprintf(stderr, "weft-monitor: %s judges by %zu rules\n",
        j->watch.subject[0] ? j->watch.subject : "monitor", j->file.rules->count);
    while (!j->watch.stop && !wf_mon_watch_is_done(&j->watch, wf_mon_now_ms()))
        turn(j);
    j->watch.stop = true;
    int64_t end = wf_mon_now_ms() + STOP_MS;
    do {
        wf_notify_wake(j->notify);
        wf_notify_turn(j->notify, j->alerts, j->silences, j->silence_count, wf_mon_unix_ms());
        if (!wf_notify_is_idle(j->notify))
            poll(NULL, 0, 20);
    } while (!wf_notify_is_idle(j->notify) && wf_mon_now_ms() < end);
    write_book(j, wf_mon_unix_ms(), true);
    tell_beside(j, wf_mon_unix_ms());
}

static void tear_down(struct judge *j)
{
    for (size_t i = 0; i < j->watch.count; i++)
        wf_fields_fini(&judged_of(j->watch.feeds[i])->fields, j->engine);
    if (j->engine)
        wf_self_forget(&j->self, j->engine);
    wf_mon_watch_fini(&j->watch);
    wf_notify_free(j->notify);
    wf_engine_free(j->engine);
    wf_alerts_free(j->alerts);
    wf_book_close(j->book);
    wf_rules_file_close(&j->file);
    free(j);
}

int wf_mon_cmd_alert(const struct wf_mon_options *o)
{
    struct judge *j = calloc(1, sizeof *j);
    struct weft_problem problem = { 0 };

    if (!j)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    j->self = wf_self_new();
    j->sink = (struct wf_mon_sink){ .arg = j,
        .own_size = sizeof(struct judged),
        .reloads = true,
        .wants = on_wants,
        .from = on_from,
        .event = on_event };
    enum weft_err err = wf_mon_watch_init(&j->watch, o, &j->sink);
    int status = err ? wf_mon_fail(err, weft_err_text(err), "")
                     : wf_rules_file_open(o->rules, wf_rules_flags(o), &j->file);
    if (!status) {
        err = set_up(j, &problem);
        if (err)
            status =
                wf_mon_fail(err, problem.text[0] ? problem.text : weft_err_text(err), problem.hint);
        else
            run(j);
    }
    tear_down(j);
    return status;
}
