// SPDX-License-Identifier: Apache-2.0
// The access room's decisions, grants by rule and by hand, and explain.
#include "tests/node/access_ask.h"

// ---- decisions -------------------------------------------------------------------------------------------------------

enum spoil {
    NOTHING,
    ANOTHERS,
    EARLY,
    EARLY_IN_TOLERANCE,
    LATE,
    LATE_IN_TOLERANCE,
    LIST_OLD,
    NO_LIST,
    TOKEN_REVOKED,
    HOLDER_REVOKED,
    ISSUER_REVOKED,
    COLUMNS,
    ROWS,
    REGIONS,
    PURPOSE,
    HANDED_ON,
    FOREIGN_MESH,
    FOREIGN_DOMAIN
};
// caveat: the one that decides, that a grant passes as well as the one that a refusal names.
static const struct decision {
    const char *why;
    const char *product;
    enum wf_verb verb;
    const char *method;
    enum spoil spoil;
    enum weft_err want;
    const char *caveat;
    const char *region, *purpose, *column;
    uint32_t block;
} decisions[] = {
    { "what was granted", "hosts", WF_VERB_QUERY, NULL, NOTHING, WEFT_OK, "verbs" },
    { "a product by pattern", "disk-io", WF_VERB_SUBSCRIBE, NULL, NOTHING, WEFT_OK, "products" },
    { "a method by pattern", "hosts", WF_VERB_CALL, "GetOne", NOTHING, WEFT_OK, "verbs" },
    { "a product that is not named", "cpu", WF_VERB_QUERY, NULL, NOTHING, WEFT_E_PRODUCT,
        "products" },
    { "a verb that is not granted", "hosts", WF_VERB_MIRROR, NULL, NOTHING, WEFT_E_VERB, "verbs" },
    { "replay, where subscribe is granted", "hosts", WF_VERB_REPLAY, NULL, NOTHING, WEFT_E_VERB,
        "verbs" },
    { "a method beyond the pattern", "hosts", WF_VERB_CALL, "SetOne", NOTHING, WEFT_E_VERB,
        "verbs" },
    { "one's own token", "hosts", WF_VERB_QUERY, NULL, NOTHING, WEFT_OK, "holder" },
    { "another key's token", "hosts", WF_VERB_QUERY, NULL, ANOTHERS, WEFT_E_HOLDER, "holder" },
    { "before its time, by what clocks may differ", "hosts", WF_VERB_QUERY, NULL,
        EARLY_IN_TOLERANCE, WEFT_OK, "not-before" },
    { "before its time", "hosts", WF_VERB_QUERY, NULL, EARLY, WEFT_E_NOT_YET, "not-before" },
    { "after its time, by what clocks may differ", "hosts", WF_VERB_QUERY, NULL, LATE_IN_TOLERANCE,
        WEFT_OK, "expires" },
    { "after its time", "hosts", WF_VERB_QUERY, NULL, LATE, WEFT_E_EXPIRED, "expires" },
    { "under a list of today", "hosts", WF_VERB_QUERY, NULL, NOTHING, WEFT_OK, "revocations" },
    { "under a list of yesterday", "hosts", WF_VERB_QUERY, NULL, LIST_OLD, WEFT_E_STALE_LIST,
        "revocations" },
    { "without any list", "hosts", WF_VERB_QUERY, NULL, NO_LIST, WEFT_E_STALE_LIST, "revocations" },
    { "a token that was revoked", "hosts", WF_VERB_QUERY, NULL, TOKEN_REVOKED, WEFT_E_REVOKED,
        "token" },
    { "a holder revoked since", "hosts", WF_VERB_QUERY, NULL, HOLDER_REVOKED, WEFT_E_REVOKED,
        "holder" },
    { "an issuer whose key was stolen before", "hosts", WF_VERB_QUERY, NULL, ISSUER_REVOKED,
        WEFT_E_REVOKED, "issuer" },
    { "a stream under columns", "hosts", WF_VERB_SUBSCRIBE, NULL, COLUMNS, WEFT_E_CAVEAT,
        "columns" },
    { "a query under columns", "hosts", WF_VERB_QUERY, NULL, COLUMNS, WEFT_OK, "columns" },
    { "a query of a granted column", "hosts", WF_VERB_QUERY, NULL, COLUMNS, WEFT_OK, "columns",
        .column = "host" },
    { "a query of another column", "hosts", WF_VERB_QUERY, NULL, COLUMNS, WEFT_E_COLUMN, "columns",
        .column = "version" },
    { "a stream under rows", "hosts", WF_VERB_SUBSCRIBE, NULL, ROWS, WEFT_E_CAVEAT, "rows" },
    { "a query under rows", "hosts", WF_VERB_QUERY, NULL, ROWS, WEFT_OK, "rows" },
    { "in a granted region", "hosts", WF_VERB_QUERY, NULL, REGIONS, WEFT_OK, "regions",
        .region = "eu-north" },
    { "in another region", "hosts", WF_VERB_QUERY, NULL, REGIONS, WEFT_E_REGION, "regions",
        .region = "us-east" },
    { "in a region that only begins alike", "hosts", WF_VERB_QUERY, NULL, REGIONS, WEFT_E_REGION,
        "regions", .region = "eu-north-2" },
    { "in no known region", "hosts", WF_VERB_QUERY, NULL, REGIONS, WEFT_E_REGION, "regions" },
    { "a stream in a granted region", "hosts", WF_VERB_SUBSCRIBE, NULL, REGIONS, WEFT_OK, "regions",
        .region = "eu-west" },
    { "a stream in another region", "hosts", WF_VERB_SUBSCRIBE, NULL, REGIONS, WEFT_E_REGION,
        "regions", .region = "us-east" },
    { "a region where none is asked for", "hosts", WF_VERB_QUERY, NULL, NOTHING, WEFT_OK, "regions",
        .region = "us-east" },
    { "the stated purpose", "hosts", WF_VERB_QUERY, NULL, PURPOSE, WEFT_OK, "purpose",
        .purpose = "capacity planning" },
    { "another purpose", "hosts", WF_VERB_QUERY, NULL, PURPOSE, WEFT_E_PURPOSE_CLAIM, "purpose",
        .purpose = "curiosity" },
    { "no purpose", "hosts", WF_VERB_QUERY, NULL, PURPOSE, WEFT_E_PURPOSE_CLAIM, "purpose" },
    { "what both blocks of a chain grant", "disk-io", WF_VERB_QUERY, NULL, HANDED_ON, WEFT_OK,
        "holder" },
    { "what only the first block grants", "hosts", WF_VERB_QUERY, NULL, HANDED_ON, WEFT_E_PRODUCT,
        "products", .block = 1 },
    { "what not even the first block grants", "cpu", WF_VERB_QUERY, NULL, HANDED_ON, WEFT_E_PRODUCT,
        "products", .block = 0 },
    { "a token of another mesh", "hosts", WF_VERB_QUERY, NULL, FOREIGN_MESH, WEFT_E_WRONG_MESH,
        NULL },
    { "a token of another domain", "hosts", WF_VERB_QUERY, NULL, FOREIGN_DOMAIN,
        WEFT_E_WRONG_DOMAIN, "domain" },
};

