// SPDX-License-Identifier: Apache-2.0
// Grants made by hand that come to their end: who is warned when, where, and how often.
#include "proto/base/print.h"
#include "tests/node/access_ask.h"

#define LIFE (10 * WF_TEST_DAY)

static int64_t begun;

static void begin(void)
{
    setup();
    begun = unix_ms;
}

static void at(int64_t percent)
{
    unix_ms = begun + LIFE / 100 * percent;
    node.access->ending_at_ms = 0;
    wf_access_room.tick(&node);
}

static struct wf_hash grant_for(const struct wf_identity *who, const char *product, int64_t life)
{
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;
    char *products[] = { wf_pb_str(product) }, *verbs[] = { wf_pb_str("query") };
    struct wf_hash id;

    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_GRANT;
    q.products = products;
    q.verbs = verbs;
    q.n_products = q.n_verbs = 1;
    q.holder = wf_pb_bin(WF_BYTES(who->cert.sign_key.b));
    q.duration_ms = life;
    call_local();
    call.request.grant = &q;
    wf_access_grant_handle(&node, &call.pub);
    ck_assert_msg(call.err == WEFT_OK, "%s", call.reply->refusal ? call.reply->refusal->text : "");
    ck_assert_int_eq(
        wf_hash_from(wf_pb_view(call.reply->grant->grants[0]->token_id), &id), WEFT_OK);
    return id;
}

static struct wf_hash grant(const char *product)
{
    return grant_for(&reader, product, LIFE);
}

static const Weft__V1__GrantReply *listed(void)
{
    static Weft__V1__GrantRequest q;

    weft__v1__grant_request__init(&q);
    call_local();
    call.request.grant = &q;
    wf_access_grant_handle(&node, &call.pub);
    ck_assert_int_eq(call.err, WEFT_OK);
    return call.reply->grant;
}

static Weft__V1__StatusReply status_of(void)
{
    Weft__V1__StatusReply r = WEFT__V1__STATUS_REPLY__INIT;

    call_local();
    wf_access_status(&node, &call.arena, &r);
    return r;
}

static const struct {
    int64_t percent;
    unsigned over;
    size_t lines; // in the log, when the age is reached in one step
} ages[] = {
    { 0, 0, 0 },
    { 74, 0, 0 },
    { 75, 75, 1 },
    { 89, 75, 1 },
    { 90, 90, 1 },
    { 99, 90, 1 },
    { 100, 0, 0 },
    { 150, 0, 0 },
};

START_TEST(a_grant_is_warned_of_at_its_age_in_the_log_the_list_and_the_status)
{
    grant("hosts");
    at(ages[_i].percent);
    ck_assert_msg(ending_count == ages[_i].lines, "%lld: %zu lines", (long long)ages[_i].percent,
        ending_count);
    const Weft__V1__GrantReply *l = listed();
    ck_assert_uint_eq(l->n_grants, 1);
    ck_assert_msg(l->grants[0]->over_percent == ages[_i].over, "%lld: %u",
        (long long)ages[_i].percent, l->grants[0]->over_percent);
    ck_assert_str_eq(l->grants[0]->state, ages[_i].percent < 100 ? "granted" : "expired");
    Weft__V1__StatusReply s = status_of();
    ck_assert_uint_eq(s.n_warnings, ages[_i].over != 0);
}
END_TEST

START_TEST(each_age_is_logged_once_also_over_a_restart)
{
    struct wf_diag diag = { 0 };

    grant("hosts");
    at(76);
    at(77);
    ck_assert_uint_eq(ending_count, 1);
    ck_assert_ptr_nonnull(strstr(ending[0], "over=75 %"));
    ck_assert_ptr_nonnull(strstr(ending[0], "products=hosts verbs=query"));
    ck_assert_ptr_nonnull(strstr(ending[0], "left=2 d"));
    wf_access_room.close(&node);
    ck_assert_int_eq(wf_access_room.open(&node, &diag), WEFT_OK);
    at(78);
    ck_assert_msg(ending_count == 1, "a restart says nothing again");
    at(90);
    at(95);
    ck_assert_uint_eq(ending_count, 2);
    ck_assert_ptr_nonnull(strstr(ending[1], "over=90 %"));
}
END_TEST

static const struct {
    int64_t life_ms;
    const char *left; // of its last quarter, to the millisecond
} lefts[] = {
    { 8 * WF_TEST_DAY, " 2 d" },
    { 8 * WF_TEST_DAY - 4, " 47 h" },
    { 8 * WF_TEST_HOUR, " 2 h" },
    { 8 * WF_TEST_HOUR - 4, " 119 min" },
    { 8 * 60000, " 2 min" },
    { 8 * 60000 - 4, " 119 s" },
};

START_TEST(what_is_left_is_said_in_a_unit_that_tells_something)
{
    grant_for(&reader, "hosts", lefts[_i].life_ms);
    unix_ms = begun + lefts[_i].life_ms / 4 * 3;
    Weft__V1__StatusReply s = status_of();
    ck_assert_uint_eq(s.n_warnings, 1);
    size_t len = strlen(s.warnings[0]), want = strlen(lefts[_i].left);
    ck_assert_msg(strcmp(s.warnings[0] + len - want, lefts[_i].left) == 0, "%s", s.warnings[0]);
}
END_TEST

