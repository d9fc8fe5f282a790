// SPDX-License-Identifier: Apache-2.0
#include "node/signals/room.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/built_in.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/queues.h"
#include "node/signals/rows.h"
#include "node/stream/room.h"

extern const unsigned char
    wf_signal_schema[]; // made by the build from proto/weft/v1/signal_record.proto
extern const unsigned long wf_signal_schema_len;

struct wf_signals_room {
    char name[WF_MAX_NAME + 1]; // of the product; empty: there is none
    const struct wf_conf *rules_of;
    int64_t due_ms;
    uint64_t untold; // rows that could not be told, since the start
};

// ---- the product -----------------------------------------------------------------------------------------------------

static enum weft_err make_product(struct wf_node *n, const char *name, struct wf_diag *diag)
{
    static const char *verbs[] = { "subscribe", "replay" };
    struct wf_access_rule rules[WF_MAX_ACCESS_RULES];
    struct wf_product p = { .name = name,
        .title = "Signals",
        .description = "Latency, traffic, errors and saturation of every stream, request and API "
                       "of this node.",
        .owner_contact = "weft top",
        .kind = WF_PRODUCT_METRIC,
        .message = "weft.v1.SignalRecord",
        .classification = WF_CLASS_INTERNAL,
        .freshness_ms = WF_SIGNALS_EVERY_MS,
        .retention_ms = 7 * INT64_C(86400000),
        .retention_bytes = 256ULL * WF_MIB };

    wf_built_in_allow(&p, rules,
        &(struct wf_built_in_readers){
            n->conf->signals_for.items, n->conf->signals_for.count, verbs, WF_COUNT(verbs) });
    return wf_stream_apply_built_in(n, &p, wf_bytes(wf_signal_schema, wf_signal_schema_len), diag);
}

// False: nobody may read it, or not now.
static bool has_product(struct wf_node *n)
{
    struct wf_signals_room *r = n->signals;
    struct wf_diag diag = { 0 };
    char name[2 * WF_MAX_NAME];

    if (r->rules_of == n->conf)
        return r->name[0] != '\0';
    r->name[0] = '\0';
    if (!n->conf->signals_for.count) {
        r->rules_of = n->conf;
        return false;
    }
    snprintf(name, sizeof name, WF_SIGNALS_PREFIX "%s", n->identity.cert.subject.s);
    if (!wf_name_is_valid(wf_bytes_str(name))) {
        r->rules_of = n->conf;
        wf_say(n, WF_LOG_WARN, "signals",
            "the node's name leaves no room for a product of its signals", "product", name, NULL);
        return false;
    }
    enum weft_err err = make_product(n, name, &diag);
    if (err) {
        wf_say(n, WF_LOG_WARN, "signals", "the product of the node's signals could not be made",
            "why", diag.text[0] ? diag.text : weft_err_text(err), NULL);
        return false; // the next round tries again
    }
    r->rules_of = n->conf;
    snprintf(r->name, sizeof r->name, "%s", name);
    return true;
}

// ---- rows ------------------------------------------------------------------------------------------------------------

static enum weft_err send_rows(struct wf_signals *s)
{
    struct wf_home_product *p = wf_stream_find(s->node, s->node->signals->name, 0);
    struct wf_diag diag = { 0 };
    struct wf_origin_records r = {
        .raw = wf_buf_view(&s->rows.raw), .base_us = s->rows.base_us, .count = s->rows.count
    };
    enum weft_err err = WEFT_OK;

    if (!p || !s->rows.count)
        return p ? WEFT_OK : WEFT_E_NOT_FOUND;
    err = wf_stream_originate(s->node, p, &r, NULL, NULL, &diag);
    if (err)
        s->node->signals->untold += s->rows.count;
    wf_records_reset(&s->rows);
    return err;
}

// ---- what no room has ------------------------------------------------------------------------------------------------

static double share(uint64_t used, uint64_t max)
{
    return max ? (double)used / (double)max : -1;
}

static void add_queues(struct wf_node *n, struct wf_signals *out)
{
    struct wf_queues all;

    wf_queues_of(n, wf_rooms_node, &all);
    for (size_t i = 0; i < all.count; i++) {
        const struct wf_queue *q = &all.of[i];
        double items = share(q->items, q->max_items), bytes = share(q->bytes, q->max_bytes);
        wf_signals_add(out, &(struct wf_signal){ .kind = "queue",
                                .name = q->name,
                                .errors = q->dropped,
                                .silent_ms = -1,
                                .saturation = items > bytes ? items : bytes });
    }
}

static void add_resources(struct wf_node *n, struct wf_signals *out)
{
    wf_signals_add(out, &(struct wf_signal){ .kind = "resource",
                            .name = "descriptors",
                            .silent_ms = -1,
                            .saturation = share(n->core->files.open, n->core->files.max) });
    wf_signals_add(out, &(struct wf_signal){ .kind = "resource",
                            .name = "certificate",
                            .silent_ms = -1,
                            .saturation = -1,
                            .expires_ms = n->identity.cert.not_after_ms });
}

// ---- life ------------------------------------------------------------------------------------------------------------

static void tell(struct wf_node *n, const struct wf_schema_message *message)
{
    struct wf_signals s = {
        .node = n, .message = message, .full = send_rows, .now_us = wf_node_now_unix_ms(n) * 1000
    };

    for (size_t i = 0; wf_rooms_node[i]; i++)
        if (wf_rooms_node[i]->signals)
            wf_rooms_node[i]->signals(n, &s);
    add_queues(n, &s);
    add_resources(n, &s);
    if (!s.err)
        s.err = send_rows(&s);
    if (s.err == WEFT_E_BUSY) // its home or its log is not there yet
        n->signals->due_ms = wf_node_now_ms(n) + 1000;
    else if (s.err)
        wf_say(n, WF_LOG_WARN, "signals", "signals could not be told", "why", weft_err_text(s.err),
            NULL);
    wf_records_fini(&s.rows);
    wf_buf_fini(&s.json);
    wf_buf_fini(&s.record);
}

static void signals_tick(struct wf_node *n)
{
    struct wf_signals_room *r = n->signals;
    int64_t now = wf_node_now_ms(n);

    if (now < r->due_ms || !n->has_certificate || !n->charter || n->draining)
        return;
    r->due_ms = now + WF_SIGNALS_EVERY_MS;
    if (!has_product(n))
        return;
    struct wf_home_product *p = wf_stream_find(n, r->name, 0);
    const struct wf_schema_message *message = p ? wf_home_message(p) : NULL;
    if (message)
        tell(n, message);
}

static enum weft_err signals_open(struct wf_node *n, struct wf_diag *diag)
{
    (void)diag;
    n->signals = calloc(1, sizeof *n->signals);
    return n->signals ? WEFT_OK : WEFT_E_NOMEM;
}

static void signals_close(struct wf_node *n)
{
    free(n->signals);
    n->signals = NULL;
}

const struct wf_room wf_signals_room = {
    .name = "signals",
    .open = signals_open,
    .tick = signals_tick,
    .close = signals_close,
};
