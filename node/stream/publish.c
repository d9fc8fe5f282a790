// SPDX-License-Identifier: Apache-2.0
// Frames: durable entries and heartbeats sealed under the epoch key, one PUB socket a product, opened at its first lease. What is sent live
// stays within a window ahead of the fastest reader; beyond it nothing is sent and readers repair, for a stream that outruns all its readers
// would only fill their queues. Log, acknowledgement and publisher never wait for any of this.
#include <stdio.h>

#include "node/call.h"
#include "node/stream/priv.h"

#define FRAME_BYTES (512u * WF_KIB) // of entries in one frame: a core's cache holds it

static enum weft_err listen_on(struct wf_home_product *p, uint16_t port)
{
    char where[WF_ADDRESS_TEXT];
    struct wf_address at = p->room->node->conf->listen;

    at.port = port;
    return wf_net_pub_listen(p->pub, wf_address_text(&at, where), &p->port);
}

enum weft_err wf_publish_open(struct wf_home_product *p, struct wf_diag *diag)
{
    struct wf_node *n = p->room->node;
    struct wf_net_pub_conf conf = { .gate = p->room->gate };
    uint16_t first = n->conf->streams.first, last = n->conf->streams.last;

    if (p->pub)
        return WEFT_OK;
    enum weft_err err = wf_net_pub_new(n->control->net, &conf, &p->pub);
    if (err)
        return err;
    if (!first)
        err = listen_on(p, 0);
    else {
        err = WEFT_E_IN_USE;
        for (uint32_t port = first; port <= last && err == WEFT_E_IN_USE; port++)
            err = listen_on(p, (uint16_t)port);
    }
    if (err) {
        if (err == WEFT_E_IN_USE)
            wf_diag_set(diag, 0, 0,
                "all stream ports %u-%u of the node are taken; its streams.ports in weftd.yaml "
                "takes a wider range",
                first, last);
        else
            wf_diag_set(diag, 0, 0, "no stream port could be opened on %s (%u-%u): %s",
                n->conf->listen.host, first, last, weft_err_text(err));
        wf_net_pub_free(p->pub);
        p->pub = NULL;
    }
    return err;
}

void wf_publish_close(struct wf_home_product *p)
{
    wf_net_pub_free(p->pub);
    p->pub = NULL;
    p->port = 0;
    p->sent_count = p->sent_bytes = 0;
}

static void send_frame(struct wf_home_product *p, const struct wf_frame *f)
{
    struct wf_buf *out = &p->room->packed;

    out->len = 0;
    enum weft_err err = wf_frame_seal(&p->sealer, f, out);
    if (err) {
        wf_say(p->room->node, WF_LOG_WARN, "stream", "a frame was not sent", "product",
            p->collect->product.name, "why", weft_err_text(err), NULL);
        return;
    }
    p->count.frames++;
    p->count.frame_bytes += out->len;
    err = wf_net_pub_send(p->pub, out);
    (void)err; // counted; readers repair what is not sent
}

// ---- the window ------------------------------------------------------------------------------------------------------

static bool window_takes(struct wf_home_product *p, uint64_t end, size_t bytes)
{
    if (p->sent_count == WF_AHEAD_BATCHES ||
        (p->sent_count && p->sent_bytes + bytes > WF_AHEAD_BYTES)) {
        p->count.paused++;
        return false;
    }
    p->sent[(p->sent_first + p->sent_count) % WF_AHEAD_BATCHES] = (struct wf_sent){ end, bytes };
    p->sent_count++;
    p->sent_bytes += bytes;
    return true;
}

void wf_publish_position(struct wf_home_product *p, uint64_t offset)
{
    while (p->sent_count && p->sent[p->sent_first].end <= offset) {
        p->sent_bytes -= p->sent[p->sent_first].bytes;
        p->sent_first = (p->sent_first + 1) % WF_AHEAD_BATCHES;
        p->sent_count--;
    }
}

// ---- frames ----------------------------------------------------------------------------------------------------------

static void add_beat(struct wf_home_product *p, struct wf_frame *f)
{
    int64_t now = wf_node_now_ms(p->room->node);
    struct wf_bytes beat;

    // While data flows the heartbeat rides along, so that a frame and its proof of order are one message.
    wf_beat_soon(p);
    if (now - p->beat_last_ms < WF_BEAT_MS - 100 || wf_beat_signed(p, &beat))
        return;
    f->heartbeat = beat;
    p->beat_last_ms = now;
    p->beat_due_ms = now + WF_BEAT_MS;
}

void wf_publish_entries(struct wf_home_product *p, struct wf_pending *first)
{
    struct wf_frame f = { 0 };
    size_t bytes = 0;

    if (!p->live_count || !p->pub || !p->epoch.number)
        return;
    for (const struct wf_pending *e = first; e; e = e->next) {
        if (e->err || e->entry.is_reset)
            continue;
        if (!window_takes(p, e->entry.offset + e->header.count, e->packed.len))
            break;
        if (f.entry_count == WF_MAX_FRAME_ENTRIES ||
            (f.entry_count && bytes + e->packed.len > FRAME_BYTES)) {
            send_frame(p, &f);
            f = (struct wf_frame){ 0 };
            bytes = 0;
        }
        f.entries[f.entry_count++] = wf_buf_view(&e->packed);
        bytes += e->packed.len;
    }
    if (!f.entry_count)
        return;
    add_beat(p, &f);
    send_frame(p, &f);
}

void wf_publish_beat(struct wf_home_product *p, struct wf_bytes beat)
{
    struct wf_frame f = { .heartbeat = beat };

    if (p->live_count && p->pub && p->epoch.number)
        send_frame(p, &f);
}
