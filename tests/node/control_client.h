// SPDX-License-Identifier: Apache-2.0
// A node that has the control room alone, on a real listener, and a client that speaks the session layer by hand and may lie. The node's
// handlers are played: STATUS is kept until let go, RENEW (own domain, changes things) and LEASE (members) are counted. One node at a time.
// Included by one test program: it defines what the rest of a node would.
#ifndef WF_TESTS_CONTROL_CLIENT_H
#define WF_TESTS_CONTROL_CLIENT_H

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/call.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/stream/room.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/session.h"
#include "tests/support/trust_mesh.h"

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct wf_test_mesh mesh;
static struct wf_net *net; // the client's
static char where[64];
static bool revoked;

// ---- the rest of the node --------------------------------------------------------------------------------------------

static unsigned pipes_gone;

void wf_stream_pipe_gone(struct wf_node *n, uint32_t pipe)
{
    (void)n, (void)pipe;
    pipes_gone++;
}

bool wf_access_key_revoked(
    const struct wf_node *n, const char *domain, const struct wf_sign_pub *key, int64_t at_ms)
{
    (void)n, (void)domain, (void)key, (void)at_ms;
    return revoked;
}

const char *wf_access_audit(struct wf_node *n, const struct wf_caller *who, const char *what,
    const char *on, enum weft_err result, const struct wf_hash *token_id)
{
    (void)n, (void)who, (void)what, (void)on, (void)result, (void)token_id;
    return "an-audit-id";
}

static struct wf_call *waiting[2 * WF_MAX_IN_FLIGHT];
static size_t waiting_count;

static void keep(struct wf_node *n, struct wf_call *c)
{
    (void)n;
    ck_assert_uint_lt(waiting_count, sizeof waiting / sizeof *waiting);
    waiting[waiting_count++] = c;
}

static void let_go(void)
{
    while (waiting_count)
        wf_call_refuse(waiting[--waiting_count], WEFT_E_STATE, "let go");
}

static unsigned acted;
static void act(struct wf_node *n, struct wf_call *c)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__RenewReply done = WEFT__V1__RENEW_REPLY__INIT;

    (void)n;
    reply.kind_case = WEFT__V1__REPLY__KIND_RENEW;
    reply.renew = &done;
    acted++;
    wf_call_reply(c, &reply);
}

const struct wf_handler wf_handlers[] = {
    { WEFT__V1__REQUEST__KIND_STATUS, "status", WF_WHO_MEMBER, NULL, false, keep },
    { WEFT__V1__REQUEST__KIND_RENEW, "renew", WF_WHO_OWN, NULL, true, act },
    { WEFT__V1__REQUEST__KIND_LEASE, "lease", WF_WHO_LOCAL | WF_WHO_MEMBER, "subscribe", false,
        act },
    { WEFT__V1__REQUEST__KIND_AGENTS, "agents", WF_WHO_LOCAL, "admin", false, act },
    { 0 },
};
const struct wf_handler wf_handlers_agent[] = { { 0 } };

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        wf_loop_turn(node.loop, 0); /* the test may have moved the clock */                        \
        int64_t until_ = wf_loop_now_ms(node.loop) + 20000;                                        \
        while (!(condition)) {                                                                     \
            wf_loop_turn(node.loop, 1);                                                            \
            ck_assert_msg(wf_loop_now_ms(node.loop) < until_, "waited for %s", #condition);        \
        }                                                                                          \
    } while (0)

