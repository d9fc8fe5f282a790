// SPDX-License-Identifier: Apache-2.0
// A thread that turns a loop while the loop's own thread is away in a call that may take long, so that such a call costs no hand-over to
// another thread as long as it is short. Owns the thread and a clock that wakes it. Invariant: one thread at a time turns the loop.
// While nobody turns the loop, letters to it wake nobody: the next to turn it looks for them.
// Thread rule: everything on the thread that runs the loop; leave and back outside of its turns (wf_loop_after), in pairs.
#ifndef WF_SDK_STANDIN_H
#define WF_SDK_STANDIN_H

#include "sdk/loop/loop.h"

struct wf_standin;

// after_us: how long the loop stands still at most before it is turned here. The loop is borrowed. NOMEM, NO_FILES.
WF_MUST_USE enum weft_err wf_standin_new(
    struct wf_loop *l, uint32_t after_us, struct wf_standin **ret);
// Not while away. Before the loop is freed. NULL is permitted.
void wf_standin_free(struct wf_standin *s);

void wf_standin_leave(struct wf_standin *s);
// Waits for the end of a turn that the stand-in is in.
void wf_standin_back(struct wf_standin *s);

#endif
