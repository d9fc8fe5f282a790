// SPDX-License-Identifier: Apache-2.0
// Whose a name of the domain is by what the registry shows and by who comes, of whom that counts, and of whom not. And what a ticket may be
// asked to say.
#include "node/restored.h"
#include "tests/node/ticket_ask.h"

// ---- what a ticket says ----------------------------------------------------------------------------------------------

#define LONG_63 "a23456789-123456789-123456789-123456789-123456789-123456789-123"

static enum weft_err ask_ticket(const Weft__V1__TicketRequest *q, struct wf_ticket_row *ret)
{
    Weft__V1__TicketRequest copy = *q;
    struct wf_ticket t = { 0 };

    call_local();
    call.request.ticket = &copy;
    wf_ticket_handle(&node, &call.pub);
    if (call.err)
        return call.err;
    ck_assert_int_eq(wf_ticket_parse(wf_bytes_str(call.reply->ticket->tickets[0]), &t), WEFT_OK);
    ck_assert_int_eq(wf_tickets_get(node.join->tickets, t.id, ret), WEFT_OK);
    wf_ticket_fini(&t);
    return WEFT_OK;
}

static const struct {
    const char *why;
    Weft__V1__IdentityKind kind;
    const char *name, *prefix, *from;
    enum weft_err want;
} asked[] = {
    { "no kind", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_UNSPECIFIED, "", "", "", WEFT_E_KIND },
    { "an issuer", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_ISSUER, "", "", "", WEFT_E_KIND },
    { "a node", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_NODE, "", "", "", WEFT_OK },
    { "an agent", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, "", "", "", WEFT_OK },
    { "a service", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_SERVICE, "", "", "", WEFT_OK },
    { "a person", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_USER, "", "", "", WEFT_OK },
    { "a kind that nobody knows", (Weft__V1__IdentityKind)6, "", "", "", WEFT_E_KIND },
    { "a name", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, "web-1", "", "", WEFT_OK },
    { "no such name", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, "web 1", "", "", WEFT_E_NAME },
    { "the longest beginning", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, "", LONG_63, "",
        WEFT_OK },
    { "one longer than any name", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, "", LONG_63 "4", "",
        WEFT_E_TOO_BIG },
    { "addresses", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, "", "", "2001:db8::/32", WEFT_OK },
    { "one address, no range", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, "", "", "192.0.2.7",
        WEFT_E_SYNTAX },
    { "no addresses", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, "", "", "here", WEFT_E_SYNTAX },
    { "longer than any range", WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT, "", "", LONG_63 "4",
        WEFT_E_TOO_BIG },
};

START_TEST(a_ticket_says_what_it_may_or_is_not_made)
{
    Weft__V1__TicketRequest q = agent_ticket(asked[_i].name);
    struct wf_ticket_row row;

    q.kind = asked[_i].kind;
    q.name_prefix = wf_pb_str(asked[_i].prefix);
    q.from = wf_pb_str(asked[_i].from);
    enum weft_err err = ask_ticket(&q, &row);
    ck_assert_msg(err == asked[_i].want, "%s: %s", asked[_i].why, weft_err_name(err));
    if (err)
        return;
    bool publishes = row.kind == WF_ID_NODE || row.kind == WF_ID_AGENT;
    ck_assert_int_eq((int)row.kind, (int)asked[_i].kind);
    ck_assert_str_eq(row.name.s, asked[_i].name);
    ck_assert_str_eq(row.prefix.s, asked[_i].prefix);
    ck_assert_str_eq(row.from, asked[_i].from);
    ck_assert_uint_eq(row.uses, 1);
    ck_assert(!row.replaces);
    ck_assert_int_eq(row.expires_ms, unix_ms + WF_TEST_HOUR);
    ck_assert_uint_eq(row.pattern_count, publishes);
    ck_assert(!publishes || strcmp(row.patterns[0].s, "*") == 0);
}
END_TEST

static const struct {
    int64_t asked, lives;
} lives[] = { { 0, WF_TEST_HOUR }, { -1, WF_TEST_HOUR }, { 1, 1 }, { 86400000, 86400000 } };

