// SPDX-License-Identifier: Apache-2.0
// The order of work against a real listener: what a stranger, a member and a stolen session get.
#include <stdatomic.h>
#include <unistd.h>

#include "node/pool.h"
#include "tests/node/control_client.h"

// ---- handshakes ------------------------------------------------------------------------------------------------------

START_TEST(a_member_is_greeted_and_served)
{
    struct client c;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_LEASE);

    come_in(&c, &mesh.d[WF_TEST_NETWORK]);
    ck_assert_int_eq(request(&c, &q), WEFT_OK);
    ck_assert_uint_eq(acted, 1);
    ck_assert_uint_eq(wf_sessions_half_open(node.control->sessions), 0);
    hang_up(&c);
}
END_TEST

START_TEST(a_wrong_mac1_ends_the_connection_unanswered)
{
    struct client c;
    uint8_t init[WF_SESSION_INIT_LEN] = { WF_SESSION_INIT, WF_SESSION_VERSION };

    dial(&c, &mesh.d[WF_TEST_NETWORK]);
    (void)ask(&c, WF_BYTES(init));
    ck_assert_int_ne(c.err, WEFT_OK);
    ck_assert_uint_eq(c.answer.len, 0);
    ck_assert_uint_eq(node.control->count.mac1_wrong, 1);
    ck_assert_uint_eq(wf_sessions_count(node.control->sessions), 0);
    hang_up(&c);
}
END_TEST

START_TEST(an_address_that_knocks_too_often_is_refused_before_any_agreement)
{
    struct client c;
    uint8_t init[WF_SESSION_INIT_LEN] = { WF_SESSION_INIT, WF_SESSION_VERSION };

    // The MAC1 is right and nothing else: an agreement would refuse it.
    sw_fix_mac1(&node.keys.dh_pub, init);
    dial(&c, &mesh.d[WF_TEST_NETWORK]);
    for (unsigned i = 0; i < WF_HANDSHAKE_BURST; i++)
        ck_assert_int_eq(refusal_in(ask(&c, WF_BYTES(init))), WEFT_E_REFUSED);
    unsigned flooded = 0;
    for (unsigned i = 0; i < WF_HANDSHAKE_BURST; i++)
        flooded += refusal_in(ask(&c, WF_BYTES(init))) == WEFT_E_FLOOD;
    ck_assert_uint_gt(flooded, 0);
    hang_up(&c);
}
END_TEST

START_TEST(a_member_comes_in_though_strangers_knock_at_its_address_without_end)
{
    struct client flood, member, fresh;
    unsigned flooded = 0;
    uint8_t init[WF_SESSION_INIT_LEN] = { WF_SESSION_INIT, WF_SESSION_VERSION };

    come_in(&member, &mesh.d[WF_TEST_NETWORK]); // known from now on
    sw_fix_mac1(&node.keys.dh_pub, init);
    dial(&flood, &mesh.d[WF_TEST_SECURITY]);
    for (unsigned i = 0; i < WF_KEY_HANDSHAKE_BURST / 2; i++) {
        while (refusal_in(ask(&flood, WF_BYTES(init))) != WEFT_E_FLOOD)
            ; // until nothing is left at the address
        ck_assert_int_eq(shake(&member), WEFT_OK);
        hang_up(&member);
        while (refusal_in(ask(&flood, WF_BYTES(init))) != WEFT_E_FLOOD)
            ;
        dial(&fresh, &mesh.d[WF_TEST_SECURITY]); // a look that finds nobody says no more than none
        flooded += refusal_in(ask(&fresh, WF_BYTES(init))) == WEFT_E_FLOOD;
        hang_up(&fresh);
        dial(&member, &mesh.d[WF_TEST_NETWORK]);
    }
    ck_assert_uint_gt(flooded, 0);
    hang_up(&member);
    hang_up(&flood);
}
END_TEST

START_TEST(a_recorded_handshake_opens_nothing)
{
    struct client c;
    struct wf_session_conf own;
    struct wf_session_fresh fresh = { .now_unix_ms = WF_TEST_NOW - 1, .ephemeral = { 7 } };
    struct wf_session_dialing dialing;
    uint8_t init[WF_SESSION_INIT_LEN];

    dial(&c, &mesh.d[WF_TEST_SECURITY]);
    own = session_conf(&c);
    ck_assert_int_eq(wf_session_dial(&own, &node.keys.dh_pub, &fresh, &dialing, init), WEFT_OK);
    wf_session_dialing_fini(&dialing);
    ck_assert_int_eq(refusal_in(ask(&c, WF_BYTES(init))), WEFT_OK);
    ck_assert_int_eq(refusal_in(ask(&c, WF_BYTES(init))), WEFT_E_REFUSED);
    ck_assert_uint_eq(wf_sessions_count(node.control->sessions), 1);
    ck_assert_uint_eq(wf_sessions_half_open(node.control->sessions), 1);
    hang_up(&c);
}
END_TEST

