// SPDX-License-Identifier: Apache-2.0
// Whom a mirror serves: each reader without the owner's word is refused with its code, also when the word was taken back while it read.
#include "proto/trust/move.h"
#include "tests/node/mirror_ask.h"

// ---- whom it serves --------------------------------------------------------------------------------------------------

static void ask_latest(struct asked *a, const struct wf_sign_pub *holder, ProtobufCBinaryData lease)
{
    memset(a, 0, sizeof *a);
    weft__v1__range_request__init(&a->range);
    weft__v1__pull_request__init(&a->pull);
    weft__v1__request__init(&a->q);
    a->range.lease_id = lease;
    a->range.start = WEFT__V1__RANGE_REQUEST__START__START_LATEST;
    a->pull.range = &a->range;
    a->pull.wait_ms = 20000;
    a->q.kind_case = WEFT__V1__REQUEST__KIND_PULL;
    a->q.pull = &a->pull;
    a->caller.identity.cert.sign_key = *holder;
    ask(a, wf_mirror_pull_handle);
}

static Weft__V1__Reply *answered(struct asked *a)
{
    ck_assert_uint_gt(replied.len, 0);
    ck_assert_int_eq(wf_pb_unpack(&weft__v1__reply__descriptor, wf_buf_view(&replied), WF_PB_STRICT,
                         &a->kept, &a->reply),
        WEFT_OK);
    replied.len = 0;
    return a->reply;
}

START_TEST(a_reader_of_what_comes_gets_the_entry_it_waited_for)
{
    struct home h;
    struct asked l, waits, gone, many;

    fill_in_part(&h, ENTRIES - 1);
    shown = token(&who.alice_pub, WF_VERB_SUBSCRIBE, "flows");
    ask_lease(&l, &who.alice_pub, "flows");
    ck_assert_int_eq(code_of(&l), WEFT_OK);
    ask_latest(&waits, &who.alice_pub, l.reply->lease->lease_id);
    ask_latest(&gone, &who.alice_pub, l.reply->lease->lease_id);
    ck_assert_uint_eq(n.mirror->pulls.count, 2);
    ck_assert_uint_eq(replied.len, 0);
    gone.c.on_gone(&gone.c, gone.c.gone_arg); // forgotten
    ck_assert_uint_eq(n.mirror->pulls.count, 1);
    // Beyond so many nobody waits: the answer, which is none, comes at once.
    n.mirror->pulls.count += WF_MIRROR_PULLS;
    ask_latest(&many, &who.alice_pub, l.reply->lease->lease_id);
    n.mirror->pulls.count -= WF_MIRROR_PULLS;
    ck_assert_int_eq(code_of(&many), WEFT_OK);
    ck_assert_uint_eq(many.reply->range->n_entries, 0);
    ck_assert_uint_eq(n.mirror->pulls.full, 1);
    replied.len = 0;
    // From where the end was when it asked, not from where it is when something came.
    const struct wf_buf *last[] = { &h.sealed[ENTRIES - 1] };
    store(check(last, 1, NULL));
    wf_mirror_wake(m);
    ck_assert_uint_eq(n.mirror->pulls.count, 0);
    const Weft__V1__RangeReply *r = answered(&waits)->range;
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(r->n_entries, 1);
    ck_assert(wf_bytes_eq(wf_pb_view(r->entries[0]), wf_buf_view(last[0])));
    asked_fini(&many);
    asked_fini(&gone);
    asked_fini(&waits);
    asked_fini(&l);
    home_fini(&h);
}
END_TEST

START_TEST(a_reader_who_waits_is_refused_when_its_lease_ends)
{
    struct home h;
    struct asked l, waits;

    fill(&h);
    shown = token(&who.alice_pub, WF_VERB_SUBSCRIBE, "flows");
    ask_lease(&l, &who.alice_pub, "flows");
    ask_latest(&waits, &who.alice_pub, l.reply->lease->lease_id);
    ck_assert_uint_eq(n.mirror->pulls.count, 1);
    new_list(&who.alice_pub, 0);
    wf_mirror_list_changed(&n, "network");
    ck_assert_uint_eq(n.mirror->pulls.count, 0);
    (void)answered(&waits);
    ck_assert_int_eq(code_of(&waits), WEFT_E_LEASE);
    asked_fini(&waits);
    asked_fini(&l);
    home_fini(&h);
}
END_TEST