START_TEST(a_ticket_lives_as_long_as_was_asked_or_an_hour)
{
    Weft__V1__TicketRequest q = agent_ticket("");
    struct wf_ticket_row row;

    q.duration_ms = lives[_i].asked;
    q.uses = 7;
    ck_assert_int_eq(ask_ticket(&q, &row), WEFT_OK);
    ck_assert_int_eq(row.expires_ms - unix_ms, lives[_i].lives);
    ck_assert_uint_eq(row.uses, 7);
}
END_TEST

START_TEST(a_ticket_names_as_many_products_as_a_certificate_holds)
{
    Weft__V1__TicketRequest q = agent_ticket("");
    struct wf_ticket_row row;
    char *patterns[WF_MAX_CERT_PATTERNS + 1], text[WF_MAX_CERT_PATTERNS + 1][16];

    for (size_t i = 0; i < WF_COUNT(patterns); i++) {
        snprintf(text[i], sizeof text[i], "disk-%u*", (unsigned)i);
        patterns[i] = text[i];
    }
    q.products = patterns;
    q.n_products = WF_MAX_CERT_PATTERNS;
    ck_assert_int_eq(ask_ticket(&q, &row), WEFT_OK);
    ck_assert_uint_eq(row.pattern_count, WF_MAX_CERT_PATTERNS);
    for (size_t i = 0; i < WF_MAX_CERT_PATTERNS; i++)
        ck_assert_str_eq(row.patterns[i].s, text[i]);
    q.n_products++;
    ck_assert_int_eq(ask_ticket(&q, &row), WEFT_E_TOO_BIG);
    q.n_products = 3;
    snprintf(text[1], sizeof text[1], "no product");
    ck_assert_int_ne(ask_ticket(&q, &row), WEFT_OK);
}
END_TEST

START_TEST(so_many_tickets_are_made_at_once_and_by_the_issuers_node_alone)
{
    Weft__V1__TicketRequest q = agent_ticket("");
    struct wf_ticket_row row;

    q.count = 1001;
    ck_assert_int_eq(ask_ticket(&q, &row), WEFT_E_RANGE);
    q.count = 1000;
    ck_assert_int_eq(ask_ticket(&q, &row), WEFT_OK);
    ck_assert_uint_eq(call.reply->ticket->n_tickets, 1000);
    q = agent_ticket("web-1");
    q.count = 1;
    ck_assert_int_eq(ask_ticket(&q, &row), WEFT_OK);
    is_issuer = false;
    ck_assert_int_eq(ask_ticket(&q, &row), WEFT_E_STATE);
    ck_assert_ptr_nonnull(strstr(call.reply->refusal->text, "issuer: true"));
}
END_TEST

// ---- what the registry shows -----------------------------------------------------------------------------------------

// The name is somebody's: another machine does not get it by a ticket that replaces nobody.
static bool is_taken(const char *name)
{
    Weft__V1__TicketRequest q = node_ticket(name, false);
    struct wf_ticket t = make_ticket(&q);
    enum weft_err err = redeem(&t, name, "", HONEST); // with a key of its own

    wf_ticket_fini(&t);
    ck_assert_msg(err == WEFT_OK || err == WEFT_E_EXISTS, "%s", weft_err_name(err));
    return err == WEFT_E_EXISTS;
}

START_TEST(of_nodes_that_are_shown_those_of_the_domain_count_while_they_are_not_refused)
{
    struct wf_identity gone = old_node("node-3", true);

    (void)node_of("network", "node-2", true);
    (void)old_node("node-4", true);
    ck_assert_int_eq(wf_access_revoke_origin(&node, &gone.cert.sign_key, unix_ms), WEFT_OK);
    ck_assert_msg(!is_taken("node-2"), "another domain's");
    ck_assert_msg(!is_taken("node-3"), "of a key that was refused");
    ck_assert(is_taken("node-4"));
    ck_assert_msg(is_taken("node-1"), "this node's own");
}
END_TEST

// A product of node-2, signed with the machine's key under a certificate of that serial.
static struct wf_sign_pub show_product(const char *name, const char *machine, uint64_t serial)
{
    const struct wf_test_domain *d = &mesh.d[WF_TEST_SERVERS];
    struct wf_test_entry home = { .domain = WF_TEST_SERVERS,
        .name = name,
        .term = 1,
        .sequence = (uint64_t)unix_ms,
        .life_ms = 600000,
        .node = "node-2" };
    struct wf_cert fields = wf_test_cert("servers", WF_ID_NODE, "node-2");
    struct wf_secret key = wf_test_sign_key(machine, &fields.sign_key);
    struct wf_product p = wf_test_product();
    struct wf_buf advert = { 0 };

