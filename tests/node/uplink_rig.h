// SPDX-License-Identifier: Apache-2.0
// The uplink room of an agent, whole, on a real disk, against nodes that the test plays: requests wait until the test serves them, clocks are
// pushed forward (clock.h), no program is run and no disk waited for. Static, for one binary; link with support/clock.c and the wraps named in
// CMakeLists.txt. Fails through ck_assert.
#ifndef WF_TESTS_UPLINK_RIG_H
#define WF_TESTS_UPLINK_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/uplink.h"
#include "node/call.h"
#include "node/core.h"
#include "node/source/room.h"
#include "proto/stream/batch.h"
#include "sdk/disk.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/trust_mesh.h"

#define RIG_PRODUCTS 12
#define RIG_NODES    3
#define RIG_CHAINS   256

static struct wf_test_mesh mesh;
static struct wf_node node;
static struct wf_core core;
static struct wf_control control;
static struct wf_buf rig_schema, rig_manifests[RIG_PRODUCTS];
static uint64_t rig_sequence; // of the manifests
static struct wf_hash rig_schema_hash, rig_ids[RIG_PRODUCTS], rig_root;
static size_t rig_product_count;

// ---- the home of all products, behind each of the nodes --------------------------------------------------------------------------------

struct rig_chain {
    struct wf_hash product;
    struct wf_incarnation incarnation;
    uint64_t next_seq, lost;
    struct wf_hash last;
};
static struct {
    struct rig_chain chains[RIG_CHAINS];
    size_t chain_count;
    uint64_t repeated; // batches that it had already
    uint64_t bytes[RIG_PRODUCTS], records[RIG_PRODUCTS], lost[RIG_PRODUCTS];
    unsigned pushes; // requests with batches
} home;
// What a test may set: looks at each batch that comes to the home (again: it had it); the spool's worker has no thread (memroom.h).
static void (*rig_look)(
    size_t product, const struct wf_batch_header *h, struct wf_bytes batch, bool again);
static bool rig_by_hand;
static enum wf_durability rig_durability[RIG_PRODUCTS]; // 0: process
static bool lost_answers;                               // of pushes: taken, and the line breaks
static struct {
    bool down, busy;
    unsigned dialled, asked;
} at[RIG_NODES]; // by its place in the list of uplinks

// The second of them may be a node of its own, which has nothing for this host, and refuse what it is not home of.
static bool two_signers, second_is_no_home;
static struct wf_cert second;
static struct wf_buf second_chain;
static struct wf_hash no_manifests;

static bool is_second(size_t place)
{
    return two_signers && place == 1;
}

#include "tests/node/uplink_links.h"

// ---- programs are not run, the disk is not waited for ----------------------------------------------------------------------------------

enum weft_err __wrap_wf_source_set(struct wf_node *n, const struct wf_source_spec *spec);
size_t __wrap_wf_source_states(
    struct wf_node *n, struct wf_arena *arena, Weft__V1__SourceState ***ret);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

enum weft_err __wrap_wf_source_set(struct wf_node *n, const struct wf_source_spec *spec)
{
    (void)n, (void)spec;
    return WEFT_OK;
}

size_t __wrap_wf_source_states(
    struct wf_node *n, struct wf_arena *arena, Weft__V1__SourceState ***ret)
{
    (void)n, (void)arena;
    *ret = NULL;
    return 0;
}

int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

int __wrap_fdatasync(int fd)
{
    (void)fd;
    return 0;
}

// ---- the honest node -------------------------------------------------------------------------------------------------------------------

static size_t rig_place(const struct wf_hash *product)
{
    struct wf_hash id;

    for (size_t i = 0; i < rig_product_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%zu", i);
        wf_product_id(&mesh.charter->mesh_id, "servers", name, 1, &id);
        if (wf_hash_eq(&id, product))
            return i;
    }
    ck_abort_msg("a push of an unknown product");
}

static struct rig_chain *rig_chain_of(
    const struct wf_hash *product, const struct wf_incarnation *incarnation)
{
    for (size_t i = 0; i < home.chain_count; i++)
        if (wf_hash_eq(&home.chains[i].product, product) &&
            wf_incarnation_eq(&home.chains[i].incarnation, incarnation))
            return &home.chains[i];
    ck_assert_uint_lt(home.chain_count, RIG_CHAINS);
    home.chains[home.chain_count] =
        (struct rig_chain){ .product = *product, .incarnation = *incarnation };
    return &home.chains[home.chain_count++];
}

