// SPDX-License-Identifier: Apache-2.0
#include "domains/common/links.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "domains/common/netlink.h"

// Keeps the attributes this file knows; newer ones are none of our business.
struct attributes {
    const struct nlattr **list;
    unsigned max;
};

static int keep(const struct nlattr *attribute, void *context)
{
    struct attributes *a = context;
    unsigned type = mnl_attr_get_type(attribute);

    if (type <= a->max)
        a->list[type] = attribute;
    return MNL_CB_OK;
}

static void parse_attributes(
    const struct nlmsghdr *message, size_t header, const struct nlattr **list, unsigned max)
{
    struct attributes a = { list, max };

    // Only the callback could make this fail, and keep does not.
    (void)mnl_attr_parse(message, (unsigned)header, keep, &a);
}

// Attributes carry a length of their own and no promise of a NUL or of alignment.
static bool text_of(const struct nlattr *attribute, char *out, size_t size)
{
    if (!attribute)
        return false;
    const char *text = mnl_attr_get_payload(attribute);
    size_t len = strnlen(text, mnl_attr_get_payload_len(attribute));

    return len > 0 && wf_text_copy((struct wf_text){ text, len }, out, size) == WEFT_OK;
}

static unsigned u32_of(const struct nlattr *attribute)
{
    uint32_t v = 0;

    if (attribute && mnl_attr_get_payload_len(attribute) == sizeof v)
        memcpy(&v, mnl_attr_get_payload(attribute), sizeof v);
    return v;
}

static const char *state_name(const struct nlattr *attribute)
{
    static const char *const names[] = { "unknown", "not-present", "down", "lower-layer-down",
        "testing", "dormant", "up" };
    uint8_t state = 0;

    if (attribute && mnl_attr_get_payload_len(attribute) == sizeof state)
        state = *(const uint8_t *)mnl_attr_get_payload(attribute);
    return state < sizeof names / sizeof names[0] ? names[state] : names[0];
}

// What ip-link(8) shows: bytes in hexadecimal, and of a tunnel of the kernel the address of its own end.
static void hardware_of(
    const struct nlattr *attribute, unsigned short type, char out[WF_HARDWARE_LEN])
{
    if (!attribute)
        return;
    const uint8_t *bytes = mnl_attr_get_payload(attribute);
    size_t len = mnl_attr_get_payload_len(attribute);
    size_t at = 0;
    int family = 0;

    if (len == 4 && (type == ARPHRD_TUNNEL || type == ARPHRD_SIT || type == ARPHRD_IPGRE))
        family = AF_INET;
    else if (len == 16 && (type == ARPHRD_TUNNEL6 || type == ARPHRD_IP6GRE))
        family = AF_INET6;
    if (len * 3 > WF_HARDWARE_LEN || (family && inet_ntop(family, bytes, out, WF_HARDWARE_LEN)))
        return;
    for (size_t i = 0; i < len; i++)
        at += (size_t)snprintf(out + at, WF_HARDWARE_LEN - at, i ? ":%02x" : "%02x", bytes[i]);
}

static void kind_of(const struct nlattr *info, unsigned short type, char out[32])
{
    const struct nlattr *attribute;

    if (info) {
        mnl_attr_for_each_nested(attribute, info)
        {
            if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND && text_of(attribute, out, 32))
                return;
        }
    }
    snprintf(out, 32, "%s",
        type == ARPHRD_LOOPBACK     ? "loopback"
        : type == ARPHRD_ETHER      ? "ether"
        : type == ARPHRD_INFINIBAND ? "infiniband"
        : type == ARPHRD_NONE       ? "none"
                                    : "other");
}

static enum weft_err add(struct wf_links *links, const struct wf_link *link)
{
    if (links->count == links->cap) {
        if (links->count >= WF_HOST_MAX_LINKS)
            return WEFT_E_TOO_BIG;
        size_t cap = links->cap ? links->cap * 2 : 16;
        struct wf_link *list = realloc(links->list, cap * sizeof *list);
        if (!list)
            return WEFT_E_NOMEM;
        links->list = list;
        links->cap = cap;
    }
    links->list[links->count++] = *link;
    return WEFT_OK;
}

