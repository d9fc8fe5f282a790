// SPDX-License-Identifier: Apache-2.0
#include "sdk/cli/top.h"

#include <stdlib.h>

const char *const wf_top_sort_names[WF_TOP_SORTS] = { "name", "records", "bytes", "lag", "age" };

double wf_top_interval_s(const struct wf_top_sample *before, const struct wf_top_sample *now)
{
    if (!before || before->status->started_ms != now->status->started_ms ||
        now->at_ms <= before->at_ms)
        return 0;
    return (double)(now->at_ms - before->at_ms) / 1000;
}

// Negative: a counter that fell is another counter.
static double rate(uint64_t before, uint64_t now, double seconds)
{
    return now >= before ? (double)(now - before) / seconds : -1;
}

static const Weft__V1__ProductState *same_product(
    const Weft__V1__StatusReply *r, const Weft__V1__ProductState *p)
{
    for (size_t i = 0; i < r->n_products; i++)
        if (strcmp(r->products[i]->name, p->name) == 0)
            return r->products[i];
    return NULL;
}

static void put_rates(
    const struct wf_top_sample *before, const struct wf_top_sample *now, struct wf_top_product *out)
{
    double seconds = wf_top_interval_s(before, now);
    const Weft__V1__ProductState *was =
        seconds > 0 ? same_product(before->status, out->state) : NULL;

    if (!was)
        return;
    out->records_s = rate(was->records, out->state->records, seconds);
    out->bytes_s = rate(was->stored_bytes, out->state->stored_bytes, seconds);
    out->batches_s = rate(was->batches, out->state->batches, seconds);
    out->has_rates = out->records_s >= 0 && out->bytes_s >= 0 && out->batches_s >= 0;
}

// ---- silence ---------------------------------------------------------------------------------------------------------

static const Weft__V1__SourceState *source_of(const Weft__V1__StatusReply *r, const char *product)
{
    for (size_t i = 0; i < r->n_sources; i++)
        if (strcmp(r->sources[i]->product, product) == 0)
            return r->sources[i];
    return NULL;
}

static size_t agents_in(const Weft__V1__StatusReply *r, const char *state)
{
    size_t count = 0;

    for (size_t i = 0; i < r->n_agents; i++)
        count += strcmp(r->agents[i]->state, state) == 0;
    return count;
}

// The first that is known: the product itself, its source here, the hosts behind this node; else nobody says anything.
static void put_cause(const Weft__V1__StatusReply *r, struct wf_top_product *out)
{
    const Weft__V1__ProductState *p = out->state;
    const Weft__V1__SourceState *s = source_of(r, p->name);
    size_t gone = agents_in(r, "gone"), late = agents_in(r, "late");

    if (strcmp(p->state, "failing") == 0)
        snprintf(out->cause, sizeof out->cause, "its log takes nothing%s",
            r->n_alarms ? ": see the alarms" : "");
    else if (strcmp(p->state, "starting") == 0)
        snprintf(out->cause, sizeof out->cause, "its log could not be begun yet");
    else if (s && (strcmp(s->state, "failed") == 0 || strcmp(s->state, "stopped") == 0))
        snprintf(out->cause, sizeof out->cause, "source %s%s%.100s", s->state,
            s->error[0] ? ": " : "", s->error);
    else if (!s && gone + late)
        snprintf(out->cause, sizeof out->cause, "of its hosts %zu are late, %zu gone", late, gone);
    else
        snprintf(out->cause, sizeof out->cause, "nobody publishes");
}

bool wf_top_is_silent(const Weft__V1__StatusReply *r, const Weft__V1__ProductState *p)
{
    if (strcmp(p->state, "api") == 0) // it answers, and appends nothing
        return false;
    if (strcmp(p->state, "failing") == 0 || strcmp(p->state, "starting") == 0)
        return true;
    return p->freshness_ms > 0 &&
           (p->last_append_ms == 0 || r->time_ms - p->last_append_ms > p->freshness_ms);
}

const char *wf_top_agent_cause(const Weft__V1__AgentInfo *a)
{
    static const char *const causes[][2] = {
        { "late", "no poll: host down or asleep, weftd stopped there, or no way from it" },
        { "gone", "no poll for 5 min: host down, unreachable, or weftd stopped" },
        { "revoked", "revoked by this domain" },
        { "cloned", "two machines have its key: weft agent replace" },
    };

    for (size_t i = 0; i < WF_COUNT(causes); i++)
        if (strcmp(a->state, causes[i][0]) == 0)
            return causes[i][1];
    return a->skew_ms > 60000 || a->skew_ms < -60000 ? "its clock is off" : "";
}

