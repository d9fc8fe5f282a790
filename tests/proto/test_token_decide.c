// SPDX-License-Identifier: Apache-2.0
// Decisions: every caveat refuses with its own code and says which block, what was asked and what is granted.
#include <check.h>
#include <stdio.h>

#include "tests/support/trust_token.h"

#define NOW (WF_TEST_NOW + WF_TEST_HOUR)

static struct wf_test_mesh mesh;
static struct wf_test_domain *servers;
static struct wf_test_holders who;
static struct wf_revocations list; // made by hand: its signature is another test's matter
static struct wf_token *whole, *limited, *chain, *asking;

static struct wf_token *grant(const struct wf_test_block *b)
{
    struct wf_buf raw = { 0 };
    struct wf_token *t = NULL;

    ck_assert_int_eq(
        wf_token_grant(&b->fields, wf_buf_view(&servers->issuer_cert), &servers->issuer, &raw),
        WEFT_OK);
    ck_assert_int_eq(wf_token_open(wf_buf_view(&raw), &t, NULL), WEFT_OK);
    wf_buf_fini(&raw);
    return t;
}

// asking: a query and nothing else, to alice. whole: no limits, to alice. limited: every limit, to alice. chain: whole, then limits and fewer verbs, to bob.
static void setup(void)
{
    struct wf_test_block b;
    struct wf_buf raw = { 0 };

    wf_test_mesh_init(&mesh);
    wf_test_holders_init(&who);
    servers = &mesh.d[WF_TEST_SERVERS];
    list = (struct wf_revocations){ .mesh_id = mesh.charter->mesh_id,
        .domain = { "servers" },
        .version = 1,
        .issued_ms = NOW - WF_TEST_HOUR };
    wf_test_block_init(&b, &mesh.charter->mesh_id, "servers", &who.alice_pub);
    const uint32_t verbs = b.fields.verbs;
    const size_t methods = b.fields.method_count;
    b.fields.verbs = WF_VERB_QUERY;
    b.fields.method_count = 0;
    asking = grant(&b);
    b.fields.verbs = verbs | WF_VERB_REPLAY | WF_VERB_MIRROR;
    b.fields.method_count = methods;
    whole = grant(&b);
    wf_test_block_limit(&b);
    limited = grant(&b);
    b.fields.holder = who.bob_pub;
    b.fields.verbs = WF_VERB_QUERY | WF_VERB_SUBSCRIBE;
    b.fields.method_count = 0;
    b.fields.product_count = wf_test_patterns("disk-*", b.products);
    b.fields.not_before_ms = WF_TEST_NOW + WF_TEST_HOUR / 2;
    b.fields.expires_ms = WF_TEST_NOW + 2 * WF_TEST_HOUR;
    ck_assert_int_eq(wf_token_delegate(whole, &b.fields, &who.alice, &raw), WEFT_OK);
    ck_assert_int_eq(wf_token_open(wf_buf_view(&raw), &chain, NULL), WEFT_OK);
    wf_buf_fini(&raw);
}

static void teardown(void)
{
    wf_token_free(whole);
    wf_token_free(asking);
    wf_token_free(limited);
    wf_token_free(chain);
    wf_test_holders_fini(&who);
    wf_test_mesh_fini(&mesh);
}

enum which { WHOLE, LIMITED, CHAIN, ASKING };

struct ask {
    const char *product;
    enum wf_verb verb;
    const char *method, *region, *purpose, *columns[3];
};

