// SPDX-License-Identifier: Apache-2.0
// A node of `servers` with its identity on disk and no room open yet, for tests that open rooms themselves. Aborts on errors of its own,
// because fuzzers use it as well. Needs support/clock.c.
#ifndef WF_TESTS_NODERIG_H
#define WF_TESTS_NODERIG_H

#include "node/conf.h"
#include "node/core.h"
#include "tests/support/trust_mesh.h"

struct wf_noderig {
    struct wf_node node;
    struct wf_core core;
    struct wf_test_mesh mesh;
};

// In the test's temporary directory; says nothing on standard error.
void wf_noderig_init(struct wf_noderig *r);
// The rooms must be closed.
void wf_noderig_fini(struct wf_noderig *r);

// Every room of a node that neither forks nor serves HTTP, in start order.
#define WF_NODERIG_ROOMS 9
extern const struct wf_room *const wf_noderig_rooms[WF_NODERIG_ROOMS];
// As weftd ends: closes it, and control's runtime with it once nothing else uses it.
void wf_noderig_close(struct wf_noderig *r, size_t room);

#endif