// As the home does: what it has is passed over, what follows is taken, anything else is an error of the agent's.
static void rig_keep(struct rig_chain *c, struct wf_bytes batch)
{
    struct wf_bytes envelope, payload;
    struct wf_batch_header h;
    size_t i = rig_place(&c->product);

    ck_assert_int_eq(wf_batch_split(batch, &envelope, &payload), WEFT_OK);
    ck_assert_int_eq(wf_batch_open_header(envelope, &h), WEFT_OK);
    if (rig_look)
        rig_look(i, &h, batch, h.first_seq < c->next_seq);
    if (h.first_seq < c->next_seq) {
        home.repeated++;
        return;
    }
    ck_assert_uint_eq(h.first_seq, c->next_seq);
    ck_assert(c->next_seq == 0 || wf_hash_eq(&h.previous, &c->last));
    c->next_seq += h.count;
    c->last = h.id;
    home.bytes[i] += batch.len;
    *(h.kind == WF_BATCH_LOSS ? &home.lost[i] : &home.records[i]) += h.count;
}

static void rig_push(
    const Weft__V1__PushRequest *q, struct wf_arena *arena, Weft__V1__PushReply *r, size_t place)
{
    r->marks = wf_arena_calloc(arena, q->n_items + 1, sizeof *r->marks);
    for (size_t i = 0; i < q->n_items; i++) {
        const Weft__V1__PushItem *item = q->items[i];
        Weft__V1__PushMark *m = wf_arena_alloc(arena, sizeof *m);
        struct wf_incarnation inc = { item->incarnation->counter, item->incarnation->random };
        struct wf_hash id;
        ck_assert_int_eq(wf_hash_from(wf_pb_view(item->product_id), &id), WEFT_OK);
        struct rig_chain *c = rig_chain_of(&id, &inc);
        bool refused = second_is_no_home && is_second(place);
        for (size_t b = 0; b < item->n_batches && !refused; b++)
            rig_keep(c, wf_pb_view(item->batches[b]));
        home.pushes += item->n_batches > 0 && !refused;
        weft__v1__push_mark__init(m);
        if (refused) {
            m->refusal = wf_arena_alloc(arena, sizeof *m->refusal);
            weft__v1__refusal__init(m->refusal);
            m->refusal->code = WEFT_E_NOT_HOME;
        }
        m->product_id = item->product_id;
        m->incarnation = item->incarnation;
        m->durable = m->release = c->next_seq;
        r->marks[r->n_marks++] = m;
    }
}

static void rig_get(const Weft__V1__GetRequest *q, struct wf_arena *arena, Weft__V1__GetReply *r)
{
    r->documents = wf_arena_calloc(arena, q->n_hashes + 1, sizeof *r->documents);
    for (size_t i = 0; i < q->n_hashes; i++) {
        Weft__V1__Document *d = wf_arena_alloc(arena, sizeof *d);
        struct wf_bytes content = wf_buf_view(&rig_schema);
        for (size_t k = 0; k < rig_product_count; k++)
            if (wf_bytes_eq(wf_pb_view(q->hashes[i]), wf_hash_view(&rig_ids[k])))
                content = wf_buf_view(&rig_manifests[k]);
        weft__v1__document__init(d);
        d->hash = q->hashes[i];
        d->content = wf_pb_bin(content);
        r->documents[r->n_documents++] = d;
    }
}

// Batches meet a node that has no room while this is set, and are counted.
static bool no_room;
static unsigned put_off;

static bool has_batches(const Weft__V1__PushRequest *p)
{
    return p->n_items > 0 && p->items[0]->n_batches > 0;
}

static void rig_poll(struct wf_arena *arena, Weft__V1__PollReply *r, size_t place)
{
    r->manifests = wf_pb_bin(wf_hash_view(is_second(place) ? &no_manifests : &rig_root));
    if (is_second(place))
        return;
    r->manifest_ids = wf_arena_calloc(arena, rig_product_count + 1, sizeof *r->manifest_ids);
    for (size_t i = 0; i < rig_product_count; i++)
        r->manifest_ids[r->n_manifest_ids++] = wf_pb_bin(wf_hash_view(&rig_ids[i]));
}

