// SPDX-License-Identifier: Apache-2.0
// See top.h.
#include "domains/monitoring/batch/top.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/status.h"

const char *const wf_mon_sort_names[WF_MON_SORTS] = { "name", "records", "lag", "age", "delay" };

// ---- rates -------------------------------------------------------------------------------------------------------------

static double seconds(const struct wf_mon_look *before, const struct wf_mon_look *now)
{
    return before && now->at_ms > before->at_ms ? (double)(now->at_ms - before->at_ms) / 1000 : 0;
}

// Negative: a number that fell is another number.
static double rate(uint64_t before, uint64_t now, double s)
{
    return s > 0 && now >= before ? (double)(now - before) / s : -1;
}

static const struct wf_mon_line *same_product(const struct wf_mon_look *l, const char *product)
{
    for (size_t i = 0; l && i < l->sight.count; i++)
        if (strcmp(l->sight.lines[i].product, product) == 0)
            return &l->sight.lines[i];
    return NULL;
}

double wf_mon_top_rate(const struct wf_mon_look *before, const struct wf_mon_look *now,
    const struct wf_mon_pulse *p, const char *name)
{
    for (size_t i = 0; before && i < before->sight.pulse_count; i++) {
        const struct wf_mon_pulse *was = &before->sight.pulses[i];
        if (strcmp(was->name, p->name) == 0 && was->started_ms == p->started_ms)
            return rate(
                wf_mon_pulse_get(was, name), wf_mon_pulse_get(p, name), seconds(before, now));
    }
    return -1;
}

static struct wf_mon_row row_of(
    const struct wf_mon_look *before, const struct wf_mon_look *now, const struct wf_mon_line *l)
{
    const struct wf_mon_line *was = same_product(before, l->product);
    double s = was ? seconds(before, now) : 0;
    struct wf_mon_row r = { .line = l,
        .records_s = rate(was ? was->records : 0, l->records, s),
        .batches_s = rate(was ? was->batches : 0, l->batches, s),
        .age_ms = -1,
        .delay_ms = -1 };

    if (l->last_time_us > 0) {
        r.age_ms = now->sight.now_ms - l->last_time_us / 1000;
        r.age_ms = r.age_ms < 0 ? 0 : r.age_ms;
    }
    if (l->last_append_ms > 0 && l->last_received_ms >= l->last_append_ms)
        r.delay_ms = l->last_received_ms - l->last_append_ms;
    return r;
}

// ---- order -------------------------------------------------------------------------------------------------------------

static int falling(double a, double b)
{
    return (b > a) - (b < a);
}

// What was never heard is older than anything.
static double age_of(const struct wf_mon_row *r)
{
    return r->age_ms < 0 ? 1e18 : (double)r->age_ms;
}

static int by_name(const struct wf_mon_row *a, const struct wf_mon_row *b)
{
    return strcmp(a->line->product, b->line->product);
}

#define ORDER(name, value)                                                                         \
    static int name(const void *a, const void *b)                                                  \
    {                                                                                              \
        const struct wf_mon_row *x = a, *y = b;                                                    \
        int order = falling(value(x), value(y));                                                   \
        return order ? order : by_name(x, y);                                                      \
    }
#define RECORDS(r) ((r)->records_s)
#define LAG(r)     ((double)(r)->line->lag)
#define DELAY(r)   ((double)(r)->delay_ms)
#define NONE(r)    ((void)(r), 0)
ORDER(order_by_name, NONE)
ORDER(order_by_records, RECORDS)
ORDER(order_by_lag, LAG)
ORDER(order_by_age, age_of)
ORDER(order_by_delay, DELAY)

void wf_mon_top_rows(const struct wf_mon_look *before, const struct wf_mon_look *now,
    enum wf_mon_sort sort, struct wf_mon_row *out)
{
    static int (*const order[WF_MON_SORTS])(const void *, const void *) = { order_by_name,
        order_by_records, order_by_lag, order_by_age, order_by_delay };

    for (size_t i = 0; i < now->sight.count; i++)
        out[i] = row_of(before, now, &now->sight.lines[i]);
    if (now->sight.count)
        qsort(out, now->sight.count, sizeof *out, order[sort]);
}

