// SPDX-License-Identifier: Apache-2.0
// The local socket at its client: deadlines, servers that go, are mute, lie or do not accept.
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/sdk/local_support.h"
#include "tests/support/clock.h"
#include "tests/support/support.h"

// ---- the client's ends -------------------------------------------------------------------------------------------------------

START_TEST(nobody_there_is_told_after_the_call)
{
    dial((struct wf_local_peer_conf){ 0 });
    ck_assert(inbox_is_empty(&at_peer));
    ck_assert_int_eq(wf_local_peer_send(peer, 1, msg_of("to nobody"), LONG_MS), WEFT_E_UNREACHABLE);
    down_is(&at_peer, WEFT_E_UNREACHABLE);
}
END_TEST

static void count_back(void *arg)
{
    ++*(unsigned *)arg;
}

static struct wf_buf counting(size_t len)
{
    struct wf_buf b = { 0 };

    ck_assert_int_eq(wf_buf_reserve(&b, len), WEFT_OK);
    for (; b.len < len; b.len++)
        b.ptr[b.len] = (uint8_t)(b.len % 251);
    return b;
}

// Longer than a socket's buffer, so that it goes in pieces; then of lengths whose memory comes round at the server.
START_TEST(lent_bytes_go_in_the_midst_of_a_message_and_come_back_once)
{
    const size_t lens[] = { 900000, 400000, 100000, 300000, 500 };
    struct wf_buf large = counting(lens[0]);
    unsigned back = 0;

    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    for (unsigned i = 0; i < WF_COUNT(lens); i++) {
        struct wf_net_lent lent = {
            .bytes = wf_bytes(large.ptr + i, lens[i] - i), .at = 2, .back = count_back, .arg = &back
        };
        ck_assert_int_eq(wf_local_peer_send_how(
                             peer, i, msg_of("abcd"), &(struct wf_local_how){ &lent, LONG_MS, 0 }),
            WEFT_OK);
        struct wf_net_event ev = next(&at_server);
        struct wf_bytes got = wf_net_request_bytes(ev.request);
        ck_assert_uint_eq(back, i + 1);
        ck_assert_uint_eq(got.len, lent.bytes.len + 4);
        ck_assert(memcmp(got.ptr, "ab", 2) == 0 && memcmp(got.ptr + got.len - 2, "cd", 2) == 0);
        ck_assert(wf_bytes_eq(wf_bytes(got.ptr + 2, got.len - 4), lent.bytes));
        wf_net_reply(ev.request, msg_of("ok"));
        reply_is(i, WEFT_OK, "ok");
    }
    wf_buf_fini(&large);
}
END_TEST

// A server that takes nothing, and one that is not there: what was not sent comes back as well.
START_TEST(lent_bytes_come_back_from_a_connection_that_ends)
{
    struct wf_buf large = counting(3000000);
    unsigned back = 0;
    struct wf_net_lent lent = { .bytes = wf_buf_view(&large), .back = count_back, .arg = &back };
    int listener = raw_listener();

    dial((struct wf_local_peer_conf){ .in_flight = 2 });
    for (uint64_t tag = 0; tag < 2; tag++)
        ck_assert_int_eq(wf_local_peer_send_how(
                             peer, tag, msg_of(""), &(struct wf_local_how){ &lent, LONG_MS, 0 }),
            WEFT_OK);
    turn_a_while();
    ck_assert_uint_eq(back, 0);
    ck_assert_int_eq(
        wf_local_peer_send_how(peer, 2, msg_of(""), &(struct wf_local_how){ &lent, LONG_MS, 0 }),
        WEFT_E_BUSY);
    ck_assert_uint_eq(back, 1);
    wf_local_peer_free(peer);
    peer = NULL;
    ck_assert_uint_eq(back, 3);
    reply_is(0, WEFT_E_CANCELLED, NULL);
    reply_is(1, WEFT_E_CANCELLED, NULL);
    down_is(&at_peer, WEFT_E_CANCELLED);
    close(listener);
    wf_buf_fini(&large);
}
END_TEST

START_TEST(a_server_that_goes_ends_every_request_and_then_the_connection)
{
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "a");
    ask(2, "b");
    struct wf_net_request *a = request_next("a"), *b = request_next("b");
    wf_local_free(server);
    server = NULL;
    reply_is(1, WEFT_E_CLOSED, NULL);
    reply_is(2, WEFT_E_CLOSED, NULL);
    down_is(&at_peer, WEFT_E_CLOSED);
    ck_assert_int_eq(wf_local_peer_send(peer, 3, msg_of("late"), LONG_MS), WEFT_E_CLOSED);
    wf_net_reply(a, msg_of("into the void")); // the server is gone: no crash, no leak
    wf_net_drop(b, true);
    turn_a_while();
    ck_assert(inbox_is_empty(&at_peer));
}
END_TEST

// ---- patience --------------------------------------------------------------------------------------------------------------