START_TEST(one_connection_holds_no_more_than_its_sessions)
{
    struct client c;

    dial(&c, &mesh.d[WF_TEST_NETWORK]);
    for (unsigned i = 0; i < WF_SESSIONS_PER_PIPE; i++)
        ck_assert_int_eq(shake(&c), WEFT_OK);
    ck_assert_int_eq(shake(&c), WEFT_E_BUSY);
    hang_up(&c);
}
END_TEST

START_TEST(a_session_dies_with_its_pipe)
{
    struct client c, other;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_LEASE);
    uint64_t nonce = 0;

    come_in(&c, &mesh.d[WF_TEST_NETWORK]);
    struct wf_buf sealed = seal(&c, &q, &nonce);
    // The session's own bytes over another connection open nothing ...
    dial(&other, &mesh.d[WF_TEST_NETWORK]);
    ck_assert_int_eq(refusal_in(ask(&other, wf_buf_view(&sealed))), WEFT_E_SESSION);
    ck_assert_uint_eq(acted, 0);
    // ... and with its connection it is gone.
    hang_up(&c);
    UNTIL(wf_sessions_count(node.control->sessions) == 0);
    ck_assert_int_eq(refusal_in(ask(&other, wf_buf_view(&sealed))), WEFT_E_SESSION);
    wf_buf_fini(&sealed);
    hang_up(&other);
}
END_TEST

START_TEST(a_session_is_wiped_at_its_age)
{
    struct client c;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_LEASE);
    uint64_t nonce = 0;

    come_in(&c, &mesh.d[WF_TEST_NETWORK]);
    struct wf_buf sealed = seal(&c, &q, &nonce);
    wf_test_clock_skip(WF_SESSION_WIPE_MS);
    ck_assert_int_eq(refusal_in(ask(&c, wf_buf_view(&sealed))), WEFT_E_SESSION);
    ck_assert_uint_eq(wf_sessions_count(node.control->sessions), 0);
    ck_assert_uint_eq(acted, 0);
    wf_buf_fini(&sealed);
    // An idle one goes by itself.
    ck_assert_int_eq(shake(&c), WEFT_OK);
    wf_test_clock_skip(WF_SESSION_WIPE_MS);
    wf_loop_turn(node.loop, 0);
    wf_control_room.tick(&node);
    ck_assert_uint_eq(wf_sessions_count(node.control->sessions), 0);
    hang_up(&c);
}
END_TEST

// ---- requests --------------------------------------------------------------------------------------------------------

START_TEST(a_replayed_request_acts_once)
{
    struct client c;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_LEASE);
    uint64_t nonce = 0;

    come_in(&c, &mesh.d[WF_TEST_NETWORK]);
    struct wf_buf sealed = seal(&c, &q, &nonce);
    ck_assert_int_eq(refusal_in(ask(&c, wf_buf_view(&sealed))), WEFT_OK);
    ck_assert_int_eq(refusal_in(ask(&c, wf_buf_view(&sealed))), WEFT_E_REFUSED);
    ck_assert_uint_eq(acted, 1);
    wf_buf_fini(&sealed);
    hang_up(&c);
}
END_TEST

START_TEST(a_session_has_so_many_requests_in_flight)
{
    struct client c;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_STATUS);
    uint64_t nonce = 0;

    come_in(&c, &mesh.d[WF_TEST_NETWORK]);
    for (unsigned i = 0; i < WF_MAX_IN_FLIGHT; i++) {
        struct wf_buf sealed = seal(&c, &q, &nonce);
        post(&c, wf_buf_view(&sealed));
        wf_buf_fini(&sealed);
    }
    UNTIL(waiting_count == WF_MAX_IN_FLIGHT);
    ck_assert_int_eq(request(&c, &q), WEFT_E_BUSY);
    ck_assert_uint_eq(waiting_count, WF_MAX_IN_FLIGHT);
    let_go();
    q = request_of(WEFT__V1__REQUEST__KIND_LEASE);
    UNTIL(answers(&c) == WF_MAX_IN_FLIGHT + 3);
    ck_assert_int_eq(request(&c, &q), WEFT_OK);
    hang_up(&c);
}
END_TEST