START_TEST(a_reader_with_the_owners_word_gets_what_the_home_gave)
{
    struct home h;
    struct asked l, r;

    fill(&h);
    shown = token(&who.alice_pub, WF_VERB_SUBSCRIBE, "flows");
    ask_lease(&l, &who.alice_pub, "flows");
    ck_assert_int_eq(code_of(&l), WEFT_OK);
    const Weft__V1__LeaseReply *lease = l.reply->lease;
    ck_assert_uint_eq(lease->n_keys + lease->n_kept_keys, 0);
    ck_assert(wf_bytes_eq(wf_pb_view(lease->heartbeat), wf_buf_view(&m->beat)));
    ask_range(&r, &who.alice_pub, lease->lease_id, 0);
    ck_assert_int_eq(code_of(&r), WEFT_OK);
    ck_assert_uint_eq(r.reply->range->n_entries, ENTRIES);
    for (unsigned i = 0; i < ENTRIES; i++)
        ck_assert(wf_bytes_eq(wf_pb_view(r.reply->range->entries[i]), wf_buf_view(&h.sealed[i])));
    ck_assert_uint_eq(r.reply->range->next, 9);
    asked_fini(&r);
    ask_range(&r, &who.alice_pub, lease->lease_id, 6);
    ck_assert_uint_eq(r.reply->range->n_entries, 1);
    asked_fini(&r);
    ask_range(&r, &who.alice_pub, lease->lease_id, 10);
    ck_assert_int_eq(code_of(&r), WEFT_E_RANGE);
    asked_fini(&r);
    ask_range(&r, &who.bob_pub, lease->lease_id, 0); // another's lease is none here
    ck_assert(at_home);
    asked_fini(&r);
    // What was granted is taken back: the list alone does it, with the home away.
    new_list(&who.alice_pub, 0);
    wf_mirror_list_changed(&n, "network");
    ask_range(&r, &who.alice_pub, lease->lease_id, 0);
    ck_assert(at_home);
    ck_assert_uint_eq(n.mirror->lease_count, 0);
    asked_fini(&r);
    asked_fini(&l);
    home_fini(&h);
}
END_TEST

enum trouble {
    FINE,
    NO_TOKEN,
    OTHERS_TOKEN,
    REVOKED,
    OLD_LIST,
    NO_LIST,
    ENDED,
    OVER,
    LOCAL,
    UNKNOWN
};

static const struct {
    const char *why;
    enum trouble trouble;
    uint32_t verbs;
    const char *products;
    enum weft_err want;
} readers[] = {
    { "subscribe", FINE, WF_VERB_SUBSCRIBE, "flows", WEFT_OK },
    { "replay", FINE, WF_VERB_REPLAY, "fl*", WEFT_OK },
    { "query alone", FINE, WF_VERB_QUERY, "flows", WEFT_E_VERB },
    { "mirror alone: another mirror", FINE, WF_VERB_MIRROR, "flows", WEFT_OK },
    { "another product", FINE, WF_VERB_SUBSCRIBE, "hosts", WEFT_E_PRODUCT },
    { "no token", NO_TOKEN, WF_VERB_SUBSCRIBE, "flows", WEFT_E_NO_CAPABILITY },
    { "a stolen token", OTHERS_TOKEN, WF_VERB_SUBSCRIBE, "flows", WEFT_E_HOLDER },
    { "revoked", REVOKED, WF_VERB_SUBSCRIBE, "flows", WEFT_E_REVOKED },
    { "the owner not heard for over a day", OLD_LIST, WF_VERB_SUBSCRIBE, "flows",
        WEFT_E_STALE_LIST },
    { "the owner never heard", NO_LIST, WF_VERB_SUBSCRIBE, "flows", WEFT_E_STALE_LIST },
    { "the owner ended the mirror", ENDED, WF_VERB_SUBSCRIBE, "flows", WEFT_E_NO_HOME },
    { "the mirror's token is over", OVER, WF_VERB_SUBSCRIBE, "flows", WEFT_E_NO_HOME },
    { "a local user", LOCAL, WF_VERB_SUBSCRIBE, "flows", WEFT_E_NOT_FOUND },
    { "a product that is not mirrored", UNKNOWN, WF_VERB_SUBSCRIBE, "*", WEFT_E_NOT_FOUND },
};

