// SPDX-License-Identifier: Apache-2.0
// A stream at its reader: publishers that go, come back, lie, are mute or are not to be found; NNG at the other end.
#include <arpa/inet.h>
#include <check.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sdk/net/sub.h"
#include "tests/sdk/local_support.h"
#include "tests/support/clock.h"
#include "tests/support/support.h"

static struct wf_net_sub *sub;
static struct inbox heard;

static void set_up(void)
{
    local_set_up();
    wf_test_clock_freeze(false); // its pauses are short, and random
    inbox_init(&heard);
}

static void tear_down(void)
{
    wf_net_sub_free(sub);
    sub = NULL;
    inbox_fini(&heard);
    local_tear_down();
}

static void hear(const char *address)
{
    struct wf_net_sub_conf conf = {
        .loop = loop, .post = inbox_post, .arg = &heard, .where = address
    };

    ck_assert_int_eq(wf_net_sub_new(&conf, &sub), WEFT_OK);
}

static void heard_is(enum wf_net_what what)
{
    struct wf_net_event e = next(&heard);

    ck_assert_int_eq(e.what, what);
    ck_assert_ptr_null(e.msg);
}

static void frame_is(struct wf_bytes want)
{
    struct wf_net_event e = next(&heard);

    ck_assert_int_eq(e.what, WF_NET_FRAME);
    ck_assert(wf_bytes_eq(wf_net_msg_view(e.msg), want));
    wf_net_msg_free(e.msg);
}

static uint64_t dials(void)
{
    struct wf_net_sub_stats st;

    wf_net_sub_get_stats(sub, &st);
    return st.dials;
}

static void until_dials(uint64_t n)
{
    int64_t until = mono_ms() + 60000;

    while (dials() < n && mono_ms() < until)
        wf_loop_turn(loop, 20);
    ck_assert_uint_eq(dials(), n);
}

static void say(int fd, const char *hex)
{
    struct wf_buf bytes = wf_test_hex(hex);

    ck_assert_int_eq(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
    wf_buf_fini(&bytes);
}

// The reader's first connection, its greeting read.
static int accept_first(int listener)
{
    uint8_t greeting[8];
    int64_t until = mono_ms() + 60000;

    until_dials(1);
    int fd = accept(listener, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    while (recv(fd, greeting, sizeof greeting, MSG_PEEK | MSG_DONTWAIT) < 0 && mono_ms() < until)
        wf_loop_turn(loop, 20); // until its connect is done: it greets
    ck_assert(raw_read(fd, greeting, sizeof greeting));
    ck_assert_mem_eq(greeting, ((uint8_t[]){ 0, 'S', 'P', 0, 0, 0x21, 0, 0 }), 8);
    return fd;
}

#define GREETING "0053500000200000"

// ---- frames ------------------------------------------------------------------------------------------------------------

// The reader is up when its side is; the publisher has it a moment later, and says nothing of that.
static void until_nng_has_it(nng_socket pub)
{
    size_t len = 1;

    for (int64_t until = mono_ms() + 60000; inbox_is_empty(&heard);) {
        ck_assert(mono_ms() < until);
        ck_assert_int_eq(nng_send(pub, (void *)(uintptr_t) "?", 1, 0), 0);
        wf_loop_turn(loop, 5);
    }
    ck_assert_int_eq(nng_send(pub, (void *)(uintptr_t) "now", 3, 0), 0);
    while (len != 3) {
        struct wf_net_event e = next(&heard);
        ck_assert_int_eq(e.what, WF_NET_FRAME);
        len = wf_net_msg_len(e.msg);
        wf_net_msg_free(e.msg);
    }
}

START_TEST(frames_of_nngs_pub_come_whole_and_in_order)
{
    static const size_t lengths[] = { 1, 0, 100, 65536, 3, 1000000, 65535, 8 };
    nng_socket pub;
    nng_listener listener;
    nng_sockaddr bound;
    char at[64];

    ck_assert_int_eq(nng_pub0_open(&pub), 0);
    ck_assert_int_eq(nng_socket_set_int(pub, NNG_OPT_SENDBUF, 64), 0);
    ck_assert_int_eq(nng_listen(pub, "tcp://127.0.0.1:0", &listener, 0), 0);
    ck_assert_int_eq(nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &bound), 0);
    snprintf(at, sizeof at, "127.0.0.1:%u", (unsigned)ntohs(bound.s_in.sa_port));
    hear(at);
    heard_is(WF_NET_UP);
    until_nng_has_it(pub);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < WF_COUNT(lengths); i++) {
            nng_msg *m = NULL;
            ck_assert_int_eq(nng_msg_alloc(&m, lengths[i]), 0);
            memset(nng_msg_body(m), 'a' + (int)i, lengths[i]);
            ck_assert_int_eq(nng_sendmsg(pub, m, 0), 0);
        }
        for (size_t i = 0; i < WF_COUNT(lengths); i++) {
            struct wf_net_event e = next(&heard);
            ck_assert_int_eq(e.what, WF_NET_FRAME);
            struct wf_bytes got = wf_net_msg_view(e.msg);
            ck_assert_uint_eq(got.len, lengths[i]);
            for (size_t k = 0; k < got.len; k++)
                if (got.ptr[k] != 'a' + i)
                    ck_abort_msg("byte %zu of frame %zu", k, i);
            wf_net_msg_free(e.msg);
        }
    }
    nng_close(pub);
    heard_is(WF_NET_DOWN);
}
END_TEST

