// SPDX-License-Identifier: Apache-2.0
// Manifests of the domain's nodes that the node with the issuer keeps: each node's own, as it signed them, and no other's.
#include <unistd.h>

#include "tests/node/join_rig.h"
#include "tests/support/trust_product.h"

static const char schema[] = "a schema";

struct sample {
    struct wf_collect c;
    const struct wf_secret *key;
    const char *asked; // the product that the request names
    struct wf_bytes schema;
};

#define CHANGE(name, code)                                                                         \
    static void name(struct sample *s)                                                             \
    {                                                                                              \
        code;                                                                                      \
    }
static struct wf_secret own, others;

CHANGE(nothing, (void)s)
CHANGE(of_another_key, s->key = &others)
CHANGE(of_another_mesh, s->c.mesh_id = wf_test_hash("another mesh"))
CHANGE(of_another_domain, s->c.product.domain = "network")
CHANGE(of_another_product, s->asked = "users")
CHANGE(of_another_schema, s->schema = WF_STR("another schema"))
CHANGE(of_a_removal, s->c.removed = true)

static const struct {
    const char *why;
    void (*change)(struct sample *s);
    bool kept;
} rows[] = {
    { "its own", nothing, true },
    { "signed by another key", of_another_key, false },
    { "of another mesh", of_another_mesh, false },
    { "of another domain", of_another_domain, false },
    { "of another product than it says", of_another_product, false },
    { "with another schema than it names", of_another_schema, false },
    { "of a product that was removed", of_a_removal, false },
};

START_TEST(a_manifest_is_kept_as_its_node_signed_it)
{
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");
    Weft__V1__HomeRequest q = WEFT__V1__HOME_REQUEST__INIT;
    struct wf_sign_pub pub;
    struct wf_buf raw = { 0 };
    char path[800];

    own = wf_test_sign_key("kept/own", &two.cert.sign_key);
    others = wf_test_sign_key("kept/others", &pub);
    struct sample s = { .c = { .mesh_id = mesh.charter->mesh_id,
                            .product = wf_test_product(),
                            .sequence = (uint64_t)unix_ms },
        .key = &own,
        .asked = "hosts",
        .schema = wf_bytes_str(schema) };
    wf_blake2b(s.schema, &s.c.product.schema_hash);
    rows[_i].change(&s);
    if (s.c.removed) // what is gone has a name and no more
        s.c.product = (struct wf_product){
            .domain = "servers", .name = "hosts", .kind = WF_PRODUCT_INVENTORY
        };
    ck_assert_int_eq(wf_collect_sign(&s.c, s.key, &raw), WEFT_OK);
    q.product = wf_pb_str(s.asked);
    q.manifest = wf_pb_bin(wf_buf_view(&raw));
    q.schema = wf_pb_bin(s.schema);
    call_by(&two);
    call.request.home = &q;
    home_handle();
    ck_assert_int_eq(call.err, WEFT_OK); // the home is said all the same
    snprintf(path, sizeof path, "%s/kept/node-2.%s", conf.data, s.asked);
    ck_assert_msg((access(path, F_OK) == 0) == rows[_i].kept, "%s", rows[_i].why);
    wf_buf_fini(&raw);
    wf_secret_fini(&own);
    wf_secret_fini(&others);
}
END_TEST

// Names in an order that is neither that of the alphabet nor its reverse: directories list them in one of their own.
static const char *const products[] = { "mail", "users", "api", "load", "signals", "cron", "depth",
    "zones", "builds", "hosts", "queue", "events" };

static void keep(const struct wf_identity *node_two, const char *product)
{
    Weft__V1__HomeRequest q = WEFT__V1__HOME_REQUEST__INIT;
    struct wf_collect c = { .mesh_id = mesh.charter->mesh_id,
        .product = wf_test_product(),
        .sequence = (uint64_t)unix_ms };
    struct wf_buf raw = { 0 };

    c.product.name = product;
    wf_blake2b(wf_bytes_str(schema), &c.product.schema_hash);
    ck_assert_int_eq(wf_collect_sign(&c, &own, &raw), WEFT_OK);
    q.product = wf_pb_str(product);
    q.manifest = wf_pb_bin(wf_buf_view(&raw));
    q.schema = wf_pb_bin(wf_bytes_str(schema));
    call_by(node_two);
    call.request.home = &q;
    home_handle();
    wf_buf_fini(&raw);
}

START_TEST(who_takes_a_nodes_place_gets_all_its_manifests_in_order)
{
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");
    Weft__V1__HomeRequest q = WEFT__V1__HOME_REQUEST__INIT;
    struct wf_name before = { 0 };

    own = wf_test_sign_key("kept/own", &two.cert.sign_key);
    document = wf_bytes_str(schema);
    for (size_t i = 0; i < WF_COUNT(products); i++)
        keep(&two, products[i]);
    q.product = before.s;
    q.wants_manifests = true;
    call_by(&two);
    call.request.home = &q;
    home_handle();
    ck_assert_int_eq(call.err, WEFT_OK);
    ck_assert_uint_eq(call.reply->home->n_schemas, WF_COUNT(products));
    ck_assert_uint_eq(call.reply->home->n_manifests, WF_COUNT(products));
    for (size_t i = 0; i < WF_COUNT(products); i++) {
        struct wf_collect *c = NULL;
        ck_assert_int_eq(wf_collect_open(wf_pb_view(call.reply->home->manifests[i]), &c), WEFT_OK);
        ck_assert_str_gt(c->product.name, before.s);
        ck_assert_int_eq(wf_name_from(wf_bytes_str(c->product.name), &before), WEFT_OK);
        wf_collect_free(c);
    }
    document = (struct wf_bytes){ 0 };
    wf_secret_fini(&own);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kept");
    TCase *t = tcase_create("kept");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_manifest_is_kept_as_its_node_signed_it, 0, WF_COUNT(rows));
    tcase_add_test(t, who_takes_a_nodes_place_gets_all_its_manifests_in_order);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
