// SPDX-License-Identifier: Apache-2.0
// The network interfaces of this host with their addresses and counters, from rtnetlink(7). Owns the list. Invariant:
// the list is ordered by interface index, and an address belongs to a link of the list. Used by weft-host (interfaces,
// hosts) and weft-ports.
#ifndef WF_COMMON_LINKS_H
#define WF_COMMON_LINKS_H

#include <linux/if.h>
#include <linux/if_link.h>

#include "domains/common/bounds.h"
#include "domains/common/collector.h"

struct nlmsghdr;

#define WF_ADDRESS_LEN 64u // "ffff:…:ffff/128" of an IPv6 address, with NUL
#define WF_HARDWARE_LEN                                                                            \
    96u // 32 bytes (MAX_ADDR_LEN of the kernel) in hexadecimal; Infiniband has 20
struct wf_link_address {
    char text[WF_ADDRESS_LEN];
    bool global; // usable from outside: not of scope host or link
};

struct wf_link {
    unsigned index, flags, mtu, master;
    char name[IFNAMSIZ];
    char kind[32]; // ether, loopback, or the driver's word: bridge, vlan, veth, ...
    char hardware
        [WF_HARDWARE_LEN]; // "02:fc:00:00:00:01"; of a tunnel its IP address; empty where there is none
    char alias[256];
    const char *state; // RFC 2863 operational state: up, down, ...; static
    bool has_speed;
    uint32_t speed_mbps;
    struct rtnl_link_stats64 stats;
    struct wf_link_address *addresses;
    size_t address_count;
};

struct wf_links {
    struct wf_link *list;
    size_t count, cap;
};

// With details: also addresses and speeds.
WEFT_MUST_USE enum weft_err wf_links_read(struct wf_collect *c, bool details, struct wf_links *ret);
void wf_links_fini(struct wf_links *links);
const struct wf_link *wf_links_by_index(const struct wf_links *links, unsigned index);

// One message of a dump each: RTM_NEWLINK adds a link, RTM_NEWADDR an address. Messages of other types, without a name
// or with an address of a wrong length are passed over. NOMEM or TOO_BIG.
WEFT_MUST_USE enum weft_err wf_links_on_link(const struct nlmsghdr *message, void *links);
WEFT_MUST_USE enum weft_err wf_links_on_address(const struct nlmsghdr *message, void *links);

// The fields of weft.common.v1.Interface, into the open object.
void wf_link_put(struct wf_out *out, const struct wf_links *links, const struct wf_link *link);

#endif
