// SPDX-License-Identifier: Apache-2.0
// What `weft-monitor write` tells its ledger: see write.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/remote/write.h"

#define STUCK_MS 1000 // after the ledger took nothing

void wf_write_note(struct wf_writer *w, const char *what)
{
    if (strcmp(w->problem, what) == 0)
        return;
    snprintf(w->problem, sizeof w->problem, "%s", what);
    if (what[0])
        fprintf(stderr, "weft-monitor: remote write: %s\n", what);
}

static enum weft_err stage_rows(
    struct wf_writer *w, const struct wf_mon_feed *f, const struct weft_event *e)
{
    size_t feed = 0;

    while (w->watch.feeds[feed] != f)
        feed++;
    for (size_t i = 0; i < e->cursor_count; i++) {
        const struct weft_cursor_row *r = &e->cursor[i];
        const struct wf_staged s = { (uint32_t)feed, (uint32_t)r->key_len, (uint32_t)r->value_len };
        if (!wf_remote_bytes_put(&w->rows, &s, sizeof s) ||
            !wf_remote_bytes_put(&w->rows, r->key, r->key_len) ||
            !wf_remote_bytes_put(&w->rows, r->value, r->value_len))
            return WEFT_E_NOMEM;
    }
    return WEFT_OK;
}

static enum weft_err stage_loss(
    struct wf_writer *w, struct wf_mon_feed *f, const struct weft_event *e)
{
    struct wf_written_loss *losses = realloc(w->losses, (w->loss_count + 1) * sizeof *losses);

    if (!losses)
        return WEFT_E_NOMEM;
    w->losses = losses;
    struct wf_written_loss *l = &losses[w->loss_count++];
    *l = (struct wf_written_loss){ .feed = f, .e = *e };
    l->e.cursor_count = 0; // those are staged by themselves
    snprintf(l->origin, sizeof l->origin, "%s", e->origin ? e->origin : "");
    snprintf(l->incarnation, sizeof l->incarnation, "%s",
        e->loss_incarnation ? e->loss_incarnation : "");
    return WEFT_OK;
}

enum weft_err wf_write_stage(struct wf_writer *w, struct wf_mon_feed *f, const struct weft_event *e)
{
    enum weft_err err = e->kind == WEFT_EV_LOSS ? stage_loss(w, f, e) : WEFT_OK;

    return err ? err : stage_rows(w, f, e);
}

// ---- the ledger ------------------------------------------------------------------------------------------------------------

bool wf_write_is_gathered(const struct wf_writer *w)
{
    return w->gather.count || w->gather.drop_count || w->rows.len || w->loss_count;
}

static enum weft_err put_rows(struct wf_writer *w)
{
    struct wf_staged s;
    enum weft_err err = WEFT_OK;

    for (size_t at = 0; at < w->rows.len && !err;) {
        memcpy(&s, w->rows.ptr + at, sizeof s);
        at += sizeof s;
        const struct weft_cursor_row row = { .key = w->rows.ptr + at,
            .key_len = s.key_len,
            .value = w->rows.ptr + at + s.key_len,
            .value_len = s.value_len };
        err = wf_ledger_cursor_set(w->ledger, w->watch.feeds[s.feed]->product, &row);
        at += (size_t)s.key_len + s.value_len;
    }
    return err;
}

static enum weft_err put_losses(struct wf_writer *w)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < w->loss_count && !err; i++) {
        struct wf_written_loss *l = &w->losses[i];
        struct wf_mon_table *t = NULL;
        l->e.origin = l->origin;
        l->e.loss_incarnation = l->incarnation;
        err = wf_mon_store_table(wf_ledger_store(w->ledger), l->feed->product, &t);
        if (!err)
            err = wf_mon_store_loss(wf_ledger_store(w->ledger), t, &l->e, wf_mon_unix_ms());
    }
    return err;
}

static enum weft_err put_counts(struct wf_writer *w)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < w->watch.count && !err; i++) {
        struct wf_remote_product *own = wf_written_of(w->watch.feeds[i])->own;
        if (own && own->batches)
            err = wf_ledger_counts(w->ledger, own);
    }
    return err;
}

