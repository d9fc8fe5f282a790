// SPDX-License-Identifier: Apache-2.0
// The join room on access_rig.h, with the rooms that it reaches played: streams, gossip, agents, documents.
#ifndef WF_TESTS_JOIN_RIG_H
#define WF_TESTS_JOIN_RIG_H

#include "node/agent/room.h"
#include "node/sessions.h"
#include "node/stream/room.h"
#include "sdk/loop/loop.h"
#include "tests/node/access_rig.h"

static struct wf_live_session session; // of the newcomer
static struct wf_identity_dir dir;
static char charter_dir[700];

struct wf_live_session *wf_sessions_find(struct wf_sessions *t, uint64_t id)
{
    (void)t, (void)id;
    return &session;
}

void wf_gossip_refuse_home(struct wf_call *c, const struct wf_known *home, const char *product)
{
    wf_call_refuse(c, WEFT_E_NOT_HOME, "%s lives on %s", product, home->name.s);
}

enum weft_err wf_node_set_chain(struct wf_node *n, struct wf_bytes chain, struct wf_diag *diag)
{
    (void)n, (void)chain, (void)diag;
    return WEFT_OK;
}

enum weft_err wf_node_add_charter(struct wf_node *n, struct wf_bytes raw, struct wf_diag *diag)
{
    (void)n, (void)raw, (void)diag;
    return WEFT_OK;
}

enum weft_err wf_documents_put(
    struct wf_node *n, struct wf_bytes content, const struct wf_hash *hash)
{
    (void)n, (void)content, (void)hash;
    return WEFT_OK;
}

static struct wf_bytes document; // the one that is there, whatever its hash

enum weft_err wf_documents_get(
    struct wf_node *n, const struct wf_hash *hash, struct wf_arena *arena, struct wf_bytes *ret)
{
    (void)n, (void)hash;
    return document.len ? wf_arena_dup(arena, document, ret) : WEFT_E_NOT_FOUND;
}

enum weft_err wf_gossip_link(
    struct wf_node *n, const char *domain, const char *subject, struct wf_link **ret)
{
    (void)n, (void)domain, (void)subject, (void)ret;
    return WEFT_E_NOT_FOUND;
}

bool wf_stream_is_built_in(const char *name)
{
    return strcmp(name, "agents") == 0;
}

static struct wf_buf given; // the order that this node itself was given

enum weft_err wf_stream_take_over(struct wf_node *n, struct wf_bytes order,
    struct wf_bytes manifest, struct wf_bytes schema, struct wf_diag *diag)
{
    (void)n, (void)manifest, (void)schema, (void)diag;
    given.len = 0;
    return wf_buf_append(&given, order);
}

void wf_stream_takeover_state(struct wf_node *n, const struct wf_move *order,
    struct wf_arena *arena, Weft__V1__MoveReply *ret)
{
    (void)n, (void)arena;
    ret->state = WEFT__V1__MOVE_REPLY__STATE__STATE_WAITING;
    ret->term = order->term;
}

static unsigned shut_out;
static struct wf_sign_pub last_out;

void wf_agents_shut_out(struct wf_node *n, const char *subject, const struct wf_sign_pub *key)
{
    (void)n;
    ck_assert_str_eq(subject, "web-1");
    shut_out++;
    last_out = *key;
}

static void setup(void)
{
    struct wf_diag diag = { 0 };
    char path[760];

    rig_open();
    snprintf(charter_dir, sizeof charter_dir, "%s/charter", conf.data);
    ck_assert_int_eq(wf_disk_mkdir(charter_dir, &diag), WEFT_OK);
    snprintf(path, sizeof path, "%s/000001", charter_dir);
    ck_assert_int_eq(wf_disk_create(path, wf_buf_view(&mesh.charter->raw), &diag), WEFT_OK);
    dir = (struct wf_identity_dir){ .dir = (char *)(uintptr_t)conf.data };
    core.dir = &dir;
    snprintf(conf.listen.host, sizeof conf.listen.host, "127.0.0.1");
    control.port = 7400;
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    ck_assert_msg(wf_join_room.open(&node, &diag) == WEFT_OK, "%s", diag.text);
}

static void teardown(void)
{
    wf_join_room.close(&node);
    wf_loop_free(node.loop);
    node.loop = NULL;
    rig_close();
}

// The answer comes at the end of the loop's turn.
static inline void home_handle(void)
{
    wf_home_handle(&node, &call.pub);
    if (!call.answered)
        wf_loop_turn(node.loop, 0);
}

static inline enum weft_err ask_home(const struct wf_identity *who, const char *product)
{
    Weft__V1__HomeRequest q = WEFT__V1__HOME_REQUEST__INIT;

    q.product = wf_pb_str(product);
    call_by(who);
    call.request.home = &q;
    home_handle();
    return call.err;
}

#endif
