// SPDX-License-Identifier: Apache-2.0
// weft subscribe: the records of one or several products as JSON lines on standard output, those of a product in order, each once;
// everything else on standard error.
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/schema/known.h"
#include "proto/schema/number.h"
#include "sdk/cli/client.h"
#include "sdk/cli/stream.h"
#include "sdk/cli/subscribe.h"

#define PRODUCTS_MAX 64
#define TURN_EVENTS  64 // of one product before the others have their turn

struct feed { // one product
    struct weft_subscription *s;
    const char *product;
    bool reached;            // its owner, or a mirror, has answered
    bool noted;              // that it begins beyond the head
    struct weft_problem why; // it has not: what was told last
};

struct reader {
    struct wf_cli *cli;
    struct feed feeds[PRODUCTS_MAX];
    size_t feed_count;
    struct wf_cursor_file cursor;
    uint64_t wanted, printed; // wanted 0 = without end
    int64_t until_ms;         // unix; 0 = without end
    bool lost, keep, woken;
    uint64_t offset; // of --from; 0 = it is none
    bool history;    // ends where the products ended when the first lease came
    int status;
    struct wf_buf line;
};

static struct weft_subscription *woken_by_signal;

static void on_signal(int number)
{
    (void)number;
    if (woken_by_signal)
        weft_wake(woken_by_signal);
}

// ---- events ----------------------------------------------------------------------------------------------------------------

static bool is_done(const struct reader *r)
{
    return r->status || r->woken || (r->wanted && r->printed >= r->wanted);
}

// False: the batch was printed in part, and the cursor says how far.
static bool on_records(struct reader *r, const struct feed *f, const struct weft_event *e)
{
    const struct weft_product *product = weft_subscription_product(f->s);
    bool envelope = r->cli->format != WF_OUT_TABLE;
    uint64_t printed = wf_cursor_file_printed(&r->cursor, e->product, e->batch);
    size_t i = 0;

    for (; i < e->record_count && !is_done(r); i++) {
        if (e->records[i].offset < printed)
            continue; // by the run before
        enum weft_err err = wf_print_record(&r->line, e, product, &e->records[i], envelope);
        if (err)
            r->status =
                wf_cli_fail(err, "offset %llu: %s", (unsigned long long)e->records[i].offset,
                    err == WEFT_E_IO ? "standard output is gone" : weft_err_text(err));
        r->printed++;
    }
    if (fflush(stdout) != 0 && !r->status)
        r->status = wf_cli_fail(WEFT_E_IO, "standard output is gone");
    if (i < e->record_count && r->cursor.path && !r->status) {
        enum weft_err err =
            wf_cursor_file_part(&r->cursor, e->product, e->batch, e->records[i].offset);
        if (err)
            r->status = wf_cli_fail(err, "cursor: %s", weft_err_text(err));
    }
    return i == e->record_count;
}

static void on_loss(struct reader *r, const struct weft_event *e)
{
    r->lost = r->lost || !e->loss_told;
    wf_say_loss(e);
    if (r->cli->format != WF_OUT_TABLE && wf_print_loss(&r->line, e))
        r->status = wf_cli_fail(WEFT_E_IO, "standard output is gone");
}

// The offset that was asked for was beyond the head, and what lies there did not come since. False before a lease came.
static bool is_beyond(const struct reader *r, const struct feed *f, struct weft_stats *ret)
{
    weft_subscription_stats(f->s, ret);
    return ret->history_end != UINT64_MAX && r->offset > ret->history_end && ret->records == 0;
}

static void note_beyond(const struct reader *r, struct feed *f)
{
    struct weft_stats s;

    if (f->noted || r->cli->quiet || !is_beyond(r, f, &s))
        return;
    f->noted = true;
    fprintf(stderr, "weft: note: %s: nothing is at offset %llu yet: the head is %llu\n", f->product,
        (unsigned long long)r->offset, (unsigned long long)s.history_end);
}

