// SPDX-License-Identifier: Apache-2.0
// One sample as one JSON object, weft.top/v1: the same figures as the picture, with units in their names and null for what is not known.
#include <stdio.h>
#include <stdlib.h>

#include "proto/schema/json_out.h"
#include "sdk/cli/top.h"

// A cause may quote a program, which may have printed anything.
static void text(struct wf_json_out *o, const char *key, const char *v)
{
    char plain[WF_TOP_CAUSE];

    if (!wf_utf8_is_valid(wf_bytes_str(v))) {
        snprintf(plain, sizeof plain, "%s", v);
        for (char *c = plain; *c; c++)
            *c = (unsigned char)*c < 0x80 ? *c : '?';
        v = plain;
    }
    wf_json_out_key(o, wf_bytes_str(key));
    wf_json_out_string(o, wf_bytes_str(v));
}

// Negative: not known.
static void part(struct wf_json_out *o, const char *key, double v)
{
    wf_json_out_key(o, wf_bytes_str(key));
    if (v < 0)
        wf_json_out_null(o);
    else
        wf_json_out_double(o, (double)(int64_t)(v * 1000 + 0.5) / 1000); // three digits say enough
}

static void known(struct wf_json_out *o, const char *key, int64_t v)
{
    wf_json_out_key(o, wf_bytes_str(key));
    if (v < 0)
        wf_json_out_null(o);
    else
        wf_json_out_int(o, v);
}

static void list_of(struct wf_json_out *o, const char *key)
{
    wf_json_out_key(o, wf_bytes_str(key));
    wf_json_out_array(o);
}

static void product(struct wf_json_out *o, const struct wf_top_product *t)
{
    const Weft__V1__ProductState *s = t->state;

    wf_json_out_object(o);
    text(o, "product", s->name);
    text(o, "state", s->state);
    part(o, "records_per_s", t->has_rates ? t->records_s : -1);
    part(o, "bytes_per_s", t->has_rates ? t->bytes_s : -1);
    part(o, "batches_per_s", t->has_rates ? t->batches_s : -1);
    wf_json_out_member_int(o, "head", (int64_t)s->head);
    wf_json_out_member_int(o, "floor", (int64_t)s->floor);
    wf_json_out_member_int(o, "epoch", (int64_t)s->epoch);
    wf_json_out_member_int(o, "leases", s->leases);
    wf_json_out_member_int(o, "readers", s->readers);
    known(o, "lag_min", s->readers ? (int64_t)s->lag_min : -1);
    known(o, "lag_max", s->readers ? (int64_t)s->lag_max : -1);
    known(o, "age_ms", t->age_ms);
    wf_json_out_member_bool(o, "silent", t->silent);
    text(o, "cause", t->cause);
    wf_json_out_end(o);
}

static void sources(struct wf_json_out *o, const Weft__V1__StatusReply *r)
{
    list_of(o, "sources");
    for (size_t i = 0; i < r->n_sources; i++) {
        const Weft__V1__SourceState *s = r->sources[i];
        wf_json_out_object(o);
        text(o, "product", s->product);
        text(o, "state", s->state);
        known(o, "age_ms", s->last_record_ms ? r->time_ms - s->last_record_ms : -1);
        wf_json_out_member_int(o, "restarts", s->restarts);
        text(o, "cause", s->error);
        wf_json_out_end(o);
    }
    wf_json_out_end(o);
}

static void readers(
    struct wf_json_out *o, const struct wf_top_sample *before, const struct wf_top_sample *now)
{
    const Weft__V1__StatusReply *r = now->status;

    wf_json_out_member_int(o, "reader_count", (int64_t)r->reader_count);
    list_of(o, "readers");
    for (size_t i = 0; i < r->n_readers; i++) {
        const Weft__V1__ReaderState *s = r->readers[i];
        wf_json_out_object(o);
        text(o, "reader", s->reader);
        text(o, "product", s->product);
        text(o, "verb", s->verb);
        wf_json_out_member_int(o, "position", (int64_t)s->position);
        part(o, "records_per_s", wf_top_reader_s(before, now, s));
        known(o, "lag", s->heard_ms < 0 ? -1 : (int64_t)s->lag);
        known(o, "heard_ms", s->heard_ms);
        wf_json_out_member_int(o, "lease_ends_ms", s->ends_ms);
        wf_json_out_member_int(o, "unsent", (int64_t)s->unsent);
        wf_json_out_end(o);
    }
    wf_json_out_end(o);
}

