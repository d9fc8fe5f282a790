// SPDX-License-Identifier: Apache-2.0
// PUBLISH requests that overtook the one before them. A publisher has several under way, and the local socket's contexts hand them over in
// any order; one that comes too early waits for its predecessor instead of being refused and sent again. Owns the requests that wait, for at
// most WF_EARLY_MS. Invariant: a request waits once at a time, and is answered by its handler, by us when the time is over, or not at all
// when its caller went away. Loop thread only.
#ifndef WF_NODE_EARLY_H
#define WF_NODE_EARLY_H

#include "node/control.h"

#define WF_EARLY_MS  500
#define WF_EARLY_MAX 64u

// Keeps the call for `again`. False: too many wait or there is no memory, and the caller refuses it.
WF_MUST_USE bool wf_early_hold(struct wf_node *n, struct wf_call *c, wf_handler_fn again);
// Something of this publisher was taken: the lowest of those that wait is handled again.
void wf_early_next(struct wf_node *n, const uint8_t publisher[16]);

#endif
