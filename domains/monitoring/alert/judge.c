// SPDX-License-Identifier: Apache-2.0
// weft-monitor alert: the speed layer's loop. Records go from the subscription through the engine to alerts and on to who is told, all in
// memory; what has to outlive the process is written behind that. Nothing here waits for a disk, a database of somebody else's, or a target.
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/alert/judge.h"
#include "domains/monitoring/alert/self.h"

#define TAKE      64u // events of one feed a turn
#define TICK_MS   1000
#define SELF_MS   10000  // what this process knows of itself
#define FIRST_MS  600000 // of the past that a first start looks at
#define STOP_MS   5000   // for messages under way at the end
#define SPREAD_MS 2000   // and for what is published

// ---- what the cores say ----------------------------------------------------------------------------------------------------

static void on_alert(void *arg, struct wf_alert *a, enum wf_alert_step step)
{
    struct judge *j = arg;

    int64_t now = wf_mon_unix_ms();

    j->dirty = true;
    if (j->spread &&
        step == WF_STEP_DROPPED) // of an earlier time others may still have it as resolved
        (void)wf_spread_forget(j->spread, a, now);
    else if (j->spread)
        (void)wf_spread_note(
            j->spread, a, wf_alert_silenced(a, j->silences, j->silence_count, now), now);
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

    if (!p) { // what is gone cannot be judged; status of the batch layer names it
        const struct wf_loss loss = { .origin = e->by_origin ? e->origin : NULL,
            .count = e->loss_to - e->loss_from,
            .now_ms = now_unix_us / 1000 };
        return e->loss_told ? WEFT_OK : wf_engine_lose(j->engine, &own->fields.shape, &loss);
    }
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
    bool live = f->state == WEFT_STREAM_LIVE || f->state == WEFT_STREAM_PULL ||
                f->state == WEFT_STREAM_SILENT;

    wf_mon_feed_glance(f, unix_ms);
    bool seen = f->sub && live && f->lag == 0;
    wf_mon_feed_cause(f, now_ms - f->state_ms, own->cause, sizeof own->cause);
    if (!own->cause[0])
        snprintf(own->cause, sizeof own->cause,
            live ? "behind by %" PRIu64 " records" : "connecting", f->lag);
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

    j->dirty =
        wf_spread_forget(j->spread, wf_alerts_find(j->alerts, id), wf_mon_unix_ms()) || j->dirty;
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

// ---- the loop ----------------------------------------------------------------------------------------------------------------

static void spread(struct judge *j, int64_t unix_ms)
{
    const struct wf_spread_view view = { .alerts = j->alerts,
        .silences = j->silences,
        .silence_count = j->silence_count,
        .now_ms = unix_ms };

    j->dirty = wf_spread_look(j->spread, &view) || j->dirty;
}

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
        wf_judge_reload(j);
    take(j, now_ms);
    wf_mon_watch_catalog(&j->watch);
    if (unix_ms < j->now_ms) // a clock that was set back must not stop time here: all is due
        j->tick_due = j->write_due = j->place_due = j->heard_due = j->base_due = j->self_due = 0;
    j->now_ms = unix_ms;
    if (unix_ms >= j->tick_due) {
        j->tick_due = unix_ms + TICK_MS;
        tick(j, now_ms, unix_ms);
        wf_judge_end_taken(j);
        hear_people(j, unix_ms);
        spread(j, unix_ms);
        wf_judge_tell_beside(j, unix_ms);
    }
    j->notify_due = wf_notify_turn(j->notify, j->alerts, j->silences, j->silence_count, unix_ms);
    j->dirty = wf_notify_has_kept(j->notify) || j->dirty;
    wf_judge_write(j, unix_ms, false);
    j->dirty = wf_spread_turn(j->spread, j->book) || j->dirty;
}

