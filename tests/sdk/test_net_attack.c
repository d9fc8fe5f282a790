// SPDX-License-Identifier: Apache-2.0
// What strangers can do to a listener: end connections at the worst moment, greet with rubbish, announce huge messages, take
// connections and contexts and not give them back. After each, the listener serves as before.
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sdk/net_support.h"
#include "tests/support/support.h"

#define HOSTILE 2000

// Connects until the listener's queue has room again.
static int connect_patiently(const char *where)
{
    int64_t end_ms = mono_ms() + 10000;
    int fd = raw_connect(where);

    while (fd < 0 && mono_ms() < end_ms) {
        nap(1);
        fd = raw_connect(where);
    }
    ck_assert_int_ge(fd, 0);
    return fd;
}

struct ask {
    struct wf_net *net;
    const char *where;
};

static bool answers(void *arg)
{
    const struct ask *a = arg;

    return echo_ask(a->net, a->where, "hello", 500) == WEFT_OK;
}

static bool is_deaf(void *arg)
{
    return !answers(arg);
}

// A full queue of connections refuses for a moment, so asking is patient; a dead listener never answers again.
static void attack_and_ask(
    struct wf_net *net, const char *where, int count, void (*attack)(int fd, int i))
{
    struct ask ask = { net, where };

    for (int i = 0; i < count; i++) {
        attack(connect_patiently(where), i);
        if (i % 500 == 499)
            ck_assert_msg(eventually(answers, &ask, 10000), "deaf after %d", i + 1);
    }
    ck_assert_msg(eventually(answers, &ask, 10000), "deaf after %d", count);
    printf("%d hostile connections to %s, still serving\n", count, where);
}

static void fin_rst(int fd, int i)
{
    (void)i;
    raw_fin_rst(fd);
}

static void plain_close(int fd, int i)
{
    (void)i;
    close(fd);
}

START_TEST(a_tcp_listener_survives_two_thousand_fin_and_rst)
{
    struct wf_net *net = net_start(NULL);
    struct wf_net_stats st;
    struct echo e;

    ck_assert_msg(wf_net_shim_active(), "this test proves the shim");
    echo_start(&e, net, NULL, "127.0.0.1:0");
    attack_and_ask(net, e.where, HOSTILE, fin_rst);
    wf_net_get_stats(net, &st);
    ck_assert_uint_eq(st.revived, 0); // the shim, not the watcher, kept it alive
    echo_stop(&e);
    net_finish(net);
}
END_TEST

START_TEST(an_ipc_listener_survives_two_thousand_plain_closes)
{
    struct wf_net *net = net_start(NULL);
    struct wf_net_stats st;
    struct echo e;

    echo_start(&e, net, NULL, ipc_where());
    attack_and_ask(net, e.where, HOSTILE, plain_close);
    wf_net_get_stats(net, &st);
    ck_assert_uint_eq(st.revived, 0);
    echo_stop(&e);
    net_finish(net);
}
END_TEST

static void rubbish(int fd, int i)
{
    uint64_t seed = (uint64_t)i + 1;
    uint8_t bytes[64];

    wf_test_rand_bytes(&seed, bytes, sizeof bytes);
    (void)!send(fd, bytes, 1 + (size_t)i % sizeof bytes, MSG_NOSIGNAL);
    if (i % 2)
        raw_fin_rst(fd);
    else
        close(fd);
}

static void part_of_a_greeting(int fd, int i)
{
    uint8_t hello[8] = { 0, 'S', 'P', 0, 0, PROTO_REQ, 0, 0 };

    (void)!send(fd, hello, (size_t)i % 8, MSG_NOSIGNAL);
    if (i % 2)
        raw_fin_rst(fd);
    else
        close(fd);
}

static void wrong_protocol(int fd, int i)
{
    static const uint16_t protos[] = { PROTO_REP, PROTO_PUB, PROTO_SUB, 0, 0xffff };

    raw_greet(fd, protos[(size_t)i % WF_COUNT(protos)]);
    close(fd);
}

