// SPDX-License-Identifier: Apache-2.0
// The live stream: the SUB socket, frames under epoch keys, heartbeats. A frame under an unknown key waits a moment while the lease is
// renewed, because a rotation may overtake the answer that brings its key.
#include <stdio.h>
#include <stdlib.h>

#include "sdk/subscribe_int.h"

#define UNKNOWN_SPREAD_MS 500  // readers renew at a random moment within
#define UNKNOWN_PAUSE_MS  5000 // and not again before this, whatever arrives

// The product was there or goes there: whoever forwards its word knows of the move later than we do, or sooner.
static bool was_or_may_be_home(const struct weft_subscription *s, const struct wf_sign_pub *signer)
{
    const struct wf_seen_list *list = &s->c->catalog;

    if (memcmp(signer->b, s->former_owner.b, WF_KEY_LEN) == 0)
        return true;
    for (size_t i = 0; i < list->count; i++) {
        const struct wf_entry_doc *d = list->v[i].doc;
        if (d && d->kind == WF_ENTRY_NODE && strcmp(d->domain.s, s->target.domain.s) == 0 &&
            memcmp(d->signer.b, signer->b, WF_KEY_LEN) == 0)
            return true;
    }
    return false;
}

enum weft_err wf_sub_heartbeat(
    struct weft_subscription *s, struct wf_bytes envelope, struct wf_heartbeat *ret)
{
    if (envelope.len == 0)
        return WEFT_E_SIGNATURE;
    enum weft_err err = wf_heartbeat_open(envelope, ret);

    if (!err && !wf_hash_eq(&ret->product_id, &s->product_id))
        err = WEFT_E_PRODUCT;
    if (!err && memcmp(ret->signer.b, s->owner_key.b, WF_KEY_LEN) == 0)
        return WEFT_OK;
    if (!err && was_or_may_be_home(s, &ret->signer))
        return WEFT_E_NOT_HOME;
    wf_sub_count(s, &s->stats.verify_failures, 1);
    return err ? err : WEFT_E_SIGNATURE;
}

// ---- frames ------------------------------------------------------------------------------------------------------------

static const struct wf_sub_key *find_key(
    const struct weft_subscription *s, const uint8_t tag[WF_FRAME_TAG_LEN])
{
    for (size_t i = 0; i < WF_SUB_KEYS; i++)
        if (s->keys[i].epoch && memcmp(s->keys[i].tag, tag, WF_FRAME_TAG_LEN) == 0)
            return &s->keys[i];
    return NULL;
}

static void unknown_free(struct wf_sub_unknown *u)
{
    wf_net_msg_free(u->msg);
    free(u);
}

static void keep_unknown(struct weft_subscription *s, struct wf_net_msg *msg)
{
    size_t len = wf_net_msg_len(msg);
    int64_t now = wf_sub_now(s);

    if (now >= s->unknown_after_ms && s->leased) {
        uint16_t spread = 0;
        wf_random(&spread, sizeof spread);
        s->unknown_after_ms = now + UNKNOWN_PAUSE_MS;
        enum weft_err err =
            wf_timer_set(wf_client_loop(s->c), &s->lease_timer, now + spread % UNKNOWN_SPREAD_MS);
        (void)err; // it was set before: a lease always has its renewal
    }
    bool room = s->unknown_bytes + len <= WF_SUB_UNKNOWN && s->unknown_count < WF_SUB_UNKNOWNS;
    struct wf_sub_unknown *u = room ? calloc(1, sizeof *u) : NULL;
    if (!u) {
        wf_net_msg_free(msg);
        return;
    }
    struct wf_sub_unknown **at = &s->unknown;
    while (*at)
        at = &(*at)->next;
    u->msg = msg;
    *at = u;
    s->unknown_bytes += len;
    s->unknown_count++;
}