// What the batch that arrived leaves to be kept, and how the whole stands.
static enum weft_err put_sum(struct wf_writer *w)
{
    struct wf_ledger_sum sum = w->add;
    enum weft_err err = WEFT_OK;

    if (w->landed) {
        err = wf_ledger_landed(w->ledger);
        if (!err)
            err = wf_ledger_drops(
                w->ledger, w->flight.batch.drops, w->flight.batch.drop_count, wf_mon_unix_ms());
        sum.sent += w->flight.sent;
        sum.already += w->flight.already;
        sum.lost += w->flight.lost;
    }
    sum.url = w->watch.o->remote;
    sum.problem = w->problem;
    sum.ok_ms = w->ok_ms;
    sum.waits_ms = w->waits_ms;
    sum.series = wf_remote_table_count(w->table);
    return err ? err : wf_ledger_sum_set(w->ledger, &sum);
}

static void sum_is_put(struct wf_writer *w)
{
    w->total.lost += w->add.lost;
    w->add = (struct wf_ledger_sum){ 0 };
    if (w->landed) {
        w->total.sent += w->flight.sent;
        w->total.already += w->flight.already;
        w->total.lost += w->flight.lost;
        w->flight.sent = w->flight.already = w->flight.lost = 0;
        wf_remote_flight_end(&w->flight);
    }
    w->landed = false;
}

// Begins; false with a note: later.
static bool begin(struct wf_writer *w, int64_t now_ms)
{
    if (now_ms < w->stuck_until)
        return false;
    if (!wf_mon_store_begin(wf_ledger_store(w->ledger)))
        return true;
    wf_write_note(w, wf_mon_store_problem(wf_ledger_store(w->ledger)));
    w->stuck_until = now_ms + STUCK_MS;
    return false;
}

// All of it, or nothing for now.
static bool finish(struct wf_writer *w, enum weft_err err, int64_t now_ms)
{
    struct wf_mon_store *s = wf_ledger_store(w->ledger);

    if (!err)
        err = wf_mon_store_commit(s);
    if (!err)
        return true;
    wf_write_note(w, wf_mon_store_problem(s));
    wf_mon_store_rollback(s);
    w->stuck_until = now_ms + STUCK_MS;
    if (!wf_mon_store_may_retry(err))
        w->end = err;
    return false;
}

static void gathered_is_put(struct wf_writer *w)
{
    for (size_t i = 0; i < w->gather.head_count; i++)
        w->gather.heads[i].series->kept = true;
    for (size_t i = 0; i < w->watch.count; i++) {
        struct wf_remote_product *own = wf_written_of(w->watch.feeds[i])->own;
        w->watch.feeds[i]->touched = false;
        if (own) {
            own->records = own->batches = 0;
            memset(own->ways, 0, sizeof own->ways);
        }
    }
    w->rows.len = w->loss_count = 0;
    w->gather_ms = 0;
}

// What was gathered goes on its way: kept first, then sent.
void wf_write_depart(struct wf_writer *w, int64_t now_ms)
{
    if (!begin(w, now_ms))
        return;
    w->add.lost = 0;
    for (size_t i = 0; i < w->gather.drop_count; i++)
        w->add.lost += w->gather.drops[i].samples;
    enum weft_err err = put_counts(w);
    if (!err)
        err = put_losses(w);
    if (!err)
        err = put_rows(w);
    if (!err)
        err = put_sum(w);
    if (!err)
        err = wf_ledger_send(w->ledger, &w->gather, wf_mon_unix_ms());
    if (!finish(w, err, now_ms)) {
        w->add.lost = 0;
        return;
    }
    sum_is_put(w);
    gathered_is_put(w);
    w->gather.drop_count = 0;
    if (!wf_remote_flight_start(&w->flight, &w->gather, false))
        w->end = WEFT_E_NOMEM; // the next process finds it in the ledger
}

// ---- status ----------------------------------------------------------------------------------------------------------------

// A metric without a value: known from its schema, which comes with the first records; until then as it was told before.
static bool sends_nothing(const struct wf_written *own, bool before)
{
    return own->own && own->own->plan ? wf_remote_values(own->own) == 0 : before;
}

