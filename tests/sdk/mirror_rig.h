// SPDX-License-Identifier: Apache-2.0
// A reader of servers/readings whose home goes away, and a mirror that a test can make lie, at security/node-1. One reader at a time; included by one
// test file of a program.
#ifndef WF_TESTS_MIRROR_RIG_H
#define WF_TESTS_MIRROR_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "proto/stream/sealed.h"
#include "proto/trust/product.h"
#include "sdk/subscribe_int.h"
#include "tests/support/fakehome.h"

#define PATIENCE_MS 100000
#define BEFORE      4u // records read from the home
#define AFTER       6u // in three batches, while it is away

static struct wf_fakemesh m;
static struct wf_fakehome h;
static struct wf_fakenode *node; // the mirror
static struct weft_client *c;
static struct weft_subscription *s;
static uint64_t got, lost;
static char told[8192]; // every text of a state, newest last

enum lie {
    HONEST,
    SWAPS,
    DROPS,
    LOSES,
    FORGES_HEADER,
    CHANGES_BOX,
    OTHER_BOX,
    STRIPS_BOX,
    OTHER_PAYLOAD,
    OTHER_SIGNER,
    OTHER_HOME,
    MOVES,
    OLDER_WORD,
    OTHER_PRODUCT,
    OTHER_PRODUCTS_WORD,
    OWN_LOG,
    REWRITES,
    IS_BEHIND,
    OLDER_LOG,
    REPEATS_RESET,
    OTHER_KEY,
    REFUSES,
    NOT_A_MIRROR,
    GARBAGE,
};
static enum lie lie;
static struct wf_secret second_node;
static struct wf_sign_pub second_pub;
static atomic_int served;
static atomic_bool moved; // the product is the second node's, whose clock is behind

// ---- the mirror ------------------------------------------------------------------------------------------------------

static inline void set_bin(
    const struct wf_fake_call *call, ProtobufCBinaryData *to, struct wf_bytes from)
{
    struct wf_bytes copy = { 0 };

    ck_assert_int_eq(wf_arena_dup(call->arena, from, &copy), WEFT_OK);
    *to = wf_pb_bin(copy);
}

static inline const struct wf_secret *speaker(void)
{
    if (lie == OTHER_HOME || (lie == MOVES && atomic_load(&served)) || atomic_load(&moved))
        return &second_node;
    return &m.mesh.d[lie == OTHER_SIGNER ? WF_TEST_SECURITY : WF_TEST_SERVERS].node;
}

static inline void set_beat(const struct wf_fake_call *call, ProtobufCBinaryData *to)
{
    struct wf_buf out = { 0 };
    struct wf_heartbeat b = { .product_id = h.product_id,
        .head_hash = h.head_hash,
        .term = 1,
        .head_offset = h.head,
        .log_id = h.log_id,
        .time_ms = wf_test_clock_unix_ms(),
        .next_by_ms = wf_test_clock_unix_ms() + 1000 };

    if ((lie == OLDER_WORD && atomic_load(&served)) || atomic_load(&moved))
        b.time_ms -= 60000, b.next_by_ms -= 60000;
    if (lie == OTHER_PRODUCTS_WORD)
        b.product_id = wf_test_hash("another product");
    if (lie == IS_BEHIND)
        b.head_offset = 1;
    if (lie == OLDER_LOG)
        b.log_id.counter--;
    ck_assert_int_eq(wf_heartbeat_sign(&b, speaker(), &out), WEFT_OK);
    set_bin(call, to, wf_buf_view(&out));
    wf_buf_fini(&out);
}