// What a stranger may try in its session, and must not tell apart.
enum { NO_HELLO, NO_CERTIFICATE, RUBBISH, ANOTHERS_CHAIN, NO_REQUEST, UNKNOWN };
static const struct stranger {
    const char *why;
    int what;
} strangers[] = {
    { "asks without a hello", NO_HELLO },
    { "has no certificate and asks what members may", NO_CERTIFICATE },
    { "shows bytes that are no chain", RUBBISH },
    { "shows the chain of another key", ANOTHERS_CHAIN },
    { "sends what is no request", NO_REQUEST },
    { "asks what nobody answers here", UNKNOWN },
};

static Weft__V1__Request strange(int what, Weft__V1__Hello *hello)
{
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_LEASE);

    weft__v1__hello__init(hello);
    if (what != NO_HELLO)
        q.hello = hello;
    if (what == RUBBISH)
        hello->chain = wf_pb_bin(wf_bytes_str("rubbish"));
    if (what == ANOTHERS_CHAIN)
        hello->chain = wf_pb_bin(wf_buf_view(&mesh.d[WF_TEST_SECURITY].node_chain));
    if (what == UNKNOWN) {
        static Weft__V1__CallStatusRequest none;
        weft__v1__call_status_request__init(&none);
        q.kind_case = WEFT__V1__REQUEST__KIND_CALL_STATUS;
        q.call_status = &none;
    }
    return q;
}

// ---- large answers ---------------------------------------------------------------------------------------------------

static atomic_bool gate;

static void block(struct wf_job *j)
{
    (void)j;
    while (!atomic_load(&gate))
        usleep(1000);
}

static void unblocked(struct wf_job *j, enum weft_err err)
{
    (void)err;
    free(j);
}

static void block_all(void)
{
    struct wf_pool_stats s;

    atomic_store(&gate, false);
    wf_pool_get_stats(node.pool, &s);
    for (unsigned i = 0; i < s.workers; i++) {
        struct wf_job *j = calloc(1, sizeof *j);
        ck_assert_ptr_nonnull(j);
        *j = (struct wf_job){ .work = block, .done = unblocked, .class = WF_MAIL_LIVE };
        ck_assert_int_eq(wf_pool_submit(node.pool, j), WEFT_OK);
    }
}

static void answered_long_since(struct wf_call *c, void *arg)
{
    (void)c, (void)arg;
    ck_abort_msg("a handler was told of the end of a call that it had answered");
}

// Asks, and has the node answer with a page of that size. What was sealed, for later; the nonce of its request.
static struct wf_buf ask_for_page(struct client *c, size_t len, uint64_t *nonce)
{
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_STATUS);
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__StatusReply page = WEFT__V1__STATUS_REPLY__INIT;
    struct wf_buf sealed = seal(c, &q, nonce), text = { 0 };

    ck_assert_int_eq(wf_buf_reserve(&text, len + 1), WEFT_OK);
    memset(text.ptr, 'x', len);
    text.ptr[len] = '\0';
    page.version = (char *)text.ptr;
    reply.kind_case = WEFT__V1__REPLY__KIND_STATUS;
    reply.status = &page;
    size_t before = waiting_count;
    post(c, wf_buf_view(&sealed));
    UNTIL(waiting_count > before);
    waiting[--waiting_count]->on_gone = answered_long_since;
    wf_call_reply(waiting[waiting_count], &reply);
    wf_buf_fini(&text);
    return sealed;
}

START_TEST(a_large_answer_is_sealed_beside_the_loop_which_goes_on_answering)
{
    struct client reader, other;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_LEASE);
    struct wf_buf plain = { 0 };
    uint64_t nonce = 0;

    ck_assert_int_eq(wf_pool_new(node.loop, NULL, &node.pool), WEFT_OK);
    come_in(&reader, &mesh.d[WF_TEST_NETWORK]);
    come_in(&other, &mesh.d[WF_TEST_SECURITY]);
    block_all(); // a sealing that does not end
    unsigned before = answers(&reader);
    struct wf_buf sealed = ask_for_page(&reader, 900000, &nonce);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(request(&other, &q), WEFT_OK);
    ck_assert_uint_eq(answers(&reader), before);
    atomic_store(&gate, true);
    UNTIL(answers(&reader) > before);
    ck_assert_int_eq(wf_session_open_reply(&reader.session, nonce, wf_buf_view(&reader.answer),
                         wf_loop_now_ms(node.loop), &plain),
        WEFT_OK);
    ck_assert_uint_gt(plain.len, 900000);
    ck_assert_int_eq(request(&reader, &q), WEFT_OK); // the session is as before
    wf_pool_free(node.pool);
    wf_buf_fini(&plain);
    wf_buf_fini(&sealed);
    hang_up(&reader);
    hang_up(&other);
}
END_TEST

