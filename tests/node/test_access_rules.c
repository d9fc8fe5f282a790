// SPDX-License-Identifier: Apache-2.0
// What no rule gives any more: what was taken away, by its token or by its key, and what was removed. And who grants at all: the node with the
// issuer, under a charter that is in force, once it knows what was revoked.
#include "node/restored.h"
#include "tests/node/access_ask.h"

static void expect_refused(const struct wf_identity *who, enum weft_err want, const char *says)
{
    request(who, "cpu", "query", true);
    ck_assert_msg(call.err == want, "%s", weft_err_name(call.err));
    ck_assert_msg(strstr(call.reply->refusal->text, says) != NULL, "%s", call.reply->refusal->text);
}

START_TEST(what_was_taken_away_by_its_token_comes_back_by_no_rule)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);
    struct wf_diag diag = { 0 };
    struct wf_token *t = NULL;

    advertise("cpu", &rule, 1);
    request(&reader, "cpu", "query", true);
    ck_assert_int_eq(call.err, WEFT_OK);
    ck_assert_int_eq(wf_token_open(wf_pb_view(call.reply->access->token), &t, &diag), WEFT_OK);
    revoke_by_hand(wf_token_id(t), NULL);
    unix_ms += 1000;
    expect_refused(&reader, WEFT_E_NO_CAPABILITY, "revoked before");
    request(&other, "cpu", "query", true);
    ck_assert_int_eq(call.err, WEFT_OK);
    wf_token_free(t);
}
END_TEST

START_TEST(a_key_that_was_refused_before_it_asked_gets_nothing_by_a_rule)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);

    advertise("cpu", &rule, 1);
    revoke_by_hand(NULL, &reader.cert.sign_key);
    unix_ms += 1000;
    expect_refused(&reader, WEFT_E_NO_CAPABILITY, "revoked before");
    request(&other, "cpu", "query", true);
    ck_assert_int_eq(call.err, WEFT_OK);
}
END_TEST

START_TEST(what_was_removed_or_never_was_is_said_to_be_no_product)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);
    struct wf_test_entry gone = { .domain = WF_TEST_SERVERS,
        .name = "cpu",
        .term = 1,
        .sequence = (uint64_t)unix_ms + 1,
        .life_ms = WF_TEST_DAY,
        .removed = true };

    expect_refused(&reader, WEFT_E_NOT_FOUND, "servers has no product cpu");
    advertise("cpu", &rule, 1);
    request(&reader, "cpu", "query", true);
    ck_assert_int_eq(call.err, WEFT_OK);
    learn(WF_ENTRY_PRODUCT, wf_test_product_advert(&mesh, &gone));
    expect_refused(&other, WEFT_E_NOT_FOUND, "servers has no product cpu");
}
END_TEST

// ---- who grants ------------------------------------------------------------------------------------------------------

static void grant_by_hand(void)
{
    static Weft__V1__GrantRequest q;
    static char *products[1], *verbs[1];

    weft__v1__grant_request__init(&q);
    products[0] = wf_pb_str("cpu");
    verbs[0] = wf_pb_str("query");
    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_GRANT;
    q.products = products;
    q.verbs = verbs;
    q.n_products = q.n_verbs = 1;
    q.holder = wf_pb_bin(WF_BYTES(reader.cert.sign_key.b));
    call_local();
    call.request.grant = &q;
    wf_access_grant_handle(&node, &call.pub);
}

enum { ALL_RIGHT, ELSEWHERE, NO_CHARTER, OLD_CHARTER, NOT_ASKED };
static const struct {
    const char *why;
    int what;
    enum weft_err want;
    const char *says;
} grants[] = {
    { "nothing is wrong", ALL_RIGHT, WEFT_OK, "" },
    { "another node has the issuer", ELSEWHERE, WEFT_E_NOT_OWNER, "does not decide" },
    { "there is no charter", NO_CHARTER, WEFT_E_STATE, "no charter is in force" },
    { "the charter has expired", OLD_CHARTER, WEFT_E_CHARTER_EXPIRED, "no charter is in force" },
    { "what was revoked is still to be asked", NOT_ASKED, WEFT_E_BUSY, "asks other nodes first" },
};

START_TEST(a_person_and_a_rule_grant_where_and_when_it_may_be)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);
    struct wf_restored_room waiting = { .mark = { .waits = true } };
    struct wf_charter *charter = node.charter;
    int64_t expires = charter->expires_ms;
    size_t listed = 9;

    advertise("cpu", &rule, 1);
    is_issuer = grants[_i].what != ELSEWHERE;
    node.charter = grants[_i].what == NO_CHARTER ? NULL : charter;
    node.restored = grants[_i].what == NOT_ASKED ? &waiting : NULL;
    if (grants[_i].what == OLD_CHARTER)
        charter->expires_ms = unix_ms - WF_CLOCK_TOLERANCE_MS - 1;
    grant_by_hand();
    ck_assert_msg(call.err == grants[_i].want, "%s: %s", grants[_i].why, weft_err_name(call.err));
    ck_assert(!call.err || strstr(call.reply->refusal->text, grants[_i].says));
    if (grants[_i].what != ELSEWHERE) { // there it is handed on
        request(&other, "cpu", "query", true);
        ck_assert_msg(
            call.err == grants[_i].want, "%s: %s", grants[_i].why, weft_err_name(call.err));
        ck_assert(!call.err || strstr(call.reply->refusal->text, grants[_i].says));
    }
    charter->expires_ms = expires;
    node.charter = charter;
    node.restored = NULL;
    is_issuer = true;
    Weft__V1__GrantRequest list = WEFT__V1__GRANT_REQUEST__INIT;
    call_local();
    call.request.grant = &list;
    wf_access_grant_handle(&node, &call.pub);
    listed = call.reply->grant->n_grants;
    ck_assert_msg(listed == (grants[_i].want ? 0 : 2), "%s: %zu", grants[_i].why, listed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.access_rules");
    TCase *t = tcase_create("rules");

    tcase_add_checked_fixture(t, setup, rig_close);
    tcase_add_test(t, what_was_taken_away_by_its_token_comes_back_by_no_rule);
    tcase_add_test(t, a_key_that_was_refused_before_it_asked_gets_nothing_by_a_rule);
    tcase_add_test(t, what_was_removed_or_never_was_is_said_to_be_no_product);
    tcase_add_loop_test(
        t, a_person_and_a_rule_grant_where_and_when_it_may_be, 0, (int)WF_COUNT(grants));
    return rig_run(suite, t);
}
