// SPDX-License-Identifier: Apache-2.0
// Tickets and who redeems them, names that revoked keys give up, renewal, and the homes of products.
#include "node/restored.h"
#include "tests/node/ticket_ask.h"

// ---- tickets ---------------------------------------------------------------------------------------------------------

START_TEST(a_ticket_is_bound_to_the_first_key_that_redeems_it)
{
    Weft__V1__TicketRequest q = agent_ticket("web-1");
    struct wf_ticket t = make_ticket(&q);

    ck_assert_int_eq(redeem(&t, "one", "", HONEST), WEFT_OK);
    ck_assert_uint_eq(call.reply->join->n_charters, 1);
    ck_assert_int_eq(redeem(&t, "one", "", HONEST), WEFT_OK); // the same key may repeat
    ck_assert_int_eq(redeem(&t, "two", "", HONEST), WEFT_E_TICKET_USED);
    wf_ticket_fini(&t);
    q = agent_ticket("web-1"); // another ticket, the same name: it is taken
    t = make_ticket(&q);
    ck_assert_int_eq(redeem(&t, "two", "", HONEST), WEFT_E_EXISTS);
    wf_ticket_fini(&t);
}
END_TEST

static const struct {
    const char *why, *prefix, *from, *name;
    int how;
    int64_t later_ms;
    enum weft_err want;
} misfits[] = {
    { "fits", "web-", "192.0.2.0/24", "web-3", HONEST, 0, WEFT_OK },
    { "a name beyond the prefix", "web-", "", "db-3", HONEST, 0, WEFT_E_TICKET },
    { "an address outside", "web-", "198.51.100.0/24", "web-3", HONEST, 0, WEFT_E_TICKET },
    { "past its time", "web-", "", "web-3", HONEST, WF_TEST_HOUR, WEFT_E_EXPIRED },
    { "a wrong secret", "web-", "", "web-3", WRONG_SECRET, 0, WEFT_E_TICKET },
    { "a Noise key that did not shake hands", "web-", "", "web-3", ANOTHER_SESSION, 0, WEFT_E_KEY },
    { "no name at all", "", "", "", HONEST, 0, WEFT_E_NAME },
};

START_TEST(a_ticket_that_does_not_fit_is_refused_and_stays_unused)
{
    Weft__V1__TicketRequest q = agent_ticket("");
    q.name_prefix = wf_pb_str(misfits[_i].prefix);
    q.from = wf_pb_str(misfits[_i].from);
    struct wf_ticket t = make_ticket(&q);
    struct wf_ticket_row row;

    unix_ms += misfits[_i].later_ms;
    enum weft_err err = redeem(&t, "one", misfits[_i].name, misfits[_i].how);
    ck_assert_msg(err == misfits[_i].want, "%s: %s", misfits[_i].why, weft_err_name(err));
    ck_assert_int_eq(wf_tickets_get(node.join->tickets, t.id, &row), WEFT_OK);
    ck_assert_uint_eq(row.used, err == WEFT_OK);
    wf_ticket_fini(&t);
}
END_TEST

START_TEST(so_many_uses_and_so_many_tickets_as_were_asked_for)
{
    Weft__V1__TicketRequest q = agent_ticket("");
    q.uses = 2;
    struct wf_ticket t = make_ticket(&q);

    ck_assert_int_eq(redeem(&t, "one", "a-1", HONEST), WEFT_OK);
    ck_assert_int_eq(redeem(&t, "two", "a-2", HONEST), WEFT_OK);
    ck_assert_int_eq(redeem(&t, "three", "a-3", HONEST), WEFT_E_TICKET_USED);
    wf_ticket_fini(&t);
    q = agent_ticket("");
    q.count = 3;
    t = make_ticket(&q);
    ck_assert_uint_eq(call.reply->ticket->n_tickets, 3);
    ck_assert_str_ne(call.reply->ticket->tickets[0], call.reply->ticket->tickets[1]);
    wf_ticket_fini(&t);
    q.name = wf_pb_str("one-name"); // for many tickets
    call_local();
    call.request.ticket = &q;
    wf_ticket_handle(&node, &call.pub);
    ck_assert_int_eq(call.err, WEFT_E_RANGE);
}
END_TEST

