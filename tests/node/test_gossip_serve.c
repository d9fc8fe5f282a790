// SPDX-License-Identifier: Apache-2.0
// Peers that ask the registry too often wait for their turn, each by its own key; the others do not.
#include <check.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/priv.h"
#include "sdk/loop/loop.h"
#include "tests/support/clock.h"
#include "tests/support/registry.h"

#define BURST 200 // of one key; docs/protocol/registry.md

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct wf_gossip_room gossip;
static struct wf_test_mesh mesh;
static unsigned answered, refused;
static enum weft_err refusal;

// ---- the control plane (linked with --wrap) -----------------------------------------------------------------------------------------------

struct asked {
    struct wf_call pub; // first
    struct wf_caller caller;
    Weft__V1__Request request;
    Weft__V1__GetRequest get;
    struct wf_arena arena;
};

static void ended(struct wf_call *c)
{
    wf_arena_fini(c->arena);
    free(c);
}

void __wrap_wf_call_reply(struct wf_call *c, Weft__V1__Reply *reply);
void __wrap_wf_call_reply(struct wf_call *c, Weft__V1__Reply *reply)
{
    (void)reply;
    answered++;
    ended(c);
}

void __wrap_wf_call_refuse_with(struct wf_call *c, Weft__V1__Refusal *r);
void __wrap_wf_call_refuse_with(struct wf_call *c, Weft__V1__Refusal *r)
{
    refused++;
    refusal = (enum weft_err)r->code;
    ended(c);
}

void __wrap_wf_call_refuse(struct wf_call *c, enum weft_err err, const char *format, ...);
void __wrap_wf_call_refuse(struct wf_call *c, enum weft_err err, const char *format, ...)
{
    (void)format;
    refused++;
    refusal = err;
    ended(c);
}

static void ask(uint8_t key)
{
    struct asked *a = calloc(1, sizeof *a);

    ck_assert_ptr_nonnull(a);
    a->caller.has_identity = true;
    memset(a->caller.identity.cert.sign_key.b, key, WF_KEY_LEN);
    weft__v1__request__init(&a->request);
    weft__v1__get_request__init(&a->get);
    a->request.kind_case = WEFT__V1__REQUEST__KIND_GET;
    a->request.get = &a->get;
    wf_arena_init(&a->arena, WF_MIB);
    a->pub = (struct wf_call){
        .node = &node, .caller = &a->caller, .request = &a->request, .arena = &a->arena
    };
    wf_gossip_handle_get(&node, &a->pub);
}

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    core = (struct wf_core){ 0 };
    conf = (struct wf_conf){ .data = wf_test_tmpdir(), .log.level = WF_LOG_ERROR + 1 };
    gossip = (struct wf_gossip_room){ 0 };
    node = (struct wf_node){
        .core = &core, .conf = &conf, .charter = mesh.charter, .gossip = &gossip
    };
    gossip.node = &node;
    answered = refused = 0;
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    ck_assert_int_eq(wf_gossip_serve_open(&node), WEFT_OK);
}

static void teardown(void)
{
    wf_gossip_serve_close(&node);
    wf_loop_free(node.loop);
    wf_test_mesh_fini(&mesh);
}

// ---- cases -----------------------------------------------------------------------------------------------------------

START_TEST(who_asks_too_often_waits_for_its_turn_and_is_not_refused)
{
    for (int i = 0; i < BURST + 20; i++)
        ask(1);
    ck_assert_uint_eq(answered, BURST);
    ck_assert_uint_eq(gossip.delayed_count, 20);
    ask(2);
    ck_assert_msg(answered == BURST + 1, "another key has its own turn");
    for (int i = 0; i < 100 && gossip.delayed_count; i++) {
        wf_test_clock_skip(100);
        wf_loop_turn(node.loop, 0);
    }
    ck_assert_uint_eq(answered, BURST + 21);
    ck_assert_uint_eq(refused, 0);
}
END_TEST

START_TEST(so_many_wait_and_no_more)
{
    for (unsigned i = 0; i < BURST + WF_GOSSIP_DELAYED; i++)
        ask(1);
    ck_assert_uint_eq(gossip.delayed_count, WF_GOSSIP_DELAYED);
    ck_assert_uint_eq(refused, 0);
    ask(1);
    ck_assert_uint_eq(refused, 1);
    ck_assert_int_eq(refusal, WEFT_E_BUSY);
    ask(2);
    ck_assert_uint_eq(answered, BURST + 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gossip_serve");
    TCase *c = tcase_create("turns");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, who_asks_too_often_waits_for_its_turn_and_is_not_refused);
    tcase_add_test(c, so_many_wait_and_no_more);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
