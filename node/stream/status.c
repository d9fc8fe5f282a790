// SPDX-License-Identifier: Apache-2.0
// What the stream room tells people and metrics. Loop thread only.
#include <stdio.h>
#include <stdlib.h>

#include "node/address.h"
#include "node/call.h"
#include "node/metrics.h"
#include "node/queues.h"
#include "node/status.h"
#include "node/stream/priv.h"

#define SLOW_HOSTS 16u // of a product, on /metrics

static const char *state_of(const struct wf_home_product *p)
{
    if (p->failing)
        return "failing";
    if (!wf_home_has_stream(p))
        return "api";
    if (p->frozen)
        return "moving";
    return wf_incarnation_is_none(&p->log_id) ? "starting" : "up";
}

static char *endpoint_of(const struct wf_home_product *p, struct wf_arena *a)
{
    char text[WF_ADDRESS_TEXT];
    struct wf_address at;
    const char *copy = NULL;

    if (!p->pub)
        return wf_pb_str("");
    wf_node_shown_address(p->room->node, &at);
    at.port = p->port;
    return wf_arena_str(a, wf_bytes_str(wf_address_text(&at, text)), &copy) ? wf_pb_str("")
                                                                            : wf_pb_str(copy);
}

// ---- who reads, and how far ------------------------------------------------------------------------------------------

static uint64_t lag_of(const struct wf_lease *l)
{
    return l->positioned && l->product->head > l->position ? l->product->head - l->position : 0;
}

// One pass over the leases for all products.
static void survey(struct wf_stream_room *r)
{
    if (!r)
        return; // of an agent
    for (struct wf_home_product *p = r->products; p; p = p->next) {
        struct wf_net_pub_stats s = { 0 };
        if (p->pub)
            wf_net_pub_get_stats(p->pub, &s);
        p->seen.readers = p->seen.lag_min = p->seen.lag_max = 0;
        p->seen.connections = s.pipes;
        p->seen.waiting = s.queued;
        p->seen.unsent = s.dropped;
    }
    for (const struct wf_lease *l = r->leases; l; l = l->next) {
        struct wf_home_product *p = l->product;
        uint64_t lag = lag_of(l);
        if (!l->positioned)
            continue;
        if (p->seen.readers++ == 0 || lag < p->seen.lag_min)
            p->seen.lag_min = lag;
        if (lag > p->seen.lag_max)
            p->seen.lag_max = lag;
    }
}

static int furthest_first(const void *a, const void *b)
{
    const struct wf_lease *x = *(const struct wf_lease *const *)a,
                          *y = *(const struct wf_lease *const *)b;
    uint64_t lx = lag_of(x), ly = lag_of(y);

    return (ly > lx) - (ly < lx);
}

// What a reader's host was not sent of the stream; its connections do not say whose they are. Needs survey().
static uint64_t unsent_of(const struct wf_lease *l)
{
    const struct wf_home_product *p = l->product;

    return l->addr.family && p->pub && p->seen.unsent ? wf_net_pub_host_of(p->pub, &l->addr).dropped
                                                      : 0;
}

static Weft__V1__ReaderState *reader_in(struct wf_arena *a, const struct wf_lease *l)
{
    const struct wf_node *n = l->product->room->node;
    Weft__V1__ReaderState *s = wf_arena_alloc(a, sizeof *s);

    if (!s)
        return NULL;
    weft__v1__reader_state__init(s);
    s->product = wf_pb_str(l->product->collect->product.name);
    s->reader = wf_pb_str(l->label);
    s->verb = wf_pb_str(l->verb == WF_VERB_SUBSCRIBE ? "subscribe" : "replay");
    s->position = l->position;
    s->lag = lag_of(l);
    s->heard_ms = l->positioned ? wf_node_now_ms(n) - l->heard_ms : -1;
    s->ends_ms = l->expires_unix_ms - wf_node_now_unix_ms(n);
    s->unsent = unsent_of(l);
    return s;
}

