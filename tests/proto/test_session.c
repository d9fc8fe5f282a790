// SPDX-License-Identifier: Apache-2.0
// Requests and replies of an established session: vectors, order, replay, binding, age and the end of nonces.
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

static struct wf_buf sealed_request(const char *text, uint64_t want_nonce)
{
    struct wf_buf out = { 0 };
    uint64_t nonce = 0;

    ck_assert_int_eq(
        wf_session_seal_request(&w.client, SW_NOW, wf_bytes_str(text), &out, &nonce), WEFT_OK);
    ck_assert_uint_eq(nonce, want_nonce);
    return out;
}

static struct wf_buf sealed_reply(const char *text, uint64_t request_nonce)
{
    struct wf_buf out = { 0 };

    ck_assert_int_eq(
        wf_session_seal_reply(&w.node, request_nonce, SW_NOW, wf_bytes_str(text), &out), WEFT_OK);
    return out;
}

static enum weft_err open_request(struct wf_bytes message)
{
    struct wf_buf plain = { 0 };
    uint64_t nonce = 99;
    enum weft_err err = wf_session_open_request(&w.node, message, SW_NOW, &plain, &nonce);

    ck_assert(err == WEFT_OK || (plain.len == 0 && nonce == 99));
    wf_buf_fini(&plain);
    return err;
}

static enum weft_err open_reply(uint64_t request_nonce, struct wf_bytes message)
{
    struct wf_buf plain = { 0 };
    enum weft_err err = wf_session_open_reply(&w.client, request_nonce, message, SW_NOW, &plain);

    ck_assert(err == WEFT_OK || plain.len == 0);
    wf_buf_fini(&plain);
    return err;
}

START_TEST(a_conversation_is_the_vectors)
{
    struct wf_buf request = sealed_request("request one", 0), empty = sealed_request("", 1),
                  plain = { 0 };
    uint64_t nonce = 99;

    check_vector(wf_buf_view(&request), "003-request");
    check_vector(wf_buf_view(&empty), "005-request-empty");
    ck_assert_int_eq(
        wf_session_open_request(&w.node, wf_buf_view(&request), SW_NOW, &plain, &nonce), WEFT_OK);
    ck_assert(wf_bytes_is(wf_buf_view(&plain), "request one"));
    ck_assert_uint_eq(nonce, 0);
    struct wf_buf reply = sealed_reply("reply one", nonce);
    check_vector(wf_buf_view(&reply), "004-reply");
    ck_assert_int_eq(
        wf_session_open_reply(&w.client, 0, wf_buf_view(&reply), SW_NOW, &plain), WEFT_OK);
    ck_assert(wf_bytes_is(wf_buf_view(&plain), "request onereply one")); // appended
    ck_assert_int_eq(
        wf_session_open_request(&w.node, wf_buf_view(&empty), SW_NOW, &plain, &nonce), WEFT_OK);
    ck_assert_uint_eq(nonce, 1);
    ck_assert_uint_eq(plain.len, 20);
    wf_buf_fini(&plain);
    wf_buf_fini(&reply);
    wf_buf_fini(&empty);
    wf_buf_fini(&request);
}
END_TEST

START_TEST(the_last_nonce_is_accepted)
{
    struct wf_buf m = sw_vector("043-request-last-nonce");

    ck_assert_int_eq(open_request(wf_buf_view(&m)), WEFT_OK);
    ck_assert_int_eq(open_request(wf_buf_view(&m)), WEFT_E_REPLAY);
    wf_buf_fini(&m);
}
END_TEST