// Does the poll wait, as the agent's manifests are those of the node?
static bool rig_waits(const struct rig_request *r)
{
    struct wf_arena arena;
    Weft__V1__Request *q = NULL;

    if (at[r->link->node].down || !r->packed.len ||
        wf_node_now_ms(&node) - r->asked_ms >= WF_LONG_POLL_MS)
        return false;
    wf_arena_init(&arena, 4u * WF_MIB);
    ck_assert_int_eq(wf_pb_unpack(&weft__v1__request__descriptor, wf_buf_view(&r->packed),
                         WF_PB_STRICT, &arena, &q),
        WEFT_OK);
    bool waits = q->kind_case == WEFT__V1__REQUEST__KIND_POLL &&
                 wf_bytes_eq(wf_pb_view(q->poll->manifests),
                     wf_hash_view(is_second(r->link->node) ? &no_manifests : &rig_root));
    wf_arena_fini(&arena);
    return waits;
}

static void rig_answer(struct rig_request *r)
{
    struct wf_arena arena;
    Weft__V1__Request *q = NULL;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__PushReply push = WEFT__V1__PUSH_REPLY__INIT;
    Weft__V1__GetReply get = WEFT__V1__GET_REPLY__INIT;
    Weft__V1__PollReply poll = WEFT__V1__POLL_REPLY__INIT;

    unsigned pushes = home.pushes;

    at[r->link->node].asked++;
    if (at[r->link->node].down || !r->packed.len) {
        rig_end(r, at[r->link->node].down ? WEFT_E_UNREACHABLE : WEFT_OK, NULL);
        return;
    }
    if (at[r->link->node].busy) {
        Weft__V1__Refusal refusal = WEFT__V1__REFUSAL__INIT;
        reply.refusal = &refusal;
        rig_end(r, WEFT_E_BUSY, &reply);
        return;
    }
    r->link->state.up = true;
    r->link->state.heard_ms = wf_node_now_ms(&node);
    wf_arena_init(&arena, 16u * WF_MIB);
    ck_assert_int_eq(wf_pb_unpack(&weft__v1__request__descriptor, wf_buf_view(&r->packed),
                         WF_PB_STRICT, &arena, &q),
        WEFT_OK);
    switch (q->kind_case) {
    case WEFT__V1__REQUEST__KIND_PUSH:
        if (no_room && has_batches(q->push)) {
            put_off++;
            rig_end(r, WEFT_E_BUSY, NULL);
            wf_arena_fini(&arena);
            return;
        }
        rig_push(q->push, &arena, &push, r->link->node);
        reply.kind_case = WEFT__V1__REPLY__KIND_PUSH;
        reply.push = &push;
        break;
    case WEFT__V1__REQUEST__KIND_GET:
        rig_get(q->get, &arena, &get);
        reply.kind_case = WEFT__V1__REPLY__KIND_GET;
        reply.get = &get;
        break;
    default:
        ck_assert_int_eq(q->kind_case, WEFT__V1__REQUEST__KIND_POLL);
        rig_poll(&arena, &poll, r->link->node);
        reply.kind_case = WEFT__V1__REPLY__KIND_POLL;
        reply.poll = &poll;
    }
    bool lost = lost_answers && home.pushes > pushes;
    rig_end(r, lost ? WEFT_E_CLOSED : WEFT_OK, lost ? NULL : &reply);
    wf_arena_fini(&arena);
}

// The next request that does not wait; false: there is none.
static bool rig_serve(void)
{
    struct rig_request **r = &rig_requests;

    wf_fault_spare(true);
    while (*r && rig_waits(*r))
        r = &(*r)->next;
    bool found = *r != NULL;
    if (found)
        rig_answer(rig_take(r));
    wf_fault_spare(false);
    return found;
}

// ---- the agent -------------------------------------------------------------------------------------------------------------------------

static int rig_by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct wf_hash));
}

