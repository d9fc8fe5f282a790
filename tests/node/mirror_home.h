// SPDX-License-Identifier: Apache-2.0
// A mirror that follows a home played behind wf_link_request (wrapped): what it asked waits in asked_home until the test answers. One mirror at a time;
// included by one test file of a program, which wraps clock_gettime, too.
#ifndef WF_TESTS_MIRROR_HOME_H
#define WF_TESTS_MIRROR_HOME_H

#include "tests/node/mirror_rig.h"
#include "tests/support/iddir.h"
#include "tests/support/registry.h"

#define PATIENCE 3000 // turns after which nothing comes any more

static struct home home;
static struct wf_store *registry;

// ---- the home, behind a link ---------------------------------------------------------------------------------------------

// What the mirror asked and nobody has answered yet.
static struct {
    Weft__V1__Request *q; // in the arena
    struct wf_arena arena;
    wf_link_fn done;
    void *arg;
} asked_home;

enum weft_err __wrap_wf_link_request(
    struct wf_link *l, const Weft__V1__Request *q, int64_t deadline_ms, wf_link_fn done, void *arg);

enum weft_err __wrap_wf_link_request(
    struct wf_link *l, const Weft__V1__Request *q, int64_t deadline_ms, wf_link_fn done, void *arg)
{
    struct wf_buf packed = { 0 };

    (void)l, (void)deadline_ms;
    wf_fault_spare(true);
    ck_assert_ptr_null(asked_home.q); // one step at a time
    wf_arena_init(&asked_home.arena, 8u * WF_MIB);
    ck_assert_int_eq(wf_pb_pack(q, &packed), WEFT_OK);
    ck_assert_int_eq(wf_pb_unpack(&weft__v1__request__descriptor, wf_buf_view(&packed),
                         WF_PB_STRICT, &asked_home.arena, &asked_home.q),
        WEFT_OK);
    wf_buf_fini(&packed);
    asked_home.done = done;
    asked_home.arg = arg;
    wf_fault_spare(false);
    return WEFT_OK;
}

static void answer(enum weft_err err, const Weft__V1__Reply *reply)
{
    wf_link_fn done = asked_home.done;
    struct wf_arena arena = asked_home.arena; // the request's, until it is answered

    asked_home.q = NULL;
    wf_fault_spare(false); // what the mirror does with it is not the home's
    done(asked_home.arg, err, reply);
    wf_fault_spare(true);
    wf_arena_fini(&arena);
}

static void give_lease(void)
{
    static uint8_t id[WF_LEASE_ID_LEN] = { 1 };
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__LeaseReply r = WEFT__V1__LEASE_REPLY__INIT;
    struct wf_buf beat = word(&home, &owner->node, now());

    r.lease_id = wf_pb_bin(WF_BYTES(id));
    r.heartbeat = wf_pb_bin(wf_buf_view(&beat));
    r.expires_ms = now() + 600000;
    r.product_id = wf_pb_bin(wf_hash_view(&product_id));
    reply.kind_case = WEFT__V1__REPLY__KIND_LEASE;
    reply.lease = &r;
    answer(WEFT_OK, &reply);
    wf_buf_fini(&beat);
}

// Two entries at a time. False: the mirror knows that it has all, and waits for more.
static bool give_entries(void)
{
    const Weft__V1__RangeRequest *q = asked_home.q->pull->range;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__RangeReply r = WEFT__V1__RANGE_REPLY__INIT;
    ProtobufCBinaryData entries[2];

    if (q->log_id && q->log_id->counter != home_log) {
        answer(WEFT_E_LOG_ID, NULL);
        return true;
    }
    r.entries = entries;
    for (size_t i = 0; i < ENTRIES && r.n_entries < 2; i++)
        if (q->start == WEFT__V1__RANGE_REQUEST__START__START_EARLIEST ||
            (i > 0 && home.entry[i].offset >= q->from))
            entries[r.n_entries++] = wf_pb_bin(wf_buf_view(&home.sealed[i]));
    if (!r.n_entries && m->state == WF_MIRROR_FOLLOWING)
        return false;
    struct wf_buf beat = word(&home, &owner->node, now());
    r.heartbeat = wf_pb_bin(wf_buf_view(&beat));
    reply.kind_case = WEFT__V1__REPLY__KIND_RANGE;
    reply.range = &r;
    answer(WEFT_OK, &reply);
    wf_buf_fini(&beat);
    return true;
}

// As the owner's rule gives it.
static void give_token(void)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__AccessReply r = WEFT__V1__ACCESS_REPLY__INIT;
    struct wf_token *own = token(&n.keys.sign_pub, WF_VERB_MIRROR, "flows");

    r.state = wf_pb_str("granted");
    r.token = wf_pb_bin(wf_buf_view(&own->raw));
    reply.kind_case = WEFT__V1__REPLY__KIND_ACCESS;
    reply.access = &r;
    answer(WEFT_OK, &reply);
    wf_token_free(own);
}

