// SPDX-License-Identifier: Apache-2.0
// Interfaces, addresses and sockets from netlink messages made here: whole, of other kernels, cut and damaged.
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "domains/common/links.h"
#include "domains/common/netlink.h"
#include "domains/common/owners.h"
#include "domains/common/sockets.h"
#include "tests/support/support.h"

static _Alignas(struct nlmsghdr) char space[4096];

static struct nlmsghdr *begin(uint16_t type, const void *header, size_t len)
{
    memset(space, 0, sizeof space);
    struct nlmsghdr *m = mnl_nlmsg_put_header(space);

    m->nlmsg_type = type;
    memcpy(mnl_nlmsg_put_extra_header(m, len), header, len);
    return m;
}

static struct nlmsghdr *link_message(const char *name, int index, size_t stats_len)
{
    static const uint8_t hardware[6] = { 0x02, 0xfc, 0, 0, 0, 0x0a };
    struct ifinfomsg info = {
        .ifi_family = AF_UNSPEC, .ifi_type = ARPHRD_ETHER, .ifi_index = index, .ifi_flags = IFF_UP
    };
    struct rtnl_link_stats64 stats = { .rx_bytes = UINT64_MAX, .tx_packets = 7, .collisions = 9 };
    char long_stats[512] = { 0 };
    struct nlmsghdr *m = begin(RTM_NEWLINK, &info, sizeof info);

    memcpy(long_stats, &stats, sizeof stats);
    mnl_attr_put_strz(m, IFLA_IFNAME, name);
    mnl_attr_put_u32(m, IFLA_MTU, 1500);
    mnl_attr_put_u8(m, IFLA_OPERSTATE, 6);
    mnl_attr_put(m, IFLA_ADDRESS, sizeof hardware, hardware);
    mnl_attr_put(m, IFLA_STATS64, stats_len, long_stats);
    struct nlattr *nest = mnl_attr_nest_start(m, IFLA_LINKINFO);
    mnl_attr_put_strz(m, IFLA_INFO_KIND, "veth");
    mnl_attr_nest_end(m, nest);
    mnl_attr_put_u32(m, IFLA_MASTER, 77);
    return m;
}

static struct nlmsghdr *address_message(
    uint8_t family, unsigned index, uint16_t type, const void *address, size_t len)
{
    struct ifaddrmsg info = { .ifa_family = family,
        .ifa_prefixlen = 24,
        .ifa_scope = RT_SCOPE_UNIVERSE,
        .ifa_index = index };
    struct nlmsghdr *m = begin(RTM_NEWADDR, &info, sizeof info);

    mnl_attr_put(m, type, len, address);
    return m;
}

START_TEST(a_link_is_read_with_name_state_kind_and_counters)
{
    struct wf_links links = { 0 };

    ck_assert_int_eq(
        wf_links_on_link(link_message("veth0", 5, sizeof(struct rtnl_link_stats64)), &links),
        WEFT_OK);
    ck_assert_uint_eq(links.count, 1);
    const struct wf_link *l = wf_links_by_index(&links, 5);
    ck_assert_ptr_nonnull(l);
    ck_assert_str_eq(l->name, "veth0");
    ck_assert_str_eq(l->kind, "veth");
    ck_assert_str_eq(l->state, "up");
    ck_assert_str_eq(l->hardware, "02:fc:00:00:00:0a");
    ck_assert_uint_eq(l->mtu, 1500);
    ck_assert_uint_eq(l->master, 77);
    ck_assert_uint_eq(l->stats.rx_bytes, UINT64_MAX);
    ck_assert_uint_eq(l->stats.tx_packets, 7);
    wf_links_fini(&links);
}
END_TEST