enum weft_err wf_links_on_link(const struct nlmsghdr *message, void *context)
{
    const struct nlattr *a[IFLA_MAX + 1] = { NULL };
    struct ifinfomsg info;
    struct wf_link link = { 0 };

    if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof info)
        return WEFT_OK;
    memcpy(&info, mnl_nlmsg_get_payload(message), sizeof info);
    parse_attributes(message, sizeof info, a, IFLA_MAX);
    if (!text_of(a[IFLA_IFNAME], link.name, sizeof link.name) || info.ifi_index <= 0)
        return WEFT_OK;
    link.index = (unsigned)info.ifi_index;
    link.flags = info.ifi_flags;
    link.mtu = u32_of(a[IFLA_MTU]);
    link.master = u32_of(a[IFLA_MASTER]);
    link.state = state_name(a[IFLA_OPERSTATE]);
    hardware_of(a[IFLA_ADDRESS], info.ifi_type, link.hardware);
    kind_of(a[IFLA_LINKINFO], info.ifi_type, link.kind);
    (void)text_of(a[IFLA_IFALIAS], link.alias, sizeof link.alias);
    if (a[IFLA_STATS64]) {
        // Newer kernels append counters, older ones know fewer: take what both have.
        size_t len = mnl_attr_get_payload_len(a[IFLA_STATS64]);
        memcpy(&link.stats, mnl_attr_get_payload(a[IFLA_STATS64]),
            len < sizeof link.stats ? len : sizeof link.stats);
    }
    return add(context, &link);
}

static struct wf_link *find(const struct wf_links *links, unsigned index)
{
    for (size_t i = 0; i < links->count; i++)
        if (links->list[i].index == index)
            return &links->list[i];
    return NULL;
}

const struct wf_link *wf_links_by_index(const struct wf_links *links, unsigned index)
{
    return find(links, index);
}

static enum weft_err add_address(struct wf_link *link, const struct wf_link_address *address)
{
    if (link->address_count >= WF_HOST_MAX_ADDRS)
        return WEFT_OK;
    if (!link->addresses) {
        link->addresses = calloc(WF_HOST_MAX_ADDRS, sizeof *link->addresses);
        if (!link->addresses)
            return WEFT_E_NOMEM;
    }
    link->addresses[link->address_count++] = *address;
    return WEFT_OK;
}

enum weft_err wf_links_on_address(const struct nlmsghdr *message, void *context)
{
    const struct nlattr *a[IFA_MAX + 1] = { NULL };
    struct ifaddrmsg info;
    struct wf_link_address address;
    char text[INET6_ADDRSTRLEN];

    if (message->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(message) < sizeof info)
        return WEFT_OK;
    memcpy(&info, mnl_nlmsg_get_payload(message), sizeof info);
    parse_attributes(message, sizeof info, a, IFA_MAX);
    // On a point-to-point link IFA_ADDRESS is the other end's.
    const struct nlattr *own = a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS];
    size_t want = info.ifa_family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    struct wf_link *link = find(context, info.ifa_index);
    if (!link || !own || (info.ifa_family != AF_INET && info.ifa_family != AF_INET6))
        return WEFT_OK;
    if (mnl_attr_get_payload_len(own) != want ||
        !inet_ntop(info.ifa_family, mnl_attr_get_payload(own), text, sizeof text))
        return WEFT_OK;
    snprintf(address.text, sizeof address.text, "%s/%u", text, (unsigned)info.ifa_prefixlen);
    address.global = info.ifa_scope < RT_SCOPE_LINK;
    return add_address(link, &address);
}

static void forget_links(void *context)
{
    wf_links_fini(context);
}

static void forget_addresses(void *context)
{
    struct wf_links *links = context;

    for (size_t i = 0; i < links->count; i++)
        links->list[i].address_count = 0;
}

