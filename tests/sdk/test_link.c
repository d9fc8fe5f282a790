// SPDX-License-Identifier: Apache-2.0
// The link against a real listener with a session layer behind it.
#include "tests/sdk/link_rig.h"

START_TEST(a_request_shakes_hands_greets_and_is_answered)
{
    const struct wf_link_state *s = wf_link_state(r.link);

    ck_assert(!s->up);
    ck_assert_int_eq(s->heard_ms, -1);
    ask_ok();
    ck_assert(s->up);
    ck_assert_int_ge(s->heard_ms, 0);
    ck_assert_uint_eq(s->peer_charter_version, 1);
    ck_assert_str_eq(s->peer_version, "fake");
    ck_assert(wf_bytes_eq(s->peer_chain, wf_buf_view(&r.mesh.d[WF_TEST_SERVERS].node_chain)));
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 1);
    ck_assert_int_eq(atomic_load(&r.knobs->hellos), 1);
}
END_TEST

START_TEST(one_session_serves_many_requests_at_once)
{
    struct answer a[WF_MAX_IN_FLIGHT] = { 0 };

    for (size_t i = 0; i < WF_COUNT(a); i++)
        ask(&a[i]);
    for (size_t i = 0; i < WF_COUNT(a); i++) {
        turn_until(&a[i]);
        ck_assert_int_eq(a[i].err, WEFT_OK);
    }
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 1);
}
END_TEST

START_TEST(more_than_the_limit_in_flight_is_refused_at_once)
{
    struct answer a[WF_MAX_IN_FLIGHT] = { 0 }, more = { 0 };
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;

    atomic_store(&r.knobs->hold, true);
    for (size_t i = 0; i < WF_COUNT(a); i++)
        ask(&a[i]);
    ck_assert_int_eq(wf_link_request(r.link, &q, 0, on_answer, &more), WEFT_E_BUSY);
    ck_assert_int_eq(more.count, 0);
    wf_link_free(r.link); // ends them all
    r.link = NULL;
    for (size_t i = 0; i < WF_COUNT(a); i++)
        ck_assert(a[i].count == 1 && a[i].err == WEFT_E_CLOSED);
}
END_TEST

START_TEST(opening_alone_gives_the_handshake_hash)
{
    static const uint8_t none[64];
    struct answer a = { 0 };

    ck_assert_int_eq(wf_link_open(r.link, on_answer, &a), WEFT_OK);
    turn_until(&a);
    ck_assert_int_eq(a.err, WEFT_OK);
    ck_assert_mem_ne(wf_link_state(r.link)->handshake_hash, none, sizeof none);
}
END_TEST

START_TEST(a_refusal_comes_with_its_reply)
{
    struct answer a = { 0 };

    ask_on(r.link, &a, WEFT__V1__REQUEST__KIND_RENEW, 0);
    turn_until(&a);
    ck_assert_int_eq(a.err, WEFT_E_KIND);
    ck_assert_str_eq(a.text, "not for you");
    ask_ok(); // the session goes on
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 1);
}
END_TEST

START_TEST(a_refused_handshake_ends_the_request_and_backs_off)
{
    struct answer at_once = { 0 };

    wf_test_clock_freeze(true); // the back-off is short
    atomic_store(&r.knobs->refuse_handshake, WEFT_E_FLOOD);
    ask_refused(WEFT_E_FLOOD);
    ck_assert_ptr_nonnull(strstr(wf_link_state(r.link)->last_text, "handshake refused"));
    ask(&at_once); // within the back-off: the same reason, without a dial
    ck_assert(at_once.count == 1 && at_once.err == WEFT_E_FLOOD);
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 1);
    atomic_store(&r.knobs->refuse_handshake, 0);
    wf_test_clock_skip(1000);
    wf_loop_turn(r.loop, 0);
    ask_ok();
}
END_TEST

START_TEST(a_handshake_that_was_overtaken_is_made_once_more)
{
    atomic_store(&r.knobs->replays, 1);
    ask_ok();
    wf_link_free(r.link);
    r.link = new_link(wf_fakenode_address(r.node), &r.mesh.d[WF_TEST_SERVERS].node_dh_pub);
    atomic_store(&r.knobs->replays, 3);
    ask_refused(WEFT_E_REFUSED);
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 4); // and no more
}
END_TEST