void wf_stream_readers(struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *reply)
{
    struct wf_stream_room *r = n->stream;
    size_t count = 0;

    if (!r)
        return;
    const struct wf_lease **by_lag = wf_arena_calloc(a, r->lease_count + 1, sizeof *by_lag);
    reply->readers = wf_arena_calloc(a, WF_STATUS_ROWS, sizeof *reply->readers);
    if (!by_lag || !reply->readers)
        return;
    survey(r);
    for (const struct wf_lease *l = r->leases; l && count < r->lease_count; l = l->next)
        by_lag[count++] = l;
    qsort(by_lag, count, sizeof *by_lag, furthest_first);
    reply->reader_count = count;
    for (size_t i = 0; i < count && i < WF_STATUS_ROWS; i++) {
        Weft__V1__ReaderState *s = reader_in(a, by_lag[i]);
        if (s)
            reply->readers[reply->n_readers++] = s;
    }
}

void wf_stream_queues(const struct wf_node *n, struct wf_queues *out)
{
    const struct wf_stream_room *r = n->stream;
    struct wf_queue pending = { .name = "pending",
        .bytes = r->pending_bytes,
        .max_bytes = WF_PENDING_MAX,
        .dropped = r->pending_full };
    struct wf_queue ahead = { .name = "ahead" };
    struct wf_net_sending s;

    for (const struct wf_home_product *p = r->products; p; p = p->next) {
        pending.items += p->pending_count;
        ahead.items += p->sent_count;
        ahead.bytes += p->sent_bytes;
        ahead.dropped += p->count.paused;
        ahead.max_items += p->live_count ? WF_AHEAD_BATCHES : 0;
        ahead.max_bytes += p->live_count ? WF_AHEAD_BYTES : 0;
    }
    wf_queues_add(out, &pending);
    wf_queues_add_log(out, n->log);
    wf_queues_add(out, &ahead);
    wf_net_get_sending(n->control->net, &s);
    wf_queues_add(out, &(struct wf_queue){ .name = "sender",
                           .items = s.items,
                           .bytes = s.bytes,
                           .max_bytes = s.max_bytes,
                           .dropped = s.dropped });
    wf_queues_add(out, &(struct wf_queue){ .name = "pulls",
                           .items = r->pulls.count,
                           .max_items = r->pulls.max,
                           .dropped = r->pulls.full });
}

// ---- products --------------------------------------------------------------------------------------------------------

static Weft__V1__ProductState *product_in(struct wf_arena *a, const struct wf_home_product *p)
{
    Weft__V1__ProductState *s = wf_arena_alloc(a, sizeof *s);
    Weft__V1__Incarnation *log_id = wf_arena_alloc(a, sizeof *log_id);

    if (!s || !log_id)
        return NULL;
    weft__v1__product_state__init(s);
    weft__v1__incarnation__init(log_id);
    log_id->counter = p->log_id.counter;
    log_id->random = p->log_id.random;
    s->name = wf_pb_str(p->collect->product.name);
    s->log_id = log_id;
    s->head = p->head;
    s->floor = wf_home_floor(p);
    s->epoch = p->epoch.number;
    s->leases = (uint32_t)p->lease_count;
    s->records = p->count.records;
    s->batches = p->count.batches;
    s->stored_bytes = p->count.bytes;
    s->refused = p->count.refused;
    s->readers = (uint32_t)p->seen.readers;
    s->lag_min = p->seen.lag_min;
    s->lag_max = p->seen.lag_max;
    s->freshness_ms = p->collect->product.freshness_ms;
    s->endpoint = endpoint_of(p, a);
    s->last_append_ms = p->last_append_ms;
    s->state = wf_pb_str(state_of(p));
    return s;
}

void wf_stream_status(struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *reply)
{
    size_t count = 0;

    if (!n->stream) // an agent's
        return;
    for (struct wf_home_product *p = wf_stream_next(n, NULL); p; p = wf_stream_next(n, p))
        count++;
    Weft__V1__ProductState **list = wf_arena_calloc(a, count + 1, sizeof *list);
    if (!list)
        return;
    count = 0;
    survey(n->stream);
    for (struct wf_home_product *p = wf_stream_next(n, NULL); p; p = wf_stream_next(n, p)) {
        Weft__V1__ProductState *s = product_in(a, p);
        if (!s)
            break;
        list[count++] = s;
    }
    reply->products = list;
    reply->n_products = count;
}

static uint64_t number_at(const struct wf_home_product *p, size_t offset)
{
    uint64_t v = 0;

    memcpy(&v, (const uint8_t *)p + offset, sizeof v);
    return v;
}

