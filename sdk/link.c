// SPDX-License-Identifier: Apache-2.0
// A link is a connection (one REQ socket, dead for good when it fails), a session on it, and requests. A session is begun when a request
// needs one, renewed beside the old one, and dropped with the connection. Letters from NNG's threads are embedded in what they are
// about: the request, or the connection, which lives until the last letter was read.
#include "sdk/link.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/session/session.h"
#include "sdk/loop/loop.h"
#include "sdk/net/net.h"

#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 5000
#define GRACE_MS                                                                                   \
    2000 // the connection outlives a request's deadline, so that a late answer is not a lost connection

struct conn { // shared with letters
    struct wf_loop *loop;
    struct wf_net_peer *net;
    struct wf_link *link; // NULL once the link let go of it
    atomic_uint refs;
    struct wf_mail down;
    enum weft_err down_err;
};

enum request_kind { REQ_USER, REQ_INIT, REQ_HELLO };

struct request {
    struct wf_mail mail; // the reply letter
    struct wf_timer timer;
    struct conn *conn; // while it is on the wire
    struct wf_link *link;
    struct request *next, *prev;
    enum request_kind kind;
    bool on_wire, retried;
    struct wf_buf plain; // packed request
    uint64_t nonce;
    unsigned session; // serial of the session it was sealed in
    int64_t deadline_ms;
    wf_link_fn done;
    void *arg;
    struct wf_net_msg *reply;
    enum weft_err err;
};

struct held_session {
    struct wf_session s;
    unsigned serial; // 0 = none
};

struct wf_link {
    struct wf_link_conf conf;
    struct wf_buf chain, peer_chain;
    char address[WF_MAX_ADDR + 8], version[64], peer_version[64];
    bool is_local;
    struct conn *conn;
    struct held_session current, old, fresh; // fresh: shaken hands, hello not yet answered
    struct wf_session_dialing dialing;
    bool is_dialing, freed;
    unsigned depth; // callbacks under way: a link freed within one goes when the last returns
    unsigned last_serial;
    struct request *first; // all requests, waiting and on the wire
    unsigned in_flight;
    struct wf_timer renew;
    int64_t backoff_ms, not_before_ms;
    struct wf_link_state state;
};

static void open_reply(struct wf_mail *m);

static void start(struct wf_link *l);
static void flush(struct wf_link *l);

// ---- requests --------------------------------------------------------------------------------------------------------

static void unlink_request(struct wf_link *l, struct request *q)
{
    if (q->prev)
        q->prev->next = q->next;
    else
        l->first = q->next;
    if (q->next)
        q->next->prev = q->prev;
    q->next = q->prev = NULL;
    if (q->kind == REQ_USER)
        l->in_flight--;
}

static void conn_unref(struct conn *c)
{
    if (atomic_fetch_sub(&c->refs, 1) == 1)
        free(c);
}

static void request_free(struct request *q)
{
    wf_net_msg_free(q->reply);
    wf_wipe(q->plain.ptr, q->plain.len);
    wf_buf_fini(&q->plain);
    free(q);
}

static void destroy(struct wf_link *l)
{
    wf_buf_fini(&l->chain);
    wf_buf_fini(&l->peer_chain);
    free(l);
}

static void leave(struct wf_link *l)
{
    if (--l->depth == 0 && l->freed)
        destroy(l);
}

// Ends a request towards its owner. One on the wire stays allocated, without a link, until its letter comes.
static void finish(struct request *q, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_link *l = q->link;
    wf_link_fn done = q->done;
    void *arg = q->arg;

    wf_timer_cancel(l->conf.loop, &q->timer);
    unlink_request(l, q);
    q->link = NULL;
    if (!q->on_wire)
        request_free(q);
    if (done)
        done(arg, err, reply);
}

static void finish_all(struct wf_link *l, enum weft_err err)
{
    // Callbacks may add requests; those belong to the next attempt and are left alone.
    struct request *last = l->first;

    while (last && last->next)
        last = last->next;
    for (struct request *q = l->first, *next; q; q = next) {
        next = q == last ? NULL : q->next;
        finish(q, err, NULL);
    }
}