static const char three_frames[] = GREETING "0000000000000003 616263"
                                            "0000000000000000"
                                            "0000000000000001 64";

static void three_come(void)
{
    heard_is(WF_NET_UP);
    frame_is(WF_STR("abc"));
    frame_is(wf_bytes(NULL, 0));
    frame_is(WF_STR("d"));
}

START_TEST(frames_may_come_byte_by_byte_or_all_at_once)
{
    struct wf_buf bytes = wf_test_hex(three_frames);
    char at[64];
    int listener = raw_listen(at);

    hear(at);
    int fd = accept_first(listener);
    for (size_t i = 0; i < bytes.len; i++) {
        ck_assert_int_eq(send(fd, bytes.ptr + i, 1, 0), 1);
        wf_loop_turn(loop, 1000);
    }
    three_come();
    close(fd);
    heard_is(WF_NET_DOWN);
    until_dials(2); // by itself
    fd = accept(listener, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    say(fd, three_frames);
    three_come();
    close(fd);
    close(listener);
    wf_buf_fini(&bytes);
}
END_TEST

START_TEST(a_frame_that_nobody_takes_is_dropped_and_counted)
{
    struct wf_net_sub_stats st;
    char at[64];
    int listener = raw_listen(at);

    heard.refuse = true;
    hear(at);
    int fd = accept_first(listener);
    say(fd, three_frames);
    heard_is(WF_NET_UP);
    int64_t until = mono_ms() + 60000;
    do {
        wf_loop_turn(loop, 20);
        wf_net_sub_get_stats(sub, &st);
    } while (st.no_room < 3 && mono_ms() < until);
    heard.refuse = false;
    say(fd, "0000000000000001 65");
    frame_is(WF_STR("e"));
    wf_net_sub_get_stats(sub, &st);
    ck_assert_uint_eq(st.no_room, 3);
    ck_assert_uint_eq(st.frames, 1);
    close(fd);
    close(listener);
}
END_TEST

// ---- publishers that lie -------------------------------------------------------------------------------------------------

static const struct {
    const char *why, *greeting, *hex;
} lies[] = {
    { "not this protocol", NULL, "48545450 2f312e31" },
    { "a subscriber, as we are", NULL, "0053500000210000" },
    { "another version", NULL, "0053500100200000" },
    { "one byte more than is taken", GREETING, "0000000000500001" },
    { "12.8 GB", GREETING, "00000002faf08000" },
    { "as long as a length can be", GREETING, "ffffffffffffffff" },
    { "with its greeting", NULL, GREETING "ffffffffffffffff" },
};

START_TEST(a_publisher_that_lies_is_left_and_costs_nothing)
{
    char at[64];
    int listener = raw_listen(at);

    hear(at);
    int fd = accept_first(listener);
    long before_kib = vm_peak_kib();
    if (lies[_i].greeting) {
        say(fd, lies[_i].greeting);
        heard_is(WF_NET_UP);
        say(fd, "0000000000000001 61");
        frame_is(WF_STR("a"));
    }
    say(fd, lies[_i].hex);
    if (lies[_i].greeting)
        heard_is(WF_NET_DOWN);
    until_dials(2);
    ck_assert_msg(raw_closed(fd), "%s", lies[_i].why);
    ck_assert_msg(inbox_is_empty(&heard), "%s", lies[_i].why);
    ck_assert_int_lt(vm_peak_kib() - before_kib, 64 * 1024);
    close(fd);
    close(listener);
}
END_TEST

START_TEST(a_frame_as_large_as_may_be_comes)
{
    static uint8_t frame[WF_MAX_FRAME];
    uint8_t head[16];
    char at[64];
    int listener = raw_listen(at);

    hear(at);
    int fd = accept_first(listener);
    say(fd, GREETING);
    wf_store_be64(head, WF_MAX_FRAME);
    memset(frame, 'f', sizeof frame);
    ck_assert_int_eq(send(fd, head, 8, 0), 8);
    for (size_t sent = 0; sent < sizeof frame; wf_loop_turn(loop, 0)) {
        ssize_t n = send(fd, frame + sent, sizeof frame - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
    }
    heard_is(WF_NET_UP);
    frame_is(WF_BYTES(frame));
    close(fd);
    close(listener);
}
END_TEST

// ---- connections -----------------------------------------------------------------------------------------------------------

START_TEST(a_publisher_that_is_not_there_is_tried_ever_more_seldom)
{
    char at[64];
    int nobody = raw_nobody(at);

    wf_test_clock_freeze(true); // else a pause may be over while the loop turns
    hear(at);
    until_dials(1);
    turn_a_while();
    ck_assert_uint_eq(dials(), 1);
    for (uint64_t n = 2; n < 12; n++) {
        wf_test_clock_skip(5001);
        until_dials(n);
        turn_a_while();
        ck_assert_uint_eq(dials(), n); // no two within the same moment
    }
    wf_test_clock_skip(2400); // seldom by now: half of 5 s at least
    turn_a_while();
    ck_assert_uint_eq(dials(), 11);
    ck_assert(inbox_is_empty(&heard));
    close(nobody);
}
END_TEST

START_TEST(who_accepts_and_says_nothing_is_given_up)
{
    char at[64];
    int listener = raw_listen(at);

    hear(at);
    wf_test_clock_freeze(true);
    int fd = accept_first(listener);
    wf_test_clock_skip(9900);
    turn_a_while();
    ck_assert_uint_eq(dials(), 1);
    wf_test_clock_skip(101);
    wf_test_clock_freeze(false); // it pauses before it comes again
    until_dials(2);
    ck_assert(raw_closed(fd));
    ck_assert(inbox_is_empty(&heard)); // it never was up
    close(fd);
    fd = accept(listener, NULL, NULL);
    say(fd, three_frames);
    three_come();
    wf_test_clock_skip(3600000); // a silent stream is no reason to leave it
    turn_a_while();
    ck_assert(inbox_is_empty(&heard));
    ck_assert_uint_eq(dials(), 2);
    close(fd);
    close(listener);
}
END_TEST

static enum wf_net_what free_at;

static bool free_on(void *arg, const struct wf_net_event *ev)
{
    unsigned *after = arg;

    ++*after;
    if (ev->what == free_at) {
        wf_net_sub_free(sub);
        sub = NULL;
        *after = 0;
    }
    if (ev->what == WF_NET_FRAME)
        wf_net_msg_free(ev->msg);
    return true;
}

START_TEST(whoever_frees_it_within_an_event_gets_no_further_one)
{
    static const enum wf_net_what whats[] = { WF_NET_UP, WF_NET_FRAME, WF_NET_DOWN };
    unsigned after = 9;
    struct wf_net_sub_conf conf = { .loop = loop, .post = free_on, .arg = &after };
    char at[64];
    int listener = raw_listen(at);

    free_at = whats[_i];
    conf.where = at;
    ck_assert_int_eq(wf_net_sub_new(&conf, &sub), WEFT_OK);
    int fd = accept_first(listener);
    say(fd, three_frames);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    for (int64_t until = mono_ms() + 60000; sub && mono_ms() < until;)
        wf_loop_turn(loop, 20);
    turn_a_while(); // and nothing more comes
    ck_assert_ptr_null(sub);
    ck_assert_uint_eq(after, 0);
    ck_assert(raw_closed(fd));
    close(fd);
    close(listener);
}
END_TEST

// ---- addresses -------------------------------------------------------------------------------------------------------------

// What names lead to is the test's.
static struct {
    const char *addresses[2]; // NULL: an error
    unsigned asked, answered;
    bool hold;
    sem_t go;
} names;

int __wrap_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res);
int __real_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res);