#define ROW(which, member)                                                                         \
    {                                                                                              \
        WF_METRIC_STREAM_##which, offsetof(struct wf_home_product, member)                         \
    }

static const struct {
    enum wf_metric which;
    size_t at; // of a uint64_t
} product_rows[] = {
    ROW(RECORDS, count.records),
    ROW(BATCHES, count.batches),
    ROW(BYTES, count.bytes),
    ROW(REFUSED, count.refused),
    ROW(DROPPED, count.dropped), // by publishers' own word
    ROW(FRAMES, count.frames),
    ROW(FRAME_BYTES, count.frame_bytes),
    ROW(PAUSED, count.paused),
    ROW(RANGES, count.pulls),
    ROW(SERVED, count.served),
    ROW(LEASES, lease_count),
    ROW(READERS, seen.readers),
    ROW(LAG_MIN, seen.lag_min),
    ROW(LAG_MAX, seen.lag_max),
    ROW(CONNECTIONS, seen.connections),
    ROW(WAITING, seen.waiting),
    ROW(UNSENT, seen.unsent),
    ROW(HEAD, head),
    ROW(EPOCH, epoch.number),
};

static void put_product(
    struct wf_metrics *m, enum wf_metric which, const struct wf_home_product *p, double value)
{
    wf_metric_of(m, which, value, "product=\"%s\",major=\"%u\"", p->collect->product.name,
        p->collect->product.major);
}

// Of each reader's host that something was dropped for.
static void put_slow_hosts(struct wf_metrics *m, const struct wf_home_product *p)
{
    struct wf_net_pub_host slow[SLOW_HOSTS];
    size_t count = p->pub ? wf_net_pub_slow_hosts(p->pub, slow, WF_COUNT(slow)) : 0;

    for (size_t i = 0; i < count; i++) {
        char at[WF_NET_ADDR_TEXT];
        slow[i].addr.port = 0;
        wf_net_addr_text(&slow[i].addr, at);
        *strrchr(at, ':') = '\0';
        wf_metric_of(m, WF_METRIC_STREAM_HOST_UNSENT, (double)slow[i].dropped,
            "product=\"%s\",major=\"%u\",host=\"%s\"", p->collect->product.name,
            p->collect->product.major, at);
    }
}

void wf_stream_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    survey(n->stream);
    for (size_t i = 0; i < WF_COUNT(product_rows); i++) {
        wf_metric_head(m, product_rows[i].which);
        for (const struct wf_home_product *p = n->stream->products; p; p = p->next)
            if (wf_home_is_here(p))
                put_product(m, product_rows[i].which, p, (double)number_at(p, product_rows[i].at));
    }
    wf_metric_head(m, WF_METRIC_STREAM_HOST_UNSENT);
    for (const struct wf_home_product *p = n->stream->products; p; p = p->next)
        put_slow_hosts(m, p);
    wf_metric_head(m, WF_METRIC_STREAM_FLOOR);
    for (const struct wf_home_product *p = n->stream->products; p; p = p->next)
        if (wf_home_is_here(p))
            put_product(m, WF_METRIC_STREAM_FLOOR, p, (double)wf_home_floor(p));
    wf_metric_head(m, WF_METRIC_STREAM_APPENDED);
    for (const struct wf_home_product *p = n->stream->products; p; p = p->next)
        if (wf_home_is_here(p))
            put_product(m, WF_METRIC_STREAM_APPENDED, p, (double)p->last_append_ms / 1000);
}

void wf_stream_signals(struct wf_node *n, struct wf_signals *out)
{
    int64_t now = wf_node_now_unix_ms(n);

    survey(n->stream);
    for (struct wf_home_product *p = wf_stream_next(n, NULL); p; p = wf_stream_next(n, p)) {
        if (!wf_home_has_stream(p))
            continue;
        wf_signals_add(out, &(struct wf_signal){ .kind = "stream",
                                .name = p->collect->product.name,
                                .traffic = p->count.records,
                                .errors = p->count.refused,
                                .bytes = p->count.bytes,
                                .took = &p->took,
                                .age = &p->age,
                                .saturation = -1,
                                .is_stream = true,
                                .readers = p->lease_count,
                                .lag_records = p->seen.lag_max,
                                .silent_ms = p->last_append_ms ? now - p->last_append_ms : -1,
                                .freshness_ms = p->collect->product.freshness_ms });
    }
}
