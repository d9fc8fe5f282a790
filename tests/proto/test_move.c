// SPDX-License-Identifier: Apache-2.0
// Orders that move a product: what they say, and that the domain's issuer alone can say it.
#include <check.h>

#include "proto/trust/doc.h"
#include "proto/trust/move.h"
#include "tests/support/trust_mesh.h"

#define NOW WF_TEST_NOW

static struct wf_test_mesh mesh;
static struct wf_test_domain *servers, *network;

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    servers = &mesh.d[WF_TEST_SERVERS];
    network = &mesh.d[WF_TEST_NETWORK];
}

static void teardown(void)
{
    wf_test_mesh_fini(&mesh);
}

static struct wf_move fields(void)
{
    return (struct wf_move){ .mesh_id = mesh.charter->mesh_id,
        .domain = { "servers" },
        .product = { "depth" },
        .from = { "node-2" },
        .to = { "node-3" },
        .term = 2,
        .sequence = NOW,
        .expires_ms = NOW + WF_TEST_DAY };
}

static struct wf_buf sealed(void)
{
    struct wf_move f = fields();
    struct wf_buf out = { 0 };

    ck_assert_int_eq(
        wf_move_sign(&f, wf_buf_view(&servers->issuer_cert), &servers->issuer, &out), WEFT_OK);
    return out;
}

static enum weft_err open_move(struct wf_bytes raw, void *context)
{
    struct wf_move m;
    enum weft_err err = wf_move_open(raw, &m);

    (void)context;
    return err ? err : wf_move_verify(&m, mesh.charter, NOW);
}

START_TEST(an_order_comes_back_as_it_was_signed)
{
    struct wf_move f = fields(), got;
    struct wf_buf raw = sealed();

    ck_assert_int_eq(wf_move_open(wf_buf_view(&raw), &got), WEFT_OK);
    ck_assert_str_eq(got.domain.s, "servers");
    ck_assert_str_eq(got.product.s, "depth");
    ck_assert_str_eq(got.from.s, "node-2");
    ck_assert_str_eq(got.to.s, "node-3");
    ck_assert_uint_eq(got.term, 2);
    ck_assert_uint_eq(got.sequence, (uint64_t)NOW);
    ck_assert_int_eq(got.expires_ms, f.expires_ms);
    ck_assert(!got.lost);
    ck_assert_int_eq(wf_move_verify(&got, mesh.charter, NOW), WEFT_OK);
    wf_test_trust_vector("850-move", "an order that moves a product", wf_buf_view(&raw));
    wf_test_truncations(wf_buf_view(&raw), open_move, NULL);
    wf_test_bit_flips(wf_buf_view(&raw), 7, open_move, NULL);
    wf_buf_fini(&raw);
}
END_TEST

#define MUTATION(name, statement)                                                                  \
    static void name(Weft__V1__Move *m)                                                            \
    {                                                                                              \
        statement;                                                                                 \
    }
static uint8_t nine[WF_KEY_LEN] = { 9 };
MUTATION(nothing, (void)m)
MUTATION(no_mesh, m->mesh_id.len = 0)
MUTATION(no_domain, m->domain = wf_pb_str(""))
MUTATION(other_domain, m->domain = wf_pb_str("network"))
MUTATION(no_product, m->product = wf_pb_str(""))
MUTATION(bad_product, m->product = wf_pb_str("a/b"))
MUTATION(no_node, m->node = wf_pb_str(""))
MUTATION(no_from, m->from = wf_pb_str(""))
MUTATION(to_itself, m->from = m->node)
MUTATION(no_term, m->term = 0)
MUTATION(far_term, m->term = m->sequence + 1)
MUTATION(far_sequence, m->sequence = WF_MAX_TIME_MS + UINT64_C(1))
MUTATION(no_life, m->expires_ms = (int64_t)m->sequence)
MUTATION(negative_end, m->expires_ms = -1)
MUTATION(no_signer, m->signer.len = 0)
MUTATION(other_signer, m->signer = wf_pb_bin(WF_BYTES(nine)))
MUTATION(no_issuer, m->issuer.len = 0)
MUTATION(other_issuer, m->issuer = wf_pb_bin(wf_buf_view(&network->issuer_cert)))
MUTATION(from_the_future, m->sequence = (uint64_t)NOW + 60001)
MUTATION(over, (m->sequence = 2, m->term = 1, m->expires_ms = NOW))
MUTATION(other_mesh, m->mesh_id = wf_pb_bin(WF_BYTES(nine)))

