// SPDX-License-Identifier: Apache-2.0
// What the files of PUB sockets share. A socket belongs to the loop of `struct net_pubs`, which accepts, hears greetings, sends what had to wait
// and ends connections; frames come from any thread. Invariant: a connection is only ended on the loop's thread, and its queue holds whole
// frames but for the first, of which `sent` bytes are gone.
// Lock: a socket's mutex guards its connections and counts. Under it only calls that do not block.
#ifndef WF_NET_PUB_INT_H
#define WF_NET_PUB_INT_H

#include <stdatomic.h>

#include "sdk/loop/loop.h"
#include "sdk/net/net_int.h"

#define NET_PUB_HEAD      8u // be64 length
#define NET_PUB_SPARES    4u
#define NET_PUB_SPARE_MAX (1u * WF_MIB)

struct net_pubs { // of a wf_net
    struct wf_loop *loop;
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t closed;
    unsigned open;                        // sockets; under mu, as the next
    struct wf_buf spares[NET_PUB_SPARES]; // of frames that have gone
    unsigned spare_count;
    atomic_size_t items, bytes; // frames that wait for the thread, or are being sent by it
    atomic_uint_fast64_t dropped;
    atomic_uint_fast32_t last_id; // of connections
};

struct net_frame {       // shared by the queues of all its socket's connections
    struct wf_mail mail; // first; while it waits for the thread
    struct wf_net_pub *pub;
    struct wf_buf bytes;
    unsigned refs; // under the socket's mutex
    uint8_t head[NET_PUB_HEAD];
};

struct net_pub_out {
    struct net_pub_out *next;
    struct net_frame *frame;
};

struct net_pub_conn {
    struct wf_watch watch; // first
    struct wf_net_pub *pub;
    uint32_t id;
    struct wf_net_addr addr;
    int64_t born_ms;
    uint8_t greeting[8];
    size_t heard; // of its greeting
    bool greeted;
    bool waits; // for room in the socket: EPOLLOUT is watched
    struct net_pub_out *first, **last;
    size_t queued; // bytes of whole frames
    size_t sent;   // of the first
    uint64_t dropped;
    struct net_pub_conn *next, *prev;
};

struct wf_net_pub {
    struct wf_mail mail; // first; the order to close
    struct net_pubs *all;
    struct wf_net_pub_conf conf;
    struct wf_watch listener;
    bool listening;
    bool deaf; // no descriptor was left for a connection
    bool closing;
    uint64_t gate_version;
    struct wf_timer timer; // sweeps; the end of lingering
    pthread_mutex_t mu;
    struct net_pipes pipes;
    struct net_pub_conn *conns;
    struct wf_net_pub_stats stats;
};

// pub_conn.c; all but net_pub_put on the loop's thread.
void net_pub_accept(struct wf_watch *listener, uint32_t events);
// With the mutex held.
void net_pub_put(struct wf_net_pub *p, struct net_frame *f);
void net_pub_end(struct net_pub_conn *c);
void net_frame_unref(struct net_frame *f);
// pub.c
void net_pub_tick(struct wf_net_pub *p); // there is something to look after, from now on
void net_pub_spare(struct net_pubs *a, struct wf_buf *b); // takes its memory

#endif
