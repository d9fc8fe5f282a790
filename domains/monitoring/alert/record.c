// SPDX-License-Identifier: Apache-2.0
// An alert as a record of weft.monitoring.v1.Alert, in proto3 JSON. See spread.h.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domains/monitoring/alert/message.h"
#include "domains/monitoring/alert/spread.h"

static void put_people(
    FILE *f, const struct wf_alert *a, const struct wf_silence *s, int64_t now_ms)
{
    if (a->state != WF_ALERT_FIRING) // what is over needs no word of anybody
        return;
    if (wf_alert_is_acked(a, now_ms)) {
        wf_json_text(f, "acknowledgedBy", a->acked_by);
        wf_json_text(f, "acknowledgedNote", a->ack_note);
        wf_json_time(f, "acknowledgedUntil", a->ack_until_ms);
    }
    if (s) {
        wf_json_text(f, "silencedBy", s->by);
        wf_json_text(f, "silencedNote", s->note);
        wf_json_time(f, "silencedUntil", s->ends_ms);
    }
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
    wf_json_alert(f, a, true);
    fputc(',', f);
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
