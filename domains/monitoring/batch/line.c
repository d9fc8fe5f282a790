// SPDX-License-Identifier: Apache-2.0
// See line.h.
#include "domains/monitoring/batch/line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/common/print.h"

static void print_moment(int64_t unix_ms, char out[32])
{
    time_t s = (time_t)(unix_ms / 1000);
    struct tm tm;

    out[0] = '\0';
    if (gmtime_r(&s, &tm))
        strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

struct wf_mon_said wf_mon_line_said(const struct wf_mon_table *t, const struct wf_mon_line *told)
{
    struct wf_mon_said said;

    if (!told->product[0])
        return *wf_mon_table_said(t);
    memset(&said, 0, sizeof said);
    memcpy(said.cause, told->cause, sizeof said.cause);
    memcpy(said.why, told->why, sizeof said.why);
    memcpy(said.past, told->past, sizeof said.past);
    said.since_ms = told->since_ms;
    return said;
}

// Since when it is not seen, and what was before. Where a reader only begins, nothing is known anew: what was wrong still is.
static void fill_past(const struct wf_mon_said *said, int64_t unix_ms, struct wf_mon_line *ret)
{
    char at[32], age[24];

    memcpy(ret->past, said->past, sizeof ret->past);
    if (ret->why[0]) {
        ret->since_ms = said->since_ms ? said->since_ms : unix_ms;
        return;
    }
    if (!said->since_ms)
        return;
    if (strcmp(ret->state, "connecting") == 0) {
        memcpy(ret->cause, said->cause, sizeof ret->cause);
        memcpy(ret->why, said->why, sizeof ret->why);
        ret->since_ms = said->since_ms;
        return;
    }
    memset(ret->past, 0, sizeof ret->past);
    print_moment(unix_ms, at);
    wf_mon_ago(unix_ms - said->since_ms, age);
    snprintf(ret->past, sizeof ret->past, "until %s not seen for %s, in the end: %.200s", at, age,
        said->cause);
}

// A schema that changes under the reader is no trouble, but who reads the table wants to know.
static void fill_schema(char schema[WF_MON_SCHEMA_ID], const struct wf_mon_feed *f, int64_t unix_ms,
    struct wf_mon_line *ret)
{
    char at[32];

    if (!f->schema[0] || strcmp(schema, f->schema) == 0)
        return;
    if (schema[0]) {
        memset(ret->past, 0, sizeof ret->past);
        print_moment(unix_ms, at);
        snprintf(ret->past, sizeof ret->past, "since %s with a changed schema", at);
    }
    memcpy(schema, f->schema, WF_MON_SCHEMA_ID);
}

void wf_mon_line_fill(const struct wf_mon_feed *f, const struct wf_mon_said *said,
    char schema[WF_MON_SCHEMA_ID], struct wf_mon_now now, struct wf_mon_line *ret)
{
    struct weft_stats stats = { 0 };

    memset(ret, 0, sizeof *ret);
    if (f->sub)
        weft_subscription_stats(f->sub, &stats);
    snprintf(ret->product, sizeof ret->product, "%s", f->product);
    snprintf(ret->kind, sizeof ret->kind, "%s", wf_mon_kind_name(f->kind));
    snprintf(ret->state, sizeof ret->state, "%s", wf_mon_feed_state(f));
    wf_mon_feed_cause(f, now.mono_ms - f->state_ms, ret->cause, sizeof ret->cause);
    snprintf(ret->why, sizeof ret->why, "%s",
        wf_mon_why_name(wf_mon_feed_why(f, now.mono_ms - f->state_ms)));
    snprintf(ret->problem, sizeof ret->problem, "%.319s", f->problem.text);
    if (f->late.late)
        snprintf(ret->late, sizeof ret->late, "%s%s%s", f->late.cut,
            f->late.cut[0] && f->late.silent[0] ? ", " : "", f->late.silent);
    ret->freshness_ms = f->freshness_ms;
    ret->head = stats.head_offset;
    ret->next = stats.next_offset;
    ret->lag = wf_mon_feed_lag(&stats);
    ret->gaps = stats.gaps_repaired;
    ret->verify_failures = stats.verify_failures;
    ret->duplicates = stats.duplicates;
    ret->token_expires_ms = stats.token_expires_ms;
    ret->lease_expires_ms = stats.lease_expires_ms;
    ret->hosts = f->late.hosts;
    ret->hosts_late = f->late.late;
    fill_past(said, now.unix_ms, ret);
    fill_schema(schema, f, now.unix_ms, ret);
}
