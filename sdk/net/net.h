// SPDX-License-Identifier: Apache-2.0
// The only door to NNG: REQ/REP and PUB/SUB endpoints with every rule of docs/internals/net.md built in. Owns sockets, pipes,
// contexts, deadlines and bounded closing; knows nothing of sessions, products or bytes' meaning.
// Invariant: an endpoint that was freed posts nothing more, and no call here waits for a peer unless it says so.
// Thread rule: every function may be called from any thread except from within a post or notice function, which run on
// NNG's or our threads with the endpoint locked: they hand the event over and return. Fork only before wf_net_started().
#ifndef WF_NET_H
#define WF_NET_H

#include "proto/base/bytes.h"
#include "proto/base/limits.h"

// ---- messages: owned, one copy-free buffer that NNG sends and receives ----

struct wf_net_msg;
WF_MUST_USE enum weft_err wf_net_msg_new(size_t len, struct wf_net_msg **ret);
WF_MUST_USE enum weft_err wf_net_msg_from(struct wf_bytes bytes, struct wf_net_msg **ret);
// The bytes, to fill before sending or to decrypt in place after receiving.
uint8_t *wf_net_msg_ptr(struct wf_net_msg *m);
size_t wf_net_msg_len(const struct wf_net_msg *m);
struct wf_bytes wf_net_msg_view(const struct wf_net_msg *m);
// Shortens to len; len must not exceed the present length.
void wf_net_msg_shorten(struct wf_net_msg *m, size_t len);
void wf_net_msg_free(struct wf_net_msg *m); // NULL is permitted

// ---- addresses ----

enum wf_net_family { WF_NET_LOCAL = 1, WF_NET_IP4, WF_NET_IP6 };

struct wf_net_addr {
    enum wf_net_family family;
    uint8_t ip[16]; // IP4: the first four bytes; a v4-mapped IPv6 address is an IP4
    uint16_t port;
    uint32_t uid; // LOCAL: the user at the other end
};

// What one attacker can't vary: IPv4 /32, IPv6 /64, the uid of a local peer. Compare with wf_net_prefix_eq.
struct wf_net_prefix {
    uint8_t b[9];
};
struct wf_net_prefix wf_net_addr_prefix(const struct wf_net_addr *addr);
bool wf_net_prefix_eq(const struct wf_net_prefix *a, const struct wf_net_prefix *b);
// The same host (ports may differ).
bool wf_net_addr_same_host(const struct wf_net_addr *a, const struct wf_net_addr *b);
#define WF_NET_ADDR_TEXT 64u
void wf_net_addr_text(const struct wf_net_addr *addr, char out[WF_NET_ADDR_TEXT]);

// Where to listen or dial: "HOST:PORT", "[V6]:PORT", "*:PORT" (listen), "ipc:/path" or a tcp:// or ipc:// URL.
// SYNTAX when it is none of these, TOO_BIG when longer than WF_MAX_ADDR or a socket path permits.
WF_MUST_USE enum weft_err wf_net_where_check(const char *where);

// ---- the runtime: one a process ----

struct wf_net;

enum wf_net_notice {
    WF_NET_CLOSE_ABANDONED = 1, // a close did not return in time and was left behind
    WF_NET_LISTENER_REVIVED,    // a deaf listener was opened anew
    WF_NET_LISTENER_LOST,       // it could not be opened anew; tried again at the next check
    WF_NET_STUCK, // NNG ends no pipes any more, so lost ones never reconnect: save what is owed and start the process anew
};
// detail: the address or kind of endpoint concerned, valid during the call.
typedef void (*wf_net_notice_fn)(void *arg, enum wf_net_notice notice, const char *detail);

struct wf_net_conf { // zero = the default in brackets
    wf_net_notice_fn notice;
    void *arg;
    int64_t close_ms; // how long a close may take before it is left behind [2000]
    int64_t watch_ms; // how often listeners are dialled to see that they answer [5000]; < 0 = never
};