int __wrap_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
    struct addrinfo plain = *hints, *list = NULL;

    ck_assert_str_eq(node, "home.example");
    __atomic_fetch_add(&names.asked, 1, __ATOMIC_SEQ_CST);
    while (names.hold && sem_wait(&names.go) != 0)
        continue;
    plain.ai_flags = AI_NUMERICHOST;
    for (size_t i = WF_COUNT(names.addresses); i-- > 0;) {
        struct addrinfo *one = NULL;
        if (!names.addresses[i] ||
            __real_getaddrinfo(names.addresses[i], service, &plain, &one) != 0)
            continue;
        one->ai_next = list;
        list = one;
    }
    *res = list;
    __atomic_fetch_add(&names.answered, 1, __ATOMIC_SEQ_CST);
    return list ? 0 : EAI_NONAME;
}

static unsigned asked(void)
{
    return __atomic_load_n(&names.asked, __ATOMIC_SEQ_CST);
}

static void until_asked(unsigned n)
{
    int64_t until = mono_ms() + 60000;

    while (asked() < n && mono_ms() < until)
        wf_loop_turn(loop, 20);
    ck_assert_uint_eq(asked(), n);
}

static const char *named(const char *at)
{
    static char name[64];

    snprintf(name, sizeof name, "home.example%s", strchr(at, ':'));
    return name;
}