static inline void on_lease(const struct wf_fake_call *call, Weft__V1__Reply *reply)
{
    Weft__V1__LeaseReply *r = wf_fake_new(call, &weft__v1__lease_reply__descriptor);
    struct wf_hash another = wf_test_hash("another product");

    ck_assert_int_eq(
        (int)call->request->lease->purpose, WEFT__V1__LEASE_REQUEST__PURPOSE__PURPOSE_AT_MIRROR);
    ck_assert(call->request->lease->token.len != 0);
    if (lie == REFUSES || lie == NOT_A_MIRROR) {
        wf_fake_refuse(call, reply, lie == REFUSES ? WEFT_E_REVOKED : WEFT_E_NOT_FOUND,
            lie == REFUSES ? "the token was revoked" : "not mirrored here");
        return;
    }
    set_bin(call, &r->lease_id, WF_STR("a-mirrors-lease!"));
    set_bin(call, &r->product_id, wf_hash_view(lie == OTHER_PRODUCT ? &another : &h.product_id));
    set_beat(call, &r->heartbeat);
    r->expires_ms = wf_test_clock_unix_ms() + 60000;
    reply->kind_case = WEFT__V1__REPLY__KIND_LEASE;
    reply->lease = r;
}

static inline struct wf_buf seal(struct wf_bytes packed)
{
    uint8_t nonce[WF_XNONCE_LEN];
    struct wf_buf out = { 0 };

    wf_random(nonce, sizeof nonce);
    ck_assert_int_eq(
        wf_sealed_entry_pack(packed, &h.product_id, h.epoch, &h.key, nonce, &out), WEFT_OK);
    return out;
}

// Signed by somebody else under the certificate of its origin.
static inline void sign_anew(struct wf_entry *e, struct wf_buf *ret_header)
{
    struct wf_batch_header f;
    struct wf_hash id;

    ck_assert_int_eq(wf_batch_open_header(e->header, &f), WEFT_OK);
    ck_assert_int_eq(
        wf_batch_sign(&f, e->payload, &m.mesh.d[WF_TEST_SECURITY].node, ret_header, &id), WEFT_OK);
    e->header = wf_buf_view(ret_header);
}

// The entry as somebody would write it who holds the epoch key, too.
static inline struct wf_buf reseal(const struct wf_home_entry *e, size_t at)
{
    static struct wf_hash previous; // of a log of the liar's making
    struct wf_entry parsed;
    struct wf_batch_header header = { 0 };
    struct wf_buf packed = { 0 }, signed_anew = { 0 };

    ck_assert_int_eq(wf_entry_parse(wf_buf_view(&e->packed), &parsed), WEFT_OK);
    if (lie == OTHER_KEY)
        sign_anew(&parsed, &signed_anew);
    if (lie == OTHER_PAYLOAD)
        parsed.payload = wf_bytes(parsed.header.ptr, parsed.payload.len);
    if (lie == FORGES_HEADER) // a byte of its signature
        ((uint8_t *)(uintptr_t)parsed.header.ptr)[parsed.header.len - 1] ^= 1;
    if (lie == REWRITES || lie == OTHER_KEY) { // consistent in itself: hashes that follow
        if (at)
            parsed.previous = previous;
        parsed.append_ms += lie == REWRITES;
        ck_assert_int_eq(wf_batch_open_header(parsed.header, &header), WEFT_OK);
        wf_entry_hash(&parsed, &h.product_id, &header.id, &previous);
    }
    ck_assert_int_eq(wf_entry_pack(&parsed, &packed), WEFT_OK);
    struct wf_buf out = seal(wf_buf_view(&packed));
    if (lie == FORGES_HEADER)
        ((uint8_t *)(uintptr_t)parsed.header.ptr)[parsed.header.len - 1] ^= 1;
    wf_buf_fini(&packed);
    wf_buf_fini(&signed_anew);
    return out;
}

// The head of one entry, the box of another; or no box.
static inline struct wf_buf patch(const struct wf_buf *head, const struct wf_buf *box)
{
    struct wf_sealed_entry a, b = { 0 };
    struct wf_buf out = { 0 };
    Weft__V1__SealedEntry pb = WEFT__V1__SEALED_ENTRY__INIT;

    ck_assert_int_eq(wf_sealed_entry_parse(wf_buf_view(head), &a), WEFT_OK);
    pb.head = wf_pb_bin(a.head);
    if (box) {
        ck_assert_int_eq(wf_sealed_entry_parse(wf_buf_view(box), &b), WEFT_OK);
        pb.epoch = b.epoch;
        pb.nonce = wf_pb_bin(wf_bytes(b.nonce, WF_XNONCE_LEN));
        pb.box = wf_pb_bin(b.box);
    }
    ck_assert_int_eq(wf_pb_pack(&pb, &out), WEFT_OK);
    return out;
}

