// SPDX-License-Identifier: Apache-2.0
// See status.h.
#include "domains/monitoring/batch/status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void wf_mon_put_text(FILE *f, const char *name, const char *text)
{
    char *json = text[0] ? wf_mon_json_string(text, strlen(text)) : NULL;

    fprintf(f, "\"%s\":%s,", name, json ? json : "null");
    free(json);
}

static const struct wf_mon_pulse *pulse_of(const struct wf_mon_sight *s, const char *name)
{
    for (size_t i = 0; i < s->pulse_count; i++)
        if (strcmp(s->pulses[i].name, name) == 0)
            return &s->pulses[i];
    return NULL;
}

static const struct wf_mon_part *part_of(const struct wf_mon_sight *s, const char *name)
{
    for (size_t i = 0; i < s->part_count; i++)
        if (strcmp(s->parts[i].name, name) == 0)
            return &s->parts[i];
    return NULL;
}

static void put_process(
    FILE *f, const char *name, const struct wf_mon_part *part, const struct wf_mon_pulse *p)
{
    const char *state = part ? wf_mon_part_state_name(part->state) : !p->alive ? "ended" : p->state;

    fprintf(f, "{\"name\":\"%s\",\"state\":\"%s\",", name, state);
    if (part)
        fprintf(f,
            "\"since_ms\":%" PRId64 ",\"again_ms\":%" PRId64 ",\"restarts\":%u,\"last_status\":%d,",
            part->since_ms, part->again_ms, part->restarts, part->status);
    if (p) {
        wf_mon_put_text(f, "wrong", p->wrong);
        fprintf(f,
            "\"wrong_ms\":%" PRId64 ",\"started_ms\":%" PRId64 ",\"updated_ms\":%" PRId64 ",",
            p->wrong_ms, p->started_ms, p->updated_ms);
        for (size_t i = 0; i < p->count_count; i++)
            fprintf(f, "\"%s\":%" PRIu64 ",", p->counts[i].name, p->counts[i].value);
    }
    fprintf(f, "\"pid\":%" PRId64 "}", part ? part->pid : p->alive ? p->pid : 0);
}

void wf_mon_put_processes(FILE *f, const struct wf_mon_sight *s)
{
    bool first = true;

    fputs("\"processes\":[", f);
    for (size_t i = 0; i < s->part_count; i++, first = false) {
        fputs(first ? "" : ",", f);
        put_process(f, s->parts[i].name, &s->parts[i], pulse_of(s, s->parts[i].name));
    }
    for (size_t i = 0; i < s->pulse_count; i++) {
        if (part_of(s, s->pulses[i].name))
            continue;
        fputs(first ? "" : ",", f);
        put_process(f, s->pulses[i].name, NULL, &s->pulses[i]);
        first = false;
    }
    fputs("],", f);
}

void wf_mon_put_domains(FILE *f, const struct wf_mon_sight *s)
{
    fputs("\"domains\":[", f);
    for (size_t i = 0; i < s->domain_count; i++) {
        const struct wf_mon_domain *d = &s->domains[i];
        fprintf(f, "%s{", i ? "," : "");
        wf_mon_put_text(f, "domain", d->name);
        wf_mon_put_text(f, "cause", d->cause);
        fprintf(f,
            "\"products\":%zu,\"seen\":%zu,\"blind\":%zu,\"not_granted\":%zu,\"records\":%" PRIu64
            ",\"lag\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"hosts\":%" PRIu64
            ",\"hosts_late\":%" PRIu64 ",\"since_ms\":%" PRId64 ",\"token_expires_ms\":%" PRId64
            ",\"last_time_us\":%" PRId64 ",\"delay_ms\":%" PRId64 "}",
            d->products, d->seen, d->blind, d->foreign, d->records, d->lag, d->lost, d->hosts,
            d->hosts_late, s->silence[0] ? s->beat.updated_ms : d->since_ms, d->token_ms,
            d->last_us, d->delay_ms);
    }
    fputs("],", f);
}

void wf_mon_put_findings(FILE *f, const struct wf_mon_sight *s)
{
    fputs("\"findings\":[", f);
    for (size_t i = 0; i < s->finding_count; i++) {
        const struct wf_mon_finding *n = &s->findings[i];
        fprintf(f, "%s{", i ? "," : "");
        wf_mon_put_text(f, "what", n->what);
        wf_mon_put_text(f, "why", wf_mon_why_name(n->why));
        wf_mon_put_text(f, "cause", n->cause);
        wf_mon_put_text(f, "todo", n->todo);
        fprintf(
            f, "\"blind\":%s,\"since_ms\":%" PRId64 "}", n->warns ? "false" : "true", n->since_ms);
    }
    fprintf(f, "],\"findings_more\":%zu,", s->finding_more);
}
