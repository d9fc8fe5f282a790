// SPDX-License-Identifier: Apache-2.0
// Proofs of equivocation: of one author, about one place, and what one key says is not what another one does.
#include "tests/registry/catalog_rig.h"

START_TEST(a_proof_of_nothing_is_refused)
{
    struct wf_buf a = NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"),
                  later = NODE(.sequence = WF_TEST_SEQ + 1, .variant = "b:1"), raw = { 0 };
    struct wf_hash low = { { 0 } }, high = { { 1 } };
    struct wf_known about;
    struct wf_name node;

    ck_assert_int_eq(
        wf_proof_make(WF_ENTRY_NODE, wf_buf_view(&a), &low, wf_buf_view(&later), &high, &raw),
        WEFT_OK);
    ck_assert_int_eq(
        wf_proof_check(wf_buf_view(&raw), mesh.charter, WF_TEST_NOW, &about, &node), WEFT_E_ORDER);
    raw.len = 0;
    ck_assert_int_eq(
        wf_proof_make(WF_ENTRY_NODE, wf_buf_view(&a), &low, wf_buf_view(&a), &high, &raw), WEFT_OK);
    ck_assert_int_eq(wf_proof_check(wf_buf_view(&raw), mesh.charter, WF_TEST_NOW, &about, &node),
        WEFT_E_NOT_CANONICAL);
    raw.len = 0;
    ck_assert_int_eq(
        wf_proof_make(WF_ENTRY_PROOF, wf_buf_view(&a), &low, wf_buf_view(&a), &high, &raw),
        WEFT_OK);
    ck_assert_int_eq(
        wf_proof_check(wf_buf_view(&raw), mesh.charter, WF_TEST_NOW, &about, &node), WEFT_E_TYPE);
    wf_buf_fini(&a);
    wf_buf_fini(&later);
    wf_buf_fini(&raw);
}
END_TEST

// The mesh as it is, but the node of "servers" is another one, with keys of its own, that its issuer certified too.
static struct wf_test_mesh with_node(const char *subject)
{
    struct wf_test_mesh m = mesh;
    struct wf_test_domain *d = &m.d[WF_TEST_SERVERS];
    struct wf_cert cert = wf_test_cert("servers", WF_ID_NODE, "other");

    ck_assert_int_eq(wf_name_from(wf_bytes_str(subject), &cert.subject), WEFT_OK);
    d->node = wf_test_sign_key("servers/other", &d->node_pub);
    d->node_dh = wf_test_dh_key("servers/other", &d->node_dh_pub);
    d->node_cert = wf_test_cert_issue(&cert, &d->issuer);
    d->node_chain = wf_test_chain(wf_buf_view(&d->node_cert), wf_buf_view(&d->issuer_cert));
    return m;
}

static void with_node_fini(struct wf_test_mesh *m)
{
    struct wf_test_domain *d = &m->d[WF_TEST_SERVERS];

    wf_secret_fini(&d->node);
    wf_secret_fini(&d->node_dh);
    wf_buf_fini(&d->node_cert);
    wf_buf_fini(&d->node_chain);
}

static struct wf_buf product_of(
    const struct wf_test_mesh *m, uint64_t sequence, const char *variant)
{
    return wf_test_product_advert(m, ENTRY(.term = 1, .sequence = sequence, .variant = variant,
                                         .node = m == &mesh ? "node-1" : "node-2"));
}

static const struct wf_test_entry network = {
    .domain = WF_TEST_NETWORK, .name = "cpu", .term = 1, .sequence = WF_TEST_SEQ
};
static const struct wf_test_entry mem = {
    .domain = WF_TEST_SERVERS, .name = "mem", .term = 1, .sequence = WF_TEST_SEQ
};

// Both orders of the two, so that one of them has the lower id first. What the check of the right one says.
static enum weft_err check_both(enum wf_entry_kind kind, struct wf_buf a, struct wf_buf b)
{
    const struct wf_hash low = { { 0 } }, high = { { 1 } };
    struct wf_bytes in[] = { wf_buf_view(&a), wf_buf_view(&b) };
    enum weft_err err = WEFT_E_NOT_CANONICAL;
    struct wf_known about;
    struct wf_name node;

    for (int i = 0; i < 2 && err == WEFT_E_NOT_CANONICAL; i++) {
        struct wf_buf raw = { 0 };
        ck_assert_int_eq(wf_proof_make(kind, in[i], &low, in[!i], &high, &raw), WEFT_OK);
        err = wf_proof_check(wf_buf_view(&raw), mesh.charter, WF_TEST_NOW, &about, &node);
        wf_buf_fini(&raw);
    }
    wf_buf_fini(&a);
    wf_buf_fini(&b);
    return err;
}

