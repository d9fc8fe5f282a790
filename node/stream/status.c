// SPDX-License-Identifier: Apache-2.0
// What the stream room tells people and metrics. Loop thread only.
#include <stdio.h>

#include "node/address.h"
#include "node/status.h"
#include "node/stream/priv.h"

static const char *state_of(const struct wf_home_product *p)
{
    if (p->failing)
        return "failing";
    if (!wf_home_has_stream(p))
        return "api";
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

void wf_stream_status(struct wf_node *n, struct wf_arena *a, Weft__V1__StatusReply *reply)
{
    size_t count = 0;

    for (struct wf_home_product *p = wf_stream_next(n, NULL); p; p = wf_stream_next(n, p))
        count++;
    Weft__V1__ProductState **list = wf_arena_calloc(a, count + 1, sizeof *list);
    if (!list)
        return;
    count = 0;
    for (struct wf_home_product *p = wf_stream_next(n, NULL); p; p = wf_stream_next(n, p)) {
        Weft__V1__ProductState *s = wf_arena_alloc(a, sizeof *s);
        Weft__V1__Incarnation *log_id = wf_arena_alloc(a, sizeof *log_id);
        if (!s || !log_id)
            break;
        weft__v1__product_state__init(s);
        weft__v1__incarnation__init(log_id);
        log_id->counter = p->log_id.counter;
        log_id->random = p->log_id.random;
        s->name = wf_pb_str(p->collect->product.name);
        s->log_id = log_id;
        s->head = p->head;
        s->floor = wf_home_floor(p);
        s->epoch = p->epoch.number;
        s->leases = p->lease_count;
        s->records = p->count.records;
        s->stored_bytes = p->count.bytes;
        s->endpoint = endpoint_of(p, a);
        s->last_append_ms = p->last_append_ms;
        s->state = wf_pb_str(state_of(p));
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

#define ROW(name, type, member)                                                                    \
    {                                                                                              \
        name, type, offsetof(struct wf_home_product, member)                                       \
    }

enum weft_err wf_stream_metrics(const struct wf_node *n, struct wf_buf *out)
{
    static const struct {
        const char *name, *type;
        size_t at; // of a uint64_t
    } rows[] = {
        ROW("weft_stream_records_total", "counter", count.records),
        ROW("weft_stream_batches_total", "counter", count.batches),
        ROW("weft_stream_bytes_total", "counter", count.bytes),
        ROW("weft_stream_refused_total", "counter", count.refused),
        ROW("weft_stream_frames_total", "counter", count.frames),
        ROW("weft_stream_frame_bytes_total", "counter", count.frame_bytes),
        ROW("weft_stream_paused_total", "counter", count.paused),
        ROW("weft_stream_ranges_total", "counter", count.pulls),
        ROW("weft_stream_served_entries_total", "counter", count.served),
        ROW("weft_stream_leases", "gauge", lease_count),
        ROW("weft_stream_head", "gauge", head),
    };
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < WF_COUNT(rows) && !err; i++) {
        err = wf_buf_printf(out, "# TYPE %s %s\n", rows[i].name, rows[i].type);
        for (const struct wf_home_product *p = n->stream->products; p && !err; p = p->next)
            if (!p->removed)
                err = wf_buf_printf(out, "%s{product=\"%s\",major=\"%u\"} %llu\n", rows[i].name,
                    p->collect->product.name, p->collect->product.major,
                    (unsigned long long)number_at(p, rows[i].at));
    }
    return err;
}
