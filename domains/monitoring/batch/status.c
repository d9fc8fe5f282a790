// SPDX-License-Identifier: Apache-2.0
// weft-monitor status: a line a product, a line a domain, and each finding with since when, why and what to do. Exit 1 when something is
// blind, for a monitor that is not running as well.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/sight.h"
#include "domains/monitoring/batch/status.h"
#include "domains/monitoring/common/watch.h"

struct sum {
    uint64_t records, live, repaired, pulled, history, lost;
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

static struct sum add_up(const struct wf_mon_line *lines, size_t count)
{
    struct sum s = { 0 };

    for (size_t i = 0; i < count; i++) {
        s.records += lines[i].records;
        s.live += lines[i].live;
        s.repaired += lines[i].repaired;
        s.pulled += lines[i].pulled;
        s.history += lines[i].history;
        s.lost += lines[i].lost;
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

// What is to be said of a product although it is seen; a reason for being blind stands before it.
static void put_note(
    struct wf_mon_print *p, const struct wf_mon_sight *s, const struct wf_mon_line *l)
{
    const struct wf_mon_lost *lost = wf_mon_sight_loss(s, l->product);
    char text[900], loss[160];
    size_t at = 0;

    text[0] = '\0';
    if (strcmp(l->state, "pull") == 0 || strcmp(l->state, "live") == 0)
        at = (size_t)snprintf(text, sizeof text, "%s", l->problem);
    if (lost) {
        wf_mon_loss_print(lost, loss, sizeof loss);
        at += (size_t)snprintf(text + at, sizeof text - at, "%slost %s", at ? "; " : "", loss);
    }
    if (l->past[0] && at < sizeof text)
        snprintf(text + at, sizeof text - at, "%s%s", at ? "; " : "", l->past);
    wf_mon_print_text(p, text);
}

static enum weft_err print_products(const struct wf_mon_sight *s)
{
    static const char *const columns[] = { "PRODUCT", "STATE", "RECORDS", "LIVE", "LAST", "LAG",
        "GAPS", "LOST", "LATE", "TOKEN", "SINCE", "BLIND", "NOTE" };
    struct wf_mon_print *p = wf_mon_print_new(WF_MON_AS_TABLE, "", NULL, columns, 13);
    const char *silence = s->silence;
    char share[24];

    for (size_t i = 0; p && i < s->count; i++) {
        const struct wf_mon_line *l = &s->lines[i];
        wf_mon_print_text(p, l->product);
        wf_mon_print_text(p, silence[0] ? "unknown" : l->state);
        wf_mon_print_number(p, (int64_t)l->records);
        wf_mon_print_text(p, share_percent(l->live, l->repaired + l->pulled, "", share));
        put_ago(p, l->last_time_us / 1000, s->now_ms);
        wf_mon_print_number(p, (int64_t)l->lag);
        wf_mon_print_number(p, (int64_t)l->gaps);
        wf_mon_print_number(p, (int64_t)l->lost);
        wf_mon_print_number(p, (int64_t)l->hosts_late);
        put_until(p, l->token_expires_ms, s->now_ms);
        put_ago(p, silence[0] ? s->beat.updated_ms : l->since_ms, s->now_ms);
        wf_mon_print_text(p, wf_mon_status_cause(l, silence));
        put_note(p, s, l);
    }
    return wf_mon_print_done(p);
}

static enum weft_err print_domains(const struct wf_mon_sight *s)
{
    static const char *const columns[] = { "DOMAIN", "SEEN", "BLIND", "NOT GRANTED", "RECORDS",
        "LAST", "LAG", "LOST", "LATE", "TOKEN", "SINCE", "WHY" };
    struct wf_mon_print *p = wf_mon_print_new(WF_MON_AS_TABLE, "", NULL, columns, 12);

    for (size_t i = 0; p && i < s->domain_count; i++) {
        const struct wf_mon_domain *d = &s->domains[i];
        wf_mon_print_text(p, d->name);
        wf_mon_print_number(p, (int64_t)d->seen);
        wf_mon_print_number(p, (int64_t)d->blind);
        wf_mon_print_number(p, (int64_t)d->foreign);
        wf_mon_print_number(p, (int64_t)d->records);
        put_ago(p, d->last_us / 1000, s->now_ms);
        wf_mon_print_number(p, (int64_t)d->lag);
        wf_mon_print_number(p, (int64_t)d->lost);
        wf_mon_print_number(p, (int64_t)d->hosts_late);
        put_until(p, d->token_ms, s->now_ms);
        put_ago(p, s->silence[0] ? s->beat.updated_ms : d->since_ms, s->now_ms);
        wf_mon_print_text(p, d->cause);
    }
    return wf_mon_print_done(p);
}

static enum weft_err print_findings(const struct wf_mon_sight *s)
{
    static const char *const columns[] = { "FINDING", "SINCE", "WHY", "WHAT TO DO" };
    struct wf_mon_print *p = wf_mon_print_new(WF_MON_AS_TABLE, "", NULL, columns, 4);

    for (size_t i = 0; p && i < s->finding_count; i++) {
        const struct wf_mon_finding *f = &s->findings[i];
        wf_mon_print_text(p, f->what);
        put_ago(p, f->since_ms, s->now_ms);
        wf_mon_print_text(p, f->cause);
        wf_mon_print_text(p, f->todo);
    }
    return wf_mon_print_done(p);
}

static enum weft_err print_tables(const struct wf_mon_sight *s)
{
    enum weft_err err = print_products(s);

    if (!err && s->domain_count) {
        putchar('\n');
        err = print_domains(s);
    }
    if (!err && s->finding_count) {
        putchar('\n');
        err = print_findings(s);
    }
    if (!err && s->finding_more)
        printf("and %zu more\n", s->finding_more);
    return err;
}

// ---- for programs ------------------------------------------------------------------------------------------------------

static enum weft_err print_json(
    const struct wf_mon_options *o, const struct wf_mon_sight *s, const char *head)
{
    static const char *const columns[] = { "product", "kind", "state", "blind", "cause", "why",
        "problem", "past", "records", "batches", "live", "repaired", "pulled", "history", "lost",
        "last_time_us", "last_append_ms", "last_received_ms", "freshness_ms", "head", "next", "lag",
        "gaps", "duplicates", "verify_failures", "hosts", "hosts_late", "since_ms",
        "token_expires_ms", "lease_expires_ms", "late" };
    struct wf_mon_print *p = wf_mon_print_new(
        o->format, "weft.monitor-status/v1", head, columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; p && i < s->count; i++) {
        const struct wf_mon_line *l = &s->lines[i];
        const char *cause = wf_mon_status_cause(l, s->silence);
        wf_mon_print_text(p, l->product);
        wf_mon_print_text(p, l->kind);
        wf_mon_print_text(p, s->silence[0] ? "unknown" : l->state);
        wf_mon_print_number(p, cause[0] != '\0');
        wf_mon_print_text(p, cause);
        wf_mon_print_text(p, s->silence[0] ? wf_mon_why_name(WF_MON_QUIET) : l->why);
        wf_mon_print_text(p, l->problem);
        wf_mon_print_text(p, l->past);
        const int64_t numbers[] = { (int64_t)l->records, (int64_t)l->batches, (int64_t)l->live,
            (int64_t)l->repaired, (int64_t)l->pulled, (int64_t)l->history, (int64_t)l->lost,
            l->last_time_us, l->last_append_ms, l->last_received_ms, l->freshness_ms,
            (int64_t)l->head, (int64_t)l->next, (int64_t)l->lag, (int64_t)l->gaps,
            (int64_t)l->duplicates, (int64_t)l->verify_failures, (int64_t)l->hosts,
            (int64_t)l->hosts_late, s->silence[0] ? s->beat.updated_ms : l->since_ms,
            l->token_expires_ms, l->lease_expires_ms };
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
            wf_mon_print_number(p, numbers[n]);
        wf_mon_print_text(p, l->late);
    }
    return wf_mon_print_done(p);
}

// The members before "rows".
static char *make_head(const struct wf_mon_sight *s, const struct sum *sum)
{
    const struct wf_mon_beat *b = &s->beat;
    char *out = NULL, share[24];
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);

    if (!f)
        return NULL;
    wf_mon_put_text(f, "subject", b->subject);
    fprintf(f, "\"running\":%s,\"whole\":%s,", s->silence[0] ? "false" : "true",
        s->whole ? "true" : "false");
    wf_mon_put_text(f, "cause", s->silence);
    wf_mon_put_text(f, "problem", b->problem);
    wf_mon_put_text(f, "database", s->err_text);
    fprintf(f,
        "\"pid\":%" PRId64 ",\"started_ms\":%" PRId64 ",\"updated_ms\":%" PRId64
        ",\"age_ms\":%" PRId64 ",\"products\":%zu,\"blind\":%zu,\"records\":%" PRIu64
        ",\"live\":%" PRIu64 ",\"repaired\":%" PRIu64 ",\"pulled\":%" PRIu64 ",\"history\":%" PRIu64
        ",\"lost\":%" PRIu64 ",\"not_granted\":%zu,\"pub_share\":%s,",
        b->pid, b->started_ms, b->updated_ms, s->now_ms - b->updated_ms, s->count, s->blind,
        sum->records, sum->live, sum->repaired, sum->pulled, sum->history, sum->lost, s->foreign,
        share_json(sum->live, sum->repaired + sum->pulled, share));
    wf_mon_put_processes(f, s);
    wf_mon_put_domains(f, s);
    wf_mon_put_findings(f, s);
    fprintf(f, "\"alerts\":%s,\"remote\":%s,", s->alerts.json, s->remote.json);
    return fclose(f) == 0 ? out : NULL;
}

// ---- the command -------------------------------------------------------------------------------------------------------

// One line for each process: how long it does what it does.
static void print_parts(const struct wf_mon_sight *s)
{
    char age[24];

    for (size_t i = 0; i < s->part_count; i++) {
        const struct wf_mon_part *p = &s->parts[i];
        wf_mon_ago(s->now_ms > p->since_ms ? s->now_ms - p->since_ms : 0, age);
        fprintf(stderr, "process %s: %s for %s", p->name, wf_mon_part_state_name(p->state), age);
        if (p->restarts || p->state == WF_MON_PART_FAILED)
            fprintf(stderr, ", started again %u times, last ended with %d", p->restarts, p->status);
        fputc('\n', stderr);
    }
}

static void print_sum(const struct wf_mon_sight *s, const struct sum *sum)
{
    char age[24], share[24];

    if (s->alerts.there)
        fprintf(stderr, "%s\n", s->alerts.text);
    if (s->remote.there)
        fprintf(stderr, "%s\n", s->remote.text);
    wf_mon_ago(s->beat.updated_ms ? s->now_ms - s->beat.updated_ms : 0, age);
    fprintf(stderr,
        "%s%sstatus of %s ago: %zu products, %zu blind, %zu not granted; %" PRIu64
        " records: %" PRIu64 " live, %" PRIu64 " repaired, %" PRIu64
        " pulled (live share %s), %" PRIu64 " of history%s%s\n",
        s->silence, s->silence[0] ? "; " : "", age, s->count, s->blind, s->foreign, sum->records,
        sum->live, sum->repaired, sum->pulled,
        share_percent(sum->live, sum->repaired + sum->pulled, "-", share), sum->history,
        s->beat.problem[0] ? "; " : "", s->beat.problem);
}

static enum weft_err show(const struct wf_mon_options *o, const struct wf_mon_sight *s)
{
    struct sum sum = add_up(s->lines, s->count);

    if (o->format == WF_MON_AS_TABLE) {
        print_parts(s);
        enum weft_err err = print_tables(s);
        print_sum(s, &sum);
        return err;
    }
    char *head = make_head(s, &sum);
    enum weft_err err = head ? print_json(o, s, head) : WEFT_E_NOMEM;
    free(head);
    return err;
}

int wf_mon_cmd_status(const struct wf_mon_options *o)
{
    struct wf_mon_sight *s = calloc(1, sizeof *s); // too big for a stack
    enum weft_err err = s ? wf_mon_sight_look(o, wf_mon_unix_ms(), s) : WEFT_E_NOMEM;
    int status;

    if (!err)
        err = show(o, s);
    if (err)
        status = wf_mon_fail(err, weft_err_text(err), "");
    else if (s->err) // what lies beside it was shown
        status = wf_mon_fail(s->err, s->err_text, "");
    else
        status = !s->whole;
    if (s)
        wf_mon_sight_fini(s);
    free(s);
    return status;
}