// What is left of a feed's line here: which hosts are silent is the batch layer's to say, that nothing is sent is ours.
static void fill_line(struct wf_mon_feed *f, const struct wf_mon_table *t, struct wf_mon_now now,
    struct wf_mon_line *ret)
{
    struct wf_written *own = wf_written_of(f);
    struct wf_mon_said said = wf_mon_line_said(t, &own->told);
    const char *not_sent = wf_mon_why_name(WF_MON_NOT_SENT);
    bool before = strcmp(said.why, not_sent) == 0;
    int64_t since_ms = before ? said.since_ms : 0;

    if (before) // it is nothing that the feed could not see
        said.since_ms = 0;
    wf_mon_line_fill(f, &said, own->schema, now, ret);
    if (f->state == WEFT_STREAM_SILENT && f->sub) {
        memset(ret->cause, 0, sizeof ret->cause);
        memset(ret->why, 0, sizeof ret->why);
        ret->since_ms = 0;
    }
    if (ret->why[0] || !sends_nothing(own, before))
        return;
    snprintf(ret->why, sizeof ret->why, "%s", not_sent);
    snprintf(ret->cause, sizeof ret->cause, "nothing of it is sent: no field is a value");
    ret->since_ms = since_ms ? since_ms : now.unix_ms;
}

static enum weft_err tell_feed(struct wf_writer *w, struct wf_mon_feed *f, int64_t now_ms)
{
    struct wf_written *own = wf_written_of(f);
    struct wf_mon_table *t = NULL;
    struct wf_mon_line line;
    enum weft_err err = wf_mon_store_table(wf_ledger_store(w->ledger), f->product, &t);

    if (err)
        return err;
    f->granted = f->granted || wf_mon_table_records(t) > 0;
    fill_line(f, t, (struct wf_mon_now){ now_ms, wf_mon_unix_ms() }, &line);
    // Both were filled from zero; a difference in padding alone would only write a line too many. NOLINTNEXTLINE
    if (memcmp(&line, &own->told, sizeof line) == 0)
        return WEFT_OK;
    err = wf_mon_store_status(wf_ledger_store(w->ledger), &line, wf_mon_unix_ms());
    if (!err)
        own->told = line;
    return err;
}

static void tell_pulse(struct wf_writer *w)
{
    struct wf_mon_pulse *p = &w->watch.pulse;

    wf_mon_pulse_count(p, "series", wf_remote_table_count(w->table));
    wf_mon_pulse_count(p, "samples_total", w->total.sent + w->flight.sent);
    wf_mon_pulse_count(p, "already_total", w->total.already);
    wf_mon_pulse_count(p, "dropped_total", w->total.lost);
    wf_mon_pulse_count(p, "waiting", w->gather.count + w->flight.batch.count);
    wf_mon_watch_tell(&w->watch, "write", w->problem[0] ? w->problem : w->watch.problem);
}

void wf_write_tell(struct wf_writer *w, const char *state, int64_t now_ms)
{
    struct wf_mon_beat beat = {
        .pid = getpid(), .started_ms = w->watch.started_ms, .updated_ms = wf_mon_unix_ms()
    };

    tell_pulse(w);
    if (!begin(w, now_ms))
        return;
    snprintf(beat.subject, sizeof beat.subject, "%s", w->watch.subject);
    snprintf(beat.state, sizeof beat.state, "%s", state);
    snprintf(
        beat.problem, sizeof beat.problem, "%s", w->problem[0] ? w->problem : w->watch.problem);
    enum weft_err err = wf_mon_store_beat(wf_ledger_store(w->ledger), &beat);
    for (size_t i = 0; i < w->watch.count && !err; i++)
        if (w->watch.feeds[i]->kind == WEFT_METRIC)
            err = tell_feed(w, w->watch.feeds[i], now_ms);
    if (!err)
        err = put_sum(w);
    if (finish(w, err, now_ms)) {
        sum_is_put(w);
        return;
    }
    for (size_t i = 0; i < w->watch.count; i++)
        wf_written_of(w->watch.feeds[i])->told.product[0] = '\0';
}
