// SPDX-License-Identifier: Apache-2.0
// The floor of the wall clock: time as this node judges expiry never falls below what it has already seen, over restarts too, nor below its
// build. A clock that was set back would make expired things live again. Loop thread only.
#ifndef WF_NODE_WALL_H
#define WF_NODE_WALL_H

#include "node/node.h"

// From DATA/wall; what is absent, damaged or beyond any plausible date counts for nothing.
void wf_wall_load(struct wf_node *n);
// The present becomes the floor, here and on the disk; but while a jump forward is younger than an hour, the time as it would be without it. A disk
// that fails is said and changes nothing else.
void wf_wall_save(struct wf_node *n);
// Once a second. Alarm "clock-behind" while the clock is more than the tolerance below the floor; "clock-step" for an hour after it went further
// than that at once, or until it was set back.
void wf_wall_check(struct wf_node *n);

#endif
