// SPDX-License-Identifier: Apache-2.0
// Entries for other rooms: taps see each durable entry as it becomes one, replays read the log in slices until they have caught up.
#include <stdlib.h>

#include "node/stream/priv.h"

#define SLICE_BYTES (256u * WF_KIB)
#define RETRY_MS    1000

struct wf_replay {
    struct wf_timer timer; // first
    struct wf_home_product *product;
    uint64_t next;
    bool moved; // the slice got further
    wf_stream_tap_fn fn;
    void *arg;
    wf_stream_done_fn done;
    struct wf_replay *list_next;
};

enum weft_err wf_stream_tap(struct wf_node *n, wf_stream_tap_fn fn, void *arg)
{
    if (n->stream->tap_count == WF_TAPS_MAX)
        return WEFT_E_FULL;
    n->stream->taps[n->stream->tap_count++] = (struct wf_tap){ fn, arg };
    return WEFT_OK;
}

void wf_taps_tell(struct wf_home_product *p, const struct wf_pending *e)
{
    struct wf_stream_room *r = p->room;

    for (size_t i = 0; i < r->tap_count; i++)
        r->taps[i].fn(r->node, r->taps[i].arg, p, &e->entry, e->entry.is_reset ? NULL : &e->header,
            wf_buf_view(&e->raw));
}

// ---- replay ----------------------------------------------------------------------------------------------------------

static bool on_view(void *arg, const struct wf_log_view *v)
{
    struct wf_replay *y = arg;
    struct wf_home_product *p = y->product;
    struct wf_entry e;
    struct wf_batch_header h;
    struct wf_buf raw = { 0 };

    if (v->end > p->head)
        return false;
    y->moved = y->moved || v->end > y->next;
    y->next = v->end;
    // What is damaged is told to readers as a loss; a fold goes on without it.
    if (v->status || wf_entry_parse(v->body, &e))
        return true;
    if (e.is_reset)
        y->fn(p->room->node, y->arg, p, &e, NULL, wf_bytes(NULL, 0));
    else if (!wf_batch_open_header(e.header, &h) && !wf_batch_open_payload(&h, e.payload, &raw))
        y->fn(p->room->node, y->arg, p, &e, &h, wf_buf_view(&raw));
    wf_buf_fini(&raw);
    return true;
}

static void drop(struct wf_replay *y)
{
    wf_timer_cancel(y->product->room->node->loop, &y->timer);
    free(y);
}

static void finish(struct wf_replay *y, enum weft_err err)
{
    struct wf_stream_room *r = y->product->room;
    wf_stream_done_fn done = y->done;
    void *arg = y->arg;

    for (struct wf_replay **at = &r->replays; *at; at = &(*at)->list_next)
        if (*at == y) {
            *at = y->list_next;
            break;
        }
    drop(y);
    if (done)
        done(r->node, arg, err);
}

static void on_slice(struct wf_timer *t)
{
    struct wf_replay *y = (struct wf_replay *)(void *)t;
    struct wf_home_product *p = y->product;
    struct wf_stream_room *r = p->room;
    uint64_t next = 0;

    y->moved = false;
    struct wf_log_reader reader = { .product = p->log_key,
        .from = y->next,
        .max_bytes = SLICE_BYTES,
        .visit = on_view,
        .arg = y,
        .scratch = &r->scratch };
    enum weft_err err = wf_log_read(r->node->log, &reader, &next);
    if (err == WEFT_E_NOT_FOUND)
        err = WEFT_OK;      // nothing was ever appended
    if (err == WEFT_E_IO) { // it may pass; a fold without what is there would be wrong
        wf_read_failed(p, err);
        err = wf_timer_set(r->node->loop, t, wf_node_now_ms(r->node) + RETRY_MS);
        if (err)
            finish(y, err);
        return;
    }
    if (err || y->next >= p->head || !y->moved) {
        finish(y, err);
        return;
    }
    err = wf_timer_set(r->node->loop, t, wf_node_now_ms(r->node));
    if (err)
        finish(y, err);
}

enum weft_err wf_stream_replay(struct wf_node *n, struct wf_home_product *p, uint64_t from,
    wf_stream_tap_fn fn, void *arg, wf_stream_done_fn done)
{
    struct wf_replay *y = calloc(1, sizeof *y);
    uint64_t floor = wf_home_floor(p);

    if (!y)
        return WEFT_E_NOMEM;
    *y = (struct wf_replay){ .timer = { .fire = on_slice },
        .product = p,
        .next = from > floor ? from : floor,
        .fn = fn,
        .arg = arg,
        .done = done };
    if (y->next > p->head)
        y->next = p->head;
    enum weft_err err = wf_timer_set(n->loop, &y->timer, wf_node_now_ms(n));
    if (err) {
        free(y);
        return err;
    }
    y->list_next = n->stream->replays;
    n->stream->replays = y;
    return WEFT_OK;
}

// The rooms that asked were closed before this one: nobody is told.
void wf_taps_end(struct wf_stream_room *r)
{
    r->tap_count = 0;
    while (r->replays) {
        struct wf_replay *y = r->replays;
        r->replays = y->list_next;
        drop(y);
    }
}
