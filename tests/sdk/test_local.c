// SPDX-License-Identifier: Apache-2.0
// The local socket at its server: the bytes of NNG either way, shares, idle and stuck connections, hostile bytes, no descriptors.
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/sdk/local_support.h"
#include "tests/support/clock.h"
#include "tests/support/support.h"

// ---- requests and answers ----------------------------------------------------------------------------------------------------

START_TEST(requests_come_in_the_order_of_their_sending_and_answers_in_any)
{
    enum { N = WF_MAX_IN_FLIGHT };
    struct wf_net_request *q[N];
    char text[16];

    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "ask %d", i);
        ask((uint64_t)i + 100, text);
    }
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "ask %d", i);
        q[i] = request_next(text);
        ck_assert(wf_net_request_first(q[i]) == (i == 0));
        ck_assert_int_eq(wf_net_request_addr(q[i])->family, WF_NET_LOCAL);
        ck_assert_uint_eq(wf_net_request_addr(q[i])->uid, getuid());
        ck_assert_uint_eq(wf_net_request_pipe(q[i]), wf_net_request_pipe(q[0]));
    }
    for (int i = N - 1; i >= 0; i--) {
        snprintf(text, sizeof text, "answer %d", i);
        wf_net_reply(q[i], msg_of(text));
        reply_is((uint64_t)i + 100, WEFT_OK, text);
    }
}
END_TEST

// Larger than what the socket takes at once, in both directions, and as small as can be.
START_TEST(messages_of_any_size_arrive_as_they_were)
{
    static const size_t sizes[] = { 0, 1, 4096, 65536, 262144, WF_MAX_CONTROL };
    struct wf_net_msg *m = NULL;
    uint64_t seed = 11;

    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    for (size_t i = 0; i < WF_COUNT(sizes); i++) {
        uint8_t *bytes = malloc(sizes[i] + 1);
        wf_test_rand_bytes(&seed, bytes, sizes[i] + 1);
        ck_assert_int_eq(wf_net_msg_from(wf_bytes(bytes, sizes[i]), &m), WEFT_OK);
        ck_assert_int_eq(wf_local_peer_send(peer, i, m, LONG_MS), WEFT_OK);
        struct wf_net_request *q = next(&at_server).request;
        ck_assert(wf_bytes_eq(wf_net_request_bytes(q), wf_bytes(bytes, sizes[i])));
        ck_assert_int_eq(wf_net_msg_from(wf_net_request_bytes(q), &m), WEFT_OK);
        wf_net_reply(q, m);
        struct wf_net_event e = next(&at_peer);
        ck_assert_int_eq(e.err, WEFT_OK);
        ck_assert(wf_bytes_eq(wf_net_msg_view(e.msg), wf_bytes(bytes, sizes[i])));
        wf_net_msg_free(e.msg);
        free(bytes);
    }
}
END_TEST

START_TEST(a_client_of_nng_is_served)
{
    struct wf_net *net = net_start(NULL);

    serve((struct wf_local_conf){ 0 });
    struct wf_net_peer *p = peer_to(net, &at_peer, where);
    ck_assert_int_eq(wf_net_peer_send(p, 7, msg_of("from nng"), LONG_MS), WEFT_OK);
    wf_net_reply(request_next("from nng"), msg_of("to nng"));
    for (struct wf_net_event e = next(&at_peer);; e = next(&at_peer)) {
        if (e.what != WF_NET_REPLY)
            continue;
        ck_assert_int_eq(e.err, WEFT_OK);
        ck_assert(wf_bytes_is(wf_net_msg_view(e.msg), "to nng"));
        wf_net_msg_free(e.msg);
        break;
    }
    wf_net_peer_free(p);
    down_is(&at_server, WEFT_OK);
    net_finish(net);
}
END_TEST

START_TEST(a_server_of_nng_answers)
{
    struct wf_net *net = net_start(NULL);
    struct echo e;

    echo_start(&e, net, NULL, where);
    dial((struct wf_local_peer_conf){ 0 });
    for (uint64_t i = 0; i < 300; i++) { // more than there are slots
        ask(i, "echo");
        reply_is(i, WEFT_OK, "echo");
    }
    wf_local_peer_free(peer);
    peer = NULL;
    echo_stop(&e);
    net_finish(net);
}
END_TEST

