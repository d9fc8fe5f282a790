// SPDX-License-Identifier: Apache-2.0
// One secured link to one node: handshake, hello, renewal at 120 s, requests in flight, reconnection with back-off. Used by libweft's
// client thread and by weftd (peers, uplinks). Owns its REQ socket and session; all functions and callbacks on the loop's thread.
// Invariant: every request ends in exactly one callback.
#ifndef WF_SDK_LINK_H
#define WF_SDK_LINK_H

#include "proto/base/pb_v1.h"
#include "proto/trust/ident.h"

struct wf_loop;
struct wf_net;
struct wf_link;

struct wf_link_conf {
    struct wf_loop *loop;
    struct wf_net *net;
    struct wf_hash mesh_id;
    const struct wf_keys *keys; // borrowed
    struct wf_bytes chain;      // copied; empty: only join
    uint64_t charter_version;
    const char *address;   // host:port (or "ipc://..." for a local socket: no session, no hello)
    struct wf_dh_pub peer; // unused for ipc
    const char *version;   // of the program, for hello
};
WF_MUST_USE enum weft_err wf_link_new(const struct wf_link_conf *conf, struct wf_link **ret);
// Ends every request with CLOSED, then releases. NULL is permitted.
void wf_link_free(struct wf_link *l);
// New chain or charter version (after renewal): takes effect with the next session.
WF_MUST_USE enum weft_err wf_link_set_chain(
    struct wf_link *l, struct wf_bytes chain, uint64_t charter_version);

// reply is of the request's kind or of none (another kind is PROTOCOL), and NULL unless err is WEFT_OK or it carries a refusal (then err is the refusal's code and reply->refusal is there).
// It and all it points to die with the callback.
typedef void (*wf_link_fn)(void *arg, enum weft_err err, const Weft__V1__Reply *reply);
// Packs the request now. deadline_ms from now; 0 = WF_REQUEST_DEADLINE_MS. BUSY beyond WF_MAX_IN_FLIGHT, TOO_BIG. Requests queue while the
// handshake runs. Never resent by the link: after TIMEOUT or CLOSED the outcome is unknown.
WF_MUST_USE enum weft_err wf_link_request(struct wf_link *l, const Weft__V1__Request *request,
    int64_t deadline_ms, wf_link_fn done, void *arg);

// The same for a request with a large bytes field, whose content is sent from where it lies: request points to it. Unless the call fails, back is
// called exactly once, when the bytes are not needed any more; that may be before the call returns, and after done.
struct wf_link_lent {
    struct wf_bytes bytes;
    void (*back)(void *arg);
    void *arg;
    int64_t deadline_ms;
    uint32_t
        patience_us; // so long the reply may lie unread at a local socket, which then wakes nobody
};
WF_MUST_USE enum weft_err wf_link_request_lent(struct wf_link *l, const Weft__V1__Request *request,
    const struct wf_link_lent *lent, wf_link_fn done, void *arg);
// Somebody waits now: ends the patience of what is under way.
void wf_link_hurry(struct wf_link *l);

struct wf_link_state {
    bool up;          // a confirmed session, or a local connection
    int64_t heard_ms; // monotonic time of the last authentic message; -1 = never
    enum weft_err last_error;
    char last_text[160];
    int64_t peer_skew_ms; // its clock minus ours, from hello
    uint64_t peer_charter_version;
    const char *peer_version;
    struct wf_bytes peer_chain; // as shown in its hello; verify before use
    uint8_t handshake_hash[64]; // of the current session (join proofs)
};
const struct wf_link_state *wf_link_state(const struct wf_link *l);
const char *wf_link_address(const struct wf_link *l); // as it was given
// Opens the session if there is none, without a request of the caller's (join needs the handshake hash first). done gets reply NULL.
WF_MUST_USE enum weft_err wf_link_open(struct wf_link *l, wf_link_fn done, void *arg);

#endif