static inline struct wf_buf own_log(void)
{
    struct wf_entry e = { .is_reset = true,
        .log_id = { h.log_id.counter + 1, 99 },
        .previous_log = h.log_id,
        .offset = BEFORE,
        .end_offset = BEFORE,
        .append_ms = wf_test_clock_unix_ms() };
    struct wf_entry next;
    struct wf_buf packed = { 0 };

    for (size_t i = 0; i < h.count; i++) // it knows what the reader has
        if (h.log[i].offset == BEFORE && !h.log[i].reset) {
            ck_assert_int_eq(wf_entry_parse(wf_buf_view(&h.log[i].packed), &next), WEFT_OK);
            e.head_hash = next.previous;
        }
    ck_assert_int_eq(wf_entry_pack(&e, &packed), WEFT_OK);
    struct wf_buf out = seal(wf_buf_view(&packed));
    wf_buf_fini(&packed);
    return out;
}

static inline void lie_about(struct wf_buf *v, size_t *count)
{
    struct wf_buf changed = { 0 };

    switch (lie) {
    case SWAPS:
        changed = v[0];
        v[0] = v[1];
        v[1] = changed;
        return;
    case DROPS:
        wf_buf_fini(&v[0]);
        memmove(v, v + 1, --*count * sizeof *v);
        return;
    case REPEATS_RESET:
        memmove(v + 1, v, (*count)++ * sizeof *v);
        v[0] = reseal(&h.log[0], 0);
        return;
    case CHANGES_BOX:
        v[0].ptr[v[0].len - 1] ^= 1;
        return;
    case OTHER_BOX:
    case STRIPS_BOX:
        changed = patch(&v[0], lie == OTHER_BOX ? &v[1] : NULL);
        break;
    case OWN_LOG:
        changed = own_log();
        break;
    case GARBAGE:
        ck_assert_int_eq(wf_buf_append_str(&changed, "not an entry"), WEFT_OK);
        break;
    default:
        return;
    }
    wf_buf_fini(&v[0]);
    v[0] = changed;
}

static inline void on_range(
    const struct wf_fake_call *call, const Weft__V1__RangeRequest *q, Weft__V1__Reply *reply)
{
    Weft__V1__RangeReply *r = wf_fake_new(call, &weft__v1__range_reply__descriptor);
    struct wf_buf v[17]; // and what a liar puts before them
    size_t count = 0;

    for (size_t i = 0; i < h.count; i++)
        if (h.log[i].offset >= q->from && !h.log[i].reset && count < WF_COUNT(v) - 1) {
            v[count] = reseal(&h.log[i], count);
            count++;
        }
    r->next = h.head;
    if (count)
        lie_about(v, &count);
    if (lie == LOSES && count) {
        r->losses = wf_arena_calloc(call->arena, 1, sizeof(void *));
        r->losses[0] = wf_fake_new(call, &weft__v1__loss__descriptor);
        r->losses[0]->from = q->from;
        r->losses[0]->to = h.head;
        r->losses[0]->code = WEFT_E_RETENTION;
        r->n_losses = 1;
    }
    r->entries = wf_arena_calloc(call->arena, count + 1, sizeof *r->entries);
    for (size_t i = 0; i < count; i++) {
        if (lie != LOSES)
            set_bin(call, &r->entries[r->n_entries++], wf_buf_view(&v[i]));
        wf_buf_fini(&v[i]);
    }
    atomic_fetch_add(&served, 1);
    set_beat(call, &r->heartbeat);
    reply->kind_case = WEFT__V1__REPLY__KIND_RANGE;
    reply->range = r;
}

