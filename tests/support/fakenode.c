// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakenode.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/session/session.h"
#include "proto/trust/ident.h"
#include "sdk/loop/loop.h"
#include "sdk/net/net.h"
#include "tests/support/fault.h"

#define SESSIONS 32u
#define HELD     80u

struct live {
    struct wf_session s;
    uint32_t pipe;
    bool used, greeted;
    char caller[WF_MAX_NAME + 1];
};

struct held {
    struct wf_net_request *q;
    uint64_t session, nonce;
    struct wf_buf plain;
};

struct wf_fakenode {
    struct wf_fakenode_conf conf;
    struct wf_fake_knobs knobs;
    struct wf_loop *loop;
    struct wf_net_rep *rep;
    pthread_t thread;
    struct wf_timer tick;
    struct live sessions[SESSIONS];
    uint64_t last_session;
    struct held held[HELD];
    size_t held_count;
    char address[256];
};

struct letter {
    struct wf_mail mail;
    struct wf_fakenode *f;
    struct wf_net_event e;
};

struct wf_fake_knobs *wf_fakenode_knobs(struct wf_fakenode *f)
{
    return &f->knobs;
}

const char *wf_fakenode_address(const struct wf_fakenode *f)
{
    return f->address;
}

char *wf_fake_str(const struct wf_fake_call *c, const char *s)
{
    const char *copy = NULL;

    ck_assert_int_eq(wf_arena_str(c->arena, wf_bytes_str(s), &copy), WEFT_OK);
    return (char *)(uintptr_t)copy;
}

void *wf_fake_new(const struct wf_fake_call *c, const ProtobufCMessageDescriptor *type)
{
    void *m = wf_arena_calloc(c->arena, 1, type->sizeof_message);

    ck_assert_ptr_nonnull(m);
    protobuf_c_message_init(type, m);
    return m;
}

void wf_fake_refuse(
    const struct wf_fake_call *c, Weft__V1__Reply *reply, int code, const char *text)
{
    Weft__V1__Refusal *r = wf_fake_new(c, &weft__v1__refusal__descriptor);

    r->code = (uint32_t)code;
    r->text = wf_fake_str(c, text);
    reply->refusal = r;
}

// ---- sessions ----------------------------------------------------------------------------------------------------------

static void refuse_outside(struct wf_net_request *q, enum weft_err code)
{
    uint8_t out[WF_SESSION_REFUSAL_LEN];
    struct wf_net_msg *m = NULL;

    wf_session_refuse(code, out);
    ck_assert_int_eq(wf_net_msg_from(WF_BYTES(out), &m), WEFT_OK);
    wf_net_reply(q, m);
}

static struct live *find(struct wf_fakenode *f, uint64_t id)
{
    for (size_t i = 0; i < SESSIONS; i++)
        if (f->sessions[i].used && f->sessions[i].s.id == id)
            return &f->sessions[i];
    return NULL;
}

static void forget(struct live *s)
{
    if (s->used)
        wf_session_fini(&s->s);
    *s = (struct live){ 0 };
}

static struct live *room(struct wf_fakenode *f)
{
    for (size_t i = 0; i < SESSIONS; i++)
        if (!f->sessions[i].used)
            return &f->sessions[i];
    forget(&f->sessions[f->last_session % SESSIONS]);
    return &f->sessions[f->last_session % SESSIONS];
}

static struct wf_session_conf session_conf(const struct wf_fakenode *f)
{
    return (struct wf_session_conf){ f->conf.dh, f->conf.dh_pub, f->conf.mesh_id };
}

static void on_init(struct wf_fakenode *f, struct wf_net_request *q, struct wf_bytes message)
{
    struct wf_session_conf conf = session_conf(f);
    struct wf_session_init init;
    struct wf_session_caller caller = { 0 };
    struct wf_session_fresh fresh = { .now_ms = wf_loop_now_ms(f->loop) };
    uint8_t response[WF_SESSION_RESPONSE_LEN];
    struct wf_net_msg *m = NULL;
    int refuse = atomic_load(&f->knobs.refuse_handshake);
    if (!refuse && atomic_load(&f->knobs.replays) > 0) {
        atomic_fetch_sub(&f->knobs.replays, 1);
        refuse = WEFT_E_REFUSED;
    }

    atomic_fetch_add(&f->knobs.handshakes, 1);
    enum weft_err err =
        refuse ? (enum weft_err)refuse : wf_session_check_mac1(&conf, message, &init);
    if (!err)
        err = wf_session_identify(&conf, &init, &caller);
    if (err) {
        refuse_outside(q, err);
        return;
    }
    struct live *s = room(f);
    wf_random(fresh.ephemeral, sizeof fresh.ephemeral);
    fresh.session_id = ++f->last_session;
    ck_assert_int_eq(wf_session_accept(&caller, &fresh, &s->s, response), WEFT_OK);
    s->used = true;
    s->pipe = wf_net_request_pipe(q);
    wf_session_caller_fini(&caller);
    ck_assert_int_eq(wf_net_msg_from(WF_BYTES(response), &m), WEFT_OK);
    wf_net_reply(q, m);
}