START_TEST(a_revoked_key_gives_its_name_up_and_its_ticket_stays_spent)
{
    Weft__V1__TicketRequest q = agent_ticket("web-1");
    struct wf_ticket old = make_ticket(&q), fresh;
    struct wf_sign_pub key;
    struct wf_secret secret = wf_test_sign_key("one", &key);

    wf_secret_fini(&secret);
    ck_assert_int_eq(redeem(&old, "one", "", HONEST), WEFT_OK);
    ck_assert_int_eq(wf_access_revoke_origin(&node, &key, unix_ms), WEFT_OK);
    ck_assert_msg(redeem(&old, "one", "", HONEST) == WEFT_E_REVOKED, "the key is out");
    ck_assert_msg(redeem(&old, "two", "", HONEST) == WEFT_E_TICKET_USED, "its ticket is spent");
    fresh = make_ticket(&q);
    ck_assert_msg(redeem(&fresh, "two", "", HONEST) == WEFT_OK, "%s", weft_err_name(call.err));
    ck_assert_msg(redeem(&fresh, "one", "", HONEST) == WEFT_E_REVOKED, "and stays out");
    wf_ticket_fini(&old);
    old = make_ticket(&q); // the new key holds the name like any other
    ck_assert_int_eq(redeem(&old, "three", "", HONEST), WEFT_E_EXISTS);
    wf_ticket_fini(&old);
    wf_ticket_fini(&fresh);
}
END_TEST

static bool is_revoked(const char *machine)
{
    struct wf_sign_pub key = key_of(machine);

    return wf_access_origin_revoked(&node, &key, unix_ms);
}

START_TEST(a_machine_is_replaced_when_the_other_one_joins_and_not_before)
{
    Weft__V1__TicketRequest q = agent_ticket("web-1");
    struct wf_ticket first = make_ticket(&q), fresh, late;

    ck_assert_int_eq(redeem(&first, "one", "", HONEST), WEFT_OK);
    q.replace = true;
    fresh = make_ticket(&q);
    late = make_ticket(&q);
    shut_out = 0;
    ck_assert_msg(!is_revoked("one"), "a ticket alone changes nothing");
    ck_assert_int_eq(redeem(&fresh, "two", "", WRONG_SECRET), WEFT_E_TICKET);
    ck_assert_msg(redeem(&fresh, "one", "", HONEST) == WEFT_OK, "it may come again itself");
    ck_assert_msg(!is_revoked("one") && shut_out == 0, "and is not its own successor");
    ck_assert_int_eq(redeem(&fresh, "two", "", HONEST), WEFT_OK);
    struct wf_sign_pub one = key_of("one");
    ck_assert(is_revoked("one") && shut_out == 1);
    ck_assert_mem_eq(last_out.b, one.b, WF_KEY_LEN);
    ck_assert_msg(redeem(&fresh, "one", "", HONEST) == WEFT_E_REVOKED, "for good");
    ck_assert_msg(redeem(&fresh, "two", "", HONEST) == WEFT_OK, "its own answer was lost");
    ck_assert_msg(redeem(&fresh, "three", "", HONEST) == WEFT_E_TICKET_USED, "for one machine");
    ck_assert_msg(redeem(&late, "three", "", HONEST) == WEFT_E_EXISTS,
        "made to replace one, not who came after it");
    ck_assert(!is_revoked("two") && shut_out == 1);
    wf_ticket_fini(&first);
    wf_ticket_fini(&fresh);
    wf_ticket_fini(&late);
}
END_TEST

