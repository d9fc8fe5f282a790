// SPDX-License-Identifier: Apache-2.0
// Requests for access that another node of the domain handed on, those that this node hands on itself, and who may ask what became of one.
#include "tests/node/access_ask.h"

static struct wf_buf readers_chain;

static void setup_handed(void)
{
    struct wf_cert fields = wf_test_cert("security", WF_ID_SERVICE, "mon-1");

    setup();
    struct wf_buf cert = wf_test_cert_issue(&fields, &mesh.d[WF_TEST_SECURITY].issuer);
    readers_chain =
        wf_test_chain(wf_buf_view(&cert), wf_buf_view(&mesh.d[WF_TEST_SECURITY].issuer_cert));
    wf_buf_fini(&cert);
    advertise("cpu", NULL, 0);
}

static void teardown_handed(void)
{
    wf_buf_fini(&readers_chain);
    deciding = (struct rig_deciding){ .err = WEFT_E_UNREACHABLE };
    rig_close();
}

static void ask(const struct wf_identity *who, struct wf_bytes for_chain, const char *domain)
{
    static Weft__V1__AccessRequest q;
    static char *products[1], *verbs[1];

    weft__v1__access_request__init(&q);
    products[0] = wf_pb_str("cpu");
    verbs[0] = wf_pb_str("query");
    q.products = products;
    q.verbs = verbs;
    q.n_products = q.n_verbs = 1;
    q.domain = wf_pb_str(domain);
    q.for_chain = wf_pb_bin(for_chain);
    call_by(who);
    ck_assert_int_eq(wf_bytes_dup(wf_buf_view(&readers_chain), &call.chain), WEFT_OK);
    call.request.kind_case = WEFT__V1__REQUEST__KIND_ACCESS;
    call.request.idempotency = wf_pb_bin(WF_STR("a key of the caller's"));
    call.request.access = &q;
    wf_access_handle(&node, &call.pub);
    ck_assert(call.answered);
}

static size_t waiting(const struct wf_sign_pub *holder)
{
    size_t count = 9;

    ck_assert_int_eq(wf_grants_pending(node.access->grants, holder, &count), WEFT_OK);
    return count;
}

static const struct wf_bytes nobody = { 0 };

START_TEST(what_a_node_of_the_domain_hands_on_is_decided_for_who_asked)
{
    struct wf_identity node_2 = identity_of("servers", WF_ID_NODE, "node-2");

    ask(&node_2, wf_buf_view(&readers_chain), "servers");
    ck_assert_msg(call.err == WEFT_OK, "%s", weft_err_name(call.err));
    ck_assert_str_eq(call.reply->access->state, "pending");
    ck_assert_uint_eq(waiting(&reader.cert.sign_key), 1);
    ck_assert_uint_eq(waiting(NULL), 1);
    ck_assert_ptr_nonnull(strstr(told[told_count - 1], "security/mon-1"));
}
END_TEST

static const struct {
    const char *why, *domain, *subject;
    enum wf_identity_kind kind;
    bool broken, revoked;
    const char *asked_of;
    enum weft_err want;
} not_handed[] = {
    { "a service of the domain", "servers", "app-1", WF_ID_SERVICE, false, false, "servers",
        WEFT_E_NOT_OWNER },
    { "a node of another domain", "network", "node-1", WF_ID_NODE, false, false, "servers",
        WEFT_E_NOT_OWNER },
    { "a chain that was changed", "servers", "node-2", WF_ID_NODE, true, false, "servers",
        WEFT_E_SIGNATURE },
    { "a key that was revoked", "servers", "node-2", WF_ID_NODE, false, true, "servers",
        WEFT_E_REVOKED },
    { "products of another domain", "servers", "node-2", WF_ID_NODE, false, false, "network",
        WEFT_E_WRONG_DOMAIN },
};

START_TEST(what_is_handed_on_wrongly_is_refused)
{
    struct wf_identity by =
        identity_of(not_handed[_i].domain, not_handed[_i].kind, not_handed[_i].subject);
    struct wf_revoked_key key = { .key = reader.cert.sign_key, .at_ms = unix_ms };
    struct wf_revocations f = { .mesh_id = mesh.charter->mesh_id,
        .version = 9,
        .issued_ms = unix_ms,
        .issuer_raw = wf_buf_view(&mesh.d[WF_TEST_SECURITY].issuer_cert),
        .origins = &key,
        .origin_count = not_handed[_i].revoked };
    struct wf_buf list = { 0 };

    ck_assert_int_eq(wf_name_from(WF_STR("security"), &f.domain), WEFT_OK);
    ck_assert_int_eq(wf_revocations_sign(&f, &mesh.d[WF_TEST_SECURITY].issuer, &list), WEFT_OK);
    learn(WF_ENTRY_REVOCATIONS, list);
    readers_chain.ptr[readers_chain.len - 1] ^= not_handed[_i].broken;
    ask(&by, wf_buf_view(&readers_chain), not_handed[_i].asked_of);
    ck_assert_msg(
        call.err == not_handed[_i].want, "%s: %s", not_handed[_i].why, weft_err_name(call.err));
    ck_assert_uint_eq(waiting(NULL), 0);
}
END_TEST

