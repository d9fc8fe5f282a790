// SPDX-License-Identifier: Apache-2.0
// The table of the control plane's sessions and their shares; who may ask for one is admit.h's. Owns sessions, callers and the
// tokens shown in them. Pure apart from memory: time is an argument. Loop thread only.
#ifndef WF_NODE_SESSIONS_H
#define WF_NODE_SESSIONS_H

#include "node/control.h"
#include "proto/session/session.h"

#define WF_SESSIONS_MAX        4096u
#define WF_SESSIONS_PER_PIPE   8u // one at work, one that renews it; an honest client needs no more
#define WF_SESSIONS_HALF_OPEN  256u  // nobody has shown who it is; the oldest makes room
#define WF_SESSIONS_NEWCOMERS  256u  // said to have no certificate
#define WF_SESSIONS_PER_DOMAIN 1024u // of one other domain
#define WF_SESSIONS_OWN        3072u // of this node's domain: its agents
#define WF_SESSION_TOKENS      16u   // remembered a session

struct wf_live_session {
    struct wf_session s;
    uint32_t pipe;
    struct wf_caller caller;
    bool greeted;        // hello was answered
    struct wf_buf chain; // as shown in it
    unsigned in_flight;
    struct wf_token *tokens[WF_SESSION_TOKENS];
    size_t token_count, token_next; // the oldest is replaced
    struct wf_live_session *next_id, *next_pipe, *next, *prev;
};

struct wf_sessions;
WF_MUST_USE enum weft_err wf_sessions_new(struct wf_sessions **ret);
void wf_sessions_free(struct wf_sessions *t);

// The session is moved in, half open. BUSY beyond the caps in all and of the pipe; beyond the one of half-open sessions the oldest goes,
// so that a stranger can cost an honest client a second handshake, never its place.
WF_MUST_USE enum weft_err wf_sessions_add(
    struct wf_sessions *t, const struct wf_session *s, uint32_t pipe, struct wf_live_session **ret);
struct wf_live_session *wf_sessions_find(struct wf_sessions *t, uint64_t id);
uint64_t wf_sessions_fresh_id(struct wf_sessions *t);
struct wf_live_session *wf_sessions_next(struct wf_sessions *t, struct wf_live_session *after);
// Those of one connection, which must not be removed on the way.
struct wf_live_session *wf_sessions_of_pipe(
    const struct wf_sessions *t, uint32_t pipe, const struct wf_live_session *after);
void wf_sessions_remove(struct wf_sessions *t, struct wf_live_session *s);
// Its hello proved a certificate of `domain` (NULL: it has none): no longer half open. BUSY when as many of that domain, or as many
// newcomers, are open already; the session is then as before.
WF_MUST_USE enum weft_err wf_sessions_greet(
    struct wf_sessions *t, struct wf_live_session *s, const char *domain, bool is_own);
size_t wf_sessions_count(const struct wf_sessions *t);
size_t wf_sessions_half_open(const struct wf_sessions *t);
uint64_t wf_sessions_refused(const struct wf_sessions *t); // by wf_sessions_add, since the start

// Tokens of a session: takes ownership; find by the id of block 0 or of the last block.
void wf_session_remember(struct wf_live_session *s, struct wf_token *t);
const struct wf_token *wf_session_token(const struct wf_live_session *s, struct wf_bytes id);

#endif