START_TEST(a_large_answer_to_who_went_away_ends_without_one)
{
    struct client reader, other;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_LEASE);
    uint64_t nonce = 0;

    ck_assert_int_eq(wf_pool_new(node.loop, NULL, &node.pool), WEFT_OK);
    come_in(&reader, &mesh.d[WF_TEST_NETWORK]);
    block_all();
    struct wf_buf sealed = ask_for_page(&reader, 900000, &nonce);
    hang_up(&reader);
    UNTIL(wf_sessions_count(node.control->sessions) == 0);
    ck_assert_ptr_nonnull(node.control->calls); // a worker still has it
    ck_assert_uint_ge(pipes_gone, 1);           // who holds leases was told
    atomic_store(&gate, true);
    UNTIL(!node.control->calls);
    come_in(&other, &mesh.d[WF_TEST_SECURITY]);
    ck_assert_int_eq(request(&other, &q), WEFT_OK);
    wf_pool_free(node.pool);
    wf_buf_fini(&sealed);
    hang_up(&other);
}
END_TEST

START_TEST(what_was_answered_goes_out_though_the_node_stops)
{
    struct client reader;
    uint64_t nonce = 0;

    ck_assert_int_eq(wf_pool_new(node.loop, NULL, &node.pool), WEFT_OK);
    come_in(&reader, &mesh.d[WF_TEST_NETWORK]);
    block_all();
    unsigned before = answers(&reader);
    struct wf_buf sealed = ask_for_page(&reader, 900000, &nonce);
    atomic_store(&gate, true);
    wf_pool_stop(node.pool);
    ck_assert_ptr_null(node.control->calls);
    UNTIL(answers(&reader) > before);
    ck_assert_uint_gt(reader.answer.len, 900000);
    wf_pool_free(node.pool);
    wf_buf_fini(&sealed);
    hang_up(&reader);
}
END_TEST

START_TEST(strangers_get_one_refusal_of_one_size)
{
    struct client c;
    Weft__V1__Hello hello;
    size_t first = 0;

    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        Weft__V1__Request q = strange(strangers[i].what, &hello);
        uint64_t nonce = 0;
        dial(&c, &mesh.d[WF_TEST_NETWORK]);
        ck_assert_int_eq(shake(&c), WEFT_OK);
        struct wf_buf sealed = { 0 }, plain = { 0 };
        if (strangers[i].what == NO_REQUEST)
            ck_assert_int_eq(wf_session_seal_request(&c.session, wf_loop_now_ms(node.loop),
                                 wf_bytes_str("\xff\xff"), &sealed, &nonce),
                WEFT_OK);
        else
            sealed = seal(&c, &q, &nonce);
        struct wf_bytes answer = ask(&c, wf_buf_view(&sealed));
        ck_assert_msg(refusal_in(answer) == WEFT_OK, "%s", strangers[i].why);
        ck_assert_int_eq(
            wf_session_open_reply(&c.session, nonce, answer, wf_loop_now_ms(node.loop), &plain),
            WEFT_OK);
        // Equal plaintexts are equal codes, texts, and sizes on the wire; a hello that was taken is answered with the refusal.
        if (strangers[i].what != NO_CERTIFICATE && strangers[i].what != UNKNOWN) {
            first = first ? first : answer.len;
            ck_assert_msg(answer.len == first, "%s", strangers[i].why);
        }
        ck_assert_msg(memmem(plain.ptr, plain.len, "refused", 7) != NULL, "%s", strangers[i].why);
        ck_assert_ptr_null(memmem(plain.ptr, plain.len, "audit", 5));
        wf_buf_fini(&plain);
        wf_buf_fini(&sealed);
        hang_up(&c);
    }
    ck_assert_uint_eq(acted, 0);
}
END_TEST

// Its certificate was proven, so it is no stranger: a host that was taken out can say why it is alone.
START_TEST(a_revoked_key_is_told_so_and_gets_no_session)
{
    struct client c;

    dial(&c, &mesh.d[WF_TEST_NETWORK]);
    ck_assert_int_eq(shake(&c), WEFT_OK);
    revoked = true;
    ck_assert_int_eq(
        say_hello(&c, wf_buf_view(&mesh.d[WF_TEST_NETWORK].node_chain)), WEFT_E_REVOKED);
    ck_assert_uint_eq(wf_sessions_count(node.control->sessions), 0);
    revoked = false;
    hang_up(&c);
}
END_TEST