START_TEST(the_status_says_which_grant_and_how_long_it_lasts)
{
    char want[200], id[17], print[WF_FINGERPRINT_LEN];
    struct wf_hash token = grant("hosts");

    at(91);
    Weft__V1__StatusReply s = status_of();
    ck_assert_uint_eq(s.n_warnings, 1);
    wf_hex_put(wf_bytes(token.b, 8), id);
    wf_fingerprint(WF_BYTES(reader.cert.sign_key.b), print);
    snprintf(want, sizeof want,
        "grant %s of hosts (query) to %s: 90 %% of its life is over, it ends in 21 h", id, print);
    ck_assert_str_eq(s.warnings[0], want);
}
END_TEST

START_TEST(a_request_that_a_person_granted_is_warned_of_with_its_name)
{
    Weft__V1__GrantRequest q = WEFT__V1__GRANT_REQUEST__INIT;
    uint8_t id[WF_REQUEST_ID_LEN];
    struct wf_access_rule rule = rule_for("web-*", &query_verb, 0);

    advertise("cpu", &rule, 1);
    request(&reader, "cpu", "query", false);
    ck_assert_str_eq(call.reply->access->state, "pending");
    memcpy(id, call.reply->access->request_id.data, sizeof id);
    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_GRANT;
    q.request_id = wf_pb_bin(WF_BYTES(id));
    q.duration_ms = LIFE;
    call_local();
    call.request.grant = &q;
    wf_access_grant_handle(&node, &call.pub);
    ck_assert_int_eq(call.err, WEFT_OK);
    at(80);
    ck_assert_uint_eq(ending_count, 1);
    ck_assert_ptr_nonnull(strstr(ending[0], "holder=security/mon-1"));
}
END_TEST

START_TEST(what_a_rule_gave_renews_itself_and_warns_nobody)
{
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);

    advertise("cpu", &rule, 1);
    request(&reader, "cpu", "query", true);
    ck_assert_int_eq(call.err, WEFT_OK);
    unix_ms = begun + 95 * (10 * WF_TEST_HOUR) / 100;
    node.access->ending_at_ms = 0;
    wf_access_room.tick(&node);
    ck_assert_uint_eq(ending_count, 0);
    ck_assert_uint_eq(listed()->grants[0]->over_percent, 0);
    ck_assert_uint_eq(status_of().n_warnings, 0);
}
END_TEST

enum after { LATER, SHORTER, OTHER_PRODUCT, OTHER_HOLDER, REVOKED };
static const struct {
    const char *why;
    enum after after;
    bool warned;
} follows[] = {
    { "a later grant of the same", LATER, false },
    { "one that ends sooner", SHORTER, true },
    { "one of another product", OTHER_PRODUCT, true },
    { "one to another", OTHER_HOLDER, true },
    { "its revocation", REVOKED, false },
};

START_TEST(a_grant_that_is_followed_or_revoked_is_no_longer_warned_of)
{
    struct wf_hash id = grant("hosts");

    unix_ms = begun + LIFE / 2;
    if (follows[_i].after == LATER)
        grant("hosts");
    else if (follows[_i].after == SHORTER)
        grant_for(&reader, "hosts", LIFE / 4);
    else if (follows[_i].after == OTHER_PRODUCT)
        grant("cpu");
    else if (follows[_i].after == OTHER_HOLDER)
        grant_for(&other, "hosts", LIFE);
    else
        revoke_by_hand(&id, NULL);
    at(80); // the shorter one has ended
    ck_assert_msg(
        (ending_count == 1) == follows[_i].warned, "%s: %zu", follows[_i].why, ending_count);
    ck_assert_msg((status_of().n_warnings == 1) == follows[_i].warned, "%s", follows[_i].why);
}
END_TEST

START_TEST(of_many_the_status_shows_some_and_says_where_the_others_are)
{
    char name[16];

    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "p-%d", i);
        grant(name);
    }
    at(76);
    ck_assert_uint_eq(ending_count, 20);
    Weft__V1__StatusReply s = status_of();
    ck_assert_uint_eq(s.n_warnings, 17);
    ck_assert_ptr_nonnull(strstr(s.warnings[16], "weft access list"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.access_ending");
    TCase *t = tcase_create("ending");

    tcase_add_checked_fixture(t, begin, rig_close);
    tcase_add_loop_test(t, a_grant_is_warned_of_at_its_age_in_the_log_the_list_and_the_status, 0,
        (int)WF_COUNT(ages));
    tcase_add_test(t, each_age_is_logged_once_also_over_a_restart);
    tcase_add_test(t, the_status_says_which_grant_and_how_long_it_lasts);
    tcase_add_loop_test(
        t, what_is_left_is_said_in_a_unit_that_tells_something, 0, (int)WF_COUNT(lefts));
    tcase_add_test(t, a_request_that_a_person_granted_is_warned_of_with_its_name);
    tcase_add_test(t, what_a_rule_gave_renews_itself_and_warns_nobody);
    tcase_add_loop_test(
        t, a_grant_that_is_followed_or_revoked_is_no_longer_warned_of, 0, (int)WF_COUNT(follows));
    tcase_add_test(t, of_many_the_status_shows_some_and_says_where_the_others_are);
    return rig_run(suite, t);
}