START_TEST(nobody_gets_even_the_sealed_form_without_the_owners_word)
{
    enum trouble t = readers[_i].trouble;
    struct home h;
    struct asked a;

    fill(&h);
    if (t != NO_TOKEN)
        shown = token(t == OTHERS_TOKEN ? &who.bob_pub : &who.alice_pub, readers[_i].verbs,
            readers[_i].products);
    if (t == REVOKED)
        new_list(&who.alice_pub, 0);
    if (t == OLD_LIST)
        new_list(NULL, WF_MAX_LIST_AGE_MS + 1000);
    if (t == NO_LIST) {
        wf_revocations_free(list);
        list = NULL;
    }
    if (t == ENDED)
        m->refused = WEFT_E_REVOKED;
    if (t == OVER)
        m->token_expires_ms = now() - 1;
    ask_lease(&a, t == LOCAL ? NULL : &who.alice_pub, t == UNKNOWN ? "hosts" : "flows");
    ck_assert_msg(
        code_of(&a) == readers[_i].want, "%s: %s", readers[_i].why, weft_err_name(code_of(&a)));
    ck_assert_uint_eq(n.mirror->lease_count, readers[_i].want ? 0 : 1);
    asked_fini(&a);
    home_fini(&h);
}
END_TEST

START_TEST(an_owner_who_revokes_the_mirror_ends_its_serving)
{
    struct home h;
    struct asked l, r;

    fill(&h);
    shown = token(&who.alice_pub, WF_VERB_SUBSCRIBE, "flows");
    ask_lease(&l, &who.alice_pub, "flows");
    ck_assert_int_eq(code_of(&l), WEFT_OK);
    new_list(&n.keys.sign_pub, 0);
    wf_mirror_list_changed(&n, "network");
    ck_assert_int_eq(m->refused, WEFT_E_REVOKED);
    ck_assert_int_eq((int)m->state, WF_MIRROR_REFUSED);
    ck_assert_uint_eq(n.mirror->told_count, 0); // and no advert names it
    ask_range(&r, &who.alice_pub, l.reply->lease->lease_id, 0);
    ck_assert_int_eq(code_of(&r), WEFT_E_REVOKED);
    asked_fini(&r);
    asked_fini(&l);
    home_fini(&h);
}
END_TEST

// ---- a new home of what a lost one had -----------------------------------------------------------------------------------

enum change {
    NOTHING,
    OLD_HOME_LIVES,
    EXPIRED,
    OTHERS_MOVE,
    AN_AGENT,
    ANOTHER_DOMAINS,
    ANOTHER_NODE,
    IS_REVOKED,
    NOT_HELD,
    NOTHING_STORED
};

static const struct end_row {
    const char *why;
    enum change change;
    enum weft_err want;
} end_rows[] = {
    { "the new home, by the order that the lost one's domain signed", NOTHING, WEFT_OK },
    { "the old home is asked itself", OLD_HOME_LIVES, WEFT_E_NOT_OWNER },
    { "an order that is over", EXPIRED, WEFT_E_EXPIRED },
    { "another domain's order about a product of its own", OTHERS_MOVE, WEFT_E_NOT_OWNER },
    { "an agent of that name", AN_AGENT, WEFT_E_NOT_OWNER },
    { "another domain's node of that name", ANOTHER_DOMAINS, WEFT_E_NOT_OWNER },
    { "a node that the order does not name", ANOTHER_NODE, WEFT_E_NOT_OWNER },
    { "the new home was revoked meanwhile", IS_REVOKED, WEFT_E_REVOKED },
    { "a product that is not held here", NOT_HELD, WEFT_E_NOT_FOUND },
    { "a product of which nothing came yet", NOTHING_STORED, WEFT_E_NOT_FOUND },
};