// What a certificate, a token or a list is signed with here, stolen from a second ago.
static void revoke_issuer(void)
{
    ck_assert_int_eq(
        wf_access_revoke_origin(&node, &mesh.d[WF_TEST_SERVERS].issuer_pub, unix_ms - 1000),
        WEFT_OK);
}

// The token goes to alice, who hands a part of it on to the reader.
static void hand_on(struct wf_test_block *b)
{
    struct wf_buf raw = { 0 };
    struct wf_token *whole = NULL;

    b->fields.holder = holders.alice_pub;
    show(&b->fields, WF_TEST_SERVERS);
    whole = call.token;
    b->fields.holder = reader.cert.sign_key;
    b->fields.product_count = wf_test_patterns("disk-*", b->products);
    ck_assert_int_eq(wf_token_delegate(whole, &b->fields, &holders.alice, &raw), WEFT_OK);
    ck_assert_int_eq(wf_token_open(wf_buf_view(&raw), &call.token, NULL), WEFT_OK);
    wf_token_free(whole);
    wf_buf_fini(&raw);
}

static void limit(struct wf_test_block *b, enum spoil spoil)
{
    if (spoil == COLUMNS) {
        b->fields.limits_columns = true;
        b->fields.column_count = 1;
        b->columns[0] = "host";
    } else if (spoil == ROWS) {
        b->fields.row_count = 1;
        b->rows[0] = (struct wf_row_term){
            .column = "site", .comparison = WF_CMP_EQ, .literal = WF_LIT_TEXT, .text = "north"
        };
    } else if (spoil == REGIONS) {
        b->fields.region_count = 2;
        b->regions[0] = "eu-west";
        b->regions[1] = "eu-north";
    } else if (spoil == PURPOSE) {
        b->fields.purpose = "capacity planning";
    }
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
        b.fields.not_before_ms = unix_ms + WF_CLOCK_TOLERANCE_MS + 1;
    if (spoil == EARLY_IN_TOLERANCE)
        b.fields.not_before_ms = unix_ms + WF_CLOCK_TOLERANCE_MS;
    limit(&b, spoil);
    show(&b.fields, spoil == FOREIGN_DOMAIN ? WF_TEST_NETWORK : WF_TEST_SERVERS);
    if (spoil == HANDED_ON)
        hand_on(&b);
    if (spoil == LATE || spoil == LATE_IN_TOLERANCE) {
        unix_ms = b.fields.expires_ms + WF_CLOCK_TOLERANCE_MS - (spoil == LATE_IN_TOLERANCE);
        // a list of today, so that the token's time decides
        ck_assert_int_eq(wf_access_sign_list(&node, &(struct wf_access_additions){ 0 }), WEFT_OK);
    }
    if (spoil == LIST_OLD) {
        b.fields.expires_ms += WF_TEST_DAY;
        show(&b.fields, WF_TEST_SERVERS);
        unix_ms += WF_MAX_LIST_AGE_MS + 1000;
    }
    if (spoil == TOKEN_REVOKED)
        revoke_by_hand(wf_token_id(call.token), NULL);
    if (spoil == HOLDER_REVOKED)
        revoke_by_hand(NULL, &reader.cert.sign_key);
    if (spoil == ISSUER_REVOKED)
        revoke_issuer();
}

