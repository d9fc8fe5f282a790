// SPDX-License-Identifier: Apache-2.0
// Batches of agents, one reason to refuse after the other; and manifests.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/streamrig.h"

static struct streamrig rig;
static struct wf_home_product *product;
static struct streamrig_origin agent;

static void setup(void)
{
    streamrig_init(&rig, wf_test_tmpdir());
    streamrig_open(&rig);
    product = streamrig_product(&rig, "rows", WF_PRODUCT_METRIC);
    agent = streamrig_agent(&rig, "web-1");
}

static void teardown(void)
{
    streamrig_agent_fini(&agent);
    streamrig_fini(&rig);
}

static enum weft_err push(struct wf_buf *batch)
{
    struct wf_diag diag = { 0 };

    return wf_stream_accept(
        &rig.node, product, &agent.identity, wf_buf_view(batch), streamrig_on_done, &rig, &diag);
}

static enum weft_err push_next(int64_t n, uint32_t count)
{
    struct wf_buf batch = streamrig_batch(&rig, &agent, product, n, count);
    enum weft_err err = push(&batch);

    wf_buf_fini(&batch);
    return err;
}

static uint64_t mark(void)
{
    return wf_stream_origin_mark(
        &rig.node, product, &agent.identity.cert.sign_key, &agent.incarnation);
}

START_TEST(batches_in_order_become_entries)
{
    ck_assert_int_eq(push_next(0, 5), WEFT_OK);
    ck_assert_int_eq(push_next(5, 5), WEFT_OK);
    ck_assert_uint_eq(mark(), 0); // nothing is promised before it is durable
    STREAMRIG_UNTIL(&rig, rig.done_count == 2);
    ck_assert_uint_eq(mark(), 10);
    ck_assert_uint_eq(wf_home_head(product), 10);
}
END_TEST

START_TEST(a_repeated_batch_is_acknowledged_once_it_is_durable)
{
    struct wf_buf batch = streamrig_batch(&rig, &agent, product, 0, 5);

    ck_assert_int_eq(push(&batch), WEFT_OK);
    ck_assert_int_eq(push(&batch), WEFT_OK);
    ck_assert_uint_eq(rig.done_count, 0);
    STREAMRIG_UNTIL(&rig, rig.done_count == 2);
    ck_assert_int_eq(push(&batch), WEFT_OK);
    ck_assert_uint_eq(rig.done_count, 3);
    ck_assert_uint_eq(wf_home_head(product), 5);
    wf_buf_fini(&batch);
}
END_TEST

START_TEST(a_gap_is_refused_until_it_is_filled)
{
    ck_assert_int_eq(push_next(0, 5), WEFT_OK);
    struct wf_buf second = streamrig_batch(&rig, &agent, product, 5, 5);
    struct wf_buf third = streamrig_batch(&rig, &agent, product, 10, 5);
    ck_assert_int_eq(push(&third), WEFT_E_ORDER);
    ck_assert_int_eq(push(&second), WEFT_OK);
    ck_assert_int_eq(push(&third), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 3);
    ck_assert_uint_eq(mark(), 15);
    wf_buf_fini(&second);
    wf_buf_fini(&third);
}
END_TEST

START_TEST(two_headers_for_one_place_are_refused)
{
    ck_assert_int_eq(push_next(0, 5), WEFT_OK);
    agent.next_seq = 0;
    agent.last = (struct wf_hash){ 0 };
    ck_assert_int_eq(push_next(100, 5), WEFT_E_EQUIVOCATION);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
}
END_TEST

START_TEST(a_newer_incarnation_begins_anew_and_the_older_is_over)
{
    ck_assert_int_eq(push_next(0, 5), WEFT_OK);
    struct streamrig_origin older = agent;
    agent.incarnation.counter++;
    agent.next_seq = 0;
    agent.last = (struct wf_hash){ 0 };
    ck_assert_int_eq(push_next(0, 2), WEFT_OK);
    struct streamrig_origin newer = agent;
    agent = older;
    ck_assert_int_eq(push_next(5, 5), WEFT_E_STALE);
    agent = newer;
    STREAMRIG_UNTIL(&rig, rig.done_count == 2);
    ck_assert_uint_eq(mark(), 2);
}
END_TEST