static void on_state(struct reader *r, struct feed *f, const struct weft_event *e)
{
    static const char *const names[] = { "connecting", "live", "pull", "unreachable", "refused",
        "stopped", "silent" };
    const char *name = (unsigned)e->state < WF_COUNT(names) ? names[e->state] : "?";

    f->reached =
        f->reached || (e->state != WEFT_STREAM_CONNECTING && e->state != WEFT_STREAM_UNREACHABLE &&
                          e->state != WEFT_STREAM_REFUSED);
    f->why = e->problem;
    if (e->state == WEFT_STREAM_REFUSED && !r->keep) {
        r->status = wf_cli_problem(&e->problem);
        return;
    }
    const char *why = e->problem.text;
    size_t len = strlen(e->product);
    if (strncmp(why, e->product, len) == 0 && strncmp(why + len, ": ", 2) == 0)
        why += len + 2; // it stands in front already
    if (!r->cli->quiet)
        fprintf(stderr, "%s: %s%s%s\n", e->product, name, why[0] ? ": " : "", why);
    note_beyond(r, f);
}

static void on_event(struct reader *r, struct feed *f, const struct weft_event *e)
{
    bool whole = true;

    f->reached = f->reached || e->kind == WEFT_EV_RECORDS;
    if (e->kind == WEFT_EV_RECORDS)
        whole = on_records(r, f, e);
    else if (e->kind == WEFT_EV_LOSS)
        on_loss(r, e);
    else
        on_state(r, f, e);
    // A batch that was printed in part is not stored: the next run gets it again and prints the rest.
    for (size_t i = 0; i < e->cursor_count && r->cursor.path && whole && !r->status; i++) {
        enum weft_err err =
            wf_cursor_file_put(&r->cursor, wf_bytes(e->cursor[i].key, e->cursor[i].key_len),
                wf_bytes(e->cursor[i].value, e->cursor[i].value_len));
        if (err)
            r->status = wf_cli_fail(err, "cursor: %s", weft_err_text(err));
    }
}

// ---- following -------------------------------------------------------------------------------------------------------------

// What was there at the beginning is here.
static bool history_is_done(const struct feed *f)
{
    struct weft_stats s;

    weft_subscription_stats(f->s, &s);
    return s.next_offset >= s.history_end;
}

static bool all_history_is_done(struct reader *r)
{
    bool done = r->history;

    for (size_t i = 0; i < r->feed_count && r->history; i++)
        done = history_is_done(&r->feeds[i]) && done;
    return done;
}

// What waits of one product, within its turn. False: nothing did.
static bool take(struct reader *r, struct feed *f)
{
    const struct weft_event *e = NULL;
    struct weft_problem p;
    int taken = 0;

    for (; taken < TURN_EVENTS && !is_done(r); taken++) {
        enum weft_err err = weft_next(f->s, 0, &e, &p);
        if (err == WEFT_E_TIMEOUT)
            break;
        if (err == WEFT_E_CANCELLED)
            r->woken = true;
        else if (err)
            r->status = wf_cli_problem(&p);
        else
            on_event(r, f, e);
    }
    return taken > 0;
}

// Waits until something comes of any product; the signals wake it, too.
static void wait_for_any(const struct reader *r, int timeout_ms)
{
    struct pollfd fds[PRODUCTS_MAX];

    for (size_t i = 0; i < r->feed_count; i++)
        fds[i] = (struct pollfd){ .fd = weft_subscription_fd(r->feeds[i].s), .events = POLLIN };
    int n = poll(fds, r->feed_count, timeout_ms);
    (void)n; // interrupted or not, what there is is taken
}

// Nothing was read because it does not exist yet: not the same as a product that said nothing.
static void end_beyond(struct reader *r)
{
    struct weft_stats s;

    for (size_t i = 0; i < r->feed_count && !r->status; i++)
        if (is_beyond(r, &r->feeds[i], &s))
            r->status = wf_cli_fail(WEFT_E_TIMEOUT,
                "%s: nothing is at offset %llu yet: the head was %llu; --from latest takes what "
                "comes",
                r->feeds[i].product, (unsigned long long)r->offset,
                (unsigned long long)s.history_end);
}