static inline void answer(void *arg, const struct wf_fake_call *call, Weft__V1__Reply *reply)
{
    (void)arg;
    pthread_mutex_lock(&h.mutex);
    if (call->request->kind_case == WEFT__V1__REQUEST__KIND_LEASE)
        on_lease(call, reply);
    else if (call->request->kind_case == WEFT__V1__REQUEST__KIND_RANGE)
        on_range(call, call->request->range, reply);
    else if (call->request->kind_case == WEFT__V1__REQUEST__KIND_PULL)
        on_range(call, call->request->pull->range, reply);
    else
        wf_fake_refuse(call, reply, WEFT_E_REQUEST, "unknown request");
    pthread_mutex_unlock(&h.mutex);
}

static inline void show(enum wf_entry_kind kind, struct wf_bytes raw)
{
    struct wf_entry_doc *doc = NULL;

    ck_assert_int_eq(
        wf_entry_doc_open(raw, kind, m.mesh.charter, wf_test_clock_unix_ms(), &doc), WEFT_OK);
    wf_fakemesh_add(&m, &doc->id, raw);
    m.documents[m.document_count - 1].kind = (int)kind;
    wf_entry_doc_free(doc);
}

static inline void advertise(const struct wf_node_fields *f, const struct wf_secret *key)
{
    struct wf_buf raw = { 0 };

    ck_assert_int_eq(wf_node_advert_sign(f, key, &raw), WEFT_OK);
    show(WF_ENTRY_NODE, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}

// A node of `security` that says in its advert that it mirrors the product.
static inline void start_mirror(void)
{
    const struct wf_test_domain *d = &m.mesh.d[WF_TEST_SECURITY];
    struct wf_fakenode_conf conf = { .net = m.net,
        .dh = &d->node_dh,
        .dh_pub = d->node_dh_pub,
        .mesh_id = m.mesh.charter->mesh_id,
        .chain = wf_buf_view(&d->node_chain),
        .charter_version = 1,
        .answer = answer };
    static const char *const mirrors[] = { "servers/readings" };

    node = wf_fakenode_start(&conf);
    const char *address = wf_fakenode_address(node);
    struct wf_node_fields f = { .mesh_id = m.mesh.charter->mesh_id,
        .domain = "security",
        .subject = "node-1",
        .sequence = WF_TEST_NOW - 1000,
        .expires_ms = WF_TEST_NOW + WF_TEST_HOUR,
        .addresses = &address,
        .address_count = 1,
        .mirrors = mirrors,
        .mirror_count = 1,
        .dh_key = d->node_dh_pub,
        .chain = wf_buf_view(&d->node_chain),
        .charter_version = 1 };
    advertise(&f, &d->node);
}

// The product as the second node advertises it when it has moved there; seen when the mesh tells of it (tell_newer).
static inline void prepare_move(struct wf_bytes chain)
{
    struct wf_product p = { .domain = "servers",
        .name = "readings",
        .version = "1.2.0",
        .title = "Readings of stations",
        .description = "what sensors saw",
        .owner_name = "Server team",
        .owner_contact = "servers@example.org",
        .kind = WF_PRODUCT_METRIC,
        .major = 1,
        .message = "test.station.v1.Reading",
        .service = "",
        .classification = WF_CLASS_INTERNAL,
        .durability = WF_DURABILITY_DISK,
        .freshness_ms = 60000,
        .retention_ms = WF_TEST_DAY,
        .schema_hash = h.schema };
    struct wf_product_fields f = { .mesh_id = m.mesh.charter->mesh_id,
        .product = &p,
        .term = 2,
        .sequence = WF_TEST_NOW,
        .expires_ms = WF_TEST_NOW + WF_TEST_DAY,
        .node = "node-2",
        .chain = chain };
    struct wf_buf raw = { 0 };

    ck_assert_int_eq(wf_product_advert_sign(&f, &second_node, &raw), WEFT_OK);
    m.newer = m.document_count;
    show(WF_ENTRY_PRODUCT, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}

// Another node of the home's domain: the product was there once, or goes there.
static inline void show_second_node(void)
{
    const struct wf_test_domain *d = &m.mesh.d[WF_TEST_SERVERS];
    struct wf_cert cert = wf_test_cert("servers", WF_ID_NODE, "node-2");
    struct wf_buf raw = wf_test_cert_issue(&cert, &d->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&raw), wf_buf_view(&d->issuer_cert));
    const char *address = "127.0.0.1:9"; // nobody calls it
    struct wf_node_fields f = { .mesh_id = m.mesh.charter->mesh_id,
        .domain = "servers",
        .subject = "node-2",
        .sequence = WF_TEST_NOW - 1000,
        .expires_ms = WF_TEST_NOW + WF_TEST_HOUR,
        .addresses = &address,
        .address_count = 1,
        .dh_key = cert.dh_key,
        .chain = wf_buf_view(&chain),
        .charter_version = 1 };

    second_node = wf_test_sign_key("servers/node-2", &cert.sign_key);
    second_pub = cert.sign_key;
    advertise(&f, &second_node);
    prepare_move(wf_buf_view(&chain));
    wf_buf_fini(&raw);
    wf_buf_fini(&chain);
}

// ---- the reader ------------------------------------------------------------------------------------------------------

static inline void setup(void)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };
    struct weft_problem problem;

    unsetenv("WEFT_DIR");
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    wf_fakehome_init(&h, &m);
    start_mirror();
    show_second_node();
    got = lost = 0;
    told[0] = '\0';
    atomic_store(&served, 0);
    atomic_store(&moved, false);
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
}

