// SPDX-License-Identifier: Apache-2.0
// Product descriptors and manifests: every field travels, every rule has its refusal.
#include <check.h>

#include "proto/trust/product_doc.h"
#include "tests/support/trust_product.h"

static struct wf_secret node;
static struct wf_sign_pub node_pub;
static struct wf_hash mesh_id;

static void setup(void)
{
    node = wf_test_sign_key("servers/node", &node_pub);
    mesh_id = wf_test_hash("mesh");
}

static void teardown(void)
{
    wf_secret_fini(&node);
}

static struct wf_collect sample(void)
{
    static const char *run[] = { "/usr/bin/weft-host", "hosts" },
                      *serve[] = { "/usr/bin/weft-ports" };
    static const char *hosts[] = { "all", "node", "web-*" };

    return (struct wf_collect){ .product = wf_test_product(),
        .mesh_id = mesh_id,
        .sequence = WF_TEST_NOW,
        .run_count = WF_COUNT(run),
        .run = run,
        .host_count = WF_COUNT(hosts),
        .hosts = hosts,
        .serve_count = WF_COUNT(serve),
        .serve = serve,
        .every_ms = 30000 };
}

static struct wf_buf sealed_sample(void)
{
    struct wf_collect fields = sample();
    struct wf_buf out = { 0 };
    enum weft_err err = wf_collect_sign(&fields, &node, &out);

    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    return out;
}

static enum weft_err open_collect(struct wf_bytes raw, void *context)
{
    struct wf_collect *c = NULL;
    enum weft_err err = wf_collect_open(raw, &c);

    (void)context;
    wf_collect_free(c);
    return err;
}

static void expect_strings(
    const char *const *want, size_t want_count, const char *const *got, size_t got_count)
{
    ck_assert_uint_eq(want_count, got_count);
    for (size_t i = 0; i < want_count; i++)
        ck_assert_str_eq(want[i], got[i]);
}

static void expect_product(const struct wf_product *want, const struct wf_product *got)
{
    ck_assert_str_eq(want->domain, got->domain);
    ck_assert_str_eq(want->name, got->name);
    ck_assert_str_eq(want->version, got->version);
    ck_assert_str_eq(want->title, got->title);
    ck_assert_str_eq(want->description, got->description);
    ck_assert_str_eq(want->owner_name, got->owner_name);
    ck_assert_str_eq(want->owner_contact, got->owner_contact);
    ck_assert_str_eq(want->message, got->message);
    ck_assert_str_eq(got->service, "");
    ck_assert_int_eq((int)want->kind, (int)got->kind);
    ck_assert_uint_eq(want->major, got->major);
    ck_assert(wf_hash_eq(&want->schema_hash, &got->schema_hash));
    expect_strings(want->keys, want->key_count, got->keys, got->key_count);
    expect_strings(want->regions, want->region_count, got->regions, got->region_count);
    expect_strings(want->tags, want->tag_count, got->tags, got->tag_count);
    ck_assert_uint_eq(got->earlier_count, 1);
    ck_assert(wf_hash_eq(&want->earlier[0], &got->earlier[0]));
    ck_assert_int_eq((int)want->classification, (int)got->classification);
    ck_assert_int_eq(want->freshness_ms, got->freshness_ms);
    ck_assert_int_eq(want->retention_ms, got->retention_ms);
    ck_assert_uint_eq(want->retention_bytes, got->retention_bytes);
    ck_assert_int_eq((int)want->durability, (int)got->durability);
    ck_assert_uint_eq(want->linger_us, got->linger_us);
    ck_assert_int_eq((int)want->packing, (int)got->packing);
    ck_assert(got->rows_shared);
    ck_assert_int_eq(want->drops, got->drops);
    ck_assert_uint_eq(got->rule_count, 1);
    ck_assert_str_eq(want->rules[0].domain, got->rules[0].domain);
    ck_assert_str_eq(want->rules[0].subject, got->rules[0].subject);
    ck_assert_int_eq(want->rules[0].duration_ms, got->rules[0].duration_ms);
    expect_strings(want->rules[0].verbs, want->rules[0].verb_count, got->rules[0].verbs,
        got->rules[0].verb_count);
    expect_strings(want->rules[0].columns, want->rules[0].column_count, got->rules[0].columns,
        got->rules[0].column_count);
}