START_TEST(counters_of_older_and_newer_kernels_are_taken_as_far_as_both_know)
{
    struct wf_links links = { 0 };
    const size_t known = offsetof(struct rtnl_link_stats64, collisions);

    ck_assert_int_eq(wf_links_on_link(link_message("old", 1, known), &links), WEFT_OK);
    ck_assert_int_eq(wf_links_on_link(link_message("new", 2, 500), &links), WEFT_OK);
    ck_assert_int_eq(wf_links_on_link(link_message("none", 3, 0), &links), WEFT_OK);
    ck_assert_uint_eq(links.list[0].stats.tx_packets, 7);
    ck_assert_uint_eq(links.list[0].stats.collisions, 0);
    ck_assert_uint_eq(links.list[1].stats.collisions, 9);
    ck_assert_uint_eq(links.list[2].stats.rx_bytes, 0);
    wf_links_fini(&links);
}
END_TEST

START_TEST(a_link_without_a_usable_name_is_passed_over)
{
    struct wf_links links = { 0 };
    struct ifinfomsg info = { .ifi_index = 9 };

    ck_assert_int_eq(wf_links_on_link(begin(RTM_NEWLINK, &info, sizeof info), &links), WEFT_OK);
    ck_assert_int_eq(wf_links_on_link(link_message("", 1, 0), &links), WEFT_OK);
    ck_assert_int_eq(wf_links_on_link(link_message("sixteen-letters-", 1, 0), &links), WEFT_OK);
    ck_assert_int_eq(wf_links_on_link(link_message("eth0", 0, 0), &links), WEFT_OK);
    ck_assert_int_eq(wf_links_on_link(begin(RTM_DELLINK, &info, sizeof info), &links), WEFT_OK);
    ck_assert_uint_eq(links.count, 0);
}
END_TEST

static const struct hardware_row {
    const char *why;
    uint16_t type;
    size_t len;
    const char *hardware, *kind;
} hardware[] = {
    { "no address at all", ARPHRD_NONE, 0, "", "none" },
    { "Ethernet", ARPHRD_ETHER, 6, "00:01:02:03:04:05", "ether" },
    { "Infiniband has twenty bytes", ARPHRD_INFINIBAND, 20,
        "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13", "infiniband" },
    { "the longest of the kernel", ARPHRD_ETHER, 32,
        "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:"
        "1e:1f",
        "ether" },
    { "longer than the kernel's longest", ARPHRD_ETHER, 33, "", "ether" },
    { "a tunnel over IPv4", ARPHRD_SIT, 4, "0.1.2.3", "other" },
    { "a tunnel over IPv6", ARPHRD_TUNNEL6, 16, "1:203:405:607:809:a0b:c0d:e0f", "other" },
    { "a tunnel with an address of a wrong length", ARPHRD_SIT, 5, "00:01:02:03:04", "other" },
};

START_TEST(a_link_has_the_address_that_ip_link_shows)
{
    const struct hardware_row *r = &hardware[_i];
    struct ifinfomsg info = { .ifi_type = r->type, .ifi_index = 3 };
    struct wf_links links = { 0 };
    uint8_t bytes[33];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    struct nlmsghdr *m = begin(RTM_NEWLINK, &info, sizeof info);
    mnl_attr_put_strz(m, IFLA_IFNAME, "link0");
    if (r->len)
        mnl_attr_put(m, IFLA_ADDRESS, r->len, bytes);
    ck_assert_int_eq(wf_links_on_link(m, &links), WEFT_OK);
    ck_assert_uint_eq(links.count, 1);
    ck_assert_msg(
        strcmp(links.list[0].hardware, r->hardware) == 0, "%s: %s", r->why, links.list[0].hardware);
    ck_assert_msg(strcmp(links.list[0].kind, r->kind) == 0, "%s: %s", r->why, links.list[0].kind);
    wf_links_fini(&links);
}
END_TEST

