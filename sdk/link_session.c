// SPDX-License-Identifier: Apache-2.0
// The sessions of a link: begun when a request needs one, renewed beside the old one, dropped with the connection.
#include "sdk/link_int.h"

#include <stdio.h>

static void session_drop(struct wf_link_session *h)
{
    if (h->serial)
        wf_session_fini(&h->s);
    *h = (struct wf_link_session){ 0 };
}

static struct wf_link_session *session_by_serial(struct wf_link *l, unsigned serial)
{
    struct wf_link_session *all[] = { &l->current, &l->old, &l->fresh };

    for (size_t i = 0; i < WF_COUNT(all); i++)
        if (serial && all[i]->serial == serial)
            return all[i];
    return NULL;
}

static void stop_dialing(struct wf_link *l)
{
    if (l->is_dialing)
        wf_session_dialing_fini(&l->dialing);
    l->is_dialing = false;
}

static void drop_current(struct wf_link *l)
{
    session_drop(&l->current);
    l->state.up = false;
}

void wf_link_drop_sessions(struct wf_link *l)
{
    drop_current(l);
    session_drop(&l->old);
    session_drop(&l->fresh);
    stop_dialing(l);
    wf_timer_cancel(l->conf.loop, &l->renew);
}

// ---- handshake and hello -----------------------------------------------------------------------------------------------

static struct wf_session_conf session_conf(const struct wf_link *l)
{
    return (struct wf_session_conf){ &l->conf.keys->dh, l->conf.keys->dh_pub, l->conf.mesh_id };
}

bool wf_link_may_dial(const struct wf_link *l)
{
    return !l->is_local && !l->is_dialing && !l->fresh.serial;
}

// The peer stays silent or refuses. A session that still works is not given up for one that did not come about.
static void handshake_failed(struct wf_link *l, enum weft_err err, const char *what)
{
    l->redialled = false;
    if (!l->current.serial) {
        wf_link_fail(l, err, what);
        return;
    }
    stop_dialing(l);
    session_drop(&l->fresh);
    l->state.last_error = err;
}

// Deadline or connection of our own requests: INIT and HELLO. Their answers are handled before they are finished.
static void control_failed(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_link *l = arg;

    (void)reply;
    if (err && !l->freed && l->conn)
        handshake_failed(l, err, NULL);
}

// The peer remembers the last stamp of a key and refuses one that is not later.
static int64_t next_stamp(struct wf_link *l)
{
    int64_t now = wf_loop_now_unix_ms(l->conf.loop);

    l->last_stamp_unix_ms = now > l->last_stamp_unix_ms ? now : l->last_stamp_unix_ms + 1;
    return l->last_stamp_unix_ms;
}

enum weft_err wf_link_dial(struct wf_link *l)
{
    struct wf_session_fresh fresh = { .now_unix_ms = next_stamp(l) };
    struct wf_session_conf conf = session_conf(l);
    uint8_t init[WF_SESSION_INIT_LEN];
    struct wf_link_ask *a = NULL;

    wf_random(fresh.ephemeral, sizeof fresh.ephemeral);
    enum weft_err err = wf_session_dial(&conf, &l->conf.peer, &fresh, &l->dialing, init);
    wf_wipe(&fresh, sizeof fresh);
    if (err)
        return err;
    l->is_dialing = true;
    err = wf_link_ask_new(l, WF_LINK_INIT, WF_REQUEST_DEADLINE_MS, control_failed, &a);
    if (!err) {
        err = wf_link_put(l, a, WF_BYTES(init));
        if (err) {
            a->done = NULL;
            wf_link_finish(a, err, NULL);
        }
    }
    if (err)
        stop_dialing(l);
    return err;
}

static enum weft_err send_sealed(
    struct wf_link *l, struct wf_link_session *h, struct wf_link_ask *a)
{
    struct wf_buf out = { 0 };
    enum weft_err err = wf_session_seal_request(
        &h->s, wf_loop_now_ms(l->conf.loop), wf_buf_view(&a->plain), &out, &a->nonce);

    a->session = h->serial;
    if (!err)
        err = wf_link_put(l, a, wf_buf_view(&out));
    wf_buf_fini(&out);
    return err;
}

static enum weft_err send_hello(struct wf_link *l)
{
    Weft__V1__Request m = WEFT__V1__REQUEST__INIT;
    Weft__V1__Hello hello = WEFT__V1__HELLO__INIT;
    struct wf_link_ask *a = NULL;

    hello.chain = wf_pb_bin(wf_buf_view(&l->chain));
    hello.charter_version = l->conf.charter_version;
    hello.version = wf_pb_str(l->version);
    m.hello = &hello;
    enum weft_err err =
        wf_link_ask_new(l, WF_LINK_HELLO, WF_REQUEST_DEADLINE_MS, control_failed, &a);
    if (err)
        return err;
    err = wf_pb_pack(&m, &a->plain);
    if (!err)
        err = send_sealed(l, &l->fresh, a);
    if (err) {
        a->done = NULL;
        wf_link_finish(a, err, NULL);
    }
    return err;
}

