// SPDX-License-Identifier: Apache-2.0
// One request from decoding to its sealed answer. The inside of wf_call, shared by control.c (which makes calls), call.c (which answers
// them) and sealing.c (large answers). Loop thread only.
#ifndef WF_NODE_CALL_H
#define WF_NODE_CALL_H

#include "node/admit.h"
#include "node/control.h"
#include "node/replays.h"
#include "node/sessions.h"
#include "node/signals/room.h"
#include "sdk/net/local.h"

#define WF_HANDLERS_MAX 64u

struct wf_control {
    struct wf_net *net;
    struct wf_net_rep *tcp; // NULL on agents
    struct wf_local *ipc;
    uint16_t port; // bound
    struct wf_sessions *sessions;
    struct wf_admit *admit;
    struct wf_replays *replays;
    struct call *calls;     // all that are not answered yet
    struct wf_early *early; // of them: PUBLISH requests that overtook others
    unsigned early_count;
    uint64_t early_full;
    uint64_t refused_by[1000]; // by code
    uint64_t last_call;
    struct wf_traffic traffic[WF_HANDLERS_MAX]; // by place in the handlers' table
    struct {
        uint64_t handshakes, handshakes_refused, mac1_wrong, requests, refused, busy, replays;
    } count;
};

struct call {
    struct wf_call pub; // first
    struct wf_net_request *net;
    uint64_t session; // id; 0 = local
    uint64_t nonce;
    uint32_t pipe;
    struct wf_caller caller; // a copy: the session may go while the call is parked
    struct wf_arena arena;
    const struct wf_handler *handler;
    int64_t begun_us;           // as wf_loop_exact_us
    Weft__V1__HelloReply hello; // goes with the reply when the request greeted
    bool greets;
    bool remembers; // the reply is kept for its idempotency key
    struct wf_hash request_hash;
    struct call *next, *prev;
};

// Takes the opened request bytes; everything after the session (or the local socket) happens here. `net` is taken.
void wf_call_begin(struct wf_node *n, struct wf_net_request *net, struct wf_live_session *s,
    uint64_t nonce, const struct wf_caller *local, struct wf_bytes plain);
// The pipe died: parked calls of it end without an answer.
void wf_calls_of_pipe_gone(struct wf_node *n, uint32_t pipe);
// The key under which an address has its bucket; SYNTAX for a local one.
WF_MUST_USE enum weft_err wf_call_addr_key(const struct wf_net_addr *addr, struct wf_addr_key *ret);
// The end of a call: sends the message, or on an error ends the connection.
void wf_call_send(struct call *c, struct wf_bytes message, enum weft_err err);
void wf_call_signals(struct wf_node *n, struct wf_signals *out);
// Has a large answer sealed on a worker and sent then; takes it. False: seal it here.
bool wf_call_seal_apart(struct call *c, struct wf_buf *plain);
// Outside of any session: the uniform refusal.
void wf_call_uniform(struct wf_net_request *net, enum weft_err cause);

#endif
