// SPDX-License-Identifier: Apache-2.0
#include "tests/registry/catalog_rig.h"

START_TEST(what_is_learned_is_found_by_key_and_by_id)
{
    enum wf_learned l;
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(l, WF_LEARNED_NEW);
    const struct wf_known *k = wf_catalog_find(catalog, WF_ENTRY_NODE, "servers", "node-1");
    ck_assert_ptr_nonnull(k);
    ck_assert_ptr_eq(wf_catalog_by_id(catalog, &k->id), k);
    ck_assert_str_eq(k->doc->node.addresses[0], "192.0.2.1:7400");
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(l, WF_LEARNED_SAME);
    ck_assert_uint_eq(wf_catalog_count(catalog), 1);
}
END_TEST

// Homes first, then one document after a known one: what is said of it.
static const struct order {
    const char *why;
    uint64_t home_term;
    struct wf_test_entry first, then;
    enum weft_err want;
} orders[] = {
    { "a later sequence replaces", 1, { .term = 1, .sequence = WF_TEST_SEQ },
        { .term = 1, .sequence = WF_TEST_SEQ + 1 }, WEFT_OK },
    { "an earlier sequence is stale", 1, { .term = 1, .sequence = WF_TEST_SEQ },
        { .term = 1, .sequence = WF_TEST_SEQ - 1 }, WEFT_E_STALE },
    { "a term of no known home waits for it", 1, { .term = 1, .sequence = WF_TEST_SEQ },
        { .term = 2, .sequence = WF_TEST_SEQ + 1 }, WEFT_E_NO_HOME },
    { "a product that has no home waits", 1, { .term = 1, .sequence = WF_TEST_SEQ },
        { .term = 1, .sequence = WF_TEST_SEQ + 1, .name = "mem" }, WEFT_E_NO_HOME },
    { "signed over a minute ahead", 1, { .term = 1, .sequence = WF_TEST_SEQ },
        { .term = 1, .sequence = WF_TEST_SEQ + 60001 }, WEFT_E_FUTURE },
    { "expired already", 1, { .term = 1, .sequence = WF_TEST_SEQ - 100000 },
        { .term = 1, .sequence = WF_TEST_SEQ - 90000, .life_ms = 60000 }, WEFT_E_EXPIRED },
    { "a term below the home's is stale", 2, { .term = 2, .sequence = WF_TEST_SEQ },
        { .term = 1, .sequence = WF_TEST_SEQ + 1 }, WEFT_E_STALE },
};

START_TEST(the_order_of_documents_decides)
{
    struct order o = orders[_i];
    enum wf_learned l;

    o.first.domain = o.then.domain = WF_TEST_SERVERS;
    o.first.name = "cpu";
    if (!o.then.name)
        o.then.name = "cpu";
    ck_assert_int_eq(
        learn(WF_ENTRY_HOME, HOME(.term = o.home_term, .sequence = WF_TEST_SEQ - 200000), &l),
        WEFT_OK);
    ck_assert_int_eq(learn(WF_ENTRY_PRODUCT, wf_test_product_advert(&mesh, &o.first), &l), WEFT_OK);
    enum weft_err err = learn(WF_ENTRY_PRODUCT, wf_test_product_advert(&mesh, &o.then), &l);
    ck_assert_msg(err == o.want, "%s: %s", o.why, weft_err_name(err));
}
END_TEST

