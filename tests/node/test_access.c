// SPDX-License-Identifier: Apache-2.0
// The access room's decisions, grants by rule and by hand, revocation, explain, and its trail.
#include "tests/node/access_rig.h"

static struct wf_identity reader, other;

static void setup(void)
{
    rig_open();
    reader = identity_of("security", WF_ID_SERVICE, "mon-1");
    other = identity_of("security", WF_ID_SERVICE, "mon-2");
}

// hosts: a rule for monitoring alone (as the sample has it); cpu: the same with the domain that the mesh has.
static void advertise(const char *name, struct wf_access_rule *rules, size_t count)
{
    struct wf_test_domain *d = &mesh.d[WF_TEST_SERVERS];
    struct wf_product p = wf_test_product();
    struct wf_test_entry home = { .domain = WF_TEST_SERVERS,
        .name = name,
        .term = 1,
        .sequence = (uint64_t)unix_ms,
        .life_ms = 40 * WF_TEST_DAY };
    struct wf_buf out = { 0 };
    struct wf_product_fields f = { .mesh_id = mesh.charter->mesh_id,
        .product = &p,
        .term = 1,
        .sequence = (uint64_t)unix_ms,
        .expires_ms = unix_ms + 40 * WF_TEST_DAY,
        .node = "node-1",
        .chain = wf_buf_view(&d->node_chain) };

    p.name = name;
    p.rules = rules;
    p.rule_count = count;
    learn(WF_ENTRY_HOME, wf_test_home(&mesh, &home));
    ck_assert_int_eq(wf_product_advert_sign(&f, &d->node, &out), WEFT_OK);
    learn(WF_ENTRY_PRODUCT, out);
}

// ---- decisions -------------------------------------------------------------------------------------------------------

enum spoil {
    NOTHING,
    ANOTHERS,
    EARLY,
    LATE,
    LIST_OLD,
    NO_LIST,
    TOKEN_REVOKED,
    HOLDER_REVOKED,
    COLUMNS,
    ROWS,
    FOREIGN_MESH,
    FOREIGN_DOMAIN
};
static const struct decision {
    const char *why;
    const char *product;
    enum wf_verb verb;
    const char *method;
    enum spoil spoil;
    enum weft_err want;
    const char *caveat;
} decisions[] = {
    { "what was granted", "hosts", WF_VERB_QUERY, NULL, NOTHING, WEFT_OK, "" },
    { "a product by pattern", "disk-io", WF_VERB_SUBSCRIBE, NULL, NOTHING, WEFT_OK, "" },
    { "a method by pattern", "hosts", WF_VERB_CALL, "GetOne", NOTHING, WEFT_OK, "" },
    { "a product that is not named", "cpu", WF_VERB_QUERY, NULL, NOTHING, WEFT_E_PRODUCT,
        "products" },
    { "a verb that is not granted", "hosts", WF_VERB_MIRROR, NULL, NOTHING, WEFT_E_VERB, "verbs" },
    { "replay, where subscribe is granted", "hosts", WF_VERB_REPLAY, NULL, NOTHING, WEFT_E_VERB,
        "verbs" },
    { "a method beyond the pattern", "hosts", WF_VERB_CALL, "SetOne", NOTHING, WEFT_E_VERB,
        "verbs" },
    { "another key's token", "hosts", WF_VERB_QUERY, NULL, ANOTHERS, WEFT_E_HOLDER, "holder" },
    { "before its time", "hosts", WF_VERB_QUERY, NULL, EARLY, WEFT_E_NOT_YET, "not-before" },
    { "after its time", "hosts", WF_VERB_QUERY, NULL, LATE, WEFT_E_EXPIRED, "expires" },
    { "under a list of yesterday", "hosts", WF_VERB_QUERY, NULL, LIST_OLD, WEFT_E_STALE_LIST,
        "revocations" },
    { "without any list", "hosts", WF_VERB_QUERY, NULL, NO_LIST, WEFT_E_STALE_LIST, "revocations" },
    { "a token that was revoked", "hosts", WF_VERB_QUERY, NULL, TOKEN_REVOKED, WEFT_E_REVOKED,
        "token" },
    { "a holder revoked since", "hosts", WF_VERB_QUERY, NULL, HOLDER_REVOKED, WEFT_E_REVOKED,
        "holder" },
    { "a stream under columns", "hosts", WF_VERB_SUBSCRIBE, NULL, COLUMNS, WEFT_E_CAVEAT,
        "columns" },
    { "a query under columns", "hosts", WF_VERB_QUERY, NULL, COLUMNS, WEFT_OK, "" },
    { "a stream under rows", "hosts", WF_VERB_SUBSCRIBE, NULL, ROWS, WEFT_E_CAVEAT, "rows" },
    { "a token of another mesh", "hosts", WF_VERB_QUERY, NULL, FOREIGN_MESH, WEFT_E_WRONG_MESH,
        NULL },
    { "a token of another domain", "hosts", WF_VERB_QUERY, NULL, FOREIGN_DOMAIN,
        WEFT_E_WRONG_DOMAIN, "domain" },
};

