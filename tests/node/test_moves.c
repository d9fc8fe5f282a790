// SPDX-License-Identifier: Apache-2.0
// Orders to move a product, at the node with the issuer: who comes by the home document, and who never does.
#include "node/signer/child.h"
#include "sdk/link.h"
#include "tests/node/join_rig.h"

// The home that is said to be lost, asked for a sign of life.
static struct {
    wf_link_fn done;
    void *arg;
    unsigned count;
} look;

enum weft_err __wrap_wf_gossip_link(
    struct wf_node *n, const char *domain, const char *subject, struct wf_link **ret);
enum weft_err __wrap_wf_gossip_link(
    struct wf_node *n, const char *domain, const char *subject, struct wf_link **ret)
{
    (void)n, (void)domain;
    *ret = NULL;
    return strcmp(subject, "node-2") == 0 ? WEFT_OK : WEFT_E_NOT_FOUND;
}

enum weft_err __wrap_wf_link_request(
    struct wf_link *l, const Weft__V1__Request *q, int64_t deadline_ms, wf_link_fn done, void *arg);
enum weft_err __wrap_wf_link_request(
    struct wf_link *l, const Weft__V1__Request *q, int64_t deadline_ms, wf_link_fn done, void *arg)
{
    (void)l;
    ck_assert_int_eq(q->kind_case, WEFT__V1__REQUEST__KIND_STATUS);
    ck_assert_int_gt(deadline_ms, 0);
    look.done = done;
    look.arg = arg;
    look.count++;
    return WEFT_OK;
}

static bool although_alive;

static enum weft_err order(const char *product, const char *to, bool lost)
{
    static Weft__V1__MoveRequest q; // until it is answered

    weft__v1__move_request__init(&q);
    q.although_alive = although_alive;

    q.product = wf_pb_str(product);
    q.node = wf_pb_str(to);
    q.lost = lost;
    call_local();
    call.request.move = &q;
    wf_move_handle(&node, &call.pub);
    return call.err;
}

static enum weft_err claim(const struct wf_identity *who, const char *product)
{
    Weft__V1__HomeRequest q = WEFT__V1__HOME_REQUEST__INIT;

    q.product = wf_pb_str(product);
    q.moved = true;
    call_by(who);
    call.request.home = &q;
    home_handle();
    return call.err;
}

static void expect_home(const char *product, const char *where, uint64_t term)
{
    const struct wf_known *k = wf_catalog_find(catalog, WF_ENTRY_HOME, "servers", product);

    ck_assert_ptr_nonnull(k);
    ck_assert_str_eq(k->doc->home.node.s, where);
    ck_assert_uint_eq(k->term, term);
}

// The order makes nobody home. Its home document is signed once, for whom it names, under its term.
START_TEST(a_move_comes_into_force_when_the_new_home_claims_it)
{
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");
    struct wf_identity three = identity_of("servers", WF_ID_NODE, "node-3");
    struct wf_identity one = identity_of("servers", WF_ID_NODE, "node-1");
    struct wf_move m, again;

    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK);
    ck_assert_int_eq(claim(&three, "depth"), WEFT_E_NOT_HOME); // nobody ordered it
    ck_assert_int_eq(order("depth", "node-1", false), WEFT_OK);
    ck_assert_int_eq(call.reply->move->state, WEFT__V1__MOVE_REPLY__STATE__STATE_WAITING);
    ck_assert_int_eq(wf_move_open(wf_buf_view(&given), &m), WEFT_OK);
    ck_assert_int_eq(wf_move_verify(&m, mesh.charter, unix_ms), WEFT_OK);
    ck_assert_str_eq(m.from.s, "node-2");
    ck_assert_str_eq(m.to.s, "node-1");
    ck_assert_uint_eq(m.term, 2);
    expect_home("depth", "node-2", 1);
    ck_assert_int_eq(order("depth", "node-1", false), WEFT_OK); // how far is it?
    ck_assert_int_eq(wf_move_open(wf_buf_view(&given), &again), WEFT_OK);
    ck_assert(wf_hash_eq(&again.id, &m.id));
    ck_assert_int_eq(claim(&three, "depth"), WEFT_E_NOT_HOME); // it names another
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK);        // still its home's
    expect_home("depth", "node-2", 1);
    ck_assert_int_eq(claim(&one, "depth"), WEFT_OK);
    expect_home("depth", "node-1", 2);
    ck_assert_int_eq(claim(&one, "depth"), WEFT_OK); // its answer was lost
    expect_home("depth", "node-1", 2);
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_E_NOT_HOME);
    ck_assert_int_eq(order("depth", "node-1", false), WEFT_OK);
    ck_assert_int_eq(call.reply->move->state, WEFT__V1__MOVE_REPLY__STATE__STATE_DONE);
    ck_assert_uint_eq(call.reply->move->term, 2);
}
END_TEST

