// SPDX-License-Identifier: Apache-2.0
// A mirror of network/flows on a real disk, with the other rooms, the registry, the owner and the home played by the test. Static, so that each
// binary defines what other rooms would. Test code; fails through ck_assert.
#ifndef WF_TESTS_MIRROR_RIG_H
#define WF_TESTS_MIRROR_RIG_H

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/access/room.h"
#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/room.h"
#include "node/mirror/priv.h"
#include "node/stream/room.h"
#include "sdk/disk.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/stream.h"
#include "tests/support/trust_token.h"

static struct wf_node n;
static struct wf_core core;
static struct wf_test_mesh mesh;
static struct wf_test_domain *owner; // network, of network/flows
static struct wf_test_holders who;
static struct wf_revocations *list;
static struct wf_mirror *m;
static struct wf_hash product_id, cert_id, schema;
static struct wf_secret key;

// ---- other rooms -----------------------------------------------------------------------------------------------------

static struct wf_token *shown; // by the caller
static bool at_home;           // the call was handed to the stream room
static struct wf_buf replied;

const struct wf_revocations *wf_gossip_revocations(const struct wf_node *node, const char *domain)
{
    (void)node;
    return strcmp(domain, "network") == 0 ? list : NULL;
}

void wf_gossip_set_mirrors(struct wf_node *node, const char *const *names, size_t count)
{
    (void)node, (void)names, (void)count;
}

static struct wf_catalog *catalog; // where the test has one
static struct wf_link *home_link;  // the same

struct wf_catalog *wf_gossip_catalog(struct wf_node *node)
{
    (void)node;
    return catalog;
}

enum weft_err wf_gossip_link(
    struct wf_node *node, const char *domain, const char *subject, struct wf_link **ret)
{
    (void)node, (void)domain, (void)subject;
    *ret = home_link;
    return home_link ? WEFT_OK : WEFT_E_NOT_FOUND;
}

const char *wf_access_audit(struct wf_node *node, const struct wf_caller *caller, const char *what,
    const char *on, enum weft_err result, const struct wf_hash *token_id)
{
    (void)node, (void)caller, (void)what, (void)on, (void)result, (void)token_id;
    return "";
}

void wf_lease_handle(struct wf_node *node, struct wf_call *c)
{
    (void)node, (void)c;
    at_home = true;
}

void wf_range_handle(struct wf_node *node, struct wf_call *c)
{
    (void)node, (void)c;
    at_home = true;
}

void wf_pull_handle(struct wf_node *node, struct wf_call *c)
{
    (void)node, (void)c;
    at_home = true;
}

void wf_call_reply(struct wf_call *c, Weft__V1__Reply *reply)
{
    (void)c;
    wf_fault_spare(true);
    replied.len = 0;
    ck_assert_int_eq(wf_pb_pack(reply, &replied), WEFT_OK);
    wf_fault_spare(false);
}

enum weft_err wf_call_park(
    struct wf_call *c, void (*on_gone)(struct wf_call *c, void *arg), void *arg)
{
    c->on_gone = on_gone;
    c->gone_arg = arg;
    return WEFT_OK;
}

enum weft_err wf_call_token(struct wf_call *c, ProtobufCBinaryData token,
    ProtobufCBinaryData token_id, const struct wf_token **ret, struct wf_diag *diag)
{
    (void)c, (void)token, (void)token_id, (void)diag;
    *ret = shown;
    return shown ? WEFT_OK : WEFT_E_NO_CAPABILITY;
}

// ---- a mirror --------------------------------------------------------------------------------------------------------

static int64_t now(void)
{
    return wf_node_now_unix_ms(&n);
}

static const struct wf_sign_pub *gone_origin; // that the next list revokes

static void new_list(const struct wf_sign_pub *holder, int64_t age_ms)
{
    struct wf_revoked_key origin = { .at_ms = now() };
    struct wf_revoked_key revoked = { .at_ms = now() + 1000 };
    struct wf_revocations f = { .mesh_id = mesh.charter->mesh_id,
        .version = (uint64_t)(now() - age_ms),
        .issued_ms = now() - age_ms,
        .issuer_raw = wf_buf_view(&owner->issuer_cert),
        .holder_count = holder ? 1 : 0,
        .holders = &revoked,
        .origin_count = gone_origin ? 1 : 0,
        .origins = &origin };
    struct wf_buf raw = { 0 };

    if (holder)
        revoked.key = *holder;
    if (gone_origin)
        origin.key = *gone_origin;
    wf_revocations_free(list);
    list = NULL;
    ck_assert_int_eq(wf_name_from(WF_STR("network"), &f.domain), WEFT_OK);
    ck_assert_int_eq(wf_revocations_sign(&f, &owner->issuer, &raw), WEFT_OK);
    ck_assert_int_eq(wf_revocations_open(wf_buf_view(&raw), &list), WEFT_OK);
    wf_buf_fini(&raw);
}

