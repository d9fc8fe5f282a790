// SPDX-License-Identifier: Apache-2.0
// What the signer signs and what it refuses: each kind for the own domain alone, and nothing of rubbish.
#include <stdlib.h>

#include "proto/trust/product.h"
#include "tests/node/signer_rig.h"

static enum weft_err answer(uint32_t op, struct wf_bytes body)
{
    wf_buf_fini(&out);
    return wf_signer_answer(&child, op, body, &out);
}

START_TEST(a_certificate_of_the_own_domain_is_signed)
{
    struct wf_cert c = wf_test_cert("servers", WF_ID_AGENT, "web-1"), opened;

    ck_assert_int_eq(answer(WF_SIGNER_CERT, wf_bytes(&c, sizeof c)), WEFT_OK);
    ck_assert_int_eq(wf_cert_open(wf_buf_view(&out), &opened), WEFT_OK);
    ck_assert_str_eq(opened.subject.s, "web-1");
    struct wf_buf chain = wf_test_chain(wf_buf_view(&out), child.cert);
    struct wf_identity id;
    ck_assert_int_eq(
        wf_chain_verify(wf_buf_view(&chain), mesh.charter, WF_TEST_NOW, 0, &id), WEFT_OK);
    wf_buf_fini(&chain);
}
END_TEST

static const struct {
    const char *why;
    int change;
    enum weft_err want;
} certs[] = {
    { "of another domain", 0, WEFT_E_WRONG_DOMAIN },
    { "another issuer", 1, WEFT_E_KIND },
    { "a byte short", 2, WEFT_E_SYNTAX },
    { "a byte long", 3, WEFT_E_SYNTAX },
    { "a subject without an end", 4, WEFT_E_NAME },
    { "a domain without an end", 5, WEFT_E_NAME },
    { "a subject that is no name", 6, WEFT_E_NAME },
    { "more patterns than there is room for", 7, WEFT_E_NAME },
    { "a pattern without an end", 8, WEFT_E_NAME },
};