// ---- the server's door ---------------------------------------------------------------------------------------------------------

START_TEST(the_socket_is_made_and_taken_away)
{
    struct wf_local *other = NULL;
    struct wf_local_conf conf = { .loop = loop, .post = inbox_post, .arg = &at_server };
    struct stat st;

    serve((struct wf_local_conf){ 0 });
    ck_assert_int_eq(stat(where + 4, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(wf_local_new(&conf, &other), WEFT_OK);
    ck_assert_msg(wf_local_listen(other, where, 0666) == WEFT_E_IN_USE, "somebody listens there");
    ck_assert_int_eq(wf_local_listen(other, "ipc:/no/such/dir/s", 0600), WEFT_E_NOT_FOUND);
    ck_assert_int_eq(wf_local_listen(other, "127.0.0.1:4000", 0600), WEFT_E_SYNTAX);
    wf_local_free(server);
    server = NULL;
    ck_assert_int_ne(stat(where + 4, &st), 0);
    ck_assert_int_eq(wf_local_listen(other, where, 0666), WEFT_OK);
    ck_assert_int_eq(stat(where + 4, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0666);
    wf_local_free(other);
}
END_TEST

START_TEST(what_a_killed_server_left_is_replaced_and_nothing_else)
{
    FILE *f;

    close(raw_listener()); // the file stays
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "a");
    wf_net_reply(request_next("a"), msg_of("b"));
    reply_is(1, WEFT_OK, "b");
    wf_local_free(server);
    server = NULL;
    f = fopen(where + 4, "w");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    struct wf_local_conf conf = { .loop = loop, .post = inbox_post, .arg = &at_server };
    ck_assert_int_eq(wf_local_new(&conf, &server), WEFT_OK);
    ck_assert_int_eq(wf_local_listen(server, where, 0600), WEFT_E_IN_USE);
    ck_assert_int_eq(access(where + 4, F_OK), 0);
}
END_TEST

// ---- connections ---------------------------------------------------------------------------------------------------------------

static const struct {
    const char *why, *hex;
} rubbish[] = {
    { "not this protocol", "47455420 2f204854" },
    { "a replier, as we are", "0053500000310000" },
    { "another version", "0053500100300000" },
    { "no message of NNG's", "0053500000300000 03 0000000000000005 80000001 61" },
    { "too short for a request's id", "0053500000300000 01 0000000000000000 80000001" },
    { "an id that is none", "0053500000300000 01 0000000000000005 7fffffff 61" },
    { "larger than what is taken", "0053500000300000 01 0000000000100005 80000001" },
    { "as large as a length can be", "0053500000300000 01 ffffffffffffffff 80000001" },
};

START_TEST(rubbish_ends_its_connection_and_no_other)
{
    struct wf_buf bytes = wf_test_hex(rubbish[_i].hex);

    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "before");
    struct wf_net_request *before = request_next("before");
    int fd = raw_connect(where);
    ck_assert_int_eq(send(fd, bytes.ptr, bytes.len, 0), (ssize_t)bytes.len);
    until_pipes(2);
    until_pipes(1);
    ck_assert_msg(raw_closed(fd), "%s", rubbish[_i].why);
    down_is(&at_server, WEFT_OK);
    wf_net_reply(before, msg_of("after"));
    reply_is(1, WEFT_OK, "after");
    close(fd);
    wf_buf_fini(&bytes);
}
END_TEST

static const char two_requests[] = "0053500000300000"
                                   "01 0000000000000008 80000001 61626364"
                                   "01 0000000000000005 80000002 65";

START_TEST(bytes_may_come_one_by_one)
{
    struct wf_buf bytes = wf_test_hex(two_requests);

    serve((struct wf_local_conf){ 0 });
    int fd = raw_connect(where);
    for (size_t i = 0; i < bytes.len; i++) {
        ck_assert_int_eq(send(fd, bytes.ptr + i, 1, 0), 1);
        wf_loop_turn(loop, 0);
    }
    wf_net_drop(request_next("abcd"), false);
    wf_net_drop(request_next("e"), false);
    close(fd);
    wf_buf_fini(&bytes);
}
END_TEST

START_TEST(what_is_cut_off_at_any_byte_is_no_request)
{
    struct wf_buf bytes = wf_test_hex(two_requests);
    const size_t first = 8 + 13 + 4;

    serve((struct wf_local_conf){ 0 });
    for (size_t cut = 0; cut < bytes.len; cut++) {
        int fd = raw_connect(where);
        ck_assert_int_eq(send(fd, bytes.ptr, cut, 0), (ssize_t)cut);
        until_pipes(1);
        close(fd);
        until_pipes(0);
        if (cut >= first)
            wf_net_drop(request_next("abcd"), false);
        down_is(&at_server, WEFT_OK);
        ck_assert_msg(inbox_is_empty(&at_server), "cut at %zu", cut);
    }
    wf_buf_fini(&bytes);
}
END_TEST

START_TEST(one_connection_may_not_take_more_than_its_share)
{
    serve((struct wf_local_conf){ .per_pipe = 3 });
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "a");
    ask(2, "b");
    ask(3, "c");
    struct wf_net_request *q[] = { request_next("a"), request_next("b"), request_next("c") };
    ask(4, "one more");
    for (uint64_t i = 1; i <= 4; i++)
        reply_is(i, WEFT_E_CLOSED, NULL);
    down_is(&at_peer, WEFT_E_CLOSED);
    down_is(&at_server, WEFT_OK);
    for (size_t i = 0; i < WF_COUNT(q); i++)
        wf_net_reply(q[i], msg_of("into the void"));
    ck_assert_uint_eq(pipes(), 0);
}
END_TEST

