// SPDX-License-Identifier: Apache-2.0
// What lies around a node whose rooms are asked directly: no net, no sealing of replies, no programs. Requests are handles of the test's own, over
// one connection from this host, and replies come to it. Aborts on errors of its own. Link with -Wl,--wrap of what nodenet.c wraps. Test code.
#ifndef WF_TESTS_NODENET_H
#define WF_TESTS_NODENET_H

#include "node/call.h"
#include "tests/support/noderig.h"

#define WF_NODENET_PIPE 1

// Each request once: the reply as it was packed; empty when the node hung up instead. Nothing of it is counted by fault.h.
typedef void (*wf_nodenet_fn)(struct wf_net_request *r, struct wf_bytes reply);
void wf_nodenet_init(wf_nodenet_fn fn);
// *ret stays in the arena. Without a session a node refuses in one way alone: BUSY, and no reply.
enum weft_err wf_nodenet_read(
    struct wf_bytes packed, struct wf_arena *arena, Weft__V1__Reply **ret);

// The agent host-1 of the rig's domain, with a certificate as of now.
struct wf_identity wf_nodenet_agent(const struct wf_noderig *rig);
// Applies a product of tests/node/schema/sample.proto; hosts: its calls go to agents host-*.
void wf_nodenet_apply(
    struct wf_noderig *rig, const char *name, enum wf_product_kind kind, bool hosts);

#endif
