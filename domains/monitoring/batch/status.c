// SPDX-License-Identifier: Apache-2.0
// weft-monitor status: one line a product, from what run tells in the database. Exit 1 when something is blind, for a monitor that
// is not running as well.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/alert/state.h"
#include "domains/monitoring/batch/status.h"
#include "domains/monitoring/common/monitor.h"
#include "domains/monitoring/common/parts.h"

void wf_mon_status_silence(const struct wf_mon_beat *beat, int64_t now_ms, char *out, size_t size)
{
    char age[24];

    out[0] = '\0';
    if (!beat->updated_ms) {
        snprintf(out, size, "monitor never ran");
        return;
    }
    wf_mon_ago(now_ms > beat->updated_ms ? now_ms - beat->updated_ms : 0, age);
    if (strcmp(beat->state, "running") != 0)
        snprintf(out, size, "monitor stopped %s ago", age);
    else if (now_ms - beat->updated_ms > WF_MON_STALE_MS)
        snprintf(out, size, "monitor silent for %s", age);
}

const char *wf_mon_status_cause(const struct wf_mon_line *line, const char *silence)
{
    return silence[0] ? silence : line->cause;
}

// What is looked at besides the database.
struct view {
    int64_t now_ms;
    char silence[64];
    struct wf_mon_part parts[WF_MON_PARTS];
    size_t part_count;
    struct wf_alert_sum alerts;
};

struct sum {
    uint64_t records, live, repaired, pulled, history, lost, blind, foreign;
};

// Of the records that the stream could have brought, the share that it brought, in 1/10000, rounded down so that 10000 means all; -1 while
// there were no such records.
static int share_of(uint64_t live, uint64_t asked)
{
    if (live + asked == 0)
        return -1;
    return (int)(10000.0 * (double)live / (double)(live + asked));
}

static const char *share_percent(uint64_t live, uint64_t asked, const char *none, char out[24])
{
    int share = share_of(live, asked);

    if (share < 0)
        return none;
    snprintf(out, 24, "%d.%d %%", share / 100, share / 10 % 10);
    return out;
}

static const char *share_json(uint64_t live, uint64_t asked, char out[24])
{
    int share = share_of(live, asked);

    if (share < 0)
        return "null";
    snprintf(out, 24, "%.4f", share / 10000.0);
    return out;
}

static struct sum add_up(const struct wf_mon_line *lines, size_t count, const char *silence)
{
    struct sum s = { 0 };

    for (size_t i = 0; i < count; i++) {
        s.records += lines[i].records;
        s.live += lines[i].live;
        s.repaired += lines[i].repaired;
        s.pulled += lines[i].pulled;
        s.history += lines[i].history;
        s.foreign += strcmp(lines[i].state, WF_MON_NOT_GRANTED) == 0;
        s.lost += lines[i].lost;
        s.blind += wf_mon_status_cause(&lines[i], silence)[0] != '\0';
    }
    return s;
}

// ---- for people --------------------------------------------------------------------------------------------------------

static void put_ago(struct wf_mon_print *p, int64_t then_ms, int64_t now_ms)
{
    char text[24];

    if (then_ms <= 0)
        text[0] = '\0';
    else
        wf_mon_ago(now_ms > then_ms ? now_ms - then_ms : 0, text);
    wf_mon_print_text(p, text);
}

static void put_until(struct wf_mon_print *p, int64_t end_ms, int64_t now_ms)
{
    char text[24];

    if (end_ms <= 0)
        text[0] = '\0';
    else if (end_ms <= now_ms)
        snprintf(text, sizeof text, "expired");
    else
        wf_mon_ago(end_ms - now_ms, text);
    wf_mon_print_text(p, text);
}

static enum weft_err print_table(
    const struct wf_mon_line *lines, size_t count, const char *silence, int64_t now_ms)
{
    static const char *const columns[] = { "PRODUCT", "STATE", "RECORDS", "LIVE", "LAST", "LAG",
        "GAPS", "LOST", "LATE", "TOKEN", "BLIND", "NOTE" };
    struct wf_mon_print *p = wf_mon_print_new(WF_MON_AS_TABLE, "", NULL, columns, 12);
    char share[24];

    for (size_t i = 0; p && i < count; i++) {
        const struct wf_mon_line *l = &lines[i];
        wf_mon_print_text(p, l->product);
        wf_mon_print_text(p, silence[0] ? "unknown" : l->state);
        wf_mon_print_number(p, (int64_t)l->records);
        wf_mon_print_text(p, share_percent(l->live, l->repaired + l->pulled, "", share));
        put_ago(p, l->last_time_us / 1000, now_ms);
        wf_mon_print_number(p, (int64_t)l->lag);
        wf_mon_print_number(p, (int64_t)l->gaps);
        wf_mon_print_number(p, (int64_t)l->lost);
        wf_mon_print_number(p, (int64_t)l->hosts_late);
        put_until(p, l->token_expires_ms, now_ms);
        wf_mon_print_text(p, wf_mon_status_cause(l, silence));
        // Why it comes by pull, although it is seen; a reason for being blind stands before it.
        wf_mon_print_text(p, strcmp(l->state, "pull") == 0 ? l->problem : "");
    }
    return wf_mon_print_done(p);
}

