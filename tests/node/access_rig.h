// SPDX-License-Identifier: Apache-2.0
// The rooms access, join and agents without a daemon around them: files in a fresh directory, the catalog and the signer's keys real, clock and
// control plane the test's. Static, so that each binary defines what other rooms would. Fails through ck_assert.
#ifndef WF_TESTS_ACCESS_RIG_H
#define WF_TESTS_ACCESS_RIG_H

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/access/priv.h"
#include "node/access/requests.h"
#include "node/call.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/room.h"
#include "node/join/priv.h"
#include "node/signer/signer.h"
#include "node/source/room.h"
#include "node/stream/room.h"
#include "proto/trust/move.h"
#include "sdk/disk.h"
#include "tests/support/fault.h"
#include "tests/support/registry.h"
#include "tests/support/support.h"
#include "tests/support/trust_token.h"

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct wf_control control;
static struct wf_test_mesh mesh;
static struct wf_test_holders holders;
static struct wf_store *store;
static struct wf_catalog *catalog;
static int64_t now_ms, unix_ms;
static bool is_issuer;
static size_t dropped, rotated, notified;
static struct wf_sign_pub last_dropped;
static char told[1024][512]; // records of DOMAIN/access, as JSON
static size_t told_count;
static char said[1024], ending[64][1024]; // the last log line; those about grants that end
static size_t ending_count;

// What the node that decides answers to what is handed on to it.
static struct rig_deciding {
    enum weft_err cannot, err; // cannot: it is not even asked
    const Weft__V1__Reply *reply;
    size_t asked;
    bool whole; // the caller's request, under its key, with the caller's chain
} deciding = { .err = WEFT_E_UNREACHABLE };

// A call and its answer.
static struct rig_call {
    struct wf_call pub; // first
    struct wf_caller caller;
    Weft__V1__Request request;
    struct wf_arena arena, kept;
    Weft__V1__Reply *reply;
    struct wf_token *token; // shown
    bool answered;
    enum weft_err err;
    struct wf_buf chain;
} call;

// ---- the node and other rooms ----------------------------------------------------------------------------------------

int64_t wf_node_now_ms(const struct wf_node *n)
{
    (void)n;
    return now_ms;
}

int64_t wf_node_now_unix_ms(const struct wf_node *n)
{
    (void)n;
    return unix_ms;
}

void wf_say(struct wf_node *n, enum wf_log_level level, const char *room, const char *message, ...)
{
    va_list args;
    size_t at = (size_t)snprintf(said, sizeof said, "%s", message);

    (void)n, (void)level, (void)room;
    va_start(args, message);
    for (const char *key = va_arg(args, const char *); key; key = va_arg(args, const char *)) {
        const char *value = va_arg(args, const char *);
        if (at < sizeof said)
            at += (size_t)snprintf(said + at, sizeof said - at, " %s=%s", key, value);
    }
    va_end(args);
    if (strncmp(said, "a grant made by hand", 20) == 0)
        snprintf(ending[ending_count++ % WF_COUNT(ending)], sizeof ending[0], "%s", said);
}

static char alarmed[256]; // the last alarm, empty when it was cleared

void wf_alarm(struct wf_node *n, const char *name, const char *text)
{
    (void)n;
    snprintf(
        alarmed, sizeof alarmed, "%s%s%s", text ? name : "", text ? ": " : "", text ? text : "");
}

struct wf_catalog *wf_gossip_catalog(struct wf_node *n)
{
    (void)n;
    return catalog;
}

enum weft_err wf_gossip_advertise(struct wf_node *n, enum wf_entry_kind kind, struct wf_bytes raw)
{
    enum wf_learned learned;
    enum weft_err err = wf_catalog_learn(catalog, kind, raw, mesh.charter, unix_ms, &learned);

    (void)n;
    if (!err && kind == WF_ENTRY_REVOCATIONS)
        wf_access_list_changed(&node, "servers");
    return err;
}

void wf_gossip_hold(struct wf_node *n)
{
    (void)n;
    wf_catalog_hold(catalog);
}

enum weft_err wf_gossip_release(struct wf_node *n)
{
    (void)n;
    return wf_catalog_release(catalog);
}

const struct wf_revocations *wf_gossip_revocations(const struct wf_node *n, const char *domain)
{
    const struct wf_known *k = wf_catalog_find(catalog, WF_ENTRY_REVOCATIONS, domain, "");

    (void)n;
    return k ? k->revocations : NULL;
}

