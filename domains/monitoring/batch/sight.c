// SPDX-License-Identifier: Apache-2.0
// See sight.h.
#include "domains/monitoring/batch/sight.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- looking -----------------------------------------------------------------------------------------------------------

static void keep_loss(void *arg, const struct wf_mon_lost *l)
{
    struct wf_mon_sight *s = arg;

    if (wf_mon_sight_loss(s, l->product)) // the newest came first
        return;
    struct wf_mon_lost *more = realloc(s->losses, (s->loss_count + 1) * sizeof *more);
    if (!more)
        return; // its number is in the product's line
    s->losses = more;
    s->losses[s->loss_count++] = *l;
}

static enum weft_err look_inside(const struct wf_mon_options *o, struct wf_mon_sight *s)
{
    struct weft_problem problem = { 0 };
    struct wf_mon_db *db = NULL;
    enum weft_err err = wf_mon_db_open(wf_mon_where(o), &db, &problem);

    if (!err)
        err = wf_mon_db_beat(db, &s->beat);
    if (!err)
        err = wf_mon_db_lines(db, &s->lines, &s->count);
    if (!err)
        err = wf_mon_db_losses(db, keep_loss, s);
    if (err)
        snprintf(s->err_text, sizeof s->err_text, "%s",
            problem.text[0]                  ? problem.text
            : db && wf_mon_db_problem(db)[0] ? wf_mon_db_problem(db)
                                             : weft_err_text(err));
    wf_mon_db_close(db);
    return err;
}

enum weft_err wf_mon_sight_look(
    const struct wf_mon_options *o, int64_t now_ms, struct wf_mon_sight *ret)
{
    *ret = (struct wf_mon_sight){ .now_ms = now_ms };
    ret->part_count = wf_mon_parts_read(o->db, ret->parts);
    ret->pulse_count = wf_mon_pulses_read(o->db, ret->pulses);
    wf_alert_look(o->alerts, now_ms, &ret->alerts);
    wf_remote_look(o->remote_state, now_ms, &ret->remote);
    ret->err = look_inside(o, ret);
    return wf_mon_sight_judge(ret);
}

void wf_mon_sight_fini(struct wf_mon_sight *s)
{
    free(s->lines);
    free(s->losses);
    free(s->domains);
    *s = (struct wf_mon_sight){ 0 };
}

const struct wf_mon_lost *wf_mon_sight_loss(const struct wf_mon_sight *s, const char *product)
{
    for (size_t i = 0; i < s->loss_count; i++)
        if (strcmp(s->losses[i].product, product) == 0)
            return &s->losses[i];
    return NULL;
}

void wf_mon_loss_print(const struct wf_mon_lost *l, char *out, size_t size)
{
    if (l->origin[0])
        snprintf(out, size, "%" PRIu64 " of %s (%s)", l->to - l->from, l->origin, l->code);
    else
        snprintf(out, size, "offsets %" PRIu64 " to %" PRIu64 " (%s)", l->from,
            l->to > l->from ? l->to - 1 : l->from, l->code);
}

// ---- findings ----------------------------------------------------------------------------------------------------------

__attribute__((format(printf, 5, 6))) static void find(struct wf_mon_sight *s, const char *what,
    enum wf_mon_why why, int64_t since_ms, const char *format, ...)
{
    va_list args;

    if (s->finding_count == WF_MON_FINDINGS) {
        s->finding_more++;
        return;
    }
    struct wf_mon_finding *f = &s->findings[s->finding_count++];
    *f = (struct wf_mon_finding){ .why = why, .since_ms = since_ms };
    f->warns = why == WF_MON_TOKEN_ENDS || why == WF_MON_LOST || why == WF_MON_DROPPED ||
               why == WF_MON_NOT_SENT;
    snprintf(f->what, sizeof f->what, "%s", what);
    wf_mon_why_todo_of(
        why, strchr(what, '/') && !strchr(what, ' ') ? what : "", f->todo, sizeof f->todo);
    va_start(args, format);
    vsnprintf(f->cause, sizeof f->cause, format, args);
    va_end(args);
}

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

static bool is_foreign(const struct wf_mon_line *l)
{
    return strcmp(l->state, WF_MON_NOT_GRANTED) == 0;
}

static const struct wf_mon_pulse *living(const struct wf_mon_sight *s, const char *name)
{
    for (size_t i = 0; i < s->pulse_count; i++)
        if (s->pulses[i].alive && strncmp(s->pulses[i].name, name, strlen(name)) == 0)
            return &s->pulses[i];
    return NULL;
}

static void judge_parts(struct wf_mon_sight *s)
{
    for (size_t i = 0; i < s->part_count; i++) {
        const struct wf_mon_part *p = &s->parts[i];
        char what[32];
        snprintf(what, sizeof what, "process %s", p->name);
        if (p->state == WF_MON_PART_WAITING)
            find(s, what, WF_MON_AGAIN, p->since_ms,
                "ended with %d, started again %u times, and is started again soon", p->status,
                p->restarts);
        else if (p->state == WF_MON_PART_FAILED)
            find(s, what, WF_MON_FAILED, p->since_ms, "ended with %d", p->status);
    }
}

