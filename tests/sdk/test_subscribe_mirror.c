// SPDX-License-Identifier: Apache-2.0
// Reading from a mirror while the home is away: an honest one is read to its end; one that reorders, drops, forges, replays or sends another
// product is named and left, nothing of its making is delivered, and nothing is lost when the home comes back.
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
    REFUSES,
    NOT_A_MIRROR,
    GARBAGE,
};
static enum lie lie;
static struct wf_secret second_node;
static atomic_int served;

// ---- the mirror ------------------------------------------------------------------------------------------------------

static void set_bin(const struct wf_fake_call *call, ProtobufCBinaryData *to, struct wf_bytes from)
{
    struct wf_bytes copy = { 0 };

    ck_assert_int_eq(wf_arena_dup(call->arena, from, &copy), WEFT_OK);
    *to = wf_pb_bin(copy);
}

static const struct wf_secret *speaker(void)
{
    if (lie == OTHER_HOME || (lie == MOVES && atomic_load(&served)))
        return &second_node;
    return &m.mesh.d[lie == OTHER_SIGNER ? WF_TEST_SECURITY : WF_TEST_SERVERS].node;
}

static void set_beat(const struct wf_fake_call *call, ProtobufCBinaryData *to)
{
    struct wf_buf out = { 0 };
    struct wf_heartbeat b = { .product_id = h.product_id,
        .head_hash = h.head_hash,
        .term = 1,
        .head_offset = h.head,
        .log_id = h.log_id,
        .time_ms = wf_test_clock_unix_ms(),
        .next_by_ms = wf_test_clock_unix_ms() + 1000 };

    if (lie == OLDER_WORD && atomic_load(&served))
        b.time_ms -= 60000, b.next_by_ms -= 60000;
    if (lie == OTHER_PRODUCTS_WORD)
        b.product_id = wf_test_hash("another product");
    if (lie == IS_BEHIND)
        b.head_offset = 1;
    ck_assert_int_eq(wf_heartbeat_sign(&b, speaker(), &out), WEFT_OK);
    set_bin(call, to, wf_buf_view(&out));
    wf_buf_fini(&out);
}

static void on_lease(const struct wf_fake_call *call, Weft__V1__Reply *reply)
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

static struct wf_buf seal(struct wf_bytes packed)
{
    uint8_t nonce[WF_XNONCE_LEN];
    struct wf_buf out = { 0 };

    wf_random(nonce, sizeof nonce);
    ck_assert_int_eq(
        wf_sealed_entry_pack(packed, &h.product_id, h.epoch, &h.key, nonce, &out), WEFT_OK);
    return out;
}

// The entry as somebody would write it who holds the epoch key, too.
static struct wf_buf reseal(const struct wf_home_entry *e, size_t at)
{
    static struct wf_hash previous; // of a log of the liar's making
    struct wf_entry parsed;
    struct wf_batch_header header = { 0 };
    struct wf_buf packed = { 0 };

    ck_assert_int_eq(wf_entry_parse(wf_buf_view(&e->packed), &parsed), WEFT_OK);
    if (lie == OTHER_PAYLOAD)
        parsed.payload = wf_bytes(parsed.header.ptr, parsed.payload.len);
    if (lie == FORGES_HEADER) // a byte of its signature
        ((uint8_t *)(uintptr_t)parsed.header.ptr)[parsed.header.len - 1] ^= 1;
    if (lie == REWRITES) { // consistent in itself: another append time, and hashes that follow
        if (at)
            parsed.previous = previous;
        parsed.append_ms++;
        ck_assert_int_eq(wf_batch_open_header(parsed.header, &header), WEFT_OK);
        wf_entry_hash(&parsed, &h.product_id, &header.id, &previous);
    }
    ck_assert_int_eq(wf_entry_pack(&parsed, &packed), WEFT_OK);
    struct wf_buf out = seal(wf_buf_view(&packed));
    if (lie == FORGES_HEADER)
        ((uint8_t *)(uintptr_t)parsed.header.ptr)[parsed.header.len - 1] ^= 1;
    wf_buf_fini(&packed);
    return out;
}

// The head of one entry, the box of another; or no box.
static struct wf_buf patch(const struct wf_buf *head, const struct wf_buf *box)
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

static struct wf_buf own_log(void)
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

static void lie_about(struct wf_buf *v, size_t *count)
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