START_TEST(a_refused_hello_ends_the_request)
{
    atomic_store(&r.knobs->refuse_hello, WEFT_E_REFUSED);
    ask_refused(WEFT_E_REFUSED);
    ck_assert(!wf_link_state(r.link)->up);
    ck_assert_ptr_nonnull(strstr(wf_link_state(r.link)->last_text, "hello refused"));
}
END_TEST

START_TEST(a_forgotten_session_is_made_anew_and_the_request_repeated_once)
{
    ask_ok();
    atomic_store(&r.knobs->refuse_code, WEFT_E_SESSION);
    atomic_store(&r.knobs->refuse_requests, 1);
    ask_ok();
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 2);
}
END_TEST

START_TEST(a_session_forgotten_twice_is_an_error)
{
    ask_ok();
    atomic_store(&r.knobs->refuse_code, WEFT_E_SESSION);
    atomic_store(&r.knobs->refuse_requests, 2); // the request, then the hello of the new session
    ask_refused(WEFT_E_SESSION);
}
END_TEST

START_TEST(busy_outside_of_a_session_is_told_and_the_session_kept)
{
    ask_ok();
    atomic_store(&r.knobs->refuse_code, WEFT_E_BUSY);
    atomic_store(&r.knobs->refuse_requests, 1);
    ask_refused(WEFT_E_BUSY);
    ask_ok();
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 1);
}
END_TEST

START_TEST(a_damaged_reply_is_refused)
{
    struct answer a = { 0 };

    ask_ok();
    atomic_store(&r.knobs->damage, true);
    ask(&a);
    turn_until(&a);
    ck_assert_int_eq(a.err, WEFT_E_AEAD);
    ck_assert(!a.had_reply);
    atomic_store(&r.knobs->damage, false);
    ask_ok();
}
END_TEST

START_TEST(silence_ends_at_the_deadline_and_a_late_answer_harms_nobody)
{
    struct answer a = { 0 };

    ask_ok();
    atomic_store(&r.knobs->mute, true);
    ask_on(r.link, &a, WEFT__V1__REQUEST__KIND_STATUS, 50);
    turn_until(&a);
    ck_assert_int_eq(a.err, WEFT_E_TIMEOUT);
    atomic_store(&r.knobs->mute, false);
    ask_ok();
    ck_assert_int_eq(a.count, 1);
}
END_TEST

START_TEST(a_lost_connection_ends_what_is_on_the_wire_and_is_made_anew)
{
    ask_ok();
    atomic_store(&r.knobs->hang_up, true);
    ask_refused(WEFT_E_CLOSED);
    for (int i = 0; i < PATIENCE_TURNS && wf_link_state(r.link)->up; i++)
        wf_loop_turn(r.loop, 10);
    wf_test_clock_skip(6000);
    wf_loop_turn(r.loop, 0);
    ask_ok();
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 2);
}
END_TEST

START_TEST(nobody_there_is_unreachable)
{
    wf_fakenode_stop(r.node);
    r.node = NULL;
    ask_refused(WEFT_E_UNREACHABLE);
    ck_assert(!wf_link_state(r.link)->up);
}
END_TEST

START_TEST(another_key_than_the_one_expected_is_refused)
{
    struct wf_link *l =
        new_link(wf_fakenode_address(r.node), &r.mesh.d[WF_TEST_SECURITY].node_dh_pub);
    struct answer a = { 0 };

    ask_on(l, &a, WEFT__V1__REQUEST__KIND_STATUS, 0);
    turn_until(&a);
    ck_assert_int_ne(a.err, WEFT_OK);
    ck_assert(!wf_link_state(l)->up);
    wf_link_free(l);
}
END_TEST

START_TEST(a_used_session_is_renewed_after_two_minutes_beside_the_old_one)
{
    struct answer parked = { 0 };

    ask_ok();
    atomic_store(&r.knobs->hold, true);
    ask_on(r.link, &parked, WEFT__V1__REQUEST__KIND_STATUS, 600000);
    wf_loop_turn(r.loop, 20);
    wf_test_clock_skip(WF_SESSION_RENEW_MS + 1000);
    turn_until_counted(&r.knobs->hellos, 2); // by itself: a request is parked
    ck_assert_int_eq(parked.count, 0);
    atomic_store(&r.knobs->hold, false);
    turn_until(&parked);
    ck_assert_msg(parked.err == WEFT_OK, "%s", weft_err_name(parked.err)); // in the old session
    ask_ok();
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 2);
}
END_TEST

