// SPDX-License-Identifier: Apache-2.0
// The issuer's node is asked for the homes of many products at once: one commit of the registry for all that came in a turn, and nobody is told
// before it. The join room and the gossip room's door are real; the signer, the control plane and the wire are played (linked with --wrap).
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/priv.h"
#include "node/join/priv.h"
#include "node/restored.h"
#include "node/signer/signer.h"
#include "tests/support/clock.h"
#include "tests/support/countstore.h"
#include "tests/support/registry.h"

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct wf_gossip_room gossip;
static struct wf_test_mesh mesh;
static struct countstore store;
static unsigned answered, refused, told;
static enum weft_err refusal;

// ---- the rest of the node --------------------------------------------------------------------------------------------

bool __wrap_wf_signer_here(const struct wf_node *n);
bool __wrap_wf_signer_here(const struct wf_node *n)
{
    (void)n;
    return true;
}

enum weft_err __wrap_wf_signer_cert(const struct wf_node *n, struct wf_bytes *ret);
enum weft_err __wrap_wf_signer_cert(const struct wf_node *n, struct wf_bytes *ret)
{
    (void)n;
    *ret = wf_bytes_str("issuer");
    return WEFT_OK;
}

enum weft_err __wrap_wf_signer_home(
    struct wf_node *n, const struct wf_home_fields *f, struct wf_buf *out);
enum weft_err __wrap_wf_signer_home(
    struct wf_node *n, const struct wf_home_fields *f, struct wf_buf *out)
{
    struct wf_test_entry e = { .domain = WF_TEST_SERVERS,
        .name = f->product,
        .term = f->term,
        .sequence = f->sequence,
        .node = f->node };

    (void)n;
    *out = wf_test_home(&mesh, &e);
    return WEFT_OK;
}

bool __wrap_wf_restored_waits(const struct wf_node *n);
bool __wrap_wf_restored_waits(const struct wf_node *n)
{
    (void)n;
    return false;
}

bool __wrap_wf_access_origin_revoked(
    const struct wf_node *n, const struct wf_sign_pub *key, int64_t at_ms);
bool __wrap_wf_access_origin_revoked(
    const struct wf_node *n, const struct wf_sign_pub *key, int64_t at_ms)
{
    (void)n, (void)key, (void)at_ms;
    return false;
}

const char *__wrap_wf_access_audit(struct wf_node *n, const struct wf_caller *who, const char *what,
    const char *on, enum weft_err result, const struct wf_hash *token_id);
const char *__wrap_wf_access_audit(struct wf_node *n, const struct wf_caller *who, const char *what,
    const char *on, enum weft_err result, const struct wf_hash *token_id)
{
    (void)n, (void)who, (void)what, (void)on, (void)result, (void)token_id;
    return "";
}

static void check_kept(void)
{
    ck_assert_msg(!store.together && store.waits, "it is on the disk before anybody is told");
}

void __wrap_wf_gossip_event(struct wf_node *n, const struct wf_gossip_event *e);
void __wrap_wf_gossip_event(struct wf_node *n, const struct wf_gossip_event *e)
{
    (void)n;
    ck_assert_int_eq(e->kind, WF_GOSSIP_OWN);
    check_kept();
    told++;
}

void __wrap_wf_gossip_learned(struct wf_node *n, const struct wf_digest *d, bool is_proof);
void __wrap_wf_gossip_learned(struct wf_node *n, const struct wf_digest *d, bool is_proof)
{
    (void)n, (void)d;
    ck_assert(!is_proof);
}

// ---- calls -----------------------------------------------------------------------------------------------------------

struct asked {
    struct wf_call pub; // first
    struct wf_caller caller;
    Weft__V1__Request request;
    Weft__V1__HomeRequest home;
    char product[32];
    struct wf_arena arena;
};

static void ended(struct wf_call *c)
{
    ck_assert_ptr_null(c->on_gone);
    wf_arena_fini(c->arena);
    free(c);
}

