// SPDX-License-Identifier: Apache-2.0
// A link, the peer that it talks to in a thread of its own, and questions over it; the test's thread turns the link's loop. Included by one test file.
#ifndef WF_TESTS_LINK_RIG_H
#define WF_TESTS_LINK_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "sdk/link.h"
#include "sdk/loop/loop.h"
#include "sdk/net/net.h"
#include "tests/support/clock.h"
#include "tests/support/fakenode.h"
#include "tests/support/trust_mesh.h"

#define PATIENCE_TURNS 10000 // of up to 10 ms

struct answer { // what a request ended with
    int count;
    enum weft_err err;
    char text[64];
    bool had_reply;
    struct wf_link *free_in_callback;
    struct wf_link *ask_in_callback;
    struct answer *next;
};

struct rig {
    struct wf_test_mesh mesh;
    struct wf_net *net;
    struct wf_loop *loop;
    struct wf_fakenode *node;
    struct wf_fake_knobs *knobs;
    struct wf_keys keys;
    struct wf_link *link;
};

static struct rig r;

static void on_answer(void *arg, enum weft_err err, const Weft__V1__Reply *reply);

// A status request is answered with who asked, so that a reply can be told from another.
static void serve(void *arg, const struct wf_fake_call *c, Weft__V1__Reply *reply)
{
    (void)arg;
    if (c->request->kind_case == WEFT__V1__REQUEST__KIND_RENEW) {
        wf_fake_refuse(c, reply, WEFT_E_KIND, "not for you");
        return;
    }
    Weft__V1__StatusReply *s = wf_fake_new(c, &weft__v1__status_reply__descriptor);
    s->subject = wf_fake_str(c, c->local ? "local" : c->caller);
    reply->kind_case = WEFT__V1__REPLY__KIND_STATUS;
    reply->status = s;
}

static struct wf_fakenode *start_node(const char *socket)
{
    struct wf_test_domain *d = &r.mesh.d[WF_TEST_SERVERS];
    struct wf_fakenode_conf conf = { .net = r.net,
        .dh = &d->node_dh,
        .dh_pub = d->node_dh_pub,
        .mesh_id = r.mesh.charter->mesh_id,
        .chain = wf_buf_view(&d->node_chain),
        .charter_version = 1,
        .socket = socket,
        .answer = serve };

    return wf_fakenode_start(&conf);
}

static struct wf_link *new_link(const char *address, const struct wf_dh_pub *peer)
{
    struct wf_test_domain *d = &r.mesh.d[WF_TEST_NETWORK];
    struct wf_link_conf conf = { .loop = r.loop,
        .net = r.net,
        .mesh_id = r.mesh.charter->mesh_id,
        .keys = &r.keys,
        .chain = wf_buf_view(&d->node_chain),
        .charter_version = 1,
        .address = address,
        .peer = *peer };
    struct wf_link *l = NULL;

    ck_assert_int_eq(wf_link_new(&conf, &l), WEFT_OK);
    return l;
}

static void setup(void)
{
    struct wf_net_conf conf = { .watch_ms = -1 };

    wf_test_mesh_init(&r.mesh);
    r.keys = (struct wf_keys){ .sign = r.mesh.d[WF_TEST_NETWORK].node,
        .dh = r.mesh.d[WF_TEST_NETWORK].node_dh,
        .sign_pub = r.mesh.d[WF_TEST_NETWORK].node_pub,
        .dh_pub = r.mesh.d[WF_TEST_NETWORK].node_dh_pub };
    ck_assert_int_eq(wf_net_new(&conf, &r.net), WEFT_OK);
    ck_assert_int_eq(wf_loop_new(NULL, &r.loop), WEFT_OK);
    r.node = start_node(NULL);
    r.knobs = wf_fakenode_knobs(r.node);
    r.link = new_link(wf_fakenode_address(r.node), &r.mesh.d[WF_TEST_SERVERS].node_dh_pub);
}

static void teardown(void)
{
    wf_link_free(r.link);
    if (r.node)
        wf_fakenode_stop(r.node);
    wf_net_free(r.net);
    wf_loop_free(r.loop);
    wf_test_mesh_fini(&r.mesh);
    r = (struct rig){ 0 };
}

// ---- asking --------------------------------------------------------------------------------------------------------------

static void ask_on(
    struct wf_link *l, struct answer *a, Weft__V1__Request__KindCase kind, int64_t deadline_ms)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__StatusRequest status = WEFT__V1__STATUS_REQUEST__INIT;
    Weft__V1__RenewRequest renew = WEFT__V1__RENEW_REQUEST__INIT;

    q.kind_case = kind;
    if (kind == WEFT__V1__REQUEST__KIND_STATUS)
        q.status = &status;
    else
        q.renew = &renew;
    ck_assert_int_eq(wf_link_request(l, &q, deadline_ms, on_answer, a), WEFT_OK);
}

static void ask(struct answer *a)
{
    ask_on(r.link, a, WEFT__V1__REQUEST__KIND_STATUS, 0);
}

static void on_answer(void *arg, enum weft_err err, const Weft__V1__Reply *reply)
{
    struct answer *a = arg;

    a->count++;
    a->err = err;
    a->had_reply = reply != NULL;
    if (reply && reply->kind_case == WEFT__V1__REPLY__KIND_STATUS)
        snprintf(a->text, sizeof a->text, "%s", reply->status->subject);
    else if (reply && reply->refusal)
        snprintf(a->text, sizeof a->text, "%s", reply->refusal->text);
    if (a->ask_in_callback)
        ask_on(a->ask_in_callback, a->next, WEFT__V1__REQUEST__KIND_STATUS, 0);
    if (a->free_in_callback)
        wf_link_free(a->free_in_callback);
}

static void turn_until(const struct answer *a)
{
    for (int i = 0; i < PATIENCE_TURNS && a->count == 0; i++)
        wf_loop_turn(r.loop, 10);
    ck_assert_msg(a->count == 1, "answered %d times", a->count);
}

static void turn_until_counted(const atomic_int *counter, int want)
{
    for (int i = 0; i < PATIENCE_TURNS && atomic_load(counter) < want; i++)
        wf_loop_turn(r.loop, 10);
    ck_assert_int_ge(atomic_load(counter), want);
}

// The peer has counted a hello before its reply is here: until that, the session before is the one in use.
static void turn_until_another_session(const uint8_t before[64])
{
    const struct wf_link_state *s = wf_link_state(r.link);

    for (int i = 0; i < PATIENCE_TURNS && memcmp(s->handshake_hash, before, 64) == 0; i++)
        wf_loop_turn(r.loop, 10);
    ck_assert_mem_ne(s->handshake_hash, before, 64);
}

static void ask_ok(void)
{
    struct answer a = { 0 };

    ask(&a);
    turn_until(&a);
    ck_assert_msg(a.err == WEFT_OK, "%s", weft_err_name(a.err));
    ck_assert_str_eq(a.text, "node-1");
}

static void ask_refused(enum weft_err want)
{
    struct answer a = { 0 };

    ask(&a);
    turn_until(&a);
    ck_assert_msg(a.err == want, "%s", weft_err_name(a.err));
}

#endif