START_TEST(an_idle_session_is_renewed_by_the_next_request_and_wiped_after_three_minutes)
{
    uint8_t first[64];

    ask_ok();
    memcpy(first, wf_link_state(r.link)->handshake_hash, sizeof first);
    wf_test_clock_skip(WF_SESSION_RENEW_MS + 1000);
    wf_loop_turn(r.loop, 0);
    wf_loop_turn(r.loop, 0);
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 1);
    ask_ok(); // still in the old one, and a new one is on its way
    turn_until_another_session(first);
    ck_assert_int_eq(atomic_load(&r.knobs->hellos), 2);
    wf_test_clock_skip(WF_SESSION_WIPE_MS + 1000);
    for (int i = 0; i < PATIENCE_TURNS && wf_link_state(r.link)->up; i++)
        wf_loop_turn(r.loop, 10);
    ck_assert(!wf_link_state(r.link)->up);
    ask_ok();
    ck_assert_int_eq(atomic_load(&r.knobs->handshakes), 3);
}
END_TEST

START_TEST(a_failed_renewal_leaves_the_old_session_at_work)
{
    ask_ok();
    atomic_store(&r.knobs->refuse_handshake, WEFT_E_BUSY);
    wf_test_clock_skip(WF_SESSION_RENEW_MS + 1000);
    wf_loop_turn(r.loop, 0);
    ask_ok();
    turn_until_counted(&r.knobs->handshakes, 2);
    ask_ok();
    ck_assert(wf_link_state(r.link)->up);
    atomic_store(&r.knobs->refuse_handshake, 0);
}
END_TEST

START_TEST(a_new_chain_is_shown_in_a_new_session)
{
    struct wf_test_domain *d = &r.mesh.d[WF_TEST_NETWORK];
    struct wf_cert cert = wf_test_cert(d->name, WF_ID_NODE, "node-2");
    cert.sign_key = d->node_pub;
    cert.dh_key = d->node_dh_pub;
    struct wf_buf raw = wf_test_cert_issue(&cert, &d->issuer);
    struct wf_buf chain = wf_test_chain(wf_buf_view(&raw), wf_buf_view(&d->issuer_cert));
    struct answer a = { 0 };
    uint8_t first[64];

    ask_ok();
    memcpy(first, wf_link_state(r.link)->handshake_hash, sizeof first);
    ck_assert_int_eq(wf_link_set_chain(r.link, wf_buf_view(&chain), 2), WEFT_OK);
    turn_until_another_session(first);
    ck_assert_int_eq(atomic_load(&r.knobs->hellos), 2);
    ask(&a);
    turn_until(&a);
    ck_assert_str_eq(a.text, "node-2");
    wf_buf_fini(&raw);
    wf_buf_fini(&chain);
}
END_TEST

START_TEST(a_link_may_be_freed_within_a_callback)
{
    struct answer a = { .free_in_callback = r.link }, b = { 0 }, c = { 0 };

    ask(&a);
    ask(&b);
    ask(&c);
    turn_until(&a);
    r.link = NULL;
    ck_assert_int_eq(a.err, WEFT_OK);
    // Each ended once: answered before, or closed with the link.
    ck_assert(b.count == 1 && (b.err == WEFT_OK || b.err == WEFT_E_CLOSED));
    ck_assert(c.count == 1 && (c.err == WEFT_OK || c.err == WEFT_E_CLOSED));
}
END_TEST

START_TEST(a_link_may_be_freed_while_its_requests_fail)
{
    struct answer a = { .free_in_callback = r.link }, b = { 0 };

    atomic_store(&r.knobs->refuse_handshake, WEFT_E_REFUSED);
    ask(&a);
    ask(&b);
    turn_until(&a);
    r.link = NULL;
    ck_assert(a.err == WEFT_E_REFUSED && b.count == 1);
}
END_TEST

START_TEST(a_request_made_while_others_fail_belongs_to_the_next_attempt)
{
    struct answer b = { 0 }, a = { .ask_in_callback = r.link, .next = &b };

    atomic_store(&r.knobs->refuse_handshake, WEFT_E_REFUSED);
    ask(&a);
    turn_until(&a);
    turn_until(&b); // at once, because of the back-off, and exactly once
    ck_assert_int_eq(b.err, WEFT_E_REFUSED);
}
END_TEST