// A machine that is lost or stolen: nobody waits for the one that takes its place.
START_TEST(a_machine_is_refused_at_once_when_its_owner_says_so)
{
    Weft__V1__TicketRequest q = agent_ticket("web-1");
    struct wf_ticket first = make_ticket(&q), fresh;

    ck_assert_int_eq(redeem(&first, "one", "", HONEST), WEFT_OK);
    shut_out = 0;
    q.now = true;
    call_local();
    call.request.ticket = &q;
    wf_ticket_handle(&node, &call.pub);
    ck_assert_msg(call.err == WEFT_E_KIND && !is_revoked("one"), "it replaces nobody");
    q.replace = true;
    fresh = make_ticket(&q);
    ck_assert(is_revoked("one") && shut_out == 1);
    ck_assert_int_eq(redeem(&fresh, "one", "", HONEST), WEFT_E_REVOKED);
    ck_assert_int_eq(redeem(&fresh, "two", "", HONEST), WEFT_OK);
    ck_assert(!is_revoked("two"));
    wf_ticket_fini(&first);
    wf_ticket_fini(&fresh);
}
END_TEST

static const struct {
    const char *why, *name;
    uint32_t uses;
    Weft__V1__IdentityKind kind;
    enum weft_err want;
} not_replaced[] = {
    { "nobody has that name", "web-9", 1, WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT,
        WEFT_E_NOT_FOUND },
    { "no name", "", 1, WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, WEFT_E_KIND },
    { "for several", "web-1", 2, WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, WEFT_E_KIND },
    { "a user", "web-1", 1, WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_USER, WEFT_E_KIND },
};

START_TEST(a_ticket_that_would_replace_nobody_is_not_made)
{
    Weft__V1__TicketRequest q = agent_ticket(not_replaced[_i].name);

    q.replace = true;
    q.uses = not_replaced[_i].uses;
    q.kind = not_replaced[_i].kind;
    call_local();
    call.request.ticket = &q;
    wf_ticket_handle(&node, &call.pub);
    ck_assert_msg(
        call.err == not_replaced[_i].want, "%s: %s", not_replaced[_i].why, weft_err_name(call.err));
}
END_TEST

static enum weft_err renew(const struct wf_identity *who)
{
    Weft__V1__RenewRequest q = WEFT__V1__RENEW_REQUEST__INIT;

    call_by(who);
    call.request.renew = &q;
    wf_renew_handle(&node, &call.pub);
    return call.err;
}

// ---- an issuer that was made anew ------------------------------------------------------------------------------------

static struct wf_restored_room anew = { .mark = { .anew = true } };

static bool is_out(const struct wf_identity *who)
{
    return wf_access_origin_revoked(&node, &who->cert.sign_key, unix_ms);
}

START_TEST(a_name_that_was_given_before_is_its_nodes_by_its_advert)
{
    struct wf_identity two = old_node("node-2", true);
    Weft__V1__TicketRequest q = node_ticket("node-2", false), r = node_ticket("node-2", true);
    struct wf_ticket plain = make_ticket(&q), fresh;

    node.restored = &anew;
    ck_assert_msg(redeem(&plain, "new", "", HONEST) == WEFT_E_EXISTS, "it is taken");
    fresh = make_ticket(&r);
    ck_assert_str_eq(call.reply->ticket->note, "");
    ck_assert(!is_out(&two));
    // The advert has run out meanwhile: what was shown once is kept.
    ck_assert_uint_ge(wf_catalog_expire(catalog, unix_ms + 700000), 1);
    unix_ms += 700000;
    ck_assert_int_eq(redeem(&fresh, "new", "", HONEST), WEFT_OK);
    ck_assert(is_out(&two));
    wf_ticket_fini(&plain);
    wf_ticket_fini(&fresh);
}
END_TEST