static const struct {
    const char *why;
    enum which token;
    struct ask ask;
    int64_t now;
    enum weft_err want;
    size_t block;
    const char *caveat, *asked, *granted;
} rows[] = {
    { "subscribe to a granted name", WHOLE, { "hosts", WF_VERB_SUBSCRIBE }, NOW, WEFT_OK, 0, "", "",
        "" },
    { "and to one below a pattern", WHOLE, { "disk-io", WF_VERB_SUBSCRIBE }, NOW, WEFT_OK, 0, "",
        "", "" },
    { "replay", WHOLE, { "hosts", WF_VERB_REPLAY }, NOW, WEFT_OK, 0, "", "", "" },
    { "query with columns, none limited", WHOLE,
        { "hosts", WF_VERB_QUERY, .columns = { "version" } }, NOW, WEFT_OK, 0, "", "", "" },
    { "a granted method", WHOLE, { "hosts", WF_VERB_CALL, "GetPort" }, NOW, WEFT_OK, 0, "", "",
        "" },
    { "another product", WHOLE, { "users", WF_VERB_QUERY }, NOW, WEFT_E_PRODUCT, 0, "products",
        "users", "hosts,disk-*" },
    { "a product whose name only begins alike", WHOLE, { "hosts-all", WF_VERB_QUERY }, NOW,
        WEFT_E_PRODUCT, 0, "products", "hosts-all", "hosts,disk-*" },
    { "a method that is not granted", WHOLE, { "hosts", WF_VERB_CALL, "SetNote" }, NOW, WEFT_E_VERB,
        0, "verbs", "call:SetNote", "subscribe,replay,query,mirror,delegate,call:Get*" },
    { "a call of no method", WHOLE, { "hosts", WF_VERB_CALL }, NOW, WEFT_E_VERB, 0, "verbs",
        "call:", "subscribe,replay,query,mirror,delegate,call:Get*" },
    { "a millisecond before the tolerance", WHOLE, { "hosts", WF_VERB_QUERY }, WF_TEST_NOW - 60001,
        WEFT_E_NOT_YET, 0, "not-before", "2025-12-31T23:58:59.999Z", "2026-01-01T00:00:00Z" },
    { "within the tolerance", WHOLE, { "hosts", WF_VERB_QUERY }, WF_TEST_NOW - 60000, WEFT_OK, 0,
        "", "", "" },
    { "at the end of the tolerance", WHOLE, { "hosts", WF_VERB_QUERY },
        WF_TEST_NOW + WF_TEST_DAY + 59999, WEFT_OK, 0, "", "", "" },
    { "expired one ms ago, with tolerance", WHOLE, { "hosts", WF_VERB_QUERY },
        WF_TEST_NOW + WF_TEST_DAY + 60000, WEFT_E_EXPIRED, 0, "expires", "2026-01-02T00:01:00Z",
        "2026-01-02T00:00:00Z" },
    { "limited columns refuse subscribe", LIMITED,
        { "hosts", WF_VERB_SUBSCRIBE, NULL, "eu-west", "capacity planning" }, NOW, WEFT_E_CAVEAT, 0,
        "columns", "subscribe", "query" },
    { "and replay", LIMITED, { "hosts", WF_VERB_REPLAY, NULL, "eu-west", "capacity planning" }, NOW,
        WEFT_E_CAVEAT, 0, "columns", "replay", "query" },
    { "and mirror", LIMITED, { "hosts", WF_VERB_MIRROR, NULL, "eu-west", "capacity planning" }, NOW,
        WEFT_E_CAVEAT, 0, "columns", "mirror", "query" },
    { "a query of granted columns", LIMITED,
        { "hosts", WF_VERB_QUERY, NULL, "eu-north", "capacity planning", { "host", "name" } }, NOW,
        WEFT_OK, 0, "", "", "" },
    { "a query of another column", LIMITED,
        { "hosts", WF_VERB_QUERY, NULL, "eu-west", "capacity planning", { "host", "version" } },
        NOW, WEFT_E_COLUMN, 0, "columns", "version", "name,host" },
    { "another region", LIMITED, { "hosts", WF_VERB_QUERY, NULL, "us-east", "capacity planning" },
        NOW, WEFT_E_REGION, 0, "regions", "us-east", "eu-west,eu-north" },
    { "a region that is not known", LIMITED,
        { "hosts", WF_VERB_QUERY, NULL, NULL, "capacity planning" }, NOW, WEFT_E_REGION, 0,
        "regions", "", "eu-west,eu-north" },
    { "another purpose", LIMITED, { "hosts", WF_VERB_QUERY, NULL, "eu-west", "curiosity" }, NOW,
        WEFT_E_PURPOSE_CLAIM, 0, "purpose", "curiosity", "capacity planning" },
    { "a purpose that is not stated", LIMITED, { "hosts", WF_VERB_QUERY, NULL, "eu-west" }, NOW,
        WEFT_E_PURPOSE_CLAIM, 0, "purpose", "", "capacity planning" },
    { "delegated: granted by both blocks", CHAIN,
        { "disk-io", WF_VERB_QUERY, NULL, "eu-west", "capacity planning", { "host" } }, NOW,
        WEFT_OK, 1, "", "", "" },
    { "delegated: granted by the first only", CHAIN,
        { "hosts", WF_VERB_QUERY, NULL, "eu-west", "capacity planning" }, NOW, WEFT_E_PRODUCT, 1,
        "products", "hosts", "disk-*" },
    { "delegated: a verb of the first only", CHAIN,
        { "disk-io", WF_VERB_CALL, "GetPort", "eu-west", "capacity planning" }, NOW, WEFT_E_VERB, 1,
        "verbs", "call:GetPort", "subscribe,query" },
    { "delegated: replay, of the first only", CHAIN,
        { "disk-io", WF_VERB_REPLAY, NULL, "eu-west", "capacity planning" }, NOW, WEFT_E_VERB, 1,
        "verbs", "replay", "subscribe,query" },
    { "delegated: mirror, of the first only", CHAIN,
        { "disk-io", WF_VERB_MIRROR, NULL, "eu-west", "capacity planning" }, NOW, WEFT_E_VERB, 1,
        "verbs", "mirror", "subscribe,query" },
    { "delegated: delegate, of the first only", CHAIN,
        { "disk-io", WF_VERB_DELEGATE, NULL, "eu-west", "capacity planning" }, NOW, WEFT_E_VERB, 1,
        "verbs", "delegate", "subscribe,query" },
    { "a subscription, where only a query is granted", ASKING, { "hosts", WF_VERB_SUBSCRIBE }, NOW,
        WEFT_E_VERB, 0, "verbs", "subscribe", "query" },
    { "a query, where only a query is granted", ASKING, { "hosts", WF_VERB_QUERY }, NOW, WEFT_OK, 0,
        "", "", "" },
    { "a call, where only a query is granted", ASKING, { "hosts", WF_VERB_CALL, "GetPort" }, NOW,
        WEFT_E_VERB, 0, "verbs", "call:GetPort", "query" },
    { "delegated: refused by the first", CHAIN,
        { "users", WF_VERB_QUERY, NULL, "eu-west", "capacity planning" }, NOW, WEFT_E_PRODUCT, 0,
        "products", "users", "hosts,disk-*" },
    { "delegated: the second began later", CHAIN,
        { "disk-io", WF_VERB_QUERY, NULL, "eu-west", "capacity planning" }, WF_TEST_NOW,
        WEFT_E_NOT_YET, 1, "not-before", "2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z" },
    { "delegated: the second ended sooner", CHAIN,
        { "disk-io", WF_VERB_QUERY, NULL, "eu-west", "capacity planning" },
        WF_TEST_NOW + 3 * WF_TEST_HOUR, WEFT_E_EXPIRED, 1, "expires", "2026-01-01T03:00:00Z",
        "2026-01-01T02:00:00Z" },
};

