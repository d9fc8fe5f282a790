// SPDX-License-Identifier: Apache-2.0
// sockets, listening: the TCP and UDP sockets of this network namespace from sock_diag(7), one row a socket, with the
// process that holds it where /proc lets us see that. `listening` keeps those that wait for strangers. State words are
// those of ss(8).
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>

#include "domains/common/netlink.h"
#include "domains/common/owners.h"
#include "domains/common/sockets.h"

#define ALL_STATES 0xffffffffu

enum state { CLOSE = 7, LISTEN = 10 }; // of the kernel, RFC 9293 names

static const char *state_name(unsigned state)
{
    static const char *const names[] = { "UNKNOWN", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1",
        "FIN-WAIT-2", "TIME-WAIT", "UNCONN", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING",
        "SYN-RECV", "UNCONN" };

    return state < sizeof names / sizeof names[0] ? names[state] : names[0];
}

static bool waits_for_strangers(const struct wf_sockets *s, const struct inet_diag_msg *m)
{
    return s->protocol == IPPROTO_TCP ? m->idiag_state == LISTEN
                                      : m->idiag_state == CLOSE && m->id.idiag_sport != 0;
}

static void put_address(
    struct wf_out *out, const char *field, uint8_t family, const uint32_t address[4])
{
    char text[INET6_ADDRSTRLEN] = "";

    if (!inet_ntop(family, address, text, sizeof text))
        text[0] = '\0';
    wf_out_str(out, field, wf_text(text));
}

static void put_owner(struct wf_out *out, const struct wf_owner *owner)
{
    if (!owner)
        return;
    wf_out_u32(out, "pid", owner->pid);
    wf_out_str(out, "process", wf_text(owner->command));
}

enum weft_err wf_sockets_on_message(const struct nlmsghdr *message, void *context)
{
    struct wf_sockets *s = context;
    struct inet_diag_msg m;
    char device[IF_NAMESIZE];

    if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(message) < sizeof m)
        return WEFT_OK;
    memcpy(&m, mnl_nlmsg_get_payload(message), sizeof m);
    if ((m.idiag_family != AF_INET && m.idiag_family != AF_INET6) ||
        (s->listening_only && !waits_for_strangers(s, &m)))
        return WEFT_OK;
    wf_out_open_row(s->out);
    wf_out_str(s->out, "protocol", wf_text(s->protocol == IPPROTO_TCP ? "tcp" : "udp"));
    put_address(s->out, "localAddress", m.idiag_family, m.id.idiag_src);
    wf_out_u32(s->out, "localPort", ntohs(m.id.idiag_sport));
    put_address(s->out, "remoteAddress", m.idiag_family, m.id.idiag_dst);
    wf_out_u32(s->out, "remotePort", ntohs(m.id.idiag_dport));
    // Two sockets may share all of the above (SO_REUSEPORT, different interfaces).
    wf_out_u64(s->out, "inode", m.idiag_inode);
    wf_out_key_done(s->out);
    wf_out_str(s->out, "state", wf_text(state_name(m.idiag_state)));
    wf_out_u32(s->out, "uid", m.idiag_uid);
    if (m.id.idiag_if != 0 && if_indextoname(m.id.idiag_if, device))
        wf_out_str(s->out, "interface", wf_text(device));
    put_owner(s->out, m.idiag_inode ? wf_owners_find(s->owners, m.idiag_inode) : NULL);
    return wf_out_close_row(s->out);
}

static void take_back(void *context)
{
    struct wf_sockets *s = context;

    s->out->row_count = s->rows_before;
    s->out->len = s->text_before;
}

static enum weft_err dump(struct wf_collect *c, struct wf_sockets *s, uint8_t family)
{
    struct inet_diag_req_v2 request = {
        .sdiag_family = family, .sdiag_protocol = s->protocol, .idiag_states = ALL_STATES
    };
    struct wf_dump d = { .bus = NETLINK_SOCK_DIAG,
        .type = SOCK_DIAG_BY_FAMILY,
        .request = &request,
        .request_len = sizeof request,
        .message = wf_sockets_on_message,
        .restart = take_back,
        .context = s };

    s->rows_before = s->out->row_count;
    s->text_before = s->out->len;
    enum weft_err err = wf_netlink_dump(&d);
    // A kernel without IPv6 has no such sockets.
    if (err == WEFT_E_UNSUPPORTED && family == AF_INET6)
        return WEFT_OK;
    return err ? wf_problem(c, err, "sock_diag: the kernel does not list its sockets") : WEFT_OK;
}

static enum weft_err collect(struct wf_collect *c, bool listening_only)
{
    static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP },
                         families[] = { AF_INET, AF_INET6 };
    struct wf_owners owners;
    enum weft_err err = wf_owners_read(&owners);

    if (err)
        return wf_problem(c, err, "out of memory");
    struct wf_sockets s = { .out = c->out, .owners = &owners, .listening_only = listening_only };
    for (size_t i = 0; i < sizeof protocols && !err; i++) {
        s.protocol = protocols[i];
        for (size_t j = 0; j < sizeof families && !err; j++)
            err = dump(c, &s, families[j]);
    }
    wf_owners_fini(&owners);
    return err;
}

enum weft_err wf_collect_sockets(struct wf_collect *c)
{
    return collect(c, false);
}

enum weft_err wf_collect_listening(struct wf_collect *c)
{
    return collect(c, true);
}
