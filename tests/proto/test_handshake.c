// SPDX-License-Identifier: Apache-2.0
// The handshake of a session against its vectors (made by tests/vectors/session/make.py, which shares no code with it), what a
// network or a hostile peer may do to it, and the uniform refusal.
#include <check.h>
#include <stdlib.h>

#include "tests/support/session.h"

static struct sw w;

static void setup(void)
{
    sw_init(&w);
    sw_establish(&w);
}

static void teardown(void)
{
    sw_fini(&w);
}

static void check_vector(struct wf_bytes got, const char *name)
{
    struct wf_buf want = sw_vector(name);

    ck_assert_msg(wf_bytes_eq(got, wf_buf_view(&want)), "%s", name);
    wf_buf_fini(&want);
}

// The responder's steps up to the peer's identity.
static enum weft_err hear(const struct wf_session_conf *conf, struct wf_bytes message)
{
    struct wf_session_init init;
    struct wf_session_caller caller;
    enum weft_err err = wf_session_check_mac1(conf, message, &init);

    if (!err)
        err = wf_session_identify(conf, &init, &caller);
    if (!err)
        wf_session_caller_fini(&caller);
    return err;
}

static enum weft_err finish(struct wf_bytes response)
{
    struct wf_session s = { .id = 7 };
    enum weft_err err = wf_session_finish(&w.initiator, &w.dialing, response, SW_NOW, &s);

    ck_assert(err == WEFT_OK || s.id == 7);
    wf_session_fini(&s);
    return err;
}

START_TEST(a_handshake_with_fixed_keys_is_the_vectors)
{
    check_vector(WF_BYTES(w.init), "001-init");
    check_vector(WF_BYTES(w.response), "002-response");
    check_vector(wf_session_handshake_hash(&w.client), "006-handshake-hash");
    check_vector(wf_session_handshake_hash(&w.node), "006-handshake-hash");
    ck_assert_uint_eq(w.client.id, SW_SESSION);
    ck_assert_uint_eq(w.node.id, SW_SESSION);
    ck_assert_mem_eq(w.client.peer.b, w.responder.dh_pub.b, WF_KEY_LEN);
    ck_assert_mem_eq(w.node.peer.b, w.initiator.dh_pub.b, WF_KEY_LEN);
}
END_TEST

enum reader { HEAR, FINISH };
static const struct bad_vector {
    const char *name;
    enum reader reader;
    enum weft_err want;
} bad_vectors[] = {
    { "020-init-mac1", HEAR, WEFT_E_MAC1 },
    { "021-init-version", HEAR, WEFT_E_UNSUPPORTED },
    { "022-init-mesh", HEAR, WEFT_E_HANDSHAKE },
    { "023-init-roles", HEAR, WEFT_E_HANDSHAKE },
    { "024-init-zero-ephemeral", HEAR, WEFT_E_KEY },
    { "025-init-zero-static", HEAR, WEFT_E_KEY },
    { "026-init-stamp", HEAR, WEFT_E_RANGE },
    { "027-init-truncated", HEAR, WEFT_E_TRUNCATED },
    { "028-init-trailing", HEAR, WEFT_E_TRAILING },
    { "029-init-other-static", HEAR, WEFT_E_HANDSHAKE },
    { "002-response", HEAR, WEFT_E_PROTOCOL },
    { "003-request", HEAR, WEFT_E_PROTOCOL },
    { "030-response-changed", FINISH, WEFT_E_HANDSHAKE },
    { "031-response-zero-ephemeral", FINISH, WEFT_E_KEY },
    { "032-response-truncated", FINISH, WEFT_E_TRUNCATED },
    { "033-response-trailing", FINISH, WEFT_E_TRAILING },
    { "001-init", FINISH, WEFT_E_PROTOCOL },
    { "007-refusal-busy", FINISH, WEFT_E_PROTOCOL },
};

START_TEST(a_bad_message_is_refused_with_its_reason)
{
    const struct bad_vector *v = &bad_vectors[_i];
    struct wf_buf m = sw_vector(v->name);
    struct wf_bytes message = wf_buf_view(&m);
    enum weft_err err = v->reader == HEAR ? hear(&w.responder, message) : finish(message);

    ck_assert_msg(err == v->want, "%s: %s", v->name, weft_err_name(err));
    wf_buf_fini(&m);
}
END_TEST