    fields.serial = serial;
    struct wf_buf cert = wf_test_cert_issue(&fields, &d->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&cert), wf_buf_view(&d->issuer_cert));
    struct wf_product_fields f = { .mesh_id = mesh.charter->mesh_id,
        .product = &p,
        .term = 1,
        .sequence = (uint64_t)unix_ms,
        .expires_ms = unix_ms + 600000,
        .node = "node-2",
        .chain = wf_buf_view(&chain) };
    p.name = name;
    learn(WF_ENTRY_HOME, wf_test_home(&mesh, &home));
    ck_assert_int_eq(wf_product_advert_sign(&f, &key, &advert), WEFT_OK);
    learn(WF_ENTRY_PRODUCT, advert);
    wf_buf_fini(&cert);
    wf_buf_fini(&chain);
    wf_secret_fini(&key);
    return fields.sign_key;
}

// Its own advert has run out; what it published still says who it is. Of two machines of a name the one that was named last has it.
START_TEST(a_node_is_known_by_its_products_and_by_its_last_certificate)
{
    struct wf_sign_pub first = show_product("depth", "old", _i ? 7 : 5);
    struct wf_sign_pub second = show_product("width", "new", _i ? 5 : 7);
    struct wf_named m;

    ck_assert(is_taken("node-2"));
    ck_assert_int_eq(
        wf_tickets_named(node.join->tickets, &(struct wf_name){ "node-2" }, &m), WEFT_OK);
    ck_assert_mem_eq(m.key.b, (_i ? first : second).b, WF_KEY_LEN);
}
END_TEST

START_TEST(the_list_of_known_nodes_has_eight_at_most_and_of_this_domain)
{
    struct wf_restored_room anew = { .mark = { .anew = true } };
    Weft__V1__TicketRequest q = node_ticket("lost-1", true);
    struct wf_identity publisher = identity_of("servers", WF_ID_NODE, "aa-home");
    struct wf_ticket_row row;
    size_t count = 0;

    (void)node_of("network", "aa-1", true);
    ck_assert_int_eq(ask_home(&publisher, "aa-2"), WEFT_OK);
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "rack-%d", i);
        (void)old_node(name, true);
    }
    node.restored = &anew;
    ck_assert_int_eq(ask_ticket(&q, &row), WEFT_OK);
    node.restored = NULL;
    const char *note = strstr(call.reply->ticket->note, " Known nodes: ");
    ck_assert_ptr_nonnull(note);
    for (const char *at = note; (at = strstr(at, "rack-")); at++)
        count++;
    ck_assert_uint_eq(count, 8);
    ck_assert_msg(!strstr(note, "aa-"), "%s", note);
    ck_assert_str_eq(note + strlen(note) - 6, "rack-7");
}
END_TEST

// ---- who shows itself ------------------------------------------------------------------------------------------------

enum { A_MEMBER, NOT_THE_ISSUERS_NODE, BEFORE_IT_ASKED, AN_ISSUER, FOREIGN, ITSELF, REFUSED };
static const struct {
    const char *why;
    int what;
} who_comes[] = {
    { "a member", A_MEMBER },
    { "at a node that names nobody", NOT_THE_ISSUERS_NODE },
    { "before this node asked the others", BEFORE_IT_ASKED },
    { "the issuer's own certificate", AN_ISSUER },
    { "another domain's", FOREIGN },
    { "this node itself", ITSELF },
    { "a key that was refused", REFUSED },
};

