// SPDX-License-Identifier: Apache-2.0
// A node with all its rooms but sockets, signer and programs, of which one call fails: requests come as from a session or the local socket, its
// log lies on a disk in memory, its databases on the real one. Static, for one binary; link with the wraps named in CMakeLists.txt. Test code.
#ifndef WF_TESTS_FAULT_NODE_H
#define WF_TESTS_FAULT_NODE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/access/room.h"
#include "node/agent/room.h"
#include "node/call.h"
#include "node/gossip/room.h"
#include "node/inventory/room.h"
#include "node/metrics.h"
#include "node/provider/room.h"
#include "node/stream/priv.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/memroom.h"
#include "tests/support/nodenet.h"
#include "tests/support/registry.h"

#define PATIENCE 600 // turns after which nothing comes any more
#define ASKS     128u

static struct wf_noderig rig;

// ---- requests and answers ----------------------------------------------------------------------------------------------

// A request that the node has; also what the net knows of it.
struct asked {
    struct wf_arena kept;
    Weft__V1__Reply *reply;
    bool answered, hung_up;
    enum weft_err err;
};
static struct asked asks[ASKS];
static size_t ask_count;

static struct asked *asked_of(struct wf_net_request *r)
{
    return (struct asked *)(void *)r;
}

static void on_reply(struct wf_net_request *r, struct wf_bytes packed)
{
    struct asked *a = asked_of(r);

    ck_assert_msg(!a->answered, "answered twice");
    a->answered = true;
    a->hung_up = packed.len == 0;
    a->err = a->hung_up ? WEFT_E_CLOSED : wf_nodenet_read(packed, &a->kept, &a->reply);
}

// The agent's session, after its hello.
static struct wf_live_session *session(void)
{
    static uint64_t id;
    struct wf_sessions *all = rig.node.control->sessions;
    struct wf_live_session *s = id ? wf_sessions_find(all, id) : NULL;

    if (s)
        return s;
    struct wf_session fresh = { .id = wf_sessions_fresh_id(all) };
    id = fresh.id;
    ck_assert_int_eq(wf_sessions_add(all, &fresh, WF_NODENET_PIPE, &s), WEFT_OK);
    s->caller.session = id;
    s->caller.has_identity = true;
    s->caller.identity = wf_nodenet_agent(&rig);
    snprintf(s->caller.label, sizeof s->caller.label, "servers/host-1");
    ck_assert_int_eq(wf_sessions_greet(all, s, "servers", true), WEFT_OK);
    return s;
}

static struct asked *ask(Weft__V1__Request *q, bool by_agent)
{
    struct wf_buf packed = { 0 };
    struct wf_caller local = { .local = true, .uid = (uint32_t)getuid(), .label = "local" };

    wf_fault_spare(true);
    ck_assert_uint_lt(ask_count, ASKS);
    struct asked *a = &asks[ask_count++];
    *a = (struct asked){ 0 };
    ck_assert_int_eq(wf_pb_pack(q, &packed), WEFT_OK);
    struct wf_live_session *s = by_agent ? session() : NULL;
    wf_fault_spare(false);
    wf_call_begin(&rig.node, (struct wf_net_request *)(void *)a, s, 1, by_agent ? NULL : &local,
        wf_buf_view(&packed));
    wf_buf_fini(&packed);
    return a;
}

static void turn(void)
{
    bool moved = false;

    while (rig.node.stream && wf_log_worker_turn(rig.node.stream->worker))
        moved = true;
    wf_loop_turn(rig.node.loop, moved ? 0 : 1);
}

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        for (int turns_ = 0; turns_ < PATIENCE && !(condition); turns_++)                          \
            turn();                                                                                \
    } while (0)

static enum weft_err answered(struct asked *a)
{
    TURN_UNTIL(a->answered);
    ck_assert_msg(a->answered, "a request without an answer");
    return a->err;
}

static void forget_asks(void)
{
    wf_calls_of_pipe_gone(&rig.node, WF_NODENET_PIPE); // long polls
    for (int i = 0; i < 3; i++)
        turn();
    while (ask_count) {
        struct asked *a = &asks[--ask_count];
        ck_assert_msg(a->answered, "a request without an answer");
        wf_arena_fini(&a->kept);
    }
}

// ---- the node ----------------------------------------------------------------------------------------------------------

static void start(void)
{
    struct wf_diag diag = { 0 };
    static struct wf_memdisk *disk;

    if (rig.node.loop)
        return;
    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    wf_noderig_init(&rig);
    wf_nodenet_init(on_reply);
    for (size_t i = 0; i < WF_NODERIG_ROOMS; i++)
        ck_assert_int_eq(wf_noderig_rooms[i]->open(&rig.node, &diag), WEFT_OK);
    ck_assert_int_eq(wf_stream_room.start(&rig.node, &diag), WEFT_OK);
    ck_assert_int_eq(wf_inventory_room.start(&rig.node, &diag), WEFT_OK);
    wf_nodenet_apply(&rig, "hosts", WF_PRODUCT_INVENTORY, false);
    wf_nodenet_apply(&rig, "rows", WF_PRODUCT_API, false);
    wf_nodenet_apply(&rig, "asks", WF_PRODUCT_API, true);
    for (int i = 0; i < 50; i++)
        turn();
}

static void tick(void)
{
    for (size_t i = 0; i < WF_NODERIG_ROOMS; i++)
        if (wf_noderig_rooms[i]->tick)
            wf_noderig_rooms[i]->tick(&rig.node);
    turn();
}

// This room and those that stand on it start again.
static void restart(const struct wf_room *room)
{
    struct wf_diag diag = { 0 };
    size_t at = WF_NODERIG_ROOMS;

    do
        wf_noderig_rooms[--at]->close(&rig.node);
    while (wf_noderig_rooms[at] != room);
    for (; at < WF_NODERIG_ROOMS; at++) {
        const struct wf_room *r = wf_noderig_rooms[at];
        ck_assert_msg(!r->open(&rig.node, &diag), "%s", diag.text);
        if (r == &wf_stream_room || r == &wf_inventory_room)
            ck_assert_msg(!r->start(&rig.node, &diag), "%s", diag.text);
    }
    tick();
}

#endif
