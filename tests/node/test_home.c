// SPDX-License-Identifier: Apache-2.0
// What a product's home is worth while the domain's signer does not answer. The signer and the registry around it are played.
#include <check.h>
#include <stdlib.h>

#include "node/core.h"
#include "node/gossip/room.h"
#include "node/join/room.h"
#include "node/signer/signer.h"
#include "node/stream/priv.h"
#include "registry/store.h"
#include "tests/support/clock.h"
#include "tests/support/registry.h"

#define TERM 7u

static struct wf_test_mesh mesh;
static struct wf_store *store;
static struct wf_catalog *catalog;
static struct wf_core core;
static struct wf_node node;
static struct wf_stream_room room = { .node = &node };
static struct wf_collect collect;
static struct wf_home_product product = { .room = &room, .collect = &collect };
static enum weft_err signer_says;

bool __wrap_wf_signer_here(const struct wf_node *n);
bool __wrap_wf_signer_here(const struct wf_node *n)
{
    (void)n;
    return true;
}

enum weft_err __wrap_wf_join_sign_home(
    struct wf_node *n, const char *name, const char *of, uint64_t *ret_term);
enum weft_err __wrap_wf_join_sign_home(
    struct wf_node *n, const char *name, const char *of, uint64_t *ret_term)
{
    (void)n, (void)name, (void)of;
    if (!signer_says)
        *ret_term = TERM + 1;
    return signer_says;
}

struct wf_catalog *__wrap_wf_gossip_catalog(struct wf_node *n);
struct wf_catalog *__wrap_wf_gossip_catalog(struct wf_node *n)
{
    (void)n;
    return catalog;
}

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    node = (struct wf_node){ .core = &core, .charter = mesh.charter };
    ck_assert_int_eq(wf_loop_new(NULL, &node.loop), WEFT_OK);
    wf_loop_turn(node.loop, 0);
    ck_assert_int_eq(wf_store_mem_new(&store), WEFT_OK);
    ck_assert_int_eq(
        wf_catalog_new(store, (struct wf_quota){ 0 }, mesh.charter, WF_TEST_NOW, NULL, &catalog),
        WEFT_OK);
    collect.product.domain = "servers";
    collect.product.name = "depth";
    product.term = 0;
}

static void teardown(void)
{
    wf_catalog_free(catalog);
    wf_loop_free(node.loop);
    wf_test_mesh_fini(&mesh);
}

static void learn_home(int64_t life_ms)
{
    struct wf_test_entry e = { WF_TEST_SERVERS, "depth", "", TERM, WF_TEST_SEQ, life_ms, false,
        "node-1" };
    struct wf_buf raw = wf_test_home(&mesh, &e);
    enum wf_learned learned;

    ck_assert_int_eq(wf_catalog_learn(catalog, WF_ENTRY_HOME, wf_buf_view(&raw), mesh.charter,
                         WF_TEST_NOW, &learned),
        WEFT_OK);
    wf_buf_fini(&raw);
}

static const struct row {
    const char *why;
    bool known;
    int64_t life_ms, skip_ms;
    enum weft_err says, want;
    uint64_t term;
} rows[] = {
    { "the signer answers", true, WF_TEST_HOUR, 0, WEFT_OK, WEFT_OK, TERM + 1 },
    { "it is being started: what it signed holds", true, WF_TEST_HOUR, 0, WEFT_E_UNREACHABLE,
        WEFT_OK, TERM },
    { "until that has run out", true, WF_TEST_HOUR, WF_TEST_HOUR + 1, WEFT_E_UNREACHABLE,
        WEFT_E_UNREACHABLE, 0 },
    { "it never signed one", false, 0, 0, WEFT_E_UNREACHABLE, WEFT_E_UNREACHABLE, 0 },
    { "it is another node's", true, WF_TEST_HOUR, 0, WEFT_E_NOT_HOME, WEFT_E_NOT_HOME, 0 },
};

START_TEST(a_home_holds_while_the_signer_is_started_again)
{
    const struct row *r = &rows[_i];

    if (r->known)
        learn_home(r->life_ms);
    signer_says = r->says;
    wf_test_clock_skip(r->skip_ms);
    wf_loop_turn(node.loop, 0);
    ck_assert_msg(wf_home_claim(&product) == r->want, "%s", r->why);
    ck_assert_msg(product.term == r->term, "%s", r->why);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.home");
    TCase *tc = tcase_create("home");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_home_holds_while_the_signer_is_started_again, 0, (int)WF_COUNT(rows));
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