static void on_range(
    const struct wf_fake_call *call, const Weft__V1__RangeRequest *q, Weft__V1__Reply *reply)
{
    Weft__V1__RangeReply *r = wf_fake_new(call, &weft__v1__range_reply__descriptor);
    struct wf_buf v[16];
    size_t count = 0;

    for (size_t i = 0; i < h.count; i++)
        if (h.log[i].offset >= q->from && !h.log[i].reset && count < WF_COUNT(v)) {
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

static void answer(void *arg, const struct wf_fake_call *call, Weft__V1__Reply *reply)
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

static void advertise(const struct wf_node_fields *f, const struct wf_secret *key)
{
    struct wf_buf raw = { 0 };
    struct wf_entry_doc *doc = NULL;

    ck_assert_int_eq(wf_node_advert_sign(f, key, &raw), WEFT_OK);
    ck_assert_int_eq(wf_entry_doc_open(wf_buf_view(&raw), WF_ENTRY_NODE, m.mesh.charter,
                         wf_test_clock_unix_ms(), &doc),
        WEFT_OK);
    wf_fakemesh_add(&m, &doc->id, wf_buf_view(&raw));
    m.documents[m.document_count - 1].kind = WF_ENTRY_NODE;
    wf_entry_doc_free(doc);
    wf_buf_fini(&raw);
}

// A node of `security` that says in its advert that it mirrors the product.
static void start_mirror(void)
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

// Another node of the home's domain: the product was there once, or goes there.
static void show_second_node(void)
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
    advertise(&f, &second_node);
    wf_buf_fini(&raw);
    wf_buf_fini(&chain);
}

// ---- the reader ------------------------------------------------------------------------------------------------------

static void setup(void)
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
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
}

static void teardown(void)
{
    weft_unsubscribe(s);
    weft_close(c);
    wf_fakenode_stop(node);
    wf_fakehome_fini(&h);
    wf_fakemesh_fini(&m);
    wf_secret_fini(&second_node);
}

// The newest stay: on a slow machine a reader tells the same for long.
static void note(const char *text)
{
    size_t len = strlen(told);

    if (len + strlen(text) + 2 > sizeof told) {
        memmove(told, told + sizeof told / 2, len + 1 - sizeof told / 2);
        len -= sizeof told / 2;
    }
    snprintf(told + len, sizeof told - len, "%s\n", text);
}

static void take(int timeout_ms)
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

static void read_then_lose_the_home(void)
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

static void home_again(void)
{
    atomic_store(&h.mute, false);
    atomic_store(&m.knobs->gone, false);
    TAKE_UNTIL(got == BEFORE + AFTER);
    wf_fakehome_append(&h, 1, 2);
    TAKE_UNTIL(got == BEFORE + AFTER + 2);
    ck_assert_uint_eq(lost, 0);
}

static struct weft_stats stats(void)
{
    struct weft_stats st;

    weft_subscription_stats(s, &st);
    return st;
}

START_TEST(an_honest_mirror_is_read_until_the_home_is_back)
{
    lie = HONEST;
    read_then_lose_the_home();
    TAKE_UNTIL(got == BEFORE + AFTER);
    ck_assert_ptr_nonnull(strstr(told, "from mirror security/node-1"));
    ck_assert_uint_eq(stats().mirrored_records, AFTER);
    ck_assert_uint_eq(stats().verify_failures, 0);
    home_again();
    ck_assert_uint_eq(stats().records, BEFORE + AFTER + 2);
    ck_assert_uint_eq(stats().duplicates, 0);
}
END_TEST

static const struct {
    const char *why;
    enum lie lie;
    const char *text;    // of the state that names it
    bool delivers, lied; // records at first, before the home's word gives it away
    bool to_the_end;     // the home comes back, and everything is there once
} rows[] = {
    { "two entries exchanged", SWAPS, "does not follow", false, true, true },
    { "an entry left out", DROPS, "does not follow", false, true },
    { "says that entries are lost", LOSES, "does not hold all", false, false, true },
    { "a header that nobody signed", FORGES_HEADER, "forged", false, true },
    { "a byte of a payload changed", CHANGES_BOX, "a payload was changed", false, true },
    { "the payload of another entry", OTHER_BOX, "a payload was changed", false, true },
    { "data without its payload", STRIPS_BOX, "not the one that its origin signed", false, true },
    { "another payload, by who has the key", OTHER_PAYLOAD, "not the one that its origin signed",
        false, true },
    { "the word of another node", OTHER_SIGNER, "is left", false, true },
    { "the word of another home", OTHER_HOME, "of another home", false, false, true },
    { "the word of another home, later", MOVES, "of another home", true, false, true },
    { "an older word than before", OLDER_WORD, "older word", true, true },
    { "another product", OTHER_PRODUCT, "is left", false, true },
    { "another product's word", OTHER_PRODUCTS_WORD, "is left", false, true },
    { "a log of its own", OWN_LOG, "a log that the home does not know", false, true, true },
    { "places of its own, by who has the key", REWRITES, "not those that the home signed for", true,
        true, true },
    { "less than the reader has", IS_BEHIND, "less than is here", false, false },
    { "it refuses", REFUSES, "the token was revoked", false, false },
    { "it mirrors something else", NOT_A_MIRROR, "not mirrored here", false, false },
    { "no entry at all", GARBAGE, "malformed", false, true },
};