// Two programs with one key may shake hands in the same moment: the peer refuses the one whose stamp does not rise any more, and does not say why.
static bool dials_again(struct wf_link *l, enum weft_err refused)
{
    if (refused != WEFT_E_REFUSED || l->redialled)
        return false;
    l->redialled = true;
    stop_dialing(l);
    return wf_link_dial(l) == WEFT_OK;
}

static void on_response(struct wf_link *l, struct wf_bytes message)
{
    struct wf_session_conf conf = session_conf(l);
    struct wf_session_refusal refusal;

    if (!l->is_dialing)
        return;
    if (wf_session_refusal_read(message, &refusal) == WEFT_OK) {
        if (dials_again(l, refusal.code))
            return;
        handshake_failed(l, refusal.code, "handshake refused");
        return;
    }
    session_drop(&l->fresh);
    enum weft_err err =
        wf_session_finish(&conf, &l->dialing, message, wf_loop_now_ms(l->conf.loop), &l->fresh.s);
    stop_dialing(l);
    if (!err) {
        l->fresh.serial = ++l->last_session;
        err = send_hello(l);
    }
    if (err)
        handshake_failed(l, err, "handshake");
}

static void note_peer(struct wf_link *l, const Weft__V1__HelloReply *h)
{
    l->state.up = true;
    l->state.last_error = WEFT_OK;
    l->state.last_text[0] = '\0';
    memcpy(l->state.handshake_hash, l->current.s.handshake_hash, sizeof l->state.handshake_hash);
    l->state.peer_skew_ms = h->time_ms - wf_loop_now_unix_ms(l->conf.loop);
    l->state.peer_charter_version = h->charter_version;
    snprintf(l->peer_version, sizeof l->peer_version, "%s", h->version);
    l->peer_chain.len = 0;
    if (wf_buf_append(&l->peer_chain, wf_pb_view(h->chain)) == WEFT_OK)
        l->state.peer_chain = wf_buf_view(&l->peer_chain);
}

static void on_hello(struct wf_link *l, const Weft__V1__Reply *reply)
{
    const Weft__V1__HelloReply *h = reply ? reply->hello : NULL;

    if (!h || h->chain.len > WF_MAX_CERT * WF_MAX_CHAIN + 64 || !l->fresh.serial) {
        handshake_failed(l, WEFT_E_PROTOCOL, "hello");
        return;
    }
    // What is on the wire in the session before may still be answered there.
    session_drop(&l->old);
    l->old = l->current;
    l->current = l->fresh;
    l->fresh = (struct wf_link_session){ 0 };
    l->backoff_ms = 0;
    l->redialled = false;
    note_peer(l, h);
    // Without memory for the timer, the next request finds the session's age.
    enum weft_err err =
        wf_timer_set(l->conf.loop, &l->renew, wf_loop_now_ms(l->conf.loop) + WF_SESSION_RENEW_MS);
    (void)err;
    wf_link_flush(l);
}

// ---- renewal -----------------------------------------------------------------------------------------------------------

static void renew_if_old(struct wf_link *l)
{
    int64_t now = wf_loop_now_ms(l->conf.loop);

    if (!l->current.serial || !wf_link_may_dial(l) || !l->conn ||
        wf_session_age(&l->current.s, now) != WF_SESSION_RENEW)
        return;
    enum weft_err err = wf_link_dial(l);
    if (err)
        l->state.last_error = err; // the old session serves on; the next request tries again
}

// At 120 s, and at 180 s when nothing came of it. An idle link is not kept up: the next request begins anew. One with requests
// parked at the peer is.
void wf_link_on_renew(struct wf_timer *t)
{
    struct wf_link *l = (struct wf_link *)(void *)((char *)t - offsetof(struct wf_link, renew));
    int64_t now = wf_loop_now_ms(l->conf.loop);

    session_drop(&l->old);
    if (l->current.serial && wf_session_age(&l->current.s, now) == WF_SESSION_OVER) {
        drop_current(l);
        return;
    }
    if (l->in_flight)
        renew_if_old(l);
    enum weft_err err =
        wf_timer_set(l->conf.loop, t, now + (WF_SESSION_WIPE_MS - WF_SESSION_RENEW_MS));
    (void)err; // sealing finds out by itself that a session is over
}

// ---- sending and answers -----------------------------------------------------------------------------------------------

static struct wf_link_ask *oldest_waiting(struct wf_link *l)
{
    struct wf_link_ask *a = l->first;

    while (a && (a->kind != WF_LINK_USER || a->on_wire))
        a = a->next;
    return a;
}

static bool may_send(const struct wf_link *l)
{
    return l->conn && (l->is_local || l->current.serial);
}