static const struct wf_token *token_of(enum which w)
{
    return w == WHOLE ? whole : w == LIMITED ? limited : w == ASKING ? asking : chain;
}

static struct wf_access access_of(enum which w, const struct ask *ask)
{
    struct wf_access a = { .mesh_id = &mesh.charter->mesh_id,
        .domain = "servers",
        .product = ask->product,
        .verb = ask->verb,
        .method = ask->method,
        .who = w == CHAIN ? who.bob_pub : who.alice_pub,
        .region = ask->region,
        .purpose = ask->purpose,
        .columns = ask->columns };

    while (a.column_count < 3 && ask->columns[a.column_count])
        a.column_count++;
    return a;
}

START_TEST(each_caveat_decides_and_explains)
{
    struct wf_access a = access_of(rows[_i].token, &rows[_i].ask);
    struct wf_decision d;

    list.issued_ms = rows[_i].now;
    enum weft_err err = wf_token_decide(token_of(rows[_i].token), &a, &list, rows[_i].now, &d);

    ck_assert_msg(err == rows[_i].want, "%s: %s", rows[_i].why, weft_err_name(err));
    ck_assert_int_eq(d.err, err);
    ck_assert_msg(d.block == rows[_i].block, "%s: block %zu", rows[_i].why, d.block);
    ck_assert_str_eq(d.caveat, rows[_i].caveat);
    ck_assert_str_eq(d.asked, rows[_i].asked);
    ck_assert_str_eq(d.granted, rows[_i].granted);
}
END_TEST