// Between the two dumps eth0 was renamed and eth1 taken out; its number was given to nobody.
START_TEST(addresses_find_their_link_by_number_whatever_its_name_is_now)
{
    struct wf_links links = { 0 };
    struct in_addr four = { htonl(0xc0000207) };

    ck_assert_int_eq(wf_links_on_link(link_message("eth0", 5, 0), &links), WEFT_OK);
    ck_assert_int_eq(wf_links_on_link(link_message("eth1", 6, 0), &links), WEFT_OK);
    for (unsigned index = 5; index <= 8; index += 3) {
        struct nlmsghdr *m = address_message(AF_INET, index, IFA_LOCAL, &four, sizeof four);
        mnl_attr_put_strz(m, IFA_LABEL, "renamed");
        ck_assert_int_eq(wf_links_on_address(m, &links), WEFT_OK);
    }
    ck_assert_uint_eq(links.count, 2);
    ck_assert_str_eq(links.list[0].addresses[0].text, "192.0.2.7/24");
    ck_assert_uint_eq(links.list[0].address_count, 1);
    ck_assert_uint_eq(links.list[1].address_count, 0);
    wf_links_fini(&links);
}
END_TEST

START_TEST(names_that_are_no_utf8_are_rows_of_json)
{
    struct wf_links links = { 0 };
    struct wf_out out = { 0 };
    struct nlmsghdr *m = link_message("et\xffh\"\\", 5, 0);

    mnl_attr_put_strz(m, IFLA_IFALIAS, "\xc3\x28");
    ck_assert_int_eq(wf_links_on_link(m, &links), WEFT_OK);
    wf_out_open_row(&out);
    wf_link_put(&out, &links, &links.list[0]);
    wf_out_str(&out, "name", wf_text(links.list[0].name));
    ck_assert_int_eq(wf_out_close_row(&out), WEFT_OK);
    json_t *v = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(v);
    ck_assert_str_eq(json_string_value(json_object_get(v, "alias")), "\xef\xbf\xbd(");
    ck_assert_str_eq(json_string_value(json_object_get(v, "name")), "et\xef\xbf\xbdh\"\\");
    json_decref(v);
    wf_out_fini(&out);
    wf_links_fini(&links);
}
END_TEST

START_TEST(addresses_belong_to_their_link)
{
    struct wf_links links = { 0 };
    struct in_addr four;
    struct in6_addr six;

    ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.7", &four), 1);
    ck_assert_int_eq(inet_pton(AF_INET6, "2001:db8::7", &six), 1);
    ck_assert_int_eq(wf_links_on_link(link_message("eth0", 5, 0), &links), WEFT_OK);
    ck_assert_int_eq(
        wf_links_on_address(address_message(AF_INET, 5, IFA_LOCAL, &four, sizeof four), &links),
        WEFT_OK);
    ck_assert_int_eq(
        wf_links_on_address(address_message(AF_INET6, 5, IFA_ADDRESS, &six, sizeof six), &links),
        WEFT_OK);
    ck_assert_int_eq(
        wf_links_on_address(address_message(AF_INET, 6, IFA_LOCAL, &four, sizeof four), &links),
        WEFT_OK);
    ck_assert_int_eq(
        wf_links_on_address(address_message(AF_INET, 5, IFA_LOCAL, &six, sizeof six), &links),
        WEFT_OK);
    ck_assert_int_eq(
        wf_links_on_address(address_message(AF_INET, 5, IFA_LABEL, &four, sizeof four), &links),
        WEFT_OK);
    ck_assert_int_eq(
        wf_links_on_address(address_message(AF_PACKET, 5, IFA_LOCAL, &four, sizeof four), &links),
        WEFT_OK);
    const struct wf_link *l = wf_links_by_index(&links, 5);
    ck_assert_uint_eq(l->address_count, 2);
    ck_assert_str_eq(l->addresses[0].text, "192.0.2.7/24");
    ck_assert_str_eq(l->addresses[1].text, "2001:db8::7/24");
    ck_assert(l->addresses[0].global);
    for (unsigned i = 0; i < 2 * WF_HOST_MAX_ADDRS; i++)
        ck_assert_int_eq(
            wf_links_on_address(address_message(AF_INET, 5, IFA_LOCAL, &four, sizeof four), &links),
            WEFT_OK);
    ck_assert_uint_eq(l->address_count, WF_HOST_MAX_ADDRS);
    wf_links_fini(&links);
}
END_TEST

