// SPDX-License-Identifier: Apache-2.0
// What the files of sdk/net share: the runtime's ticks and closes, the table of pipes, watched listeners.
// Lock order: an endpoint's mutex, then the runtime's. NNG calls that do not block may be made under both: NNG 1.x never
// runs a callback within such a call nor with a lock of its own held.
#ifndef WF_NET_INT_H
#define WF_NET_INT_H

#include <nng/nng.h>
#include <pthread.h>

#include "sdk/net/net.h"

#define NET_NEVER INT64_MAX
#define NET_URL   (WF_MAX_ADDR + 16u)

int64_t net_now_ms(void); // CLOCK_MONOTONIC
enum weft_err net_err(int nng_error);
// A mutex, and a condition (may be NULL) on CLOCK_MONOTONIC.
void net_lock_init(pthread_mutex_t *mu, pthread_cond_t *cv);
void net_lock_fini(pthread_mutex_t *mu, pthread_cond_t *cv);
// A thread that takes no signals.
enum weft_err net_thread(pthread_t *ret, void *(*main)(void *), void *arg);

// ---- sockets (socket.c) ----

// What every socket gets before it listens or dials: the receive limit, nodelay and keepalive.
enum weft_err net_socket_common(nng_socket s, size_t recv_max);
// The message is NNG's with the send that follows, and ours again when that ends in an error.
void net_aio_give(nng_aio *aio, nng_msg *m);
// A connection that comes to stand while its socket is closed is leaked, with its endpoint (v1.5.2 tcp.c: negotiated, it waits for the socket on a
// list that tcptran_ep_close closes and nobody reaps). So a dial under way is waited for, this long at most.
#define NET_SETTLE_MS 1000
// How a dialer's dialling failed; OK while nothing did.
enum weft_err net_dial_failure(nng_dialer dialer);
// REQ and REP: no forwarding devices between us.
enum weft_err net_socket_one_hop(nng_socket s);
enum weft_err net_dialer_new(nng_dialer *ret, nng_socket s, const char *url);
// The beginning (ADD_PRE) and the end (REM_POST) of a pipe to one function. ADD_PRE alone may close the pipe.
enum weft_err net_pipe_events(nng_socket s, nng_pipe_cb fn, void *arg);
static inline nng_msg *net_msg_out(struct wf_net_msg *m)
{
    return (nng_msg *)m;
}
// Of this length, with whatever content: what NNG makes anew it fills with zeros first. NOMEM leaves it as it was.
WF_MUST_USE enum weft_err net_msg_resize(struct wf_net_msg *m, size_t len);

static inline struct wf_net_msg *net_msg_in(nng_msg *m)
{
    return (struct wf_net_msg *)m;
}

// ---- requests, whatever brought them (request.c) ----

struct net_request_ops {
    enum weft_err (*hold)(struct wf_net_request *q);
    // The request leaves the caller's hands; m, if any, is taken.
    void (*finish)(struct wf_net_request *q, struct wf_net_msg *m, bool close_pipe);
};
struct wf_net_request { // the first member of its owner's
    const struct net_request_ops *ops;
    uint32_t pipe;
    bool first; // of its connection
    struct wf_net_addr addr;
    struct wf_net_msg *msg;
};

// ---- addresses (addr.c) ----

struct sockaddr_un;
enum weft_err net_local_address(const char *where, struct sockaddr_un *ret);

struct net_where {
    char url[NET_URL];
    bool local;
    char host[WF_MAX_ADDR + 1]; // tcp: a name or a numeric address, without brackets
    uint16_t port;
};
enum weft_err net_where_parse(const char *where, struct net_where *ret);
// Of a peer over tcp; false for any other family.
struct sockaddr_storage;
bool net_addr_from(const struct sockaddr_storage *sa, struct wf_net_addr *ret);
// Whose connection this is; false when the connection is gone already.
bool net_pipe_addr(nng_pipe p, struct wf_net_addr *ret);

// ---- ticks and closes (keep.c) ----

// A function the keeper thread calls when due; it returns when it is due next. Embedded in an endpoint.
struct net_tick {
    int64_t (*fn)(void *arg, int64_t now_ms);
    void *arg;
    int64_t due_ms;
    bool running;
    struct net_tick *next;
};

// Work of a closer thread, embedded in what it closes. begin_ms = not before. fn returns 0 when done (it may have freed the
// job) or in how many ms it must run again.
struct net_close {
    int64_t (*fn)(void *arg);
    void *arg;
    const char *what;
    int64_t begin_ms;
    struct net_close *next;
};

struct net_closer {
    struct wf_net *net;
    const char *what; // under way, or NULL
    int64_t begun_ms;
    bool abandoned;
};

// A pipe on its way out (hangup.c).
struct net_ending {
    uint32_t pipe;
    int64_t due_ms;
    struct net_ending *next;
};
struct net_endings {
    struct net_ending *first, *last;
};

