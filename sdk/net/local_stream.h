// SPDX-License-Identifier: Apache-2.0
// One end of a local connection: NNG's greeting, then messages of {type 1, be64 length, be32 request id, bytes}. Owns the descriptor and what is
// half read or half sent. Memory for a message is taken when its length is known and within the limit.
// Thread rule: one thread at a time.
#ifndef WF_NET_LOCAL_STREAM_H
#define WF_NET_LOCAL_STREAM_H

#include "sdk/net/net.h"

#define LOCAL_GREETING  8u
#define LOCAL_HEAD      13u // type, length, request id
#define LOCAL_REQUESTER 0x30u
#define LOCAL_REPLIER   0x31u
#define LOCAL_REQUEST   0x80000000u // set in every request id

struct local_out;

struct local_stream {
    int fd; // -1 = none
    size_t recv_max;
    uint8_t peer; // what the other end must call itself
    bool greeted;
    uint8_t head[LOCAL_HEAD];
    size_t head_len;
    struct wf_net_msg *msg; // being read
    size_t filled;
    uint32_t id;
    struct local_out *first, **last;
    size_t sent; // of first
};

// Takes msg. False: the connection is to end, nothing more of it is handed over.
typedef bool (*local_message_fn)(void *arg, uint32_t id, struct wf_net_msg *msg);

// fd is taken; me is what this end calls itself. The greeting is the first thing sent.
WF_MUST_USE enum weft_err local_stream_init(
    struct local_stream *s, int fd, uint8_t me, size_t recv_max);
void local_stream_fini(struct local_stream *s);
// Reads once what is there. CLOSED: the other end is gone; PROTOCOL, TOO_BIG, NOMEM: end it; CANCELLED: fn said so.
WF_MUST_USE enum weft_err local_stream_read(struct local_stream *s, local_message_fn fn, void *arg);
// msg is taken, also on failure. What the socket has no room for waits for local_stream_flush.
WF_MUST_USE enum weft_err local_stream_send(
    struct local_stream *s, uint32_t id, struct wf_net_msg *msg);
WF_MUST_USE enum weft_err local_stream_flush(struct local_stream *s);
// Something waits until the socket takes more.
bool local_stream_waits(const struct local_stream *s);

#endif