// A copy in its own allocation, so that ASan sees a read beyond it. netlink(7) pads messages to four bytes, and libmnl
// reads that padding.
static struct nlmsghdr *copy_of(const struct nlmsghdr *m, size_t len)
{
    struct nlmsghdr *copy = calloc(1, MNL_ALIGN(len));

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, m, len);
    copy->nlmsg_len = (uint32_t)len;
    return copy;
}

START_TEST(a_message_cut_at_any_byte_is_read_within_its_length)
{
    uint32_t whole = link_message("veth0", 5, sizeof(struct rtnl_link_stats64))->nlmsg_len;

    for (uint32_t len = sizeof(struct nlmsghdr); len < whole; len++) {
        struct wf_links links = { 0 };
        struct nlmsghdr *m =
            copy_of(link_message("veth0", 5, sizeof(struct rtnl_link_stats64)), len);
        ck_assert_int_eq(wf_links_on_link(m, &links), WEFT_OK);
        ck_assert_int_eq(wf_links_on_address(m, &links), WEFT_OK);
        free(m);
        wf_links_fini(&links);
    }
}
END_TEST

START_TEST(damaged_messages_are_read_within_their_length)
{
    uint64_t seed = 3;
    uint32_t whole = link_message("veth0", 5, sizeof(struct rtnl_link_stats64))->nlmsg_len;

    for (int i = 0; i < 3000; i++) {
        struct wf_links links = { 0 };
        struct nlmsghdr *m =
            copy_of(link_message("veth0", 5, sizeof(struct rtnl_link_stats64)), whole);
        for (int n = 0; n < 4; n++) {
            uint64_t r = wf_test_rand(&seed);
            ((uint8_t *)m)[sizeof *m + r % (whole - sizeof *m)] = (uint8_t)(r >> 32);
        }
        ck_assert_int_eq(wf_links_on_link(m, &links), WEFT_OK);
        free(m);
        wf_links_fini(&links);
    }
}
END_TEST

static struct inet_diag_msg tcp_socket(uint8_t state, const char *local, uint16_t port)
{
    struct inet_diag_msg m = {
        .idiag_family = AF_INET, .idiag_state = state, .idiag_uid = 1000, .idiag_inode = 4711
    };

    ck_assert_int_eq(inet_pton(AF_INET, local, m.id.idiag_src), 1);
    m.id.idiag_sport = htons(port);
    return m;
}

START_TEST(a_socket_becomes_a_row_with_its_holder)
{
    struct wf_out out = { 0 };
    struct wf_owner holder = { .inode = 4711, .pid = 42, .command = "sshd" };
    struct wf_owners owners = { .list = &holder, .count = 1 };
    struct wf_sockets s = { .out = &out, .owners = &owners, .protocol = IPPROTO_TCP };
    struct inet_diag_msg m = tcp_socket(10, "127.0.0.1", 22);
    static const char want[] = "{\"protocol\":\"tcp\",\"localAddress\":\"127.0.0.1\",\"localPort\":"
                               "22,\"remoteAddress\":\"0.0.0.0\","
                               "\"remotePort\":0,\"inode\":\"4711\",\"state\":\"LISTEN\",\"uid\":"
                               "1000,\"pid\":42,\"process\":\"sshd\"}";

    ck_assert_int_eq(wf_sockets_on_message(begin(SOCK_DIAG_BY_FAMILY, &m, sizeof m), &s), WEFT_OK);
    ck_assert_msg(out.len == sizeof want - 1 && memcmp(out.ptr, want, out.len) == 0, "%.*s",
        (int)out.len, out.ptr);
    wf_out_fini(&out);
}
END_TEST