static void setup(void)
{
    static char socket[256];
    struct wf_diag diag = { 0 };

    wf_test_mesh_init(&mesh);
    struct wf_test_domain *own = &mesh.d[WF_TEST_SERVERS];
    node = (struct wf_node){ .core = &core, .conf = &conf, .charter = mesh.charter };
    node.mesh_id = mesh.charter->mesh_id;
    node.keys.dh = own->node_dh;
    node.keys.dh_pub = own->node_dh_pub;
    node.identity.cert.domain = (struct wf_name){ "servers" };
    node.has_certificate = true;
    node.access = (struct wf_access_room *)(void *)&node; // there is one: refusals are audited
    snprintf(socket, sizeof socket, "%s/s", wf_test_tmpdir());
    conf = (struct wf_conf){ .data = wf_test_tmpdir(), .socket = socket };
    snprintf(conf.listen.host, sizeof conf.listen.host, "127.0.0.1");
    conf.log.level = WF_LOG_ERROR + 1;
    waiting_count = acted = 0;
    revoked = false;
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    ck_assert_int_eq(wf_control_room.open(&node, &diag), WEFT_OK);
    ck_assert_msg(wf_control_room.start(&node, &diag) == WEFT_OK, "%s", diag.text);
    ck_assert_int_eq(wf_net_new(&(struct wf_net_conf){ 0 }, &net), WEFT_OK);
    snprintf(where, sizeof where, "127.0.0.1:%u", node.control->port);
}

static void teardown(void)
{
    struct wf_control *control = node.control;
    struct wf_net *its = control->net;

    wf_net_free(net);
    let_go();
    wf_control_room.close(&node);
    wf_net_free(its);
    free(control);
    wf_loop_free(node.loop);
    wf_test_mesh_fini(&mesh);
}

// ---- the client ------------------------------------------------------------------------------------------------------

struct client {
    struct wf_test_domain *who;
    struct wf_net_peer *peer;
    struct wf_session session;
    pthread_mutex_t lock;
    struct wf_buf answer; // of the last request
    enum weft_err err;
    unsigned answers, closed;
};

static bool hear(void *arg, const struct wf_net_event *e)
{
    struct client *c = arg;

    pthread_mutex_lock(&c->lock);
    c->closed += e->what == WF_NET_DOWN;
    if (e->what == WF_NET_REPLY) {
        c->answers++;
        c->err = e->err;
        c->answer.len = 0;
        if (e->msg)
            ck_assert_int_eq(wf_buf_append(&c->answer, wf_net_msg_view(e->msg)), WEFT_OK);
        wf_net_msg_free(e->msg);
    }
    pthread_mutex_unlock(&c->lock);
    return true;
}

static unsigned answers(struct client *c)
{
    pthread_mutex_lock(&c->lock);
    unsigned n = c->answers;
    pthread_mutex_unlock(&c->lock);
    return n;
}

static void dial_to(struct client *c, struct wf_test_domain *who, const char *address)
{
    struct wf_net_peer_conf peer = { .post = hear, .arg = c, .where = address };

    *c = (struct client){ .who = who, .lock = PTHREAD_MUTEX_INITIALIZER };
    ck_assert_int_eq(wf_net_peer_new(net, &peer, &c->peer), WEFT_OK);
}

static void dial(struct client *c, struct wf_test_domain *who)
{
    dial_to(c, who, where);
}

static void hang_up(struct client *c)
{
    wf_net_peer_free(c->peer);
    ck_assert_int_eq(wf_net_settle(net, 10000), WEFT_OK);
    wf_session_fini(&c->session);
    wf_buf_fini(&c->answer);
}

static void post(struct client *c, struct wf_bytes message)
{
    struct wf_net_msg *m = NULL;

    ck_assert_int_eq(wf_net_msg_from(message, &m), WEFT_OK);
    ck_assert_int_eq(wf_net_peer_send(c->peer, 0, m, 30000), WEFT_OK);
}

// Sends and waits for the answer, or for the end of the connection.
static struct wf_bytes ask(struct client *c, struct wf_bytes message)
{
    unsigned before = answers(c);

    post(c, message);
    UNTIL(answers(c) > before);
    return wf_buf_view(&c->answer);
}

static struct wf_session_conf session_conf(const struct client *c)
{
    return (struct wf_session_conf){ &c->who->node_dh, c->who->node_dh_pub, node.mesh_id };
}

static enum weft_err refusal_in(struct wf_bytes answer)
{
    struct wf_session_refusal r;

    return wf_session_refusal_read(answer, &r) ? WEFT_OK : r.code;
}