// ---- requests ------------------------------------------------------------------------------------------------------------

static void greet(struct wf_fakenode *f, struct live *s, const Weft__V1__Hello *h,
    Weft__V1__HelloReply *out, Weft__V1__Reply *reply)
{
    struct wf_bytes certs[WF_MAX_CHAIN];
    struct wf_cert cert;
    size_t count = 0;

    atomic_fetch_add(&f->knobs.hellos, 1);
    s->greeted = true;
    if (h->chain.len && wf_chain_split(wf_pb_view(h->chain), certs, &count) == WEFT_OK &&
        wf_cert_open(certs[0], &cert) == WEFT_OK)
        snprintf(s->caller, sizeof s->caller, "%s", cert.subject.s);
    out->charter_version = f->conf.charter_version;
    out->chain = wf_pb_bin(f->conf.chain);
    out->version = wf_pb_str("fake");
    out->time_ms = wf_loop_now_unix_ms(f->loop);
    reply->hello = out;
}

static void send_reply(struct wf_fakenode *f, struct wf_net_request *q, struct live *s,
    uint64_t nonce, const Weft__V1__Reply *reply)
{
    struct wf_buf plain = { 0 }, out = { 0 };
    struct wf_net_msg *m = NULL;

    ck_assert_int_eq(wf_pb_pack(reply, &plain), WEFT_OK);
    enum weft_err err =
        s ? wf_session_seal_reply(&s->s, nonce, wf_loop_now_ms(f->loop), wf_buf_view(&plain), &out)
          : wf_buf_append(&out, wf_buf_view(&plain));
    if (err) {
        refuse_outside(q, WEFT_E_SESSION);
    } else {
        if (atomic_load(&f->knobs.damage) && out.len)
            out.ptr[out.len - 1] ^= 1;
        ck_assert_int_eq(wf_net_msg_from(wf_buf_view(&out), &m), WEFT_OK);
        wf_net_reply(q, m);
    }
    wf_buf_fini(&plain);
    wf_buf_fini(&out);
}

static void answer(struct wf_fakenode *f, struct wf_net_request *q, struct live *s, uint64_t nonce,
    struct wf_bytes plain)
{
    struct wf_arena arena;
    Weft__V1__Request *request = NULL;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__HelloReply hello = WEFT__V1__HELLO_REPLY__INIT;
    int code = atomic_load(&f->knobs.refuse_hello);

    wf_arena_init(&arena, 64u * WF_MIB);
    ck_assert_int_eq(
        wf_pb_unpack(&weft__v1__request__descriptor, plain, WF_PB_STRICT, &arena, &request),
        WEFT_OK);
    struct wf_fake_call call = { request, &arena, s ? s->caller : "", s == NULL };
    if (s && request->hello && code)
        wf_fake_refuse(&call, &reply, code, "no");
    else if (s && request->hello)
        greet(f, s, request->hello, &hello, &reply);
    if (request->kind_case && f->conf.answer) {
        atomic_fetch_add(&f->knobs.requests, 1);
        f->conf.answer(f->conf.arg, &call, &reply);
    }
    send_reply(f, q, s, nonce, &reply);
    wf_arena_fini(&arena);
}

static bool withheld(struct wf_fakenode *f, struct wf_net_request *q, struct live *s,
    uint64_t nonce, struct wf_bytes plain)
{
    if (!atomic_load(&f->knobs.hold) && !atomic_load(&f->knobs.mute))
        return false;
    ck_assert_uint_lt(f->held_count, HELD);
    atomic_fetch_add(&f->knobs.withheld, 1);
    struct held *h = &f->held[f->held_count++];
    *h = (struct held){ .q = q, .session = s ? s->s.id : 0, .nonce = nonce };
    ck_assert_int_eq(wf_bytes_dup(plain, &h->plain), WEFT_OK);
    return true;
}

static void on_transport(
    struct wf_fakenode *f, struct wf_net_request *q, uint64_t id, struct wf_bytes message)
{
    struct live *s = find(f, id);
    struct wf_buf plain = { 0 };
    uint64_t nonce = 0;

    if (atomic_load(&f->knobs.refuse_requests) > 0) {
        atomic_fetch_sub(&f->knobs.refuse_requests, 1);
        if (s && atomic_load(&f->knobs.refuse_code) == WEFT_E_SESSION)
            forget(s);
        refuse_outside(q, (enum weft_err)atomic_load(&f->knobs.refuse_code));
        return;
    }
    enum weft_err err =
        s ? wf_session_open_request(&s->s, message, wf_loop_now_ms(f->loop), &plain, &nonce)
          : WEFT_E_SESSION;
    if (err)
        refuse_outside(q, err == WEFT_E_SESSION_OLD ? WEFT_E_SESSION : err);
    else if (!s->greeted || !withheld(f, q, s, nonce, wf_buf_view(&plain)))
        answer(f, q, s, nonce, wf_buf_view(&plain));
    wf_buf_fini(&plain);
}