// Its time is over. "No record" of an owner who never answered is no answer.
static void end_in_time(struct reader *r)
{
    for (size_t i = 0; i < r->feed_count && !r->status; i++) {
        struct feed *f = &r->feeds[i];
        if (f->reached)
            continue;
        if (!f->why.err)
            wf_problem_set(&f->why, WEFT_E_UNREACHABLE, "%s: unreachable: nobody answered in time",
                f->product);
        r->status = wf_cli_problem(&f->why);
    }
    end_beyond(r);
}

static void follow(struct reader *r)
{
    int64_t saved_ms = wf_cli_now_ms();

    while (!is_done(r)) {
        int64_t now = wf_cli_now_ms();
        bool is_last = all_history_is_done(r),
             any = false; // and the queues may still hold some of it
        if (r->until_ms && now >= r->until_ms) {
            end_in_time(r);
            return;
        }
        for (size_t i = 0; i < r->feed_count; i++)
            any = take(r, &r->feeds[i]) || any;
        if (!any && is_last) {
            end_beyond(r);
            return;
        }
        int64_t left = r->until_ms && r->until_ms - now < 1000 ? r->until_ms - now : 1000;
        if (!any && !is_done(r))
            wait_for_any(r, (int)left);
        if (now - saved_ms >= 1000 && !r->status) {
            r->status = wf_cursor_file_save(&r->cursor);
            saved_ms = now;
        }
    }
}

// ---- arguments -------------------------------------------------------------------------------------------------------------

static bool parse_time(const char *text, int64_t *ret_us)
{
    struct wf_moment m;

    if (wf_timestamp_parse(wf_bytes_str(text), &m))
        return false;
    *ret_us = m.seconds * 1000000 + m.nanos / 1000;
    return true;
}

static int from_of(struct reader *r, const char *from, struct weft_subscribe_options *o)
{
    int64_t us = 0;

    if (!from) {
        o->from = r->cursor.path ? WEFT_FROM_CURSOR
                  : r->history   ? WEFT_FROM_EARLIEST
                                 : WEFT_FROM_LATEST;
    } else if (strcmp(from, "earliest") == 0) {
        o->from = WEFT_FROM_EARLIEST;
    } else if (strcmp(from, "latest") == 0) {
        o->from = WEFT_FROM_LATEST;
    } else if (strncmp(from, "cursor:", 7) == 0 && from[7]) {
        r->cursor.path = from + 7;
        o->from = WEFT_FROM_CURSOR;
    } else if (wf_number_uint(wf_bytes_str(from), &o->offset) == WEFT_OK) {
        o->from = WEFT_FROM_OFFSET;
        r->offset = o->offset;
    } else if (parse_time(from, &us)) {
        o->from = WEFT_FROM_TIME;
        o->time_ms = us / 1000;
    } else {
        return wf_cli_fail(WEFT_E_USAGE,
            "--from %s: expected earliest, latest, an offset, a time such as 2026-01-01T00:00:00Z, "
            "or cursor:FILE",
            from);
    }
    return 0;
}

static int bound_of(const char *option, const char *text, int64_t *ret_us)
{
    if (!text || parse_time(text, ret_us))
        return 0;
    return wf_cli_fail(
        WEFT_E_USAGE, "--%s %s: expected a time such as 2026-01-01T00:00:00Z", option, text);
}

static int open_all(struct reader *r, struct weft_client *c, const struct weft_subscribe_options *o)
{
    struct weft_problem p = { 0 };

    for (size_t i = 0; i < r->feed_count; i++)
        if (weft_subscribe(c, r->feeds[i].product, o, &r->feeds[i].s, &p))
            return wf_cli_problem(&p);
    return 0;
}

