// SPDX-License-Identifier: Apache-2.0
// The live stream: the SUB socket, frames under epoch keys, heartbeats. A frame under an unknown key waits a moment while the lease is
// renewed, because a rotation may overtake the answer that brings its key.
#include <stdio.h>
#include <stdlib.h>

#include "sdk/subscribe_int.h"

#define UNKNOWN_SPREAD_MS 500  // readers renew at a random moment within
#define UNKNOWN_PAUSE_MS  5000 // and not again before this, whatever arrives

static void letter_free(struct wf_sub_letter *l)
{
    wf_net_msg_free(l->msg);
    wf_sub_unref(l->s);
    free(l);
}

bool wf_sub_heartbeat(
    struct weft_subscription *s, struct wf_bytes envelope, struct wf_heartbeat *ret)
{
    if (envelope.len == 0)
        return false;
    if (wf_heartbeat_open(envelope, ret) || !wf_hash_eq(&ret->product_id, &s->product_id) ||
        memcmp(ret->signer.b, s->owner_key.b, WF_KEY_LEN) != 0) {
        wf_sub_count(s, &s->stats.verify_failures, 1);
        return false;
    }
    return true;
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

static void keep_unknown(struct weft_subscription *s, struct wf_sub_letter *l)
{
    size_t len = wf_net_msg_len(l->msg);
    int64_t now = wf_sub_now(s);

    if (now >= s->unknown_after_ms && s->leased) {
        uint16_t spread = 0;
        wf_random(&spread, sizeof spread);
        s->unknown_after_ms = now + UNKNOWN_PAUSE_MS;
        enum weft_err err =
            wf_timer_set(wf_client_loop(s->c), &s->lease_timer, now + spread % UNKNOWN_SPREAD_MS);
        (void)err; // it was set before: a lease always has its renewal
    }
    if (s->unknown_bytes + len > WF_SUB_UNKNOWN || s->unknown_count == WF_SUB_UNKNOWNS) {
        letter_free(l);
        return;
    }
    struct wf_sub_letter **at = &s->unknown;
    while (*at)
        at = &(*at)->next;
    l->next = NULL;
    *at = l;
    s->unknown_bytes += len;
    s->unknown_count++;
}

static void take_frame(struct weft_subscription *s, const struct wf_frame *f)
{
    struct wf_sub_unit *u = wf_sub_unit_new(f->entry_count, 0);

    if (!u)
        return; // repair asks for what is lost here
    u->is_frame = true;
    for (size_t i = 0; i < f->entry_count; i++)
        if (wf_sub_take_entry(s, u, f->entries[i]))
            wf_sub_count(s, &s->stats.verify_failures, 1);
    u->has_beat = wf_sub_heartbeat(s, f->heartbeat, &u->beat);
    wf_sub_unit_go(s, u);
}

static void open_frame(struct weft_subscription *s, struct wf_sub_letter *l)
{
    struct wf_bytes bytes = wf_net_msg_view(l->msg);
    uint8_t tag[WF_FRAME_TAG_LEN];
    struct wf_frame *f = NULL;

    if (wf_frame_peek(bytes, tag)) {
        wf_sub_count(s, &s->stats.verify_failures, 1);
        letter_free(l);
        return;
    }
    const struct wf_sub_key *key = find_key(s, tag);
    if (!key) {
        keep_unknown(s, l);
        return;
    }
    if (wf_sub_is_full(s)) { // the machine pulls once there is room
        struct wf_repair_event behind = { .kind = WF_REP_BEHIND };
        letter_free(l);
        wf_sub_step(s, &behind);
        return;
    }
    f = malloc(sizeof *f);
    s->plain.len = 0;
    if (f && wf_frame_open(bytes, &key->key, &s->plain, f) == WEFT_OK)
        take_frame(s, f);
    else
        wf_sub_count(s, &s->stats.verify_failures, 1);
    free(f);
    letter_free(l);
}

void wf_sub_try_unknown(struct weft_subscription *s, bool drop)
{
    struct wf_sub_letter *l = s->unknown;

    s->unknown = NULL;
    s->unknown_bytes = s->unknown_count = 0;
    while (l) {
        struct wf_sub_letter *next = l->next;
        uint8_t tag[WF_FRAME_TAG_LEN];
        if (drop || wf_frame_peek(wf_net_msg_view(l->msg), tag) || !find_key(s, tag))
            letter_free(l);
        else
            open_frame(s, l);
        l = next;
    }
}

// ---- the socket --------------------------------------------------------------------------------------------------------

static void open_letter(struct wf_mail *m)
{
    struct wf_sub_letter *l = (struct wf_sub_letter *)(void *)m;
    struct weft_subscription *s = l->s;

    if (s->closed || l->generation != s->generation) {
        letter_free(l);
        return;
    }
    if (l->what == WF_NET_FRAME) {
        wf_sub_count(s, &s->stats.bytes, wf_net_msg_len(l->msg));
        open_frame(s, l);
        return;
    }
    s->sub_up = l->what == WF_NET_UP;
    letter_free(l);
}

static void drop_letter(struct wf_mail *m)
{
    letter_free((struct wf_sub_letter *)(void *)m);
}

// On a thread of NNG. The generation only changes while no socket is open.
static bool post(void *arg, const struct wf_net_event *ev)
{
    struct weft_subscription *s = arg;
    struct wf_sub_letter *l = calloc(1, sizeof *l);

    if (!l)
        return false;
    l->mail = (struct wf_mail){ .open = open_letter,
        .drop = drop_letter,
        .class = WF_MAIL_LIVE,
        .must = ev->what != WF_NET_FRAME,
        .bytes = ev->what == WF_NET_FRAME ? wf_net_msg_len(ev->msg) : 0 };
    l->s = s;
    l->what = ev->what;
    l->generation = s->generation;
    wf_sub_ref(s);
    if (ev->what == WF_NET_FRAME)
        l->msg = ev->msg;
    if (wf_loop_post(wf_client_loop(s->c), &l->mail) == WEFT_OK)
        return true;
    l->msg = NULL; // stays the caller's
    letter_free(l);
    return false;
}

void wf_sub_hang_up(struct weft_subscription *s)
{
    wf_net_sub_free(s->sub); // posts nothing more from here on
    s->sub = NULL;
    s->sub_up = false;
    s->generation++;
}

enum weft_err wf_sub_dial(struct weft_subscription *s, const char *endpoint)
{
    struct wf_net_sub_conf conf = { .post = post, .arg = s, .where = s->endpoint };

    if (s->sub && strcmp(s->endpoint, endpoint) == 0)
        return WEFT_OK;
    wf_sub_hang_up(s);
    snprintf(s->endpoint, sizeof s->endpoint, "%s", endpoint);
    if (!endpoint[0])
        return WEFT_OK; // a lease without a stream: everything comes by pull
    return wf_net_sub_new(wf_client_net(s->c), &conf, &s->sub);
}