enum weft_err wf_gossip_ask_issuer(
    struct wf_node *n, const Weft__V1__Request *request, wf_gossip_issuer_fn done, void *arg)
{
    (void)n;
    if (deciding.cannot)
        return deciding.cannot;
    deciding.asked++;
    deciding.whole =
        request->kind_case == WEFT__V1__REQUEST__KIND_ACCESS && call.chain.len &&
        request->access->n_products == call.request.access->n_products &&
        wf_bytes_eq(wf_pb_view(request->idempotency), wf_pb_view(call.request.idempotency)) &&
        wf_bytes_eq(wf_pb_view(request->access->for_chain), wf_buf_view(&call.chain));
    done(arg, deciding.err, deciding.reply);
    return WEFT_OK;
}

void wf_control_drop(struct wf_node *n, const struct wf_sign_pub *key)
{
    (void)n;
    dropped++;
    last_dropped = *key;
}

enum weft_err wf_stream_apply_built_in(struct wf_node *n, const struct wf_product *wanted,
    struct wf_bytes schema, struct wf_diag *diag)
{
    (void)n, (void)wanted, (void)schema, (void)diag;
    return WEFT_OK;
}

void wf_stream_rotate(struct wf_node *n, const char *product)
{
    (void)n, (void)product;
    rotated++;
}

void wf_stream_tell(struct wf_node *n, const char *product, const char *json)
{
    (void)n;
    ck_assert_str_eq(product, "access");
    ck_assert_uint_lt(told_count, WF_COUNT(told));
    snprintf(told[told_count++], sizeof told[0], "%s", json);
}

enum weft_err wf_source_run_once(
    struct wf_node *n, const struct wf_run_spec *spec, wf_run_fn fn, void *arg)
{
    (void)n, (void)spec, (void)fn, (void)arg;
    notified++;
    return WEFT_OK;
}

// ---- the signer, in this process -------------------------------------------------------------------------------------

bool wf_signer_here(const struct wf_node *n)
{
    (void)n;
    return is_issuer;
}

enum weft_err wf_signer_cert(const struct wf_node *n, struct wf_bytes *ret)
{
    (void)n;
    *ret = wf_buf_view(&mesh.d[WF_TEST_SERVERS].issuer_cert);
    return WEFT_OK;
}

enum weft_err wf_signer_issue(struct wf_node *n, const struct wf_cert *fields, struct wf_buf *out)
{
    (void)n;
    return wf_cert_issue(fields, &mesh.d[WF_TEST_SERVERS].issuer, out);
}

enum weft_err wf_signer_grant(struct wf_node *n, const struct wf_block *fields, struct wf_buf *out)
{
    struct wf_buf raw = { 0 };
    enum weft_err err = wf_token_grant(fields, wf_buf_view(&mesh.d[WF_TEST_SERVERS].issuer_cert),
        &mesh.d[WF_TEST_SERVERS].issuer, &raw);

    (void)n;
    if (!err)
        err = wf_buf_append(out, wf_buf_view(&raw));
    wf_buf_fini(&raw);
    return err;
}

enum weft_err wf_signer_home(
    struct wf_node *n, const struct wf_home_fields *fields, struct wf_buf *out)
{
    (void)n;
    return wf_home_sign(fields, &mesh.d[WF_TEST_SERVERS].issuer, out);
}

enum weft_err wf_signer_move(struct wf_node *n, const struct wf_move *fields, struct wf_buf *out)
{
    (void)n;
    return wf_move_sign(fields, wf_buf_view(&mesh.d[WF_TEST_SERVERS].issuer_cert),
        &mesh.d[WF_TEST_SERVERS].issuer, out);
}

enum weft_err wf_signer_revocations(
    struct wf_node *n, const struct wf_revocations *fields, struct wf_buf *out)
{
    struct wf_revocations f = *fields;

    (void)n;
    f.issuer_raw = wf_buf_view(&mesh.d[WF_TEST_SERVERS].issuer_cert);
    return wf_revocations_sign(&f, &mesh.d[WF_TEST_SERVERS].issuer, out);
}

// ---- calls -----------------------------------------------------------------------------------------------------------

void wf_call_reply(struct wf_call *pub, Weft__V1__Reply *reply)
{
    struct wf_buf packed = { 0 };

    wf_fault_spare(true);
    ck_assert_ptr_eq(pub, &call.pub);
    ck_assert_msg(!call.answered, "a call is answered once");
    ck_assert_int_eq(wf_pb_pack(reply, &packed), WEFT_OK);
    ck_assert_int_eq(wf_pb_unpack(&weft__v1__reply__descriptor, wf_buf_view(&packed), WF_PB_STRICT,
                         &call.kept, &call.reply),
        WEFT_OK);
    wf_buf_fini(&packed);
    call.err = call.reply->refusal ? (enum weft_err)call.reply->refusal->code : WEFT_OK;
    call.answered = true;
    wf_fault_spare(false);
}