static const struct {
    const char *why;
    void (*mutate)(Weft__V1__Move *m);
    enum weft_err want;
} rows[] = {
    { "unchanged", nothing, WEFT_OK },
    { "no mesh id", no_mesh, WEFT_E_MISSING_FIELD },
    { "another mesh", other_mesh, WEFT_E_WRONG_MESH },
    { "no domain", no_domain, WEFT_E_MISSING_FIELD },
    { "a domain that its issuer is not of", other_domain, WEFT_E_WRONG_DOMAIN },
    { "no product", no_product, WEFT_E_MISSING_FIELD },
    { "a product with a slash", bad_product, WEFT_E_NAME },
    { "no new home", no_node, WEFT_E_MISSING_FIELD },
    { "no old home", no_from, WEFT_E_MISSING_FIELD },
    { "from a node to itself", to_itself, WEFT_E_RANGE },
    { "no term", no_term, WEFT_E_MISSING_FIELD },
    { "a term above its signing time", far_term, WEFT_E_RANGE },
    { "a sequence that leaves no successor", far_sequence, WEFT_E_RANGE },
    { "no time to live", no_life, WEFT_E_RANGE },
    { "an end below 0", negative_end, WEFT_E_RANGE },
    { "no signer", no_signer, WEFT_E_MISSING_FIELD },
    { "another signer", other_signer, WEFT_E_SIGNATURE },
    { "no certificate", no_issuer, WEFT_E_MISSING_FIELD },
    { "another issuer's certificate", other_issuer, WEFT_E_CHAIN },
    { "61 s ahead", from_the_future, WEFT_E_FUTURE },
    { "its time is over", over, WEFT_E_EXPIRED },
};

static void message(Weft__V1__Move *m, const struct wf_sign_pub *signer)
{
    weft__v1__move__init(m);
    m->mesh_id = wf_pb_bin(wf_hash_view(&mesh.charter->mesh_id));
    m->domain = wf_pb_str("servers");
    m->product = wf_pb_str("depth");
    m->from = wf_pb_str("node-2");
    m->node = wf_pb_str("node-3");
    m->term = 2;
    m->sequence = NOW;
    m->expires_ms = NOW + WF_TEST_DAY;
    m->signer = wf_pb_bin(WF_BYTES(signer->b));
    m->issuer = wf_pb_bin(wf_buf_view(&servers->issuer_cert));
}

START_TEST(each_bad_field_has_its_reason)
{
    struct wf_sign_pub signer;
    struct wf_buf raw = { 0 };
    Weft__V1__Move m;

    wf_sign_public(&servers->issuer, &signer);
    message(&m, &signer);
    rows[_i].mutate(&m);
    ck_assert_int_eq(wf_doc_seal(WF_DOC_MOVE, &m, &servers->issuer, &raw), WEFT_OK);
    enum weft_err err = open_move(wf_buf_view(&raw), NULL);
    ck_assert_msg(err == rows[_i].want, "%s: %s", rows[_i].why, weft_err_name(err));
    if (_i)
        wf_test_trust_refused(
            (unsigned)(850 + _i), "move", rows[_i].want, rows[_i].why, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}
END_TEST

// A node's key, an issuer of another domain with its own certificate, another kind of document: nobody but the issuer of the domain.
START_TEST(nobody_but_the_domains_issuer_orders)
{
    struct wf_move f = fields(), got;
    struct wf_buf raw = { 0 };
    struct wf_sealed s;
    struct wf_arena arena;

    ck_assert_int_eq(
        wf_move_sign(&f, wf_buf_view(&servers->issuer_cert), &servers->node, &raw), WEFT_E_CHAIN);
    ck_assert_int_eq(wf_move_sign(&f, wf_buf_view(&network->issuer_cert), &network->issuer, &raw),
        WEFT_E_WRONG_DOMAIN);
    raw = sealed();
    ck_assert_int_eq(wf_move_open(wf_buf_view(&raw), &got), WEFT_OK);
    ck_assert_int_eq(wf_cert_open(wf_buf_view(&servers->node_cert), &got.issuer), WEFT_OK);
    ck_assert_int_eq(
        wf_move_verify(&got, mesh.charter, NOW), WEFT_E_CHAIN); // no root stands behind it
    wf_arena_init(&arena, 1u << 20);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&raw), WF_DOC_MOVE, &arena, &s), WEFT_OK);
    wf_test_purposes(s.body, WF_DOC_MOVE, &servers->issuer, open_move, NULL);
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proto.move");
    TCase *t = tcase_create("move");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, an_order_comes_back_as_it_was_signed);
    tcase_add_loop_test(t, each_bad_field_has_its_reason, 0, (int)WF_COUNT(rows));
    tcase_add_test(t, nobody_but_the_domains_issuer_orders);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
