// SPDX-License-Identifier: Apache-2.0
#include "tests/sdk/local_support.h"

#include <check.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/clock.h"

struct wf_loop *loop;
struct wf_local *server;
struct wf_local_peer *peer;
struct inbox at_server, at_peer;
const char *where;

void local_set_up(void)
{
    wf_test_clock_freeze(true); // nothing here may depend on how long a turn takes
    ck_assert_int_eq(wf_loop_new(NULL, &loop), WEFT_OK);
    wf_loop_turn(loop, 0);
    inbox_init(&at_server);
    inbox_init(&at_peer);
    where = ipc_where();
}

void local_tear_down(void)
{
    wf_local_peer_free(peer);
    wf_local_free(server);
    inbox_fini(&at_server); // answers what is left: its connections are gone
    inbox_fini(&at_peer);
    wf_loop_free(loop);
    peer = NULL;
    server = NULL;
}

void serve(struct wf_local_conf conf)
{
    conf.loop = loop;
    conf.post = inbox_post;
    conf.arg = &at_server;
    ck_assert_int_eq(wf_local_new(&conf, &server), WEFT_OK);
    ck_assert_int_eq(wf_local_listen(server, where, 0600), WEFT_OK);
}

void dial(struct wf_local_peer_conf conf)
{
    conf.loop = loop;
    conf.post = inbox_post;
    conf.arg = &at_peer;
    conf.where = where;
    ck_assert_int_eq(wf_local_peer_new(&conf, &peer), WEFT_OK);
}

// The next event of the inbox, the loop turning meanwhile.
struct wf_net_event next(struct inbox *in)
{
    int64_t until = mono_ms() + 60000;

    while (inbox_is_empty(in) && mono_ms() < until)
        wf_loop_turn(loop, 50);
    ck_assert_msg(!inbox_is_empty(in), "nothing came");
    return inbox_take(in);
}

void turn_a_while(void)
{
    for (int i = 0; i < 20; i++)
        wf_loop_turn(loop, 1);
}

void ask(uint64_t tag, const char *text)
{
    ck_assert_int_eq(wf_local_peer_send(peer, tag, msg_of(text), LONG_MS), WEFT_OK);
}

struct wf_net_request *request_next(const char *text)
{
    struct wf_net_event e = next(&at_server);

    ck_assert_int_eq(e.what, WF_NET_REQUEST);
    struct wf_bytes got = wf_net_request_bytes(e.request);
    ck_assert_msg(
        wf_bytes_is(got, text), "%.*s, not %s", (int)got.len, (const char *)got.ptr, text);
    return e.request;
}

void reply_is(uint64_t tag, enum weft_err err, const char *text)
{
    struct wf_net_event e = next(&at_peer);

    ck_assert_int_eq(e.what, WF_NET_REPLY);
    ck_assert_uint_eq(e.tag, tag);
    ck_assert_int_eq(e.err, err);
    if (text)
        ck_assert(wf_bytes_is(wf_net_msg_view(e.msg), text));
    wf_net_msg_free(e.msg);
}

void down_is(struct inbox *in, enum weft_err err)
{
    struct wf_net_event e = next(in);

    ck_assert_int_eq(e.what, WF_NET_DOWN);
    ck_assert_int_eq(e.err, err);
}

unsigned pipes(void)
{
    struct wf_local_stats st;

    wf_local_get_stats(server, &st);
    return st.pipes;
}

void until_pipes(unsigned n)
{
    int64_t until = mono_ms() + 60000;

    while (pipes() != n && mono_ms() < until)
        wf_loop_turn(loop, 20);
    ck_assert_uint_eq(pipes(), n);
}

int raw_listener(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof at.sun_path, "%s", where + 4);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    return fd;
}