static void show(const struct wf_block *fields, int issuer)
{
    struct wf_buf raw = { 0 };
    struct wf_diag diag = { 0 };

    wf_token_free(call.token);
    call.token = NULL;
    ck_assert_int_eq(wf_token_grant(fields, wf_buf_view(&mesh.d[issuer].issuer_cert),
                         &mesh.d[issuer].issuer, &raw),
        WEFT_OK);
    ck_assert_msg(wf_token_open(wf_buf_view(&raw), &call.token, &diag) == WEFT_OK, "%s", diag.text);
    wf_buf_fini(&raw);
}

static void revoke_by_hand(const struct wf_hash *token, const struct wf_sign_pub *holder)
{
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;
    struct wf_token *shown = call.token;

    call.token = NULL;
    call_local();
    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REVOKE;
    if (token)
        q.token_id = wf_pb_bin(wf_hash_view(token));
    if (holder)
        q.holder = wf_pb_bin(WF_BYTES(holder->b));
    call.request.grant = &q;
    wf_access_grant_handle(&node, &call.pub);
    ck_assert_int_eq(call.err, WEFT_OK);
    call.token = shown;
}

static void prepare(enum spoil spoil)
{
    struct wf_test_block b;
    const char *domain = spoil == FOREIGN_DOMAIN ? "network" : "servers";
    struct wf_hash mesh_id = spoil == FOREIGN_MESH ? wf_test_hash("elsewhere") : node.mesh_id;

    wf_test_block_init(&b, &mesh_id, domain, &reader.cert.sign_key);
    if (spoil == ANOTHERS)
        b.fields.holder = other.cert.sign_key;
    if (spoil == EARLY)
        b.fields.not_before_ms = unix_ms + 10 * 60000;
    if (spoil == COLUMNS) {
        b.fields.limits_columns = true;
        b.fields.column_count = 1;
        b.columns[0] = "host";
    }
    if (spoil == ROWS) {
        b.fields.row_count = 1;
        b.rows[0] = (struct wf_row_term){
            .column = "site", .comparison = WF_CMP_EQ, .literal = WF_LIT_TEXT, .text = "north"
        };
    }
    show(&b.fields, spoil == FOREIGN_DOMAIN ? WF_TEST_NETWORK : WF_TEST_SERVERS);
    if (spoil == LATE)
        unix_ms += WF_TEST_DAY + 2 * WF_CLOCK_TOLERANCE_MS;
    if (spoil == LATE) // a list of today, so that the token's time decides
        ck_assert_int_eq(wf_access_sign_list(&node, &(struct wf_access_additions){ 0 }), WEFT_OK);
    if (spoil == LIST_OLD) {
        b.fields.expires_ms += WF_TEST_DAY;
        show(&b.fields, WF_TEST_SERVERS);
        unix_ms += WF_MAX_LIST_AGE_MS + 1000;
    }
    if (spoil == TOKEN_REVOKED)
        revoke_by_hand(wf_token_id(call.token), NULL);
    if (spoil == HOLDER_REVOKED)
        revoke_by_hand(NULL, &reader.cert.sign_key);
}