enum reader { REQUEST, REPLY };
static const struct bad_vector {
    const char *name;
    enum reader reader;
    enum weft_err want;
} bad_vectors[] = {
    { "040-request-changed", REQUEST, WEFT_E_AEAD },
    { "041-request-nonce-changed", REQUEST, WEFT_E_AEAD },
    { "042-request-other-session", REQUEST, WEFT_E_SESSION },
    { "044-request-beyond", REQUEST, WEFT_E_RANGE },
    { "045-request-wrong-key", REQUEST, WEFT_E_AEAD },
    { "046-request-truncated", REQUEST, WEFT_E_TRUNCATED },
    { "004-reply", REQUEST, WEFT_E_PROTOCOL },
    { "050-reply-other-request", REPLY, WEFT_E_AEAD },
    { "051-reply-unbound", REPLY, WEFT_E_AEAD },
    { "003-request", REPLY, WEFT_E_PROTOCOL },
    { "060-type-0", REQUEST, WEFT_E_PROTOCOL },
    { "061-type-6", REQUEST, WEFT_E_PROTOCOL },
    { "062-empty", REQUEST, WEFT_E_TRUNCATED },
};

START_TEST(a_bad_message_is_refused_with_its_reason)
{
    const struct bad_vector *v = &bad_vectors[_i];
    struct wf_buf m = sw_vector(v->name);
    struct wf_bytes message = wf_buf_view(&m);
    enum weft_err err = v->reader == REQUEST ? open_request(message) : open_reply(0, message);

    ck_assert_msg(err == v->want, "%s: %s", v->name, weft_err_name(err));
    wf_buf_fini(&m);
}
END_TEST

START_TEST(a_half_open_session_is_confirmed_by_its_first_request_only)
{
    struct wf_buf request = sealed_request("request one", 0), out = { 0 };

    ck_assert(w.client.confirmed && !w.node.confirmed);
    ck_assert_int_eq(
        wf_session_seal_reply(&w.node, 0, SW_NOW, WF_STR("early"), &out), WEFT_E_STATE);
    request.ptr[WF_SESSION_HEAD_LEN] ^= 1;
    ck_assert_int_eq(open_request(wf_buf_view(&request)), WEFT_E_AEAD);
    ck_assert(!w.node.confirmed);
    request.ptr[WF_SESSION_HEAD_LEN] ^= 1;
    ck_assert_int_eq(open_request(wf_buf_view(&request)), WEFT_OK);
    ck_assert(w.node.confirmed);
    wf_buf_fini(&request);
}
END_TEST

START_TEST(a_request_is_refused_when_cut_at_any_byte_or_longer)
{
    struct wf_buf m = sealed_request("request one", 0);

    for (size_t n = 0; n < m.len; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, m.ptr, n);
        enum weft_err want = n < WF_SESSION_OVERHEAD ? WEFT_E_TRUNCATED : WEFT_E_AEAD;
        ck_assert_msg(open_request(wf_bytes(exact, n)) == want, "cut at %zu", n);
        free(exact);
    }
    ck_assert_int_eq(wf_buf_append_byte(&m, 0), WEFT_OK);
    ck_assert_int_eq(open_request(wf_buf_view(&m)), WEFT_E_AEAD);
    m.len--;
    ck_assert_int_eq(open_request(wf_buf_view(&m)), WEFT_OK);
    wf_buf_fini(&m);
}
END_TEST

static enum weft_err flipped_bit_want(size_t byte)
{
    if (byte == 0)
        return WEFT_E_PROTOCOL;
    return byte < 9 ? WEFT_E_SESSION : WEFT_E_AEAD;
}

