// SPDX-License-Identifier: Apache-2.0
#include "node/signals/rows.h"

#include "proto/schema/json_out.h"
#include "sdk/json.h"

static void put_ms(struct wf_json_out *o, const char *key, double us)
{
    wf_json_out_key(o, wf_bytes_str(key));
    wf_json_out_double(o, us / 1000.0);
}

static void put_uint(struct wf_json_out *o, const char *key, uint64_t v)
{
    wf_json_out_key(o, wf_bytes_str(key));
    wf_json_out_uint(o, v);
}

static void put_times(struct wf_json_out *o, const struct wf_signal *s)
{
    if (s->took && s->took->count) {
        put_ms(o, "latencyP50Ms", (double)wf_latency_quantile(s->took, 0.5));
        put_ms(o, "latencyP99Ms", (double)wf_latency_quantile(s->took, 0.99));
    }
    if (s->age && s->age->count)
        put_ms(o, "ageP99Ms", (double)wf_latency_quantile(s->age, 0.99));
    if (s->silent_ms >= 0)
        wf_json_out_member_int(o, "silentMs", s->silent_ms);
    if (s->freshness_ms)
        wf_json_out_member_int(o, "freshnessMs", s->freshness_ms);
    if (s->expires_ms)
        wf_json_out_member_int(o, "expiresMs", s->expires_ms);
}

static enum weft_err row_json(
    const struct wf_node *n, const struct wf_signal *s, struct wf_buf *out)
{
    struct wf_json_out o;

    wf_json_out_init(&o, out, 4096, 0);
    wf_json_out_object(&o);
    wf_json_out_member(&o, "node", wf_bytes_str(n->identity.cert.subject.s));
    wf_json_out_member(&o, "kind", wf_bytes_str(s->kind));
    wf_json_out_member(&o, "name", wf_bytes_str(s->name));
    put_uint(&o, "traffic", s->traffic);
    put_uint(&o, "errors", s->errors);
    put_uint(&o, "bytes", s->bytes);
    put_times(&o, s);
    if (s->saturation >= 0) {
        wf_json_out_key(&o, WF_STR("saturation"));
        wf_json_out_double(&o, s->saturation);
    }
    if (s->is_stream) {
        put_uint(&o, "readers", s->readers);
        put_uint(&o, "lagRecords", s->lag_records);
    }
    wf_json_out_end(&o);
    return wf_json_out_done(&o);
}

void wf_signals_add(struct wf_signals *s, const struct wf_signal *one)
{
    struct wf_diag diag = { 0 };
    bool used =
        one->traffic || one->errors || one->is_stream || one->saturation >= 0 || one->expires_ms;

    if (s->err || !used)
        return;
    s->json.len = s->record.len = 0;
    s->err = row_json(s->node, one, &s->json);
    if (!s->err)
        s->err = wf_json_to_record(s->message, wf_buf_view(&s->json), &s->record, &diag);
    if (!s->err)
        s->err = wf_records_put(&s->rows, WF_OP_PUT, s->now_us, wf_buf_view(&s->record));
    if (!s->err && s->rows.raw.len > 64u * WF_KIB)
        s->err = s->full(s);
    if (one->took)
        *one->took = (struct wf_latency){ 0 };
    if (one->age)
        *one->age = (struct wf_latency){ 0 };
}
