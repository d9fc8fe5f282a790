// SPDX-License-Identifier: Apache-2.0
#include "tests/support/streamrig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/access/room.h"
#include "node/agent/room.h"
#include "node/gossip/room.h"
#include "node/join/room.h"
#include "node/pool.h"
#include "node/signer/signer.h"
#include "node/source/room.h"
#include "sdk/disk.h"
#include "tests/support/fault.h"

static struct streamrig *the_rig; // for what other rooms would answer

// ---- other rooms -----------------------------------------------------------------------------------------------------
// Weak: a test of two nodes plays the registry and the links between them itself.

bool wf_access_check(struct wf_node *n, struct wf_call *c, struct wf_access *asked,
    ProtobufCBinaryData token, ProtobufCBinaryData token_id, struct wf_granted *ret)
{
    (void)n, (void)token, (void)token_id, (void)asked;
    if (the_rig->access) {
        wf_call_refuse(c, the_rig->access, "refused by the test");
        return false;
    }
    *ret = (struct wf_granted){ .token = the_rig->token };
    if (the_rig->token) {
        ret->token_id = *wf_token_id(the_rig->token);
        ret->expires_ms = wf_token_expires_ms(the_rig->token);
    }
    return true;
}

bool wf_access_origin_revoked(const struct wf_node *n, const struct wf_sign_pub *key, int64_t at_ms)
{
    (void)n, (void)at_ms;
    return the_rig->has_revoked && memcmp(key->b, the_rig->revoked.b, WF_KEY_LEN) == 0;
}

const char *wf_access_audit(struct wf_node *n, const struct wf_caller *who, const char *what,
    const char *on, enum weft_err result, const struct wf_hash *token_id)
{
    (void)n, (void)who, (void)what, (void)on, (void)result, (void)token_id;
    the_rig->audited++;
    return "";
}

const struct wf_revocations *wf_access_revocations(const struct wf_node *n)
{
    (void)n;
    return NULL;
}

__attribute__((weak)) struct wf_catalog *wf_gossip_catalog(struct wf_node *n)
{
    (void)n;
    return NULL;
}

__attribute__((weak)) enum weft_err wf_gossip_advertise(
    struct wf_node *n, enum wf_entry_kind kind, struct wf_bytes raw)
{
    (void)n, (void)kind, (void)raw;
    return WEFT_OK;
}

__attribute__((weak)) void wf_gossip_hold(struct wf_node *n)
{
    (void)n;
}

__attribute__((weak)) enum weft_err wf_gossip_release(struct wf_node *n)
{
    (void)n;
    return WEFT_OK;
}

bool wf_signer_here(const struct wf_node *n)
{
    (void)n;
    return false;
}

enum weft_err wf_join_sign_home(
    struct wf_node *n, const char *product, const char *node, uint64_t *ret_term)
{
    (void)n, (void)product, (void)node, (void)ret_term;
    return WEFT_E_STATE;
}

enum weft_err wf_join_sign_moved(
    struct wf_node *n, const char *product, const char *node, uint64_t *ret_term)
{
    return wf_join_sign_home(n, product, node, ret_term);
}

__attribute__((weak)) enum weft_err wf_gossip_link(
    struct wf_node *n, const char *domain, const char *subject, struct wf_link **ret)
{
    (void)n;
    (void)domain;
    (void)subject;
    *ret = NULL;
    return WEFT_E_NOT_FOUND;
}

__attribute__((weak)) enum weft_err wf_gossip_ask_issuer(
    struct wf_node *n, const Weft__V1__Request *request, wf_gossip_issuer_fn done, void *arg)
{
    (void)n, (void)request, (void)done, (void)arg;
    return WEFT_E_UNREACHABLE;
}

bool wf_gossip_not_home(
    struct wf_node *n, struct wf_call *c, const char *domain, const char *product)
{
    (void)n, (void)c, (void)domain, (void)product;
    return false;
}

void wf_agents_manifests_changed(struct wf_node *n)
{
    (void)n;
}

enum weft_err wf_source_set(struct wf_node *n, const struct wf_source_spec *spec)
{
    (void)n, (void)spec;
    return WEFT_OK;
}

void wf_source_remove(struct wf_node *n, const char *product)
{
    (void)n, (void)product;
}

// ---- the control plane -----------------------------------------------------------------------------------------------

static struct streamrig_call *rig_call_of(struct wf_call *c)
{
    return (struct streamrig_call *)(void *)c;
}

