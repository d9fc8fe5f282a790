// SPDX-License-Identifier: Apache-2.0
// A node for tests of clients: the session layer on a real listener, answers from a function of the test's. Owns a thread with a
// loop; the knobs are atomic and may be turned at any time. Test code: aborts on errors of its own.
#ifndef WF_TESTS_FAKENODE_H
#define WF_TESTS_FAKENODE_H

#include <stdatomic.h>

#include "proto/base/pb_v1.h"
#include "tests/support/support.h"

struct wf_net;
struct wf_fakenode;

struct wf_fake_call {
    const Weft__V1__Request *request;
    struct wf_arena *arena; // for what the reply points to
    const char *caller; // subject of the certificate; "" for a newcomer or over the local socket
    bool local;
};
// Fills the reply (initialised, empty). Runs on the fake node's thread.
typedef void (*wf_fake_fn)(void *arg, const struct wf_fake_call *call, Weft__V1__Reply *reply);

struct wf_fakenode_conf {
    struct wf_net *net;
    const struct wf_secret *dh;
    struct wf_dh_pub dh_pub;
    struct wf_hash mesh_id;
    struct wf_bytes chain; // borrowed
    uint64_t charter_version;
    const char *socket; // path of a local socket; NULL: 127.0.0.1
    wf_fake_fn answer;
    void *arg;
};

struct wf_fake_knobs {
    atomic_int handshakes, hellos, requests, withheld; // counted
    atomic_int replays;          // so many next handshakes are refused as ones that came before
    atomic_int refuse_handshake; // code, 0 = accept
    atomic_int refuse_hello;     // code inside the session
    atomic_int
        refuse_requests; // so many next ones are refused outside of any session with refuse_code
    atomic_int refuse_code;
    atomic_bool mute;    // takes requests and never answers
    atomic_bool hold;    // answers when it is let go, the last request first
    atomic_bool in_turn; // the first request first
    atomic_bool hang_up; // closes the connection at the next request
    atomic_bool gone;    // and at every one
    atomic_bool damage;  // flips a bit of the next replies
};

struct wf_fakenode *wf_fakenode_start(const struct wf_fakenode_conf *conf);
void wf_fakenode_stop(struct wf_fakenode *f);
struct wf_fake_knobs *wf_fakenode_knobs(struct wf_fakenode *f);
// "127.0.0.1:PORT" or "ipc:PATH".
const char *wf_fakenode_address(const struct wf_fakenode *f);

// Refuses with code and text.
void wf_fake_refuse(
    const struct wf_fake_call *c, Weft__V1__Reply *reply, int code, const char *text);
// Arena copies, for building replies.
char *wf_fake_str(const struct wf_fake_call *c, const char *s);
void *wf_fake_new(const struct wf_fake_call *c, const ProtobufCMessageDescriptor *type);

#endif