START_TEST(a_certificate_that_must_not_be_is_refused)
{
    struct wf_cert c[2] = { wf_test_cert("servers", WF_ID_AGENT, "web-1") };
    size_t len = sizeof c[0];

    switch (certs[_i].change) {
    case 0:
        c[0] = wf_test_cert("network", WF_ID_AGENT, "web-1");
        break;
    case 1:
        c[0] = wf_test_cert("servers", WF_ID_ISSUER, "issuer-2");
        break;
    case 2:
        len--;
        break;
    case 3:
        len++;
        break;
    case 4:
        memset(c[0].subject.s, 'a', sizeof c[0].subject.s);
        break;
    case 5:
        memset(c[0].domain.s, 's', sizeof c[0].domain.s);
        break;
    case 6:
        memcpy(c[0].subject.s, "../x", 5);
        break;
    case 7:
        c[0].pattern_count = SIZE_MAX;
        break;
    default:
        c[0].pattern_count = 1;
        memset(c[0].patterns[0].s, 'a', sizeof c[0].patterns[0].s);
        break;
    }
    enum weft_err err = answer(WF_SIGNER_CERT, wf_bytes(c, len));
    ck_assert_msg(err == certs[_i].want, "%s: %s", certs[_i].why, weft_err_name(err));
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

static struct wf_signer_home home_of(const char *domain)
{
    struct wf_signer_home h = { .mesh_id = mesh.charter->mesh_id,
        .term = 1,
        .sequence = WF_TEST_NOW,
        .expires_ms = WF_TEST_NOW + WF_TEST_DAY };

    ck_assert_int_eq(wf_name_from(wf_bytes_str(domain), &h.domain), WEFT_OK);
    ck_assert_int_eq(wf_name_from(WF_STR("hosts"), &h.product), WEFT_OK);
    ck_assert_int_eq(wf_name_from(WF_STR("node-1"), &h.node), WEFT_OK);
    return h;
}

START_TEST(a_home_is_signed_for_the_own_domain_alone)
{
    struct wf_signer_home h = home_of("servers");

    ck_assert_int_eq(answer(WF_SIGNER_HOME, wf_bytes(&h, sizeof h)), WEFT_OK);
    ck_assert_uint_gt(out.len, 0);
    h = home_of("network");
    ck_assert_int_eq(answer(WF_SIGNER_HOME, wf_bytes(&h, sizeof h)), WEFT_E_WRONG_DOMAIN);
    ck_assert_int_eq(answer(WF_SIGNER_HOME, wf_bytes(&h, sizeof h - 1)), WEFT_E_SYNTAX);
    memset(h.product.s, 'p', sizeof h.product.s);
    ck_assert_int_eq(answer(WF_SIGNER_HOME, wf_bytes(&h, sizeof h)), WEFT_E_NAME);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

// A token comes as a proposal of somebody who is no issuer of the mesh; it goes as the domain's.
START_TEST(a_token_is_granted_for_the_own_domain_alone)
{
    struct wf_test_holders who;
    struct wf_test_block b;
    struct wf_buf proposal = { 0 }, longer = { 0 };
    struct wf_token *t = NULL;

    wf_test_holders_init(&who);
    wf_test_block_init(&b, &mesh.charter->mesh_id, "servers", &who.alice_pub);
    wf_test_block_limit(&b);
    ck_assert_int_eq(wf_token_grant(&b.fields, child.cert, &servers->issuer, &proposal), WEFT_OK);
    ck_assert_int_eq(answer(WF_SIGNER_TOKEN, wf_buf_view(&proposal)), WEFT_OK);
    ck_assert_int_eq(wf_token_open(wf_buf_view(&out), &t, NULL), WEFT_OK);
    ck_assert_int_eq(wf_token_verify(t, mesh.charter, WF_TEST_NOW), WEFT_OK);

    wf_test_block_init(&b, &mesh.charter->mesh_id, "servers", &who.bob_pub); // alice hands it on
    b.fields.expires_ms -= WF_TEST_HOUR;
    wf_test_block_limit(&b);
    ck_assert_int_eq(wf_token_delegate(t, &b.fields, &who.alice, &longer), WEFT_OK);
    ck_assert_int_eq(answer(WF_SIGNER_TOKEN, wf_buf_view(&longer)), WEFT_E_SYNTAX);

    struct wf_test_domain *network = &mesh.d[WF_TEST_NETWORK];
    wf_test_block_init(&b, &mesh.charter->mesh_id, "network", &who.alice_pub);
    wf_buf_fini(&proposal);
    ck_assert_int_eq(
        wf_token_grant(&b.fields, wf_buf_view(&network->issuer_cert), &network->issuer, &proposal),
        WEFT_OK);
    ck_assert_int_eq(answer(WF_SIGNER_TOKEN, wf_buf_view(&proposal)), WEFT_E_WRONG_DOMAIN);
    ck_assert_int_ne(answer(WF_SIGNER_TOKEN, WF_STR("no token")), WEFT_OK);
    ck_assert_uint_eq(out.len, 0);
    wf_token_free(t);
    wf_buf_fini(&proposal);
    wf_buf_fini(&longer);
    wf_test_holders_fini(&who);
}
END_TEST

START_TEST(a_revocation_list_is_signed_for_the_own_domain_alone)
{
    static const struct {
        int domain;
        enum weft_err want;
    } rows[] = { { WF_TEST_SERVERS, WEFT_OK }, { WF_TEST_NETWORK, WEFT_E_WRONG_DOMAIN } };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct wf_test_domain *d = &mesh.d[rows[i].domain];
        struct wf_revocations r = { .mesh_id = mesh.charter->mesh_id,
            .version = 1,
            .issued_ms = WF_TEST_NOW,
            .issuer_raw = wf_buf_view(&d->issuer_cert) };
        struct wf_buf proposal = { 0 };
        ck_assert_int_eq(wf_name_from(wf_bytes_str(d->name), &r.domain), WEFT_OK);
        ck_assert_int_eq(wf_revocations_sign(&r, &d->issuer, &proposal), WEFT_OK);
        ck_assert_int_eq(answer(WF_SIGNER_REVOCATIONS, wf_buf_view(&proposal)), rows[i].want);
        wf_buf_fini(&proposal);
    }
    ck_assert_int_ne(answer(WF_SIGNER_REVOCATIONS, WF_STR("no list")), WEFT_OK);
}
END_TEST

enum flaw { NO_FLAW, ANOTHERS, NO_END, NO_END_FROM, NO_END_TO, NO_END_PRODUCT, NO_BOOL, SHORT };

static const struct move_row {
    const char *why;
    enum flaw flaw;
    enum weft_err want;
} move_rows[] = {
    { "an order of the own domain", NO_FLAW, WEFT_OK },
    { "of another domain", ANOTHERS, WEFT_E_WRONG_DOMAIN },
    { "a domain without an end", NO_END, WEFT_E_NAME },
    { "an old home without an end", NO_END_FROM, WEFT_E_NAME },
    { "a new home without an end", NO_END_TO, WEFT_E_NAME },
    { "a product without an end", NO_END_PRODUCT, WEFT_E_NAME },
    { "a byte that is neither yes nor no", NO_BOOL, WEFT_E_SYNTAX },
    { "a byte short", SHORT, WEFT_E_SYNTAX },
};

static struct wf_name name_of(const char *text)
{
    struct wf_name name;

    ck_assert_int_eq(wf_name_from(wf_bytes_str(text), &name), WEFT_OK);
    return name;
}

static void without_end(struct wf_name *name)
{
    memset(name->s, 's', sizeof name->s);
}

START_TEST(an_order_to_move_is_signed_for_the_own_domain_alone)
{
    const struct move_row *r = &move_rows[_i];
    struct wf_move opened, m = { .mesh_id = mesh.charter->mesh_id,
        .domain = name_of(r->flaw == ANOTHERS ? "network" : "servers"),
        .product = name_of("cpu"),
        .from = name_of("node-1"),
        .to = name_of("node-2"),
        .term = 2,
        .sequence = WF_TEST_NOW,
        .expires_ms = WF_TEST_NOW + WF_TEST_HOUR,
        .lost = true };
    uint8_t bytes[sizeof m];

    if (r->flaw >= NO_END && r->flaw <= NO_END_PRODUCT)
        without_end(r->flaw == NO_END        ? &m.domain
                    : r->flaw == NO_END_FROM ? &m.from
                    : r->flaw == NO_END_TO   ? &m.to
                                             : &m.product);
    memcpy(bytes, &m, sizeof m);
    if (r->flaw == NO_BOOL)
        bytes[offsetof(struct wf_move, lost)] = 2;
    enum weft_err err = answer(WF_SIGNER_MOVE, wf_bytes(bytes, sizeof bytes - (r->flaw == SHORT)));
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    if (err) {
        ck_assert_uint_eq(out.len, 0);
        return;
    }
    ck_assert_int_eq(wf_move_open(wf_buf_view(&out), &opened), WEFT_OK);
    ck_assert(opened.lost && wf_name_eq(&opened.to, &m.to));
    ck_assert_int_eq(wf_move_verify(&opened, mesh.charter, WF_TEST_NOW), WEFT_OK);
}
END_TEST

// Batches, heartbeats, charters, bare bytes: there is no request for them.
START_TEST(every_other_kind_is_refused)
{
    struct wf_cert c = wf_test_cert("servers", WF_ID_AGENT, "web-1");

    for (uint32_t op = 0; op < 1024; op++) {
        if (op == WF_SIGNER_CERT || op == WF_SIGNER_HOME || op == WF_SIGNER_TOKEN ||
            op == WF_SIGNER_REVOCATIONS || op == WF_SIGNER_MOVE)
            continue;
        ck_assert_int_eq(answer(op, wf_bytes(&c, sizeof c)), WEFT_E_REQUEST);
        ck_assert_uint_eq(out.len, 0);
    }
    ck_assert_int_eq(answer(UINT32_MAX, wf_bytes(&c, sizeof c)), WEFT_E_REQUEST);
}
END_TEST

// A stolen weftd may send what it likes; the sanitizers watch.
START_TEST(rubbish_upsets_nothing)
{
    static const uint32_t ops[] = { WF_SIGNER_CERT, WF_SIGNER_HOME, WF_SIGNER_TOKEN,
        WF_SIGNER_REVOCATIONS, WF_SIGNER_MOVE };
    struct wf_cert c;
    uint64_t seed = 11;

    for (int i = 0; i < 4000; i++) {
        uint8_t bytes[4096];
        size_t len = (size_t)(wf_test_rand(&seed) % sizeof bytes);
        wf_test_rand_bytes(&seed, bytes, len);
        (void)answer(ops[i % 5], wf_bytes(bytes, len));
        c = wf_test_cert("servers", WF_ID_AGENT, "web-1");
        wf_test_rand_bytes(&seed, (uint8_t *)&c + wf_test_rand(&seed) % (sizeof c - 8), 8);
        (void)answer(WF_SIGNER_CERT, wf_bytes(&c, sizeof c));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.signer_signs");
    TCase *tc = tcase_create("signer_signs");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_certificate_of_the_own_domain_is_signed);
    tcase_add_loop_test(tc, a_certificate_that_must_not_be_is_refused, 0, (int)WF_COUNT(certs));
    tcase_add_test(tc, a_home_is_signed_for_the_own_domain_alone);
    tcase_add_test(tc, a_token_is_granted_for_the_own_domain_alone);
    tcase_add_test(tc, a_revocation_list_is_signed_for_the_own_domain_alone);
    tcase_add_loop_test(
        tc, an_order_to_move_is_signed_for_the_own_domain_alone, 0, WF_COUNT(move_rows));
    tcase_add_test(tc, every_other_kind_is_refused);
    tcase_add_test(tc, rubbish_upsets_nothing);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