// Whoever had frozen it takes records again, under a term above the one that nobody will get any more.
START_TEST(a_move_that_was_called_off_never_comes_into_force)
{
    struct wf_identity one = identity_of("servers", WF_ID_NODE, "node-1");
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");

    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK);
    ck_assert_int_eq(order("depth", "node-1", false), WEFT_OK);
    ck_assert_int_eq(order("depth", "node-2", false), WEFT_OK); // where it is
    ck_assert_int_eq(call.reply->move->state, WEFT__V1__MOVE_REPLY__STATE__STATE_DONE);
    expect_home("depth", "node-2", 3);
    ck_assert_int_eq(claim(&one, "depth"), WEFT_E_NOT_HOME);
    ck_assert_int_eq(order("depth", "node-2", false), WEFT_OK); // nothing to do
    expect_home("depth", "node-2", 3);
    ck_assert_int_eq(order("depth", "node-1", false), WEFT_OK);
    (void)order("depth", "node-1", true); // another one in its place
    look.done(look.arg, WEFT_E_TIMEOUT, NULL);
    ck_assert_int_eq(call.err, WEFT_OK);
    struct wf_move m;
    ck_assert_int_eq(wf_move_open(wf_buf_view(&given), &m), WEFT_OK);
    ck_assert(m.lost);
    ck_assert_int_eq(claim(&one, "depth"), WEFT_OK);
    expect_home("depth", "node-1", 4);
}
END_TEST

// ---- --lost ----------------------------------------------------------------------------------------------------------

static const struct sign {
    const char *why;
    enum weft_err err;
    bool reply, refused;
} signs[] = {
    { "it says how it is", WEFT_OK, true, true },
    { "it refuses to say how it is", WEFT_E_PERMISSION, true, true },
    { "no connection", WEFT_E_CLOSED, false, false },
    { "nothing in time", WEFT_E_TIMEOUT, false, false },
};

START_TEST(a_home_that_answers_is_not_lost)
{
    const struct sign *s = &signs[_i];
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;

    given.len = 0;
    look.count = 0;
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK);
    (void)order("depth", "node-1", true);
    ck_assert_msg(!call.answered && given.len == 0, "%s: not before the home was asked", s->why);
    look.done(look.arg, s->err, s->reply ? &reply : NULL);
    ck_assert(call.answered);
    if (s->refused) {
        ck_assert_msg(call.err == WEFT_E_STATE, "%s: %s", s->why, weft_err_name(call.err));
        ck_assert(strstr(call.reply->refusal->text, "Leave --lost out") &&
                  strstr(call.reply->refusal->text, "--although-alive"));
        ck_assert_uint_eq(given.len, 0);
        although_alive = true;
        ck_assert_int_eq(order("depth", "node-1", true), WEFT_OK);
        although_alive = false;
    }
    ck_assert_msg(call.err == WEFT_OK, "%s: %s", s->why, weft_err_name(call.err));
    ck_assert_uint_gt(given.len, 0);
    ck_assert_int_eq(order("depth", "node-1", true), WEFT_OK); // how far is it? Not asked again
    ck_assert_uint_eq(look.count, 1);
}
END_TEST

START_TEST(nobody_orders_anything_when_who_asked_went_away_or_the_node_stops)
{
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");

    given.len = 0;
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK);
    (void)order("depth", "node-1", true);
    call.pub.on_gone(&call.pub, call.pub.gone_arg);
    look.done(look.arg, WEFT_E_TIMEOUT, NULL);
    ck_assert(!call.answered);
    (void)order("depth", "node-1", true);
    node.draining = true;
    look.done(look.arg, WEFT_E_CLOSED, NULL);
    node.draining = false;
    ck_assert_int_eq(call.err, WEFT_E_CLOSED);
    ck_assert_uint_eq(given.len, 0);
}
END_TEST

START_TEST(the_issuers_own_node_knows_that_it_lives)
{
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");
    struct wf_identity before = node.identity;

    look.count = 0;
    learn(WF_ENTRY_NODE,
        wf_test_node_advert(
            &mesh, &(struct wf_test_entry){ .domain = WF_TEST_SERVERS, .sequence = WF_TEST_SEQ }));
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK);
    node.identity.cert.subject = two.cert.subject;
    enum weft_err err = order("depth", "node-1", true);
    node.identity = before;
    ck_assert_int_eq(err, WEFT_E_STATE);
    ck_assert_uint_eq(look.count, 0);
}
END_TEST