START_TEST(greetings_of_rubbish_in_parts_or_of_other_protocols_do_no_harm)
{
    struct wf_net *net = net_start(NULL);
    struct echo e;

    echo_start(&e, net, NULL, "127.0.0.1:0");
    attack_and_ask(net, e.where, 300, rubbish);
    attack_and_ask(net, e.where, 300, part_of_a_greeting);
    attack_and_ask(net, e.where, 300, wrong_protocol);
    echo_stop(&e);
    net_finish(net);
}
END_TEST

static const struct bomb {
    const char *why;
    uint64_t len;
} bombs[] = {
    { "12.8 GB", 12800000000u },
    { "one byte above the limit", WF_MAX_CONTROL + 9 },
    { "2^63", 1ull << 63 },
    { "2^64 - 1", UINT64_MAX },
};

START_TEST(an_announced_size_beyond_the_limit_ends_the_connection_and_takes_no_memory)
{
    const struct bomb *b = &bombs[_i];
    struct wf_net *net = net_start(NULL);
    struct echo e;
    uint8_t head[8];

    echo_start(&e, net, NULL, "127.0.0.1:0");
    ck_assert_int_eq(echo_ask(net, e.where, "warm", 5000), WEFT_OK);
    long before_kib = vm_peak_kib();
    int fd = connect_patiently(e.where);
    raw_greet(fd, PROTO_REQ);
    wf_store_be64(head, b->len);
    ck_assert_int_eq(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    ck_assert_msg(raw_closed(fd), "%s: not closed", b->why);
    ck_assert_msg(vm_peak_kib() - before_kib < 600 * 1024, "%s: %ld KiB more", b->why,
        vm_peak_kib() - before_kib);
    close(fd);
    ck_assert_int_eq(echo_ask(net, e.where, "still there?", 5000), WEFT_OK);
    echo_stop(&e);
    net_finish(net);
}
END_TEST

START_TEST(a_hostile_publisher_and_a_hostile_server_can_not_make_a_client_reserve_memory)
{
    struct wf_net *net = net_start(NULL);
    struct inbox in;
    char where[64];
    uint8_t head[8];
    int listener = raw_listen(where);

    inbox_init(&in);
    struct hearer *sub = hearer_start(&in, where);
    int fd = accept(listener, NULL, NULL);
    raw_greet(fd, PROTO_PUB);
    ck_assert_int_eq(inbox_take(&in).what, WF_NET_UP);
    long before_kib = vm_peak_kib();
    wf_store_be64(head, 12800000000u);
    ck_assert_int_eq(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    ck_assert_int_eq(inbox_take(&in).what, WF_NET_DOWN);
    ck_assert_int_lt(vm_peak_kib() - before_kib, 600 * 1024);
    close(fd);
    hearer_stop(sub);

    struct wf_net_peer *p = peer_to(net, &in, where);
    ck_assert_int_eq(wf_net_peer_send(p, 1, msg_of("x"), 10000), WEFT_OK);
    // The subscriber may have dialled once more before it was freed; its greeting tells them apart.
    for (uint8_t hello[8] = { 0 }; hello[5] != PROTO_REQ;) {
        fd = accept(listener, NULL, NULL);
        ck_assert_int_ge(fd, 0);
        (void)!recv(fd, hello, sizeof hello, MSG_WAITALL);
        if (hello[5] != PROTO_REQ)
            close(fd);
    }
    raw_greet(fd, PROTO_REP);
    ck_assert_int_eq(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    ck_assert_int_eq(inbox_take_kind(&in, WF_NET_REPLY).err, WEFT_E_CLOSED);
    ck_assert_int_lt(vm_peak_kib() - before_kib, 600 * 1024);
    close(fd);
    close(listener);
    wf_net_peer_free(p);
    net_finish(net);
    inbox_fini(&in);
}
END_TEST

// A process of the attacker's, forked before NNG starts: reads a port, opens `count` connections that greet and then say
// nothing, and keeps them until it is killed.
static pid_t idle_attacker(int count, int *ret_port_fd)
{
    int pipe_fds[2];
    uint16_t port = 0;
    char where[64];

    ck_assert_int_eq(pipe(pipe_fds), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0) {
        close(pipe_fds[0]);
        *ret_port_fd = pipe_fds[1];
        return pid;
    }
    close(pipe_fds[1]);
    if (read(pipe_fds[0], &port, sizeof port) != (ssize_t)sizeof port)
        _exit(1);
    snprintf(where, sizeof where, "127.0.0.1:%u", (unsigned)port);
    for (int i = 0; i < count; i++) {
        int fd = raw_connect(where);
        uint8_t hello[8] = { 0, 'S', 'P', 0, 0, PROTO_REQ, 0, 0 };
        if (fd >= 0)
            (void)!send(fd, hello, sizeof hello, MSG_NOSIGNAL);
    }
    for (;;)
        pause();
}

static const struct crowd {
    const char *why;
    int64_t first_ms;
    bool leave;
} crowds[] = {
    { "who says nothing is shown out while the crowd is still there", 2000, false },
    { "when the crowd leaves by itself", 3600000, true },
};

START_TEST(idle_connections_beyond_the_descriptors_do_not_keep_the_listener_deaf)
{
    const struct crowd *c = &crowds[_i];
    struct rlimit low = { 64, 64 };
    struct wf_net_rep_conf conf = { .first_ms = c->first_ms };
    struct echo e;
    int port_fd = -1;

    pid_t attacker = idle_attacker(150, &port_fd);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct wf_net *net = net_start(NULL);
    echo_start(&e, net, &conf, "127.0.0.1:0");
    struct ask ask = { net, e.where };
    ck_assert(answers(&ask));
    ck_assert_int_eq(write(port_fd, &e.port, sizeof e.port), sizeof e.port);
    ck_assert_msg(eventually(is_deaf, &ask, 10000), "%s: the attack has no effect", c->why);
    if (c->leave)
        kill(attacker, SIGKILL);
    ck_assert_msg(eventually(answers, &ask, 30000), "%s", c->why);
    kill(attacker, SIGKILL);
    waitpid(attacker, NULL, 0);
    close(port_fd);
    echo_stop(&e);
    net_finish(net);
}
END_TEST

static bool no_pipes(void *arg)
{
    struct wf_net_rep_stats st;

    wf_net_rep_get_stats(arg, &st);
    return st.pipes == 0;
}

static const struct caps {
    const char *why;
    unsigned pipes, pipes_per_addr;
} caps[] = {
    { "in all", 4, 100 },
    { "of one address", 100, 4 },
};

// How many of these connections the other side has closed.
static size_t closed_of(const int *fds, size_t count)
{
    uint8_t sink[64];
    size_t closed = 0;

    for (size_t i = 0; i < count; i++) {
        ssize_t n = recv(fds[i], sink, sizeof sink, MSG_DONTWAIT);
        while (n > 0)
            n = recv(fds[i], sink, sizeof sink, MSG_DONTWAIT);
        closed += n == 0 || errno != EAGAIN;
    }
    return closed;
}

struct strangers {
    int fds[60];
};

static bool all_but_four_are_closed(void *arg)
{
    const struct strangers *s = arg;

    return closed_of(s->fds, WF_COUNT(s->fds)) == WF_COUNT(s->fds) - 4;
}

START_TEST(refused_connections_do_not_use_up_the_cap)
{
    const struct caps *c = &caps[_i];
    struct wf_net *net = net_start(NULL);
    struct wf_net_rep_conf conf = { .pipes = c->pipes, .pipes_per_addr = c->pipes_per_addr };
    struct wf_net_rep_stats st;
    struct wf_net_peer *peers[4];
    struct strangers s;
    struct echo e;

    echo_start(&e, net, &conf, "127.0.0.1:0");
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < WF_COUNT(s.fds); i++) {
            s.fds[i] = connect_patiently(e.where);
            raw_greet(s.fds[i], PROTO_REQ);
        }
        ck_assert_msg(eventually(all_but_four_are_closed, &s, 10000), "%s", c->why);
        for (size_t i = 0; i < WF_COUNT(s.fds); i++)
            close(s.fds[i]);
        ck_assert_msg(eventually(no_pipes, e.rep, 10000), "%s", c->why);
    }
    wf_net_rep_get_stats(e.rep, &st);
    ck_assert_uint_ge(st.refused, 3 * 56);
    for (size_t i = 0; i < WF_COUNT(peers); i++) {
        struct wf_net_msg *reply = NULL;
        peers[i] = peer_to(net, NULL, e.where);
        ck_assert_int_eq(wf_net_request(peers[i], msg_of("x"), 5000, &reply, NULL), WEFT_OK);
        wf_net_msg_free(reply);
    }
    ck_assert_int_ne(echo_ask(net, e.where, "a fifth", 5000), WEFT_OK);
    for (size_t i = 0; i < WF_COUNT(peers); i++)
        wf_net_peer_free(peers[i]);
    echo_stop(&e);
    net_finish(net);
}
END_TEST

START_TEST(a_greedy_connection_is_closed_and_others_are_served)
{
    struct wf_net *net = net_start(NULL);
    struct server s;

    server_start(&s, net, (struct wf_net_rep_conf){ .per_pipe = 3 });
    int fd = connect_patiently(s.where);
    raw_greet(fd, PROTO_REQ);
    for (uint32_t i = 0; i < 4; i++)
        (void)raw_request(fd, i, 10);
    ck_assert(raw_closed(fd));
    close(fd);
    for (int i = 0; i < 3; i++)
        wf_net_drop(inbox_take_kind(&s.in, WF_NET_REQUEST).request, false);
    ck_assert_int_eq(inbox_take(&s.in).what, WF_NET_DOWN);
    struct wf_net_peer *p = peer_to(net, NULL, s.where);
    ck_assert_int_eq(wf_net_peer_send(p, 1, msg_of("x"), 5000), WEFT_OK);
    wf_net_reply(inbox_take_kind(&s.in, WF_NET_REQUEST).request, msg_of("y"));
    wf_net_peer_free(p);
    server_stop(&s);
    net_finish(net);
}
END_TEST

START_TEST(a_client_that_takes_no_replies_is_closed_and_its_contexts_come_back)
{
    struct wf_net *net = net_start(NULL);
    struct wf_net_rep_stats st;
    struct server s;
    int small = 4096;

    server_start(
        &s, net, (struct wf_net_rep_conf){ .contexts = 64, .per_pipe = 64, .send_ms = 200 });
    int fd = connect_patiently(s.where);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    raw_greet(fd, PROTO_REQ);
    // The first reply is more than it takes: on a busy machine it is closed before the last one.
    bool down = false;
    for (uint32_t i = 0; i < 40 && !down && raw_request(fd, i, 10); i++) {
        struct wf_net_event ev = inbox_take(&s.in);
        struct wf_net_msg *m = NULL;
        down = ev.what == WF_NET_DOWN;
        if (down)
            continue;
        ck_assert_int_eq(ev.what, WF_NET_REQUEST);
        ck_assert_int_eq(wf_net_msg_new(WF_MAX_CONTROL, &m), WEFT_OK);
        memset(wf_net_msg_ptr(m), 'x', WF_MAX_CONTROL);
        wf_net_reply(ev.request, m);
    }
    if (!down)
        ck_assert_int_eq(inbox_take_kind(&s.in, WF_NET_DOWN).what, WF_NET_DOWN);
    wf_net_rep_get_stats(s.rep, &st);
    ck_assert_uint_gt(st.closed_stuck, 0);
    ck_assert(eventually(no_pipes, s.rep, 5000));
    close(fd);
    server_stop(&s);
    net_finish(net);
}
END_TEST

START_TEST(a_request_that_came_through_a_forwarder_is_dropped)
{
    struct wf_net *net = net_start(NULL);
    struct server s;
    uint8_t two_hops[8 + 8] = { [7] = 8, [8] = 0x01, [12] = 0x80 };

    server_start(&s, net, (struct wf_net_rep_conf){ 0 });
    int fd = connect_patiently(s.where);
    raw_greet(fd, PROTO_REQ);
    ck_assert_int_eq(send(fd, two_hops, sizeof two_hops, MSG_NOSIGNAL), sizeof two_hops);
    ck_assert(raw_request(fd, 77, 5));
    // The second one arrives, and it is the first that does.
    struct wf_net_event ev = inbox_take(&s.in);
    ck_assert_int_eq(ev.what, WF_NET_REQUEST);
    ck_assert_uint_eq(wf_net_request_bytes(ev.request).len, 5);
    wf_net_drop(ev.request, false);
    close(fd);
    server_stop(&s);
    net_finish(net);
}
END_TEST

START_TEST(connections_that_fall_idle_are_shown_out)
{
    struct wf_net *net = net_start(NULL);
    struct wf_net_rep_stats st;
    struct echo e;
    struct wf_net_rep_conf conf = { .first_ms = 300, .idle_ms = 300 };

    echo_start(&e, net, &conf, "127.0.0.1:0");
    int silent = connect_patiently(e.where), spoke = connect_patiently(e.where);
    raw_greet(silent, PROTO_REQ);
    raw_greet(spoke, PROTO_REQ);
    ck_assert(raw_request(spoke, 1, 10));
    ck_assert(raw_closed(silent));
    ck_assert(raw_closed(spoke));
    ck_assert(eventually(no_pipes, e.rep, 5000));
    wf_net_rep_get_stats(e.rep, &st);
    ck_assert_uint_eq(st.closed_idle, 2);
    close(silent);
    close(spoke);
    echo_stop(&e);
    net_finish(net);
}
END_TEST

START_TEST(requests_beyond_so_many_bytes_are_scarce_and_long_polls_are_not_parked)
{
    struct wf_net *net = net_start(NULL);
    struct server s;
    struct inbox in;
    struct wf_net_rep_stats st;
    struct wf_net_request *taken[4];

    inbox_init(&in);
    server_start(&s, net, (struct wf_net_rep_conf){ .bytes = 12, .held_bytes = 4 });
    struct wf_net_peer *p = peer_to(net, &in, s.where);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(wf_net_peer_send(p, i, msg_of("four"), 60000), WEFT_OK);
        struct wf_net_event ev = inbox_take_kind(&s.in, WF_NET_REQUEST);
        ck_assert_int_eq(ev.scarce, i >= 3);
        taken[i] = ev.request;
    }
    ck_assert_int_eq(wf_net_hold(taken[0]), WEFT_OK);
    ck_assert_int_eq(wf_net_hold(taken[1]), WEFT_E_BUSY);
    wf_net_rep_get_stats(s.rep, &st);
    ck_assert_uint_eq(st.bytes, 12);
    ck_assert_uint_eq(st.held_bytes, 4);
    ck_assert_uint_eq(st.scarce, 1);
    for (unsigned i = 0; i < 4; i++)
        wf_net_reply(taken[i], msg_of("x"));
    for (unsigned i = 0; i < 4; i++)
        wf_net_msg_free(inbox_take_kind(&in, WF_NET_REPLY).msg);
    wf_net_rep_get_stats(s.rep, &st);
    ck_assert_uint_eq(st.bytes + st.held_bytes, 0);
    wf_net_peer_free(p);
    server_stop(&s);
    inbox_fini(&in);
    net_finish(net);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_attack");
    TCase *c = tcase_create("net_attack");

    tcase_set_timeout(c, 120);
    tcase_add_test(c, a_tcp_listener_survives_two_thousand_fin_and_rst);
    tcase_add_test(c, an_ipc_listener_survives_two_thousand_plain_closes);
    tcase_add_test(c, greetings_of_rubbish_in_parts_or_of_other_protocols_do_no_harm);
    tcase_add_loop_test(c,
        an_announced_size_beyond_the_limit_ends_the_connection_and_takes_no_memory, 0,
        (int)WF_COUNT(bombs));
    tcase_add_test(
        c, a_hostile_publisher_and_a_hostile_server_can_not_make_a_client_reserve_memory);
    tcase_add_loop_test(c, idle_connections_beyond_the_descriptors_do_not_keep_the_listener_deaf, 0,
        (int)WF_COUNT(crowds));
    tcase_add_loop_test(c, refused_connections_do_not_use_up_the_cap, 0, (int)WF_COUNT(caps));
    tcase_add_test(c, a_greedy_connection_is_closed_and_others_are_served);
    tcase_add_test(c, a_client_that_takes_no_replies_is_closed_and_its_contexts_come_back);
    tcase_add_test(c, a_request_that_came_through_a_forwarder_is_dropped);
    tcase_add_test(c, connections_that_fall_idle_are_shown_out);
    tcase_add_test(c, requests_beyond_so_many_bytes_are_scarce_and_long_polls_are_not_parked);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
