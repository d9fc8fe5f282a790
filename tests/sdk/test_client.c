// SPDX-License-Identifier: Apache-2.0
// The client against a fake node: connecting, discovery, documents, charters, renewal, closing.
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/fakemesh.h"

static struct wf_fakemesh m;
static struct weft_client *c;
static struct weft_problem problem;

static void connect_with(const char *dir, const char *socket, unsigned flags, enum weft_err want)
{
    struct weft_options o = { .dir = dir, .socket = socket, .flags = flags };
    enum weft_err err = weft_connect(&o, &c, &problem);

    ck_assert_msg(err == want, "%s: %s", weft_err_name(err), problem.text);
}

static void isolate(void)
{
    unsetenv("WEFT_DIR");
    unsetenv("WEFT_SOCKET");
    c = NULL;
}

static void setup(void)
{
    isolate();
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, WF_TEST_HOUR, 12 * WF_TEST_HOUR, 1);
    connect_with(m.dir, NULL, WEFT_REMOTE_ONLY, WEFT_OK);
}

static void setup_unjoined(void)
{
    isolate();
    wf_fakemesh_init(&m, false);
}

static void setup_local(void)
{
    isolate();
    wf_fakemesh_init(&m, true);
}

static void teardown(void)
{
    weft_close(c);
    wf_fakemesh_fini(&m);
}

static struct weft_catalog *discover(const char *domain, const char *text)
{
    struct weft_catalog *cat = NULL;
    enum weft_err err = weft_discover(c, domain, text, &cat, &problem);

    ck_assert_msg(err == WEFT_OK, "%s", problem.text);
    return cat;
}

static size_t discover_count(const char *domain, const char *text)
{
    struct weft_catalog *cat = discover(domain, text);
    size_t count = weft_catalog_count(cat);

    weft_catalog_free(cat);
    return count;
}

// ---- connecting ----------------------------------------------------------------------------------------------------------

START_TEST(without_identity_and_socket_there_is_nobody_to_be)
{
    connect_with("/nowhere", NULL, WEFT_REMOTE_ONLY, WEFT_E_IDENTITY);
    ck_assert_ptr_nonnull(strstr(problem.text, "weft join"));
    ck_assert_int_eq(problem.err, WEFT_E_IDENTITY);
}
END_TEST

START_TEST(an_identity_that_has_not_joined_says_so)
{
    struct wf_diag diag;

    ck_assert_int_eq(wf_identity_create(m.dir, &m.keys, &diag), WEFT_OK);
    connect_with(m.dir, NULL, WEFT_REMOTE_ONLY, WEFT_E_IDENTITY);
    ck_assert_ptr_nonnull(strstr(problem.text, "has not joined"));
}
END_TEST

START_TEST(a_key_that_others_can_read_is_refused)
{
    char key[400];

    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    snprintf(key, sizeof key, "%s/identity/node.key", m.dir);
    ck_assert_int_eq(chmod(key, 0644), 0);
    connect_with(m.dir, NULL, WEFT_REMOTE_ONLY, WEFT_E_PERMISSION);
}
END_TEST

START_TEST(the_environment_names_the_directory)
{
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    setenv("WEFT_DIR", m.dir, 1);
    connect_with(NULL, NULL, WEFT_REMOTE_ONLY, WEFT_OK);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
}
END_TEST

START_TEST(the_directory_of_a_node_holds_its_identity_in_data)
{
    char node[320], data[400];

    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    snprintf(node, sizeof node, "%s-node", m.dir);
    snprintf(data, sizeof data, "%s/data", node);
    ck_assert_int_eq(mkdir(node, 0700), 0);
    ck_assert_int_eq(rename(m.dir, data), 0);
    connect_with(node, NULL, WEFT_REMOTE_ONLY, WEFT_OK);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
}
END_TEST

START_TEST(who_am_i_comes_from_the_certificate)
{
    struct weft_whoami w;

    ck_assert_int_eq(weft_whoami(c, &w, &problem), WEFT_OK);
    ck_assert_str_eq(w.domain, "network");
    ck_assert_str_eq(w.subject, "alice");
    ck_assert_str_eq(w.kind, "user");
    ck_assert_str_eq(w.mesh, "example");
    ck_assert_uint_eq(w.charter_version, 1);
    ck_assert_mem_eq(w.key, "weftid1", 7);
    ck_assert_mem_eq(w.mesh_id, "weftmesh1", 9);
}
END_TEST

