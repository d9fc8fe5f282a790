// SPDX-License-Identifier: Apache-2.0
// weft-monitor write: metric products go to a receiver of Prometheus remote write 1.0. Records become samples of a batch; the batch, the
// cursors behind it and where its series stand are kept in one transaction before it is sent, so that after any end the same samples are
// sent once more and no others are missing. While a batch is on its way the next one is gathered, up to its bounds: then nothing is taken,
// and libweft's own bounds stop the sending.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "domains/monitoring/remote/squeeze.h"
#include "domains/monitoring/remote/write.h"

#define LINGER_MS  200 // most that samples wait for others
#define TAKE       8u  // events of one feed a turn
#define ROWS_BYTES (4u * 1024 * 1024)
#define STATUS_MS  1000
#define SWEEP_MS   1000
#define PARK_MS    60000
#define STOP_MS    3000   // for what is on its way at the end
#define TIMEOUT_MS 30000L // of a request

// ---- the sink --------------------------------------------------------------------------------------------------------------

static enum weft_err on_cursor(
    void *arg, const char *product, struct weft_cursor_row **ret, size_t *ret_count)
{
    struct wf_writer *w = arg;

    return wf_mon_store_cursor(wf_ledger_store(w->ledger), product, ret, ret_count);
}

static void on_from(void *arg, const struct wf_mon_feed *f, struct weft_subscribe_options *options)
{
    const struct wf_writer *w = arg;

    (void)f;
    options->from = w->place.from;
    options->offset = w->place.offset;
    options->time_ms = w->place.time_ms;
}

static const char *on_problem(void *arg)
{
    struct wf_writer *w = arg;

    return wf_mon_store_problem(wf_ledger_store(w->ledger));
}

static bool on_wants(void *arg, const char *product)
{
    const struct wf_writer *w = arg;

    const struct wf_mon_feed *f = wf_mon_watch_feed(&w->watch, product);

    return f && f->kind == WEFT_METRIC;
}

static bool is_full(const struct wf_writer *w)
{
    return wf_remote_batch_full(&w->gather) || w->rows.len >= ROWS_BYTES;
}

static void say_left_out(const struct wf_mon_feed *f)
{
    struct wf_written *own = wf_written_of(f);

    if (own->said || !wf_remote_left_out(own->own)[0])
        return;
    own->said = true;
    fprintf(stderr, "weft-monitor: %s: not written, as they are no single numbers: %s\n",
        f->product, wf_remote_left_out(own->own));
}

static enum weft_err on_event(void *arg, struct wf_mon_feed *f, const struct weft_product *p,
    const struct weft_event *e, int64_t now_unix_us)
{
    struct wf_writer *w = arg;
    struct wf_written *own = wf_written_of(f);
    int64_t now_ms = wf_mon_now_ms();
    enum weft_err err = WEFT_OK;

    (void)now_unix_us;
    if (!w->gather_ms)
        w->gather_ms = now_ms;
    if (p) {
        err = wf_remote_use(own->own, p);
        if (!err)
            err = wf_remote_take(w->table, own->own, p, e, now_ms, &w->gather);
        if (!err)
            say_left_out(f);
    }
    return err ? err : wf_write_stage(w, f, e);
}

// ---- on its way ------------------------------------------------------------------------------------------------------------

static void post(struct wf_writer *w, int64_t now_ms)
{
    const struct wf_remote_sample *samples = NULL;
    size_t count = 0;
    struct wf_post_answer answer = { 0 };

    wf_remote_flight_next(&w->flight, &samples, &count);
    w->raw.len = 0;
    if (!wf_remote_encode(&w->raw, samples, count) || !wf_remote_squeeze(&w->raw, &w->packed)) {
        w->end = WEFT_E_NOMEM;
        return;
    }
    const struct wf_post_request request = { .url = w->watch.o->remote,
        .body = w->packed.ptr,
        .len = w->packed.len,
        .headers = { "Content-Type: application/x-protobuf", "Content-Encoding: snappy",
            "X-Prometheus-Remote-Write-Version: 0.1.0" },
        .user = w->creds.user,
        .password = w->creds.password,
        .bearer = w->creds.bearer,
        .ca_file = w->watch.o->remote_ca,
        .timeout_ms = TIMEOUT_MS };
    if (!w->waits_ms)
        w->waits_ms = wf_mon_unix_ms();
    w->posting = wf_post_start(w->post, &request, answer.why, sizeof answer.why);
    if (!w->posting) {
        wf_write_note(w, answer.why);
        (void)wf_remote_flight_answer(&w->flight, &answer, now_ms, 0);
    }
}

