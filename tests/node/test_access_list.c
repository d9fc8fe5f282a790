// SPDX-License-Identifier: Apache-2.0
// The access room's trail, its revocation list, and what a revocation ends.
#include "node/restored.h"
#include "tests/node/access_ask.h"

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

// A code of its own for each try, as long as there are codes: what one caller can make of pairs.
START_TEST(one_source_in_turn_with_another_is_told_no_more_than_each_alone)
{
    struct wf_caller who = { .has_identity = true, .identity = reader };

    snprintf(who.label, sizeof who.label, "security/mon-1");
    for (int i = 0; i < 200; i++)
        for (enum weft_err code = WEFT_E_SIGNATURE; code <= WEFT_E_CHAIN; code++)
            wf_access_audit(&node, &who, "lease", "servers/cpu", code, NULL);
    size_t codes = WEFT_E_CHAIN - WEFT_E_SIGNATURE + 1;
    ck_assert_uint_eq(told_count, codes * WF_ACCESS_SINGLY);
    now_ms += 61000;
    wf_access_audit_tick(&node);
    ck_assert_uint_eq(told_count, codes * WF_ACCESS_SINGLY + codes);
    ck_assert_uint_eq(told_of("security/mon-1", "\"count\":190"), codes);
}
END_TEST

START_TEST(a_domain_of_many_names_takes_no_single_record_from_another)
{
    struct wf_caller who = { 0 };

    for (int i = 0; i < 500; i++) {
        snprintf(who.label, sizeof who.label, "network/n-%d", i);
        wf_access_audit(&node, &who, "lease", "servers/cpu", WEFT_E_VERB, NULL);
    }
    ck_assert_uint_eq(told_count, WF_ACCESS_SOURCES);
    be_refused(&reader, 1);
    ck_assert_uint_eq(told_count, WF_ACCESS_SOURCES + 1);
    ck_assert_ptr_nonnull(strstr(told[told_count - 1], "security/mon-1"));
    now_ms += 61000;
    wf_access_audit_tick(&node);
    ck_assert_uint_eq(told_count, WF_ACCESS_SOURCES + 2);
    ck_assert_ptr_nonnull(strstr(told[told_count - 1], "\"who\":\"network/*\""));
    ck_assert_ptr_nonnull(strstr(told[told_count - 1], "\"count\":468"));
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

// ---- what people see -------------------------------------------------------------------------------------------------

static const Weft__V1__GrantReply *list_refused(void)
{
    static Weft__V1__GrantRequest q;

    weft__v1__grant_request__init(&q);
    q.action = WEFT__V1__GRANT_REQUEST__ACTION__ACTION_REFUSED;
    call_local();
    call.request.grant = &q;
    wf_access_grant_handle(&node, &call.pub);
    ck_assert_int_eq(call.err, WEFT_OK);
    return call.reply->grant;
}

START_TEST(a_refused_attempt_is_listed_with_who_what_why_and_when)
{
    char id[40];

    be_refused(&reader, 25);
    snprintf(id, sizeof id, "%s", call.reply->refusal->audit_id);
    unix_ms += 5000;
    be_refused(&other, 1);
    const Weft__V1__GrantReply *r = list_refused();
    ck_assert_uint_eq(r->n_refused, 2);
    ck_assert_str_eq(r->refused[0]->who, "security/mon-2");
    const Weft__V1__RefusedAttempt *m = r->refused[1];
    ck_assert_str_eq(m->who, "security/mon-1");
    ck_assert_str_eq(m->what, "servers/cpu query");
    ck_assert_uint_eq(m->code, WEFT_E_NO_CAPABILITY);
    ck_assert_uint_eq(m->count, 25);
    ck_assert_int_eq(m->last_ms, unix_ms - 5000);
    ck_assert_str_eq(m->from, "192.0.2.7:1234");
    ck_assert_str_eq(m->audit_id, id);
}
END_TEST

// Every place taken by the longest names that certificates have: the answer is still one message.
START_TEST(the_longest_list_fits_one_answer)
{
    struct wf_refused_row row = { .code = WEFT_E_NO_CAPABILITY, .last_ms = INT64_MAX / 2 };

    memset(row.what, 'w', sizeof row.what - 1);
    memset(row.from, 'f', sizeof row.from - 1);
    memset(row.audit_id, 'a', sizeof row.audit_id - 1);
    for (int i = 0; i < 40; i++)
        for (int k = 0; k < 64; k++) {
            snprintf(row.who, sizeof row.who, "%063d/%063d", i, k);
            wf_refused_note(node.access->refused, &row);
        }
    const Weft__V1__GrantReply *r = list_refused();
    ck_assert_uint_eq(r->n_refused, 1000);
    ck_assert_uint_lt(weft__v1__reply__get_packed_size(call.reply), WF_MAX_CONTROL - 1024);
}
END_TEST

START_TEST(what_was_no_matter_of_access_is_not_listed)
{
    wf_access_audit(&node, NULL, "range", "servers/cpu", WEFT_E_RETENTION, NULL);
    wf_access_audit(&node, NULL, "lease", "servers/cpu", WEFT_OK, NULL);
    ck_assert_uint_eq(list_refused()->n_refused, 0);
}
END_TEST

START_TEST(refused_attempts_outlive_a_restart_and_a_month_forgets_them)
{
    struct wf_diag diag = { 0 };

    be_refused(&reader, 3);
    now_ms += WF_ACCESS_REFUSED_SAVE_MS;
    wf_access_audit_tick(&node); // on disk by now: what follows is as after a kill
    wf_refused_close(node.access->refused);
    node.access->refused = NULL;
    char path[700];
    snprintf(path, sizeof path, "%s/refused.db", conf.data);
    ck_assert_int_eq(wf_refused_open(path, &node.access->refused, &diag), WEFT_OK);
    ck_assert_uint_eq(list_refused()->n_refused, 1);
    unix_ms += 31 * WF_TEST_DAY;
    node.access->prune_at_ms = 0;
    wf_access_room.tick(&node);
    ck_assert_uint_eq(list_refused()->n_refused, 0);
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

// An old backup would take back what was revoked since, under a version that beats the one others hold.
START_TEST(a_restored_issuer_signs_nothing_before_it_asked)
{
    struct wf_restored_room restored = { .mark = { .waits = true } };
    struct wf_sign_pub key = other.cert.sign_key;

    ck_assert_int_eq(wf_access_revoke_origin(&node, &key, unix_ms), WEFT_OK);
    uint64_t version = wf_access_revocations(&node)->version;
    node.restored = &restored;
    now_ms += WF_ACCESS_RESIGN_MS + 1;
    unix_ms += WF_ACCESS_RESIGN_MS + 1;
    wf_access_list_tick(&node);
    ck_assert_uint_eq(wf_access_revocations(&node)->version, version);
    ck_assert_int_eq(wf_access_revoke_origin(&node, &key, unix_ms), WEFT_E_BUSY);
    restored.mark.waits = false;
    wf_access_list_tick(&node);
    ck_assert_uint_gt(wf_access_revocations(&node)->version, version);
    ck_assert(wf_access_origin_revoked(&node, &key, unix_ms));
    node.restored = NULL;
}
END_TEST

// A list of another domain, as it comes by gossip.
static void learn_foreign_list(const struct wf_sign_pub *key, int64_t from_ms)
{
    struct wf_test_domain *d = &mesh.d[WF_TEST_NETWORK];
    struct wf_revoked_key origin = { .key = *key, .at_ms = from_ms };
    struct wf_revocations f = { .version = (uint64_t)unix_ms,
        .issued_ms = unix_ms,
        .mesh_id = node.mesh_id,
        .domain = { "network" },
        .issuer_raw = wf_buf_view(&d->issuer_cert),
        .origins = &origin,
        .origin_count = 1 };
    struct wf_buf raw = { 0 };

    ck_assert_int_eq(wf_revocations_sign(&f, &d->issuer, &raw), WEFT_OK);
    learn(WF_ENTRY_REVOCATIONS, raw);
    wf_access_list_changed(&node, "network");
}

enum by { OWN_LIST, FOREIGN_LIST, BY_HOLDER, BY_TOKEN };
static const struct {
    const char *why;
    enum by by;
    int64_t from_ms; // from now
    size_t dropped;
    bool rotates;
} ends[] = {
    { "a certificate of the own domain", OWN_LIST, 0, 1, true },
    { "one whose time lies ahead still stands", OWN_LIST, 60000, 0, true },
    { "a certificate of another domain: no lease of ours hangs on it", FOREIGN_LIST, 0, 1, false },
    { "one of another domain whose time lies ahead", FOREIGN_LIST, 60000, 0, false },
    { "a holder", BY_HOLDER, 0, 1, true },
    { "a token that was given here", BY_TOKEN, 0, 1, true },
};

START_TEST(a_revocation_ends_the_sessions_of_its_key_at_once)
{
    struct wf_sign_pub key = reader.cert.sign_key;
    struct wf_access_rule rule = rule_for("mon-*", &query_verb, 0);
    struct wf_hash token = { 0 };

    if (ends[_i].by == BY_TOKEN) {
        advertise("cpu", &rule, 1);
        request(&reader, "cpu", "query", true);
        struct wf_token *t = NULL;
        ck_assert_int_eq(wf_token_open(wf_pb_view(call.reply->access->token), &t, NULL), WEFT_OK);
        token = *wf_token_id(t);
        wf_token_free(t);
    }
    dropped = rotated = 0;
    last_dropped = (struct wf_sign_pub){ 0 };
    if (ends[_i].by == OWN_LIST)
        ck_assert_int_eq(wf_access_revoke_origin(&node, &key, unix_ms + ends[_i].from_ms), WEFT_OK);
    else if (ends[_i].by == FOREIGN_LIST)
        learn_foreign_list(&key, unix_ms + ends[_i].from_ms);
    else
        revoke_by_hand(
            ends[_i].by == BY_TOKEN ? &token : NULL, ends[_i].by == BY_TOKEN ? NULL : &key);
    ck_assert_msg(dropped == ends[_i].dropped, "%s: %zu", ends[_i].why, dropped);
    if (dropped)
        ck_assert_msg(memcmp(last_dropped.b, key.b, WF_KEY_LEN) == 0, "%s", ends[_i].why);
    ck_assert_msg((rotated > 0) == ends[_i].rotates, "%s", ends[_i].why);
}
END_TEST

START_TEST(a_time_that_lay_ahead_ends_sessions_once_the_list_is_signed_anew)
{
    struct wf_sign_pub key = reader.cert.sign_key;

    ck_assert_int_eq(wf_access_revoke_origin(&node, &key, unix_ms + 60000), WEFT_OK);
    ck_assert_uint_eq(dropped, 0);
    now_ms += WF_ACCESS_RESIGN_MS + 1;
    unix_ms += WF_ACCESS_RESIGN_MS + 1;
    wf_access_list_tick(&node);
    ck_assert_uint_eq(dropped, 1);
    ck_assert_int_eq(memcmp(last_dropped.b, key.b, WF_KEY_LEN), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.access_list");
    TCase *t = tcase_create("list");

    tcase_add_checked_fixture(t, setup, rig_close);
    tcase_add_test(t, refusals_are_told_singly_to_ten_a_minute_then_counted);
    tcase_add_test(t, one_source_in_turn_with_another_is_told_no_more_than_each_alone);
    tcase_add_test(t, a_domain_of_many_names_takes_no_single_record_from_another);
    tcase_add_test(t, a_refused_attempt_is_listed_with_who_what_why_and_when);
    tcase_add_test(t, the_longest_list_fits_one_answer);
    tcase_add_test(t, what_was_no_matter_of_access_is_not_listed);
    tcase_add_test(t, refused_attempts_outlive_a_restart_and_a_month_forgets_them);
    tcase_add_test(t, every_grant_and_revocation_is_told);
    tcase_add_test(t, a_list_is_signed_hourly_and_keeps_what_was_revoked);
    tcase_add_test(t, a_restored_issuer_signs_nothing_before_it_asked);
    tcase_add_loop_test(
        t, a_revocation_ends_the_sessions_of_its_key_at_once, 0, (int)WF_COUNT(ends));
    tcase_add_test(t, a_time_that_lay_ahead_ends_sessions_once_the_list_is_signed_anew);
    return rig_run(suite, t);
}
