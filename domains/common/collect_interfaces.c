// SPDX-License-Identifier: Apache-2.0
// interfaces: traffic counters of every network interface since it came up, from rtnetlink(7), one row an interface.
#include <stddef.h>

#include "domains/common/links.h"

static const struct counter {
    const char *field;
    size_t offset;
} counters[] = {
    { "rxBytes", offsetof(struct rtnl_link_stats64, rx_bytes) },
    { "rxPackets", offsetof(struct rtnl_link_stats64, rx_packets) },
    { "rxErrors", offsetof(struct rtnl_link_stats64, rx_errors) },
    { "rxDropped", offsetof(struct rtnl_link_stats64, rx_dropped) },
    { "rxMulticast", offsetof(struct rtnl_link_stats64, multicast) },
    { "txBytes", offsetof(struct rtnl_link_stats64, tx_bytes) },
    { "txPackets", offsetof(struct rtnl_link_stats64, tx_packets) },
    { "txErrors", offsetof(struct rtnl_link_stats64, tx_errors) },
    { "txDropped", offsetof(struct rtnl_link_stats64, tx_dropped) },
    { "collisions", offsetof(struct rtnl_link_stats64, collisions) },
};

static enum weft_err put_row(struct wf_out *out, const struct wf_link *link)
{
    wf_out_open_row(out);
    wf_out_str(out, "interface", wf_text(link->name));
    wf_out_str(out, "state", wf_text(link->state));
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        uint64_t v = 0;
        memcpy(&v, (const char *)&link->stats + counters[i].offset, sizeof v);
        wf_out_u64(out, counters[i].field, v);
    }
    return wf_out_close_row(out);
}

enum weft_err wf_collect_interfaces(struct wf_collect *c)
{
    struct wf_links links;
    enum weft_err err = wf_links_read(c, false, &links);

    if (err)
        return err;
    for (size_t i = 0; i < links.count && !err; i++)
        err = put_row(c->out, &links.list[i]);
    wf_links_fini(&links);
    return err;
}
