// SPDX-License-Identifier: Apache-2.0
// The second line of defence, in a program without the sendmsg shim: the watcher finds a deaf listener and opens it anew. With
// NNG 1.5 this is also the proof that the attack works; from 1.6 on the listener survives by itself.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sdk/net_support.h"

static bool nng_has_the_bug(void)
{
    return strncmp(wf_net_library_version(), "1.5.", 4) == 0;
}

static bool answers(void *arg)
{
    const struct echo *e = arg;

    return echo_ask(e->net, e->where, "hello", 500) == WEFT_OK;
}

static const struct way {
    const char *why, *where;
    int tries;
} ways[] = {
    { "ipc: a plain close is enough", NULL, 3 },
    { "tcp: FIN then RST, a race that is won within a few tries", "127.0.0.1:0", 30 },
};

START_TEST(a_listener_that_was_killed_serves_again_on_the_same_address)
{
    const struct way *w = &ways[_i];
    struct wf_net_conf conf = { .watch_ms = 100 };
    struct wf_net *net = net_start(&conf);
    struct wf_net_stats st;
    struct echo e;

    ck_assert(!wf_net_shim_active());
    echo_start(&e, net, NULL, w->where ? w->where : ipc_where());
    ck_assert(answers(&e));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < w->tries; i++) {
            int fd = raw_connect(e.where);
            ck_assert_int_ge(fd, 0);
            if (w->where)
                raw_fin_rst(fd);
            else
                close(fd);
        }
        ck_assert_msg(eventually(answers, &e, 20000), "%s, round %d", w->why, round);
    }
    wf_net_get_stats(net, &st);
    printf("NNG %s, %s: %d times opened anew\n", wf_net_library_version(), w->why, (int)st.revived);
    if (nng_has_the_bug() && !w->where)
        ck_assert_uint_ge(st.revived, 1);
    if (!nng_has_the_bug())
        ck_assert_uint_eq(st.revived, 0);
    ck_assert(!st.stuck);
    echo_stop(&e);
    net_finish(net);
}
END_TEST

static void count_notice(void *arg, enum wf_net_notice notice, const char *detail)
{
    (void)detail;
    if (notice == WF_NET_LISTENER_REVIVED || notice == WF_NET_LISTENER_LOST)
        ++*(int *)arg;
}

START_TEST(a_living_listener_is_left_alone)
{
    int notices = 0;
    struct wf_net_conf conf = { .watch_ms = 20, .notice = count_notice, .arg = &notices };
    struct wf_net *net = net_start(&conf);
    struct wf_net_stats st;
    struct echo e, local;

    echo_start(&e, net, NULL, "*:0");
    echo_start(&local, net, NULL, ipc_where());
    do {
        nap(20);
        wf_net_get_stats(net, &st);
    } while (st.watch_dials < 40);
    ck_assert_uint_eq(st.watch_failures, 0);
    ck_assert_uint_eq(st.revived, 0);
    ck_assert(!st.stuck);
    ck_assert(answers(&e));
    ck_assert(answers(&local));
    echo_stop(&e);
    echo_stop(&local);
    net_finish(net);
    ck_assert_int_eq(notices, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_watch");
    TCase *c = tcase_create("net_watch");

    tcase_set_timeout(c, 120);
    tcase_add_loop_test(
        c, a_listener_that_was_killed_serves_again_on_the_same_address, 0, (int)WF_COUNT(ways));
    tcase_add_test(c, a_living_listener_is_left_alone);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