// ---- discovery -----------------------------------------------------------------------------------------------------------

START_TEST(products_are_found_sorted_with_their_ages)
{
    struct weft_catalog *cat = discover(NULL, NULL);

    ck_assert_uint_eq(weft_catalog_count(cat), 3);
    const struct weft_product_info *i = weft_catalog_at(cat, 0);
    ck_assert_str_eq(i->name, "hosts");
    ck_assert_int_eq(i->kind, WEFT_INVENTORY);
    ck_assert_str_eq(i->keys[0], "station");
    i = weft_catalog_at(cat, 1);
    ck_assert_str_eq(i->name, "readings");
    ck_assert_str_eq(i->domain, "servers");
    ck_assert_str_eq(i->version, "1.2.0");
    ck_assert_str_eq(i->owner, "Server team");
    ck_assert_str_eq(i->node, "node-1");
    ck_assert_str_eq(i->tags[0], "weather");
    ck_assert_mem_eq(i->schema, "wefthash1", 9);
    ck_assert_int_ge(i->age_ms, 1000);
    ck_assert_int_ge(i->heard_ms, 500);
    ck_assert(!i->gone);
    ck_assert_ptr_null(weft_catalog_at(cat, 3));
    ck_assert_int_eq(weft_catalog_as_of_ms(cat), WF_TEST_NOW);
    weft_catalog_free(cat);
}
END_TEST

static const struct {
    const char *domain, *text;
    size_t want;
} narrowings[] = { { "servers", NULL, 3 }, { "network", NULL, 0 }, { NULL, "READ", 3 },
    { NULL, "hosts", 1 }, { NULL, "weather", 3 }, { NULL, "nothing like it", 0 } };

START_TEST(domain_and_text_narrow)
{
    ck_assert_uint_eq(
        discover_count(narrowings[_i].domain, narrowings[_i].text), narrowings[_i].want);
}
END_TEST

START_TEST(a_forged_document_is_left_out_and_hides_no_other)
{
    m.documents[1].content.ptr[m.documents[1].content.len - 1] ^= 1; // its signature
    ck_assert_uint_eq(discover_count(NULL, NULL), 2);
}
END_TEST

START_TEST(a_document_under_another_hash_is_left_out)
{
    m.documents[1].hash.b[0] ^= 1;
    ck_assert_uint_eq(discover_count(NULL, NULL), 2);
}
END_TEST

START_TEST(an_expired_advert_is_left_out)
{
    struct weft_catalog *cat = NULL;

    wf_test_clock_skip(4 * WF_TEST_DAY);
    enum weft_err err = weft_discover(c, NULL, NULL, &cat, &problem);
    // Begun in the turn of the loop in which the clock jumped; then the link backs off.
    for (int i = 0; i < 1000 && err == WEFT_E_TIMEOUT; i++) {
        usleep(10000);
        err = weft_discover(c, NULL, NULL, &cat, &problem);
    }
    ck_assert_msg(err == WEFT_OK, "%s", problem.text);
    ck_assert_uint_eq(weft_catalog_count(cat), 0);
    weft_catalog_free(cat);
}
END_TEST

START_TEST(documents_are_fetched_once)
{
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
    int before = atomic_load(&m.knobs->requests);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
    ck_assert_int_eq(atomic_load(&m.knobs->requests), before + 1); // digests alone
}
END_TEST

START_TEST(a_silent_node_is_named)
{
    struct weft_catalog *cat = NULL;

    atomic_store(&m.knobs->refuse_handshake, WEFT_E_REFUSED);
    ck_assert_int_eq(weft_discover(c, NULL, NULL, &cat, &problem), WEFT_E_REFUSED);
    ck_assert_ptr_nonnull(strstr(problem.text, wf_fakenode_address(m.node)));
    ck_assert_ptr_null(cat);
}
END_TEST