START_TEST(with_too_much_in_work_nothing_more_is_read_until_it_is_answered)
{
    serve((struct wf_local_conf){ .working = 1 });
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "a");
    struct wf_net_request *a = request_next("a");
    ask(2, "b");
    turn_a_while();
    ck_assert(inbox_is_empty(&at_server));
    wf_net_reply(a, msg_of("A"));
    reply_is(1, WEFT_OK, "A");
    struct wf_net_request *b = request_next("b");
    ask(3, "c");
    turn_a_while();
    ck_assert(inbox_is_empty(&at_server));
    ck_assert_int_eq(wf_net_hold(b), WEFT_OK); // a long poll is no work
    wf_net_reply(request_next("c"), msg_of("C"));
    reply_is(3, WEFT_OK, "C");
    wf_net_reply(b, msg_of("B"));
    reply_is(2, WEFT_OK, "B");
}
END_TEST

START_TEST(with_too_many_bytes_in_work_nothing_more_is_read_either)
{
    struct wf_local_stats st;

    serve((struct wf_local_conf){ .bytes = 8, .held_bytes = 4 });
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "aaaa");
    struct wf_net_request *a = request_next("aaaa");
    ask(2, "bbbb");
    struct wf_net_request *b = request_next("bbbb");
    ask(3, "c");
    turn_a_while();
    ck_assert(inbox_is_empty(&at_server));
    wf_local_get_stats(server, &st);
    ck_assert_uint_eq(st.bytes, 8);
    ck_assert_uint_eq(st.max_bytes, 8);
    ck_assert_int_eq(wf_net_hold(a), WEFT_OK); // its bytes are no work, but those of long polls
    struct wf_net_request *c = request_next("c");
    ck_assert_int_eq(wf_net_hold(b), WEFT_E_BUSY);
    ck_assert_int_eq(wf_net_hold(c), WEFT_E_BUSY);
    wf_local_get_stats(server, &st);
    ck_assert_uint_eq(st.bytes, 5);
    ck_assert_uint_eq(st.held_bytes, 4);
    wf_net_drop(a, false);
    ck_assert_int_eq(wf_net_hold(b), WEFT_OK);
    wf_net_drop(b, false);
    wf_net_drop(c, false);
    wf_local_get_stats(server, &st);
    ck_assert_uint_eq(st.bytes + st.held_bytes, 0);
}
END_TEST

