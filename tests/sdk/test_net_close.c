// SPDX-License-Identifier: Apache-2.0
// Ends of sockets and pipes at the worst moment: while bytes arrive, while readers stall, while a close hangs. NNG 1.5 stops
// ending pipes for good where sdk/net/hangup.c is not used; these tests fail within seconds without it.
#include <check.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sdk/net/net_int.h"
#include "tests/sdk/net_support.h"

static bool answers(void *arg)
{
    const struct echo *e = arg;

    return echo_ask(e->net, e->where, "hello", 2000) == WEFT_OK;
}

START_TEST(a_request_is_never_sent_twice)
{
    struct wf_net *net = net_start(NULL);
    struct wf_net_rep_stats st;
    struct server first, second;
    struct inbox in;
    uint16_t port = 0;

    inbox_init(&in);
    server_start(&first, net, (struct wf_net_rep_conf){ 0 });
    struct wf_net_peer *p = peer_to(net, &in, first.where);
    ck_assert_int_eq(wf_net_peer_send(p, 1, msg_of("pay once"), 60000), WEFT_OK);
    struct wf_net_event ev = inbox_take_kind(&first.in, WF_NET_REQUEST);
    // The server goes away with the request and comes back on the same port.
    char where[sizeof first.where];
    memcpy(where, first.where, sizeof where);
    wf_net_drop(ev.request, true);
    ck_assert_int_eq(inbox_take_kind(&in, WF_NET_REPLY).err, WEFT_E_CLOSED);
    server_stop(&first);
    server_start(&second, net, (struct wf_net_rep_conf){ 0 });
    ck_assert_int_eq(wf_net_rep_listen(second.rep, where, &port), WEFT_OK);
    // Another client's request shows that the port is served; nothing of the first client's came before it.
    struct wf_net_peer *q = peer_to(net, NULL, where);
    ck_assert_int_eq(wf_net_peer_send(q, 1, msg_of("other"), 5000), WEFT_OK);
    ev = inbox_take(&second.in);
    ck_assert(wf_bytes_is(wf_net_request_bytes(ev.request), "other"));
    wf_net_reply(ev.request, msg_of("y"));
    wf_net_peer_free(p);
    ck_assert_int_eq(wf_net_settle(net, 10000), WEFT_OK);
    wf_net_rep_get_stats(second.rep, &st);
    ck_assert_uint_eq(st.requests, 1);
    wf_net_peer_free(q);
    server_stop(&second);
    inbox_fini(&in);
    net_finish(net);
}
END_TEST

// Every socket begins with a resend time that a test can outwait (NNG's own is a minute): what sdk/net says afterwards is what holds.
#define SHORT_RESEND_MS 50

int __real_nng_req0_open(nng_socket *s);
int __wrap_nng_req0_open(nng_socket *s);

int __wrap_nng_req0_open(nng_socket *s)
{
    int rv = __real_nng_req0_open(s);

    return rv ? rv : nng_socket_set_ms(*s, NNG_OPT_REQ_RESENDTIME, SHORT_RESEND_MS);
}

START_TEST(a_request_whose_answer_takes_long_is_not_sent_again)
{
    struct wf_net *net = net_start(NULL);
    struct wf_net_rep_stats st;
    struct server s;
    struct inbox in;

    inbox_init(&in);
    server_start(&s, net, (struct wf_net_rep_conf){ 0 });
    struct wf_net_peer *p = peer_to(net, &in, s.where);
    ck_assert_int_eq(wf_net_peer_send(p, 1, msg_of("think about it"), 60000), WEFT_OK);
    struct wf_net_event ev = inbox_take_kind(&s.in, WF_NET_REQUEST);
    for (int64_t end_ms = mono_ms() + 10 * SHORT_RESEND_MS; mono_ms() < end_ms; nap(10)) {
        wf_net_rep_get_stats(s.rep, &st);
        ck_assert_msg(st.requests == 1, "it was sent again");
    }
    wf_net_reply(ev.request, msg_of("yes"));
    ev = inbox_take_kind(&in, WF_NET_REPLY);
    ck_assert_int_eq(ev.err, WEFT_OK);
    wf_net_msg_free(ev.msg);
    wf_net_peer_free(p);
    server_stop(&s);
    inbox_fini(&in);
    net_finish(net);
}
END_TEST

START_TEST(peers_that_close_while_replies_arrive_close_in_time)
{
    struct wf_net *net = net_start(NULL);
    const char *local = ipc_where();
    struct server s;
    struct inbox in;

    inbox_init(&in);
    server_start(&s, net, (struct wf_net_rep_conf){ 0 });
    ck_assert_int_eq(wf_net_rep_listen(s.rep, local, NULL), WEFT_OK);
    for (int i = 0; i < 60; i++) {
        struct wf_net_peer *p = peer_to(net, &in, i % 2 ? local : s.where);
        for (uint64_t k = 0; k < 4; k++)
            ck_assert_int_eq(wf_net_peer_send(p, k, msg_of("x"), 10000), WEFT_OK);
        for (int k = 0; k < 4; k++)
            wf_net_reply(inbox_take_kind(&s.in, WF_NET_REQUEST).request, msg_of("y"));
        wf_net_peer_free(p);
        for (int k = 0; k < 4; k++)
            wf_net_msg_free(inbox_take_kind(&in, WF_NET_REPLY).msg);
    }
    server_stop(&s);
    inbox_fini(&in);
    net_finish(net);
}
END_TEST

