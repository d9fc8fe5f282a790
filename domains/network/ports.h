// SPDX-License-Identifier: Apache-2.0
// The service weft.network.v1.Ports and its inventory, over the interfaces of this host. Pure but for reading them and
// the notes. Invariant: what a call answers and what the inventory shows are made by one function.
#ifndef WF_NETWORK_PORTS_H
#define WF_NETWORK_PORTS_H

#include "domains/common/collector.h"

struct wf_ports_call {
    const char *directory; // of the notes; NULL: there are none and SetNote is refused
    const char *caller;    // who asks, kept with a note; "" where unknown
    struct wf_text request;
    bool bad_request;    // set with an error that is the caller's, not ours
    struct wf_collect c; // out: the reply; problem: why not; now_unix_ms: for SetNote
};

// With bad_request: METHOD for an unknown one; SYNTAX, UNKNOWN_FIELD, TYPE, RANGE; TOO_BIG for a note; NOT_FOUND for an
// unknown port. Without: STATE where there is no directory; what reading the kernel or writing the notes returned.
WEFT_MUST_USE enum weft_err wf_ports_call(const char *method, struct wf_ports_call *call);
// $WEFT_STATE, or NULL where it is unset or empty.
const char *wf_ports_directory(void);
// Rows of Port for domains/common/source; notes from $WEFT_STATE.
enum weft_err wf_collect_ports(struct wf_collect *c);

#endif