START_TEST(a_link_freed_at_once_ends_its_request)
{
    struct answer a = { 0 };

    ask(&a);
    wf_link_free(r.link);
    r.link = NULL;
    ck_assert(a.count == 1 && a.err == WEFT_E_CLOSED);
}
END_TEST

START_TEST(a_local_socket_needs_no_session)
{
    char path[300];
    struct answer a = { 0 }, late = { 0 };

    snprintf(path, sizeof path, "%s/s", wf_test_tmpdir());
    struct wf_fakenode *local = start_node(path);
    struct wf_link *l = new_link(wf_fakenode_address(local), &r.keys.dh_pub);
    ask_on(l, &a, WEFT__V1__REQUEST__KIND_STATUS, 0);
    turn_until(&a);
    ck_assert_int_eq(a.err, WEFT_OK);
    ck_assert_str_eq(a.text, "local");
    ck_assert(wf_link_state(l)->up);
    ck_assert_int_eq(atomic_load(&wf_fakenode_knobs(local)->handshakes), 0);
    wf_fakenode_stop(local);
    for (int i = 0; i < PATIENCE_TURNS && wf_link_state(l)->up; i++)
        wf_loop_turn(r.loop, 10);
    ask_on(l, &late, WEFT__V1__REQUEST__KIND_STATUS, 0);
    turn_until(&late);
    ck_assert_int_ne(late.err, WEFT_OK);
    wf_link_free(l);
}
END_TEST

START_TEST(a_request_beyond_one_message_is_too_big)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    struct answer a = { 0 };
    uint8_t *big = calloc(1, WF_MAX_CONTROL);

    q.idempotency = wf_pb_bin(wf_bytes(big, WF_MAX_CONTROL));
    ck_assert_int_eq(wf_link_request(r.link, &q, 0, on_answer, &a), WEFT_E_TOO_BIG);
    ck_assert_int_eq(a.count, 0);
    free(big);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("link");
    TCase *t = tcase_create("link");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_request_shakes_hands_greets_and_is_answered);
    tcase_add_test(t, one_session_serves_many_requests_at_once);
    tcase_add_test(t, more_than_the_limit_in_flight_is_refused_at_once);
    tcase_add_test(t, opening_alone_gives_the_handshake_hash);
    tcase_add_test(t, a_refusal_comes_with_its_reply);
    tcase_add_test(t, a_refused_handshake_ends_the_request_and_backs_off);
    tcase_add_test(t, a_handshake_that_was_overtaken_is_made_once_more);
    tcase_add_test(t, a_refused_hello_ends_the_request);
    tcase_add_test(t, a_forgotten_session_is_made_anew_and_the_request_repeated_once);
    tcase_add_test(t, a_session_forgotten_twice_is_an_error);
    tcase_add_test(t, busy_outside_of_a_session_is_told_and_the_session_kept);
    tcase_add_test(t, a_damaged_reply_is_refused);
    tcase_add_test(t, silence_ends_at_the_deadline_and_a_late_answer_harms_nobody);
    tcase_add_test(t, a_lost_connection_ends_what_is_on_the_wire_and_is_made_anew);
    tcase_add_test(t, nobody_there_is_unreachable);
    tcase_add_test(t, another_key_than_the_one_expected_is_refused);
    tcase_add_test(t, a_used_session_is_renewed_after_two_minutes_beside_the_old_one);
    tcase_add_test(t, an_idle_session_is_renewed_by_the_next_request_and_wiped_after_three_minutes);
    tcase_add_test(t, a_failed_renewal_leaves_the_old_session_at_work);
    tcase_add_test(t, a_new_chain_is_shown_in_a_new_session);
    tcase_add_test(t, a_link_may_be_freed_within_a_callback);
    tcase_add_test(t, a_link_may_be_freed_while_its_requests_fail);
    tcase_add_test(t, a_request_made_while_others_fail_belongs_to_the_next_attempt);
    tcase_add_test(t, a_link_freed_at_once_ends_its_request);
    tcase_add_test(t, a_local_socket_needs_no_session);
    tcase_add_test(t, a_request_beyond_one_message_is_too_big);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
