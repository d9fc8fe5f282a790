// SPDX-License-Identifier: Apache-2.0
// See state.h.
#include "domains/monitoring/alert/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/book.h"
#include "domains/monitoring/common/print.h"

#define STALE_MS 10000 // the process tells every two seconds

struct count {
    uint64_t firing, pending;
};

static enum weft_err count_one(void *arg, const struct wf_alert *a)
{
    struct count *c = arg;

    c->firing += a->state == WF_ALERT_FIRING;
    c->pending += a->state == WF_ALERT_PENDING;
    return WEFT_OK;
}

static void fill(
    struct wf_alert_sum *ret, const struct wf_book_beat *b, const struct count *c, int64_t age_ms)
{
    char ago[24], sql[64] = "", *problem = wf_mon_json_string(b->problem, strlen(b->problem));

    wf_mon_ago(age_ms, ago);
    if (b->sql_most)
        snprintf(sql, sizeof sql, ", windows of SQL %.1f of %.0f MiB",
            (double)b->sql_bytes / 1048576, (double)b->sql_most / 1048576);
    snprintf(ret->text, sizeof ret->text,
        "alerts: %s%" PRIu64 " firing, %" PRIu64 " pending; %" PRIu64 " rules over %" PRIu64
        " series, %.1f of %.0f MiB%s, %s ago%s%s",
        ret->judged ? "" : "nothing is judged; ", c->firing, c->pending, b->rules, b->series,
        (double)b->bytes / 1048576, (double)WF_ENGINE_BYTES / 1048576, sql, ago,
        b->problem[0] ? "; " : "", b->problem);
    snprintf(ret->json, sizeof ret->json,
        "{\"running\":%s,\"firing\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"rules\":%" PRIu64
        ",\"series\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"records\":%" PRIu64 ",\"refused\":%" PRIu64
        ",\"sql_bytes\":%" PRIu64 ",\"sql_most_bytes\":%" PRIu64 ",\"out_of_order\":%" PRIu64
        ",\"age_ms\":%" PRId64 ",\"problem\":%s}",
        ret->judged ? "true" : "false", c->firing, c->pending, b->rules, b->series, b->bytes,
        b->records, b->refused, b->sql_bytes, b->sql_most, b->late, age_ms,
        problem ? problem : "\"out of memory\"");
    free(problem);
}

void wf_alert_look(const char *path, int64_t now_ms, struct wf_alert_sum *ret)
{
    struct wf_book *b = NULL;
    struct wf_book_beat beat = { 0 };
    struct count c = { 0 };
    struct weft_problem problem = { 0 };

    *ret = (struct wf_alert_sum){ .json = "null" };
    enum weft_err err = wf_book_open(path, WF_BOOK_LOOK, &b, &problem);
    if (err == WEFT_E_NOT_FOUND)
        return;
    ret->there = true;
    if (!err)
        err = wf_book_beat(b, &beat);
    if (!err)
        err = wf_book_alerts(b, count_one, &c);
    if (err)
        snprintf(beat.problem, sizeof beat.problem, "%.300s",
            problem.text[0] ? problem.text : weft_err_text(err));
    ret->judged =
        !err && now_ms - beat.updated_ms <= STALE_MS && strcmp(beat.state, "running") == 0;
    ret->firing = c.firing;
    ret->pending = c.pending;
    ret->rules = beat.rules;
    ret->series = beat.series;
    ret->records = beat.records;
    ret->updated_ms = beat.updated_ms;
    snprintf(ret->problem, sizeof ret->problem, "%s", beat.problem);
    fill(ret, &beat, &c, beat.updated_ms ? now_ms - beat.updated_ms : -1);
    wf_book_close(b);
}