static struct wf_name name_of(const char *text)
{
    struct wf_name name;

    ck_assert_int_eq(wf_name_from(wf_bytes_str(text), &name), WEFT_OK);
    return name;
}

static struct wf_buf order_to_move(enum change c)
{
    const struct wf_test_domain *by = c == OTHERS_MOVE ? &mesh.d[WF_TEST_SERVERS] : owner;
    struct wf_move f = { .mesh_id = mesh.charter->mesh_id,
        .domain = name_of(c == OTHERS_MOVE ? "servers" : "network"),
        .product = name_of(c == NOT_HELD ? "ports" : "flows"),
        .from = name_of("node-1"),
        .to = name_of("node-2"),
        .term = 2,
        .sequence = (uint64_t)now(),
        .expires_ms = now() + (c == EXPIRED ? 1 : WF_TEST_HOUR),
        .lost = c != OLD_HOME_LIVES };
    struct wf_buf order = { 0 };

    ck_assert_int_eq(wf_move_sign(&f, wf_buf_view(&by->issuer_cert), &by->issuer, &order), WEFT_OK);
    if (c == EXPIRED)
        wf_test_clock_skip(600000);
    wf_loop_turn(n.loop, 0);
    return order;
}

static void ask_ends(struct asked *a, enum change c, struct wf_bytes order)
{
    static Weft__V1__HandoverRequest q;

    memset(a, 0, sizeof *a);
    weft__v1__handover_request__init(&q);
    weft__v1__request__init(&a->q);
    q.step = WEFT__V1__HANDOVER_REQUEST__STEP__STEP_ENDS;
    q.order = wf_pb_bin(order);
    a->q.kind_case = WEFT__V1__REQUEST__KIND_HANDOVER;
    a->q.handover = &q;
    a->caller.identity.cert = (struct wf_cert){ .kind = c == AN_AGENT ? WF_ID_AGENT : WF_ID_NODE,
        .domain = name_of(c == ANOTHER_DOMAINS ? "servers" : "network"),
        .subject = name_of(c == ANOTHER_NODE ? "node-3" : "node-2"),
        .sign_key = who.bob_pub };
    ask(a, wf_mirror_handover_handle);
}

START_TEST(who_takes_over_from_a_lost_home_learns_where_its_log_ended_and_nobody_else)
{
    const struct end_row *row = &end_rows[_i];
    struct home h;
    struct asked a;

    fill(&h);
    if (row->change == NOTHING_STORED)
        m->stored_id = (struct wf_hash){ 0 };
    gone_origin = row->change == IS_REVOKED ? &who.bob_pub : NULL;
    new_list(NULL, 0);
    struct wf_buf order = order_to_move(row->change);
    ask_ends(&a, row->change, wf_buf_view(&order));
    ck_assert_msg(code_of(&a) == row->want, "%s: %s", row->why, weft_err_name(code_of(&a)));
    if (!row->want) {
        ck_assert_uint_eq(a.reply->handover->n_products, 1);
        ck_assert_uint_eq(a.reply->handover->products[0]->head, m->head.next_offset);
        ck_assert_uint_gt(a.reply->handover->products[0]->marks.len, 0);
    }
    wf_buf_fini(&order);
    asked_fini(&a);
    home_fini(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.mirror_serve");
    TCase *t = tcase_create("mirror");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_reader_with_the_owners_word_gets_what_the_home_gave);
    tcase_add_test(t, a_reader_of_what_comes_gets_the_entry_it_waited_for);
    tcase_add_test(t, a_reader_who_waits_is_refused_when_its_lease_ends);
    tcase_add_loop_test(
        t, nobody_gets_even_the_sealed_form_without_the_owners_word, 0, WF_COUNT(readers));
    tcase_add_test(t, an_owner_who_revokes_the_mirror_ends_its_serving);
    tcase_add_loop_test(t,
        who_takes_over_from_a_lost_home_learns_where_its_log_ended_and_nobody_else, 0,
        WF_COUNT(end_rows));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