static void peers(struct wf_json_out *o, const Weft__V1__StatusReply *r)
{
    list_of(o, "peers");
    for (size_t i = 0; i < r->n_peers; i++) {
        const Weft__V1__PeerState *s = r->peers[i];
        wf_json_out_object(o);
        text(o, "domain", s->domain);
        text(o, "subject", s->subject);
        text(o, "address", s->address);
        known(o, "heard_ms", s->heard_ms);
        text(o, "cause", s->error);
        wf_json_out_end(o);
    }
    wf_json_out_end(o);
}

static void agents(struct wf_json_out *o, const Weft__V1__StatusReply *r)
{
    wf_json_out_member_int(o, "agent_count", (int64_t)r->agent_count);
    list_of(o, "agents");
    for (size_t i = 0; i < r->n_agents; i++) {
        const Weft__V1__AgentInfo *s = r->agents[i];
        wf_json_out_object(o);
        text(o, "agent", s->subject);
        text(o, "state", s->state);
        known(o, "heard_ms", s->heard_ms);
        known(o, "spool_bytes", s->last ? (int64_t)s->last->spool_bytes : -1);
        known(o, "spool_records", s->last ? (int64_t)s->last->spool_records : -1);
        known(o, "lost_records", s->last ? (int64_t)s->last->lost_records : -1);
        wf_json_out_member_int(o, "skew_ms", s->skew_ms);
        wf_json_out_end(o);
    }
    wf_json_out_end(o);
}

static void queues(
    struct wf_json_out *o, const struct wf_top_sample *before, const struct wf_top_sample *now)
{
    list_of(o, "queues");
    for (size_t i = 0; i < now->status->n_queues; i++) {
        const Weft__V1__QueueState *q = now->status->queues[i];
        wf_json_out_object(o);
        text(o, "queue", q->name);
        wf_json_out_member_int(o, "items", (int64_t)q->items);
        wf_json_out_member_int(o, "bytes", (int64_t)q->bytes);
        wf_json_out_member_int(o, "max_items", (int64_t)q->max_items);
        wf_json_out_member_int(o, "max_bytes", (int64_t)q->max_bytes);
        wf_json_out_member_int(o, "dropped", (int64_t)q->dropped);
        part(o, "drops_per_s", wf_top_drops_s(before, now, q));
        wf_json_out_end(o);
    }
    wf_json_out_end(o);
}

enum weft_err wf_top_json(const struct wf_top_sample *before, const struct wf_top_sample *now,
    enum wf_top_sort sort, struct wf_buf *out)
{
    const Weft__V1__StatusReply *r = now->status;
    struct wf_json_out o;
    struct wf_top_product *list = calloc(r->n_products + 1, sizeof *list);

    if (!list)
        return WEFT_E_NOMEM;
    wf_top_products(before, now, sort, list);
    wf_json_out_init(&o, out, WF_MAX_JSON, 0);
    wf_json_out_object(&o);
    text(&o, "schema", "weft.top/v1");
    wf_json_out_member_int(&o, "time_ms", r->time_ms);
    wf_json_out_member_int(
        &o, "interval_ms", (int64_t)(wf_top_interval_s(before, now) * 1000 + 0.5));
    text(&o, "domain", r->domain);
    text(&o, "subject", r->subject);
    text(&o, "kind", r->kind);
    wf_json_out_member_int(&o, "started_ms", r->started_ms);
    list_of(&o, "alarms");
    for (size_t i = 0; i < r->n_alarms; i++)
        wf_json_out_string(&o, wf_bytes_str(r->alarms[i]));
    wf_json_out_end(&o);
    list_of(&o, "products");
    for (size_t i = 0; i < r->n_products; i++)
        product(&o, &list[i]);
    wf_json_out_end(&o);
    sources(&o, r);
    readers(&o, before, now);
    peers(&o, r);
    agents(&o, r);
    queues(&o, before, now);
    if (r->agent) {
        wf_json_out_member_int(&o, "spool_bytes", (int64_t)r->agent->spool_bytes);
        wf_json_out_member_int(&o, "spool_records", (int64_t)r->agent->spool_records);
        wf_json_out_member_int(&o, "lost_records", (int64_t)r->agent->lost_records);
    }
    wf_json_out_end(&o);
    free(list);
    enum weft_err err = wf_json_out_done(&o);
    return err ? err : wf_buf_append_byte(out, '\n');
}