START_TEST(each_caveat_decides_and_is_named)
{
    const struct decision *d = &decisions[_i];
    ProtobufCBinaryData none = { 0 };
    struct wf_granted granted = { 0 };
    struct wf_access asked = {
        .domain = "servers", .product = d->product, .verb = d->verb, .method = d->method
    };

    if (d->spoil == NO_LIST) {
        wf_catalog_free(catalog);
        wf_store_free(store);
        ck_assert_int_eq(wf_store_mem_new(&store), WEFT_OK);
        ck_assert_int_eq(
            wf_catalog_new(store, (struct wf_quota){ 0 }, mesh.charter, unix_ms, NULL, &catalog),
            WEFT_OK);
    }
    prepare(d->spoil);
    call_by(&reader);
    bool yes = wf_access_check(&node, &call.pub, &asked, none, none, &granted);
    ck_assert_msg(yes == (d->want == WEFT_OK), "%s: %s", d->why,
        call.answered ? weft_err_name(call.err) : "granted");
    if (yes) {
        ck_assert_ptr_eq(granted.token, call.token);
        ck_assert_int_eq(granted.expires_ms, wf_token_expires_ms(call.token));
        ck_assert_msg(!call.answered, "%s", d->why);
        return;
    }
    const Weft__V1__Refusal *r = call.reply->refusal;
    ck_assert_msg(call.err == d->want, "%s: %s", d->why, r->text);
    ck_assert_str_ne(r->audit_id, "");
    ck_assert_msg(strstr(r->text, "servers/") == r->text, "%s", r->text);
    if (d->caveat)
        ck_assert_msg(strcmp(r->caveat, d->caveat) == 0, "%s: caveat %s", d->why, r->caveat);
    ck_assert_msg(strncmp(r->hint, "weft access request servers/", 28) == 0, "%s", r->hint);
}
END_TEST

START_TEST(no_token_is_refused_with_what_to_type)
{
    ProtobufCBinaryData none = { 0 };
    struct wf_granted granted;
    struct wf_access asked = { .domain = "servers", .product = "hosts", .verb = WF_VERB_QUERY };

    call_by(&reader);
    ck_assert(!wf_access_check(&node, &call.pub, &asked, none, none, &granted));
    ck_assert_int_eq(call.err, WEFT_E_NO_CAPABILITY);
    ck_assert_str_eq(call.reply->refusal->hint, "weft access request servers/hosts --verb query");
}
END_TEST

START_TEST(a_rate_is_used_up_and_comes_back_with_time)
{
    ProtobufCBinaryData none = { 0 };
    struct wf_granted granted;
    struct wf_access asked = { .domain = "servers", .product = "hosts", .verb = WF_VERB_QUERY };
    struct wf_test_block b;

    wf_test_block_init(&b, &node.mesh_id, "servers", &reader.cert.sign_key);
    b.fields.rate_per_minute = 3;
    show(&b.fields, WF_TEST_SERVERS);
    for (int i = 0; i < 4; i++) {
        call_by(&reader);
        ck_assert_msg(
            wf_access_check(&node, &call.pub, &asked, none, none, &granted) == (i < 3), "%d", i);
    }
    ck_assert_int_eq(call.err, WEFT_E_RATE);
    ck_assert_uint_gt(call.reply->refusal->retry_ms, 0);
    ck_assert_str_eq(call.reply->refusal->granted, "3 a minute");
    now_ms += 20000; // a third of a minute: one more
    call_by(&reader);
    ck_assert(wf_access_check(&node, &call.pub, &asked, none, none, &granted));
    call_by(&reader);
    ck_assert(!wf_access_check(&node, &call.pub, &asked, none, none, &granted));
}
END_TEST

// ---- requests --------------------------------------------------------------------------------------------------------

