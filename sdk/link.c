// SPDX-License-Identifier: Apache-2.0
// A link is a connection (one REQ socket, dead for good when it fails), a session on it, and requests. This half has the requests
// and the connection; sessions are in link_session.c.
#include "sdk/link_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/pb_large.h"

#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 5000
// A local weftd that does not answer costs nobody else anything, and its publishers wait for its restart.
#define BACKOFF_LOCAL_MIN_MS 20
#define BACKOFF_LOCAL_MAX_MS 1000
// The connection outlives a request's deadline, so that a late answer is not a lost connection.
#define GRACE_MS 2000

static void open_reply(struct wf_mail *m);

// ---- requests --------------------------------------------------------------------------------------------------------

static void add_ask(struct wf_link *l, struct wf_link_ask *a)
{
    a->link = l;
    a->serial = ++l->last_ask;
    a->prev = l->last;
    if (l->last)
        l->last->next = a;
    else
        l->first = a;
    l->last = a;
    if (a->kind == WF_LINK_USER)
        l->in_flight++;
}

static void remove_ask(struct wf_link *l, struct wf_link_ask *a)
{
    if (a == l->first)
        l->first = a->next;
    else
        a->prev->next = a->next;
    if (a == l->last)
        l->last = a->prev;
    else
        a->next->prev = a->prev;
    a->next = a->prev = NULL;
    if (a->kind == WF_LINK_USER)
        l->in_flight--;
}

static void conn_unref(struct wf_link_conn *c)
{
    if (atomic_fetch_sub(&c->refs, 1) == 1)
        free(c);
}