void wf_links_fini(struct wf_links *links)
{
    for (size_t i = 0; i < links->count; i++)
        free(links->list[i].addresses);
    free(links->list);
    *links = (struct wf_links){ 0 };
}

static int by_index(const void *left, const void *right)
{
    const struct wf_link *a = left, *b = right;

    return (a->index > b->index) - (a->index < b->index);
}

// Only drivers know the speed, and rtnetlink does not carry it. Asked by ioctl, as /sys may show another network
// namespace. Links without a speed, or none at the moment, say 0 or all ones.
static void read_speed(int fd, struct wf_link *link)
{
    struct ethtool_cmd settings = { .cmd = ETHTOOL_GSET };
    struct ifreq request = { .ifr_data = (char *)&settings };

    memcpy(request.ifr_name, link->name, sizeof link->name);
    if (ioctl(fd, SIOCETHTOOL, &request) != 0)
        return;
    // ethtool_cmd_speed() of the kernel's header shifts a signed 65535 by 16, which C leaves undefined.
    link->speed_mbps = (uint32_t)settings.speed_hi << 16 | settings.speed;
    link->has_speed = link->speed_mbps != 0 && link->speed_mbps != UINT16_MAX &&
                      link->speed_mbps != (uint32_t)SPEED_UNKNOWN;
}

static void read_speeds(struct wf_links *links)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    for (size_t i = 0; i < links->count; i++)
        read_speed(fd, &links->list[i]);
    close(fd);
}

static enum weft_err read_addresses(struct wf_links *links)
{
    struct ifaddrmsg request = { .ifa_family = AF_UNSPEC };
    struct wf_dump dump = { .bus = NETLINK_ROUTE,
        .type = RTM_GETADDR,
        .request = &request,
        .request_len = sizeof request,
        .message = wf_links_on_address,
        .restart = forget_addresses,
        .context = links };

    return wf_netlink_dump(&dump);
}

enum weft_err wf_links_read(struct wf_collect *c, bool details, struct wf_links *ret)
{
    struct wf_links links = { 0 };
    struct ifinfomsg request = { .ifi_family = AF_UNSPEC };
    struct wf_dump dump = { .bus = NETLINK_ROUTE,
        .type = RTM_GETLINK,
        .request = &request,
        .request_len = sizeof request,
        .message = wf_links_on_link,
        .restart = forget_links,
        .context = &links };

    enum weft_err err = wf_netlink_dump(&dump);
    if (!err && details)
        err = read_addresses(&links);
    if (err) {
        wf_links_fini(&links);
        return wf_problem(c, err, "rtnetlink: the kernel does not list its interfaces");
    }
    if (details)
        read_speeds(&links);
    if (links.count > 1)
        qsort(links.list, links.count, sizeof *links.list, by_index);
    *ret = links;
    return WEFT_OK;
}

void wf_link_put(struct wf_out *out, const struct wf_links *links, const struct wf_link *link)
{
    const struct wf_link *master = link->master ? wf_links_by_index(links, link->master) : NULL;

    wf_out_u32(out, "index", link->index);
    wf_out_str(out, "kind", wf_text(link->kind));
    wf_out_str(out, "hardwareAddress", wf_text(link->hardware));
    wf_out_u32(out, "mtu", link->mtu);
    wf_out_str(out, "state", wf_text(link->state));
    wf_out_bool(out, "enabled", (link->flags & IFF_UP) != 0);
    if (link->has_speed)
        wf_out_u32(out, "speed", link->speed_mbps);
    if (master)
        wf_out_str(out, "master", wf_text(master->name));
    if (link->alias[0] != '\0')
        wf_out_str(out, "alias", wf_text(link->alias));
    wf_out_open_list(out, "addresses");
    for (size_t i = 0; i < link->address_count; i++)
        wf_out_item(out, wf_text(link->addresses[i].text));
    wf_out_close_list(out);
}