static enum weft_err restore(void *arg, const struct wf_alert *a)
{
    struct judge *j = arg;
    enum weft_err err = wf_alerts_put(j->alerts, a);
    const struct wf_rule *rule = wf_rules_find(j->rules, a->rule);
    // What is said of silence is its age.
    int64_t age_ms = rule && rule->when.silent && a->has_value && a->value >= 0 && a->value < 1e12
                         ? (int64_t)(a->value * 1000)
                         : 0;
    const struct wf_engine_kept kept = { .rule = a->rule,
        .labels = &a->series,
        .product = a->last.product[0] ? a->last.product : a->product,
        .origin = a->last.origin,
        .since_ms = a->since_ms,
        .last_ms = a->updated_ms - age_ms,
        .fired = a->state == WF_ALERT_FIRING };

    // One of another condition is told to be over (wf_alerts_keep_rules).
    if (err || !rule || rule->id != a->rule_id ||
        (a->state != WF_ALERT_FIRING && a->state != WF_ALERT_PENDING))
        return err;
    return wf_engine_was_true(j->engine, &kept);
}

static enum weft_err set_up(struct judge *j, struct weft_problem *problem)
{
    enum weft_err err = wf_mon_watch_may_make(&j->watch, j->watch.o->alerts, problem);

    if (!err)
        err = wf_book_open(j->watch.o->alerts, WF_BOOK_KEEP, &j->book, problem);
    if (err)
        return err;
    j->engine = wf_engine_new(NULL, on_observed, j);
    j->alerts = wf_alerts_new(on_alert, j);
    j->taken = wf_taken_new();
    if (!j->engine || !j->alerts || !j->taken)
        return WEFT_E_NOMEM;
    wf_engine_baseline_source(j->engine, find_baseline, j);
    err = wf_book_taken(j->book, wf_judge_restore_taken, j);
    if (!err && !wf_judge_use_rules(j, j->file.rules))
        err = WEFT_E_NOMEM;
    if (!err)
        err = wf_self_tie(&j->self, j->engine);
    if (!err)
        err = wf_book_alerts(j->book, restore, j);
    if (err) {
        snprintf(problem->text, sizeof problem->text, "%s", wf_book_problem(j->book));
        return err;
    }
    wf_alerts_keep_rules(j->alerts, j->rules, wf_mon_unix_ms());
    err = wf_mon_watch_start(&j->watch, problem);
    if (!err)
        wf_judge_want_rules(j);
    if (!err)
        j->notify = wf_notify_new(j->file.notify, j->watch.subject);
    if (!err)
        j->spread = wf_spread_new(j->watch.subject[0] ? j->watch.subject : "monitor");
    if (err || !j->notify || !j->spread)
        return err ? err : WEFT_E_NOMEM;
    return wf_spread_use(j->spread, j->book, j->watch.client, j->file.publish);
}

static void run(struct judge *j)
{
    fprintf(stderr, "weft-monitor: %s judges by %zu rules\n",
        j->watch.subject[0] ? j->watch.subject : "monitor", j->rules->count);
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
    wf_judge_write(j, wf_mon_unix_ms(), true);
    wf_judge_tell_beside(j, wf_mon_unix_ms());
    // What the node does not take now it is told after the next start.
    end = wf_mon_now_ms() + SPREAD_MS;
    while (!wf_spread_is_idle(j->spread) && !wf_spread_problem(j->spread)[0] &&
           wf_mon_now_ms() < end) {
        (void)wf_spread_turn(j->spread, j->book);
        poll(NULL, 0, 20);
    }
}

static void tear_down(struct judge *j)
{
    for (size_t i = 0; i < j->watch.count; i++)
        wf_fields_fini(&judged_of(j->watch.feeds[i])->fields, j->engine);
    if (j->engine)
        wf_self_forget(&j->self, j->engine);
    wf_spread_free(j->spread); // before its client
    wf_mon_watch_fini(&j->watch);
    wf_notify_free(j->notify);
    wf_engine_free(j->engine);
    wf_alerts_free(j->alerts);
    wf_rules_free(j->rules);
    wf_taken_free(j->taken);
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
        .found = wf_judge_found,
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
