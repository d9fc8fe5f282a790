// SPDX-License-Identifier: Apache-2.0
// See refill.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/batch/refill.h"
#include "domains/monitoring/common/watch.h"

#define CONNECT_MS 30000 // for the first answer

// ---- places ------------------------------------------------------------------------------------------------------------

static bool parse_back(const char *text, int64_t now_unix_ms, struct wf_mon_place *ret)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 },
        { 'w', 7 * (int64_t)86400000 } };
    char *end = NULL;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || n <= 0 || n > 1000000 || strlen(end) != 1)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (*end != units[i].unit)
            continue;
        ret->from = WEFT_FROM_TIME;
        ret->time_ms = now_unix_ms - n * units[i].ms;
        return true;
    }
    return false;
}

static bool parse_time(const char *text, struct wf_mon_place *ret)
{
    static const char *const formats[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d" };

    for (size_t i = 0; i < 2; i++) {
        struct tm tm = { 0 };
        const char *end = strptime(text, formats[i], &tm);
        if (!end || *end)
            continue;
        ret->from = WEFT_FROM_TIME;
        ret->time_ms = (int64_t)timegm(&tm) * 1000;
        return true;
    }
    return false;
}

bool wf_mon_place_parse(const char *text, int64_t now_unix_ms, struct wf_mon_place *ret)
{
    char *end = NULL;

    *ret = (struct wf_mon_place){ .from = WEFT_FROM_EARLIEST };
    if (strcmp(text, "earliest") == 0)
        return true;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    ret->offset = strtoull(text, &end, 10);
    if (!errno && *end == '\0') {
        ret->from = WEFT_FROM_OFFSET;
        return true;
    }
    return parse_back(text, now_unix_ms, ret) || parse_time(text, ret);
}

// ---- reading -----------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_refill_open(struct wf_mon_refill *r, struct weft_client *c,
    const char *product, const struct wf_mon_place *place, struct weft_problem *problem)
{
    const struct weft_subscribe_options options = {
        .from = place->from, .offset = place->offset, .time_ms = place->time_ms, .proofs = true
    };

    *r = (struct wf_mon_refill){ .state = WEFT_STREAM_CONNECTING };
    snprintf(r->product, sizeof r->product, "%s", product);
    return weft_subscribe(c, product, &options, &r->sub, problem);
}

void wf_mon_refill_close(struct wf_mon_refill *r)
{
    weft_unsubscribe(r->sub);
    r->sub = NULL;
}

static enum weft_err on_records(
    struct wf_mon_refill *r, struct wf_mon_store *s, const struct weft_event *e)
{
    const struct weft_product *p = weft_subscription_product(r->sub);
    struct weft_event plain = *e; // where the storing of what is new stands is not ours to say

    plain.cursor = NULL;
    plain.cursor_count = 0;
    if (!p)
        return WEFT_E_SCHEMA;
    if (!r->has_begin) {
        r->begin = e->offset;
        r->has_begin = true;
    }
    r->seen += e->record_count;
    r->next = e->offset + e->record_count;
    enum weft_err err = wf_mon_store_table(s, r->product, &r->table);
    uint64_t before = err ? 0 : wf_mon_table_records(r->table);
    if (!err)
        err = wf_mon_store_records(s, r->table, p, &plain, wf_mon_unix_ms() * 1000);
    if (!err)
        r->added += wf_mon_table_records(r->table) - before;
    return err;
}

static enum weft_err on_event(
    struct wf_mon_refill *r, struct wf_mon_store *s, const struct weft_event *e)
{
    switch (e->kind) {
    case WEFT_EV_RECORDS:
        return on_records(r, s, e);
    case WEFT_EV_LOSS:
        if (!e->by_origin && e->loss_to > e->loss_from)
            r->lost += e->loss_to - e->loss_from;
        return WEFT_OK;
    case WEFT_EV_STATE:
        r->state = e->state;
        r->problem = e->problem;
        return WEFT_OK;
    }
    return WEFT_OK;
}

// Where the log ended when its owner first answered.
static void look_for_end(struct wf_mon_refill *r, bool drained)
{
    struct weft_stats stats;

    weft_subscription_stats(r->sub, &stats);
    if (!r->has_end && stats.lease_expires_ms) {
        r->end = stats.head_offset;
        r->has_end = true;
    }
    r->done = r->has_end && drained && stats.next_offset >= r->end;
}

enum weft_err wf_mon_refill_take(
    struct wf_mon_refill *r, struct wf_mon_store *s, unsigned max, struct weft_problem *ret_problem)
{
    bool drained = false;
    enum weft_err err = WEFT_OK;

    for (unsigned i = 0; i < max && !err && !drained; i++) {
        const struct weft_event *e = NULL;
        struct weft_problem problem = { 0 };
        enum weft_err got = weft_next(r->sub, 0, &e, &problem);
        drained = got == WEFT_E_TIMEOUT || got == WEFT_E_CANCELLED;
        if (got && !drained) {
            *ret_problem = problem;
            return got;
        }
        if (!got)
            err = on_event(r, s, e);
    }
    if (!err)
        look_for_end(r, drained);
    return err;
}

enum weft_err wf_mon_refill_judge(
    const struct wf_mon_refill *r, int64_t waited_ms, struct weft_problem *problem)
{
    if (r->state == WEFT_STREAM_REFUSED) {
        *problem = r->problem;
        return r->problem.err ? r->problem.err : WEFT_E_NO_CAPABILITY;
    }
    if (r->state == WEFT_STREAM_STOPPED && !r->has_end) {
        snprintf(problem->text, sizeof problem->text, "%s: stopped by owner", r->product);
        return WEFT_E_STOPPED;
    }
    if (!r->has_end && waited_ms > CONNECT_MS) {
        snprintf(problem->text, sizeof problem->text, "%s: its owner's node does not answer",
            r->product);
        return WEFT_E_UNREACHABLE;
    }
    return WEFT_OK;
}

unsigned wf_mon_refill_share(const struct wf_mon_refill *r)
{
    if (r->done)
        return 1000;
    if (!r->has_begin || !r->has_end || r->end <= r->begin || r->next <= r->begin)
        return 0;
    return r->next >= r->end
               ? 1000
               : (unsigned)((double)(r->next - r->begin) * 1000 / (double)(r->end - r->begin));
}
