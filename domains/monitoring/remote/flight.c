// SPDX-License-Identifier: Apache-2.0
// See flight.h.
#include "domains/monitoring/remote/flight.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool wf_remote_flight_start(struct wf_remote_flight *f, struct wf_remote_batch *batch, bool maybe)
{
    struct wf_remote_batch empty = f->batch;

    if (!wf_remote_batch_order(batch))
        return false;
    f->batch = *batch;
    wf_remote_batch_clear(&empty);
    *batch = empty;
    f->parts[0] = (struct wf_remote_part){ .from = 0, .to = f->batch.count, .maybe = maybe };
    f->part_count = f->batch.count > 0;
    f->tries = f->splits = f->cuts = 0;
    f->again_ms = 0;
    f->sent = f->already = f->lost = f->unnamed = 0;
    return true;
}

void wf_remote_flight_end(struct wf_remote_flight *f)
{
    wf_remote_batch_clear(&f->batch);
    f->part_count = 0;
}

void wf_remote_flight_fini(struct wf_remote_flight *f)
{
    wf_remote_batch_fini(&f->batch);
}

// ---- requests --------------------------------------------------------------------------------------------------------------

static void push(struct wf_remote_flight *f, size_t from, size_t to, bool maybe)
{
    f->parts[f->part_count++] = (struct wf_remote_part){ .from = from, .to = to, .maybe = maybe };
}

// How many samples of the part one request holds: at least one.
static size_t fitting(const struct wf_remote_batch *b, const struct wf_remote_part *p)
{
    size_t bytes = 0, at = p->from;

    while (at < p->to && at - p->from < WF_REMOTE_FULL) {
        bytes += WF_REMOTE_SAMPLE_BYTES;
        if (at == p->from || b->samples[at].series != b->samples[at - 1].series)
            bytes += b->samples[at].series->len + WF_REMOTE_SERIES_BYTES;
        if (bytes > WF_REMOTE_FULL_BYTES && at > p->from)
            break;
        at++;
    }
    return at - p->from;
}

void wf_remote_flight_next(
    struct wf_remote_flight *f, const struct wf_remote_sample **ret, size_t *ret_count)
{
    struct wf_remote_part p = f->parts[f->part_count - 1];
    size_t count = fitting(&f->batch, &p);

    if (count < p.to - p.from) {
        f->parts[f->part_count - 1].from = p.from + count;
        push(f, p.from, p.from + count, p.maybe);
    }
    *ret = &f->batch.samples[p.from];
    *ret_count = count;
}

// ---- answers ---------------------------------------------------------------------------------------------------------------

// What receivers say of a sample that is not newer than what they have: Prometheus, Mimir, Cortex, Thanos.
static bool says_there(const struct wf_post_answer *a)
{
    return strcasestr(a->why, "out of order") || strcasestr(a->why, "out-of-order") ||
           strcasestr(a->why, "duplicate sample");
}

static void wait(
    struct wf_remote_flight *f, const struct wf_post_answer *a, int64_t now_ms, uint64_t dice)
{
    int64_t ms = WF_REMOTE_FIRST_MS, asked_ms = (int64_t)a->retry_after_s * 1000;

    for (unsigned i = 0; i < f->tries && ms < WF_REMOTE_MOST_MS; i++)
        ms *= 2;
    if (ms > WF_REMOTE_MOST_MS)
        ms = WF_REMOTE_MOST_MS;
    ms = ms * 3 / 4 + (int64_t)(dice % (uint64_t)(ms / 2 + 1));
    if (asked_ms > WF_REMOTE_OBEYED_MS)
        asked_ms = WF_REMOTE_OBEYED_MS;
    f->again_ms = now_ms + (asked_ms > ms ? asked_ms : ms);
    f->tries++;
}

static void drop(struct wf_remote_flight *f, const struct wf_remote_part *p, const char *why)
{
    for (size_t i = p->from; i < p->to; i++) {
        const struct wf_remote_sample *s = &f->batch.samples[i];
        if (s->offset == UINT64_MAX) // a marker says nothing that was measured
            continue;
        f->lost++; // without memory for its name it is counted all the same
        f->unnamed += !wf_remote_batch_drop(&f->batch, s->series->product->name, s->offset, why);
    }
}

// Where the second half begins: between two series where there are two, as what is wrong is mostly wrong with all of a series.
static size_t middle_of(const struct wf_remote_batch *b, const struct wf_remote_part *p)
{
    size_t middle = p->from + (p->to - p->from) / 2, left = middle, right = middle;

    while (left > p->from && b->samples[left].series == b->samples[left - 1].series)
        left--;
    while (right < p->to && b->samples[right].series == b->samples[right - 1].series)
        right++;
    if (left == p->from && right == p->to)
        return middle;
    if (left == p->from || (right < p->to && right - middle < middle - left))
        return right;
    return left;
}

static bool may_split(struct wf_remote_flight *f, const struct wf_remote_part *p)
{
    bool one = f->batch.samples[p->from].series == f->batch.samples[p->to - 1].series;

    return p->to - p->from > 1 && f->part_count + 2 < sizeof f->parts / sizeof *f->parts &&
           (one ? f->cuts++ < WF_REMOTE_CUTS : f->splits++ < WF_REMOTE_SPLITS);
}

// A refusal that another try would not change: halves, so that what is bad takes nothing else with it.
static void refused(struct wf_remote_flight *f, const struct wf_post_answer *a)
{
    struct wf_remote_part p = f->parts[--f->part_count];

    if (p.maybe && says_there(a)) {
        f->already += p.to - p.from;
    } else if (may_split(f, &p)) {
        size_t middle = middle_of(&f->batch, &p);
        push(f, middle, p.to, p.maybe);
        push(f, p.from, middle, p.maybe);
    } else {
        drop(f, &p, a->why);
    }
}

enum wf_remote_state wf_remote_flight_answer(
    struct wf_remote_flight *f, const struct wf_post_answer *a, int64_t now_ms, uint64_t dice)
{
    struct wf_remote_part *p = &f->parts[f->part_count - 1];

    if (a->status >= 200 && a->status < 300) {
        f->sent += p->to - p->from;
        f->part_count--;
    } else if (a->status == 0 || a->status == 429 || a->status >= 500) {
        p->maybe = p->maybe || a->status != 429;
        wait(f, a, now_ms, dice);
        return WF_REMOTE_WAITS;
    } else if (a->status < 400 || a->status == 401 || a->status == 403 || a->status == 404 ||
               a->status == 405 || a->status == 407 || a->repeats) {
        return WF_REMOTE_HELD; // vmauth says 400 to a token that it does not know, and which
    } else {
        refused(f, a);
    }
    f->tries = 0;
    f->again_ms = 0;
    return f->part_count ? WF_REMOTE_GOES_ON : WF_REMOTE_LANDED;
}