static void rig_products(size_t count)
{
    struct wf_hash sorted[RIG_PRODUCTS];

    rig_product_count = count;
    for (size_t i = 0; i < count; i++) {
        char name[16];
        struct wf_collect *opened = NULL;
        snprintf(name, sizeof name, "p%zu", i);
        struct wf_collect c = { .product = { .domain = "servers",
                                    .name = name,
                                    .version = "1.0.0",
                                    .major = 1,
                                    .title = "Rows",
                                    .owner_name = "Tests",
                                    .owner_contact = "tests@example.org",
                                    .kind = WF_PRODUCT_METRIC,
                                    .message = "weft.sample.Row",
                                    .service = "",
                                    .schema_hash = rig_schema_hash,
                                    .classification = WF_CLASS_INTERNAL,
                                    .durability = rig_durability[i] ? rig_durability[i]
                                                                    : WF_DURABILITY_PROCESS },
            .mesh_id = mesh.charter->mesh_id,
            .sequence = ++rig_sequence };
        wf_buf_fini(&rig_manifests[i]);
        wf_product_id(&c.mesh_id, "servers", name, 1, &c.product.id);
        ck_assert_int_eq(
            wf_collect_sign(&c, &mesh.d[WF_TEST_SERVERS].node, &rig_manifests[i]), WEFT_OK);
        ck_assert_int_eq(wf_collect_open(wf_buf_view(&rig_manifests[i]), &opened), WEFT_OK);
        rig_ids[i] = opened->id;
        wf_collect_free(opened);
    }
    memcpy(sorted, rig_ids, sizeof sorted);
    qsort(sorted, count, sizeof *sorted, rig_by_bytes);
    wf_blake2b(wf_bytes(sorted, count * sizeof *sorted), &rig_root);
}

static void rig_identity(const char *dir)
{
    struct wf_test_domain *own = &mesh.d[WF_TEST_SERVERS];
    struct wf_cert fields = wf_test_cert("servers", WF_ID_AGENT, "host-1");
    struct wf_seed seeds[RIG_NODES];
    struct wf_diag diag = { 0 };
    int64_t now = wf_test_clock_unix_ms();
    struct wf_keys keys = { 0 };

    for (size_t i = 0; i < RIG_NODES; i++) {
        snprintf(seeds[i].address, sizeof seeds[i].address, "127.0.0.1:%zu", i + 1);
        seeds[i].dh_key = is_second(i) ? second.dh_key : own->node_dh_pub;
    }
    keys.sign = wf_test_sign_key("servers/host-1", &keys.sign_pub);
    keys.dh = wf_test_dh_key("servers/host-1", &keys.dh_pub);
    struct wf_buf cert = wf_test_cert_issue(&fields, &own->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&own->issuer_cert));
    ck_assert_int_eq(wf_identity_create(dir, &keys, &diag), WEFT_OK);
    ck_assert_int_eq(wf_identity_load(dir, now, &core.dir, &diag), WEFT_OK);
    ck_assert_int_eq(wf_identity_set_mesh(core.dir, &mesh.charter->mesh_id, &diag), WEFT_OK);
    ck_assert_int_eq(
        wf_identity_add_charter(core.dir, wf_buf_view(&mesh.charter->raw), &diag), WEFT_OK);
    ck_assert_int_eq(wf_identity_set_chain(core.dir, wf_buf_view(&chain), now, &diag), WEFT_OK);
    ck_assert_int_eq(wf_identity_set_seeds(core.dir, seeds, RIG_NODES, &diag), WEFT_OK);
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    wf_secret_fini(&keys.sign);
    wf_secret_fini(&keys.dh);
}

// To be stopped in any case.
static enum weft_err rig_try_start(void)
{
    struct wf_diag diag = { 0 };

    wf_fault_spare(true);
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    wf_loop_turn(node.loop, 0);
    wf_fault_spare(false);
    enum weft_err err = wf_uplink_room.open(&node, &diag);
    return err ? err : wf_uplink_room.start(&node, &diag);
}

static void rig_start_room(void)
{
    ck_assert_int_eq(rig_try_start(), WEFT_OK);
}

static void rig_stop_room(void)
{
    wf_uplink_room.close(&node);
    wf_loop_free(node.loop);
    ck_assert_msg(!rig_requests, "a request without an end");
}