START_TEST(a_product_without_a_home_waits)
{
    enum wf_learned l;
    ck_assert_int_eq(
        learn(WF_ENTRY_PRODUCT, PRODUCT(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_E_NO_HOME);
    ck_assert_uint_eq(wf_catalog_count(catalog), 0);
}
END_TEST

START_TEST(only_the_node_that_the_home_names_may_advertise)
{
    enum wf_learned l;
    ck_assert_int_eq(
        learn(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ, .node = "node-2"), &l),
        WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_PRODUCT, PRODUCT(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_E_NOT_OWNER);
}
END_TEST

START_TEST(a_new_home_ends_what_the_old_one_advertised)
{
    enum wf_learned l;
    ck_assert_int_eq(learn(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_PRODUCT, PRODUCT(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_HOME, HOME(.term = 2, .sequence = WF_TEST_SEQ, .node = "node-2"), &l),
        WEFT_OK);
    ck_assert_ptr_null(wf_catalog_find(catalog, WF_ENTRY_PRODUCT, "servers", "cpu"));
    ck_assert_int_eq(
        learn(WF_ENTRY_PRODUCT, PRODUCT(.term = 1, .sequence = WF_TEST_SEQ + 1), &l), WEFT_E_STALE);
}
END_TEST

START_TEST(the_home_of_a_product_is_a_node_that_answers)
{
    enum wf_learned l;
    const struct wf_known *node = NULL;
    ck_assert_int_eq(wf_catalog_home_node(catalog, "servers", "cpu", &node), WEFT_E_NO_HOME);
    ck_assert_int_eq(learn(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(wf_catalog_home_node(catalog, "servers", "cpu", &node), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(wf_catalog_home_node(catalog, "servers", "cpu", &node), WEFT_OK);
    ck_assert_str_eq(node->name.s, "node-1");
    ck_assert_int_eq(
        learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ + 1, .removed = true), &l), WEFT_OK);
    ck_assert_int_eq(wf_catalog_home_node(catalog, "servers", "cpu", &node), WEFT_E_NOT_FOUND);
}
END_TEST

START_TEST(a_tombstone_is_an_answer_until_it_expires)
{
    enum wf_learned l;
    ck_assert_int_eq(
        learn(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ, .life_ms = WF_TEST_DAY), &l),
        WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_PRODUCT, PRODUCT(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(learn(WF_ENTRY_PRODUCT,
                         PRODUCT(.term = 1, .sequence = WF_TEST_SEQ + 1, .removed = true), &l),
        WEFT_OK);
    const struct wf_known *k = wf_catalog_find(catalog, WF_ENTRY_PRODUCT, "servers", "cpu");
    ck_assert(k && k->removed);
    ck_assert_int_eq(
        learn(WF_ENTRY_PRODUCT, PRODUCT(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_E_STALE);
    ck_assert_uint_eq(wf_catalog_expire(catalog, WF_TEST_NOW + WF_TEST_HOUR + 10000), 1);
    ck_assert_ptr_null(wf_catalog_find(catalog, WF_ENTRY_PRODUCT, "servers", "cpu"));
}
END_TEST

START_TEST(expiry_is_judged_at_whole_ten_seconds)
{
    enum wf_learned l;
    // Expires 5 s past a whole ten seconds.
    ck_assert_int_eq(
        learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .life_ms = 65000), &l), WEFT_OK);
    ck_assert_uint_eq(wf_catalog_expire(catalog, WF_TEST_NOW + 65000), 0);
    ck_assert_uint_eq(wf_catalog_expire(catalog, WF_TEST_NOW + 69999), 0);
    ck_assert_uint_eq(wf_catalog_expire(catalog, WF_TEST_NOW + 70000), 1);
}
END_TEST

// Learned while our clock was a day ahead; then it is set right.
START_TEST(a_clock_that_comes_back_keeps_nothing_from_the_future)
{
    enum wf_learned l;

    ck_assert_int_eq(
        learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .life_ms = WF_TEST_HOUR), &l), WEFT_OK);
    ck_assert_uint_eq(wf_catalog_expire(catalog, (int64_t)WF_TEST_SEQ - WF_CLOCK_TOLERANCE_MS),
        0); // as when it is learned
    ck_assert_uint_eq(wf_catalog_expire(catalog, (int64_t)WF_TEST_SEQ - WF_TEST_DAY), 1);
    ck_assert_ptr_null(wf_catalog_find(catalog, WF_ENTRY_NODE, "servers", "node-1"));
    // So what is signed at the right time is taken, though it is older.
    ck_assert_int_eq(
        learn(WF_ENTRY_NODE,
            NODE(.sequence = WF_TEST_SEQ - WF_TEST_HOUR, .life_ms = 2 * WF_TEST_HOUR), &l),
        WEFT_OK);
}
END_TEST

START_TEST(equivocation_is_the_same_proof_in_both_orders)
{
    struct wf_store *other_store = NULL;
    struct wf_catalog *other = NULL;
    struct wf_hash a, b;
    enum wf_learned l;

    ck_assert_int_eq(wf_store_mem_new(&other_store), WEFT_OK);
    ck_assert_int_eq(wf_catalog_new(other_store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW,
                         NULL, &other),
        WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "b:1"), &l), WEFT_OK);
    ck_assert_int_eq(l, WF_LEARNED_PROOF);
    ck_assert_ptr_null(wf_catalog_find(catalog, WF_ENTRY_NODE, "servers", "node-1"));
    ck_assert_int_eq(learn_into(other, WF_ENTRY_NODE,
                         NODE(.sequence = WF_TEST_SEQ, .variant = "b:1"), WF_TEST_NOW, &l),
        WEFT_OK);
    ck_assert_int_eq(learn_into(other, WF_ENTRY_NODE,
                         NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"), WF_TEST_NOW, &l),
        WEFT_OK);
    wf_catalog_root(catalog, &a);
    wf_catalog_root(other, &b);
    ck_assert(wf_hash_eq(&a, &b));
    // A third of the same order adds nothing, and a later one heals.
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "c:1"), &l),
        WEFT_E_EQUIVOCATION);
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ + 1), &l), WEFT_OK);
    ck_assert_ptr_nonnull(wf_catalog_find(catalog, WF_ENTRY_NODE, "servers", "node-1"));
    wf_catalog_free(other);
    wf_store_free(other_store);
}
END_TEST