static void on_deadline(struct wf_timer *t)
{
    struct request *q = (struct request *)(void *)((char *)t - offsetof(struct request, timer));
    struct wf_link *l = q->link;

    l->depth++;
    l->state.last_error = WEFT_E_TIMEOUT;
    finish(q, WEFT_E_TIMEOUT, NULL);
    leave(l);
}

static void add_request(struct wf_link *l, struct request *q)
{
    q->link = l;
    q->prev = NULL;
    q->next = l->first;
    if (l->first)
        l->first->prev = q;
    l->first = q;
    if (q->kind == REQ_USER)
        l->in_flight++;
}

// ---- sessions --------------------------------------------------------------------------------------------------------

static void session_drop(struct held_session *h)
{
    if (h->serial)
        wf_session_fini(&h->s);
    *h = (struct held_session){ 0 };
}

static struct held_session *session_by_serial(struct wf_link *l, unsigned serial)
{
    struct held_session *all[] = { &l->current, &l->old, &l->fresh };

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

static void drop_sessions(struct wf_link *l)
{
    session_drop(&l->current);
    session_drop(&l->old);
    session_drop(&l->fresh);
    stop_dialing(l);
    wf_timer_cancel(l->conf.loop, &l->renew);
    l->state.up = false;
}

// ---- the connection ------------------------------------------------------------------------------------------------

static void detach(struct wf_link *l)
{
    struct conn *c = l->conn;

    drop_sessions(l);
    if (!c)
        return;
    l->conn = NULL;
    c->link = NULL;
    struct wf_net_peer *net = c->net;
    c->net = NULL;
    wf_net_peer_free(net); // posts CANCELLED for what is on the wire
    conn_unref(c);
}

static void fail_link(struct wf_link *l, enum weft_err err, const char *what)
{
    int64_t now = wf_loop_now_ms(l->conf.loop);

    l->state.last_error = err;
    snprintf(l->state.last_text, sizeof l->state.last_text, "%.96s: %s: %s", l->address, what,
        weft_err_text(err));
    l->backoff_ms = l->backoff_ms ? l->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (l->backoff_ms > BACKOFF_MAX_MS)
        l->backoff_ms = BACKOFF_MAX_MS;
    l->not_before_ms = now + l->backoff_ms;
    detach(l);
    finish_all(l, err);
}

static void open_down(struct wf_mail *m)
{
    struct conn *c = (struct conn *)(void *)((char *)m - offsetof(struct conn, down));

    struct wf_link *l = c->link;

    if (l) {
        l->depth++;
        fail_link(l, c->down_err == WEFT_E_CANCELLED ? WEFT_E_CLOSED : c->down_err, "connection");
        leave(l);
    }
    conn_unref(c);
}

static void drop_down(struct wf_mail *m)
{
    conn_unref((struct conn *)(void *)((char *)m - offsetof(struct conn, down)));
}

static void drop_reply(struct wf_mail *m)
{
    struct request *q = (struct request *)(void *)m;

    // The loop is gone; whoever frees the link afterwards finds the request ended.
    conn_unref(q->conn);
    q->on_wire = false;
    if (!q->link)
        request_free(q);
}

// On an NNG thread.
static bool post(void *arg, const struct wf_net_event *e)
{
    struct conn *c = arg;

    if (e->what == WF_NET_REPLY) {
        struct request *q = (struct request *)(uintptr_t)e->tag;
        q->reply = e->msg;
        q->err = e->err;
        q->mail = (struct wf_mail){ .open = open_reply,
            .drop = drop_reply,
            .class = WF_MAIL_CONTROL,
            .must = true,
            .bytes = e->msg ? wf_net_msg_len(e->msg) : 0 };
        if (wf_loop_post(c->loop, &q->mail))
            drop_reply(&q->mail);
        return true;
    }
    if (e->what == WF_NET_DOWN) {
        c->down = (struct wf_mail){
            .open = open_down, .drop = drop_down, .class = WF_MAIL_CONTROL, .must = true
        };
        c->down_err = e->err ? e->err : WEFT_E_CLOSED;
        atomic_fetch_add(&c->refs, 1);
        if (wf_loop_post(c->loop, &c->down))
            conn_unref(c);
    }
    return true;
}

static enum weft_err connect_now(struct wf_link *l)
{
    struct conn *c = calloc(1, sizeof *c);

