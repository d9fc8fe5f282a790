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
#include "node/source/room.h"
#include "node/stream/priv.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/memroom.h"
#include "tests/support/noderig.h"
#include "tests/support/registry.h"

#define PIPE     1
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

void __wrap_wf_net_reply(struct wf_net_request *r, struct wf_net_msg *m);
void __wrap_wf_net_drop(struct wf_net_request *r, bool close);
enum weft_err __wrap_wf_net_hold(struct wf_net_request *r);
uint32_t __wrap_wf_net_request_pipe(const struct wf_net_request *r);
const struct wf_net_addr *__wrap_wf_net_request_addr(const struct wf_net_request *r);
enum weft_err __wrap_wf_session_seal_reply(struct wf_session *s, uint64_t nonce, int64_t now_ms,
    struct wf_bytes plain, struct wf_buf *out);
enum weft_err __wrap_wf_source_run_once(
    struct wf_node *n, const struct wf_run_spec *spec, wf_run_fn fn, void *arg);

void __wrap_wf_net_reply(struct wf_net_request *r, struct wf_net_msg *m)
{
    struct wf_session_refusal uniform;
    struct asked *a = asked_of(r);

    wf_fault_spare(true);
    ck_assert_msg(!a->answered, "answered twice");
    a->answered = true;
    struct wf_bytes packed = wf_net_msg_view(m);
    wf_arena_init(&a->kept, wf_pb_budget(packed.len));
    if (!wf_session_refusal_read(packed, &uniform))
        a->err = WEFT_E_BUSY;
    else
        ck_assert_int_eq(
            wf_pb_unpack(&weft__v1__reply__descriptor, packed, WF_PB_STRICT, &a->kept, &a->reply),
            WEFT_OK);
    if (a->reply && a->reply->refusal)
        a->err = (enum weft_err)a->reply->refusal->code;
    wf_net_msg_free(m);
    wf_fault_spare(false);
}

void __wrap_wf_net_drop(struct wf_net_request *r, bool close)
{
    struct asked *a = asked_of(r);

    (void)close;
    ck_assert_msg(!a->answered, "answered twice");
    a->answered = a->hung_up = true;
    a->err = WEFT_E_CLOSED;
}

enum weft_err __wrap_wf_net_hold(struct wf_net_request *r)
{
    (void)r;
    return WEFT_OK;
}

uint32_t __wrap_wf_net_request_pipe(const struct wf_net_request *r)
{
    (void)r;
    return PIPE;
}

const struct wf_net_addr *__wrap_wf_net_request_addr(const struct wf_net_request *r)
{
    static const struct wf_net_addr here = { .family = WF_NET_IP4, .ip = { 127, 0, 0, 1 } };

    (void)r;
    return &here;
}

enum weft_err __wrap_wf_session_seal_reply(
    struct wf_session *s, uint64_t nonce, int64_t now_ms, struct wf_bytes plain, struct wf_buf *out)
{
    (void)s, (void)nonce, (void)now_ms;
    return wf_buf_append(out, plain);
}

enum weft_err __wrap_wf_source_run_once(
    struct wf_node *n, const struct wf_run_spec *spec, wf_run_fn fn, void *arg)
{
    (void)n, (void)spec, (void)fn, (void)arg;
    return WEFT_E_UNSUPPORTED;
}

static struct wf_identity agent_identity(void)
{
    struct wf_cert fields = wf_test_cert("servers", WF_ID_AGENT, "host-1");
    struct wf_test_domain *own = &rig.mesh.d[WF_TEST_SERVERS];
    struct wf_identity id;

    struct wf_buf cert = wf_test_cert_issue(&fields, &own->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&own->issuer_cert));
    ck_assert_int_eq(
        wf_chain_verify(wf_buf_view(&chain), rig.mesh.charter, wf_test_clock_unix_ms(), 0, &id),
        WEFT_OK);
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    return id;
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
    ck_assert_int_eq(wf_sessions_add(all, &fresh, PIPE, &s), WEFT_OK);
    s->caller.session = id;
    s->caller.has_identity = true;
    s->caller.identity = agent_identity();
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
    wf_calls_of_pipe_gone(&rig.node, PIPE); // long polls
    for (int i = 0; i < 3; i++)
        turn();
    while (ask_count) {
        struct asked *a = &asks[--ask_count];
        ck_assert_msg(a->answered, "a request without an answer");
        wf_arena_fini(&a->kept);
    }
}

// ---- the node ----------------------------------------------------------------------------------------------------------

static void apply(const char *name, enum wf_product_kind kind)
{
    static const char *keys[] = { "host" }, *hosts[] = { "host-*" };
    char path[512];
    struct wf_diag diag = { 0 };
    struct wf_buf changes = { 0 };
    struct wf_collect c = { .product = { .name = name,
                                .version = "1.0.0",
                                .title = "Rows",
                                .owner_name = "Testers",
                                .owner_contact = "testers@example.org",
                                .kind = kind,
                                .message = kind == WF_PRODUCT_API ? "" : "weft.sample.Row",
                                .service = kind == WF_PRODUCT_API ? "weft.sample.Rows" : "",
                                .key_count = kind == WF_PRODUCT_INVENTORY,
                                .keys = keys,
                                .classification = WF_CLASS_INTERNAL,
                                .durability = WF_DURABILITY_DISK },
        .hosts = hosts,
        .host_count = strcmp(name, "asks") == 0 };

    snprintf(path, sizeof path, "%s/tests/schema/sample.set", getenv("WEFT_BUILD_DIR"));
    struct wf_buf schema = wf_test_file(path);
    ck_assert_msg(!wf_stream_apply(&rig.node, &c, wf_buf_view(&schema), false, &changes, &diag),
        "%s", diag.text);
    wf_buf_fini(&changes);
    wf_buf_fini(&schema);
}

static void start(void)
{
    struct wf_diag diag = { 0 };
    static struct wf_memdisk *disk;

    if (rig.node.loop)
        return;
    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    wf_noderig_init(&rig);
    for (size_t i = 0; i < WF_NODERIG_ROOMS; i++)
        ck_assert_int_eq(wf_noderig_rooms[i]->open(&rig.node, &diag), WEFT_OK);
    ck_assert_int_eq(wf_stream_room.start(&rig.node, &diag), WEFT_OK);
    ck_assert_int_eq(wf_inventory_room.start(&rig.node, &diag), WEFT_OK);
    apply("hosts", WF_PRODUCT_INVENTORY);
    apply("rows", WF_PRODUCT_API);
    apply("asks", WF_PRODUCT_API);
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