static struct wf_token *token(
    const struct wf_sign_pub *holder, uint32_t verbs, const char *products)
{
    struct wf_test_block b;
    struct wf_buf raw = { 0 };
    struct wf_token *t = NULL;

    wf_test_block_init(&b, &mesh.charter->mesh_id, "network", holder);
    b.fields.verbs = verbs;
    b.fields.method_count = 0;
    b.fields.product_count = wf_test_patterns(products, b.products);
    b.fields.issued_ms = b.fields.not_before_ms = now() - 1000;
    b.fields.expires_ms = now() + WF_TEST_HOUR;
    ck_assert_int_eq(
        wf_token_grant(&b.fields, wf_buf_view(&owner->issuer_cert), &owner->issuer, &raw), WEFT_OK);
    ck_assert_int_eq(wf_token_open(wf_buf_view(&raw), &t, NULL), WEFT_OK);
    wf_buf_fini(&raw);
    return t;
}

static void open_room(void)
{
    struct wf_diag diag = { 0 };

    ck_assert_msg(wf_mirror_room.open(&n, &diag) == WEFT_OK, "%s", diag.text);
    m = n.mirror->mirrors;
    // What the registry and the owner would have said.
    struct wf_token *own = token(&n.keys.sign_pub, WF_VERB_MIRROR, "flows");
    ck_assert_int_eq(wf_mirror_store_is_of(m, &product_id), WEFT_OK);
    m->known = true;
    m->product_id = product_id;
    m->home_key = owner->node_pub;
    ck_assert_int_eq(wf_buf_append(&m->token, wf_buf_view(&own->raw)), WEFT_OK);
    m->token_expires_ms = wf_token_expires_ms(own);
    wf_token_free(own);
}

static void setup(void)
{
    static const char text[] = "role: node\ndata: data\nmirror: [{product: network/flows}]\n";
    struct wf_diags diags;
    struct wf_diag diag = { 0 };
    struct wf_cert cert;

    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_test_mesh_init(&mesh);
    wf_test_holders_init(&who);
    owner = &mesh.d[WF_TEST_NETWORK];
    n = (struct wf_node){
        .core = &core, .mesh_id = mesh.charter->mesh_id, .charter = mesh.charter
    };
    n.keys.sign_pub = mesh.d[WF_TEST_SERVERS].node_pub;
    wf_diags_init(&diags, "weftd.yaml");
    ck_assert_int_eq(wf_conf_parse(wf_bytes_str(text), wf_test_tmpdir(), &diags, &n.conf), WEFT_OK);
    wf_diags_fini(&diags);
    n.conf->log.level = WF_LOG_ERROR + 1;
    ck_assert_int_eq(wf_disk_mkdir(n.conf->data, &diag), WEFT_OK);
    ck_assert_int_eq(wf_loop_new(NULL, &n.loop), WEFT_OK);
    ck_assert_int_eq(wf_cert_open(wf_buf_view(&owner->node_cert), &cert), WEFT_OK);
    cert_id = cert.id;
    wf_product_id(&n.mesh_id, "network", "flows", 1, &product_id);
    wf_blake2b(WF_STR("a schema"), &schema);
    struct wf_hash k = wf_test_hash("epoch key");
    ck_assert_int_eq(wf_secret_copy(wf_hash_view(&k), &key), WEFT_OK);
    new_list(NULL, 0);
    open_room();
}

static void teardown(void)
{
    gone_origin = NULL;
    wf_token_free(shown);
    shown = NULL;
    wf_mirror_room.close(&n);
    wf_loop_free(n.loop);
    wf_conf_free(n.conf);
    wf_revocations_free(list);
    list = NULL;
    wf_secret_fini(&key);
    wf_buf_fini(&replied);
    wf_test_holders_fini(&who);
    wf_test_mesh_fini(&mesh);
    while (core.alarms) {
        struct wf_alarm *next = core.alarms->next;
        free(core.alarms);
        core.alarms = next;
    }
}

// ---- a home ----------------------------------------------------------------------------------------------------------

#define ENTRIES 4u // the reset and three batches of three records

struct home {
    struct wf_buf sealed[ENTRIES], envelope[ENTRIES];
    struct wf_entry entry[ENTRIES];
    struct wf_log_head head; // after the last
};

static struct wf_buf seal(const struct wf_entry *e)
{
    static const uint8_t nonce[WF_XNONCE_LEN] = { 1 };
    struct wf_buf packed = { 0 }, out = { 0 };