static const struct {
    const char *why, *product, *to;
    bool issuer;
    enum weft_err want;
    const char *says; // what to do
} not_moved[] = {
    { "only the domain's issuer can say it", "depth", "node-1", false, WEFT_E_NOT_OWNER,
        "run it on the node with issuer: true" },
    { "a product that no node is home of", "width", "node-1", true, WEFT_E_NOT_FOUND,
        "see: weft products" },
    { "a node that nobody knows", "depth", "node-9", true, WEFT_E_NOT_FOUND, "see: weft peers" },
    { "no name of a node", "depth", "node 9", true, WEFT_E_NAME, "by their names" },
    { "no name of a product", "de/pth", "node-1", true, WEFT_E_NAME, "by their names" },
    { "every node has its own", "agents", "node-1", true, WEFT_E_POLICY, "built in" },
};

START_TEST(a_move_that_cannot_be_is_refused_before_anything_happens)
{
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");

    given.len = 0;
    learn(WF_ENTRY_NODE,
        wf_test_node_advert(
            &mesh, &(struct wf_test_entry){ .domain = WF_TEST_SERVERS, .sequence = WF_TEST_SEQ }));
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK);
    is_issuer = not_moved[_i].issuer;
    enum weft_err err = order(not_moved[_i].product, not_moved[_i].to, false);
    ck_assert_msg(err == not_moved[_i].want, "%s: %s", not_moved[_i].why, weft_err_name(err));
    ck_assert_msg(strstr(call.reply->refusal->text, not_moved[_i].says), "%s: %s",
        not_moved[_i].why, call.reply->refusal->text);
    ck_assert_uint_eq(given.len, 0);
    expect_home("depth", "node-2", 1);
}
END_TEST

// The signer process signs no other domain's, whatever weftd asks.
START_TEST(a_move_is_signed_for_the_own_domain_alone)
{
    const struct wf_test_domain *d = &mesh.d[WF_TEST_SERVERS];
    struct wf_signer_child child = { .cert = wf_buf_view(&d->issuer_cert) };
    struct wf_move m = { .mesh_id = mesh.charter->mesh_id,
        .domain = { "servers" },
        .product = { "depth" },
        .from = { "node-1" },
        .to = { "node-2" },
        .term = 2,
        .sequence = (uint64_t)unix_ms,
        .expires_ms = unix_ms + 1000 };
    struct wf_buf out = { 0 };

    child.keys.sign = d->issuer;
    ck_assert_int_eq(wf_cert_open(child.cert, &child.issuer), WEFT_OK);
    ck_assert_int_eq(
        wf_signer_answer(&child, WF_SIGNER_MOVE, wf_bytes(&m, sizeof m - 1), &out), WEFT_E_SYNTAX);
    memcpy(m.domain.s, "network", 8);
    ck_assert_int_eq(wf_signer_answer(&child, WF_SIGNER_MOVE, wf_bytes(&m, sizeof m), &out),
        WEFT_E_WRONG_DOMAIN);
    memset(m.from.s, 'p', sizeof m.from.s);
    ck_assert_int_eq(
        wf_signer_answer(&child, WF_SIGNER_MOVE, wf_bytes(&m, sizeof m), &out), WEFT_E_NAME);
    ck_assert_uint_eq(out.len, 0);
    memcpy(m.from.s, "node-1", 7);
    memcpy(m.domain.s, "servers", 8);
    ck_assert_int_eq(
        wf_signer_answer(&child, WF_SIGNER_MOVE, wf_bytes(&m, sizeof m), &out), WEFT_OK);
    ck_assert_int_eq(wf_move_open(wf_buf_view(&out), &m), WEFT_OK);
    wf_buf_fini(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.moves");
    TCase *t = tcase_create("moves");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_move_comes_into_force_when_the_new_home_claims_it);
    tcase_add_test(t, a_move_that_was_called_off_never_comes_into_force);
    tcase_add_loop_test(
        t, a_move_that_cannot_be_is_refused_before_anything_happens, 0, (int)WF_COUNT(not_moved));
    tcase_add_test(t, a_move_is_signed_for_the_own_domain_alone);
    tcase_add_loop_test(t, a_home_that_answers_is_not_lost, 0, (int)WF_COUNT(signs));
    tcase_add_test(t, nobody_orders_anything_when_who_asked_went_away_or_the_node_stops);
    tcase_add_test(t, the_issuers_own_node_knows_that_it_lives);
    return rig_run(suite, t);
}
