// SPDX-License-Identifier: Apache-2.0
// Requests to a node that has all its rooms, a product of each kind and nobody around it: {caller, length, packed request} again and again.
// The caller is a local user with or without rights, an agent, another domain's node or a newcomer; sessions need no sealing here, and no
// program is ever run. Every request must be answered once, with a reply that packs. The node lives as long as the process.
#include <stdlib.h>
#include <unistd.h>

#include "node/call.h"
#include "node/inventory/room.h"
#include "node/source/room.h"
#include "node/stream/room.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/noderig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIPE         1
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

// ---- the net, sessions and programs are not there ----------------------------------------------------------------------

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
    struct wf_arena arena;
    Weft__V1__Reply *reply = NULL;
    struct wf_bytes packed = wf_net_msg_view(m);

    (void)r;
    answered++;
    wf_arena_init(&arena, wf_pb_budget(packed.len));
    must(wf_session_refusal_read(packed, &uniform) == WEFT_OK ||
         wf_pb_unpack(&weft__v1__reply__descriptor, packed, WF_PB_STRICT, &arena, &reply) ==
             WEFT_OK);
    if (reply && reply->kind_case == WEFT__V1__REPLY__KIND_LEASE)
        memcpy(lease, reply->lease->lease_id.data, sizeof lease);
    wf_arena_fini(&arena);
    wf_net_msg_free(m);
}

void __wrap_wf_net_drop(struct wf_net_request *r, bool close)
{
    (void)r;
    (void)close;
    answered++;
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
    (void)s;
    (void)nonce;
    (void)now_ms;
    return wf_buf_append(out, plain);
}

enum weft_err __wrap_wf_source_run_once(
    struct wf_node *n, const struct wf_run_spec *spec, wf_run_fn fn, void *arg)
{
    (void)n;
    (void)spec;
    (void)fn;
    (void)arg;
    return WEFT_E_UNSUPPORTED;
}

// ---- the node ---------------------------------------------------------------------------------------------------------

static void add_product(const char *name, enum wf_product_kind kind)
{
    static const char *keys[] = { "host" };
    char path[512];
    struct wf_diag diag = { 0 };
    struct wf_buf changes = { 0 };
    struct wf_collect c = { .product = { .name = name,
                                .version = "1.0.0",
                                .title = "Rows",
                                .owner_name = "Fuzzers",
                                .owner_contact = "fuzzers@example.org",
                                .kind = kind,
                                .message = kind == WF_PRODUCT_API ? "" : "weft.sample.Row",
                                .service = kind == WF_PRODUCT_API ? "weft.sample.Rows" : "",
                                .key_count = kind == WF_PRODUCT_INVENTORY,
                                .keys = keys,
                                .classification = WF_CLASS_INTERNAL,
                                .durability = WF_DURABILITY_DISK } };

    snprintf(path, sizeof path, "%s/tests/schema/sample.set", getenv("WEFT_BUILD_DIR"));
    struct wf_buf schema = wf_test_file(path);
    enum weft_err err =
        wf_stream_apply(&rig.node, &c, wf_buf_view(&schema), false, &changes, &diag);
    if (err)
        fprintf(stderr, "%s: %s\n", name, diag.text);
    wf_test_must(err);
    wf_buf_fini(&changes);
    wf_buf_fini(&schema);
}

static void start(void)
{
    struct wf_diag diag = { 0 };

    wf_noderig_init(&rig);
    for (size_t i = 0; i < WF_NODERIG_ROOMS; i++)
        wf_test_must(wf_noderig_rooms[i]->open(&rig.node, &diag));
    wf_test_must(wf_stream_room.start(&rig.node, &diag));
    wf_test_must(wf_inventory_room.start(&rig.node, &diag));
    wf_product_id(&rig.mesh.charter->mesh_id, "servers", "load", 1, &product_id);
    add_product("load", WF_PRODUCT_METRIC);
    add_product("hosts", WF_PRODUCT_INVENTORY);
    add_product("rows", WF_PRODUCT_API);
    for (int i = 0; i < 100; i++) // what is applied asks the log for its place
        wf_loop_turn(rig.node.loop, 1);
}

// ---- callers ----------------------------------------------------------------------------------------------------------

enum caller { LOCAL, STRANGER, AGENT, NEIGHBOUR, NEWCOMER, CALLERS };

static struct wf_identity identity_of(enum caller who)
{
    struct wf_identity id;
    struct wf_buf cert = { 0 }, chain = { 0 };

    if (who == AGENT) {
        struct wf_cert fields = wf_test_cert("servers", WF_ID_AGENT, "host-1");
        cert = wf_test_cert_issue(&fields, &rig.mesh.d[WF_TEST_SERVERS].issuer);
        chain = wf_test_chain(
            wf_buf_view(&cert), wf_buf_view(&rig.mesh.d[WF_TEST_SERVERS].issuer_cert));
    } else {
        wf_test_must(wf_bytes_dup(wf_buf_view(&rig.mesh.d[WF_TEST_NETWORK].node_chain), &chain));
    }
    wf_test_must(
        wf_chain_verify(wf_buf_view(&chain), rig.mesh.charter, wf_test_clock_unix_ms(), 0, &id));
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
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
    wf_test_must(wf_sessions_add(rig.node.control->sessions, &fresh, PIPE, &s));
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
    wf_calls_of_pipe_gone(&rig.node, PIPE); // long polls
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
