// SPDX-License-Identifier: Apache-2.0
// One sample as one JSON object, weft.top/v1: the same figures as the picture, with units in their names and null for what is not known.
#include <stdlib.h>

#include "sdk/cli/top.h"

struct writer {
    struct wf_buf *out;
    enum weft_err err;
    bool first; // of the object or list begun last
};

static void raw(struct writer *w, const char *text)
{
    w->err = w->err ? w->err : wf_buf_append_str(w->out, text);
}

static void name(struct writer *w, const char *key)
{
    if (!w->first)
        raw(w, ",");
    w->first = false;
    if (!key)
        return;
    raw(w, "\"");
    raw(w, key);
    raw(w, "\":");
}

static void text(struct writer *w, const char *key, const char *v)
{
    name(w, key);
    w->err = w->err ? w->err : wf_cli_json_string(w->out, v);
}

static void whole(struct writer *w, const char *key, int64_t v)
{
    name(w, key);
    w->err = w->err ? w->err : wf_buf_printf(w->out, "%lld", (long long)v);
}

// Negative: not known.
static void part(struct writer *w, const char *key, double v)
{
    name(w, key);
    w->err = w->err  ? w->err
             : v < 0 ? wf_buf_append_str(w->out, "null")
                     : wf_buf_printf(w->out, "%.3f", v);
}

static void age(struct writer *w, const char *key, int64_t ms)
{
    name(w, key);
    w->err = w->err   ? w->err
             : ms < 0 ? wf_buf_append_str(w->out, "null")
                      : wf_buf_printf(w->out, "%lld", (long long)ms);
}

static void flag(struct writer *w, const char *key, bool v)
{
    name(w, key);
    raw(w, v ? "true" : "false");
}

static void begin(struct writer *w, const char *key, const char *bracket)
{
    name(w, key);
    raw(w, bracket);
    w->first = true;
}

static void end(struct writer *w, const char *bracket)
{
    raw(w, bracket);
    w->first = false;
}

static void product(struct writer *w, const struct wf_top_product *t)
{
    const Weft__V1__ProductState *s = t->state;

    begin(w, NULL, "{");
    text(w, "product", s->name);
    text(w, "state", s->state);
    part(w, "records_per_s", t->has_rates ? t->records_s : -1);
    part(w, "bytes_per_s", t->has_rates ? t->bytes_s : -1);
    part(w, "batches_per_s", t->has_rates ? t->batches_s : -1);
    whole(w, "head", (int64_t)s->head);
    whole(w, "floor", (int64_t)s->floor);
    whole(w, "epoch", (int64_t)s->epoch);
    whole(w, "leases", s->leases);
    whole(w, "readers", s->readers);
    age(w, "lag_min", s->readers ? (int64_t)s->lag_min : -1);
    age(w, "lag_max", s->readers ? (int64_t)s->lag_max : -1);
    age(w, "age_ms", t->age_ms);
    flag(w, "silent", t->silent);
    text(w, "cause", t->cause);
    end(w, "}");
}

static void sources(struct writer *w, const Weft__V1__StatusReply *r)
{
    begin(w, "sources", "[");
    for (size_t i = 0; i < r->n_sources; i++) {
        const Weft__V1__SourceState *s = r->sources[i];
        begin(w, NULL, "{");
        text(w, "product", s->product);
        text(w, "state", s->state);
        age(w, "age_ms", s->last_record_ms ? r->time_ms - s->last_record_ms : -1);
        whole(w, "restarts", s->restarts);
        text(w, "cause", s->error);
        end(w, "}");
    }
    end(w, "]");
}

static void readers(struct writer *w, const Weft__V1__StatusReply *r)
{
    whole(w, "reader_count", (int64_t)r->reader_count);
    begin(w, "readers", "[");
    for (size_t i = 0; i < r->n_readers; i++) {
        const Weft__V1__ReaderState *s = r->readers[i];
        begin(w, NULL, "{");
        text(w, "reader", s->reader);
        text(w, "product", s->product);
        text(w, "verb", s->verb);
        whole(w, "position", (int64_t)s->position);
        age(w, "lag", s->heard_ms < 0 ? -1 : (int64_t)s->lag);
        age(w, "heard_ms", s->heard_ms);
        whole(w, "lease_ends_ms", s->ends_ms);
        end(w, "}");
    }
    end(w, "]");
}