START_TEST(each_caveat_decides_and_is_named)
{
    const struct decision *d = &decisions[_i];
    ProtobufCBinaryData none = { 0 };
    struct wf_granted granted = { 0 };
    struct wf_access asked = { .domain = "servers",
        .product = d->product,
        .verb = d->verb,
        .method = d->method,
        .purpose = d->purpose,
        .columns = &d->column,
        .column_count = d->column != NULL };

    conf.region = d->region;
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
    ck_assert_msg(r->block == d->block, "%s: block %u", d->why, r->block);
    ck_assert_msg(strncmp(r->hint, "weft access request servers/", 28) == 0, "%s", r->hint);
}
END_TEST

// The rate has a test of its own.
static const char *const caveats[] = { "products", "verbs", "not-before", "expires", "columns",
    "rows", "regions", "purpose", "holder", "revocations" };

START_TEST(every_caveat_is_seen_to_grant_and_to_refuse)
{
    size_t granted = 0, refused = 0;

    for (size_t i = 0; i < WF_COUNT(decisions); i++)
        if (decisions[i].caveat && strcmp(decisions[i].caveat, caveats[_i]) == 0)
            *(decisions[i].want ? &refused : &granted) += 1;
    ck_assert_msg(granted > 0 && refused > 0, "%s: %zu rows grant, %zu refuse", caveats[_i],
        granted, refused);
}
END_TEST

// A node that says it stands where the charter knows nothing stands nowhere, and says so.
START_TEST(a_region_counts_when_the_charter_lists_it_or_lists_none)
{
    static char *listed[] = { (char *)(uintptr_t) "eu-north", (char *)(uintptr_t) "us-east" };
    static const struct {
        const char *why, *region;
        size_t listed;
        bool known;
    } rows[] = {
        { "none is said", NULL, 0, false },
        { "the charter lists none", "eu-west", 0, true },
        { "the charter lists it", "us-east", 2, true },
        { "the charter lists others", "eu-west", 2, false },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        conf.region = rows[i].region;
        mesh.charter->regions = listed;
        mesh.charter->region_count = rows[i].listed;
        const char *here = wf_access_region(&node);
        ck_assert_msg((here != NULL) == rows[i].known, "%s", rows[i].why);
        ck_assert_msg(!here || strcmp(here, rows[i].region) == 0, "%s", rows[i].why);
        wf_access_region_tick(&node);
        bool rings = strstr(alarmed, "region: the charter knows no region eu-west") == alarmed;
        ck_assert_msg(rings == (rows[i].region && !rows[i].known), "%s: %s", rows[i].why, alarmed);
    }
    mesh.charter->region_count = 0;
}
END_TEST

static enum weft_err grant_in(char **regions, size_t count)
{
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;
    char *products[] = { wf_pb_str("hosts") }, *verbs[] = { wf_pb_str("query") };

    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_GRANT;
    q.products = products;
    q.verbs = verbs;
    q.n_products = q.n_verbs = 1;
    q.regions = regions;
    q.n_regions = count;
    q.holder = wf_pb_bin(WF_BYTES(reader.cert.sign_key.b));
    call_local();
    call.request.grant = &q;
    wf_access_grant_handle(&node, &call.pub);
    return call.err;
}