START_TEST(a_pair_that_proves_nothing_is_refused)
{
    struct wf_test_mesh two = with_node("node-2"), forged = mesh;
    struct wf_test_domain *d = &forged.d[WF_TEST_SERVERS];
    struct wf_cert issuer = wf_test_cert("servers", WF_ID_ISSUER, "issuer");

    ck_assert_int_eq(check_both(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"),
                         NODE(.sequence = WF_TEST_SEQ, .variant = "b:1")),
        WEFT_OK);
    ck_assert_int_eq(check_both(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"),
                         wf_test_node_advert(&mesh, &network)),
        WEFT_E_TYPE);
    ck_assert_int_eq(check_both(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ),
                         wf_test_home(&mesh, &network)),
        WEFT_E_TYPE);
    ck_assert_int_eq(check_both(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ),
                         wf_test_home(&mesh, &mem)),
        WEFT_E_TYPE);
    ck_assert_int_eq(check_both(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ),
                         HOME(.term = 2, .sequence = WF_TEST_SEQ)),
        WEFT_E_ORDER);
    ck_assert_int_eq(check_both(WF_ENTRY_PRODUCT, product_of(&mesh, WF_TEST_SEQ, NULL),
                         product_of(&two, WF_TEST_SEQ, NULL)),
        WEFT_E_TYPE);
    // A list of an issuer that the domain's root never made.
    d->issuer_cert = wf_test_cert_issue(&issuer, &mesh.d[WF_TEST_NETWORK].root);
    ck_assert_int_eq(
        check_both(WF_ENTRY_REVOCATIONS, LIST(.term = 5, .sequence = WF_TEST_SEQ),
            wf_test_list(&forged, ENTRY(.term = 5, .sequence = WF_TEST_SEQ, .variant = "token"))),
        WEFT_E_CHAIN);
    wf_buf_fini(&d->issuer_cert);
    with_node_fini(&two);
}
END_TEST

START_TEST(a_list_of_no_issuer_of_the_domain_is_refused)
{
    struct wf_test_mesh forged = mesh;
    struct wf_test_domain *d = &forged.d[WF_TEST_SERVERS];
    struct wf_cert issuer = wf_test_cert("servers", WF_ID_ISSUER, "issuer");
    enum wf_learned l;

    d->issuer_cert = wf_test_cert_issue(&issuer, &mesh.d[WF_TEST_NETWORK].root);
    ck_assert_int_eq(learn(WF_ENTRY_REVOCATIONS,
                         wf_test_list(&forged, ENTRY(.term = 5, .sequence = WF_TEST_SEQ)), &l),
        WEFT_E_CHAIN);
    ck_assert_uint_eq(wf_catalog_count(catalog), 0);
    wf_buf_fini(&d->issuer_cert);
}
END_TEST

START_TEST(who_is_not_the_home_proves_nothing_about_its_product)
{
    struct wf_test_mesh two = with_node("node-2");
    enum wf_learned l;
    struct wf_store *s = NULL;
    struct wf_catalog *theirs = NULL;
    struct wf_buf proof = { 0 };

    // Where node-2 is the home, it contradicts itself, as far ahead as may be.
    ck_assert_int_eq(wf_store_mem_new(&s), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_new(s, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &theirs),
        WEFT_OK);
    ck_assert_int_eq(
        learn_into(theirs, WF_ENTRY_HOME,
            HOME(.term = 1, .sequence = WF_TEST_SEQ, .node = "node-2"), WF_TEST_NOW, &l),
        WEFT_OK);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(learn_into(theirs, WF_ENTRY_PRODUCT,
                             product_of(&two, WF_TEST_SEQ + 50000, i ? "a" : "b"), WF_TEST_NOW, &l),
            WEFT_OK);
    for (const struct wf_known *k = NULL; (k = wf_catalog_next(theirs, k)) != NULL;)
        if (k->kind == WF_ENTRY_PROOF)
            ck_assert_int_eq(wf_bytes_dup(k->raw, &proof), WEFT_OK);
    ck_assert_uint_gt(proof.len, 0);

    struct wf_buf again = { 0 };
    ck_assert_int_eq(wf_bytes_dup(wf_buf_view(&proof), &again), WEFT_OK);
    ck_assert_int_eq(learn(WF_ENTRY_PROOF, again, &l), WEFT_E_NO_HOME);
    ck_assert_int_eq(learn(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(learn(WF_ENTRY_PROOF, proof, &l), WEFT_E_NOT_OWNER);
    ck_assert_int_eq(learn(WF_ENTRY_PRODUCT, product_of(&mesh, WF_TEST_SEQ, NULL), &l), WEFT_OK);
    ck_assert_ptr_nonnull(wf_catalog_find(catalog, WF_ENTRY_PRODUCT, "servers", "cpu"));

    // It goes with the term, there too: newcomers would not take it.
    ck_assert_int_eq(learn_into(theirs, WF_ENTRY_HOME, HOME(.term = 2, .sequence = WF_TEST_SEQ),
                         WF_TEST_NOW, &l),
        WEFT_OK);
    ck_assert_uint_eq(wf_catalog_count(theirs), 1);
    wf_catalog_free(theirs);
    wf_store_free(s);
    with_node_fini(&two);
}
END_TEST

START_TEST(a_proof_about_a_product_goes_with_its_home)
{
    enum wf_learned l;

    ck_assert_int_eq(
        learn(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ, .life_ms = 60000), &l),
        WEFT_OK);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            learn(WF_ENTRY_PRODUCT, product_of(&mesh, WF_TEST_SEQ, i ? "a" : "b"), &l), WEFT_OK);
    ck_assert_uint_eq(wf_catalog_count(catalog), 3);
    wf_catalog_expire(catalog, WF_TEST_NOW + 120000);
    wf_catalog_expire(catalog, WF_TEST_NOW + 120000);
    ck_assert_uint_eq(wf_catalog_count(catalog), 1); // the advert of an hour
}
END_TEST