START_TEST(who_goes_while_nothing_is_read_is_seen_to_go)
{
    struct wf_buf bytes = wf_test_hex(two_requests);

    serve((struct wf_local_conf){ .working = 1 });
    int fd = raw_connect(where);
    ck_assert_int_eq(send(fd, bytes.ptr, 8 + 13 + 4, 0), 8 + 13 + 4);
    struct wf_net_request *a = request_next("abcd");
    close(fd);
    until_pipes(0);
    down_is(&at_server, WEFT_OK);
    wf_net_reply(a, msg_of("into the void"));
    wf_buf_fini(&bytes);
}
END_TEST

START_TEST(only_so_many_long_polls_are_parked)
{
    serve((struct wf_local_conf){ .held = 1 });
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "a");
    ask(2, "b");
    struct wf_net_request *a = request_next("a"), *b = request_next("b");
    ck_assert_int_eq(wf_net_hold(a), WEFT_OK);
    ck_assert_int_eq(wf_net_hold(a), WEFT_OK); // as it is
    ck_assert_int_eq(wf_net_hold(b), WEFT_E_BUSY);
    wf_net_drop(a, false);
    ck_assert_int_eq(wf_net_hold(b), WEFT_OK);
    wf_net_drop(b, false);
}
END_TEST

START_TEST(a_request_that_nobody_takes_ends_its_connection)
{
    serve((struct wf_local_conf){ 0 });
    at_server.refuse = true;
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "a");
    reply_is(1, WEFT_E_CLOSED, NULL);
    down_is(&at_peer, WEFT_E_CLOSED);
}
END_TEST

START_TEST(a_dropped_request_may_take_its_connection_along)
{
    serve((struct wf_local_conf){ 0 });
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "a");
    wf_net_drop(request_next("a"), true);
    reply_is(1, WEFT_E_CLOSED, NULL);
    down_is(&at_peer, WEFT_E_CLOSED);
    down_is(&at_server, WEFT_OK);
}
END_TEST

START_TEST(connections_beyond_the_limit_are_closed)
{
    serve((struct wf_local_conf){ .pipes = 1 });
    int first = raw_connect(where);
    until_pipes(1);
    int second = raw_connect(where);
    turn_a_while();
    ck_assert(raw_closed(second));
    ck_assert_uint_eq(pipes(), 1);
    close(first);
    close(second);
    until_pipes(0);
}
END_TEST

START_TEST(mute_and_idle_connections_are_closed_and_busy_ones_are_not)
{
    struct wf_local_stats st;

    serve((struct wf_local_conf){ .first_ms = 1000, .idle_ms = 5000 });
    int mute = raw_connect(where);
    dial((struct wf_local_peer_conf){ 0 });
    ask(1, "long");
    struct wf_net_request *busy = request_next("long");
    until_pipes(2);
    wf_test_clock_skip(1600);
    until_pipes(1);
    ck_assert(raw_closed(mute));
    wf_test_clock_skip(10000); // over the limit of idle ones, but at work
    turn_a_while();
    ck_assert_uint_eq(pipes(), 1);
    wf_net_reply(busy, msg_of("done"));
    reply_is(1, WEFT_OK, "done");
    wf_test_clock_skip(5600);
    until_pipes(0);
    wf_local_get_stats(server, &st);
    ck_assert_uint_eq(st.closed_idle, 2);
    close(mute);
}
END_TEST

START_TEST(who_does_not_take_its_answer_is_closed)
{
    struct wf_buf bytes = wf_test_hex(two_requests);
    struct wf_local_stats st;
    struct wf_net_msg *big = NULL;

    serve((struct wf_local_conf){ .send_ms = 3000 });
    int fd = raw_connect(where);
    ck_assert_int_eq(send(fd, bytes.ptr, bytes.len, 0), (ssize_t)bytes.len);
    struct wf_net_request *a = request_next("abcd"), *b = request_next("e");
    ck_assert_int_eq(wf_net_msg_new(WF_MAX_CONTROL, &big), WEFT_OK);
    wf_net_reply(a, big);
    wf_test_clock_skip(2000);
    turn_a_while();
    ck_assert_uint_eq(pipes(), 1);
    wf_net_reply(b, msg_of("behind it"));
    wf_test_clock_skip(2000);
    until_pipes(0);
    wf_local_get_stats(server, &st);
    ck_assert_uint_eq(st.closed_stuck, 1);
    close(fd);
    wf_buf_fini(&bytes);
}
END_TEST