static void take_frame(struct weft_subscription *s, const struct wf_frame *f)
{
    struct wf_sub_unit *u = wf_sub_unit_new(f->entry_count, 0);

    if (!u)
        return; // repair asks for what is lost here
    u->is_frame = true;
    u->has_beat = !wf_sub_heartbeat(s, f->heartbeat, &u->beat); // before its memory is taken
    for (size_t i = 0; i < f->entry_count; i++) {
        enum weft_err err =
            wf_sub_take_entry(s, u, f->entries[i], f->entry_count == 1 ? &s->plain : NULL);
        if (err && err != WEFT_E_NOMEM)
            wf_sub_count(s, &s->stats.verify_failures, 1);
    }
    wf_sub_unit_go(s, u);
}

static void open_known(
    struct weft_subscription *s, const struct wf_sub_key *key, struct wf_bytes bytes)
{
    struct wf_frame *f = malloc(sizeof *f);

    if (!s->plain.cap && bytes.len > WF_SUB_SPARE / 4)
        wf_sub_spare_take(s, &s->plain);
    s->plain.len = 0;
    if (f && wf_frame_open(bytes, &key->key, &s->plain, f) == WEFT_OK)
        take_frame(s, f);
    else
        wf_sub_count(s, &s->stats.verify_failures, 1);
    free(f);
}

// Takes msg.
static void open_frame(struct weft_subscription *s, struct wf_net_msg *msg)
{
    struct wf_bytes bytes = wf_net_msg_view(msg);
    uint8_t tag[WF_FRAME_TAG_LEN];

    if (wf_frame_peek(bytes, tag)) {
        wf_sub_count(s, &s->stats.verify_failures, 1);
        wf_net_msg_free(msg);
        return;
    }
    const struct wf_sub_key *key = find_key(s, tag);
    if (!key) {
        keep_unknown(s, msg);
        return;
    }
    if (wf_sub_is_full(s)) { // the machine pulls once there is room
        struct wf_repair_event behind = { .kind = WF_REP_BEHIND };
        wf_sub_step(s, &behind);
    } else {
        open_known(s, key, bytes);
    }
    wf_net_sub_spare(s->sub, msg);
}

void wf_sub_try_unknown(struct weft_subscription *s, bool drop)
{
    struct wf_sub_unknown *u = s->unknown;

    s->unknown = NULL;
    s->unknown_bytes = s->unknown_count = 0;
    while (u) {
        struct wf_sub_unknown *next = u->next;
        uint8_t tag[WF_FRAME_TAG_LEN];
        if (!drop && !wf_frame_peek(wf_net_msg_view(u->msg), tag) && find_key(s, tag)) {
            open_frame(s, u->msg);
            u->msg = NULL;
        }
        unknown_free(u);
        u = next;
    }
}

// ---- the socket --------------------------------------------------------------------------------------------------------

// Hanging up posts nothing more, so what comes is of the lease in force.
static bool post(void *arg, const struct wf_net_event *ev)
{
    struct weft_subscription *s = arg;

    if (ev->what != WF_NET_FRAME)
        return true; // heartbeats tell whether the stream is heard
    wf_sub_count(s, &s->stats.bytes, wf_net_msg_len(ev->msg));
    open_frame(s, ev->msg);
    return true;
}

void wf_sub_hang_up(struct weft_subscription *s)
{
    wf_net_sub_free(s->sub);
    s->sub = NULL;
}

enum weft_err wf_sub_dial(struct weft_subscription *s, const char *endpoint)
{
    struct wf_net_sub_conf conf = {
        .loop = wf_client_loop(s->c), .post = post, .arg = s, .where = s->endpoint
    };

    if (s->sub && strcmp(s->endpoint, endpoint) == 0)
        return WEFT_OK;
    wf_sub_hang_up(s);
    snprintf(s->endpoint, sizeof s->endpoint, "%s", endpoint);
    if (!endpoint[0])
        return WEFT_OK; // a lease without a stream: everything comes by pull
    return wf_net_sub_new(&conf, &s->sub);
}
