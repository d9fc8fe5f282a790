// SPDX-License-Identifier: Apache-2.0
// Whom an agent believes about its domain's nodes: what is signed, the newest certificate of a name, the highest term of a product.
#include <check.h>

#include "node/agent/places.h"
#include "tests/support/registry.h"
#include "tests/support/trust_mesh.h"

#define NOW WF_TEST_NOW

static struct wf_test_mesh mesh;
static struct wf_test_domain *servers;
static struct wf_places places;

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    servers = &mesh.d[WF_TEST_SERVERS];
    places = (struct wf_places){ .node_count = 0 };
}

static void teardown(void)
{
    wf_places_fini(&places);
    wf_test_mesh_fini(&mesh);
}

// A machine: its keys are made from the label, its certificate has that serial.
struct machine {
    const char *domain, *name, *label, *address;
    uint64_t serial, sequence;
};

static struct wf_dh_pub key_of(const char *label)
{
    struct wf_dh_pub pub;
    struct wf_secret key = wf_test_dh_key(label, &pub);

    wf_secret_fini(&key);
    return pub;
}

static struct wf_buf advert(const struct machine *m)
{
    struct wf_test_domain *d =
        &mesh.d[strcmp(m->domain, "servers") ? WF_TEST_NETWORK : WF_TEST_SERVERS];
    struct wf_cert c = wf_test_cert(m->domain, WF_ID_NODE, m->name);
    struct wf_secret key = wf_test_sign_key(m->label, &c.sign_key);
    struct wf_buf out = { 0 };

    c.dh_key = key_of(m->label);
    c.serial = m->serial;
    struct wf_buf cert = wf_test_cert_issue(&c, &d->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&d->issuer_cert));
    struct wf_node_fields f = { .mesh_id = mesh.charter->mesh_id,
        .domain = m->domain,
        .subject = m->name,
        .sequence = m->sequence,
        .expires_ms = (int64_t)m->sequence + 600000,
        .addresses = &m->address,
        .address_count = 1,
        .dh_key = c.dh_key,
        .chain = wf_buf_view(&chain),
        .charter_version = 1 };
    ck_assert_int_eq(wf_node_advert_sign(&f, &key, &out), WEFT_OK);
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    wf_secret_fini(&key);
    return out;
}

static enum weft_err take(enum wf_entry_kind kind, struct wf_buf raw)
{
    enum weft_err err =
        wf_places_take(&places, kind, wf_buf_view(&raw), "servers", mesh.charter, NOW);

    wf_buf_fini(&raw);
    return err;
}

static enum weft_err tell(const struct machine *m)
{
    return take(WF_ENTRY_NODE, advert(m));
}

static const struct machine old = { "servers", "node-2", "old", "192.0.2.1:7400", 5, NOW - 1000 },
                            new = { "servers", "node-2", "new", "192.0.2.2:7400", 6, NOW - 2000 };

START_TEST(the_machine_that_took_a_name_is_found_by_the_old_key_and_the_old_one_never_comes_back)
{
    struct machine again = old, moved = new;
    struct wf_dh_pub was = key_of("old"), is = key_of("new"), nobody = key_of("nobody");

    ck_assert_int_eq(tell(&old), WEFT_OK);
    ck_assert_int_eq(tell(&old), WEFT_E_STALE);
    ck_assert_int_eq(tell(&new), WEFT_OK); // though it was signed earlier
    const struct wf_place_node *at = wf_places_by_key(&places, &was);
    ck_assert_ptr_nonnull(at);
    ck_assert_ptr_eq(at, wf_places_by_key(&places, &is));
    ck_assert_ptr_eq(at, wf_places_by_name(&places, "node-2"));
    ck_assert_int_eq(memcmp(at->doc->node.dh_key.b, is.b, WF_KEY_LEN), 0);
    ck_assert_str_eq(at->doc->node.addresses[0], "192.0.2.2:7400");
    ck_assert_ptr_null(wf_places_by_key(&places, &nobody));
    again.sequence = NOW; // a stolen disk says where it is, as often as it likes
    ck_assert_int_eq(tell(&again), WEFT_E_STALE);
    moved.address = "192.0.2.3:7400";
    moved.sequence = NOW;
    ck_assert_int_eq(tell(&moved), WEFT_OK);
    ck_assert_str_eq(wf_places_by_key(&places, &was)->doc->node.addresses[0], "192.0.2.3:7400");
}
END_TEST

START_TEST(machines_before_the_last_one_are_known_too)
{
    struct machine third = { "servers", "node-2", "third", "192.0.2.4:7400", 7, NOW };
    struct wf_dh_pub first = key_of("old");

    ck_assert_int_eq(tell(&old), WEFT_OK);
    ck_assert_int_eq(tell(&new), WEFT_OK);
    ck_assert_int_eq(tell(&third), WEFT_OK);
    const struct wf_place_node *at = wf_places_by_key(&places, &first);
    ck_assert_ptr_nonnull(at);
    ck_assert_str_eq(at->doc->node.addresses[0], "192.0.2.4:7400");
}
END_TEST

