// SPDX-License-Identifier: Apache-2.0
// What the commands share: failures for people, and which products are meant.
#include <fnmatch.h>
#include <stdio.h>

#include "domains/monitoring/monitor.h"

int wf_mon_fail(enum weft_err err, const char *text, const char *hint)
{
    int status = weft_err_exit(err);

    fprintf(stderr, "weft-monitor: %s\n", text);
    if (hint && hint[0])
        fprintf(stderr, "weft-monitor: %s\n", hint);
    return status ? status : 1;
}

bool wf_mon_wants(const struct wf_mon_options *o, const char *product)
{
    for (size_t i = 0; i < o->pattern_count; i++)
        if (fnmatch(o->patterns[i], product, 0) == 0)
            return true;
    return o->pattern_count == 0;
}