// Nobody shows the name any more: its owner knows what he types, and the old key is refused when it comes.
START_TEST(a_name_that_nobody_shows_is_replaced_all_the_same)
{
    struct wf_identity two = old_node("node-2", false), three = old_node("node-3", true);
    Weft__V1__TicketRequest q = node_ticket("node-2", true);
    struct wf_ticket fresh;

    node.restored = &anew;
    fresh = make_ticket(&q);
    ck_assert_ptr_nonnull(strstr(call.reply->ticket->note, "is not known here"));
    ck_assert_ptr_nonnull(strstr(call.reply->ticket->note, "Known nodes: node-3"));
    if (_i == 1) { // it shows itself before the new machine joins
        wf_join_meet(&node, &two.cert);
        ck_assert_msg(!is_out(&two), "nobody took its place yet");
    }
    ck_assert_int_eq(redeem(&fresh, "new", "", HONEST), WEFT_OK);
    ck_assert_msg(is_out(&two) == (_i == 1), "by the newcomer");
    wf_join_meet(&node, &two.cert);
    ck_assert(is_out(&two) && !is_out(&three));
    // Who has the place is not put out by its own certificate, nor by the next one.
    struct wf_identity now = old_node("node-2", false);
    now.cert.sign_key = key_of("new");
    wf_join_meet(&node, &now.cert);
    ck_assert(!is_revoked("new"));
    wf_ticket_fini(&fresh);
}
END_TEST

START_TEST(a_member_that_shows_itself_has_its_name)
{
    struct wf_identity two = old_node("node-2", true),
                       web = identity_of("servers", WF_ID_AGENT, "web-1");
    Weft__V1__TicketRequest q = node_ticket("node-2", false), w = agent_ticket("web-1");
    struct wf_ticket plain, agents;

    node.gossip = (void *)&core; // there is one; the catalog is the rig's
    wf_join_room.tick(&node);    // the registry is looked through
    ck_assert_uint_ge(wf_catalog_expire(catalog, unix_ms + 700000), 1);
    ck_assert_int_eq(renew(&web), WEFT_OK);
    plain = make_ticket(&q);
    agents = make_ticket(&w);
    ck_assert_int_eq(redeem(&plain, "new", "", HONEST), WEFT_E_EXISTS);
    ck_assert_int_eq(redeem(&agents, "newer", "", HONEST), WEFT_E_EXISTS);
    ck_assert(!is_out(&two));
    wf_ticket_fini(&plain);
    wf_ticket_fini(&agents);
}
END_TEST

static const struct {
    const char *why, *name, *says;
    bool node, waits;
    enum weft_err want;
} odd_replaced[] = {
    { "this node itself", "node-1", "weft node init", true, false, WEFT_E_POLICY },
    { "an agent of that name", "web-1", "is of kind agent; see: weft agent replace web-1", true,
        false, WEFT_E_KIND },
    { "a node of that name", "node-2", "see: weft node replace node-2", false, false, WEFT_E_KIND },
    { "the others were not asked yet", "node-2", "asks the others first", true, true, WEFT_E_BUSY },
};

START_TEST(a_replacement_that_makes_no_sense_is_refused_with_what_to_do)
{
    struct wf_restored_room waiting = { .mark = { .anew = true, .waits = odd_replaced[_i].waits } };
    struct wf_identity web = identity_of("servers", WF_ID_AGENT, "web-1");
    Weft__V1__TicketRequest q = odd_replaced[_i].node ? node_ticket(odd_replaced[_i].name, true)
                                                      : agent_ticket(odd_replaced[_i].name);

    (void)old_node("node-2", true);
    wf_join_meet(&node, &web.cert);
    node.restored = &waiting;
    q.replace = true;
    call_local();
    call.request.ticket = &q;
    wf_ticket_handle(&node, &call.pub);
    ck_assert_msg(
        call.err == odd_replaced[_i].want, "%s: %s", odd_replaced[_i].why, weft_err_name(call.err));
    ck_assert_msg(strstr(call.reply->refusal->text, odd_replaced[_i].says), "%s: %s",
        odd_replaced[_i].why, call.reply->refusal->text);
    node.restored = NULL;
}
END_TEST

// ---- renewal ---------------------------------------------------------------------------------------------------------