START_TEST(a_grant_by_hand_is_limited_to_the_regions_that_it_names)
{
    char *regions[] = { wf_pb_str("eu-west"), wf_pb_str("eu-north"), wf_pb_str("eu-west") };
    char *bad[] = { wf_pb_str("EU") };
    struct wf_token *t = NULL;
    struct wf_granted granted;
    ProtobufCBinaryData none = { 0 };
    struct wf_access asked = { .domain = "servers", .product = "hosts", .verb = WF_VERB_QUERY };

    ck_assert_int_eq(grant_in(bad, 1), WEFT_E_NAME);
    ck_assert_int_eq(grant_in(regions, 3), WEFT_OK);
    ck_assert_int_eq(wf_token_open(wf_pb_view(call.reply->grant->token), &t, NULL), WEFT_OK);
    ck_assert_uint_eq(t->blocks[0].region_count, 2);
    ck_assert_str_eq(t->blocks[0].regions[0], "eu-north");
    ck_assert_str_eq(t->blocks[0].regions[1], "eu-west");
    call.token = t;
    call_by(&reader);
    conf.region = "eu-north";
    ck_assert(wf_access_check(&node, &call.pub, &asked, none, none, &granted));
    call_by(&reader);
    conf.region = "us-east";
    ck_assert(!wf_access_check(&node, &call.pub, &asked, none, none, &granted));
    ck_assert_int_eq(call.err, WEFT_E_REGION);
    ck_assert_ptr_nonnull(strstr(call.reply->refusal->text, "asked: us-east"));
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

// ---- WF_ACCESS_PENDING, WF_ACCESS_PENDING_HOLDER ------------------------------------------------------------------------------

// So many requests wait already: of this holder, or each of another.
static void let_wait(uint32_t count, const struct wf_sign_pub *holder)
{
    for (uint32_t i = 0; i < count; i++) {
        char product[32];
        struct wf_grant row = { .has_request = true,
            .label = "network/somebody",
            .products = product,
            .verbs = "query",
            .columns = "",
            .rows = "",
            .purpose = "",
            .how = "request",
            .reason = "",
            .made_ms = unix_ms,
            .state = WF_GRANT_PENDING };
        snprintf(product, sizeof product, "p%u", (unsigned)i);
        wf_store_be32(row.request_id, i + 1);
        wf_store_be32(row.holder.b, i + 1);
        if (holder)
            row.holder = *holder;
        ck_assert_int_eq(wf_grants_put(node.access->grants, &row), WEFT_OK);
    }
}

START_TEST(access_pending_holder_who_asks_for_more_is_refused_and_others_are_not)
{
    advertise("cpu", NULL, 0);
    let_wait(WF_ACCESS_PENDING_HOLDER - 1, &reader.cert.sign_key);
    request(&reader, "cpu", "query", false);
    ck_assert_int_eq(call.err, WEFT_OK);
    ck_assert_str_eq(call.reply->access->state, "pending");
    request(&reader, "cpu", "replay", false);
    ck_assert_int_eq(call.err, WEFT_E_FULL);
    request(&other, "cpu", "query", false);
    ck_assert_int_eq(call.err, WEFT_OK);
}
END_TEST

START_TEST(access_pending_beyond_it_nobody_waits_for_a_person)
{
    size_t all = 0;

    advertise("cpu", NULL, 0);
    let_wait(WF_ACCESS_PENDING - 1, NULL);
    request(&reader, "cpu", "query", false);
    ck_assert_int_eq(call.err, WEFT_OK);
    request(&other, "cpu", "query", false);
    ck_assert_int_eq(call.err, WEFT_E_FULL);
    ck_assert_int_eq(wf_grants_pending(node.access->grants, NULL, &all), WEFT_OK);
    ck_assert_uint_eq(all, WF_ACCESS_PENDING);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.access");
    TCase *t = tcase_create("access");

    tcase_add_checked_fixture(t, setup, rig_close);
    tcase_add_loop_test(t, each_caveat_decides_and_is_named, 0, (int)WF_COUNT(decisions));
    tcase_add_loop_test(t, every_caveat_is_seen_to_grant_and_to_refuse, 0, (int)WF_COUNT(caveats));
    tcase_add_test(t, a_region_counts_when_the_charter_lists_it_or_lists_none);
    tcase_add_test(t, a_grant_by_hand_is_limited_to_the_regions_that_it_names);
    tcase_add_test(t, no_token_is_refused_with_what_to_type);
    tcase_add_test(t, a_rate_is_used_up_and_comes_back_with_time);
    tcase_add_test(t, a_rule_gives_a_token_that_renews_in_the_second_half_of_its_life);
    tcase_add_loop_test(
        t, what_no_rule_gives_waits_for_a_person_or_is_refused, 0, (int)WF_COUNT(no_rules));
    tcase_add_test(t, a_rule_does_not_give_back_what_a_person_took_away);
    tcase_add_test(t, explain_tells_every_check_to_the_one_that_refused);
    tcase_add_test(t, access_pending_holder_who_asks_for_more_is_refused_and_others_are_not);
    tcase_add_test(t, access_pending_beyond_it_nobody_waits_for_a_person);
    return rig_run(suite, t);
}
