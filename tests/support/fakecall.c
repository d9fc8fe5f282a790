// SPDX-License-Identifier: Apache-2.0
// Refusals of a rig that plays the control room: each becomes a reply, and wf_call_reply is the rig's own. Linked into tests alone.
#include <stdarg.h>
#include <stdio.h>

#include "node/control.h"

void wf_call_refuse_with(struct wf_call *c, Weft__V1__Refusal *refusal)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;

    reply.refusal = refusal;
    wf_call_reply(c, &reply);
}

void wf_call_refuse(struct wf_call *c, enum weft_err err, const char *format, ...)
{
    Weft__V1__Refusal refusal = WEFT__V1__REFUSAL__INIT;
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    refusal.code = (uint32_t)err;
    refusal.text = text;
    wf_call_refuse_with(c, &refusal);
}