START_TEST(a_request_is_refused_when_any_bit_differs)
{
    struct wf_buf m = sealed_request("request one", 0);

    for (size_t i = 0; i < m.len * 8; i++) {
        if (i < 8 && (m.ptr[0] ^ 1u << i) <= WF_SESSION_REFUSAL &&
            (m.ptr[0] ^ 1u << i) != WF_SESSION_REPLY)
            continue; // the type of a fixed-size message: its length is wrong, see the vectors
        m.ptr[i / 8] ^= (uint8_t)(1u << i % 8);
        enum weft_err err = open_request(wf_buf_view(&m));
        // The nonce's highest bits make one that is never used.
        bool beyond =
            i / 8 >= 9 && i / 8 < 17 && wf_load_be64(m.ptr + 9) >= UINT64_MAX - (1u << 13);
        ck_assert_msg(err == (beyond ? WEFT_E_RANGE : flipped_bit_want(i / 8)), "bit %zu: %s", i,
            weft_err_name(err));
        m.ptr[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    ck_assert_int_eq(open_request(wf_buf_view(&m)), WEFT_OK);
    wf_buf_fini(&m);
}
END_TEST

START_TEST(a_request_is_opened_once)
{
    struct wf_buf a = sealed_request("a", 0), b = sealed_request("b", 1),
                  c = sealed_request("c", 2);

    ck_assert_int_eq(open_request(wf_buf_view(&c)), WEFT_OK); // the pipes of a REQ socket reorder
    ck_assert_int_eq(open_request(wf_buf_view(&a)), WEFT_OK);
    ck_assert_int_eq(open_request(wf_buf_view(&c)), WEFT_E_REPLAY);
    ck_assert_int_eq(open_request(wf_buf_view(&a)), WEFT_E_REPLAY);
    ck_assert_int_eq(open_request(wf_buf_view(&b)), WEFT_OK);
    ck_assert_int_eq(open_request(wf_buf_view(&b)), WEFT_E_REPLAY);
    wf_buf_fini(&a);
    wf_buf_fini(&b);
    wf_buf_fini(&c);
}
END_TEST

START_TEST(a_request_that_left_the_window_is_refused)
{
    struct wf_buf first = sealed_request("first", 0), second = sealed_request("second", 1);

    w.client.next_nonce = WF_REPLAY_WINDOW;
    struct wf_buf late = sealed_request("late", WF_REPLAY_WINDOW);
    ck_assert_int_eq(open_request(wf_buf_view(&late)), WEFT_OK);
    ck_assert_int_eq(open_request(wf_buf_view(&first)), WEFT_E_REPLAY); // 2048 behind
    ck_assert_int_eq(open_request(wf_buf_view(&second)), WEFT_OK);      // 2047 behind
    wf_buf_fini(&first);
    wf_buf_fini(&second);
    wf_buf_fini(&late);
}
END_TEST

START_TEST(a_forged_nonce_does_not_move_the_window)
{
    struct wf_buf m = sealed_request("request one", 0), forged = { 0 };

    ck_assert_int_eq(wf_bytes_dup(wf_buf_view(&m), &forged), WEFT_OK);
    wf_store_be64(forged.ptr + 9, 1u << 20);
    ck_assert_int_eq(open_request(wf_buf_view(&forged)), WEFT_E_AEAD);
    ck_assert_int_eq(open_request(wf_buf_view(&m)), WEFT_OK);
    wf_buf_fini(&forged);
    wf_buf_fini(&m);
}
END_TEST

START_TEST(a_reply_answers_its_own_request_once)
{
    struct wf_buf a = sealed_request("a", 0), b = sealed_request("b", 1);

    ck_assert_int_eq(open_request(wf_buf_view(&a)), WEFT_OK);
    ck_assert_int_eq(open_request(wf_buf_view(&b)), WEFT_OK);
    struct wf_buf to_b = sealed_reply("to b", 1), to_a = sealed_reply("to a", 0);
    ck_assert_int_eq(open_reply(0, wf_buf_view(&to_b)), WEFT_E_AEAD);
    ck_assert_int_eq(open_reply(1, wf_buf_view(&to_a)), WEFT_E_AEAD);
    ck_assert_int_eq(open_reply(0, wf_buf_view(&to_a)), WEFT_OK);
    ck_assert_int_eq(open_reply(0, wf_buf_view(&to_a)), WEFT_E_REPLAY);
    ck_assert_int_eq(open_reply(1, wf_buf_view(&to_b)), WEFT_OK);
    wf_buf_fini(&a);
    wf_buf_fini(&b);
    wf_buf_fini(&to_a);
    wf_buf_fini(&to_b);
}
END_TEST

START_TEST(a_reply_sealed_apart_is_the_same_and_needs_its_session_no_more)
{
    struct wf_buf request = sealed_request("request", 0), apart = { 0 };
    struct wf_session_reply early = { 0 }, begun = { 0 };

    ck_assert_int_eq(wf_session_reply_begin(&w.node, 0, SW_NOW, &early), WEFT_E_STATE); // half open
    ck_assert_int_eq(open_request(wf_buf_view(&request)), WEFT_OK);
    ck_assert_int_eq(wf_session_reply_begin(&w.node, 0, SW_NOW, &begun), WEFT_OK);
    struct wf_buf next = sealed_reply("another", 0); // the nonce is its own
    ck_assert_uint_eq(wf_load_be64(next.ptr + 9), begun.nonce + 1);
    ck_assert_int_eq(wf_session_reply_begin(&w.node, 0, SW_NOW + WF_SESSION_WIPE_MS, &early),
        WEFT_E_SESSION_OLD); // and its keys are wiped
    ck_assert_int_eq(wf_session_reply_seal(&begun, WF_STR("large"), &apart), WEFT_OK);
    ck_assert_int_eq(wf_session_reply_seal(&begun, WF_STR("again"), &apart), WEFT_E_STATE);
    ck_assert_int_eq(open_reply(1, wf_buf_view(&apart)), WEFT_E_AEAD); // another request's
    ck_assert_int_eq(open_reply(0, wf_buf_view(&apart)), WEFT_OK);
    ck_assert_int_eq(open_reply(0, wf_buf_view(&next)), WEFT_OK);
    wf_session_reply_fini(&begun);
    wf_session_reply_fini(&early);
    wf_buf_fini(&request);
    wf_buf_fini(&apart);
    wf_buf_fini(&next);
}
END_TEST

START_TEST(a_message_sent_back_to_its_sender_is_refused)
{
    struct wf_buf request = sealed_request("a", 0);

    ck_assert_int_eq(open_request(wf_buf_view(&request)), WEFT_OK);
    struct wf_buf reply = sealed_reply("b", 0);
    ck_assert_int_eq(open_reply(0, wf_buf_view(&request)), WEFT_E_PROTOCOL);
    ck_assert_int_eq(open_request(wf_buf_view(&reply)), WEFT_E_PROTOCOL);
    request.ptr[0] = WF_SESSION_REPLY;
    ck_assert_int_eq(open_reply(0, wf_buf_view(&request)), WEFT_E_AEAD);
    reply.ptr[0] = WF_SESSION_REQUEST;
    wf_store_be64(reply.ptr + 9, 1);
    ck_assert_int_eq(open_request(wf_buf_view(&reply)), WEFT_E_AEAD);
    wf_buf_fini(&request);
    wf_buf_fini(&reply);
}
END_TEST

START_TEST(sessions_do_not_read_each_other)
{
    struct sw other;

    sw_init(&other);
    other.accept_fresh.session_id++;
    memset(other.accept_fresh.ephemeral, 0x77, WF_KEY_LEN);
    sw_establish(&other);
    struct wf_buf m = sealed_request("a", 0), plain = { 0 };
    uint64_t nonce = 0;
    ck_assert_int_eq(wf_session_open_request(&other.node, wf_buf_view(&m), SW_NOW, &plain, &nonce),
        WEFT_E_SESSION);
    wf_store_be64(m.ptr + 1, other.node.id);
    ck_assert_int_eq(
        wf_session_open_request(&other.node, wf_buf_view(&m), SW_NOW, &plain, &nonce), WEFT_E_AEAD);
    wf_buf_fini(&plain);
    wf_buf_fini(&m);
    sw_fini(&other);
}
END_TEST

static const struct age_row {
    int64_t after_ms;
    enum wf_session_age want;
} ages[] = {
    { 0, WF_SESSION_FRESH },
    { WF_SESSION_RENEW_MS - 1, WF_SESSION_FRESH },
    { WF_SESSION_RENEW_MS, WF_SESSION_RENEW },
    { WF_SESSION_WIPE_MS - 1, WF_SESSION_RENEW },
    { WF_SESSION_WIPE_MS, WF_SESSION_OVER },
    { WF_SESSION_WIPE_MS * 1000ll, WF_SESSION_OVER },
};

START_TEST(a_session_ages_at_both_ends)
{
    const struct age_row *r = &ages[_i];
    enum weft_err want = r->want == WF_SESSION_OVER ? WEFT_E_SESSION_OLD : WEFT_OK;
    struct wf_buf early = sealed_request("a", 0), out = { 0 };
    uint64_t nonce = 0;
    int64_t now = SW_NOW + r->after_ms;

    ck_assert_int_eq(wf_session_age(&w.client, now), r->want);
    ck_assert_int_eq(wf_session_age(&w.node, now), r->want);
    ck_assert_int_eq(
        wf_session_open_request(&w.node, wf_buf_view(&early), now, &out, &nonce), want);
    ck_assert_int_eq(wf_session_seal_request(&w.client, now, WF_STR("b"), &out, &nonce), want);
    ck_assert(
        (w.node.keys.ptr == NULL) == (want != WEFT_OK)); // wiped by the first call that noticed
    ck_assert((w.client.keys.ptr == NULL) == (want != WEFT_OK));
    wf_buf_fini(&early);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_session_that_is_over_stays_over)
{
    struct wf_buf m = sealed_request("a", 0), out = { 0 };
    uint64_t nonce = 0;

    ck_assert_int_eq(open_request(wf_buf_view(&m)), WEFT_OK);
    ck_assert_int_eq(
        wf_session_seal_reply(&w.node, 0, SW_NOW + WF_SESSION_WIPE_MS, WF_STR("b"), &out),
        WEFT_E_SESSION_OLD);
    ck_assert_int_eq(
        wf_session_seal_reply(&w.node, 0, SW_NOW, WF_STR("b"), &out), WEFT_E_SESSION_OLD);
    ck_assert_int_eq(open_request(wf_buf_view(&m)), WEFT_E_SESSION_OLD);
    ck_assert_int_eq(wf_session_age(&w.node, SW_NOW), WF_SESSION_OVER);
    struct wf_buf reply = sw_vector("004-reply");
    ck_assert_int_eq(
        wf_session_open_reply(&w.client, 0, wf_buf_view(&reply), SW_NOW + WF_SESSION_WIPE_MS, &out),
        WEFT_E_SESSION_OLD);
    ck_assert_int_eq(
        wf_session_seal_request(&w.client, SW_NOW, WF_STR("b"), &out, &nonce), WEFT_E_SESSION_OLD);
    wf_buf_fini(&reply);
    wf_buf_fini(&m);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(nonces_run_out_before_they_wrap)
{
    struct wf_buf out = { 0 };
    uint64_t nonce = 0, last = UINT64_MAX - (1u << 13) - 1;

    w.client.next_nonce = ((uint64_t)1 << 60) - 1;
    ck_assert_int_eq(wf_session_age(&w.client, SW_NOW), WF_SESSION_FRESH);
    w.client.next_nonce++;
    ck_assert_int_eq(wf_session_age(&w.client, SW_NOW), WF_SESSION_RENEW);
    w.client.next_nonce = last;
    ck_assert_int_eq(
        wf_session_seal_request(&w.client, SW_NOW, WF_STR("last"), &out, &nonce), WEFT_OK);
    ck_assert(nonce == last);
    check_vector(wf_buf_view(&out), "043-request-last-nonce");
    ck_assert_int_eq(wf_session_seal_request(&w.client, SW_NOW, WF_STR("beyond"), &out, &nonce),
        WEFT_E_SESSION_OLD);
    ck_assert_ptr_null(w.client.keys.ptr);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_nonce_is_burned_even_when_sealing_fails)
{
    struct wf_buf out = { 0 };
    uint64_t nonce = 99;

    wf_test_fail_alloc(1);
    enum weft_err err = wf_session_seal_request(&w.client, SW_NOW, WF_STR("a"), &out, &nonce);
    wf_test_fail_alloc(-1);
    ck_assert_int_eq(err, WEFT_E_NOMEM);
    ck_assert_uint_eq(nonce, 99);
    ck_assert_uint_eq(out.len, 0);
    struct wf_buf m = sealed_request("a", 1);
    wf_test_fail_alloc(1);
    err = open_request(wf_buf_view(&m));
    wf_test_fail_alloc(-1);
    ck_assert_int_eq(err, WEFT_E_NOMEM);
    ck_assert_int_eq(
        open_request(wf_buf_view(&m)), WEFT_OK); // a failure of ours does not count as seen
    wf_buf_fini(&m);
}
END_TEST

START_TEST(the_largest_message_is_one_mebibyte)
{
    struct wf_buf plain = { 0 }, out = { 0 }, back = { 0 };
    uint64_t nonce = 0;

    ck_assert_int_eq(wf_buf_reserve(&plain, WF_SESSION_MAX_PLAIN + 1), WEFT_OK);
    memset(plain.ptr, 7, WF_SESSION_MAX_PLAIN + 1);
    plain.len = WF_SESSION_MAX_PLAIN + 1;
    ck_assert_int_eq(wf_session_seal_request(&w.client, SW_NOW, wf_buf_view(&plain), &out, &nonce),
        WEFT_E_TOO_BIG);
    plain.len--;
    ck_assert_int_eq(
        wf_session_seal_request(&w.client, SW_NOW, wf_buf_view(&plain), &out, &nonce), WEFT_OK);
    ck_assert_uint_eq(out.len, WF_MAX_CONTROL);
    ck_assert_int_eq(
        wf_session_open_request(&w.node, wf_buf_view(&out), SW_NOW, &back, &nonce), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&plain), wf_buf_view(&back)));
    ck_assert_int_eq(
        wf_session_seal_reply(&w.node, nonce, SW_NOW, wf_bytes(plain.ptr, plain.len + 1), &back),
        WEFT_E_TOO_BIG);
    ck_assert_int_eq(wf_buf_append_byte(&out, 0), WEFT_OK);
    ck_assert_int_eq(open_request(wf_buf_view(&out)), WEFT_E_TOO_BIG);
    wf_buf_fini(&plain);
    wf_buf_fini(&out);
    wf_buf_fini(&back);
}
END_TEST

START_TEST(released_sessions_leave_nothing_behind)
{
    struct wf_session blank = { .id = 0 };
    struct wf_session_dialing none = { .ephemeral = { 0 } };

    wf_session_fini(&w.client);
    ck_assert_mem_eq(&w.client, &blank, sizeof blank);
    wf_session_fini(&w.client); // twice does no harm
    wf_session_dialing_fini(&w.dialing);
    ck_assert_mem_eq(&w.dialing, &none, sizeof none);
}
END_TEST

int main(void)
{
    if (wf_crypto_init())
        return 1;
    Suite *s = suite_create("session");
    TCase *t = tcase_create("session");
    tcase_set_timeout(t, 100);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_conversation_is_the_vectors);
    tcase_add_test(t, the_last_nonce_is_accepted);
    tcase_add_loop_test(t, a_bad_message_is_refused_with_its_reason, 0, WF_COUNT(bad_vectors));
    tcase_add_test(t, a_half_open_session_is_confirmed_by_its_first_request_only);
    tcase_add_test(t, a_request_is_refused_when_cut_at_any_byte_or_longer);
    tcase_add_test(t, a_request_is_refused_when_any_bit_differs);
    tcase_add_test(t, a_request_is_opened_once);
    tcase_add_test(t, a_request_that_left_the_window_is_refused);
    tcase_add_test(t, a_forged_nonce_does_not_move_the_window);
    tcase_add_test(t, a_reply_answers_its_own_request_once);
    tcase_add_test(t, a_reply_sealed_apart_is_the_same_and_needs_its_session_no_more);
    tcase_add_test(t, a_message_sent_back_to_its_sender_is_refused);
    tcase_add_test(t, sessions_do_not_read_each_other);
    tcase_add_loop_test(t, a_session_ages_at_both_ends, 0, WF_COUNT(ages));
    tcase_add_test(t, a_session_that_is_over_stays_over);
    tcase_add_test(t, nonces_run_out_before_they_wrap);
    tcase_add_test(t, a_nonce_is_burned_even_when_sealing_fails);
    tcase_add_test(t, the_largest_message_is_one_mebibyte);
    tcase_add_test(t, released_sessions_leave_nothing_behind);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
