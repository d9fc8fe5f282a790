// SPDX-License-Identifier: Apache-2.0
#include "tests/support/nodenet.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/source/room.h"
#include "node/stream/room.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"

static wf_nodenet_fn on_reply;

void wf_nodenet_init(wf_nodenet_fn fn)
{
    on_reply = fn;
}

enum weft_err wf_nodenet_read(struct wf_bytes packed, struct wf_arena *arena, Weft__V1__Reply **ret)
{
    struct wf_session_refusal uniform;

    wf_arena_init(arena, wf_pb_budget(packed.len));
    if (wf_session_refusal_read(packed, &uniform) == WEFT_OK)
        return WEFT_E_BUSY;
    wf_test_must(wf_pb_unpack(&weft__v1__reply__descriptor, packed, WF_PB_STRICT, arena, ret));
    return (*ret)->refusal ? (enum weft_err)(*ret)->refusal->code : WEFT_OK;
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
    wf_fault_spare(true);
    on_reply(r, wf_net_msg_view(m));
    wf_net_msg_free(m);
    wf_fault_spare(false);
}

void __wrap_wf_net_drop(struct wf_net_request *r, bool close)
{
    (void)close;
    wf_fault_spare(true);
    on_reply(r, wf_bytes(NULL, 0));
    wf_fault_spare(false);
}

enum weft_err __wrap_wf_net_hold(struct wf_net_request *r)
{
    (void)r;
    return WEFT_OK;
}

uint32_t __wrap_wf_net_request_pipe(const struct wf_net_request *r)
{
    (void)r;
    return WF_NODENET_PIPE;
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

// ---- who asks, and what there is ---------------------------------------------------------------------------------------

struct wf_identity wf_nodenet_agent(const struct wf_noderig *rig)
{
    const struct wf_test_domain *own = &rig->mesh.d[WF_TEST_SERVERS];
    struct wf_cert fields = wf_test_cert("servers", WF_ID_AGENT, "host-1");
    struct wf_identity id;

    struct wf_buf cert = wf_test_cert_issue(&fields, &own->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&own->issuer_cert));
    wf_test_must(
        wf_chain_verify(wf_buf_view(&chain), rig->mesh.charter, wf_test_clock_unix_ms(), 0, &id));
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    return id;
}

void wf_nodenet_apply(
    struct wf_noderig *rig, const char *name, enum wf_product_kind kind, bool hosts)
{
    static const char *keys[] = { "host" }, *patterns[] = { "host-*" };
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
        .hosts = patterns,
        .host_count = hosts };

    snprintf(path, sizeof path, "%s/tests/schema/sample.set", getenv("WEFT_BUILD_DIR"));
    struct wf_buf schema = wf_test_file(path);
    enum weft_err err =
        wf_stream_apply(&rig->node, &c, wf_buf_view(&schema), false, &changes, &diag);
    if (err)
        fprintf(stderr, "%s: %s\n", name, diag.text);
    wf_test_must(err);
    wf_buf_fini(&changes);
    wf_buf_fini(&schema);
}
