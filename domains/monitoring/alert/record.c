// SPDX-License-Identifier: Apache-2.0
// An alert as a record of weft.monitoring.v1.Alert, in proto3 JSON. See spread.h.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/message.h"
#include "domains/monitoring/alert/spread.h"

// Absent where there is none: proto3 JSON knows no empty time.
static void put_since(FILE *f, const char *name, int64_t ms)
{
    if (ms > 0)
        wf_json_time(f, name, ms);
}

static void put_evidence(FILE *f, const char *role, const struct wf_evidence *e, bool *first)
{
    if (!e->product[0])
        return;
    fprintf(f, "%s{\"role\":\"%s\",", *first ? "" : ",", role);
    wf_json_text(f, "product", e->product);
    wf_json_text(f, "origin", e->origin);
    put_since(f, "time", e->time_ms);
    fprintf(f, "\"offset\":\"%" PRIu64 "\"}", e->offset);
    *first = false;
}

static void put_people(
    FILE *f, const struct wf_alert *a, const struct wf_silence *s, int64_t now_ms)
{
    if (a->state != WF_ALERT_FIRING) // what is over needs no word of anybody
        return;
    if (wf_alert_is_acked(a, now_ms)) {
        wf_json_text(f, "acknowledgedBy", a->acked_by);
        wf_json_text(f, "acknowledgedNote", a->ack_note);
        put_since(f, "acknowledgedUntil", a->ack_until_ms);
    }
    if (s) {
        wf_json_text(f, "silencedBy", s->by);
        wf_json_text(f, "silencedNote", s->note);
        put_since(f, "silencedUntil", s->ends_ms);
    }
}

static void put_alert(FILE *f, const struct wf_alert *a)
{
    bool first = true;

    wf_json_text(f, "rule", a->rule);
    wf_json_text(f, "by", a->by);
    wf_json_text(f, "severity", wf_severity_name(a->severity));
    wf_json_text(f, "state", wf_alert_state_name(a->state));
    wf_json_text(f, "product", a->product);
    wf_json_labels(f, &a->labels);
    if (a->has_value && isfinite(a->value))
        fprintf(f, "\"value\":%.17g,", a->value);
    wf_json_text(f, "summary", a->summary);
    wf_json_text(f, "description", a->description);
    wf_json_text(f, "runbook", a->runbook);
    wf_json_text(f, "detail", a->detail);
    put_since(f, "since", a->since_ms);
    put_since(f, "fired", a->fired_ms);
    put_since(f, "resolved", a->resolved_ms);
    fputs("\"evidence\":[", f);
    put_evidence(f, "began", &a->began, &first);
    put_evidence(f, "fired", &a->fired, &first);
    put_evidence(f, "last", &a->last, &first);
    fputs("],", f);
}

char *wf_alert_record(
    const char *monitor, const struct wf_alert *a, const struct wf_silence *s, int64_t now_ms)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    if (!f)
        return NULL;
    fputc('{', f);
    wf_json_text(f, "monitor", monitor);
    wf_json_text(f, "id", a->id);
    put_alert(f, a);
    put_people(f, a, s, now_ms);
    fprintf(f, "\"episode\":\"%" PRIu64 "\"}", a->episode);
    return wf_json_done(f, &out);
}

char *wf_alert_record_key(const char *monitor, const char *id)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    if (!f)
        return NULL;
    fputc('{', f);
    wf_json_text(f, "monitor", monitor);
    fprintf(f, "\"id\":\"%s\"}", id);
    return wf_json_done(f, &out);
}

uint64_t wf_alert_sum(const struct wf_alert *a, const struct wf_silence *s, int64_t now_ms)
{
    bool fires = a->state == WF_ALERT_FIRING, acked = fires && wf_alert_is_acked(a, now_ms);
    const int64_t numbers[] = { a->state, a->severity, (int64_t)a->episode,
        acked ? a->ack_until_ms : 0, fires && s ? (int64_t)s->id : 0, fires && s ? s->ends_ms : 0 };
    uint64_t sum = wf_sum(0, numbers, sizeof numbers);

    sum = wf_sum(sum, a->acked_by, acked ? strlen(a->acked_by) : 0);
    return sum ? sum : 1; // 0: nothing was told
}