START_TEST(rows_alone_refuse_the_stream_too)
{
    struct wf_test_block b;
    struct ask ask = { "hosts", WF_VERB_SUBSCRIBE };
    struct wf_access a = access_of(WHOLE, &ask);
    struct wf_decision d;

    wf_test_block_init(&b, &mesh.charter->mesh_id, "servers", &who.alice_pub);
    b.fields.row_count = 1;
    b.rows[0] = (struct wf_row_term){
        .column = "up", .comparison = WF_CMP_EQ, .literal = WF_LIT_FLAG, .flag = true
    };
    struct wf_token *t = grant(&b);
    ck_assert_int_eq(wf_token_decide(t, &a, &list, NOW, &d), WEFT_E_CAVEAT);
    ck_assert_str_eq(d.caveat, "rows");
    a.verb = WF_VERB_QUERY;
    ck_assert_int_eq(wf_token_decide(t, &a, &list, NOW, &d), WEFT_OK);
    wf_token_free(t);
}
END_TEST

START_TEST(token_is_for_one_mesh_one_domain_and_its_last_holder)
{
    struct ask ask = { "hosts", WF_VERB_QUERY };
    struct wf_access a = access_of(WHOLE, &ask);
    struct wf_hash other = wf_test_hash("another mesh");
    struct wf_decision d;

    a.mesh_id = &other;
    ck_assert_int_eq(wf_token_decide(whole, &a, &list, NOW, &d), WEFT_E_WRONG_MESH);
    ck_assert_str_eq(d.caveat, "mesh");
    a = access_of(WHOLE, &ask);
    a.domain = "network";
    ck_assert_int_eq(wf_token_decide(whole, &a, &list, NOW, &d), WEFT_E_WRONG_DOMAIN);
    ck_assert_str_eq(d.granted, "servers");
    a = access_of(WHOLE, &ask);
    a.who = who.carol_pub; // a stolen token
    ck_assert_int_eq(wf_token_decide(whole, &a, &list, NOW, &d), WEFT_E_HOLDER);
    ck_assert_str_eq(d.caveat, "holder");
    ask.product = "disk-io";
    a = access_of(CHAIN, &ask);
    a.who = who.alice_pub; // she gave it away
    ck_assert_int_eq(wf_token_decide(chain, &a, &list, NOW, &d), WEFT_E_HOLDER);
    ck_assert_uint_eq(d.block, 1);
}
END_TEST

// ---- revocations

static enum weft_err decide_chain(struct wf_decision *d)
{
    struct ask ask = { "disk-io", WF_VERB_QUERY, NULL, "eu-west", "capacity planning" };
    struct wf_access a = access_of(CHAIN, &ask);

    return wf_token_decide(chain, &a, &list, NOW, d);
}

START_TEST(nothing_is_decided_without_a_fresh_list_of_the_owner)
{
    struct ask ask = { "hosts", WF_VERB_QUERY };
    struct wf_access a = access_of(WHOLE, &ask);
    struct wf_decision d;

    ck_assert_int_eq(wf_token_decide(whole, &a, NULL, NOW, &d), WEFT_E_STALE_LIST);
    ck_assert_str_eq(d.caveat, "revocations");
    list.issued_ms = NOW - WF_MAX_LIST_AGE_MS;
    ck_assert_int_eq(wf_token_decide(whole, &a, &list, NOW, &d), WEFT_OK);
    list.issued_ms--;
    ck_assert_int_eq(wf_token_decide(whole, &a, &list, NOW, &d), WEFT_E_STALE_LIST);
    list.issued_ms = NOW;
    list.domain = (struct wf_name){ "network" };
    ck_assert_int_eq(wf_token_decide(whole, &a, &list, NOW, &d), WEFT_E_STALE_LIST);
    list.domain = (struct wf_name){ "servers" };
    list.mesh_id = wf_test_hash("another mesh");
    ck_assert_int_eq(wf_token_decide(whole, &a, &list, NOW, &d), WEFT_E_STALE_LIST);
}
END_TEST

START_TEST(revoked_block_voids_all_that_follows)
{
    struct wf_revoked_token token = { .id = chain->blocks[0].id };
    struct wf_decision d;

    list.tokens = &token;
    list.token_count = 1;
    ck_assert_int_eq(decide_chain(&d), WEFT_E_REVOKED);
    ck_assert_uint_eq(d.block, 0);
    ck_assert_str_eq(d.caveat, "token");
    token.id = chain->blocks[1].id;
    ck_assert_int_eq(decide_chain(&d), WEFT_E_REVOKED);
    ck_assert_uint_eq(d.block, 1);
    token.id = limited->blocks[0].id;
    ck_assert_int_eq(decide_chain(&d), WEFT_OK);
}
END_TEST