START_TEST(a_failed_hello_costs_the_session)
{
    struct client c;

    dial(&c, &mesh.d[WF_TEST_NETWORK]);
    ck_assert_int_eq(shake(&c), WEFT_OK);
    ck_assert_int_eq(say_hello(&c, wf_bytes_str("rubbish")), WEFT_E_REFUSED);
    ck_assert_uint_eq(wf_sessions_count(node.control->sessions), 0);
    ck_assert_int_eq(
        say_hello(&c, wf_buf_view(&mesh.d[WF_TEST_NETWORK].node_chain)), WEFT_E_SESSION);
    hang_up(&c);
}
END_TEST

START_TEST(a_domain_beyond_its_share_is_told_busy)
{
    struct client c;
    struct wf_live_session *s = NULL;

    for (uint32_t i = 0; i < WF_SESSIONS_PER_DOMAIN; i++) {
        struct wf_session fake = { .id = wf_sessions_fresh_id(node.control->sessions) };
        ck_assert_int_eq(wf_sessions_add(node.control->sessions, &fake, 1u << 30 | i, &s), WEFT_OK);
        ck_assert_int_eq(wf_sessions_greet(node.control->sessions, s, "network", false), WEFT_OK);
        s->caller.has_identity = true;
        s->caller.identity.cert.domain = (struct wf_name){ "network" };
    }
    dial(&c, &mesh.d[WF_TEST_NETWORK]);
    ck_assert_int_eq(shake(&c), WEFT_OK);
    ck_assert_int_eq(say_hello(&c, wf_buf_view(&mesh.d[WF_TEST_NETWORK].node_chain)), WEFT_E_BUSY);
    hang_up(&c);
    come_in(&c, &mesh.d[WF_TEST_SECURITY]);
    hang_up(&c);
}
END_TEST

START_TEST(a_dropped_key_loses_its_sessions_at_once_and_no_other)
{
    struct client c, other;

    come_in(&c, &mesh.d[WF_TEST_NETWORK]);
    come_in(&other, &mesh.d[WF_TEST_SECURITY]);
    ck_assert_uint_eq(wf_sessions_count(node.control->sessions), 2);
    wf_control_drop(&node, &mesh.d[WF_TEST_NETWORK].node_pub);
    UNTIL(wf_sessions_count(node.control->sessions) == 1);
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_LEASE);
    ck_assert_int_eq(request(&other, &q), WEFT_OK);
    hang_up(&c);
    hang_up(&other);
}
END_TEST

START_TEST(another_domain_may_not_ask_what_only_its_own_may)
{
    struct client c;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_RENEW);

    come_in(&c, &mesh.d[WF_TEST_NETWORK]);
    ck_assert_int_eq(request(&c, &q), WEFT_E_WRONG_DOMAIN);
    hang_up(&c);
    come_in(&c, &mesh.d[WF_TEST_SERVERS]);
    ck_assert_int_eq(request(&c, &q), WEFT_E_MISSING_FIELD); // it changes things and has no key
    q.idempotency = wf_pb_bin(wf_bytes("0123456789abcdef", 16));
    ck_assert_int_eq(request(&c, &q), WEFT_OK);
    ck_assert_int_eq(request(&c, &q), WEFT_OK);
    ck_assert_uint_eq(acted, 1);
    q.deadline_ms = 5;
    ck_assert_int_eq(request(&c, &q), WEFT_E_IDEMPOTENCY);
    hang_up(&c);
}
END_TEST

// Over the local socket: no session, the kernel says who asks.
static enum weft_err ask_locally(Weft__V1__Request__KindCase kind)
{
    struct client c;
    Weft__V1__Request q = request_of(kind);
    struct wf_buf plain = { 0 };
    struct wf_arena arena;
    Weft__V1__Reply *reply = NULL;
    char address[300];