static const struct socket_row {
    const char *why;
    uint8_t family, state;
    uint32_t uid, inode;
    const char *local, *remote, *want; // behind "protocol"
} sockets[] = {
    { "an IPv4 peer on a socket of IPv6", AF_INET6, 1, 1000, 5, "::ffff:192.0.2.1",
        "::ffff:192.0.2.2",
        "\"localAddress\":\"::ffff:192.0.2.1\",\"localPort\":22,\"remoteAddress\":\"::ffff:192.0.2."
        "2\",\"remotePort\":0,\"inode\":\"5\",\"state\":\"ESTAB\",\"uid\":1000}" },
    { "nobody holds it any more", AF_INET, 6, 0, 0, "192.0.2.1", "192.0.2.2",
        "\"localAddress\":\"192.0.2.1\",\"localPort\":22,\"remoteAddress\":\"192.0.2.2\","
        "\"remotePort"
        "\":0,\"inode\":\"0\",\"state\":\"TIME-WAIT\",\"uid\":0}" },
    { "another user's, whose holder we may not see", AF_INET, 10, 4294967294, 77, "0.0.0.0",
        "0.0.0.0",
        "\"localAddress\":\"0.0.0.0\",\"localPort\":22,\"remoteAddress\":\"0.0.0.0\","
        "\"remotePort\":0"
        ",\"inode\":\"77\",\"state\":\"LISTEN\",\"uid\":4294967294}" },
    { "a state of a newer kernel", AF_INET6, 99, 0, 4294967295, "::", "::",
        "\"localAddress\":\"::\",\"localPort\":22,\"remoteAddress\":\"::\",\"remotePort\":0,"
        "\"inode\":"
        "\"4294967295\",\"state\":\"UNKNOWN\",\"uid\":0}" },
    { "a name of a process that is no UTF-8", AF_INET, 10, 0, 4711, "127.0.0.1", "0.0.0.0",
        "\"localAddress\":\"127.0.0.1\",\"localPort\":22,\"remoteAddress\":\"0.0.0.0\","
        "\"remotePort\":"
        "0,\"inode\":\"4711\",\"state\":\"LISTEN\",\"uid\":0,\"pid\":42,\"process\":"
        "\"\xef\xbf\xbd\"}" },
};

START_TEST(odd_sockets_are_rows_like_others)
{
    const struct socket_row *r = &sockets[_i];
    struct wf_out out = { 0 };
    struct wf_owner holder = { .inode = 4711, .pid = 42, .command = "\xff" };
    struct wf_owners owners = { .list = &holder, .count = 1 };
    struct wf_sockets s = { .out = &out, .owners = &owners, .protocol = IPPROTO_TCP };
    struct inet_diag_msg m = { .idiag_family = r->family,
        .idiag_state = r->state,
        .idiag_uid = r->uid,
        .idiag_inode = r->inode };
    char want[400];

    m.id.idiag_sport = htons(22);
    ck_assert_int_eq(inet_pton(r->family, r->local, m.id.idiag_src), 1);
    ck_assert_int_eq(inet_pton(r->family, r->remote, m.id.idiag_dst), 1);
    ck_assert_int_eq(wf_sockets_on_message(begin(SOCK_DIAG_BY_FAMILY, &m, sizeof m), &s), WEFT_OK);
    snprintf(want, sizeof want, "{\"protocol\":\"tcp\",%s", r->want);
    ck_assert_msg(out.len == strlen(want) && memcmp(out.ptr, want, out.len) == 0, "%s: %.*s",
        r->why, (int)out.len, out.ptr);
    wf_out_fini(&out);
}
END_TEST

START_TEST(a_hundred_thousand_sockets_are_rows_and_more_than_the_limit_are_refused)
{
    struct wf_out out = { 0 };
    struct wf_owners owners = { 0 };
    struct wf_sockets s = { .out = &out, .owners = &owners, .protocol = IPPROTO_TCP };
    struct inet_diag_msg m = tcp_socket(1, "255.255.255.255", 65535);
    enum weft_err err = WEFT_OK;

    struct nlmsghdr *message = begin(SOCK_DIAG_BY_FAMILY, &m, sizeof m);
    for (unsigned i = 0; i < 100000; i++)
        ck_assert_int_eq(wf_sockets_on_message(message, &s), WEFT_OK);
    ck_assert_uint_eq(out.row_count, 100000);
    while (!err && out.row_count <= WF_HOST_MAX_ROWS)
        err = wf_sockets_on_message(message, &s);
    ck_assert_int_eq(err, WEFT_E_TOO_BIG);
    ck_assert_uint_le(out.row_count, WF_HOST_MAX_ROWS);
    wf_out_fini(&out);
}
END_TEST