// What a process says is wrong, from what its words begin with or are about.
static enum wf_mon_why why_of_words(const char *wrong, enum wf_mon_why other)
{
    if (strncmp(wrong, "catalog:", 8) == 0)
        return WF_MON_CATALOG;
    if (strncmp(wrong, "database", 8) == 0)
        return WF_MON_DATABASE;
    if (strstr(wrong, " products are not watched"))
        return WF_MON_UNWATCHED;
    return strncmp(wrong, "rule ", 5) == 0 || strstr(wrong, " rule") ? WF_MON_RULES : other;
}

// What each process says itself. One that ended in order, or that `run` has in its hands, is not missed here.
static void judge_pulses(struct wf_mon_sight *s)
{
    for (size_t i = 0; i < s->pulse_count; i++) {
        const struct wf_mon_pulse *p = &s->pulses[i];
        char what[40];
        snprintf(what, sizeof what, "process %s", p->name);
        const char *state = wf_mon_pulse_state(p, s->now_ms);
        if (strcmp(state, "died") == 0 && s->part_count == 0)
            find(s, what, WF_MON_NOT_RUNNING, p->updated_ms, "it died");
        else if (strcmp(state, "quiet") == 0)
            find(s, what, WF_MON_QUIET, p->updated_ms,
                "it lives (pid %" PRId64 ") and says nothing", p->pid);
        if (p->alive && p->wrong_ms)
            find(s, what, why_of_words(p->wrong, WF_MON_TROUBLE), p->wrong_ms, "%.390s", p->wrong);
    }
}

static void judge_store(struct wf_mon_sight *s)
{
    const struct wf_mon_pulse *store = living(s, "store");

    if (s->err && s->err != WEFT_E_NOT_FOUND)
        find(s, "database", WF_MON_DATABASE, s->beat.updated_ms, "%.390s", s->err_text);
    if (s->err && s->err != WEFT_E_NOT_FOUND && !s->beat.updated_ms) {
        snprintf(s->silence, sizeof s->silence, "nothing is known: the database cannot be read");
        return; // whether the monitor ever ran stands in there
    }
    wf_mon_status_silence(&s->beat, s->now_ms, s->silence, sizeof s->silence);
    if (!s->silence[0])
        return;
    if (store && !s->err)
        find(s, "monitor", WF_MON_QUIET, s->beat.updated_ms,
            "%s: its process lives (pid %" PRId64 ") and the database takes nothing", s->silence,
            store->pid);
    else
        find(s, "monitor", s->beat.updated_ms ? WF_MON_NOT_RUNNING : WF_MON_NEVER_RAN,
            s->beat.updated_ms, "%s", s->silence);
}

static void judge_alerts(struct wf_mon_sight *s)
{
    const struct wf_alert_sum *a = &s->alerts;

    if (!a->there)
        return;
    if (!a->judged)
        find(s, "alerts", WF_MON_NOT_JUDGED, a->updated_ms, "nothing is judged%s%.300s",
            a->problem[0] ? ": " : "", a->problem);
    else if (a->problem[0] && !living(s, "alert"))
        find(s, "alerts", WF_MON_RULES, 0, "%.390s", a->problem);
}

static void judge_remote(struct wf_mon_sight *s)
{
    const struct wf_remote_sum *r = &s->remote;

    if (r->there && !r->written)
        find(s, "remote write", WF_MON_NOT_WRITTEN, r->since_ms, "%.390s", r->problem);
}

// ---- products and domains ----------------------------------------------------------------------------------------------

static struct wf_mon_domain *domain_of(struct wf_mon_sight *s, const char *product)
{
    size_t len = strcspn(product, "/");

    for (size_t i = 0; i < s->domain_count; i++)
        if (strlen(s->domains[i].name) == len && strncmp(s->domains[i].name, product, len) == 0)
            return &s->domains[i];
    struct wf_mon_domain *d = &s->domains[s->domain_count++];
    *d = (struct wf_mon_domain){ .delay_ms = -1 };
    snprintf(d->name, sizeof d->name, "%.*s", (int)len, product);
    return d;
}

static void least(int64_t *to, int64_t v)
{
    if (v > 0 && (!*to || v < *to))
        *to = v;
}

static void add_to_domain(
    struct wf_mon_sight *s, struct wf_mon_domain *d, const struct wf_mon_line *l)
{
    bool blind = wf_mon_status_cause(l, s->silence)[0] != '\0';
    int64_t delay = l->last_append_ms > 0 && l->last_received_ms >= l->last_append_ms
                        ? l->last_received_ms - l->last_append_ms
                        : -1;

    d->products++;
    d->foreign += is_foreign(l);
    d->blind += blind;
    // A reader that only begins has shown nothing yet.
    d->seen += !blind && !is_foreign(l) && strcmp(l->state, "connecting") != 0;
    d->records += l->records;
    d->lag += l->lag;
    d->lost += l->lost;
    d->hosts += l->hosts;
    d->hosts_late += l->hosts_late;
    least(&d->since_ms, blind ? l->since_ms : 0);
    least(&d->token_ms, l->token_expires_ms);
    if (l->last_time_us > d->last_us)
        d->last_us = l->last_time_us;
    if (delay > d->delay_ms)
        d->delay_ms = delay;
    s->blind += blind;
    s->foreign += is_foreign(l);
}

