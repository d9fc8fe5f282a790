// SPDX-License-Identifier: Apache-2.0
// What a machine in another's place does with the manifests that the issuer's node kept: one that can't be read holds up nothing, what its own disk
// could not take is asked for again, and no answer makes it ask without a pause. The issuer's node is played.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/gossip/room.h"
#include "tests/support/streamrig.h"
#include "tests/support/support.h"

#define MANIFESTS 3
#define ASKS      8 // no test needs more in one go

static struct streamrig rig;
static char dirs[2][512];
static struct wf_buf kept[MANIFESTS]; // a, b, c
static struct wf_buf schema;
static struct {
    struct wf_bytes at[MANIFESTS]; // one page, then an empty one for who asks behind "c"
    bool same;                     // every answer is that page
    unsigned asked;
    char after[ASKS][WF_MAX_NAME + 1];
} issuer;

enum weft_err wf_gossip_ask_issuer(
    struct wf_node *n, const Weft__V1__Request *request, wf_gossip_issuer_fn done, void *arg)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__HomeReply home = WEFT__V1__HOME_REPLY__INIT;
    ProtobufCBinaryData manifests[MANIFESTS], schemas[MANIFESTS];

    n->gossip = NULL; // of the room that is not there nobody else is to ask
    if (issuer.asked == ASKS)
        return WEFT_E_UNREACHABLE; // too many: the test says so
    snprintf(issuer.after[issuer.asked++], sizeof issuer.after[0], "%s", request->home->product);
    for (size_t i = 0; i < MANIFESTS; i++) {
        manifests[i] = wf_pb_bin(issuer.at[i]);
        schemas[i] = wf_pb_bin(wf_buf_view(&schema));
    }
    home.manifests = manifests;
    home.schemas = schemas;
    if (issuer.same || strcmp(request->home->product, "c") < 0)
        home.n_manifests = home.n_schemas = MANIFESTS;
    reply.kind_case = WEFT__V1__REPLY__KIND_HOME;
    reply.home = &home;
    done(arg, WEFT_OK, &reply);
    return WEFT_OK;
}

static void setup(void)
{
    static const char *const names[MANIFESTS] = { "a", "b", "c" };

    memset(&issuer, 0, sizeof issuer);
    schema = streamrig_schema("sample");
    for (size_t i = 0; i < 2; i++)
        snprintf(dirs[i], sizeof dirs[i], "%s/%s", wf_test_tmpdir(), i ? "after" : "before");
    streamrig_init(&rig, dirs[0]);
    streamrig_open(&rig);
    for (size_t i = 0; i < MANIFESTS; i++) {
        struct wf_home_product *p = streamrig_product(&rig, names[i], WF_PRODUCT_EVENT);
        ck_assert_int_eq(wf_buf_append(&kept[i], wf_buf_view(&p->collect->raw)), WEFT_OK);
        issuer.at[i] = wf_buf_view(&kept[i]);
    }
    streamrig_close(&rig);
    streamrig_fini(&rig);
    streamrig_init(&rig, dirs[1]);
    streamrig_open(&rig);
    rig.node.stream->adopted = false;
}

static void teardown(void)
{
    streamrig_close(&rig);
    streamrig_fini(&rig);
    for (size_t i = 0; i < MANIFESTS; i++)
        wf_buf_fini(&kept[i]);
    wf_buf_fini(&schema);
}

// The pause is over, or has not begun.
static void tick(void)
{
    int there;

    rig.node.gossip =
        (struct wf_gossip_room *)(void *)&there; // that there is one is all that is asked
    rig.node.stream->adopt_at_ms = 0;
    wf_adopt_tick(rig.node.stream);
    rig.node.gossip = NULL;
}

static bool has(const char *name)
{
    return wf_stream_find(&rig.node, name, 0) != NULL;
}

START_TEST(what_was_kept_is_taken_over_once)
{
    tick();
    ck_assert(has("a") && has("b") && has("c"));
    ck_assert(rig.node.stream->adopted);
    ck_assert_uint_eq(issuer.asked, 2);
    ck_assert_str_eq(issuer.after[1], "c");
    tick();
    ck_assert_uint_eq(issuer.asked, 2);
}
END_TEST

START_TEST(a_manifest_that_cannot_be_read_holds_up_nothing)
{
    issuer.at[1] = WF_STR("no manifest");
    tick();
    ck_assert(has("a") && !has("b") && has("c"));
    ck_assert(rig.node.stream->adopted);
    ck_assert_uint_eq(issuer.asked, 2);
}
END_TEST

START_TEST(a_page_that_leads_nowhere_is_asked_for_again_after_a_growing_pause)
{
    struct wf_stream_room *r = rig.node.stream;
    int64_t pause = 0;

    issuer.same = true;
    for (size_t i = 0; i < MANIFESTS; i++)
        issuer.at[i] = WF_STR("no manifest");
    for (unsigned i = 1; i < ASKS; i++) {
        tick();
        ck_assert_uint_eq(issuer.asked, i);
        ck_assert(!r->adopted && !r->adopting);
        ck_assert_int_gt(r->adopt_at_ms, wf_node_now_ms(&rig.node));
        ck_assert_int_gt(r->adopt_pause_ms, pause);
        pause = r->adopt_pause_ms;
    }
    for (size_t i = 0; i < MANIFESTS; i++)
        issuer.at[i] = wf_buf_view(&kept[i]);
    issuer.same = false;
    issuer.asked = 0;
    tick();
    ck_assert(r->adopted && has("a") && has("b") && has("c"));
}
END_TEST

// Names that come again and again, too: an issuer's node that pages wrongly.
START_TEST(a_page_that_leads_back_ends_the_asking)
{
    issuer.same = true;
    tick();
    ck_assert_uint_eq(issuer.asked, 2);
    ck_assert(has("c") && !rig.node.stream->adopted);
}
END_TEST

START_TEST(what_the_disk_could_not_take_is_asked_for_again)
{
    struct wf_stream_room *r = rig.node.stream;
    char *good = r->product_dir;

    char bad[1024]; // a name that no file system takes
    snprintf(bad, sizeof bad, "%s/%0300d", dirs[1], 0);
    r->product_dir = bad;
    tick();
    ck_assert(!has("a") && !r->adopted);
    ck_assert_uint_eq(issuer.asked, 1);
    r->product_dir = good;
    tick();
    ck_assert(has("a") && has("b") && has("c") && r->adopted);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.adopt");
    TCase *t = tcase_create("adopt");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, what_was_kept_is_taken_over_once);
    tcase_add_test(t, a_manifest_that_cannot_be_read_holds_up_nothing);
    tcase_add_test(t, a_page_that_leads_nowhere_is_asked_for_again_after_a_growing_pause);
    tcase_add_test(t, a_page_that_leads_back_ends_the_asking);
    tcase_add_test(t, what_the_disk_could_not_take_is_asked_for_again);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
