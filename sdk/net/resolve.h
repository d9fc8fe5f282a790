// SPDX-License-Identifier: Apache-2.0
// Where a stream's host is: numeric addresses at once, names by the system's resolver on a thread of its own, because it may take many seconds
// and can't be stopped. Whoever gives up leaves that thread behind; it ends with its answer and touches nothing but its own.
// Thread rule: everything on the loop's thread.
#ifndef WF_NET_RESOLVE_H
#define WF_NET_RESOLVE_H

#include <sys/socket.h>

#include "sdk/loop/loop.h"

#define NET_RESOLVED_MAX 8u // addresses taken of an answer

struct net_resolved {
    struct sockaddr_storage at[NET_RESOLVED_MAX];
    socklen_t len[NET_RESOLVED_MAX];
    size_t count;
};

// Exactly one, unless it was freed: count is 0 when the name leads nowhere. The job is over: not to be freed.
typedef void (*net_resolve_fn)(void *arg, const struct net_resolved *found);

struct net_resolve;

// A numeric address; false when it is a name.
bool net_resolve_numeric(const char *host, uint16_t port, struct net_resolved *ret);
// Never calls back before it returns. NOMEM, IO.
WF_MUST_USE enum weft_err net_resolve_new(struct wf_loop *loop, const char *host, uint16_t port,
    net_resolve_fn fn, void *arg, struct net_resolve **ret);
void net_resolve_free(struct net_resolve *r); // NULL is permitted

#endif