struct net_listener;
struct net_pubs;

struct wf_net {
    pthread_mutex_t mu;
    pthread_cond_t cv;
    unsigned refs; // wf_net_free and each closer thread
    struct wf_net_conf conf;
    struct wf_net_stats stats;
    bool stop;
    pthread_t keeper, watcher;
    bool watching; // the watcher thread runs
    struct net_tick *ticks;
    struct net_close *closes;
    unsigned closes_pending; // queued or under way and not abandoned
    struct net_closer *closer;
    struct net_endings endings,
        ended; // to be shut down; shut down and expected to go by themselves
    struct net_listener *listeners;
    uint64_t removed;      // pipes of listeners that NNG has done with
    struct net_pubs *pubs; // made with the first PUB socket
};

void net_tick_add(struct wf_net *net, struct net_tick *t);
// Waits for a call under way. Not with the endpoint's mutex held.
void net_tick_remove(struct wf_net *net, struct net_tick *t);
// Makes the tick due at due_ms if it is not due earlier.
void net_tick_at(struct wf_net *net, struct net_tick *t, int64_t due_ms);
void net_close_later(struct wf_net *net, struct net_close *job);
void net_unref(struct wf_net *net);
void net_notice(struct wf_net *net, enum wf_net_notice notice, const char *detail);

// ---- ending pipes (hangup.c) ----

// Ends one pipe, soon. Everything but ADD_PRE, where nothing can arrive yet, goes this way. What the pipe still delivers is
// to be ignored.
void net_pipe_end(struct wf_net *net, uint32_t pipe);
// With the mutex held, given up meanwhile. Returns when to call again.
int64_t net_run_endings(struct wf_net *net, int64_t now_ms);
void net_forget_endings(struct wf_net *net);
// Shuts the connection down; false when its descriptor is not to be found (ipc, or gone).
bool net_pipe_shut_down(nng_pipe p);

// ---- the thread of PUB sockets (pub.c)

// Waits for those that close; NULL is permitted.
void net_pubs_free(struct net_pubs *p);

// ---- the table of admitted pipes (pipes.c); under the endpoint's mutex ----

struct net_pipe {
    uint32_t id;
    unsigned busy;  // requests in work, parked or being answered
    bool spoke;     // a request came
    bool condemned; // on its way out: what it still delivers is ignored
    struct wf_net_addr addr;
    struct wf_net_prefix prefix;
    int64_t born_ms, last_ms;
    struct net_pipe *by_id, *by_prefix;
};

struct net_pipes {
    struct net_pipe **ids, **prefixes; // chained hash tables
    uint32_t mask;
    unsigned count, max, per_prefix;
};

enum weft_err net_pipes_init(struct net_pipes *t, unsigned max, unsigned per_prefix);
void net_pipes_fini(struct net_pipes *t);
// NULL when a cap is reached or memory is short.
struct net_pipe *net_pipes_admit(
    struct net_pipes *t, uint32_t id, const struct wf_net_addr *addr, int64_t now_ms);
struct net_pipe *net_pipes_find(const struct net_pipes *t, uint32_t id);
// False when it was never admitted: NNG reports the end of refused pipes too.
bool net_pipes_remove(struct net_pipes *t, uint32_t id);
// Walks all: pass NULL to begin; the table must not change meanwhile.
struct net_pipe *net_pipes_next(const struct net_pipes *t, const struct net_pipe *after);

// ---- listeners under watch (listen.c, watch.c) ----

struct net_listener {
    nng_socket sock;
    uint16_t peer_proto;    // what a client of this socket calls itself in the SP greeting
    int mode;               // of an ipc socket
    struct net_where where; // with the bound port
    // Under the runtime's mutex.
    nng_listener nng;
    nng_sockaddr bound;
    uint64_t accepted, accepted_seen;
    int64_t probed_ms;
    bool busy;    // the watcher works on it; it stays in the list
    bool dead;    // closed, and could not be opened anew so far
    bool leaving; // net_unlisten waits
    struct net_listener *next;
};

enum weft_err net_listen(struct wf_net *net, nng_socket sock, uint16_t peer_proto,
    const char *where, int mode, uint16_t *ret_port);
// Before a socket is closed: forgets its listeners (waits for a check under way) and makes their pipes end with the next
// message, which is safe, so that few are left for nng_close.
void net_unlisten(struct wf_net *net, nng_socket sock);
// A connection was accepted: the listener is alive.
void net_listener_accepted(struct wf_net *net, nng_pipe p);
// A pipe of a listener is gone: NNG still ends pipes.
void net_listener_removed(struct wf_net *net);
enum weft_err net_listener_open(
    const struct net_listener *l, nng_listener *ret, nng_sockaddr *ret_bound);
enum weft_err net_watch_start(struct wf_net *net); // with the mutex held; idempotent

#endif
