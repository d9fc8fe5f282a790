// SPDX-License-Identifier: Apache-2.0
// Peers that ask the registry too often wait for their turn, each by its own key; the others do not. And what is told of a home beside its digest.
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
static struct {
    size_t count;
    int64_t heard_ms, age_ms;
    bool gone;
} seen;

// ---- the control plane (linked with --wrap) -----------------------------------------------------------------------------------------------

struct asked {
    struct wf_call pub; // first
    struct wf_caller caller;
    Weft__V1__Request request;
    Weft__V1__GetRequest get;
    Weft__V1__DigestRequest digest;
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
    if (reply->kind_case == WEFT__V1__REPLY__KIND_DIGEST) {
        seen.count = reply->digest->n_digests;
        if (seen.count) {
            seen.heard_ms = reply->digest->digests[seen.count - 1]->heard_ms;
            seen.age_ms = reply->digest->digests[seen.count - 1]->age_ms;
            seen.gone = reply->digest->digests[seen.count - 1]->gone;
        }
    }
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

static struct asked *asked_by(uint8_t key)
{
    struct asked *a = calloc(1, sizeof *a);

    ck_assert_ptr_nonnull(a);
    a->caller.has_identity = true;
    memset(a->caller.identity.cert.sign_key.b, key, WF_KEY_LEN);
    weft__v1__request__init(&a->request);
    wf_arena_init(&a->arena, WF_MIB);
    a->pub = (struct wf_call){
        .node = &node, .caller = &a->caller, .request = &a->request, .arena = &a->arena
    };
    return a;
}

static void ask(uint8_t key)
{
    struct asked *a = asked_by(key);

    weft__v1__get_request__init(&a->get);
    a->request.kind_case = WEFT__V1__REQUEST__KIND_GET;
    a->request.get = &a->get;
    wf_gossip_handle_get(&node, &a->pub);
}

static void look(void)
{
    struct asked *a = asked_by(1);

    weft__v1__digest_request__init(&a->digest);
    a->digest.all = true;
    a->request.kind_case = WEFT__V1__REQUEST__KIND_DIGEST;
    a->request.digest = &a->digest;
    a->caller.local = true;
    seen.count = 0;
    wf_gossip_handle_digest(&node, &a->pub);
    ck_assert_uint_eq(seen.count, 2); // in the catalog's order: the home before its product
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

// The home of a product in a mesh too large to hear all of it, or one that was taken off the list: its adverts alone say that it lives.
START_TEST(a_home_that_is_not_heard_is_silent_when_two_adverts_in_a_row_did_not_come)
{
    struct wf_test_entry e = { .domain = WF_TEST_SERVERS,
        .name = "cpu",
        .term = 1,
        .sequence = WF_TEST_SEQ,
        .life_ms = 3600000 };
    struct wf_buf home = wf_test_home(&mesh, &e), advert = wf_test_product_advert(&mesh, &e);
    struct wf_store *store = NULL;
    enum wf_learned learned;

    wf_test_clock_freeze(true);
    wf_loop_turn(node.loop, 0);
    int64_t age = wf_loop_now_unix_ms(node.loop) - WF_TEST_NOW; // since the test began
    ck_assert_int_eq(wf_store_mem_new(&store), WEFT_OK);
    ck_assert_int_eq(wf_catalog_new(store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL,
                         &gossip.catalog),
        WEFT_OK);
    ck_assert_int_eq(wf_catalog_learn(gossip.catalog, WF_ENTRY_HOME, wf_buf_view(&home),
                         mesh.charter, WF_TEST_NOW, &learned),
        WEFT_OK);
    ck_assert_int_eq(wf_catalog_learn(gossip.catalog, WF_ENTRY_PRODUCT, wf_buf_view(&advert),
                         mesh.charter, WF_TEST_NOW, &learned),
        WEFT_OK);
    wf_test_clock_skip(1500000 - age);
    wf_loop_turn(node.loop, 0);
    look();
    ck_assert_msg(seen.heard_ms == -1 && seen.age_ms == 1500000 && !seen.gone, "%lld %lld %d",
        (long long)seen.heard_ms, (long long)seen.age_ms, seen.gone);
    wf_test_clock_skip(1);
    wf_loop_turn(node.loop, 0);
    look();
    ck_assert(seen.heard_ms == -1 && seen.age_ms == 1500001 && seen.gone);
    wf_test_clock_freeze(false);
    wf_catalog_free(gossip.catalog);
    wf_store_free(store);
    wf_buf_fini(&home);
    wf_buf_fini(&advert);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gossip_serve");
    TCase *c = tcase_create("turns");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, who_asks_too_often_waits_for_its_turn_and_is_not_refused);
    tcase_add_test(c, so_many_wait_and_no_more);
    tcase_add_test(c, a_home_that_is_not_heard_is_silent_when_two_adverts_in_a_row_did_not_come);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
