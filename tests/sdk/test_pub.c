// SPDX-License-Identifier: Apache-2.0
// A stream at its home: who is let in and how long, what a slow reader costs and whom, order between the two ways a frame may go, closing.
// Readers are libweft's, NNG's, and raw connections that say what they like.
#include <check.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sdk/net_support.h"
#include "tests/support/support.h"

static struct wf_net *net;
static struct wf_net_pub *pub;
static char where[64];

static struct wf_buf sent; // what the last one left

static void open_pub(struct wf_net_pub_conf conf)
{
    uint16_t port = 0;

    net = net_start(NULL);
    ck_assert_int_eq(wf_net_pub_new(net, &conf, &pub), WEFT_OK);
    ck_assert_int_eq(wf_net_pub_listen(pub, "127.0.0.1:0", &port), WEFT_OK);
    snprintf(where, sizeof where, "127.0.0.1:%u", (unsigned)port);
}

static void close_pub(void)
{
    wf_net_pub_free(pub);
    net_finish(net);
    wf_buf_fini(&sent);
}

static struct wf_net_pub_stats stats(void)
{
    struct wf_net_pub_stats st;

    wf_net_pub_get_stats(pub, &st);
    return st;
}

static bool has_pipes(void *arg)
{
    return stats().pipes == *(unsigned *)arg;
}

static void until_pipes(unsigned n)
{
    ck_assert_msg(eventually(has_pipes, &n, 10000), "%u of %u", stats().pipes, n);
}

static bool has_refused(void *arg)
{
    return stats().refused == *(unsigned *)arg;
}

// A raw reader that is among the readers; the home's greeting was read.
static int raw_reader(unsigned nth)
{
    uint8_t greeting[8];
    int fd = raw_connect(where);

    raw_greet(fd, PROTO_SUB);
    ck_assert(raw_read(fd, greeting, sizeof greeting));
    ck_assert_mem_eq(greeting, ((uint8_t[]){ 0, 'S', 'P', 0, 0, 0x20, 0, 0 }), 8);
    until_pipes(nth);
    return fd;
}

static void filled(struct wf_buf *frame, size_t len, uint8_t byte)
{
    ck_assert_int_eq(wf_buf_reserve(frame, len), WEFT_OK);
    memset(frame->ptr, byte, len);
    frame->len = len;
}

static void send_numbered(uint32_t number, size_t len)
{
    filled(&sent, len, 0);
    wf_store_be32(sent.ptr, number);
    ck_assert_int_eq(wf_net_pub_send(pub, &sent), WEFT_OK);
}

static uint32_t read_numbered(int fd, uint64_t *ret_len)
{
    static uint8_t frame[1 << 20];
    uint8_t head[8];

    ck_assert(raw_read(fd, head, sizeof head));
    *ret_len = wf_load_be64(head);
    ck_assert_uint_le(*ret_len, sizeof frame);
    ck_assert(raw_read(fd, frame, (size_t)*ret_len));
    return wf_load_be32(frame);
}

// ---- who is let in -------------------------------------------------------------------------------------------------------

static const struct greeting {
    const char *why;
    const char *hex;
} greetings[] = {
    { "it calls itself a requester", "0053500000300000" },
    { "another protocol altogether", "474554202f204854" },
    { "a reader has nothing to say", "005350000021000001" },
    { "nor later", "" },
};