void wf_call_reply(struct wf_call *pub, Weft__V1__Reply *reply)
{
    struct streamrig_call *c = rig_call_of(pub);
    struct wf_buf packed = { 0 };

    wf_fault_spare(true);
    ck_assert_msg(!c->answered, "a call is answered once");
    ck_assert_int_eq(wf_pb_pack(reply, &packed), WEFT_OK);
    ck_assert_uint_le(packed.len, WF_MAX_CONTROL - 64);
    wf_arena_init(&c->kept, 64u * WF_MIB);
    ck_assert_int_eq(wf_pb_unpack(&weft__v1__reply__descriptor, wf_buf_view(&packed), WF_PB_STRICT,
                         &c->kept, &c->reply),
        WEFT_OK);
    c->err = c->reply->refusal ? (enum weft_err)c->reply->refusal->code : WEFT_OK;
    c->answered = true;
    wf_buf_fini(&packed);
    wf_fault_spare(false);
}

enum weft_err wf_call_park(
    struct wf_call *pub, void (*on_gone)(struct wf_call *c, void *arg), void *arg)
{
    rig_call_of(pub)->parked = true;
    pub->on_gone = on_gone;
    pub->gone_arg = arg;
    return WEFT_OK;
}

uint32_t wf_call_pipe(const struct wf_call *c)
{
    (void)c;
    return the_rig->pipe;
}

const struct wf_net_addr *wf_call_addr(const struct wf_call *c)
{
    (void)c;
    return &the_rig->addr;
}

enum weft_err wf_call_token(struct wf_call *c, ProtobufCBinaryData token,
    ProtobufCBinaryData token_id, const struct wf_token **ret, struct wf_diag *diag)
{
    (void)c, (void)token, (void)token_id, (void)diag;
    if (!the_rig->token)
        return WEFT_E_NO_CAPABILITY;
    *ret = the_rig->token;
    return WEFT_OK;
}

struct streamrig_call *streamrig_call(struct streamrig *r)
{
    wf_fault_spare(true);
    struct streamrig_call *c = calloc(1, sizeof *c);
    wf_fault_spare(false);

    ck_assert_ptr_nonnull(c);
    c->caller = r->reader;
    weft__v1__request__init(&c->request);
    wf_arena_init(&c->arena, 16u * WF_MIB);
    c->pub = (struct wf_call){
        .node = &r->node, .caller = &c->caller, .request = &c->request, .arena = &c->arena
    };
    c->pub.deadline_ms = wf_node_now_ms(&r->node) + 60000;
    return c;
}

void streamrig_send(struct streamrig *r, struct streamrig_call *c, wf_handler_fn handler)
{
    handler(&r->node, &c->pub);
}

void streamrig_call_free(struct streamrig_call *c)
{
    wf_arena_fini(&c->arena);
    wf_arena_fini(&c->kept);
    free(c);
}

// ---- life ------------------------------------------------------------------------------------------------------------

static struct wf_identity identity_of(
    struct streamrig *r, const char *subject, enum wf_identity_kind kind, struct wf_buf *ret_chain)
{
    struct wf_test_domain *d = &r->mesh.d[WF_TEST_SERVERS];
    struct wf_cert fields = wf_test_cert("servers", kind, subject);
    struct wf_identity id = { 0 };

    struct wf_buf cert = wf_test_cert_issue(&fields, &d->issuer);
    ck_assert_int_eq(wf_cert_open(wf_buf_view(&cert), &id.cert), WEFT_OK);
    if (ret_chain)
        *ret_chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&d->issuer_cert));
    wf_buf_fini(&cert);
    return id;
}

void streamrig_init(struct streamrig *r, const char *dir)
{
    streamrig_init_as(r, dir, "node-1");
}

void streamrig_init_as(struct streamrig *r, const char *dir, const char *subject)
{
    char label[96];
    char *identity = NULL;
    struct wf_diag diag = { 0 };

    *r = (struct streamrig){ .addr = { .family = WF_NET_IP4, .ip = { 127, 0, 0, 1 } } };
    the_rig = r;
    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_test_mesh_init(&r->mesh);
    struct wf_node *n = &r->node;
    n->core = &r->core;
    n->conf = &r->conf;
    r->conf.data = dir;
    r->conf.listen = (struct wf_address){ 0 };
    snprintf(r->conf.listen.host, sizeof r->conf.listen.host, "127.0.0.1");
    r->conf.epoch_ms = 600000;
    r->conf.lease_ms = 600000;
    r->conf.linger_ms = 1;
    r->conf.log.level = WF_LOG_ERROR + 1;
    snprintf(label, sizeof label, "servers/%s", subject);
    n->keys.sign = wf_test_sign_key(label, &n->keys.sign_pub);
    n->identity = identity_of(r, subject, WF_ID_NODE, &n->chain);
    n->has_certificate = true;
    n->charter = r->mesh.charter;
    n->mesh_id = r->mesh.charter->mesh_id;
    r->reader.has_identity = true;
    r->reader.identity = identity_of(r, "reader", WF_ID_SERVICE, NULL);
    ck_assert_int_eq(wf_disk_join(dir, "identity", &identity), WEFT_OK);
    ck_assert_int_eq(wf_disk_mkdir(identity, &diag), WEFT_OK);
    free(identity);
}