START_TEST(manifest_opens_with_every_field)
{
    struct wf_buf raw = sealed_sample();
    struct wf_collect want = sample(), *got = NULL;
    struct wf_hash id;

    ck_assert_int_eq(wf_collect_open(wf_buf_view(&raw), &got), WEFT_OK);
    expect_product(&want.product, &got->product);
    wf_product_id(&mesh_id, "servers", "hosts", 1, &id);
    ck_assert(wf_hash_eq(&id, &got->product.id));
    ck_assert(wf_hash_eq(&mesh_id, &got->mesh_id));
    ck_assert_mem_eq(got->signer.b, node_pub.b, WF_KEY_LEN);
    ck_assert_uint_eq(got->sequence, WF_TEST_NOW);
    ck_assert_int_eq(got->every_ms, 30000);
    ck_assert(!got->removed);
    expect_strings(want.run, want.run_count, got->run, got->run_count);
    expect_strings(want.hosts, want.host_count, got->hosts, got->host_count);
    expect_strings(want.serve, want.serve_count, got->serve, got->serve_count);
    ck_assert(wf_bytes_eq(wf_buf_view(&got->raw), wf_buf_view(&raw)));
    wf_test_trust_vector("500-manifest",
        "accepted: inventory servers/hosts, mesh id BLAKE2b-256('mesh')", wf_buf_view(&raw));
    wf_collect_free(got);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(removed_manifest_carries_only_the_key)
{
    struct wf_collect fields = { .mesh_id = mesh_id, .sequence = WF_TEST_NOW, .removed = true },
                      *got;
    struct wf_buf raw = { 0 };

    fields.product =
        (struct wf_product){ .domain = "servers", .name = "hosts", .kind = WF_PRODUCT_API };
    ck_assert_int_eq(wf_collect_sign(&fields, &node, &raw), WEFT_OK);
    ck_assert_int_eq(wf_collect_open(wf_buf_view(&raw), &got), WEFT_OK);
    ck_assert(got->removed);
    ck_assert_str_eq(got->product.name, "hosts");
    ck_assert_str_eq(got->product.title, "");
    wf_collect_free(got);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(product_id_depends_on_mesh_domain_name_and_major)
{
    struct wf_hash base, other, mesh2 = wf_test_hash("another mesh");

    wf_product_id(&mesh_id, "servers", "hosts", 1, &base);
    wf_test_trust_vector("501-product-id", "mesh id BLAKE2b-256('mesh'), servers/hosts, major 1",
        wf_hash_view(&base));
    wf_product_id(&mesh2, "servers", "hosts", 1, &other);
    ck_assert(!wf_hash_eq(&base, &other));
    wf_product_id(&mesh_id, "server", "shosts", 1, &other); // the parts are length-prefixed
    ck_assert(!wf_hash_eq(&base, &other));
    wf_product_id(&mesh_id, "servers", "hosts", 2, &other);
    ck_assert(!wf_hash_eq(&base, &other));
}
END_TEST

START_TEST(version_has_three_plain_numbers)
{
    static const struct {
        const char *text;
        enum weft_err want;
        uint32_t major;
    } rows[] = {
        { "1.4.2", WEFT_OK, 1 },
        { "0.0.0", WEFT_OK, 0 },
        { "999999999.0.1", WEFT_OK, 999999999 },
        { "1000000000.0.1", WEFT_E_SYNTAX, 0 },
        { "01.0.0", WEFT_E_SYNTAX, 0 },
        { "1.04.0", WEFT_E_SYNTAX, 0 },
        { "1.4", WEFT_E_SYNTAX, 0 },
        { "1.4.2.1", WEFT_E_SYNTAX, 0 },
        { "1.4.2-rc1", WEFT_E_SYNTAX, 0 },
        { "v1.4.2", WEFT_E_SYNTAX, 0 },
        { "1..2", WEFT_E_SYNTAX, 0 },
        { "1.4.", WEFT_E_SYNTAX, 0 },
        { "", WEFT_E_SYNTAX, 0 },
        { "-1.0.0", WEFT_E_SYNTAX, 0 },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        uint32_t major = 0;
        ck_assert_msg(wf_version_major(wf_bytes_str(rows[i].text), &major) == rows[i].want, "%s",
            rows[i].text);
        ck_assert_uint_eq(major, rows[i].major);
    }
}
END_TEST

START_TEST(kinds_and_classifications_have_names)
{
    enum wf_product_kind kind;
    enum wf_classification class;

    for (int i = WF_PRODUCT_METRIC; i <= WF_PRODUCT_API; i++) {
        const char *name = wf_product_kind_name((enum wf_product_kind)i);
        ck_assert_int_eq(wf_product_kind_parse(wf_bytes_str(name), &kind), WEFT_OK);
        ck_assert_int_eq((int)kind, i);
    }
    for (int i = WF_CLASS_PUBLIC; i <= WF_CLASS_PERSONAL; i++) {
        const char *name = wf_classification_name((enum wf_classification)i);
        ck_assert_int_eq(wf_classification_parse(wf_bytes_str(name), &class), WEFT_OK);
        ck_assert_int_eq((int)class, i);
    }
    ck_assert_int_eq(wf_product_kind_parse(WF_STR("unknown"), &kind), WEFT_E_RANGE);
    ck_assert_int_eq(wf_classification_parse(WF_STR("secret"), &class), WEFT_E_RANGE);
    ck_assert_str_eq(wf_product_kind_name(9), "unknown");
    ck_assert_str_eq(wf_classification_name(9), "unknown");
}
END_TEST

#define MUTATION(name, code)                                                                       \
    static void name(Weft__V1__Manifest *m, Weft__V1__ProductDescriptor *p)                        \
    {                                                                                              \
        (void)m;                                                                                   \
        (void)p;                                                                                   \
        code;                                                                                      \
    }
static char long_text[WF_MAX_TEXT + 2], *many[WF_MAX_CAVEAT_ITEMS + 1], *one[1];
static uint8_t short_hash[31];
static ProtobufCBinaryData many_hashes[WF_MAX_EARLIER + 1];
static Weft__V1__AccessRule *many_rules[WF_MAX_ACCESS_RULES + 1];
#define LIST(field, value) (one[0] = wf_pb_str(value), p->n_##field = 1, p->field = one)
#define RULE_LIST(field, value)                                                                    \
    (one[0] = wf_pb_str(value), p->access[0]->n_##field = 1, p->access[0]->field = one)
MUTATION(nothing, (void)0)
MUTATION(no_product, m->product = NULL)
MUTATION(no_mesh, m->mesh_id.len = 0)
MUTATION(short_mesh, m->mesh_id.len = 31)
MUTATION(no_sequence, m->sequence = 0)
MUTATION(huge_sequence, m->sequence = UINT64_MAX)
MUTATION(no_signer, m->signer.len = 0)
MUTATION(other_signer, m->signer = wf_pb_bin(wf_hash_view(&mesh_id)))
MUTATION(negative_every, m->every_ms = -1)
MUTATION(empty_argument, (one[0] = wf_pb_str(""), m->n_run = 1, m->run = one))
MUTATION(long_argument, (one[0] = long_text, m->n_run = 1, m->run = one))
MUTATION(many_arguments, (m->n_run = WF_COUNT(many), m->run = many))
MUTATION(many_serve, (m->n_serve = WF_COUNT(many), m->serve = many))
MUTATION(bad_host, (one[0] = wf_pb_str("web 1"), m->n_hosts = 1, m->hosts = one))
MUTATION(no_domain, p->domain = wf_pb_str(""))
MUTATION(bad_domain, p->domain = wf_pb_str("a/b"))
MUTATION(no_name, p->name = wf_pb_str(""))
MUTATION(bad_name, p->name = wf_pb_str("*"))
MUTATION(no_kind, p->kind = 0)
MUTATION(bad_kind, p->kind = 5)
MUTATION(no_version, p->version = wf_pb_str(""))
MUTATION(bad_version, p->version = wf_pb_str("1.4"))
MUTATION(long_title, p->title = long_text)
MUTATION(long_description, p->description = long_text)
MUTATION(no_owner, p->owner = NULL)
MUTATION(no_owner_name, p->owner->name = wf_pb_str(""))
MUTATION(no_contact, p->owner->contact = wf_pb_str(""))
MUTATION(long_contact, p->owner->contact = long_text)
MUTATION(no_schema, p->schema_hash.len = 0)
MUTATION(bad_schema, p->schema_hash = wf_pb_bin(WF_BYTES(short_hash)))
MUTATION(no_message, p->message = wf_pb_str(""))
MUTATION(bad_message, p->message = wf_pb_str("weft..Host"))
MUTATION(message_with_dot, p->message = wf_pb_str("Host."))
MUTATION(long_message, p->message = long_text)
MUTATION(both, p->service = wf_pb_str("weft.Hosts"))
MUTATION(api_without_service, p->kind = 4)
MUTATION(bad_key_field, LIST(key_fields, "a-b"))
MUTATION(empty_key_field, LIST(key_fields, ""))
MUTATION(many_keys, (p->n_key_fields = WF_COUNT(many), p->key_fields = many))
MUTATION(no_class, p->classification = 0)
MUTATION(bad_class, p->classification = 5)
MUTATION(bad_region, LIST(regions, "EU"))
MUTATION(many_regions, (p->n_regions = WF_COUNT(many), p->regions = many))
MUTATION(negative_freshness, p->freshness_ms = -1)
MUTATION(negative_retention, p->retention_ms = -1)
MUTATION(empty_tag, LIST(tags, ""))
MUTATION(long_tag, LIST(tags, long_text))
MUTATION(bad_durability, p->durability = 3)
MUTATION(odd_packing, p->packing = (Weft__V1__BatchPacking)(WF_PACKING_ZSTD + 1))
MUTATION(long_linger, p->linger_us = WF_MAX_LINGER_US + 1)
MUTATION(small_batch, p->batch_bytes = WF_MIN_BATCH_BYTES - 1)
MUTATION(large_batch, p->batch_bytes = WF_MAX_BATCH_BYTES + 1)
MUTATION(bad_earlier, p->earlier_schemas[0].len = 3)
MUTATION(
    many_earlier, (p->n_earlier_schemas = WF_COUNT(many_hashes), p->earlier_schemas = many_hashes))
MUTATION(no_id, p->product_id.len = 0)
MUTATION(other_id, p->product_id = wf_pb_bin(wf_hash_view(&mesh_id)))
MUTATION(other_major, p->version = wf_pb_str("2.0.0"))
MUTATION(rule_no_domain, p->access[0]->domain = wf_pb_str(""))
MUTATION(rule_bad_subject, p->access[0]->subject = wf_pb_str("a*b"))
MUTATION(rule_no_verbs, p->access[0]->n_verbs = 0)
MUTATION(rule_bad_verb, RULE_LIST(verbs, "read"))
MUTATION(rule_bad_method, RULE_LIST(verbs, "call:"))
MUTATION(rule_no_duration, p->access[0]->duration_ms = 0)
MUTATION(rule_negative, p->access[0]->duration_ms = -1)
MUTATION(rule_bad_column, RULE_LIST(columns, "a b"))
#define RULES(text, hash)                                                                          \
    (m->rules = wf_pb_bin(WF_STR(text)), rules_sum(hash),                                          \
        p->rules_hash = wf_pb_bin(WF_BYTES(sum.b)))
static struct wf_hash sum;
static uint8_t long_rules[WF_MAX_RULES + 1];
static void rules_sum(struct wf_bytes of)
{
    wf_blake2b(of, &sum);
}
MUTATION(ships_others, RULES("rules: {}\n", WF_STR("rules: {a: }\n")))
MUTATION(ships_nothing, RULES("", WF_STR("")))
MUTATION(ships_unnamed, m->rules = wf_pb_bin(WF_STR("rules: {}\n")))
MUTATION(ships_bytes, RULES("rules: \xff\n", WF_STR("rules: \xff\n")))
MUTATION(ships_much, (RULES("", WF_BYTES(long_rules)), m->rules = wf_pb_bin(WF_BYTES(long_rules))))
MUTATION(short_rules_hash, (RULES("rules: {}\n", WF_STR("rules: {}\n")), p->rules_hash.len = 31))
MUTATION(api_with_rules, (RULES("rules: {}\n", WF_STR("rules: {}\n")), p->kind = 4,
                             p->service = p->message, p->message = wf_pb_str("")))
MUTATION(rules_many, (p->n_access = WF_COUNT(many_rules), p->access = many_rules))

static const struct {
    const char *why;
    void (*mutate)(Weft__V1__Manifest *m, Weft__V1__ProductDescriptor *p);
    enum weft_err want;
} rows[] = {
    { "unchanged", nothing, WEFT_OK },
    { "no product", no_product, WEFT_E_MISSING_FIELD },
    { "no mesh id", no_mesh, WEFT_E_MISSING_FIELD },
    { "a mesh id of 31 bytes", short_mesh, WEFT_E_SYNTAX },
    { "sequence 0", no_sequence, WEFT_E_RANGE },
    { "a sequence that leaves no successor", huge_sequence, WEFT_E_RANGE },
    { "no signer", no_signer, WEFT_E_MISSING_FIELD },
    { "another signer", other_signer, WEFT_E_SIGNATURE },
    { "an interval below 0", negative_every, WEFT_E_RANGE },
    { "an empty argument", empty_argument, WEFT_E_MISSING_FIELD },
    { "an argument over the limit", long_argument, WEFT_E_TOO_BIG },
    { "65 arguments", many_arguments, WEFT_E_TOO_BIG },
    { "65 arguments of a provider", many_serve, WEFT_E_TOO_BIG },
    { "a host with a blank", bad_host, WEFT_E_NAME },
    { "no domain", no_domain, WEFT_E_MISSING_FIELD },
    { "a domain with a slash", bad_domain, WEFT_E_NAME },
    { "no name", no_name, WEFT_E_MISSING_FIELD },
    { "a pattern for a name", bad_name, WEFT_E_NAME },
    { "no kind", no_kind, WEFT_E_MISSING_FIELD },
    { "an unknown kind", bad_kind, WEFT_E_RANGE },
    { "no version", no_version, WEFT_E_MISSING_FIELD },
    { "a version of two numbers", bad_version, WEFT_E_SYNTAX },
    { "a title over the limit", long_title, WEFT_E_TOO_BIG },
    { "a description over the limit", long_description, WEFT_E_TOO_BIG },
    { "no owner", no_owner, WEFT_E_MISSING_FIELD },
    { "an owner without a name", no_owner_name, WEFT_E_MISSING_FIELD },
    { "an owner without a contact", no_contact, WEFT_E_MISSING_FIELD },
    { "a contact over the limit", long_contact, WEFT_E_TOO_BIG },
    { "no schema", no_schema, WEFT_E_MISSING_FIELD },
    { "a schema hash of 31 bytes", bad_schema, WEFT_E_SYNTAX },
    { "no message", no_message, WEFT_E_MISSING_FIELD },
    { "a message with two dots in a row", bad_message, WEFT_E_SYNTAX },
    { "a message that ends in a dot", message_with_dot, WEFT_E_SYNTAX },
    { "a message name over the limit", long_message, WEFT_E_TOO_BIG },
    { "a message and a service", both, WEFT_E_TYPE },
    { "an api with a message only", api_without_service, WEFT_E_MISSING_FIELD },
    { "a key field that is no identifier", bad_key_field, WEFT_E_SYNTAX },
    { "an empty key field", empty_key_field, WEFT_E_MISSING_FIELD },
    { "65 key fields", many_keys, WEFT_E_TOO_BIG },
    { "no classification", no_class, WEFT_E_MISSING_FIELD },
    { "an unknown classification", bad_class, WEFT_E_RANGE },
    { "a region in capitals", bad_region, WEFT_E_NAME },
    { "65 regions", many_regions, WEFT_E_TOO_BIG },
    { "a freshness below 0", negative_freshness, WEFT_E_RANGE },
    { "a retention below 0", negative_retention, WEFT_E_RANGE },
    { "an empty tag", empty_tag, WEFT_E_MISSING_FIELD },
    { "a tag over the limit", long_tag, WEFT_E_TOO_BIG },
    { "an unknown durability", bad_durability, WEFT_E_RANGE },
    { "a linger over a minute", long_linger, WEFT_E_RANGE },
    { "an earlier schema of 3 bytes", bad_earlier, WEFT_E_SYNTAX },
    { "257 earlier schemas", many_earlier, WEFT_E_TOO_BIG },
    { "no product id", no_id, WEFT_E_MISSING_FIELD },
    { "another product's id", other_id, WEFT_E_HASH },
    { "a major that the id does not have", other_major, WEFT_E_HASH },
    { "a rule for no domain", rule_no_domain, WEFT_E_MISSING_FIELD },
    { "a rule for a bad pattern", rule_bad_subject, WEFT_E_NAME },
    { "a rule without verbs", rule_no_verbs, WEFT_E_MISSING_FIELD },
    { "a rule for an unknown verb", rule_bad_verb, WEFT_E_VERB },
    { "a rule for a call of nothing", rule_bad_method, WEFT_E_VERB },
    { "a rule for no time", rule_no_duration, WEFT_E_MISSING_FIELD },
    { "a rule for less than no time", rule_negative, WEFT_E_RANGE },
    { "a rule with a bad column", rule_bad_column, WEFT_E_SYNTAX },
    { "65 rules", rules_many, WEFT_E_TOO_BIG },
    { "a compression that does not exist", odd_packing, WEFT_E_RANGE },
    { "alert rules that are not those of the hash", ships_others, WEFT_E_HASH },
    { "a hash of alert rules without the rules", ships_nothing, WEFT_E_MISSING_FIELD },
    { "alert rules without their hash", ships_unnamed, WEFT_E_MISSING_FIELD },
    { "alert rules that are no UTF-8", ships_bytes, WEFT_E_SYNTAX },
    { "alert rules over the limit", ships_much, WEFT_E_TOO_BIG },
    { "a hash of alert rules of 31 bytes", short_rules_hash, WEFT_E_SYNTAX },
    { "an api with alert rules", api_with_rules, WEFT_E_TYPE },
    { "batches that leave below 1 KiB", small_batch, WEFT_E_RANGE },
    { "batches that leave beyond 504 KiB", large_batch, WEFT_E_RANGE },
};

static void fill_many(Weft__V1__ProductDescriptor *p)
{
    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t i = 0; i < WF_COUNT(many); i++)
        many[i] = wf_pb_str("x");
    for (size_t i = 0; i < WF_COUNT(many_hashes); i++)
        many_hashes[i] = p->schema_hash;
    for (size_t i = 0; i < WF_COUNT(many_rules); i++)
        many_rules[i] = p->access[0];
}

START_TEST(each_bad_field_has_its_reason)
{
    struct wf_collect fields = sample();
    Weft__V1__Manifest m = WEFT__V1__MANIFEST__INIT;
    Weft__V1__ProductDescriptor p;
    struct wf_arena arena;
    struct wf_buf raw = { 0 };

    wf_arena_init(&arena, 1u << 20);
    ck_assert_int_eq(wf_product_put(&fields.product, &mesh_id, false, &arena, &p), WEFT_OK);
    m.product = &p;
    m.mesh_id = wf_pb_bin(wf_hash_view(&mesh_id));
    m.sequence = WF_TEST_NOW;
    m.signer = wf_pb_bin(WF_BYTES(node_pub.b));
    fill_many(&p);
    rows[_i].mutate(&m, &p);
    ck_assert_int_eq(wf_doc_seal(WF_DOC_MANIFEST, &m, &node, &raw), WEFT_OK);
    enum weft_err err = open_collect(wf_buf_view(&raw), NULL);
    ck_assert_msg(err == rows[_i].want, "%s: %s", rows[_i].why, weft_err_name(err));
    if (_i)
        wf_test_trust_refused(
            (unsigned)(510 + _i), "manifest", rows[_i].want, rows[_i].why, wf_buf_view(&raw));
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(what_origins_do_to_batches_reaches_them)
{
    static const uint32_t sizes[] = { 0, WF_MIN_BATCH_BYTES, WF_MAX_BATCH_BYTES, 8 * WF_KIB };
    struct wf_collect fields = sample(), *got = NULL;

    for (int how = WF_PACKING_ANY; how <= WF_PACKING_ZSTD; how++) {
        struct wf_buf raw = { 0 };
        fields.product.packing = (enum wf_packing)how;
        fields.product.drops = how == WF_PACKING_ZSTD;
        fields.product.batch_bytes = sizes[how];
        ck_assert_int_eq(wf_collect_sign(&fields, &node, &raw), WEFT_OK);
        ck_assert_int_eq(wf_collect_open(wf_buf_view(&raw), &got), WEFT_OK);
        ck_assert_int_eq((int)got->product.packing, how);
        ck_assert_int_eq(got->product.drops, how == WF_PACKING_ZSTD);
        ck_assert_uint_eq(got->product.batch_bytes, sizes[how]);
        if (how == WF_PACKING_ZSTD)
            wf_test_trust_vector("502-manifest-packing",
                "accepted: as 500, and origins store batches of 8 KiB with zstd and drop when full",
                wf_buf_view(&raw));
        wf_collect_free(got);
        wf_buf_fini(&raw);
    }
    ck_assert_uint_eq(wf_product_batch(0, 1), 64 * WF_KIB);
    ck_assert_uint_eq(wf_product_batch(1024, 4), 4096);
    ck_assert_uint_eq(wf_product_batch(0, 8), WF_MAX_BATCH_BYTES);
}
END_TEST

START_TEST(alert_rules_come_with_their_product)
{
    struct wf_collect fields = sample(), *got = NULL;
    struct wf_buf raw = { 0 };

    fields.rules = WF_STR("rules:\n  old: {when: 'age > 30d'}\n");
    wf_blake2b(fields.rules, &fields.product.rules_hash);
    ck_assert_int_eq(wf_collect_sign(&fields, &node, &raw), WEFT_OK);
    ck_assert_int_eq(wf_collect_open(wf_buf_view(&raw), &got), WEFT_OK);
    ck_assert(wf_bytes_eq(got->rules, fields.rules));
    ck_assert(wf_hash_eq(&got->product.rules_hash, &fields.product.rules_hash));
    wf_test_trust_vector(
        "503-manifest-rules", "accepted: as 500, with rules of alerts", wf_buf_view(&raw));
    wf_collect_free(got);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(signing_refuses_what_opening_would)
{
    struct wf_collect fields = sample();
    struct wf_buf out = { 0 };

    fields.product.owner_name = NULL;
    ck_assert_int_eq(wf_collect_sign(&fields, &node, &out), WEFT_E_MISSING_FIELD);
    fields = sample();
    fields.product.version = "one";
    ck_assert_int_eq(wf_collect_sign(&fields, &node, &out), WEFT_E_SYNTAX);
    fields.product.name = NULL;
    ck_assert_int_eq(wf_collect_sign(&fields, &node, &out), WEFT_E_MISSING_FIELD);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(manifest_selects_its_hosts)
{
    static const struct {
        const char *why, *host, *subject;
        bool is_node, selected;
    } cases[] = {
        { "all means every agent", "all", "web-1", false, true },
        { "and the node", "all", "node-1", true, true },
        { "node means the node", "node", "node-1", true, true },
        { "and no agent", "node", "web-1", false, false },
        { "not even one of that name", "node", "node", false, false },
        { "a subject", "web-1", "web-1", false, true },
        { "another subject", "web-1", "web-2", false, false },
        { "a pattern", "web-*", "web-2", false, true },
        { "a pattern over others", "db-*", "web-2", false, false },
        { "a pattern may mean the node", "node-*", "node-1", true, true },
    };

    for (size_t i = 0; i < WF_COUNT(cases); i++) {
        struct wf_collect c = { .host_count = 1, .hosts = (const char *[]){ cases[i].host } };
        ck_assert_msg(
            wf_collect_selects(&c, cases[i].subject, cases[i].is_node) == cases[i].selected, "%s",
            cases[i].why);
    }
    struct wf_collect none = { .host_count = 0 };
    ck_assert(wf_collect_selects(&none, "web-1", false));
}
END_TEST

START_TEST(damaged_manifest_is_refused)
{
    struct wf_buf raw = sealed_sample();

    wf_test_truncations(wf_buf_view(&raw), open_collect, NULL);
    wf_test_bit_flips(wf_buf_view(&raw), 5, open_collect, NULL);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(manifest_opens_as_nothing_else)
{
    struct wf_buf raw = sealed_sample();
    struct wf_arena arena;
    struct wf_sealed s;

    wf_arena_init(&arena, 65536);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&raw), WF_DOC_MANIFEST, &arena, &s), WEFT_OK);
    wf_test_purposes(s.body, WF_DOC_MANIFEST, &node, open_collect, NULL);
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
}
END_TEST

static enum weft_err sign_and_open(struct wf_bytes in, void *context)
{
    struct wf_collect fields = sample();
    struct wf_buf out = { 0 };
    enum weft_err err = wf_collect_sign(&fields, &node, &out);

    (void)in;
    (void)context;
    if (!err)
        err = open_collect(wf_buf_view(&out), NULL);
    wf_buf_fini(&out);
    return err;
}

START_TEST(failing_allocations_leave_nothing_behind)
{
    wf_test_allocations(WF_STR(""), sign_and_open, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("product");
    TCase *t = tcase_create("product");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, manifest_opens_with_every_field);
    tcase_add_test(t, removed_manifest_carries_only_the_key);
    tcase_add_test(t, product_id_depends_on_mesh_domain_name_and_major);
    tcase_add_test(t, version_has_three_plain_numbers);
    tcase_add_test(t, kinds_and_classifications_have_names);
    tcase_add_loop_test(t, each_bad_field_has_its_reason, 0, (int)WF_COUNT(rows));
    tcase_add_test(t, what_origins_do_to_batches_reaches_them);
    tcase_add_test(t, alert_rules_come_with_their_product);
    tcase_add_test(t, signing_refuses_what_opening_would);
    tcase_add_test(t, manifest_selects_its_hosts);
    tcase_add_test(t, damaged_manifest_is_refused);
    tcase_add_test(t, manifest_opens_as_nothing_else);
    tcase_add_test(t, failing_allocations_leave_nothing_behind);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