static void on_request(struct wf_fakenode *f, struct wf_net_request *q)
{
    struct wf_bytes message = wf_net_request_bytes(q);
    struct wf_session_head head;

    if (atomic_load(&f->knobs.gone) || atomic_exchange(&f->knobs.hang_up, false)) {
        wf_net_drop(q, true);
    } else if (f->conf.socket) {
        if (!withheld(f, q, NULL, 0, message))
            answer(f, q, NULL, 0, message);
    } else {
        ck_assert_int_eq(wf_session_peek(message, &head), WEFT_OK);
        if (head.type == WF_SESSION_INIT)
            on_init(f, q, message);
        else
            on_transport(f, q, head.session_id, message);
    }
}

static void let_go(struct wf_timer *t)
{
    struct wf_fakenode *f =
        (struct wf_fakenode *)(void *)((char *)t - offsetof(struct wf_fakenode, tick));

    while (f->held_count && !atomic_load(&f->knobs.hold) && !atomic_load(&f->knobs.mute)) {
        size_t at = atomic_load(&f->knobs.in_turn) ? 0 : f->held_count - 1;
        struct held h = f->held[at];
        memmove(&f->held[at], &f->held[at + 1], (--f->held_count - at) * sizeof *f->held);
        struct live *s = find(f, h.session);
        if (h.session && !s)
            refuse_outside(h.q, WEFT_E_SESSION);
        else
            answer(f, h.q, s, h.nonce, wf_buf_view(&h.plain));
        wf_buf_fini(&h.plain);
    }
    ck_assert_int_eq(wf_timer_set(f->loop, t, wf_loop_now_ms(f->loop) + 5), WEFT_OK);
}

// ---- life ----------------------------------------------------------------------------------------------------------------

static void open_letter(struct wf_mail *m)
{
    struct letter *l = (struct letter *)(void *)m;

    on_request(l->f, l->e.request);
    free(l);
}

static void drop_letter(struct wf_mail *m)
{
    struct letter *l = (struct letter *)(void *)m;

    wf_net_drop(l->e.request, true);
    free(l);
}

static bool post(void *arg, const struct wf_net_event *e)
{
    struct wf_fakenode *f = arg;

    if (e->what != WF_NET_REQUEST)
        return true;
    wf_fault_spare(true); // on a thread of the network
    struct letter *l = calloc(1, sizeof *l);
    wf_fault_spare(false);
    ck_assert_ptr_nonnull(l);
    *l = (struct letter){ { .open = open_letter, .drop = drop_letter, .must = true }, f, *e };
    if (wf_loop_post(f->loop, &l->mail) == WEFT_OK)
        return true;
    free(l);
    return false;
}

static void *run(void *arg)
{
    struct wf_fakenode *f = arg;

    wf_fault_spare(true); // it is the test's
    wf_loop_run(f->loop);
    return NULL;
}

struct wf_fakenode *wf_fakenode_start(const struct wf_fakenode_conf *conf)
{
    struct wf_fakenode *f = calloc(1, sizeof *f);
    uint16_t port = 0;
    char where[256];

    ck_assert_ptr_nonnull(f);
    f->conf = *conf;
    f->tick.fire = let_go;
    struct wf_net_rep_conf rep = { .post = post, .arg = f };
    ck_assert_int_eq(wf_loop_new(NULL, &f->loop), WEFT_OK);
    ck_assert_int_eq(wf_timer_set(f->loop, &f->tick, wf_loop_now_ms(f->loop)), WEFT_OK);
    ck_assert_int_eq(wf_net_rep_new(conf->net, &rep, &f->rep), WEFT_OK);
    snprintf(where, sizeof where, "%s%s", conf->socket ? "ipc:" : "127.0.0.1:0",
        conf->socket ? conf->socket : "");
    ck_assert_int_eq(wf_net_rep_listen(f->rep, where, &port), WEFT_OK);
    if (conf->socket)
        snprintf(f->address, sizeof f->address, "%s", where);
    else
        snprintf(f->address, sizeof f->address, "127.0.0.1:%u", port);
    ck_assert_int_eq(pthread_create(&f->thread, NULL, run, f), 0);
    return f;
}

void wf_fakenode_stop(struct wf_fakenode *f)
{
    wf_loop_stop(f->loop);
    pthread_join(f->thread, NULL);
    wf_net_rep_free(f->rep);
    ck_assert_int_eq(wf_net_settle(f->conf.net, 10000), WEFT_OK); // nobody accepts from here on
    for (size_t i = 0; i < f->held_count; i++) {
        wf_net_drop(f->held[i].q, true);
        wf_buf_fini(&f->held[i].plain);
    }
    wf_loop_free(f->loop); // letters that wait are dropped
    for (size_t i = 0; i < SESSIONS; i++)
        forget(&f->sessions[i]);
    free(f);
}