// A handshake; OK, or the code of its uniform refusal.
static enum weft_err shake(struct client *c)
{
    static int64_t stamp;
    struct wf_session_conf own = session_conf(c);
    struct wf_session_fresh fresh = { .now_unix_ms = WF_TEST_NOW + ++stamp };
    struct wf_session_dialing dialing;
    uint8_t init[WF_SESSION_INIT_LEN];

    wf_random(fresh.ephemeral, sizeof fresh.ephemeral);
    ck_assert_int_eq(wf_session_dial(&own, &node.keys.dh_pub, &fresh, &dialing, init), WEFT_OK);
    struct wf_bytes answer = ask(c, WF_BYTES(init));
    enum weft_err err = refusal_in(answer);
    wf_session_fini(&c->session);
    if (!err)
        ck_assert_int_eq(
            wf_session_finish(&own, &dialing, answer, wf_loop_now_ms(node.loop), &c->session), 0);
    wf_session_dialing_fini(&dialing);
    return err;
}

static struct wf_buf seal(struct client *c, const Weft__V1__Request *q, uint64_t *nonce)
{
    struct wf_buf plain = { 0 }, out = { 0 };

    ck_assert_int_eq(wf_pb_pack(q, &plain), WEFT_OK);
    ck_assert_int_eq(wf_session_seal_request(
                         &c->session, wf_loop_now_ms(node.loop), wf_buf_view(&plain), &out, nonce),
        WEFT_OK);
    wf_buf_fini(&plain);
    return out;
}

// One request in the session. The code of the uniform refusal outside of it, of the refusal inside, or OK.
static enum weft_err request(struct client *c, const Weft__V1__Request *q)
{
    uint64_t nonce = 0;
    struct wf_buf sealed = seal(c, q, &nonce), plain = { 0 };
    struct wf_arena arena;
    Weft__V1__Reply *reply = NULL;
    struct wf_bytes answer = ask(c, wf_buf_view(&sealed));
    enum weft_err err = refusal_in(answer);

    wf_arena_init(&arena, WF_MIB);
    if (!err) {
        ck_assert_int_eq(
            wf_session_open_reply(&c->session, nonce, answer, wf_loop_now_ms(node.loop), &plain),
            WEFT_OK);
        ck_assert_int_eq(wf_pb_unpack(&weft__v1__reply__descriptor, wf_buf_view(&plain),
                             WF_PB_STRICT, &arena, &reply),
            WEFT_OK);
        if (reply->refusal)
            err = (enum weft_err)reply->refusal->code;
    }
    wf_arena_fini(&arena);
    wf_buf_fini(&plain);
    wf_buf_fini(&sealed);
    return err;
}

static enum weft_err say_hello(struct client *c, struct wf_bytes chain)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__Hello hello = WEFT__V1__HELLO__INIT;

    hello.chain = wf_pb_bin(chain);
    q.hello = &hello;
    return request(c, &q);
}

static void come_in(struct client *c, struct wf_test_domain *who)
{
    dial(c, who);
    ck_assert_int_eq(shake(c), WEFT_OK);
    ck_assert_int_eq(say_hello(c, wf_buf_view(&who->node_chain)), WEFT_OK);
}

static Weft__V1__Request request_of(Weft__V1__Request__KindCase kind)
{
    static Weft__V1__StatusRequest status;
    static Weft__V1__RenewRequest renew;
    static Weft__V1__LeaseRequest lease;
    static Weft__V1__AgentsRequest agents;
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;

    weft__v1__status_request__init(&status);
    weft__v1__renew_request__init(&renew);
    weft__v1__lease_request__init(&lease);
    weft__v1__agents_request__init(&agents);
    q.kind_case = kind;
    if (kind == WEFT__V1__REQUEST__KIND_STATUS)
        q.status = &status;
    else if (kind == WEFT__V1__REQUEST__KIND_RENEW)
        q.renew = &renew;
    else if (kind == WEFT__V1__REQUEST__KIND_AGENTS)
        q.agents = &agents;
    else
        q.lease = &lease;
    return q;
}

#endif