static int run(struct reader *r, const struct weft_subscribe_options *o, bool stats)
{
    struct sigaction stop = { .sa_handler = on_signal };
    struct weft_client *c = NULL;

    int status = wf_cli_connect(r->cli, &c);
    if (status)
        return status;
    status = open_all(r, c, o);
    if (!status) {
        woken_by_signal = r->feeds[0].s;
        sigaction(SIGINT, &stop, NULL);
        sigaction(SIGTERM, &stop, NULL);
        follow(r);
        woken_by_signal = NULL;
        int saved = wf_cursor_file_save(&r->cursor);
        status = r->status ? r->status : saved;
    }
    for (size_t i = 0; i < r->feed_count; i++) {
        struct weft_stats s;
        if (stats && r->feeds[i].s) {
            weft_subscription_stats(r->feeds[i].s, &s);
            wf_print_subscription_stats(r->feeds[i].product, &s, wf_cli_now_ms());
        }
        weft_unsubscribe(r->feeds[i].s);
    }
    weft_close(c);
    return status;
}

struct arguments {
    const char *from, *number, *duration, *since, *until;
    const char **origins; // ended by NULL
    bool stats;
};

static int options_of(struct reader *r, const struct arguments *a, struct weft_subscribe_options *o)
{
    int64_t ms = 0;
    int status = from_of(r, a->from, o);

    o->history = r->history;
    o->origins = a->origins;
    while (a->origins && a->origins[o->origin_count])
        o->origin_count++;
    if (!status)
        status = bound_of("since", a->since, &o->since_us);
    if (!status)
        status = bound_of("until", a->until, &o->until_us);
    if (!status)
        status = wf_cli_take_number("count", a->number, UINT64_MAX, &r->wanted);
    if (!status)
        status = wf_cli_take_duration("for", a->duration, 1, &ms);
    if (ms)
        r->until_ms = wf_cli_now_ms() + ms;
    return status;
}

int wf_cmd_subscribe(struct wf_cli *cli, int argc, char **argv)
{
    struct reader r = { .cli = cli };
    struct weft_subscribe_options o = { 0 };
    struct arguments a = { 0 };
    struct weft_cursor_row *rows = NULL;
    char *products[PRODUCTS_MAX] = { 0 };
    const struct wf_opt opts[] = { { .name = "from", .value = &a.from },
        { .name = "cursor", .value = &r.cursor.path }, { .name = "origin", .list = &a.origins },
        { .name = "since", .value = &a.since }, { .name = "until", .value = &a.until },
        { .name = "count", .letter = 'n', .value = &a.number },
        { .name = "for", .value = &a.duration }, { .name = "history", .flag = &r.history },
        { .name = "stats", .flag = &a.stats }, { .name = "keep-trying", .flag = &r.keep } };
    int count = 0, status = wf_cli_parse(
                       cli, argc, argv, opts, WF_COUNT(opts), 1, PRODUCTS_MAX, products, &count);

    if (status >= 0) {
        free(a.origins);
        return status;
    }
    for (int i = 0; i < count; i++)
        r.feeds[r.feed_count++].product = products[i];
    status = options_of(&r, &a, &o);
    if (!status && r.cursor.path)
        status = wf_cursor_file_load(&r.cursor);
    if (!status && r.cursor.path && r.cursor.count == 0 && o.from == WEFT_FROM_CURSOR &&
        !cli->quiet)
        fprintf(stderr, "weft: note: no place is kept in %s yet: from the earliest record on\n",
            r.cursor.path);
    if (!status)
        status = wf_cursor_file_views(&r.cursor, &rows, &o.cursor_count);
    o.cursor = rows;
    if (!status)
        status = run(&r, &o, a.stats);
    wf_cursor_file_fini(&r.cursor);
    free(rows);
    free(a.origins);
    wf_buf_fini(&r.line);
    return status ? status : r.lost && !cli->partial_ok ? weft_err_exit(WEFT_E_LOST) : 0;
}