static void on_answer(struct wf_writer *w, const struct wf_post_answer *a, int64_t now_ms)
{
    uint64_t dice = (uint64_t)now_ms * 0x9e3779b97f4a7c15u >> 32, lost = w->flight.lost;
    enum wf_remote_state state = wf_remote_flight_answer(&w->flight, a, now_ms, dice);

    if (state == WF_REMOTE_WAITS || w->flight.lost != lost || state == WF_REMOTE_HELD)
        wf_write_note(w, a->why);
    if (state == WF_REMOTE_HELD) // credentials and address are read anew by the next process
        w->end = WEFT_E_PERMISSION;
    if (state == WF_REMOTE_WAITS || state == WF_REMOTE_HELD)
        return;
    if (a->status < 300) {
        w->ok_ms = wf_mon_unix_ms();
        wf_write_note(w, "");
    }
    w->waits_ms = 0;
    w->landed = state == WF_REMOTE_LANDED;
}

static bool is_flying(const struct wf_writer *w)
{
    return w->flight.part_count > 0;
}

static bool departs(const struct wf_writer *w, int64_t now_ms)
{
    return wf_write_is_gathered(w) &&
           (is_full(w) || w->watch.stop || now_ms - w->gather_ms >= LINGER_MS);
}

static void fly(struct wf_writer *w, int64_t now_ms)
{
    struct wf_post_answer answer;

    if (w->posting && wf_post_poll(w->post, &answer)) {
        w->posting = false;
        on_answer(w, &answer, now_ms);
    }
    if (!is_flying(w) && departs(w, now_ms))
        wf_write_depart(w, now_ms);
    if (is_flying(w) && !w->posting && !w->end && now_ms >= w->flight.again_ms)
        post(w, now_ms);
}

// ---- silence -------------------------------------------------------------------------------------------------------------

static void forget(void *arg, const struct wf_remote_series *s)
{
    struct wf_writer *w = arg;
    enum weft_err err = wf_ledger_forget(w->ledger, s->id);

    if (err) // found again, and ended again, by the next process
        wf_write_note(w, wf_mon_store_problem(wf_ledger_store(w->ledger)));
}

// What waited at its owner a sweep ago and is not read yet (some records are always on their way, but not those), and the time in which this
// process stood still, make no series silent.
static void note_unread(struct wf_writer *w, int64_t now_ms)
{
    bool stood = now_ms > w->sweep_due + SWEEP_MS;

    for (size_t i = 0; i < w->watch.count; i++) {
        const struct wf_mon_feed *f = w->watch.feeds[i];
        struct wf_written *own = wf_written_of(f);
        struct weft_stats stats = { 0 };
        if (f->sub)
            weft_subscription_stats(f->sub, &stats);
        // What waits is known from the first lease on.
        bool asks = f->sub && f->state == WEFT_STREAM_CONNECTING &&
                    now_ms - f->state_ms < WF_MON_CONNECT_MS;
        if (own->own && (stood || asks || stats.next_offset < own->head))
            own->own->busy_ms = now_ms;
        own->head = stats.head_offset;
    }
}

// Ends what is silent. Whoever does not listen must not say that nothing was heard.
static void sweep(struct wf_writer *w, int64_t now_ms)
{
    size_t before = w->gather.count;

    note_unread(w, now_ms);
    w->sweep_due = now_ms + SWEEP_MS;
    if (wf_remote_sweep(w->table, now_ms, &w->gather, is_flying(w) ? NULL : forget, w))
        w->end = WEFT_E_NOMEM;
    if (w->gather.count > before && !w->gather_ms)
        w->gather_ms = now_ms;
}

