// SPDX-License-Identifier: Apache-2.0
// Requests to a node that has all its rooms, a product of each kind and nobody around it: {caller, length, packed request} again and again.
// The caller is a local user with or without rights, an agent, another domain's node or a newcomer; sessions need no sealing here, and no
// program is ever run. Every request must be answered once, with a reply that packs. The node lives as long as the process.
#include <stdlib.h>
#include <unistd.h>

#include "node/call.h"
#include "node/inventory/room.h"
#include "node/stream/room.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/nodenet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS_MAX 16
#define TURNS        4

static struct wf_noderig rig;
static unsigned asked, answered;
static uint8_t lease[16];         // the last given; stands for 16 times 'L' in requests
static struct wf_hash product_id; // of "load", for 32 times 'P'

static void must(bool right)
{
    if (!right)
        abort();
}

static void on_reply(struct wf_net_request *r, struct wf_bytes packed)
{
    struct wf_arena arena;
    Weft__V1__Reply *reply = NULL;

    (void)r;
    answered++;
    if (packed.len == 0)
        return;
    (void)wf_nodenet_read(packed, &arena, &reply); // aborts when it does not unpack
    if (reply && reply->kind_case == WEFT__V1__REPLY__KIND_LEASE)
        memcpy(lease, reply->lease->lease_id.data, sizeof lease);
    wf_arena_fini(&arena);
}

// ---- the node ---------------------------------------------------------------------------------------------------------

static void start(void)
{
    struct wf_diag diag = { 0 };

    wf_noderig_init(&rig);
    wf_nodenet_init(on_reply);
    for (size_t i = 0; i < WF_NODERIG_ROOMS; i++)
        wf_test_must(wf_noderig_rooms[i]->open(&rig.node, &diag));
    wf_test_must(wf_stream_room.start(&rig.node, &diag));
    wf_test_must(wf_inventory_room.start(&rig.node, &diag));
    wf_product_id(&rig.mesh.charter->mesh_id, "servers", "load", 1, &product_id);
    wf_nodenet_apply(&rig, "load", WF_PRODUCT_METRIC, false);
    wf_nodenet_apply(&rig, "hosts", WF_PRODUCT_INVENTORY, false);
    wf_nodenet_apply(&rig, "rows", WF_PRODUCT_API, false);
    for (int i = 0; i < 100; i++) // what is applied asks the log for its place
        wf_loop_turn(rig.node.loop, 1);
}

// ---- callers ----------------------------------------------------------------------------------------------------------

enum caller { LOCAL, STRANGER, AGENT, NEIGHBOUR, NEWCOMER, CALLERS };

static struct wf_identity identity_of(enum caller who)
{
    struct wf_identity id;
    const struct wf_test_domain *network = &rig.mesh.d[WF_TEST_NETWORK];

    if (who == AGENT)
        return wf_nodenet_agent(&rig);
    wf_test_must(wf_chain_verify(
        wf_buf_view(&network->node_chain), rig.mesh.charter, wf_test_clock_unix_ms(), 0, &id));
    return id;
}

// A session that has said hello; the node may have ended the last.
static struct wf_live_session *session_of(enum caller who)
{
    static uint64_t ids[CALLERS];
    struct wf_live_session *s =
        ids[who] ? wf_sessions_find(rig.node.control->sessions, ids[who]) : NULL;
    struct wf_session fresh = { 0 };

    if (s)
        return s;
    fresh.id = ids[who] = wf_sessions_fresh_id(rig.node.control->sessions);
    wf_test_must(wf_sessions_add(rig.node.control->sessions, &fresh, WF_NODENET_PIPE, &s));
    s->caller.session = fresh.id;
    if (who != NEWCOMER) {
        s->caller.has_identity = true;
        s->caller.identity = identity_of(who);
        snprintf(s->caller.label, sizeof s->caller.label, "%s/%s", s->caller.identity.cert.domain.s,
            s->caller.identity.cert.subject.s);
    }
    wf_test_must(wf_sessions_greet(rig.node.control->sessions, s,
        who == NEWCOMER ? NULL : s->caller.identity.cert.domain.s, who == AGENT));
    return s;
}

// What the node draws or computes can't stand in a corpus.
static void put_known(struct wf_buf *packed, char mark, struct wf_bytes known)
{
    for (size_t i = 0, run = 0; i < packed->len; i++) {
        run = packed->ptr[i] == (uint8_t)mark ? run + 1 : 0;
        if (run == known.len) {
            memcpy(packed->ptr + i + 1 - run, known.ptr, known.len);
            run = 0;
        }
    }
}

static void request(enum caller who, struct wf_bytes written)
{
    struct wf_buf packed = { 0 };
    static int nothing;
    struct wf_net_request *net = (struct wf_net_request *)(void *)&nothing;
    struct wf_caller local = { .local = true, .uid = who == LOCAL ? (uint32_t)getuid() : 4711 };

    snprintf(local.label, sizeof local.label, "uid %u", (unsigned)local.uid);
    wf_test_must(wf_bytes_dup(written, &packed));
    put_known(&packed, 'L', WF_BYTES(lease));
    put_known(&packed, 'P', wf_hash_view(&product_id));
    asked++;
    if (who == LOCAL || who == STRANGER)
        wf_call_begin(&rig.node, net, NULL, 0, &local, wf_buf_view(&packed));
    else
        wf_call_begin(&rig.node, net, session_of(who), 1, NULL, wf_buf_view(&packed));
    wf_buf_fini(&packed);
}

static bool all_answered(void)
{
    wf_calls_of_pipe_gone(&rig.node, WF_NODENET_PIPE); // long polls
    return asked == answered;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!rig.node.loop)
        start();
    for (int i = 0; i < REQUESTS_MAX && size > 3; i++) {
        size_t len = (size_t)data[1] << 8 | data[2], left = size - 3;
        len = len < left ? len : left;
        request((enum caller)(data[0] % CALLERS), wf_bytes(data + 3, len));
        wf_loop_turn(rig.node.loop, 0);
        data += 3 + len;
        size -= 3 + len;
    }
    for (int i = 0; i < TURNS || !all_answered(); i++) {
        must(i < 5000); // ms and more: a request without an answer
        wf_loop_turn(rig.node.loop, i < TURNS ? 0 : 1);
    }
    for (size_t i = 0; i < WF_NODERIG_ROOMS && size == 1; i++)
        if (wf_noderig_rooms[i]->tick)
            wf_noderig_rooms[i]->tick(&rig.node);
    return 0;
}
