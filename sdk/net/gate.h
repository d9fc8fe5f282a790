// SPDX-License-Identifier: Apache-2.0
// The gate as a PUB socket sees it; users' side in net.h.
#ifndef WF_NET_GATE_H
#define WF_NET_GATE_H

#include "sdk/net/net.h"

bool net_gate_open_for(struct wf_net_gate *g, const struct wf_net_addr *host);
// For a socket that outlives its owner's interest; given back with wf_net_gate_free. NULL stays NULL.
struct wf_net_gate *net_gate_ref(struct wf_net_gate *g);
// Changes when a host lost its last admission: connections must be looked at again.
uint64_t net_gate_version(struct wf_net_gate *g);

#endif