START_TEST(of_those_who_come_members_of_the_domain_have_their_names)
{
    struct wf_restored_room waiting = { .mark = { .waits = true } };
    int what = who_comes[_i].what;
    struct wf_identity who = identity_of(what == FOREIGN ? "network" : "servers",
        what == AN_ISSUER ? WF_ID_ISSUER : WF_ID_AGENT, what == ITSELF ? "node-1" : "web-1");
    struct wf_named m;

    if (what == REFUSED)
        ck_assert_int_eq(wf_access_revoke_origin(&node, &who.cert.sign_key, unix_ms), WEFT_OK);
    is_issuer = what != NOT_THE_ISSUERS_NODE;
    node.restored = what == BEFORE_IT_ASKED ? &waiting : NULL;
    wf_join_meet(&node, &who.cert);
    is_issuer = true;
    node.restored = NULL;
    enum weft_err err = wf_tickets_named(node.join->tickets, &who.cert.subject, &m);
    ck_assert_msg(err == (what == A_MEMBER ? WEFT_OK : WEFT_E_NOT_FOUND), "%s: %s",
        who_comes[_i].why, weft_err_name(err));
    if (!err)
        ck_assert(m.heard && m.kind == WF_ID_AGENT);
}
END_TEST

// Who had a name before its new machine came is put out; who was named after that, or beside a machine that took nobody's place, is not.
static const struct {
    const char *why;
    bool replaces;
    int64_t later_ms; // than the new machine came
    bool out;
} comes_late[] = {
    { "the old machine", true, -1, true },
    { "one that was named at that moment", true, 0, false },
    { "one that was named later", true, 1, false },
    { "a machine of a name that was given plainly", false, -1, false },
};

START_TEST(a_machine_is_put_out_by_who_took_its_place_alone)
{
    struct wf_restored_room anew = { .mark = { .anew = true } };
    struct wf_identity two = old_node("node-2", false);
    Weft__V1__TicketRequest q = node_ticket("node-2", comes_late[_i].replaces);
    struct wf_ticket t;

    node.restored = &anew;
    t = make_ticket(&q);
    ck_assert_int_eq(redeem(&t, "new", "", HONEST), WEFT_OK);
    two.cert.not_before_ms = unix_ms + comes_late[_i].later_ms;
    wf_join_meet(&node, &two.cert);
    ck_assert_msg(
        wf_access_origin_revoked(&node, &two.cert.sign_key, unix_ms) == comes_late[_i].out, "%s",
        comes_late[_i].why);
    node.restored = NULL;
    wf_ticket_fini(&t);
}
END_TEST

// It never calls here: its advert comes round by the others.
START_TEST(the_old_machine_is_put_out_by_its_advert_too)
{
    struct wf_restored_room anew = { .mark = { .anew = true } };
    Weft__V1__TicketRequest q = node_ticket("node-2", true);
    struct wf_ticket t;

    node.restored = &anew;
    node.gossip = (void *)&core; // there is one; the catalog is the rig's
    t = make_ticket(&q);
    ck_assert_int_eq(redeem(&t, "new", "", HONEST), WEFT_OK);
    struct wf_identity two = old_node("node-2", true);
    wf_join_room.tick(&node);
    ck_assert(wf_access_origin_revoked(&node, &two.cert.sign_key, unix_ms));
    node.restored = NULL;
    wf_ticket_fini(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node.names");
    TCase *t = tcase_create("names");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_ticket_says_what_it_may_or_is_not_made, 0, (int)WF_COUNT(asked));
    tcase_add_loop_test(t, a_ticket_lives_as_long_as_was_asked_or_an_hour, 0, (int)WF_COUNT(lives));
    tcase_add_test(t, a_ticket_names_as_many_products_as_a_certificate_holds);
    tcase_add_test(t, so_many_tickets_are_made_at_once_and_by_the_issuers_node_alone);
    tcase_add_test(t, of_nodes_that_are_shown_those_of_the_domain_count_while_they_are_not_refused);
    tcase_add_loop_test(t, a_node_is_known_by_its_products_and_by_its_last_certificate, 0, 2);
    tcase_add_test(t, the_list_of_known_nodes_has_eight_at_most_and_of_this_domain);
    tcase_add_loop_test(
        t, of_those_who_come_members_of_the_domain_have_their_names, 0, (int)WF_COUNT(who_comes));
    tcase_add_loop_test(
        t, a_machine_is_put_out_by_who_took_its_place_alone, 0, (int)WF_COUNT(comes_late));
    tcase_add_test(t, the_old_machine_is_put_out_by_its_advert_too);
    return rig_run(suite, t);
}