    if (!c)
        return WEFT_E_NOMEM;
    c->loop = l->conf.loop;
    c->link = l;
    atomic_init(&c->refs, 1);
    // Until it is in place no event may find a connection without its peer; posting only hands letters over.
    struct wf_net_peer_conf conf = { .post = post, .arg = c, .where = l->address };
    enum weft_err err = wf_net_peer_new(l->conf.net, &conf, &c->net);
    if (err) {
        free(c);
        return err;
    }
    l->conn = c;
    return WEFT_OK;
}

// Puts bytes on the wire for q. The request is on the wire from here on unless an error comes back.
static enum weft_err put_on_wire(struct wf_link *l, struct request *q, struct wf_bytes message)
{
    struct wf_net_msg *msg = NULL;
    int64_t left = q->deadline_ms - wf_loop_now_ms(l->conf.loop);
    enum weft_err err = wf_net_msg_from(message, &msg);

    if (err)
        return err;
    q->conn = l->conn;
    atomic_fetch_add(&q->conn->refs, 1);
    q->on_wire = true;
    err = wf_net_peer_send(
        l->conn->net, (uint64_t)(uintptr_t)q, msg, (left > 0 ? left : 0) + GRACE_MS);
    if (err) {
        q->on_wire = false;
        conn_unref(q->conn);
    }
    return err;
}

static enum weft_err new_request(struct wf_link *l, enum request_kind kind, int64_t deadline_ms,
    wf_link_fn done, void *arg, struct request **ret)
{
    struct request *q = calloc(1, sizeof *q);

    if (!q)
        return WEFT_E_NOMEM;
    q->kind = kind;
    q->deadline_ms =
        wf_loop_now_ms(l->conf.loop) + (deadline_ms > 0 ? deadline_ms : WF_REQUEST_DEADLINE_MS);
    q->timer.fire = on_deadline;
    q->done = done;
    q->arg = arg;
    enum weft_err err = wf_timer_set(l->conf.loop, &q->timer, q->deadline_ms);
    if (err) {
        free(q);
        return err;
    }
    add_request(l, q);
    *ret = q;
    return WEFT_OK;
}

// ---- handshake -------------------------------------------------------------------------------------------------------

static struct wf_session_conf session_conf(const struct wf_link *l)
{
    return (struct wf_session_conf){ &l->conf.keys->dh, l->conf.keys->dh_pub, l->conf.mesh_id };
}

static void control_failed(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct wf_link *l = arg;

    (void)reply;
    if (err && !l->freed && l->conn && !l->current.serial)
        fail_link(l, err, "no answer");
}

static enum weft_err dial_session(struct wf_link *l)
{
    struct wf_session_fresh fresh = { .now_unix_ms = wf_loop_now_unix_ms(l->conf.loop) };
    struct wf_session_conf conf = session_conf(l);
    uint8_t init[WF_SESSION_INIT_LEN];
    struct request *q = NULL;

    wf_random(fresh.ephemeral, sizeof fresh.ephemeral);
    enum weft_err err = wf_session_dial(&conf, &l->conf.peer, &fresh, &l->dialing, init);
    wf_wipe(&fresh, sizeof fresh);
    if (err)
        return err;
    l->is_dialing = true;
    err = new_request(l, REQ_INIT, WF_REQUEST_DEADLINE_MS, control_failed, l, &q);
    if (!err) {
        err = put_on_wire(l, q, WF_BYTES(init));
        if (err) {
            q->done = NULL;
            finish(q, err, NULL);
        }
    }
    if (err)
        stop_dialing(l);
    return err;
}

static enum weft_err send_sealed(struct wf_link *l, struct held_session *h, struct request *q)
{
    struct wf_buf out = { 0 };
    enum weft_err err = wf_session_seal_request(
        &h->s, wf_loop_now_ms(l->conf.loop), wf_buf_view(&q->plain), &out, &q->nonce);