// ---- for programs ------------------------------------------------------------------------------------------------------

static enum weft_err print_json(const struct wf_mon_options *o, const struct wf_mon_line *lines,
    size_t count, const char *head, const char *silence)
{
    static const char *const columns[] = { "product", "kind", "state", "blind", "cause", "problem",
        "records", "batches", "live", "repaired", "pulled", "history", "lost", "last_time_us",
        "last_append_ms", "last_received_ms", "freshness_ms", "head", "next", "lag", "gaps",
        "duplicates", "verify_failures", "hosts", "hosts_late", "late", "token_expires_ms",
        "lease_expires_ms" };
    struct wf_mon_print *p = wf_mon_print_new(
        o->format, "weft.monitor-status/v1", head, columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; p && i < count; i++) {
        const struct wf_mon_line *l = &lines[i];
        const char *cause = wf_mon_status_cause(l, silence);
        wf_mon_print_text(p, l->product);
        wf_mon_print_text(p, l->kind);
        wf_mon_print_text(p, silence[0] ? "unknown" : l->state);
        wf_mon_print_number(p, cause[0] != '\0');
        wf_mon_print_text(p, cause);
        wf_mon_print_text(p, l->problem);
        const int64_t numbers[] = { (int64_t)l->records, (int64_t)l->batches, (int64_t)l->live,
            (int64_t)l->repaired, (int64_t)l->pulled, (int64_t)l->history, (int64_t)l->lost,
            l->last_time_us, l->last_append_ms, l->last_received_ms, l->freshness_ms,
            (int64_t)l->head, (int64_t)l->next, (int64_t)l->lag, (int64_t)l->gaps,
            (int64_t)l->duplicates, (int64_t)l->verify_failures, (int64_t)l->hosts,
            (int64_t)l->hosts_late };
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
            wf_mon_print_number(p, numbers[n]);
        wf_mon_print_text(p, l->late);
        wf_mon_print_number(p, l->token_expires_ms);
        wf_mon_print_number(p, l->lease_expires_ms);
    }
    return wf_mon_print_done(p);
}

// The processes of a run as a JSON array.
static void parts_json(const struct wf_mon_part *parts, size_t count, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "[");

    for (size_t i = 0; i < count && at < size; i++)
        at += (size_t)snprintf(out + at, size - at,
            "%s{\"name\":\"%s\",\"state\":\"%s\",\"pid\":%" PRId64 ",\"since_ms\":%" PRId64
            ",\"again_ms\":%" PRId64 ",\"restarts\":%u,\"last_status\":%d}",
            i ? "," : "", parts[i].name, wf_mon_part_state_name(parts[i].state), parts[i].pid,
            parts[i].since_ms, parts[i].again_ms, parts[i].restarts, parts[i].status);
    if (at < size)
        snprintf(out + at, size - at, "]");
}

static char *make_head(
    const struct wf_mon_beat *b, const struct sum *s, const struct view *v, size_t count)
{
    const char *silence = v->silence;
    char *out = NULL, share[24], processes[1600];

    parts_json(v->parts, v->part_count, processes, sizeof processes);
    char *subject = wf_mon_json_string(b->subject, strlen(b->subject));
    char *problem = wf_mon_json_string(b->problem, strlen(b->problem));
    char *quiet = wf_mon_json_string(silence, strlen(silence));

    if (!subject || !problem || !quiet ||
        asprintf(&out,
            "\"subject\":%s,\"running\":%s,\"cause\":%s,\"problem\":%s,\"pid\":%" PRId64
            ",\"started_ms\":%" PRId64 ",\"updated_ms\":%" PRId64 ",\"age_ms\":%" PRId64
            ",\"products\":%zu,\"blind\":%" PRIu64 ",\"records\":%" PRIu64 ",\"live\":%" PRIu64
            ",\"repaired\":%" PRIu64 ",\"pulled\":%" PRIu64 ",\"history\":%" PRIu64
            ",\"lost\":%" PRIu64 ",\"not_granted\":%" PRIu64 ",\"pub_share\":%s,\"processes\":%s,"
            "\"alerts\":%s,",
            subject, silence[0] ? "false" : "true", quiet, problem, b->pid, b->started_ms,
            b->updated_ms, v->now_ms - b->updated_ms, count, s->blind, s->records, s->live,
            s->repaired, s->pulled, s->history, s->lost, s->foreign,
            share_json(s->live, s->repaired + s->pulled, share), processes, v->alerts.json) < 0)
        out = NULL;
    free(subject);
    free(problem);
    free(quiet);
    return out;
}