START_TEST(mac1_is_checked_without_any_secret_and_before_any_agreement)
{
    struct wf_session_conf no_secret = w.responder;
    struct wf_session_init init;

    no_secret.dh_secret = NULL;
    ck_assert_int_eq(wf_session_check_mac1(&no_secret, WF_BYTES(w.init), &init), WEFT_OK);
    memset(w.init + 2, 0, WF_KEY_LEN); // a small-order key would be an error of the agreement
    ck_assert_int_eq(hear(&w.responder, WF_BYTES(w.init)), WEFT_E_MAC1);
}
END_TEST

START_TEST(an_init_is_refused_when_cut_or_longer)
{
    uint8_t longer[WF_SESSION_INIT_LEN + 1] = { 0 };

    for (size_t n = 0; n < WF_SESSION_INIT_LEN; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, w.init, n);
        ck_assert_int_eq(hear(&w.responder, wf_bytes(exact, n)), WEFT_E_TRUNCATED);
        free(exact);
    }
    memcpy(longer, w.init, WF_SESSION_INIT_LEN);
    ck_assert_int_eq(hear(&w.responder, WF_BYTES(longer)), WEFT_E_TRAILING);
}
END_TEST

START_TEST(an_init_is_refused_when_any_bit_differs)
{
    for (size_t i = 8; i < sizeof w.init * 8; i++) {
        w.init[i / 8] ^= (uint8_t)(1u << i % 8);
        enum weft_err want = i / 8 == 1 ? WEFT_E_UNSUPPORTED : WEFT_E_MAC1;
        ck_assert_msg(hear(&w.responder, WF_BYTES(w.init)) == want, "bit %zu", i);
        w.init[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}
END_TEST

START_TEST(a_forger_who_knows_the_public_key_gets_no_further_than_the_first_agreements)
{
    for (size_t i = 16; i < (sizeof w.init - WF_SESSION_MAC1_LEN) * 8; i++) {
        w.init[i / 8] ^= (uint8_t)(1u << i % 8);
        sw_fix_mac1(&w.responder.dh_pub, w.init);
        ck_assert_msg(hear(&w.responder, WF_BYTES(w.init)) == WEFT_E_HANDSHAKE, "bit %zu", i);
        w.init[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}
END_TEST

START_TEST(another_mesh_is_refused_by_both_sides)
{
    struct wf_session_conf other = w.responder;

    other.mesh_id.b[31] ^= 1;
    ck_assert_int_eq(hear(&other, WF_BYTES(w.init)), WEFT_E_HANDSHAKE);
}
END_TEST

START_TEST(an_init_for_another_node_is_refused_before_any_agreement)
{
    struct wf_session_conf stranger = { .mesh_id = w.responder.mesh_id };
    struct wf_secret secret = { 0 };

    ck_assert_int_eq(wf_dh_keygen(&secret, &stranger.dh_pub), WEFT_OK);
    stranger.dh_secret = &secret;
    ck_assert_int_eq(hear(&stranger, WF_BYTES(w.init)), WEFT_E_MAC1);
    sw_fix_mac1(&stranger.dh_pub, w.init);
    ck_assert_int_eq(hear(&stranger, WF_BYTES(w.init)), WEFT_E_HANDSHAKE);
    wf_secret_fini(&secret);
}
END_TEST

START_TEST(an_init_sent_back_to_its_sender_is_refused)
{
    ck_assert_int_eq(hear(&w.initiator, WF_BYTES(w.init)), WEFT_E_MAC1);
    sw_fix_mac1(&w.initiator.dh_pub, w.init);
    ck_assert_int_eq(hear(&w.initiator, WF_BYTES(w.init)), WEFT_E_HANDSHAKE);
}
END_TEST

START_TEST(the_caller_is_known_by_key_and_stamp)
{
    struct wf_session_init init;
    struct wf_session_caller caller, blank = { .stamp_unix_ms = 0 };

    ck_assert_int_eq(wf_session_check_mac1(&w.responder, WF_BYTES(w.init), &init), WEFT_OK);
    ck_assert_int_eq(wf_session_identify(&w.responder, &init, &caller), WEFT_OK);
    ck_assert_mem_eq(caller.peer.b, w.initiator.dh_pub.b, WF_KEY_LEN);
    ck_assert_int_eq(
        caller.stamp_unix_ms, SW_STAMP); // equal for a replayed init: the node refuses it
    wf_session_caller_fini(&caller);
    ck_assert_mem_eq(&caller, &blank, sizeof caller);
}
END_TEST

START_TEST(a_replayed_init_makes_only_a_half_open_session_with_other_keys)
{
    struct wf_session_init init;
    struct wf_session_caller caller;
    struct wf_session again;
    uint8_t response[WF_SESSION_RESPONSE_LEN];
    struct wf_buf request = sw_vector("003-request"), plain = { 0 };
    uint64_t nonce = 0;

    memset(w.accept_fresh.ephemeral, 0x66, WF_KEY_LEN);
    ck_assert_int_eq(wf_session_check_mac1(&w.responder, WF_BYTES(w.init), &init), WEFT_OK);
    ck_assert_int_eq(wf_session_identify(&w.responder, &init, &caller), WEFT_OK);
    ck_assert_int_eq(wf_session_accept(&caller, &w.accept_fresh, &again, response), WEFT_OK);
    ck_assert(!again.confirmed);
    ck_assert_int_eq(wf_session_open_request(&again, wf_buf_view(&request), SW_NOW, &plain, &nonce),
        WEFT_E_AEAD);
    ck_assert(!again.confirmed);
    ck_assert_int_eq(wf_session_seal_reply(&again, 0, SW_NOW, WF_STR("x"), &plain), WEFT_E_STATE);
    wf_session_caller_fini(&caller);
    wf_session_fini(&again);
    wf_buf_fini(&plain);
    wf_buf_fini(&request);
}
END_TEST

START_TEST(a_response_is_refused_when_cut_or_longer_or_any_bit_differs)
{
    uint8_t longer[WF_SESSION_RESPONSE_LEN + 1] = { 0 };

    for (size_t n = 0; n < sizeof w.response; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, w.response, n);
        ck_assert_int_eq(finish(wf_bytes(exact, n)), WEFT_E_TRUNCATED);
        free(exact);
    }
    memcpy(longer, w.response, sizeof w.response);
    ck_assert_int_eq(finish(WF_BYTES(longer)), WEFT_E_TRAILING);
    for (size_t i = 8; i < sizeof w.response * 8; i++) {
        w.response[i / 8] ^= (uint8_t)(1u << i % 8);
        ck_assert_msg(finish(WF_BYTES(w.response)) == WEFT_E_HANDSHAKE, "bit %zu", i);
        w.response[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    ck_assert_int_eq(finish(WF_BYTES(w.response)), WEFT_OK); // none of them spoiled the dialing
}
END_TEST

START_TEST(a_key_of_small_order_is_not_dialled)
{
    struct wf_dh_pub zero = { { 0 } };
    struct wf_session_dialing d = { .ephemeral = { 0 } };
    uint8_t init[WF_SESSION_INIT_LEN] = { 0 };

    ck_assert_int_eq(wf_session_dial(&w.initiator, &zero, &w.dial_fresh, &d, init), WEFT_E_KEY);
    ck_assert_ptr_null(d.ephemeral.ptr);
    ck_assert_uint_eq(init[0], 0);
}
END_TEST

START_TEST(a_peek_shows_type_session_and_nonce)
{
    struct wf_session_head head;
    struct wf_buf m = sw_vector("005-request-empty");

    ck_assert_int_eq(wf_session_peek(wf_buf_view(&m), &head), WEFT_OK);
    ck_assert_int_eq(head.type, WF_SESSION_REQUEST);
    ck_assert_uint_eq(head.session_id, SW_SESSION);
    ck_assert_uint_eq(head.nonce, 1);
    ck_assert_int_eq(wf_session_peek(WF_BYTES(w.init), &head), WEFT_OK);
    ck_assert_int_eq(head.type, WF_SESSION_INIT);
    ck_assert_uint_eq(head.session_id, 0);
    ck_assert_int_eq(wf_session_peek(WF_BYTES(w.response), &head), WEFT_OK);
    ck_assert_int_eq(head.type, WF_SESSION_RESPONSE);
    wf_buf_fini(&m);
}
END_TEST

static const struct refusal_row {
    const char *why;
    enum weft_err cause, want;
    const char *vector;
} refusals[] = {
    { "try later", WEFT_E_BUSY, WEFT_E_BUSY, "007-refusal-busy" },
    { "another wire version", WEFT_E_UNSUPPORTED, WEFT_E_UNSUPPORTED, "008-refusal-unsupported" },
    { "no such session", WEFT_E_SESSION, WEFT_E_SESSION, "009-refusal-session" },
    { "a session past its life", WEFT_E_SESSION_OLD, WEFT_E_SESSION, "009-refusal-session" },
    { "a ciphertext that fails looks the same", WEFT_E_AEAD, WEFT_E_SESSION,
        "009-refusal-session" },
    { "and so does a replay", WEFT_E_REPLAY, WEFT_E_SESSION, "009-refusal-session" },
    { "too many handshakes", WEFT_E_FLOOD, WEFT_E_FLOOD, "010-refusal-flood" },
    { "a handshake that fails", WEFT_E_HANDSHAKE, WEFT_E_REFUSED, "011-refusal-refused" },
    { "a key of small order looks the same", WEFT_E_KEY, WEFT_E_REFUSED, "011-refusal-refused" },
    { "nothing of ours leaks", WEFT_E_NOMEM, WEFT_E_REFUSED, "011-refusal-refused" },
    { "nor what a certificate lacks", WEFT_E_REVOKED, WEFT_E_REFUSED, "011-refusal-refused" },
};

START_TEST(every_cause_becomes_one_of_five_refusals_of_one_size)
{
    const struct refusal_row *r = &refusals[_i];
    uint8_t out[WF_SESSION_REFUSAL_LEN];
    struct wf_session_refusal back;

    wf_session_refuse(r->cause, out);
    check_vector(WF_BYTES(out), r->vector);
    ck_assert_int_eq(wf_session_refusal_read(WF_BYTES(out), &back), WEFT_OK);
    ck_assert_msg(back.code == r->want, "%s", r->why);
    ck_assert_uint_eq(back.version, WF_SESSION_VERSION);
}
END_TEST

START_TEST(a_refusal_is_read_strictly_and_never_believed_beyond_its_five_codes)
{
    uint8_t m[WF_SESSION_REFUSAL_LEN + 1] = { WF_SESSION_REFUSAL, 9, 0xff, 0xff };
    struct wf_session_refusal back;

    ck_assert_int_eq(wf_session_refusal_read(wf_bytes(m, WF_SESSION_REFUSAL_LEN), &back), WEFT_OK);
    ck_assert_int_eq(back.code, WEFT_E_REFUSED);
    ck_assert_uint_eq(back.version, 9);
    for (size_t n = 0; n <= sizeof m; n++)
        if (n != WF_SESSION_REFUSAL_LEN)
            ck_assert_int_eq(wf_session_refusal_read(wf_bytes(m, n), &back), WEFT_E_PROTOCOL);
    m[0] = WF_SESSION_REPLY;
    ck_assert_int_eq(
        wf_session_refusal_read(wf_bytes(m, WF_SESSION_REFUSAL_LEN), &back), WEFT_E_PROTOCOL);
    m[0] = WF_SESSION_REFUSAL;
    m[2] = 0;
    m[3] = 0; // "no error" is not believed either
    ck_assert_int_eq(wf_session_refusal_read(wf_bytes(m, WF_SESSION_REFUSAL_LEN), &back), WEFT_OK);
    ck_assert_int_eq(back.code, WEFT_E_REFUSED);
}
END_TEST

int main(void)
{
    if (wf_crypto_init())
        return 1;
    Suite *s = suite_create("handshake");
    TCase *t = tcase_create("handshake");
    tcase_set_timeout(t, 100);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_handshake_with_fixed_keys_is_the_vectors);
    tcase_add_loop_test(t, a_bad_message_is_refused_with_its_reason, 0, WF_COUNT(bad_vectors));
    tcase_add_test(t, mac1_is_checked_without_any_secret_and_before_any_agreement);
    tcase_add_test(t, an_init_is_refused_when_cut_or_longer);
    tcase_add_test(t, an_init_is_refused_when_any_bit_differs);
    tcase_add_test(t, a_forger_who_knows_the_public_key_gets_no_further_than_the_first_agreements);
    tcase_add_test(t, another_mesh_is_refused_by_both_sides);
    tcase_add_test(t, an_init_for_another_node_is_refused_before_any_agreement);
    tcase_add_test(t, an_init_sent_back_to_its_sender_is_refused);
    tcase_add_test(t, the_caller_is_known_by_key_and_stamp);
    tcase_add_test(t, a_replayed_init_makes_only_a_half_open_session_with_other_keys);
    tcase_add_test(t, a_response_is_refused_when_cut_or_longer_or_any_bit_differs);
    tcase_add_test(t, a_key_of_small_order_is_not_dialled);
    tcase_add_test(t, a_peek_shows_type_session_and_nonce);
    tcase_add_loop_test(
        t, every_cause_becomes_one_of_five_refusals_of_one_size, 0, WF_COUNT(refusals));
    tcase_add_test(t, a_refusal_is_read_strictly_and_never_believed_beyond_its_five_codes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