START_TEST(a_certificate_is_renewed_for_the_same_keys_unless_it_is_revoked)
{
    struct wf_identity who = identity_of("servers", WF_ID_AGENT, "web-1"), again;

    unix_ms += WF_TEST_DAY;
    ck_assert_int_eq(renew(&who), WEFT_OK);
    ck_assert_int_eq(wf_chain_verify(wf_pb_view(call.reply->renew->chain), mesh.charter, unix_ms,
                         WF_CHAIN_STRICT, &again),
        WEFT_OK);
    ck_assert_int_eq(memcmp(again.cert.sign_key.b, who.cert.sign_key.b, WF_KEY_LEN), 0);
    ck_assert_str_eq(again.cert.subject.s, "web-1");
    ck_assert_int_gt(again.cert.not_after_ms, who.cert.not_after_ms);
    ck_assert_uint_gt(again.cert.serial, who.cert.serial);
    ck_assert_int_eq(wf_access_revoke_origin(&node, &who.cert.sign_key, unix_ms), WEFT_OK);
    ck_assert_int_eq(renew(&who), WEFT_E_REVOKED);
    is_issuer = false; // handed on, and nobody answers
    ck_assert_int_eq(renew(&who), WEFT_E_UNREACHABLE);
}
END_TEST

// ---- homes -----------------------------------------------------------------------------------------------------------

START_TEST(a_product_has_the_home_that_asked_first)
{
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");
    struct wf_identity three = identity_of("servers", WF_ID_NODE, "node-3");
    uint64_t term = 0;

    learn(WF_ENTRY_NODE,
        wf_test_node_advert(
            &mesh, &(struct wf_test_entry){ .domain = WF_TEST_SERVERS, .sequence = WF_TEST_SEQ }));
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK);
    ck_assert_uint_eq(call.reply->home->term, 1);
    const struct wf_known *k = wf_catalog_find(catalog, WF_ENTRY_HOME, "servers", "depth");
    ck_assert_ptr_nonnull(k);
    ck_assert_str_eq(k->doc->home.node.s, "node-2");
    ck_assert(wf_bytes_eq(k->raw, wf_pb_view(call.reply->home->home)));
    uint64_t sequence = k->sequence;
    unix_ms += 600000;
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK); // again, for longer
    k = wf_catalog_find(catalog, WF_ENTRY_HOME, "servers", "depth");
    ck_assert_uint_gt(k->sequence, sequence);
    ck_assert_uint_eq(k->term, 1);
    ck_assert_int_eq(ask_home(&three, "depth"), WEFT_E_NOT_HOME);
    ck_assert_int_eq(wf_join_sign_home(&node, "depth", "node-1", &term), WEFT_E_NOT_HOME);
    ck_assert_int_eq(wf_join_sign_home(&node, "width", "node-1", &term), WEFT_OK);
    ck_assert_int_eq(ask_home(&two, "width"), WEFT_E_NOT_HOME);
    ck_assert_ptr_nonnull(strstr(call.reply->refusal->text, "node-1"));
}
END_TEST

// What the machine before it signed under the old term is refused from then on, by everybody.
START_TEST(a_replaced_nodes_products_get_homes_of_the_next_term)
{
    static const struct {
        const char *product, *node;
        uint64_t term;
    } want[] = { { "depth", "node-2", 2 }, { "gauge", "node-3", 1 }, { "width", "node-2", 2 } };
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");
    struct wf_identity three = identity_of("servers", WF_ID_NODE, "node-3");
    struct wf_buf old = { 0 };
    enum wf_learned learned;

    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK);
    ck_assert_int_eq(wf_bytes_dup(wf_pb_view(call.reply->home->home), &old), WEFT_OK);
    ck_assert_int_eq(ask_home(&two, "width"), WEFT_OK);
    ck_assert_int_eq(ask_home(&three, "gauge"), WEFT_OK);
    wf_join_rehome(&node, "node-2");
    for (size_t i = 0; i < WF_COUNT(want); i++) {
        const struct wf_known *k =
            wf_catalog_find(catalog, WF_ENTRY_HOME, "servers", want[i].product);
        ck_assert_ptr_nonnull(k);
        ck_assert_uint_eq(k->term, want[i].term);
        ck_assert_str_eq(k->doc->home.node.s, want[i].node);
    }
    ck_assert_int_eq(wf_catalog_learn(catalog, WF_ENTRY_HOME, wf_buf_view(&old), mesh.charter,
                         unix_ms, &learned),
        WEFT_E_STALE);
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_OK); // the one that has the name now
    ck_assert_uint_eq(call.reply->home->term, 2);
    wf_buf_fini(&old);
}
END_TEST