    q->session = h->serial;
    if (!err)
        err = put_on_wire(l, q, wf_buf_view(&out));
    wf_buf_fini(&out);
    return err;
}

static enum weft_err send_hello(struct wf_link *l)
{
    Weft__V1__Request m = WEFT__V1__REQUEST__INIT;
    Weft__V1__Hello hello = WEFT__V1__HELLO__INIT;
    struct request *q = NULL;

    hello.chain = wf_pb_bin(wf_buf_view(&l->chain));
    hello.charter_version = l->conf.charter_version;
    hello.version = wf_pb_str(l->version);
    m.hello = &hello;
    enum weft_err err = new_request(l, REQ_HELLO, WF_REQUEST_DEADLINE_MS, control_failed, l, &q);
    if (err)
        return err;
    err = wf_pb_pack(&m, &q->plain);
    if (!err)
        err = send_sealed(l, &l->fresh, q);
    if (err) {
        q->done = NULL;
        finish(q, err, NULL);
    }
    return err;
}

static void on_response(struct wf_link *l, struct wf_bytes message)
{
    struct wf_session_conf conf = session_conf(l);
    struct wf_session_refusal refusal;
    int64_t now = wf_loop_now_ms(l->conf.loop);

    if (!l->is_dialing)
        return;
    if (wf_session_refusal_read(message, &refusal) == WEFT_OK) {
        fail_link(l, refusal.code, "handshake refused");
        return;
    }
    session_drop(&l->fresh);
    enum weft_err err = wf_session_finish(&conf, &l->dialing, message, now, &l->fresh.s);
    stop_dialing(l);
    if (!err) {
        l->fresh.serial = ++l->last_serial;
        memcpy(l->state.handshake_hash, l->fresh.s.handshake_hash, sizeof l->state.handshake_hash);
        err = send_hello(l);
    }
    if (err)
        fail_link(l, err, "handshake");
}

static void on_hello(struct wf_link *l, const Weft__V1__Reply *reply)
{
    const Weft__V1__HelloReply *h = reply->hello;
    int64_t now = wf_loop_now_ms(l->conf.loop);

    if (!h || h->chain.len > WF_MAX_CERT * WF_MAX_CHAIN + 64 || !l->fresh.serial) {
        fail_link(l, WEFT_E_PROTOCOL, "hello");
        return;
    }
    session_drop(&l->old);
    l->old = l->current;
    l->current = l->fresh;
    l->fresh = (struct held_session){ 0 };
    l->backoff_ms = 0;
    l->state.up = true;
    l->state.last_error = WEFT_OK;
    l->state.last_text[0] = '\0';
    l->state.peer_skew_ms = h->time_ms - wf_loop_now_unix_ms(l->conf.loop);
    l->state.peer_charter_version = h->charter_version;
    snprintf(l->peer_version, sizeof l->peer_version, "%s", h->version);
    l->peer_chain.len = 0;
    if (wf_buf_append(&l->peer_chain, wf_pb_view(h->chain)) == WEFT_OK)
        l->state.peer_chain = wf_buf_view(&l->peer_chain);
    // Renewal is due by itself; without memory for the timer the next request finds the session's age.
    enum weft_err err = wf_timer_set(l->conf.loop, &l->renew, now + WF_SESSION_RENEW_MS);
    (void)err;
    flush(l);
}

static void on_renew(struct wf_timer *t)
{
    struct wf_link *l = (struct wf_link *)(void *)((char *)t - offsetof(struct wf_link, renew));
    int64_t now = wf_loop_now_ms(l->conf.loop);

    session_drop(&l->old);
    if (l->current.serial && wf_session_age(&l->current.s, now) == WF_SESSION_OVER) {
        session_drop(&l->current);
        l->state.up = false;
        return;
    }
    // An idle link is not kept up: the next request begins anew. One with requests parked at the peer is.
    if (l->in_flight && !l->is_dialing && !l->fresh.serial && l->conn && dial_session(l) != WEFT_OK)
        l->state.last_error = WEFT_E_NOMEM;
    enum weft_err err =
        wf_timer_set(l->conf.loop, t, now + (WF_SESSION_WIPE_MS - WF_SESSION_RENEW_MS));
    (void)err;
}

// ---- sending and answers ---------------------------------------------------------------------------------------------

static struct request *oldest_waiting(struct wf_link *l)
{
    struct request *found = NULL;

