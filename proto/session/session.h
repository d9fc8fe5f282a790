// SPDX-License-Identifier: Apache-2.0
// The session layer of the control plane: handshake and sealed messages (docs/protocol/session.md). Sans-IO: bytes, time and
// randomness come in. It owns keys, nonces and the replay window of one session; it does not own the table of sessions,
// the buckets, or the stamp remembered for each peer: those are the node's.
// Invariant: a nonce is used once, whatever becomes of its message; nothing from a peer changes a session before it
// decrypted. Thread rule: one session, one thread.
#ifndef WF_SESSION_SESSION_H
#define WF_SESSION_SESSION_H

#include "proto/base/limits.h"
#include "proto/session/noise.h"
#include "proto/session/window.h"

#define WF_SESSION_VERSION  1u
#define WF_SESSION_MAC1_LEN 16u

enum wf_session_type {
    WF_SESSION_INIT = 1,
    WF_SESSION_RESPONSE = 2,
    WF_SESSION_REQUEST = 3,
    WF_SESSION_REPLY = 4,
    WF_SESSION_REFUSAL = 5,
};

#define WF_SESSION_INIT_LEN     (2u + WF_NOISE_FIRST_LEN + 8u + WF_SESSION_MAC1_LEN) // 122
#define WF_SESSION_RESPONSE_LEN (1u + WF_NOISE_SECOND_LEN + 8u)                      // 57
#define WF_SESSION_REFUSAL_LEN  4u
#define WF_SESSION_HEAD_LEN     17u                                // type, session id, nonce
#define WF_SESSION_OVERHEAD     (WF_SESSION_HEAD_LEN + WF_TAG_LEN) // of a request or reply
#define WF_SESSION_MAX_PLAIN    (WF_MAX_CONTROL - WF_SESSION_OVERHEAD)

// What a message claims to be, before anything is proven. session_id and nonce are 0 but for requests and replies.
struct wf_session_head {
    enum wf_session_type type;
    uint64_t session_id, nonce;
};
// The size check, first of all work. TRUNCATED, TRAILING (fixed-size types), TOO_BIG, PROTOCOL (unknown type).
WF_MUST_USE enum weft_err wf_session_peek(struct wf_bytes message, struct wf_session_head *ret);

// Who we are; borrowed by the calls that take it.
struct wf_session_conf {
    const struct wf_secret *dh_secret; // X25519, 32 bytes
    struct wf_dh_pub dh_pub;
    struct wf_hash mesh_id;
};

// What the edge supplies afresh for each handshake. Holds a secret: wipe it after the call.
struct wf_session_fresh {
    uint8_t ephemeral[WF_KEY_LEN]; // random
    uint64_t session_id;           // accept: random, and not in use here
    int64_t now_ms;                // accept
    int64_t now_unix_ms;           // dial
};

// An established session. May be moved by assignment, never copied: its keys lie in locked memory and are wiped once.
struct wf_session {
    struct wf_secret
        keys; // of what we send, then of what we receive; released when the session is over
    uint8_t handshake_hash[WF_NOISE_HASH_LEN];
    struct wf_dh_pub peer; // the peer's static key, proven
    uint64_t id;
    int64_t created_ms;
    uint64_t next_nonce;
    struct wf_window window;
    bool initiator;
    bool confirmed; // the peer proved it holds the keys; a responder commits nothing before
};

// ---- initiator: dial, send init, receive response, finish ----

struct wf_session_dialing {
    struct wf_noise_ik noise;
    struct wf_secret ephemeral;
};
// KEY when peer is no usable key.
WF_MUST_USE enum weft_err wf_session_dial(const struct wf_session_conf *conf,
    const struct wf_dh_pub *peer, const struct wf_session_fresh *fresh,
    struct wf_session_dialing *ret, uint8_t ret_init[WF_SESSION_INIT_LEN]);
// A response that fails (PROTOCOL, TRUNCATED, TRAILING, KEY, HANDSHAKE) leaves the dialing as it was.
WF_MUST_USE enum weft_err wf_session_finish(const struct wf_session_conf *conf,
    const struct wf_session_dialing *dialing, struct wf_bytes response, int64_t now_ms,
    struct wf_session *ret);
void wf_session_dialing_fini(struct wf_session_dialing *d);

// ---- responder: peek, check_mac1, [bucket of the address], identify, [bucket and stamp of the peer], accept ----

// An init message whose MAC1 is right; a view into the message.
struct wf_session_init {
    struct wf_bytes noise;
};
// One hash and no secret. UNSUPPORTED (another wire version), MAC1 (close the pipe without an answer).
WF_MUST_USE enum weft_err wf_session_check_mac1(
    const struct wf_session_conf *conf, struct wf_bytes message, struct wf_session_init *ret);