    ck_assert_int_eq(wf_entry_pack(e, &packed), WEFT_OK);
    ck_assert_int_eq(
        wf_sealed_entry_pack(wf_buf_view(&packed), &product_id, 7, &key, nonce, &out), WEFT_OK);
    wf_buf_fini(&packed);
    return out;
}

static struct wf_records three;
static uint64_t home_log = 9; // counter of its log's name

static void make_home(struct home *h, const struct wf_hash *of, const struct wf_secret *signer)
{
    struct wf_hash last = { { 0 } };

    wf_test_three_records(&three);
    memset(h, 0, sizeof *h);
    h->head.log_id = wf_test_incarnation(home_log);
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct wf_entry *e = &h->entry[i];
        struct wf_batch_header f = wf_test_header(&three);
        *e = (struct wf_entry){ .log_id = h->head.log_id, .append_ms = now(), .is_reset = i == 0 };
        if (i) {
            f.product_id = *of;
            f.schema_hash = schema;
            f.certificate = cert_id;
            f.first_seq = 3u * (i - 1);
            f.previous = last;
            ck_assert_int_eq(
                wf_batch_sign(&f, wf_buf_view(&three.raw), signer, &h->envelope[i], &last),
                WEFT_OK);
            e->offset = h->head.next_offset;
            e->epoch = 7;
            e->previous = h->head.hash;
            e->header = wf_buf_view(&h->envelope[i]);
            e->payload = wf_buf_view(&three.raw);
        }
        h->sealed[i] = seal(e);
        wf_entry_hash(e, &product_id, i ? &last : NULL, &h->head.hash);
        h->head.next_offset += i ? 3 : 0;
    }
}

static void home_fini(struct home *h)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        wf_buf_fini(&h->sealed[i]);
        wf_buf_fini(&h->envelope[i]);
    }
    wf_records_fini(&three);
}

static struct wf_buf word(const struct home *h, const struct wf_secret *signer, int64_t time_ms)
{
    struct wf_buf out = { 0 };
    struct wf_heartbeat b = { .product_id = product_id,
        .head_hash = h->head.hash,
        .term = 1,
        .head_offset = h->head.next_offset,
        .log_id = h->head.log_id,
        .time_ms = time_ms,
        .next_by_ms = time_ms + 1000 };

    ck_assert_int_eq(wf_heartbeat_sign(&b, signer, &out), WEFT_OK);
    return out;
}

// What a reply of the home with these entries comes to.
static struct wf_mirror_check *check(
    const struct wf_buf *const *v, size_t count, const Weft__V1__Loss *loss)
{
    Weft__V1__RangeReply r = WEFT__V1__RANGE_REPLY__INIT;
    ProtobufCBinaryData entries[ENTRIES];
    Weft__V1__Loss *losses[] = { (Weft__V1__Loss *)(uintptr_t)loss };
    struct wf_mirror_check *k = NULL;

    for (size_t i = 0; i < count; i++)
        entries[i] = wf_pb_bin(wf_buf_view(v[i]));
    r.entries = entries;
    r.n_entries = count;
    r.losses = losses;
    r.n_losses = loss ? 1 : 0;
    ck_assert_int_eq(wf_mirror_check_new(m, &r, &k), WEFT_OK);
    wf_mirror_check_run(k);
    return k;
}

static void store(struct wf_mirror_check *k)
{
    uint64_t before = m->appended;

    ck_assert_int_eq(k->err, WEFT_OK);
    m->check = k; // wf_mirror_stored ends it
    ck_assert_int_eq(wf_mirror_append(m, k), WEFT_OK);
    for (int i = 0; m->woken != m->appended && i < 1000; i++)
        wf_loop_turn(n.loop, 20);
    ck_assert_uint_eq(m->woken, m->appended);
    ck_assert_uint_gt(m->appended, before);
}

// The first `count` entries of what the home has.
static void fill_in_part(struct home *h, size_t count)
{
    const struct wf_buf *all[ENTRIES];
    struct wf_buf beat;

    make_home(h, &product_id, &owner->node);
    for (unsigned i = 0; i < ENTRIES; i++)
        all[i] = &h->sealed[i];
    ck_assert_int_eq(wf_mirror_take_document(m, wf_buf_view(&owner->node_chain)), WEFT_OK);
    ck_assert_int_eq(wf_mirror_take_document(m, WF_STR("a schema")), WEFT_OK);
    store(check(all, count, NULL));
    beat = word(h, &owner->node, now());
    ck_assert_int_eq(wf_mirror_take_beat(m, wf_buf_view(&beat)), WEFT_OK);
    wf_buf_fini(&beat);
}

static inline void fill(struct home *h)
{
    fill_in_part(h, ENTRIES);
}

#endif