START_TEST(revoked_holder_voids_what_was_issued_before)
{
    struct wf_revoked_key key = { .key = who.alice_pub, .at_ms = WF_TEST_NOW + 1 };
    struct wf_decision d;

    list.holders = &key;
    list.holder_count = 1;
    ck_assert_int_eq(decide_chain(&d), WEFT_E_REVOKED); // bob holds it, through alice
    ck_assert_uint_eq(d.block, 0);
    ck_assert_str_eq(d.caveat, "holder");
    key.at_ms = WF_TEST_NOW; // issued then, not before
    ck_assert_int_eq(decide_chain(&d), WEFT_OK);
    key = (struct wf_revoked_key){ .key = who.bob_pub, .at_ms = WF_TEST_NOW + 1 };
    ck_assert_int_eq(decide_chain(&d), WEFT_E_REVOKED);
    ck_assert_uint_eq(d.block, 1);
    key.key = who.carol_pub;
    ck_assert_int_eq(decide_chain(&d), WEFT_OK);
}
END_TEST

START_TEST(revoked_issuer_voids_what_it_granted_from_then_on)
{
    struct wf_revoked_key key = { .key = servers->issuer_pub, .at_ms = WF_TEST_NOW };
    struct wf_decision d;

    list.origins = &key;
    list.origin_count = 1;
    ck_assert_int_eq(decide_chain(&d), WEFT_E_REVOKED);
    ck_assert_str_eq(d.caveat, "issuer");
    key.at_ms = WF_TEST_NOW + 1;
    ck_assert_int_eq(decide_chain(&d), WEFT_OK);
}
END_TEST

START_TEST(long_lists_are_cut_not_overrun)
{
    struct wf_test_block b;
    struct ask ask = { "zzz", WF_VERB_QUERY };
    struct wf_access a = access_of(WHOLE, &ask);
    struct wf_decision d;

    wf_test_block_init(&b, &mesh.charter->mesh_id, "servers", &who.alice_pub);
    b.fields.product_count = 30;
    for (size_t i = 0; i < 30; i++)
        snprintf(b.products[i].s, sizeof b.products[i].s, "a-long-product-name-%02zu", i);
    struct wf_token *t = grant(&b);
    ck_assert_int_eq(wf_token_decide(t, &a, &list, NOW, &d), WEFT_E_PRODUCT);
    ck_assert_uint_lt(strlen(d.granted), sizeof d.granted);
    ck_assert_uint_gt(strlen(d.granted), 100);
    wf_token_free(t);
}
END_TEST

START_TEST(verbs_have_names)
{
    static const char *const good[] = { "subscribe", "replay", "query", "mirror", "delegate" };
    static const char *const bad[] = { "", "call", "Query", "query ", "subscribe,query",
        "call:a b" };
    enum wf_verb verb;
    struct wf_pattern method;

    for (size_t i = 0; i < WF_COUNT(good); i++) {
        ck_assert_int_eq(wf_verb_parse(wf_bytes_str(good[i]), &verb, &method), WEFT_OK);
        ck_assert_str_eq(wf_verb_name(verb), good[i]);
        ck_assert_str_eq(method.s, "");
    }
    ck_assert_int_eq(wf_verb_parse(WF_STR("call:Set_Note2"), &verb, &method), WEFT_OK);
    ck_assert_int_eq((int)verb, WF_VERB_CALL);
    ck_assert_str_eq(method.s, "Set_Note2");
    ck_assert_int_eq(wf_verb_parse(WF_STR("call:*"), &verb, &method), WEFT_OK);
    for (size_t i = 0; i < WF_COUNT(bad); i++)
        ck_assert_msg(
            wf_verb_parse(wf_bytes_str(bad[i]), &verb, &method) == WEFT_E_VERB, "'%s'", bad[i]);
    ck_assert_str_eq(wf_verb_name(0), "unknown");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_decide");
    TCase *t = tcase_create("token_decide");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_caveat_decides_and_explains, 0, (int)WF_COUNT(rows));
    tcase_add_test(t, rows_alone_refuse_the_stream_too);
    tcase_add_test(t, token_is_for_one_mesh_one_domain_and_its_last_holder);
    tcase_add_test(t, nothing_is_decided_without_a_fresh_list_of_the_owner);
    tcase_add_test(t, revoked_block_voids_all_that_follows);
    tcase_add_test(t, revoked_holder_voids_what_was_issued_before);
    tcase_add_test(t, revoked_issuer_voids_what_it_granted_from_then_on);
    tcase_add_test(t, long_lists_are_cut_not_overrun);
    tcase_add_test(t, verbs_have_names);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