enum weft_err streamrig_try_open(struct streamrig *r)
{
    struct wf_diag diag = { 0 };

    wf_fault_spare(true);
    ck_assert_int_eq(wf_loop_new(NULL, &r->node.loop), WEFT_OK);
    wf_loop_turn(r->node.loop, 0);
    ck_assert_int_eq(wf_pool_new(r->node.loop, NULL, &r->node.pool), WEFT_OK);
    r->node.control = &r->control;
    ck_assert_int_eq(wf_net_new(&(struct wf_net_conf){ 0 }, &r->control.net), WEFT_OK);
    wf_fault_spare(false);
    enum weft_err err = wf_stream_room.open(&r->node, &diag);
    return err ? err : wf_stream_room.start(&r->node, &diag);
}

void streamrig_open(struct streamrig *r)
{
    ck_assert_int_eq(streamrig_try_open(r), WEFT_OK);
}

void streamrig_turn(struct streamrig *r)
{
    bool moved = false;

    while (r->by_hand && wf_log_worker_turn(r->node.stream->worker))
        moved = true;
    wf_loop_turn(r->node.loop, moved ? 0 : r->by_hand ? 1 : 20);
}

void streamrig_close(struct streamrig *r)
{
    wf_pool_stop(r->node.pool);
    wf_stream_room.close(&r->node);
    wf_pool_free(r->node.pool);
    r->node.pool = NULL;
    wf_net_free(r->control.net);
    r->control.net = NULL;
    wf_loop_free(r->node.loop);
    r->node.loop = NULL;
    while (r->core.alarms) {
        struct wf_alarm *a = r->core.alarms;
        r->core.alarms = a->next;
        free(a);
    }
}

void streamrig_fini(struct streamrig *r)
{
    if (r->node.loop)
        streamrig_close(r);
    wf_token_free(r->token);
    wf_secret_fini(&r->node.keys.sign);
    wf_buf_fini(&r->node.chain);
    wf_test_mesh_fini(&r->mesh);
}

// ---- products --------------------------------------------------------------------------------------------------------

struct wf_buf streamrig_schema(const char *name)
{
    char path[512];
    const char *root = getenv("WEFT_BUILD_DIR");

    snprintf(path, sizeof path, "%s/tests/schema/%s.set", root ? root : "build/dev", name);
    return wf_test_file(path);
}

struct wf_collect streamrig_manifest(const char *name, enum wf_product_kind kind)
{
    static const char *keys[] = { "host" };

    return (struct wf_collect){ .product = {
                                    .name = name,
                                    .version = "1.0.0",
                                    .title = "Rows",
                                    .description = "Rows of a test",
                                    .owner_name = "Testers",
                                    .owner_contact = "testers@example.org",
                                    .kind = kind,
                                    .message = kind == WF_PRODUCT_API ? "" : "weft.sample.Row",
                                    .service = kind == WF_PRODUCT_API ? "weft.sample.Rows" : "",
                                    .key_count = kind == WF_PRODUCT_INVENTORY,
                                    .keys = keys,
                                    .classification = WF_CLASS_INTERNAL,
                                    .durability = WF_DURABILITY_DISK,
                                    .packing = WF_PACKING_LZ4, // pages and windows of a known size
                                } };
}

enum weft_err streamrig_apply(
    struct streamrig *r, const struct wf_collect *c, const char *schema, struct wf_diag *diag)
{
    struct wf_buf set = { 0 }, changes = { 0 };

    if (schema)
        set = streamrig_schema(schema);
    enum weft_err err = wf_stream_apply(&r->node, c, wf_buf_view(&set), false, &changes, diag);
    if (!err)
        ck_assert_uint_gt(changes.len, 0);
    wf_buf_fini(&set);
    wf_buf_fini(&changes);
    return err;
}

struct wf_home_product *streamrig_product(
    struct streamrig *r, const char *name, enum wf_product_kind kind)
{
    struct wf_collect c = streamrig_manifest(name, kind);
    struct wf_diag diag = { 0 };