static void ask_patiently(uint64_t tag, const char *text, int64_t patience_ms)
{
    const struct wf_local_how how = { NULL, LONG_MS, (uint32_t)(patience_ms * 1000) };

    ck_assert_int_eq(wf_local_peer_send_how(peer, tag, msg_of(text), &how), WEFT_OK);
}

static void answer_next(const char *text)
{
    wf_net_reply(request_next(text), msg_of("ok"));
}

START_TEST(an_answer_lies_unread_as_long_as_there_is_patience)
{
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    for (uint64_t tag = 0; tag < 3; tag++) {
        ask_patiently(tag, "a", 20000);
        ask_patiently(tag + 10, "b", 30000); // read with the first: it is there
        answer_next("a");
        answer_next("b");
        turn_a_while();
        ck_assert(inbox_is_empty(&at_peer));
        wf_test_clock_skip(20000);
        reply_is(tag, WEFT_OK, "ok");
        reply_is(tag + 10, WEFT_OK, "ok");
    }
}
END_TEST

START_TEST(patience_ends_with_a_request_that_has_none)
{
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    ask_patiently(1, "a", 20000);
    answer_next("a");
    turn_a_while();
    ck_assert(inbox_is_empty(&at_peer));
    ask(2, "b");
    reply_is(1, WEFT_OK, "ok");
    answer_next("b");
    reply_is(2, WEFT_OK, "ok");
    ask_patiently(3, "c", 20000);
    answer_next("c");
    turn_a_while();
    ck_assert(inbox_is_empty(&at_peer));
    wf_local_peer_hurry(peer);
    reply_is(3, WEFT_OK, "ok");
}
END_TEST

static size_t timers_set(void)
{
    struct wf_loop_stats stats;

    wf_loop_get_stats(loop, &stats);
    return stats.timers;
}

START_TEST(an_answer_that_patience_did_not_see_is_read_as_it_comes)
{
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    ask(9, "quick");
    answer_next("quick");
    reply_is(9, WEFT_OK, "ok");
    size_t timers = timers_set();
    ask_patiently(1, "a", 2000);
    struct wf_net_request *a = request_next("a");
    wf_test_clock_skip(2000);
    turn_a_while();
    ck_assert(inbox_is_empty(&at_peer));
    ck_assert_uint_eq(timers_set(), timers); // nor is it looked for again and again
    ask_patiently(2, "b", 20000);
    wf_net_reply(a, msg_of("ok"));
    reply_is(1, WEFT_OK, "ok");
    answer_next("b");
    turn_a_while();
    ck_assert(inbox_is_empty(&at_peer));
    wf_test_clock_skip(20000);
    reply_is(2, WEFT_OK, "ok");
}
END_TEST

START_TEST(a_server_that_goes_is_noticed_with_patience_too)
{
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    ask_patiently(1, "a", 20000);
    ask_patiently(2, "b", 20000);
    answer_next("a");
    struct wf_net_request *b = request_next("b");
    turn_a_while();
    ck_assert(inbox_is_empty(&at_peer));
    wf_local_free(server);
    server = NULL;
    reply_is(1, WEFT_OK, "ok"); // what came before its end counts
    reply_is(2, WEFT_E_CLOSED, NULL);
    down_is(&at_peer, WEFT_E_CLOSED);
    wf_net_drop(b, false);
}
END_TEST

START_TEST(a_late_answer_finds_nobody_and_ends_nothing)
{
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    ck_assert_int_eq(wf_local_peer_send(peer, 1, msg_of("slow"), 1000), WEFT_OK);
    struct wf_net_request *slow = request_next("slow");
    ask(2, "quick");
    wf_test_clock_skip(10); // heard of since the slow one began
    wf_loop_turn(loop, 0);
    wf_net_reply(request_next("quick"), msg_of("ok"));
    reply_is(2, WEFT_OK, "ok");
    wf_test_clock_skip(1000);
    reply_is(1, WEFT_E_TIMEOUT, NULL);
    wf_net_reply(slow, msg_of("too late"));
    ask(3, "again");
    wf_net_reply(request_next("again"), msg_of("fine"));
    reply_is(3, WEFT_OK, "fine");
}
END_TEST

START_TEST(a_mute_server_is_given_up)
{
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    wf_test_clock_skip(10);
    wf_loop_turn(loop, 0);
    ck_assert_int_eq(wf_local_peer_send(peer, 1, msg_of("a"), 1000), WEFT_OK);
    ask(2, "b");
    wf_net_drop(request_next("a"), false);
    wf_net_drop(request_next("b"), false);
    wf_test_clock_skip(1001);
    reply_is(1, WEFT_E_TIMEOUT, NULL);
    reply_is(2, WEFT_E_TIMEOUT, NULL);
    down_is(&at_peer, WEFT_E_TIMEOUT);
    until_pipes(0);
}
END_TEST