// ---- the loop --------------------------------------------------------------------------------------------------------------

static void take_feed(struct wf_writer *w, struct wf_mon_feed *f, int64_t now_ms)
{
    size_t records = 0;
    enum weft_err err = wf_mon_feed_take(f, TAKE, now_ms, &records);

    if (err == WEFT_E_SCHEMA) {
        wf_mon_feed_close(f, "records came without a schema", now_ms, PARK_MS);
        f->touched = true; // what came before is on its way to the ledger
    } else if (err) {
        w->end =
            err; // half an event may be gathered: the next process begins where the ledger stands
    }
}

static void take(struct wf_writer *w, int64_t now_ms)
{
    for (size_t i = 0; i < w->watch.count && !w->end; i++) {
        struct wf_mon_feed *f = w->watch.feeds[i];
        struct wf_written *own = wf_written_of(f);
        bool has = wf_mon_watch_has(&w->watch, i);
        if (!own->own && f->kind == WEFT_METRIC)
            own->own = wf_remote_product(w->table, f->product);
        if (!own->own)
            continue;
        own->own->freshness_ms = f->freshness_ms;
        if (has && !is_full(w))
            take_feed(w, f, now_ms);
        if (is_full(w) || (has && !f->drained))
            own->own->busy_ms = now_ms;
    }
}

static int64_t due_at(const struct wf_writer *w, bool full)
{
    int64_t due = w->status_due < w->sweep_due ? w->status_due : w->sweep_due;

    if (is_flying(w) && !w->posting && w->flight.again_ms < due)
        due = w->flight.again_ms;
    if (!is_flying(w) && wf_write_is_gathered(w)) {
        int64_t at = full ? 0 : w->gather_ms + LINGER_MS;
        at = at < w->stuck_until ? w->stuck_until : at;
        due = at < due ? at : due;
    }
    return due;
}

static void turn(struct wf_writer *w)
{
    int64_t now_ms = wf_mon_now_ms();
    bool full = is_full(w);

    wf_mon_watch_open(&w->watch, now_ms);
    wf_mon_watch_wait(&w->watch, due_at(w, full), full);
    now_ms = wf_mon_now_ms();
    take(w, now_ms);
    wf_mon_watch_catalog(&w->watch);
    if (now_ms >= w->sweep_due)
        sweep(w, now_ms);
    fly(w, now_ms);
    if (now_ms >= w->status_due) {
        w->status_due = now_ms + STATUS_MS;
        wf_write_tell(w, "running", now_ms);
    }
}

static int on_poll(void *arg, struct pollfd *fds, size_t count, int ms)
{
    struct wf_writer *w = arg;

    return w->posting ? wf_post_wait(w->post, fds, count, ms) : poll(fds, count, ms);
}

static bool is_done(struct wf_writer *w)
{
    int64_t now_ms = wf_mon_now_ms();

    if (w->end || w->watch.stop)
        return true;
    if (!wf_mon_watch_is_done(&w->watch, now_ms))
        return false;
    return !w->watch.o->once || (w->watch.end_ms && now_ms >= w->watch.end_ms) ||
           (!is_flying(w) && !wf_write_is_gathered(w));
}

// What is on its way may land; what does not is in the ledger.
static void stop(struct wf_writer *w)
{
    int64_t end_ms = wf_mon_now_ms() + STOP_MS;

    w->watch.stop = true;
    while (!w->end && wf_mon_now_ms() < end_ms && (is_flying(w) || wf_write_is_gathered(w))) {
        struct pollfd none = { .fd = -1 };
        on_poll(w, &none, 1, 50);
        fly(w, wf_mon_now_ms());
    }
    w->stuck_until = 0;
    wf_write_tell(w, "stopped", wf_mon_now_ms());
}

// ---- beginning and end -----------------------------------------------------------------------------------------------------

static enum weft_err restore(struct wf_writer *w)
{
    enum weft_err err = wf_ledger_restore(w->ledger, w->table, wf_mon_now_ms(), &w->gather);

    if (!err && w->gather.count && !wf_remote_flight_start(&w->flight, &w->gather, true))
        err = WEFT_E_NOMEM;
    return err;
}