// A home that never heard of an origin can't ask for what was acknowledged elsewhere.
START_TEST(an_unknown_origin_may_begin_in_the_middle)
{
    agent.next_seq = 1000;
    agent.last = wf_test_hash("acknowledged by an earlier home");
    ck_assert_int_eq(push_next(0, 5), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_uint_eq(mark(), 1005);
}
END_TEST

START_TEST(a_loss_takes_its_place_without_records)
{
    struct wf_batch_header h = { .product_id = wf_home_descriptor(product)->id,
        .schema_hash = wf_home_descriptor(product)->schema_hash,
        .certificate = agent.identity.cert.id,
        .incarnation = agent.incarnation,
        .count = 30,
        .kind = WF_BATCH_LOSS,
        .base_us = wf_node_now_unix_ms(&rig.node) * 1000,
        .loss_reason = "the spool was full" };
    h.min_us = h.max_us = h.base_us;
    struct wf_buf batch = streamrig_batch_of(&h, wf_bytes(NULL, 0), &agent.key);

    ck_assert_int_eq(push(&batch), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    ck_assert_uint_eq(mark(), 30);
    ck_assert_uint_eq(wf_home_head(product), 30);
    wf_buf_fini(&batch);
}
END_TEST

// ---- reasons to refuse -----------------------------------------------------------------------------------------------

static void vary_product(struct wf_batch_header *h)
{
    h->product_id = wf_test_hash("another product");
}
static void vary_schema(struct wf_batch_header *h)
{
    h->schema_hash = wf_test_hash("another schema");
}
static void vary_certificate(struct wf_batch_header *h)
{
    h->certificate = wf_test_hash("another certificate");
}
static void vary_incarnation(struct wf_batch_header *h)
{
    h->incarnation.counter += (uint64_t)WF_MAX_AHEAD_MS + 100000;
}
static void vary_times(struct wf_batch_header *h)
{
    h->max_us += 1;
}
static void vary_nothing(struct wf_batch_header *h)
{
    (void)h;
}
static void other_domain(void)
{
    snprintf(agent.identity.cert.domain.s, sizeof agent.identity.cert.domain.s, "network");
}
static void no_patterns(void)
{
    agent.identity.cert.pattern_count = 0;
}
static void other_key(void)
{
    agent.identity.cert.sign_key.b[0] ^= 1;
}
static void revoked(void)
{
    rig.revoked = agent.identity.cert.sign_key;
    rig.has_revoked = true;
}
static void removed(void)
{
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_diag diag = { 0 };

    c.removed = true;
    ck_assert_int_eq(streamrig_apply(&rig, &c, NULL, &diag), WEFT_OK);
}

static const struct bad_batch {
    const char *why;
    void (*vary)(struct wf_batch_header *h);
    void (*prepare)(void);
    enum weft_err want;
} bad_batches[] = {
    { "signed by another key than the session's", vary_nothing, other_key, WEFT_E_UNKNOWN_KEY },
    { "of another product", vary_product, NULL, WEFT_E_TYPE },
    { "the origin is of another domain", vary_nothing, other_domain, WEFT_E_WRONG_DOMAIN },
    { "the certificate does not cover the product", vary_nothing, no_patterns, WEFT_E_PRODUCT },
    { "the origin is revoked", vary_nothing, revoked, WEFT_E_REVOKED },
    { "cites a certificate nobody knows", vary_certificate, NULL, WEFT_E_CHAIN },
    { "an incarnation from the far future", vary_incarnation, NULL, WEFT_E_FUTURE },
    { "a schema that the product never had", vary_schema, NULL, WEFT_E_SCHEMA },
    { "records do not bear out the header's times", vary_times, NULL, WEFT_E_RANGE },
    { "the product was removed", vary_nothing, removed, WEFT_E_STOPPED },
};

START_TEST(bad_batches_are_refused_with_their_reason)
{
    const struct bad_batch *b = &bad_batches[_i];
    struct wf_records rows = streamrig_rows(0, 3);
    struct wf_batch_header h = { .product_id = wf_home_descriptor(product)->id,
        .schema_hash = wf_home_descriptor(product)->schema_hash,
        .certificate = agent.identity.cert.id,
        .incarnation = agent.incarnation,
        .count = 3,
        .base_us = rows.base_us,
        .min_us = rows.min_us,
        .max_us = rows.max_us };

    b->vary(&h);
    if (b->prepare)
        b->prepare();
    struct wf_buf batch = streamrig_batch_of(&h, wf_buf_view(&rows.raw), &agent.key);
    enum weft_err err = push(&batch);
    ck_assert_msg(err == b->want, "%s: %s", b->why, weft_err_name(err));
    ck_assert_uint_eq(wf_home_head(product), 0);
    ck_assert_uint_eq(rig.done_count, 0);
    wf_buf_fini(&batch);
    wf_records_fini(&rows);
}
END_TEST

START_TEST(a_batch_with_bad_records_or_bytes_is_refused)
{
    struct wf_records one = { 0 };
    ck_assert_int_eq(wf_records_put(&one, WF_OP_PUT, wf_node_now_unix_ms(&rig.node) * 1000,
                         WF_STR("\x0a\x01\xff")),
        WEFT_OK);
    struct wf_batch_header h = { .product_id = wf_home_descriptor(product)->id,
        .schema_hash = wf_home_descriptor(product)->schema_hash,
        .certificate = agent.identity.cert.id,
        .incarnation = agent.incarnation,
        .count = 1,
        .base_us = one.base_us,
        .min_us = one.min_us,
        .max_us = one.max_us };
    struct wf_buf batch = streamrig_batch_of(&h, wf_buf_view(&one.raw), &agent.key);
    ck_assert_int_eq(push(&batch), WEFT_E_BAD_UTF8);
    batch.ptr[batch.len - 1] ^= 1;
    ck_assert_int_eq(push(&batch), WEFT_E_HASH);
    // Cut anywhere it is never taken.
    for (size_t len = 0; len < batch.len; len++) {
        struct wf_buf cut = { batch.ptr, len, len };
        ck_assert_int_ne(push(&cut), WEFT_OK);
    }
    ck_assert_uint_eq(product->tail, 0);
    wf_buf_fini(&batch);
    wf_records_fini(&one);
}
END_TEST

START_TEST(skewed_clocks_are_flagged_not_refused)
{
    struct wf_records rows = { 0 };
    struct wf_buf row = streamrig_row("h", 1);
    int64_t early = (wf_node_now_unix_ms(&rig.node) - 3600000) * 1000;

    ck_assert_int_eq(wf_records_put(&rows, WF_OP_PUT, early, wf_buf_view(&row)), WEFT_OK);
    struct wf_batch_header h = { .product_id = wf_home_descriptor(product)->id,
        .schema_hash = wf_home_descriptor(product)->schema_hash,
        .certificate = agent.identity.cert.id,
        .incarnation = agent.incarnation,
        .count = 1,
        .base_us = early,
        .min_us = early,
        .max_us = early };
    struct wf_buf batch = streamrig_batch_of(&h, wf_buf_view(&rows.raw), &agent.key);
    ck_assert_int_eq(push(&batch), WEFT_OK);
    ck_assert(product->pending->entry.late);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    wf_buf_fini(&batch);
    wf_buf_fini(&row);
    wf_records_fini(&rows);
}
END_TEST

// ---- inventories -----------------------------------------------------------------------------------------------------

static void add(struct wf_records *r, enum wf_record_op op, const char *host)
{
    struct wf_buf row = { 0 };

    if (host)
        row = streamrig_row(host, 1);
    ck_assert_int_eq(
        wf_records_put(r, op, wf_node_now_unix_ms(&rig.node) * 1000, wf_buf_view(&row)), WEFT_OK);
    wf_buf_fini(&row);
}

static void originate(struct wf_home_product *p, struct wf_records *r)
{
    struct wf_origin_records o = {
        .raw = wf_buf_view(&r->raw), .base_us = r->base_us, .count = r->count
    };
    struct wf_diag diag = { 0 };
    size_t before = rig.done_count;

    ck_assert_msg(wf_stream_originate(&rig.node, p, &o, streamrig_on_done, &rig, &diag) == WEFT_OK,
        "%s", diag.text);
    STREAMRIG_UNTIL(&rig, rig.done_count == before + 1);
    wf_records_reset(r);
}

START_TEST(retention_is_held_back_by_the_latest_whole_snapshot)
{
    struct wf_home_product *p = streamrig_product(&rig, "hosts", WF_PRODUCT_INVENTORY);
    int64_t now = wf_node_now_unix_ms(&rig.node);
    struct wf_records r = { 0 };

    ck_assert_uint_eq(wf_marks_pin(p, now), WF_NONE);
    add(&r, WF_OP_PUT, "a");
    originate(p, &r); // 0
    add(&r, WF_OP_SNAPSHOT_BEGIN, NULL);
    add(&r, WF_OP_PUT, "a");
    originate(p, &r); // 1, 2
    ck_assert_uint_eq(wf_marks_pin(p, now), WF_NONE);
    add(&r, WF_OP_PUT, "b");
    add(&r, WF_OP_SNAPSHOT_END, NULL);
    originate(p, &r); // 3, 4
    ck_assert_uint_eq(wf_marks_pin(p, now), 1);
    add(&r, WF_OP_SNAPSHOT_BEGIN, NULL);
    originate(p, &r); // 5: not whole yet
    ck_assert_uint_eq(wf_marks_pin(p, now), 1);
    streamrig_close(&rig);
    streamrig_open(&rig);
    p = wf_stream_find(&rig.node, "hosts", 0);
    ck_assert_uint_eq(wf_marks_pin(p, now), 1);
    wf_records_fini(&r);
}
END_TEST

// ---- manifests -------------------------------------------------------------------------------------------------------

static void m_name(struct wf_collect *c)
{
    c->product.name = "Rows";
}
static void m_domain(struct wf_collect *c)
{
    c->product.domain = "network";
}
static void m_version(struct wf_collect *c)
{
    c->product.version = "1.0";
}
static void m_lower(struct wf_collect *c)
{
    c->product.version = "1.0.0";
    c->product.name = "rows";
}
static void m_message(struct wf_collect *c)
{
    c->product.message = "weft.sample.Nothing";
}
static void m_no_message(struct wf_collect *c)
{
    c->product.message = "";
}
static void m_service(struct wf_collect *c)
{
    c->product.service = "weft.sample.Rows";
}
static void m_key(struct wf_collect *c)
{
    static const char *keys[] = { "hots" };
    c->product.keys = keys;
    c->product.key_count = 1;
}
static void m_list_key(struct wf_collect *c)
{
    static const char *keys[] = { "tags" };
    c->product.keys = keys;
    c->product.key_count = 1;
}
static void m_no_key(struct wf_collect *c)
{
    c->product.kind = WF_PRODUCT_INVENTORY;
}
static void m_column(struct wf_collect *c)
{
    static const char *verbs[] = { "query" }, *columns[] = { "nothing" };
    static struct wf_access_rule rule = { .domain = "monitoring",
        .subject = "",
        .verb_count = 1,
        .verbs = verbs,
        .column_count = 1,
        .columns = columns,
        .duration_ms = 3600000 };
    c->product.rules = &rule;
    c->product.rule_count = 1;
}
static void m_owner(struct wf_collect *c)
{
    c->product.owner_name = "";
}
static void m_api_message(struct wf_collect *c)
{
    c->product.kind = WF_PRODUCT_API;
}
static void m_api_service(struct wf_collect *c)
{
    c->product.kind = WF_PRODUCT_API;
    c->product.message = "";
    c->product.service = "weft.sample.Nobody";
}
static void m_kind(struct wf_collect *c)
{
    c->product.name = "rows";
    c->product.version = "1.1.1";
    c->product.kind = WF_PRODUCT_EVENT;
}
static void m_other_message(struct wf_collect *c)
{
    c->product.name = "rows";
    c->product.version = "1.1.1";
    c->product.message = "weft.sample.Ask";
}
static void m_breaks(struct wf_collect *c)
{
    c->product.name = "rows";
    c->product.version = "1.1.1";
}
static void m_gone(struct wf_collect *c)
{
    c->product.name = "nothing";
    c->removed = true;
}

static const struct bad_manifest {
    const char *why;
    void (*vary)(struct wf_collect *c);
    const char *schema;
    enum weft_err want;
    const char *says;
} bad_manifests[] = {
    { "a name with capitals", m_name, "sample", WEFT_E_NAME, "name" },
    { "another domain's product", m_domain, "sample", WEFT_E_WRONG_DOMAIN, "network" },
    { "a version of two numbers", m_version, "sample", WEFT_E_SYNTAX, "version" },
    { "a version below the one in force", m_lower, "sample", WEFT_E_MANIFEST, "lower" },
    { "a message that the schema lacks", m_message, "sample", WEFT_E_NOT_FOUND, "Nothing" },
    { "a metric without a message", m_no_message, "sample", WEFT_E_MISSING_FIELD, "message" },
    { "a metric with a service", m_service, "sample", WEFT_E_MANIFEST, "service" },
    { "a key that no field is", m_key, "sample", WEFT_E_NOT_FOUND, "hots" },
    { "a list as key", m_list_key, "sample", WEFT_E_TYPE, "tags" },
    { "an inventory without keys", m_no_key, "sample", WEFT_E_MISSING_FIELD, "key" },
    { "a granted column that no field is", m_column, "sample", WEFT_E_NOT_FOUND, "nothing" },
    { "no owner", m_owner, "sample", WEFT_E_MISSING_FIELD, "manifest" },
    { "an api with a message", m_api_message, "sample", WEFT_E_MANIFEST, "api" },
    { "a service that the schema lacks", m_api_service, "sample", WEFT_E_NOT_FOUND, "Nobody" },
    { "no schema", m_breaks, NULL, WEFT_E_MISSING_FIELD, "descriptor set" },
    { "another kind within a major", m_kind, "sample", WEFT_E_INCOMPATIBLE, "kind" },
    { "another message within a major", m_other_message, "sample", WEFT_E_INCOMPATIBLE, "message" },
    { "a schema that breaks readers", m_breaks, "sample_broken", WEFT_E_INCOMPATIBLE, "used" },
    { "removal of what is not there", m_gone, NULL, WEFT_E_NOT_FOUND, "nothing" },
};

START_TEST(bad_manifests_change_nothing_and_say_why)
{
    const struct bad_manifest *b = &bad_manifests[_i];
    struct wf_collect now = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_collect c = streamrig_manifest("other", WF_PRODUCT_METRIC);
    struct wf_diag diag = { 0 };

    now.product.version = "1.1.0";
    ck_assert_int_eq(streamrig_apply(&rig, &now, "sample", &diag), WEFT_OK);
    const struct wf_collect *before = wf_home_collect(product);
    b->vary(&c);
    enum weft_err err = streamrig_apply(&rig, &c, b->schema, &diag);
    ck_assert_msg(err == b->want, "%s: %s (%s)", b->why, weft_err_name(err), diag.text);
    ck_assert_msg(strstr(diag.text, b->says), "%s: %s", b->why, diag.text);
    ck_assert_ptr_eq(wf_home_collect(product), before);
    ck_assert_ptr_null(wf_stream_find(&rig.node, "other", 0));
}
END_TEST

START_TEST(a_compatible_change_keeps_the_history_of_schemas)
{
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_hash first = wf_home_descriptor(product)->schema_hash;
    struct wf_diag diag = { 0 };
    struct wf_buf old = streamrig_batch(&rig, &agent, product, 0, 2);

    c.product.version = "1.1.0";
    ck_assert_msg(streamrig_apply(&rig, &c, "sample_next", &diag) == WEFT_OK, "%s", diag.text);
    const struct wf_product *d = wf_home_descriptor(product);
    ck_assert_uint_eq(d->earlier_count, 1);
    ck_assert(wf_hash_eq(&d->earlier[0], &first));
    ck_assert(!wf_hash_eq(&d->schema_hash, &first));
    // What was signed under the earlier one is still taken.
    ck_assert_int_eq(push(&old), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    streamrig_close(&rig);
    streamrig_open(&rig);
    product = wf_stream_find(&rig.node, "rows", 0);
    ck_assert_ptr_nonnull(product);
    ck_assert_uint_eq(wf_home_descriptor(product)->earlier_count, 1);
    ck_assert_ptr_nonnull(wf_home_message_of(product, &first));
    wf_buf_fini(&old);
}
END_TEST

START_TEST(a_dry_run_tells_and_changes_nothing)
{
    struct wf_collect c = streamrig_manifest("other", WF_PRODUCT_METRIC);
    struct wf_buf set = streamrig_schema("sample"), changes = { 0 };
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(
        wf_stream_apply(&rig.node, &c, wf_buf_view(&set), true, &changes, &diag), WEFT_OK);
    ck_assert_uint_gt(changes.len, 0);
    ck_assert_ptr_null(wf_stream_find(&rig.node, "other", 0));
    wf_buf_fini(&set);
    wf_buf_fini(&changes);
}
END_TEST

START_TEST(a_removed_product_stays_removed_and_can_come_back)
{
    struct wf_collect c = streamrig_manifest("rows", WF_PRODUCT_METRIC);
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(push_next(0, 5), WEFT_OK);
    STREAMRIG_UNTIL(&rig, rig.done_count == 1);
    removed();
    ck_assert_ptr_null(wf_stream_find(&rig.node, "rows", 0));
    streamrig_close(&rig);
    streamrig_open(&rig);
    ck_assert_ptr_null(wf_stream_find(&rig.node, "rows", 0));
    ck_assert_int_eq(streamrig_apply(&rig, &c, "sample", &diag), WEFT_OK);
    product = wf_stream_find(&rig.node, "rows", 0);
    ck_assert_ptr_nonnull(product);
    STREAMRIG_UNTIL(&rig, !wf_incarnation_is_none(&product->log_id));
    ck_assert_uint_eq(wf_home_head(product), 5); // its offsets go on
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.stream_accept");
    TCase *t = tcase_create("accept");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, batches_in_order_become_entries);
    tcase_add_test(t, a_repeated_batch_is_acknowledged_once_it_is_durable);
    tcase_add_test(t, a_gap_is_refused_until_it_is_filled);
    tcase_add_test(t, two_headers_for_one_place_are_refused);
    tcase_add_test(t, a_newer_incarnation_begins_anew_and_the_older_is_over);
    tcase_add_test(t, an_unknown_origin_may_begin_in_the_middle);
    tcase_add_test(t, a_loss_takes_its_place_without_records);
    tcase_add_loop_test(
        t, bad_batches_are_refused_with_their_reason, 0, (int)WF_COUNT(bad_batches));
    tcase_add_test(t, a_batch_with_bad_records_or_bytes_is_refused);
    tcase_add_test(t, skewed_clocks_are_flagged_not_refused);
    tcase_add_test(t, retention_is_held_back_by_the_latest_whole_snapshot);
    tcase_add_loop_test(
        t, bad_manifests_change_nothing_and_say_why, 0, (int)WF_COUNT(bad_manifests));
    tcase_add_test(t, a_compatible_change_keeps_the_history_of_schemas);
    tcase_add_test(t, a_dry_run_tells_and_changes_nothing);
    tcase_add_test(t, a_removed_product_stays_removed_and_can_come_back);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
