// SPDX-License-Identifier: Apache-2.0
// One end of a connection in the words of NNG's SP: a greeting of eight bytes each way, then messages with their length before them. The wires that
// we read and write ourselves differ in what stands around the length. Owns the descriptor and what is half read or half sent. Memory for a
// message is taken when its length is known and within the limit.
// Thread rule: one thread at a time.
#ifndef WF_NET_SP_H
#define WF_NET_SP_H

#include "sdk/net/lent.h"
#include "sdk/net/net.h"

#define NET_SP_GREETING 8u
#define NET_SP_HEAD_MAX 13u
#define NET_SP_REQUEST  0x80000000u // set in every request id

struct net_sp_wire {
    uint8_t me, peer; // what the two ends call themselves (SP protocol numbers)
    bool is_marked;   // ipc: a byte 1 before the length
    bool has_id;      // REQ, REP: a be32 request id, counted in the length, before the bytes
};
extern const struct net_sp_wire net_sp_requester, net_sp_replier; // over ipc
extern const struct net_sp_wire net_sp_subscriber;                // over tcp

static inline size_t net_sp_head(const struct net_sp_wire *w)
{
    return (w->is_marked ? 1u : 0u) + 8u + (w->has_id ? 4u : 0u);
}

// Large messages that come round. Kept while they serve; the owner frees them when they did not for a while.
#define NET_SP_SPARES    8u
#define NET_SP_SPARE_MIN (32u * WF_KIB)
#define NET_SP_SPARE_MAX (512u * WF_KIB)
struct net_sp_spares {
    struct wf_net_msg *msgs[NET_SP_SPARES];
    unsigned count;
    bool served; // since it was looked at last
};
void net_sp_spare(struct net_sp_spares *s, struct wf_net_msg *msg); // takes it, NULL is permitted
void net_sp_spares_fini(struct net_sp_spares *s);

struct net_sp_out;

struct net_sp {
    int fd; // -1 = none
    size_t recv_max;
    const struct net_sp_wire *wire;
    bool greeted; // the other end said who it is
    uint8_t head[NET_SP_HEAD_MAX];
    size_t head_len;
    struct wf_net_msg *msg; // being read
    size_t filled;
    uint32_t id;
    struct net_sp_out *first, **last;
    size_t sent;                  // of first
    struct net_sp_spares *spares; // for what is read; NULL = none
};

// Takes msg; id is 0 where the wire has none. False: the connection is to end, nothing more of it is handed over.
typedef bool (*net_sp_message_fn)(void *arg, uint32_t id, struct wf_net_msg *msg);

// A TCP connection: small messages leave at once, and a host that is gone is noticed within half a minute.
void net_sp_options(int fd);
// fd is taken, not on failure. The greeting is the first thing sent.
WF_MUST_USE enum weft_err net_sp_init(
    struct net_sp *s, int fd, const struct net_sp_wire *wire, size_t recv_max);
void net_sp_fini(struct net_sp *s);
// Reads once what is there. CLOSED: the other end is gone; PROTOCOL, TOO_BIG, NOMEM: end it; CANCELLED: fn said so.
WF_MUST_USE enum weft_err net_sp_read(struct net_sp *s, net_sp_message_fn fn, void *arg);
// msg is taken, also on failure. What the socket has no room for waits for net_sp_flush.
WF_MUST_USE enum weft_err net_sp_send(struct net_sp *s, uint32_t id, struct wf_net_msg *msg);
// The same with bytes that stay the caller's until they are given back; NULL: none. Taken, also on failure.
WF_MUST_USE enum weft_err net_sp_send_lent(
    struct net_sp *s, uint32_t id, struct wf_net_msg *msg, const struct wf_net_lent *lent);
WF_MUST_USE enum weft_err net_sp_flush(struct net_sp *s);
// Something waits until the socket takes more.
bool net_sp_waits(const struct net_sp *s);

#endif