START_TEST(who_frees_it_gets_every_request_back)
{
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ .in_flight = 2 });
    ask(1, "a");
    ask(2, "b");
    ck_assert_int_eq(wf_local_peer_send(peer, 3, msg_of("c"), LONG_MS), WEFT_E_BUSY);
    wf_local_peer_free(peer);
    peer = NULL;
    reply_is(1, WEFT_E_CANCELLED, NULL);
    reply_is(2, WEFT_E_CANCELLED, NULL);
    down_is(&at_peer, WEFT_E_CANCELLED);
}
END_TEST

// A table of what a wrong server may say after a greeting of its own.
static const struct {
    const char *why, *hex;
    enum weft_err err;
} lies[] = {
    { "not this protocol", "48545450 2f312e31", WEFT_E_PROTOCOL },
    { "a requester, as we are", "0053500000300000", WEFT_E_PROTOCOL },
    { "no message of NNG's", "0053500000310000 02 0000000000000005 80000080 61", WEFT_E_PROTOCOL },
    { "too short for a request's id", "0053500000310000 01 0000000000000003 800000", WEFT_OK },
    { "too short, told with the rest", "0053500000310000 01 0000000000000003 80000080 61",
        WEFT_E_PROTOCOL },
    { "an id that is none", "0053500000310000 01 0000000000000005 00000080 61", WEFT_E_PROTOCOL },
    { "an answer that nobody asked for", "0053500000310000 01 0000000000000005 80000079 61",
        WEFT_E_PROTOCOL },
    { "a slot beyond all", "0053500000310000 01 0000000000000005 8000007f 61", WEFT_E_PROTOCOL },
    { "larger than what is taken", "0053500000310000 01 0000000000100005 80000080 61",
        WEFT_E_TOO_BIG },
    { "as large as a length can be", "0053500000310000 01 ffffffffffffffff 80000080 61",
        WEFT_E_TOO_BIG },
};

START_TEST(a_server_that_lies_is_left)
{
    struct wf_buf bytes = wf_test_hex(lies[_i].hex);
    int fd = raw_listener();

    dial((struct wf_local_peer_conf){ 0 });
    ask(5, "hello");
    int conn = accept(fd, NULL, NULL);
    ck_assert_int_eq(send(conn, bytes.ptr, bytes.len, 0), (ssize_t)bytes.len);
    turn_a_while();
    if (lies[_i].err) {
        reply_is(5, lies[_i].err, NULL);
        down_is(&at_peer, lies[_i].err);
    } else {
        ck_assert_msg(inbox_is_empty(&at_peer), "%s", lies[_i].why);
    }
    close(conn);
    close(fd);
    wf_buf_fini(&bytes);
}
END_TEST

// Whoever listens but does not accept fills the queue of the kernel: tried again until connect_ms are over.
START_TEST(a_server_that_does_not_accept_is_tried_for_a_while)
{
    int fd = raw_listener(), others[64];
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    unsigned n = 0;

    snprintf(at.sun_path, sizeof at.sun_path, "%s", where + 4);
    for (; n < WF_COUNT(others); n++) {
        others[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(others[n], (struct sockaddr *)&at, sizeof at) != 0)
            break;
    }
    ck_assert_int_eq(errno, EAGAIN);
    close(others[n]);
    dial((struct wf_local_peer_conf){ .connect_ms = 1000 });
    ask(1, "waits");
    turn_a_while();
    ck_assert(inbox_is_empty(&at_peer));
    wf_test_clock_skip(1100);
    reply_is(1, WEFT_E_UNREACHABLE, NULL);
    down_is(&at_peer, WEFT_E_UNREACHABLE);
    while (n)
        close(others[--n]);
    close(fd);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sdk.local_peer");
    TCase *t = tcase_create("sdk.local_peer");

    tcase_add_checked_fixture(t, local_set_up, local_tear_down);
    tcase_add_test(t, nobody_there_is_told_after_the_call);
    tcase_add_test(t, lent_bytes_go_in_the_midst_of_a_message_and_come_back_once);
    tcase_add_test(t, lent_bytes_come_back_from_a_connection_that_ends);
    tcase_add_test(t, a_server_that_goes_ends_every_request_and_then_the_connection);
    tcase_add_test(t, an_answer_lies_unread_as_long_as_there_is_patience);
    tcase_add_test(t, patience_ends_with_a_request_that_has_none);
    tcase_add_test(t, an_answer_that_patience_did_not_see_is_read_as_it_comes);
    tcase_add_test(t, a_server_that_goes_is_noticed_with_patience_too);
    tcase_add_test(t, a_late_answer_finds_nobody_and_ends_nothing);
    tcase_add_test(t, a_mute_server_is_given_up);
    tcase_add_test(t, who_frees_it_gets_every_request_back);
    tcase_add_loop_test(t, a_server_that_lies_is_left, 0, WF_COUNT(lies));
    tcase_add_test(t, a_server_that_does_not_accept_is_tried_for_a_while);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());

    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
