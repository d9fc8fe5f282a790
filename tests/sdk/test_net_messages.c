// SPDX-License-Identifier: Apache-2.0
// Messages and aios are ours until NNG has them: what we lose the leak checker sees (it looks away only from messages handed to a send),
// and a message that comes back from a failed send is freed, which is counted here because the checker does not see it.
#include <check.h>
#include <nng/nng.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/sdk/net_support.h"
#include "tests/support/support.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_SOUGHT
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(LEAKS_ARE_SOUGHT)
#include <sanitizer/lsan_interface.h>
#else
// Without the leak checker every case of hidden things is as the checker would say.
static int __lsan_do_recoverable_leak_check(void)
{
    return 1;
}
#endif

int __real_nng_msg_alloc(nng_msg **ret, size_t len);
int __wrap_nng_msg_alloc(nng_msg **ret, size_t len);
void __real_nng_msg_free(nng_msg *m);
void __wrap_nng_msg_free(nng_msg *m);

static atomic_int made, freed;

int __wrap_nng_msg_alloc(nng_msg **ret, size_t len)
{
    int rv = __real_nng_msg_alloc(ret, len);

    atomic_fetch_add(&made, rv == 0);
    return rv;
}

void __wrap_nng_msg_free(nng_msg *m)
{
    atomic_fetch_add(&freed, m != NULL);
    __real_nng_msg_free(m);
}

// ---- what is hidden is missed ----------------------------------------------------------------------------------------

#define HIDDEN_MAX 16
static uintptr_t hidden[HIDDEN_MAX];
static size_t hidden_count;

static void hide(void *thing)
{
    ck_assert_uint_lt(hidden_count, HIDDEN_MAX);
    hidden[hidden_count++] = ~(uintptr_t)thing;
}

static void *unhide(void)
{
    return (void *)~hidden[--hidden_count];
}

// The stack and the registers forget too.
static __attribute__((noinline)) void forget(void)
{
    volatile unsigned char room[65536];

    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
}

// Several, because a register may remember the last.
static __attribute__((noinline)) void lose_messages(void)
{
    for (size_t i = 0; i < HIDDEN_MAX; i++)
        hide(msg_of("lost"));
}

static __attribute__((noinline)) void lose_aios(void)
{
    for (size_t i = 0; i < HIDDEN_MAX; i++) {
        nng_aio *aio = NULL;
        ck_assert_int_eq(nng_aio_alloc(&aio, NULL, NULL), 0);
        hide(aio);
    }
}

START_TEST(a_lost_message_of_our_own_is_a_leak)
{
    lose_messages();
    forget();
    ck_assert_int_ne(__lsan_do_recoverable_leak_check(), 0);
    while (hidden_count)
        wf_net_msg_free(unhide());
}
END_TEST

START_TEST(a_lost_aio_is_a_leak)
{
    struct wf_net *net = net_start(NULL);

    lose_aios();
    forget();
    ck_assert_int_ne(__lsan_do_recoverable_leak_check(), 0);
    while (hidden_count)
        nng_aio_free(unhide());
    net_finish(net);
}
END_TEST

// Several, because the stack of one of NNG's threads may remember the last.
static __attribute__((noinline)) void lose_replies(struct wf_net_peer *p, struct inbox *in)
{
    for (uint64_t i = 0; i < HIDDEN_MAX; i++) {
        ck_assert_int_eq(wf_net_peer_send(p, i, msg_of("lost"), 5000), WEFT_OK);
        struct wf_net_event ev = inbox_take_kind(in, WF_NET_REPLY);
        ck_assert_int_eq(ev.err, WEFT_OK);
        hide(ev.msg);
    }
    memset(in->events, 0, sizeof in->events);
}

START_TEST(a_received_message_that_is_lost_is_a_leak)
{
    struct wf_net *net = net_start(NULL);
    struct echo e;
    struct inbox in;

    inbox_init(&in);
    echo_start(&e, net, NULL, "127.0.0.1:0");
    struct wf_net_peer *p = peer_to(net, &in, e.where);
    ck_assert_int_eq(wf_net_peer_wait(p), WEFT_OK);
    lose_replies(p, &in);
    wf_net_peer_free(p);
    echo_stop(&e);
    forget();
    ck_assert_int_ne(__lsan_do_recoverable_leak_check(), 0);
    while (hidden_count)
        wf_net_msg_free(unhide());
    inbox_fini(&in);
    net_finish(net);
}
END_TEST

// ---- what comes back is freed ----------------------------------------------------------------------------------------

#define SENDS 3

static struct inbox failed;

static struct wf_net_peer *send_to_nobody(struct wf_net *net, int64_t timeout_ms)
{
    atomic_store(&made, 0);
    atomic_store(&freed, 0);
    inbox_init(&failed);
    struct wf_net_peer *p = peer_to(net, &failed, "127.0.0.1:1");
    for (uint64_t i = 0; i < SENDS; i++)
        ck_assert_int_eq(wf_net_peer_send(p, i, msg_of("nobody"), timeout_ms), WEFT_OK);
    return p;
}

static void all_came_back(struct wf_net *net)
{
    net_finish(net);
    ck_assert_int_eq(atomic_load(&made), SENDS);
    ck_assert_int_eq(atomic_load(&freed), SENDS);
    inbox_fini(&failed);
}

START_TEST(messages_whose_time_is_up_are_freed)
{
    struct wf_net *net = net_start(NULL);
    struct wf_net_peer *p = send_to_nobody(net, 50);

    for (uint64_t i = 0; i < SENDS; i++)
        ck_assert_int_ne(inbox_take_kind(&failed, WF_NET_REPLY).err, WEFT_OK);
    wf_net_peer_free(p);
    all_came_back(net);
}
END_TEST

START_TEST(messages_of_a_freed_peer_are_freed)
{
    struct wf_net *net = net_start(NULL);

    wf_net_peer_free(send_to_nobody(net, 60000));
    all_came_back(net);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_messages");
    TCase *lost = tcase_create("lost"), *back = tcase_create("back");

    tcase_add_test(lost, a_lost_message_of_our_own_is_a_leak);
    tcase_add_test(lost, a_lost_aio_is_a_leak);
    tcase_add_test(lost, a_received_message_that_is_lost_is_a_leak);
    suite_add_tcase(s, lost);
    tcase_add_test(back, messages_whose_time_is_up_are_freed);
    tcase_add_test(back, messages_of_a_freed_peer_are_freed);
    suite_add_tcase(s, back);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