static const struct listening_row {
    const char *why;
    uint8_t protocol, state;
    uint16_t port;
    bool want;
} listening[] = {
    { "a TCP listener", IPPROTO_TCP, 10, 22, true },
    { "a TCP connection", IPPROTO_TCP, 1, 22, false },
    { "a bound UDP socket without a peer", IPPROTO_UDP, 7, 53, true },
    { "a connected UDP socket", IPPROTO_UDP, 1, 53, false },
    { "an unbound UDP socket", IPPROTO_UDP, 7, 0, false },
    { "a state of a newer kernel", IPPROTO_TCP, 200, 22, false },
};

START_TEST(listening_keeps_sockets_that_wait_for_strangers)
{
    const struct listening_row *r = &listening[_i];
    struct wf_out out = { 0 };
    struct wf_owners owners = { 0 };
    struct wf_sockets s = {
        .out = &out, .owners = &owners, .protocol = r->protocol, .listening_only = true
    };
    struct inet_diag_msg m = tcp_socket(r->state, "0.0.0.0", r->port);

    ck_assert_int_eq(wf_sockets_on_message(begin(SOCK_DIAG_BY_FAMILY, &m, sizeof m), &s), WEFT_OK);
    ck_assert_msg(out.row_count == r->want, "%s", r->why);
    wf_out_fini(&out);
}
END_TEST

START_TEST(short_socket_messages_and_other_families_are_passed_over)
{
    struct wf_out out = { 0 };
    struct wf_owners owners = { 0 };
    struct wf_sockets s = { .out = &out, .owners = &owners, .protocol = IPPROTO_TCP };
    struct inet_diag_msg m = tcp_socket(10, "0.0.0.0", 22);

    for (size_t len = 0; len < sizeof m; len++)
        ck_assert_int_eq(
            wf_sockets_on_message(begin(SOCK_DIAG_BY_FAMILY, &m, len & ~(size_t)3), &s), WEFT_OK);
    m.idiag_family = AF_UNIX;
    ck_assert_int_eq(wf_sockets_on_message(begin(SOCK_DIAG_BY_FAMILY, &m, sizeof m), &s), WEFT_OK);
    ck_assert_int_eq(wf_sockets_on_message(begin(RTM_NEWLINK, &m, sizeof m), &s), WEFT_OK);
    ck_assert_uint_eq(out.row_count, 0);
    wf_out_fini(&out);
}
END_TEST

static enum weft_err count_message(const struct nlmsghdr *message, void *context)
{
    (void)message;
    (*(unsigned *)context)++;
    return WEFT_OK;
}

static enum weft_err refuse_message(const struct nlmsghdr *message, void *context)
{
    (void)message;
    (void)context;
    return WEFT_E_TOO_BIG;
}

static uint32_t error_message(int number)
{
    struct nlmsgerr e = { .error = -number };

    return begin(NLMSG_ERROR, &e, sizeof e)->nlmsg_len;
}

START_TEST(the_end_an_interruption_and_errors_of_a_dump_are_told_apart)
{
    unsigned count = 0;
    bool done = false;
    struct wf_dump d = { .message = count_message, .context = &count };
    struct ifinfomsg info = { .ifi_index = 1 };

    struct nlmsghdr *m = begin(RTM_NEWLINK, &info, sizeof info);
    ck_assert_int_eq(wf_netlink_run(&d, space, m->nlmsg_len, 0, 0, &done), WEFT_OK);
    ck_assert(!done && count == 1);
    m->nlmsg_flags = NLM_F_DUMP_INTR;
    ck_assert_int_eq(wf_netlink_run(&d, space, m->nlmsg_len, 0, 0, &done), WEFT_E_BUSY);
    ck_assert_int_eq(
        wf_netlink_run(&d, space, error_message(EPERM), 0, 0, &done), WEFT_E_PERMISSION);
    ck_assert_int_eq(
        wf_netlink_run(&d, space, error_message(EOPNOTSUPP), 0, 0, &done), WEFT_E_UNSUPPORTED);
    int zero = 0;
    m = begin(NLMSG_DONE, &zero, sizeof zero);
    ck_assert_int_eq(wf_netlink_run(&d, space, m->nlmsg_len, 0, 0, &done), WEFT_OK);
    ck_assert(done);
    d.message = refuse_message;
    m = begin(RTM_NEWLINK, &info, sizeof info);
    ck_assert_int_eq(wf_netlink_run(&d, space, m->nlmsg_len, 0, 0, &done), WEFT_E_TOO_BIG);
}
END_TEST