START_TEST(of_a_product_the_highest_term_counts)
{
    struct wf_test_entry two = { .domain = WF_TEST_SERVERS,
        .name = "depth",
        .term = 2,
        .sequence = WF_TEST_SEQ,
        .node = "node-2" };
    struct wf_test_entry one = two;

    one.term = 1;
    one.sequence = WF_TEST_SEQ + 10;
    one.node = "node-9";
    ck_assert_int_eq(take(WF_ENTRY_HOME, wf_test_home(&mesh, &two)), WEFT_OK);
    ck_assert_int_eq(take(WF_ENTRY_HOME, wf_test_home(&mesh, &one)), WEFT_E_STALE);
    ck_assert_str_eq(wf_places_home(&places, "depth")->home.node.s, "node-2");
    ck_assert_ptr_null(wf_places_home(&places, "width"));
}
END_TEST

START_TEST(what_is_not_signed_by_the_own_domain_is_not_believed)
{
    struct machine other = { "network", "node-2", "old", "192.0.2.9:7400", 99, NOW };
    struct wf_test_entry home = {
        .domain = WF_TEST_NETWORK, .name = "depth", .term = 9, .sequence = WF_TEST_SEQ
    };
    struct wf_buf raw = advert(&old);

    ck_assert_int_eq(tell(&other), WEFT_E_WRONG_DOMAIN);
    ck_assert_int_eq(take(WF_ENTRY_HOME, wf_test_home(&mesh, &home)), WEFT_E_WRONG_DOMAIN);
    ck_assert_int_eq(
        wf_places_take(&places, WF_ENTRY_PRODUCT, wf_buf_view(&raw), "servers", mesh.charter, NOW),
        WEFT_E_TYPE);
    raw.ptr[raw.len - 1] ^= 1;
    ck_assert_int_ne(
        wf_places_take(&places, WF_ENTRY_NODE, wf_buf_view(&raw), "servers", mesh.charter, NOW),
        WEFT_OK);
    ck_assert_uint_eq(places.node_count + places.home_count, 0);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(only_so_many_nodes_are_kept)
{
    char name[16];
    struct machine m = { "servers", name, "old", "192.0.2.1:7400", 1, NOW };

    for (unsigned i = 0; i < WF_PLACES_NODES; i++) {
        snprintf(name, sizeof name, "n-%u", i);
        ck_assert_int_eq(tell(&m), WEFT_OK);
    }
    snprintf(name, sizeof name, "one-more");
    ck_assert_int_eq(tell(&m), WEFT_E_FULL);
}
END_TEST

START_TEST(all_of_it_outlasts_a_restart_and_damage_is_told_anew)
{
    struct wf_test_entry home = {
        .domain = WF_TEST_SERVERS, .name = "depth", .term = 2, .sequence = WF_TEST_SEQ
    };
    struct wf_buf kept = { 0 };
    struct wf_dh_pub was = key_of("old");

    ck_assert_int_eq(tell(&old), WEFT_OK);
    ck_assert_int_eq(tell(&new), WEFT_OK);
    ck_assert_int_eq(take(WF_ENTRY_HOME, wf_test_home(&mesh, &home)), WEFT_OK);
    memset(places.root.b, 7, WF_HASH_LEN);
    ck_assert_int_eq(wf_places_pack(&places, &kept), WEFT_OK);
    wf_places_fini(&places);
    ck_assert_int_eq(
        wf_places_unpack(&places, wf_buf_view(&kept), "servers", mesh.charter, NOW), WEFT_OK);
    ck_assert_uint_eq(places.node_count, 1);
    ck_assert_ptr_nonnull(wf_places_by_key(&places, &was));
    ck_assert_ptr_nonnull(wf_places_home(&places, "depth"));
    ck_assert_uint_eq(places.root.b[0], 7);
    for (size_t len = 0; len < kept.len; len += 17) {
        wf_places_fini(&places);
        enum weft_err err =
            wf_places_unpack(&places, wf_bytes(kept.ptr, len), "servers", mesh.charter, NOW);
        ck_assert(err == WEFT_E_DAMAGED || places.node_count + places.home_count < 2);
    }
    kept.ptr[kept.len - 1] ^= 1; // in the last document
    wf_places_fini(&places);
    ck_assert_int_eq(
        wf_places_unpack(&places, wf_buf_view(&kept), "servers", mesh.charter, NOW), WEFT_OK);
    ck_assert(wf_hash_is_zero(&places.root));
    wf_buf_fini(&kept);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.places");
    TCase *t = tcase_create("places");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(
        t, the_machine_that_took_a_name_is_found_by_the_old_key_and_the_old_one_never_comes_back);
    tcase_add_test(t, machines_before_the_last_one_are_known_too);
    tcase_add_test(t, of_a_product_the_highest_term_counts);
    tcase_add_test(t, what_is_not_signed_by_the_own_domain_is_not_believed);
    tcase_add_test(t, only_so_many_nodes_are_kept);
    tcase_add_test(t, all_of_it_outlasts_a_restart_and_damage_is_told_anew);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