static void peers(struct writer *w, const Weft__V1__StatusReply *r)
{
    begin(w, "peers", "[");
    for (size_t i = 0; i < r->n_peers; i++) {
        const Weft__V1__PeerState *s = r->peers[i];
        begin(w, NULL, "{");
        text(w, "domain", s->domain);
        text(w, "subject", s->subject);
        text(w, "address", s->address);
        age(w, "heard_ms", s->heard_ms);
        text(w, "cause", s->error);
        end(w, "}");
    }
    end(w, "]");
}

static void agents(struct writer *w, const Weft__V1__StatusReply *r)
{
    whole(w, "agent_count", (int64_t)r->agent_count);
    begin(w, "agents", "[");
    for (size_t i = 0; i < r->n_agents; i++) {
        const Weft__V1__AgentInfo *s = r->agents[i];
        begin(w, NULL, "{");
        text(w, "agent", s->subject);
        text(w, "state", s->state);
        age(w, "heard_ms", s->heard_ms);
        age(w, "spool_bytes", s->last ? (int64_t)s->last->spool_bytes : -1);
        age(w, "spool_records", s->last ? (int64_t)s->last->spool_records : -1);
        age(w, "lost_records", s->last ? (int64_t)s->last->lost_records : -1);
        whole(w, "skew_ms", s->skew_ms);
        end(w, "}");
    }
    end(w, "]");
}

static void queues(
    struct writer *w, const struct wf_top_sample *before, const struct wf_top_sample *now)
{
    begin(w, "queues", "[");
    for (size_t i = 0; i < now->status->n_queues; i++) {
        const Weft__V1__QueueState *q = now->status->queues[i];
        begin(w, NULL, "{");
        text(w, "queue", q->name);
        whole(w, "items", (int64_t)q->items);
        whole(w, "bytes", (int64_t)q->bytes);
        whole(w, "max_items", (int64_t)q->max_items);
        whole(w, "max_bytes", (int64_t)q->max_bytes);
        whole(w, "dropped", (int64_t)q->dropped);
        part(w, "drops_per_s", wf_top_drops_s(before, now, q));
        end(w, "}");
    }
    end(w, "]");
}

enum weft_err wf_top_json(const struct wf_top_sample *before, const struct wf_top_sample *now,
    enum wf_top_sort sort, struct wf_buf *out)
{
    const Weft__V1__StatusReply *r = now->status;
    struct writer w = { .out = out, .first = true };
    struct wf_top_product *list = calloc(r->n_products + 1, sizeof *list);

    if (!list)
        return WEFT_E_NOMEM;
    wf_top_products(before, now, sort, list);
    begin(&w, NULL, "{");
    text(&w, "schema", "weft.top/v1");
    whole(&w, "time_ms", r->time_ms);
    whole(&w, "interval_ms", (int64_t)(wf_top_interval_s(before, now) * 1000 + 0.5));
    text(&w, "domain", r->domain);
    text(&w, "subject", r->subject);
    text(&w, "kind", r->kind);
    whole(&w, "started_ms", r->started_ms);
    begin(&w, "alarms", "[");
    for (size_t i = 0; i < r->n_alarms; i++)
        text(&w, NULL, r->alarms[i]);
    end(&w, "]");
    begin(&w, "products", "[");
    for (size_t i = 0; i < r->n_products; i++)
        product(&w, &list[i]);
    end(&w, "]");
    sources(&w, r);
    readers(&w, r);
    peers(&w, r);
    agents(&w, r);
    queues(&w, before, now);
    if (r->agent) {
        whole(&w, "spool_bytes", (int64_t)r->agent->spool_bytes);
        whole(&w, "spool_records", (int64_t)r->agent->spool_records);
        whole(&w, "lost_records", (int64_t)r->agent->lost_records);
    }
    end(&w, "}\n");
    free(list);
    return w.err;
}