static const char *query_verb = "query";

static void request(
    const struct wf_identity *who, const char *product, const char *verb, bool policy_only)
{
    static Weft__V1__AccessRequest q;
    static char *products[1], *verbs[1];

    weft__v1__access_request__init(&q);
    products[0] = wf_pb_str(product);
    verbs[0] = wf_pb_str(verb);
    q.products = products;
    q.n_products = 1;
    q.verbs = verbs;
    q.n_verbs = 1;
    q.policy_only = policy_only;
    call_by(who);
    call.request.access = &q;
    wf_access_handle(&node, &call.pub);
}

static struct wf_access_rule rule_for(const char *subject, const char *const *verb, size_t columns)
{
    static const char *names[] = { "host" };

    return (struct wf_access_rule){ .domain = "security",
        .subject = subject,
        .verb_count = 1,
        .verbs = (const char **)(uintptr_t)verb,
        .column_count = columns,
        .columns = names,
        .duration_ms = 10 * WF_TEST_HOUR };
}

START_TEST(a_rule_gives_a_token_that_renews_in_the_second_half_of_its_life)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);
    struct wf_buf first = { 0 };

    advertise("cpu", &rule, 1);
    request(&reader, "cpu", "query", true);
    ck_assert_msg(call.err == WEFT_OK, "%s", call.reply->refusal ? call.reply->refusal->text : "");
    ck_assert_str_eq(call.reply->access->state, "granted");
    ck_assert_int_eq(wf_bytes_dup(wf_pb_view(call.reply->access->token), &first), WEFT_OK);
    unix_ms += 4 * WF_TEST_HOUR; // the same question has the same answer in the first half
    request(&reader, "cpu", "query", true);
    ck_assert(wf_bytes_eq(wf_pb_view(call.reply->access->token), wf_buf_view(&first)));
    unix_ms += 2 * WF_TEST_HOUR;
    request(&reader, "cpu", "query", true);
    ck_assert_str_eq(call.reply->access->state, "granted");
    ck_assert(!wf_bytes_eq(wf_pb_view(call.reply->access->token), wf_buf_view(&first)));
    wf_buf_fini(&first);
}
END_TEST

static const struct {
    const char *why, *subject, *verb;
    size_t columns;
} no_rules[] = {
    { "another subject", "web-*", "query", 0 },
    { "another verb", "mon-*", "mirror", 0 },
    { "a stream, where the rule limits columns", "mon-*", "subscribe", 1 },
};

START_TEST(what_no_rule_gives_waits_for_a_person_or_is_refused)
{
    const char *verb = strcmp(no_rules[_i].verb, "subscribe") == 0 ? "subscribe" : "query";
    struct wf_access_rule rule = rule_for(no_rules[_i].subject, &verb, no_rules[_i].columns);
    size_t pending = 9;

    advertise("cpu", &rule, 1);
    request(&reader, "cpu", no_rules[_i].verb, true);
    ck_assert_msg(call.err == WEFT_E_NO_CAPABILITY, "%s", no_rules[_i].why);
    ck_assert_ptr_nonnull(
        strstr(call.reply->refusal->text, "ask: weft access request servers/cpu"));
    ck_assert_int_eq(wf_grants_pending(node.access->grants, NULL, &pending), WEFT_OK);
    ck_assert_msg(pending == 0, "%s: nobody was bothered", no_rules[_i].why);
    request(&reader, "cpu", no_rules[_i].verb, false);
    ck_assert_msg(call.err == WEFT_OK, "%s: %s", no_rules[_i].why, weft_err_name(call.err));
    ck_assert_str_eq(call.reply->access->state, "pending");
    ck_assert_int_eq(wf_grants_pending(node.access->grants, NULL, &pending), WEFT_OK);
    ck_assert_uint_eq(pending, 1);
    // Asked by a program meanwhile: it waits, and says so.
    request(&reader, "cpu", no_rules[_i].verb, true);
    ck_assert_int_eq(call.err, WEFT_E_NO_CAPABILITY);
    ck_assert_ptr_nonnull(strstr(call.reply->refusal->text, "waits for the owner"));
}
END_TEST

