// SPDX-License-Identifier: Apache-2.0
// APPLY on the local socket, as `weft product apply` and `weft product remove` send it: what a removal ends, and that nobody touches what
// weftd makes itself.
#include <check.h>
#include <unistd.h>

#include "tests/support/streamrig.h"

static struct streamrig rig;
static struct wf_home_product *product;
static char said[512]; // the changes, or why not

static void setup(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    streamrig_open(&rig);
    product = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
}

static void teardown(void)
{
    streamrig_fini(&rig);
}

struct wish {
    const char *name, *version, *domain; // domain: NULL = left to the node
    bool remove, dry_run;
    const char *rules; // of alerts; NULL: none
};

static enum weft_err ask(const struct wish *w)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__ApplyRequest apply = WEFT__V1__APPLY_REQUEST__INIT;
    Weft__V1__Manifest manifest = WEFT__V1__MANIFEST__INIT;
    Weft__V1__ProductDescriptor d = WEFT__V1__PRODUCT_DESCRIPTOR__INIT;
    Weft__V1__Owner owner = WEFT__V1__OWNER__INIT;
    struct wf_buf set = streamrig_schema("sample");

    owner.name = owner.contact = wf_pb_str("Testers");
    d.name = wf_pb_str(w->name);
    d.domain = wf_pb_str(w->domain);
    if (!w->remove) { // a removal names the product and says nothing else
        d.version = wf_pb_str(w->version);
        d.title = d.description = wf_pb_str("Rows");
        d.owner = &owner;
        d.kind = WEFT__V1__PRODUCT_KIND__PRODUCT_KIND_METRIC;
        d.message = wf_pb_str("weft.sample.Row");
        d.classification = WEFT__V1__CLASSIFICATION__CLASSIFICATION_INTERNAL;
        d.durability = WEFT__V1__DURABILITY__DURABILITY_DISK;
        apply.schema = wf_pb_bin(wf_buf_view(&set));
    }
    manifest.product = &d;
    manifest.removed = w->remove;
    if (w->rules)
        manifest.rules = wf_pb_bin(wf_bytes_str(w->rules));
    apply.manifest = &manifest;
    apply.dry_run = w->dry_run;
    c->caller.local = true;
    c->caller.uid = (uint32_t)getuid();
    c->request.kind_case = WEFT__V1__REQUEST__KIND_APPLY;
    c->request.apply = &apply;
    streamrig_send(&rig, c, wf_apply_handle);
    ck_assert(c->answered);
    enum weft_err err = c->err;
    if (err)
        snprintf(said, sizeof said, "%s", c->reply->refusal->text);
    else
        snprintf(
            said, sizeof said, "%s", c->reply->apply->n_changes ? c->reply->apply->changes[0] : "");
    streamrig_call_free(c);
    wf_buf_fini(&set);
    return err;
}

// ---- removal -----------------------------------------------------------------------------------------------------------

START_TEST(a_removed_product_is_gone_in_all_its_majors_and_no_other_is)
{
    streamrig_product(&rig, "others", WF_PRODUCT_METRIC);
    ck_assert_int_eq(ask(&(struct wish){ "rows", "2.0.0" }), WEFT_OK);
    ck_assert_ptr_nonnull(wf_stream_find(&rig.node, "rows", 2));
    ck_assert_int_eq(ask(&(struct wish){ "rows", .remove = true }), WEFT_OK);
    ck_assert_msg(strstr(said, "removed"), "%s", said);
    ck_assert_ptr_null(wf_stream_find(&rig.node, "rows", 1));
    ck_assert_ptr_null(wf_stream_find(&rig.node, "rows", 2));
    ck_assert_ptr_nonnull(wf_stream_find(&rig.node, "others", 0));
    ck_assert_msg(ask(&(struct wish){ "rows", .remove = true }) == WEFT_E_NOT_FOUND,
        "a second removal finds nothing: %s", said);
}
END_TEST

