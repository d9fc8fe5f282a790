// SPDX-License-Identifier: Apache-2.0
// What is told, as JSON in one line. See notify.h.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/alert/message.h"
#include "domains/monitoring/alert/notify.h"
#include "domains/monitoring/common/print.h"

void wf_json_text(FILE *f, const char *name, const char *text)
{
    char *json = wf_mon_json_string(text, strlen(text));

    fprintf(f, "\"%s\":%s,", name, json ? json : "\"\"");
    free(json);
}

void wf_json_time(FILE *f, const char *name, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[40];

    if (ms <= 0 || !gmtime_r(&s, &tm)) {
        fprintf(f, "\"%s\":null,", name);
        return;
    }
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(f, "\"%s\":\"%s.%03dZ\",", name, text, (int)(ms % 1000));
}

void wf_json_labels(FILE *f, const struct wf_labels *l)
{
    const char *name, *value;
    bool first = true;

    fputs("\"labels\":{", f);
    for (size_t at = 0; wf_labels_next(l, &at, &name, &value); first = false) {
        char *json = wf_mon_json_string(value, strlen(value));
        fprintf(f, "%s\"%s\":%s", first ? "" : ",", name, json ? json : "\"\"");
        free(json);
    }
    fputs("},", f);
}

char *wf_json_done(FILE *f, char **text)
{
    bool ok = !ferror(f);

    if (fclose(f) == 0 && ok)
        return *text;
    free(*text);
    return NULL;
}

static void put_time(FILE *f, const char *name, int64_t ms, bool proto3)
{
    if (ms > 0 || !proto3)
        wf_json_time(f, name, ms);
}

static void put_evidence(
    FILE *f, const char *role, const struct wf_evidence *e, bool *first, bool proto3)
{
    const char *quote = proto3 ? "\"" : "";

    if (!e->product[0])
        return;
    fprintf(f, "%s{\"role\":\"%s\",", *first ? "" : ",", role);
    wf_json_text(f, "product", e->product);
    wf_json_text(f, "origin", e->origin);
    put_time(f, "time", e->time_ms, proto3);
    fprintf(f, "\"offset\":%s%" PRIu64 "%s}", quote, e->offset, quote);
    *first = false;
}

void wf_json_alert(FILE *f, const struct wf_alert *a, bool proto3)
{
    bool first = true;

    wf_json_text(f, "rule", a->rule);
    if (a->by[0] || proto3)
        wf_json_text(f, "by", a->by);
    wf_json_text(f, "severity", wf_severity_name(a->severity));
    wf_json_text(f, "state", wf_alert_state_name(a->state));
    wf_json_text(f, "product", a->product);
    wf_json_labels(f, &a->labels);
    if (a->has_value && isfinite(a->value)) // JSON knows no other
        fprintf(f, "\"value\":%.17g,", a->value);
    else if (!proto3)
        fputs("\"value\":null,", f);
    wf_json_text(f, "summary", a->summary);
    wf_json_text(f, "description", a->description);
    wf_json_text(f, "runbook", a->runbook);
    wf_json_text(f, "detail", a->detail);
    put_time(f, "since", a->since_ms, proto3);
    put_time(f, "fired", a->fired_ms, proto3);
    put_time(f, "resolved", a->resolved_ms, proto3);
    fputs("\"evidence\":[", f);
    put_evidence(f, "began", &a->began, &first, proto3);
    put_evidence(f, "fired", &a->fired, &first, proto3);
    put_evidence(f, "last", &a->last, &first, proto3);
    fputc(']', f);
}

static void put_alert(FILE *f, const struct wf_alert *a)
{
    fputc('{', f);
    wf_json_text(f, "id", a->id);
    wf_json_alert(f, a, false);
    fputc('}', f);
}

// One that begins to be wrong again, which is not told before it fires, is over for who hears of it.
static void put_told(FILE *f, const struct wf_alert *a)
{
    struct wf_alert over;

    if (a->state == WF_ALERT_FIRING) {
        put_alert(f, a);
        return;
    }
    over = *a;
    over.state = WF_ALERT_RESOLVED;
    put_alert(f, &over);
}

static bool any_firing(struct wf_alert *const *alerts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (alerts[i]->state == WF_ALERT_FIRING)
            return true;
    return false;
}

char *wf_message(const char *monitor, const char *group, struct wf_alert *const *alerts,
    size_t count, size_t more, int64_t now_ms)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    if (!f)
        return NULL;
    fputs("{\"schema\":\"weft.alerts/v1\",", f);
    wf_json_text(f, "status", any_firing(alerts, count) ? "firing" : count ? "resolved" : group);
    wf_json_text(f, "monitor", monitor);
    wf_json_text(f, "group", group);
    wf_json_time(f, "sent", now_ms);
    fprintf(f, "\"more\":%zu,\"alerts\":[", more);
    for (size_t i = 0; i < count; i++) {
        if (i)
            fputc(',', f);
        put_told(f, alerts[i]);
    }
    fputs("]}\n", f);
    return wf_json_done(f, &out);
}

// What Alertmanager calls annotations; those without a text are left out.
static void put_annotations(FILE *f, const struct wf_alert *a)
{
    const struct {
        const char *name, *text;
    } texts[] = { { "summary", a->summary }, { "description", a->description },
        { "runbook_url", a->runbook }, { "detail", a->detail } };

    fputs("\"annotations\":{", f);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text[0])
            wf_json_text(f, texts[i].name, texts[i].text);
    fprintf(f, "\"weft_alert\":\"%s\"}", a->id);
}

static void put_for_alertmanager(FILE *f, const struct wf_alert *a, int64_t ends_ms)
{
    struct wf_labels labels = a->labels;

    (void)wf_labels_set(&labels, "alertname", a->rule, strlen(a->rule));
    (void)wf_labels_set(
        &labels, "severity", wf_severity_name(a->severity), strlen(wf_severity_name(a->severity)));
    // A stranger's rule must not look like another product's.
    if (!wf_labels_get(&labels, "product") || a->by[0])
        (void)wf_labels_set(&labels, "product", a->product, strlen(a->product));
    fputc('{', f);
    wf_json_labels(f, &labels);
    wf_json_time(f, "startsAt", a->fired_ms);
    wf_json_time(f, "endsAt", a->state == WF_ALERT_RESOLVED ? a->resolved_ms : ends_ms);
    put_annotations(f, a);
    fputc('}', f);
}

char *wf_message_alertmanager(struct wf_alert *const *alerts, size_t count, int64_t ends_ms)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    if (!f)
        return NULL;
    fputc('[', f);
    for (size_t i = 0; i < count; i++) {
        if (i)
            fputc(',', f);
        put_for_alertmanager(f, alerts[i], ends_ms);
    }
    fputs("]\n", f);
    return wf_json_done(f, &out);
}