START_TEST(a_rule_does_not_give_back_what_a_person_took_away)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);

    advertise("cpu", &rule, 1);
    request(&reader, "cpu", "query", true);
    ck_assert_int_eq(call.err, WEFT_OK);
    size_t rotations = rotated;
    revoke_by_hand(NULL, &reader.cert.sign_key);
    ck_assert_uint_gt(rotated, rotations);
    ck_assert_uint_gt(dropped, 0);
    ck_assert_int_eq(memcmp(last_dropped.b, reader.cert.sign_key.b, WF_KEY_LEN), 0);
    unix_ms += 1000;
    request(&reader, "cpu", "query", true);
    ck_assert_int_eq(call.err, WEFT_E_NO_CAPABILITY);
    ck_assert_ptr_nonnull(strstr(call.reply->refusal->text, "revoked before"));
    request(&other, "cpu", "query", true); // another key of the same rule is another matter
    ck_assert_int_eq(call.err, WEFT_OK);
}
END_TEST

// ---- explain ---------------------------------------------------------------------------------------------------------

static void explain(const char *verb, const struct wf_token *token)
{
    static Weft__V1__ExplainRequest q;

    weft__v1__explain_request__init(&q);
    q.domain = wf_pb_str("servers");
    q.product = wf_pb_str("hosts");
    q.verb = wf_pb_str(verb);
    if (token)
        q.token = wf_pb_bin(wf_buf_view(&token->raw));
    call_by(&reader);
    call.request.explain = &q;
    wf_access_explain_handle(&node, &call.pub);
    ck_assert_int_eq(call.err, WEFT_OK);
}

static bool has_step(const char *text)
{
    for (size_t i = 0; i < call.reply->explain->n_steps; i++)
        if (strstr(call.reply->explain->steps[i], text))
            return true;
    return false;
}

START_TEST(explain_tells_every_check_to_the_one_that_refused)
{
    prepare(NOTHING);
    explain("query", call.token);
    ck_assert(call.reply->explain->granted);
    ck_assert(has_step("caller: security/mon-1"));
    ck_assert(has_step("block 0 purpose: ok"));
    explain("mirror", call.token);
    ck_assert(!call.reply->explain->granted);
    ck_assert(has_step("block 0 products: ok"));
    ck_assert(has_step("block 0 verbs: REFUSED"));
    ck_assert_msg(!has_step("purpose"), "what comes after is not told");
    explain("query", NULL);
    ck_assert(!call.reply->explain->granted);
    ck_assert(has_step("token: none was shown"));
    ck_assert(has_step("policy: REFUSED"));
}
END_TEST

// ---- the trail -------------------------------------------------------------------------------------------------------

static void be_refused(const struct wf_identity *who, int times)
{
    ProtobufCBinaryData none = { 0 };
    struct wf_granted granted;
    struct wf_access asked = { .domain = "servers", .product = "cpu", .verb = WF_VERB_QUERY };

    for (int i = 0; i < times; i++) {
        call_by(who);
        ck_assert(!wf_access_check(&node, &call.pub, &asked, none, none, &granted));
    }
}

static size_t told_of(const char *who, const char *count)
{
    size_t n = 0;

    for (size_t i = 0; i < told_count; i++)
        n += strstr(told[i], who) && strstr(told[i], count);
    return n;
}