START_TEST(every_address_of_a_name_is_tried_before_it_is_looked_up_anew)
{
    char at[64];
    int listener = raw_listen(at);

    names.addresses[0] = "127.0.0.77"; // the listener takes it: it is bound to all
    names.addresses[1] = "127.0.0.1";
    hear(named(at));
    until_dials(1);
    int fd = accept(listener, NULL, NULL);
    close(fd);
    until_dials(2);
    ck_assert_uint_eq(asked(), 1);
    fd = accept(listener, NULL, NULL);
    say(fd, three_frames);
    three_come();
    close(fd);
    heard_is(WF_NET_DOWN);
    until_dials(3); // both were tried: the host may have moved
    ck_assert_uint_eq(asked(), 2);
    close(listener);
}
END_TEST

START_TEST(a_name_that_leads_nowhere_is_looked_up_again)
{
    char at[64];
    int listener = raw_listen(at);

    names.addresses[0] = names.addresses[1] = NULL;
    wf_test_clock_freeze(true);
    hear(named(at));
    int64_t until = mono_ms() + 60000;
    while (__atomic_load_n(&names.answered, __ATOMIC_SEQ_CST) == 0 && mono_ms() < until)
        wf_loop_turn(loop, 20);
    turn_a_while();
    ck_assert_uint_eq(dials(), 0);
    ck_assert_uint_eq(asked(), 1);
    names.addresses[0] = "127.0.0.1";
    while (asked() < 2 && mono_ms() < until) { // its pause begins when the loop has the answer
        wf_test_clock_skip(101);
        wf_loop_turn(loop, 20);
    }
    until_dials(1);
    ck_assert_uint_eq(asked(), 2);
    int fd = accept(listener, NULL, NULL);
    say(fd, GREETING);
    heard_is(WF_NET_UP);
    close(fd);
    close(listener);
}
END_TEST