    for (struct request *q = l->first; q; q = q->next)
        if (q->kind == REQ_USER && !q->on_wire)
            found = q;
    return found;
}

static void flush(struct wf_link *l)
{
    struct request *q = oldest_waiting(l);

    for (; q && (l->is_local ? l->conn != NULL : l->current.serial != 0); q = oldest_waiting(l)) {
        enum weft_err err = l->is_local ? put_on_wire(l, q, wf_buf_view(&q->plain))
                                        : send_sealed(l, &l->current, q);
        if (!err)
            continue;
        if (err == WEFT_E_SESSION_OLD) {
            session_drop(&l->current);
            l->state.up = false;
            start(l);
            return;
        }
        finish(q, err, NULL);
    }
}

// Brings up what the waiting requests need: connection, session. Failures end them.
static void start(struct wf_link *l)
{
    enum weft_err err = WEFT_OK;

    if (!l->conn) {
        if (wf_loop_now_ms(l->conf.loop) < l->not_before_ms) {
            finish_all(l, l->state.last_error ? l->state.last_error : WEFT_E_UNREACHABLE);
            return;
        }
        err = connect_now(l);
    }
    if (!err && !l->is_local && !l->current.serial && !l->is_dialing && !l->fresh.serial)
        err = dial_session(l);
    if (err)
        fail_link(l, err, "connect");
    else
        flush(l);
}

static enum weft_err read_reply(
    struct wf_link *l, struct request *q, struct wf_arena *arena, Weft__V1__Reply **ret)
{
    struct wf_bytes message = wf_net_msg_view(q->reply);
    struct held_session *h = session_by_serial(l, q->session);
    struct wf_buf plain = { 0 };
    enum weft_err err = WEFT_OK;

    if (l->is_local)
        err = wf_buf_append(&plain, message);
    else
        err = h ? wf_session_open_reply(
                      &h->s, q->nonce, message, wf_loop_now_ms(l->conf.loop), &plain)
                : WEFT_E_SESSION_OLD;
    if (!err) {
        wf_arena_init(arena, wf_pb_budget(plain.len));
        err = wf_pb_unpack(
            &weft__v1__reply__descriptor, wf_buf_view(&plain), WF_PB_STRICT, arena, ret);
    }
    wf_wipe(plain.ptr, plain.len);
    wf_buf_fini(&plain);
    return err;
}

// The peer forgot the session (it restarted behind the same address, or wiped it): surely nothing was done, so ask again once.
static bool retry_in_new_session(struct wf_link *l, struct request *q)
{
    struct wf_session_refusal refusal;

    if (l->is_local || wf_session_refusal_read(wf_net_msg_view(q->reply), &refusal) ||
        refusal.code != WEFT_E_SESSION)
        return false;
    if (q->retried || q->kind != REQ_USER || q->session != l->current.serial)
        return false;
    q->retried = true;
    wf_net_msg_free(q->reply);
    q->reply = NULL;
    session_drop(&l->current);
    l->state.up = false;
    start(l);
    return true;
}

static void take_reply(struct wf_link *l, struct request *q)
{
    struct wf_arena arena = { 0 };
    struct wf_session_refusal refusal;
    Weft__V1__Reply *reply = NULL;

    if (retry_in_new_session(l, q))
        return;
    enum weft_err err = read_reply(l, q, &arena, &reply);
    if (err && !l->is_local &&
        wf_session_refusal_read(wf_net_msg_view(q->reply), &refusal) == WEFT_OK)
        err = refusal.code;
    if (!err) {
        l->state.heard_ms = wf_loop_now_ms(l->conf.loop);
        if (reply->refusal)
            err = reply->refusal->code ? (enum weft_err)reply->refusal->code : WEFT_E_PROTOCOL;
    }
    if (q->kind == REQ_HELLO) {
        q->done = NULL;
        finish(q, err, NULL);
        if (err)
            fail_link(l, err, "hello refused");
        else
            on_hello(l, reply);
    } else {
        finish(q, err, reply);
    }
    wf_arena_fini(&arena);
}

static void open_reply(struct wf_mail *m)
{
    struct request *q = (struct request *)(void *)m;
    struct wf_link *l = q->link;

    conn_unref(q->conn);
    q->on_wire = false;
    if (!l) {
        request_free(q);
        return;
    }
    l->depth++;
    if (q->err) {
        // The connection's own end follows as DOWN; here only this request is concerned.
        finish(q, q->err == WEFT_E_CANCELLED ? WEFT_E_CLOSED : q->err, NULL);
    } else if (q->kind == REQ_INIT) {
        struct wf_net_msg *msg = q->reply;
        q->reply = NULL;
        q->done = NULL;
        finish(q, WEFT_OK, NULL);
        on_response(l, wf_net_msg_view(msg));
        wf_net_msg_free(msg);
    } else {
        take_reply(l, q);
    }
    leave(l);
}

// ---- public ----------------------------------------------------------------------------------------------------------

enum weft_err wf_link_new(const struct wf_link_conf *conf, struct wf_link **ret)
{
    struct wf_link *l = calloc(1, sizeof *l);