void wf_link_flush(struct wf_link *l)
{
    struct wf_link_ask *a = oldest_waiting(l);

    renew_if_old(l);
    for (; a && may_send(l); a = oldest_waiting(l)) {
        struct wf_net_msg *msg = a->message;
        a->message = NULL;
        enum weft_err err =
            l->is_local ? wf_link_put_msg(l, a, msg) : send_sealed(l, &l->current, a);
        if (err == WEFT_E_SESSION_OLD) {
            drop_current(l);
            wf_link_start(l); // dials; this request is sent when the new session stands
            return;
        }
        if (err)
            wf_link_finish(a, err, NULL);
    }
}

static enum weft_err read_reply(
    struct wf_link *l, struct wf_link_ask *a, struct wf_arena *arena, Weft__V1__Reply **ret)
{
    struct wf_bytes message = wf_net_msg_view(a->reply);
    struct wf_link_session *h = session_by_serial(l, a->session);
    struct wf_buf plain = { 0 };
    enum weft_err err = WEFT_E_SESSION_OLD;

    if (l->is_local)
        err = WEFT_OK; // as it came
    else if (h)
        err = wf_session_open_reply(&h->s, a->nonce, message, wf_loop_now_ms(l->conf.loop), &plain);
    if (!err) {
        struct wf_bytes bytes = l->is_local ? message : wf_buf_view(&plain);
        wf_arena_init(arena, wf_pb_budget(bytes.len));
        err = wf_pb_unpack(&weft__v1__reply__descriptor, bytes, WF_PB_STRICT, arena, ret);
    }
    wf_wipe(plain.ptr, plain.len);
    wf_buf_fini(&plain);
    return err;
}

// The peer does not know the session (it restarted behind the same address, or wiped it): surely nothing was done, so ask again once.
static bool retry_in_new_session(struct wf_link *l, struct wf_link_ask *a)
{
    struct wf_session_refusal refusal;

    if (l->is_local || a->kind != WF_LINK_USER || a->retried ||
        wf_session_refusal_read(wf_net_msg_view(a->reply), &refusal) ||
        refusal.code != WEFT_E_SESSION)
        return false;
    a->retried = true;
    wf_net_msg_free(a->reply);
    a->reply = NULL;
    if (a->session == l->current.serial)
        drop_current(l);
    wf_link_start(l);
    return true;
}

static enum weft_err refusal_of(const struct wf_link *l, const struct wf_link_ask *a,
    enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_session_refusal refusal;

    if (!err && reply->refusal)
        return reply->refusal->code ? (enum weft_err)reply->refusal->code : WEFT_E_PROTOCOL;
    if (err && !l->is_local &&
        wf_session_refusal_read(wf_net_msg_view(a->reply), &refusal) == WEFT_OK)
        return refusal.code;
    return err;
}

// Requests and replies have the same numbers, but for the two that share a reply.
Weft__V1__Reply__KindCase wf_link_reply_kind(Weft__V1__Request__KindCase asked)
{
    if (asked == WEFT__V1__REQUEST__KIND_PULL)
        return WEFT__V1__REPLY__KIND_RANGE;
    if (asked == WEFT__V1__REQUEST__KIND_CALL_STATUS)
        return WEFT__V1__REPLY__KIND_CALL;
    return (Weft__V1__Reply__KindCase)asked;
}

bool wf_link_reply_fits(const Weft__V1__Reply *reply, Weft__V1__Reply__KindCase wanted)
{
    return reply->kind_case == WEFT__V1__REPLY__KIND__NOT_SET || reply->kind_case == wanted;
}

static void take_hello(struct wf_link *l, enum weft_err err, const Weft__V1__Reply *reply)
{
    if (err)
        handshake_failed(l, err, "hello refused");
    else
        on_hello(l, reply);
}

static void take_init(struct wf_link *l, struct wf_link_ask *a)
{
    struct wf_net_msg *msg = a->reply;

    a->reply = NULL;
    a->done = NULL;
    wf_link_finish(a, WEFT_OK, NULL);
    on_response(l, wf_net_msg_view(msg));
    wf_net_msg_free(msg);
}

void wf_link_take_reply(struct wf_link *l, struct wf_link_ask *a)
{
    struct wf_arena arena = { 0 };
    Weft__V1__Reply *reply = NULL;

    if (a->kind == WF_LINK_INIT) {
        take_init(l, a);
        return;
    }
    if (retry_in_new_session(l, a))
        return;
    enum weft_err err = read_reply(l, a, &arena, &reply);
    if (!err) {
        l->state.heard_ms = wf_loop_now_ms(l->conf.loop);
        l->state.up = l->state.up || l->is_local;
    }
    err = refusal_of(l, a, err, reply);
    if (a->kind == WF_LINK_HELLO) {
        a->done = NULL;
        wf_link_finish(a, err, NULL);
        take_hello(l, err, reply);
    } else {
        if (!err && !wf_link_reply_fits(reply, a->reply_kind)) {
            err = WEFT_E_PROTOCOL;
            reply = NULL;
        }
        wf_link_finish(a, err, reply);
    }
    wf_arena_fini(&arena);
}