START_TEST(a_look_up_that_hangs_keeps_nobody)
{
    names.hold = true;
    names.addresses[0] = "127.0.0.1";
    hear("home.example:7401");
    until_asked(1);
    wf_net_sub_free(sub); // at once
    sub = NULL;
    hear("127.0.0.1:1"); // and the loop goes on
    until_dials(1);
    sem_post(&names.go);
    turn_a_while();
}
END_TEST

static const struct {
    const char *why, *where;
    enum weft_err err;
} addresses[] = {
    { "no port", "127.0.0.1", WEFT_E_SYNTAX },
    { "port 0", "127.0.0.1:0", WEFT_E_SYNTAX },
    { "nothing", "", WEFT_E_SYNTAX },
    { "a local socket, which no peer may name", "ipc:/run/weft/weft.sock", WEFT_E_SYNTAX },
    { "likewise", "ipc:///run/weft/weft.sock", WEFT_E_SYNTAX },
    { "a path in a name", "a/b:80", WEFT_E_SYNTAX },
    { "no IPv6 address", "[1.2.3.4]:80", WEFT_E_SYNTAX },
    { "IPv4", "127.0.0.1:1", WEFT_OK },
    { "IPv6", "[::1]:1", WEFT_OK },
    { "as a URL", "tcp://127.0.0.1:1", WEFT_OK },
};

START_TEST(only_hosts_with_a_port_are_dialled)
{
    struct wf_net_sub_conf conf = {
        .loop = loop, .post = inbox_post, .arg = &heard, .where = addresses[_i].where
    };

    ck_assert_msg(wf_net_sub_new(&conf, &sub) == addresses[_i].err, "%s", addresses[_i].why);
    if (!addresses[_i].err)
        until_dials(1);
    ck_assert_uint_eq(asked(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sdk.sub");
    TCase *t = tcase_create("sub");

    sem_init(&names.go, 0, 0);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, frames_of_nngs_pub_come_whole_and_in_order);
    tcase_add_test(t, frames_may_come_byte_by_byte_or_all_at_once);
    tcase_add_test(t, a_frame_that_nobody_takes_is_dropped_and_counted);
    tcase_add_loop_test(t, a_publisher_that_lies_is_left_and_costs_nothing, 0, (int)WF_COUNT(lies));
    tcase_add_test(t, a_frame_as_large_as_may_be_comes);
    tcase_add_test(t, a_publisher_that_is_not_there_is_tried_ever_more_seldom);
    tcase_add_test(t, who_accepts_and_says_nothing_is_given_up);
    tcase_add_loop_test(t, whoever_frees_it_within_an_event_gets_no_further_one, 0, 3);
    tcase_add_test(t, every_address_of_a_name_is_tried_before_it_is_looked_up_anew);
    tcase_add_test(t, a_name_that_leads_nowhere_is_looked_up_again);
    tcase_add_test(t, a_look_up_that_hangs_keeps_nobody);
    tcase_add_loop_test(t, only_hosts_with_a_port_are_dialled, 0, (int)WF_COUNT(addresses));
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