// Who calls. The stamp must rise from one call of a peer to the next (the node remembers it per key), else it is a replay.
struct wf_session_caller {
    struct wf_dh_pub peer;
    int64_t stamp_unix_ms;
    struct wf_noise_ik noise;
};
// Two agreements. HANDSHAKE (not for this mesh, key or role, or forged), KEY (small order), RANGE (stamp).
WF_MUST_USE enum weft_err wf_session_identify(const struct wf_session_conf *conf,
    const struct wf_session_init *init, struct wf_session_caller *ret);
void wf_session_caller_fini(struct wf_session_caller *c);

// Two more agreements. The session is half open until a first request decrypts. KEY, NOMEM.
WF_MUST_USE enum weft_err wf_session_accept(const struct wf_session_caller *caller,
    const struct wf_session_fresh *fresh, struct wf_session *ret,
    uint8_t ret_response[WF_SESSION_RESPONSE_LEN]);

// ---- both ----

void wf_session_fini(struct wf_session *s);

enum wf_session_age {
    WF_SESSION_FRESH,
    WF_SESSION_RENEW, // from WF_SESSION_RENEW_MS or 2^60 messages: dial anew, this one still works
    WF_SESSION_OVER, // from WF_SESSION_WIPE_MS or 2^64 - 2^13 - 1 messages: it neither seals nor opens
};
enum wf_session_age wf_session_age(const struct wf_session *s, int64_t now_ms);

// The 64 bytes that bind a proof to this session (tickets: wf_ticket_proof); a view into s.
struct wf_bytes wf_session_handshake_hash(const struct wf_session *s);

// Requests go from initiator to responder, replies back; each reply is sealed and opened for the nonce of its request.
// Seal appends the message to out, open appends the plaintext; neither argument may lie in out. A nonce is burned even
// when sealing fails. Seal: TOO_BIG, SESSION_OLD, NOMEM; a reply also STATE before a request was opened. Open, in this
// order: sizes as wf_session_peek, PROTOCOL (another type), SESSION (another session), SESSION_OLD, RANGE (a nonce that
// is never used), REPLAY, NOMEM, AEAD. Keys are wiped by the first call that finds the session over.
WF_MUST_USE enum weft_err wf_session_seal_request(struct wf_session *s, int64_t now_ms,
    struct wf_bytes plain, struct wf_buf *out, uint64_t *ret_nonce);
WF_MUST_USE enum weft_err wf_session_open_request(struct wf_session *s, struct wf_bytes message,
    int64_t now_ms, struct wf_buf *out, uint64_t *ret_nonce);
WF_MUST_USE enum weft_err wf_session_seal_reply(struct wf_session *s, uint64_t request_nonce,
    int64_t now_ms, struct wf_bytes plain, struct wf_buf *out);
// A large reply, to be sealed on another thread: begin takes its nonce and a copy of the key, seal touches nothing of the session, which may
// go on or end meanwhile. Begin: as wf_session_seal_reply, TOO_BIG apart. Seal, once: TOO_BIG, STATE (sealed before), NOMEM.
struct wf_session_reply {
    struct wf_secret key; // released by the seal
    uint64_t id, nonce, request_nonce;
};
WF_MUST_USE enum weft_err wf_session_reply_begin(
    struct wf_session *s, uint64_t request_nonce, int64_t now_ms, struct wf_session_reply *ret);
WF_MUST_USE enum weft_err wf_session_reply_seal(
    struct wf_session_reply *r, struct wf_bytes plain, struct wf_buf *out);
void wf_session_reply_fini(struct wf_session_reply *r);
WF_MUST_USE enum weft_err wf_session_open_reply(struct wf_session *s, uint64_t request_nonce,
    struct wf_bytes message, int64_t now_ms, struct wf_buf *out);

// ---- the uniform refusal, for what happens outside a session ----

// Any cause becomes one of BUSY, FLOOD, UNSUPPORTED, SESSION (dial anew) or REFUSED, so that it tells a stranger nothing. A
// stamp seen before is WEFT_E_HANDSHAKE here.
void wf_session_refuse(enum weft_err cause, uint8_t out[WF_SESSION_REFUSAL_LEN]);
// Unauthenticated: a hint, never a reason to give up a working session. PROTOCOL when it is no refusal; an unknown code
// reads as REFUSED.
struct wf_session_refusal {
    enum weft_err code;
    uint8_t version; // the wire version the refuser speaks
};
WF_MUST_USE enum weft_err wf_session_refusal_read(
    struct wf_bytes message, struct wf_session_refusal *ret);

#endif