// What NNG keeps of some of them is left out of the leak check (net_dialer_new): a peer or a socket of ours would be seen.
START_TEST(peers_that_are_freed_while_they_connect_leave_nothing_of_ours)
{
    struct wf_net *net = net_start(NULL);
    struct echo e;

    echo_start(&e, net, NULL, "127.0.0.1:0");
    for (int i = 0; i < 300; i++) {
        struct wf_net_peer_conf conf = { .where = e.where };
        struct wf_net_peer *p = NULL;
        ck_assert_int_eq(wf_net_peer_new(net, &conf, &p), WEFT_OK);
        usleep((useconds_t)(i % 60) * 10); // a connection takes about 300 us
        wf_net_peer_free(p);
    }
    ck_assert_int_eq(wf_net_settle(net, 10000), WEFT_OK);
    echo_stop(&e);
    net_finish(net);
}
END_TEST

// An attacker that sends requests as fast as it can until the connection ends.
static void *flood_main(void *arg)
{
    const struct server *s = arg;

    for (int i = 0; i < 40; i++) {
        int fd = raw_connect(s->where);
        if (fd < 0)
            continue;
        raw_greet(fd, PROTO_REQ);
        for (uint32_t k = 0; k < 100000 && raw_request(fd, k, 8); k++)
            ;
        close(fd);
    }
    return NULL;
}

static bool flood_post(void *arg, const struct wf_net_event *ev)
{
    (void)arg;
    (void)ev;
    return false; // no room and no canned answer: the connection is closed
}

START_TEST(connections_closed_under_a_flood_of_requests_leave_nothing_behind)
{
    struct wf_net *net = net_start(NULL);
    struct wf_net_rep_conf conf = { .post = flood_post };
    struct wf_net_rep_stats st;
    struct server s = { .net = net };
    pthread_t floods[2];
    struct echo e;
    uint16_t port = 0;

    ck_assert_int_eq(wf_net_rep_new(net, &conf, &s.rep), WEFT_OK);
    ck_assert_int_eq(wf_net_rep_listen(s.rep, "127.0.0.1:0", &port), WEFT_OK);
    snprintf(s.where, sizeof s.where, "127.0.0.1:%u", (unsigned)port);
    echo_start(&e, net, NULL, "127.0.0.1:0");
    for (size_t i = 0; i < WF_COUNT(floods); i++)
        ck_assert_int_eq(pthread_create(&floods[i], NULL, flood_main, &s), 0);
    for (size_t i = 0; i < WF_COUNT(floods); i++)
        pthread_join(floods[i], NULL);
    for (int64_t end_ms = mono_ms() + 10000;;) {
        wf_net_rep_get_stats(s.rep, &st);
        if (st.pipes == 0 && st.admitted >= 40)
            break;
        ck_assert_msg(mono_ms() < end_ms, "%u pipes never ended", st.pipes);
        nap(10);
    }
    ck_assert(eventually(answers, &e, 5000));
    wf_net_rep_free(s.rep);
    echo_stop(&e);
    net_finish(net);
}
END_TEST

// ---- a close that does not return ----

struct stubborn {
    struct net_close job;
    atomic_bool release, done;
    atomic_int notices;
};

static int64_t stubborn_close(void *arg)
{
    struct stubborn *s = arg;

    while (!atomic_load(&s->release))
        nap(2);
    atomic_store(&s->done, true);
    return 0;
}

static void count_notice(void *arg, enum wf_net_notice notice, const char *detail)
{
    struct stubborn *s = arg;

    if (notice == WF_NET_CLOSE_ABANDONED && strcmp(detail, "stubborn") == 0)
        atomic_fetch_add(&s->notices, 1);
}

static bool is_done(void *arg)
{
    return atomic_load(&((struct stubborn *)arg)->done);
}

START_TEST(a_close_that_hangs_is_left_behind_and_holds_up_nobody)
{
    static struct stubborn a, b;
    struct wf_net_conf conf = { .notice = count_notice, .arg = &a, .close_ms = 100 };
    struct wf_net *net = net_start(&conf);
    struct wf_net_stats st;
    struct echo e;

    a.job = (struct net_close){ .fn = stubborn_close, .arg = &a, .what = "stubborn" };
    b.job = (struct net_close){ .fn = stubborn_close, .arg = &b, .what = "stubborn" };
    net_close_later(net, &a.job);
    net_close_later(net, &b.job);
    echo_start(&e, net, NULL, "127.0.0.1:0");
    ck_assert(eventually(answers, &e, 5000));
    echo_stop(&e); // settles: neither hung close is waited for
    wf_net_get_stats(net, &st);
    ck_assert_uint_eq(st.closes_abandoned, 2);
    ck_assert_int_eq(atomic_load(&a.notices), 2);
    wf_net_free(net);
    // The threads left behind end with their close, long after the runtime was freed.
    atomic_store(&a.release, true);
    atomic_store(&b.release, true);
    ck_assert(eventually(is_done, &a, 5000));
    ck_assert(eventually(is_done, &b, 5000));
    nap(50); // until they have gone, for the leak checker's sake
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_close");
    TCase *c = tcase_create("net_close");

    tcase_set_timeout(c, 120);
    tcase_add_test(c, a_request_is_never_sent_twice);
    tcase_add_test(c, a_request_whose_answer_takes_long_is_not_sent_again);
    tcase_add_test(c, peers_that_close_while_replies_arrive_close_in_time);
    tcase_add_test(c, peers_that_are_freed_while_they_connect_leave_nothing_of_ours);
    tcase_add_test(c, connections_closed_under_a_flood_of_requests_leave_nothing_behind);
    tcase_add_test(c, a_close_that_hangs_is_left_behind_and_holds_up_nobody);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