static void give_documents(void)
{
    const Weft__V1__GetRequest *q = asked_home.q->get;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__GetReply r = WEFT__V1__GET_REPLY__INIT;
    Weft__V1__Document found[2], *documents[2] = { &found[0], &found[1] };

    ck_assert_uint_le(q->n_hashes, 2);
    for (size_t i = 0; i < q->n_hashes; i++) {
        bool is_chain = wf_bytes_eq(wf_pb_view(q->hashes[i]), wf_hash_view(&cert_id));
        weft__v1__document__init(&found[i]);
        found[i].hash = q->hashes[i];
        found[i].content =
            wf_pb_bin(is_chain ? wf_buf_view(&owner->node_chain) : WF_STR("a schema"));
    }
    r.documents = documents;
    r.n_documents = q->n_hashes;
    reply.kind_case = WEFT__V1__REPLY__KIND_GET;
    reply.get = &r;
    answer(WEFT_OK, &reply);
}

// False: nothing was asked that it answers now.
static bool serve_home(void)
{
    bool answered = asked_home.q != NULL;

    wf_fault_spare(true);
    switch (answered ? asked_home.q->kind_case : WEFT__V1__REQUEST__KIND__NOT_SET) {
    case WEFT__V1__REQUEST__KIND_LEASE:
        give_lease();
        break;
    case WEFT__V1__REQUEST__KIND_PULL:
        answered = give_entries();
        break;
    case WEFT__V1__REQUEST__KIND_GET:
        give_documents();
        break;
    case WEFT__V1__REQUEST__KIND_ACCESS: // its own could not be read
        give_token();
        break;
    default:
        ck_assert(!answered);
    }
    wf_fault_spare(false);
    return answered;
}

// ---- the mirror's life ---------------------------------------------------------------------------------------------------

static void hold_token(void)
{
    struct wf_token *own = token(&n.keys.sign_pub, WF_VERB_MIRROR, "flows");
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(
        wf_identity_import_token(core.dir, wf_buf_view(&own->raw), now(), NULL, &diag), WEFT_OK);
    wf_token_free(own);
}

static void learn(enum wf_entry_kind kind, struct wf_buf raw)
{
    enum wf_learned learned;

    ck_assert_int_eq(
        wf_catalog_learn(catalog, kind, wf_buf_view(&raw), mesh.charter, now(), &learned), WEFT_OK);
    wf_buf_fini(&raw);
}

// A node that knows product, home and owner, and holds nothing yet.
static void begin(void)
{
    struct wf_test_entry flows = { .domain = WF_TEST_NETWORK,
        .name = "flows",
        .term = 1,
        .sequence = (uint64_t)WF_TEST_NOW,
        .life_ms = 40 * WF_TEST_DAY };
    const struct wf_pool_conf one = { .workers = 1 };

    setup();
    wf_mirror_room.close(&n);
    core.dir = wf_test_identity_dir(&mesh, WF_TEST_SERVERS, n.conf->data, now());
    n.has_certificate = true;
    n.identity = core.dir->identity;
    ck_assert_int_eq(wf_store_mem_new(&registry), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_new(registry, (struct wf_quota){ 0 }, mesh.charter, now(), NULL, &catalog),
        WEFT_OK);
    learn(WF_ENTRY_HOME, wf_test_home(&mesh, &flows));
    learn(WF_ENTRY_PRODUCT, wf_test_product_advert(&mesh, &flows));
    ck_assert_int_eq(wf_pool_new(n.loop, &one, &n.pool), WEFT_OK);
    home_link = (struct wf_link *)(void *)&home;
    make_home(&home, &product_id, &owner->node);
}

static enum weft_err try_start(void)
{
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_mirror_room.open(&n, &diag);

    if (!err)
        err = wf_mirror_room.start(&n, &diag);
    m = n.mirror ? n.mirror->mirrors : NULL;
    return err;
}

static void stop(void)
{
    wf_fault_spare(true);
    wf_mirror_room.close(&n);
    if (asked_home.q)
        answer(WEFT_E_CLOSED, NULL);
    wf_fault_spare(false);
    m = NULL;
}

static void leave(void)
{
    home_fini(&home);
    wf_pool_free(n.pool);
    wf_catalog_free(catalog);
    wf_store_free(registry);
    wf_identity_free(core.dir);
    teardown();
}

static bool has_all(void)
{
    return m && !m->check && m->state == WF_MIRROR_FOLLOWING &&
           m->head.next_offset == home.head.next_offset;
}

static bool stands(void)
{
    return m && !m->ask && !m->check && m->why[0];
}

static enum weft_err follow(void)
{
    for (int i = 0; i < PATIENCE && !has_all() && !stands(); i++)
        if (!serve_home())
            wf_loop_turn(n.loop, 1);
    return has_all() ? WEFT_OK : WEFT_E_PARTIAL;
}

#endif