START_TEST(a_proof_bars_its_order_where_the_documents_never_came)
{
    enum wf_learned l;
    struct wf_buf proof = proof_of(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"),
        NODE(.sequence = WF_TEST_SEQ, .variant = "b:1"));
    ck_assert_int_eq(learn(WF_ENTRY_PROOF, proof, &l), WEFT_OK);
    ck_assert_int_eq(l, WF_LEARNED_PROOF);
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"), &l),
        WEFT_E_EQUIVOCATION);
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ - 1), &l), WEFT_E_STALE);
    ck_assert_int_eq(learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ + 1), &l), WEFT_OK);
}
END_TEST

START_TEST(two_lists_of_one_version_are_served_by_nobody)
{
    enum wf_learned l;
    struct wf_buf proof = proof_of(WF_ENTRY_REVOCATIONS, LIST(.term = 5, .sequence = WF_TEST_SEQ),
        LIST(.term = 5, .sequence = WF_TEST_SEQ, .variant = "token"));
    ck_assert_int_eq(
        learn(WF_ENTRY_REVOCATIONS, LIST(.term = 5, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(learn(WF_ENTRY_PROOF, proof, &l), WEFT_OK);
    ck_assert_ptr_null(wf_catalog_find(catalog, WF_ENTRY_REVOCATIONS, "servers", ""));
    ck_assert_int_eq(
        learn(WF_ENTRY_REVOCATIONS, LIST(.term = 6, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_ptr_nonnull(wf_catalog_find(catalog, WF_ENTRY_REVOCATIONS, "servers", ""));
}
END_TEST

START_TEST(an_older_list_never_comes_back)
{
    enum wf_learned l;
    ck_assert_int_eq(
        learn(WF_ENTRY_REVOCATIONS, LIST(.term = 9, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_REVOCATIONS, LIST(.term = 8, .sequence = WF_TEST_SEQ), &l), WEFT_E_STALE);
    ck_assert_uint_eq(wf_catalog_expire(catalog, WF_TEST_NOW + 400 * WF_TEST_DAY), 0);
}
END_TEST

// Which products a catalog of this quota keeps, when they come in this order.
static void fill(struct wf_catalog *c, const int *order, int count, struct wf_hash *ret_root)
{
    for (int i = 0; i < count; i++) {
        char name[8];
        enum wf_learned l;
        snprintf(name, sizeof name, "p%d", order[i]);
        struct wf_test_entry e = {
            .domain = WF_TEST_SERVERS, .name = name, .term = 1, .sequence = WF_TEST_SEQ
        };
        enum weft_err err = learn_into(c, WF_ENTRY_HOME, wf_test_home(&mesh, &e), WF_TEST_NOW, &l);
        ck_assert(err == WEFT_OK || err == WEFT_E_QUOTA);
    }
    wf_catalog_root(c, ret_root);
}

START_TEST(over_quota_the_same_entries_stay_in_any_order)
{
    static const int orders_of[3][8] = { { 0, 1, 2, 3, 4, 5, 6, 7 }, { 7, 6, 5, 4, 3, 2, 1, 0 },
        { 3, 0, 7, 1, 6, 2, 5, 4 } };
    struct wf_hash roots[3];
    enum wf_learned l;

    for (int i = 0; i < 3; i++) {
        struct wf_store *s = NULL;
        struct wf_catalog *c = NULL;
        ck_assert_int_eq(wf_store_mem_new(&s), WEFT_OK);
        ck_assert_int_eq(wf_catalog_new(s, (struct wf_quota){ .entries = 4 }, mesh.charter,
                             WF_TEST_NOW, NULL, &c),
            WEFT_OK);
        ck_assert_int_eq(learn_into(c, WF_ENTRY_REVOCATIONS,
                             LIST(.term = 1, .sequence = WF_TEST_SEQ), WF_TEST_NOW, &l),
            WEFT_OK);
        fill(c, orders_of[i], 8, &roots[i]);
        ck_assert_uint_eq(wf_catalog_count(c), 5); // the list is beside the quota
        wf_catalog_free(c);
        wf_store_free(s);
    }
    ck_assert(wf_hash_eq(&roots[0], &roots[1]) && wf_hash_eq(&roots[0], &roots[2]));
}
END_TEST

// Two small products have room, or one of them and a large one has not: offered in this order, three times, as other nodes do.
static void offer(const char *const names[3], const int *order, size_t bytes, struct wf_hash *ret)
{
    struct wf_store *s = NULL;
    struct wf_catalog *c = NULL;
    struct wf_hash root = { { 0 } };
    enum wf_learned l;

    ck_assert_int_eq(wf_store_mem_new(&s), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_new(s, (struct wf_quota){ .bytes = bytes }, mesh.charter, WF_TEST_NOW, NULL, &c),
        WEFT_OK);
    for (int i = 0; i < 9; i++) {
        struct wf_test_entry e = { .domain = WF_TEST_SERVERS,
            .name = names[order[i % 3]],
            .term = 1,
            .sequence = WF_TEST_SEQ };
        enum weft_err err = learn_into(c, WF_ENTRY_HOME, wf_test_home(&mesh, &e), WF_TEST_NOW, &l);
        ck_assert(err == WEFT_OK || err == WEFT_E_QUOTA);
        ck_assert_uint_le(wf_catalog_count(c), 2);
        wf_catalog_root(c, ret);
        if (i == 5)
            root = *ret;
        ck_assert_msg(i < 6 || wf_hash_eq(&root, ret), "%s comes and goes", names[order[i % 3]]);
    }
    wf_catalog_free(c);
    wf_store_free(s);
}

START_TEST(a_quota_of_bytes_is_kept_to_and_settles)
{
    static const int orders_of[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
        { 2, 0, 1 }, { 2, 1, 0 } };
    char small[8], other[8], large[48];
    const char *const names[3] = { small, other, large };
    struct wf_test_entry e = {
        .domain = WF_TEST_SERVERS, .name = "a0", .term = 1, .sequence = WF_TEST_SEQ
    };
    struct wf_buf one = wf_test_home(&mesh, &e);

    // Names are in other orders of their hashes each time.
    for (int i = 0; i < 8; i++) {
        struct wf_hash first, again;
        snprintf(small, sizeof small, "a%d", i);
        snprintf(other, sizeof other, "b%d", i);
        snprintf(large, sizeof large, "a-name-that-takes-more-room-than-others-%d", i);
        offer(names, orders_of[0], 2 * one.len, &first);
        for (size_t k = 1; k < WF_COUNT(orders_of); k++) {
            offer(names, orders_of[k], 2 * one.len, &again);
            ck_assert_msg(wf_hash_eq(&first, &again), "%d, order %zu", i, k);
        }
    }
    wf_buf_fini(&one);
}
END_TEST

START_TEST(entries_come_back_with_the_store)
{
    struct wf_catalog *again = NULL;
    struct wf_hash before, after;
    size_t dropped = 99;
    enum wf_learned l;

    ck_assert_int_eq(learn(WF_ENTRY_HOME, HOME(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_PRODUCT, PRODUCT(.term = 1, .sequence = WF_TEST_SEQ), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"), &l), WEFT_OK);
    ck_assert_int_eq(
        learn(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "b:1"), &l), WEFT_OK);
    wf_catalog_root(catalog, &before);
    ck_assert_int_eq(
        wf_catalog_new(store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, &dropped, &again),
        WEFT_OK);
    wf_catalog_root(again, &after);
    ck_assert(wf_hash_eq(&before, &after));
    ck_assert_uint_eq(dropped, 0);
    ck_assert_ptr_null(wf_catalog_find(again, WF_ENTRY_NODE, "servers", "node-1"));
    wf_catalog_free(again);
}
END_TEST

static enum weft_err open_node(struct wf_bytes in, void *context)
{
    enum wf_learned l;

    (void)context;
    return wf_catalog_learn(catalog, WF_ENTRY_NODE, in, mesh.charter, WF_TEST_NOW, &l);
}

static enum weft_err open_proof(struct wf_bytes in, void *context)
{
    struct wf_known about;
    struct wf_name node;

    (void)context;
    return wf_proof_check(in, mesh.charter, WF_TEST_NOW, &about, &node);
}

START_TEST(truncated_documents_are_refused)
{
    struct wf_buf node = NODE(.sequence = WF_TEST_SEQ);
    struct wf_buf proof = proof_of(WF_ENTRY_NODE, NODE(.sequence = WF_TEST_SEQ, .variant = "a:1"),
        NODE(.sequence = WF_TEST_SEQ, .variant = "b:1"));
    wf_test_truncations(wf_buf_view(&node), open_node, NULL);
    wf_test_truncations(wf_buf_view(&proof), open_proof, NULL);
    wf_buf_fini(&node);
    wf_buf_fini(&proof);
}
END_TEST

START_TEST(charters_do_not_travel_as_entries)
{
    enum wf_learned l;
    struct wf_buf raw = NODE(.sequence = WF_TEST_SEQ);
    ck_assert_int_eq(learn(WF_ENTRY_CHARTER, raw, &l), WEFT_E_TYPE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("catalog");
    TCase *t = tcase_create("catalog");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_is_learned_is_found_by_key_and_by_id);
    tcase_add_loop_test(t, the_order_of_documents_decides, 0, (int)WF_COUNT(orders));
    tcase_add_test(t, a_product_without_a_home_waits);
    tcase_add_test(t, only_the_node_that_the_home_names_may_advertise);
    tcase_add_test(t, a_new_home_ends_what_the_old_one_advertised);
    tcase_add_test(t, the_home_of_a_product_is_a_node_that_answers);
    tcase_add_test(t, a_tombstone_is_an_answer_until_it_expires);
    tcase_add_test(t, expiry_is_judged_at_whole_ten_seconds);
    tcase_add_test(t, a_clock_that_comes_back_keeps_nothing_from_the_future);
    tcase_add_test(t, equivocation_is_the_same_proof_in_both_orders);
    tcase_add_test(t, a_proof_bars_its_order_where_the_documents_never_came);
    tcase_add_test(t, two_lists_of_one_version_are_served_by_nobody);
    tcase_add_test(t, an_older_list_never_comes_back);
    tcase_add_test(t, over_quota_the_same_entries_stay_in_any_order);
    tcase_add_test(t, a_quota_of_bytes_is_kept_to_and_settles);
    tcase_add_test(t, entries_come_back_with_the_store);
    tcase_add_test(t, truncated_documents_are_refused);
    tcase_add_test(t, charters_do_not_travel_as_entries);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
