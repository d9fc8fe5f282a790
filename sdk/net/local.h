// SPDX-License-Identifier: Apache-2.0
// The local socket on the descriptors of a loop: the same requests, replies and bytes as REQ and REP over ipc:// (either end may be NNG's), but
// read and written by the thread that owns them, so that a request wakes one thread at each end and overtakes no other. Owns connections and
// what is half read or half sent; knows nothing of what the bytes mean.
// Invariant: a request taken is answered or dropped exactly once; a send accepted ends in exactly one REPLY event.
// Thread rule: everything on the loop's thread (or before it runs); requests outlive server and loop, and may be dropped after both.
#ifndef WF_NET_LOCAL_H
#define WF_NET_LOCAL_H

#include "sdk/loop/loop.h"
#include "sdk/net/lent.h"
#include "sdk/net/net.h"

// ---- server ----

struct wf_local;

struct wf_local_conf { // zero = the default in brackets
    struct wf_loop *loop;
    wf_net_post_fn post; // REQUEST and DOWN; a REQUEST that is not taken ends its connection
    void *arg;
    size_t recv_max; // largest message [WF_MAX_CONTROL]
    unsigned
        working;  // requests in work; with so many nothing more is read until one is answered [512]
    size_t bytes; // of requests in work; with so many nothing more is read either [64 MiB]
    unsigned held;     // long polls parked by wf_net_hold [4096]
    size_t held_bytes; // of those; a request beyond is not parked [64 MiB]
    unsigned
        per_pipe; // requests in work or parked of one connection; one more ends it [WF_MAX_IN_FLIGHT + 8]
    unsigned pipes;   // connections [4096]
    int64_t first_ms; // a connection that sent nothing so long is closed [10000]
    int64_t idle_ms;  // as is one that did nothing so long [600000]
    int64_t send_ms;  // and one that does not take its replies [30000]
};

WF_MUST_USE enum weft_err wf_local_new(const struct wf_local_conf *conf, struct wf_local **ret);
// where: "ipc:PATH"; mode: of the socket, 0600 or, where each request's uid is checked, 0666. A file that a dead process left is replaced; IN_USE when
// somebody listens there. SYNTAX, TOO_BIG, PERMISSION, NOT_FOUND (no such directory), IO.
WF_MUST_USE enum weft_err wf_local_listen(struct wf_local *s, const char *where, unsigned mode);
// Ends every connection and removes the socket. Requests not yet answered stay valid; their answers go nowhere. NULL is permitted.
void wf_local_free(struct wf_local *s);

struct wf_local_stats {
    unsigned pipes, working, held, max_working, max_held;
    size_t bytes, held_bytes, max_bytes, max_held_bytes;
    uint64_t admitted, refused, requests, closed_idle, closed_stuck;
};
void wf_local_get_stats(const struct wf_local *s, struct wf_local_stats *ret);

// ---- client: one connection for life, as wf_net_peer is ----

struct wf_local_peer;

struct wf_local_peer_conf { // zero = the default in brackets
    struct wf_loop *loop;
    wf_net_post_fn post; // REPLY and DOWN, never from within new or free, DOWN once
    void *arg;
    const char *where;
    size_t recv_max;    // [WF_MAX_CONTROL]
    unsigned in_flight; // [WF_MAX_IN_FLIGHT + 8], at most 128
    int64_t connect_ms; // how long a server that does not accept is tried [5000]
};

// Requests may be sent at once. A connection refused, lost, or mute past a deadline is told as DOWN; make a new one then.
WF_MUST_USE enum weft_err wf_local_peer_new(
    const struct wf_local_peer_conf *conf, struct wf_local_peer **ret);
// Sends msg (taken, also on failure); a REPLY event with tag follows within timeout_ms. Failure (no event): BUSY, or why the connection is dead.
WF_MUST_USE enum weft_err wf_local_peer_send(
    struct wf_local_peer *p, uint64_t tag, struct wf_net_msg *msg, int64_t timeout_ms);
struct wf_local_how { // zero = nothing of it
    const struct wf_net_lent
        *lent; // bytes that stay the caller's until they are given back, also on failure
    int64_t timeout_ms;
    // So long the reply may lie unread, for whoever has something else to do then: while only such are on their way, none of them wakes the loop.
    uint32_t patience_us;
};
WF_MUST_USE enum weft_err wf_local_peer_send_how(
    struct wf_local_peer *p, uint64_t tag, struct wf_net_msg *msg, const struct wf_local_how *how);
// Replies are read as they come from here on, whatever patience there was with those on their way.
void wf_local_peer_hurry(struct wf_local_peer *p);
// Ends every request in flight with CANCELLED. NULL is permitted.
void wf_local_peer_free(struct wf_local_peer *p);

#endif
