// SPDX-License-Identifier: Apache-2.0
// /healthz, /readyz and /metrics on a loopback address: text for machines of this host. The only door to libmicrohttpd. Its one thread
// never touches the node: the loop thread renders the metrics once a second into a buffer that is swapped under a lock. Connections are
// few, short and of one request; beyond 32 the oldest makes room, so that nobody who is slow keeps the others out.
#ifndef WF_NODE_HTTP_H
#define WF_NODE_HTTP_H

#include "node/node.h"

extern const struct wf_room wf_http_room;

#endif
