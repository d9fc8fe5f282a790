// SPDX-License-Identifier: Apache-2.0
// The control plane's server side: sessions, order of work, one handler a request kind. Owns sessions and requests in flight.
// Invariant: every wf_call is answered exactly once, by reply, refusal, or the death of its pipe. Loop thread only.
#ifndef WF_NODE_CONTROL_H
#define WF_NODE_CONTROL_H

#include "node/node.h"
#include "proto/base/pb_v1.h"
#include "proto/trust/capability.h"

struct wf_net_addr;

struct wf_caller {
    bool local;       // over the local socket
    uint32_t uid;     // of a local caller
    uint64_t session; // 0 for local
    bool has_identity;
    struct wf_identity identity; // verified chain of a remote caller
    char label[140];             // "domain/subject", "uid 1000": for logs and audit
    char address[64];
};

struct wf_call {
    struct wf_node *node;
    const struct wf_caller *caller;
    const Weft__V1__Request *request;
    struct wf_arena *arena; // for the reply; freed with the call
    int64_t deadline_ms;    // monotonic
    void (*on_gone)(struct wf_call *c,
        void *arg); // the caller went away while the call was parked; do not answer any more
    void *gone_arg;
};

typedef void (*wf_handler_fn)(struct wf_node *n, struct wf_call *c);
enum wf_who {            // who may send it at all, before the handler looks
    WF_WHO_LOCAL = 1,    // local socket, and weftd.yaml's `local:` permits the verb
    WF_WHO_MEMBER = 2,   // any verified certificate
    WF_WHO_OWN = 4,      // a certificate of this node's own domain
    WF_WHO_NEWCOMER = 8, // a session without a certificate
};
struct wf_handler {
    Weft__V1__Request__KindCase kind;
    const char *name;
    unsigned who;
    const char *local_verb; // publish, serve, query, admin, read: what `local:` must grant
    bool mutating;          // needs an idempotency key; a repeated key gets the first answer again
    wf_handler_fn handle;
};
extern const struct wf_handler
    wf_handlers[], // kind 0 ends it; node/handlers.c collects all rooms' handlers
    wf_handlers_agent[];

// Answers. The reply's memory may be the call's arena; it is packed before return. The call is gone afterwards.
void wf_call_reply(struct wf_call *c, Weft__V1__Reply *reply);
void wf_call_refuse(struct wf_call *c, enum weft_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void wf_call_refuse_with(struct wf_call *c, Weft__V1__Refusal *refusal); // audit id is filled here
// Parks a call whose answer comes later (a long poll): it no longer counts as work in hand, and on_gone tells when its caller went
// away. BUSY when too many are parked: answer at once.
WF_MUST_USE enum weft_err wf_call_park(
    struct wf_call *c, void (*on_gone)(struct wf_call *c, void *arg), void *arg);
// Where the caller connects from; family LOCAL on the local socket.
const struct wf_net_addr *wf_call_addr(const struct wf_call *c);
// The connection that it came over; wf_stream_pipe_gone tells its end.
uint32_t wf_call_pipe(const struct wf_call *c);
// The certificate chain that the caller showed in its hello; empty on the local socket and after the session went.
struct wf_bytes wf_call_chain(const struct wf_call *c);
// The call's own session only: tokens shown before, by id. wf_call_token opens and remembers, or finds by id.
WF_MUST_USE enum weft_err wf_call_token(struct wf_call *c, ProtobufCBinaryData token,
    ProtobufCBinaryData token_id, const struct wf_token **ret, struct wf_diag *diag);

// Closes every session of this key (revocation, clone).
void wf_control_drop(struct wf_node *n, const struct wf_sign_pub *key);
extern const struct wf_room wf_control_room;

#endif