// ---- the command -------------------------------------------------------------------------------------------------------

// One line for each process that run should keep alive and does not, or has had to start again. *ret: all are alive or ended well.
static bool print_parts(const struct view *v, bool print)
{
    bool good = true;
    char age[24];

    for (size_t i = 0; i < v->part_count; i++) {
        const struct wf_mon_part *p = &v->parts[i];
        good = good && p->state != WF_MON_PART_WAITING && p->state != WF_MON_PART_FAILED;
        if (!print)
            continue;
        wf_mon_ago(v->now_ms > p->since_ms ? v->now_ms - p->since_ms : 0, age);
        fprintf(stderr, "process %s: %s for %s", p->name, wf_mon_part_state_name(p->state), age);
        if (p->restarts || p->state == WF_MON_PART_FAILED)
            fprintf(stderr, ", started again %u times, last ended with %d", p->restarts, p->status);
        fputc('\n', stderr);
    }
    return good;
}

static void look(const struct wf_mon_options *o, struct view *ret)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    ret->now_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    ret->part_count = wf_mon_parts_read(o->db, ret->parts);
    wf_alert_look(o->alerts, ret->now_ms, &ret->alerts);
}

static enum weft_err show(const struct wf_mon_options *o, struct view *v,
    const struct wf_mon_beat *beat, const struct wf_mon_line *lines, size_t count, bool *ret_blind)
{
    const char *silence = v->silence;
    char age[24], share[24];

    wf_mon_status_silence(beat, v->now_ms, v->silence, sizeof v->silence);
    struct sum sum = add_up(lines, count, silence);
    bool whole = print_parts(v, o->format == WF_MON_AS_TABLE);
    // Nothing to see is blind, too.
    *ret_blind = silence[0] || sum.blind || count == sum.foreign || !whole ||
                 (v->alerts.there && !v->alerts.judged);
    if (v->alerts.there && o->format == WF_MON_AS_TABLE)
        fprintf(stderr, "%s\n", v->alerts.text);
    if (o->format != WF_MON_AS_TABLE) {
        char *head = make_head(beat, &sum, v, count);
        enum weft_err err = head ? print_json(o, lines, count, head, silence) : WEFT_E_NOMEM;
        free(head);
        return err;
    }
    enum weft_err err = print_table(lines, count, silence, v->now_ms);
    wf_mon_ago(beat->updated_ms ? v->now_ms - beat->updated_ms : 0, age);
    fprintf(stderr,
        "%s%sstatus of %s ago: %zu products, %" PRIu64 " blind, %" PRIu64 " not granted; %" PRIu64
        " records: %" PRIu64 " live, %" PRIu64 " repaired, %" PRIu64
        " pulled (live share %s), %" PRIu64 " of history%s%s\n",
        silence, silence[0] ? "; " : "", age, count, sum.blind, sum.foreign, sum.records, sum.live,
        sum.repaired, sum.pulled, share_percent(sum.live, sum.repaired + sum.pulled, "-", share),
        sum.history, beat->problem[0] ? "; " : "", beat->problem);
    return err;
}

int wf_mon_cmd_status(const struct wf_mon_options *o)
{
    struct weft_problem problem = { 0 };
    struct wf_mon_db *db = NULL;
    struct wf_mon_beat beat = { 0 };
    struct wf_mon_line *lines = NULL;
    struct view view = { 0 };
    size_t count = 0;
    bool blind = true;

    look(o, &view);
    enum weft_err err = wf_mon_db_open(wf_mon_where(o), &db, &problem);
    if (err)
        print_parts(&view, true);
    if (err)
        return wf_mon_fail(err, problem.text[0] ? problem.text : weft_err_text(err), "");
    err = wf_mon_db_beat(db, &beat);
    if (!err)
        err = wf_mon_db_lines(db, &lines, &count);
    if (!err)
        err = show(o, &view, &beat, lines, count, &blind);
    int status = blind;
    if (err)
        status = wf_mon_fail(
            err, wf_mon_db_problem(db)[0] ? wf_mon_db_problem(db) : weft_err_text(err), "");
    free(lines);
    wf_mon_db_close(db);
    return status;
}