static inline void teardown(void)
{
    weft_unsubscribe(s);
    weft_close(c);
    wf_fakenode_stop(node);
    wf_fakehome_fini(&h);
    wf_fakemesh_fini(&m);
    wf_secret_fini(&second_node);
}

// The newest stay: on a slow machine a reader tells the same for long.
static inline void note(const char *text)
{
    size_t len = strlen(told);

    if (len + strlen(text) + 2 > sizeof told) {
        memmove(told, told + sizeof told / 2, len + 1 - sizeof told / 2);
        len -= sizeof told / 2;
    }
    snprintf(told + len, sizeof told - len, "%s\n", text);
}

static inline void take(int timeout_ms)
{
    const struct weft_event *e = NULL;
    struct weft_problem problem;

    if (weft_next(s, timeout_ms, &e, &problem))
        return;
    got += e->record_count;
    lost += e->kind == WEFT_EV_LOSS;
    if (e->kind == WEFT_EV_STATE)
        note(e->problem.text);
}

// The condition is looked at once a turn: it may be over a moment later.
#define TAKE_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int left_ = PATIENCE_MS;                                                                   \
        for (; !(condition) && left_ > 0; left_ -= 20)                                             \
            take(20);                                                                              \
        ck_assert_msg(left_ > 0, "in vain for %s; told: %s", #condition, told);                    \
    } while (0)

static inline void read_then_lose_the_home(void)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST };
    struct weft_problem problem;

    wf_fakehome_append(&h, 0, 2);
    wf_fakehome_append(&h, 1, 2);
    ck_assert_msg(
        weft_subscribe(c, "servers/readings", &o, &s, &problem) == WEFT_OK, "%s", problem.text);
    TAKE_UNTIL(got == BEFORE);
    atomic_store(&wf_fakenode_knobs(node)->hold, true); // the mirror speaks when it has all of them
    atomic_store(&h.mute, true);
    atomic_store(&m.knobs->gone, true);
    TAKE_UNTIL(strstr(
        told, "its node does not answer")); // nothing that was asked before is still answered
    wf_fakehome_append(&h, 0, 2);
    wf_fakehome_append(&h, 1, 2);
    wf_fakehome_append(&h, 0, 2);
    atomic_store(&wf_fakenode_knobs(node)->hold, false);
}

static inline void home_again(void)
{
    atomic_store(&h.mute, false);
    atomic_store(&m.knobs->gone, false);
    TAKE_UNTIL(got == BEFORE + AFTER);
    wf_fakehome_append(&h, 1, 2);
    TAKE_UNTIL(got == BEFORE + AFTER + 2);
    ck_assert_uint_eq(lost, 0);
}

static inline struct weft_stats stats(void)
{
    struct weft_stats st;

    weft_subscription_stats(s, &st);
    return st;
}

#endif