START_TEST(what_was_handed_on_once_is_not_handed_on_again)
{
    struct wf_identity node_2 = identity_of("servers", WF_ID_NODE, "node-2");

    is_issuer = false;
    ask(&node_2, wf_buf_view(&readers_chain), "servers");
    ck_assert_int_eq(call.err, WEFT_E_NOT_OWNER);
    ck_assert_uint_eq(deciding.asked, 0);
}
END_TEST

static Weft__V1__Refusal no_rule = WEFT__V1__REFUSAL__INIT;
static const struct {
    const char *why;
    enum weft_err err;
    Weft__V1__Reply__KindCase kind;
    bool refused;
    enum weft_err want;
    const char *text;
    enum weft_err cannot;
} answers[] = {
    { "an answer", WEFT_OK, WEFT__V1__REPLY__KIND_ACCESS, false, WEFT_OK, NULL },
    { "a refusal", WEFT_E_NO_CAPABILITY, WEFT__V1__REPLY__KIND__NOT_SET, true, WEFT_E_NO_CAPABILITY,
        "no rule gives it" },
    { "an answer to something else", WEFT_OK, WEFT__V1__REPLY__KIND_POSITION, false,
        WEFT_E_UNREACHABLE, "ask again later" },
    { "the end of this node", WEFT_E_CLOSED, WEFT__V1__REPLY__KIND__NOT_SET, false, WEFT_E_CLOSED,
        "stopping" },
    { "no memory to ask with", WEFT_OK, WEFT__V1__REPLY__KIND__NOT_SET, false, WEFT_E_NOMEM,
        "memory", WEFT_E_NOMEM },
    { "nobody there", WEFT_E_UNREACHABLE, WEFT__V1__REPLY__KIND__NOT_SET, false, WEFT_E_UNREACHABLE,
        "ask again later" },
};

START_TEST(who_asked_here_gets_what_the_deciding_node_says)
{
    Weft__V1__AccessReply granted = WEFT__V1__ACCESS_REPLY__INIT;
    Weft__V1__PositionReply other_kind = WEFT__V1__POSITION_REPLY__INIT;
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;

    is_issuer = false;
    granted.state = wf_pb_str("granted");
    no_rule.code = WEFT_E_NO_CAPABILITY;
    no_rule.text = wf_pb_str("no rule gives it");
    reply.kind_case = answers[_i].kind;
    if (reply.kind_case == WEFT__V1__REPLY__KIND_ACCESS)
        reply.access = &granted;
    else if (reply.kind_case == WEFT__V1__REPLY__KIND_POSITION)
        reply.position = &other_kind;
    reply.refusal = answers[_i].refused ? &no_rule : NULL;
    deciding.cannot = answers[_i].cannot;
    deciding.err = answers[_i].err;
    deciding.reply = !answers[_i].err || answers[_i].refused ? &reply : NULL;
    ask(&reader, nobody, "");
    ck_assert_uint_eq(deciding.asked, !answers[_i].cannot);
    ck_assert(deciding.whole || answers[_i].cannot);
    ck_assert_msg(call.err == answers[_i].want, "%s: %s", answers[_i].why, weft_err_name(call.err));
    if (answers[_i].text)
        ck_assert_ptr_nonnull(strstr(call.reply->refusal->text, answers[_i].text));
    else
        ck_assert_str_eq(call.reply->access->state, "granted");
}
END_TEST

static void poll_for(const struct wf_identity *who, struct wf_bytes id)
{
    static Weft__V1__AccessRequest q;

    weft__v1__access_request__init(&q);
    q.request_id = wf_pb_bin(id);
    call_by(who);
    call.request.access = &q;
    wf_access_handle(&node, &call.pub);
}

START_TEST(a_request_is_kept_once_and_known_to_nobody_but_who_made_it)
{
    struct wf_buf id = { 0 };

    ask(&reader, nobody, "servers");
    ck_assert_int_eq(wf_bytes_dup(wf_pb_view(call.reply->access->request_id), &id), WEFT_OK);
    ask(&reader, nobody, "servers");
    ck_assert(wf_bytes_eq(wf_pb_view(call.reply->access->request_id), wf_buf_view(&id)));
    ck_assert_uint_eq(waiting(NULL), 1);
    poll_for(&reader, wf_buf_view(&id));
    ck_assert_int_eq(call.err, WEFT_OK);
    ck_assert_str_eq(call.reply->access->state, "pending");
    poll_for(&other, wf_buf_view(&id));
    ck_assert_int_eq(call.err, WEFT_E_NOT_FOUND);
    id.ptr[0] ^= 1;
    poll_for(&reader, wf_buf_view(&id));
    ck_assert_int_eq(call.err, WEFT_E_NOT_FOUND);
    wf_buf_fini(&id);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.access_handed");
    TCase *t = tcase_create("handed");

    tcase_add_checked_fixture(t, setup_handed, teardown_handed);
    tcase_add_test(t, what_a_node_of_the_domain_hands_on_is_decided_for_who_asked);
    tcase_add_loop_test(t, what_is_handed_on_wrongly_is_refused, 0, (int)WF_COUNT(not_handed));
    tcase_add_test(t, what_was_handed_on_once_is_not_handed_on_again);
    tcase_add_loop_test(
        t, who_asked_here_gets_what_the_deciding_node_says, 0, (int)WF_COUNT(answers));
    tcase_add_test(t, a_request_is_kept_once_and_known_to_nobody_but_who_made_it);
    return rig_run(suite, t);
}