    snprintf(address, sizeof address, "ipc:%s", conf.socket);
    dial_to(&c, &mesh.d[WF_TEST_SERVERS], address);
    ck_assert_int_eq(wf_pb_pack(&q, &plain), WEFT_OK);
    struct wf_bytes answer = ask(&c, wf_buf_view(&plain));
    wf_arena_init(&arena, WF_MIB);
    ck_assert_int_eq(
        wf_pb_unpack(&weft__v1__reply__descriptor, answer, WF_PB_STRICT, &arena, &reply), WEFT_OK);
    enum weft_err err = reply->refusal ? (enum weft_err)reply->refusal->code : WEFT_OK;
    wf_arena_fini(&arena);
    wf_buf_fini(&plain);
    hang_up(&c);
    return err;
}

START_TEST(a_local_user_may_what_its_line_says)
{
    struct wf_conf_local line = { .user = "me", .uid = (uint32_t)getuid(), .has_uid = true };

    ck_assert_int_eq(
        ask_locally(WEFT__V1__REQUEST__KIND_LEASE), WEFT_OK); // no line: the owner may all
    ck_assert_int_eq(ask_locally(WEFT__V1__REQUEST__KIND_AGENTS), WEFT_OK);
    conf.local.items = &line;
    conf.local.count = 1;
    line.may = WF_MAY_SUBSCRIBE;
    ck_assert_int_eq(ask_locally(WEFT__V1__REQUEST__KIND_LEASE), WEFT_OK);
    ck_assert_int_eq(ask_locally(WEFT__V1__REQUEST__KIND_AGENTS), WEFT_E_PERMISSION);
    line.uid++;
    ck_assert_int_eq(ask_locally(WEFT__V1__REQUEST__KIND_LEASE), WEFT_E_PERMISSION);
    // What only local users may ask no member may, whatever its certificate.
    struct client c;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_AGENTS);
    come_in(&c, &mesh.d[WF_TEST_SERVERS]);
    ck_assert_int_eq(request(&c, &q), WEFT_E_KIND);
    hang_up(&c);
}
END_TEST

START_TEST(an_expired_certificate_may_only_renew)
{
    struct client c;
    Weft__V1__Request q = request_of(WEFT__V1__REQUEST__KIND_LEASE);

    wf_test_clock_skip(8 * WF_TEST_DAY);
    come_in(&c, &mesh.d[WF_TEST_SERVERS]);
    ck_assert_int_eq(request(&c, &q), WEFT_E_EXPIRED);
    q = request_of(WEFT__V1__REQUEST__KIND_RENEW);
    q.idempotency = wf_pb_bin(wf_bytes("0123456789abcdef", 16));
    ck_assert_int_eq(request(&c, &q), WEFT_OK);
    hang_up(&c);
    wf_test_clock_skip(30 * WF_TEST_DAY);
    dial(&c, &mesh.d[WF_TEST_SERVERS]);
    ck_assert_int_eq(shake(&c), WEFT_OK);
    ck_assert_int_eq(
        say_hello(&c, wf_buf_view(&mesh.d[WF_TEST_SERVERS].node_chain)), WEFT_E_REFUSED);
    hang_up(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("control");
    TCase *c = tcase_create("order of work");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_member_is_greeted_and_served);
    tcase_add_test(c, a_wrong_mac1_ends_the_connection_unanswered);
    tcase_add_test(c, an_address_that_knocks_too_often_is_refused_before_any_agreement);
    tcase_add_test(c, a_member_comes_in_though_strangers_knock_at_its_address_without_end);
    tcase_add_test(c, a_recorded_handshake_opens_nothing);
    tcase_add_test(c, one_connection_holds_no_more_than_its_sessions);
    tcase_add_test(c, a_session_dies_with_its_pipe);
    tcase_add_test(c, a_session_is_wiped_at_its_age);
    tcase_add_test(c, a_replayed_request_acts_once);
    tcase_add_test(c, a_session_has_so_many_requests_in_flight);
    tcase_add_test(c, a_large_answer_is_sealed_beside_the_loop_which_goes_on_answering);
    tcase_add_test(c, a_large_answer_to_who_went_away_ends_without_one);
    tcase_add_test(c, what_was_answered_goes_out_though_the_node_stops);
    tcase_add_test(c, strangers_get_one_refusal_of_one_size);
    tcase_add_test(c, a_revoked_key_is_told_so_and_gets_no_session);
    tcase_add_test(c, a_failed_hello_costs_the_session);
    tcase_add_test(c, a_domain_beyond_its_share_is_told_busy);
    tcase_add_test(c, a_dropped_key_loses_its_sessions_at_once_and_no_other);
    tcase_add_test(c, another_domain_may_not_ask_what_only_its_own_may);
    tcase_add_test(c, a_local_user_may_what_its_line_says);
    tcase_add_test(c, an_expired_certificate_may_only_renew);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
