// SPDX-License-Identifier: Apache-2.0
// A refusal from a code and words. Apart from call.c, so that whoever plays the control room (tests) refuses in the same way.
#include <stdarg.h>
#include <stdio.h>

#include "node/control.h"

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
