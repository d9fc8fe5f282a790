// SPDX-License-Identifier: Apache-2.0
// Room on the disk of a weftd's state, for people: what stopped, and until when. The log itself decides what it takes. Loop thread only.
#ifndef WF_NODE_SPACE_H
#define WF_NODE_SPACE_H

#include "node/node.h"

// Once a second: raises the alarm `disk` while the log refuses for want of room, and takes it back.
void wf_space_check(struct wf_node *n);

#endif