struct wf_bytes wf_call_chain(const struct wf_call *c)
{
    (void)c;
    return wf_buf_view(&call.chain);
}

enum weft_err wf_call_token(struct wf_call *c, ProtobufCBinaryData token,
    ProtobufCBinaryData token_id, const struct wf_token **ret, struct wf_diag *diag)
{
    (void)c, (void)token, (void)token_id, (void)diag;
    if (!call.token)
        return WEFT_E_NO_CAPABILITY;
    enum weft_err err = wf_token_verify(call.token, mesh.charter, unix_ms);
    *ret = call.token;
    return err;
}

static struct wf_identity identity_of(
    const char *domain, enum wf_identity_kind kind, const char *subject)
{
    struct wf_cert fields = wf_test_cert(domain, kind, subject);
    struct wf_identity id = { 0 };
    int d = strcmp(domain, "servers") == 0   ? WF_TEST_SERVERS
            : strcmp(domain, "network") == 0 ? WF_TEST_NETWORK
                                             : WF_TEST_SECURITY;
    struct wf_buf cert = wf_test_cert_issue(&fields, &mesh.d[d].issuer);

    ck_assert_int_eq(wf_cert_open(wf_buf_view(&cert), &id.cert), WEFT_OK);
    wf_buf_fini(&cert);
    return id;
}

static void call_done(void)
{
    wf_arena_fini(&call.arena);
    wf_arena_fini(&call.kept);
    wf_buf_fini(&call.chain);
    call.reply = NULL;
    call.answered = false;
    call.err = WEFT_OK;
}

// A fresh call by this identity; the token stays.
static void call_by(const struct wf_identity *id)
{
    call_done();
    wf_arena_init(&call.arena, 16u * WF_MIB);
    wf_arena_init(&call.kept, 16u * WF_MIB);
    call.caller = (struct wf_caller){ .has_identity = true, .identity = *id };
    snprintf(call.caller.label, sizeof call.caller.label, "%s/%s", id->cert.domain.s,
        id->cert.subject.s);
    snprintf(call.caller.address, sizeof call.caller.address, "192.0.2.7:1234");
    weft__v1__request__init(&call.request);
    call.pub = (struct wf_call){
        .node = &node, .caller = &call.caller, .request = &call.request, .arena = &call.arena
    };
}

static inline void call_local(void)
{
    struct wf_identity none = { 0 };

    call_by(&none);
    call.caller = (struct wf_caller){ .local = true };
    snprintf(call.caller.label, sizeof call.caller.label, "uid 0");
}

// ---- life ------------------------------------------------------------------------------------------------------------

static inline void learn(enum wf_entry_kind kind, struct wf_buf raw)
{
    enum wf_learned learned;
    enum weft_err err =
        wf_catalog_learn(catalog, kind, wf_buf_view(&raw), mesh.charter, unix_ms, &learned);

    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    wf_buf_fini(&raw);
}

static void rig_open(void)
{
    static char dir[600];
    static int number;
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_test_mesh_init(&mesh);
    wf_test_holders_init(&holders);
    ck_assert_int_eq(wf_store_mem_new(&store), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_new(store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &catalog),
        WEFT_OK);
    snprintf(dir, sizeof dir, "%s/rig-%d", wf_test_tmpdir(), ++number);
    ck_assert_int_eq(wf_disk_mkdir(dir, &diag), WEFT_OK);
    now_ms = 1000000;
    unix_ms = WF_TEST_NOW;
    is_issuer = true;
    dropped = rotated = notified = told_count = ending_count = 0;
    conf = (struct wf_conf){ .data = dir };
    node = (struct wf_node){ .core = &core, .conf = &conf, .control = &control };
    node.stream = (void *)&core; // there is one; its functions are those above
    node.keys.sign_pub = mesh.d[WF_TEST_SERVERS].node_pub;
    node.keys.dh_pub = mesh.d[WF_TEST_SERVERS].node_dh_pub;
    node.charter = mesh.charter;
    node.mesh_id = mesh.charter->mesh_id;
    node.has_certificate = true;
    node.identity = identity_of("servers", WF_ID_NODE, "node-1");
    ck_assert_msg(wf_access_room.open(&node, &diag) == WEFT_OK, "%s", diag.text);
    ck_assert_int_eq(wf_access_room.start(&node, &diag), WEFT_OK);
    node.access->has_product = true; // the trail goes to told
}

static void rig_close(void)
{
    call_done();
    wf_token_free(call.token);
    call.token = NULL;
    wf_access_room.close(&node);
    wf_catalog_free(catalog);
    wf_store_free(store);
    wf_test_holders_fini(&holders);
    wf_test_mesh_fini(&mesh);
}

static inline int rig_run(Suite *suite, TCase *t)
{
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