// Of what both looks know.
static double domain_rate(const struct wf_mon_row *rows, size_t count, const char *domain)
{
    size_t len = strlen(domain);
    double sum = -1;

    for (size_t i = 0; i < count; i++)
        if (strncmp(rows[i].line->product, domain, len) == 0 && rows[i].line->product[len] == '/' &&
            rows[i].records_s >= 0)
            sum = (sum < 0 ? 0 : sum) + rows[i].records_s;
    return sum;
}

// ---- the picture -------------------------------------------------------------------------------------------------------

#define SECTIONS 4u // findings, domains, processes, products
#define NUMBER   WF_PICTURE_NUMBER

struct top {
    const struct wf_mon_look *before, *now;
    const struct wf_mon_sight *s;
    struct wf_mon_row *rows;
    struct wf_picture *out;
};

static const char *per_s(double v, char out[NUMBER])
{
    if (v < 0)
        snprintf(out, NUMBER, "-");
    else
        wf_picture_count(v, out);
    return out;
}

static const char *since(const struct top *t, int64_t then_ms, char out[24])
{
    if (then_ms <= 0)
        snprintf(out, 24, "-");
    else
        wf_mon_ago(t->s->now_ms > then_ms ? t->s->now_ms - then_ms : 0, out);
    return out;
}

static void head(struct top *t)
{
    const struct wf_mon_sight *s = t->s;
    double records = -1, batches = -1;
    char a[NUMBER], b[NUMBER];

    for (size_t i = 0; i < s->count; i++) {
        if (t->rows[i].records_s < 0 || t->rows[i].batches_s < 0)
            continue;
        records = (records < 0 ? 0 : records) + t->rows[i].records_s;
        batches = (batches < 0 ? 0 : batches) + t->rows[i].batches_s;
    }
    wf_picture_line(t->out,
        "%s: %s records/s, %s batches/s; %zu products, %zu blind, %zu not granted",
        s->beat.subject[0] ? s->beat.subject : "monitor", per_s(records, a), per_s(batches, b),
        s->count, s->blind, s->foreign);
    if (s->alerts.there)
        wf_picture_line(t->out, "%s", s->alerts.text);
    if (s->err)
        wf_picture_line(t->out, "NO ANSWER of the database: %s", s->err_text);
    else if (s->silence[0])
        wf_picture_line(t->out, "NOTHING NEW: %s", s->silence);
}

static void findings(struct top *t, unsigned left)
{
    size_t shown = wf_picture_room(t->out, t->s->finding_count, left);
    char age[24];

    if (t->s->finding_count == 0)
        return;
    wf_picture_line(t->out, "%s", "");
    wf_picture_line(t->out, "%-32s %-7s %s", "FINDING", "SINCE", "WHY");
    for (size_t i = 0; i < shown; i++) {
        const struct wf_mon_finding *f = &t->s->findings[i];
        wf_picture_line(t->out, "%-32s %-7s %s", f->what, since(t, f->since_ms, age), f->cause);
    }
    wf_picture_rest(t->out, t->s->finding_count + t->s->finding_more, shown);
}

static void domains(struct top *t, unsigned left)
{
    size_t shown = wf_picture_room(t->out, t->s->domain_count, left);
    char records[NUMBER], lag[NUMBER], delay[NUMBER], age[24], late[48];

    if (t->s->domain_count == 0)
        return;
    wf_picture_line(t->out, "%s", "");
    wf_picture_line(t->out, "%-24s %9s %6s %6s %8s %9s  %-9s %-7s %s", "DOMAIN", "RECORDS/S",
        "SEEN", "BLIND", "LAG", "DELAY MS", "LATE", "SINCE", "WHY");
    for (size_t i = 0; i < shown; i++) {
        const struct wf_mon_domain *d = &t->s->domains[i];
        snprintf(late, sizeof late, "%" PRIu64 "/%" PRIu64, d->hosts_late, d->hosts);
        wf_picture_line(t->out, "%-24s %9s %6zu %6zu %8s %9s  %-9s %-7s %s", d->name,
            per_s(domain_rate(t->rows, t->s->count, d->name), records), d->seen, d->blind,
            wf_picture_count((double)d->lag, lag), per_s((double)d->delay_ms, delay), late,
            since(t, d->since_ms, age), d->cause);
    }
    wf_picture_rest(t->out, t->s->domain_count, shown);
}