START_TEST(without_seeds_there_is_nobody_to_ask)
{
    struct weft_catalog *cat = NULL;

    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 0);
    connect_with(m.dir, NULL, WEFT_REMOTE_ONLY, WEFT_OK);
    ck_assert_int_eq(weft_discover(c, NULL, NULL, &cat, &problem), WEFT_E_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(problem.text, "no node to ask"));
}
END_TEST

// ---- describing ----------------------------------------------------------------------------------------------------------

START_TEST(a_product_is_described_with_its_schema)
{
    struct weft_product *p = NULL;
    const void *set = NULL;
    size_t len = 0;

    ck_assert_msg(
        weft_describe(c, "servers/readings", &p, &problem) == WEFT_OK, "%s", problem.text);
    ck_assert_uint_eq(weft_product_field_count(p), 14);
    ck_assert_str_eq(weft_product_info(p)->title, "Readings of stations");
    ck_assert_int_ge(weft_product_info(p)->age_ms, 1000);
    weft_product_descriptor(p, &set, &len);
    ck_assert(wf_bytes_eq(wf_bytes(set, len), wf_buf_view(&m.schema)));
    weft_product_free(p);
}
END_TEST

START_TEST(the_rules_that_come_with_a_product_are_fetched)
{
    struct weft_product *p = NULL;
    char *text = NULL;

    ck_assert_int_eq(weft_describe(c, "servers/readings", &p, &problem), WEFT_OK);
    ck_assert_ptr_nonnull(weft_product_info(p)->rules);
    weft_product_free(p);
    ck_assert_int_eq(weft_describe(c, "servers/hosts", &p, &problem), WEFT_OK);
    ck_assert_ptr_null(weft_product_info(p)->rules);
    weft_product_free(p);
    atomic_store(&m.corrupt_schema, true); // all documents
    ck_assert_int_eq(weft_product_rules(c, "servers/readings", &text, &problem), WEFT_E_HASH);
    ck_assert_ptr_nonnull(strstr(problem.text, "rules of servers/readings"));
    atomic_store(&m.corrupt_schema, false);
    ck_assert_int_eq(weft_product_rules(c, "servers/readings", &text, &problem), WEFT_OK);
    ck_assert_str_eq(text, WF_FAKE_RULES);
    free(text);
    ck_assert_int_eq(weft_product_rules(c, "servers/hosts", &text, &problem), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(weft_product_rules(c, "servers/nothing", &text, &problem), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(weft_product_rules(c, "servers", &text, &problem), WEFT_E_NAME);
}
END_TEST

static const struct {
    const char *product;
    enum weft_err want;
    const char *text;
} not_described[] = {
    { "servers/nothing", WEFT_E_NOT_FOUND, "no such product" },
    { "nobody/readings", WEFT_E_NOT_FOUND, "no such product" },
    { "servers/readings@2", WEFT_E_NOT_FOUND, "its version is 1.2.0" },
    { "servers", WEFT_E_NAME, "DOMAIN/PRODUCT" },
};

START_TEST(what_can_not_be_described_is_named)
{
    struct weft_product *p = NULL;

    ck_assert_int_eq(
        weft_describe(c, not_described[_i].product, &p, &problem), not_described[_i].want);
    ck_assert_msg(strstr(problem.text, not_described[_i].text) != NULL, "%s", problem.text);
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(a_schema_that_does_not_match_its_hash_is_refused)
{
    struct weft_product *p = NULL;

    atomic_store(&m.corrupt_schema, true);
    ck_assert_int_eq(weft_describe(c, "servers/readings", &p, &problem), WEFT_E_HASH);
    atomic_store(&m.corrupt_schema, false);
    atomic_store(&m.lose_schema, true);
    ck_assert_int_eq(weft_describe(c, "servers/readings", &p, &problem), WEFT_E_NOT_FOUND);
    atomic_store(&m.lose_schema, false);
    ck_assert_int_eq(weft_describe(c, "servers/readings", &p, &problem), WEFT_OK);
    weft_product_free(p);
}
END_TEST

// ---- charters and certificates -------------------------------------------------------------------------------------------

static uint64_t charter_version(void)
{
    struct weft_whoami w;

    ck_assert_int_eq(weft_whoami(c, &w, &problem), WEFT_OK);
    return w.charter_version;
}

START_TEST(a_newer_charter_is_walked_to_and_kept)
{
    char path[400];

    atomic_store(&m.tell_second, true);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
    ck_assert_uint_eq(charter_version(), 2);
    snprintf(path, sizeof path, "%s/charter/000002", m.dir);
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_charter_that_does_not_follow_changes_nothing)
{
    m.second->raw.ptr[m.second->raw.len - 1] ^= 1;
    atomic_store(&m.tell_second, true);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
    ck_assert_uint_eq(charter_version(), 1);
}
END_TEST

static int64_t expires_ms(void)
{
    struct weft_whoami w;

    ck_assert_int_eq(weft_whoami(c, &w, &problem), WEFT_OK);
    return w.certificate_expires_ms;
}

START_TEST(a_young_certificate_is_not_renewed)
{
    discover_count(NULL, NULL);
    ck_assert_int_eq(atomic_load(&m.renew_asked), 0);
}
END_TEST

START_TEST(a_certificate_past_a_third_of_its_life_renews_itself)
{
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    wf_test_clock_skip(5 * WF_TEST_HOUR);
    connect_with(m.dir, NULL, WEFT_REMOTE_ONLY, WEFT_OK);
    int64_t before = expires_ms();
    for (int i = 0; i < 1000 && expires_ms() == before; i++)
        discover_count(NULL, NULL);
    ck_assert_int_gt(expires_ms(), before);
    ck_assert_int_eq(atomic_load(&m.renew_asked), 1);
    weft_close(c);
    connect_with(m.dir, NULL, WEFT_REMOTE_ONLY, WEFT_OK); // it was stored
    ck_assert_int_gt(expires_ms(), before);
}
END_TEST

START_TEST(an_expired_certificate_is_renewed_before_anything_else)
{
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    wf_test_clock_skip(13 * WF_TEST_HOUR);
    connect_with(m.dir, NULL, WEFT_REMOTE_ONLY, WEFT_OK);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
    ck_assert_int_eq(atomic_load(&m.renew_asked), 1);
    ck_assert_int_gt(expires_ms(), wf_test_clock_unix_ms());
}
END_TEST

// ---- local ---------------------------------------------------------------------------------------------------------------

START_TEST(a_local_client_needs_no_identity)
{
    struct weft_whoami w;
    struct weft_product *p = NULL;

    connect_with(m.dir, m.socket, WEFT_LOCAL_ONLY, WEFT_OK);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
    ck_assert_int_eq(weft_describe(c, "servers/readings", &p, &problem), WEFT_OK);
    weft_product_free(p);
    ck_assert_int_eq(weft_whoami(c, &w, &problem), WEFT_OK);
    ck_assert_str_eq(w.subject, "node-1");
    ck_assert_int_eq(atomic_load(&m.knobs->handshakes), 0);
}
END_TEST

START_TEST(the_environment_names_the_socket)
{
    setenv("WEFT_SOCKET", m.socket, 1);
    setenv("WEFT_DIR", "/nowhere", 1);
    connect_with(NULL, NULL, 0, WEFT_OK);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
}
END_TEST

START_TEST(the_socket_of_a_node_directory_is_found)
{
    char node[320], run[400], at[500];

    snprintf(node, sizeof node, "%s-node", m.dir);
    snprintf(run, sizeof run, "%s/run", node);
    snprintf(at, sizeof at, "%s/weftd.sock", run);
    ck_assert_int_eq(mkdir(node, 0700), 0);
    ck_assert_int_eq(mkdir(run, 0700), 0);
    ck_assert_int_eq(symlink(m.socket, at), 0);
    connect_with(node, NULL, 0, WEFT_OK);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3);
}
END_TEST

START_TEST(a_file_may_name_the_socket)
{
    char file[400];

    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 0);
    snprintf(file, sizeof file, "%s/socket", m.dir);
    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "%s\n", m.socket);
    ck_assert_int_eq(fclose(f), 0);
    connect_with(m.dir, NULL, 0, WEFT_OK);
    ck_assert_uint_eq(discover_count(NULL, NULL), 3); // there are no seeds
}
END_TEST