struct wf_net_stats {
    uint64_t closes, closes_abandoned, watch_dials, watch_failures, revived;
    bool stuck; // see WF_NET_STUCK
};

WF_MUST_USE enum weft_err wf_net_new(const struct wf_net_conf *conf, struct wf_net **ret);
// Waits for every pending close, each bounded by close_ms, then ends the threads. Endpoints must have been freed before.
void wf_net_free(struct wf_net *net);
// Waits until no close is pending: TIMEOUT after timeout_ms.
WF_MUST_USE enum weft_err wf_net_settle(struct wf_net *net, int64_t timeout_ms);
void wf_net_get_stats(struct wf_net *net, struct wf_net_stats *ret);
// True once NNG has threads in this process: from then on never fork without exec.
bool wf_net_started(void);
// Whether this program carries the sendmsg shim (sdk/net/shim.c), found by trying it.
bool wf_net_shim_active(void);
const char *wf_net_library_version(void); // NNG's, such as "1.5.2"

// ---- events ----

struct wf_net_request;

enum wf_net_what {
    WF_NET_REQUEST = 1, // REP: request is the receiver's, to be answered or dropped exactly once
    WF_NET_REPLY, // peer: the end of the request `tag`: msg (err = OK) or err; exactly one for each accepted send
    WF_NET_FRAME, // SUB (sub.h): msg is the receiver's
    WF_NET_UP,    // peer, SUB: connected as `pipe`
    WF_NET_DOWN, // REP: `pipe` is gone, no request of it follows; peer: dead for good with err; SUB: lost, dialling again
};

struct wf_net_event {
    enum wf_net_what what;
    uint32_t pipe; // never 0 in REQUEST and UP; unique in the process until 2^31 pipes have passed
    bool scarce;   // REQUEST: the last contexts; answer `busy` and nothing else
    bool sent; // REPLY with err: the request may have reached the peer; false: it surely did not
    enum weft_err err;
    uint64_t tag;
    struct wf_net_msg *msg;
    struct wf_net_request *request;
};
// Hands the event (valid during the call) over without blocking. false = no room: what it carries stays with us and is
// dropped. Only REQUEST and FRAME may be refused; the others are bounded by the number of pipes and requests in flight.
typedef bool (*wf_net_post_fn)(void *arg, const struct wf_net_event *event);

// ---- REP: a server of requests ----

struct wf_net_rep;

struct wf_net_rep_conf { // zero = the default in brackets
    wf_net_post_fn post;
    void *arg;
    size_t recv_max; // largest message [WF_MAX_CONTROL]
    unsigned armed;  // contexts that wait for a request [32]
    unsigned
        contexts; // contexts in work together with those armed [512]; the last eighth, at most 64, are scarce
    size_t bytes;      // of requests in work; what comes beyond is scarce, too [64 MiB]
    unsigned held;     // long polls parked by wf_net_hold [4096]
    size_t held_bytes; // of those; a request beyond is not parked [64 MiB]
    unsigned
        per_pipe; // requests in work or parked of one pipe; one more closes it [WF_MAX_IN_FLIGHT + 8]
    unsigned pipes;          // connections in all [4096]
    unsigned pipes_per_addr; // of one prefix; local peers count only towards `pipes` [1024]
    int64_t first_ms;        // a connection that sent nothing so long is closed [10000]
    int64_t idle_ms;         // as is one that did nothing so long [600000]
    int64_t send_ms;         // and one that does not take its reply [30000]
    struct wf_bytes
        busy; // sent when post has no room; empty = the connection is closed instead (copied)
};
#define WF_NET_RESERVE    64u
#define WF_NET_WORK_BYTES (64u * WF_MIB)