static void rig_open(void)
{
    static const char text[] = "role: agent\ndata: data\n";
    struct wf_diags diags;
    struct wf_diag diag = { 0 };
    char path[512];

    ck_assert_int_eq(wf_crypto_init(), WEFT_OK);
    wf_test_mesh_init(&mesh);
    wf_diags_init(&diags, "weftd.yaml");
    ck_assert_int_eq(
        wf_conf_parse(wf_bytes_str(text), wf_test_tmpdir(), &diags, &node.conf), WEFT_OK);
    wf_diags_fini(&diags);
    node.conf->log.level = WF_LOG_ERROR + 1;
    node.conf->linger_ms = 0; // what is said is a batch
    node.conf->min_free_percent = 1;
    node.is_agent = true;
    node.core = &core;
    node.control = &control;
    if (two_signers) {
        struct wf_test_domain *own = &mesh.d[WF_TEST_SERVERS];
        second = wf_test_cert("servers", WF_ID_NODE, "node-2");
        struct wf_buf cert = wf_test_cert_issue(&second, &own->issuer);
        second_chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&own->issuer_cert));
        wf_buf_fini(&cert);
        wf_blake2b(wf_bytes(NULL, 0), &no_manifests);
    }
    rig_identity(node.conf->data);
    ck_assert_int_eq(wf_node_adopt(&node, core.dir, &diag), WEFT_OK);
    snprintf(path, sizeof path, "%s/tests/schema/sample.set", getenv("WEFT_BUILD_DIR"));
    rig_schema = wf_test_file(path);
    wf_blake2b(wf_buf_view(&rig_schema), &rig_schema_hash);
    rig_start_room();
}

static void rig_turn(int ms)
{
    while (rig_by_hand && wf_log_worker_turn(node.uplink->worker))
        ms = 0;
    wf_loop_turn(node.loop, ms);
}

static void rig_settle(void)
{
    bool waits = true;

    for (int i = 0; waits; i++) {
        ck_assert_int_lt(i, 20000);
        rig_turn(i ? 1 : 0);
        waits = false;
        for (const struct wf_agent_product *p = node.uplink->products; p; p = p->next)
            waits = waits || p->pending;
    }
}

// All that the agent wants now and the nodes give.
static void rig_run(void)
{
    wf_uplink_room.tick(&node);
    do
        rig_settle();
    while (rig_serve());
}

static void rig_pass(int64_t ms)
{
    wf_test_clock_skip(ms);
    wf_loop_turn(node.loop, 0);
    rig_run();
}

// One batch with one record of about so many bytes that do not compress; what became of it at once. next: of a publisher, whose sequence it
// ends; 0: of a source.
static inline enum weft_err rig_publish(size_t product, size_t len, uint64_t next)
{
    static const uint8_t publisher[WF_PUBLISHER_LEN] = "an application";
    static uint64_t seed = 7;
    uint8_t noise[WF_PRODUCT_BATCH], row[WF_PRODUCT_BATCH + 16] = { 0x0a };
    char name[16];
    struct wf_records r = { 0 };
    struct wf_diag diag = { 0 };

    ck_assert_uint_le(len, sizeof noise);
    wf_test_rand_bytes(&seed, noise, len);
    for (size_t i = 0; i < len; i++)
        noise[i] = 'a' + noise[i] % 16; // half of it does
    size_t at_ = 1;
    size_t left = len;
    do
        row[at_++] = (uint8_t)(left & 0x7f) | (left > 0x7f ? 0x80 : 0);
    while (left >>= 7);
    memcpy(row + at_, noise, len);
    snprintf(name, sizeof name, "p%zu", product);
    ck_assert_int_eq(
        wf_records_put(&r, WF_OP_PUT, wf_test_clock_unix_ms() * 1000, wf_bytes(row, at_ + len)),
        WEFT_OK);
    struct wf_origin_records o = {
        .raw = wf_buf_view(&r.raw), .base_us = r.base_us, .count = r.count
    };
    if (next) {
        o.publisher = publisher;
        o.publisher_seq = next - 1;
    }
    enum weft_err err = wf_uplink_originate(&node, name, &o, NULL, NULL, &diag);
    wf_records_fini(&r);
    return err;
}

static inline enum weft_err rig_say(size_t product, size_t len)
{
    return rig_publish(product, len, 0);
}

static inline const char *rig_alarm(const char *name)
{
    for (const struct wf_alarm *a = core.alarms; a; a = a->next)
        if (strcmp(a->name, name) == 0)
            return a->text;
    return NULL;
}

static void rig_close(void)
{
    rig_stop_room();
    while (core.alarms) {
        struct wf_alarm *a = core.alarms;
        core.alarms = a->next;
        free(a);
    }
}

#endif