START_TEST(a_length_beyond_what_was_received_is_refused)
{
    static const uint32_t lengths[] = { 0, 15, 17, 0x7fffffff, 0x80000000, 0xff000024, UINT32_MAX };
    unsigned count = 0;
    bool done = false;
    struct wf_dump d = { .message = count_message, .context = &count };

    for (size_t i = 0; i < WF_COUNT(lengths); i++) {
        struct nlmsghdr *m = begin(RTM_NEWLINK, "", 0);
        m->nlmsg_len = lengths[i];
        ck_assert_int_eq(wf_netlink_run(&d, space, sizeof *m, 0, 0, &done), WEFT_E_SYNTAX);
    }
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(the_lowest_holder_of_a_socket_is_found)
{
    struct wf_owners owners;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(wf_owners_read(&owners), WEFT_OK);
    ck_assert_uint_gt(owners.count, 0);
    bool found = false;
    for (size_t i = 0; i < owners.count; i++) {
        ck_assert(i == 0 || owners.list[i - 1].inode < owners.list[i].inode);
        ck_assert_ptr_eq(wf_owners_find(&owners, owners.list[i].inode), &owners.list[i]);
        found = found || owners.list[i].pid == (uint32_t)getpid();
    }
    ck_assert(found);
    ck_assert_ptr_null(wf_owners_find(&owners, UINT64_MAX));
    ck_assert_ptr_null(wf_owners_find(&owners, 0));
    wf_owners_fini(&owners);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("netlink");
    TCase *tc = tcase_create("netlink");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, tc);
    tcase_add_test(tc, a_link_is_read_with_name_state_kind_and_counters);
    tcase_add_test(tc, counters_of_older_and_newer_kernels_are_taken_as_far_as_both_know);
    tcase_add_test(tc, a_link_without_a_usable_name_is_passed_over);
    tcase_add_loop_test(tc, a_link_has_the_address_that_ip_link_shows, 0, (int)WF_COUNT(hardware));
    tcase_add_test(tc, addresses_find_their_link_by_number_whatever_its_name_is_now);
    tcase_add_test(tc, names_that_are_no_utf8_are_rows_of_json);
    tcase_add_test(tc, addresses_belong_to_their_link);
    tcase_add_test(tc, a_message_cut_at_any_byte_is_read_within_its_length);
    tcase_add_test(tc, damaged_messages_are_read_within_their_length);
    tcase_add_test(tc, a_socket_becomes_a_row_with_its_holder);
    tcase_add_loop_test(tc, odd_sockets_are_rows_like_others, 0, (int)WF_COUNT(sockets));
    tcase_add_test(tc, a_hundred_thousand_sockets_are_rows_and_more_than_the_limit_are_refused);
    tcase_add_loop_test(
        tc, listening_keeps_sockets_that_wait_for_strangers, 0, (int)WF_COUNT(listening));
    tcase_add_test(tc, short_socket_messages_and_other_families_are_passed_over);
    tcase_add_test(tc, the_end_an_interruption_and_errors_of_a_dump_are_told_apart);
    tcase_add_test(tc, a_length_beyond_what_was_received_is_refused);
    tcase_add_test(tc, the_lowest_holder_of_a_socket_is_found);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