struct wf_net_rep_stats {
    unsigned pipes, armed, working, held, max_working, max_held;
    size_t bytes, held_bytes, max_bytes, max_held_bytes; // of working and held
    uint64_t scarce; // requests that came when there was no room, to be answered `busy`
    uint64_t admitted, refused, requests, no_room, closed_idle, closed_stuck;
};

WF_MUST_USE enum weft_err wf_net_rep_new(
    struct wf_net *net, const struct wf_net_rep_conf *conf, struct wf_net_rep **ret);
// May be called again for a further address. *ret_port (may be NULL): the bound TCP port (0 for ipc). IN_USE, PERMISSION,
// SYNTAX, NOT_FOUND (no such directory) or UNREACHABLE (no such local address). An ipc socket gets mode 0600, or
// 0666 with wf_net_rep_listen_all: then check the uid of each request.
WF_MUST_USE enum weft_err wf_net_rep_listen(
    struct wf_net_rep *r, const char *where, uint16_t *ret_port);
WF_MUST_USE enum weft_err wf_net_rep_listen_all(
    struct wf_net_rep *r, const char *where, uint16_t *ret_port);
// Returns at once; the socket is closed behind, after replies under way had a moment to leave. Requests not yet answered
// stay valid and must still be answered or dropped.
void wf_net_rep_free(struct wf_net_rep *r); // NULL is permitted
void wf_net_rep_close_pipe(struct wf_net_rep *r, uint32_t pipe);
void wf_net_rep_get_stats(struct wf_net_rep *r, struct wf_net_rep_stats *ret);

// The request's bytes, owned by the request until it is answered or dropped.
struct wf_net_msg *wf_net_request_msg(struct wf_net_request *q);
struct wf_bytes wf_net_request_bytes(const struct wf_net_request *q);
uint32_t wf_net_request_pipe(const struct wf_net_request *q);
const struct wf_net_addr *wf_net_request_addr(const struct wf_net_request *q);
// It is the first that came over its connection.
bool wf_net_request_first(const struct wf_net_request *q);
// Parks the request as a long poll: it no longer counts as work. BUSY when too many are parked.
WF_MUST_USE enum weft_err wf_net_hold(struct wf_net_request *q);
// Ends the request. reply is taken, also on failure; a pipe that went away swallows it in silence.
void wf_net_reply(struct wf_net_request *q, struct wf_net_msg *reply);
// Ends the request unanswered; close_pipe also closes its connection (a wrong MAC1).
void wf_net_drop(struct wf_net_request *q, bool close_pipe);

// ---- peer: a REQ client, one connection for life ----
// It dials once. A refused or lost connection, or a peer that stays mute past a deadline, ends it: a session lives and
// dies with its pipe. Make a new one to try again. Nothing is ever sent twice.

struct wf_net_peer;

struct wf_net_peer_conf { // zero = the default in brackets
    wf_net_post_fn post;  // may be NULL where only wf_net_request is used
    void *arg;
    const char *where;
    size_t recv_max;    // [WF_MAX_CONTROL]
    unsigned in_flight; // [WF_MAX_IN_FLIGHT + 8]
    int64_t connect_ms; // [5000]
};

// Dials in the background: UP or DOWN follows. Requests may be sent at once; they wait for the connection.
WF_MUST_USE enum weft_err wf_net_peer_new(
    struct wf_net *net, const struct wf_net_peer_conf *conf, struct wf_net_peer **ret);
// Blocks until connected (OK) or dead: UNREACHABLE, TIMEOUT, CLOSED.
WF_MUST_USE enum weft_err wf_net_peer_wait(struct wf_net_peer *p);
// Sends msg (taken, also on failure); a REPLY event with tag follows within timeout_ms. Failure (no event): BUSY, NOMEM
// or the reason why the peer is dead.
WF_MUST_USE enum weft_err wf_net_peer_send(
    struct wf_net_peer *p, uint64_t tag, struct wf_net_msg *msg, int64_t timeout_ms);