START_TEST(a_socket_without_a_weftd_is_unreachable)
{
    struct weft_catalog *cat = NULL;

    connect_with(m.dir, "/tmp/no-weftd-here", WEFT_LOCAL_ONLY, WEFT_OK);
    ck_assert_int_eq(weft_discover(c, NULL, NULL, &cat, &problem), WEFT_E_UNREACHABLE);
}
END_TEST

// ---- closing -------------------------------------------------------------------------------------------------------------

struct asking {
    struct weft_client *client;
    enum weft_err err;
};

static void *ask_in_thread(void *arg)
{
    struct weft_catalog *cat = NULL;
    struct asking *a = arg;

    a->err = weft_discover(a->client, NULL, NULL, &cat, NULL);
    weft_catalog_free(cat);
    return NULL;
}

START_TEST(closing_ends_a_call_that_waits)
{
    struct asking a = { c, WEFT_OK };
    pthread_t thread;

    discover_count(NULL, NULL);
    atomic_store(&m.knobs->mute, true);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_in_thread, &a), 0);
    for (int i = 0; i < 1000 && atomic_load(&m.knobs->withheld) == 0; i++)
        usleep(1000); // until it is on its way
    ck_assert_int_eq(atomic_load(&m.knobs->withheld), 1);
    weft_close(c);
    c = NULL;
    pthread_join(thread, NULL);
    ck_assert_int_eq(a.err, WEFT_E_CLOSED);
}
END_TEST