START_TEST(a_mirror_that_lies_or_lacks_is_named_and_left)
{
    lie = rows[_i].lie;
    read_then_lose_the_home();
    TAKE_UNTIL(strstr(told, rows[_i].text));
    ck_assert_ptr_nonnull(strstr(told, "mirror security/node-1 is left"));
    ck_assert_msg(rows[_i].delivers || got == BEFORE, "%s: %llu records", rows[_i].why,
        (unsigned long long)got);
    ck_assert_msg(rows[_i].lied == (stats().verify_failures != 0), "%s", rows[_i].why);
    ck_assert_uint_eq(lost, 0);
    if (rows[_i].to_the_end)
        home_again();
}
END_TEST

// Keys of the present epoch do not open what was sealed under the next: that waits for the home, which alone gives its key.
START_TEST(what_there_is_no_key_for_waits_for_the_home)
{
    lie = HONEST;
    read_then_lose_the_home();
    wf_fakehome_rotate(&h); // all boxes are sealed under the new one
    TAKE_UNTIL(strstr(told, "no key for what follows"));
    ck_assert_uint_eq(got, BEFORE);
    ck_assert_uint_eq(stats().verify_failures, 0);
    home_again();
}
END_TEST

START_TEST(without_a_lease_that_lives_no_mirror_is_asked)
{
    lie = HONEST;
    read_then_lose_the_home();
    TAKE_UNTIL(got == BEFORE + AFTER);
    wf_test_clock_skip(11 * 60000); // the lease of its home had ten minutes; then only that will do
    TAKE_UNTIL(strstr(told, "mirror security/node-1 is left"));
    wf_test_clock_skip(60000); // what it was left for is forgotten
    int before = atomic_load(&served);
    wf_fakehome_append(&h, 1, 2);
    for (int i = 0; i < 25; i++)
        take(20);
    ck_assert_int_eq(atomic_load(&served), before);
    ck_assert_uint_eq(got, BEFORE + AFTER);
    TAKE_UNTIL(strstr(told, "mirror security/node-1 holds it sealed") && strstr(told, "is over"));
}
END_TEST

// Started while its home is away it has no key: it says what it waits for, asks no mirror, and reads all of it once the home is back.
START_TEST(a_reader_that_starts_without_its_home_says_what_it_waits_for)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST };
    struct weft_problem problem;

    lie = HONEST;
    read_then_lose_the_home();
    weft_unsubscribe(s);
    told[0] = '\0';
    got = 0;
    int before = atomic_load(&served);
    ck_assert_msg(
        weft_subscribe(c, "servers/readings", &o, &s, &problem) == WEFT_OK, "%s", problem.text);
    TAKE_UNTIL(strstr(told, "mirror security/node-1 holds it sealed, and the keys come from its"));
    ck_assert_ptr_nonnull(strstr(told, "this reader has had none since it was started"));
    for (int i = 0; i < 25; i++)
        take(20);
    ck_assert_int_eq(atomic_load(&served), before);
    ck_assert_uint_eq(got, 0);
    home_again();
    ck_assert_uint_eq(stats().records, BEFORE + AFTER + 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.subscribe_mirror");
    TCase *t = tcase_create("mirror");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_honest_mirror_is_read_until_the_home_is_back);
    tcase_add_loop_test(t, a_mirror_that_lies_or_lacks_is_named_and_left, 0, WF_COUNT(rows));
    tcase_add_test(t, what_there_is_no_key_for_waits_for_the_home);
    tcase_add_test(t, without_a_lease_that_lives_no_mirror_is_asked);
    tcase_add_test(t, a_reader_that_starts_without_its_home_says_what_it_waits_for);
    suite_add_tcase(suite, t);
    r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