static void ask_free(struct wf_link_ask *a)
{
    wf_net_msg_free(a->reply);
    wf_net_msg_free(a->message);
    if (a->lent.back)
        a->lent.back(a->lent.arg);
    wf_wipe(a->plain.ptr, a->plain.len);
    wf_buf_fini(&a->plain);
    free(a);
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

static void finish(
    struct wf_link *l, struct wf_link_ask *a, enum weft_err err, const Weft__V1__Reply *reply)
{
    wf_link_fn done = a->done;
    void *arg = a->arg;

    wf_timer_cancel(l->conf.loop, &a->timer);
    remove_ask(l, a);
    a->link = NULL;
    if (!a->on_wire)
        ask_free(a);
    if (done)
        done(arg, err, reply);
}

void wf_link_finish(struct wf_link_ask *a, enum weft_err err, const Weft__V1__Reply *reply)
{
    finish(a->link, a, err, reply);
}

static void finish_oldest(struct wf_link *l, enum weft_err err)
{
    finish(l, l->first, err, NULL);
}

// Callbacks may add requests, which belong to the next attempt and are left alone, or free the link, which ends all.
static void finish_all(struct wf_link *l, enum weft_err err)
{
    uint64_t newest = l->last_ask;

    while (l->first && l->first->serial <= newest)
        finish_oldest(l, err);
}

static void on_deadline(struct wf_timer *t)
{
    struct wf_link_ask *a =
        (struct wf_link_ask *)(void *)((char *)t - offsetof(struct wf_link_ask, timer));
    struct wf_link *l = a->link;

    l->depth++;
    l->state.last_error = WEFT_E_TIMEOUT;
    wf_link_finish(a, WEFT_E_TIMEOUT, NULL);
    leave(l);
}

enum weft_err wf_link_ask_new(struct wf_link *l, enum wf_link_kind kind, int64_t deadline_ms,
    wf_link_fn done, struct wf_link_ask **ret)
{
    struct wf_link_ask *a = calloc(1, sizeof *a);

    if (!a)
        return WEFT_E_NOMEM;
    a->kind = kind;
    a->deadline_ms =
        wf_loop_now_ms(l->conf.loop) + (deadline_ms > 0 ? deadline_ms : WF_REQUEST_DEADLINE_MS);
    a->timer.fire = on_deadline;
    a->done = done;
    a->arg = l;
    enum weft_err err = wf_timer_set(l->conf.loop, &a->timer, a->deadline_ms);
    if (err) {
        free(a);
        return err;
    }
    add_ask(l, a);
    *ret = a;
    return WEFT_OK;
}

// ---- the connection ----------------------------------------------------------------------------------------------------

static void detach(struct wf_link *l)
{
    struct wf_link_conn *c = l->conn;

    wf_link_drop_sessions(l);
    if (!c)
        return;
    l->conn = NULL;
    c->link = NULL;
    struct wf_net_peer *net = c->net;
    struct wf_local_peer *local = c->local;
    c->net = NULL;
    c->local = NULL;
    wf_net_peer_free(net); // posts CANCELLED for what is on the wire
    wf_local_peer_free(local);
    conn_unref(c);
}

static void back_off(struct wf_link *l, bool idle)
{
    int64_t now = wf_loop_now_ms(l->conf.loop);

    // A connection that nobody used may end: the next request dials at once.
    if (idle) {
        l->not_before_ms = now;
        return;
    }
    int64_t least = l->is_local ? BACKOFF_LOCAL_MIN_MS : BACKOFF_MIN_MS;
    int64_t most = l->is_local ? BACKOFF_LOCAL_MAX_MS : BACKOFF_MAX_MS;
    l->backoff_ms = l->backoff_ms ? l->backoff_ms * 2 : least;
    if (l->backoff_ms > most)
        l->backoff_ms = most;
    l->not_before_ms = now + l->backoff_ms;
}

static void say_why(struct wf_link *l, enum weft_err err, const char *what)
{
    l->state.last_error = err;
    snprintf(l->state.last_text, sizeof l->state.last_text, "%.96s: %s%s%s", l->address,
        what ? what : "", what ? ": " : "", weft_err_text(err));
}

void wf_link_fail(struct wf_link *l, enum weft_err err, const char *what)
{
    say_why(l, err, what);
    back_off(l, false);
    detach(l);
    finish_all(l, err);
}

static void open_down(struct wf_mail *m)
{
    struct wf_link_conn *c =
        (struct wf_link_conn *)(void *)((char *)m - offsetof(struct wf_link_conn, down));
    enum weft_err err = c->down_err == WEFT_E_CANCELLED ? WEFT_E_CLOSED : c->down_err;
    struct wf_link *l = c->link;

    if (l) {
        bool idle = l->state.up && !l->first;
        l->depth++;
        say_why(l, err, NULL);
        back_off(l, idle);
        detach(l);
        finish_all(l, err);
        leave(l);
    }
    conn_unref(c);
}

static void drop_down(struct wf_mail *m)
{
    conn_unref((struct wf_link_conn *)(void *)((char *)m - offsetof(struct wf_link_conn, down)));
}

// The loop is gone; whoever frees the link afterwards finds the request ended.
static void drop_reply(struct wf_mail *m)
{
    struct wf_link_ask *a = (struct wf_link_ask *)(void *)m;

    conn_unref(a->conn);
    a->on_wire = false;
    if (!a->link)
        ask_free(a);
}

static void post_reply(struct wf_link_conn *c, const struct wf_net_event *e)
{
    struct wf_link_ask *a = (struct wf_link_ask *)(uintptr_t)e->tag;

    a->reply = e->msg;
    a->err = e->err;
    a->mail = (struct wf_mail){ .open = open_reply,
        .drop = drop_reply,
        .class = WF_MAIL_CONTROL,
        .must = true,
        .bytes = e->msg ? wf_net_msg_len(e->msg) : 0 };
    if (wf_loop_post(c->loop, &a->mail))
        drop_reply(&a->mail);
}

static void post_down(struct wf_link_conn *c, enum weft_err err)
{
    c->down = (struct wf_mail){
        .open = open_down, .drop = drop_down, .class = WF_MAIL_CONTROL, .must = true
    };
    c->down_err = err ? err : WEFT_E_CLOSED;
    atomic_fetch_add(&c->refs, 1);
    if (wf_loop_post(c->loop, &c->down))
        conn_unref(c);
}

// On an NNG thread, or within a turn of our own: the local socket.
static bool post(void *arg, const struct wf_net_event *e)
{
    if (e->what == WF_NET_REPLY)
        post_reply(arg, e);
    else if (e->what == WF_NET_DOWN)
        post_down(arg, e->err);
    return true;
}

static enum weft_err connect_now(struct wf_link *l)
{
    struct wf_link_conn *c = calloc(1, sizeof *c);

    if (!c)
        return WEFT_E_NOMEM;
    c->loop = l->conf.loop;
    c->link = l;
    atomic_init(&c->refs, 1);
    // Events may come before c->net is set: they are letters, read after this.
    struct wf_net_peer_conf conf = { .post = post, .arg = c, .where = l->address };
    struct wf_local_peer_conf local = {
        .loop = c->loop, .post = post, .arg = c, .where = l->address
    };
    enum weft_err err = l->is_local ? wf_local_peer_new(&local, &c->local)
                                    : wf_net_peer_new(l->conf.net, &conf, &c->net);
    if (err) {
        free(c);
        return err;
    }
    l->conn = c;
    return WEFT_OK;
}

enum weft_err wf_link_put(struct wf_link *l, struct wf_link_ask *a, struct wf_bytes message)
{
    struct wf_net_msg *msg = NULL;
    enum weft_err err = wf_net_msg_from(message, &msg);

    return err ? err : wf_link_put_msg(l, a, msg);
}

enum weft_err wf_link_put_msg(struct wf_link *l, struct wf_link_ask *a, struct wf_net_msg *msg)
{
    int64_t left = a->deadline_ms - wf_loop_now_ms(l->conf.loop);

    a->conn = l->conn;
    atomic_fetch_add(&a->conn->refs, 1);
    a->on_wire = true;
    int64_t timeout_ms = (left > 0 ? left : 0) + GRACE_MS;
    uint64_t tag = (uint64_t)(uintptr_t)a;
    struct wf_net_lent lent = a->lent;
    a->lent = (struct wf_net_lent){ 0 };
    struct wf_local_how how = { lent.back ? &lent : NULL, timeout_ms, a->patience_us };
    enum weft_err err = l->is_local ? wf_local_peer_send_how(l->conn->local, tag, msg, &how)
                                    : wf_net_peer_send(l->conn->net, tag, msg, timeout_ms);
    if (err) {
        a->on_wire = false;
        conn_unref(a->conn);
    }
    return err;
}

static void open_reply(struct wf_mail *m)
{
    struct wf_link_ask *a = (struct wf_link_ask *)(void *)m;
    struct wf_link *l = a->link;

    conn_unref(a->conn);
    a->on_wire = false;
    if (!l) {
        ask_free(a);
        return;
    }
    l->depth++;
    if (a->err) // the connection's own end follows as DOWN; here only this request is concerned
        wf_link_finish(a, a->err == WEFT_E_CANCELLED ? WEFT_E_CLOSED : a->err, NULL);
    else
        wf_link_take_reply(l, a);
    leave(l);
}

void wf_link_start(struct wf_link *l)
{
    enum weft_err err = WEFT_OK;

    if (!l->conn) {
        if (wf_loop_now_ms(l->conf.loop) < l->not_before_ms) {
            finish_all(l, l->state.last_error ? l->state.last_error : WEFT_E_UNREACHABLE);
            return;
        }
        err = connect_now(l);
    }
    if (!err && !l->current.serial && wf_link_may_dial(l))
        err = wf_link_dial(l);
    if (err)
        wf_link_fail(l, err, "connect");
    else
        wf_link_flush(l);
}

// ---- public ------------------------------------------------------------------------------------------------------------

enum weft_err wf_link_new(const struct wf_link_conf *conf, struct wf_link **ret)
{
    struct wf_link *l = calloc(1, sizeof *l);

    if (!l)
        return WEFT_E_NOMEM;
    l->conf = *conf;
    l->is_local = strncmp(conf->address, "ipc:", 4) == 0;
    l->state.heard_ms = -1;
    l->state.peer_version = l->peer_version;
    l->renew.fire = wf_link_on_renew;
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
        finish_oldest(l, WEFT_E_CLOSED);
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
    if (l->conn && l->current.serial && wf_link_may_dial(l))
        return wf_link_dial(l);
    return WEFT_OK;
}

static enum weft_err pack(
    const struct wf_link *l, const Weft__V1__Request *request, struct wf_link_ask *a)
{
    size_t len = 0;
    enum weft_err err = wf_pb_measure(request, &len);

    if (!err && len > WF_SESSION_MAX_PLAIN)
        err = WEFT_E_TOO_BIG;
    if (err || !l->is_local)
        return err ? err : wf_pb_pack(request, &a->plain);
    err = wf_net_msg_new(len, &a->message);
    if (!err)
        wf_pb_write(request, wf_net_msg_ptr(a->message));
    return err;
}

// For the local socket, around what is lent; another link seals it, and so needs it in one piece.
static enum weft_err pack_lent(const struct wf_link *l, const Weft__V1__Request *request,
    const struct wf_link_lent *lent, struct wf_link_ask *a)
{
    struct wf_buf around = { 0 };
    size_t at = 0;
    enum weft_err err = WEFT_OK;

    if (!l->is_local) {
        err = pack(l, request, a);
        if (!err)
            lent->back(lent->arg);
        return err;
    }
    err = wf_pb_pack_around(request, lent->bytes, &around, &at);
    if (!err && around.len + lent->bytes.len > WF_SESSION_MAX_PLAIN)
        err = WEFT_E_TOO_BIG;
    if (!err)
        err = wf_net_msg_from(wf_buf_view(&around), &a->message);
    if (!err)
        a->lent = (struct wf_net_lent){ lent->bytes, at, lent->back, lent->arg };
    wf_buf_fini(&around);
    return err;
}

static enum weft_err request(struct wf_link *l, const Weft__V1__Request *request,
    const struct wf_link_lent *lent, wf_link_fn done, void *arg)
{
    struct wf_link_ask *a = NULL;

    if (l->freed)
        return WEFT_E_CLOSED;
    if (l->in_flight >= WF_MAX_IN_FLIGHT)
        return WEFT_E_BUSY;
    enum weft_err err = wf_link_ask_new(l, WF_LINK_USER, lent->deadline_ms, done, &a);
    if (err)
        return err;
    a->arg = arg;
    a->patience_us = lent->patience_us;
    a->reply_kind = wf_link_reply_kind(request->kind_case);
    err = lent->back ? pack_lent(l, request, lent, a) : pack(l, request, a);
    if (err) {
        a->done = NULL;
        wf_link_finish(a, err, NULL);
        return err;
    }
    l->depth++;
    wf_link_start(l);
    leave(l);
    return WEFT_OK;
}

enum weft_err wf_link_request(
    struct wf_link *l, const Weft__V1__Request *q, int64_t deadline_ms, wf_link_fn done, void *arg)
{
    return request(l, q, &(struct wf_link_lent){ .deadline_ms = deadline_ms }, done, arg);
}

enum weft_err wf_link_request_lent(struct wf_link *l, const Weft__V1__Request *q,
    const struct wf_link_lent *lent, wf_link_fn done, void *arg)
{
    return request(l, q, lent, done, arg);
}

void wf_link_hurry(struct wf_link *l)
{
    if (l->conn && l->conn->local)
        wf_local_peer_hurry(l->conn->local);
}

enum weft_err wf_link_open(struct wf_link *l, wf_link_fn done, void *arg)
{
    // A request without kind or hello: the peer answers it with an empty reply once the session stands.
    Weft__V1__Request empty = WEFT__V1__REQUEST__INIT;

    return wf_link_request(l, &empty, 0, done, arg);
}

const char *wf_link_address(const struct wf_link *l)
{
    return l->address;
}

const struct wf_link_state *wf_link_state(const struct wf_link *l)
{
    return &l->state;
}
