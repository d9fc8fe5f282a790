// SPDX-License-Identifier: Apache-2.0
#include "node/address.h"

#include "node/call.h"
#include "node/conf.h"

void wf_node_told_address(const struct wf_node *n, struct wf_address *ret)
{
    bool own = n->conf->advertise.host[0] == '\0';

    *ret = own ? n->conf->listen : n->conf->advertise;
    if (own || ret->port == 0)
        ret->port = n->control->port;
}

void wf_node_shown_address(const struct wf_node *n, struct wf_address *ret)
{
    *ret = n->conf->listen;
    ret->port = n->control->port;
    if (wf_address_is_wildcard(ret))
        wf_node_told_address(n, ret);
}
