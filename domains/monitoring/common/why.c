// SPDX-License-Identifier: Apache-2.0
// See why.h.
#include "domains/monitoring/common/why.h"

#include <stdio.h>
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

void wf_mon_why_todo_of(enum wf_mon_why why, const char *product, char *out, size_t size)
{
    static const char word[] = "PRODUCT";
    const char *todo = wf_mon_why_todo(why), *at = strstr(todo, word);

    if (at && product[0])
        snprintf(out, size, "%.*s%s%s", (int)(at - todo), todo, product, at + sizeof word - 1);
    else
        snprintf(out, size, "%s", todo);
}