START_TEST(closing_nothing_is_permitted)
{
    weft_close(NULL);
}
END_TEST

static TCase *tcase(Suite *s, const char *name, SFun before)
{
    TCase *t = tcase_create(name);

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, before, teardown);
    suite_add_tcase(s, t);
    return t;
}

static void add_remote(TCase *t)
{
    tcase_add_test(t, who_am_i_comes_from_the_certificate);
    tcase_add_test(t, products_are_found_sorted_with_their_ages);
    tcase_add_loop_test(t, domain_and_text_narrow, 0, WF_COUNT(narrowings));
    tcase_add_test(t, a_forged_document_is_left_out_and_hides_no_other);
    tcase_add_test(t, a_document_under_another_hash_is_left_out);
    tcase_add_test(t, an_expired_advert_is_left_out);
    tcase_add_test(t, documents_are_fetched_once);
    tcase_add_test(t, a_silent_node_is_named);
    tcase_add_test(t, a_product_is_described_with_its_schema);
    tcase_add_test(t, the_rules_that_come_with_a_product_are_fetched);
    tcase_add_loop_test(t, what_can_not_be_described_is_named, 0, WF_COUNT(not_described));
    tcase_add_test(t, a_schema_that_does_not_match_its_hash_is_refused);
    tcase_add_test(t, a_newer_charter_is_walked_to_and_kept);
    tcase_add_test(t, a_charter_that_does_not_follow_changes_nothing);
    tcase_add_test(t, a_young_certificate_is_not_renewed);
    tcase_add_test(t, closing_nothing_is_permitted);
}

int main(void)
{
    Suite *s = suite_create("client");

    add_remote(tcase(s, "remote", setup));
    TCase *t = tcase(s, "unjoined", setup_unjoined);
    tcase_add_test(t, without_identity_and_socket_there_is_nobody_to_be);
    tcase_add_test(t, an_identity_that_has_not_joined_says_so);
    tcase_add_test(t, a_key_that_others_can_read_is_refused);
    tcase_add_test(t, the_environment_names_the_directory);
    tcase_add_test(t, the_directory_of_a_node_holds_its_identity_in_data);
    tcase_add_test(t, without_seeds_there_is_nobody_to_ask);
    tcase_add_test(t, a_certificate_past_a_third_of_its_life_renews_itself);
    tcase_add_test(t, an_expired_certificate_is_renewed_before_anything_else);
    t = tcase(s, "local", setup_local);
    tcase_add_test(t, a_local_client_needs_no_identity);
    tcase_add_test(t, the_environment_names_the_socket);
    tcase_add_test(t, the_socket_of_a_node_directory_is_found);
    tcase_add_test(t, a_file_may_name_the_socket);
    tcase_add_test(t, a_socket_without_a_weftd_is_unreachable);
    t = tcase(s, "closing", setup);
    tcase_add_test(t, closing_ends_a_call_that_waits);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