    ck_assert_msg(streamrig_apply(r, &c, "sample", &diag) == WEFT_OK, "%s", diag.text);
    struct wf_home_product *p = wf_stream_find(&r->node, name, 0);
    ck_assert_ptr_nonnull(p);
    STREAMRIG_UNTIL(r, !wf_incarnation_is_none(&p->log_id));
    return p;
}

// ---- records ---------------------------------------------------------------------------------------------------------

struct wf_buf streamrig_row(const char *host, int64_t n)
{
    struct wf_buf b = { 0 };
    uint8_t v[WF_VARINT_MAX];

    ck_assert_int_eq(wf_buf_append_byte(&b, 1 << 3 | 2), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&b, (uint8_t)strlen(host)), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_str(&b, host), WEFT_OK);
    ck_assert_int_eq(wf_buf_append_byte(&b, 2 << 3), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&b, wf_bytes(v, wf_varint_put(v, (uint64_t)n + 1))),
        WEFT_OK); // never 0: that is left out
    return b;
}

struct wf_records streamrig_rows(int64_t n, uint32_t count)
{
    struct wf_records out = { 0 };
    int64_t now_us = (int64_t)wf_node_now_unix_ms(&the_rig->node) * 1000;

    wf_fault_spare(true);
    for (uint32_t i = 0; i < count; i++) {
        struct wf_buf row = streamrig_row("h", n + i);
        ck_assert_int_eq(wf_records_put(&out, WF_OP_PUT, now_us + i, wf_buf_view(&row)), WEFT_OK);
        wf_buf_fini(&row);
    }
    wf_fault_spare(false);
    return out;
}

void streamrig_on_done(struct wf_node *n, void *arg, enum weft_err err)
{
    struct streamrig *r = arg;

    (void)n;
    r->done_count++;
    r->done_err = err;
}

enum weft_err streamrig_publish(struct streamrig *r, struct wf_home_product *p, int64_t n,
    uint32_t count, const uint8_t *publisher, uint64_t seq)
{
    struct wf_records rows = streamrig_rows(n, count);
    struct wf_origin_records o = { .raw = wf_buf_view(&rows.raw),
        .base_us = rows.base_us,
        .count = count,
        .publisher = publisher,
        .publisher_seq = seq };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_stream_originate(&r->node, p, &o, streamrig_on_done, r, &diag);

    wf_records_fini(&rows);
    return err;
}

// ---- agents ----------------------------------------------------------------------------------------------------------

struct streamrig_origin streamrig_agent(struct streamrig *r, const char *subject)
{
    char label[96];
    struct streamrig_origin o = { .incarnation = { (uint64_t)wf_node_now_unix_ms(&r->node), 7 } };
    struct wf_sign_pub pub;

    snprintf(label, sizeof label, "servers/%s", subject);
    o.key = wf_test_sign_key(label, &pub);
    o.identity = identity_of(r, subject, WF_ID_AGENT, &o.chain);
    return o;
}

void streamrig_agent_fini(struct streamrig_origin *o)
{
    wf_secret_fini(&o->key);
    wf_buf_fini(&o->chain);
}

struct wf_buf streamrig_batch_of(
    const struct wf_batch_header *h, struct wf_bytes stored, const struct wf_secret *key)
{
    struct wf_buf envelope = { 0 }, batch = { 0 };
    struct wf_hash id;

    ck_assert_int_eq(wf_batch_sign(h, stored, key, &envelope, &id), WEFT_OK);
    ck_assert_int_eq(wf_batch_pack(wf_buf_view(&envelope), stored, &batch), WEFT_OK);
    wf_buf_fini(&envelope);
    return batch;
}

struct wf_buf streamrig_batch(struct streamrig *r, struct streamrig_origin *o,
    struct wf_home_product *p, int64_t n, uint32_t count)
{
    struct wf_records rows = streamrig_rows(n, count);
    struct wf_buf envelope = { 0 }, batch = { 0 };
    struct wf_batch_header h = { .product_id = wf_home_descriptor(p)->id,
        .schema_hash = wf_home_descriptor(p)->schema_hash,
        .certificate = o->identity.cert.id,
        .incarnation = o->incarnation,
        .first_seq = o->next_seq,
        .previous = o->last,
        .count = count,
        .base_us = rows.base_us,
        .min_us = rows.min_us,
        .max_us = rows.max_us };

    (void)r;
    ck_assert_int_eq(
        wf_batch_sign(&h, wf_buf_view(&rows.raw), &o->key, &envelope, &o->last), WEFT_OK);
    ck_assert_int_eq(
        wf_batch_pack(wf_buf_view(&envelope), wf_buf_view(&rows.raw), &batch), WEFT_OK);
    o->next_seq += count;
    wf_buf_fini(&envelope);
    wf_records_fini(&rows);
    return batch;
}