START_TEST(a_removed_product_stays_so_over_a_restart_and_its_records_wait_for_its_return)
{
    ck_assert_int_eq(streamrig_publish(&rig, product, 0, 3, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_int_eq(ask(&(struct wish){ "rows", .remove = true }), WEFT_OK);
    streamrig_close(&rig);
    streamrig_open(&rig);
    ck_assert_ptr_null(wf_stream_find(&rig.node, "rows", 0));
    ck_assert_int_eq(ask(&(struct wish){ "rows", "1.0.0" }), WEFT_OK);
    ck_assert_msg(strstr(said, "is back"), "%s", said);
    ck_assert_uint_eq(wf_home_head(wf_stream_find(&rig.node, "rows", 0)), 3);
}
END_TEST

static const struct {
    const char *why;
    struct wish wish;
    enum weft_err want;
    const char *says;
} kept[] = {
    { "a dry run", { "rows", .remove = true, .dry_run = true }, WEFT_OK, "removed" },
    { "a product that is not here", { "nothing", .remove = true }, WEFT_E_NOT_FOUND, "nothing" },
    { "another domain's", { "rows", .domain = "network", .remove = true }, WEFT_E_WRONG_DOMAIN,
        "network" },
    { "no name", { "", .remove = true }, WEFT_E_NAME, "name" },
};

START_TEST(what_does_not_remove_changes_nothing)
{
    enum weft_err err = ask(&kept[_i].wish);

    ck_assert_msg(err == kept[_i].want, "%s: %s", kept[_i].why, weft_err_name(err));
    ck_assert_msg(strstr(said, kept[_i].says), "%s: %s", kept[_i].why, said);
    ck_assert_ptr_eq(wf_stream_find(&rig.node, "rows", 0), product);
}
END_TEST

// ---- what weftd makes itself -------------------------------------------------------------------------------------------

static const struct {
    const char *why;
    struct wish wish;
} touches[] = {
    { "the trail is not removed", { "access", .remove = true } },
    { "the table of hosts is not removed", { "agents", .remove = true } },
    { "nor is its removal only tried", { "access", .remove = true, .dry_run = true } },
    { "the trail takes no manifest", { "access", "1.0.1" } },
    { "nor the table of hosts", { "agents", "1.0.1" } },
    { "a node's signals take no manifest", { "signals-hub", "1.0.1" } },
    { "and are not removed", { "signals-hub", .remove = true } },
    { "another major is the same name", { "access", "2.0.0" } },
    { "nor under the domain's full name", { "agents", "2.0.0", .domain = "servers" } },
};

START_TEST(what_is_built_in_is_neither_removed_nor_replaced)
{
    struct wf_home_product *own = streamrig_product(&rig, touches[_i].wish.name, WF_PRODUCT_EVENT);
    const struct wf_collect *before = wf_home_collect(own);

    ck_assert_msg(ask(&touches[_i].wish) == WEFT_E_POLICY, "%s: %s", touches[_i].why, said);
    ck_assert_msg(strstr(said, touches[_i].wish.name) && strstr(said, "is built in"), "%s", said);
    ck_assert_ptr_eq(wf_stream_find(&rig.node, touches[_i].wish.name, 0), own);
    ck_assert_ptr_eq(wf_home_collect(own), before);
}
END_TEST

START_TEST(a_name_that_only_begins_like_a_built_in_one_is_free)
{
    ck_assert_msg(ask(&(struct wish){ "access-log", "1.0.0" }) == WEFT_OK, "%s", said);
    ck_assert_int_eq(ask(&(struct wish){ "access-log", .remove = true }), WEFT_OK);
}
END_TEST

// A publisher on the socket would sign with the node's key; an agent could push until retention drops the true records.
START_TEST(what_is_built_in_takes_records_of_the_node_alone)
{
    struct wf_home_product *trail = streamrig_product(&rig, "access", WF_PRODUCT_EVENT);
    struct streamrig_origin agent = streamrig_agent(&rig, "web-1");
    struct wf_buf batch = streamrig_batch(&rig, &agent, trail, 0, 3);
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__PublishRequest q = WEFT__V1__PUBLISH_REQUEST__INIT;
    struct wf_diag diag = { 0 };
    static const uint8_t publisher[16] = { 7 };

    ck_assert_int_eq(wf_stream_accept(&rig.node, trail, &agent.identity, wf_buf_view(&batch),
                         streamrig_on_done, &rig, &diag),
        WEFT_E_POLICY);
    ck_assert_msg(strstr(diag.text, "built in"), "%s", diag.text);
    q.product = wf_pb_str("access");
    q.publisher = wf_pb_bin(WF_BYTES(publisher));
    c->request.kind_case = WEFT__V1__REQUEST__KIND_PUBLISH;
    c->request.publish = &q;
    c->caller.local = true;
    c->caller.uid = (uint32_t)getuid();
    streamrig_send(&rig, c, wf_publish_handle);
    ck_assert(c->answered);
    ck_assert_int_eq(c->err, WEFT_E_POLICY);
    ck_assert_int_eq(streamrig_publish(&rig, trail, 0, 2, NULL, 0), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_uint_eq(wf_home_head(trail), 2);
    streamrig_call_free(c);
    streamrig_agent_fini(&agent);
    wf_buf_fini(&batch);
}
END_TEST

START_TEST(rules_of_alerts_are_a_document_of_their_product)
{
    static const char rules[] = "rules: {full: {when: used > 1}}\n";
    struct wish w = { .name = "rows", .version = "1.0.0", .rules = rules };
    struct wf_arena arena;
    struct wf_bytes got;

    ck_assert_int_eq(ask(&w), WEFT_OK);
    ck_assert_msg(strstr(said, "rules changed") != NULL, "%s", said);
    streamrig_close(&rig);
    streamrig_open(&rig);
    product = wf_stream_find(&rig.node, "rows", 0);
    ck_assert_ptr_nonnull(product);
    wf_arena_init(&arena, 65536);
    ck_assert_int_eq(
        wf_documents_get(&rig.node, &wf_home_descriptor(product)->rules_hash, &arena, &got),
        WEFT_OK);
    ck_assert(wf_bytes_eq(got, wf_bytes_str(rules)));
    wf_arena_fini(&arena);
    w.rules = "rules: \xff\n";
    ck_assert_int_eq(ask(&w), WEFT_E_SYNTAX);
    w.rules = NULL;
    ck_assert_int_eq(ask(&w), WEFT_OK);
    ck_assert_msg(strstr(said, "rules removed") != NULL, "%s", said);
    ck_assert(wf_hash_is_zero(&wf_home_descriptor(product)->rules_hash));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.apply");
    TCase *t = tcase_create("apply");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_removed_product_is_gone_in_all_its_majors_and_no_other_is);
    tcase_add_test(
        t, a_removed_product_stays_so_over_a_restart_and_its_records_wait_for_its_return);
    tcase_add_loop_test(t, what_does_not_remove_changes_nothing, 0, (int)WF_COUNT(kept));
    tcase_add_loop_test(
        t, what_is_built_in_is_neither_removed_nor_replaced, 0, (int)WF_COUNT(touches));
    tcase_add_test(t, a_name_that_only_begins_like_a_built_in_one_is_free);
    tcase_add_test(t, what_is_built_in_takes_records_of_the_node_alone);
    tcase_add_test(t, rules_of_alerts_are_a_document_of_their_product);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