START_TEST(without_descriptors_a_few_are_let_in_and_the_others_when_there_are_some)
{
    struct rlimit old, few;

    int fds[5];

    serve((struct wf_local_conf){ 0 });
    for (int i = 0; i < 5; i++)
        fds[i] = raw_connect(where);
    dial((struct wf_local_peer_conf){ 0 });
    int spare = dup(0); // the number that accept would take
    close(spare);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = (struct rlimit){ (rlim_t)spare, old.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    ask(1, "a");
    turn_a_while();
    ck_assert_uint_eq(pipes(), 4); // those kept for whoever comes to find out why
    wf_test_clock_skip(600);
    turn_a_while();
    ck_assert_uint_eq(pipes(), 4);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    wf_test_clock_skip(600);
    wf_net_reply(request_next("a"), msg_of("b"));
    reply_is(1, WEFT_OK, "b");
    ck_assert_uint_eq(pipes(), 6);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    until_pipes(1);
    // They are there again, for the next time, when every number is taken.
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int taken[256], count = 0, late = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    wf_test_clock_skip(600);
    turn_a_while();
    few.rlim_cur = WF_COUNT(taken);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int fd = dup(0); fd >= 0; fd = dup(0))
        taken[count++] = fd;
    snprintf(at.sun_path, sizeof at.sun_path, "%s", where + strlen("ipc:"));
    ck_assert_int_eq(connect(late, (const struct sockaddr *)&at, sizeof at), 0);
    until_pipes(2);
    // Its number comes back with its end, past everybody else who waits for one.
    close(late);
    until_pipes(1);
    late = dup(0); // what was closed here
    ck_assert_int_ge(late, 0);
    ck_assert_int_lt(dup(0), 0);
    close(late);
    late = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(late, (const struct sockaddr *)&at, sizeof at), 0);
    until_pipes(2);
    while (count)
        close(taken[--count]);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    close(late);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sdk.local");
    TCase *t = tcase_create("sdk.local");

    tcase_add_checked_fixture(t, local_set_up, local_tear_down);
    tcase_add_test(t, requests_come_in_the_order_of_their_sending_and_answers_in_any);
    tcase_add_test(t, messages_of_any_size_arrive_as_they_were);
    tcase_add_test(t, a_client_of_nng_is_served);
    tcase_add_test(t, a_server_of_nng_answers);
    tcase_add_test(t, the_socket_is_made_and_taken_away);
    tcase_add_test(t, what_a_killed_server_left_is_replaced_and_nothing_else);
    tcase_add_loop_test(t, rubbish_ends_its_connection_and_no_other, 0, WF_COUNT(rubbish));
    tcase_add_test(t, bytes_may_come_one_by_one);
    tcase_add_test(t, what_is_cut_off_at_any_byte_is_no_request);
    tcase_add_test(t, one_connection_may_not_take_more_than_its_share);
    tcase_add_test(t, with_too_much_in_work_nothing_more_is_read_until_it_is_answered);
    tcase_add_test(t, with_too_many_bytes_in_work_nothing_more_is_read_either);
    tcase_add_test(t, who_goes_while_nothing_is_read_is_seen_to_go);
    tcase_add_test(t, only_so_many_long_polls_are_parked);
    tcase_add_test(t, a_request_that_nobody_takes_ends_its_connection);
    tcase_add_test(t, a_dropped_request_may_take_its_connection_along);
    tcase_add_test(t, connections_beyond_the_limit_are_closed);
    tcase_add_test(t, mute_and_idle_connections_are_closed_and_busy_ones_are_not);
    tcase_add_test(t, who_does_not_take_its_answer_is_closed);
    tcase_add_test(t, without_descriptors_a_few_are_let_in_and_the_others_when_there_are_some);
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