// The same, blocking. *ret_sent (may be NULL) tells on failure whether the request may have reached the peer.
WF_MUST_USE enum weft_err wf_net_request(struct wf_net_peer *p, struct wf_net_msg *msg,
    int64_t timeout_ms, struct wf_net_msg **ret_reply, bool *ret_sent);
// Ends every request in flight with CANCELLED, then posts no more. Returns at once; the socket is closed behind.
void wf_net_peer_free(struct wf_net_peer *p); // NULL is permitted

// ---- PUB ----
// Every frame goes to every connection that greeted, in order. One that does not keep up has a queue; what finds no room there is dropped, the
// oldest first: numbering and repair are the caller's. The bytes are those of NNG's PUB over tcp, but the sockets are ours (ADR 35).

// Which hosts may connect to PUB sockets, shared by all of them and changed at run time. Admissions are counted: a host
// stays admitted until each was taken back; then its connections are closed within a second or two.
struct wf_net_gate;
WF_MUST_USE enum weft_err wf_net_gate_new(struct wf_net_gate **ret);
// A PUB socket that still closes holds it until it is gone. NULL is permitted.
void wf_net_gate_free(struct wf_net_gate *g);
WF_MUST_USE enum weft_err wf_net_gate_admit(struct wf_net_gate *g, const struct wf_net_addr *host);
void wf_net_gate_withdraw(struct wf_net_gate *g, const struct wf_net_addr *host);

struct wf_net_pub;

struct wf_net_pub_conf {      // zero = the default in brackets
    struct wf_net_gate *gate; // NULL = everybody up to the caps
    size_t queue_bytes;       // of frames that wait for one slow connection [16 MiB]
    unsigned pipes;           // [4096]
    unsigned pipes_per_addr;  // [1024]
    int64_t first_ms;         // a connection that did not greet in time is closed [10000]
};

struct wf_net_pub_stats {
    unsigned pipes; // that greeted
    uint64_t admitted, refused, gated, messages, bytes;
    size_t queued;    // bytes that wait for connections
    uint64_t dropped; // frames, each for one connection, since the start
};

WF_MUST_USE enum weft_err wf_net_pub_new(
    struct wf_net *net, const struct wf_net_pub_conf *conf, struct wf_net_pub **ret);
// Once. where: as for wf_net_rep_listen, but no local socket (SYNTAX).
WF_MUST_USE enum weft_err wf_net_pub_listen(
    struct wf_net_pub *p, const char *where, uint16_t *ret_port);
// Sends what frame holds to every connection; never waits for any. A small one for few goes out at once, others by the thread that
// serves all PUB sockets: one caller's stay in order. FULL: too much waits for that thread, and the frame is dropped. Its memory is taken, also on
// failure; afterwards frame is empty, with the memory of an earlier one or none.
WF_MUST_USE enum weft_err wf_net_pub_send(struct wf_net_pub *p, struct wf_buf *frame);
void wf_net_pub_get_stats(struct wf_net_pub *p, struct wf_net_pub_stats *ret);
// What one host's connections, as they stand, were not sent.
struct wf_net_pub_host {
    struct wf_net_addr addr; // of one of them
    unsigned pipes;
    size_t queued;
    uint64_t dropped;
};
// Those that were not sent something, at most max; how many.
size_t wf_net_pub_slow_hosts(struct wf_net_pub *p, struct wf_net_pub_host *ret, size_t max);
// The same of the host of one address.
struct wf_net_pub_host wf_net_pub_host_of(struct wf_net_pub *p, const struct wf_net_addr *addr);
// Returns at once; what is queued gets a moment to leave.
void wf_net_pub_free(struct wf_net_pub *p); // NULL is permitted

// Frames of all PUB sockets that wait for their thread.
struct wf_net_sending {
    size_t items, bytes, max_bytes;
    uint64_t dropped; // since the start
};
void wf_net_get_sending(struct wf_net *net, struct wf_net_sending *ret);

#endif