    if (!l)
        return WEFT_E_NOMEM;
    l->conf = *conf;
    l->is_local = strncmp(conf->address, "ipc:", 4) == 0;
    l->state.heard_ms = -1;
    l->state.peer_version = l->peer_version;
    l->renew.fire = on_renew;
    snprintf(l->version, sizeof l->version, "%s", conf->version ? conf->version : "");
    enum weft_err err = strlen(conf->address) < sizeof l->address ? WEFT_OK : WEFT_E_TOO_BIG;
    if (!err) {
        memcpy(l->address, conf->address, strlen(conf->address) + 1);
        l->conf.address = l->address;
        err = wf_buf_append(&l->chain, conf->chain);
    }
    if (err) {
        destroy(l);
        return err;
    }
    *ret = l;
    return WEFT_OK;
}

void wf_link_free(struct wf_link *l)
{
    if (!l || l->freed)
        return;
    l->freed = true;
    l->depth++;
    detach(l);
    while (l->first)
        finish(l->first, WEFT_E_CLOSED, NULL);
    leave(l);
}

enum weft_err wf_link_set_chain(struct wf_link *l, struct wf_bytes chain, uint64_t charter_version)
{
    struct wf_buf copy = { 0 };
    enum weft_err err = wf_bytes_dup(chain, &copy);

    if (err)
        return err;
    wf_buf_fini(&l->chain);
    l->chain = copy;
    l->conf.charter_version = charter_version;
    // What the old certificate was told stays true until its session ends; the next one shows the new chain.
    if (!l->is_local && l->current.serial && !l->is_dialing && !l->fresh.serial && l->conn)
        return dial_session(l);
    return WEFT_OK;
}

static enum weft_err begin(struct wf_link *l, const Weft__V1__Request *request, int64_t deadline_ms,
    wf_link_fn done, void *arg)
{
    struct request *q = NULL;

    if (l->freed)
        return WEFT_E_CLOSED;
    if (l->in_flight >= WF_MAX_IN_FLIGHT)
        return WEFT_E_BUSY;
    enum weft_err err = new_request(l, REQ_USER, deadline_ms, done, arg, &q);
    if (err)
        return err;
    err = wf_pb_pack(request, &q->plain);
    if (!err && q->plain.len > WF_SESSION_MAX_PLAIN)
        err = WEFT_E_TOO_BIG;
    if (err) {
        q->done = NULL;
        finish(q, err, NULL);
        return err;
    }
    l->depth++;
    start(l);
    leave(l);
    return WEFT_OK;
}

enum weft_err wf_link_request(struct wf_link *l, const Weft__V1__Request *request,
    int64_t deadline_ms, wf_link_fn done, void *arg)
{
    return begin(l, request, deadline_ms, done, arg);
}

enum weft_err wf_link_open(struct wf_link *l, wf_link_fn done, void *arg)
{
    // A request without kind or hello: the peer answers it with an empty reply once the session stands.
    Weft__V1__Request empty = WEFT__V1__REQUEST__INIT;

    return begin(l, &empty, 0, done, arg);
}

const struct wf_link_state *wf_link_state(const struct wf_link *l)
{
    return &l->state;
}
