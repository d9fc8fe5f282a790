// SPDX-License-Identifier: Apache-2.0
// See why.h.
#include "domains/monitoring/common/why.h"

#include <string.h>

static const struct {
    const char *name, *todo;
} whys[] = {
#define X(name, word, todo) [WF_MON_##name] = { word, todo },
    WF_MON_WHY_TABLE(X)
#undef X
};

const char *wf_mon_why_name(enum wf_mon_why why)
{
    return whys[why].name;
}

const char *wf_mon_why_todo(enum wf_mon_why why)
{
    return whys[why].todo;
}

enum wf_mon_why wf_mon_why_of(const char *name)
{
    for (unsigned i = 0; i < WF_MON_WHYS; i++)
        if (strcmp(name, whys[i].name) == 0)
            return (enum wf_mon_why)i;
    return WF_MON_TROUBLE;
}