static void process(struct top *t, const struct wf_mon_pulse *p)
{
    char records[NUMBER], commits[NUMBER], held[NUMBER], waiting[NUMBER], each[NUMBER] = "-",
                                                                          up[24];
    double commits_s = wf_mon_top_rate(t->before, t->now, p, "commits_total");
    double us_s = wf_mon_top_rate(t->before, t->now, p, "commit_us_total");

    if (commits_s > 0 && us_s >= 0)
        snprintf(each, sizeof each, "%.1f", us_s / commits_s / 1000);
    wf_picture_line(t->out, "%-16s %-8s %-7s %9s %9s %9s %9s %9s  %s", p->name,
        p->alive ? p->state : "ended", since(t, p->alive ? p->started_ms : p->updated_ms, up),
        per_s(wf_mon_top_rate(t->before, t->now, p, "records_total"), records),
        per_s(commits_s, commits), each,
        wf_picture_count((double)wf_mon_pulse_get(p, "waiting"), waiting),
        wf_picture_bytes((double)wf_mon_pulse_get(p, "waiting_bytes"), held), p->wrong);
}

static void processes(struct top *t, unsigned left)
{
    size_t shown = wf_picture_room(t->out, t->s->pulse_count, left);

    if (t->s->pulse_count == 0)
        return;
    wf_picture_line(t->out, "%s", "");
    wf_picture_line(t->out, "%-16s %-8s %-7s %9s %9s %9s %9s %9s  %s", "PROCESS", "STATE", "FOR",
        "RECORDS/S", "COMMITS/S", "MS/COMMIT", "WAITING", "BYTES", "WRONG");
    for (size_t i = 0; i < shown; i++)
        process(t, &t->s->pulses[i]);
    wf_picture_rest(t->out, t->s->pulse_count, shown);
}

static void products(struct top *t, unsigned left)
{
    size_t shown = wf_picture_room(t->out, t->s->count, left);

    if (t->s->count == 0)
        return;
    wf_picture_line(t->out, "%s", "");
    wf_picture_line(t->out, "%-32s %9s %9s %8s %9s  %-7s %-9s %s", "PRODUCT", "RECORDS/S",
        "BATCHES/S", "LAG", "DELAY MS", "LAST", "LATE", "STATE");
    for (size_t i = 0; i < shown; i++) {
        const struct wf_mon_row *r = &t->rows[i];
        const struct wf_mon_line *l = r->line;
        const char *cause = wf_mon_status_cause(l, t->s->silence);
        char records[NUMBER], batches[NUMBER], lag[NUMBER], delay[NUMBER], age[24], late[48];
        snprintf(late, sizeof late, "%" PRIu64 "/%" PRIu64, l->hosts_late, l->hosts);
        wf_mon_ago(r->age_ms, age);
        wf_picture_line(t->out, "%-32s %9s %9s %8s %9s  %-7s %-9s %s%s", l->product,
            per_s(r->records_s, records), per_s(r->batches_s, batches),
            wf_picture_count((double)l->lag, lag), per_s((double)r->delay_ms, delay), age, late,
            cause[0] ? "BLIND: " : l->state, cause);
    }
    wf_picture_rest(t->out, t->s->count, shown);
}

enum weft_err wf_mon_top_text(const struct wf_mon_look *before, const struct wf_mon_look *now,
    enum wf_mon_sort sort, struct wf_picture *out)
{
    struct top t = { .before = before, .now = now, .s = &now->sight, .out = out };

    t.rows = calloc(now->sight.count + 1, sizeof *t.rows);
    if (!t.rows)
        return WEFT_E_NOMEM;
    wf_mon_top_rows(before, now, sort, t.rows);
    head(&t);
    findings(&t, SECTIONS);
    domains(&t, SECTIONS - 1);
    processes(&t, SECTIONS - 2);
    products(&t, 1);
    free(t.rows);
    return out->err;
}

// ---- JSON --------------------------------------------------------------------------------------------------------------