// A cause without a word for it is one all the same.
static enum wf_mon_why why_of(const struct wf_mon_line *l)
{
    return l->why[0] ? wf_mon_why_of(l->why) : WF_MON_TROUBLE;
}

// One finding for all products of a domain with the same cause, so that a node that is away is one line.
static void judge_domain(struct wf_mon_sight *s, struct wf_mon_domain *d)
{
    size_t at = 0, len = strlen(d->name);

    for (unsigned why = 1; why < WF_MON_WHYS; why++) {
        const struct wf_mon_line *first = NULL;
        size_t count = 0;
        int64_t since = 0;
        char what[WF_MON_PRODUCT + 32];
        for (size_t i = 0; i < s->count; i++) {
            const struct wf_mon_line *l = &s->lines[i];
            if (strncmp(l->product, d->name, len) != 0 || l->product[len] != '/' || !l->cause[0] ||
                why_of(l) != (enum wf_mon_why)why)
                continue;
            first = first ? first : l;
            count++;
            least(&since, l->since_ms);
        }
        if (!first)
            continue;
        at += (size_t)snprintf(d->cause + at, at < sizeof d->cause ? sizeof d->cause - at : 0,
            "%s%zu %s", at ? ", " : "", count, wf_mon_why_name((enum wf_mon_why)why));
        snprintf(what, sizeof what, count > 1 ? "%s (%zu products)" : "%s",
            count > 1 ? d->name : first->product, count);
        find(s, what, (enum wf_mon_why)why, since, count > 1 ? "%.240s (%.130s first)" : "%.380s",
            first->cause, first->product);
        if (at >= sizeof d->cause)
            at = sizeof d->cause - 1;
    }
}

static void warn_of(struct wf_mon_sight *s, const struct wf_mon_line *l)
{
    const struct wf_mon_lost *lost = wf_mon_sight_loss(s, l->product);
    char text[160], left[24];

    if (lost && s->now_ms - lost->at_ms < WF_MON_PAST_MS) {
        wf_mon_loss_print(lost, text, sizeof text);
        find(s, l->product, WF_MON_LOST, lost->at_ms, "%" PRIu64 " records are lost, last %s",
            l->lost, text);
    }
    if (l->cause[0] || is_foreign(l) || l->token_expires_ms <= 0 ||
        l->token_expires_ms - s->now_ms >= WF_MON_TOKEN_MS)
        return;
    wf_mon_ago(l->token_expires_ms > s->now_ms ? l->token_expires_ms - s->now_ms : 0, left);
    find(s, l->product, WF_MON_TOKEN_ENDS, 0, "its token ends in %s", left);
}

enum weft_err wf_mon_sight_judge(struct wf_mon_sight *s)
{
    s->domains = calloc(s->count + 1, sizeof *s->domains);
    if (!s->domains)
        return WEFT_E_NOMEM;
    judge_parts(s);
    judge_store(s);
    judge_pulses(s);
    judge_alerts(s);
    judge_remote(s);
    for (size_t i = 0; i < s->count; i++)
        add_to_domain(s, domain_of(s, s->lines[i].product), &s->lines[i]);
    for (size_t i = 0; i < s->domain_count; i++)
        if (s->silence[0])
            snprintf(s->domains[i].cause, sizeof s->domains[i].cause, "%s", s->silence);
        else
            judge_domain(s, &s->domains[i]);
    for (size_t i = 0; !s->silence[0] && i < s->count; i++)
        if (strcmp(s->lines[i].state, "connecting") == 0 && !s->lines[i].cause[0])
            find(s, s->lines[i].product, WF_MON_BEGINS, 0, "no answer yet");
    if (!s->silence[0] && s->count == s->foreign) // nothing to see is blind, too
        find(s, "products", WF_MON_NOTHING, 0, "nothing is granted to %.100s",
            s->beat.subject[0] ? s->beat.subject : "this identity");
    if (!s->silence[0] && s->beat.problem[0] && !living(s, "store"))
        find(s, "monitor", why_of_words(s->beat.problem, WF_MON_DATABASE), 0, "%.310s",
            s->beat.problem);
    s->whole = s->finding_count == 0 && s->blind == 0;
    for (size_t i = 0; !s->silence[0] && i < s->count; i++)
        warn_of(s, &s->lines[i]);
    if (s->remote.drop_ms && s->now_ms - s->remote.drop_ms < WF_MON_PAST_MS)
        find(s, "remote write", WF_MON_DROPPED, s->remote.drop_ms, "%.390s", s->remote.drop);
    if (s->remote.unsent[0])
        find(s, s->remote.unsent_count > 1 ? "remote write" : s->remote.unsent, WF_MON_NOT_SENT,
            s->remote.unsent_ms, "nothing of %.300s is sent: no field is a value",
            s->remote.unsent);
    return WEFT_OK;
}
