// SPDX-License-Identifier: Apache-2.0
// Refusals of a rig that plays the control room: each becomes a reply, and wf_call_reply is the rig's own. Linked into tests alone.
#include "node/control.h"

void wf_call_refuse_with(struct wf_call *c, Weft__V1__Refusal *refusal)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;

    reply.refusal = refusal;
    wf_call_reply(c, &reply);
}
