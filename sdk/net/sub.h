// SPDX-License-Identifier: Apache-2.0
// The reader's end of a stream on the descriptors of a loop: the bytes of NNG's SUB over tcp:// (the other end is NNG's PUB), but read by the thread
// that owns them, so that a frame wakes one thread. Everything that comes is handed over: NNG's SUB would filter by topic, and a product's socket
// has none. Owns the connection, its loss and its return; knows nothing of what the bytes mean.
// Invariant: a frame comes whole and within recv_max; frames of one connection come in their order, between its UP and its DOWN.
// Thread rule: everything on the loop's thread (or before it runs).
#ifndef WF_NET_SUB_H
#define WF_NET_SUB_H

#include "sdk/loop/loop.h"
#include "sdk/net/net.h"

struct wf_net_sub;

struct wf_net_sub_conf { // zero = the default in brackets
    struct wf_loop *loop;
    // UP, FRAME (its msg is the receiver's, unless it says false) and DOWN; never from within new or free. It may free the endpoint.
    wf_net_post_fn post;
    void *arg;
    const char *where; // HOST:PORT; a local socket is SYNTAX
    size_t recv_max;   // [WF_MAX_FRAME]
};

struct wf_net_sub_stats {
    uint64_t frames, no_room, dials;
};

// Dials, again and again until freed: after 100 ms, doubling to 5 s, each with a random part. A name is looked up anew when none of its addresses
// answered. A connection that says nothing of what it is within 10 s, or whose host is gone for half a minute, is given up.
WF_MUST_USE enum weft_err wf_net_sub_new(
    const struct wf_net_sub_conf *conf, struct wf_net_sub **ret);
void wf_net_sub_get_stats(const struct wf_net_sub *s, struct wf_net_sub_stats *ret);
// Takes a frame's message whose bytes are no longer needed: a next one is read into it. s may be NULL.
void wf_net_sub_spare(struct wf_net_sub *s, struct wf_net_msg *msg);
// Posts nothing more. NULL is permitted.
void wf_net_sub_free(struct wf_net_sub *s);

#endif
