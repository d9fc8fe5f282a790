// SPDX-License-Identifier: Apache-2.0
// What the two halves of the link share; included by sdk/link.c (requests, connection) and sdk/link_session.c (handshake, sealing)
// only. Letters from NNG's threads are embedded in what they are about: the request, or the connection, which lives until the
// last of its letters was read. Invariant: whoever may call a callback holds `depth`, so that a link freed within one goes last.
#ifndef WF_SDK_LINK_INT_H
#define WF_SDK_LINK_INT_H

#include <stdatomic.h>

#include "proto/session/session.h"
#include "sdk/link.h"
#include "sdk/loop/loop.h"
#include "sdk/net/local.h"

struct wf_link_conn { // shared with letters
    struct wf_loop *loop;
    struct wf_net_peer *net; // one of these two
    struct wf_local_peer *local;
    struct wf_link *link; // NULL once the link let go of it
    atomic_uint refs;
    struct wf_mail down;
    enum weft_err down_err;
};

enum wf_link_kind { WF_LINK_USER, WF_LINK_INIT, WF_LINK_HELLO };

struct wf_link_ask {     // a request
    struct wf_mail mail; // first: the letter that carries its reply
    struct wf_timer timer;
    struct wf_link_conn *conn; // while it is on the wire
    struct wf_link *link;      // NULL once its owner was told
    struct wf_link_ask *next, *prev;
    uint64_t serial;
    enum wf_link_kind kind;
    bool on_wire, retried;
    struct wf_buf plain;        // packed request, to be sealed
    struct wf_net_msg *message; // of the local socket, where nothing is: packed for the wire
    struct wf_net_lent lent;    // with it
    uint32_t patience_us;
    Weft__V1__Reply__KindCase reply_kind; // that the request has, or none
    uint64_t nonce;
    unsigned session; // serial of the session it was sealed in
    int64_t deadline_ms;
    wf_link_fn done;
    void *arg;
    struct wf_net_msg *reply;
    enum weft_err err;
};

struct wf_link_session {
    struct wf_session s;
    unsigned serial; // 0 = none
};

struct wf_link {
    struct wf_link_conf conf;
    struct wf_buf chain, peer_chain;
    char address[WF_MAX_ADDR + 8], version[64], peer_version[64];
    bool is_local;
    struct wf_link_conn *conn;
    struct wf_link_session current, old, fresh; // fresh: shaken hands, hello not yet answered
    struct wf_session_dialing dialing;
    bool is_dialing, freed;
    bool redialled; // after a refusal, once
    unsigned depth; // callbacks under way
    unsigned last_session;
    int64_t last_stamp_unix_ms; // of a handshake: the peer wants them to rise
    uint64_t last_ask;
    struct wf_link_ask *first, *last; // all requests, waiting and on the wire, the oldest first
    unsigned in_flight;               // those of our owner
    struct wf_timer renew;
    int64_t backoff_ms, not_before_ms;
    struct wf_link_state state;
};

// ---- link.c ----

WF_MUST_USE enum weft_err wf_link_ask_new(struct wf_link *l, enum wf_link_kind kind,
    int64_t deadline_ms, wf_link_fn done, struct wf_link_ask **ret);
// Tells the owner (done NULL: nobody) and releases; one on the wire stays allocated until its letter comes.
void wf_link_finish(struct wf_link_ask *a, enum weft_err err, const Weft__V1__Reply *reply);
// Puts bytes on the wire; the request is there from now on unless an error comes back. The second takes msg, also on failure.
WF_MUST_USE enum weft_err wf_link_put(
    struct wf_link *l, struct wf_link_ask *a, struct wf_bytes message);
WF_MUST_USE enum weft_err wf_link_put_msg(
    struct wf_link *l, struct wf_link_ask *a, struct wf_net_msg *msg);
// The connection and every request end with err. what may be NULL.
void wf_link_fail(struct wf_link *l, enum weft_err err, const char *what);
// Brings up what waiting requests need: connection, session; then sends them.
void wf_link_start(struct wf_link *l);

// ---- link_session.c ----

void wf_link_drop_sessions(struct wf_link *l);
// Begins a handshake; there must be a connection and none under way.
WF_MUST_USE enum weft_err wf_link_dial(struct wf_link *l);
bool wf_link_may_dial(const struct wf_link *l);
void wf_link_flush(struct wf_link *l);
void wf_link_on_renew(struct wf_timer *t);
// The kind of reply that a request of this kind has.
Weft__V1__Reply__KindCase wf_link_reply_kind(Weft__V1__Request__KindCase asked);
// Does it answer that? The kinds share their memory (a oneof is a union), so one of another kind must never be looked into.
bool wf_link_reply_fits(const Weft__V1__Reply *reply, Weft__V1__Reply__KindCase wanted);
// The answer to a's message has come: a->reply.
void wf_link_take_reply(struct wf_link *l, struct wf_link_ask *a);

#endif
