// SPDX-License-Identifier: Apache-2.0
// Epoch keys: fresh random for each epoch, never derived, in locked memory, there only while somebody holds a lease. The next key is
// made and announced shortly before the change; a forced rotation throws it away, because a revoked reader may have it.
#include "node/stream/priv.h"

#include <stdio.h>

static void epoch_fini(struct wf_epoch *e)
{
    wf_secret_fini(&e->key);
    *e = (struct wf_epoch){ 0 };
}

// Numbers rise over restarts too, so that a reader never has two keys for one number.
static enum weft_err epoch_make(
    struct wf_home_product *p, int64_t from_ms, int64_t from_unix_ms, struct wf_epoch *ret)
{
    struct wf_epoch e = { .from_ms = from_ms, .from_unix_ms = from_unix_ms };
    enum weft_err err = wf_secret_random(WF_KEY_LEN, &e.key);

    if (err)
        return err;
    e.number = p->last_epoch + 1;
    if (from_unix_ms > 0 && (uint64_t)from_unix_ms > e.number)
        e.number = (uint64_t)from_unix_ms;
    wf_epoch_commitment(&e.key, &p->collect->product.id, e.number, &e.commitment);
    p->last_epoch = e.number;
    p->dirty = true;
    *ret = e;
    return WEFT_OK;
}

static enum weft_err sealer_begin(struct wf_home_product *p)
{
    uint8_t boot[WF_FRAME_BOOT];

    wf_random(boot, sizeof boot);
    return wf_frame_sealer_init(&p->sealer, &p->epoch.key, &p->collect->product.id, boot, 1);
}

// A full disk must not hold up a rotation: a revoked reader would read on.
static void keep(struct wf_home_product *p)
{
    char alarm[16 + WF_MAX_NAME], text[160];
    enum weft_err err = wf_epochs_begin(p, &p->epoch);

    snprintf(alarm, sizeof alarm, "epochs-%s", p->collect->product.name);
    snprintf(text, sizeof text, "%s: the key of this epoch could not be kept for its entries: %s",
        p->collect->product.name, weft_err_text(err));
    wf_alarm(p->room->node, alarm, err ? text : NULL);
}

enum weft_err wf_epoch_rotate(struct wf_home_product *p, bool forced)
{
    struct wf_node *n = p->room->node;
    struct wf_epoch fresh = { 0 };

    if (!forced && p->next_epoch.number) {
        fresh = p->next_epoch;
        fresh.from_ms = wf_node_now_ms(n);
        p->next_epoch = (struct wf_epoch){ 0 };
    } else {
        enum weft_err err = epoch_make(p, wf_node_now_ms(n), wf_node_now_unix_ms(n), &fresh);
        if (err)
            return err;
    }
    epoch_fini(&p->epoch);
    epoch_fini(&p->next_epoch);
    p->epoch = fresh;
    p->beat_stale = true;
    keep(p);
    return sealer_begin(p);
}

enum weft_err wf_epoch_need(struct wf_home_product *p)
{
    return p->epoch.number ? WEFT_OK : wf_epoch_rotate(p, true);
}

void wf_epoch_end(struct wf_home_product *p)
{
    epoch_fini(&p->epoch);
    epoch_fini(&p->next_epoch);
    wf_epochs_end(p);
    p->beat_stale = true;
}

void wf_epoch_tick(struct wf_home_product *p, int64_t now_ms)
{
    struct wf_node *n = p->room->node;
    int64_t life = (int64_t)n->conf->epoch_ms;
    int64_t overlap = life / 4 < WF_EPOCH_OVERLAP_MS ? life / 4 : WF_EPOCH_OVERLAP_MS;

    if (!p->epoch.number)
        return;
    int64_t end = p->epoch.from_ms + life;
    enum weft_err err = WEFT_OK;
    if (now_ms >= end) {
        err = wf_epoch_rotate(p, false);
        wf_beat_now(p);
    } else if (now_ms >= end - overlap && !p->next_epoch.number) {
        err = epoch_make(p, end, wf_node_now_unix_ms(n) + (end - now_ms), &p->next_epoch);
        p->beat_stale = true;
        wf_beat_now(p); // readers fetch it before it is needed
    }
    // The old key stays in force until there is memory for another.
    wf_alarm(n, "epoch",
        err ? "no locked memory for a fresh epoch key; the old one is still in use" : NULL);
}

void wf_stream_rotate(struct wf_node *n, const char *product)
{
    for (struct wf_home_product *p = n->stream ? n->stream->products : NULL; p; p = p->next) {
        if (product && strcmp(p->collect->product.name, product) != 0)
            continue;
        // First who may not have the next key, then the key.
        wf_leases_recheck(n->stream, p);
        if (!p->epoch.number)
            continue;
        if (wf_epoch_rotate(p, true)) {
            // Better silent than readable by who was revoked.
            wf_alarm(n, "epoch", "no locked memory for a fresh epoch key; the stream is stopped");
            wf_leases_end_of(n->stream, p);
        } else {
            wf_beat_now(p);
        }
    }
}