// A machine that was replaced has its name's old key: what it signs may meet what the new one signs, and proves nothing against it.
START_TEST(of_two_authors_at_one_order_the_same_one_counts_everywhere)
{
    struct wf_test_mesh old = with_node("node-1");
    struct wf_store *s = NULL;
    struct wf_catalog *other = NULL;
    struct wf_hash a, b;
    enum wf_learned l;

    ck_assert_int_eq(wf_store_mem_new(&s), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_new(s, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &other),
        WEFT_OK);
    for (int i = 0; i < 2; i++) {
        struct wf_catalog *c = i ? other : catalog;
        for (int k = 0; k < 2; k++) {
            const struct wf_test_mesh *m = i == k ? &mesh : &old;
            enum weft_err err = learn_into(c, WF_ENTRY_NODE,
                wf_test_node_advert(m, ENTRY(.sequence = WF_TEST_SEQ)), WF_TEST_NOW, &l);
            ck_assert(err == WEFT_OK || (k == 1 && err == WEFT_E_STALE));
            ck_assert(err || l == WF_LEARNED_NEW);
        }
        ck_assert_uint_eq(wf_catalog_count(c), 1);
        ck_assert_ptr_nonnull(wf_catalog_find(c, WF_ENTRY_NODE, "servers", "node-1"));
    }
    wf_catalog_root(catalog, &a);
    wf_catalog_root(other, &b);
    ck_assert(wf_hash_eq(&a, &b));
    // What one of them proves about itself bars the other one's documents not at all: neither what is there nor what comes.
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ + 1), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_PROOF,
            proof_of(WF_ENTRY_NODE,
                wf_test_node_advert(&old, ENTRY(.sequence = WF_TEST_SEQ + 50000, .variant = "a:1")),
                wf_test_node_advert(
                    &old, ENTRY(.sequence = WF_TEST_SEQ + 50000, .variant = "b:1"))),
            &l),
        WEFT_OK);
    ck_assert_ptr_nonnull(wf_catalog_find(catalog, WF_ENTRY_NODE, "servers", "node-1"));
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ + 2), &l), WEFT_OK);
    ck_assert_ptr_nonnull(wf_catalog_find(catalog, WF_ENTRY_NODE, "servers", "node-1"));
    wf_catalog_free(other);
    wf_store_free(s);
    with_node_fini(&old);
}
END_TEST

START_TEST(what_a_domain_said_goes_with_it)
{
    struct wf_charter left = *mesh.charter;
    enum wf_learned l;

    left.member_count--; // "servers" is the last of them
    ck_assert_str_eq(left.members[left.member_count].name.s, "servers");
    ck_assert_int_eq(learn(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_REVOCATIONS, LIST(.term = 5, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "b:1"), &l), WEFT_OK);
    ck_assert_int_eq(learn(WF_ENTRY_NODE, wf_test_node_advert(&mesh, &network), &l), WEFT_OK);
    ck_assert_uint_eq(wf_catalog_recheck(catalog, mesh.charter, WF_TEST_NOW), 0);
    ck_assert_uint_eq(wf_catalog_recheck(catalog, &left, WF_TEST_NOW), 4);
    ck_assert_uint_eq(wf_catalog_count(catalog), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("proof");
    TCase *t = tcase_create("proof");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_proof_of_nothing_is_refused);
    tcase_add_test(t, a_pair_that_proves_nothing_is_refused);
    tcase_add_test(t, a_list_of_no_issuer_of_the_domain_is_refused);
    tcase_add_test(t, who_is_not_the_home_proves_nothing_about_its_product);
    tcase_add_test(t, a_proof_about_a_product_goes_with_its_home);
    tcase_add_test(t, of_two_authors_at_one_order_the_same_one_counts_everywhere);
    tcase_add_test(t, what_a_domain_said_goes_with_it);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