START_TEST(who_says_anything_but_a_readers_greeting_is_left)
{
    const struct greeting *g = &greetings[_i];

    open_pub((struct wf_net_pub_conf){ 0 });
    int fd = g->hex[0] ? raw_connect(where) : raw_reader(1);
    struct wf_buf bytes = wf_test_hex(g->hex[0] ? g->hex : "00");
    ck_assert_int_eq(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
    ck_assert_msg(raw_closed(fd), "%s", g->why);
    until_pipes(0);
    close(fd);
    wf_buf_fini(&bytes);
    close_pub();
}
END_TEST

START_TEST(who_does_not_greet_in_time_is_left_and_a_reader_stays)
{
    open_pub((struct wf_net_pub_conf){ .first_ms = 50 });
    int reader = raw_reader(1), mute = raw_connect(where), slow = raw_connect(where);

    ck_assert_int_eq(send(slow, "\0SP", 3, MSG_NOSIGNAL), 3);
    ck_assert(raw_closed(mute));
    ck_assert(raw_closed(slow));
    ck_assert_uint_eq(stats().pipes, 1);
    ck_assert_uint_eq(stats().admitted, 3);
    close(mute);
    close(slow);
    close(reader);
    close_pub();
}
END_TEST

// Those that have not greeted count, too: else they were the way around.
START_TEST(connections_of_one_host_and_of_all_are_bounded_greeted_or_not)
{
    static const struct wf_net_pub_conf bounds[] = { { .pipes = 2 }, { .pipes_per_addr = 2 } };
    unsigned one = 1;

    open_pub(bounds[_i]);
    int reader = raw_reader(1), mute = raw_connect(where), third = raw_connect(where);
    raw_greet(third, PROTO_SUB);
    ck_assert(raw_closed(third));
    ck_assert(eventually(has_refused, &one, 5000));
    close(third);
    close(mute); // makes room
    for (int64_t until = mono_ms() + 10000; stats().pipes < 2;) {
        ck_assert(mono_ms() < until);
        third = raw_connect(where);
        raw_greet(third, PROTO_SUB);
        nap(50);
        if (stats().pipes < 2)
            close(third);
    }
    close(third);
    close(reader);
    close_pub();
}
END_TEST

// ---- the gate ------------------------------------------------------------------------------------------------------------

START_TEST(the_gate_lets_in_who_was_admitted_and_shows_out_who_no_longer_is)
{
    struct wf_net_addr host = { .family = WF_NET_IP4, .ip = { 127, 0, 0, 1 }, .port = 9 };
    struct wf_net_addr other = { .family = WF_NET_IP4, .ip = { 127, 0, 0, 2 } };
    struct wf_net_gate *gate = NULL;
    struct inbox in;

    inbox_init(&in);
    ck_assert_int_eq(wf_net_gate_new(&gate), WEFT_OK);
    open_pub((struct wf_net_pub_conf){ .gate = gate });
    ck_assert_int_eq(wf_net_gate_admit(gate, &other), WEFT_OK);
    int fd = raw_connect(where);
    raw_greet(fd, PROTO_SUB);
    ck_assert(raw_closed(fd));
    close(fd);
    ck_assert_uint_eq(stats().gated, 1);

    ck_assert_int_eq(wf_net_gate_admit(gate, &host), WEFT_OK);
    ck_assert_int_eq(wf_net_gate_admit(gate, &host), WEFT_OK);
    struct hearer *sub = hearer_start(&in, where);
    ck_assert_int_eq(inbox_take(&in).what, WF_NET_UP);
    until_pipes(1);
    wf_net_gate_withdraw(gate, &host); // one of two: stays
    wf_net_gate_withdraw(gate, &other);
    wf_net_gate_withdraw(gate, &other); // not admitted: no harm
    nap(700);                           // longer than a sweep
    ck_assert_uint_eq(stats().pipes, 1);
    wf_net_gate_withdraw(gate, &host);
    ck_assert_int_eq(inbox_take(&in).what, WF_NET_DOWN);
    until_pipes(0);
    hearer_stop(sub);
    close_pub();
    wf_net_gate_free(gate);
    inbox_fini(&in);
}
END_TEST

// A socket closes behind wf_net_pub_free: it holds the gate that its owner gave up.
START_TEST(a_gate_outlives_its_owner)
{
    struct wf_net_addr host = { .family = WF_NET_IP4, .ip = { 127, 0, 0, 1 }, .port = 9 };
    struct wf_net_gate *gate = NULL;
    uint64_t len = 0;

    ck_assert_int_eq(wf_net_gate_new(&gate), WEFT_OK);
    open_pub((struct wf_net_pub_conf){ .gate = gate });
    ck_assert_int_eq(wf_net_gate_admit(gate, &host), WEFT_OK);
    int fd = raw_reader(1);
    for (uint32_t i = 0; i < 100; i++)
        send_numbered(i, 65536); // it lingers
    wf_net_gate_free(gate);
    int second = raw_connect(where); // asks the gate
    raw_greet(second, PROTO_SUB);
    until_pipes(2);
    wf_net_pub_free(pub);
    for (uint32_t i = 0; i < 100; i++)
        ck_assert_uint_eq(read_numbered(fd, &len), i);
    close(fd);
    close(second);
    net_finish(net);
}
END_TEST

// ---- two ways out --------------------------------------------------------------------------------------------------------

// Small frames leave from the thread that sends, large ones from the other: one never overtakes the other.
START_TEST(frames_of_every_size_come_in_their_order)
{
    static const size_t lengths[] = { 100, 100, 70000, 100, 16384, 16385, 4, 300000, 8, 100 };
    enum { ROUNDS = 60 };
    uint64_t len = 0;

    open_pub((struct wf_net_pub_conf){ .queue_bytes = 64u << 20 });
    int fd = raw_reader(1);
    for (uint32_t i = 0; i < ROUNDS * WF_COUNT(lengths); i++)
        send_numbered(i, lengths[i % WF_COUNT(lengths)]);
    for (uint32_t i = 0; i < ROUNDS * WF_COUNT(lengths); i++) {
        ck_assert_uint_eq(read_numbered(fd, &len), i);
        ck_assert_uint_eq(len, lengths[i % WF_COUNT(lengths)]);
    }
    ck_assert_uint_eq(stats().dropped, 0);
    ck_assert_uint_eq(stats().messages, ROUNDS * WF_COUNT(lengths));
    close(fd);
    close_pub();
}
END_TEST

// A socket that made memory for each large frame would have the kernel fill pages for each.
START_TEST(the_memory_of_a_frame_that_has_gone_comes_round)
{
    const size_t large = 100000;
    uint64_t len = 0;

    open_pub((struct wf_net_pub_conf){ 0 });
    int fd = raw_reader(1);
    for (uint32_t i = 0; i < 100 && !sent.cap; i++) {
        send_numbered(i, large);
        ck_assert_uint_eq(sent.len, 0);
        ck_assert_uint_eq(read_numbered(fd, &len), i);
    }
    ck_assert_uint_ge(sent.cap, large);
    close(fd);
    close_pub();
}
END_TEST

// More than the sender serves itself.
START_TEST(many_readers_hear_the_same)
{
    enum { READERS = 12, FRAMES = 200 };
    int fds[READERS];
    uint64_t len = 0;

    open_pub((struct wf_net_pub_conf){ 0 });
    for (unsigned i = 0; i < READERS; i++)
        fds[i] = raw_reader(i + 1);
    for (uint32_t i = 0; i < FRAMES; i++)
        send_numbered(i, 500);
    for (unsigned i = 0; i < READERS; i++) {
        for (uint32_t k = 0; k < FRAMES; k++)
            ck_assert_uint_eq(read_numbered(fds[i], &len), k);
        close(fds[i]);
    }
    close_pub();
}
END_TEST

struct keeping_up {
    int fd;
    uint32_t frames;
    atomic_uint read;
    pthread_t thread;
};

static void *keep_up(void *arg)
{
    struct keeping_up *k = arg;
    uint64_t len = 0;

    for (uint32_t i = 0; i < k->frames; i++) {
        ck_assert_uint_eq(read_numbered(k->fd, &len), i);
        atomic_store(&k->read, i + 1);
    }
    return NULL;
}

START_TEST(what_is_queued_when_it_closes_still_leaves)
{
    enum { FRAMES = 200, LEN = 65536 };

    open_pub((struct wf_net_pub_conf){ 0 });
    struct keeping_up k = { .fd = raw_reader(1), .frames = FRAMES };
    ck_assert_int_eq(pthread_create(&k.thread, NULL, keep_up, &k), 0);
    for (uint32_t i = 0; i < FRAMES; i++) {
        while (atomic_load(&k.read) + 16 < i) // it does not wait long for a reader that is slow
            nap(1);
        send_numbered(i, LEN);
    }
    wf_net_pub_free(pub);
    pthread_join(k.thread, NULL);
    ck_assert(raw_closed(k.fd));
    close(k.fd);
    net_finish(net);
}
END_TEST

// ---- slow readers --------------------------------------------------------------------------------------------------------

// Repair relies on this: a publisher neither waits for a stalled reader nor keeps more than queue_bytes for it. The reader finds gaps, then the
// newest; another one gets everything; what was dropped is counted for the one it was dropped for.
START_TEST(a_stalled_reader_loses_the_oldest_frames_and_costs_the_others_nothing)
{
    enum { FRAMES = 600, LEN = 65536, QUEUE = 32 * LEN };
    struct wf_net_pub_host slow[4];
    int64_t worst_ms = 0;
    uint64_t len = 0;

    open_pub((struct wf_net_pub_conf){ .queue_bytes = QUEUE });
    struct keeping_up k = { .fd = raw_reader(1), .frames = FRAMES };
    int fd = raw_reader(2);
    ck_assert_int_eq(pthread_create(&k.thread, NULL, keep_up, &k), 0);
    for (uint32_t i = 0; i < FRAMES; i++) {
        int64_t begun_ms = mono_ms();
        send_numbered(i, LEN);
        worst_ms = mono_ms() - begun_ms > worst_ms ? mono_ms() - begun_ms : worst_ms;
        ck_assert_uint_le(stats().queued, 2 * (size_t)(QUEUE + 2 * LEN));
        while (atomic_load(&k.read) + 16 <
               i) // half of what its queue takes: it keeps up on any machine
            nap(1);
    }
    pthread_join(k.thread, NULL);
    ck_assert_int_lt(worst_ms, 5000);
    ck_assert_uint_eq(wf_net_pub_slow_hosts(pub, slow, WF_COUNT(slow)), 1);
    ck_assert_uint_eq(slow[0].dropped, stats().dropped);
    ck_assert_uint_eq(slow[0].pipes, 1); // the other lost nothing
    ck_assert_uint_eq(wf_net_pub_host_of(pub, &slow[0].addr).dropped, stats().dropped);
    struct wf_net_addr elsewhere = { .family = WF_NET_IP4, .ip = { 192, 0, 2, 1 } };
    ck_assert_uint_eq(wf_net_pub_host_of(pub, &elsewhere).dropped, 0);
    uint32_t seq = 0, got = 0, missed = 0;
    for (uint32_t want = 0; seq < FRAMES - 1; want = seq + 1) {
        seq = read_numbered(fd, &len);
        ck_assert_uint_ge(seq, want);
        missed += seq - want;
        got++;
    }
    printf("%u of %u frames, %u missed, worst send %d ms\n", got, (unsigned)FRAMES, missed,
        (int)worst_ms);
    ck_assert_uint_ge(missed, 1);
    ck_assert_uint_eq(missed, stats().dropped);
    close(fd);
    close(k.fd);
    close_pub();
}
END_TEST

struct blast {
    size_t len;
    atomic_bool stop;
    pthread_t thread;
};

static void *blast_main(void *arg)
{
    struct blast *b = arg;
    struct wf_buf frame = { 0 };

    while (!atomic_load(&b->stop)) {
        filled(&frame, b->len, 'x');
        enum weft_err err = wf_net_pub_send(pub, &frame);
        ck_assert(err == WEFT_OK || err == WEFT_E_FULL); // faster than the thread sends
        ck_assert_uint_eq(frame.len, 0);
    }
    wf_buf_fini(&frame);
    return NULL;
}

static const struct stream {
    const char *why;
    size_t len;
} streams[] = {
    { "small frames", 100 },
    { "frames in several reads", 65536 },
};

START_TEST(subscribers_that_close_in_full_stream_close_in_time)
{
    const struct stream *st = &streams[_i];
    struct blast b = { .len = st->len };

    open_pub((struct wf_net_pub_conf){ 0 });
    ck_assert_int_eq(pthread_create(&b.thread, NULL, blast_main, &b), 0);
    for (int i = 0; i < 25; i++) {
        struct inbox in;
        inbox_init(&in);
        in.drop = i % 2; // with and without a receiver that keeps up
        struct hearer *sub = hearer_start(&in, where);
        ck_assert_int_eq(inbox_take(&in).what, WF_NET_UP);
        while (inbox_is_empty(&in) && in.dropped == 0)
            nap(1);
        hearer_stop(sub);
        inbox_fini(&in);
    }
    atomic_store(&b.stop, true);
    pthread_join(b.thread, NULL);
    until_pipes(0);
    close_pub();
}
END_TEST

// ---- NNG at the other end ------------------------------------------------------------------------------------------------

START_TEST(a_reader_of_nng_hears_the_same)
{
    char url[80], got[80000];
    nng_socket s;

    open_pub((struct wf_net_pub_conf){ 0 });
    snprintf(url, sizeof url, "tcp://%s", where);
    ck_assert_int_eq(nng_sub0_open(&s), 0);
    ck_assert_int_eq(nng_socket_set(s, NNG_OPT_SUB_SUBSCRIBE, "", 0), 0);
    ck_assert_int_eq(nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, 10000), 0);
    ck_assert_int_eq(nng_dial(s, url, NULL, 0), 0);
    until_pipes(1);
    for (uint32_t i = 0; i < 50; i++)
        send_numbered(i, i % 2 ? 70000 : 100);
    for (uint32_t i = 0; i < 50; i++) {
        size_t len = sizeof got;
        ck_assert_int_eq(nng_recv(s, got, &len, 0), 0);
        ck_assert_uint_eq(len, i % 2 ? 70000 : 100);
        ck_assert_uint_eq(wf_load_be32((uint8_t *)got), i);
    }
    nng_close(s);
    until_pipes(0);
    close_pub();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sdk.pub");
    TCase *c = tcase_create("pub");

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(
        c, who_says_anything_but_a_readers_greeting_is_left, 0, (int)WF_COUNT(greetings));
    tcase_add_test(c, who_does_not_greet_in_time_is_left_and_a_reader_stays);
    tcase_add_loop_test(c, connections_of_one_host_and_of_all_are_bounded_greeted_or_not, 0, 2);
    tcase_add_test(c, the_gate_lets_in_who_was_admitted_and_shows_out_who_no_longer_is);
    tcase_add_test(c, a_gate_outlives_its_owner);
    tcase_add_test(c, frames_of_every_size_come_in_their_order);
    tcase_add_test(c, the_memory_of_a_frame_that_has_gone_comes_round);
    tcase_add_test(c, many_readers_hear_the_same);
    tcase_add_test(c, a_stalled_reader_loses_the_oldest_frames_and_costs_the_others_nothing);
    tcase_add_loop_test(
        c, subscribers_that_close_in_full_stream_close_in_time, 0, (int)WF_COUNT(streams));
    tcase_add_test(c, what_is_queued_when_it_closes_still_leaves);
    tcase_add_test(c, a_reader_of_nng_hears_the_same);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