void __wrap_wf_call_reply(struct wf_call *c, Weft__V1__Reply *reply);
void __wrap_wf_call_reply(struct wf_call *c, Weft__V1__Reply *reply)
{
    const struct asked *a = (const struct asked *)(const void *)c;
    struct wf_entry_doc *doc = NULL;

    check_kept();
    ck_assert_int_eq(reply->kind_case, WEFT__V1__REPLY__KIND_HOME);
    ck_assert_uint_eq(reply->home->term, 1);
    ck_assert_int_eq(wf_entry_doc_open(wf_pb_view(reply->home->home), WF_ENTRY_HOME, mesh.charter,
                         wf_test_clock_unix_ms(), &doc),
        WEFT_OK);
    ck_assert_str_eq(doc->name.s, a->product); // its own, and no other's
    wf_entry_doc_free(doc);
    answered++;
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

void __wrap_wf_gossip_refuse_home(
    struct wf_call *c, const struct wf_known *home, const char *product);
void __wrap_wf_gossip_refuse_home(
    struct wf_call *c, const struct wf_known *home, const char *product)
{
    (void)home, (void)product;
    __wrap_wf_call_refuse(c, WEFT_E_NOT_HOME, "");
}

static struct wf_call *ask(const char *subject, unsigned product)
{
    struct asked *a = calloc(1, sizeof *a);
    struct wf_cert *cert = a ? &a->caller.identity.cert : NULL;

    ck_assert_ptr_nonnull(a);
    a->caller.has_identity = true;
    cert->kind = WF_ID_NODE;
    ck_assert_int_eq(wf_name_from(wf_bytes_str("servers"), &cert->domain), WEFT_OK);
    ck_assert_int_eq(wf_name_from(wf_bytes_str(subject), &cert->subject), WEFT_OK);
    ck_assert_int_eq(wf_pattern_from(wf_bytes_str("*"), &cert->patterns[0]), WEFT_OK);
    cert->pattern_count = 1;
    cert->usages = wf_usages_of(WF_ID_NODE);
    snprintf(a->product, sizeof a->product, "p-%u", product);
    weft__v1__request__init(&a->request);
    weft__v1__home_request__init(&a->home);
    a->home.product = a->product;
    a->request.kind_case = WEFT__V1__REQUEST__KIND_HOME;
    a->request.home = &a->home;
    wf_arena_init(&a->arena, WF_MIB);
    a->pub = (struct wf_call){
        .node = &node, .caller = &a->caller, .request = &a->request, .arena = &a->arena
    };
    wf_home_handle(&node, &a->pub);
    return &a->pub;
}

static void setup(void)
{
    struct wf_store *inner = NULL;
    struct wf_diag diag = { 0 };

    wf_test_mesh_init(&mesh);
    core = (struct wf_core){ 0 };
    conf = (struct wf_conf){ .data = wf_test_tmpdir(), .log.level = WF_LOG_ERROR + 1 };
    gossip = (struct wf_gossip_room){ 0 };
    node = (struct wf_node){
        .core = &core, .conf = &conf, .charter = mesh.charter, .gossip = &gossip
    };
    node.mesh_id = mesh.charter->mesh_id;
    ck_assert_int_eq(wf_name_from(wf_bytes_str("servers"), &node.identity.cert.domain), WEFT_OK);
    ck_assert_int_eq(wf_name_from(wf_bytes_str("node-1"), &node.identity.cert.subject), WEFT_OK);
    gossip.node = &node;
    answered = refused = told = 0;
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    wf_loop_turn(node.loop, 0);
    ck_assert_int_eq(wf_store_mem_new(&inner), WEFT_OK);
    countstore_init(&store, inner);
    ck_assert_int_eq(wf_catalog_new(&store.base, (struct wf_quota){ 0 }, mesh.charter,
                         wf_test_clock_unix_ms(), NULL, &gossip.catalog),
        WEFT_OK);
    ck_assert_msg(wf_join_room.open(&node, &diag) == WEFT_OK, "%s", diag.text);
}

static void teardown(void)
{
    wf_join_room.close(&node);
    wf_catalog_free(gossip.catalog);
    wf_store_free(&store.base);
    wf_buf_fini(&gossip.untold);
    wf_loop_free(node.loop);
    wf_test_mesh_fini(&mesh);
}

// ---- cases -----------------------------------------------------------------------------------------------------------

START_TEST(the_homes_of_one_turn_are_one_commit)
{
    static const unsigned counts[] = { 1, 40, WF_HOMES_ASKED - 1 };
    unsigned count = counts[_i];

    for (unsigned i = 0; i < count; i++)
        ask("node-2", i);
    ck_assert_uint_eq(answered + refused + store.waits, 0); // nobody is told yet
    wf_loop_turn(node.loop, 0);
    ck_assert_uint_eq(answered, count);
    ck_assert_uint_eq(told, count);
    ck_assert_uint_eq(store.waits, 1);
    ck_assert_uint_eq(store.rows, count);
    for (unsigned i = 0; i < count; i++) // again, as every ten minutes
        ask("node-2", i);
    wf_loop_turn(node.loop, 0);
    ck_assert_uint_eq(answered, 2 * count);
    ck_assert_uint_eq(store.waits, 2);
}
END_TEST

START_TEST(more_than_have_a_place_are_answered_all_the_same)
{
    for (unsigned i = 0; i < WF_HOMES_ASKED + 3; i++)
        ask("node-2", i);
    ck_assert_uint_eq(answered, WF_HOMES_ASKED);
    ck_assert_uint_eq(store.waits, 1);
    wf_loop_turn(node.loop, 0);
    ck_assert_uint_eq(answered, WF_HOMES_ASKED + 3);
    ck_assert_uint_eq(store.waits, 2);
    wf_loop_turn(node.loop, 0);
    ck_assert_uint_eq(store.waits, 2); // nothing is left
}
END_TEST

START_TEST(what_could_not_be_kept_is_neither_said_nor_told)
{
    store.commit_says = WEFT_E_NOSPACE;
    for (unsigned i = 0; i < 5; i++)
        ask("node-2", i);
    wf_loop_turn(node.loop, 0);
    ck_assert_uint_eq(refused, 5);
    ck_assert_int_eq(refusal, WEFT_E_NOSPACE);
    ck_assert_uint_eq(answered + told, 0);
    store.commit_says = WEFT_OK;
    for (unsigned i = 0; i < 5; i++)
        ask("node-2", i);
    wf_loop_turn(node.loop, 0);
    ck_assert_uint_eq(answered, 5);
    ck_assert_uint_eq(told, 5);
}
END_TEST

START_TEST(of_two_who_ask_in_one_turn_the_first_is_home)
{
    ask("node-2", 1);
    ask("node-3", 1);
    ask("node-3", 2);
    wf_loop_turn(node.loop, 0);
    ck_assert_uint_eq(answered, 2);
    ck_assert_uint_eq(refused, 1);
    ck_assert_int_eq(refusal, WEFT_E_NOT_HOME);
}
END_TEST

START_TEST(who_went_away_meanwhile_is_not_answered)
{
    struct wf_call *c = NULL;

    ask("node-2", 1);
    c = ask("node-2", 2);
    ask("node-2", 3);
    c->on_gone(c, c->gone_arg);
    c->on_gone = NULL;
    ended(c);
    wf_loop_turn(node.loop, 0);
    ck_assert_uint_eq(answered, 2);
    ck_assert_uint_eq(told, 2);
}
END_TEST

START_TEST(a_stop_answers_who_waits)
{
    ask("node-2", 1);
    ask("node-2", 2);
    wf_join_room.close(&node);
    ck_assert_uint_eq(refused, 2);
    ck_assert_int_eq(refusal, WEFT_E_CLOSED);
    wf_loop_turn(node.loop, 0);
    ck_assert_uint_eq(answered + store.waits, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.homes");
    TCase *tc = tcase_create("homes");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, the_homes_of_one_turn_are_one_commit, 0, 3);
    tcase_add_test(tc, more_than_have_a_place_are_answered_all_the_same);
    tcase_add_test(tc, what_could_not_be_kept_is_neither_said_nor_told);
    tcase_add_test(tc, of_two_who_ask_in_one_turn_the_first_is_home);
    tcase_add_test(tc, who_went_away_meanwhile_is_not_answered);
    tcase_add_test(tc, a_stop_answers_who_waits);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
