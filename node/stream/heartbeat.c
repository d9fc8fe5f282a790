// SPDX-License-Identifier: Apache-2.0
// The home's signed word on where a product stands: in lease, position and range replies, and over the stream, sealed like data. Every
// second while data flows, slowing to min(30 s, freshness / 3) when nothing does; soon after a new lease.
#include "node/stream/priv.h"

#define TURN_MS       200 // how often products are looked at while somebody reads
#define FIRST_MS      300 // after a lease: the reader needs a moment to connect
#define NEXT_SLACK_MS 1000

static int64_t slowest_ms(const struct wf_home_product *p)
{
    int64_t fresh = p->collect->product.freshness_ms / 3;
    int64_t slow = fresh && fresh < WF_BEAT_MAX_MS ? fresh : WF_BEAT_MAX_MS;

    return slow < WF_BEAT_MS ? WF_BEAT_MS : slow;
}

enum weft_err wf_beat_signed(struct wf_home_product *p, struct wf_bytes *ret)
{
    struct wf_node *n = p->room->node;
    int64_t now = wf_node_now_unix_ms(n);
    struct wf_buf fresh = { 0 };

    if (wf_incarnation_is_none(&p->log_id))
        return WEFT_E_BUSY;
    if (!p->beat_stale && p->beat.len && now - p->beat_made_ms < WF_BEAT_MS &&
        now >= p->beat_made_ms) {
        *ret = wf_buf_view(&p->beat);
        return WEFT_OK;
    }
    struct wf_heartbeat h = { .product_id = p->collect->product.id,
        .term = p->term ? p->term : 1,
        .log_id = p->log_id,
        .head_offset = p->head,
        .head_hash = p->head_hash,
        .floor_offset = wf_home_floor(p),
        .epoch = p->epoch.number,
        .commitment = p->epoch.commitment,
        .next_epoch = p->next_epoch.number,
        .time_ms = now,
        .next_by_ms = now + p->beat_every_ms + NEXT_SLACK_MS,
        .stopped = p->removed,
        .stopping = n->draining || p->away };
    enum weft_err err = wf_heartbeat_sign(&h, &n->keys.sign, &fresh);
    if (err)
        return err;
    wf_buf_fini(&p->beat);
    p->beat = fresh;
    p->beat_made_ms = now;
    p->beat_stale = false;
    *ret = wf_buf_view(&p->beat);
    return WEFT_OK;
}

static void arm(struct wf_stream_room *r)
{
    if (!r->beat.index && wf_timer_set(r->node->loop, &r->beat, wf_node_now_ms(r->node) + TURN_MS))
        wf_alarm(r->node, "heartbeat", "out of memory: heartbeats are late");
}

void wf_beat_soon(struct wf_home_product *p)
{
    int64_t now = wf_node_now_ms(p->room->node);
    int64_t soon = p->beat_last_ms + WF_BEAT_MS > now + FIRST_MS ? p->beat_last_ms + WF_BEAT_MS
                                                                 : now + FIRST_MS;

    p->beat_every_ms = WF_BEAT_MS;
    if (soon < p->beat_due_ms)
        p->beat_due_ms = soon;
    arm(p->room);
}

void wf_beat_now(struct wf_home_product *p)
{
    struct wf_bytes beat;

    if (!p->live_count)
        return;
    p->beat_stale = true;
    p->beat_every_ms = WF_BEAT_MS;
    if (wf_beat_signed(p, &beat))
        return;
    wf_publish_beat(p, beat);
    p->beat_last_ms = wf_node_now_ms(p->room->node);
    p->beat_due_ms = p->beat_last_ms + p->beat_every_ms;
    arm(p->room);
}

static void beat_if_due(struct wf_home_product *p, int64_t now)
{
    struct wf_bytes beat;

    if (now < p->beat_due_ms)
        return;
    int64_t slow = slowest_ms(p);
    p->beat_every_ms = 2 * p->beat_every_ms < slow ? 2 * p->beat_every_ms : slow;
    p->beat_stale = true; // it names the next one
    if (!wf_beat_signed(p, &beat))
        wf_publish_beat(p, beat);
    p->beat_last_ms = now;
    p->beat_due_ms = now + p->beat_every_ms;
}

void wf_beat_timer(struct wf_timer *t)
{
    struct wf_stream_room *r =
        (struct wf_stream_room *)(void *)((char *)t - offsetof(struct wf_stream_room, beat));
    int64_t now = wf_node_now_ms(r->node);
    bool any = false;

    for (struct wf_home_product *p = r->products; p; p = p->next) {
        if (!p->live_count)
            p->beat_due_ms = INT64_MAX;
        if (!p->live_count && !p->mirror_count)
            continue;
        any = true;
        wf_epoch_tick(p, now);
        if (p->live_count)
            beat_if_due(p, now);
    }
    if (any)
        arm(r);
}