static enum weft_err check_options(struct wf_writer *w, struct weft_problem *problem)
{
    const struct wf_mon_options *o = w->watch.o;

    *problem = (struct weft_problem){ 0 };
    if (!wf_post_is_url(o->remote)) {
        snprintf(problem->text, sizeof problem->text,
            "--remote wants http://HOST/PATH or https://HOST/PATH without a name or password in "
            "it");
        return WEFT_E_USAGE;
    }
    if (!wf_mon_place_parse(o->from ? o->from : "1h", wf_mon_unix_ms(), &w->place)) {
        snprintf(problem->text, sizeof problem->text,
            "--from wants earliest, an offset, 7d, 2026-11-21 or 2026-11-21T10:00:00Z");
        return WEFT_E_USAGE;
    }
    if (o->remote_ca && access(o->remote_ca, R_OK) != 0) {
        snprintf(problem->text, sizeof problem->text, "%.200s: %s", o->remote_ca, strerror(errno));
        return WEFT_E_CONFIG;
    }
    if (!o->remote_auth)
        return WEFT_OK;
    if (!wf_post_is_private(o->remote)) {
        snprintf(problem->text, sizeof problem->text,
            "--remote-auth: credentials go over https, or to this host");
        return WEFT_E_USAGE;
    }
    return wf_remote_creds_read(o->remote_auth, &w->creds, problem);
}

static enum weft_err set_up(struct wf_writer *w, struct weft_problem *problem)
{
    uint64_t seed = 0;
    enum weft_err err = check_options(w, problem);

    if (err)
        return err;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return WEFT_E_IO;
    w->table = wf_remote_table_new(seed | 1);
    w->post = wf_post_new();
    if (!w->table || !w->post)
        return WEFT_E_NOMEM;
    err = wf_mon_watch_may_make(&w->watch, w->watch.o->remote_state, problem);
    if (!err)
        err = wf_ledger_open(w->watch.o->remote_state, &w->ledger, problem);
    if (!err)
        err = restore(w);
    return err ? err : wf_mon_watch_start(&w->watch, problem);
}

static void tear_down(struct wf_writer *w)
{
    wf_mon_watch_fini(&w->watch);
    wf_post_free(w->post);
    wf_ledger_close(w->ledger);
    wf_remote_table_free(w->table);
    wf_remote_batch_fini(&w->gather);
    wf_remote_flight_fini(&w->flight);
    wf_remote_bytes_fini(&w->rows);
    wf_remote_bytes_fini(&w->raw);
    wf_remote_bytes_fini(&w->packed);
    wf_remote_creds_wipe(&w->creds);
    free(w->losses);
    free(w);
}

static int run(struct wf_writer *w)
{
    fprintf(stderr, "weft-monitor: %s writes to %s\n",
        w->watch.subject[0] ? w->watch.subject : "monitor", w->watch.o->remote);
    while (!is_done(w))
        turn(w);
    stop(w);
    if (!w->end)
        return 0;
    return wf_mon_fail(w->end, w->problem[0] ? w->problem : weft_err_text(w->end),
        w->end == WEFT_E_PERMISSION ? "the receiver's address, or --remote-auth; nothing is lost"
                                    : "");
}

int wf_mon_cmd_write(const struct wf_mon_options *o)
{
    struct wf_writer *w = calloc(1, sizeof *w);
    struct weft_problem problem = { 0 };

    if (!w)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    w->sink = (struct wf_mon_sink){ .arg = w,
        .own_size = sizeof(struct wf_written),
        .cursor = on_cursor,
        .from = on_from,
        .problem = on_problem,
        .event = on_event,
        .wants = on_wants };
    enum weft_err err = wf_mon_watch_init(&w->watch, o, &w->sink);
    w->watch.poll = on_poll;
    w->watch.poll_arg = w;
    if (!err)
        err = set_up(w, &problem);
    int status =
        err ? wf_mon_fail(err, problem.text[0] ? problem.text : weft_err_text(err), problem.hint)
            : run(w);
    tear_down(w);
    return status;
}