START_TEST(refusals_are_told_singly_to_ten_a_minute_then_counted)
{
    char summary[64] = "";

    be_refused(&reader, 25);
    ck_assert_uint_eq(told_count, 10);
    ck_assert_uint_eq(
        told_of("security/mon-1", "\"count\":1}") + told_of("security/mon-1", "\"count\":1,"), 10);
    // Who is only counted is given the id of the record to come.
    snprintf(summary, sizeof summary, "\"id\":\"%.40s\"", call.reply->refusal->audit_id);
    be_refused(&other, 1);
    ck_assert_msg(told_count == 11, "another source has its own ten");
    now_ms += 61000;
    wf_access_audit_tick(&node);
    ck_assert_uint_eq(told_count, 12);
    ck_assert_ptr_nonnull(strstr(told[11], "\"what\":\"refusals\""));
    ck_assert_ptr_nonnull(strstr(told[11], "\"count\":15"));
    ck_assert_ptr_nonnull(strstr(told[11], summary));
    be_refused(&reader, 1); // a new minute
    ck_assert_uint_eq(told_count, 13);
}
END_TEST

START_TEST(every_grant_and_revocation_is_told)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);

    advertise("cpu", &rule, 1);
    request(&reader, "cpu", "query", true);
    revoke_by_hand(NULL, &reader.cert.sign_key);
    ck_assert_uint_eq(told_count, 2);
    ck_assert_ptr_nonnull(strstr(told[0], "\"what\":\"grant by policy\",\"on\":\"cpu: query\""));
    ck_assert_ptr_nonnull(strstr(told[0], "\"from\":\"192.0.2.7:1234\""));
    ck_assert_ptr_nonnull(strstr(told[1], "\"who\":\"uid 0\",\"what\":\"revoke\""));
}
END_TEST

// ---- the list --------------------------------------------------------------------------------------------------------

START_TEST(a_list_is_signed_hourly_and_keeps_what_was_revoked)
{
    struct wf_sign_pub key = other.cert.sign_key;
    int64_t from = 0;

    ck_assert_int_eq(wf_access_revoke_origin(&node, &key, unix_ms + 5000), WEFT_OK);
    uint64_t version = wf_access_revocations(&node)->version;
    ck_assert(wf_access_origin_revoked_from(&node, &key, &from));
    ck_assert_int_eq(from, unix_ms + 5000);
    ck_assert(!wf_access_origin_revoked(&node, &key, unix_ms));
    ck_assert(wf_access_origin_revoked(&node, &key, unix_ms + 5000));
    // An earlier time reaches further; a later one changes nothing.
    ck_assert_int_eq(wf_access_revoke_origin(&node, &key, unix_ms + 9000), WEFT_OK);
    ck_assert(wf_access_origin_revoked_from(&node, &key, &from));
    ck_assert_int_eq(from, unix_ms + 5000);
    now_ms += WF_ACCESS_RESIGN_MS + 1;
    unix_ms += WF_ACCESS_RESIGN_MS + 1;
    wf_access_list_tick(&node);
    ck_assert_uint_gt(wf_access_revocations(&node)->version, version);
    ck_assert(wf_access_origin_revoked(&node, &key, unix_ms));
    is_issuer = false;
    ck_assert_int_eq(wf_access_revoke_origin(&node, &key, unix_ms), WEFT_E_NOT_OWNER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.access");
    TCase *t = tcase_create("access");

    tcase_add_checked_fixture(t, setup, rig_close);
    tcase_add_loop_test(t, each_caveat_decides_and_is_named, 0, (int)WF_COUNT(decisions));
    tcase_add_test(t, no_token_is_refused_with_what_to_type);
    tcase_add_test(t, a_rate_is_used_up_and_comes_back_with_time);
    tcase_add_test(t, a_rule_gives_a_token_that_renews_in_the_second_half_of_its_life);
    tcase_add_loop_test(
        t, what_no_rule_gives_waits_for_a_person_or_is_refused, 0, (int)WF_COUNT(no_rules));
    tcase_add_test(t, a_rule_does_not_give_back_what_a_person_took_away);
    tcase_add_test(t, explain_tells_every_check_to_the_one_that_refused);
    tcase_add_test(t, refusals_are_told_singly_to_ten_a_minute_then_counted);
    tcase_add_test(t, every_grant_and_revocation_is_told);
    tcase_add_test(t, a_list_is_signed_hourly_and_keeps_what_was_revoked);
    return rig_run(suite, t);
}