static void put_rate(FILE *f, const char *name, double v)
{
    if (v < 0)
        fprintf(f, "\"%s\":null,", name);
    else
        fprintf(f, "\"%s\":%.3f,", name, v);
}

static void put_ms(FILE *f, const char *name, int64_t ms)
{
    if (ms < 0)
        fprintf(f, "\"%s\":null,", name);
    else
        fprintf(f, "\"%s\":%" PRId64 ",", name, ms);
}

static void put_products(FILE *f, const struct wf_mon_look *now, const struct wf_mon_row *rows)
{
    fputs("\"products\":[", f);
    for (size_t i = 0; i < now->sight.count; i++) {
        const struct wf_mon_row *r = &rows[i];
        const struct wf_mon_line *l = r->line;
        const char *cause = wf_mon_status_cause(l, now->sight.silence);
        fprintf(f, "%s{", i ? "," : "");
        wf_mon_put_text(f, "product", l->product);
        wf_mon_put_text(f, "state", now->sight.silence[0] ? "unknown" : l->state);
        wf_mon_put_text(f, "cause", cause);
        put_rate(f, "records_per_s", r->records_s);
        put_rate(f, "batches_per_s", r->batches_s);
        put_ms(f, "age_ms", r->age_ms);
        put_ms(f, "delay_ms", r->delay_ms);
        fprintf(f,
            "\"blind\":%s,\"since_ms\":%" PRId64 ",\"records\":%" PRIu64 ",\"lag\":%" PRIu64
            ",\"lost\":%" PRIu64 ",\"hosts\":%" PRIu64 ",\"hosts_late\":%" PRIu64
            ",\"token_expires_ms\":%" PRId64 "}",
            cause[0] ? "true" : "false", l->since_ms, l->records, l->lag, l->lost, l->hosts,
            l->hosts_late, l->token_expires_ms);
    }
    fputs("],", f);
}

static void put_store(FILE *f, const struct wf_mon_look *before, const struct wf_mon_look *now)
{
    double records = -1, commits = -1;
    uint64_t waiting = 0, bytes = 0;

    for (size_t i = 0; i < now->sight.pulse_count; i++) {
        const struct wf_mon_pulse *p = &now->sight.pulses[i];
        double r = wf_mon_top_rate(before, now, p, "records_total");
        double c = wf_mon_top_rate(before, now, p, "commits_total");
        if (strncmp(p->name, "store", 5) != 0 || !p->alive)
            continue;
        if (r >= 0)
            records = (records < 0 ? 0 : records) + r;
        if (c >= 0)
            commits = (commits < 0 ? 0 : commits) + c;
        waiting += wf_mon_pulse_get(p, "waiting");
        bytes += wf_mon_pulse_get(p, "waiting_bytes");
    }
    fputs("\"database\":{", f);
    wf_mon_put_text(f, "problem", now->sight.err_text);
    put_rate(f, "records_per_s", records);
    put_rate(f, "commits_per_s", commits);
    fprintf(f, "\"waiting\":%" PRIu64 ",\"waiting_bytes\":%" PRIu64 "},", waiting, bytes);
}

enum weft_err wf_mon_top_json(const struct wf_mon_look *before, const struct wf_mon_look *now,
    enum wf_mon_sort sort, FILE *out)
{
    const struct wf_mon_sight *s = &now->sight;
    struct wf_mon_row *rows = calloc(s->count + 1, sizeof *rows);

    if (!rows)
        return WEFT_E_NOMEM;
    wf_mon_top_rows(before, now, sort, rows);
    fputs("{\"schema\":\"weft.monitor-top/v1\",", out);
    wf_mon_put_text(out, "subject", s->beat.subject);
    wf_mon_put_text(out, "cause", s->silence);
    put_ms(out, "interval_ms", before ? now->at_ms - before->at_ms : -1);
    put_store(out, before, now);
    put_products(out, now, rows);
    wf_mon_put_domains(out, s);
    wf_mon_put_processes(out, s);
    wf_mon_put_findings(out, s);
    fprintf(out, "\"alerts\":%s,\"whole\":%s,\"time_ms\":%" PRId64 "}\n",
        s->alerts.json[0] ? s->alerts.json : "null", s->whole ? "true" : "false", s->now_ms);
    free(rows);
    return WEFT_OK;
}