static void put_age(const Weft__V1__StatusReply *r, struct wf_top_product *out)
{
    const Weft__V1__ProductState *p = out->state;

    out->age_ms = p->last_append_ms ? r->time_ms - p->last_append_ms : -1;
    if (p->last_append_ms && out->age_ms < 0)
        out->age_ms = 0; // the clock stepped back
    out->silent = wf_top_is_silent(r, p);
    if (out->silent)
        put_cause(r, out);
}

// ---- order -----------------------------------------------------------------------------------------------------------

static int by_name(const struct wf_top_product *a, const struct wf_top_product *b)
{
    return strcmp(a->state->name, b->state->name);
}

static int falling(double a, double b)
{
    return (b > a) - (b < a);
}

// What was never heard is older than anything.
static double age_of(const struct wf_top_product *p)
{
    return p->age_ms < 0 ? 1e18 : (double)p->age_ms;
}

static int by_records(const void *a, const void *b)
{
    const struct wf_top_product *x = a, *y = b;
    int order = falling(x->records_s, y->records_s);

    return order ? order : by_name(x, y);
}

static int by_bytes(const void *a, const void *b)
{
    const struct wf_top_product *x = a, *y = b;
    int order = falling(x->bytes_s, y->bytes_s);

    return order ? order : by_name(x, y);
}

static int by_lag(const void *a, const void *b)
{
    const struct wf_top_product *x = a, *y = b;
    int order = falling((double)x->state->lag_max, (double)y->state->lag_max);

    return order ? order : by_name(x, y);
}

static int by_age(const void *a, const void *b)
{
    const struct wf_top_product *x = a, *y = b;
    int order = falling(age_of(x), age_of(y));

    return order ? order : by_name(x, y);
}

static int by_name_alone(const void *a, const void *b)
{
    return by_name(a, b);
}

void wf_top_products(const struct wf_top_sample *before, const struct wf_top_sample *now,
    enum wf_top_sort sort, struct wf_top_product *out)
{
    static int (*const order[WF_TOP_SORTS])(const void *, const void *) = {
        [WF_TOP_NAME] = by_name_alone,
        [WF_TOP_RECORDS] = by_records,
        [WF_TOP_BYTES] = by_bytes,
        [WF_TOP_LAG] = by_lag,
        [WF_TOP_AGE] = by_age,
    };
    const Weft__V1__StatusReply *r = now->status;

    for (size_t i = 0; i < r->n_products; i++) {
        out[i] = (struct wf_top_product){ .state = r->products[i] };
        put_rates(before, now, &out[i]);
        put_age(r, &out[i]);
    }
    if (r->n_products)
        qsort(out, r->n_products, sizeof *out, order[sort]);
}

double wf_top_drops_s(const struct wf_top_sample *before, const struct wf_top_sample *now,
    const Weft__V1__QueueState *queue)
{
    double seconds = wf_top_interval_s(before, now);

    for (size_t i = 0; seconds > 0 && i < before->status->n_queues; i++)
        if (strcmp(before->status->queues[i]->name, queue->name) == 0)
            return rate(before->status->queues[i]->dropped, queue->dropped, seconds);
    return -1;
}

static bool is_same_reader(const Weft__V1__ReaderState *a, const Weft__V1__ReaderState *b)
{
    return strcmp(a->reader, b->reader) == 0 && strcmp(a->product, b->product) == 0 &&
           strcmp(a->verb, b->verb) == 0;
}

// Several programs of one identity read one product: which is which nobody says.
static const Weft__V1__ReaderState *only_one_like(
    const Weft__V1__StatusReply *r, const Weft__V1__ReaderState *reader)
{
    const Weft__V1__ReaderState *found = NULL;

    for (size_t i = 0; i < r->n_readers; i++) {
        if (!is_same_reader(r->readers[i], reader))
            continue;
        if (found)
            return NULL;
        found = r->readers[i];
    }
    return found;
}

double wf_top_reader_s(const struct wf_top_sample *before, const struct wf_top_sample *now,
    const Weft__V1__ReaderState *reader)
{
    double seconds = wf_top_interval_s(before, now);

    if (seconds <= 0 || !only_one_like(now->status, reader))
        return -1;
    const Weft__V1__ReaderState *was = only_one_like(before->status, reader);
    bool known = was && was->heard_ms >= 0 && reader->heard_ms >= 0;
    return known ? rate(was->position, reader->position, seconds) : -1;
}