// Nobody has another's manifest kept under its name, nor is given what was kept of another.
START_TEST(a_manifest_that_is_not_the_askers_is_not_kept)
{
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");
    Weft__V1__HomeRequest q = WEFT__V1__HOME_REQUEST__INIT;

    q.product = wf_pb_str("depth");
    q.manifest = wf_pb_bin(WF_STR("no manifest"));
    call_by(&two);
    call.request.home = &q;
    home_handle();
    ck_assert_int_eq(call.err, WEFT_OK); // the home is said all the same
    q = (Weft__V1__HomeRequest)WEFT__V1__HOME_REQUEST__INIT;
    q.wants_manifests = true;
    call_by(&two);
    call.request.home = &q;
    home_handle();
    ck_assert_int_eq(call.err, WEFT_OK);
    ck_assert_uint_eq(call.reply->home->n_manifests, 0);
}
END_TEST

START_TEST(only_nodes_whose_certificate_covers_a_product_get_it)
{
    struct wf_identity two = identity_of("servers", WF_ID_NODE, "node-2");
    struct wf_identity agent = identity_of("servers", WF_ID_AGENT, "web-1");

    ck_assert_int_eq(ask_home(&agent, "depth"), WEFT_E_KIND);
    ck_assert_int_eq(ask_home(&two, "No Name"), WEFT_E_NAME);
    snprintf(two.cert.patterns[0].s, sizeof two.cert.patterns[0].s, "disk-*");
    ck_assert_int_eq(ask_home(&two, "depth"), WEFT_E_PRODUCT);
    ck_assert_int_eq(ask_home(&two, "disk-io"), WEFT_OK);
    ck_assert_int_eq(wf_access_revoke_origin(&node, &two.cert.sign_key, unix_ms), WEFT_OK);
    ck_assert_int_eq(ask_home(&two, "disk-io"), WEFT_E_REVOKED);
    is_issuer = false;
    ck_assert_int_eq(ask_home(&two, "disk-io"), WEFT_E_NOT_OWNER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.membership");
    TCase *t = tcase_create("join");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_ticket_is_bound_to_the_first_key_that_redeems_it);
    tcase_add_loop_test(
        t, a_ticket_that_does_not_fit_is_refused_and_stays_unused, 0, (int)WF_COUNT(misfits));
    tcase_add_test(t, so_many_uses_and_so_many_tickets_as_were_asked_for);
    tcase_add_test(t, a_revoked_key_gives_its_name_up_and_its_ticket_stays_spent);
    tcase_add_test(t, a_machine_is_replaced_when_the_other_one_joins_and_not_before);
    tcase_add_test(t, a_machine_is_refused_at_once_when_its_owner_says_so);
    tcase_add_loop_test(
        t, a_ticket_that_would_replace_nobody_is_not_made, 0, (int)WF_COUNT(not_replaced));
    tcase_add_test(t, a_name_that_was_given_before_is_its_nodes_by_its_advert);
    tcase_add_loop_test(t, a_name_that_nobody_shows_is_replaced_all_the_same, 0, 2);
    tcase_add_test(t, a_member_that_shows_itself_has_its_name);
    tcase_add_loop_test(t, a_replacement_that_makes_no_sense_is_refused_with_what_to_do, 0,
        (int)WF_COUNT(odd_replaced));
    tcase_add_test(t, a_certificate_is_renewed_for_the_same_keys_unless_it_is_revoked);
    tcase_add_test(t, a_product_has_the_home_that_asked_first);
    tcase_add_test(t, a_replaced_nodes_products_get_homes_of_the_next_term);
    tcase_add_test(t, a_manifest_that_is_not_the_askers_is_not_kept);
    tcase_add_test(t, only_nodes_whose_certificate_covers_a_product_get_it);
    return rig_run(suite, t);
}
