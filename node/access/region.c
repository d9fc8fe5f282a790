// SPDX-License-Identifier: Apache-2.0
// Where this node stands, for tokens that are limited to regions.
#include <stdio.h>

#include "node/access/priv.h"
#include "node/conf.h"

const char *wf_access_region(const struct wf_node *n)
{
    const char *here = n->conf->region;
    const struct wf_charter *c = n->charter;
    bool listed = !here || !c || c->region_count == 0;

    for (size_t i = 0; !listed && i < c->region_count; i++)
        listed = strcmp(c->regions[i], here) == 0;
    return listed ? here : NULL;
}

void wf_access_region_tick(struct wf_node *n)
{
    bool unknown = n->conf->region && !wf_access_region(n);
    char text[200];

    snprintf(text, sizeof text,
        "the charter knows no region %s: tokens that are limited to regions are refused here; "
        "correct region: in weftd.yaml",
        n->conf->region ? n->conf->region : "");
    wf_alarm(n, "region", unknown ? text : NULL);
}
